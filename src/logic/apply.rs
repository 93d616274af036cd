//! Folds what happened into the state. Total: it never fails, and an event that does not fit is ignored.

use chrono::SecondsFormat;

use super::{campaign, feed, series, watch};
use crate::model::{
    Active, AttemptReport, Event, EventKind, Failure, Fires, HistoryEntry, Hold, Inquiry, JournalNote, LeftBlocked,
    Parked, Pause, Phase, Placement, ProcessEnd, Reflection, RelPath, Replan, RunState, RunStatus, State, Status,
    TaskId, TaskState, Verdict,
};

/// How many failures the next prompt can show.
const FAILURES_KEPT: usize = 5;
/// How many experiments of a task pages and prompts can show.
const EXPERIMENTS_KEPT: usize = 200;
/// `changed_files` of a history entry (section 4.2 of the reference's description).
const HISTORY_FILES: usize = 20;

/// Folds one event into the state.
pub fn apply(state: &mut State, event: &Event) {
    let before = state.active.clone();
    watch::fold::fold(state, event);
    state.seq = event.seq;
    state.run.updated_at = Some(event.at);
    series::fold(&mut state.experiments, event, EXPERIMENTS_KEPT);
    fold(state, event);
    feed::note(state, event, before.as_deref().or(state.active.clone().as_deref()));
}

/// Folds many events into an empty state.
pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> State {
    let mut state = State::default();
    for event in events {
        apply(&mut state, event);
    }
    state
}

fn fold(state: &mut State, event: &Event) {
    match &event.kind {
        EventKind::RunStarted(start) => {
            // A run that goes on after a crash is in the same epoch, and what earlier ones left blocked still counts.
            let is_continued = state.run.exit_code.is_none() && !state.run.id.is_empty();
            if !is_continued {
                state.left_blocked.clear();
                let active = state.active.as_ref().map(|active| active.task.clone());
                state.experiments.of.retain(|task, _| Some(task) == active.as_ref());
            }
            let epoch = if is_continued { state.run.epoch.max(1) } else { 1 };
            state.run = RunState {
                id: event.run.clone(),
                status: RunStatus::Starting,
                message: "Starting".to_owned(),
                backend: start.backend.clone(),
                settings: Some(start.settings.clone()),
                started_at: Some(event.at),
                updated_at: Some(event.at),
                epoch,
                ..RunState::default()
            };
            if let Some(active) = &mut state.active {
                // What a person has changed in the contract between two runs counts.
                active.spec = None;
            }
            if state.project.is_empty() {
                state.project.clone_from(&start.project);
            }
        }
        EventKind::RunLost { .. } => {
            "The run was killed; the next run goes on from there".clone_into(&mut state.run.message);
            state.run.status = RunStatus::Interrupted;
            state.run.finished_at = Some(event.at);
        }
        EventKind::RunEnded { status, exit_code, message } => {
            end_run(state, *status, *exit_code, message, event);
        }
        EventKind::QueueSeen { project, order, changed } => see_queue(state, project, order.as_deref(), changed),
        EventKind::QueueSaving { digest } => state.saving = Some(digest.clone()),
        EventKind::QueueSaved => {
            state.saving = None;
            state.unsaved.clear();
        }
        EventKind::TaskOpened { task, title, base, base_commit, touched } => {
            state.parked.remove(task);
            state.run.rounds = state.run.rounds.saturating_add(1);
            state.active = Some(Box::new(Active {
                task: task.clone(),
                title: title.clone(),
                spec: None,
                base: base.clone(),
                base_commit: base_commit.clone(),
                touched: touched.iter().cloned().collect(),
                charged: 0,
                no_progress: 0,
                repeated: None,
                limited: None,
                infra: 0,
                reflection: None,
                failures: Vec::new(),
                usage: crate::model::Usage::default(),
                campaign: None,
                phase: Phase::Ready,
            }));
        }
        EventKind::TaskReopened { task, base, base_commit, touched } => {
            let parked = Parked {
                base: base.clone(),
                base_commit: base_commit.clone(),
                touched: touched.iter().cloned().collect(),
                salvage: None,
            };
            state.parked.insert(task.clone(), parked);
        }
        EventKind::StatusSet { task, status, .. } => set_status(state, task, status),
        EventKind::StopRequested { signal } => state.run.stop = Some(signal.clone()),
        EventKind::EnvProblemFound { reason } => {
            state.run.env_problem = Some(reason.clone());
            if let Some(active) = &mut state.active
                && let Phase::Attempted { .. } = active.phase
            {
                active.phase = Phase::Ready;
            }
        }
        EventKind::Previewed { task, .. } => {
            state.run.status = RunStatus::Running;
            state.run.rounds = state.run.rounds.saturating_add(1);
            state.run.previewed.insert(task.clone());
        }
        EventKind::PauseEnded => state.run.pause = None,
        EventKind::TaskCompleted { .. } | EventKind::TaskBlocked { .. } | EventKind::TaskDropped { .. } => {
            close_task(state, event);
        }
        EventKind::AskStarted { effect: _, inquiry, .. } => {
            state.run.effects = state.run.effects.saturating_add(1);
            if state.run.status.is_active() {
                state.run.status = RunStatus::Waiting;
                state.run.message = format!("Asking {}: {}", state.run.backend, inquiry.word());
            }
        }
        EventKind::AskEnded { inquiry, report, .. } => {
            if let (Inquiry::Reflection { task, .. }, Some(active)) = (inquiry, &mut state.active)
                && *task == active.task
            {
                // It was not asked to change anything; what it did is the task's, and will be checked and committed.
                active.touched.extend(report.changed.iter().cloned());
            }
            state.run.usage = state.run.usage.plus(report.usage);
        }
        EventKind::EpochEnded { .. } | EventKind::ReplanStarted { .. } | EventKind::Replanned { .. } => {
            fold_epoch(state, event);
        }
        EventKind::Planned { placement, .. } => {
            if *placement == Placement::Replaced {
                state.left_blocked.clear();
            }
        }
        EventKind::Held { .. } | EventKind::HoldEnded { .. } => fold_hold(state, event),
        EventKind::ScheduleSeen { .. } | EventKind::ScheduleFiring { .. } | EventKind::ScheduleFired { .. } => {
            fold_fires(state, event);
        }
        EventKind::WatchStarted { .. }
        | EventKind::PlansTaking { .. }
        | EventKind::PlanTaken { .. }
        | EventKind::PlanWithdrawn { .. }
        | EventKind::PlanFailed { .. }
        | EventKind::QueueEditUndone { .. }
        | EventKind::QueueBroken { .. }
        | EventKind::Note { .. }
        | EventKind::Unknown => {}
        EventKind::Paused { until, pause } if state.active.is_none() => pause_between(&mut state.run, *until, pause),
        _ => fold_cycle(state, event),
    }
}

