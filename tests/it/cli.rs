//! The command line: words, streams, exit codes, and what a terminal sees.

use serde_json::Value;

use crate::harness::{DILIGENT, ONE_TASK, Project, TWO_TASKS, has_tool};

fn project() -> Project {
    let project = Project::without_git();
    project.tasks(TWO_TASKS).agent("codex", DILIGENT);
    project
}

/// `[YYYY-MM-DD HH:MM:SS] ` at the start.
fn is_log_line(line: &str) -> bool {
    let shape: String = line.chars().take(22).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "[0000-00-00 00:00:00] "
}

#[test]
fn the_version_is_the_packages() {
    let project = Project::without_git();
    let done = project.expect(&["--version"], 0);
    assert_eq!(done.out, format!("autodev {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(done.err, "");
}

#[test]
fn no_command_is_help_and_so_is_half_a_command() {
    let project = Project::without_git();
    std::fs::remove_file(project.path("autodev.toml")).unwrap();
    for args in [&[][..], &["task"], &["salvage"], &["--help"], &["-h"], &["run", "--help"], &["task", "-h"]] {
        let done = project.expect(args, 0);
        assert!(done.out.contains("Usage: autodev"), "{args:?}: {done:?}");
        assert_eq!(done.err, "", "{args:?}");
    }
    for command in ["run", "task", "verify", "status"] {
        assert!(project.expect(&[], 0).out.contains(&format!("  {command} ")), "{command}");
    }
}

#[test]
fn usage_errors_exit_with_2() {
    let project = project();
    for args in [
        &["frobnicate"][..],
        &["run", "--max-tasks", "many"],
        &["run", "--backend", "clyde"],
        &["run", "--nonsense"],
        &["run", "extra"],
        &["task", "frob"],
        &["task", "block", "T1"],
        &["verify"],
        &["run", "-c", "autodev.toml"],
    ] {
        let done = project.expect(args, 2);
        assert_eq!(done.out, "", "{args:?}");
        assert!(done.err.contains("error"), "{args:?}: {}", done.err);
    }
    assert!(project.run(&["run", "--backend", "clyde"]).err.contains("claude, codex, gemini, opencode"));
    assert_eq!(project.calls("codex"), 0);
    assert!(!project.has("logs"));
}

#[test]
fn long_options_may_be_shortened() {
    let project = project();
    let done = project.expect(&["run", "--max-t", "1", "--max-r", "2"], 0);
    assert!(done.err.contains("Limits: 2 attempts per task, 1 task"), "{}", done.err);
    assert_eq!(project.calls("codex"), 1);
}

#[test]
fn the_log_goes_to_stderr_and_the_agents_words_to_stdout() {
    let project = project();
    project.agent("codex", &format!("echo 'words of the agent'; echo 'its complaints' >&2\n{DILIGENT}"));
    let done = project.expect(&["run"], 0);
    assert!(done.out.contains("words of the agent\n") && done.out.contains("its complaints\n"), "{}", done.out);
    assert!(!done.out.contains('['), "no log line among it: {}", done.out);
    let strange: Vec<&str> = done.err.lines().filter(|line| !is_log_line(line)).collect();
    assert!(strange.is_empty(), "{strange:?}");
    assert!(!done.err.contains("words of the agent"));
    let log = project.read("logs/autodev.log");
    for line in done.err.lines() {
        assert!(log.contains(line), "{line}");
    }
    assert!(log.contains("\nwords of the agent\n"), "{log}");
    assert!(!done.err.contains('\x1b') && !done.out.contains('\x1b') && !log.contains('\x1b'));
    for badge in ["[RUNNING] ", "[VALIDATING] ", "[COMPLETED] "] {
        assert!(done.err.contains(badge), "{badge}");
    }
    assert!(done.err.contains("[Task 1] T1: First") && done.err.contains("[Task 2] T2: Second"));
    assert!(done.err.lines().any(|line| line.ends_with(&"━".repeat(46))));
    assert!(done.err.contains("Attempted: 2  Completed: 2  Blocked: 0"), "{}", done.err);
}

#[test]
fn the_log_is_in_local_time_and_files_in_utc() {
    let mut project = project();
    project.env("TZ", "XYZ-13");
    let done = project.expect(&["run"], 0);
    let line = done.err.lines().next().unwrap()[1..20].to_owned();
    let local = chrono::NaiveDateTime::parse_from_str(&line, "%Y-%m-%d %H:%M:%S").unwrap();
    let status = project.json("logs/runtime-status.json");
    let started = status["run"]["started_at"].as_str().unwrap();
    let started = chrono::NaiveDateTime::parse_from_str(started, "%Y-%m-%dT%H:%M:%SZ").unwrap();
    assert!(((local - started).num_minutes() - 13 * 60).abs() <= 1, "{local} and {started}");
}

#[test]
fn colour_is_for_terminals_without_no_color() {
    if !has_tool("script") {
        return;
    }
    let project = project();
    let seen = |variables: &str, command: &str| {
        let script = format!("script -qec '{variables} '\"$autodev\"' {command}' /dev/null < /dev/null");
        project.shell(&script).out
    };
    let coloured = seen("", "task list");
    assert!(coloured.contains("\x1b[0;34m[PENDING]\x1b[0m"), "{coloured:?}");
    assert!(!seen("NO_COLOR=1", "task list").contains('\x1b'));
    assert!(seen("NO_COLOR=", "status").contains('\x1b'), "an empty variable is none");
    assert!(!project.expect(&["task", "list"], 0).out.contains('\x1b'));
    let log = seen("", "run");
    assert!(log.contains("\x1b[0;32m[COMPLETED]\x1b[0m") && log.contains("\x1b[0;36m[RUNNING]\x1b[0m"), "{log:?}");
    assert!(!project.read("logs/autodev.log").contains('\x1b'));
}

#[test]
fn errors_say_of_what_kind_they_are() {
    let project = project();
    let first = |done: crate::harness::Done| {
        assert_eq!(done.out, "");
        done.err.lines().next().unwrap().to_owned()
    };
    assert!(first(project.expect(&["verify", "nope"], 1)).starts_with("Error: "));
    assert!(first(project.expect(&["task", "block", "nope", "why"], 1)).contains("nope"));
    assert!(first(project.expect(&["log"], 1)).starts_with("Error: "));
    for broken in ["{", "[]", "{\"tasks\": {}}", ""] {
        project.write("task.json", broken);
        for command in [&["run"][..], &["status"], &["task", "list"], &["task", "next"], &["task", "reset"]] {
            let line = first(project.expect(command, 1));
            assert!(line.starts_with("Task data error: ") && line.contains("task.json"), "{broken}: {line}");
        }
        assert_eq!(project.read("task.json"), broken);
    }
    std::fs::remove_file(project.path("task.json")).unwrap();
    assert!(first(project.expect(&["task", "list"], 1)).starts_with("Task data error: "));
    project.toml("=");
    assert!(first(project.expect(&["status"], 1)).starts_with("Configuration error: "));
    assert_eq!(project.calls("codex"), 0);
}

#[test]
fn task_list_has_the_documented_shape() {
    let project = project();
    project.tasks(&TWO_TASKS.replacen("\"description\"", "\"passes\": true, \"description\"", 1));
    let done = project.expect(&["task", "list"], 0);
    let want = format!(
        "Project: Demo\nTotal: 2  Completed: 1  Running: 0  Blocked: 0  Pending: 1\n\n\
         ID           Status               Title\n{}\n\
         T1           [COMPLETED]          First\nT2           [PENDING]            Second\n",
        "-".repeat(60)
    );
    assert_eq!(done.out, want);
    let json: Value = serde_json::from_str(&project.expect(&["task", "list", "--json"], 0).out).unwrap();
    assert_eq!(
        json["counts"],
        serde_json::json!({"total": 2, "completed": 1, "running": 0, "blocked": 0, "pending": 1})
    );
    let keys: Vec<&String> = json["tasks"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "title", "status", "passes", "blocked", "block_reason"]);
    assert!(project.has("logs/runtime-status.json") && project.has("logs/dashboard.html"));
}

#[test]
fn task_next_fails_when_nothing_is_pending() {
    let project = project();
    let done = project.expect(&["task", "next"], 0);
    assert!(done.out.contains("T1") && done.out.contains("First") && done.out.contains("- s"), "{}", done.out);
    let json: Value = serde_json::from_str(&project.expect(&["task", "next", "--json"], 0).out).unwrap();
    assert_eq!(json["task"]["id"], "T1");
    project.tasks("[]");
    project.expect(&["task", "next"], 1);
    let json: Value = serde_json::from_str(&project.expect(&["task", "next", "--json"], 1).out).unwrap();
    assert!(json["task"].is_null() && json["message"].is_string(), "{json}");
}

#[test]
fn task_block_retry_and_reset_change_what_they_say() {
    let project = project();
    project.expect(&["task", "block", "T1", "needs a key"], 0);
    let task = project.task("T1");
    assert_eq!((&task["blocked"], &task["block_reason"]), (&true.into(), &"needs a key".into()));
    assert!(task["blocked_at"].as_str().unwrap().ends_with("+00:00"), "{task}");
    let done = project.expect(&["task", "retry", "--dry-run"], 0);
    assert!(done.out.starts_with("[DRY RUN]") && done.out.contains('1'), "{}", done.out);
    assert_eq!(project.task("T1")["blocked"], true);
    let done = project.expect(&["task", "retry", "--ids", " T1 , unknown "], 0);
    assert!(done.out.starts_with("Backup: ") && done.out.contains("1 blocked"), "{}", done.out);
    let backup = done.out.lines().next().unwrap().trim_start_matches("Backup: ");
    let old: Value = serde_json::from_str(&std::fs::read_to_string(project.path(backup)).unwrap()).unwrap();
    assert_eq!(old["tasks"][0]["blocked"], true, "the backup is the file as it was");
    assert_eq!(project.task("T1")["blocked"], false);
    project.expect(&["run"], 0);
    let done = project.expect(&["task", "reset", "--ids", "T2"], 0);
    assert!(done.out.contains("Reset 1 "), "{}", done.out);
    assert_eq!((&project.task("T1")["passes"], &project.task("T2")["passes"]), (&true.into(), &false.into()));
    project.expect(&["task", "retry"], 0);
}

#[test]
fn verify_tells_by_its_exit_code() {
    let project = project();
    let done = project.expect(&["verify", "T1", "--changed-file", "src/T1.txt"], 1);
    assert!(done.out.starts_with("Verification: FAILED (task T1)\n"), "{}", done.out);
    assert!(done.out.contains("  [-] validate:test -f src/T1.txt: ") && done.out.contains("Errors:"), "{}", done.out);
    project.write("src/T1.txt", "x");
    let done = project.expect(&["verify", "T1", "--changed-file", "src/T1.txt", "--evidence", "anything"], 0);
    assert!(done.out.starts_with("Verification: PASSED (task T1)\n"), "{}", done.out);
    assert!(done.out.contains("  [+] min_changed_files: "), "{}", done.out);
    let done = project.expect(&["verify", "T1", "--changed-file", "src/T1.txt", "--json"], 0);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&json["status"], &json["task_id"]), (&"passed".into(), &"T1".into()));
    assert!(json["errors"].as_array().unwrap().is_empty() && json["warnings"].as_array().unwrap().is_empty());
    assert_eq!(json["checks"][0]["ok"], true);
    assert_eq!(project.task("T1")["passes"], Value::Null, "task.json is as it was");
}

