//! task.json and the files beside it: nothing is lost, nothing is torn, nothing is guessed.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Done, PATIENCE, Project, wait_until};

const ONE: &str = r#"[{"id": "A", "title": "First", "description": "d", "steps": ["s"],
  "verification": {"validate_commands": ["test -f a.txt"]}}]"#;
const WORKS: &str = "touch $AUTODEV_TASK_ID.txt; echo $AUTODEV_TASK_ID > \"$(echo $AUTODEV_TASK_ID | tr A-Z a-z).txt\"";

/// A queue of `count` tasks whose file has roughly `count * 1100` bytes.
fn long_queue(count: usize) -> String {
    let text = "x".repeat(1000);
    let tasks: Vec<Value> = (0..count)
        .map(|n| json!({"id": format!("T{n}"), "title": format!("Task {n}"), "description": text, "steps": ["s"]}))
        .collect();
    serde_json::to_string_pretty(&tasks).unwrap()
}

/// Runs autodev as `sh` starts it after some words of its own.
fn under_shell(project: &Project, before: &str, args: &str) -> Done {
    let line = format!("{before} exec {} {args}", env!("CARGO_BIN_EXE_autodev"));
    let output = project.command("sh", &["-c", &line]).output().unwrap();
    let code = std::os::unix::process::ExitStatusExt::signal(&output.status).map_or(output.status.code(), |s| Some(-s));
    Done {
        code: code.unwrap(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn writes_are_atomic() {
    let project = Project::plain();
    project.tasks(&long_queue(100));
    let before = project.read("task.json");
    let files = names(&project.dir());
    // 16 KiB in the blocks of 512 bytes that `sh` counts in; with and without the signal that comes with it.
    for before_exec in ["ulimit -f 32;", "trap '' XFSZ; ulimit -f 32;"] {
        let done = under_shell(&project, before_exec, "task block T50 broken");
        assert_eq!(done.code, 1, "{before_exec}: {done:?}");
        assert!(done.err.contains("task.json") && done.err.contains("File too large"), "{}", done.err);
        assert_eq!(done.err.matches("File too large").count(), 1, "said once: {}", done.err);
        assert_eq!(project.read("task.json"), before, "{before_exec}");
    }
    let mut now = names(&project.dir());
    now.retain(|name| name != ".autodev");
    assert_eq!(now, files, "no half-written file is left");
    project.expect(&["task", "block", "T50", "works"], 0);
    assert_eq!(project.task("T50")["block_reason"], "works");
}

#[test]
fn a_file_size_limit_is_no_concern_of_agents_and_checks() {
    let project = Project::plain();
    project.tasks(&ONE.replace("test -f a.txt", "grep -q -x 'SigBlk:.0000000000000000' /proc/self/status"));
    project.agent("codex", "grep SigBlk /proc/self/status > a.txt");
    project.expect(&["run"], 0);
    assert_eq!(project.read("a.txt"), "SigBlk:\t0000000000000000\n");
}

#[test]
fn readers_never_see_a_torn_queue() {
    let project = Project::plain();
    let mut tasks: Vec<Value> = serde_json::from_str(&long_queue(120)).unwrap();
    for (n, task) in tasks.iter_mut().enumerate() {
        task["passes"] = json!(n >= 4);
    }
    project.tasks(&Value::from(tasks).to_string());
    project.agent("codex", "echo $AUTODEV_TASK_ID > $AUTODEV_TASK_ID.txt");
    let (is_over, reads, torn) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !is_over.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE {
                let text = fs::read_to_string(project.path("task.json")).unwrap_or_default();
                reads.fetch_add(1, Ordering::SeqCst);
                if !text.ends_with("}\n") || serde_json::from_str::<Value>(&text).is_err() {
                    torn.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let run = project.run(&["run"]);
        let block = project.run(&["task", "block", "T9", "by hand"]);
        is_over.store(true, Ordering::SeqCst);
        assert_eq!((run.code, block.code), (0, 0), "{run:?} {block:?}");
    });
    assert_eq!(torn.into_inner(), 0);
    assert!(reads.into_inner() > 10);
    assert_eq!(project.task("T3")["passes"], true);
}

#[test]
fn parallel_task_edits_are_not_lost() {
    let project = Project::plain();
    project.tasks(&long_queue(12));
    let running: Vec<_> =
        (0..12).map(|n| project.spawn(&["task", "block", &format!("T{n}"), &format!("reason {n}")])).collect();
    for running in running {
        let done = running.wait();
        assert_eq!(done.code, 0, "{done:?}");
    }
    for n in 0..12 {
        let task = project.task(&format!("T{n}"));
        assert_eq!((&task["blocked"], &task["block_reason"]), (&json!(true), &json!(format!("reason {n}"))));
    }
    assert_eq!(project.json("task.json")["statistics"], json!({"completed": 0, "blocked": 12}));
    assert_eq!(project.events("status_set").len(), 12);
}

#[test]
fn edits_beside_a_run_are_not_lost_and_the_run_keeps_its_own() {
    let project = Project::plain();
    let list = ["A", "B", "C"].map(|id| ONE.trim_matches(['[', ']']).replace("\"A\"", &format!("{id:?}")));
    project.tasks(&format!("[{}]", list.join(",").replace("test -f a.txt", "true")));
    let go = project.aside("go");
    project.agent("codex", &format!("touch started; while [ ! -e {} ]; do sleep 0.01; done; {WORKS}", go.display()));
    let run = project.spawn(&["run"]);
    project.wait_for_file("started");
    let blocks: Vec<_> = (0..3).map(|_| project.spawn(&["task", "block", "C", "not today"])).collect();
    let reads: Vec<_> = (0..3).map(|_| project.spawn(&["status", "--json"])).collect();
    for command in blocks.into_iter().chain(reads) {
        assert_eq!(command.wait().code, 0);
    }
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!(status["run"]["status"], "running");
    assert_eq!(status["counts"], json!({"total": 3, "completed": 0, "blocked": 1, "pending": 1, "running": 1}));
    fs::write(go, "").unwrap();
    assert_eq!(run.wait().code, 2);
    assert_eq!((&project.task("A")["passes"], &project.task("B")["passes"]), (&json!(true), &json!(true)));
    assert_eq!(project.task("C")["block_reason"], "not today");
    assert_eq!(project.calls("codex"), 2);
    let events = project.json("logs/runtime-status.json")["events"].clone();
    let text = events.to_string();
    assert!(text.contains("Started attempt 1/3: First"), "no event of the run was lost: {text}");
}

#[test]
fn backups_never_collide() {
    let project = Project::plain();
    project.tasks(ONE);
    for n in 0..4 {
        project.expect(&["task", "block", "A", &format!("reason {n}")], 0);
        let done = project.expect(&["task", "reset"], 0);
        let path = done.out.lines().find_map(|line| line.strip_prefix("Backup: ")).unwrap();
        let backup: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(backup["tasks"][0]["block_reason"], format!("reason {n}"), "{path}");
    }
    let backups = project.find(".", "task.json.bak.");
    assert_eq!(backups.len(), 4, "{backups:?}");
    let first = &backups[0]["task.json.bak.".len()..];
    assert!(first.len() == 16 && first.as_bytes()[8] == b'T' && first.ends_with('Z'), "{first}");
}

#[test]
fn tasks_must_be_a_list() {
    for tasks in [r#"{"A": {"title": "First"}}"#, "\"A\"", "7", "null", "true"] {
        let project = Project::plain();
        project.tasks(tasks).agent("codex", "echo x > a.txt");
        let before = project.read("task.json");
        for args in
            [&["run"][..], &["task", "list"], &["task", "next"], &["task", "reset"], &["status"], &["verify", "A"]]
        {
            let done = project.expect(args, 1);
            assert!(done.err.starts_with("Task data error: "), "{args:?}: {}", done.err);
            assert!(done.err.contains("task.json:1:") && done.err.contains("list"), "says where: {}", done.err);
        }
        assert_eq!(project.read("task.json"), before);
        assert_eq!(project.calls("codex"), 0);
    }
}

#[test]
fn task_file_errors() {
    let broken = ["{", "", "[]", "{\"tasks\": [}", "null", "{\"tasks\": []} x", "{\"a\": 1", "\u{feff}"];
    for text in broken {
        let project = Project::plain();
        project.write("task.json", text);
        for args in [&["run"][..], &["task", "block", "A", "r"], &["status"]] {
            let done = project.expect(args, 1);
            assert!(done.err.starts_with("Task data error: ") && done.err.contains("task.json"), "{text:?}: {done:?}");
            assert_eq!(done.out, "", "{text:?} {args:?}");
        }
        assert_eq!(project.read("task.json"), text);
        assert_eq!(project.find(".", "task.json").len(), 1, "no copies for a mistake of a person");
    }
    let project = Project::plain();
    fs::write(project.path("task.json"), b"{\"tasks\": [{\"id\": \"\xff\"}]}").unwrap();
    let done = project.expect(&["task", "list"], 1);
    assert!(done.err.contains("task.json:1:20: not UTF-8"), "{}", done.err);
    fs::remove_file(project.path("task.json")).unwrap();
    for args in [&["run"][..], &["task", "list"], &["task", "next"], &["verify", "A"]] {
        let done = project.expect(args, 1);
        assert!(done.err.contains("task.json") && done.err.contains("hint: "), "{}", done.err);
    }
    assert!(!project.has("task.json"));
}

#[test]
fn bad_task_field_types() {
    for (field, value) in [
        ("validate_timeout_seconds", json!("soon")),
        ("validate_timeout_seconds", json!(0)),
        ("validate_commands", json!("true")),
        ("validate_commands", json!([["true"]])),
        ("path_patterns", json!("src/*")),
        ("path_patterns", json!([1])),
        ("validate_working_directory", json!(7)),
        ("validate_environment", json!(["A=1"])),
    ] {
        let project = Project::plain();
        let mut task: Value = serde_json::from_str(ONE).unwrap();
        task[0]["verification"][field] = value.clone();
        project.tasks(&task.to_string()).agent("codex", WORKS);
        let before = project.read("task.json");
        let done = project.expect(&["run"], 1);
        assert!(done.err.contains(&format!("tasks[0].verification.{field}")), "{field} = {value}: {}", done.err);
        assert!(!done.err.contains("panicked") && done.err.contains("task.json:1:"), "{}", done.err);
        assert_eq!((project.read("task.json"), project.calls("codex")), (before, 0));
    }
}

#[test]
fn duplicate_ids_do_not_loop() {
    let project = Project::plain();
    let twice = format!("[{0},{0}]", ONE.trim_matches(['[', ']']));
    project.tasks(&twice).agent("codex", WORKS);
    let before = project.read("task.json");
    let done = project.expect(&["run"], 1);
    assert!(done.err.contains("\"A\" is already the id of tasks[0]"), "{}", done.err);
    assert_eq!((project.calls("codex"), project.read("task.json")), (0, before));
}

#[test]
fn a_task_without_an_id_is_named_before_anything_is_started() {
    let project = Project::plain();
    project.tasks(r#"[{"title": "First", "description": "d", "steps": ["s"]}]"#).agent("codex", WORKS);
    let done = project.expect(&["run"], 1);
    assert!(done.err.contains("tasks[0].id"), "{}", done.err);
    assert_eq!(project.calls("codex"), 0);
}

#[test]
fn what_autodev_does_not_know_in_task_json_survives_a_run() {
    let project = Project::plain();
    let text = "\u{feff}{\n  \"owner\": \"Zoë ☕\",\n  \"tasks\": [\n    \"a remark\",\n    {\"x-estimate\": 1e400, \"id\": \"A\", \
                \"title\": \"Grüße\", \"big\": 123456789012345678901234567890, \"description\": \"d\", \"steps\": [\"s\"]},\n    7\n  ],\n  \
                \"version\": 1.10\n}\n";
    project.write("task.json", text).agent("codex", WORKS);
    project.expect(&["run"], 0);
    let after = project.read("task.json");
    for kept in [
        "\"owner\": \"Zoë ☕\"",
        "\"a remark\"",
        "1e400",
        "123456789012345678901234567890",
        "\"version\": 1.10",
        "    7\n",
    ] {
        assert!(after.contains(kept), "{kept} in {after}");
    }
    assert!(after.contains("\"title\": \"Grüße\"") && after.ends_with("}\n"), "{after}");
    let order: Vec<usize> = ["owner", "tasks", "version", "statistics"]
        .map(|key| after.find(&format!("\n  \"{key}\"")).unwrap_or_else(|| panic!("{key}: {after}")))
        .to_vec();
    assert!(order.is_sorted(), "loaded keys keep their order, new ones come last: {after}");
    let keys = ["x-estimate", "\"id\"", "\"title\"", "\"big\""].map(|key| after.find(key).unwrap());
    assert!(keys.is_sorted(), "{after}");
}

#[test]
fn task_legacy_fields() {
    let project = Project::plain();
    project.tasks(
        r#"[{"id": " A ", "name": "Old", "passes": "no", "blocked": "off", "block_reason": null, "steps": [" one ", "", 2, null],
             "docs": "README.md", "execution_mode": "experiment",
             "gate": {"validate_commands": ["true"], "evidence_keys": ["x"]},
             "experiment": {"goal_metric": {"name": "lat", "direction": "lower_is_better", "json_path": "$.p95",
                            "min_improvement": "0.5"}, "max_iterations": 0, "rollback_on_regression": false,
                            "no_improvement_threshold": 2, "invalid_result_threshold": "4"}},
            {"id": 7, "title": "Done", "passes": "yes"}, {"id": "B", "title": "Odd", "blocked": "Y", "verification": {}},
            {"id": "C", "passes": "perhaps", "completion": {"kind": "weird"}, "execution": {"strategy": "unknown"}}]"#,
    );
    let task = project.output_json(&["task", "next", "--json"], 0)["task"].clone();
    assert_eq!(task["id"].as_str().unwrap().trim(), "A");
    assert_eq!(task["steps"], json!(["one", "2"]));
    assert_eq!((&task["docs"], &task["block_reason"], &task["passes"]), (&json!([]), &json!(""), &json!(false)));
    assert_eq!(task["verification"], json!({"validate_commands": ["true"]}));
    assert_eq!((task.get("gate"), task["execution_mode"].as_str()), (None, Some("experiment")));
    assert_eq!(
        task["completion"],
        json!({"kind": "numeric", "source": "json_stdout", "name": "lat", "direction": "lower_is_better",
               "json_path": "$.p95", "min_improvement": 0.5, "unchanged_tolerance": 0.0})
    );
    assert_eq!(
        task["execution"],
        json!({"strategy": "iterative", "max_iterations": 3, "rollback_on_failure": false, "keep_on_equal": false,
               "commit_prefix": "experiment", "stop_after_no_improvement": 2, "stop_after_invalid": 4})
    );
    let list = project.output_json(&["task", "list", "--json"], 0);
    let rows: Vec<_> =
        list["tasks"].as_array().unwrap().iter().map(|t| (t["id"].clone(), t["status"].clone())).collect();
    let want = [("A", "pending"), ("7", "completed"), ("B", "blocked"), ("C", "pending")];
    assert_eq!(rows, want.map(|(id, status)| (json!(id), json!(status))));
    assert_eq!(list["tasks"][0]["title"], "Old");
    project.expect(&["task", "block", "7", "again"], 0);
    project.expect(&["task", "block", "A", "old"], 0);
    let next = project.output_json(&["task", "next", "--json"], 0)["task"].clone();
    assert_eq!(next["completion"], json!({"kind": "boolean", "source": "gate", "success_when": "all_checks_pass"}));
    assert_eq!(
        (&next["execution"], &next["execution_mode"]),
        (&json!({"strategy": "single_pass"}), &json!("delivery"))
    );
}

#[test]
fn a_normal_task_has_every_key_with_its_type() {
    let project = Project::plain();
    project.tasks(ONE);
    let task = project.output_json(&["task", "next", "--json"], 0)["task"].clone();
    let lists =
        ["steps", "docs", "output", "implementation_notes", "verification_notes", "learning_notes", "attempt_history"];
    for key in lists {
        assert!(task[key].is_array(), "{key}: {task}");
    }
    for key in ["title", "description", "block_reason", "last_reflection_summary"] {
        assert!(task[key].is_string(), "{key}: {task}");
    }
    assert_eq!(
        (&task["passes"], &task["blocked"], &task["refinement_count"]),
        (&json!(false), &json!(false), &json!(0))
    );
    assert_eq!(task["execution_mode"], "delivery");
    assert_eq!(task.get("experiment"), None);
}

#[test]
fn broken_user_edit_is_preserved() {
    let project = Project::plain();
    let list = format!("[{},{}]", ONE.trim_matches(['[', ']']), ONE.trim_matches(['[', ']']).replace("\"A\"", "\"B\""));
    project.tasks(&list.replace("test -f a.txt", "true"));
    project.agent(
        "codex",
        &format!(
            "{WORKS}\nif [ $AUTODEV_TASK_ID = A ]; then echo '{{\"tasks\": [ my hand-written plan, ' > task.json; fi"
        ),
    );
    let done = project.expect(&["run"], 0);
    let kept = project.find(".", "task.json.broken.");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(project.read(&kept[0]), "{\"tasks\": [ my hand-written plan, \n");
    assert!(done.err.contains(&kept[0]), "a person is told: {}", done.err);
    assert_eq!((&project.task("A")["passes"], &project.task("B")["passes"]), (&json!(true), &json!(true)));
    let event = project.events("queue_broken").remove(0);
    assert!(event["kept_as"].as_str().unwrap().ends_with(&kept[0]), "{event}");
    assert_eq!(project.committed(), ["b.txt", "B.txt"].map(str::to_owned).into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn a_queue_that_was_deleted_during_a_run_is_written_again() {
    let project = Project::plain();
    project.tasks(ONE).agent("codex", &format!("{WORKS}; rm task.json"));
    project.expect(&["run"], 0);
    assert_eq!(project.task("A")["passes"], true);
}

#[test]
fn run_agent_edits_survive() {
    let project = Project::plain();
    project.tasks(ONE).program(
        "codex",
        "#!/usr/bin/env python3\nimport json, sys\nif '--version' in sys.argv:\n    print('codex-cli 9.9.9'); sys.exit()\nsys.stdin.read()\n\
         q = json.load(open('task.json'))\n\
         if len(q['tasks']) == 1:\n    q['tasks'][0]['learning_notes'] = ['mind the gap']\n    q['tasks'][0]['custom'] = {'x': [1, 2]}\n    \
         q['extra'] = 'kept'\n    q['tasks'].append({'id': 'N', 'title': 'New', 'description': 'd', 'steps': ['s']})\n    \
         json.dump(q, open('task.json', 'w'))\n    open('a.txt', 'w').write('1')\nelse:\n    open('n.txt', 'w').write('1')\n",
    );
    project.expect(&["run"], 0);
    let task = project.task("A");
    assert_eq!((&task["passes"], &task["custom"]), (&json!(true), &json!({"x": [1, 2]})));
    assert_eq!(task["learning_notes"], json!(["mind the gap"]));
    assert_eq!(project.json("task.json")["extra"], "kept");
    assert_eq!(project.task("N")["passes"], true, "a task that an agent adds is worked on, and proved like any other");
    assert_eq!(project.committed(), ["n.txt"]);
}

#[test]
fn attempts_leave_history_statistics_and_journal() {
    let project = Project::plain();
    project.tasks(ONE);
    project
        .agent("codex", "case $n in 1) echo x > wrong.txt; exit 3;; 2) echo y > other.txt;; 3) echo z > a.txt;; esac");
    project.expect(&["run"], 0);
    let task = project.task("A");
    let history = task["attempt_history"].as_array().unwrap();
    let brief: Vec<_> = history
        .iter()
        .map(|e| {
            (e["attempt"].as_i64().unwrap(), e["status"].as_str().unwrap(), e["backend_exit_code"].as_i64().unwrap())
        })
        .collect();
    assert_eq!(brief, [(1, "failed", 3), (2, "failed", 99), (3, "completed", 0)]);
    assert_eq!(history[1]["changed_files"], json!(["other.txt", "wrong.txt"]));
    let errors = history[1]["verification_errors"].to_string();
    assert!(errors.contains("validate:test -f a.txt") && errors.contains("exit_code=1"), "{errors}");
    assert_eq!(history[2]["verification_errors"], json!([]));
    let mut keys: Vec<_> = history[0].as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["attempt", "backend_exit_code", "changed_files", "status", "summary", "verification_errors"]);
    assert_eq!(project.json("task.json")["statistics"], json!({"completed": 1, "blocked": 0}));
    let journal = project.json("task.json")["learning_journal"].clone();
    let last = journal.as_array().unwrap().last().unwrap();
    assert_eq!((&last["task_id"], &last["status"]), (&json!("A"), &json!("completed")));
}

#[test]
fn histories_and_journal_are_capped() {
    let project = Project::plain();
    let old: Vec<Value> = (0..30)
        .map(|n| json!({"attempt": n, "status": "failed", "backend_exit_code": 1, "summary": format!("old {n}"), "changed_files": [], "verification_errors": []}))
        .collect();
    let mut task: Value = serde_json::from_str(ONE).unwrap();
    task[0]["attempt_history"] = json!(old);
    project.tasks(&task.to_string()).agent("codex", WORKS);
    project.expect(&["run"], 0);
    let history = project.task("A")["attempt_history"].clone();
    let history = history.as_array().unwrap();
    assert_eq!(history.len(), 12);
    assert_eq!((&history[11]["status"], &history[10]["summary"]), (&json!("completed"), &json!("old 29")));
}

#[test]
fn task_md_names_the_task_while_it_is_worked_on_and_is_idle_afterwards() {
    let project = Project::plain();
    let list = r#"[{"id": "P0-1", "title": "Add greeting", "description": "Say hello.", "steps": ["Write it", "Try it"],
                    "docs": ["README.md"], "verification": {"path_patterns": ["hello.txt"]}}]"#;
    project.tasks(list).agent("codex", "cat TASK.md > hello.txt");
    project.expect(&["run"], 0);
    let seen = project.read("hello.txt");
    let want = "# Current Task\n\n## Task\n- ID: P0-1\n- Name: Add greeting\n\n## Summary\nSay hello.\n\n## Steps\n- Write it\n- Try it\n\n\
                ## Docs\n- README.md\n\n## Execution Context\n- Attempt: 1/3\n- Mode: delivery\n\n## Runtime Sources of Truth\n";
    assert!(seen.starts_with(want), "{seen}");
    for name in ["task.json", "AGENT.md", "progress.txt"] {
        assert!(seen[want.len()..].contains(name), "{seen}");
    }
    let idle = project.read("TASK.md");
    assert!(idle.starts_with("# Current Task\n") && !idle.contains("P0-1"), "{idle}");
    assert!(idle.contains("## Runtime Sources of Truth") && idle.contains("`task.json`"), "{idle}");
}

#[test]
fn progress_txt_has_one_block_for_each_failure_completion_and_block() {
    let project = Project::plain();
    let list = r#"[{"id": "P0-1", "title": "Add greeting", "description": "d", "steps": ["s"],
       "verification": {"path_patterns": ["src/*"], "validate_commands": ["test -f src/P0-1.txt"]}},
       {"id": "P0-2", "title": "Never", "description": "d", "steps": ["s"]}]"#;
    project.tasks(list).agent(
        "codex",
        "mkdir -p src; case $AUTODEV_TASK_ID:$AUTODEV_ATTEMPT in P0-1:1) echo x > src/wrong.txt;; P0-1:*) echo x > src/P0-1.txt;; esac",
    );
    project.write("progress.txt", "# My notes\n\nkeep me\n");
    project.expect(&["run"], 2);
    let text = project.read("progress.txt");
    assert!(text.starts_with("# My notes\n\nkeep me\n"), "{text}");
    let failed = "P0-1 - Add greeting\n\n### Status: failed\n\n### Changed Files\n- src/wrong.txt\n\n### Verification Result\n\
                  - min_changed_files: PASS - 1 files changed (minimum: 1)\n- path_patterns: PASS - Patterns: ['src/*']\n\
                  - validate:test -f src/P0-1.txt: FAIL - exit_code=1\n";
    assert!(text.contains(failed), "{text}");
    let blocks: Vec<&str> = text.lines().filter(|line| line.starts_with("### Status: ")).collect();
    let of = |word: &str| blocks.iter().filter(|line| line.ends_with(word)).count();
    assert_eq!((of("failed"), of("completed"), of("blocked")), (4, 1, 1), "{text}");
    assert!(text.contains("P0-2 - Never\n\n### Status: blocked\n") && text.contains("### Block Reason\n"), "{text}");
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("## [")).collect();
    assert!(heads.iter().all(|head| head[4..].starts_with("20") && head.contains(" UTC] P0-")), "{heads:?}");
    assert!(text.ends_with("\n---\n"), "{text}");
}

