//! The event stream of `opencode run --format json`.

use serde_json::Value;

use super::super::event::{self, Tools, money, number, one_line, status, text};
use super::super::launch::is_session_id;
use super::super::{Parser, Start};
use crate::logic::classify::{agent_error, until};
use crate::model::{AgentError, Final, Said, Usage};

/// Reads one run.
pub(super) struct Stream {
    start: Start,
    session: String,
    is_open: bool,
    tools: Tools,
    /// The reason of the last finished step: `stop`, `tool-calls`, `length`.
    last_reason: String,
    /// Whether a step began after the last one that finished.
    is_in_step: bool,
    last_text: String,
    has_answer: bool,
    error: Option<AgentError>,
}

impl Stream {
    pub(super) fn new(start: Start) -> Self {
        Self {
            start,
            session: String::new(),
            is_open: false,
            tools: Tools::default(),
            last_reason: String::new(),
            is_in_step: false,
            last_text: String::new(),
            has_answer: false,
            error: None,
        }
    }

    fn event(&mut self, event: &Value) -> Option<Vec<Said>> {
        let id = text(event, "/sessionID");
        let kind = text(event, "/type");
        if id.is_empty() || kind.is_empty() {
            return None;
        }
        self.is_open = true;
        let mut said = Vec::new();
        if self.session != id && is_session_id(id) {
            id.clone_into(&mut self.session);
            said.push(Said::Session { id: id.to_owned(), model: String::new() });
        }
        match kind {
            "step_start" => self.is_in_step = true,
            // Written by the program itself, not by the model.
            "text" if event.pointer("/part/synthetic").and_then(Value::as_bool) == Some(true) => {
                said.push(Said::Notice { text: one_line(text(event, "/part/text")) });
            }
            "text" => {
                let text = text(event, "/part/text").to_owned();
                self.has_answer |= !text.trim().is_empty();
                self.last_text.clone_from(&text);
                said.push(Said::Text { text, partial: false });
            }
            "reasoning" => said.push(Said::Thinking { text: text(event, "/part/text").to_owned() }),
            "tool_use" => said.extend(self.tool(event)),
            "step_finish" => {
                text(event, "/part/reason").clone_into(&mut self.last_reason);
                self.is_in_step = false;
                said.push(Said::Usage { usage: usage(event), is_total: false });
            }
            "error" => {
                let error = self.error(event);
                self.error = Some(error.clone());
                said.push(Said::Error(error));
            }
            _ => {}
        }
        Some(said)
    }

    /// Told once, after the tool ran.
    fn tool(&mut self, event: &Value) -> Vec<Said> {
        self.has_answer = true;
        let call = event.pointer("/part/state/input").map(event::call_summary).unwrap_or_default();
        let exit = event.pointer("/part/state/metadata/exit").and_then(Value::as_i64).unwrap_or(0);
        let is_ok = text(event, "/part/state/status") == "completed" && exit == 0;
        let output = [text(event, "/part/state/error"), text(event, "/part/state/output")];
        let output = output.into_iter().find(|o| !o.is_empty()).unwrap_or_default();
        let id = text(event, "/part/callID");
        self.tools.end(id, text(event, "/part/tool"), call, is_ok, one_line(output))
    }

    fn error(&self, event: &Value) -> AgentError {
        let name = text(event, "/error/name");
        let message = [text(event, "/error/data/message"), text(event, "/error/message"), name];
        let message = message.into_iter().find(|m| !m.is_empty()).unwrap_or("unknown error");
        let now = (self.start.now)();
        let mut error = agent_error(status(event, "/error/data/statusCode"), name, message, now);
        if error.class.is_limit() && error.until.is_none() {
            let retry_after = text(event, "/error/data/responseHeaders/retry-after");
            error.until = until(&format!("retry-after: {retry_after}"), now)
                .or_else(|| until(text(event, "/error/data/responseBody"), now));
        }
        error
    }
}

