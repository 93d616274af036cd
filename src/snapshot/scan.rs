//! Takes snapshots: a walk, joined with what is known from the last one; only what is new or different is read.
//!
//! It does not compare snapshots and does not keep them. Invariant: an entry is taken over unread only when its stat is
//! the one it had when it was hashed, and that stat was old enough to show any later change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::SnapshotError;
use super::content::{self, Stat, Taken};
use super::index::Index;
use super::manifest::{Body, Entry, EntryKind, Manifest};
use super::rules::Rules;
use super::walk::{Leaf, Probe, Root, Stamp, Walk, threads};
use crate::model::Digest;
use crate::sys::clock;
use crate::sys::fs::{Context, PathError};
use crate::sys::hash;

/// From here on reading is shared between threads: files, or bytes.
const MANY_FILES: usize = 64;
const MANY_BYTES: u64 = 4 << 20;

/// Takes snapshots of one project.
pub struct Scanner {
    walk: Arc<Walk>,
    index_path: PathBuf,
    index: Index,
    tally: Tally,
}

/// What the last scan took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Directories listed.
    pub dirs: usize,
    /// Files and links read, because they are new, differ, or changed just before they were read the last time.
    pub read: usize,
    /// Entries that could not be read.
    pub sealed: usize,
    /// Why the stat index could not be written; the snapshot is right, the next process will read every file again.
    pub index_error: Option<String>,
}

impl Scanner {
    /// Prepares scans. `index_path` is the stat index, which need not exist; it never counts itself. A damaged index is
    /// left out and rebuilt. Watch directories need not exist and may lie in one another or outside of the code directory,
    /// which is that of the rules.
    ///
    /// # Errors
    /// When a path is not absolute.
    pub fn open(watch_dirs: &[PathBuf], mut rules: Rules, index_path: &Path) -> Result<Self, SnapshotError> {
        let mut paths = watch_dirs.iter().map(PathBuf::as_path).chain([index_path]);
        if let Some(path) = paths.find(|path| !path.is_absolute()) {
            return Err(SnapshotError::NotAbsolute { path: path.to_path_buf() });
        }
        rules.hide_own(index_path);
        let root = |path: &PathBuf| {
            let mut prefix = rules.base().key(path);
            if !prefix.is_empty() {
                prefix.push(b'/');
            }
            Root { path: path.clone(), prefix }
        };
        let mut roots: Vec<Root> = watch_dirs.iter().map(root).collect();
        roots.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        roots.dedup_by(|a, b| a.prefix == b.prefix);
        let walk = Arc::new(Walk { rules, roots });
        let index = Index::load(index_path);
        Ok(Self { walk, index_path: index_path.to_path_buf(), index, tally: Tally::default() })
    }

    /// Takes a snapshot: by content, of the instant at which each file was looked at. Files that come, go or are being
    /// written meanwhile are in it as they were met, or not at all.
    ///
    /// # Errors
    /// When the code directory is not there, or a directory cannot be listed for a reason other than permissions.
    pub fn scan(&mut self) -> Result<Manifest, SnapshotError> {
        let now_ns = clock::real().timestamp_nanos_opt().unwrap_or(i64::MAX);
        let code_dir = self.walk.rules.base().dir();
        // Without this a code directory that is not mounted would look like one where everything was deleted.
        std::fs::read_dir(code_dir).at("list", code_dir).map_err(|source| SnapshotError::Walk { source })?;
        let walked = self.walk.all()?;
        let mut tally = Tally { dirs: walked.dirs, ..Tally::default() };
        let mut join = Join::new(&self.index);
        walked.for_each(|key, leaf| join.push(key, leaf));
        tally.sealed = join.sealed;
        if let Some(fresh) = join.end() {
            tally.read = fresh.unread.len();
            let read = read_all(&self.walk.rules, &fresh)?;
            let is_sealed = |taken: &Taken| taken.entry.kind == EntryKind::Sealed;
            tally.sealed += read.iter().filter(|(_, taken)| taken.as_ref().is_some_and(is_sealed)).count();
            let index = fresh.complete(&read, now_ns);
            if index != self.index {
                tally.index_error = index.save(&self.index_path).err().map(|error| error.to_string());
                self.index = index;
            }
        }
        self.tally = tally;
        Ok(self.index.manifest.clone())
    }

    /// Whether anything that counts was written, moved here or given other rights at or after a moment, also when its
    /// content is the same. Walks the tree and reads nothing.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    pub fn is_touched_since(&self, ctime_ns: i64) -> Result<bool, SnapshotError> {
        let mut is_touched = false;
        self.walk.all()?.for_each(|_, leaf| is_touched |= leaf.stat.ctime_ns >= ctime_ns);
        Ok(is_touched)
    }

    /// Returns what the last scan took; all zero before the first.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Walks the tree once and reads nothing; tells whether anything moved since an earlier stamp.
    pub fn quick_stamp(&self) -> Stamp {
        self.probe().stamp()
    }

    /// Returns something that takes the same stamps on its own, also while a scan runs.
    pub fn probe(&self) -> Probe {
        Probe(Arc::clone(&self.walk))
    }
}

