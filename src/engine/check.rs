//! `autodev verify`: the checks of one task, once, without an agent and without a trace in the queue.

use anyhow::Result;

use super::project::Project;
use super::signals::Stop;
use super::store::Store;
use super::tree::Tree;
use super::{look, queue};
use crate::gate::{self, GateInput};
use crate::logic::judge::Reference;
use crate::model::{Change, ChangeKind, GateReport, RelPath, TaskId};
use crate::plan::QueueFile;
use crate::sys;

/// Runs the checks; `None` for an id that no task has. Without `given` paths, what the task has changed since it began
/// counts, if it has begun.
///
/// # Errors
/// When task.json cannot be read, the logs cannot be written, or a signal stops it.
pub async fn once(project: &Project, id: &TaskId, given: &[&str]) -> Result<Option<GateReport>> {
    let file = QueueFile::load(&project.config.files.task_json, &queue::caps(project))?;
    let Some(task) = file.queue().tasks.iter().find(|task| &task.id == id) else { return Ok(None) };
    let changed = if given.is_empty() {
        since_base(project, id)?
    } else {
        given.iter().map(|path| Change { path: RelPath::from(*path), kind: ChangeKind::Modified }).collect()
    };
    let log_dir = gate::log_dir(&project.config.files.log_dir, id, 0, sys::clock::now());
    let redactor = project.redactor();
    let input = GateInput {
        task,
        changed: &changed,
        config: &project.config.verification,
        code_dir: &project.config.project.code_dir,
        log_dir: &log_dir,
        is_baseline: false,
        reference: Reference::default(),
        redactor: &redactor,
        env: &[
            // The marker by which processes that leave their session are found.
            ("AUTODEV_RUN_ID".to_owned(), Store::new_run_id().to_string()),
            ("AUTODEV_TASK_ID".to_owned(), id.to_string()),
        ],
    };
    let stop = Stop::listen()?;
    sys::proc::become_subreaper()?;
    match gate::run(&input, stop.for_child(), &mut |_| {}).await {
        Ok(report) => Ok(Some(report)),
        Err(gate::Cancelled) => Err(anyhow::anyhow!("stopped by {}", stop.signal().unwrap_or("a signal"))),
    }
}

fn since_base(project: &Project, id: &TaskId) -> Result<Vec<Change>> {
    if !project.journal().exists() {
        return Ok(Vec::new());
    }
    let state = look::state(project)?;
    let known = match &state.active {
        Some(active) if &active.task == id => Some((active.base.clone(), active.touched.clone())),
        _ => state.parked.get(id).map(|parked| (parked.base.clone(), parked.touched.clone())),
    };
    let Some((base, touched)) = known else { return Ok(Vec::new()) };
    let mut tree = Tree::open(project)?;
    let now = tree.scan()?;
    tree.changed(&base, &touched, &now)
}
