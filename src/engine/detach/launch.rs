//! Starting a session and waiting until its work has begun.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::enter::{COMMAND, Ticket};
use super::place;
use super::registry::Registry;
use super::survey::look;
use super::tmux::Tmux;
use crate::engine::project::{Project, free_stem};
use crate::logic::session::{is_living, name};
use crate::model::{DetachMode, Session, SessionKind, SessionRow};
use crate::sys;
use crate::sys::fs::Context as _;
use crate::sys::lock::{self, FileLock, Holder};
use crate::sys::session::Identity;

/// Getting ready takes up to 10 s for a backend that does not tell its version and 7 s to end what a killed run left;
/// the rest is for a loaded machine.
const READY: Duration = Duration::from_mins(1);
/// Registering is the first thing that a session does.
const REGISTERED: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
/// Of what a session printed that did not begin, so many lines are shown.
const TAIL: usize = 20;
const TAIL_BYTES: u64 = 16 << 10;

/// A command that is to go on without its terminal: the one this process was started as.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// The sub-command, for example `run`. A project has one session of each.
    pub command: &'static str,
    /// Whose log directory and name are used.
    pub project: &'a Project,
    /// What was asked for on the command line; else the configuration says.
    pub mode: Option<DetachMode>,
    /// A lock that the command will take and that nobody must hold.
    pub lock: Option<PathBuf>,
}

/// A session that was started.
#[derive(Clone, Debug)]
pub struct Launched {
    /// It.
    pub session: Session,
    /// How far it came.
    pub outcome: Outcome,
}

/// How far a session came while its caller waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its work has begun.
    Begun,
    /// Its work has begun and is over already.
    Over {
        /// Exit code; `None` when it was killed.
        code: Option<i32>,
    },
    /// It has ended and its work never began.
    Failed {
        /// Exit code.
        code: i32,
        /// What it said.
        text: String,
    },
    /// It still gets ready after a minute.
    Slow,
}

/// Starts this very command again as a session and waits, at most about a minute, until its work has begun.
///
/// # Errors
/// When the project has such a session or somebody holds the lock (the message says who), tmux was asked for and is
/// absent, or the session cannot be started.
pub fn launch(launch: &Launch<'_>) -> Result<Launched> {
    let project = launch.project;
    project.prepare()?;
    let registry = Registry::here()?;
    // One at a time in a project, until the session has begun: a second one then sees the first.
    let _turn = FileLock::wait(&project.home().join("launch.lock"), READY + REGISTERED)
        .context("another --detach is under way in this project; `autodev list` shows what came of it")?;
    refuse_second(launch, &look(&registry))?;
    let cwd = std::env::current_dir().context("find the current directory")?;
    let tmux = match launch.mode.unwrap_or(project.config.detach.mode) {
        DetachMode::Process => None,
        DetachMode::Auto => Tmux::find(&cwd),
        DetachMode::Tmux => {
            Some(Tmux::find(&cwd).context("tmux is not on PATH; install it, or leave it out with --detach=process")?)
        }
    };
    let tickets = tickets(project)?;
    let started = start(launch, &registry, tmux.as_ref(), &tickets, &cwd);
    // Taken by the session, or of no use to anybody.
    std::fs::remove_dir_all(&tickets).ok();
    let mut started = started?;
    let outcome = started.wait(&registry);
    Ok(Launched { session: started.session, outcome })
}

fn refuse_second(launch: &Launch<'_>, rows: &[SessionRow]) -> Result<()> {
    let home = place(launch.project.home());
    let command = launch.command;
    let is_same = |row: &&SessionRow| is_living(row) && row.session.home == home && row.session.command == command;
    if let Some(Session { name, pid, started_at, .. }) = rows.iter().find(is_same).map(|row| &row.session) {
        bail!(
            "this project has a session already: {name}, process {pid}, since {}; look at it with `autodev attach {name}`, \
             end it with `autodev stop {name}`",
            sys::clock::local(*started_at)
        );
    }
    let Some(path) = &launch.lock else { return Ok(()) };
    match lock::holder(path)? {
        Holder::Nobody => Ok(()),
        Holder::Known(note) => bail!(
            "`autodev {}` is under way in this project: process {} on {}, since {}; wait for its end or stop it",
            note.command,
            note.pid,
            note.host,
            sys::clock::local(note.started_at)
        ),
        Holder::Unknown => bail!("another process holds {}; wait for its end or stop it", path.display()),
    }
}

/// An empty directory for the ticket. What a caller left that was killed is removed: it may hold secrets.
fn tickets(project: &Project) -> Result<PathBuf> {
    let dir = project.home().join("launch");
    std::fs::remove_dir_all(&dir).ok();
    std::fs::create_dir_all(&dir).at("create", &dir)?;
    Ok(dir)
}

/// A session on its way.
struct Started {
    session: Session,
    identity: Identity,
    /// Ours, when there is no tmux; to be waited for should it end before us.
    child: Option<Child>,
    begun: Instant,
}

