//! The status of each task as every view shows it, and how many there are of each.
//!
//! Invariant: a task is in exactly one of the four states, so the four counts add up to the total.

use serde::Serialize;

use crate::model::{Active, EventKind, Execution, ExperimentRecord, Phase, State, Task, TaskState};

/// What a task's row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowStatus {
    /// Neither done nor given up.
    Pending,
    /// An active run works on it.
    Running,
    /// Proved and done.
    Completed,
    /// Given up.
    Blocked,
}

impl RowStatus {
    /// Returns the status of a task; done wins over blocked, both win over running.
    pub fn of(state: &State, task: &TaskState) -> Self {
        if task.status.passes {
            Self::Completed
        } else if task.status.blocked {
            Self::Blocked
        } else if is_current(state, task) {
            Self::Running
        } else {
            Self::Pending
        }
    }

    /// Returns the status word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Blocked => "blocked",
        }
    }
}

fn is_current(state: &State, task: &TaskState) -> bool {
    state.run.status.is_active() && state.active.as_ref().is_some_and(|active| active.task == task.id)
}

/// How many tasks there are of each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// Done.
    pub completed: usize,
    /// Given up.
    pub blocked: usize,
    /// Still to do and not being worked on.
    pub pending: usize,
    /// Being worked on.
    pub running: usize,
}

impl Counts {
    /// Counts the queue.
    pub fn of(state: &State) -> Self {
        let mut counts = Self { total: state.tasks.len(), ..Self::default() };
        for task in &state.tasks {
            *match RowStatus::of(state, task) {
                RowStatus::Pending => &mut counts.pending,
                RowStatus::Running => &mut counts.running,
                RowStatus::Completed => &mut counts.completed,
                RowStatus::Blocked => &mut counts.blocked,
            } += 1;
        }
        counts
    }
}

/// Returns the number of the attempt at hand, or of the last one between two attempts; 0 before the first.
pub fn attempt(active: &Active) -> u32 {
    match &active.phase {
        Phase::Attempting { attempt, .. }
        | Phase::Attempted { attempt, .. }
        | Phase::Verifying { attempt, .. }
        | Phase::Verified { attempt, .. }
        | Phase::Comparing { attempt, .. }
        | Phase::Committing { attempt, .. }
        | Phase::Integrated { attempt, .. } => *attempt,
        // The iteration that is put back is not over.
        Phase::Reverting { .. } | Phase::Reverted { .. } => {
            active.campaign.as_ref().map_or(0, |campaign| campaign.iterations.saturating_add(1))
        }
        Phase::Ready
        | Phase::Baselining { .. }
        | Phase::Baselined { .. }
        | Phase::Revalidating { .. }
        | Phase::Blocking { .. }
        | Phase::Cleared { .. } => {
            let tried = active.campaign.as_ref().map(|campaign| campaign.iterations);
            tried.unwrap_or_else(|| active.failures.last().map_or(0, |failure| failure.attempt))
        }
    }
}

/// Returns the number that the checks measured on the attempt at hand, if any.
pub fn metric(active: &Active) -> Option<f64> {
    match &active.phase {
        Phase::Verified { gate, .. }
        | Phase::Comparing { gate, .. }
        | Phase::Baselined { gate, .. }
        | Phase::Committing { gate, .. }
        | Phase::Integrated { gate, .. } => gate.metric,
        Phase::Ready
        | Phase::Attempting { .. }
        | Phase::Attempted { .. }
        | Phase::Verifying { .. }
        | Phase::Baselining { .. }
        | Phase::Reverting { .. }
        | Phase::Reverted { .. }
        | Phase::Revalidating { .. }
        | Phase::Blocking { .. }
        | Phase::Cleared { .. } => active.failures.last().and_then(|f| f.gate.as_ref()).and_then(|gate| gate.metric),
    }
}

/// Returns the last experiment of the task at work; its baseline before the first.
pub fn last_experiment(state: &State) -> Option<&ExperimentRecord> {
    let active = state.active.as_deref().filter(|active| active.campaign.is_some())?;
    state.experiments.of.get(&active.task)?.records.last()
}

/// Returns how many attempts, or iterations, the task at work may have; 0 before the first run.
pub fn max_attempts(state: &State) -> u32 {
    let iterations = state.active.as_deref().and_then(Active::max_iterations);
    iterations.unwrap_or_else(|| state.run.settings.as_ref().map_or(0, |settings| settings.limits.max_retries))
}

/// What one turn of an agent at a task is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// Of a task that is worked on until its checks pass.
    #[default]
    Attempt,
    /// Of an iterative task.
    Iteration,
}

impl Turn {
    /// Returns what a turn of this task is called.
    pub fn of(task: &Task) -> Self {
        match task.execution {
            Execution::Iterative(_) => Self::Iteration,
            Execution::SinglePass => Self::Attempt,
        }
    }

    /// Returns what a turn of the task at work is called.
    pub fn of_active(state: &State) -> Self {
        let is_iterative = state.active.as_deref().is_some_and(|active| active.max_iterations().is_some());
        if is_iterative { Self::Iteration } else { Self::Attempt }
    }

    /// Returns what it is called from this event on.
    #[must_use]
    pub fn after(self, kind: &EventKind) -> Self {
        match kind {
            EventKind::TaskOpened { .. } => Self::Attempt,
            EventKind::AttemptStarted { task, .. } | EventKind::BaselineStarted { task, .. } => Self::of(task),
            _ => self,
        }
    }

    /// Returns the noun.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Iteration => "iteration",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RunStatus;
    use crate::view::sample;

    #[test]
    fn only_an_active_run_has_a_running_row() {
        for status in sample::STATUSES {
            let state = sample::state(status);
            let counts = Counts::of(&state);
            assert_eq!(counts.running, usize::from(status.is_active()), "{status:?}");
            assert_eq!(counts.total, counts.completed + counts.blocked + counts.pending + counts.running);
        }
    }

    #[test]
    fn done_wins_over_blocked_and_over_running() {
        let mut state = sample::state(RunStatus::Running);
        state.tasks[0].status.passes = true;
        state.tasks[0].status.blocked = true;
        assert_eq!(RowStatus::of(&state, &state.tasks[0]), RowStatus::Completed);
    }

    #[test]
    fn between_two_attempts_the_last_one_is_shown() {
        let state = sample::state(RunStatus::RetryWait);
        assert_eq!(attempt(state.active.as_ref().unwrap()), 1);
    }

    #[test]
    fn iterations_have_a_limit_of_their_own() {
        let mut state = sample::experiment();
        assert_eq!((max_attempts(&state), Turn::of_active(&state)), (5, Turn::Iteration));
        // A run that goes on has not read the task anew yet.
        state.active.as_mut().unwrap().spec = None;
        assert_eq!((max_attempts(&state), Turn::of_active(&state)), (5, Turn::Iteration));
        let state = sample::state(RunStatus::Running);
        assert_eq!((max_attempts(&state), Turn::of_active(&state)), (3, Turn::Attempt));
    }

    #[test]
    fn an_iteration_that_is_put_back_is_not_over() {
        let mut state = sample::experiment();
        let active = state.active.as_mut().unwrap();
        active.phase = Phase::Ready;
        assert_eq!(attempt(active), 1);
        active.phase = Phase::Reverting { effect: crate::model::EffectId::default() };
        assert_eq!(attempt(active), 2);
    }
}
