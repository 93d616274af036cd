//! One line of words for every event.
//!
//! Made from the event alone; `autodev log`, the run's log and pages share these words. Texts of agents and tasks
//! are made safe for a terminal. Invariant: never a line break, never empty.

use super::row::Turn;
use super::text::{one_line, plural, seconds_between, span};
use super::{Style, experiment, plan_words};
use crate::model::{
    AgentError, AnswerReport, AttemptReport, Event, EventKind, Firing, GateReport, Inquiry, Pause, Placement,
    ProcessEnd, Reflection, RelPath, Replan, Said, Status, StatusField, Verdict,
};

/// What ends a pause by hand that has no end of its own.
pub(super) const RESUME: &str = "`autodev resume`";

/// Returns what happened, on one line, without the task's id where the event does not carry it. `turn` is what a turn of
/// the task is called to which the event belongs.
pub fn of(event: &Event, turn: Turn, style: &Style) -> String {
    one_line(&words(event, turn, style))
}

fn words(event: &Event, turn: Turn, style: &Style) -> String {
    let noun = turn.after(&event.kind).noun();
    match &event.kind {
        EventKind::RunStarted(start) => {
            let dry = if start.settings.dry_run { ", dry run" } else { "" };
            format!(
                "autodev {} started on {} (pid {}), backend {}{dry}",
                start.version, start.host, start.pid, start.backend
            )
        }
        EventKind::RunLost { lost, killed } => {
            let ended = if *killed > 0 {
                format!("; processes of it that still ran and were ended: {killed}")
            } else {
                String::new()
            };
            format!("run {lost} ended without saying so (killed, or a power cut){ended}")
        }
        EventKind::QueueSeen { order, changed, .. } => match order {
            Some(order) => format!("queue read: {}, {} new or changed", plural(order.len(), "task"), changed.len()),
            None => format!("queue read: {} changed", plural(changed.len(), "task")),
        },
        EventKind::QueueEditUndone { task, field } => {
            format!("{task}: the agent had set `{}` in the queue; put back", field_name(*field))
        }
        EventKind::QueueBroken { kept_as, reason } => {
            format!("the queue cannot be read: {reason}; the broken file is kept as {kept_as}")
        }
        EventKind::QueueSaving { digest } => format!("saving the queue ({})", digest.get(..12).unwrap_or(digest)),
        EventKind::QueueSaved => "queue saved".to_owned(),
        EventKind::TaskOpened { task, title, touched, .. } => {
            let touched = if touched.is_empty() {
                String::new()
            } else {
                format!(" ({} from earlier work)", plural(touched.len(), "file"))
            };
            format!("{task}: {title}{touched}")
        }
        EventKind::AttemptStarted { task, attempt, backend, .. } => {
            format!("{}: {noun} {attempt} with {backend}", task.id)
        }
        EventKind::AgentSpawned { pid, .. } => format!("agent runs as process {pid}"),
        EventKind::AgentSaid { said, .. } => said_words(said, style),
        EventKind::Heartbeat { elapsed_seconds, is_active, standing } => {
            let what = match standing {
                Some(standing) => format!("{}: {}", standing.state.words(), standing.reason),
                None if *is_active => "at work".to_owned(),
                None => "no output".to_owned(),
            };
            format!("{what}, {} so far", span(*elapsed_seconds))
        }
        EventKind::AttemptEnded { report, .. } => report_words(report),
        EventKind::GateStarted { attempt, .. } => format!("checking {noun} {attempt}"),
        EventKind::GateEnded { report, .. } | EventKind::BaselineEnded { report, .. } => gate_words(report),
        EventKind::GateCancelled { .. } => "checks cut short; they will be made again".to_owned(),
        EventKind::BaselineStarted { task, .. } => format!("{}: measuring before the first change", task.id),
        EventKind::CampaignReset { task, reason } => format!("{task}: its experiments begin anew: {reason}"),
        EventKind::Proposed { iteration, commit, summary, .. } => match commit {
            Some(commit) => format!("iteration {iteration}: {summary}, saved as {}", short(commit)),
            None => format!("iteration {iteration}: nothing to commit"),
        },
        EventKind::CompareStarted { iteration: 0, .. } => "measuring the result against where it began".to_owned(),
        EventKind::CompareStarted { iteration, .. } => format!("measuring iteration {iteration} against the best"),
        EventKind::PairMeasured { pair, champion, candidate, .. } => {
            format!("pair {pair}: best {champion}, with the change {candidate}")
        }
        EventKind::CompareEnded { compared, .. } => experiment::compared(compared),
        EventKind::ExperimentJudged { record, step, .. } => experiment::judged(record, *step),
        EventKind::RevertStarted { iteration, .. } => format!("putting back iteration {iteration}"),
        EventKind::Reverted { head, trouble, .. } if trouble.is_empty() => {
            format!("put back, the branch is at {}", short(head))
        }
        EventKind::Reverted { trouble, .. } => format!("not put back: {trouble}"),
        EventKind::ExperimentEnded { task, record } => experiment::ended(task, record),
        EventKind::AskStarted { inquiry, backend, .. } => format!("asking {backend}: {}", inquiry_words(inquiry)),
        EventKind::AskEnded { inquiry, report, .. } => answer_words(inquiry, report),
        EventKind::Reflected { task, attempt, reflection } => {
            format!("{task}: reflection on attempt {attempt}: {}", reflection_words(reflection))
        }
        EventKind::AttemptFailed { task, attempt, summary, .. } => {
            format!("{task}: attempt {attempt} failed: {summary}")
        }
        EventKind::Paused { until, pause } => {
            let seconds = span(seconds_between(event.at, *until));
            let end = pause.end(*until).map(|until| style.time(until));
            let until = style.time(*until);
            match pause {
                Pause::Retry => format!("next {noun} in {seconds}"),
                Pause::NextTask => format!("next task in {seconds}"),
                Pause::Limit { reason, is_stated } => {
                    let source = if *is_stated { "as the service says" } else { "it named no time" };
                    format!("limit of the service: {reason}; waiting until {until} ({seconds}, {source})")
                }
                Pause::Recheck => format!("a check could not be made; trying again at {until} ({seconds})"),
                Pause::Window => format!("outside of the schedule's windows; waiting until {until} ({seconds})"),
                Pause::Held { reason, .. } => {
                    format!("{}; waiting until {}", held(reason), end.as_deref().unwrap_or(RESUME))
                }
            }
        }
        EventKind::PauseEnded => "going on".to_owned(),
        EventKind::CommitStarted { attempt, .. } => format!("committing the work of {noun} {attempt}"),
        EventKind::Committed { sha, .. } => format!("committed {}", short(sha)),
        EventKind::CommitSkipped { reason, .. } => format!("no commit: {reason}"),
        EventKind::CommitRefused { check, .. } => format!("the commit was refused: {}", check.details),
        EventKind::TaskCompleted { task, title, summary, .. } if turn == Turn::Iteration => {
            format!("{task}: {title}: {summary}")
        }
        EventKind::TaskCompleted { task, title, attempt, changed, commit, .. } => {
            let commit = commit.as_ref().map(|sha| format!(", commit {}", short(sha))).unwrap_or_default();
            format!("{task}: {title} (attempt {attempt}, {}{commit})", plural(changed.len(), "file"))
        }
        EventKind::BlockDecided { reason } => format!("giving the task up: {reason}"),
        EventKind::SalvageStarted { .. } => "moving the leftovers away".to_owned(),
        EventKind::Salvaged { reference, left_alone, reason, .. } => {
            salvage_words(reference.as_deref(), left_alone, reason)
        }
        EventKind::TaskBlocked { task, reason, .. } => format!("{task}: {reason}"),
        EventKind::TaskDropped { task, reason } => {
            format!("{task}: no longer worked on: {reason}; its work stays in the tree")
        }
        EventKind::TaskReopened { task, touched, .. } => {
            format!("{task}: earlier work put back ({})", plural(touched.len(), "file"))
        }
        EventKind::EpochEnded { epoch, completed, blocked, pending } => {
            format!("epoch {epoch} is over: {completed} completed, {blocked} blocked, {pending} pending; going on")
        }
        EventKind::ReplanStarted { epoch, .. } => format!("epoch {epoch} is over: planning what is left"),
        EventKind::Replanned { epoch, outcome, .. } => replan_words(*epoch, outcome),
        EventKind::Planned { source, placement, tasks, backup } => {
            let what = match placement {
                Placement::Replaced if tasks.len() == 1 => "is the queue",
                Placement::Replaced => "are the queue",
                Placement::Appended => "added to the queue",
            };
            let backup =
                backup.as_ref().map(|path| format!("; the queue before is kept as {path}")).unwrap_or_default();
            format!("{} from {source} {what}{backup}", plural(tasks.len(), "task"))
        }
        EventKind::WatchStarted { pid, dirs, is_polling } => {
            let how = if *is_polling { ", looking from time to time" } else { "" };
            format!("process {pid} watches {} for plans{how}", dirs.join(", "))
        }
        EventKind::PlansTaking { changes } => plan_words::taking(changes),
        EventKind::PlanTaken { plan, added, updated, withdrawn, notes, .. } => {
            plan_words::taken(plan, added, updated, withdrawn, notes)
        }
        EventKind::PlanWithdrawn { plan, standing, withdrawn, left, twin_of } => {
            plan_words::withdrawn(plan, *standing, withdrawn, left, twin_of.as_deref())
        }
        EventKind::PlanFailed { plan, reason, .. } => format!("{plan} could not become tasks: {reason}"),
        EventKind::StatusSet { task, status, by } => format!("{task}: {} by {by}", status_words(status)),
        EventKind::StopRequested { signal } => format!("{signal} received, stopping"),
        EventKind::EnvProblemFound { reason } => format!("a person must act: {reason}"),
        EventKind::Previewed { task, title, prompt_chars, .. } => {
            format!("{task}: {title} (dry run, prompt of {prompt_chars} characters)")
        }
        EventKind::Held { reason, until, interrupts } => {
            let until = until.map(|until| style.time(until));
            let too = if *interrupts { ", and the one under way is interrupted" } else { "" };
            format!("{}: no attempt begins until {}{too}", held(reason), until.as_deref().unwrap_or(RESUME))
        }
        EventKind::HoldEnded { by_itself: true } => "no longer paused by hand: its time had come".to_owned(),
        EventKind::HoldEnded { by_itself: false } => format!("no longer paused by hand: {RESUME}"),
        EventKind::ScheduleSeen { entry } => format!("scheduled from now on: {entry}"),
        EventKind::ScheduleFiring { entry, due } => format!("due since {}: {entry}", style.time(*due)),
        EventKind::ScheduleFired { entry, due, outcome } => {
            let due = style.time(*due);
            match outcome {
                Firing::Queued { tasks } => format!("{} of {entry} (due {due})", plural(tasks.len(), "task")),
                Firing::Failed { reason } => format!("not queued: {entry} (due {due}): {reason}"),
            }
        }
        EventKind::Note { text, .. } => text.clone(),
        EventKind::RunEnded { status, exit_code, message } => {
            format!("run ended {} with exit code {exit_code}: {message}", status.as_str().replace('_', " "))
        }
        EventKind::Unknown => "an event of a newer version of autodev".to_owned(),
    }
}

