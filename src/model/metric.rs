//! What a numeric completion may say beyond name, direction and path: how its number is taken, how often, and what must
//! not get worse meanwhile.

use serde::{Deserialize, Serialize};

use super::completion::Direction;

/// What a source needs to know, as written in task.json. Which of these a source reads, `logic::source` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// The file that holds the result, relative to the working directory of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A regular expression with a group `value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Which number of a test report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Which number of a benchmark report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<String>,
}

impl Extract {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which validation command yields a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandChoice {
    /// Its place among the task's commands, from 0.
    Index(u32),
    /// Its name, or its command line when it has none.
    Name(String),
}

/// How often both sides are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Samples {
    /// This often, at least 1. Once means: one number against the best so far, without statistics.
    Fixed(u32),
    /// As often as it takes, up to a limit.
    Auto,
}

/// How an iterative task measures, as far as task.json says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// How often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Samples>,
    /// The limit of [`Samples::Auto`]; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_samples: Option<u32>,
    /// How many measurements of each side do not count, at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<u32>,
    /// How sure the whole task must be that it kept no noise. From 0.5 to below 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// The smallest relative improvement worth keeping; 0.02 is two per cent. Finite, at least 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_effect: Option<f64>,
}

impl Sampling {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A number beside the metric that must not get much worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// Its name.
    pub name: String,
    /// Where it comes from; the same words as for the metric. Default: the metric's source.
    pub source: String,
    /// Where the number is in the JSON.
    pub json_path: String,
    /// What the source needs to know.
    #[serde(default, skip_serializing_if = "Extract::is_empty")]
    pub extract: Extract,
    /// Which way is better. Default: lower.
    pub direction: Direction,
    /// By how much it may get worse, relative to the best so far; 0.05 is five per cent. Finite, at least 0.
    pub max_regression: f64,
}
