//! `autodev salvage list|show|restore|drop`.

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::json;

use super::{block_on, screen};
use crate::engine::project::Project;
use crate::git::Git;
use crate::sys::lock::{LockNote, RunLock};
use crate::view::table::{self, Cell};

const LIST_HELP: &str = "\
Example:
  autodev salvage list --json | jq -r '.[].files[]'";

const SHOW_HELP: &str = "\
Example:
  autodev salvage show P0-2 | less -R";

const RESTORE_HELP: &str = "\
Files that have changed since the salvage are left alone and named. Not during a run.

Example:
  autodev salvage restore P0-2";

const DROP_HELP: &str = "\
Example:
  autodev salvage drop P0-2         the newest one of that task";

#[derive(Debug, Subcommand)]
pub(super) enum SalvageCommand {
    /// List the leftovers of blocked tasks
    #[command(after_help = LIST_HELP)]
    List {
        /// Print JSON: [{"reference", "task", "at", "base", "files": [...]}]
        #[arg(long)]
        json: bool,
    },
    /// Show what a salvage holds, as a diff against the task's base
    #[command(after_help = SHOW_HELP)]
    Show {
        /// A reference of `salvage list`, or a task id (its newest salvage)
        reference: String,
    },
    /// Write the files of a salvage into the tree; the salvage stays
    #[command(after_help = RESTORE_HELP)]
    Restore {
        /// A reference of `salvage list`, or a task id (its newest salvage)
        reference: String,
        /// Also over files that have changed since
        #[arg(long)]
        force: bool,
    },
    /// Delete a salvage; git may then forget its content
    #[command(after_help = DROP_HELP)]
    Drop {
        /// A reference of `salvage list`
        reference: String,
    },
}

pub(super) fn main(project: &Project, command: SalvageCommand) -> Result<i32> {
    block_on(async {
        project.prepare()?;
        let git = Git::open(&project.config.project.code_dir, &project.temp())
            .await?
            .context("not in a git work tree: there are no salvages")?;
        match command {
            SalvageCommand::List { json } => list(&git, json).await,
            SalvageCommand::Show { reference } => {
                screen::print(&git.salvage_show(&find(&git, &reference).await?).await?);
                Ok(0)
            }
            SalvageCommand::Restore { reference, force } => {
                // A run under way must not find files that nobody of its own wrote.
                let _lock = RunLock::acquire(&project.run_lock(), &LockNote::here("salvage"))?;
                let report = git.salvage_restore(&find(&git, &reference).await?, force).await?;
                screen::print(&format!("Restored {} file(s)\n", report.restored.len()));
                for path in &report.left_alone {
                    screen::note(&format!("left alone: {} ({})", path.path, path.reason));
                }
                Ok(0)
            }
            SalvageCommand::Drop { reference } => {
                let reference = find(&git, &reference).await?;
                git.salvage_drop(&reference).await?;
                screen::print(&format!("Dropped {reference}\n"));
                Ok(0)
            }
        }
    })
}

async fn list(git: &Git, json: bool) -> Result<i32> {
    let entries = git.salvages().await?;
    if json {
        let value: Vec<_> = entries
            .iter()
            .map(|e| json!({ "reference": e.reference, "task": e.task, "at": e.at, "base": e.base, "files": e.files }))
            .collect();
        screen::print_json(&value.into());
        return Ok(0);
    }
    if entries.is_empty() {
        screen::print("No salvages\n");
        return Ok(0);
    }
    let rows: Vec<Vec<Cell>> = entries
        .iter()
        .map(|e| {
            vec![
                Cell::from(e.task.clone()),
                Cell::from(e.files.len().to_string()),
                Cell::from(screen::style().time(e.at)),
                Cell::from(e.reference.clone()),
            ]
        })
        .collect();
    screen::print(&table::render(&["TASK", "FILES", "AT", "REFERENCE"], &rows, &screen::style()));
    Ok(0)
}

/// Takes a reference, or the newest salvage of a task.
async fn find(git: &Git, text: &str) -> Result<String> {
    let entries = git.salvages().await?;
    let exact = entries.iter().find(|e| e.reference == text);
    let of_task = || entries.iter().filter(|e| e.task == text).max_by_key(|e| e.at);
    let found = exact.or_else(of_task).map(|e| e.reference.clone());
    found.with_context(|| format!("no salvage {text}; `autodev salvage list` shows them"))
}
