//! Epochs: what happens when the queue is exhausted and `--epochs` allows more.

use serde_json::{Value, json};

use crate::harness::{DILIGENT, Project, TWO_TASKS};

fn task(id: &str, title: &str) -> Value {
    json!({"id": id, "title": title, "description": "d", "steps": ["s"],
        "verification": {"path_patterns": ["src/*"], "validate_commands": [format!("test -f src/{id}.txt")]}})
}

fn plan(tasks: &[Value]) -> String {
    json!({"project": "Demo", "tasks": tasks}).to_string()
}

/// A queue that knows its source, and an agent that works, and answers the n-th replanning with the n-th reply.
fn project(replies: &[String]) -> Project {
    let project = Project::new();
    let tasks: Value = serde_json::from_str(TWO_TASKS).unwrap();
    let queue = json!({"project": "Demo", "planning_source": {"planning_text": "make it work", "source_kind": "intent"},
        "tasks": tasks, "mine": {"kept": 1}});
    project.write("task.json", &queue.to_string());
    for (n, reply) in replies.iter().enumerate() {
        std::fs::write(project.out(&format!("reply{}", n + 1)), reply).unwrap();
    }
    agent(&project, DILIGENT);
    project
}

fn agent(project: &Project, work: &str) {
    project.agent(
        "codex",
        &format!(
            "if [ \"$AUTODEV_INQUIRY\" = replan ]; then r=$(( $(cat $out/r 2>/dev/null || echo 0) + 1 )); echo $r > $out/r\n\
             printf '%s' \"$prompt\" > $out/asked$r; cat $out/reply$r; exit; fi\n{work}"
        ),
    );
}

