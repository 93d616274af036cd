//! What `autodev doctor` concludes: from facts about project and machine to rows with a level and a next step.
//!
//! Gathers nothing and prints nothing: every function takes facts as they were found and returns rows. Invariants: a
//! row that is not ok says what to do about it; an error means that a run would not begin, or not get anything done.

pub mod agent;
pub mod deep;
pub mod git;
pub mod machine;
pub mod notice;
pub mod project;
pub mod queue;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// A run begins, but something may not go as wished.
    Warn,
    /// A run does not begin, or gets nothing done.
    Error,
}

impl Level {
    /// Returns the word used in badges and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What a row is about, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// autodev.toml and `.autodev/`.
    Configuration,
    /// task.json.
    Queue,
    /// The repository.
    Git,
    /// The agent programs.
    Agents,
    /// The installed skills.
    Skills,
    /// The channels of `[notify]`.
    Notices,
    /// Everything below.
    Machine,
}

impl Group {
    /// Returns the word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Queue => "queue",
            Self::Git => "git",
            Self::Agents => "agents",
            Self::Skills => "skills",
            Self::Notices => "notices",
            Self::Machine => "machine",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What it is about.
    pub group: Group,
    /// Which part of it, for example `autodev.toml`; not unique.
    pub label: String,
    /// How bad it is.
    pub level: Level,
    /// What was found. One line, unless a program's own words have more.
    pub found: String,
    /// What to do about it; empty when nothing need be done.
    pub next: String,
}

impl Row {
    /// Returns a row that says that all is well.
    pub fn ok(group: Group, label: &str, found: impl Into<String>) -> Self {
        Self { group, label: label.to_owned(), level: Level::Ok, found: found.into(), next: String::new() }
    }

    /// Returns a row for something that may not go as wished.
    pub fn warn(group: Group, label: &str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { group, label: label.to_owned(), level: Level::Warn, found: found.into(), next: next.into() }
    }

    /// Returns a row for something that keeps a run from working.
    pub fn error(group: Group, label: &str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { group, label: label.to_owned(), level: Level::Error, found: found.into(), next: next.into() }
    }

    /// Returns the same row with a remark about what can be done, whatever its level.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }
}

/// How many rows of each level there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows that are ok.
    pub ok: usize,
    /// Warnings.
    pub warnings: usize,
    /// Errors.
    pub errors: usize,
}

/// Counts the rows.
pub fn summary(rows: &[Row]) -> Summary {
    let count = |level| rows.iter().filter(|row| row.level == level).count();
    Summary { ok: count(Level::Ok), warnings: count(Level::Warn), errors: count(Level::Error) }
}

/// Returns the row about a probe that took longer than it may.
pub fn too_slow(group: Group, label: &str, seconds: u64) -> Row {
    Row::warn(
        group,
        label,
        format!("no answer within {seconds} s"),
        "the disk, or a network mount on the way to it, may be hanging; try again",
    )
}

/// Returns a count with its noun: `1 task`, `2 tasks`.
fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Names the first few of many.
fn some_of(names: &[String]) -> String {
    /// More are only counted.
    const NAMED: usize = 5;
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_every_row_once() {
        let row = |level| Row { level, ..Row::ok(Group::Git, "x", "y") };
        let rows = [row(Level::Ok), row(Level::Warn), row(Level::Error), row(Level::Ok)];
        assert_eq!(summary(&rows), Summary { ok: 2, warnings: 1, errors: 1 });
        assert_eq!(summary(&[]), Summary::default());
    }

    #[test]
    fn of_many_names_only_the_first_are_told() {
        let names: Vec<String> = (1..=7).map(|n| n.to_string()).collect();
        assert_eq!(some_of(&names), "1, 2, 3, 4, 5 and 2 more");
        assert_eq!(some_of(&names[..2]), "1, 2");
    }
}
