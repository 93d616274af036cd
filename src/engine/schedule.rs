//! The schedule of a project: its windows for a run, and its recurring plans for whoever watches.
//!
//! Recurring plans come while somebody watches, and only then: a run works on what is in the queue and adds nothing to it.
//! Each time of an entry has one turn. `ScheduleFiring` is journaled before the plan is queued and `ScheduleFired`
//! after; the tasks carry a mark that names entry and time. A process that is killed in between leaves its turn to
//! the next one, which finds the marked tasks in the queue, or does it again. A lock keeps two that watch apart.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};

use super::desk::Interrupted;
use super::planning::{self, PlanRequest};
use super::project::Project;
use super::queue;
use super::sinks::{Audience, Sinks};
use super::store::Store;
use crate::logic::schedule;
use crate::model::{Config, EventKind, Fires, Firing, Recurrence, State, TaskId, Window};
use crate::plan::QueueFile;
use crate::plan::source::{Source, SourceKind};
use crate::sys;
use crate::sys::fs::read_capped;
use crate::sys::killpoint;
use crate::sys::lock::{LockError, LockNote, RunLock};
use crate::view::schedule::Plan;

/// The member of a task that names the turn in which it was queued.
pub const MARK: &str = "scheduled";
/// Of a plan; a real one is far smaller.
const FILE_LIMIT: u64 = 4 << 20;

/// One turn of a recurring plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    /// The entry.
    pub entry: String,
    /// The plan. Absolute.
    pub plan: PathBuf,
    /// The time whose turn it is.
    pub due: DateTime<Utc>,
}

impl Fire {
    /// Returns the value of [`MARK`] for each task of this turn.
    pub fn mark(&self) -> String {
        format!("{} {}", self.due.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), self.entry)
    }
}

/// What has become of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// The turn.
    pub fire: Fire,
    /// What came of it.
    pub outcome: Firing,
}

/// The recurring plans of a project, with an open journal.
pub struct Recurring {
    project: Project,
    entries: Vec<(Recurrence, PathBuf)>,
    catch_up: TimeDelta,
    store: Store,
}

impl Recurring {
    /// Opens the journal for the entries of `[schedule].cron`; `None` when there are none.
    ///
    /// # Errors
    /// When an entry needs the zone of this machine and that has no name, or the journal cannot be opened.
    pub fn open(project: &Project) -> Result<Option<Self>> {
        let entries = entries(project)?;
        if entries.is_empty() {
            return Ok(None);
        }
        let store = Store::open(project, Sinks::new(project, Audience::Command), Store::new_run_id())?;
        let catch_up = TimeDelta::seconds(i64::from(project.config.schedule.catch_up_seconds));
        Ok(Some(Self { project: project.clone(), entries, catch_up, store }))
    }

