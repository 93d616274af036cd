//! Where each agent looks for what a project offers it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::model::BackendName;
use crate::sys::env;

/// An agent's places in a project, relative to its root.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The agent.
    pub backend: BackendName,
    /// Its directory.
    pub root: &'static str,
    /// The guide it reads.
    pub guide: &'static str,
    /// The rules that the guide names.
    pub rules: &'static str,
    /// The link to `.skills`.
    pub link: &'static str,
    /// What its own commands install from.
    pub manifests: &'static [Manifest],
}

/// A manifest of a plugin or extension.
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    /// What it is.
    pub label: &'static str,
    /// Where it is.
    pub path: &'static str,
}

/// The plugin and the marketplace that claude installs it from, in this order.
pub const CLAUDE_MANIFESTS: [Manifest; 2] = [
    Manifest { label: "plugin manifest", path: ".claude-plugin/plugin.json" },
    Manifest { label: "marketplace manifest", path: ".claude-plugin/marketplace.json" },
];

/// The directory of the extension that gemini links.
pub const GEMINI_EXTENSION: &str = ".gemini/extensions/autodev-local";

const GEMINI_MANIFESTS: [Manifest; 1] =
    [Manifest { label: "extension manifest", path: ".gemini/extensions/autodev-local/gemini-extension.json" }];

static TOOLS: [Tool; 4] = [
    Tool {
        backend: BackendName::Claude,
        root: ".claude",
        guide: ".claude/CLAUDE.md",
        rules: ".claude/rules/core.md",
        link: ".claude/skills",
        manifests: &CLAUDE_MANIFESTS,
    },
    Tool {
        backend: BackendName::Codex,
        root: ".codex",
        guide: ".codex/AGENTS.md",
        rules: ".codex/rules/core.md",
        link: ".codex/skills",
        manifests: &[],
    },
    Tool {
        backend: BackendName::Gemini,
        root: ".gemini",
        guide: ".gemini/GEMINI.md",
        rules: ".gemini/rules/core.md",
        link: ".gemini/skills",
        manifests: &GEMINI_MANIFESTS,
    },
    Tool {
        backend: BackendName::Opencode,
        root: ".opencode",
        guide: ".opencode/AGENTS.md",
        rules: ".opencode/rules/core.md",
        link: ".opencode/skills",
        manifests: &[],
    },
];

impl Tool {
    /// Returns the places of an agent; `None` for backends that are no agent with places of its own.
    pub fn of(backend: BackendName) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| tool.backend == backend)
    }
}

/// Returns the directory from which an agent reads the skills of this user; `None` for agents with commands of their own,
/// and when there is no home directory.
pub fn user_skills(backend: BackendName) -> Option<PathBuf> {
    user_skills_in(backend, env::raw("HOME").as_deref(), env::raw("XDG_CONFIG_HOME").as_deref())
}

fn user_skills_in(backend: BackendName, home: Option<&OsStr>, config_home: Option<&OsStr>) -> Option<PathBuf> {
    let home = absolute(home)?;
    match backend {
        BackendName::Codex => Some(home.join(".agents/skills")),
        BackendName::Opencode => {
            let config = absolute(config_home).map_or_else(|| home.join(".config"), Path::to_path_buf);
            Some(config.join("opencode/skills"))
        }
        BackendName::Claude | BackendName::Gemini | BackendName::Command | BackendName::Replay => None,
    }
}

/// A relative directory would be another one for each caller; it counts as not set.
fn absolute(value: Option<&OsStr>) -> Option<&Path> {
    value.map(Path::new).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_directories() {
        let of = |backend, home: Option<&str>, config: Option<&str>| {
            user_skills_in(backend, home.map(OsStr::new), config.map(OsStr::new))
        };
        assert_eq!(of(BackendName::Codex, Some("/h"), None), Some("/h/.agents/skills".into()));
        assert_eq!(of(BackendName::Opencode, Some("/h"), None), Some("/h/.config/opencode/skills".into()));
        assert_eq!(of(BackendName::Opencode, Some("/h"), Some("/c")), Some("/c/opencode/skills".into()));
        assert_eq!(of(BackendName::Opencode, Some("/h"), Some("")), Some("/h/.config/opencode/skills".into()));
        assert_eq!(of(BackendName::Codex, Some("h"), None), None);
        assert_eq!(of(BackendName::Codex, None, None), None);
        assert_eq!(of(BackendName::Claude, Some("/h"), None), None);
    }
}
