//! Indexes: private ones to build trees with, and the short update of the user's own.
//!
//! A private index starts as a copy of the user's, because the copy knows which files are unchanged: one made from a
//! tree alone would make git read every file of the project. Invariant: the user's index is replaced as a whole, under
//! git's own lock, and only when it is still the one that was copied; a lock left by a killed predecessor of ours is
//! known by being the same file as a private index.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::sys::fs::{Context as _, PathError};

use super::Git;
use super::answer::{Differing, Entry, fields, raw_diff};
use super::cli::{Call, odd};
use super::error::GitError;
use super::place::{Looks, RootPath};

/// An index of our own, removed when dropped.
#[derive(Debug)]
pub(super) struct PrivateIndex {
    path: tempfile::TempPath,
    /// Of the file it was copied from.
    origin: Option<Stamp>,
}

/// Tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// What became of an attempt to put a private index in place of the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Installed {
    Yes,
    /// Another git holds the lock.
    Busy,
    /// The user's index is another one by now, or cannot be replaced by a rename.
    No,
}

impl PrivateIndex {
    /// Copies the user's index; without one, it starts empty.
    pub(super) fn copy_of(user_index: &Path, temp_dir: &Path) -> Result<Self, PathError> {
        let mut index = Self::empty(temp_dir)?;
        let mut source = match File::open(user_index) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(index),
            Err(error) => return Err(error).at("read", user_index),
        };
        let metadata = source.metadata().at("read", user_index)?;
        let mut target = File::create_new(&index.path).at("create", &index.path)?;
        io::copy(&mut source, &mut target).at("write", &index.path)?;
        // Git trusts an entry only when the file is older than the index: the copy must not look younger.
        let times = FileTimes::new().set_modified(metadata.modified().at("read", user_index)?);
        target.set_times(times).at("write", &index.path)?;
        index.origin = Some(Stamp::of(&metadata));
        Ok(index)
    }

    /// Returns the name of an index that does not exist yet, which git takes for an empty one.
    pub(super) fn empty(temp_dir: &Path) -> Result<Self, PathError> {
        fs::create_dir_all(temp_dir).at("create", temp_dir)?;
        let file = tempfile::Builder::new()
            .prefix(&own_prefix())
            .suffix(".index")
            .tempfile_in(temp_dir)
            .at("create a file in", temp_dir)?;
        let path = file.into_temp_path();
        fs::remove_file(&path).at("remove", &path)?;
        Ok(Self { path, origin: None })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the index in place of the one it was copied from, unless that has changed.
    pub(super) fn install(&self, user_index: &Path) -> Result<Installed, PathError> {
        if present_stamp(user_index)? != self.origin || user_index.is_symlink() {
            return Ok(Installed::No);
        }
        let lock = with_suffix(user_index, ".lock");
        match fs::hard_link(&self.path, &lock) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Installed::Busy),
            // Another file system, or one without hard links.
            Err(_) => return Ok(Installed::No),
        }
        // From here on nobody else writes the index.
        if present_stamp(user_index)? != self.origin {
            fs::remove_file(&lock).at("remove", &lock)?;
            return Ok(Installed::No);
        }
        // A rename keeps the time of writing, on which the trust in the entries depends.
        fs::rename(&lock, user_index).at("replace", user_index)?;
        Ok(Installed::Yes)
    }
}

