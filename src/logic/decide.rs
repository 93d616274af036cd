//! What comes next: the one place where a run's course is decided.

use chrono::{DateTime, TimeDelta, Utc};

use super::breaker::give_up;
use super::depend;
use super::iterate;
use super::limit::{self, Wait};
use super::reflect::{self, Occasion};
use super::schedule::{self, Standing};
use crate::model::{
    Active, AttemptReport, BlockAction, Effect, EventKind, GateReport, Limit, Pause, Phase, ProcessEnd, Reflection,
    RelPath, RunStatus, Settings, State, TaskId, Verdict,
};

/// A check that cannot be made is tried this often without an agent before the attempt counts as failed.
pub(super) const RECHECKS: u32 = 2;
/// `verification_errors` of a history entry (section 4.2 of the reference's description).
const HISTORY_ERRORS: usize = 10;
/// The code of an attempt whose agent ended well but whose checks failed.
const VERIFICATION_FAILED: i32 = 99;

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// These decisions go into the journal, in this order, as one; then ask again.
    Record(Vec<EventKind>),
    /// Something must be done; ask again when it has ended.
    Perform(Effect),
}

/// Decides what comes next. The same state and time always give the same answer.
pub fn decide(state: &State, now: DateTime<Utc>) -> Next {
    let Some(settings) = &state.run.settings else { return Next::Perform(Effect::Stop) };
    if !state.unsaved.is_empty() {
        return Next::Perform(Effect::SaveQueue);
    }
    if state.run.exit_code.is_some() {
        return Next::Perform(Effect::Stop);
    }
    match &state.active {
        Some(active) if !settings.dry_run => go_on(state, settings, active, now),
        _ => next_task(state, settings, now),
    }
}

fn next_task(state: &State, settings: &Settings, now: DateTime<Utc>) -> Next {
    if is_halted(state) {
        return finish(state);
    }
    if let Some(next) = waiting(state, settings, now) {
        return next;
    }
    if settings.dry_run {
        if state.run.rounds >= settings.limits.max_tasks {
            return finish(state);
        }
        let unseen = |t: &&crate::model::TaskState| {
            !t.status.passes && !t.status.blocked && !state.run.previewed.contains(&t.id)
        };
        return match state.tasks.iter().find(unseen) {
            Some(task) => Next::Perform(Effect::Preview { task: task.id.clone() }),
            None => finish(state),
        };
    }
    match depend::next(state) {
        Some(task) if state.run.rounds < settings.limits.max_tasks => {
            let open = Next::Perform(Effect::OpenTask { task: task.id.clone() });
            barred(state, settings, now).unwrap_or(open)
        }
        None if state.next_pending().is_some() => stuck(state),
        _ if state.run.epoch >= settings.limits.max_epochs || state.run.exhausted.is_some() => finish(state),
        Some(_) => Next::Record(vec![end_of_epoch(state)]),
        None => replan(state, settings, now),
    }
}

/// Tasks are left, and none of them may begin.
fn stuck(state: &State) -> Next {
    let Some(circle) = depend::circle(state) else { return finish(state) };
    let ids: Vec<&str> = circle.iter().chain(circle.first()).map(TaskId::as_str).collect();
    let reason =
        format!("tasks depend on each other in a circle: {}; remove one of these from `depends_on`", ids.join(" -> "));
    Next::Record(vec![EventKind::EnvProblemFound { reason }])
}

fn end_of_epoch(state: &State) -> EventKind {
    let count = |is: fn(&crate::model::Status) -> bool| {
        u32::try_from(state.tasks.iter().filter(|task| is(&task.status)).count()).unwrap_or(u32::MAX)
    };
    EventKind::EpochEnded {
        epoch: state.run.epoch,
        completed: count(|status| status.passes),
        blocked: count(|status| status.blocked && !status.passes),
        pending: count(|status| !status.blocked && !status.passes),
    }
}

/// Plans anew, or waits for the service that refused to.
fn replan(state: &State, settings: &Settings, now: DateTime<Utc>) -> Next {
    let Some(refusal) = &state.run.refusal else {
        let replan = Next::Perform(Effect::Replan { epoch: state.run.epoch });
        return barred(state, settings, now).unwrap_or(replan);
    };
    let (count, since) = state.run.limited.unwrap_or((0, now));
    wait_for(state, settings, refusal, count, since, now)
}