/// A pause by hand, which belongs to the project and outlives runs.
fn fold_hold(state: &mut State, event: &Event) {
    match &event.kind {
        EventKind::Held { reason, until, interrupts } => {
            state.hold = Some(Hold { reason: reason.clone(), since: event.at, until: *until });
            let is_at_work =
                state.active.as_ref().is_some_and(|active| matches!(active.phase, Phase::Attempting { .. }));
            state.run.is_held_off |= *interrupts && is_at_work;
        }
        EventKind::HoldEnded { .. } => state.hold = None,
        _ => {}
    }
}

/// The turns of plans that come again and again.
fn fold_fires(state: &mut State, event: &Event) {
    match &event.kind {
        EventKind::ScheduleSeen { entry } => {
            state.fires.insert(entry.clone(), Fires { since: event.at, under_way: None });
        }
        EventKind::ScheduleFiring { entry, due } => {
            let fires = state.fires.entry(entry.clone()).or_insert(Fires { since: *due, under_way: None });
            fires.under_way = Some(*due);
        }
        EventKind::ScheduleFired { entry, due, .. } => {
            state.fires.insert(entry.clone(), Fires { since: *due, under_way: None });
        }
        _ => {}
    }
}

/// The end of an epoch and the beginning of the next one.
fn fold_epoch(state: &mut State, event: &Event) {
    match &event.kind {
        EventKind::EpochEnded { epoch, .. } => next_epoch(&mut state.run, *epoch),
        EventKind::ReplanStarted { effect, epoch } => {
            state.run.effects = state.run.effects.saturating_add(1);
            state.run.status = RunStatus::Waiting;
            state.run.message = format!("Epoch {epoch} is done: planning what is left");
            state.replanning = Some((effect.clone(), *epoch));
        }
        EventKind::Replanned { epoch, outcome, .. } => {
            state.replanning = None;
            end_replanning(state, *epoch, outcome);
        }
        _ => {}
    }
}

