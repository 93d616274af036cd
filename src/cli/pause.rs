//! `autodev pause` and `autodev resume`.

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::json;

use super::screen;
use super::task::refuse_agents;
use crate::engine::hold;
use crate::engine::project::Project;
use crate::engine::schedule::local_zone;
use crate::logic::schedule::{self, Wish};
use crate::model::{Pause, State};
use crate::sys;

const PAUSE_EXAMPLES: &str = "\
Examples:
  autodev pause                              until `autodev resume`
  autodev pause --for 2h30m                  goes on by itself
  autodev pause --until 07:30 --reason demo  the next 07:30
  autodev pause --now                        does not wait for the attempt under way

It holds for every run of the project within a second, also for one that is started later: no attempt
begins. The attempt under way goes on to its end, is checked and committed; with --now the agent is
stopped, its work stays in the tree and the attempt does not count.";

const RESUME_EXAMPLES: &str = "\
Example:
  autodev resume

Waiting runs go on within a second, unless they wait for a limit or for a window of [schedule] too.";

#[derive(Debug, Args)]
#[command(after_help = PAUSE_EXAMPLES)]
pub(super) struct PauseArguments {
    /// Why, for people
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// End by itself at this time: 07:30, "2026-11-20 07:30" (of this machine), 2026-11-20T07:30:00+01:00
    #[arg(long, value_name = "TIME", conflicts_with = "span")]
    until: Option<String>,
    /// End by itself after this time: 90s, 30m, 2h, 1d, 1h30m
    #[arg(long = "for", value_name = "SPAN")]
    span: Option<String>,
    /// Interrupt the attempt under way as well; it does not count
    #[arg(long)]
    now: bool,
    /// Print JSON: {"paused": true, "since": time, "until": time or null, "reason": text, "running": bool}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = RESUME_EXAMPLES)]
pub(super) struct ResumeArguments {
    /// Print JSON: {"paused": false, "was_paused": bool, "running": bool}
    #[arg(long)]
    json: bool,
}

pub(super) fn pause(project: &Project, arguments: &PauseArguments) -> Result<i32> {
    refuse_agents(project)?;
    let wish = match (&arguments.until, &arguments.span) {
        (Some(text), _) => Some(Wish::Until(text)),
        (None, Some(text)) => Some(Wish::For(text)),
        (None, None) => None,
    };
    let zone = local_zone().ok().and_then(|name| schedule::zone(&name).ok());
    let until = wish.map(|wish| schedule::moment(wish, sys::clock::now(), zone)).transpose().map_err(|e| anyhow!(e))?;
    let hold = hold::hold(project, arguments.reason.trim(), until, arguments.now)?;
    let is_running = project.is_running();
    if arguments.json {
        screen::print_json(&json!({
            "paused": true, "since": hold.since, "until": hold.until, "reason": hold.reason, "running": is_running,
        }));
        return Ok(0);
    }
    let until = hold.until.map_or_else(|| "`autodev resume`".to_owned(), sys::clock::local);
    let what = match (is_running, arguments.now) {
        (false, _) => "No run is under way; one that is started waits.",
        (true, false) => "The attempt under way goes on to its end; no other begins.",
        (true, true) => "The attempt under way is interrupted and does not count; no other begins.",
    };
    screen::print(&format!("Paused until {until}\n{what}\n"));
    Ok(0)
}

pub(super) fn resume(project: &Project, arguments: &ResumeArguments) -> Result<i32> {
    refuse_agents(project)?;
    let (hold, state) = hold::release(project)?;
    let is_running = project.is_running();
    if arguments.json {
        screen::print_json(&json!({ "paused": false, "was_paused": hold.is_some(), "running": is_running }));
        return Ok(0);
    }
    let what = match (hold.is_some(), is_running) {
        (false, _) => "It was not paused by hand",
        (true, true) => "The run goes on",
        (true, false) => "No longer paused; begin with: autodev run",
    };
    screen::print(&format!("{what}\n"));
    if let Some(other) = other_wait(&state).filter(|_| is_running) {
        screen::print(&format!("{other}\n"));
    }
    Ok(0)
}

/// What a run waits for that no person can end.
fn other_wait(state: &State) -> Option<String> {
    let (until, pause) = state.run.pause.as_ref()?;
    let what = match pause {
        Pause::Limit { .. } => "a limit of the service",
        Pause::Window => "a window of [schedule]",
        Pause::Retry | Pause::NextTask | Pause::Recheck | Pause::Held { .. } => return None,
    };
    Some(format!("It still waits for {what}, until {}", sys::clock::local(*until)))
}
