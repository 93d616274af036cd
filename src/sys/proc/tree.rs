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
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::start::MARKER;
use super::table::{self, Process};
use crate::sys::guard;

/// Killing is repeated this often, which takes about 6 seconds. A process still there then is stuck in the kernel. Counted in
/// looks, because a clock goes on while a whole machine stands still, and nothing dies meanwhile.
pub(in crate::sys) const KILL_LOOKS: u32 = 150;
/// Bounds of the pause between two looks, doubled each time. A look costs 1 to 3 ms.
pub(in crate::sys) const SHORT: Duration = Duration::from_millis(2);
pub(in crate::sys) const LONG: Duration = Duration::from_millis(40);

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
    /// Process groups of members by descent or adoption: everything in them was started below the child.
    groups: HashSet<i32>,
    is_settled: bool,
}

/// What one look at the process table showed of a tree.
pub(super) struct Look {
    /// The living processes of the tree, the child included.
    pub(super) members: Vec<Process>,
    /// Whether something of ours ended about when we looked. It may have started another process behind our back, so an
    /// empty look proves nothing then.
    was_moving: bool,
}

impl Look {
    /// Nothing is left, for certain as far as one look can tell.
    pub(super) fn is_clear(&self) -> bool {
        self.members.is_empty() && !self.was_moving
    }
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
    Ok((
        child,
        Tree { no, pid, start, known: HashMap::from([(pid, start)]), groups: HashSet::new(), is_settled: false },
    ))
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

    /// Looks at the process table. Orphans of ours that have ended are cleared away.
    pub(super) fn look(&mut self) -> Look {
        if cfg!(not(target_os = "linux")) {
            return Look { members: self.group(), was_moving: false };
        }
        let ending: Vec<Live> = registry().live.clone();
        let table = table::all();
        // Again after the table: what is in it and was started by us is in one of the two lists.
        let registry = registry();
        let view = View::new(&table, &registry, &ending);
        let mut was_moving = false;
        for process in table.iter().filter(|it| it.is_dead && view.is_orphan(it)) {
            // It may have been cleared away by another thread meanwhile.
            waitpid(Pid::from_raw(process.pid), Some(WaitPidFlag::WNOHANG)).ok();
            was_moving = true;
        }
        let belongs = |it: &&Process| !it.is_dead && view.belongs(it, self.no, &self.known, &mut table::carries);
        let members: Vec<Process> = table.iter().filter(belongs).copied().collect();
        let is_ours = |it: &&Process| view.claim(it, self.no, &self.known) != Claim::Foreign;
        self.groups.extend(members.iter().filter(is_ours).map(|it| it.group));
        drop(registry);
        self.known.extend(members.iter().map(|it| (it.pid, it.start)));
        Look { members, was_moving }
    }

