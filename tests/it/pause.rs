//! Paused by hand: every run of the project obeys, and goes on when it may.

use crate::harness::{DILIGENT, ONE_TASK, Project, TWO_TASKS, lives, wait_until};

fn project(tasks: &str, agent: &str) -> Project {
    let project = Project::new();
    project.config("").tasks(tasks).agent("codex", agent);
    project
}

/// Waits until a run says that it waits for a person.
fn wait_for_pause(project: &Project) {
    project.wait_for("logs/runtime-status.json", "\"wait_reason\": \"paused by hand");
}

#[test]
fn a_run_that_is_started_while_paused_says_so_and_waits_for_resume() {
    let project = project(ONE_TASK, DILIGENT);
    let done = project.expect(&["pause", "--reason", "the demo"], 0);
    assert!(
        done.out.contains("Paused until `autodev resume`") && done.out.contains("No run is under way"),
        "{}",
        done.out
    );
    let run = project.spawn(&["run"]);
    wait_for_pause(&project);
    let page = project.expect(&["status"], 0).out;
    assert!(page.contains("Paused: by hand,") && page.contains("until `autodev resume` - the demo"), "{page}");
    assert!(page.contains("Run: [WAITING] Paused by hand until `autodev resume`: the demo"), "{page}");
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!(status["run"]["status"], "waiting");
    assert_eq!((&status["run"]["paused"], &status["run"]["waiting_until"]), (&true.into(), &"".into()));
    assert_eq!(status["run"]["pause_reason"], "the demo");
    assert!(project.read("logs/dashboard.html").contains("paused by hand: the demo"));
    assert_eq!(project.calls("codex"), 0);
    let done = project.expect(&["resume"], 0);
    assert_eq!(done.out, "The run goes on\n");
    let done = run.wait();
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("paused by hand (the demo); waiting until `autodev resume`"), "{}", done.err);
    assert_eq!(project.output_json(&["status", "--json"], 0)["run"]["paused"], false);
}

#[test]
fn the_attempt_under_way_goes_on_to_its_end_and_no_other_begins() {
    let wait = format!("touch $out/begun; while [ ! -e $out/go ]; do sleep 0.05; done; {DILIGENT}");
    let project = project(TWO_TASKS, &wait);
    let run = project.spawn(&["run"]);
    project.wait_for_left("begun");
    let done = project.expect(&["pause"], 0);
    assert!(done.out.contains("The attempt under way goes on"), "{}", done.out);
    std::fs::write(project.out("go"), "").unwrap();
    wait_for_pause(&project);
    assert_eq!((project.flags("T1"), project.flags("T2")), ((true, false), (false, false)));
    assert_eq!(project.log().len(), 2, "the work is proved and committed: {:?}", project.log());
    assert_eq!(project.calls("codex"), 1);
    project.expect(&["resume"], 0);
    assert_eq!(run.wait().code, 0);
    assert_eq!(project.calls("codex"), 2);
}

#[test]
fn pause_now_interrupts_the_attempt_which_does_not_count_and_the_run_goes_on_later() {
    let agent =
        format!("if [ $n = 1 ]; then echo part > part.txt; sleep 600 & echo $! > $out/pid; wait; fi\n{DILIGENT}");
    let project = project(ONE_TASK, &agent);
    let run = project.spawn(&["run", "--max-retries", "1"]);
    let sleeper = project.left_pid("pid");
    let done = project.expect(&["pause", "--now"], 0);
    assert!(done.out.contains("is interrupted"), "{}", done.out);
    wait_for_pause(&project);
    assert!(!lives(sleeper), "the agent and its children are gone");
    assert!(project.has("part.txt"), "its work stays");
    assert_eq!(project.flags("T1"), (false, false));
    project.expect(&["resume"], 0);
    let done = run.wait();
    assert_eq!((done.code, project.calls("codex")), (0, 2), "{}", done.err);
    let task = project.task("T1");
    assert_eq!(task["attempt_history"].as_array().unwrap().len(), 1, "{task}");
    assert_eq!(task["attempt_history"][0]["attempt"], 1);
    let end = project.events("attempt_ended")[0]["report"]["end"].to_string();
    assert!(end.contains("interrupted"), "{end}");
    assert!(project.events("stop_requested").is_empty());
    assert_eq!(project.committed(), ["part.txt", "src/T1.txt"], "what the interrupted attempt did counts");
}

