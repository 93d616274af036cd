//! `skills list|recommend|doctor`, `install-skills`, and the scripts that come with skills.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Done, Project, has_tool};

const DEFAULTS: [&str; 5] = ["autodev-runtime", "coca-spec", "find-skills", "skill-creator", "spec-driven-develop"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("skills")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target) } else { _ = fs::copy(entry.path(), target).unwrap() }
    }
}

/// A project for a backend, with the five default skills.
fn project(backend: &str) -> Project {
    let project = Project::plain();
    project.toml(&format!("[project]\nname = \"Demo\"\n[backend]\ndefault = \"{backend}\"\n"));
    copy(&source(), &project.path(".skills"));
    project
}

fn skill(project: &Project, name: &str, text: &str) {
    project.write(&format!(".skills/{name}/SKILL.md"), text);
}

fn home(project: &Project, name: &str) -> PathBuf {
    project.dir().parent().unwrap().join("home").join(name)
}

/// Everything that doctor wants of the codex or opencode tool.
fn tool(project: &Project, root: &str) {
    project.write(&format!("{root}/AGENTS.md"), "guide\n");
    project.write(&format!("{root}/rules/core.md"), "rules\n");
    symlink("../.skills", project.path(&format!("{root}/skills"))).unwrap();
}

#[test]
fn skills_list_shows_the_nearest_directory_upwards() {
    let project = project("codex");
    skill(&project, "alpha", "---\nname: alpha\ndescription: >-\n  First\n  one.\nmetadata:\n  category: demo\n---\n");
    let list = project.expect(&["skills", "list"], 0).out;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[0], format!("Skills from {}:", project.path(".skills").display()));
    assert_eq!(lines[1], "- alpha [demo]: First one.");
    assert_eq!(lines.len(), 7, "{list}");
    fs::create_dir_all(project.path("deep/er")).unwrap();
    let deep = project.shell("cd deep/er && \"$autodev\" skills list");
    assert_eq!((deep.code, deep.out), (0, list.clone()));
    let elsewhere = project.shell("cd / && \"$autodev\" -c \"$OLDPWD/autodev.toml\" skills list");
    assert_eq!(elsewhere.out, list);
    let value = project.output_json(&["skills", "list", "--json"], 0);
    assert_eq!(value["source"], json!(project.path(".skills")));
    assert_eq!(value["skills"][0]["category"], "demo");
    assert_eq!(value["skills"].as_array().unwrap().len(), 6);
}

#[test]
fn without_a_directory_skills_list_shows_the_bundled_ones() {
    let project = Project::new();
    fs::remove_file(project.path("autodev.toml")).unwrap();
    let value = project.output_json(&["skills", "list", "--json"], 0);
    let names: Vec<&Value> = value["skills"].as_array().unwrap().iter().map(|skill| &skill["directory"]).collect();
    assert_eq!(
        (&value["source"], names),
        (&Value::Null, DEFAULTS.iter().map(|n| json!(n)).collect::<Vec<_>>().iter().collect())
    );
    fs::create_dir(project.path(".skills")).unwrap();
    let none = project.expect(&["skills", "list"], 1);
    assert!(none.err.contains("no skills in"), "{}", none.err);
    assert!(project.expect(&["skills"], 0).out.contains("recommend"), "help");
}

