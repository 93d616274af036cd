//! Help, completions and manual pages: what is generated from the commands agrees with them.

use std::collections::BTreeSet;

use crate::harness::{Project, has_tool};

/// The paths of all commands: `[]`, `["run"]`, `["task"]`, `["task", "list"]`, ...
fn commands(project: &Project) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        next += 1;
        let help = help_of(project, &path);
        let Some(list) = help.split("\nCommands:\n").nth(1) else { continue };
        let list = list.split("\n\n").next().unwrap().to_owned();
        let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        for name in lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            let mut path = path.clone();
            path.push(name.to_owned());
            found.push(path);
        }
    }
    assert!(found.len() > 18, "only {found:?}");
    found
}

fn help_of(project: &Project, path: &[String]) -> String {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    project.expect(&args, 0).out
}

#[test]
fn help_says_the_same_in_both_ways() {
    let project = Project::without_git();
    for path in commands(&project) {
        let mut args = vec!["help"];
        args.extend(path.iter().map(String::as_str));
        pretty_assertions::assert_eq!(project.expect(&args, 0).out, help_of(&project, &path), "{path:?}");
    }
    assert!(project.expect(&["help", "nonsense"], 2).err.contains("nonsense"));
}

#[test]
fn every_command_explains_itself() {
    let project = Project::without_git();
    for path in commands(&project) {
        let help = help_of(&project, &path);
        let (_, options) = help.split_once("\nOptions:\n").unwrap_or_else(|| panic!("{path:?}: {help}"));
        let (_, text) =
            options.split_once("\n\n").unwrap_or_else(|| panic!("{path:?} has neither example nor sentence"));
        assert!(text.contains("xample") && text.contains("autodev ") || text.contains(". "), "{path:?}: {text}");
        for line in help.lines() {
            assert!(line.chars().count() < 100, "{path:?}: {line}");
        }
    }
}

#[test]
fn every_option_in_an_example_exists() {
    let project = Project::without_git();
    for path in commands(&project) {
        let help = help_of(&project, &path);
        for line in help.lines().filter_map(|line| line.strip_prefix("  autodev ")) {
            let call = line.split("  ").next().unwrap().split(['|', '>', ';']).next().unwrap();
            let mut args: Vec<&str> = call
                .split_whitespace()
                .take_while(|word| !word.starts_with('-') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
                .collect();
            args.truncate(if ["task", "salvage", "skills", "service", "notify"].contains(&args[0]) { 2 } else { 1 });
            if args[0] == "help" {
                continue;
            }
            args.push("--help");
            let offered = project.expect(&args, 0).out;
            for option in call.split_whitespace().filter(|word| word.starts_with('-')) {
                assert!(
                    offered.contains(&format!("{option} ")) || offered.contains(&format!("{option}, ")),
                    "{path:?}: {line}"
                );
            }
        }
    }
}

#[test]
fn bash_completes_commands_and_options() {
    if !has_tool("bash") {
        return;
    }
    let project = Project::without_git();
    let complete = |words: &str| {
        let script = format!(
            "set -e; source <($autodev completions bash); COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))\n\
             _autodev autodev \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\" || true; echo \"${{COMPREPLY[*]}}\""
        );
        let done = project.shell(&script);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{words}");
        done.out.trim_end().to_owned()
    };
    assert_eq!(complete("autodev ta"), "task");
    assert_eq!(complete("autodev task re"), "reset retry");
    assert_eq!(complete("autodev run --dry"), "--dry-run");
    assert_eq!(complete("autodev completions po"), "powershell");
    assert_eq!(complete("autodev __"), "", "commands for autodev itself are not offered");
    let done = project.shell("source <($autodev completions bash); complete -p autodev");
    assert!(done.out.contains("-F _autodev"), "{}", done.out);
}

#[test]
fn completions_are_what_their_shell_understands() {
    let project = Project::without_git();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = project.expect(&["completions", shell], 0).out;
        assert!(text.contains("salvage") && text.contains("dry-run"), "{shell}");
        assert!(!text.contains("__replay") && !text.contains("__scan"), "{shell} knows a command not for people");
    }
    for (shell, option) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        if has_tool(shell) {
            project.write("script", &project.expect(&["completions", shell], 0).out);
            let output = project.command(shell, &[option, "script"]).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
        }
    }
    let done = project.expect(&["completions", "tcsh"], 2);
    assert!(done.err.contains("possible values: bash"), "{}", done.err);
    let help = project.expect(&["completions", "--help"], 0).out;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(help.contains(&format!("autodev completions {shell} >")), "{shell} has no place: {help}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let project = Project::without_git();
    let done = project.expect(&["man", "--out", "man/man1"], 0);
    let paths = commands(&project);
    assert_eq!(done.out, format!("Wrote {} pages to man/man1\n", paths.len()));
    let wanted: Vec<String> =
        paths.iter().map(|path| [&["autodev".to_owned()], &path[..]].concat().join("-")).collect();
    let names: BTreeSet<String> =
        project.find("man/man1", "").iter().map(|path| path.replace("man/man1/", "")).collect();
    assert_eq!(names, wanted.iter().map(|name| format!("{name}.1")).collect::<BTreeSet<_>>());
    assert_eq!(project.read("man/man1/autodev.1"), project.expect(&["man"], 0).out);
    for name in &wanted {
        let file = format!("man/man1/{name}.1");
        let page = project.read(&file);
        assert!(page.lines().any(|line| line.starts_with(&format!(".TH {name} 1"))), "{page}");
        assert!(!page.contains("__"), "{name} tells of a command that is not for people");
        rendered(&project, &file, name);
    }
    project.write("file", "");
    assert!(project.expect(&["man", "--out", "file"], 1).err.contains("create file"));
}

/// Renders a page with the first program that can.
fn rendered(project: &Project, file: &str, name: &str) {
    let programs = [("man", "man -l"), ("mandoc", "mandoc"), ("groff", "groff -man -Tutf8")];
    let Some((_, call)) = programs.into_iter().find(|(program, _)| has_tool(program)) else { return };
    let done = project.shell(&format!("MANPAGER=cat MANWIDTH=80 {call} {file}"));
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{name}");
    // Letters that are printed twice, and escapes, are how terminals show bold.
    let plain = regex::Regex::new("\x1b\\[[0-9;]*m|.\x08").unwrap().replace_all(&done.out, "").into_owned();
    assert!(plain.contains("SYNOPSIS") && plain.contains(name), "{plain}");
}
