//! Processes that outlive us, and processes that somebody else started and we only know by id and start time.
//!
//! `proc` ends everything it starts; this is the other half: a program that goes on when we are gone, a client (tmux)
//! that may leave a server behind, and a program that takes our place. Invariant: a signal goes only to the process
//! that was meant, never to one that got its number afterwards, never to a group, never to process 1.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use crate::sys::proc::table;

const PAUSE: Duration = Duration::from_millis(5);
/// Of what a client prints, so much is kept.
const ANSWER_LIMIT: u64 = 1 << 20;

/// A process for as long as it lives, and nothing that has its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot; 0 where the system does not tell.
    pub start_ticks: u64,
}

impl Identity {
    /// Returns what this process is known by. It stays the same when another program takes its place.
    pub fn mine() -> Self {
        Self::of(std::process::id())
    }

    /// Returns what a process that lives now is known by.
    pub fn of(pid: u32) -> Self {
        let start_ticks = number(pid).and_then(table::read).map_or(0, |it| it.start);
        Self { pid, start_ticks }
    }

    /// Whether the process lives. One that has ended and was not yet waited for does not.
    pub fn lives(self) -> bool {
        let Some(pid) = number(self.pid) else { return false };
        match table::read(pid) {
            Some(process) => !process.is_dead && (self.start_ticks == 0 || process.start == self.start_ticks),
            None => cfg!(not(target_os = "linux")) && signal::kill(Pid::from_raw(pid), None).is_ok(),
        }
    }

    /// Asks the process to stop, as Ctrl-C does; one that was suspended is woken up to hear it. Returns whether it could
    /// be asked.
    pub fn interrupt(self) -> bool {
        self.send(Signal::SIGINT) && self.send(Signal::SIGCONT)
    }

    /// Kills the process. Returns whether there was one.
    pub fn kill(self) -> bool {
        self.send(Signal::SIGKILL)
    }

    fn send(self, signal: Signal) -> bool {
        match number(self.pid) {
            Some(pid) if self.lives() => signal::kill(Pid::from_raw(pid), signal).is_ok(),
            Some(_) | None => false,
        }
    }
}

/// A number that can be a process of somebody; the rest means groups, everybody, or the first process.
fn number(pid: u32) -> Option<i32> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1)
}

/// Starts a program that goes on without us: in a session of its own, without a terminal, reading nothing, printing to
/// a file. It inherits our environment.
///
/// # Errors
/// When it cannot be started.
#[expect(clippy::disallowed_methods, reason = "a child that is to outlive us is not one for `proc`")]
pub fn start(program: &Path, args: &[OsString], cwd: &Path, output: &File) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(args).current_dir(cwd).stdin(Stdio::null());
    command.stdout(output.try_clone()?).stderr(output.try_clone()?);
    crate::sys::proc::in_own_session(&mut command, SigSet::empty());
    command.spawn()
}

/// What a client answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Exit code; 255 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error.
    pub err: Vec<u8>,
}

/// Runs a short program to its end, at most so long, and leaves alone what it leaves behind (a server). These variables
/// are removed from its environment.
///
/// # Errors
/// When it cannot be started or takes longer; it is killed then.
#[expect(clippy::disallowed_methods, reason = "`proc` would end the server that a client starts")]
pub fn ask(
    program: &Path,
    args: &[OsString],
    env_remove: &[OsString],
    cwd: &Path,
    limit: Duration,
) -> io::Result<Answer> {
    // Files, because a server may hold a pipe for ever.
    let (out, err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut command = Command::new(program);
    command.args(args).current_dir(cwd).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    for name in env_remove {
        command.env_remove(name);
    }
    // Its server must not inherit which signals we block, nor our terminal.
    crate::sys::proc::in_own_session(&mut command, SigSet::empty());
    let mut child = command.spawn()?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", limit.as_secs())));
        }
        thread::sleep(PAUSE);
    };
    Ok(Answer { code: status.code().unwrap_or(255), out: printed(out)?, err: printed(err)? })
}

