//! What counts in the tree, by path, and how two such lists differ.
//!
//! A manifest does not know when it was taken or by which rules. Invariant: paths are unique and in byte order.

use std::cmp::Ordering;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::codec::{self, Source};
use super::{Damage, SnapshotError};
use crate::model::{Change, ChangeKind, Digest, RelPath};
use crate::sys::fs::{Context, Durability, PathError, read_capped, write_atomic};
use crate::sys::hash;

const MARK: [u8; 8] = *b"adv-tree";
/// 4 GiB: some 60 million entries. Beyond that the file is not ours.
const FILE_LIMIT: u64 = 4 << 30;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Of which type, and whether it could be read.
    pub kind: EntryKind,
    /// Bytes of the file or of the link's target text.
    pub size: u64,
    /// Of the content; of size and modification time when it could not be read.
    pub digest: Digest,
}

/// The type of what is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A regular file its owner may execute.
    Executable,
    /// A symbolic link; its content is the text of its target.
    Link,
    /// A file that cannot be read.
    Sealed,
    /// A directory that cannot be listed.
    SealedDir,
}

impl EntryKind {
    fn code(self) -> u8 {
        match self {
            Self::File => 0,
            Self::Executable => 1,
            Self::Link => 2,
            Self::Sealed => 3,
            Self::SealedDir => 4,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::File, Self::Executable, Self::Link, Self::Sealed, Self::SealedDir].into_iter().find(|k| k.code() == code)
    }
}

/// Everything that counts in the tree, in byte order of the paths. Cheap to clone.
#[derive(Clone, Default)]
pub struct Manifest {
    body: Arc<Body>,
}

/// Paths one after another in one buffer: a million of them must not be a million allocations.
#[derive(Default, PartialEq)]
pub(super) struct Body {
    paths: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Clone, Copy, PartialEq)]
struct Row {
    end: usize,
    entry: Entry,
}

impl Manifest {
    /// Returns how many paths count.
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing counts.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what is at a path; `None` when nothing that counts is there.
    pub fn get(&self, path: &RelPath) -> Option<Entry> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, entry) = self.body.row(middle)?;
            match found.cmp(path.as_bytes()) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(entry),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Yields all paths with what is there, in byte order.
    pub fn iter(&self) -> impl Iterator<Item = (RelPath, Entry)> + '_ {
        self.body.iter().map(|(path, entry)| (RelPath::from_bytes(path), entry))
    }

    /// Returns what has to happen to `self` to make it `other`, by path in byte order, each path once.
    pub fn diff(&self, other: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if Arc::ptr_eq(&self.body, &other.body) {
            return changes;
        }
        let mut push = |path: &[u8], kind| changes.push(Change { path: RelPath::from_bytes(path), kind });
        let (mut before, mut after) = (self.body.iter().peekable(), other.body.iter().peekable());
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => return changes,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = if order == Ordering::Greater { None } else { before.next() };
            let new = if order == Ordering::Less { None } else { after.next() };
            match (old, new) {
                (Some((path, old)), Some((_, new))) if old != new => push(path, ChangeKind::Modified),
                (Some((path, _)), None) => push(path, ChangeKind::Removed),
                (None, Some((path, _))) => push(path, ChangeKind::Added),
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
    }

    /// Returns those of `paths` that are not as they were in `base`, in byte order, each path once.
    pub fn changed_among<'a>(&self, paths: impl IntoIterator<Item = &'a RelPath>, base: &Self) -> Vec<Change> {
        let changed = paths.into_iter().filter_map(|path| {
            let kind = match (base.get(path), self.get(path)) {
                (Some(old), Some(new)) if old != new => ChangeKind::Modified,
                (Some(_), None) => ChangeKind::Removed,
                (None, Some(_)) => ChangeKind::Added,
                (Some(_), Some(_)) | (None, None) => return None,
            };
            Some(Change { path: path.clone(), kind })
        });
        let mut changes: Vec<Change> = changed.collect();
        changes.sort();
        changes.dedup();
        changes
    }

    /// Returns one digest for the whole: equal exactly for equal manifests. Costs one pass over it.
    pub fn digest(&self) -> Digest {
        Digest(hash::bytes(&self.encode()))
    }

    /// Writes the manifest as a whole; it survives a power cut once this returns.
    ///
    /// # Errors
    /// When the directory cannot be made or the file not be written; an older file is then as it was.
    pub fn save(&self, path: &Path) -> Result<(), SnapshotError> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        Ok(write_atomic(path, &codec::seal(self.encode()), Durability::Synced)?)
    }

    /// Reads a manifest written by [`Manifest::save`].
    ///
    /// # Errors
    /// When the file cannot be read, or is not byte for byte what was written.
    pub fn load(path: &Path) -> Result<Self, SnapshotError> {
        let file = read_capped(path, FILE_LIMIT).map_err(|source: PathError| SnapshotError::File { source })?;
        Self::decode(&file).map_err(|why| SnapshotError::Damaged { path: path.to_path_buf(), why })
    }

    pub(super) fn from_body(body: Body) -> Self {
        Self { body: Arc::new(body) }
    }

    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = codec::begin(MARK, self.len() * 64);
        codec::put(&mut out, self.len() as u64);
        let mut last: &[u8] = &[];
        for (path, entry) in self.body.iter() {
            put_row(&mut out, last, path, entry);
            last = path;
        }
        out
    }

    fn decode(file: &[u8]) -> Result<Self, Damage> {
        let mut source = codec::open(MARK, file)?;
        let body = Self::rows(&mut source).filter(|_| source.left() == 0).ok_or(Damage::Content)?;
        Ok(Self::from_body(body))
    }

    fn rows(source: &mut Source<'_>) -> Option<Body> {
        let count = source.size()?;
        // A row takes at least 36 bytes: a wrong count must not reserve memory.
        let mut body = Body::with_capacity(count.min(source.left() / 36), source.left() / 4);
        for _ in 0..count {
            take_row(source, &mut body)?;
        }
        Some(body)
    }
}

