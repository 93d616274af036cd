use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::make::make_with;
use super::*;

fn skills() -> Vec<Skill> {
    let file = |path: &str, content: &[u8], is_executable| SkillFile {
        path: path.to_owned(),
        content: content.to_vec(),
        is_executable,
    };
    vec![
        Skill {
            name: "one".to_owned(),
            files: vec![file("SKILL.md", b"# One", false), file("scripts/run.sh", b"#!/bin/sh\n\xff", true)],
        },
        Skill { name: "two".to_owned(), files: vec![file("SKILL.md", b"# Two", false)] },
    ]
}

fn planned(name: &str, tools: &[Tool], present: &Present) -> Plan {
    let skills = skills();
    let texts = Texts { config: "config", brief: "brief", progress: "progress" };
    let wanted = Wanted { name, tools, skills: &skills, checks: &[], files: &Files::default(), texts };
    plan(&wanted, present).unwrap()
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.entries.iter().map(|entry| entry.path.as_str()).collect()
}

fn content<'a>(plan: &'a Plan, path: &str) -> &'a str {
    let entry = plan.entries.iter().find(|entry| entry.path == path).unwrap_or_else(|| panic!("no {path}"));
    match &entry.kind {
        Kind::File { content, .. } => std::str::from_utf8(content).unwrap(),
        kind => panic!("{path}: {kind:?}"),
    }
}

/// Makes a plan for these tools in a directory as it is.
fn set_up(dir: &Path, tools: &[Tool]) -> Made {
    make(dir, &planned("demo", tools, &Present::look(dir, &Files::default()))).unwrap()
}

/// An error and its cause.
fn told(error: &ScaffoldError) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    assert!(crate::sys::fs::write_new(&path, text.as_bytes(), false).unwrap(), "{}", path.display());
}

#[test]
fn the_common_entries_come_in_the_order_of_the_documentation() {
    let plan = planned("demo", &[], &Present::default());
    let wanted = [
        "autodev.toml",
        "task.json",
        "AGENT.md",
        "TASK.md",
        "progress.txt",
        ".skills",
        ".skills/one/SKILL.md",
        ".skills/one/scripts/run.sh",
        ".skills/two/SKILL.md",
        "logs/attempts",
        "logs/.gitignore",
        ".autodev/.gitignore",
    ];
    assert_eq!(paths(&plan), wanted);
    assert_eq!(plan.remarks, Vec::<String>::new());
    let made = make(&tempfile::tempdir().unwrap().path().join("new/er"), &plan).unwrap();
    let told = [
        "autodev.toml",
        "task.json",
        "AGENT.md",
        "TASK.md",
        "progress.txt",
        ".skills/one/",
        ".skills/two/",
        "logs/",
        ".autodev/",
    ];
    assert_eq!(made.created, told);
}

#[test]
fn every_template_renders_for_every_tool_with_and_without_checks() {
    for checks in [vec![], vec!["cargo test".to_owned()]] {
        let (files, skills) = (Files::default(), skills());
        let texts = Texts { config: "", brief: "", progress: "" };
        let wanted = Wanted { name: "demo", tools: &Tool::ALL, skills: &skills, checks: &checks, files: &files, texts };
        let plan = plan(&wanted, &Present::default()).unwrap();
        for path in ["AGENT.md", "AGENTS.md"] {
            assert_eq!(content(&plan, path).contains("- `cargo test`\n"), !checks.is_empty(), "{path}");
        }
        for entry in &plan.entries {
            let Kind::File { content, .. } = &entry.kind else { continue };
            let text = String::from_utf8_lossy(content);
            assert!(!text.contains("{%") && !text.contains("\n\n\n"), "{}: {text}", entry.path);
            assert_eq!(text.contains("{{args}}"), entry.path.contains("/commands/autodev/"), "{}", entry.path);
        }
    }
}

#[test]
fn files_of_the_runner_that_have_other_names_are_named_so() {
    let files = Files {
        queue: "state/queue.json".to_owned(),
        guide: "docs/RULES.md".to_owned(),
        progress: "/var/log/progress.txt".to_owned(),
        ..Files::default()
    };
    let texts = Texts { config: "", brief: "", progress: "" };
    let wanted = Wanted { name: "demo", tools: &[Tool::Codex], skills: &[], checks: &[], files: &files, texts };
    let plan = plan(&wanted, &Present::default()).unwrap();
    let paths = paths(&plan);
    assert!(paths.contains(&"state/queue.json") && paths.contains(&"docs/RULES.md"), "{paths:?}");
    assert!(paths.iter().all(|path| !path.starts_with('/') && !path.contains("progress")), "{paths:?}");
    let guide = content(&plan, ".codex/AGENTS.md");
    assert!(guide.contains("`../docs/RULES.md`") && guide.contains("`/var/log/progress.txt`"), "{guide}");
    assert!(content(&plan, ".codex/rules/core.md").contains("`../../docs/RULES.md`"));
}

