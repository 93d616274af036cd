//! What events mean for the plans that are known.

use std::collections::BTreeSet;

use crate::model::{Event, EventKind, Inquiry, PlanChange, PlanStanding, State, TaskId, Usage};

/// Folds what an event says about plans into the state; called before the event is folded in otherwise.
pub(in crate::logic) fn fold(state: &mut State, event: &Event) {
    match &event.kind {
        EventKind::PlansTaking { changes } => begin(state, changes),
        EventKind::PlanTaken { plan, .. } | EventKind::PlanWithdrawn { plan, .. } => {
            if let Some(change) = state.taking.remove(plan) {
                settle(state, change);
            }
        }
        EventKind::PlanFailed { plan, digest, reason, waits_for, retry_at } => {
            let record = state.plans.entry(plan.clone()).or_default();
            record.digest.clone_from(digest);
            record.standing = PlanStanding::Failed;
            record.reason.clone_from(reason);
            record.waits_for.clone_from(waits_for);
            record.retry_at = *retry_at;
        }
        EventKind::QueueSeen { changed, .. } => {
            let added: BTreeSet<&TaskId> = state.taking.values().flat_map(|change| &change.added).collect();
            state.taken_seen |= changed.iter().any(|task| added.contains(&task.id));
        }
        EventKind::AttemptStarted { .. } => state.agent_span = Some((event.at, None)),
        EventKind::AttemptEnded { report, .. } => {
            if let Some((_, end)) = &mut state.agent_span {
                *end = Some(event.at);
            }
            if let Some(task) = state.active.as_ref().map(|active| active.task.clone()) {
                spend(state, &task, report.usage);
            }
        }
        EventKind::AskEnded { inquiry: Inquiry::Reflection { task, .. }, report, .. } => {
            spend(state, task, report.usage);
        }
        _ => {}
    }
}

fn begin(state: &mut State, changes: &[PlanChange]) {
    state.taking = changes.iter().map(|change| (change.plan.clone(), change.clone())).collect();
    state.taken_seen = false;
    let approved = &mut state.approved;
    for change in changes {
        for id in &change.added {
            approved.withdrawn.remove(id);
            approved.contracts.remove(id);
        }
        approved.contracts.extend(change.updated.iter().map(|update| (update.id.clone(), update.contract.clone())));
        approved.withdrawn.extend(change.withdrawn.iter().cloned());
    }
}

fn settle(state: &mut State, change: PlanChange) {
    let before = change.moved_from.as_ref().unwrap_or(&change.plan);
    let mut record = state.plans.remove(before).unwrap_or_default();
    state.plan_moves.remove(&change.plan);
    if let Some(before) = &change.moved_from {
        state.plan_moves.values_mut().filter(|now| *now == before).for_each(|now| now.clone_from(&change.plan));
        state.plan_moves.insert(before.clone(), change.plan.clone());
    }
    for id in record.tasks.iter().map(|task| &task.id).chain(&change.withdrawn) {
        state.plan_of.remove(id);
    }
    for task in &change.tasks {
        state.plan_of.insert(task.id.clone(), change.plan.clone());
    }
    record.digest = change.digest;
    record.standing = change.standing;
    record.title = change.title;
    record.tasks = change.tasks;
    record.needs = change.needs;
    record.budget = change.budget;
    record.branch = change.branch;
    record.reason.clear();
    record.waits_for.clear();
    record.retry_at = None;
    state.plans.insert(change.plan, record);
}

fn spend(state: &mut State, task: &TaskId, usage: Usage) {
    let State { plans, plan_of, .. } = state;
    if let (Some(record), Some(cost)) = (plan_of.get(task).and_then(|plan| plans.get_mut(plan)), usage.cost_usd)
        && cost.is_finite()
    {
        record.spent += cost;
    }
}
