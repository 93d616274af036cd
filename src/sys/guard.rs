//! A process that outlives the runner by a moment: when the runner is killed, it ends the runner's children.
//!
//! It sits in a session of its own, reads a pipe that only the runner holds, and does nothing until the pipe ends. Then it
//! ends every process that carries the run's marker, that is in the session of a child the runner had announced, or
//! that descends from one. After a normal end there is none. Invariant: it never ends itself, the runner or an
//! ancestor of either, nor a process that only has the id of a child that is gone.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader, PipeWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use crate::sys::proc::table::{self, Process};
use crate::sys::proc::tree;

/// The hidden subcommand.
pub const COMMAND: &str = "__guard";
/// Between the request to end and the kill: nobody waits for the result, and the next run may start meanwhile.
const GRACE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);
/// A line is a sign, an id of at most 10 digits, a space and a start time of at most 20.
const LINE_LIMIT: u64 = 64;

/// The pipe of the guard of this process, if it has one. One process has one run, and one guard.
static LINE: Mutex<Option<PipeWriter>> = Mutex::new(None);

fn line() -> MutexGuard<'static, Option<PipeWriter>> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running guard. Dropping it, after all children have ended, lets the guard look around and go.
#[derive(Debug)]
pub struct Guard {
    child: Child,
}

/// Starts the guard of this process: `exe __guard run_id`. From then on every child that `proc::run` starts is
/// announced to it.
///
/// # Errors
/// When it cannot be started, or this process has one already.
#[expect(clippy::disallowed_methods, reason = "the guard is the one child that is not to be ended with the others")]
pub fn start(exe: &Path, run_id: &str) -> io::Result<Guard> {
    let mut line = line();
    if line.is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "this process has a guard already"));
    }
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new(exe);
    command.arg(COMMAND).arg(run_id).current_dir("/");
    command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
    // What a terminal or a service manager sends to everybody is not for the guard. Blocked from the start, there is
    // no moment at which it could be hit.
    let blocked = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT]);
    crate::sys::proc::in_own_session(&mut command, blocked);
    let child = tree::keep(|| command.spawn())?;
    *line = Some(writer);
    Ok(Guard { child })
}

impl Guard {
    /// Process id of the guard.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        *line() = None;
        // It takes some milliseconds to look around; 500 ms is for a loaded machine. Should it still be busy, then with
        // processes that it must end, and it does so without us.
        let limit = Instant::now() + Duration::from_millis(500);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < limit {
            thread::sleep(Duration::from_millis(1));
        }
        tree::let_go(&mut self.child);
    }
}

/// Announces a child that has just been started.
pub(in crate::sys) fn note_started(pid: i32, start_ticks: u64) {
    tell(format_args!("+{pid} {start_ticks}\n"));
}

/// Announces that a child and all below it have ended.
pub(in crate::sys) fn note_ended(pid: i32) {
    tell(format_args!("-{pid}\n"));
}

fn tell(what: std::fmt::Arguments<'_>) {
    if let Some(line) = line().as_mut() {
        // Formatted first: one line is one write, shorter than a pipe takes in one piece. A guard that was killed is no
        // reason to stop the run: the next run sweeps.
        line.write_all(what.to_string().as_bytes()).ok();
    }
}

/// The guard process itself: waits for the end of its standard input, then ends what is left of the run. [`start`] has
/// made it deaf to the signals of a terminal.
pub fn main(run_id: &str) -> ExitCode {
    let spared = spared(std::process::id() as i32);
    let children = read_until_end();
    let marker = tree::marker(OsStr::new(run_id));
    end_all(children, &marker, &spared);
    ExitCode::SUCCESS
}

/// Ends every process that carries the marker of a lost run, with all that descends from such a one, and returns how many
/// there were. Never this process or its ancestors. Takes up to 7 seconds, none when there is nothing to end.
pub fn sweep(run_id: &str) -> u32 {
    let spared = spared(std::process::id() as i32);
    let marker = tree::marker(OsStr::new(run_id));
    end_all(HashMap::new(), &marker, &spared)
}

/// The children that were announced and not taken back, with their start times.
fn read_until_end() -> HashMap<i32, u64> {
    let mut children = HashMap::new();
    let mut input = BufReader::new(io::stdin().lock());
    let mut text = Vec::new();
    loop {
        text.clear();
        match (&mut input).take(LINE_LIMIT).read_until(b'\n', &mut text) {
            Ok(0) => return children,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return children,
        }
        let Ok(text) = std::str::from_utf8(&text) else { continue };
        if let Some(pid) = text.strip_prefix('-').and_then(|pid| pid.trim().parse().ok()) {
            children.remove(&pid);
        } else if let Some((pid, start)) = text.strip_prefix('+').and_then(|it| it.trim().split_once(' '))
            && let (Ok(pid), Ok(start)) = (pid.parse(), start.parse())
        {
            children.insert(pid, start);
        }
    }
}