#[test]
fn status_is_for_people_and_for_programs() {
    let project = project();
    project.expect(&["run", "--max-tasks", "1"], 0);
    let out = project.expect(&["status"], 0).out;
    for line in [
        "Project: Demo\n",
        "Backend: codex\n",
        "Run: [COMPLETED] ",
        "Epoch: 1/1\n",
        "Execution: mode=delivery | strategy=single_pass\n",
        "Completion: kind=boolean | metric=gate | target=all_checks_pass",
        "Queue: [COMPLETED] 1",
        "[TOTAL] 2",
        "Dashboard: ",
        "Tasks:\n",
        "[PENDING] T2: Second",
    ] {
        assert!(out.contains(line), "{line:?} is missing in\n{out}");
    }
    let json: Value = serde_json::from_str(&project.expect(&["status", "--json"], 0).out).unwrap();
    assert_eq!(json, project.json("logs/runtime-status.json"), "the same as the file");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = project();
    project.expect(&["run"], 0);
    for command in ["log", "status", "task list", "status --json", "--help"] {
        let done = project.shell(&format!("set -o pipefail; $autodev {command} | true; echo ${{PIPESTATUS[0]}}"));
        assert_eq!(done.out, "0\n", "{command}: {done:?}");
        assert_eq!(done.err, "", "{command}");
        let done = project.shell(&format!("$autodev {command} >&-"));
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{command}");
    }
}

