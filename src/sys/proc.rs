//! Runs a child to its end: session of its own, output drained while it runs, wall and idle limits, kill ladder.
//!
//! It does not interpret output, does not log, and keeps nothing: what the child prints goes to the caller in pieces,
//! and the caller's pace is the child's pace. Invariant: when [`run`] is over, however it ends, every process the child
//! left behind has been killed, also those that moved to another session or were orphaned, and no process that
//! only looks like one of them (a reused process id) has been touched.
//!
//! `start` is the one place that creates processes, `table` reads the process table, `tree` says who belongs to
//! whom, `sampler` looks at what they do, `course` is the way from start to end without any waiting in it.

mod course;
mod memory;
mod sampler;
mod start;
pub(super) mod table;
pub(super) mod tree;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::ChildStdin;

use self::course::Course;
pub(super) use self::start::in_own_session;
pub use self::tree::become_subreaper;

/// What to run and within which bounds. `Spec::new(program)` gives the defaults.
pub struct Spec {
    /// Program name or path; a name without `/` is looked up on the child's `PATH`.
    pub program: OsString,
    /// Arguments, without the program.
    pub args: Vec<OsString>,
    /// Variables to set, on top of the inherited environment.
    pub env: Vec<(OsString, OsString)>,
    /// Variables to remove.
    pub env_remove: Vec<OsString>,
    /// Working directory.
    pub cwd: PathBuf,
    /// What the child reads.
    pub stdin: Stdin,
    /// Ends the child when it runs longer.
    pub wall: Option<Duration>,
    /// Looks at the child now and then, and may have it ended.
    pub watch: Option<Watch>,
    /// Time between the request to end and the kill.
    pub grace: Duration,
    /// Whether to find out how much memory the child had; see [`Ended::memory`].
    pub measures_memory: bool,
}

/// What a child reads.
pub enum Stdin {
    /// Nothing: `/dev/null`.
    Null,
    /// These bytes, then end of file. A child that closes its end early is no error.
    Bytes(Vec<u8>),
}

/// Looks at a running child and all that is below it.
pub struct Watch {
    /// Time between two looks. A look costs about 2 ms.
    pub every: Duration,
    /// Is told what each look showed, and returns whether the child is to be ended ([`Cause::Idle`]).
    pub judge: Box<dyn FnMut(&Sample) -> bool + Send>,
}

/// What one look showed. On systems without `/proc` only `at` and `output` say anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Since the child was started.
    pub at: Duration,
    /// Bytes printed since the last look.
    pub output: u64,
    /// Processor time used since the last look, by the child and all below it; what ended in between is in its parent's.
    pub cpu: Duration,
    /// Bytes read and written through system calls since the last look, by processes that were there then and the children
    /// they have waited for.
    pub io: u64,
    /// Processes that live, the child included.
    pub processes: u32,
    /// How many of them run or want to.
    pub runnable: u32,
    /// How many of them are stopped by a signal.
    pub stopped: u32,
    /// Whether one of them waits for somebody to type on a terminal.
    pub reads_terminal: bool,
}

/// Which stream a piece of output came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Something that happened while a child runs.
pub enum Happening<'a> {
    /// It runs.
    Spawned {
        /// Process id, also the id of its session and process group.
        pid: u32,
        /// Start time in clock ticks since boot; 0 when unknown.
        start_ticks: u64,
    },
    /// It printed these bytes (any chunking).
    Output(Stream, &'a [u8]),
}

/// Why a child was ended, or that it ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// By itself.
    Itself,
    /// The wall limit.
    Wall,
    /// Whoever watches it ([`Watch`]).
    Idle,
    /// The stop request.
    Stopped,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code, or minus the number of the signal that ended it.
    pub code: i32,
    /// Why.
    pub cause: Cause,
    /// Wall time until everything was over.
    pub duration: Duration,
    /// Wall time until the child itself had ended, before anything that it left behind was looked for.
    pub lifetime: Duration,
    /// The child's memory; `None` unless [`Spec::measures_memory`], and on systems that cannot tell.
    pub memory: Option<Memory>,
    /// How many descendants outlived it and were ended.
    pub strays: u32,
}

/// How much memory a child had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The most that one process had at a time: the child, or a descendant that its parent waited for. Bytes.
    pub peak: u64,
    /// The kernel counts the time between fork and exec too, when the child is a copy of us: a peak up to this many
    /// bytes may be ours.
    pub floor: u64,
}

/// A child that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("start {program}: {source}")]
pub struct StartError {
    /// The program as asked for.
    pub program: String,
    /// What the operating system said.
    pub source: std::io::Error,
}

/// How urgently the run is asked to stop; carried by a `tokio::sync::watch` channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all.
    #[default]
    None,
    /// End children with a grace period.
    Stop,
    /// Kill them now (second signal).
    Kill,
}

/// The receiving half of the stop request.
pub type StopSignal = tokio::sync::watch::Receiver<Urgency>;

