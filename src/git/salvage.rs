//! Salvage: the leftovers of a blocked task, kept under `refs/autodev/salvage/` and out of the work tree.
//!
//! A salvage is a commit on top of the task's base that holds the task's files as they were when it was given up, so
//! that `git show`, `git diff` and `git cherry-pick` work on it. Content is stored as `git add` stores it. Removing the
//! files from the tree is [`Git::restore_base`]'s part, afterwards. Invariant: a salvage, once its reference exists, is
//! never replaced; what is removed later was in it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use crate::model::{Change, ChangeKind, EffectId, RelPath};

use super::answer::{Differing, Entry, raw_diffs};
use super::cli::{Call, odd};
use super::error::GitError;
use super::index::PrivateIndex;
use super::message::{BASE, EFFECT, TASK, trailer, with_trailers};
use super::place::{LeftOut, RootPath, Ways, present};
use super::restore::{RestoreReport, Target, obstacle};
use super::{Git, component};

const PREFIX: &str = "refs/autodev/salvage/";

/// What is to be saved.
#[derive(Clone, Copy, Debug)]
pub struct SalvageRequest<'a> {
    /// Id of the task.
    pub task: &'a str,
    /// Identity: asked again for the same effect, the salvage that exists is the answer.
    pub effect: &'a EffectId,
    /// The commit the task started from.
    pub base: &'a str,
    /// What the task changed since, relative to the code directory.
    pub changes: &'a [Change],
    /// Subject and body of the commit.
    pub message: &'a str,
}

/// What was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// `refs/autodev/salvage/<task>/<effect>`; `None` when nothing differs from the base.
    pub reference: Option<String>,
    /// What the salvage holds: pass this to [`Git::restore_base`], after leaving out what somebody else changed since.
    pub saved: Vec<Change>,
    /// What it does not hold; these paths must stay in the tree.
    pub left_out: Vec<LeftOut>,
}

/// What [`Git::save`] did.
pub(super) struct Saved {
    /// `None` when nothing differs from the base.
    pub(super) commit: Option<String>,
    /// What the commit holds.
    pub(super) changes: Vec<Change>,
    /// What it does not hold.
    pub(super) left_out: Vec<LeftOut>,
}

/// One salvage, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalvageEntry {
    /// Full name of the reference.
    pub reference: String,
    /// Full name of the commit.
    pub commit: String,
    /// Id of the task.
    pub task: String,
    /// Which effect made it.
    pub effect: EffectId,
    /// When.
    pub at: DateTime<Utc>,
    /// The commit the task started from, which is also the parent.
    pub base: String,
    /// The files it holds or removes; sorted.
    pub files: Vec<RelPath>,
    /// First line of the message.
    pub subject: String,
}

impl Git {
    /// Saves what a task changed, as it is on the disk, under a reference; the tree stays as it is. Files that git
    /// ignores or was told not to look at are left out. When this returns, the objects are on the disk.
    ///
    /// # Errors
    /// When a file cannot be read or the disk is full; nothing is lost then.
    pub async fn salvage(&self, request: SalvageRequest<'_>) -> Result<Salvage, GitError> {
        let reference = format!("{PREFIX}{}/{}", component(request.task), component(request.effect.as_str()));
        let saved = self.save(&reference, &request).await?;
        Ok(Salvage {
            reference: saved.commit.is_some().then_some(reference),
            saved: saved.changes,
            left_out: saved.left_out,
        })
    }

    /// Puts what a task changed into a commit on its base, and that under a reference; what is under it already is the
    /// answer.
    pub(super) async fn save(&self, reference: &str, request: &SalvageRequest<'_>) -> Result<Saved, GitError> {
        if let Some(commit) = self.resolve(reference).await? {
            let diff = self.diff(request.base, &commit).await?;
            let saved = self.saved(&diff, request.changes);
            let left_out = self.not_saved(request.changes, &saved);
            return Ok(Saved { commit: Some(commit), changes: saved, left_out });
        }
        let mut looks = self.place.look(request.changes)?;
        let ignored = self.ignored(None, &looks.present).await?;
        self.leave_out(&mut looks, &ignored);
        let all: Vec<RootPath> = request.changes.iter().filter_map(|it| self.place.rooted(&it.path)).collect();
        let hidden = self.hidden(&all).await?;
        for list in [&mut looks.present, &mut looks.gone, &mut looks.buried] {
            list.retain(|path| !hidden.contains(path));
        }
        let hidden = hidden.iter().filter_map(|path| self.place.relative(path));
        looks.left_out.extend(hidden.map(|path| LeftOut { path, reason: "git was told not to look at it" }));

        let index = PrivateIndex::empty(&self.temp_dir)?;
        self.cli.ok(Call::new("build an index", &["read-tree", request.base]).index(index.path())).await?;
        self.stage(index.path(), &looks, Call::durable).await?;
        let diff = self.staged(Some(index.path()), request.base).await?;
        let left_out = looks.left_out;
        if diff.is_empty() {
            return Ok(Saved { commit: None, changes: Vec::new(), left_out });
        }
        let trailers = [(TASK, request.task), (EFFECT, request.effect.as_str()), (BASE, request.base)];
        let message = with_trailers(request.message, &trailers);
        let commit = self.commit_tree(&index, Some(request.base), &message).await?;
        // It must not exist: 40 or 64 zeros say so.
        let none = "0".repeat(commit.len());
        let call = Call::new("keep changes", &["update-ref"]).durable().arg(reference).arg(&commit).arg(none);
        self.cli.ok(call).await?;
        let saved = self.saved(&diff, request.changes);
        Ok(Saved { commit: Some(commit), changes: saved, left_out })
    }

