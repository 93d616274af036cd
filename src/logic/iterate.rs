//! What comes next for an iterative task: measure, try, judge, keep or put back.
//!
//! The cycle of an attempt is that of other tasks up to its checks. Then the change is judged against the best so far
//! and either committed or put back; nothing is tried again, reflected on or given up by the circuit breaker. Invariants:
//! a change whose checks failed is never kept; without a changed file there is no improvement; a change is in a commit
//! before it is compared or put back.

use chrono::{DateTime, Utc};

use super::decide::{
    Next, RECHECKS, barred, block, failure_text, finish, is_halted, later, pause_between, taken_away, waiting,
    waiting_unless_stopped,
};
use super::measure;
use crate::model::{
    Active, AttemptReport, Campaign, Candidate, Compared, Comparison, Completion, Direction, Effect, EventKind,
    Execution, ExperimentRecord, Finding, GateReport, Iterative, Numeric, Outcome, Pause, Phase, ProcessEnd, Samples,
    Settings, State, Step, Verdict,
};

/// Returns what comes next, or `None` when the task is not iterative or is at a point where all tasks are alike.
pub(super) fn next(state: &State, settings: &Settings, active: &Active, now: DateTime<Utc>) -> Option<Next> {
    match (&active.campaign, &active.phase) {
        (_, Phase::Baselining { .. }) => Some(Next::Perform(Effect::Baseline)),
        (_, Phase::Baselined { gate, repeats }) => Some(baselined(state, settings, active, gate, repeats, now)),
        (None, Phase::Ready) if is_iterative(state, active) => Some(begin(state, settings, active, now)),
        (None, Phase::Blocking { .. }) if is_iterative(state, active) => Some(block(state, settings, active, now)),
        (Some(campaign), _) => go_on(&Course { state, settings, active, campaign, now }),
        (None, _) => None,
    }
}

fn is_iterative(state: &State, active: &Active) -> bool {
    state.task(&active.task).is_some_and(|task| task.strategy == "iterative")
}

/// Whether best tree and candidate are prepared and measured beside each other; else the number that the checks found
/// is compared with the best so far.
pub fn needs_comparison(numeric: &Numeric, is_noisy: bool) -> bool {
    let settings = measure::Settings::of(numeric, is_noisy);
    !numeric.guards.is_empty() || settings.is_some_and(|settings| settings.samples != Samples::Fixed(1))
}

/// Whether repeated measurements of one tree differ from its first.
#[expect(clippy::float_cmp, reason = "the question is whether the same tree gives the very same number")]
pub fn is_noisy(first: f64, repeats: &[f64]) -> bool {
    repeats.iter().any(|again| *again != first)
}

fn begin(state: &State, settings: &Settings, active: &Active, now: DateTime<Utc>) -> Next {
    if let Some(reason) = taken_away(state, &active.task) {
        return Next::Record(vec![EventKind::TaskDropped { task: active.task.clone(), reason }]);
    }
    if is_halted(state) {
        return finish(state);
    }
    if !settings.in_git {
        return give_up("an iterative task needs a git repository: each change is kept or put back by git (git init)");
    }
    let begin = Next::Perform(Effect::Baseline);
    waiting(state, settings, now).or_else(|| barred(state, settings, now)).unwrap_or(begin)
}

fn give_up(reason: impl Into<String>) -> Next {
    Next::Record(vec![EventKind::BlockDecided { reason: reason.into() }])
}

fn recheck(settings: &Settings, now: DateTime<Utc>) -> Next {
    let wait = settings.limits.delay_seconds.clamp(1, 60);
    Next::Record(vec![EventKind::Paused { until: later(now, wait), pause: Pause::Recheck }])
}

