//! `autodev doctor` in projects that are well, and in projects that are not.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{ONE_TASK, Project, has_tool, skipped};

/// A program that answers like a released codex which is logged in, and does `work` when it is given a prompt.
fn codex(project: &Project, work: &str) {
    program(project, "codex", "codex-cli 0.169.0", "login status", "Logged in using ChatGPT", work);
}

/// A program that tells a version, answers one question about its login, and notes every call.
fn program(project: &Project, name: &str, version: &str, question: &str, answer: &str, work: &str) {
    let calls = project.out(&format!("{name}.asked"));
    project.program(
        name,
        &format!(
            "#!/bin/sh\necho \"$*\" >> '{}'\ncase \"$*\" in\n--version) echo '{version}' ;;\n\
             '{question}') echo '{answer}' ;;\n*) cat > /dev/null\n{work} ;;\nesac\n",
            calls.display()
        ),
    );
}

/// A project with nothing wrong: one provable task, a codex that is logged in, everything committed.
fn healthy() -> Project {
    let project = Project::new();
    project.tasks(ONE_TASK);
    codex(&project, "exit 9");
    project.git(&["add", "-A"]);
    project.git(&["commit", "-q", "-m", "tasks"]);
    project
}

/// Runs doctor with these arguments and `--json`; what it prints.
fn examined(project: &Project, args: &[&str], code: i32) -> Value {
    project.output_json(&[&["doctor", "--json"], args].concat(), code)
}

/// The rows with this label.
fn rows<'a>(report: &'a Value, label: &str) -> Vec<&'a Value> {
    report["rows"].as_array().unwrap().iter().filter(|row| row["label"] == label).collect()
}

/// The only row with this label: level, and what was found with what to do.
fn row(report: &Value, label: &str) -> (String, String) {
    let found = rows(report, label);
    assert_eq!(found.len(), 1, "rows {label} in {report:#}");
    let text = |key: &str| found[0][key].as_str().unwrap().to_owned();
    (text("level"), format!("{} -> {}", text("found"), text("next")))
}

fn assert_row(report: &Value, label: &str, level: &str, words: &str) {
    let (is, text) = row(report, label);
    assert!(is == level && text.contains(words), "{label}: {is}: {text}, and not {level}: {words}");
}

/// Everything below a directory: kind, size, times, content.
fn digest(dir: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(path) = todo.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if metadata.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        }
        all.insert(path, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content));
    }
    all
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn a_healthy_project_has_no_error_and_nothing_is_changed() {
    let project = healthy();
    let before = digest(&project.dir());
    let report = examined(&project, &[], 0);
    assert_eq!(digest(&project.dir()), before);
    assert!(!project.has(".autodev"), "it is not made");
    for (label, words) in [
        ("autodev.toml", "is valid"),
        ("code directory", "is writable"),
        (".autodev", "the first run makes it"),
        ("journal", "none yet"),
        ("run", "none is under way"),
        ("task.json", "1 task: 0 completed, 0 blocked, 1 pending"),
        ("checks", "every pending task"),
        ("git", "version 2"),
        ("branch", "main"),
        ("identity", "are set"),
        ("work tree", "clean"),
        ("codex", "0.169.0"),
        ("codex login", "ChatGPT"),
        ("containment", "was found and ended"),
        ("locale", "C.UTF-8"),
    ] {
        assert_row(&report, label, "ok", words);
    }
    let count = |level: &str| report["rows"].as_array().unwrap().iter().filter(|row| row["level"] == level).count();
    assert_eq!(report["summary"]["ok"], count("ok"));
    assert_eq!(report["summary"]["warnings"], count("warn"));
    assert_eq!(report["summary"]["errors"], 0);
    let asked = fs::read_to_string(project.out("codex.asked")).unwrap();
    assert_eq!(asked, "--version\nlogin status\n", "nothing that costs anything");
}

