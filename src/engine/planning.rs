//! From what a person wants to a queue: `autodev spec` and `autodev plan`.
//!
//! A text becomes a specification, a specification becomes tasks; a plan that says enough becomes tasks without asking
//! anybody. Invariant: task.json changes only when everything before has succeeded, and what it held is kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::ask::Question;
use super::desk::Desk;
use super::import;
use super::project::Project;
use super::propose::{Proposed, Wish, propose};
use super::queue;
use super::sinks::{Audience, Sinks};
use super::store::Store;
use crate::detect;
use crate::logic::reply;
use crate::model::{EventKind, Inquiry, Limit, Placement, ProcessEnd, TaskId};
use crate::plan::audit::Finding;
use crate::plan::import::Format;
use crate::plan::proposal::{self, Proposal};
use crate::plan::refill::{self, Journal, Taken, Target};
use crate::plan::source::{self, Source};
use crate::plan::{Caps, QueueError, QueueFile};
use crate::prompt::question::{self, PlanInput, SpecInput};
use crate::sys;
use crate::sys::fs::{Durability, write_atomic};
use crate::sys::lock::{LockNote, RunLock};

/// What `autodev plan` is to do.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// What is wanted.
    pub source: Source,
    /// The file or directory it came from, which may be a plan that needs no model.
    pub path: Option<PathBuf>,
    /// Ask the backend even when the plan says enough.
    pub ask: bool,
    /// Add to the queue and keep what is there.
    pub append: bool,
    /// Where to write instead of task.json.
    pub output: Option<PathBuf>,
    /// Put into each task of a plan that comes again and again, by which they are known; see [`super::schedule::MARK`].
    pub mark: Option<String>,
}

/// What `autodev plan` did.
#[derive(Clone, Debug)]
pub struct PlanReport {
    /// The specification that was made on the way, as people read its path.
    pub specification: Option<String>,
    /// The format of a plan that was taken as it is.
    pub imported: Option<&'static str>,
    /// Ids and titles of the new tasks.
    pub tasks: Vec<(TaskId, String)>,
    /// What was written.
    pub output: PathBuf,
    /// Where the queue that was replaced is kept.
    pub backup: Option<PathBuf>,
    /// Remarks for people.
    pub remarks: Vec<String>,
}

/// What `autodev spec` did.
#[derive(Clone, Debug)]
pub struct SpecReport {
    /// What was written.
    pub output: PathBuf,
    /// Headings that are missing.
    pub missing: Vec<&'static str>,
}

/// How often tasks are added anew on top of what somebody else has written meanwhile.
const TRIES: u32 = 50;
/// Where specifications go, below the code directory.
const SPECIFICATIONS: &str = "docs/specs";

/// Text to plan from, and where it is.
struct Basis {
    text: String,
    /// Shown to agents; relative to the code directory when inside; empty when there is no file.
    doc: String,
    /// The specification that was made for it, as `doc`; empty when none was made.
    specification: String,
}

/// Why there is no plan, although everybody was asked.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct NoPlan {
    text: String,
    /// The refusal of the service, when that was the reason.
    pub(super) limit: Option<Limit>,
}

/// Tasks that a model made, and the document that they were made from, as people read its path.
pub(super) struct Asked {
    pub(super) proposal: Proposal,
    pub(super) doc: String,
}

/// Asks for the tasks of a plan, beside a run if there is one, and changes nothing in the queue.
///
/// # Errors
/// [`NoPlan`] when the backend gives no sound plan; otherwise when autodev itself cannot ask.
pub(super) async fn ask_for_tasks(project: &Project, source: &Source) -> Result<Asked> {
    let checks = detect::detect(&project.config.project.code_dir, sys::env::raw("PATH").as_deref());
    let request = PlanRequest { source: source.clone(), path: None, ask: true, append: true, output: None, mark: None };
    let mut desk = Desk::open(project, "plan", true).await?;
    let existing = existing(project, &request)?;
    let basis = basis(&mut desk, project, source).await?;
    let proposal = ask(&mut desk, project, &basis, &request, &checks.hint(), &existing).await?;
    desk.go_on()?;
    Ok(Asked { proposal, doc: basis.doc })
}

