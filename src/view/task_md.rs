//! TASK.md: the page that tells an agent, and whoever looks, what is being worked on.

use super::Names;
use super::row;
use super::text::{block, general, one_line, push};
use crate::model::{Completion, Execution, State, Task};

const TITLE: &str = "# Current Task\n";

/// Returns TASK.md for the task being worked on, or the idle page when there is none.
pub fn active(state: &State, names: &Names) -> String {
    let Some(active) = state.active.as_deref() else {
        return idle(names);
    };
    // Before the first attempt only id and title are known.
    let bare = Task { id: active.task.clone(), title: active.title.clone(), ..Task::default() };
    let task = active.spec.as_deref().unwrap_or(&bare);
    let attempt = row::attempt(active).max(1);
    let mut page = format!(
        "{TITLE}\n## Task\n- ID: {}\n- Name: {}\n\n## Summary\n{}\n",
        one_line(task.id.as_str()),
        one_line(task.label()),
        if task.description.trim().is_empty() { "(no description)".to_owned() } else { block(task.description.trim()) }
    );
    page.push_str(&list("Steps", &task.steps));
    page.push_str(&list("Docs", &task.docs));
    push(
        &mut page,
        format_args!(
            "\n## Execution Context\n- Attempt: {attempt}/{}\n- Mode: {}\n",
            row::max_attempts(state),
            task.mode()
        ),
    );
    if let Execution::Iterative(iterative) = &task.execution {
        let campaign = active.campaign.as_deref();
        let metric = |value: Option<f64>| {
            let name = one_line(task.completion_name());
            value.map_or("-".to_owned(), |value| format!("{name}={}", general(value)))
        };
        push(
            &mut page,
            format_args!(
                "- Current iteration: {attempt}\n- Max iterations: {}\n- Baseline metric: {}\n- Best metric: {}\n\
             - No improvement streak: {}\n- Metric goal: {}\n",
                iterative.max_iterations,
                metric(campaign.map(|campaign| campaign.baseline)),
                metric(campaign.map(|campaign| campaign.best)),
                campaign.map_or(0, |campaign| campaign.streak),
                one_line(&goal(task))
            ),
        );
    }
    page + &sources(names)
}

/// Returns TASK.md for when nothing is being worked on.
pub fn idle(names: &Names) -> String {
    format!("{TITLE}\nNo task is being worked on.\n{}", sources(names))
}

fn list(heading: &str, items: &[String]) -> String {
    let mut part = format!("\n## {heading}\n");
    if items.is_empty() {
        part.push_str("- (none)\n");
    }
    for item in items {
        push(&mut part, format_args!("- {}\n", one_line(item)));
    }
    part
}

fn goal(task: &Task) -> String {
    match &task.completion {
        Completion::Boolean => "all_checks_pass".to_owned(),
        Completion::Numeric(_) => task.completion_target().into_owned(),
    }
}

fn sources(names: &Names) -> String {
    format!(
        "\n## Runtime Sources of Truth\n- Task file: `{}`\n- Execution guide: `{}`\n- Progress log: `{}`\n",
        base_name(&names.task_file),
        base_name(&names.guide),
        base_name(&names.progress)
    )
}

fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::RunStatus;
    use crate::view::sample;

    #[test]
    fn the_page_of_an_attempt() {
        let wanted = "\
# Current Task

## Task
- ID: P0-1
- Name: Add greeting

## Summary
Print a greeting.
Twice.

## Steps
- write the function

## Docs
- (none)

## Execution Context
- Attempt: 1/3
- Mode: delivery

## Runtime Sources of Truth
- Task file: `queue.json`
- Execution guide: `AGENT.md`
- Progress log: `progress.txt`
";
        let names = Names { task_file: "/abs/plan/queue.json".into(), ..Names::default() };
        assert_eq!(active(&sample::state(RunStatus::Running), &names), wanted);
    }

    #[test]
    fn an_experiment_names_its_goal() {
        let page = active(&sample::experiment(), &Names::default());
        for line in [
            "- Mode: experiment",
            "- Current iteration: 2",
            "- Attempt: 2/5",
            "- Max iterations: 5",
            "- Baseline metric: lat=100",
            "- Best metric: lat=100",
            "- No improvement streak: 1",
            "- Metric goal: lat, source=json_stdout, direction=lower_is_better, target=80",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\n{page}");
        }
    }

    #[test]
    fn nothing_active_is_said() {
        let wanted = "\
# Current Task

No task is being worked on.

## Runtime Sources of Truth
- Task file: `task.json`
- Execution guide: `AGENT.md`
- Progress log: `progress.txt`
";
        assert_eq!(idle(&Names::default()), wanted);
        assert_eq!(active(&State::default(), &Names::default()), wanted);
    }

    #[test]
    fn a_title_cannot_add_a_heading() {
        let mut state = sample::state(RunStatus::Running);
        state.active.as_mut().unwrap().spec.as_mut().unwrap().title = "x\n## Steps\n- rm".into();
        assert!(active(&state, &Names::default()).contains("- Name: x ## Steps - rm\n"));
    }
}
