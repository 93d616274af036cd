//! The one table of what may stand in autodev.toml.
//!
//! Checks, environment overrides and suggestions all read [`KEYS`]; defaults and explanations are in
//! `templates/defaults.toml`, and a test holds the two together. No value is read here.

use Kind::{Flag, List, Path, Paths, Real, Records, Recurrences, Table, Text, Whole};
use Rule::{Any, Glob, NotEmpty, OneOf, Regex, Window};

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number from `least` to 4 294 967 295.
    Whole {
        /// The smallest that is allowed.
        least: u32,
    },
    /// A finite number, 0 or more.
    Real,
    /// A string.
    Text(Rule),
    /// A string that names a file or directory.
    Path(Rule),
    /// An array of strings; the rule is for each of them.
    List(Rule),
    /// An array of paths.
    Paths,
    /// Names and scalars; the scalars become text.
    Table,
    /// An array of tables, each with `at`, the times of a cron line, and `plan`, a file.
    Recurrences,
    /// An array of tables, each with some of these fields.
    Records(&'static [Field]),
}

/// A field of a table in an array of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds: text, a path, or a list.
    pub kind: Kind,
    /// Whether every such table must have it.
    pub is_required: bool,
}

/// What a string must be beside a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing else.
    Any,
    /// At least one character.
    NotEmpty,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A regular expression (syntax of the `regex` crate), or empty.
    Regex,
    /// A glob (syntax of the `globset` crate), not empty.
    Glob,
    /// A window of the schedule.
    Window,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Path of its section, for example `backend.claude`.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

impl Key {
    /// Returns the name of the variable that overrides it, for example `AUTODEV_RUN_MAX_RETRIES`.
    pub fn variable(&self) -> String {
        format!("AUTODEV_{}_{}", self.section.replace('.', "_"), self.name).to_uppercase()
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}].{}", self.section, self.name)
    }
}

/// The sections in the order of the documentation. The parent of a nested section is itself a section.
pub const SECTIONS: [&str; 23] = [
    "project",
    "backend",
    "backend.claude",
    "backend.codex",
    "backend.gemini",
    "backend.opencode",
    "backend.command",
    "backend.replay",
    "run",
    "run.root_mode",
    "files",
    "verification",
    "plan",
    "watch",
    "reflection",
    "prompt",
    "snapshot",
    "circuit_breaker",
    "git",
    "env_errors",
    "detach",
    "schedule",
    "notify",
];

const BACKENDS: Rule = OneOf(&["claude", "codex", "gemini", "opencode", "command", "replay"]);
const PERMISSION_MODES: Rule = OneOf(&["bypassPermissions", "dontAsk", "default"]);
const OUTPUT_FORMATS: Rule = OneOf(&["text", "json", "stream-json"]);
const HISTORIES: Rule = OneOf(&["clean", "revert-commits"]);
const BLOCK_ACTIONS: Rule = OneOf(&["salvage", "keep"]);
const ON_PLAN: Rule = OneOf(&["queue", "run"]);
const WATCH_MODES: Rule = OneOf(&["auto", "native", "poll"]);
const DETACH_MODES: Rule = OneOf(&["auto", "tmux", "process"]);
const CHANNEL_KINDS: Rule = OneOf(&["desktop", "webhook", "slack", "discord", "telegram", "ntfy", "email"]);
const TOPICS: Rule = OneOf(&["task_completed", "task_blocked", "run_finished", "limit_wait", "environment_error"]);
const COUNT: Kind = Whole { least: 0 };
const AT_LEAST_ONE: Kind = Whole { least: 1 };

const fn key(section: &'static str, name: &'static str, kind: Kind) -> Key {
    Key { section, name, kind }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, is_required: false }
}

