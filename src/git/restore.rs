//! Puts files back to what they are in a commit.
//!
//! Touches only the paths it is given and never guesses: a path at which something stands that the commit says nothing
//! about (a directory, a link on the way to it, an ignored file whose content nobody kept) is left alone and named. The
//! user's index stays as it is. Invariant: run again after being cut off anywhere, it comes to the same tree.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use crate::model::{Change, ChangeKind, RelPath};
use crate::sys::fs::{Context as _, PathError};

use super::Git;
use super::answer::{Entry, GITLINK, TREE, fields, tree};
use super::cli::{Call, odd};
use super::error::GitError;
use super::index::{PrivateIndex, lines, pieces};
use super::message::{RAW, trailer};
use super::place::{LeftOut, Place, RootPath, Way, Ways, present};

/// What was put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// Paths that are now as they were, also those that already were; sorted.
    pub restored: Vec<RelPath>,
    /// Paths that were not touched, and why; sorted.
    pub left_alone: Vec<LeftOut>,
}

/// One path and what it shall be.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: RootPath,
    /// `None`: nothing.
    pub(super) entry: Option<Entry>,
    /// Whether the content is stored byte for byte, without line ending conversion and filters.
    pub(super) is_raw: bool,
}

impl Git {
    /// Puts each path back to its content, mode or link in `base`, and removes it when it is not in there; a directory
    /// that this leaves empty is removed too.
    ///
    /// Pass only paths whose current content is safe elsewhere or not wanted. A path that is not in `base` is removed
    /// only when its kind is `Added` and git does not ignore it: anything else was there before, in a state that
    /// nobody kept. Paths that git was told not to look at (`skip-worktree`, `assume-unchanged`) are left alone.
    ///
    /// # Errors
    /// When a file cannot be written; run it again after removing the cause.
    pub async fn restore_base(&self, base: &str, changes: &[Change]) -> Result<RestoreReport, GitError> {
        let mut report = RestoreReport::default();
        let mut kinds: HashMap<RootPath, ChangeKind> = HashMap::new();
        for change in changes {
            match self.place.rooted(&change.path) {
                Some(path) => drop(kinds.insert(path, change.kind)),
                None => report.leave(change.path.clone(), "it is outside of the project"),
            }
        }
        let mut paths: Vec<RootPath> = kinds.keys().cloned().collect();
        paths.sort();
        let entries = self.entries(base, &paths).await?;
        let hidden = self.hidden(&paths).await?;
        let missing: Vec<RootPath> = paths.iter().filter(|path| !entries.contains_key(*path)).cloned().collect();
        let on_disk = self.place.look_rooted(missing.iter())?.present;
        let ignored: HashSet<RootPath> = self.ignored(None, &on_disk).await?.into_iter().collect();
        let on_disk: HashSet<RootPath> = on_disk.into_iter().collect();
        let raw = self.raw_paths(base).await?;

        let mut targets = Vec::new();
        for path in paths {
            let entry = entries.get(&path).cloned();
            let was_there = kinds.get(&path) != Some(&ChangeKind::Added);
            let reason = match &entry {
                _ if hidden.contains(&path) => "git was told not to look at it",
                None if ignored.contains(&path) => "git ignores it",
                None if was_there && on_disk.contains(&path) => "it was there before, but git had not got its content",
                None if was_there => "it was there before, but nobody kept its content",
                None | Some(_) => {
                    let is_raw = raw.contains(&path);
                    targets.push(Target { path, entry, is_raw });
                    continue;
                }
            };
            report.leave(self.place.relative(&path).unwrap_or(RelPath::from_bytes(path)), reason);
        }
        self.put(targets, &mut report).await?;
        Ok(report.sorted())
    }

