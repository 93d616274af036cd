//! The room as a whole: from text to configuration.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pretty_assertions::assert_eq;

use super::schema::{KEYS, Kind, Rule, SECTIONS};
use super::*;
use crate::model::config::ExperimentHistory;
use crate::model::config::*;
use crate::model::{BackendName, BlockAction};

mod disk;
mod property;

/// Loads text as if it were /p/autodev.toml.
fn parse(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let env: Vec<(String, String)> = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    build(&Source::new(Path::new("autodev.toml"), text), Path::new("/p/autodev.toml"), &env)
}

fn config(text: &str) -> Config {
    parse(text, &[]).unwrap().config
}

fn errors(text: &str, env: &[(&str, &str)]) -> String {
    parse(text, env).unwrap_err().to_string()
}

fn warnings(text: &str, env: &[(&str, &str)]) -> String {
    let warnings = parse(text, env).unwrap().warnings;
    warnings.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// Every row of the table of defaults.
#[test]
fn an_empty_file_means_the_defaults() {
    let want = Config {
        project: ProjectConfig { name: "Untitled Project".into(), code_dir: "/p".into(), config_dir: "/p".into() },
        backend: BackendConfig {
            default: BackendName::Claude,
            claude: ClaudeConfig {
                skip_permissions: true,
                permission_mode: "bypassPermissions".into(),
                output_format: "stream-json".into(),
                model: String::new(),
                verbose: true,
                program: ProgramConfig::default(),
            },
            codex: CodexConfig {
                model: String::new(),
                yolo: true,
                full_auto: false,
                dangerously_bypass_approvals_and_sandbox: true,
                ephemeral: false,
                program: ProgramConfig::default(),
            },
            gemini: GeminiConfig {
                model: String::new(),
                approval_mode: String::new(),
                include_directories: String::new(),
                yolo: true,
                output_format: "text".into(),
                all_files: false,
                debug: false,
                program: ProgramConfig::default(),
            },
            opencode: OpencodeConfig {
                model: String::new(),
                log_level: String::new(),
                format: "default".into(),
                permissions: r#"{"read": "allow", "edit": "allow", "bash": "allow", "glob": "allow", "grep": "allow"}"#
                    .into(),
                program: ProgramConfig::default(),
            },
            command: CommandConfig {
                argv: vec![],
                success_pattern: String::new(),
                failure_pattern: String::new(),
                environment: BTreeMap::new(),
            },
            replay: ReplayConfig { session: PathBuf::new(), speed: 1.0 },
        },
        run: RunConfig {
            max_retries: 3,
            max_tasks: 999,
            max_epochs: 1,
            heartbeat_interval: 20,
            delay_between_tasks: 2,
            keep_attempt_logs: true,
            reset_tasks_on_start: false,
            attempt_timeout_seconds: 0,
            idle_timeout_seconds: 1800,
            root_mode: RootModeConfig { disable_skip_permissions: true, fallback_permission_mode: "default".into() },
        },
        files: FilesConfig {
            task_json: "/p/task.json".into(),
            progress: "/p/progress.txt".into(),
            execution_guide: "/p/AGENT.md".into(),
            task_brief: "/p/TASK.md".into(),
            log_dir: "/p/logs".into(),
            attempt_log_subdir: "/p/logs/attempts".into(),
        },
        verification: VerificationConfig {
            min_changed_files: 1,
            changed_files_preview_limit: 20,
            validate_commands: vec![],
            validate_timeout_seconds: 1800,
            validate_working_directory: String::new(),
            validate_environment: BTreeMap::new(),
        },
        plan: PlanConfig { timeout_seconds: 600 },
        watch: WatchConfig {
            dirs: vec!["/p/ai-docs".into()],
            globs: vec!["**/*.md".into(), "!**/README.md".into()],
            debounce_ms: 500,
            on_plan: OnPlan::Queue,
            mode: WatchMode::Auto,
            poll_interval_ms: 2000,
            rescan_seconds: 60,
        },
        reflection: ReflectionConfig {
            enabled: true,
            max_refinements_per_task: 3,
            prompt_timeout_seconds: 180,
            log_tail_lines: 80,
            max_attempt_history_entries: 12,
            max_learning_notes: 20,
            max_project_learning_entries: 50,
            prompt_learning_limit: 6,
        },
        prompt: PromptConfig { template_file: PathBuf::new(), template: String::new(), dir: PathBuf::new() },
        snapshot: SnapshotConfig {
            watch_dirs: vec!["/p".into()],
            ignore_dirs: strings(&[".git", ".idea", ".vscode", "build", "venv", "__pycache__", "node_modules", "logs"]),
            ignore_path_globs: strings(&[
                "build-*",
                "cmake-build-*",
                "out-*",
                "*.dir/*",
                "*.o",
                "*.obj",
                "*.so",
                "*.a",
                "*.dylib",
                "*.dll",
                "*.pdb",
                "*.exp",
                "*.lib",
                "*.ptx",
                "*.cubin",
                "*.fatbin",
                "task.json",
                "progress.txt",
            ]),
            include_path_globs: vec![],
        },
        circuit_breaker: BreakerConfig {
            no_progress_threshold: 3,
            repeated_error_threshold: 3,
            rate_limit_cooldown: 300,
            rate_limit_patterns: strings(&[
                "rate_limit",
                "rate limit",
                "overloaded",
                "too many requests",
                "usage cap",
                "capacity",
                "throttl",
            ]),
        },
        git: GitConfig {
            auto_commit: true,
            commit_message_template: "autodev: {task_id} - {task_name}".into(),
            on_block: BlockAction::Salvage,
            experiment_history: ExperimentHistory::Clean,
        },
        env_errors: EnvErrorsConfig {
            halt_patterns: strings(&[
                "cannot be used with root/sudo privileges",
                "permission denied",
                "eacces",
                "unauthorized",
                "invalid api key",
                "authentication",
                "forbidden",
                "requires --verbose",
            ]),
        },
        schedule: ScheduleConfig { windows: vec![], cron: vec![], catch_up_seconds: 86_400 },
        detach: DetachConfig { mode: DetachMode::Auto, tmux_session_prefix: "autodev".into() },
        notify: NotifyConfig { dashboard_url: String::new(), timeout_seconds: 10, channels: Vec::new() },
        source: "/p/autodev.toml".into(),
    };
    let loaded = parse("", &[]).unwrap();
    assert_eq!(loaded.config, want);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn the_documentation_has_every_key_and_no_other() {
    let mut findings = Findings::default();
    let layer = defaults(&mut findings).unwrap();
    assert!(findings.errors.is_empty() && findings.warnings.is_empty(), "{findings:?}");
    assert!(layer.keys().copied().eq(0..KEYS.len()), "a key of the schema has no default");

    let mut section = "";
    let mut written = Vec::new();
    let mut before = "";
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((name, _)) =
            line.split_once(" = ").filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            assert!(before.starts_with("# ") && before.ends_with(['.', ';', ':']), "[{section}].{name}: {before:?}");
            written.push(format!("[{section}].{name}"));
        }
        before = line;
    }
    let known: Vec<String> = KEYS.iter().map(ToString::to_string).collect();
    assert_eq!(written, known, "the order is the schema's too");
}

