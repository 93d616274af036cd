//! The run loop, its exit codes, its dry run, its heartbeat, and what can be seen of it from outside.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{DILIGENT, Done, ONE_TASK, Project, TWO_TASKS, has_tool};

fn project(agent: &str) -> Project {
    let project = Project::without_git();
    project.tasks(TWO_TASKS).agent("codex", agent);
    project
}

#[test]
fn tasks_are_done_in_order_and_finished_ones_are_left_alone() {
    let project = project(&format!("echo $AUTODEV_TASK_ID >> $out/order; {DILIGENT}"));
    project.expect(&["run"], 0);
    assert_eq!(project.left("order"), "T1\nT2\n");
    project.expect(&["run"], 0);
    assert_eq!(project.calls("codex"), 2, "nothing is pending");
    assert_eq!(project.json("task.json")["statistics"], serde_json::json!({"completed": 2, "blocked": 0}));
    assert_eq!(project.read("progress.txt").matches("### Status: completed").count(), 2);
}

#[test]
fn an_empty_queue_is_done() {
    let project = project(DILIGENT);
    project.tasks("[]");
    let done = project.expect(&["run"], 0);
    assert!(done.err.contains("[COMPLETED]"), "{}", done.err);
    assert_eq!(project.calls("codex"), 0);
}

#[test]
fn max_tasks_stops_after_so_many() {
    let project = project(DILIGENT);
    project.expect(&["run", "--max-tasks", "1"], 0);
    assert_eq!((project.flags("T1").0, project.flags("T2").0), (true, false));
    assert_eq!(project.json("logs/runtime-status.json")["run"]["status"], "completed");
    project.expect(&["run", "--max-tasks", "1"], 0);
    assert_eq!(project.task("T2")["passes"], true);
}

#[test]
fn a_blocked_task_makes_the_exit_code_2_also_when_it_is_old() {
    let project = project("[ $AUTODEV_TASK_ID = T1 ] && exit 0; mkdir -p src; echo x > src/T2.txt");
    project.expect(&["run", "--max-retries", "1"], 2);
    assert_eq!((&project.task("T1")["blocked"], &project.task("T2")["passes"]), (&true.into(), &true.into()));
    assert_eq!(project.json("logs/runtime-status.json")["run"]["status"], "blocked");
    assert!(project.read("progress.txt").contains("### Block Reason"));
    project.expect(&["run"], 2);
    assert_eq!(project.calls("codex"), 2, "a blocked task is not tried again by itself");
}

#[test]
fn a_queue_that_cannot_be_used_is_exit_1_and_untouched() {
    let project = project(DILIGENT);
    for (text, says) in [
        ("{\"tasks\": [", "task.json:1:"),
        ("{\"tasks\": {}}", "tasks"),
        ("[1]", "task.json"),
        ("{\"tasks\": [{\"title\": \"no id\"}]}", "id"),
    ] {
        project.write("task.json", text);
        let done = project.expect(&["run"], 1);
        assert!(done.err.contains(says), "{text}: {}", done.err);
        assert_eq!(project.read("task.json"), text);
    }
    std::fs::remove_file(project.path("task.json")).unwrap();
    project.expect(&["run"], 1);
    assert!(!project.has("task.json"));
    assert_eq!(project.calls("codex"), 0);
}

#[test]
fn dry_run_previews_every_task() {
    let project = project(DILIGENT);
    let list = TWO_TASKS.replace("\"d\"", "\"words of the description\"");
    project.tasks(&list);
    let before = project.read("task.json");
    let done = project.expect(&["run", "--dry-run"], 0);
    for text in ["T1: First", "T2: Second"] {
        assert!(done.err.contains(text), "{}", done.err);
    }
    assert_eq!(done.err.matches("words of the description").count(), 2, "the start of each prompt: {}", done.err);
    assert_eq!(project.calls("codex"), 0);
    assert_eq!(project.read("task.json"), before);
    assert!(!project.read("TASK.md").contains("First"), "{}", project.read("TASK.md"));
    assert!(!project.has("progress.txt") && !project.has("src"));
    let status = project.json("logs/runtime-status.json");
    assert_eq!(status["run"]["dry_run"], true);
    assert_eq!(
        status["counts"],
        serde_json::json!({"total": 2, "completed": 0, "blocked": 0, "pending": 2, "running": 0})
    );
    let done = project.expect(&["run", "--dry-run", "--max-tasks", "1"], 0);
    assert!(!done.err.contains("T2: Second"), "{}", done.err);
    project.expect(&["task", "block", "T1", "why"], 0);
    let done = project.expect(&["run", "--dry-run"], 2);
    assert!(!done.err.contains("T1: First"), "exit code as usual, blocked tasks are not shown: {}", done.err);
}

