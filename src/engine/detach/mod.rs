//! Commands that go on without the terminal they were started from: starting, listing, looking at and stopping them.
//!
//! Any sub-command can be detached. The caller writes a *ticket* (arguments, environment, directory), starts
//! `autodev __session TICKET` in tmux or as a process of its own, and waits until the session says that its work has
//! begun or why it has not. The session writes down who it is ([`registry`]) and then becomes the very command that was
//! typed: same process, same arguments. It knows that it is the session by a variable that holds its own process id, so
//! that nothing it starts takes itself for it.
//!
//! Nothing supervises a session: how it ended it writes down itself, and whether it lives is asked of the system (id and
//! start time), never believed. Invariant: a signal goes only to a process that wrote such a record.

mod attach;
mod enter;
mod follow;
mod launch;
mod registry;
mod stop;
mod survey;
mod tmux;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub use attach::attach;
pub use enter::{COMMAND, enter};
pub use launch::{Launch, Launched, Outcome, launch};
pub use stop::stop;
pub use survey::survey;

use super::project::Project;
use crate::config;
use crate::logic::session::Wanted;
use crate::model::{RunId, SessionBegin, SessionEnd};
use crate::sys;
use crate::sys::session::Identity;
use registry::Registry;

/// The variable by which a process knows that it is a session: its own process id.
const MARK: &str = "AUTODEV_SESSION";
/// What a session says about its failure; more than any message of ours has.
const ERROR_LIMIT: usize = 4_000;

/// Whether this process is a detached session.
pub fn is_session() -> bool {
    sys::env::text(MARK).is_some_and(|pid| pid == std::process::id().to_string())
}

/// Writes down that the work of this session has begun; the caller of `--detach` waits for it. Does nothing in a process
/// that is no session.
///
/// # Errors
/// When it cannot be written: the caller then believes that the session is still getting ready.
pub fn note_begun(run: Option<&RunId>) -> Result<()> {
    if !is_session() {
        return Ok(());
    }
    let registry = Registry::here()?;
    let Some(mut session) = registry.find(Identity::mine()) else { return Ok(()) };
    session.begun = Some(SessionBegin { at: sys::clock::now(), run: run.cloned() });
    registry.write(&session)
}

/// Writes down how this session ends. Does nothing in a process that is no session.
pub fn note_ended(code: i32, error: Option<&str>) {
    if !is_session() {
        return;
    }
    let Ok(registry) = Registry::here() else { return };
    let Some(mut session) = registry.find(Identity::mine()) else { return };
    let error = error.map(|text| text.chars().take(ERROR_LIMIT).collect());
    session.ended = Some(SessionEnd { at: sys::clock::now(), code: Some(code), error });
    // A session that could not say how it ended is shown as killed, or as its run's journal says.
    registry.write(&session).ok();
}

/// Which sessions a command without a name means: those of the project that `dir` is in.
#[derive(Clone, Debug, Default)]
pub struct Here {
    home: Option<PathBuf>,
}

impl Here {
    /// Finds the project of a directory. A configuration with errors still has a place.
    ///
    /// # Errors
    /// When the given autodev.toml does not exist.
    pub fn find(given: Option<&Path>, dir: &Path) -> Result<Self> {
        let config = match given {
            Some(path) => Some(dir.join(path).canonicalize().with_context(|| format!("find {}", path.display()))?),
            None => config::discover(dir),
        };
        let Some(config) = config else { return Ok(Self { home: None }) };
        let home = match Project::open(Some(&config), dir) {
            Ok(project) => Some(place(project.home())),
            Err(_) => config.parent().map(|dir| place(&dir.join(".autodev"))),
        };
        Ok(Self { home })
    }

    /// Returns what is meant by this name, or by none.
    pub fn wanted<'a>(&'a self, name: Option<&'a str>) -> Wanted<'a> {
        match (name, &self.home) {
            (Some(name), _) => Wanted::Named(name),
            (None, Some(home)) => Wanted::Of(home),
            (None, None) => Wanted::Nothing,
        }
    }
}

/// A path as projects are compared: without links, where it exists.
fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}
