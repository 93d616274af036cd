//! dashboard.html: the state of a run as one page without anything from outside.
//!
//! The page has no script, loads nothing and works from `file://`. Every value goes through the template engine's
//! HTML escaping, the style sheet alone is trusted. Colours never carry a meaning alone: each state has its word and
//! its shape. The page reloads itself while a run is active; like every projection it shows no time of its own.

use std::sync::LazyLock;

use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::experiment::{self, chart, page};
use super::row::{Counts, RowStatus};
use super::status::{self, RunFacts};
use super::text::{self, one_line};
use super::{Names, phrase, status_page, style};
use crate::model::{ExperimentRecord, RunStatus, Series, State, TaskState};

const TEMPLATE: &str = include_str!("../../templates/dashboard/dashboard.html");
const CSS: &str = include_str!("../../templates/dashboard/dashboard.css");

/// Series that are drawn, and iterations of each that are listed, the newest: `autodev experiments` shows all.
const MAX_SERIES: usize = 8;
const MAX_TRIED: usize = 10;

/// Rows beyond this are only counted: a browser lays 500 out at once, 10 000 make each reload a pause.
const MAX_ROWS: usize = 500;

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_formatter(|out, _, value| {
        let text = value.to_string();
        let safe = if value.is_safe() { text } else { text::escaped(&text) };
        out.write_str(&safe)?;
        Ok(())
    });
    environment.add_template("dashboard.html", TEMPLATE).expect("the built-in template parses, as a test shows");
    environment
});

/// Returns dashboard.html. The queue shows what needs attention first (running, blocked, pending, completed), at
/// most 500 rows of it.
///
/// # Panics
///
/// Not on any state: only if the built-in template were broken, which the tests of every run status would show.
pub fn html(state: &State, names: &Names) -> String {
    let template = ENVIRONMENT.get_template("dashboard.html").expect("the one template is there");
    template
        .render(Serde(Page::of(state, names)))
        .expect("the built-in template uses nothing that can fail on texts and numbers")
}

#[derive(Serialize)]
struct Page {
    css: Value,
    chart_css: Value,
    project: String,
    label: String,
    shape: &'static str,
    is_active: bool,
    is_dry: bool,
    message: String,
    counts: Counts,
    bar: Vec<Part>,
    cost: Option<String>,
    facts: Vec<Fact>,
    notices: Vec<Notice>,
    current: Option<Current>,
    next: Option<Fact>,
    events: Vec<Item>,
    experiments: Vec<Tried>,
    rows: Vec<Row>,
    more: usize,
}

#[derive(Serialize)]
struct Part {
    class: &'static str,
    count: usize,
}

