//! Reflection on failed attempts: when it is asked for, what an answer may change, and what it may not.

use serde_json::json;

use crate::harness::{ONE_TASK, Project};

/// Fails until `$out/helped` exists, and answers reflections with `$out/answer`.
const STUBBORN: &str = "if [ \"$AUTODEV_INQUIRY\" = reflect ]; then cat $out/answer; exit; fi\n\
                        mkdir -p src; echo $n > src/try.txt; [ -e $out/helped ] && echo work > src/T1.txt; exit 0";

fn project(answer: &str) -> Project {
    let mut project = Project::new();
    project.unset("AUTODEV_REFLECTION_ENABLED");
    project.tasks(ONE_TASK).agent("codex", STUBBORN);
    std::fs::write(project.out("answer"), answer).unwrap();
    project
}

fn reflections(project: &Project) -> Vec<serde_json::Value> {
    project.events("reflected").into_iter().map(|event| event["reflection"].clone()).collect()
}

#[test]
fn reflection_refines() {
    let project = project(
        r#"Here is what I think: {"summary": "file name was wrong", "learning_notes": ["check names first"],
        "implementation_notes": ["the file is T1.txt"], "steps": ["write src/T1.txt"],
        "verification": {"validate_commands": ["test -f src/T1.txt", "test -f src/try.txt"]}} Good luck."#,
    );
    project.expect(&["run", "--max-retries", "2"], 2);
    let task = project.task("T1");
    assert_eq!(task["steps"], json!(["write src/T1.txt"]));
    assert_eq!(task["implementation_notes"], json!(["the file is T1.txt"]));
    assert_eq!(task["verification"]["validate_commands"], json!(["test -f src/T1.txt", "test -f src/try.txt"]));
    assert_eq!(
        (&task["refinement_count"], &task["last_reflection_summary"]),
        (&json!(1), &json!("file name was wrong"))
    );
    assert_eq!(task["attempt_history"][0]["summary"], "file name was wrong");
    assert_eq!(task["learning_notes"], json!(["check names first"]));
    assert_eq!(project.json("task.json")["learning_journal"][0]["learning_notes"], json!(["check names first"]));
    let progress = project.read("progress.txt");
    assert!(progress.contains("file name was wrong") && progress.contains("- check names first"), "{progress}");
    assert_eq!(project.calls("codex"), 3, "two attempts and one reflection: none after the last attempt");
    let second = project.prompt("codex", 3);
    assert!(second.contains("the file is T1.txt") && second.contains("check names first"), "{second}");
    assert!(second.contains("test -f src/try.txt"), "the next attempt is told the new check");
}

#[test]
fn reflection_cannot_weaken_verification() {
    let project = project(
        r#"{"summary": "too strict", "id": "X", "title": "Other", "completion": {"kind": "boolean"}, "passes": true,
        "verification": {"validate_commands": ["true"], "path_patterns": ["*"], "validate_working_directory": "/",
        "validate_environment": {"PATH": "/nowhere"}}}"#,
    );
    project.expect(&["run", "--max-retries", "3"], 2);
    let task = project.task("T1");
    let commands = task["verification"]["validate_commands"].as_array().unwrap();
    assert_eq!(commands[0], "test -f src/T1.txt", "the old check is still there, and first");
    assert_eq!(task["verification"]["path_patterns"], json!(["src/*"]));
    assert!(task["verification"].get("validate_working_directory").is_none(), "{task}");
    assert!(task["verification"].get("validate_environment").is_none(), "{task}");
    assert_eq!((&task["id"], &task["title"], &task["passes"]), (&json!("T1"), &json!("First"), &json!(false)));
    let reflections = reflections(&project);
    assert_eq!(reflections.len(), 2);
    assert!(reflections[0]["refused"].as_array().is_some_and(|refused| !refused.is_empty()), "{reflections:?}");
}