#[test]
fn every_key_of_the_schema_reaches_the_model() {
    let plain = format!("{:?}", config(""));
    for key in KEYS {
        let other = match key.kind {
            Kind::Flag if key.to_string() == "[backend.claude].verbose" => continue,
            Kind::Flag => {
                let at = schema::position(key.section, key.name).unwrap();
                let was = defaults(&mut Findings::default()).unwrap().remove(&at).unwrap().value;
                (was != serde_json::Value::Bool(true)).to_string()
            }
            Kind::Whole { .. } => "77".to_owned(),
            Kind::Real => "7.5".to_owned(),
            Kind::Text(Rule::OneOf(words)) => format!("{:?}", words.last().unwrap()),
            Kind::Text(_) | Kind::Path(_) => "'other'".to_owned(),
            Kind::List(Rule::Window) => "['01:00-02:00']".to_owned(),
            Kind::Recurrences => "[{at = '@daily', plan = 'other'}]".to_owned(),
            Kind::List(_) | Kind::Paths => "['other']".to_owned(),
            Kind::Table => "{A = 'other'}".to_owned(),
            Kind::Records(_) => "[{kind = 'desktop'}]".to_owned(),
        };
        let other =
            match key.to_string().as_str() {
                "[backend.claude].permission_mode" | "[backend.claude].output_format" => {
                    if key.name == "output_format" { "'text'".to_owned() } else { other }
                }
                "[run.root_mode].fallback_permission_mode" => "'dontAsk'".to_owned(),
                _ => other,
            };
        let changed = config(&format!("[{}]\n{} = {other}", key.section, key.name));
        assert_ne!(format!("{changed:?}"), plain, "{key} = {other}");
    }
}

