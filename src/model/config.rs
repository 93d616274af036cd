//! The configuration as the rest of the program sees it: complete, checked, every path absolute.
//!
//! Section and key names, types and defaults are those of the reference's autodev.toml (section 2 of its
//! description) unless a field says otherwise. The `config` room fills it in; nothing else creates one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{BlockAction, ChannelConfig};

/// A complete configuration. One field per section of autodev.toml.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Config {
    /// `[project]`.
    pub project: ProjectConfig,
    /// `[backend]`.
    pub backend: BackendConfig,
    /// `[run]`.
    pub run: RunConfig,
    /// `[files]`.
    pub files: FilesConfig,
    /// `[verification]` (or the older `[gate]`).
    pub verification: VerificationConfig,
    /// `[plan]`.
    pub plan: PlanConfig,
    /// `[watch]`.
    pub watch: WatchConfig,
    /// `[reflection]`.
    pub reflection: ReflectionConfig,
    /// `[prompt]`.
    pub prompt: PromptConfig,
    /// `[snapshot]`.
    pub snapshot: SnapshotConfig,
    /// `[circuit_breaker]`.
    pub circuit_breaker: BreakerConfig,
    /// `[git]`.
    pub git: GitConfig,
    /// `[env_errors]`.
    pub env_errors: EnvErrorsConfig,
    /// `[detach]`.
    pub detach: DetachConfig,
    /// `[schedule]`.
    pub schedule: ScheduleConfig,
    /// `[notify]`.
    pub notify: NotifyConfig,
    /// The autodev.toml this came from. Not a key.
    #[serde(skip)]
    pub source: PathBuf,
}

/// `[project]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct ProjectConfig {
    /// Display name.
    pub name: String,
    /// Where agents and checks work. Absolute.
    pub code_dir: PathBuf,
    /// Where `.autodev/` (journal, snapshots, lock) is. Absolute.
    pub config_dir: PathBuf,
}

/// `[backend]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct BackendConfig {
    /// Which backend `run` uses.
    pub default: BackendName,
    /// `[backend.claude]`.
    pub claude: ClaudeConfig,
    /// `[backend.codex]`.
    pub codex: CodexConfig,
    /// `[backend.gemini]`.
    pub gemini: GeminiConfig,
    /// `[backend.opencode]`.
    pub opencode: OpencodeConfig,
    /// `[backend.command]`: any program.
    pub command: CommandConfig,
    /// `[backend.replay]`: a recorded session.
    pub replay: ReplayConfig,
}

/// The backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendName {
    /// Claude Code.
    Claude,
    /// Codex CLI.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// OpenCode.
    Opencode,
    /// Any program.
    Command,
    /// A recorded session.
    Replay,
}

impl BackendName {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 6] = [Self::Claude, Self::Codex, Self::Gemini, Self::Opencode, Self::Command, Self::Replay];

    /// Returns the name used in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Command => "command",
            Self::Replay => "replay",
        }
    }
}

/// What every real agent program has: where it is and what to add. Keys of ours; the reference has none of them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct ProgramConfig {
    /// `program`: name or path; empty means the backend's own name. A path with `/` is relative to autodev.toml.
    pub program: String,
    /// `extra_args`: added after our own options.
    pub extra_args: Vec<String>,
    /// `environment`: set for the agent only.
    pub environment: BTreeMap<String, String>,
}

/// `[backend.claude]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct ClaudeConfig {
    /// Pass `--dangerously-skip-permissions`.
    pub skip_permissions: bool,
    /// `bypassPermissions`, `dontAsk` or `default`.
    pub permission_mode: String,
    /// `text`, `json` or `stream-json`.
    pub output_format: String,
    /// Empty: the program's own choice.
    pub model: String,
    /// Pass `--verbose`; always on with `stream-json`.
    pub verbose: bool,
    /// `program`, `extra_args`, `environment`.
    #[serde(flatten)]
    pub program: ProgramConfig,
}

/// `[backend.codex]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct CodexConfig {
    /// Empty: the program's own choice.
    pub model: String,
    /// Pass `--yolo`.
    pub yolo: bool,
    /// Pass `--full-auto` (older versions only; newer ones get the same through `-c`).
    pub full_auto: bool,
    /// Pass `--dangerously-bypass-approvals-and-sandbox`.
    pub dangerously_bypass_approvals_and_sandbox: bool,
    /// Pass `--ephemeral`.
    pub ephemeral: bool,
    /// `program`, `extra_args`, `environment`.
    #[serde(flatten)]
    pub program: ProgramConfig,
}