/// The walk joined with the last index, both in order of their paths. As long as nothing differs nothing is built.
struct Join<'a> {
    old: &'a Index,
    /// The old row that comes next.
    at: usize,
    /// `None` while all rows have been the old ones.
    fresh: Option<Fresh>,
    sealed: usize,
}

/// An index in the making.
struct Fresh {
    body: Body,
    stats: Vec<Stat>,
    /// Rows whose content has to be read.
    unread: Vec<usize>,
    /// In these rows.
    bytes: u64,
}

impl<'a> Join<'a> {
    fn new(old: &'a Index) -> Self {
        Self { old, at: 0, fresh: None, sealed: 0 }
    }

    fn push(&mut self, key: &[u8], leaf: Leaf) {
        let at = self.at;
        let known = self.known(key);
        let Leaf { kind, size, stat } = leaf;
        let digest = if matches!(kind, EntryKind::Sealed | EntryKind::SealedDir) {
            self.sealed += 1;
            // Nothing is known but that it is there.
            Some(Digest(hash::bytes(b"")))
        } else {
            known.filter(|known| is_trusted(known, leaf)).map(|known| known.entry.digest)
        };
        let entry = Entry { kind, size, digest: digest.unwrap_or(Digest([0; 32])) };
        let is_old = digest.is_some() && known == Some(Taken { entry, stat }) && self.at == at + 1;
        if is_old && self.fresh.is_none() {
            return;
        }
        let fresh = self.fresh.get_or_insert_with(|| Fresh::prefix(self.old, at));
        if digest.is_none() {
            fresh.unread.push(fresh.body.len());
            fresh.bytes = fresh.bytes.saturating_add(size);
        }
        fresh.body.push(key, entry);
        fresh.stats.push(stat);
    }

    /// Returns the new index, or `None` when it is the old one.
    fn end(self) -> Option<Fresh> {
        let is_cut = self.at < self.old.stats.len();
        self.fresh.or_else(|| is_cut.then(|| Fresh::prefix(self.old, self.at)))
    }

    /// Goes to the old row of this path, or the first after it.
    fn known(&mut self, key: &[u8]) -> Option<Taken> {
        while let Some((path, taken)) = self.old.row(self.at) {
            let order = path.cmp(key);
            if order == std::cmp::Ordering::Greater {
                return None;
            }
            self.at += 1;
            if order == std::cmp::Ordering::Equal {
                return Some(taken);
            }
        }
        None
    }
}

/// Whether a file need not be read: it was at rest when it was hashed, and its stat is still the same.
fn is_trusted(known: &Taken, leaf: Leaf) -> bool {
    known.stat != Stat::NEVER
        && known.stat == leaf.stat
        && known.entry.size == leaf.size
        && known.entry.kind == leaf.kind
}

impl Fresh {
    fn prefix(old: &Index, rows: usize) -> Self {
        let stats = old.stats.get(..rows).unwrap_or_default().to_vec();
        Self { body: old.manifest.body().prefix(rows), stats, unread: Vec::new(), bytes: 0 }
    }

    /// Puts in what was read; rows of what has vanished go.
    fn complete(mut self, read: &[(usize, Option<Taken>)], now_ns: i64) -> Index {
        let mut gone = Vec::new();
        for (row, taken) in read {
            match taken {
                Some(taken) => {
                    self.body.set(*row, taken.entry);
                    if let Some(stat) = self.stats.get_mut(*row) {
                        *stat = if taken.stat.is_racy(now_ns) { Stat::NEVER } else { taken.stat };
                    }
                }
                None => gone.push(*row),
            }
        }
        if !gone.is_empty() {
            gone.sort_unstable();
            let stays = |row: &usize| gone.binary_search(row).is_err();
            let mut body = Body::with_capacity(self.body.len(), 0);
            let rows = self.body.iter().enumerate().filter(|(row, _)| stays(row));
            rows.for_each(|(_, (path, entry))| body.push(path, entry));
            let stats = self.stats.iter().enumerate().filter(|(row, _)| stays(row)).map(|(_, stat)| *stat);
            self.stats = stats.collect();
            self.body = body;
        }
        Index { manifest: Manifest::from_body(self.body), stats: self.stats }
    }
}

