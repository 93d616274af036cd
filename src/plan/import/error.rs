//! Why a plan cannot be read.

use super::Format;

/// What is wrong with a plan. Each message begins with the file and, where there is one, the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The text is no JSON.
    #[error("{file}:{line}:{column}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// A member of a JSON text has a type that it cannot have.
    #[error("{file}:{line}: {place}: expected {expected}, found {found}")]
    Shape {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// For example `master.tasks[3].title`.
        place: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// The front matter is broken.
    #[error("{file}:{line}: {reason}")]
    FrontMatter {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A field of the front matter has a wrong type or value.
    #[error("{file}:{line}: {key}: expected {expected}, found {found}")]
    Matter {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// The field.
        key: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Tasks wait for each other.
    #[error("{file}:{line}: tasks depend on each other in a circle: {}", circle(ids))]
    Cycle {
        /// The file.
        file: String,
        /// Of the first task of the circle.
        line: usize,
        /// Each depends on the next, the last on the first.
        ids: Vec<String>,
    },
    /// A folder has no file of the format.
    #[error("read the plan as {format}: there is no {wanted}")]
    Missing {
        /// How it was to be read.
        format: Format,
        /// For example `tasks.md`.
        wanted: &'static str,
    },
    /// A folder has several files of the format.
    #[error("read the plan as {format}: it could be any of {}", files.join(", "))]
    Ambiguous {
        /// How it was to be read.
        format: Format,
        /// At least two, sorted.
        files: Vec<String>,
    },
    /// A task list does not have the tag that was asked for.
    #[error("{file}: there is no tag {tag}; it has {}", tags.join(", "))]
    UnknownTag {
        /// The file.
        file: String,
        /// What was asked for.
        tag: String,
        /// Those it has, in file order.
        tags: Vec<String>,
    },
    /// There are too many items.
    #[error("{file}: more than {limit} {what}")]
    TooMany {
        /// The file.
        file: String,
        /// How many there may be.
        limit: usize,
        /// `tasks`, `dependencies` or `checks for one task`.
        what: &'static str,
    },
}

impl ImportError {
    /// Returns what a person can do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Cycle { .. } => Some("remove one of these dependencies"),
            Self::Ambiguous { .. } => Some("name the file"),
            Self::TooMany { .. } => Some("split the file"),
            Self::Missing { .. } => Some("name the file that holds the tasks"),
            Self::Syntax { .. }
            | Self::Shape { .. }
            | Self::FrontMatter { .. }
            | Self::Matter { .. }
            | Self::UnknownTag { .. } => None,
        }
    }
}

/// Shows at most twenty of a circle's ids.
fn circle(ids: &[String]) -> String {
    let mut shown: Vec<&str> = ids.iter().take(20).map(String::as_str).collect();
    if ids.len() > shown.len() {
        shown.push("...");
    }
    shown.extend(ids.first().map(String::as_str));
    shown.join(" -> ")
}
