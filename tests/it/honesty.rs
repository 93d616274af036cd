//! Done means proved: what counts as work, what counts as a check, and who decides.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::{Value, json};

use crate::harness::Project;

/// One task with this `verification`.
fn task(verification: &Value) -> String {
    json!([{"id": "A", "title": "First", "description": "d", "steps": ["s"], "verification": verification}]).to_string()
}

/// A project with one task and one agent.
fn project(verification: &Value, agent: &str) -> Project {
    let project = Project::plain();
    project.tasks(&task(verification)).agent("codex", agent);
    project
}

fn commands(list: &[&str]) -> Value {
    json!({ "validate_commands": list })
}

/// The details of a check in a report of `verify --json`.
fn details<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name} in {report}"));
    check["details"].as_str().unwrap()
}

#[test]
fn verify_passes_and_says_so_in_lines_and_in_json() {
    let project =
        project(&json!({"path_patterns": ["src/*.rs"], "validate_commands": ["true", "test -f README.md"]}), "");
    let before = project.read("task.json");
    let args = ["verify", "A", "--changed-file", "src/a.rs", "--changed-file", "README.md", "--evidence", "x=y"];
    let text = project.expect(&args, 0).out;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Verification: PASSED (task A)");
    assert_eq!(lines[1], "  [+] min_changed_files: 2 files changed (minimum: 1)");
    assert_eq!(lines[2], "  [+] path_patterns: Patterns: ['src/*.rs']");
    assert!(lines[3].starts_with("  [+] validate:true: exit_code=0"), "{text}");
    assert!(lines[4].starts_with("  [+] validate:test -f README.md: exit_code=0"), "{text}");
    assert_eq!(lines.len(), 5, "{text}");
    let report = project.output_json(&["verify", "A", "--changed-file", "src/a.rs", "--json"], 0);
    assert_eq!((&report["status"], &report["task_id"]), (&json!("passed"), &json!("A")));
    assert_eq!((&report["errors"], &report["warnings"]), (&json!([]), &json!([])));
    assert_eq!(
        report["checks"][0],
        json!({"name": "min_changed_files", "ok": true, "details": "1 files changed (minimum: 1)"})
    );
    assert_eq!(report["checks"].as_array().unwrap().len(), 4);
    assert_eq!(project.read("task.json"), before);
}

#[test]
fn verify_fails_and_makes_every_check() {
    let project =
        project(&json!({"path_patterns": ["src/*"], "validate_commands": ["false", "sh -c 'exit 7'", "true"]}), "");
    let text = project.expect(&["verify", "A"], 1).out;
    assert!(
        text.starts_with("Verification: FAILED (task A)\n  [-] min_changed_files: 0 files changed (minimum: 1)\n"),
        "{text}"
    );
    assert!(text.contains("  [-] path_patterns: ") && text.contains("\nErrors:\n  - "), "{text}");
    let report = project.output_json(&["verify", "A", "--json"], 1);
    assert_eq!(report["status"], "failed");
    let oks: Vec<bool> = report["checks"].as_array().unwrap().iter().map(|check| check["ok"] == true).collect();
    assert_eq!(oks, [false, false, false, false, true]);
    assert!(details(&report, "validate:false").starts_with("exit_code=1"));
    assert!(details(&report, "validate:sh -c 'exit 7'").starts_with("exit_code=7"));
    assert_eq!(report["errors"].as_array().unwrap().len(), 4, "one per failed check, none twice: {report}");
    let done = project.expect(&["verify", "Z"], 1);
    assert!(done.err.contains('Z') && done.out.is_empty(), "{done:?}");
}

