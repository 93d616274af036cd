//! task.json in a running process: what people change is taken over, what agents change of the runner's fields is undone,
//! what the journal has is written back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::project::Project;
use super::sinks::{Audience, Sinks};
use super::store::Store;
use crate::logic::reflect::{self, Rules};
use crate::model::config::VerificationConfig;
use crate::model::{EventKind, Refinement, State, Status, StatusField, Task, TaskId, TaskState};
use crate::plan::proposal::Proposal;
use crate::plan::refill::{self, Taken, Target};
use crate::plan::{self, Caps, PutBack, QueueError, QueueFile, Rescue};
use crate::sys;
use crate::sys::fs::Durability;
use crate::sys::killpoint;

/// A file that cannot be read is read once more after this.
const HALF_WRITTEN: Duration = Duration::from_millis(100);

/// How often a write is repeated because somebody else wrote in between.
const TRIES: u32 = 50;

/// Who may have changed task.json since it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspect {
    /// A person or one of our own commands: statuses are taken over.
    Person,
    /// An agent or a check it wrote: statuses are put back.
    Agent,
}

/// The queue file of a project and how to write it.
pub struct QueueKeeper {
    file: QueueFile,
    path: PathBuf,
    lock: PathBuf,
    trusted: PathBuf,
    /// Whether every task of the file is in its normal form, as tools that read it after a run expect.
    is_normal: bool,
    /// [`Store::strangers`] when the state was last brought up to the file, unless the file has changed since. What this
    /// process decides itself is on its way into the file and no difference, so only then is a comparison worth it.
    agreed: Option<u64>,
    caps: Caps,
    /// The checks of tasks that say none.
    verification: VerificationConfig,
}

impl QueueKeeper {
    /// Reads task.json.
    ///
    /// # Errors
    /// When it is missing or has errors; the file is untouched.
    pub fn load(project: &Project) -> Result<Self, QueueError> {
        let path = project.config.files.task_json.clone();
        let caps = caps(project);
        let file = QueueFile::load(&path, &caps)?;
        Ok(Self {
            file,
            path,
            lock: project.queue_lock(),
            trusted: project.trusted_queue(),
            is_normal: false,
            agreed: None,
            caps,
            verification: project.config.verification.clone(),
        })
    }