#[test]
fn a_broken_skill_is_listed_with_its_problem() {
    let project = project("codex");
    skill(&project, "broken", "---\nname: broken\ndescription: [a\n---\n# Body\n");
    skill(&project, "bare", "# Title\n\nDoes \u{1b}[31mthings\u{202e}.\n");
    let list = project.expect(&["skills", "list"], 0).out;
    assert!(list.contains("- broken:\n    problem: SKILL.md: line "), "{list}");
    assert!(list.contains("- bare: Does �[31mthings�."), "{list}");
    assert!(list.contains("- coca-spec [planning]: "), "{list}");
    let doctor = project.output_json(&["skills", "doctor", "--json"], 1);
    let rows = doctor["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["label"] == "skill broken").unwrap();
    assert_eq!(row["level"], "warn");
    skill(&project, "coca-spec", "---\nname: other\n---\n");
    let doctor = project.output_json(&["skills", "doctor", "--json"], 1);
    let row = doctor["rows"].as_array().unwrap().iter().find(|row| row["label"] == "skill coca-spec").unwrap().clone();
    assert_eq!((row["level"].as_str(), row["next"].is_string()), (Some("error"), true));
}

#[test]
fn skills_recommend_puts_the_best_first() {
    let project = project("codex");
    for (name, more) in [("zeta", ""), ("beta", ""), ("best", "triggers: [kraken, release the kraken]\n")] {
        skill(&project, name, &format!("---\nname: {name}\ndescription: About the kraken.\n{more}---\n"));
    }
    let rows = project.expect(&["skills", "recommend", "kraken"], 0).out;
    assert_eq!(rows, "- best: About the kraken.\n- beta: About the kraken.\n- zeta: About the kraken.\n");
    let one = project.output_json(&["skills", "recommend", "Release the KRAKEN", "--limit", "1", "--json"], 0);
    assert_eq!(one["skills"].as_array().unwrap().len(), 1);
    // kraken in the text and the triggers, release likewise, the whole question in the text and in one trigger.
    assert_eq!(
        (&one["skills"][0]["directory"], &one["skills"][0]["score"]),
        (&json!("best"), &json!(2 * 25 + 15 + 20))
    );
}

#[test]
fn skills_recommend_does_not_count_common_words() {
    let project = project("codex");
    skill(&project, "wordy", "---\nname: wordy\ndescription: A skill that is for the user and for you.\n---\n");
    for query in ["the", "what is it for", "xyzzy"] {
        let done = project.expect(&["skills", "recommend", query], 0);
        assert!(done.out.starts_with("No skill fits"), "{query}: {}", done.out);
        assert_eq!(project.output_json(&["skills", "recommend", query, "--json"], 0)["skills"], json!([]));
    }
    skill(&project, "umlaut", "---\nname: umlaut\ndescription: Größe messen\n---\n");
    assert!(project.expect(&["skills", "recommend", "GRÖSSE größe"], 0).out.starts_with("- umlaut:"));
    for query in ["", "  "] {
        assert!(project.expect(&["skills", "recommend", query], 1).err.contains("empty"));
    }
    project.expect(&["skills", "recommend", "x", "--limit", "0"], 2);
    project.expect(&["skills", "recommend"], 2);
}

/// `[level] label` of each row of doctor.
fn doctor(project: &Project, code: i32) -> Vec<String> {
    let done = project.expect(&["skills", "doctor"], code);
    let rows = done.out.lines().filter(|line| line.starts_with('['));
    rows.map(|line| line.split(": ").next().unwrap().to_owned()).collect()
}

#[test]
fn skills_doctor_is_content_with_a_project_that_has_everything() {
    let project = project("codex");
    tool(&project, ".codex");
    let mut wanted = vec!["[ok] config", "[ok] backend.default", "[ok] .skills"];
    let defaults = ["autodev-runtime", "coca-spec", "spec-driven-develop", "find-skills", "skill-creator"];
    let defaults = defaults.map(|name| format!("[ok] skill {name}"));
    wanted.extend(defaults.iter().map(String::as_str));
    wanted.extend(["[ok] codex root", "[ok] codex guide", "[ok] codex rules", "[ok] codex skills"]);
    let mut before: Vec<String> = wanted.iter().map(|row| (*row).to_owned()).collect();
    let mut after = before.clone();
    before.extend(DEFAULTS.map(|name| format!("[warn] user skill {name}")));
    before.push("[warn] user level".to_owned());
    pretty_assertions::assert_eq!(doctor(&project, 0), before);
    let text = project.expect(&["skills", "doctor"], 0).out;
    assert!(text.ends_with("Summary: 12 ok, 6 warning(s), 0 error(s)\n"), "{text}");
    assert!(text.contains("    next: `autodev install-skills`"), "{text}");
    project.expect(&["install-skills"], 0);
    after.extend(DEFAULTS.map(|name| format!("[ok] user skill {name}")));
    after.push("[ok] user level".to_owned());
    pretty_assertions::assert_eq!(doctor(&project, 0), after);
    let value = project.output_json(&["skills", "doctor", "--json"], 0);
    assert_eq!(value["summary"], json!({"ok": 18, "warnings": 0, "errors": 0}));
}

#[test]
fn skills_doctor_names_what_is_missing() {
    let project = project("codex");
    fs::remove_dir_all(project.path(".skills/coca-spec")).unwrap();
    let rows = doctor(&project, 1);
    for wrong in ["skill coca-spec", "codex root", "codex guide", "codex rules", "codex skills"] {
        assert!(rows.contains(&format!("[error] {wrong}")), "{wrong}: {rows:?}");
    }
    tool(&project, ".codex");
    fs::remove_file(project.path(".codex/skills")).unwrap();
    copy(&project.path(".skills"), &project.path(".codex/skills"));
    assert!(doctor(&project, 1).contains(&"[warn] codex skills".to_owned()), "a copy");
    fs::remove_dir_all(project.path(".codex/skills")).unwrap();
    symlink("../gone", project.path(".codex/skills")).unwrap();
    assert!(doctor(&project, 1).contains(&"[error] codex skills".to_owned()), "a dangling link");
    fs::remove_dir_all(project.path(".skills")).unwrap();
    assert!(doctor(&project, 1).contains(&"[error] .skills".to_owned()));
}

#[test]
fn skills_doctor_looks_at_the_manifests_of_claude_and_gemini() {
    let claude = project("claude");
    assert!(doctor(&claude, 1).contains(&"[error] claude plugin manifest".to_owned()));
    claude_files(&claude);
    assert_eq!(doctor(&claude, 0).iter().filter(|row| row.starts_with("[warn]")).count(), 1, "the fixed one");
    claude.write(".claude-plugin/marketplace.json", "{\"name\": \"\"}");
    assert!(doctor(&claude, 1).contains(&"[error] claude marketplace manifest".to_owned()));
    let gemini = project("gemini");
    assert!(doctor(&gemini, 1).contains(&"[error] gemini extension manifest".to_owned()));
    gemini.write(".gemini/extensions/autodev-local/gemini-extension.json", "{\"name\": \"autodev-local\"}");
    assert!(doctor(&gemini, 1).contains(&"[ok] gemini extension manifest".to_owned()));
}

#[test]
fn skills_doctor_works_without_a_configuration() {
    let project = project("codex");
    fs::remove_file(project.path("autodev.toml")).unwrap();
    assert_eq!(doctor(&project, 1)[..2], ["[error] config", "[ok] .skills"]);
    project.toml("[backend]\ndefault = \"nobody\"\n");
    assert_eq!(doctor(&project, 1)[0], "[error] config");
    project.toml("[backend]\ndefault = \"command\"\n[backend.command]\nargv = []\n");
    assert_eq!(doctor(&project, 1)[..2], ["[error] config", "[ok] .skills"]);
    fs::create_dir_all(project.path("deep")).unwrap();
    let deep = project.shell("cd deep && \"$autodev\" skills doctor");
    assert!(deep.code == 1 && deep.out.contains("[ok] .skills"), "{deep:?}");
    project.toml("[backend]\ndefault = \"command\"\n[backend.command]\nargv = [\"cat\"]\n");
    assert!(doctor(&project, 0).contains(&"[ok] command".to_owned()));
}

#[test]
fn install_skills_links() {
    for (backend, place) in [("codex", ".agents/skills"), ("opencode", ".config/opencode/skills")] {
        let project = project(backend);
        let user = home(&project, place);
        let done = project.expect(&["install-skills"], 0);
        let wanted: Vec<String> =
            DEFAULTS.iter().map(|name| format!("[linked] {name} -> {}", user.join(name).display())).collect();
        assert_eq!(done.out.lines().collect::<Vec<_>>(), wanted);
        assert!(user.join("find-skills/scripts/install-skill.sh").is_file());
        assert!(fs::symlink_metadata(user.join("coca-spec")).unwrap().is_symlink());
        let again = project.output_json(&["install-skills", "--json"], 0);
        assert_eq!(again["tool"], backend);
        assert!(again["skills"].as_array().unwrap().iter().all(|row| row["outcome"] == "existing"), "{again}");
    }
}

#[test]
fn install_skills_for_second_project() {
    let first = project("codex");
    let mut second = project("codex");
    skill(&first, "only-first", "---\nname: only-first\ndescription: d\n---\n");
    let user = home(&first, ".agents/skills");
    second.env("HOME", home(&first, "").to_str().unwrap());
    first.expect(&["install-skills"], 0);
    fs::remove_file(user.join("find-skills")).unwrap();
    symlink("/nonexistent/skill", user.join("find-skills")).unwrap();
    let done = second.expect(&["install-skills"], 0);
    assert_eq!(done.out.matches("[replaced] ").count(), 5, "{}", done.out);
    assert!(done.out.contains("led to /nonexistent/skill"), "{}", done.out);
    for name in DEFAULTS {
        let real = fs::canonicalize(user.join(name)).unwrap();
        assert_eq!(real, fs::canonicalize(second.path(&format!(".skills/{name}"))).unwrap());
    }
    assert!(user.join("only-first").is_dir(), "a skill of the first project alone stays");
    assert_eq!(fs::read_dir(&user).unwrap().count(), 6, "nothing is left beside");
}

#[test]
fn install_skills_refuses_what_is_no_link_and_links_the_others() {
    let project = project("codex");
    let user = home(&project, ".agents/skills");
    fs::create_dir_all(user.join("coca-spec")).unwrap();
    fs::write(user.join("coca-spec/SKILL.md"), "mine").unwrap();
    fs::write(user.join("find-skills"), "a file").unwrap();
    let done = project.expect(&["install-skills"], 1);
    assert_eq!((done.out.matches("[linked]").count(), done.out.matches("[refused]").count()), (3, 2), "{}", done.out);
    assert!(done.err.contains("2 skills not linked: coca-spec, find-skills"), "{}", done.err);
    assert_eq!(fs::read_to_string(user.join("coca-spec/SKILL.md")).unwrap(), "mine");
    assert_eq!(fs::read_dir(user.join("coca-spec")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(user.join("find-skills")).unwrap(), "a file");
    assert!(user.join("skill-creator").is_dir());
}

#[test]
fn install_skills_says_what_it_cannot_do() {
    let mut project = project("codex");
    fs::rename(project.path(".skills"), project.path("away")).unwrap();
    assert!(project.expect(&["install-skills"], 1).err.contains(".skills is missing"));
    fs::rename(project.path("away"), project.path(".skills")).unwrap();
    project.unset("HOME");
    assert!(project.expect(&["install-skills"], 1).err.contains("HOME"));
    project.toml("[backend]\ndefault = \"command\"\n[backend.command]\nargv = [\"cat\"]\n");
    assert!(project.expect(&["install-skills"], 1).err.contains("the command backend has no place for skills"));
    fs::remove_file(project.path("autodev.toml")).unwrap();
    assert!(project.expect(&["install-skills"], 1).err.contains("autodev.toml"));
}

fn claude_files(project: &Project) {
    project.write(".claude-plugin/plugin.json", "{\"name\": \"autodev-local-skills\"}");
    project.write(".claude-plugin/marketplace.json", "{\"name\": \"local-market\"}");
    project.write(".claude/CLAUDE.md", "guide\n");
    project.write(".claude/rules/core.md", "rules\n");
    symlink("../.skills", project.path(".claude/skills")).unwrap();
}

/// A program that notes its arguments and ends with 0 unless `script` ends it before.
fn note(project: &Project, name: &str, script: &str) {
    let out = project.out("args");
    project.program(name, &format!("#!/bin/bash\necho \"$*\" >> '{}'\n{script}\n", out.display()));
}

#[test]
fn install_skills_of_claude_uses_its_own_commands() {
    let project = project("claude");
    let none = project.expect(&["install-skills"], 1);
    assert!(none.err.contains(".claude-plugin/plugin.json") && none.err.contains("init"), "{}", none.err);
    claude_files(&project);
    let absent = project.expect(&["install-skills"], 1);
    assert!(absent.err.contains("claude is not on PATH"), "{}", absent.err);
    note(&project, "claude", "pwd >> \"$HOME/cwd\"; if read -t 1 line; then exit 9; fi");
    let done = project.expect(&["install-skills"], 0);
    let dir = project.dir();
    let wanted = [
        format!("plugin validate {}/.claude-plugin/plugin.json", dir.display()),
        format!("plugin validate {}/.claude-plugin/marketplace.json", dir.display()),
        format!("plugin marketplace add {} --scope local", dir.display()),
        "plugin install autodev-local-skills@local-market --scope local".to_owned(),
    ];
    assert_eq!(project.left("args").lines().collect::<Vec<_>>(), wanted);
    assert_eq!(done.out.matches("[done] claude plugin ").count(), 4, "{}", done.out);
    let cwd = fs::read_to_string(home(&project, "cwd")).unwrap();
    assert!(cwd.lines().all(|line| Path::new(line) == fs::canonicalize(&dir).unwrap()), "{cwd}");
}

#[test]
fn install_skills_tells_what_a_failing_command_printed() {
    let project = project("claude");
    claude_files(&project);
    note(
        &project,
        "claude",
        "[ \"$2\" = marketplace ] && { echo 'no market'; echo 'really none' >&2; exit 7; }\nexit 0",
    );
    let done = project.expect(&["install-skills"], 1);
    assert!(done.err.contains("exit code 7") && done.err.contains("no market"), "{}", done.err);
    assert!(done.err.contains("really none") && done.err.contains("marketplace add"), "{}", done.err);
    assert_eq!(project.left("args").lines().count(), 3, "nothing after the failure");
    project.write(".claude-plugin/plugin.json", "{\"name\": \"--scope\"}");
    assert!(project.expect(&["install-skills"], 1).err.contains("--scope"));
    assert_eq!(project.left("args").lines().count(), 3, "a name that is no name is no argument");
}

#[test]
fn install_skills_of_gemini_links_its_extension_anew() {
    let project = project("gemini");
    assert!(project.expect(&["install-skills"], 1).err.contains("gemini-extension.json"));
    project.write(".gemini/extensions/autodev-local/gemini-extension.json", "{\"name\": \"autodev-local\"}");
    // As gemini does: a second link of one name is refused until the first is uninstalled.
    note(
        &project,
        "gemini",
        "case $2 in link) [ -e \"$HOME/on\" ] && { echo 'Extension \"autodev-local\" is already installed.' >&2; exit 1; }; \
         touch \"$HOME/on\";; uninstall) rm \"$HOME/on\";; esac",
    );
    let extension = project.path(".gemini/extensions/autodev-local");
    let (validate, link) = (
        format!("extensions validate {}", extension.display()),
        format!("extensions link {} --consent", extension.display()),
    );
    project.expect(&["install-skills"], 0);
    assert_eq!(project.left("args").lines().collect::<Vec<_>>(), [validate.clone(), link.clone()]);
    let again = project.output_json(&["install-skills", "--json"], 0);
    assert_eq!(again["commands"].as_array().unwrap().len(), 3);
    let uninstall = "extensions uninstall autodev-local".to_owned();
    assert_eq!(project.left("args").lines().skip(2).collect::<Vec<_>>(), [&validate, &link, &uninstall, &link]);
}

/// Runs the script that installs a skill, from the project's `.skills`.
fn install(project: &Project, arguments: &str) -> Done {
    project.shell(&format!(".skills/find-skills/scripts/install-skill.sh {arguments}"))
}

#[test]
fn the_script_of_find_skills_installs_and_refuses() {
    if !has_tool("bash") {
        return;
    }
    let project = project("codex");
    let good = "---\nname: pdf-forms\ndescription: \"Fills forms. Use it for forms.\"\n---\n# Forms\n";
    project.write("from/pdf/SKILL.md", good);
    project.write("from/pdf/scripts/fill.sh", "#!/bin/sh\ntouch ran\n");
    let dry = install(&project, "from/pdf --dry-run");
    assert_eq!((dry.code, project.has(".skills/pdf-forms")), (0, false), "{dry:?}");
    let done = install(&project, "from/pdf");
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(project.read(".skills/pdf-forms/SKILL.md"), good);
    assert!(project.has(".skills/pdf-forms/scripts/fill.sh") && !project.has("ran"));
    assert!(project.expect(&["skills", "list"], 0).out.contains("- pdf-forms: Fills forms."));

    project.write("from/pdf/SKILL.md", &good.replace("Fills", "Changed"));
    let again = install(&project, "from/pdf");
    assert!(again.code == 1 && again.err.contains("exists"), "{again:?}");
    assert_eq!(project.read(".skills/pdf-forms/SKILL.md"), good);

    project.write("evil/secret/SKILL.md", &good.replace("pdf-forms", "secret"));
    project.write("from/bad/SKILL.md", &good.replace("pdf-forms", "../../evil"));
    project.write("from/upper/SKILL.md", &good.replace("pdf-forms", "Upper"));
    project.write("from/none/SKILL.md", "# Title\n");
    project.write("from/open/SKILL.md", "---\nname: open\ndescription: d\n");
    project.write("from/silent/SKILL.md", "---\nname: silent\n---\n");
    project.write("from/linked/SKILL.md", &good.replace("pdf-forms", "linked"));
    symlink("/etc/passwd", project.path("from/linked/passwd")).unwrap();
    symlink("../evil", project.path("from/out")).unwrap();
    let before = project.find(".skills", "");
    for (arguments, code, reason) in [
        ("from/bad", 1, "the name"),
        ("from/upper", 1, "the name"),
        ("from/none", 1, "front matter"),
        ("from/open", 1, "front matter"),
        ("from/silent", 1, "description"),
        ("from/linked", 1, "neither a file nor a directory"),
        ("from --path ../evil/secret", 2, "upwards"),
        ("from --path /etc", 2, "relative"),
        ("from --path out/secret", 1, "leads out"),
        ("from", 1, "no SKILL.md"),
        ("nowhere", 1, "no such directory"),
        ("http://example.invalid/x.git", 2, "not a source"),
        ("'ext::sh -c id'", 2, "not a source"),
        ("from/pdf --ref main", 2, "--ref"),
        ("--bogus", 2, "unknown option"),
        ("from/pdf --into nowhere", 1, "not a directory"),
        ("", 2, "usage"),
    ] {
        let done = install(&project, arguments);
        assert!(done.code == code && done.err.contains(reason), "{arguments}: {done:?}");
    }
    assert_eq!(project.find(".skills", ""), before, "a refusal leaves nothing");
}

#[test]
fn the_script_of_find_skills_installs_from_a_repository() {
    if !has_tool("bash") || !has_tool("git") {
        return;
    }
    let project = project("codex");
    let text = |version: &str| format!("---\nname: from-git\ndescription: {version}. Use it in tests.\n---\n");
    project.write("repo/skills/from-git/SKILL.md", &text("One"));
    let made = project.shell(
        "cd repo && git init -q -b main && git add . && git commit -qm one && git tag v1 \
         && sed -i s/One/Two/ skills/from-git/SKILL.md && git commit -qam two \
         && printf '#!/bin/sh\\ntouch \"%s/ran\"\\n' \"$PWD\" > .git/hooks/post-checkout && chmod +x .git/hooks/post-checkout",
    );
    assert_eq!(made.code, 0, "{made:?}");
    let url = format!("file://{}", project.path("repo").display());
    let done = install(&project, &format!("'{url}' --path skills/from-git --ref v1"));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("commit ") && project.read(".skills/from-git/SKILL.md").contains("One."), "{done:?}");
    let again = install(&project, &format!("'{url}' --path skills/from-git"));
    assert!(again.code == 1 && again.err.contains("exists"), "{again:?}");
    fs::remove_dir_all(project.path(".skills/from-git")).unwrap();
    assert_eq!(install(&project, &format!("'{url}' --path skills/from-git")).code, 0);
    assert!(project.read(".skills/from-git/SKILL.md").contains("Two.") && !project.has("repo/ran"));
    assert_eq!(project.find(".skills/from-git", ""), [".skills/from-git/SKILL.md"]);
    for (arguments, reason) in [("--ref nope", "cannot fetch"), ("--path nope", "no directory")] {
        let done = install(&project, &format!("'{url}' {arguments}"));
        assert!(done.code == 1 && done.err.contains(reason), "{arguments}: {done:?}");
    }
    let option = install(&project, &format!("'{url}' --ref --upload-pack=touch"));
    assert_eq!(option.code, 2, "{option:?}");
}

#[test]
fn the_script_of_skill_creator_finds_what_is_wrong() {
    if !has_tool("bash") {
        return;
    }
    let project = project("codex");
    let check = |name: &str| project.shell(&format!(".skills/skill-creator/scripts/check-skill.sh .skills/{name}"));
    for name in DEFAULTS {
        let done = check(name);
        assert_eq!((done.code, done.out.as_str()), (0, format!("{name}: good\n").as_str()), "{done:?}");
    }
    skill(&project, "wrong", "---\nname: Wrong\ndescription: short\nversion: 1\n---\nSee [it](references/gone.md).\n");
    project.write(".skills/wrong/references/deep/a.md", "x");
    project.write(".skills/wrong/references/untold.md", "x");
    project.write(".skills/wrong/scripts/run.sh", "x");
    project.write(".skills/wrong/scripts/__pycache__/run.pyc", "x");
    let done = check("wrong");
    assert_eq!(done.code, 1);
    for part in [
        "not the directory's name",
        "a-z, 0-9",
        "too short",
        "when to use",
        "'version'",
        "references/gone.md",
        "more than one level deep",
        "untold.md",
        "not executable",
        "stray file",
    ] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    assert_eq!(check("nowhere").code, 2);
}

#[test]
fn the_scripts_of_skills_are_clean_under_shellcheck() {
    if !has_tool("shellcheck") {
        return;
    }
    let mut project = Project::new();
    project.env("PATH", &std::env::var("PATH").unwrap());
    let scripts = ["find-skills/scripts/install-skill.sh", "skill-creator/scripts/check-skill.sh"];
    let paths: Vec<String> = scripts.iter().map(|name| source().join(name).display().to_string()).collect();
    let done = project.shell(&format!("shellcheck {}", paths.join(" ")));
    assert_eq!(done.code, 0, "{}", done.out);
}

#[test]
fn the_example_of_a_task_that_agents_read_is_accepted() {
    let page = fs::read_to_string(source().join("autodev-runtime/references/task-lifecycle.md")).unwrap();
    let example = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let project = project("codex");
    project.tasks(&format!("[{example}]"));
    let task = &project.output_json(&["task", "next", "--json"], 0)["task"];
    let wanted: Value = serde_json::from_str(example).unwrap();
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(&task[key], value, "{key}");
    }
    for key in task.as_object().unwrap().keys().filter(|key| *key != "execution_mode") {
        assert!(page.contains(key.as_str()), "{key} is not told");
    }
}
