//! The state as a command beside a run sees it. Reads only.

use anyhow::Result;

use super::project::Project;
use super::{queue, store};
use crate::journal::Journal;
use crate::logic;
use crate::model::{Event, Experiments, RunId, State};
use crate::plan::QueueFile;
use crate::sys;

/// Returns what the journal and task.json say together.
///
/// # Errors
/// When task.json or the journal cannot be read.
pub fn state(project: &Project) -> Result<State> {
    let journal = Journal::open_existing(&project.journal())?;
    let is_running = project.is_running();
    state_of(project, journal.as_ref(), is_running)
}

/// As [`state`], with an open journal; `is_running` says whether a run holds the lock.
///
/// # Errors
/// As [`state`].
pub fn state_of(project: &Project, journal: Option<&Journal>, is_running: bool) -> Result<State> {
    let mut state = State::default();
    if let Some(journal) = journal {
        journal.read_after(0, &mut |event| logic::apply(&mut state, &event))?;
    }
    // Told as over as soon as it is, also when no run is under way to say so.
    state.hold.take_if(|hold| hold.is_over(sys::clock::now()));
    let file = QueueFile::load(&project.config.files.task_json, &queue::caps(project))?;
    if let Some(kind) = queue::difference(file.queue(), &state) {
        let at = state.run.updated_at.unwrap_or_else(sys::clock::now);
        let event = Event { seq: state.seq, at, run: RunId::default(), kind };
        let updated = state.run.updated_at;
        logic::apply(&mut state, &event);
        state.run.updated_at = updated;
    }
    if !is_running {
        store::mark_dead(&mut state);
    }
    Ok(state)
}

/// Returns all that iterative tasks ever tried here, of each task the last series.
///
/// # Errors
/// When the journal cannot be read.
pub fn experiments(project: &Project) -> Result<Experiments> {
    let mut all = Experiments::default();
    if let Some(journal) = Journal::open_existing(&project.journal())? {
        journal.read_after(0, &mut |event| logic::series::fold(&mut all, &event, usize::MAX))?;
    }
    Ok(all)
}
