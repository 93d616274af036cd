//! Completion and execution of a task, also as older files say them (`execution_mode`, `experiment`).
//!
//! Unlike `verification` these are read leniently: an unknown kind is `boolean`, an unknown strategy is
//! `single_pass`, an unreadable number is its default. The `experiment` and `execution_mode` members of current
//! files are mirrors for older readers: written, and read only where `completion` or `execution` is missing.

use super::json::{Json, Object};
use super::metric;
use crate::model::{Completion, Direction, Execution, Iterative, Numeric};

/// Whether the task is in an older form, which the next save of the file brings up to date.
pub(super) fn is_legacy(task: &Object) -> bool {
    let checks = verification_key(task);
    let has_evidence = task.filled(checks).is_some_and(|object| object.get("evidence_keys").is_some());
    let has_new_form = task.filled("completion").is_some() && task.filled("execution").is_some();
    let has_old_form = task.get("execution_mode").is_some() || task.get("experiment").is_some();
    checks == "gate" || has_evidence || (has_old_form && !has_new_form)
}

/// Returns the key of the object that holds the checks: `gate` in older files, as long as `verification` says nothing.
pub(super) fn verification_key(task: &Object) -> &'static str {
    let is_silent = match task.given("verification") {
        None => true,
        Some(value) => value.as_object().is_some_and(Object::is_empty),
    };
    if is_silent && task.given("gate").is_some() { "gate" } else { "verification" }
}

/// Whether an older file asks for keep-or-revert work against a metric.
fn is_experiment(task: &Object) -> bool {
    task.text("execution_mode") == "experiment" || task.filled("experiment").is_some()
}

/// Reads when the task counts as done.
pub(super) fn completion(task: &Object) -> Completion {
    if let Some(completion) = task.filled("completion") {
        return match completion.text("kind").as_str() {
            "numeric" => Completion::Numeric(numeric(completion)),
            _ => Completion::Boolean,
        };
    }
    if !is_experiment(task) {
        return Completion::Boolean;
    }
    let none = Object::default();
    let goal = task.filled("experiment").and_then(|experiment| experiment.filled("goal_metric")).unwrap_or(&none);
    Completion::Numeric(numeric(goal))
}

fn numeric(object: &Object) -> Numeric {
    let number = |key| object.get(key).and_then(Json::as_float);
    let source = object.text("source");
    Numeric {
        name: object.text("name"),
        source: if source.is_empty() { "json_stdout".to_owned() } else { source },
        direction: match object.text("direction").as_str() {
            "lower_is_better" => Some(Direction::LowerIsBetter),
            "higher_is_better" => Some(Direction::HigherIsBetter),
            _ => None,
        },
        json_path: object.text("json_path"),
        min_improvement: number("min_improvement").unwrap_or(0.0),
        unchanged_tolerance: number("unchanged_tolerance").unwrap_or(0.0),
        target: number("target"),
        // `metric` reads the rest.
        ..Numeric::default()
    }
}

/// The names of the settings of the iterative strategy.
struct Names {
    rollback: &'static str,
    no_improvement: &'static str,
    invalid: &'static str,
}

const CURRENT: Names = Names {
    rollback: "rollback_on_failure",
    no_improvement: "stop_after_no_improvement",
    invalid: "stop_after_invalid",
};
const MIRROR: Names = Names {
    rollback: "rollback_on_regression",
    no_improvement: "no_improvement_threshold",
    invalid: "invalid_result_threshold",
};

/// Reads how the task is worked on.
pub(super) fn execution(task: &Object) -> Execution {
    if let Some(execution) = task.filled("execution") {
        return match execution.text("strategy").as_str() {
            "iterative" => Execution::Iterative(iterative(execution, &CURRENT)),
            _ => Execution::SinglePass,
        };
    }
    if !is_experiment(task) {
        return Execution::SinglePass;
    }
    let none = Object::default();
    Execution::Iterative(iterative(task.filled("experiment").unwrap_or(&none), &MIRROR))
}

fn iterative(object: &Object, names: &Names) -> Iterative {
    let default = Iterative::default();
    let flag = |key, otherwise| object.get(key).map_or(otherwise, |value| value.as_flag(otherwise));
    let count = |key, otherwise| {
        let number = object.get(key).and_then(Json::as_integer).filter(|n| *n > 0);
        number.map_or(otherwise, |n| u32::try_from(n).unwrap_or(u32::MAX))
    };
    let prefix = object.text("commit_prefix");
    Iterative {
        max_iterations: count("max_iterations", default.max_iterations),
        rollback_on_failure: flag(names.rollback, default.rollback_on_failure),
        keep_on_equal: flag("keep_on_equal", default.keep_on_equal),
        commit_prefix: if prefix.is_empty() { default.commit_prefix } else { prefix },
        stop_after_no_improvement: count(names.no_improvement, default.stop_after_no_improvement),
        stop_after_invalid: count(names.invalid, default.stop_after_invalid),
    }
}

