//! When a task counts as done and how it is worked on (`completion` and `execution` of task.json, normalised).

use serde::{Deserialize, Serialize};

use super::CommandSpec;
use super::metric::{CommandChoice, Extract, Guard, Sampling};

/// When a task counts as done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one in each task, beside a dozen texts and lists")]
pub enum Completion {
    /// All checks pass.
    #[default]
    Boolean,
    /// All checks pass and a number is good enough.
    Numeric(Numeric),
}

/// A number taken from a validation command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numeric {
    /// The metric's name.
    pub name: String,
    /// Where it comes from as written in task.json, for example `json_stdout`; `logic::source` knows which there are.
    pub source: String,
    /// Which way is better; `None` when task.json says neither (the metric is then invalid).
    pub direction: Option<Direction>,
    /// Where the number is in the JSON, for example `$.a.b[0]`.
    pub json_path: String,
    /// Improvements below this are `unchanged`. Finite, default 0.
    pub min_improvement: f64,
    /// Differences up to this are `unchanged`. Finite, default 0.
    pub unchanged_tolerance: f64,
    /// Reaching this value completes the task. Finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// What the source needs to know.
    #[serde(default, skip_serializing_if = "Extract::is_empty")]
    pub extract: Extract,
    /// Which validation command yields the metric; `None` means the last that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandChoice>,
    /// How often an iterative task measures, and how sure it has to be.
    #[serde(default, skip_serializing_if = "Sampling::is_default")]
    pub sampling: Sampling,
    /// What makes a fresh checkout ready to be measured, for example `npm ci`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<CommandSpec>,
    /// Other numbers that must not get worse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<Guard>,
}

impl Default for Numeric {
    /// Returns a metric without name, direction and place on the standard output.
    fn default() -> Self {
        Self {
            name: String::new(),
            source: "json_stdout".to_owned(),
            direction: None,
            json_path: String::new(),
            min_improvement: 0.0,
            unchanged_tolerance: 0.0,
            target: None,
            extract: Extract::default(),
            command: None,
            sampling: Sampling::default(),
            prepare: Vec::new(),
            guards: Vec::new(),
        }
    }
}

/// Which way a metric gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Smaller is better.
    LowerIsBetter,
    /// Larger is better.
    HigherIsBetter,
}

impl Direction {
    /// Returns the word used in task.json.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LowerIsBetter => "lower_is_better",
            Self::HigherIsBetter => "higher_is_better",
        }
    }
}

/// How a task is worked on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "snake_case")]
pub enum Execution {
    /// Attempts until the checks pass.
    #[default]
    SinglePass,
    /// Keep or revert against a metric.
    Iterative(Iterative),
}

/// Settings of the iterative strategy, normalised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iterative {
    /// At least 1, default 3.
    pub max_iterations: u32,
    /// Default true.
    pub rollback_on_failure: bool,
    /// Default false.
    pub keep_on_equal: bool,
    /// Default `experiment`.
    pub commit_prefix: String,
    /// At least 1, default 3.
    pub stop_after_no_improvement: u32,
    /// At least 1, default 2.
    pub stop_after_invalid: u32,
}

impl Default for Iterative {
    fn default() -> Self {
        Self {
            max_iterations: 3,
            rollback_on_failure: true,
            keep_on_equal: false,
            commit_prefix: "experiment".to_owned(),
            stop_after_no_improvement: 3,
            stop_after_invalid: 2,
        }
    }
}
