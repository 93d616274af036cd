//! `autodev task retry`: the leftovers of blocked tasks go back into the tree, and count.

use anyhow::Result;

use super::project::Project;
use super::sinks::{Audience, Sinks};
use super::store::Store;
use super::tree::Tree;
use crate::git::Git;
use crate::model::{EventKind, TaskId};
use crate::sys::lock::{LockError, LockNote, RunLock};

/// What became of the leftovers of one task.
#[derive(Clone, Debug)]
pub struct PutBack {
    /// Which task.
    pub task: TaskId,
    /// Files put back.
    pub files: usize,
    /// Why not, when not.
    pub problem: Option<String>,
}

/// Puts back the leftovers of these tasks as far as they were moved away. A leftover whose files have changed since is
/// left where it is, with the reason.
///
/// # Errors
/// When git or the journal fails.
pub async fn put_back(project: &Project, tasks: &[TaskId]) -> Result<Vec<PutBack>> {
    let mut results = Vec::new();
    let mut store = Store::open(project, Sinks::new(project, Audience::Command), Store::new_run_id())?;
    let salvage = |task: &TaskId| store.state.parked.get(task).and_then(|parked| parked.salvage.clone());
    let moved: Vec<(TaskId, String)> = tasks.iter().filter_map(|task| Some((task.clone(), salvage(task)?))).collect();
    if moved.is_empty() {
        return Ok(results);
    }
    let _lock = match RunLock::acquire(&project.run_lock(), &LockNote::here("task retry")) {
        Ok(lock) => lock,
        Err(error @ LockError::Held { .. }) => {
            let problem = Some(format!("{error}; use `autodev salvage restore` when it has ended"));
            let left = moved.into_iter().map(|(task, _)| PutBack { task, files: 0, problem: problem.clone() });
            return Ok(left.collect());
        }
        Err(error) => return Err(error.into()),
    };
    let Some(git) = Git::open(&project.config.project.code_dir, &project.temp()).await? else { return Ok(results) };
    let mut tree = Tree::open(project)?;
    for (task, reference) in moved {
        let manifest = tree.scan()?;
        let base = format!("{}-{}.base", task.file_stem(), store.next_effect());
        let base_commit = git.base_commit(&base, &tree.own_paths()).await?;
        match git.salvage_restore(&reference, false).await {
            Ok(report) => {
                tree.keep(&base, manifest)?;
                let files = report.restored.len();
                store.record(vec![EventKind::TaskReopened {
                    task: task.clone(),
                    base,
                    base_commit: Some(base_commit),
                    touched: report.restored,
                }])?;
                results.push(PutBack { task, files, problem: None });
            }
            Err(error) => results.push(PutBack { task, files: 0, problem: Some(error.to_string()) }),
        }
    }
    Ok(results)
}
