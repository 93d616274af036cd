//! The agents: how each is started, and what its output means.
//!
//! A backend has two pure halves, [`Backend::invocation`] (request to program, arguments, environment, input) and
//! [`Parser`] (output line to [`Said`]). Nothing here starts a process or decides how an attempt ended; that is
//! `sys::proc` and `logic::classify`. Invariants: a prompt goes to standard input, never into an argument (one
//! argument is capped at 128 KiB); no shell is involved; a parser survives any bytes.

mod claude;
mod codex;
mod command;
mod event;
mod gemini;
mod launch;
mod log;
pub mod login;
mod opencode;
pub mod probe;
pub mod replay;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod samples;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset, Local};

use crate::model::{BackendName, Config, Said, Usage};
use crate::sys::clock;

pub use command::Patterns;
pub use log::log_text;
pub use probe::Version;

/// One agent program.
pub trait Backend: Send + Sync {
    /// Returns the name used in autodev.toml and flags.
    fn name(&self) -> BackendName;

    /// Returns how to start the program. Touches nothing.
    ///
    /// # Errors
    /// When the configuration names no program or holds a wrong pattern.
    fn invocation(&self, request: &Request<'_>) -> Result<Invocation, BackendError>;

    /// Returns a parser for one run of the program.
    fn parser_from(&self, start: Start) -> Box<dyn Parser>;

    /// Returns what the program can do.
    fn abilities(&self) -> Abilities;

    /// Returns a parser for a run that does not resume a session.
    fn parser(&self) -> Box<dyn Parser> {
        self.parser_from(Start::default())
    }
}

/// Returns the backend of that name.
pub fn backend(name: BackendName) -> &'static dyn Backend {
    match name {
        BackendName::Claude => &claude::Claude,
        BackendName::Codex => &codex::Codex,
        BackendName::Gemini => &gemini::Gemini,
        BackendName::Opencode => &opencode::Opencode,
        BackendName::Command => &command::Command,
        BackendName::Replay => &replay::Replay,
    }
}

/// What a parser must know beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// What the resumed session had used before, zero for a new one. Codex counts tokens on from there, claude money;
    /// it is subtracted, so that usage is always that of one run.
    pub base: Usage,
    /// Tells the time in the zone of this machine; "resets 3pm" is turned into a moment with it.
    pub now: fn() -> DateTime<FixedOffset>,
}

impl Default for Start {
    fn default() -> Self {
        Self { base: Usage::default(), now: || clock::now().with_timezone(&Local).fixed_offset() }
    }
}

/// Turns the lines of standard output into typed pieces. Standard error is never given to a parser.
pub trait Parser: Send {
    /// Reads one line, with or without its line end. Lines that are no event become [`Said::Text`] as they are;
    /// once events of a known stream were seen, unknown events are skipped and other lines become [`Said::Notice`].
    fn line(&mut self, line: &str) -> Vec<Said>;

    /// Reads the end: exit code, or minus the number of the signal. Called once, last.
    fn end(&mut self, code: i32) -> Vec<Said>;
}

/// What a prompt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Work on a task: the agent may change files.
    Attempt,
    /// Answer once (plan, spec, reflection).
    Ask {
        /// Ask the program to change nothing. No program keeps to it in every case: compare the tree afterwards.
        read_only: bool,
    },
}

/// One run that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What for.
    pub purpose: Purpose,
    /// The prompt, any length.
    pub prompt: &'a str,
    /// The configuration.
    pub config: &'a Config,
    /// Whether this process is root; claude refuses some flags then.
    pub is_root: bool,
    /// Whether the working directory is inside a git repository; codex wants to know.
    pub in_git: bool,
    /// What the program's `--version` said; `None` when it was not recognised: then exactly the configured flags
    /// are given, those that every version knows.
    pub version: Option<Version>,
    /// The session to go on with. Ignored when it does not look like a session id, or the program has no sessions.
    pub resume: Option<&'a str>,
    /// Where the prompt can be found as a file, see [`Invocation::needs_prompt_file`].
    pub prompt_file: &'a Path,
    /// Our own program, which plays recorded sessions.
    pub exe: &'a Path,
    /// A directory for this run only; removed by the caller afterwards.
    pub temp_dir: &'a Path,
    /// The user's home directory, when known.
    pub home: Option<&'a Path>,
    /// The form an answer must have. Only of [`Purpose::Ask`], and only programs and versions that are known to keep
    /// to one are told; whoever reads the answer checks it all the same.
    pub schema: Option<Schema<'a>>,
}

/// The form of an answer, as a JSON Schema. OpenAI's rules are the strictest: every object has
/// `"additionalProperties": false` and names all its properties in `required`; no `$schema`, which claude refuses since
/// 2.1.205 when it names draft 2020-12 (anthropics/claude-code issue 80402).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema<'a> {
    /// The schema itself.
    pub text: &'a str,
    /// Where it can be found as a file, see [`Invocation::needs_schema_file`].
    pub file: &'a Path,
}

/// How to start a program: plain data. The working directory is the caller's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Name or path.
    pub program: OsString,
    /// Without the program itself.
    pub args: Vec<OsString>,
    /// Set on top of the inherited environment; every name once.
    pub env: Vec<(OsString, OsString)>,
    /// Removed from the inherited environment.
    pub env_remove: Vec<OsString>,
    /// Written to standard input, which is then closed; `None`: no input at all.
    pub stdin: Option<Vec<u8>>,
    /// Directories that must exist, parents included.
    pub make_dirs: Vec<PathBuf>,
    /// Whether an argument names [`Request::prompt_file`]; the caller then writes the prompt there first.
    pub needs_prompt_file: bool,
    /// Whether an argument names [`Schema::file`]; the caller then writes the schema there first.
    pub needs_schema_file: bool,
}

/// What a program can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Its recent versions report typed events, so that its exit code is not all there is.
    pub typed_events: bool,
    /// It can go on with an earlier session.
    pub resume: bool,
    /// It has a mode that is meant to change nothing.
    pub read_only: bool,
    /// Its recent versions can be held to the form of an answer.
    pub schema: bool,
    /// It reports tokens.
    pub usage: bool,
    /// It reports money.
    pub cost: bool,
}

/// Why a run cannot even be described.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BackendError {
    /// `[backend.command].argv` is empty.
    #[error("start the backend `command`: [backend.command].argv is empty (hint: argv = [\"my-agent\", \"--flag\"])")]
    NoCommand,
    /// A pattern of `[backend.command]` is no regular expression.
    #[error("read [backend.command].{key}: {reason}")]
    Pattern {
        /// `success_pattern` or `failure_pattern`.
        key: &'static str,
        /// What is wrong with it, on one line.
        reason: String,
    },
    /// `[backend.replay].speed` is negative or no number.
    #[error("read [backend.replay].speed: {speed} is not a number from 0 up (hint: 0 plays without waiting)")]
    Speed {
        /// The value.
        speed: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_consistent() {
        for name in BackendName::ALL {
            assert_eq!(backend(name).name(), name);
        }
    }

    #[test]
    fn the_default_clock_runs() {
        assert!((Start::default().now)() > DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap());
    }
}
