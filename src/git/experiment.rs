//! Experiments: changes of iterative tasks, kept under `refs/autodev/experiments/` while they are measured and after they
//! were put back; and the trees in which they are measured.
//!
//! An experiment is a commit on top of the tree before it, on no branch. Invariants: a change is in such a commit before
//! any file is put back; what somebody else changed since is never overwritten; a prepared tree holds exactly the files of
//! its commit, and what commands left there that git does not know.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::RelPath;
use crate::sys::fs::{Context as _, Durability, PathError, write_atomic};

use super::cli::Call;
use super::error::GitError;
use super::place::LeftOut;
use super::salvage::SalvageRequest;
use super::{Git, component};
use crate::model::Change;

const PREFIX: &str = "refs/autodev/experiments/";
/// How many files a summary names.
const NAMED: usize = 3;

/// A change in a commit of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experiment {
    /// The commit; `None` when nothing differs that git can hold.
    pub commit: Option<String>,
    /// The reference that keeps it.
    pub reference: String,
    /// What it holds.
    pub changed: Vec<Change>,
    /// What it does not hold.
    pub left_out: Vec<LeftOut>,
    /// For example `src/sort.py +3 -1, README.md +1 -0 and 2 more`.
    pub summary: String,
}

impl Git {
    /// Puts the changes of an iteration into a commit on top of the tree before it. Asked again for the same effect,
    /// the commit that exists is the answer.
    ///
    /// # Errors
    /// When a file cannot be read or the disk is full; nothing is lost then.
    pub async fn experiment(&self, request: SalvageRequest<'_>) -> Result<Experiment, GitError> {
        let reference = format!("{PREFIX}{}/{}", component(request.task), component(request.effect.as_str()));
        let saved = self.save(&reference, &request).await?;
        let summary = match &saved.commit {
            Some(commit) => {
                let args = ["diff", "--numstat", "-z", "--no-ext-diff", "--no-textconv", "--no-renames"];
                summary(&self.cli.ok(Call::new("measure a change", &args).arg(request.base).arg(commit)).await?)
            }
            None => String::new(),
        };
        Ok(Experiment { commit: saved.commit, reference, changed: saved.changes, left_out: saved.left_out, summary })
    }

    /// Forgets an experiment; one that is not there is no error.
    ///
    /// # Errors
    /// When references cannot be written.
    pub async fn drop_experiment(&self, reference: &str) -> Result<(), GitError> {
        if reference.starts_with(PREFIX) {
            self.cli.ok(Call::new("forget an experiment", &["update-ref", "-d"]).arg(reference)).await?;
        }
        Ok(())
    }

    /// Returns those of an experiment's files that are neither as they were before it nor as it made them: somebody
    /// else has changed them since.
    ///
    /// # Errors
    /// When the commits cannot be read.
    pub async fn changed_since(&self, base: &str, commit: &str) -> Result<Vec<RelPath>, GitError> {
        let diff = self.diff(base, commit).await?;
        self.conflicts(base, &diff).await
    }

    /// Makes a directory hold the files of a commit, byte for byte as a checkout would, without touching the user's
    /// index, references or hooks. What git does not know there stays: it is what earlier commands built. Returns the
    /// place of the code directory in it.
    ///
    /// # Errors
    /// When files cannot be written.
    pub async fn prepare_tree(&self, dir: &Path, commit: &str) -> Result<PathBuf, GitError> {
        let index = side(dir, "index");
        let unfinished = side(dir, "unfinished");
        // Without its index, or when an earlier preparation was cut off, nobody knows which files are old.
        if !index.exists() || unfinished.exists() {
            remove(dir)?;
            remove_file(&index)?;
        }
        fs::create_dir_all(dir).at("create", dir)?;
        write_atomic(&unfinished, b"", Durability::Cached)?;
        let call = |args: &[&str]| {
            Call::new("prepare a tree", args).config("core.hooksPath=/dev/null").index(&index).env("GIT_WORK_TREE", dir)
        };
        // Files that a command changed are reset too; the first step only looks at what differs between two commits.
        self.cli.ok(call(&["read-tree", "--reset", "-u"]).arg(commit)).await?;
        self.cli.ok(call(&["checkout-index", "--force", "--all", "--quiet", "-u"])).await?;
        remove_file(&unfinished)?;
        Ok(self.place.code_dir_in(dir))
    }
}

/// Returns a line about what `git diff --numstat -z` printed: `added <tab> removed <tab> path <0>` for each file, with `-`
/// instead of the numbers of a binary one.
fn summary(numstat: &[u8]) -> String {
    let text = String::from_utf8_lossy(numstat);
    let files: Vec<String> = text
        .split('\0')
        .filter_map(|entry| {
            let mut parts = entry.splitn(3, '\t');
            let (added, removed, path) = (parts.next()?, parts.next()?, parts.next()?);
            let path: String = path.chars().filter(|c| !c.is_control()).collect();
            Some(if added == "-" { format!("{path} (binary)") } else { format!("{path} +{added} -{removed}") })
        })
        .collect();
    let more = if files.len() > NAMED { format!(" and {} more", files.len() - NAMED) } else { String::new() };
    files.get(..NAMED).unwrap_or(&files).join(", ") + &more
}

