//! The metric over the iterations, for a terminal.
//!
//! Every mark has a shape of its own, so that nothing is lost without colour. Invariant: no line is wider than asked for,
//! whatever the numbers are.

use super::axis::{Axis, Kind, Point, points};
use crate::model::Series;
use crate::view::Style;
use crate::view::style::colour;
use crate::view::text::{general, pad, width};

/// Lines of the drawing, without its axis and legend.
const ROWS: usize = 13;
/// Columns between two iterations at most: wider, the eye no longer follows.
const WIDEST: usize = 6;

/// The signs a chart is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    baseline: char,
    kept: char,
    rejected: char,
    left: char,
    invalid: char,
    above: char,
    below: char,
    interval: char,
    best: char,
    target: char,
    side: char,
    floor: char,
    corner: char,
}

impl Signs {
    /// For terminals that show Unicode.
    pub const UNICODE: Self = Self {
        baseline: '◆',
        kept: '●',
        rejected: '○',
        left: '△',
        invalid: '×',
        above: '↑',
        below: '↓',
        interval: '│',
        best: '─',
        target: '┄',
        side: '┤',
        floor: '─',
        corner: '└',
    };
    /// For all others.
    pub const ASCII: Self = Self {
        baseline: '#',
        kept: '*',
        rejected: 'o',
        left: '!',
        invalid: 'x',
        above: '^',
        below: 'v',
        interval: ':',
        best: '-',
        target: '.',
        side: '|',
        floor: '-',
        corner: '+',
    };
}