/// Makes a specification and writes it.
///
/// # Errors
/// When a run is under way, the backend gives no answer, or the file cannot be written.
pub async fn spec(project: &Project, source: &Source, output: Option<&Path>) -> Result<SpecReport> {
    let mut desk = Desk::open(project, "spec", true).await?;
    let output = match output {
        Some(path) => std::path::absolute(path).with_context(|| format!("find {}", path.display()))?,
        None => specification_path(project, source),
    };
    let text = specify(&mut desk, project, source, &output).await?;
    Ok(SpecReport { output, missing: source::missing_headings(&text) })
}

/// Makes a queue of what is wanted.
///
/// # Errors
/// When a run is under way (unless tasks are only added), the backend gives no sound plan, or task.json cannot be read
/// or written. The queue is as it was then.
pub async fn plan(project: &Project, request: &PlanRequest) -> Result<PlanReport> {
    let checks = detect::detect(&project.config.project.code_dir, sys::env::raw("PATH").as_deref());
    let mut remarks = Vec::new();
    if let Some(path) = request.path.as_deref().filter(|_| !request.ask && !request.source.is_specification()) {
        let defaults = import::defaults(project, &checks);
        match import::read(project, path, &request.source, &defaults)? {
            import::Imported::Plan { format, proposal, notes } => {
                return take(project, request, format, &proposal, notes);
            }
            import::Imported::Lacking(gaps) => remarks.extend(gaps),
            import::Imported::No => {}
        }
    }
    if request.source.text.is_empty() {
        bail!("{}: a directory that holds no plan autodev knows; name a file", request.source.label);
    }
    let mut desk = Desk::open(project, "plan", request.append).await?;
    let existing = existing(project, request)?;
    let basis = basis(&mut desk, project, &request.source).await?;
    let proposal = ask(&mut desk, project, &basis, request, &checks.hint(), &existing).await?;
    desk.go_on()?;
    let planned_from = request.source.planning_source(&basis.text, &basis.doc, &basis.specification);
    let mut report = place(project, &mut desk.store, request, &proposal, &planned_from, &basis.doc, Taken::Renumbered)?;
    report.specification = (!basis.specification.is_empty()).then(|| basis.specification.clone());
    report.remarks = remarks;
    Ok(report)
}

/// Takes a plan as it is.
fn take(
    project: &Project,
    request: &PlanRequest,
    format: Format,
    proposal: &Proposal,
    notes: Vec<String>,
) -> Result<PlanReport> {
    project.prepare()?;
    let is_beside = request.append && project.is_running();
    let _lock = if is_beside { None } else { Some(RunLock::acquire(&project.run_lock(), &LockNote::here("plan"))?) };
    let mut store = Store::open(project, Sinks::new(project, Audience::Command), Store::new_run_id())?;
    let planned_from =
        request.source.planning_source(&request.source.text, &shown_doc(project, &request.source.doc), "");
    // The tasks of a plan that comes again are in the queue since the last time.
    let taken = if request.mark.is_some() { Taken::Renumbered } else { Taken::Refused };
    let mut report = place(project, &mut store, request, proposal, &planned_from, "", taken)?;
    report.imported = Some(format.as_str());
    report.remarks = notes;
    Ok(report)
}

/// A specification is planned from as it is, anything else becomes one first.
async fn basis(desk: &mut Desk, project: &Project, source: &Source) -> Result<Basis> {
    if source.is_specification() {
        let doc = shown_doc(project, &source.doc);
        return Ok(Basis { text: source.text.clone(), doc, specification: String::new() });
    }
    let path = specification_path(project, source);
    let text = specify(desk, project, source, &path).await?;
    let doc = project.shown(&path);
    Ok(Basis { text, doc: doc.clone(), specification: doc })
}