#[test]
fn a_skill_that_leads_out_of_its_place_is_refused() {
    for (name, path) in [("..", "SKILL.md"), ("a/b", "x"), ("", "x"), ("a", "../x"), ("a", "/etc/x"), ("a", "")] {
        let file = SkillFile { path: path.to_owned(), content: Vec::new(), is_executable: false };
        let skills = [Skill { name: name.to_owned(), files: vec![file] }];
        let texts = Texts { config: "", brief: "", progress: "" };
        let files = Files::default();
        let wanted = Wanted { name: "demo", tools: &[], skills: &skills, checks: &[], files: &files, texts };
        let error = plan(&wanted, &Present::default()).unwrap_err();
        assert!(matches!(error, ScaffoldError::SkillPath { .. }), "{name:?} {path:?}: {error}");
    }
}

#[test]
fn instruction_files_of_the_user_decide_what_is_added() {
    let some = |text: &str| Some(text.to_owned());
    let roots = |tools: &[Tool], present: &Present| {
        let plan = planned("demo", tools, present);
        ["AGENTS.md", "CLAUDE.md"].map(|path| paths(&plan).contains(&path))
    };
    let (claude, codex) = ([Tool::Claude], [Tool::Codex]);
    let nothing = Present::default();
    assert_eq!(roots(&claude, &nothing), [true, true]);
    assert_eq!(roots(&codex, &nothing), [true, false]);
    // Claude Code reads a CLAUDE.md of the user, the guide and the rules; AGENTS.md would not be read.
    let own = Present { claude: some("mine"), ..Present::default() };
    assert_eq!(roots(&claude, &own), [false, false]);
    assert_eq!(roots(&codex, &own), [true, false]);
    // With a guide beside it Claude Code no longer falls back to AGENTS.md.
    let agents = Present { agents: some("mine"), ..Present::default() };
    assert_eq!(roots(&claude, &agents), [true, true]);
    // What the inner file includes is not included once more.
    let inner = Present { inner_claude: some("# Mine\n@../AGENTS.md\n"), ..Present::default() };
    assert_eq!(roots(&claude, &inner), [false, false]);
    let other = Present { inner_claude: some("# Mine, not user@AGENTS.md.org"), ..Present::default() };
    assert_eq!(roots(&claude, &other), [true, true]);
}

#[test]
fn instructions_that_a_new_file_would_hide_are_named_in_it() {
    let present = Present { claude: Some("mine".to_owned()), ..Present::default() };
    assert!(content(&planned("demo", &[Tool::Opencode], &present), "AGENTS.md").contains("`CLAUDE.md`: read it too"));
    let present = Present { claude: Some("@AGENTS.md".to_owned()), ..Present::default() };
    assert!(!content(&planned("demo", &[Tool::Opencode], &present), "AGENTS.md").contains("CLAUDE.md"));
}

