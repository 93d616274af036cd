//! `autodev task list|next|reset|retry|block`.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;

use super::{block_on, screen};
use crate::engine::look;
use crate::engine::project::Project;
use crate::engine::queue::{self, Change};
use crate::engine::sinks::{Audience, Places, Sinks};
use crate::engine::store::Store;
use crate::logic::depend;
use crate::model::{State, TaskId};
use crate::plan::QueueFile;
use crate::sys;
use crate::view;

const LIST_HELP: &str = "\
Example:
  autodev task list --json | jq -r '.tasks[] | select(.blocked) | .block_reason'";

const NEXT_HELP: &str = "\
Example:
  while autodev task next; do autodev run --max-tasks 1 || break; done";

const RESET_HELP: &str = "\
Work that is committed stays. Examples:
  autodev task reset --dry-run
  autodev task reset --ids P0-1,P0-2";

const RETRY_HELP: &str = "\
Examples:
  autodev task retry --ids P0-2     with its leftovers, so that the agent goes on from there
  autodev task retry --fresh        all of them, from clean ground";

const BLOCK_HELP: &str = "\
Example:
  autodev task block P0-3 'waits for the new schema'";

#[derive(Debug, Subcommand)]
pub(super) enum TaskCommand {
    /// List every task with its status
    #[command(after_help = LIST_HELP)]
    List {
        /// Print JSON: {"counts": {...}, "tasks": [...]}
        #[arg(long)]
        json: bool,
    },
    /// Show the task that comes next; exit code 1 when nothing is pending
    #[command(after_help = NEXT_HELP)]
    Next {
        /// Print JSON: {"task": {...}}
        #[arg(long)]
        json: bool,
    },
    /// Make all tasks (or --ids) pending again, also finished ones; keeps a backup of task.json
    #[command(after_help = RESET_HELP)]
    Reset {
        /// Only these ids, separated by commas
        #[arg(long, value_name = "A,B")]
        ids: Option<String>,
        /// Change nothing, say what would change
        #[arg(long)]
        dry_run: bool,
        /// Print JSON: {"changes": n, "backup": path or null, "dry_run": bool}
        #[arg(long)]
        json: bool,
    },
    /// Make blocked tasks pending again and put their leftovers back; keeps a backup of task.json
    #[command(after_help = RETRY_HELP)]
    Retry {
        /// Only these ids, separated by commas
        #[arg(long, value_name = "A,B")]
        ids: Option<String>,
        /// Change nothing, say what would change
        #[arg(long)]
        dry_run: bool,
        /// Do not put the leftovers back; they stay where `autodev salvage list` shows them
        #[arg(long)]
        fresh: bool,
        /// Print JSON: {"tasks": n, "backup": path or null, "restored": [...], "dry_run": bool}
        #[arg(long)]
        json: bool,
    },
    /// Block a task by hand, so that runs leave it alone until `task retry`
    #[command(after_help = BLOCK_HELP)]
    Block {
        /// Id of the task
        #[arg(value_name = "TASK_ID")]
        id: String,
        /// Why, for people
        reason: String,
        /// Print JSON: {"task": id, "blocked": true, "block_reason": text}
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn main(project: &Project, command: TaskCommand) -> Result<i32> {
    match command {
        TaskCommand::List { json } => list(project, json),
        TaskCommand::Next { json } => next(project, json),
        TaskCommand::Reset { ids, dry_run, json } => reset(project, ids.as_deref(), dry_run, json),
        TaskCommand::Retry { ids, dry_run, fresh, json } => {
            block_on(retry(project, ids.as_deref(), dry_run, fresh, json))
        }
        TaskCommand::Block { id, reason, json } => block(project, &id, &reason, json),
    }
}

fn list(project: &Project, json: bool) -> Result<i32> {
    let state = look::state(project)?;
    let names = Places::of(project).names;
    Sinks::new(project, Audience::Command).refresh(&state);
    if json {
        screen::print_json(&view::task_list::json(&state));
    } else {
        screen::print(&view::task_list::human(&state, &names, &screen::style()));
    }
    Ok(0)
}

fn next(project: &Project, json: bool) -> Result<i32> {
    let file = QueueFile::load(&project.config.files.task_json, &queue::caps(project))?;
    let state = look::state(project)?;
    let next = depend::next(&state).map(|task| task.id.clone());
    let task = next.and_then(|id| file.queue().tasks.iter().find(|task| task.id == id));
    let waiting = depend::waiting(&state);
    if json {
        let value = task.map(|task| file.task_value(&task.id)).transpose()?;
        screen::print_json(&view::task_next::json(value, waiting));
    } else {
        screen::print(&view::task_next::human(task, waiting));
    }
    Ok(i32::from(task.is_none()))
}

fn reset(project: &Project, ids: Option<&str>, dry_run: bool, json: bool) -> Result<i32> {
    refuse_agents(project)?;
    let ids = ids.map(split_ids);
    if dry_run {
        let mut file = QueueFile::load(&project.config.files.task_json, &queue::caps(project))?;
        let changes = file.reset(ids.as_deref());
        if json {
            screen::print_json(&json!({ "changes": changes, "backup": null, "dry_run": true }));
        } else {
            screen::print(&format!("[DRY RUN] Would reset {changes} task state field(s)\n"));
        }
        return Ok(0);
    }
    let Change { count: changes, backup } =
        queue::change(project, "task reset", true, |file| Ok(file.reset(ids.as_deref())))?;
    let backup = backup.map(|path| path.display().to_string());
    if json {
        screen::print_json(&json!({ "changes": changes, "backup": backup, "dry_run": false }));
    } else if let Some(backup) = backup {
        screen::print(&format!("Backup: {backup}\nReset {changes} task state field(s)\n"));
    } else {
        screen::print("Nothing to reset\n");
    }
    Ok(0)
}

async fn retry(project: &Project, ids: Option<&str>, dry_run: bool, fresh: bool, json: bool) -> Result<i32> {
    refuse_agents(project)?;
    let ids = ids.map(split_ids);
    let blocked = blocked_among(&look::state(project)?, ids.as_deref());
    if dry_run {
        let tasks = blocked.len();
        if json {
            screen::print_json(&json!({ "tasks": tasks, "backup": null, "restored": [], "dry_run": true }));
        } else {
            screen::print(&format!("[DRY RUN] Would retry {tasks} blocked task(s)\n"));
        }
        return Ok(0);
    }
    let Change { count: tasks, backup } =
        queue::change(project, "task retry", true, |file| Ok(file.retry(ids.as_deref())))?;
    let restored = if fresh { Vec::new() } else { crate::engine::reopen::put_back(project, &blocked).await? };
    let backup = backup.map(|path| path.display().to_string());
    if json {
        let restored: Vec<_> =
            restored.iter().map(|r| json!({ "task": r.task, "files": r.files, "problem": r.problem })).collect();
        screen::print_json(&json!({ "tasks": tasks, "backup": backup, "restored": restored, "dry_run": false }));
        return Ok(0);
    }
    match backup {
        Some(backup) => screen::print(&format!("Backup: {backup}\nRetrying {tasks} blocked task(s)\n")),
        None => screen::print("No blocked tasks to retry\n"),
    }
    for r in restored {
        match r.problem {
            None => screen::print(&format!("Put back {} file(s) of {}\n", r.files, r.task)),
            Some(problem) => screen::note(&format!("{}: leftovers not put back: {problem}", r.task)),
        }
    }
    Ok(0)
}

fn block(project: &Project, id: &str, reason: &str, json: bool) -> Result<i32> {
    refuse_agents(project)?;
    let id = TaskId::new(id);
    let now = sys::clock::now();
    queue::change(project, "task block", false, |file| file.mark_blocked(&id, reason, now).map(usize::from))?;
    if json {
        screen::print_json(&json!({ "task": id, "blocked": true, "block_reason": reason }));
    } else {
        screen::print(&format!("Blocked {id}: {reason}\n"));
    }
    Ok(0)
}

fn split_ids(text: &str) -> Vec<TaskId> {
    text.split(',').map(TaskId::new).filter(|id| !id.is_empty()).collect()
}

fn blocked_among(state: &State, ids: Option<&[TaskId]>) -> Vec<TaskId> {
    state
        .tasks
        .iter()
        .filter(|task| task.status.blocked && !task.status.passes)
        .filter(|task| ids.is_none_or(|ids| ids.contains(&task.id)))
        .map(|task| task.id.clone())
        .collect()
}

/// An agent's own run must not change what the runner decides.
pub(super) fn refuse_agents(project: &Project) -> Result<()> {
    let Some(run) = sys::env::text("AUTODEV_RUN_ID") else { return Ok(()) };
    if Store::is_active_run(project, &run)? {
        bail!(
            "this process belongs to run {run}: only the runner decides about tasks; say why you are stuck in your last message"
        );
    }
    Ok(())
}