#[test]
fn verify_path_patterns() {
    for (pattern, path, is_hit) in [
        ("auth.py", "src/auth.py", true),
        ("tests/*.py", "src/tests/a.py", true),
        ("src/*", "src/deep/er/a.c", true),
        ("src/**/a.c", "src/deep/er/a.c", true),
        ("*.rs", "src/a.rs", true),
        ("src/[ab].c", "src/b.c", true),
        ("src/[!ab].c", "src/b.c", false),
        ("src/?.c", "src/ab.c", false),
        ("SRC/*", "src/a.c", false),
        ("src/*.c", "src/a.cpp", false),
        ("*a.c", "src/b.c", false),
    ] {
        let project = project(&json!({ "path_patterns": [pattern, "never/this"] }), "");
        let code = i32::from(!is_hit);
        let report = project.output_json(&["verify", "A", "--json", "--changed-file", path], code);
        assert_eq!(report["checks"][1]["ok"], is_hit, "{pattern} {path}: {report}");
    }
}

#[test]
fn verify_no_shell_syntax() {
    let lines = [
        "echo a && echo b",
        "echo a || true",
        "echo a | cat",
        "echo a ; true",
        "cat < README.md",
        "echo a > out.txt",
        "echo a >> out.txt",
        "echo a >out.txt",
        "cat <README.md",
        "echo $(date)",
        "echo `date`",
        "echo 'a",
        "echo \"a",
        "true&&touch out.txt",
        "true 2>&1",
        "true &",
        "X=1 true",
        "ls *.md",
        "echo ${HOME}",
        "true;touch out.txt",
    ];
    let project = project(&commands(&lines), "");
    let report = project.output_json(&["verify", "A", "--json", "--changed-file", "a"], 1);
    for line in lines {
        let details = details(&report, &format!("validate:{line}"));
        assert!(details.starts_with("exit_code=-1 ("), "{line}: {details}");
    }
    assert_eq!(report["errors"].as_array().unwrap().len(), lines.len());
    assert!(details(&report, "validate:true 2>&1").contains("both streams are recorded anyway"));
    assert!(details(&report, "validate:X=1 true").contains(r#"{"run": "true", "environment": {"X":"1"}}"#));
    assert!(details(&report, "validate:ls *.md").contains(r#"{"run": "ls *.md", "shell": true}"#));
    assert!(!project.has("out.txt"), "nothing of it was run");
}

#[test]
fn verify_words_are_split_as_a_posix_shell_splits_them() {
    let project = project(
        &commands(&["test 'a b' = \"a b\"", r"test a\ b = 'a b'", "test 'x|y' = x\\|y", "sh -c 'exit 0 && true'"]),
        "",
    );
    let report = project.output_json(&["verify", "A", "--json", "--changed-file", "a"], 0);
    assert_eq!(report["checks"].as_array().unwrap().len(), 5);
}

#[test]
fn verify_where_and_with_what_commands_run() {
    let verification = json!({"validate_working_directory": "sub", "validate_environment": {"GREETING": "hi", "N": 3, "ON": true},
        "validate_commands": ["sh -c 'test $GREETING$N = hi3'", "test -f here.txt", "sh -c 'test ${PWD##*/} = sub'"]});
    let project = project(&verification, "");
    project.write("sub/here.txt", "");
    project.expect(&["verify", "A", "--changed-file", "a"], 0);
    project.write(
        "autodev.toml",
        "[backend]\ndefault = \"codex\"\n[gate]\nvalidate_commands = [\"test -f sub/here.txt\"]\nmin_changed_files = 2\n",
    );
    project.tasks(&task(&json!({})));
    let report = project.output_json(&["verify", "A", "--json", "--changed-file", "a"], 1);
    assert_eq!(report["checks"][0]["details"], "1 files changed (minimum: 2)");
    assert_eq!(report["checks"][1]["ok"], true, "the configured command is the fallback: {report}");
    project.expect(&["verify", "A", "--changed-file", "a", "--changed-file", "b"], 0);
}

#[test]
fn verify_missing_program_timeout_and_directory() {
    let verification = json!({"validate_timeout_seconds": 1, "validate_commands": ["no-such-program-anywhere --x", "sleep 30", "./missing.sh"]});
    let project = project(&verification, "");
    let report = project.output_json(&["verify", "A", "--json", "--changed-file", "a"], 1);
    for name in ["no-such-program-anywhere --x", "sleep 30", "./missing.sh"] {
        assert!(details(&report, &format!("validate:{name}")).starts_with("exit_code=-1 ("), "{report}");
    }
    assert!(details(&report, "validate:sleep 30").contains("timed out"), "{report}");
    project.tasks(&task(&json!({"validate_working_directory": "nowhere", "validate_commands": ["true"]})));
    let report = project.output_json(&["verify", "A", "--json", "--changed-file", "a"], 1);
    assert!(details(&report, "validate:true").contains("nowhere"), "{report}");
}

#[test]
fn verify_numeric_metric() {
    let numeric = |more: &str| {
        format!(
            r#"[{{"id": "A", "title": "t", "description": "d", "steps": ["s"], "verification": {{"validate_commands": ["echo noise", "cat m.json"]}},
              "completion": {{"kind": "numeric", "source": "json_stdout", "name": "lat", "direction": "lower_is_better", "json_path": "$.a.b[0].c"{more}}}}}]"#
        )
    };
    let project = Project::plain();
    let verify = |code| project.output_json(&["verify", "A", "--json", "--changed-file", "a"], code);
    project.write("m.json", r#"{"a": {"b": [{"c": 89.5}]}}"#).tasks(&numeric(""));
    let report = verify(0);
    assert!(details(&report, "metric:lat").contains("89.5"), "{report}");
    project.tasks(&numeric(", \"target\": 80"));
    assert!(details(&verify(1), "metric:lat").contains("not reached"));
    project.tasks(&numeric(", \"target\": 90"));
    verify(0);
    for bad in [
        "{\"a\": {\"b\": [{\"c\": true}]}}",
        "{\"a\": {\"b\": []}}",
        "{\"a\": {\"b\": [{\"c\": \"3\"}]}}",
        "{\"a\": {\"b\": [{\"c\": NaN}]}}",
        "x",
    ] {
        project.write("m.json", bad);
        let report = verify(1);
        assert_eq!(report["status"], "failed", "{bad}: {report}");
    }
}

#[test]
fn own_files_are_never_progress() {
    let project = Project::plain();
    project.tasks(&task(&json!({}))).agent("codex", "true");
    project.expect(&["run"], 2);
    assert_eq!((&project.task("A")["passes"], &project.task("A")["blocked"]), (&json!(false), &json!(true)));
    let history = project.task("A")["attempt_history"].clone();
    assert!(history.as_array().unwrap().iter().all(|entry| entry["changed_files"] == json!([])), "{history}");
    assert_eq!(project.log(), ["initial"]);

    let project = Project::plain();
    project.write(
        "autodev.toml",
        "[backend]\ndefault = \"codex\"\n[run]\ndelay_between_tasks = 0\n[files]\ntask_json = \"q/queue.json\"\nprogress = \"q/done.txt\"\n\
         task_brief = \"q/NOW.md\"\nlog_dir = \"var\"\nattempt_log_subdir = \"tries\"\n[snapshot]\nignore_dirs = []\nignore_path_globs = []\n",
    );
    project.write("q/queue.json", &format!("{{\"tasks\": {}}}", task(&json!({}))));
    project.agent(
        "codex",
        "for f in q/done.txt q/NOW.md var/x.log var/tries/y.log var/runtime-status.json autodev.toml .autodev/z q/queue.json.bak.1 .git/x; do \
         mkdir -p $(dirname $f); echo '# x' >> $f; done",
    );
    project.expect(&["run"], 2);
    let task = project.json("q/queue.json")["tasks"][0].clone();
    assert_eq!((&task["passes"], &task["attempt_history"][0]["changed_files"]), (&json!(false), &json!([])));
    assert!(!project.has("task.json.bak") && !project.has("logs"));
}

#[test]
fn touch_is_not_a_change() {
    let project = project(&json!({}), "touch README.md; chmod 644 README.md");
    project.expect(&["run"], 2);
    assert_eq!(project.task("A")["passes"], false);
    assert!(project.task("A")["block_reason"].as_str().is_some_and(|reason| !reason.is_empty()));
}

#[test]
fn same_size_same_mtime_edit_is_seen() {
    let agent = "cp -p data.txt /tmp/$$.ref; printf 'bbbb' > data.txt; touch -r /tmp/$$.ref data.txt; rm /tmp/$$.ref";
    let project = project(&json!({"path_patterns": ["data.txt"]}), agent);
    project.write("data.txt", "aaaa");
    project.git(&["add", "data.txt"]);
    project.git(&["commit", "-q", "-m", "data"]);
    project.expect(&["run"], 0);
    assert_eq!(project.task("A")["passes"], true);
    assert_eq!(project.committed(), ["data.txt"]);
}

#[test]
fn a_change_that_is_taken_back_is_no_change() {
    let project = project(&json!({}), "if [ $n = 1 ]; then echo x > a.txt; exit 1; fi; rm -f a.txt");
    project.expect(&["run"], 2);
    assert_eq!(project.task("A")["passes"], false);
}

/// What of these paths counts as changed when an agent writes all of them.
fn counted(config: &str, paths: &[&str]) -> Vec<String> {
    let agent = format!("for f in {}; do mkdir -p $(dirname $f); echo x > $f; done", paths.join(" "));
    let project = project(&json!({}), &agent);
    let minimal = "[backend]\ndefault = \"codex\"\n[run]\ndelay_between_tasks = 0\nmax_retries = 1\n";
    project.write("src/.keep", "").write("autodev.toml", &format!("{minimal}{config}"));
    project.run(&["run"]);
    let changed = project.events("attempt_ended")[0]["report"]["changed"].clone();
    assert_eq!(project.task("A")["passes"], changed != json!([]), "{changed}");
    changed.as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned()).collect()
}

#[test]
fn run_snapshot_rules() {
    let count = [
        ".github/workflows/ci.yml",
        "docs/out-of-band.md",
        "lib/build/main.c",
        "src/build-info.ts",
        "src/logs/reader.py",
        "src/router.py",
    ];
    let ignored = [
        "build-release/a.txt",
        "build/main.c",
        "lib/libx.so",
        "logs/x.txt",
        "node_modules/a/index.js",
        "out-1/a.txt",
        "pkg/__pycache__/a.pyc",
        "src/a.o",
        "venv/bin/python",
        "web/node_modules/a/index.js",
    ];
    assert_eq!(counted("", &[&count[..], &ignored].concat()), count);
    assert_eq!(counted("", &ignored), [""; 0], "and none of them completes a task");
}

#[test]
fn snapshot_watch_dirs_globs_and_include() {
    let config = |line: &str| format!("[snapshot]\n{line}\n");
    assert_eq!(counted(&config("watch_dirs = [\"src\"]"), &["src/a.c", "docs/a.md"]), ["src/a.c"]);
    let include = config("include_path_globs = [\"src/**/*.py\"]");
    assert_eq!(counted(&include, &["src/a.py", "src/deep/a.py", "src/a.c", "a.py"]), ["src/a.py", "src/deep/a.py"]);
    let ignore = config("ignore_path_globs = [\"gen/**\"]");
    assert_eq!(counted(&ignore, &["gen/a.c", "src/gen/a.c", "gen.txt"]), ["gen.txt", "src/gen/a.c"]);
    let dirs = config("ignore_dirs = [\"third/party\"]");
    assert_eq!(counted(&dirs, &["third/party/a.c", "third/a.c", "party/a.c"]), ["party/a.c", "third/a.c"]);
}

#[test]
fn work_from_earlier_attempt_counts() {
    let agent = "if [ $n = 1 ]; then mkdir -p src; echo x > src/a.c; exit 1; fi; exit 0";
    let project = project(&json!({"path_patterns": ["src/*"], "validate_commands": ["test -f src/a.c"]}), agent);
    project.expect(&["run"], 0);
    assert_eq!((project.calls("codex"), &project.task("A")["passes"]), (2, &json!(true)));
    assert_eq!(project.committed(), ["src/a.c"]);
}

#[test]
fn work_from_an_earlier_run_counts() {
    let agent = "if [ $n = 1 ]; then echo x > a.c; kill -INT $PPID; sleep 5; exit 1; fi; exit 0";
    let project = project(&json!({"path_patterns": ["a.c"]}), agent);
    project.expect(&["run"], 130);
    assert_eq!(project.output_json(&["task", "next", "--json"], 0)["task"]["id"], "A", "still pending");
    project.expect(&["run"], 0);
    assert_eq!(project.committed(), ["a.c"]);
}

#[test]
fn agent_cannot_mark_tasks_done() {
    let project = Project::plain();
    let list = r#"[{"id": "A", "title": "First", "description": "d", "steps": ["s"]},
                   {"id": "B", "title": "Second", "description": "d", "steps": ["s"], "verification": {"validate_commands": ["false"]}}]"#;
    project.tasks(list).agent(
        "codex",
        "sed -i 's/\"passes\": *false/\"passes\": true/g; s/\"title\"/\"passes\": true, \"title\"/' task.json; \
        [ $AUTODEV_TASK_ID = A ] && echo x > a.txt; exit 0",
    );
    project.expect(&["run"], 2);
    assert_eq!((&project.task("A")["passes"], &project.task("B")["passes"]), (&json!(true), &json!(false)));
    assert_eq!(project.task("B")["blocked"], true);
    let undone = project.events("queue_edit_undone");
    assert!(undone.iter().any(|event| event["task"] == "B" && event["field"] == "passes"), "{undone:?}");
    assert!(project.calls("codex") >= 2, "B was really worked on");
}