#[derive(Serialize)]
struct Fact {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct Notice {
    shape: &'static str,
    title: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Current {
    id: String,
    title: String,
    facts: Vec<Fact>,
    failure: Option<Failed>,
    log: String,
}

#[derive(Serialize)]
struct Failed {
    attempt: u32,
    summary: String,
    checks: Vec<Fact>,
}

#[derive(Serialize)]
struct Item {
    shape: &'static str,
    label: String,
    task: String,
    at: String,
    time: String,
    message: String,
}

#[derive(Serialize)]
struct Row {
    status: &'static str,
    label: String,
    id: String,
    title: String,
    reason: String,
    contract: String,
}

/// The experiments of one task.
#[derive(Serialize)]
struct Tried {
    id: String,
    title: String,
    facts: Vec<Fact>,
    chart: Value,
    rows: Vec<TriedRow>,
    more: usize,
}

#[derive(Serialize)]
struct TriedRow {
    iteration: u32,
    outcome: &'static str,
    value: String,
    gain: String,
    decision: &'static str,
    commit: String,
    summary: String,
    notes: String,
}

impl Page {
    fn of(state: &State, names: &Names) -> Self {
        let run = RunFacts::of(state);
        let counts = Counts::of(state);
        let parts = [
            ("completed", counts.completed),
            ("running", counts.running),
            ("blocked", counts.blocked),
            ("pending", counts.pending),
        ];
        let project = one_line(status::project(state, names));
        let rows: Vec<Row> = urgent(state).into_iter().map(|task| Row::of(state, task)).collect();
        Self {
            css: Value::from_safe_string(CSS.to_owned()),
            chart_css: Value::from_safe_string(chart::CSS.to_owned()),
            project: if project.is_empty() { "Unnamed project".to_owned() } else { project },
            label: run.status_label.clone(),
            shape: shape(run.status),
            is_active: state.run.status.is_active(),
            is_dry: state.run.settings.as_ref().is_some_and(|settings| settings.dry_run),
            message: one_line(run.message),
            bar: parts.into_iter().filter(|part| part.1 > 0).map(|(class, count)| Part { class, count }).collect(),
            cost: state.run.usage.cost_usd.map(text::money),
            facts: facts(state, &run, names),
            notices: notices(state),
            current: current(state, &run),
            next: state.next_pending().map(|task| Fact::new(task.id.as_str(), &task.title)),
            events: events(state),
            experiments: experiments(state),
            more: counts.total - rows.len(),
            counts,
            rows,
        }
    }
}

impl Fact {
    fn new(name: &str, value: &str) -> Self {
        Self { name: one_line(name), value: one_line(value) }
    }
}

impl Row {
    fn of(state: &State, task: &TaskState) -> Self {
        let status = RowStatus::of(state, task);
        Self {
            status: status.as_str(),
            label: style::label(status.as_str()),
            id: one_line(task.id.as_str()),
            title: one_line(&task.title),
            reason: if status == RowStatus::Blocked { one_line(&task.status.block_reason) } else { String::new() },
            contract: status_page::contract(task),
        }
    }
}

/// Returns the tasks to show, most urgent first, in file order within one status.
fn urgent(state: &State) -> Vec<&TaskState> {
    let mut running = Vec::new();
    let (mut blocked, mut pending, mut completed) = (Vec::new(), Vec::new(), Vec::new());
    for task in &state.tasks {
        let group = match RowStatus::of(state, task) {
            RowStatus::Running => &mut running,
            RowStatus::Blocked => &mut blocked,
            RowStatus::Pending => &mut pending,
            RowStatus::Completed => &mut completed,
        };
        if group.len() < MAX_ROWS {
            group.push(task);
        }
    }
    running.into_iter().chain(blocked).chain(pending).chain(completed).take(MAX_ROWS).collect()
}

/// Returns the icon and colour of a status word; words without one of their own are `info`.
fn shape(status: &str) -> &'static str {
    match style::class(status) {
        "running" => "running",
        "waiting" => "waiting",
        "warning" => "warning",
        "blocked" | "failed" => "blocked",
        "completed" => "completed",
        "pending" => "pending",
        "idle" => "idle",
        _ => "info",
    }
}

fn facts(state: &State, run: &RunFacts<'_>, names: &Names) -> Vec<Fact> {
    let time = |at: Option<chrono::DateTime<chrono::Utc>>| at.map(clock).unwrap_or_default();
    let facts = [
        ("Backend", one_line(status::backend(state, names))),
        (
            "Epoch",
            if run.current_epoch > 0 { format!("{} of {}", run.current_epoch, run.max_epochs) } else { String::new() },
        ),
        ("Started", time(state.run.started_at)),
        ("Updated", time(state.run.updated_at)),
        ("Finished", time(state.run.finished_at)),
        ("Snapshot", time(state.run.updated_at)),
        ("Run time", run_time(state)),
        ("Usage", text::usage(&state.run.usage).unwrap_or_default()),
    ];
    known(facts)
}

fn known<const N: usize>(facts: [(&str, String); N]) -> Vec<Fact> {
    facts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| Fact::new(name, &value)).collect()
}

fn run_time(state: &State) -> String {
    let last = state.run.finished_at.or(state.run.updated_at);
    state.run.started_at.zip(last).map(|(from, to)| text::span(text::seconds_between(from, to))).unwrap_or_default()
}

