//! Plays whole runs in memory: a scripted world answers every effect, and the course must hold what it promises.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::{Next, apply, decide};
use crate::model::{
    AttemptReport, BlockAction, Change, ChangeKind, CheckResult, Effect, EffectId, EnvProblem, Event, EventKind,
    GateReport, Limit, Limits, Outcome, ProcessEnd, Reflection, ReflectionLimits, RelPath, Replan, RunId, RunStart,
    Settings, State, TaskId, TaskState, Usage, Verdict,
};

mod epochs;
mod schedule;

/// What the world does with one attempt.
#[derive(Clone, Debug)]
enum Turn {
    Passes,
    FailsChecks {
        changes: bool,
    },
    Dies {
        code: i32,
        changes: bool,
    },
    Limited,
    EnvError,
    CannotCheck,
    HookRefuses,
    Stopped,
    StoppedByHand,
    /// A person pauses at once, and goes on before the agent has ended.
    HeldOff,
}

/// How a played run ended.
#[derive(Debug)]
struct Played {
    state: State,
    events: Vec<Event>,
    attempts: Vec<String>,
    waited: TimeDelta,
}

fn settings(limits: Limits) -> Settings {
    Settings {
        limits,
        commits: true,
        in_git: true,
        on_block: BlockAction::Salvage,
        dry_run: false,
        reflection: ReflectionLimits::default(),
        windows: Vec::new(),
    }
}

fn limits(max_retries: u32) -> Limits {
    Limits { max_retries, delay_seconds: 0, ..Limits::default() }
}

fn gate(verdict: Verdict) -> GateReport {
    let errors = if verdict.is_pass() { vec![] } else { vec!["validate:x: exit_code=1".to_owned()] };
    let check = CheckResult { name: "validate:x".into(), verdict, details: "exit_code=1".into(), evidence: None };
    GateReport { verdict, checks: vec![check], outcome: Outcome::NotMet, metric: None, errors }
}

struct World {
    state: State,
    events: Vec<Event>,
    now: DateTime<Utc>,
    waited: TimeDelta,
    attempts: Vec<String>,
    turn: Option<Turn>,

    reflection: Reflection,
    plans: Vec<Replan>,
}

impl World {
    fn new(tasks: &[&str], settings: Settings) -> Self {
        let mut world = Self {
            state: State::default(),
            events: Vec::new(),
            now: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            waited: TimeDelta::zero(),
            attempts: Vec::new(),
            turn: None,

            reflection: Reflection::Skipped { reason: "no JSON".into() },
            plans: Vec::new(),
        };
        world.start(settings);
        let briefs: Vec<TaskState> =
            tasks.iter().map(|id| TaskState { id: TaskId::new(id), ..TaskState::default() }).collect();
        let order = Some(briefs.iter().map(|task| task.id.clone()).collect());
        world.record(vec![EventKind::QueueSeen { project: "p".into(), order, changed: briefs }]);
        world
    }

    fn start(&mut self, settings: Settings) {
        self.record(vec![EventKind::RunStarted(Box::new(RunStart {
            version: String::new(),
            pid: 1,
            host: String::new(),
            backend: "codex".into(),
            backend_version: String::new(),
            project: "p".into(),
            settings,
        }))]);
    }

    fn record(&mut self, kinds: Vec<EventKind>) {
        for kind in kinds {
            let seq = self.events.len() as u64 + 1;
            let event = Event { seq, at: self.now, run: RunId::new("r"), kind };
            apply(&mut self.state, &event);
            // The journal keeps JSON: what cannot be read back is lost.
            let text = serde_json::to_string(&event).unwrap();
            let back: Event = serde_json::from_str(&text).unwrap();
            assert_eq!(back, event, "{text}");
            self.events.push(event);
        }
    }

    /// Plays to the end of the run; `turns` are used up, then everything passes.
    fn play(mut self, turns: &[Turn]) -> Played {
        let mut turns = turns.iter().cloned();
        for _ in 0..10_000 {
            let next = decide(&self.state, self.now);
            assert_eq!(next, decide(&self.state, self.now), "the same question has the same answer");
            match next {
                Next::Record(kinds) => {
                    assert!(!kinds.is_empty());
                    self.record(kinds);
                }
                Next::Perform(Effect::Stop) => {
                    let World { state, events, attempts, waited, .. } = self;
                    return Played { state, events, attempts, waited };
                }
                Next::Perform(effect) => self.perform(effect, &mut turns),
            }
        }
        panic!("the run does not end: {:?}", self.state);
    }

