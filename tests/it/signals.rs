//! A run is stopped: by Ctrl-C, by `kill`, by a closing terminal, or with no chance to react at all.

use std::time::{Duration, Instant};

use crate::harness::{DILIGENT, ONE_TASK, Project, Running, TWO_TASKS, lives, wait_until};

/// Longer than any of these tests: who waits for it has failed.
const SLEEPER: &str = "echo $$ > $out/pid; sleep 300";

fn project(agent: &str) -> Project {
    let project = Project::without_git();
    project.tasks(TWO_TASKS).agent("codex", agent);
    project
}

/// A run whose agent is at work.
fn at_work(project: &Project) -> (Running, i32) {
    let run = project.spawn_group(&["run"]);
    let agent = project.left_pid("pid");
    (run, agent)
}

fn is_pending(project: &Project, id: &str) {
    let task = project.task(id);
    assert_eq!(project.flags(id), (false, false), "{task}");
    let history = task["attempt_history"].as_array().map_or(0, Vec::len);
    assert_eq!(history, 0, "an attempt that was stopped is not charged: {task}");
}

fn is_interrupted(project: &Project) {
    let status = project.json("logs/runtime-status.json");
    assert_eq!(status["run"]["status"], "interrupted", "{status:#}");
    assert_ne!(status["run"]["finished_at"], "", "{status:#}");
    assert_eq!(status["counts"]["running"], 0, "{status:#}");
    assert!(project.read("TASK.md").contains("No task"), "{}", project.read("TASK.md"));
}

#[test]
fn sigint_first_attempt_is_130() {
    let project = project(SLEEPER);
    let (run, agent) = at_work(&project);
    run.signal_group("INT");
    let done = run.wait_at_most(10);
    assert_eq!(done.code, 130, "{done:?}");
    assert!(!done.err.contains("panicked"), "{}", done.err);
    assert!(!lives(agent));
    assert_eq!(project.calls("codex"), 1, "no second attempt, no second task");
    is_pending(&project, "T1");
    is_pending(&project, "T2");
    is_interrupted(&project);
}

#[test]
fn signal_to_parent_only_stops_backend() {
    for name in ["INT", "TERM"] {
        let project = project("sleep 300 & echo $! > $out/child; echo $$ > $out/pid; wait");
        let (run, agent) = at_work(&project);
        let child = project.left_pid("child");
        run.signal(name);
        let done = run.wait_at_most(10);
        assert_eq!(done.code, 130, "{name}: {done:?}");
        assert!(!lives(agent) && !lives(child), "{name}");
        is_pending(&project, "T1");
        is_interrupted(&project);
    }
}

#[test]
fn sighup_stops_the_backend() {
    let project = project(SLEEPER);
    let (run, agent) = at_work(&project);
    run.signal("HUP");
    let done = run.wait_at_most(10);
    assert_eq!(done.code, 130, "{done:?}");
    assert!(!lives(agent));
    is_pending(&project, "T1");
    is_interrupted(&project);
}

#[test]
fn sigint_stops_with_130_and_keeps_work_that_was_finished() {
    let agent =
        "trap '' TERM INT; mkdir -p src; echo $$ > $out/pid; sleep 1; echo work > src/T1.txt; echo done; exit 0";
    let project = project(agent);
    let (run, _) = at_work(&project);
    run.signal_group("INT");
    let done = run.wait_at_most(10);
    assert_eq!(done.code, 130, "{done:?}");
    assert_eq!(project.task("T1")["passes"], true, "{}", done.err);
    assert_eq!(project.calls("codex"), 1);
    is_pending(&project, "T2");
    is_interrupted(&project);
}

#[test]
fn a_backend_that_ends_with_130_itself_was_interrupted() {
    for agent in ["exit 130", "mkdir -p src; echo half > src/half.txt; exit 130"] {
        let project = project(agent);
        let done = project.expect(&["run"], 130);
        assert_eq!(project.calls("codex"), 1, "{}", done.err);
        is_pending(&project, "T1");
        is_interrupted(&project);
    }
}

#[test]
fn sigint_on_last_attempt_does_not_block() {
    let project = project(SLEEPER);
    let run = project.spawn_group(&["run", "--max-retries", "1"]);
    project.left_pid("pid");
    run.signal_group("INT");
    assert_eq!(run.wait_at_most(10).code, 130);
    is_pending(&project, "T1");
    assert!(!project.has("progress.txt") || !project.read("progress.txt").contains("blocked"));
}

#[test]
fn a_run_that_was_stopped_can_go_on() {
    let project = project("mkdir -p src; echo half > src/half.txt; echo $$ > $out/pid; sleep 300");
    let (run, _) = at_work(&project);
    run.signal("TERM");
    assert_eq!(run.wait_at_most(10).code, 130);
    project.agent("codex", DILIGENT);
    project.expect(&["run"], 0);
    assert_eq!(project.task("T1")["passes"], true);
    assert_eq!(project.task("T2")["passes"], true);
    assert!(project.has("src/half.txt"), "what the stopped attempt had done stays");
}

#[test]
fn signal_during_cooldown_is_prompt() {
    let project = project("echo 'Error: rate limit exceeded'; exit 1");
    project.config("[circuit_breaker]\nrate_limit_cooldown = 300\n");
    let run = project.spawn_group(&["run"]);
    project.wait_for("logs/autodev.log", "[WAITING]");
    run.signal("INT");
    let done = run.wait_at_most(5);
    assert_eq!(done.code, 130, "{done:?}");
    is_pending(&project, "T1");
    is_interrupted(&project);
}

