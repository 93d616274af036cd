//! Walks the watch directories: every file and link that counts with its stat, nothing read.
//!
//! Directories are taken from one stack by a few threads; what each holds is a [`Node`], and a [`Walked`] yields all of
//! them in byte order of the keys, without sorting more than one directory at a time. Invariant: a pruned directory is
//! not opened, and no link is followed below a watch directory.

use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::libc::EIO;

use super::SnapshotError;
use super::content::{self, Stat, fail, is_gone};
use super::manifest::EntryKind;
use super::rules::Rules;
use crate::sys::fs::{Context, PathError};

/// With so many directories waiting, threads are worth their start (some 50 us each).
const WIDE: usize = 16;
/// Beyond this the kernel's locks eat what more threads bring.
const MOST_THREADS: usize = 8;

/// Returns how many threads to work with.
pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS))
}

/// Where to walk and what counts.
pub(super) struct Walk {
    pub(super) rules: Rules,
    pub(super) roots: Vec<Root>,
}

/// A watch directory.
pub(super) struct Root {
    pub(super) path: PathBuf,
    /// What its keys start with: empty, or ending in a slash.
    pub(super) prefix: Vec<u8>,
}

/// What one directory holds, in byte order once sorted.
pub(super) struct Node {
    prefix: Vec<u8>,
    names: Vec<u8>,
    items: Vec<Item>,
    is_sealed: bool,
}

struct Item {
    start: usize,
    length: usize,
    /// The first eight bytes in which names of this directory differ at all: nearly always enough to sort by.
    lead: u64,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    /// The number of the directory's node.
    Dir(usize),
    Leaf(Leaf),
}

/// A file or link that counts, as its stat shows it.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    pub(super) kind: EntryKind,
    pub(super) size: u64,
    pub(super) stat: Stat,
}

/// Shows that something changed, without saying what. Equal stamps of one walk mean that no counting path has come, gone
/// or been written, as far as size and times tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64);

/// Asks whether anything moves in the tree. Independent of the scanner it came from; cheap to clone.
#[derive(Clone)]
pub struct Probe(pub(super) Arc<Walk>);

impl Probe {
    /// Walks the tree once and reads nothing. A walk that fails always gives the same stamp: failing is no movement.
    pub fn stamp(&self) -> Stamp {
        let (sums, failed) = self.0.run(|node| node.sum());
        if failed.is_some() {
            return Stamp(0);
        }
        Stamp(sums.iter().fold(0, |total, (_, sum)| total.wrapping_add(*sum)))
    }
}

impl Walk {
    /// Walks everything.
    ///
    /// # Errors
    /// When a directory cannot be listed for a reason other than permissions.
    pub(super) fn all(&self) -> Result<Walked, SnapshotError> {
        let (found, failed) = self.run(Node::sorted);
        if let Some(source) = failed {
            return Err(SnapshotError::Walk { source });
        }
        let dirs = found.len();
        let mut nodes: Vec<Option<Node>> = Vec::new();
        nodes.resize_with(dirs, || None);
        for (id, node) in found {
            if let Some(slot) = nodes.get_mut(id) {
                *slot = Some(node);
            }
        }
        Ok(Walked { nodes, roots: self.roots.len(), dirs })
    }