impl Drop for PrivateIndex {
    fn drop(&mut self) {
        // Left only when a command was cut off; whatever stays is cleared at the next start.
        fs::remove_file(with_suffix(&self.path, ".lock")).ok();
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

fn present_stamp(path: &Path) -> Result<Option<Stamp>, PathError> {
    Ok(super::place::present(path)?.map(|metadata| Stamp::of(&metadata)))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Names of our private files start with this: process id, and a number that tells us from an earlier process with the
/// same id (the first process of a container always has the same).
pub(super) fn own_prefix() -> String {
    static NONCE: OnceLock<u32> = OnceLock::new();
    let nonce = NONCE.get_or_init(|| fastrand::u32(..));
    format!("git-{}-{nonce:08x}-", std::process::id())
}

/// Removes private files of processes that are gone, and a lock on the user's index that one of them left.
pub(super) fn clear_leftovers(temp_dir: &Path, user_index: &Path) -> Result<(), PathError> {
    let entries = match fs::read_dir(temp_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).at("read", temp_dir),
    };
    let lock = with_suffix(user_index, ".lock");
    for entry in entries {
        let entry = entry.at("read", temp_dir)?;
        let name = entry.file_name();
        if !name.to_str().is_some_and(is_leftover) {
            continue;
        }
        let path = entry.path();
        let same = |a: Option<Stamp>, b: Option<Stamp>| a.is_some() && a == b;
        if same(present_stamp(&lock)?, present_stamp(&path)?) {
            fs::remove_file(&lock).at("remove", &lock)?;
        }
        // Another process may clear at the same time.
        fs::remove_file(&path).ok();
    }
    Ok(())
}

fn is_leftover(name: &str) -> bool {
    let Some(pid) = name.strip_prefix("git-").and_then(|rest| rest.split('-').next()) else { return false };
    let Ok(pid) = pid.parse::<u32>() else { return false };
    let is_own = pid == std::process::id();
    if is_own { !name.starts_with(&own_prefix()) } else { !Path::new("/proc").join(pid.to_string()).exists() }
}

impl Git {
    pub(super) fn user_index(&self) -> PathBuf {
        self.dir.join("index")
    }

    /// Returns the paths in which an index (the user's by default) differs from a tree or commit. An entry that is only
    /// intended to be added is none.
    pub(super) async fn staged(&self, index: Option<&Path>, tree: &str) -> Result<Vec<Differing>, GitError> {
        const ACTION: &str = "read what is staged";
        let args = ["diff-index", "--cached", "-z", "--no-renames", "--no-abbrev", "--ita-invisible-in-index"];
        let mut call = Call::new(ACTION, &args).arg("--ignore-submodules=none").arg(tree).arg("--");
        if let Some(index) = index {
            call = call.index(index);
        }
        let out = self.cli.ok(call).await?;
        raw_diff(&out).ok_or_else(|| odd(ACTION, &out))
    }

    /// Returns those of the paths that git ignores and does not track in that index.
    pub(super) async fn ignored(&self, index: Option<&Path>, paths: &[RootPath]) -> Result<Vec<RootPath>, GitError> {
        const ACTION: &str = "ask what git ignores";
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        // This command knows no literal mode. What starts with `./` has no magic either, and comes back as it was given.
        let input: Vec<RootPath> = paths.iter().map(|path| [b"./", path.as_slice()].concat()).collect();
        let call = Call::new(ACTION, &["check-ignore", "-z", "--stdin"]).env("GIT_LITERAL_PATHSPECS", "0");
        let mut call = call.input(lines(&input));
        if let Some(index) = index {
            call = call.index(index);
        }
        let reply = self.cli.run(call).await?;
        match reply.code {
            0 | 1 => Ok(fields(&reply.out).filter_map(|path| path.strip_prefix(b"./")).map(<[u8]>::to_vec).collect()),
            _ => Err(reply.failed(ACTION)),
        }
    }

    /// Takes what is on the disk at these paths into a private index: files and links as they are, the rest removed.
    pub(super) async fn stage(
        &self,
        index: &Path,
        looks: &Looks,
        shape: impl FnOnce(Call) -> Call,
    ) -> Result<(), GitError> {
        const ACTION: &str = "stage files";
        if !looks.buried.is_empty() {
            let args = ["update-index", "-z", "--force-remove", "--stdin"];
            self.cli.ok(Call::new(ACTION, &args).input(lines(&looks.buried)).index(index)).await?;
        }
        if looks.present.is_empty() && looks.gone.is_empty() {
            return Ok(());
        }
        let args =
            ["update-index", "-z", "--add", "--remove", "--replace", "--ignore-skip-worktree-entries", "--stdin"];
        // Removals first: a file may be where a directory was.
        let input = [lines(&looks.gone), lines(&looks.present)].concat();
        self.cli.ok(shape(Call::new(ACTION, &args).input(input)).index(index)).await?;
        Ok(())
    }

    /// Writes entries into a private index as they are given.
    pub(super) async fn set_entries(&self, index: &Path, entries: &[(RootPath, Entry)]) -> Result<(), GitError> {
        const ACTION: &str = "write index entries";
        let entries = entries.iter().map(|(path, entry)| (path.as_slice(), entry.mode, entry.object.as_str()));
        let call = Call::new(ACTION, &["update-index", "-z", "--index-info"]).input(index_info(entries));
        self.cli.ok(call.index(index)).await?;
        Ok(())
    }

    /// Returns the files in which two commits or trees differ.
    pub(super) async fn diff(&self, old: &str, new: &str) -> Result<Vec<Differing>, GitError> {
        const ACTION: &str = "compare two commits";
        let args = ["diff-tree", "-r", "-z", "--no-renames", "--no-abbrev", "--no-commit-id"];
        let out = self.cli.ok(Call::new(ACTION, &args).arg(old).arg(new)).await?;
        raw_diff(&out).ok_or_else(|| odd(ACTION, &out))
    }

    /// Takes the new side of `moved` into the user's index, but for what the user has staged otherwise than it was in
    /// `old` (a commit or the empty tree). Returns false when another git held the index all the time.
    pub(super) async fn follow(&self, old: &str, moved: &[Differing]) -> Result<bool, GitError> {
        const ACTION: &str = "bring the index up to date";
        let staged: Vec<RootPath> = self.staged(None, old).await?.into_iter().map(|it| it.path).collect();
        let free = |it: &&Differing| !staged.iter().any(|staged| overlap(staged, &it.path));
        // Removals first: a file may be where a directory was. Mode 0 removes, whatever object it names.
        let entry = |it: &Differing| it.new.clone().or(it.old.clone().map(|old| Entry { mode: 0, ..old }));
        let mut entries: Vec<(RootPath, Entry)> =
            moved.iter().filter(free).filter_map(|it| Some((it.path.clone(), entry(it)?))).collect();
        entries.sort_by_key(|(_, entry)| entry.mode != 0);
        if entries.is_empty() {
            return Ok(true);
        }
        let input = index_info(entries.iter().map(|(path, it)| (path.as_slice(), it.mode, it.object.as_str())));
        for pause in PAUSES {
            let call = Call::new(ACTION, &["update-index", "-z", "--index-info"]).input(input.clone());
            let reply = self.cli.run(call).await?;
            match reply.code {
                0 => return Ok(true),
                _ if reply.tail.contains("index.lock") => tokio::time::sleep(pause).await,
                _ => return Err(reply.failed(ACTION)),
            }
        }
        Ok(false)
    }
}

/// Pauses between attempts to take the lock on the user's index, 2 s in all: an editor's `git status` holds it for some
/// milliseconds, a commit of the user's for less than a second.
pub(super) const PAUSES: [std::time::Duration; 7] = {
    const fn ms(count: u64) -> std::time::Duration {
        std::time::Duration::from_millis(count)
    }
    [ms(10), ms(40), ms(150), ms(300), ms(500), ms(500), ms(500)]
};

/// Whether one of two paths is the other, or a directory above it.
fn overlap(a: &[u8], b: &[u8]) -> bool {
    let is_above = |a: &[u8], b: &[u8]| b.strip_prefix(a).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    is_above(a, b) || is_above(b, a)
}

fn index_info<'a>(entries: impl Iterator<Item = (&'a [u8], u32, &'a str)>) -> Vec<u8> {
    let mut input = Vec::new();
    for (path, mode, object) in entries {
        input.extend_from_slice(format!("{mode:o} {object}\t").as_bytes());
        input.extend_from_slice(path);
        input.push(0);
    }
    input
}

/// Each path with a NUL after it.
pub(super) fn lines(paths: &[RootPath]) -> Vec<u8> {
    paths.iter().flat_map(|path| path.iter().copied().chain([0])).collect()
}

/// The most bytes of paths on one command line. 64 KB: half of what Linux allows one argument, a thirtieth of all.
const ARGV: usize = 64 * 1024;

/// Cuts a list of paths into pieces that fit on a command line.
pub(super) fn pieces(paths: &[RootPath]) -> Vec<&[RootPath]> {
    let mut pieces = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (n, path) in paths.iter().enumerate() {
        if size + path.len() > ARGV && n > start {
            pieces.extend(paths.get(start..n));
            (start, size) = (n, 0);
        }
        size += path.len() + 1;
    }
    pieces.extend(paths.get(start..).filter(|rest| !rest.is_empty()));
    pieces
}
