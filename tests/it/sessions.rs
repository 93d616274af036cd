//! `list`, `attach` and `stop`: what is known of detached sessions, and how they are looked at and ended.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::detach::{SLEEPER, World, modes};
use crate::harness::{DILIGENT, Project, has_tool, lives, wait_until};

fn kill(pid: i64, signal: &str) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill {signal} {pid}");
}

fn pid(session: &Value) -> i32 {
    session["pid"].as_i64().unwrap().try_into().unwrap()
}

#[test]
fn without_sessions_there_is_nothing_to_show() {
    let project = Project::without_git();
    assert!(project.expect(&["list"], 0).out.contains("run --detach"));
    assert_eq!(project.output_json(&["list", "--json"], 0), json!({"sessions": []}));
    for command in ["attach", "stop"] {
        for args in [vec![command], vec![command, "nobody"]] {
            let done = project.expect(&args, 1);
            assert!(done.err.contains("none is running"), "{args:?}: {}", done.err);
        }
    }
    assert_eq!(project.expect(&["stop", "--all"], 0).err, "no session is running\n");
    assert_eq!(project.output_json(&["stop", "--all", "--json"], 0), json!({"sessions": []}));
    assert!(!project.out("../home/.local").exists(), "looking leaves nothing behind");
}

#[test]
fn detach_custom_prefix_is_listed() {
    for mode in modes() {
        let world = World::new(SLEEPER);
        world.config("[detach]\ntmux_session_prefix = \"nightly\"\n");
        let agent = world.at_work(mode);
        assert_eq!(world.session("nightly-Demo")["state"], "running");
        let elsewhere = world.shell("cd / && \"$autodev\" list");
        assert!(elsewhere.out.contains("nightly-Demo  [RUNNING]"), "of every project: {elsewhere:?}");
        world.expect(&["stop", "--all"], 0);
        assert!(!lives(agent));
    }
}

#[test]
fn list_shows_start_time() {
    for mode in modes() {
        let world = World::new(SLEEPER);
        world.at_work(mode);
        let table = world.expect(&["list"], 0).out;
        let mut lines = table.lines();
        let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(header, ["SESSION", "STATE", "EXIT", "STARTED", "TASK", "PROJECT"]);
        let row: Vec<&str> = lines.nth(1).unwrap().split_whitespace().collect();
        assert_eq!((row[0], row[1], row[2]), ("autodev-Demo", "[RUNNING]", "-"), "{table}");
        let started = world.session("autodev-Demo")["started_at"].as_str().unwrap().to_owned();
        assert_eq!(format!("{} {}", row[3], row[4]), started[5..16].replace('T', " "), "{table}");
        assert_eq!((row[5], row[6]), ("T1", "1/3"), "{table}");
        let session = world.session("autodev-Demo");
        assert_eq!(session["task"], json!({"id": "T1", "title": "First", "attempt": 1, "max_attempts": 3}));
        assert_eq!(session["run_id"], world.events("run_started")[0]["run"]);
    }
}

#[test]
fn stop_marks_run_stopped() {
    for mode in modes() {
        let world = World::new("sleep 300 & echo $! > $out/child; echo $$ > $out/pid; wait");
        let agent = world.at_work(mode);
        let child = world.left_pid("child");
        let runner = pid(&world.session("autodev-Demo"));
        let done = world.expect(&["stop"], 0);
        assert!(
            done.out.starts_with("autodev-Demo has stopped after ") && done.out.contains("exit code 130"),
            "{done:?}"
        );
        assert!(done.err.contains(&format!("process {runner}")), "{}", done.err);
        assert!(!lives(runner) && !lives(agent) && !lives(child), "{mode}");
        let status = world.json("logs/runtime-status.json");
        assert_eq!((&status["run"]["status"], &status["run"]["exit_code"]), (&json!("interrupted"), &json!(130)));
        assert_eq!(world.flags("T1"), (false, false));
        let session = world.session("autodev-Demo");
        assert_eq!((&session["state"], &session["exit_code"]), (&json!("interrupted"), &json!(130)));
        if mode == "tmux" {
            wait_until("the tmux session to end", || world.tmux(&["has-session", "-t", "=autodev-Demo"]).is_none());
        }
        let again = world.expect(&["stop", "autodev-Demo"], 0);
        assert!(again.err.contains("has ended already: interrupted"), "{}", again.err);
        assert!(world.expect(&["attach", "autodev-Demo"], 1).err.contains("exit code 130; what it printed is in"));
    }
}

