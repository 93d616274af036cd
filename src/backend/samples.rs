//! Test material: captured streams, a complete configuration, a wish for an invocation.

use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use serde_json::json;

use super::{BackendError, Invocation, Parser, Purpose, Request, Schema, Start, Version, backend};
use crate::logic::classify::Digestor;
use crate::model::{BackendName, Config, Final, Said, Usage};

/// A Friday noon.
pub(super) fn start() -> Start {
    fn now() -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-11-20T12:00:00+01:00").unwrap()
    }
    Start { base: Usage::default(), now }
}

pub(super) fn streams() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/streams")
}

/// The lines of one captured stream.
pub(super) fn lines(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(streams().join(format!("{name}.jsonl"))).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

/// The names of all captured streams of standard output, sorted, with the backend that wrote each.
pub(super) fn all() -> Vec<(BackendName, String)> {
    let mut names: Vec<String> = std::fs::read_dir(streams())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".jsonl").map(ToOwned::to_owned))
        .collect();
    names.sort();
    let of = |name: &str| {
        let name = name.strip_prefix("old-").unwrap_or(name);
        BackendName::ALL.into_iter().find(|backend| name.starts_with(backend.as_str())).unwrap()
    };
    names.into_iter().map(|name| (of(&name), name)).collect()
}

pub(super) fn finals(said: &[Said]) -> Vec<&Final> {
    said.iter().filter_map(|said| if let Said::Final(last) = said { Some(last) } else { None }).collect()
}

pub(super) fn usage_of(parser: &mut dyn Parser, lines: &[String]) -> Usage {
    let mut digest = Digestor::default();
    lines.iter().flat_map(|line| parser.line(line)).for_each(|said| digest.add(&said));
    digest.usage
}

/// The built-in defaults.
pub(super) fn config() -> Config {
    let value = json!({
        "project": {"name": "p", "code_dir": "/project", "config_dir": "/project"},
        "backend": {
            "default": "codex",
            "claude": {"skip_permissions": true, "permission_mode": "bypassPermissions", "output_format": "stream-json",
                "model": "", "verbose": true, "program": "", "extra_args": [], "environment": {}},
            "codex": {"model": "", "yolo": true, "full_auto": false, "dangerously_bypass_approvals_and_sandbox": true,
                "ephemeral": false, "program": "", "extra_args": [], "environment": {}},
            "gemini": {"model": "", "approval_mode": "", "include_directories": "", "yolo": true, "output_format": "text",
                "all_files": false, "debug": false, "program": "", "extra_args": [], "environment": {}},
            "opencode": {"model": "", "log_level": "", "format": "default", "permissions": "{\"edit\":\"allow\"}",
                "program": "", "extra_args": [], "environment": {}},
            "command": {"argv": [], "success_pattern": "", "failure_pattern": "", "environment": {}},
            "replay": {"session": "", "speed": 1.0}
        },
        "run": {"max_retries": 3, "max_tasks": 999, "max_epochs": 1, "heartbeat_interval": 20, "delay_between_tasks": 2,
            "keep_attempt_logs": true, "reset_tasks_on_start": false, "attempt_timeout_seconds": 0, "idle_timeout_seconds": 0,
            "root_mode": {"disable_skip_permissions": true, "fallback_permission_mode": "default"}},
        "files": {"task_json": "/project/task.json", "progress": "/project/progress.txt",
            "execution_guide": "/project/AGENT.md", "task_brief": "/project/TASK.md", "log_dir": "/project/logs",
            "attempt_log_subdir": "/project/logs/attempts"},
        "verification": {"min_changed_files": 1, "changed_files_preview_limit": 20, "validate_commands": [],
            "validate_timeout_seconds": 1800, "validate_working_directory": "", "validate_environment": {}},
        "plan": { "timeout_seconds": 600 },
        "reflection": {"enabled": true, "max_refinements_per_task": 3, "prompt_timeout_seconds": 180, "log_tail_lines": 80,
            "max_attempt_history_entries": 12, "max_learning_notes": 20, "max_project_learning_entries": 50,
            "prompt_learning_limit": 6},
        "prompt": {"template_file": "", "template": "", "dir": ""},
        "snapshot": {"watch_dirs": [], "ignore_dirs": [], "ignore_path_globs": [], "include_path_globs": []},
        "circuit_breaker": {"no_progress_threshold": 3, "repeated_error_threshold": 3, "rate_limit_cooldown": 300,
            "rate_limit_patterns": []},
        "git": {"auto_commit": true, "commit_message_template": "", "on_block": "salvage", "experiment_history": "clean"},
        "env_errors": {"halt_patterns": []},
        "detach": {"mode": "auto", "tmux_session_prefix": "autodev"},
        "schedule": {"windows": [], "cron": [], "catch_up_seconds": 86400},
        "watch": {"dirs": [], "globs": [], "debounce_ms": 500, "on_plan": "queue", "mode": "auto", "poll_interval_ms": 2000,
            "rescan_seconds": 60},
        "notify": {"dashboard_url": "", "timeout_seconds": 10, "channels": []}
    });
    let mut config: Config = serde_json::from_value(value).unwrap();
    config.source = "/project/autodev.toml".into();
    config
}

/// A request with the parts that tests change.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) backend: BackendName,
    pub(super) config: Config,
    pub(super) purpose: Purpose,
    pub(super) is_root: bool,
    pub(super) in_git: bool,
    pub(super) version: Option<Version>,
    pub(super) prompt: String,
    pub(super) schema: Option<String>,
    resume: Option<&'static str>,
}

impl Wish {
    pub(super) fn new(backend: BackendName) -> Self {
        Self {
            backend,
            config: config(),
            purpose: Purpose::Attempt,
            is_root: false,
            in_git: true,
            version: None,
            prompt: "do it".into(),
            schema: None,
            resume: None,
        }
    }

    pub(super) fn with(&self, config: Config) -> Self {
        Self { config, ..self.clone() }
    }

    pub(super) fn resume(&self, session: &'static str) -> Self {
        Self { resume: Some(session), ..self.clone() }
    }

    pub(super) fn try_invocation(&self) -> Result<Invocation, BackendError> {
        backend(self.backend).invocation(&Request {
            purpose: self.purpose,
            prompt: &self.prompt,
            config: &self.config,
            is_root: self.is_root,
            in_git: self.in_git,
            version: self.version,
            resume: self.resume,
            prompt_file: Path::new("/tmp/prompt.md"),
            exe: Path::new("/usr/bin/autodev"),
            temp_dir: Path::new("/tmp/run-1"),
            home: Some(Path::new("/home/me")),
            schema: self.schema.as_deref().map(|text| Schema { text, file: Path::new("/tmp/schema.json") }),
        })
    }

    pub(super) fn invocation(&self) -> Invocation {
        self.try_invocation().unwrap()
    }

    /// Program and arguments, separated by spaces.
    pub(super) fn line(&self) -> String {
        line(&self.invocation())
    }
}

pub(super) fn line(invocation: &Invocation) -> String {
    let words = std::iter::once(&invocation.program).chain(&invocation.args);
    words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
}
