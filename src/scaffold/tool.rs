//! The agent programs that have files of their own in a project.

use crate::model::BackendName;

/// An agent program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// OpenCode.
    Opencode,
}

impl Tool {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Claude, Self::Codex, Self::Gemini, Self::Opencode];

    /// Returns the tool of a backend; `None` for a backend that needs no files.
    pub fn of(backend: BackendName) -> Option<Self> {
        match backend {
            BackendName::Claude => Some(Self::Claude),
            BackendName::Codex => Some(Self::Codex),
            BackendName::Gemini => Some(Self::Gemini),
            BackendName::Opencode => Some(Self::Opencode),
            BackendName::Command | BackendName::Replay => None,
        }
    }

    /// Returns the backend that runs it.
    pub fn backend(self) -> BackendName {
        match self {
            Self::Claude => BackendName::Claude,
            Self::Codex => BackendName::Codex,
            Self::Gemini => BackendName::Gemini,
            Self::Opencode => BackendName::Opencode,
        }
    }

    /// Returns the name of the program.
    pub fn as_str(self) -> &'static str {
        self.backend().as_str()
    }

    /// Returns the name that people know.
    pub fn label(self) -> &'static str {
        match self {
            Self::Claude => "Claude Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Opencode => "OpenCode",
        }
    }

    /// Returns its directory in a project.
    pub fn root(self) -> &'static str {
        match self {
            Self::Claude => ".claude",
            Self::Codex => ".codex",
            Self::Gemini => ".gemini",
            Self::Opencode => ".opencode",
        }
    }

    /// Returns the name of the guide in that directory.
    pub(super) fn guide(self) -> &'static str {
        match self {
            Self::Claude => "CLAUDE.md",
            Self::Codex | Self::Opencode => "AGENTS.md",
            Self::Gemini => "GEMINI.md",
        }
    }

    /// Returns in a sentence what the program itself looks for, as seen in real runs of Claude Code 2.1, Codex 0.169,
    /// Gemini CLI 0.61 and OpenCode 1.18.
    pub(super) fn reads(self) -> &'static str {
        match self {
            Self::Claude => {
                "Claude Code reads `CLAUDE.md`, this file and `rules/` by itself, and finds skills in `.claude/skills`."
            }
            Self::Codex => {
                "Codex reads `AGENTS.md` at the root of the project by itself, and finds skills in `.codex/skills` and \
                 `.agents/skills`."
            }
            Self::Gemini => {
                "Gemini CLI reads what `context.fileName` in `.gemini/settings.json` names, at the root of the project, and \
                 finds skills in `.gemini/skills`."
            }
            Self::Opencode => {
                "OpenCode reads `AGENTS.md` at the root of the project by itself, and finds skills in `.opencode/skills` and \
                 `.agents/skills`."
            }
        }
    }

    /// Whether it reads AGENTS.md as long as that is there (Gemini CLI: with the settings that it gets).
    pub(super) fn reads_agents(self) -> bool {
        match self {
            Self::Claude => false,
            Self::Codex | Self::Gemini | Self::Opencode => true,
        }
    }

    /// Whether it gets skills in `.agents/skills` as well, where more and more programs look. Gemini CLI looks there too,
    /// but warns about every skill that it finds in two places.
    pub(super) fn shares_skills(self) -> bool {
        match self {
            Self::Claude | Self::Gemini => false,
            Self::Codex | Self::Opencode => true,
        }
    }
}
