//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::sys::fs::PathError;

/// Where a value stands. Ordered by position in the file; variables come last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file.
    File {
        /// As it was given to [`super::load`].
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
    /// In an environment variable of this name.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One error or warning. Shown as `autodev.toml:12:15: [run].max_retries: expected ...`; a syntax error has the
/// line and a mark under it on two more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Which key or section, for example `[run].max_retries`; empty when it concerns the file as a whole.
    pub key: String,
    /// What is wrong, without place and key. One line.
    pub message: String,
    /// The line of the file and a mark under the column; syntax errors only.
    pub excerpt: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        self.excerpt.as_ref().map_or(Ok(()), |excerpt| write!(f, "\n{excerpt}"))
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// [`super::discover`] found nothing; for its callers.
    #[error("no autodev.toml in {} or a directory above it", start.display())]
    NotFound {
        /// Where the search began.
        start: PathBuf,
    },
    /// The named file does not exist.
    #[error("read {}: no such file", path.display())]
    Missing {
        /// As given.
        path: PathBuf,
    },
    /// The file cannot be read, or is larger than 1 MiB.
    #[error(transparent)]
    Read(#[from] PathError),
    /// The file or the environment has errors.
    #[error("{}", lines(problems))]
    Invalid {
        /// All of them, sorted by place. Never empty.
        problems: Vec<Problem>,
        /// What would have been a warning, sorted by place; not part of the message.
        warnings: Vec<Problem>,
    },
}

impl ConfigError {
    /// Returns what the user can do next, when that is not plain from the message.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => Some("run `autodev init` in the project, or name a file with `-c PATH`"),
            Self::Missing { .. } => Some("check the path after `-c`, or run `autodev init` in the project"),
            Self::Read(_) | Self::Invalid { .. } => None,
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// The text of a file, able to tell lines and columns.
#[derive(Debug)]
pub(super) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
    /// Byte offset at which each line starts.
    starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { path, text, starts }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Returns line and column of a byte offset; offsets beyond the end mean the end.
    fn position(&self, offset: usize) -> (usize, usize) {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        // A byte order mark is not a character that anybody sees.
        (line, before.trim_start_matches('\u{feff}').chars().count() + 1)
    }

    pub(super) fn place(&self, offset: usize) -> Place {
        let (line, column) = self.position(offset);
        Place::File { path: self.path.to_path_buf(), line, column }
    }

    /// Returns a problem at a span, with the line shown; without a span, at the start and without a line.
    pub(super) fn syntax_error(&self, span: Option<Range<usize>>, message: &str) -> Problem {
        let offset = span.map(|span| span.start);
        Problem {
            place: self.place(offset.unwrap_or_default()),
            key: String::new(),
            message: message.lines().collect::<Vec<_>>().join(", "),
            excerpt: offset.map(|offset| self.excerpt(offset)),
        }
    }

    /// Shows at most 100 characters of the line around an offset, and a mark under it.
    fn excerpt(&self, offset: usize) -> String {
        let (line, column) = self.position(offset);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let text = self.text.get(start..).unwrap_or_default();
        let text = text.split('\n').next().unwrap_or_default().trim_start_matches('\u{feff}').trim_end_matches('\r');
        let skipped = column.saturating_sub(60);
        let shown: String =
            text.chars().skip(skipped).take(100).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let number = line.to_string();
        let indent = " ".repeat(number.len() + 3 + column - 1 - skipped);
        format!("  {number} | {shown}\n  {indent}^")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(text: &str, offset: usize) -> (usize, usize) {
        Source::new(Path::new("x"), text).position(offset)
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("äö = 1\nb", 5), (1, 4));
        assert_eq!(position("a\nb", 1), (1, 2));
        assert_eq!(position("a\nb", 2), (2, 1));
        assert_eq!(position("a\n", 99), (2, 1));
        assert_eq!(position("ä", 1), (1, 1), "an offset inside a character");
        assert_eq!(position("\u{feff}a = 1", 3), (1, 1));
    }

    #[test]
    fn the_line_is_shown_with_a_mark_under_the_place() {
        let text = "a = 1\r\nname = = 2\r\n";
        let problem = Source::new(Path::new("autodev.toml"), text).syntax_error(Some(14..15), "what\nnow");
        assert_eq!(problem.to_string(), "autodev.toml:2:8: what, now\n  2 | name = = 2\n             ^",);
    }

    #[test]
    fn of_a_long_line_only_the_neighbourhood_is_shown() {
        let text = format!("{}!{}", "a".repeat(5000), "b".repeat(5000));
        let problem = Source::new(Path::new("x"), &text).syntax_error(Some(5000..5001), "no");
        let lines: Vec<&str> = problem.excerpt.as_deref().unwrap().lines().collect();
        assert!(lines[0].len() < 120);
        assert_eq!(lines[0].find('!'), lines[1].find('^'));
    }
}
