//! Finds the answer in what a model replied: a JSON document somewhere in prose, or a document in Markdown.
//!
//! Models write before and after what was asked for, use fences or none, correct themselves, and print colours and log
//! lines. So nothing is expected about the place: every JSON object or list in the text is a [`Candidate`], and
//! [`choose`] takes the first that its caller accepts.
//!
//! What is read as it was not written: comments (`//`, `#`, `/* */`) and commas before a closing bracket are passed
//! over, but for a comment directly behind the first bracket, which in prose is a glob (`src/{/*`). Nothing else is
//! mended, because a quote or a bracket that is guessed can change what is meant: a reply that ends in the middle is an
//! error, and a part of a document that cannot be read as a whole is no answer.
//!
//! Invariants: no input panics; the work is a fixed multiple of the input's length, and so is the memory.

mod clean;
mod document;
mod lexer;
mod search;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

use super::plain::plain;
use clean::Clean;
use search::{Lost, Root};

pub use document::document;

/// How much of a reply an error shows, in characters: what the reference program shows.
const SHOWN: usize = 500;

/// How much of the place where a document breaks an error shows, in characters.
const NEAR: usize = 60;

/// A document that is at least this fraction of the longest one counts as an attempt at the answer; a shorter one is a
/// log line, an example of a field, or an empty object after the answer.
const COMPARABLE: usize = 8;

/// Returns what people call the type of a JSON value.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A JSON object or list in a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What it holds.
    pub value: Value,
    /// Whether comments or commas were passed over.
    pub is_repaired: bool,
    /// Where it begins: a byte offset into the text as received.
    pub at: usize,
}

/// Why a reply holds no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Choice<E> {
    /// There is no JSON in it.
    #[error("no JSON in the reply, {}", start_words(start))]
    Absent {
        /// Its first 500 characters, without control characters; empty when it says nothing.
        start: String,
    },
    /// It ends before its JSON does: the model or the connection was cut off.
    #[error("the reply ends in the middle: the JSON that begins in line {line} is not closed; it ends with: {end}")]
    Torn {
        /// Where the document begins, from 1.
        line: usize,
        /// The last characters.
        end: String,
    },
    /// The JSON in it cannot be read as a whole.
    #[error("the JSON in the reply cannot be read: line {line}: {problem}, at: {near}")]
    Broken {
        /// Where it breaks, from 1.
        line: usize,
        /// What is wrong there.
        problem: String,
        /// The text from there on.
        near: String,
    },
    /// There is JSON, and none of it was accepted.
    #[error("{error}")]
    Refused {
        /// What was said about the best candidate.
        error: E,
        /// Where the best candidate begins: a byte offset into the text as received.
        at: usize,
    },
}

/// Returns the JSON objects and lists in a text, at most 32, best first.
///
/// Those that are at least an eighth of the longest one come before the shorter ones, and those with a key in them
/// before lists of bare values and empty objects: so a `{}` or a log line never wins over an answer. Within these groups
/// strict JSON comes before repaired, then the later before the earlier, as models correct themselves.
/// No candidates are parts of a document that is broken as a whole, and what holds comments but no key: in prose that is
/// rather a glob or a reference (`src/{/*`, `[#12]`).
pub fn candidates(text: &str) -> Vec<Candidate> {
    Found::in_text(text).candidates
}

