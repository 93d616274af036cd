//! What a model is asked beside work on a task, and what came of it.

use serde::{Deserialize, Serialize};

use super::{Limit, ProcessEnd, Refinement, RelPath, TaskId, Usage};

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Inquiry {
    /// An intent is to become a specification.
    Spec,
    /// A specification is to become tasks.
    Plan,
    /// Why an attempt failed, and what would help the next one.
    Reflection {
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
    },
    /// What is left to do after an epoch.
    Replan {
        /// The epoch that is over.
        epoch: u32,
    },
}

impl Inquiry {
    /// Returns the word used in file names and log lines.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Plan => "plan",
            Self::Reflection { .. } => "reflect",
            Self::Replan { .. } => "replan",
        }
    }
}

/// How a question ended. The answer itself is in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerReport {
    /// How the process ended.
    pub end: ProcessEnd,
    /// Whether there is an answer: as [`super::AttemptReport::is_ok`], and it is not empty.
    pub is_ok: bool,
    /// The end of what the program said, shortened; for failures.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Tokens and money.
    #[serde(default)]
    pub usage: Usage,
    /// Paths that changed meanwhile, sorted. There should be none: a question may only be answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<RelPath>,
    /// Wall time.
    #[serde(default)]
    pub duration_ms: u64,
}

/// What came of the reflection on a failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Reflection {
    /// The task is refined.
    Applied {
        /// By what.
        refinement: Box<Refinement>,
        /// The fields of the task that change.
        applied: Vec<String>,
        /// What was proposed and not taken, each with the reason.
        refused: Vec<String>,
    },
    /// There is nothing to apply.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// What came of planning anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Replan {
    /// The queue is replaced by a new one.
    New {
        /// Where the old queue is kept, as people read it.
        archive: String,
        /// The new tasks, in order.
        tasks: Vec<TaskId>,
        /// Blocked tasks of the old queue that the new plan says it replaces.
        replaces: Vec<TaskId>,
        /// Titles left out because such a task is finished.
        left_out: Vec<String>,
    },
    /// The model has nothing new.
    Nothing,
    /// The queue does not say what it was planned from.
    NoSource,
    /// The model service refused.
    Limited {
        /// Its refusal.
        refusal: Limit,
    },
    /// The run is being stopped.
    Stopped,
    /// It did not work, and the old queue is as it was.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How a plan got into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// In place of the old queue, of which a backup is kept.
    Replaced,
    /// Behind the tasks that were there.
    Appended,
}
