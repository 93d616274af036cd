//! The event stream of Gemini CLI (`stream-json`).

use serde_json::Value;

use super::super::event::{self, Tools, number, one_line, text};
use super::super::launch::is_session_id;
use super::super::{Parser, Start};
use crate::logic::classify::agent_error;
use crate::model::{AgentError, ErrorClass, Final, Said, Usage};

/// Pieces of a message are joined up to this size; a longer message is told in several parts.
const PIECES_BYTES: usize = 8 * 1024;

/// Reads one run.
pub(super) struct Stream {
    start: Start,
    is_open: bool,
    tools: Tools,
    /// Pieces of the message that is being told.
    pieces: String,
    /// The whole message so far, for the final event.
    message: String,
    is_mid_message: bool,
    has_answer: bool,
    last_error: Option<AgentError>,
    has_final: bool,
}

impl Stream {
    pub(super) fn new(start: Start) -> Self {
        Self {
            start,
            is_open: false,
            tools: Tools::default(),
            pieces: String::new(),
            message: String::new(),
            is_mid_message: false,
            has_answer: false,
            last_error: None,
            has_final: false,
        }
    }

    fn event(&mut self, event: &Value) -> Option<Vec<Said>> {
        let is_json_string = |name: &str| event.get(name).is_some_and(Value::is_string);
        let kind = text(event, "/type");
        if kind == "message" && text(event, "/role") == "assistant" {
            self.is_open = true;
            return Some(self.piece(event));
        }
        let mut said = self.whole_message();
        match kind {
            "init" if is_json_string("session_id") => {
                let id = text(event, "/session_id");
                if is_session_id(id) {
                    said.push(Said::Session { id: id.to_owned(), model: text(event, "/model").to_owned() });
                }
            }
            "message" if is_json_string("role") => {} // Our own prompt.
            "tool_use" if is_json_string("tool_name") => {
                self.has_answer = true;
                let summary = event.get("parameters").map(event::call_summary).unwrap_or_default();
                said.extend(self.tools.start(text(event, "/tool_id"), text(event, "/tool_name"), summary));
            }
            "tool_result" if is_json_string("tool_id") => {
                let is_ok = text(event, "/status") == "success";
                let output = [text(event, "/error/message"), text(event, "/output")];
                let output = output.into_iter().find(|o| !o.is_empty()).unwrap_or_default();
                let id = text(event, "/tool_id");
                said.extend(self.tools.end(id, "tool", String::new(), is_ok, one_line(output)));
            }
            "error" if is_json_string("message") => said.push(self.error(event)),
            "result" if is_json_string("status") => said.extend(self.result(event)),
            kind if self.is_open && !kind.is_empty() => {}
            _ if said.is_empty() => return None,
            _ => said.extend(event::stray(&event.to_string(), true)),
        }
        self.is_open = true;
        Some(said)
    }

    /// A message comes in pieces of a few characters; it is told when it is over.
    fn piece(&mut self, event: &Value) -> Vec<Said> {
        let mut said = vec![];
        let is_piece = event.get("delta").and_then(Value::as_bool) == Some(true);
        if !is_piece || !self.is_mid_message {
            said = self.whole_message();
            self.message.clear();
        }
        let piece = text(event, "/content");
        self.has_answer |= !piece.trim().is_empty();
        self.pieces.push_str(piece);
        self.message.push_str(piece);
        self.is_mid_message = true;
        if !is_piece {
            said.extend(self.whole_message());
        } else if self.pieces.len() > PIECES_BYTES {
            said.push(Said::Text { text: std::mem::take(&mut self.pieces), partial: true });
        }
        said
    }

    fn whole_message(&mut self) -> Vec<Said> {
        if !std::mem::take(&mut self.is_mid_message) {
            return vec![];
        }
        vec![Said::Text { text: std::mem::take(&mut self.pieces), partial: false }]
    }