/// What a cell of the drawing holds, with the status word of its colour.
type Cell = Option<(char, &'static str)>;

/// Returns the lines of a chart that is at most so many columns wide; none when nothing was measured. When there are more
/// iterations than columns, the newest are shown.
pub fn lines(series: &Series, columns: usize, signs: &Signs, style: &Style) -> Vec<String> {
    let all = points(series);
    let Some(axis) = Axis::of(&all, series.target) else { return Vec::new() };
    let ticks: Vec<(usize, String)> = axis.ticks(4).into_iter().map(|tick| (row(&axis, tick), general(tick))).collect();
    let margin = ticks.iter().map(|(_, label)| width(label)).max().unwrap_or(0);
    let room = columns.saturating_sub(margin + 2).max(1);
    let shown = all.get(all.len().saturating_sub(room)..).unwrap_or_default();
    let step = (room / shown.len().max(1)).clamp(1, WIDEST);
    let cells = draw(shown, series.target, &axis, step, signs);

    let mut lines: Vec<String> = cells
        .iter()
        .enumerate()
        .map(|(at, cells)| {
            let label = ticks.iter().find(|(row, _)| *row == at).map_or("", |(_, label)| label.as_str());
            let side = if label.is_empty() { ' ' } else { signs.side };
            let gap = " ".repeat(margin.saturating_sub(width(label)));
            format!("{gap}{label} {side}{}", painted(cells, style)).trim_end().to_owned()
        })
        .collect();
    let floor = signs.floor.to_string().repeat(step * shown.len());
    lines.push(format!("{} {}{floor}", " ".repeat(margin), signs.corner));
    lines.push(format!("{}  {}", " ".repeat(margin), numbers(shown, step)).trim_end().to_owned());
    lines.extend(legend(shown, &axis, series, signs).into_iter().map(|line| format!("{}  {line}", " ".repeat(margin))));
    if shown.len() < all.len() {
        lines.push(format!("{}  the newest {} of {}", " ".repeat(margin), shown.len(), all.len()));
    }
    lines
}

/// The row of a value, from the top.
fn row(axis: &Axis, value: f64) -> usize {
    // Between 0 and ROWS - 1, as every place is between 0 and 1.
    let from_bottom = (axis.place(value) * (ROWS - 1) as f64).round() as usize;
    (ROWS - 1).saturating_sub(from_bottom)
}

fn draw(shown: &[Point<'_>], target: Option<f64>, axis: &Axis, step: usize, signs: &Signs) -> Vec<Vec<Cell>> {
    let mut cells: Vec<Vec<Cell>> = vec![vec![None; step * shown.len()]; ROWS];
    let mut set = |row: usize, column: usize, sign: char, status: &'static str| {
        if let Some(cell) = cells.get_mut(row).and_then(|row| row.get_mut(column)) {
            *cell = Some((sign, status));
        }
    };
    // What is drawn later lies above.
    for column in 0..step * shown.len() {
        if let Some(target) = target.filter(|target| target.is_finite()) {
            set(row(axis, target), column, signs.target, "warning");
        }
    }
    for (at, point) in shown.iter().enumerate() {
        let Some(best) = point.best else { continue };
        (0..step).for_each(|n| set(row(axis, best), at * step + n, signs.best, "completed"));
    }
    for (at, point) in shown.iter().enumerate() {
        let column = at * step;
        if let Some((low, high)) = point.interval {
            (row(axis, high)..=row(axis, low)).for_each(|row| set(row, column, signs.interval, "waiting"));
        }
        let (sign, status) = match point.kind {
            Kind::Baseline => (signs.baseline, "info"),
            Kind::Kept => (signs.kept, "completed"),
            Kind::Rejected => (signs.rejected, "waiting"),
            Kind::Left => (signs.left, "warning"),
            Kind::Invalid => (signs.invalid, "failed"),
        };
        match point.value {
            Some(value) if axis.holds(value) => set(row(axis, value), column, sign, status),
            Some(value) if axis.place(value) > 0.5 => set(0, column, signs.above, status),
            Some(_) => set(ROWS - 1, column, signs.below, status),
            None => set(ROWS - 1, column, sign, status),
        }
    }
    cells
}

fn painted(cells: &[Cell], style: &Style) -> String {
    cells
        .iter()
        .map(|cell| match cell {
            Some((sign, status)) => style.paint(colour(status), &sign.to_string()),
            None => " ".to_owned(),
        })
        .collect()
}

/// The numbers of the iterations below their columns, as many as fit.
fn numbers(shown: &[Point<'_>], step: usize) -> String {
    let mut line = String::new();
    for (at, point) in shown.iter().enumerate() {
        let number = point.record.iteration.to_string();
        let column = at * step;
        // A number may not reach beyond the drawing.
        let is_free = line.is_empty() || column > width(&line);
        if is_free && column + number.len() <= step * shown.len() {
            line = pad(&line, column) + &number;
        }
    }
    line
}

/// What the signs mean, those that occur; two lines at most.
fn legend(shown: &[Point<'_>], axis: &Axis, series: &Series, signs: &Signs) -> Vec<String> {
    let occurs = |kind: Kind| shown.iter().any(|point| point.kind == kind);
    let is_off = |point: &Point<'_>| point.value.is_some_and(|value| !axis.holds(value));
    let shapes = [
        (occurs(Kind::Baseline), signs.baseline, "baseline".to_owned()),
        (occurs(Kind::Kept), signs.kept, "kept".to_owned()),
        (occurs(Kind::Rejected), signs.rejected, "put back".to_owned()),
        (occurs(Kind::Left), signs.left, "left for you".to_owned()),
        (occurs(Kind::Invalid), signs.invalid, "no valid result".to_owned()),
    ];
    let lines = [
        (true, signs.best, "best so far".to_owned()),
        (series.target.is_some(), signs.target, format!("target {}", series.target.map(general).unwrap_or_default())),
        (shown.iter().any(|point| point.interval.is_some()), signs.interval, "interval".to_owned()),
        (shown.iter().any(is_off), signs.above, "beyond the scale".to_owned()),
    ];
    let told = |entries: &[(bool, char, String)]| {
        let entries = entries.iter().filter(|entry| entry.0).map(|(_, sign, what)| format!("{sign} {what}"));
        entries.collect::<Vec<_>>().join("  ")
    };
    vec![told(&shapes), told(&lines)]
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::view::sample;

    fn chart(series: &Series, columns: usize, signs: &Signs) -> String {
        lines(series, columns, signs, &Style::plain()).join("\n") + "\n"
    }

    #[test]
    fn a_chart_looks_like_this() {
        insta::assert_snapshot!(chart(&sample::series(), 60, &Signs::UNICODE));
    }

    #[test]
    fn without_unicode_it_looks_like_this() {
        let page = chart(&sample::series(), 60, &Signs::ASCII);
        assert!(page.is_ascii());
        insta::assert_snapshot!(page);
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let mut series = sample::series();
        let last = series.records[4].clone();
        series.records.extend((5..150).map(|iteration| crate::model::ExperimentRecord { iteration, ..last.clone() }));
        for columns in [40, 80, 200] {
            let page = chart(&series, columns, &Signs::UNICODE);
            let chart = page.lines().take(ROWS + 2);
            assert!(chart.clone().all(|line| width(line) <= columns), "{page}");
            assert_eq!(page.contains("the newest"), columns < 150, "{page}");
        }
        chart(&series, 0, &Signs::UNICODE);
    }

    #[test]
    fn what_was_not_measured_is_not_drawn() {
        let mut series = sample::series();
        series.records.clear();
        assert_eq!(lines(&series, 80, &Signs::UNICODE, &Style::plain()), Vec::<String>::new());
    }

    #[test]
    fn a_value_beyond_the_scale_is_at_its_edge() {
        let mut series = sample::series();
        series.records[1].measured = Some(1e12);
        let page = chart(&series, 80, &Signs::UNICODE);
        assert!(page.lines().next().unwrap().contains('↑') && page.contains("↑ beyond the scale"), "{page}");
    }
}
