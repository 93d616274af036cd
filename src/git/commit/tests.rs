//! Commits with the real git.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::super::testrepo::{Repo, change, changes, commit, commit_as, committed, git_env, never};
use super::*;
use crate::model::ChangeKind;

/// A repository with the files `a`, `b` and `dir/c`.
pub(super) fn repo() -> Repo {
    let repo = Repo::new();
    for path in ["a", "b", "dir/c"] {
        repo.write(path, format!("{path}\n"));
    }
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "first"]);
    repo
}

fn reason(outcome: Result<CommitOutcome, GitError>) -> String {
    match outcome {
        Ok(CommitOutcome::Nothing { reason, .. }) => reason,
        other => panic!("something was committed: {other:?}"),
    }
}

#[tokio::test]
async fn exactly_the_files_of_the_task_are_committed() {
    let repo = repo();
    let git = repo.open().await;
    repo.write("a", "task\n");
    repo.write("new/deep/file", "task\n");
    repo.remove("b");
    repo.write("user", "not the task's\n");
    repo.write("dir/c", "not the task's\n");
    let outcome = commit(&git, &["~a", "+new/deep/file", "-b"]).await.unwrap();
    let CommitOutcome::Committed { ref sha, ref left_out, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((sha, left_out.as_slice()), (&repo.git(&["rev-parse", "HEAD"]), &[][..]));
    assert_eq!(committed(&git, outcome).await, ["a", "b", "new/deep/file"]);
    assert_eq!(repo.files("HEAD"), ["M a", "D b", "A new/deep/file"]);
    assert_eq!(repo.status(), "M dir/c\n?? user");
    assert_eq!(repo.git(&["log", "-1", "--format=%an %ae"]), "User user@example.com");
    assert_eq!(repo.leftovers(), [""; 0]);
    assert!(!repo.exists(".git/index.lock"));
}

#[tokio::test]
async fn the_message_and_its_trailers_arrive_whole() {
    let repo = repo();
    repo.git(&["config", "trailer.ifexists", "doNothing"]);
    repo.git(&["config", "core.commentChar", ";"]);
    let git = repo.open().await;
    repo.write("a", "1");
    let message = "feat: ünïcode\n\n# a heading\n; a remark\n---\n\"quoted\"  \n\n\nend";
    commit_as(&git, &changes(&["~a"]), message, "run.7").await.unwrap();
    assert_eq!(
        repo.git(&["log", "-1", "--format=%B"]),
        "feat: ünïcode\n\n# a heading\n; a remark\n---\n\"quoted\"\n\nend\n\nAutodev-Effect: run.7\nAutodev-Task: P0-1"
    );
    let trailers = repo.git(&["log", "-1", "--format=%(trailers:key=Autodev-Effect,valueonly)"]);
    assert_eq!(trailers, "run.7");
}

#[tokio::test]
async fn staged_work_of_the_user_stays_staged_and_out() {
    let repo = repo();
    let git = repo.open().await;
    repo.write("b", "staged\n");
    repo.write("staged-new", "staged\n");
    repo.git(&["add", "b", "staged-new"]);
    repo.git(&["rm", "-q", "--cached", "dir/c"]);
    repo.write("b", "staged, then edited\n");
    repo.write("intended", "later\n");
    repo.git(&["add", "-N", "intended"]);
    let before = repo.status();
    repo.write("a", "task\n");
    repo.write("t", "task\n");
    assert_eq!(committed(&git, commit(&git, &["~a", "+t"]).await.unwrap()).await, ["a", "t"]);
    assert_eq!(repo.files("HEAD"), ["M a", "A t"]);
    assert_eq!(repo.status(), before);
    assert_eq!(repo.git(&["show", ":b"]), "staged");
}

#[tokio::test]
async fn only_intended_files_keep_the_short_way() {
    let repo = repo();
    let git = repo.open().await;
    repo.write("intended", "later\n");
    repo.write("task-too", "task\n");
    repo.git(&["add", "-N", "intended", "task-too"]);
    repo.write("a", "task\n");
    committed(&git, commit(&git, &["~a", "+task-too"]).await.unwrap()).await;
    assert_eq!(repo.files("HEAD"), ["M a", "A task-too"]);
    assert_eq!(repo.status(), "A intended");
}

#[tokio::test]
async fn a_part_the_user_staged_of_a_file_of_the_task_stays_staged() {
    let repo = repo();
    let git = repo.open().await;
    repo.write("a", "user's part\n");
    repo.git(&["add", "a"]);
    repo.write("a", "user's part\ntask's part\n");
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    assert_eq!(repo.git(&["show", "HEAD:a"]), "user's part\ntask's part");
    assert_eq!(repo.git(&["show", ":a"]), "user's part", "what was staged is still there");
    assert_eq!(repo.status(), "MM a");
}

#[tokio::test]
async fn ignored_and_never_known_files_do_no_harm() {
    let repo = repo();
    let git = repo.open().await;
    repo.write("tracked.log", "1");
    repo.git(&["add", "tracked.log"]);
    repo.git(&["commit", "-q", "-m", "log"]);
    repo.write(".gitignore", "*.log\nbuild/\n");
    repo.write("x.log", "ignored");
    repo.write("build/o", "ignored");
    repo.write("tracked.log", "2");
    repo.write("a", "task\n");
    let outcome = commit(&git, &["+.gitignore", "+x.log", "+build/o", "~tracked.log", "~a", "-never/known", "-gone"])
        .await
        .unwrap();
    let CommitOutcome::Committed { ref left_out, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(left_out.iter().map(|it| it.path.to_string()).collect::<Vec<_>>(), ["x.log", "build/o"]);
    assert_eq!(committed(&git, outcome).await, [".gitignore", "a", "tracked.log"]);
    assert_eq!(repo.status(), "");
    assert!(reason(commit(&git, &["+x.log"]).await).contains("ignores"));
    assert!(reason(commit(&git, &["-never/known"]).await).contains("same in HEAD"));
}

#[tokio::test]
async fn an_ignored_file_the_user_staged_by_force_is_not_swept_in() {
    let repo = repo();
    let git = repo.open().await;
    repo.commit_file(".gitignore", "*.log\n", "ignore");
    repo.write("x.log", "1");
    repo.git(&["add", "-f", "x.log"]);
    repo.write("x.log", "2");
    repo.write("a", "task");
    assert_eq!(committed(&git, commit(&git, &["~x.log", "~a"]).await.unwrap()).await, ["a"]);
    assert_eq!(repo.status(), "AM x.log");
}

#[tokio::test]
async fn nothing_is_committed_when_the_agent_has_done_it() {
    let repo = repo();
    let git = repo.open().await;
    for with_hook in [false, true] {
        if with_hook {
            repo.hook("pre-commit", "echo ran >>../hook-ran; exit 1");
        }
        repo.write("a", format!("task {with_hook}\n"));
        repo.git(&["commit", "-q", "--no-verify", "-am", "by the agent"]);
        let head = repo.git(&["rev-parse", "HEAD"]);
        assert!(reason(commit(&git, &["~a"]).await).contains("same in HEAD"));
        assert_eq!(repo.git(&["rev-parse", "HEAD"]), head);
    }
    assert!(!repo.exists("../hook-ran"), "no hook runs for nothing");
    assert!(reason(commit(&git, &[]).await).contains("no file"));
    assert!(reason(commit(&git, &["~../outside", "~.git/config"]).await).contains("no file"));
}

#[tokio::test]
async fn a_first_commit_is_made_on_an_unborn_branch() {
    let repo = Repo::new();
    let git = repo.open().await;
    repo.write("staged", "by the user");
    repo.git(&["add", "staged"]);
    repo.write("a", "task");
    assert_eq!(committed(&git, commit(&git, &["+a"]).await.unwrap()).await, ["a"]);
    assert_eq!(repo.files("HEAD"), ["A a"]);
    assert_eq!(repo.status(), "A  staged");
    let bare = Repo::new();
    let git = bare.open().await;
    bare.write("a", "task");
    committed(&git, commit(&git, &["+a"]).await.unwrap()).await;
    assert_eq!(bare.status(), "", "without any index before");
}

#[tokio::test]
async fn a_detached_head_moves_and_no_branch_does() {
    let repo = repo();
    repo.git(&["checkout", "-q", "--detach"]);
    let git = repo.open().await;
    let main = repo.git(&["rev-parse", "main"]);
    repo.write("a", "task");
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    assert_eq!(repo.git(&["rev-parse", "main"]), main);
    assert_eq!(repo.git(&["rev-parse", "HEAD^"]), main);
}

#[tokio::test]
async fn a_code_directory_below_the_top_keeps_to_itself() {
    let repo = repo();
    let git = repo.open_at("dir").await;
    repo.write("dir/c", "task\n");
    repo.write("dir/sub/n", "task\n");
    repo.write("a", "not the task's\n");
    let outcome = commit(&git, &["~c", "+sub/n", "~../a"]).await.unwrap();
    let CommitOutcome::Committed { ref left_out, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((left_out.len(), left_out[0].path.to_string()), (1, "../a".to_owned()));
    assert_eq!(committed(&git, outcome).await, ["c", "sub/n"]);
    assert_eq!(repo.files("HEAD"), ["M dir/c", "A dir/sub/n"]);
    assert_eq!(repo.status(), "M a");
}

#[tokio::test]
async fn any_name_the_system_allows_is_committed() {
    let repo = repo();
    let git = repo.open().await;
    let names: Vec<&[u8]> = vec![
        b"we\xffird",
        b"line\nbreak",
        b"*",
        b":(top)x",
        b"-n",
        b" blank ",
        b"quo\"te",
        b"tab\t",
        b"back\\slash",
        b"!x",
    ];
    let paths: Vec<Change> = names
        .iter()
        .map(|name| {
            drop(fs::File::create(repo.dir.join(OsStr::from_bytes(name))).unwrap());
            Change { path: RelPath::from_bytes(*name), kind: ChangeKind::Added }
        })
        .collect();
    repo.write("other", "not matched by *");
    let outcome = commit_as(&git, &paths, "odd names", "run.1").await.unwrap();
    let CommitOutcome::Committed { sha, .. } = outcome else { panic!("{outcome:?}") };
    let files = git.committed_files(&sha).await.unwrap();
    let mut expected: Vec<RelPath> = paths.iter().map(|it| it.path.clone()).collect();
    expected.sort();
    assert_eq!(files, expected);
    assert_eq!(repo.status(), "?? other");
}

#[tokio::test]
async fn types_modes_and_links_are_taken_as_they_are() {
    let repo = repo();
    repo.write("turns/into/file", "1");
    repo.write("tolink/x", "1");
    repo.git(&["add", "."]);
    repo.git(&["commit", "-q", "-m", "more"]);
    let git = repo.open().await;
    repo.remove("a");
    repo.write("a/inside", "a was a file");
    repo.remove("turns/into/file");
    fs::remove_dir(repo.path("turns/into")).unwrap();
    fs::remove_dir(repo.path("turns")).unwrap();
    repo.write("turns", "was a directory");
    repo.remove("tolink/x");
    fs::remove_dir(repo.path("tolink")).unwrap();
    repo.link("dir", "tolink");
    repo.write("dir/x", "reached through the link");
    repo.chmod("b", 0o755);
    repo.link("nowhere", "dangling");
    let marks = ["-a", "+a/inside", "-turns/into/file", "+turns", "-tolink/x", "+tolink", "~b", "+dangling", "+dir/x"];
    let files = committed(&git, commit(&git, &marks).await.unwrap()).await;
    assert_eq!(files.len(), 9, "{files:?}");
    assert_eq!(repo.status(), "");
    let tree = repo.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", "HEAD"]);
    let expected =
        "100644 a/inside\n100755 b\n120000 dangling\n100644 dir/c\n100644 dir/x\n120000 tolink\n100644 turns";
    assert_eq!(tree, expected);
}

#[tokio::test]
async fn a_rename_is_a_removal_and_an_addition() {
    let repo = repo();
    let git = repo.open().await;
    fs::rename(repo.path("a"), repo.path("renamed")).unwrap();
    committed(&git, commit(&git, &["-a", "+renamed"]).await.unwrap()).await;
    assert_eq!(repo.files("HEAD"), ["D a", "A renamed"]);
    assert_eq!(repo.git(&["log", "--follow", "--format=%s", "renamed"]), "feat: the task\nfirst");
    assert_eq!(repo.status(), "");
}

#[tokio::test]
async fn other_repositories_and_odd_files_are_left_out() {
    let repo = repo();
    let git = repo.open().await;
    repo.git(&["init", "-q", "nested"]);
    repo.write("nested/f", "not ours");
    nix::unistd::mkfifo(&repo.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    repo.write("a", "task");
    let outcome = commit(&git, &["+nested/f", "+nested", "+pipe", "+dir", "~a"]).await.unwrap();
    let CommitOutcome::Committed { ref left_out, .. } = outcome else { panic!("{outcome:?}") };
    let reasons: Vec<&str> = left_out.iter().map(|it| it.reason).collect();
    assert_eq!(reasons.len(), 4, "{left_out:?}");
    assert!(reasons[0].contains("another repository") && reasons[1] == reasons[0] && reasons[2].contains("neither"));
    assert_eq!(committed(&git, outcome).await, ["a"]);
}

#[tokio::test]
async fn a_file_git_was_told_to_skip_is_not_removed() {
    let repo = repo();
    let git = repo.open().await;
    repo.git(&["update-index", "--skip-worktree", "b"]);
    repo.write("b", "local settings");
    repo.write("a", "task");
    assert_eq!(committed(&git, commit(&git, &["~a", "~b"]).await.unwrap()).await, ["a"]);
    assert_eq!(repo.git(&["show", "HEAD:b"]), "b");
    assert_eq!(repo.git(&["ls-files", "-v", "b"]), "S b");
}

#[tokio::test]
async fn line_endings_are_converted_as_the_user_asked() {
    let repo = repo();
    repo.git(&["config", "core.autocrlf", "true"]);
    let git = repo.open().await;
    repo.write("a", "one\r\ntwo\r\n");
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    assert_eq!(repo.git(&["cat-file", "-s", "HEAD:a"]), "8");
    assert_eq!(repo.status(), "");
}

#[tokio::test]
async fn a_linked_work_tree_is_a_work_tree_of_its_own() {
    let repo = repo();
    repo.git(&["worktree", "add", "-q", "-b", "linked", "../linked"]);
    let git = repo.open_at("../linked").await;
    repo.write("../linked/a", "task");
    let head = git.head().await.unwrap();
    assert_eq!(head.as_deref(), Some(repo.git(&["rev-parse", "linked"]).as_str()));
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    assert_eq!(repo.git(&["log", "-1", "--format=%s", "linked"]), "feat: the task");
    assert_eq!(repo.git(&["log", "-1", "--format=%s", "main"]), "first");
    assert_eq!(repo.git(&["-C", "../linked", "status", "--porcelain"]), "");
    assert!(repo.git_dir_of_linked().join("index").exists());
}

#[tokio::test]
async fn a_split_index_is_kept_whole() {
    let repo = repo();
    repo.git(&["config", "core.splitIndex", "true"]);
    repo.git(&["update-index", "--split-index"]);
    let git = repo.open().await;
    for n in 0..3 {
        repo.write("a", format!("task {n}"));
        committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
        assert_eq!(repo.status(), "");
    }
}

#[tokio::test]
async fn a_sha256_repository_works_as_well() {
    let repo = Repo::new();
    fs::remove_dir_all(repo.path(".git")).unwrap();
    repo.git(&["init", "-q", "--object-format=sha256", "-b", "main"]);
    let git = Git::open_with(&repo.dir, &repo.temp, git_env(&repo.dir)).await.unwrap().unwrap();
    repo.write("a", "1");
    repo.write("b", "staged");
    repo.git(&["add", "b"]);
    let outcome = commit(&git, &["+a"]).await.unwrap();
    assert!(matches!(&outcome, CommitOutcome::Committed { sha, .. } if sha.len() == 64), "{outcome:?}");
    repo.remove("a");
    committed(&git, commit(&git, &["-a"]).await.unwrap()).await;
    assert_eq!(repo.status(), "A  b");
}

#[tokio::test]
async fn five_thousand_paths_are_one_commit() {
    let repo = repo();
    let git = repo.open().await;
    let paths: Vec<Change> = (0..5_000)
        .map(|n| {
            let path = format!("many/d{}/a-rather-long-file-name-to-make-the-list-long-{n}.txt", n % 50);
            repo.write(&path, path.as_bytes());
            change(ChangeKind::Added, &path)
        })
        .collect();
    let before = git.cli.spawns();
    let outcome = commit_as(&git, &paths, "many", "run.1").await.unwrap();
    assert_eq!(git.cli.spawns() - before, 4, "commands");
    assert_eq!(committed(&git, outcome).await.len(), 5_000);
    assert_eq!(repo.status(), "");
}

#[tokio::test]
async fn a_repository_without_reference_logs_is_read_back() {
    let repo = repo();
    repo.git(&["config", "core.logAllRefUpdates", "false"]);
    fs::remove_dir_all(repo.path(".git/logs")).unwrap();
    let git = repo.open().await;
    repo.write("a", "task\n");
    let outcome = commit(&git, &["~a"]).await.unwrap();
    let CommitOutcome::Committed { ref sha, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(*sha, repo.git(&["rev-parse", "HEAD"]));
    assert_eq!(committed(&git, outcome).await, ["a"]);
    assert!(!repo.exists(".git/logs/HEAD"));
}

#[tokio::test]
async fn a_change_of_the_same_size_in_the_same_instant_is_seen() {
    let repo = repo();
    // What the clock of a coarse file system makes of two writes in a row.
    repo.git(&["config", "core.trustCtime", "false"]);
    let at = fs::metadata(repo.path("b")).unwrap().modified().unwrap() - Duration::from_secs(100);
    let stamp = |path: &str| File::options().write(true).open(repo.path(path)).unwrap().set_modified(at).unwrap();
    repo.write("a", "user\n");
    stamp("a");
    repo.git(&["commit", "-q", "-am", "user"]);
    stamp(".git/index");
    let git = repo.open().await;
    repo.write("a", "task\n");
    stamp("a");
    assert_eq!(committed(&git, commit(&git, &["~a"]).await.unwrap()).await, ["a"]);
    assert_eq!(repo.git(&["show", "HEAD:a"]), "task");
}

#[tokio::test]
async fn a_commit_on_a_head_that_moved_is_taken_back() {
    let repo = repo();
    let git = repo.open().await;
    let stale = git.head().await.unwrap();
    repo.commit_file("b", "somebody else's\n", "meanwhile");
    let theirs = repo.git(&["rev-parse", "HEAD"]);
    repo.write("a", "task");
    let (paths, effect) = (changes(&["~a"]), EffectId::new("run.1"));
    let request = CommitRequest {
        paths: &paths,
        message: "x",
        trailers: &[],
        effect: &effect,
        log: None,
        limit: Duration::from_mins(1),
        stop: never(),
    };
    let message = request.full_message();
    let mut looks = git.place.look(&paths).unwrap();
    let outcome = git.try_commit(&request, &message, stale.as_deref(), &mut looks).await.unwrap();
    assert_eq!(outcome, None);
    assert_eq!(repo.git(&["rev-parse", "HEAD"]), theirs);
    assert_eq!(repo.status(), "M a");
    assert_eq!(committed(&git, git.commit(request).await.unwrap()).await, ["a"]);
    assert_eq!(repo.git(&["show", "HEAD:b"]), "somebody else's");
}

#[tokio::test]
async fn an_effect_is_found_where_it_is_and_nowhere_else() {
    let repo = repo();
    let git = repo.open().await;
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.write("a", "task");
    commit_as(&git, &changes(&["~a"]), "x", "run.1").await.unwrap();
    let sha = repo.git(&["rev-parse", "HEAD"]);
    repo.commit_file("b", "later", "later\n\nnot Autodev-Effect: run.2");
    let find = async |id: &str, since: Option<&str>| git.find_effect(&EffectId::new(id), since).await.unwrap();
    assert_eq!(find("run.1", None).await, Some(sha.clone()));
    assert_eq!(find("run.1", Some(&first)).await, Some(sha.clone()));
    assert_eq!(find("run.1", Some(&sha)).await, None, "not since itself");
    assert_eq!(find("run.1", Some("0123456789012345678901234567890123456789")).await, Some(sha));
    assert_eq!((find("run.2", None).await, find("run.11", None).await, find("run.", None).await), (None, None, None));
    assert_eq!(Repo::new().open().await.find_effect(&EffectId::new("run.1"), None).await.unwrap(), None);
}

#[tokio::test]
async fn an_index_on_another_file_system_is_followed_by_git_itself() {
    let repo = repo();
    let git = repo.open().await;
    let moved = PrivateIndex::copy_of(&git.user_index(), &repo.temp).unwrap();
    // The user's own `git add` after the copy has the same effect as an index that cannot be renamed into place.
    repo.write("b", "staged meanwhile");
    repo.git(&["add", "b"]);
    assert_eq!(moved.install(&git.user_index()).unwrap(), Installed::No);
    assert_eq!(repo.status(), "M  b");
}
