//! Metrics from elsewhere than JSON on the standard output, from outside.

use serde_json::json;

use crate::harness::Project;

/// A task `A` that measures by these commands.
fn task(project: &Project, commands: &[&str], completion: &serde_json::Value) {
    let commands: Vec<_> = commands.iter().map(|run| json!({"run": run, "shell": true})).collect();
    let mut metric = json!({"kind": "numeric", "name": "n", "direction": "lower_is_better"});
    metric.as_object_mut().unwrap().extend(completion.as_object().unwrap().clone());
    let task =
        json!([{"id": "A", "title": "t", "verification": {"validate_commands": commands}, "completion": metric}]);
    project.tasks(&task.to_string());
}

fn metric(report: &serde_json::Value) -> &str {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == "metric:n").unwrap()["details"].as_str().unwrap()
}

#[test]
fn a_metric_comes_from_a_file_a_pattern_or_the_command_itself() {
    let project = Project::plain();
    let verify = |code| project.output_json(&["verify", "A", "--json", "--changed-file", "a"], code);
    task(
        &project,
        &["echo '{\"a\": 3}' > r.json"],
        &json!({"source": "json_file", "file": "r.json", "json_path": "a"}),
    );
    assert_eq!(metric(&verify(0)), "n=3 (measured)");
    task(&project, &["true"], &json!({"source": "json_file", "file": "r.json", "json_path": "a"}));
    assert_eq!(metric(&verify(1)), "no value: `true`: did not write r.json");
    assert!(!project.has("r.json"), "what is old does not count");
    task(&project, &["echo took 5 s"], &json!({"source": "regex", "pattern": "took (?<value>\\d+)"}));
    assert_eq!(metric(&verify(0)), "n=5 (measured)");
    task(&project, &["python3 -c 'b = bytearray(200 << 20)'"], &json!({"source": "max_rss"}));
    assert!(metric(&verify(0)).starts_with("n=2"), "two hundred million bytes and some");
}

#[test]
fn a_metric_that_cannot_be_meant_is_refused_with_its_place() {
    let project = Project::plain();
    let refused = |completion: &serde_json::Value| {
        task(&project, &["true"], completion);
        let done = project.run(&["verify", "A", "--changed-file", "a"]);
        assert_ne!(done.code, 0);
        done.err
    };
    let told = refused(&json!({"samples": "often"}));
    assert!(told.contains("tasks[0].completion.samples: expected \"auto\""), "{told}");
    let told = refused(&json!({"source": "json_file", "file": "../r.json"}));
    assert!(told.contains("tasks[0].completion.file: \"../r.json\" is not a relative path"), "{told}");
    let told = refused(&json!({"guards": [{"name": "memory", "source": "max_rss", "max_regresion": 0.1}]}));
    assert!(told.contains("tasks[0].completion.guards[0].max_regresion: unknown key"), "{told}");
}

#[test]
fn what_a_metric_says_survives_every_save() {
    let project = Project::plain();
    let said = json!({"source": "wall_time", "samples": "auto", "max_samples": 20, "warmup": 2, "confidence": 0.9,
        "min_effect": 0.01, "command": "true", "mine": [1],
        "guards": [{"name": "memory", "source": "max_rss", "max_regression": 0.1}]});
    task(&project, &["true"], &said);
    project.expect(&["task", "block", "A", "later"], 0);
    let completion = project.task("A")["completion"].clone();
    for (key, value) in said.as_object().unwrap() {
        assert_eq!(&completion[key], value, "{key}");
    }
    assert_eq!(completion.get("file"), None, "nothing is added");
}
