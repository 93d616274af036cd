//! Real processes. Every test runs twice: in the test process, and in one of its own that adopts orphans.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use super::*;
use crate::sys::env;

const ADOPT: &str = "AUTODEV_TEST_ADOPT";

/// A directory for scripts to leave process ids in, and a marker of its own.
struct Place {
    dir: tempfile::TempDir,
    run_id: String,
}

fn is_adopting() -> bool {
    env::text(ADOPT).is_some()
}

fn place() -> Place {
    static ADOPTING: std::sync::Once = std::sync::Once::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if is_adopting() {
        ADOPTING.call_once(|| become_subreaper().unwrap());
    }
    let run_id = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Place { dir: tempfile::tempdir().unwrap(), run_id }
}

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn spec(&self, program: &str, script: &str) -> Spec {
        let mut spec = Spec::new(program, self.dir.path());
        spec.args = vec!["-c".into(), script.into()];
        spec.env = vec![("AUTODEV_RUN_ID".into(), self.run_id.clone().into())];
        // Whoever is waited for that long is noticed, also on a loaded machine.
        spec.grace = Duration::from_mins(1);
        spec
    }

    fn sh(&self, script: &str) -> Spec {
        self.spec("/bin/sh", script)
    }

    fn python(&self, script: &str) -> Spec {
        self.spec("python3", &format!("import os,sys,time,signal\n{script}"))
    }

    /// The ids in the file `pids`, one per line.
    fn pids(&self) -> Vec<i32> {
        let text = std::fs::read_to_string(self.file("pids")).unwrap_or_default();
        text.lines().map(|line| line.trim().parse().unwrap()).collect()
    }

    fn assert_none_left(&self, count: usize) {
        let pids = self.pids();
        assert_eq!(pids.len(), count, "the script did not do its part");
        let alive: Vec<&i32> = pids.iter().filter(|pid| is_alive(**pid)).collect();
        assert!(alive.is_empty(), "{alive:?} of {pids:?} are alive");
        let marker = tree::marker(self.run_id.as_ref());
        let marked: Vec<i32> =
            table::all().iter().map(|it| it.pid).filter(|pid| table::carries(*pid, &marker)).collect();
        assert!(marked.is_empty(), "{marked:?} carry the marker");
        if is_adopting() {
            // Nothing else runs in that process.
            let me = std::process::id() as i32;
            let orphans: Vec<i32> =
                table::all().iter().filter(|it| it.parent == me && !it.is_dead).map(|it| it.pid).collect();
            assert!(orphans.is_empty(), "{orphans:?} were adopted");
        }
    }
}

fn is_alive(pid: i32) -> bool {
    table::read(pid).is_some_and(|it| !it.is_dead)
}

fn never() -> StopSignal {
    // A channel without a sender never changes.
    tokio::sync::watch::channel(Urgency::None).1
}

struct Heard {
    ended: Ended,
    out: Vec<u8>,
    err: Vec<u8>,
}

async fn hear(spec: Spec) -> Heard {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let ended = run(spec, never(), &mut |happening| match happening {
        Happening::Output(Stream::Out, bytes) => out.extend_from_slice(bytes),
        Happening::Output(Stream::Err, bytes) => err.extend_from_slice(bytes),
        Happening::Spawned { .. } => {}
    })
    .await
    .unwrap();
    Heard { ended, out, err }
}

/// Far below the grace and the sleeps of the scripts, far above what a loaded machine takes.
const PROMPT: Duration = Duration::from_secs(30);

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "adoption is a property of a whole process")]
fn all_of_this_holds_for_a_process_that_adopts_orphans() {
    if is_adopting() {
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["sys::proc::tests", "--test-threads=1"])
        .env(ADOPT, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("a_double_forked_daemon_is_ended ... ok"), "{text}");
}