#[test]
fn logs_are_where_they_have_always_been() {
    let project = Project::plain();
    project
        .tasks(&ONE.replace("\"A\"", "\"P0/1: ä\""))
        .agent("codex", "echo 'working on it'; echo oops >&2; echo x > a.txt");
    let done = project.expect(&["run"], 0);
    let logs = project.find("logs/attempts/codex", "");
    assert_eq!(logs.len(), 1, "{logs:?}");
    let name = logs[0].strip_prefix("logs/attempts/codex/task_P0_1___").unwrap_or_else(|| panic!("{}", logs[0]));
    assert!(name.contains("__attempt_1_20") && name.ends_with("Z.log"), "{name}");
    let log = project.read(&logs[0]);
    assert!(log.contains("working on it\n") && log.contains("oops\n"), "{log}");
    assert!(done.out.contains("working on it"), "agent output goes to standard output");
    assert!(!done.out.contains("[20"), "log lines do not: {}", done.out);
    let all = project.read("logs/autodev.log");
    assert!(all.contains("working on it") && !all.contains('\u{1b}'), "{all}");
    let lines: Vec<&str> = done.err.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("[20") && line.as_bytes()[20] == b']'), "{}", done.err);
    assert!(lines.iter().all(|line| all.contains(line)), "every log line is also in autodev.log");
    project.expect(&["run"], 0);
    assert!(project.read("logs/autodev.log").starts_with(&all), "autodev.log is only ever added to");
}