/// A process and its ancestors, as id and start time.
fn spared(pid: i32) -> HashSet<(i32, u64)> {
    let mut spared = HashSet::new();
    let mut next = table::read(pid);
    while let Some(process) = next.filter(|it| spared.insert((it.pid, it.start))) {
        next = table::read(process.parent);
    }
    spared
}

/// The living processes that are to be ended: what is known by id and start time, or carries the marker, and all below.
fn find(known: &HashMap<i32, u64>, marker: &[u8], spared: &HashSet<(i32, u64)>) -> Vec<Process> {
    let table = table::all();
    let by_pid: HashMap<i32, &Process> = table.iter().map(|it| (it.pid, it)).collect();
    let is_spared = |it: &Process| it.pid <= 1 || spared.contains(&(it.pid, it.start));
    let is_known = |it: &Process| known.get(&it.pid) == Some(&it.start);
    // As in `tree`: the number of a session is not reused while the session has members.
    let is_in_session = |it: &Process| {
        known.get(&it.session).is_some_and(|start| by_pid.get(&it.session).is_none_or(|leader| leader.start == *start))
    };
    let mut found: HashSet<i32> = table
        .iter()
        .filter(|it| !is_spared(it) && (is_known(it) || is_in_session(it) || table::carries(it.pid, marker)))
        .map(|it| it.pid)
        .collect();
    loop {
        let below: Vec<i32> = table
            .iter()
            .filter(|it| !is_spared(it) && found.contains(&it.parent) && !found.contains(&it.pid))
            .map(|it| it.pid)
            .collect();
        if below.is_empty() {
            break;
        }
        found.extend(below);
    }
    table.into_iter().filter(|it| !it.is_dead && found.contains(&it.pid)).collect()
}