#[tokio::test]
async fn both_streams_and_the_exit_code_arrive() {
    let place = place();
    let heard = hear(place.sh("echo out; echo err >&2; exit 3")).await;
    assert_eq!((heard.ended.code, heard.ended.cause, heard.ended.strays), (3, Cause::Itself, 0));
    assert_eq!((heard.out.as_slice(), heard.err.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
}

#[tokio::test]
async fn the_memory_of_the_child_and_of_what_it_waited_for_is_told() {
    let place = place();
    let eat = |megabytes: u32| format!("python3 -c 'b = bytearray({megabytes} << 20)'");
    for script in [eat(200), format!("{}; exit 0", eat(200)), format!("({}; :); ({}; :)", eat(200), eat(20))] {
        let heard = hear(Spec { measures_memory: true, ..place.sh(&script) }).await;
        assert_eq!((heard.ended.code, heard.ended.strays), (0, 0), "{script}");
        let memory = heard.ended.memory.unwrap();
        assert!((200..400).contains(&(memory.peak >> 20)), "{script}: {memory:?}");
        assert!(memory.floor > 0, "{memory:?}");
        assert!(heard.ended.lifetime <= heard.ended.duration && !heard.ended.lifetime.is_zero());
    }
    let heard = hear(Spec { measures_memory: true, ..place.sh("kill -9 $$") }).await;
    assert_eq!(heard.ended.code, -9, "its status is not lost");
    let heard = hear(place.sh("true")).await;
    assert_eq!(heard.ended.memory, None, "nobody asked");
}

#[tokio::test]
async fn a_child_whose_memory_is_wanted_is_ended_like_any_other() {
    let place = place();
    let spec = place.sh("sleep 600 & echo $! > pids; sleep 600");
    let heard = hear(Spec { measures_memory: true, wall: Some(ms(500)), ..spec }).await;
    assert_eq!(heard.ended.cause, Cause::Wall);
    assert!(heard.ended.duration < PROMPT && heard.ended.memory.is_some(), "{:?}", heard.ended);
}

#[tokio::test]
async fn the_child_leads_a_session_of_its_own_and_reads_nothing() {
    let place = place();
    let heard = hear(place.python("print(os.getsid(0)==os.getpid(), repr(sys.stdin.read()))")).await;
    assert_eq!(heard.out, b"True ''\n");
}

#[tokio::test]
async fn variables_are_set_and_removed() {
    let place = place();
    let mut spec = place.sh("echo $HOME/$ADDED/${PATH+path}; command -v sh >/dev/null || echo none");
    spec.env.extend([("HOME".into(), "/elsewhere".into()), ("ADDED".into(), "x".into())]);
    spec.env_remove.push("PATH".into());
    assert!(hear(spec).await.out.starts_with(b"/elsewhere/x/"));
    // A name without a slash is looked for on the child's own PATH.
    let mut spec = place.spec("sh", "exit 7");
    spec.env.push(("PATH".into(), "/nowhere".into()));
    assert!(run(spec, never(), &mut |_| {}).await.is_err());
}

#[tokio::test]
async fn what_cannot_be_started_is_an_error_that_says_why() {
    let place = place();
    let message = async |spec| run(spec, never(), &mut |_| panic!("nothing runs")).await.unwrap_err().to_string();
    let text = message(place.spec("no-such-program", "")).await;
    assert!(text.starts_with("start no-such-program: No such file"), "{text}");
    let mut spec = place.sh("true");
    spec.cwd = place.file("gone");
    let text = message(spec).await;
    assert!(text.contains("working directory") && text.contains("gone does not exist"), "{text}");
    let text = message(place.spec("/etc/passwd", "")).await;
    assert!(text.contains("Permission denied"), "{text}");
    let text = message(place.sh(&"x".repeat(140_000))).await;
    assert!(text.contains("too long"), "{text}");
    let text = message(place.sh("nul\0byte")).await;
    assert!(text.contains("nul byte"), "{text}");
}

#[tokio::test]
async fn a_kill_from_outside_is_seen_as_one() {
    let place = place();
    let ended = run(place.sh("sleep 600 & echo $! > pids; wait"), never(), &mut |happening| {
        if let Happening::Spawned { pid, start_ticks } = happening {
            let pid = i32::try_from(pid).unwrap();
            assert_eq!(table::read(pid).unwrap().start, start_ticks);
            while !place.file("pids").exists() || place.pids().is_empty() {
                std::thread::yield_now();
            }
            signal::kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
    })
    .await
    .unwrap();
    assert_eq!((ended.code, ended.cause, ended.strays), (-9, Cause::Itself, 1));
    place.assert_none_left(1);
}

#[tokio::test]
async fn a_grandchild_in_another_session_that_holds_the_pipe_is_ended() {
    let place = place();
    let heard = hear(place.sh("setsid sleep 600 & echo $! > pids; echo done")).await;
    assert_eq!((heard.ended.code, heard.ended.strays, heard.out.as_slice()), (0, 1, &b"done\n"[..]));
    assert!(heard.ended.duration < PROMPT, "{:?}", heard.ended.duration);
    place.assert_none_left(1);
}

/// Forks twice with a session of its own in between; the last one runs `body`.
fn daemon(body: &str) -> String {
    format!(
        "r,w=os.pipe()
if os.fork()==0:
    os.setsid()
    if os.fork()==0:
        open('pids','a').write(str(os.getpid())+'\\n')
        os.write(w,b'x')
        {body}
    os._exit(0)
os.wait()
os.read(r,1)
"
    )
}

#[tokio::test]
async fn a_double_forked_daemon_is_ended() {
    let place = place();
    let heard = hear(place.python(&daemon("time.sleep(600)"))).await;
    assert_eq!((heard.ended.code, heard.ended.strays), (0, 1));
    place.assert_none_left(1);
}

#[tokio::test]
async fn a_daemon_without_the_marker_is_ended_when_orphans_are_adopted_and_never_holds_us_up() {
    let place = place();
    let body = "os.execve('/bin/sleep',['sleep','100'],{})";
    let heard = hear(place.python(&daemon(body))).await;
    assert!(heard.ended.duration < PROMPT, "{:?}", heard.ended.duration);
    if is_adopting() {
        assert_eq!(heard.ended.strays, 1);
        place.assert_none_left(1);
    } else {
        // Nothing shows whose it is.
        signal::kill(Pid::from_raw(place.pids()[0]), Signal::SIGKILL).unwrap();
    }
}

#[tokio::test]
async fn the_wall_limit_ends_the_child_and_what_it_started() {
    let place = place();
    let mut spec = place.sh("sleep 600 & echo $! > pids; setsid sleep 600 & echo $! >> pids; sleep 600");
    spec.wall = Some(ms(1000));
    let heard = hear(spec).await;
    assert_eq!((heard.ended.code, heard.ended.cause), (-15, Cause::Wall));
    assert!(heard.ended.duration < PROMPT, "{:?}", heard.ended.duration);
    place.assert_none_left(2);
}

#[tokio::test]
async fn who_ignores_the_request_is_killed_after_the_grace() {
    let place = place();
    let script =
        "trap '' TERM; sh -c 'echo $$ >> pids; while :; do sleep 1; done' & echo $$ >> pids; while :; do sleep 1; done";
    let mut spec = place.sh(script);
    spec.wall = Some(ms(1000));
    spec.grace = ms(200);
    let heard = hear(spec).await;
    assert_eq!((heard.ended.code, heard.ended.cause), (-9, Cause::Wall));
    assert!(heard.ended.duration >= ms(1200), "{:?}", heard.ended.duration);
    place.assert_none_left(2);
}

#[tokio::test]
async fn who_ends_within_the_grace_can_still_say_something() {
    let place = place();
    let mut spec = place.sh("trap 'echo bye; exit 4' TERM; echo hi; while :; do sleep 0.05; done");
    spec.wall = Some(ms(1000));
    let heard = hear(spec).await;
    assert_eq!((heard.ended.code, heard.ended.cause), (4, Cause::Wall));
    assert_eq!(heard.out, b"hi\nbye\n");
}

#[tokio::test]
async fn stopped_processes_end_too() {
    let place = place();
    let mut spec = place.sh("sh -c 'echo $$ >> pids; kill -STOP $$' & echo $$ >> pids; kill -STOP $$");
    spec.wall = Some(ms(1000));
    let heard = hear(spec).await;
    assert_eq!((heard.ended.code, heard.ended.cause), (-15, Cause::Wall));
    assert!(heard.ended.duration < PROMPT, "woken up to hear it: {:?}", heard.ended.duration);
    place.assert_none_left(2);
}

#[tokio::test]
async fn processes_that_fork_faster_than_we_look_are_ended() {
    let place = place();
    // 50 chains in 5 sessions; each link forks the next one and ends, at most 2000 times.
    let script = "
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for i in range(50):
    if os.fork()==0:
        if i%10==0: os.setsid()
        for n in range(2000):
            if os.fork()!=0: os._exit(0)
            time.sleep(0.001)
        os._exit(0)
open('pids','w').write(str(os.getpid())+'\\n')
print('ready',flush=True)
time.sleep(600)
";
    let mut spec = place.python(script);
    spec.grace = ms(50);
    let (sender, stop) = tokio::sync::watch::channel(Urgency::None);
    let ended = run(spec, stop, &mut |happening| {
        if let Happening::Output(..) = happening {
            sender.send(Urgency::Stop).unwrap();
        }
    })
    .await
    .unwrap();
    assert_eq!((ended.code, ended.cause), (-9, Cause::Stopped));
    place.assert_none_left(1);
}

#[tokio::test]
async fn a_flood_of_output_takes_no_memory_and_the_reader_sets_the_pace() {
    let place = place();
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = peak();
    let mut count = 0usize;
    let ended = run(place.sh("head -c 200000000 /dev/zero"), never(), &mut |happening| {
        if let Happening::Output(_, bytes) = happening {
            count += bytes.len();
        }
    })
    .await
    .unwrap();
    assert_eq!((ended.code, count), (0, 200_000_000));
    // Other tests of this process need some as well.
    assert!(peak() - before < 32 * 1024, "{} KiB more", peak() - before);
}

#[tokio::test]
async fn what_is_in_the_pipe_when_the_child_ends_arrives() {
    let place = place();
    let script = "sys.stdout.buffer.write(b'x'*65000); sys.stdout.flush(); os.write(2,b'last'); os._exit(5)";
    for _ in 0..10 {
        let heard = hear(place.python(script)).await;
        assert_eq!((heard.ended.code, heard.out.len(), heard.err.as_slice()), (5, 65000, &b"last"[..]));
    }
}

#[tokio::test]
async fn input_is_fed_while_output_is_read() {
    let place = place();
    let input: Vec<u8> = (0..5_000_000u32).map(|n| n as u8).collect();
    let mut spec = place.sh("cat");
    spec.stdin = Stdin::Bytes(input.clone());
    let heard = hear(spec).await;
    assert!(heard.out == input, "{} bytes came back", heard.out.len());
}

#[tokio::test]
async fn a_child_that_does_not_read_its_input_is_no_error() {
    let place = place();
    for script in ["exec <&-; sleep 0.1; exit 6", "sleep 0.1; exit 6", "exit 6"] {
        let mut spec = place.sh(script);
        spec.stdin = Stdin::Bytes(vec![b'x'; 5_000_000]);
        let heard = hear(spec).await;
        assert_eq!((heard.ended.code, heard.ended.cause), (6, Cause::Itself), "{script}");
    }
}

/// Keeps every sample; the child is ended when `is_over` says so.
fn watch(
    every: Duration,
    mut is_over: impl FnMut(&Sample) -> bool + Send + 'static,
) -> (Option<Watch>, Arc<Mutex<Vec<Sample>>>) {
    let samples = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&samples);
    let judge = move |sample: &Sample| {
        kept.lock().unwrap().push(*sample);
        is_over(sample)
    };
    (Some(Watch { every, judge: Box::new(judge) }), samples)
}

#[tokio::test]
async fn a_watched_child_is_ended_when_its_watcher_says_so() {
    let place = place();
    let mut spec = place.sh("echo $$ > pids; sleep 600");
    let (watch, samples) = watch(ms(100), |sample| sample.at >= ms(400));
    spec.watch = watch;
    spec.wall = Some(Duration::from_secs(20));
    let heard = hear(spec).await;
    assert_eq!((heard.ended.code, heard.ended.cause), (-15, Cause::Idle));
    assert!(heard.ended.duration >= ms(400), "{:?}", heard.ended.duration);
    let samples = samples.lock().unwrap().clone();
    let last = samples.last().unwrap();
    assert!(last.cpu <= ms(20) && last.output == 0 && last.processes == 2, "{last:?}");
    place.assert_none_left(1);
}

#[tokio::test]
async fn a_look_shows_what_the_whole_tree_does() {
    let place = place();
    let mut spec = place
        .sh("setsid python3 -c 'while 1: pass' & echo on; dd if=/dev/zero of=/dev/null bs=1M count=100 2>&1; wait");
    let (watch, samples) = watch(ms(200), |_| false);
    spec.watch = watch;
    spec.wall = Some(ms(3000));
    let heard = hear(spec).await;
    assert_eq!(heard.ended.cause, Cause::Wall);
    let samples = samples.lock().unwrap().clone();
    let total = |of: fn(&Sample) -> u64| samples.iter().map(of).sum::<u64>();
    assert_eq!(total(|it| it.output), heard.out.len() as u64);
    assert!(total(|it| it.cpu.as_millis() as u64) > 100, "{samples:?}");
    assert!(samples.iter().any(|it| it.runnable > 0 && it.processes >= 2), "{samples:?}");
}

#[tokio::test]
async fn a_look_shows_bytes_and_stopped_processes() {
    let place = place();
    let mut spec = place.python(
        "zero = open('/dev/zero', 'rb', 0)\nfor i in range(100):\n    zero.read(1 << 20); time.sleep(0.01)\nos.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(600)",
    );
    let is_stopped = |sample: &Sample| sample.stopped == 1 && sample.processes == 1;
    let (watch, samples) = watch(ms(100), is_stopped);
    spec.watch = watch;
    spec.wall = Some(Duration::from_secs(30));
    let heard = hear(spec).await;
    assert_eq!(heard.ended.cause, Cause::Idle, "{:?}", samples.lock().unwrap());
    let read: u64 = samples.lock().unwrap().iter().map(|it| it.io).sum();
    assert!(read >= 10 << 20, "{read}");
}

#[tokio::test]
async fn limits_beyond_the_clock_are_none() {
    let place = place();
    let mut spec = place.sh("exit 3");
    spec.wall = Some(Duration::MAX);
    spec.grace = Duration::MAX;
    spec.watch = watch(Duration::MAX, |_| true).0;
    assert_eq!(hear(spec).await.ended.code, 3);
}

/// Runs until the first output, then asks.
async fn ask(spec: Spec, urgency: Urgency) -> Ended {
    let (sender, stop) = tokio::sync::watch::channel(Urgency::None);
    let on = &mut |happening: Happening<'_>| {
        if let Happening::Output(..) = happening {
            sender.send(urgency).unwrap();
        }
    };
    run(spec, stop, on).await.unwrap()
}

#[tokio::test]
async fn a_stop_request_ends_the_child_within_the_grace() {
    let place = place();
    let script = "sleep 600 & echo $! > pids; echo ready; wait";
    let ended = ask(place.sh(script), Urgency::Stop).await;
    assert_eq!((ended.code, ended.cause), (-15, Cause::Stopped));
    assert!(ended.duration < PROMPT, "{:?}", ended.duration);
    place.assert_none_left(1);
}

#[tokio::test]
async fn a_kill_request_does_not_wait() {
    let place = place();
    let spec = place.sh("trap '' TERM; echo $$ > pids; echo ready; while :; do sleep 1; done");
    let ended = ask(spec, Urgency::Kill).await;
    assert_eq!((ended.code, ended.cause), (-9, Cause::Stopped));
    assert!(ended.duration < PROMPT, "{:?}", ended.duration);
    place.assert_none_left(1);
}

#[tokio::test]
async fn a_second_request_ends_the_grace() {
    let place = place();
    let spec = place.sh("trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done");
    let (sender, stop) = tokio::sync::watch::channel(Urgency::None);
    let on = &mut |happening: Happening<'_>| match happening {
        Happening::Output(_, b"ready\n") => sender.send(Urgency::Stop).unwrap(),
        Happening::Output(..) => sender.send(Urgency::Kill).unwrap(),
        Happening::Spawned { .. } => {}
    };
    let ended = run(spec, stop, on).await.unwrap();
    assert_eq!((ended.code, ended.cause), (-9, Cause::Stopped));
}

