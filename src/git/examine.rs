//! Looks at a repository for `autodev doctor`: what there is, without changing a byte of it.
//!
//! Facts only; what they mean is concluded by `logic::health`. Invariants: every command has the given time limit, none
//! writes (optional locks are off), and trouble is a fact as well, never an error.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::logic::health::git::{Head, Repository, WorkTree};
use crate::sys::{clock, which};

use super::cli::{Call, Cli, odd};
use super::commit::unfinished;
use super::error::GitError;
use super::open::{check_version, find, lacks_identity, path};
use super::place::split;

/// The hooks that `git commit` runs.
const HOOKS: [&str; 6] =
    ["pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "reference-transaction", "post-index-change"];
/// Largest `.gitattributes` that is looked into.
const ATTRIBUTES: u64 = 1 << 20;

/// Looks at the repository that `code_dir` is in. `env` is set for every command, `state_dir` is `.autodev/`.
pub async fn examine(code_dir: &Path, state_dir: &Path, env: Vec<(OsString, OsString)>, limit: Duration) -> Repository {
    match look(code_dir, state_dir, env, limit).await {
        Ok(found) => found,
        Err(GitError::Start { source }) if source.source.kind() == io::ErrorKind::NotFound => Repository::NoProgram,
        Err(GitError::TooOld { found, needed }) => Repository::TooOld { found, needed },
        Err(error) => Repository::Failed { message: error.to_string(), hint: error.hint() },
    }
}

async fn look(
    code_dir: &Path,
    state_dir: &Path,
    env: Vec<(OsString, OsString)>,
    limit: Duration,
) -> Result<Repository, GitError> {
    let code_dir = fs::canonicalize(code_dir).unwrap_or_else(|_| code_dir.to_path_buf());
    let cli = Cli::new(&code_dir, env.clone()).within(limit);
    let printed = cli.ok(Call::new("ask git for its version", &["version"])).await?;
    let printed = String::from_utf8_lossy(&printed).into_owned();
    check_version(&printed)?;
    let version = printed.trim().trim_start_matches("git version ").to_owned();

    let inside = find(&cli).await?.and_then(|(up, git_dir)| Some((split(&code_dir, &up)?.0, git_dir)));
    let Some((top, git_dir)) = inside else {
        // A bare repository, or the inside of `.git`, is one without a work tree.
        let reply = cli.run(Call::new("look for a repository", &["rev-parse", "--git-dir"])).await?;
        return Ok(Repository::NoWorkTree { version, is_bare: reply.code == 0 });
    };
    let cli = Cli::new(&top, env).within(limit);
    let (lacks_identity, status, hooks, sparse, tracked) = tokio::join!(
        lacks_identity(&cli),
        status(&cli),
        cli.ok(Call::new("look for hooks", &["rev-parse", "--git-path", "hooks"])),
        cli.run(Call::new("read the settings", &["config", "--type=bool", "--get", "core.sparseCheckout"])),
        tracked_below(&cli, state_dir),
    );
    let Status { head, changed, untracked } = status?;
    let (hooks, idle_hooks) = hooks_in(&top.join(path(hooks?)));
    let uses_lfs = crate::sys::fs::read_capped(&top.join(".gitattributes"), ATTRIBUTES)
        .is_ok_and(|text| String::from_utf8_lossy(&text).contains("filter=lfs"));
    Ok(Repository::WorkTree(Box::new(WorkTree {
        version,
        head,
        lacks_identity: lacks_identity?,
        operation: unfinished(&git_dir),
        index_lock: age(&git_dir.join("index.lock")),
        hooks,
        idle_hooks,
        changed,
        untracked,
        has_submodules: top.join(".gitmodules").exists(),
        lfs: uses_lfs.then(|| which::resolve("git-lfs".as_ref(), &top).is_ok()),
        is_sparse: sparse?.out.trim_ascii() == b"true",
        tracked_state: tracked?,
        top: top.display().to_string(),
    })))
}

/// What one `git status` tells.
#[derive(Debug, PartialEq, Eq)]
struct Status {
    head: Head,
    changed: usize,
    untracked: usize,
}

async fn status(cli: &Cli) -> Result<Status, GitError> {
    const ACTION: &str = "look for changes";
    let args = ["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=all"];
    let out = cli.ok(Call::new(ACTION, &args)).await?;
    parse_status(&out).ok_or_else(|| odd(ACTION, &out))
}

/// Reads what `git status --porcelain=v2 --branch -z` printed; `None` when that says nothing about HEAD.
fn parse_status(out: &[u8]) -> Option<Status> {
    let (mut commit, mut branch, mut changed, mut untracked) = (None, None, 0, 0);
    let mut fields = out.split(|byte| *byte == 0);
    while let Some(field) = fields.next() {
        match field.get(..2) {
            Some(b"# ") => {
                let header = String::from_utf8_lossy(field);
                if let Some(name) = header.strip_prefix("# branch.oid ") {
                    commit = Some(name.to_owned());
                } else if let Some(name) = header.strip_prefix("# branch.head ") {
                    branch = Some(name.to_owned());
                }
            }
            Some(b"1 " | b"u ") => changed += 1,
            Some(b"2 ") => {
                changed += 1;
                // The name before the renaming.
                fields.next();
            }
            Some(b"? ") => untracked += 1,
            _ => {}
        }
    }
    let (commit, branch) = (commit?, branch?);
    let head = match (commit.as_str(), branch.as_str()) {
        (_, "(detached)") => Head::Detached,
        ("(initial)", _) => Head::Unborn(branch),
        _ => Head::Branch(branch),
    };
    Some(Status { head, changed, untracked })
}

/// How many tracked files there are below a directory; none when it is outside of the work tree.
async fn tracked_below(cli: &Cli, dir: &Path) -> Result<usize, GitError> {
    let reply = cli.run(Call::new("list tracked files", &["ls-files", "-z", "--"]).arg(dir)).await?;
    Ok(if reply.code == 0 { reply.out.split(|byte| *byte == 0).filter(|path| !path.is_empty()).count() } else { 0 })
}

/// Hooks that would run with a commit, and those that are there but not executable; both sorted.
fn hooks_in(dir: &Path) -> (Vec<String>, Vec<String>) {
    let mut hooks = HOOKS;
    hooks.sort_unstable();
    let present = hooks.into_iter().filter_map(|name| Some((name, fs::metadata(dir.join(name)).ok()?)));
    let (run, idle): (Vec<_>, Vec<_>) = present
        .filter(|(_, metadata)| metadata.is_file())
        .partition(|(_, metadata)| metadata.permissions().mode() & 0o111 != 0);
    let names = |found: Vec<(&str, fs::Metadata)>| found.into_iter().map(|(name, _)| name.to_owned()).collect();
    (names(run), names(idle))
}

/// Seconds since a file was last written; `None` when it is not there.
fn age(file: &Path) -> Option<u64> {
    let modified = DateTime::<Utc>::from(fs::symlink_metadata(file).ok()?.modified().ok()?);
    u64::try_from((clock::real() - modified).num_seconds().max(0)).ok()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::testrepo::{Repo, git_env};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    async fn look_at(repo: &Repo, dir: &str) -> Repository {
        examine(&repo.dir.join(dir), &repo.dir.join(".autodev"), repo.env(), LIMIT).await
    }

    async fn tree(repo: &Repo) -> WorkTree {
        match look_at(repo, "").await {
            Repository::WorkTree(tree) => *tree,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_fresh_repository_is_told_as_it_is() {
        let repo = Repo::new();
        assert_eq!(tree(&repo).await.head, Head::Unborn("main".into()));
        repo.commit_file("a", "1", "first");
        let found = tree(&repo).await;
        assert_eq!(found.head, Head::Branch("main".into()));
        assert_eq!((found.changed, found.untracked, found.lacks_identity), (0, 0, false));
        assert_eq!((found.operation, found.index_lock, found.hooks.len()), (None, None, 0));
        assert_eq!((found.has_submodules, found.lfs, found.is_sparse, found.tracked_state), (false, None, false, 0));
        assert!(found.version.starts_with('2'), "{found:?}");
    }

    #[tokio::test]
    async fn what_lies_around_is_found() {
        let repo = Repo::new();
        repo.commit_file("a", "1", "first");
        repo.commit_file(".autodev/x", "1", "state");
        repo.write("a", "2");
        repo.write("new 1", "");
        repo.write("dir/one", "");
        repo.write("dir/two", "");
        repo.git(&["mv", ".autodev/x", ".autodev/y"]);
        repo.hook("pre-commit", "exit 0");
        repo.write(".git/hooks/commit-msg", "#!/bin/sh\n");
        repo.write(".git/index.lock", "");
        repo.write(".git/MERGE_HEAD", "x");
        repo.write(".gitmodules", "");
        repo.write(".gitattributes", "*.bin filter=lfs\n");
        repo.git(&["config", "core.sparseCheckout", "true"]);
        let found = tree(&repo).await;
        assert_eq!((found.changed, found.untracked), (2, 4), "{found:?}");
        assert_eq!((found.hooks, found.idle_hooks), (vec!["pre-commit".to_owned()], vec!["commit-msg".to_owned()]));
        assert_eq!((found.operation, found.tracked_state), (Some("merge"), 1));
        assert!(found.index_lock.is_some_and(|age| age < 60) && found.has_submodules && found.is_sparse);
        assert!(found.lfs.is_some());
        assert!(repo.exists(".git/index.lock"), "nothing is cleared away");
    }

    #[tokio::test]
    async fn heads_without_a_branch_and_places_without_a_tree_are_told() {
        let repo = Repo::new();
        repo.commit_file("a", "1", "first");
        repo.git(&["checkout", "-q", "--detach"]);
        assert_eq!(tree(&repo).await.head, Head::Detached);
        repo.git(&["init", "-q", "--bare", "bare.git"]);
        for place in ["bare.git", ".git"] {
            let found = look_at(&repo, place).await;
            assert!(matches!(found, Repository::NoWorkTree { is_bare: true, .. }), "{place}: {found:?}");
        }
        let dir = tempfile::tempdir().unwrap();
        let found = examine(dir.path(), dir.path(), git_env(dir.path()), LIMIT).await;
        assert!(matches!(found, Repository::NoWorkTree { is_bare: false, .. }), "{found:?}");
        let no_git = vec![("PATH".into(), "/nowhere".into())];
        assert_eq!(examine(dir.path(), dir.path(), no_git, LIMIT).await, Repository::NoProgram);
    }

    #[tokio::test]
    async fn trouble_is_a_fact() {
        let repo = Repo::new();
        repo.write(".git/config", "[core\n");
        let found = look_at(&repo, "").await;
        assert!(matches!(&found, Repository::Failed { message, .. } if message.contains("config")), "{found:?}");
    }

    #[test]
    fn a_renamed_file_is_one_change() {
        let out = b"# branch.oid 1|# branch.head x|2 R. N... 1 1 1 a b R100 new|? old|? y|1 .M N... z|";
        let out: Vec<u8> = out.iter().map(|byte| if *byte == b'|' { 0 } else { *byte }).collect();
        let status = parse_status(&out).unwrap();
        assert_eq!(status, Status { head: Head::Branch("x".into()), changed: 2, untracked: 1 });
        assert_eq!(parse_status(b"? y\0"), None);
    }
}
