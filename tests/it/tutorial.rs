//! docs/tutorial.md is a recording: its commands are run in order, and what they print is what the page says.
//!
//! `AUTODEV_TEST_BLESS=1 cargo test --test it tutorial` records it anew.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::harness::Project;

/// Whose machine the page speaks of.
const HOME: &str = "/home/ada";

/// A piece of the page.
#[derive(Debug, PartialEq)]
enum Part {
    /// Lines that stay as they are.
    Prose(String),
    /// A command of a `console` block and what it prints.
    Command { command: String, output: String },
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tutorial.md")
}

fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    // The line that closes the block. A block that shows a fence has a longer one.
    let mut console: Option<String> = None;
    for line in page.lines().map(|line| format!("{line}\n")) {
        if console.as_ref() == Some(&line) {
            console = None;
        } else if let Some(fence) = line.strip_suffix("console\n").filter(|fence| fence.starts_with("```")) {
            console = Some(format!("{fence}\n"));
        } else if console.is_some() {
            match (line.strip_prefix("$ "), parts.last_mut()) {
                (None, Some(Part::Command { output, .. })) => *output += &line,
                (None, _) => panic!("a block of docs/tutorial.md begins with output: {line}"),
                (Some(command), _) => {
                    parts.push(Part::Command { command: command.trim_end().to_owned(), output: String::new() });
                }
            }
            continue;
        }
        match parts.last_mut() {
            Some(Part::Prose(prose)) => *prose += &line,
            _ => parts.push(Part::Prose(line)),
        }
    }
    parts
}

fn text(parts: &[Part]) -> String {
    let one = |part: &Part| match part {
        Part::Prose(prose) => prose.clone(),
        Part::Command { command, output } => format!("$ {command}\n{output}"),
    };
    parts.iter().map(one).collect()
}

/// A clone of this repository as the page needs it, and `autodev` on PATH.
fn project() -> Project {
    let mut project = Project::without_git();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    std::os::unix::fs::symlink(examples, project.path("examples")).unwrap();
    project.program("autodev", &format!("#!/bin/sh\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_autodev")));
    project.unset("AUTODEV_REFLECTION_ENABLED");
    project
}

/// The page with what its commands print now. One shell runs them all: `cd` and `export` hold.
fn record(project: &Project, parts: Vec<Part>) -> Vec<Part> {
    let run = |(n, part): (usize, &Part)| match part {
        Part::Command { command, .. } => {
            Some(format!("{{ {command}\n}} >\"$out/{n}\" 2>&1 || {{ echo {n} >\"$out/failed\"; exit 1; }}\n"))
        }
        Part::Prose(_) => None,
    };
    let script: String = parts.iter().enumerate().filter_map(run).collect();
    let done = project.shell(&script);
    let failed = project.left("failed");
    let part = || parts.get(failed.trim().parse().unwrap_or(usize::MAX));
    assert_eq!(done.code, 0, "{:?}: {}{done:?}", part(), project.left(failed.trim()));
    let home = project.shell("cd && pwd -P").out;
    let now = |(n, part)| match part {
        Part::Command { command, .. } => {
            Part::Command { command, output: project.left(&format!("{n}")).replace(home.trim(), HOME) }
        }
        Part::Prose(prose) => Part::Prose(prose),
    };
    parts.into_iter().enumerate().map(now).collect()
}