    /// Applies `each` to every directory, in no order; the numbers are 0.. without a gap, the roots first.
    fn run<T: Send>(&self, each: impl Fn(Node) -> T + Sync) -> (Vec<(usize, T)>, Option<PathError>) {
        let queue = Queue::default();
        queue.add(self.roots.iter().enumerate().map(|(id, root)| {
            let (path, prefix) = (root.path.clone(), root.prefix.clone());
            Job { id, path, top: prefix.len(), prefix }
        }));
        let mut done = Vec::new();
        self.work(&queue, &each, &mut done, WIDE);
        if queue.state().open > 0 {
            thread::scope(|scope| {
                let more = |_| {
                    scope.spawn(|| {
                        let mut done = Vec::new();
                        self.work(&queue, &each, &mut done, usize::MAX);
                        done
                    })
                };
                let others: Vec<_> = (1..threads()).map(more).collect();
                self.work(&queue, &each, &mut done, usize::MAX);
                for other in others {
                    match other.join() {
                        Ok(found) => done.extend(found),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
            });
        }
        let failed = queue.state().failed.take();
        (done, failed)
    }

    /// Takes directories until none is left or `enough` are waiting.
    fn work<T>(&self, queue: &Queue, each: &impl Fn(Node) -> T, done: &mut Vec<(usize, T)>, enough: usize) {
        let _watch = PanicWatch(queue);
        while let Some(job) = queue.take(enough) {
            let mut inner = Vec::new();
            match self.list(&job, &mut inner) {
                Ok(mut node) => {
                    queue.finish(inner, &mut node);
                    done.push((job.id, each(node)));
                }
                Err(error) => queue.give_up(error),
            }
        }
    }

    /// Lists one directory; directories in it that are not pruned go to `inner`.
    fn list(&self, job: &Job, inner: &mut Vec<Job>) -> Result<Node, PathError> {
        let mut node = Node { prefix: job.prefix.clone(), names: Vec::new(), items: Vec::new(), is_sealed: false };
        let entries = match fs::read_dir(&job.path) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(node),
            Err(error) if error.raw_os_error() == Some(EIO) => return Err(error).at("list", &job.path),
            Err(error) => {
                fail(error).at("list", &job.path)?;
                node.is_sealed = true;
                return Ok(node);
            }
        };
        let mut key = job.prefix.clone();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                // The directory was removed while it was listed.
                Err(error) if is_gone(&error) => return Ok(node),
                Err(error) => return Err(error).at("list", &job.path),
            };
            let name = entry.file_name().into_vec();
            if name == b".git" {
                continue;
            }
            key.truncate(job.prefix.len());
            key.extend_from_slice(&name);
            let what = match self.look(&entry, &key, job.top).at("look at", &job.path)? {
                Seen::Leaf(leaf) => What::Leaf(leaf),
                Seen::Dir => {
                    let path = job.path.join(OsString::from_vec(name.clone()));
                    let prefix = [key.as_slice(), b"/"].concat();
                    inner.push(Job { id: 0, path, prefix, top: job.top });
                    // The number is known once the directory is queued.
                    What::Dir(inner.len() - 1)
                }
                Seen::Nothing => continue,
            };
            node.items.push(Item { start: node.names.len(), length: name.len(), lead: 0, what });
            node.names.extend_from_slice(&name);
        }
        Ok(node)
    }

    fn look(&self, entry: &DirEntry, key: &[u8], top: usize) -> io::Result<Seen> {
        let is_dir = |is_dir: bool| if is_dir && !self.rules.prunes(key, top) { Seen::Dir } else { Seen::Nothing };
        match entry.file_type() {
            Ok(file_type) if file_type.is_dir() => return Ok(is_dir(true)),
            Ok(file_type) if !file_type.is_file() && !file_type.is_symlink() => return Ok(Seen::Nothing),
            Ok(_) => {}
            Err(error) if is_gone(&error) => return Ok(Seen::Nothing),
            Err(error) => fail(error)?,
        }
        if !self.rules.counts(key, top) {
            return Ok(Seen::Nothing);
        }
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return Ok(Seen::Nothing),
            Err(error) => {
                fail(error)?;
                // Its directory may be listed but not entered: the name is all there is to know.
                return Ok(Seen::Leaf(Leaf { kind: EntryKind::Sealed, size: 0, stat: Stat::NEVER }));
            }
        };
        Ok(match content::kind(&metadata) {
            Some(kind) => Seen::Leaf(Leaf { kind, size: metadata.len(), stat: Stat::of(&metadata) }),
            // A directory has taken the file's place since it was listed.
            None => is_dir(metadata.is_dir()),
        })
    }
}

enum Seen {
    Dir,
    Leaf(Leaf),
    Nothing,
}

impl Node {
    fn name(&self, item: &Item) -> &[u8] {
        self.names.get(item.start..item.start + item.length).unwrap_or_default()
    }

    /// Puts the items in the byte order of the keys they lead to: a directory's go on with a slash.
    fn sorted(mut self) -> Self {
        let slash = |item: &Item| matches!(item.what, What::Dir(_)).then_some(b'/');
        let mut items = std::mem::take(&mut self.items);
        let first = items.first().map(|item| self.name(item)).unwrap_or_default();
        let same = |name: &[u8]| first.iter().zip(name).take_while(|(a, b)| a == b).count();
        let shared = items.iter().map(|item| same(self.name(item))).min().unwrap_or_default();
        for item in &mut items {
            let name = self.name(item).iter().copied().chain(slash(item));
            let bytes = name.skip(shared).chain(std::iter::repeat(0)).take(8);
            item.lead = bytes.fold(0, |lead, byte| lead << 8 | u64::from(byte));
        }
        let rest = |item: &Item| self.name(item).iter().copied().chain(slash(item)).skip(shared);
        items.sort_unstable_by(|a, b| a.lead.cmp(&b.lead).then_with(|| rest(a).cmp(rest(b))));
        self.items = items;
        self
    }

    fn sum(&self) -> u64 {
        let mut start = DefaultHasher::new();
        start.write(&self.prefix);
        start.write_u8(u8::from(self.is_sealed));
        let leaves = self.items.iter().filter_map(|item| match item.what {
            What::Leaf(leaf) => Some((self.name(item), leaf)),
            What::Dir(_) => None,
        });
        let sums = leaves.map(|(name, leaf)| {
            let mut hasher = start.clone();
            hasher.write(name);
            hasher.write_u64(leaf.size);
            hasher.write_i64(leaf.stat.mtime_ns);
            hasher.write_i64(leaf.stat.ctime_ns);
            hasher.write_u64(leaf.stat.inode);
            hasher.finish()
        });
        let sealed = if self.is_sealed { start.finish() } else { 0 };
        sums.fold(sealed, u64::wrapping_add)
    }
}