#[test]
fn verbose_follows_from_the_stream_format() {
    assert!(config("[backend.claude]\nverbose = false").backend.claude.verbose);
    assert!(!config("[backend.claude]\nverbose = false\noutput_format = 'json'").backend.claude.verbose);
}

#[test]
fn paths_are_relative_to_what_they_belong_to() {
    let config = config(
        "[project]\ncode_dir = 'code/./x/..'\nconfig_dir = '../state'\n\
         [files]\ntask_json = '/abs/task.json'\nlog_dir = 'out'\nattempt_log_subdir = 'a'\n\
         [prompt]\ntemplate_file = 'p.md'\ndir = 'prompts'\n[snapshot]\nwatch_dirs = ['src', '..', '/lib']\n\
         [backend.replay]\nsession = 's.jsonl'\n[backend.claude]\nprogram = './bin/claude'\n\
         [backend.codex]\nprogram = 'codex-beta'\n[backend.command]\nargv = ['tools/agent', './x']\n",
    );
    assert_eq!(config.project.code_dir, Path::new("/p/code"));
    assert_eq!(config.project.config_dir, Path::new("/state"));
    assert_eq!(config.files.task_json, Path::new("/abs/task.json"));
    assert_eq!(config.files.attempt_log_subdir, Path::new("/p/out/a"));
    assert_eq!(config.prompt.template_file, Path::new("/p/p.md"));
    assert_eq!(config.prompt.dir, Path::new("/p/prompts"));
    assert_eq!(config.snapshot.watch_dirs, [Path::new("/p/code/src"), Path::new("/p"), Path::new("/lib")]);
    assert_eq!(config.backend.replay.session, Path::new("/p/s.jsonl"));
    assert_eq!(config.backend.claude.program.program, "/p/bin/claude");
    assert_eq!(config.backend.codex.program.program, "codex-beta");
    assert_eq!(config.backend.command.argv, ["/p/tools/agent", "./x"]);
}

