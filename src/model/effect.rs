//! What the engine can be asked to do.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::TaskId;

/// A unit of work with an outside effect: the thing that must survive a crash. The engine journals its start,
/// does it, and journals exactly one end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// Write the statuses, histories and notes that the journal has and task.json has not.
    SaveQueue,
    /// Take the base snapshot of a task.
    OpenTask {
        /// Which.
        task: TaskId,
    },
    /// Run the agent once.
    RunAttempt {
        /// From 1.
        attempt: u32,
    },
    /// Run every check on what the task changed.
    Verify {
        /// The attempt that is judged.
        attempt: u32,
    },
    /// Check and measure the tree before an iterative task begins.
    Baseline,
    /// Put what an iteration changed into a commit under a reference.
    Propose {
        /// From 1.
        iteration: u32,
    },
    /// Measure the tree with the change against the best so far.
    Compare {
        /// From 1.
        iteration: u32,
    },
    /// Put the tree back to the best so far.
    Revert {
        /// From 1.
        iteration: u32,
    },
    /// Measure the best tree against the one the task began with.
    Revalidate,
    /// Ask why an attempt failed, and refine the task by the answer.
    Reflect {
        /// The attempt that failed.
        attempt: u32,
    },
    /// Commit the task's files.
    Commit {
        /// The attempt that passed.
        attempt: u32,
    },
    /// Move the leftovers of a blocked task to a ref and out of the tree.
    Salvage,
    /// Sleep; a stop request ends it at once.
    Wait {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// Ask what is left to do, and replace the queue by the answer.
    Replan {
        /// The epoch that is over.
        epoch: u32,
    },
    /// Show what would be done for a task.
    Preview {
        /// Which.
        task: TaskId,
    },
    /// Nothing is left to do: write what is pending and return.
    Stop,
}

/// Why a run waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Pause {
    /// `delay_between_tasks` after a failed attempt.
    Retry,
    /// `delay_between_tasks` between two tasks.
    NextTask,
    /// The model service refused.
    Limit {
        /// The text by which it was recognised.
        reason: String,
        /// Whether the service itself named the time.
        is_stated: bool,
    },
    /// A check could not be made; it is tried again without an agent.
    Recheck,
    /// No window of `[schedule].windows` is open.
    Window,
    /// A person paused the project.
    Held {
        /// Why; may be empty.
        reason: String,
        /// Whether only `autodev resume` ends it; the time of the pause means nothing then.
        is_endless: bool,
    },
}

impl Pause {
    /// Returns when a pause that was recorded with this time ends by itself.
    pub fn end(&self, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Held { is_endless: true, .. } => None,
            Self::Retry | Self::NextTask | Self::Limit { .. } | Self::Recheck | Self::Window | Self::Held { .. } => {
                Some(until)
            }
        }
    }
}
