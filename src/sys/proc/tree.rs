//! Which processes belong to which running child, and how they are signalled.
//!
//! A process belongs to a child when the child is its ancestor, when it (or an ancestor) is in the child's session, when
//! it was orphaned and adopted by us (see [`become_subreaper`]), or when it carries the child's marker. The first two
//! are proof; the last two are taken only if no other running child could claim the process with the same right.
//! Invariant: we, our ancestors, our kept processes and anything in our own session belong to nobody.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::start::MARKER;
use super::table::{self, Process};
use crate::sys::guard;

/// A child that runs, as the registry knows it.
#[derive(Clone, Debug)]
struct Live {
    no: u64,
    pid: i32,
    start: u64,
    marker: Option<Vec<u8>>,
}

/// Every child that runs, and the processes of ours that are not to be taken for orphans.
struct Registry {
    live: Vec<Live>,
    kept: Vec<i32>,
    next: u64,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { live: Vec::new(), kept: Vec::new(), next: 1 });
static ADOPTS: AtomicBool = AtomicBool::new(false);

fn registry() -> MutexGuard<'static, Registry> {
    // Nothing is ever left half changed in there, so a panic elsewhere does not matter.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process adopt what its children orphan, so that a double-forked daemon is found as well. To be called once,
/// by commands that run agents or checks, before the first child; children that exist already are left alone for good.
/// Does nothing on systems other than Linux.
///
/// # Errors
/// When the kernel refuses.
pub fn become_subreaper() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let mut registry = registry();
        let existing = table::own_children().unwrap_or_default();
        registry.kept.extend(existing);
        nix::sys::prctl::set_child_subreaper(true)?;
        // As process 1 of a container we are everybody's adopter: being adopted says nothing there.
        ADOPTS.store(std::process::id() != 1, Ordering::Release);
    }
    Ok(())
}

/// Starts a child of ours that is nobody's stray.
pub(in crate::sys) fn keep(create: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
    let mut registry = registry();
    let child = create()?;
    registry.kept.push(child.id() as i32);
    Ok(child)
}

/// Takes back [`keep`]. A child that still runs stays kept: its id is still in use.
pub(in crate::sys) fn let_go(child: &mut Child) {
    if !matches!(child.try_wait(), Ok(None)) {
        let pid = child.id() as i32;
        registry().kept.retain(|&kept| kept != pid);
    }
}

/// A started child with everything below it. Dropping it before [`Tree::settled`] kills all of it.
pub(super) struct Tree {
    no: u64,
    pid: i32,
    start: u64,
    /// Start time per id of every member ever seen. What was seen once stays a member when its parents are gone.
    known: HashMap<i32, u64>,
    is_settled: bool,
}

/// Starts a child and registers it. The registry is locked meanwhile: nobody sees the child unregistered.
pub(super) fn register<T>(
    marker: Option<Vec<u8>>,
    create: impl FnOnce() -> io::Result<(T, u32)>,
) -> io::Result<(T, Tree)> {
    let mut registry = registry();
    let (child, pid) = create()?;
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    let start = table::read(pid).map_or(0, |it| it.start);
    let no = registry.next;
    registry.next += 1;
    registry.live.push(Live { no, pid, start, marker });
    drop(registry);
    guard::note_started(pid, start);
    Ok((child, Tree { no, pid, start, known: HashMap::from([(pid, start)]), is_settled: false }))
}

/// `AUTODEV_RUN_ID=value`, as it stands in an environment.
pub(in crate::sys) fn marker(value: &OsStr) -> Vec<u8> {
    [MARKER.as_bytes(), b"=", value.as_bytes()].concat()
}

impl Tree {
    pub(super) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    pub(super) fn start_ticks(&self) -> u64 {
        self.start
    }

    /// Nothing more is to be killed.
    pub(super) fn settled(&mut self) {
        self.is_settled = true;
    }

    /// Whether the child, which has ended, certainly left nothing behind. Cheap: when it had orphaned something, that
    /// would be a child of ours already, and our own children are listed in a few small files.
    pub(super) fn is_deserted(&self) -> bool {
        if !ADOPTS.load(Ordering::Acquire) {
            return false;
        }
        let Some(children) = table::own_children() else { return false };
        let registry = registry();
        children
            .iter()
            .all(|pid| registry.live.iter().any(|it| it.no != self.no && it.pid == *pid) || registry.kept.contains(pid))
    }

