//! Plans become tasks of the queue, each content once, whatever happens meanwhile.
//!
//! What is about to be written is journaled first (`plans_taking`), then task.json is replaced as a whole, then each plan
//! is journaled as taken. Tasks carry the file and the digest of their plan, so that after a crash task.json itself tells
//! whether it had been written. All of it happens under a lock, as a schedule may queue a plan beside a watcher.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::draft::{self, Draft};
use super::reading::Content;
use crate::engine::project::Project;
use crate::engine::queue;
use crate::engine::store::Store;
use crate::model::{EventKind, PlanChange, PlanStanding, State};
use crate::plan::{QueueError, QueueFile};
use crate::sys::fs::{Durability, write_new};
use crate::sys::killpoint;
use crate::sys::lock::FileLock;

/// How long another process may take with its plans. Writing a queue of ten thousand tasks takes some seconds.
const TURN: Duration = Duration::from_mins(2);
/// How often plans are put in anew on top of what somebody else has written meanwhile; a run writes all the time.
const TRIES: u32 = 50;

/// A plan file of which something follows.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The key of the plan.
    pub(super) plan: String,
    /// What ids of its tasks begin with.
    pub(super) slug: String,
    /// SHA-256 of its content, hexadecimal.
    pub(super) digest: String,
    /// The key under which its content was known.
    pub(super) moved_from: Option<String>,
    /// When the file was last changed.
    pub(super) changed_at: Option<DateTime<Utc>>,
    /// What it says.
    pub(super) offer: Offer,
}

/// What a plan file says.
#[derive(Clone, Debug)]
pub(super) enum Offer {
    /// Tasks.
    Tasks(Content),
    /// It is a draft.
    Draft {
        /// Its title.
        title: String,
    },
    /// It is a copy of this plan.
    Twin {
        /// The key of the other.
        of: String,
    },
    /// It is not there any more.
    Gone,
    /// It cannot become tasks.
    Broken {
        /// Why.
        reason: String,
        /// When it is worth to try again by itself.
        retry_at: Option<DateTime<Utc>>,
    },
}