/// Returns the word of an event's kind, as the journal writes it.
pub fn kind(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::RunStarted(_) => "run_started",
        EventKind::RunLost { .. } => "run_lost",
        EventKind::QueueSeen { .. } => "queue_seen",
        EventKind::QueueEditUndone { .. } => "queue_edit_undone",
        EventKind::QueueBroken { .. } => "queue_broken",
        EventKind::QueueSaving { .. } => "queue_saving",
        EventKind::QueueSaved => "queue_saved",
        EventKind::TaskOpened { .. } => "task_opened",
        EventKind::AttemptStarted { .. } => "attempt_started",
        EventKind::AgentSpawned { .. } => "agent_spawned",
        EventKind::AgentSaid { .. } => "agent_said",
        EventKind::Heartbeat { .. } => "heartbeat",
        EventKind::AttemptEnded { .. } => "attempt_ended",
        EventKind::GateStarted { .. } => "gate_started",
        EventKind::GateEnded { .. } => "gate_ended",
        EventKind::GateCancelled { .. } => "gate_cancelled",
        EventKind::BaselineStarted { .. } => "baseline_started",
        EventKind::BaselineEnded { .. } => "baseline_ended",
        EventKind::CampaignReset { .. } => "campaign_reset",
        EventKind::Proposed { .. } => "proposed",
        EventKind::CompareStarted { .. } => "compare_started",
        EventKind::PairMeasured { .. } => "pair_measured",
        EventKind::CompareEnded { .. } => "compare_ended",
        EventKind::ExperimentJudged { .. } => "experiment_judged",
        EventKind::RevertStarted { .. } => "revert_started",
        EventKind::Reverted { .. } => "reverted",
        EventKind::ExperimentEnded { .. } => "experiment_ended",
        EventKind::AskStarted { .. } => "ask_started",
        EventKind::AskEnded { .. } => "ask_ended",
        EventKind::Reflected { .. } => "reflected",
        EventKind::EpochEnded { .. } => "epoch_ended",
        EventKind::ReplanStarted { .. } => "replan_started",
        EventKind::Replanned { .. } => "replanned",
        EventKind::Planned { .. } => "planned",
        EventKind::WatchStarted { .. } => "watch_started",
        EventKind::PlansTaking { .. } => "plans_taking",
        EventKind::PlanTaken { .. } => "plan_taken",
        EventKind::PlanWithdrawn { .. } => "plan_withdrawn",
        EventKind::PlanFailed { .. } => "plan_failed",
        EventKind::AttemptFailed { .. } => "attempt_failed",
        EventKind::Paused { .. } => "paused",
        EventKind::PauseEnded => "pause_ended",
        EventKind::CommitStarted { .. } => "commit_started",
        EventKind::Committed { .. } => "committed",
        EventKind::CommitSkipped { .. } => "commit_skipped",
        EventKind::CommitRefused { .. } => "commit_refused",
        EventKind::TaskCompleted { .. } => "task_completed",
        EventKind::BlockDecided { .. } => "block_decided",
        EventKind::SalvageStarted { .. } => "salvage_started",
        EventKind::Salvaged { .. } => "salvaged",
        EventKind::TaskBlocked { .. } => "task_blocked",
        EventKind::TaskDropped { .. } => "task_dropped",
        EventKind::TaskReopened { .. } => "task_reopened",
        EventKind::StatusSet { .. } => "status_set",
        EventKind::StopRequested { .. } => "stop_requested",
        EventKind::EnvProblemFound { .. } => "env_problem_found",
        EventKind::Previewed { .. } => "previewed",
        EventKind::Held { .. } => "held",
        EventKind::HoldEnded { .. } => "hold_ended",
        EventKind::ScheduleSeen { .. } => "schedule_seen",
        EventKind::ScheduleFiring { .. } => "schedule_firing",
        EventKind::ScheduleFired { .. } => "schedule_fired",
        EventKind::Note { .. } => "note",
        EventKind::RunEnded { .. } => "run_ended",
        EventKind::Unknown => "unknown",
    }
}

