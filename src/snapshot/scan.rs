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
        let now_ns = clock::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
        let code_dir = self.walk.rules.base().dir();
        // Without this a code directory that is not mounted would look like one where everything was deleted.
        std::fs::read_dir(code_dir).at("list", code_dir).map_err(|source| SnapshotError::Walk { source })?;
        let walked = self.walk.all()?;
        let mut tally = Tally { dirs: walked.dirs, ..Tally::default() };
        let (mut join, old) = (Join::new(self.index.stats.len()), &self.index);
        let mut known = old.manifest.body().iter().zip(&old.stats).peekable();
        walked.for_each(|key, leaf| {
            while known.next_if(|((path, _), _)| *path < key).is_some() {}
            let found = known.next_if(|((path, _), _)| *path == key);
            join.push(key, leaf, found.map(|((_, entry), stat)| Taken { entry, stat: *stat }));
        });
        drop(known);
        tally.read = join.unread.len();
        let read = read_all(&self.walk.rules, &join)?;
        let index = join.complete(&read, now_ns);
        let kinds = index.manifest.body().iter().map(|(_, entry)| entry.kind);
        tally.sealed = kinds.filter(|kind| matches!(kind, EntryKind::Sealed | EntryKind::SealedDir)).count();
        if index != self.index {
            tally.index_error = index.save(&self.index_path).err().map(|error| error.to_string());
            self.index = index;
        }
        self.tally = tally;
        Ok(self.index.manifest.clone())
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

/// An index in the making.
struct Join {
    body: Body,
    stats: Vec<Stat>,
    /// Rows whose content has to be read.
    unread: Vec<usize>,
    bytes: u64,
}

impl Join {
    fn new(rows: usize) -> Self {
        let body = Body::with_capacity(rows, rows * 32);
        Self { body, stats: Vec::with_capacity(rows), unread: Vec::new(), bytes: 0 }
    }

    fn push(&mut self, key: &[u8], leaf: Leaf, known: Option<Taken>) {
        let Leaf { kind, size, stat } = leaf;
        let is_link = |kind| kind == EntryKind::Link;
        let is_same = |known: &Taken| {
            known.stat == stat && known.entry.size == size && is_link(known.entry.kind) == is_link(kind)
        };
        let sealed = matches!(kind, EntryKind::Sealed | EntryKind::SealedDir);
        let digest = if sealed {
            // Nothing is known but that it is there.
            Digest(hash::bytes(b""))
        } else if let Some(known) = known.filter(|known| known.stat != Stat::NEVER && is_same(known)) {
            known.entry.digest
        } else {
            self.unread.push(self.body.len());
            self.bytes = self.bytes.saturating_add(size);
            Digest([0; 32])
        };
        self.body.push(key, Entry { kind, size, digest });
        self.stats.push(stat);
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
fn read_all(rules: &Rules, join: &Join) -> Result<Vec<(usize, Option<Taken>)>, SnapshotError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Option<Taken>)>, PathError> {
        let (mut read, mut buffer) = (Vec::new(), Vec::new());
        while let Some(&row) = join.unread.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some((key, _)) = join.body.row(row) else { continue };
            let path = rules.base().path(key);
            read.push((row, content::take(&path, &mut buffer).at("read", &path)?));
        }
        Ok(read)
    };
    let is_much = join.unread.len() >= MANY_FILES || (join.bytes >= MANY_BYTES && join.unread.len() > 1);
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
    fn what_was_just_written_is_kept_as_racy_until_it_is_at_rest() {
        let tree = Tree::new();
        tree.write("a", "new");
        let mut scanner = tree.scanner();
        scanner.scan().unwrap();
        assert_eq!(scanner.index.stats, [Stat::NEVER]);
        let walked = scanner.walk.all().unwrap();
        let mut join = Join::new(1);
        walked.for_each(|key, leaf| join.push(key, leaf, None));
        let read = read_all(&scanner.walk.rules, &join).unwrap();
        let later_ns = join.stats[0].ctime_ns + 3_000_000_000;
        let stat = join.stats[0];
        assert_eq!(join.complete(&read, later_ns).stats, [stat]);
    }

    #[test]
    fn rows_of_what_vanished_before_it_was_read_are_dropped() {
        let tree = Tree::new();
        for name in ["a", "b", "c", "d"] {
            tree.write(name, name);
        }
        let scanner = tree.scanner();
        let mut join = Join::new(4);
        scanner.walk.all().unwrap().for_each(|key, leaf| join.push(key, leaf, None));
        tree.remove("b");
        tree.remove("d");
        let read = read_all(&scanner.walk.rules, &join).unwrap();
        let index = join.complete(&read, 0);
        let left: Vec<_> = index.manifest.iter().collect();
        assert_eq!(left, [(RelPath::from("a"), file("a")), (RelPath::from("c"), file("c"))]);
        assert_eq!(index.stats.len(), 2);
    }
}
