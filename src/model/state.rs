//! What is true now: the fold of all events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    AttemptReport, Campaign, Change, EffectId, Execution, Experiments, Fires, GateReport, HistoryEntry, Hold,
    JournalNote, Limit, Pause, PlanChange, PlanRecord, Refinement, Reflection, RelPath, RunId, Settings, Status, Task,
    TaskId, Usage, Vital,
};

/// Everything that decisions and projections are made from. Only `logic::apply` changes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Sequence number of the last event folded in.
    pub seq: u64,
    /// The current or last run.
    pub run: RunState,
    /// `project` of task.json, else of the configuration.
    pub project: String,
    /// The queue in file order.
    pub tasks: Vec<TaskState>,
    /// Position of each id in `tasks`.
    pub index: BTreeMap<TaskId, usize>,
    /// The task being worked on; survives the end of a run when the task is neither done nor blocked.
    pub active: Option<Box<Active>>,
    /// Bases and touched paths of tasks that are not active but have work behind them (blocked, put back by retry).
    pub parked: BTreeMap<TaskId, Parked>,
    /// What task.json does not hold yet.
    pub unsaved: BTreeMap<TaskId, Unsaved>,
    /// Digest of the task.json content being written, while a write is in flight.
    pub saving: Option<String>,
    /// The replanning that has begun and not ended: its identity and the epoch that is over.
    pub replanning: Option<(EffectId, u32)>,
    /// Blocked tasks of earlier epochs of this run that no new plan has replaced.
    pub left_blocked: Vec<LeftBlocked>,
    /// The plans that are watched.
    pub plans: BTreeMap<String, PlanRecord>,
    /// Which plan a task came from.
    pub plan_of: BTreeMap<TaskId, String>,
    /// Where a plan is now that was known by another name.
    pub plan_moves: BTreeMap<String, String>,
    /// What plans are changing in the queue, by plan, while a write is in flight.
    pub taking: BTreeMap<String, PlanChange>,
    /// Whether a queue that was read since the write began has tasks of it.
    pub taken_seen: bool,
    /// What plans have changed in the queue, and an agent may hence not be blamed for.
    pub approved: Approved,
    /// When the last attempt began, and when it ended; `None` while it goes on.
    pub agent_span: Option<(DateTime<Utc>, Option<DateTime<Utc>>)>,
    /// A person paused the project.
    pub hold: Option<Hold>,
    /// What is known of the entries of `[schedule].cron`, by their names.
    pub fires: BTreeMap<String, Fires>,
    /// What iterative tasks tried: those of this run, and the active one. The newest 200 of each.
    pub experiments: Experiments,
    /// Newest first, at most 25: the `events` of runtime-status.json.
    pub feed: VecDeque<FeedItem>,
}

/// Changes of the queue that came from plans.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Approved {
    /// Tasks that a plan took out of the queue.
    pub withdrawn: BTreeSet<TaskId>,
    /// The digest of the contract that a plan last gave to a task.
    pub contracts: BTreeMap<TaskId, String>,
}

/// One task as far as status views need it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskState {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// What is set in task.json, or will be as soon as it is saved.
    pub status: Status,
    /// `delivery` or `experiment`.
    pub mode: String,
    /// `single_pass` or `iterative`.
    pub strategy: String,
    /// `boolean` or `numeric`.
    pub completion_kind: String,
    /// `gate` or the metric's name.
    pub completion_name: String,
    /// One line.
    pub completion_target: String,
    /// What must be done before; see [`Task::depends_on`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
}

/// The current or last run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// Its id.
    pub id: RunId,
    /// What it is doing.
    pub status: RunStatus,
    /// One line for people.
    pub message: String,
    /// Backend name.
    pub backend: String,
    /// What decisions depend on; `None` before the first run.
    pub settings: Option<Settings>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the last event came.
    pub updated_at: Option<DateTime<Utc>>,
    /// When it ended; `None` while it runs.
    pub finished_at: Option<DateTime<Utc>>,
    /// From 1.
    pub epoch: u32,
    /// Tasks begun in this epoch.
    pub rounds: u32,
    /// Tasks completed by this run.
    pub completed: u32,
    /// Tasks blocked by this run.
    pub blocked: u32,
    /// A stop was asked for (the signal's name).
    pub stop: Option<String>,
    /// Only a person can go on (the reason).
    pub env_problem: Option<String>,
    /// The attempt under way is being interrupted by a pause, not by a stop.
    pub is_held_off: bool,
    /// The run waits.
    pub pause: Option<(DateTime<Utc>, Pause)>,
    /// A stop request cut the checks short; they wait for the next run.
    pub gate_cut: bool,
    /// The service refused to plan anew.
    pub refusal: Option<Limit>,
    /// Waits in a row for a service that refuses to plan anew, and when the first began.
    pub limited: Option<(u32, DateTime<Utc>)>,
    /// Planning anew brought nothing, or is not possible: why.
    pub exhausted: Option<String>,
    /// Tasks already shown by a dry run.
    pub previewed: BTreeSet<TaskId>,
    /// Log of the current or last attempt.
    pub attempt_log: String,
    /// Seconds since the attempt began, at the last heartbeat.
    pub heartbeat_elapsed_seconds: u64,
    /// What the agent at work is doing, at the last heartbeat.
    pub standing: Option<Vital>,
    /// Last completion outcome word, empty when none.
    pub last_outcome: String,
    /// Number of effects begun; gives effects their ids.
    pub effects: u64,
    /// Tokens and money of this run.
    pub usage: Usage,
    /// Exit code, once ended.
    pub exit_code: Option<i32>,
}

