//! The page that `autodev status` prints.

use super::row::{Counts, RowStatus, Turn};
use super::status::{self, RunFacts};
use super::text::{self, one_line, push};
use super::{Names, Style, phrase};
use crate::model::{Pause, State, TaskState};

/// Returns the page of `autodev status`, every line with its line break. Times are the reader's, texts of tasks are
/// made safe for a terminal.
pub fn human(state: &State, names: &Names, style: &Style) -> String {
    let run = RunFacts::of(state);
    let mut page = String::with_capacity(512 + 256 * state.tasks.len());
    let mut line = |text: String| {
        page.push_str(&text);
        page.push('\n');
    };
    line(format!("Project: {}", one_line(status::project(state, names))));
    line(format!("Backend: {}", one_line(status::backend(state, names))));
    line(format!("Run: {} {}", style.badge(run.status), one_line(run.message)));
    line(format!("Epoch: {}/{}", run.current_epoch, run.max_epochs));
    if state.active.is_some() {
        line(format!(
            "Current: {} - {} ({} {}/{})",
            one_line(run.current_task_id),
            one_line(run.current_task_title),
            Turn::of_active(state).noun(),
            run.current_attempt,
            run.max_attempts
        ));
    }
    line(format!("Execution: mode={} | strategy={}", run.execution_mode, run.execution_strategy));
    line(format!(
        "Completion: kind={} | metric={} | target={} | outcome={}",
        run.completion_kind,
        one_line(run.completion_name),
        one_line(run.completion_target_summary),
        run.last_completion_outcome
    ));
    extras(state, &run, style).into_iter().for_each(&mut line);
    let counts = Counts::of(state);
    line(format!(
        "Queue: {} {}  {} {}  {} {}  {} {}  [TOTAL] {}",
        style.badge("completed"),
        counts.completed,
        style.badge("running"),
        counts.running,
        style.badge("blocked"),
        counts.blocked,
        style.badge("pending"),
        counts.pending,
        counts.total
    ));
    line(format!("Dashboard: {}", names.dashboard));
    line("Tasks:".to_owned());
    if state.tasks.is_empty() {
        line("  (the queue is empty)".to_owned());
    }
    for task in &state.tasks {
        row(&mut page, state, task, style);
    }
    page
}

/// What a person wants to know in the morning, as far as it is known.
fn extras(state: &State, run: &RunFacts<'_>, style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    if !run.baseline_metric.is_empty() {
        lines.push(format!(
            "Experiments: baseline {}, best {}, last {} ({}) | {} kept, {} put back, {} in a row no better",
            one_line(&run.baseline_metric),
            one_line(&run.best_metric),
            one_line(&run.last_metric),
            run.last_outcome,
            run.kept_count,
            run.reverted_count,
            run.no_improvement_streak
        ));
    }
    if let Some(hold) = &state.hold {
        let until = hold.until.map(|until| style.time(until));
        let reason = if hold.reason.is_empty() { String::new() } else { format!(" - {}", one_line(&hold.reason)) };
        let until = until.as_deref().unwrap_or(phrase::RESUME);
        lines.push(format!("Paused: by hand, {} until {until}{reason}", style.time(hold.since)));
    }
    if let Some((until, pause)) = &state.run.pause
        && !matches!(pause, Pause::Held { .. })
    {
        lines.push(format!("Waiting: until {} - {}", style.time(*until), one_line(&status::wait_reason(pause))));
    }
    if let Some(standing) = &state.run.standing {
        lines.push(format!("Agent: {} - {}", standing.state.words(), one_line(&standing.reason)));
    }
    if let Some(signal) = &state.run.stop
        && state.run.status.is_active()
    {
        lines.push(format!("Stopping: {} was received", one_line(signal)));
    }
    if let Some(reason) = &state.run.env_problem {
        lines.push(format!("Needs you: {}", one_line(reason)));
    }
    if let Some(started) = state.run.started_at {
        let last = state.run.finished_at.or(state.run.updated_at).unwrap_or(started);
        let seconds = text::span(text::seconds_between(started, last));
        lines.push(match state.run.finished_at {
            Some(finished) => format!(
                "Time: {} to {} ({seconds}), {} completed, {} blocked",
                style.time(started),
                style.time(finished),
                state.run.completed,
                state.run.blocked
            ),
            None => format!("Time: since {} ({seconds}), last event {}", style.time(started), style.time(last)),
        });
    }
    lines.extend(text::usage(&state.run.usage).map(|usage| format!("Usage: {usage}")));
    if state.active.is_some() && !run.attempt_log.is_empty() {
        lines.push(format!("Log: {}", one_line(run.attempt_log)));
    }
    lines
}

