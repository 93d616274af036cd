#![expect(clippy::disallowed_methods, reason = "projects are laid out with plain writes")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use tokio::sync::watch;

use super::*;
use crate::model::{
    ChangeKind, CommandSpec, Completion, Direction, Execution, Iterative, Numeric, Outcome, RelPath, Verification,
};

struct Project {
    dir: tempfile::TempDir,
    task: Task,
    config: VerificationConfig,
    changed: Vec<Change>,
    is_baseline: bool,
    reference: Reference,
    env: Vec<(String, String)>,
}

impl Project {
    fn new() -> Self {
        let config = VerificationConfig {
            min_changed_files: 1,
            changed_files_preview_limit: 20,
            validate_commands: Vec::new(),
            validate_timeout_seconds: 60,
            validate_working_directory: String::new(),
            validate_environment: BTreeMap::new(),
        };
        let mut project = Self {
            dir: tempfile::tempdir().unwrap(),
            task: Task { id: TaskId::new("P0-1"), ..Task::default() },
            config,
            changed: Vec::new(),
            is_baseline: false,
            reference: Reference::default(),
            env: Vec::new(),
        };
        project.change(b"src/a.rs");
        project
    }

    fn with(commands: &[&str]) -> Self {
        let mut project = Self::new();
        project.task.verification = verification(commands);
        project
    }

    fn shell(script: &str) -> Self {
        let mut project = Self::new();
        project.task.verification.validate_commands =
            vec![CommandSpec { run: script.to_owned(), shell: true, ..CommandSpec::default() }];
        project
    }

    fn measuring(commands: &[&str], target: Option<f64>) -> Self {
        let mut project = Self::with(commands);
        project.task.completion = Completion::Numeric(Numeric {
            name: "lat".to_owned(),
            source: "json_stdout".to_owned(),
            direction: Some(Direction::LowerIsBetter),
            json_path: "$.lat".to_owned(),
            min_improvement: 0.0,
            unchanged_tolerance: 0.0,
            target,
            ..Numeric::default()
        });
        project
    }

