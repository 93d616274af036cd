//! What each backend's program sees: arguments, standard input, environment, directory.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::harness::{DILIGENT, ONE_TASK, Project};

/// Writes down everything it gets, then does the work.
const WITNESS: &str = r#"#!/bin/bash
out="$(dirname "$0")/../out"
if [ "$1" = --version ]; then echo "VERSION"; exit 0; fi
printf '%s\n' "$@" > "$out/argv"
cat > "$out/stdin"
env > "$out/env"
pwd > "$out/pwd"
mkdir -p src; echo work > src/$AUTODEV_TASK_ID.txt; echo done
"#;

fn witness(project: &Project, name: &str, version: &str) {
    project.program(name, &WITNESS.replace("VERSION", version));
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Runs one task and returns the arguments in one line.
fn argv(backend: &str, version: &str, settings: &str) -> String {
    let project = Project::without_git();
    project.toml(&format!("[backend]\ndefault = \"{backend}\"\n{settings}")).tasks(ONE_TASK);
    witness(&project, backend, version);
    project.expect(&["run"], 0);
    project.left("argv").trim_end().replace('\n', " ")
}

#[test]
fn claude_gets_the_documented_flags() {
    let rest = "--output-format stream-json --verbose";
    if is_root() {
        assert_eq!(argv("claude", "fake", ""), format!("-p --permission-mode default {rest}"));
        let settings = "[run.root_mode]\ndisable_skip_permissions = false\nfallback_permission_mode = \"dontAsk\"\n";
        let want = format!("-p --dangerously-skip-permissions --permission-mode dontAsk {rest}");
        assert_eq!(argv("claude", "fake", settings), want);
    } else {
        let want = format!("-p --dangerously-skip-permissions --permission-mode bypassPermissions {rest}");
        assert_eq!(argv("claude", "fake", ""), want);
    }
    let settings = "[backend.claude]\noutput_format = \"text\"\nverbose = false\nmodel = \"opus\"\n\
                    permission_mode = \"dontAsk\"\nskip_permissions = false\n";
    assert_eq!(argv("claude", "fake", settings), "-p --permission-mode dontAsk --model opus");
}

#[test]
fn root_is_told_what_changes() {
    if !is_root() {
        eprintln!("SKIPPED: not root");
        return;
    }
    let project = Project::without_git();
    project.toml("[backend]\ndefault = \"claude\"\n").tasks(ONE_TASK).agent("claude", DILIGENT);
    let done = project.expect(&["run"], 0);
    assert!(done.err.contains("[WARNING] running as root"), "{}", done.err);
    project.expect(&["task", "reset"], 0);
    project.agent("codex", DILIGENT);
    std::fs::remove_dir_all(project.path("src")).unwrap();
    let done = project.expect(&["run", "--backend", "codex"], 0);
    assert!(!done.err.contains("as root"), "only claude refuses root: {}", done.err);
}

#[test]
fn codex_gets_the_documented_flags() {
    assert_eq!(argv("codex", "fake", ""), "exec --yolo");
    let settings = "[backend.codex]\nyolo = false\nfull_auto = true\nephemeral = true\nmodel = \"m\"\n";
    let want = "exec --model m --full-auto --dangerously-bypass-approvals-and-sandbox --ephemeral";
    assert_eq!(argv("codex", "fake", settings), want);
}

#[test]
fn gemini_gets_the_documented_flags() {
    assert_eq!(argv("gemini", "fake", ""), "--yolo");
    let settings = "[backend.gemini]\nyolo = false\napproval_mode = \"auto_edit\"\nmodel = \"m\"\noutput_format = \"json\"\n\
                    all_files = true\ninclude_directories = \"lib\"\ndebug = true\n";
    let want = "--model m --approval-mode auto_edit --output-format json --all-files --include-directories lib --debug";
    assert_eq!(argv("gemini", "fake", settings), want);
}

#[test]
fn opencode_gets_the_documented_flags_and_environment() {
    assert_eq!(argv("opencode", "fake", ""), "run");
    let project = Project::without_git();
    project.toml("[backend]\ndefault = \"opencode\"\n[backend.opencode]\nformat = \"fancy\"\nmodel = \"a/b\"\nlog_level = \"DEBUG\"\n");
    project.tasks(ONE_TASK);
    witness(&project, "opencode", "fake");
    project.expect(&["run"], 0);
    assert_eq!(project.left("argv").trim_end().replace('\n', " "), "run --format fancy --model a/b");
    let env = project.left("env");
    assert!(env.contains("OPENCODE_LOG_LEVEL=DEBUG\n"), "{env}");
    let permission = env.lines().find_map(|line| line.strip_prefix("OPENCODE_PERMISSION=")).unwrap();
    let permission: serde_json::Value = serde_json::from_str(permission).unwrap();
    for tool in ["read", "edit", "bash", "glob", "grep"] {
        assert_eq!(permission[tool], "allow", "{permission}");
    }
    let data = project.dir().parent().unwrap().join("home/.local/share/opencode");
    assert!(data.join("log").is_dir() && data.join("storage").is_dir());
}

#[test]
fn versions_that_know_typed_events_are_asked_for_them() {
    // The answers are plain all the same: then the exit code counts.
    assert_eq!(argv("codex", "codex-cli 0.169.0", ""), "exec --yolo --json --skip-git-repo-check -");
    assert_eq!(argv("gemini", "0.61.0", ""), "--yolo --output-format stream-json");
    assert_eq!(argv("opencode", "1.18.33", ""), "run --format json");
}

#[test]
fn the_prompt_comes_on_stdin_and_ends() {
    for backend in ["claude", "codex", "gemini", "opencode"] {
        let project = Project::without_git();
        project.toml("[project]\nname = \"Demo\"\n").tasks(ONE_TASK);
        witness(&project, backend, "fake");
        project.expect(&["run", "--backend", backend], 0);
        let prompt = project.left("stdin");
        assert!(prompt.contains("T1") && prompt.contains("First"), "{backend}: {prompt}");
        assert!(!project.left("argv").contains("First"), "{backend}");
        assert_eq!(project.left("pwd").trim(), project.dir().canonicalize().unwrap().to_str().unwrap());
    }
}

#[test]
fn backend_stdin_is_closed() {
    // What is piped into autodev belongs to autodev: the agent sees its prompt and then the end.
    let project = Project::without_git();
    project.tasks(ONE_TASK);
    witness(&project, "codex", "fake");
    let begun = Instant::now();
    let done = project.shell("exec 3< <(echo secret line; exec sleep 300); $autodev run <&3; kill $!");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(project.task("T1")["passes"], true, "{done:?}");
    assert!(!project.left("stdin").contains("secret line"));
}

#[test]
fn prompt_larger_than_argv_limit() {
    let words = "many words ".repeat(40_000);
    let list = ONE_TASK.replace("\"d\"", &serde_json::to_string(&words).unwrap());
    for backend in ["claude", "codex", "gemini", "opencode"] {
        let project = Project::without_git();
        project.tasks(&list);
        witness(&project, backend, "fake");
        project.expect(&["run", "--backend", backend], 0);
        let prompt = project.left("stdin");
        assert!(prompt.len() > 200_000, "{backend}: {} bytes", prompt.len());
    }
}

#[test]
fn an_agent_that_does_not_read_its_prompt_is_no_error() {
    let words = "many words ".repeat(40_000);
    let project = Project::without_git();
    project.tasks(&ONE_TASK.replace("\"d\"", &serde_json::to_string(&words).unwrap()));
    project.program("codex", &format!("#!/bin/bash\nexec < /dev/null\n{DILIGENT}\n"));
    project.expect(&["run"], 0);
}

#[test]
fn backend_env_is_clean() {
    let mut project = Project::without_git();
    project.env("MY_OWN", "stays").tasks(ONE_TASK);
    witness(&project, "codex", "fake");
    let out = project.out("check");
    let check = format!("sh -c 'env > {}; test -f src/T1.txt'", out.display());
    project.tasks(&ONE_TASK.replace("\"test -f src/T1.txt\"", &serde_json::to_string(&check).unwrap()));
    project.expect(&["run"], 0);
    for env in [project.left("env"), project.left("check")] {
        assert!(env.contains("MY_OWN=stays\n"), "{env}");
        assert!(env.contains("AUTODEV_TASK_ID=T1\n") && env.contains("AUTODEV_ATTEMPT=1\n"), "{env}");
        let leaks: Vec<&str> = env.lines().filter(|l| l.starts_with("LD_") || l.starts_with("_STDBUF")).collect();
        assert!(leaks.is_empty(), "{leaks:?}");
    }
}

#[test]
fn signals_are_as_usual_for_agents_and_checks() {
    // Writers into a closed pipe must end, not go on for ever.
    let project = Project::without_git();
    project.tasks(ONE_TASK).agent("codex", &format!("{DILIGENT}; yes | head -1; echo ${{PIPESTATUS[0]}} > $out/code"));
    project.expect(&["run"], 0);
    assert_eq!(project.left("code").trim(), "141", "128 + SIGPIPE");
}

#[test]
fn a_missing_program_changes_nothing() {
    for backend in ["claude", "codex", "gemini", "opencode"] {
        let project = Project::without_git();
        project.tasks(ONE_TASK);
        let before = project.read("task.json");
        let done = project.expect(&["run", "--backend", backend], 1);
        assert!(done.err.contains(backend) && done.err.contains("PATH"), "{}", done.err);
        assert_eq!(project.read("task.json"), before);
        for name in ["TASK.md", "progress.txt", "logs/attempts"] {
            assert!(!project.has(name), "{backend}: {name}");
        }
        let status: serde_json::Value = serde_json::from_str(&project.expect(&["status", "--json"], 0).out).unwrap();
        assert_eq!(status["run"]["status"], "idle", "{status:#}");
        project.expect(&["run", "--backend", backend, "--dry-run"], 1);
    }
}

#[test]
fn a_program_that_is_not_executable_is_missing_too() {
    let project = Project::without_git();
    project.tasks(ONE_TASK).agent("codex", DILIGENT);
    let path = project.dir().parent().unwrap().join("bin/codex");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    project.expect(&["run"], 1);
    assert!(!project.has("TASK.md"));
}

#[test]
fn a_program_of_ones_own_is_used_relative_to_the_configuration() {
    let project = Project::without_git();
    project.toml("[backend]\ndefault = \"claude\"\n[backend.claude]\nprogram = \"tools/my-claude\"\nextra_args = [\"--max-turns\", \"9\"]\nenvironment = { HUE = \"blue\" }\n");
    project
        .tasks(ONE_TASK)
        .write("tools/my-claude", &WITNESS.replace("$(dirname \"$0\")/../out", project.out("").to_str().unwrap()));
    std::fs::set_permissions(project.path("tools/my-claude"), std::fs::Permissions::from_mode(0o755)).unwrap();
    project.expect(&["run"], 0);
    assert!(project.left("argv").contains("--max-turns\n9\n"));
    assert!(project.left("env").contains("HUE=blue\n"));
}

#[test]
fn plain_text_of_claude_is_shown_and_logged() {
    let project = Project::without_git();
    project
        .toml("[backend]\ndefault = \"claude\"\n")
        .tasks(ONE_TASK)
        .agent("claude", &format!("{DILIGENT}; echo 'a warning' >&2"));
    let done = project.expect(&["run"], 0);
    assert!(done.out.contains("done\n") && done.out.contains("a warning\n"), "{done:?}");
    let log = project.json("logs/runtime-status.json")["run"]["attempt_log"].as_str().unwrap().to_owned();
    assert!(log.contains("/logs/attempts/claude/task_T1__attempt_1_"), "{log}");
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("done\n") && text.contains("a warning\n"), "{text}");
    let log = project.read("logs/autodev.log");
    assert!(log.contains("\ndone\n") && log.contains("[Task 1] T1: First") && !log.contains('\x1b'), "{log}");
}

