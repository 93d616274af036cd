//! The event stream of Claude Code (`stream-json`, or the array that `json` prints in verbose mode).

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::event::{self, Tools, array, money, number, one_line, status, text};
use super::super::launch::is_session_id;
use super::super::{Parser, Start};
use crate::logic::classify::{agent_error, class_of};
use crate::model::{AgentError, ErrorClass, Final, Said, Usage};

/// Reads one run.
pub(super) struct Stream {
    start: Start,
    is_open: bool,
    tools: Tools,
    /// Whether it said or did anything at all.
    has_answer: bool,
    /// Sum over the messages so far; output tokens are only stubs until the result.
    running: Usage,
    /// Sum over the results so far: a run has several when work in the background wakes it up.
    settled: Usage,
    last_message: String,
    session: String,
    /// When the subscription's window ends, from the last `rate_limit_event` that refused a request.
    window_end: Option<DateTime<Utc>>,
}

impl Stream {
    pub(super) fn new(start: Start) -> Self {
        Self {
            start,
            is_open: false,
            tools: Tools::default(),
            has_answer: false,
            running: Usage::default(),
            settled: Usage::default(),
            last_message: String::new(),
            session: String::new(),
            window_end: None,
        }
    }

    fn event(&mut self, event: &Value) -> Option<Vec<Said>> {
        let is_inner = !text(event, "/parent_tool_use_id").is_empty();
        let said = match text(event, "/type") {
            "system" if event.get("subtype").is_some_and(Value::is_string) => self.system(event),
            "assistant" if event.get("message").is_some_and(Value::is_object) => self.assistant(event, is_inner),
            "user" if event.get("message").is_some_and(Value::is_object) => self.user(event, is_inner),
            "result" if event.get("is_error").or(event.get("subtype")).is_some() => self.result(event),
            "rate_limit_event" if event.get("rate_limit_info").is_some_and(Value::is_object) => {
                self.rate_limit(event);
                vec![]
            }
            kind if self.is_open && !kind.is_empty() => vec![],
            _ => return None,
        };
        self.is_open = true;
        Some(said)
    }

    fn system(&mut self, event: &Value) -> Vec<Said> {
        match text(event, "/subtype") {
            "init" => self.session(event, text(event, "/model")),
            "api_retry" => {
                let reason = text(event, "/error");
                let status = status(event, "/error_status");
                let message = match status {
                    Some(status) => format!("{reason} (HTTP {status})"),
                    None => reason.to_owned(),
                };
                vec![Said::Retry {
                    attempt: u32::try_from(number(event, "/attempt")).unwrap_or(u32::MAX),
                    delay_ms: number(event, "/retry_delay_ms"),
                    error: AgentError { class: class_of(status, reason, ""), message, until: None },
                }]
            }
            "permission_denied" => {
                let text = format!("not permitted: {}: {}", text(event, "/tool_name"), text(event, "/message"));
                vec![Said::Notice { text: one_line(&text) }]
            }
            _ => vec![],
        }
    }

    fn session(&mut self, event: &Value, model: &str) -> Vec<Said> {
        let id = text(event, "/session_id");
        if !is_session_id(id) || id == self.session {
            return vec![];
        }
        id.clone_into(&mut self.session);
        vec![Said::Session { id: id.to_owned(), model: model.to_owned() }]
    }

    fn assistant(&mut self, event: &Value, is_inner: bool) -> Vec<Said> {
        let mut said = Vec::new();
        if !is_inner {
            said.extend(self.message_usage(event));
        }
        let code = text(event, "/error");
        for block in array(event, "/message/content") {
            match text(block, "/type") {
                "text" if !code.is_empty() => {
                    said.push(Said::Error(self.error(None, code, text(block, "/text"))));
                }
                "text" => {
                    let text = text(block, "/text").to_owned();
                    self.has_answer |= !is_inner && !text.trim().is_empty();
                    // What a sub-agent says is not meant for the reader.
                    said.push(if is_inner { Said::Thinking { text } } else { Said::Text { text, partial: false } });
                }
                "thinking" => said.push(Said::Thinking { text: text(block, "/thinking").to_owned() }),
                "tool_use" => {
                    self.has_answer = true;
                    let summary = block.get("input").map(event::call_summary).unwrap_or_default();
                    said.extend(self.tools.start(text(block, "/id"), text(block, "/name"), summary));
                }
                _ => {}
            }
        }
        said
    }

