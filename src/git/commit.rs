//! One commit with exactly a task's files.
//!
//! `git commit` itself makes it, so that hooks, signing and the user's settings apply, but on a private index that is
//! HEAD plus the task's files. Does not decide which files are the task's. Invariants: nothing the user staged is in the
//! commit or changes its state; a commit is never made on top of another HEAD than the one its index was built from.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Change, EffectId, RelPath};
use crate::sys::proc::{Cause, Ended, StopSignal};

use super::Git;
use super::answer::{failed_hook, raw_diff};
use super::cli::{Call, check, keep_tail, object_name, odd};
use super::error::GitError;
use super::index::{Installed, PAUSES, PrivateIndex, own_prefix};
use super::message::{EFFECT, trailer, with_trailers};
use super::place::{LeftOut, Looks, RootPath};

/// What is to be committed.
#[derive(Debug)]
pub struct CommitRequest<'a> {
    /// The task's files, relative to the code directory; what they are on the disk counts, not their kind.
    pub paths: &'a [Change],
    /// Subject and body. Lines that start with `#` are kept.
    pub message: &'a str,
    /// Trailers after the one that names the effect.
    pub trailers: &'a [(String, String)],
    /// Written into the commit as `Autodev-Effect`.
    pub effect: &'a EffectId,
    /// Gets everything the hooks print, when they print something.
    pub log: Option<&'a Path>,
    /// Ends the commit, hooks included, when it takes longer.
    pub limit: Duration,
    /// Ends it when the run is to stop.
    pub stop: StopSignal,
}

impl CommitRequest<'_> {
    fn full_message(&self) -> String {
        let mut trailers = vec![(EFFECT, self.effect.as_str())];
        trailers.extend(self.trailers.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        with_trailers(self.message, &trailers)
    }
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It was made.
    Committed {
        /// Full name.
        sha: String,
        /// What was asked for and is not in it.
        left_out: Vec<LeftOut>,
        /// The user's index still has the old state of these files, because another git held it: call
        /// [`Git::sync_index`] later with the commit's parent and the files asked for.
        is_index_stale: bool,
    },
    /// Nothing differs from HEAD.
    Nothing {
        /// For people.
        reason: String,
        /// What was asked for and could not be committed at all.
        left_out: Vec<LeftOut>,
    },
    /// A hook said no. HEAD and the user's index are as they were; the hook may have changed files in the work tree.
    Refused {
        /// For example `pre-commit`; `None` when it cannot be told.
        hook: Option<String>,
        /// The end of what it printed, at most 40 lines and 4 000 bytes.
        tail: String,
        /// Git's own exit code.
        code: i32,
        /// Whether it was ended because of [`CommitRequest::limit`].
        is_timed_out: bool,
    },
}

/// How often a commit is tried when HEAD moves meanwhile.
const TRIES: u32 = 3;
/// How far back a commit is looked for by its effect.
const FAR: usize = 200;
const REASON_IGNORED: &str = "git ignores it";

/// Returns the operation that waits for the user in a repository's directory, if any.
pub(super) fn unfinished(git_dir: &Path) -> Option<&'static str> {
    let signs = [
        ("MERGE_HEAD", "merge"),
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
    ];
    signs.iter().find(|(file, _)| git_dir.join(file).exists()).map(|(_, operation)| *operation)
}

impl Git {
    /// Commits the files of a request, and nothing else.
    ///
    /// # Errors
    /// When git cannot do it for another reason than a hook; HEAD is then as it was, or holds a commit that
    /// [`Git::find_effect`] finds.
    pub async fn commit(&self, request: CommitRequest<'_>) -> Result<CommitOutcome, GitError> {
        self.refuse_if_unfinished()?;
        let looks = self.place.look(request.paths)?;
        if looks.is_empty() {
            return Ok(CommitOutcome::Nothing { reason: "no file to commit".to_owned(), left_out: looks.left_out });
        }
        let message = request.full_message();
        for _ in 0..TRIES {
            let head = self.head().await?;
            let mut looks = looks.clone();
            if let Some(outcome) = self.try_commit(&request, &message, head.as_deref(), &mut looks).await? {
                return Ok(outcome);
            }
        }
        Err(GitError::HeadMoves)
    }

    /// Returns every file in which a commit differs from its parent, also those that a hook added; sorted. Files outside
    /// of the code directory are not listed.
    ///
    /// # Errors
    /// When there is no such commit.
    pub async fn committed_files(&self, commit: &str) -> Result<Vec<RelPath>, GitError> {
        const ACTION: &str = "list the files of a commit";
        let args = ["diff-tree", "--root", "-r", "-z", "--no-renames", "--no-abbrev", "--no-commit-id"];
        let out = self.cli.ok(Call::new(ACTION, &args).arg(commit)).await?;
        let diff = raw_diff(&out).ok_or_else(|| odd(ACTION, &out))?;
        let mut files: Vec<RelPath> = diff.iter().filter_map(|it| self.place.relative(&it.path)).collect();
        files.sort();
        Ok(files)
    }