    /// Makes the disk agree with the targets; removals first, as a file may have to go where a directory was.
    pub(super) async fn put(&self, mut targets: Vec<Target>, report: &mut RestoreReport) -> Result<(), GitError> {
        targets.sort_by(|a, b| a.path.cmp(&b.path));
        let (gone, kept): (Vec<_>, Vec<_>) = targets.into_iter().partition(|it| it.entry.is_none());
        let mut ways = Ways::default();
        for Target { path, .. } in gone {
            let shown = self.shown(&path);
            match remove(&self.place, &path, &mut ways)? {
                None => report.restored.push(shown),
                Some(reason) => report.leave(shown, reason),
            }
        }
        let mut ways = Ways::default();
        let (mut plain, mut raw) = (Vec::new(), Vec::new());
        for target in kept {
            let Some(entry) = target.entry else { continue };
            match obstacle(&self.place, &target.path, &entry, &mut ways)? {
                Some(reason) => report.leave(self.shown(&target.path), reason),
                None if target.is_raw => raw.push((target.path, entry)),
                None => plain.push((target.path, entry)),
            }
        }
        // What `.gitattributes` says decides how other files are written.
        plain.sort_by_key(|(path, _)| !path.ends_with(b".gitattributes"));
        let (first, plain) = plain.split_at(plain.partition_point(|(path, _)| path.ends_with(b".gitattributes")));
        for (group, is_raw) in [(first, false), (plain, false), (raw.as_slice(), true)] {
            self.check_out(group, is_raw).await?;
            report.restored.extend(group.iter().map(|(path, _)| self.shown(path)));
        }
        Ok(())
    }

    /// Writes files from objects. Permission bits beyond the executable one are kept where there is a file already.
    async fn check_out(&self, entries: &[(RootPath, Entry)], is_raw: bool) -> Result<(), GitError> {
        const ACTION: &str = "write files back";
        let Some((_, Entry { object, .. })) = entries.first() else { return Ok(()) };
        let index = PrivateIndex::empty(&self.temp_dir)?;
        self.set_entries(index.path(), entries).await?;
        let mut modes = Vec::new();
        for (path, entry) in entries {
            let disk = self.place.on_disk(path);
            let before = present(&disk)?.filter(fs::Metadata::is_file).map(|it| it.permissions().mode() & 0o777);
            let is_file = entry.mode & 0o170_000 == 0o100_000;
            let wanted = |before| with_executable(before, entry.mode == 0o100_755);
            modes.extend(before.filter(|_| is_file).map(|before| (disk, wanted(before))));
        }
        let paths: Vec<RootPath> = entries.iter().map(|(path, _)| path.clone()).collect();
        let args = ["checkout-index", "-z", "--force", "--quiet", "--stdin"];
        let mut call = Call::new(ACTION, &args).input(lines(&paths)).index(index.path());
        if is_raw {
            call = call.raw(Self::empty_tree_like(object));
        }
        self.cli.ok(call).await?;
        for (disk, mode) in modes {
            fs::set_permissions(&disk, fs::Permissions::from_mode(mode)).at("set the mode of", &disk)?;
        }
        Ok(())
    }

    /// Returns what a commit has at these paths; a directory counts as nothing.
    pub(super) async fn entries(&self, base: &str, paths: &[RootPath]) -> Result<HashMap<RootPath, Entry>, GitError> {
        const ACTION: &str = "read a tree";
        let mut found = HashMap::new();
        for piece in pieces(paths) {
            let call = Call::new(ACTION, &["ls-tree", "-z", "--full-tree"]).arg(base);
            let out = self.cli.ok(call.paths(piece.iter().map(Vec::as_slice))).await?;
            found.extend(tree(&out).ok_or_else(|| odd(ACTION, &out))?);
        }
        found.retain(|_, entry| entry.mode != TREE);
        Ok(found)
    }

    /// Returns those of the paths that the user told git not to look at.
    pub(super) async fn hidden(&self, paths: &[RootPath]) -> Result<HashSet<RootPath>, GitError> {
        const ACTION: &str = "read the flags of files";
        let mut found = HashSet::new();
        for piece in pieces(paths) {
            let call = Call::new(ACTION, &["ls-files", "-z", "-v", "--cached"]);
            let out = self.cli.ok(call.paths(piece.iter().map(Vec::as_slice))).await?;
            // A letter, a blank and the path; `S` for skip-worktree, small letters for assume-unchanged.
            let is_hidden = |tag: &u8| *tag == b'S' || tag.is_ascii_lowercase();
            let hidden = fields(&out).filter(|field| field.first().is_some_and(is_hidden));
            found.extend(hidden.filter_map(|field| field.get(2..)).map(<[u8]>::to_vec));
        }
        Ok(found)
    }

