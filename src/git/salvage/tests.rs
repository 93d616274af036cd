//! Bases, salvages and restoring with the real git.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::super::testrepo::{Repo, change, changes};
use super::*;

/// Path, mode and content of everything but `.git`.
fn tree(repo: &Repo) -> BTreeMap<Vec<u8>, (u32, Vec<u8>)> {
    fn walk(repo: &Repo, dir: &Path, found: &mut BTreeMap<Vec<u8>, (u32, Vec<u8>)>) {
        use std::os::unix::fs::PermissionsExt as _;
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            if entry.file_name() == ".git" {
                continue;
            }
            let content = if metadata.is_symlink() {
                fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
            } else if metadata.is_dir() {
                walk(repo, &path, found);
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            let name = path.strip_prefix(&repo.dir).unwrap().as_os_str().as_bytes().to_vec();
            found.insert(name, (metadata.permissions().mode(), content));
        }
    }
    let mut found = BTreeMap::new();
    walk(repo, &repo.dir, &mut found);
    found
}

fn repo() -> Repo {
    let repo = Repo::new();
    for path in ["a", "b", "dir/c", "dir/d"] {
        repo.write(path, format!("{path}\n"));
    }
    repo.write("run.sh", "#!/bin/sh\n");
    repo.chmod("run.sh", 0o755);
    repo.link("a", "link");
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "first"]);
    repo
}

async fn salvage(git: &Git, base: &str, changes: &[Change]) -> Salvage {
    let effect = EffectId::new("20261120T112910Z-3fa2.17");
    let request = SalvageRequest { task: "P0/1 ü", effect: &effect, base, changes, message: "salvage: P0/1" };
    git.salvage(request).await.unwrap()
}

fn names(paths: &[RelPath]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_base_of_a_clean_tree_is_head() {
    let repo = repo();
    let git = repo.open().await;
    repo.write(".gitignore", "*.log\n");
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "ignore"]);
    repo.write("x.log", "ignored");
    let head = repo.git(&["rev-parse", "HEAD"]);
    let before = git.cli.spawns();
    assert_eq!(git.base_commit("p0", &[]).await.unwrap(), head);
    assert_eq!(git.cli.spawns() - before, 1);
    repo.write("progress.txt", "the runner's");
    repo.write("logs/x", "the runner's");
    let own = ["progress.txt".into(), "logs".into()];
    assert_eq!(git.base_commit("p0", &own).await.unwrap(), head);
    repo.write("logs2", "not the runner's");
    assert_ne!(git.base_commit("p0", &own).await.unwrap(), head);
}

#[tokio::test]
async fn the_base_of_a_dirty_tree_holds_it_all_and_changes_nothing() {
    let repo = repo();
    let git = repo.open().await;
    let head = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["config", "core.autocrlf", "input"]);
    repo.write(".gitattributes", "*.txt text\n");
    repo.write("crlf.txt", "kept\r\nas it is\r\n");
    repo.write("a", "edited\n");
    repo.write("b", "staged\n");
    repo.git(&["add", "b"]);
    repo.write("b", "staged and edited\n");
    repo.remove("dir/c");
    repo.git(&["rm", "-q", "--cached", "dir/d"]);
    repo.write("new/file", "untracked\n");
    repo.git(&["init", "-q", "nested"]);
    repo.write("nested/f", "of another repository");
    let (status, files) = (repo.status(), tree(&repo));
    let base = git.base_commit("p0 x", &[]).await.unwrap();
    assert_eq!((repo.status(), tree(&repo)), (status, files));
    assert_eq!(repo.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(repo.git(&["rev-parse", "refs/autodev/base/p0-x", &format!("{base}^")]), format!("{base}\n{head}"));
    let listed = repo.files(&base);
    assert_eq!(listed, ["A .gitattributes", "M a", "M b", "A crlf.txt", "D dir/c", "A new/file"]);
    assert_eq!(repo.git(&["show", &format!("{base}:b")]), "staged and edited");
    assert_eq!(repo.git(&["cat-file", "-s", &format!("{base}:crlf.txt")]), "16", "carriage returns are kept");
    git.drop_base("p0 x").await.unwrap();
    git.drop_base("p0 x").await.unwrap();
    assert!(!repo.try_git(&["rev-parse", "--verify", "refs/autodev/base/p0-x"]).0);
}

