//! What is asked of every program: a specification, a plan, a reflection, the next epoch.

use std::fs;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::cases::right;
use crate::harness::processes;
use crate::server::{Route, act, answer, done, fault, meddle};
use crate::stage::{Stage, carrying};

const SPEC: &str = "# Greeting - COCA Spec\n\n## Context\na\n\n## Outcome\nb\n\n## Constraints\nc\n\n\
                    ## Assertions\n\n### Happy Path\nd\n";

/// A plan of one task in the form that programs hold a model to: every property is there, optional ones are null.
fn plan(id: &str, title: &str, checks: &[&str]) -> Value {
    json!({"project": "Demo", "tasks": [{
        "id": id, "title": title, "description": format!("{title}."), "steps": ["Write the file."],
        "docs": [], "output": [], "replaces": [],
        "verification": {"path_patterns": [], "validate_commands": checks,
            "validate_timeout_seconds": null, "validate_working_directory": null},
        "completion": {"kind": "boolean", "source": "gate", "success_when": "all_checks_pass"},
        "execution": {"strategy": "single_pass"},
    }]})
}

/// A project whose queue is to be planned from `feature.md`.
fn specified(agent: Agent, routes: &[Route]) -> Option<Stage> {
    let stage = Stage::with(agent, "max_retries = 1", routes)?;
    stage.project.write("feature.md", SPEC);
    stage.project.git(&["add", "feature.md"]);
    stage.project.git(&["commit", "-q", "-m", "specify"]);
    Some(stage)
}

/// The reports of all questions.
fn answers(stage: &Stage) -> Vec<Value> {
    stage.events("ask_ended").into_iter().map(|mut event| event["report"].take()).collect()
}

