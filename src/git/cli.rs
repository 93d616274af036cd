//! The one place that starts git.
//!
//! Two ways: [`Cli::run`] for plumbing, with a fixed language and configuration so that answers can be parsed, and
//! [`Cli::run_hooked`] for the one command that runs the user's hooks, which sees the user's own language and settings.
//! Does not know what the commands mean. Invariant: no inherited variable points git to another repository, work
//! tree or index than the one meant.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::sys::proc::{self, Cause, Ended, Happening, Spec, Stdin, StopSignal, Stream, Urgency};

use super::error::GitError;

/// Every wait has an end. 10 minutes: adding some gigabytes of new files takes about one.
const LIMIT: Duration = Duration::from_mins(10);
/// An answer larger than this is not held in memory. 256 MB are some two million paths.
const MAX_ANSWER: usize = 256 << 20;
/// So much of an error text is kept.
const MAX_ERROR: usize = 4_000;

/// Variables that would send git somewhere else, or change what a path means: those of `git rev-parse
/// --local-env-vars` that do not carry configuration, and the path-spec switches.
const FOREIGN: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_ATTR_SOURCE",
    "GIT_TRACE2_EVENT",
];

/// Starts git in one directory.
#[derive(Debug)]
pub(super) struct Cli {
    cwd: PathBuf,
    env: Vec<(OsString, OsString)>,
    limit: Duration,
    #[cfg(test)]
    spawns: std::sync::atomic::AtomicU32,
}

/// One command.
#[derive(Debug)]
pub(super) struct Call {
    action: &'static str,
    config: Vec<String>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: Option<Vec<u8>>,
}

/// What a command answered.
#[derive(Debug)]
pub(super) struct Reply {
    /// Exit code, or minus the signal.
    pub(super) code: i32,
    /// Standard output.
    pub(super) out: Vec<u8>,
    /// The end of standard error.
    pub(super) tail: String,
}

impl Call {
    /// `action` says for error messages what is tried.
    pub(super) fn new(action: &'static str, args: &[&str]) -> Self {
        let args = args.iter().map(OsString::from).collect();
        Self { action, config: Vec::new(), args, env: Vec::new(), input: None }
    }

    pub(super) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(super) fn paths<'a>(mut self, paths: impl IntoIterator<Item = &'a [u8]>) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        self.args.push("--".into());
        self.args.extend(paths.into_iter().map(|path| OsStr::from_bytes(path).to_owned()));
        self
    }

    pub(super) fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// `key=value` for this command only.
    pub(super) fn config(mut self, setting: impl Into<String>) -> Self {
        self.config.push(setting.into());
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Uses another index than the user's.
    pub(super) fn index(self, path: &Path) -> Self {
        self.env("GIT_INDEX_FILE", path)
    }

    /// Objects and references are on the disk when the command ends.
    pub(super) fn durable(self) -> Self {
        self.config("core.fsync=objects,reference").config("core.fsyncMethod=batch")
    }

    /// Content is taken and given byte for byte: no line ending conversion, no filters. What `.git/info/attributes`
    /// asks for stays, and before git 2.41 what `.gitattributes` asks for as well.
    pub(super) fn raw(self, empty_tree: &str) -> Self {
        self.config("core.autocrlf=false")
            .config("core.attributesFile=/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_ATTR_SOURCE", empty_tree)
    }

    /// An author that exists on every machine, for commits that no branch holds.
    pub(super) fn by_autodev(self) -> Self {
        ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"]
            .iter()
            .fold(self.env("GIT_AUTHOR_EMAIL", IDENTITY.1).env("GIT_COMMITTER_EMAIL", IDENTITY.1), |call, name| {
                call.env(name, IDENTITY.0)
            })
    }
}

/// Name and address of commits whose author nobody knows.
pub(super) const IDENTITY: (&str, &str) = ("autodev", "autodev@localhost");

impl Cli {
    pub(super) fn new(cwd: &Path, env: Vec<(OsString, OsString)>) -> Self {
        Self {
            cwd: cwd.to_path_buf(),
            env,
            limit: LIMIT,
            #[cfg(test)]
            spawns: std::sync::atomic::AtomicU32::new(0),
        }
    }

