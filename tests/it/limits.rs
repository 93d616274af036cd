//! Nothing runs away: time limits, retries, the circuit breaker, refusals of the service, output without end.

use std::time::{Duration, Instant};

use crate::harness::{DILIGENT, ONE_TASK, Project, TWO_TASKS, lives};

fn project(agent: &str, settings: &str) -> Project {
    let project = Project::without_git();
    project.config(settings).tasks(ONE_TASK).agent("codex", agent);
    project
}

fn is_blocked(project: &Project, why: &str) {
    let task = project.task("T1");
    assert_eq!(task["blocked"], true, "{task}");
    let reason = task["block_reason"].as_str().unwrap();
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn retries_are_counted_and_kept() {
    let project = project(
        "mkdir -p src; echo $n > src/other.txt; echo tried",
        "[run]\nmax_retries = 2\ndelay_between_tasks = 0\n",
    );
    project.expect(&["run"], 2);
    assert_eq!(project.calls("codex"), 2);
    is_blocked(&project, "2 attempts");
    let task = project.task("T1");
    let history = task["attempt_history"].as_array().unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!((&history[0]["attempt"], &history[1]["attempt"]), (&1.into(), &2.into()));
    assert_eq!(history[0]["backend_exit_code"], 99, "the backend ended well, its checks failed");
    assert_eq!(history[0]["status"], "failed");
    assert!(task["blocked_at"].as_str().unwrap().contains('T'));
    assert_eq!(project.json("task.json")["statistics"]["blocked"], 1);
}

#[test]
fn breaker_lets_progress_continue() {
    // Every attempt gets one step further; only the sixth is done.
    let agent = "mkdir -p src; echo $n > src/step$n.txt; [ $n -lt 6 ] || echo work > src/T1.txt; echo step $n";
    let project = project(agent, "");
    project.expect(&["run", "--max-retries", "20"], 0);
    assert_eq!(project.calls("codex"), 6);
    assert_eq!(project.task("T1")["passes"], true);
}

#[test]
fn run_circuit_breaker() {
    let project = project("mkdir -p src; echo $n > src/step.txt; exit 17", "");
    project.expect(&["run", "--max-retries", "10"], 2);
    assert_eq!(project.calls("codex"), 3);
    let reason = project.task("T1")["block_reason"].as_str().unwrap().to_lowercase();
    assert!(reason.starts_with("circuit breaker") && reason.contains("17"), "{reason}");
}

#[test]
fn the_breaker_counts_equal_codes_in_a_row_only() {
    let project = project("mkdir -p src; echo $n > src/step.txt; exit $((n % 2 + 3))", "");
    project.expect(&["run", "--max-retries", "6"], 2);
    assert_eq!(project.calls("codex"), 6);
}

#[test]
fn the_breaker_opens_when_nothing_changes() {
    let project = project("echo thinking", "[circuit_breaker]\nno_progress_threshold = 2\n");
    project.expect(&["run", "--max-retries", "10"], 2);
    assert_eq!(project.calls("codex"), 2);
    assert!(project.task("T1")["block_reason"].as_str().unwrap().to_lowercase().starts_with("circuit breaker"));
}

#[test]
fn thresholds_of_zero_switch_the_breaker_off() {
    let settings = "[circuit_breaker]\nno_progress_threshold = 0\nrepeated_error_threshold = 0\n";
    let project = project("exit 17", settings);
    project.expect(&["run", "--max-retries", "5"], 2);
    assert_eq!(project.calls("codex"), 5);
    is_blocked(&project, "5 attempts");
}

#[test]
fn attempt_timeout() {
    let agent = "sleep 300 & echo $! > $out/child; echo $$ > $out/pid; wait";
    let project = project(agent, "[run]\nmax_retries = 1\ndelay_between_tasks = 0\nattempt_timeout_seconds = 1\n");
    let begun = Instant::now();
    project.expect(&["run"], 2);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(!lives(project.left_pid("pid")) && !lives(project.left_pid("child")));
    is_blocked(&project, "timeout");
}

#[test]
fn an_attempt_timeout_ends_also_who_is_deaf_and_busy() {
    let agent = "trap '' TERM INT; echo $$ > $out/pid; mkdir -p src; while :; do echo x; date +%N > src/busy.txt; done";
    let project = project(agent, "[run]\nmax_retries = 1\ndelay_between_tasks = 0\nattempt_timeout_seconds = 1\n");
    project.expect(&["run"], 2);
    assert!(!lives(project.left_pid("pid")));
}

#[test]
fn a_silent_sleeper_is_ended() {
    let settings = "[run]\nmax_retries = 1\ndelay_between_tasks = 0\nidle_timeout_seconds = 1\n";
    let project = project("echo $$ > $out/pid; sleep 300", settings);
    let begun = Instant::now();
    project.expect(&["run"], 2);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(!lives(project.left_pid("pid")));
    is_blocked(&project, "no sign of life");
}

#[test]
fn who_prints_computes_or_writes_is_not_idle() {
    let settings = "[run]\nmax_retries = 1\ndelay_between_tasks = 0\nidle_timeout_seconds = 1\n";
    let works = [
        "for i in 1 2 3 4 5 6; do sleep 0.4; echo at it; done",
        "e=$((SECONDS + 2)); while [ $SECONDS -le $e ]; do :; done",
        "mkdir -p src; for i in 1 2 3 4 5 6; do sleep 0.4; echo $i > src/busy.txt; done",
    ];
    std::thread::scope(|scope| {
        for work in works {
            scope.spawn(move || project(&format!("{work}\n{DILIGENT}"), settings).expect(&["run"], 0));
        }
    });
}

#[test]
fn validate_timeout_kills_children() {
    let project = project(DILIGENT, "[verification]\nvalidate_timeout_seconds = 1\n");
    let out = project.out("");
    let script =
        format!("sleep 300 & echo $! > {o}/child; setsid sleep 301 & echo $! > {o}/session; wait", o = out.display());
    let list =
        ONE_TASK.replace("\"test -f src/T1.txt\"", &serde_json::to_string(&format!("sh -c '{script}'")).unwrap());
    project.tasks(&list);
    let begun = Instant::now();
    project.expect(&["run", "--max-retries", "1"], 2);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(!lives(project.left_pid("child")) && !lives(project.left_pid("session")));
    assert_eq!(project.task("T1")["attempt_history"].as_array().unwrap().len(), 1);
}

#[test]
fn a_check_that_leaves_children_with_its_pipe_does_not_hang() {
    let project = project(DILIGENT, "");
    let script = format!("sleep 300 & echo $! > {}/child; test -f src/T1.txt", project.out("").display());
    let list =
        ONE_TASK.replace("\"test -f src/T1.txt\"", &serde_json::to_string(&format!("sh -c '{script}'")).unwrap());
    project.tasks(&list);
    let begun = Instant::now();
    project.expect(&["run"], 0);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(!lives(project.left_pid("child")));
}

#[test]
fn rate_limit_does_not_use_up_retries() {
    let agent = format!("if [ $n -le 1 ]; then echo 'Error: rate limit exceeded'; exit 1; fi\n{DILIGENT}");
    let project = project(&agent, "[circuit_breaker]\nrate_limit_cooldown = 0\n");
    project.expect(&["run", "--max-retries", "1"], 0);
    assert_eq!(project.calls("codex"), 2);
    let task = project.task("T1");
    assert_eq!(task["passes"], true);
    let history = task["attempt_history"].as_array().unwrap();
    assert!(history.iter().all(|entry| entry["status"] == "completed"), "{task}");
    assert!(project.read("logs/autodev.log").contains("rate limit exceeded"));
}

#[test]
fn a_cooldown_can_be_seen_from_outside() {
    let project = project("echo 'Error: too many requests'; exit 1", "[circuit_breaker]\nrate_limit_cooldown = 300\n");
    let run = project.spawn(&["run"]);
    project.wait_for("logs/runtime-status.json", "\"waiting_until\": \"2");
    let status = project.expect(&["status", "--json"], 0).out;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["run"]["status"], "waiting", "{status:#}");
    assert!(status["run"]["wait_reason"].as_str().unwrap().contains("too many requests"), "{status:#}");
    run.signal("TERM");
    assert_eq!(run.wait_at_most(10).code, 130);
}