fn baselined(
    state: &State,
    settings: &Settings,
    active: &Active,
    gate: &GateReport,
    repeats: &[f64],
    now: DateTime<Utc>,
) -> Next {
    if gate.verdict == Verdict::Infra && active.infra <= RECHECKS && !is_halted(state) {
        return recheck(settings, now);
    }
    let (Some(value), Verdict::Pass, Some(task)) = (gate.metric, gate.verdict, &active.spec) else {
        return give_up(format!("the tree does not pass before the first change: {}", gate.summary()));
    };
    let name = task.completion_name();
    let notes = match repeats {
        [] => format!("{name}={value}"),
        again if is_noisy(value, again) => {
            let others: Vec<String> = again.iter().map(ToString::to_string).collect();
            format!("{name}={value}, then {}: noisy, so each change is measured until it is known", others.join(", "))
        }
        again => format!("{name}={value}, the same {} times", again.len() + 1),
    };
    let is_on_target = gate.outcome == Outcome::TargetMet;
    let record = ExperimentRecord {
        iteration: 0,
        metric: name.to_owned(),
        baseline: Some(value),
        best_before: None,
        measured: Some(value),
        outcome: if is_on_target { Outcome::TargetMet } else { Outcome::Measured },
        step: Step::Nothing,
        commit: String::new(),
        reverted: String::new(),
        duration_ms: 0,
        notes,
        summary: String::new(),
        comparison: None,
    };
    Next::Record(vec![EventKind::ExperimentEnded { task: active.task.clone(), record: Box::new(record) }])
}

/// All facts of one decision.
struct Course<'a> {
    state: &'a State,
    settings: &'a Settings,
    active: &'a Active,
    campaign: &'a Campaign,
    now: DateTime<Utc>,
}

fn go_on(course: &Course<'_>) -> Option<Next> {
    let Course { state, active, campaign, .. } = course;
    let iteration = campaign.iterations.saturating_add(1);
    let candidate = campaign.candidate.as_ref();
    let judged = candidate.and_then(|candidate| candidate.judged.as_ref());
    Some(match &active.phase {
        Phase::Ready => course.ready(),
        Phase::Attempted { report, .. } => match &report.end {
            ProcessEnd::Limited(_) | ProcessEnd::EnvError(_) => return None,
            _ => course.attempted(iteration, report),
        },
        Phase::Verified { .. } | Phase::Committing { .. } if state.run.env_problem.is_some() => finish(state),
        Phase::Verified { attempt, gate, .. } => match judged {
            Some((record, step)) => course.settle(*attempt, record, *step),
            None => course.verified(iteration, gate),
        },
        Phase::Comparing { .. } => Next::Perform(Effect::Compare { iteration }),
        Phase::Reverting { .. } => Next::Perform(Effect::Revert { iteration }),
        Phase::Revalidating { .. } => Next::Perform(Effect::Revalidate),
        Phase::Integrated { commit, .. } => {
            let (record, _) = judged?;
            let commit = commit.clone().unwrap_or_default();
            course.end(ExperimentRecord { commit, ..(**record).clone() })
        }
        Phase::Reverted { head, commit, trouble } => {
            let (record, _) = judged?;
            let mut record = (**record).clone();
            record.reverted.clone_from(head);
            record.commit = commit.clone().unwrap_or(record.commit);
            if !trouble.is_empty() {
                record.notes = format!("{}; {trouble}", record.notes);
            }
            course.end(record)
        }
        Phase::Blocking { .. } => block(state, course.settings, active, course.now),
        Phase::Attempting { .. }
        | Phase::Verifying { .. }
        | Phase::Committing { .. }
        | Phase::Cleared { .. }
        | Phase::Baselining { .. }
        | Phase::Baselined { .. } => return None,
    })
}

