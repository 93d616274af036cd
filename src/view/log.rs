//! The run's own log: what a person who watches `autodev run` reads line by line.
//!
//! Not every event has a line here (the journal has them all); which has none is decided below, kind by kind. The
//! caller adds nothing but the destination: [`LogLine::stamped`] gives the whole line for the terminal and, with
//! [`Style::plain`] and the same zone, for autodev.log.

use chrono::{DateTime, Utc};

use super::row::{self, Counts, Turn};
use super::text::{self, one_line, plural, seconds_between};
use super::{Names, Style, phrase};
use crate::model::{
    AttemptReport, Event, EventKind, Firing, GateReport, Pause, ProcessEnd, RelPath, Replan, RunStart, RunStatus, Said,
    State, Step, TaskId,
};

/// A bar above and below a task's header.
const BAR: &str = "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━";

/// Pauses shorter than this are not worth a line: the line before already says what comes next.
const QUIET_SECONDS: u64 = 10;

/// One line of the log, without time and colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The status word of the badge in front, if it has one.
    pub status: Option<&'static str>,
    /// The text, without line breaks and safe for a terminal.
    pub text: String,
}

impl LogLine {
    /// Returns the whole line with time and badge, without line break: `[2026-11-20 12:29:10] [RETRY] text`.
    pub fn stamped(&self, at: DateTime<Utc>, style: &Style) -> String {
        let badge = self.status.map(|status| style.badge(status) + " ").unwrap_or_default();
        format!("[{}] {badge}{}", style.time(at), self.text)
    }

    fn new(status: &'static str, text: impl AsRef<str>) -> Self {
        Self { status: Some(status), text: one_line(text.as_ref()) }
    }

    /// A line without badge, with its spaces as they are.
    fn bare(text: impl AsRef<str>) -> Self {
        Self { status: None, text: text::flat(text.as_ref()).trim_end().to_owned() }
    }
}

