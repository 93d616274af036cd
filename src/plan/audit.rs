//! Whether tasks that a model wrote can be worked on and proved.
//!
//! A plan is paid for once and run for hours: what would only be noticed at run time (a check that proves nothing, a
//! command that the gate refuses to run, a metric without a direction) is found here, all of it at once. Nothing is
//! mended, and nothing is said about whether the plan is good.
//!
//! Invariant: any JSON is audited without a panic, in time proportional to its size; a queue without findings can be
//! stored and read back.

mod pattern;

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

use super::json::{Json, Object};
use super::place::{self, Step};
use super::{migrate, task_json};
use crate::logic::reply::kind;
use crate::logic::words;
use crate::model::{Completion, Execution, Numeric, Task};

/// Something about a plan or a task that must be otherwise before it can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The task's id, else its title, else `task` and its number; `plan` for the whole.
    pub task: String,
    /// For example `verification.validate_commands[0]`; empty for the task as a whole.
    pub field: String,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, field, problem } = self;
        if field.is_empty() { write!(f, "{task}: {problem}") } else { write!(f, "{task}: {field}: {problem}") }
    }
}

/// Where a task comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A plan: nothing of it can be done or given up yet.
    Plan,
    /// A task of the queue that a reflection has refined: its status is its own.
    Refinement,
}

/// Returns everything that is wrong with a reply that should be a plan: an object with `tasks`, each a task with an id
/// and a title of its own.
pub fn plan(reply: &Value) -> Vec<Finding> {
    let whole = |field: &str, problem: String| vec![finding("plan", field, problem)];
    let Value::Object(members) = reply else {
        return whole("", format!("expected an object with `tasks`, found {}", kind(reply)));
    };
    let tasks = match members.get("tasks") {
        Some(Value::Array(tasks)) if tasks.is_empty() => return whole("tasks", "the list is empty".to_owned()),
        Some(Value::Array(tasks)) => tasks,
        Some(other) => return whole("tasks", format!("expected a list, found {}", kind(other))),
        None => return whole("tasks", "missing".to_owned()),
    };
    let mut findings = Vec::new();
    if let Some(project) = members.get("project").filter(|project| !project.is_string() && !project.is_null()) {
        findings.push(finding("plan", "project", format!("expected a string, found {}", kind(project))));
    }
    let mut seen = Seen::default();
    for (at, task) in tasks.iter().enumerate() {
        let Json::Object(object) = Json::from(task) else {
            findings.push(finding(&numbered(at), "", format!("expected an object, found {}", kind(task))));
            continue;
        };
        let label = label(&object, &numbered(at));
        Audit { object: &object, label: &label, findings: &mut findings }.all(Origin::Plan);
        seen.add(at, &object, &label, &mut findings);
    }
    findings
}

/// Returns everything that is wrong with one task.
pub fn task(task: &Map<String, Value>, origin: Origin) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Json::Object(object) = Json::from(&Value::Object(task.clone())) {
        let label = label(&object, "task");
        Audit { object: &object, label: &label, findings: &mut findings }.all(origin);
    }
    findings
}

/// As [`task`], for an entry of the queue.
pub(super) fn object(object: &Object, origin: Origin) -> Vec<Finding> {
    let mut findings = Vec::new();
    let label = label(object, "task");
    Audit { object, label: &label, findings: &mut findings }.all(origin);
    findings
}

pub(super) fn finding(task: &str, field: &str, problem: impl Into<String>) -> Finding {
    Finding { task: task.to_owned(), field: field.to_owned(), problem: problem.into() }
}

