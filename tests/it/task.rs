//! `task list|next|reset|retry|block` and `status`: what they print, and what they leave.

use std::fs;

use serde_json::{Value, json};

use crate::harness::Project;

const QUEUE: &str = r#"[
 {"id": "P0-1", "title": "Done one", "description": "d", "steps": ["s"], "passes": true, "attempt_history": [{"attempt": 1, "status": "completed"}]},
 {"id": "P0-2", "title": "Stuck one", "description": "d", "steps": ["s"], "blocked": true, "block_reason": "no network", "blocked_at": "2026-01-02T03:04:05.000006+00:00"},
 {"id": "P0-3", "title": "Next one", "description": "d", "steps": ["First step", "Second step"]},
 {"id": "P0-4", "title": "Last one", "description": "d", "steps": ["s"]}]"#;

fn project() -> Project {
    let project = Project::plain();
    project.tasks(QUEUE);
    project
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn task_list_shows_counts_and_one_row_per_task() {
    let project = project();
    let text = project.expect(&["task", "list"], 0).out;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Project: Demo");
    assert_eq!(lines[1], "Total: 4  Completed: 1  Running: 0  Blocked: 1  Pending: 2");
    assert_eq!(lines[2], "");
    assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["ID", "Status", "Title"]);
    assert_eq!(lines[4], "-".repeat(60));
    assert_eq!(lines[5], format!("{:<12} {:<20} {}", "P0-1", "[COMPLETED]", "Done one"));
    assert_eq!(lines[6], format!("{:<12} {:<20} {}", "P0-2", "[BLOCKED]", "Stuck one"));
    assert_eq!(lines[7], format!("{:<12} {:<20} {}", "P0-3", "[PENDING]", "Next one"));
    assert_eq!(lines.len(), 9);
    assert!(!text.contains('\u{1b}'), "no colour but on a terminal");
    assert!(project.has("logs/runtime-status.json") && project.has("logs/dashboard.html"));
}

#[test]
fn task_list_as_json() {
    let list = project().output_json(&["task", "list", "--json"], 0);
    assert_eq!(list["counts"], json!({"total": 4, "completed": 1, "blocked": 1, "pending": 2, "running": 0}));
    assert_eq!(
        list["tasks"][1],
        json!({"id": "P0-2", "title": "Stuck one", "status": "blocked", "passes": false, "blocked": true, "block_reason": "no network"})
    );
    assert_eq!(keys(&list), ["counts", "tasks"]);
    assert_eq!(list["tasks"].as_array().unwrap().len(), 4);
}

