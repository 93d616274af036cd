//! `autodev init`: what a project gets, what stays as it is, and that it works from there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::harness::{DILIGENT, Done, ONE_TASK, Project};

const COMMON: [&str; 12] = [
    "autodev.toml",
    "task.json",
    "AGENT.md",
    "TASK.md",
    "progress.txt",
    ".skills/autodev-runtime/",
    ".skills/coca-spec/",
    ".skills/spec-driven-develop/",
    ".skills/find-skills/",
    ".skills/skill-creator/",
    "logs/",
    ".autodev/",
];
const CLAUDE: [&str; 9] = [
    "AGENTS.md",
    "CLAUDE.md",
    ".claude-plugin/plugin.json",
    ".claude-plugin/marketplace.json",
    ".claude/CLAUDE.md",
    ".claude/rules/core.md",
    ".claude/commands/spec-dev.md",
    ".claude/commands/coca-spec.md",
    ".claude/skills",
];
const CODEX: [&str; 6] =
    ["AGENTS.md", ".agents/skills", ".codex/INSTALL.md", ".codex/AGENTS.md", ".codex/rules/core.md", ".codex/skills"];
const GEMINI: [&str; 12] = [
    "AGENTS.md",
    ".gemini/INSTALL.md",
    ".gemini/GEMINI.md",
    ".gemini/rules/core.md",
    ".gemini/commands/autodev/spec-dev.toml",
    ".gemini/commands/autodev/coca-spec.toml",
    ".gemini/settings.json",
    ".gemini/extensions/autodev-local/gemini-extension.json",
    ".gemini/extensions/autodev-local/GEMINI.md",
    ".gemini/extensions/autodev-local/commands/autodev/spec-dev.toml",
    ".gemini/extensions/autodev-local/commands/autodev/coca-spec.toml",
    ".gemini/skills",
];
const OPENCODE: [&str; 7] = [
    "AGENTS.md",
    ".agents/skills",
    ".opencode/INSTALL.md",
    ".opencode/AGENTS.md",
    ".opencode/rules/core.md",
    ".opencode/.gitignore",
    ".opencode/skills",
];
const TOOLS: [(&str, &[&str]); 4] =
    [("claude", &CLAUDE), ("codex", &CODEX), ("gemini", &GEMINI), ("opencode", &OPENCODE)];

/// An empty directory with nothing but the fake agents on PATH.
fn empty() -> Project {
    let mut project = Project::without_git();
    for name in ["autodev.toml", "task.json"] {
        fs::remove_file(project.path(name)).unwrap();
    }
    let bin = project.dir().parent().unwrap().join("bin");
    project.env("PATH", bin.to_str().unwrap());
    project
}

/// What init says it has made.
fn created(done: &Done) -> Vec<String> {
    let lines = done.out.lines().skip(1).take_while(|line| !line.is_empty());
    lines.map(|line| line.strip_prefix("  ").unwrap().to_owned()).collect()
}