#[test]
fn rebuild_makes_the_same_bytes() {
    let project = Project::plain();
    let list = format!("[{},{}]", ONE.trim_matches(['[', ']']), ONE.trim_matches(['[', ']']).replace("\"A\"", "\"B\""));
    project.write("progress.txt", "by hand\n");
    project
        .tasks(&list)
        .agent("codex", "[ $AUTODEV_TASK_ID = A ] && echo x > a.txt; rm -f README.md; test $AUTODEV_TASK_ID = A");
    project.expect(&["run"], 2);
    project.expect(&["task", "block", "A", "by hand"], 0);
    project.expect(&["status"], 0);
    let files = ["progress.txt", "TASK.md", "logs/runtime-status.json", "logs/dashboard.html"];
    let before = files.map(|name| project.read(name));
    for name in &files {
        fs::remove_file(project.path(name)).unwrap();
    }
    let done = project.expect(&["rebuild"], 0);
    for (name, text) in files.iter().zip(&before) {
        assert!(done.out.contains(name), "{}", done.out);
        assert_eq!(&project.read(name), text, "{name}");
    }
    project.write("progress.txt", "scribbled over\n").write("logs/runtime-status.json", "{");
    project.expect(&["rebuild"], 0);
    assert_eq!(files.map(|name| project.read(name)), before);
}

