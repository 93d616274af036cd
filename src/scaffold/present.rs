//! What a project has already, as far as it changes what it gets.

use std::path::Path;

use super::{Files, Tool};
use crate::sys::fs::read_capped;

/// Largest instruction file that is looked at; a larger one counts as empty.
const MOST_BYTES: u64 = 1 << 20;

/// What autodev itself writes into the directory of logs.
const OUR_LOGS: [&str; 8] = [
    ".gitignore",
    "attempts",
    "autodev.log",
    "checks",
    "dashboard.html",
    "experiments.jsonl",
    "hooks",
    "runtime-status.json",
];

/// Instruction files that are there. `None`: not there; a file that cannot be read is empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// AGENTS.md.
    pub agents: Option<String>,
    /// CLAUDE.md.
    pub claude: Option<String>,
    /// .claude/CLAUDE.md.
    pub inner_claude: Option<String>,
    /// .gemini/settings.json.
    pub gemini_settings: Option<String>,
    /// Whether the directory of logs holds what is not autodev's.
    pub has_foreign_logs: bool,
}

impl Present {
    /// Looks at a project, which need not exist.
    pub fn look(dir: &Path, files: &Files) -> Self {
        let text = |name: &str| {
            let path = dir.join(name);
            path.symlink_metadata().ok()?;
            let bytes = read_capped(&path, MOST_BYTES).unwrap_or_default();
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let logs = std::fs::read_dir(dir.join(&files.logs)).into_iter().flatten().flatten();
        let is_ours = |name: &std::ffi::OsStr| OUR_LOGS.iter().any(|ours| name == *ours);
        Self {
            agents: text("AGENTS.md"),
            claude: text("CLAUDE.md"),
            inner_claude: text(".claude/CLAUDE.md"),
            gemini_settings: text(".gemini/settings.json"),
            has_foreign_logs: logs.into_iter().any(|entry| !is_ours(&entry.file_name())),
        }
    }

    /// Whether CLAUDE.md at the root is to be made. Claude Code reads `.claude/CLAUDE.md` beside it, so what that one
    /// includes would be told twice; and with either of them it no longer reads AGENTS.md by itself.
    pub(super) fn wants_claude(&self) -> bool {
        self.claude.is_none() && !self.inner_claude.as_deref().is_some_and(includes_agents)
    }

    /// Whether CLAUDE.md has instructions that AGENTS.md has not. OpenCode reads CLAUDE.md only as long as there is no
    /// AGENTS.md.
    pub(super) fn has_own_claude(&self) -> bool {
        self.claude.as_deref().is_some_and(|text| !includes_agents(text))
    }

    /// Returns what a person has to add to files of theirs, which are left alone.
    pub(super) fn remarks(&self, tools: &[Tool], files: &Files) -> Vec<String> {
        let mut remarks = Vec::new();
        let wants_agents = tools.iter().any(|tool| tool.reads_agents());
        if wants_agents && self.agents.as_deref().is_some_and(|text| !mentions(text, &files.guide)) {
            remarks.push(format!(
                "AGENTS.md is yours and was left alone; add this line to it: \
                 Tasks in this project are run by autodev; read its rules in `{}` first.",
                files.guide
            ));
        }
        if tools.contains(&Tool::Gemini)
            && self.gemini_settings.as_deref().is_some_and(|text| !mentions(text, "AGENTS.md"))
        {
            remarks.push(
                ".gemini/settings.json is yours and was left alone; add this to it: \
                 \"context\": {\"fileName\": [\"AGENTS.md\", \"GEMINI.md\"]}"
                    .to_owned(),
            );
        }
        remarks
    }
}

/// Whether an instruction file of Claude Code includes AGENTS.md of the root.
fn includes_agents(text: &str) -> bool {
    let words = text.split_whitespace().map(|word| word.trim_end_matches(['.', ',', ';', ':', ')']));
    words.into_iter().any(|word| matches!(word, "@AGENTS.md" | "@./AGENTS.md" | "@../AGENTS.md"))
}

/// Whether a text names a file; `MY-AGENT.md` is another one.
fn mentions(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}