    /// Brings the user's index up to date for paths that were committed since `old_head` (`None`: there was no commit),
    /// unless the user has staged them otherwise. Returns false when another git held the index for 2 s.
    ///
    /// # Errors
    /// When there is no commit, or the index is damaged.
    pub async fn sync_index(&self, old_head: Option<&str>, paths: &[RelPath]) -> Result<bool, GitError> {
        let only: Vec<RootPath> = paths.iter().filter_map(|path| self.place.rooted(path)).collect();
        let old = match old_head {
            Some(head) => head.to_owned(),
            None => self.empty_tree().await?,
        };
        let mut moved = self.diff(&old, "HEAD").await?;
        let only: HashSet<&RootPath> = only.iter().collect();
        moved.retain(|it| only.contains(&it.path));
        self.follow(&old, &moved).await
    }

    /// Returns the commit with the trailer `Autodev-Effect: <effect>` that HEAD has: among those since `since`, or the
    /// last 200 when that is not given or no longer known.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn find_effect(&self, effect: &EffectId, since: Option<&str>) -> Result<Option<String>, GitError> {
        if self.head().await?.is_none() {
            return Ok(None);
        }
        let since = match since {
            Some(name) => self.resolve(name).await?,
            None => None,
        };
        let call = Call::new("look for a commit", &["log", "-z", "--format=tformat:%H%x00%B", "--no-show-signature"]);
        let call = match since {
            Some(name) => call.arg("HEAD").arg(format!("^{name}")),
            None => call.arg(format!("--max-count={FAR}")).arg("HEAD"),
        };
        let out = self.cli.ok(call.arg("--")).await?;
        let fields: Vec<&[u8]> = out.split(|b| *b == 0).collect();
        Ok(fields.chunks_exact(2).find_map(|pair| match pair {
            [name, body] if trailer(&String::from_utf8_lossy(body), EFFECT) == Some(effect.as_str()) => {
                Some(String::from_utf8_lossy(name).into_owned())
            }
            _ => None,
        }))
    }

    fn refuse_if_unfinished(&self) -> Result<(), GitError> {
        match unfinished(&self.dir) {
            Some(operation) => Err(GitError::InProgress { operation }),
            None => Ok(()),
        }
    }

    /// `None` when HEAD was moved by somebody else meanwhile; then nothing has changed.
    async fn try_commit(
        &self,
        request: &CommitRequest<'_>,
        message: &str,
        head: Option<&str>,
        looks: &mut Looks,
    ) -> Result<Option<CommitOutcome>, GitError> {
        let Some(built) = self.build(head, looks).await? else { return Ok(Some(nothing(looks))) };
        let Built { index, old, .. } = &built;
        // Without such a hook, git itself notices that nothing is to be committed, before it has done anything.
        let has_hook = self.hooks_dir.join("pre-commit").exists();
        if has_hook && self.staged(Some(index.path()), old).await?.is_empty() {
            return Ok(Some(nothing(looks)));
        }

        let mut heard = Heard::new(request.log);
        let trace = self.temp_dir.join(format!("{}{:08x}.trace", own_prefix(), fastrand::u32(..)));
        let trace = TraceFile(trace);
        let ended = self.run_commit(request, message, index, &trace, &mut heard).await?;
        if ended.code != 0 || ended.cause != Cause::Itself {
            return self.refusal(request, ended, &built, looks, trace, heard).await.map(Some);
        }
        let Some(sha) = self.made(request, head).await? else { return Ok(None) };
        let left_out = std::mem::take(&mut looks.left_out);
        // The commit exists: whatever goes wrong with the index is told by the flag, and mended by `sync_index`.
        let is_index_stale = !self.update_user_index(&built, &sha).await.unwrap_or(false);
        Ok(Some(CommitOutcome::Committed { sha, left_out, is_index_stale }))
    }

    /// Builds the index of the commit: HEAD with the files in `looks`, of which those that git ignores are moved to
    /// `left_out`. `None` when no file is left.
    async fn build(&self, head: Option<&str>, looks: &mut Looks) -> Result<Option<Built>, GitError> {
        let old = match head {
            Some(head) => head.to_owned(),
            None => self.empty_tree().await?,
        };
        let index = PrivateIndex::copy_of(&self.user_index(), &self.temp_dir)?;
        let path = Some(index.path());
        let (staged, ignored) = tokio::join!(self.staged(path, &old), self.ignored(path, &looks.present));
        let (staged, mut ignored) = (staged?, ignored?);
        if !staged.is_empty() {
            let reset = Call::new("build an index", &["read-tree", "--reset", &old]);
            self.cli.ok(reset.index(index.path())).await?;
            // What is tracked is not ignored, and which files are tracked differs only where something is staged.
            let staged: HashSet<&RootPath> = staged.iter().map(|it| &it.path).collect();
            if looks.present.iter().any(|path| staged.contains(path)) {
                ignored = self.ignored(path, &looks.present).await?;
            }
        }
        self.leave_out(looks, &ignored);
        if looks.is_empty() {
            return Ok(None);
        }
        self.stage(index.path(), looks, std::convert::identity).await?;
        Ok(Some(Built { index, old, is_users: staged.is_empty() }))
    }

    async fn run_commit(
        &self,
        request: &CommitRequest<'_>,
        message: &str,
        index: &PrivateIndex,
        trace: &TraceFile,
        heard: &mut Heard<'_>,
    ) -> Result<Ended, GitError> {
        let args = ["commit", "--quiet", "--no-status", "--cleanup=whitespace", "--file=-"];
        let mut call = Call::new("commit", &args)
            .config("gc.auto=0")
            .config("maintenance.auto=false")
            .config("i18n.commitEncoding=UTF-8")
            .index(index.path())
            .env("GIT_TRACE2_EVENT", &trace.0)
            .input(message.as_bytes().to_vec());
        for setting in self.identity().await? {
            call = call.config(setting);
        }
        self.cli.run_hooked(call, request.stop.clone(), request.limit, &mut |bytes| heard.take(bytes)).await
    }

    /// Says why `git commit` did not succeed.
    async fn refusal(
        &self,
        request: &CommitRequest<'_>,
        ended: Ended,
        built: &Built,
        looks: &mut Looks,
        trace: TraceFile,
        heard: Heard<'_>,
    ) -> Result<CommitOutcome, GitError> {
        const ACTION: &str = "commit";
        let hook = trace.read().as_deref().and_then(failed_hook);
        let is_timed_out = ended.cause == Cause::Wall;
        let refused = |hook| CommitOutcome::Refused { hook, tail: heard.last_lines(), code: ended.code, is_timed_out };
        match ended.cause {
            Cause::Stopped => return Err(GitError::Stopped { action: ACTION }),
            Cause::Wall | Cause::Idle if hook.is_none() => check(ACTION, ended, request.limit)?,
            Cause::Itself | Cause::Wall | Cause::Idle => {}
        }
        if hook.is_some() {
            return Ok(refused(hook));
        }
        // 1 is a refusal: nothing to commit, or a hook that an old git does not name. All other trouble is 128.
        if ended.code == 1 {
            let is_same = self.staged(Some(built.index.path()), &built.old).await?.is_empty();
            return Ok(if is_same { nothing(looks) } else { refused(None) });
        }
        Err(GitError::Failed { action: ACTION, code: ended.code, tail: heard.last_lines() })
    }

    /// Returns the name of the commit that was made; `None` when it was made on another HEAD than the one its index was
    /// built from and has been taken back.
    async fn made(&self, request: &CommitRequest<'_>, head: Option<&str>) -> Result<Option<String>, GitError> {
        if let Some(sha) = self.head_after(head) {
            return Ok(Some(sha));
        }
        let made = self.read_back("HEAD").await?;
        let is_child = |made: &Made| made.parents == head.unwrap_or_default();
        if is_child(&made) {
            return Ok(Some(made.sha));
        }
        if made.effect.as_deref() == Some(request.effect.as_str()) {
            self.take_back(&made.sha, &made.parents).await?;
            return Ok(None);
        }
        // A hook, or somebody else, has committed on top of it already.
        let found = self.find_effect(request.effect, head).await?.ok_or(GitError::HeadMoves)?;
        let made = self.read_back(&found).await?;
        if is_child(&made) { Ok(Some(made.sha)) } else { Err(GitError::HeadMoves) }
    }

    /// Returns HEAD when its log says that it came there from `head` in one step; without a child.
    fn head_after(&self, head: Option<&str>) -> Option<String> {
        let sha = self.head_from_files()?;
        let mut file = File::open(self.dir.join("logs/HEAD")).ok()?;
        let size = file.metadata().ok()?.len();
        // A line holds two names, the committer and the subject.
        file.seek(SeekFrom::Start(size.saturating_sub(16 * 1024))).ok()?;
        let mut end = Vec::new();
        file.take(16 * 1024).read_to_end(&mut end).ok()?;
        let line = end.strip_suffix(b"\n")?.rsplit(|b| *b == b'\n').next()?;
        let mut words = line.split(|b| *b == b' ').map(object_name);
        let (old, new) = (words.next()??, words.next()??);
        let is_child = head.map_or_else(|| old.bytes().all(|b| b == b'0'), |head| head == old);
        (is_child && new == sha).then_some(sha)
    }

    async fn read_back(&self, name: &str) -> Result<Made, GitError> {
        const ACTION: &str = "read the commit back";
        let call = Call::new(ACTION, &["log", "-1", "-z", "--format=%H%x00%P%x00%B", "--no-show-signature"]);
        let out = self.cli.ok(call.arg(name).arg("--")).await?;
        Made::parse(&out).ok_or_else(|| odd(ACTION, &out))
    }

    async fn update_user_index(&self, built: &Built, sha: &str) -> Result<bool, GitError> {
        for pause in PAUSES {
            match if built.is_users { built.index.install(&self.user_index())? } else { Installed::No } {
                Installed::Yes => return Ok(true),
                Installed::Busy => tokio::time::sleep(pause).await,
                Installed::No => return self.follow(&built.old, &self.diff(&built.old, sha).await?).await,
            }
        }
        Ok(false)
    }

    /// Undoes a commit that was made on top of somebody else's, which its tree does not contain.
    async fn take_back(&self, sha: &str, parent: &str) -> Result<(), GitError> {
        let message = "autodev: HEAD had moved";
        let call = Call::new("take a commit back", &["update-ref", "-m", message, "HEAD", parent, sha]);
        self.cli.ok(call).await?;
        Ok(())
    }

    pub(super) fn leave_out(&self, looks: &mut Looks, ignored: &[RootPath]) {
        if ignored.is_empty() {
            return;
        }
        let ignored: HashSet<&RootPath> = ignored.iter().collect();
        let (out, kept) = std::mem::take(&mut looks.present).into_iter().partition(|path| ignored.contains(path));
        looks.present = kept;
        let out: Vec<RootPath> = out;
        let relative = out.iter().filter_map(|path| self.place.relative(path));
        looks.left_out.extend(relative.map(|path| LeftOut { path, reason: REASON_IGNORED }));
    }
}

