//! What iterative tasks leave to be looked at: experiments.jsonl, `autodev experiments`, the status files.

use serde_json::{Value, json};

use crate::harness::{DILIGENT, ONE_TASK, Project};

/// A repository with the number 100 in the file `value`, a task to make it smaller in four iterations, and an agent;
/// `script` is a shell `case` on the iteration.
fn project(script: &str) -> Project {
    let project = Project::new();
    project.write("value", "100\n");
    project.git(&["add", "value"]);
    project.git(&["commit", "-q", "-m", "value"]);
    project.tasks(
        r#"[{"id": "L", "title": "Make it small", "description": "d", "steps": ["s"],
            "verification": {"validate_commands": [{"run": "test ! -e broken", "shell": true}, "cat value"]},
            "completion": {"kind": "numeric", "name": "size", "source": "json_stdout", "json_path": "$",
                "direction": "lower_is_better", "samples": 1, "target": 10},
            "execution": {"strategy": "iterative", "max_iterations": 4, "stop_after_invalid": 9}},
          {"id": "S", "title": "Single", "passes": true}]"#,
    );
    project.agent("codex", &format!("case $AUTODEV_ATTEMPT in\n{script}\nesac\necho done"));
    project
}

/// Better, worse, failing, nothing.
const FOUR: &str = "1) echo 90 > value;;\n2) echo 95 > value;;\n3) echo 1 > value; touch broken;;\n4) :;;";

fn lines(project: &Project) -> Vec<Value> {
    let text = project.read("logs/experiments.jsonl");
    assert!(text.is_ascii() && text.ends_with('\n'), "{text}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn each_iteration_is_a_line_with_the_published_keys_in_their_order() {
    let project = project(FOUR);
    let old = "{\"task_id\": \"P1-1\", \"iteration\": 0, \"metric_name\": \"lat\"}\n";
    project.write("logs/experiments.jsonl", old);
    project.expect(&["run"], 0);
    let lines = lines(&project);
    let keys = |line: &Value| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let published = [
        "task_id",
        "iteration",
        "metric_name",
        "baseline_value",
        "best_before",
        "measured_value",
        "outcome",
        "commit_sha",
        "reverted_sha",
        "duration_ms",
        "notes",
    ];
    let of_baseline: Vec<&str> = published.into_iter().filter(|key| *key != "duration_ms").collect();
    assert_eq!(lines.len(), 6, "what was there, the baseline and four iterations");
    assert_eq!(keys(&lines[1])[..of_baseline.len()], of_baseline);
    assert!(lines[2..].iter().all(|line| keys(line)[..published.len()] == published), "{lines:?}");

    let shown = |line: &Value| json!([line["iteration"], line["outcome"], line["measured_value"], line["decision"]]);
    let shown: Vec<Value> = lines[1..].iter().map(shown).collect();
    let wanted = json!([
        [0, "baseline", 100.0, "none"],
        [1, "improved", 90.0, "kept"],
        [2, "regressed", 95.0, "reverted"],
        [3, "invalid", null, "reverted"],
        [4, "unchanged", null, "none"]
    ]);
    assert_eq!(json!(shown), wanted);
    assert_eq!((&lines[1]["best_before"], &lines[1]["commit_sha"]), (&Value::Null, &json!("")));
    assert_eq!((&lines[3]["best_before"], &lines[3]["summary"]), (&json!(90.0), &json!("value +1 -1")));
    assert_eq!(lines[3]["reverted_sha"], project.git(&["rev-parse", "HEAD"]).trim());

    // It can be made again, what was there before it included.
    let text = project.read("logs/experiments.jsonl");
    project.write("logs/experiments.jsonl", "{scribbled over");
    let done = project.expect(&["rebuild"], 0);
    assert!(done.out.contains("logs/experiments.jsonl.bak."), "the file that differed is kept: {}", done.out);
    assert_eq!(project.read("logs/experiments.jsonl"), text);
}

#[test]
fn a_project_without_experiments_has_no_file_and_says_what_to_do() {
    let project = Project::new();
    project.tasks("[]");
    let done = project.expect(&["experiments"], 0);
    assert!(done.out.contains("\"strategy\": \"iterative\""), "{}", done.out);
    assert_eq!(project.output_json(&["experiments", "--json"], 0), json!({"tasks": []}));
    project.tasks(ONE_TASK).agent("codex", DILIGENT);
    project.expect(&["run"], 0);
    project.expect(&["rebuild"], 0);
    assert!(!project.has("logs/experiments.jsonl"));
}

#[test]
fn the_page_shows_every_iteration_and_a_chart() {
    let mut project = project(FOUR);
    project.expect(&["run"], 0);
    let page = project.expect(&["experiments"], 0).out;
    for part in [
        "[COMPLETED] L: Make it small\n",
        "size, lower is better: baseline 100, best 90 (iteration 1, 10.0 % better)\n",
        "4 iterations of at most 4: 1 kept, 2 put back, 1 invalid; target 10 not reached\n",
        "2    regressed  95     -5.6         reverted  ",
        "\n3: validate:test ! -e broken: exit_code=1\n",
        "● kept  ○ put back  · no change  × no valid result",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    project.env("LC_ALL", "C");
    let page = project.expect(&["experiments", "L"], 0).out;
    assert!(page.is_ascii() && page.contains("* kept  o put back"), "{page}");
    assert!(project.expect(&["experiments", "S"], 1).err.contains("execution.strategy is single_pass"));
    assert!(project.expect(&["experiments", "nope"], 1).err.contains("there is no task nope"));
    assert_eq!(project.output_json(&["experiments", "L", "--json"], 0)["tasks"][0]["best_iteration"], 1);
}

#[test]
fn a_run_shows_where_its_iteration_stands() {
    let project =
        project("1) echo 90 > value;;\n2) touch \"$out/there\"; while [ ! -e \"$out/go\" ]; do sleep 0.05; done;;");
    let running = project.spawn(&["run"]);
    project.wait_for_left("there");
    let page = project.expect(&["experiments"], 0).out;
    assert!(page.contains("\nUnder way: iteration 2: ") && page.contains("1    improved"), "{page}");
    let page = project.expect(&["status"], 0).out;
    assert!(page.contains("Current: L - Make it small (iteration 2/4)\n"), "{page}");
    assert!(page.contains("Experiments: baseline size=100, best size=90, last size=90 (improved) | 1 kept,"), "{page}");
    let run = project.output_json(&["status", "--json"], 0)["run"].clone();
    let wanted = json!({"current_attempt": 2, "max_attempts": 4, "current_iteration": 2, "max_iterations": 4,
        "baseline_metric": "size=100", "best_metric": "size=90", "last_metric": "size=90", "last_outcome": "improved",
        "kept_count": 1, "reverted_count": 0, "no_improvement_streak": 0});
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(&run[key], value, "{key}: {run}");
    }
    let brief = project.read("TASK.md");
    for line in ["- Attempt: 2/4", "- Current iteration: 2", "- Baseline metric: size=100", "- Best metric: size=90"] {
        assert!(brief.lines().any(|it| it == line), "{line}: {brief}");
    }
    assert!(project.read("logs/dashboard.html").contains("size over 1 iteration</title>"));
    std::fs::write(project.out("go"), "").unwrap();
    let done = running.wait();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("[KEPT] L: iteration 1 improved (kept)"), "{}", done.err);
    assert!(done.err.contains("[COMPLETED] L: Make it small: Kept 1 of "), "{}", done.err);
}

