//! A reply without the escape sequences of terminals, and the way back to the reply as received.
//!
//! Only sequences that begin with the escape character are removed: JSON never holds that character, so nothing of a
//! document is lost. Invariant: a byte of the cleaned text is at [`Clean::at`] in the received one.

use std::borrow::Cow;

use crate::logic::plain;

/// A cleaned text.
pub(super) struct Clean<'a> {
    pub(super) text: Cow<'a, str>,
    /// Offsets in the cleaned text where something was removed, with all bytes removed up to there; ascending.
    cuts: Vec<(usize, usize)>,
}

impl<'a> Clean<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        if !text.contains('\u{1b}') {
            return Self { text: Cow::Borrowed(text), cuts: Vec::new() };
        }
        let mut clean = String::with_capacity(text.len());
        let mut cuts: Vec<(usize, usize)> = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '\u{1b}' {
                clean.push(c);
                continue;
            }
            plain::skip_escape(&mut chars);
            let removed = text.len() - chars.as_str().len() - clean.len();
            match cuts.last_mut() {
                Some((at, total)) if *at == clean.len() => *total = removed,
                _ => cuts.push((clean.len(), removed)),
            }
        }
        Self { text: Cow::Owned(clean), cuts }
    }

    /// Returns where a byte of the cleaned text is in the text as received.
    pub(super) fn at(&self, offset: usize) -> usize {
        let before = self.cuts.partition_point(|(at, _)| *at <= offset);
        let removed = before.checked_sub(1).and_then(|last| self.cuts.get(last)).map_or(0, |(_, removed)| *removed);
        offset + removed
    }
}
