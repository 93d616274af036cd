//! autodev.toml and the environment, as users write them.

use crate::harness::{DILIGENT, Done, ONE_TASK, Project, TWO_TASKS};

fn project() -> Project {
    let project = Project::without_git();
    project.tasks(ONE_TASK).agent("codex", DILIGENT);
    project
}

fn names_all(done: &Done, what: &[&str]) {
    for part in what {
        assert!(done.err.contains(part), "{part} is missing in:\n{}", done.err);
    }
    assert!(!done.err.contains("panicked"), "{}", done.err);
}

#[test]
fn config_wrong_types() {
    let project = project();
    project.toml(
        "[project]\nname = 7\n[backend]\ndefault = \"codex\"\n[run]\nmax_retries = \"three\"\n  delay_between_tasks = -1\n\
         max_tasks = 2.5\n[git]\nauto_commit = \"yes\"\n[snapshot]\nignore_dirs = \"build\"\n[verification]\nvalidate_commands = [1]\n",
    );
    let before = project.read("task.json");
    for command in [&["run"][..], &["status"], &["task", "list"], &["verify", "T1"]] {
        let done = project.expect(command, 1);
        assert!(done.err.starts_with("Configuration error: "), "{}", done.err);
        names_all(
            &done,
            &[
                "autodev.toml:2:8: [project].name",
                "autodev.toml:6:15: [run].max_retries",
                "autodev.toml:7:25: [run].delay_between_tasks",
                "autodev.toml:8:13: [run].max_tasks",
                "autodev.toml:10:15: [git].auto_commit",
                "autodev.toml:12:15: [snapshot].ignore_dirs",
                "autodev.toml:14:",
            ],
        );
    }
    assert_eq!(project.calls("codex"), 0);
    assert_eq!(project.read("task.json"), before);
    assert!(!project.has("logs") && !project.has(".autodev") && !project.has("TASK.md"));
}

#[test]
fn max_retries_zero_or_bad() {
    for n in ["0", "-1", "three", "1.5", "99999999999", ""] {
        let project = project();
        let done = project.expect(&["run", "--max-retries", n], 2);
        names_all(&done, &["--max-retries"]);
        assert_eq!(project.calls("codex"), 0);
        assert!(!project.has("logs"), "{n:?}");
        project.expect(&["run", &format!("--max-retries={n}")], 2);
    }
    let project = project();
    project.toml("[backend]\ndefault = \"codex\"\n[run]\nmax_retries = 0\n");
    names_all(&project.expect(&["run"], 1), &["autodev.toml:4:15: [run].max_retries"]);
    project.expect(&["run", "--max-tasks", "0"], 2);
}

#[test]
fn config_env_bad_number() {
    let mut project = project();
    project.env("AUTODEV_RUN_MAX_RETRIES", "three").env("AUTODEV_RUN_HEARTBEAT_INTERVAL", "-5");
    project.env("AUTODEV_GIT_AUTO_COMMIT", "no");
    let done = project.expect(&["run"], 1);
    assert!(done.err.starts_with("Configuration error: "), "{}", done.err);
    names_all(&done, &["AUTODEV_RUN_MAX_RETRIES", "AUTODEV_RUN_HEARTBEAT_INTERVAL"]);
    assert_eq!(project.calls("codex"), 0);
    assert!(!project.has("logs"));
}