    fn perform(&mut self, effect: Effect, turns: &mut impl Iterator<Item = Turn>) {
        let id = EffectId::nth(&RunId::new("r"), self.state.run.effects + 1);
        match effect {
            Effect::SaveQueue => {
                self.record(vec![EventKind::QueueSaving { digest: "d".into() }, EventKind::QueueSaved]);
            }
            Effect::OpenTask { task } => self.record(vec![EventKind::TaskOpened {
                title: task.to_string(),
                task,
                base: "base".into(),
                base_commit: Some("c0".into()),
                touched: vec![],
            }]),
            Effect::RunAttempt { attempt } => self.run_attempt(id, attempt, turns.next().unwrap_or(Turn::Passes)),
            Effect::Verify { attempt } => {
                let verdict = match self.turn {
                    Some(Turn::FailsChecks { .. }) => Verdict::Fail,
                    Some(Turn::CannotCheck) => Verdict::Infra,
                    _ => Verdict::Pass,
                };
                let changed =
                    self.state.active.as_ref().map(|a| a.touched.iter().cloned().collect()).unwrap_or_default();
                let changed: Vec<RelPath> = changed;
                let changed = changed.into_iter().map(|path| Change { path, kind: ChangeKind::Added }).collect();
                self.record(vec![
                    EventKind::GateStarted { effect: id.clone(), attempt },
                    EventKind::GateEnded { effect: id, report: gate(verdict), changed },
                ]);
            }
            Effect::Commit { attempt } => {
                let end = if matches!(self.turn, Some(Turn::HookRefuses)) {
                    let check = CheckResult {
                        name: "commit".into(),
                        verdict: Verdict::Fail,
                        details: "pre-commit refused".into(),
                        evidence: None,
                    };
                    EventKind::CommitRefused { effect: id.clone(), check }
                } else {
                    EventKind::Committed { effect: id.clone(), sha: "c1".into() }
                };
                self.record(vec![EventKind::CommitStarted { effect: id, attempt }, end]);
            }
            Effect::Reflect { attempt } => {
                let task = self.state.active.as_ref().unwrap().task.clone();

                let reflection = self.reflection.clone();
                self.record(vec![EventKind::Reflected { task, attempt, reflection }]);
            }
            Effect::Replan { epoch } => self.replan(id, epoch),
            Effect::Salvage => self.record(vec![
                EventKind::SalvageStarted { effect: id.clone() },
                EventKind::Salvaged {
                    effect: id,
                    reference: Some("refs/autodev/salvage/x".into()),
                    left_alone: vec![],
                    reason: String::new(),
                },
            ]),
            Effect::Wait { until } => {
                assert!(until > self.now, "waiting for the past");
                self.waited += until - self.now;
                self.now = until;
            }
            Effect::Preview { task } => self.record(vec![EventKind::Previewed {
                task,
                title: String::new(),
                prompt_chars: 1,
                prompt_head: "p".into(),
            }]),
            Effect::Baseline
            | Effect::Propose { .. }
            | Effect::Compare { .. }
            | Effect::Revert { .. }
            | Effect::Revalidate => unreachable!("played in logic::iterate"),
            Effect::Stop => unreachable!("handled by the caller"),
        }
    }

    fn run_attempt(&mut self, effect: EffectId, attempt: u32, turn: Turn) {
        let task = self.state.active.as_ref().unwrap().task.clone();
        self.attempts.push(format!("{task}/{attempt}"));
        let spec = crate::model::Task { id: task.clone(), ..Default::default() };
        self.record(vec![EventKind::AttemptStarted {
            effect: effect.clone(),
            task: Box::new(spec),
            attempt,
            before: "before".into(),
            log: "log".into(),
            backend: "codex".into(),
            before_commit: None,
        }]);
        if matches!(turn, Turn::Stopped) {
            self.record(vec![EventKind::StopRequested { signal: "SIGTERM".into() }]);
        }
        if matches!(turn, Turn::HeldOff) {
            self.record(vec![EventKind::Held { reason: String::new(), until: None, interrupts: true }]);
            self.record(vec![EventKind::HoldEnded { by_itself: false }]);
        }
        let (end, is_ok, changes) = match &turn {
            Turn::Passes | Turn::CannotCheck | Turn::HookRefuses => (ProcessEnd::Exited { code: 0 }, true, true),
            Turn::FailsChecks { changes } => (ProcessEnd::Exited { code: 0 }, true, *changes),
            Turn::Dies { code, changes } => (ProcessEnd::Exited { code: *code }, false, *changes),
            Turn::Limited => (ProcessEnd::Limited(Limit { code: 1, reason: "429".into(), until: None }), false, false),
            Turn::EnvError => (ProcessEnd::EnvError(EnvProblem { code: 1, reason: "no key".into() }), false, false),
            Turn::Stopped | Turn::StoppedByHand | Turn::HeldOff => (ProcessEnd::Interrupted, false, true),
        };
        self.turn = Some(turn);
        let changed = if changes { vec![RelPath::from(format!("{task}.txt").as_str())] } else { vec![] };
        let report = AttemptReport {
            end,
            is_ok,
            message: String::new(),
            session: String::new(),
            usage: Usage::default(),
            changed,
            duration_ms: 1,
            strays: 0,
        };
        self.record(vec![EventKind::AttemptEnded { effect, report }]);
    }
}

