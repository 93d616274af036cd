//! What is tried with every program.

use std::fs;

use serde_json::{Value, json};

use crate::agent::Agent;
use crate::harness::processes;
use crate::server::{act, done, fault};
use crate::stage::{Stage, carrying};

/// A model that writes the right greeting.
pub fn right() -> [Value; 2] {
    [act(&json!({ "write": { "path": "src/hello.txt", "content": "hello\n" } })), done()]
}

/// These turns, then the right greeting.
fn then_right(turns: &[Value]) -> Value {
    turns.iter().cloned().chain(right()).collect()
}

pub fn first_attempt(agent: Agent) {
    let Some(stage) = Stage::new(agent, "max_retries = 1", &then_right(&[])) else { return };
    let done = stage.run(0);
    stage.assert_done();

    let started = stage.events("run_started");
    assert!(started[0]["backend_version"].as_str().unwrap().contains(agent.version()), "{}", started[0]);
    let attempts = stage.attempts();
    assert_eq!(attempts.len(), 1);
    let report = &attempts[0];
    assert_eq!((&report["end"]["end"], &report["is_ok"]), (&json!("exited"), &json!(true)), "{report}");
    assert_eq!(report["message"], "The greeting is in place.");
    assert_eq!(report["changed"], json!(["src/hello.txt"]));
    assert!(!report["session"].as_str().unwrap().is_empty(), "{report}");
    // The server says 1000 tokens in and 50 out for each of the two answers.
    assert_eq!((&report["usage"]["input"], &report["usage"]["output"]), (&json!(2000), &json!(100)), "{report}");
    assert_eq!(report["usage"]["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0), agent.tells_cost(), "{report}");

    let requests = stage.server.requests();
    assert_eq!(requests.len(), 2);
    let prompt = requests[0]["body"].to_string();
    assert!(prompt.contains("sh check.sh") && prompt.contains("Make src/hello.txt say hello."), "{prompt}");
    // People read what the agent said, in whatever pieces it came; the attempt's log has it as it was printed.
    assert!(done.out.contains("The greeting is in place."), "{}", done.out);
    let logs = stage.project.path("logs/attempts").join(agent.name());
    let log = fs::read_dir(&logs).unwrap().flatten().next().unwrap().path();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("hello.txt") && log.contains(report["session"].as_str().unwrap()), "{log}");
}

pub fn second_attempt(agent: Agent) {
    let turns = json!([
        act(&json!({ "write": { "path": "src/hello.txt", "content": "bye\n" } })),
        done(),
        act(&json!({ "read": { "path": "src/hello.txt" } })),
        act(&json!({ "edit": { "path": "src/hello.txt", "old": "bye", "new": "hello" } })),
        done(),
    ]);
    let Some(stage) = Stage::new(agent, "max_retries = 2", &turns) else { return };
    stage.run(0);
    stage.assert_done();

    let requests = stage.server.requests();
    assert_eq!(requests.len(), 5);
    let (first, second) = (requests[0]["body"].to_string(), requests[2]["body"].to_string());
    assert!(second.contains("the greeting is <bye>"), "the check's output is in the second prompt: {second}");
    assert!(!first.contains("the greeting is"), "{first}");
    let failed = stage.events("attempt_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["code"], 99);
    let history = stage.project.task("P0-1")["attempt_history"].clone();
    let statuses: Vec<&Value> = history.as_array().unwrap().iter().map(|entry| &entry["status"]).collect();
    assert_eq!(statuses, ["failed", "completed"]);
    assert!(stage.project.read("progress.txt").contains("### Status: failed"));
}

pub fn experiments(agent: Agent) {
    let write = |content: &str| act(&json!({ "write": { "path": "value", "content": content } }));
    let turns = json!([write("120\n"), done(), write("90\n"), done()]);
    let Some(stage) = Stage::new(agent, "", &turns) else { return };
    stage.project.write("value", "100\n");
    stage.project.git(&["add", "value"]);
    stage.project.git(&["commit", "-q", "-m", "value"]);
    stage.project.tasks(
        r#"[{"id": "P1-1", "title": "Shrink it", "description": "Make value smaller.", "steps": ["Write the file."],
          "verification": {"validate_commands": ["cat value"]},
          "completion": {"kind": "numeric", "name": "size", "source": "json_stdout", "json_path": "$",
            "direction": "lower_is_better"},
          "execution": {"strategy": "iterative", "max_iterations": 2}}]"#,
    );
    stage.run(0);
    let steps: Vec<Value> =
        stage.events("experiment_ended").iter().map(|event| event["record"]["step"].clone()).collect();
    assert_eq!(steps, ["nothing", "revert", "keep"]);
    assert_eq!(stage.project.log(), ["experiment(P1-1): Shrink it", "value", "add the check", "start"]);
    assert_eq!(stage.project.read("value").trim_end(), "90");
    assert_eq!(stage.foreign(), [] as [&str; 0], "left in the tree");
    let requests = stage.server.requests();
    let (first, second) = (requests[0]["body"].to_string(), requests[2]["body"].to_string());
    assert!(!first.contains("iteration 1:") && second.contains("iteration 1: regressed, size=120"), "{second}");
}

pub fn rate_limit(agent: Agent) {
    refused_for_now(agent, &json!({ "kind": "rate_limit", "retry_after": 1 }));
}

pub fn overload(agent: Agent) {
    // opencode waits for minutes unless it is told a time.
    refused_for_now(agent, &json!({ "kind": "overloaded", "headers": { "retry-after-ms": "100" } }));
}