#[test]
fn an_agent_that_blocks_or_unblocks_tasks_is_undone() {
    let project = Project::plain();
    let list = r#"[{"id": "A", "title": "t", "description": "d", "steps": ["s"]},
      {"id": "B", "title": "t", "description": "d", "steps": ["s"], "blocked": true, "block_reason": "by a person"},
      {"id": "C", "title": "t", "description": "d", "steps": ["s"]}]"#;
    project.tasks(list).program(
        "codex",
        "#!/usr/bin/env python3\nimport json, os, sys\nif '--version' in sys.argv:\n    print('codex-cli 9.9.9'); sys.exit()\nsys.stdin.read()\n\
         q = json.load(open('task.json'))\nt = {t['id']: t for t in q['tasks']}\nt['B']['blocked'] = False\nt['B']['block_reason'] = ''\n\
         t['C']['blocked'] = True\nt['C']['block_reason'] = 'lazy'\njson.dump(q, open('task.json', 'w'))\n\
         open(os.environ['AUTODEV_TASK_ID'] + '.txt', 'w').write('x')\n",
    );
    project.expect(&["run"], 2);
    assert_eq!(
        (&project.task("B")["blocked"], &project.task("B")["block_reason"]),
        (&json!(true), &json!("by a person"))
    );
    assert_eq!((&project.task("C")["passes"], &project.task("C")["block_reason"]), (&json!(true), &json!("")));
    assert!(!project.has("B.txt"));
}

