//! The page of `autodev experiments`.

use serde_json::{Value, json};

use super::plot::{self, Signs};
use super::{Gain, is_on_target, outcome, record};
use crate::model::{Compared, Direction, ExperimentRecord, Experiments, Finding, Outcome, Series, State, Step, TaskId};
use crate::view::Style;
use crate::view::row::RowStatus;
use crate::view::table::{self, Cell};
use crate::view::text::{fit, general, one_line, plural};

/// Columns of a page that is not for a terminal.
const COLUMNS: usize = 80;

/// What to do in a project without experiments.
const NONE: &str = "\
No experiments yet. A task is worked on by experiments when it has a number to improve:

  \"completion\": {\"kind\": \"numeric\", \"name\": \"time\", \"source\": \"wall_time\",
                 \"direction\": \"lower_is_better\", \"samples\": \"auto\"},
  \"execution\": {\"strategy\": \"iterative\", \"max_iterations\": 8}

`autodev run` then measures the tree, lets the agent make one change at a time,
and keeps those that are proved better.
";

const UNDECIDED: &str = "\
undecided: every pair was measured, and that proves nothing either way, so the
  change counts as unchanged. A steadier machine, a longer benchmark, a higher
  `max_samples` or fewer `max_iterations` tell smaller differences from noise.";

/// Returns the page: each series with its table and its chart, in the order of the queue. `state` says how the tasks
/// stand and what is under way.
pub fn human(experiments: &Experiments, state: &State, style: &Style, signs: &Signs) -> String {
    let parts: Vec<String> =
        shown(experiments, state).into_iter().map(|(task, series)| part(task, series, state, style, signs)).collect();
    if parts.is_empty() { NONE.to_owned() } else { parts.join("\n") }
}

/// Returns the same for programs: `{"tasks": [...]}`.
pub fn json(experiments: &Experiments, state: &State) -> Value {
    let tasks: Vec<Value> = shown(experiments, state)
        .into_iter()
        .map(|(task, series)| {
            let best = series.best();
            json!({
                "task_id": task.as_str(),
                "title": series.title,
                "status": state.task(task).map(|row| RowStatus::of(state, row).as_str()),
                "metric_name": series.metric,
                "direction": series.direction.map(Direction::as_str),
                "target": series.target,
                "max_iterations": series.max_iterations,
                "baseline_value": series.baseline(),
                "best_value": best.map(|(_, value)| value),
                "best_iteration": best.map(|(iteration, _)| iteration),
                "last_word": series.last_word,
                "earlier_series": series.earlier,
                "experiments": series.records.iter().map(|it| record::value(task, it)).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "tasks": tasks })
}

/// The series that have something to show, in the order of the queue; those of tasks that left it come last.
fn shown<'a>(experiments: &'a Experiments, state: &State) -> Vec<(&'a TaskId, &'a Series)> {
    let mut all: Vec<_> = experiments.of.iter().filter(|(_, series)| !series.records.is_empty()).collect();
    all.sort_by_key(|(task, _)| state.index.get(*task).copied().unwrap_or(usize::MAX));
    all
}

fn part(task: &TaskId, series: &Series, state: &State, style: &Style, signs: &Signs) -> String {
    let columns = style.columns.unwrap_or(COLUMNS);
    let status = state.task(task).map(|row| style.badge(RowStatus::of(state, row).as_str()) + " ").unwrap_or_default();
    let mut lines = vec![format!("{status}{}: {}", one_line(task.as_str()), one_line(&series.title))];
    lines.push(format!(
        "{}, {}: baseline {}, best {}",
        one_line(&series.metric),
        direction(series),
        baseline(series),
        best(series)
    ));
    let target = series.target.map(|_| format!("; target {}", target(series))).unwrap_or_default();
    lines.push(tally(series) + &target);
    lines.extend(last_word(series));
    lines.extend(earlier(series));
    lines.extend(under_way(task, state));
    if let Some(row) = state.task(task).filter(|row| row.status.blocked && !row.status.passes) {
        lines.push(format!("Blocked: {}", one_line(&row.status.block_reason)));
    }
    let rows: Vec<Vec<Cell>> = series.records.iter().map(|record| row(record, series.direction)).collect();
    let header = ["It.", "Outcome", "Value", "Better by %", "Decision", "Commit", "Change"];
    let page = lines.join("\n") + "\n\n" + &table::render(&header, &rows, style);
    let mut below = remarks(series, style);
    let chart = plot::lines(series, columns, signs, style);
    if !chart.is_empty() {
        below.push(String::new());
        below.extend(chart);
    }
    page + &below.join("\n") + "\n"
}

/// Returns what stands above a chart, as names and values.
pub(in crate::view) fn facts(series: &Series) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Metric", format!("{}, {}", one_line(&series.metric), direction(series))),
        ("Baseline", baseline(series)),
        ("Best", best(series)),
    ];
    facts.extend(series.target.map(|_| ("Target", target(series))));
    facts.push(("Iterations", tally(series)));
    facts.extend(last_word(series).map(|word| ("Last word", word)));
    facts
}