    /// One message comes as several events with the same id and the same numbers.
    fn message_usage(&mut self, event: &Value) -> Option<Said> {
        let id = text(event, "/message/id");
        let usage = usage(event, "/message");
        if id.is_empty() || id == self.last_message || usage.is_zero() {
            return None;
        }
        id.clone_into(&mut self.last_message);
        self.running = self.running.plus(usage);
        Some(Said::Usage { usage, is_total: false })
    }

    fn user(&mut self, event: &Value, is_inner: bool) -> Vec<Said> {
        let mut said = Vec::new();
        for block in array(event, "/message/content") {
            match text(block, "/type") {
                "tool_result" => {
                    let is_ok = block.get("is_error").and_then(Value::as_bool) != Some(true);
                    let summary = block.get("content").map(event::result_summary).unwrap_or_default();
                    said.extend(self.tools.end(text(block, "/tool_use_id"), "tool", String::new(), is_ok, summary));
                }
                // The program talks to the model in the user's name: "Request interrupted", "Output token limit hit".
                "text" if !is_inner => said.push(Said::Notice { text: one_line(text(block, "/text")) }),
                _ => {}
            }
        }
        said
    }

    fn result(&mut self, event: &Value) -> Vec<Said> {
        let mut said = self.session(event, "");
        self.running = most(self.counted(event), self.running);
        said.push(Said::Usage { usage: self.running, is_total: true });

        let denied = array(event, "/permission_denials");
        if !denied.is_empty() {
            let tools: Vec<&str> = denied.iter().map(|denial| text(denial, "/tool_name")).collect();
            said.push(Said::Notice { text: one_line(&format!("not permitted: {}", tools.join(", "))) });
        }
        said.push(Said::Final(self.last_word(event)));
        said
    }

    /// Recent versions tell what every model used since the last result, sub-agents and side calls included. Otherwise
    /// there are the tokens of this run, and the money of the whole session, earlier runs included.
    fn counted(&mut self, event: &Value) -> Usage {
        let models = event.pointer("/model_usage_since_last_result").and_then(Value::as_object);
        if let Some(models) = models.filter(|models| !models.is_empty()) {
            self.settled = models.values().map(model_usage).fold(self.settled, Usage::plus);
            return self.settled;
        }
        let session_cost = money(event, "/total_cost_usd");
        let before = self.start.base.cost_usd.unwrap_or(0.0);
        let cost_usd = session_cost.map(|cost| if cost >= before { cost - before } else { cost });
        Usage { cost_usd, ..usage(event, "") }
    }

    fn last_word(&self, event: &Value) -> Final {
        let subtype = text(event, "/subtype");
        let is_error = event.get("is_error").and_then(Value::as_bool).unwrap_or(false);
        let mut message = text(event, "/result").to_owned();
        if message.is_empty() {
            let errors: Vec<&str> = array(event, "/errors").iter().filter_map(Value::as_str).collect();
            message = errors.join("; ");
        }
        if !is_error && matches!(subtype, "success" | "") {
            // What `--json-schema` asked for; `result` may hold prose instead (anthropics/claude-code issue 18536).
            if let Some(structured) = event.get("structured_output").filter(|value| value.is_object()) {
                return Final { is_ok: true, message: structured.to_string(), error: None };
            }
            if message.trim().is_empty() && !self.has_answer {
                return Final { is_ok: false, message: "the agent answered nothing".into(), error: None };
            }
            return Final { is_ok: true, message, error: None };
        }
        // The most telling word first; `api_error` alone says nothing.
        let words = ["/terminal_reason", "/api_error", "/api_error_type", "/subtype"];
        let code = words
            .iter()
            .map(|pointer| text(event, pointer))
            .find(|code| class_of(None, code, "") != ErrorClass::Other)
            .unwrap_or_default();
        let error = self.error(status(event, "/api_error_status"), code, &message);
        if message.is_empty() {
            message = if subtype.is_empty() { "failed".into() } else { subtype.to_owned() };
        }
        Final { is_ok: false, message, error: Some(error) }
    }

