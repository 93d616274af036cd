//! The scripted model server of `tests/support/modelserver.py`, for one test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A running server. Ends with the test, also when the test is killed: its input ends then.
pub struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts a server that answers requests about the task `P0-1`, or doctor's question, with these turns, one after the
    /// other.
    pub fn start(dir: &Path, turns: &Value) -> Self {
        let script = dir.join("script.json");
        let log = dir.join("requests.jsonl");
        let routes =
            json!({ "routes": [{ "name": "task", "when": { "prompt": "P0-1|the one word OK" }, "turns": turns }] });
        std::fs::write(&script, routes.to_string()).unwrap();
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

    /// The requests about the task so far, in order; those that are still being answered are not among them.
    pub fn requests(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let requests = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut requests: Vec<Value> = requests.filter(|request| request["route"] == "task").collect();
        requests.sort_by_key(|request| request["seq"].as_u64());
        requests
    }

    /// Requests that the script had nothing for: a test that leads to one does not test what it says.
    pub fn strays(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let requests = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        requests.filter(|r| r["route"] == "none" || (r["route"] == "task" && r["turn"].is_null())).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already when it crashed; the test has failed then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A turn that calls one tool.
pub fn act(action: &Value) -> Value {
    json!({ "say": "Working on it.", "do": [action] })
}

/// The last turn of an attempt.
pub fn done() -> Value {
    json!({ "final": "The greeting is in place." })
}

/// A turn that fails so often.
pub fn fault(kind: &Value, times: u32) -> Value {
    json!({ "fault": kind, "times": times })
}
