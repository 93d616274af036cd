//! logs/experiments.jsonl: one line for each baseline and each iteration.
//!
//! A line is made from its event alone, so that the file can be made again from the journal byte for byte. The keys up
//! to `notes` and their order are a published format that other programs read; keys are only ever added behind them.

use chrono::SecondsFormat;
use serde::Serialize;

use super::outcome;
use crate::model::{Event, EventKind, ExperimentRecord, Outcome, TaskId};
use crate::view::json;

#[derive(Serialize)]
struct Line<'a> {
    task_id: &'a str,
    iteration: u32,
    metric_name: &'a str,
    baseline_value: Option<f64>,
    best_before: Option<f64>,
    measured_value: Option<f64>,
    outcome: &'static str,
    commit_sha: &'a str,
    reverted_sha: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    notes: &'a str,
    decision: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    summary: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<(f64, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p_value: Option<f64>,
    #[serde(skip_serializing_if = "no_pairs")]
    pairs: &'a [(f64, f64)],
    at: String,
}

/// Returns the line of an event with its line break; `None` when the event has none.
pub fn entry(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::ExperimentEnded { task, record } => {
            let at = event.at.to_rfc3339_opts(SecondsFormat::Micros, true);
            Some(json::line_ascii(&Line::of(task, record, at)))
        }
        _ => None,
    }
}

/// Returns a record as `autodev experiments --json` shows it: the line without the time.
pub(super) fn value(task: &TaskId, record: &ExperimentRecord) -> serde_json::Value {
    let mut value = serde_json::to_value(Line::of(task, record, String::new())).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("at");
    }
    value
}

impl<'a> Line<'a> {
    fn of(task: &'a TaskId, record: &'a ExperimentRecord, at: String) -> Self {
        let is_baseline = record.iteration == 0;
        let comparison = record.comparison.as_ref();
        Self {
            task_id: task.as_str(),
            iteration: record.iteration,
            metric_name: &record.metric,
            baseline_value: record.baseline,
            best_before: record.best_before,
            // A number that nothing was decided by is no measurement to other programs; the notes may name it.
            measured_value: record.measured.filter(|_| record.outcome != Outcome::Invalid),
            outcome: outcome(record),
            commit_sha: &record.commit,
            reverted_sha: &record.reverted,
            duration_ms: (!is_baseline).then_some(record.duration_ms),
            notes: &record.notes,
            decision: record.step.done(),
            summary: &record.summary,
            samples: comparison.map(|it| it.samples),
            ratio: comparison.map(|it| it.ratio),
            interval: comparison.map(|it| it.interval),
            p_value: comparison.map(|it| it.p_value),
            pairs: comparison.map_or(&[], |it| &it.pairs),
            at,
        }
    }
}

fn no_pairs(pairs: &[(f64, f64)]) -> bool {
    pairs.is_empty()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::view::sample;

    fn lines() -> Vec<String> {
        let id = TaskId::new("P1-1");
        let ended = |record| EventKind::ExperimentEnded { task: id.clone(), record: Box::new(record) };
        sample::records().into_iter().filter_map(|record| entry(&sample::event(ended(record)))).collect()
    }

    #[test]
    fn the_baseline_is_exactly_this() {
        let wanted = r#"{"task_id": "P1-1", "iteration": 0, "metric_name": "lat", "baseline_value": 100.0, "best_before": null, "measured_value": 100.0, "outcome": "baseline", "commit_sha": "", "reverted_sha": "", "notes": "lat=100", "decision": "none", "at": "2026-11-20T11:29:10.000000Z"}"#;
        assert_eq!(lines()[0], format!("{wanted}\n"));
    }

    #[test]
    fn an_iteration_without_statistics_has_no_keys_for_them() {
        let wanted = r#"{"task_id": "P1-1", "iteration": 1, "metric_name": "lat", "baseline_value": 100.0, "best_before": 100.0, "measured_value": 120.0, "outcome": "regressed", "commit_sha": "717e2f2e", "reverted_sha": "07d2712d", "duration_ms": 208, "notes": "lat=120 (regressed; reference 100)", "decision": "reverted", "summary": "lat.py +1 -1", "at": "2026-11-20T11:29:10.000000Z"}"#;
        assert_eq!(lines()[1], format!("{wanted}\n"));
    }

    #[test]
    fn a_comparison_is_told_with_all_its_pairs() {
        let line: serde_json::Value = serde_json::from_str(&lines()[2]).unwrap();
        assert_eq!(
            (&line["outcome"], &line["decision"], &line["samples"]),
            (&"improved".into(), &"kept".into(), &2.into())
        );
        assert_eq!(line["interval"], serde_json::json!([0.85, 0.95]));
        assert_eq!(line["pairs"], serde_json::json!([[100.0, 90.0], [102.0, 91.0], [98.0, 89.0]]));
        assert!(line["p_value"].is_number() && line["ratio"].is_number());
    }

    #[test]
    fn what_is_invalid_has_no_value_and_what_is_undecided_says_so() {
        let lines: Vec<serde_json::Value> = lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[3]["outcome"], &lines[3]["measured_value"]), (&"invalid".into(), &serde_json::Value::Null));
        assert_eq!((&lines[4]["outcome"], &lines[4]["decision"]), (&"undecided".into(), &"reverted".into()));
    }

    #[test]
    fn a_line_is_one_line_of_ascii_whatever_the_notes_hold() {
        let mut record = sample::records().remove(1);
        record.notes = "a\nb\u{2028}ü \"x\"".into();
        let line =
            entry(&sample::event(EventKind::ExperimentEnded { task: TaskId::new("ü"), record: Box::new(record) }));
        let line = line.unwrap();
        assert!(line.is_ascii() && line.lines().count() == 1, "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["notes"], "a\nb\u{2028}ü \"x\"");
    }

    #[test]
    fn only_the_end_of_an_experiment_has_a_line() {
        let kinds: Vec<String> = sample::events()
            .iter()
            .filter(|event| entry(event).is_some())
            .map(|event| crate::view::phrase::kind(&event.kind).to_owned())
            .collect();
        assert!(!kinds.is_empty() && kinds.iter().all(|kind| kind == "experiment_ended"), "{kinds:?}");
    }
}