    fn change(&mut self, path: &[u8]) {
        self.changed.push(Change { path: RelPath::from_bytes(path), kind: ChangeKind::Modified });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn gate(&self) -> GateReport {
        let (_sender, stop) = watch::channel(Urgency::None);
        self.gate_until(stop, &mut |_| {}).await.unwrap()
    }

    async fn gate_until(&self, stop: StopSignal, on: &mut dyn FnMut(Progress<'_>)) -> Result<GateReport, Cancelled> {
        let logs = self.path("logs/checks/x");
        let input = GateInput {
            task: &self.task,
            changed: &self.changed,
            config: &self.config,
            code_dir: self.dir.path(),
            log_dir: &logs,
            is_baseline: self.is_baseline,
            reference: self.reference,
            env: &self.env,
            redactor: &Redactor::default(),
        };
        run(&input, stop, on).await
    }
}

fn verification(commands: &[&str]) -> Verification {
    let validate_commands =
        commands.iter().map(|run| CommandSpec { run: (*run).to_owned(), ..CommandSpec::default() }).collect();
    Verification { validate_commands, ..Verification::default() }
}

fn rows(report: &GateReport) -> Vec<(&str, Verdict, &str)> {
    report.checks.iter().map(|check| (check.name.as_str(), check.verdict, check.details.as_str())).collect()
}

fn last(report: &GateReport) -> &CheckResult {
    report.checks.last().unwrap()
}

fn tail(check: &CheckResult) -> &str {
    &check.evidence.as_ref().unwrap().tail
}

#[tokio::test]
async fn checks_are_made_in_order_and_all_of_them() {
    let mut project = Project::with(&["test -f nothing", "true", "echo hi"]);
    project.task.verification.path_patterns = vec!["src/*".to_owned()];
    let mut seen = Vec::new();
    let (_sender, stop) = watch::channel(Urgency::None);
    let report = project
        .gate_until(stop, &mut |progress| {
            seen.push(match progress {
                Progress::Started { name, position, total } => format!("{position}/{total} {name}"),
                Progress::Ended(check) => format!("{} {:?}", check.name, check.verdict),
            });
        })
        .await
        .unwrap();
    assert_eq!(
        rows(&report),
        [
            ("min_changed_files", Verdict::Pass, "1 files changed (minimum: 1)"),
            ("path_patterns", Verdict::Pass, "Patterns: ['src/*']"),
            ("validate:test -f nothing", Verdict::Fail, "exit_code=1"),
            ("validate:true", Verdict::Pass, "exit_code=0"),
            ("validate:echo hi", Verdict::Pass, "exit_code=0"),
        ]
    );
    assert_eq!((report.verdict, report.outcome), (Verdict::Fail, Outcome::NotMet));
    assert_eq!(report.errors, ["validate:test -f nothing: exit_code=1"]);
    assert_eq!(
        seen,
        [
            "min_changed_files Pass",
            "path_patterns Pass",
            "1/3 validate:test -f nothing",
            "validate:test -f nothing Fail",
            "2/3 validate:true",
            "validate:true Pass",
            "3/3 validate:echo hi",
            "validate:echo hi Pass",
        ]
    );
}

#[tokio::test]
async fn a_task_without_changes_fails() {
    let mut project = Project::with(&["true"]);
    project.changed.clear();
    project.task.verification.path_patterns = vec!["it's".to_owned(), "a\\b\n".to_owned()];
    let report = project.gate().await;
    assert_eq!(
        rows(&report)[..2],
        [
            ("min_changed_files", Verdict::Fail, "0 files changed (minimum: 1)"),
            ("path_patterns", Verdict::Fail, "Patterns: [\"it's\", 'a\\\\b\\n']"),
        ]
    );
    project.config.min_changed_files = 0;
    project.task.verification.path_patterns.clear();
    assert_eq!(project.gate().await.verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_miss_shows_where_the_work_went() {
    let mut project = Project::with(&[]);
    project.task.verification.path_patterns = vec!["docs/*".to_owned()];
    project.change(b"we\xffird\n.txt");
    let report = project.gate().await;
    assert_eq!(last(&report).details, "Patterns: ['docs/*']; changed instead: src/a.rs, we\\xffird\\n.txt");
    project.task.verification.path_patterns = vec!["we?ird*".to_owned()];
    assert_eq!(project.gate().await.verdict, Verdict::Pass);
}

#[tokio::test]
async fn the_baseline_needs_no_changes() {
    let mut project = Project::measuring(&["echo '{\"lat\": 100}'"], Some(50.0));
    project.task.execution = Execution::Iterative(Iterative::default());
    project.task.verification.path_patterns = vec!["src/*".to_owned()];
    project.changed.clear();
    project.is_baseline = true;
    let report = project.gate().await;
    assert_eq!(report.checks.len(), 2, "{report:?}");
    assert_eq!((report.verdict, report.outcome, report.metric), (Verdict::Pass, Outcome::Measured, Some(100.0)));
}

#[tokio::test]
async fn the_whole_output_is_kept_and_its_end_is_evidence() {
    let project = Project::shell("echo first; seq 1 5000; printf 'caf\\351 last\\n'; exit 7");
    let report = project.gate().await;
    let check = last(&report);
    assert_eq!(check.details, "exit_code=7; last output: caf\u{fffd} last");
    let evidence = check.evidence.as_ref().unwrap();
    assert_eq!((evidence.exit_code, evidence.tail.lines().count()), (7, 40));
    assert!(evidence.tail.ends_with("4999\n5000\ncaf\u{fffd} last"), "{}", evidence.tail);
    assert!(evidence.log.starts_with("logs/checks/x/01-echo-first-seq-1-5000"), "{}", evidence.log);
    let log = std::fs::read(project.path(&evidence.log)).unwrap();
    assert!(log.starts_with(b"first\n"));
    assert!(log.ends_with(b"\n5000\ncaf\xe9 last\n"), "raw bytes stay");
}

// The order between the two streams is not known: they are two pipes.
#[tokio::test]
async fn both_streams_are_evidence() {
    let project = Project::shell("echo wrong >&2; echo right; exit 7");
    let report = project.gate().await;
    let tail = &last(&report).evidence.as_ref().unwrap().tail;
    let mut lines: Vec<&str> = tail.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["right", "wrong"]);
}

#[tokio::test]
async fn an_object_entry_sets_everything() {
    let mut project = Project::new();
    std::fs::create_dir(project.path("sub")).unwrap();
    project.config.validate_environment.insert("A".to_owned(), "config".to_owned());
    project.env = vec![("AUTODEV_RUN_ID".to_owned(), "run-1".to_owned())];
    project.task.verification.validate_commands = vec![CommandSpec {
        run: "echo $A $B $AUTODEV_RUN_ID $(basename $PWD) | tr a-z A-Z".to_owned(),
        shell: true,
        name: Some("shout it".to_owned()),
        timeout_seconds: Some(30),
        working_directory: Some("sub".to_owned()),
        environment: [("B", "b"), ("AUTODEV_RUN_ID", "mine")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    }];
    let report = project.gate().await;
    let check = last(&report);
    assert_eq!((check.name.as_str(), check.verdict), ("validate:shout it", Verdict::Pass));
    assert_eq!(tail(check), "CONFIG B RUN-1 SUB");
    assert!(project.path("logs/checks/x/01-shout-it.log").exists());
}

#[tokio::test]
async fn shell_syntax_in_a_plain_command_is_refused_and_not_run() {
    let project = Project::with(&["touch ran && true", "touch 'ran too"]);
    let report = project.gate().await;
    assert_eq!(report.verdict, Verdict::Fail);
    let check = &report.checks[1];
    assert_eq!(
        check.details,
        "exit_code=-1 (shell operator \"&&\" in \"touch ran && true\": commands run without a shell; split it into \
         two commands or write {\"run\": \"touch ran && true\", \"shell\": true})"
    );
    assert!(tail(check).starts_with("shell operator"), "the reason is in the log too");
    assert_eq!(check.evidence.as_ref().unwrap().exit_code, -1);
    assert!(last(&report).details.contains("unbalanced single quotes"));
    assert!(!project.path("ran").exists() && !project.path("ran too").exists());
}

#[tokio::test]
async fn a_timeout_fails_and_kills_the_whole_tree() {
    // One child ignores the polite signal, one leaves the session.
    let child = "sh -c 'trap \"\" TERM; echo $$ >> pids; exec sleep 60'";
    let mut project = Project::shell(&format!("{child} & setsid {child} & sleep 60"));
    project.task.verification.validate_timeout_seconds = Some(1);
    project.env = vec![("AUTODEV_RUN_ID".to_owned(), format!("gate-timeout-{}", std::process::id()))];
    let report = project.gate().await;
    let check = last(&report);
    assert_eq!((check.verdict, check.details.as_str()), (Verdict::Fail, "exit_code=-1 (timed out after 1s)"));
    assert_eq!(check.evidence.as_ref().unwrap().exit_code, -1);
    let pids = std::fs::read_to_string(project.path("pids")).unwrap();
    assert_eq!(pids.lines().count(), 2, "{pids}");
    for pid in pids.lines() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    }
}

#[tokio::test]
async fn a_child_that_stays_behind_does_not_hold_the_gate() {
    let project = Project::shell("sleep 60 & echo done");
    let begun = Instant::now();
    let report = project.gate().await;
    assert_eq!((report.verdict, tail(last(&report))), (Verdict::Pass, "done"));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_the_machine_lacks_is_infra_and_what_the_project_lacks_is_failure() {
    use Verdict::{Fail, Infra};

    let mut project = Project::with(&[
        "no-such-program-anywhere --x",
        "/no/such/program",
        "./missing.sh",
        "./plain.txt",
        "../outside.sh",
        "cd src",
    ]);
    std::fs::write(project.path("plain.txt"), "echo hi").unwrap();
    std::fs::set_permissions(project.path("plain.txt"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = project.gate().await;
    let verdicts: Vec<Verdict> = report.checks.iter().skip(1).map(|check| check.verdict).collect();
    assert_eq!(verdicts, [Infra, Infra, Fail, Fail, Infra, Fail], "{:#?}", rows(&report));
    assert_eq!(report.verdict, Fail);
    assert!(report.checks.iter().skip(1).all(|check| check.details.starts_with("exit_code=-1 (")), "{report:#?}");
    assert!(report.checks[1].details.contains("start no-such-program-anywhere: "), "{}", report.checks[1].details);
    assert!(report.checks[4].details.contains("is it executable?"), "{}", report.checks[4].details);
    assert!(last(&report).details.contains("shell word"), "{}", last(&report).details);

    project.task.verification = verification(&["no-such-program-anywhere"]);
    assert_eq!(project.gate().await.verdict, Infra);

    project.task.verification = verification(&["true"]);
    for (directory, verdict) in [("nowhere", Fail), ("/no/such/dir", Infra), ("../nowhere", Infra)] {
        project.task.verification.validate_working_directory = Some(directory.to_owned());
        let report = project.gate().await;
        assert_eq!(report.verdict, verdict, "{directory}");
        assert!(last(&report).details.contains("the working directory "), "{}", last(&report).details);
    }
}

#[tokio::test]
async fn a_kill_from_outside_is_infra_and_a_crash_is_failure() {
    for (signal, verdict, text) in [
        ("KILL", Verdict::Infra, "exit_code=-9 (killed from outside by signal 9"),
        ("TERM", Verdict::Infra, "exit_code=-15 (killed from outside"),
        ("SEGV", Verdict::Fail, "exit_code=-11 (crashed with signal 11)"),
        ("ABRT", Verdict::Fail, "exit_code=-6 (crashed"),
    ] {
        let report = Project::shell(&format!("kill -{signal} $$")).gate().await;
        assert_eq!(report.verdict, verdict, "{signal}");
        assert!(last(&report).details.starts_with(text), "{}", last(&report).details);
    }
    let report = Project::shell("exit 137").gate().await;
    assert_eq!(report.verdict, Verdict::Fail);
}

#[tokio::test]
async fn a_variable_that_cannot_be_set_fails_the_check() {
    for (name, value) in [("A=B", "x"), ("", "x"), ("A", "nul\0"), ("A\0", "x")] {
        let mut project = Project::with(&["true"]);
        project.task.verification.validate_environment.insert(name.to_owned(), value.to_owned());
        let report = project.gate().await;
        assert_eq!(report.verdict, Verdict::Fail, "{name:?}");
        assert!(last(&report).details.contains("cannot be set"), "{}", last(&report).details);
    }
    for script in ["", "a\0b"] {
        assert_eq!(Project::shell(script).gate().await.verdict, Verdict::Fail);
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_infra() {
    let project = Project::with(&["true"]);
    std::fs::write(project.path("logs"), "a file where the directory should be").unwrap();
    let report = project.gate().await;
    assert_eq!(report.verdict, Verdict::Infra);
    assert!(last(&report).details.starts_with("exit_code=-1 (no log file: create "), "{}", last(&report).details);
}

#[tokio::test]
async fn a_number_is_judged_with_the_checks() {
    let project = Project::measuring(&["echo '{\"lat\": 40.5}'", "echo tests ok"], Some(50.0));
    let report = project.gate().await;
    assert_eq!((report.verdict, report.outcome, report.metric), (Verdict::Pass, Outcome::TargetMet, Some(40.5)));
    assert_eq!(last(&report).name, "metric:lat");
    assert_eq!(last(&report).details, "lat=40.5 (target_met; target 50 reached)");

    let mut worse = Project::measuring(&["echo '{\"lat\": 40.5}'"], None);
    worse.reference = Reference { best_before: Some(40.0), baseline: Some(100.0) };
    let report = worse.gate().await;
    assert_eq!((report.verdict, report.outcome), (Verdict::Fail, Outcome::Regressed));
    assert_eq!(report.errors, ["metric:lat: lat=40.5 (regressed; reference 40)"]);

    let report = Project::measuring(&["sh -c 'echo {\\\"lat\\\": 1}; exit 1'"], None).gate().await;
    assert_eq!(last(&report).verdict, Verdict::NotRun, "the number of a failed command does not count");
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);

    let report = Project::measuring(&["echo '{\"lat\": 1e999}'"], None).gate().await;
    assert_eq!((report.verdict, report.outcome, report.metric), (Verdict::Fail, Outcome::Invalid, None));
}

#[tokio::test]
async fn nine_mebibytes_are_no_metric_but_a_good_check() {
    let mut project = Project::measuring(&[], None);
    project.task.verification.validate_commands = vec![CommandSpec {
        run: "printf '{\"lat\": 1}'; head -c 9437184 /dev/zero | tr '\\0' ' '".to_owned(),
        shell: true,
        name: Some("big".to_owned()),
        ..CommandSpec::default()
    }];
    let report = project.gate().await;
    assert_eq!(report.checks[1].verdict, Verdict::Pass);
    assert_eq!(last(&report).details, "no value: `big`: printed more than 8 MiB");
    assert_eq!(std::fs::metadata(project.path("logs/checks/x/01-big.log")).unwrap().len(), 9_437_184 + 10);
}

#[tokio::test]
async fn a_stop_request_cancels() {
    let project = Project::with(&["sleep 60", "true"]);
    let (sender, stop) = watch::channel(Urgency::None);
    let begun = Instant::now();
    let mut ask = |progress: Progress<'_>| {
        if let Progress::Started { .. } = progress {
            sender.send(Urgency::Stop).unwrap();
        }
    };
    assert_eq!(project.gate_until(stop.clone(), &mut ask).await.unwrap_err(), Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(project.gate_until(stop, &mut |_| {}).await.unwrap_err(), Cancelled, "and starts nothing");
    assert!(!project.path("logs/checks/x/02-true.log").exists());
}

#[tokio::test]
async fn a_command_sees_no_standard_input() {
    let report = Project::with(&["cat"]).gate().await;
    assert_eq!((report.verdict, tail(last(&report))), (Verdict::Pass, ""));
}

#[test]
fn log_names_are_safe_and_bounded() {
    let at = "2026-11-20T11:29:10Z".parse().unwrap();
    assert_eq!(
        log_dir(Path::new("/l"), &TaskId::new("../P0 1"), 2, at),
        Path::new("/l/checks/___P0_1__attempt_2_20261120T112910Z")
    );
    let name = |run: &str| {
        let mut project = Project::with(&[run]);
        project.task.verification.validate_commands[0].run = run.to_owned();
        log_name(7, &contract::commands(&project.task, &project.config)[0])
    };
    assert_eq!(name("cargo test --lib"), "07-cargo-test-lib.log");
    assert_eq!(name("../../etc/passwd"), "07-etc-passwd.log");
    assert_eq!(name("漢字"), "07-command.log");
    assert_eq!(name(&"x ".repeat(10_000)).len(), "07-.log".len() + 39);
}
