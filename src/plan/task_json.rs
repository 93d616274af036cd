//! Turns one entry of `tasks` into a [`Task`].
//!
//! Lenient where nothing is at stake (a list that is none is empty, a flag may be a word), strict about what
//! decides whether work is done: see `verification`. Reads only; writing the normal form back is `normal`.

use super::json::{Json, Object};
use super::migrate;
use super::place::Step;
use super::verification::{Found, Reader};
use crate::model::{BackendName, Completion, HistoryEntry, JournalNote, Status, Task, TaskId, Verification};

/// Reads a task; what cannot be worked with is added to `found` and left out of the task.
pub(super) fn read<'a>(object: &'a Object, found: &mut Vec<Found<'a>>) -> Task {
    let mut reader = Reader::new(found);
    let status = status(object);
    let id = id(object, !status.passes && !status.blocked, &mut reader);
    let checks = migrate::verification_key(object);
    let verification = match reader.object(object, checks) {
        Some(checked) => reader.below(Step::Key(checks), |reader| reader.verification(checked)),
        None => Verification::default(),
    };
    // Their contents are read leniently, but a completion that is a text must not count as "all checks pass".
    reader.object(object, "completion");
    reader.object(object, "execution");
    let completion = completion(object, &mut reader);
    let backend = backend(object, &mut reader);
    let title = object.text("title");
    Task {
        id,
        title: if title.is_empty() { object.text("name") } else { title },
        description: object.text("description"),
        steps: texts(object, "steps"),
        docs: texts(object, "docs"),
        output: texts(object, "output"),
        implementation_notes: texts(object, "implementation_notes"),
        verification_notes: texts(object, "verification_notes"),
        learning_notes: texts(object, "learning_notes"),
        status,
        verification,
        completion,
        execution: migrate::execution(object),
        depends_on: texts(object, "depends_on"),
        backend,
        priority: object.get("priority").and_then(Json::as_integer),
        attempt_history: objects(object.get("attempt_history")).map(history_entry).collect(),
        last_reflection_summary: object.text("last_reflection_summary"),
        refinement_count: count(object, "refinement_count"),
    }
}

fn completion<'a>(object: &'a Object, reader: &mut Reader<'a, '_>) -> Completion {
    let mut completion = migrate::completion(object);
    if let Completion::Numeric(numeric) = &mut completion {
        let experiment = object.filled("experiment").and_then(|experiment| experiment.filled("goal_metric"));
        match (object.filled("completion"), experiment) {
            (Some(written), _) => reader.below(Step::Key("completion"), |reader| reader.metric(written, numeric)),
            (None, Some(goal)) => reader.below(Step::Key("experiment"), |reader| {
                reader.below(Step::Key("goal_metric"), |reader| reader.metric(goal, numeric));
            }),
            (None, None) => {}
        }
    }
    completion
}

/// Another agent than the one that was asked for would do the work, so a name must be known.
fn backend<'a>(object: &'a Object, reader: &mut Reader<'a, '_>) -> Option<BackendName> {
    let value = object.given("backend").filter(|value| !value.as_text().is_empty())?;
    let name = value.as_text();
    let known = BackendName::ALL.into_iter().find(|known| known.as_str() == name);
    if known.is_none() {
        let names = BackendName::ALL.map(BackendName::as_str).join(", ");
        reader.below(Step::Key("backend"), |reader| reader.complain(format!("expected one of {names}")));
    }
    known
}

fn id<'a>(object: &'a Object, is_runnable: bool, reader: &mut Reader<'a, '_>) -> TaskId {
    reader.below(Step::Key("id"), |reader| match object.given("id") {
        Some(other @ (Json::Array(_) | Json::Object(_))) => {
            reader.expected("a string", other);
            TaskId::default()
        }
        value => {
            let id = TaskId::new(value.map(Json::as_text).unwrap_or_default());
            if id.is_empty() && is_runnable {
                reader.complain("a task that is neither done nor blocked needs an id");
            }
            id
        }
    })
}

fn status(object: &Object) -> Status {
    let flag = |key| object.get(key).is_some_and(|value| value.as_flag(false));
    Status {
        passes: flag("passes"),
        blocked: flag("blocked"),
        block_reason: object.text("block_reason"),
        blocked_at: object.text("blocked_at"),
    }
}

