//! `autodev pause` and `autodev resume`: a person's wish, journaled, which every process of the project obeys.

use anyhow::Result;
use chrono::{DateTime, Utc};

use super::project::Project;
use super::sinks::{Audience, Sinks};
use super::store::Store;
use crate::model::{EventKind, Hold, State};

/// Pauses the project; a pause there is already is replaced. `interrupts`: also the attempt under way. Returns the pause.
///
/// # Errors
/// When the journal cannot be read or written.
pub fn hold(project: &Project, reason: &str, until: Option<DateTime<Utc>>, interrupts: bool) -> Result<Hold> {
    let mut store = open(project)?;
    store.record(vec![EventKind::Held { reason: reason.to_owned(), until, interrupts }])?;
    let since = store.state.run.updated_at.unwrap_or_default();
    Ok(store.state.hold.unwrap_or(Hold { reason: reason.to_owned(), since, until }))
}

/// Ends the pause and returns it, if there was one, with the state now.
///
/// # Errors
/// As [`hold`].
pub fn release(project: &Project) -> Result<(Option<Hold>, State)> {
    let mut store = open(project)?;
    let hold = store.state.hold.clone();
    if hold.is_some() {
        store.record(vec![EventKind::HoldEnded { by_itself: false }])?;
    }
    Ok((hold, store.state))
}

fn open(project: &Project) -> Result<Store> {
    Store::open(project, Sinks::new(project, Audience::Command), Store::new_run_id())
}