#[test]
fn an_agent_cannot_weaken_the_checks_of_its_task() {
    let verification = json!({"path_patterns": ["src/*"], "validate_commands": ["test -f src/real.txt"]});
    let agent = "sed -i 's#test -f src/real.txt#true#; s#src/\\*#*#' task.json; echo x > cheat.txt";
    let project = project(&verification, agent);
    project.expect(&["run"], 2);
    let task = project.task("A");
    assert_eq!((&task["passes"], &task["blocked"]), (&json!(false), &json!(true)));
    assert_eq!(task["verification"], verification, "put back");
    let undone = project.events("queue_edit_undone");
    assert!(undone.iter().any(|event| event["task"] == "A" && event["field"] == "contract"), "{undone:?}");
}

#[test]
fn an_agent_cannot_weaken_the_checks_of_a_later_task() {
    let project = Project::plain();
    let list = r#"[{"id": "A", "title": "t", "description": "d", "steps": ["s"]},
      {"id": "B", "title": "t", "description": "d", "steps": ["s"], "verification": {"validate_commands": ["test -f proof.txt"]}}]"#;
    project.tasks(list).agent("codex", "sed -i 's/test -f proof.txt/true/' task.json; echo x > $AUTODEV_TASK_ID.txt");
    project.expect(&["run"], 2);
    assert_eq!(project.task("B")["verification"]["validate_commands"], json!(["test -f proof.txt"]));
    assert_eq!((&project.task("A")["passes"], &project.task("B")["passes"]), (&json!(true), &json!(false)));
}