/// Returns the log lines of an event, oldest first; none when there is nothing to tell. `state` is the state with
/// the event folded in.
pub fn lines(event: &Event, state: &State, names: &Names, style: &Style) -> Vec<LogLine> {
    let turn = turn(event, state);
    let words = || phrase::of(event, turn, style);
    match &event.kind {
        EventKind::RunStarted(start) => banner(start),
        EventKind::RunLost { .. }
        | EventKind::QueueEditUndone { .. }
        | EventKind::CampaignReset { .. }
        | EventKind::QueueBroken { .. }
        | EventKind::PlanFailed { .. }
        | EventKind::CommitRefused { .. }
        | EventKind::StopRequested { .. } => {
            vec![LogLine::new("warning", words())]
        }
        EventKind::QueueSeen { order, .. } => match order {
            Some(_) if has_header_next(state) => vec![],
            Some(_) => vec![queue_summary(state)],
            None => vec![LogLine::new("info", words())],
        },
        EventKind::TaskOpened { task, title, .. } => header(task, title, state),
        EventKind::AttemptStarted { task, attempt, log, backend, .. } => vec![
            LogLine::new(
                "running",
                format!("{}: {} {attempt}/{} with {backend}", task.id, turn.noun(), row::max_attempts(state)),
            ),
            LogLine::bare(format!("  log: {log}")),
        ],
        EventKind::AgentSaid { said, .. } => said_status(said).map(|s| LogLine::new(s, words())).into_iter().collect(),
        EventKind::Heartbeat { is_active, .. } => {
            let task = state.active.as_ref().map(|active| format!("{}: ", active.task)).unwrap_or_default();
            vec![LogLine::new(if *is_active { "running" } else { "waiting" }, task + &words())]
        }
        EventKind::AttemptEnded { report, .. } => {
            let mut lines = vec![LogLine::new(end_status(report), words())];
            lines.extend(preview(&report.changed, names.changed_files_preview));
            lines
        }
        EventKind::GateStarted { .. } | EventKind::BaselineStarted { .. } | EventKind::CompareStarted { .. } => {
            vec![LogLine::new("validating", words())]
        }
        EventKind::ExperimentEnded { record, .. } => {
            let status = match record.step {
                Step::Keep => "kept",
                Step::Revert => "reverted",
                Step::Leave => "warning",
                Step::Nothing => "info",
            };
            vec![LogLine::new(status, words())]
        }
        EventKind::Reverted { trouble, .. } if !trouble.is_empty() => vec![LogLine::new("warning", words())],
        EventKind::GateEnded { report, .. } | EventKind::BaselineEnded { report, .. } => {
            let failed = failed_checks(report);
            let status = if report.verdict.is_pass() { "validating" } else { "failed" };
            // The failed checks below say more than the errors in the words of the event.
            let text = if failed.is_empty() { words() } else { phrase::gate_counts(report) };
            std::iter::once(LogLine::new(status, text)).chain(failed).collect()
        }
        // `plan` says it itself; a run beside it is told.
        EventKind::Planned { .. } if !state.run.status.is_active() => vec![],
        EventKind::GateCancelled { .. }
        | EventKind::CommitSkipped { .. }
        | EventKind::TaskReopened { .. }
        | EventKind::TaskDropped { .. }
        | EventKind::StatusSet { .. }
        | EventKind::Reflected { .. }
        | EventKind::EpochEnded { .. }
        | EventKind::WatchStarted { .. }
        | EventKind::PlanTaken { .. }
        | EventKind::PlanWithdrawn { .. }
        | EventKind::HoldEnded { .. }
        | EventKind::Planned { .. } => vec![LogLine::new("info", words())],
        EventKind::AskEnded { report, .. } => {
            let status = if report.is_ok && report.changed.is_empty() { "info" } else { "warning" };
            vec![LogLine::new(status, words())]
        }
        EventKind::AskStarted { .. } | EventKind::ReplanStarted { .. } | EventKind::Held { .. } => {
            vec![LogLine::new("waiting", words())]
        }
        EventKind::Replanned { outcome, .. } => {
            let status = match outcome {
                Replan::New { .. } | Replan::Nothing => "info",
                Replan::NoSource | Replan::Limited { .. } | Replan::Stopped => "warning",
                Replan::Failed { .. } => "env_error",
            };
            vec![LogLine::new(status, words())]
        }
        EventKind::AttemptFailed { task, attempt, summary, gate, .. } => {
            let max = row::max_attempts(state);
            // The lines before it show what the checks found.
            let why = if gate.is_some() { " its checks".to_owned() } else { format!(": {summary}") };
            vec![LogLine::new("retry", format!("{task}: attempt {attempt}/{max} failed{why}"))]
        }
        EventKind::Paused { until, pause } => match pause {
            Pause::Retry | Pause::NextTask if seconds_between(event.at, *until) < QUIET_SECONDS => vec![],
            Pause::Retry
            | Pause::NextTask
            | Pause::Limit { .. }
            | Pause::Recheck
            | Pause::Window
            | Pause::Held { .. } => {
                vec![LogLine::new("waiting", words())]
            }
        },
        EventKind::TaskCompleted { .. } => vec![LogLine::new("completed", words())],
        EventKind::Salvaged { reference, left_alone, reason, .. } => {
            let is_clean = left_alone.is_empty() && (reference.is_some() || reason.is_empty());
            match (is_clean, reference) {
                (true, None) => vec![],
                (true, Some(_)) => vec![LogLine::new("info", words())],
                (false, _) => vec![LogLine::new("warning", words())],
            }
        }
        EventKind::TaskBlocked { .. } => vec![LogLine::new("blocked", words())],
        EventKind::EnvProblemFound { .. } => vec![LogLine::new("env_error", words())],
        EventKind::Previewed { prompt_head, .. } => {
            let mut lines = vec![LogLine::new("info", words())];
            lines.extend(text::block(prompt_head).lines().map(|line| LogLine::bare(format!("  | {line}"))));
            lines
        }
        EventKind::ScheduleFired { outcome, .. } => {
            let status = if matches!(outcome, Firing::Queued { .. }) { "info" } else { "warning" };
            vec![LogLine::new(status, words())]
        }
        EventKind::Note { level, .. } => {
            vec![LogLine::new(if level == "warning" { "warning" } else { "info" }, words())]
        }
        EventKind::RunEnded { status, message, .. } => ending(*status, message, state),
        // The line before or after says it already, or only a program cares.
        EventKind::QueueSaving { .. }
        | EventKind::QueueSaved
        | EventKind::PlansTaking { .. }
        | EventKind::AgentSpawned { .. }
        | EventKind::PauseEnded
        | EventKind::CommitStarted { .. }
        | EventKind::Committed { .. }
        | EventKind::BlockDecided { .. }
        | EventKind::Proposed { .. }
        | EventKind::PairMeasured { .. }
        | EventKind::CompareEnded { .. }
        | EventKind::ExperimentJudged { .. }
        | EventKind::RevertStarted { .. }
        | EventKind::Reverted { .. }
        | EventKind::SalvageStarted { .. }
        | EventKind::ScheduleSeen { .. }
        | EventKind::ScheduleFiring { .. }
        | EventKind::Unknown => vec![],
    }
}