#[test]
fn rows_are_shown_by_group_within_80_columns() {
    let project = healthy();
    let out = project.expect(&["doctor"], 0).out;
    let headings: Vec<&str> = out.lines().filter(|line| line.starts_with(char::is_alphabetic)).collect();
    assert_eq!(headings[..6], ["Configuration", "Queue", "Git", "Agents", "Skills", "Machine"], "{out}");
    assert!(headings[6].starts_with("Summary: ") && headings[6].ends_with(", 0 errors"), "{out}");
    assert!(out.contains("[OK] branch: main\n"), "{out}");
    let is_long = |line: &&str| line.chars().count() > 80 && line.trim().contains(' ');
    assert_eq!(out.lines().find(is_long), None, "{out}");
    assert!(!out.contains('\u{1b}'), "no colour into a pipe: {out}");
}

#[test]
fn without_autodev_toml_the_rest_is_still_looked_at() {
    let project = healthy();
    fs::remove_file(project.path("autodev.toml")).unwrap();
    let before = digest(&project.dir());
    let report = examined(&project, &[], 1);
    assert_eq!(digest(&project.dir()), before);
    assert_row(&report, "autodev.toml", "error", "autodev init");
    assert_eq!(report["rows"][0]["label"], "autodev.toml");
    assert_row(&report, "codex", "ok", "0.169.0");
    assert_row(&report, "branch", "ok", "main");
    assert_row(&report, "clock", "ok", "");
    assert_eq!(report["summary"]["errors"], 1, "{report:#}");
    let named = project.output_json(&["-c", "nowhere.toml", "doctor", "--json"], 1);
    assert_row(&named, "autodev.toml", "error", "nowhere.toml");
}

#[test]
fn every_problem_of_the_settings_is_told_with_its_line() {
    let project = healthy();
    project.toml("[run]\nmax_retries = \"x\"\nodd = 1\n[backend]\ndefault = \"nobody\"\n");
    let report = examined(&project, &[], 1);
    let found: Vec<String> = rows(&report, "autodev.toml")
        .iter()
        .map(|row| format!("{} {}", row["level"].as_str().unwrap(), row["found"].as_str().unwrap()))
        .collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("error ") && found[0].contains("autodev.toml:2:15: [run].max_retries"), "{found:?}");
    assert!(found[1].starts_with("error ") && found[1].contains("autodev.toml:5:11: [backend].default"), "{found:?}");
    assert!(found[2].starts_with("warn ") && found[2].contains("autodev.toml:3:1"), "{found:?}");
    project.toml("[run\n");
    assert_row(&examined(&project, &[], 1), "autodev.toml", "error", "autodev.toml:1:5");
}

#[test]
fn every_problem_of_the_queue_is_told_with_its_line() {
    let project = healthy();
    project.tasks("[{\"id\": \"a\"}, {\"id\": \"a\"}, {\"id\": \"b\", \"execution\": 1}]");
    let report = examined(&project, &[], 1);
    let found: Vec<&str> = rows(&report, "task.json").iter().map(|row| row["found"].as_str().unwrap()).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|text| text.contains("task.json:1:")), "{found:?}");
    fs::remove_file(project.path("task.json")).unwrap();
    assert_row(&examined(&project, &[], 1), "task.json", "error", "no such file");
    project.tasks("[{\"id\": \"bare\"}]");
    assert_row(&examined(&project, &[], 0), "checks", "warn", "bare");
    project.tasks("[]");
    assert_row(&examined(&project, &[], 0), "task.json", "ok", "0 tasks");
}

#[test]
fn a_program_that_is_missing_old_or_odd_is_told() {
    let project = healthy();
    let wanted = |program: &str| {
        project.config(&format!("[backend.codex]\nprogram = \"{program}\"\n"));
        project.program("old", "#!/bin/sh\necho 'codex-cli 0.20.0'\n");
        project.program("odd", "#!/bin/sh\nprintf 'hello\\033[2J there\\n'\n");
        project.program("newer", "#!/bin/sh\necho 'codex-cli 0.999.0'\n");
        project.program("later", "#!/bin/sh\necho 'codex-cli 1.0.0'\n");
        project.program("failing", "#!/bin/sh\necho 'cannot find module' >&2; exit 3\n");
        project.program("alien", "\u{7f}ELF\0\0");
    };
    for (program, code, level, words) in [
        ("no-such-agent", 1, "error", "no-such-agent: not on PATH"),
        ("old", 1, "warn", "older than 0.47.0"),
        ("newer", 1, "ok", "newer than"),
        ("later", 1, "warn", "later major version"),
        ("odd", 1, "warn", "does not tell its version"),
        ("failing", 1, "error", "ends with 3: cannot find module"),
        ("alien", 1, "error", "start"),
    ] {
        wanted(program);
        let report = examined(&project, &[], code);
        assert_row(&report, "codex", level, words);
    }
    wanted("no-such-agent");
    let other = examined(&project, &["--backend", "replay"], 0);
    assert_row(&other, "codex", "ok", "only needed with --backend codex");
    project.config("[backend.codex]\nprogram = \"no-such-agent\"\n[backend.command]\nargv = [\"./none.sh\"]\n");
    assert_row(&examined(&project, &["--backend", "command"], 1), "command", "error", "none.sh does not exist");
}

