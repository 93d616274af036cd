#![expect(clippy::disallowed_methods, reason = "projects are laid out with plain writes")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pretty_assertions::assert_eq;
use tokio::sync::watch;

use super::*;
use crate::gate::{GateInput, run};
use crate::logic::judge::Reference;
use crate::model::{CommandSpec, Direction, Extract, GateReport, Guard, Verification};

struct Project {
    dir: tempfile::TempDir,
    task: Task,
    config: VerificationConfig,
    command: Option<usize>,
}

/// A project whose task measures by shell commands, in the directory `code` of a temporary one.
fn project(source: &str, extract: Extract, scripts: &[&str]) -> Project {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("code")).unwrap();
    let command = |script: &&str| CommandSpec { run: (*script).to_owned(), shell: true, ..CommandSpec::default() };
    let numeric = Numeric {
        name: "n".to_owned(),
        source: source.to_owned(),
        direction: Some(Direction::LowerIsBetter),
        json_path: "$.n".to_owned(),
        extract,
        ..Numeric::default()
    };
    let validate_commands = scripts.iter().map(command).collect();
    let task = Task {
        completion: Completion::Numeric(numeric),
        verification: Verification { validate_commands, ..Verification::default() },
        ..Task::default()
    };
    let config = VerificationConfig {
        min_changed_files: 0,
        changed_files_preview_limit: 20,
        validate_commands: Vec::new(),
        validate_timeout_seconds: 60,
        validate_working_directory: String::new(),
        validate_environment: BTreeMap::new(),
    };
    Project { dir, task, config, command: None }
}

fn file(name: &str) -> Extract {
    Extract { file: Some(name.to_owned()), ..Extract::default() }
}

impl Project {
    fn code(&self, name: &str) -> PathBuf {
        self.dir.path().join("code").join(name)
    }

    fn numeric(&mut self) -> &mut Numeric {
        match &mut self.task.completion {
            Completion::Numeric(numeric) => numeric,
            Completion::Boolean => panic!("no metric"),
        }
    }

    fn guarded(mut self, name: &str, source: &str, extract: Extract) -> Self {
        let (name, source, json_path) = (name.to_owned(), source.to_owned(), "$.g".to_owned());
        let direction = Direction::LowerIsBetter;
        self.numeric().guards.push(Guard { name, source, json_path, extract, direction, max_regression: 0.1 });
        self
    }

    async fn measure(&self) -> Result<Measured, Unmeasured> {
        let (_sender, stop) = watch::channel(Urgency::None);
        self.measure_until(stop).await
    }

    async fn measure_until(&self, stop: StopSignal) -> Result<Measured, Unmeasured> {
        let input = MeasureInput {
            task: &self.task,
            config: &self.config,
            code_dir: &self.code(""),
            command: self.command,
            log_dir: &self.dir.path().join("logs"),
            env: &[],
            redactor: &Redactor::default(),
        };
        measure(&input, stop).await
    }

    async fn value(&self) -> Option<f64> {
        self.measure().await.ok().map(|measured| measured.value)
    }

    async fn reason(&self) -> String {
        match self.measure().await {
            Err(Unmeasured::Invalid(Invalid { reason, verdict: Verdict::Fail })) => reason,
            other => panic!("{other:?}"),
        }
    }

    async fn gate(&self) -> GateReport {
        let (_sender, stop) = watch::channel(Urgency::None);
        let input = GateInput {
            task: &self.task,
            changed: &[],
            config: &self.config,
            code_dir: &self.code(""),
            log_dir: &self.dir.path().join("logs"),
            is_baseline: true,
            reference: Reference::default(),
            env: &[],
            redactor: &Redactor::default(),
        };
        run(&input, stop, &mut |_| {}).await.unwrap()
    }
}

const JUNIT: &str = r#"cat > r.xml <<'X'
<testsuites time="1.5"><testsuite><testcase/><testcase><failure/></testcase><testcase/></testsuite></testsuites>
X"#;

