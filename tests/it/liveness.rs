//! Agents that are known to work and agents that are known to hang: none of the first is ended, all of the others are.
//!
//! Each is a script with a label. The limit of silence is 4 s; who works does so for more than twice as long, with one kind
//! of sign only. All run at the same time, as on a machine that has too much to do.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;

use crate::harness::{DILIGENT, ONE_TASK, Project, has_tool, lives, processes};

const LIMIT: u32 = 4;

/// What becomes of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    /// It comes to its end by itself, and its work counts.
    Healthy,
    /// It never would, and is ended.
    Hung,
}

struct Trace {
    name: &'static str,
    backend: &'static str,
    label: Label,
    /// A state that must be seen while it runs.
    state: &'static str,
    /// A part of the reason for it.
    reason: &'static str,
    script: String,
}

fn trace(name: &'static str, label: Label, state: &'static str, reason: &'static str, script: &str) -> Trace {
    Trace { name, backend: "codex", label, state, reason, script: script.to_owned() }
}

/// An agent that tells what it does, in the events of Claude Code.
fn claude(name: &'static str, label: Label, state: &'static str, reason: &'static str, script: &str) -> Trace {
    let init = r#"echo '{"type": "system", "subtype": "init", "session_id": "3e4671dd-6ad7-49c6-9253-b12240f6a20d", "model": "m"}'"#;
    let end = r#"echo '{"type": "result", "subtype": "success", "is_error": false, "result": "done", "session_id": "3e4671dd-6ad7-49c6-9253-b12240f6a20d"}'"#;
    let tool = r#"tool() { echo '{"type": "assistant", "message": {"id": "m1", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "make all"}}]}}'; }"#;
    let retry = r#"retry() { echo "{\"type\": \"system\", \"subtype\": \"api_retry\", \"attempt\": 1, \"retry_delay_ms\": $1, \"error_status\": 429, \"error\": \"rate_limit\"}"; }"#;
    // Who was refused is asked again; once is enough.
    let script =
        format!("[ $n = 1 ] || exit 3\n{init}\n{tool}\n{retry}\n{script}\nmkdir -p src; echo work > src/T1.txt\n{end}");
    Trace { name, backend: "claude", label, state, reason, script }
}

/// Seconds that a healthy agent works: more than two limits.
const LONG: u32 = 10;

