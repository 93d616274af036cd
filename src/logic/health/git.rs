//! The repository: can finished work be committed, and what of the user's lies around?

use super::{Group, Row, plural, some_of};

const GROUP: Group = Group::Git;

/// A lock on the index older than this was left by a git that is gone: no git command holds it so long.
const STALE_SECONDS: u64 = 600;

/// The repository as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repository {
    /// There is no git program.
    NoProgram,
    /// Git is older than what the code needs.
    TooOld {
        /// What it says of itself.
        found: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// Git cannot be asked, or refuses.
    Failed {
        /// What was tried and what it said.
        message: String,
        /// What to do, when that is known.
        hint: Option<&'static str>,
    },
    /// The project is in no work tree.
    NoWorkTree {
        /// Git's version.
        version: String,
        /// Whether there is a repository without one (bare, or inside `.git`).
        is_bare: bool,
    },
    /// The project is in a work tree.
    WorkTree(Box<WorkTree>),
}

/// Where HEAD points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// To a branch with commits.
    Branch(String),
    /// To a branch without commits.
    Unborn(String),
    /// To a commit, not to a branch.
    Detached,
}

/// A work tree as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkTree {
    /// Git's version.
    pub version: String,
    /// Its top directory.
    pub top: String,
    /// Where HEAD points.
    pub head: Head,
    /// Whether git would not know by whom a commit is.
    pub lacks_identity: bool,
    /// `merge`, `rebase`, `cherry-pick` or `revert`, when one waits for its end.
    pub operation: Option<&'static str>,
    /// Age of the lock on the index in seconds, when there is one.
    pub index_lock: Option<u64>,
    /// Hooks that run with every commit; sorted.
    pub hooks: Vec<String>,
    /// Hooks that would, if they were executable; sorted.
    pub idle_hooks: Vec<String>,
    /// Tracked files with changes.
    pub changed: usize,
    /// Files git does not know (directories of such count once).
    pub untracked: usize,
    /// Whether submodules are declared.
    pub has_submodules: bool,
    /// Whether files are kept with LFS, and then whether git-lfs is there.
    pub lfs: Option<bool>,
    /// Whether only a part of the tree is checked out.
    pub is_sparse: bool,
    /// How many files below `.autodev/` are tracked.
    pub tracked_state: usize,
}

/// Concludes about the repository. `wants_commits` is `[git].auto_commit`.
pub fn repository(found: &Repository, wants_commits: bool) -> Vec<Row> {
    match found {
        Repository::NoProgram => vec![without(
            "git",
            "git is not on PATH: finished tasks are not committed, leftovers of blocked tasks stay where they are",
            "install git",
            wants_commits,
        )],
        Repository::TooOld { found, needed } => vec![Row::error(
            GROUP,
            "git",
            format!("version {found} is too old: {needed} or newer is needed"),
            "install a newer git",
        )],
        Repository::Failed { message, hint } => {
            let next = hint.unwrap_or("`git status` in the project says more");
            vec![Row::error(GROUP, "repository", message.clone(), next)]
        }
        Repository::NoWorkTree { version, is_bare } => {
            let what = if *is_bare { "a repository without a work tree" } else { "not in a git repository" };
            vec![
                Row::ok(GROUP, "git", format!("version {version}")),
                without(
                    "repository",
                    &format!(
                        "{what}: finished tasks are not committed, leftovers of blocked tasks stay where they are"
                    ),
                    "`git init`, then commit what is there",
                    wants_commits,
                ),
            ]
        }
        Repository::WorkTree(tree) => work_tree(tree, wants_commits),
    }
}

fn without(label: &str, found: &str, next: &str, wants_commits: bool) -> Row {
    if wants_commits {
        Row::warn(GROUP, label, found, format!("{next}, or set auto_commit = false under [git]"))
    } else {
        Row::ok(GROUP, label, found)
    }
}

fn work_tree(tree: &WorkTree, wants_commits: bool) -> Vec<Row> {
    let mut rows = vec![
        Row::ok(GROUP, "git", format!("version {}", tree.version)),
        Row::ok(GROUP, "repository", tree.top.clone()),
        head(&tree.head),
    ];
    rows.extend(tree.operation.map(|operation| {
        let next = format!("finish it or give it up (`git {operation} --abort`): a commit now would become part of it");
        let found = format!("a {operation} is in progress");
        if wants_commits {
            Row::error(GROUP, "operation", found, next)
        } else {
            Row::warn(GROUP, "operation", found, next)
        }
    }));
    rows.push(if tree.lacks_identity {
        let next = "git config user.name \"...\" and git config user.email \"...\"";
        Row::warn(
            GROUP,
            "identity",
            "no user.name and user.email: commits will be by autodev <autodev@localhost>",
            next,
        )
    } else {
        Row::ok(GROUP, "identity", "name and address are set")
    });
    rows.extend(tree.index_lock.map(index_lock));
    rows.push(dirt(tree));
    rows.extend(hooks(tree));
    rows.extend(remarks(tree));
    rows
}

fn head(head: &Head) -> Row {
    match head {
        Head::Branch(name) => Row::ok(GROUP, "branch", name.clone()),
        Head::Unborn(name) => Row::warn(
            GROUP,
            "branch",
            format!("{name} has no commit yet"),
            "commit what is there, so that there is something to return to",
        ),
        Head::Detached => Row::warn(
            GROUP,
            "branch",
            "HEAD is detached: commits will be on no branch",
            "`git switch BRANCH`, or `git switch -c NAME` for a new one",
        ),
    }
}