fn end_replanning(state: &mut State, epoch: u32, outcome: &Replan) {
    match outcome {
        Replan::New { replaces, .. } => {
            let left = state.tasks.iter().filter(|task| task.status.blocked && !task.status.passes);
            let left = left.filter(|task| !replaces.contains(&task.id)).map(|task| LeftBlocked {
                id: task.id.clone(),
                title: task.title.clone(),
                reason: task.status.block_reason.clone(),
                epoch,
            });
            state.left_blocked.retain(|task| !replaces.contains(&task.id));
            state.left_blocked.extend(left);
            // An id may come again for another task, which has no work behind it yet. Salvages stay in git.
            state.parked.clear();
            state.run.limited = None;
            next_epoch(&mut state.run, epoch);
        }
        Replan::Nothing => state.run.exhausted = Some("nothing new to plan".to_owned()),
        Replan::NoSource => {
            state.run.exhausted = Some("the queue does not say what it was planned from".to_owned());
        }
        Replan::Limited { refusal } => state.run.refusal = Some(refusal.clone()),
        Replan::Stopped => {
            if state.run.stop.is_none() {
                state.run.stop = Some("an interrupt of the agent".to_owned());
            }
        }
        Replan::Failed { reason } => {
            state.run.env_problem = Some(format!("epoch {epoch} is done, but planning the next one failed: {reason}"));
        }
    }
}

fn next_epoch(run: &mut RunState, epoch: u32) {
    run.epoch = epoch.saturating_add(1);
    run.rounds = 0;
    run.status = RunStatus::Starting;
    run.message = format!("Epoch {}", run.epoch);
}

/// A pause without a task at work: before the next task, or for a service that refuses to plan anew.
fn pause_between(run: &mut RunState, until: chrono::DateTime<chrono::Utc>, pause: &Pause) {
    run.pause = Some((until, pause.clone()));
    match pause {
        Pause::Retry | Pause::NextTask | Pause::Recheck => run.status = RunStatus::RetryWait,
        Pause::Limit { reason, .. } => {
            wait_for_limit(run, until, reason);
            run.refusal = None;
            let (count, since) = run.limited.unwrap_or((0, run.updated_at.unwrap_or(until)));
            run.limited = Some((count.saturating_add(1), since));
        }
        Pause::Window | Pause::Held { .. } => wait_for_person_or_time(run, until, pause),
    }
}

fn wait_for_person_or_time(run: &mut RunState, until: chrono::DateTime<chrono::Utc>, pause: &Pause) {
    run.status = RunStatus::Waiting;
    let until = pause.end(until).map(|until| until.to_rfc3339_opts(SecondsFormat::Secs, true));
    run.message = match (pause, until) {
        (Pause::Held { reason, .. }, until) => {
            let until = until.map_or_else(|| "until `autodev resume`".to_owned(), |until| format!("until {until}"));
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            format!("Paused by hand {until}{reason}")
        }
        (_, until) => format!("Waiting until {}: outside of the schedule's windows", until.unwrap_or_default()),
    };
}

fn wait_for_limit(run: &mut RunState, until: chrono::DateTime<chrono::Utc>, reason: &str) {
    run.status = RunStatus::Waiting;
    let until_text = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    run.message = format!("Waiting until {until_text}: {reason}");
}

