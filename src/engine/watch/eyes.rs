//! Notices that something has happened where plans are dropped. It does not say what: a look at the directories does.
//!
//! Where the operating system reports changes, a report wakes the watcher at once; a report that is lost (too many at
//! once, a directory that was made and filled in the same moment) costs nothing but time, as there is a look from time to
//! time in any case. Where it reports none (network mounts, no watches left), only that look remains.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::logic::health::project::{Storage, storage};
use crate::model::config::WatchMode;
use crate::sys::host;

/// What wakes the watcher of one project.
pub(super) struct Eyes {
    watcher: Option<RecommendedWatcher>,
    wake: Arc<Notify>,
    dirs: Vec<PathBuf>,
    /// A single file, whose directory is watched for it.
    file: Option<PathBuf>,
    /// What is watched, by device and inode: a directory that was replaced is another one.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    mode: WatchMode,
    /// Why changes are not reported.
    trouble: Option<String>,
}

impl Eyes {
    /// Begins to watch directories and perhaps a single file.
    ///
    /// # Errors
    /// When `mode` insists on the operating system and it cannot.
    pub(super) fn open(mode: WatchMode, dirs: &[PathBuf], file: Option<&Path>) -> Result<Self> {
        let wake = Arc::new(Notify::new());
        let mut eyes = Self {
            watcher: None,
            wake: Arc::clone(&wake),
            dirs: dirs.to_vec(),
            file: file.map(Path::to_path_buf),
            watched: BTreeMap::new(),
            mode,
            trouble: None,
        };
        if mode == WatchMode::Poll {
            return Ok(eyes);
        }
        let (below, single) = (eyes.dirs.clone(), eyes.file.clone());
        let heard = move |event: notify::Result<Event>| {
            if matters(&event, &below, single.as_deref()) {
                wake.notify_one();
            }
        };
        match notify::recommended_watcher(heard) {
            Ok(watcher) => eyes.watcher = Some(watcher),
            Err(error) if mode == WatchMode::Auto => eyes.give_up(&error.to_string()),
            Err(error) => return Err(error).context("ask the operating system to report changes"),
        }
        eyes.keep_up()?;
        Ok(eyes)
    }

    /// Whether everything is only looked at from time to time.
    pub(super) fn is_polling(&self) -> bool {
        self.watcher.is_none()
    }

    /// Whether some directory is not watched at the moment.
    pub(super) fn is_blind(&self) -> bool {
        self.dirs.iter().any(|dir| !self.watched.contains_key(dir))
    }

    /// Returns why the operating system is not relied on, once.
    pub(super) fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Waits until something has happened.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Watches directories that came into being or were replaced, and forgets those that are gone.
    ///
    /// # Errors
    /// As [`Eyes::open`].
    pub(super) fn keep_up(&mut self) -> Result<()> {
        let parent = self.file.as_ref().and_then(|file| file.parent()).map(Path::to_path_buf);
        let wanted: Vec<(PathBuf, RecursiveMode)> = self
            .dirs
            .iter()
            .map(|dir| (dir.clone(), RecursiveMode::Recursive))
            .chain(parent.filter(|dir| !self.dirs.contains(dir)).map(|dir| (dir, RecursiveMode::NonRecursive)))
            .collect();
        for (dir, mode) in wanted {
            if self.watcher.is_none() {
                return Ok(());
            }
            self.watch(&dir, mode)?;
        }
        Ok(())
    }

    fn watch(&mut self, dir: &Path, recursive: RecursiveMode) -> Result<()> {
        let now = fs::metadata(dir).ok().filter(fs::Metadata::is_dir).map(|meta| (meta.dev(), meta.ino()));
        if now.is_some() && self.watched.get(dir) == now.as_ref() {
            return Ok(());
        }
        let Some(watcher) = &mut self.watcher else { return Ok(()) };
        if self.watched.remove(dir).is_some() {
            // The watch on a directory that is gone ends by itself.
            let _ = watcher.unwatch(dir);
        }
        let Some(now) = now else { return Ok(()) };
        if self.mode == WatchMode::Auto && host::file_system(dir).is_some_and(is_remote) {
            self.give_up(&format!("{} is on a network file system or one of another program", dir.display()));
            return Ok(());
        }
        match watcher.watch(dir, recursive) {
            Ok(()) => drop(self.watched.insert(dir.to_path_buf(), now)),
            // It went in this moment; the next look sees to it.
            Err(_) if !dir.exists() => {}
            Err(error) if self.mode == WatchMode::Auto => self.give_up(&hint(&error)),
            Err(error) => {
                return Err(anyhow::anyhow!("{}", hint(&error))).with_context(|| format!("watch {}", dir.display()));
            }
        }
        Ok(())
    }

    fn give_up(&mut self, reason: &str) {
        self.watcher = None;
        self.watched.clear();
        self.trouble = Some(reason.to_owned());
    }
}

/// Whether files of such a file system may be changed by another machine, of which nobody tells this one.
fn is_remote(number: i64) -> bool {
    matches!(storage(number).1, Storage::Network | Storage::Fuse)
}

fn hint(error: &notify::Error) -> String {
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the system has no more watches to give (fs.inotify.max_user_watches)".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Whether a report is about a plan directory or the file; what was only read is no change. A report of an error, or of
/// lost reports, always matters.
fn matters(event: &notify::Result<Event>, dirs: &[PathBuf], file: Option<&Path>) -> bool {
    let Ok(event) = event else { return true };
    if event.need_rescan() || event.paths.is_empty() {
        return true;
    }
    let is_written = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
    let is_read = event.kind.is_access() && !is_written;
    let is_here = |path: &PathBuf| dirs.iter().any(|dir| path.starts_with(dir)) || file == Some(path.as_path());
    !is_read && event.paths.iter().any(is_here)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files as users do")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_change_wakes_and_reading_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let docs = dir.path().join("docs");
        fs::create_dir(&docs).unwrap();
        let file = dir.path().join("task.json");
        let mut eyes = Eyes::open(WatchMode::Native, std::slice::from_ref(&docs), Some(&file)).unwrap();
        assert!(!eyes.is_polling() && !eyes.is_blind());
        let woken =
            async |eyes: &Eyes, seconds| tokio::time::timeout(Duration::from_secs(seconds), eyes.woken()).await.is_ok();
        fs::write(docs.join("a.md"), "x").unwrap();
        assert!(woken(&eyes, 30).await);
        fs::write(&file, "{}").unwrap();
        assert!(woken(&eyes, 30).await);
        // What may still be on its way.
        while woken(&eyes, 1).await {}
        fs::read(docs.join("a.md")).unwrap();
        fs::write(dir.path().join("other"), "x").unwrap();
        assert!(!woken(&eyes, 1).await);
        fs::remove_dir_all(&docs).unwrap();
        assert!(woken(&eyes, 30).await);
        eyes.keep_up().unwrap();
        assert!(eyes.is_blind());
        fs::create_dir(&docs).unwrap();
        eyes.keep_up().unwrap();
        while woken(&eyes, 1).await {}
        fs::write(docs.join("b.md"), "x").unwrap();
        assert!(woken(&eyes, 30).await, "a directory that was made anew is watched");
    }

    #[test]
    fn polling_needs_nobody() {
        let eyes = Eyes::open(WatchMode::Poll, &[PathBuf::from("/nonexistent")], None).unwrap();
        assert!(eyes.is_polling() && eyes.is_blind());
    }
}