#[test]
fn signal_during_the_delay_between_tasks_is_prompt() {
    let project = project(DILIGENT);
    project.config("[run]\ndelay_between_tasks = 300\n");
    let run = project.spawn_group(&["run"]);
    project.wait_for("progress.txt", "### Status: completed");
    run.signal("TERM");
    assert_eq!(run.wait_at_most(5).code, 130);
    assert_eq!(project.task("T1")["passes"], true);
    is_pending(&project, "T2");
    is_interrupted(&project);
}

#[test]
fn signal_during_the_delay_after_a_failed_attempt_is_prompt() {
    let project = project("echo nothing; exit 0");
    project.config("[run]\ndelay_between_tasks = 300\n");
    let run = project.spawn_group(&["run"]);
    project.wait_for("progress.txt", "### Status: failed");
    run.signal("INT");
    assert_eq!(run.wait_at_most(5).code, 130);
    assert_eq!(project.flags("T1"), (false, false));
}

#[test]
fn a_signal_during_the_checks_stops_them_and_charges_nothing() {
    let project = project(DILIGENT);
    let out = project.out("");
    let check = format!("sh -c 'echo $$ > {o}/check; while [ ! -e {o}/go ]; do sleep 0.05; done'", o = out.display());
    let list = ONE_TASK.replace("\"test -f src/T1.txt\"", &serde_json::to_string(&check).unwrap());
    project.tasks(&list);
    let run = project.spawn_group(&["run", "--max-retries", "1"]);
    let check = project.left_pid("check");
    run.signal_group("INT");
    assert_eq!(run.wait_at_most(10).code, 130);
    assert!(!lives(check));
    is_pending(&project, "T1");
    is_interrupted(&project);
    // The next run checks what the agent had finished; nobody works twice.
    std::fs::write(project.out("go"), "").unwrap();
    project.expect(&["run"], 0);
    assert_eq!((project.flags("T1").0, project.calls("codex")), (true, 1));
}

#[test]
fn a_backend_that_is_deaf_is_killed_after_the_grace() {
    let project = project("trap '' INT TERM HUP; echo $$ > $out/pid; while :; do sleep 0.2; done");
    let (run, agent) = at_work(&project);
    run.signal("TERM");
    assert_eq!(run.wait_at_most(15).code, 130);
    assert!(!lives(agent));
    is_pending(&project, "T1");
}

#[test]
fn a_second_signal_kills_at_once() {
    let project = project("trap '' INT TERM HUP; echo $$ > $out/pid; while :; do sleep 0.2; done");
    let (run, agent) = at_work(&project);
    let begun = Instant::now();
    run.signal("INT");
    project.wait_for("logs/autodev.log", "SIGINT");
    run.signal("INT");
    assert_eq!(run.wait_at_most(10).code, 130);
    // The grace is 3 s; a second signal does not wait for it.
    assert!(begun.elapsed() < Duration::from_millis(2900), "{:?}", begun.elapsed());
    assert!(!lives(agent));
}

#[test]
fn kill9_leaves_no_orphan_backend() {
    let agent = "setsid sleep 301 & echo $! > $out/session
(setsid bash -c 'echo $$ > '$out'/double; exec sleep 302' > /dev/null 2>&1 &)
(sleep 303 & echo $! > $out/orphan)
trap '' TERM HUP INT; echo $$ > $out/pid; while :; do sleep 0.2; done";
    let project = project(agent);
    let (run, agent) = at_work(&project);
    let mut all = vec![agent];
    for name in ["session", "double", "orphan"] {
        all.push(project.left_pid(name));
    }
    assert!(all.iter().all(|pid| lives(*pid)), "{all:?}");
    let begun = Instant::now();
    run.signal("KILL");
    assert_eq!(run.wait_at_most(5).code, -9);
    wait_until("the killed run's processes to end", || all.iter().all(|pid| !lives(*pid)));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn kill9_status_is_not_running_forever() {
    let project = project(SLEEPER);
    let (run, _) = at_work(&project);
    run.signal("KILL");
    run.wait_at_most(5);
    let status = project.expect(&["status", "--json"], 0);
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(status["run"]["status"], "interrupted", "{status:#}");
    assert_eq!(status["counts"]["running"], 0, "{status:#}");
    assert_eq!(project.json("logs/runtime-status.json")["run"]["status"], "interrupted", "the file is mended too");
    project.agent("codex", DILIGENT);
    project.expect(&["run"], 0);
    assert_eq!(project.json("logs/runtime-status.json")["run"]["status"], "completed");
}

#[test]
fn what_an_agent_leaves_behind_is_ended_with_its_attempt() {
    let agent = format!(
        "{DILIGENT}
sleep 304 & echo $! > $out/orphan
(setsid bash -c 'echo $$ > '$out'/double; exec sleep 305' > /dev/null 2>&1 &)
while [ ! -s $out/double ]; do sleep 0.01; done"
    );
    let project = project(&agent);
    project.tasks(ONE_TASK);
    let begun = Instant::now();
    project.expect(&["run"], 0);
    assert!(begun.elapsed() < Duration::from_secs(20), "nobody waited for the sleepers: {:?}", begun.elapsed());
    assert!(!lives(project.left_pid("orphan")) && !lives(project.left_pid("double")));
}

#[test]
fn a_signal_before_the_first_task_stops_too() {
    let project = Project::without_git();
    project.tasks(TWO_TASKS);
    // The program takes its time to say its version.
    project.program("codex", &format!("#!/bin/bash\necho $$ > {}\nsleep 300\n", project.out("pid").display()));
    let run = project.spawn_group(&["run"]);
    let agent = project.left_pid("pid");
    run.signal("TERM");
    let done = run.wait_at_most(8);
    assert_eq!(done.code, 130, "{done:?}");
    assert!(!lives(agent));
    is_pending(&project, "T1");
}