#[test]
fn task_next_is_the_first_that_is_neither_done_nor_blocked() {
    let project = project();
    let text = project.expect(&["task", "next"], 0).out;
    for part in ["P0-3", "Next one", "- First step", "- Second step"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(project.output_json(&["task", "next", "--json"], 0)["task"]["id"], "P0-3");
    project.expect(&["task", "block", "P0-3", "x"], 0);
    project.expect(&["task", "block", "P0-4", "x"], 0);
    let none = project.output_json(&["task", "next", "--json"], 1);
    assert_eq!((&none["task"], none["message"].is_string()), (&Value::Null, true));
    assert!(!project.expect(&["task", "next"], 1).out.contains("P0-"));
}

#[test]
fn task_block_writes_the_status_the_reason_and_the_time() {
    let project = project();
    project.expect(&["task", "block", "P0-1", "  wrong after all "], 0);
    let task = project.task("P0-1");
    assert_eq!((&task["passes"], &task["blocked"]), (&json!(false), &json!(true)));
    assert_eq!(task["block_reason"], "wrong after all");
    let at = task["blocked_at"].as_str().unwrap();
    assert!(at.len() == 32 && at.as_bytes()[19] == b'.' && at.ends_with("+00:00"), "{at}");
    assert_eq!(project.json("task.json")["statistics"], json!({"completed": 0, "blocked": 2}));
    assert_eq!(project.find(".", "task.json.bak"), [""; 0]);
    let before = project.read("task.json");
    let done = project.expect(&["task", "block", "P9", "r"], 1);
    assert!(done.err.contains("P9") && done.err.contains("hint: `autodev task list`"), "{}", done.err);
    assert_eq!(project.read("task.json"), before);
}

#[test]
fn task_reset_clears_every_status_and_keeps_histories() {
    let project = project();
    let before = project.read("task.json");
    let dry = project.expect(&["task", "reset", "--dry-run"], 0).out;
    assert!(dry.contains("[DRY RUN]") && dry.contains('4') && dry.lines().count() == 1, "{dry}");
    assert_eq!((project.read("task.json"), project.find(".", "task.json.bak").len()), (before.clone(), 0));

    let done = project.expect(&["task", "reset"], 0).out;
    let backup = done.lines().find_map(|line| line.strip_prefix("Backup: ")).unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), before);
    assert!(done.lines().nth(1).unwrap().contains('4'), "counts fields, not tasks: {done}");
    let queue = project.json("task.json");
    for task in &queue["tasks"].as_array().unwrap()[..2] {
        assert_eq!((&task["passes"], &task["blocked"]), (&json!(false), &json!(false)));
        assert!(task["block_reason"] == "" && task["blocked_at"].as_str().unwrap_or_default().is_empty(), "{task}");
    }
    assert_eq!(queue["tasks"][0]["attempt_history"][0]["status"], "completed");
    assert_eq!(queue["statistics"], json!({"completed": 0, "blocked": 0}));

    let after = project.read("task.json");
    let again = project.expect(&["task", "reset"], 0).out;
    assert!(!again.is_empty() && !again.contains("Backup"), "{again}");
    assert_eq!((project.read("task.json"), project.find(".", "task.json.bak").len()), (after, 1));
}

#[test]
fn ids_are_trimmed_and_unknown_ones_are_passed_over() {
    let project = project();
    let done = project.expect(&["task", "reset", "--ids", " P0-1 , nope,,P0-3"], 0).out;
    assert!(done.contains("Backup: ") && done.lines().nth(1).unwrap().contains('1'), "{done}");
    assert_eq!((&project.task("P0-1")["passes"], &project.task("P0-2")["blocked"]), (&json!(false), &json!(true)));
    let text = project.read("task.json");
    assert!(!project.expect(&["task", "retry", "--ids", "nope"], 0).out.contains("Backup"));
    assert_eq!(project.read("task.json"), text);
}

#[test]
fn task_retry_makes_only_blocked_tasks_pending() {
    let project = project();
    let before = project.read("task.json");
    let dry = project.expect(&["task", "retry", "--dry-run"], 0).out;
    assert!(dry.contains("[DRY RUN]") && dry.contains('1'), "{dry}");
    assert_eq!(project.read("task.json"), before);
    let done = project.expect(&["task", "retry"], 0).out;
    assert!(done.starts_with("Backup: ") && done.lines().nth(1).unwrap().contains('1'), "{done}");
    assert_eq!((&project.task("P0-1")["passes"], &project.task("P0-2")["blocked"]), (&json!(true), &json!(false)));
    assert_eq!(project.task("P0-2")["block_reason"], "");
    let none = project.expect(&["task", "retry"], 0).out;
    assert!(!none.contains("Backup"), "{none}");
}

#[test]
fn status_for_people() {
    let project = project();
    let text = project.expect(&["status"], 0).out;
    let at = |prefix: &str| {
        text.lines().position(|line| line.starts_with(prefix)).unwrap_or_else(|| panic!("{prefix} in {text}"))
    };
    let heads = [
        "Project: Demo",
        "Backend: codex",
        "Run: [IDLE]",
        "Epoch: ",
        "Execution: mode=",
        "Completion: kind=",
        "Queue: ",
        "Dashboard: ",
        "Tasks:",
    ];
    let places = heads.map(at);
    assert!(places.is_sorted(), "{text}");
    assert!(!text.contains("Current:"), "{text}");
    let queue = text.lines().nth(at("Queue: ")).unwrap();
    assert_eq!(queue, "Queue: [COMPLETED] 1  [RUNNING] 0  [BLOCKED] 1  [PENDING] 2  [TOTAL] 4");
    assert!(text.contains("[BLOCKED] P0-2: Stuck one | no network"), "{text}");
    assert!(text.lines().nth(at("Dashboard: ")).unwrap().ends_with("logs/dashboard.html"), "{text}");
}

