use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::logic::contract::{self, Planned};
use crate::model::config::VerificationConfig;
use crate::model::{
    CommandSpec, Completion, EnvProblem, Execution, Iterative, Limit, Numeric, Outcome, Task, TaskId, Verdict,
    Verification,
};

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn spec(run: &str) -> CommandSpec {
    CommandSpec { run: run.to_owned(), ..CommandSpec::default() }
}

fn config(commands: &[&str]) -> VerificationConfig {
    VerificationConfig {
        min_changed_files: 1,
        changed_files_preview_limit: 20,
        validate_commands: texts(commands),
        validate_timeout_seconds: 100,
        validate_working_directory: String::new(),
        validate_environment: std::collections::BTreeMap::new(),
    }
}

fn rules(verification: &VerificationConfig) -> Rules<'_> {
    let cannot_run = |line: &str| line.contains("&&").then(|| "needs a shell".to_owned());
    Rules { max_notes: 3, verification, cannot_run }
}

fn task() -> Task {
    Task {
        id: TaskId::new("P0-1"),
        title: "t".to_owned(),
        description: "d".to_owned(),
        steps: texts(&["old"]),
        docs: texts(&["a.md"]),
        learning_notes: texts(&["one", "two"]),
        verification: Verification {
            path_patterns: texts(&["src/*"]),
            validate_commands: vec![spec("cargo test")],
            validate_working_directory: Some("crate".to_owned()),
            ..Verification::default()
        },
        refinement_count: 1,
        last_reflection_summary: "before".to_owned(),
        ..Task::default()
    }
}

fn read(value: &Value) -> Refinement {
    Refinement::read(value).unwrap()
}

fn refined(task: &Task, value: &Value) -> Refined {
    refine(task, &read(value), &rules(&config(&["make check"])))
}

fn report(verdict: Verdict) -> GateReport {
    GateReport { verdict, checks: Vec::new(), outcome: Outcome::NotMet, metric: None, errors: Vec::new() }
}

#[test]
fn a_question_is_due_when_there_is_something_to_learn_and_someone_to_use_it() {
    let exited = ProcessEnd::Exited { code: 0 };
    let failed = report(Verdict::Fail);
    let due = Occasion {
        is_enabled: true,
        max_refinements: 3,
        refinement_count: 2,
        end: &exited,
        gate: Some(&failed),
        has_changes: false,
        has_successor: true,
    };
    assert!(is_due(&due));
    assert!(is_due(&Occasion { gate: None, has_changes: true, end: &ProcessEnd::TimedOut, ..due }));
    assert!(!is_due(&Occasion { gate: None, ..due }), "nothing was done and nothing was checked");
    assert!(!is_due(&Occasion { gate: Some(&report(Verdict::Pass)), ..due }));
    assert!(!is_due(&Occasion { is_enabled: false, ..due }));
    assert!(!is_due(&Occasion { refinement_count: 3, ..due }));
    assert!(!is_due(&Occasion { has_successor: false, ..due }), "no attempt could use the answer");
    for end in [
        ProcessEnd::Limited(Limit { code: 1, reason: "r".to_owned(), until: None }),
        ProcessEnd::EnvError(EnvProblem { code: 1, reason: "r".to_owned() }),
        ProcessEnd::Interrupted,
        ProcessEnd::Lost,
    ] {
        assert!(!is_due(&Occasion { end: &end, has_changes: true, ..due }), "{end:?}");
    }
}

