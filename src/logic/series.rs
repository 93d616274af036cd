//! Gathers what iterative tasks tried, from events. Total, as [`super::apply`].

use crate::model::{Completion, Event, EventKind, Execution, Experiments, Series, Task};

/// Folds one event in. Of each task the newest `limit` experiments are kept, and the baseline.
pub fn fold(experiments: &mut Experiments, event: &Event, limit: usize) {
    match &event.kind {
        EventKind::BaselineStarted { task, .. } => {
            let slot = experiments.of.entry(task.id.clone()).or_default();
            let earlier = slot.earlier.saturating_add(u32::from(!slot.records.is_empty()));
            *slot = Series { earlier, ..begin(task) };
            experiments.current = Some(task.id.clone());
        }
        EventKind::ExperimentEnded { task, record } => {
            let series = experiments.of.entry(task.clone()).or_default();
            if record.iteration == 0 {
                series.records.clear();
            }
            series.records.push((**record).clone());
            if series.records.len() > limit.saturating_add(1) {
                series.records.remove(1);
            }
            series.last_word = None;
            experiments.current = Some(task.clone());
        }
        EventKind::CompareEnded { iteration: 0, compared, .. } => {
            let current = experiments.current.as_ref().and_then(|task| experiments.of.get_mut(task));
            if let Some(series) = current {
                series.last_word = Some(compared.clone());
            }
        }
        _ => {}
    }
}

fn begin(task: &Task) -> Series {
    let (direction, target) = match &task.completion {
        Completion::Numeric(numeric) => (numeric.direction, numeric.target),
        Completion::Boolean => (None, None),
    };
    Series {
        title: task.label().to_owned(),
        metric: task.completion_name().to_owned(),
        direction,
        target,
        max_iterations: match &task.execution {
            Execution::Iterative(plan) => plan.max_iterations,
            Execution::SinglePass => 0,
        },
        ..Series::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Compared, EffectId, ExperimentRecord, Iterative, Numeric, Outcome, RunId, Step, TaskId, Verdict,
    };

    fn event(kind: EventKind) -> Event {
        Event { seq: 1, at: chrono::DateTime::UNIX_EPOCH, run: RunId::new("r"), kind }
    }

    fn opened(id: &str) -> Event {
        let numeric = Numeric { name: "lat".into(), target: Some(80.0), ..Numeric::default() };
        let task = Task {
            id: TaskId::new(id),
            title: "Faster".into(),
            completion: Completion::Numeric(numeric),
            execution: Execution::Iterative(Iterative { max_iterations: 9, ..Iterative::default() }),
            ..Task::default()
        };
        event(EventKind::BaselineStarted { effect: EffectId::default(), task: Box::new(task) })
    }

    fn ended(id: &str, iteration: u32, measured: f64, step: Step) -> Event {
        let record = ExperimentRecord {
            iteration,
            metric: "lat".into(),
            baseline: Some(100.0),
            best_before: (iteration > 0).then_some(100.0),
            measured: Some(measured),
            outcome: Outcome::Improved,
            step,
            commit: String::new(),
            reverted: String::new(),
            duration_ms: 0,
            notes: String::new(),
            summary: String::new(),
            comparison: None,
        };
        event(EventKind::ExperimentEnded { task: TaskId::new(id), record: Box::new(record) })
    }

    fn folded(events: &[Event], limit: usize) -> Experiments {
        let mut experiments = Experiments::default();
        for event in events {
            fold(&mut experiments, event, limit);
        }
        experiments
    }

    #[test]
    fn a_series_knows_its_contract_its_baseline_and_its_best() {
        let events = [
            opened("A"),
            ended("A", 0, 100.0, Step::Nothing),
            ended("A", 1, 90.0, Step::Keep),
            ended("A", 2, 80.0, Step::Revert),
        ];
        let series = folded(&events, 200).of.remove(&TaskId::new("A")).unwrap();
        assert_eq!((series.title.as_str(), series.metric.as_str(), series.max_iterations), ("Faster", "lat", 9));
        assert_eq!((series.target, series.baseline(), series.best()), (Some(80.0), Some(100.0), Some((1, 90.0))));
        assert_eq!(series.earlier, 0);
    }

    #[test]
    fn a_new_baseline_begins_anew_and_counts_what_was_before() {
        let events =
            [opened("A"), ended("A", 0, 100.0, Step::Nothing), opened("A"), ended("A", 0, 50.0, Step::Nothing)];
        let series = folded(&events, 200).of.remove(&TaskId::new("A")).unwrap();
        assert_eq!((series.records.len(), series.earlier, series.best()), (1, 1, Some((0, 50.0))));
        assert_eq!(folded(&[opened("A"), opened("A")], 200).of[&TaskId::new("A")].earlier, 0, "nothing was measured");
    }

    #[test]
    fn the_baseline_and_the_newest_are_kept() {
        let mut events = vec![opened("A"), ended("A", 0, 100.0, Step::Nothing)];
        events.extend((1..=9).map(|n| ended("A", n, 100.0, Step::Revert)));
        let numbers: Vec<u32> = folded(&events, 3).of[&TaskId::new("A")].records.iter().map(|r| r.iteration).collect();
        assert_eq!(numbers, [0, 7, 8, 9]);
    }

    #[test]
    fn the_last_word_is_about_the_task_at_work_until_an_iteration_follows() {
        let compared = Compared::Invalid { reason: "gone".into(), verdict: Verdict::Infra };
        let word = event(EventKind::CompareEnded { effect: EffectId::default(), iteration: 0, compared });
        let mut events =
            vec![opened("A"), ended("A", 0, 1.0, Step::Nothing), opened("B"), ended("B", 0, 1.0, Step::Nothing)];
        events.push(word);
        let all = folded(&events, 200);
        assert!(all.of[&TaskId::new("A")].last_word.is_none() && all.of[&TaskId::new("B")].last_word.is_some());
        events.push(ended("B", 1, 1.0, Step::Revert));
        assert!(folded(&events, 200).of[&TaskId::new("B")].last_word.is_none());
    }
}
