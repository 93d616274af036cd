//! Begins a run when tasks are pending and none is under way: `autodev run` as a child, in a session of its own.
//!
//! A child, because it lives on when the watcher is killed, and because several projects can have theirs at once. A run
//! is begun for a reason only: the queue has changed since the last one ended, has tasks that it did not see, or the last
//! one was killed. Otherwise a run that ends without having done everything would begin for ever.

use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result};

use super::scope::Stamp;
use crate::engine::project::Project;
use crate::engine::queue;
use crate::engine::signals::Stop;
use crate::engine::store::Store;
use crate::logic::depend;
use crate::model::{Event, RunId, State};
use crate::plan::QueueFile;
use crate::sys;
use crate::sys::proc::{self, Happening, Spec, Stream};

/// How long a run may take to end its agent and to write down what was done.
const GRACE: Duration = Duration::from_secs(30);
/// Runs that were killed and are begun again, in a row.
const REPEATS: u32 = 3;

/// A run under way.
pub(super) type Run = Pin<Box<dyn Future<Output = Result<i32>>>>;

/// Decides when a run begins.
#[derive(Debug, Default)]
pub(super) struct Runner {
    /// task.json as it was when last looked at, and since when it looks like that.
    seen: Option<(Stamp, Duration)>,
    /// task.json as it was when it was last decided about.
    judged: Option<Stamp>,
    was_running: bool,
    lost: u32,
}

/// What is known about the moment.
pub(super) struct Moment<'a> {
    pub(super) project: &'a Project,
    /// Since the watcher began.
    pub(super) now: Duration,
    /// How long task.json must have looked the same.
    pub(super) debounce: Duration,
}

impl Runner {
    /// Whether a run is to begin. Second, when to ask again at the latest.
    pub(super) fn wants_run(&mut self, moment: &Moment<'_>, store: &mut Store) -> Result<(bool, Option<Duration>)> {
        let Moment { project, now, debounce } = *moment;
        if project.is_running() {
            self.was_running = true;
            return Ok((false, None));
        }
        let Some(stamp) = stamp(project) else { return Ok((false, None)) };
        let since = match self.seen {
            Some((seen, since)) if seen == stamp => since,
            _ => now,
        };
        self.seen = Some((stamp, since));
        let settled = since + debounce;
        if settled > now {
            return Ok((false, Some(settled)));
        }
        let has_ended = std::mem::take(&mut self.was_running);
        if self.judged == Some(stamp) && !has_ended {
            return Ok((false, None));
        }
        self.judged = Some(stamp);
        store.catch_up()?;
        // A queue that cannot be read is no reason to begin: the run would only say so.
        let Ok(file) = QueueFile::load(&project.config.files.task_json, &queue::caps(project)) else {
            return Ok((false, None));
        };
        let state = &store.state;
        if !has_ended {
            return Ok((next(state, &file).is_some(), None));
        }
        let was_lost = state.run.exit_code.is_none() && !state.run.id.is_empty();
        self.lost = if was_lost { self.lost + 1 } else { 0 };
        if was_lost {
            return Ok((self.lost <= REPEATS && (state.active.is_some() || next(state, &file).is_some()), None));
        }
        let is_new = |task: &crate::model::Task| {
            !task.status.passes && !task.status.blocked && !state.index.contains_key(&task.id)
        };
        Ok((file.queue().tasks.iter().any(is_new) && next(state, &file).is_some(), None))
    }
}

/// The task that would come next, by what task.json says now.
fn next(state: &State, file: &QueueFile) -> Option<crate::model::TaskId> {
    let mut now = State { plans: state.plans.clone(), plan_moves: state.plan_moves.clone(), ..State::default() };
    if let Some(kind) = queue::difference(file.queue(), &now) {
        let event = Event { seq: 1, at: sys::clock::now(), run: RunId::default(), kind };
        crate::logic::apply(&mut now, &event);
    }
    depend::next(&now).map(|task| task.id.clone())
}

fn stamp(project: &Project) -> Option<Stamp> {
    std::fs::metadata(&project.config.files.task_json).ok().map(|meta| Stamp::of(&meta))
}

/// Begins a run; what it prints is passed on when `is_shown`.
///
/// # Errors
/// When autodev's own program is not found.
pub(super) fn begin(project: &Project, stop: &Stop, is_shown: bool) -> Result<Run> {
    let exe: PathBuf = std::env::current_exe().context("find autodev's own program")?;
    let mut spec = Spec::new(exe, project.config.project.config_dir.clone());
    spec.args = vec!["-c".into(), project.config.source.clone().into(), "run".into()];
    spec.grace = GRACE;
    let stop = stop.for_child();
    Ok(Box::pin(async move {
        let mut on = |happening: Happening<'_>| {
            let Happening::Output(stream, bytes) = happening else { return };
            if !is_shown {
                return;
            }
            // Whoever does not listen any more misses nothing that logs/ has not.
            let _ = match stream {
                Stream::Out => std::io::stdout().lock().write_all(bytes),
                Stream::Err => std::io::stderr().lock().write_all(bytes),
            };
        };
        Ok(proc::run(spec, stop, &mut on).await?.code)
    }))
}