#[test]
fn a_claude_that_reports_an_error_has_failed_whatever_its_exit_code() {
    let result =
        r#"{"type":"result","subtype":"success","is_error":true,"result":"I could not do it","session_id":"s"}"#;
    let project = Project::without_git();
    project.toml("[backend]\ndefault = \"claude\"\n").tasks(ONE_TASK);
    project.agent("claude", &format!("{DILIGENT} > /dev/null; echo '{{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s\"}}'; echo '{result}'"));
    project.expect(&["run", "--max-retries", "1"], 2);
    assert_eq!(project.task("T1")["blocked"], true);
}

#[test]
fn output_that_is_not_utf8_is_kept_as_it_is() {
    let project = Project::without_git();
    project.tasks(ONE_TASK).agent("codex", &format!("printf 'caf\\xe9 \\xff\\xfe\\n'; printf '\\xc3' >&2; {DILIGENT}"));
    project.expect(&["run"], 0);
    let log = project.json("logs/runtime-status.json")["run"]["attempt_log"].as_str().unwrap().to_owned();
    let bytes = std::fs::read(log).unwrap();
    assert!(bytes.windows(7).any(|w| w == b"caf\xe9 \xff\xfe"), "{bytes:?}");
    assert!(std::str::from_utf8(&std::fs::read(project.path("logs/autodev.log")).unwrap()).is_ok());
}