    /// The living processes of the tree, the child included. Orphans of ours that have ended are cleared away.
    pub(super) fn members(&mut self) -> Vec<Process> {
        if cfg!(not(target_os = "linux")) {
            return self.group();
        }
        let ending: Vec<Live> = registry().live.clone();
        let table = table::all();
        // Again after the table: what is in it and was started by us is in one of the two lists.
        let registry = registry();
        let view = View::new(&table, &registry, &ending);
        for process in table.iter().filter(|it| it.is_dead && view.is_orphan(it)) {
            // It may have been cleared away by another thread meanwhile.
            waitpid(Pid::from_raw(process.pid), Some(WaitPidFlag::WNOHANG)).ok();
        }
        let belongs = |it: &&Process| !it.is_dead && view.belongs(it, self.no, &self.known, &mut table::carries);
        let members: Vec<Process> = table.iter().filter(belongs).copied().collect();
        drop(registry);
        self.known.extend(members.iter().map(|it| (it.pid, it.start)));
        members
    }

    /// Without a process table: the process group stands for everything in it.
    fn group(&self) -> Vec<Process> {
        let group = -self.pid;
        if signal::kill(Pid::from_raw(group), None).is_err() {
            return Vec::new();
        }
        vec![Process {
            pid: group,
            parent: 0,
            group: self.pid,
            session: self.pid,
            start: self.start,
            cpu: 0,
            is_dead: false,
            is_stopped: true,
        }]
    }

    /// Kills these, and everything that is in a process group with them: that is one step for the kernel, so
    /// a group cannot outrun it by forking.
    pub(super) fn kill(&self, members: &[Process]) {
        let mut groups = HashSet::new();
        for member in members {
            send(member, Signal::SIGKILL);
            if member.session == self.pid && member.group > 1 && groups.insert(member.group) && is_led(member) {
                // An empty group is what is wanted.
                signal::killpg(Pid::from_raw(member.group), Signal::SIGKILL).ok();
            }
        }
    }

    /// Kills everything, waiting for it without letting go of the thread; for a run that is abandoned.
    fn kill_now(&mut self) {
        // 1 s: killing 50 forking processes takes about 20 ms.
        let limit = Instant::now() + Duration::from_secs(1);
        while Instant::now() < limit {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            self.kill(&members);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.is_settled {
            self.kill_now();
        }
        registry().live.retain(|it| it.no != self.no);
        guard::note_ended(self.pid);
    }
}

/// A group may be signalled as a whole while a known member is in it, because then its id cannot have been reused.
fn is_led(member: &Process) -> bool {
    member.start == 0 || table::read(member.pid).is_some_and(|it| it.start == member.start && it.group == member.group)
}

/// Asks these to end. Stopped ones are woken up to hear it.
pub(in crate::sys) fn ask_to_end(members: &[Process]) {
    for member in members {
        send(member, Signal::SIGTERM);
        if member.is_stopped {
            send(member, Signal::SIGCONT);
        }
    }
}

/// Sends a signal unless the process is gone or the id is another process by now.
pub(in crate::sys) fn send(process: &Process, signal: Signal) {
    // Groups (negative) have no start time to compare.
    if process.pid < -1 || process.is_same() {
        // It may end between the look and the signal.
        signal::kill(Pid::from_raw(process.pid), signal).ok();
    }
}

/// The process table with what is needed to say who belongs to whom.
struct View<'a> {
    by_pid: HashMap<i32, &'a Process>,
    live: &'a [Live],
    /// Those that ran when the table was about to be read.
    ending: &'a [Live],
    kept: &'a [i32],
    me: i32,
    my_session: Option<i32>,
    ancestors: HashSet<i32>,
    adopts: bool,
}

/// By which right a process belongs to a child.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    /// To this one, by descent or session.
    Proved(u64),
    /// Ours by adoption; whose it was is unknown.
    Adopted,
    /// To nobody by descent.
    Foreign,
    /// To us.
    Own,
}