#[test]
fn a_wrong_field_is_named_and_the_others_count() {
    let value = json!({
        "summary": " \u{1b}[1mwhy\u{1b}[0m ", "steps": ["a", 1, " ", null, "b"], "docs": "a.md", "output": null,
        "title": "easier", "passes": true,
        "verification": {
            "path_patterns": [" src/* ", {}], "validate_timeout_seconds": 0, "min_changed_files": 0,
            "validate_commands": [
                "make", 7, {"run": "x", "shell": "yes"}, {"run": "y", "timeout_seconds": 5, "name": "n"}, {}, "a\u{0}b",
            ],
        },
    });
    let read = read(&value);
    assert_eq!((read.summary.as_str(), &read.steps), ("why", &texts(&["a", "b"])));
    assert!(read.docs.is_empty() && read.output.is_empty());
    assert_eq!(read.verification.path_patterns, ["src/*"]);
    let named = CommandSpec { timeout_seconds: Some(5), name: Some("n".to_owned()), ..spec("y") };
    assert_eq!(read.verification.validate_commands, [spec("make"), named]);
    assert_eq!(
        read.ignored,
        [
            "steps[1]: expected a string, found a number",
            "steps[3]: expected a string, found null",
            "docs: expected a list, found a string",
            "verification.min_changed_files: not for a reflection to change",
            "verification.path_patterns[1]: expected a string, found an object",
            "verification.validate_commands[1]: expected a string, found a number",
            "verification.validate_commands[2].shell: expected true or false, found a string",
            "verification.validate_commands[4]: a command needs something to run",
            "verification.validate_commands[5]: holds control characters",
            "verification.validate_timeout_seconds: expected a whole number of seconds above 0",
            "title: not for a reflection to change",
            "passes: not for a reflection to change",
        ]
    );
    for (value, found) in [(json!([]), "a list"), (json!("x"), "a string"), (json!(null), "null")] {
        assert_eq!(Refinement::read(&value), Err(format!("expected a JSON object, found {found}")));
    }
}

#[test]
fn commands_are_left_out_when_their_place_is_not_understood() {
    let read = read(&json!({"verification": {"validate_commands": ["x"], "validate_working_directory": 5}}));
    assert!(read.verification.validate_commands.is_empty());
    assert_eq!(read.ignored.last().unwrap(), "verification.validate_commands: they would run elsewhere than was meant");
}

#[test]
fn long_answers_are_cut_and_said_to_be() {
    let long = "ä".repeat(5_000);
    let many: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let read = read(&json!({"summary": long, "steps": many, "verification": {"validate_commands": [long]}}));
    assert_eq!((read.summary.chars().count(), read.steps.len()), (4_000, 50));
    assert!(read.verification.validate_commands.is_empty(), "half a command is another command");
    assert_eq!(
        read.ignored,
        [
            "summary: cut to 4000 characters",
            "steps: the first 50 of 60 items count",
            "verification.validate_commands[0]: longer than 4000 characters",
        ]
    );
    let wrong: Vec<Value> = (0..50).map(|n| json!(n)).collect();
    let read = self::read(&json!({"steps": wrong, "docs": wrong}));
    assert_eq!((read.ignored.len(), read.ignored.last().unwrap().as_str()), (30, "71 more"));
}

#[test]
fn an_answer_survives_the_journal() {
    let value = json!({"summary": "s", "steps": ["a"], "x": 1, "verification": {"validate_commands": [{"run": "a"}],
        "validate_environment": {"N": 1}, "validate_working_directory": "sub", "validate_timeout_seconds": 9}});
    let read = read(&value);
    let text = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Refinement>(&text).unwrap(), read);
    assert_eq!(serde_json::from_str::<Refinement>("{}").unwrap(), Refinement::default());
}

#[test]
fn steps_are_replaced_and_lists_grow() {
    let value = json!({"summary": "now", "steps": ["new"], "docs": ["a.md", " b.md "],
        "learning_notes": ["two", "three", "four"], "implementation_notes": []});
    let refined = refined(&task(), &value);
    assert_eq!(refined.task.steps, ["new"]);
    assert_eq!(refined.task.docs, ["a.md", "b.md"]);
    assert_eq!(refined.task.learning_notes, ["two", "three", "four"], "the last three are kept");
    assert_eq!((refined.task.last_reflection_summary.as_str(), refined.task.refinement_count), ("now", 2));
    assert_eq!(refined.applied, ["steps", "docs", "learning_notes"]);
    assert!(refined.refused.is_empty());
}

