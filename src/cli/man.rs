//! `autodev man`: the help texts as manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap_mangen::Man;

use super::{public, screen};
use crate::sys::fs::{Context as _, Durability, write_atomic};

const EXAMPLES: &str = "\
Examples:
  autodev man | man -l -                        read the main page
  autodev man --out ~/.local/share/man/man1     install all pages; then `man autodev-task-retry`";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ManArguments {
    /// Write autodev.1 and one page for each command into this directory, which is made when needed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn main(arguments: &ManArguments) -> Result<i32> {
    let mut command = public().disable_help_subcommand(true);
    command.build();
    let Some(dir) = &arguments.out else {
        screen::print(&page(&command)?);
        return Ok(0);
    };
    fs::create_dir_all(dir).at("create", dir)?;
    let mut commands = vec![&command];
    let mut count = 0;
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        let name = Man::new(command.clone()).get_filename();
        write_atomic(&dir.join(name), page(command)?.as_bytes(), Durability::Cached)?;
        count += 1;
    }
    screen::print(&format!("Wrote {count} pages to {}\n", dir.display()));
    Ok(0)
}

/// A page in roff.
fn page(command: &clap::Command) -> Result<String> {
    let mut text = Vec::new();
    Man::new(command.clone()).manual("autodev").render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
