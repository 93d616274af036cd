//! runtime-status.json: the whole state of a run for other programs.
//!
//! Key names and their order are a published format: keys are only ever added, and only at the end of an object.
//! `generated_at` is the time of the last event, not of the writing, so that the file can be made again from the
//! journal byte for byte. The page for people is [`human`].

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::row::{self, Counts, RowStatus};
pub use super::status_page::human;
use super::{Names, experiment, json, style, text};
use crate::model::{Active, Pause, State, TaskState, Usage};

/// Returns the content of runtime-status.json: ASCII, two-space indent, final line break.
pub fn text(state: &State, names: &Names) -> String {
    json::pretty_ascii(&Snapshot::of(state, names))
}

/// Returns the same as [`text`] as a value.
pub fn json(state: &State, names: &Names) -> Value {
    serde_json::to_value(Snapshot::of(state, names)).unwrap_or_default()
}

#[derive(Serialize)]
struct Snapshot<'a> {
    project: &'a str,
    backend: &'a str,
    generated_at: String,
    run: RunFacts<'a>,
    counts: Counts,
    tasks: Vec<Row<'a>>,
    events: Vec<Item<'a>>,
}

/// The run, and the contract of the current task (defaults when there is none).
#[derive(Serialize)]
pub(super) struct RunFacts<'a> {
    pub(super) status: &'static str,
    pub(super) status_label: String,
    pub(super) message: &'a str,
    dry_run: bool,
    pub(super) started_at: String,
    pub(super) updated_at: String,
    pub(super) finished_at: String,
    pub(super) current_epoch: u32,
    pub(super) max_epochs: u32,
    pub(super) current_task_id: &'a str,
    pub(super) current_task_title: &'a str,
    pub(super) current_attempt: u32,
    pub(super) max_attempts: u32,
    pub(super) attempt_log: &'a str,
    pub(super) heartbeat_elapsed_seconds: u64,
    pub(super) execution_mode: &'a str,
    pub(super) execution_strategy: &'a str,
    pub(super) completion_kind: &'a str,
    pub(super) completion_name: &'a str,
    pub(super) completion_target_summary: &'a str,
    pub(super) last_completion_outcome: &'a str,
    pub(super) current_iteration: u32,
    pub(super) max_iterations: u32,
    pub(super) baseline_metric: String,
    pub(super) best_metric: String,
    pub(super) last_metric: String,
    pub(super) last_outcome: &'a str,
    pub(super) kept_count: u32,
    pub(super) reverted_count: u32,
    pub(super) no_improvement_streak: u32,
    pub(super) run_id: &'a str,
    pub(super) waiting_until: String,
    pub(super) wait_reason: Cow<'a, str>,
    completed_count: u32,
    blocked_count: u32,
    exit_code: Option<i32>,
    usage: Spent,
    paused: bool,
    paused_since: String,
    paused_until: String,
    pause_reason: &'a str,
    liveness: &'static str,
    liveness_reason: &'a str,
}

#[derive(Serialize)]
struct Spent {
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    cost_usd: Option<f64>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    status: &'static str,
    block_reason: &'a str,
    passes: bool,
    blocked: bool,
    execution_mode: &'a str,
    execution_strategy: &'a str,
    completion_kind: &'a str,
    completion_name: &'a str,
    completion_target_summary: &'a str,
}

#[derive(Serialize)]
struct Item<'a> {
    timestamp: String,
    status: &'a str,
    status_label: String,
    status_class: &'a str,
    task_id: &'a str,
    message: &'a str,
}

impl<'a> Snapshot<'a> {
    fn of(state: &'a State, names: &'a Names) -> Self {
        Self {
            project: project(state, names),
            backend: backend(state, names),
            generated_at: text::stamp(state.run.updated_at),
            run: RunFacts::of(state),
            counts: Counts::of(state),
            tasks: state.tasks.iter().map(|task| Row::of(state, task)).collect(),
            events: state
                .feed
                .iter()
                .take(25)
                .map(|item| Item {
                    timestamp: text::stamp(Some(item.at)),
                    status: &item.status,
                    status_label: style::label(&item.status),
                    status_class: style::class(&item.status),
                    task_id: &item.task_id,
                    message: &item.message,
                })
                .collect(),
        }
    }
}