fn traces() -> Vec<Trace> {
    use Label::{Healthy, Hung};
    let python = |script: &str| format!("exec python3 - <<'END'\nimport os, socket, sys, time, signal\n{script}\nEND");
    // Only its parent goes on when it has ended.
    let child = |script: &str| python(script).trim_start_matches("exec ").to_owned();
    let until = format!("end = time.time() + {LONG}\nwhile time.time() < end:\n    ");
    let spin =
        "python3 -c 'import time; e = time.time() + N\nwhile time.time() < e: pass'".replace('N', &LONG.to_string());
    vec![
        trace(
            "a long silent compile",
            Healthy,
            "working",
            "computes",
            "e=$((SECONDS + 10)); while [ $SECONDS -le $e ]; do awk 'BEGIN { for (i = 0; i < 2000000; i++) x += i }'; \
             echo object >> $out/objects; done",
        ),
        trace("computing without output for a while", Healthy, "working", "computes", &spin),
        trace(
            "a child that computes while its parent waits",
            Healthy,
            "working",
            "computes",
            &format!("setsid {spin} & wait"),
        ),
        trace(
            "a trickle of output",
            Healthy,
            "working",
            "prints",
            "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 1; done",
        ),
        trace(
            "a trickle of output that never ends a line",
            Healthy,
            "working",
            "prints",
            "for i in 1 2 3 4 5 6 7 8 9 10; do printf .; sleep 1; done",
        ),
        trace(
            "copying without computing",
            Healthy,
            "working",
            "reads and writes",
            &child(&format!(
                "a, b = open('/dev/zero', 'rb', 0), open('/dev/null', 'wb', 0)\n{until}b.write(a.read(1 << 16)); time.sleep(0.2)"
            )),
        ),
        trace(
            "changing files and nothing else",
            Healthy,
            "working",
            "changes files",
            &child(&format!(
                "os.makedirs('src', exist_ok=True)\n{until}open('src/a.txt', 'w').write(str(time.time())); time.sleep(1)"
            )),
        ),
        trace(
            "a slow download",
            Healthy,
            "working",
            "reads and writes",
            &child(&format!(
                "here, there = socket.socketpair()\nif os.fork() == 0:\n    here.close()\n    while True:\n        \
                 try:\n            there.send(b'x' * 65536)\n        except OSError:\n            os._exit(0)\n        time.sleep(0.2)\n\
                 there.close()\n{until}os.read(here.fileno(), 1 << 20)"
            )),
        ),
        trace(
            "a child that holds the pipe open",
            Healthy,
            "waiting_for_tool",
            "2 processes that it started",
            "sleep 600 & sleep 3",
        ),
        claude("a tool that computes", Healthy, "working", "Bash make all", &format!("tool\n{spin}")),
        claude("waiting as the service asked to", Healthy, "limited", "tries again in", "retry 10000; sleep 10"),
        trace("sleeping", Hung, "waiting_for_tool", "1 process that it started", "sleep 600"),
        trace(
            "streaming, then hanging",
            Hung,
            "thinking",
            "silent",
            &python("for i in range(40):\n    print(i, flush=True); time.sleep(0.05)\ntime.sleep(600)"),
        ),
        trace(
            "waiting for an answer",
            Hung,
            "waiting_for_person",
            "Overwrite src? [y/N]",
            "printf 'Overwrite src? [y/N] '; mkfifo $out/fifo; read x < $out/fifo",
        ),
        trace(
            "waiting for a key on a terminal",
            Hung,
            "waiting_for_person",
            "somebody to type",
            &python("import pty\npid, _ = pty.fork()\nif pid == 0:\n    os.read(0, 1)\nos.waitpid(pid, 0)"),
        ),
        trace("stopped", Hung, "waiting_for_person", "stopped by a signal", "kill -STOP $$; sleep 600"),
        trace(
            "a service that never answers",
            Hung,
            "thinking",
            "the model",
            &python("a, b = socket.socketpair()\na.recv(1)"),
        ),
        trace("waking up now and then", Hung, "thinking", "silent", &python("while True:\n    time.sleep(0.05)")),
        trace(
            "asking again and again whether it is there",
            Hung,
            "waiting_for_tool",
            "silent",
            "while [ ! -e /nonexistent ]; do sleep 1; done",
        ),
        trace(
            "a child that sleeps and holds the pipe",
            Hung,
            "waiting_for_tool",
            "2 processes",
            "(setsid sleep 600) & sleep 600",
        ),
        trace(
            "deaf to requests to end",
            Hung,
            "waiting_for_tool",
            "1 process",
            "trap '' TERM INT HUP; while :; do sleep 600; done",
        ),
        trace("computing for ever", Hung, "working", "computes", &python("while True:\n    pass")),
        claude("a tool that never ends", Hung, "waiting_for_tool", "Bash make all", "tool; sleep 600"),
        claude("silent after the wait it announced", Hung, "limited", "tries again in", "retry 3000; sleep 600"),
    ]
}

/// What became of an agent, and everything that was seen of it.
struct Fate {
    was_ended: bool,
    passes: bool,
    standings: Vec<(String, String)>,
    failure: String,
    left: Vec<i32>,
}

fn fate(trace: &Trace) -> Fate {
    let project = Project::without_git();
    let settings = format!(
        "[project]\nname = \"Demo\"\n[backend]\ndefault = \"{}\"\n[run]\ndelay_between_tasks = 0\nmax_retries = 1\n\
         heartbeat_interval = 1\nidle_timeout_seconds = {LIMIT}\nroot_mode.disable_skip_permissions = false\n\
         [circuit_breaker]\nrate_limit_cooldown = 1\n",
        trace.backend
    );
    let script = if trace.backend == "codex" { format!("{}\n{DILIGENT}", trace.script) } else { trace.script.clone() };
    project.toml(&settings).tasks(ONE_TASK).agent(trace.backend, &script);
    project.run(&["run"]);
    // Who was refused is asked again, and may beat again on a slow machine.
    let first = project.journal().into_iter().take_while(|event| event["kind"] != "attempt_ended");
    let standings = first.filter(|event| event["kind"] == "heartbeat").filter_map(|event| {
        let text = |name: &str| Some(event["standing"][name].as_str()?.to_owned());
        Some((text("state")?, text("reason")?))
    });
    let standings: Vec<(String, String)> = standings.collect();
    let ends = project.events("attempt_ended");
    let failures = project.events("attempt_failed");
    let out = project.out("").display().to_string();
    Fate {
        // Who hangs behind a refusal counts as refused.
        was_ended: ends.iter().any(|event| event["report"]["end"]["end"] == "idle")
            || standings.last().is_some_and(|last| last.0 == "hung"),
        passes: project.task("T1")["passes"] == Value::Bool(true),
        standings,
        failure: failures.iter().map(|event| event["summary"].to_string()).collect(),
        left: processes(&out),
    }
}