/// `[backend.gemini]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct GeminiConfig {
    /// Empty: the program's own choice.
    pub model: String,
    /// Passed as `--approval-mode` unless `yolo`.
    pub approval_mode: String,
    /// Passed as `--include-directories`.
    pub include_directories: String,
    /// Pass `--yolo`.
    pub yolo: bool,
    /// `text`, `json`, or `stream-json` (ours: typed events and token counts).
    pub output_format: String,
    /// Pass `--all-files`.
    pub all_files: bool,
    /// Pass `--debug`.
    pub debug: bool,
    /// `program`, `extra_args`, `environment`.
    #[serde(flatten)]
    pub program: ProgramConfig,
}

/// `[backend.opencode]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct OpencodeConfig {
    /// Empty: the program's own choice.
    pub model: String,
    /// `OPENCODE_LOG_LEVEL`, when not empty.
    pub log_level: String,
    /// Passed as `--format` unless empty or `default`.
    pub format: String,
    /// JSON for `OPENCODE_PERMISSION`.
    pub permissions: String,
    /// `program`, `extra_args`, `environment`.
    #[serde(flatten)]
    pub program: ProgramConfig,
}

/// `[backend.command]`: any program that reads a prompt on standard input.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct CommandConfig {
    /// Program and arguments; `{prompt_file}` in an argument becomes the path of a file with the prompt. A program
    /// with `/` is relative to autodev.toml, stored absolute.
    pub argv: Vec<String>,
    /// Regular expression that the output must contain for success; empty: the exit code decides alone.
    pub success_pattern: String,
    /// Regular expression that must not occur in the output; empty: none.
    pub failure_pattern: String,
    /// Set for the program only.
    pub environment: BTreeMap<String, String>,
}

/// `[backend.replay]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct ReplayConfig {
    /// Recorded session; relative to autodev.toml, stored absolute. Empty: the embedded demo session.
    pub session: PathBuf,
    /// 1.0 plays with the recorded timing, 2.0 twice as fast, 0 without waiting.
    pub speed: f64,
}

/// `[run]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct RunConfig {
    /// Attempts per task, at least 1.
    pub max_retries: u32,
    /// Tasks per epoch, at least 1.
    pub max_tasks: u32,
    /// Epochs, at least 1.
    pub max_epochs: u32,
    /// Seconds; 0 = no heartbeat.
    pub heartbeat_interval: u64,
    /// Seconds.
    pub delay_between_tasks: u64,
    /// Whether the logs of successful attempts stay on disk.
    pub keep_attempt_logs: bool,
    /// Whether `run` first resets every task.
    pub reset_tasks_on_start: bool,
    /// Wall limit of one attempt; 0 = none.
    pub attempt_timeout_seconds: u64,
    /// Ends an attempt that shows no sign of life for so long; 0 = none.
    pub idle_timeout_seconds: u64,
    /// `[run.root_mode]`.
    pub root_mode: RootModeConfig,
}

/// `[run.root_mode]`: what changes for claude when autodev runs as root.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct RootModeConfig {
    /// Drop `--dangerously-skip-permissions`.
    pub disable_skip_permissions: bool,
    /// Replaces permission modes `default` and `bypassPermissions`.
    pub fallback_permission_mode: String,
}

/// `[files]`. All absolute.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct FilesConfig {
    /// The queue.
    pub task_json: PathBuf,
    /// The progress log.
    pub progress: PathBuf,
    /// Rules for agents (AGENT.md).
    pub execution_guide: PathBuf,
    /// The active task (TASK.md).
    pub task_brief: PathBuf,
    /// Directory of logs and status files.
    pub log_dir: PathBuf,
    /// Directory of attempt logs.
    pub attempt_log_subdir: PathBuf,
}

/// `[verification]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct VerificationConfig {
    /// How many files a task must change.
    pub min_changed_files: u32,
    /// How many changed files are named in the log.
    pub changed_files_preview_limit: u32,
    /// For tasks without commands of their own.
    pub validate_commands: Vec<String>,
    /// Seconds, at least 1.
    pub validate_timeout_seconds: u64,
    /// Relative to `code_dir`, or absolute; empty = `code_dir`.
    pub validate_working_directory: String,
    /// Values are text; numbers and booleans in the file are turned into text.
    pub validate_environment: BTreeMap<String, String>,
}

/// `[plan]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct PlanConfig {
    /// Seconds for each question of `plan`, `spec` and planning anew; 0: any time.
    pub timeout_seconds: u64,
}

/// `[watch]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct WatchConfig {
    /// Where plans are dropped. Absolute.
    pub dirs: Vec<PathBuf>,
    /// Which files below them are plans, by their path from the directory; those after a `!` are none.
    pub globs: Vec<String>,
    /// Milliseconds for which a file must have looked the same, at least 20.
    pub debounce_ms: u64,
    /// What follows when a plan was queued.
    pub on_plan: OnPlan,
    /// How changes are noticed.
    pub mode: WatchMode,
    /// Milliseconds between two looks where the file system reports no changes, at least 50.
    pub poll_interval_ms: u64,
    /// Seconds between two looks in any case, at least 1.
    pub rescan_seconds: u64,
}

