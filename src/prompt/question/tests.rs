#![expect(clippy::disallowed_methods, reason = "template files are laid out with plain writes")]

use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;

use super::*;

/// A plan of two tasks, as the schema wants it.
const PLAN: &str = r#"{
  "project": "Demo",
  "tasks": [
    {
      "id": "P0-1", "title": "Add greeting", "description": "d", "steps": ["s"], "docs": [], "output": [], "replaces": [],
      "verification": {
        "path_patterns": ["src/*"], "validate_commands": ["cargo test", {"run": "a | b", "shell": true}],
        "validate_timeout_seconds": null, "validate_working_directory": "crate"
      },
      "completion": {"kind": "boolean", "source": "gate", "success_when": "all_checks_pass"},
      "execution": {"strategy": "single_pass"}
    },
    {
      "id": "P1-1", "title": "Make it fast", "description": "d", "steps": ["s"], "docs": [], "output": [], "replaces": ["P0-1"],
      "verification": {
        "path_patterns": [], "validate_commands": ["bench"], "validate_timeout_seconds": 60, "validate_working_directory": null
      },
      "completion": {
        "kind": "numeric", "name": "p95", "source": "json_stdout", "direction": "lower_is_better", "json_path": "$.p95",
        "min_improvement": null, "unchanged_tolerance": 0.5, "target": 50
      },
      "execution": {
        "strategy": "iterative", "max_iterations": 5, "rollback_on_failure": true, "keep_on_equal": null,
        "commit_prefix": null, "stop_after_no_improvement": null, "stop_after_invalid": null
      }
    }
  ]
}"#;

fn none() -> PromptConfig {
    own(Path::new(""))
}

fn own(dir: &Path) -> PromptConfig {
    PromptConfig { template_file: PathBuf::new(), template: String::new(), dir: dir.to_path_buf() }
}

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn pairs(items: &[(&str, &str)]) -> Vec<(String, String)> {
    items.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

fn spec_input<'a>(intent: &'a str, hints: &'a [String]) -> SpecInput<'a> {
    SpecInput { project_name: "Demo", intent, feature_hint: "Greeting", hints }
}

fn plan_input(text: &str) -> PlanInput<'_> {
    PlanInput {
        project_name: "Demo",
        text,
        is_coca: false,
        source_doc: None,
        spec_doc: None,
        checks_hint: "",
        path_hints: &[],
        existing: &[],
        example: PLAN,
    }
}

fn replan_input(planning_text: &str) -> ReplanInput<'_> {
    ReplanInput {
        project_name: "Demo",
        planning_text,
        source_doc: None,
        spec_doc: None,
        epoch: 1,
        completed: &[],
        blocked: &[],
        pending: &[],
        journal: &[],
        repeated: &[],
        checks_hint: "",
        path_hints: &[],
        example: PLAN,
    }
}

fn reflect_input(task_json: &str) -> ReflectInput<'_> {
    ReflectInput {
        task_json,
        attempt: 1,
        max_attempts: 3,
        exit_code: 1,
        contract: &[],
        changed_files: &[],
        gate_errors: &[],
        check_output_tails: &[],
        log_tail: "",
    }
}

/// Every prompt with a text in all the places that can hold one.
fn all_with(text: &str) -> Vec<(&'static str, String)> {
    let list = [text.to_owned()];
    let pair = [(text.to_owned(), text.to_owned())];
    let plan = PlanInput {
        is_coca: true,
        source_doc: Some(text),
        spec_doc: Some(text),
        checks_hint: text,
        path_hints: &list,
        existing: &pair,
        example: text,
        ..plan_input(text)
    };
    let replan = ReplanInput {
        source_doc: Some(text),
        spec_doc: Some(text),
        completed: &list,
        blocked: &pair,
        pending: &list,
        journal: &list,
        repeated: &list,
        checks_hint: text,
        path_hints: &list,
        example: text,
        ..replan_input(text)
    };
    let reflect = ReflectInput {
        contract: &list,
        changed_files: &list,
        gate_errors: &list,
        check_output_tails: &pair,
        log_tail: text,
        ..reflect_input(text)
    };
    let spec = SpecInput { feature_hint: text, project_name: text, ..spec_input(text, &list) };
    vec![
        ("spec", spec.render(&none()).unwrap()),
        ("plan", plan.render(&none()).unwrap()),
        ("replan", replan.render(&none()).unwrap()),
        ("reflect", reflect.render(&none()).unwrap()),
        ("repair", RepairInput { problems: &list, first_reply_head: text }.append_to(text, &none()).unwrap()),
    ]
}

