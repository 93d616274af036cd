//! `autodev watch`.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::task::refuse_agents;
use super::{block_on, screen};
use crate::engine::project::Project;
use crate::engine::watch::{self, WatchOptions};
use crate::model::config::OnPlan;

const EXAMPLES: &str = "\
Examples:
  autodev watch                          plans dropped into ai-docs/ become tasks
  autodev watch --on-plan run            ... and are worked on
  autodev watch --once                   deal with what is there, then end (for scripts)
  autodev watch --all ~/shop ~/blog      several projects in one process

A plan is Markdown (or what `autodev plan` takes), read when it has not changed for
[watch].debounce_ms. Each content is taken once, whatever happens meanwhile. Edit a plan, and its
tasks that have not begun follow; delete it, and they go. One that cannot become tasks gets a
NAME.error.md beside it. Front matter: title, priority, status: draft, backend, depends_on, budget.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct WatchArguments {
    /// Deal with what is there and end; exit code 1 when a plan needs a person
    #[arg(long)]
    once: bool,
    /// What follows when a plan was queued (default: [watch].on_plan)
    #[arg(long, value_name = "WHAT")]
    on_plan: Option<Follow>,
    /// Watch these projects instead of the one here
    #[arg(long, value_name = "DIR", num_args = 1..)]
    all: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Follow {
    /// Nothing
    Queue,
    /// A run begins, unless one is under way
    Run,
}

pub(super) fn main(config: Option<&Path>, arguments: &WatchArguments) -> Result<i32> {
    let projects = if arguments.all.is_empty() {
        vec![super::open(config)?]
    } else {
        arguments.all.iter().map(|dir| open(dir)).collect::<Result<Vec<_>>>()?
    };
    for project in &projects {
        refuse_agents(project)?;
        for warning in &project.warnings {
            screen::note(&format!("warning: {warning}"));
        }
    }
    let on_plan = arguments.on_plan.map(|follow| match follow {
        Follow::Queue => OnPlan::Queue,
        Follow::Run => OnPlan::Run,
    });
    let options = WatchOptions { once: arguments.once, on_plan };
    block_on(watch::watch(projects, options, Rc::new(screen::note)))
}

/// Opens the project in a directory or above it.
fn open(dir: &Path) -> Result<Project> {
    let absolute = dir.canonicalize().with_context(|| format!("open {}", dir.display()))?;
    Project::open(None, &absolute).with_context(|| format!("open {}", dir.display()))
}
