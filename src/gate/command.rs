//! Runs one validation command and says what its end proves.
//!
//! A command that ends with another code than 0, runs too long, crashes, or cannot run because of something the task
//! itself is about (a script or directory inside the project, the command line) failed. A command that cannot run
//! because of the machine (program not installed, killed from outside, disk full) proves nothing: `Infra`.
//!
//! Invariant: when this returns, no process of the command is alive and its log file exists, unless the file itself
//! could not be made, which is what the result then says.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::logic::contract::Planned;
use crate::logic::{plain, words};
use crate::model::{Evidence, Verdict};
use crate::sys::proc::{self, Cause, Ended, Happening, Memory, Spec, StartError, StopSignal, Stream};
use crate::sys::redact::Redactor;

use super::Cancelled;
use super::output::{Capture, Captured, Stdout};

/// Where and with what a command runs.
pub(super) struct Place<'a> {
    /// The code directory. Absolute.
    pub(super) code_dir: &'a Path,
    /// Set last, over every other variable.
    pub(super) env: &'a [(String, String)],
    /// The file that gets the output.
    pub(super) log: &'a Path,
    /// Masks secrets in what is kept.
    pub(super) redactor: &'a Redactor,
    /// Whether the memory of the command is wanted.
    pub(super) measures_memory: bool,
}

/// A command that was run, or could not be.
pub(super) struct Ran {
    pub(super) verdict: Verdict,
    pub(super) details: String,
    pub(super) evidence: Option<Evidence>,
    /// Only of a command that passed.
    pub(super) passed: Option<Passed>,
}

/// What a command that passed leaves for a metric.
pub(super) struct Passed {
    /// Its standard output.
    pub(super) stdout: Stdout,
    /// Time until it had ended.
    pub(super) lifetime: Duration,
    /// Its memory, when that was asked for and can be told.
    pub(super) memory: Option<Memory>,
}

/// Runs a command to its end.
pub(super) async fn run(planned: &Planned, place: &Place<'_>, stop: &StopSignal) -> Result<Ran, Cancelled> {
    let mut capture = match Capture::create(place.log, place.redactor) {
        Ok(capture) => capture,
        Err(error) => {
            let details = format!("exit_code=-1 (no log file: {error})");
            return Ok(Ran { verdict: Verdict::Infra, details, evidence: None, passed: None });
        }
    };
    let spec = match spec(planned, place) {
        Ok(spec) => Spec { measures_memory: place.measures_memory, ..spec },
        Err(refusal) => return Ok(refused(&refusal, capture, place)),
    };
    let ended = proc::run(spec, stop.clone(), &mut |happening| match happening {
        Happening::Output(stream, piece) => capture.take(stream, piece),
        Happening::Spawned { .. } => {}
    })
    .await;
    match ended {
        Ok(Ended { cause: Cause::Stopped, .. }) => Err(Cancelled),
        Ok(ended) => Ok(judged(&ended, planned.timeout, capture, place)),
        Err(error) => Ok(refused(&not_started(&error, planned, place), capture, place)),
    }
}

/// Why a command was not run.
struct Refusal {
    verdict: Verdict,
    reason: String,
}

fn fail(reason: String) -> Refusal {
    Refusal { verdict: Verdict::Fail, reason }
}

fn spec(planned: &Planned, place: &Place<'_>) -> Result<Spec, Refusal> {
    let cwd = directory(planned, place.code_dir);
    if !cwd.is_dir() {
        let reason = format!("the working directory {} does not exist", cwd.display());
        return Err(Refusal { verdict: blame(&cwd, place.code_dir), reason });
    }
    let (program, args) = if planned.shell {
        if planned.run.trim().is_empty() || planned.run.contains('\0') {
            return Err(fail("the command is empty or contains a NUL character".to_owned()));
        }
        (OsString::from("sh"), vec!["-c".into(), OsString::from(&planned.run)])
    } else {
        let split = words::split(&planned.run).map_err(|error| fail(error.to_string()))?;
        (program(&split.program, &cwd), split.args.into_iter().map(OsString::from).collect())
    };
    let mut spec = Spec::new(program, cwd);
    spec.args = args;
    spec.wall = Some(planned.timeout);
    let ours = place.env.iter().map(|(name, value)| (name, value));
    for (name, value) in planned.environment.iter().chain(ours) {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(fail(format!("the environment variable {name:?} cannot be set")));
        }
        spec.env.push((name.into(), value.into()));
    }
    Ok(spec)
}

/// Where a command runs.
pub(super) fn directory(planned: &Planned, code_dir: &Path) -> PathBuf {
    code_dir.join(&planned.directory)
}

