//! Where a project keeps its things.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::config;
use crate::model::Config;
use crate::notify;
use crate::sys;
use crate::sys::lock::{self, Holder};
use crate::sys::redact::Redactor;

/// Returns `stem`, or `stem-2` and so on when `dir` has a file of that name with that ending already: two in one second.
pub(super) fn free_stem(dir: &Path, stem: &str, ending: &str) -> String {
    let mut free = stem.to_owned();
    let mut n = 1;
    while dir.join(format!("{free}.{ending}")).exists() {
        n += 1;
        free = format!("{stem}-{n}");
    }
    free
}

/// A project: its configuration and the places of `.autodev/`.
#[derive(Clone, Debug)]
pub struct Project {
    /// The configuration.
    pub config: Config,
    /// Remarks about the configuration, for people.
    pub warnings: Vec<String>,
    home: PathBuf,
}

impl Project {
    /// Finds and reads the configuration: the given file, or the first autodev.toml in `dir` or above.
    ///
    /// # Errors
    /// When there is none, or it has errors.
    pub fn open(given: Option<&Path>, dir: &Path) -> Result<Self> {
        let path = match given {
            Some(path) => dir.join(path),
            None => config::discover(dir).with_context(|| {
                format!(
                    "no autodev.toml in {} or above; initialise the project with `autodev init`, or give the path of one with -c",
                    dir.display()
                )
            })?,
        };
        let loaded = config::load(&path, &sys::env::with_prefix("AUTODEV_"))?;
        let home = loaded.config.project.config_dir.join(".autodev");
        let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
        Ok(Self { config: loaded.config, warnings, home })
    }

    /// Creates `.autodev/` and what every command needs in it. It ignores itself in git.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn prepare(&self) -> Result<()> {
        use sys::fs::Context as _;
        for dir in [self.home.clone(), self.snapshots(), self.temp(), self.prompts()] {
            std::fs::create_dir_all(&dir).at("create", &dir)?;
        }
        let ignore = self.home.join(".gitignore");
        if !ignore.exists() {
            sys::fs::write_atomic(&ignore, b"*\n", sys::fs::Durability::Cached)?;
        }
        Ok(())
    }

    /// `.autodev/`.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The journal.
    pub fn journal(&self) -> PathBuf {
        self.home.join("journal.db")
    }

    /// The lock of the one run that may be under way.
    pub fn run_lock(&self) -> PathBuf {
        self.home.join("lock")
    }

    /// Whether a run is under way. A lock that cannot be looked at counts as held.
    pub fn is_running(&self) -> bool {
        !matches!(lock::holder(&self.run_lock()), Ok(Holder::Nobody))
    }

    /// The lock around each change of task.json.
    pub fn queue_lock(&self) -> PathBuf {
        self.home.join("queue.lock")
    }

    /// The lock of the one watcher that may look for plans. Its existence says that there ever was one.
    pub fn watch_lock(&self) -> PathBuf {
        self.home.join("watch.lock")
    }

    /// The lock around each change that plans make.
    pub fn plans_lock(&self) -> PathBuf {
        self.home.join("plans.lock")
    }

    /// task.json as it was before the last attempt began.
    pub fn trusted_queue(&self) -> PathBuf {
        self.home.join("queue.trusted.json")
    }

    /// Manifests of trees.
    pub fn snapshots(&self) -> PathBuf {
        self.home.join("snapshots")
    }

    /// The stat index.
    pub fn index(&self) -> PathBuf {
        self.home.join("index.bin")
    }

    /// Private git indexes and the like.
    pub fn temp(&self) -> PathBuf {
        self.home.join("tmp")
    }

    /// Where iterative tasks are measured.
    pub fn trees(&self) -> PathBuf {
        self.home.join("trees")
    }

    /// The queues of earlier epochs.
    pub fn archive(&self) -> PathBuf {
        self.home.join("archive")
    }

    /// What agents were asked.
    pub fn prompts(&self) -> PathBuf {
        self.home.join("prompts")
    }

    /// Everything of autodev's own in the tree, which never counts as work.
    pub fn own_paths(&self) -> Vec<PathBuf> {
        let files = &self.config.files;
        vec![
            self.home.clone(),
            files.task_json.clone(),
            files.progress.clone(),
            files.task_brief.clone(),
            files.log_dir.clone(),
            files.attempt_log_subdir.clone(),
            self.config.source.clone(),
        ]
    }

    /// Returns what masks secrets: those of the environment, and those of the channels of `[notify]`.
    pub fn redactor(&self) -> Redactor {
        let secrets = notify::secrets(&self.config.notify.channels, &|name| sys::env::text(name));
        Redactor::with_secrets(&sys::env::with_prefix(""), &secrets)
    }

    /// Where notices say that the dashboard is: the configured address, else the file.
    pub fn dashboard(&self) -> String {
        let url = &self.config.notify.dashboard_url;
        if url.is_empty() {
            self.config.files.log_dir.join("dashboard.html").display().to_string()
        } else {
            url.clone()
        }
    }

    /// A path as people read it: relative to the code directory when inside.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.config.project.code_dir).unwrap_or(path).display().to_string()
    }
}
