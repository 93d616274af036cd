//! Writes a task back in its normal form.
//!
//! Every known member is present and has its type afterwards; unknown members and the order stay. Nothing is
//! decided here: the values are those that `task_json` reads. Invariant: reading the normal form gives the same task.

use super::json::{Json, Object};
use super::{migrate, task_json};
use crate::model::{HistoryEntry, JournalNote, Status};

/// Brings a task into the normal form.
pub(super) fn normalise(object: &mut Object) {
    let task = task_json::read(object, &mut Vec::new());
    object.set("description", keep_text(object, "description"));
    for (key, texts) in [
        ("steps", &task.steps),
        ("docs", &task.docs),
        ("output", &task.output),
        ("implementation_notes", &task.implementation_notes),
        ("verification_notes", &task.verification_notes),
        ("learning_notes", &task.learning_notes),
    ] {
        object.set(key, Json::texts(texts));
    }
    object.set("passes", Json::Bool(task.status.passes));
    object.set("blocked", Json::Bool(task.status.blocked));
    object.set("block_reason", keep_text(object, "block_reason"));
    verification(object);
    migrate::write(object);
    let history = task_json::objects(object.get("attempt_history")).cloned().map(Json::Object).collect();
    object.set("attempt_history", Json::Array(history));
    object.set("last_reflection_summary", keep_text(object, "last_reflection_summary"));
    object.set("refinement_count", Json::integer(task.refinement_count));
}

/// Returns a text as written; the white space of a person's description is theirs.
fn keep_text(object: &Object, key: &str) -> Json {
    match object.get(key) {
        Some(Json::String(text)) => Json::text(text),
        other => Json::text(other.map(Json::as_text).unwrap_or_default()),
    }
}

fn verification(object: &mut Object) {
    if migrate::verification_key(object) == "gate" {
        object.remove("verification");
        object.rename("gate", "verification");
    }
    let mut checks = object.filled("verification").cloned().unwrap_or_default();
    checks.remove("evidence_keys");
    object.set("verification", Json::Object(checks));
}

/// Sets the four status members; `blocked_at` comes into being with the first block.
pub(super) fn write_status(object: &mut Object, status: &Status) {
    object.set("passes", Json::Bool(status.passes));
    object.set("blocked", Json::Bool(status.blocked));
    object.set("block_reason", Json::text(&status.block_reason));
    if !status.blocked_at.is_empty() || object.get("blocked_at").is_some() {
        object.set("blocked_at", Json::text(&status.blocked_at));
    }
}

/// Adds an entry to `attempt_history` and keeps the newest `cap`.
pub(super) fn append_history(object: &mut Object, entry: &HistoryEntry, cap: usize) {
    let mut history: Vec<Json> = task_json::objects(object.get("attempt_history")).cloned().map(Json::Object).collect();
    history.push(Json::Object(Object::from([
        ("attempt", Json::integer(entry.attempt)),
        ("status", Json::text(&entry.status)),
        ("backend_exit_code", Json::integer(entry.backend_exit_code)),
        ("summary", Json::text(&entry.summary)),
        // 20 files and 10 errors: what the file format promises its readers.
        ("changed_files", Json::texts(entry.changed_files.iter().take(20))),
        ("verification_errors", Json::texts(entry.verification_errors.iter().take(10))),
    ])));
    object.set("attempt_history", Json::Array(newest(history, cap)));
}

/// Prints an entry of `learning_journal`.
pub(super) fn journal_note(note: &JournalNote) -> Json {
    Json::Object(Object::from([
        ("task_id", Json::text(&note.task_id)),
        ("status", Json::text(&note.status)),
        ("summary", Json::text(&note.summary)),
        ("learning_notes", Json::texts(&note.learning_notes)),
    ]))
}

/// Returns the last `cap` items.
pub(super) fn newest<T>(mut items: Vec<T>, cap: usize) -> Vec<T> {
    items.drain(..items.len().saturating_sub(cap));
    items
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::place::Step;
    use super::super::scan::parse;
    use super::*;

    fn normal(text: &str) -> (Object, Object) {
        let before = parse(text).unwrap().as_object().unwrap().clone();
        let mut after = before.clone();
        normalise(&mut after);
        (before, after)
    }

    #[test]
    fn a_bare_task_gets_every_member_in_the_usual_order() {
        let (_, after) = normal(r#"{"mine": 1.0, "id": "a", "gate": {"evidence_keys": [], "path_patterns": ["x"]}}"#);
        let mut out = String::new();
        after.print(0, &mut out);
        insta::assert_snapshot!(out, @r#"
        {
          "mine": 1.0,
          "id": "a",
          "verification": {
            "path_patterns": [
              "x"
            ]
          },
          "description": "",
          "steps": [],
          "docs": [],
          "output": [],
          "implementation_notes": [],
          "verification_notes": [],
          "learning_notes": [],
          "passes": false,
          "blocked": false,
          "block_reason": "",
          "completion": {
            "kind": "boolean",
            "source": "gate",
            "success_when": "all_checks_pass"
          },
          "execution": {
            "strategy": "single_pass"
          },
          "execution_mode": "delivery",
          "attempt_history": [],
          "last_reflection_summary": "",
          "refinement_count": 0
        }
        "#);
    }

    #[test]
    fn a_persons_text_keeps_its_white_space() {
        let (_, after) = normal(r#"{"id": "a", "description": " two\nlines \n"}"#);
        assert_eq!(after.get("description"), Some(&Json::text(" two\nlines \n")));
    }

    /// Members that a task may have, with values of any type.
    fn any_task() -> impl Strategy<Value = String> {
        let scalar = prop::sample::select(vec![
            "null",
            "true",
            "\"\"",
            "\" x \"",
            "\"yes\"",
            "1",
            "-2",
            "1.50",
            "1e999",
            "[]",
            "{}",
            "[1, \" a \", null, {}]",
            r#"{"kind": "numeric", "name": "n", "target": "5", "more": 1}"#,
            r#"{"strategy": "iterative", "max_iterations": 0, "keep_on_equal": "on"}"#,
            r#"{"goal_metric": {"name": "n", "min_improvement": 0.10}, "max_iterations": 9}"#,
            r#"{"path_patterns": ["a"], "evidence_keys": [1], "validate_commands": ["x", {"run": "y"}]}"#,
        ]);
        let key = prop::sample::select(vec![
            "id",
            "title",
            "name",
            "description",
            "steps",
            "learning_notes",
            "passes",
            "blocked",
            "block_reason",
            "blocked_at",
            "verification",
            "gate",
            "completion",
            "execution",
            "execution_mode",
            "experiment",
            "attempt_history",
            "refinement_count",
            "last_reflection_summary",
            "mine",
        ]);
        prop::collection::vec((key, scalar), 0..12).prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
            format!("{{{}}}", members.join(", "))
        })
    }

    proptest! {
        #[test]
        fn the_normal_form_reads_the_same_and_is_stable(text in any_task()) {
            let (before, after) = normal(&text);
            let mut found = Vec::new();
            let task = task_json::read(&before, &mut found);
            // Files with wrong types are never written; a missing id does not matter here.
            prop_assume!(found.iter().all(|found| found.steps == [Step::Key("id")]));
            prop_assert_eq!(task_json::read(&after, &mut Vec::new()), task);
            let mut again = after.clone();
            normalise(&mut again);
            prop_assert_eq!(&again, &after);
            prop_assert!(!migrate::is_legacy(&after));
        }
    }
}