/// Everything found, to be taken in order.
pub(super) struct Walked {
    nodes: Vec<Option<Node>>,
    roots: usize,
    /// How many directories were listed.
    pub(super) dirs: usize,
}

impl Walked {
    /// Calls `each` with every key and what is there, in byte order, each key once. The key of a directory that could not
    /// be listed ends in a slash.
    pub(super) fn for_each(mut self, mut each: impl FnMut(&[u8], Leaf)) {
        let mut branches: Vec<Branch> = (0..self.roots).map(Branch::new).collect();
        for branch in &mut branches {
            branch.advance(&mut self.nodes);
        }
        let mut last: Option<Vec<u8>> = None;
        // Watch directories may lie in one another, so their keys are merged.
        while let Some(next) =
            branches.iter_mut().filter(|branch| branch.leaf.is_some()).min_by(|a, b| a.key.cmp(&b.key))
        {
            if let Some(leaf) = next.leaf.filter(|_| last.as_deref() != Some(next.key.as_slice())) {
                each(&next.key, leaf);
            }
            if self.roots > 1 {
                last.get_or_insert_default().clone_from(&next.key);
            }
            next.advance(&mut self.nodes);
        }
    }
}

/// The way down from one watch directory to where its walk stands.
struct Branch {
    root: Option<usize>,
    way: Vec<(Node, usize)>,
    key: Vec<u8>,
    leaf: Option<Leaf>,
}

impl Branch {
    fn new(root: usize) -> Self {
        Self { root: Some(root), way: Vec::new(), key: Vec::new(), leaf: None }
    }

    /// Goes to the next leaf; nodes are dropped as soon as they are done.
    fn advance(&mut self, nodes: &mut [Option<Node>]) {
        self.leaf = None;
        let mut down = self.root.take();
        loop {
            if let Some(node) = down.take().and_then(|id| nodes.get_mut(id)).and_then(Option::take) {
                if node.is_sealed {
                    self.key.clone_from(&node.prefix);
                    self.leaf = Some(Leaf { kind: EntryKind::SealedDir, size: 0, stat: Stat::NEVER });
                    return;
                }
                self.way.push((node, 0));
            }
            let Some((node, at)) = self.way.last_mut() else { return };
            let Some(item) = node.items.get(*at) else {
                self.way.pop();
                continue;
            };
            *at += 1;
            match item.what {
                What::Dir(id) => down = Some(id),
                What::Leaf(leaf) => {
                    self.key.clone_from(&node.prefix);
                    self.key.extend_from_slice(node.name(item));
                    self.leaf = Some(leaf);
                    return;
                }
            }
        }
    }
}

/// A directory to list.
struct Job {
    id: usize,
    path: PathBuf,
    prefix: Vec<u8>,
    top: usize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    /// Directories waiting or being listed.
    open: usize,
    /// The number of the next directory.
    next: usize,
    failed: Option<PathError>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, jobs: impl Iterator<Item = Job>) {
        let mut state = self.state();
        state.jobs.extend(jobs);
        state.jobs.reverse();
        state.open = state.jobs.len();
        state.next = state.open;
    }

    /// Waits for a directory; `None` when all are done or `enough` are waiting.
    fn take(&self, enough: usize) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.open == 0 || state.jobs.len() >= enough {
                return None;
            }
            if let Some(job) = state.jobs.pop() {
                return Some(job);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a directory: numbers those in it and queues them.
    fn finish(&self, inner: Vec<Job>, node: &mut Node) {
        let mut state = self.state();
        if state.failed.is_some() {
            return;
        }
        let first = state.next;
        state.next += inner.len();
        state.open = (state.open + inner.len()).saturating_sub(1);
        let is_idle = state.open == 0;
        let many = inner.len() > 1;
        state.jobs.extend(inner.into_iter().enumerate().map(|(at, job)| Job { id: first + at, ..job }));
        drop(state);
        if is_idle || many {
            self.wake.notify_all();
        }
        for item in &mut node.items {
            if let What::Dir(id) = &mut item.what {
                *id += first;
            }
        }
    }

    fn give_up(&self, error: PathError) {
        let mut state = self.state();
        state.failed.get_or_insert(error);
        state.jobs.clear();
        state.open = 0;
        drop(state);
        self.wake.notify_all();
    }
}

/// Lets the other threads go when one panics: they would wait for its directory for ever.
struct PanicWatch<'a>(&'a Queue);

impl Drop for PanicWatch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut state = self.0.state();
            state.jobs.clear();
            state.open = 0;
            drop(state);
            self.0.wake.notify_all();
        }
    }
}