/// The events of one attempt cycle, which all need an active task.
fn fold_cycle(state: &mut State, event: &Event) {
    let State { run, active: Some(active), unsaved, .. } = state else { return };
    match &event.kind {
        EventKind::AttemptStarted { effect, task, attempt, before, log, .. } => {
            run.effects = run.effects.saturating_add(1);
            run.status = RunStatus::Running;
            run.message = format!("Executing {}: {}", task.id, task.label());
            run.attempt_log.clone_from(log);
            run.heartbeat_elapsed_seconds = 0;
            run.standing = None;
            run.last_outcome.clear();
            active.spec = Some(task.clone());
            task.label().clone_into(&mut active.title);
            active.phase =
                Phase::Attempting { effect: effect.clone(), attempt: *attempt, before: before.clone(), process: None };
            campaign::start_attempt(active, event);
        }
        EventKind::AgentSpawned { pid, start_ticks, .. } => {
            if let Phase::Attempting { process, .. } = &mut active.phase {
                *process = Some((*pid, *start_ticks));
            }
        }
        EventKind::Heartbeat { elapsed_seconds, is_active, standing } => {
            run.heartbeat_elapsed_seconds = *elapsed_seconds;
            run.standing.clone_from(standing);
            let word = match standing {
                Some(standing) => standing.state.words(),
                None if *is_active => "working",
                None => "silent",
            };
            run.message = format!("{} is {word} ({elapsed_seconds}s)", run.backend);
        }
        EventKind::AttemptEnded { report, .. } => {
            let Phase::Attempting { attempt, .. } = active.phase else { return };
            run.standing = None;
            end_attempt(active, attempt, report);
            // Who interrupts the agent wants the run to stop; without this the attempt would begin again for ever.
            let is_stop = !std::mem::take(&mut run.is_held_off);
            if is_stop && report.end == ProcessEnd::Interrupted && !report.is_ok && run.stop.is_none() {
                run.stop = Some("an interrupt of the agent".to_owned());
            }
            run.usage = run.usage.plus(report.usage);
        }
        EventKind::GateStarted { effect, attempt } => {
            run.effects = run.effects.saturating_add(1);
            run.status = RunStatus::Validating;
            run.message = format!("Checking {}: {}", active.task, active.title);
            if let Phase::Attempted { report, .. } = &active.phase {
                let report = report.clone();
                active.phase = Phase::Verifying { effect: effect.clone(), attempt: *attempt, report };
            }
        }
        EventKind::GateEnded { report: gate, changed, .. } => {
            gate.outcome.as_str().clone_into(&mut run.last_outcome);
            count_infra(active, gate.verdict);
            if let Phase::Verifying { attempt, report, .. } = &active.phase {
                active.phase = Phase::Verified {
                    attempt: *attempt,
                    attempted: report.clone(),
                    gate: gate.clone(),
                    changed: changed.clone(),
                };
            }
        }
        EventKind::GateCancelled { .. } => {
            run.gate_cut = run.stop.is_some();
            campaign::cancel(active);
        }
        EventKind::Reflected { reflection, .. } => active.reflection = Some(reflection.clone()),
        EventKind::AttemptFailed { task, attempt, code, summary, errors, changed, notes, .. } => {
            let gate = match &active.phase {
                Phase::Verified { gate, .. } => Some(gate.clone()),
                _ => None,
            };
            active.charged = active.charged.saturating_add(1);
            active.failures.push(Failure { attempt: *attempt, summary: summary.clone(), gate });
            let surplus = active.failures.len().saturating_sub(FAILURES_KEPT);
            active.failures.drain(..surplus);
            active.phase = Phase::Ready;
            run.status = RunStatus::RetryWait;
            run.message = format!("Attempt {attempt} of {task} failed: {summary}");
            let pending = unsaved.entry(task.clone()).or_default();
            pending.history.push(history(*attempt, "failed", *code, summary, changed, errors));
            pending.journal.push(note(task, "failed", summary, notes));
            if let Some(Reflection::Applied { refinement, .. }) = active.reflection.take() {
                pending.refinement = Some(refinement);
            }
        }
        EventKind::Paused { until, pause } => {
            pause_run(run, active, *until, pause);
        }
        EventKind::CommitStarted { effect, .. } => {
            run.effects = run.effects.saturating_add(1);
            if let Phase::Verified { attempt, attempted, gate, changed } = &active.phase {
                active.phase = Phase::Committing {
                    effect: effect.clone(),
                    attempt: *attempt,
                    attempted: attempted.clone(),
                    gate: gate.clone(),
                    changed: changed.clone(),
                };
            }
        }
        EventKind::Committed { sha, .. } => integrate(active, Some(sha.clone())),
        EventKind::CommitSkipped { .. } => integrate(active, None),
        EventKind::CommitRefused { check, .. } => {
            if let Phase::Committing { attempt, attempted, gate, changed, .. } = &active.phase {
                let mut gate = gate.clone();
                gate.verdict = check.verdict;
                gate.errors.push(format!("{}: {}", check.name, check.details));
                gate.checks.push(check.clone());
                active.phase =
                    Phase::Verified { attempt: *attempt, attempted: attempted.clone(), gate, changed: changed.clone() };
            }
            campaign::reconsider(active);
        }
        EventKind::BlockDecided { reason } => {
            active.phase = Phase::Blocking { reason: reason.clone(), effect: None };
        }
        EventKind::SalvageStarted { effect } => {
            run.effects = run.effects.saturating_add(1);
            if let Phase::Blocking { effect: slot, .. } = &mut active.phase {
                *slot = Some(effect.clone());
            }
        }
        EventKind::Salvaged { reference, .. } => {
            if let Phase::Blocking { reason, .. } = &active.phase {
                active.phase = Phase::Cleared { reason: reason.clone(), salvage: reference.clone() };
            }
        }
        _ => campaign::fold(run, active, event),
    }
}