/// Returns what two titles must not have in common: case and white space do not make a difference.
pub fn folded(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn numbered(at: usize) -> String {
    format!("task {}", at + 1)
}

/// Returns a text as it is shown in a finding: a JSON string on one line, shortened.
fn quoted(text: &str) -> String {
    // 80: enough to find it again.
    let short: String = text.chars().take(80).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    Value::from(short + dots).to_string()
}

fn shown(json: &Json) -> String {
    match json {
        Json::String(text) => quoted(text),
        Json::Number(_) | Json::Bool(_) => json.as_text(),
        Json::Null | Json::Array(_) | Json::Object(_) => json.kind().to_owned(),
    }
}

/// Returns a name for a task that fits into a line, whatever a model wrote.
fn label(object: &Object, otherwise: &str) -> String {
    let scalar = |key| object.get(key).filter(|json| matches!(json, Json::String(_) | Json::Number(_)));
    let texts = ["id", "title", "name"].into_iter().filter_map(scalar).map(Json::as_text);
    let told = texts.map(|text| text.chars().filter(|c| !c.is_control()).take(80).collect::<String>());
    told.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

/// The ids and titles so far, with the number of the task that has them.
#[derive(Default)]
struct Seen {
    ids: HashMap<String, usize>,
    titles: HashMap<String, usize>,
}

impl Seen {
    fn add(&mut self, at: usize, object: &Object, label: &str, findings: &mut Vec<Finding>) {
        let task = task_json::read(object, &mut Vec::new());
        let mut check = |known: &mut HashMap<String, usize>, field: &str, text: String| {
            if text.is_empty() {
                return;
            }
            if let Some(first) = known.get(&text) {
                findings.push(finding(label, field, format!("the same as that of {}", numbered(*first))));
            } else {
                known.insert(text, at);
            }
        };
        check(&mut self.ids, "id", task.id.to_string());
        check(&mut self.titles, "title", folded(&task.title));
    }
}

struct Audit<'a> {
    object: &'a Object,
    label: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Audit<'_> {
    fn all(&mut self, origin: Origin) {
        let mut found = Vec::new();
        let task = task_json::read(self.object, &mut found);
        self.identity(&task);
        self.substance(&task);
        for found in found.iter().filter(|found| found.steps.first() != Some(&Step::Key("id"))) {
            self.add(&place::name("", &found.steps), found.message.clone());
        }
        self.verification(&task);
        self.vocabulary();
        if origin == Origin::Plan {
            self.pending(&task);
        }
        if let Completion::Numeric(numeric) = &task.completion {
            self.numeric(numeric, &task);
        }
        if let Execution::Iterative(_) = &task.execution {
            self.iterative(&task);
        }
    }

    fn add(&mut self, field: &str, problem: impl Into<String>) {
        self.findings.push(finding(self.label, field, problem));
    }

    fn identity(&mut self, task: &Task) {
        match self.object.given("id") {
            Some(id @ (Json::Bool(_) | Json::Array(_) | Json::Object(_))) => {
                self.add("id", format!("expected a string, found {}", id.kind()));
            }
            _ if task.id.is_empty() => self.add("id", "missing"),
            _ => {}
        }
        let (title, name) = (self.object.given("title"), self.object.given("name"));
        for (key, value) in [("title", title), ("name", name)] {
            self.text(key, value);
        }
        if task.title.is_empty() {
            self.add("title", "missing");
        }
    }

    fn text(&mut self, key: &str, value: Option<&Json>) {
        if let Some(other) = value.filter(|value| !matches!(value, Json::String(_))) {
            self.add(key, format!("expected a string, found {}", other.kind()));
        }
    }

    fn substance(&mut self, task: &Task) {
        let description = self.object.given("description");
        self.text("description", description);
        if task.description.is_empty() {
            self.add("description", "blank");
        }
        let is_steps_list = self.object.given("steps").is_none_or(|steps| steps.as_array().is_some());
        if is_steps_list && task.steps.is_empty() {
            self.add("steps", "there is none");
        }
        for key in ["steps", "docs", "output", "implementation_notes", "verification_notes", "learning_notes"] {
            match self.object.given(key) {
                None => {}
                Some(Json::Array(items)) => {
                    for (at, item) in items.iter().enumerate() {
                        if matches!(item, Json::Array(_) | Json::Object(_)) {
                            self.add(&format!("{key}[{at}]"), format!("expected a string, found {}", item.kind()));
                        }
                    }
                }
                Some(other) => self.add(key, format!("expected a list, found {}", other.kind())),
            }
        }
    }

    fn verification(&mut self, task: &Task) {
        let key = migrate::verification_key(self.object);
        let checks = self.object.given(key);
        let is_odd = checks.is_some_and(|checks| {
            let list =
                |name| checks.as_object().and_then(|o| o.given(name)).is_none_or(|list| list.as_array().is_some());
            checks.as_object().is_none() || !list("validate_commands") || !list("path_patterns")
        });
        let (commands, patterns) = (&task.verification.validate_commands, &task.verification.path_patterns);
        if commands.is_empty() && patterns.is_empty() && !is_odd {
            self.add("verification", "neither validate_commands nor path_patterns");
        }
        if let Some(problem) = pattern::problem(patterns, !commands.is_empty()) {
            self.add(&format!("{key}.path_patterns"), problem);
        }
        let listed = checks.and_then(Json::as_object).and_then(|checks| checks.get("validate_commands"));
        for (at, command) in listed.and_then(Json::as_array).unwrap_or_default().iter().enumerate() {
            if let Some(problem) = refused(command) {
                self.add(&format!("{key}.validate_commands[{at}]"), problem);
            }
        }
    }

    fn vocabulary(&mut self) {
        for (object, key, known) in [
            ("", "execution_mode", ["delivery", "experiment"]),
            ("completion", "kind", ["boolean", "numeric"]),
            ("completion", "source", ["gate", "json_stdout"]),
            ("execution", "strategy", ["single_pass", "iterative"]),
        ] {
            let holder = if object.is_empty() { Some(self.object) } else { self.object.filled(object) };
            let Some(word) = holder.and_then(|holder| holder.given(key)) else { continue };
            if !known.contains(&word.as_text().as_str()) {
                let field = if object.is_empty() { key.to_owned() } else { format!("{object}.{key}") };
                self.add(&field, format!("expected {}, found {}", known.join(" or "), shown(word)));
            }
        }
    }

    fn pending(&mut self, task: &Task) {
        for (key, is_set) in [("passes", task.status.passes), ("blocked", task.status.blocked)] {
            if is_set {
                self.add(key, "a task of a plan is pending");
            }
        }
    }

    fn numeric(&mut self, numeric: &Numeric, task: &Task) {
        if task.verification.validate_commands.is_empty() {
            self.add("verification.validate_commands", "a metric needs a command that prints it as JSON");
        }
        for (field, text) in [("completion.name", &numeric.name), ("completion.json_path", &numeric.json_path)] {
            if text.is_empty() {
                self.add(field, "missing");
            }
        }
        if numeric.direction.is_none() {
            self.add("completion.direction", "expected lower_is_better or higher_is_better");
        }
        if numeric.source == "gate" {
            self.add("completion.source", "the source of a metric is json_stdout");
        }
        let completion = self.object.filled("completion");
        for key in ["min_improvement", "unchanged_tolerance", "target"] {
            let number = completion.and_then(|completion| completion.given(key));
            if let Some(other) = number.filter(|number| number.as_float().is_none()) {
                self.add(&format!("completion.{key}"), format!("expected a number, found {}", shown(other)));
            }
        }
    }

    fn iterative(&mut self, task: &Task) {
        if task.completion == Completion::Boolean {
            self.add("execution.strategy", "iterative needs a numeric completion");
        }
        let execution = self.object.filled("execution");
        for key in ["max_iterations", "stop_after_no_improvement", "stop_after_invalid"] {
            let count = execution.and_then(|execution| execution.given(key));
            if let Some(other) = count.filter(|count| count.as_integer().is_none_or(|n| n <= 0)) {
                self.add(
                    &format!("execution.{key}"),
                    format!("expected a whole number above 0, found {}", shown(other)),
                );
            }
        }
    }
}

/// Returns why the gate would not run a command.
fn refused(command: &Json) -> Option<String> {
    let run = match command {
        Json::String(text) => text.trim(),
        Json::Object(object) if object.get("shell") == Some(&Json::Bool(true)) => return None,
        Json::Object(object) => match object.get("run") {
            Some(Json::String(text)) => text.trim(),
            _ => return None,
        },
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) => return None,
    };
    if run.is_empty() { None } else { cannot_run(run) }
}

