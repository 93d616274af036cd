//! `autodev doctor`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::{backend_name, block_on, screen};
use crate::engine::doctor::{self, Wish};
use crate::logic::health;
use crate::model::BackendName;
use crate::view;

const MORE: &str = "\
Looks at autodev.toml, task.json, the repository, the agent programs and this machine, and changes
nothing. Each row has a level: ok, warn (a run begins, but something may not go as wished) or error
(a run does not begin, or gets nothing done). Below it stands what to do about it.

Examples:
  autodev doctor                    everything that costs nothing
  autodev doctor --backend codex    as if [backend].default were codex
  autodev doctor --deep             ask the agent one short question as well: it costs some tokens

Exit code 0 without errors, 1 with at least one.";

#[derive(Debug, Args)]
#[command(after_help = MORE)]
pub(super) struct DoctorArguments {
    /// Agent that a run would use: claude, codex, gemini, opencode, command or replay (default: [backend].default)
    #[arg(long, value_name = "NAME", value_parser = backend_name)]
    backend: Option<BackendName>,
    /// Ask that agent one real question, which costs a few tokens
    #[arg(long)]
    deep: bool,
    /// Print JSON: {"rows": [{"group", "label", "level", "found", "next"}], "summary": {"ok", "warnings", "errors"}}
    #[arg(long)]
    json: bool,
}

pub(super) fn main(config: Option<PathBuf>, arguments: &DoctorArguments) -> Result<i32> {
    let dir = std::env::current_dir().context("find the current directory")?;
    if arguments.deep {
        screen::note("asking the agent one short question: this costs a few tokens");
    }
    let wish = Wish { config, dir, backend: arguments.backend, deep: arguments.deep };
    let Some(rows) = block_on(doctor::examine(wish))? else {
        screen::note("stopped by a signal");
        return Ok(130);
    };
    if arguments.json {
        screen::print_json(&view::doctor::json(&rows));
    } else {
        screen::print(&view::doctor::text(&rows, &screen::style()));
    }
    Ok(i32::from(health::summary(&rows).errors > 0))
}