fn json(project: &Project, args: &[&str]) -> Value {
    project.output_json(&[&["init", "--json"], args].concat(), 0)
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn backend(project: &Project) -> String {
    let config: toml::Table = project.read("autodev.toml").parse().unwrap();
    config["backend"]["default"].as_str().unwrap().to_owned()
}

/// Every file and link below the project with its content or target.
fn tree(project: &Project) -> Vec<(String, Vec<u8>)> {
    let content = |name: &String| {
        let path = project.path(name);
        fs::read_link(&path).map_or_else(|_| fs::read(&path).unwrap(), |to| to.to_str().unwrap().as_bytes().to_vec())
    };
    project.find("", "").into_iter().map(|name| (name.clone(), content(&name))).collect()
}

#[test]
fn every_tool_gets_its_files_and_they_are_listed_in_order() {
    for (tool, files) in TOOLS {
        let project = empty();
        let done = project.expect(&["init", "--use", tool, "--name", "Demo"], 0);
        assert_eq!(done.err, "");
        assert_eq!(created(&done), [&COMMON, files].concat(), "{tool}");
        let dir = project.dir().canonicalize().unwrap();
        let n = COMMON.len() + files.len();
        assert_eq!(done.out.lines().next().unwrap(), format!("Created {n} entries in {}:", dir.display()));
        assert!(done.out.contains("\n  autodev plan ") && done.out.contains("\n  autodev run "), "{}", done.out);
        assert!(!done.out.contains("\n  cd "), "{}", done.out);
        assert_eq!(backend(&project), tool);
        for file in created(&done) {
            assert!(project.has(&file), "{file}");
        }
        assert!(project.path("logs/attempts").is_dir());
        for link in files.iter().filter(|file| file.ends_with("/skills")) {
            assert_eq!(fs::read_link(project.path(link)).unwrap(), Path::new("../.skills"), "{link}");
        }
        // Nothing that was not told.
        let told = |path: &str| {
            created(&done).iter().any(|told| path == told || told.ends_with('/') && path.starts_with(told.as_str()))
        };
        assert!(tree(&project).iter().all(|(path, _)| told(path)), "{:?}", project.find("", ""));
    }
}

#[test]
fn the_files_hold_what_their_readers_need() {
    let project = empty();
    project.expect(&["init", "--use", "all", "--name", "Demo Shop"], 0);
    assert_eq!(
        project.json("task.json"),
        serde_json::json!({ "project": "Demo Shop", "learning_journal": [], "tasks": [] })
    );
    let rules = project.read("AGENT.md");
    for word in [
        "Demo Shop",
        "TASK.md",
        "task.json",
        "progress.txt",
        ".skills/",
        "BLOCKED:",
        "`passes`",
        "git reset",
        ".skills/coca-spec/SKILL.md",
        ".skills/spec-driven-develop/SKILL.md",
        "autodev-runtime/references/task-lifecycle.md",
        "find-skills",
        "skill-creator",
    ] {
        assert!(rules.contains(word), "AGENT.md lacks {word}");
    }
    assert!(project.read("TASK.md").starts_with("# Current Task\n\nNo task is being worked on.\n"));
    assert!(project.read("progress.txt").starts_with("# Demo Shop progress\n"));
    for (guide, label) in [
        (".claude/CLAUDE.md", "Claude Code"),
        (".codex/AGENTS.md", "Codex"),
        (".gemini/GEMINI.md", "Gemini CLI"),
        (".opencode/AGENTS.md", "OpenCode"),
    ] {
        let text = project.read(guide);
        for word in ["Demo Shop", label, "../AGENT.md", "../TASK.md", "../.skills/", "rules/core.md", "task.json"] {
            assert!(text.contains(word), "{guide} lacks {word}");
        }
        let root = guide.split('/').next().unwrap();
        assert_eq!(project.read(&format!("{root}/rules/core.md")), project.read(".codex/rules/core.md"));
    }
    assert!(project.read("AGENTS.md").contains("AGENT.md"));
    assert_eq!(project.read("CLAUDE.md"), "@AGENTS.md\n");
    for (path, keys) in [
        (".claude-plugin/plugin.json", &["name", "description", "version", "author", "license", "skills"][..]),
        (
            ".claude-plugin/marketplace.json",
            &["name", "displayName", "description", "version", "owner", "plugins", "skills"],
        ),
    ] {
        let value = project.json(path);
        assert_eq!(value["name"], "autodev-local-skills");
        assert_eq!(value["version"], "1.0.0");
        assert_eq!(value["skills"], "./.skills/");
        assert!(value["author"]["name"].is_string() && keys.iter().all(|key| !value[key].is_null()), "{value}");
    }
    // Claude Code copies what `source` names: the skills, not the whole project with its logs.
    let plugin = &project.json(".claude-plugin/marketplace.json")["plugins"][0];
    assert_eq!(
        (&plugin["source"], &plugin["skills"], &plugin["strict"]),
        (&"./.skills".into(), &"./".into(), &false.into())
    );
    let settings = project.json(".gemini/settings.json");
    assert_eq!(settings["mcpServers"], serde_json::json!({}));
    assert_eq!(settings["context"]["fileName"], serde_json::json!(["AGENTS.md", "GEMINI.md"]));
    let extension = project.json(".gemini/extensions/autodev-local/gemini-extension.json");
    assert_eq!((&extension["name"], &extension["contextFileName"]), (&"autodev-local".into(), &"GEMINI.md".into()));
    for (command, skill) in [("spec-dev", "spec-driven-develop"), ("coca-spec", "coca-spec")] {
        for root in [".gemini", ".gemini/extensions/autodev-local"] {
            let text = project.read(&format!("{root}/commands/autodev/{command}.toml"));
            let table: toml::Table = text.parse().unwrap();
            let prompt = table["prompt"].as_str().unwrap();
            assert!(
                prompt.contains(&format!("@{{.skills/{skill}/SKILL.md}}")) && prompt.contains("{{args}}"),
                "{prompt}"
            );
            assert!(table["description"].is_str());
        }
        let text = project.read(&format!(".claude/commands/{command}.md"));
        let (head, body) = text.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
        assert!(head.contains("description: ") && head.contains("\nargument-hint: "), "{head}");
        assert!(body.contains(&format!(".skills/{skill}/SKILL.md")) && body.contains("$ARGUMENTS"), "{body}");
    }
}

#[test]
fn init_name_is_escaped() {
    for name in [
        "say \"hi\"",
        r"back\slash\",
        "two\nlines",
        "{{ name }} {% x %}",
        "'''\"\"\"",
        "@/etc/passwd `x` # y",
        "日本 🦀",
        "\u{7f}\t",
    ] {
        let project = empty();
        project.expect(&["init", "--use", "all", "--name", name], 0);
        let config: toml::Table = project.read("autodev.toml").parse().unwrap();
        assert_eq!(config["project"]["name"].as_str().unwrap(), name);
        assert_eq!(project.json("task.json")["project"], name);
        for path in [".claude-plugin/plugin.json", ".claude-plugin/marketplace.json"] {
            assert!(project.json(path)["description"].as_str().unwrap().contains(name), "{path}");
        }
        for guide in ["AGENT.md", "AGENTS.md", ".claude/CLAUDE.md", ".gemini/GEMINI.md"] {
            let text = project.read(guide);
            let title = text.lines().next().unwrap();
            assert!(title.contains('`') && !text.lines().nth(1).unwrap().contains("lines"), "{guide}: {text}");
            assert!(name.contains(['\n', '\t']) || title.contains(name), "{guide}: {title}");
        }
        let done = project.expect(&["task", "list", "--json"], 0);
        assert_eq!(serde_json::from_str::<Value>(&done.out).unwrap()["counts"]["total"], 0);
    }
}

#[test]
fn the_name_is_the_directorys_unless_given() {
    let project = empty();
    project.expect(&["init", "shop", "--use", "codex"], 0);
    assert_eq!(project.json("shop/task.json")["project"], "shop");
    project.expect(&["init", "other/deep er", "--use", "codex", "--name", " "], 0);
    assert_eq!(project.json("other/deep er/task.json")["project"], "deep er");
    let done = project.expect(&["init", "x y", "--use", "codex"], 0);
    let dir = project.dir().canonicalize().unwrap();
    assert!(done.out.contains(&format!("\n  cd '{}/x y'\n", dir.display())), "{}", done.out);
}

#[test]
fn a_second_time_there_is_nothing_to_do() {
    let project = empty();
    project.expect(&["init", "--use", "all"], 0);
    let before = tree(&project);
    for args in
        [&["init", "--use", "all"][..], &["init"], &["init", "--use", "gemini, CODEX"], &["init", "--name", "x"]]
    {
        let done = project.expect(args, 0);
        assert_eq!(done.out.lines().count(), 1, "{}", done.out);
        assert!(done.out.starts_with("Nothing to do"), "{}", done.out);
    }
    assert_eq!(tree(&project), before);
}

#[test]
fn a_second_tool_is_added_and_the_first_goes_on_running() {
    let project = empty();
    project.expect(&["init", "--use", "codex"], 0);
    let config = project.read("autodev.toml");
    let done = project.expect(&["init", "--use", "claude"], 0);
    let more: Vec<&str> = CLAUDE.into_iter().filter(|path| *path != "AGENTS.md").collect();
    assert_eq!(created(&done), more);
    assert_eq!(project.read("autodev.toml"), config);
    assert!(done.err.contains("default = \"claude\"") && done.err.contains("--backend claude"), "{}", done.err);
    assert!(done.out.contains("Agent: codex"), "{}", done.out);
    let done = project.expect(&["init", "--use", "gemini", "--name", "Else"], 0);
    assert!(done.err.contains("keeps the name"), "{}", done.err);
    assert!(!project.read(".gemini/GEMINI.md").contains("Else"));
}

#[test]
fn several_tools_can_be_named_and_the_first_runs() {
    for (args, first, tools) in [
        (&["--use", " Gemini , claude"][..], "gemini", &["gemini", "claude"][..]),
        (&["--use", "opencode", "--use", "codex,opencode"], "opencode", &["opencode", "codex"]),
        (&["--use", "all"], "codex", &["claude", "codex", "gemini", "opencode"]),
        (&["--use", "claude,all"], "claude", &["claude", "codex", "gemini", "opencode"]),
        (&["--use", "replay"], "replay", &[]),
        (&["--use", "replay,claude"], "replay", &["claude"]),
    ] {
        let project = empty();
        let report = json(&project, args);
        assert_eq!((report["backend"].as_str().unwrap(), texts(&report["tools"])), (first, tools.to_vec()), "{args:?}");
        assert_eq!(backend(&project), first);
        assert_eq!(report["directory"], project.dir().canonicalize().unwrap().to_str().unwrap());
        for (tool, files) in TOOLS {
            let is_made = texts(&report["created"]).contains(files.last().unwrap());
            assert_eq!(is_made, tools.contains(&tool), "{args:?} {tool}");
        }
        project.expect(&["task", "list"], 0);
    }
}

#[test]
fn a_backend_without_files_gets_the_common_ones() {
    let project = empty();
    let done = project.expect(&["init", "--use", "command"], 0);
    assert_eq!(created(&done), COMMON);
    assert!(done.err.contains("[backend.command]") && done.err.contains("argv"), "{}", done.err);
    project.write("autodev.toml", &(project.read("autodev.toml") + "\n[backend.command]\nargv = [\"true\"]\n"));
    project.expect(&["task", "list"], 0);
}

#[test]
fn without_use_the_installed_agent_is_taken() {
    for (installed, taken) in [
        (&[][..], "codex"),
        (&["opencode"], "opencode"),
        (&["opencode", "gemini", "claude"], "claude"),
        (&["gemini", "codex"], "codex"),
    ] {
        for args in [&[][..], &["--use", ""], &["--use", " ,"]] {
            let project = empty();
            for name in installed {
                project.agent(name, "");
            }
            let done = project.expect(&[&["init"], args].concat(), 0);
            assert_eq!(backend(&project), taken);
            assert!(done.out.contains(&format!("Agent: {taken} (")), "{}", done.out);
            assert_eq!(done.out.contains("on PATH yet"), installed.is_empty(), "{}", done.out);
            assert!(project.has(&format!(".{taken}/skills")) || project.path(&format!(".{taken}/skills")).is_symlink());
        }
    }
}

#[test]
fn an_unknown_word_writes_nothing_and_lists_the_choices() {
    for word in ["detected", "clyde", "codex,clyde", "codex claude"] {
        let project = empty();
        let done = project.expect(&["init", "new", "--use", word], 1);
        for choice in ["claude", "codex", "gemini", "opencode", "command", "replay", "all"] {
            assert!(done.err.contains(choice), "{}", done.err);
        }
        assert_eq!(done.out, "");
        assert!(!project.has("new") && tree(&project).is_empty());
    }
}

#[test]
fn existing_files_stay_byte_for_byte() {
    let project = empty();
    let mine = "mine \u{0}\r\n\tno newline";
    let config = "# mine\n[project]\nname = \"Mine\"\n[backend]\ndefault = \"gemini\"\n";
    let names: Vec<&str> = TOOLS.iter().flat_map(|(_, files)| files.iter().copied()).collect();
    let files = ["task.json", "AGENT.md", "TASK.md", "progress.txt", "logs/.gitignore", ".autodev/.gitignore"];
    for name in files.iter().chain(&names).filter(|name| !name.ends_with("/skills")) {
        project.write(name, mine);
    }
    project.write("autodev.toml", config);
    let before = tree(&project);
    let done = project.expect(&["init", "--use", "all", "--name", "Other"], 0);
    assert_eq!(
        created(&done),
        [
            ".skills/autodev-runtime/",
            ".skills/coca-spec/",
            ".skills/spec-driven-develop/",
            ".skills/find-skills/",
            ".skills/skill-creator/",
            "logs/",
            ".agents/skills",
            ".claude/skills",
            ".codex/skills",
            ".gemini/skills",
            ".opencode/skills",
        ]
    );
    let is_old = |name: &str| !name.ends_with("/skills") && !name.starts_with(".skills/");
    assert_eq!(tree(&project).into_iter().filter(|(name, _)| is_old(name)).collect::<Vec<_>>(), before);
    assert!(done.err.contains("note: AGENTS.md is yours") && done.err.contains("add this line"), "{}", done.err);
    assert!(done.err.contains("note: .gemini/settings.json is yours"), "{}", done.err);
}

#[test]
fn the_files_of_an_existing_project_are_taken_from_its_configuration() {
    let project = empty();
    let config = "[project]\nname = \"Kept\"\n[files]\ntask_json = \"state/queue.json\"\nexecution_guide = \"docs/RULES.md\"\n\
                  log_dir = \"var/log\"\n[verification]\nvalidate_commands = [\"make check\"]\n";
    project.toml(config);
    let done = project.expect(&["init", "--use", "opencode"], 0);
    let made = created(&done);
    for path in ["state/queue.json", "docs/RULES.md", "TASK.md", "progress.txt", "var/log/"] {
        assert!(made.iter().any(|made| made == path), "{path}: {made:?}");
    }
    assert!(!project.has("task.json") && !project.has("AGENT.md") && !project.has("logs"));
    assert!(project.read(".opencode/AGENTS.md").contains("`../docs/RULES.md`"));
    assert!(project.read("AGENTS.md").contains("Kept") && project.read("AGENTS.md").contains("- `make check`"));
    assert!(project.expect(&["task", "list"], 0).out.starts_with("Project: Kept\n"));
    assert!(project.expect(&["init", "--use", "opencode"], 0).out.starts_with("Nothing to do"));
}

#[test]
fn a_broken_configuration_is_left_alone_and_told() {
    let project = empty();
    project.toml("[backend\n");
    let done = project.expect(&["init", "--use", "claude"], 0);
    assert!(done.err.contains("note: autodev.toml was left alone, but it cannot be used"), "{}", done.err);
    assert_eq!(project.read("autodev.toml"), "[backend\n");
    assert!(project.has(".claude/CLAUDE.md"));
}

#[test]
fn a_project_below_another_one_is_told() {
    let project = empty();
    project.expect(&["init", "--use", "codex"], 0);
    let done = project.expect(&["init", "sub", "--use", "codex"], 0);
    let above = project.dir().canonicalize().unwrap().join("autodev.toml");
    assert!(done.err.contains(&format!("{} is another project", above.display())), "{}", done.err);
}

#[test]
fn dangling_skills_link_no_crash() {
    for (target, is_mended) in
        [("../.skills", true), ("/gone/.skills", true), ("/gone/elsewhere", false), ("/tmp", false)]
    {
        let project = empty();
        fs::create_dir(project.path(".codex")).unwrap();
        symlink(target, project.path(".codex/skills")).unwrap();
        let done = project.expect(&["init", "--use", "codex"], 0);
        let now = fs::read_link(project.path(".codex/skills")).unwrap();
        assert_eq!(now == Path::new("../.skills"), is_mended, "{target}: {}", now.display());
        assert_eq!(done.err.contains(".codex/skills is a link to"), !is_mended, "{}", done.err);
        assert!(project.has(".codex/rules/core.md"));
    }
    let project = empty();
    project.write(".codex/skills/own/SKILL.md", "mine");
    let done = project.expect(&["init", "--use", "codex"], 0);
    assert!(done.err.contains(".codex/skills is a directory"), "{}", done.err);
    assert_eq!(project.read(".codex/skills/own/SKILL.md"), "mine");
}

#[test]
fn what_cannot_be_written_is_a_clear_error() {
    let project = empty();
    project.write("file", "mine");
    let done = project.expect(&["init", "file"], 1);
    assert!(done.err.contains("file is a file") && done.err.contains("autodev init DIRECTORY"), "{}", done.err);
    let done = project.expect(&["init", "file/below"], 1);
    assert!(done.err.contains("create file/below: "), "{}", done.err);
    let done = project.expect(&["init", "/proc/no-such-place"], 1);
    assert!(done.err.contains("create /proc/no-such-place: "), "{}", done.err);
    project.expect(&["init", ""], 2);
    assert_eq!(tree(&project), [("file".to_owned(), b"mine".to_vec())]);
}

#[test]
fn a_full_disk_leaves_no_half_file_and_init_goes_on_later() {
    let mut project = empty();
    project.env("PATH", "/usr/bin:/bin");
    let done = project.shell("ulimit -f 1; \"$autodev\" init --use codex");
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.err.matches("autodev.toml: ").count() == 1 && done.err.contains("when it is run again"),
        "{}",
        done.err
    );
    assert!(tree(&project).is_empty(), "{:?}", tree(&project));
    assert_eq!(
        project.expect(&["init", "--use", "codex"], 0).out.lines().next().unwrap().split(' ').nth(1),
        Some("18")
    );
}