#[test]
fn a_specification_is_asked_for() {
    let hints = texts(&["Rust, built with cargo", "tests: cargo test"]);
    insta::assert_snapshot!(
        spec_input("Greet people politely.\n\n```\nhello {{ name }}\n```\n", &hints).render(&none()).unwrap()
    );
    let bare = SpecInput { feature_hint: "", ..spec_input("x", &[]) }.render(&none()).unwrap();
    assert!(bare.contains("\n# <Feature> - COCA Spec\n") && !bare.contains("# About the project"));
}

#[test]
fn a_plan_is_asked_for() {
    insta::assert_snapshot!(plan_input("Greet people politely.").render(&none()).unwrap());
}

#[test]
fn a_plan_of_a_specification_is_asked_for() {
    let input = PlanInput {
        is_coca: true,
        source_doc: Some("docs/wish.md"),
        spec_doc: Some("docs/specs/greeting-coca-spec.md"),
        checks_hint: "- test: `cargo test`\n- lint: `cargo clippy`",
        path_hints: &texts(&["`src/`: the library"]),
        existing: &pairs(&[("P0-1", "Add\ngreeting")]),
        ..plan_input("# Greeting - COCA Spec\n\n## Context\n")
    };
    let prompt = input.render(&none()).unwrap();
    let plain = plan_input("# Greeting - COCA Spec\n\n## Context\n").render(&none()).unwrap();
    // What it has beyond the plain question; the rest is in the other snapshot.
    let more: Vec<&str> =
        prompt.lines().filter(|line| !line.is_empty() && !plain.lines().any(|l| l == *line)).collect();
    insta::assert_snapshot!(more.join("\n"));
}

#[test]
fn what_remains_is_asked_for() {
    let journal: Vec<String> = (1..=15).map(|n| format!("P0-{n}: learnt {n}")).collect();
    let input = ReplanInput {
        source_doc: Some("wish.md"),
        epoch: 2,
        completed: &texts(&["P0-1: Add greeting"]),
        blocked: &pairs(&[("P0-2: Greet in German", "failed after 3 attempts:\nvalidate:cargo test: exit_code=101")]),
        journal: &journal,
        repeated: &texts(&["Add greeting"]),
        checks_hint: "- test: `cargo test`",
        ..replan_input("Greet people politely.")
    };
    insta::assert_snapshot!(input.render(&none()).unwrap());
}

#[test]
fn a_cause_is_asked_for() {
    let input = ReflectInput {
        exit_code: 99,
        contract: &texts(&[
            "at least 1 file of the project is changed",
            "`cargo test` exits with code 0 (within 1800 s)",
        ]),
        changed_files: &(0..45).map(|n| format!("src/f{n}.rs")).collect::<Vec<_>>(),
        gate_errors: &texts(&["validate:cargo test: exit_code=101"]),
        check_output_tails: &pairs(&[("validate:cargo test", "\u{1b}[31merror\u{1b}[0m\n```\n{{ x }}\n")]),
        log_tail: "$ cargo test\nI am done.\n",
        ..reflect_input("{\n  \"id\": \"P0-1\"\n}")
    };
    insta::assert_snapshot!(input.render(&none()).unwrap());
    let bare = reflect_input("{}").render(&none()).unwrap();
    assert!(bare.contains("The attempt ended with code 1.\n") && bare.contains("\nNo file was changed.\n"), "{bare}");
    assert!(bare.contains("- no check is set\n"));
}

#[test]
fn an_answer_is_asked_for_once_more() {
    let problems = texts(&["tasks[0].steps: empty", "not JSON:\nline 3"]);
    let repair = RepairInput { problems: &problems, first_reply_head: "Sure! {\"tasks\"\u{7}: [" };
    let prompt = repair.append_to("The question.\n", &none()).unwrap();
    insta::assert_snapshot!(prompt);
}

