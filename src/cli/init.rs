//! `autodev init`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::screen;
use crate::detect;
use crate::engine::init::{self, InitOptions, Report};
use crate::model::BackendName;
use crate::scaffold::{Skill, SkillFile};
use crate::{skill, sys};

const EXAMPLES: &str = "\
Examples:
  autodev init                      here, for the agent that is installed
  autodev init app --use claude     a new directory, for Claude Code
  autodev init --use codex,gemini   for both; codex is the one that runs
  autodev init --use all            for claude, codex, gemini and opencode

Nothing that exists is changed, so init can be run again: to get back what was deleted, or with
another --use to add an agent. Logs and .autodev/ hide themselves from git; commit the rest.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct InitArguments {
    /// Directory of the project; created when it does not exist
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Name of the project [default: the directory's]
    #[arg(long)]
    name: Option<String>,
    /// Agents: claude, codex, gemini, opencode, command, replay or all; the first becomes [backend].default
    /// [default: what is on PATH, else codex]
    #[arg(long = "use", value_name = "TOOL[,TOOL]")]
    tools: Vec<String>,
    /// Print JSON: {"directory", "created": [...], "remarks": [...], "backend", "tools": [...]}
    #[arg(long)]
    json: bool,
}

pub(super) fn main(arguments: &InitArguments) -> Result<i32> {
    let report = init::init(&InitOptions {
        dir: arguments.directory.clone(),
        name: arguments.name.clone(),
        tools: arguments.tools.clone(),
        skills: bundled_skills(),
        validate_commands: detected_checks(&arguments.directory),
    })?;
    if arguments.json {
        screen::print_json(&json(&report));
        return Ok(0);
    }
    screen::print(&human(&report, std::env::current_dir().ok().as_deref()));
    for remark in &report.remarks {
        screen::note(&format!("note: {remark}"));
    }
    Ok(0)
}

/// The skills that every project gets.
fn bundled_skills() -> Vec<Skill> {
    let file = |file: &skill::BundledFile| SkillFile {
        path: file.path.to_owned(),
        content: file.content.to_vec(),
        is_executable: file.is_executable,
    };
    let skill =
        |skill: &skill::Bundled| Skill { name: skill.name.to_owned(), files: skill.files.iter().map(file).collect() };
    skill::bundled().iter().map(skill).collect()
}

/// The commands that check work in a project of this kind.
fn detected_checks(dir: &Path) -> Vec<String> {
    detect::detect(dir, sys::env::raw("PATH").as_deref()).defaults()
}

fn json(report: &Report) -> serde_json::Value {
    json!({
        "directory": report.dir.display().to_string(),
        "created": report.created,
        "remarks": report.remarks,
        "backend": report.backend.map(BackendName::as_str),
        "tools": report.tools.iter().map(|tool| tool.as_str()).collect::<Vec<_>>(),
    })
}

fn human(report: &Report, here: Option<&Path>) -> String {
    let dir = report.dir.display();
    if report.created.is_empty() {
        return format!("Nothing to do: {dir} has everything already\n");
    }
    let mut text = format!("Created {} in {dir}:\n", counted(report.created.len()));
    for path in &report.created {
        text.extend(["  ", path, "\n"]);
    }
    if let Some(backend) = report.backend {
        let because = report.because.map(|because| format!("{because}; ")).unwrap_or_default();
        text.extend(["\nAgent: ", backend.as_str(), " (", &because, "[backend].default in autodev.toml)\n"]);
    }
    text.push_str("\nNext:\n");
    if here.and_then(|here| std::fs::canonicalize(here).ok()).is_none_or(|here| here != report.dir) {
        let dir = dir.to_string();
        text.extend(["  cd ", &shlex::try_quote(&dir).unwrap_or(dir.as_str().into()), "\n"]);
    }
    text.push_str(
        "  autodev plan \"what is to be done\"   tasks into task.json (or write them by hand)\n\
         \x20 autodev run                         an agent on each task, checks on its work\n",
    );
    text
}

fn counted(n: usize) -> String {
    if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") }
}
