//! The project's tree: scans, and the manifests that tasks and attempts began from.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::project::Project;
use super::watch::scope::Scope;
use crate::model::{Change, RelPath};
use crate::snapshot::{Manifest, Rules, Scanner, Tally};

/// Scans of one project.
pub struct Tree {
    scanner: Scanner,
    dir: PathBuf,
    own: Vec<RelPath>,
    code_dir: PathBuf,
    /// Which files are plans, and what exists once a watcher has looked for some.
    plans: Box<(Scope, PathBuf)>,
    /// The manifest loaded last, by name: a task asks for the same base again and again.
    loaded: Option<(String, Arc<Manifest>)>,
}

impl Tree {
    /// Prepares scanning; nothing is read yet but the stat index.
    ///
    /// # Errors
    /// When a glob of `[snapshot]` or `[watch]` is not one.
    pub fn open(project: &Project) -> Result<Self> {
        let config = &project.config;
        let code_dir = &config.project.code_dir;
        let rules = Rules::new(&config.snapshot, code_dir, &project.own_paths())?;
        let scanner = Scanner::open(&config.snapshot.watch_dirs, rules, &project.index())?;
        let inside = |path: &PathBuf| path.strip_prefix(code_dir).ok().map(RelPath::from);
        let own = project.own_paths().iter().filter_map(inside).collect();
        let plans = Box::new((Scope::new(project)?, project.watch_lock()));
        Ok(Self { scanner, dir: project.snapshots(), own, code_dir: code_dir.clone(), plans, loaded: None })
    }

    /// Returns autodev's own files and directories in the code directory, relative to it.
    pub fn own_paths(&self) -> Vec<RelPath> {
        self.own.clone()
    }

    /// Scans the tree as it is now.
    ///
    /// # Errors
    /// When a watch directory cannot be read.
    pub fn scan(&mut self) -> Result<Manifest> {
        Ok(self.scanner.scan()?)
    }

    /// Whether a file that counts was written since a moment of the file system's clock, also with the same content.
    ///
    /// # Errors
    /// As [`Tree::scan`].
    pub fn is_touched_since(&self, ctime_ns: i64) -> Result<bool> {
        Ok(self.scanner.is_touched_since(ctime_ns)?)
    }

    /// Returns what the last scan took.
    pub fn tally(&self) -> &Tally {
        self.scanner.tally()
    }

    /// Returns a probe for idle detection: whether any file has changed since it was last asked.
    /// The first stamp is taken beside the caller, who starts an agent meanwhile: in a large tree it takes a while.
    pub fn activity_probe(&self) -> Box<dyn FnMut() -> bool + Send> {
        let probe = self.scanner.probe();
        let first = probe.clone();
        let mut first = Some(std::thread::spawn(move || first.stamp()));
        let mut last = None;
        Box::new(move || {
            if let Some(first) = first.take() {
                last = first.join().ok();
            }
            let stamp = Some(probe.stamp());
            std::mem::replace(&mut last, stamp) != stamp
        })
    }

    /// Keeps a manifest under a name.
    ///
    /// # Errors
    /// When `.autodev/snapshots/` cannot be written.
    pub fn keep(&mut self, name: &str, manifest: Manifest) -> Result<()> {
        manifest.save(&self.dir.join(name)).context("keep a snapshot")?;
        self.loaded = Some((name.to_owned(), Arc::new(manifest)));
        Ok(())
    }

    /// Returns a kept manifest.
    ///
    /// # Errors
    /// When it is missing or damaged.
    pub fn kept(&mut self, name: &str) -> Result<Arc<Manifest>> {
        if let Some((loaded, manifest)) = &self.loaded
            && loaded == name
        {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(Manifest::load(&self.dir.join(name))?);
        self.loaded = Some((name.to_owned(), Arc::clone(&manifest)));
        Ok(manifest)
    }

    /// Forgets a kept manifest; one that is gone already is fine.
    pub fn forget(&mut self, name: &str) {
        let _ = std::fs::remove_file(self.dir.join(name));
        if self.loaded.as_ref().is_some_and(|(loaded, _)| loaded == name) {
            self.loaded = None;
        }
    }

    /// Forgets every kept manifest but these.
    pub fn forget_all_but(&mut self, wanted: &[String]) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if !wanted.contains(&name) {
                self.forget(&name);
            }
        }
    }

    /// Returns what differs between two manifests, without the plans of a watched project: they are dropped and edited while
    /// agents work, and are nobody's work.
    pub fn changes(&self, before: &Manifest, now: &Manifest) -> Vec<RelPath> {
        let (scope, marker) = &*self.plans;
        let changed = before.diff(now).into_iter().map(|change| change.path);
        if !marker.exists() {
            return changed.collect();
        }
        changed.filter(|path| !scope.owns(&self.code_dir.join(path.to_path()))).collect()
    }

    /// Returns what differs between a kept manifest and `now`, among the given paths.
    ///
    /// # Errors
    /// As [`Tree::kept`].
    pub fn changed(&mut self, base: &str, touched: &BTreeSet<RelPath>, now: &Manifest) -> Result<Vec<Change>> {
        let base = self.kept(base)?;
        Ok(now.changed_among(touched, &base))
    }
}
