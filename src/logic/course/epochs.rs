//! Epochs and reflections in played runs.

use pretty_assertions::assert_eq;

use super::*;
use crate::model::{Refinement, Status};

impl World {
    /// Answers the next planned outcome; without one there is nothing new.
    pub(super) fn replan(&mut self, effect: EffectId, epoch: u32) {
        self.record(vec![EventKind::ReplanStarted { effect: effect.clone(), epoch }]);
        let outcome = if self.plans.is_empty() { Replan::Nothing } else { self.plans.remove(0) };
        let mut records = vec![EventKind::Replanned { effect, epoch, outcome: outcome.clone() }];
        if let Replan::New { tasks, .. } = outcome {
            let changed = tasks.iter().map(|id| TaskState { id: id.clone(), ..TaskState::default() }).collect();
            records.push(EventKind::QueueSeen { project: "p".into(), order: Some(tasks), changed });
        }
        self.record(records);
    }
}

fn plan(ids: &[&str], replaces: &[&str]) -> Replan {
    let named = |ids: &[&str]| ids.iter().map(TaskId::new).collect();
    Replan::New { archive: "epoch-1.json".into(), tasks: named(ids), replaces: named(replaces), left_out: vec![] }
}

pub(super) fn replan() -> impl Strategy<Value = Replan> {
    prop_oneof![
        3 => Just(plan(&["d", "e"], &[])),
        2 => Just(plan(&["a"], &["a", "b", "c"])),
        1 => Just(Replan::Nothing),
        1 => Just(Replan::NoSource),
        1 => Just(Replan::Limited { refusal: Limit { code: 1, reason: "quota".into(), until: None } }),
        1 => Just(Replan::Stopped),
        1 => Just(Replan::Failed { reason: "no JSON".into() }),
    ]
}

fn epochs(max_epochs: u32, tasks: &[&str], plans: Vec<Replan>, turns: &[Turn]) -> Played {
    let mut world = World::new(tasks, settings(Limits { max_epochs, ..limits(1) }));
    world.plans = plans;
    world.play(turns)
}

fn blocked(played: &Played) -> Vec<&str> {
    played.state.left_blocked.iter().map(|left| left.id.as_str()).collect()
}

#[test]
fn an_exhausted_queue_is_planned_anew_until_nothing_new_comes() {
    let played = epochs(5, &["a"], vec![plan(&["b"], &[]), plan(&["c"], &[])], &[]);
    assert_eq!(played.attempts, ["a/1", "b/1", "c/1"]);
    assert_eq!((played.state.run.epoch, played.state.run.exit_code), (3, Some(0)));
    assert_eq!(played.state.run.message, "All done: 3 completed, 0 blocked (nothing new to plan)");
}

#[test]
fn the_last_epoch_is_not_planned_anew() {
    let played = epochs(2, &["a"], vec![plan(&["b"], &[]), plan(&["c"], &[])], &[]);
    assert_eq!(played.attempts, ["a/1", "b/1"]);
    assert_eq!(count(&played, |k| matches!(k, EventKind::ReplanStarted { .. })), 1);
}

#[test]
fn what_an_earlier_epoch_left_blocked_keeps_the_exit_code() {
    let fails = [Turn::FailsChecks { changes: true }];
    let played = epochs(3, &["a"], vec![plan(&["b"], &[])], &fails);
    assert_eq!((blocked(&played), played.state.run.exit_code), (vec!["a"], Some(2)));
    assert!(played.state.run.message.contains("a of epoch 1"), "{}", played.state.run.message);
    let played = epochs(3, &["a"], vec![plan(&["b"], &["a"])], &fails);
    assert_eq!((blocked(&played), played.state.run.exit_code), (vec![], Some(0)), "a plan may replace it");
}

#[test]
fn a_replacement_in_a_later_epoch_counts_too() {
    let fails = [Turn::FailsChecks { changes: true }];
    let played = epochs(4, &["a"], vec![plan(&["b"], &[]), plan(&["c"], &["a"])], &fails);
    assert_eq!((played.attempts.len(), played.state.run.exit_code), (3, Some(0)));
}

#[test]
fn nothing_new_does_not_unblock_anything() {
    let played = epochs(3, &["a"], vec![Replan::Nothing], &[Turn::FailsChecks { changes: true }]);
    assert_eq!(played.state.run.exit_code, Some(2));
}

