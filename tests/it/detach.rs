//! `run --detach`: real tmux servers of their own, and processes without one.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{DILIGENT, ONE_TASK, Project, TWO_TASKS, has_tool, lives, processes, wait_until};

/// Longer than any of these tests: who waits for it has failed.
pub(super) const SLEEPER: &str = "echo $$ > $out/pid; sleep 300";

/// A project with a tmux server and sessions of its own; nothing of both is left afterwards.
pub(super) struct World {
    project: Project,
}

impl World {
    /// A project whose agent does this, and which is named `Demo`.
    pub(super) fn new(agent: &str) -> Self {
        let mut project = Project::without_git();
        project.tasks(TWO_TASKS).agent("codex", agent);
        let tmux = project.out("tmux");
        fs::create_dir(&tmux).unwrap();
        project.env("TMUX_TMPDIR", tmux.to_str().unwrap());
        Self { project }
    }

    /// Another project below this one's directory, with one task and the same agent.
    pub(super) fn another(&self, dir: &str, name: &str) {
        let toml =
            format!("[project]\nname = {name:?}\n[backend]\ndefault = \"codex\"\n[run]\ndelay_between_tasks = 0\n");
        self.write(&format!("{dir}/autodev.toml"), &toml);
        self.write(&format!("{dir}/task.json"), &format!("{{\"tasks\": {ONE_TASK}}}"));
    }

    /// What `autodev list --json` says.
    pub(super) fn sessions(&self) -> Vec<Value> {
        self.output_json(&["list", "--json"], 0)["sessions"].as_array().unwrap().clone()
    }

    /// The session with this name.
    pub(super) fn session(&self, name: &str) -> Value {
        let all = self.sessions();
        all.iter().find(|it| it["name"] == name).cloned().unwrap_or_else(|| panic!("no {name} in {all:#?}"))
    }

    /// Waits until a session is in a state.
    pub(super) fn wait_for_state(&self, name: &str, state: &str) {
        wait_until(&format!("{name} to be {state}"), || self.session(name)["state"] == state);
    }

    /// Runs tmux and returns what it printed, or `None` when it failed.
    pub(super) fn tmux(&self, args: &[&str]) -> Option<String> {
        let output = self.command("tmux", args).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Detaches a run in this mode and waits for its agent; returns the agent's process.
    pub(super) fn at_work(&self, mode: &str) -> i32 {
        self.expect(&["run", &format!("--detach={mode}")], 0);
        self.left_pid("pid")
    }
}

impl Deref for World {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.project
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Project {
        &mut self.project
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.project.run(&["stop", "--all", "--wait", "0"]);
        // There need not be a server, nor a tmux.
        self.project.command("tmux", &["kill-server"]).output().ok();
    }
}

/// The ways to detach that this machine has.
pub(super) fn modes() -> Vec<&'static str> {
    let tmux = has_tool("tmux").then_some("tmux");
    tmux.into_iter().chain(["process"]).collect()
}

#[test]
fn a_run_goes_on_without_its_terminal_and_three_hints_are_left() {
    for mode in modes() {
        let world = World::new(&format!("until [ -e $out/go ]; do sleep 0.05; done; {DILIGENT}"));
        let done = world.expect(&["run", &format!("--detach={mode}")], 0);
        let first = done.out.lines().next().unwrap();
        assert!(first.starts_with("Session autodev-Demo: run has begun") && first.contains(mode), "{}", done.out);
        for hint in ["autodev attach autodev-Demo", "autodev list", "autodev stop autodev-Demo"] {
            assert_eq!(done.out.lines().skip(1).filter(|line| line.contains(hint)).count(), 1, "{}", done.out);
        }
        // Only once the run has really begun: its event is there.
        let started = world.events("run_started");
        assert_eq!(started.len(), 1);
        assert_eq!(started[0]["pid"], world.session("autodev-Demo")["pid"]);
        fs::write(world.out("go"), "").unwrap();
        world.wait_for_state("autodev-Demo", "completed");
        let session = world.session("autodev-Demo");
        assert_eq!((&session["exit_code"], &session["is_running"]), (&json!(0), &json!(false)), "{session:#}");
        assert_eq!(world.events("run_ended")[0]["exit_code"], 0);
        let log = fs::read_to_string(session["log"].as_str().unwrap()).unwrap();
        assert!(log.contains("Demo") && log.contains("2 completed"), "{mode}: what it printed is kept: {log}");
        if mode == "tmux" {
            wait_until("the tmux session to end", || world.tmux(&["has-session", "-t", "=autodev-Demo"]).is_none());
        }
    }
}