/// Puts plans into the queue. Returns what was journaled about each, in the order of the queue.
///
/// # Errors
/// When task.json or the journal cannot be read or written. What was not journaled as taken is to be offered again.
pub(super) fn take(project: &Project, store: &mut Store, candidates: Vec<Candidate>) -> Result<Vec<EventKind>> {
    project.prepare()?;
    let _turn = FileLock::wait(&project.plans_lock(), TURN)?;
    store.catch_up()?;
    let mut told = settle(project, store)?;
    let candidates: Vec<Candidate> =
        candidates.into_iter().filter(|candidate| is_open(&store.state, candidate)).collect();
    if candidates.is_empty() {
        return Ok(told);
    }
    let mut tries = 0;
    loop {
        let mut file = load(project)?;
        let Draft { changes, revision, failures } = draft::make(project, &store.state, &file, &candidates)?;
        file.revise(&revision, |task| draft::is_waiting(&store.state, task))?;
        let changes = with_contracts(changes, &file)?;
        let ends: Vec<EventKind> = changes.iter().map(end).chain(failures).collect();
        if file.is_changed() {
            store.record(vec![EventKind::PlansTaking { changes }])?;
            killpoint::reach("plans taking");
            match file.save(&project.queue_lock(), Durability::Synced) {
                Ok(_) => {}
                Err(QueueError::Changed { .. }) if tries < TRIES => {
                    tries += 1;
                    store.catch_up()?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            killpoint::reach("plans written");
            store.record(ends.clone())?;
        } else if changes.is_empty() {
            store.record(ends.clone())?;
        } else {
            // Nothing is to be written outside, so all of it is one step.
            let begin = EventKind::PlansTaking { changes };
            store.record(std::iter::once(begin).chain(ends.iter().cloned()).collect())?;
        }
        killpoint::reach("plans taken");
        told.extend(ends);
        return Ok(told);
    }
}

/// As [`settle`], for a process that has not taken the lock.
///
/// # Errors
/// As [`take`].
pub(super) fn settle_alone(project: &Project, store: &mut Store) -> Result<Vec<EventKind>> {
    let _turn = FileLock::wait(&project.plans_lock(), TURN)?;
    store.catch_up()?;
    settle(project, store)
}

/// Finds out what became of plans that a killed process was about to write.
fn settle(project: &Project, store: &mut Store) -> Result<Vec<EventKind>> {
    if store.state.taking.is_empty() {
        return Ok(Vec::new());
    }
    let file = load(project)?;
    if !is_written(&store.state, &file) {
        return Ok(Vec::new());
    }
    let ends: Vec<EventKind> = store.state.taking.values().map(end).collect();
    store.record(ends.clone())?;
    Ok(ends)
}

/// Whether the queue has what plans were about to write.
fn is_written(state: &State, file: &QueueFile) -> bool {
    if state.taken_seen {
        return true;
    }
    let touched = |change: &PlanChange| {
        change.added.iter().cloned().chain(change.updated.iter().map(|update| update.id.clone())).collect::<Vec<_>>()
    };
    if state.taking.values().all(|change| touched(change).is_empty()) {
        let ids = file.queue().tasks.iter().map(|task| &task.id);
        let gone = |id: &crate::model::TaskId| state.taking.values().any(|change| change.withdrawn.contains(id));
        return !ids.into_iter().any(gone);
    }
    let has = |change: &PlanChange| {
        let digest_of = |id| file.task_value(id).ok().and_then(|task| task.get("source")?.get("digest").cloned());
        touched(change).iter().any(|id| digest_of(id) == Some(Value::from(change.digest.as_str())))
    };
    state.taking.values().any(has)
}

/// Whether something is still to be done about a plan: somebody else may have been quicker.
fn is_open(state: &State, candidate: &Candidate) -> bool {
    let Some(record) = state.plans.get(&candidate.plan) else { return true };
    let is_same = record.digest == candidate.digest;
    match &candidate.offer {
        Offer::Tasks(_) => !(is_same && record.standing == PlanStanding::Taken),
        Offer::Draft { .. } => !(is_same && record.standing == PlanStanding::Draft),
        Offer::Twin { .. } => !(is_same && record.standing == PlanStanding::Twin),
        Offer::Gone => record.standing != PlanStanding::Withdrawn,
        Offer::Broken { .. } => true,
    }
}

/// Notes which checks the updated tasks have from now on.
fn with_contracts(mut changes: Vec<PlanChange>, file: &QueueFile) -> Result<Vec<PlanChange>, QueueError> {
    for update in changes.iter_mut().flat_map(|change| &mut change.updated) {
        update.contract = file.contract_digest(&update.id)?;
    }
    Ok(changes)
}

/// What is journaled when a change has been made.
fn end(change: &PlanChange) -> EventKind {
    let plan = change.plan.clone();
    let withdrawn = change.withdrawn.clone();
    match change.standing {
        PlanStanding::Taken | PlanStanding::Failed => EventKind::PlanTaken {
            plan,
            digest: change.digest.clone(),
            added: change.added.clone(),
            updated: change.updated.iter().map(|update| update.id.clone()).collect(),
            withdrawn,
            notes: change.notes.clone(),
        },
        PlanStanding::Draft | PlanStanding::Twin | PlanStanding::Withdrawn => EventKind::PlanWithdrawn {
            plan,
            standing: change.standing,
            withdrawn,
            left: change.left.clone(),
            twin_of: change.twin_of.clone(),
        },
    }
}

/// Reads the queue; one that is missing is made.
fn load(project: &Project) -> Result<QueueFile> {
    let path = &project.config.files.task_json;
    let caps = queue::caps(project);
    match QueueFile::load(path, &caps) {
        Err(QueueError::Missing { .. }) => {
            make_empty(project, path)?;
            Ok(QueueFile::load(path, &caps)?)
        }
        other => Ok(other?),
    }
}

fn make_empty(project: &Project, path: &Path) -> Result<()> {
    let name = Value::from(project.config.project.name.as_str());
    let Some(dir) = path.parent() else { bail!("{} is no file", path.display()) };
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    write_new(path, format!("{{\n  \"project\": {name},\n  \"tasks\": []\n}}\n").as_bytes(), false)?;
    Ok(())
}