/// What may be otherwise on another machine and another day, made equal.
fn normal(page: &str) -> String {
    let mut text = page.to_owned();
    for (pattern, name) in [
        (r"\d{8}T\d{6}Z", "STAMP"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "TIME"),
        (r"\b\d\d:\d\d:\d\d\b", "TIME"),
        (r"\bSTAMP-[0-9a-f]{4}\.\d+\b", "EFFECT"),
        (r"\b[0-9a-f]{7,40}\b", "HASH"),
        (r"\b(\d+ m )?\d+ s\b", "SPAN"),
        (r"started on \S+ \(pid \d+\)", "started on HOST (pid PID)"),
        (r"as process \d+", "as process PID"),
        // The prompt names the directory of the project.
        (r"prompt of \d+ char", "prompt of N char"),
        // Cut at a column, and a longer span moves what is cut.
        (r"(attempt|ask) ended  .*", "$1 ended"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
    }
    text
}

#[test]
fn the_tutorial_is_what_happens() {
    let mut project = project();
    let is_blessing = std::env::var_os("AUTODEV_TEST_BLESS").is_some();
    if !is_blessing {
        project.env("AUTODEV_BACKEND_REPLAY_SPEED", "0");
    }
    let told = fs::read_to_string(page()).unwrap();
    let recorded = record(&project, parts(&told));
    let played = text(&recorded);
    assert_eq!(parts(&played), recorded, "some output looks like a command or a fence");
    if is_blessing && normal(&told) != normal(&played) {
        fs::write(page(), &played).unwrap();
    } else {
        let hint = "AUTODEV_TEST_BLESS=1 cargo test --test it tutorial";
        pretty_assertions::assert_str_eq!(normal(&told), normal(&played), "docs/tutorial.md is stale: {hint}");
    }
    ends_well(&project);
    commits_are_what_the_checks_ask_for(&project);
}

fn ends_well(project: &Project) {
    let inside = |command: &str| {
        let done = project.shell(&format!("cd ~/todo/project && {command}"));
        assert_eq!(done.code, 0, "{command}: {done:?}");
        done.out
    };
    assert_eq!(inside("git log --format=%s | grep -c '^autodev: '"), "3\n");
    assert_eq!(inside("git status --porcelain"), " M task.json\n");

    let journal = inside("autodev log --json");
    let events = |kind: &str| journal.matches(&format!("\"kind\":\"{kind}\"")).count();
    assert_eq!((events("replanned"), events("task_completed"), events("reflected")), (1, 3, 1), "{journal}");
    let status: serde_json::Value = serde_json::from_str(&inside("autodev status --json")).unwrap();
    assert_eq!(status["run"]["current_epoch"], 2);

    let mut passed = 0;
    for queue in ["task.json", ".autodev/archive/epoch-1-*.json"] {
        let queue: serde_json::Value = serde_json::from_str(&inside(&format!("cat {queue}"))).unwrap();
        for task in queue["tasks"].as_array().unwrap() {
            assert_eq!(task["passes"], true, "{task}");
            passed += 1;
        }
    }
    assert_eq!(passed, 3);
}

/// The test that each commit brings passes with it and fails on what was there before.
fn commits_are_what_the_checks_ask_for(project: &Project) {
    let script = "cd ~/todo/project && git worktree add -q --detach ../before && cd ../before && n=0
for commit in $(git log --format=%H --grep='^autodev: '); do
    test=$(git show --name-only --format= $commit -- tests)
    git checkout -q --force $commit && sh $test || exit 1
    git rm -q -rf . && git checkout -q $commit^ -- . && git checkout -q $commit -- $test
    if sh $test; then echo $test proves nothing; exit 1; fi
    git reset -q --hard; n=$((n + 1))
done
test $n = 3";
    let done = project.shell(script);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn what_differs_from_day_to_day_is_the_same_and_nothing_else() {
    let day = |time: &str, hash: &str| format!("[{time}] [COMPLETED] P0-1 (attempt 1, 2 files, commit {hash})");
    assert_eq!(
        normal(&day("2026-11-21 15:35:57", "7022f2466312")),
        normal(&day("2027-01-01 00:00:00", "0123456789ab"))
    );
    assert_ne!(normal("3 tasks, 2 passed"), normal("3 tasks, 1 passed"));
}

#[test]
fn a_page_that_is_taken_apart_is_put_together_again() {
    let page = "# x\n\n````console\n$ a | b\n```\nout\n$ c\n````\n\n```sh\n$ no\n```\n";
    let parts = parts(page);
    assert_eq!(text(&parts), page);
    let command =
        |command: &str, output: &str| Part::Command { command: command.to_owned(), output: output.to_owned() };
    assert_eq!(parts[1..3], [command("a | b", "```\nout\n"), command("c", "")]);
}
