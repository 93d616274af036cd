//! A task as the rest of the program sees it: the normalised view of one entry of task.json.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BackendName, Completion, Execution, TaskId};

/// The normalised queue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// `project` of task.json; empty when absent.
    pub project: String,
    /// In file order, which is the order of work. Ids are unique.
    pub tasks: Vec<Task>,
    /// `learning_journal`, newest last.
    pub journal: Vec<JournalNote>,
}

/// One task, normalised (section 4.2 of the reference's description).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Trimmed; may be empty in a hand-written queue, which `run` refuses.
    pub id: TaskId,
    /// `title`, else `name`.
    pub title: String,
    /// Free text.
    pub description: String,
    /// Concrete steps.
    pub steps: Vec<String>,
    /// Documents to read.
    pub docs: Vec<String>,
    /// Files that should come out.
    pub output: Vec<String>,
    /// Notes for whoever implements.
    pub implementation_notes: Vec<String>,
    /// Notes about the checks.
    pub verification_notes: Vec<String>,
    /// What earlier attempts taught.
    pub learning_notes: Vec<String>,
    /// The fields that only the runner and the `task` commands set.
    pub status: Status,
    /// What will be checked.
    pub verification: Verification,
    /// When it counts as done.
    pub completion: Completion,
    /// How it is worked on.
    pub execution: Execution,
    /// What must be done before: ids of tasks, or `plan:<path>` for all tasks of a watched plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Who works on it, when that is not `[backend].default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendName>,
    /// How soon it is worked on: lower numbers come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Earlier attempts, oldest first.
    pub attempt_history: Vec<HistoryEntry>,
    /// The last reflection's summary.
    pub last_reflection_summary: String,
    /// How often reflection has refined the task.
    pub refinement_count: u32,
}

/// The status fields of task.json.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Proved and done.
    pub passes: bool,
    /// Given up, with a reason.
    pub blocked: bool,
    /// Why; empty unless blocked.
    pub block_reason: String,
    /// When, RFC 3339 UTC; empty unless blocked.
    pub blocked_at: String,
}

/// What will be checked after each attempt; `None` and empty mean: as configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Shell-style globs; one changed file must match one of them. Empty: no such check.
    pub path_patterns: Vec<String>,
    /// Commands to run; empty: those of the configuration.
    pub validate_commands: Vec<CommandSpec>,
    /// Time limit for each command.
    pub validate_timeout_seconds: Option<u64>,
    /// Relative to the code directory, or absolute.
    pub validate_working_directory: Option<String>,
    /// Added to the environment of each command.
    pub validate_environment: BTreeMap<String, String>,
}

/// One validation command: a string in task.json, or an object with more to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// The command line. Words are split as a POSIX shell splits them; no shell runs it unless `shell` is set.
    pub run: String,
    /// Whether `sh -c` runs it.
    pub shell: bool,
    /// Shown instead of the command line.
    pub name: Option<String>,
    /// Overrides the task's and the configured limit.
    pub timeout_seconds: Option<u64>,
    /// Overrides the task's and the configured directory.
    pub working_directory: Option<String>,
    /// Added on top of the task's and the configured environment.
    pub environment: BTreeMap<String, String>,
}

impl CommandSpec {
    /// Returns what people see: the name, else the command line.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.run)
    }
}

/// One entry of `attempt_history`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// From 1.
    pub attempt: u32,
    /// `failed` or `completed`.
    pub status: String,
    /// 99 when the agent ended well but the verification failed.
    pub backend_exit_code: i32,
    /// One line.
    pub summary: String,
    /// At most 20.
    pub changed_files: Vec<String>,
    /// At most 10.
    pub verification_errors: Vec<String>,
}

/// One entry of `learning_journal`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalNote {
    /// Which task.
    pub task_id: String,
    /// `failed` or `completed`.
    pub status: String,
    /// One line.
    pub summary: String,
    /// What was learnt.
    pub learning_notes: Vec<String>,
}

impl Task {
    /// Returns `title`, or the id when there is none.
    pub fn label(&self) -> &str {
        if self.title.is_empty() { self.id.as_str() } else { &self.title }
    }

    /// Returns `experiment` for iterative tasks and `delivery` for the rest, the reference's `execution_mode`.
    pub fn mode(&self) -> &'static str {
        match self.execution {
            Execution::SinglePass => "delivery",
            Execution::Iterative(_) => "experiment",
        }
    }

    /// Returns `single_pass` or `iterative`.
    pub fn strategy(&self) -> &'static str {
        match self.execution {
            Execution::SinglePass => "single_pass",
            Execution::Iterative(_) => "iterative",
        }
    }

    /// Returns `boolean` or `numeric`.
    pub fn completion_kind(&self) -> &'static str {
        match self.completion {
            Completion::Boolean => "boolean",
            Completion::Numeric(_) => "numeric",
        }
    }

    /// Returns `gate`, or the metric's name.
    pub fn completion_name(&self) -> &str {
        match &self.completion {
            Completion::Boolean => "gate",
            Completion::Numeric(numeric) => &numeric.name,
        }
    }

    /// Returns `all_checks_pass`, or `NAME, source=json_stdout, direction=DIR[, target=N]`.
    pub fn completion_target(&self) -> Cow<'static, str> {
        match &self.completion {
            Completion::Boolean => Cow::Borrowed("all_checks_pass"),
            Completion::Numeric(n) => {
                let direction = n.direction.map_or("", super::Direction::as_str);
                let target = n.target.map(|t| format!(", target={t}")).unwrap_or_default();
                Cow::Owned(format!("{}, source={}, direction={direction}{target}", n.name, n.source))
            }
        }
    }
}