    /// Returns the task with this id as it is in the file.
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.file.queue().tasks.iter().find(|task| &task.id == id)
    }

    /// Returns the whole queue.
    pub fn queue(&self) -> &crate::model::Queue {
        self.file.queue()
    }

    /// Returns the file as it was last read.
    pub fn file(&self) -> &QueueFile {
        &self.file
    }

    /// Keeps a copy of the queue as it is before an agent starts, so that what it must not change can be put back even
    /// when this process is killed meanwhile.
    ///
    /// # Errors
    /// When `.autodev/` cannot be written.
    pub fn trust(&self) -> Result<()> {
        std::fs::copy(&self.path, &self.trusted)
            .with_context(|| format!("copy {} to {}", self.path.display(), self.trusted.display()))?;
        Ok(())
    }

    /// Takes over what a killed attempt left in the file, but for what agents must not change.
    ///
    /// # Errors
    /// As [`QueueKeeper::refresh`].
    pub fn refresh_after_kill(&mut self, store: &mut Store) -> Result<()> {
        // Without a readable copy the statuses are still defended, by the journal.
        if let Ok(trusted) = QueueFile::load(&self.trusted, &self.caps) {
            let events = undone(self.file.defend(&trusted, &store.state.approved)?);
            self.agreed = None;
            store.record(events)?;
        }
        self.refresh(store, Suspect::Agent)
    }

    /// Takes over what has changed in the file since the journal last saw it.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn refresh(&mut self, store: &mut Store, suspect: Suspect) -> Result<()> {
        store.catch_up()?;
        let mut events = Vec::new();
        let mut tries = 0;
        loop {
            if !self.file.is_current() {
                self.reload(store, suspect, &mut events, true)?;
            }
            if suspect == Suspect::Person {
                break;
            }
            self.undo_status_edits(store, &mut events)?;
            if !self.file.is_changed() || self.write(None)? {
                break;
            }
            tries += 1;
            if tries >= TRIES {
                bail!("write {}: somebody else writes it all the time", self.path.display());
            }
            // What was undone is undone again in what the other has written.
            events.clear();
        }
        if self.agreed != Some(store.strangers()) {
            events.extend(difference(self.file.queue(), &store.state));
        }
        store.record(events)?;
        self.agreed = Some(store.strangers());
        Ok(())
    }

    /// Reads the file again; a broken one is kept aside and replaced by what was last read.
    fn reload(
        &mut self,
        store: &mut Store,
        suspect: Suspect,
        events: &mut Vec<EventKind>,
        is_first: bool,
    ) -> Result<()> {
        match QueueFile::load(&self.path, &self.caps) {
            Ok(file) => {
                let trusted = std::mem::replace(&mut self.file, file);
                self.is_normal = false;
                self.agreed = None;
                if suspect == Suspect::Agent {
                    // Plans say what they will change before they do: what is in the file now is known by now.
                    store.catch_up()?;
                    events.extend(undone(self.file.defend(&trusted, &store.state.approved)?));
                }
                Ok(())
            }
            Err(_) if is_first => {
                // An editor that does not write at once may be in the middle of it.
                std::thread::sleep(HALF_WRITTEN);
                self.reload(store, suspect, events, false)
            }
            Err(error) => {
                let rescue = self.file.rescue(&self.lock, sys::clock::now(), Durability::Synced);
                let kept_as = match rescue {
                    Ok(Rescue::Kept(path)) => path.display().to_string(),
                    Ok(Rescue::WasMissing) => String::new(),
                    // It is readable after all: somebody was in the middle of writing it.
                    Err(QueueError::Changed { .. }) => return self.reload(store, suspect, events, true),
                    Err(error) => return Err(error).context("keep a broken task.json aside"),
                };
                store.record(vec![EventKind::QueueBroken { kept_as, reason: error.to_string() }])
            }
        }
    }

    fn undo_status_edits(&mut self, store: &Store, events: &mut Vec<EventKind>) -> Result<()> {
        let mut undone: Vec<(TaskId, Status, Vec<StatusField>)> = Vec::new();
        for (at, task) in self.file.queue().tasks.iter().enumerate() {
            // Nearly always in the same place; looking for each would take the square of a long queue.
            let here = store.state.tasks.get(at).filter(|known| known.id == task.id);
            // A task that the agent added has no status of ours: it starts as pending.
            let known = here.or_else(|| store.state.task(&task.id));
            let want = known.map(|known| known.status.clone()).unwrap_or_default();
            let fields = differing(&task.status, &want);
            if !fields.is_empty() {
                undone.push((task.id.clone(), want, fields));
            }
        }
        for (task, want, fields) in undone {
            self.agreed = None;
            self.file.set_status(&task, &want)?;
            events.extend(fields.into_iter().map(|field| EventKind::QueueEditUndone { task: task.clone(), field }));
        }
        Ok(())
    }

    /// Writes what the journal has and the file has not.
    ///
    /// # Errors
    /// When the file cannot be written; it is whole then, and as it was.
    pub fn save(&mut self, store: &mut Store) -> Result<()> {
        let mut tries = 0;
        while !self.try_save(store)? {
            tries += 1;
            if tries >= TRIES {
                bail!("write {}: somebody else writes it all the time", self.path.display());
            }
        }
        Ok(())
    }

    /// Returns whether nobody else wrote in between.
    fn try_save(&mut self, store: &mut Store) -> Result<bool> {
        self.refresh(store, Suspect::Person)?;
        if !std::mem::replace(&mut self.is_normal, true) {
            self.file.normalise();
        }
        self.agreed = None;
        let pending = store.state.unsaved.clone();
        let mut refused = Vec::new();
        for (task, unsaved) in &pending {
            match self.file.apply(task, unsaved) {
                // Somebody took the task out of the queue: there is nothing to write it to.
                Ok(_) | Err(QueueError::UnknownTask { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            refused.extend(unsaved.refinement.as_ref().and_then(|refinement| self.refine(task, refinement)));
        }
        store.record(refused.into_iter().map(warning).collect())?;
        if !self.write(Some(store))? {
            return Ok(false);
        }
        killpoint::reach("queue written");
        store.record(vec![EventKind::QueueSaved])?;
        Ok(true)
    }

    /// Refines a task as it is in the file, which somebody may have changed since the reflection. Returns why not.
    fn refine(&mut self, id: &TaskId, refinement: &Refinement) -> Option<String> {
        let task = self.task(id)?.clone();
        let rules =
            Rules { max_notes: self.caps.notes, verification: &self.verification, cannot_run: plan::audit::cannot_run };
        let refined = reflect::refine(&task, refinement, &rules);
        self.file.refine(&refined.task).err().map(|error| error.to_string())
    }

    /// Returns false when somebody else has written meanwhile; what was to be written is lost then, and the next look at
    /// the file reads it again.
    fn write(&mut self, store: Option<&mut Store>) -> Result<bool> {
        if let Some(store) = store {
            let digest = self.file.digest_of_render().to_string();
            store.record(vec![EventKind::QueueSaving { digest }])?;
        }
        killpoint::reach("before queue write");
        match self.file.save(&self.lock, Durability::Synced) {
            Ok(_) => Ok(true),
            Err(QueueError::Changed { .. }) => {
                self.file.outdate();
                self.agreed = None;
                Ok(false)
            }
            Err(error) => Err(error).with_context(|| format!("write {}", self.path.display())),
        }
    }

    /// Makes every task pending (`reset_tasks_on_start`) and journals that.
    ///
    /// # Errors
    /// When task.json or the journal cannot be written.
    pub fn reset_all(&mut self, store: &mut Store) -> Result<()> {
        loop {
            self.file.reset(None);
            self.agreed = None;
            let is_done = !self.file.is_changed() || self.write(None)?;
            self.refresh(store, Suspect::Person)?;
            if is_done {
                return Ok(());
            }
        }
    }

    /// Puts the tasks of a new plan in the place of the old ones, or behind them when somebody has added tasks meanwhile,
    /// and remembers the epoch that is over.
    ///
    /// # Errors
    /// When the plan does not fit, or task.json cannot be written; it is as it was then.
    pub fn succeed(&mut self, proposal: &Proposal, doc: &str, epoch: &Value) -> Result<()> {
        let mut tries = 0;
        loop {
            let mut file = self.successor(proposal, doc, epoch)?;
            match file.save(&self.lock, Durability::Synced) {
                Ok(_) => self.file = file,
                Err(QueueError::Changed { .. }) if tries < TRIES => {
                    tries += 1;
                    self.file = QueueFile::load(&self.path, &self.caps)?;
                    continue;
                }
                Err(error) => return Err(error).with_context(|| format!("write {}", self.path.display())),
            }
            break;
        }
        self.is_normal = true;
        self.agreed = None;
        Ok(())
    }

    /// The queue that follows the one that was last read.
    fn successor(&self, proposal: &Proposal, doc: &str, epoch: &Value) -> Result<QueueFile> {
        let content = self.file.render();
        let target = Target { path: &self.path, content: Some(content.as_bytes()), caps: &self.caps };
        let source = self.file.member_value("planning_source");
        let wish = refill::Wish { project: "", planning_source: source.as_ref().and_then(Value::as_object), doc };
        let is_exhausted = self.file.queue().tasks.iter().all(|task| task.status.passes || task.status.blocked);
        let mut file = if is_exhausted {
            refill::replace(proposal, &wish, &target, refill::Journal::Kept)?
        } else {
            refill::append(proposal, &wish, &target, Taken::Renumbered)?
        };
        let mut history = match self.file.member_value("epoch_history") {
            Some(Value::Array(entries)) => entries,
            _ => Vec::new(),
        };
        history.push(epoch.clone());
        file.set_member("epoch_history", &Value::Array(history))?;
        Ok(file)
    }

    /// After a crash: whether the write that was under way had been finished.
    pub fn holds(&self, digest: &str) -> bool {
        self.file.digest_on_disk().to_string() == digest
    }
}

fn warning(text: String) -> EventKind {
    EventKind::Note { level: "warning".to_owned(), text }
}

fn undone(put_back: Vec<PutBack>) -> Vec<EventKind> {
    let event = |put_back| match put_back {
        PutBack::Contract(task) => EventKind::QueueEditUndone { task, field: StatusField::Contract },
        PutBack::Task(task) => EventKind::QueueEditUndone { task, field: StatusField::Task },
    };
    put_back.into_iter().map(event).collect()
}

/// Caps of the lists in task.json.
pub fn caps(project: &Project) -> Caps {
    let reflection = &project.config.reflection;
    Caps {
        history: reflection.max_attempt_history_entries as usize,
        notes: reflection.max_learning_notes as usize,
        journal: reflection.max_project_learning_entries as usize,
    }
}

/// Returns the event that brings the state up to the queue; none when they agree.
pub(super) fn difference(queue: &crate::model::Queue, state: &State) -> Option<EventKind> {
    let same_order = queue.tasks.len() == state.tasks.len()
        && queue.tasks.iter().zip(&state.tasks).all(|(task, known)| task.id == known.id);
    let is_new_name = !queue.project.is_empty() && queue.project != state.project;
    // Asked many times per task, nearly always with this answer: a long queue must not cost anything then.
    let is_as_known = |(task, known): (&Task, &TaskState)| is_brief_of(known, task, expected(task, state));
    if same_order && !is_new_name && queue.tasks.iter().zip(&state.tasks).all(is_as_known) {
        return None;
    }
    let known: BTreeMap<&TaskId, &TaskState> = state.tasks.iter().map(|task| (&task.id, task)).collect();
    let changed: Vec<TaskState> = queue
        .tasks
        .iter()
        .map(|task| {
            let status = expected(task, state).clone();
            TaskState { status, ..brief(task) }
        })
        .filter(|now| known.get(&now.id).is_none_or(|known| *known != now))
        .collect();
    if same_order && changed.is_empty() && !is_new_name {
        return None;
    }
    let order = (!same_order).then(|| queue.tasks.iter().map(|task| task.id.clone()).collect());
    Some(EventKind::QueueSeen { project: queue.project.clone(), order, changed })
}

/// The status that a task of the file has or is about to get: what is decided and not written yet is no edit of somebody
/// else.
fn expected<'a>(task: &'a Task, state: &'a State) -> &'a Status {
    state.unsaved.get(&task.id).and_then(|unsaved| unsaved.status.as_ref()).unwrap_or(&task.status)
}

/// Whether `known` is the brief of a task with that status; as [`brief`], but without a copy of anything.
fn is_brief_of(known: &TaskState, task: &Task, status: &Status) -> bool {
    let TaskState {
        id,
        title,
        status: known_status,
        mode,
        strategy,
        completion_kind,
        completion_name,
        completion_target,
        depends_on,
    } = known;
    *id == task.id
        && *title == task.title
        && known_status == status
        && mode == task.mode()
        && strategy == task.strategy()
        && completion_kind == task.completion_kind()
        && completion_name == task.completion_name()
        && *completion_target == task.completion_target()
        && *depends_on == task.depends_on
}

/// Returns what status views need of a task.
pub fn brief(task: &Task) -> TaskState {
    TaskState {
        id: task.id.clone(),
        title: task.title.clone(),
        status: task.status.clone(),
        mode: task.mode().to_owned(),
        strategy: task.strategy().to_owned(),
        completion_kind: task.completion_kind().to_owned(),
        completion_name: task.completion_name().to_owned(),
        completion_target: task.completion_target().into_owned(),
        depends_on: task.depends_on.clone(),
    }
}

fn differing(is: &Status, want: &Status) -> Vec<StatusField> {
    let mut fields = Vec::new();
    if is.passes != want.passes {
        fields.push(StatusField::Passes);
    }
    if is.blocked != want.blocked {
        fields.push(StatusField::Blocked);
    }
    if is.block_reason != want.block_reason {
        fields.push(StatusField::BlockReason);
    }
    if is.blocked_at != want.blocked_at {
        fields.push(StatusField::BlockedAt);
    }
    fields
}

/// What a `task` command did.
#[derive(Clone, Debug)]
pub struct Change {
    /// As the command counts: fields or tasks.
    pub count: usize,
    /// Where the file as it was before is kept.
    pub backup: Option<PathBuf>,
}

/// Changes task.json on behalf of a person, beside a run if there is one, and journals every status that changed.
/// Nothing is written, and no backup made, when `edit` counts nothing.
///
/// # Errors
/// When task.json is missing or has errors (it is untouched then), or cannot be written.
pub fn change(
    project: &Project,
    by: &str,
    with_backup: bool,
    mut edit: impl FnMut(&mut QueueFile) -> Result<usize, QueueError>,
) -> Result<Change> {
    let path = &project.config.files.task_json;
    let caps = caps(project);
    if edit(&mut QueueFile::load(path, &caps)?)? == 0 {
        return Ok(Change { count: 0, backup: None });
    }
    project.prepare()?;
    let backup = if with_backup { Some(plan::backup(path, sys::clock::now())?) } else { None };
    let mut count = 0;
    let mut changed = Vec::new();
    plan::update(path, &project.queue_lock(), &caps, Durability::Synced, |file| {
        let before = file.statuses();
        count = edit(file)?;
        file.normalise();
        changed = file.statuses().into_iter().zip(before).filter(|(after, before)| after != before).collect();
        Ok::<bool, QueueError>(count > 0)
    })?;
    let events = changed
        .into_iter()
        .map(|((task, status), _)| EventKind::StatusSet { task, status, by: by.to_owned() })
        .collect();
    Store::open(project, Sinks::new(project, Audience::Command), Store::new_run_id())?.record(events)?;
    Ok(Change { count, backup })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_from_the_known_state_is_an_event() {
        let ids = ["a", "b"].map(TaskId::new);
        let task = |id: &TaskId| Task { id: id.clone(), title: "t".into(), ..Task::default() };
        let mut queue = crate::model::Queue { tasks: ids.iter().map(task).collect(), ..Default::default() };
        let mut state = State { tasks: queue.tasks.iter().map(brief).collect(), ..State::default() };
        assert_eq!(difference(&queue, &state), None);

        // Decided, and not in the file yet.
        state.tasks[0].status.passes = true;
        let decided = crate::model::Unsaved { status: Some(state.tasks[0].status.clone()), ..Default::default() };
        state.unsaved.insert(ids[0].clone(), decided);
        assert_eq!(difference(&queue, &state), None);
        state.unsaved.clear();
        state.tasks[0].status.passes = false;

        let seen = |order, changed| Some(EventKind::QueueSeen { project: String::new(), order, changed });
        queue.tasks[1].title = "other".into();
        assert_eq!(difference(&queue, &state), seen(None, vec![brief(&queue.tasks[1])]));
        queue.tasks[1].title = "t".into();
        queue.tasks[1].status.blocked = true;
        assert_eq!(difference(&queue, &state), seen(None, vec![brief(&queue.tasks[1])]));
        queue.tasks[1].status.blocked = false;
        queue.tasks.reverse();
        assert_eq!(difference(&queue, &state), seen(Some(vec![ids[1].clone(), ids[0].clone()]), vec![]));
        queue.tasks.pop();
        assert_eq!(difference(&queue, &state), seen(Some(vec![ids[1].clone()]), vec![]));
    }

    #[test]
    fn every_field_of_a_brief_is_compared() {
        let task = Task { id: TaskId::new("a"), title: "t".into(), ..Task::default() };
        let known = brief(&task);
        assert!(is_brief_of(&known, &task, &task.status));
        let edits: [fn(&mut TaskState); 9] = [
            |known| known.id = TaskId::new("b"),
            |known| known.title.push('x'),
            |known| known.status.passes = true,
            |known| known.mode.push('x'),
            |known| known.strategy.push('x'),
            |known| known.completion_kind.push('x'),
            |known| known.completion_name.push('x'),
            |known| known.completion_target.push('x'),
            |known| known.depends_on.push("x".into()),
        ];
        for edit in edits {
            let mut other = known.clone();
            edit(&mut other);
            assert!(!is_brief_of(&other, &task, &task.status), "{other:?}");
        }
    }
}
