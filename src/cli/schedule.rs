//! `autodev schedule`.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::task::refuse_agents;
use super::{block_on, screen};
use crate::engine::look;
use crate::engine::project::Project;
use crate::engine::schedule::{self, Fired, Recurring};
use crate::logic;
use crate::model::Firing;
use crate::sys;
use crate::view;
use crate::view::schedule::Schedule;

const EXAMPLES: &str = "\
Examples:
  autodev schedule           are agents allowed to work now, and which plan comes when
  autodev schedule --fire    add the plans to the queue whose time has come, each time once

Recurring plans ([schedule].cron) come while a process watches the project. Where none does, let a
timer of the system call `autodev schedule --fire`, every minute if you like.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ScheduleArguments {
    /// Queue the plans that are due; exit code 1 when one could not be queued
    #[arg(long)]
    fire: bool,
    /// Print JSON: {"windows", "open", "until", "paused", "plans"}; with --fire {"fired": [...]}; see docs/files.md
    #[arg(long)]
    json: bool,
}

pub(super) fn main(project: &Project, arguments: &ScheduleArguments) -> Result<i32> {
    if arguments.fire {
        return fire(project, arguments.json);
    }
    let state = look::state(project)?;
    let windows = schedule::windows(&project.config)?;
    let plans = schedule::plans(project, &state)?;
    let standing = logic::schedule::standing(&windows, sys::clock::now());
    let schedule = Schedule { windows: &windows, standing, hold: state.hold.as_ref(), plans: &plans };
    if arguments.json {
        screen::print_json(&view::schedule::json(&schedule));
    } else {
        screen::print(&view::schedule::human(&schedule, &screen::style()));
    }
    Ok(0)
}

fn fire(project: &Project, json: bool) -> Result<i32> {
    refuse_agents(project)?;
    let fired = match Recurring::open(project)? {
        Some(mut recurring) => block_on(recurring.fire_due(async |fire| schedule::queue_plan(project, fire).await))?,
        None => Vec::new(),
    };
    if json {
        let turns: Vec<_> = fired.iter().map(turn).collect();
        screen::print_json(&json!({ "fired": turns }));
    } else if fired.is_empty() {
        screen::print("No plan is due\n");
    } else {
        for Fired { fire, outcome } in &fired {
            screen::print(&view::schedule::turn(&fire.entry, fire.due, outcome, &screen::style()));
        }
    }
    Ok(i32::from(fired.iter().any(|fired| matches!(fired.outcome, Firing::Failed { .. }))))
}

fn turn(fired: &Fired) -> serde_json::Value {
    let (tasks, problem) = match &fired.outcome {
        Firing::Queued { tasks } => (tasks.as_slice(), None),
        Firing::Failed { reason } => (&[][..], Some(reason)),
    };
    json!({ "entry": fired.fire.entry, "due": fired.fire.due, "tasks": tasks, "problem": problem })
}