#[test]
fn every_json_in_a_prompt_is_json() {
    let mut seen = 0;
    let reflect = reflect_input("{}").render(&none()).unwrap();
    for prompt in [plan_input("x").render(&none()).unwrap(), replan_input("x").render(&none()).unwrap(), reflect] {
        for block in prompt.split("\n```json\n").skip(1) {
            let text = block.split("\n```").next().unwrap();
            serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            seen += 1;
        }
        assert!(!prompt.contains("{{") && !prompt.contains("{%"), "{prompt}");
    }
    assert_eq!(seen, 4 + 4 + 2);
}

#[test]
fn the_example_of_a_reflection_is_read_without_a_remark() {
    let read = Refinement::read(&serde_json::from_str(&reflection_example()).unwrap()).unwrap();
    assert_eq!(read.ignored, Vec::<String>::new());
    let is_there = [&read.steps, &read.docs, &read.output, &read.implementation_notes, &read.verification_notes];
    assert!(is_there.iter().all(|list| list.len() == 1) && read.learning_notes.len() == 1);
    assert_eq!(read.verification.validate_commands.len(), 1);
    assert_eq!(read.verification.validate_timeout_seconds, Some(3600));
}

#[test]
fn the_examples_of_completions_are_those_of_the_model() {
    let rules = rules("", &[]).unwrap();
    let blocks: Vec<&str> =
        rules.split("\n```json\n").skip(1).filter_map(|block| block.split("\n```").next()).collect();
    let [boolean, numeric, iterative] = blocks.as_slice() else { panic!("{blocks:?}") };
    assert_eq!(serde_json::from_str::<Completion>(boolean).unwrap(), Completion::Boolean);
    assert!(matches!(serde_json::from_str(numeric).unwrap(), Completion::Numeric(n) if n.target == Some(50.0)));
    assert_eq!(serde_json::from_str::<Execution>(iterative).unwrap(), Execution::Iterative(Iterative::default()));
}

#[test]
fn long_output_is_cut_to_its_end() {
    let long = "line of output\n".repeat(5_000);
    let many = vec!["e".repeat(1_000); 30];
    let outputs = [("a".to_owned(), long.clone()), ("b".to_owned(), long.clone())];
    let input =
        ReflectInput { gate_errors: &many, check_output_tails: &outputs, log_tail: &long, ..reflect_input("{}") };
    let prompt = input.render(&none()).unwrap();
    assert!(prompt.chars().count() < OUTPUT + LOG + ERRORS * (LINE + 10) + 6_000, "{}", prompt.chars().count());
    assert!(prompt.contains("... 10 more") && prompt.contains("earlier characters left out]"));
    let repair = RepairInput { problems: &[], first_reply_head: &long };
    assert!(repair.append_to("", &none()).unwrap().chars().count() < HEAD + 500);
}

#[test]
fn a_project_replaces_one_prompt_and_keeps_the_others() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plan.md"), "Plan {{ text }} for {{ project_name }}.\n{{ rules }}\n").unwrap();
    let config = own(dir.path());
    let prompt = plan_input("{{ x }}").render(&config).unwrap();
    assert!(prompt.starts_with("Plan {{ x }} for Demo.\n# How a task is judged\n"), "{prompt}");
    assert_eq!(replan_input("x").render(&config).unwrap(), replan_input("x").render(&none()).unwrap());
    std::fs::write(dir.path().join("plan.md"), "a\nb {{ txt }}").unwrap();
    let error = plan_input("x").render(&config).unwrap_err().to_string();
    assert!(
        error.contains("plan.md line 2: undefined value in `b {{ txt }}` (this prompt has project_name, text, "),
        "{error}"
    );
    for name in Name::ALL {
        std::fs::write(dir.path().join(name.file_name()), name.built_in()).unwrap();
    }
    assert_eq!(plan_input("x").render(&config).unwrap(), plan_input("x").render(&none()).unwrap());
    assert_eq!(reflect_input("x").render(&config).unwrap(), reflect_input("x").render(&none()).unwrap());
}