fn start(launch: &Launch<'_>, registry: &Registry, tmux: Option<&Tmux>, tickets: &Path, cwd: &Path) -> Result<Started> {
    let project = launch.project;
    // The name is taken once the session is registered; until then nobody else may choose one.
    let _turn = registry.turn().context("wait for the turn to choose a name")?;
    let mut taken: Vec<String> = look(registry).into_iter().filter(is_living).map(|row| row.session.name).collect();
    if let Some(tmux) = tmux {
        taken.extend(tmux.names()?);
    }
    let config = &project.config;
    let choice = |nth| name(&config.detach.tmux_session_prefix, &config.project.name, launch.command, nth);
    let name = (1..=1000).map(choice).find(|name| !taken.contains(name)).context("find a free name for the session")?;
    let log = log_file(project, &name)?;
    let exe = std::env::current_exe().context("find autodev's own program")?;
    let session = Session {
        name: name.clone(),
        kind: if tmux.is_some() { SessionKind::Tmux } else { SessionKind::Process },
        command: launch.command.to_owned(),
        project: config.project.name.clone(),
        directory: config.project.code_dir.clone(),
        config: config.source.clone(),
        home: place(project.home()),
        status: config.files.log_dir.join("runtime-status.json"),
        log: log.clone(),
        socket: PathBuf::new(),
        host: sys::host::name(),
        boot: sys::host::boot(),
        pid: 0,
        start_ticks: 0,
        started_at: sys::clock::now(),
        begun: None,
        ended: None,
    };
    let ticket = Ticket {
        session: session.clone(),
        registry: registry.dir().into(),
        program: exe.clone().into(),
        args: std::env::args_os().skip(1).collect(),
        env: sys::env::all(),
        cwd: cwd.into(),
        umask: sys::session::my_umask(),
    };
    let path = ticket.write(tickets)?;
    let begun = Instant::now();
    let (pid, child) = if let Some(tmux) = tmux {
        (tmux.start(&name, &exe, COMMAND, &path, &log)?, None)
    } else {
        let output = OpenOptions::new().append(true).open(&log).at("open", &log)?;
        let child = sys::session::start(&exe, &[COMMAND.into(), path.into()], cwd, &output)
            .with_context(|| format!("start {}", exe.display()))?;
        (child.id(), Some(child))
    };
    let mut started = Started { session, identity: Identity::of(pid), child, begun };
    while started.record(registry).is_none() && started.lives() && begun.elapsed() < REGISTERED {
        thread::sleep(PAUSE);
    }
    Ok(started)
}

/// A new file for what a session prints.
fn log_file(project: &Project, name: &str) -> Result<PathBuf> {
    let dir = project.config.files.log_dir.join("sessions");
    std::fs::create_dir_all(&dir).at("create", &dir)?;
    let stem = format!("{name}-{}", sys::clock::now().format("%Y%m%dT%H%M%SZ"));
    let path = dir.join(format!("{}.log", free_stem(&dir, &stem, "log")));
    File::create_new(&path).at("create", &path)?;
    Ok(path)
}

impl Started {
    /// Waits until its work has begun, or never will.
    fn wait(&mut self, registry: &Registry) -> Outcome {
        loop {
            let lived = self.lives();
            // Read after the look: what it wrote before its end is seen.
            if let Some(record) = self.record(registry) {
                self.session = record;
            }
            let code = self.session.ended.as_ref().map(|ended| ended.code);
            match (&self.session.begun, code) {
                (Some(_), None) if lived => return Outcome::Begun,
                (Some(_), code) => return Outcome::Over { code: code.flatten() },
                (None, Some(code)) => return self.failed(code.unwrap_or(1)),
                (None, None) if !lived => return self.failed(1),
                (None, None) if self.begun.elapsed() > READY => return Outcome::Slow,
                (None, None) => thread::sleep(PAUSE),
            }
        }
    }

    fn failed(&self, code: i32) -> Outcome {
        let said = self.session.ended.as_ref().and_then(|ended| ended.error.clone());
        let text = said.unwrap_or_else(|| {
            let tail = sys::tail::file_tail(&self.session.log, TAIL, TAIL_BYTES).unwrap_or_default();
            let tail = sys::tail::strip_ansi(&tail).into_owned();
            if tail.trim().is_empty() { "it said nothing".to_owned() } else { tail }
        });
        Outcome::Failed { code, text }
    }

    /// What the session has written down about itself. Its log is its own, whoever has its process id.
    fn record(&self, registry: &Registry) -> Option<Session> {
        let is_it = |it: &Session| it.log == self.session.log;
        registry.find(self.identity).filter(is_it).or_else(|| registry.all().into_iter().find(is_it))
    }

    fn lives(&mut self) -> bool {
        // Clears it away, so that systems without a process table see it too.
        let is_over = self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
        !is_over && self.identity.lives()
    }
}