fn nothing(looks: &mut Looks) -> CommitOutcome {
    let left_out = std::mem::take(&mut looks.left_out);
    let reason =
        if looks.is_empty() { "git ignores every changed file" } else { "the changed files are the same in HEAD" };
    CommitOutcome::Nothing { reason: reason.to_owned(), left_out }
}

/// What a commit is built from.
struct Built {
    /// HEAD and the task's files.
    index: PrivateIndex,
    /// HEAD, or the empty tree.
    old: String,
    /// Whether the user's index was the same as HEAD, so that this one can take its place.
    is_users: bool,
}

/// A commit as it was read back.
struct Made {
    sha: String,
    /// Empty for a first commit; several are separated by blanks.
    parents: String,
    effect: Option<String>,
}

impl Made {
    /// Parses name, parents and message, separated by NUL.
    fn parse(out: &[u8]) -> Option<Self> {
        let mut about = out.split(|b| *b == 0).map(String::from_utf8_lossy);
        let (sha, parents, body) = (about.next()?, about.next()?, about.next()?);
        let effect = trailer(&body, EFFECT).map(str::to_owned);
        Some(Self { sha: sha.into_owned(), parents: parents.into_owned(), effect })
    }
}

/// The events of one `git commit`, removed when dropped.
struct TraceFile(PathBuf);

