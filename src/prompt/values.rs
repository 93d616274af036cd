//! What goes into the templates: the values of the built-in prompt and those of the `{{name}}` places.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::PromptInput;
use super::fit::{self, ShownFailure};
use crate::logic::contract;
use crate::model::{Completion, Direction, Execution, Failure, HistoryEntry, Task};

/// How many commits and earlier attempts are shown, newest kept.
const COMMITS: usize = 5;
const ATTEMPTS: usize = 3;
/// How many earlier iterations are shown at most, and in how many characters together: some 600 tokens. The newest one is
/// shown whatever its length.
const ITERATIONS: (usize, usize) = (8, 2_400);
/// How many changed paths are named: as many as the reflection prompt names.
const PATHS: usize = 40;

/// Values of the built-in template.
#[derive(Debug, Serialize)]
pub(super) struct BuiltIn<'a> {
    project_name: &'a str,
    code_dir: String,
    attempt: u32,
    max_attempts: u32,
    task: ShownTask<'a>,
    contract: Vec<String>,
    /// Empty when each command says itself where it runs.
    contract_directory: String,
    experiment: Vec<String>,
    recent_experiments: &'a [String],
    failures: Vec<ShownFailure>,
    history: Vec<String>,
    changed: Vec<String>,
    learnings: Vec<String>,
    git_history: &'a [String],
    task_file: String,
    task_brief: String,
    execution_guide: String,
    progress_file: String,
}

/// The task's own words.
#[derive(Debug, Serialize)]
struct ShownTask<'a> {
    id: &'a str,
    title: &'a str,
    description: &'a str,
    steps: &'a [String],
    docs: &'a [String],
    output: &'a [String],
    implementation_notes: &'a [String],
    verification_notes: &'a [String],
    learning_notes: &'a [String],
}

/// Returns the values of the built-in template.
pub(super) fn built_in<'a>(input: &PromptInput<'a>) -> BuiltIn<'a> {
    let task = input.task;
    let code_dir = shown_path(input.code_dir);
    let has_commands = !contract::commands(task, input.verification).is_empty();
    BuiltIn {
        project_name: input.project_name,
        attempt: input.attempt,
        max_attempts: input.max_attempts,
        task: ShownTask {
            id: task.id.as_str(),
            title: task.label(),
            description: task.description.trim(),
            steps: &task.steps,
            docs: &task.docs,
            output: &task.output,
            implementation_notes: &task.implementation_notes,
            verification_notes: &task.verification_notes,
            learning_notes: &task.learning_notes,
        },
        contract: contract_or_none(input),
        contract_directory: if has_commands { code_dir.clone() } else { String::new() },
        code_dir,
        experiment: experiment_lines(input),
        recent_experiments: recent(input),
        failures: fit::shown(input.failures),
        history: history_lines(task, input.failures),
        changed: changed_lines(input),
        learnings: learning_lines(input),
        git_history: commits(input),
        task_file: shown_path(&input.files.task_json),
        task_brief: shown_path(&input.files.task_brief),
        execution_guide: shown_path(&input.files.execution_guide),
        progress_file: shown_path(&input.files.progress),
    }
}