/// With a single attempt allowed, the task is done only when the refusal costs none.
fn refused_for_now(agent: Agent, refusal: &Value) {
    let turns = then_right(&[fault(refusal, agent.tries())]);
    let Some(stage) = Stage::new(agent, "max_retries = 1", &turns) else { return };
    stage.run(0);
    stage.assert_done();

    let attempts = stage.attempts();
    let ends: Vec<&Value> = attempts.iter().map(|report| &report["end"]["end"]).collect();
    assert_eq!(ends, ["limited", "exited"], "{attempts:?}");
    let started: Vec<Value> = stage.events("attempt_started").iter().map(|event| event["attempt"].clone()).collect();
    assert_eq!(started, [1, 1]);
    let pauses = stage.events("paused");
    assert_eq!(pauses.len(), 1, "{pauses:?}");
    assert_eq!(pauses[0]["pause"]["why"], "limit", "{}", pauses[0]);
    assert_eq!(stage.events("attempt_failed"), [] as [Value; 0]);
    let history = stage.project.task("P0-1")["attempt_history"].clone();
    assert_eq!(history.as_array().map(Vec::len), Some(1), "{history}");
    assert_eq!(stage.server.requests().len(), agent.tries() as usize + 2);
}

pub fn hanging_stream(agent: Agent) {
    let turns = then_right(&[fault(&json!({ "kind": "stall" }), 1)]);
    let Some(stage) = Stage::new(agent, "max_retries = 2\nidle_timeout_seconds = 8", &turns) else { return };
    stage.run(0);
    stage.assert_done();

    let attempts = stage.attempts();
    let ends: Vec<&Value> = attempts.iter().map(|report| &report["end"]["end"]).collect();
    assert_eq!(ends, ["idle", "exited"], "{attempts:?}");
    let failed = stage.events("attempt_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["code"], 124, "{}", failed[0]);
    let requests = stage.server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0]["sent"]["client_gone"], true, "{}", requests[0]["sent"]);
}

pub fn refused_key(agent: Agent) {
    let turns = json!([fault(&json!({ "kind": "auth" }), 99)]);
    let Some(stage) = Stage::new(agent, "", &turns) else { return };
    let done = stage.run(1);
    stage.assert_pending();

    let attempts = stage.attempts();
    assert_eq!(attempts.len(), 1, "no second try: {attempts:?}");
    assert_eq!(attempts[0]["end"]["end"], "env_error", "{}", attempts[0]);
    let reason = attempts[0]["end"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.to_lowercase().contains("key"), "{reason}");
    assert!(done.err.contains(&reason), "the user is told why: {}", done.err);
    let run = stage.project.json("logs/runtime-status.json")["run"].clone();
    assert_eq!(run["status"], "env_error", "{run}");
}

/// Version, login and one real question, on the way that a run takes.
pub fn doctor(agent: Agent) {
    let Some(stage) = Stage::with(agent, "", &[("probe", json!([{ "final": "OK" }]))]) else { return };
    let done = stage.finish(stage.project.spawn(&["doctor", "--deep", "--json"]), 0);
    let report: Value = serde_json::from_str(&done.out).unwrap();
    let row = |label: String| {
        let found = report["rows"].as_array().unwrap().iter().find(|row| row["label"] == label.as_str());
        let found = found.unwrap_or_else(|| panic!("no {label}: {report:#}"));
        assert_eq!(found["level"], "ok", "{found}");
        found["found"].as_str().unwrap().to_owned()
    };
    let name = agent.name();
    assert!(row(name.to_owned()).starts_with(&format!("{}, ", agent.version())), "{report:#}");
    row(format!("{name} login"));
    let answer = row(format!("{name} answers"));
    assert!(answer.starts_with("\"OK\" after ") && answer.contains("1000 tokens in, 50 out"), "{answer}");
    assert_eq!(answer.contains('$'), agent.tells_cost(), "{answer}");
    assert!(!done.out.contains("test-key"), "{}", done.out);
    stage.assert_pending();
}

pub fn stopped_in_a_tool_call(agent: Agent) {
    // A number of seconds that no other process sleeps for.
    let nap = format!("sleep 300.{}", std::process::id() * 10 + agent as u32);
    // Claude refuses to run a plain sleep.
    let command = format!("sh -c '{nap}; true'");
    let turns = then_right(&[act(&json!({ "shell": { "command": command, "timeout_ms": 600_000 } }))]);
    let Some(stage) = Stage::new(agent, "max_retries = 1", &turns) else { return };
    let running = stage.project.spawn(&["run"]);
    stage.wait_until("the agent's tool to sleep", || !processes(&nap).is_empty());
    let run = stage.events("run_started")[0]["run"].as_str().unwrap().to_owned();
    let marker = format!("AUTODEV_RUN_ID={run}");
    assert!(!carrying(&marker).is_empty(), "the agent's processes carry the id of their run");
    running.signal("TERM");
    stage.finish(running, 130);

    assert_eq!(processes(&nap), [] as [i32; 0], "the tool has outlived the run");
    assert_eq!(carrying(&marker), [] as [i32; 0], "a process has outlived the run");
    stage.assert_pending();
    assert_eq!(stage.attempts()[0]["end"]["end"], "interrupted", "{}", stage.attempts()[0]);
    let state = stage.project.json("logs/runtime-status.json")["run"].clone();
    assert_eq!(state["status"], "interrupted", "{state}");

    // The next run takes the task up again.
    stage.run(0);
    stage.assert_done();
}