/// What a turn of the task of this event is called, also when the event is its last.
fn turn(event: &Event, state: &State) -> Turn {
    match &event.kind {
        EventKind::TaskCompleted { task, .. } => match state.task(task) {
            Some(row) if row.strategy == "iterative" => Turn::Iteration,
            _ => Turn::Attempt,
        },
        _ => Turn::of_active(state),
    }
}

fn banner(start: &RunStart) -> Vec<LogLine> {
    let version =
        if start.backend_version.is_empty() { String::new() } else { format!(" ({})", start.backend_version) };
    let limits = &start.settings.limits;
    let mut lines = vec![
        LogLine::bare(format!("autodev {} - {}", start.version, start.project)),
        LogLine::bare(format!("Backend: {}{version}", start.backend)),
        LogLine::bare(format!(
            "Limits: {} per task, {}, {}",
            plural(limits.max_retries as usize, "attempt"),
            plural(limits.max_tasks as usize, "task"),
            plural(limits.max_epochs as usize, "epoch")
        )),
    ];
    if start.settings.dry_run {
        lines.push(LogLine::new("info", "Dry run: no agent is started and nothing is changed"));
    }
    lines
}

fn queue_summary(state: &State) -> LogLine {
    let counts = Counts::of(state);
    LogLine::bare(format!(
        "Queue: {}, {} completed, {} blocked, {} pending",
        plural(counts.total, "task"),
        counts.completed,
        counts.blocked,
        counts.pending + counts.running
    ))
}

/// Whether the first task of the run comes next, whose header shows the queue.
fn has_header_next(state: &State) -> bool {
    let is_dry = state.run.settings.as_ref().is_none_or(|settings| settings.dry_run);
    !is_dry && state.run.rounds == 0 && state.active.is_none() && state.next_pending().is_some()
}

fn header(task: &TaskId, title: &str, state: &State) -> Vec<LogLine> {
    vec![
        queue_summary(state),
        LogLine::bare(BAR),
        LogLine::bare(format!("[Task {}] {task}: {title}", state.run.rounds.max(1))),
        LogLine::bare(BAR),
    ]
}

fn end_status(report: &AttemptReport) -> &'static str {
    match report.end {
        ProcessEnd::Exited { .. } if report.is_ok => "info",
        ProcessEnd::Limited(_) => "waiting",
        ProcessEnd::Interrupted | ProcessEnd::Lost => "warning",
        ProcessEnd::Exited { .. }
        | ProcessEnd::Signalled { .. }
        | ProcessEnd::TimedOut
        | ProcessEnd::Idle
        | ProcessEnd::EnvError(_)
        | ProcessEnd::NotStarted { .. } => "failed",
    }
}

fn preview(changed: &[RelPath], limit: usize) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = changed.iter().take(limit).map(|path| LogLine::bare(format!("  - {path}"))).collect();
    if changed.len() > limit && limit > 0 {
        lines.push(LogLine::bare(format!("  ... {} more", changed.len() - limit)));
    }
    lines
}

fn failed_checks(report: &GateReport) -> Vec<LogLine> {
    let mut lines = Vec::new();
    for check in report.checks.iter().filter(|check| !check.verdict.is_pass()) {
        lines.push(LogLine::bare(format!("  [-] {}: {}", check.name, check.details)));
        if let Some(evidence) = &check.evidence {
            lines.push(LogLine::bare(format!("      output: {}", evidence.log)));
        }
    }
    lines
}