    fn error(&mut self, event: &Value) -> Said {
        let message = text(event, "/message");
        if text(event, "/severity") == "warning" {
            return Said::Notice { text: one_line(message) };
        }
        let error = agent_error(None, "", message, (self.start.now)());
        self.last_error = Some(error.clone());
        Said::Error(error)
    }

    fn result(&mut self, event: &Value) -> Vec<Said> {
        self.has_final = true;
        let cached = number(event, "/stats/cached");
        let usage = Usage {
            input: number(event, "/stats/input_tokens").saturating_sub(cached),
            cached_input: cached,
            output: number(event, "/stats/output_tokens"),
            ..Usage::default()
        };
        vec![Said::Usage { usage, is_total: true }, Said::Final(self.last_word(event))]
    }

    fn last_word(&mut self, event: &Value) -> Final {
        if text(event, "/status") == "success" {
            if self.has_answer {
                return Final { is_ok: true, message: std::mem::take(&mut self.message), error: None };
            }
            return Final { is_ok: false, message: "the agent answered nothing".into(), error: None };
        }
        let message = text(event, "/error/message");
        let error = if message.is_empty() {
            self.last_error.take()
        } else {
            Some(agent_error(None, text(event, "/error/type"), message, (self.start.now)()))
        };
        let message = error.as_ref().map_or_else(|| "failed".to_owned(), |error| error.message.clone());
        Final { is_ok: false, message, error }
    }
}

impl Parser for Stream {
    fn line(&mut self, line: &str) -> Vec<Said> {
        let said = event::object(line).and_then(|event| self.event(&event));
        said.unwrap_or_else(|| event::stray(line, self.is_open))
    }

    fn end(&mut self, code: i32) -> Vec<Said> {
        let mut said = self.whole_message();
        if !self.has_final
            && self.last_error.is_none()
            && let Some((class, what)) = of_exit_code(code)
        {
            let message = format!("gemini ended with exit code {code}: {what}");
            said.push(Said::Error(AgentError { class, message, until: None }));
        }
        said
    }
}

/// Without an event the exit code is telling: its own codes, and otherwise the HTTP status modulo 256.
fn of_exit_code(code: i32) -> Option<(ErrorClass, &'static str)> {
    Some(match code {
        41 => (ErrorClass::Auth, "not authorised (is GEMINI_API_KEY set?)"),
        53 => (ErrorClass::OwnLimit, "its limit of turns is reached"),
        173 => (ErrorClass::RateLimit, "too many requests (HTTP 429)"),
        244 => (ErrorClass::Overloaded, "the service failed (HTTP 500)"),
        247 => (ErrorClass::Overloaded, "the service is overloaded (HTTP 503)"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::start;
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn pieces_become_one_message() {
        let mut stream = Stream::new(start());
        let piece = |text: &str| format!(r#"{{"type":"message","role":"assistant","content":"{text}","delta":true}}"#);
        assert_eq!(stream.line(&piece("one ")), []);
        assert_eq!(stream.line(&piece("two")), []);
        let said = stream.line(r#"{"type":"tool_use","tool_name":"ls","tool_id":"1","parameters":{}}"#);
        assert_eq!(said[0], Said::Text { text: "one two".into(), partial: false });
        assert_eq!(stream.line(&piece(&"x".repeat(PIECES_BYTES + 1))).len(), 1, "a long message is not held back");
        assert_eq!(stream.line(&piece("end")), []);
        assert_eq!(stream.end(-15), [Said::Text { text: "end".into(), partial: false }]);
    }

    #[test]
    fn an_exit_code_explains_a_run_without_events() {
        let class = |code| match Stream::new(start()).end(code).as_slice() {
            [Said::Error(error)] => Some(error.class),
            _ => None,
        };
        assert_eq!(class(41), Some(ErrorClass::Auth));
        assert_eq!(class(173), Some(ErrorClass::RateLimit));
        assert_eq!((class(0), class(1), class(-15)), (None, None, None));
    }
}