/// Asks for a specification and writes it.
async fn specify(desk: &mut Desk, project: &Project, source: &Source, output: &Path) -> Result<String> {
    let checks = detect::detect(&project.config.project.code_dir, sys::env::raw("PATH").as_deref());
    let hints: Vec<String> = checks.hint().lines().map(str::to_owned).collect();
    let prompt =
        SpecInput { project_name: &project.config.project.name, intent: &source.text, feature_hint: "", hints: &hints }
            .render(&project.config.prompt)?;
    let question = Question {
        inquiry: Inquiry::Spec,
        prompt: &prompt,
        limit: super::limit(project.config.plan.timeout_seconds),
        schema: None,
    };
    let answer = desk.asker.ask(&mut desk.store, &mut desk.tree, &question).await?;
    desk.go_on()?;
    if !answer.report.is_ok {
        let text = format!("{}{}", desk.store.sinks.redact(&answer.trouble()), hint(Some(&answer.report.end), ""));
        bail!(NoPlan { text, limit: limit_of(Some(&answer.report.end)) });
    }
    let text = reply::document(&answer.reply);
    if let Some(dir) = output.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    write_atomic(output, text.as_bytes(), Durability::Synced)?;
    Ok(text)
}

/// Asks for the tasks.
async fn ask(
    desk: &mut Desk,
    project: &Project,
    basis: &Basis,
    request: &PlanRequest,
    checks_hint: &str,
    existing: &[(String, String)],
) -> Result<Proposal> {
    let config = &project.config;
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let (source_doc, spec_doc) = (some(&shown_doc(project, &request.source.doc)), some(&basis.doc));
    let prompt = PlanInput {
        project_name: &config.project.name,
        text: &basis.text,
        is_coca: source::is_specification(&basis.text),
        source_doc: source_doc.as_deref(),
        spec_doc: spec_doc.as_deref(),
        checks_hint,
        path_hints: &[],
        existing,
        example: &proposal::example_text(),
    }
    .render(&config.prompt)?;
    let wish = Wish {
        inquiry: Inquiry::Plan,
        prompt: &prompt,
        limit: super::limit(project.config.plan.timeout_seconds),
        schema: Some(question::PLAN_SCHEMA),
        config: &config.prompt,
    };
    let judge = |plan: &Value, is_last: bool| {
        let proposal = proposal::read(plan).map_err(|findings| texts(&findings))?;
        let taken = if is_last { Vec::new() } else { taken(&proposal, existing) };
        if taken.is_empty() { Ok(proposal) } else { Err(taken) }
    };
    let proposed = propose(&desk.asker, &mut desk.store, &mut desk.tree, &wish, judge).await?;
    desk.go_on()?;
    let trouble = desk.store.sinks.redact(&proposed.trouble());
    let end = match proposed {
        Proposed::Plan(proposal) => return Ok(proposal),
        Proposed::NoAnswer(answer) => Some(answer.report.end),
        Proposed::Unsound { .. } => None,
    };
    let text = format!("{trouble}{}", hint(end.as_ref(), &basis.specification));
    bail!(NoPlan { text, limit: limit_of(end.as_ref()) })
}

fn limit_of(end: Option<&ProcessEnd>) -> Option<Limit> {
    match end {
        Some(ProcessEnd::Limited(limit)) => Some(limit.clone()),
        _ => None,
    }
}

/// What to do after a failure: whoever is refused for now asks again, and a specification that was made is not made again.
fn hint(end: Option<&ProcessEnd>, specification: &str) -> String {
    let when = match end {
        Some(ProcessEnd::Limited(Limit { until: Some(until), .. })) => {
            format!(" after {} UTC", until.format("%Y-%m-%d %H:%M:%S"))
        }
        Some(ProcessEnd::Limited(Limit { until: None, .. })) => " later".to_owned(),
        _ => String::new(),
    };
    match (specification, when.as_str()) {
        ("", "") => String::new(),
        ("", when) => format!("\nhint: nothing has changed; run the command again{when}"),
        (kept, when) => format!("\nhint: the specification is kept; go on{when} with: autodev plan -f {kept}"),
    }
}