    fn error(&self, status: Option<u16>, code: &str, message: &str) -> AgentError {
        let mut error = agent_error(status, code, message, (self.start.now)());
        if error.class.is_limit() {
            error.until = self.window_end.or(error.until);
        }
        error
    }

    /// Reported after every request of a subscription; only a refusal tells when to come back.
    fn rate_limit(&mut self, event: &Value) {
        let is_refusal = matches!(text(event, "/rate_limit_info/status"), "rejected" | "denied");
        let seconds = i64::try_from(number(event, "/rate_limit_info/resetsAt")).unwrap_or(0);
        self.window_end = (is_refusal && seconds > 0).then(|| DateTime::from_timestamp(seconds, 0)).flatten();
    }
}

impl Parser for Stream {
    fn line(&mut self, line: &str) -> Vec<Said> {
        if let Some(event) = event::object(line) {
            return self.event(&event).unwrap_or_else(|| event::stray(line, self.is_open));
        }
        // `--output-format json --verbose` prints all events as one array.
        let trimmed = line.trim();
        if trimmed.starts_with("[{")
            && let Ok(Value::Array(events)) = serde_json::from_str::<Value>(trimmed)
            && let Some(first) = events.first().and_then(|first| self.event(first))
        {
            return events.iter().skip(1).filter_map(|event| self.event(event)).fold(first, |mut all, said| {
                all.extend(said);
                all
            });
        }
        event::stray(line, self.is_open)
    }

    fn end(&mut self, _code: i32) -> Vec<Said> {
        vec![]
    }
}

fn usage(event: &Value, at: &str) -> Usage {
    let field = |name: &str| number(event, &format!("{at}/usage/{name}"));
    Usage {
        input: field("input_tokens"),
        cached_input: field("cache_read_input_tokens"),
        cache_write: field("cache_creation_input_tokens"),
        output: field("output_tokens"),
        reasoning: field("output_tokens_details/thinking_tokens"),
        cost_usd: None,
    }
}

fn model_usage(model: &Value) -> Usage {
    Usage {
        input: number(model, "/inputTokens"),
        cached_input: number(model, "/cacheReadInputTokens"),
        cache_write: number(model, "/cacheCreationInputTokens"),
        output: number(model, "/outputTokens"),
        reasoning: number(model, "/thinkingTokens"),
        cost_usd: money(model, "/costUSD"),
    }
}