/// Writes `completion`, `execution` and their mirrors in the normal form.
pub(super) fn write(task: &mut Object) {
    let (done, work) = (completion(task), execution(task));
    let mut experiment = task.filled("experiment").cloned().unwrap_or_default();
    let completion = match &done {
        Completion::Boolean => {
            experiment.remove("goal_metric");
            Object::from([
                ("kind", Json::text("boolean")),
                ("source", Json::text("gate")),
                ("success_when", Json::text("all_checks_pass")),
            ])
        }
        Completion::Numeric(numeric) => {
            let goal = experiment.filled("goal_metric").cloned().unwrap_or_default();
            let mut written = task.filled("completion").cloned().unwrap_or_default();
            let old = if written.is_empty() { goal.clone() } else { written.clone() };
            written.set("kind", Json::text("numeric"));
            for (key, value) in old.iter().filter(|(key, _)| metric::KEYS.contains(key)) {
                written.set(key, value.clone());
            }
            write_numeric(&mut written, numeric, &old);
            let mut mirror = goal;
            write_numeric(&mut mirror, numeric, &old);
            experiment.set("goal_metric", Json::Object(mirror));
            written
        }
    };
    let execution = match &work {
        Execution::SinglePass => {
            let stale = [MIRROR.rollback, MIRROR.no_improvement, MIRROR.invalid];
            for key in stale.into_iter().chain(["max_iterations", "keep_on_equal", "commit_prefix"]) {
                experiment.remove(key);
            }
            Object::from([("strategy", Json::text("single_pass"))])
        }
        Execution::Iterative(iterative) => {
            write_iterative(&mut experiment, iterative, &MIRROR);
            let mut written = task.filled("execution").cloned().unwrap_or_default();
            written.set("strategy", Json::text("iterative"));
            write_iterative(&mut written, iterative, &CURRENT);
            written
        }
    };
    let mode = if work == Execution::SinglePass { "delivery" } else { "experiment" };
    task.set("completion", Json::Object(completion));
    task.set("execution", Json::Object(execution));
    task.set("execution_mode", Json::text(mode));
    if done == Completion::Boolean && work == Execution::SinglePass {
        task.remove("experiment");
    } else {
        task.set("experiment", Json::Object(experiment));
    }
}

/// Writes a metric into `object`; `old` is where it was read from, so that its numbers keep their digits.
fn write_numeric(object: &mut Object, numeric: &Numeric, old: &Object) {
    let direction = numeric.direction.map_or_else(|| old.text("direction"), |d| d.as_str().to_owned());
    let number = |key, value: f64| match old.get(key) {
        Some(json @ Json::Number(_)) if json.as_float() == Some(value) => json.clone(),
        _ => Json::float(value),
    };
    object.set("source", Json::text(&numeric.source));
    object.set("name", Json::text(&numeric.name));
    object.set("direction", Json::text(direction));
    object.set("json_path", Json::text(&numeric.json_path));
    object.set("min_improvement", number("min_improvement", numeric.min_improvement));
    object.set("unchanged_tolerance", number("unchanged_tolerance", numeric.unchanged_tolerance));
    match numeric.target {
        Some(target) => object.set("target", number("target", target)),
        None => object.remove("target"),
    }
}

fn write_iterative(object: &mut Object, iterative: &Iterative, names: &Names) {
    object.set("max_iterations", Json::integer(iterative.max_iterations));
    object.set(names.rollback, Json::Bool(iterative.rollback_on_failure));
    object.set("keep_on_equal", Json::Bool(iterative.keep_on_equal));
    object.set("commit_prefix", Json::text(&iterative.commit_prefix));
    object.set(names.no_improvement, Json::integer(iterative.stop_after_no_improvement));
    object.set(names.invalid, Json::integer(iterative.stop_after_invalid));
}

#[cfg(test)]
mod tests {
    use super::super::scan::parse;
    use super::*;

    fn task(text: &str) -> Object {
        parse(text).unwrap().as_object().unwrap().clone()
    }

    fn written(text: &str) -> serde_json::Value {
        let mut task = task(text);
        write(&mut task);
        let mut out = String::new();
        task.print(0, &mut out);
        serde_json::from_str(&out).unwrap()
    }