impl TraceFile {
    /// Returns the events; `None` when there are none, or so many that a hook must have run very many commands.
    fn read(&self) -> Option<Vec<u8>> {
        crate::sys::fs::read_capped(&self.0, 64 << 20).ok()
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        // An old git writes none; what stays is cleared at the next start.
        std::fs::remove_file(&self.0).ok();
    }
}

/// What the hooks print: complete in a file, the end in memory.
struct Heard<'a> {
    log: Option<&'a Path>,
    tail: Vec<u8>,
    error: Option<crate::sys::fs::PathError>,
}

impl<'a> Heard<'a> {
    fn new(log: Option<&'a Path>) -> Self {
        Self { log, tail: Vec::new(), error: None }
    }

    fn take(&mut self, bytes: &[u8]) {
        keep_tail(&mut self.tail, bytes, 16 * 1024);
        if let (Some(log), None) = (self.log, &self.error) {
            self.error = crate::sys::fs::append(log, bytes).err();
        }
    }

    /// Returns at most 40 lines and 4 000 bytes.
    fn last_lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let mut lines: Vec<&str> = text.trim_end().lines().rev().take(40).collect();
        lines.reverse();
        let mut text = lines.join("\n");
        text.drain(..text.ceil_char_boundary(text.len().saturating_sub(4_000)));
        if let Some(error) = &self.error {
            text = format!("{text}\n(the log is not complete: {error})");
        }
        text
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble;
