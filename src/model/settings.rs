//! The part of the configuration that decisions depend on, resolved.

use serde::{Deserialize, Serialize};

use super::Window;

/// What [`crate::logic`] needs to know of the configuration. Recorded when a run starts, so that a replay of the
/// journal decides the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Loop bounds and waits.
    pub limits: Limits,
    /// `[git].auto_commit`, and the project is in a git work tree.
    pub commits: bool,
    /// Whether the project is in a git work tree.
    #[serde(default)]
    pub in_git: bool,
    /// `[git].on_block`; `Keep` whenever the project is not in a git work tree.
    pub on_block: BlockAction,
    /// `run --dry-run`.
    pub dry_run: bool,
    /// When to reflect.
    #[serde(default)]
    pub reflection: ReflectionLimits,
    /// When agents may be started, every zone by its name; none: always.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

/// When a failed attempt is reflected on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReflectionLimits {
    /// `[reflection].enabled`.
    pub is_enabled: bool,
    /// `[reflection].max_refinements_per_task`.
    pub max_refinements: u32,
}

/// Loop bounds and waits of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Charged attempts per task, at least 1.
    pub max_retries: u32,
    /// Tasks per epoch, at least 1.
    pub max_tasks: u32,
    /// Epochs, at least 1.
    pub max_epochs: u32,
    /// Pause after a failed attempt and between tasks.
    pub delay_seconds: u64,
    /// Attempts in a row without a changed file that open the breaker; 0 = never.
    pub no_progress_threshold: u32,
    /// Equal backend failures in a row that open the breaker; 0 = never.
    pub repeated_error_threshold: u32,
    /// First wait after a limit without a stated reset.
    pub rate_limit_cooldown: u64,
}

impl Default for Limits {
    /// The built-in defaults of the reference.
    fn default() -> Self {
        Self {
            max_retries: 3,
            max_tasks: 999,
            max_epochs: 1,
            delay_seconds: 2,
            no_progress_threshold: 3,
            repeated_error_threshold: 3,
            rate_limit_cooldown: 300,
        }
    }
}

/// What happens to the leftovers of a blocked task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockAction {
    /// They go to `refs/autodev/salvage/...` and out of the tree.
    #[default]
    Salvage,
    /// They stay in the tree.
    Keep,
}
