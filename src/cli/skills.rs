//! `autodev skills list|recommend|doctor` and `autodev install-skills`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{block_on, screen};
use crate::engine::project::Project;
use crate::engine::skills::{self, Installed};
use crate::skill::{self, Catalogue, Level, Link, LinkOutcome, Skill, Source};
use crate::view::text::{fit, one_line, plural};

#[derive(Debug, Subcommand)]
pub(super) enum SkillsCommand {
    /// List the skills of the nearest `.skills` directory, here or above; without one those inside autodev
    #[command(after_help = "Example:\n  autodev skills list --json | jq -r '.skills[].name'")]
    List {
        /// Print JSON: {"source": directory or null, "skills": [{"directory", "name", "description", "category", "triggers", "problems"}]}
        #[arg(long)]
        json: bool,
    },
    /// Say which skills fit what you want to do, best first
    #[command(after_help = "Example:\n  autodev skills recommend \"write a specification\" --limit 2")]
    Recommend {
        /// What you want to do, in your own words
        query: String,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
        limit: u16,
        /// Print JSON: {"source": directory or null, "skills": [{..., "score": n}]}
        #[arg(long)]
        json: bool,
    },
    /// Check that the skills are there and that the agent in use finds them; exit code 1 when something is wrong
    #[command(after_help = "Example:\n  autodev skills doctor || autodev init")]
    Doctor {
        /// Print JSON: {"rows": [{"level", "label", "detail", "next"}], "summary": {"ok", "warnings", "errors"}}
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn main(config: Option<&Path>, command: &SkillsCommand) -> Result<i32> {
    match command {
        SkillsCommand::List { json } => list(&start(config)?, *json),
        SkillsCommand::Recommend { query, limit, json } => {
            recommend(&start(config)?, query, usize::from(*limit), *json)
        }
        SkillsCommand::Doctor { json } => Ok(doctor(config, &here()?, *json)),
    }
}

pub(super) fn install(project: &Project, json: bool) -> Result<i32> {
    let tool = project.config.backend.default.as_str();
    match block_on(skills::install(project))? {
        Installed::Commands(commands) => {
            if json {
                screen::print_json(&json!({ "tool": tool, "commands": commands }));
            } else {
                let lines: Vec<String> = commands.iter().map(|line| format!("[done] {}\n", one_line(line))).collect();
                screen::print(&lines.concat());
            }
            Ok(0)
        }
        Installed::Links(links) => {
            if json {
                let rows: Vec<Value> = links.iter().map(link_json).collect();
                screen::print_json(&json!({ "tool": tool, "skills": rows }));
            } else {
                screen::print(&links.iter().map(link_line).collect::<Vec<_>>().concat());
            }
            let refused: Vec<&str> = links.iter().filter(|link| is_refused(link)).map(|link| &*link.name).collect();
            if !refused.is_empty() {
                bail!("{} not linked: {}", plural(refused.len(), "skill"), one_line(&refused.join(", ")));
            }
            Ok(0)
        }
    }
}

fn is_refused(link: &Link) -> bool {
    matches!(link.outcome, LinkOutcome::Refused { .. })
}

fn link_line(link: &Link) -> String {
    let more = match &link.outcome {
        LinkOutcome::Linked | LinkOutcome::Existing => String::new(),
        LinkOutcome::Replaced { was } => format!(" (led to {})", was.display()),
        LinkOutcome::Refused { reason } => format!(": {reason}"),
    };
    let text = format!("[{}] {} -> {}{more}", link.outcome.as_str(), link.name, link.target.display());
    format!("{}\n", one_line(&text))
}

fn link_json(link: &Link) -> Value {
    let mut row = json!({
        "name": link.name, "target": link.target.display().to_string(), "outcome": link.outcome.as_str()
    });
    match &link.outcome {
        LinkOutcome::Linked | LinkOutcome::Existing => {}
        LinkOutcome::Replaced { was } => row["was"] = was.display().to_string().into(),
        LinkOutcome::Refused { reason } => row["reason"] = reason.as_str().into(),
    }
    row
}

fn list(start: &Path, json: bool) -> Result<i32> {
    let catalogue = some_skills(start)?;
    if json {
        let rows: Vec<Value> = catalogue.skills.iter().map(skill_json).collect();
        screen::print_json(&json!({ "source": source_json(&catalogue.source), "skills": rows }));
        return Ok(0);
    }
    let mut page = format!("Skills from {}:\n", source(&catalogue.source));
    for skill in &catalogue.skills {
        let category = skill.category.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
        page.push_str(&row(&format!("- {}{category}: {}", skill.directory, skill.description)));
        for problem in &skill.problems {
            page.extend([format!("    problem: {}\n", one_line(problem))]);
        }
    }
    screen::print(&page);
    Ok(0)
}

fn recommend(start: &Path, query: &str, limit: usize, json: bool) -> Result<i32> {
    if query.trim().is_empty() {
        bail!("the query is empty; say what you want to do, for example `autodev skills recommend \"write a spec\"`");
    }
    let catalogue = some_skills(start)?;
    let found = skill::recommend(&catalogue.skills, query, limit);
    if json {
        let rows: Vec<Value> = found
            .iter()
            .map(|one| {
                let mut row = skill_json(one.skill);
                row["score"] = one.score.into();
                row
            })
            .collect();
        screen::print_json(&json!({ "source": source_json(&catalogue.source), "skills": rows }));
    } else if found.is_empty() {
        screen::print(&format!("No skill fits {:?}; `autodev skills list` shows them all\n", one_line(query)));
    } else {
        let rows = found.iter().map(|one| row(&format!("- {}: {}", one.skill.directory, one.skill.description)));
        screen::print(&rows.collect::<Vec<_>>().concat());
    }
    Ok(0)
}

fn doctor(config: Option<&Path>, dir: &Path, json: bool) -> i32 {
    let rows = skills::doctor(config, dir);
    let count = |level: Level| rows.iter().filter(|row| row.level == level).count();
    let (ok, warnings, errors) = (count(Level::Ok), count(Level::Warn), count(Level::Error));
    if json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| json!({ "level": row.level.as_str(), "label": row.label, "detail": row.detail, "next": row.next }))
            .collect();
        let summary = json!({ "ok": ok, "warnings": warnings, "errors": errors });
        screen::print_json(&json!({ "rows": rows, "summary": summary }));
    } else {
        let style = screen::style();
        let mut page = String::new();
        let mut following = rows.iter().skip(1);
        for row in &rows {
            let colour = match row.level {
                Level::Ok => "0;32",
                Level::Warn => "1;33",
                Level::Error => "0;31",
            };
            let level = style.paint(colour, &format!("[{}]", row.level.as_str()));
            page.extend([format!("{level} {}: {}\n", one_line(&row.label), one_line(&row.detail))]);
            // Said once for neighbours that want the same.
            let is_repeated = following.next().is_some_and(|below| below.next == row.next);
            if let Some(next) = row.next.as_ref().filter(|_| !is_repeated) {
                page.extend([format!("    next: {}\n", one_line(next))]);
            }
        }
        page.extend([format!("Summary: {ok} ok, {warnings} warning(s), {errors} error(s)\n")]);
        screen::print(&page);
    }
    i32::from(errors > 0)
}

