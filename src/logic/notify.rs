//! Which events are worth a notice, and what an answer to a delivery means.
//!
//! A notice is a function of the journal up to its event, so that a later process makes the same one. Invariant: an
//! event that already told people something (the second wait for the same limit) raises none.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{
    Active, Counts, Event, EventKind, Mood, Notice, NoticeTask, Pause, RunStatus, State, Topic, Verdict,
};

/// Blocked tasks named at the end of a run.
const NAMED: usize = 5;
/// A notice that could not be delivered for so long is news to nobody.
const TOO_OLD: TimeDelta = TimeDelta::hours(24);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// The longest pause that a service may ask for.
const LONGEST_WISH: Duration = Duration::from_hours(1);

/// Whether an event may raise a notice. Cheap; [`notice`] decides.
pub fn may_raise(kind: &EventKind) -> bool {
    topic(kind).is_some()
}

fn topic(kind: &EventKind) -> Option<Topic> {
    match kind {
        EventKind::TaskCompleted { .. } => Some(Topic::TaskCompleted),
        EventKind::TaskBlocked { .. } => Some(Topic::TaskBlocked),
        EventKind::RunEnded { .. } => Some(Topic::RunFinished),
        EventKind::Paused { pause: Pause::Limit { .. }, .. } => Some(Topic::LimitWait),
        EventKind::EnvProblemFound { .. } => Some(Topic::EnvironmentError),
        _ => None,
    }
}

/// Returns the notice that an event raises. `before` is the task at work before the event, `state` everything after it.
pub fn notice(event: &Event, before: Option<&Active>, state: &State) -> Option<Notice> {
    let topic = topic(&event.kind)?;
    if state.run.settings.as_ref().is_some_and(|settings| settings.dry_run) {
        return None;
    }
    let mut notice = plain(event, topic, before, state);
    match &event.kind {
        EventKind::TaskCompleted { task, title, attempt, summary, commit, .. } => {
            notice.mood = Mood::Good;
            notice.reason.clone_from(summary);
            let (id, title) = (task.clone(), title.clone());
            notice.task = Some(NoticeTask { id, title, attempts: *attempt, commit: commit.clone() });
            notice.failing_check.clear();
        }
        EventKind::TaskBlocked { task, title, reason, .. } => {
            notice.mood = Mood::Bad;
            notice.reason.clone_from(reason);
            let attempts = before.map_or(0, |active| active.charged);
            notice.task = Some(NoticeTask { id: task.clone(), title: title.clone(), attempts, commit: None });
        }
        EventKind::RunEnded { status, exit_code, message } => {
            notice.mood = mood(*status);
            notice.reason.clone_from(message);
            notice.ended = Some((status.as_str().to_owned(), *exit_code));
            notice.blocked = blocked(state);
            notice.task = None;
            notice.failing_check.clear();
        }
        EventKind::Paused { until, pause: Pause::Limit { reason, .. } } => {
            let waits = state.active.as_ref().map_or(state.run.limited, |active| active.limited);
            if waits.is_some_and(|(count, _)| count > 1) {
                return None;
            }
            notice.reason.clone_from(reason);
            notice.until = Some(*until);
        }
        EventKind::EnvProblemFound { reason } => {
            notice.mood = Mood::Bad;
            notice.reason.clone_from(reason);
        }
        _ => return None,
    }
    Some(notice)
}

/// Everything that does not depend on the kind of the event.
fn plain(event: &Event, topic: Topic, before: Option<&Active>, state: &State) -> Notice {
    let run = &state.run;
    let since = run.started_at.map_or(0, |begun| (event.at - begun).num_seconds());
    Notice {
        topic,
        id: format!("{}-{}", event.run, event.seq),
        seq: event.seq,
        at: event.at,
        run: event.run.clone(),
        project: state.project.clone(),
        mood: Mood::Plain,
        task: before.map(|active| NoticeTask {
            id: active.task.clone(),
            title: active.title.clone(),
            attempts: active.charged,
            commit: None,
        }),
        reason: String::new(),
        failing_check: before.map(failing_check).unwrap_or_default(),
        until: None,
        ended: None,
        blocked: Vec::new(),
        counts: counts(state),
        elapsed_seconds: u64::try_from(since).unwrap_or(0),
        cost_usd: run.usage.cost_usd,
    }
}

