#![expect(clippy::disallowed_methods, reason = "template files are laid out with plain writes")]

use std::time::Instant;

use pretty_assertions::assert_eq;

use super::*;
use crate::model::{
    ChangeKind, CheckResult, CommandSpec, Completion, Direction, Evidence, Execution, GateReport, HistoryEntry,
    Iterative, Numeric, Outcome, RelPath, TaskId, Verdict, Verification,
};

struct Case {
    task: Task,
    files: FilesConfig,
    verification: VerificationConfig,
    failures: Vec<Failure>,
    journal: Vec<JournalNote>,
    git_history: Vec<String>,
    changed: Vec<Change>,
    recent: Vec<String>,
}

impl Case {
    fn new() -> Self {
        let task = Task {
            id: TaskId::new("P0-1"),
            title: "Add greeting".to_owned(),
            description: "Print a greeting.".to_owned(),
            steps: texts(&["write it", "test it"]),
            verification: Verification {
                path_patterns: texts(&["src/*"]),
                validate_commands: vec![CommandSpec { run: "cargo test".to_owned(), ..CommandSpec::default() }],
                ..Verification::default()
            },
            ..Task::default()
        };
        let files = FilesConfig {
            task_json: "/p/task.json".into(),
            progress: "/p/progress.txt".into(),
            execution_guide: "/p/AGENT.md".into(),
            task_brief: "/p/TASK.md".into(),
            log_dir: "/p/logs".into(),
            attempt_log_subdir: "/p/logs/attempts".into(),
        };
        let verification = VerificationConfig {
            min_changed_files: 1,
            changed_files_preview_limit: 20,
            validate_commands: Vec::new(),
            validate_timeout_seconds: 1800,
            validate_working_directory: String::new(),
            validate_environment: std::collections::BTreeMap::new(),
        };
        Self {
            task,
            files,
            verification,
            failures: Vec::new(),
            journal: Vec::new(),
            git_history: Vec::new(),
            changed: Vec::new(),
            recent: Vec::new(),
        }
    }

    fn full() -> Self {
        let mut case = Self::new();
        let task = &mut case.task;
        task.docs = texts(&["docs/specs/greeting.md"]);
        task.output = texts(&["src/greet.rs"]);
        task.implementation_notes = texts(&["keep it small"]);
        task.verification_notes = texts(&["tests are slow"]);
        task.learning_notes = texts(&["check names first"]);
        task.attempt_history = (1..=5).map(|n| history(n, &format!("summary {n}"))).collect();
        task.execution = Execution::Iterative(Iterative::default());
        task.completion = Completion::Numeric(Numeric {
            name: "lat".to_owned(),
            source: "json_stdout".to_owned(),
            direction: Some(Direction::LowerIsBetter),
            json_path: "$.lat".to_owned(),
            min_improvement: 0.0,
            unchanged_tolerance: 0.0,
            target: Some(50.0),
            ..Numeric::default()
        });
        case.failures = vec![failure()];
        case.journal = (1..=9).map(|n| note(&format!("P0-{n}"), &format!("learnt {n}"))).collect();
        case.git_history = (1..=7).map(|n| format!("c{n} commit {n}")).collect();
        case.changed = vec![Change { path: RelPath::from_bytes(&b"src/\xff.rs"[..]), kind: ChangeKind::Added }];
        case.recent = (1..=5).map(|n| format!("iteration {n}: regressed, lat=9{n} (reverted; lat.py +1 -1)")).collect();
        case
    }

    fn render(&self, template: Option<&str>) -> String {
        let built_in = || Template::Jinja(Source::built_in(Name::Task));
        self.with(&template.map_or_else(built_in, |text| Template::Places(text.to_owned()))).unwrap()
    }

    fn with(&self, template: &Template) -> Result<String, PromptError> {
        let experiment = match self.task.execution {
            Execution::SinglePass => None,
            Execution::Iterative(_) => Some(Experiment {
                iteration: 6,
                baseline: Some(100.0),
                best: Some(89.5),
                no_improvement_streak: 2,
                recent: &self.recent,
            }),
        };
        let input = PromptInput {
            task: &self.task,
            project_name: "Demo",
            code_dir: Path::new("/p"),
            files: &self.files,
            verification: &self.verification,
            attempt: 2,
            max_attempts: 3,
            failures: &self.failures,
            journal: &self.journal,
            learning_limit: 6,
            git_history: &self.git_history,
            changed: &self.changed,
            experiment,
        };
        render(&input, template)
    }
}

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn history(attempt: u32, summary: &str) -> HistoryEntry {
    HistoryEntry { attempt, status: "failed".to_owned(), summary: summary.to_owned(), ..HistoryEntry::default() }
}

fn note(id: &str, summary: &str) -> JournalNote {
    JournalNote {
        task_id: id.to_owned(),
        status: "completed".to_owned(),
        summary: summary.to_owned(),
        learning_notes: Vec::new(),
    }
}