pub fn intent_to_tasks(agent: Agent) {
    let task = plan("P1-1", "Say goodbye", &["test -s src/bye.txt"]);
    let routes = [
        ("spec", json!([meddle(&json!({ "shell": { "command": "echo x > meddled.txt" } })), answer(&json!(SPEC))])),
        ("plan", json!([meddle(&json!({ "write": { "path": "meddled.txt", "content": "x\n" } })), answer(&task)])),
    ];
    let Some(stage) = Stage::with(agent, "", &routes) else { return };
    fs::remove_file(stage.project.path("task.json")).unwrap();
    let done = stage.autodev(&["plan", "--intent", "say goodbye too"], 0);
    assert!(done.out.contains("P1-1: Say goodbye") && done.out.contains(agent.name()), "{}", done.out);

    // The specification came first, the plan is made from it, and both are written down.
    assert_eq!(stage.project.read("docs/specs/intent-coca-spec.md"), SPEC);
    let (asked, planned) = (stage.server.asked("spec"), stage.server.asked("plan"));
    assert!(asked[0]["body"].to_string().contains("say goodbye too"));
    assert!(planned[0]["body"].to_string().contains("### Happy Path"));
    let queue = stage.project.json("task.json");
    assert_eq!(queue["planning_source"]["input_text"], "say goodbye too");
    assert_eq!(queue["tasks"].as_array().unwrap().len(), 1);
    let task = stage.project.task("P1-1");
    assert_eq!(task["verification"]["validate_commands"], json!(["test -s src/bye.txt"]), "{task}");
    assert_eq!(task["docs"], json!(["docs/specs/intent-coca-spec.md"]));
    assert_eq!((&task["passes"], &task["blocked"]), (&json!(false), &json!(false)));

    // Who is only asked cannot write, by a shell or otherwise, although the model tried where it was offered a tool.
    assert_eq!(asked.len() + planned.len(), 2 + agent.tools_when_asked(), "{asked:?} {planned:?}");
    assert_eq!(stage.foreign(), ["docs/specs/intent-coca-spec.md"]);
    assert!(!done.err.contains("files changed"), "{}", done.err);

    // Both questions are in the journal with what they used, and what the program printed is kept.
    let reports = answers(&stage);
    let requests = [&asked, &planned].map(|requests| json!(1000 * requests.len()));
    assert_eq!(reports.iter().map(|report| report["usage"]["input"].clone()).collect::<Vec<_>>(), requests);
    for report in &reports {
        assert_eq!((&report["end"]["end"], &report["is_ok"]), (&json!("exited"), &json!(true)), "{report}");
        assert!(report.get("changed").is_none(), "{report}");
        assert_eq!(report["usage"]["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0), agent.tells_cost(), "{report}");
    }
    let replies = stage.project.find("logs/plans", "-plan.reply.md");
    assert_eq!(serde_json::from_str::<Value>(&stage.project.read(&replies[0])).unwrap()["tasks"][0]["id"], "P1-1");
    assert_eq!(stage.project.find("logs/plans", ".prompt.md").len(), 2);
    assert!(!stage.project.holding("logs/plans", "Happy Path").is_empty());
    holds_the_model_to_a_form(agent, &stage, &planned[0]["body"]);
}

/// The schema of plans has reached the program, and by it the model.
fn holds_the_model_to_a_form(agent: Agent, stage: &Stage, body: &Value) {
    let schema: Value = serde_json::from_str(include_str!("../../templates/plan.schema.json")).unwrap();
    match agent {
        Agent::Claude => {
            let tools = body["tools"].as_array().unwrap();
            let tool = tools.iter().find(|tool| tool["name"] == "StructuredOutput").expect("a tool for the answer");
            assert_eq!(tool["input_schema"], schema);
            assert_eq!(stage.project.holding("logs/plans", "\"structured_output\":{\"project\"").len(), 1);
        }
        Agent::Codex => {
            let format = &body["text"]["format"];
            assert_eq!((&format["type"], &format["strict"]), (&json!("json_schema"), &json!(true)), "{format}");
            assert_eq!(format["schema"], schema);
        }
        // They know no such thing.
        Agent::Gemini | Agent::Opencode => {}
    }
}

pub fn repair(agent: Agent) {
    let turns =
        [answer(&plan("P1-1", "Say goodbye", &[])), answer(&plan("P1-2", "Say goodbye", &["test -s src/bye.txt"]))];
    let Some(stage) = specified(agent, &[("plan", json!(turns))]) else { return };
    stage.autodev(&["plan", "feature.md"], 0);
    let ids: Vec<Value> =
        stage.project.json("task.json")["tasks"].as_array().unwrap().iter().map(|t| t["id"].clone()).collect();
    assert_eq!(ids, ["P1-2"]);
    let asked = stage.server.asked("plan");
    assert_eq!(asked.len(), 2);
    let [first, second] = [0, 1].map(|n: usize| asked[n]["last_user"].as_str().unwrap().to_owned());
    assert!(second.contains("P1-1: verification"), "the second question says what was wrong: {second}");
    assert!(!first.contains("P1-1: verification"), "{first}");
    assert_eq!(answers(&stage).len(), 2);
}

pub fn reflection(agent: Agent) {
    let work = [
        act(&json!({ "write": { "path": "src/hello.txt", "content": "bye\n" } })),
        done(),
        act(&json!({ "read": { "path": "src/hello.txt" } })),
        act(&json!({ "edit": { "path": "src/hello.txt", "old": "bye", "new": "hello" } })),
        done(),
    ];
    let refinement = json!({
        "summary": "It took leave instead of greeting.",
        "implementation_notes": ["The word is hello."],
        "verification": { "validate_commands": ["sh check.sh", "test -s src/hello.txt"] },
    });
    let routes = [("task", json!(work)), ("reflect", json!([answer(&refinement)]))];
    let Some(mut stage) = Stage::with(agent, "max_retries = 2", &routes) else { return };
    stage.project.env("AUTODEV_REFLECTION_ENABLED", "true");
    stage.run(0);
    stage.assert_done();

    let question = stage.server.asked("reflect")[0]["body"].to_string();
    assert!(question.contains("the greeting is <bye>"), "it is shown what the check printed: {question}");
    let task = stage.project.task("P0-1");
    assert_eq!(task["last_reflection_summary"], "It took leave instead of greeting.");
    assert_eq!(task["verification"]["validate_commands"], json!(["sh check.sh", "test -s src/hello.txt"]));
    let requests = stage.server.requests();
    assert_eq!(requests.len(), 5);
    let [first, second] = [0, 2].map(|n: usize| requests[n]["body"].to_string());
    for told in ["The word is hello.", "test -s src/hello.txt"] {
        assert!(second.contains(told) && !first.contains(told), "{told}: {second}");
    }
    assert!(answers(&stage)[0]["is_ok"].as_bool().unwrap());
}

pub fn next_epoch(agent: Agent) {
    let bye = act(&json!({ "write": { "path": "src/bye.txt", "content": "bye\n" } }));
    let work: Vec<Value> = right().into_iter().chain([bye, done()]).collect();
    let nothing = json!({"project": "Demo", "tasks": []});
    let replans = [
        fault(&json!({ "kind": "rate_limit", "retry_after": 1 }), agent.tries()),
        answer(&plan("P1-1", "Say goodbye", &["test -s src/bye.txt"])),
        answer(&nothing),
    ];
    let Some(stage) = Stage::with(agent, "max_retries = 1", &[("task", json!(work)), ("replan", json!(replans))])
    else {
        return;
    };
    let mut queue = stage.project.json("task.json");
    queue["planning_source"] = json!({"planning_text": "greet people, then say goodbye", "source_kind": "intent"});
    stage.project.write("task.json", &queue.to_string());
    let done = stage.autodev(&["run", "--epochs", "3"], 0);
    assert!(done.err.contains("nothing new to plan"), "{}", done.err);
    // What the questions used counts too: four answers at work, two about what is left.
    assert!(done.err.contains("Usage: 6.0k tokens in, 300 out"), "{}", done.err);

    // The plan was refused for a while, and waited for.
    let ends: Vec<Value> = answers(&stage).iter().map(|report| report["end"]["end"].clone()).collect();
    assert_eq!(ends, ["limited", "exited", "exited"]);
    let pauses = stage.events("paused");
    assert_eq!((pauses.len(), &pauses[0]["pause"]["why"]), (1, &json!("limit")), "{pauses:?}");
    let question = stage.server.asked("replan").pop().unwrap()["body"].to_string();
    assert!(
        question.contains("greet people, then say goodbye") && question.contains("P1-1: Say goodbye"),
        "{question}"
    );

    assert_eq!(stage.project.log()[..2], ["autodev: P1-1 - Say goodbye", "autodev: P0-1 - Add greeting"]);
    assert_eq!(stage.project.task("P1-1")["passes"], true);
    assert_eq!(stage.foreign(), [] as [&str; 0]);
    let history = stage.project.json("task.json")["epoch_history"].clone();
    assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
    assert_eq!((&history[0]["epoch"], &history[0]["completed"]), (&json!(1), &json!(1)), "{history}");
    let archive = stage.project.json(history[0]["archive"].as_str().unwrap());
    let kept = &archive["tasks"][0];
    assert_eq!((&kept["id"], &kept["attempt_history"][0]["status"]), (&json!("P0-1"), &json!("completed")));
}

pub fn no_form(agent: Agent) {
    let sound = plan("P1-1", "Say goodbye", &["test -s src/bye.txt"]);
    let misfit = json!({"project": "Demo", "tasks": [{"id": "P1-1", "title": "Say goodbye"}]});
    let (misfits, tries) = match agent {
        // It shows the model what does not fit, and gives up after five answers.
        Agent::Claude => (json!({ "final": misfit, "times": 5 }), 5),
        Agent::Codex | Agent::Gemini | Agent::Opencode => {
            (fault(&json!({ "kind": "bad_request", "message": "Invalid schema for response_format" }), 1), 1)
        }
    };
    let Some(stage) = specified(agent, &[("plan", json!([misfits, answer(&sound)]))]) else { return };
    stage.autodev(&["plan", "feature.md"], 0);
    assert_eq!(stage.project.json("task.json")["tasks"][0]["id"], "P1-1");
    let asked = stage.server.asked("plan");
    assert_eq!(asked.len(), tries + 1);
    let has_form = |request: &Value| {
        request["body"]["text"].get("format").is_some()
            || request["tools"].as_array().unwrap().iter().any(|tool| tool == "StructuredOutput")
    };
    assert_eq!(asked.iter().filter(|request| has_form(request)).count(), tries);
    assert_eq!(answers(&stage).len(), 2);
}

pub fn limit(agent: Agent) {
    let turns = json!([fault(&json!({ "kind": "rate_limit", "retry_after": 1 }), agent.tries())]);
    let Some(stage) = specified(agent, &[("plan", turns)]) else { return };
    let before = stage.project.read("task.json");
    let done = stage.autodev(&["plan", "feature.md"], 1);
    for told in
        ["the model service refused", "429", "logs/plans/", "\nhint: nothing has changed; run the command again"]
    {
        assert!(done.err.contains(told), "{told}: {}", done.err);
    }
    assert_eq!(stage.project.read("task.json"), before);
    assert_eq!(answers(&stage)[0]["end"]["end"], "limited");
    assert_eq!(stage.server.asked("plan").len(), agent.tries() as usize);
}

pub fn interrupt(agent: Agent) {
    let nap = format!("sleep 301.{}", std::process::id() * 10 + agent as u32);
    // Where a question may use the shell it sleeps there, elsewhere it waits for the model.
    let turns = json!([
        act(&json!({ "read": { "path": "check.sh" } })),
        meddle(&json!({ "shell": { "command": format!("sh -c '{nap}; true'"), "timeout_ms": 600_000 } })),
        fault(&json!({ "kind": "stall" }), 1),
    ]);
    let Some(stage) = specified(agent, &[("spec", turns.clone()), ("plan", turns)]) else { return };
    let before = stage.project.read("task.json");
    for (command, sort) in [(["spec", "--intent", "x"].as_slice(), "spec"), (&["plan", "feature.md"], "plan")] {
        let running = stage.project.spawn(command);
        let is_in_shell = || !processes(&nap).is_empty();
        stage.wait_until("the question to be under way", || is_in_shell() || stage.server.asked(sort).len() >= 2);
        let asked = stage.events("ask_started").pop().unwrap();
        let marker = format!("AUTODEV_RUN_ID={}", asked["run"].as_str().unwrap());
        assert!(!carrying(&marker).is_empty(), "the program's processes carry the id of their run");
        running.signal("INT");
        stage.finish(running, 130);
        assert_eq!(processes(&nap), [] as [i32; 0], "the tool has outlived {sort}");
        assert_eq!(carrying(&marker), [] as [i32; 0], "a process has outlived {sort}");
        assert_eq!(answers(&stage).pop().unwrap()["end"]["end"], "interrupted");
    }
    assert_eq!(stage.project.read("task.json"), before);
    assert_eq!(stage.foreign(), [] as [&str; 0]);
}
