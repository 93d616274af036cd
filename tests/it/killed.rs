//! kill -9 at the moments at which people and machines do it. `crash` walks over all of our own.

use std::fs;

use serde_json::json;

use crate::harness::{Project, Running, lives, wait_until};

const TASK: &str = r#"[{"id": "A", "title": "First", "description": "d", "steps": ["s"],
  "verification": {"validate_commands": ["test -f a.txt"]}}]"#;

fn kill(run: Running) {
    run.signal("KILL");
    assert_eq!(run.wait().code, -9);
}

fn pids(project: &Project) -> Vec<i32> {
    fs::read_to_string(project.aside("pids"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

#[test]
fn kill9_leaves_no_orphan_backend() {
    let project = Project::plain();
    let pids_file = project.aside("pids").display().to_string();
    let agent = format!(
        "trap '' TERM INT HUP\n(trap '' TERM; while :; do echo edit >> a.txt; sleep 0.05; done) & echo $! >> {pids_file}\n\
         setsid sh -c 'trap \"\" TERM; echo $$ >> {pids_file}; while :; do sleep 1; done' &\necho $$ >> {pids_file}\n\
         while :; do sleep 1; done"
    );
    project.tasks(TASK).agent("codex", &agent);
    let run = project.spawn(&["run"]);
    wait_until("three processes to be noted", || pids(&project).len() == 3);
    project.wait_for_file("a.txt");
    kill(run);
    wait_until("every process of the agent to end", || !pids(&project).into_iter().any(lives));
    let size = project.read("a.txt").len();
    assert_eq!(project.read("a.txt").len(), size, "nobody edits any more");
}

#[test]
fn kill9_leaves_no_orphan_check() {
    let project = Project::plain();
    let pids_file = project.aside("pids").display().to_string();
    let first_time = "sleep 60 & echo $! >> P; wait";
    let check = format!("sh -c 'test ! -e P || exit 0; echo $$ >> P; {first_time}'").replace('P', &pids_file);
    project.tasks(&TASK.replace("test -f a.txt", &check)).agent("codex", "echo x > a.txt");
    let run = project.spawn(&["run"]);
    wait_until("two processes to be noted", || pids(&project).len() == 2);
    kill(run);
    wait_until("every process of the check to end", || !pids(&project).into_iter().any(lives));
    project.expect(&["run"], 0);
    assert_eq!(project.calls("codex"), 1, "the work is there: only the checks are made again");
}

#[test]
fn kill9_status_is_not_running_forever() {
    let project = Project::plain();
    project.tasks(TASK).agent("codex", "touch started; sleep 60");
    let run = project.spawn(&["run"]);
    project.wait_for_file("started");
    assert_eq!(project.output_json(&["status", "--json"], 0)["run"]["status"], "running");
    kill(run);
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!(status["run"]["status"], "interrupted", "{status}");
    assert_eq!((&status["counts"]["running"], &status["tasks"][0]["status"]), (&json!(0), &json!("pending")));
    assert_eq!(project.json("logs/runtime-status.json"), status, "the file says so too");
    let text = project.expect(&["status"], 0).out;
    assert!(text.contains("Run: [INTERRUPTED]") && text.contains("autodev run"), "{text}");
    let list = project.expect(&["task", "list"], 0).out;
    assert!(list.contains("Running: 0") && list.contains("[PENDING]"), "{list}");
}

#[test]
fn kill9_work_of_killed_attempt_counts() {
    let project = Project::plain();
    project.tasks(TASK).agent("codex", "if [ $n = 1 ]; then echo x > a.txt; sleep 60; fi");
    let run = project.spawn(&["run"]);
    project.wait_for_file("a.txt");
    kill(run);
    project.expect(&["run"], 0);
    assert_eq!((project.calls("codex"), &project.task("A")["passes"]), (2, &json!(true)));
    assert_eq!(project.committed(), ["a.txt"]);
    let history = project.task("A")["attempt_history"].clone();
    assert!(history.as_array().unwrap().iter().all(|entry| entry["status"] == "completed"), "uncharged: {history}");
    assert_eq!(project.events("run_lost").len(), 1);
}

#[test]
fn kill9_before_commit_is_recovered() {
    for place in ["commit-tree", "update-ref", "write-tree", "commit"] {
        let project = Project::plain();
        project.tasks(TASK).agent("codex", "echo x > a.txt");
        let once = project.aside("once").display().to_string();
        // Stands in for git: the first such call kills whoever made it, before anything is done.
        let git = format!(
            "#!/bin/bash\nfor word in \"$@\"; do if [ \"$word\" = {place} ] && [ ! -e {once} ]; then touch {once}; kill -9 $PPID; exit 1; fi; done\n\
             exec /usr/bin/git \"$@\"\n"
        );
        project.program("git", &git);
        let first = project.run(&["run"]);
        let was_hit = project.aside("once").exists();
        assert_eq!(first.code, if was_hit { -9 } else { 0 }, "{place}: {first:?}");
        project.expect(&["run"], 0);
        assert_eq!(project.task("A")["passes"], true, "{place}");
        assert_eq!(project.log(), ["autodev: A - First", "initial"], "{place}: committed once");
        assert_eq!(project.committed(), ["a.txt"], "{place}");
        assert_eq!(project.git(&["status", "--porcelain", "a.txt"]), "", "{place}");
        assert_eq!(project.calls("codex"), 1, "{place}: the proved work is not done twice");
    }
}

#[test]
fn kill9_inside_a_hook_is_recovered() {
    let project = Project::plain();
    project.tasks(TASK).agent("codex", "echo x > a.txt");
    let pid = project.aside("pid").display().to_string();
    project.write(".git/hooks/pre-commit", &format!("#!/bin/sh\n[ -e {pid} ] && exit 0\ntouch {pid}; sleep 60\n"));
    project.git(&["config", "core.fileMode", "true"]);
    assert!(project.command("chmod", &["755", ".git/hooks/pre-commit"]).status().unwrap().success());
    let run = project.spawn(&["run"]);
    wait_until("the hook to run", || project.aside("pid").exists());
    kill(run);
    project.expect(&["run"], 0);
    assert_eq!((project.committed(), project.calls("codex")), (vec!["a.txt".to_owned()], 1));
}

#[test]
fn kill9_between_tasks_goes_on_with_the_next() {
    let mut project = Project::plain();
    project.write("autodev.toml", "[backend]\ndefault = \"codex\"\n[run]\ndelay_between_tasks = 60\n");
    let second = TASK.trim_matches(['[', ']']).replace("\"A\"", "\"B\"");
    project.tasks(&format!("[{},{second}]", TASK.trim_matches(['[', ']'])));
    project.agent("codex", "echo $AUTODEV_TASK_ID >> a.txt");
    let run = project.spawn(&["run"]);
    project.wait_for("task.json", "\"passes\": true");
    wait_until("the pause", || project.run(&["log"]).out.contains("next task in"));
    kill(run);
    project.env("AUTODEV_RUN_DELAY_BETWEEN_TASKS", "0");
    project.expect(&["run"], 0);
    assert_eq!(project.log(), ["autodev: B - First", "autodev: A - First", "initial"]);
    assert_eq!(project.read("a.txt"), "A\nB\n");
}

#[test]
fn a_user_edit_after_a_kill_is_not_lost() {
    let project = Project::plain();
    project.tasks(TASK).agent("codex", "if [ $n = 1 ]; then echo agent > b.txt; sleep 60; fi; exit 0");
    project.expect(&["task", "list"], 0);
    let run = project.spawn(&["run", "--max-retries", "1"]);
    project.wait_for_file("b.txt");
    kill(run);
    project.write("README.md", "# edited by the user\n").write("notes.md", "mine\n");
    project.expect(&["run", "--max-retries", "1"], 2);
    assert_eq!(project.task("A")["blocked"], true);
    let shown = project.git(&["for-each-ref", "--format=%(refname)", "refs/autodev/salvage"]);
    let saved =
        if shown.is_empty() { String::new() } else { project.git(&["show", "--name-only", "--format=", shown.trim()]) };
    let keeps = |name: &str, text: &str| project.has(name) && project.read(name) == text || saved.contains(name);
    assert!(keeps("README.md", "# edited by the user\n") && keeps("notes.md", "mine\n"), "{saved}");
}