/// A program with a `/` in its name is looked for in the working directory of the command, not in ours.
fn program(name: &str, cwd: &Path) -> OsString {
    if name.contains('/') { cwd.join(name).into() } else { name.into() }
}

/// Whose fault a missing or unusable path is: inside the project it is for the agent to make it, elsewhere it is not.
fn blame(path: &Path, code_dir: &Path) -> Verdict {
    let is_inside = path.strip_prefix(code_dir).is_ok_and(|rest| !rest.components().any(|c| c == Component::ParentDir));
    if is_inside && path != code_dir { Verdict::Fail } else { Verdict::Infra }
}

fn not_started(error: &StartError, planned: &Planned, place: &Place<'_>) -> Refusal {
    let name = error.program.as_str();
    let mut reason = error.to_string();
    let kind = error.source.kind();
    let verdict = match kind {
        io::ErrorKind::ArgumentListTooLong | io::ErrorKind::InvalidInput => Verdict::Fail,
        io::ErrorKind::NotFound if words::is_shell_word(name) => {
            reason = format!(
                "\"{name}\" is a shell word and commands run without a shell; write {}{}",
                words::shell_form(planned.run.trim()),
                if name == "cd" { " or set \"working_directory\"" } else { "" }
            );
            Verdict::Fail
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
            if name.contains('/') =>
        {
            blame(Path::new(name), place.code_dir)
        }
        // Too many processes, no memory, a program that is just being written.
        _ => Verdict::Infra,
    };
    if kind == io::ErrorKind::PermissionDenied && verdict == Verdict::Fail {
        reason.push_str("; is it executable?");
    }
    Refusal { verdict, reason }
}

/// The result of a command that was not run. Its log holds the reason.
fn refused(refusal: &Refusal, mut capture: Capture<'_>, place: &Place<'_>) -> Ran {
    capture.take(Stream::Err, format!("{}\n", refusal.reason).as_bytes());
    let evidence = evidence(capture.finish().tail, -1, Duration::ZERO, place);
    let details = format!("exit_code=-1 ({})", refusal.reason);
    Ran { verdict: refusal.verdict, details, evidence: Some(evidence), passed: None }
}

fn judged(ended: &Ended, timeout: Duration, capture: Capture<'_>, place: &Place<'_>) -> Ran {
    let is_in_time = ended.cause == Cause::Itself;
    let code = if is_in_time { ended.code } else { -1 };
    let Captured { tail, stdout, failure } = capture.finish();
    let evidence = evidence(tail, code, ended.duration, place);
    let (mut verdict, remark) = match code {
        _ if !is_in_time => (Verdict::Fail, format!(" (timed out after {}s)", timeout.as_secs())),
        0 => (Verdict::Pass, String::new()),
        code if is_foreign_kill(code) => {
            let remark = format!(" (killed from outside by signal {}, perhaps for lack of memory)", -code);
            (Verdict::Infra, remark)
        }
        code if code < 0 => (Verdict::Fail, format!(" (crashed with signal {})", -code)),
        // What a shell says for a program that signal 9 ended: only a hint, any program may use the number itself.
        137 => (Verdict::Fail, " (a program of it was perhaps killed for lack of memory)".to_owned()),
        _ => (Verdict::Fail, String::new()),
    };
    let mut details = format!("exit_code={code}{remark}");
    // 160: the rest of the line of a report.
    let last = plain::last_line(&evidence.tail, 160);
    if verdict != Verdict::Pass && !last.is_empty() {
        details.push_str("; last output: ");
        details.push_str(&last);
    }
    if let Some(failure) = failure {
        verdict = Verdict::Infra;
        details = format!("{details}; its log is not complete: {failure}");
    }
    let passed = verdict.is_pass().then_some(Passed { stdout, lifetime: ended.lifetime, memory: ended.memory });
    Ran { verdict, details, evidence: Some(evidence), passed }
}

/// Signals that come from other processes or the kernel's memory killer. The others (`SIGSEGV`, `SIGABRT`, ...) a
/// program brings upon itself.
fn is_foreign_kill(code: i32) -> bool {
    const HUP: i32 = -1;
    const INT: i32 = -2;
    const QUIT: i32 = -3;
    const KILL: i32 = -9;
    const TERM: i32 = -15;
    matches!(code, HUP | INT | QUIT | KILL | TERM)
}

fn evidence(tail: String, exit_code: i32, duration: Duration, place: &Place<'_>) -> Evidence {
    let log = place.log.strip_prefix(place.code_dir).map_or_else(|_| place.log.to_path_buf(), PathBuf::from);
    Evidence {
        log: log.to_string_lossy().into_owned(),
        tail,
        exit_code,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    }
}
