//! What was found: commands, remarks, and what to make of them.

use std::fmt;

use super::site::Site;

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Runs tests.
    Test,
    /// Looks at the code without running it: linters, type checkers, formatters that only compare.
    Lint,
    /// Builds.
    Build,
}

impl Kind {
    /// Returns `test`, `lint` or `build`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Lint => "lint",
            Self::Build => "build",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a command belongs to, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    /// Recipes of a justfile.
    Just,
    /// Targets of a Makefile.
    Make,
    /// Rust.
    Cargo,
    /// package.json, with npm, pnpm, Yarn or Bun.
    Node,
    /// Python.
    Python,
    /// Go.
    Go,
    /// pom.xml.
    Maven,
    /// build.gradle.
    Gradle,
    /// CMake with CTest.
    CMake,
    /// Solutions and projects of .NET.
    Dotnet,
}

impl Ecosystem {
    /// Returns the word that JSON shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Just => "just",
            Self::Make => "make",
            Self::Cargo => "cargo",
            Self::Node => "node",
            Self::Python => "python",
            Self::Go => "go",
            Self::Maven => "maven",
            Self::Gradle => "gradle",
            Self::CMake => "cmake",
            Self::Dotnet => "dotnet",
        }
    }

    /// Whether its commands are what the project itself defined for the purpose, under a name of its own.
    fn is_task_runner(self) -> bool {
        matches!(self, Self::Just | Self::Make)
    }
}

/// A command that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detection {
    /// What it is for.
    pub kind: Kind,
    /// What it belongs to.
    pub ecosystem: Ecosystem,
    /// The command line. The gate can run it without a shell.
    pub run: String,
    /// Where it is run, relative to the directory that was looked at; `.` for that directory.
    pub directory: String,
    /// The file it was derived from, relative to the same directory.
    pub file: String,
    /// The line in that file, from 1.
    pub line: u32,
    /// The programs it needs that are not on PATH; empty when it can be run here.
    pub missing: Vec<String>,
}

impl Detection {
    /// Whether every program it needs is there.
    pub fn is_runnable(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detected {
    /// Tests, then lints, then builds; the preferred ones first within each kind.
    pub commands: Vec<Detection>,
    /// What could not be read or understood, and what to know about a command before it is used. Single lines.
    pub remarks: Vec<String>,
}

/// How many commands a hint names.
const HINTED: usize = 8;

impl Detected {
    /// Returns the test commands that a task without checks of its own should get, at most 2: those that run in the
    /// directory itself and whose programs exist. When the project defines such a target itself, that one alone; else
    /// the preferred command of each ecosystem.
    pub fn defaults(&self) -> Vec<String> {
        let mut chosen: Vec<&Detection> = Vec::new();
        for command in &self.commands {
            let is_usable = command.kind == Kind::Test && command.directory == "." && command.is_runnable();
            let is_covered = chosen.iter().any(|c| c.ecosystem == command.ecosystem || c.ecosystem.is_task_runner());
            if is_usable && !is_covered {
                chosen.push(command);
            }
        }
        chosen.into_iter().take(2).map(|command| command.run.clone()).collect()
    }

    /// Returns a few lines for a planning prompt: which commands there are. Empty when there are none.
    pub fn hint(&self) -> String {
        if self.commands.is_empty() {
            return String::new();
        }
        let mut text = String::from("Commands this project has for its checks (they run without a shell):\n");
        for command in self.commands.iter().take(HINTED) {
            let place = if command.directory == "." { String::new() } else { format!(" in {}", command.directory) };
            let absence = match command.missing.join(", ") {
                missing if missing.is_empty() => String::new(),
                missing => format!("; not installed here: {missing}"),
            };
            let Detection { kind, run, file, line, .. } = command;
            text.extend([format!("- {kind}: `{run}`{place} (from {file}:{line}{absence})\n")]);
        }
        let more = self.commands.len().saturating_sub(HINTED);
        if more > 0 {
            text.extend([format!("- and {more} more\n")]);
        }
        text
    }

    /// Takes over what was found in one place.
    pub(super) fn take(&mut self, site: Site<'_>) {
        let (commands, remarks) = site.into_parts();
        for command in commands {
            if !self.commands.iter().any(|known| known.run == command.run && known.directory == command.directory) {
                self.commands.push(command);
            }
        }
        self.remarks.extend(remarks);
    }

    /// Puts the commands into their order; what was found first stays first among equals.
    pub(super) fn sort(&mut self) {
        self.commands.sort_by_key(|command| (command.kind, command.directory != ".", command.ecosystem));
    }
}