fn ids(project: &Project) -> Vec<String> {
    let queue = project.json("task.json");
    queue["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_exhausted_queue_is_planned_anew() {
    let project = project(&[plan(&[task("N1", "Third")]), plan(&[])]);
    let done = project.expect(&["run", "--epochs", "5"], 0);
    assert_eq!(ids(&project), ["N1"]);
    assert_eq!(project.task("N1")["passes"], true);
    assert!(done.err.contains("nothing new to plan"), "{}", done.err);
    let queue = project.json("task.json");
    assert_eq!(queue["planning_source"]["planning_text"], "make it work");
    assert_eq!(queue["mine"], json!({"kept": 1}), "what autodev does not know stays");
    let history = &queue["epoch_history"];
    assert_eq!(
        (&history[0]["epoch"], &history[0]["completed"], &history[0]["blocked"]),
        (&json!(1), &json!(2), &json!(0))
    );
    assert_eq!(project.log().len(), 4, "three tasks and the first commit");
    let asked = project.left("asked1");
    assert!(asked.contains("make it work") && asked.contains("T1: First"), "{asked}");
    let status = project.json("logs/runtime-status.json");
    assert_eq!((&status["run"]["current_epoch"], &status["run"]["max_epochs"]), (&json!(2), &json!(5)));
}

#[test]
fn replan_archives_old_queue() {
    let project = project(&[plan(&[task("N1", "Third")])]);
    let before = project.read("task.json");
    project.expect(&["run", "--epochs", "2"], 0);
    let archive = project.json("task.json")["epoch_history"][0]["archive"].as_str().unwrap().to_owned();
    let old: Value = serde_json::from_str(&project.read(&archive)).unwrap();
    assert_eq!(old["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(old["tasks"][0]["attempt_history"][0]["status"], "completed", "with its histories");
    assert!(archive.starts_with(".autodev/archive/") && !before.contains("attempt_history"));
    assert_eq!(project.git(&["status", "--porcelain", ".autodev"]), "");
}

#[test]
fn a_task_that_stays_blocked_keeps_exit_code_2() {
    let project = project(&[plan(&[task("N1", "Third")]), plan(&[])]);
    agent(&project, "[ $AUTODEV_TASK_ID = T1 ] && exit 0; mkdir -p src; echo x > src/$AUTODEV_TASK_ID.txt");
    let done = project.expect(&["run", "--epochs", "3", "--max-retries", "1"], 2);
    assert!(done.err.contains("T1 of epoch 1"), "{}", done.err);
    assert_eq!(project.task("N1")["passes"], true);
}

#[test]
fn a_plan_may_replace_a_blocked_task() {
    let mut new = task("N1", "First, smaller");
    new["replaces"] = json!(["T1"]);
    let project = project(&[plan(&[new]), plan(&[])]);
    agent(&project, "[ $AUTODEV_TASK_ID = T1 ] && exit 0; mkdir -p src; echo x > src/$AUTODEV_TASK_ID.txt");
    project.expect(&["run", "--epochs", "3", "--max-retries", "1"], 0);
    let asked = project.left("asked1");
    assert!(asked.contains("T1: First") && asked.contains("failed after 1 attempt"), "{asked}");
}

#[test]
fn a_plan_may_replace_what_an_earlier_epoch_left_blocked() {
    let mut new = task("N2", "First, smaller");
    new["replaces"] = json!(["T1"]);
    let project = project(&[plan(&[task("N1", "Third")]), plan(&[new])]);
    agent(&project, "[ $AUTODEV_TASK_ID = T1 ] && exit 0; mkdir -p src; echo x > src/$AUTODEV_TASK_ID.txt");
    project.expect(&["run", "--epochs", "3", "--max-retries", "1"], 0);
    let asked = project.left("asked2");
    assert!(asked.contains("T1: First") && asked.contains("failed after 1 attempt"), "{asked}");
    assert_eq!(project.events("replanned")[1]["outcome"]["replaces"], json!(["T1"]));
}

#[test]
fn a_plan_that_repeats_finished_work_is_refused_once() {
    let repeats = plan(&[task("N0", "  first "), task("N1", "Third")]);
    let project = project(&[repeats, plan(&[task("N1", "Third")])]);
    project.expect(&["run", "--epochs", "2"], 0);
    assert_eq!(ids(&project), ["N1"]);
    let second = project.left("asked2");
    assert!(second.to_lowercase().contains("first") && second != project.left("asked1"), "{second}");
}

#[test]
fn what_is_repeated_again_is_left_out() {
    let repeats = plan(&[task("N0", "First"), task("N1", "Third")]);
    let project = project(&[repeats.clone(), repeats]);
    project.expect(&["run", "--epochs", "2"], 0);
    assert_eq!(ids(&project), ["N1"]);
    assert_eq!(project.events("replanned")[0]["outcome"]["left_out"], json!(["First"]));
}

#[test]
fn only_repetitions_are_nothing_new() {
    let repeats = plan(&[task("N0", "First")]);
    let project = project(&[repeats.clone(), repeats]);
    project.expect(&["run", "--epochs", "4"], 0);
    assert_eq!(ids(&project), ["T1", "T2"]);
}

#[test]
fn a_failed_plan_keeps_the_queue_and_is_exit_1() {
    let project = project(&["no JSON at all".into(), "again none".into()]);
    let done = project.expect(&["run", "--epochs", "2"], 1);
    assert_eq!(ids(&project), ["T1", "T2"]);
    assert!(done.err.contains("logs/plans"), "{}", done.err);
    for words in ["no JSON at all", "again none"] {
        assert!(project.holding("logs/plans", words).len() >= 2, "the log and the answer are kept: {words}");
    }
}

#[test]
fn an_unsound_plan_is_shown_its_problems_once() {
    let unsound = plan(&[json!({"id": "N1", "title": "Third"})]);
    let project = project(&[unsound, plan(&[task("N1", "Third")])]);
    project.expect(&["run", "--epochs", "2"], 0);
    assert!(project.left("asked2").contains("N1"), "{}", project.left("asked2"));
    assert_eq!(project.task("N1")["passes"], true);
}

#[test]
fn without_a_source_the_run_ends_as_it_is() {
    let project = Project::new();
    project.tasks(TWO_TASKS).agent("codex", DILIGENT);
    let done = project.expect(&["run", "--epochs", "3"], 0);
    assert!(done.err.contains("planned from"), "{}", done.err);
    assert_eq!(project.calls("codex"), 2);
}

#[test]
fn a_limit_while_planning_is_waited_for() {
    let project = project(&[plan(&[task("N1", "Third")])]);
    project.config("[circuit_breaker]\nrate_limit_cooldown = 1\n");
    project.agent(
        "codex",
        &format!(
            "if [ \"$AUTODEV_INQUIRY\" = replan ]; then [ -e $out/once ] && {{ cat $out/reply1; exit; }}\n\
             touch $out/once; echo 'error: usage limit reached'; exit 1; fi\n{DILIGENT}"
        ),
    );
    project.expect(&["run", "--epochs", "2"], 0);
    assert_eq!(ids(&project), ["N1"]);
    assert_eq!(project.events("paused").iter().filter(|event| event["pause"]["why"] == "limit").count(), 1);
}

#[test]
fn an_epoch_that_ends_by_max_tasks_goes_on_with_the_same_queue() {
    let project = project(&[]);
    project.expect(&["run", "--epochs", "2", "--max-tasks", "1"], 0);
    assert_eq!((project.flags("T1").0, project.flags("T2").0), (true, true));
    assert_eq!(project.events("epoch_ended").len(), 1);
}

#[test]
fn a_dry_run_plans_nothing() {
    let project = project(&[plan(&[task("N1", "Third")])]);
    project.expect(&["run", "--epochs", "3", "--dry-run"], 0);
    assert_eq!(project.calls("codex"), 0);
}

#[test]
fn an_id_that_comes_again_is_another_task() {
    let again = json!({"id": "T1", "title": "Third", "description": "d", "steps": ["s"],
        "verification": {"validate_commands": ["test -f src/third.txt"]}});
    let project = project(&[plan(&[again]), plan(&[])]);
    agent(
        &project,
        "mkdir -p src; echo $n > src/$AUTODEV_TASK_ID.txt; [ -e $out/r ] && echo x > src/third.txt; exit 0",
    );
    project.expect(&["run", "--epochs", "3"], 0);
    assert_eq!((ids(&project), project.flags("T1")), (vec!["T1".to_owned()], (true, false)));
    assert!(project.committed().contains(&"src/third.txt".to_owned()));
}