#[tokio::test]
async fn every_source_gives_its_number() {
    let pattern = Extract { pattern: Some("took (?<value>[0-9.]+)".to_owned()), ..Extract::default() };
    let junit = |value: &str| Extract { value: Some(value.to_owned()), ..file("r.xml") };
    let hyperfine = r#"echo '{"results": [{"times": [3, 1, 2]}]}' > out/b.json"#;
    let mean = Extract { statistic: Some("mean".to_owned()), ..file("out/b.json") };
    for (source, extract, script, value) in [
        ("json_stdout", Extract::default(), r#"echo '{"n": 7.5}'"#, 7.5),
        ("json_file", file("r.json"), r#"echo noise; echo '{"n": 8}' > r.json"#, 8.0),
        ("regex", pattern, "echo took 3 s; echo took 2.5 s >&2; echo took 4 s", 4.0),
        ("junit", junit("time"), JUNIT, 1.5),
        ("junit", junit("failures"), JUNIT, 1.0),
        ("junit", junit("tests"), JUNIT, 3.0),
        ("hyperfine", file("out/b.json"), &format!("mkdir -p out; {hyperfine}"), 2.0),
        ("hyperfine", mean, &format!("mkdir -p out; {hyperfine}"), 2.0),
    ] {
        let project = project(source, extract, &[script]);
        let told = project.measure().await.unwrap();
        assert_eq!((told.value, told.command), (value, 0), "{source}");
        assert_eq!(told.samples.len(), if source == "hyperfine" { 3 } else { 1 }, "{source}");
        assert_eq!(project.value().await, Some(value), "again: {source}");
        assert_eq!(project.gate().await.metric, Some(value), "in a gate: {source}");
        assert_eq!(fs::read_dir(project.dir.path().join("logs")).unwrap().count(), 1, "its output is kept");
    }
}

#[tokio::test]
async fn the_command_itself_is_measured() {
    let time = project("wall_time", Extract::default(), &["sleep 0.3"]);
    let told = time.measure().await.unwrap();
    assert!((0.3..30.0).contains(&told.value), "{told:?}");
    assert_eq!(Some(told.wall.as_secs_f64()), Some(told.value));
    assert!((0.3..30.0).contains(&time.gate().await.metric.unwrap()));
    let eat = project("max_rss", Extract::default(), &["python3 -c 'b = bytearray(200 << 20)'; true"]);
    let range = f64::from(200 << 20)..f64::from(400 << 20);
    assert!(range.contains(&eat.value().await.unwrap()));
    assert!(range.contains(&eat.gate().await.metric.unwrap()));
}

#[tokio::test]
async fn a_result_from_before_does_not_count() {
    let stale = project("json_file", file("r.json"), &["true"]);
    fs::write(stale.code("r.json"), r#"{"n": 1}"#).unwrap();
    assert_eq!(stale.reason().await, "`true`: did not write r.json");
    assert!(!stale.code("r.json").exists());
    fs::write(stale.code("r.json"), r#"{"n": 1}"#).unwrap();
    let report = stale.gate().await;
    assert_eq!(report.errors, ["metric:n: no value: `true`: did not write r.json"]);
    fs::create_dir(stale.code("r.json")).unwrap();
    assert!(stale.reason().await.contains("the old r.json cannot be removed"));
    assert!(stale.gate().await.errors[0].contains("the old r.json cannot be removed"));
}

#[tokio::test]
async fn nothing_outside_the_project_is_read_or_removed() {
    let linked = project("json_file", file("link/r.json"), &["true"]);
    let outside = linked.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("r.json"), r#"{"n": 1}"#).unwrap();
    std::os::unix::fs::symlink(&outside, linked.code("link")).unwrap();
    assert_eq!(linked.reason().await, "`true`: link/r.json is not inside the project");
    assert!(outside.join("r.json").exists());
    let leaves = project("json_file", file("r.json"), &["ln -s ../outside.json r.json; echo '{\"n\": 1}' > r.json"]);
    assert!(leaves.reason().await.ends_with("r.json is not inside the project"));
    let pipe = project("json_file", file("r.json"), &["mkfifo r.json"]);
    assert_eq!(pipe.reason().await, "`mkfifo r.json`: r.json is not a file");
    let mut away = project("json_file", file("r.json"), &["true"]);
    away.config.validate_working_directory = away.dir.path().to_string_lossy().into_owned();
    assert!(away.reason().await.ends_with("r.json is not inside the project"));
}

#[tokio::test]
async fn a_file_lies_in_the_working_directory_of_its_command() {
    let mut below = project("json_file", file("r.json"), &["echo '{\"n\": 3}' > r.json"]);
    fs::create_dir(below.code("sub")).unwrap();
    below.config.validate_working_directory = "sub".to_owned();
    assert_eq!(below.value().await, Some(3.0));
    assert!(below.code("sub/r.json").exists());
}

#[tokio::test]
async fn what_is_no_number_is_invalid_and_says_why() {
    for (source, extract, script, reason) in [
        ("json_file", file("r"), "printf '{\"n\": true}' > r", "a boolean at $['n'], a number is needed"),
        ("json_file", file("r"), "printf NaN > r", "r is not JSON"),
        ("junit", Extract { value: Some("time".into()), ..file("r") }, "printf '<testsuite/>' > r", "how long it took"),
        ("junit", Extract { value: Some("time".into()), ..file("r") }, "printf x > r", "r: it is not a JUnit report"),
        ("hyperfine", file("r"), "printf '{}' > r", "r: no \"results\" in it"),
        ("json_file", file("r"), "head -c 17000000 /dev/zero > r", "larger than 16777216 bytes"),
        ("log", Extract::default(), "true", "source \"log\" is not known"),
        ("json_file", Extract::default(), "true", "needs \"file\""),
        ("json_stdout", Extract::default(), "exit 3", "exit_code=3"),
    ] {
        let told = project(source, extract, &[script]).reason().await;
        assert!(told.contains(reason) && told.lines().count() == 1, "{script}: {told}");
    }
}

#[tokio::test]
async fn guards_are_read_from_the_same_run() {
    let script = r#"echo x >> runs; echo '{"g": 5}' > g.json; echo '{"n": 1, "g": 2}'"#;
    let guarded = project("json_stdout", Extract::default(), &[script])
        .guarded("printed", "json_stdout", Extract::default())
        .guarded("written", "json_file", file("g.json"))
        .guarded("time", "wall_time", Extract::default());
    let told = guarded.measure().await.unwrap();
    let names: Vec<&str> = told.guards.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((told.value, names), (1.0, vec!["printed", "written", "time"]));
    assert_eq!((told.guards[0].1, told.guards[1].1), (2.0, 5.0));
    assert_eq!(fs::read_to_string(guarded.code("runs")).unwrap(), "x\n");
    let missing = project("json_stdout", Extract::default(), &["echo '{\"n\": 1}'"]).guarded(
        "written",
        "json_file",
        file("g.json"),
    );
    assert!(missing.reason().await.ends_with("guard written: did not write g.json"));
}

#[tokio::test]
async fn the_command_is_the_chosen_one_or_the_last_that_tells() {
    let scripts = ["echo '{\"n\": 1}'", "echo '{\"n\": 2}'", "echo tests >> ran"];
    let mut any = project("json_stdout", Extract::default(), &scripts);
    let told = any.measure().await.unwrap();
    assert_eq!((told.value, told.command), (2.0, 1));
    any.command = Some(told.command);
    fs::remove_file(any.code("ran")).unwrap();
    assert_eq!(any.value().await, Some(2.0));
    assert!(!any.code("ran").exists(), "what is known is not tried again");
    any.numeric().command = Some(CommandChoice::Index(0));
    assert_eq!(any.value().await, Some(1.0));
    assert_eq!(any.gate().await.metric, Some(1.0));
    any.numeric().command = Some(CommandChoice::Index(3));
    assert_eq!(any.reason().await, "the metric is of command 3 (from 0), but there are 3");
    any.numeric().command = Some(CommandChoice::Name("bench".to_owned()));
    assert_eq!(any.reason().await, "the metric is of a command `bench`, which is not there");
    any.task.verification.validate_commands[0].name = Some("bench".to_owned());
    assert_eq!(any.value().await, Some(1.0));
    let silent = project("json_stdout", Extract::default(), &["echo a", "echo b"]);
    let reason = silent.reason().await;
    assert!(
        reason.starts_with("`echo b`: its standard output is not JSON") && reason.contains("; `echo a`: "),
        "{reason}"
    );
}

#[tokio::test]
async fn a_file_is_that_of_its_command_whatever_runs_after() {
    let mut early = project("json_file", file("r"), &["echo '{\"n\": 1}' > r", "rm r; echo '{\"n\": 2}' > r"]);
    assert_eq!(early.gate().await.metric, Some(2.0), "the last command");
    early.numeric().command = Some(CommandChoice::Index(0));
    assert_eq!(early.gate().await.metric, Some(1.0));
    let failed = project("json_file", file("r"), &["true", "echo '{\"n\": 1}' > r; exit 1"]);
    let report = failed.gate().await;
    assert_eq!(report.checks.last().map(|check| check.verdict), Some(Verdict::NotRun));
    assert_eq!(report.checks.last().map(|check| check.details.as_str()), Some("no value: its command did not pass"));
}

#[tokio::test]
async fn the_machine_is_told_from_the_change_and_a_stop_from_both() {
    let mut missing = project("json_stdout", Extract::default(), &["no-such-program-anywhere"]);
    missing.task.verification.validate_commands[0].shell = false;
    let told = missing.measure().await;
    assert!(matches!(told, Err(Unmeasured::Invalid(Invalid { verdict: Verdict::Infra, .. }))), "{told:?}");
    let (sender, stop) = watch::channel(Urgency::None);
    sender.send_replace(Urgency::Stop);
    assert_eq!(missing.measure_until(stop).await, Err(Unmeasured::Cancelled(Cancelled)));
    let boolean = Project { task: Task::default(), ..missing };
    assert_eq!(boolean.reason().await, "the task has no metric");
}