#[test]
fn an_empty_answer_changes_nothing_but_counts() {
    let refined = refined(&task(), &json!({}));
    assert_eq!(refined.task, Task { refinement_count: 2, ..task() });
    assert!(refined.applied.is_empty() && refined.refused.is_empty());
}

#[test]
fn new_commands_come_after_the_old_ones_with_a_place_of_their_own() {
    let value = json!({"verification": {
        "validate_commands": ["cargo test", "npm test", {"run": "make x", "working_directory": "deep", "environment": {"A": "2"}}],
        "validate_working_directory": "web", "validate_timeout_seconds": 50, "validate_environment": {"A": "1", "B": "1"},
    }});
    let refined = refined(&task(), &value);
    let [old, again, npm, make] = refined.task.verification.validate_commands.as_slice() else {
        panic!("{:?}", refined.task.verification)
    };
    assert_eq!(old, &spec("cargo test"));
    assert_eq!((again.run.as_str(), again.working_directory.as_deref()), ("cargo test", Some("web")));
    assert_eq!((npm.working_directory.as_deref(), npm.timeout_seconds), (Some("web"), Some(50)));
    assert_eq!(npm.environment["A"], "1");
    assert_eq!((make.working_directory.as_deref(), make.environment["A"].as_str()), (Some("deep"), "2"));
    assert_eq!(make.environment["B"], "1");
    let checks = &refined.task.verification;
    assert_eq!(checks.validate_working_directory.as_deref(), Some("crate"), "that of the old commands");
    assert_eq!((checks.validate_timeout_seconds, checks.validate_environment.len()), (None, 0));
    assert_eq!(refined.applied, ["verification.validate_commands"]);
}

#[test]
fn a_repeated_command_is_nothing_new() {
    let value = json!({"verification": {"validate_commands": [
        " cargo  test ", {"run": "cargo test", "name": "again", "timeout_seconds": 9},
        {"run": "cargo test", "working_directory": "./crate"}, "new", "new",
    ]}});
    let refined = refined(&task(), &value);
    assert_eq!(refined.task.verification.validate_commands, [spec("cargo test"), spec("new")]);
}

#[test]
fn configured_commands_are_not_displaced() {
    let mut task = task();
    task.verification = Verification::default();
    let value = json!({"verification": {"validate_commands": ["make check"]}});
    assert!(refined(&task, &value).task.verification.validate_commands.is_empty(), "only a repetition");
    let value = json!({"verification": {"validate_commands": ["true"]}});
    assert_eq!(refined(&task, &value).task.verification.validate_commands, [spec("make check"), spec("true")]);
}

#[test]
fn a_pattern_is_never_added_to_others() {
    let value = json!({"verification": {"path_patterns": ["src/*", "*"]}});
    let kept = refined(&task(), &value);
    assert_eq!(kept.task.verification.path_patterns, ["src/*"]);
    assert_eq!(kept.refused, ["path pattern `*`: another pattern would make the check easier"]);
    let mut task = task();
    task.verification.path_patterns.clear();
    let set = refined(&task, &value);
    assert_eq!(set.task.verification.path_patterns, ["src/*", "*"]);
    assert_eq!(set.applied, ["verification.path_patterns"]);
}

#[test]
fn a_time_limit_only_grows_and_not_far() {
    let limit = |own: Option<u64>, wanted: u64| {
        let mut task = task();
        task.verification.validate_timeout_seconds = own;
        let value = json!({"verification": {"validate_timeout_seconds": wanted, "validate_commands": ["new"]}});
        let refined = refined(&task, &value);
        let new = refined.task.verification.validate_commands[1].timeout_seconds;
        (refined.task.verification.validate_timeout_seconds, new, refined.refused.len())
    };
    assert_eq!(limit(None, 99), (None, Some(99), 0), "for the new command only");
    assert_eq!(limit(None, 300), (Some(300), None, 0));
    assert_eq!(limit(None, 401), (Some(400), None, 1));
    assert_eq!(limit(Some(10), u64::MAX), (Some(40), None, 1));
    assert_eq!(limit(Some(10), 10), (Some(10), None, 0));
}

