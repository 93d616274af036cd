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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::apply;
    use crate::model::{PlanTask, RunId, TaskState};

    fn play(state: &mut State, kinds: Vec<EventKind>) {
        for kind in kinds {
            let event =
                Event { seq: state.seq + 1, at: "2026-11-20T11:29:10Z".parse().unwrap(), run: RunId::new("r"), kind };
            apply(state, &event);
        }
    }

    fn change(plan: &str, tasks: &[&str]) -> PlanChange {
        let task = |id: &&str| PlanTask { id: TaskId::new(id), ..PlanTask::default() };
        PlanChange {
            plan: plan.into(),
            digest: format!("digest of {plan}"),
            tasks: tasks.iter().map(task).collect(),
            added: tasks.iter().map(TaskId::new).collect(),
            ..PlanChange::default()
        }
    }

    fn taking(changes: Vec<PlanChange>) -> EventKind {
        EventKind::PlansTaking { changes }
    }

    fn taken(plan: &str) -> EventKind {
        EventKind::PlanTaken {
            plan: plan.into(),
            digest: String::new(),
            added: vec![],
            updated: vec![],
            withdrawn: vec![],
            notes: vec![],
        }
    }

    #[test]
    fn a_plan_counts_as_taken_only_when_the_queue_was_written() {
        let mut state = State::default();
        play(&mut state, vec![taking(vec![change("a.md", &["a"]), change("b.md", &["b"])])]);
        assert!(state.plans.is_empty() && state.taking.len() == 2);
        play(&mut state, vec![taken("a.md")]);
        assert_eq!((state.plans.len(), state.taking.len()), (1, 1));
        assert_eq!(state.plan_of[&TaskId::new("a")], "a.md");
        // The next writer begins anew with what was not finished.
        play(&mut state, vec![taking(vec![change("c.md", &[])])]);
        assert_eq!(state.taking.keys().collect::<Vec<_>>(), ["c.md"]);
    }

    #[test]
    fn a_queue_that_was_seen_with_the_new_tasks_was_written() {
        let mut state = State::default();
        let seen = |id: &str| EventKind::QueueSeen {
            project: String::new(),
            order: Some(vec![TaskId::new(id)]),
            changed: vec![TaskState { id: TaskId::new(id), ..TaskState::default() }],
        };
        play(&mut state, vec![taking(vec![change("a.md", &["a"])]), seen("other")]);
        assert!(!state.taken_seen);
        play(&mut state, vec![seen("a")]);
        assert!(state.taken_seen);
        play(&mut state, vec![taking(vec![change("b.md", &["b"])])]);
        assert!(!state.taken_seen);
    }

    #[test]
    fn a_renamed_plan_is_found_under_both_names() {
        let mut state = State::default();
        play(&mut state, vec![taking(vec![change("a.md", &["a"])]), taken("a.md")]);
        for (from, to) in [("a.md", "b.md"), ("b.md", "c.md")] {
            let moved = PlanChange { moved_from: Some(from.into()), added: vec![], ..change(to, &["a"]) };
            play(&mut state, vec![taking(vec![moved]), taken(to)]);
        }
        assert_eq!(state.plans.keys().collect::<Vec<_>>(), ["c.md"]);
        assert_eq!((state.plan_moves["a.md"].as_str(), state.plan_moves["b.md"].as_str()), ("c.md", "c.md"));
        assert_eq!(state.plan_of[&TaskId::new("a")], "c.md");
    }

    #[test]
    fn what_plans_change_is_nobody_elses_doing() {
        let mut state = State::default();
        let update = crate::model::PlanUpdate { id: TaskId::new("u"), contract: "c".into() };
        let edited = PlanChange { updated: vec![update], withdrawn: vec![TaskId::new("w")], ..change("a.md", &["a"]) };
        play(&mut state, vec![taking(vec![edited])]);
        assert!(state.approved.withdrawn.contains(&TaskId::new("w")));
        assert_eq!(state.approved.contracts[&TaskId::new("u")], "c");
        play(&mut state, vec![taking(vec![change("a.md", &["w", "u"])])]);
        assert!(state.approved.withdrawn.is_empty() && state.approved.contracts.is_empty(), "they are new tasks");
    }

    #[test]
    fn a_failure_leaves_the_tasks_of_the_plan() {
        let mut state = State::default();
        play(&mut state, vec![taking(vec![change("a.md", &["a"])]), taken("a.md")]);
        let failed = EventKind::PlanFailed {
            plan: "a.md".into(),
            digest: "new".into(),
            reason: "no".into(),
            waits_for: vec![],
            retry_at: None,
        };
        play(&mut state, vec![failed]);
        let record = &state.plans["a.md"];
        assert_eq!((record.standing, record.tasks.len(), record.reason.as_str()), (PlanStanding::Failed, 1, "no"));
    }
}
