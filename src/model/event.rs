//! What happened: the only thing the journal holds.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::RunStatus;
use super::{
    AnswerReport, AttemptReport, Change, CheckResult, Compared, EffectId, ExperimentRecord, Firing, GateReport,
    Inquiry, Pause, Placement, PlanChange, PlanStanding, Reflection, RelPath, Replan, RunId, Said, Settings, Status,
    Step, Task, TaskId, TaskState, Vital,
};

/// Version of the event vocabulary, kept in the journal. Readers ignore kinds they do not know.
pub const FORMAT_VERSION: u32 = 1;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the journal, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// Which run recorded it; commands such as `task block` have run ids of their own.
    pub run: RunId,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. New kinds may be added; fields of existing kinds may only be added with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A run began.
    RunStarted(Box<RunStart>),
    /// An earlier run was found to have ended without saying so (kill -9, power cut).
    RunLost {
        /// The run that was lost.
        lost: RunId,
        /// How many of its processes were still alive and were ended.
        killed: u32,
    },
    /// task.json was read and differs from what the journal knew.
    QueueSeen {
        /// `project` of task.json.
        project: String,
        /// All ids in order, when the order or the set of ids changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Vec<TaskId>>,
        /// Tasks that are new or whose title, contract or status changed.
        changed: Vec<TaskState>,
    },
    /// An agent had changed what is not its to change; the runner put it back.
    QueueEditUndone {
        /// Whose.
        task: TaskId,
        /// Which field.
        field: StatusField,
    },
    /// task.json could not be read during a run; the broken file was kept aside.
    QueueBroken {
        /// File name of the copy.
        kept_as: String,
        /// What is wrong with it, with the place.
        reason: String,
    },
    /// task.json is about to be replaced by content with this digest.
    QueueSaving {
        /// SHA-256 of the new content, hexadecimal.
        digest: String,
    },
    /// task.json holds everything that the journal has.
    QueueSaved,
    /// Work on a task began: its base is safe on disk.
    TaskOpened {
        /// Which.
        task: TaskId,
        /// Its title.
        title: String,
        /// Name of the manifest under `.autodev/snapshots/`.
        base: String,
        /// The commit whose tree is the base (HEAD, or a private commit that also holds the user's dirty files);
        /// absent without git.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_commit: Option<String>,
        /// Paths that already count as the task's: from a salvage that `task retry` put back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        touched: Vec<RelPath>,
    },
    /// An attempt begins.
    AttemptStarted {
        /// Its identity.
        effect: EffectId,
        /// The task as it was then.
        task: Box<Task>,
        /// From 1.
        attempt: u32,
        /// Name of the manifest under `.autodev/snapshots/` of the tree before it.
        before: String,
        /// Absolute path of the attempt log.
        log: String,
        /// Backend name.
        backend: String,
        /// The commit whose tree is the tree before it; of iterative tasks only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before_commit: Option<String>,
    },
    /// The agent's process runs.
    AgentSpawned {
        /// Which attempt.
        effect: EffectId,
        /// Process id.
        pid: u32,
        /// Start time in clock ticks since boot, so that a reused pid is never killed; 0 when unknown.
        start_ticks: u64,
    },
    /// The agent said something that matters later: session, retry, error, final word.
    AgentSaid {
        /// Which attempt.
        effect: EffectId,
        /// What.
        said: Said,
    },
    /// The agent is still at work.
    Heartbeat {
        /// Seconds since the attempt began.
        elapsed_seconds: u64,
        /// Whether it printed anything since the last beat.
        is_active: bool,
        /// What it is doing; absent for questions, and in older journals.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standing: Option<Vital>,
    },
    /// An attempt ended.
    AttemptEnded {
        /// Its identity.
        effect: EffectId,
        /// How.
        report: AttemptReport,
    },
    /// The checks begin.
    GateStarted {
        /// Identity of this round of checks.
        effect: EffectId,
        /// Which attempt is judged.
        attempt: u32,
    },
    /// The checks ended.
    GateEnded {
        /// Identity.
        effect: EffectId,
        /// What they found.
        report: GateReport,
        /// What the task has changed since it began, over all its attempts, sorted.
        changed: Vec<Change>,
    },
    /// The checks were cut short by a stop request or a crash; they will be made again.
    GateCancelled {
        /// Identity.
        effect: EffectId,
    },
    /// The tree is about to be checked and measured before an iterative task begins.
    BaselineStarted {
        /// Identity.
        effect: EffectId,
        /// The task as it was then: the contract of all iterations.
        task: Box<Task>,
    },
    /// It was.
    BaselineEnded {
        /// Identity.
        effect: EffectId,
        /// What the checks found.
        report: GateReport,
        /// The metric of the same tree measured again, when it was to be found out whether it is noisy.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        repeats: Vec<f64>,
    },
    /// The contract of an iterative task was changed by a person: its numbers no longer mean anything.
    CampaignReset {
        /// Which task.
        task: TaskId,
        /// Why.
        reason: String,
    },
    /// What an iteration changed is safe under a reference.
    Proposed {
        /// Which task.
        task: TaskId,
        /// From 1.
        iteration: u32,
        /// The commit; absent when nothing was changed that git can hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// `refs/autodev/experiments/...`; empty without a commit.
        reference: String,
        /// What it changes, sorted.
        changed: Vec<Change>,
        /// What was changed and git cannot hold.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<RelPath>,
        /// One line: how many files and lines.
        summary: String,
    },
    /// Two trees are about to be measured against each other.
    CompareStarted {
        /// Identity.
        effect: EffectId,
        /// From 1; 0 is the last word, the best tree against the one the task began with.
        iteration: u32,
    },
    /// Both were measured once more.
    PairMeasured {
        /// Identity of the comparison.
        effect: EffectId,
        /// From 1; the warm-up counts.
        pair: u32,
        /// The best tree so far.
        champion: f64,
        /// The tree with the change.
        candidate: f64,
    },
    /// They were.
    CompareEnded {
        /// Identity.
        effect: EffectId,
        /// From 1; 0 is the last word.
        iteration: u32,
        /// What was found.
        compared: Compared,
    },
    /// Decision: what is done with the change of an iteration.
    ExperimentJudged {
        /// Which task.
        task: TaskId,
        /// What is known so far.
        record: Box<ExperimentRecord>,
        /// What is done.
        step: Step,
    },
    /// The tree is about to be put back.
    RevertStarted {
        /// Identity.
        effect: EffectId,
        /// From 1.
        iteration: u32,
    },
    /// It was, but for `left_alone`.
    Reverted {
        /// Identity.
        effect: EffectId,
        /// The commit the branch is at.
        head: String,
        /// The commit of the change, when it is in the branch's history (`experiment_history = "revert-commits"`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// What somebody else has changed since, or git cannot put back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_alone: Vec<RelPath>,
        /// Why the tree could not be put back, when it could not.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        trouble: String,
    },
    /// An iteration, or the baseline, is over.
    ExperimentEnded {
        /// Which task.
        task: TaskId,
        /// All about it.
        record: Box<ExperimentRecord>,
    },
    /// A model is about to be asked something that is no attempt.
    AskStarted {
        /// Identity of the question.
        effect: EffectId,
        /// What it is about.
        inquiry: Inquiry,
        /// Backend name.
        backend: String,
        /// Where all that the program prints is kept.
        log: String,
    },
    /// A question ended.
    AskEnded {
        /// Identity.
        effect: EffectId,
        /// What it was about.
        inquiry: Inquiry,
        /// How.
        report: AnswerReport,
    },
    /// A failed attempt was reflected on.
    Reflected {
        /// Which task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// What came of it.
        reflection: Reflection,
    },
    /// Decision: the attempt did not complete the task.
    AttemptFailed {
        /// Which task.
        task: TaskId,
        /// Its title.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        title: String,
        /// Which attempt.
        attempt: u32,
        /// As in `attempt_history`: 99 when the verification failed.
        code: i32,
        /// One line.
        summary: String,
        /// At most 10.
        errors: Vec<String>,
        /// What was learnt.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
        /// What the task has changed so far.
        changed: Vec<RelPath>,
        /// What the checks found, when it got that far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate: Option<GateReport>,
    },
    /// Decision: wait.
    Paused {
        /// Until when.
        until: DateTime<Utc>,
        /// Why.
        pause: Pause,
    },
    /// A wait ended.
    PauseEnded,
    /// The task's files are about to be committed.
    CommitStarted {
        /// Identity, also the trailer of the commit.
        effect: EffectId,
        /// The attempt that passed.
        attempt: u32,
    },
    /// The commit exists.
    Committed {
        /// Identity.
        effect: EffectId,
        /// Full object name.
        sha: String,
    },
    /// There was nothing to commit (no change git tracks, or the agent committed it).
    CommitSkipped {
        /// Identity.
        effect: EffectId,
        /// Why.
        reason: String,
    },
    /// A hook refused the commit, or git could not make it.
    CommitRefused {
        /// Identity.
        effect: EffectId,
        /// `Fail` for a hook (charged), `Infra` for anything else.
        check: CheckResult,
    },
    /// Decision: the task is done and proved.
    TaskCompleted {
        /// Which.
        task: TaskId,
        /// Its title.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        title: String,
        /// The attempt that passed.
        attempt: u32,
        /// One line.
        summary: String,
        /// What to remember.
        notes: Vec<String>,
        /// What it changed.
        changed: Vec<RelPath>,
        /// What the checks found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate: Option<GateReport>,
        /// Its commit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    /// Decision: give the task up.
    BlockDecided {
        /// Why.
        reason: String,
    },
    /// The leftovers of a task are about to be moved away.
    SalvageStarted {
        /// Identity.
        effect: EffectId,
    },
    /// The leftovers are safe under a ref, and out of the tree but for `left_alone`.
    Salvaged {
        /// Identity.
        effect: EffectId,
        /// `refs/autodev/salvage/...`; absent when there was nothing to save or it could not be done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        /// Paths that were not put back, because somebody else changed them meanwhile or git ignores them.
        left_alone: Vec<RelPath>,
        /// Why nothing was moved, when nothing was.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The task is blocked.
    TaskBlocked {
        /// Which.
        task: TaskId,
        /// Its title.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        title: String,
        /// Why.
        reason: String,
        /// What it had changed, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changed: Vec<RelPath>,
        /// The ref that holds its leftovers, when they were moved away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        salvage: Option<String>,
    },
    /// A person took a task out of the runner's hands while it was open; its work stays in the tree.
    TaskDropped {
        /// Which.
        task: TaskId,
        /// Why.
        reason: String,
    },
    /// `task retry` put salvaged work back; the next attempt starts from it.
    TaskReopened {
        /// Which.
        task: TaskId,
        /// Manifest of the tree before the work was put back.
        base: String,
        /// Commit of that tree.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base_commit: Option<String>,
        /// The paths put back.
        touched: Vec<RelPath>,
    },
    /// Decision: the epoch is over, and the next one goes on with the same queue.
    EpochEnded {
        /// Which, from 1.
        epoch: u32,
        /// How many tasks of the queue are done.
        completed: u32,
        /// How many are blocked.
        blocked: u32,
        /// How many are left.
        pending: u32,
    },
    /// The exhausted queue is about to be planned anew.
    ReplanStarted {
        /// Identity, also in the new queue's `epoch_history`.
        effect: EffectId,
        /// The epoch that is over.
        epoch: u32,
    },
    /// Planning anew ended.
    Replanned {
        /// Identity.
        effect: EffectId,
        /// The epoch that is over.
        epoch: u32,
        /// What came of it.
        outcome: Replan,
    },
    /// `autodev plan` changed the queue.
    Planned {
        /// What the plan was made from, for people.
        source: String,
        /// Whether it took the place of the old queue.
        placement: Placement,
        /// The new tasks, in order.
        tasks: Vec<TaskId>,
        /// Where the queue as it was before is kept, when there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backup: Option<String>,
    },
    /// A watcher began to look for plans.
    WatchStarted {
        /// Its process.
        pid: u32,
        /// The directories, as people see them.
        dirs: Vec<String>,
        /// Whether it looks from time to time because the file system reports no changes.
        is_polling: bool,
    },
    /// task.json is about to be changed by what plans say.
    PlansTaking {
        /// What each plan changes.
        changes: Vec<PlanChange>,
    },
    /// The queue holds what a plan says.
    PlanTaken {
        /// The key of the plan.
        plan: String,
        /// SHA-256 of its content, hexadecimal.
        digest: String,
        /// New tasks.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<TaskId>,
        /// Tasks whose text or checks have changed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        updated: Vec<TaskId>,
        /// Tasks that have left the queue.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        withdrawn: Vec<TaskId>,
        /// What a person should know.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// A plan is no longer to be worked on: its file is gone, is a draft, or has the content of another plan.
    PlanWithdrawn {
        /// The key of the plan.
        plan: String,
        /// What it is from now on.
        standing: PlanStanding,
        /// Its tasks that have left the queue.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        withdrawn: Vec<TaskId>,
        /// Its tasks that had begun, and stay.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<TaskId>,
        /// The plan that has the same content.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        twin_of: Option<String>,
    },
    /// A plan could not become tasks.
    PlanFailed {
        /// The key of the plan.
        plan: String,
        /// SHA-256 of its content, hexadecimal.
        digest: String,
        /// Why.
        reason: String,
        /// Names of plans that it waits for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waits_for: Vec<String>,
        /// When it is worth to try again without a change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<DateTime<Utc>>,
    },
    /// A `task` command set a status.
    StatusSet {
        /// Whose.
        task: TaskId,
        /// To what.
        status: Status,
        /// `task reset`, `task retry`, `task block`.
        by: String,
    },
    /// A signal asked the run to stop.
    StopRequested {
        /// `SIGINT`, `SIGTERM` or `SIGHUP`.
        signal: String,
    },
    /// Something only a person can mend stops the run.
    EnvProblemFound {
        /// What.
        reason: String,
    },
    /// Dry run: what would be done for a task.
    Previewed {
        /// Which.
        task: TaskId,
        /// Its title.
        title: String,
        /// Length of its prompt in characters.
        prompt_chars: u64,
        /// Its first 500 characters.
        prompt_head: String,
    },
    /// A person paused the project: no attempt begins until that is over.
    Held {
        /// Why; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// When it ends by itself; absent: with `autodev resume`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
        /// Whether the attempt under way is interrupted; it is not charged then.
        #[serde(default)]
        interrupts: bool,
    },
    /// The pause by hand is over.
    HoldEnded {
        /// Whether its time had come; else a person said so.
        by_itself: bool,
    },
    /// An entry of `[schedule].cron` is new here, or the clock had been wrong: its times count from now on.
    ScheduleSeen {
        /// The entry.
        entry: String,
    },
    /// The plan of an entry of `[schedule].cron` is about to be queued.
    ScheduleFiring {
        /// The entry.
        entry: String,
        /// The time whose turn it is.
        due: DateTime<Utc>,
    },
    /// That ended.
    ScheduleFired {
        /// The entry.
        entry: String,
        /// The time whose turn it was; it does not come again.
        due: DateTime<Utc>,
        /// What came of it.
        outcome: Firing,
    },
    /// A remark for people.
    Note {
        /// `info` or `warning`.
        level: String,
        /// The text.
        text: String,
    },
    /// A run ended.
    RunEnded {
        /// Final state.
        status: RunStatus,
        /// 0, 1, 2 or 130.
        exit_code: i32,
        /// One line.
        message: String,
    },
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a run starts with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStart {
    /// autodev's version.
    pub version: String,
    /// Process id of the runner.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// Backend name.
    pub backend: String,
    /// The backend's own version line, empty when it did not say.
    pub backend_version: String,
    /// `[project].name`.
    pub project: String,
    /// What decisions depend on.
    pub settings: Settings,
}

/// A part of a task in task.json that agents may not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusField {
    /// `passes`.
    Passes,
    /// `blocked`.
    Blocked,
    /// `block_reason`.
    BlockReason,
    /// `blocked_at`.
    BlockedAt,
    /// What is checked: `verification`, `completion`, `execution`.
    Contract,
    /// The task itself, which was gone.
    Task,
}