fn end_run(state: &mut State, status: RunStatus, exit_code: i32, message: &str, event: &Event) {
    let run = &mut state.run;
    run.status = status;
    message.clone_into(&mut run.message);
    run.finished_at = Some(event.at);
    run.exit_code = Some(exit_code);
    run.pause = None;
    // An orderly end is the end of a person's patience too: the next run has all its attempts again. The base and the
    // work stay.
    if let Some(active) = &mut state.active {
        active.charged = 0;
        active.no_progress = 0;
        active.repeated = None;
        active.limited = None;
        active.infra = 0;
        if let Phase::Attempted { report, .. } = &active.phase
            && !report.is_ok
        {
            active.phase = Phase::Ready;
        }
    }
}

fn see_queue(state: &mut State, project: &str, order: Option<&[TaskId]>, changed: &[TaskState]) {
    if !project.is_empty() {
        project.clone_into(&mut state.project);
    }
    if let Some(order) = order {
        let known: std::collections::BTreeMap<TaskId, TaskState> =
            state.tasks.drain(..).chain(changed.iter().cloned()).map(|task| (task.id.clone(), task)).collect();
        state.tasks = order.iter().filter_map(|id| known.get(id).cloned()).collect();
        state.index = state.tasks.iter().enumerate().map(|(at, task)| (task.id.clone(), at)).collect();
        return;
    }
    for task in changed {
        if let Some(slot) = state.index.get(&task.id).and_then(|at| state.tasks.get_mut(*at)) {
            *slot = task.clone();
        }
    }
}

fn set_status(state: &mut State, task: &TaskId, status: &Status) {
    if let Some(slot) = state.index.get(task).and_then(|at| state.tasks.get_mut(*at)) {
        slot.status = status.clone();
    }
}

fn end_attempt(active: &mut Active, attempt: u32, report: &AttemptReport) {
    active.touched.extend(report.changed.iter().cloned());
    active.usage = active.usage.plus(report.usage);
    active.phase = Phase::Attempted { attempt, report: report.clone() };
    match &report.end {
        ProcessEnd::Lost => active.phase = Phase::Ready,
        ProcessEnd::Interrupted if !report.is_ok => active.phase = Phase::Ready,
        ProcessEnd::Limited(_) | ProcessEnd::EnvError(_) => {}
        ProcessEnd::Exited { .. }
        | ProcessEnd::Signalled { .. }
        | ProcessEnd::TimedOut
        | ProcessEnd::Idle
        | ProcessEnd::NotStarted { .. }
        | ProcessEnd::Interrupted => {
            active.limited = None;
            active.no_progress = if report.changed.is_empty() { active.no_progress.saturating_add(1) } else { 0 };
            let code = report.end.code();
            active.repeated = match active.repeated {
                _ if report.is_ok => None,
                Some((same, times)) if same == code => Some((code, times.saturating_add(1))),
                _ => Some((code, 1)),
            };
        }
    }
}

/// Counts checks in a row that could not be made.
pub(super) fn count_infra(active: &mut Active, verdict: Verdict) {
    active.infra = if verdict == Verdict::Infra { active.infra.saturating_add(1) } else { 0 };
}