fn texts(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// Tasks of a plan that have the id of a task that is there already.
fn taken(proposal: &Proposal, existing: &[(String, String)]) -> Vec<String> {
    let ids = proposal.tasks.iter().filter_map(|task| task.get("id")?.as_str());
    ids.filter(|id| existing.iter().any(|(known, _)| known == id))
        .map(|id| format!("{id}: id: a task of the queue has it; number the new tasks differently"))
        .collect()
}

/// Returns ids and titles of the queue that tasks are to be added to, before anybody is asked.
fn existing(project: &Project, request: &PlanRequest) -> Result<Vec<(String, String)>> {
    let path = output(project, request)?;
    if !request.append || !path.exists() {
        return Ok(Vec::new());
    }
    let file = QueueFile::load(&path, &queue::caps(project))?;
    Ok(file.queue().tasks.iter().map(|task| (task.id.to_string(), task.label().to_owned())).collect())
}

/// Writes the tasks into the queue and journals that.
fn place(
    project: &Project,
    store: &mut Store,
    request: &PlanRequest,
    proposal: &Proposal,
    planning_source: &Map<String, Value>,
    doc: &str,
    taken: Taken,
) -> Result<PlanReport> {
    let marked = request.mark.as_ref().map(|mark| with_mark(proposal, mark));
    let proposal = marked.as_ref().unwrap_or(proposal);
    let path = output(project, request)?;
    let caps = queue::caps(project);
    let wish = refill::Wish { project: &project.config.project.name, planning_source: Some(planning_source), doc };
    let (lock, now) = (project.queue_lock(), sys::clock::now());
    let mut tries = 0;
    let (file, backup) = loop {
        tries += 1;
        let content = match std::fs::read(&path) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let target = Target { path: &path, content: content.as_deref(), caps: &caps };
        if !request.append || content.is_none() {
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
            }
            let mut file = refill::replace(proposal, &wish, &target, Journal::Kept)?;
            // What `init` wrote holds nothing that a plan would take away.
            if content.as_deref().is_some_and(|content| has_no_task(&path, content, &caps)) {
                match file.save(&lock, Durability::Synced) {
                    Ok(_) => break (file, None),
                    Err(QueueError::Changed { .. }) if tries < TRIES => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            let backup = file.supersede(&lock, now, Durability::Synced)?;
            break (file, backup);
        }
        let mut file = refill::append(proposal, &wish, &target, taken)?;
        match file.save(&lock, Durability::Synced) {
            Ok(_) => break (file, None),
            // Somebody else wrote meanwhile; a run does so all the time.
            Err(QueueError::Changed { .. }) if tries < TRIES => {}
            Err(error) => return Err(error.into()),
        }
    };
    let tasks = file.queue().tasks.iter().rev().take(proposal.tasks.len()).rev();
    let tasks: Vec<(TaskId, String)> = tasks.map(|task| (task.id.clone(), task.label().to_owned())).collect();
    if path == project.config.files.task_json {
        store.record(vec![EventKind::Planned {
            source: request.source.label.clone(),
            placement: if request.append { Placement::Appended } else { Placement::Replaced },
            tasks: tasks.iter().map(|(id, _)| id.clone()).collect(),
            backup: backup.as_ref().map(|path| project.shown(path)),
        }])?;
    }
    Ok(PlanReport { specification: None, imported: None, tasks, output: path, backup, remarks: Vec::new() })
}

fn with_mark(proposal: &Proposal, mark: &str) -> Proposal {
    let mut marked = proposal.clone();
    for task in &mut marked.tasks {
        task.insert(super::schedule::MARK.to_owned(), Value::from(mark));
    }
    marked
}

fn has_no_task(path: &Path, content: &[u8], caps: &Caps) -> bool {
    let file = QueueFile::parse(path, content.to_vec(), caps);
    file.is_ok_and(|file| file.queue().tasks.is_empty() && file.queue().journal.is_empty())
}

fn output(project: &Project, request: &PlanRequest) -> Result<PathBuf> {
    match &request.output {
        Some(path) => std::path::absolute(path).with_context(|| format!("find {}", path.display())),
        None => Ok(project.config.files.task_json.clone()),
    }
}

fn specification_path(project: &Project, source: &Source) -> PathBuf {
    project.config.project.code_dir.join(SPECIFICATIONS).join(source.specification_name())
}

/// A document as agents and task.json name it: relative to the code directory when inside.
fn shown_doc(project: &Project, doc: &str) -> String {
    if doc.is_empty() { String::new() } else { project.shown(Path::new(doc)) }
}