/// A file beside a prepared tree.
fn side(dir: &Path, what: &str) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    PathBuf::from(name)
}

fn remove(dir: &Path) -> Result<(), PathError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", dir),
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<(), PathError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::super::testrepo::{Repo, change};
    use super::*;
    use crate::model::{ChangeKind, EffectId};

    fn commit_all(repo: &Repo, message: &str) -> String {
        repo.git(&["add", "-A"]);
        repo.git(&["commit", "-q", "-m", message]);
        repo.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn put(path: &Path, text: &str) {
        write_atomic(path, text.as_bytes(), Durability::Cached).unwrap();
    }

    async fn experiment(git: &Git, base: &str, changes: &[Change]) -> Experiment {
        let effect = EffectId::new("r.1");
        git.experiment(SalvageRequest { task: "T", effect: &effect, base, changes, message: "perf(T): t" })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn an_experiment_is_made_once_and_can_be_forgotten() {
        let repo = Repo::new();
        repo.write("a", "one\n");
        let base = commit_all(&repo, "start");
        let git = repo.open().await;
        repo.write("a", "two\n");
        let made = experiment(&git, &base, &[change(ChangeKind::Modified, "a")]).await;
        assert_eq!(made.summary, "a +1 -1");
        repo.write("a", "three\n");
        assert_eq!(
            experiment(&git, &base, &[change(ChangeKind::Modified, "a")]).await,
            made,
            "the same effect, the same answer"
        );
        assert_eq!(repo.git(&["show", &format!("{}:a", made.reference)]), "two");
        let commit = made.commit.unwrap();
        assert_eq!(git.changed_since(&base, &commit).await.unwrap(), ["a".into()], "three is somebody else's");
        repo.write("a", "two\n");
        assert_eq!(git.changed_since(&base, &commit).await.unwrap(), []);
        git.drop_experiment(&made.reference).await.unwrap();
        git.drop_experiment(&made.reference).await.unwrap();
        git.drop_experiment("refs/heads/main").await.unwrap();
        assert_eq!(repo.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    }

    #[tokio::test]
    async fn a_prepared_tree_holds_the_commit_and_what_was_built_there() {
        let repo = Repo::new();
        for (name, text) in [("a", "one\n"), ("same", "s\n"), ("old", "o\n"), ("sub/x", "x\n")] {
            repo.write(name, text);
        }
        let first = commit_all(&repo, "first");
        repo.remove("old");
        repo.write("a", "two\n");
        repo.write("new", "n\n");
        let second = commit_all(&repo, "second");
        let git = repo.open().await;
        repo.write("staged", "s\n");
        repo.git(&["add", "staged"]);
        let tree = repo.temp.join("trees/a");
        let read = |name: &str| std::fs::read_to_string(tree.join(name)).unwrap_or_default();

        assert_eq!(git.prepare_tree(&tree, &first).await.unwrap(), tree);
        assert_eq!((read("a").as_str(), read("old").as_str(), read("sub/x").as_str()), ("one\n", "o\n", "x\n"));
        let untouched = std::fs::metadata(tree.join("same")).unwrap();
        std::fs::create_dir(tree.join("build")).unwrap();
        put(&tree.join("build/product"), "built");
        put(&tree.join("sub/x"), "changed by a command");

        git.prepare_tree(&tree, &second).await.unwrap();
        assert_eq!((read("a").as_str(), read("old").as_str(), read("new").as_str()), ("two\n", "", "n\n"));
        assert_eq!((read("sub/x").as_str(), read("build/product").as_str()), ("x\n", "built"));
        let same = std::fs::metadata(tree.join("same")).unwrap();
        assert_eq!(same.mtime_nsec(), untouched.mtime_nsec(), "or everything would be built anew");
        assert_eq!(repo.git(&["status", "--porcelain"]), "A  staged", "the user's index is as it was");

        // Cut off in the middle: nobody knows what is old, so nothing is.
        put(&side(&tree, "unfinished"), "");
        put(&tree.join("half"), "");
        git.prepare_tree(&tree, &first).await.unwrap();
        assert!(!tree.join("half").exists() && read("a") == "one\n");
    }

    #[tokio::test]
    async fn a_project_below_the_top_is_found_in_a_prepared_tree() {
        let repo = Repo::new();
        repo.write("sub/dir/x", "x\n");
        let commit = commit_all(&repo, "first");
        let git = repo.open_at("sub/dir").await;
        let tree = repo.temp.join("b");
        assert_eq!(git.prepare_tree(&tree, &commit).await.unwrap(), tree.join("sub/dir"));
        assert!(tree.join("sub/dir/x").exists());
    }

    #[test]
    fn a_summary_names_three_files_and_counts_the_rest() {
        assert_eq!(summary(b"3\t1\tsrc/a b.py\0-\t-\tlogo.png\0"), "src/a b.py +3 -1, logo.png (binary)");
        assert_eq!(
            summary(b"1\t0\ta\x001\t0\tb\x001\t0\tc\x001\t0\td\x002\t0\te\0"),
            "a +1 -0, b +1 -0, c +1 -0 and 2 more"
        );
        assert_eq!(summary(b""), "");
        assert_eq!(summary(b"1\t0\ta\x1b[2J\nb\xff\0"), "a[2Jb\u{fffd} +1 -0");
    }
}