#[test]
fn commands_work_when_the_projections_are_gone_or_broken() {
    let project = Project::plain();
    project.tasks(ONE).agent("codex", WORKS);
    project.write("logs/runtime-status.json", "not json").write("logs/dashboard.html", "");
    project.expect(&["status"], 0);
    project.expect(&["run"], 0);
    fs::remove_dir_all(project.path("logs")).unwrap();
    assert_eq!(project.output_json(&["status", "--json"], 0)["counts"]["completed"], 1);
    assert_eq!(project.json("logs/runtime-status.json")["run"]["status"], "completed");
}

#[test]
fn log_json_is_one_object_a_line_and_follows_a_run() {
    let project = Project::plain();
    let done = project.expect(&["log"], 1);
    assert!(done.err.contains("nothing has been run here yet"), "{}", done.err);
    let list = format!("[{},{}]", ONE.trim_matches(['[', ']']), ONE.trim_matches(['[', ']']).replace("\"A\"", "\"B\""));
    project.tasks(&list.replace("test -f a.txt", "true")).agent("codex", WORKS);
    project.expect(&["run"], 0);
    let events = project.journal();
    for (n, event) in (1..).zip(&events) {
        assert_eq!(event["seq"], n);
        assert!(event["run"].is_string() && event["at"].as_str().unwrap().ends_with('Z'), "{event}");
    }
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("run_started", "run_ended"), "{kinds:?}");
    for kind in
        ["queue_seen", "attempt_started", "attempt_ended", "gate_ended", "committed", "task_completed", "queue_saved"]
    {
        assert!(kinds.contains(&kind), "{kind} in {kinds:?}");
    }
    let of_b = project.expect(&["log", "B", "--json"], 0).out;
    assert!(of_b.lines().count() > 4 && of_b.lines().count() < events.len() / 2 + 3, "{of_b}");
    assert!(!of_b.contains("\"task\":\"A\""), "{of_b}");
    assert_eq!(project.expect(&["log", "-n", "2"], 0).out.lines().count(), 2);
    let follow = project.spawn(&["log", "--follow", "--json"]);
    project.expect(&["task", "block", "A", "seen by the follower"], 0);
    wait_until("the follower to see it", || follow.out().contains("seen by the follower"));
    follow.signal("KILL");
    follow.wait();
}