impl Body {
    pub(super) fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self { paths: Vec::with_capacity(bytes), rows: Vec::with_capacity(rows) }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns a copy of the first `rows` rows, with room for as many as there are.
    pub(super) fn prefix(&self, rows: usize) -> Self {
        let mut body = Self::with_capacity(self.rows.len(), self.paths.len());
        body.rows.extend_from_slice(self.rows.get(..rows).unwrap_or(&self.rows));
        body.paths.extend_from_slice(self.paths.get(..body.rows.last().map_or(0, |row| row.end)).unwrap_or_default());
        body
    }

    /// Adds a row; its path, which must come after all others, is what the buffer holds beyond the last row and `path`.
    pub(super) fn push(&mut self, path: &[u8], entry: Entry) {
        self.paths.extend_from_slice(path);
        self.rows.push(Row { end: self.paths.len(), entry });
    }

    pub(super) fn row(&self, at: usize) -> Option<(&[u8], Entry)> {
        let row = self.rows.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, |before| before.end);
        Some((self.paths.get(start..row.end)?, row.entry))
    }

    pub(super) fn set(&mut self, at: usize, entry: Entry) {
        if let Some(row) = self.rows.get_mut(at) {
            row.entry = entry;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Entry)> {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let path = self.paths.get(start..row.end).unwrap_or_default();
            start = row.end;
            (path, row.entry)
        })
    }

    pub(super) fn last_path(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).and_then(|last| self.row(last)).map(|(path, _)| path)
    }
}

/// Appends one row, given the path before it.
pub(super) fn put_row(out: &mut Vec<u8>, last: &[u8], path: &[u8], entry: Entry) {
    let shared = last.iter().zip(path).take_while(|(a, b)| a == b).count();
    let rest = path.get(shared..).unwrap_or_default();
    codec::put(out, shared as u64);
    codec::put(out, rest.len() as u64);
    out.extend_from_slice(rest);
    out.push(entry.kind.code());
    codec::put(out, entry.size);
    out.extend_from_slice(&entry.digest.0);
}

/// Reads one row and adds it; `None` when it makes no sense or is out of order.
pub(super) fn take_row(source: &mut Source<'_>, body: &mut Body) -> Option<()> {
    let (shared, length) = (source.size()?, source.size()?);
    let rest = source.bytes(length)?;
    let last = body.last_path().unwrap_or_default();
    let is_next = body.len() == 0 || rest > last.get(shared..)?;
    let start = body.paths.len() - last.len();
    if !is_next || shared > last.len() {
        return None;
    }
    let [code] = source.array()?;
    let kind = EntryKind::from_code(code)?;
    let size = source.number()?;
    let entry = Entry { kind, size, digest: Digest(source.array()?) };
    body.paths.extend_from_within(start..start + shared);
    body.push(rest, entry);
    Some(())
}

impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body) || self.body == other.body
    }
}