/// What a run is doing (`run.status` of runtime-status.json).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// No run yet.
    #[default]
    Idle,
    /// Reading the queue.
    Starting,
    /// An agent works.
    Running,
    /// Checks run.
    Validating,
    /// Waiting for a limit, or reflecting.
    Waiting,
    /// Waiting before the next attempt.
    RetryWait,
    /// Ended: nothing is left to do and nothing is blocked.
    Completed,
    /// Ended: some task is blocked.
    Blocked,
    /// Ended: a person must act.
    EnvError,
    /// Ended: stopped.
    Interrupted,
}

/// The task being worked on.
#[derive(Clone, Debug, PartialEq)]
pub struct Active {
    /// Its id.
    pub task: TaskId,
    /// Its title.
    pub title: String,
    /// The task as of the last attempt; `None` before the first.
    pub spec: Option<Box<Task>>,
    /// Manifest of the tree when the task began.
    pub base: String,
    /// Commit with that tree.
    pub base_commit: Option<String>,
    /// Every path that any attempt of the task changed.
    pub touched: BTreeSet<RelPath>,
    /// Failed attempts that count against `max_retries`.
    pub charged: u32,
    /// Attempts in a row that changed nothing.
    pub no_progress: u32,
    /// The last backend failure code and how often in a row it came.
    pub repeated: Option<(i32, u32)>,
    /// Limit waits in a row, and when the first began.
    pub limited: Option<(u32, DateTime<Utc>)>,
    /// Checks in a row that could not be made.
    pub infra: u32,
    /// What the reflection on the attempt that failed last came to, until its failure is recorded.
    pub reflection: Option<Reflection>,
    /// What failed, newest last, at most 5; shown to the next attempt.
    pub failures: Vec<Failure>,
    /// Tokens and money over all attempts.
    pub usage: Usage,
    /// Of an iterative task, once its baseline is measured.
    pub campaign: Option<Box<Campaign>>,
    /// Where in the attempt cycle it is.
    pub phase: Phase,
}

/// A failed attempt as the next prompt shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which attempt.
    pub attempt: u32,
    /// One line.
    pub summary: String,
    /// What the gate found, when it got that far.
    pub gate: Option<GateReport>,
}

