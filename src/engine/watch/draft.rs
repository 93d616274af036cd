//! What plans change in a queue: which tasks come, which get another text, which go.
//!
//! Decides nothing by itself (`logic::watch` does) and writes nothing: it brings plans, journal and queue together.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::reading::{Content, Item};
use super::taking::{Candidate, Offer};
use crate::engine::project::Project;
use crate::logic::depend::PLAN;
use crate::logic::watch::diff::{self, Fate, Step, Wanted};
use crate::logic::watch::needs::{self, Asking};
use crate::logic::watch::{contract, name};
use crate::model::{
    BackendName, Digest, EventKind, PlanChange, PlanRecord, PlanStanding, PlanTask, PlanUpdate, State, Task, TaskId,
};
use crate::plan::QueueFile;
use crate::plan::revise::{Naming, Revision};
use crate::sys;

/// The members of a task that are its plan's; the others are a person's or the runner's.
const OF_PLAN: [&str; 8] =
    ["title", "description", "steps", "docs", "output", "verification", "completion", "execution"];
/// How exactly the clock of a file system and ours agree: its ticks are some milliseconds, some have whole seconds.
const CLOCKS: TimeDelta = TimeDelta::seconds(2);

/// What follows from plans.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// For the journal, in the order in which new tasks come in.
    pub(super) changes: Vec<PlanChange>,
    /// For the queue.
    pub(super) revision: Revision,
    /// Plans that could not become tasks.
    pub(super) failures: Vec<EventKind>,
}

/// Brings plans together with the queue as it is.
///
/// # Errors
/// Never for what a plan says.
pub(super) fn make(project: &Project, state: &State, file: &QueueFile, candidates: &[Candidate]) -> Result<Draft> {
    let mut draft = Draft::default();
    let asking: Vec<Asking<'_>> = candidates.iter().filter_map(asking).collect();
    let is_task = |name: &str| file.queue().tasks.iter().any(|task| task.id.as_str() == name);
    let resolved = needs::resolve(&state.plans, &asking, is_task);
    let by_plan: HashMap<&str, &Candidate> =
        candidates.iter().map(|candidate| (candidate.plan.as_str(), candidate)).collect();
    let mut maker = Maker { project, state, file, naming: Naming::of(file), draft: &mut draft };
    // What goes makes room for names before anything comes.
    for candidate in candidates {
        match &candidate.offer {
            Offer::Tasks(_) => {}
            Offer::Broken { reason, retry_at } => maker.fail(candidate, reason, Vec::new(), *retry_at),
            Offer::Draft { title } => maker.close(candidate, PlanStanding::Draft, title, None),
            Offer::Twin { of } => maker.close(candidate, PlanStanding::Twin, "", Some(of)),
            Offer::Gone => maker.close(candidate, PlanStanding::Withdrawn, "", None),
        }
    }
    for (plan, failure) in &resolved.failures {
        if let Some(candidate) = by_plan.get(plan.as_str()) {
            maker.fail(candidate, &failure.reason, failure.waits_for.clone(), None);
        }
    }
    for (plan, needs) in resolved.order {
        if let Some(candidate) = by_plan.get(plan.as_str())
            && let Offer::Tasks(content) = &candidate.offer
        {
            maker.take(candidate, content, &needs)?;
        }
    }
    Ok(draft)
}

fn asking(candidate: &Candidate) -> Option<Asking<'_>> {
    let Offer::Tasks(content) = &candidate.offer else { return None };
    Some(Asking { plan: &candidate.plan, title: &content.title, names: &content.matter.depends_on })
}

/// Whether a task is pending and nobody has worked on it.
pub(super) fn is_waiting(state: &State, task: &Task) -> bool {
    let is_known = state.active.as_ref().is_some_and(|active| active.task == task.id)
        || state.parked.contains_key(&task.id)
        || state.unsaved.contains_key(&task.id);
    !task.status.passes && !task.status.blocked && task.attempt_history.is_empty() && !is_known
}

struct Maker<'a> {
    project: &'a Project,
    state: &'a State,
    file: &'a QueueFile,
    naming: Naming,
    draft: &'a mut Draft,
}

