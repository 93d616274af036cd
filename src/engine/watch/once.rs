//! One plan file into the queue, now: for schedules and for commands.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::asking;
use super::file::{Text, candidate, read_text};
use super::reading::{Reader, Reading};
use super::scope::{Place, Scope, Stamp};
use super::taking::{self, Offer};
use crate::engine::project::Project;
use crate::engine::sinks::{Audience, Sinks};
use crate::engine::store::Store;
use crate::model::{Digest, EventKind, PlanStanding, TaskId};
use crate::sys;

/// What became of a plan that was to be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queued {
    /// Its tasks are in the queue: these are new.
    Taken {
        /// In order; empty when an edit brought nothing new.
        added: Vec<TaskId>,
        /// What a person should know.
        notes: Vec<String>,
    },
    /// This content was queued before (on this occasion); nothing was done.
    Known,
    /// Its front matter says that it is a draft.
    Draft,
    /// It could not become tasks; why.
    Failed(String),
}

/// Puts the tasks of a plan file into the queue, beside a run and a watcher if there are any, and asks a model when the
/// file needs one.
///
/// The same content is queued once. An `occasion` (the name of a schedule with the time it was due, for example) makes it
/// count again: each content of that file is queued once for each occasion, also when this process is killed in between
/// and the call is repeated.
///
/// # Errors
/// When the file is missing or is none, task.json cannot be read or written, or a signal stops it.
pub async fn queue_plan(project: &Project, path: &Path, occasion: Option<&str>) -> Result<Queued> {
    project.prepare()?;
    let path = path.canonicalize().with_context(|| format!("read {}", path.display()))?;
    let scope = Scope::new(project)?;
    let mut store = Store::open(project, Sinks::new(project, Audience::Nobody), Store::new_run_id())?;
    let meta = fs::metadata(&path).with_context(|| format!("read {}", path.display()))?;
    if !meta.is_file() {
        bail!("{}: no file", path.display());
    }
    let plan = scope.key_of(&path, occasion);
    let below = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    let place = Place { path: path.clone(), below, stamp: Stamp::of(&meta) };
    let text = match read_text(&place).map_err(anyhow::Error::msg)? {
        Some(Text::Read(text)) => text,
        Some(Text::Broken(reason)) => return Ok(Queued::Failed(reason)),
        None => bail!("{}: somebody is writing it", path.display()),
    };
    let digest = Digest(sys::hash::bytes(text.as_bytes())).to_string();
    taking::settle_alone(project, &mut store)?;
    let is_known = |store: &Store| {
        let record = store.state.plans.get(&plan);
        record.is_some_and(|record| {
            record.standing == PlanStanding::Taken && (record.digest == digest || occasion.is_some())
        })
    };
    if is_known(&store) {
        return Ok(Queued::Known);
    }
    let shown = crate::logic::watch::name::path(&plan);
    let offer = match Reader::new(project).read(&shown, &text) {
        Reading::Blank => return Ok(Queued::Failed("it is empty".to_owned())),
        Reading::Draft { .. } => return Ok(Queued::Draft),
        Reading::Tasks(content) => Offer::Tasks(content),
        Reading::Broken(reason) => Offer::Broken { reason, retry_at: None },
        Reading::Ask { content, reasons } => {
            match asking::ask(project, &path.display().to_string(), &text, content, &reasons).await? {
                Ok(content) => Offer::Tasks(content),
                Err(unanswered) => Offer::Broken { reason: unanswered.reason, retry_at: unanswered.retry_at },
            }
        }
    };
    let told = taking::take(project, &mut store, vec![candidate(&plan, &place, &digest, None, offer)])?;
    for kind in told {
        match kind {
            EventKind::PlanTaken { plan: own, added, notes, .. } if own == plan => {
                return Ok(Queued::Taken { added, notes });
            }
            EventKind::PlanFailed { plan: own, reason, .. } if own == plan => return Ok(Queued::Failed(reason)),
            _ => {}
        }
    }
    let record = store.state.plans.get(&plan);
    Ok(match record {
        Some(record) if record.standing == PlanStanding::Failed => Queued::Failed(record.reason.clone()),
        _ => Queued::Known,
    })
}
