//! What the gate found out: the second of the three axes.

use serde::{Deserialize, Serialize};

/// The verdict of one check, and of all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The check was made and the work is good.
    Pass,
    /// The check was made and the work is bad. The only verdict that is charged to the attempt.
    Fail,
    /// The same tree gave both answers.
    Flaky,
    /// The check could not be made: a program is missing, was killed from outside, a disk is full.
    Infra,
    /// The check failed in the same way before the task began.
    Inherited,
    /// The check was skipped because it could not matter any more.
    NotRun,
}

impl Verdict {
    /// Whether work with this verdict may be accepted.
    pub fn is_pass(self) -> bool {
        match self {
            Self::Pass => true,
            Self::Fail | Self::Flaky | Self::Infra | Self::Inherited | Self::NotRun => false,
        }
    }
}

/// One check with its verdict and what proves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// `min_changed_files`, `path_patterns`, `validate:<command>`, `metric:<name>` or `commit`.
    pub name: String,
    /// What was found.
    pub verdict: Verdict,
    /// One line for people, for example `exit_code=1` or `3 files changed (minimum: 1)`.
    pub details: String,
    /// For commands: where the whole output is, and its tail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What a command left behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Path of the file with the complete output; relative to the project when inside.
    pub log: String,
    /// The last lines of the output, at most 40 lines and 4 000 bytes, lossy UTF-8.
    pub tail: String,
    /// The exit code; -1 when there is none (not started, timed out), minus the signal when killed.
    pub exit_code: i32,
    /// Wall time.
    pub duration_ms: u64,
}

/// What completion came to (section 6 of the reference's description).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Boolean completion: no check failed.
    Met,
    /// Boolean completion: some check failed.
    #[default]
    NotMet,
    /// No number could be obtained.
    Invalid,
    /// A number without anything to compare it with.
    Measured,
    /// No better and no worse than the reference value.
    Unchanged,
    /// Better.
    Improved,
    /// Worse.
    Regressed,
    /// The target is reached.
    TargetMet,
}

impl Outcome {
    /// Returns the word used in runtime-status.json and experiments.jsonl.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "not_met",
            Self::Invalid => "invalid",
            Self::Measured => "measured",
            Self::Unchanged => "unchanged",
            Self::Improved => "improved",
            Self::Regressed => "regressed",
            Self::TargetMet => "target_met",
        }
    }
}

/// The whole answer of the gate for one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// All checks together: `Pass` only when every check passed and the completion did.
    pub verdict: Verdict,
    /// In the order in which they were made.
    pub checks: Vec<CheckResult>,
    /// What completion came to.
    pub outcome: Outcome,
    /// The measured number of a numeric completion. Always finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<f64>,
    /// One text per failed check, plus one for the completion when it adds something.
    pub errors: Vec<String>,
}

impl GateReport {
    /// Joins the first three errors, as summaries show them.
    pub fn summary(&self) -> String {
        self.errors.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}
