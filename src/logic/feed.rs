//! The short feed of recent happenings that status views show.

use crate::model::{Active, Event, EventKind, FeedItem, Firing, Pause, Replan, State, Step};

/// How many entries runtime-status.json shows.
const LENGTH: usize = 25;

/// Adds what a person following the run wants to know; called after the event has been folded in.
pub(super) fn note(state: &mut State, event: &Event, before: Option<&Active>) {
    let settings = state.run.settings.as_ref().map_or(0, |s| s.limits.max_retries);
    let iterations = state.active.as_deref().or(before).and_then(Active::max_iterations);
    let (noun, max) = iterations.map_or(("attempt", settings), |most| ("iteration", most));
    let item = |status: &str, task: &str, message: String| {
        Some(FeedItem { at: event.at, status: status.to_owned(), task_id: task.to_owned(), message })
    };
    let title = before.map_or("", |active| active.title.as_str());
    let open = before.map_or("", |active| active.task.as_str());
    let entry = match &event.kind {
        EventKind::RunStarted(start) => item("starting", "", format!("Run started with {}", start.backend)),
        EventKind::RunLost { lost, .. } => {
            item("warning", "", format!("Run {lost} had been killed; going on from there"))
        }
        EventKind::AttemptStarted { task, attempt, .. } => {
            item("running", task.id.as_str(), format!("Started {noun} {attempt}/{max}: {}", task.label()))
        }
        EventKind::GateStarted { attempt, .. } => {
            item("validating", open, format!("Checking {noun} {attempt}/{max}: {title}"))
        }
        EventKind::BaselineStarted { task, .. } => {
            item("validating", task.id.as_str(), format!("Measuring before the first change: {}", task.label()))
        }
        EventKind::CompareStarted { iteration: 0, .. } => {
            item("validating", open, "Measuring the result against where it began".to_owned())
        }
        EventKind::CompareStarted { iteration, .. } => {
            item("validating", open, format!("Measuring iteration {iteration}/{max}: {title}"))
        }
        EventKind::ExperimentEnded { task, record } if record.iteration == 0 => {
            item("info", task.as_str(), format!("Baseline: {}", record.notes))
        }
        EventKind::ExperimentEnded { task, record } => {
            let status = match record.step {
                Step::Keep => "kept",
                Step::Revert => "reverted",
                Step::Leave => "warning",
                Step::Nothing => "info",
            };
            let (n, outcome) = (record.iteration, record.outcome.as_str());
            item(status, task.as_str(), format!("Iteration {n}/{max} {outcome}: {}", record.notes))
        }
        EventKind::Reverted { trouble, .. } if !trouble.is_empty() => item("warning", open, trouble.clone()),
        EventKind::Reflected { task, attempt, .. } => {
            item("waiting", task.as_str(), format!("Reflected on attempt {attempt}: {title}"))
        }
        EventKind::Replanned { outcome: Replan::New { tasks, .. }, epoch, .. } => {
            item("starting", "", format!("Epoch {} begins with {} new tasks", epoch.saturating_add(1), tasks.len()))
        }
        EventKind::EpochEnded { epoch, .. } => {
            item("starting", "", format!("Epoch {} begins", epoch.saturating_add(1)))
        }
        EventKind::Planned { source, tasks, .. } => {
            item("info", "", format!("Planned {} tasks from {source}", tasks.len()))
        }
        EventKind::PlanTaken { plan, added, .. } if !added.is_empty() => {
            item("info", "", format!("{} tasks from {plan}", added.len()))
        }
        EventKind::PlanFailed { plan, reason, .. } => item("warning", "", format!("{plan}: {reason}")),
        EventKind::AttemptFailed { task, attempt, summary, .. } => {
            item("retry", task.as_str(), format!("Attempt {attempt}/{max} failed: {summary}"))
        }
        EventKind::Paused { pause: Pause::Limit { reason, .. }, until } => {
            item("waiting", open, format!("Limit, waiting until {}: {reason}", until.format("%Y-%m-%dT%H:%M:%SZ")))
        }
        EventKind::Paused { pause: Pause::Window, until } => {
            item("waiting", open, format!("Outside of the windows until {}", until.format("%Y-%m-%dT%H:%M:%SZ")))
        }
        EventKind::Held { reason, .. } if reason.is_empty() => item("waiting", "", "Paused by hand".to_owned()),
        EventKind::Held { reason, .. } => item("waiting", "", format!("Paused by hand: {reason}")),
        EventKind::HoldEnded { by_itself } => {
            let why = if *by_itself { "its time had come" } else { "autodev resume" };
            item("info", "", format!("No longer paused by hand: {why}"))
        }
        EventKind::ScheduleFired { entry, outcome: Firing::Queued { tasks }, .. } => {
            item("info", "", format!("Queued {} tasks of {entry}", tasks.len()))
        }
        EventKind::ScheduleFired { entry, outcome: Firing::Failed { reason }, .. } => {
            item("warning", "", format!("Could not queue {entry}: {reason}"))
        }
        EventKind::TaskCompleted { task, .. } => item("completed", task.as_str(), format!("Completed: {title}")),
        EventKind::TaskBlocked { task, reason, .. } => item("blocked", task.as_str(), format!("Blocked: {reason}")),
        EventKind::TaskDropped { task, reason } | EventKind::CampaignReset { task, reason } => {
            item("warning", task.as_str(), reason.clone())
        }
        EventKind::QueueEditUndone { task, field } => {
            item("warning", task.as_str(), format!("Undid an agent's edit of {field:?}"))
        }
        EventKind::QueueBroken { kept_as, .. } => {
            item("warning", "", format!("task.json was broken; kept as {kept_as}"))
        }
        EventKind::EnvProblemFound { reason } => item("env_error", open, reason.clone()),
        EventKind::StopRequested { signal } => item("interrupted", open, format!("Stop requested ({signal})")),
        EventKind::Note { level, text } if level == "warning" => item("warning", open, text.clone()),
        EventKind::RunEnded { status, message, .. } => item(status.as_str(), "", message.clone()),
        _ => None,
    };
    if let Some(entry) = entry {
        state.feed.push_front(entry);
        state.feed.truncate(LENGTH);
    }
}