#[test]
fn stop_needs_the_exact_name() {
    let world = World::new(SLEEPER);
    let has_tmux = has_tool("tmux");
    if has_tmux {
        world.tmux(&["new-session", "-d", "-s", "work", "sleep", "300"]).unwrap();
        world.tmux(&["new-session", "-d", "-s", "autodev-stranger", "sleep", "300"]).unwrap();
    }
    let agent = world.at_work(modes()[0]);
    for name in
        ["wor", "work", "autodev-Dem", "autodev-demo", "autodev-*", "=autodev-Demo", "", "autodev-stranger", "$0"]
    {
        for command in ["stop", "attach"] {
            let done = world.expect(&[command, name], 1);
            assert!(done.err.contains("there is no session") && done.err.contains("running: autodev-Demo"), "{done:?}");
        }
    }
    world.expect(&["stop", "autodev-Demo", "--all"], 2);
    assert!(lives(agent));
    world.expect(&["stop", "--all"], 0);
    assert!(!lives(agent));
    if has_tmux {
        for name in ["=work", "=autodev-stranger"] {
            assert!(world.tmux(&["has-session", "-t", name]).is_some(), "--all means ours");
        }
    }
}

#[test]
fn without_a_name_the_project_says_which() {
    let world = World::new("echo $$ > $out/$(basename $PWD).pid; sleep 300");
    world.another("one", "one");
    world.another("two", "two");
    for dir in ["one", "two"] {
        world.expect(&["-c", &format!("{dir}/autodev.toml"), "run", "--detach=process"], 0);
        world.left_pid(&format!("{dir}.pid"));
    }
    let here = world.expect(&["stop"], 1);
    assert!(here.err.contains("no session of this project is running; running: autodev-"), "{}", here.err);
    let nowhere = world.shell("cd / && \"$autodev\" stop");
    assert!(nowhere.code == 1 && nowhere.err.contains("say which session"), "{nowhere:?}");
    let done = world.shell("mkdir -p one/src/deep && cd one/src/deep && \"$autodev\" stop --json");
    let json: Value = serde_json::from_str(&done.out).unwrap();
    let sessions = json["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{json:#}");
    assert_eq!((&sessions[0]["name"], &sessions[0]["outcome"]), (&json!("autodev-one"), &json!("stopped")));
    assert_eq!((&sessions[0]["state"], &sessions[0]["exit_code"]), (&json!("interrupted"), &json!(130)));
    assert_eq!(world.session("autodev-two")["state"], "running");
    world.write("two/autodev.toml", "broken = [");
    world.expect(&["-c", "two/autodev.toml", "stop"], 0);
    assert!(!lives(world.left_pid("two.pid")), "a broken configuration is no reason to let it run on");
}

#[test]
fn stop_kills_what_does_not_listen() {
    let world = World::new(SLEEPER);
    world.at_work("process");
    // As if this were the runner: it ignores every request.
    let mut deaf = Command::new("bash");
    deaf.args(["-c", "trap '' INT TERM HUP; echo ready; while :; do sleep 0.1; done"]).stdout(Stdio::piped());
    let mut deaf = deaf.spawn().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(deaf.stdout.take().unwrap()), &mut String::new()).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", deaf.id())).unwrap();
    let ticks: u64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    let dir = world.out("../home/.local/state/autodev/sessions");
    let record = fs::read_dir(&dir).unwrap().flatten().find(|it| it.path().extension().is_some_and(|e| e == "json"));
    let mut session: Value = serde_json::from_slice(&fs::read(record.unwrap().path()).unwrap()).unwrap();
    session["name"] = json!("autodev-Deaf");
    session["pid"] = json!(deaf.id());
    session["start_ticks"] = json!(ticks);
    session["begun"]["run"] = json!("20000101T000000Z-0000");
    fs::write(dir.join(format!("{}-{ticks}.json", deaf.id())), session.to_string()).unwrap();

    let done = world.expect(&["stop", "autodev-Deaf", "--wait", "1", "--json"], 0);
    let json: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(json["sessions"][0]["outcome"], "killed", "{done:?}");
    assert_eq!(json["sessions"][0]["exit_code"], -9);
    for step in ["asked autodev-Deaf to stop", "asked again", "is killed"] {
        assert!(done.err.contains(step), "{}", done.err);
    }
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&deaf.wait().unwrap()), Some(9));
    assert_eq!(world.session("autodev-Deaf")["state"], "killed");
    assert_eq!(world.session("autodev-Demo")["state"], "running", "nobody else was meant");
}