/// The fields of `[[notify.channels]]`. Which kind of channel knows and needs which is in `channel`.
pub const CHANNEL: &[Field] = &[
    Field { name: "kind", kind: Text(CHANNEL_KINDS), is_required: true },
    field("name", Text(NotEmpty)),
    field("events", List(TOPICS)),
    field("url", Text(NotEmpty)),
    field("url_env", Text(NotEmpty)),
    field("secret", Text(NotEmpty)),
    field("secret_env", Text(NotEmpty)),
    field("token", Text(NotEmpty)),
    field("token_env", Text(NotEmpty)),
    field("chat_id", Text(NotEmpty)),
    field("to", List(NotEmpty)),
    field("from", Text(NotEmpty)),
    field("program", Text(NotEmpty)),
    field("ca_file", Path(NotEmpty)),
];

/// Every key, section by section in the order of [`SECTIONS`].
pub const KEYS: &[Key] = &[
    key("project", "name", Text(Any)),
    key("project", "code_dir", Path(Any)),
    key("project", "config_dir", Path(Any)),
    key("backend", "default", Text(BACKENDS)),
    key("backend.claude", "skip_permissions", Flag),
    key("backend.claude", "permission_mode", Text(PERMISSION_MODES)),
    key("backend.claude", "output_format", Text(OUTPUT_FORMATS)),
    key("backend.claude", "model", Text(Any)),
    key("backend.claude", "verbose", Flag),
    key("backend.claude", "program", Text(Any)),
    key("backend.claude", "extra_args", List(Any)),
    key("backend.claude", "environment", Table),
    key("backend.codex", "model", Text(Any)),
    key("backend.codex", "yolo", Flag),
    key("backend.codex", "full_auto", Flag),
    key("backend.codex", "dangerously_bypass_approvals_and_sandbox", Flag),
    key("backend.codex", "ephemeral", Flag),
    key("backend.codex", "program", Text(Any)),
    key("backend.codex", "extra_args", List(Any)),
    key("backend.codex", "environment", Table),
    key("backend.gemini", "model", Text(Any)),
    key("backend.gemini", "approval_mode", Text(Any)),
    key("backend.gemini", "include_directories", Text(Any)),
    key("backend.gemini", "yolo", Flag),
    key("backend.gemini", "output_format", Text(OUTPUT_FORMATS)),
    key("backend.gemini", "all_files", Flag),
    key("backend.gemini", "debug", Flag),
    key("backend.gemini", "program", Text(Any)),
    key("backend.gemini", "extra_args", List(Any)),
    key("backend.gemini", "environment", Table),
    key("backend.opencode", "model", Text(Any)),
    key("backend.opencode", "log_level", Text(Any)),
    key("backend.opencode", "format", Text(Any)),
    key("backend.opencode", "permissions", Text(Any)),
    key("backend.opencode", "program", Text(Any)),
    key("backend.opencode", "extra_args", List(Any)),
    key("backend.opencode", "environment", Table),
    key("backend.command", "argv", List(Any)),
    key("backend.command", "success_pattern", Text(Regex)),
    key("backend.command", "failure_pattern", Text(Regex)),
    key("backend.command", "environment", Table),
    key("backend.replay", "session", Path(Any)),
    key("backend.replay", "speed", Real),
    key("run", "max_retries", AT_LEAST_ONE),
    key("run", "max_tasks", AT_LEAST_ONE),
    key("run", "max_epochs", AT_LEAST_ONE),
    key("run", "heartbeat_interval", COUNT),
    key("run", "delay_between_tasks", COUNT),
    key("run", "keep_attempt_logs", Flag),
    key("run", "reset_tasks_on_start", Flag),
    key("run", "attempt_timeout_seconds", COUNT),
    key("run", "idle_timeout_seconds", COUNT),
    key("run.root_mode", "disable_skip_permissions", Flag),
    key("run.root_mode", "fallback_permission_mode", Text(PERMISSION_MODES)),
    key("files", "task_json", Path(NotEmpty)),
    key("files", "progress", Path(NotEmpty)),
    key("files", "execution_guide", Path(NotEmpty)),
    key("files", "task_brief", Path(NotEmpty)),
    key("files", "log_dir", Path(Any)),
    key("files", "attempt_log_subdir", Path(Any)),
    key("verification", "min_changed_files", COUNT),
    key("verification", "changed_files_preview_limit", COUNT),
    key("verification", "validate_commands", List(NotEmpty)),
    key("verification", "validate_timeout_seconds", AT_LEAST_ONE),
    key("verification", "validate_working_directory", Path(Any)),
    key("verification", "validate_environment", Table),
    key("plan", "timeout_seconds", COUNT),
    key("watch", "dirs", Paths),
    key("watch", "globs", List(Glob)),
    key("watch", "debounce_ms", Whole { least: 20 }),
    key("watch", "on_plan", Text(ON_PLAN)),
    key("watch", "mode", Text(WATCH_MODES)),
    key("watch", "poll_interval_ms", Whole { least: 50 }),
    key("watch", "rescan_seconds", AT_LEAST_ONE),
    key("reflection", "enabled", Flag),
    key("reflection", "max_refinements_per_task", COUNT),
    key("reflection", "prompt_timeout_seconds", COUNT),
    key("reflection", "log_tail_lines", COUNT),
    key("reflection", "max_attempt_history_entries", COUNT),
    key("reflection", "max_learning_notes", COUNT),
    key("reflection", "max_project_learning_entries", COUNT),
    key("reflection", "prompt_learning_limit", COUNT),
    key("prompt", "template_file", Path(Any)),
    key("prompt", "template", Text(Any)),
    key("prompt", "dir", Path(Any)),
    key("snapshot", "watch_dirs", Paths),
    key("snapshot", "ignore_dirs", List(NotEmpty)),
    key("snapshot", "ignore_path_globs", List(Glob)),
    key("snapshot", "include_path_globs", List(Glob)),
    key("circuit_breaker", "no_progress_threshold", COUNT),
    key("circuit_breaker", "repeated_error_threshold", COUNT),
    key("circuit_breaker", "rate_limit_cooldown", COUNT),
    key("circuit_breaker", "rate_limit_patterns", List(NotEmpty)),
    key("git", "auto_commit", Flag),
    key("git", "commit_message_template", Text(NotEmpty)),
    key("git", "on_block", Text(BLOCK_ACTIONS)),
    key("git", "experiment_history", Text(HISTORIES)),
    key("env_errors", "halt_patterns", List(NotEmpty)),
    key("detach", "mode", Text(DETACH_MODES)),
    key("detach", "tmux_session_prefix", Text(Any)),
    key("schedule", "windows", List(Window)),
    key("schedule", "cron", Recurrences),
    key("schedule", "catch_up_seconds", COUNT),
    key("notify", "dashboard_url", Text(Any)),
    key("notify", "timeout_seconds", AT_LEAST_ONE),
    key("notify", "channels", Records(CHANNEL)),
];