    /// Returns all salvages, newest first.
    ///
    /// # Errors
    /// When the references or commits cannot be read.
    pub async fn salvages(&self) -> Result<Vec<SalvageEntry>, GitError> {
        const ACTION: &str = "list salvages";
        let format = "--format=%(refname)%00%(objectname)%00%(committerdate:unix)%00%(contents)%00";
        let call = Call::new(ACTION, &["for-each-ref", "--sort=-committerdate", format, PREFIX]);
        let out = self.cli.ok(call).await?;
        // Each record but the first begins with the line break after the one before.
        let fields: Vec<String> = out
            .split(|b| *b == 0)
            .map(|field| String::from_utf8_lossy(field.strip_prefix(b"\n").unwrap_or(field)).into_owned())
            .collect();
        let mut entries = Vec::new();
        for record in fields.chunks_exact(4) {
            let [reference, commit, seconds, message] = record else { continue };
            let at = seconds.parse().ok().and_then(|it| DateTime::from_timestamp(it, 0));
            let text = |key| trailer(message, key).unwrap_or_default().to_owned();
            entries.push(SalvageEntry {
                reference: reference.clone(),
                commit: commit.clone(),
                task: text(TASK),
                effect: EffectId::new(text(EFFECT)),
                at: at.ok_or_else(|| odd(ACTION, seconds.as_bytes()))?,
                base: text(BASE),
                files: Vec::new(),
                subject: message.lines().next().unwrap_or_default().to_owned(),
            });
        }
        let mut files = self.files_of(&entries).await?;
        for entry in &mut entries {
            entry.files = files.remove(&entry.commit).unwrap_or_default();
        }
        Ok(entries)
    }