#[test]
fn all_errors_are_told_at_once_and_in_order() {
    let text = "\
[run]
max_retries = \"three\"
max_tasks = 0
delay_between_tasks = -1
[backend]
default = \"gpt\"
[backend.claude]
permission_mode = 'plan'
output_format = \"xml\"
[backend.gemini]
output_format = 'yaml'
[snapshot]
ignore_path_globs = [\"ok\", \"a[b\", 3]
watch_dirs = 'src'
[backend.command]
success_pattern = '*x'
[backend.replay]
speed = nan
[run.root_mode]
fallback_permission_mode = true
";
    assert_eq!(
        errors(text, &[("AUTODEV_RUN_MAX_EPOCHS", "lots")]),
        "\
autodev.toml:2:15: [run].max_retries: expected a whole number of at least 1, found string \"three\"
autodev.toml:3:13: [run].max_tasks: expected a whole number of at least 1, found integer 0
autodev.toml:4:23: [run].delay_between_tasks: expected a whole number of at least 0, found integer -1
autodev.toml:6:11: [backend].default: expected one of \"claude\", \"codex\", \"gemini\", \"opencode\", \"command\", \"replay\", found string \"gpt\"
autodev.toml:8:19: [backend.claude].permission_mode: expected one of \"bypassPermissions\", \"dontAsk\", \"default\", found string \"plan\"
autodev.toml:9:17: [backend.claude].output_format: expected one of \"text\", \"json\", \"stream-json\", found string \"xml\"
autodev.toml:11:17: [backend.gemini].output_format: expected one of \"text\", \"json\", \"stream-json\", found string \"yaml\"
autodev.toml:13:28: [snapshot].ignore_path_globs: element 2: not a glob: error parsing glob 'a[b': unclosed character class; missing ']'
autodev.toml:13:35: [snapshot].ignore_path_globs: element 3: expected a string, found integer 3
autodev.toml:14:14: [snapshot].watch_dirs: expected an array of strings, found string \"src\" (write [\"src\"])
autodev.toml:16:19: [backend.command].success_pattern: not a regular expression: repetition operator missing expression
autodev.toml:18:9: [backend.replay].speed: expected a finite number of at least 0, found float nan
autodev.toml:20:28: [run.root_mode].fallback_permission_mode: expected one of \"bypassPermissions\", \"dontAsk\", \"default\", found boolean true
AUTODEV_RUN_MAX_EPOCHS: [run].max_epochs: expected a whole number of at least 1, found string \"lots\"",
    );
}

#[test]
fn columns_count_characters_also_behind_other_alphabets() {
    assert_eq!(
        errors("run = {'ключ' = 1, max_retries = 'x'}", &[]),
        "autodev.toml:1:34: [run].max_retries: expected a whole number of at least 1, found string \"x\"",
    );
}

#[test]
fn a_section_must_be_a_table() {
    assert_eq!(
        errors("run = 3\n[[git]]\nauto_commit = true\n", &[]),
        "autodev.toml:1:7: [run]: expected a table, found an integer\n\
         autodev.toml:2:1: [git]: expected a table, found an array of tables; write it with single brackets, and once",
    );
}

#[test]
fn the_command_backend_needs_a_command() {
    assert_eq!(
        errors("[backend]\ndefault = 'command'\n", &[]),
        "autodev.toml:2:11: [backend.command].argv: must name a program to use the backend \"command\"",
    );
    assert_eq!(
        errors("[backend]\ndefault = 'command'\ncommand.argv = ['']\n", &[]),
        "autodev.toml:3:16: [backend.command].argv: the program, its first element, must not be empty",
    );
    assert_eq!(
        errors("", &[("AUTODEV_BACKEND_DEFAULT", "command")]),
        "AUTODEV_BACKEND_DEFAULT: [backend.command].argv: must name a program to use the backend \"command\"",
    );
    let wrong = errors("[backend]\ndefault = 'command'\ncommand.argv = 'x'\n", &[]);
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
    let other = config("[backend.command]\nargv = []\n");
    assert!(backend_problem(&other, BackendName::Command).is_some());
    assert_eq!(backend_problem(&other, BackendName::Claude), None);
    assert_eq!(
        config("[backend]\ndefault = 'command'\ncommand.argv = ['sh', '-c', '']").backend.command.argv,
        ["sh", "-c", ""]
    );
}

#[test]
fn a_written_file_is_no_other_file() {
    assert_eq!(
        errors("[files]\nprogress = './task.json'\n", &[]),
        "autodev.toml:2:12: [files].progress: is the same file as [files].task_json, and would be overwritten",
    );
    assert_eq!(
        errors("[files]\ntask_json = 'TASK.md'\n", &[]),
        "autodev.toml:2:13: [files].task_json: is the same file as [files].task_brief, and would be overwritten",
    );
    assert_eq!(
        errors("", &[("AUTODEV_FILES_TASK_BRIEF", "autodev.toml")]),
        "AUTODEV_FILES_TASK_BRIEF: [files].task_brief: is autodev.toml itself, and would be overwritten",
    );
    config("[files]\nexecution_guide = 'x.md'\n[prompt]\ntemplate_file = 'x.md'\n");
}

#[test]
fn unknown_names_are_warnings_with_a_suggestion() {
    let text = "\
max_retries = 3
retires = 1
[run]
max_retrys = 5
\"strange \\n key\" = 1
[backend]
max_retries = 5
[backend.cladue]
model = 'x'
[claude]
model = 'x'
[reflectoin]
enabled = true
[[tool]]
x = 1
[run.root_mod]
a.b = 1
[verification.validate_enviroment]
A = 1
";
    assert_eq!(
        warnings(text, &[]),
        "\
autodev.toml:1:1: max_retries: unknown key, ignored; did you mean [run].max_retries?
autodev.toml:2:1: retires: unknown key, ignored
autodev.toml:4:1: [run].max_retrys: unknown key, ignored; did you mean [run].max_retries?
autodev.toml:5:1: [run].\"strange \\n key\": unknown key, ignored
autodev.toml:7:1: [backend].max_retries: unknown key, ignored; did you mean [run].max_retries?
autodev.toml:8:10: [backend.cladue]: unknown section, ignored; did you mean [backend.claude]?
autodev.toml:10:2: [claude]: unknown section, ignored; did you mean [backend.claude]?
autodev.toml:12:2: [reflectoin]: unknown section, ignored; did you mean [reflection]?
autodev.toml:14:3: [tool]: unknown section, ignored
autodev.toml:16:6: [run.root_mod]: unknown section, ignored; did you mean [run.root_mode]?
autodev.toml:18:15: [verification.validate_enviroment]: unknown section, ignored; did you mean [verification].validate_environment?",
    );
    assert_eq!(config(text).run.max_retries, 3);
}

#[test]
fn gate_is_the_older_name_of_verification() {
    let old = parse("[gate]\nmin_changed_files = 7\nvalidate_environment = {A = 1}\n", &[]).unwrap();
    assert_eq!((old.config.verification.min_changed_files, old.warnings), (7, vec![]));
    assert_eq!(old.config.verification.validate_environment, BTreeMap::from([("A".into(), "1".into())]));
    let both = "[gate]\nmin_changed_files = 'x'\n[verification]\nmin_changed_files = 2\n";
    assert_eq!(config(both).verification.min_changed_files, 2);
    assert_eq!(warnings(both, &[]), "autodev.toml:1:2: [gate]: ignored, because there is a [verification]");
    assert_eq!(
        errors("[gate]\nmin_changed_files = 'x'\n", &[]),
        "autodev.toml:2:21: [gate].min_changed_files: expected a whole number of at least 0, found string \"x\"",
    );
}

#[test]
fn the_environment_wins_and_replaces_what_is_wrong_in_the_file() {
    let text = "[run]\nmax_retries = 'three'\n[backend.codex]\nmodel = 5\n[project]\nname = 'file'\n";
    let env = [
        ("AUTODEV_RUN_MAX_RETRIES", "8"),
        ("AUTODEV_BACKEND_CODEX_MODEL", "m"),
        ("AUTODEV_RUN_ROOT_MODE_DISABLE_SKIP_PERMISSIONS", "no"),
        ("AUTODEV_PROJECT_NAME", "environment"),
        ("AUTODEV_VERIFICATION_VALIDATE_COMMANDS", "pytest -q"),
        ("AUTODEV_SNAPSHOT_IGNORE_DIRS", "[\"a\", \"b\"]"),
        ("AUTODEV_VERIFICATION_VALIDATE_ENVIRONMENT", "{\"A\": 1}"),
        ("AUTODEV_BACKEND_REPLAY_SPEED", "0"),
        ("AUTODEV_FILES_LOG_DIR", "elsewhere"),
    ];
    let Loaded { config, warnings } = parse(text, &env).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.run.max_retries, 8);
    assert_eq!(config.backend.codex.model, "m");
    assert!(!config.run.root_mode.disable_skip_permissions);
    assert_eq!(config.project.name, "environment");
    assert_eq!(config.verification.validate_commands, ["pytest -q"]);
    assert_eq!(config.snapshot.ignore_dirs, ["a", "b"]);
    assert_eq!(config.verification.validate_environment, BTreeMap::from([("A".into(), "1".into())]));
    assert!(config.backend.replay.speed.abs() < f64::EPSILON);
    assert_eq!(config.files.attempt_log_subdir, Path::new("/p/elsewhere/attempts"));
}

