//! The main job, end to end.

use crate::harness::Project;

const TASK: &str = r#"[{"id": "P0-1", "title": "Add greeting", "description": "d", "steps": ["s"],
  "verification": {"path_patterns": ["src/*"], "validate_commands": ["test -f src/hello.txt"]}}]"#;

#[test]
fn a_task_becomes_a_verified_commit() {
    let project = Project::new();
    project.tasks(TASK).agent("codex", "mkdir -p src; echo hello > src/hello.txt; echo done");
    project.expect(&["run"], 0);
    assert_eq!(project.task("P0-1")["passes"], true);
    assert_eq!(project.committed(), ["src/hello.txt"]);
    assert_eq!(project.log(), ["autodev: P0-1 - Add greeting", "start"]);
    assert!(project.read("progress.txt").contains("### Status: completed"));
    assert_eq!(project.json("logs/runtime-status.json")["run"]["status"], "completed");
    assert!(project.read("logs/dashboard.html").contains("Add greeting"));
}

#[test]
fn an_agent_that_only_says_done_is_not_believed() {
    let project = Project::new();
    project.tasks(TASK).agent("codex", "echo 'all tests pass, task complete'");
    project.expect(&["run"], 2);
    let task = project.task("P0-1");
    assert_eq!((&task["passes"], &task["blocked"]), (&false.into(), &true.into()));
    assert_eq!(project.log(), ["start"]);
}

#[test]
fn the_second_attempt_sees_what_failed_in_the_first() {
    let project = Project::new();
    let list = TASK.replace("test -f src/hello.txt", "grep -q hello src/hello.txt");
    project
        .tasks(&list)
        .agent("codex", "mkdir -p src; [ $n = 1 ] && echo bye > src/hello.txt || echo hello > src/hello.txt");
    project.expect(&["run"], 0);
    assert_eq!(project.calls("codex"), 2);
    let prompt = project.prompt("codex", 2);
    assert!(prompt.contains("grep -q hello src/hello.txt") && prompt.contains("exit_code=1"), "{prompt}");
    assert!(project.prompt("codex", 1).contains("grep -q hello src/hello.txt"), "the contract is in the first prompt");
}