#[test]
fn the_queue_and_the_status_work_right_after() {
    for tool in ["claude", "codex", "gemini", "opencode", "replay"] {
        let project = empty();
        project.expect(&["init", "--use", tool], 0);
        let done = project.expect(&["task", "list"], 0);
        assert!(done.out.contains("Total: 0"), "{}", done.out);
        assert_eq!(done.err, "");
        project.expect(&["task", "next"], 1);
        project.expect(&["status"], 0);
    }
}

/// A repository with one commit.
fn repository() -> Project {
    let mut project = empty();
    project.env(
        "PATH",
        &format!("{}:/usr/local/bin:/usr/bin:/bin", project.dir().parent().unwrap().join("bin").display()),
    );
    project.git(&["init", "-q", "-b", "main"]);
    project.write("README", "a project\n").write(".gitignore", "*.tmp\n");
    project.git(&["add", "."]);
    project.git(&["commit", "-q", "-m", "start"]);
    project
}

fn status(project: &Project) -> Vec<String> {
    let text = project.git(&["status", "--porcelain", "--untracked-files=all"]);
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_start_matches("?? ").to_owned()).collect();
    lines.sort();
    lines
}

#[test]
fn git_sees_exactly_the_scaffold() {
    let project = repository();
    let done = project.expect(&["init", "--use", "all"], 0);
    let mut wanted: Vec<String> = created(&done).into_iter().filter(|path| !path.ends_with('/')).collect();
    wanted.extend(project.find(".skills", ""));
    wanted.sort();
    assert_eq!(status(&project), wanted);
    assert_eq!(project.read(".gitignore"), "*.tmp\n");
    project.expect(&["status"], 0);
    assert_eq!(status(&project), wanted, "logs and .autodev/ stay out of sight");
}

