//! The event stream of `codex exec --json`.

use serde_json::Value;

use super::super::event::{self, Tools, array, number, one_line, text};
use super::super::launch::is_session_id;
use super::super::{Parser, Start};
use crate::logic::classify::agent_error;
use crate::model::{Final, Said, Usage};

/// Reads one run.
pub(super) struct Stream {
    start: Start,
    is_open: bool,
    tools: Tools,
    last_text: String,
    has_answer: bool,
}

impl Stream {
    pub(super) fn new(start: Start) -> Self {
        Self { start, is_open: false, tools: Tools::default(), last_text: String::new(), has_answer: false }
    }

    fn event(&mut self, event: &Value) -> Option<Vec<Said>> {
        let said = match text(event, "/type") {
            "thread.started" => {
                let id = text(event, "/thread_id");
                let session = Said::Session { id: id.to_owned(), model: String::new() };
                is_session_id(id).then_some(session).into_iter().collect()
            }
            "turn.started" => vec![],
            "turn.completed" => self.completed(event),
            "turn.failed" => vec![self.failed(text(event, "/error/message"))],
            "item.started" => self.item(event.get("item")?, false),
            "item.completed" => self.item(event.get("item")?, true),
            "error" if event.get("message").is_some_and(Value::is_string) => vec![self.error(text(event, "/message"))],
            kind if self.is_open && !kind.is_empty() => vec![],
            _ => return None,
        };
        self.is_open = true;
        Some(said)
    }

    fn item(&mut self, item: &Value, is_over: bool) -> Vec<Said> {
        let id = text(item, "/id");
        let kind = text(item, "/type");
        let summary = match kind {
            "agent_message" | "reasoning" | "error" => return if is_over { self.words(kind, item) } else { vec![] },
            "command_execution" => one_line(unwrapped(text(item, "/command")).as_str()),
            "file_change" => {
                let changes = array(item, "/changes").iter();
                let changes: Vec<&str> = changes.map(|change| text(change, "/path")).collect();
                one_line(&changes.join(" "))
            }
            "mcp_tool_call" => one_line(&format!("{}.{}", text(item, "/server"), text(item, "/tool"))),
            "web_search" => one_line(text(item, "/query")),
            "todo_list" => {
                let items = array(item, "/items");
                let done = items.iter().filter(|i| i.get("completed").and_then(Value::as_bool) == Some(true)).count();
                format!("{done} of {} done", items.len())
            }
            _ => String::new(),
        };
        self.has_answer = true;
        if !is_over {
            return self.tools.start(id, kind, summary);
        }
        let is_ok = !matches!(text(item, "/status"), "failed" | "declined" | "in_progress")
            && item.get("exit_code").and_then(Value::as_i64).unwrap_or(0) == 0;
        let output = [text(item, "/aggregated_output"), text(item, "/error/message")];
        let output = output.into_iter().find(|o| !o.is_empty()).unwrap_or_default();
        self.tools.end(id, kind, summary, is_ok, one_line(output))
    }

    fn words(&mut self, kind: &str, item: &Value) -> Vec<Said> {
        let words = text(item, "/text").to_owned();
        vec![match kind {
            "agent_message" => {
                self.has_answer |= !words.trim().is_empty();
                self.last_text.clone_from(&words);
                Said::Text { text: words, partial: false }
            }
            "reasoning" => Said::Thinking { text: words },
            // A remark about the model's metadata, seen in runs that went well.
            _ => Said::Notice { text: one_line(text(item, "/message")) },
        }]
    }

    /// An `error` event is the program's remark about a retry as often as it is an error.
    fn error(&self, message: &str) -> Said {
        let now = (self.start.now)();
        if let Some((attempt, delay_ms, reason)) = retry(message) {
            return Said::Retry { attempt, delay_ms, error: agent_error(None, "", reason, now) };
        }
        Said::Error(agent_error(None, "", message, now))
    }

    fn failed(&self, message: &str) -> Said {
        let error = agent_error(None, "", message, (self.start.now)());
        let message = if message.is_empty() { "failed" } else { message };
        Said::Final(Final { is_ok: false, message: message.to_owned(), error: Some(error) })
    }

    fn completed(&mut self, event: &Value) -> Vec<Said> {
        let usage = Said::Usage { usage: since(usage(event), self.start.base), is_total: true };
        let last = if self.has_answer {
            Final { is_ok: true, message: std::mem::take(&mut self.last_text), error: None }
        } else {
            Final { is_ok: false, message: "the agent answered nothing".into(), error: None }
        };
        vec![usage, Said::Final(last)]
    }
}

impl Parser for Stream {
    fn line(&mut self, line: &str) -> Vec<Said> {
        let said = event::object(line).and_then(|event| self.event(&event));
        said.unwrap_or_else(|| event::stray(line, self.is_open))
    }

    fn end(&mut self, _code: i32) -> Vec<Said> {
        vec![]
    }
}