#[test]
fn a_dry_run_in_git_leaves_no_trace_in_it() {
    let project = Project::new();
    project.tasks(TWO_TASKS).agent("codex", DILIGENT);
    let before = (project.git(&["status", "--porcelain"]), project.git(&["for-each-ref"]));
    project.expect(&["run", "--dry-run"], 0);
    let after = (project.git(&["status", "--porcelain"]), project.git(&["for-each-ref"]));
    let new: Vec<&str> = after.0.lines().filter(|line| !before.0.contains(line)).collect();
    assert_eq!(new, ["?? TASK.md"]);
    assert_eq!(before.1, after.1);
}

#[test]
fn the_heartbeat_says_whether_there_was_output() {
    let project = project(&format!("echo at it; sleep 2.5; {DILIGENT}"));
    project.config("[run]\ndelay_between_tasks = 0\nheartbeat_interval = 1\n").tasks(ONE_TASK);
    let done = project.expect(&["run"], 0);
    let has = |start: &str, end: &str| done.err.lines().any(|line| line.contains(start) && line.ends_with(end));
    assert!(has("[RUNNING] T1: ", ", 1 s so far"), "{}", done.err);
    assert!(
        has("[WAITING] T1: waiting for a tool: 1 process that it started, silent for ", ", 2 s so far"),
        "{}",
        done.err
    );
    assert_eq!(project.json("logs/runtime-status.json")["run"]["status"], "completed");
}

#[test]
fn heartbeat_zero_is_not_a_busy_loop() {
    let project = project(&format!("sleep 1.2; {DILIGENT}"));
    project.config("[run]\ndelay_between_tasks = 0\nheartbeat_interval = 0\n").tasks(ONE_TASK);
    let done = project.expect(&["run"], 0);
    let beats = done.err.lines().filter(|l| l.contains("[WAITING]")).count();
    assert_eq!(beats, 0, "{}", done.err);
    assert!(project.expect(&["log"], 0).out.lines().count() < 60);
}

/// Copies what others see while the agent works.
const OBSERVER: &str =
    "cp logs/runtime-status.json $out/status.$n; cp TASK.md $out/brief.$n; cp logs/dashboard.html $out/page.$n";

#[test]
fn the_status_is_true_while_an_agent_works() {
    let project = project(&format!("{OBSERVER}; {DILIGENT}"));
    project.expect(&["run"], 0);
    let during: Value = serde_json::from_str(&project.left("status.1")).unwrap();
    let run = &during["run"];
    assert_eq!((&during["project"], &during["backend"]), (&"Demo".into(), &"codex".into()));
    assert_eq!((&run["status"], &run["status_label"]), (&"running".into(), &"Running".into()));
    assert_eq!(run["message"], "Executing T1: First");
    assert_eq!((&run["current_task_id"], &run["current_task_title"]), (&"T1".into(), &"First".into()));
    assert_eq!((&run["current_attempt"], &run["max_attempts"]), (&1.into(), &3.into()));
    assert_eq!((&run["current_epoch"], &run["max_epochs"]), (&1.into(), &1.into()));
    assert_eq!((&run["dry_run"], &run["finished_at"]), (&false.into(), &"".into()));
    assert!(std::path::Path::new(run["attempt_log"].as_str().unwrap()).is_file());
    for (key, want) in [
        ("execution_mode", "delivery"),
        ("execution_strategy", "single_pass"),
        ("completion_kind", "boolean"),
        ("completion_name", "gate"),
        ("completion_target_summary", "all_checks_pass"),
    ] {
        assert_eq!(run[key], want);
        assert_eq!(during["tasks"][0][key], want);
    }
    assert_eq!(
        during["counts"],
        serde_json::json!({"total": 2, "completed": 0, "blocked": 0, "pending": 1, "running": 1})
    );
    assert_eq!(during["tasks"][0]["status"], "running");
    let event = &during["events"][0];
    assert_eq!((&event["task_id"], &event["status_class"]), (&"T1".into(), &"running".into()));
    let brief = project.left("brief.1");
    for part in [
        "# Current Task\n",
        "- ID: T1\n",
        "- Name: First\n",
        "## Steps",
        "- Attempt: 1/3",
        "- Mode: delivery",
        "task.json",
        "progress.txt",
        "AGENT.md",
    ] {
        assert!(brief.contains(part), "{part:?} is missing in {brief}");
    }
    let second: Value = serde_json::from_str(&project.left("status.2")).unwrap();
    assert_eq!(
        (&second["tasks"][0]["status"], &second["tasks"][1]["status"]),
        (&"completed".into(), &"running".into())
    );

    let after = project.json("logs/runtime-status.json");
    let run = &after["run"];
    assert_eq!((&run["status"], &run["current_task_id"]), (&"completed".into(), &"".into()));
    assert_eq!(run["last_completion_outcome"], "met");
    for time in ["started_at", "updated_at", "finished_at"] {
        let text = run[time].as_str().unwrap();
        assert!(text.len() == 20 && text.ends_with('Z'), "{time}: {text}");
    }
    assert!(!project.read("TASK.md").contains("T1"));
}