fn wait_for(
    state: &State,
    settings: &Settings,
    refusal: &Limit,
    count: u32,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Next {
    let spread = spread(state.run.id.as_str(), count);
    match limit::wait(refusal, count, since, now, settings.limits.rate_limit_cooldown, spread) {
        Wait::Until(until, is_stated) => {
            let pause = Pause::Limit { reason: refusal.reason.clone(), is_stated };
            Next::Record(vec![EventKind::Paused { until, pause }])
        }
        Wait::GiveUp(reason) => Next::Record(vec![EventKind::EnvProblemFound { reason }]),
    }
}

fn go_on(state: &State, settings: &Settings, active: &Active, now: DateTime<Utc>) -> Next {
    if let Some(next) = iterate::next(state, settings, active, now) {
        return next;
    }
    match &active.phase {
        Phase::Ready => ready(state, settings, active, now),
        Phase::Attempting { attempt, .. } => Next::Perform(Effect::RunAttempt { attempt: *attempt }),
        Phase::Attempted { attempt, report } => attempted(state, settings, active, *attempt, report, now),
        Phase::Verifying { attempt, .. } => Next::Perform(Effect::Verify { attempt: *attempt }),
        Phase::Verified { attempt, gate, changed, .. } => {
            let paths: Vec<RelPath> = changed.iter().map(|c| c.path.clone()).collect();
            verified(state, settings, active, *attempt, gate, &paths, now)
        }
        Phase::Committing { attempt, .. } => Next::Perform(Effect::Commit { attempt: *attempt }),
        Phase::Integrated { attempt, gate, changed, commit } => {
            let paths: Vec<RelPath> = changed.iter().map(|c| c.path.clone()).collect();
            complete(state, settings, active, *attempt, gate, paths, commit.clone(), now)
        }
        Phase::Blocking { .. } => {
            if settings.on_block == BlockAction::Salvage && !active.touched.is_empty() {
                Next::Perform(Effect::Salvage)
            } else {
                block(state, settings, active, now)
            }
        }
        // Those above `Cleared` are of iterative tasks, which have been dealt with.
        Phase::Baselining { .. }
        | Phase::Baselined { .. }
        | Phase::Comparing { .. }
        | Phase::Reverting { .. }
        | Phase::Reverted { .. }
        | Phase::Revalidating { .. }
        | Phase::Cleared { .. } => block(state, settings, active, now),
    }
}

fn ready(state: &State, settings: &Settings, active: &Active, now: DateTime<Utc>) -> Next {
    if let Some(reason) = taken_away(state, &active.task) {
        return Next::Record(vec![EventKind::TaskDropped { task: active.task.clone(), reason }]);
    }
    if is_halted(state) {
        return finish(state);
    }
    if let Some(reason) = over_budget(state, active).or_else(|| give_up(active, &settings.limits)) {
        return Next::Record(vec![EventKind::BlockDecided { reason }]);
    }
    let begin = Next::Perform(Effect::RunAttempt { attempt: active.charged.saturating_add(1) });
    waiting(state, settings, now).or_else(|| barred(state, settings, now)).unwrap_or(begin)
}

/// Returns why no more may be spent on the plan of a task.
fn over_budget(state: &State, active: &Active) -> Option<String> {
    let plan = state.plan_of.get(&active.task)?;
    let record = state.plans.get(plan)?;
    let budget = record.budget.filter(|budget| record.spent >= *budget)?;
    Some(format!(
        "the budget of {plan} is spent: ${:.2} of ${budget:.2}; raise `budget` in the plan, then `autodev task retry`",
        record.spent
    ))
}

fn attempted(
    state: &State,
    settings: &Settings,
    active: &Active,
    attempt: u32,
    report: &AttemptReport,
    now: DateTime<Utc>,
) -> Next {
    match &report.end {
        ProcessEnd::Limited(refusal) => {
            if is_halted(state) {
                return finish(state);
            }
            let (count, since) = active.limited.unwrap_or((0, now));
            wait_for(state, settings, refusal, count, since, now)
        }
        ProcessEnd::EnvError(problem) => {
            Next::Record(vec![EventKind::EnvProblemFound { reason: problem.reason.clone() }])
        }
        // A stop that came while the agent worked, and the agent still ended well: the work is checked and kept.
        // A stop that cut the checks short leaves them to the next run.
        _ if report.is_ok => {
            if state.run.gate_cut || state.run.env_problem.is_some() {
                return finish(state);
            }
            waiting_unless_stopped(state, settings, now).unwrap_or(Next::Perform(Effect::Verify { attempt }))
        }
        ProcessEnd::Exited { .. }
        | ProcessEnd::Signalled { .. }
        | ProcessEnd::TimedOut
        | ProcessEnd::Idle
        | ProcessEnd::Interrupted
        | ProcessEnd::NotStarted { .. }
        | ProcessEnd::Lost => {
            let summary = failure_text(attempt, report);
            fail(state, settings, active, attempt, report.end.code(), summary, Vec::new(), report.changed.clone(), now)
        }
    }
}

fn verified(
    state: &State,
    settings: &Settings,
    active: &Active,
    attempt: u32,
    gate: &GateReport,
    changed: &[RelPath],
    now: DateTime<Utc>,
) -> Next {
    let refused = gate.checks.last().filter(|check| check.name == "commit");
    match gate.verdict {
        Verdict::Pass if settings.commits && !changed.is_empty() => Next::Perform(Effect::Commit { attempt }),
        Verdict::Pass => complete(state, settings, active, attempt, gate, changed.to_vec(), None, now),
        Verdict::Infra if refused.is_some() => {
            if state.run.env_problem.is_some() {
                return finish(state);
            }
            let details = refused.map_or("", |check| check.details.as_str());
            let reason = format!("the work of {} is proved but could not be committed: {details}", active.task);
            Next::Record(vec![EventKind::EnvProblemFound { reason }])
        }
        Verdict::Infra if active.infra <= RECHECKS && !is_halted(state) => {
            let wait = settings.limits.delay_seconds.clamp(1, 60);
            Next::Record(vec![EventKind::Paused { until: later(now, wait), pause: Pause::Recheck }])
        }
        Verdict::Fail | Verdict::Flaky | Verdict::Infra | Verdict::Inherited | Verdict::NotRun => {
            let errors = gate.errors.iter().take(HISTORY_ERRORS).cloned().collect();
            let code = VERIFICATION_FAILED;
            fail(state, settings, active, attempt, code, gate.summary(), errors, changed.to_vec(), now)
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one call site per kind of failure, all facts of the event")]
fn fail(
    state: &State,
    settings: &Settings,
    active: &Active,
    attempt: u32,
    code: i32,
    summary: String,
    errors: Vec<String>,
    changed: Vec<RelPath>,
    now: DateTime<Utc>,
) -> Next {
    let mut after = active.clone();
    after.charged = after.charged.saturating_add(1);
    let is_over = over_budget(state, active).is_some() || give_up(&after, &settings.limits).is_some();
    let goes_on = !is_over && !is_halted(state);
    let (summary, notes) = match &active.reflection {
        None if wants_reflection(settings, active, goes_on) => {
            return Next::Perform(Effect::Reflect { attempt });
        }
        Some(Reflection::Applied { refinement, .. }) => {
            let reflected = Some(refinement.summary.clone()).filter(|text| !text.is_empty());
            (reflected.unwrap_or(summary), refinement.learning_notes.clone())
        }
        Some(Reflection::Skipped { .. }) | None => (summary, Vec::new()),
    };
    let gate = match &active.phase {
        Phase::Verified { gate, .. } => Some(gate.clone()),
        _ => None,
    };
    let mut records = vec![EventKind::AttemptFailed {
        task: active.task.clone(),
        title: active.title.clone(),
        attempt,
        code,
        summary,
        errors,
        notes,
        changed,
        gate,
    }];
    if goes_on && settings.limits.delay_seconds > 0 {
        let until = later(now, settings.limits.delay_seconds);
        records.push(EventKind::Paused { until, pause: Pause::Retry });
    }
    Next::Record(records)
}

/// Whether to ask why the attempt failed, before its failure is recorded.
fn wants_reflection(settings: &Settings, active: &Active, has_successor: bool) -> bool {
    let (end, gate, has_changes) = match &active.phase {
        Phase::Attempted { report, .. } => (&report.end, None, !report.changed.is_empty()),
        Phase::Verified { attempted, gate, changed, .. } => (&attempted.end, Some(gate), !changed.is_empty()),
        _ => return false,
    };
    reflect::is_due(&Occasion {
        is_enabled: settings.reflection.is_enabled,
        max_refinements: settings.reflection.max_refinements,
        refinement_count: active.spec.as_ref().map_or(0, |task| task.refinement_count),
        end,
        gate,
        has_changes,
        has_successor,
    })
}

#[expect(clippy::too_many_arguments, reason = "all facts of the event")]
fn complete(
    state: &State,
    settings: &Settings,
    active: &Active,
    attempt: u32,
    gate: &GateReport,
    changed: Vec<RelPath>,
    commit: Option<String>,
    now: DateTime<Utc>,
) -> Next {
    let (summary, notes) = lesson(active, attempt, &changed);
    let mut records = vec![EventKind::TaskCompleted {
        task: active.task.clone(),
        title: active.title.clone(),
        attempt,
        summary,
        notes,
        changed,
        commit,
        gate: Some(gate.clone()),
    }];
    records.extend(pause_between(state, settings, &active.task, now));
    Next::Record(records)
}

pub(super) fn block(state: &State, settings: &Settings, active: &Active, now: DateTime<Utc>) -> Next {
    let reason = match &active.phase {
        Phase::Blocking { reason, .. } | Phase::Cleared { reason, .. } => reason.clone(),
        _ => String::new(),
    };
    let salvage = match &active.phase {
        Phase::Cleared { salvage, .. } => salvage.clone(),
        _ => None,
    };
    let mut records = vec![EventKind::TaskBlocked {
        task: active.task.clone(),
        title: active.title.clone(),
        reason,
        changed: active.touched.iter().cloned().collect(),
        salvage,
    }];
    records.extend(pause_between(state, settings, &active.task, now));
    Next::Record(records)
}

/// What a finished task teaches the next ones: nothing when it went well at once.
fn lesson(active: &Active, attempt: u32, changed: &[RelPath]) -> (String, Vec<String>) {
    let Some(failure) = active.failures.last().filter(|failure| !failure.summary.is_empty()) else {
        return (format!("Completed on attempt {attempt}"), Vec::new());
    };
    let files: Vec<String> = changed.iter().take(4).map(ToString::to_string).collect();
    let note = format!("{} was mended by changing {} after: {}", active.task, files.join(", "), failure.summary);
    (format!("Completed on attempt {attempt} after: {}", failure.summary), vec![note])
}

pub(super) fn failure_text(attempt: u32, report: &AttemptReport) -> String {
    let said = report.message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let how = match &report.end {
        ProcessEnd::Exited { code: 0 } => "the agent did not report success (exit code 0)".to_owned(),
        ProcessEnd::Exited { code } => format!("backend failed with exit code {code}"),
        ProcessEnd::Signalled { signal } => format!("backend was killed by signal {signal}"),
        ProcessEnd::TimedOut => "backend ran into the attempt timeout".to_owned(),
        ProcessEnd::Idle => "backend showed no sign of life and was ended".to_owned(),
        ProcessEnd::NotStarted { reason } => format!("backend could not be started: {reason}"),
        ProcessEnd::Interrupted => "the run was stopped".to_owned(),
        ProcessEnd::Limited(limit) => limit.reason.clone(),
        ProcessEnd::EnvError(problem) => problem.reason.clone(),
        ProcessEnd::Lost => "the runner was killed".to_owned(),
    };
    // Summaries are single lines in task.json and progress.txt; 200 characters say what went wrong.
    let said: String = said.chars().take(200).collect();
    let text = format!("Attempt {attempt}: {how}");
    if said.is_empty() { text } else { format!("{text}: {said}") }
}

pub(super) fn taken_away(state: &State, task: &TaskId) -> Option<String> {
    match state.task(task) {
        None => Some(format!("{task} is no longer in the queue; its work stays in the tree")),
        Some(t) if t.status.passes => Some(format!("{task} was marked as done by hand; its work stays in the tree")),
        Some(t) if t.status.blocked => Some(format!("{task} was blocked by hand; its work stays in the tree")),
        Some(_) => None,
    }
}

pub(super) fn is_halted(state: &State) -> bool {
    state.run.stop.is_some() || state.run.env_problem.is_some()
}

pub(super) fn waiting(state: &State, settings: &Settings, now: DateTime<Utc>) -> Option<Next> {
    let (until, pause) = state.run.pause.as_ref()?;
    let goes_on = match pause {
        Pause::Retry | Pause::NextTask | Pause::Limit { .. } | Pause::Recheck => now < *until,
        Pause::Window | Pause::Held { .. } if hold_over(state, now).is_some() => return hold_over(state, now),
        // What is so now decides, not what was when the pause began: a person may have changed it, or the clock jumped.
        Pause::Window | Pause::Held { .. } => match bar(state, settings, now) {
            Some((new, why)) if new != *until || why != *pause => {
                return Some(Next::Record(vec![EventKind::Paused { until: new, pause: why }]));
            }
            bar => bar.is_some(),
        },
    };
    if goes_on {
        return Some(Next::Perform(Effect::Wait { until: *until }));
    }
    Some(Next::Record(vec![EventKind::PauseEnded]))
}

pub(super) fn waiting_unless_stopped(state: &State, settings: &Settings, now: DateTime<Utc>) -> Option<Next> {
    if state.run.stop.is_some() { None } else { waiting(state, settings, now) }
}

/// What keeps the next attempt, or planning anew, from beginning, and the decision that follows.
pub(super) fn barred(state: &State, settings: &Settings, now: DateTime<Utc>) -> Option<Next> {
    let bar = || bar(state, settings, now).map(|(until, pause)| Next::Record(vec![EventKind::Paused { until, pause }]));
    hold_over(state, now).or_else(bar)
}

/// A pause by hand whose time has come is over for everybody.
fn hold_over(state: &State, now: DateTime<Utc>) -> Option<Next> {
    let is_over = state.hold.as_ref()?.is_over(now);
    is_over.then(|| Next::Record(vec![EventKind::HoldEnded { by_itself: true }]))
}

/// Why no agent may be started now, and until when: a person paused the project, or no window is open.
fn bar(state: &State, settings: &Settings, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Pause)> {
    if let Some(hold) = state.hold.as_ref().filter(|hold| !hold.is_over(now)) {
        let pause = Pause::Held { reason: hold.reason.clone(), is_endless: hold.until.is_none() };
        // Without an end, a time that is as good as none, and always the same.
        return Some((hold.until.unwrap_or_else(|| later(hold.since, u64::MAX)), pause));
    }
    match schedule::standing(&settings.windows, now) {
        Standing::Open { .. } => None,
        Standing::Closed { until } => Some((until, Pause::Window)),
    }
}

pub(super) fn pause_between(
    state: &State,
    settings: &Settings,
    done: &TaskId,
    now: DateTime<Utc>,
) -> Option<EventKind> {
    let delay_seconds = settings.limits.delay_seconds;
    let more = state.tasks.iter().any(|t| &t.id != done && !t.status.passes && !t.status.blocked);
    let is_last = state.run.rounds >= settings.limits.max_tasks && state.run.epoch >= settings.limits.max_epochs;
    let goes_on = more && !is_halted(state) && !is_last && delay_seconds > 0;
    goes_on.then(|| EventKind::Paused { until: later(now, delay_seconds), pause: Pause::NextTask })
}

pub(super) fn later(now: DateTime<Utc>, seconds: u64) -> DateTime<Utc> {
    // A century is as good as for ever, and cannot overflow.
    now + TimeDelta::seconds(seconds.min(3_153_600_000) as i64)
}

/// A number from 0 to 99 that differs between runs and refusals (FNV-1a; no randomness here).
fn spread(run: &str, count: u32) -> u64 {
    let hash = run
        .bytes()
        .chain(count.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash % 100
}

pub(super) fn finish(state: &State) -> Next {
    let run = &state.run;
    let counts = format!("{} completed, {} blocked", run.completed, run.blocked);
    let after = run.exhausted.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let (status, exit_code, message) = if let Some(signal) = &run.stop {
        (RunStatus::Interrupted, 130, format!("Stopped by {signal}: {counts}"))
    } else if let Some(reason) = &run.env_problem {
        (RunStatus::EnvError, 1, reason.clone())
    } else if run.settings.as_ref().is_some_and(|settings| settings.dry_run) {
        let (status, exit_code) = if state.has_blocked() { (RunStatus::Blocked, 2) } else { (RunStatus::Completed, 0) };
        (status, exit_code, format!("Dry run: {} shown, nothing was changed", run.rounds))
    } else if state.has_blocked() {
        let waiting = match depend::waiting(state) {
            count if count > 0 && depend::next(state).is_none() => format!(", {count} waiting for them"),
            _ => String::new(),
        };
        (RunStatus::Blocked, 2, format!("Finished with blocked tasks: {counts}{waiting}{after}"))
    } else if !state.left_blocked.is_empty() {
        let ids: Vec<String> =
            state.left_blocked.iter().map(|left| format!("{} of epoch {}", left.id, left.epoch)).collect();
        (RunStatus::Blocked, 2, format!("Finished, but still blocked: {}: {counts}{after}", ids.join(", ")))
    } else if state.next_pending().is_some() {
        (RunStatus::Completed, 0, format!("Stopped at max_tasks: {counts}, some tasks are still pending"))
    } else {
        (RunStatus::Completed, 0, format!("All done: {counts}{after}"))
    };
    Next::Record(vec![EventKind::RunEnded { status, exit_code, message }])
}