#[test]
fn detach_twice_keeps_the_first() {
    for mode in modes() {
        let world = World::new(SLEEPER);
        let agent = world.at_work(mode);
        let pid = world.session("autodev-Demo")["pid"].to_string();
        for second in ["--detach", "--detach=process"] {
            let refused = world.expect(&["run", second], 1);
            assert!(refused.err.contains("autodev-Demo") && refused.err.contains(&pid), "{}", refused.err);
            assert!(refused.err.contains("autodev stop autodev-Demo"), "the next step: {}", refused.err);
        }
        assert!(world.expect(&["run"], 1).err.contains(&pid), "in the foreground neither");
        assert!(lives(agent) && world.calls("codex") == 1 && world.sessions().len() == 1);
    }
}

#[test]
fn a_run_in_the_foreground_is_not_detached_beside() {
    let world = World::new(SLEEPER);
    let run = world.spawn(&["run"]);
    world.left_pid("pid");
    let refused = world.expect(&["run", "--detach"], 1);
    assert!(refused.err.contains(&format!("process {}", run.pid())), "{}", refused.err);
    assert_eq!(world.sessions(), Vec::<Value>::new());
    run.signal("INT");
    assert_eq!(run.wait().code, 130);
}

#[test]
fn of_two_at_once_one_is_refused() {
    for mode in modes() {
        let world = World::new(SLEEPER);
        let option = format!("--detach={mode}");
        let both = [world.spawn(&["run", &option]), world.spawn(&["run", &option])];
        let done = both.map(crate::harness::Running::wait);
        let mut codes = [done[0].code, done[1].code];
        codes.sort_unstable();
        assert_eq!(codes, [0, 1], "{done:?}");
        world.left_pid("pid");
        assert!(world.calls("codex") == 1 && world.sessions().len() == 1);
    }
}

#[test]
fn detach_does_not_kill_other_projects() {
    if !has_tool("tmux") {
        return;
    }
    let world = World::new("echo $$ > $out/$(basename $PWD).pid; sleep 300");
    world.another("one", "app-two");
    world.another("two", "app");
    world.another("three", "app");
    world.tmux(&["new-session", "-d", "-s", "autodev-app-zero", "sleep", "300"]).unwrap();
    for (dir, name) in [("one", "autodev-app-two"), ("two", "autodev-app"), ("three", "autodev-app-2")] {
        let done = world.expect(&["-c", &format!("{dir}/autodev.toml"), "run", "--detach"], 0);
        assert!(done.out.contains(&format!("Session {name}:")), "{}", done.out);
    }
    let pids: Vec<i32> = ["one", "two", "three"].map(|dir| world.left_pid(&format!("{dir}.pid"))).into();
    assert!(pids.iter().all(|pid| lives(*pid)), "nobody ended another one");
    let names = world.tmux(&["list-sessions", "-F", "#{session_name}"]).unwrap();
    assert_eq!(names.lines().count(), 4, "{names}");
    world.expect(&["stop", "autodev-app"], 0);
    assert!(!lives(pids[1]) && lives(pids[0]) && lives(pids[2]));
    assert!(world.tmux(&["has-session", "-t", "=autodev-app-zero"]).is_some(), "a stranger's session stays");
}