/// Returns what `judge` makes of the first candidate that it accepts, in the order of [`candidates`].
///
/// # Errors
/// When it accepts none, or when the answer itself is not among them: the reply ends inside a document that is as long
/// as a candidate, or a document that is longer than every candidate before it cannot be read. Then an earlier one, such
/// as an example that the model repeated, must not be taken for the answer.
pub fn choose<T, E>(text: &str, mut judge: impl FnMut(&Candidate) -> Result<T, E>) -> Result<T, Choice<E>> {
    let found = Found::in_text(text);
    if let Some(lost) = found.lost.as_ref().filter(|lost| found.is_the_answer(lost)) {
        return Err(found.complain(lost));
    }
    let mut refused = None;
    for candidate in &found.candidates {
        match judge(candidate) {
            Ok(chosen) => return Ok(chosen),
            Err(error) => _ = refused.get_or_insert(Choice::Refused { error, at: candidate.at }),
        }
    }
    match (&found.lost, refused) {
        (Some(lost), Some(_)) if lost.length() > found.longest => Err(found.complain(lost)),
        (_, Some(refused)) => Err(refused),
        (Some(lost), None) => Err(found.complain(lost)),
        (None, None) => Err(Choice::Absent { start: cut(plain(text).trim(), SHOWN) }),
    }
}

struct Found<'a> {
    clean: Clean<'a>,
    candidates: Vec<Candidate>,
    /// Length of the longest candidate with a key in it.
    longest: usize,
    /// Where the last candidate of a length comparable to the longest begins, in the cleaned text.
    last_comparable: Option<usize>,
    /// The document that could not be read and matters most.
    lost: Option<Lost>,
}

impl<'a> Found<'a> {
    fn in_text(text: &'a str) -> Self {
        let clean = Clean::new(text);
        let search::Found { roots, mut lost, .. } = search::search(&clean.text);
        let mut whole = Vec::with_capacity(roots.len());
        for root in roots {
            match read(&clean.text, &root) {
                Ok(value) => whole.push((root, value)),
                Err(problem) => {
                    let unread = Lost { start: root.start, end: root.end, at: root.start, problem, is_torn: false };
                    lost = Some(Lost::more_telling(lost, unread));
                }
            }
        }
        let longest = whole.iter().map(|(root, _)| root.weight()).max().unwrap_or_default();
        let is_comparable = |root: &Root| root.weight() > 0 && root.weight() >= longest / COMPARABLE;
        let last_comparable = whole.iter().map(|(root, _)| root).filter(|root| is_comparable(root));
        let last_comparable = last_comparable.map(|root| root.start).max();
        whole.sort_by_key(|(root, _)| {
            (!is_comparable(root), root.weight() == 0, root.is_repaired, usize::MAX - root.start)
        });
        let candidate =
            |(root, value): (Root, Value)| Candidate { value, is_repaired: root.is_repaired, at: clean.at(root.start) };
        let candidates = whole.into_iter().map(candidate).collect();
        Self { clean, candidates, longest, last_comparable, lost }
    }

    /// Whether a lost document is rather the answer than any candidate.
    fn is_the_answer(&self, lost: &Lost) -> bool {
        let is_later = self.last_comparable.is_none_or(|start| lost.start > start);
        let is_long =
            if lost.is_torn { lost.length() >= self.longest / COMPARABLE } else { lost.length() > self.longest };
        is_later && is_long
    }

    fn complain<E>(&self, lost: &Lost) -> Choice<E> {
        let text = &self.clean.text;
        let line = |at: usize| text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        if lost.is_torn {
            let end = text.trim_end();
            let from = end.char_indices().rev().nth(NEAR - 1).map_or(0, |(at, _)| at);
            return Choice::Torn { line: line(lost.start), end: one_line(end.get(from..).unwrap_or_default()) };
        }
        let near = cut(text.get(lost.at..).unwrap_or_default(), NEAR);
        Choice::Broken { line: line(lost.at), problem: lost.problem.to_string(), near: one_line(&near) }
    }
}

/// Parses a document that the search has found.
fn read(text: &str, root: &Root) -> Result<Value, Cow<'static, str>> {
    let written = text.get(root.start..root.end).unwrap_or_default();
    let strict = if root.is_repaired { Cow::Owned(lexer::strict_form(written)) } else { Cow::Borrowed(written) };
    serde_json::from_str(&strict).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        Cow::Owned(message.to_owned())
    })
}

fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn start_words(start: &str) -> String {
    if start.is_empty() { "which is empty".to_owned() } else { format!("which begins with: {start}") }
}
