//! How one attempt of an agent ended: the first of the three axes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{RelPath, Usage};

/// How the agent's process ended. Says nothing about the work: exit code 0 alone is never success.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum ProcessEnd {
    /// It ended by itself with this code.
    Exited {
        /// 0 to 255.
        code: i32,
    },
    /// A signal that was not ours ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It ran longer than `[run].attempt_timeout_seconds` and was ended.
    TimedOut,
    /// It hung (`logic::liveness`, `[run].idle_timeout_seconds`) and was ended.
    Idle,
    /// The user stopped the run while it worked.
    Interrupted,
    /// The model service refused it for now. Costs no attempt.
    Limited(Limit),
    /// It cannot work here until a person acts.
    EnvError(EnvProblem),
    /// The program could not be started.
    NotStarted {
        /// The operating system's reason.
        reason: String,
    },
    /// The runner itself was killed meanwhile; what the attempt did to the tree is kept and counts.
    Lost,
}

impl ProcessEnd {
    /// Returns the number that task.json calls `backend_exit_code`: the code, or minus the signal, 127 for
    /// a program that cannot be started, 124 for our time limits, 130 for an interrupt.
    pub fn code(&self) -> i32 {
        match self {
            Self::Exited { code } => *code,
            Self::Signalled { signal } => -signal,
            Self::TimedOut | Self::Idle => 124,
            Self::Interrupted => 130,
            Self::Limited(limit) => limit.code,
            Self::EnvError(problem) => problem.code,
            Self::NotStarted { .. } => 127,
            Self::Lost => -9,
        }
    }
}

/// A refusal of the model service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The program's exit code.
    pub code: i32,
    /// The text by which it was recognised.
    pub reason: String,
    /// When the service says that it will answer again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// A reason that only a person can remove.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvProblem {
    /// The program's exit code.
    pub code: i32,
    /// The text by which it was recognised.
    pub reason: String,
}

/// Everything that is known about an attempt when its process has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptReport {
    /// How the process ended.
    pub end: ProcessEnd,
    /// Whether the agent counts as having finished: its final event says so and the exit code is 0, or, for a
    /// program without any known event, the exit code (and the configured success pattern) says so.
    pub is_ok: bool,
    /// The agent's last message, shortened to some 2 000 characters.
    #[serde(default)]
    pub message: String,
    /// The agent's session id, empty when it did not name one.
    #[serde(default)]
    pub session: String,
    /// Tokens and money.
    #[serde(default)]
    pub usage: Usage,
    /// The paths that differ between the start and the end of this attempt, sorted; autodev's own files never count.
    #[serde(default)]
    pub changed: Vec<RelPath>,
    /// Wall time.
    #[serde(default)]
    pub duration_ms: u64,
    /// How many processes of the attempt outlived it and were ended.
    #[serde(default)]
    pub strays: u32,
}
