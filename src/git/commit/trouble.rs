//! Commits that do not go smoothly: hooks, locks, signatures, unfinished merges, leftovers of a kill.

use std::fs;

use super::super::testrepo::{Repo, changes, commit, committed, never};
use super::tests::repo;
use super::*;
use crate::sys::proc::Urgency;

fn refused(outcome: Result<CommitOutcome, GitError>) -> (Option<String>, String) {
    match outcome {
        Ok(CommitOutcome::Refused { hook, tail, .. }) => (hook, tail),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_hook_that_fails_is_a_verdict() {
    let repo = repo();
    let git = repo.open().await;
    let head = repo.git(&["rev-parse", "HEAD"]);
    repo.write("b", "staged");
    repo.git(&["add", "b"]);
    repo.write("a", "task");
    repo.write("n", "task");
    let before = repo.status();
    for hook in ["pre-commit", "prepare-commit-msg", "commit-msg"] {
        repo.hook(hook, "echo out; echo \"no: lint\" >&2; exit 7");
        let (name, tail) = refused(commit(&git, &["~a", "+n"]).await);
        assert_eq!((name.as_deref(), tail.as_str()), (Some(hook), "out\nno: lint"));
        repo.remove(&format!(".git/hooks/{hook}"));
        assert_eq!((repo.git(&["rev-parse", "HEAD"]), repo.status()), (head.clone(), before.clone()));
    }
    repo.hook("reference-transaction", "[ $1 = prepared ] && { echo frozen; exit 1; }; exit 0");
    let (name, tail) = refused(commit(&git, &["~a"]).await);
    assert_eq!(name.as_deref(), Some("reference-transaction"));
    assert!(tail.contains("frozen"), "{tail}");
    repo.remove(".git/hooks/reference-transaction");
    repo.hook("post-commit", "exit 1");
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    assert_eq!(repo.leftovers(), [""; 0]);
}

#[tokio::test]
async fn what_hooks_print_is_kept_whole_in_the_log() {
    let repo = repo();
    let git = repo.open().await;
    repo.hook("pre-commit", "i=0; while [ $i -lt 5000 ]; do echo \"line $i\"; i=$((i+1)); done; exit 1");
    repo.write("a", "task");
    let log = repo.path("../hook.log");
    let (paths, effect) = (changes(&["~a"]), EffectId::new("run.1"));
    let request = CommitRequest {
        paths: &paths,
        message: "x",
        trailers: &[],
        effect: &effect,
        log: Some(&log),
        limit: Duration::from_mins(1),
        stop: never(),
    };
    let (_, tail) = refused(git.commit(request).await);
    assert_eq!(tail.lines().count(), 40);
    assert!(tail.starts_with("line 4960") && tail.ends_with("line 4999"), "{tail}");
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 5000);
}

#[tokio::test]
async fn a_hook_may_change_and_add_files() {
    let repo = repo();
    let git = repo.open().await;
    repo.hook("pre-commit", "echo formatted > a; echo made > made; git add a made; echo x >> dir/c");
    repo.hook("commit-msg", "echo >> $1; echo Reviewed: by-hook >> $1");
    repo.write("a", "task");
    assert_eq!(committed(&git, commit(&git, &["~a"]).await.unwrap()).await, ["a", "made"]);
    assert_eq!(repo.git(&["show", "HEAD:a"]), "formatted");
    assert_eq!(repo.status(), "M dir/c");
    let found = git.find_effect(&EffectId::new("run.1"), None).await.unwrap();
    assert_eq!(found, Some(repo.git(&["rev-parse", "HEAD"])), "found though the trailer is not last");
}

#[tokio::test]
async fn a_hook_sees_only_the_task_as_staged_and_nothing_of_our_settings() {
    let repo = repo();
    let git = repo.open().await;
    repo.write("b", "staged by the user");
    repo.git(&["add", "b"]);
    repo.write("a", "task");
    repo.hook(
        "pre-commit",
        "git diff --cached --name-only > ../seen; echo \"${LC_ALL-unset} ${GIT_LITERAL_PATHSPECS-unset}\" >> ../seen",
    );
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    let inherited = crate::sys::env::text("LC_ALL").unwrap_or_else(|| "unset".to_owned());
    assert_eq!(repo.read("../seen"), format!("a\n{inherited} unset\n").as_bytes());
    assert_eq!(repo.status(), "M  b");
}

#[tokio::test]
async fn a_hook_that_hangs_is_ended() {
    let repo = repo();
    let git = repo.open().await;
    repo.hook("pre-commit", "echo $$ > ../pid; echo waiting; exec sleep 600");
    repo.write("a", "task");
    let (paths, effect) = (changes(&["~a"]), EffectId::new("run.1"));
    let request = |limit, stop| CommitRequest {
        paths: &paths,
        message: "x",
        trailers: &[],
        effect: &effect,
        log: None,
        limit,
        stop,
    };
    let outcome = git.commit(request(Duration::from_millis(300), never())).await.unwrap();
    let CommitOutcome::Refused { hook, tail, is_timed_out, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((hook.as_deref(), tail.as_str(), is_timed_out), (Some("pre-commit"), "waiting", true));

    let (sender, stop) = tokio::sync::watch::channel(Urgency::None);
    repo.remove("../pid");
    let wait = async {
        while !repo.exists("../pid") {
            tokio::task::yield_now().await;
        }
        sender.send(Urgency::Stop).unwrap();
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = git.commit(request(Duration::from_mins(1), stop)) => outcome,
        () = wait => return,
    };
    assert!(matches!(outcome, Err(GitError::Stopped { .. })), "{outcome:?}");
    repo.remove(".git/hooks/pre-commit");
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    assert_eq!((repo.status().as_str(), repo.leftovers().len()), ("", 0));
}

#[tokio::test]
async fn a_locked_index_is_reported_and_brought_up_to_date_later() {
    let repo = repo();
    let git = repo.open().await;
    let old = repo.git(&["rev-parse", "HEAD"]);
    for is_staged in [false, true] {
        if is_staged {
            repo.write("b", "staged");
            repo.git(&["add", "b"]);
        }
        repo.write("a", format!("task {is_staged}"));
        repo.write(".git/index.lock", "held by another git");
        let outcome = commit(&git, &["~a"]).await.unwrap();
        let CommitOutcome::Committed { is_index_stale, .. } = outcome else { panic!("{outcome:?}") };
        assert!(is_index_stale);
        assert_eq!(repo.read(".git/index.lock"), b"held by another git");
        repo.remove(".git/index.lock");
        assert!(repo.status().contains("MM a"), "{}", repo.status());
        let parent = repo.git(&["rev-parse", "HEAD^"]);
        assert!(git.sync_index(Some(&parent), &["a".into()]).await.unwrap());
        assert_eq!(repo.status(), if is_staged { "M  b" } else { "" });
    }
    assert!(git.sync_index(Some(&old), &["a".into()]).await.unwrap(), "again, from further back");
    assert_eq!(repo.status(), "M  b");
}

#[tokio::test]
async fn a_lock_that_is_released_in_time_is_waited_for() {
    let repo = repo();
    let git = repo.open().await;
    repo.write("a", "task");
    repo.write(".git/index.lock", "");
    let begun = repo.read(".git/refs/heads/main");
    let release = async {
        while repo.read(".git/refs/heads/main") == begun {
            tokio::task::yield_now().await;
        }
        repo.remove(".git/index.lock");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = commit(&git, &["~a"]) => drop(committed(&git, outcome.unwrap()).await),
        () = release => {}
    }
    assert_eq!(repo.status(), "");
}

#[tokio::test]
async fn leftovers_of_a_killed_predecessor_are_cleared() {
    let repo = repo();
    drop(repo.open().await);
    // What a kill between the link and the rename of an index leaves, by a process with our own id.
    let stale = repo.temp.join(format!("git-{}-00000000-x.index", std::process::id()));
    fs::create_dir_all(&repo.temp).unwrap();
    fs::copy(repo.path(".git/index"), &stale).unwrap();
    fs::hard_link(&stale, repo.path(".git/index.lock")).unwrap();
    fs::copy(&stale, repo.temp.join("git-999999999-00000000-y.index.lock")).unwrap();
    let live = repo.temp.join(format!("{}live.index", own_prefix()));
    fs::copy(&stale, &live).unwrap();
    let git = repo.open().await;
    assert_eq!(repo.leftovers(), [live.file_name().unwrap()]);
    assert!(!repo.exists(".git/index.lock"));
    repo.write("a", "task");
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    repo.write(".git/index.lock", "somebody else's");
    drop(repo.open().await);
    assert!(repo.exists(".git/index.lock"));
}

#[tokio::test]
async fn without_an_author_autodev_is_the_author() {
    let repo = Repo::without_identity();
    repo.git(&["config", "user.useConfigOnly", "true"]);
    let git = repo.open().await;
    repo.write("a", "1");
    committed(&git, commit(&git, &["+a"]).await.unwrap()).await;
    assert_eq!(repo.git(&["log", "-1", "--format=%an %ae %cn"]), "autodev autodev@localhost autodev");
    repo.git(&["config", "user.name", "Half"]);
    repo.write("a", "2");
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    assert_eq!(repo.git(&["log", "-1", "--format=%an %ae"]), "Half autodev@localhost");
    repo.git(&["config", "user.email", "half@example.com"]);
    repo.write("a", "3");
    committed(&git, commit(&git, &["~a"]).await.unwrap()).await;
    assert_eq!(repo.git(&["log", "-1", "--format=%an %ae"]), "Half half@example.com");
}

#[tokio::test]
async fn a_signature_that_cannot_be_made_is_our_failure() {
    let repo = repo();
    repo.git(&["config", "commit.gpgsign", "true"]);
    repo.git(&["config", "gpg.program", "false"]);
    let git = repo.open().await;
    let head = repo.git(&["rev-parse", "HEAD"]);
    repo.write("a", "task");
    let error = commit(&git, &["~a"]).await.unwrap_err();
    assert!(error.to_string().contains("gpg failed to sign"), "{error}");
    assert!(error.hint().unwrap().contains("signing"), "{error}");
    assert_eq!(repo.git(&["rev-parse", "HEAD"]), head);
    assert_eq!((repo.status().as_str(), repo.leftovers().len()), ("M a", 0));
}

#[tokio::test]
async fn a_merge_in_progress_is_not_swallowed() {
    let repo = repo();
    repo.git(&["checkout", "-q", "-b", "side"]);
    repo.commit_file("a", "side\n", "side");
    repo.git(&["checkout", "-q", "main"]);
    repo.commit_file("a", "main\n", "main");
    let git = repo.open().await;
    for (start, operation, end) in
        [("merge", "merge", "merge"), ("rebase", "rebase", "rebase"), ("cherry-pick", "cherry-pick", "cherry-pick")]
    {
        assert!(!repo.try_git(&[start, "side"]).0, "{start} must stop");
        let head = repo.git(&["rev-parse", "HEAD"]);
        repo.write("b", "task");
        let error = commit(&git, &["~b"]).await.unwrap_err();
        assert!(matches!(error, GitError::InProgress { operation: it } if it == operation), "{error}");
        assert_eq!(repo.git(&["rev-parse", "HEAD"]), head);
        repo.git(&["checkout", "-q", "--", "b"]);
        repo.git(&[end, "--abort"]);
    }
}

#[tokio::test]
async fn a_commit_on_top_of_ours_by_a_hook_does_not_confuse() {
    let repo = repo();
    let git = repo.open().await;
    repo.hook("post-commit", "rm $0; git -c core.hooksPath=/nowhere commit -q --allow-empty -m 'on top'");
    repo.write("a", "task");
    let outcome = commit(&git, &["~a"]).await.unwrap();
    let CommitOutcome::Committed { ref sha, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(*sha, repo.git(&["rev-parse", "HEAD^"]));
    assert_eq!(committed(&git, outcome).await, ["a"]);
    assert_eq!(repo.status(), "");
}

#[tokio::test]
async fn a_damaged_index_is_an_error_with_a_way_out() {
    let repo = repo();
    let git = repo.open().await;
    repo.write(".git/index", "nonsense, and longer than a header would be");
    repo.write("a", "task");
    let error = commit(&git, &["~a"]).await.unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("git reset")), "{error}");
    assert_eq!(repo.read(".git/index"), b"nonsense, and longer than a header would be");
}