#[test]
fn claude_usage_limit_is_recognised() {
    // The reset lies in the past, so the cooldown applies; the words alone are in none of the default patterns.
    let agent = format!("if [ $n = 1 ]; then echo 'Claude AI usage limit reached|1700000000'; exit 1; fi\n{DILIGENT}");
    let project = Project::without_git();
    project.toml("[backend]\ndefault = \"claude\"\n[circuit_breaker]\nrate_limit_cooldown = 1\n");
    project.tasks(ONE_TASK).agent("claude", &agent);
    project.expect(&["run", "--max-retries", "1"], 0);
    assert_eq!(project.calls("claude"), 2);
    assert_eq!(project.task("T1")["passes"], true);
}

#[test]
fn rate_limit_words_in_prose() {
    // The second and third attempt write what is there already; that is work all the same.
    let agent = "mkdir -p src; echo x > src/pool.txt; echo 'Raised the capacity and the rate limit of the pool; a test still fails.'; exit 1";
    let project = project(agent, "");
    let begun = Instant::now();
    project.expect(&["run"], 2);
    assert!(begun.elapsed() < Duration::from_secs(30), "the cooldown is 300 s: {:?}", begun.elapsed());
    assert_eq!(project.calls("codex"), 3);
    assert_eq!(project.task("T1")["attempt_history"].as_array().unwrap().len(), 3);
}

#[test]
fn rate_limit_words_of_a_backend_that_ends_well_are_prose() {
    let project = project(&format!("{DILIGENT}; echo 'the rate limit is now 5, too many requests are refused'"), "");
    project.expect(&["run"], 0);
    assert_eq!(project.calls("codex"), 1);
}