#[test]
fn detach_keeps_log_history() {
    for mode in modes() {
        let world = World::new("exit 3");
        world.config("[run]\ndelay_between_tasks = 0\nmax_retries = 1\n");
        world.write("logs/autodev.log", "what was there\n");
        for n in 1..=2 {
            world.tasks(ONE_TASK);
            world.expect(&["run", &format!("--detach={mode}")], 0);
            world.wait_for_state("autodev-Demo", "blocked");
            let session = world.session("autodev-Demo");
            assert_eq!(session["exit_code"], 2, "{session:#}");
            let log = world.read("logs/autodev.log");
            assert!(log.starts_with("what was there\n"), "{mode}: {log}");
            assert_eq!(log.matches("Backend: codex").count(), n, "{mode}: no line is doubled: {log}");
            assert_eq!(world.find("logs/sessions", ".log").len(), n, "each session has a log of its own");
        }
        let kept = world.holding("logs/sessions", "1 blocked");
        assert_eq!(kept.len(), 2, "{mode}: {kept:?}");
        assert_eq!(world.sessions().len(), 1, "the later one of a name takes the place of the earlier");
        let codes: Vec<Value> = world.events("run_ended").iter().map(|event| event["exit_code"].clone()).collect();
        assert_eq!(codes, [2, 2]);
    }
}

#[test]
fn the_environment_is_the_callers_and_secrets_are_not_seen() {
    for mode in modes() {
        let secret = format!("hunter2-{mode}-{}", std::process::id());
        let mut world =
            World::new("env -0 > $out/env; umask > $out/umask; pwd > $out/pwd; echo $$ > $out/pid; sleep 300");
        if mode == "tmux" {
            // A server that is there already keeps the environment of its first hour.
            world.env("GREETING", "old");
            world.tmux(&["new-session", "-d", "-s", "first", "sleep", "300"]).unwrap();
        }
        world.env("GREETING", "new 'quoted' \"$HOME\"\nsecond line").env("MY_API_TOKEN", &secret);
        let done = world.shell(&format!("umask 027; \"$autodev\" run --detach={mode}"));
        assert_eq!(done.code, 0, "{done:?}");
        world.left_pid("pid");
        assert_eq!(processes(&secret), Vec::<i32>::new(), "nobody shows it in a command line");
        let env = world.left("env");
        let value = |name: &str| env.split('\0').find_map(|it| it.strip_prefix(&format!("{name}="))).map(str::to_owned);
        assert_eq!(value("GREETING").as_deref(), Some("new 'quoted' \"$HOME\"\nsecond line"));
        assert_eq!(value("MY_API_TOKEN").as_deref(), Some(secret.as_str()));
        assert_eq!(world.left("umask").trim(), "0027");
        assert_eq!(world.left("pwd").trim(), world.dir().canonicalize().unwrap().to_str().unwrap());
        let held: Vec<String> = world.holding(".autodev", &secret);
        assert_eq!(held, Vec::<String>::new(), "no file with it is left");
        if mode == "tmux" {
            assert!(value("TMUX").is_some() && value("TERM").is_some(), "the terminal is tmux's");
            let global = world.tmux(&["show-environment", "-g"]).unwrap();
            assert!(!global.contains(&secret), "{global}");
        }
    }
}

#[test]
fn a_tmux_server_that_is_started_gets_no_secret() {
    if !has_tool("tmux") {
        return;
    }
    let mut world = World::new(SLEEPER);
    world.env("MY_API_TOKEN", "hunter2hunter2").env("AUTODEV_RUN_MAX_TASKS", "1").env("COLOUR", "blue");
    world.at_work("tmux");
    let global = world.tmux(&["show-environment", "-g"]).unwrap();
    assert!(global.contains("COLOUR=blue"), "{global}");
    assert!(!global.contains("hunter2") && !global.contains("AUTODEV_"), "{global}");
    assert_eq!(world.events("run_started")[0]["settings"]["limits"]["max_tasks"], 1, "the run has it all the same");
    let limit = world.tmux(&["display-message", "-p", "-t", "=autodev-Demo:", "#{history_limit}"]);
    assert_eq!(limit.as_deref(), Some("50000"));
}