#[test]
fn task_text_is_not_a_template() {
    let list =
        ONE_TASK.replace("\"d\"", "\"say {{task_id}} {{project_name}} {% raw %} ${HOME} $(id) `id` {{ 7*7 }} %s\"");
    let project = Project::without_git();
    project.tasks(&list).agent("codex", DILIGENT);
    project.expect(&["run"], 0);
    let text = "say {{task_id}} {{project_name}} {% raw %} ${HOME} $(id) `id` {{ 7*7 }} %s";
    assert!(project.prompt("codex", 1).contains(text), "{}", project.prompt("codex", 1));
    // The same with a template of the user's own, where a title comes before the id.
    let project = Project::without_git();
    project.config("[prompt]\ntemplate = \"{{task_description}} | {{task_id}} | {{unknown}} | {{code_dir}}\"\n");
    project.tasks(&list).agent("codex", DILIGENT);
    project.expect(&["run"], 0);
    let want = format!("{text} | T1 | {{{{unknown}}}} | {}", project.dir().canonicalize().unwrap().display());
    assert_eq!(project.prompt("codex", 1).trim(), want);
}

#[test]
fn prompt_states_the_contract() {
    let project = Project::without_git();
    project.tasks(ONE_TASK).agent("codex", DILIGENT);
    project.expect(&["run"], 0);
    let prompt = project.prompt("codex", 1);
    assert!(prompt.contains("test -f src/T1.txt") && prompt.contains("src/*"), "{prompt}");
}