#[test]
fn commands_that_could_never_pass_or_would_run_elsewhere_are_refused() {
    let many: Vec<String> = (0..12).map(|n| format!("c{n}")).collect();
    let value = json!({"verification": {"validate_commands": [
        "a && b", {"run": "a && b", "shell": true}, {"run": "x", "working_directory": "../up"},
        {"run": "x", "working_directory": "/etc"},
    ]}});
    let some = refined(&task(), &value);
    assert_eq!(
        some.refused,
        [
            "command `a && b`: needs a shell",
            "command `x`: the working directory `../up` is not inside the project",
            "command `x`: the working directory `/etc` is not inside the project",
        ]
    );
    assert_eq!(some.task.verification.validate_commands.len(), 2);
    let capped = refined(&task(), &json!({"verification": {"validate_commands": many}}));
    assert_eq!(capped.task.verification.validate_commands.len(), 11);
    assert_eq!(
        capped.refused,
        ["command `c10`: more than 10 new commands", "command `c11`: more than 10 new commands"]
    );
}

#[test]
fn the_source_of_a_metric_is_not_displaced() {
    let mut task = task();
    task.completion = Completion::Numeric(Numeric {
        name: "lat".to_owned(),
        source: "json_stdout".to_owned(),
        direction: None,
        json_path: "$.lat".to_owned(),
        min_improvement: 0.0,
        unchanged_tolerance: 0.0,
        target: None,
        ..Numeric::default()
    });
    let value = json!({"verification": {"validate_commands": ["echo {\"lat\":0}"]}});
    let refined = refined(&task, &value);
    assert_eq!(refined.task.verification, task.verification);
    assert!(refined.refused[0].contains("the metric is read from the last command"), "{:?}", refined.refused);
}

/// JSON of the shape of an answer, with wrong values in every place.
fn any_answer() -> impl Strategy<Value = Value> {
    let odd = prop_oneof![
        Just(json!(null)),
        Just(json!(0)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!(true)),
        Just(json!({})),
        Just(json!([[]])),
        any::<String>().prop_map(Value::String),
    ];
    let line = prop_oneof![
        Just("cargo test".to_owned()),
        Just("true".to_owned()),
        Just("*".to_owned()),
        Just("make check".to_owned()),
        Just("../x".to_owned()),
        "[a-z &]{0,6}",
    ];
    let text = prop_oneof![4 => line.clone().prop_map(Value::String), 1 => odd.clone()];
    let list = prop_oneof![4 => prop::collection::vec(text.clone(), 0..14).prop_map(Value::Array), 1 => odd.clone()];
    let map = prop_oneof![
        2 => prop::collection::btree_map("[A-C=]{0,2}", text.clone(), 0..4).prop_map(|map| json!(map)),
        1 => odd.clone(),
    ];
    let seconds = prop_oneof![3 => (0u64..2_000).prop_map(|n| json!(n)), 1 => odd.clone()];
    let command = (text.clone(), any::<bool>(), text.clone(), seconds.clone(), map.clone()).prop_map(
        |(run, shell, directory, seconds, environment)| {
            json!({"run": run, "shell": shell, "working_directory": directory, "timeout_seconds": seconds,
                "environment": environment})
        },
    );
    let commands = prop::collection::vec(prop_oneof![text.clone(), command], 0..14).prop_map(Value::Array);
    let checks =
        (list.clone(), commands, seconds, text.clone(), map).prop_map(|(patterns, commands, seconds, dir, env)| {
            json!({"path_patterns": patterns, "validate_commands": commands, "validate_timeout_seconds": seconds,
            "validate_working_directory": dir, "validate_environment": env})
        });
    let checks = prop_oneof![6 => checks, 1 => odd];
    (checks, list.clone(), list.clone(), list, text).prop_map(|(checks, steps, docs, notes, summary)| {
        json!({"summary": summary, "steps": steps, "docs": docs, "output": docs, "implementation_notes": notes,
            "verification_notes": notes, "learning_notes": notes, "verification": checks, "id": "x", "title": "x",
            "description": "x", "completion": {"kind": "boolean"}, "execution": {}, "passes": true, "blocked": true})
    })
}

