//! Which version of an agent program is installed.
//!
//! Describes the question and reads the answer; the caller asks and remembers. Invariant: what does not look like a
//! released agent's version is no version at all, so that a wrapper or fake gets only flags that are always valid.

use std::fmt;
use std::time::Duration;

use super::{Invocation, launch};
use crate::logic::health::agent::Age;
use crate::model::{BackendName, Config};

/// How long a program may take to tell its version: opencode needs 4 to 10 s on two busy cores for its first start.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A released version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(
    /// Major.
    pub u32,
    /// Minor.
    pub u32,
    /// Patch.
    pub u32,
);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Returns how to ask a program for its version; `None` for backends whose flags do not depend on it.
/// Only standard output counts, and only when the exit code is 0.
pub fn invocation(name: BackendName, config: &Config) -> Option<Invocation> {
    let program = match name {
        BackendName::Claude => &config.backend.claude.program,
        BackendName::Codex => &config.backend.codex.program,
        BackendName::Gemini => &config.backend.gemini.program,
        BackendName::Opencode => &config.backend.opencode.program,
        BackendName::Command | BackendName::Replay => return None,
    };
    let mut launch = launch::Launch::new(name.as_str(), program, config);
    launch.arg("--version");
    if name == BackendName::Gemini {
        launch.env("GEMINI_CLI_NO_RELAUNCH", "true");
    }
    Some(launch.finish(program, None))
}

/// The list that the tests with real programs go by: name, npm package, newest version tried.
const TRIED: &str = include_str!("../../tests/real_agents/agents.txt");

/// The oldest version that was tried; `None` for backends without a version.
fn oldest(name: BackendName) -> Option<Version> {
    match name {
        BackendName::Claude => Some(Version(2, 0, 76)),
        BackendName::Codex => Some(Version(0, 47, 0)),
        BackendName::Gemini => Some(Version(0, 34, 0)),
        BackendName::Opencode => Some(Version(1, 2, 27)),
        BackendName::Command | BackendName::Replay => None,
    }
}

/// The line of a program in the list: its package and the newest version that was tried.
fn tried(name: BackendName) -> Option<(&'static str, Version)> {
    let mut words = TRIED
        .lines()
        .map(str::split_whitespace)
        .find_map(|mut words| (words.next() == Some(name.as_str())).then_some(words))?;
    Some((words.next()?, version(words.next()?)?))
}

/// Compares a version with those that were tried.
pub fn age(name: BackendName, version: Version) -> Age {
    let (Some(oldest), Some((_, newest))) = (oldest(name), tried(name)) else { return Age::Tried };
    if version < oldest {
        Age::Older(oldest.to_string())
    } else if version <= newest {
        Age::Tried
    } else if version.0 == newest.0 {
        Age::Newer(newest.to_string())
    } else {
        Age::Later(newest.to_string())
    }
}

/// Returns the command that installs a program; empty when it is the user's own.
pub fn install(name: BackendName) -> String {
    tried(name).map(|(package, _)| format!("npm install -g {package}")).unwrap_or_default()
}

/// Reads a version out of what `--version` printed: the first word of the form `1.2.3`, an optional `v` before and
/// a suffix (`-beta.1`, `,`) behind. `None` for anything with fewer parts, such as `codex 1.0`.
pub fn parse_version(output: &str) -> Option<Version> {
    // A program that ignores --version may print anything; its report is not searched for numbers.
    output.lines().take(10).flat_map(|line| line.split_whitespace().take(20)).find_map(version)
}

fn version(word: &str) -> Option<Version> {
    let word = word.strip_prefix('v').unwrap_or(word);
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (numbers, suffix) = word.split_at(end);
    if !(suffix.is_empty() || suffix.starts_with(['-', '+', ',', ')'])) {
        return None;
    }
    let mut parts = numbers.split('.').map(|part| part.parse().ok());
    let version = Version(parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn every_version_is_older_newer_or_among_those_that_were_tried() {
        let name = BackendName::Claude;
        assert_eq!(age(name, Version(2, 0, 75)), Age::Older("2.0.76".into()));
        assert_eq!(age(name, Version(2, 0, 76)), Age::Tried);
        let (package, newest) = tried(name).unwrap();
        assert_eq!(age(name, newest), Age::Tried);
        assert_eq!(age(name, Version(newest.0, newest.1, newest.2 + 1)), Age::Newer(newest.to_string()));
        assert_eq!(age(name, Version(newest.0 + 1, 0, 0)), Age::Later(newest.to_string()));
        assert_eq!(install(name), format!("npm install -g {package}"));
        for name in BackendName::ALL {
            assert_eq!(tried(name).is_some(), oldest(name).is_some(), "{name:?} is in both lists or in none");
        }
        assert_eq!(install(BackendName::Command), "");
    }

    #[test]
    fn versions_of_the_real_programs_are_read_and_others_are_not() {
        let table = [
            ("2.1.329 (Claude Code)\n", Some(Version(2, 1, 329))),
            ("codex-cli 0.169.0\n", Some(Version(0, 169, 0))),
            ("codex-cli 0.48.0-alpha.3", Some(Version(0, 48, 0))),
            ("0.61.0", Some(Version(0, 61, 0))),
            ("warning: something\nv1.18.33", Some(Version(1, 18, 33))),
            ("codex 1.0", None),
            ("fake 0.0", None),
            ("1.2.3.4", None),
            ("1.2.x", None),
            ("1.2.3abc", None),
            ("127.0.0.1", None),
            ("99999999999.0.0", None),
            ("", None),
            ("...", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_version(text), expected, "{text:?}");
        }
        assert_eq!(parse_version(&format!("{}1.2.3", "x\n".repeat(10))), None, "a long report is not searched");
        assert!(Version(0, 47, 9) < Version(0, 48, 0));
    }
}