/// What a person paused for.
fn held(reason: &str) -> String {
    if reason.is_empty() { "paused by hand".to_owned() } else { format!("paused by hand ({reason})") }
}

fn inquiry_words(inquiry: &Inquiry) -> String {
    match inquiry {
        Inquiry::Spec => "a specification of the intent".to_owned(),
        Inquiry::Plan => "the tasks of a plan".to_owned(),
        Inquiry::Reflection { task, attempt } => format!("why attempt {attempt} of {task} failed"),
        Inquiry::Replan { epoch } => format!("what is left after epoch {epoch}"),
    }
}

fn answer_words(inquiry: &Inquiry, report: &AnswerReport) -> String {
    let took = span(report.duration_ms.div_ceil(1_000));
    let usage = super::text::usage(&report.usage).map(|used| format!(", {used}")).unwrap_or_default();
    let changed = if report.changed.is_empty() {
        String::new()
    } else {
        format!("; meanwhile changed in the tree: {}", plural(report.changed.len(), "file"))
    };
    let end =
        if report.is_ok { "answered".to_owned() } else { format!("no answer: {}", end_words(&report.end, false)) };
    format!("{}: {end} ({took}{usage}){changed}", inquiry.word())
}

fn reflection_words(reflection: &Reflection) -> String {
    match reflection {
        Reflection::Applied { refinement, applied, refused } => {
            let fields = if applied.is_empty() { "nothing".to_owned() } else { applied.join(", ") };
            let refused =
                if refused.is_empty() { String::new() } else { format!("; not taken: {}", refused.join("; ")) };
            let summary =
                if refinement.summary.is_empty() { String::new() } else { format!("{}; ", refinement.summary) };
            format!("{summary}refined: {fields}{refused}")
        }
        Reflection::Skipped { reason } => format!("nothing to apply: {reason}"),
    }
}