#[test]
fn a_plan_that_fails_ends_the_run_with_1() {
    let played = epochs(3, &["a"], vec![Replan::Failed { reason: "no JSON".into() }], &[]);
    assert_eq!(played.state.run.exit_code, Some(1));
    assert!(played.state.run.message.contains("no JSON"));
}

#[test]
fn a_refusal_to_plan_is_waited_for() {
    let refusal = Limit { code: 1, reason: "quota".into(), until: None };
    let limited = Replan::Limited { refusal };
    let played = epochs(2, &["a"], vec![limited.clone(), limited, plan(&["b"], &[])], &[]);
    assert_eq!((played.attempts.len(), played.state.run.exit_code), (2, Some(0)));
    assert!(played.waited >= TimeDelta::seconds(300 + 450), "{}", played.waited);
}

#[test]
fn a_queue_without_a_source_ends_as_it_is() {
    let played = epochs(2, &["a"], vec![Replan::NoSource], &[]);
    assert_eq!(played.state.run.exit_code, Some(0));
    assert!(played.state.run.message.contains("planned from"), "{}", played.state.run.message);
}

#[test]
fn the_pause_between_two_tasks_is_kept() {
    let played = play(&["a", "b", "c"], Limits { delay_seconds: 2, ..limits(1) }, &[]);
    assert_eq!(played.waited, TimeDelta::seconds(4));
}

#[test]
fn an_id_that_comes_again_has_no_work_behind_it() {
    let mut world = World::new(&["a"], settings(Limits { max_epochs: 2, ..limits(1) }));
    world.plans = vec![plan(&["a"], &["a"])];
    let played = world.play(&[Turn::FailsChecks { changes: true }]);
    assert!(played.state.parked.is_empty());
    assert_eq!(played.state.task(&TaskId::new("a")).unwrap().status, Status { passes: true, ..Status::default() });
}

fn reflecting(max_refinements: u32, reflection: Reflection, retries: u32, turns: &[Turn]) -> (u32, Played) {
    let limits = ReflectionLimits { is_enabled: true, max_refinements };
    let mut world = World::new(&["a"], Settings { reflection: limits, ..settings(limits_of(retries)) });
    world.reflection = reflection;
    let played = world.play(turns);
    let asked = count(&played, |k| matches!(k, EventKind::Reflected { .. }));
    (u32::try_from(asked).unwrap(), played)
}

fn limits_of(retries: u32) -> Limits {
    limits(retries)
}

#[test]
fn a_failure_is_reflected_on_unless_it_was_the_last_attempt() {
    let fails = vec![Turn::FailsChecks { changes: true }; 3];
    let skipped = Reflection::Skipped { reason: "no JSON".into() };
    assert_eq!(reflecting(3, skipped.clone(), 3, &fails).0, 2);
    assert_eq!(reflecting(3, skipped.clone(), 1, &fails).0, 0);
    assert_eq!(reflecting(0, skipped.clone(), 3, &fails).0, 0);
    assert_eq!(reflecting(3, skipped, 3, &[Turn::Limited]).0, 0, "a limit is no failure");
}

#[test]
fn a_failure_without_any_trace_is_not_reflected_on() {
    let skipped = Reflection::Skipped { reason: "no JSON".into() };
    let turns = [Turn::Dies { code: 3, changes: false }, Turn::Dies { code: 4, changes: true }];
    assert_eq!(reflecting(3, skipped, 3, &turns).0, 1);
}

#[test]
fn an_applied_reflection_speaks_for_the_attempt() {
    let refinement = Refinement {
        summary: "file name was wrong".into(),
        learning_notes: vec!["check names first".into()],
        ..Refinement::default()
    };
    let applied = Reflection::Applied { refinement: Box::new(refinement), applied: vec![], refused: vec![] };
    let (asked, played) = reflecting(3, applied, 3, &[Turn::FailsChecks { changes: true }]);
    assert_eq!(asked, 1);
    let failed: Vec<(&str, &[String])> = played
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::AttemptFailed { summary, notes, .. } => Some((summary.as_str(), notes.as_slice())),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [("file name was wrong", ["check names first".to_owned()].as_slice())]);
}
