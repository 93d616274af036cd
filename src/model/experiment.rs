//! Iterative tasks: what is tried, measured, kept and put back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Change, Direction, EffectId, Outcome, RelPath, Task, TaskId, Verdict};

/// What a comparison of two trees found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The candidate is better, by enough.
    Improved,
    /// It is worse.
    Regressed,
    /// Nothing suggests a difference worth having.
    Unchanged,
    /// All pairs are measured and prove nothing either way.
    Undecided,
}

impl Finding {
    /// Returns the outcome it counts as; undecided is unchanged.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Improved => Outcome::Improved,
            Self::Regressed => Outcome::Regressed,
            Self::Unchanged | Self::Undecided => Outcome::Unchanged,
        }
    }

    /// Returns the word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Improved => "improved",
            Self::Regressed => "regressed",
            Self::Unchanged => "unchanged",
            Self::Undecided => "undecided",
        }
    }
}

/// Two trees measured, or why they could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Compared {
    /// They were.
    Measured(Comparison),
    /// One side gave no number.
    Invalid {
        /// One sentence for people.
        reason: String,
        /// `Infra` when the machine is to blame and the change proves nothing; else `Fail`.
        verdict: Verdict,
    },
}

/// Two trees measured against each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What was found.
    pub finding: Finding,
    /// Median of the best tree so far.
    pub champion: f64,
    /// Median of the tree with the change.
    pub candidate: f64,
    /// Candidate by champion: 0.9 is ten per cent less. When a value is zero or negative, 1 plus the difference in units
    /// of the champion's usual size.
    pub ratio: f64,
    /// Where the ratio lies at the confidence; of one pair, the ratio itself.
    pub interval: (f64, f64),
    /// The probability of such evidence for an improvement when there is none; 1 of a single pair, which is not tested.
    pub p_value: f64,
    /// How many pairs counted.
    pub samples: u32,
    /// All pairs in the order of time, the warm-up first: the best tree, then the tree with the change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<(f64, f64)>,
    /// A guard that is broken, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_guard: Option<String>,
    /// One line for people.
    pub reason: String,
}

/// What is done with a change after it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It is committed and is the best so far.
    Keep,
    /// It is put back.
    Revert,
    /// It stays in the tree, uncommitted, for a person to look at.
    Leave,
    /// There is no change.
    Nothing,
}

impl Step {
    /// Returns the word used in files for what was done.
    pub fn done(self) -> &'static str {
        match self {
            Self::Keep => "kept",
            Self::Revert => "reverted",
            Self::Leave => "left",
            Self::Nothing => "none",
        }
    }
}

/// One iteration, or the baseline: a line of experiments.jsonl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentRecord {
    /// From 1; 0 is the baseline.
    pub iteration: u32,
    /// The metric's name.
    pub metric: String,
    /// The metric before the first iteration.
    pub baseline: Option<f64>,
    /// The best before this iteration.
    pub best_before: Option<f64>,
    /// What was measured; `None` when invalid or not measured.
    pub measured: Option<f64>,
    /// What it came to; `Measured` for the baseline.
    pub outcome: Outcome,
    /// What was done with the change.
    pub step: Step,
    /// The commit that holds the change: of the branch when it was kept, else of `refs/autodev/experiments/`.
    pub commit: String,
    /// The commit the branch is at after the change was put back; empty otherwise.
    pub reverted: String,
    /// How long the iteration took, milliseconds.
    pub duration_ms: u64,
    /// Why, one line for people.
    pub notes: String,
    /// What was changed, one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The comparison behind it, when trees were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// The change of the iteration under way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidate {
    /// The commit that holds it, on top of the best tree; `None` when nothing git can hold was changed.
    pub commit: Option<String>,
    /// The reference that keeps that commit.
    pub reference: String,
    /// What it changes.
    pub changed: Vec<Change>,
    /// What it changed and git cannot hold.
    pub left_out: Vec<RelPath>,
    /// One line about it: how many files and lines.
    pub summary: String,
    /// What comparing found.
    pub compared: Option<Compared>,
    /// What is to be done with it.
    pub judged: Option<(Box<ExperimentRecord>, Step)>,
}

/// Where an iterative task stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// The contract that all numbers belong to.
    pub contract: Box<Task>,
    /// Whether the same tree gave different numbers.
    pub is_noisy: bool,
    /// The metric before the first iteration.
    pub baseline: f64,
    /// The best metric kept, else the baseline.
    pub best: f64,
    /// The iteration that gave it; 0 is the baseline.
    pub best_iteration: u32,
    /// Iterations that have ended.
    pub iterations: u32,
    /// How many changes were kept.
    pub kept: u32,
    /// How many were put back.
    pub reverted: u32,
    /// How many were invalid.
    pub invalid: u32,
    /// Iterations in a row that were no better.
    pub streak: u32,
    /// Whether the target is reached.
    pub is_on_target: bool,
    /// Why nothing more can be tried, when a change could not be put back or is left for a person.
    pub stuck: Option<String>,
    /// The last kept commit.
    pub commit: Option<String>,
    /// What all kept changes changed, sorted.
    pub changed: Vec<RelPath>,
    /// What the checks found of the best tree.
    pub gate: super::GateReport,
    /// The tree before the iteration under way: name of its manifest and of its base, and the commit of that base.
    pub before: Option<(String, String)>,
    /// The attempt of the iteration under way, which names its reference, and when it began.
    pub attempt: Option<(EffectId, DateTime<Utc>)>,
    /// The change of the iteration under way, once the agent has ended.
    pub candidate: Option<Candidate>,
    /// The last word: the best tree against the one the task began with.
    pub revalidation: Option<Compared>,
}

/// What was tried, task by task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Experiments {
    /// The series of each task. One whose baseline could not be measured has no records.
    pub of: BTreeMap<TaskId, Series>,
    /// The task whose baseline or iteration came last.
    pub current: Option<TaskId>,
}

/// The experiments of one task against one baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The task's title.
    pub title: String,
    /// The metric's name.
    pub metric: String,
    /// Which way is better.
    pub direction: Option<Direction>,
    /// The value that ends the task.
    pub target: Option<f64>,
    /// How many iterations there may be.
    pub max_iterations: u32,
    /// The baseline, then the iterations, oldest first.
    pub records: Vec<ExperimentRecord>,
    /// The best tree measured against the one the task began with.
    pub last_word: Option<Compared>,
    /// How many series of the task there were before: its contract was changed, or it was tried again.
    pub earlier: u32,
}

impl Series {
    /// Returns the metric before the first iteration.
    pub fn baseline(&self) -> Option<f64> {
        self.records.first().and_then(|record| record.baseline)
    }

    /// Returns the iteration that gave the best value kept, and that value; 0 is the baseline.
    pub fn best(&self) -> Option<(u32, f64)> {
        let kept = self.records.iter().rev().find(|record| record.step == Step::Keep && record.measured.is_some());
        let best = kept.or(self.records.first())?;
        best.measured.map(|value| (best.iteration, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_read_back_is_the_number_that_was_measured(one in any::<f64>(), other in any::<f64>()) {
            prop_assume!(one.is_finite() && other.is_finite());
            let text = serde_json::to_string(&vec![(one, other)]).unwrap();
            let back: Vec<(f64, f64)> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!((back[0].0.to_bits(), back[0].1.to_bits()), (one.to_bits(), other.to_bits()), "{}", text);
        }
    }
}