#[tokio::test]
async fn an_unborn_branch_has_a_base_too() {
    let repo = Repo::new();
    let git = repo.open().await;
    let empty = git.base_commit("p0", &[]).await.unwrap();
    assert_eq!(repo.git(&["ls-tree", &empty]), "");
    repo.write("a", "1");
    let base = git.base_commit("p0", &[]).await.unwrap();
    assert_eq!(repo.git(&["ls-tree", "--name-only", &base]), "a");
    repo.write("a", "2");
    let report = git.restore_base(&base, &changes(&["~a"])).await.unwrap();
    assert_eq!((names(&report.restored), repo.read("a")), (vec!["a".to_owned()], b"1".to_vec()));
}

#[tokio::test]
async fn what_a_task_did_goes_away_and_comes_back_byte_for_byte() {
    let repo = repo();
    repo.write("user/unfinished", "the user's\r\n");
    repo.write("b", "the user's edit\r\n");
    repo.chmod("b", 0o600);
    repo.git(&["config", "core.autocrlf", "input"]);
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    let before = tree(&repo);

    repo.write("a", [0, 159, 146, 150, b'\n']);
    repo.write("b", "the task's\n");
    repo.write("user/unfinished", "the task's too\n");
    repo.remove("dir/c");
    repo.remove("dir/d");
    fs::remove_dir(repo.path("dir")).unwrap();
    repo.write("dir", "a file where a directory was");
    repo.chmod("run.sh", 0o644);
    repo.remove("link");
    repo.link("nowhere", "link");
    repo.write("new/deep/x", "added");
    repo.write("tool", "#!/bin/sh\n");
    repo.chmod("tool", 0o755);
    let mut work = changes(&["~a", "~b", "~user/unfinished", "-dir/c", "-dir/d", "+dir", "~run.sh", "~link"]);
    work.extend(changes(&["+new/deep/x", "+tool"]));
    work.push(Change { path: RelPath::from_bytes(&b"we\xff\nird"[..]), kind: ChangeKind::Added });
    fs::File::create(repo.dir.join(work[10].path.to_path())).unwrap();
    let after = tree(&repo);

    let index = repo.read(".git/index");
    let saved = salvage(&git, &base, &work).await;
    assert_eq!(tree(&repo), after, "saving changes nothing");
    assert_eq!(saved.left_out, []);
    assert_eq!(saved.saved.len(), work.len());
    let reference = saved.reference.clone().unwrap();
    assert_eq!(reference, "refs/autodev/salvage/P0-1--/20261120T112910Z-3fa2-17");
    let report = git.restore_base(&base, &saved.saved).await.unwrap();
    assert_eq!((report.left_alone.as_slice(), report.restored.len()), (&[][..], work.len()));
    assert_eq!(tree(&repo), before);
    assert_eq!(git.restore_base(&base, &saved.saved).await.unwrap(), report, "again");
    assert_eq!(tree(&repo), before);
    assert_eq!(salvage(&git, &base, &work).await, saved, "the salvage that exists is the answer");

    git.drop_base("p0").await.unwrap();
    repo.git(&["reflog", "expire", "--expire=all", "--all"]);
    repo.git(&["gc", "-q", "--prune=now"]);
    let report = git.salvage_restore(&reference, false).await.unwrap();
    assert_eq!((report.left_alone.as_slice(), report.restored.len()), (&[][..], work.len()));
    assert_eq!(tree(&repo), after);
    assert_eq!(git.salvage_restore(&reference, false).await.unwrap(), report, "again");
    assert_eq!(tree(&repo), after);
    assert_eq!(repo.read(".git/index"), index, "nobody wrote the user's index");
    assert_eq!(repo.leftovers(), [""; 0]);
}

#[tokio::test]
async fn ignored_and_unknown_content_is_never_removed() {
    let repo = repo();
    repo.write(".gitignore", "*.log\n.env\n");
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "ignore"]);
    repo.write(".env", "the user's secret");
    repo.git(&["update-index", "--skip-worktree", "b"]);
    repo.write("b", "the user's local settings");
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    repo.write("out.log", "the task's");
    repo.write(".env", "the task's");
    repo.write(".gitignore", "*.log\n");
    repo.write("b", "the task's");
    repo.write("n", "the task's");
    let work = changes(&["+out.log", "~.env", "~.gitignore", "~b", "+n", "~../x"]);
    let saved = salvage(&git, &base, &work).await;
    let left: Vec<String> = saved.left_out.iter().map(|it| it.path.to_string()).collect();
    assert_eq!(left, ["../x", "out.log", "b"]);
    assert_eq!(saved.saved, changes(&["~.env", "~.gitignore", "+n"]), "un-ignored by the task, but it was there");
    let report = git.restore_base(&base, &work).await.unwrap();
    assert_eq!(names(&report.restored), [".gitignore", "n"]);
    let left: Vec<String> = report.left_alone.iter().map(|it| it.path.to_string()).collect();
    assert_eq!(left, ["../x", ".env", "b", "out.log"]);
    assert_eq!(
        (repo.read(".env"), repo.read("b"), repo.exists("n")),
        (b"the task's".into(), b"the task's".into(), false)
    );
    // The same after a kill in the middle: the ignore rules are back by now, and nothing more is removed.
    assert_eq!(git.restore_base(&base, &saved.saved).await.unwrap().left_alone.len(), 1);
    assert!(repo.exists(".env"));
}