#[test]
fn the_user_is_told_which_line_to_add_until_it_is_there() {
    let remarks = |tools: &[Tool], agents: &str, settings: &str| {
        let present = Present {
            agents: Some(agents.to_owned()),
            gemini_settings: Some(settings.to_owned()),
            ..Present::default()
        };
        planned("demo", tools, &present).remarks.len()
    };
    assert_eq!(remarks(&[Tool::Codex], "mine", ""), 1);
    assert_eq!(remarks(&[Tool::Codex], "mine, MY-AGENT.md", ""), 1);
    assert_eq!(remarks(&[Tool::Codex], "mine; see `AGENT.md`.", ""), 0);
    assert_eq!(remarks(&[Tool::Gemini], "mine", "{}"), 2);
    assert_eq!(remarks(&[Tool::Gemini], "AGENT.md", r#"{"context": {"fileName": "AGENTS.md"}}"#), 0);
    assert_eq!(remarks(&[Tool::Claude], "mine", "{}"), 0, "Claude Code has its own guide");
}

#[test]
fn making_twice_makes_nothing_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let all = planned("demo", &Tool::ALL, &Present::default());
    for entry in &all.entries {
        if matches!(entry.kind, Kind::File { .. }) {
            write(dir, &entry.path, "mine");
        }
    }
    let made = make(dir, &all).unwrap();
    assert_eq!(
        made.created,
        ["logs/", ".agents/skills", ".claude/skills", ".codex/skills", ".gemini/skills", ".opencode/skills"]
    );
    for entry in &all.entries {
        if matches!(entry.kind, Kind::File { .. }) {
            assert_eq!(fs::read_to_string(dir.join(&entry.path)).unwrap(), "mine", "{}", entry.path);
        }
    }
    assert_eq!(make(dir, &all).unwrap(), Made::default());
}

#[test]
fn a_skill_that_lost_a_file_gets_it_back_and_keeps_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    set_up(dir, &[]);
    let script = dir.join(".skills/one/scripts/run.sh");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o700, 0o700);
    assert_eq!(fs::metadata(dir.join(".skills/one/SKILL.md")).unwrap().permissions().mode() & 0o100, 0);
    fs::remove_file(&script).unwrap();
    assert_eq!(set_up(dir, &[]).created, [".skills/one/"]);
    assert_eq!(fs::read(&script).unwrap(), b"#!/bin/sh\n\xff");
}

#[test]
fn links_lead_to_the_skills_also_when_the_project_moves() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a");
    set_up(&dir, &Tool::ALL);
    let moved = parent.path().join("b");
    fs::rename(&dir, &moved).unwrap();
    for root in [".agents", ".claude", ".codex", ".gemini", ".opencode"] {
        assert_eq!(fs::read_link(moved.join(root).join("skills")).unwrap(), Path::new("../.skills"));
        assert!(moved.join(root).join("skills/one/SKILL.md").is_file());
    }
}

#[test]
fn links_that_are_there_are_judged_by_where_they_lead() {
    let elsewhere = tempfile::tempdir().unwrap();
    let judged = |target: &dyn Fn(&Path) -> std::path::PathBuf| {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".codex")).unwrap();
        let link = dir.path().join(".codex/skills");
        symlink(target(dir.path()), &link).unwrap();
        let made = set_up(dir.path(), &[Tool::Codex]);
        (made.created.contains(&".codex/skills".to_owned()), made.remarks, fs::read_link(&link).unwrap())
    };
    let ours = Path::new("../.skills");
    // Ours in other words.
    let (is_made, remarks, _) = judged(&|dir| dir.join(".skills"));
    assert_eq!((is_made, remarks.len()), (false, 0));
    // Ours, but the project has moved.
    let (is_made, remarks, target) = judged(&|_| "/gone/project/.skills".into());
    assert_eq!((is_made, remarks.len(), target.as_path()), (true, 0, ours));
    // Somebody else's.
    let (is_made, remarks, target) = judged(&|_| elsewhere.path().to_path_buf());
    assert!(!is_made && target == elsewhere.path());
    assert!(remarks[0].starts_with(".codex/skills is a link to ") && remarks.len() == 1, "{remarks:?}");
    // Somebody else's that leads nowhere.
    let (is_made, remarks, target) = judged(&|_| "/gone/my-skills".into());
    assert!(!is_made && target == Path::new("/gone/my-skills"));
    assert!(remarks[0].contains("/gone/my-skills, which is not there") && remarks.len() == 1, "{remarks:?}");
    // In a circle.
    let (is_made, remarks, _) = judged(&|_| "skills".into());
    assert!(!is_made && remarks.len() == 1, "{remarks:?}");
}

#[test]
fn a_directory_or_file_in_place_of_a_link_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), ".codex/skills/mine/SKILL.md", "mine");
    write(dir.path(), ".agents/skills", "mine");
    let made = set_up(dir.path(), &[Tool::Codex]);
    assert_eq!(
        made.remarks,
        [
            ".agents/skills is a file and was left alone",
            ".codex/skills is a directory and was left alone: it lacks skills of .skills/",
        ]
    );
    assert!(dir.path().join(".codex/skills/mine/SKILL.md").is_file());
}

