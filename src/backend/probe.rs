//! Which version of an agent program is installed.
//!
//! Describes the question and reads the answer; the caller asks and remembers. Invariant: what does not look like a
//! released agent's version is no version at all, so that a wrapper or fake gets only flags that are always valid.

use std::fmt;
use std::time::Duration;

use super::{Invocation, launch};
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
