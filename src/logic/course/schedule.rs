//! Runs that must wait for a window, or for a person.

use chrono::{DateTime, TimeDelta, Utc};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::{Played, Turn, World, limits, settings};
use crate::logic::{Next, decide, schedule};
use crate::model::{Effect, EventKind, Limits, Pause, RunStatus, Settings};

const NIGHTS: &str = "22:00-07:00 Europe/Berlin";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn world(tasks: &[&str], limits: Limits, windows: &[&str], now: &str) -> World {
    let windows = windows.iter().map(|text| schedule::window(text).unwrap()).collect();
    let mut world = World::new(tasks, Settings { windows, ..settings(limits) });
    world.now = at(now);
    world
}

fn hold(world: &mut World, until: Option<&str>) {
    let until = until.map(at);
    world.record(vec![EventKind::Held { reason: "the demo".into(), until, interrupts: false }]);
}

/// The pauses of a played run with the times at which they began.
fn pauses(played: &Played) -> Vec<(DateTime<Utc>, &Pause, DateTime<Utc>)> {
    let found = played.events.iter().filter_map(|event| match &event.kind {
        EventKind::Paused { until, pause } => Some((event.at, pause, *until)),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_run_outside_of_its_window_waits_and_goes_on_by_itself() {
    let played = world(&["a"], limits(1), &[NIGHTS], "2026-11-20T12:00:00Z").play(&[]);
    let opens = at("2026-11-20T21:00:00Z");
    assert_eq!(pauses(&played), [(at("2026-11-20T12:00:00Z"), &Pause::Window, opens)]);
    let opened = played.events.iter().find(|event| matches!(event.kind, EventKind::TaskOpened { .. })).unwrap();
    assert_eq!(opened.at, opens, "what the task begins with is the tree of then");
    assert_eq!((played.attempts.len(), played.state.run.exit_code), (1, Some(0)));
}

#[test]
fn a_window_that_closes_ends_no_attempt_and_lets_no_other_begin() {
    let mut world = world(&["a", "b"], limits(3), &[NIGHTS], "2026-11-20T21:00:00Z");
    for _ in 0..100 {
        match decide(&world.state, world.now) {
            Next::Record(kinds) => world.record(kinds),
            Next::Perform(Effect::RunAttempt { attempt: 1 }) => {
                // The attempt takes until the window has closed; its checks and its commit are made all the same.
                world.now = at("2026-11-21T08:00:00Z");
                let mut turns = std::iter::empty();
                world.perform(Effect::RunAttempt { attempt: 1 }, &mut turns);
            }
            Next::Perform(Effect::Wait { until }) => {
                assert_eq!(until, at("2026-11-21T21:00:00Z"));
                assert_eq!((world.state.run.completed, world.state.run.status), (1, RunStatus::Waiting));
                let message = "Waiting until 2026-11-21T21:00:00Z: outside of the schedule's windows";
                assert_eq!(world.state.run.message, message);
                return;
            }
            Next::Perform(effect) => world.perform(effect, &mut std::iter::empty()),
        }
    }
    panic!("it does not wait: {:?}", world.state.run);
}

#[test]
fn a_run_that_has_nothing_to_do_does_not_wait_for_a_window() {
    let world = world(&[], limits(1), &[NIGHTS], "2026-11-20T12:00:00Z");
    let played = world.play(&[]);
    assert_eq!((played.state.run.exit_code, played.waited), (Some(0), TimeDelta::zero()));
}

#[test]
fn a_clock_that_jumps_is_believed() {
    let mut world = world(&["a"], limits(1), &[NIGHTS], "2026-11-20T12:00:00Z");
    let wait = |world: &mut World| loop {
        match decide(&world.state, world.now) {
            Next::Record(kinds) => world.record(kinds),
            Next::Perform(effect) => return effect,
        }
    };
    assert_eq!(wait(&mut world), Effect::Wait { until: at("2026-11-20T21:00:00Z") });
    // Set back by two days, into the night: it is open now.
    world.now = at("2026-11-19T02:00:00Z");
    assert!(matches!(wait(&mut world), Effect::OpenTask { .. }));
    world.now = at("2026-11-19T12:00:00Z");
    assert_eq!(wait(&mut world), Effect::Wait { until: at("2026-11-19T21:00:00Z") });
    // Set forward by ten days, to noon: closed, and not until the time that was named.
    world.now = at("2026-11-30T12:00:00Z");
    assert_eq!(wait(&mut world), Effect::Wait { until: at("2026-11-30T21:00:00Z") });
}

#[test]
fn a_pause_by_hand_with_an_end_goes_on_by_itself() {
    let mut world = world(&["a"], limits(1), &[], "2026-11-20T12:00:00Z");
    hold(&mut world, Some("2026-11-20T13:00:00Z"));
    let played = world.play(&[]);
    let held = Pause::Held { reason: "the demo".into(), is_endless: false };
    assert_eq!(pauses(&played), [(at("2026-11-20T12:00:00Z"), &held, at("2026-11-20T13:00:00Z"))]);
    assert_eq!((played.state.hold.clone(), played.state.run.exit_code), (None, Some(0)));
    let ended = |kind: &EventKind| matches!(kind, EventKind::HoldEnded { by_itself: true });
    assert_eq!(played.events.iter().filter(|event| ended(&event.kind)).count(), 1);
}

#[test]
fn a_pause_by_hand_waits_for_the_person_and_outlives_runs() {
    let mut world = world(&["a"], limits(1), &[], "2026-11-20T12:00:00Z");
    hold(&mut world, None);
    let wait = |world: &mut World| loop {
        match decide(&world.state, world.now) {
            Next::Record(kinds) => world.record(kinds),
            Next::Perform(effect) => return effect,
        }
    };
    assert!(matches!(wait(&mut world), Effect::Wait { .. }));
    assert_eq!(world.state.run.message, "Paused by hand until `autodev resume`: the demo");
    let count = world.events.len();
    world.now += TimeDelta::days(400);
    assert!(matches!(wait(&mut world), Effect::Wait { .. }));
    assert_eq!(world.events.len(), count, "waiting is not news");
    // The run ends; the next one waits too.
    world.record(vec![EventKind::StopRequested { signal: "SIGTERM".into() }]);
    assert_eq!(wait(&mut world), Effect::Stop);
    world.start(settings(limits(1)));
    assert!(matches!(wait(&mut world), Effect::Wait { .. }));
    // Another reason is told; then the person says go.
    world.record(vec![EventKind::Held { reason: "lunch".into(), until: None, interrupts: false }]);
    assert!(matches!(wait(&mut world), Effect::Wait { .. }));
    assert_eq!(world.state.run.message, "Paused by hand until `autodev resume`: lunch");
    world.record(vec![EventKind::HoldEnded { by_itself: false }]);
    assert!(matches!(wait(&mut world), Effect::OpenTask { .. }));
    assert_eq!(world.state.run.pause, None);
}

#[test]
fn a_pause_that_interrupts_costs_no_attempt_and_does_not_end_the_run() {
    let mut world = world(&["a"], limits(2), &[], "2026-11-20T12:00:00Z");
    let next = |world: &mut World| loop {
        match decide(&world.state, world.now) {
            Next::Record(kinds) => world.record(kinds),
            Next::Perform(effect) => return effect,
        }
    };
    let open = next(&mut world);
    world.perform(open, &mut std::iter::empty());
    assert_eq!(next(&mut world), Effect::RunAttempt { attempt: 1 });
    // The pause comes while the agent works; a person goes on before the agent is quite gone.
    let turns = [Turn::HeldOff];
    world.perform(Effect::RunAttempt { attempt: 1 }, &mut turns.into_iter());
    assert_eq!((world.state.run.stop.clone(), world.state.hold.clone()), (None, None));
    assert_eq!(next(&mut world), Effect::RunAttempt { attempt: 1 }, "the attempt that was interrupted does not count");
    let played = world.play(&[]);
    assert_eq!((played.attempts, played.state.run.exit_code), (vec!["a/1".to_owned(), "a/1".to_owned()], Some(0)));
}

proptest! {
    #[test]
    fn no_attempt_begins_outside_of_a_window_and_every_run_ends(
        turns in proptest::collection::vec(super::turn(), 0..20),
        start in 0_i64..31_536_000,
        window in prop::sample::select(vec![
            NIGHTS, "Sat,Sun 00:00-24:00 America/New_York", "02:15-02:20 Australia/Lord_Howe", "Mon 12:00-12:01 UTC",
        ]),
        hold_for in proptest::option::of(1_i64..200_000),
    ) {
        let begin = at("2026-01-01T00:00:00Z") + TimeDelta::seconds(start);
        let mut world = world(&["a", "b", "c"], limits(2), &[window], &begin.to_rfc3339());
        let held_until = hold_for.map(|seconds| begin + TimeDelta::seconds(seconds));
        if let Some(until) = held_until {
            world.record(vec![EventKind::Held { reason: String::new(), until: Some(until), interrupts: true }]);
        }
        let windows = [schedule::window(window).unwrap()];
        let played = world.play(&turns);
        for event in played.events.iter().filter(|event| matches!(event.kind, EventKind::AttemptStarted { .. })) {
            let is_open = matches!(schedule::standing(&windows, event.at), schedule::Standing::Open { .. });
            prop_assert!(is_open && held_until.is_none_or(|until| event.at >= until), "{}", event.at);
        }
        prop_assert!(played.state.run.exit_code.is_some());
        prop_assert_eq!(&crate::logic::replay(&played.events), &played.state);
    }
}
