//! The campaign of `examples/campaign`, played end to end: a program that really gets faster by three of eight changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::harness::Project;

/// What the scripted changes come to; `true` are those that are kept.
const CHANGES: [(&str, bool); 8] = [
    ("unchanged", false),
    ("improved", true),
    ("invalid", false),
    ("regressed", false),
    ("improved", true),
    ("invalid", false),
    ("improved", true),
    ("regressed", false),
];

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/campaign")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The example as its README says to set it up, with two files of the user's that are nobody else's business.
fn project() -> Project {
    let project = Project::without_git();
    copy(&example().join("project"), &project.dir());
    fs::copy(example().join("session.jsonl"), project.path("../session.jsonl")).unwrap();
    project.git(&["init", "-q", "-b", "main"]);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-q", "-m", "start"]);
    assert_eq!(project.shell("sh prepare.sh").code, 0);
    project.write("notes.txt", "mine\n");
    project.write("README.md", "edited by the user\n");
    project
}

#[test]
fn exactly_the_three_good_changes_of_the_example_are_kept() {
    let project = project();
    let before = project.shell("awk -f report.awk build/requests.log").out;
    // Some 160 runs of a program; three minutes: nine times what they take on two cores with eight other programs at work.
    let done = project.spawn(&["run"]).wait_within(Duration::from_mins(3));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("[KEPT] P1-1: iteration 2 improved"), "{}", done.err);
    assert!(done.err.contains("P1-1: iteration 8/8 with replay"), "{}", done.err);

    let page = project.expect(&["experiments", "P1-1"], 0).out;
    let tried = lines(&project);
    let found: Vec<&str> = tried.iter().skip(1).map(|line| line["outcome"].as_str().unwrap()).collect();
    let wanted: Vec<&str> = CHANGES.iter().map(|(outcome, _)| *outcome).collect();
    // A change without effect is given up for want of a trend, or measured to the end: neither keeps it.
    let found: Vec<&str> = found.into_iter().map(|it| if it == "undecided" { "unchanged" } else { it }).collect();
    assert_eq!(found, wanted, "{page}\n{}", done.err);
    for (line, (_, is_kept)) in tried.iter().skip(1).zip(CHANGES) {
        assert_eq!(line["decision"], if is_kept { "kept" } else { "reverted" }, "{line}");
    }
    assert_eq!(project.flags("P1-1"), (true, false));

    history_is_clean(&project, &tried);
    the_rest_is_as_it_was(&project, &before);
    what_is_shown_is_what_was_measured(&project, &tried, &page);
}