#[test]
fn each_line_is_written_once_whoever_is_killed() {
    let one = "1) echo 90 > value;;\n*) :;;";
    let what = |project: &Project| -> Vec<Value> {
        lines(project).iter().map(|line| json!([line["iteration"], line["outcome"], line["decision"]])).collect()
    };
    let mut calm = project(one);
    let points = calm.out("points");
    calm.env("AUTODEV_KILL_LOG", points.to_str().unwrap());
    calm.expect(&["run"], 0);
    let want = what(&calm);
    assert_eq!(want.len(), 5);
    let log = std::fs::read_to_string(&points).unwrap();
    let places: Vec<&str> = log.lines().filter_map(|line| line.split_once(' ')).map(|(_, place)| place).collect();
    // Before and after each line, and after the event behind it was journaled.
    let entries = places.iter().enumerate().filter(|(_, place)| place.ends_with("entry")).map(|(at, _)| at + 1);
    let journaled = places.windows(2).enumerate().filter(|(_, two)| *two == ["after journal", "before entry"]);
    let kills: Vec<usize> = entries.chain(journaled.map(|(at, _)| at + 1)).collect();
    assert!(kills.len() >= 15, "{log}");
    for place in kills {
        let mut project = project(one);
        project.env("AUTODEV_KILL_AT", &place.to_string());
        let killed = project.run(&["run"]);
        project.env("AUTODEV_KILL_AT", "0");
        assert!(killed.code == -9 || killed.code == 0, "point {place}: {killed:?}");
        project.expect(&["run"], 0);
        assert_eq!(what(&project), want, "point {place}: {}", project.read("logs/experiments.jsonl"));
        let text = project.read("logs/experiments.jsonl");
        project.expect(&["rebuild"], 0);
        assert_eq!(project.read("logs/experiments.jsonl"), text, "point {place}");
        assert_eq!(project.find("logs", "experiments.jsonl.bak"), [""; 0], "point {place}");
    }
}

#[test]
fn iterative_survives_broken_task_json() {
    let project = project("1) echo '{\"tasks\": [' > task.json; echo 90 > value;;\n2) echo 80 > value;;\n*) :;;");
    let done = project.expect(&["run"], 0);
    let kept: Vec<Value> =
        lines(&project).iter().filter(|it| it["decision"] == "kept").map(|it| it["iteration"].clone()).collect();
    assert_eq!(json!(kept), json!([1, 2]), "{}", done.err);
    assert_eq!(project.flags("L"), (true, false));
    assert_eq!(project.find("", "task.json.broken.").len(), 1, "the broken file is kept");
    let files = project.git(&["log", "--format=", "--name-only", "-2"]);
    assert_eq!(files.split_whitespace().collect::<Vec<_>>(), ["value", "value"], "task.json is in no experiment");
}
