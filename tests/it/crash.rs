//! Killed at any point, a run comes to the same end.
//!
//! `AUTODEV_KILL_AT=n` ends the real binary with SIGKILL at the n-th place where it passes from one step to the next:
//! before and after every journal write, every effect and every file. The test walks over all of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Project, processes, wait_until};

/// One task that passes at once, one that needs the second attempt, one that is blocked and leaves something behind.
const TASKS: &str = r#"[
 {"id": "A", "title": "First", "description": "d", "steps": ["s"],
  "verification": {"validate_commands": ["grep -q good src/a.txt"]}},
 {"id": "B", "title": "Second", "description": "d", "steps": ["s"],
  "verification": {"path_patterns": ["src/b.txt"], "validate_commands": ["grep -q good src/b.txt"]}},
 {"id": "C", "title": "Third", "description": "d", "steps": ["s"],
  "verification": {"validate_commands": ["grep -q good src/c.txt"]}}]"#;

/// Depends on nothing but the task and the number of the attempt, as the kill may make an attempt run twice.
const AGENT: &str = r#"
mkdir -p src
case "$AUTODEV_TASK_ID:$AUTODEV_ATTEMPT" in
  A:*) echo good > src/a.txt;;
  B:1) echo bad > src/b.txt; echo other > src/b2.txt;;
  B:*) echo good > src/b.txt;;
  C:*) echo bad > src/c.txt;;
esac
echo "worked on $AUTODEV_TASK_ID"
"#;

/// What is done with a project, and how it ends when nobody disturbs it.
struct Scenario {
    project: fn() -> Project,
    args: &'static [&'static str],
    code: i32,
}

/// Commits, a retry, a salvage.
const WORK: Scenario = Scenario { project: work, args: &["run"], code: 2 };
/// A reflection that refines a task, and a second epoch.
const PLANS: Scenario = Scenario { project: plans, args: &["run", "--epochs", "2"], code: 0 };

/// Two changes that are kept and one that is put back.
const EXPERIMENTS: Scenario = Scenario { project: experiments, args: &["run"], code: 0 };
/// One of each, measured in pairs up to the last word, with a history that shows both.
const HISTORY: Scenario = Scenario { project: history, args: &["run"], code: 0 };

fn history() -> Project {
    let project = experiments();
    project.config("[run]\ndelay_between_tasks = 0\n[git]\nexperiment_history = \"revert-commits\"\n");
    let queue = project.read("task.json").replace("\"samples\":1", "\"samples\":3,\"confidence\":0.5");
    project.write("task.json", &queue.replace("\"max_iterations\":3", "\"max_iterations\":2"));
    project
}

fn experiments() -> Project {
    let project = Project::new();
    let task = json!([{"id": "L", "title": "Make it small", "description": "d", "steps": ["s"],
        "verification": {"validate_commands": ["cat value"]},
        "completion": {"kind": "numeric", "name": "size", "source": "json_stdout", "json_path": "$",
            "direction": "lower_is_better", "samples": 1,
            "guards": [{"name": "same", "json_path": "$", "max_regression": 0.5}]},
        "execution": {"strategy": "iterative", "max_iterations": 3}}]);
    project.tasks(&task.to_string()).write("value", "100\n");
    project.git(&["add", "value"]);
    project.git(&["commit", "-q", "-m", "value"]);
    project.agent(
        "codex",
        "case $AUTODEV_ATTEMPT in\n1) echo 90 > value;;\n2) echo 95 > value; echo x > extra;;\n\
         3) echo 80 > value;;\nesac",
    );
    project.write("user-staged.txt", "staged by the user\n");
    project.git(&["add", "user-staged.txt"]);
    project.write("README", "edited by the user\n");
    project
}

fn work() -> Project {
    let project = Project::new();
    project.config("[run]\ndelay_between_tasks = 0\nmax_retries = 2\n");
    project.tasks(TASKS).agent("codex", AGENT);
    project.write("user-staged.txt", "staged by the user\n");
    project.git(&["add", "user-staged.txt"]);
    project.write("README", "edited by the user\n");
    project
}

