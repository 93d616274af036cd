//! `autodev doctor`: looks at everything a run needs, for real, and changes nothing.
//!
//! Gathers facts, group by group; what they mean is concluded by `logic::health`. Invariants: nothing is written into
//! the project (`.autodev/` is not made, the journal is not touched, the index of git is not refreshed); every look has
//! a time limit; every program runs in a temporary directory, but for the one question of `--deep`; no secret gets into
//! a row.

mod agents;
mod configuration;
mod deep;
mod machine;
mod notices;
pub(super) mod program;
mod queue;
mod skills;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::signals::Stop;
use crate::git;
use crate::logic::health::{self, Group, Row};
use crate::model::BackendName;
use crate::notify;
use crate::sys;
use crate::sys::redact::Redactor;
use configuration::Found;

/// How long any look may take. Agent programs get `backend::probe::LIMIT`, as they do from a run.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The autodev.toml that was named.
    pub config: Option<PathBuf>,
    /// Where the search for it begins otherwise.
    pub dir: PathBuf,
    /// The backend that a run would be told to use.
    pub backend: Option<BackendName>,
    /// Whether to ask the agent a real question, which costs something.
    pub deep: bool,
}

/// Looks at everything. `None` when a signal cut it short.
///
/// # Errors
/// Only when signals cannot be listened for.
pub async fn examine(wish: Wish) -> Result<Option<Vec<Row>>> {
    let stop = Stop::listen()?;
    let adopts = sys::proc::become_subreaper();
    let scratch = tempfile::Builder::new().prefix("autodev-doctor-").tempdir();
    let cwd = scratch.as_ref().map_or_else(|_| PathBuf::from("/"), |dir| dir.path().to_path_buf());
    let trial = machine::trial(&cwd, adopts, &stop).await;
    let looked = bounded({
        let (wish, cwd) = (wish.clone(), cwd.clone());
        move || configuration::look(&wish, &cwd)
    });
    let (found, mut rows) = looked.await.unwrap_or_else(|| {
        let row = health::too_slow(Group::Configuration, "autodev.toml", LIMIT.as_secs());
        (Found::without_project(&wish, wish.dir.clone()), vec![row])
    });
    let (queue, git, agents, machine) = tokio::join!(
        queue_rows(&found),
        git_rows(&found),
        agents::look(&found, &cwd, &stop),
        machine::look(&found, &cwd, scratch.as_ref().err(), trial, &stop),
    );
    rows.extend(queue);
    rows.extend(git);
    rows.extend(agents.rows);
    if wish.deep {
        rows.extend(deep::ask(&found, agents.version, &cwd, &stop).await);
    }
    rows.extend(skills::skill_rows(wish.config.as_deref(), &wish.dir));
    rows.extend(notices::look(&found));
    rows.extend(machine);
    if stop.signal().is_some() {
        return Ok(None);
    }
    let channels = found.config.as_ref().map(|config| config.notify.channels.clone()).unwrap_or_default();
    let hidden = notify::secrets(&channels, &|name| sys::env::text(name));
    let redactor = Redactor::with_secrets(&secrets(&found), &hidden);
    for row in &mut rows {
        row.found = redactor.redact(&row.found).into_owned();
        row.next = redactor.redact(&row.next).into_owned();
    }
    Ok(Some(rows))
}

async fn queue_rows(found: &Found) -> Vec<Row> {
    let Some(project) = found.project.clone() else { return Vec::new() };
    let rows = bounded(move || queue::look(&project)).await;
    rows.unwrap_or_else(|| vec![health::too_slow(Group::Queue, "task.json", LIMIT.as_secs())])
}

async fn git_rows(found: &Found) -> Vec<Row> {
    let repository = git::examine(&found.code_dir, &found.state_dir, Vec::new(), LIMIT).await;
    health::git::repository(&repository, found.config.as_ref().is_none_or(|config| config.git.auto_commit))
}

/// Runs something that may hang in the kernel, on a thread that is left behind when it does.
pub(super) async fn bounded<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::time::timeout(LIMIT, tokio::task::spawn_blocking(look)).await.ok()?.ok()
}

/// Every variable that programs get: inherited and configured.
fn secrets(found: &Found) -> Vec<(String, String)> {
    let mut all = sys::env::with_prefix("");
    if let Some(config) = &found.config {
        for name in BackendName::ALL {
            all.extend(
                agents::environment(config, name).into_iter().map(|(name, value)| (name.clone(), value.clone())),
            );
        }
    }
    all
}

/// Returns a path as it is shown.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