impl Parser for Stream {
    fn line(&mut self, line: &str) -> Vec<Said> {
        let said = event::object(line).and_then(|event| self.event(&event));
        said.unwrap_or_else(|| event::stray(line, self.is_open))
    }

    fn end(&mut self, _code: i32) -> Vec<Said> {
        if !self.is_open {
            return vec![];
        }
        let failed = |message: String, error| Final { is_ok: false, message, error };
        let last = if let Some(error) = self.error.take() {
            failed(error.message.clone(), Some(error))
        } else if self.is_in_step {
            failed("the agent ended in the middle of a step".into(), None)
        } else if self.last_reason != "stop" {
            failed(format!("the agent ended after a step with the reason `{}`", one_line(&self.last_reason)), None)
        } else if !self.has_answer {
            failed("the agent answered nothing".into(), None)
        } else {
            Final { is_ok: true, message: std::mem::take(&mut self.last_text), error: None }
        };
        vec![Said::Final(last)]
    }
}

/// `input` excludes what came from the cache. Whether `output` contains the reasoning differs between versions; the
/// total tells, and without a total it does not.
fn usage(event: &Value) -> Usage {
    let field = |name: &str| number(event, &format!("/part/tokens/{name}"));
    let [input, output, reasoning] = [field("input"), field("output"), field("reasoning")];
    let [cached_input, cache_write] = [field("cache/read"), field("cache/write")];
    let without = [output, cached_input, cache_write].into_iter().fold(input, u64::saturating_add);
    let is_inside = field("total") == without;
    Usage {
        input,
        cached_input,
        cache_write,
        output: if is_inside { output } else { output.saturating_add(reasoning) },
        reasoning,
        cost_usd: money(event, "/part/cost"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::{finals, start};
    use super::*;
    use pretty_assertions::assert_eq;

    fn parse(lines: &[&str]) -> Vec<Said> {
        let mut stream = Stream::new(start());
        let mut said: Vec<Said> = lines.iter().flat_map(|line| stream.line(line)).collect();
        said.extend(stream.end(0));
        said
    }

    #[test]
    fn only_a_stopped_step_with_an_answer_is_a_good_end() {
        let text = r#"{"type":"text","sessionID":"s","part":{"text":"hi"}}"#;
        let finish =
            |reason: &str| format!(r#"{{"type":"step_finish","sessionID":"s","part":{{"reason":"{reason}"}}}}"#);
        let begin = r#"{"type":"step_start","sessionID":"s"}"#;
        let (stop, calls) = (finish("stop"), finish("tool-calls"));
        assert!(finals(&parse(&[begin, text, &stop]))[0].is_ok);
        assert!(!finals(&parse(&[begin, text, &calls]))[0].is_ok, "a permission was refused");
        assert!(!finals(&parse(&[begin, &stop]))[0].is_ok, "nothing was said or done");
        assert!(!finals(&parse(&[begin, text, &stop, begin]))[0].is_ok, "cut off");
        assert!(finals(&parse(&["plain text", "{}"])).is_empty(), "no events at all: the exit code decides");
    }

    #[test]
    fn reasoning_is_counted_once() {
        let tokens = |total: u64| {
            let line = format!(
                r#"{{"type":"step_finish","sessionID":"s","part":{{"tokens":{{"total":{total},"input":100,"output":20,"reasoning":5,"cache":{{"read":7,"write":1}}}},"cost":0.5}}}}"#
            );
            usage(&event::object(&line).unwrap())
        };
        assert_eq!((tokens(128).output, tokens(133).output, tokens(0).output), (20, 25, 25));
        assert_eq!(tokens(128).cost_usd, Some(0.5));
    }

    #[test]
    fn the_wait_comes_from_the_header() {
        let line = r#"{"type":"error","sessionID":"s","error":{"name":"APIError","data":{"message":"slow down","statusCode":429,"responseHeaders":{"retry-after":"90"}}}}"#;
        let error = finals(&parse(&[line]))[0].error.clone().unwrap();
        assert_eq!(error.until.unwrap() - (start().now)().to_utc(), chrono::TimeDelta::seconds(90));
    }
}
