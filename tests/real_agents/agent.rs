//! The agent programs: where they are, and how each is pointed at a server on loopback.
//!
//! Everything goes through autodev.toml as a user would write it: model, `extra_args`, `environment`. The programs'
//! own retries are kept short, so that autodev's waiting is what is tested.

use std::path::PathBuf;

use crate::harness::skipped;

/// One of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    Claude,
    Codex,
    Gemini,
    Opencode,
}

impl Agent {
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
        }
    }

    /// The pinned version.
    pub fn version(self) -> &'static str {
        let line = include_str!("agents.txt").lines().find(|line| line.split_whitespace().next() == Some(self.name()));
        line.and_then(|line| line.split_whitespace().nth(2)).unwrap()
    }

    /// The directory of the installed program. `None`, with a visible line, when it is absent and not required.
    pub fn bin_dir(self) -> Option<PathBuf> {
        let root = std::env::var_os("AUTODEV_AGENTS_DIR").map_or_else(
            || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/autodev-agents"),
            PathBuf::from,
        );
        let dir = root.join(format!("{}-{}", self.name(), self.version())).join("node_modules/.bin");
        if dir.join(self.name()).exists() {
            return Some(dir);
        }
        skipped(self.name(), &format!("{} is not in {} (.ci/agents puts it there)", self.version(), dir.display()));
        None
    }

    /// How many requests one attempt makes before the program gives up on a service that refuses it.
    pub fn tries(self) -> u32 {
        match self {
            Self::Claude | Self::Codex | Self::Gemini => 1,
            // It cannot be told otherwise.
            Self::Opencode => 6,
        }
    }

    /// Whether it tells what a run cost.
    pub fn tells_cost(self) -> bool {
        matches!(self, Self::Claude | Self::Opencode)
    }

    /// How many of the two ways to change a file (a shell, a tool that writes) it offers its model while it is only asked.
    /// What is offered is refused when it is used.
    pub fn tools_when_asked(self) -> usize {
        match self {
            Self::Claude | Self::Codex => 2,
            Self::Gemini => 1,
            Self::Opencode => 0,
        }
    }

    /// The section of autodev.toml for a server on this port.
    pub fn section(self, port: u16) -> String {
        let base = format!("http://127.0.0.1:{port}");
        match self {
            Self::Claude => format!(
                r#"[backend.claude.environment]
ANTHROPIC_BASE_URL = "{base}"
ANTHROPIC_API_KEY = "test-key"
CLAUDE_CODE_MAX_RETRIES = "0"
DISABLE_TELEMETRY = "1"
DISABLE_ERROR_REPORTING = "1"
DISABLE_UPDATES = "1"
IS_SANDBOX = "1"
[run.root_mode]
disable_skip_permissions = false
"#
            ),
            Self::Codex => format!(
                r#"[backend.codex]
model = "gpt-5.5"
extra_args = [
    "-c", 'model_provider="scripted"',
    "-c", 'model_providers.scripted={{name="scripted",base_url="{base}/v1",env_key="SCRIPTED_KEY",wire_api="responses",request_max_retries=0,stream_max_retries=0}}',
    "-c", "check_for_update_on_startup=false",
    "-c", "analytics.enabled=false",
    "-c", "features.plugins=false",
    "-c", 'web_search="disabled"',
]
[backend.codex.environment]
SCRIPTED_KEY = "test-key"
"#
            ),
            Self::Gemini => format!(
                r#"[backend.gemini]
model = "gemini-2.5-pro"
[backend.gemini.environment]
GEMINI_API_KEY = "test-key"
GOOGLE_GEMINI_BASE_URL = "{base}"
GEMINI_TELEMETRY_ENABLED = "false"
"#
            ),
            Self::Opencode => format!(
                r#"[backend.opencode]
model = "scripted/test-model"
[backend.opencode.environment]
OPENCODE_DISABLE_AUTOUPDATE = "1"
OPENCODE_DISABLE_MODELS_FETCH = "1"
OPENCODE_DISABLE_LSP_DOWNLOAD = "1"
OPENCODE_DISABLE_DEFAULT_PLUGINS = "1"
OPENCODE_DISABLE_SHARE = "1"
npm_config_registry = "http://127.0.0.1:9/"
OPENCODE_CONFIG_CONTENT = '''{{"autoupdate": false, "share": "disabled", "snapshot": false,
  "enabled_providers": ["scripted"], "model": "scripted/test-model", "small_model": "scripted/test-model",
  "provider": {{"scripted": {{"npm": "@ai-sdk/openai-compatible",
    "options": {{"baseURL": "{base}/v1", "apiKey": "test-key"}},
    "models": {{"test-model": {{"limit": {{"context": 200000, "output": 8192}}, "cost": {{"input": 1, "output": 2}}}}}}}}}}}}'''
"#
            ),
        }
    }

    /// Files that the program wants in the home directory: path and content.
    pub fn home_files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Claude | Self::Codex | Self::Opencode => &[],
            Self::Gemini => &[(
                ".gemini/settings.json",
                r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": false},
                    "telemetry": {"enabled": false}, "general": {"enableAutoUpdate": false, "maxAttempts": 1}}"#,
            )],
        }
    }
}
