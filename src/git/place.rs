//! Where the project is in the work tree, and what is on the disk at a path.
//!
//! Git speaks of paths from the top of the work tree, everybody else from the code directory. Invariant: what comes
//! out of [`Place::look`] as present is a regular file or a symbolic link, inside the code directory, reached through
//! real directories only, and in no other repository.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::model::{Change, ChangeKind, RelPath};
use crate::sys::fs::{Context as _, PathError};

/// A path from the top of the work tree, `/`-separated, as git knows it.
pub(super) type RootPath = Vec<u8>;

/// A path that was left as it is, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub path: RelPath,
    /// One clause, for people.
    pub reason: &'static str,
}

/// The top of the work tree and the code directory in it.
#[derive(Debug)]
pub(super) struct Place {
    top: PathBuf,
    /// Empty, or ending with `/`.
    prefix: Vec<u8>,
}

/// Paths by what is on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    /// A file or a symbolic link.
    pub(super) present: Vec<RootPath>,
    /// Nothing.
    pub(super) gone: Vec<RootPath>,
    /// Nothing that could be a file: it was one, and is a directory or below a symbolic link now.
    pub(super) buried: Vec<RootPath>,
    /// Not to be touched.
    pub(super) left_out: Vec<LeftOut>,
}

/// What a directory on the way to a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Directory,
    Missing,
    /// A file where a directory should be.
    File,
    Symlink,
    /// The top of another repository.
    Foreign,
}

impl Place {
    pub(super) fn new(top: PathBuf, mut prefix: Vec<u8>) -> Self {
        if !prefix.is_empty() && !prefix.ends_with(b"/") {
            prefix.push(b'/');
        }
        Self { top, prefix }
    }

    /// Returns the path from the top; `None` for what cannot be inside the code directory or is git's own.
    pub(super) fn rooted(&self, path: &RelPath) -> Option<RootPath> {
        let bytes = path.as_bytes();
        let is_plain = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
        let is_ours = |part: &[u8]| is_plain(part) && !part.eq_ignore_ascii_case(b".git");
        let is_inside = !bytes.contains(&0) && bytes.split(|b| *b == b'/').all(is_ours);
        is_inside.then(|| [self.prefix.as_slice(), bytes].concat())
    }

    /// Returns the path from the code directory; `None` for what is outside of it.
    pub(super) fn relative(&self, path: &[u8]) -> Option<RelPath> {
        path.strip_prefix(self.prefix.as_slice()).map(RelPath::from_bytes)
    }

    /// Returns the path as the operating system wants it.
    pub(super) fn on_disk(&self, path: &[u8]) -> PathBuf {
        self.top.join(Path::new(std::ffi::OsStr::from_bytes(path)))
    }

    /// Returns where the code directory is when the top is elsewhere.
    pub(super) fn code_dir_in(&self, top: &Path) -> PathBuf {
        let prefix = self.prefix.strip_suffix(b"/").unwrap_or(&self.prefix);
        if prefix.is_empty() { top.to_path_buf() } else { top.join(std::ffi::OsStr::from_bytes(prefix)) }
    }

    /// Whether the directory is the code directory or one above it: never removed, even when empty.
    pub(super) fn is_above_code(&self, dir: &[u8]) -> bool {
        dir.is_empty() || self.prefix.starts_with(&[dir, b"/"].concat())
    }

    /// Looks at every path once.
    ///
    /// # Errors
    /// When a path can be neither seen nor known to be missing, for example without permission.
    pub(super) fn look(&self, changes: &[Change]) -> Result<Looks, PathError> {
        let mut ways = Ways::default();
        let mut looks = Looks::default();
        for Change { path, kind } in changes {
            match self.rooted(path) {
                Some(rooted) => {
                    let look = self.look_at(&rooted, &mut ways)?;
                    looks.add(rooted, path, look, *kind == ChangeKind::Removed);
                }
                None => looks.left_out.push(LeftOut { path: path.clone(), reason: "it is outside of the project" }),
            }
        }
        Ok(looks)
    }

    /// The same for paths from the top, also outside of the code directory. A directory counts as a file that is gone.
    ///
    /// # Errors
    /// As [`Place::look`].
    pub(super) fn look_rooted<'a>(&self, paths: impl Iterator<Item = &'a RootPath>) -> Result<Looks, PathError> {
        let mut ways = Ways::default();
        let mut looks = Looks::default();
        for path in paths.filter(|path| !path.ends_with(b"/")) {
            let look = self.look_at(path, &mut ways)?;
            looks.add(path.clone(), &RelPath::from_bytes(path.clone()), look, true);
        }
        Ok(looks)
    }

    fn look_at(&self, path: &[u8], ways: &mut Ways) -> Result<Look, PathError> {
        match ways.to(self, path)? {
            Way::Directory => {}
            Way::Missing | Way::File => return Ok(Look::Gone),
            Way::Symlink => return Ok(Look::Buried),
            Way::Foreign => return Ok(Look::Foreign),
        }
        let disk = self.on_disk(path);
        let Some(metadata) = present(&disk)? else { return Ok(Look::Gone) };
        let kind = metadata.file_type();
        Ok(if kind.is_file() || kind.is_symlink() {
            Look::Present
        } else if kind.is_dir() {
            if present(&disk.join(".git"))?.is_some() { Look::Foreign } else { Look::Directory }
        } else {
            Look::Special
        })
    }
}

