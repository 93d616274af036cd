//! `autodev run`.

use anyhow::Result;
use clap::Args;

use super::sessions::{self, Detached};
use super::{backend_name, block_on, screen};
use crate::engine::detach::Launch;
use crate::engine::project::Project;
use crate::engine::{self, RunOptions};
use crate::model::BackendName;

const EXAMPLES: &str = "\
Examples:
  autodev run --dry-run             which tasks are pending, and how their prompts begin
  autodev run --max-tasks 1         one task, to see how it goes
  autodev run --backend codex       another agent than [backend].default
  autodev run --detach              in the background; `attach`, `list` and `stop` find it again
  autodev run --detach=process      the same without tmux
  autodev run 2>run.log             autodev's lines to a file, the agent's words on the screen

Each task has up to --max-retries attempts. After each, autodev runs the task's checks itself; the
next attempt is told what they found. Ctrl-C stops the agent, keeps its work and leaves the task
pending; the second Ctrl-C does not wait. A run that was killed is continued by the next one.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArguments {
    /// Agent to use: claude, codex, gemini, opencode, command or replay (default: [backend].default)
    #[arg(long, value_name = "NAME", value_parser = backend_name)]
    backend: Option<BackendName>,
    /// Begin at most this many tasks (default: [run].max_tasks)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    max_tasks: Option<u32>,
    /// Attempts per task before it is blocked (default: [run].max_retries)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    max_retries: Option<u32>,
    /// Go on when all tasks are done or --max-tasks are: plan what is left, so many epochs in all (default: [run].max_epochs)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Show every pending task and the beginning of its prompt; start no agent, change no task
    #[arg(long)]
    dry_run: bool,
    /// Go on without this terminal: in a tmux session, or as a process of its own; auto, tmux or process (default:
    /// [detach].mode)
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "",
        value_parser = sessions::detached)]
    detach: Option<Detached>,
}

pub(super) fn main(mut project: Project, arguments: &RunArguments) -> Result<i32> {
    let config = &mut project.config;
    if let Some(backend) = arguments.backend {
        config.backend.default = backend;
    }
    if let Some(n) = arguments.max_tasks {
        config.run.max_tasks = n;
    }
    if let Some(n) = arguments.max_retries {
        config.run.max_retries = n;
    }
    if let Some(n) = arguments.epochs {
        config.run.max_epochs = n;
    }
    for warning in &project.warnings {
        screen::note(&format!("warning: {warning}"));
    }
    if let Some(Detached { mode }) = arguments.detach.filter(|_| !engine::detach::is_session()) {
        let lock = Some(project.run_lock());
        return sessions::launch(&Launch { command: "run", project: &project, mode, lock });
    }
    let options = RunOptions { dry_run: arguments.dry_run };
    block_on(engine::run(project, options))
}