/// Returns the notice of `autodev notify test`.
pub fn test(project: &str, state: &State, id: String, now: DateTime<Utc>) -> Notice {
    Notice {
        topic: Topic::Test,
        id,
        seq: 0,
        at: now,
        run: state.run.id.clone(),
        project: project.to_owned(),
        mood: Mood::Plain,
        task: None,
        reason: "this is what `autodev notify test` sends; nothing has happened".to_owned(),
        failing_check: String::new(),
        until: None,
        ended: None,
        blocked: Vec::new(),
        counts: counts(state),
        elapsed_seconds: 0,
        cost_usd: None,
    }
}

fn mood(status: RunStatus) -> Mood {
    match status {
        RunStatus::Completed => Mood::Good,
        RunStatus::Blocked => Mood::Warning,
        RunStatus::EnvError => Mood::Bad,
        RunStatus::Interrupted
        | RunStatus::Idle
        | RunStatus::Starting
        | RunStatus::Running
        | RunStatus::Validating
        | RunStatus::Waiting
        | RunStatus::RetryWait => Mood::Plain,
    }
}

fn counts(state: &State) -> Counts {
    let completed = state.tasks.iter().filter(|task| task.status.passes).count();
    let blocked = state.tasks.iter().filter(|task| task.status.blocked && !task.status.passes).count();
    Counts { completed, blocked, pending: state.tasks.len() - completed - blocked }
}

fn blocked(state: &State) -> Vec<(crate::model::TaskId, String)> {
    let here = state.tasks.iter().filter(|task| task.status.blocked && !task.status.passes);
    let here = here.map(|task| (task.id.clone(), task.status.block_reason.clone()));
    let left = state.left_blocked.iter().map(|task| (task.id.clone(), task.reason.clone()));
    here.chain(left).take(NAMED).collect()
}

/// The check that decided against the last attempt that was checked: its name and what it found.
fn failing_check(active: &Active) -> String {
    let gate = active.failures.iter().rev().find_map(|failure| failure.gate.as_ref());
    let failed = gate.and_then(|gate| gate.checks.iter().find(|check| check.verdict != Verdict::Pass));
    failed.map(|check| format!("{}: {}", check.name, check.details)).unwrap_or_default()
}

/// What an answer to a delivery means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The service has it.
    Delivered,
    /// Not yet: to be tried again after so long.
    Later(Duration),
    /// The service does not want it, now or later.
    Refused,
}

/// Judges the answer of a service. `tries` counts from 1; `wish` is how long the service asks to wait.
pub fn judge(status: u16, wish: Option<Duration>, tries: u32) -> Fate {
    match status {
        200..=299 => Fate::Delivered,
        408 | 425 | 429 | 500..=599 => {
            let pause = pause(tries);
            Fate::Later(wish.map_or(pause, |wish| wish.clamp(Duration::from_secs(1), LONGEST_WISH).max(pause)))
        }
        _ => Fate::Refused,
    }
}

/// How long to wait after so many tries that did not reach the service: 1 s, 2 s, 4 s, ... 5 minutes.
pub fn pause(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(16);
    Duration::from_secs(1_u64 << doublings).min(LONGEST_PAUSE)
}

/// Returns how long a service asks to wait: the header `Retry-After` (seconds or a date), or `retry_after` in the JSON
/// of its answer (Discord: seconds with a fraction; Telegram: below `parameters`).
pub fn wish(header: Option<&str>, body: &str, now: DateTime<Utc>) -> Option<Duration> {
    let from_header = header.map(str::trim).and_then(|text| match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc) - now).to_std().ok(),
    });
    from_header.or_else(|| {
        let json: serde_json::Value = serde_json::from_str(body).ok()?;
        let wait = json.get("retry_after").or_else(|| json.get("parameters")?.get("retry_after"))?.as_f64()?;
        Duration::try_from_secs_f64(wait).ok()
    })
}

/// Whether a notice is too old to be worth a try.
pub fn is_stale(raised: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - raised > TOO_OLD
}