#[test]
fn the_reflecting_agent_sees_what_the_checks_printed() {
    let project = project("{}");
    let list = ONE_TASK.replace("test -f src/T1.txt", "sh check.sh");
    project.write("check.sh", "echo the needle is missing; exit 3").tasks(&list);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "check"]);
    project.expect(&["run", "--max-retries", "2"], 2);
    let prompt = project.prompt("codex", 2);
    assert!(prompt.contains("the needle is missing"), "{prompt}");
    assert!(prompt.contains("\"First\"") && prompt.contains("src/try.txt"), "{prompt}");
}

#[test]
fn an_answer_that_is_no_json_is_skipped_and_said() {
    let project = project("I am sorry, I cannot tell.");
    project.expect(&["run", "--max-retries", "2"], 2);
    let reflections = reflections(&project);
    assert_eq!(reflections[0]["result"], "skipped");
    assert!(reflections[0]["reason"].as_str().unwrap().contains("JSON"), "{reflections:?}");
    assert_eq!(project.task("T1")["refinement_count"], 0);
    assert_eq!(project.holding("logs/plans", "I am sorry").len(), 2, "the log and the answer are kept");
}

#[test]
fn a_task_is_refined_only_so_often() {
    let project = project(r#"{"summary": "again"}"#);
    project.config("[reflection]\nmax_refinements_per_task = 1\n");
    project.expect(&["run", "--max-retries", "4"], 2);
    assert_eq!(reflections(&project).len(), 1);
    project.expect(&["task", "retry"], 0);
    project.expect(&["run", "--max-retries", "4"], 2);
    assert_eq!(reflections(&project).len(), 1, "also in the next run");
}

#[test]
fn reflection_can_be_turned_off() {
    let project = project(r#"{"summary": "again"}"#);
    project.config("[reflection]\nenabled = false\n");
    project.expect(&["run", "--max-retries", "3"], 2);
    assert_eq!((reflections(&project).len(), project.calls("codex")), (0, 3));
}

#[test]
fn a_reflection_that_takes_too_long_is_ended() {
    let project = project("");
    project.config("[reflection]\nprompt_timeout_seconds = 1\n");
    project.agent("codex", "[ \"$AUTODEV_INQUIRY\" = reflect ] && exec sleep 600; mkdir -p src; echo $n > src/try.txt");
    project.expect(&["run", "--max-retries", "2"], 2);
    assert!(reflections(&project)[0]["reason"].as_str().unwrap().contains("time limit"));
}

#[test]
fn what_a_reflecting_agent_does_to_the_tree_counts_as_the_tasks_and_is_said() {
    let project = project("");
    project.agent(
        "codex",
        "mkdir -p src; if [ \"$AUTODEV_INQUIRY\" = reflect ]; then echo x > src/sneaked.txt; echo '{\"summary\": \"s\"}'; exit; fi\n\
         echo $n > src/try.txt; [ $n = 3 ] && echo work > src/T1.txt; exit 0",
    );
    let done = project.expect(&["run"], 0);
    assert!(done.err.contains("src/sneaked.txt"), "{}", done.err);
    assert!(project.committed().contains(&"src/sneaked.txt".to_owned()), "{:?}", project.committed());
    assert_eq!(project.git(&["status", "--porcelain", "src"]), "");
}

#[test]
fn a_failure_of_the_backend_that_changed_nothing_is_not_reflected_on() {
    let project = project("{}");
    project.agent("codex", "[ -z \"$AUTODEV_INQUIRY\" ] && exit 7; echo '{}'");
    project.expect(&["run", "--max-retries", "3"], 2);
    assert_eq!(reflections(&project).len(), 0);
}

#[test]
fn an_interrupt_during_a_reflection_stops_the_run() {
    let project = project("");
    project.agent(
        "codex",
        "if [ \"$AUTODEV_INQUIRY\" = reflect ]; then echo $$ > $out/pid; exec sleep 600; fi; mkdir -p src; echo $n > src/try.txt",
    );
    let running = project.spawn(&["run"]);
    project.wait_for_left("pid");
    running.signal("INT");
    assert_eq!(running.wait().code, 130);
    assert_eq!(project.flags("T1"), (false, false), "the task is pending");
    assert!(!crate::harness::lives(project.left_pid("pid")));
}
