//! Repositories for tests: in a temporary directory, with nothing of this machine's git configuration.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::sync::watch;

use crate::model::{Change, ChangeKind, EffectId, RelPath};
use crate::sys::proc::{StopSignal, Urgency};

use super::{CommitOutcome, CommitRequest, Git, GitError};

/// What keeps the machine's configuration out; `home` has none.
pub(super) fn git_env(home: &Path) -> Vec<(OsString, OsString)> {
    vec![
        ("HOME".into(), home.into()),
        ("XDG_CONFIG_HOME".into(), home.into()),
        ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
        // A repository somewhere above the temporary directory is not meant.
        ("GIT_CEILING_DIRECTORIES".into(), "/tmp".into()),
    ]
}

pub(super) struct Repo {
    _root: tempfile::TempDir,
    root: PathBuf,
    /// The work tree.
    pub(super) dir: PathBuf,
    /// For private files.
    pub(super) temp: PathBuf,
}

impl Repo {
    /// A repository without commits, whose user is `User <user@example.com>`.
    pub(super) fn new() -> Self {
        let repo = Self::without_identity();
        repo.git(&["config", "user.name", "User"]);
        repo.git(&["config", "user.email", "user@example.com"]);
        repo
    }

    pub(super) fn without_identity() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap();
        let (dir, temp) = (path.join("work"), path.join("own/tmp"));
        fs::create_dir(&dir).unwrap();
        let repo = Self { _root: root, root: path, dir, temp };
        repo.git(&["init", "-q", "-b", "main"]);
        repo
    }

    pub(super) fn env(&self) -> Vec<(OsString, OsString)> {
        git_env(&self.root)
    }

    pub(super) async fn open(&self) -> Git {
        self.open_at("").await
    }

    /// Opens with a code directory below the top.
    pub(super) async fn open_at(&self, code_dir: &str) -> Git {
        Git::open_with(&self.dir.join(code_dir), &self.temp, self.env()).await.unwrap().unwrap()
    }

    /// Runs the user's git and returns what it prints, trimmed.
    pub(super) fn git(&self, args: &[&str]) -> String {
        let (ok, out) = self.try_git(args);
        assert!(ok, "git {args:?}: {out}");
        out
    }

    #[expect(clippy::disallowed_methods, reason = "the user's git, not ours")]
    pub(super) fn try_git(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new("git");
        command.args(args).current_dir(&self.dir).stdin(Stdio::null()).envs(self.env());
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_GLOB_PATHSPECS"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.dir.join(path)
    }

    #[expect(clippy::disallowed_methods, reason = "the user's editor, not ours")]
    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }

    pub(super) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    pub(super) fn link(&self, target: &str, path: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    pub(super) fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Where git keeps the state of the work tree `../linked`.
    pub(super) fn git_dir_of_linked(&self) -> PathBuf {
        self.path(".git/worktrees/linked")
    }

    /// Installs a hook.
    pub(super) fn hook(&self, name: &str, script: &str) {
        let path = format!(".git/hooks/{name}");
        self.write(&path, format!("#!/bin/sh\n{script}\n"));
        self.chmod(&path, 0o755);
    }

    /// Commits one file as the user would.
    pub(super) fn commit_file(&self, path: &str, content: &str, message: &str) {
        self.write(path, content);
        self.git(&["add", "--", path]);
        self.git(&["commit", "-q", "--allow-empty-message", "-m", message]);
    }

    /// `git status --porcelain`, sorted by git.
    pub(super) fn status(&self) -> String {
        self.git(&["status", "--porcelain", "--untracked-files=all"])
    }

    /// The files of a commit and what happened to them, one per line: `A path`.
    pub(super) fn files(&self, commit: &str) -> Vec<String> {
        let out = self.git(&["show", "--root", "--no-renames", "--name-status", "--format=", commit]);
        out.lines().map(|line| line.replace('\t', " ")).collect()
    }

    /// Everything in the temporary directory.
    pub(super) fn leftovers(&self) -> Vec<OsString> {
        match fs::read_dir(&self.temp) {
            Ok(entries) => entries.map(|entry| entry.unwrap().file_name()).collect(),
            Err(_) => Vec::new(),
        }
    }
}

pub(super) fn change(kind: ChangeKind, path: &str) -> Change {
    Change { path: RelPath::from(path), kind }
}

/// `+new`, `~modified`, `-removed`.
pub(super) fn changes(marks: &[&str]) -> Vec<Change> {
    marks
        .iter()
        .map(|mark| {
            let (sign, path) = mark.split_at(1);
            let kind = match sign {
                "+" => ChangeKind::Added,
                "~" => ChangeKind::Modified,
                "-" => ChangeKind::Removed,
                _ => panic!("{mark}"),
            };
            change(kind, path)
        })
        .collect()
}

pub(super) fn never() -> StopSignal {
    // The channel is closed, which is no request.
    watch::channel(Urgency::None).1
}

/// Commits with effect `run.1`.
pub(super) async fn commit(git: &Git, marks: &[&str]) -> Result<CommitOutcome, GitError> {
    commit_as(git, &changes(marks), "feat: the task", "run.1").await
}

pub(super) async fn commit_as(
    git: &Git,
    paths: &[Change],
    message: &str,
    effect: &str,
) -> Result<CommitOutcome, GitError> {
    let effect = EffectId::new(effect);
    git.commit(CommitRequest {
        paths,
        message,
        trailers: &[("Autodev-Task".to_owned(), "P0-1".to_owned())],
        effect: &effect,
        log: None,
        limit: Duration::from_mins(1),
        stop: never(),
    })
    .await
}

/// The files of a commit that was made, as text.
pub(super) async fn committed(git: &Git, outcome: CommitOutcome) -> Vec<String> {
    match outcome {
        CommitOutcome::Committed { sha, is_index_stale, .. } => {
            assert!(!is_index_stale);
            git.committed_files(&sha).await.unwrap().iter().map(ToString::to_string).collect()
        }
        other => panic!("not committed: {other:?}"),
    }
}
