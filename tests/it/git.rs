//! Commits hold exactly the task's work; what a blocked task leaves is kept out of the tree and not lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::harness::Project;

fn task(id: &str, command: &str) -> Value {
    json!({"id": id, "title": format!("Task {id}"), "description": "d", "steps": ["s"],
           "verification": {"validate_commands": [command]}})
}

fn project(tasks: &[Value], agent: &str) -> Project {
    let project = Project::plain();
    project.tasks(&Value::from(tasks.to_vec()).to_string()).agent("codex", agent);
    project
}

/// Makes files of the user part of the history.
fn commit(project: &Project, files: &[(&str, &str)]) {
    for (name, text) in files {
        project.write(name, text);
        project.git(&["add", name]);
    }
    project.git(&["commit", "-q", "-m", "user"]);
}

/// `git status` of everything that is not autodev's own.
fn dirt(project: &Project) -> Vec<String> {
    let own = ["autodev.toml", "task.json", "progress.txt", "TASK.md", "logs", ".autodev"];
    let text = project.git(&["status", "--porcelain", "--untracked-files=all"]);
    text.lines().filter(|line| !own.iter().any(|name| line[3..].starts_with(name))).map(str::to_owned).collect()
}

fn hook(project: &Project, name: &str, text: &str) {
    let path = format!(".git/hooks/{name}");
    project.write(&path, text);
    fs::set_permissions(project.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
}

fn salvages(project: &Project) -> Vec<Value> {
    project.output_json(&["salvage", "list", "--json"], 0).as_array().unwrap().clone()
}

#[test]
fn the_commit_holds_additions_edits_and_removals() {
    let project = project(
        &[task("A", "true")],
        "echo new > 'a b.txt'; echo two > old.txt; rm gone.txt; mkdir -p d; mv moved.txt d/moved.txt",
    );
    commit(&project, &[("old.txt", "one\n"), ("gone.txt", "x\n"), ("moved.txt", "some text\n")]);
    project.expect(&["run"], 0);
    assert_eq!(project.log()[0], "autodev: A - Task A");
    let files = project.git(&["show", "--no-renames", "--name-status", "--format=", "HEAD"]);
    let mut files: Vec<&str> = files.lines().collect();
    files.sort_unstable();
    assert_eq!(files, ["A\ta b.txt", "A\td/moved.txt", "D\tgone.txt", "D\tmoved.txt", "M\told.txt"]);
    assert_eq!(dirt(&project), [""; 0]);
    let body = project.git(&["log", "-1", "--format=%B"]);
    assert!(body.contains("Autodev-Effect: ") && body.contains("Autodev-Attempt: A/1"), "{body}");
}

#[test]
fn own_files_are_never_committed() {
    let project = project(
        &[task("A", "true"), task("B", "true")],
        "echo $n > $AUTODEV_TASK_ID.txt; echo x >> progress.txt; echo x > logs/mine.log",
    );
    project.expect(&["run"], 0);
    assert_eq!(
        project.git(&["ls-files"]).lines().collect::<Vec<_>>(),
        ["A.txt", "B.txt", "README.md", "autodev.toml", "task.json"]
    );
    assert_eq!(project.git(&["log", "--format=%s", "--", "task.json"]), "initial\n");
}

#[test]
fn commit_with_ignored_file() {
    let project =
        project(&[task("A", "true")], "echo x > a.txt; echo secret > .env; mkdir -p dist; echo y > dist/app.js");
    commit(&project, &[(".gitignore", ".env\ndist/\n")]);
    project.expect(&["run"], 0);
    assert_eq!(project.task("A")["passes"], true);
    assert_eq!(project.committed(), ["a.txt"]);
    assert!(project.has(".env") && project.has("dist/app.js"));
}

#[test]
fn commit_of_nothing_but_ignored_files_is_no_commit_and_no_failure() {
    let project = project(&[task("A", "true")], "echo x > .env");
    commit(&project, &[(".gitignore", ".env\n")]);
    project.expect(&["run"], 0);
    assert_eq!((&project.task("A")["passes"], project.log().len()), (&json!(true), 2));
    assert_eq!(project.events("commit_skipped").len(), 1);
}

#[test]
fn commit_with_removed_untracked_file() {
    let project = project(&[task("A", "true")], "rm scratch.txt; echo x > a.txt");
    project.write("scratch.txt", "never known to git\n");
    project.expect(&["run"], 0);
    assert_eq!((&project.task("A")["passes"], project.committed()), (&json!(true), vec!["a.txt".to_owned()]));
    let project = self::project(
        &[task("A", "test -f a.txt")],
        "if [ $n = 1 ]; then echo x > tmp.txt; exit 0; fi; rm tmp.txt; echo x > a.txt",
    );
    project.expect(&["run"], 0);
    assert_eq!(project.committed(), ["a.txt"]);
}

#[test]
fn commit_includes_earlier_attempts() {
    let project =
        project(&[task("A", "test -f b.txt")], "if [ $n = 1 ]; then echo x > a.txt; exit 0; fi; echo y > b.txt");
    project.expect(&["run"], 0);
    assert_eq!(project.calls("codex"), 2);
    assert_eq!(project.committed(), ["a.txt", "b.txt"]);
    assert_eq!(dirt(&project), [""; 0]);
}

#[test]
fn blocked_work_does_not_leak() {
    let tasks = [task("A", "false"), task("B", "test -f b.txt")];
    let agent = "case $AUTODEV_TASK_ID in A) echo bad > half.txt; echo broken >> README.md; rm -f gone.txt;; B) ls > b.txt;; esac";
    let project = project(&tasks, agent);
    commit(&project, &[("gone.txt", "still here\n")]);
    project.expect(&["run", "--max-retries", "2"], 2);
    assert_eq!((&project.task("A")["blocked"], &project.task("B")["passes"]), (&json!(true), &json!(true)));
    assert_eq!(project.committed(), ["b.txt"]);
    assert_eq!(dirt(&project), [""; 0], "the tree is as before the blocked task");
    assert_eq!(
        (project.read("README.md"), project.read("gone.txt")),
        ("# a project\n".to_owned(), "still here\n".to_owned())
    );
    assert!(!project.read("b.txt").contains("half.txt"), "the next task never saw it");
    let list = salvages(&project);
    assert_eq!((list.len(), &list[0]["task"]), (1, &json!("A")));
    assert_eq!(list[0]["files"], json!(["README.md", "gone.txt", "half.txt"]));
    assert!(project.read("progress.txt").contains("refs/autodev/salvage/A/"));
}

#[test]
fn salvage_list_show_restore_and_drop() {
    let project = project(&[task("A", "false")], "echo bad > half.txt; echo broken >> README.md");
    assert_eq!(salvages(&project), [json!(null); 0]);
    project.expect(&["run", "--max-retries", "1"], 2);
    let list = salvages(&project);
    let reference = list[0]["reference"].as_str().unwrap().to_owned();
    assert!(reference.starts_with("refs/autodev/salvage/A/"), "{reference}");
    assert!(project.expect(&["salvage", "list"], 0).out.contains(&reference));
    for name in [reference.as_str(), "A"] {
        let diff = project.expect(&["salvage", "show", name], 0).out;
        assert!(diff.contains("+broken") && diff.contains("half.txt"), "{diff}");
    }
    project.write("half.txt", "mine now\n");
    let done = project.run(&["salvage", "restore", "A"]);
    assert_eq!(project.read("half.txt"), "mine now\n", "{done:?}");
    assert!(done.err.contains("half.txt"), "says what was left alone: {done:?}");
    project.expect(&["salvage", "restore", &reference, "--force"], 0);
    assert_eq!(
        (project.read("half.txt"), project.read("README.md")),
        ("bad\n".to_owned(), "# a project\nbroken\n".to_owned())
    );
    project.expect(&["salvage", "drop", &reference], 0);
    assert_eq!(salvages(&project), [json!(null); 0]);
    let none = project.expect(&["salvage", "show", "A"], 1);
    assert!(none.err.contains("autodev salvage list"), "{}", none.err);
}

#[test]
fn task_retry_puts_the_leftovers_back_and_they_count() {
    let project =
        project(&[task("A", "grep -q good b.txt")], "[ $n = 1 ] && echo half > a.txt; [ $n = 2 ] && echo good > b.txt");
    project.expect(&["run", "--max-retries", "1"], 2);
    assert!(!project.has("a.txt"));
    let done = project.output_json(&["task", "retry", "--json"], 0);
    assert_eq!((&done["tasks"], &done["restored"][0]["files"]), (&json!(1), &json!(1)));
    assert_eq!(project.read("a.txt"), "half\n");
    project.expect(&["run", "--max-retries", "1"], 0);
    assert_eq!(project.committed(), ["a.txt", "b.txt"]);
}

#[test]
fn task_retry_fresh_leaves_the_leftovers_where_they_are() {
    let project =
        project(&[task("A", "grep -q good b.txt")], "[ $n = 1 ] && echo half > a.txt; [ $n = 2 ] && echo good > b.txt");
    project.expect(&["run", "--max-retries", "1"], 2);
    project.expect(&["task", "retry", "--fresh", "--ids", "A"], 0);
    assert!(!project.has("a.txt"));
    project.expect(&["run", "--max-retries", "1"], 0);
    assert_eq!(project.committed(), ["b.txt"]);
    assert_eq!(salvages(&project).len(), 1, "still there for later");
}

#[test]
fn task_retry_does_not_write_over_what_a_person_did_since() {
    let project = project(&[task("A", "false")], "echo agent > README.md; echo x > other.txt");
    project.expect(&["run", "--max-retries", "1"], 2);
    project.write("README.md", "a person was here\n");
    let done = project.expect(&["task", "retry"], 0);
    assert_eq!(project.read("README.md"), "a person was here\n");
    assert!(done.err.contains("not put back") || done.err.contains("README.md"), "{done:?}");
    assert_eq!(salvages(&project).len(), 1);
}

#[test]
fn on_block_keep_leaves_the_work_in_the_tree() {
    let project = project(&[task("A", "false"), task("B", "true")], "echo $AUTODEV_TASK_ID > $AUTODEV_TASK_ID.txt");
    project.write(
        "autodev.toml",
        "[backend]\ndefault = \"codex\"\n[run]\ndelay_between_tasks = 0\n[git]\non_block = \"keep\"\n",
    );
    project.expect(&["run", "--max-retries", "1"], 2);
    assert_eq!(project.read("A.txt"), "A\n");
    assert_eq!(project.committed(), ["B.txt"], "and still not in the next task's commit");
    assert_eq!(salvages(&project), [json!(null); 0]);
    project.expect(&["task", "retry"], 0);
    project
        .tasks(&json!([task("A", "true"), {"id": "B", "title": "t", "passes": true}]).to_string())
        .agent("codex", "true");
    project.expect(&["run", "--max-retries", "1"], 0);
    assert_eq!(project.committed(), ["A.txt"], "the earlier work of the task counts");
}

#[test]
fn commit_leaves_staged_user_work_alone() {
    let project = project(&[task("A", "true")], "echo x > a.txt");
    commit(&project, &[("part.txt", "1\n")]);
    project.write("user.txt", "staged\n").write("part.txt", "2\n");
    project.git(&["add", "user.txt", "part.txt"]);
    project.write("part.txt", "3\n").write("loose.txt", "not staged\n");
    project.expect(&["run"], 0);
    assert_eq!(project.committed(), ["a.txt"]);
    assert_eq!(dirt(&project), ["MM part.txt", "A  user.txt", "?? loose.txt"]);
    assert_eq!(project.git(&["show", ":part.txt"]), "2\n", "what was staged is staged still");
    assert_eq!(project.read("part.txt"), "3\n");
}

#[test]
fn blocked_work_is_removed_around_dirty_files_of_the_user() {
    let project = project(&[task("A", "false")], "echo x > a.txt; echo agent >> part.txt");
    commit(&project, &[("part.txt", "1\n")]);
    project.write("part.txt", "1\nuser\n").write("loose.txt", "mine\n");
    project.write("staged.txt", "s\n");
    project.git(&["add", "staged.txt"]);
    project.expect(&["run", "--max-retries", "1"], 2);
    assert_eq!((project.read("part.txt"), project.read("loose.txt")), ("1\nuser\n".to_owned(), "mine\n".to_owned()));
    assert_eq!(dirt(&project), [" M part.txt", "A  staged.txt", "?? loose.txt"]);
    assert!(!project.has("a.txt"));
}

#[test]
fn a_hook_that_refuses_is_a_failed_check_that_the_agent_can_mend() {
    let project = project(&[task("A", "true")], "[ $n = 1 ] && echo 'x ' > a.txt || echo x > a.txt");
    hook(
        &project,
        "pre-commit",
        "#!/bin/sh\nif git diff --cached | grep -q '^+.* $'; then echo 'trailing space in a.txt' >&2; exit 1; fi\n",
    );
    project.expect(&["run"], 0);
    assert_eq!(project.calls("codex"), 2);
    let prompt = project.prompt("codex", 2);
    assert!(prompt.contains("trailing space in a.txt"), "{prompt}");
    assert_eq!((project.committed(), project.read("a.txt")), (vec!["a.txt".to_owned()], "x\n".to_owned()));
    let history = project.task("A")["attempt_history"].clone();
    assert_eq!(history[0]["status"], "failed");
}

#[test]
fn a_hook_that_always_refuses_blocks_the_task_and_leaves_nothing_staged() {
    let project = project(&[task("A", "true"), task("B", "true")], "echo x > $AUTODEV_TASK_ID.txt");
    hook(
        &project,
        "pre-commit",
        "#!/bin/sh\nif git diff --cached --name-only | grep -q A.txt; then echo REFUSED-BY-HOOK; exit 1; fi\n",
    );
    project.expect(&["run"], 2);
    assert_eq!((&project.task("A")["passes"], &project.task("A")["blocked"]), (&json!(false), &json!(true)));
    assert!(project.read("progress.txt").contains("REFUSED-BY-HOOK"), "its words are kept");
    assert_eq!(project.committed(), ["B.txt"]);
    assert_eq!(project.git(&["diff", "--cached", "--name-only"]), "");
}

#[test]
fn hooks_see_and_may_change_the_message() {
    let project = project(&[task("A", "true")], "echo x > a.txt");
    hook(&project, "commit-msg", "#!/bin/sh\ngrep -q '^autodev: A' \"$1\" || exit 1\nsed -i '1s/^/JIRA-1 /' \"$1\"\n");
    project.expect(&["run"], 0);
    assert_eq!(project.log()[0], "JIRA-1 autodev: A - Task A");
}

#[test]
fn message_template_and_auto_commit() {
    let project = project(
        &[
            json!({"id": "A", "title": "Use {task_id} \"quoted\" $HOME `x`\nsecond line", "description": "d", "steps": ["s"]}),
        ],
        "echo x > a.txt",
    );
    let config =
        "[backend]\ndefault = \"codex\"\n[git]\ncommit_message_template = \"feat({task_id}): {task_name} {other}\"\n";
    project.write("autodev.toml", config);
    project.expect(&["run"], 0);
    assert_eq!(project.log()[0], "feat(A): Use {task_id} \"quoted\" $HOME `x` second line {other}");
    let project = self::project(&[task("A", "true")], "echo x > a.txt");
    project.write("autodev.toml", "[backend]\ndefault = \"codex\"\n[git]\nauto_commit = false\n");
    project.expect(&["run"], 0);
    assert_eq!((&project.task("A")["passes"], project.log()), (&json!(true), vec!["initial".to_owned()]));
    assert_eq!(dirt(&project), ["?? a.txt"]);
}

#[test]
fn works_without_git() {
    let project = Project::without_git();
    project.tasks(&json!([task("A", "test -f a.txt"), task("B", "false")]).to_string());
    project.agent("codex", "echo x > $(echo $AUTODEV_TASK_ID | tr A-Z a-z).txt");
    let done = project.expect(&["run", "--max-retries", "1"], 2);
    assert_eq!((&project.task("A")["passes"], &project.task("B")["blocked"]), (&json!(true), &json!(true)));
    assert!(project.has("a.txt") && project.has("b.txt"), "without git nothing is taken out of the tree");
    assert!(!done.err.contains("fatal"), "{}", done.err);
    let none = project.expect(&["salvage", "list"], 1);
    assert!(none.err.contains("not in a git work tree"), "{}", none.err);
    project.expect(&["task", "retry"], 0);
    project.agent("codex", "true");
    project.tasks(&json!([task("B", "true")]).to_string());
    project.expect(&["run", "--max-retries", "1"], 0);
}

#[test]
fn works_before_the_first_commit() {
    let project = Project::without_git();
    project.git(&["init", "-q", "-b", "main"]);
    project
        .tasks(&json!([task("A", "true"), task("B", "false")]).to_string())
        .agent("codex", "echo x > $AUTODEV_TASK_ID.txt");
    project.write("mine.txt", "untracked\n");
    project.expect(&["run", "--max-retries", "1"], 2);
    assert_eq!(
        (project.log(), project.committed()),
        (vec!["autodev: A - Task A".to_owned()], vec!["A.txt".to_owned()])
    );
    assert_eq!(dirt(&project), ["?? mine.txt"]);
    assert_eq!(salvages(&project).len(), 1);
}

#[test]
fn code_dir_below_the_top_of_the_repository() {
    let project = project(&[task("A", "test -f a.txt")], "echo x > a.txt; echo y > ../outside.txt");
    commit(&project, &[("app/main.c", "int main;\n")]);
    fs::rename(project.path("task.json"), project.path("app/task.json")).unwrap();
    project.write("app/autodev.toml", "[backend]\ndefault = \"codex\"\n");
    let done = project.run(&["-c", "app/autodev.toml", "run"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(project.committed(), ["app/a.txt"], "what is outside of code_dir is not the task's");
    assert!(project.has("outside.txt") && project.has("app/logs/autodev.log"));
}

#[test]
fn the_agents_own_commit_counts_as_its_work() {
    let project = project(
        &[task("A", "test -f a.txt")],
        "echo x > a.txt; git add a.txt; git commit -q -m 'I commit myself'; echo y > b.txt",
    );
    project.expect(&["run"], 0);
    assert_eq!(project.task("A")["passes"], true);
    assert_eq!(dirt(&project), [""; 0]);
    assert!(project.git(&["ls-files"]).contains("b.txt"));
}

#[test]
fn a_locked_index_is_no_lost_commit() {
    let project = project(&[task("A", "true")], "echo x > a.txt; touch .git/index.lock");
    let done = project.run(&["run"]);
    fs::remove_file(project.path(".git/index.lock")).ok();
    if done.code != 0 {
        assert!(done.err.contains("index.lock"), "{}", done.err);
        project.expect(&["run"], 0);
    }
    assert_eq!((&project.task("A")["passes"], project.committed()), (&json!(true), vec!["a.txt".to_owned()]));
    assert_eq!(project.calls("codex"), 1);
}

#[test]
fn no_identity_is_told_and_nothing_is_lost() {
    let mut project = project(&[task("A", "true")], "echo x > a.txt");
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        project.env(name, "");
    }
    project.git(&["config", "user.useConfigOnly", "true"]);
    let done = project.run(&["run"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("could not be committed"), "{}", done.err);
    assert!(project.has("a.txt"));
    project.git(&["config", "user.name", "Dev"]);
    project.git(&["config", "user.email", "dev@example.com"]);
    for name in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        project.env(&format!("{name}_NAME"), "Dev").env(&format!("{name}_EMAIL"), "dev@example.com");
    }
    project.expect(&["run"], 0);
    assert_eq!((project.committed(), project.calls("codex")), (vec!["a.txt".to_owned()], 1));
}

#[test]
fn modes_and_links_are_committed_as_they_are() {
    let project = project(
        &[task("A", "true")],
        "printf '#!/bin/sh\\n' > tool.sh; chmod 755 tool.sh; ln -s tool.sh link; chmod 755 plain.txt",
    );
    commit(&project, &[("plain.txt", "1\n")]);
    project.expect(&["run"], 0);
    let tree = project.git(&["ls-tree", "HEAD", "tool.sh", "link", "plain.txt"]);
    let modes: Vec<&str> = tree.lines().map(|line| &line[..6]).collect();
    assert_eq!(modes, ["120000", "100755", "100755"], "{tree}");
    assert_eq!(dirt(&project), [""; 0]);
}
