//! What one line of markdown is: a heading, a list marker, a fence, or partly a comment.

use std::borrow::Cow;

use super::inline::{CodeSpan, code_spans};
use super::markdown::Tick;

/// Returns the indentation in columns (a tab goes to the next multiple of four) and the trimmed rest.
pub(super) fn columns(line: &str) -> (usize, &str) {
    let mut columns = 0;
    for c in line.chars() {
        match c {
            ' ' => columns += 1,
            '\t' => columns += 4 - columns % 4,
            _ => break,
        }
    }
    (columns, line.trim())
}

/// A heading of the form `## Title`.
pub(super) struct Heading<'a> {
    pub(super) level: u8,
    pub(super) text: &'a str,
}

impl<'a> Heading<'a> {
    /// Reads a trimmed line.
    pub(super) fn read(indent: usize, text: &'a str) -> Option<Self> {
        let rest = text.trim_start_matches('#');
        let level = u8::try_from(text.len() - rest.len()).ok().filter(|level| (1..=6).contains(level))?;
        if indent >= 4 || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
            return None;
        }
        let closed = rest.trim_end_matches('#');
        let text = if closed.is_empty() || closed.ends_with([' ', '\t']) { closed } else { rest };
        Some(Self { level, text: text.trim() })
    }
}

/// The beginning of a list item.
pub(super) struct Marker<'a> {
    pub(super) tick: Tick,
    pub(super) text: &'a str,
}

impl<'a> Marker<'a> {
    /// Reads a trimmed line.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(['-', '*', '+']).or_else(|| numbered(text))?;
        if !(rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            return None;
        }
        let rest = rest.trim_start();
        match boxed(rest) {
            Some((tick, text)) => Some(Self { tick, text: text.trim() }),
            None => Some(Self { tick: Tick::Plain, text: rest }),
        }
    }
}

/// Returns what stands behind `12.` or `12)`.
fn numbered(text: &str) -> Option<&str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // 9: more digits are no list number in markdown either.
    let (_, rest) = text.split_at_checked(digits).filter(|_| (1..=9).contains(&digits))?;
    rest.strip_prefix(['.', ')'])
}

/// Reads `[ ] text`; people also write `[] text`.
fn boxed(text: &str) -> Option<(Tick, &str)> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    if !(rest.is_empty() || rest.starts_with(char::is_whitespace)) {
        return None;
    }
    let tick = match inside {
        "x" | "X" => Tick::Done,
        "-" | "/" | "~" => Tick::Open,
        blank if blank.trim().is_empty() && blank.chars().count() <= 1 => Tick::Open,
        _ => return None,
    };
    Some((tick, rest))
}

/// The opening mark of a code fence.
pub(super) struct FenceMark {
    mark: char,
    length: usize,
    indent: usize,
}

impl FenceMark {
    /// Reads a trimmed line; also returns the language.
    pub(super) fn opened_by(indent: usize, text: &str) -> Option<(Self, String)> {
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = text.trim_start_matches(mark);
        let length = text.len() - info.len();
        if length < 3 || mark == '`' && info.contains('`') {
            return None;
        }
        let language = info.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        Some((Self { mark, length, indent }, language))
    }

    pub(super) fn is_closed_by(&self, line: &str) -> bool {
        let text = line.trim();
        text.len() >= self.length && text.chars().all(|c| c == self.mark)
    }

    /// Drops as much of a line's indentation as the fence has itself.
    pub(super) fn unindent<'a>(&self, line: &'a str) -> &'a str {
        let blanks = line.bytes().take(self.indent).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        line.get(blanks..).unwrap_or_default()
    }
}

/// Follows HTML comments through a text.
pub(super) struct Comments {
    is_inside: bool,
    /// The last line with a closing mark: an unclosed comment hides nothing, or it would hide all.
    last_end: usize,
}

impl Comments {
    pub(super) fn new(text: &str) -> Self {
        let ends = text.lines().enumerate().filter(|(_, line)| line.contains("-->")).map(|(at, _)| at);
        Self { is_inside: false, last_end: ends.last().unwrap_or_default() }
    }

    /// Returns what a reader sees of the line with this number, counted from 0.
    pub(super) fn visible<'a>(&mut self, line: &'a str, at: usize) -> Cow<'a, str> {
        if !self.is_inside && !line.contains("<!--") {
            return Cow::Borrowed(line);
        }
        Cow::Owned(self.without_comments(line, at < self.last_end))
    }

    fn without_comments(&mut self, line: &str, is_closed_later: bool) -> String {
        let spans = code_spans(line);
        let last_end = line.rfind("-->");
        let mut out = String::new();
        let mut at = 0;
        while let Some(rest) = line.get(at..) {
            if self.is_inside {
                let Some(end) = rest.find("-->") else { break };
                self.is_inside = false;
                at += end + 3;
                continue;
            }
            let Some(start) = rest.find("<!--") else {
                out.push_str(rest);
                break;
            };
            let (before, _) = rest.split_at(start);
            out.push_str(before);
            let after = at + start + 4;
            let is_code = is_within(&spans, at + start);
            let is_hidden = is_closed_later || last_end.is_some_and(|last| at + start < last);
            if is_code || !is_hidden {
                out.push_str("<!--");
            } else {
                self.is_inside = true;
            }
            at = after;
        }
        out
    }
}

/// Whether a position is inside one of the spans, which are in order.
fn is_within(spans: &[CodeSpan], at: usize) -> bool {
    let next = spans.partition_point(|span| span.start <= at);
    spans.get(..next).and_then(<[CodeSpan]>::last).is_some_and(|span| at < span.end)
}
