//! `autodev run`.

use anyhow::Result;
use clap::Args;

use super::{backend_name, block_on, screen};
use crate::engine::project::Project;
use crate::engine::{self, RunOptions};
use crate::model::BackendName;

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Agent to use: claude, codex, gemini, opencode, command or replay
    #[arg(long, value_name = "NAME", value_parser = backend_name)]
    backend: Option<BackendName>,
    /// Work on at most this many tasks
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    max_tasks: Option<u32>,
    /// Attempts per task
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    max_retries: Option<u32>,
    /// Show what would be done for every pending task; start no agent and change no task
    #[arg(long)]
    dry_run: bool,
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
    for warning in &project.warnings {
        screen::note(&format!("warning: {warning}"));
    }
    let options = RunOptions { dry_run: arguments.dry_run };
    block_on(engine::run(project, options))
}