#[test]
fn pause_now_and_resume_at_once_does_not_end_the_run() {
    // The agent takes its time to end: by then nobody is paused any more.
    let agent = format!(
        "if [ $n = 1 ]; then trap 'sleep 1.5; exit 1' TERM; touch $out/begun; while :; do sleep 0.05; done; fi\n{DILIGENT}"
    );
    let project = project(ONE_TASK, &agent);
    let run = project.spawn(&["run", "--max-retries", "1"]);
    project.wait_for_left("begun");
    project.expect(&["pause", "--now"], 0);
    wait_until("the agent to be asked to end", || project.read("logs/autodev.log").contains("is interrupted"));
    project.expect(&["resume"], 0);
    let done = run.wait();
    assert_eq!((done.code, project.calls("codex")), (0, 2), "{}", done.err);
}

#[test]
fn a_pause_with_an_end_is_over_by_itself() {
    let mut project = project(ONE_TASK, DILIGENT);
    project.clock("2026-11-20T20:00:00Z", 0.0);
    let paused = project.output_json(&["pause", "--for", "2h30m", "--json"], 0);
    assert!(paused["until"].as_str().unwrap().starts_with("2026-11-20T22:30:00Z"), "{paused}");
    assert_eq!((&paused["running"], &paused["reason"]), (&false.into(), &"".into()));
    let run = project.spawn(&["run"]);
    wait_for_pause(&project);
    let status = project.output_json(&["status", "--json"], 0);
    assert!(status["run"]["waiting_until"].as_str().unwrap().starts_with("2026-11-20T22:30:00Z"), "{status:#}");
    project.clock("2026-11-20T22:31:00Z", 0.0);
    assert_eq!(run.wait().code, 0);
    assert_eq!(project.events("hold_ended")[0]["by_itself"], true);
    // Without a run, it is told as over all the same.
    project.expect(&["pause", "--until", "23:00"], 0);
    assert_eq!(project.output_json(&["status", "--json"], 0)["run"]["paused"], true);
    project.clock("2026-11-20T23:00:01Z", 0.0);
    assert_eq!(project.output_json(&["status", "--json"], 0)["run"]["paused"], false);
}

#[test]
fn a_stop_ends_a_run_that_waits_and_the_pause_stays() {
    let project = project(ONE_TASK, DILIGENT);
    project.expect(&["pause"], 0);
    let run = project.spawn(&["run"]);
    wait_for_pause(&project);
    run.signal("TERM");
    assert_eq!(run.wait().code, 130);
    let run = project.spawn(&["run"]);
    wait_for_pause(&project);
    run.signal("KILL");
    run.wait();
    let run = project.spawn(&["run"]);
    wait_for_pause(&project);
    project.expect(&["resume"], 0);
    assert_eq!(run.wait().code, 0);
    assert_eq!(project.calls("codex"), 1);
}

#[test]
fn a_pause_is_replaced_and_can_be_ended_twice() {
    let project = project("[]", DILIGENT);
    let resumed = project.output_json(&["resume", "--json"], 0);
    assert_eq!(resumed, serde_json::json!({"paused": false, "was_paused": false, "running": false}));
    project.expect(&["pause", "--reason", "one", "--for", "1h"], 0);
    project.expect(&["pause", "--reason", "two"], 0);
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!((&status["run"]["pause_reason"], &status["run"]["paused_until"]), (&"two".into(), &"".into()));
    assert_eq!(project.expect(&["resume"], 0).out, "No longer paused; begin with: autodev run\n");
    assert_eq!(project.expect(&["resume"], 0).out, "It was not paused by hand\n");
    // What there is nothing to do for does not wait, and a dry run starts no agent anyway.
    project.expect(&["pause"], 0);
    project.expect(&["run"], 0);
    project.tasks(ONE_TASK);
    project.expect(&["run", "--dry-run"], 0);
}

#[test]
fn a_time_that_is_none_is_refused() {
    let project = project("[]", DILIGENT);
    for (args, why) in [
        (["pause", "--until", "soon"], "\"soon\" is no time; write 07:30"),
        (["pause", "--until", "2020-01-01 07:30"], "has passed already"),
        (["pause", "--for", "ages"], "\"ages\" is no span of time"),
    ] {
        let done = project.expect(&args, 1);
        assert!(done.err.contains(why), "{args:?}: {}", done.err);
    }
    project.expect(&["pause", "--until", "07:30", "--for", "1h"], 2);
    assert_eq!(project.output_json(&["status", "--json"], 0)["run"]["paused"], false);
}

#[test]
fn an_agent_neither_pauses_nor_goes_on() {
    let autodev = env!("CARGO_BIN_EXE_autodev");
    let project =
        project(ONE_TASK, &format!("{autodev} pause 2> $out/pause; {autodev} resume 2> $out/resume\n{DILIGENT}"));
    project.expect(&["run"], 0);
    for name in ["pause", "resume"] {
        assert!(project.left(name).contains("only the runner decides"), "{}", project.left(name));
    }
    assert!(project.events("held").is_empty());
}