/// Returns the value of every place a user's template can have.
pub(super) fn places(input: &PromptInput<'_>) -> BTreeMap<&'static str, String> {
    let task = input.task;
    let plain_path = |path: &Path| path.to_string_lossy().into_owned();
    let mut context = vec![format!("execution_mode: {}", task.mode())];
    context.extend(experiment_lines(input));
    BTreeMap::from([
        ("task_id", task.id.to_string()),
        ("task_name", task.label().to_owned()),
        ("task_description", task.description.clone()),
        ("task_steps", bullets(&task.steps)),
        ("task_docs", bullets(&task.docs)),
        ("task_implementation_notes", bullets(&task.implementation_notes)),
        ("task_verification_notes", bullets(&task.verification_notes)),
        ("task_learning_notes", bullets(&task.learning_notes)),
        ("task_attempt_history", bullets(&history_lines(task, &[]))),
        ("project_learning_notes", bullets(&learning_lines(input))),
        ("execution_context", bullets(&context)),
        ("recent_experiment_history", bullets(recent(input))),
        ("recent_git_history", bullets(commits(input))),
        ("verification_contract", bullets(&contract_or_none(input))),
        ("task_file", plain_path(&input.files.task_json)),
        ("task_brief", plain_path(&input.files.task_brief)),
        ("progress_file", plain_path(&input.files.progress)),
        ("execution_guide", plain_path(&input.files.execution_guide)),
        ("code_dir", plain_path(input.code_dir)),
        ("project_name", input.project_name.to_owned()),
    ])
}

fn bullets(items: &[String]) -> String {
    if items.is_empty() {
        return "- none".to_owned();
    }
    items.iter().map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n")
}

fn contract_or_none(input: &PromptInput<'_>) -> Vec<String> {
    let lines = contract::lines(input.task, input.verification);
    if lines.is_empty() { vec!["no check is set: the task counts as done when you end well".to_owned()] } else { lines }
}

/// Returns one line per earlier attempt, those left out that `failures` tells in full.
fn history_lines(task: &Task, failures: &[Failure]) -> Vec<String> {
    let is_told = |entry: &HistoryEntry| {
        failures.iter().any(|failure| failure.attempt == entry.attempt && failure.summary == entry.summary)
    };
    let told: Vec<String> = task
        .attempt_history
        .iter()
        .filter(|entry| !is_told(entry))
        .map(|entry| format!("Attempt {} [{}]: {}", entry.attempt, entry.status, entry.summary))
        .collect();
    last(&told, ATTEMPTS).to_vec()
}

fn learning_lines(input: &PromptInput<'_>) -> Vec<String> {
    let limit = usize::try_from(input.learning_limit).unwrap_or(usize::MAX);
    last(input.journal, limit).iter().map(|note| format!("{}: {}", note.task_id, note.summary)).collect()
}

fn changed_lines(input: &PromptInput<'_>) -> Vec<String> {
    let mut lines: Vec<String> =
        input.changed.iter().take(PATHS).map(|change| contract::code(&change.path.to_string())).collect();
    let more = input.changed.len().saturating_sub(PATHS);
    if more > 0 {
        lines.push(format!("... {more} more"));
    }
    lines
}

fn commits<'a>(input: &PromptInput<'a>) -> &'a [String] {
    input.git_history.get(..COMMITS).unwrap_or(input.git_history)
}

/// Returns where an iterative task stands; nothing for the others.
fn experiment_lines(input: &PromptInput<'_>) -> Vec<String> {
    let (Some(now), Execution::Iterative(plan)) = (input.experiment, &input.task.execution) else { return Vec::new() };
    let name = input.task.completion_name();
    let metric = |value: Option<f64>| value.map_or("unknown".to_owned(), |value| format!("{name}={value}"));
    let goal = match &input.task.completion {
        Completion::Boolean => "all checks pass".to_owned(),
        Completion::Numeric(numeric) => {
            let direction = numeric.direction.map_or("no direction", Direction::as_str);
            let target = numeric.target.map(|target| format!(", target {target}")).unwrap_or_default();
            format!("{} {direction}{target}", numeric.name)
        }
    };
    vec![
        format!("current_iteration: {}", now.iteration),
        format!("max_iterations: {}", plan.max_iterations),
        format!("baseline_metric: {}", metric(now.baseline)),
        format!("best_metric: {}", metric(now.best)),
        format!("no_improvement_streak: {}", now.no_improvement_streak),
        format!("metric_goal: {goal}"),
    ]
}

/// Returns the last iterations that the budget allows, oldest first.
fn recent<'a>(input: &PromptInput<'a>) -> &'a [String] {
    let (most, mut left) = ITERATIONS;
    let all = input.experiment.map_or(&[][..], |experiment| experiment.recent);
    let fits = |line: &&String| {
        let length = line.chars().count();
        let does = length <= left;
        left = left.saturating_sub(length);
        does
    };
    let count = all.iter().rev().take(most).take_while(fits).count();
    last(all, count.max(1))
}

/// Returns the last items, at most `limit`.
fn last<T>(items: &[T], limit: usize) -> &[T] {
    items.get(items.len().saturating_sub(limit)..).unwrap_or_default()
}

fn shown_path(path: &Path) -> String {
    contract::code(&path.to_string_lossy())
}