impl<'a> RunFacts<'a> {
    /// Describes the run. Works for every state, also before the first run.
    pub(super) fn of(state: &'a State) -> Self {
        let run = &state.run;
        let active = state.active.as_deref();
        let contract = active.and_then(|active| state.task(&active.task));
        let attempt = active.map_or(0, row::attempt);
        let settings = run.settings.as_ref();
        let campaign = active.and_then(|active| active.campaign.as_deref());
        let max_iterations = active.and_then(Active::max_iterations);
        let last = row::last_experiment(state);
        let metric = |value: Option<f64>| {
            let name = contract.map_or("metric", |task| &task.completion_name);
            value.map(|value| format!("{name}={}", text::general(value))).unwrap_or_default()
        };
        let measured = active.and_then(row::metric).or(last.and_then(|record| record.measured));
        let last_outcome = match (max_iterations, run.last_outcome.as_str()) {
            (None, _) => "",
            (Some(_), "") => last.map_or("", experiment::outcome),
            (Some(_), outcome) => outcome,
        };
        Self {
            status: run.status.as_str(),
            status_label: style::label(run.status.as_str()),
            message: if run.message.is_empty() && !run.status.is_active() && run.started_at.is_none() {
                "no active run"
            } else {
                &run.message
            },
            dry_run: settings.is_some_and(|settings| settings.dry_run),
            started_at: text::stamp(run.started_at),
            updated_at: text::stamp(run.updated_at),
            finished_at: text::stamp(run.finished_at),
            current_epoch: run.epoch,
            max_epochs: settings.map_or(0, |settings| settings.limits.max_epochs),
            current_task_id: active.map_or("", |active| active.task.as_str()),
            current_task_title: active.map_or("", |active| &active.title),
            current_attempt: attempt,
            max_attempts: if active.is_some() { row::max_attempts(state) } else { 0 },
            attempt_log: &run.attempt_log,
            heartbeat_elapsed_seconds: run.heartbeat_elapsed_seconds,
            execution_mode: contract.map_or("delivery", |task| &task.mode),
            execution_strategy: contract.map_or("single_pass", |task| &task.strategy),
            completion_kind: contract.map_or("boolean", |task| &task.completion_kind),
            completion_name: contract.map_or("gate", |task| &task.completion_name),
            completion_target_summary: contract.map_or("all_checks_pass", |task| &task.completion_target),
            last_completion_outcome: &run.last_outcome,
            current_iteration: max_iterations.map_or(0, |_| attempt),
            max_iterations: max_iterations.unwrap_or(0),
            baseline_metric: metric(campaign.map(|campaign| campaign.baseline)),
            best_metric: metric(campaign.map(|campaign| campaign.best)),
            last_metric: metric(measured.filter(|_| max_iterations.is_some())),
            last_outcome,
            kept_count: campaign.map_or(0, |campaign| campaign.kept),
            reverted_count: campaign.map_or(0, |campaign| campaign.reverted),
            no_improvement_streak: campaign.map_or(0, |campaign| campaign.streak),
            run_id: run.id.as_str(),
            waiting_until: text::stamp(run.pause.as_ref().and_then(|(until, pause)| pause.end(*until))),
            wait_reason: run.pause.as_ref().map_or(Cow::Borrowed(""), |(_, pause)| wait_reason(pause)),
            completed_count: run.completed,
            blocked_count: run.blocked,
            exit_code: run.exit_code,
            usage: Spent::of(&run.usage),
            paused: state.hold.is_some(),
            paused_since: text::stamp(state.hold.as_ref().map(|hold| hold.since)),
            paused_until: text::stamp(state.hold.as_ref().and_then(|hold| hold.until)),
            pause_reason: state.hold.as_ref().map_or("", |hold| &hold.reason),
            liveness: run.standing.as_ref().map_or("", |standing| standing.state.as_str()),
            liveness_reason: run.standing.as_ref().map_or("", |standing| &standing.reason),
        }
    }
}

impl Spent {
    fn of(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input,
            cached_input_tokens: usage.cached_input,
            cache_write_tokens: usage.cache_write,
            output_tokens: usage.output,
            reasoning_tokens: usage.reasoning,
            cost_usd: usage.cost_usd,
        }
    }
}

impl<'a> Row<'a> {
    fn of(state: &State, task: &'a TaskState) -> Self {
        Self {
            id: task.id.as_str(),
            title: &task.title,
            status: RowStatus::of(state, task).as_str(),
            block_reason: &task.status.block_reason,
            passes: task.status.passes,
            blocked: task.status.blocked,
            execution_mode: &task.mode,
            execution_strategy: &task.strategy,
            completion_kind: &task.completion_kind,
            completion_name: &task.completion_name,
            completion_target_summary: &task.completion_target,
        }
    }
}

/// Returns why a run waits, on one line; for a limit the text by which it was recognised.
pub(super) fn wait_reason(pause: &Pause) -> Cow<'_, str> {
    Cow::Borrowed(match pause {
        Pause::Retry => "pause before the next attempt",
        Pause::NextTask => "pause before the next task",
        Pause::Limit { reason, .. } => reason,
        Pause::Recheck => "a check could not be made and will be tried again",
        Pause::Window => "outside of the schedule's windows",
        Pause::Held { reason, .. } if reason.is_empty() => "paused by hand",
        Pause::Held { reason, .. } => return Cow::Owned(format!("paused by hand: {reason}")),
    })
}

/// Returns the project's name, from the names as long as the state has none.
pub(super) fn project<'a>(state: &'a State, names: &'a Names) -> &'a str {
    if state.project.is_empty() { &names.project } else { &state.project }
}