#[test]
fn text_that_looks_like_a_template_stays_text() {
    let text = "{{ project_name }} {% if %} {# no #} {{ rules | code }} ```";
    for (name, prompt) in all_with(text) {
        assert!(prompt.contains(text), "{name}: {prompt}");
    }
}

proptest::proptest! {
    // 32: each case renders five prompts.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
    #[test]
    fn any_text_makes_a_prompt(text in "([{}%#`a-z \n\u{1b}]|\\PC){1,60}") {
        for (name, prompt) in all_with(&format!("<{text}>")) {
            proptest::prop_assert!(prompt.len() > 100, "{}", name);
        }
        let question = plan_input(&text).render(&none()).unwrap();
        proptest::prop_assert!(question.contains(text.trim_matches('\n').trim_end()));
    }
}

/// Whether a value has the form; only the words that the schema uses are known.
fn fits(schema: &Value, root: &Value, value: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        return fits(&root["$defs"][name.rsplit('/').next().unwrap()], root, value);
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        return forms.iter().any(|form| fits(form, root, value));
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let is_of_type = types.iter().any(|name| match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other}"),
    });
    let is_in = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    let members = value.as_object().into_iter().flatten();
    let items = value.as_array().into_iter().flatten();
    let has_all = schema["required"].as_array().is_none_or(|keys| {
        value.as_object().is_none_or(|object| keys.iter().all(|key| object.contains_key(key.as_str().unwrap())))
    });
    is_of_type
        && is_in
        && has_all
        && members.into_iter().all(|(key, value)| schema["properties"].get(key).is_some_and(|s| fits(s, root, value)))
        && items.into_iter().all(|item| fits(&schema["items"], root, item))
}

fn objects<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    if value["type"] == "object" {
        found.push(value);
    }
    match value {
        Value::Object(members) => members.values().for_each(|value| objects(value, found)),
        Value::Array(items) => items.iter().for_each(|value| objects(value, found)),
        _ => {}
    }
}

#[test]
fn the_schema_of_plans_keeps_the_strictest_rules() {
    let schema: Value = serde_json::from_str(PLAN_SCHEMA).unwrap();
    assert_eq!(schema["type"], "object", "the root is no reference and no choice");
    assert!(schema.get("$schema").is_none(), "some programs refuse newer drafts");
    let mut found = Vec::new();
    objects(&schema, &mut found);
    assert_eq!(found.len(), 8);
    for object in found {
        assert_eq!(object["additionalProperties"], false, "{object}");
        let keys: Vec<&str> = object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let required: Vec<&str> = object["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(keys, required, "optional ones are null");
    }
    let words = ["oneOf", "allOf", "not", "const", "pattern", "if", "patternProperties", "default", "minItems"];
    for word in words {
        assert!(!PLAN_SCHEMA.contains(&format!("\"{word}\"")), "{word} is not known everywhere");
    }
}

#[test]
fn the_schema_of_plans_tells_plans_from_others() {
    let schema: Value = serde_json::from_str(PLAN_SCHEMA).unwrap();
    let plan: Value = serde_json::from_str(PLAN).unwrap();
    assert!(fits(&schema, &schema, &plan));
    assert!(fits(&schema, &schema, &json!({"project": "", "tasks": []})), "nothing remains");
    for (at, wrong) in [
        ("/tasks/0/passes", json!(true)),
        ("/tasks/0/execution_mode", json!("experiment")),
        ("/tasks/0/steps", json!("one")),
        ("/tasks/0/completion/kind", json!("numeric")),
        ("/tasks/1/completion/direction", json!("down")),
        ("/tasks/1/execution/strategy", json!("single_pass")),
        ("/tasks/0/verification/validate_commands/0", json!(1)),
    ] {
        let mut changed = plan.clone();
        let (parent, key) = at.rsplit_once('/').unwrap();
        match changed.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[0] = wrong,
            Value::Object(members) => drop(members.insert(key.to_owned(), wrong)),
            _ => panic!("{at}"),
        }
        assert!(!fits(&schema, &schema, &changed), "{at}");
    }
}