/// The larger of each number: an aborted run reports zeros at its end.
fn most(a: Usage, b: Usage) -> Usage {
    Usage {
        input: a.input.max(b.input),
        cached_input: a.cached_input.max(b.cached_input),
        cache_write: a.cache_write.max(b.cache_write),
        output: a.output.max(b.output),
        reasoning: a.reasoning.max(b.reasoning),
        cost_usd: match (a.cost_usd, b.cost_usd) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::{finals, lines, start, usage_of};
    use super::*;

    fn parse(lines: &[&str]) -> Vec<Said> {
        let mut stream = Stream::new(start());
        lines.iter().flat_map(|line| stream.line(line)).collect()
    }

    #[test]
    fn a_refused_subscription_names_the_time() {
        let said = parse(&[
            r#"{"type":"system","subtype":"init","session_id":"s","model":"m"}"#,
            r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795190000},"session_id":"s"}"#,
            r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"You've hit your limit · resets 2pm (Asia/Shanghai)","session_id":"s"}"#,
        ]);
        let error = finals(&said)[0].error.clone().unwrap();
        assert_eq!((error.class, error.until.unwrap().timestamp()), (ErrorClass::Quota, 1_795_190_000));

        let said = parse(&[r#"{"type":"result","is_error":true,"result":"Claude AI usage limit reached|1795190000"}"#]);
        let error = finals(&said)[0].error.clone().unwrap();
        assert_eq!((error.class, error.until.unwrap().timestamp()), (ErrorClass::Quota, 1_795_190_000));
    }

    #[test]
    fn a_resumed_session_is_charged_for_its_own_run_only() {
        let first = usage_of(&mut Stream::new(start()), &lines("claude-resume"));
        let cost = |usage: Usage| (usage.cost_usd.unwrap() * 1e5).round() as u64;
        assert_eq!((first.input, cost(first)), (4200, 2144));
        let resumed = Start { base: first, ..start() };
        let second = usage_of(&mut Stream::new(resumed), &lines("claude-resume-2"));
        assert_eq!((second.input, second.output, cost(second)), (1000, 50, 500));
        // As an older version would tell it.
        let older = lines("claude-resume-2").join("\n").replace("model_usage_since_last_result", "x");
        let older: Vec<String> = older.lines().map(ToOwned::to_owned).collect();
        assert_eq!(cost(usage_of(&mut Stream::new(resumed), &older)), 500);
    }

    #[test]
    fn several_results_of_one_run_are_added_up() {
        let result = |input| {
            format!(
                r#"{{"type":"result","is_error":false,"result":"x","model_usage_since_last_result":{{"m":{{"inputTokens":{input},"costUSD":0.5}}}}}}"#
            )
        };
        let usage = usage_of(&mut Stream::new(start()), &[result(10), result(5)]);
        assert_eq!((usage.input, usage.cost_usd), (15, Some(1.0)));
    }

    #[test]
    fn a_warning_about_the_window_is_no_error() {
        let said = parse(&[
            r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","resetsAt":1795190000}}"#,
            r#"{"type":"result","subtype":"success","is_error":false,"result":"done"}"#,
        ]);
        assert!(finals(&said)[0].is_ok);
    }

    #[test]
    fn the_array_of_the_json_format_is_read_too() {
        let said = parse(&[
            r#"[{"type":"system","subtype":"init","session_id":"s"},{"type":"future"},{"type":"result","is_error":false,"result":"hi"}]"#,
        ]);
        assert_eq!(finals(&said)[0].message, "hi");
        assert!(matches!(said[0], Said::Session { .. }));
    }

    #[test]
    fn a_structured_answer_is_the_answer() {
        let captured = lines("claude-json_schema");
        let said: Vec<Said> = parse(&captured.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(finals(&said)[0].message, r#"{"tasks":["a"]}"#);
        for (result, expected) in [
            (r#""result":"Done.","structured_output":{"tasks":[1]}"#, r#"{"tasks":[1]}"#),
            (r#""result":"","structured_output":{}"#, "{}"),
            (r#""result":"{}","structured_output":null"#, "{}"),
            (r#""result":"prose","structured_output":"text""#, "prose"),
        ] {
            let said = parse(&[&format!(r#"{{"type":"result","subtype":"success","is_error":false,{result}}}"#)]);
            let expected = Final { is_ok: true, message: expected.into(), error: None };
            assert_eq!(finals(&said), [&expected], "{result}");
        }
        let said = parse(&[r#"{"type":"result","is_error":true,"result":"no","structured_output":{"a":1}}"#]);
        assert_eq!((finals(&said)[0].is_ok, finals(&said)[0].message.as_str()), (false, "no"));
    }

    #[test]
    fn json_that_is_no_event_stays_text() {
        for line in
            [r#"{"tasks": []}"#, r#"{"type": "assistant"}"#, r#"[{"id": 1}]"#, "[]", r#"{"type":"x","id":"P0-1"}"#]
        {
            let expected = Said::Text { text: line.to_owned(), partial: false };
            assert_eq!(parse(&[line]), [expected], "a plan printed by a plain program");
        }
    }

    #[test]
    fn a_line_torn_by_another_event_is_a_remark() {
        let said = parse(&[
            r#"{"type":"system","subtype":"init","session_id":"s"}"#,
            r#"{"type":"assistant","message":{"content":[{"type":"text","text":"half{"type":"rate_limit_event"}"#,
            "",
        ]);
        assert!(matches!(said.last(), Some(Said::Notice { .. })) && said.len() == 2, "{said:?}");
    }
}