    /// Gives every plan its turn whose time has come, oldest entry of the configuration first, and returns what became
    /// of them. An entry that was never seen before has its first turn at its next time. Costs next to nothing when
    /// there is nothing to do, so that it can be asked every second. Nothing happens while another process does the same,
    /// and while the project is paused by hand: the turns wait.
    ///
    /// `queue` adds a plan to the queue and returns the new tasks, all of which carry the mark. When it fails, the turn
    /// is over all the same, but for [`Interrupted`] and a lock that somebody holds.
    ///
    /// # Errors
    /// When the journal or task.json cannot be read or written, or `queue` was interrupted; the turn is kept then.
    pub async fn fire_due(&mut self, mut queue: impl AsyncFnMut(&Fire) -> Result<Vec<TaskId>>) -> Result<Vec<Fired>> {
        self.store.catch_up()?;
        let now = sys::clock::now();
        if self.store.state.hold.as_ref().is_some_and(|hold| !hold.is_over(now)) {
            return Ok(Vec::new());
        }
        if self.entries.iter().all(|(entry, _)| step(entry, &self.store.state, now, self.catch_up).is_none()) {
            return Ok(Vec::new());
        }
        let _lock = match RunLock::acquire(&self.project.home().join("schedule.lock"), &LockNote::here("schedule")) {
            Ok(lock) => lock,
            Err(LockError::Held { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        self.store.catch_up()?;
        let mut all = Vec::new();
        for (entry, plan) in self.entries.clone() {
            let name = entry.name();
            let fire = |due| Fire { entry: name.clone(), plan: plan.clone(), due };
            let (fire, is_again) = match step(&entry, &self.store.state, now, self.catch_up) {
                None => continue,
                Some(Step::See) => {
                    self.store.record(vec![EventKind::ScheduleSeen { entry: name }])?;
                    continue;
                }
                Some(Step::Settle(due)) => (fire(due), true),
                Some(Step::Fire(due)) => (fire(due), false),
            };
            killpoint::reach("schedule");
            let done = if is_again { queued(&self.project, &fire)? } else { Vec::new() };
            let outcome = if done.is_empty() {
                if !is_again {
                    self.store.record(vec![EventKind::ScheduleFiring { entry: name.clone(), due: fire.due }])?;
                }
                match queue(&fire).await {
                    Ok(tasks) => Firing::Queued { tasks },
                    Err(error) if error.is::<Interrupted>() => return Err(error),
                    // Somebody plans at this moment: the turn is kept for the next look.
                    Err(error) if matches!(error.downcast_ref(), Some(LockError::Held { .. })) => continue,
                    Err(error) => Firing::Failed { reason: self.store.sinks.redact(&format!("{error:#}")) },
                }
            } else {
                Firing::Queued { tasks: done }
            };
            killpoint::reach("schedule queued");
            self.store.record(vec![EventKind::ScheduleFired {
                entry: name.clone(),
                due: fire.due,
                outcome: outcome.clone(),
            }])?;
            all.push(Fired { fire, outcome });
        }
        Ok(all)
    }
}

/// Adds a recurring plan to the queue as `autodev plan -f FILE --append` does. Ids and titles that are taken, as those
/// of the last time, get a number.
///
/// # Errors
/// As [`planning::plan`], and when the plan cannot be read.
pub async fn queue_plan(project: &Project, fire: &Fire) -> Result<Vec<TaskId>> {
    let request = PlanRequest {
        source: read(&fire.plan)?,
        path: Some(fire.plan.clone()),
        ask: false,
        append: true,
        output: None,
        mark: Some(fire.mark()),
    };
    let report = planning::plan(project, &request).await?;
    Ok(report.tasks.into_iter().map(|(id, _)| id).collect())
}

fn read(plan: &std::path::Path) -> Result<Source> {
    let name = |part: Option<&std::ffi::OsStr>| part.unwrap_or(plan.as_os_str()).to_string_lossy().into_owned();
    let text = if plan.is_dir() { Vec::new() } else { read_capped(plan, FILE_LIMIT)? };
    let text = String::from_utf8(text)
        .map_err(|_| anyhow!("read {}: not UTF-8; convert it first, for example with iconv", plan.display()))?;
    Ok(Source {
        kind: SourceKind::File,
        label: name(plan.file_name()),
        name: name(plan.file_stem()),
        text: text.strip_prefix('\u{feff}').unwrap_or(&text).trim().to_owned(),
        doc: plan.to_string_lossy().into_owned(),
    })
}

/// What is to be done for an entry.
enum Step {
    /// It is new: its times count from now on.
    See,
    /// A turn has begun and not ended.
    Settle(DateTime<Utc>),
    /// A turn has come.
    Fire(DateTime<Utc>),
}

fn step(entry: &Recurrence, state: &State, now: DateTime<Utc>, catch_up: TimeDelta) -> Option<Step> {
    match state.fires.get(&entry.name()) {
        None => Some(Step::See),
        Some(Fires { under_way: Some(due), .. }) => Some(Step::Settle(*due)),
        // The clock was far ahead once; without this the entry would wait until then.
        Some(fires) if fires.since > now + schedule::STALE => Some(Step::See),
        Some(fires) => schedule::due(&resolved(entry), fires, now, catch_up).map(Step::Fire),
    }
}

/// The tasks of a turn that are in the queue already.
fn queued(project: &Project, fire: &Fire) -> Result<Vec<TaskId>> {
    let path = &project.config.files.task_json;
    if !path.exists() {
        return Ok(Vec::new());
    }
    let file = QueueFile::load(path, &queue::caps(project))?;
    let mark = fire.mark();
    let is_marked = |id: &TaskId| Ok(file.task_value(id)?.get(MARK).and_then(|value| value.as_str()) == Some(&mark));
    let ids = file.queue().tasks.iter().map(|task| &task.id);
    ids.filter_map(|id| is_marked(id).map(|is_marked| is_marked.then(|| id.clone())).transpose()).collect()
}

/// Returns the entries of `[schedule].cron`, each once, with their plans. Their names do not change with the zone of the
/// machine.
fn entries(project: &Project) -> Result<Vec<(Recurrence, PathBuf)>> {
    let mut entries: Vec<(Recurrence, PathBuf)> = Vec::new();
    for cron in &project.config.schedule.cron {
        let entry = schedule::recurrence(&cron.at, &project.shown(&cron.plan)).map_err(|error| anyhow!(error))?;
        if entry.zone.is_empty() {
            local_zone().context("[schedule].cron")?;
        }
        if entries.iter().all(|(known, _)| *known != entry) {
            entries.push((entry, cron.plan.clone()));
        }
    }
    Ok(entries)
}

/// The same entry with the zone of this machine where it names none.
fn resolved(entry: &Recurrence) -> Recurrence {
    let zone = if entry.zone.is_empty() { local_zone().unwrap_or_default() } else { entry.zone.clone() };
    Recurrence { zone, ..entry.clone() }
}

/// Returns the windows of the configuration with the zone of this machine where they name none.
///
/// # Errors
/// When a window needs the zone of this machine and that has no name.
pub fn windows(config: &Config) -> Result<Vec<Window>> {
    let read = |text: &String| {
        let mut window = schedule::window(text).map_err(|error| anyhow!(error))?;
        if window.zone.is_empty() {
            window.zone = local_zone().context("[schedule].windows")?;
        }
        Ok(window)
    };
    config.schedule.windows.iter().map(read).collect()
}

/// Returns the name of this machine's time zone.
///
/// # Errors
/// When it has none, or none that is known; with what to do.
pub fn local_zone() -> Result<String> {
    const HINT: &str = "name one in autodev.toml, as in \"22:00-07:00 Europe/Berlin\"";
    let name = sys::clock::zone_name().with_context(|| format!("the time zone of this machine has no name; {HINT}"))?;
    schedule::zone(&name).map_err(|error| anyhow!("the time zone of this machine: {error}; {HINT}"))?;
    Ok(name)
}

/// Says how the entries of `[schedule].cron` stand. Changes nothing.
///
/// # Errors
/// As [`Recurring::open`].
pub fn plans(project: &Project, state: &State) -> Result<Vec<Plan>> {
    let now = sys::clock::now();
    let catch_up = TimeDelta::seconds(i64::from(project.config.schedule.catch_up_seconds));
    let standing = |(entry, _): (Recurrence, PathBuf)| {
        let due = match step(&entry, state, now, catch_up) {
            Some(Step::Settle(due) | Step::Fire(due)) => Some(due),
            Some(Step::See) | None => None,
        };
        let since = state.fires.get(&entry.name()).map(|fires| fires.since);
        Plan { entry: entry.name(), since, due, next: schedule::next(&resolved(&entry), now) }
    };
    Ok(entries(project)?.into_iter().map(standing).collect())
}
