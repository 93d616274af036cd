//! Git: commits of exactly a task's files, bases to return to, and salvage of what a blocked task left behind.
//!
//! Everything is built with a private index, so that what the user has staged stays as it is; the user's own index is
//! only brought up to date for the paths of a commit. Nothing here decides whether work is good, pushes, or changes
//! branches. Invariants: no file is removed or overwritten that is not in an object a reference holds; every operation
//! can be run again after being cut off anywhere; commands are started in `cli` only.

mod answer;
mod base;
mod cli;
mod commit;
mod error;
mod examine;
mod experiment;
mod index;
mod message;
mod open;
mod place;
mod restore;
mod salvage;
#[cfg(test)]
mod testrepo;

use std::path::{Path, PathBuf};

pub use commit::{CommitOutcome, CommitRequest};
pub use error::GitError;
pub use examine::examine;
pub use experiment::Experiment;
pub use place::LeftOut;
pub use restore::RestoreReport;
pub use salvage::{Salvage, SalvageEntry, SalvageRequest};

use self::cli::{Call, Cli, object_name, odd};
use self::place::Place;

/// The work tree that a project is in.
#[derive(Debug)]
pub struct Git {
    cli: Cli,
    place: Place,
    /// `.git`, or the linked work tree's own directory.
    dir: PathBuf,
    /// `.git`, shared by all linked work trees.
    common_dir: PathBuf,
    hooks_dir: PathBuf,
    temp_dir: PathBuf,
    /// Whether git knew no author when it was opened.
    lacks_identity: bool,
}

impl Git {
    /// Returns the full name of the commit the work tree is at; `None` on a branch without commits.
    ///
    /// # Errors
    /// When HEAD cannot be read.
    pub async fn head(&self) -> Result<Option<String>, GitError> {
        if let Some(name) = self.head_from_files() {
            return Ok(Some(name));
        }
        self.resolve("HEAD").await
    }

    /// Returns the newest `count` commits of the current branch, newest first: short name and subject.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub async fn recent_log(&self, count: usize) -> Result<Vec<(String, String)>, GitError> {
        const ACTION: &str = "read the history";
        if count == 0 || self.head().await?.is_none() {
            return Ok(Vec::new());
        }
        let call = Call::new(ACTION, &["log", "-z", "--format=tformat:%h%x00%s", "--no-show-signature"]);
        let out = self.cli.ok(call.arg(format!("--max-count={count}")).arg("HEAD")).await?;
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        // No filter for empty fields: a commit may have an empty subject.
        let fields: Vec<&[u8]> = out.strip_suffix(b"\0").unwrap_or(&out).split(|b| *b == 0).collect();
        fields
            .chunks(2)
            .map(|pair| match pair {
                [name, subject] => Ok((text(name), text(subject))),
                _ => Err(odd(ACTION, &out)),
            })
            .collect()
    }

    /// Returns the commit a name stands for; `None` when there is no such thing.
    async fn resolve(&self, name: &str) -> Result<Option<String>, GitError> {
        const ACTION: &str = "look up a commit";
        let reply = self.cli.run(Call::new(ACTION, &["rev-parse", "--quiet", "--verify"]).arg(commit_of(name))).await?;
        match reply.code {
            0 => object_name(&reply.out).map(Some).ok_or_else(|| odd(ACTION, &reply.out)),
            1 => Ok(None),
            _ => Err(reply.failed(ACTION)),
        }
    }

    /// Reads HEAD without a child, for the usual way in which references are stored.
    fn head_from_files(&self) -> Option<String> {
        let read = |path: &Path| crate::sys::fs::read_capped(path, 4096).ok();
        let head = read(&self.dir.join("HEAD"))?;
        let Some(reference) = head.strip_prefix(b"ref: ") else { return object_name(&head) };
        let reference = std::str::from_utf8(reference).ok()?.trim_end_matches('\n');
        if !reference.starts_with("refs/heads/") || reference.split('/').any(|part| part == "..") {
            return None;
        }
        object_name(&read(&self.common_dir.join(reference))?)
    }

    /// Returns the name of the tree without files, in the repository's hash.
    async fn empty_tree(&self) -> Result<String, GitError> {
        self.cli.object(Call::new("hash an empty tree", &["hash-object", "-t", "tree", "--stdin"])).await
    }

    /// The same without a child, when some object name of the repository is known.
    fn empty_tree_like(object: &str) -> &'static str {
        // `git hash-object -t tree --stdin </dev/null`, in SHA-1 and SHA-256 repositories.
        if object.len() == 40 {
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        } else {
            "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
        }
    }
}

fn commit_of(name: &str) -> String {
    format!("{name}^{{commit}}")
}

/// Returns a text as one component of a reference or file name: other characters than `A-Za-z0-9_-` become `-`, and it
/// is cut after 80 of them (a file name has room for 255, `.lock` included).
fn component(text: &str) -> String {
    let safe: String = text
        .chars()
        .take(80)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' })
        .collect();
    if safe.is_empty() { "-".to_owned() } else { safe }
}