    /// The living processes of the tree, the child included.
    pub(super) fn members(&mut self) -> Vec<Process> {
        self.look().members
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
            is_runnable: false,
            has_terminal: false,
        }]
    }

    /// Kills these, and everything that is in a process group with them: that is one step for the kernel, so
    /// a group cannot outrun it by forking.
    pub(super) fn kill(&self, members: &[Process]) {
        let mut groups = HashSet::new();
        for member in members {
            send(member, Signal::SIGKILL);
            let is_ours = member.session == self.pid || self.groups.contains(&member.group);
            if is_ours && member.group > 1 && groups.insert(member.group) && self.is_still(member) {
                // An empty group is what is wanted.
                signal::killpg(Pid::from_raw(member.group), Signal::SIGKILL).ok();
            }
        }
    }

    /// Whether the group of a member is still the one it was. A number is not given to a new process while a group has it,
    /// so only a process of that number that we do not know can mean another group.
    fn is_still(&self, member: &Process) -> bool {
        match table::read(member.group) {
            None => true,
            Some(leader) => leader.group == member.group && self.known.get(&leader.pid) == Some(&leader.start),
        }
    }

    /// Kills everything, waiting for it without letting go of the thread; for a run that is abandoned.
    fn kill_now(&mut self) {
        let (mut clear, mut pause) = (0, SHORT);
        for _ in 0..KILL_LOOKS {
            let look = self.look();
            if look.is_clear() {
                clear += 1;
                // Two in a row: a process can start another one and end while the table is read.
                if clear == 2 {
                    return;
                }
            } else {
                clear = 0;
                self.kill(&look.members);
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONG);
            }
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

/// Asks these to end. Stopped ones are woken up to hear it.
pub(in crate::sys) fn ask_to_end(members: &[Process]) {
    for member in members {
        send(member, Signal::SIGTERM);
    }
    wake(members);
}

/// Lets the stopped ones among these go on.
pub(in crate::sys) fn wake(members: &[Process]) {
    for member in members.iter().filter(|it| it.is_stopped) {
        send(member, Signal::SIGCONT);
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

#[cfg(test)]
mod tests {
    use super::*;

    const ME: i32 = 100;

    fn process(pid: i32, parent: i32, session: i32, start: u64) -> Process {
        Process {
            pid,
            parent,
            group: session,
            session,
            start,
            cpu: 0,
            is_dead: false,
            is_stopped: false,
            is_runnable: false,
            has_terminal: false,
        }
    }

    /// 1 ─ 50 (shell) ─ 100 (we) ─ 200 (child), and what a test adds.
    fn table(more: &[Process]) -> Vec<Process> {
        let base = [process(1, 0, 1, 1), process(50, 1, 50, 5), process(ME, 50, 50, 10), process(200, ME, 200, 1000)];
        base.into_iter().chain(more.iter().copied()).collect()
    }

    fn live(no: u64, pid: i32, start: u64) -> Live {
        Live { no, pid, start, marker: Some(b"AUTODEV_RUN_ID=r".to_vec()) }
    }

    /// The members of child 1 (200) among what a test adds; `marked` carry the marker.
    fn members(more: &[Process], live: &[Live], adopts: bool, marked: &[i32]) -> Vec<i32> {
        let table = table(more);
        let by_pid: HashMap<i32, &Process> = table.iter().map(|it| (it.pid, it)).collect();
        let ancestors = ancestors(ME, &by_pid);
        let (kept, ending, my_session) = (&[300][..], &[][..], Some(50));
        let view = View { by_pid, live, ending, kept, me: ME, my_session, ancestors, adopts };
        let known = HashMap::from([(200, 1000)]);
        let mut carries = |pid: i32, _: &[u8]| marked.contains(&pid);
        table.iter().filter(|it| view.belongs(it, 1, &known, &mut carries)).map(|it| it.pid).collect()
    }

    #[test]
    fn descendants_belong_to_the_child_wherever_they_went() {
        let more = [process(201, 200, 200, 1001), process(202, 201, 202, 1002), process(203, 202, 202, 1003)];
        assert_eq!(members(&more, &[live(1, 200, 1000)], false, &[]), [200, 201, 202, 203]);
    }

    #[test]
    fn orphans_in_the_session_belong_to_the_child_even_after_its_end() {
        let mut table = table(&[process(201, 1, 200, 1001)]);
        table.retain(|it| it.pid != 200);
        let by_pid = table.iter().map(|it| (it.pid, it)).collect();
        let live = [live(1, 200, 1000)];
        let view = View {
            by_pid,
            live: &live,
            ending: &[],
            kept: &[],
            me: ME,
            my_session: Some(50),
            ancestors: HashSet::from([1, 50, ME]),
            adopts: false,
        };
        let known = HashMap::from([(200, 1000)]);
        assert!(view.belongs(&process(201, 1, 200, 1001), 1, &known, &mut |_, _| false));
    }

    #[test]
    fn a_reused_id_or_session_number_belongs_to_nobody() {
        let mut table = table(&[process(201, 200, 200, 6000)]);
        table.retain(|it| it.pid != 200);
        table.push(process(200, 1, 200, 5000));
        let by_pid = table.iter().map(|it| (it.pid, it)).collect();
        let live = [live(1, 200, 1000)];
        let view = View {
            by_pid,
            live: &live,
            ending: &[],
            kept: &[],
            me: ME,
            my_session: Some(50),
            ancestors: HashSet::from([1, 50, ME]),
            adopts: true,
        };
        let known = HashMap::from([(200, 1000)]);
        assert!(table.iter().all(|it| !view.belongs(it, 1, &known, &mut |_, _| false)));
    }

    #[test]
    fn we_our_ancestors_our_session_and_the_kept_belong_to_nobody() {
        let more = [
            process(110, ME, 50, 2000),
            process(111, 110, 50, 2000),
            process(300, ME, 300, 2000),
            process(301, 300, 300, 2000),
        ];
        let everything: Vec<i32> = table(&more).iter().map(|it| it.pid).filter(|pid| *pid != 200).collect();
        assert_eq!(members(&more, &[live(1, 200, 1000)], true, &everything), [200]);
    }

    #[test]
    fn adopted_orphans_belong_to_the_only_child() {
        let more = [process(210, ME, 210, 900), process(211, 210, 211, 2000)];
        assert_eq!(members(&more, &[live(1, 200, 1000)], true, &[]), [200, 210, 211]);
        assert_eq!(members(&more, &[live(1, 200, 1000)], false, &[]), [200], "not ours without adoption");
    }

    #[test]
    fn an_orphan_that_two_children_could_claim_is_left_to_the_last() {
        let more = [process(400, ME, 400, 1500), process(210, ME, 210, 2000), process(220, ME, 220, 1200)];
        let both = [live(1, 200, 1000), live(2, 400, 1500)];
        assert_eq!(members(&more, &both, true, &[]), [200, 220], "220 is older than the other child");
        assert_eq!(members(&more, &both, true, &[210]), [200, 220], "the marker is the same for both");
        let mut differing = both.clone();
        differing[1].marker = None;
        assert_eq!(members(&more, &differing, true, &[210]), [200, 210, 220]);
    }

    #[test]
    fn the_marker_finds_what_is_not_below_us_and_not_older_than_the_child() {
        let more = [process(500, 1, 500, 2000), process(501, 1, 501, 999), process(502, 1, 502, 2000)];
        assert_eq!(members(&more, &[live(1, 200, 1000)], false, &[500, 501]), [200, 500]);
        let both = [live(1, 200, 1000), live(2, 400, 1500)];
        assert_eq!(members(&more, &both, false, &[500, 501]), [200]);
    }
}
