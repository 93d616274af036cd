//! `autodev log`.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use super::screen;
use crate::engine::project::Project;
use crate::journal::Journal;
use crate::model::{Event, TaskId};
use crate::view::journal_line::Lines;

/// How often a followed journal is looked at.
const LOOK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  autodev log -n 20 --follow        the last events, and those to come
  autodev log P0-1                  the story of one task
  autodev log --json | jq 'select(.kind == \"gate_ended\")'";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct LogArguments {
    /// Only events of this task
    task: Option<String>,
    /// Go on with new events until stopped with Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// One JSON object per line: {"seq", "at", "run", "kind", ...}, see docs/files.md
    #[arg(long)]
    json: bool,
    /// Only the last N events
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<usize>,
}

pub(super) fn main(project: &Project, arguments: &LogArguments) -> Result<i32> {
    let Some(journal) = Journal::open_existing(&project.journal())? else {
        bail!("{} does not exist: nothing has been run here yet", project.journal().display());
    };
    let task = arguments.task.as_ref().map(TaskId::new);
    let mut lines = Lines::new(screen::style());
    let mut seq = 0;
    let mut shown = Vec::new();
    journal.read_after(seq, &mut |event| {
        seq = event.seq;
        shown.extend(line(&mut lines, &event, task.as_ref(), arguments.json));
    })?;
    let skip = arguments.lines.map_or(0, |n| shown.len().saturating_sub(n));
    for text in shown.drain(..).skip(skip) {
        screen::print(&text);
    }
    if !arguments.follow {
        return Ok(0);
    }
    let mut version = None;
    loop {
        let now = journal.version()?;
        if version != Some(now) {
            version = Some(now);
            journal.read_after(seq, &mut |event| {
                seq = event.seq;
                if let Some(text) = line(&mut lines, &event, task.as_ref(), arguments.json) {
                    screen::print(&text);
                }
            })?;
        }
        std::thread::sleep(LOOK);
    }
}

fn line(lines: &mut Lines, event: &Event, task: Option<&TaskId>, json: bool) -> Option<String> {
    let line = lines.line(event);
    if task.is_some() && line.task.as_ref() != task {
        return None;
    }
    let text = if json { serde_json::to_string(event).unwrap_or_default() } else { line.text };
    Some(text + "\n")
}