fn printed(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(ANSWER_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a program is given that takes our place.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// Its whole environment.
    pub env: &'a [(OsString, OsString)],
    /// Its directory.
    pub cwd: &'a OsStr,
    /// The permissions that new files do not get.
    pub umask: u32,
}

/// Lets another program take the place of this process: same id, same terminal. Returns only when that fails.
#[expect(clippy::disallowed_methods, reason = "not a child: this process goes on as the program")]
pub fn replace(program: &Path, args: &[OsString], place: &Place<'_>) -> io::Error {
    umask(Mode::from_bits_truncate(place.umask as _));
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(place.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(place.cwd).exec()
}

/// Returns the permissions that new files of this process do not get. Not to be called beside other threads that make
/// files: there is no way to ask without setting it.
pub fn my_umask() -> u32 {
    let mine = umask(Mode::from_bits_truncate(0o077));
    umask(mine);
    #[expect(clippy::useless_conversion, reason = "the type differs between systems")]
    u32::from(mine.bits())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "strangers to be known by id")]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_until_it_ends_and_its_number_is_not_enough() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let identity = Identity::of(child.id());
        assert!(identity.lives() && Identity::mine().lives());
        let other = Identity { start_ticks: identity.start_ticks + 1, ..identity };
        if cfg!(target_os = "linux") {
            assert!(!other.lives() && !other.kill() && !other.interrupt());
            assert!(child.try_wait().unwrap().is_none());
        }
        assert!(identity.kill());
        let begun = Instant::now();
        while identity.lives() && begun.elapsed() < Duration::from_secs(30) {
            thread::sleep(PAUSE);
        }
        assert!(!identity.lives(), "a zombie does not live");
        child.wait().unwrap();
    }

    #[test]
    fn groups_and_the_first_process_are_nobody() {
        for pid in [0, 1, u32::MAX, 1 << 31] {
            let identity = Identity { pid, start_ticks: 0 };
            assert!(!identity.lives() && !identity.interrupt() && !identity.kill(), "{pid}");
        }
    }

    #[test]
    fn a_suspended_process_hears_the_request() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let identity = Identity::of(child.id());
        signal::kill(Pid::from_raw(child.id() as i32), Signal::SIGSTOP).unwrap();
        assert!(identity.interrupt());
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn an_answer_has_both_streams_and_a_server_that_stays_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let script = "echo out; echo err >&2; test -z \"$HOME\" && echo clean; sleep 600 & echo $! > pid; exit 3";
        let args = ["-c".into(), script.into()];
        let answer = ask(Path::new("/bin/sh"), &args, &["HOME".into()], dir.path(), Duration::from_secs(30)).unwrap();
        assert_eq!(
            (answer.code, answer.out.as_slice(), answer.err.as_slice()),
            (3, &b"out\nclean\n"[..], &b"err\n"[..])
        );
        let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap().trim().parse().unwrap();
        let server = Identity::of(pid);
        assert!(server.lives());
        server.kill();
    }

    #[test]
    fn a_client_that_does_not_answer_is_given_up() {
        let args = ["600".into()];
        let error = ask(Path::new("sleep"), &args, &[], Path::new("/"), Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(ask(Path::new("/no/such/program"), &[], &[], Path::new("/"), Duration::from_secs(1)).is_err());
    }

    #[test]
    fn what_is_started_has_no_terminal_and_prints_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let file = File::create(&path).unwrap();
        let script = "echo out; echo err >&2; cat; ps -o sid= -p $$ | tr -d ' '; echo $$";
        let mut child = start(Path::new("/bin/sh"), &["-c".into(), script.into()], dir.path(), &file).unwrap();
        assert!(child.wait().unwrap().success());
        let id = child.id();
        assert_eq!(std::fs::read_to_string(path).unwrap(), format!("out\nerr\n{id}\n{id}\n"));
    }

    #[test]
    fn asking_for_the_umask_changes_nothing() {
        assert_eq!(my_umask(), my_umask());
    }
}