/// Where in the attempt cycle a task is.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// The next attempt may begin.
    Ready,
    /// An agent works.
    Attempting {
        /// Identity.
        effect: EffectId,
        /// From 1.
        attempt: u32,
        /// Manifest of the tree before it.
        before: String,
        /// Process id and start ticks, once spawned.
        process: Option<(u32, u64)>,
    },
    /// The agent ended; nothing is decided yet.
    Attempted {
        /// From 1.
        attempt: u32,
        /// How it ended.
        report: AttemptReport,
    },
    /// Checks run.
    Verifying {
        /// Identity.
        effect: EffectId,
        /// From 1.
        attempt: u32,
        /// How the agent ended.
        report: AttemptReport,
    },
    /// Checks ended; nothing is decided yet.
    Verified {
        /// From 1.
        attempt: u32,
        /// How the agent ended.
        attempted: AttemptReport,
        /// What the checks found.
        gate: GateReport,
        /// What the task changed.
        changed: Vec<Change>,
    },
    /// The commit is being made.
    Committing {
        /// Identity.
        effect: EffectId,
        /// From 1.
        attempt: u32,
        /// How the agent ended.
        attempted: AttemptReport,
        /// What the checks found.
        gate: GateReport,
        /// What the task changed.
        changed: Vec<Change>,
    },
    /// The commit is made, or there was nothing to commit.
    Integrated {
        /// From 1.
        attempt: u32,
        /// What the checks found.
        gate: GateReport,
        /// What the task changed.
        changed: Vec<Change>,
        /// The commit.
        commit: Option<String>,
    },
    /// The tree is checked and measured before an iterative task begins.
    Baselining {
        /// Identity.
        effect: EffectId,
    },
    /// It was; nothing is decided yet.
    Baselined {
        /// What the checks found.
        gate: GateReport,
        /// The metric of the same tree measured again.
        repeats: Vec<f64>,
    },
    /// The tree with the change is measured against the best so far.
    Comparing {
        /// Identity.
        effect: EffectId,
        /// From 1.
        attempt: u32,
        /// How the agent ended.
        attempted: AttemptReport,
        /// What the checks found.
        gate: GateReport,
        /// What was changed.
        changed: Vec<Change>,
    },
    /// The tree is being put back to the best so far.
    Reverting {
        /// Identity.
        effect: EffectId,
    },
    /// It is back, or what could not be put back is known.
    Reverted {
        /// The commit the branch is at.
        head: String,
        /// The commit of the change, when it is in the branch's history.
        commit: Option<String>,
        /// Why the tree is not as it was, when it is not.
        trouble: String,
    },
    /// The best tree is measured against the one the task began with.
    Revalidating {
        /// Identity.
        effect: EffectId,
    },
    /// Given up; leftovers are still in the tree.
    Blocking {
        /// Why.
        reason: String,
        /// Identity of the salvage, once begun.
        effect: Option<EffectId>,
    },
    /// Given up; leftovers are dealt with.
    Cleared {
        /// Why.
        reason: String,
        /// Where the leftovers are, when they are not in the tree.
        salvage: Option<String>,
    },
}

/// Work behind a task that is not active.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parked {
    /// Manifest of its base.
    pub base: String,
    /// Commit of its base.
    pub base_commit: Option<String>,
    /// Paths that count as the task's.
    pub touched: BTreeSet<RelPath>,
    /// Where its leftovers are, when they are not in the tree.
    pub salvage: Option<String>,
}

/// What task.json does not hold yet about one task. Applied in this order: status, history, notes, refinement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unsaved {
    /// New status.
    pub status: Option<Status>,
    /// Entries to append to `attempt_history`.
    pub history: Vec<HistoryEntry>,
    /// Notes to append (unique) to `learning_notes`.
    pub learning_notes: Vec<String>,
    /// Entries to append to the project's `learning_journal`.
    pub journal: Vec<JournalNote>,
    /// What a reflection changes in the task.
    pub refinement: Option<Box<Refinement>>,
}

/// A blocked task that is no longer in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBlocked {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// Why it was blocked.
    pub reason: String,
    /// Of which epoch.
    pub epoch: u32,
}

/// One entry of `events` in runtime-status.json.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedItem {
    /// When.
    pub at: DateTime<Utc>,
    /// Status word (`running`, `retry`, `completed`, ...).
    pub status: String,
    /// Which task, empty when none.
    pub task_id: String,
    /// One line.
    pub message: String,
}

impl Active {
    /// Returns how many iterations there may be; `None` of a task that is not iterative.
    pub fn max_iterations(&self) -> Option<u32> {
        // Between two runs only the campaign knows.
        let task = self.spec.as_deref().or(self.campaign.as_ref().map(|campaign| &*campaign.contract))?;
        match &task.execution {
            Execution::Iterative(plan) => Some(plan.max_iterations),
            Execution::SinglePass => None,
        }
    }
}

impl RunStatus {
    /// Returns the word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Validating => "validating",
            Self::Waiting => "waiting",
            Self::RetryWait => "retry_wait",
            Self::Completed => "completed",
            Self::Blocked => "blocked",
            Self::EnvError => "env_error",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether a run is under way.
    pub fn is_active(self) -> bool {
        match self {
            Self::Starting | Self::Running | Self::Validating | Self::Waiting | Self::RetryWait => true,
            Self::Idle | Self::Completed | Self::Blocked | Self::EnvError | Self::Interrupted => false,
        }
    }
}

impl State {
    /// Returns the task with this id.
    pub fn task(&self, id: &TaskId) -> Option<&TaskState> {
        self.index.get(id).and_then(|at| self.tasks.get(*at))
    }

    /// Returns the first task in file order that is neither done nor blocked.
    pub fn next_pending(&self) -> Option<&TaskState> {
        self.tasks.iter().find(|t| !t.status.passes && !t.status.blocked)
    }

    /// Whether some task of the queue is blocked (done wins over blocked).
    pub fn has_blocked(&self) -> bool {
        self.tasks.iter().any(|t| t.status.blocked && !t.status.passes)
    }
}
