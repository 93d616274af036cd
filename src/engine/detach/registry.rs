//! The sessions of this user, one small file each: `$XDG_STATE_HOME/autodev/sessions/<pid>-<start>.json`.
//!
//! A file is named by the process it is about, so that two sessions never write to the same one. Records may be broken or
//! of a newer version; those are passed over. Whether a record is still true is not judged here.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::model::Session;
use crate::sys;
use crate::sys::fs::{Context as _, Durability, read_capped, write_atomic};
use crate::sys::lock::FileLock;
use crate::sys::session::Identity;

/// A record has about 1 KiB and at most 4000 characters of an error.
const RECORD_LIMIT: u64 = 256 << 10;
/// Choosing a name and starting a session takes as long as tmux does; see `tmux::LIMIT`.
const TURN: Duration = Duration::from_mins(1);

/// The directory of sessions.
#[derive(Clone, Debug)]
pub(super) struct Registry {
    dir: PathBuf,
}

impl Registry {
    /// Finds the directory, which need not exist.
    pub(super) fn here() -> Result<Self> {
        // As the XDG base directory specification says: a relative value counts as none.
        let given = sys::env::raw("XDG_STATE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
        let state = given
            .or_else(|| sys::host::home_dir().map(|home| home.join(".local/state")))
            .context("find a place for the list of sessions: this user has no home directory; set XDG_STATE_HOME")?;
        Ok(Self { dir: state.join("autodev/sessions") })
    }

    /// Takes the directory that somebody else found.
    pub(super) fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn prepare(&self) -> Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .at("create", &self.dir)
            .context("set XDG_STATE_HOME to a directory that can be written")
    }

    /// Waits for the turn to choose a name and register with it.
    pub(super) fn turn(&self) -> Result<FileLock> {
        self.prepare()?;
        Ok(FileLock::wait(&self.dir.join("lock"), TURN)?)
    }

    /// Every record that can be read, oldest first.
    pub(super) fn all(&self) -> Vec<Session> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut sessions: Vec<Session> = entries
            .filter_map(|entry| {
                let session = Self::read(&entry.path())?;
                // A copy of a record is not the record.
                (entry.path() == self.path(identity(&session))).then_some(session)
            })
            .collect();
        sessions.sort_by_key(|session| (session.started_at, session.pid));
        sessions
    }

    pub(super) fn find(&self, identity: Identity) -> Option<Session> {
        Self::read(&self.path(identity))
    }

    pub(super) fn write(&self, session: &Session) -> Result<()> {
        self.prepare()?;
        let text = serde_json::to_vec_pretty(session)?;
        Ok(write_atomic(&self.path(identity(session)), &text, Durability::Cached)?)
    }

    /// Forgets a session. A record that cannot be removed is removed another time.
    pub(super) fn remove(&self, session: &Session) {
        std::fs::remove_file(self.path(identity(session))).ok();
    }

    fn read(path: &Path) -> Option<Session> {
        serde_json::from_slice(&read_capped(path, RECORD_LIMIT).ok()?).ok()
    }

    fn path(&self, identity: Identity) -> PathBuf {
        self.dir.join(format!("{}-{}.json", identity.pid, identity.start_ticks))
    }
}

/// Returns the process of a session.
pub(super) fn identity(session: &Session) -> Identity {
    Identity { pid: session.pid, start_ticks: session.start_ticks }
}

#[cfg(test)]
mod tests {
    use super::super::survey::tests::session;
    use super::*;

    #[test]
    fn records_are_found_by_their_process_and_broken_ones_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().join("a/sessions"));
        assert!(registry.all().is_empty() && registry.find(Identity::mine()).is_none());
        let session = session(dir.path());
        registry.write(&session).unwrap();
        for (name, text) in [("x.json", "{}"), ("1-2.json", "\u{0}"), ("lock", "")] {
            write_atomic(&registry.dir.join(name), text.as_bytes(), Durability::Cached).unwrap();
        }
        let text = serde_json::to_vec(&session).unwrap();
        write_atomic(&registry.dir.join("7-7.json"), &text, Durability::Cached).unwrap();
        assert_eq!(registry.find(identity(&session)), Some(session.clone()));
        assert_eq!(registry.all().len(), 1);
        registry.remove(&session);
        assert!(registry.all().is_empty());
    }

    #[test]
    fn the_directory_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().join("sessions"));
        let _turn = registry.turn().unwrap();
        assert_eq!(registry.dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