#[test]
fn env_error_words_in_prose() {
    let agent =
        "mkdir -p src; echo x > src/auth.txt; echo 'The authentication module still answers 403 forbidden.'; exit 1";
    let project = Project::without_git();
    project.config("").tasks(TWO_TASKS).agent("codex", agent);
    project.expect(&["run"], 2);
    assert_eq!(project.calls("codex"), 6, "three attempts for each task");
    is_blocked(&project, "");
    assert_eq!(project.task("T2")["blocked"], true);
}

#[test]
fn run_env_error_halts() {
    let project = Project::without_git();
    project.config("").tasks(TWO_TASKS).agent("codex", "echo 'Error: Invalid API key' >&2; exit 1");
    let done = project.expect(&["run"], 1);
    assert_eq!(project.calls("codex"), 1);
    for id in ["T1", "T2"] {
        assert_eq!(project.flags(id), (false, false));
    }
    assert!(done.err.contains("Invalid API key"), "{}", done.err);
    let status = project.json("logs/runtime-status.json");
    assert_eq!(status["run"]["status"], "env_error");
    assert_eq!(status["run"]["status_label"], "Env Error");
    project.agent("codex", DILIGENT);
    project.expect(&["run"], 0);
}

#[test]
fn a_backend_that_is_killed_or_cannot_start_is_a_failed_attempt() {
    let project = project("mkdir -p src; echo $n > src/step.txt; kill -SEGV $$", "");
    project.expect(&["run", "--max-retries", "1"], 2);
    assert_eq!(project.task("T1")["attempt_history"][0]["backend_exit_code"], -11);
}

#[test]
fn much_output_takes_little_memory() {
    // Lines, a line that is too long to be parsed, and noise that is no UTF-8. The parent of the agent is the runner. An unoptimised
    // build takes 12 s for 100 MB.
    let megabytes = if cfg!(debug_assertions) { 4 } else { 40 };
    let agent = format!(
        "head -c {megabytes}000000 /dev/zero | tr '\\0' 'x' | fold -w 199
head -c 12000000 /dev/zero | tr '\\0' 'y'
head -c {megabytes}000000 /dev/urandom
grep -E 'Name|VmHWM' /proc/$PPID/status > $out/memory
{DILIGENT}"
    );
    let project = project(&agent, "");
    let begun = Instant::now();
    let done = project.run(&["run"]);
    let memory = project.left("memory");
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(memory.contains("autodev"), "{memory}");
    let kib: u64 = memory.lines().last().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("{} MB of output: {} MiB, {:?}", megabytes * 2 + 12, kib >> 10, begun.elapsed());
    assert!(kib < 55 << 10, "{kib} KiB");
    let logs = project.path("logs/attempts/codex");
    let log = std::fs::read_dir(logs).unwrap().next().unwrap().unwrap();
    assert!(log.metadata().unwrap().len() > megabytes * 2_000_000 + 12_000_000, "the attempt log has all of it");
    assert!(std::fs::metadata(project.path("logs/autodev.log")).unwrap().len() < 20_000_000);
}

#[test]
fn a_full_disk_for_logs_is_an_environment_error() {
    // 3 MB are the end of every file: enough for the journal, not for what the agent prints.
    let project = project(&format!("{DILIGENT}; head -c 6000000 /dev/zero | tr '\\0' 'x' | fold -w 99"), "");
    let before = project.read("task.json");
    let done = project.shell("ulimit -f 3000; $autodev run");
    assert_eq!(done.code, 1, "{}", done.err);
    assert!(done.err.contains("attempts/codex"), "the message names the file: {}", done.err);
    assert_eq!(project.json("task.json"), serde_json::from_str::<serde_json::Value>(&before).unwrap());
    let status: serde_json::Value = serde_json::from_str(&project.expect(&["status", "--json"], 0).out).unwrap();
    assert_eq!(status["run"]["status"], "env_error", "{status:#}");
    project.agent("codex", DILIGENT);
    project.expect(&["run"], 0);
}

#[test]
fn writes_are_atomic_when_the_disk_is_full() {
    let project = Project::without_git();
    let filler = "x".repeat(40_000);
    project.tasks(&ONE_TASK.replace("\"d\"", &format!("\"{filler}\"")));
    let before = project.read("task.json");
    let done = project.shell("ulimit -f 16; $autodev task block T1 because");
    assert_eq!(done.code, 1, "an error, not a death by signal: {done:?}");
    assert!(done.err.contains("task.json"), "{}", done.err);
    assert_eq!(project.read("task.json"), before);
    let names: Vec<_> = std::fs::read_dir(project.dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|n| n.to_string_lossy().contains(".tmp")), "{names:?}");
    project.expect(&["task", "block", "T1", "because"], 0);
}

#[test]
fn a_disk_limit_does_not_change_what_agents_get() {
    // The signal of a file that grows too large is the agent's own business.
    let project =
        project(&format!("{DILIGENT}; (ulimit -f 1; head -c 9000 /dev/zero > $out/big); echo $? > $out/code"), "");
    project.expect(&["run"], 0);
    assert_eq!(project.left("code").trim(), "153", "128 + SIGXFSZ");
}