#[test]
fn every_key_has_its_variable() {
    for key in KEYS {
        let text = match key.kind {
            Kind::Whole { .. } | Kind::Real => "x",
            Kind::Table => "[]",
            Kind::Flag | Kind::Path(_) | Kind::List(_) | Kind::Paths | Kind::Recurrences | Kind::Text(_) => "a\0b",
            Kind::Records(_) => "{}",
        };
        if key.kind == Kind::Flag {
            assert!(parse("", &[(&key.variable(), text)]).unwrap().warnings.is_empty(), "{key}");
        } else {
            let message = errors("", &[(&key.variable(), text)]);
            assert!(message.starts_with(&format!("{}: {key}: ", key.variable())), "{message}");
        }
    }
}

#[test]
fn foreign_variables_are_ignored_and_slips_are_told() {
    let env = [
        ("AUTODEV_RUN_ID", "r1"),
        ("AUTODEV_REQUIRE", "x"),
        ("AUTODEV_WHATEVER", "x"),
        ("PATH", "/bin"),
        ("AUTODEV_RUN_MAX_RETRY", "5"),
        ("AUTODEV_BACKEND_CODEX_MODLE", "5"),
        ("AUTODEV_GATE_MIN_CHANGED_FILES", "5"),
        ("AUTODEV_GIT_DIR", "x"),
    ];
    assert_eq!(
        warnings("", &env),
        "\
AUTODEV_BACKEND_CODEX_MODLE: names no setting, ignored; did you mean AUTODEV_BACKEND_CODEX_MODEL?
AUTODEV_GATE_MIN_CHANGED_FILES: names no setting, ignored; did you mean AUTODEV_VERIFICATION_MIN_CHANGED_FILES?
AUTODEV_GIT_DIR: names no setting, ignored
AUTODEV_RUN_MAX_RETRY: names no setting, ignored; did you mean AUTODEV_RUN_MAX_RETRIES?",
    );
}