#[test]
fn env_override_of_a_list() {
    let list = ONE_TASK.replace(", \"validate_commands\": [\"test -f src/T1.txt\"]", "");
    let mut project = project();
    project.tasks(&list).write("src/a.txt", "x");
    let checks = |project: &Project| -> Vec<String> {
        let done = project.run(&["verify", "T1", "--changed-file", "src/a.txt", "--json"]);
        let report: serde_json::Value = serde_json::from_str(&done.out).unwrap_or_else(|e| panic!("{e}: {done:?}"));
        let names = report["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap().to_owned());
        names.filter(|name| name.starts_with("validate:")).collect()
    };
    project.env("AUTODEV_VERIFICATION_VALIDATE_COMMANDS", "test -f src/a.txt");
    assert_eq!(checks(&project), ["validate:test -f src/a.txt"], "any other text is one element");
    project.env("AUTODEV_VERIFICATION_VALIDATE_COMMANDS", r#"["true", "test -d src"]"#);
    assert_eq!(checks(&project), ["validate:true", "validate:test -d src"]);
    project.env("AUTODEV_VERIFICATION_VALIDATE_COMMANDS", "[]");
    assert_eq!(checks(&project), [""; 0]);
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let mut project = project();
    let max = |project: &Project, args: &[&str]| {
        let done = project.expect(&[&["run", "--dry-run"], args].concat(), 0);
        done.err.lines().find(|line| line.contains("Limits: ")).unwrap().split("Limits: ").nth(1).unwrap().to_owned()
    };
    assert!(max(&project, &[]).starts_with("3 attempts"));
    project.toml("[backend]\ndefault = \"codex\"\n[run]\nmax_retries = 4\nmax_tasks = 9\n");
    assert!(max(&project, &[]).starts_with("4 attempts per task, 9 tasks"));
    project.env("AUTODEV_RUN_MAX_RETRIES", "5");
    assert!(max(&project, &[]).starts_with("5 attempts per task, 9 tasks"));
    assert!(max(&project, &["--max-retries", "6", "--max-tasks", "7"]).starts_with("6 attempts per task, 7 tasks"));
}

#[test]
fn nested_tables_and_booleans_come_from_the_environment_too() {
    let mut project = project();
    project.toml("[backend]\ndefault = \"claude\"\n").agent("claude", &format!("echo \"$@\" > $out/argv; {DILIGENT}"));
    project.env("AUTODEV_BACKEND_CLAUDE_MODEL", "opus");
    project.env("AUTODEV_RUN_ROOT_MODE_DISABLE_SKIP_PERMISSIONS", "Off");
    project.env("AUTODEV_RUN_ROOT_MODE_FALLBACK_PERMISSION_MODE", "dontAsk");
    project.expect(&["run"], 0);
    let argv = project.left("argv");
    assert!(argv.contains("--model opus") && argv.contains("--dangerously-skip-permissions"), "{argv}");
    project.env("AUTODEV_BACKEND_DEFAULT", "gemini");
    let done = project.expect(&["run"], 1);
    names_all(&done, &["gemini"]);
}

#[test]
fn unknown_keys_are_told_and_ignored() {
    let project = project();
    project
        .toml("[backend]\ndefault = \"codex\"\n[run]\nmax_retrys = 9\ndelay_between_tasks = 0\n[snapshots]\nx = 1\n");
    let done = project.expect(&["run"], 0);
    names_all(&done, &["autodev.toml:4:1", "max_retrys", "max_retries", "autodev.toml:6:", "snapshots", "[snapshot]"]);
    assert!(done.err.contains("did you mean"), "{}", done.err);
}

#[test]
fn values_outside_their_set_are_told_together() {
    let project = project();
    project.toml(
        "[backend]\ndefault = \"clyde\"\n[backend.claude]\npermission_mode = \"all\"\noutput_format = \"xml\"\n\
         [backend.gemini]\noutput_format = \"xml\"\n[run.root_mode]\nfallback_permission_mode = \"no\"\n",
    );
    let done = project.expect(&["run"], 1);
    names_all(
        &done,
        &[
            "[backend].default",
            "[backend.claude].permission_mode",
            "[backend.claude].output_format",
            "[backend.gemini].output_format",
            "[run.root_mode].fallback_permission_mode",
            "codex",
        ],
    );
}

#[test]
fn a_file_that_is_no_toml_is_shown_with_its_line() {
    let project = project();
    project.toml("[backend]\ndefault = \"codex\n");
    let done = project.expect(&["run"], 1);
    names_all(&done, &["Configuration error: ", "autodev.toml:2:", "^"]);
    std::fs::write(project.path("autodev.toml"), b"[project]\nname = \"caf\xe9\"\n").unwrap();
    names_all(&project.expect(&["status"], 1), &["autodev.toml:2:", "UTF-8"]);
}

#[test]
fn an_empty_file_is_a_configuration() {
    let project = project();
    project.toml("").agent("claude", DILIGENT);
    let done = project.expect(&["run"], 0);
    assert!(done.err.contains("Backend: claude"), "{}", done.err);
}

#[test]
fn the_nearest_file_above_is_found() {
    let project = project();
    project.write("deep/er/x", "");
    let from = |dir: &str, args: &[&str]| {
        let mut command = project.command(env!("CARGO_BIN_EXE_autodev"), args);
        let output = command.current_dir(project.path(dir)).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, err) = from("deep/er", &["task", "list"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("Project: Demo\n"), "{out}");
    // A nearer one wins, and `-c` beats both.
    project.write("deep/autodev.toml", "[project]\nname = \"Inner\"\n");
    project.write("deep/task.json", "{\"tasks\": []}");
    assert!(from("deep/er", &["task", "list"]).1.starts_with("Project: Inner\n"));
    assert!(from("deep/er", &["-c", "../../autodev.toml", "task", "list"]).1.starts_with("Project: Demo\n"));
    let (code, _, err) = from("deep/er", &["--config", "nowhere.toml", "task", "list"]);
    assert_eq!(code, 1);
    assert!(err.contains("nowhere.toml"), "{err}");
}

#[test]
fn no_configuration_at_all_is_said_with_what_to_do() {
    let project = project();
    std::fs::remove_file(project.path("autodev.toml")).unwrap();
    let done = project.expect(&["run"], 1);
    names_all(&done, &["autodev.toml", "`autodev init`", "-c"]);
    assert!(done.out.is_empty());
    assert!(!project.has("logs") && !project.has(".autodev"));
}

#[test]
fn paths_are_relative_to_the_configuration() {
    let project = Project::without_git();
    project.agent("codex", &format!("pwd > $out/pwd; {DILIGENT}"));
    let abs = project.out("progress.md");
    project.write("etc/autodev.toml", &format!(
        "[project]\ncode_dir = \"../code\"\nconfig_dir = \"state\"\n[backend]\ndefault = \"codex\"\n[run]\ndelay_between_tasks = 0\n\
         [files]\ntask_json = \"queue.json\"\nprogress = \"{}\"\ntask_brief = \"../NOW.md\"\nlog_dir = \"../var/log\"\nattempt_log_subdir = \"tries\"\n\
         [snapshot]\nwatch_dirs = [\"src\"]\n[prompt]\ntemplate_file = \"prompt.txt\"\n", abs.display()));
    project.write("etc/queue.json", &format!("{{\"tasks\": {ONE_TASK}}}"));
    project.write("etc/prompt.txt", "do {{task_id}} as {{task_file}} says");
    project.write("code/README", "x");
    project.expect(&["-c", "etc/autodev.toml", "run"], 0);
    assert_eq!(project.left("pwd").trim(), project.path("code").canonicalize().unwrap().to_str().unwrap());
    assert!(project.has("code/src/T1.txt"));
    assert!(project.left("progress.md").contains("### Status: completed"));
    assert!(project.has("NOW.md") && project.has("var/log/autodev.log") && project.has("var/log/tries/codex"));
    assert!(project.has("etc/state/.autodev/journal.db"), "config_dir is where .autodev is");
    assert!(!project.has(".autodev") && !project.has("etc/.autodev") && !project.has("code/.autodev"));
    let prompt = project.prompt("codex", 1);
    assert!(prompt.starts_with("do T1 as ") && prompt.contains("queue.json"), "{prompt}");
    let queue = project.json("etc/queue.json");
    assert_eq!(queue["tasks"][0]["passes"], true);
}

#[test]
fn a_template_file_that_is_not_there_falls_back() {
    let project = project();
    project.config("[prompt]\ntemplate_file = \"none.txt\"\ntemplate = \"only {{task_id}}\"\n");
    project.expect(&["run"], 0);
    assert_eq!(project.prompt("codex", 1).trim(), "only T1");
}

#[test]
fn a_directory_of_prompts_replaces_the_built_in_one() {
    let project = project();
    project.config("[run]\ndelay_between_tasks = 0\n[prompt]\ndir = \"prompts\"\n");
    project.write("prompts/task.md", "only {{ task.id }} of {{ project_name }}, try {{ attempt }}\n");
    project.expect(&["run"], 0);
    assert!(project.prompt("codex", 1).starts_with("only T1 of "), "{}", project.prompt("codex", 1));
}

#[test]
fn a_wrong_prompt_of_the_project_is_named_with_its_line() {
    let project = project();
    project.config("[run]\ndelay_between_tasks = 0\n[prompt]\ndir = \"prompts\"\n");
    project.write("prompts/task.md", "only\n{{ tsk.id }}\n");
    let ran = project.expect(&["run"], 1);
    assert!(ran.err.contains("prompts/task.md line 2: undefined value in `{{ tsk.id }}`"), "{}", ran.err);
    assert_eq!(project.task("T1").get("blocked"), None, "no attempt was made and none is charged");
    project.write("prompts/task.md", "only {{ task.id }}\n");
    project.expect(&["run"], 0);
}

#[test]
fn the_older_gate_table_is_understood() {
    let project = project();
    project.config("[gate]\nvalidate_commands = [\"test -f src/elsewhere.txt\"]\n");
    project.tasks(&ONE_TASK.replace(", \"validate_commands\": [\"test -f src/T1.txt\"]", ""));
    project.expect(&["run", "--max-retries", "1"], 2);
    assert!(project.task("T1")["block_reason"].as_str().unwrap().contains("elsewhere"));
}

#[test]
fn log_files_of_good_attempts_go_when_they_are_not_wanted() {
    let project = project();
    project.config("[run]\ndelay_between_tasks = 0\nkeep_attempt_logs = false\n");
    let agent = format!("[ $n = 1 ] && exit 3\n{DILIGENT}");
    project.agent("codex", &agent);
    project.expect(&["run"], 0);
    let logs: Vec<_> =
        std::fs::read_dir(project.path("logs/attempts/codex")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert!(logs[0].to_str().unwrap().starts_with("task_T1__attempt_1_"), "{logs:?}");
}

#[test]
fn tasks_can_be_reset_at_the_start() {
    let project = project();
    project.config("[run]\ndelay_between_tasks = 0\nreset_tasks_on_start = true\n");
    project.tasks(&TWO_TASKS.replacen("\"description\"", "\"passes\": true, \"description\"", 2));
    project.expect(&["run", "--dry-run"], 0);
    assert_eq!(project.task("T1")["passes"], true, "not in a dry run");
    project.expect(&["run"], 0);
    assert_eq!(project.calls("codex"), 2);
    assert_eq!(project.task("T2")["passes"], true);
}
