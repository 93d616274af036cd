//! What the project looks like, by content, and what changed since.
//!
//! A [`Scanner`] walks the watch directories and yields a [`Manifest`]: one digest per path that counts. Two
//! manifests give a list of [`Change`](crate::model::Change)s. It does not honour `.gitignore` (an agent may well
//! edit an ignored file), does not follow links, and does not judge what it finds.
//!
//! What counts (see [`Rules`]):
//! - Regular files and symbolic links. A link counts by the text of its target, never by what is behind it, and a
//!   link to a directory is not entered. Pipes, sockets and devices are skipped; empty directories are not entries.
//! - The content (SHA-256), the type and the owner's executable bit. Times, owners and other mode bits do not.
//! - `.git` is never walked, wherever it is. The files of a nested repository are ordinary files.
//! - A file that cannot be read counts by size and modification time, a directory that cannot be listed by its mere
//!   presence; both are marked in their [`EntryKind`]. What vanishes during a scan was not there.
//!
//! Keys are relative to the code directory; a watch directory elsewhere gets keys with leading `../`, which is unique
//! for every absolute path.
//!
//! Invariant: two manifests are equal exactly when every counting path had the same content. The stat index only saves
//! reading: an entry is trusted when size, mtime, ctime, inode and device are as they were when it was hashed, and
//! they had been at rest by then.

mod codec;
mod content;
mod glob;
mod index;
mod key;
mod manifest;
mod rules;
mod scan;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timing;
mod walk;

use std::path::PathBuf;

pub use manifest::{Entry, EntryKind, Manifest};
pub use rules::{RuleError, Rules};
pub use scan::{Scanner, Tally};
pub use walk::{Probe, Stamp};

use crate::sys::fs::PathError;

/// Why a snapshot could not be taken, kept or read back.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The tree could not be walked for a reason that is not about a single file (too many open files, a broken disk).
    #[error("take a snapshot: {source}")]
    Walk {
        /// Where, and what the operating system said.
        source: PathError,
    },
    /// A manifest could not be read or written.
    #[error("keep a snapshot: {source}")]
    File {
        /// Where, and what the operating system said.
        #[from]
        source: PathError,
    },
    /// A manifest file is not what was written.
    #[error("read snapshot {}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: Damage,
    },
    /// A path that has to be absolute is not.
    #[error("take a snapshot: {} is not an absolute path", path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
}

impl SnapshotError {
    /// Returns what the user can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Damaged { .. } => Some("delete the file; the task is then measured from a fresh snapshot"),
            Self::Walk { .. } | Self::File { .. } | Self::NotAbsolute { .. } => None,
        }
    }
}

/// What is wrong with a stored file of this room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not start with the mark of such a file.
    #[error("not a snapshot file")]
    Foreign,
    /// It was written by a version that stores something else.
    #[error("format {found}, but this program reads format {}", codec::VERSION)]
    Version {
        /// The number in the file.
        found: u32,
    },
    /// The checksum does not fit: truncated, or bits have changed.
    #[error("truncated or damaged (checksum does not match)")]
    Checksum,
    /// The checksum fits, yet the content makes no sense.
    #[error("content makes no sense")]
    Content,
}
