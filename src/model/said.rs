//! What an agent's output meant, the same for every backend.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One typed piece of an agent's output stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// The agent named its session; it can be resumed by this id.
    Session {
        /// The agent's own id (claude session, codex thread, opencode `ses_...`).
        id: String,
        /// The model it will use, empty when it did not say.
        model: String,
    },
    /// Text meant for the reader; pieces of one message may come apart.
    Text {
        /// The text, without terminal escapes being removed.
        text: String,
        /// Whether more of the same message follows directly.
        partial: bool,
    },
    /// Reasoning shown by the agent.
    Thinking {
        /// The text.
        text: String,
    },
    /// A tool call began (or, for agents that only report the end, ran).
    ToolStarted {
        /// The agent's id of the call; pairs with [`Said::ToolEnded`].
        id: String,
        /// The tool's name (`Bash`, `write_file`, `command_execution`).
        name: String,
        /// One line: the command, or the file.
        summary: String,
    },
    /// A tool call ended.
    ToolEnded {
        /// The agent's id of the call.
        id: String,
        /// Whether the tool reported success.
        is_ok: bool,
        /// The first line or so of its output.
        summary: String,
    },
    /// Tokens and money. `total` of this run so far when `is_total`, else to be added.
    Usage {
        /// The amounts.
        usage: Usage,
        /// Whether this replaces what came before instead of adding to it.
        is_total: bool,
    },
    /// The agent waits and tries its request again by itself. Not an end.
    Retry {
        /// Which try, from 1; 0 when not said.
        attempt: u32,
        /// How long it will wait; 0 when not said.
        delay_ms: u64,
        /// Why.
        error: AgentError,
    },
    /// Something went wrong; the run may still go on.
    Error(AgentError),
    /// The agent's own last word about its run.
    Final(Final),
    /// A warning or remark of the program itself.
    Notice {
        /// The text.
        text: String,
    },
}

/// The agent's own final event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// Whether the agent says that its run went well. Never evidence that the work is done.
    pub is_ok: bool,
    /// Its last message or the reason.
    pub message: String,
    /// The error when `is_ok` is false and the kind is known.
    pub error: Option<AgentError>,
}

/// A typed error of an agent or of the model service behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentError {
    /// Which kind.
    pub class: ErrorClass,
    /// The original text.
    pub message: String,
    /// When the service says that it will answer again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// Kinds of errors that call for different behaviour of the runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Too many requests (HTTP 429): wait.
    RateLimit,
    /// The service is overloaded (HTTP 529, 503, 500): wait.
    Overloaded,
    /// A usage window or the credit is used up: wait, long.
    Quota,
    /// Not logged in, a wrong key, a forbidden model: a person must act.
    Auth,
    /// The program cannot run here (root check, missing flag, wrong configuration): a person must act.
    Environment,
    /// The conversation no longer fits the model.
    Context,
    /// No such model.
    Model,
    /// The service cannot be reached.
    Network,
    /// A configured limit of the agent itself ended the run (turns, budget).
    OwnLimit,
    /// Anything else.
    Other,
}

impl ErrorClass {
    /// Whether waiting may help and the attempt is not to blame.
    pub fn is_limit(self) -> bool {
        match self {
            Self::RateLimit | Self::Overloaded | Self::Quota => true,
            Self::Auth
            | Self::Environment
            | Self::Context
            | Self::Model
            | Self::Network
            | Self::OwnLimit
            | Self::Other => false,
        }
    }

    /// Whether only a person can mend it.
    pub fn is_environment(self) -> bool {
        match self {
            Self::Auth | Self::Environment | Self::Model => true,
            Self::RateLimit
            | Self::Overloaded
            | Self::Quota
            | Self::Context
            | Self::Network
            | Self::OwnLimit
            | Self::Other => false,
        }
    }
}

/// Tokens and money of one attempt, or summed over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens that were not served from a cache.
    pub input: u64,
    /// Input tokens read from a cache.
    pub cached_input: u64,
    /// Input tokens written to a cache.
    pub cache_write: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Reasoning tokens among the output.
    pub reasoning: u64,
    /// US dollars at list price; absent when the agent does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

impl Usage {
    /// Adds another amount; saturates. The cost stays unknown only when both are.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            cost_usd: match (self.cost_usd, other.cost_usd) {
                (None, None) => None,
                (a, b) => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
            },
        }
    }

    /// Whether nothing was counted.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}
