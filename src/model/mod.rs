//! Floor 0: plain data that every other room talks about.
//!
//! Nothing here reads a clock, a disk or a process, and nothing here decides. A type lives here when
//! two rooms that may not know each other need the same noun (the snapshotter yields [`Change`]s, the
//! gate judges them, git commits them). Invariant: every type can be written to JSON and read back
//! unchanged, because the journal keeps them for years.

mod attempt;
mod check;
mod completion;
pub mod config;
mod effect;
mod event;
mod experiment;
mod id;
mod inquiry;
mod liveness;
mod metric;
mod notice;
mod path;
mod refinement;
mod said;
mod schedule;
mod session;
mod settings;
mod state;
mod task;
mod watch;

pub use attempt::{AttemptReport, EnvProblem, Limit, ProcessEnd};
pub use check::{CheckResult, Evidence, GateReport, Outcome, Verdict};
pub use completion::{Completion, Direction, Execution, Iterative, Numeric};
pub use config::{BackendName, Config, DetachMode};
pub use effect::{Effect, Pause};
pub use event::{Event, EventKind, FORMAT_VERSION, RunStart, StatusField};
pub use experiment::{Campaign, Candidate, Compared, Comparison, ExperimentRecord, Experiments, Finding, Series, Step};
pub use id::{Digest, EffectId, RunId, TaskId};
pub use inquiry::{AnswerReport, Inquiry, Placement, Reflection, Replan};
pub use liveness::{Liveness, Vital};
pub use metric::{CommandChoice, Extract, Guard, Samples, Sampling};
pub use notice::{ChannelConfig, ChannelKind, Counts, Message, Mood, Notice, NoticeTask, Topic};
pub use path::{Change, ChangeKind, RelPath};
pub use refinement::{RefinedChecks, Refinement};
pub use said::{AgentError, ErrorClass, Final, Said, Usage};
pub use schedule::{Fires, Firing, Hold, Recurrence, Window};
pub use session::{Glimpse, Session, SessionBegin, SessionEnd, SessionKind, SessionRow, Standing, Stopped, Stopping};
pub use settings::{BlockAction, Limits, ReflectionLimits, Settings};
pub use state::{Active, Approved, Phase, RunState, RunStatus, State, TaskState};
pub use state::{Failure, FeedItem, LeftBlocked, Parked, Unsaved};
pub use task::{CommandSpec, HistoryEntry, JournalNote, Queue, Status, Task, Verification};
pub use watch::{PlanChange, PlanRecord, PlanStanding, PlanTask, PlanUpdate};
