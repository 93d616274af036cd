//! Iterative tasks: what is measured, kept and put back.

use serde_json::{Value, json};

use crate::harness::Project;

/// A task `L` whose metric is the number in the file `value`, smaller is better; `more` is merged into it.
fn task(project: &Project, more: &Value) {
    let mut task = json!({
        "id": "L", "title": "Make it small", "description": "d", "steps": ["s"],
        "verification": {"validate_commands": [{"run": "test ! -e broken", "shell": true}, "cat value"]},
        "completion": {"kind": "numeric", "name": "size", "source": "json_stdout", "json_path": "$",
            "direction": "lower_is_better", "samples": 1},
        "execution": {"strategy": "iterative", "max_iterations": 4, "stop_after_invalid": 9,
            "stop_after_no_improvement": 9}
    });
    merge(&mut task, more);
    project.tasks(&json!([task]).to_string());
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

/// A repository with a value of 100 and an agent that changes it; `script` is a shell `case` on the iteration.
fn project(script: &str) -> Project {
    let project = Project::new();
    project.write("value", "100\n").write("mine.txt", "mine\n");
    project.git(&["add", "."]);
    project.git(&["commit", "-q", "-m", "value"]);
    project.agent("codex", &format!("case $AUTODEV_ATTEMPT in\n{script}\nesac\necho done"));
    project
}

/// Iteration, outcome, what was done, as recorded.
fn experiments(project: &Project) -> Vec<String> {
    let show = |event: &Value| {
        let record = &event["record"];
        let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", record["iteration"], word("outcome"), word("step"))
    };
    project.events("experiment_ended").iter().skip(1).map(show).collect()
}

fn experiment_refs(project: &Project) -> Vec<String> {
    let refs = project.git(&["for-each-ref", "--format=%(refname)", "refs/autodev"]);
    refs.lines().map(str::to_owned).collect()
}

#[test]
fn improvements_are_committed_and_everything_else_is_put_back() {
    let project = project(
        "1) echo 90 > value;;\n2) echo 95 > value; echo x > extra;;\n3) echo 90 > value;;\n4) echo 80 > value; mkdir -p d; echo n > d/new;;",
    );
    task(&project, &json!({}));
    project.write("mine.txt", "mine, edited\n").write("staged.txt", "staged\n").write("untracked.txt", "u\n");
    project.git(&["add", "staged.txt"]);
    project.expect(&["run"], 0);
    assert_eq!(
        experiments(&project),
        ["1 improved keep", "2 regressed revert", "3 unchanged nothing", "4 improved keep"],
        "the third iteration wrote what was there already"
    );
    assert_eq!(project.log()[..2], ["experiment(L): Make it small", "experiment(L): Make it small"]);
    assert_eq!(project.log().len(), 4);
    assert_eq!((project.read("value").as_str(), project.read("d/new").as_str()), ("80\n", "n\n"));
    assert!(!project.has("extra"), "what the second iteration added is gone");
    assert_eq!(project.read("mine.txt"), "mine, edited\n");
    let status = project.git(&["status", "--porcelain", "--untracked-files=all"]);
    for line in [" M mine.txt", "A  staged.txt", "?? untracked.txt"] {
        assert!(status.contains(line), "{status}");
    }
    let refs = experiment_refs(&project);
    assert_eq!(refs.len(), 1, "only what was put back needs a reference: {refs:?}");
    assert_eq!(project.git(&["show", &format!("{}:extra", refs[0])]), "x\n");
    assert_eq!(project.flags("L"), (true, false));
    let history = project.task("L")["attempt_history"].clone();
    assert_eq!(history[0]["attempt"], 4, "the best iteration: {history}");
    assert_eq!(history[0]["summary"], "Kept 2 of 4 changes: size 100 -> 80");
    let reverted = &project.events("experiment_ended")[2]["record"];
    assert_eq!(reverted["reverted"], project.git(&["rev-parse", "HEAD~1"]).trim(), "where the branch is: {reverted}");
}

#[test]
fn failed_checks_are_never_kept_however_good_the_number() {
    let project =
        project("1) echo 1 > value; touch broken;;\n2) echo 99 > value;;\n3) exit 3;;\n4) echo 2 > value; exit 3;;");
    task(&project, &json!({}));
    project.expect(&["run"], 0);
    assert_eq!(experiments(&project), ["1 invalid revert", "2 improved keep", "3 invalid nothing", "4 invalid revert"]);
    assert!(!project.has("broken") && project.read("value") == "99\n");
}

#[test]
fn a_target_that_is_reached_is_kept_and_ends_the_task() {
    let project = project("1) echo 60 > value;;\n2) echo 50 > value;;\n*) echo 1 > value;;");
    task(&project, &json!({"completion": {"target": 50}}));
    project.expect(&["run"], 0);
    assert_eq!(experiments(&project), ["1 improved keep", "2 target_met keep"]);
    assert_eq!((project.calls("codex"), project.read("value").as_str()), (2, "50\n"));
    assert_eq!(project.flags("L"), (true, false));
}

#[test]
fn a_target_that_the_baseline_reaches_starts_no_agent() {
    let project = project("*) echo 1 > value;;");
    task(&project, &json!({"completion": {"target": 100}}));
    project.expect(&["run"], 0);
    assert_eq!((project.calls("codex"), project.log().len()), (0, 2));
    assert_eq!(project.task("L")["attempt_history"][0]["summary"], "The target is reached before any change: size=100");
}

#[test]
fn no_changed_file_is_no_improvement() {
    let project = project("*) :;;");
    // The number gets better by itself.
    let counting = "n=$(cat .git/n 2>/dev/null || echo 100); echo $((n-1)) > .git/n; echo $n";
    task(
        &project,
        &json!({"verification": {"validate_commands": [{"run": counting, "shell": true}]},
        "execution": {"stop_after_no_improvement": 2}}),
    );
    let done = project.expect(&["run"], 0);
    assert_eq!(experiments(&project), ["1 unchanged nothing", "2 unchanged nothing"], "{}", done.err);
    assert_eq!(project.task("L")["attempt_history"][0]["summary"], "No improvement in 2 iterations: size=100");
}

#[test]
fn without_git_nothing_is_tried() {
    let project = Project::without_git();
    project.write("value", "100\n").agent("codex", "echo 1 > value");
    task(&project, &json!({}));
    project.expect(&["run"], 2);
    assert_eq!(project.calls("codex"), 0);
    let reason = project.task("L")["block_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("needs a git repository") && reason.contains("git init"), "{reason}");
}

#[test]
fn a_tree_that_does_not_pass_before_the_first_change_starts_no_agent() {
    let project = project("*) echo 1 > value;;");
    project.write("value", "many\n");
    task(&project, &json!({}));
    project.expect(&["run"], 2);
    assert_eq!(project.calls("codex"), 0);
    let reason = project.task("L")["block_reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("the tree does not pass before the first change: metric:size: no value"), "{reason}");
}

#[test]
fn without_rollback_a_rejected_change_stays_for_a_person() {
    let project = project("*) echo 120 > value;;");
    task(&project, &json!({"execution": {"rollback_on_failure": false}}));
    project.expect(&["run"], 2);
    assert_eq!(experiments(&project), ["1 regressed leave"]);
    assert_eq!((project.read("value").as_str(), project.log().len()), ("120\n", 2));
    assert_eq!(project.flags("L"), (false, true));
}

#[test]
fn the_history_can_show_what_was_put_back() {
    let project = project("1) echo 120 > value; echo x > extra;;\n2) echo 90 > value;;\n*) :;;");
    task(&project, &json!({"execution": {"max_iterations": 2, "commit_prefix": "perf"}}));
    project.config("[run]\ndelay_between_tasks = 0\n[git]\nexperiment_history = \"revert-commits\"\n");
    project.write("mine.txt", "mine, edited\n");
    project.expect(&["run"], 0);
    let subject = "perf(L): Make it small";
    assert_eq!(project.log()[..3], [subject.to_owned(), format!("Revert \"{subject}\""), subject.to_owned()]);
    assert_eq!(project.git(&["diff", "HEAD~3", "HEAD~1", "--stat"]), "");
    assert_eq!((project.read("value").as_str(), project.read("mine.txt").as_str()), ("90\n", "mine, edited\n"));
    let record = project.events("experiment_ended")[1]["record"].clone();
    assert_eq!(record["commit"], project.git(&["rev-parse", "HEAD~2"]).trim());
    assert_eq!(record["reverted"], project.git(&["rev-parse", "HEAD~1"]).trim());
}

#[test]
fn an_unfinished_edit_of_the_user_in_the_same_file_survives_being_put_back() {
    let project = project("*) sed -i s/100/120/ value;;");
    project.write("value", "100\n");
    task(
        &project,
        &json!({"verification": {"validate_commands": ["head -n 1 value"]},
        "execution": {"max_iterations": 1}}),
    );
    project.write("value", "100\nunfinished\n");
    project.expect(&["run"], 0);
    assert_eq!(experiments(&project), ["1 regressed revert"]);
    assert_eq!(project.read("value"), "100\nunfinished\n");
}

#[test]
fn what_somebody_writes_during_the_checks_is_not_overwritten() {
    let project = project("*) echo 120 > value; echo a > other;;");
    // The check stands for a person who edits at that moment.
    let check =
        "test $(cat value) = 100 || echo 'a person' > value.new; cat value; test ! -e value.new || mv value.new value";
    task(&project, &json!({"verification": {"validate_commands": [{"run": check, "shell": true}]}}));
    project.expect(&["run"], 2);
    assert_eq!((project.read("value").as_str(), project.has("other")), ("a person\n", false));
    let reason = project.task("L")["block_reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("value was changed by somebody else") && reason.contains("refs/autodev/experiments/L/"),
        "{reason}"
    );
}

#[test]
fn an_equal_result_is_kept_when_that_is_wanted() {
    let project = project("1) echo note > notes;;\n*) :;;");
    task(&project, &json!({"execution": {"keep_on_equal": true, "max_iterations": 1}}));
    project.expect(&["run"], 0);
    assert_eq!(
        (experiments(&project), project.committed()),
        (vec!["1 unchanged keep".to_owned()], vec!["notes".to_owned()])
    );
}

#[test]
fn too_many_invalid_results_block() {
    let project = project("*) echo many > value;;");
    task(&project, &json!({"execution": {"stop_after_invalid": 2}}));
    project.expect(&["run"], 2);
    assert_eq!(experiments(&project), ["1 invalid revert", "2 invalid revert"]);
    assert_eq!(project.read("value"), "100\n");
    let reason = project.task("L")["block_reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("2 iterations gave no valid result, the last: metric:size: no value"), "{reason}");
}

#[test]
fn a_hook_that_refuses_an_improvement_undoes_it() {
    let project = project("1) echo 90 > value;;\n*) echo 80 > value;;");
    task(&project, &json!({"execution": {"max_iterations": 2}}));
    project.write(".git/hooks/pre-commit", "#!/bin/sh\ngrep -q 80 value\n");
    std::fs::set_permissions(
        project.path(".git/hooks/pre-commit"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    project.expect(&["run"], 0);
    assert_eq!(experiments(&project), ["1 invalid revert", "2 improved keep"]);
    assert_eq!((project.read("value").as_str(), project.log().len()), ("80\n", 3));
}

#[test]
fn what_git_ignores_cannot_be_tried() {
    let project = project("*) echo 5 > ignored.txt;;");
    project.write(".gitignore", "logs/\n.autodev/\nignored.txt\n");
    task(&project, &json!({}));
    project.expect(&["run"], 2);
    let reason = project.task("L")["block_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("git does not hold what was changed") && reason.contains("ignored.txt"), "{reason}");
}

#[test]
fn a_limit_costs_no_iteration() {
    let project =
        project("1) if [ $n = 1 ]; then echo 'ERROR: rate limit exceeded' >&2; exit 1; fi; echo 90 > value;;\n*) :;;");
    task(&project, &json!({"execution": {"max_iterations": 1}}));
    project.config("[run]\ndelay_between_tasks = 0\n[circuit_breaker]\nrate_limit_cooldown = 1\n");
    project.expect(&["run"], 0);
    assert_eq!((experiments(&project), project.calls("codex")), (vec!["1 improved keep".to_owned()], 2));
}

#[test]
fn a_stopped_task_goes_on_with_the_same_iteration() {
    let project = project(
        "1) echo 90 > value;;\n2) echo 85 > value; if [ ! -e $out/stopped ]; then touch $out/stopped; sleep 60; fi;;\n3) echo 80 > value;;\n*) :;;",
    );
    task(&project, &json!({"execution": {"max_iterations": 3}}));
    let running = project.spawn(&["run"]);
    project.wait_for_left("stopped");
    running.signal("TERM");
    assert_eq!(running.wait().code, 130);
    project.expect(&["run"], 0);
    assert_eq!(experiments(&project), ["1 improved keep", "2 improved keep", "3 improved keep"]);
    assert_eq!((project.events("baseline_ended").len(), project.log().len()), (1, 5));
}

#[test]
fn a_contract_that_a_person_changes_begins_anew() {
    let project =
        project("1) echo 90 > value; if [ ! -e $out/stopped ]; then touch $out/stopped; sleep 60; fi;;\n*) :;;");
    task(&project, &json!({"execution": {"max_iterations": 1}}));
    let running = project.spawn(&["run"]);
    project.wait_for_left("stopped");
    running.signal("TERM");
    assert_eq!(running.wait().code, 130);
    task(&project, &json!({"execution": {"max_iterations": 1}, "completion": {"direction": "higher_is_better"}}));
    project.expect(&["run"], 0);
    assert_eq!((project.events("campaign_reset").len(), project.events("baseline_ended").len()), (1, 2));
}

#[test]
fn a_guard_that_is_broken_undoes_an_improvement() {
    let project = project(
        "1) echo '{\"size\": 90, \"memory\": 11}' > value;;\n2) echo '{\"size\": 80, \"memory\": 10.4}' > value;;\n*) :;;",
    );
    project.write("value", "{\"size\": 100, \"memory\": 10}\n");
    project.git(&["commit", "-qam", "json"]);
    task(
        &project,
        &json!({"completion": {"json_path": "$.size",
        "guards": [{"name": "memory", "json_path": "$.memory", "max_regression": 0.05}]},
        "execution": {"max_iterations": 2}}),
    );
    let done = project.expect(&["run"], 0);
    assert_eq!(experiments(&project), ["1 regressed revert", "2 improved keep"], "{}", done.err);
    let notes = project.events("experiment_ended")[1]["record"]["notes"].to_string();
    assert!(notes.contains("memory: 10.0 % worse (limit 5.0 %)"), "{notes}");
}

/// Prints the number in `value` with up to 1 % of noise.
const NOISY: &str = "python3 -c 'import random; print(float(open(\"value\").read()) * random.uniform(0.99, 1.01))'";

#[test]
fn a_noisy_number_is_measured_until_it_is_known() {
    let project = project("1) echo note > notes;;\n2) echo 60 > value;;\n*) :;;");
    task(
        &project,
        &json!({"verification": {"validate_commands": [{"run": NOISY, "shell": true}]},
        "completion": {"samples": null}, "execution": {"max_iterations": 2}}),
    );
    let done = project.expect(&["run"], 0);
    assert_eq!(experiments(&project), ["1 unchanged revert", "2 improved keep"], "{}", done.err);
    assert!(!project.has("notes") && project.read("value") == "60\n");
    let ended = project.events("experiment_ended");
    let comparison = &ended[2]["record"]["comparison"];
    assert!(comparison["samples"].as_u64().unwrap() >= 5, "{comparison}");
    assert!((0.58..0.62).contains(&comparison["ratio"].as_f64().unwrap()), "{comparison}");
    assert!(comparison["p_value"].as_f64().unwrap() < 0.05, "{comparison}");
    assert!(ended[0]["record"]["notes"].as_str().unwrap().contains("noisy"), "{}", ended[0]);
    let last = project.events("compare_ended").pop().unwrap();
    assert_eq!((last["iteration"].as_u64(), last["compared"]["finding"].as_str()), (Some(0), Some("improved")));
    assert!(!project.has(".autodev/trees"), "what was built for measuring is not kept");
}

#[test]
fn a_fresh_checkout_that_lacks_something_says_what_to_do_and_prepare_does_it() {
    let project = project("1) echo 60 > value;;\n*) :;;");
    project.write(".gitignore", "logs/\n.autodev/\nbuilt\n").write("built", "yes\n");
    let measure = json!([{"run": "test -e built && cat value", "shell": true}]);
    let numeric = json!({"verification": {"validate_commands": measure}, "completion": {"samples": 5},
        "execution": {"max_iterations": 1}});
    task(&project, &numeric);
    project.expect(&["run"], 2);
    let reason = project.task("L")["block_reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("not in a fresh checkout") && reason.contains("completion.prepare"), "{reason}");
    let mut prepared = numeric;
    merge(&mut prepared, &json!({"completion": {"prepare": ["touch built"]}}));
    task(&project, &prepared);
    project.expect(&["task", "reset", "--ids", "L"], 0);
    let done = project.expect(&["run"], 0);
    assert_eq!(experiments(&project).last().unwrap(), "1 improved keep", "{}", done.err);
}

#[test]
fn a_stop_while_trees_are_measured_is_heard_and_the_run_goes_on_later() {
    let project = project("1) echo 60 > value;;\n*) :;;");
    let slow = "echo $PWD >> ../../../../out/dirs; test -e ../../../../out/go || sleep 1; cat value";
    let slow = slow.replace("../../../../out", project.out("").to_str().unwrap());
    task(
        &project,
        &json!({"verification": {"validate_commands": [{"run": slow, "shell": true}]},
        "completion": {"samples": 5}, "execution": {"max_iterations": 1}}),
    );
    let running = project.spawn(&["run"]);
    crate::harness::wait_until("the second tree to be measured", || project.left("dirs").contains("trees/b"));
    running.signal("TERM");
    assert_eq!(running.wait().code, 130);
    std::fs::write(project.out("go"), "").unwrap();
    project.expect(&["run"], 0);
    assert_eq!((experiments(&project), project.calls("codex")), (vec!["1 improved keep".to_owned()], 1));
}

#[test]
fn the_next_iteration_is_told_what_was_tried() {
    let project = project("1) echo 90 > value;;\n2) echo 95 > value;;\n*) :;;");
    task(&project, &json!({"execution": {"max_iterations": 3}}));
    project.expect(&["run"], 0);
    let prompt = project.prompt("codex", 3);
    for part in [
        "size=90",
        "iteration 1: improved, size=90 (kept, the best so far; value +1 -1",
        "iteration 2: regressed, size=95 (reverted;",
    ] {
        assert!(prompt.contains(part), "{part}: {prompt}");
    }
}