impl Maker<'_> {
    fn fail(&mut self, candidate: &Candidate, reason: &str, waits_for: Vec<String>, retry_at: Option<DateTime<Utc>>) {
        let is_told = |record: &PlanRecord| {
            record.standing == PlanStanding::Failed
                && (record.digest.as_str(), record.reason.as_str()) == (candidate.digest.as_str(), reason)
                && (&record.waits_for, record.retry_at) == (&waits_for, retry_at)
        };
        if self.state.plans.get(&candidate.plan).is_some_and(is_told) {
            return;
        }
        self.draft.failures.push(EventKind::PlanFailed {
            plan: candidate.plan.clone(),
            digest: candidate.digest.clone(),
            reason: reason.to_owned(),
            waits_for,
            retry_at,
        });
    }

    /// What is known about a plan.
    fn record(&self, candidate: &Candidate) -> PlanRecord {
        let key = candidate.moved_from.as_ref().unwrap_or(&candidate.plan);
        self.state.plans.get(key).cloned().unwrap_or_default()
    }

    fn task(&self, id: &TaskId) -> Option<&Task> {
        self.file.task(id)
    }

    fn fate(&self, id: &TaskId) -> Fate {
        match self.task(id) {
            None => Fate::Absent,
            Some(task) if is_waiting(self.state, task) => Fate::Waiting,
            Some(_) => Fate::Begun,
        }
    }

    /// A plan that is not to be worked on: what has not begun goes.
    fn close(&mut self, candidate: &Candidate, standing: PlanStanding, title: &str, twin_of: Option<&String>) {
        let record = self.record(candidate);
        let fates: Vec<Fate> = record.tasks.iter().map(|task| self.fate(&task.id)).collect();
        let diff = diff::diff(&record.tasks, &fates, &[]);
        let withdrawn = ids(&record.tasks, &diff.withdrawn);
        self.draft.revision.removed.extend(withdrawn.iter().cloned());
        self.draft.changes.push(PlanChange {
            plan: candidate.plan.clone(),
            digest: if candidate.digest.is_empty() { record.digest.clone() } else { candidate.digest.clone() },
            standing,
            title: if title.is_empty() { record.title.clone() } else { title.to_owned() },
            tasks: pick(&record.tasks, &diff.orphans),
            withdrawn,
            left: ids(&record.tasks, &diff.left),
            budget: record.budget,
            branch: record.branch,
            twin_of: twin_of.cloned(),
            ..PlanChange::default()
        });
    }

    fn take(&mut self, candidate: &Candidate, content: &Content, needs: &needs::Needs) -> Result<()> {
        let record = self.record(candidate);
        let fates: Vec<Fate> = record.tasks.iter().map(|task| self.fate(&task.id)).collect();
        let extras = Extras::new(content, needs);
        let digests: Vec<String> = content.items.iter().map(|item| extras.digest(item)).collect();
        let wanted: Vec<Wanted<'_>> = content
            .items
            .iter()
            .zip(&digests)
            .map(|(item, digest)| Wanted { own: &item.own, title: &item.title, digest, is_done: item.is_done })
            .collect();
        let diff = diff::diff(&record.tasks, &fates, &wanted);
        let ids_of = self.ids(candidate, &record, content, &diff.steps);
        let mut change = PlanChange {
            plan: candidate.plan.clone(),
            digest: candidate.digest.clone(),
            standing: PlanStanding::Taken,
            title: content.title.clone(),
            withdrawn: ids(&record.tasks, &diff.withdrawn),
            left: ids(&record.tasks, &diff.left),
            needs: needs.plans.clone(),
            budget: content.matter.budget,
            moved_from: candidate.moved_from.clone(),
            notes: content.notes.clone(),
            ..PlanChange::default()
        };
        change.notes.extend(self.remarks(content, &change.left));
        let is_agents = self.may_be_an_agents(candidate);
        let mut kept_checks = Vec::new();
        for ((item, digest), step) in content.items.iter().zip(&digests).zip(&diff.steps) {
            let id = ids_of.get(item.own.as_str());
            match (step, id) {
                (Step::Add, Some(id)) => {
                    self.add(candidate, item, id, &extras, &ids_of);
                    change.added.push(id.clone());
                    change.tasks.push(plan_task(item, digest, id));
                }
                (Step::Update(_), Some(id)) => {
                    let checks = self.update(candidate, item, id, &extras, &ids_of, is_agents)?;
                    kept_checks.extend(Some(id.clone()).filter(|_| checks));
                    change.updated.push(PlanUpdate { id: id.clone(), contract: String::new() });
                    change.tasks.push(plan_task(item, digest, id));
                }
                (Step::Keep(at), _) => {
                    if let Some(old) = record.tasks.get(*at) {
                        self.place_anew(candidate, item, old, fates.get(*at))?;
                        change.tasks.push(PlanTask { own: item.own.clone(), ..old.clone() });
                    }
                }
                (Step::Add | Step::Update(_), None) | (Step::Pass, _) => {}
            }
        }
        if !kept_checks.is_empty() {
            let ids: Vec<&str> = kept_checks.iter().map(TaskId::as_str).collect();
            change.notes.push(format!(
                "edited while an agent worked here, so no check was dropped or changed: {}; save the plan once more when no \
                 agent works, or edit task.json then",
                ids.join(", ")
            ));
        }
        change.tasks.extend(pick(&record.tasks, &diff.orphans));
        self.draft.revision.removed.extend(change.withdrawn.iter().cloned());
        self.draft.changes.push(change);
        Ok(())
    }

    /// Gives each item of the plan its id in the queue.
    fn ids<'c>(
        &mut self,
        candidate: &Candidate,
        record: &PlanRecord,
        content: &'c Content,
        steps: &[Step],
    ) -> BTreeMap<&'c str, TaskId> {
        let mut ids = BTreeMap::new();
        for (item, step) in content.items.iter().zip(steps) {
            let id = match step {
                Step::Add => Some(self.naming.id(&format!("{}-{}", candidate.slug, item.own))),
                Step::Update(at) | Step::Keep(at) => record.tasks.get(*at).map(|task| task.id.clone()),
                Step::Pass => None,
            };
            ids.extend(id.map(|id| (item.own.as_str(), id)));
        }
        ids
    }

    /// What a person should know about what the plan asks for.
    fn remarks(&self, content: &Content, left: &[TaskId]) -> Vec<String> {
        let mut notes = Vec::new();
        let backend = content.matter.backend.unwrap_or(self.project.config.backend.default);
        if content.matter.budget.is_some() && !matches!(backend, BackendName::Claude | BackendName::Opencode) {
            notes.push(format!(
                "`budget` is kept, and nothing follows from it: {} does not say what it costs",
                backend.as_str()
            ));
        }
        if let Some(branch) = &content.matter.branch {
            notes.push(format!("`branch: {branch}` is not acted on: work goes to the current branch"));
        }
        if !left.is_empty() {
            let ids: Vec<&str> = left.iter().map(TaskId::as_str).collect();
            notes.push(format!("begun already, and left as they are: {}", ids.join(", ")));
        }
        notes
    }

    /// Whether an agent was at work in the same directory when the file was changed last.
    fn may_be_an_agents(&self, candidate: &Candidate) -> bool {
        let (Some((began, ended)), Some(at)) = (self.state.agent_span, candidate.changed_at) else { return false };
        let end = match ended {
            Some(ended) => ended,
            None if self.project.is_running() => return at >= began - CLOCKS,
            None => return false,
        };
        at >= began - CLOCKS && at <= end + CLOCKS
    }

    fn add(&mut self, candidate: &Candidate, item: &Item, id: &TaskId, extras: &Extras, ids: &BTreeMap<&str, TaskId>) {
        let mut task = item.task.clone();
        task.insert("id".to_owned(), json!(id));
        task.insert("title".to_owned(), json!(self.naming.title(&item.title, id)));
        task.insert("source".to_owned(), source(candidate, item));
        for (key, value) in extras.members(item, ids) {
            if value.is_null() {
                task.remove(key)
            } else {
                task.insert(key.to_owned(), value)
            };
        }
        self.draft.revision.added.push(task);
    }

    /// Returns whether checks that the plan no longer has were kept.
    fn update(
        &mut self,
        candidate: &Candidate,
        item: &Item,
        id: &TaskId,
        extras: &Extras,
        ids: &BTreeMap<&str, TaskId>,
        is_agents: bool,
    ) -> Result<bool> {
        let mut fields: Map<String, Value> = OF_PLAN
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), item.task.get(*key)?.clone())))
            .chain(extras.members(item, ids).into_iter().map(|(key, value)| (key.to_owned(), value)))
            .collect();
        fields.insert("title".to_owned(), json!(self.naming.title(&item.title, id)));
        fields.insert("source".to_owned(), source(candidate, item));
        let mut is_kept = false;
        if is_agents {
            let old = self.file.task_value(id)?;
            let map = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
            let (checks, is_refused) =
                contract::only_more(&map(old.get("verification")), &map(fields.get("verification")));
            fields.insert("verification".to_owned(), Value::Object(checks));
            is_kept = is_refused;
            for key in ["completion", "execution"] {
                is_kept |= fields.remove(key).is_some_and(|new| old.get(key) != Some(&new));
            }
        }
        self.draft.revision.updated.push((id.clone(), fields));
        Ok(is_kept)
    }

    /// A task that stays as it is may stand on another line of the plan, or in a plan with another name.
    fn place_anew(&mut self, candidate: &Candidate, item: &Item, old: &PlanTask, fate: Option<&Fate>) -> Result<()> {
        if fate != Some(&Fate::Waiting) || item.is_done {
            return Ok(());
        }
        let source = source(candidate, item);
        if self.file.task_value(&old.id)?.get("source") != Some(&source) {
            let fields = Map::from_iter([("source".to_owned(), source)]);
            self.draft.revision.updated.push((old.id.clone(), fields));
        }
        Ok(())
    }
}

