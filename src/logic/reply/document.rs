//! A reply that is to be a Markdown document.
//!
//! Nothing is judged and no heading is demanded here. Invariant: what is left out is a fence around the whole, what
//! stands outside of it, and what only a terminal understands.

use crate::logic::plain::plain;

/// Returns the document in a reply: without byte order mark and escape sequences, without a fence that encloses the
/// whole, with one line break at its end; empty when there is nothing. Prose before and after a single fence is dropped
/// when the fence holds a heading and the prose holds none.
pub fn document(text: &str) -> String {
    let clean = plain(text);
    let clean = clean.trim_start_matches('\u{feff}');
    let lines: Vec<&str> = clean.lines().collect();
    let fenced = first_fence(&lines).and_then(|(at, fence)| fence.inner(at, &lines));
    let kept = fenced.unwrap_or(lines);
    let first = kept.iter().position(|line| !line.trim().is_empty()).unwrap_or(kept.len());
    let mut document = kept.get(first..).unwrap_or_default().join("\n");
    document.truncate(document.trim_end().len());
    if !document.is_empty() {
        document.push('\n');
    }
    document
}

/// A line that opens or closes a block of code.
#[derive(Clone, Copy)]
struct Fence<'a> {
    indent: usize,
    mark: char,
    length: usize,
    info: &'a str,
}

impl<'a> Fence<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let text = line.trim_start_matches([' ', '\t']);
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = text.trim_start_matches(mark);
        let length = text.len() - info.len();
        // An inline code span may stand at the beginning of a line, with backticks again at its end.
        let is_fence = length >= 3 && !(mark == '`' && info.contains('`'));
        is_fence.then(|| Self { indent: line.len() - text.len(), mark, length, info: info.trim() })
    }

    /// Whether this line ends a block that `open` begins.
    fn closes(self, open: Fence<'_>) -> bool {
        self.info.is_empty() && self.mark == open.mark && self.length >= open.length
    }

    /// Whether it says that what it holds is a document.
    fn holds_document(self) -> bool {
        ["md", "markdown"].iter().any(|name| self.info.eq_ignore_ascii_case(name))
    }

    /// Returns the lines of the document that this fence, opened in line `at`, holds; `None` when it is a block of code
    /// inside the document.
    fn inner(self, at: usize, lines: &[&'a str]) -> Option<Vec<&'a str>> {
        let (before, rest) = (lines.get(..at)?, lines.get(at + 1..)?);
        let close = rest.iter().rposition(|line| Fence::read(line).is_some_and(|fence| fence.closes(self)));
        let (content, after) = match close.filter(|close| is_balanced(rest.get(..*close).unwrap_or_default())) {
            Some(close) => (rest.get(..close)?, rest.get(close + 1..)?),
            // Cut off before its end; a first fence that closes it says otherwise.
            None if is_balanced(rest) && !first_fence(rest).is_some_and(|(_, fence)| fence.closes(self)) => {
                (rest, &[][..])
            }
            None => return None,
        };
        let is_whole = before.iter().chain(after).all(|line| line.trim().is_empty());
        let is_closed = content.len() < rest.len();
        let has_fences = content.iter().any(|line| Fence::read(line).is_some());
        let is_document = match (is_whole, is_closed) {
            (true, true) if !has_fences => true,
            (true, _) => self.holds_document() || self.info.is_empty() && begins_with_heading(content),
            (false, _) => {
                let outside = before.iter().chain(after);
                let is_text = self.holds_document() || matches!(self.info, "" | "text");
                is_text && has_heading(content) && !outside.copied().any(is_heading)
            }
        };
        let unindented = |line: &&'a str| {
            let spaces = line.len() - line.trim_start_matches([' ', '\t']).len();
            line.get(spaces.min(self.indent)..).unwrap_or_default()
        };
        is_document.then(|| content.iter().map(unindented).collect())
    }
}

fn first_fence<'a>(lines: &[&'a str]) -> Option<(usize, Fence<'a>)> {
    lines.iter().enumerate().find_map(|(at, line)| Some((at, Fence::read(line)?)))
}

/// Whether every block of code that begins in these lines ends in them.
fn is_balanced(lines: &[&str]) -> bool {
    let mut open: Option<Fence<'_>> = None;
    for fence in lines.iter().filter_map(|line| Fence::read(line)) {
        open = match open {
            None => Some(fence),
            Some(opened) if fence.closes(opened) => None,
            Some(opened) => Some(opened),
        };
    }
    open.is_none()
}

fn is_heading(line: &str) -> bool {
    let text = line.trim_start();
    let level = text.len() - text.trim_start_matches('#').len();
    (1..=6).contains(&level) && text.get(level..).is_some_and(|rest| rest.starts_with([' ', '\t']))
}

/// Whether there is a heading outside the blocks of code in these lines.
fn has_heading(lines: &[&str]) -> bool {
    let mut open: Option<Fence<'_>> = None;
    for line in lines {
        match (Fence::read(line), open) {
            (Some(fence), None) => open = Some(fence),
            (Some(fence), Some(opened)) if fence.closes(opened) => open = None,
            (None, None) if is_heading(line) => return true,
            (Some(_), Some(_)) | (None, _) => {}
        }
    }
    false
}

fn begins_with_heading(lines: &[&str]) -> bool {
    lines.iter().find(|line| !line.trim().is_empty()).is_some_and(|line| is_heading(line))
}
