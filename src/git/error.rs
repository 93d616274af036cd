//! What can go wrong with git, and what a person can do about it.

use std::time::Duration;

use crate::model::RelPath;
use crate::sys::fs::PathError;
use crate::sys::proc::StartError;

/// A git operation that could not be done. A hook that refuses is not one of these: see
/// [`CommitOutcome::Refused`](super::CommitOutcome::Refused).
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program could not be started.
    #[error("run git: {source}")]
    Start {
        /// What the operating system said.
        source: StartError,
    },
    /// The program is older than what is needed.
    #[error("git {found} is too old: {needed} or newer is needed")]
    TooOld {
        /// What `git version` printed.
        found: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// Git said no.
    #[error("{action}: git ended with {code}: {tail}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// Exit code, or minus the signal.
        code: i32,
        /// The end of what it printed to standard error.
        tail: String,
    },
    /// Git printed something that cannot be understood.
    #[error("{action}: cannot understand the answer of git: {answer}")]
    Odd {
        /// What was tried.
        action: &'static str,
        /// What it printed, shortened.
        answer: String,
    },
    /// The run was asked to stop meanwhile.
    #[error("{action}: stopped")]
    Stopped {
        /// What was tried.
        action: &'static str,
    },
    /// Git took too long and was ended.
    #[error("{action}: git was ended after {} s", limit.as_secs())]
    TimedOut {
        /// What was tried.
        action: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// A merge, rebase, cherry-pick or revert waits for the user; a commit now would become part of it.
    #[error("commit: a {operation} is in progress")]
    InProgress {
        /// `merge`, `rebase`, `cherry-pick` or `revert`.
        operation: &'static str,
    },
    /// Somebody else commits faster than we can.
    #[error("commit: HEAD was moved by somebody else each time it was tried")]
    HeadMoves,
    /// No salvage has that name.
    #[error("no salvage is called {reference}")]
    NoSalvage {
        /// As given.
        reference: String,
    },
    /// Files in the way of a salvage.
    #[error("restore {reference}: {} changed since: {}", plural(paths.len()), list(paths))]
    Conflict {
        /// Of which salvage.
        reference: String,
        /// Which; sorted.
        paths: Vec<RelPath>,
    },
    /// A file could not be read, written or removed.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl GitError {
    /// Returns what to do next, where something can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Failed { tail, .. } => hint(tail),
            Self::TooOld { .. } => Some("install a newer git, or set auto_commit = false under [git]"),
            Self::InProgress { .. } => Some("finish or abort it, then run again"),
            Self::HeadMoves => Some("let the other program finish, then run again"),
            Self::NoSalvage { .. } => Some("`autodev salvage list` shows what there is"),
            Self::Conflict { .. } => Some("commit or move these files first, or overwrite them with --force"),
            Self::Start { .. } | Self::Odd { .. } | Self::Stopped { .. } | Self::TimedOut { .. } | Self::Path(_) => {
                None
            }
        }
    }
}

/// What git's messages mean for the user; the first match counts.
const HINTS: &[(&str, &str)] = &[
    ("No space left on device", "free some disk space, then run again"),
    ("Disk quota exceeded", "free some disk space, then run again"),
    (".lock': File exists", "another git is running here, or one crashed: if none is, remove the .lock file it names"),
    ("cannot lock ref", "another git is running here, or one crashed: if none is, remove the .lock file it names"),
    ("dubious ownership", "the project belongs to another user: see `git help config`, safe.directory"),
    ("gpg failed to sign", "signing needs a key that works unattended, or commit.gpgsign = false in this repository"),
    ("failed to write commit object", "when commits are signed: signing needs a key that works unattended"),
    ("index file corrupt", "the user's index is damaged: remove .git/index and run `git reset`"),
    ("bad index file", "the user's index is damaged: remove .git/index and run `git reset`"),
    ("bad signature", "the user's index is damaged: remove .git/index and run `git reset`"),
    ("index file smaller than expected", "the user's index is damaged: remove .git/index and run `git reset`"),
    ("bad object", "the repository is damaged: `git fsck` says more"),
    ("object file", "the repository is damaged: `git fsck` says more"),
    ("unable to read tree", "the repository is damaged: `git fsck` says more"),
    ("insufficient permission", "make the repository and its files writable for this user"),
    ("Permission denied", "make the repository and its files accessible to this user"),
    ("Read-only file system", "the repository must be writable"),
];

fn hint(tail: &str) -> Option<&'static str> {
    HINTS.iter().find(|(sign, _)| tail.contains(sign)).map(|(_, hint)| *hint)
}

fn plural(count: usize) -> String {
    if count == 1 { "1 file has".to_owned() } else { format!("{count} files have") }
}

/// At most this many paths are named in one message.
const NAMED: usize = 10;

fn list(paths: &[RelPath]) -> String {
    let mut text = paths.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if paths.len() > NAMED {
        text.push_str(", ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_lock_have_a_way_out() {
        let failed = |tail: &str| GitError::Failed { action: "stage files", code: 128, tail: tail.to_owned() };
        let full = failed("error: unable to write file: No space left on device");
        assert!(full.hint().unwrap().contains("free some disk space"));
        assert!(failed("fatal: Unable to create '/x/.git/index.lock': File exists.").hint().unwrap().contains("lock"));
        assert_eq!(failed("fatal: something nobody foresaw").hint(), None);
    }

    #[test]
    fn a_conflict_names_its_files() {
        let paths = (0..12).map(|n| RelPath::from(format!("f{n}").as_str())).collect();
        let error = GitError::Conflict { reference: "refs/autodev/salvage/a/b".to_owned(), paths };
        let text = error.to_string();
        assert!(text.contains("12 files have changed since: f0, f1") && text.ends_with("f9, ..."), "{text}");
    }
}