#[test]
fn a_run_that_is_killed_by_stop_leaves_nothing_and_says_so() {
    for mode in modes() {
        let deaf = "trap '' TERM INT HUP; setsid sh -c 'trap \"\" TERM; echo $$ > '$out'/child; while :; do sleep 1; done' &\n\
                    echo $$ > $out/pid; while :; do sleep 1; done";
        let world = World::new(deaf);
        let agent = world.at_work(mode);
        let child = world.left_pid("child");
        let done = world.expect(&["stop", "--wait", "0"], 0);
        assert!(done.out.contains("was killed") && done.out.contains("its work stays"), "{done:?}");
        wait_until("everything of the agent to end", || !lives(agent) && !lives(child));
        assert_eq!(world.json("logs/runtime-status.json")["run"]["status"], "interrupted");
        assert_eq!(world.session("autodev-Demo")["state"], "killed");
        world.agent("codex", DILIGENT);
        world.expect(&["run"], 0);
    }
}

#[test]
fn a_session_that_was_killed_is_seen_and_the_next_one_goes_on() {
    for mode in modes() {
        let world = World::new(&format!("echo $$ > $out/pid; if [ $n = 1 ]; then sleep 300; fi; {DILIGENT}"));
        let agent = world.at_work(mode);
        kill(pid(&world.session("autodev-Demo")).into(), "-KILL");
        world.wait_for_state("autodev-Demo", "killed");
        let session = world.session("autodev-Demo");
        assert_eq!((&session["exit_code"], &session["is_running"]), (&Value::Null, &json!(false)), "{session:#}");
        wait_until("the agent to end", || !lives(agent));
        let done = world.expect(&["run", &format!("--detach={mode}")], 0);
        assert!(done.out.contains("Session autodev-Demo:"), "{}", done.out);
        world.wait_for_state("autodev-Demo", "completed");
        assert_eq!(world.sessions().len(), 1);
    }
}

#[test]
fn a_session_that_an_agent_starts_ends_with_its_attempt() {
    for mode in modes() {
        let autodev = env!("CARGO_BIN_EXE_autodev");
        let agent = "if [ $(basename $PWD) = inner ]; then echo $$ > $out/inner; sleep 300; fi; CALL || exit 9
            until [ -e $out/inner ]; do sleep 0.05; done; mkdir -p src; echo x > src/$AUTODEV_TASK_ID.txt";
        let call = format!("{autodev} -c inner/autodev.toml run --detach={mode} > $out/called 2>&1");
        let world = World::new(&agent.replace("CALL", &call));
        world.tasks(crate::harness::ONE_TASK);
        world.another("inner", "inner");
        if mode == "tmux" {
            world.tmux(&["new-session", "-d", "-s", "mine", "sleep", "300"]).unwrap();
        }
        world.expect(&["run"], 0);
        let inner = world.left_pid("inner");
        assert!(world.left("called").contains("Session autodev-inner"), "{}", world.left("called"));
        wait_until("the inner agent to end", || !lives(inner));
        wait_until("the inner session to end", || world.session("autodev-inner")["is_running"] == false);
        if mode == "tmux" {
            assert!(world.tmux(&["has-session", "-t", "=mine"]).is_some(), "the user's server stays");
        }
    }
}

