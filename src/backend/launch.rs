//! Puts an [`Invocation`] together: what is the same for every agent program.
//!
//! Invariant: the user's own arguments come after ours, the user's own environment replaces ours.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::probe::Version;
use super::{Invocation, Purpose, Request, Schema};
use crate::model::Config;
use crate::model::config::ProgramConfig;

/// The versions of a program that know a flag. Flags are data, because they come and go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    since: Version,
    before: Option<Version>,
}

impl Span {
    pub(super) const fn since(since: Version) -> Self {
        Self { since, before: None }
    }

    pub(super) const fn before(before: Version) -> Self {
        Self { since: Version(0, 0, 0), before: Some(before) }
    }

    /// Whether a version lies inside. An unknown one never does.
    pub(super) fn holds(self, version: Option<Version>) -> bool {
        version.is_some_and(|v| v >= self.since && self.before.is_none_or(|before| v < before))
    }

    /// Whether a version lies inside or is unknown: for flags that are always given when asked for.
    pub(super) fn may_hold(self, version: Option<Version>) -> bool {
        version.is_none() || self.holds(version)
    }
}

/// An invocation in the making.
#[derive(Debug, Default)]
pub(super) struct Launch {
    invocation: Invocation,
}

impl Launch {
    pub(super) fn new(name: &str, program: &ProgramConfig, config: &Config) -> Self {
        let program = if program.program.is_empty() { name } else { &program.program };
        Self::of(resolved(program, config))
    }

    pub(super) fn of(program: OsString) -> Self {
        Self { invocation: Invocation { program, ..Invocation::default() } }
    }

    pub(super) fn arg(&mut self, arg: impl AsRef<OsStr>) {
        self.invocation.args.push(arg.as_ref().to_owned());
    }

    pub(super) fn args<const N: usize>(&mut self, args: [&str; N]) {
        self.invocation.args.extend(args.map(OsString::from));
    }

    /// Adds a flag with its value when the value is not empty.
    pub(super) fn option(&mut self, flag: &str, value: &str) {
        if !value.is_empty() {
            self.args([flag, value]);
        }
    }

    pub(super) fn env(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.invocation.env.retain(|(known, _)| known != name);
        self.invocation.env.push((name.into(), value.as_ref().to_owned()));
    }

    pub(super) fn env_remove(&mut self, name: &str) {
        self.invocation.env_remove.push(name.into());
    }

    pub(super) fn make_dir(&mut self, dir: PathBuf) {
        self.invocation.make_dirs.push(dir);
    }

    pub(super) fn needs_prompt_file(&mut self) {
        self.invocation.needs_prompt_file = true;
    }

    pub(super) fn needs_schema_file(&mut self) {
        self.invocation.needs_schema_file = true;
    }

    /// Adds the user's arguments. Called where our own options end.
    pub(super) fn extra(&mut self, program: &ProgramConfig) {
        self.invocation.args.extend(program.extra_args.iter().map(OsString::from));
    }

    /// Adds the user's environment and the prompt.
    pub(super) fn finish(mut self, program: &ProgramConfig, request: Option<&Request<'_>>) -> Invocation {
        for (name, value) in &program.environment {
            self.env(name, value);
            self.invocation.env_remove.retain(|removed| removed != name.as_str());
        }
        self.invocation.stdin = request.map(|request| request.prompt.as_bytes().to_vec());
        self.invocation
    }
}

/// A name is searched in PATH; a path with `/` is relative to the directory of autodev.toml.
pub(super) fn resolved(program: &str, config: &Config) -> OsString {
    let path = Path::new(program);
    match config.source.parent() {
        Some(dir) if program.contains('/') && path.is_relative() => dir.join(path).into_os_string(),
        _ => program.into(),
    }
}

/// Returns the session to resume when it can safely be an argument: an agent chose this text.
pub(super) fn session<'a>(request: &Request<'a>) -> Option<&'a str> {
    request.resume.filter(|id| is_session_id(id))
}

/// Returns the form that an answer must have; work on a task has none.
pub(super) fn schema<'a>(request: &Request<'a>) -> Option<Schema<'a>> {
    request.schema.filter(|_| request.purpose != Purpose::Attempt)
}

/// Whether a text looks like a session id of any known agent: letters, digits, `-`, `_`, `.`, at most 128 of them,
/// and no leading `-`, which would be read as a flag.
pub(super) fn is_session_id(id: &str) -> bool {
    let is_plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    is_plain && (1..=128).contains(&id.len()) && !id.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_could_be_a_flag_is_no_session() {
        for good in ["ses_e0741a09bffeaIq2P0Aa33yLqS", "01a1f8be-e30a-71f2-ab56-402a6f2c776c", "a.b"] {
            assert!(is_session_id(good), "{good}");
        }
        for bad in ["", "--yolo", "-", "a b", "a\n", "../x", "ä", &"x".repeat(129)] {
            assert!(!is_session_id(bad), "{bad}");
        }
    }

    #[test]
    fn an_unknown_version_lies_in_no_span() {
        let span = Span { since: Version(1, 0, 0), before: Some(Version(2, 0, 0)) };
        assert!(span.holds(Some(Version(1, 0, 0))) && span.holds(Some(Version(1, 99, 0))));
        assert!(!span.holds(Some(Version(2, 0, 0))) && !span.holds(Some(Version(0, 9, 9))) && !span.holds(None));
        assert!(span.may_hold(None) && !span.may_hold(Some(Version(2, 0, 0))));
    }
}
