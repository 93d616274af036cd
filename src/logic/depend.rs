//! Which task may begin: the first in file order whose dependencies are done.
//!
//! A dependency is the id of a task of the queue, or `plan:<path>` for all tasks of a watched plan. What is in the queue
//! no more holds nobody up: it was done in an earlier epoch, or taken away by a person. What is not known at all is told
//! and holds nobody up either; a run that waits for a misspelt name would wait for ever.

use std::collections::BTreeSet;

use crate::model::{PlanRecord, State, Status, TaskId, TaskState};

/// How a dependency on all tasks of a plan begins.
pub const PLAN: &str = "plan:";

/// Returns the first pending task whose dependencies are done.
pub fn next(state: &State) -> Option<&TaskState> {
    state.tasks.iter().find(|task| is_pending(&task.status) && may_begin(state, task))
}

/// Whether everything that a task depends on is done.
pub fn may_begin(state: &State, task: &TaskState) -> bool {
    task.depends_on.iter().all(|need| open(state, need).next().is_none())
}

/// Returns how many pending tasks wait for others.
pub fn waiting(state: &State) -> usize {
    state.tasks.iter().filter(|task| is_pending(&task.status) && !may_begin(state, task)).count()
}

/// Returns dependencies that name nothing, each with the first pending task that has it; at most `most`.
pub fn unknown(state: &State, most: usize) -> Vec<(TaskId, String)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for task in state.tasks.iter().filter(|task| is_pending(&task.status)) {
        for need in &task.depends_on {
            let is_known = match need.strip_prefix(PLAN) {
                Some(path) => plan(state, path).is_some(),
                None => state.index.contains_key(&TaskId::new(need)),
            };
            if found.len() < most && !is_known && seen.insert(need.as_str()) {
                found.push((task.id.clone(), need.clone()));
            }
        }
    }
    found
}

/// Returns pending tasks that wait for each other, in the order in which they do; `None` when there are none.
pub fn circle(state: &State) -> Option<Vec<TaskId>> {
    let mut is_clear = vec![false; state.tasks.len()];
    for start in 0..state.tasks.len() {
        // The way from `start`, each with the open dependencies that are not followed yet.
        let mut way: Vec<(usize, Vec<usize>)> = vec![(start, waits_for(state, start))];
        while let Some((at, rest)) = way.last_mut() {
            let Some(next) = rest.pop() else {
                if let Some(slot) = is_clear.get_mut(*at) {
                    *slot = true;
                }
                way.pop();
                continue;
            };
            if is_clear.get(next).copied().unwrap_or(true) {
                continue;
            }
            if let Some(from) = way.iter().position(|(at, _)| *at == next) {
                let ids = way.iter().skip(from).filter_map(|(at, _)| Some(state.tasks.get(*at)?.id.clone()));
                return Some(ids.collect());
            }
            way.push((next, waits_for(state, next)));
        }
    }
    None
}

/// Returns the pending tasks that a pending task waits for, by their places.
fn waits_for(state: &State, at: usize) -> Vec<usize> {
    let Some(task) = state.tasks.get(at).filter(|task| is_pending(&task.status)) else { return Vec::new() };
    let needs = task.depends_on.iter().flat_map(|need| open(state, need));
    needs.filter(|need| is_pending(&need.status)).filter_map(|need| state.index.get(&need.id).copied()).collect()
}

/// Returns the tasks behind a dependency that are not done.
fn open<'a>(state: &'a State, need: &str) -> impl Iterator<Item = &'a TaskState> {
    let plan = need.strip_prefix(PLAN).and_then(|path| plan(state, path));
    let of_plan = plan.into_iter().flat_map(|plan| &plan.tasks).map(|task| &task.id);
    let single = if need.starts_with(PLAN) { None } else { state.task(&TaskId::new(need)) };
    of_plan.filter_map(|id| state.task(id)).chain(single).filter(|task| !task.status.passes)
}