/// The lines of experiments.jsonl.
fn lines(project: &Project) -> Vec<Value> {
    project.read("logs/experiments.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn history_is_clean(project: &Project, tried: &[Value]) {
    let subject = "experiment(P1-1): Make the report fast";
    assert_eq!(project.log(), [subject, subject, subject, "start"]);
    let commits = project.git(&["log", "--format=%H", "--reverse", "-3"]);
    let kept: Vec<&str> =
        tried.iter().filter(|line| line["decision"] == "kept").map(|it| it["commit_sha"].as_str().unwrap()).collect();
    assert_eq!(commits.lines().collect::<Vec<_>>(), kept);
    let files = project.git(&["log", "--format=", "--name-only", "-3"]);
    assert_eq!(files.split_whitespace().collect::<Vec<_>>(), ["report.awk"; 3]);
    // What was put back is where it can be looked at, and the branch is where it was before.
    let mut head = project.git(&["rev-parse", "HEAD~3"]).trim().to_owned();
    for line in tried.iter().skip(1) {
        let sha = line["commit_sha"].as_str().unwrap();
        if line["decision"] == "kept" {
            sha.clone_into(&mut head);
        } else {
            assert_eq!(line["reverted_sha"], head, "{line}");
            assert!(project.git(&["for-each-ref", "--points-at", sha]).contains("refs/autodev/experiments/"), "{line}");
        }
    }
}

fn the_rest_is_as_it_was(project: &Project, before: &str) {
    assert_eq!(project.git(&["diff", "--stat", "HEAD", "--", "report.awk"]), "", "the tree is the last commit");
    assert_eq!(project.read("notes.txt"), "mine\n");
    assert_eq!(project.read("README.md"), "edited by the user\n");
    assert_eq!(project.git(&["status", "--porcelain"]), " M README.md\n M task.json\n?? notes.txt\n");
    let check = project.shell("sh tests/check.sh");
    assert_eq!(check.code, 0, "{check:?}");
    assert_eq!(project.shell("awk -f report.awk build/requests.log").out, before, "it says what it said");
}

fn what_is_shown_is_what_was_measured(project: &Project, tried: &[Value], page: &str) {
    // Processor time: a tenth is left, whatever else the machine does.
    let (first, last) = (tried[0]["baseline_value"].as_f64().unwrap(), tried[7]["measured_value"].as_f64().unwrap());
    assert!(last < first / 4.0, "{first} -> {last}");
    for line in tried.iter().filter(|line| line["decision"] == "kept") {
        let (samples, interval) = (line["samples"].as_u64().unwrap(), &line["interval"]);
        assert!(samples >= 7 && interval[1].as_f64().unwrap() < 0.9, "{line}");
        assert_eq!(line["pairs"].as_array().unwrap().len() as u64, samples + 1, "with the warm-up");
    }
    assert!(page.contains("8 iterations of at most 8: 3 kept, 5 put back, 2 invalid"), "{page}");
    assert!(page.contains("\nAgainst where it began: ") && page.contains("● kept"), "{page}");
    let json = project.output_json(&["experiments", "--json"], 0);
    assert_eq!(json["tasks"][0]["status"], "completed");
    assert_eq!(json["tasks"][0]["last_word"]["finding"], "improved");
    for (shown, line) in json["tasks"][0]["experiments"].as_array().unwrap().iter().zip(tried) {
        assert_eq!((&shown["commit_sha"], &shown["pairs"]), (&line["commit_sha"], &line["pairs"]));
    }

    let status = project.output_json(&["status", "--json"], 0);
    let told: Vec<&str> =
        status["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect();
    assert!(told.iter().any(|text| text.starts_with("Iteration 7/8 improved: ")), "{told:?}");
    assert!(told.contains(&"Started iteration 8/8: Make the report fast"), "{told:?}");
    let dashboard = project.read("logs/dashboard.html");
    assert!(dashboard.contains("seconds over 8 iterations</title>"), "{dashboard}");
    let progress = project.read("progress.txt");
    assert_eq!(progress.matches("### Status: ").count(), 1, "{progress}");
    assert!(progress.contains("Kept 3 of 8 changes: seconds "), "{progress}");

    let prompts = project.find(".autodev/prompts", "P1-1-");
    let newest = prompts.iter().map(|name| project.read(name)).find(|text| text.contains("This is iteration 8 of 8"));
    let newest = newest.expect("the prompt of the last iteration");
    let at = |text: &str| newest.find(text).unwrap_or_else(|| panic!("{text} is not in {newest}"));
    assert!(at("- iteration 1: un") < at("- iteration 7: improved, seconds="), "{newest}");
    assert!(newest.contains("(kept, the best so far; report.awk +"), "{newest}");

    // What is made from the journal can be made again.
    let files = ["progress.txt", "logs/experiments.jsonl", "logs/dashboard.html", "logs/runtime-status.json"];
    let before = files.map(|name| project.read(name));
    for name in files {
        fs::remove_file(project.path(name)).unwrap();
    }
    project.expect(&["rebuild"], 0);
    for (name, text) in files.iter().zip(before) {
        pretty_assertions::assert_str_eq!(project.read(name), text, "{name}");
    }
}
