//! Bases: commits whose tree is the work tree before a task began.
//!
//! On a clean tree that is HEAD. Otherwise a commit on top of HEAD holds the user's unfinished work, byte for byte, under
//! `refs/autodev/base/` so that it is not collected. It is on no branch. Ignored files are not in it, nor is the content
//! of other repositories inside the work tree. Invariant: neither the user's index nor the work tree is touched.

use crate::model::RelPath;

use super::answer::status;
use super::cli::{Call, odd};
use super::error::GitError;
use super::index::PrivateIndex;
use super::message::{RAW, with_trailers};
use super::place::{Looks, RootPath};
use super::{Git, component};

const PREFIX: &str = "refs/autodev/base/";

impl Git {
    /// Returns a commit whose tree is the work tree as it is: HEAD when nothing differs from it, else one that is made
    /// and kept as `refs/autodev/base/<name>` (an older one of that name is replaced).
    ///
    /// Changes of `own` files, and of files below `own` directories, do not count and are taken as they are in HEAD:
    /// they are the runner's, and it never restores them.
    ///
    /// # Errors
    /// When a file cannot be read or the disk is full.
    pub async fn base_commit(&self, name: &str, own: &[RelPath]) -> Result<String, GitError> {
        const ACTION: &str = "read the state of the work tree";
        let args = [
            "status",
            "--porcelain=v2",
            "-z",
            "--branch",
            "--untracked-files=all",
            "--no-renames",
            "--no-ahead-behind",
        ];
        let out = self.cli.ok(Call::new(ACTION, &args).arg("--ignore-submodules=all")).await?;
        let found = status(&out).ok_or_else(|| odd(ACTION, &out))?;
        let own: Vec<RootPath> = own.iter().filter_map(|path| self.place.rooted(path)).collect();
        let is_below = |path: &[u8], own: &[u8]| {
            path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let is_own = |path: &[u8]| own.iter().any(|own| is_below(path, own));
        let looks = self.place.look_rooted(found.paths.iter().filter(|path| !is_own(path)))?;
        match found.head {
            Some(head) if looks.is_empty() => Ok(head),
            head => self.keep_base(name, head.as_deref(), &looks).await,
        }
    }

    /// Forgets a base; one that is not there is no error.
    ///
    /// # Errors
    /// When references cannot be written.
    pub async fn drop_base(&self, name: &str) -> Result<(), GitError> {
        let reference = format!("{PREFIX}{}", component(name));
        self.cli.ok(Call::new("forget a base", &["update-ref", "-d"]).arg(reference)).await?;
        Ok(())
    }

    /// Gives up every base but those named: what a run that was killed could not give up any more.
    ///
    /// # Errors
    /// When references cannot be listed or written.
    pub async fn drop_bases_but(&self, wanted: &[String]) -> Result<(), GitError> {
        let call = Call::new("list the bases", &["for-each-ref", "--format=%(refname)", PREFIX]);
        let out = self.cli.ok(call).await?;
        let wanted: Vec<String> = wanted.iter().map(|name| format!("{PREFIX}{}", component(name))).collect();
        for reference in String::from_utf8_lossy(&out).lines() {
            if !wanted.iter().any(|name| name == reference) {
                self.cli.ok(Call::new("forget a base", &["update-ref", "-d"]).arg(reference)).await?;
            }
        }
        Ok(())
    }

    async fn keep_base(&self, name: &str, head: Option<&str>, looks: &Looks) -> Result<String, GitError> {
        let empty = match head {
            Some(head) => Self::empty_tree_like(head).to_owned(),
            None => self.empty_tree().await?,
        };
        let index = PrivateIndex::empty(&self.temp_dir)?;
        let call = Call::new("build an index", &["read-tree", head.unwrap_or(&empty)]);
        self.cli.ok(call.index(index.path())).await?;
        self.stage(index.path(), looks, |call| call.raw(&empty).durable()).await?;
        let message = with_trailers("autodev: the work tree before a task", &[(RAW, "yes")]);
        let commit = self.commit_tree(&index, head, &message).await?;
        let reference = format!("{PREFIX}{}", component(name));
        let call = Call::new("keep a base", &["update-ref"]).durable().arg(reference).arg(&commit);
        self.cli.ok(call).await?;
        Ok(commit)
    }

    /// Makes a commit of a private index that no branch holds.
    pub(super) async fn commit_tree(
        &self,
        index: &PrivateIndex,
        parent: Option<&str>,
        message: &str,
    ) -> Result<String, GitError> {
        let tree = self.cli.object(Call::new("write a tree", &["write-tree"]).durable().index(index.path())).await?;
        let mut call = Call::new("write a commit", &["commit-tree"])
            .config("i18n.commitEncoding=UTF-8")
            .durable()
            .by_autodev()
            .input(message.as_bytes().to_vec());
        if let Some(parent) = parent {
            call = call.arg("-p").arg(parent);
        }
        self.cli.object(call.arg(tree)).await
    }
}
