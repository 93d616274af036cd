//! What can go wrong with task.json.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::model::TaskId;
use crate::sys::fs::PathError;

/// Something in task.json that cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// For example `tasks[3].verification.validate_timeout_seconds`; empty for the file as a whole.
    pub place: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}

/// Why the queue could not be read, changed or written. The file is as it was in every case.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no such file.
    #[error("read {}: no such file", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a queue. Holds every problem found, in file order; of more than 100 the first, and their number.
    #[error("{}", listing(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// At least one.
        problems: Vec<Problem>,
    },
    /// Somebody else has written the file since it was read: load it again and repeat the change.
    #[error("write {}: it has changed since it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// No task has this id.
    #[error("find task {id}: no such task in {}", path.display())]
    UnknownTask {
        /// The file.
        path: PathBuf,
        /// The id asked for.
        id: TaskId,
    },
    /// A change would make the file unreadable.
    #[error("change {what}: {}", reasons.join("; "))]
    Refused {
        /// A task (`task P0-1`) or a top-level member.
        what: String,
        /// At least one, each with its place.
        reasons: Vec<String>,
    },
    /// Another process does not let go of the file's lock.
    #[error("lock {}: still held by another process after {seconds} s", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] PathError),
}

impl QueueError {
    /// Returns what a person can do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => {
                Some("run `autodev init` or `autodev plan` to create it, or set [files].task_json in autodev.toml")
            }
            Self::Invalid { .. } => Some("correct the file by hand; it was left as it is"),
            Self::Changed { .. } => Some("repeat the command"),
            Self::UnknownTask { .. } => Some("`autodev task list` shows the ids"),
            Self::Locked { .. } => Some("end the other autodev process, or wait for it"),
            Self::Refused { .. } | Self::File(_) => None,
        }
    }
}

/// One line per problem, each starting with `file:line:column`.
fn listing(path: &Path, problems: &[Problem]) -> String {
    let path = path.display();
    match problems {
        [only] => format!("{path}:{only}"),
        several => {
            let mut out = format!("read {path}: {} problems", several.len());
            for problem in several {
                // Writing to a String cannot fail.
                let _ = write!(out, "\n  {path}:{problem}");
            }
            out
        }
    }
}