#[test]
fn an_agent_that_removes_its_task_gets_it_back() {
    let project = project(
        &commands(&["test -f proof.txt"]),
        "echo '{\"project\": \"Demo\", \"tasks\": []}' > task.json; echo x > a.txt",
    );
    project.expect(&["run"], 2);
    let task = project.task("A");
    assert_eq!((&task["blocked"], &task["title"]), (&json!(true), &json!("First")));
    let undone = project.events("queue_edit_undone");
    assert!(undone.iter().any(|event| event["task"] == "A" && event["field"] == "task"), "{undone:?}");
    assert_eq!(project.calls("codex"), 3);
}

#[test]
fn a_check_that_marks_its_task_done_is_undone() {
    let project = project(&commands(&["sh ./check.sh"]), "printf 'sed -i s/false/true/g task.json; exit 1' > check.sh");
    project.expect(&["run"], 2);
    assert_eq!(project.task("A")["passes"], false);
}

#[test]
fn a_contract_that_a_person_edits_during_an_attempt_is_used_for_the_next_one() {
    // What runs while the agent works is not the agent's edit, but it cannot be told apart from one: it is put back,
    // and said so. Between attempts it is taken over.
    let project = project(&commands(&["test -f never.txt"]), "echo $n > a.txt");
    project.write("autodev.toml", "[backend]\ndefault = \"codex\"\n[run]\ndelay_between_tasks = 1\nmax_retries = 2\n");
    let run = project.spawn(&["run"]);
    project.wait_for("task.json", "\"attempt_history\": [\n");
    let text = project.read("task.json").replace("test -f never.txt", "test -f a.txt");
    fs::write(project.path("new.json"), text).unwrap();
    fs::rename(project.path("new.json"), project.path("task.json")).unwrap();
    assert_eq!(run.wait().code, 0);
    assert_eq!(project.task("A")["passes"], true);
}

