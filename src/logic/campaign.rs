//! Folds the events of iterative tasks into the state. Total, as [`super::apply`].

use super::apply::{back_to_attempted, count_infra};
use super::iterate;
use crate::model::{
    Active, Campaign, Candidate, Compared, Event, EventKind, ExperimentRecord, Outcome, Phase, RunState, RunStatus,
    Step, Verdict,
};

/// What the first experiment of a task needs of an attempt's start.
pub(super) fn start_attempt(active: &mut Active, event: &Event) {
    let EventKind::AttemptStarted { effect, before, before_commit, .. } = &event.kind else { return };
    let Some(campaign) = &mut active.campaign else { return };
    if let (None, Some(commit)) = (&campaign.before, before_commit) {
        campaign.before = Some((before.clone(), commit.clone()));
    }
    let began = campaign.attempt.as_ref().map_or(event.at, |(_, began)| *began);
    campaign.attempt = Some((effect.clone(), began));
    campaign.candidate = None;
}

/// Forgets what was decided about a candidate whose checks are made again. A comparison stays: measuring once more
/// would be a second chance for luck.
pub(super) fn reconsider(active: &mut Active) {
    if let Some(candidate) = active.campaign.as_mut().and_then(|campaign| campaign.candidate.as_mut()) {
        candidate.judged = None;
        if matches!(candidate.compared, Some(Compared::Invalid { .. })) {
            candidate.compared = None;
        }
    }
}

/// Folds an event that only iterative tasks have.
pub(super) fn fold(run: &mut RunState, active: &mut Active, event: &Event) {
    match &event.kind {
        EventKind::BaselineStarted { effect, task } => {
            begin_effect(run, format!("Measuring {} before it begins", active.task));
            task.label().clone_into(&mut active.title);
            active.spec = Some(task.clone());
            active.phase = Phase::Baselining { effect: effect.clone() };
        }
        EventKind::BaselineEnded { report, repeats, .. } => {
            report.outcome.as_str().clone_into(&mut run.last_outcome);
            count_infra(active, report.verdict);
            active.phase = Phase::Baselined { gate: report.clone(), repeats: repeats.clone() };
        }
        EventKind::CampaignReset { .. } => {
            active.campaign = None;
            active.spec = None;
            active.phase = Phase::Ready;
        }
        EventKind::Proposed { commit, reference, changed, left_out, summary, .. } => {
            if let Some(campaign) = &mut active.campaign {
                campaign.candidate = Some(Candidate {
                    commit: commit.clone(),
                    reference: reference.clone(),
                    changed: changed.clone(),
                    left_out: left_out.clone(),
                    summary: summary.clone(),
                    compared: None,
                    judged: None,
                });
            }
        }
        EventKind::CompareStarted { effect, iteration } => {
            begin_effect(run, compare_text(active, *iteration));
            active.phase = match std::mem::replace(&mut active.phase, Phase::Ready) {
                Phase::Verified { attempt, attempted, gate, changed } if *iteration > 0 => {
                    Phase::Comparing { effect: effect.clone(), attempt, attempted, gate, changed }
                }
                Phase::Ready if *iteration == 0 => Phase::Revalidating { effect: effect.clone() },
                other => other,
            };
        }
        EventKind::PairMeasured { pair, champion, candidate, .. } => {
            run.message = format!("Measuring {}, pair {pair}: {champion} and {candidate}", active.task);
        }
        EventKind::CompareEnded { compared, .. } => end_comparison(active, compared),
        EventKind::ExperimentJudged { record, step, .. } => {
            if let Some(campaign) = &mut active.campaign {
                let candidate = campaign.candidate.get_or_insert_default();
                candidate.judged = Some((record.clone(), *step));
            }
        }
        EventKind::RevertStarted { effect, iteration } => {
            begin_effect(run, format!("Putting back iteration {iteration} of {}", active.task));
            active.phase = Phase::Reverting { effect: effect.clone() };
        }
        EventKind::Reverted { head, commit, trouble, .. } => {
            active.phase = Phase::Reverted { head: head.clone(), commit: commit.clone(), trouble: trouble.clone() };
        }
        EventKind::ExperimentEnded { record, .. } if record.iteration == 0 => begin(run, active, record),
        EventKind::ExperimentEnded { record, .. } => end(run, active, record),
        _ => {}
    }
}

fn begin_effect(run: &mut RunState, message: String) {
    run.effects = run.effects.saturating_add(1);
    run.status = RunStatus::Validating;
    run.message = message;
}