    /// Returns the paths whose content in a base is stored byte for byte: those in which it differs from its parent.
    pub(super) async fn raw_paths(&self, base: &str) -> Result<HashSet<RootPath>, GitError> {
        const ACTION: &str = "read a base";
        let message = self.cli.ok(Call::new(ACTION, &["cat-file", "commit"]).arg(base)).await?;
        let message = String::from_utf8_lossy(&message);
        if trailer(&message, RAW) != Some("yes") {
            return Ok(HashSet::new());
        }
        let old = match message.lines().find_map(|line| line.strip_prefix("parent ")) {
            Some(parent) => parent.to_owned(),
            None => self.empty_tree().await?,
        };
        Ok(self.diff(&old, base).await?.into_iter().map(|it| it.path).collect())
    }

    fn shown(&self, path: &[u8]) -> RelPath {
        self.place.relative(path).unwrap_or_else(|| RelPath::from_bytes(path))
    }
}

impl RestoreReport {
    pub(super) fn leave(&mut self, path: RelPath, reason: &'static str) {
        self.left_alone.push(LeftOut { path, reason });
    }

    pub(super) fn sorted(mut self) -> Self {
        self.restored.sort();
        self.left_alone.sort_by(|a, b| a.path.cmp(&b.path));
        self
    }
}

/// Removes a file or link and the directories that this leaves empty; says why when it may not.
fn remove(place: &Place, path: &[u8], ways: &mut Ways) -> Result<Option<&'static str>, PathError> {
    match ways.to(place, path)? {
        Way::Directory => {}
        // What stands there is not the file: that one is gone.
        Way::File | Way::Symlink => return Ok(None),
        Way::Missing => {
            prune(place, path)?;
            return Ok(None);
        }
        Way::Foreign => return Ok(Some("it belongs to another repository")),
    }
    let disk = place.on_disk(path);
    match present(&disk)? {
        // Again, the file is gone.
        Some(metadata) if metadata.is_dir() => return Ok(None),
        Some(_) => match fs::remove_file(&disk) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).at("remove", &disk),
            Ok(()) | Err(_) => {}
        },
        None => {}
    }
    prune(place, path)?;
    Ok(None)
}

/// Removes the directories above a path as long as they are empty, below the code directory.
fn prune(place: &Place, path: &[u8]) -> Result<(), PathError> {
    let mut rest = path;
    while let Some(slash) = rest.iter().rposition(|b| *b == b'/') {
        rest = rest.get(..slash).unwrap_or_default();
        if place.is_above_code(rest) {
            return Ok(());
        }
        let dir = place.on_disk(rest);
        match fs::remove_dir(&dir) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // In use, or a link: not ours.
            Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(error).at("remove the directory", &dir),
        }
    }
    Ok(())
}

/// Returns why a file cannot be written without removing something else.
pub(super) fn obstacle(
    place: &Place,
    path: &[u8],
    entry: &Entry,
    ways: &mut Ways,
) -> Result<Option<&'static str>, PathError> {
    if entry.mode == GITLINK {
        return Ok(Some("it is another repository"));
    }
    match ways.to(place, path)? {
        Way::Directory => {}
        Way::Missing => return Ok(None),
        Way::File => return Ok(Some("a file stands where its directory was")),
        Way::Symlink => return Ok(Some("a link stands where its directory was")),
        Way::Foreign => return Ok(Some("it belongs to another repository")),
    }
    let is_dir = present(&place.on_disk(path))?.is_some_and(|it| it.is_dir());
    Ok(is_dir.then_some("a directory stands there"))
}

/// Everybody who may read may execute, or nobody.
fn with_executable(mode: u32, is_executable: bool) -> u32 {
    if is_executable { mode | (mode & 0o444) >> 2 } else { mode & !0o111 }
}