fn replan_words(epoch: u32, outcome: &Replan) -> String {
    match outcome {
        Replan::New { archive, tasks, replaces, left_out } => {
            let replaces = if replaces.is_empty() {
                String::new()
            } else {
                let ids: Vec<&str> = replaces.iter().map(crate::model::TaskId::as_str).collect();
                format!(", in place of {}", ids.join(", "))
            };
            let left_out = if left_out.is_empty() {
                String::new()
            } else {
                format!(", {} left out because finished", left_out.len())
            };
            let next = epoch.saturating_add(1);
            format!(
                "epoch {next} begins with {}{replaces}{left_out}; the queue of epoch {epoch} is kept as {archive}",
                plural(tasks.len(), "task")
            )
        }
        Replan::Nothing => format!("nothing is left to do after epoch {epoch}"),
        Replan::NoSource => {
            "the queue cannot be planned anew: it does not say what it was planned from (`autodev plan` notes that)"
                .to_owned()
        }
        Replan::Limited { refusal } => format!("not planned anew yet: {}", refusal.reason),
        Replan::Stopped => "not planned anew: the run is being stopped".to_owned(),
        Replan::Failed { reason } => format!("planning anew failed, the queue is as it was: {reason}"),
    }
}

fn field_name(field: StatusField) -> &'static str {
    match field {
        StatusField::Passes => "passes",
        StatusField::Blocked => "blocked",
        StatusField::BlockReason => "block_reason",
        StatusField::BlockedAt => "blocked_at",
        StatusField::Contract => "the checks",
        StatusField::Task => "the task itself (it was removed)",
    }
}

