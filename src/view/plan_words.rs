//! The words for what happens to watched plans.

use super::text::plural;
use crate::model::{PlanChange, PlanStanding, TaskId};

/// Returns what a plan did to the queue: `ai-docs/x.md: 2 tasks added, 1 task updated`.
pub(super) fn taken(
    plan: &str,
    added: &[TaskId],
    updated: &[TaskId],
    withdrawn: &[TaskId],
    notes: &[String],
) -> String {
    let counts = [(added, "added"), (updated, "updated"), (withdrawn, "withdrawn")];
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(ids, _)| !ids.is_empty())
        .map(|(ids, word)| format!("{} {word}", plural(ids.len(), "task")))
        .collect();
    let what = if parts.is_empty() { "nothing to change in the queue".to_owned() } else { parts.join(", ") };
    let parts: Vec<&str> = std::iter::once(what.as_str()).chain(notes.iter().map(String::as_str)).collect();
    format!("{plan}: {}", parts.join("; "))
}

/// Returns why a plan is no longer worked on, and what that did.
pub(super) fn withdrawn(
    plan: &str,
    standing: PlanStanding,
    withdrawn: &[TaskId],
    left: &[TaskId],
    twin_of: Option<&str>,
) -> String {
    let why = match (standing, twin_of) {
        (PlanStanding::Draft, _) => "is a draft, skipped".to_owned(),
        (PlanStanding::Twin, Some(other)) => format!("has the content of {other}, which was taken; skipped"),
        (PlanStanding::Twin, None) => "has the content of another plan, skipped".to_owned(),
        (PlanStanding::Taken | PlanStanding::Withdrawn | PlanStanding::Failed, _) => "is gone".to_owned(),
    };
    let gone = match withdrawn.len() {
        0 => String::new(),
        count => format!("; {} withdrawn", plural(count, "task")),
    };
    let stay = match left.len() {
        0 => String::new(),
        count => format!("; {} had begun and stay", plural(count, "task")),
    };
    format!("{plan} {why}{gone}{stay}")
}

/// Returns what is about to be written.
pub(super) fn taking(changes: &[PlanChange]) -> String {
    let count = |of: fn(&PlanChange) -> usize| changes.iter().map(of).sum::<usize>();
    format!(
        "{}: {} to add, {} to update, {} to withdraw",
        plural(changes.len(), "plan"),
        count(|change| change.added.len()),
        count(|change| change.updated.len()),
        count(|change| change.withdrawn.len())
    )
}
