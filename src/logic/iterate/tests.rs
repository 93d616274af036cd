//! Plays iterative tasks in memory: a tree that is one number, and trials that change it.

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;
use crate::logic::judge::{self, Reference};
use crate::logic::{apply, decide, replay};
use crate::model::{
    BlockAction, Change, ChangeKind, CheckResult, EffectId, Event, Limits, ReflectionLimits, RelPath, RunId, RunStart,
    Sampling, State, Task, TaskId, TaskState, Usage,
};

/// What one agent does, and what the world makes of it.
#[derive(Clone, Debug)]
struct Trial {
    is_ok: bool,
    value: Option<f64>,
    passes: bool,
    is_refused: bool,
    infra: u32,
    is_limited: bool,
    is_foreign: bool,
}

const NONE: Trial =
    Trial { is_ok: true, value: None, passes: true, is_refused: false, infra: 0, is_limited: false, is_foreign: false };

fn to(value: f64) -> Trial {
    Trial { value: Some(value), ..NONE }
}

struct World {
    state: State,
    events: Vec<Event>,
    now: DateTime<Utc>,
    task: Task,
    tree: f64,
    branch: f64,
    before: f64,
    trial: Trial,
    infra: u32,
}

fn task(plan: Iterative, samples: Option<Samples>) -> Task {
    let numeric = Numeric {
        name: "n".into(),
        direction: Some(Direction::LowerIsBetter),
        json_path: "$".into(),
        sampling: Sampling { samples, ..Sampling::default() },
        ..Numeric::default()
    };
    Task {
        id: TaskId::new("a"),
        completion: Completion::Numeric(numeric),
        execution: Execution::Iterative(plan),
        ..Task::default()
    }
}

impl World {
    fn new(task: Task) -> Self {
        let mut world = Self {
            state: State::default(),
            events: Vec::new(),
            now: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            task,
            tree: 100.0,
            branch: 100.0,
            before: 100.0,
            trial: NONE,
            infra: 0,
        };
        let settings = Settings {
            limits: Limits { delay_seconds: 0, ..Limits::default() },
            commits: true,
            in_git: true,
            on_block: BlockAction::Salvage,
            dry_run: false,
            reflection: ReflectionLimits::default(),
            windows: Vec::default(),
        };
        world.record(EventKind::RunStarted(Box::new(RunStart {
            version: String::new(),
            pid: 1,
            host: String::new(),
            backend: "codex".into(),
            backend_version: String::new(),
            project: "p".into(),
            settings,
        })));
        let brief = TaskState { id: TaskId::new("a"), strategy: "iterative".into(), ..TaskState::default() };
        let order = Some(vec![brief.id.clone()]);
        world.record(EventKind::QueueSeen { project: "p".into(), order, changed: vec![brief] });
        world
    }

    fn record(&mut self, kind: EventKind) {
        let seq = self.events.len() as u64 + 1;
        let event = Event { seq, at: self.now, run: RunId::new("r"), kind };
        apply(&mut self.state, &event);
        let text = serde_json::to_string(&event).unwrap();
        let back: Event = serde_json::from_str(&text).unwrap();
        assert_eq!(back, event, "{text}");
        self.events.push(event);
    }

    fn play(mut self, trials: &[Trial]) -> Self {
        let mut trials = trials.iter().cloned();
        for _ in 0..2_000 {
            match decide(&self.state, self.now) {
                Next::Record(kinds) => kinds.into_iter().for_each(|kind| self.record(kind)),
                Next::Perform(Effect::Stop) => return self,
                Next::Perform(effect) => self.perform(&effect, &mut trials),
            }
        }
        panic!("the run does not end: {:?}", self.state.active);
    }

    fn campaign(&self) -> &Campaign {
        self.state.active.as_ref().unwrap().campaign.as_ref().unwrap()
    }