#[test]
fn every_option_is_carried_over() {
    for mode in modes() {
        let world = World::new(DILIGENT);
        world.agent("gemini", DILIGENT);
        let detach = format!("--detach={mode}");
        let args = ["run", "--backend", "gemini", "--max-tasks", "1", &detach, "--max-retries", "7", "--epochs", "1"];
        world.expect(&args, 0);
        world.wait_for_state("autodev-Demo", "completed");
        let started = &world.events("run_started")[0];
        assert_eq!(started["backend"], "gemini");
        assert_eq!(started["settings"]["limits"]["max_tasks"], 1);
        assert_eq!(started["settings"]["limits"]["max_retries"], 7);
        assert_eq!((world.calls("gemini"), world.calls("codex")), (1, 0));
        // It may be over before anybody has looked.
        let done = world.expect(&["run", "--dry-run", &detach], 0);
        assert!(done.out.contains("run has begun"), "{}", done.out);
        wait_until("the dry run to end", || world.events("run_ended").len() == 2);
        assert_eq!(world.events("previewed").len(), 1);
        assert_eq!(world.calls("codex"), 0);
    }
}

#[test]
fn detach_relative_config() {
    for mode in modes() {
        let world = World::new(&format!("pwd > $out/pwd; {DILIGENT}"));
        world.write("code/README", "");
        world.write("conf/task.json", &format!("{{\"tasks\": {ONE_TASK}}}"));
        let toml = "[project]\nname = \"Elsewhere\"\ncode_dir = \"../code\"\n[backend]\ndefault = \"codex\"\n";
        world.write("conf/own.toml", toml);
        world.expect(&["-c", "conf/own.toml", "run", &format!("--detach={mode}")], 0);
        world.wait_for_state("autodev-Elsewhere", "completed");
        assert!(world.has("code/src/T1.txt"));
        assert_eq!(world.left("pwd").trim(), world.path("code").canonicalize().unwrap().to_str().unwrap());
    }
}

#[test]
fn names_and_paths_may_be_odd() {
    for mode in modes() {
        let world = World::new("echo said; sleep 300");
        let dir = "it's #[odd] %H #{pid} \"$(touch injected)\" é;";
        world.another(dir, "Größe: 100% #S $(x) \"q\" 'r'");
        let config = format!("{dir}/autodev.toml");
        world.expect(&["-c", &config, "run", &format!("--detach={mode}")], 0);
        let session = world.sessions().remove(0);
        let name = session["name"].as_str().unwrap().to_owned();
        assert_eq!(name, "autodev-Gr--e--100---S---x---q---r-");
        let log = session["log"].as_str().unwrap().to_owned();
        assert!(Path::new(&log).starts_with(world.path(dir)), "{log}");
        wait_until("the agent's words to be kept", || {
            fs::read(&log).is_ok_and(|text| String::from_utf8_lossy(&text).contains("said"))
        });
        assert!(world.find(".", "injected").iter().all(|path| !path.ends_with("/injected")));
        world.expect(&["stop", &name], 0);
        world.wait_for_state(&name, "interrupted");
    }
}

#[test]
fn detach_errors_are_clear() {
    for mode in modes() {
        let option = format!("--detach={mode}");
        let mut world = World::new(DILIGENT);
        world.write("task.json", "{\"tasks\": [");
        let done = world.expect(&["run", &option], 1);
        assert!(done.err.contains("Task data error") && done.err.contains("task.json"), "{}", done.err);
        let session = world.session("autodev-Demo");
        assert_eq!((&session["state"], &session["exit_code"]), (&json!("failed"), &json!(1)), "{session:#}");
        assert!(session["error"].as_str().unwrap().contains("task.json"), "{session:#}");

        world.tasks(ONE_TASK).config("[backend.codex]\nprogram = \"no-such-program\"\n");
        let done = world.expect(&["run", &option], 1);
        assert!(
            done.err.contains("no-such-program is not on PATH") && done.err.contains("logs/sessions/"),
            "{}",
            done.err
        );
        assert_eq!(world.sessions().len(), 1);

        world.toml("[project]\nname = \"Demo\"\ncode_dir = \"missing\"\n[backend]\ndefault = \"codex\"\n");
        let done = world.expect(&["run", &option], 1);
        assert!(done.err.contains("missing") && !done.err.contains("panicked"), "{}", done.err);

        world.toml("[run]\nmax_retries = \"three\"\n");
        assert!(world.expect(&["run", &option], 1).err.contains("Configuration error"));
        let file = world.out("file");
        fs::write(&file, "").unwrap();
        world.config("");
        world.env("XDG_STATE_HOME", file.to_str().unwrap());
        let done = world.expect(&["run", &option], 1);
        assert!(done.err.contains("XDG_STATE_HOME"), "{}", done.err);
        world.unset("XDG_STATE_HOME");
    }
    let world = World::new(DILIGENT);
    let done = world.expect(&["run", "--detach=screen"], 2);
    assert!(done.err.contains("auto, tmux, process"), "{}", done.err);
}