#[test]
fn the_scaffold_is_no_change_of_a_task() {
    for is_committed in [false, true] {
        let project = repository();
        project.expect(&["init", "--use", "codex"], 0);
        project.agent("codex", "exit 0");
        project.tasks(ONE_TASK);
        if is_committed {
            project.git(&["add", "-A"]);
            project.git(&["commit", "-q", "-m", "scaffold"]);
        }
        let commits = project.log().len();
        project.expect(&["run", "--max-retries", "1"], 2);
        let reason = project.task("T1")["block_reason"].as_str().unwrap().to_owned();
        assert!(reason.contains("0 files changed"), "an agent that does nothing has changed nothing: {reason}");
        assert_eq!(project.log().len(), commits);

        project.expect(&["task", "retry"], 0);
        project.agent("codex", DILIGENT);
        project.expect(&["run"], 0);
        assert_eq!(project.flags("T1"), (true, false));
        assert_eq!(project.committed(), ["src/T1.txt"]);
        assert_eq!(project.log().len(), commits + 1);
        let left = status(&project);
        assert!(left.iter().all(|path| !path.contains("logs/") && !path.contains(".autodev/")), "{left:?}");
    }
}

#[test]
fn init_ships_clean_skills() {
    let project = empty();
    project.expect(&["init"], 0);
    let shipped = project.find(".skills", "");
    let odd = |name: &&String| name.contains(".pyc") || name.contains("__pycache__") || name.contains("/.DS_Store");
    assert_eq!(shipped.iter().filter(odd).collect::<Vec<_>>(), [] as [&String; 0]);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills");
    for name in &shipped {
        let original = fs::read(source.join(name.strip_prefix(".skills/").unwrap())).unwrap();
        assert_eq!(fs::read(project.path(name)).unwrap(), original, "{name}");
    }
    let script = fs::metadata(project.path(".skills/find-skills/scripts/install-skill.sh")).unwrap();
    assert_ne!(std::os::unix::fs::PermissionsExt::mode(&script.permissions()) & 0o100, 0, "it can be run");
    let listed = project.expect(&["skills", "list"], 0);
    assert!(listed.out.contains("- coca-spec") && listed.out.contains(".skills"), "{}", listed.out);
}
