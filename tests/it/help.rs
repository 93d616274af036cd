//! Help, completions and manual pages: what is generated from the commands agrees with them.

use crate::harness::Project;

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
            let mut args: Vec<&str> =
                call.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).collect();
            args.truncate(if ["task", "salvage"].contains(&args[0]) { 2 } else { 1 });
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