    /// Ends plumbing commands that take longer than this.
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// How many commands were started.
    #[cfg(test)]
    pub(super) fn spawns(&self) -> u32 {
        self.spawns.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Runs a plumbing command to its end, whatever that is.
    pub(super) async fn run(&self, call: Call) -> Result<Reply, GitError> {
        let action = call.action;
        let fixed = [("LC_ALL", "C"), ("GIT_OPTIONAL_LOCKS", "0"), ("GIT_LITERAL_PATHSPECS", "1")];
        let mut spec = self.spec(call, &fixed);
        spec.wall = Some(self.limit);
        // The sender lives as long as the command: nothing asks it to stop.
        let (_sender, never) = watch::channel(Urgency::None);
        let (mut out, mut err, mut is_too_much) = (Vec::new(), Vec::new(), false);
        let ended = proc::run(spec, never, &mut |happening| match happening {
            Happening::Output(Stream::Out, bytes) if out.len() + bytes.len() <= MAX_ANSWER => {
                out.extend_from_slice(bytes);
            }
            Happening::Output(Stream::Out, _) => is_too_much = true,
            Happening::Output(Stream::Err, bytes) => keep_tail(&mut err, bytes, MAX_ERROR),
            Happening::Spawned { .. } => {}
        })
        .await
        .map_err(|source| GitError::Start { source })?;
        check(action, ended, self.limit)?;
        if is_too_much {
            return Err(GitError::Odd { action, answer: format!("more than {MAX_ANSWER} bytes") });
        }
        Ok(Reply { code: ended.code, out, tail: String::from_utf8_lossy(&err).trim().to_owned() })
    }

    /// Runs a plumbing command that must succeed and returns what it printed.
    pub(super) async fn ok(&self, call: Call) -> Result<Vec<u8>, GitError> {
        let action = call.action;
        let reply = self.run(call).await?;
        if reply.code == 0 { Ok(reply.out) } else { Err(reply.failed(action)) }
    }

    /// Runs a plumbing command that must succeed and print one object name.
    pub(super) async fn object(&self, call: Call) -> Result<String, GitError> {
        let action = call.action;
        let out = self.ok(call).await?;
        object_name(&out).ok_or_else(|| odd(action, &out))
    }

    /// Runs a command with the user's hooks, in the user's language; `on` gets all it prints, both streams.
    pub(super) async fn run_hooked(
        &self,
        call: Call,
        stop: StopSignal,
        limit: Duration,
        on: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<Ended, GitError> {
        let mut spec = self.spec(call, &[]);
        spec.wall = Some(limit);
        proc::run(spec, stop, &mut |happening| {
            if let Happening::Output(_, bytes) = happening {
                on(bytes);
            }
        })
        .await
        .map_err(|source| GitError::Start { source })
    }

    fn spec(&self, call: Call, env: &[(&str, &str)]) -> Spec {
        #[cfg(test)]
        self.spawns.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut spec = Spec::new("git", &self.cwd);
        spec.env_remove = FOREIGN.iter().map(OsString::from).collect();
        spec.env.clone_from(&self.env);
        spec.env.push(("GIT_TERMINAL_PROMPT".into(), "0".into()));
        spec.env.extend(env.iter().map(|(name, value)| (name.into(), value.into())));
        spec.env.extend(call.env);
        // The file system monitor is a daemon, and what git leaves running is ended after each command.
        let fixed = ["core.fsmonitor=false".to_owned(), "core.quotePath=false".to_owned()];
        for setting in fixed.into_iter().chain(call.config) {
            spec.args.extend(["-c".into(), setting.into()]);
        }
        spec.args.extend(call.args);
        spec.stdin = call.input.map_or(Stdin::Null, Stdin::Bytes);
        spec
    }
}

impl Reply {
    pub(super) fn failed(self, action: &'static str) -> GitError {
        GitError::Failed { action, code: self.code, tail: self.tail }
    }
}

/// Turns an end that was not git's own into an error.
pub(super) fn check(action: &'static str, ended: Ended, limit: Duration) -> Result<(), GitError> {
    match ended.cause {
        Cause::Itself => Ok(()),
        Cause::Wall | Cause::Idle => Err(GitError::TimedOut { action, limit }),
        Cause::Stopped => Err(GitError::Stopped { action }),
    }
}

/// An error for an answer that cannot be understood.
pub(super) fn odd(action: &'static str, answer: &[u8]) -> GitError {
    let shown = answer.get(..200).unwrap_or(answer);
    GitError::Odd { action, answer: String::from_utf8_lossy(shown).escape_debug().to_string() }
}

/// Appends to a buffer and drops from its front what is more than `limit`.
pub(super) fn keep_tail(buffer: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    buffer.extend_from_slice(bytes);
    // Dropped in large steps, so that many small pieces do not move the rest each time.
    if buffer.len() > 2 * limit {
        buffer.drain(..buffer.len() - limit);
    }
}

/// Parses one full object name with white space around it: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits.
pub(super) fn object_name(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let is_name = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_name.then(|| text.to_owned())
}