#[tokio::test]
async fn what_stands_in_the_way_is_left_alone() {
    let repo = repo();
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    repo.remove("a");
    repo.write("a/users", "somebody made a directory of it");
    repo.remove("dir/c");
    repo.remove("dir/d");
    fs::remove_dir(repo.path("dir")).unwrap();
    fs::create_dir(repo.path("elsewhere")).unwrap();
    repo.write("elsewhere/c", "not to be touched");
    repo.link("elsewhere", "dir");
    repo.write("kept/users", "1");
    repo.write("kept/added", "1");
    let report = git.restore_base(&base, &changes(&["~a", "-dir/c", "+kept/added", "+elsewhere"])).await.unwrap();
    assert_eq!(names(&report.restored), ["elsewhere", "kept/added"], "the file `elsewhere` is not there");
    let left: Vec<String> = report.left_alone.iter().map(|it| format!("{}: {}", it.path, it.reason)).collect();
    assert_eq!(left, ["a: a directory stands there", "dir/c: a link stands where its directory was"]);
    assert!(repo.exists("a/users") && repo.exists("kept/users") && !repo.exists("kept/added"));
    assert_eq!(repo.read("elsewhere/c"), b"not to be touched");
}

#[tokio::test]
async fn a_code_directory_stays_though_empty() {
    let repo = repo();
    fs::create_dir_all(repo.path("sub/code")).unwrap();
    let git = repo.open_at("sub/code").await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    repo.write("sub/code/x/y", "1");
    let saved = salvage(&git, &base, &changes(&["+x/y"])).await;
    assert_eq!(saved.saved, changes(&["+x/y"]));
    git.restore_base(&base, &saved.saved).await.unwrap();
    assert!(repo.exists("sub/code") && !repo.exists("sub/code/x"));
    assert_eq!(names(&git.salvages().await.unwrap()[0].files), ["x/y"]);
    git.salvage_restore(saved.reference.as_deref().unwrap(), false).await.unwrap();
    assert!(repo.exists("sub/code/x/y"));
}

#[tokio::test]
async fn nothing_changed_is_nothing_saved() {
    let repo = repo();
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    let saved = salvage(&git, &base, &changes(&["~a", "+never", "-gone"])).await;
    assert_eq!((saved.reference, saved.saved.len()), (None, 0));
    assert_eq!(git.salvages().await.unwrap(), []);
}

#[tokio::test]
async fn salvages_are_listed_shown_and_dropped() {
    let repo = repo();
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    repo.write("a", "the task's line\n");
    repo.write("n", "added\n");
    let work = changes(&["~a", "+n"]);
    let first = salvage(&git, &base, &work).await.reference.unwrap();
    let effect = EffectId::new("r.2");
    let request = SalvageRequest { task: "P1", effect: &effect, base: &base, changes: &work, message: "other\n\nbody" };
    let second = git.salvage(request).await.unwrap().reference.unwrap();
    let mut list = git.salvages().await.unwrap();
    list.sort_by(|a, b| a.task.cmp(&b.task));
    let [one, two] = list.as_slice() else { panic!("{list:?}") };
    assert_eq!((one.reference.as_str(), one.task.as_str(), two.task.as_str()), (first.as_str(), "P0/1 ü", "P1"));
    assert_eq!((two.effect.as_str(), two.base.as_str(), two.subject.as_str()), ("r.2", base.as_str(), "other"));
    assert_eq!(names(&two.files), ["a", "n"]);
    assert_eq!(two.commit, repo.git(&["rev-parse", &second]));
    let shown = git.salvage_show("P1/r-2").await.unwrap();
    assert!(
        shown.contains("2 files changed") && shown.contains("+the task's line") && shown.contains("Autodev-Task: P1")
    );
    git.salvage_drop(&second).await.unwrap();
    assert_eq!(git.salvages().await.unwrap().len(), 1);
    for name in [second.as_str(), "nobody", "../../heads/main", "-x", "", "P0-1--/20261120T112910Z-3fa2-17^"] {
        let error = git.salvage_show(name).await.unwrap_err();
        assert!(matches!(error, GitError::NoSalvage { .. }), "{name}: {error}");
        assert!(git.salvage_drop(name).await.is_err() && git.salvage_restore(name, true).await.is_err());
    }
    assert!(repo.try_git(&["rev-parse", "main"]).0);
}