#[test]
fn validate_output_is_kept() {
    let agent = "echo x > a.txt; printf '#!/bin/sh\\necho SEEN-ON-STDOUT\\necho SEEN-ON-STDERR >&2\\nexit 1\\n' > check.sh; chmod +x check.sh";
    let project = project(&commands(&["./check.sh"]), agent);
    project.expect(&["run", "--max-retries", "2"], 2);
    for word in ["SEEN-ON-STDOUT", "SEEN-ON-STDERR"] {
        assert!(project.read("progress.txt").contains(word), "progress.txt: {word}");
        assert!(project.prompt("codex", 2).contains(word), "the next prompt: {word}");
        let logs = project.find("logs/checks", ".log");
        assert!(logs.iter().any(|log| project.read(log).contains(word)), "{word} in {logs:?}");
    }
    assert_eq!(project.find("logs/checks", ".log").len(), 2, "one per command and attempt");
}

#[test]
fn output_of_checks_is_kept_by_verify_too() {
    let project = project(&commands(&["sh -c 'echo SEEN; exit 3'"]), "");
    project.expect(&["verify", "A", "--changed-file", "a"], 1);
    let logs = project.find("logs/checks", ".log");
    assert!(logs.len() == 1 && project.read(&logs[0]).contains("SEEN"), "{logs:?}");
}