fn clock(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn notices(state: &State) -> Vec<Notice> {
    let mut notices = Vec::new();
    if let Some(reason) = &state.run.env_problem {
        notices.push(Notice { shape: "blocked", title: "A person must act:", text: one_line(reason) });
    }
    if let Some((until, pause)) = &state.run.pause {
        let reason = status::wait_reason(pause);
        let (title, text) = match pause.end(*until) {
            Some(until) => ("Waiting until", format!("{} UTC: {}", clock(until), one_line(&reason))),
            None => ("Waiting:", one_line(&reason)),
        };
        notices.push(Notice { shape: "waiting", title, text });
    } else if let Some(hold) = &state.hold {
        let until = hold.until.map_or_else(|| phrase::RESUME.to_owned(), |until| format!("{} UTC", clock(until)));
        let reason = if hold.reason.is_empty() { String::new() } else { format!(": {}", one_line(&hold.reason)) };
        notices.push(Notice { shape: "waiting", title: "Paused by hand until", text: format!("{until}{reason}") });
    }
    if let Some(signal) = &state.run.stop {
        let title = if state.run.status.is_active() { "Stopping:" } else { "Stopped:" };
        notices.push(Notice { shape: "warning", title, text: format!("{} was received", one_line(signal)) });
    }
    notices
}

fn current(state: &State, run: &RunFacts<'_>) -> Option<Current> {
    let active = state.active.as_deref()?;
    let elapsed = match state.run.status {
        RunStatus::Running | RunStatus::Validating if run.heartbeat_elapsed_seconds > 0 => {
            text::span(run.heartbeat_elapsed_seconds)
        }
        RunStatus::Running
        | RunStatus::Validating
        | RunStatus::Idle
        | RunStatus::Starting
        | RunStatus::Waiting
        | RunStatus::RetryWait
        | RunStatus::Completed
        | RunStatus::Blocked
        | RunStatus::EnvError
        | RunStatus::Interrupted => String::new(),
    };
    let agent = state.run.standing.as_ref();
    let agent = agent.map(|it| format!("{}: {}", it.state.words(), one_line(&it.reason))).unwrap_or_default();
    let mut facts = known([
        (
            "Attempt",
            if run.max_iterations > 0 {
                String::new()
            } else {
                format!("{} of {}", run.current_attempt, run.max_attempts)
            },
        ),
        ("Epoch", run.current_epoch.to_string()),
        ("Elapsed", elapsed),
        ("Agent", agent),
        ("Mode", run.execution_mode.to_owned()),
        ("Strategy", run.execution_strategy.to_owned()),
        ("Completion", run.completion_kind.to_owned()),
        ("Metric", run.completion_name.to_owned()),
        ("Target", run.completion_target_summary.to_owned()),
        ("Outcome", run.last_completion_outcome.to_owned()),
        ("Usage", text::usage(&active.usage).unwrap_or_default()),
    ]);
    if run.max_iterations > 0 {
        facts.extend(known([
            ("Iteration", format!("{} of {}", run.current_iteration, run.max_iterations)),
            ("Baseline", run.baseline_metric.clone()),
            ("Best", run.best_metric.clone()),
            ("Last", run.last_metric.clone()),
            (
                "Kept / reverted / streak",
                format!("{} / {} / {}", run.kept_count, run.reverted_count, run.no_improvement_streak),
            ),
        ]));
    }
    let failure = active.failures.last().map(|failure| Failed {
        attempt: failure.attempt,
        summary: one_line(&failure.summary),
        checks: failure
            .gate
            .iter()
            .flat_map(|gate| &gate.checks)
            .filter(|check| !check.verdict.is_pass())
            .map(|check| Fact::new(&check.name, &check.details))
            .collect(),
    });
    Some(Current {
        id: one_line(active.task.as_str()),
        title: one_line(&active.title),
        facts,
        failure,
        log: one_line(run.attempt_log),
    })
}

fn events(state: &State) -> Vec<Item> {
    let items = state.feed.iter().take(25).map(|item| Item {
        shape: shape(&item.status),
        label: one_line(&style::label(&item.status)),
        task: one_line(&item.task_id),
        at: text::stamp(Some(item.at)),
        time: item.at.format("%H:%M:%S").to_string(),
        message: one_line(&item.message),
    });
    items.collect()
}

/// The series of this run, the one at work first.
fn experiments(state: &State) -> Vec<Tried> {
    let all = &state.experiments;
    let current = all.current.as_ref();
    let mut series: Vec<_> = all.of.iter().filter(|(_, series)| !series.records.is_empty()).collect();
    series.sort_by_key(|(task, _)| (current != Some(*task), state.index.get(*task).copied().unwrap_or(usize::MAX)));
    series
        .into_iter()
        .take(MAX_SERIES)
        .enumerate()
        .map(|(at, (task, series))| Tried {
            id: one_line(task.as_str()),
            title: one_line(&series.title),
            facts: page::facts(series).into_iter().map(|(name, value)| Fact::new(name, &value)).collect(),
            chart: Value::from_safe_string(chart::svg(series, &format!("e{at}"))),
            rows: series.records.iter().rev().take(MAX_TRIED).map(|record| TriedRow::of(record, series)).collect(),
            more: series.records.len().saturating_sub(MAX_TRIED),
        })
        .collect()
}

impl TriedRow {
    fn of(record: &ExperimentRecord, series: &Series) -> Self {
        let columns = page::columns(record, series.direction);
        Self {
            iteration: record.iteration,
            outcome: experiment::outcome(record),
            value: columns.value,
            gain: columns.gain,
            decision: columns.decision,
            commit: columns.commit,
            summary: one_line(&record.summary),
            notes: one_line(&record.notes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskId;
    use crate::view::sample;

    fn page(state: &State) -> String {
        html(state, &Names::default())
    }

    #[test]
    fn only_an_active_run_reloads_the_page() {
        for status in sample::STATUSES {
            let page = page(&sample::state(status));
            assert_eq!(page.contains("http-equiv=\"refresh\" content=\"3\""), status.is_active(), "{status:?}");
            let label = style::label(status.as_str());
            assert!(page.contains(&format!("<title>{label} · Demo App · autodev</title>")), "{status:?}");
        }
    }

    #[test]
    fn every_shape_that_can_be_asked_for_is_drawn() {
        let words = ["idle", "starting", "running", "validating", "waiting", "retry_wait", "retry", "completed"];
        for word in words.into_iter().chain(["blocked", "failed", "env_error", "interrupted", "pending", "no_such"]) {
            assert!(TEMPLATE.contains(&format!("id=\"i-{}\"", shape(word))), "{word}");
            assert!(CSS.contains(&format!(".s-{} ", shape(word))), "{word}");
        }
    }

    #[test]
    fn nothing_from_outside_is_asked_for() {
        let page = page(&sample::state(RunStatus::Running));
        for word in ["http:", "https:", "//cdn", "<script", "@import", "url(", "src="] {
            assert!(!page.contains(word), "{word}");
        }
    }

    #[test]
    fn values_cannot_break_out() {
        for status in sample::STATUSES {
            let page = page(&sample::hostile(status));
            assert!(!page.contains("<script"), "{status:?}");
            assert!(!page.contains("\"&\""), "{status:?}");
            assert!(page.contains("&lt;script&gt;"), "{status:?}");
            assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{status:?}");
            assert!(page.contains("🚀 ü"), "{status:?}");
        }
    }

    #[test]
    fn a_failed_attempt_shows_what_failed() {
        let page = page(&sample::state(RunStatus::RetryWait));
        assert!(page.contains("<b>Attempt 1 failed</b>"));
        assert!(page.contains("<code>validate:test -f src/P0-1.txt</code> exit_code=1"), "{page}");
        assert!(page.contains("<dt>Attempt</dt><dd>1 of 3</dd>"));
    }

    #[test]
    fn an_experiment_shows_its_iteration() {
        let page = page(&sample::experiment());
        assert!(page.contains("<dt>Iteration</dt><dd>2 of 5</dd>") && page.contains("<dd>lat=89.5</dd>"), "{page}");
    }

    #[test]
    fn experiments_are_drawn_and_listed_newest_first() {
        let mut state = sample::experiment();
        assert!(page(&state).contains("<dt>Best</dt><dd>none yet</dd>"));
        let series = state.experiments.of.get_mut(&TaskId::new("P0-1")).unwrap();
        *series = sample::series();
        let page = page(&state);
        assert!(page.contains("<title id=\"e0-title\">lat over 4 iterations</title>"), "{page}");
        assert!(page.contains("<dt>Best</dt><dd>90 (iteration 2, 10.0 % better)</dd>"), "{page}");
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
        assert!(place("<td>undecided</td>") < place("<td>regressed</td>"));
        assert!(place("<td>10.0 (5.0..15.0)</td>") < place("<h2>Task Queue</h2>"));
    }

    #[test]
    fn a_page_without_experiments_does_not_speak_of_them() {
        assert!(!page(&sample::state(RunStatus::Running)).contains("<h2>Experiments</h2>"));
    }

    #[test]
    fn many_series_and_many_iterations_are_bounded() {
        let mut state = sample::experiment();
        let mut series = sample::series();
        let last = series.records[4].clone();
        series.records.extend((5..200).map(|iteration| ExperimentRecord { iteration, ..last.clone() }));
        state.experiments.of = (0..20).map(|n| (TaskId::new(format!("T{n}")), series.clone())).collect();
        state.experiments.current = Some(TaskId::new("T19"));
        let page = page(&state);
        assert_eq!(page.matches("<h2>Experiments</h2>").count(), MAX_SERIES);
        assert_eq!(page.matches("<td>undecided</td>").count(), MAX_SERIES * MAX_TRIED);
        assert!(page.contains("<code>autodev experiments T19</code>"), "the one at work comes first");
        assert!(page.len() < 1_000_000, "{}", page.len());
    }

    #[test]
    fn the_night_in_numbers_is_on_the_page() {
        let blocked = page(&sample::state(RunStatus::Blocked));
        assert!(blocked.contains("<b>$1.87</b>") && blocked.contains("<dd>3 h 04 m</dd>"));
        assert!(blocked.contains(r#"<p class="reason s-blocked">codex failed 3 attempts</p>"#));
        let waiting = page(&sample::state(RunStatus::Waiting));
        assert!(waiting.contains("<b>Waiting until</b> 2026-11-20 12:30:00 UTC: usage limit reached"));
        assert!(page(&sample::state(RunStatus::EnvError)).contains("<b>A person must act:</b> codex is not logged in"));
    }

    #[test]
    fn an_empty_project_says_what_to_do() {
        let page = page(&State::default());
        for text in ["No task is being worked on.", "Nothing has happened yet.", "The queue is empty.", "no active run"]
        {
            assert!(page.contains(text), "{text}");
        }
    }

    #[test]
    fn a_long_queue_is_cut_with_the_urgent_tasks_first() {
        let mut state = sample::state(RunStatus::Running);
        for n in 0..10_000 {
            let mut task = sample::task_state(&format!("T{n}"), "some work");
            task.status.passes = n < 9_000;
            task.status.blocked = n == 9_999;
            state.tasks.push(task);
        }
        let page = page(&state);
        assert_eq!(page.matches("<li>\n      <span class=\"state").count(), MAX_ROWS);
        assert!(page.contains("9502 more, not shown"));
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
        assert!(place("<code>P0-1</code>\n") < place("<code>T9999</code>"));
        assert!(place("<code>T9999</code>") < place("<code>P0-2</code>"));
        assert!(place("<code>P0-2</code>") < place("<code>T9000</code>"));
        assert!(!page.contains("<code>T0</code>"));
    }
}
