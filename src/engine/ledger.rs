//! Files that only grow: one entry for some events, in their order, each exactly once.
//!
//! Rewriting such a file for each entry would cost more with every task. The journal remembers how far a file is known
//! to go; after a crash, what is missing is added and an entry that was cut off is completed. What a file held before
//! the first entry is kept in the journal too, so that the file can be made again.

use std::path::PathBuf;

use crate::journal::Journal;
use crate::model::Event;
use crate::sys;
use crate::sys::fs::{Durability, PathError, write_atomic};
use crate::sys::killpoint;
use crate::sys::redact::Redactor;

/// What a file larger than this held before is not adopted into the journal.
const HEAD_LIMIT: u64 = 1 << 20;

/// A file that only grows.
pub(super) struct Ledger {
    /// Its name among the journal's projections.
    pub(super) name: &'static str,
    /// Name of the fact that says what the file held before autodev's first entry.
    pub(super) head: &'static str,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Returns the entry of an event, with its last line break. No two entries are equal.
    pub(super) entry: fn(&Event) -> Option<String>,
}

impl Ledger {
    /// Adds the entry of an event, if it has one. `header` begins a file that is not there.
    pub(super) fn append(
        &self,
        journal: &Journal,
        redactor: &Redactor,
        event: &Event,
        header: &str,
    ) -> Result<(), PathError> {
        let Some(entry) = (self.entry)(event) else { return Ok(()) };
        let entry = redactor.redact(&entry);
        self.adopt(journal, header)?;
        killpoint::reach("before entry");
        sys::fs::append(&self.path, entry.as_bytes())?;
        killpoint::reach("after entry");
        // When this is lost, the next start finds the entry in the file and does not write it again.
        let _ = journal.set_projected(self.name, event.seq);
        Ok(())
    }

    /// Brings the file up to the journal after a crash: what is missing is added, what is there is not doubled, an entry
    /// that was cut off is completed.
    pub(super) fn catch_up(&self, journal: &Journal, redactor: &Redactor, header: &str) -> Result<(), PathError> {
        let Ok(done) = journal.projected(self.name) else { return Ok(()) };
        let mut missing: Vec<(u64, String)> = Vec::new();
        let read = journal.read_after(done, &mut |event| {
            missing.extend((self.entry)(&event).map(|entry| (event.seq, entry)));
        });
        let Some((last, _)) = missing.last() else { return Ok(()) };
        let last = *last;
        if read.is_err() {
            return Ok(());
        }
        if done == 0 {
            self.adopt(journal, header)?;
        }
        let on_disk = std::fs::read(&self.path).unwrap_or_default();
        let mut rest = String::new();
        for (_, entry) in missing {
            let entry = redactor.redact(&entry);
            if !rest.is_empty() || !contains(&on_disk, entry.as_bytes()) {
                rest.push_str(&entry);
            }
        }
        sys::fs::append(&self.path, &continuation(&on_disk, rest.as_bytes()))?;
        // As above: found again at the next start.
        let _ = journal.set_projected(self.name, last);
        Ok(())
    }

    /// Writes the file anew. Returns the files written: none when there is nothing to write, and a backup when the file
    /// differed.
    ///
    /// # Errors
    /// When a file cannot be written or the journal cannot be read.
    pub(super) fn rebuild(&self, journal: &Journal, redactor: &Redactor, header: &str) -> anyhow::Result<Vec<PathBuf>> {
        let mut text = journal.fact(self.head)?.unwrap_or_else(|| header.to_owned());
        let mut last = 0;
        journal.read_after(0, &mut |event| {
            last = event.seq;
            if let Some(entry) = (self.entry)(&event) {
                text.push_str(&redactor.redact(&entry));
            }
        })?;
        let mut written = vec![self.path.clone()];
        match std::fs::read(&self.path) {
            Ok(old) if old == text.as_bytes() => {}
            // Nothing of ours was ever in it.
            _ if text.is_empty() => return Ok(Vec::new()),
            Ok(old) => {
                written.push(super::backup::beside(&self.path, &old)?);
                write_atomic(&self.path, text.as_bytes(), Durability::Synced)?;
            }
            Err(_) => {
                super::sinks::make_parent(&self.path)?;
                write_atomic(&self.path, text.as_bytes(), Durability::Synced)?;
            }
        }
        journal.set_projected(self.name, last)?;
        Ok(written)
    }

    /// Remembers what the file holds before the first entry, and begins a file that is not there.
    fn adopt(&self, journal: &Journal, header: &str) -> Result<(), PathError> {
        if journal.fact(self.head).ok().flatten().is_some() {
            return Ok(());
        }
        let head = match sys::fs::read_capped(&self.path, HEAD_LIMIT) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) if self.path.exists() => String::new(),
            Err(_) => {
                sys::fs::append(&self.path, header.as_bytes())?;
                header.to_owned()
            }
        };
        // When this is lost, a rebuild starts from an empty head; the file itself is untouched.
        let _ = journal.set_fact(self.head, &head);
        Ok(())
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part)
}

/// Returns what is to be appended so that `text` ends with `more`, of which it may hold the beginning.
fn continuation(text: &[u8], more: &[u8]) -> Vec<u8> {
    let longest = more.len().min(text.len());
    let held = (1..=longest).rev().find(|n| more.get(..*n).is_some_and(|start| text.ends_with(start)));
    // A line break at the end of a text belongs to what was there before.
    let held = held.filter(|n| more.iter().take(*n).any(|byte| !byte.is_ascii_whitespace())).unwrap_or(0);
    // A line that was cut off and is none of these stays alone.
    let is_cut = held == 0 && text.last().is_some_and(|byte| *byte != b'\n');
    let rest = more.get(held..).unwrap_or_default();
    if is_cut && !rest.is_empty() { [b"\n", rest].concat() } else { rest.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_was_cut_off_is_completed_not_doubled() {
        assert_eq!(continuation(b"head\n## block o", b"## block one\n"), b"ne\n");
        assert_eq!(continuation(b"head\n## block one\n", b"## block one\n"), b"");
        assert_eq!(continuation(b"{\"a\": 1}\n{\"a\"", b"{\"a\": 2}\n{\"a\": 3}\n"), b": 2}\n{\"a\": 3}\n");
        assert!(contains(b"a block b", b"block"));
    }

    #[test]
    fn a_line_break_of_the_entry_before_is_not_taken_for_a_beginning() {
        assert_eq!(continuation(b"---\n", b"\n## block\n---\n"), b"\n## block\n---\n");
        assert_eq!(continuation(b"", b"x\n"), b"x\n");
    }

    #[test]
    fn a_line_that_somebody_left_open_stays_alone() {
        assert_eq!(continuation(b"{\"half\": ", b"{\"a\": 1}\n"), b"\n{\"a\": 1}\n");
        assert_eq!(continuation(b"half", b""), b"");
    }
}