#[tokio::test]
async fn nothing_starts_after_a_stop_request() {
    let place = place();
    let (_sender, stop) = tokio::sync::watch::channel(Urgency::Stop);
    let ended = run(place.sh("touch started"), stop, &mut |_| panic!("nothing runs")).await.unwrap();
    assert_eq!((ended.code, ended.cause), (-15, Cause::Stopped));
    assert!(!place.file("started").exists());
}

#[tokio::test]
async fn an_abandoned_run_leaves_nothing() {
    let place = place();
    let script = "setsid sleep 600 & echo $! > pids; echo $$ >> pids; echo ready; sleep 600";
    let ready = tokio::sync::Notify::new();
    let on = &mut |happening: Happening<'_>| {
        if let Happening::Output(..) = happening {
            ready.notify_one();
        }
    };
    tokio::select! {
        _ = run(place.sh(script), never(), on) => panic!("it sleeps"),
        () = ready.notified() => {}
    }
    place.assert_none_left(2);
}

#[tokio::test]
async fn the_end_of_one_run_does_not_touch_another() {
    let place = place();
    let other = Place { dir: tempfile::tempdir().unwrap(), run_id: place.run_id.clone() };
    // A daemon and a plain grandchild of the first are alive while the second one, with the same marker, ends.
    let script = format!(
        "{}\nimport subprocess\np=subprocess.Popen(['sleep','600'])\nopen('pids','a').write(str(p.pid)+'\\n')\nprint('ready',flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)",
        daemon("time.sleep(600)")
    );
    let ready = tokio::sync::Notify::new();
    let first = async {
        run(place.python(&script), never(), &mut |happening| {
            if let Happening::Output(..) = happening {
                ready.notify_one();
            }
        })
        .await
        .unwrap()
    };
    let second = async {
        ready.notified().await;
        let heard = hear(other.sh("sleep 600 & echo $! > pids; exit 2")).await;
        assert_eq!((heard.ended.code, heard.ended.strays), (2, 1));
        assert!(other.pids().iter().all(|pid| !is_alive(*pid)));
        let alive: HashMap<i32, bool> = place.pids().iter().map(|pid| (*pid, is_alive(*pid))).collect();
        touch(&place.file("go"));
        alive
    };
    let (ended, alive) = tokio::join!(first, second);
    assert!(alive.len() == 2 && alive.values().all(|alive| *alive), "{alive:?}");
    // Whatever else was orphaned meanwhile is charged to the last one that runs.
    assert!(ended.code == 0 && ended.strays >= 2, "{ended:?}");
    place.assert_none_left(2);
}

fn touch(path: &Path) {
    std::fs::File::create(path).unwrap();
}
