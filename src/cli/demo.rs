//! `autodev demo`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{block_on, screen};
use crate::engine;
use crate::engine::demo;
use crate::engine::project::Project;

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Directory to create; it must not exist or be empty
    #[arg(value_name = "DIR", default_value = "autodev-demo")]
    dir: PathBuf,
    /// How fast the recorded agent plays: 1 as recorded, 0 without waiting
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    speed: f64,
}

pub(super) fn main(arguments: &DemoArguments) -> Result<i32> {
    block_on(async {
        let dir = demo::set_up(&arguments.dir).await?;
        screen::print(&format!(
            "A small project is in {}. A recorded agent now works on its tasks.\n\n",
            dir.display()
        ));
        let mut project = Project::open(None, &dir)?;
        project.config.backend.replay.speed = arguments.speed;
        let code = engine::run(project, engine::RunOptions::default()).await?;
        screen::print(&demo::epilogue(&dir));
        Ok(code)
    })
}