#[test]
fn without_tmux_a_process_does_it() {
    let mut world = World::new(SLEEPER);
    let bin = world.dir().parent().unwrap().join("bin");
    for tool in ["cat", "sleep"] {
        let found = ["/bin", "/usr/bin"].map(|dir| Path::new(dir).join(tool)).into_iter().find(|it| it.exists());
        std::os::unix::fs::symlink(found.unwrap(), bin.join(tool)).unwrap();
    }
    world.env("PATH", bin.to_str().unwrap());
    let done = world.expect(&["run", "--detach=tmux"], 1);
    assert!(done.err.contains("install it") && done.err.contains("--detach=process"), "{}", done.err);
    assert!(world.sessions().is_empty());
    let done = world.expect(&["run", "--detach"], 0);
    assert!(done.out.contains(", process)") && done.out.contains("Ctrl-C leaves it running"), "{}", done.out);
    world.left_pid("pid");
    assert_eq!(world.session("autodev-Demo")["kind"], "process");
}

#[test]
fn the_configuration_chooses_the_mode_and_the_option_wins() {
    let world = World::new(DILIGENT);
    world.config("[detach]\nmode = \"process\"\ntmux_session_prefix = \"night.shift\"\n");
    world.expect(&["run", "--detach"], 0);
    world.wait_for_state("night-shift-Demo", "completed");
    assert_eq!(world.session("night-shift-Demo")["kind"], "process");
    if has_tool("tmux") {
        world.tasks(ONE_TASK);
        world.expect(&["run", "--detach=auto"], 0);
        assert_eq!(world.session("night-shift-Demo")["kind"], "tmux");
    }
    world.config("[detach]\nmode = \"screen\"\n");
    let done = world.expect(&["run", "--detach"], 1);
    assert!(done.err.contains("[detach].mode") || done.err.contains("screen"), "{}", done.err);
}

#[test]
fn a_session_survives_the_terminal() {
    for mode in modes() {
        let world = World::new(&format!("echo $$ > $out/pid; until [ -e $out/go ]; do sleep 0.05; done; {DILIGENT}"));
        let script = format!("{} run --detach={mode} && touch $0; sleep 300", env!("CARGO_BIN_EXE_autodev"));
        let mut command = world.command("bash", &["-c", &script, world.out("detached").to_str().unwrap()]);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut terminal = command.spawn().unwrap();
        world.wait_for_left("detached");
        let agent = world.left_pid("pid");
        let group = format!("-{}", terminal.id());
        for signal in ["-HUP", "-KILL"] {
            std::process::Command::new("kill").args([signal, "--", &group]).status().unwrap();
        }
        terminal.wait().unwrap();
        assert!(lives(agent), "{mode}");
        fs::write(world.out("go"), "").unwrap();
        world.wait_for_state("autodev-Demo", "completed");
    }
}

#[test]
fn a_caller_that_is_killed_leaves_no_secret_for_long() {
    let mut world = World::new(DILIGENT);
    world.env("MY_API_TOKEN", "hunter2hunter2");
    world.write(".autodev/launch/old.ticket", "hunter2hunter2");
    world.expect(&["run", "--detach=process"], 0);
    world.wait_for_state("autodev-Demo", "completed");
    assert!(!world.has(".autodev/launch"));
    assert_eq!(world.holding(".autodev", "hunter2hunter2"), Vec::<String>::new());
}