/// Returns the backend's name, from the names as long as the state has none.
pub(super) fn backend<'a>(state: &'a State, names: &'a Names) -> &'a str {
    if state.run.backend.is_empty() { &names.backend } else { &state.run.backend }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::RunStatus;
    use crate::view::sample;

    const RUNNING: &str = include_str!("snapshots/status-running.json");
    const IDLE: &str = include_str!("snapshots/status-idle.json");

    #[test]
    fn the_file_of_a_running_task_is_exactly_this() {
        assert_eq!(text(&sample::state(RunStatus::Running), &Names::default()), RUNNING);
    }

    #[test]
    fn the_file_before_the_first_run_is_exactly_this() {
        let names = Names { project: "Demo App".into(), backend: "codex".into(), ..Names::default() };
        assert_eq!(text(&State::default(), &names), IDLE);
    }

    #[test]
    fn the_published_keys_come_first_and_in_order() {
        let value = json(&sample::state(RunStatus::Running), &Names::default());
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&value), ["project", "backend", "generated_at", "run", "counts", "tasks", "events"]);
        let published = [
            "status",
            "status_label",
            "message",
            "dry_run",
            "started_at",
            "updated_at",
            "finished_at",
            "current_epoch",
            "max_epochs",
            "current_task_id",
            "current_task_title",
            "current_attempt",
            "max_attempts",
            "attempt_log",
            "heartbeat_elapsed_seconds",
            "execution_mode",
            "execution_strategy",
            "completion_kind",
            "completion_name",
            "completion_target_summary",
            "last_completion_outcome",
            "current_iteration",
            "max_iterations",
            "baseline_metric",
            "best_metric",
            "last_metric",
            "last_outcome",
            "kept_count",
            "reverted_count",
            "no_improvement_streak",
        ];
        assert_eq!(keys(&value["run"])[..published.len()], published);
        assert_eq!(keys(&value["counts"]), ["total", "completed", "blocked", "pending", "running"]);
        let row = [
            "id",
            "title",
            "status",
            "block_reason",
            "passes",
            "blocked",
            "execution_mode",
            "execution_strategy",
            "completion_kind",
            "completion_name",
            "completion_target_summary",
        ];
        assert_eq!(keys(&value["tasks"][0]), row);
        let item = ["timestamp", "status", "status_label", "status_class", "task_id", "message"];
        assert_eq!(keys(&value["events"][0]), item);
    }

    #[test]
    fn every_run_status_has_its_word_and_label() {
        let wanted = [
            ("idle", "Idle"),
            ("starting", "Starting"),
            ("running", "Running"),
            ("validating", "Validating"),
            ("waiting", "Waiting"),
            ("retry_wait", "Retry Wait"),
            ("completed", "Completed"),
            ("blocked", "Blocked"),
            ("env_error", "Env Error"),
            ("interrupted", "Interrupted"),
        ];
        for (status, (word, label)) in sample::STATUSES.into_iter().zip(wanted) {
            let state = sample::state(status);
            let run = RunFacts::of(&state);
            assert_eq!((run.status, run.status_label.as_str()), (word, label));
        }
    }

    #[test]
    fn a_waiting_run_says_until_when_and_why() {
        let state = sample::state(RunStatus::Waiting);
        let run = RunFacts::of(&state);
        assert_eq!(run.waiting_until, "2026-11-20T12:30:00Z");
        assert_eq!(run.wait_reason, "usage limit reached");
    }

    #[test]
    fn an_experiment_shows_its_number_and_a_delivery_does_not() {
        let state = sample::experiment();
        let run = RunFacts::of(&state);
        assert_eq!((run.current_iteration, run.max_iterations, run.last_metric.as_str()), (2, 5, "lat=89.5"));
        assert_eq!((run.execution_mode, run.last_outcome), ("experiment", "improved"));
        assert_eq!((run.baseline_metric.as_str(), run.best_metric.as_str()), ("lat=100", "lat=100"));
        assert_eq!((run.kept_count, run.reverted_count, run.no_improvement_streak), (0, 1, 1));
        assert_eq!((run.current_attempt, run.max_attempts), (2, 5));
        let state = sample::state(RunStatus::Validating);
        let run = RunFacts::of(&state);
        assert_eq!((run.current_iteration, run.last_metric.as_str(), run.last_outcome), (0, "", ""));
    }

    #[test]
    fn between_two_iterations_the_last_one_is_shown() {
        let mut state = sample::experiment();
        state.run.last_outcome.clear();
        state.active.as_mut().unwrap().phase = crate::model::Phase::Ready;
        let run = RunFacts::of(&state);
        assert_eq!((run.current_iteration, run.last_metric.as_str(), run.last_outcome), (1, "lat=120", "regressed"));
    }

    #[test]
    fn the_text_and_the_value_are_the_same() {
        for status in sample::STATUSES {
            let state = sample::hostile(status);
            let bytes = text(&state, &Names::default());
            assert!(bytes.is_ascii());
            assert_eq!(serde_json::from_str::<Value>(&bytes).unwrap(), json(&state, &Names::default()));
        }
    }

    #[test]
    fn at_most_25_events_are_shown() {
        let mut state = sample::state(RunStatus::Running);
        let item = state.feed[0].clone();
        state.feed = std::iter::repeat_n(item, 40).collect();
        assert_eq!(json(&state, &Names::default())["events"].as_array().unwrap().len(), 25);
    }
}