#[tokio::test]
async fn a_file_changed_since_is_not_overwritten_unless_asked() {
    let repo = repo();
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    repo.write("a", "the task's\n");
    repo.write("n", "the task's\n");
    repo.remove("b");
    let work = changes(&["~a", "+n", "-b"]);
    let saved = salvage(&git, &base, &work).await;
    let reference = saved.reference.unwrap();
    git.restore_base(&base, &saved.saved).await.unwrap();
    repo.commit_file("a", "somebody's\n", "later");
    repo.write("n", "somebody's\n");
    let before = tree(&repo);
    let error = git.salvage_restore(&reference, false).await.unwrap_err();
    let GitError::Conflict { ref paths, .. } = error else { panic!("{error}") };
    assert_eq!(names(paths), ["a", "n"]);
    assert_eq!(tree(&repo), before, "all or none");
    let report = git.salvage_restore(&reference, true).await.unwrap();
    assert_eq!(names(&report.restored), ["a", "b", "n"]);
    assert_eq!(
        (repo.read("a"), repo.exists("b"), repo.read("n")),
        (b"the task's\n".into(), false, b"the task's\n".into())
    );
    repo.chmod("a", 0o755);
    let error = git.salvage_restore(&reference, false).await.unwrap_err();
    assert!(error.to_string().contains("1 file has changed since: a"), "a mode counts: {error}");
    repo.remove("n");
    fs::create_dir(repo.path("n")).unwrap();
    assert!(git.salvage_restore(&reference, false).await.unwrap_err().to_string().contains("a, n"));
    let report = git.salvage_restore(&reference, true).await.unwrap();
    assert_eq!(report.left_alone.len(), 1, "not even by force: {report:?}");
}

#[tokio::test]
async fn a_salvage_comes_back_in_the_middle_of_a_dirty_tree() {
    let repo = repo();
    repo.git(&["config", "core.autocrlf", "input"]);
    repo.write("a", "unfinished\r\n");
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    repo.write("a", "unfinished\nand the task's\n");
    let saved = salvage(&git, &base, &changes(&["~a"])).await;
    git.restore_base(&base, &saved.saved).await.unwrap();
    assert_eq!(repo.read("a"), b"unfinished\r\n");
    git.salvage_restore(&saved.reference.unwrap(), false).await.unwrap();
    assert_eq!(repo.read("a"), b"unfinished\nand the task's\n");
}

#[tokio::test]
async fn filters_apply_to_what_was_clean() {
    let repo = Repo::new();
    repo.git(&["config", "filter.rot.clean", "tr a-m n-z"]);
    repo.git(&["config", "filter.rot.smudge", "tr n-z a-m"]);
    repo.write(".gitattributes", "secret filter=rot\n");
    repo.write("secret", "abc\n");
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "first"]);
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    repo.write("secret", "abcdef\n");
    repo.remove(".gitattributes");
    let saved = salvage(&git, &base, &changes(&["~secret", "-.gitattributes"])).await;
    git.restore_base(&base, &saved.saved).await.unwrap();
    assert_eq!(repo.read("secret"), b"abc\n");
    assert_eq!(repo.status(), "");
}

#[tokio::test]
async fn thousands_of_files_are_salvaged_and_restored() {
    let repo = repo();
    let git = repo.open().await;
    let base = git.base_commit("p0", &[]).await.unwrap();
    let work: Vec<Change> = (0..3_000)
        .map(|n| {
            let path = format!("many/d{}/a-rather-long-file-name-to-make-the-list-long-{n}.txt", n % 50);
            repo.write(&path, path.as_bytes());
            change(ChangeKind::Added, &path)
        })
        .collect();
    let saved = salvage(&git, &base, &work).await;
    assert_eq!(saved.saved.len(), 3_000);
    git.restore_base(&base, &saved.saved).await.unwrap();
    assert!(!repo.exists("many"));
    git.salvage_restore(&saved.reference.unwrap(), false).await.unwrap();
    assert_eq!(fs::read_dir(repo.path("many")).unwrap().count(), 50);
}