fn said_words(said: &Said, style: &Style) -> String {
    match said {
        Said::Session { id, model } if model.is_empty() => format!("session {id}"),
        Said::Session { id, model } => format!("session {id} with {model}"),
        Said::Text { text, .. } => format!("agent: {}", head(text)),
        Said::Thinking { text } => format!("agent thinks: {}", head(text)),
        Said::ToolStarted { name, summary, .. } => format!("tool {name}: {}", head(summary)),
        Said::ToolEnded { is_ok, summary, .. } => {
            format!("tool {}: {}", if *is_ok { "ended" } else { "failed" }, head(summary))
        }
        Said::Usage { usage, .. } => super::text::usage(usage).unwrap_or_else(|| "no tokens".to_owned()),
        Said::Retry { attempt, delay_ms, error } => {
            let delay = if *delay_ms > 0 { format!(" in {}", span(delay_ms.div_ceil(1_000))) } else { String::new() };
            format!("agent tries again (try {attempt}){delay}: {}", error_words(error, style))
        }
        Said::Error(error) => format!("agent reports an error: {}", error_words(error, style)),
        Said::Final(last) if last.is_ok => format!("agent says it is done: {}", head(&last.message)),
        Said::Final(last) => format!("agent says it failed: {}", head(&last.message)),
        Said::Notice { text } => format!("notice of the agent: {}", head(text)),
    }
}

fn error_words(error: &AgentError, style: &Style) -> String {
    let until = error.until.map(|until| format!(" (until {})", style.time(until))).unwrap_or_default();
    format!("{}{until}", head(&error.message))
}

/// Returns how an attempt ended and what it did, in words.
fn report_words(report: &AttemptReport) -> String {
    let end = end_words(&report.end, report.is_ok);
    let strays = if report.strays > 0 {
        format!(", {} left behind and ended", plural(report.strays as usize, "stray"))
    } else {
        String::new()
    };
    let usage = super::text::usage(&report.usage).map(|usage| format!(", {usage}")).unwrap_or_default();
    format!(
        "agent {end} ({}, {} changed{strays}{usage})",
        span(report.duration_ms / 1_000),
        plural(report.changed.len(), "file")
    )
}

fn end_words(end: &ProcessEnd, is_ok: bool) -> String {
    match end {
        ProcessEnd::Exited { code: 0 } if is_ok => "finished".to_owned(),
        ProcessEnd::Exited { code: 0 } => "exited with 0 without saying that it finished".to_owned(),
        ProcessEnd::Exited { code } => format!("exited with {code}"),
        ProcessEnd::Signalled { signal } => format!("was ended by signal {signal}"),
        ProcessEnd::TimedOut => "ran into the time limit and was ended".to_owned(),
        ProcessEnd::Idle => "did nothing for too long and was ended".to_owned(),
        ProcessEnd::Interrupted => "was stopped".to_owned(),
        ProcessEnd::Limited(limit) => format!("was refused by the service: {}", head(&limit.reason)),
        ProcessEnd::EnvError(problem) => format!("cannot work here: {}", head(&problem.reason)),
        ProcessEnd::NotStarted { reason } => format!("could not be started: {}", head(reason)),
        ProcessEnd::Lost => "was lost with its runner".to_owned(),
    }
}

fn gate_words(report: &GateReport) -> String {
    let why = report.summary();
    if report.verdict.is_pass() || why.is_empty() {
        gate_counts(report)
    } else {
        format!("{} ({why})", gate_counts(report))
    }
}