/// Asks, waits, kills until two looks in a row find nothing. Returns how many different processes it found.
fn end_all(mut known: HashMap<i32, u64>, marker: &[u8], spared: &HashSet<(i32, u64)>) -> u32 {
    let mut seen = HashSet::new();
    // What was seen once counts as announced: it is found again when its parents are gone.
    let mut look = |seen: &mut HashSet<(i32, u64)>| {
        let members = find(&known, marker, spared);
        known.extend(members.iter().map(|it| (it.pid, it.start)));
        seen.extend(members.iter().map(|it| (it.pid, it.start)));
        members
    };
    let mut members = look(&mut seen);
    tree::ask_to_end(&members);
    let grace = Instant::now() + GRACE;
    while !members.is_empty() && Instant::now() < grace {
        thread::sleep(PAUSE);
        // What starts meanwhile may be there to clean up; it is not asked and has the rest of the grace.
        members = look(&mut seen);
        tree::wake(&members);
    }
    let (mut clear, mut pause) = (0, tree::SHORT);
    for _ in 0..tree::KILL_LOOKS {
        if seen.is_empty() || clear == 2 {
            break;
        }
        for member in &members {
            tree::send(member, Signal::SIGKILL);
        }
        clear = if members.is_empty() { clear + 1 } else { 0 };
        thread::sleep(pause);
        pause = (pause * 2).min(tree::LONG);
        members = look(&mut seen);
    }
    u32::try_from(seen.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a runner that is killed must be a process of its own")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;
    use crate::sys::env;
    use crate::sys::proc::{Happening, Spec, Urgency, become_subreaper, run};

    const DIR: &str = "AUTODEV_TEST_DIR";
    const RUN: &str = "AUTODEV_TEST_RUN";

    /// Waits for something another process does.
    fn wait(what: &str, mut is_true: impl FnMut() -> bool) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !is_true() {
            assert!(Instant::now() < limit, "{what} did not come");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn is_alive(pid: i32) -> bool {
        table::read(pid).is_some_and(|it| !it.is_dead)
    }

    fn pids(file: &Path) -> Vec<i32> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse().ok()).collect()
    }

    /// This test program as if it were `autodev`: one test of it, in the thread it starts with.
    fn ourselves(test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("sys::guard::tests::{test}"), "--ignored", "--test-threads=1"]);
        command
    }

    #[test]
    #[ignore = "the guard process of the other tests"]
    fn as_guard() {
        if let Some(run_id) = env::text(RUN) {
            assert_eq!(format!("{:?}", main(&run_id)), format!("{:?}", ExitCode::SUCCESS));
        }
    }

    #[test]
    #[ignore = "the runner process of the other tests"]
    fn as_runner() {
        let (Some(dir), Some(run_id)) = (env::text(DIR).map(PathBuf::from), env::text("AUTODEV_TEST_RUNNER")) else {
            return;
        };
        become_subreaper().unwrap();
        let guard = start(&dir.join("autodev"), &run_id).unwrap();
        assert!(start(&dir.join("autodev"), &run_id).is_err(), "one guard per process");
        std::fs::write(dir.join("guard"), guard.pid().to_string()).unwrap();
        let mut spec = Spec::new("/bin/sh", &dir);
        spec.args = vec!["-c".into(), std::fs::read_to_string(dir.join("script")).unwrap().into()];
        spec.env = vec![("AUTODEV_RUN_ID".into(), run_id.into())];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_sender, stop) = tokio::sync::watch::channel(Urgency::None);
        let ended = runtime.block_on(run(spec, stop, &mut |_: Happening<'_>| {})).unwrap();
        drop(guard);
        std::fs::write(dir.join("ended"), format!("{} {}", ended.code, ended.strays)).unwrap();
    }

    struct Scene {
        dir: tempfile::TempDir,
        runner: Child,
        run_id: String,
    }

    fn scene(name: &str, script: &str) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("autodev");
        let guard = ourselves("as_guard");
        let args: Vec<&str> = guard.get_args().filter_map(OsStr::to_str).collect();
        let program = guard.get_program().to_str().unwrap();
        let wrapper = format!("#!/bin/sh\n[ \"$1\" = __guard ] && {RUN}=\"$2\" exec '{program}' {}\n", args.join(" "));
        std::fs::write(&exe, wrapper).unwrap();
        std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(dir.path().join("script"), script).unwrap();
        let run_id = format!("guard-{name}-{}", std::process::id());
        let runner = ourselves("as_runner")
            .env(DIR, dir.path())
            .env("AUTODEV_TEST_RUNNER", &run_id)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Scene { dir, runner, run_id }
    }

    #[test]
    fn a_killed_runner_leaves_nothing() {
        // A child that ignores the request, one in another session, one that is stopped, a daemon, and in the child's
        // session, a process without the marker.
        let script = "trap '' TERM
echo $$ >> pids
setsid sleep 600 & echo $! >> pids
sh -c 'kill -STOP $$' & echo $! >> pids
env -i sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $! >> pids
env -i setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $! >> pids
python3 -c 'import os,time
if os.fork()==0:
    os.setsid()
    if os.fork()==0:
        open(\"pids\",\"a\").write(str(os.getpid())+chr(10))
        open(\"ready\",\"w\")
        time.sleep(600)
    os._exit(0)
'
while :; do sleep 1; done";
        let mut scene = scene("killed", script);
        let path = |name: &str| scene.dir.path().join(name);
        wait("the tree", || path("ready").exists());
        let guard = pids(&path("guard"))[0];
        let tree = pids(&path("pids"));
        assert!(tree.len() == 6 && tree.iter().all(|pid| is_alive(*pid)), "{tree:?}");
        // A closed terminal and a Ctrl-C do not impress the guard.
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM] {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(guard), signal).unwrap();
        }
        scene.runner.kill().unwrap();
        scene.runner.wait().unwrap();
        wait("the end of the guard", || !is_alive(guard));
        let alive: Vec<&i32> = tree.iter().filter(|pid| is_alive(**pid)).collect();
        assert!(alive.is_empty(), "{alive:?} of {tree:?}");
        assert_eq!(sweep(&scene.run_id), 0);
    }

    #[test]
    fn after_a_normal_end_the_guard_goes_at_once() {
        let mut scene = scene("normal", "sleep 600 & exit 3");
        let guard_file = scene.dir.path().join("guard");
        assert!(scene.runner.wait().unwrap().success());
        assert_eq!(std::fs::read_to_string(scene.dir.path().join("ended")).unwrap(), "3 1");
        assert!(!is_alive(pids(&guard_file)[0]));
    }

    #[test]
    fn a_sweep_ends_what_a_lost_run_left_and_nothing_else() {
        let run_id = format!("sweep-{}", std::process::id());
        let sleep = |value: &str| Command::new("sleep").arg("600").env("AUTODEV_RUN_ID", value).spawn().unwrap();
        let (mut ours, mut other) = (sleep(&run_id), sleep(&format!("{run_id}0")));
        let begun = Instant::now();
        assert_eq!(sweep(&run_id), 1);
        assert!(begun.elapsed() < GRACE, "who ends when asked is not waited for");
        assert!(!ours.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        assert_eq!(sweep(&format!("{run_id}0")), 1);
        other.wait().unwrap();
        assert_eq!(sweep("no-such-run"), 0);
    }
}