fn direction(series: &Series) -> &'static str {
    match series.direction {
        Some(Direction::LowerIsBetter) => "lower is better",
        Some(Direction::HigherIsBetter) => "higher is better",
        None => "no direction",
    }
}

fn baseline(series: &Series) -> String {
    series.baseline().map_or("-".to_owned(), general)
}

fn best(series: &Series) -> String {
    let Some((at, best)) = series.best().filter(|(iteration, _)| *iteration > 0) else { return "none yet".to_owned() };
    let by = Gain::between(series.direction, series.baseline(), Some(best));
    let by = by.map(|by| format!(", {by} better")).unwrap_or_default();
    format!("{} (iteration {at}{by})", general(best))
}

fn target(series: &Series) -> String {
    let word = if is_on_target(series) { "reached" } else { "not reached" };
    format!("{} {word}", series.target.map(general).unwrap_or_default())
}

fn last_word(series: &Series) -> Option<String> {
    series.last_word.as_ref().map(|last| match last {
        Compared::Measured(last) => format!("Against where it began: {}", one_line(&last.reason)),
        Compared::Invalid { reason, .. } => format!("Not measured against where it began: {}", one_line(reason)),
    })
}

fn earlier(series: &Series) -> Option<String> {
    match series.earlier {
        0 => None,
        1 => Some("One earlier series is in logs/experiments.jsonl.".to_owned()),
        more => Some(format!("{more} earlier series are in logs/experiments.jsonl.")),
    }
}

fn tally(series: &Series) -> String {
    let tried: Vec<_> = series.records.iter().filter(|record| record.iteration > 0).collect();
    let count = |is: fn(&ExperimentRecord) -> bool| tried.iter().filter(|record| is(record)).count();
    let last = tried.last().map_or(0, |record| record.iteration);
    let kept = count(|it| it.step == Step::Keep);
    let reverted = count(|it| it.step == Step::Revert);
    let invalid = count(|it| it.outcome == Outcome::Invalid);
    let of = if series.max_iterations > 0 { format!(" of at most {}", series.max_iterations) } else { String::new() };
    format!("{}{of}: {kept} kept, {reverted} put back, {invalid} invalid", plural(last as usize, "iteration"))
}

/// What the run is doing for this task right now.
fn under_way(task: &TaskId, state: &State) -> Option<String> {
    let active = state.active.as_deref().filter(|active| active.task == *task)?;
    let campaign = active.campaign.as_ref()?;
    let next = campaign.iterations.saturating_add(1);
    state.run.status.is_active().then(|| format!("Under way: iteration {next}: {}", one_line(&state.run.message)))
}

/// What tables say of an experiment; empty where there is nothing.
pub(in crate::view) struct Columns {
    pub(in crate::view) value: String,
    pub(in crate::view) gain: String,
    pub(in crate::view) decision: &'static str,
    pub(in crate::view) commit: String,
}

/// Returns what tables say of an experiment.
pub(in crate::view) fn columns(record: &ExperimentRecord, direction: Option<Direction>) -> Columns {
    Columns {
        value: record.measured.filter(|_| record.outcome != Outcome::Invalid).map(general).unwrap_or_default(),
        gain: Gain::of(record, direction).map(Gain::bare).unwrap_or_default(),
        decision: if record.iteration == 0 { "" } else { record.step.done() },
        commit: one_line(record.commit.get(..8).unwrap_or(&record.commit)),
    }
}

fn row(record: &ExperimentRecord, direction: Option<Direction>) -> Vec<Cell> {
    let Columns { value, gain, decision, commit } = columns(record, direction);
    vec![
        record.iteration.to_string().into(),
        outcome(record).into(),
        value.into(),
        gain.into(),
        decision.into(),
        commit.into(),
        record.summary.as_str().into(),
    ]
}