#[test]
fn without_links_the_skills_are_copied_once() {
    for kind in [io::ErrorKind::Unsupported, io::ErrorKind::PermissionDenied] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let plan = planned("demo", &[Tool::Claude], &Present::default());
        let unlinked = |_: &Path, _: &Path| Err(io::Error::from(io::ErrorKind::Unsupported));
        let denied = |_: &Path, _: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let made = make_with(dir, &plan, if kind == io::ErrorKind::Unsupported { unlinked } else { denied }).unwrap();
        assert!(made.created.contains(&".claude/skills".to_owned()));
        assert!(made.remarks[0].starts_with(".claude/skills is a copy of .skills/"), "{:?}", made.remarks);
        let copied = dir.join(".claude/skills/one/scripts/run.sh");
        assert_eq!(fs::read(&copied).unwrap(), b"#!/bin/sh\n\xff");
        assert_eq!(fs::metadata(&copied).unwrap().permissions().mode() & 0o100, 0o100);
        assert_eq!(make_with(dir, &plan, unlinked).unwrap(), Made::default());
    }
    let dir = tempfile::tempdir().unwrap();
    let plan = planned("demo", &[Tool::Claude], &Present::default());
    let full = |_: &Path, _: &Path| Err(io::Error::from(io::ErrorKind::StorageFull));
    let error = told(&make_with(dir.path(), &plan, full).unwrap_err());
    assert!(error.contains(".claude/skills") && !error.contains("after 0 new entries"), "{error}");
}

#[test]
fn nothing_is_written_through_a_directory_that_is_a_link() {
    let outside = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    symlink(outside.path(), dir.path().join(".codex")).unwrap();
    symlink("nowhere", dir.path().join("logs")).unwrap();
    write(dir.path(), ".claude", "a file");
    let made = set_up(dir.path(), &[Tool::Codex, Tool::Claude]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(
        made.remarks,
        [
            "logs is a link: nothing was written below it",
            ".codex is a link: nothing was written below it",
            ".claude is a file: nothing was written below it",
        ]
    );
    assert!(dir.path().join(".claude-plugin/plugin.json").is_file() && dir.path().join("AGENT.md").is_file());
}

#[test]
fn what_is_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    symlink("nowhere.md", dir.path().join("AGENT.md")).unwrap();
    fs::create_dir(dir.path().join("TASK.md")).unwrap();
    let made = set_up(dir.path(), &[]);
    assert_eq!(
        made.remarks,
        ["AGENT.md is a link to nowhere.md, which is not there", "TASK.md is a directory and was left alone"]
    );
}

#[test]
fn logs_that_are_not_only_ours_are_not_hidden_from_git() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "logs/autodev.log", "");
    assert!(set_up(dir.path(), &[]).created.contains(&"logs/".to_owned()));
    assert_eq!(fs::read(dir.path().join("logs/.gitignore")).unwrap(), b"*\n");
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "logs/measurements.csv", "");
    set_up(dir.path(), &[]);
    assert!(!dir.path().join("logs/.gitignore").exists() && dir.path().join("logs/attempts").is_dir());
}

#[test]
fn an_error_names_the_place_and_how_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "file", "");
    let error = make(&dir.path().join("file/below"), &planned("demo", &[], &Present::default())).unwrap_err();
    let error = told(&error);
    assert!(error.contains("file/below: ") && error.contains("after 0 new entries"), "{error}");
}

proptest! {
    #[test]
    fn any_name_is_data_in_every_format(name in "(\\PC|[\"\\\\\n\r\t`{}%#@<>\u{0}\u{7f}]){1,20}") {
        let plan = planned(&name, &Tool::ALL, &Present::default());
        let plain = planned("demo", &Tool::ALL, &Present::default());
        let json = |path: &str| serde_json::from_str::<serde_json::Value>(content(&plan, path)).unwrap();
        prop_assert_eq!(&json("task.json")["project"], &serde_json::Value::from(name.clone()));
        prop_assert!(json(".claude-plugin/plugin.json")["description"].as_str().unwrap().contains(&name));
        prop_assert!(json(".claude-plugin/marketplace.json")["displayName"].as_str().unwrap().contains(&name));
        for (entry, plain) in plan.entries.iter().zip(&plain.entries) {
            let (Kind::File { content, .. }, Kind::File { content: plain, .. }) = (&entry.kind, &plain.kind) else { continue };
            let lines = |text: &[u8]| String::from_utf8_lossy(text).lines().count();
            prop_assert_eq!(lines(content), lines(plain), "{} keeps its lines", entry.path);
        }
    }
}