/// Says why a text is no address of a web service, if so. Never repeats the text, which may be secret.
pub fn address_problem(text: &str) -> Option<&'static str> {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return Some("must begin with https:// or http://");
    };
    if rest.starts_with(['/', '?', '#']) || rest.is_empty() {
        return Some("has no host");
    }
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii();
    text.contains(is_odd).then_some("must be ASCII without blanks; write other characters percent-encoded")
}

/// Says why a text is no mail address to hand to sendmail, if so.
pub fn mailbox_problem(text: &str) -> Option<&'static str> {
    if text.starts_with('-') {
        return Some("must not begin with `-`, which sendmail would take for an option");
    }
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii() || "<>(),;:\"\\".contains(c);
    text.contains(is_odd).then_some("give the bare address, such as me@example.com")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        CheckResult, Failure, GateReport, Limits, Outcome, Phase, ReflectionLimits, RunId, RunStart, Settings, Status,
        TaskState,
    };

    fn at(second: u32) -> DateTime<Utc> {
        format!("2026-11-20T11:29:{second:02}Z").parse().unwrap()
    }

    fn event(seq: u64, kind: EventKind) -> Event {
        Event { seq, at: at(10), run: RunId::new("r1"), kind }
    }

    fn settings(dry_run: bool) -> Settings {
        Settings {
            limits: Limits::default(),
            commits: false,
            in_git: true,
            windows: Vec::new(),
            on_block: crate::model::BlockAction::Keep,
            dry_run,
            reflection: ReflectionLimits::default(),
        }
    }

    fn state(dry_run: bool) -> State {
        let mut state = State::default();
        let start = RunStart {
            version: String::new(),
            pid: 1,
            host: String::new(),
            backend: "codex".into(),
            backend_version: String::new(),
            project: "Demo".into(),
            settings: settings(dry_run),
        };
        let started = Event { at: at(0), ..event(1, EventKind::RunStarted(Box::new(start))) };
        crate::logic::apply(&mut state, &started);
        let task = |id: &str, passes, blocked| TaskState {
            id: crate::model::TaskId::new(id),
            status: Status { passes, blocked, block_reason: format!("{id} is hard"), ..Status::default() },
            ..TaskState::default()
        };
        state.tasks = vec![task("A", true, false), task("B", false, true), task("C", false, false)];
        state
    }

    fn active() -> Active {
        let check = |name: &str, verdict| CheckResult {
            name: name.into(),
            verdict,
            details: "exit_code=1".into(),
            evidence: None,
        };
        let gate = GateReport {
            verdict: Verdict::Fail,
            checks: vec![check("min_changed_files", Verdict::Pass), check("validate:make", Verdict::Fail)],
            outcome: Outcome::NotMet,
            metric: None,
            errors: Vec::new(),
        };
        Active {
            task: crate::model::TaskId::new("C"),
            title: "Third".into(),
            spec: None,
            base: String::new(),
            base_commit: None,
            touched: std::collections::BTreeSet::default(),
            charged: 3,
            no_progress: 0,
            repeated: None,
            limited: None,
            infra: 0,
            reflection: None,
            failures: vec![Failure { attempt: 3, summary: String::new(), gate: Some(gate) }],
            usage: crate::model::Usage::default(),
            campaign: None,
            phase: Phase::Ready,
        }
    }

    fn blocked_event() -> Event {
        event(
            7,
            EventKind::TaskBlocked {
                task: crate::model::TaskId::new("C"),
                title: "Third".into(),
                reason: "failed after 3 attempts".into(),
                changed: Vec::new(),
                salvage: None,
            },
        )
    }

    #[test]
    fn a_blocked_task_is_told_with_its_failing_check_and_the_counts() {
        let notice = notice(&blocked_event(), Some(&active()), &state(false)).unwrap();
        assert_eq!((notice.topic, notice.mood, notice.id.as_str()), (Topic::TaskBlocked, Mood::Bad, "r1-7"));
        assert_eq!(notice.failing_check, "validate:make: exit_code=1");
        assert_eq!(notice.task.unwrap().attempts, 3);
        assert_eq!(notice.counts, Counts { completed: 1, blocked: 1, pending: 1 });
        assert_eq!(notice.elapsed_seconds, 10);
    }

    #[test]
    fn a_dry_run_tells_nobody() {
        assert_eq!(notice(&blocked_event(), Some(&active()), &state(true)), None);
    }

    #[test]
    fn the_end_of_a_run_names_what_is_blocked() {
        let ended = EventKind::RunEnded { status: RunStatus::Blocked, exit_code: 2, message: "m".into() };
        let notice = notice(&event(9, ended), None, &state(false)).unwrap();
        assert_eq!(notice.blocked, [(crate::model::TaskId::new("B"), "B is hard".to_owned())]);
        assert_eq!((notice.mood, notice.ended), (Mood::Warning, Some(("blocked".to_owned(), 2))));
    }

    #[test]
    fn only_the_first_wait_for_a_limit_is_told() {
        let pause = Pause::Limit { reason: "usage limit".into(), is_stated: true };
        let paused = event(5, EventKind::Paused { until: at(50), pause });
        let mut state = state(false);
        for (count, is_told) in [(1, true), (2, false)] {
            state.active = Some(Box::new(Active { limited: Some((count, at(0))), ..active() }));
            assert_eq!(notice(&paused, None, &state).is_some(), is_told, "{count}");
        }
        let other = event(6, EventKind::Paused { until: at(50), pause: Pause::Retry });
        assert_eq!(notice(&other, None, &state), None);
    }

    #[test]
    fn an_answer_is_delivery_refusal_or_patience() {
        assert_eq!(judge(204, None, 1), Fate::Delivered);
        for refused in [301, 400, 401, 404, 410, 413] {
            assert_eq!(judge(refused, None, 1), Fate::Refused, "{refused}");
        }
        assert_eq!(judge(500, None, 1), Fate::Later(Duration::from_secs(1)));
        assert_eq!(judge(503, None, 4), Fate::Later(Duration::from_secs(8)));
        assert_eq!(judge(429, Some(Duration::from_secs(7)), 1), Fate::Later(Duration::from_secs(7)));
        assert_eq!(judge(429, Some(Duration::ZERO), 5), Fate::Later(Duration::from_secs(16)), "our own pace is kept");
        assert_eq!(judge(429, Some(Duration::MAX), 1), Fate::Later(LONGEST_WISH));
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_wish_is_read_wherever_services_put_it() {
        let seconds = |n| Some(Duration::from_secs(n));
        assert_eq!(wish(Some(" 30 "), "", at(0)), seconds(30));
        assert_eq!(wish(Some("Fri, 20 Nov 2026 11:29:40 GMT"), "", at(0)), seconds(40));
        assert_eq!(wish(Some("Fri, 20 Nov 2026 11:29:40 GMT"), "", at(50)), None, "it is past");
        assert_eq!(wish(None, r#"{"retry_after": 1.5}"#, at(0)), Some(Duration::from_millis(1500)));
        assert_eq!(wish(None, r#"{"ok":false,"parameters":{"retry_after":35}}"#, at(0)), seconds(35));
        for body in ["", "soon", "[]", r#"{"retry_after": -1}"#, r#"{"retry_after": 1e300}"#, r#"{"parameters": 1}"#] {
            assert_eq!(wish(Some("soon"), body, at(0)), None, "{body}");
        }
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        assert_eq!(address_problem("https://hooks.example/x?y=z"), None);
        assert_eq!(address_problem("http://127.0.0.1:80"), None);
        for text in [
            "",
            "hooks.example",
            "ftp://x",
            "https://",
            "https:///x",
            "https://x y",
            "https://x\r\nHost: y",
            "https://ü",
        ] {
            assert!(address_problem(text).is_some(), "{text:?}");
        }
        assert_eq!(mailbox_problem("me+x@example.com"), None);
        assert_eq!(mailbox_problem("root"), None);
        for text in ["-t", "a@b\nBcc: c", "A <a@b>", "a@b,c@d", "a b"] {
            assert!(mailbox_problem(text).is_some(), "{text:?}");
        }
    }
}
