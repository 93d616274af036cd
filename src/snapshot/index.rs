//! The stat index: what each file was when it was last hashed. A cache; losing it costs time only.
//!
//! Invariant: what is loaded was saved by this program, whole; anything else is an empty index.

use std::path::Path;

use super::codec::{self, Source};
use super::content::{Stat, Taken};
use super::manifest::{Body, Manifest, put_row, take_row};
use crate::sys::fs::{Context, Durability, PathError, read_capped, write_atomic};

const MARK: [u8; 8] = *b"adv-stat";
/// 8 GiB: some 60 million files. Beyond that the file is not ours.
const FILE_LIMIT: u64 = 8 << 30;

/// A manifest, and the stat of each of its entries.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Index {
    pub(super) manifest: Manifest,
    /// As many as the manifest has entries; [`Stat::NEVER`] for those that have to be read again.
    pub(super) stats: Vec<Stat>,
}

impl Index {
    /// Reads an index; empty when there is none, or not a sound one.
    pub(super) fn load(path: &Path) -> Self {
        let file = read_capped(path, FILE_LIMIT).unwrap_or_default();
        codec::open(MARK, &file).ok().and_then(|mut source| Self::rows(&mut source)).unwrap_or_default()
    }

    /// Writes the index; readers never see half of it.
    ///
    /// # Errors
    /// When it cannot be written; an older one is then as it was.
    pub(super) fn save(&self, path: &Path) -> Result<(), PathError> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).at("create", dir)?;
        }
        write_atomic(path, &codec::seal(self.encode()), Durability::Cached)
    }

    /// Returns a row and its path.
    pub(super) fn row(&self, at: usize) -> Option<(&[u8], Taken)> {
        let (path, entry) = self.manifest.body().row(at)?;
        Some((path, Taken { entry, stat: *self.stats.get(at)? }))
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = codec::begin(MARK, self.stats.len() * 96);
        codec::put(&mut out, self.stats.len() as u64);
        let mut last: &[u8] = &[];
        for ((path, entry), stat) in self.manifest.body().iter().zip(&self.stats) {
            put_row(&mut out, last, path, entry);
            last = path;
            out.extend_from_slice(&stat.mtime_ns.to_le_bytes());
            out.extend_from_slice(&stat.ctime_ns.to_le_bytes());
            codec::put(&mut out, stat.inode);
            codec::put(&mut out, stat.device);
        }
        out
    }

    fn rows(source: &mut Source<'_>) -> Option<Self> {
        let count = source.size()?;
        // A row takes at least 54 bytes: a wrong count must not reserve memory.
        let rows = count.min(source.left() / 54);
        let (mut body, mut stats) = (Body::with_capacity(rows, source.left() / 4), Vec::with_capacity(rows));
        for _ in 0..count {
            take_row(source, &mut body)?;
            stats.push(Stat {
                mtime_ns: i64::from_le_bytes(source.array()?),
                ctime_ns: i64::from_le_bytes(source.array()?),
                inode: source.number()?,
                device: source.number()?,
            });
        }
        (source.left() == 0).then(|| Self { manifest: Manifest::from_body(body), stats })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, RelPath};
    use crate::snapshot::{Entry, EntryKind};

    fn index() -> Index {
        let entry = Entry { kind: EntryKind::Executable, size: 300, digest: Digest([7; 32]) };
        let manifest: Manifest =
            ["a", "src/lib.rs", "src/main.rs"].map(|path| (RelPath::from(path), entry)).into_iter().collect();
        let stat = Stat { mtime_ns: -1, ctime_ns: 1_795_000_000_123_456_789, inode: 77_000, device: 65_024 };
        Index { manifest, stats: vec![stat, Stat::NEVER, stat] }
    }

    #[test]
    fn an_index_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/index");
        index().save(&path).unwrap();
        assert!(Index::load(&path) == index());
        assert!(Index::load(&dir.path().join("none")) == Index::default());
    }

    #[test]
    fn any_damage_makes_it_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let bytes = codec::seal(index().encode());
        let check = |damaged: &[u8], what: &str| {
            write_atomic(&path, damaged, Durability::Cached).unwrap();
            assert!(Index::load(&path) == Index::default(), "{what}");
        };
        for length in 0..bytes.len() {
            check(&bytes[..length], &format!("cut to {length}"));
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check(&flipped, &format!("bit {bit}"));
        }
        check(&[bytes.as_slice(), b"more"].concat(), "longer");
        check(b"DIRC\0\0\0\x02 the index of another program", "foreign");
    }
}