fn failure() -> Failure {
    let tail = "\u{1b}[31merror\u{1b}[0m: expected {{ \"hi\" }}\n```\nnot ok";
    let evidence =
        Evidence { log: "logs/checks/a/01.log".to_owned(), tail: tail.to_owned(), exit_code: 101, duration_ms: 1 };
    let check = CheckResult {
        name: "validate:cargo test".to_owned(),
        verdict: Verdict::Fail,
        details: "exit_code=101".to_owned(),
        evidence: Some(evidence),
    };
    let errors = texts(&["validate:cargo test: exit_code=101"]);
    let gate =
        GateReport { verdict: Verdict::Fail, checks: vec![check], outcome: Outcome::NotMet, metric: None, errors };
    Failure { attempt: 5, summary: "summary 5".to_owned(), gate: Some(gate) }
}

fn at(prompt: &str, part: &str) -> usize {
    prompt.find(part).unwrap_or_else(|| panic!("{part:?} is not in:\n{prompt}"))
}

#[test]
fn a_plain_task_makes_a_short_whole_prompt() {
    insta::assert_snapshot!(Case::new().render(None));
}

#[test]
fn a_full_task_shows_everything_in_order() {
    insta::assert_snapshot!(Case::full().render(None));
}

#[test]
fn the_newest_commits_and_learnings_are_shown() {
    let prompt = Case::full().render(None);
    assert!(at(&prompt, "c1 commit 1") < at(&prompt, "c5 commit 5"));
    assert!(!prompt.contains("c6 commit 6"));
    assert!(!prompt.contains("learnt 3") && prompt.contains("P0-4: learnt 4") && prompt.contains("P0-9: learnt 9"));
    assert!(prompt.contains("summary 4") && !prompt.contains("summary 1"), "the last three attempts");
    assert_eq!(prompt.matches("summary 5").count(), 1, "told once");
}

#[test]
fn the_newest_experiments_are_shown_as_far_as_they_fit() {
    let mut case = Case::full();
    case.recent = (1..=12).map(|n| format!("iteration {n}: regressed")).collect();
    let prompt = case.render(None);
    assert!(!prompt.contains("iteration 4:") && at(&prompt, "iteration 5:") < at(&prompt, "iteration 12:"), "{prompt}");
    case.recent = (1..=12).map(|n| format!("iteration {n}: {}", "long ".repeat(160))).collect();
    let prompt = case.render(None);
    assert!(!prompt.contains("iteration 10:") && prompt.contains("iteration 11:"), "{prompt}");
    case.recent = vec!["older".to_owned(), "long ".repeat(4_000)];
    let prompt = case.render(None);
    assert!(prompt.contains(&case.recent[1]) && !prompt.contains("older"), "the newest is always told");
}

#[test]
fn every_place_of_a_users_template_is_filled() {
    let names = [
        "task_id",
        "task_name",
        "task_description",
        "task_steps",
        "task_docs",
        "task_implementation_notes",
        "task_verification_notes",
        "task_learning_notes",
        "task_attempt_history",
        "project_learning_notes",
        "execution_context",
        "recent_experiment_history",
        "recent_git_history",
        "task_file",
        "task_brief",
        "progress_file",
        "execution_guide",
        "code_dir",
        "project_name",
        "verification_contract",
        "unknown",
    ];
    let template: Vec<String> = names.iter().map(|name| format!("{name}:\n{{{{{name}}}}}\n")).collect();
    insta::assert_snapshot!(Case::full().render(Some(&template.concat())));
    let bare = Case::new().render(Some("{{task_docs}}\n{{execution_context}}"));
    assert_eq!(bare, "- none\n- execution_mode: delivery");
}

#[test]
fn text_of_a_task_is_no_template() {
    let mut case = Case::new();
    let tricky = "{{task_id}} {{ code_dir }} {% for x in y %} {# c #} {{{{title}}}} <b>&amp;</b>";
    case.task.description = tricky.to_owned();
    case.task.title = tricky.to_owned();
    case.task.steps = texts(&[tricky]);
    case.git_history = texts(&[tricky]);
    case.journal = vec![note("{{task_id}}", tricky)];
    assert_eq!(case.render(None).matches(tricky).count(), 5);
    let template = "{{task_name}}|{{task_description}}|{{task_steps}}|{{recent_git_history}}";
    assert_eq!(case.render(Some(template)), format!("{tricky}|{tricky}|- {tricky}|- {tricky}"));
}

#[test]
fn a_megabyte_of_text_is_no_problem() {
    let mut case = Case::full();
    case.task.description = "wörd {{ ".repeat(1024 * 1024 / 8);
    let begun = Instant::now();
    let prompt = case.render(None);
    assert!(prompt.contains(case.task.description.trim()));
    let filled = case.render(Some("{{task_description}}"));
    assert_eq!(filled, case.task.description);
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
}

