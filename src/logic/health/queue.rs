//! task.json: can it be worked on, and is what it asks for checked?

use super::{Group, Row, plural, some_of};
use crate::logic::contract;
use crate::model::config::VerificationConfig;
use crate::model::{Queue, Task};

const GROUP: Group = Group::Queue;
const LABEL: &str = "task.json";

/// What `--epochs` and the file say about planning anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epochs {
    /// `[run].max_epochs`.
    pub wanted: u32,
    /// Whether task.json holds the text it was planned from.
    pub has_source: bool,
}

/// Concludes about a file that cannot be used: one row for each problem.
pub fn unusable(problems: &[String], hint: Option<&str>) -> Vec<Row> {
    let next = hint.unwrap_or("make the file readable for this user");
    problems.iter().map(|problem| Row::error(GROUP, LABEL, problem.clone(), next)).collect()
}

/// Concludes about a queue that could be read. `refusal` is why a run would not work on it, if so.
pub fn queue(queue: &Queue, config: &VerificationConfig, epochs: Epochs, refusal: Option<&str>) -> Vec<Row> {
    let mut rows = vec![counts(queue)];
    if let Some(why) = refusal {
        rows.push(Row::error(GROUP, "tasks", why, "change task.json; `autodev run` refuses it as it is"));
    }
    let open: Vec<&Task> = queue.tasks.iter().filter(|task| is_open(task)).collect();
    rows.extend(checks(&open, config));
    let iterative: Vec<String> =
        open.iter().filter(|task| task.strategy() == "iterative").map(|task| name(task)).collect();
    if !iterative.is_empty() && refusal.is_none() {
        let found = format!("{} work towards a number: {}", plural(iterative.len(), "task"), some_of(&iterative));
        rows.push(Row::ok(GROUP, "iterative", found));
    }
    rows.extend(epochs_row(epochs));
    rows
}

fn is_open(task: &Task) -> bool {
    !task.status.passes && !task.status.blocked
}

fn name(task: &Task) -> String {
    if task.id.is_empty() { task.label().to_owned() } else { task.id.to_string() }
}

fn counts(queue: &Queue) -> Row {
    let total = queue.tasks.len();
    let completed = queue.tasks.iter().filter(|task| task.status.passes).count();
    let blocked = queue.tasks.iter().filter(|task| task.status.blocked && !task.status.passes).count();
    let pending = total - completed - blocked;
    let found = format!("{}: {completed} completed, {blocked} blocked, {pending} pending", plural(total, "task"));
    let row = Row::ok(GROUP, LABEL, found);
    match (total, pending, blocked) {
        (0, ..) => row.next("write tasks into it, or let `autodev plan` do that: a run ends at once"),
        (_, 0, 1..) => row.next("nothing is pending; `autodev task retry` takes up the blocked ones"),
        (_, 0, 0) => row.next("nothing is pending: a run ends at once"),
        _ => row,
    }
}

fn checks(open: &[&Task], config: &VerificationConfig) -> Option<Row> {
    const CHECKS: &str = "checks";
    if open.is_empty() {
        return None;
    }
    let bare: Vec<String> =
        open.iter().filter(|task| contract::commands(task, config).is_empty()).map(|task| name(task)).collect();
    if bare.is_empty() {
        return Some(Row::ok(GROUP, CHECKS, "every pending task has a command that proves it"));
    }
    let found = format!("{} without any command that proves it: {}", plural(bare.len(), "task"), some_of(&bare));
    let next = "such a task is done as soon as files changed; give it validate_commands, or set \
                [verification].validate_commands for all";
    Some(Row::warn(GROUP, CHECKS, found, next))
}

fn epochs_row(epochs: Epochs) -> Option<Row> {
    const EPOCHS: &str = "epochs";
    if epochs.wanted < 2 {
        return None;
    }
    let wanted = epochs.wanted;
    Some(if epochs.has_source {
        Row::ok(GROUP, EPOCHS, format!("{wanted}, and task.json knows what it was planned from"))
    } else {
        let found = format!("{wanted}, but task.json does not say what it was planned from (planning_source)");
        Row::warn(GROUP, EPOCHS, found, "further epochs only go on after max_tasks; `autodev plan` writes the source")
    })
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::model::{CommandSpec, TaskId};

    fn task(id: &str, command: &str) -> Task {
        let mut task = Task { id: TaskId::new(id), ..Task::default() };
        if !command.is_empty() {
            task.verification.validate_commands = vec![CommandSpec { run: command.into(), ..CommandSpec::default() }];
        }
        task
    }

    fn config(commands: &[&str]) -> VerificationConfig {
        VerificationConfig {
            min_changed_files: 1,
            changed_files_preview_limit: 20,
            validate_commands: commands.iter().map(ToString::to_string).collect(),
            validate_timeout_seconds: 60,
            validate_working_directory: String::new(),
            validate_environment: std::collections::BTreeMap::new(),
        }
    }

    const ONE: Epochs = Epochs { wanted: 1, has_source: false };

    fn rows(tasks: Vec<Task>, commands: &[&str], epochs: Epochs) -> Vec<Row> {
        queue(&Queue { tasks, ..Queue::default() }, &config(commands), epochs, None)
    }

    #[test]
    fn pending_tasks_without_a_command_are_named() {
        let mut done = task("D", "");
        done.status.passes = true;
        let mut blocked = task("B", "");
        blocked.status.blocked = true;
        let tasks = vec![done, blocked, task("P1", "true"), task("P2", "")];
        let found = rows(tasks.clone(), &[], ONE);
        assert_eq!(found[0].found, "4 tasks: 1 completed, 1 blocked, 2 pending");
        assert_eq!(found[1].level, Level::Warn);
        assert!(found[1].found.ends_with(": P2"), "done and blocked ones do not count: {found:?}");
        assert_eq!(rows(tasks, &["make test"], ONE)[1].level, Level::Ok, "the configured command proves it");
    }

    #[test]
    fn an_empty_or_finished_queue_says_what_comes_next() {
        let empty = rows(vec![], &[], ONE);
        assert_eq!(empty.len(), 1, "{empty:?}");
        assert!(empty[0].level == Level::Ok && empty[0].next.contains("autodev plan"), "{empty:?}");
        let mut blocked = task("B", "");
        blocked.status.blocked = true;
        assert!(rows(vec![blocked], &[], ONE)[0].next.contains("task retry"));
    }

    #[test]
    fn epochs_need_something_to_plan_from() {
        let epochs = |wanted, has_source| Epochs { wanted, has_source };
        let last = |epochs| rows(vec![task("P", "true")], &[], epochs).pop().unwrap();
        assert_eq!(last(epochs(3, false)).level, Level::Warn);
        assert_eq!((last(epochs(3, true)).label.as_str(), last(epochs(3, true)).level), ("epochs", Level::Ok));
        assert_eq!(last(epochs(1, false)).label, "checks");
    }

    #[test]
    fn what_a_run_refuses_is_an_error() {
        let found = queue(&Queue { tasks: vec![task("P", "x")], ..Queue::default() }, &config(&[]), ONE, Some("no id"));
        assert_eq!((found[1].level, found[1].found.as_str()), (Level::Error, "no id"));
        assert_eq!(unusable(&["3:1: a".into(), "4:1: b".into()], None).len(), 2);
    }
}