/// Reads every unread row, in no order; `None` where nothing is left.
fn read_all(rules: &Rules, fresh: &Fresh) -> Result<Vec<(usize, Option<Taken>)>, SnapshotError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Option<Taken>)>, PathError> {
        let (mut read, mut buffer) = (Vec::new(), Vec::new());
        while let Some(&row) = fresh.unread.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some((key, _)) = fresh.body.row(row) else { continue };
            let path = rules.base().path(key);
            read.push((row, content::take(&path, &mut buffer).at("read", &path)?));
        }
        Ok(read)
    };
    let is_much = fresh.unread.len() >= MANY_FILES || (fresh.bytes >= MANY_BYTES && fresh.unread.len() > 1);
    let others = if is_much { threads() - 1 } else { 0 };
    let read = thread::scope(|scope| {
        let others: Vec<_> = (0..others).map(|_| scope.spawn(work)).collect();
        let mut read = work()?;
        for other in others {
            match other.join() {
                Ok(found) => read.extend(found?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(read)
    });
    read.map_err(|source| SnapshotError::Walk { source })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tree, file};
    use super::*;
    use crate::model::RelPath;

    /// Makes the index say something else about a file, with the stat it really has or without one.
    fn forge(scanner: &mut Scanner, path: &str, is_racy: bool) {
        let forged = |(found, mut entry): (RelPath, Entry)| {
            if found.as_str() == Some(path) {
                entry.digest = Digest([9; 32]);
            }
            (found, entry)
        };
        let at = scanner.index.manifest.iter().position(|(found, _)| found.as_str() == Some(path)).unwrap();
        scanner.index.manifest = scanner.index.manifest.iter().map(forged).collect();
        let stat = Stat::of(&scanner.walk.rules.base().path(path.as_bytes()).symlink_metadata().unwrap());
        scanner.index.stats[at] = if is_racy { Stat::NEVER } else { stat };
    }

    /// What a scan with an empty index is about to read.
    fn fresh(scanner: &Scanner) -> Fresh {
        let empty = Index::default();
        let mut join = Join::new(&empty);
        scanner.walk.all().unwrap().for_each(|key, leaf| join.push(key, leaf));
        join.end().unwrap()
    }

    #[test]
    fn a_file_at_rest_is_not_read_again_and_a_racy_one_is() {
        let tree = Tree::new();
        tree.write("a", "same");
        let mut scanner = tree.scanner();
        scanner.scan().unwrap();
        forge(&mut scanner, "a", false);
        let trusted = scanner.scan().unwrap().get(&RelPath::from("a")).unwrap();
        assert_eq!((trusted.digest, scanner.tally().read), (Digest([9; 32]), 0), "the index is used at all");
        forge(&mut scanner, "a", true);
        assert_eq!(scanner.scan().unwrap().get(&RelPath::from("a")), Some(file("same")));
        assert_eq!(scanner.tally().read, 1);
    }

    #[test]
    fn a_file_written_again_as_it_was_is_touched() {
        use std::os::unix::fs::MetadataExt;
        let tree = Tree::new();
        tree.write("a", "same");
        let mut scanner = tree.scanner();
        let before = scanner.scan().unwrap();
        let made = scanner.walk.rules.base().path(b"a").metadata().unwrap();
        let made = made.ctime() * 1_000_000_000 + made.ctime_nsec();
        assert!(scanner.is_touched_since(made).unwrap());
        assert!(!scanner.is_touched_since(made + 1).unwrap());
        // The clock of the file system ticks at least every 10 ms: wait until it has.
        while !scanner.is_touched_since(made + 1).unwrap() {
            tree.write("a", "same");
        }
        assert!(before.diff(&scanner.scan().unwrap()).is_empty());
    }

    #[test]
    fn what_was_just_written_is_kept_as_racy_until_it_is_at_rest() {
        let tree = Tree::new();
        tree.write("a", "new");
        let mut scanner = tree.scanner();
        scanner.scan().unwrap();
        assert_eq!(scanner.index.stats, [Stat::NEVER]);
        let fresh = fresh(&scanner);
        let stat = fresh.stats[0];
        let read = read_all(&scanner.walk.rules, &fresh).unwrap();
        assert_eq!(fresh.complete(&read, stat.ctime_ns + 3_000_000_000).stats, [stat]);
    }

    #[test]
    fn rows_of_what_vanished_before_it_was_read_are_dropped() {
        let tree = Tree::new();
        for name in ["a", "b", "c", "d"] {
            tree.write(name, name);
        }
        let scanner = tree.scanner();
        let fresh = fresh(&scanner);
        tree.remove("b");
        tree.remove("d");
        let read = read_all(&scanner.walk.rules, &fresh).unwrap();
        let index = fresh.complete(&read, 0);
        let left: Vec<_> = index.manifest.iter().collect();
        assert_eq!(left, [(RelPath::from("a"), file("a")), (RelPath::from("c"), file("c"))]);
        assert_eq!(index.stats.len(), 2);
    }
}