impl Looks {
    /// Whether there is nothing to take or remove.
    pub(super) fn is_empty(&self) -> bool {
        self.present.is_empty() && self.gone.is_empty() && self.buried.is_empty()
    }

    fn add(&mut self, rooted: RootPath, path: &RelPath, look: Look, was_file: bool) {
        let reason = match look {
            Look::Present => return self.present.push(rooted),
            Look::Gone => return self.gone.push(rooted),
            Look::Buried => return self.buried.push(rooted),
            Look::Directory if was_file => return self.buried.push(rooted),
            Look::Directory => "it is a directory",
            Look::Foreign => "it belongs to another repository",
            Look::Special => "it is neither a file nor a link",
        };
        self.left_out.push(LeftOut { path: path.clone(), reason });
    }
}

/// What is at a path.
#[derive(Clone, Copy)]
enum Look {
    Present,
    Gone,
    Buried,
    Directory,
    Foreign,
    Special,
}

/// Remembers what the directories on the way are, so that many files in one directory cost one look.
#[derive(Default)]
pub(super) struct Ways(HashMap<Vec<u8>, Way>);

impl Ways {
    /// Returns what is wrong with the way to `path`; `Directory` when nothing is.
    pub(super) fn to(&mut self, place: &Place, path: &[u8]) -> Result<Way, PathError> {
        let Some(slash) = path.iter().rposition(|b| *b == b'/') else { return Ok(Way::Directory) };
        let dir = path.get(..slash).unwrap_or_default();
        if let Some(known) = self.0.get(dir) {
            return Ok(*known);
        }
        let above = self.to(place, dir)?;
        let way = if above == Way::Directory { look_at_dir(&place.on_disk(dir))? } else { above };
        self.0.insert(dir.to_vec(), way);
        Ok(way)
    }
}

fn look_at_dir(dir: &Path) -> Result<Way, PathError> {
    let Some(metadata) = present(dir)? else { return Ok(Way::Missing) };
    Ok(if metadata.is_symlink() {
        Way::Symlink
    } else if !metadata.is_dir() {
        Way::File
    } else if present(&dir.join(".git"))?.is_some() {
        Way::Foreign
    } else {
        Way::Directory
    })
}

/// Returns what is at a path, without following a link; `None` when nothing is.
pub(super) fn present(path: &Path) -> Result<Option<fs::Metadata>, PathError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error).at("look at", path),
    }
}

/// Splits the canonical code directory into the top of the work tree and the path below it; `up` is what `git
/// rev-parse --show-cdup` printed: empty or `../` some times.
pub(super) fn split(code_dir: &Path, up: &[u8]) -> Option<(PathBuf, Vec<u8>)> {
    let levels = up.len() / 3;
    if up != b"../".repeat(levels) {
        return None;
    }
    let top = code_dir.ancestors().nth(levels)?.to_path_buf();
    let prefix = code_dir.strip_prefix(&top).ok()?.to_path_buf().into_os_string().into_vec();
    Some((top, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_converted_both_ways_and_stay_inside() {
        let place = Place::new("/w".into(), b"sub/dir".to_vec());
        assert_eq!(place.rooted(&"a/b".into()).unwrap(), b"sub/dir/a/b");
        assert_eq!(place.relative(b"sub/dir/a/b"), Some("a/b".into()));
        assert_eq!(place.relative(b"sub/other"), None);
        for outside in ["../x", "a/../../x", "/etc/passwd", "", "a//b", "./a", ".git/config", "a/.GIT/hooks/x", "a\0b"]
        {
            assert_eq!(place.rooted(&outside.into()), None, "{outside:?}");
        }
        assert!(place.is_above_code(b"sub/dir") && place.is_above_code(b"sub") && place.is_above_code(b""));
        assert!(!place.is_above_code(b"sub/dir/a"));
        assert!(Place::new("/w".into(), Vec::new()).is_above_code(b""));
        assert!(!Place::new("/w".into(), Vec::new()).is_above_code(b"a"));
    }

    #[test]
    fn the_top_is_found_by_going_up() {
        assert_eq!(split(Path::new("/w/a/b"), b"../../").unwrap(), ("/w".into(), b"a/b".to_vec()));
        assert_eq!(split(Path::new("/w"), b"").unwrap(), ("/w".into(), Vec::new()));
        assert_eq!(split(Path::new("/w/a"), b"/elsewhere/"), None);
    }
}