/// Returns the position in [`KEYS`] of a section's key.
pub fn position(section: &str, name: &str) -> Option<usize> {
    KEYS.iter().position(|key| key.section == section && key.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_has_a_section_and_a_variable_of_its_own() {
        let variables: BTreeSet<String> = KEYS.iter().map(Key::variable).collect();
        assert_eq!(variables.len(), KEYS.len());
        let used: BTreeSet<&str> = KEYS.iter().map(|key| key.section).collect();
        assert_eq!(used, BTreeSet::from(SECTIONS));
        assert!(variables.contains("AUTODEV_RUN_ROOT_MODE_DISABLE_SKIP_PERMISSIONS"));
        assert!(variables.contains("AUTODEV_BACKEND_CODEX_MODEL"));
    }

    #[test]
    fn the_backends_are_those_of_the_model() {
        let names: Vec<&str> = crate::model::BackendName::ALL.iter().map(|name| name.as_str()).collect();
        assert_eq!(BACKENDS, OneOf(names.leak()));
    }

    #[test]
    fn the_words_of_channels_are_those_of_the_model() {
        let kinds: Vec<&str> = crate::model::ChannelKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(CHANNEL_KINDS, OneOf(kinds.leak()));
        let topics: Vec<&str> = crate::model::Topic::CHOICE.iter().map(|topic| topic.as_str()).collect();
        assert_eq!(TOPICS, OneOf(topics.leak()));
    }
}
