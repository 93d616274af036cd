//! Everything that is needed to ask outside of a run: `autodev plan` and `autodev spec`.

use anyhow::{Context, Result, bail};

use super::ask::Asker;
use super::project::Project;
use super::signals::Stop;
use super::sinks::{Audience, Sinks};
use super::store::Store;
use super::tree::Tree;
use crate::backend;
use crate::git::Git;
use crate::sys;
use crate::sys::guard::{self, Guard};
use crate::sys::lock::{LockNote, RunLock};

/// A place to ask from. While it lives, no run can begin in the project, unless it was opened beside one.
pub(super) struct Desk {
    pub asker: Asker,
    pub store: Store,
    pub tree: Tree,
    // Dropped last: what the backend left behind is ended before another run may begin.
    _guard: Guard,
    _lock: Option<RunLock>,
}

impl Desk {
    /// Prepares to ask. `is_beside` allows a run to be under way.
    ///
    /// # Errors
    /// When a run is under way and `is_beside` is not given, the backend's program is missing, or `.autodev/` cannot be
    /// written.
    pub(super) async fn open(project: &Project, command: &str, is_beside: bool) -> Result<Self> {
        project.prepare()?;
        let lock = if is_beside && project.is_running() {
            None
        } else {
            let note = LockNote::here(command);
            Some(RunLock::acquire(&project.run_lock(), &note)?)
        };
        let stop = Stop::listen()?;
        sys::proc::become_subreaper().context("become the parent of orphaned processes")?;
        let git = Git::open(&project.config.project.code_dir, &project.temp()).await?;
        let backend = backend::backend(project.config.backend.default);
        let version = super::probe(project, backend, &stop).await?;
        let exe = std::env::current_exe().context("find autodev's own program")?;
        let store = Store::open(project, Sinks::new(project, Audience::Run), Store::new_run_id())?;
        let guard = guard::start(&exe, store.run().as_str()).context("start the guardian process")?;
        let asker = Asker {
            project: project.clone(),
            backend,
            version: version.as_deref().and_then(backend::probe::parse_version),
            is_root: nix::unistd::geteuid().is_root(),
            in_git: git.is_some(),
            stop,
        };
        Ok(Self { asker, store, tree: Tree::open(project)?, _guard: guard, _lock: lock })
    }

    /// Ends with an error when a stop was asked for meanwhile.
    ///
    /// # Errors
    /// [`Interrupted`], which ends the command with 130.
    pub(super) fn go_on(&self) -> Result<()> {
        match self.asker.stop.signal() {
            Some(signal) => bail!(Interrupted(signal)),
            None => Ok(()),
        }
    }
}

/// A person stopped the command.
#[derive(Debug, thiserror::Error)]
#[error("stopped by {0}; nothing was changed")]
pub struct Interrupted(pub &'static str);
