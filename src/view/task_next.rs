//! `autodev task next`.

use serde_json::{Value, json};

use super::text::{one_line, plural, push};
use crate::model::Task;

fn nothing(waiting: usize) -> String {
    match waiting {
        0 => "No pending tasks".to_owned(),
        count => format!("No task may begin: {} for others that are not done", plural(count, "task") + " waiting"),
    }
}

/// Returns the task that comes next for people: id, title and steps, or a sentence when none may begin, `waiting` being
/// how many wait for others.
pub fn human(task: Option<&Task>, waiting: usize) -> String {
    let Some(task) = task else {
        return format!("{}\n", nothing(waiting));
    };
    let mut page = format!("{}: {}\n", one_line(task.id.as_str()), one_line(&task.title));
    for step in &task.steps {
        push(&mut page, format_args!("  - {}\n", one_line(step)));
    }
    page
}

/// Returns `{"task": ...}` around the normalised task, or `{"task": null, "message": ...}`.
pub fn json(task: Option<Value>, waiting: usize) -> Value {
    match task {
        Some(task) => json!({ "task": task }),
        None => json!({ "task": null, "message": nothing(waiting) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskId;

    #[test]
    fn steps_are_a_bullet_list() {
        let steps = vec!["write it".to_owned(), "two\nlines".to_owned()];
        let task = Task { id: TaskId::new("P0-1"), title: "Add greeting".into(), steps, ..Task::default() };
        assert_eq!(human(Some(&task), 0), "P0-1: Add greeting\n  - write it\n  - two lines\n");
    }

    #[test]
    fn nothing_pending_is_said_in_both_forms() {
        assert_eq!(human(None, 0), "No pending tasks\n");
        assert_eq!(human(None, 2), "No task may begin: 2 tasks waiting for others that are not done\n");
        assert_eq!(json(None, 0).to_string(), r#"{"task":null,"message":"No pending tasks"}"#);
        assert_eq!(json(Some(json!({"id": "A"})), 0).to_string(), r#"{"task":{"id":"A"}}"#);
    }
}
