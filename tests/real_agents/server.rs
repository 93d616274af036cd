//! The scripted model server of `tests/support/modelserver.py`, for one test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// What a model says to requests of one sort: the sort's name and the turns.
pub type Route = (&'static str, Value);

/// The sorts of requests that autodev makes, and the prompts by whose opening they are known.
const SORTS: [(&str, &str); 5] = [
    ("task", include_str!("../../templates/prompts/task.md")),
    ("spec", include_str!("../../templates/prompts/spec.md")),
    ("plan", include_str!("../../templates/prompts/plan.md")),
    ("replan", include_str!("../../templates/prompts/replan.md")),
    ("reflect", include_str!("../../templates/prompts/reflect.md")),
];

/// A running server. Ends with the test, also when the test is killed: its input ends then.
pub struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts a server that answers each sort of request with its turns, one after the other.
    pub fn start(dir: &Path, routes: &[Route]) -> Self {
        let script = dir.join("script.json");
        let log = dir.join("requests.jsonl");
        let when = |name: &str| match name {
            // Doctor's question is no template.
            "probe" => json!({ "prompt": "the one word OK" }),
            _ => json!({ "says": opening(name) }),
        };
        let route = |(name, turns): &Route| json!({ "name": name, "when": when(name), "turns": turns });
        let routes: Vec<Value> = routes.iter().map(route).collect();
        std::fs::write(&script, json!({ "routes": routes }).to_string()).unwrap();
        let mut child = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/modelserver.py"))
            .args(["--until-eof", "--full", "--port", "0", "--script"])
            .arg(&script)
            .arg("--log")
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|e| panic!("the port of the model server: {line:?}: {e}"));
        Self { child, port, log }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The requests of one sort so far, in order; those that are still being answered are not among them.
    pub fn asked(&self, sort: &str) -> Vec<Value> {
        self.all().into_iter().filter(|request| request["route"] == sort).collect()
    }

    /// The requests to work on a task.
    pub fn requests(&self) -> Vec<Value> {
        self.asked("task")
    }

    /// Requests that the script had nothing for: a test that leads to one does not test what it says.
    pub fn strays(&self) -> Vec<Value> {
        // What the programs ask for their own purposes (a title, the list of models) has no turn.
        let is_scripted = |r: &Value| r["route"].is_string() && r["route"] != "aux";
        self.all().into_iter().filter(|r| is_scripted(r) && r["turn"].is_null()).collect()
    }

    /// Everything that was asked and answered.
    pub fn all(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut requests: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        requests.sort_by_key(|request| request["seq"].as_u64());
        requests
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already when it crashed; the test has failed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the prompt of a sort begins in a project called Demo, up to the first thing that differs.
fn opening(sort: &str) -> String {
    let template = SORTS.iter().find(|(name, _)| *name == sort).unwrap_or_else(|| panic!("no sort {sort}")).1;
    let text = template.replace("{{ project_name }}", "Demo");
    let end = ["{{", "\n", ". "].iter().filter_map(|end| text.find(end)).min().unwrap();
    text[..end].trim_end().to_owned()
}

/// A turn that calls one tool.
pub fn act(action: &Value) -> Value {
    json!({ "say": "Working on it.", "do": [action] })
}

/// The last turn of an attempt.
pub fn done() -> Value {
    json!({ "final": "The greeting is in place." })
}

/// A turn that changes a file although it was only asked. A program that offers no tool for that is not tried.
pub fn meddle(action: &Value) -> Value {
    json!({ "say": "I might as well begin.", "do": [action], "if_offered": true })
}

/// The last turn of an answer: a text, or JSON in the form that the program wants it in.
pub fn answer(content: &Value) -> Value {
    json!({ "final": content })
}

/// A turn that fails so often.
pub fn fault(kind: &Value, times: u32) -> Value {
    json!({ "fault": kind, "times": times })
}