impl<'a> View<'a> {
    fn new(table: &'a [Process], registry: &'a Registry, ending: &'a [Live]) -> Self {
        let me = std::process::id() as i32;
        let by_pid: HashMap<i32, &Process> = table.iter().map(|it| (it.pid, it)).collect();
        let my_session = by_pid.get(&me).map(|it| it.session);
        let ancestors = ancestors(me, &by_pid);
        let adopts = ADOPTS.load(Ordering::Acquire);
        Self { by_pid, live: &registry.live, ending, kept: &registry.kept, me, my_session, ancestors, adopts }
    }

    /// Whether a process belongs to child `no`, of which these processes are known.
    fn belongs(
        &self,
        process: &Process,
        no: u64,
        known: &HashMap<i32, u64>,
        carries: &mut dyn FnMut(i32, &[u8]) -> bool,
    ) -> bool {
        let Some(live) = self.live.iter().find(|it| it.no == no) else { return false };
        match self.claim(process, no, known) {
            Claim::Proved(owner) => owner == no,
            Claim::Own => false,
            Claim::Adopted => {
                // The only child that runs may have all of them, also those an earlier one could not be charged with.
                let mut others = self.live.iter().filter(|it| it.no != no && it.start <= process.start).peekable();
                if others.peek().is_none() {
                    return self.live.len() == 1 || live.start <= process.start;
                }
                let mut has = |it: &Live| it.marker.as_ref().is_some_and(|marker| carries(process.pid, marker));
                live.start <= process.start && has(live) && !others.any(has)
            }
            Claim::Foreign => {
                let Some(marker) = &live.marker else { return false };
                let is_rival =
                    |it: &Live| it.no != no && it.marker.as_ref() == Some(marker) && it.start <= process.start;
                live.start <= process.start && !self.live.iter().any(is_rival) && carries(process.pid, marker)
            }
        }
    }

    fn claim(&self, process: &Process, no: u64, known: &HashMap<i32, u64>) -> Claim {
        if self.ancestors.contains(&process.pid) {
            return Claim::Own;
        }
        let mut node = process;
        // No chain is longer than the table; one that is comes from ids reused while it was read.
        for _ in 0..=self.by_pid.len() {
            if node.pid == self.me || self.kept.contains(&node.pid) {
                return Claim::Own;
            }
            let is_known = known.get(&node.pid) == Some(&node.start);
            if is_known || known.get(&node.session).is_some_and(|start| self.opened(*start, node)) {
                return Claim::Proved(no);
            }
            let is_opener = |it: &&Live| it.pid == node.session && self.opened(it.start, node);
            if let Some(live) = self.live.iter().filter(|it| it.no != no).find(is_opener) {
                return Claim::Proved(live.no);
            }
            if node.parent == self.me {
                return if self.is_orphan(node) { Claim::Adopted } else { Claim::Own };
            }
            match self.by_pid.get(&node.parent) {
                Some(parent) => node = parent,
                None => break,
            }
        }
        Claim::Foreign
    }

    /// Whether the session of a process is the one that was opened by the process with its number and this start time.
    /// The number of a session is not reused while the session has members; if another process has it, then
    /// that session is gone.
    fn opened(&self, start: u64, member: &Process) -> bool {
        self.by_pid.get(&member.session).is_none_or(|leader| leader.start == start)
    }

    /// A child of ours that neither we nor a library of ours started: those are registered, or in our session.
    fn is_orphan(&self, process: &Process) -> bool {
        self.adopts
            && process.parent == self.me
            && Some(process.session) != self.my_session
            && !self.kept.contains(&process.pid)
            && !self.live.iter().chain(self.ending).any(|it| it.pid == process.pid && it.start == process.start)
    }
}

/// The process itself and those above it.
fn ancestors(pid: i32, by_pid: &HashMap<i32, &Process>) -> HashSet<i32> {
    let mut found = HashSet::new();
    let mut next = Some(pid);
    while let Some(pid) = next.filter(|pid| found.insert(*pid)) {
        next = by_pid.get(&pid).map(|it| it.parent);
    }
    found
}