#[test]
fn a_program_that_does_not_answer_is_waited_for_once() {
    let project = healthy();
    project.program("codex", "#!/bin/sh\ntrap '' TERM\nwhile :; do /bin/sleep 1; done\n");
    let begun = Instant::now();
    let report = examined(&project, &[], 1);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_row(&report, "codex", "warn", "does not answer --version");
    assert_row(&report, "codex login", "error", "not logged in");
}

#[test]
fn logins_are_found_where_the_programs_keep_them() {
    let mut project = healthy();
    let home = project.dir().parent().unwrap().join("home");
    let file = |name: &str, text: &str| {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    program(&project, "codex", "codex-cli 0.169.0", "login status", "Not logged in", "exit 9");
    program(&project, "gemini", "0.61.0", "-", "", "exit 9");
    let answer = "{\"loggedIn\": false, \"authMethod\": \"none\"}";
    program(&project, "claude", "2.1.329 (Claude Code)", "auth status", answer, "exit 9");
    program(&project, "opencode", "1.18.33", "auth list", "0 credentials", "exit 9");
    for name in ["codex", "gemini", "claude"] {
        let report = examined(&project, &["--backend", name], 1);
        assert_row(&report, &format!("{name} login"), "error", "not logged in");
    }
    assert_row(&examined(&project, &["--backend", "opencode"], 0), "opencode login", "warn", "not logged in");
    // A key that codex does not read is no login.
    project.env("OPENAI_API_KEY", "sk-12345678901234567890");
    assert_row(&examined(&project, &[], 1), "codex login", "error", "OPENAI_API_KEY is set, which it does not read");
    project.env("CODEX_API_KEY", "sk-abcdefghijklmnopqrst");
    assert_row(&examined(&project, &[], 0), "codex login", "ok", "by CODEX_API_KEY");
    project.unset("OPENAI_API_KEY");
    project.config("[backend.claude.environment]\nANTHROPIC_API_KEY = \"sk-ant-configured-secret\"\n");
    assert_row(&examined(&project, &[], 0), "claude login", "ok", "by ANTHROPIC_API_KEY");
    project.write(".env", "OTHER=1\nexport GEMINI_API_KEY=AIza-written-secret\n");
    assert_row(&examined(&project, &[], 0), "gemini login", "ok", "GEMINI_API_KEY in");
    fs::remove_file(project.path(".env")).unwrap();
    file(".gemini/oauth_creds.json", "{\"access_token\": \"ya29.stored-secret\"}");
    file(".local/share/opencode/auth.json", "{\"anthropic\": {\"type\": \"api\", \"key\": \"sk-stored-secret\"}}");
    let report = examined(&project, &[], 0);
    assert_row(&report, "gemini login", "ok", "oauth_creds.json");
    assert_row(&report, "opencode login", "ok", "auth.json");
    let all = report.to_string();
    for secret in ["sk-1234", "sk-abcd", "sk-ant-", "AIza", "ya29", "sk-stored"] {
        assert!(!all.contains(secret), "{secret} is told: {all}");
    }
}

#[test]
fn an_older_claude_is_not_asked_what_it_would_take_for_a_prompt() {
    let project = healthy();
    program(&project, "claude", "2.0.76 (Claude Code)", "-", "", "exit 9");
    let home = project.dir().parent().unwrap().join("home");
    fs::create_dir_all(home.join(".claude")).unwrap();
    fs::write(home.join(".claude/.credentials.json"), "{\"claudeAiOauth\": {}}").unwrap();
    let report = examined(&project, &[], 0);
    assert_row(&report, "claude login", "ok", ".credentials.json");
    assert_eq!(fs::read_to_string(project.out("claude.asked")).unwrap(), "--version\n");
}

#[test]
fn claude_as_root_is_told() {
    let mut project = healthy();
    program(&project, "claude", "2.1.329", "auth status", "{\"loggedIn\": true}", "exit 9");
    if !is_root() {
        assert_eq!(rows(&examined(&project, &["--backend", "claude"], 0), "claude as root").len(), 0);
        return;
    }
    assert_row(&examined(&project, &["--backend", "claude"], 0), "claude as root", "warn", "may be refused");
    project.config("[run]\ndelay_between_tasks = 0\n[run.root_mode]\ndisable_skip_permissions = false\n");
    assert_row(&examined(&project, &["--backend", "claude"], 1), "claude as root", "error", "IS_SANDBOX");
    project.env("IS_SANDBOX", "1");
    assert_row(&examined(&project, &["--backend", "claude"], 0), "claude as root", "ok", "IS_SANDBOX is set");
}

#[test]
fn a_repository_that_would_spoil_commits_is_told() {
    let project = healthy();
    project.git(&["checkout", "-q", "-b", "other"]);
    project.write("README", "theirs\n");
    project.git(&["commit", "-q", "-am", "theirs"]);
    project.git(&["checkout", "-q", "main"]);
    project.write("README", "ours\n");
    project.git(&["commit", "-q", "-am", "ours"]);
    let merge = project.command("git", &["merge", "-q", "other"]).output().unwrap();
    assert!(!merge.status.success(), "a conflict");
    let before = digest(&project.dir());
    let report = examined(&project, &[], 1);
    assert_eq!(digest(&project.dir()), before);
    assert_row(&report, "operation", "error", "git merge --abort");
    project.git(&["merge", "--abort"]);
    project.git(&["checkout", "-q", "--detach"]);
    project.write(".git/index.lock", "");
    project.write(".git/hooks/pre-commit", "#!/bin/sh\n");
    fs::set_permissions(project.path(".git/hooks/pre-commit"), fs::Permissions::from_mode(0o755)).unwrap();
    let report = examined(&project, &[], 0);
    assert_row(&report, "branch", "warn", "detached");
    assert_row(&report, "index.lock", "warn", "remove .git/index.lock");
    assert_row(&report, "hooks", "ok", "pre-commit will run");
}

#[test]
fn a_project_without_git_is_warned() {
    let project = Project::without_git();
    project.tasks(ONE_TASK);
    codex(&project, "exit 9");
    assert_row(&examined(&project, &[], 0), "repository", "warn", "git init");
    project.config("[git]\nauto_commit = false\n");
    assert_row(&examined(&project, &[], 0), "repository", "ok", "not in a git repository");
    project.config("");
    project.git(&["init", "-q", "--bare", "bare.git"]);
    project.write("bare.git/autodev.toml", "[backend]\ndefault = \"codex\"\n");
    project.write("bare.git/task.json", "{\"tasks\": []}");
    let bare = project.output_json(&["-c", "bare.git/autodev.toml", "doctor", "--json"], 0);
    assert_row(&bare, "repository", "warn", "without a work tree");
}

#[test]
fn a_machine_without_git_and_tmux_is_warned() {
    let mut project = healthy();
    let bin = project.dir().parent().unwrap().join("bin");
    project.env("PATH", bin.to_str().unwrap());
    let report = examined(&project, &[], 0);
    assert_row(&report, "git", "warn", "git is not on PATH");
    assert_row(&report, "tmux", "warn", "not found");
}

#[test]
fn a_repository_of_somebody_else_is_an_error() {
    if !is_root() {
        return skipped("root", "only root can give a repository away");
    }
    let project = healthy();
    let given = Command::new("chown").args(["-R", "4711"]).arg(project.dir()).status().unwrap();
    assert!(given.success());
    let report = examined(&project, &[], 1);
    assert_row(&report, "repository", "error", "safe.directory");
}

#[test]
fn a_project_that_cannot_be_written_is_an_error() {
    let project = healthy();
    let done = if is_root() {
        // Root may write anywhere, so somebody else looks.
        if !has_tool("setpriv") {
            return;
        }
        for dir in [project.dir().parent().unwrap().to_path_buf(), project.out("")] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
        project.shell(&format!("cp $autodev $out/autodev && exec {nobody} $out/autodev doctor --json"))
    } else {
        fs::set_permissions(project.dir(), fs::Permissions::from_mode(0o555)).unwrap();
        let done = project.run(&["doctor", "--json"]);
        fs::set_permissions(project.dir(), fs::Permissions::from_mode(0o755)).unwrap();
        done
    };
    assert_eq!(done.code, 1, "{done:?}");
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_row(&report, "code directory", "error", "not writable");
    assert_row(&report, ".autodev", "error", "not writable");
}

#[test]
fn a_code_directory_that_is_not_there_is_an_error() {
    let project = healthy();
    project.toml("[project]\ncode_dir = \"nowhere\"\n[backend]\ndefault = \"codex\"\n");
    assert_row(&examined(&project, &[], 1), "code directory", "error", "nowhere does not exist");
}

#[test]
fn a_temporary_directory_that_is_not_there_is_an_error() {
    let mut project = healthy();
    project.env("TMPDIR", "/nonexistent/tmp");
    let report = examined(&project, &[], 1);
    assert_row(&report, "disk (TMPDIR)", "error", "set TMPDIR");
    assert_row(&report, "codex", "ok", "0.169.0");
}

#[test]
fn a_run_under_way_and_a_run_that_was_killed_are_told() {
    let project = healthy();
    codex(&project, &format!("touch '{}'; /bin/sleep 300", project.out("works").display()));
    let running = project.spawn(&["run"]);
    project.wait_for_left("works");
    assert_row(&examined(&project, &[], 0), "run", "ok", &format!("process {}", running.pid()));
    running.signal("KILL");
    running.wait();
    // The guardian writes nothing, but it may still be ending the agent's processes.
    let before = digest(&project.dir());
    let report = examined(&project, &[], 0);
    assert_eq!(digest(&project.dir()), before, "also the log of the journal stays as it was");
    assert_row(&report, "run", "warn", "`autodev run` goes on from there");
    assert_row(&report, "run", "warn", "at work on T1");
    assert_row(&report, "journal", "ok", "no damage");
    assert_row(&report, ".autodev", "ok", "is writable");
}

#[test]
fn a_journal_that_cannot_be_read_is_an_error() {
    let project = healthy();
    project.write(".autodev/journal.db", &"not a journal ".repeat(500));
    let before = digest(&project.dir());
    assert_row(&examined(&project, &[], 1), "journal", "error", "move the file away");
    assert_eq!(digest(&project.dir()), before);
}

#[test]
fn a_deep_look_asks_the_agent_and_tells_its_price() {
    let project = healthy();
    let events = "echo '{\"type\": \"thread.started\", \"thread_id\": \"t-1\"}'\n\
                  echo '{\"type\": \"item.completed\", \"item\": {\"id\": \"1\", \"type\": \"agent_message\", \"text\": \"OK\"}}'\n\
                  echo '{\"type\": \"turn.completed\", \"usage\": {\"input_tokens\": 42, \"cached_input_tokens\": 0, \"output_tokens\": 7}}'";
    codex(&project, events);
    let before = digest(&project.dir());
    let done = project.expect(&["doctor", "--deep", "--json"], 0);
    assert_eq!(digest(&project.dir()), before);
    assert!(done.err.contains("costs a few tokens"), "{}", done.err);
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_row(&report, "codex answers", "ok", "\"OK\" after ");
    assert_row(&report, "codex answers", "ok", "42 tokens in, 7 out");
    let asked = fs::read_to_string(project.out("codex.asked")).unwrap();
    assert!(asked.contains("sandbox_mode=\"read-only\""), "{asked}");
}

#[test]
fn a_deep_look_tells_a_limit_from_a_refused_key_and_from_silence() {
    let project = healthy();
    let failing = |message: &str| {
        let event = format!("{{\"type\": \"turn.failed\", \"error\": {{\"message\": \"{message}\"}}}}");
        codex(
            &project,
            &format!("echo '{{\"type\": \"thread.started\", \"thread_id\": \"t\"}}'\necho '{event}'\nexit 1"),
        );
    };
    failing("exceeded retry limit, last status: 429 Too Many Requests");
    let limited = examined(&project, &["--deep"], 0);
    assert_row(&limited, "codex answers", "warn", "429 Too Many Requests");
    failing("unexpected status 401 Unauthorized: Incorrect API key provided");
    assert_row(&examined(&project, &["--deep"], 1), "codex answers", "error", "401 Unauthorized");
    codex(&project, "/bin/sleep 300");
    project.config("[reflection]\nprompt_timeout_seconds = 1\n");
    assert_row(&examined(&project, &["--deep"], 1), "codex answers", "error", "no answer within 1 s");
}

#[test]
fn a_deep_look_lets_no_program_work_in_the_project() {
    let project = healthy();
    let session = |last: &str| {
        let write = "{\"write\": {\"path\": \"left.txt\", \"text\": \"x\"}}";
        project.write("session.jsonl", &format!("{{\"replay\": 1}}\n{{\"scene\": {{}}}}\n{write}\n{last}\n"));
        project.config("[backend.replay]\nsession = \"session.jsonl\"\nspeed = 0\n");
    };
    session("{\"final\": {\"message\": \"OK\"}}");
    let before = digest(&project.dir());
    assert_row(&examined(&project, &["--deep", "--backend", "replay"], 0), "replay answers", "ok", "\"OK\"");
    assert_eq!(digest(&project.dir()), before);
    session(
        "{\"error\": {\"class\": \"rate_limit\", \"message\": \"usage limit reached\", \"retry_after_seconds\": 600}}\n\
         {\"final\": {\"is_ok\": false}}\n{\"exit\": 1}",
    );
    let limited = examined(&project, &["--deep", "--backend", "replay"], 0);
    assert_row(&limited, "replay answers", "warn", "until 20");
    // A program of the user's own gets the question and nothing else.
    project.program("own", "#!/bin/sh\ncat > /dev/null\ntouch left.txt\necho OK\n");
    project.config("[backend.command]\nargv = [\"own\", \"{prompt_file}\"]\n");
    let before = digest(&project.dir());
    assert_row(&examined(&project, &["--deep", "--backend", "command"], 0), "command answers", "ok", "\"OK\"");
    assert_eq!(digest(&project.dir()), before);
}

#[test]
fn an_agent_that_works_although_it_was_only_asked_is_told() {
    let project = healthy();
    codex(&project, "touch meddled.txt; echo OK");
    let report = examined(&project, &["--deep"], 0);
    let found = rows(&report, "codex answers");
    assert_eq!(found.len(), 2, "{report:#}");
    assert!(found[1]["found"].as_str().unwrap().contains("files of the project changed"), "{report:#}");
}

#[test]
fn a_signal_ends_it_at_once() {
    let project = healthy();
    let here = project.out("asked").display().to_string();
    project.program("codex", &format!("#!/bin/sh\ntouch '{here}'\nexec /bin/sleep 300\n"));
    let running = project.spawn(&["doctor"]);
    project.wait_for_left("asked");
    running.signal("TERM");
    let done = running.wait_at_most(8);
    assert_eq!(done.code, 130, "{done:?}");
    assert!(done.err.contains("stopped"), "{done:?}");
}

#[test]
fn the_demo_passes_a_deep_look() {
    let project = Project::without_git();
    project.expect(&["demo", "shown", "--speed", "0"], 0);
    let report = project.output_json(&["-c", "shown/autodev.toml", "doctor", "--deep", "--json"], 0);
    assert_row(&report, "replay answers", "ok", "\"OK\"");
    assert_row(&report, "task.json", "ok", "0 pending");
    assert_row(&report, "journal", "ok", "no damage");
}