/// Returns how the checks went, in numbers.
pub(super) fn gate_counts(report: &GateReport) -> String {
    let count = |verdict| report.checks.iter().filter(|check| check.verdict == verdict).count();
    let parts = [
        (Verdict::Pass, "passed"),
        (Verdict::Fail, "failed"),
        (Verdict::Flaky, "flaky"),
        (Verdict::Infra, "could not be made"),
        (Verdict::Inherited, "failed before already"),
        (Verdict::NotRun, "not run"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter_map(|(verdict, word)| Some(count(verdict)).filter(|n| *n > 0).map(|n| format!("{n} {word}")))
        .collect();
    let counts = if parts.is_empty() { "no checks".to_owned() } else { parts.join(", ") };
    format!("verification {}: {counts}", if report.verdict.is_pass() { "passed" } else { "not passed" })
}

fn salvage_words(reference: Option<&str>, left_alone: &[RelPath], reason: &str) -> String {
    let left = if left_alone.is_empty() {
        String::new()
    } else {
        let names: Vec<String> = left_alone.iter().take(5).map(RelPath::to_string).collect();
        let more = if left_alone.len() > 5 { ", ..." } else { "" };
        format!("; left in the tree: {}{more}", names.join(", "))
    };
    match reference {
        Some(reference) => format!("leftovers are safe at {reference}{left}"),
        None if reason.is_empty() => format!("no leftovers to move{left}"),
        None => format!("leftovers stay in the tree: {reason}{left}"),
    }
}

fn status_words(status: &Status) -> String {
    match (status.passes, status.blocked) {
        (true, _) => "set to completed".to_owned(),
        (false, true) => format!("set to blocked ({})", status.block_reason),
        (false, false) => "set to pending".to_owned(),
    }
}

/// Returns the first 12 digits of a commit's name.
pub(super) fn short(sha: &str) -> &str {
    sha.get(..12).unwrap_or(sha)
}

/// Returns the first 200 characters of a text on one line.
fn head(text: &str) -> String {
    // Only as much is looked at as could be shown: agents print megabytes.
    let text: String = text.chars().take(1_000).collect();
    super::text::fit(&one_line(&text), 200)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::TaskId;
    use crate::view::sample;

    #[test]
    fn every_event_is_one_line() {
        for event in sample::events() {
            let line = of(&event, Turn::Attempt, &Style::plain());
            assert!(!line.is_empty() && !line.contains(char::is_control), "{event:?}: {line:?}");
        }
    }

    #[test]
    fn kinds_are_the_words_of_the_journal() {
        for event in sample::events() {
            let value = serde_json::to_value(&event.kind).unwrap();
            assert_eq!(value["kind"], kind(&event.kind));
        }
    }

    #[test]
    fn one_task_is_the_queue_and_two_are() {
        let planned = |tasks: &[&str]| {
            let mut event = sample::events().remove(0);
            event.kind = EventKind::Planned {
                source: "notes.md".into(),
                placement: Placement::Replaced,
                tasks: tasks.iter().map(TaskId::new).collect(),
                backup: None,
            };
            of(&event, Turn::Attempt, &Style::plain())
        };
        assert_eq!(planned(&["P0-1"]), "1 task from notes.md is the queue");
        assert_eq!(planned(&["P0-1", "P0-2"]), "2 tasks from notes.md are the queue");
    }

    #[test]
    fn the_words_of_a_night() {
        let lines: Vec<String> =
            sample::events().iter().map(|event| of(event, Turn::Attempt, &Style::plain())).collect();
        assert_eq!(lines.join("\n") + "\n", include_str!("snapshots/phrases.txt"));
    }

    #[test]
    fn the_turns_of_an_iterative_task_are_iterations() {
        let words = |kind| of(&sample::event(kind), Turn::Iteration, &Style::plain());
        let gate = EventKind::GateStarted { effect: crate::model::EffectId::default(), attempt: 3 };
        assert_eq!(words(gate), "checking iteration 3");
        let completed = sample::events().into_iter().find(|event| kind(&event.kind) == "task_completed").unwrap();
        assert_eq!(words(completed.kind), "P0-1: Add greeting: done");
    }

    #[test]
    fn a_huge_text_is_cut() {
        let said = Said::Text { text: "x".repeat(5_000_000), partial: false };
        assert!(said_words(&said, &Style::plain()).chars().count() < 250);
    }
}