#[test]
fn a_tmux_server_that_is_ended_stops_the_run_gracefully() {
    if !has_tool("tmux") {
        return;
    }
    let world = World::new(SLEEPER);
    let agent = world.at_work("tmux");
    world.tmux(&["kill-server"]).unwrap();
    world.wait_for_state("autodev-Demo", "interrupted");
    assert_eq!(world.session("autodev-Demo")["exit_code"], 130);
    wait_until("the agent to end", || !lives(agent));
}

#[test]
fn attach_follows_the_log_of_a_process_until_its_end() {
    let world = World::new(&format!(
        "echo first words; until [ -e $out/go ]; do sleep 0.05; done; {DILIGENT}; echo last words"
    ));
    world.expect(&["run", "--detach=process"], 0);
    // Ctrl-C ends the looking and nothing else.
    let looker = world.spawn_group(&["attach"]);
    wait_until("the first words", || looker.out().contains("first words"));
    looker.signal_group("INT");
    assert_eq!(looker.wait().code, -2);
    assert_eq!(world.session("autodev-Demo")["state"], "running");
    let looker = world.spawn(&["attach", "autodev-Demo"]);
    wait_until("the first words", || looker.out().contains("first words"));
    fs::write(world.out("go"), "").unwrap();
    let done = looker.wait();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("last words") && done.out.contains("2 completed"), "{}", done.out);
    assert!(done.err.contains("Ctrl-C ends this and not autodev-Demo"), "{}", done.err);
    assert!(done.err.contains("autodev-Demo has ended: completed, exit code 0"), "{}", done.err);
}

#[test]
fn attach_in_tmux_is_the_terminal_of_exactly_that_session() {
    if !has_tool("tmux") || !has_tool("python3") {
        return;
    }
    let mut world = World::new("echo $$ > $out/$(basename $PWD).pid; sleep 300");
    world.env("TERM", "xterm");
    world.another("one", "app-two");
    world.another("two", "app");
    for dir in ["one", "two"] {
        world.expect(&["-c", &format!("{dir}/autodev.toml"), "run", "--detach=tmux"], 0);
        world.left_pid(&format!("{dir}.pid"));
    }
    // Even when somebody has given the session another name, which tmux would take for a beginning of the other's.
    world.tmux(&["rename-session", "-t", "=autodev-app", "autodev-app-t"]).unwrap();
    let script = format!("import pty; pty.spawn([{:?}, 'attach', 'autodev-app'])", env!("CARGO_BIN_EXE_autodev"));
    let mut terminal = world.command("python3", &["-c", &script]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("a client of tmux", || world.tmux(&["list-clients"]).is_some_and(|list| !list.is_empty()));
    let client = world.tmux(&["list-clients", "-F", "#{client_session}"]).unwrap();
    assert_eq!(client, "autodev-app-t");
    world.tmux(&["detach-client", "-s", "=autodev-app-t"]).unwrap();
    assert!(terminal.wait().unwrap().success());
    assert_eq!(world.session("autodev-app")["state"], "running");
    let done = world.expect(&["attach", "autodev-app"], 1);
    assert!(done.err.contains("terminal"), "without one tmux says so: {}", done.err);
}

#[test]
fn broken_records_and_those_of_gone_projects_are_passed_over() {
    let world = World::new(DILIGENT);
    world.another("gone", "gone");
    world.expect(&["-c", "gone/autodev.toml", "run", "--detach=process"], 0);
    world.wait_for_state("autodev-gone", "completed");
    let dir = world.out("../home/.local/state/autodev/sessions");
    for (name, text) in [("1-1.json", "{"), ("2-2.json", "[]"), ("x", "\u{0}"), ("-1-0.json", "{\"pid\": -1}")] {
        fs::write(dir.join(name), text).unwrap();
    }
    assert_eq!(world.sessions().len(), 1);
    fs::remove_dir_all(world.path("gone")).unwrap();
    assert_eq!(world.sessions().len(), 0);
    assert_eq!(world.expect(&["stop", "--all"], 0).out, "");
}