/// What is wrong with what became of an agent; empty when nothing is.
fn judge(trace: &Trace, fate: &Fate) -> String {
    let saw = |state: &str, reason: &str| fate.standings.iter().any(|it| it.0 == state && it.1.contains(reason));
    let wrong = match trace.label {
        Label::Healthy if fate.was_ended => "was ended".to_owned(),
        Label::Healthy if !fate.passes => format!("did not do its work: {}", fate.failure),
        Label::Hung if !fate.was_ended => "was not ended".to_owned(),
        Label::Hung if fate.standings.last().is_none_or(|last| last.0 != "hung") => {
            "is not said to have hung".to_owned()
        }
        Label::Hung if !fate.failure.contains("no sign of life") && trace.state != "limited" => {
            format!("has no reason: {}", fate.failure)
        }
        _ if !saw(trace.state, trace.reason) => format!("was never {} ({})", trace.state, trace.reason),
        _ if !fate.left.is_empty() => format!("left {:?}", fate.left),
        Label::Healthy | Label::Hung => return String::new(),
    };
    format!("{:?} ({:?}): {wrong}; seen: {:?}", trace.name, trace.label, fate.standings)
}

#[test]
fn no_healthy_agent_is_ended_and_every_hung_one_is() {
    if !has_tool("python3") {
        return;
    }
    let traces = traces();
    let count = |label| traces.iter().filter(|trace| trace.label == label).count();
    assert!(count(Label::Healthy) >= 10 && count(Label::Hung) >= 12);
    let names: BTreeSet<&str> = traces.iter().map(|trace| trace.name).collect();
    assert_eq!(names.len(), traces.len());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for trace in &traces {
            let wrong = &wrong;
            scope.spawn(move || {
                let told = judge(trace, &fate(trace));
                if !told.is_empty() {
                    wrong.lock().unwrap().push(told);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    println!("agents: {} healthy, {} hung; judged wrongly: {}", count(Label::Healthy), count(Label::Hung), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_status_says_what_the_agent_does_and_why() {
    let project = Project::without_git();
    project.config("[run]\ndelay_between_tasks = 0\nheartbeat_interval = 1\n").tasks(ONE_TASK);
    project.agent(
        "codex",
        &format!("echo $$ > $out/pid; printf 'Password: '; mkfifo $out/fifo; read x < $out/fifo\n{DILIGENT}"),
    );
    let run = project.spawn(&["run"]);
    project.wait_for("logs/runtime-status.json", "\"liveness\": \"waiting_for_person\"");
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!(status["run"]["liveness"], "waiting_for_person");
    assert!(
        status["run"]["liveness_reason"].as_str().unwrap().starts_with("asks `Password:`, silent for "),
        "{status:#}"
    );
    assert!(status["run"]["message"].as_str().unwrap().contains("is waiting for a person"), "{status:#}");
    let page = project.expect(&["status"], 0).out;
    assert!(page.contains("Agent: waiting for a person - asks `Password:`"), "{page}");
    assert!(project.read("logs/dashboard.html").contains("waiting for a person: asks"));
    std::fs::write(project.out("fifo"), "hush\n").unwrap();
    assert_eq!(run.wait().code, 0);
    let status = project.output_json(&["status", "--json"], 0);
    assert_eq!(
        (&status["run"]["liveness"], &status["run"]["liveness_reason"]),
        (&"".into(), &"".into()),
        "nobody is at work"
    );
    assert!(!lives(project.left_pid("pid")));
}
