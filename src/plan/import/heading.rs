//! What a heading announces: a task, a list of tasks, or text that is no work.

use super::inline::fold;

/// A heading such as `Task 3: Add login`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskHeading {
    /// `T3`, for iterations `I3`, for steps `S3`.
    pub(super) id: String,
    /// Not blank.
    pub(super) title: String,
}

/// Reads `Task 3: Title`, `Iteration 2.1: Title` and `Step 4 - Title`; a missing title is the heading itself.
pub(super) fn task(heading: &str) -> Option<TaskHeading> {
    let (word, rest) = heading.trim().split_once(char::is_whitespace)?;
    let letter = match word.to_ascii_lowercase().as_str() {
        "task" => 'T',
        "iteration" => 'I',
        "step" => 'S',
        _ => return None,
    };
    let rest = rest.trim_start().trim_start_matches('#');
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    let is_dotted = number.ends_with('.');
    let number = number.trim_end_matches('.');
    let is_number = number.len() <= 12 && number.starts_with(|c: char| c.is_ascii_digit());
    // Either punctuation and a title, or nothing at all.
    let title = rest.trim_start().trim_start_matches([':', '-', '.', ')', '\u{2013}', '\u{2014}']).trim();
    let is_separated = is_dotted || rest.is_empty() || rest.trim_start().len() > title.len();
    if !is_number || !is_separated {
        return None;
    }
    let title = if title.is_empty() { heading.trim() } else { title };
    Some(TaskHeading { id: format!("{letter}{number}"), title: title.to_owned() })
}

/// Whether a heading announces the list of tasks.
pub(super) fn is_task_list(heading: &str) -> bool {
    matches!(
        words(heading).as_str(),
        "tasks"
            | "task list"
            | "task breakdown"
            | "implementation tasks"
            | "development tasks"
            | "todo"
            | "to do"
            | "todos"
            | "steps"
            | "implementation steps"
            | "work items"
            | "action items"
            | "step by step tasks"
    )
}

/// Whether what stands below a heading is no work, though it may have boxes: criteria, risks, things left out.
pub(super) fn is_no_work(heading: &str) -> bool {
    matches!(
        words(heading).as_str(),
        "acceptance criteria"
            | "acceptance"
            | "success criteria"
            | "exit criteria"
            | "completion criteria"
            | "definition of done"
            | "definition of ready"
            | "done when"
            | "assertions"
            | "constraints"
            | "outcome"
            | "context"
            | "out of scope"
            | "non goals"
            | "nongoals"
            | "not in scope"
            | "risks"
            | "risks and mitigations"
            | "open questions"
            | "questions"
            | "references"
            | "notes"
            | "prerequisites"
            | "assumptions"
            | "post completion"
            | "review checklist"
            | "requirements checklist"
            | "future work"
            | "deferred"
            | "legend"
            | "progress tracking"
    )
}

/// Returns a heading's words in lower case, without numbers, emoji and what stands in parentheses.
fn words(heading: &str) -> String {
    let heading = heading.split(['(', ':']).next().unwrap_or_default();
    fold(&heading.chars().map(|c| if c.is_alphabetic() { c } else { ' ' }).collect::<String>())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn headings_of_tasks_are_told_from_others() {
        for (heading, id, title) in [
            ("Task 1: Add login", "T1", "Add login"),
            ("Iteration 2.5: Polish", "I2.5", "Polish"),
            ("task 3 \u{2014} Add logout", "T3", "Add logout"),
            ("Step 4. Wire it", "S4", "Wire it"),
            ("Task 2a: x", "T2a", "x"),
            ("Task 7", "T7", "Task 7"),
        ] {
            let expected = TaskHeading { id: id.to_owned(), title: title.to_owned() };
            assert_eq!(task(heading), Some(expected), "{heading}");
        }
        for heading in ["Tasks", "Task list", "Task A: x", "Task 1 of many", "Phase 1: Setup", "Task"] {
            assert_eq!(task(heading), None, "{heading}");
        }
    }

    #[test]
    fn numbers_and_emoji_do_not_hide_what_a_heading_means() {
        assert!(is_task_list("3. \u{1f4cb} Tasks (MVP)"));
        assert!(!is_task_list("Task 1: a"));
        assert!(is_no_work("Non-goals"));
        assert!(is_no_work("\u{2705} Acceptance Criteria"));
        assert!(!is_no_work("Phase 1: Setup"));
    }
}