    fn perform(&mut self, effect: &Effect, trials: &mut impl Iterator<Item = Trial>) {
        let id = EffectId::nth(&RunId::new("r"), self.state.run.effects + 1);
        let name = TaskId::new("a");
        match effect {
            Effect::SaveQueue => {
                self.record(EventKind::QueueSaving { digest: "d".into() });
                self.record(EventKind::QueueSaved);
            }
            Effect::OpenTask { task } => self.record(EventKind::TaskOpened {
                task: task.clone(),
                title: "t".into(),
                base: "base".into(),
                base_commit: Some("c0".into()),
                touched: vec![],
            }),
            Effect::Baseline => {
                let task = Box::new(self.task.clone());
                self.record(EventKind::BaselineStarted { effect: id.clone(), task });
                let report = self.gate(Reference::default());
                self.record(EventKind::BaselineEnded { effect: id, report, repeats: vec![] });
            }
            Effect::RunAttempt { attempt } => self.attempt(id, *attempt, trials.next().unwrap_or(NONE)),
            Effect::Propose { iteration } => {
                let is_changed = self.tree.to_bits() != self.before.to_bits();
                let change = Change { path: RelPath::from("value"), kind: ChangeKind::Modified };
                self.record(EventKind::Proposed {
                    task: name,
                    iteration: *iteration,
                    commit: is_changed.then(|| format!("x{iteration}")),
                    reference: String::new(),
                    changed: is_changed.then_some(change).into_iter().collect(),
                    left_out: vec![],
                    summary: "1 file changed".into(),
                });
            }
            Effect::Verify { attempt } => {
                self.record(EventKind::GateStarted { effect: id.clone(), attempt: *attempt });
                let campaign = self.campaign();
                let reference = if needs_comparison(numeric(&self.task), false) {
                    Reference::default()
                } else {
                    Reference { best_before: Some(campaign.best), baseline: Some(campaign.baseline) }
                };
                let changed = campaign.candidate.as_ref().unwrap().changed.clone();
                let report = self.gate(reference);
                self.record(EventKind::GateEnded { effect: id, report, changed });
            }
            Effect::Compare { iteration } => self.compare(id, *iteration, self.before),
            Effect::Revalidate => self.compare(id, 0, 100.0),
            Effect::Commit { attempt } => {
                self.record(EventKind::CommitStarted { effect: id.clone(), attempt: *attempt });
                if self.trial.is_refused {
                    let details = "refused".to_owned();
                    let check = CheckResult { name: "commit".into(), verdict: Verdict::Fail, details, evidence: None };
                    return self.record(EventKind::CommitRefused { effect: id, check });
                }
                self.branch = self.tree;
                self.record(EventKind::Committed { effect: id, sha: format!("b{attempt}") });
            }
            Effect::Revert { iteration } => {
                assert!(self.campaign().candidate.as_ref().unwrap().commit.is_some(), "nothing would hold it");
                self.record(EventKind::RevertStarted { effect: id.clone(), iteration: *iteration });
                let trouble = if self.trial.is_foreign { "somebody else".to_owned() } else { String::new() };
                if trouble.is_empty() {
                    self.tree = self.before;
                }
                let (head, commit, left_alone) = ("h".into(), None, vec![]);
                self.record(EventKind::Reverted { effect: id, head, commit, left_alone, trouble });
            }
            Effect::Wait { until } => self.now = *until,
            other => panic!("{other:?} is not for an iterative task"),
        }
    }

    fn attempt(&mut self, effect: EffectId, attempt: u32, trial: Trial) {
        if self.campaign().before.is_none() {
            self.before = self.tree;
        }
        self.record(EventKind::AttemptStarted {
            effect: effect.clone(),
            task: Box::new(self.task.clone()),
            attempt,
            before: format!("before{attempt}"),
            log: "log".into(),
            backend: "codex".into(),
            before_commit: Some(format!("p{attempt}")),
        });
        self.tree = trial.value.unwrap_or(self.tree);
        let end = if trial.is_limited {
            ProcessEnd::Limited(crate::model::Limit { code: 1, reason: "429".into(), until: None })
        } else {
            ProcessEnd::Exited { code: i32::from(!trial.is_ok) }
        };
        let report = AttemptReport {
            end,
            is_ok: trial.is_ok && !trial.is_limited,
            message: String::new(),
            session: String::new(),
            usage: Usage::default(),
            changed: trial.value.map(|_| RelPath::from("value")).into_iter().collect(),
            duration_ms: 1,
            strays: 0,
        };
        self.infra = trial.infra;
        self.trial = trial;
        self.record(EventKind::AttemptEnded { effect, report });
    }