pub(super) fn back_to_attempted(active: &mut Active) {
    let (attempt, report) = match &active.phase {
        Phase::Verifying { attempt, report, .. } => (*attempt, report.clone()),
        Phase::Verified { attempt, attempted, .. }
        | Phase::Comparing { attempt, attempted, .. }
        | Phase::Committing { attempt, attempted, .. } => (*attempt, attempted.clone()),
        Phase::Ready
        | Phase::Attempting { .. }
        | Phase::Attempted { .. }
        | Phase::Integrated { .. }
        | Phase::Baselining { .. }
        | Phase::Baselined { .. }
        | Phase::Reverting { .. }
        | Phase::Reverted { .. }
        | Phase::Revalidating { .. }
        | Phase::Blocking { .. }
        | Phase::Cleared { .. } => return,
    };
    active.phase = Phase::Attempted { attempt, report };
}

fn pause_run(run: &mut RunState, active: &mut Active, until: chrono::DateTime<chrono::Utc>, pause: &Pause) {
    run.pause = Some((until, pause.clone()));
    match pause {
        Pause::Retry | Pause::NextTask => run.status = RunStatus::RetryWait,
        Pause::Recheck => {
            run.status = RunStatus::RetryWait;
            campaign::cancel(active);
        }
        Pause::Limit { reason, .. } => {
            wait_for_limit(run, until, reason);
            let (count, since) = active.limited.unwrap_or((0, run.updated_at.unwrap_or(until)));
            active.limited = Some((count.saturating_add(1), since));
            active.phase = Phase::Ready;
        }
        Pause::Window | Pause::Held { .. } => wait_for_person_or_time(run, until, pause),
    }
}

fn integrate(active: &mut Active, commit: Option<String>) {
    if let Phase::Committing { attempt, gate, changed, .. } = &active.phase {
        active.phase = Phase::Integrated { attempt: *attempt, gate: gate.clone(), changed: changed.clone(), commit };
    }
}

fn close_task(state: &mut State, event: &Event) {
    let Some(active) = state.active.take() else { return };
    match &event.kind {
        EventKind::TaskCompleted { task, attempt, summary, notes, changed, .. } => {
            let status = Status { passes: true, ..Status::default() };
            set_status(state, task, &status);
            state.run.completed = state.run.completed.saturating_add(1);
            state.run.message = format!("Completed {task}: {}", active.title);
            let pending = state.unsaved.entry(task.clone()).or_default();
            pending.status = Some(status);
            pending.history.push(history(*attempt, "completed", 0, summary, changed, &[]));
            pending.learning_notes.extend(notes.iter().cloned());
            pending.journal.push(note(task, "completed", summary, notes));
        }
        EventKind::TaskBlocked { task, reason, .. } => {
            let status = Status {
                passes: false,
                blocked: true,
                block_reason: reason.clone(),
                // ISO 8601, UTC, microseconds, offset: section 4.2 of the reference's description.
                blocked_at: event.at.to_rfc3339_opts(SecondsFormat::Micros, false),
            };
            set_status(state, task, &status);
            state.run.blocked = state.run.blocked.saturating_add(1);
            state.run.message = format!("Blocked {task}: {reason}");
            state.unsaved.entry(task.clone()).or_default().status = Some(status);
            park(state, *active);
        }
        EventKind::TaskDropped { .. } => park(state, *active),
        _ => state.active = Some(active),
    }
}

/// Remembers the base and the work of a task that is left, so that work already done counts if it is taken up again.
fn park(state: &mut State, active: Active) {
    let salvage = match active.phase {
        Phase::Cleared { salvage, .. } => salvage,
        _ => None,
    };
    if active.touched.is_empty() {
        return;
    }
    let Active { task, base, base_commit, touched, .. } = active;
    state.parked.insert(task, Parked { base, base_commit, touched, salvage });
}

fn history(
    attempt: u32,
    status: &str,
    code: i32,
    summary: &str,
    changed: &[RelPath],
    errors: &[String],
) -> HistoryEntry {
    HistoryEntry {
        attempt,
        status: status.to_owned(),
        backend_exit_code: code,
        summary: summary.to_owned(),
        changed_files: changed.iter().take(HISTORY_FILES).map(ToString::to_string).collect(),
        verification_errors: errors.to_vec(),
    }
}

fn note(task: &TaskId, status: &str, summary: &str, notes: &[String]) -> JournalNote {
    JournalNote {
        task_id: task.to_string(),
        status: status.to_owned(),
        summary: summary.to_owned(),
        learning_notes: notes.to_vec(),
    }
}