    #[test]
    fn an_experiment_of_an_older_file_becomes_numeric_and_iterative() {
        let task = task(
            r#"{"experiment": {"goal_metric": {"name": "lat", "direction": "lower_is_better", "source": "json_stdout",
                "json_path": "$.lat", "min_improvement": "0.5", "unchanged_tolerance": 1}, "max_iterations": 7,
                "rollback_on_regression": "no", "keep_on_equal": 1, "commit_prefix": "exp",
                "no_improvement_threshold": 4, "invalid_result_threshold": 0}}"#,
        );
        assert!(is_legacy(&task));
        assert_eq!(
            completion(&task),
            Completion::Numeric(Numeric {
                name: "lat".into(),
                source: "json_stdout".into(),
                direction: Some(Direction::LowerIsBetter),
                json_path: "$.lat".into(),
                min_improvement: 0.5,
                unchanged_tolerance: 1.0,
                target: None,
                ..Numeric::default()
            })
        );
        let iterative = Iterative {
            max_iterations: 7,
            rollback_on_failure: false,
            keep_on_equal: true,
            commit_prefix: "exp".into(),
            stop_after_no_improvement: 4,
            stop_after_invalid: 2,
        };
        assert_eq!(execution(&task), Execution::Iterative(iterative));
    }

    #[test]
    fn each_form_reads_as_its_kind_and_strategy() {
        for (text, numeric, iterative) in [
            ("{}", false, false),
            (r#"{"execution_mode": "delivery"}"#, false, false),
            (r#"{"execution_mode": "experiment"}"#, true, true),
            (r#"{"experiment": {}}"#, false, false),
            (r#"{"experiment": []}"#, false, false),
            (r#"{"experiment": {"max_iterations": 2}}"#, true, true),
            (r#"{"experiment": {"max_iterations": 2}, "execution": {"strategy": "single_pass"}}"#, true, false),
            (r#"{"experiment": {"max_iterations": 2}, "completion": {"kind": "boolean"}}"#, false, true),
            (r#"{"execution_mode": "experiment", "completion": {}, "execution": {}}"#, true, true),
            (r#"{"completion": {"kind": "odd"}, "execution": {"strategy": "odd"}}"#, false, false),
            (r#"{"completion": {"kind": "numeric"}, "execution": {"strategy": "iterative"}}"#, true, true),
        ] {
            let task = task(text);
            assert_eq!(completion(&task) != Completion::Boolean, numeric, "{text}");
            assert_eq!(execution(&task) != Execution::SinglePass, iterative, "{text}");
        }
    }

    #[test]
    fn the_mirrors_follow_the_truth() {
        let boolean = written(
            r#"{"completion": {"kind": "odd", "x": 1}, "execution_mode": "experiment",
            "execution": {"strategy": "single_pass", "max_iterations": 3}, "experiment": {"max_iterations": 3}}"#,
        );
        insta::assert_json_snapshot!(boolean, @r#"
        {
          "completion": {
            "kind": "boolean",
            "source": "gate",
            "success_when": "all_checks_pass"
          },
          "execution_mode": "delivery",
          "execution": {
            "strategy": "single_pass"
          }
        }
        "#);
        let numeric = written(
            r#"{"completion": {"kind": "numeric", "name": "n", "direction": "up", "target": 5,
            "min_improvement": null, "mine": true}, "execution": {"strategy": "iterative", "max_iterations": "4"}}"#,
        );
        insta::assert_json_snapshot!(numeric, @r#"
        {
          "completion": {
            "kind": "numeric",
            "name": "n",
            "direction": "up",
            "target": 5,
            "min_improvement": 0.0,
            "mine": true,
            "source": "json_stdout",
            "json_path": "",
            "unchanged_tolerance": 0.0
          },
          "execution": {
            "strategy": "iterative",
            "max_iterations": 4,
            "rollback_on_failure": true,
            "keep_on_equal": false,
            "commit_prefix": "experiment",
            "stop_after_no_improvement": 3,
            "stop_after_invalid": 2
          },
          "execution_mode": "experiment",
          "experiment": {
            "goal_metric": {
              "source": "json_stdout",
              "name": "n",
              "direction": "up",
              "json_path": "",
              "min_improvement": 0.0,
              "unchanged_tolerance": 0.0,
              "target": 5
            },
            "max_iterations": 4,
            "rollback_on_regression": true,
            "keep_on_equal": false,
            "commit_prefix": "experiment",
            "no_improvement_threshold": 3,
            "invalid_result_threshold": 2
          }
        }
        "#);
    }

    #[test]
    fn what_is_written_reads_the_same_and_is_no_longer_legacy() {
        for text in [
            r#"{"execution_mode": "experiment"}"#,
            r#"{"experiment": {"goal_metric": {"name": "n", "target": 1e3}, "commit_prefix": " "}}"#,
            r#"{"completion": {"kind": "numeric", "direction": "higher_is_better", "target": "5"}}"#,
            r#"{"execution": {"strategy": "iterative", "keep_on_equal": "on", "stop_after_invalid": 99999999999}}"#,
            r#"{"experiment": {"max_iterations": 2}, "execution": {"strategy": "single_pass"}}"#,
        ] {
            let before = task(text);
            let mut after = before.clone();
            write(&mut after);
            assert_eq!(completion(&after), completion(&before), "{text}");
            assert_eq!(execution(&after), execution(&before), "{text}");
            assert!(!is_legacy(&after), "{text}");
            let mut again = after.clone();
            write(&mut again);
            assert_eq!(again, after, "{text}");
        }
    }
}