/// What follows when a plan was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnPlan {
    /// Nothing; somebody runs the queue when they like.
    Queue,
    /// A run begins, unless one is under way.
    Run,
}

/// How changes of files are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchMode {
    /// By the operating system where it can tell, else by looking.
    Auto,
    /// By the operating system.
    Native,
    /// By looking from time to time.
    Poll,
}

/// `[reflection]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct ReflectionConfig {
    /// Whether failed attempts are reflected on.
    pub enabled: bool,
    /// Per task.
    pub max_refinements_per_task: u32,
    /// Seconds.
    pub prompt_timeout_seconds: u64,
    /// Lines of the attempt log shown.
    pub log_tail_lines: u32,
    /// Cap of `attempt_history`.
    pub max_attempt_history_entries: u32,
    /// Cap of `learning_notes`.
    pub max_learning_notes: u32,
    /// Cap of `learning_journal`.
    pub max_project_learning_entries: u32,
    /// Journal entries shown in prompts.
    pub prompt_learning_limit: u32,
}

/// `[prompt]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct PromptConfig {
    /// Used when the file exists. Absolute, or empty.
    pub template_file: PathBuf,
    /// Used when there is no file and this is not empty.
    pub template: String,
    /// Directory of templates that replace built-in ones. Absolute, or empty.
    pub dir: PathBuf,
}

/// `[snapshot]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct SnapshotConfig {
    /// Absolute.
    pub watch_dirs: Vec<PathBuf>,
    /// Directory names or paths that are not walked.
    pub ignore_dirs: Vec<String>,
    /// Globs of paths that do not count.
    pub ignore_path_globs: Vec<String>,
    /// When not empty, only these count.
    pub include_path_globs: Vec<String>,
}

/// `[circuit_breaker]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct BreakerConfig {
    /// Attempts in a row without a changed file; 0 = off.
    pub no_progress_threshold: u32,
    /// Equal backend failures in a row; 0 = off.
    pub repeated_error_threshold: u32,
    /// Seconds.
    pub rate_limit_cooldown: u64,
    /// Case-insensitive substrings.
    pub rate_limit_patterns: Vec<String>,
}

/// `[git]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct GitConfig {
    /// Commit each completed task.
    pub auto_commit: bool,
    /// With `{task_id}` and `{task_name}`.
    pub commit_message_template: String,
    /// `on_block` (ours): `salvage` or `keep`.
    pub on_block: BlockAction,
    /// `experiment_history` (ours): `clean` or `revert-commits`.
    pub experiment_history: ExperimentHistory,
}

/// What the history shows of changes that iterative tasks put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExperimentHistory {
    /// Nothing: they are kept under `refs/autodev/experiments/`.
    #[default]
    Clean,
    /// A commit of the change and one that reverts it.
    RevertCommits,
}

/// `[env_errors]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct EnvErrorsConfig {
    /// Case-insensitive substrings.
    pub halt_patterns: Vec<String>,
}

/// `[detach]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct DetachConfig {
    /// What `run --detach` uses.
    pub mode: DetachMode,
    /// Start of session names.
    pub tmux_session_prefix: String,
}

/// `[schedule]` (ours).
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct ScheduleConfig {
    /// When agents may be started; empty: always. Each is what `logic::schedule::window` reads.
    pub windows: Vec<String>,
    /// Plans that come again and again.
    pub cron: Vec<CronConfig>,
    /// Seconds; a plan that was missed and is older is not made up for.
    pub catch_up_seconds: u32,
}

/// One of `[schedule].cron`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct CronConfig {
    /// What `logic::schedule::recurrence` reads.
    pub at: String,
    /// The plan. Absolute.
    pub plan: PathBuf,
}

/// What keeps a detached command going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DetachMode {
    /// tmux where it is installed, else a process.
    #[default]
    Auto,
    /// A tmux session.
    Tmux,
    /// A process without a terminal.
    Process,
}

impl DetachMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Tmux, Self::Process];

    /// Returns the word in autodev.toml and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Tmux => "tmux",
            Self::Process => "process",
        }
    }
}

/// `[notify]` (ours).
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct NotifyConfig {
    /// Where people find the dashboard; empty: notices name the file.
    pub dashboard_url: String,
    /// Longest time one delivery may take, in seconds, at least 1.
    pub timeout_seconds: u64,
    /// Who is told what.
    pub channels: Vec<ChannelConfig>,
}