impl Course<'_> {
    fn plan(&self) -> Iterative {
        match &self.campaign.contract.execution {
            Execution::Iterative(plan) => plan.clone(),
            Execution::SinglePass => Iterative::default(),
        }
    }

    fn numeric(&self) -> Option<&Numeric> {
        match &self.campaign.contract.completion {
            Completion::Numeric(numeric) => Some(numeric),
            Completion::Boolean => None,
        }
    }

    fn needs_comparison(&self) -> bool {
        self.numeric().is_some_and(|numeric| needs_comparison(numeric, self.campaign.is_noisy))
    }

    fn ready(&self) -> Next {
        let Self { state, settings, active, campaign, now } = *self;
        if let Some(reason) = taken_away(state, &active.task) {
            return Next::Record(vec![EventKind::TaskDropped { task: active.task.clone(), reason }]);
        }
        if let Some(reason) = &campaign.stuck {
            return give_up(reason.clone());
        }
        if is_halted(state) {
            return finish(state);
        }
        let plan = self.plan();
        let is_over = campaign.is_on_target
            || campaign.iterations >= plan.max_iterations
            || campaign.streak >= plan.stop_after_no_improvement;
        if !campaign.is_on_target && campaign.invalid >= plan.stop_after_invalid {
            let records = state.experiments.of.get(&active.task).map_or(&[][..], |series| &series.records);
            let last = records.iter().rev().find(|record| record.outcome == Outcome::Invalid);
            let why = last.map_or("", |record| record.notes.as_str());
            return give_up(format!("{} iterations gave no valid result, the last: {why}", campaign.invalid));
        }
        if is_over {
            return self.conclude();
        }
        let attempt = campaign.iterations.saturating_add(1);
        let begin = Next::Perform(Effect::RunAttempt { attempt });
        waiting(state, settings, now).or_else(|| barred(state, settings, now)).unwrap_or(begin)
    }

    /// The last word, and the end.
    fn conclude(&self) -> Next {
        if self.campaign.kept == 0 || !self.is_tested() {
            return self.complete(None);
        }
        match &self.campaign.revalidation {
            None => Next::Perform(Effect::Revalidate),
            Some(Compared::Measured(last)) if last.finding == Finding::Improved && last.broken_guard.is_none() => {
                self.complete(Some(last))
            }
            Some(Compared::Measured(last)) => {
                let why = last.broken_guard.as_ref().unwrap_or(&last.reason);
                give_up(format!(
                    "{} changes were kept, but together they are not proved better than the tree before: {why}; \
                     they are committed, look at them with `autodev experiments {}`",
                    self.campaign.kept, self.active.task
                ))
            }
            Some(Compared::Invalid { verdict: Verdict::Infra, .. }) if self.active.infra <= RECHECKS => {
                Next::Perform(Effect::Revalidate)
            }
            Some(Compared::Invalid { reason, .. }) => {
                give_up(format!("the result could not be measured against the tree before: {reason}"))
            }
        }
    }

    /// Whether improvements are proved by a test, and not by one number each.
    fn is_tested(&self) -> bool {
        let settings = self.numeric().and_then(|numeric| measure::Settings::of(numeric, self.campaign.is_noisy));
        settings.is_some_and(|settings| settings.samples != Samples::Fixed(1))
    }

    fn attempted(&self, iteration: u32, report: &AttemptReport) -> Next {
        let Some(candidate) = &self.campaign.candidate else {
            return Next::Perform(Effect::Propose { iteration });
        };
        if let Some((record, step)) = &candidate.judged {
            return self.settle(iteration, record, *step);
        }
        if candidate.changed.is_empty() && candidate.left_out.is_empty() {
            let (outcome, notes) = if report.is_ok {
                (Outcome::Unchanged, "no file was changed".to_owned())
            } else {
                (Outcome::Invalid, failure_text(iteration, report))
            };
            return self.judge(candidate, outcome, None, Step::Nothing, notes);
        }
        if candidate.commit.is_none() {
            let names: Vec<String> = candidate.left_out.iter().take(3).map(ToString::to_string).collect();
            let notes = format!("git does not hold what was changed, so it cannot be put back: {}", names.join(", "));
            return self.judge(candidate, Outcome::Invalid, None, Step::Leave, notes);
        }
        if !report.is_ok {
            let notes = failure_text(iteration, report);
            return self.judge(candidate, Outcome::Invalid, None, self.rejected(), notes);
        }
        // A stop that cut the checks short leaves them to the next run.
        if self.state.run.gate_cut || self.state.run.env_problem.is_some() {
            return finish(self.state);
        }
        waiting_unless_stopped(self.state, self.settings, self.now)
            .unwrap_or(Next::Perform(Effect::Verify { attempt: iteration }))
    }

    fn verified(&self, iteration: u32, gate: &GateReport) -> Next {
        let Some(candidate) = &self.campaign.candidate else {
            return Next::Perform(Effect::Propose { iteration });
        };
        let may_recheck = self.active.infra <= RECHECKS && !is_halted(self.state);
        match (gate.verdict, &candidate.compared) {
            (Verdict::Infra, _) => {
                let refused = gate.checks.last().filter(|check| check.name == "commit");
                if let Some(check) = refused {
                    let reason =
                        format!("an improvement of {} could not be committed: {}", self.active.task, check.details);
                    return Next::Record(vec![EventKind::EnvProblemFound { reason }]);
                }
                if may_recheck {
                    return recheck(self.settings, self.now);
                }
                self.judge(candidate, Outcome::Invalid, gate.metric, self.rejected(), gate.summary())
            }
            (Verdict::Pass, None) if self.needs_comparison() => {
                if self.state.run.gate_cut {
                    return finish(self.state);
                }
                Next::Perform(Effect::Compare { iteration })
            }
            (Verdict::Pass, None) => {
                let notes = gate.checks.last().map_or_else(String::new, |check| check.details.clone());
                self.judge(candidate, gate.outcome, gate.metric, self.step(gate.outcome), notes)
            }
            (Verdict::Pass, Some(Compared::Invalid { verdict: Verdict::Infra, .. })) if may_recheck => {
                recheck(self.settings, self.now)
            }
            (Verdict::Pass, Some(Compared::Invalid { reason, .. })) => {
                self.judge(candidate, Outcome::Invalid, gate.metric, self.rejected(), reason.clone())
            }
            (Verdict::Pass, Some(Compared::Measured(comparison))) => self.compared(candidate, comparison),
            (Verdict::Fail | Verdict::Flaky | Verdict::Inherited | Verdict::NotRun, _) => {
                // Only a worse number is a regression; a failed check says nothing about the number.
                let is_worse = gate.outcome == Outcome::Regressed
                    && gate.checks.iter().all(|check| check.verdict.is_pass() || check.name.starts_with("metric:"));
                let outcome = if is_worse { Outcome::Regressed } else { Outcome::Invalid };
                self.judge(candidate, outcome, gate.metric, self.rejected(), gate.summary())
            }
        }
    }

    fn compared(&self, candidate: &Candidate, comparison: &Comparison) -> Next {
        let (outcome, notes) = match &comparison.broken_guard {
            Some(why) => (Outcome::Regressed, format!("{}; but {why}", comparison.reason)),
            None if comparison.finding == Finding::Improved && self.is_reached(comparison.candidate) => {
                (Outcome::TargetMet, comparison.reason.clone())
            }
            None => (comparison.finding.outcome(), comparison.reason.clone()),
        };
        self.judge(candidate, outcome, Some(comparison.candidate), self.step(outcome), notes)
    }

    fn is_reached(&self, value: f64) -> bool {
        let Some(numeric) = self.numeric() else { return false };
        numeric.target.is_some_and(|target| match numeric.direction {
            Some(Direction::LowerIsBetter) => value <= target,
            Some(Direction::HigherIsBetter) => value >= target,
            None => false,
        })
    }

    fn step(&self, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Improved | Outcome::TargetMet => Step::Keep,
            Outcome::Unchanged if self.plan().keep_on_equal => Step::Keep,
            // To put an equal change back loses nothing that a person would want to look at.
            Outcome::Unchanged => Step::Revert,
            Outcome::Regressed | Outcome::Invalid | Outcome::Met | Outcome::NotMet | Outcome::Measured => {
                self.rejected()
            }
        }
    }

    fn rejected(&self) -> Step {
        if self.plan().rollback_on_failure { Step::Revert } else { Step::Leave }
    }

    fn judge(&self, candidate: &Candidate, outcome: Outcome, measured: Option<f64>, step: Step, notes: String) -> Next {
        let Self { active, campaign, now, .. } = *self;
        let began = campaign.attempt.as_ref().map_or(now, |(_, began)| *began);
        let comparison = match &candidate.compared {
            Some(Compared::Measured(comparison)) => Some(comparison.clone()),
            Some(Compared::Invalid { .. }) | None => None,
        };
        let record = ExperimentRecord {
            iteration: campaign.iterations.saturating_add(1),
            metric: campaign.contract.completion_name().to_owned(),
            baseline: Some(campaign.baseline),
            best_before: Some(campaign.best),
            measured,
            outcome,
            step,
            commit: candidate.commit.clone().unwrap_or_default(),
            reverted: String::new(),
            duration_ms: u64::try_from((now - began).num_milliseconds()).unwrap_or(0),
            notes,
            summary: candidate.summary.clone(),
            comparison,
        };
        let judged = EventKind::ExperimentJudged { task: active.task.clone(), record: Box::new(record.clone()), step };
        match step {
            Step::Keep | Step::Revert => Next::Record(vec![judged]),
            Step::Leave | Step::Nothing => match self.end(record) {
                Next::Record(more) => Next::Record(std::iter::once(judged).chain(more).collect()),
                other @ Next::Perform(_) => other,
            },
        }
    }

    fn settle(&self, attempt: u32, record: &ExperimentRecord, step: Step) -> Next {
        match step {
            Step::Keep => Next::Perform(Effect::Commit { attempt }),
            Step::Revert => Next::Perform(Effect::Revert { iteration: record.iteration }),
            Step::Leave | Step::Nothing => self.end(record.clone()),
        }
    }

    /// The iteration is over; a pause follows when another one does.
    fn end(&self, record: ExperimentRecord) -> Next {
        let Self { state, settings, active, now, .. } = *self;
        let goes_on = record.iteration < self.plan().max_iterations && !is_halted(state);
        let task = active.task.clone();
        let mut records = vec![EventKind::ExperimentEnded { task, record: Box::new(record) }];
        if goes_on && settings.limits.delay_seconds > 0 {
            let until = later(now, settings.limits.delay_seconds);
            records.push(EventKind::Paused { until, pause: Pause::Retry });
        }
        Next::Record(records)
    }

    fn complete(&self, last: Option<&Comparison>) -> Next {
        let Self { state, settings, active, campaign, now } = *self;
        let name = campaign.contract.completion_name();
        let mut summary = if campaign.kept == 0 {
            format!("No improvement in {} iterations: {name}={}", campaign.iterations, campaign.baseline)
        } else {
            let (kept, of) = (campaign.kept, campaign.iterations);
            format!("Kept {kept} of {of} changes: {name} {} -> {}", campaign.baseline, campaign.best)
        };
        if campaign.iterations == 0 {
            summary = format!("The target is reached before any change: {name}={}", campaign.baseline);
        }
        if let Some(last) = last {
            summary = format!("{summary} ({})", last.reason);
        }
        if let Some(target) = self.numeric().and_then(|numeric| numeric.target).filter(|_| !campaign.is_on_target) {
            summary = format!("{summary}; the target {target} is not reached");
        }
        let note = format!(
            "{}: {name} baseline {}, best {} (iteration {}), {} kept, {} put back, {} invalid",
            active.task,
            campaign.baseline,
            campaign.best,
            campaign.best_iteration,
            campaign.kept,
            campaign.reverted,
            campaign.invalid
        );
        let mut records = vec![EventKind::TaskCompleted {
            task: active.task.clone(),
            title: active.title.clone(),
            attempt: campaign.best_iteration,
            summary,
            notes: vec![note],
            changed: campaign.changed.clone(),
            gate: Some(campaign.gate.clone()),
            commit: campaign.commit.clone(),
        }];
        records.extend(pause_between(state, settings, &active.task, now));
        Next::Record(records)
    }
}

#[cfg(test)]
mod tests;