/// What the front matter says about every task of a plan.
struct Extras {
    priority: Option<i64>,
    backend: Option<BackendName>,
    needs: Vec<String>,
}

impl Extras {
    fn new(content: &Content, needs: &needs::Needs) -> Self {
        let plans = needs.plans.iter().map(|plan| format!("{PLAN}{plan}"));
        Self {
            priority: content.matter.priority,
            backend: content.matter.backend,
            needs: plans.chain(needs.tasks.iter().cloned()).collect(),
        }
    }

    /// Digest of all that is said about a task.
    fn digest(&self, item: &Item) -> String {
        if self.priority.is_none() && self.backend.is_none() && self.needs.is_empty() {
            return item.digest.clone();
        }
        let backend = self.backend.map(BackendName::as_str);
        let told = json!([item.digest, self.priority, backend, self.needs]).to_string();
        Digest(sys::hash::bytes(told.as_bytes())).to_string()
    }

    /// Members of a task; those that are null are to be absent. `ids` are the ids in the queue by those in the plan.
    fn members(&self, item: &Item, ids: &BTreeMap<&str, TaskId>) -> Vec<(&'static str, Value)> {
        let own = item.task.get("depends_on").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let own = own.iter().filter_map(|need| ids.get(need.as_str()?)).map(ToString::to_string);
        let needs: Vec<String> = own.chain(self.needs.iter().cloned()).collect();
        let or_null = |is_empty: bool, value: Value| if is_empty { Value::Null } else { value };
        vec![
            ("depends_on", or_null(needs.is_empty(), json!(needs))),
            ("priority", json!(self.priority)),
            ("backend", json!(self.backend.map(BackendName::as_str))),
        ]
    }
}

/// Where a task comes from: file, line and the digest of the plan's content.
fn source(candidate: &Candidate, item: &Item) -> Value {
    let mut source = match item.task.get("source") {
        Some(Value::Object(source)) => source.clone(),
        _ => Map::from_iter([("file".to_owned(), json!(name::path(&candidate.plan)))]),
    };
    source.insert("digest".to_owned(), json!(candidate.digest));
    Value::Object(source)
}

fn plan_task(item: &Item, digest: &str, id: &TaskId) -> PlanTask {
    PlanTask { id: id.clone(), own: item.own.clone(), title: item.title.clone(), digest: digest.to_owned() }
}

fn pick(tasks: &[PlanTask], at: &[usize]) -> Vec<PlanTask> {
    at.iter().filter_map(|at| tasks.get(*at)).cloned().collect()
}

fn ids(tasks: &[PlanTask], at: &[usize]) -> Vec<TaskId> {
    at.iter().filter_map(|at| tasks.get(*at)).map(|task| task.id.clone()).collect()
}