#[test]
fn at_most_25_events_are_shown_newest_first() {
    let project = project("mkdir -p src; echo $n > src/step.txt; echo tried");
    project.expect(&["run", "--max-retries", "15"], 2);
    let status = project.json("logs/runtime-status.json");
    let events = status["events"].as_array().unwrap();
    assert_eq!(events.len(), 25);
    assert_eq!(events[0]["status"], "blocked");
    let times: Vec<&str> = events.iter().map(|e| e["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
}

#[test]
fn status_files_are_ascii_and_whole_at_any_time() {
    let list = ONE_TASK.replace("First", "Grüße 🎉 <b>bold</b> & \\\"quotes\\\"");
    let project = project(&format!("{OBSERVER}; {DILIGENT}"));
    project.tasks(&list);
    project.expect(&["run"], 0);
    let text = project.read("logs/runtime-status.json");
    assert!(text.is_ascii() && text.starts_with("{\n  \"project\": \"Demo\"") && text.ends_with("}\n"));
    assert_eq!(project.json("logs/runtime-status.json")["tasks"][0]["title"], "Grüße 🎉 <b>bold</b> & \"quotes\"");
    for page in [project.left("page.1"), project.read("logs/dashboard.html")] {
        assert!(page.starts_with("<!") && page.contains("</html>"), "{page}");
        assert!(page.contains("&lt;b&gt;bold&lt;") && !page.contains("<b>bold"), "{page}");
        assert!(!page.contains("http://") && !page.contains("https://"), "self-contained");
    }
    let during = project.left("page.1");
    assert!(during.contains("T1") && during.contains("single_pass") && during.contains("refresh"), "{during}");
}

#[test]
fn status_beside_a_run_changes_nothing_of_it() {
    let project = project(&format!("echo $$ > $out/pid; while [ ! -e $out/go ]; do sleep 0.02; done; {DILIGENT}"));
    let run = project.spawn(&["run"]);
    project.left_pid("pid");
    for _ in 0..5 {
        let status: Value = serde_json::from_str(&project.expect(&["status", "--json"], 0).out).unwrap();
        assert_eq!((&status["run"]["status"], &status["counts"]["running"]), (&"running".into(), &1.into()));
        let list = project.expect(&["task", "list"], 0).out;
        assert!(list.contains("[RUNNING]"), "{list}");
    }
    std::fs::write(project.out("go"), "").unwrap();
    assert_eq!(run.wait().code, 0);
    let status = project.json("logs/runtime-status.json");
    let messages: Vec<&str> =
        status["events"].as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap()).collect();
    for part in ["Started attempt 1/3: First", "Completed: First", "Started attempt 1/3: Second", "Completed: Second"] {
        assert_eq!(messages.iter().filter(|m| m.contains(part)).count(), 1, "{part} in {messages:?}");
    }
}

#[test]
fn concurrent_run_is_refused() {
    let project = project(&format!("echo $$ > $out/pid; while [ ! -e $out/go ]; do sleep 0.02; done; {DILIGENT}"));
    let first = project.spawn(&["run"]);
    project.left_pid("pid");
    let pid = first.pid();
    for args in [&["run"][..], &["run", "--dry-run"]] {
        let second = project.expect(args, 1);
        assert!(second.err.contains(&format!("process {pid}")), "the first is named: {}", second.err);
    }
    std::fs::write(project.out("go"), "").unwrap();
    assert_eq!(first.wait().code, 0);
    assert_eq!(project.calls("codex"), 2, "one agent per task");
    project.expect(&["run"], 0);
}

#[test]
fn two_runs_at_once_do_the_work_once() {
    let project = project(&format!("sleep 0.3; {DILIGENT}"));
    let (first, second) = (project.spawn(&["run"]), project.spawn(&["run"]));
    let (first, second): (Done, Done) = (first.wait(), second.wait());
    let mut codes = [first.code, second.code];
    codes.sort_unstable();
    assert_eq!(codes, [0, 1], "{first:?} {second:?}");
    assert_eq!(project.calls("codex"), 2);
}

#[test]
fn what_people_change_during_a_run_is_taken_over() {
    let project = project(&format!("echo $$ > $out/pid$n; while [ ! -e $out/go$n ]; do sleep 0.02; done; {DILIGENT}"));
    let run = project.spawn(&["run"]);
    project.left_pid("pid1");
    project.expect(&["task", "block", "T2", "not today"], 0);
    std::fs::write(project.out("go1"), "").unwrap();
    assert_eq!(run.wait().code, 2);
    assert_eq!(project.calls("codex"), 1);
    assert_eq!(
        (&project.task("T1")["passes"], &project.task("T2")["block_reason"]),
        (&true.into(), &"not today".into())
    );
}

#[test]
fn a_read_only_project_is_an_error_that_says_so() {
    let project = project(DILIGENT);
    let before = project.read("task.json");
    let done = if nix::unistd::geteuid().is_root() {
        // Root may write anywhere, so somebody else tries.
        if !has_tool("setpriv") {
            return;
        }
        for dir in [project.dir().parent().unwrap().to_path_buf(), project.out("")] {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let script =
            "cp $autodev $out/autodev && exec setpriv --reuid=65534 --regid=65534 --clear-groups $out/autodev run";
        project.shell(script)
    } else {
        std::fs::set_permissions(project.dir(), std::fs::Permissions::from_mode(0o555)).unwrap();
        project.run(&["run"])
    };
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains(".autodev") && done.err.to_lowercase().contains("permission denied"), "{}", done.err);
    assert_eq!(project.read("task.json"), before);
    assert_eq!(project.calls("codex"), 0);
}

#[test]
fn a_broken_sink_does_not_stop_a_run() {
    let project = project(DILIGENT);
    // autodev.log cannot be written, progress.txt is a directory, and so is the dashboard.
    std::fs::create_dir_all(project.path("logs/dashboard.html")).unwrap();
    std::fs::create_dir_all(project.path("progress.txt")).unwrap();
    std::os::unix::fs::symlink("/dev/full", project.path("logs/autodev.log")).unwrap();
    let done = project.expect(&["run"], 0);
    assert_eq!(project.task("T2")["passes"], true);
    for name in ["dashboard.html", "progress.txt", "autodev.log"] {
        assert!(done.err.contains(name), "{name} is not complained of: {}", done.err);
    }
}

#[test]
fn an_attempt_log_that_cannot_be_written_is_an_environment_error() {
    let project = project(DILIGENT);
    project.write("logs/attempts/codex", "a file where a directory should be");
    let done = project.expect(&["run"], 1);
    assert!(done.err.contains("logs/attempts/codex"), "{}", done.err);
    assert_eq!(project.calls("codex"), 0);
    for id in ["T1", "T2"] {
        assert!(!project.flags(id).1);
    }
    let status: Value = serde_json::from_str(&project.expect(&["status", "--json"], 0).out).unwrap();
    assert_ne!(status["run"]["status"], "running", "{status:#}");
    std::fs::remove_file(project.path("logs/attempts/codex")).unwrap();
    project.expect(&["run"], 0);
}

#[test]
fn odd_task_ids_and_titles_are_only_text() {
    let list = r#"[{"id": "../../x y/ö", "title": "A\nB \u001b[31m", "description": "d", "steps": ["s"],
      "verification": {"validate_commands": ["test -f src/done.txt"]}}]"#;
    let project = project("mkdir -p src; echo x > src/done.txt; echo \"$AUTODEV_TASK_ID\" > $out/id");
    project.tasks(list);
    let done = project.expect(&["run"], 0);
    assert_eq!(project.left("id"), "../../x y/ö\n");
    assert!(!done.err.contains('\x1b'), "{}", done.err);
    let logs: Vec<_> =
        std::fs::read_dir(project.path("logs/attempts/codex")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert!(logs[0].to_str().unwrap().starts_with("task_") && !logs[0].to_str().unwrap().contains(' '), "{logs:?}");
}

#[test]
fn a_run_of_many_tasks_is_quick() {
    let tasks: Vec<String> = (1..=20)
        .map(|n| format!(r#"{{"id": "T{n}", "title": "t", "description": "d", "steps": ["s"], "verification": {{"validate_commands": ["test -f src/T{n}.txt"]}}}}"#))
        .collect();
    let project = project(DILIGENT);
    project.tasks(&format!("[{}]", tasks.join(",")));
    let begun = Instant::now();
    project.expect(&["run"], 0);
    println!("20 tasks: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(project.calls("codex"), 20);
}
