//! `autodev experiments`.

use anyhow::{Result, bail};
use clap::Args;

use super::screen;
use crate::engine::look;
use crate::engine::project::Project;
use crate::model::TaskId;
use crate::view::experiment::page;

const EXAMPLES: &str = "\
An iterative task tries one change after the other, measures each against the best so far and keeps
what is proved better. This shows what was tried, during a run and afterwards. `Better by` is the
share of the best so far, with the interval it lies in; what is worse is below zero.

Examples:
  autodev experiments P1-1
  autodev experiments --json | jq '.tasks[].experiments[] | select(.decision == \"kept\").commit_sha'
  git show $(autodev experiments P1-1 --json | jq -r '.tasks[0].experiments[-1].commit_sha')";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ExperimentsArguments {
    /// Only this task
    task: Option<String>,
    /// Print JSON: {"tasks": [{"task_id", ..., "experiments": [...]}]}, see docs/files.md
    #[arg(long)]
    json: bool,
}

pub(super) fn main(project: &Project, arguments: &ExperimentsArguments) -> Result<i32> {
    let state = look::state(project)?;
    let mut experiments = look::experiments(project)?;
    if let Some(task) = arguments.task.as_ref().map(TaskId::new) {
        experiments.of.retain(|id, _| *id == task);
        if experiments.of.is_empty() {
            match state.task(&task) {
                None => bail!("there is no task {task}; `autodev task list` shows which there are"),
                Some(row) if row.strategy != "iterative" => bail!(
                    "{task} is worked on until its checks pass, not by experiments: its execution.strategy is {}",
                    row.strategy
                ),
                Some(_) => {}
            }
        }
    }
    if arguments.json {
        screen::print_json(&page::json(&experiments, &state));
    } else {
        screen::print(&page::human(&experiments, &state, &screen::style(), &screen::signs()));
    }
    Ok(0)
}
