//! `autodev plan` and `autodev spec`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::source::SourceArguments;
use super::task::refuse_agents;
use super::{backend_name, block_on, screen};
use crate::engine::planning::{self, PlanReport, PlanRequest};
use crate::engine::project::Project;
use crate::model::BackendName;

const PLAN_EXAMPLES: &str = "\
Examples:
  autodev plan --intent \"let users export their notes as Markdown\"
  autodev plan -f docs/specs/export-coca-spec.md      a specification is planned as it is
  autodev plan -f specs/003-export/tasks.md --append  a spec-kit list becomes tasks without a model
  git log -5 | autodev plan                           whatever comes in on standard input

A text that is no COCA specification first becomes one, under docs/specs/. A plan that says enough
(a Markdown checklist, a spec-kit tasks.md, an OpenSpec change, a task-master tasks.json, a ralphex
plan) becomes tasks without asking anybody. The queue that is replaced is kept as task.json.bak.*;
all that the backend printed is kept under logs/plans/.";

const SPEC_EXAMPLES: &str = "\
Examples:
  autodev spec --intent \"let users export their notes as Markdown\"
  autodev spec -f notes.txt -o docs/specs/export.md

Look at what it wrote, correct it, then plan from it: autodev plan -f docs/specs/export.md";

#[derive(Debug, Args)]
#[command(after_help = PLAN_EXAMPLES)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Write here instead of task.json
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Add to the queue instead of replacing it; also while a run is under way
    #[arg(long)]
    append: bool,
    /// Ask the backend also when the plan says enough
    #[arg(long)]
    ask: bool,
    /// Agent to ask (default: [backend].default)
    #[arg(long, value_name = "NAME", value_parser = backend_name)]
    backend: Option<BackendName>,
    /// Print JSON: {"tasks": [{"id", "title"}], "output": path, "backup": path or null, "specification": path or null, "imported": format or null}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = SPEC_EXAMPLES)]
pub(super) struct SpecArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Write here instead of docs/specs/NAME-coca-spec.md
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Agent to ask (default: [backend].default)
    #[arg(long, value_name = "NAME", value_parser = backend_name)]
    backend: Option<BackendName>,
    /// Print JSON: {"output": path, "missing": [headings]}
    #[arg(long)]
    json: bool,
}

pub(super) fn plan(mut project: Project, arguments: &PlanArguments) -> Result<i32> {
    refuse_agents(&project)?;
    let given = arguments.source.read()?;
    if let Some(backend) = arguments.backend {
        project.config.backend.default = backend;
    }
    let request = PlanRequest {
        source: given.source,
        path: given.path,
        ask: arguments.ask,
        append: arguments.append,
        output: arguments.output.clone(),
        mark: None,
    };
    let report = block_on(planning::plan(&project, &request))?;
    for remark in &report.remarks {
        screen::note(remark);
    }
    if arguments.json {
        screen::print_json(&plan_json(&project, &report));
    } else {
        screen::print(&plan_text(&project, &request, &report));
    }
    Ok(0)
}

fn plan_json(project: &Project, report: &PlanReport) -> serde_json::Value {
    let tasks: Vec<_> = report.tasks.iter().map(|(id, title)| json!({"id": id, "title": title})).collect();
    json!({
        "tasks": tasks,
        "output": project.shown(&report.output),
        "backup": report.backup.as_ref().map(|path| project.shown(path)),
        "specification": report.specification,
        "imported": report.imported,
    })
}

fn plan_text(project: &Project, request: &PlanRequest, report: &PlanReport) -> String {
    let mut lines = Vec::new();
    lines.extend(report.specification.as_ref().map(|path| format!("Specification: {path}")));
    let label = &request.source.label;
    lines.push(match report.imported {
        Some(format) => format!("Source: {label} ({format}, taken as it is)"),
        None => format!("Source: {label} (planned by {})", project.config.backend.default.as_str()),
    });
    let what = if request.append { "added to" } else { "written to" };
    lines.push(format!("{} task(s) {what} {}", report.tasks.len(), project.shown(&report.output)));
    lines.extend(report.tasks.iter().map(|(id, title)| format!("  {id}: {title}")));
    lines.extend(report.backup.as_ref().map(|path| format!("The queue before: {}", project.shown(path))));
    lines.push("Next: autodev run --dry-run, then autodev run".to_owned());
    lines.join("\n") + "\n"
}

pub(super) fn spec(mut project: Project, arguments: &SpecArguments) -> Result<i32> {
    let given = arguments.source.read()?;
    if let Some(backend) = arguments.backend {
        project.config.backend.default = backend;
    }
    let report = block_on(planning::spec(&project, &given.source, arguments.output.as_deref()))?;
    let output = project.shown(&report.output);
    if !report.missing.is_empty() {
        let missing = report.missing.join(", ");
        screen::note(&format!("{output}: these headings of a COCA specification are missing: {missing}"));
    }
    if arguments.json {
        screen::print_json(&json!({"output": output, "missing": report.missing}));
    } else {
        let backend = project.config.backend.default.as_str();
        screen::print(&format!("Specification of {} by {backend}:\n  {output}\n", given.source.label));
    }
    Ok(0)
}