    fn gate(&mut self, reference: Reference) -> GateReport {
        let verdict = if self.infra > 0 {
            self.infra -= 1;
            Verdict::Infra
        } else if self.trial.passes {
            Verdict::Pass
        } else {
            Verdict::Fail
        };
        let check = CheckResult { name: "validate:x".into(), verdict, details: "x".into(), evidence: None };
        judge::report(&self.task, vec![check], Ok(self.tree), reference)
    }

    fn compare(&mut self, effect: EffectId, iteration: u32, champion: f64) {
        self.record(EventKind::CompareStarted { effect: effect.clone(), iteration });
        let finding = if self.tree < champion * 0.95 {
            Finding::Improved
        } else if self.tree > champion * 1.05 {
            Finding::Regressed
        } else {
            Finding::Undecided
        };
        let compared = Compared::Measured(Comparison {
            finding,
            champion,
            candidate: self.tree,
            ratio: self.tree / champion,
            interval: (0.5, 1.5),
            p_value: 0.5,
            samples: 9,
            pairs: vec![],
            broken_guard: None,
            reason: "r".into(),
        });
        self.record(EventKind::CompareEnded { effect, iteration, compared });
    }

    fn records(&self) -> Vec<ExperimentRecord> {
        let record = |event: &Event| match &event.kind {
            EventKind::ExperimentEnded { record, .. } => Some((**record).clone()),
            _ => None,
        };
        self.events.iter().filter_map(record).collect()
    }

    fn outcomes(&self) -> Vec<(Outcome, Step)> {
        self.records().iter().skip(1).map(|record| (record.outcome, record.step)).collect()
    }
}

fn numeric(task: &Task) -> &Numeric {
    match &task.completion {
        Completion::Numeric(numeric) => numeric,
        Completion::Boolean => panic!("not numeric"),
    }
}

fn plan(max_iterations: u32) -> Iterative {
    Iterative { max_iterations, stop_after_no_improvement: 9, stop_after_invalid: 9, ..Iterative::default() }
}

#[test]
fn the_best_is_kept_and_the_rest_put_back() {
    let once = Some(Samples::Fixed(1));
    let trials = [to(90.0), to(95.0), Trial { passes: false, ..to(1.0) }, Trial { is_ok: false, ..to(2.0) }, to(80.0)];
    let world = World::new(task(plan(6), once)).play(&trials);
    let wanted = [
        (Outcome::Improved, Step::Keep),
        (Outcome::Regressed, Step::Revert),
        (Outcome::Invalid, Step::Revert),
        (Outcome::Invalid, Step::Revert),
        (Outcome::Improved, Step::Keep),
        (Outcome::Unchanged, Step::Nothing),
    ];
    assert_eq!(world.outcomes(), wanted);
    assert_eq!((world.tree, world.branch, world.state.run.exit_code), (80.0, 80.0, Some(0)));
}

#[test]
fn an_undecided_change_is_not_kept_and_the_last_word_is_asked_once() {
    let world = World::new(task(plan(2), Some(Samples::Auto))).play(&[to(99.0), to(60.0)]);
    assert_eq!(world.outcomes(), [(Outcome::Unchanged, Step::Revert), (Outcome::Improved, Step::Keep)]);
    let asked = |event: &&Event| matches!(&event.kind, EventKind::CompareStarted { iteration: 0, .. });
    assert_eq!(world.events.iter().filter(asked).count(), 1);
    assert_eq!(world.state.run.exit_code, Some(0));
}