impl Eq for Manifest {}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(RelPath, Entry)> for Manifest {
    /// Collects entries in any order; of equal paths the last one stays.
    fn from_iter<I: IntoIterator<Item = (RelPath, Entry)>>(entries: I) -> Self {
        let sorted: std::collections::BTreeMap<RelPath, Entry> = entries.into_iter().collect();
        let mut body = Body::default();
        for (path, entry) in &sorted {
            body.push(path.as_bytes(), *entry);
        }
        Self::from_body(body)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn file(content: &str) -> Entry {
        let digest = Digest(hash::bytes(content.as_bytes()));
        Entry { kind: EntryKind::File, size: content.len() as u64, digest }
    }

    fn manifest(files: &[(&str, &str)]) -> Manifest {
        files.iter().map(|(path, content)| (RelPath::from(*path), file(content))).collect()
    }

    fn shown(changes: &[Change]) -> Vec<String> {
        changes.iter().map(|change| format!("{:?} {}", change.kind, change.path)).collect()
    }

    #[test]
    fn a_rename_is_removed_and_added() {
        let base = manifest(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let after = manifest(&[("a", "1"), ("c", "4"), ("d", "2")]);
        assert_eq!(shown(&base.diff(&after)), ["Removed b", "Modified c", "Added d"]);
        assert!(base.diff(&base.clone()).is_empty());
        assert!(base.diff(&manifest(&[("c", "3"), ("b", "2"), ("a", "1")])).is_empty());
    }

    #[test]
    fn the_type_and_the_executable_bit_are_content() {
        let base = manifest(&[("a", "1")]);
        for kind in [EntryKind::Executable, EntryKind::Link, EntryKind::Sealed] {
            let after: Manifest = [(RelPath::from("a"), Entry { kind, ..file("1") })].into_iter().collect();
            assert_eq!(shown(&base.diff(&after)), ["Modified a"]);
            assert_ne!(base.digest(), after.digest());
        }
    }

    #[test]
    fn touched_paths_are_told_from_changed_ones() {
        let base = manifest(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let after = manifest(&[("a", "1"), ("b", "9"), ("d", "4")]);
        let touched = ["d", "b", "a", "c", "b", "nowhere"].map(RelPath::from);
        assert_eq!(shown(&after.changed_among(&touched, &base)), ["Modified b", "Removed c", "Added d"]);
        assert!(after.changed_among(&touched[2..3], &base).is_empty());
    }

    #[test]
    fn a_manifest_comes_back_from_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("snapshots/base");
        let weird = (RelPath::from_bytes(&b"we\xffird\n"[..]), Entry { kind: EntryKind::SealedDir, ..file("") });
        let saved: Manifest = manifest(&[("a", "1"), ("a/b", "2"), ("a.b", "")]).iter().chain([weird]).collect();
        saved.save(&path).unwrap();
        let loaded = Manifest::load(&path).unwrap();
        assert_eq!(loaded, saved);
        assert_eq!(loaded.digest(), saved.digest());
        assert_eq!(loaded.get(&RelPath::from("a/b")), Some(file("2")));
        assert_eq!(loaded.get(&RelPath::from("a/")), None);
        Manifest::default().save(&path).unwrap();
        assert!(Manifest::load(&path).unwrap().is_empty());
    }

    #[test]
    fn a_damaged_manifest_is_a_clear_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("base");
        let bytes = codec::seal(manifest(&[("src/a.rs", "1"), ("src/b.rs", "2")]).encode());
        for length in 0..bytes.len() {
            write_atomic(&path, &bytes[..length], Durability::Cached).unwrap();
            assert!(Manifest::load(&path).is_err(), "cut to {length} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&flipped).is_err(), "bit {bit}");
        }
        write_atomic(&path, &bytes[..40], Durability::Cached).unwrap();
        let error = Manifest::load(&path).unwrap_err();
        assert!(error.to_string().contains("base: truncated or damaged"), "{error}");
        assert!(error.hint().is_some());
        assert!(Manifest::load(&dir.path().join("none")).unwrap_err().to_string().contains("none"));
    }

    #[test]
    fn a_sealed_lie_is_refused_without_reserving_memory() {
        let mut out = codec::begin(MARK, 0);
        codec::put(&mut out, u64::MAX);
        assert_eq!(Manifest::decode(&codec::seal(out)), Err(Damage::Content));
        let mut unsorted = codec::begin(MARK, 0);
        codec::put(&mut unsorted, 2);
        put_row(&mut unsorted, b"", b"b", file("1"));
        put_row(&mut unsorted, b"b", b"a", file("1"));
        assert_eq!(Manifest::decode(&codec::seal(unsorted)), Err(Damage::Content));
    }

    fn tree() -> impl Strategy<Value = BTreeMap<Vec<u8>, u8>> {
        let path = prop::collection::vec(prop::sample::select(&b"ab/.\xff"[..]), 1..5);
        prop::collection::btree_map(path, 0..3u8, 0..12)
    }

    fn to_manifest(tree: &BTreeMap<Vec<u8>, u8>) -> Manifest {
        tree.iter().map(|(path, content)| (RelPath::from_bytes(path.clone()), file(&content.to_string()))).collect()
    }

    proptest! {
        #[test]
        fn a_diff_applied_to_the_one_gives_the_other(a in tree(), b in tree()) {
            let (before, after) = (to_manifest(&a), to_manifest(&b));
            let changes = before.diff(&after);
            prop_assert!(changes.is_sorted_by(|x, y| x.path < y.path), "sorted, each path once");
            let mut applied: BTreeMap<RelPath, Entry> = before.iter().collect();
            for change in &changes {
                let old = match after.get(&change.path) {
                    Some(entry) => applied.insert(change.path.clone(), entry),
                    None => applied.remove(&change.path),
                };
                prop_assert_eq!(old.is_none(), change.kind == ChangeKind::Added);
                prop_assert_eq!(after.get(&change.path).is_none(), change.kind == ChangeKind::Removed);
            }
            prop_assert_eq!(applied.into_iter().collect::<Manifest>(), after.clone());
            let all: Vec<RelPath> = before.iter().chain(after.iter()).map(|(path, _)| path).collect();
            prop_assert_eq!(after.changed_among(&all, &before), changes);
            prop_assert_eq!(before.digest() == after.digest(), before == after);
            prop_assert_eq!(Manifest::decode(&codec::seal(after.encode())), Ok(after));
        }
    }
}