impl Spec {
    /// Returns a spec with no limits, closed stdin and a grace of 3 seconds, running in `cwd`.
    pub fn new(program: impl Into<OsString>, cwd: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            env_remove: Vec::new(),
            cwd: cwd.into(),
            stdin: Stdin::Null,
            wall: None,
            watch: None,
            // 3 s: codex and claude need about one second to end their own children (measured by hand).
            grace: Duration::from_secs(3),
            measures_memory: false,
        }
    }
}

/// One read takes at most this much; the size of a pipe on Linux.
const PIECE: usize = 64 * 1024;

/// Runs a child to its end and tells `on` what happens meanwhile, in order. When this returns, no descendant of the
/// child is alive; only a process that the kernel cannot kill within some 6 seconds is left alone. Dropping the future
/// kills the child and its descendants at once.
///
/// A stop that was requested before the call starts nothing and ends as [`Cause::Stopped`].
///
/// # Errors
/// Only when the child cannot be started.
pub async fn run(spec: Spec, mut stop: StopSignal, on: &mut dyn FnMut(Happening<'_>)) -> Result<Ended, StartError> {
    let begun = Instant::now();
    if *stop.borrow_and_update() != Urgency::None {
        let code = -(nix::sys::signal::Signal::SIGTERM as i32);
        return Ok(Ended {
            code,
            cause: Cause::Stopped,
            duration: Duration::ZERO,
            lifetime: Duration::ZERO,
            strays: 0,
            memory: None,
        });
    }
    let floor = if spec.measures_memory { memory::floor() } else { None };
    let start::Started { mut child, tree } = start::start(&spec)?;
    let peak = memory::peak(floor.is_some().then(|| tree.pid()));
    tokio::pin!(peak);
    let (mut memory, mut lifetime) = (None, None);
    let mut is_waiting_for_memory = floor.is_some();
    let Spec { stdin, wall, watch, grace, .. } = spec;
    on(Happening::Spawned { pid: tree.pid(), start_ticks: tree.start_ticks() });

    let mut out = child.stdout.take();
    let mut err = child.stderr.take();
    let (mut out_piece, mut err_piece) = (vec![0; PIECE], vec![0; PIECE]);
    let feed = feed(child.stdin.take(), stdin);
    tokio::pin!(feed);
    let mut is_fed = false;
    let mut is_stoppable = true;
    let mut course = Course::new(tree, begun, wall, watch, grace);

    while !course.is_over() {
        if out.is_none() && err.is_none() && course.is_draining() {
            break;
        }
        let wake = course.wake();
        // Every branch is cancel-safe: waiting, reading and watching lose nothing when dropped, and `feed` is pinned
        // outside of the loop.
        tokio::select! {
            found = &mut peak, if is_waiting_for_memory => {
                is_waiting_for_memory = false;
                memory = found.zip(floor).map(|(peak, floor)| Memory { peak, floor });
            }
            // Waiting for the child clears it away, and with it what it used.
            status = child.wait(), if !course.has_ended() && !is_waiting_for_memory => {
                lifetime = Some(begun.elapsed());
                course.ended(start::code(&status));
            }
            count = piece(&mut out, &mut out_piece), if out.is_some() => match out_piece.get(..count) {
                Some(bytes) if count > 0 => {
                    course.heard(count);
                    on(Happening::Output(Stream::Out, bytes));
                }
                _ => out = None,
            },
            count = piece(&mut err, &mut err_piece), if err.is_some() => match err_piece.get(..count) {
                Some(bytes) if count > 0 => {
                    course.heard(count);
                    on(Happening::Output(Stream::Err, bytes));
                }
                _ => err = None,
            },
            () = &mut feed, if !is_fed => is_fed = true,
            changed = stop.changed(), if is_stoppable => match changed {
                Ok(()) => course.asked(*stop.borrow_and_update()),
                Err(_) => is_stoppable = false,
            },
            () = until(wake), if wake.is_some() => course.tick(),
        }
    }
    let duration = begun.elapsed();
    let ended = course.finish(duration);
    Ok(Ended { lifetime: lifetime.unwrap_or(duration), memory, ..ended })
}

/// Reads a piece; 0 at the end of the stream, and when it can no longer be read.
async fn piece<R: AsyncRead + Unpin>(pipe: &mut Option<R>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await.unwrap_or(0),
        None => 0,
    }
}

/// Writes the child's input and closes it. A child that does not want to read it all is no error.
async fn feed(pipe: Option<ChildStdin>, input: Stdin) {
    if let (Some(mut pipe), Stdin::Bytes(bytes)) = (pipe, input) {
        // Losing the error is right: the only causes are a reader that is gone (`EPIPE`) and one that is ending.
        if pipe.write_all(&bytes).await.is_ok() {
            pipe.shutdown().await.ok();
        }
    }
}

async fn until(wake: Option<Instant>) {
    if let Some(wake) = wake {
        tokio::time::sleep_until(wake.into()).await;
    }
}

#[cfg(test)]
mod tests;