fn play(tasks: &[&str], limits: Limits, turns: &[Turn]) -> Played {
    World::new(tasks, settings(limits)).play(turns)
}

fn count(played: &Played, is: impl Fn(&EventKind) -> bool) -> usize {
    played.events.iter().filter(|event| is(&event.kind)).count()
}

#[test]
fn everything_that_passes_is_committed_once_in_order() {
    let played = play(&["a", "b"], limits(3), &[]);
    assert_eq!(played.attempts, ["a/1", "b/1"]);
    assert_eq!(count(&played, |k| matches!(k, EventKind::Committed { .. })), 2);
    assert_eq!(played.state.run.exit_code, Some(0));
}

#[test]
fn failed_checks_are_tried_again_as_long_as_files_change() {
    let fails = Turn::FailsChecks { changes: true };
    let played = play(&["a"], limits(6), &vec![fails; 5]);
    assert_eq!(played.attempts.len(), 6, "the breaker lets progress continue");
    assert_eq!(played.state.run.exit_code, Some(0));
}

#[test]
fn attempts_without_a_change_open_the_breaker() {
    let played = play(&["a"], limits(20), &vec![Turn::FailsChecks { changes: false }; 20]);
    assert_eq!(played.attempts.len(), 3);
    let reason = &played.state.task(&TaskId::new("a")).unwrap().status.block_reason;
    assert!(reason.starts_with("Circuit breaker"), "{reason}");
    assert_eq!(played.state.run.exit_code, Some(2));
}

#[test]
fn equal_backend_failures_open_the_breaker_and_different_ones_do_not() {
    let same = vec![Turn::Dies { code: 17, changes: true }; 20];
    assert_eq!(play(&["a"], limits(20), &same).attempts.len(), 3);
    let differing: Vec<Turn> = (1..=5).map(|code| Turn::Dies { code, changes: true }).collect();
    assert_eq!(play(&["a"], limits(20), &differing).attempts.len(), 6);
}

#[test]
fn a_limit_costs_no_attempt_and_waits_longer_each_time() {
    let played = play(&["a"], limits(1), &vec![Turn::Limited; 4]);
    assert_eq!(played.attempts, ["a/1"; 5]);
    assert_eq!(played.state.run.exit_code, Some(0));
    assert!(played.waited >= TimeDelta::seconds(300 + 450 + 675 + 1012), "{}", played.waited);
}

#[test]
fn limits_without_end_ask_a_person_after_a_day() {
    let played = play(&["a"], limits(1), &vec![Turn::Limited; 1000]);
    assert_eq!(played.state.run.exit_code, Some(1));
    assert!(played.waited > TimeDelta::hours(24) && played.waited < TimeDelta::hours(26), "{}", played.waited);
}

#[test]
fn an_environment_error_stops_the_run_and_blames_no_task() {
    let played = play(&["a", "b"], limits(3), &[Turn::EnvError]);
    assert_eq!(played.attempts, ["a/1"]);
    assert_eq!(played.state.run.exit_code, Some(1));
    assert!(played.state.tasks.iter().all(|t| !t.status.blocked && !t.status.passes));
}

#[test]
fn a_check_that_cannot_be_made_is_tried_again_without_an_agent() {
    let played = play(&["a"], limits(2), &[Turn::CannotCheck]);
    assert_eq!(played.attempts.len(), 2);
    assert_eq!(count(&played, |k| matches!(k, EventKind::GateEnded { .. })), 4, "three checks, then a new attempt");
}

