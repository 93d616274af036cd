//! The documentation says what is so.
//!
//! Commands, options, settings, file formats and examples that README.md and docs/ name must exist, and tables that
//! repeat something in the code must repeat it exactly.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::harness::Project;
use crate::tidy::FLOORS;

const PAGES: [&str; 11] = [
    "README.md",
    "CONTRIBUTING.md",
    "examples/README.md",
    "docs/architecture.md",
    "docs/configuration.md",
    "docs/files.md",
    "docs/measuring.md",
    "docs/notifications.md",
    "docs/replay-format.md",
    "docs/tutorial.md",
    "docs/watching.md",
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// What a page shows as code: fenced and indented blocks line by line, and everything between backticks.
fn code(page: &str) -> Vec<String> {
    let inline = regex("`([^`]+)`");
    let mut found = Vec::new();
    let mut is_fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced || line.starts_with("    ") {
            found.push(line.trim().to_owned());
        } else {
            found.extend(inline.captures_iter(line).map(|found| found[1].to_owned()));
        }
    }
    found
}

/// The fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = regex(&format!("(?s)```{language}\n(.*?)```"));
    fence.captures_iter(page).map(|found| found[1].to_owned()).collect()
}

/// The rows of the Markdown table that follows a line starting with `header`, cells trimmed of spaces and backticks.
fn table(page: &str, header: &str) -> Vec<Vec<String>> {
    let at = page.find(&format!("\n{header}")).unwrap_or_else(|| panic!("no table {header}"));
    let rows = page[at + 1..].lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

fn defaults() -> toml::Table {
    read("templates/defaults.toml").parse().unwrap()
}

fn section<'a>(defaults: &'a toml::Table, name: &str) -> Option<&'a toml::Table> {
    name.split('.').try_fold(defaults, |table, part| table.get(part)?.as_table())
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[test]
fn every_command_and_option_that_is_named_exists() {
    let project = Project::new();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for page in PAGES {
        for line in code(&read(page)) {
            let line = line.split('#').next().unwrap_or_default();
            for call in line.split("&&").chain(line.split('|')) {
                let words: Vec<&str> = call.split_whitespace().skip_while(|word| word.contains('=')).collect();
                let (Some(&"autodev"), Some(&command)) = (words.first(), words.get(1)) else { continue };
                let words: Vec<&str> = words.iter().map(|word| word.trim_end_matches([',', '.', ';'])).collect();
                let is_name = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
                if !is_name(command) || command == "help" {
                    continue;
                }
                let mut path = vec![command];
                if ["task", "salvage", "skills", "service", "notify"].contains(&command) {
                    path.extend(words.get(2).filter(|word| is_name(word)));
                }
                seen.insert(path.join(" "));
                let mut args = path.clone();
                args.push("--help");
                let help = project.run(&args);
                if help.code != 0 {
                    wrong.push(format!("{page}: `{line}`: no such command"));
                }
                for option in words.iter().filter(|word| word.starts_with("--")) {
                    if !help.out.contains(&format!("{option} ")) && !help.out.contains(&format!("{option}\n")) {
                        wrong.push(format!("{page}: `{line}`: {} has no {option}", path.join(" ")));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.len() > 8, "only {seen:?}");
}

#[test]
fn the_table_of_commands_is_complete() {
    let project = Project::new();
    let documented: String = table(&read("README.md"), "| command |").iter().map(|row| row[0].clone() + "\n").collect();
    let commands = |args: &[&str]| -> Vec<String> {
        let help = project.expect(args, 0).out;
        let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
        let lines = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(Into::into).collect()
    };
    for command in commands(&["--help"]) {
        assert!(documented.contains(&format!("autodev {command}")), "README.md does not list {command}");
        if ["task", "salvage", "skills", "service", "notify"].contains(&command.as_str()) {
            let all: String = documented.lines().filter(|line| line.contains(&command)).collect();
            for sub in commands(&[&command, "--help"]) {
                assert!(all.contains(&sub), "README.md does not list {command} {sub}");
            }
        }
    }
}

#[test]
fn the_table_of_commands_has_every_option() {
    let project = Project::new();
    let (named, offered) = (regex("--[a-z-]+"), regex(r"(?m)^ +(?:-\w, )?(--[a-z-]+)"));
    for row in table(&read("README.md"), "| command |") {
        let names: Vec<&str> =
            row[0].trim_start_matches("autodev ").split([' ', ',']).filter(|n| !n.is_empty()).collect();
        let calls: Vec<Vec<&str>> = match names[..] {
            [group @ ("task" | "salvage" | "skills" | "service" | "notify"), ref subs @ ..] => {
                subs.iter().map(|sub| vec![group, sub, "--help"]).collect()
            }
            [command] => vec![vec![command, "--help"]],
            _ => panic!("{row:?}"),
        };
        let mut real = BTreeSet::new();
        for call in calls {
            let help = project.expect(&call, 0).out;
            real.extend(offered.captures_iter(&help).map(|found| found[1].to_owned()));
        }
        // Told once for all, below the table.
        real.retain(|option| option != "--help" && option != "--json");
        let told: BTreeSet<String> = named.find_iter(&row[1]).map(|found| found.as_str().to_owned()).collect();
        pretty_assertions::assert_eq!(told, real, "{row:?}");
    }
}

#[test]
fn every_setting_that_is_named_exists() {
    let defaults = defaults();
    let (key, alone) = (regex(r"\[([a-z_.]+)\]\.([a-z_]+)"), regex(r"`\[([a-z_.]+)\]`"));
    let variable = regex(r"AUTODEV_([A-Z_]+)=");
    let mut wrong = Vec::new();
    for page in PAGES {
        let text = read(page);
        for found in key.captures_iter(&text) {
            if section(&defaults, &found[1]).is_none_or(|section| !section.contains_key(&found[2])) {
                wrong.push(format!("{page}: {}", &found[0]));
            }
        }
        for found in alone.captures_iter(&text) {
            if section(&defaults, &found[1]).is_none() && &found[1] != "gate" {
                wrong.push(format!("{page}: {}", &found[0]));
            }
        }
        for found in variable.captures_iter(&text) {
            let name = found[1].to_lowercase();
            let is_setting = defaults.iter().any(|(section, keys)| {
                name.strip_prefix(&format!("{section}_")).is_some_and(|key| {
                    let keys = keys.as_table().unwrap();
                    keys.contains_key(key) || keys.keys().any(|table| key.starts_with(&format!("{table}_")))
                })
            });
            if !is_setting && !["test_bless", "test_clock", "kill_at", "kill_log"].contains(&name.as_str()) {
                wrong.push(format!("{page}: {}", &found[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_field_of_a_channel_and_every_kind_is_documented() {
    let page = read("docs/notifications.md");
    let column = |header: &str| -> BTreeSet<String> {
        table(&page, header).iter().flat_map(|row| row[0].split(", ").map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let fields: BTreeSet<String> = autodev::config::schema::CHANNEL.iter().map(|field| field.name.to_owned()).collect();
    pretty_assertions::assert_eq!(column("| field |"), fields);
    let kinds: BTreeSet<String> = autodev::model::ChannelKind::ALL.iter().map(|it| it.as_str().to_owned()).collect();
    pretty_assertions::assert_eq!(column("| kind | where"), kinds);
    let events: BTreeSet<String> = autodev::model::Topic::CHOICE.iter().map(|it| it.as_str().to_owned()).collect();
    pretty_assertions::assert_eq!(column("| event |"), events);
    for settings in blocks(&page, "toml") {
        let project = Project::new();
        project.write("autodev.toml", &settings);
        let done = project.run(&["notify", "test", "--channel", "nobody"]);
        assert!(done.err.contains("no channel \"nobody\"; there are team, ntfy, desktop"), "{}", done.err);
    }
}

#[test]
fn the_examples_of_the_readme_are_accepted() {
    let page = read("README.md");
    let (settings, queues) = (blocks(&page, "toml"), blocks(&page, "json"));
    assert!(!settings.is_empty() && queues.len() >= 3, "the examples are gone");
    for settings in settings {
        for queue in &queues {
            let project = Project::new();
            let value: serde_json::Value = serde_json::from_str(queue).unwrap_or_else(|e| panic!("{e}: {queue}"));
            let whole = value.get("tasks").is_some();
            project.write("autodev.toml", &settings);
            project.write("task.json", &if whole { queue.clone() } else { format!("{{\"tasks\": [{queue}]}}") });
            project.agent("claude", "exit 1");
            let done = project.expect(&["run", "--dry-run"], 0);
            assert!(!done.err.to_lowercase().contains("unknown"), "{}", done.err);
            let task = if whole { &value["tasks"][0] } else { &value };
            let shown = project.expect(&["task", "next", "--json"], 0).out;
            let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(shown["task"]["id"], task["id"]);
            assert_eq!(
                shown["task"]["completion"]["kind"],
                if queue.contains("numeric") { "numeric" } else { "boolean" }
            );
        }
    }
}

#[test]
fn the_demo_shows_what_the_readme_shows() {
    let page = read("README.md");
    let part = page.split("## What you see").nth(1).unwrap().split("\n## ").next().unwrap();
    let stamp = regex(r"^\[[0-9:]+\] ?");
    let wanted: Vec<String> = part
        .lines()
        .filter(|line| line.starts_with("    "))
        .map(|line| stamp.replace(line.trim(), "").into_owned())
        .map(|line| line.split("...").next().unwrap().split(", commit").next().unwrap().trim().to_owned())
        .collect();
    assert!(wanted.len() > 10, "{wanted:?}");

    let mut project = Project::new();
    project.unset("AUTODEV_REFLECTION_ENABLED");
    let done = project.expect(&["demo", "shown", "--speed", "0"], 0);
    let said = format!("{}\n{}", done.out, done.err);
    for line in wanted {
        assert!(said.contains(&line), "the demo does not say `{line}`\n{said}");
    }
    let log = project.git(&["-C", "shown", "log", "--format=%s"]);
    assert_eq!(log.lines().count(), 3, "one commit at the start and one for each task: {log}");
}

#[test]
fn the_demo_needs_no_git_identity_and_obeys_no_hooks_of_the_user() {
    let mut project = Project::new();
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"] {
        project.unset(name);
    }
    let settings = project.path("gitconfig");
    project.write(
        "gitconfig",
        "[user]\nuseConfigOnly = true\n[commit]\ngpgsign = true\n[core]\nhooksPath = /nonexistent/../hooks\n",
    );
    project.env("GIT_CONFIG_GLOBAL", settings.to_str().unwrap());
    project.env("GIT_DIR", "/nonexistent");
    let done = project.expect(&["demo", "fresh", "--speed", "0"], 0);
    assert!(done.out.contains("git log"), "{}", done.out);
}

#[test]
fn the_table_of_rooms_is_the_one_that_is_enforced() {
    let documented: Vec<(String, BTreeSet<String>)> = table(&read("docs/architecture.md"), "| room |")
        .into_iter()
        .map(|row| {
            let may = row[2].split([',', ' ']).filter(|name| !name.is_empty() && *name != "nothing");
            (row[0].clone(), may.map(Into::into).collect())
        })
        .collect();
    let enforced: Vec<(String, BTreeSet<String>)> = FLOORS
        .iter()
        .map(|(room, may)| ((*room).to_owned(), may.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    pretty_assertions::assert_eq!(documented, enforced);
}

#[test]
fn the_tour_names_every_room_in_the_order_of_the_module_list() {
    let text = read("src/lib.rs");
    let (tour, list) = text.split_once("\npub mod").unwrap();
    let listed = |line: &str| line.trim().trim_start_matches("pub mod ").trim_end_matches(';').to_owned();
    let list: Vec<String> = format!("pub mod{list}").lines().filter(|l| l.starts_with("pub mod")).map(listed).collect();
    assert_eq!(list.len(), FLOORS.len());
    let place = |room: &str| tour.find(&format!("//! - [`{room}`]")).unwrap_or_else(|| panic!("no {room} in the tour"));
    let mut at = 0;
    for room in ["model", "sys", "logic", "config", "view", "engine", "cli"] {
        assert!(place(room) > at, "{room} is told too early");
        at = place(room);
    }
    for room in &list {
        place(room);
    }
}

#[test]
fn every_kind_of_event_is_documented() {
    let source = read("src/model/event.rs");
    let body = source.split("pub enum EventKind {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let variant = regex(r"(?m)^    ([A-Z][A-Za-z]+)\b");
    let kinds: BTreeSet<String> =
        variant.captures_iter(body).map(|found| snake(&found[1])).filter(|kind| kind != "unknown").collect();
    let documented: BTreeSet<String> =
        table(&read("docs/files.md"), "| kind |").into_iter().map(|row| row[0].clone()).collect();
    pretty_assertions::assert_eq!(documented, kinds);
}

fn collect(value: &serde_json::Value, keys: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key.clone());
                collect(value, keys);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_status_file_is_documented() {
    let page = read("docs/files.md");
    let part = page.split("## logs/runtime-status.json").nth(1).unwrap().split("\n## ").next().unwrap();
    let documented: BTreeSet<&str> = part.split(|c: char| !c.is_ascii_lowercase() && c != '_').collect();
    let mut keys = BTreeSet::new();
    collect(&serde_json::from_str(&read("src/view/snapshots/status-running.json")).unwrap(), &mut keys);
    let missing: Vec<&String> = keys.iter().filter(|key| !documented.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "docs/files.md does not tell {missing:?}");
}

#[test]
fn every_link_leads_somewhere() {
    let link = regex(r"\]\(([^)#]+)(#[^)]*)?\)");
    for page in PAGES {
        let text = read(page);
        let dir = path(page).parent().unwrap().to_path_buf();
        for target in link.captures_iter(&text).map(|found| found[1].to_owned()) {
            if !target.starts_with("http") {
                assert!(dir.join(&target).exists(), "{page} links to {target}");
            }
        }
    }
}

/// `docs/configuration.md` is made from `templates/defaults.toml`: the comments there are the meanings here.
#[test]
fn the_page_of_settings_is_made_from_the_defaults() {
    let page = read("docs/configuration.md");
    let (head, _) = page.split_once(MADE).unwrap_or_else(|| panic!("docs/configuration.md has lost its mark"));
    let wanted = format!("{head}{MADE}\n{}", settings(&read("templates/defaults.toml")));
    if std::env::var_os("AUTODEV_TEST_BLESS").is_some() {
        fs::write(path("docs/configuration.md"), &wanted).unwrap();
        return;
    }
    assert!(page == wanted, "stale: AUTODEV_TEST_BLESS=1 cargo test --test it docs");
}

const MADE: &str = "<!-- Everything below is made from templates/defaults.toml by a test. -->";

/// One section per table, one row per key; comments before a key are its meaning, comments before a table its text.
fn settings(source: &str) -> String {
    let mut page = String::new();
    let mut remarks: Vec<String> = Vec::new();
    let mut lines = source.lines().skip_while(|line| !line.is_empty());
    let mut is_open = false;
    while let Some(line) = lines.next() {
        let line = line.trim();
        if let Some(remark) = line.strip_prefix('#') {
            remarks.push(remark.trim().to_owned());
        } else if line.starts_with('[') {
            page.extend(["\n## ", line, "\n\n"]);
            if !remarks.is_empty() {
                page += &(remarks.join(" ") + "\n\n");
                remarks.clear();
            }
            is_open = true;
        } else if let Some((key, value)) = line.split_once(" = ") {
            let mut value = value.to_owned();
            while value.starts_with('[') && !value.ends_with(']') {
                value.extend([" ", lines.next().expect("an open list").trim()]);
            }
            let value = value.replace("[ ", "[").replace(", ]", "]").replace('|', "\\|");
            if is_open {
                page += "| key | default | meaning |\n|---|---|---|\n";
                is_open = false;
            }
            page.extend(["| `", key, "` | `", &value, "` | ", &remarks.join(" "), " |\n"]);
            remarks.clear();
        } else {
            assert!(line.is_empty(), "templates/defaults.toml: {line}");
        }
    }
    page
}