fn row(page: &mut String, state: &State, task: &TaskState, style: &Style) {
    let status = RowStatus::of(state, task);
    let reason = if status == RowStatus::Blocked && !task.status.block_reason.is_empty() {
        format!(" | {}", one_line(&task.status.block_reason))
    } else {
        String::new()
    };
    let (id, title) = (one_line(task.id.as_str()), one_line(&task.title));
    let badge = style.badge(status.as_str());
    push(page, format_args!("  {badge} {id}: {title}{reason}\n      {}\n", contract(task)));
}

/// Returns the contract line of a task.
pub(super) fn contract(task: &TaskState) -> String {
    format!(
        "mode={} | strategy={} | completion={} | metric={} | target={}",
        task.mode,
        task.strategy,
        task.completion_kind,
        one_line(&task.completion_name),
        one_line(&task.completion_target)
    )
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::RunStatus;
    use crate::view::sample;

    #[test]
    fn the_page_of_a_running_task() {
        let wanted = "\
Project: Demo App
Backend: codex
Run: [RUNNING] Executing P0-1: Add greeting
Epoch: 1/1
Current: P0-1 - Add greeting (attempt 1/3)
Execution: mode=delivery | strategy=single_pass
Completion: kind=boolean | metric=gate | target=all_checks_pass | outcome=
Time: since 2026-11-20 11:29:10 (2 s), last event 2026-11-20 11:29:12
Log: /abs/logs/attempts/codex/task_P0-1__attempt_1_20261120T112910Z.log
Queue: [COMPLETED] 0  [RUNNING] 1  [BLOCKED] 0  [PENDING] 1  [TOTAL] 2
Dashboard: logs/dashboard.html
Tasks:
  [RUNNING] P0-1: Add greeting
      mode=delivery | strategy=single_pass | completion=boolean | metric=gate | target=all_checks_pass
  [PENDING] P0-2: Add farewell
      mode=delivery | strategy=single_pass | completion=boolean | metric=gate | target=all_checks_pass
";
        assert_eq!(human(&sample::state(RunStatus::Running), &Names::default(), &Style::plain()), wanted);
    }

    #[test]
    fn the_page_of_the_morning_says_what_it_cost_and_what_needs_a_person() {
        let page = human(&sample::state(RunStatus::Blocked), &Names::default(), &Style::plain());
        for line in [
            "Run: [BLOCKED] 1 completed, 1 blocked",
            "Time: 2026-11-20 11:29:10 to 2026-11-20 14:33:15 (3 h 04 m), 1 completed, 1 blocked",
            "Usage: 1.2M tokens in (1.0M from cache), 34.5k out, $1.87",
            "  [BLOCKED] P0-2: Add farewell | codex failed 3 attempts",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\n{page}");
        }
        let page = human(&sample::state(RunStatus::Waiting), &Names::default(), &Style::plain());
        assert!(page.contains("\nWaiting: until 2026-11-20 12:30:00 - usage limit reached\n"), "{page}");
        let page = human(&sample::state(RunStatus::EnvError), &Names::default(), &Style::plain());
        assert!(page.contains("\nNeeds you: codex is not logged in\n"), "{page}");
    }

    #[test]
    fn an_iterative_task_shows_how_far_it_is() {
        let page = human(&sample::experiment(), &Names::default(), &Style::plain());
        for line in [
            "Current: P0-1 - Add greeting (iteration 2/5)",
            "Experiments: baseline lat=100, best lat=100, last lat=89.5 (improved) | 0 kept, 1 put back, 1 in a row no better",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\n{page}");
        }
    }

    #[test]
    fn before_the_first_run_there_is_no_run() {
        let page = human(&State::default(), &Names::default(), &Style::plain());
        assert!(page.contains("Run: [IDLE] no active run\n"), "{page}");
        assert!(!page.contains("Current:"), "{page}");
        assert!(page.ends_with("Tasks:\n  (the queue is empty)\n"), "{page}");
    }

    #[test]
    fn texts_of_tasks_cannot_steer_the_terminal() {
        let page = human(&sample::hostile(RunStatus::Blocked), &Names::default(), &Style::plain());
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
        assert_eq!(page.lines().filter(|line| line.starts_with("  [")).count(), 2);
    }
}