#[test]
fn recent_git_history_is_recent() {
    let project = Project::new();
    for n in 1..=8 {
        project.git(&["commit", "-q", "--allow-empty", "-m", &format!("change number {n}")]);
    }
    project.config("[git]\nauto_commit = false\n");
    project.tasks(ONE_TASK).agent("codex", DILIGENT);
    project.expect(&["run"], 0);
    let prompt = project.prompt("codex", 1);
    let at = |n: u32| prompt.find(&format!("change number {n}"));
    assert!(at(8).is_some() && at(7).is_some() && at(6).is_some(), "{prompt}");
    assert!(at(8) < at(7) && at(7) < at(6), "newest first");
    assert_eq!(at(3), None);
}

#[test]
fn a_command_of_ones_own_is_a_backend() {
    let project = Project::without_git();
    project.toml("[backend]\ndefault = \"command\"\n[backend.command]\nargv = [\"tools/agent.sh\", \"--read={prompt_file}\", \"$HOME; x\"]\nsuccess_pattern = \"^DONE$\"\nfailure_pattern = \"(?i)panic\"\nenvironment = { HUE = \"blue\" }\n");
    project.tasks(ONE_TASK).write(
        "tools/agent.sh",
        &format!("#!/bin/bash\nprintf '%s\\n' \"$@\" $HUE > {o}/argv; cat > {o}/stdin; cat \"${{1#--read=}}\" > {o}/file\n{DILIGENT}\necho DONE\n", o = project.out("").display()),
    );
    std::fs::set_permissions(project.path("tools/agent.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    project.expect(&["run"], 0);
    assert!(project.left("argv").ends_with("$HOME; x\nblue\n"), "{}", project.left("argv"));
    assert_eq!(project.left("stdin"), project.left("file"));
    assert!(project.left("file").contains("First"));
    assert!(project.read("logs/autodev.log").contains("Backend: command"));
}

#[test]
fn the_patterns_of_a_command_decide() {
    for (says, passes) in [("DONE", true), ("almost", false), ("DONE; echo 'thread panicked'", false)] {
        let project = Project::without_git();
        project.toml("[backend]\ndefault = \"command\"\n[run]\nmax_retries = 1\n[backend.command]\nargv = [\"worker\"]\nsuccess_pattern = \"^DONE$\"\nfailure_pattern = \"panicked\"\n");
        project.tasks(ONE_TASK).agent("worker", &format!("{DILIGENT}; echo {says}"));
        project.expect(&["run"], if passes { 0 } else { 2 });
        assert_eq!(project.flags("T1").0, passes, "{says}");
    }
}

#[test]
fn a_command_without_argv_is_refused_before_anything_starts() {
    let project = Project::without_git();
    project.tasks(ONE_TASK);
    let done = project.expect(&["run", "--backend", "command"], 1);
    assert!(done.err.contains("[backend.command].argv"), "{}", done.err);
    project.toml("[backend]\ndefault = \"command\"\n");
    let done = project.expect(&["run"], 1);
    assert!(done.err.contains("autodev.toml:2:"), "{}", done.err);
    assert!(!project.has("TASK.md"));
}

#[test]
fn a_recorded_session_is_a_backend() {
    let project = Project::without_git();
    project.toml("[backend]\ndefault = \"replay\"\n[backend.replay]\nsession = \"demo/one.jsonl\"\nspeed = 0\n[run]\ndelay_between_tasks = 0\n");
    project.tasks(ONE_TASK).write(
        "demo/one.jsonl",
        r#"{"replay":1}
{"scene":{"task":"T1","attempt":1}}
{"say":"I will start."}
{"wait_ms":60000}
{"write":{"path":"src/wrong.txt","text":"no\n"}}
{"final":{"message":"I think so."}}
{"scene":{"task":"T1","attempt":2}}
{"write":{"path":"src/T1.txt","text":"yes\n"}}
{"usage":{"input":5200,"output":310}}
{"final":{"message":"Done now."}}
"#,
    );
    let done = project.expect(&["run"], 0);
    assert!(done.out.contains("I will start.") && done.out.contains("edit src/T1.txt"), "{}", done.out);
    let task = project.task("T1");
    assert_eq!(task["attempt_history"].as_array().unwrap().len(), 2, "{task}");
    assert_eq!(project.json("logs/runtime-status.json")["run"]["usage"]["input_tokens"], 5200);
}

#[test]
fn a_session_without_a_fitting_scene_stops_the_run() {
    let project = Project::without_git();
    project.toml("[backend]\ndefault = \"replay\"\n[backend.replay]\nsession = \"one.jsonl\"\nspeed = 0\n");
    project.tasks(ONE_TASK).write("one.jsonl", "{\"replay\":1}\n{\"scene\":{\"task\":\"other\"}}\n{\"say\":\"hi\"}\n");
    project.expect(&["run"], 1);
    assert_eq!(project.flags("T1"), (false, false));
    project.write("one.jsonl", "{\"replay\":1}\n{\"sing\":\"hi\"}\n");
    let done = project.run(&["run", "--max-retries", "1"]);
    assert_ne!(done.code, 0);
    assert!(project.read("logs/autodev.log").contains("sing"), "{}", done.err);
}