/// Returns a plan, also under a name that it had before.
fn plan<'a>(state: &'a State, path: &str) -> Option<&'a PlanRecord> {
    state.plans.get(path).or_else(|| state.plans.get(state.plan_moves.get(path)?))
}

fn is_pending(status: &Status) -> bool {
    !status.passes && !status.blocked
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::PlanTask;

    /// Each `id` or `id>need,need`, followed by `+` when done and `!` when blocked.
    fn state(tasks: &[&str]) -> State {
        let mut state = State::default();
        for (at, text) in tasks.iter().enumerate() {
            let name = text.trim_end_matches(['+', '!']);
            let (id, needs) = name.split_once('>').unwrap_or((name, ""));
            let needs = needs.split(',').filter(|need| !need.is_empty()).map(str::to_owned).collect();
            let status = Status { passes: text.ends_with('+'), blocked: text.ends_with('!'), ..Status::default() };
            state.index.insert(TaskId::new(id), at);
            state.tasks.push(TaskState { id: TaskId::new(id), status, depends_on: needs, ..TaskState::default() });
        }
        state
    }

    fn next_id(tasks: &[&str]) -> Option<String> {
        next(&state(tasks)).map(|task| task.id.to_string())
    }

    #[test]
    fn a_task_waits_for_what_it_depends_on() {
        assert_eq!(next_id(&["a>b", "b"]), Some("b".into()));
        assert_eq!(next_id(&["a>b", "b+"]), Some("a".into()));
        assert_eq!(next_id(&["a>b", "b!"]), None);
        assert_eq!(waiting(&state(&["a>b", "b!", "c"])), 1);
        assert_eq!(next_id(&["a>b,c", "b+", "c"]), Some("c".into()));
        assert_eq!(next_id(&["a>gone"]), Some("a".into()), "what nobody knows holds nobody up");
        assert_eq!(unknown(&state(&["a>gone", "b>gone,a", "c>old+"]), 9), [(TaskId::new("a"), "gone".into())]);
    }

    #[test]
    fn a_plan_is_done_when_all_its_tasks_are() {
        let of_plan = |tasks: &[&str]| {
            let mut state = state(tasks);
            state.plan_moves.insert("old.md".into(), "x.md".into());
            let task = |id: &str| PlanTask { id: TaskId::new(id), ..PlanTask::default() };
            let record =
                PlanRecord { tasks: vec![task("b"), task("c"), task("left the queue")], ..PlanRecord::default() };
            state.plans.insert("x.md".into(), record);
            next(&state).map(|task| task.id.to_string())
        };
        assert_eq!(of_plan(&["a>plan:x.md", "b+", "c"]), Some("c".into()));
        assert_eq!(of_plan(&["a>plan:x.md", "b+", "c+"]), Some("a".into()));
        assert_eq!(of_plan(&["a>plan:x.md", "b!", "c+"]), None);
        assert_eq!(of_plan(&["a>plan:other.md"]), Some("a".into()));
        assert_eq!(of_plan(&["a>plan:old.md", "b!", "c+"]), None, "under the name it had");
    }

    #[test]
    fn a_circle_is_told_in_its_order() {
        let ids =
            |tasks: &[&str]| circle(&state(tasks)).map(|ids| ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(ids(&["a", "b>a", "c>a,b"]), None);
        assert_eq!(ids(&["a>b", "b!"]), None);
        assert_eq!(ids(&["x>a", "a>b", "b>c", "c>a"]), Some(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(ids(&["a>a"]), Some(vec!["a".into()]));
        assert_eq!(ids(&["a>b", "b>a+"]), None, "what is done waits for nothing");
        let long: Vec<String> = (0..5000).map(|n| format!("t{n}>t{}", n + 1)).collect();
        assert_eq!(circle(&state(&long.iter().map(String::as_str).collect::<Vec<_>>())), None);
    }
}