#[test]
fn prompt_states_the_contract() {
    let verification = json!({"path_patterns": ["src/hello.*"], "validate_working_directory": "sub",
                              "validate_commands": ["grep -q 'a b' hello.txt", {"run": "a | b", "shell": true, "name": "pipe"}]});
    let project = project(&verification, "true");
    project.write("sub/x", "");
    project.expect(&["run", "--max-retries", "1"], 2);
    let prompt = project.prompt("codex", 1);
    for part in [
        "src/hello.*",
        "grep -q 'a b' hello.txt",
        "a | b",
        "sub",
        "at least 1 file",
        "A",
        "First",
        "TASK.md",
        "progress.txt",
        "AGENT.md",
    ] {
        assert!(prompt.contains(part), "{part} in {prompt}");
    }
    project.write("autodev.toml", "[backend]\ndefault = \"codex\"\n[run]\nmax_retries = 1\n[verification]\nvalidate_commands = [\"make check-everything\"]\n");
    project.tasks(&task(&json!({})));
    project.run(&["run"]);
    assert!(project.prompt("codex", 2).contains("make check-everything"), "also what is only configured");
}

#[test]
fn validate_output_not_utf8() {
    let project =
        project(&commands(&["sh -c 'printf \"\\377\\376 caf\\351 \\033[31mred\\000\"; exit 1'"]), "echo x > a.txt");
    let done = project.expect(&["run", "--max-retries", "2"], 2);
    assert!(!done.err.contains("panicked"), "{}", done.err);
    assert_eq!(project.task("A")["blocked"], true);
    let progress = project.read("progress.txt");
    assert!(progress.contains("caf") && !progress.contains('\u{1b}') && !progress.contains('\0'), "{progress}");
    let raw = fs::read(project.path(&project.find("logs/checks", ".log")[0])).unwrap();
    assert!(String::from_utf8_lossy(&raw).contains("caf"));
    project.expect(&["status"], 0);
    project.journal();
}

#[test]
fn agent_output_not_utf8() {
    let project = project(&json!({}), "printf 'na\\357ve \\377\\376\\000 done\\n'; echo x > a.txt");
    project.expect(&["run"], 0);
    let logs = project.find("logs/attempts", ".log");
    let raw = fs::read(project.path(&logs[0])).unwrap();
    assert!(raw.windows(2).any(|two| two == b"\xff\xfe") || String::from_utf8_lossy(&raw).contains("done"), "{raw:?}");
    assert_eq!(project.task("A")["passes"], true);
}

#[test]
fn non_utf8_file_name() {
    let project = project(
        &json!({}),
        "printf x > \"$(printf 'caf\\351.txt')\"; printf y > \"$(printf 'new\\nline')\"; printf z > ' -rf \"q\"'",
    );
    let done = project.expect(&["run"], 0);
    assert!(!done.err.contains("panicked"), "{}", done.err);
    assert!(project.path("").join(OsStr::from_bytes(b"caf\xe9.txt")).exists());
    let files = project.git(&["-c", "core.quotePath=true", "show", "--name-only", "--format=", "HEAD"]);
    assert_eq!(files.lines().count(), 3, "{files}");
    assert!(files.contains("\"caf\\351.txt\"") && files.contains("\"new\\nline\""), "{files}");
    let changed = project.task("A")["attempt_history"][0]["changed_files"].clone();
    assert_eq!(changed.as_array().unwrap().len(), 3, "{changed}");
    assert_eq!(
        project.git(&[
            "status",
            "--porcelain",
            "--",
            ":!autodev.toml",
            ":!task.json",
            ":!progress.txt",
            ":!TASK.md",
            ":!logs",
            ":!.autodev"
        ]),
        ""
    );
    project.expect(&["status"], 0);
    project.expect(&["rebuild"], 0);
}

#[test]
fn a_name_that_is_not_utf8_survives_block_salvage_and_retry() {
    let project = project(&commands(&["false"]), "printf x > \"$(printf 'caf\\351.txt')\"");
    project.expect(&["run", "--max-retries", "1"], 2);
    let path = project.path("").join(OsStr::from_bytes(b"caf\xe9.txt"));
    assert!(!path.exists());
    project.expect(&["salvage", "list", "--json"], 0);
    project.expect(&["task", "retry"], 0);
    assert_eq!(fs::read(&path).unwrap(), b"x");
}
