//! Finds the JSON documents in a text, and those that were meant as JSON but cannot be read.
//!
//! One walk over the text: at each bracket outside of a document one is attempted. Where it breaks the walk goes on
//! behind that place, or inside the string before it, which may have been none (`{"} ... {"a": 1}`).
//! Invariants: documents do not overlap; each byte is read a few times at most, see `Found::steps`.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::lexer::{Attempt, Break, attempt};

/// How many of the longest documents are kept, and how many of the last ones.
const KEPT: usize = 16;

/// A document.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) is_repaired: bool,
    has_key: bool,
}

impl Root {
    /// Returns its length; one without any key in it weighs nothing.
    pub(super) fn weight(&self) -> usize {
        if self.has_key { self.end - self.start } else { 0 }
    }
}

/// A document that cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where it breaks.
    pub(super) at: usize,
    pub(super) problem: Cow<'static, str>,
    /// Whether the text ends inside of it.
    pub(super) is_torn: bool,
}

impl Lost {
    pub(super) fn length(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn more_telling(earlier: Option<Lost>, later: Lost) -> Lost {
        match earlier {
            Some(earlier) => earlier.or_longer(later),
            None => later,
        }
    }

    /// Returns the one the text ends in, else the longer of two, the later one of equals.
    fn or_longer(self, later: Lost) -> Lost {
        if !self.is_torn && (later.is_torn || later.length() >= self.length()) { later } else { self }
    }
}

/// What a text holds.
pub(super) struct Found {
    /// The 16 longest and the 16 last documents, in no order.
    pub(super) roots: Vec<Root>,
    /// The one the text ends in, else the longest.
    pub(super) lost: Option<Lost>,
    /// Bytes read by all attempts, in tests against quadratic work.
    #[cfg_attr(not(test), expect(dead_code, reason = "what tests measure"))]
    pub(super) steps: usize,
}

#[derive(Default)]
struct Kept {
    longest: Vec<Root>,
    last: VecDeque<Root>,
}

impl Kept {
    fn add(&mut self, root: Root) {
        self.last.push_back(root);
        if self.last.len() <= KEPT {
            return;
        }
        let Some(older) = self.last.pop_front() else { return };
        if self.longest.len() < KEPT {
            self.longest.push(older);
        } else if let Some(shortest) = self.longest.iter_mut().min_by_key(|root| root.weight())
            && older.weight() >= shortest.weight()
        {
            *shortest = older;
        }
    }
}

/// A document that broke, and the walk is still inside of it.
struct Region {
    start: usize,
    broken: Break,
    /// Brackets still open.
    depth: usize,
}

struct Search<'a> {
    text: &'a [u8],
    kept: Kept,
    region: Option<Region>,
    lost: Option<Lost>,
}

/// Walks over a text.
pub(super) fn search(text: &str) -> Found {
    let text = text.as_bytes();
    let mut search = Search { text, kept: Kept::default(), region: None, lost: None };
    // 8: repairing needs one reading of a document; a few false starts before it may need as many.
    let mut spare = text.len().saturating_mul(8);
    let (mut at, mut steps) = (0, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' | b'[' => {
                let (attempt, read) = attempt(text, at, &mut spare);
                steps += read;
                at = match attempt {
                    Attempt::Whole { end, is_repaired, has_key } => {
                        search.whole(Root { start: at, end, is_repaired, has_key });
                        end
                    }
                    Attempt::Broken(broken) => {
                        let next = broken.string.map_or(broken.at, |string| string + 1).max(at + 1);
                        search.broken(at, broken);
                        next
                    }
                };
            }
            b'}' | b']' => {
                at += 1;
                search.closed(at);
            }
            _ => at += 1,
        }
    }
    let torn = search.region.as_ref().is_some_and(|region| region.broken.is_torn);
    search.end_region(text.len(), torn);
    let mut roots = search.kept.longest;
    roots.extend(search.kept.last);
    Found { roots, lost: search.lost, steps }
}

impl Search<'_> {
    fn whole(&mut self, root: Root) {
        if self.region.is_some() {
            // Bare lists and empty objects are found in any text; they do not say that something new begins.
            if !root.has_key || self.is_part(root.start) {
                return;
            }
            self.end_region(root.start, false);
        }
        self.kept.add(root);
    }

    fn broken(&mut self, start: usize, broken: Break) {
        let is_part = self.region.as_ref().is_some_and(|region| {
            // Behind the string that the text ends in there is no other quote, so no key either.
            region.broken.is_torn || !broken.has_key || self.is_part(start)
        });
        if let Some(region) = self.region.as_mut().filter(|_| is_part) {
            region.depth += broken.depth;
            return;
        }
        self.end_region(start, false);
        if broken.has_key {
            self.region = Some(Region { start, depth: broken.depth, broken });
        }
    }

    /// Notes a closing bracket outside of documents.
    fn closed(&mut self, end: usize) {
        let Some(region) = self.region.as_mut().filter(|region| !region.broken.is_torn) else { return };
        region.depth = region.depth.saturating_sub(1);
        if region.depth == 0 {
            self.end_region(end, false);
        }
    }

    fn end_region(&mut self, end: usize, is_torn: bool) {
        let Some(Region { start, broken, .. }) = self.region.take() else { return };
        let lost = Lost { start, end, at: broken.at, problem: Cow::Borrowed(broken.problem), is_torn };
        self.lost = Some(Lost::more_telling(self.lost.take(), lost));
    }

    /// Whether what begins at `start`, behind the place where a document broke, looks like a part of it: it follows a
    /// key, a comma or a bracket. (`redo: {` and a line of its own do not.)
    fn is_part(&self, start: usize) -> bool {
        let before = self.text.get(..start).unwrap_or_default().trim_ascii_end();
        match before.split_last() {
            Some((b',' | b'[' | b'{', _)) => true,
            Some((b':', key)) => {
                let key = key.trim_ascii_end();
                if key.ends_with(b"\"") || key.ends_with(b"'") {
                    return true;
                }
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                let word = key.iter().rev().take_while(|byte| is_word(byte)).count();
                let before = key.get(..key.len() - word).unwrap_or_default().trim_ascii_end();
                word > 0 && (before.ends_with(b",") || before.ends_with(b"{"))
            }
            _ => false,
        }
    }
}