/// What the table cannot say: why there was no result, and what its words mean.
fn remarks(series: &Series, style: &Style) -> Vec<String> {
    let cut = |line: String| style.columns.map_or(line.clone(), |columns| fit(&line, columns));
    let speaks = |record: &&ExperimentRecord| {
        record.iteration > 0 && (record.outcome == Outcome::Invalid || record.step == Step::Leave)
    };
    let told = series.records.iter().filter(speaks);
    let mut lines: Vec<String> =
        told.map(|record| cut(format!("{}: {}", record.iteration, one_line(&record.notes)))).collect();
    let is_undecided = |record: &ExperimentRecord| {
        record.comparison.as_ref().is_some_and(|comparison| comparison.finding == Finding::Undecided)
    };
    if series.records.iter().any(is_undecided) {
        lines.extend(UNDECIDED.lines().map(ToOwned::to_owned));
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::view::sample;
    use crate::view::text::width;

    fn all() -> (Experiments, State) {
        let mut state = sample::experiment();
        state.tasks[0].id = TaskId::new("P1-1");
        state.index = BTreeMap::from([(TaskId::new("P1-1"), 0), (TaskId::new("P0-2"), 1)]);
        state.active.as_mut().unwrap().task = TaskId::new("P1-1");
        state.run.message = "Measuring P1-1, pair 3: 98 and 89".into();
        let of = BTreeMap::from([(TaskId::new("P1-1"), sample::series())]);
        (Experiments { of, current: None }, state)
    }

    #[test]
    fn a_series_reads_like_this() {
        let (experiments, state) = all();
        insta::assert_snapshot!(human(&experiments, &state, &Style::plain(), &Signs::UNICODE));
    }

    #[test]
    fn a_terminal_of_80_columns_shows_every_line_whole() {
        let (mut experiments, state) = all();
        let series = experiments.of.get_mut(&TaskId::new("P1-1")).unwrap();
        series.records[3].notes = "long ".repeat(100);
        series.records[4].summary = "a/very/long/path/to/some/file.py +1 -1 and 200 more".into();
        let style = Style { columns: Some(80), ..Style::plain() };
        let page = human(&experiments, &state, &style, &Signs::UNICODE);
        assert!(page.lines().all(|line| width(line) <= 80), "{page}");
        let table = page.lines().skip_while(|line| !line.starts_with("It."));
        assert!(table.clone().any(|line| line.contains("10.0 (5.0..15.0)")), "{page}");
        assert!(table.clone().count() > 15 && table.clone().all(|line| width(line) <= 80), "{page}");
    }

    #[test]
    fn a_project_without_experiments_says_what_to_do() {
        let page = human(&Experiments::default(), &State::default(), &Style::plain(), &Signs::ASCII);
        assert!(page.contains("\"strategy\": \"iterative\""), "{page}");
        assert_eq!(json(&Experiments::default(), &State::default()), json!({"tasks": []}));
    }

    #[test]
    fn programs_get_the_lines_of_experiments_jsonl() {
        let (experiments, state) = all();
        let task = &json(&experiments, &state)["tasks"][0];
        assert_eq!(task["task_id"], "P1-1");
        assert_eq!(
            (&task["status"], &task["best_value"], &task["best_iteration"]),
            (&json!("running"), &json!(90.0), &json!(2))
        );
        assert_eq!(task["experiments"][1]["outcome"], "regressed");
        assert!(task["experiments"][1].get("at").is_none());
    }

    #[test]
    fn the_last_word_and_the_reason_of_a_block_are_told() {
        let (mut experiments, mut state) = all();
        let series = experiments.of.get_mut(&TaskId::new("P1-1")).unwrap();
        series.last_word = series.records[2].comparison.clone().map(Compared::Measured);
        state.tasks[0].status.blocked = true;
        state.tasks[0].status.block_reason = "2 iterations gave no valid result".into();
        let page = human(&experiments, &state, &Style::plain(), &Signs::UNICODE);
        assert!(page.contains("\nAgainst where it began: 10.0 % better (+5.0 to +15.0 %)"), "{page}");
        assert!(page.contains("\nBlocked: 2 iterations gave no valid result\n"), "{page}");
    }
}