fn any_task() -> impl Strategy<Value = Task> {
    let commands = prop::collection::vec(prop::sample::select(vec!["cargo test", "make check", "a b"]), 0..3);
    let patterns = prop::collection::vec(prop::sample::select(vec!["src/*", "lib/*"]), 0..2);
    let limit = prop::option::of(1u64..1_000);
    (commands, patterns, limit, any::<bool>(), 0u32..5).prop_map(|(commands, patterns, limit, is_numeric, count)| {
        let mut task = task();
        task.verification.validate_commands = commands.into_iter().map(spec).collect();
        task.verification.path_patterns = texts(&patterns);
        task.verification.validate_timeout_seconds = limit;
        task.refinement_count = count;
        if is_numeric {
            task.execution = Execution::Iterative(Iterative::default());
            let numeric = json!({"kind": "numeric", "name": "n", "source": "json_stdout", "direction": "lower_is_better",
                "json_path": "$.n", "min_improvement": 0.0, "unchanged_tolerance": 0.0});
            task.completion = serde_json::from_value(numeric).unwrap();
        }
        task
    })
}

/// A check without what may grow.
fn timeless(planned: &Planned) -> Planned {
    Planned { timeout: std::time::Duration::ZERO, ..planned.clone() }
}

proptest! {
    #[test]
    fn no_answer_weakens_a_check_or_moves_the_goal(
        task in any_task(), answers in prop::collection::vec(any_answer(), 1..4), has_defaults in any::<bool>(),
    ) {
        let config = config(if has_defaults { &["make check", "lint"] } else { &[] });
        let mut now = task.clone();
        for answer in &answers {
            now = refine(&now, &read(answer), &rules(&config)).task;
        }
        let goal = |task: &Task| {
            (task.id.clone(), task.title.clone(), task.description.clone(), task.completion.clone(),
                task.execution.clone(), task.status.clone(), task.attempt_history.clone())
        };
        prop_assert_eq!(goal(&now), goal(&task));
        prop_assert_eq!(now.refinement_count, task.refinement_count + answers.len() as u32);
        let (old, new) = (contract::commands(&task, &config), contract::commands(&now, &config));
        prop_assert!(new.len() >= old.len() && new.len() <= old.len() + 10 * answers.len());
        for (old, new) in old.iter().zip(&new) {
            prop_assert_eq!(timeless(old), timeless(new));
            prop_assert!(new.timeout >= old.timeout && new.timeout <= old.timeout * 4u32.pow(answers.len() as u32));
        }
        let own = task.verification.validate_commands.as_slice();
        prop_assert!(now.verification.validate_commands.starts_with(own));
        if !task.verification.path_patterns.is_empty() {
            prop_assert_eq!(&now.verification.path_patterns, &task.verification.path_patterns);
        }
        if task.completion != Completion::Boolean {
            prop_assert_eq!(new.len(), old.len());
        }
    }

    #[test]
    fn any_json_is_read_or_refused(value in any_answer()) {
        let read = read(&value);
        let lists = [&read.steps, &read.docs, &read.output, &read.implementation_notes, &read.learning_notes];
        prop_assert!(lists.iter().all(|list| list.len() <= 50 && list.iter().all(|text| text.chars().count() <= 4_000)));
        let names = read.verification.validate_commands.iter().flat_map(|command| command.environment.keys());
        prop_assert!(names.chain(read.verification.validate_environment.keys()).all(|n| !n.is_empty() && !n.contains('=')));
    }
}
