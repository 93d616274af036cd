//! A plan as a model replied it, turned into tasks of the queue; and what such a reply looks like.
//!
//! Whether a plan may be used is decided by [`audit`]; this brings it into the form in which the queue is stored. What
//! only the runner knows (attempts, refinements, reasons of a block) is not taken from a model.
//!
//! Invariant: a task that comes out of here is read back as it is, and audits without findings.

use serde_json::{Map, Value};

use super::audit::{self, Finding};
use super::json::{Json, Object};
use super::normal;
use crate::model::{CommandSpec, Completion, Direction, Execution, Iterative, Numeric, Task, TaskId, Verification};

/// A plan without findings.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The project's name as the model wrote it; empty when it wrote none.
    pub project: String,
    /// At least one task, in the order of work, in their normal form. Keys that autodev does not know are kept.
    pub tasks: Vec<Map<String, Value>>,
}

/// Reads a reply that should be a plan.
///
/// # Errors
/// Everything that [`audit::plan`] finds, at least one.
pub fn read(reply: &Value) -> Result<Proposal, Vec<Finding>> {
    let reply = &without_nulls(reply);
    let findings = audit::plan(reply);
    if !findings.is_empty() {
        return Err(findings);
    }
    let tasks = reply.get("tasks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let project = reply.get("project").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let tasks = tasks.iter().filter_map(|task| Json::from(task).as_object().cloned()).map(proposed);
    Ok(Proposal { project, tasks: tasks.map(|task| map(&task)).collect() })
}

/// A model that is held to a schema writes null where it has nothing to say.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let said = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(said.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Returns the normal form of a task that nobody has worked on.
fn proposed(mut task: Object) -> Object {
    let id = task.text("id");
    task.set("id", Json::text(id));
    for key in ["attempt_history", "refinement_count", "last_reflection_summary", "block_reason", "blocked_at"] {
        task.remove(key);
    }
    if task.get("replaces").and_then(Json::as_array).is_some_and(<[Json]>::is_empty) {
        task.remove("replaces");
    }
    normal::normalise(&mut task);
    task
}

pub(super) fn map(object: &Object) -> Map<String, Value> {
    match Value::from(&Json::Object(object.clone())) {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

/// Returns a plan of one task as prompts show it, with placeholders for what the model has to say.
pub fn example() -> Value {
    let task = Task {
        completion: Completion::Boolean,
        execution: Execution::SinglePass,
        ..described("P0-1", &["COMMAND THAT PROVES IT"])
    };
    plan_of(&task)
}

/// Returns [`example`] as prompts show it: JSON text.
pub fn example_text() -> String {
    serde_json::to_string_pretty(&example()).unwrap_or_default()
}

/// Returns the same for a task that improves a measured number step by step.
pub fn example_of_metric() -> Value {
    let task = Task {
        completion: Completion::Numeric(Numeric {
            name: "METRIC".to_owned(),
            source: "json_stdout".to_owned(),
            direction: Some(Direction::LowerIsBetter),
            json_path: "$.METRIC".to_owned(),
            min_improvement: 0.0,
            unchanged_tolerance: 0.0,
            target: None,
            ..Numeric::default()
        }),
        execution: Execution::Iterative(Iterative::default()),
        ..described("P1-1", &["COMMAND THAT PRINTS JSON"])
    };
    plan_of(&task)
}

fn described(id: &str, commands: &[&str]) -> Task {
    let command = |run: &&str| CommandSpec { run: (*run).to_owned(), ..CommandSpec::default() };
    Task {
        id: TaskId::new(id),
        title: "SHORT TITLE".to_owned(),
        description: "WHAT IS DONE AND WHY".to_owned(),
        steps: vec!["CONCRETE STEP".to_owned()],
        output: vec!["FILE THAT COMES OUT".to_owned()],
        verification: Verification {
            path_patterns: vec!["src/*".to_owned()],
            validate_commands: commands.iter().map(command).collect(),
            ..Verification::default()
        },
        ..Task::default()
    }
}

fn plan_of(task: &Task) -> Value {
    let mut plan = Map::new();
    plan.insert("project".to_owned(), Value::from("NAME"));
    plan.insert("tasks".to_owned(), Value::Array(vec![Value::Object(map(&asked(task)))]));
    Value::Object(plan)
}

/// The members that a planner is asked for, in the order of the file.
const ASKED: [&str; 10] =
    ["id", "title", "description", "steps", "docs", "output", "replaces", "verification", "completion", "execution"];

/// Returns the normal form of a task without what the runner adds.
fn asked(task: &Task) -> Object {
    let checks = &task.verification;
    let commands: Vec<String> = checks.validate_commands.iter().map(|command| command.run.clone()).collect();
    // These types have nothing in them that JSON cannot hold.
    let json = |value: serde_json::Result<Value>| Json::from(&value.unwrap_or_default());
    let mut object = Object::from([
        ("id", Json::text(task.id.as_str())),
        ("title", Json::text(&task.title)),
        ("description", Json::text(&task.description)),
        ("steps", Json::texts(&task.steps)),
        ("output", Json::texts(&task.output)),
        ("replaces", Json::texts(&[])),
        (
            "verification",
            Json::Object(Object::from([
                ("path_patterns", Json::texts(&checks.path_patterns)),
                ("validate_commands", Json::texts(&commands)),
            ])),
        ),
        ("completion", json(serde_json::to_value(&task.completion))),
        ("execution", json(serde_json::to_value(&task.execution))),
    ]);
    normal::normalise(&mut object);
    let mut asked = Object::default();
    for key in ASKED {
        if let Some(value) = object.get(key) {
            asked.push(key.to_owned(), value.clone());
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::super::queue_file::tests::parse;
    use super::*;

    #[test]
    fn null_is_nothing() {
        let task = json!({"id": "a", "title": "A", "description": "d", "steps": ["s"], "docs": null, "replaces": [],
            "verification": {"path_patterns": [], "validate_commands": [{"run": "make", "shell": false}],
                "validate_timeout_seconds": null, "validate_working_directory": null},
            "completion": {"kind": "boolean", "source": "gate", "success_when": "all_checks_pass"}, "execution": null});
        let proposal = read(&json!({"project": "p", "tasks": [task]})).unwrap();
        let task = &proposal.tasks[0];
        assert_eq!((&task["docs"], task.get("replaces")), (&json!([]), None));
        assert_eq!(task["verification"].get("validate_timeout_seconds"), None);
        assert_eq!(task["execution"], json!({"strategy": "single_pass"}));
    }

    #[test]
    fn a_plan_becomes_tasks_in_their_normal_form() {
        let reply = json!({"project": " p ", "more": 1, "tasks": [{
            "id": " P0-1 ", "title": "T", "description": "d", "steps": [" s ", 2], "depends_on": ["x"],
            "verification": {"validate_commands": ["make"], "mine": 1.5}, "attempt_history": [{"attempt": 9}],
            "refinement_count": 3, "last_reflection_summary": "s", "block_reason": "r", "blocked_at": "t", "passes": false
        }]});
        let proposal = read(&reply).unwrap();
        assert_eq!(proposal.project, "p");
        let task = &proposal.tasks[0];
        for (key, value) in [
            ("id", json!("P0-1")),
            ("steps", json!(["s", "2"])),
            ("depends_on", json!(["x"])),
            ("verification", json!({"validate_commands": ["make"], "mine": 1.5})),
            ("completion", json!({"kind": "boolean", "source": "gate", "success_when": "all_checks_pass"})),
            ("execution", json!({"strategy": "single_pass"})),
            ("attempt_history", json!([])),
            ("refinement_count", json!(0)),
            ("last_reflection_summary", json!("")),
            ("block_reason", json!("")),
        ] {
            assert_eq!(task[key], value, "{key}");
        }
        assert_eq!(task.get("blocked_at"), None);
        let again = read(&json!({"project": "p", "tasks": proposal.tasks})).unwrap();
        assert_eq!(again, proposal, "the normal form is stable");
        let file = parse(&json!({"tasks": proposal.tasks}).to_string()).unwrap();
        assert_eq!(file.task_value(&TaskId::new("P0-1")).unwrap(), Value::Object(task.clone()));
    }

    #[test]
    fn a_plan_with_findings_is_refused_as_a_whole() {
        let findings = read(&json!({"tasks": [{"id": "a"}, 5]})).unwrap_err();
        assert_eq!(findings.len(), 5, "{findings:?}");
    }

    #[test]
    fn the_examples_of_prompts_are_sound_plans() {
        for (example, metric) in [(example(), false), (example_of_metric(), true)] {
            assert_eq!(audit::plan(&example), []);
            let text = serde_json::to_string_pretty(&example).unwrap();
            let found = crate::logic::reply::candidates(&format!("Like this:\n{text}\n"));
            assert_eq!(found[0].value, example);
            let proposal = read(&example).unwrap();
            let file = parse(&json!({"tasks": proposal.tasks}).to_string()).unwrap();
            let task = &file.queue().tasks[0];
            assert_eq!(task.completion == Completion::Boolean, !metric);
            assert_eq!(plan_of(task)["tasks"], example["tasks"], "what is asked for is what is understood");
        }
        insta::assert_json_snapshot!(example());
        insta::assert_json_snapshot!(example_of_metric());
    }
}