    /// Returns message, statistics and patch of a salvage, for people. Bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// When there is no such salvage.
    pub async fn salvage_show(&self, reference: &str) -> Result<String, GitError> {
        let commit = self.salvage_commit(reference).await?.1;
        let args = ["show", "--no-color", "--no-ext-diff", "--no-textconv", "--no-show-signature", "--stat", "--patch"];
        let out = self.cli.ok(Call::new("show a salvage", &args).arg(commit).arg("--")).await?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// Puts the files of a salvage back into the tree, all or none. The salvage stays; run again, it does the same.
    ///
    /// # Errors
    /// [`GitError::Conflict`] when a file is neither as it was at the base nor as it is in the salvage; with `force` it
    /// is overwritten.
    pub async fn salvage_restore(&self, reference: &str, force: bool) -> Result<RestoreReport, GitError> {
        let (reference, commit) = self.salvage_commit(reference).await?;
        let base = self.parent(&commit).await?;
        let diff = self.diff(&base, &commit).await?;
        let conflicts = if force { Vec::new() } else { self.conflicts(&base, &diff).await? };
        if !conflicts.is_empty() {
            return Err(GitError::Conflict { reference, paths: conflicts });
        }
        let mut report = RestoreReport::default();
        let targets = diff.into_iter().map(|it| Target { path: it.path, entry: it.new, is_raw: false }).collect();
        self.put(targets, &mut report).await?;
        Ok(report.sorted())
    }

    /// Forgets a salvage for good.
    ///
    /// # Errors
    /// When there is no such salvage.
    pub async fn salvage_drop(&self, reference: &str) -> Result<(), GitError> {
        let (reference, commit) = self.salvage_commit(reference).await?;
        self.cli.ok(Call::new("drop a salvage", &["update-ref", "-d"]).arg(reference).arg(commit)).await?;
        Ok(())
    }

    /// Returns full name and commit; the part below `refs/autodev/salvage/` is enough of a name.
    async fn salvage_commit(&self, name: &str) -> Result<(String, String), GitError> {
        let reference = format!("{PREFIX}{}", name.strip_prefix(PREFIX).unwrap_or(name));
        let is_plain = reference.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/'));
        let commit = if is_plain { self.resolve(&reference).await? } else { None };
        match commit {
            Some(commit) => Ok((reference, commit)),
            None => Err(GitError::NoSalvage { reference: name.to_owned() }),
        }
    }

    async fn parent(&self, commit: &str) -> Result<String, GitError> {
        let action = "look up the base of a salvage";
        self.cli.object(Call::new(action, &["rev-parse", "--verify"]).arg(format!("{commit}^"))).await
    }

    /// Returns the files of each salvage by its commit.
    async fn files_of(&self, entries: &[SalvageEntry]) -> Result<HashMap<String, Vec<RelPath>>, GitError> {
        const ACTION: &str = "list the files of salvages";
        let input: Vec<u8> = entries.iter().flat_map(|entry| entry.commit.bytes().chain([b'\n'])).collect();
        let args = ["diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames", "--no-abbrev"];
        let out = self.cli.ok(Call::new(ACTION, &args).input(input)).await?;
        let diffs = raw_diffs(&out).ok_or_else(|| odd(ACTION, &out))?;
        let relative = |diff: Vec<Differing>| diff.iter().filter_map(|it| self.place.relative(&it.path)).collect();
        Ok(diffs.into_iter().map(|(commit, diff)| (commit, relative(diff))).collect())
    }

    /// Returns what a salvage holds. A file that the base has not got but that was there is `Modified`, whatever git
    /// thinks: its old content was ignored and is not known.
    fn saved(&self, diff: &[Differing], changes: &[Change]) -> Vec<Change> {
        let kinds: HashMap<&RelPath, ChangeKind> = changes.iter().map(|it| (&it.path, it.kind)).collect();
        diff.iter()
            .filter_map(|it| {
                let path = self.place.relative(&it.path)?;
                let kind = match (&it.old, &it.new) {
                    (None, _) => kinds.get(&path).copied().unwrap_or(ChangeKind::Modified),
                    (Some(_), None) => ChangeKind::Removed,
                    (Some(_), Some(_)) => ChangeKind::Modified,
                };
                Some(Change { path, kind })
            })
            .collect()
    }

    fn not_saved(&self, changes: &[Change], saved: &[Change]) -> Vec<LeftOut> {
        let saved: HashSet<&RelPath> = saved.iter().map(|it| &it.path).collect();
        let is_left = |it: &&Change| !saved.contains(&it.path) && self.place.rooted(&it.path).is_some();
        let left = changes.iter().filter(is_left);
        left.map(|it| LeftOut { path: it.path.clone(), reason: "it is not in the salvage" }).collect()
    }

    /// Returns the paths that are on the disk neither as in the base nor as in the salvage, and those that cannot be
    /// written.
    pub(super) async fn conflicts(&self, base: &str, diff: &[Differing]) -> Result<Vec<RelPath>, GitError> {
        let side = |pick: fn(&Differing) -> Option<Entry>| -> Vec<(RootPath, Option<Entry>)> {
            diff.iter().map(|it| (it.path.clone(), pick(it))).collect()
        };
        let mut other = self.unlike(&side(|it| it.old.clone()), false).await?;
        if !other.is_empty() && !self.raw_paths(base).await?.is_empty() {
            let raw = self.unlike(&side(|it| it.old.clone()), true).await?;
            other.retain(|path| raw.contains(path));
        }
        if !other.is_empty() {
            let new = self.unlike(&side(|it| it.new.clone()), false).await?;
            other.retain(|path| new.contains(path));
        }
        let leaving: HashSet<&RootPath> = diff.iter().filter(|it| it.new.is_none()).map(|it| &it.path).collect();
        let mut ways = Ways::default();
        for it in diff {
            let Some(entry) = &it.new else { continue };
            // What is in the way may itself be a file that goes.
            let is_freed = leaving.iter().any(|path| it.path.starts_with(path) || path.starts_with(&it.path));
            if !is_freed && obstacle(&self.place, &it.path, entry, &mut ways)?.is_some() {
                other.insert(it.path.clone());
            }
        }
        let mut paths: Vec<RelPath> = other.iter().filter_map(|path| self.place.relative(path)).collect();
        paths.sort();
        Ok(paths)
    }

    /// Returns the paths whose content, mode or presence on the disk is not the one given.
    async fn unlike(&self, entries: &[(RootPath, Option<Entry>)], is_raw: bool) -> Result<HashSet<RootPath>, GitError> {
        const ACTION: &str = "compare files with a commit";
        let absent = entries.iter().filter(|(_, entry)| entry.is_none()).map(|(path, _)| path);
        let known: Vec<(RootPath, Entry)> =
            entries.iter().filter_map(|(path, entry)| Some((path.clone(), entry.clone()?))).collect();
        let mut unlike = HashSet::new();
        let mut ways = Ways::default();
        for path in absent {
            let is_reachable = ways.to(&self.place, path)? == super::place::Way::Directory;
            let found = if is_reachable { present(&self.place.on_disk(path))? } else { None };
            // A directory is no file of that name.
            if found.is_some_and(|it| !it.is_dir()) {
                unlike.insert(path.clone());
            }
        }
        let Some((_, Entry { object, .. })) = known.first() else { return Ok(unlike) };
        let index = PrivateIndex::empty(&self.temp_dir)?;
        self.set_entries(index.path(), &known).await?;
        let args = ["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=all"];
        let mut call = Call::new(ACTION, &args).config("diff.autoRefreshIndex=true").index(index.path());
        if is_raw {
            call = call.raw(Self::empty_tree_like(object));
        }
        let out = self.cli.ok(call).await?;
        unlike.extend(super::answer::fields(&out).map(<[u8]>::to_vec));
        Ok(unlike)
    }
}

#[cfg(test)]
mod tests;
