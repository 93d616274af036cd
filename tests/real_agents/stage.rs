//! A project, a model server and a real agent between them.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agent::Agent;
use crate::harness::{Done, Project, Running, lives};
use crate::server::{Route, Server};

/// How long one run may take. Three minutes: opencode needs up to 10 s to start, is started three times, and tries for 15 s.
const PATIENCE: Duration = Duration::from_mins(3);

/// One test's world.
pub struct Stage {
    pub project: Project,
    pub server: Server,
}

impl Stage {
    /// A project with the task `P0-1` (make `src/hello.txt` say hello), checked by `check.sh`, for an agent whose model
    /// works on it with these turns. `None` when the agent is not installed.
    ///
    /// `run` goes into the section `[run]`.
    pub fn new(agent: Agent, run: &str, turns: &Value) -> Option<Self> {
        Self::with(agent, run, &[("task", turns.clone())])
    }

    /// The same with a model that is asked other things too.
    pub fn with(agent: Agent, run: &str, routes: &[Route]) -> Option<Self> {
        let bin = agent.bin_dir()?;
        let mut project = Project::new();
        let root = project.dir().parent().unwrap().to_path_buf();
        for dir in ["tmp", "server"] {
            fs::create_dir(root.join(dir)).unwrap();
        }
        for (name, text) in agent.home_files() {
            let path = root.join("home").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let server = Server::start(&root.join("server"), routes);
        let path = std::env::var("PATH").unwrap_or_default();
        project.env("PATH", &format!("{}:{path}", bin.display())).env("TMPDIR", root.join("tmp").to_str().unwrap());
        project.write(
            "autodev.toml",
            &format!(
                "[project]\nname = \"Demo\"\n[backend]\ndefault = \"{}\"\n[run]\ndelay_between_tasks = 0\n{run}\n\
                 [circuit_breaker]\nrate_limit_cooldown = 1\n{}",
                agent.name(),
                agent.section(server.port())
            ),
        );
        project.write(
            "check.sh",
            "grep -qx hello src/hello.txt && exit 0\necho \"the greeting is <$(cat src/hello.txt)>\"\nexit 4\n",
        );
        project.tasks(
            r#"[{"id": "P0-1", "title": "Add greeting", "description": "Make src/hello.txt say hello.",
              "steps": ["Write the file."],
              "verification": {"path_patterns": ["src/*"], "validate_commands": ["sh check.sh"]}}]"#,
        );
        project.git(&["add", "check.sh"]);
        project.git(&["commit", "-q", "-m", "add the check"]);
        Some(Self { project, server })
    }

    /// Runs `autodev run` to its end and expects an exit code.
    pub fn run(&self, code: i32) -> Done {
        self.autodev(&["run"], code)
    }

    /// Runs autodev to its end and expects an exit code.
    pub fn autodev(&self, args: &[&str], code: i32) -> Done {
        self.finish(self.project.spawn(args), code)
    }

    /// Waits for autodev's end and expects an exit code.
    pub fn finish(&self, running: Running, code: i32) -> Done {
        let begun = Instant::now();
        while lives(running.pid()) {
            if begun.elapsed() > PATIENCE {
                running.signal("KILL");
                let done = running.wait();
                panic!("autodev does not end\n{}", self.report(&done));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let done = running.wait();
        assert_eq!(done.code, code, "{}", self.report(&done));
        assert_eq!(self.server.strays(), [] as [Value; 0], "the script had no answer\n{}", self.report(&done));
        done
    }

    /// Waits until something is true; fails with what the model was told when it never is.
    pub fn wait_until(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_true() {
            let told = || self.server.all().iter().map(|r| r["tool_results"].to_string()).collect::<Vec<_>>();
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}; tools said {:?}", told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The journal's events of one kind, oldest first.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let done = self.project.expect(&["log", "--json"], 0);
        let events = done.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["kind"] == kind).collect()
    }

    /// The reports of all attempts.
    pub fn attempts(&self) -> Vec<Value> {
        self.events("attempt_ended").into_iter().map(|mut event| event["report"].take()).collect()
    }

    /// Asserts that the task is done: proved, committed, written down.
    pub fn assert_done(&self) {
        assert_eq!(self.project.task("P0-1")["passes"], true);
        assert_eq!(self.project.committed(), ["src/hello.txt"]);
        assert_eq!(self.project.log(), ["autodev: P0-1 - Add greeting", "add the check", "start"]);
        assert_eq!(self.project.git(&["show", "HEAD:src/hello.txt"]).trim_end(), "hello");
        assert!(self.project.read("progress.txt").contains("### Status: completed"));
        assert_eq!(self.project.json("logs/runtime-status.json")["run"]["status"], "completed");
        assert_eq!(self.foreign(), [] as [&str; 0], "left in the tree");
    }

    /// What is in the tree besides what is committed and autodev's own files: it would go into the next task's commit.
    pub fn foreign(&self) -> Vec<String> {
        let status = self.project.git(&["status", "--porcelain", "-uall"]);
        let paths = status.lines().map(|line| line[3..].to_owned());
        paths.filter(|path| !OWN.contains(&path.as_str())).collect()
    }

    /// Asserts that the task waits for the next run, uncharged.
    pub fn assert_pending(&self) {
        let task = self.project.task("P0-1");
        let status = (&task["passes"], &task["blocked"]);
        assert!(!status.0.as_bool().unwrap_or(false) && !status.1.as_bool().unwrap_or(false), "{task}");
        let history = task["attempt_history"].as_array().map_or(0, Vec::len);
        assert_eq!(history, 0, "an attempt was charged: {task}");
        assert_eq!(self.project.log(), ["add the check", "start"]);
    }

    fn report(&self, done: &Done) -> String {
        let requests = self.server.all();
        let requests = requests.iter().map(|r| format!("{} {} {} {}", r["route"], r["turn"], r["path"], r["sent"]));
        let requests: Vec<String> = requests.collect();
        let log = self.project.run(&["log"]);
        format!(
            "--- exit {}\n--- stdout\n{}\n--- stderr\n{}\n--- journal\n{}\n--- requests\n{}",
            done.code,
            done.out,
            done.err,
            log.out,
            requests.join("\n")
        )
    }
}

/// autodev's own files, which git sees.
const OWN: [&str; 4] = ["autodev.toml", "task.json", "progress.txt", "TASK.md"];

/// The processes that carry a variable in their environment.
pub fn carrying(variable: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes()) && lives(pid) {
            found.push(pid);
        }
    }
    found
}