/// `Reconnecting... 1/5 (reason)`, `Reconnecting... waiting for network (reason)`, and older
/// `stream error: reason; retrying 1/5 in 200ms`. Returns the try, the wait and the reason.
fn retry(message: &str) -> Option<(u32, u64, &str)> {
    let try_number = |text: &str| text.trim_start().split_once('/').and_then(|(n, _)| n.parse().ok()).unwrap_or(0);
    let rest = message.strip_prefix("Reconnecting...").or_else(|| message.strip_prefix("Re-connecting..."));
    if let Some(rest) = rest {
        let attempt = try_number(rest);
        let reason = if attempt == 0 { rest.trim() } else { inner(rest) };
        return Some((attempt, 0, reason));
    }
    let (reason, rest) = message.split_once("; retrying ")?;
    let delay = rest.split_once(" in ").and_then(|(_, delay)| delay.split_once("ms")).map(|(ms, _)| ms.trim());
    let delay_ms = delay.and_then(|ms| ms.parse::<f64>().ok()).map_or(0, |ms| ms as u64);
    Some((try_number(rest), delay_ms, reason))
}

fn inner(text: &str) -> &str {
    text.split_once('(').map_or(text, |(_, inner)| inner.trim_end().trim_end_matches(')')).trim()
}

/// `/bin/bash -lc 'cargo test'` is shown as `cargo test`.
fn unwrapped(command: &str) -> String {
    let is_shell = |name: &str| matches!(name.rsplit('/').next(), Some("bash" | "sh" | "zsh" | "dash"));
    match shlex::split(command).as_deref() {
        Some([shell, flag, inner]) if is_shell(shell) && matches!(flag.as_str(), "-lc" | "-c") => inner.clone(),
        _ => command.to_owned(),
    }
}

fn usage(event: &Value) -> Usage {
    let cached = number(event, "/usage/cached_input_tokens");
    Usage {
        input: number(event, "/usage/input_tokens").saturating_sub(cached),
        cached_input: cached,
        cache_write: number(event, "/usage/cache_write_input_tokens"),
        output: number(event, "/usage/output_tokens"),
        reasoning: number(event, "/usage/reasoning_output_tokens"),
        cost_usd: None,
    }
}

/// A resumed thread counts on (seen in 0.169.0), an older program starts at zero (0.47.0): a total that is smaller
/// than what came before cannot contain it.
fn since(total: Usage, base: Usage) -> Usage {
    let fields = |u: Usage| [u.input, u.cached_input, u.cache_write, u.output, u.reasoning];
    if fields(total).iter().zip(fields(base)).any(|(total, base)| *total < base) {
        return total;
    }
    Usage {
        input: total.input - base.input,
        cached_input: total.cached_input - base.cached_input,
        cache_write: total.cache_write - base.cache_write,
        output: total.output - base.output,
        reasoning: total.reasoning - base.reasoning,
        cost_usd: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::{lines, start, usage_of};
    use super::*;
    use crate::model::ErrorClass;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_resumed_thread_is_charged_for_its_own_turn_only() {
        let first = usage_of(&mut Stream::new(start()), &lines("codex-resume"));
        assert_eq!((first.input, first.cached_input, first.output), (4000, 200, 230));
        let resumed = Start { base: first, ..start() };
        let second = usage_of(&mut Stream::new(resumed), &lines("codex-resume-2"));
        assert_eq!((second.input, second.cached_input, second.output), (1000, 0, 50));
        let older = usage_of(&mut Stream::new(resumed), &lines("codex-two_calls"));
        assert_eq!((older.input, older.output), (2000, 100), "a smaller total does not contain the earlier one");
    }

    #[test]
    fn retries_are_told_apart_from_errors() {
        assert_eq!(retry("Reconnecting... 2/5 (status 429 (slow))"), Some((2, 0, "status 429 (slow")));
        assert_eq!(retry("Reconnecting... waiting for network (x)"), Some((0, 0, "waiting for network (x)")));
        assert_eq!(retry("stream error: lost; retrying 1/5 in 200.5ms…"), Some((1, 200, "stream error: lost")));
        assert_eq!(retry("stream disconnected before completion"), None);
        let said = Stream::new(start()).line(r#"{"type":"error","message":"Reconnecting... 1/2 (last status: 429)"}"#);
        let [Said::Retry { attempt: 1, error, .. }] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(error.class, ErrorClass::RateLimit);
    }

    #[test]
    fn a_used_up_subscription_names_the_time() {
        let line = r#"{"type":"turn.failed","error":{"message":"You've hit your usage limit. Upgrade to Pro or try again in 2 days 17 hours 14 minutes."}}"#;
        let said = Stream::new(start()).line(line);
        let [Said::Final(Final { is_ok: false, error: Some(error), .. })] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(error.class, ErrorClass::Quota);
        assert_eq!(error.until.unwrap() - (start().now)().to_utc(), chrono::TimeDelta::minutes(65 * 60 + 14));
    }

    #[test]
    fn the_shell_around_a_command_is_not_shown() {
        assert_eq!(unwrapped("/bin/bash -lc 'cat a && ls'"), "cat a && ls");
        assert_eq!(unwrapped("bash -lc \"cat 'a b'\""), "cat 'a b'");
        assert_eq!(unwrapped("bash -lc 'broken"), "bash -lc 'broken");
        assert_eq!(unwrapped("ls -c x"), "ls -c x");
    }
}
