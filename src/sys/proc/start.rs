//! Creates child processes, each in a session of its own.
//!
//! Invariant: a child is in the registry of `tree` before anyone can look at the process table and not find it there.

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Once;

use nix::sys::signal::SigSet;
use tokio::process::Child;

use super::tree::{self, Tree};
use super::{Spec, StartError, Stdin};

/// The variable by which a descendant is recognised wherever it went.
pub(in crate::sys) const MARKER: &str = "AUTODEV_RUN_ID";

/// A running child.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) tree: Tree,
}

pub(super) fn start(spec: &Spec) -> Result<Started, StartError> {
    ensure_children_can_be_awaited();
    let mut command = command(spec);
    let marker = spec.env.iter().rev().find(|(name, _)| name == MARKER);
    let marker = marker.map(|(_, value)| tree::marker(value));
    let started = tree::register(marker, || {
        let child = command.spawn()?;
        // An id is missing only after the child has been waited for.
        let pid = child.id().ok_or_else(|| io::Error::other("the child has no process id"))?;
        Ok((child, pid))
    });
    match started {
        Ok((child, tree)) => Ok(Started { child, tree }),
        Err(source) => {
            Err(StartError { program: spec.program.to_string_lossy().into_owned(), source: explain(source, spec) })
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the home of child processes")]
fn command(spec: &Spec) -> tokio::process::Command {
    let mut command = Command::new(&spec.program);
    command.args(&spec.args).current_dir(&spec.cwd);
    for name in &spec.env_remove {
        command.env_remove(name);
    }
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.stdin(match &spec.stdin {
        Stdin::Null => Stdio::null(),
        Stdin::Bytes(_) => Stdio::piped(),
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    in_own_session(&mut command, SigSet::empty());
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    command
}

/// Makes the command start in a session of its own (no terminal, no signals meant for ours) and with these
/// signals blocked and no others, whatever is blocked here.
#[expect(unsafe_code, reason = "std has no stable way to start a child in a session of its own")]
pub(in crate::sys) fn in_own_session(command: &mut Command, blocked: SigSet) {
    // SAFETY: the closure runs between fork and exec. It makes two system calls, both async-signal-safe, and allocates
    // nothing.
    unsafe {
        command.pre_exec(move || {
            nix::unistd::setsid()?;
            blocked.thread_set_mask()?;
            Ok(())
        });
    }
}

/// A parent that ignores `SIGCHLD` hands that down to us, and then no exit code can be had. Installing a handler, once,
/// undoes it.
fn ensure_children_can_be_awaited() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without a handler everything still works unless `SIGCHLD` was ignored, so a failure is not worth an error.
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child()).ok();
    });
}

/// "No such file" can mean the program or the directory; says which.
fn explain(error: io::Error, spec: &Spec) -> io::Error {
    let is_path_error = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    if is_path_error && !spec.cwd.is_dir() {
        return io::Error::new(error.kind(), format!("the working directory {} does not exist", spec.cwd.display()));
    }
    error
}

/// Exit code, or minus the number of the signal.
pub(super) fn code(status: &io::Result<ExitStatus>) -> i32 {
    match status {
        Ok(status) => status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)),
        // The child was ours and is gone, but its status is lost: not a success.
        Err(_) => 255,
    }
}