#[test]
fn status_json_is_runtime_status_json() {
    let project = project();
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!(status, project.json("logs/runtime-status.json"));
    assert_eq!(keys(&status)[..7], ["project", "backend", "generated_at", "run", "counts", "tasks", "events"]);
    let run = [
        "status",
        "status_label",
        "message",
        "dry_run",
        "started_at",
        "updated_at",
        "finished_at",
        "current_epoch",
        "max_epochs",
        "current_task_id",
        "current_task_title",
        "current_attempt",
        "max_attempts",
        "attempt_log",
        "heartbeat_elapsed_seconds",
        "execution_mode",
        "execution_strategy",
        "completion_kind",
        "completion_name",
        "completion_target_summary",
        "last_completion_outcome",
        "current_iteration",
        "max_iterations",
        "baseline_metric",
        "best_metric",
        "last_metric",
        "last_outcome",
        "kept_count",
        "reverted_count",
        "no_improvement_streak",
    ];
    assert_eq!(keys(&status["run"])[..run.len()], run);
    assert_eq!((&status["run"]["status"], &status["run"]["message"]), (&json!("idle"), &json!("no active run")));
    assert_eq!(status["counts"], json!({"total": 4, "completed": 1, "blocked": 1, "pending": 2, "running": 0}));
    assert_eq!(
        status["tasks"][1],
        json!({"id": "P0-2", "title": "Stuck one", "status": "blocked", "block_reason": "no network", "passes": false,
               "blocked": true, "execution_mode": "delivery", "execution_strategy": "single_pass", "completion_kind": "boolean",
               "completion_name": "gate", "completion_target_summary": "all_checks_pass"})
    );
    project.tasks(&QUEUE.replace("Next one", "Nächste"));
    project.expect(&["status"], 0);
    assert!(project.read("logs/runtime-status.json").contains("N\\u00e4chste"), "ASCII only");
}

#[test]
fn status_after_a_run_tells_how_it_ended() {
    let project = project();
    project.agent("codex", "echo $AUTODEV_TASK_ID > $AUTODEV_TASK_ID.txt");
    project.expect(&["run"], 2);
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!((&status["run"]["status"], &status["run"]["status_label"]), (&json!("blocked"), &json!("Blocked")));
    assert_eq!(status["run"]["current_task_id"], "");
    assert!(status["run"]["finished_at"].as_str().unwrap().ends_with('Z'));
    let events = status["events"].as_array().unwrap();
    assert!(!events.is_empty() && events.len() <= 25);
    assert_eq!(keys(&events[0])[..6], ["timestamp", "status", "status_label", "status_class", "task_id", "message"]);
    let times: Vec<&str> = events.iter().map(|event| event["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first: {times:?}");
    assert!(times.iter().all(|time| time.len() == 20 && time.ends_with('Z')), "{times:?}");
}

#[test]
fn an_agent_cannot_block_or_reset_tasks_by_command() {
    let project = project();
    let exe = env!("CARGO_BIN_EXE_autodev");
    project.agent(
        "codex",
        &format!("{exe} task block P0-4 lazy; {exe} task reset --ids P0-1; {exe} task list > list.txt; echo $AUTODEV_TASK_ID > x.txt"),
    );
    let done = project.expect(&["run", "--max-tasks", "1"], 2);
    assert!(done.out.contains("only the runner decides about tasks"), "{}", done.out);
    let rows = project.output_json(&["task", "list", "--json"], 0)["tasks"].clone();
    assert_eq!((&rows[3]["status"], &rows[0]["status"]), (&json!("pending"), &json!("completed")));
    assert!(project.read("list.txt").contains("P0-4"), "looking is allowed");
}
