//! `autodev demo`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{block_on, screen};
use crate::engine;
use crate::engine::demo;
use crate::engine::project::Project;
use crate::sys;

/// The directory when none is given.
const NAME: &str = "autodev-demo";

const NOTES: &str = "\
The project is yours to play with afterwards; the last lines of the demo say what to look at.

Example:
  autodev demo /tmp/demo --speed 3";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct DemoArguments {
    /// Directory to create; it must be empty or not exist [default: autodev-demo, autodev-demo-2, ...]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How fast the recorded agent plays: 1 as recorded, 2 twice as fast, 0 without waiting
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    speed: f64,
}

pub(super) fn main(arguments: &DemoArguments) -> Result<i32> {
    block_on(async {
        let dir = arguments.dir.clone().unwrap_or_else(|| demo::free_dir("".as_ref(), NAME));
        let demo = demo::set_up(&dir).await?;
        screen::print(&demo::prologue(&demo));
        let mut project = Project::open(None, &demo.dir)?;
        project.config.backend.replay.speed = arguments.speed;
        let code = Box::pin(engine::run(project, engine::RunOptions::default())).await?;
        screen::print(&demo::epilogue(&demo, &program(), code));
        Ok(code)
    })
}

/// How to call this program again: `autodev` when that is what a shell would find, else its path.
fn program() -> String {
    let Ok(exe) = std::env::current_exe() else { return "autodev".to_owned() };
    let path = sys::env::raw("PATH");
    let found =
        std::env::current_dir().ok().and_then(|dir| sys::which::find("autodev".as_ref(), path.as_deref(), &dir));
    match found.and_then(|found| std::fs::canonicalize(found).ok()) {
        Some(found) if found == exe => "autodev".to_owned(),
        _ => exe.display().to_string(),
    }
}