#[test]
fn a_run_needs_neither_stdout_nor_stderr() {
    for redirect in ["> /dev/full 2> /dev/full", ">&- 2>&-", "<&- >&- 2>&-", "2>&1 | true", "> /dev/null 2>&1"] {
        let project = project();
        project.agent("codex", &format!("head -c 300000 /dev/zero | tr '\\0' 'x' | fold -w 99; {DILIGENT}"));
        let done = project.shell(&format!("$autodev run {redirect}; echo ${{PIPESTATUS[0]}} > $out/code"));
        assert_eq!(project.left("code"), "0\n", "{redirect}: {done:?}");
        assert_eq!(project.task("T2")["passes"], true, "{redirect}");
        // Nothing that was meant for the terminal has got into a file that was opened in its place.
        for name in ["task.json", "autodev.toml"] {
            assert!(!project.read(name).contains("xxxx"), "{redirect}: {name}");
        }
        project.expect(&["status"], 0);
    }
}

#[test]
fn log_shows_what_happened() {
    let project = project();
    project.tasks(ONE_TASK);
    project.expect(&["run"], 0);
    let all = project.expect(&["log"], 0).out;
    assert!(all.contains("run ended") && all.contains("T1"), "{all}");
    let some = project.expect(&["log", "T1", "-n", "2"], 0).out;
    assert_eq!(some.lines().count(), 2, "{some}");
    for line in project.expect(&["log", "--json"], 0).out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["seq"].is_u64() && event["kind"].is_string() && event["at"].is_string(), "{event}");
    }
}
