//! The words of iterative tasks: what an iteration came to.

use crate::model::{Compared, ExperimentRecord, Outcome, Step, TaskId};

/// Returns the word of a record's outcome in experiments.jsonl and tables; iteration 0 is the baseline.
pub fn outcome(record: &ExperimentRecord) -> &'static str {
    let finding = record.comparison.as_ref().map(|comparison| comparison.finding.as_str());
    match (record.iteration, record.outcome, finding) {
        (0, _, _) => "baseline",
        (_, Outcome::Unchanged, Some(finding)) => finding,
        (_, outcome, _) => outcome.as_str(),
    }
}

/// One line about a comparison.
pub(super) fn compared(compared: &Compared) -> String {
    match compared {
        Compared::Measured(comparison) => format!("{}: {}", comparison.finding.as_str(), comparison.reason),
        Compared::Invalid { reason, .. } => format!("no comparison: {reason}"),
    }
}

/// One line about a decision.
pub(super) fn judged(record: &ExperimentRecord, step: Step) -> String {
    let what = match step {
        Step::Keep => "to be kept",
        Step::Revert => "to be put back",
        Step::Leave => "left in the tree for a person",
        Step::Nothing => "nothing to keep",
    };
    format!("iteration {} {}: {what}", record.iteration, outcome(record))
}

/// One line about an iteration that is over, or the baseline.
pub(super) fn ended(task: &TaskId, record: &ExperimentRecord) -> String {
    if record.iteration == 0 {
        return format!("{task}: baseline {}", record.notes);
    }
    format!("{task}: iteration {} {} ({}): {}", record.iteration, outcome(record), record.step.done(), record.notes)
}

/// One line about an experiment for the next prompt: what was changed and what came of it.
pub fn line(record: &ExperimentRecord) -> String {
    let value = record.measured.map(|value| format!(", {}={value}", record.metric)).unwrap_or_default();
    let files = if record.summary.is_empty() { "no file changed" } else { &record.summary };
    let (number, outcome, done) = (record.iteration, outcome(record), record.step.done());
    super::text::one_line(&format!("iteration {number}: {outcome}{value} ({done}; {files}): {}", record.notes))
}