#[test]
fn a_refused_commit_is_a_failed_attempt() {
    let played = play(&["a"], limits(2), &[Turn::HookRefuses]);
    assert_eq!(played.attempts, ["a/1", "a/2"]);
    assert_eq!(count(&played, |k| matches!(k, EventKind::Committed { .. })), 1);
}

#[test]
fn a_stopped_run_goes_on_where_it_was_with_all_attempts() {
    let world = World::new(&["a"], settings(limits(2)));
    let first = world.play(&[Turn::FailsChecks { changes: true }, Turn::Stopped]);
    assert_eq!(first.state.run.exit_code, Some(130));
    let mut world = World::new(&[], settings(limits(2)));
    world.state = first.state;
    world.events = first.events;
    world.start(settings(limits(2)));
    let second = world.play(&[Turn::FailsChecks { changes: true }]);
    assert_eq!(second.attempts, ["a/1", "a/2"]);
    assert_eq!(count(&second, |k| matches!(k, EventKind::TaskOpened { .. })), 1, "the base is still that of the start");
}

#[test]
fn an_epoch_that_ends_with_tasks_left_is_followed_by_the_next() {
    let limits = Limits { max_tasks: 2, max_epochs: 2, ..limits(1) };
    let played = play(&["a", "b", "c", "d", "e"], limits, &[]);
    assert_eq!(played.attempts, ["a/1", "b/1", "c/1", "d/1"]);
    assert_eq!(played.state.run.epoch, 2);
}

#[test]
fn an_agent_that_was_stopped_by_hand_stops_the_run() {
    let played = play(&["a", "b"], limits(3), &[Turn::StoppedByHand]);
    assert_eq!((played.attempts.len(), played.state.run.exit_code), (1, Some(130)));
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        3 => Just(Turn::Passes),
        3 => any::<bool>().prop_map(|changes| Turn::FailsChecks { changes }),
        2 => (1..4i32, any::<bool>()).prop_map(|(code, changes)| Turn::Dies { code, changes }),
        1 => Just(Turn::Limited),
        1 => Just(Turn::CannotCheck),
        1 => Just(Turn::HookRefuses),
        1 => Just(Turn::EnvError),
        1 => Just(Turn::Stopped),
        1 => Just(Turn::StoppedByHand),
        1 => Just(Turn::HeldOff),
    ]
}

proptest! {
    #[test]
    fn every_run_ends_within_its_bounds(
        turns in proptest::collection::vec(turn(), 0..40),
        count in 0usize..5,
        retries in 1u32..5,
        tasks_limit in 1u32..6,
        delay in 0u64..3,
        max_epochs in 1u32..4,
        is_enabled in any::<bool>(),
        plans in proptest::collection::vec(epochs::replan(), 0..4),
    ) {
        let names = ["a", "b", "c", "d", "e"];
        let limits =
            Limits { max_retries: retries, max_tasks: tasks_limit, max_epochs, delay_seconds: delay, ..Limits::default() };
        let reflection = ReflectionLimits { is_enabled, max_refinements: 2 };
        let mut world = World::new(names.get(..count).unwrap_or_default(), Settings { reflection, ..settings(limits) });
        world.plans = plans;
        let played = world.play(&turns);
        let state = &played.state;
        // Nothing is done that was not proved, and nothing is both.
        for task in &state.tasks {
            prop_assert!(!(task.status.passes && task.status.blocked));
        }
        let passed = played.events.iter().filter(|e| matches!(&e.kind, EventKind::GateEnded { report, .. } if report.verdict.is_pass())).count();
        prop_assert!(state.tasks.iter().filter(|t| t.status.passes).count() <= passed);
        prop_assert!(state.unsaved.is_empty(), "everything is written before the end");
        prop_assert!(state.run.rounds <= tasks_limit);
        prop_assert!(state.run.epoch <= max_epochs);
        // Attempts that count are bounded per task.
        for name in names {
            let failed = played.events.iter().filter(|e| matches!(&e.kind, EventKind::AttemptFailed { task, .. } if task.as_str() == name)).count();
            prop_assert!(failed <= (retries * max_epochs) as usize, "{name}: {failed}");
        }
        // The state is nothing but its events.
        prop_assert_eq!(&super::replay(&played.events), state);
        let code = state.run.exit_code.unwrap();
        prop_assert!([0, 1, 2, 130].contains(&code));
        let is_blocked = state.has_blocked() || !state.left_blocked.is_empty();
        prop_assert_eq!(code == 2, is_blocked && state.run.stop.is_none() && state.run.env_problem.is_none());
    }
}