fn compare_text(active: &Active, iteration: u32) -> String {
    if iteration == 0 {
        format!("Measuring the result of {} against where it began", active.task)
    } else {
        format!("Measuring iteration {iteration} of {}", active.task)
    }
}

fn end_comparison(active: &mut Active, compared: &Compared) {
    let verdict = match compared {
        Compared::Measured(_) => Verdict::Pass,
        Compared::Invalid { verdict, .. } => *verdict,
    };
    count_infra(active, verdict);
    let Some(campaign) = &mut active.campaign else { return };
    active.phase = match std::mem::replace(&mut active.phase, Phase::Ready) {
        Phase::Comparing { attempt, attempted, gate, changed, .. } => {
            if let Some(candidate) = &mut campaign.candidate {
                candidate.compared = Some(compared.clone());
            }
            Phase::Verified { attempt, attempted, gate, changed }
        }
        Phase::Revalidating { .. } => {
            campaign.revalidation = Some(compared.clone());
            Phase::Ready
        }
        other => other,
    };
}

fn begin(run: &mut RunState, active: &mut Active, record: &ExperimentRecord) {
    let (Phase::Baselined { gate, repeats }, Some(contract), Some(baseline)) =
        (&active.phase, &active.spec, record.measured)
    else {
        return;
    };
    let is_noisy = iterate::is_noisy(baseline, repeats);
    active.campaign = Some(Box::new(Campaign {
        contract: contract.clone(),
        is_noisy,
        baseline,
        best: baseline,
        best_iteration: 0,
        iterations: 0,
        kept: 0,
        reverted: 0,
        invalid: 0,
        streak: 0,
        is_on_target: record.outcome == Outcome::TargetMet,
        stuck: None,
        commit: None,
        changed: Vec::new(),
        gate: gate.clone(),
        before: None,
        attempt: None,
        candidate: None,
        revalidation: None,
    }));
    active.infra = 0;
    active.phase = Phase::Ready;
    run.message.clone_from(&record.notes);
}

fn end(run: &mut RunState, active: &mut Active, record: &ExperimentRecord) {
    let Some(campaign) = &mut active.campaign else { return };
    let candidate = campaign.candidate.take().unwrap_or_default();
    campaign.before = None;
    campaign.attempt = None;
    campaign.iterations = record.iteration;
    match record.outcome {
        Outcome::Improved | Outcome::TargetMet => campaign.streak = 0,
        Outcome::Unchanged | Outcome::Regressed => campaign.streak = campaign.streak.saturating_add(1),
        Outcome::Invalid | Outcome::Met | Outcome::NotMet | Outcome::Measured => {
            campaign.invalid = campaign.invalid.saturating_add(1);
        }
    }
    match (record.step, &active.phase) {
        (Step::Keep, Phase::Integrated { gate, .. }) => {
            campaign.kept = campaign.kept.saturating_add(1);
            campaign.best = record.measured.unwrap_or(campaign.best);
            campaign.best_iteration = record.iteration;
            campaign.is_on_target = record.outcome == Outcome::TargetMet;
            campaign.gate = gate.clone();
            campaign.commit = Some(record.commit.clone()).filter(|commit| !commit.is_empty());
            campaign.changed.extend(candidate.changed.iter().map(|change| change.path.clone()));
            campaign.changed.sort();
            campaign.changed.dedup();
        }
        (Step::Revert, Phase::Reverted { trouble, .. }) => {
            campaign.reverted = campaign.reverted.saturating_add(1);
            campaign.stuck = Some(trouble.clone()).filter(|trouble| !trouble.is_empty());
        }
        (Step::Leave, _) => campaign.stuck = Some(record.notes.clone()),
        _ => {}
    }
    run.message = format!("Iteration {} of {}: {}", record.iteration, active.task, record.outcome.as_str());
    record.outcome.as_str().clone_into(&mut run.last_outcome);
    if record.step != Step::Leave && campaign.stuck.is_none() {
        active.touched.clear();
    }
    active.infra = 0;
    active.no_progress = 0;
    active.repeated = None;
    active.phase = Phase::Ready;
}

/// A check that was cut short, or cannot be trusted any more, is made again.
pub(super) fn cancel(active: &mut Active) {
    reconsider(active);
    match &active.phase {
        Phase::Baselining { .. } | Phase::Baselined { .. } | Phase::Revalidating { .. } => active.phase = Phase::Ready,
        _ => back_to_attempted(active),
    }
}