#[test]
fn a_syntax_error_shows_its_line() {
    let message = errors("[run]\nmax_retries = = 3\n", &[]);
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines[0].starts_with("autodev.toml:2:15: "), "{message}");
    assert_eq!(lines[1..], ["  2 | max_retries = = 3", "                    ^"], "{message}");
    let message = errors("[run]\na = 1\na = 2\n[run\n\nb = = 4\n", &[]);
    assert!(message.contains("autodev.toml:3:1: duplicate key"), "{message}");
    assert!(message.contains("autodev.toml:4:") && message.contains("autodev.toml:6:"), "{message}");
}

#[test]
fn bad_permissions_for_opencode_are_a_warning() {
    let text = warnings("[backend.opencode]\npermissions = '{read'\n", &[]);
    assert!(text.starts_with("autodev.toml:2:15: [backend.opencode].permissions: not JSON"), "{text}");
    assert_eq!(warnings("[backend.opencode]\npermissions = ''\n", &[]), "");
}

#[test]
fn a_monster_is_reported_whole() {
    let mut text = String::new();
    for section in SECTIONS {
        writeln!(text, "[{section}]").unwrap();
        for n in 0..15 {
            writeln!(text, "invented_{n} = {n}").unwrap();
        }
        for key in KEYS.iter().filter(|key| key.section == section) {
            writeln!(text, "{} = 1979-05-27", key.name).unwrap();
        }
    }
    let ConfigError::Invalid { problems, warnings } = parse(&text, &[]).unwrap_err() else { panic!() };
    assert_eq!((problems.len(), warnings.len()), (KEYS.len(), 15 * SECTIONS.len()));
    assert!(problems.is_sorted_by_key(|problem| &problem.place));
    let unknown: String =
        text.lines().filter(|line| !line.contains("1979")).fold(String::new(), |all, line| all + line + "\n");
    assert_eq!(parse(&unknown, &[]).unwrap().warnings.len(), 15 * SECTIONS.len());
}

