//! `autodev rebuild`.

use anyhow::{Result, bail};

use super::screen;
use crate::engine::look;
use crate::engine::project::Project;
use crate::engine::sinks::{Audience, Sinks};
use crate::journal::Journal;
use crate::sys::lock::{LockNote, RunLock};

pub(super) fn main(project: &Project) -> Result<i32> {
    let Some(journal) = Journal::open_existing(&project.journal())? else {
        bail!("{} does not exist: nothing has been run here yet", project.journal().display());
    };
    let _lock = RunLock::acquire(&project.run_lock(), &LockNote::here("rebuild"))?;
    let state = look::state_of(project, Some(&journal), false)?;
    for path in Sinks::new(project, Audience::Command).rebuild(&journal, &state)? {
        screen::print(&format!("{}\n", project.shown(&path)));
    }
    Ok(0)
}