/// The skills at hand; none at all is an error.
fn some_skills(start: &Path) -> Result<Catalogue> {
    let catalogue = Catalogue::nearest(start)?;
    if catalogue.skills.is_empty() {
        bail!("no skills in {}; a skill is a directory with a SKILL.md", source(&catalogue.source));
    }
    Ok(catalogue)
}

fn skill_json(skill: &Skill) -> Value {
    json!({
        "directory": skill.directory, "name": skill.name, "description": skill.description,
        "category": skill.category, "triggers": skill.triggers, "problems": skill.problems
    })
}

/// A line of its own, cut to the width of a terminal.
fn row(text: &str) -> String {
    let text = one_line(text);
    let text = screen::style().columns.map_or_else(|| text.clone(), |columns| fit(&text, columns));
    format!("{text}\n")
}

fn source(source: &Source) -> String {
    match source {
        Source::Directory(dir) => one_line(&dir.display().to_string()),
        Source::Bundled => "autodev itself (no .skills directory here or above)".to_owned(),
    }
}

fn source_json(source: &Source) -> Option<String> {
    match source {
        Source::Directory(dir) => Some(dir.display().to_string()),
        Source::Bundled => None,
    }
}

fn here() -> Result<PathBuf> {
    std::env::current_dir().context("find the current directory")
}

/// Where the search for `.skills` begins: beside the configuration that was named, else here.
fn start(config: Option<&Path>) -> Result<PathBuf> {
    let here = here()?;
    let Some(config) = config else { return Ok(here) };
    let config = here.join(config);
    if !config.is_file() {
        bail!("find the configuration {}: there is no such file", config.display());
    }
    Ok(config.parent().map_or(here, Path::to_path_buf))
}