/// Returns why a command line can never run without a shell, if so.
pub fn cannot_run(run: &str) -> Option<String> {
    match words::split(run) {
        Err(error) => Some(error.to_string()),
        Ok(split) if words::is_shell_word(&split.program) => Some(format!(
            "\"{}\" is a shell word and commands run without a shell; write {} or set validate_working_directory",
            split.program,
            words::shell_form(run)
        )),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({"id": "P0-1", "title": "T", "description": "d", "steps": ["s"],
            "verification": {"path_patterns": ["src/*"], "validate_commands": ["cargo test"]}})
    }

    fn measured() -> Value {
        let mut task = good();
        task["completion"] = json!({"kind": "numeric", "source": "json_stdout", "name": "ms", "json_path": "$.ms",
            "direction": "lower_is_better", "target": "5", "min_improvement": 1});
        task["execution"] = json!({"strategy": "iterative", "max_iterations": "4"});
        task
    }

    /// What is found in a plan of one good task with changes: a JSON pointer and a value, null to remove.
    fn found_in(mut task: Value, changes: &[(&str, Value)]) -> Vec<String> {
        for (pointer, value) in changes {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            let parent = task.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            if value.is_null() {
                parent.remove(key);
            } else {
                parent.insert(key.to_owned(), value.clone());
            }
        }
        plan(&json!({"tasks": [task]})).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sound_tasks_have_no_findings() {
        assert_eq!(plan(&json!({"project": null, "tasks": [good()], "more": 1})), []);
        let same = [
            vec![("/id", json!(7))],
            vec![("/title", json!(null)), ("/name", json!("N"))],
            vec![("/verification/validate_commands", json!(null))],
            vec![("/verification/path_patterns", json!(null))],
            vec![("/verification/validate_commands", json!(["a", "", {"run": "a | b", "shell": true}]))],
            vec![("/depends_on", json!(["x"])), ("/docs", json!([1, "", "a.md"])), ("/output", json!(["build/app"]))],
            vec![("/passes", json!(false)), ("/blocked", json!("no")), ("/execution_mode", json!("delivery"))],
            vec![("/completion", json!({})), ("/execution", json!({"strategy": "single_pass"}))],
        ];
        for changes in same {
            assert_eq!(found_in(good(), &changes), Vec::<String>::new(), "{changes:?}");
        }
        assert_eq!(found_in(measured(), &[]), Vec::<String>::new());
        let mut legacy = good();
        legacy["execution_mode"] = json!("experiment");
        legacy["experiment"] = json!({"goal_metric": {"name": "n", "direction": "lower_is_better", "json_path": "$.n"}, "max_iterations": 2});
        assert_eq!(found_in(legacy, &[]), Vec::<String>::new());
    }

    #[test]
    fn each_rule_names_the_task_and_the_field() {
        for (changes, message) in [
            (vec![("/id", json!(null))], "T: id: missing"),
            (vec![("/id", json!(" \n"))], "T: id: missing"),
            (vec![("/id", json!(["a"]))], "T: id: expected a string, found a list"),
            (vec![("/title", json!(null))], "P0-1: title: missing"),
            (vec![("/title", json!(3))], "P0-1: title: expected a string, found a number"),
            (vec![("/description", json!(" "))], "P0-1: description: blank"),
            (vec![("/description", json!(["d"]))], "P0-1: description: expected a string, found a list"),
            (vec![("/steps", json!([" ", null]))], "P0-1: steps: there is none"),
            (vec![("/steps", json!("first this"))], "P0-1: steps: expected a list, found a string"),
            (vec![("/steps", json!(["a", {"b": 1}]))], "P0-1: steps[1]: expected a string, found an object"),
            (vec![("/docs", json!("README.md"))], "P0-1: docs: expected a list, found a string"),
            (vec![("/verification", json!(null))], "P0-1: verification: neither validate_commands nor path_patterns"),
            (
                vec![("/verification", json!({"validate_commands": [""], "path_patterns": []}))],
                "P0-1: verification: neither validate_commands nor path_patterns",
            ),
            (vec![("/verification", json!("cargo test"))], "P0-1: verification: expected an object, found a string"),
            (
                vec![("/verification", json!({"validate_commands": "cargo test"}))],
                "P0-1: verification.validate_commands: expected a list, found a string",
            ),
            (
                vec![("/verification/validate_timeout_seconds", json!("soon"))],
                "P0-1: verification.validate_timeout_seconds: expected a whole number of seconds above 0, found \"soon\"",
            ),
            (
                vec![("/verification/validate_commands", json!(["", "a && b"]))],
                "P0-1: verification.validate_commands[1]: shell operator \"&&\" in \"a && b\": commands run without a \
                 shell; split it into two commands or write {\"run\": \"a && b\", \"shell\": true}",
            ),
            (
                vec![("/verification/validate_commands", json!([{"run": "cd x"}]))],
                "P0-1: verification.validate_commands[0]: \"cd\" is a shell word and commands run without a shell; write \
                 {\"run\": \"cd x\", \"shell\": true} or set validate_working_directory",
            ),
            (
                vec![("/verification", json!({"path_patterns": ["logs/*", "*.o"]}))],
                "P0-1: verification.path_patterns: every pattern names build output or logs, which prove nothing; name \
                 source files, or add a command",
            ),
            (
                vec![("/execution_mode", json!("fast"))],
                "P0-1: execution_mode: expected delivery or experiment, found \"fast\"",
            ),
            (vec![("/completion", json!({"kind": 5}))], "P0-1: completion.kind: expected boolean or numeric, found 5"),
            (
                vec![("/completion", json!({"source": "stdout"}))],
                "P0-1: completion.source: expected gate or json_stdout, found \"stdout\"",
            ),
            (vec![("/completion", json!("boolean"))], "P0-1: completion: expected an object, found a string"),
            (
                vec![("/execution", json!({"strategy": "loop"}))],
                "P0-1: execution.strategy: expected single_pass or iterative, found \"loop\"",
            ),
            (vec![("/passes", json!("yes"))], "P0-1: passes: a task of a plan is pending"),
            (vec![("/blocked", json!(true))], "P0-1: blocked: a task of a plan is pending"),
            (
                vec![("/execution", json!({"strategy": "iterative"}))],
                "P0-1: execution.strategy: iterative needs a numeric completion",
            ),
        ] {
            assert!(
                found_in(good(), &changes).contains(&message.to_owned()),
                "{changes:?}: {:?}",
                found_in(good(), &changes)
            );
        }
        assert_eq!(found_in(good(), &[("/id", json!({}))]).len(), 1);
        assert_eq!(found_in(good(), &[("/steps", json!(5))]).len(), 1);
    }

    #[test]
    fn a_metric_must_be_measurable() {
        for (pointer, value, message) in [
            ("/completion/name", json!(" "), "completion.name: missing"),
            ("/completion/json_path", json!(null), "completion.json_path: missing"),
            (
                "/completion/direction",
                json!("up"),
                "completion.direction: expected lower_is_better or higher_is_better",
            ),
            ("/completion/source", json!("gate"), "completion.source: the source of a metric is json_stdout"),
            ("/completion/target", json!("fast"), "completion.target: expected a number, found \"fast\""),
            ("/completion/min_improvement", json!([]), "completion.min_improvement: expected a number, found a list"),
            (
                "/verification/validate_commands",
                json!(null),
                "verification.validate_commands: a metric needs a command that prints it as JSON",
            ),
            (
                "/execution/max_iterations",
                json!(0),
                "execution.max_iterations: expected a whole number above 0, found 0",
            ),
            (
                "/execution/stop_after_invalid",
                json!("x"),
                "execution.stop_after_invalid: expected a whole number above 0, found \"x\"",
            ),
        ] {
            assert_eq!(found_in(measured(), &[(pointer, value)]), [format!("P0-1: {message}")]);
        }
    }

    #[test]
    fn everything_is_listed_at_once_and_any_json_is_audited() {
        let reply = json!({"project": 5, "tasks": [
            7,
            {"id": "a", "title": "Same  title", "description": "", "steps": "x", "verification": []},
            good(),
            {"id": " P0-1 ", "title": "same TITLE\n", "description": "d", "steps": ["s"], "verification": {"path_patterns": ["x"]}},
            {}
        ]});
        insta::assert_snapshot!(plan(&reply).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        for (reply, message) in [
            (json!([good()]), "plan: expected an object with `tasks`, found a list"),
            (json!(5), "plan: expected an object with `tasks`, found a number"),
            (json!({}), "plan: tasks: missing"),
            (json!({"tasks": {}}), "plan: tasks: expected a list, found an object"),
            (json!({"tasks": null}), "plan: tasks: expected a list, found null"),
            (json!({"tasks": []}), "plan: tasks: the list is empty"),
        ] {
            assert_eq!(plan(&reply).iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
        }
    }

    #[test]
    fn a_refined_task_keeps_its_status() {
        let mut refined = good();
        refined["blocked"] = json!(true);
        let refined = refined.as_object().unwrap();
        assert_eq!(task(refined, Origin::Refinement), []);
        assert_eq!(task(refined, Origin::Plan).len(), 1);
        assert_eq!(task(&Map::new(), Origin::Refinement)[0].to_string(), "task: id: missing");
    }

    #[test]
    fn a_label_is_short_and_on_one_line() {
        let task = json!({"id": format!("a\n\u{1b}[2J{}", "x".repeat(500)), "title": "t"});
        let label = plan(&json!({"tasks": [task]}))[0].task.clone();
        assert_eq!(label.chars().count(), 80);
        assert!(label.starts_with("a[2Jxx"), "{label}");
    }
}
