//! What a single file or link is: its stat, and its content.
//!
//! Invariant: a stat that [`Taken`] carries was taken from the file whose bytes were hashed, and was still the same after
//! the last byte; where that cannot be had it is [`Stat::NEVER`], which equals nothing on disk.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc::{ELOOP, EMFILE, ENFILE, ENOMEM, O_NOFOLLOW, O_NONBLOCK};

use super::manifest::{Entry, EntryKind};
use crate::model::Digest;
use crate::sys::hash;

/// Files up to this are read in one piece, larger ones as a stream.
const PIECE: u64 = 256 * 1024;
/// A file that is being written differs after each read; this often it is tried again.
const TRIES: u32 = 3;

/// What tells a file apart from its earlier self without reading it. The size is in the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    pub(super) inode: u64,
    pub(super) device: u64,
}

impl Stat {
    /// No file's stat: who has it is read again. Inode 0 is never given to a file.
    pub(super) const NEVER: Self = Self { mtime_ns: 0, ctime_ns: 0, inode: 0, device: 0 };

    pub(super) fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, rest: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest);
        Self {
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    /// Whether the file may change again without its stat showing it, seen from `now_ns` (the start of the scan).
    /// The change time cannot be set by programs, but it has the granularity of the file system's clock.
    pub(super) fn is_racy(&self, now_ns: i64) -> bool {
        // 50 ms: five ticks of a kernel with CONFIG_HZ=100. A change time of whole seconds may come from a
        // file system that keeps no more (2 s on FAT).
        let window = if self.ctime_ns % 1_000_000_000 == 0 { 2_050_000_000 } else { 50_000_000 };
        self.ctime_ns.saturating_add(window) >= now_ns
    }
}

/// A path's entry with the stat that vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) entry: Entry,
    pub(super) stat: Stat,
}

/// Returns the type of what counts; `None` for directories and for what never counts.
pub(super) fn kind(metadata: &Metadata) -> Option<EntryKind> {
    let file_type = metadata.file_type();
    if file_type.is_symlink() {
        Some(EntryKind::Link)
    } else if !file_type.is_file() {
        None
    } else if metadata.mode() & 0o100 == 0 {
        Some(EntryKind::File)
    } else {
        Some(EntryKind::Executable)
    }
}

/// Reads a file or link; `None` when nothing that counts is there any more.
///
/// # Errors
/// Only when this process has run out of something; what is wrong with the file is in the entry.
pub(super) fn take(path: &Path, buffer: &mut Vec<u8>) -> io::Result<Option<Taken>> {
    let mut last = None;
    for _ in 0..TRIES {
        let before = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => {
                fail(error)?;
                return Ok(Some(sealed(None)));
            }
        };
        let Some(kind) = kind(&before) else { return Ok(None) };
        let read = if kind == EntryKind::Link { read_link(path, &before) } else { read_file(path, buffer) };
        match read {
            Ok(Some((taken, is_steady))) if is_steady => return Ok(Some(taken)),
            Ok(Some((taken, _))) => last = Some(Taken { stat: Stat::NEVER, ..taken }),
            // It was replaced by something else in between.
            Ok(None) => {}
            Err(error) if is_gone(&error) => {}
            Err(error) => {
                fail(error)?;
                return Ok(Some(sealed(Some(&before))));
            }
        }
    }
    Ok(last)
}

/// Returns the entry of a file that cannot be read, by what its stat says, if even that may be asked.
fn sealed(known: Option<&Metadata>) -> Taken {
    let size = known.map_or(0, Metadata::len);
    let text = known.map(|metadata| format!("{size} {}", Stat::of(metadata).mtime_ns)).unwrap_or_default();
    let digest = Digest(hash::bytes(text.as_bytes()));
    Taken { entry: Entry { kind: EntryKind::Sealed, size, digest }, stat: Stat::NEVER }
}

/// Whether an error means that the path is not there, or not of that type any more.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Passes on errors that are about this process, not about the file.
pub(super) fn fail(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() {
        Some(EMFILE | ENFILE | ENOMEM) => Err(error),
        _ => Ok(()),
    }
}

