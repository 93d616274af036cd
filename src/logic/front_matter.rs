//! Front matter: the YAML block between two `---` lines at the start of a Markdown document.
//!
//! It does not know which fields mean something and reads no file. Invariants: the body is always a suffix of the
//! text, nothing makes it panic, and the values of no text take
//! more than about a megabyte.

mod yaml;

use serde_json::{Map, Value};

/// A block larger than this is refused; the longest real ones have some hundred bytes.
pub const BLOCK_LIMIT: usize = 64 * 1024;

/// A document, split.
#[derive(Clone, Debug, PartialEq)]
pub struct Document<'a> {
    /// The fields, in the order of the text; `None` when the text does not begin with front matter. An empty block
    /// has no fields. Keys that are numbers, booleans or null are their text; dates are strings.
    pub matter: Option<Map<String, Value>>,
    /// What follows the closing line; the whole text, without its byte order mark, when there is no front matter.
    pub body: &'a str,
    /// The line of the file on which the body begins, from 1.
    pub body_line: usize,
}

/// Front matter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct FrontMatterError {
    /// The line of the file, from 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// Splits a document into its front matter and its body.
///
/// Front matter begins when the first line is `---` and ends at the next line that is `---` or `...`, whatever stands
/// between; blanks after them do not count, and line ends may be CRLF. A `---` that opens a Markdown text with a
/// horizontal rule is told from front matter by what follows it: a blank line, or plain words.
///
/// # Errors
/// When a block that looks like front matter has no closing line, is no valid YAML, has a key twice, is not a list of
/// `key: value`, is larger than [`BLOCK_LIMIT`], nests too deep, grows too large through aliases, or holds a number
/// that is not finite.
pub fn split(text: &str) -> Result<Document<'_>, FrontMatterError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let whole = Document { matter: None, body: text, body_line: 1 };
    let Some((first, rest)) = text.split_once('\n') else { return Ok(whole) };
    if first.trim_end() != "---" {
        return Ok(whole);
    }
    let starts_blank = rest.lines().next().is_some_and(|line| line.trim().is_empty());
    let Some(closing) = closing(rest) else {
        if looks_like_fields(rest) && !starts_blank {
            return Err(refused(1, "front matter begins here and has no closing `---` line"));
        }
        return Ok(whole);
    };
    let block = rest.get(..closing.start).unwrap_or_default();
    if block.len() > BLOCK_LIMIT {
        if looks_like_fields(block) {
            return Err(refused(1, &format!("front matter is larger than {BLOCK_LIMIT} bytes")));
        }
        return Ok(whole);
    }
    let is_rule = starts_blank && !looks_like_fields(block);
    let matter = match yaml::read(block) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::Null) => Map::new(),
        Ok(Value::String(_) | Value::Number(_) | Value::Bool(_)) => return Ok(whole),
        Ok(_) | Err(_) if is_rule => return Ok(whole),
        Ok(Value::Array(_)) => return Err(refused(2, "front matter is not a list of `key: value`")),
        Err(fault) => return Err(refused(fault.line.saturating_add(1), &fault.reason)),
    };
    let body = rest.get(closing.end..).unwrap_or_default();
    Ok(Document { matter: Some(matter), body, body_line: closing.line.saturating_add(2) })
}

fn refused(line: usize, reason: &str) -> FrontMatterError {
    FrontMatterError { line, reason: reason.to_owned() }
}

/// Where the closing line is in the text after the opening one.
struct Closing {
    /// Its first byte.
    start: usize,
    /// The byte after its line break.
    end: usize,
    /// Its line, from 1.
    line: usize,
}

fn closing(rest: &str) -> Option<Closing> {
    let mut start = 0;
    for (line, content) in (1..).zip(rest.split_inclusive('\n')) {
        let end = start + content.len();
        if matches!(content.trim_end(), "---" | "...") {
            return Some(Closing { start, end, line });
        }
        start = end;
    }
    None
}

/// Whether the first line that is neither blank nor a comment is `key:`, where a key is one word or quoted.
fn looks_like_fields(block: &str) -> bool {
    let mut lines = block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let Some((key, value)) = lines.next().and_then(|line| line.split_once(':')) else { return false };
    let key = key.trim_end();
    let is_quoted = key.len() > 2 && ['"', '\''].iter().any(|q| key.starts_with(*q) && key.ends_with(*q));
    let is_word = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    (is_quoted || is_word) && (value.is_empty() || value.starts_with([' ', '\t']))
}

#[cfg(test)]
mod tests;