#[test]
fn depth_and_size_do_no_harm() {
    let deep = 100_000;
    let nest = format!("{{{}a=", "a.".repeat(78));
    for text in [
        format!("[run]\n{}x = 1\n", "a.".repeat(deep)),
        format!("[{}x]\ny = 1\n", "a.".repeat(deep)),
        format!("[verification]\nvalidate_environment.{}x = 1\n", "a.".repeat(deep)),
        format!("x = 1\nx = {{{}x = 1}}\n", "a.".repeat(deep)),
        "[".repeat(deep),
        format!("x = {}", "[".repeat(deep)),
        format!("x = {}1{}", "{a=".repeat(deep), "}".repeat(deep)),
        // The deepest that the parser takes: 80 dotted names in each of 80 tables.
        format!("x = {}1{}", nest.repeat(78), "}".repeat(78)),
        format!("x = 1\nx = {}1{}", nest.repeat(78), "}".repeat(78)),
        "a = = 1\n".repeat(deep),
        (0..20_000).fold(String::new(), |all, n| all + &format!("k{n} = 1\n")),
    ] {
        drop(parse(&text, &[]));
    }
    let deepest = format!("x = {}1{}", nest.repeat(78), "}".repeat(78));
    assert_eq!(warnings(&deepest, &[]), "autodev.toml:1:1: [x]: unknown section, ignored");
    let too_deep = errors(&format!("{}x = 1\n", "a.".repeat(deep)), &[]);
    assert_eq!(too_deep, "autodev.toml:1:1: recursion limit");
    let many = errors(&"a = = 1\n".repeat(1000), &[]);
    assert!(many.lines().count() <= 30, "{many}");
}

#[test]
fn the_way_of_writing_tables_does_not_matter() {
    let want = config("[run]\nmax_retries = 9\n[run.root_mode]\ndisable_skip_permissions = false\n");
    for text in [
        "run.max_retries = 9\nrun.root_mode.disable_skip_permissions = false\n",
        "run = {max_retries = 9, root_mode = {disable_skip_permissions = false}}\n",
        "[run.root_mode]\ndisable_skip_permissions = false\n[run]\nmax_retries = 9\n",
        "\u{feff}[run]\r\nmax_retries = 9\r\nroot_mode.disable_skip_permissions = false\r\n",
    ] {
        assert_eq!(config(text), want, "{text}");
    }
}

#[test]
fn only_these_numbers_must_not_be_zero_and_none_may_be_negative() {
    let load = |key: &schema::Key, value: i64| parse(&format!("[{}]\n{} = {value}\n", key.section, key.name), &[]);
    let numbers: Vec<_> = KEYS.iter().filter(|key| matches!(key.kind, Kind::Whole { .. } | Kind::Real)).collect();
    let refuse_zero: Vec<&str> = numbers.iter().filter(|key| load(key, 0).is_err()).map(|key| key.name).collect();
    let want = [
        "max_retries",
        "max_tasks",
        "max_epochs",
        "validate_timeout_seconds",
        "debounce_ms",
        "poll_interval_ms",
        "rescan_seconds",
        "timeout_seconds",
    ];
    assert_eq!(refuse_zero, want);
    for key in numbers {
        let least = if let Kind::Whole { least } = key.kind { least.max(1) } else { 1 };
        assert!(load(key, least.into()).is_ok() && load(key, -1).is_err(), "{key}");
    }
}
