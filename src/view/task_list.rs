//! `autodev task list`.

use serde::Serialize;
use serde_json::Value;

use super::row::{Counts, RowStatus};
use super::text::{fit, one_line, pad, push, width};
use super::{Names, Style, status};
use crate::model::State;

/// Returns the list for people, every line with its line break. Titles are cut at the edge of a terminal.
pub fn human(state: &State, names: &Names, style: &Style) -> String {
    let counts = Counts::of(state);
    let mut page = format!(
        "Project: {}\nTotal: {}  Completed: {}  Running: {}  Blocked: {}  Pending: {}\n\n{} {} Title\n{}\n",
        one_line(status::project(state, names)),
        counts.total,
        counts.completed,
        counts.running,
        counts.blocked,
        counts.pending,
        pad("ID", 12),
        pad("Status", 20),
        "-".repeat(60)
    );
    for task in &state.tasks {
        let status = RowStatus::of(state, task).as_str();
        let id = pad(&one_line(task.id.as_str()), 12);
        let gap = " ".repeat(20_usize.saturating_sub(status.len() + 2));
        let mut title = one_line(&task.title);
        if let Some(columns) = style.columns {
            title = fit(&title, columns.saturating_sub(width(&id) + 22).max(10));
        }
        push(&mut page, format_args!("{id} {}{gap} {title}", style.badge(status)));
        page.truncate(page.trim_end().len());
        page.push('\n');
    }
    page
}

#[derive(Serialize)]
struct List<'a> {
    counts: Counts,
    tasks: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    status: &'static str,
    passes: bool,
    blocked: bool,
    block_reason: &'a str,
}

/// Returns `{"counts": {...}, "tasks": [...]}` with the tasks in file order.
pub fn json(state: &State) -> Value {
    let tasks = state.tasks.iter().map(|task| Row {
        id: task.id.as_str(),
        title: &task.title,
        status: RowStatus::of(state, task).as_str(),
        passes: task.status.passes,
        blocked: task.status.blocked,
        block_reason: &task.status.block_reason,
    });
    serde_json::to_value(List { counts: Counts::of(state), tasks: tasks.collect() }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::RunStatus;
    use crate::view::sample;

    #[test]
    fn the_list_for_people() {
        let wanted = "\
Project: Demo App
Total: 2  Completed: 1  Running: 0  Blocked: 1  Pending: 0

ID           Status               Title
------------------------------------------------------------
P0-1         [COMPLETED]          Add greeting
P0-2         [BLOCKED]            Add farewell
";
        assert_eq!(human(&sample::state(RunStatus::Blocked), &Names::default(), &Style::plain()), wanted);
    }

    #[test]
    fn colour_does_not_move_the_columns() {
        let state = sample::state(RunStatus::Blocked);
        let coloured = human(&state, &Names::default(), &Style { is_coloured: true, ..Style::plain() });
        let plain = coloured.replace("\x1b[0;32m", "").replace("\x1b[0;31m", "").replace("\x1b[0m", "");
        assert_ne!(coloured, plain);
        assert_eq!(plain, human(&state, &Names::default(), &Style::plain()));
    }

    #[test]
    fn a_narrow_terminal_cuts_titles_and_a_pipe_does_not() {
        let mut state = sample::state(RunStatus::Blocked);
        state.tasks[0].title = "x".repeat(200);
        let narrow = human(&state, &Names::default(), &Style { columns: Some(80), ..Style::plain() });
        assert!(narrow.lines().all(|line| width(line) <= 80), "{narrow}");
        let piped = human(&state, &Names::default(), &Style::plain());
        assert!(piped.contains(&"x".repeat(200)));
    }

    #[test]
    fn the_list_for_programs() {
        let value = json(&sample::state(RunStatus::Blocked));
        let wanted = r#"{"counts":{"total":2,"completed":1,"blocked":1,"pending":0,"running":0},"tasks":[{"id":"P0-1","title":"Add greeting","status":"completed","passes":true,"blocked":false,"block_reason":""},{"id":"P0-2","title":"Add farewell","status":"blocked","passes":false,"blocked":true,"block_reason":"codex failed 3 attempts"}]}"#;
        assert_eq!(value.to_string(), wanted);
    }
}
