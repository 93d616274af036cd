//! Reading JSON lines without trusting them.
//!
//! Missing or wrongly typed fields read as empty or zero. Invariant: no input panics, and what is kept for people is
//! one line of bounded length.

use std::collections::HashSet;

use serde_json::Value;

use crate::model::Said;

/// Longest one-line summary of a tool call or remark, in characters.
const SUMMARY_CHARS: usize = 200;

/// Parses a line that may be an event: a JSON object. `serde_json` refuses nesting beyond 128 levels.
pub(super) fn object(line: &str) -> Option<Value> {
    let line = line.trim();
    if !line.starts_with('{') {
        return None;
    }
    serde_json::from_str::<Value>(line).ok().filter(Value::is_object)
}

/// Returns the text at a JSON pointer, empty when there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the whole number at a JSON pointer, 0 when there is none. Negative and fractional numbers are cut.
pub(super) fn number(value: &Value, pointer: &str) -> u64 {
    let Some(number) = value.pointer(pointer) else { return 0 };
    number.as_u64().or_else(|| number.as_f64().map(|n| n as u64)).unwrap_or(0)
}

/// Returns the HTTP status at a JSON pointer.
pub(super) fn status(value: &Value, pointer: &str) -> Option<u16> {
    u16::try_from(number(value, pointer)).ok().filter(|status| *status > 0)
}

/// Returns the amount of money at a JSON pointer, when it is a number from 0 up.
pub(super) fn money(value: &Value, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Value::as_f64).filter(|amount| amount.is_finite() && *amount >= 0.0)
}

/// Returns the array at a JSON pointer, empty when there is none.
pub(super) fn array<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the first line that is not empty, without control characters, shortened.
pub(super) fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut chars = line.chars().filter(|c| !c.is_control());
    let mut short: String = chars.by_ref().take(SUMMARY_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

/// Returns one line that tells what a tool was called with: the command, the file, or else the whole input.
pub(super) fn call_summary(input: &Value) -> String {
    const TELLING: [&str; 12] = [
        "/command",
        "/file_path",
        "/filePath",
        "/path",
        "/absolute_path",
        "/notebook_path",
        "/pattern",
        "/query",
        "/url",
        "/description",
        "/prompt",
        "/name",
    ];
    let told = TELLING.iter().map(|pointer| text(input, pointer)).find(|told| !told.trim().is_empty());
    match told {
        Some(told) => one_line(told),
        None if input.is_null() || input.as_object().is_some_and(serde_json::Map::is_empty) => String::new(),
        None => one_line(&input.to_string()),
    }
}

/// Returns the first line of a tool's result, which is text or a list of blocks with text.
pub(super) fn result_summary(content: &Value) -> String {
    match content {
        Value::String(text) => one_line(text),
        Value::Array(blocks) => {
            one_line(blocks.iter().map(|block| text(block, "/text")).find(|t| !t.is_empty()).unwrap_or_default())
        }
        _ => String::new(),
    }
}

/// What becomes of a line that is no event. Before the first event it is plain output and kept as it is, so that a
/// program which prints no events at all loses nothing.
pub(super) fn stray(line: &str, is_open: bool) -> Vec<Said> {
    if !is_open {
        return vec![Said::Text { text: line.trim_end_matches(['\r', '\n']).to_owned(), partial: false }];
    }
    match one_line(line) {
        line if line.is_empty() => vec![],
        text => vec![Said::Notice { text }],
    }
}

/// Pairs the beginnings and ends of tool calls.
#[derive(Debug, Default)]
pub(super) struct Tools {
    open: HashSet<String>,
}

impl Tools {
    pub(super) fn start(&mut self, id: &str, name: &str, summary: String) -> Vec<Said> {
        if !self.open.insert(id.to_owned()) {
            return vec![]; // Told twice: a stream with partial messages repeats itself.
        }
        vec![Said::ToolStarted { id: id.to_owned(), name: name.to_owned(), summary }]
    }

    /// Ends a call; one whose beginning was not told gets it now.
    pub(super) fn end(&mut self, id: &str, name: &str, call: String, is_ok: bool, summary: String) -> Vec<Said> {
        let mut said = self.start(id, name, call);
        self.open.remove(id);
        said.push(Said::ToolEnded { id: id.to_owned(), is_ok, summary });
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use serde_json::json;

    #[test]
    fn wrong_types_read_as_nothing() {
        let value = json!({"a": 1, "b": "x", "n": -3, "f": 2.9, "big": 1e300, "m": -0.5, "s": 70000});
        assert_eq!(text(&value, "/a"), "");
        assert_eq!(text(&value, "/b/c/d"), "");
        assert_eq!(number(&value, "/b"), 0);
        assert_eq!((number(&value, "/n"), number(&value, "/f")), (0, 2));
        assert_eq!(number(&value, "/big"), u64::MAX);
        assert_eq!(money(&value, "/m"), None);
        assert_eq!((status(&value, "/s"), status(&value, "/b"), status(&value, "/a")), (None, None, Some(1)));
        assert!(array(&value, "/a").is_empty());
        assert!(object("[1]").is_none() && object("{").is_none() && object(" {} ").is_some());
    }

    #[test]
    fn summaries_are_one_bounded_line() {
        assert_eq!(one_line("\n \n  a\u{1b}[31mb\tc \nd"), "a[31mbc");
        assert_eq!(one_line(&"ä".repeat(1000)).chars().count(), SUMMARY_CHARS + 1);
        assert_eq!(call_summary(&json!({"command": "ls\nrm", "description": "d"})), "ls");
        assert_eq!(call_summary(&json!({"x": [1]})), r#"{"x":[1]}"#);
        assert_eq!(call_summary(&json!({})), "");
        assert_eq!(result_summary(&json!([{"type": "image"}, {"text": "one\ntwo"}])), "one");
    }

    #[test]
    fn an_end_without_a_beginning_is_completed() {
        let mut tools = Tools::default();
        assert_eq!(tools.end("1", "n", "c".into(), true, String::new()).len(), 2);
        assert_eq!(tools.start("1", "n", "c".into()).len(), 1);
        assert_eq!(tools.start("1", "n", "c".into()).len(), 0);
        assert_eq!(tools.end("1", "n", "c".into(), true, String::new()).len(), 1);
    }
}
