//! `autodev verify`.

use anyhow::{Result, bail};
use clap::Args;

use super::{block_on, screen};
use crate::engine::check;
use crate::engine::project::Project;
use crate::model::TaskId;
use crate::view;

const NOTES: &str = "\
The exit code is 0 when all checks pass, else 1. What each command printed is under logs/checks/.

Examples:
  autodev verify P0-1
  autodev verify P0-1 --changed-file src/a.rs     as if just this file had changed";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct VerifyArguments {
    /// Id of the task
    #[arg(value_name = "TASK_ID")]
    id: String,
    /// A file that counts as changed, relative to the code directory; may be repeated. Without it: what the runner
    /// has seen the task change so far
    #[arg(long, value_name = "PATH")]
    changed_file: Vec<String>,
    /// Print JSON: {"status": "passed"|"failed", "task_id", "checks": [...], "errors": [...], "warnings": []}
    #[arg(long)]
    json: bool,
    /// Accepted for compatibility
    #[arg(long, hide = true, value_name = "X")]
    evidence: Vec<String>,
}

pub(super) fn main(project: &Project, arguments: &VerifyArguments) -> Result<i32> {
    let id = TaskId::new(&arguments.id);
    let given: Vec<&str> = arguments.changed_file.iter().map(String::as_str).collect();
    let Some(report) = block_on(check::once(project, &id, &given))? else {
        bail!("unknown task {id}; `autodev task list` shows the ids");
    };
    let has_passed = report.verdict.is_pass();
    if arguments.json {
        screen::print_json(&view::verify::json(&id, &report));
    } else {
        screen::print(&view::verify::text(&id, &report));
    }
    Ok(i32::from(!has_passed))
}