fn index_lock(age: u64) -> Row {
    let next = if age > STALE_SECONDS {
        "if no git is running here, one crashed: remove .git/index.lock"
    } else {
        "let the other git finish; if none is running, remove .git/index.lock"
    };
    Row::warn(GROUP, "index.lock", format!("the index is locked for {age} s"), next)
}

fn dirt(tree: &WorkTree) -> Row {
    if tree.changed + tree.untracked == 0 {
        return Row::ok(GROUP, "work tree", "clean");
    }
    let found = format!("{} with changes, {} unknown to git", plural(tree.changed, "file"), tree.untracked);
    Row::ok(GROUP, "work tree", found).next("they stay yours; what a task changes is committed whole, file by file")
}

fn hooks(tree: &WorkTree) -> Vec<Row> {
    let mut rows = Vec::new();
    if !tree.hooks.is_empty() {
        let found = format!("{} will run with every commit", some_of(&tree.hooks));
        rows.push(Row::ok(GROUP, "hooks", found).next("one that refuses keeps the task's work out of the history"));
    }
    if !tree.idle_hooks.is_empty() {
        let found = format!("{} cannot run: not executable", some_of(&tree.idle_hooks));
        rows.push(Row::warn(GROUP, "hooks", found, "chmod +x it, or remove it"));
    }
    rows
}

fn remarks(tree: &WorkTree) -> Vec<Row> {
    let mut rows = Vec::new();
    if tree.has_submodules {
        rows.push(Row::warn(
            GROUP,
            "submodules",
            "the project has submodules",
            "what agents change inside them is not committed; keep tasks out of them",
        ));
    }
    match tree.lfs {
        Some(true) => rows.push(Row::ok(GROUP, "lfs", "some files are kept with git-lfs, which is there")),
        Some(false) => rows.push(Row::warn(
            GROUP,
            "lfs",
            "some files are kept with git-lfs, which is not on PATH",
            "install git-lfs, else such files cannot be committed",
        )),
        None => {}
    }
    if tree.is_sparse {
        rows.push(Row::ok(GROUP, "sparse", "only a part of the tree is checked out: agents see that part"));
    }
    rows.push(if tree.tracked_state > 0 {
        let found = format!("{} of .autodev/ tracked by git", plural(tree.tracked_state, "file"));
        Row::warn(GROUP, "ignored", found, "git rm -r --cached .autodev, and commit that: it changes all the time")
    } else {
        Row::ok(GROUP, "ignored", ".autodev/ is not tracked; it ignores itself")
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::super::{Level, summary};
    use super::*;

    fn tree() -> WorkTree {
        WorkTree {
            version: "2.47.3".into(),
            top: "/p".into(),
            head: Head::Branch("main".into()),
            lacks_identity: false,
            operation: None,
            index_lock: None,
            hooks: vec![],
            idle_hooks: vec![],
            changed: 0,
            untracked: 0,
            has_submodules: false,
            lfs: None,
            is_sparse: false,
            tracked_state: 0,
        }
    }

    fn rows(tree: WorkTree) -> Vec<Row> {
        repository(&Repository::WorkTree(Box::new(tree)), true)
    }

    fn row(tree: WorkTree, label: &str) -> Row {
        let rows = rows(tree);
        rows.iter().rfind(|row| row.label == label).unwrap_or_else(|| panic!("no {label} in {rows:?}")).clone()
    }

    #[test]
    fn a_healthy_work_tree_has_only_good_rows() {
        let rows = rows(tree());
        assert_eq!(summary(&rows).ok, rows.len(), "{rows:?}");
    }

    #[test]
    fn what_would_spoil_commits_is_told_with_a_way_out() {
        let merging = row(WorkTree { operation: Some("merge"), ..tree() }, "operation");
        assert_eq!(merging.level, Level::Error);
        assert!(merging.next.contains("git merge --abort"), "{merging:?}");
        for (bad, label) in [
            (WorkTree { head: Head::Detached, ..tree() }, "branch"),
            (WorkTree { head: Head::Unborn("main".into()), ..tree() }, "branch"),
            (WorkTree { lacks_identity: true, ..tree() }, "identity"),
            (WorkTree { index_lock: Some(3), ..tree() }, "index.lock"),
            (WorkTree { idle_hooks: vec!["pre-commit".into()], ..tree() }, "hooks"),
            (WorkTree { has_submodules: true, ..tree() }, "submodules"),
            (WorkTree { lfs: Some(false), ..tree() }, "lfs"),
            (WorkTree { tracked_state: 2, ..tree() }, "ignored"),
        ] {
            let row = row(bad, label);
            assert!(row.level == Level::Warn && !row.next.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn a_dirty_tree_and_hooks_are_remarks() {
        let dirty = row(WorkTree { changed: 1, untracked: 2, ..tree() }, "work tree");
        assert_eq!((dirty.level, dirty.found.as_str()), (Level::Ok, "1 file with changes, 2 unknown to git"));
        let hooked = row(WorkTree { hooks: vec!["commit-msg".into(), "pre-commit".into()], ..tree() }, "hooks");
        assert!(hooked.level == Level::Ok && hooked.found.contains("commit-msg, pre-commit"), "{hooked:?}");
    }

    #[test]
    fn without_git_a_run_works_but_commits_nothing() {
        for found in [Repository::NoProgram, Repository::NoWorkTree { version: "2.47".into(), is_bare: false }] {
            assert_eq!(repository(&found, true).last().map(|row| row.level), Some(Level::Warn));
            assert_eq!(repository(&found, false).last().map(|row| row.level), Some(Level::Ok), "not wanted anyway");
        }
        let failed = Repository::Failed { message: "dubious ownership".into(), hint: Some("see safe.directory") };
        assert_eq!(repository(&failed, true)[0].level, Level::Error);
    }
}
