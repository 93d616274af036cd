//! What iterative tasks show: the words for an iteration, the line in experiments.jsonl, the page and the charts.

mod axis;
pub mod chart;
pub mod page;
pub mod plot;
pub mod record;

use std::fmt;

use super::text::{fit, general, one_line, width};
use crate::model::{Compared, Direction, ExperimentRecord, Outcome, Series, Step, TaskId};

/// Columns of one experiment in a prompt: its number, outcome, files, and one or two sentences.
const LINE: usize = 320;

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

/// One line about an experiment for the next prompt: what was changed, what came of it, and where it can be looked at.
pub fn line(record: &ExperimentRecord, is_best: bool) -> String {
    // The number of a change whose checks failed would tempt.
    let value = record.measured.filter(|_| record.outcome != Outcome::Invalid);
    let value = value.map(|value| format!(", {}={}", record.metric, general(value))).unwrap_or_default();
    let files = if record.summary.is_empty() { "no file changed" } else { &record.summary };
    let best = if is_best { ", the best so far" } else { "" };
    let commit = match short(&record.commit) {
        "" => String::new(),
        commit => format!(", commit {commit}"),
    };
    let (number, outcome, done) = (record.iteration, outcome(record), record.step.done());
    let head = format!("iteration {number}: {outcome}{value} ({done}{best}; {files}{commit})");
    let notes = one_line(&record.notes);
    let room = LINE.saturating_sub(width(&head) + 2);
    if notes.is_empty() || room < 8 { head } else { format!("{head}: {}", fit(&notes, room)) }
}

/// By which share of the best a result is better: 0.1 is ten per cent, below zero is worse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gain {
    at: f64,
    /// Where it lies, when it was measured more than once.
    interval: Option<(f64, f64)>,
}

impl Gain {
    /// Returns what an iteration gained over the best before it; `None` when it has no valid result.
    pub(super) fn of(record: &ExperimentRecord, direction: Option<Direction>) -> Option<Self> {
        if record.iteration == 0 || record.outcome == Outcome::Invalid {
            return None;
        }
        let Some(comparison) = &record.comparison else {
            return Self::between(direction, record.best_before, record.measured);
        };
        let gain = |ratio| direction.map(|direction| share(direction, ratio));
        let (one, other) = gain(comparison.interval.0).zip(gain(comparison.interval.1))?;
        let interval = (comparison.samples > 1).then_some((one.min(other), one.max(other)));
        gain(comparison.ratio).map(|at| Self { at, interval })
    }

    /// Returns what one value gains over another; `None` when that is 0 and there is no share of it.
    pub(super) fn between(direction: Option<Direction>, from: Option<f64>, to: Option<f64>) -> Option<Self> {
        let (from, to) = from.zip(to).filter(|(from, _)| *from != 0.0)?;
        let at = share(direction?, 1.0 + (to - from) / from.abs());
        at.is_finite().then_some(Self { at, interval: None })
    }
}

fn share(direction: Direction, ratio: f64) -> f64 {
    match direction {
        Direction::LowerIsBetter => 1.0 - ratio,
        Direction::HigherIsBetter => ratio - 1.0,
    }
}

impl Gain {
    /// Returns it in words: `better by 10.0 % (5.0..15.0)`, `worse by 20.0 %`.
    pub(super) fn words(self) -> String {
        if self.at < 0.0 {
            let turned = Self { at: -self.at, interval: self.interval.map(|(low, high)| (-high, -low)) };
            format!("worse by {turned}")
        } else {
            format!("better by {self}")
        }
    }

    /// Returns it for a column of per cents: `10.0 (5.0..15.0)`.
    pub(super) fn bare(self) -> String {
        let interval = self.interval.map(|(low, high)| format!(" ({}..{})", percent(low), percent(high)));
        percent(self.at) + &interval.unwrap_or_default()
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} %", percent(self.at))?;
        match self.interval {
            Some((low, high)) => write!(out, " ({}..{})", percent(low), percent(high)),
            None => Ok(()),
        }
    }
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent.abs() < 99.95 { format!("{percent:.1}") } else { general(percent.round()) }
}

/// Whether the best value kept, or the baseline, is as good as the target.
pub(super) fn is_on_target(series: &Series) -> bool {
    series.best().zip(series.target).is_some_and(|((_, best), target)| match series.direction {
        Some(Direction::LowerIsBetter) => best <= target,
        Some(Direction::HigherIsBetter) => best >= target,
        None => false,
    })
}

/// Returns the first characters of a commit's name.
pub(super) fn short(sha: &str) -> &str {
    sha.get(..12).unwrap_or(sha)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::view::sample;

    #[test]
    fn a_line_for_the_next_prompt_says_what_was_tried_and_what_came_of_it() {
        let lines: Vec<String> = sample::records().iter().map(|record| line(record, record.iteration == 2)).collect();
        let wanted = [
            "iteration 1: regressed, lat=120 (reverted; lat.py +1 -1, commit 717e2f2e): lat=120 (regressed; reference 100)",
            "iteration 2: improved, lat=90 (kept, the best so far; lat.py +1 -1, commit 717e2f2e): \
             10.0 % better (+5.0 to +15.0 %), 2 pairs, p=9.0e-4",
            "iteration 3: invalid (reverted; lat.py +1 -1, commit 717e2f2e): \
             2 passed, 1 failed: validate:make test: exit_code=1",
        ];
        assert_eq!(lines[1..4], wanted);
    }

    #[test]
    fn a_line_has_an_end() {
        let mut record = sample::records().remove(3);
        record.notes = "output ".repeat(10_000);
        let line = line(&record, false);
        assert!(width(&line) <= LINE && line.ends_with('…'), "{line}");
    }
}