fn said_status(said: &Said) -> Option<&'static str> {
    match said {
        Said::Retry { .. } => Some("waiting"),
        Said::Error(_) => Some("warning"),
        Said::Final(last) if !last.is_ok => Some("warning"),
        // The agent's own words are in its log and on stdout.
        Said::Final(_)
        | Said::Session { .. }
        | Said::Text { .. }
        | Said::Thinking { .. }
        | Said::ToolStarted { .. }
        | Said::ToolEnded { .. }
        | Said::Usage { .. }
        | Said::Notice { .. } => None,
    }
}

fn ending(status: RunStatus, message: &str, state: &State) -> Vec<LogLine> {
    let run = &state.run;
    if run.settings.as_ref().is_some_and(|settings| settings.dry_run) {
        return vec![LogLine::new(status.as_str(), message)];
    }
    let attempted = run.rounds.max(run.completed.saturating_add(run.blocked));
    let mut lines =
        vec![LogLine::bare(format!("Attempted: {attempted}  Completed: {}  Blocked: {}", run.completed, run.blocked))];
    lines.extend(text::usage(&run.usage).map(|usage| LogLine::bare(format!("Usage: {usage}"))));
    lines.push(LogLine::new(status.as_str(), message));
    lines
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::view::sample;

    #[test]
    fn a_night_reads_like_this() {
        let state = sample::state(RunStatus::Running);
        let names = Names { changed_files_preview: 1, ..Names::default() };
        let mut page = String::new();
        for event in sample::events() {
            for line in lines(&event, &state, &names, &Style::plain()) {
                page += &(line.stamped(event.at, &Style::plain()) + "\n");
            }
        }
        assert_eq!(page, include_str!("snapshots/night.log"));
    }

    #[test]
    fn a_bar_has_46_dashes() {
        assert_eq!(BAR.chars().filter(|c| *c == '━').count(), 46);
        assert_eq!(BAR.chars().count(), 46);
    }

    #[test]
    fn a_short_pause_says_nothing_and_a_long_one_does() {
        let state = State::default();
        let tell = |seconds: i64| {
            let at = sample::at("2026-11-20T11:29:10Z");
            let until = at + chrono::Duration::seconds(seconds);
            let event = sample::event(EventKind::Paused { until, pause: Pause::Retry });
            lines(&event, &state, &Names::default(), &Style::plain())
        };
        assert_eq!(tell(2), []);
        assert_eq!(tell(60), [LogLine { status: Some("waiting"), text: "next attempt in 1 m 00 s".into() }]);
    }

    #[test]
    fn the_end_counts_and_names_the_cost() {
        let state = sample::state(RunStatus::Blocked);
        let event = sample::event(EventKind::RunEnded {
            status: RunStatus::Blocked,
            exit_code: 2,
            message: "1 task is blocked".into(),
        });
        let page: Vec<String> = lines(&event, &state, &Names::default(), &Style::plain())
            .iter()
            .map(|line| line.stamped(event.at, &Style::plain()))
            .collect();
        let wanted = [
            "[2026-11-20 11:29:10] Attempted: 2  Completed: 1  Blocked: 1",
            "[2026-11-20 11:29:10] Usage: 1.2M tokens in (1.0M from cache), 34.5k out, $1.87",
            "[2026-11-20 11:29:10] [BLOCKED] 1 task is blocked",
        ];
        assert_eq!(page, wanted);
    }

    #[test]
    fn no_line_can_steer_the_terminal() {
        let state = sample::hostile(RunStatus::Running);
        let hostile = "x\n\x1b[2J\u{202e}";
        for kind in [
            EventKind::Note { level: "info".into(), text: hostile.into() },
            EventKind::TaskBlocked {
                task: TaskId::new(hostile),
                title: String::new(),
                reason: hostile.into(),
                changed: vec![],
                salvage: None,
            },
            EventKind::RunEnded { status: RunStatus::Completed, exit_code: 0, message: hostile.into() },
            EventKind::Previewed {
                task: TaskId::new("a"),
                title: hostile.into(),
                prompt_chars: 3,
                prompt_head: hostile.into(),
            },
        ] {
            for line in lines(&sample::event(kind), &state, &Names::default(), &Style::plain()) {
                assert!(!line.text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
            }
        }
    }
}