fn read_link(path: &Path, before: &Metadata) -> io::Result<Option<(Taken, bool)>> {
    let target = match path.read_link() {
        Ok(target) => target,
        // Not a link any more.
        Err(error) if error.kind() == ErrorKind::InvalidInput => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = target.as_os_str().as_bytes();
    let entry = Entry { kind: EntryKind::Link, size: text.len() as u64, digest: Digest(hash::bytes(text)) };
    let stat = Stat::of(before);
    let is_steady = Stat::of(&path.symlink_metadata()?) == stat;
    Ok(Some((Taken { entry, stat }, is_steady)))
}

fn read_file(path: &Path, buffer: &mut Vec<u8>) -> io::Result<Option<(Taken, bool)>> {
    let mut options = OpenOptions::new();
    // Whatever has taken the file's place since: a link is not followed, a pipe is not waited for.
    let mut file = match options.read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(ELOOP) => return Ok(None),
        Err(error) => return Err(error),
    };
    let before = file.metadata()?;
    let Some(kind) = kind(&before) else { return Ok(None) };
    let (size, digest) = digest(&mut file, before.len(), buffer)?;
    let after = file.metadata()?;
    let stat = Stat::of(&before);
    let is_steady = stat == Stat::of(&after) && size == after.len();
    Ok(Some((Taken { entry: Entry { kind, size, digest: Digest(digest) }, stat }, is_steady)))
}

/// Returns how many bytes there really were, and their digest.
fn digest(file: &mut File, size: u64, buffer: &mut Vec<u8>) -> io::Result<(u64, [u8; 32])> {
    if size <= PIECE {
        buffer.clear();
        let read = file.by_ref().take(PIECE + 1).read_to_end(buffer)? as u64;
        if read <= PIECE {
            return Ok((read, hash::bytes(buffer)));
        }
        std::io::Seek::rewind(file)?;
    }
    let digest = hash::reader(file)?;
    Ok((std::io::Seek::stream_position(file)?, digest))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_digest_is_that_of_the_bytes_whatever_the_size() {
        let dir = tempfile::tempdir().unwrap();
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let content = vec![b'x'; size as usize];
            let path = dir.path().join("file");
            File::create(&path).unwrap().write_all(&content).unwrap();
            let taken = take(&path, &mut Vec::new()).unwrap().unwrap();
            assert_eq!(taken.entry.size, size);
            assert_eq!(taken.entry.digest, Digest(hash::bytes(&content)));
            assert_eq!(taken.stat, Stat::of(&path.metadata().unwrap()));
        }
    }

    #[test]
    fn what_does_not_count_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(take(&pipe, &mut Vec::new()).unwrap(), None);
        assert!(read_file(&pipe, &mut Vec::new()).unwrap().is_none(), "a pipe in a file's place is not waited for");
        assert_eq!(take(dir.path(), &mut Vec::new()).unwrap(), None);
        assert_eq!(take(&dir.path().join("none"), &mut Vec::new()).unwrap(), None);
        assert_eq!(take(&dir.path().join("pipe/none"), &mut Vec::new()).unwrap(), None);
        std::os::unix::fs::symlink("pipe", dir.path().join("link")).unwrap();
        assert!(read_file(&dir.path().join("link"), &mut Vec::new()).unwrap().is_none(), "a link is not followed");
        let link = take(&dir.path().join("link"), &mut Vec::new()).unwrap().unwrap();
        assert_eq!(link.entry.digest, Digest(hash::bytes(b"pipe")));
    }

    #[test]
    fn a_file_at_rest_is_not_racy() {
        let at = |ctime_ns| Stat { ctime_ns, ..Stat::NEVER };
        let now = 1_000_000_000_123;
        assert!(at(now - 49_000_000).is_racy(now));
        assert!(!at(now - 51_000_000).is_racy(now));
        assert!(at(now + 5_000_000_000).is_racy(now), "a clock ahead of ours");
        assert!(at(999_000_000_000).is_racy(now), "whole seconds may be a coarse clock");
        assert!(!at(997_000_000_000).is_racy(now));
    }

    #[test]
    fn a_file_whose_bytes_cannot_be_had_is_sealed() {
        // Reading the first page of any process fails with EIO, for root as well.
        let taken = take(Path::new("/proc/self/mem"), &mut Vec::new()).unwrap().unwrap();
        assert_eq!((taken.entry.kind, taken.stat), (EntryKind::Sealed, Stat::NEVER));
    }

    #[test]
    fn lack_of_resources_is_our_failure_and_not_the_file_s() {
        assert!(fail(io::Error::from_raw_os_error(EMFILE)).is_err());
        assert!(fail(io::Error::from(ErrorKind::PermissionDenied)).is_ok());
    }
}