/// Returns the items of a list as trimmed texts without blanks; empty when it is no list.
fn texts(object: &Object, key: &str) -> Vec<String> {
    let items = object.get(key).and_then(Json::as_array).unwrap_or_default();
    items.iter().map(Json::as_text).filter(|text| !text.is_empty()).collect()
}

fn count(object: &Object, key: &str) -> u32 {
    let number = object.get(key).and_then(Json::as_integer).unwrap_or_default();
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

/// Returns the objects of a list; other items do not count.
pub(super) fn objects(list: Option<&Json>) -> impl Iterator<Item = &Object> {
    list.and_then(Json::as_array).unwrap_or_default().iter().filter_map(Json::as_object)
}

fn history_entry(object: &Object) -> HistoryEntry {
    let code = object.get("backend_exit_code").and_then(Json::as_integer).unwrap_or_default();
    HistoryEntry {
        attempt: count(object, "attempt"),
        status: object.text("status"),
        backend_exit_code: i32::try_from(code).unwrap_or(-1),
        summary: object.text("summary"),
        changed_files: texts(object, "changed_files"),
        verification_errors: texts(object, "verification_errors"),
    }
}

/// Reads one entry of `learning_journal`.
pub(super) fn journal_note(object: &Object) -> JournalNote {
    JournalNote {
        task_id: object.text("task_id"),
        status: object.text("status"),
        summary: object.text("summary"),
        learning_notes: texts(object, "learning_notes"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::super::scan::parse;
    use super::*;

    fn task(text: &str) -> (Task, Vec<String>) {
        let json = parse(text).unwrap();
        let mut found = Vec::new();
        let task = read(json.as_object().unwrap(), &mut found);
        (task, found.iter().map(|f| format!("{}: {}", place::name("", &f.steps), f.message)).collect())
    }

    #[test]
    fn odd_values_are_read_as_well_as_they_can_be() {
        let (task, found) = task(
            r#"{"id": 7, "name": "N", "description": null, "steps": [" a ", "", 2, null, true], "docs": "no list",
               "passes": "YES", "blocked": "perhaps", "block_reason": null, "verification": null, "completion": null,
               "attempt_history": [{"attempt": 1, "status": "failed", "backend_exit_code": 99, "summary": "s"}, 5],
               "refinement_count": "3", "last_reflection_summary": 4}"#,
        );
        assert!(found.is_empty(), "{found:?}");
        assert_eq!((task.id.as_str(), task.label()), ("7", "N"));
        assert_eq!(task.steps, ["a", "2", "true"]);
        assert!(task.docs.is_empty());
        assert!(task.status.passes && !task.status.blocked);
        assert_eq!(task.attempt_history.len(), 1);
        assert_eq!(task.attempt_history[0].backend_exit_code, 99);
        assert_eq!((task.refinement_count, task.last_reflection_summary.as_str()), (3, "4"));
    }

    #[test]
    fn what_decides_about_done_must_have_its_type() {
        for (text, message) in [
            (r#"{"title": "t"}"#, "id: a task that is neither done nor blocked needs an id"),
            (r#"{"id": "  "}"#, "id: a task that is neither done nor blocked needs an id"),
            (r#"{"id": []}"#, "id: expected a string, found a list"),
            (r#"{"id": "a", "completion": "boolean"}"#, "completion: expected an object, found a string"),
            (r#"{"id": "a", "execution": []}"#, "execution: expected an object, found a list"),
            (r#"{"id": "a", "verification": []}"#, "verification: expected an object, found a list"),
            (r#"{"id": "a", "gate": {"path_patterns": 1}}"#, "gate.path_patterns: expected a list, found a number"),
        ] {
            assert_eq!(task(text).1, [message], "{text}");
        }
        assert!(task(r#"{"title": "t", "passes": true}"#).1.is_empty(), "a task that is done may be nameless");
        let (moved, _) = task(r#"{"id": "a", "verification": {}, "gate": {"path_patterns": ["x"]}}"#);
        assert_eq!(moved.verification.path_patterns, ["x"]);
    }
}