fn plans() -> Project {
    let mut project = Project::new();
    project.unset("AUTODEV_REFLECTION_ENABLED");
    let task = |id: &str, title: &str| {
        json!({"id": id, "title": title, "description": "d", "steps": ["s"],
            "verification": {"validate_commands": [format!("grep -q good src/{id}.txt")]}})
    };
    let queue =
        json!({"project": "Demo", "planning_source": {"planning_text": "make it good"}, "tasks": [task("B", "First")]});
    project.write("task.json", &queue.to_string());
    let refinement = json!({"summary": "it was bad", "implementation_notes": ["be good"],
        "verification": {"validate_commands": ["grep -q good src/B.txt", "test -s src/B.txt"]}});
    let plan = json!({"project": "Demo", "tasks": [task("N", "Next")]});
    project.agent(
        "codex",
        &format!(
            "mkdir -p src\ncase \"$AUTODEV_INQUIRY:$AUTODEV_TASK_ID:$AUTODEV_ATTEMPT\" in\n\
             reflect:*) echo '{refinement}';;\n replan:*) echo '{plan}';;\n\
             :B:1) echo bad > src/B.txt;;\n *) echo good > src/$AUTODEV_TASK_ID.txt;;\nesac"
        ),
    );
    project
}

/// Everything that must come out the same, without times and object names.
fn outcome(project: &Project) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::new();
    let format = "--format=%s|%(trailers:key=Autodev-Attempt,valueonly,separator=%x2C)|%T";
    all.insert("commits", project.git(&["log", format]));
    all.insert("status", project.git(&["status", "--porcelain", "--untracked-files=all"]));
    all.insert("tree", project.git(&["ls-files", "-s"]));
    let queue = project.json("task.json");
    let tasks = queue["tasks"].as_array().unwrap().iter().map(|task| {
        let mut task = task.clone();
        task["blocked_at"] = Value::Null;
        serde_json::to_string_pretty(&task).unwrap()
    });
    all.insert("tasks", tasks.collect::<Vec<_>>().join("\n"));
    all.insert("learning", queue["learning_journal"].to_string());
    let epochs = queue["epoch_history"].as_array().into_iter().flatten().map(|entry| {
        let mut entry = entry.clone();
        (entry["effect"], entry["archive"]) = (Value::Null, Value::Null);
        entry.to_string()
    });
    all.insert("epochs", epochs.collect::<Vec<_>>().join("\n"));
    all.insert("statistics", queue["statistics"].to_string());
    let progress = project.read("progress.txt");
    let entries: Vec<String> = progress
        .lines()
        .filter(|line| line.starts_with("## [") || line.starts_with("### Status"))
        .map(|line| line.rsplit("] ").next().unwrap_or(line).to_owned())
        .collect();
    all.insert("progress", entries.join("\n"));
    let refs = project.git(&["for-each-ref", "--format=%(refname)", "refs/autodev/salvage"]);
    let salvages = refs.lines().map(|name| project.git(&["show", "--format=%s", "--name-status", name]));
    all.insert("salvage", salvages.collect());
    let refs = project.git(&["for-each-ref", "--format=%(refname)", "refs/autodev/experiments", "refs/autodev/base"]);
    let mut tried: Vec<String> =
        refs.lines().map(|name| project.git(&["show", "--format=%s", "--name-status", name])).collect();
    tried.sort();
    all.insert("experiments", tried.concat());
    all.insert("run", project.json("logs/runtime-status.json")["run"]["status"].to_string());
    all.insert("brief", project.read("TASK.md"));
    let leftovers: Vec<String> = std::fs::read_dir(project.dir())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(".tmp") || name.contains("broken"))
        .collect();
    all.insert("leftovers", leftovers.join(" "));
    all
}