#[test]
fn the_configured_commands_are_told_when_the_task_has_none() {
    let mut case = Case::new();
    case.task.verification = Verification::default();
    case.verification.validate_commands = texts(&["make check"]);
    assert!(case.render(None).contains("- `make check` exits with code 0 (within 1800 s)"));
    case.verification.validate_commands.clear();
    case.verification.min_changed_files = 0;
    assert!(case.render(None).contains("no check is set"));
}

#[test]
fn many_changed_paths_are_counted() {
    let mut case = Case::new();
    case.changed =
        (0..45).map(|n| Change { path: RelPath::from(format!("f{n}").as_str()), kind: ChangeKind::Added }).collect();
    let prompt = case.render(None);
    assert!(prompt.contains("- `f39`\n- ... 5 more\n"), "{prompt}");
}

fn own(dir: &Path) -> PromptConfig {
    PromptConfig { template_file: PathBuf::new(), template: String::new(), dir: dir.to_path_buf() }
}

#[test]
fn the_template_file_comes_first_then_the_text_then_the_directory_then_the_built_in() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompt.md");
    let places = |text: &str| Template::Places(text.to_owned());
    std::fs::write(dir.path().join("task.md"), "own {{ task.id }}").unwrap();
    let config =
        PromptConfig { template_file: path.clone(), template: "inline".to_owned(), dir: dir.path().to_path_buf() };
    assert_eq!(template(&config).unwrap(), places("inline"), "the file does not exist");
    std::fs::write(&path, "from file").unwrap();
    assert_eq!(template(&config).unwrap(), places("from file"));
    let config = PromptConfig { template_file: PathBuf::new(), template: " \n".to_owned(), ..config };
    let Template::Jinja(found) = template(&config).unwrap() else { panic!("the directory") };
    assert_eq!(found.text, "own {{ task.id }}");
    assert_eq!(template(&own(Path::new(""))).unwrap(), Template::Jinja(Source::built_in(Name::Task)));
}

#[test]
fn a_template_file_that_is_no_text_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompt.md");
    let config = PromptConfig { template_file: path.clone(), ..own(Path::new("")) };
    std::fs::write(&path, b"abc\xff").unwrap();
    let error = template(&config).unwrap_err().to_string();
    assert!(error.contains("prompt.md is not UTF-8 (byte 3)"), "{error}");
    std::fs::write(&path, vec![b'x'; 4 * 1024 * 1024 + 1]).unwrap();
    assert!(template(&config).unwrap_err().to_string().contains("larger than"));
    let config = PromptConfig { template_file: dir.path().to_path_buf(), ..own(Path::new("")) };
    assert!(template(&config).unwrap_err().to_string().starts_with("prompt.template_file: read "));
}

#[test]
fn a_projects_own_template_has_the_values_of_the_built_in_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("task.md"), Name::Task.built_in()).unwrap();
    let case = Case::full();
    let own = template(&own(dir.path())).unwrap();
    assert_eq!(case.with(&own).unwrap(), case.render(None));
}

#[test]
fn a_mistake_in_a_projects_template_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("task.md");
    let error = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let template = template(&own(dir.path())).unwrap();
        Case::new().with(&template).unwrap_err().to_string().replace(&path.display().to_string(), "task.md")
    };
    let told = error("one\n{{ task.id }}\n {{ project }}!\n");
    assert!(
        told.starts_with("prompt.dir: task.md line 3: undefined value in `{{ project }}!` (this prompt has "),
        "{told}"
    );
    assert!(told.contains("project_name, "), "{told}");
    let told = error("one\n{% if %}\n");
    assert!(told.starts_with("prompt.dir: task.md line 2: "), "{told}");
    let told = error("{{ task.titel }}");
    assert!(told.starts_with("prompt.dir: task.md line 1: undefined value in `{{ task.titel }}`"), "{told}");
    let told = error("{% for x in range(1000000000) %}{% endfor %}");
    assert!(told.starts_with("prompt.dir: task.md line 1: "), "{told}");
    std::fs::write(&path, b"\xff").unwrap();
    let told = template(&own(dir.path())).unwrap_err().to_string();
    assert!(told.starts_with("prompt.dir: ") && told.ends_with("task.md is not UTF-8 (byte 0)"), "{told}");
    let told = template(&own(&dir.path().join("gone"))).unwrap_err().to_string();
    assert!(told.starts_with("prompt.dir: there is no directory ") && told.ends_with("gone"), "{told}");
}

proptest::proptest! {
    // 64: each case compiles the built-in template.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn any_task_text_arrives_as_it_is(text in "([{}%#a-z_ \n]|\\PC){1,60}") {
        let mut case = Case::new();
        case.task.description = format!("<{text}>");
        proptest::prop_assert!(case.render(None).contains(&case.task.description));
        proptest::prop_assert_eq!(case.render(Some("{{task_description}}")), case.task.description);
    }
}
