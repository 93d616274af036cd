//! `autodev watch`: plans that are dropped into a directory become tasks, and perhaps a run begins.
//!
//! Truth is what a look at the directories finds, compared by content with what the journal says was dealt with; reports
//! of the operating system only say when to look ([`eyes`]). So no report that is lost, no restart and no kill makes a
//! difference: the next look finds the same. Reading order: [`scope`] finds the files, `logic::watch` says which have
//! settled and what they mean, [`reading`] what they say, [`draft`] what that changes, [`taking`] does it.
//!
//! Plan files are only ever read. What is written beside them is `NAME.error.md` ([`notice`]).

mod asking;
mod draft;
mod eyes;
mod file;
mod notice;
mod once;
mod reading;
mod runner;
pub(in crate::engine) mod scope;
mod taking;
mod watcher;

use std::rc::Rc;

use anyhow::{Context, Result, bail};

use super::project::Project;
use super::signals::Stop;
use crate::model::config::OnPlan;
use crate::sys;
use watcher::Watcher;

pub use once::{Queued, queue_plan};

/// What the command line adds to the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchOptions {
    /// Deal with what is there, and end.
    pub once: bool,
    /// Instead of `[watch].on_plan`.
    pub on_plan: Option<OnPlan>,
}

/// Says something to people.
pub type Tell = Rc<dyn Fn(&str)>;

/// Watches projects until a signal comes, or until everything that is there has been dealt with. Returns the exit code:
/// 0 when stopped or done, 1 when a plan needs a person or a project could not be watched; with `once` and a run, the
/// code of that run.
///
/// # Errors
/// When the only project cannot be watched: another watcher has it, or its journal cannot be written.
pub async fn watch(projects: Vec<Project>, options: WatchOptions, tell: Tell) -> Result<i32> {
    let stop = Stop::listen()?;
    sys::proc::become_subreaper().context("become the parent of orphaned processes")?;
    let is_alone = projects.len() == 1;
    let local = tokio::task::LocalSet::new();
    let mut tasks = Vec::new();
    for project in projects {
        let name = project.config.project.name.clone();
        let all = Rc::clone(&tell);
        let own: Tell = if is_alone { all } else { Rc::new(move |line: &str| all(&format!("{name}: {line}"))) };
        let (stop, said) = (stop.clone(), Rc::clone(&own));
        let work = async move {
            let mut watcher = Watcher::open(project, options, stop, own, is_alone)?;
            watcher.work().await
        };
        tasks.push((said, local.spawn_local(work)));
    }
    let mut code = 0;
    local
        .run_until(async {
            for (said, task) in tasks {
                match task.await {
                    Ok(Ok(own)) => code = code.max(own),
                    Ok(Err(error)) if is_alone => return Err(error),
                    Ok(Err(error)) => {
                        said(&format!("{error:#}"));
                        code = code.max(1);
                    }
                    Err(error) => bail!("a watcher ended unexpectedly: {error}"),
                }
            }
            Ok(())
        })
        .await?;
    Ok(code)
}