#[test]
fn streaks_and_invalid_results_end_a_task() {
    let limits = Iterative { stop_after_no_improvement: 2, stop_after_invalid: 2, ..plan(9) };
    let once = Some(Samples::Fixed(1));
    let world = World::new(task(limits.clone(), once)).play(&[to(101.0), to(102.0), to(1.0)]);
    assert_eq!((world.outcomes().len(), world.state.run.exit_code), (2, Some(0)));
    let dead = Trial { is_ok: false, ..NONE };
    let world = World::new(task(limits, once)).play(&[dead.clone(), to(90.0), dead]);
    assert_eq!((world.outcomes().len(), world.state.run.exit_code), (3, Some(2)), "in all, not in a row");
}

#[test]
fn a_check_that_cannot_be_made_is_made_again_and_a_refused_commit_is_put_back() {
    let once = Some(Samples::Fixed(1));
    let shaky = Trial { infra: 2, ..to(90.0) };
    let refused = Trial { is_refused: true, ..to(70.0) };
    let world = World::new(task(plan(2), once)).play(&[shaky, refused]);
    assert_eq!(world.outcomes(), [(Outcome::Improved, Step::Keep), (Outcome::Invalid, Step::Revert)]);
    assert_eq!(world.tree.to_bits(), 90.0_f64.to_bits());
}

#[test]
fn a_change_that_cannot_be_put_back_blocks() {
    let foreign = Trial { is_foreign: true, ..to(120.0) };
    let world = World::new(task(plan(5), Some(Samples::Fixed(1)))).play(&[foreign]);
    assert_eq!((world.outcomes().len(), world.state.run.exit_code), (1, Some(2)));
    assert_eq!(world.state.tasks[0].status.block_reason, "somebody else");
}

fn trial() -> impl Strategy<Value = Trial> {
    let value = proptest::option::weighted(0.8, prop_oneof![Just(50.0), Just(90.0), Just(95.0), 1.0..200.0f64]);
    (value, any::<[bool; 5]>(), 0u32..4).prop_map(|(value, [a, b, c, d, e], infra)| Trial {
        is_ok: a || b,
        value,
        passes: b || c,
        is_refused: d && e,
        infra: if e { infra } else { 0 },
        is_limited: a && c && d && e,
        is_foreign: !a && !b && !c && d,
    })
}

proptest! {
    #[test]
    fn only_proved_improvements_are_ever_in_the_branch(
        trials in proptest::collection::vec(trial(), 0..12),
        max_iterations in 1u32..8,
        stops in (1u32..4, 1u32..4),
        flags in any::<[bool; 3]>(),
    ) {
        let limits = Iterative {
            max_iterations,
            stop_after_no_improvement: stops.0,
            stop_after_invalid: stops.1,
            rollback_on_failure: flags[0],
            keep_on_equal: flags[1],
            ..Iterative::default()
        };
        let samples = if flags[2] { Samples::Auto } else { Samples::Fixed(1) };
        let world = World::new(task(limits, Some(samples))).play(&trials);
        let records = world.records();
        prop_assert!(records.len() as u32 <= max_iterations + 1);
        let mut best = 100.0;
        for record in &records {
            if record.step == Step::Keep {
                let is_equal = flags[1] && record.outcome == Outcome::Unchanged;
                prop_assert!(record.outcome == Outcome::Improved || is_equal, "{record:?}");
                prop_assert!(is_equal || record.measured.unwrap() < best);
                best = record.measured.unwrap();
            }
        }
        prop_assert_eq!(world.branch.to_bits(), best.to_bits());
        let task = &world.state.tasks[0];
        prop_assert!(task.status.passes != task.status.blocked);
        if task.status.passes {
            prop_assert_eq!(world.tree.to_bits(), best.to_bits(), "what is done is what was proved");
        }
        prop_assert_eq!(&replay(&world.events), &world.state);
    }
}