/// Kills one run at one place, lets the next one finish, and says what differs. False when the place was not reached.
fn disturbed(scenario: &Scenario, place: usize, want: &BTreeMap<&'static str, String>) -> Result<bool, String> {
    let mut project = (scenario.project)();
    let marker = project.dir().display().to_string();
    project.env("AUTODEV_KILL_AT", &place.to_string());
    let killed = project.run(scenario.args);
    if killed.code == scenario.code {
        // How often the status files are written depends on the speed of the machine: the last points may not be there.
        return Ok(false);
    }
    if killed.code != -9 {
        return Err(format!("point {place}: the run was not killed: {killed:?}"));
    }
    project.env("AUTODEV_KILL_AT", "0");
    let done = project.run(scenario.args);
    if done.code != scenario.code {
        return Err(format!("point {place}: the second run ended with {}: {}", done.code, done.err));
    }
    wait_until("every process of the killed run to end", || processes(&marker).is_empty());
    let got = outcome(&project);
    for (what, value) in want {
        if got.get(what) != Some(value) {
            let got = got.get(what).cloned().unwrap_or_default();
            return Err(format!("point {place}: {what} differs\n--- want\n{value}\n--- got\n{got}\n{}", done.err));
        }
    }
    Ok(true)
}

#[test]
fn a_run_killed_at_any_point_comes_to_the_same_end() {
    let (want, tried) = kill_everywhere(&WORK, 1);
    println!("{tried}");
    assert_eq!(want["commits"].lines().count(), 3, "two commits on top of the first: {want:?}");
    assert!(want["salvage"].contains("src/c.txt"), "{want:?}");
    assert!(!want["tree"].contains("src/c.txt"));
}

#[test]
fn a_run_killed_while_reflecting_or_planning_comes_to_the_same_end() {
    let (want, tried) = kill_everywhere(&PLANS, 1);
    println!("{tried}");
    assert_eq!(want["commits"].lines().count(), 3, "two commits on top of the first: {want:?}");
    assert!(want["epochs"].contains(r#""epoch":1"#), "{want:?}");
}

#[test]
fn experiments_killed_at_any_point_come_to_the_same_end() {
    let (want, tried) = kill_everywhere(&EXPERIMENTS, 1);
    println!("{tried}");
    assert_eq!(want["commits"].lines().count(), 4, "two commits on top of the first ones: {want:?}");
    assert!(want["experiments"].contains("extra") && want["tree"].contains("value"), "{want:?}");
}

#[test]
fn a_history_of_experiments_killed_at_any_point_comes_to_the_same_end() {
    let (want, tried) = kill_everywhere(&HISTORY, 3);
    println!("{tried}");
    assert!(want["commits"].contains("Revert \"experiment(L)"), "{want:?}");
}

/// Kills the scenario at each of its points, or at one of so many, and returns how it ends in any case, and a line about what was tried.
fn kill_everywhere(scenario: &Scenario, step: usize) -> (BTreeMap<&'static str, String>, String) {
    let mut calm = (scenario.project)();
    let log = calm.dir().parent().unwrap().join("out/points");
    calm.env("AUTODEV_KILL_LOG", log.to_str().unwrap());
    calm.expect(scenario.args, scenario.code);
    let want = outcome(&calm);
    let points = std::fs::read_to_string(&log).unwrap().lines().count();
    assert!(points > 60, "only {points} points");

    let next = AtomicUsize::new(1);
    let missed = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(step, Ordering::SeqCst);
                    if place > points {
                        return;
                    }
                    match disturbed(scenario, place, &want) {
                        Ok(true) => {}
                        Ok(false) => {
                            missed.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(text) => wrong.lock().unwrap().push(text),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let points = points.div_ceil(step);
    let tried = points - missed.into_inner();
    let line = format!("kill points: {tried} tried, {} runs, {} ended differently", tried * 2 + 1, wrong.len());
    assert!(tried > 40 && tried + points / 5 > points, "only {tried} of {points} points were reached");
    assert!(wrong.is_empty(), "{} of {points} points:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n\n"));
    (want, line)
}
