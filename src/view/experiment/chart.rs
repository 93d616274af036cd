//! The metric over the iterations as inline SVG, for pages.
//!
//! Pure: the same series gives the same text. It has no script and loads nothing; colours come from the page's CSS
//! variables, so that it is dark where the page is, and each mark has a shape of its own, so that nothing depends on
//! telling colours apart. A screen reader is told the numbers. Invariant: whatever the texts and numbers are, the result is
//! well-formed and nothing in it can break out.

use std::fmt::Write as _;

use super::axis::{Axis, Kind, Point, points};
use super::{Gain, outcome};
use crate::model::Series;
use crate::view::text::{escaped, general, one_line, plural, push};

/// The style sheet of charts and their tables, with colours for pages that define none.
pub const CSS: &str = include_str!("../../../templates/dashboard/chart.css");

/// Width and height of the drawing in its own units, which the page scales.
const SIZE: (f64, f64) = (720.0, 260.0);
/// Where the marks are: left, right, top, bottom.
const FRAME: (f64, f64, f64, f64) = (64.0, 706.0, 12.0, 212.0);
/// Iterations whose number is written below the chart at most.
const NUMBERS: usize = 16;

/// Returns the chart of a series, with a legend; empty when nothing was measured. `id` makes the names inside it unique in
/// its page: letters and digits.
pub fn svg(series: &Series, id: &str) -> String {
    let points = points(series);
    let Some(axis) = Axis::of(&points, series.target) else { return String::new() };
    let frame = Frame { axis, count: points.len() };
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n",
        SIZE.0, SIZE.1
    );
    push(&mut svg, format_args!("<title id=\"{id}-title\">{}</title>\n", safe(&title(series))));
    push(&mut svg, format_args!("<desc id=\"{id}-desc\">{}</desc>\n", safe(&description(series, &points))));
    scale(&mut svg, &frame, &points);
    if let Some(target) = series.target.filter(|target| target.is_finite()) {
        let y = frame.y(target);
        let (left, right, ..) = FRAME;
        push(&mut svg, format_args!("<path class=\"target\" d=\"M{left} {y:.1}H{right}\"/>\n"));
        let name = format!("target {}", general(target));
        push(
            &mut svg,
            format_args!("<text class=\"target-name end\" x=\"{right}\" y=\"{:.1}\">{name}</text>\n", y - 5.0),
        );
    }
    push(&mut svg, format_args!("<path class=\"best\" d=\"{}\"/>\n", best_line(&frame, &points)));
    for (at, point) in points.iter().enumerate() {
        mark(&mut svg, &frame, at, point, series);
    }
    legend(&mut svg, &frame, &points);
    svg + "</svg>"
}

struct Frame {
    axis: Axis,
    count: usize,
}

impl Frame {
    fn x(&self, at: usize) -> f64 {
        let (left, right, ..) = FRAME;
        left + (right - left) * (at as f64 + 0.5) / self.count.max(1) as f64
    }

    fn y(&self, value: f64) -> f64 {
        let (_, _, top, bottom) = FRAME;
        bottom - (bottom - top) * self.axis.place(value)
    }
}

fn safe(text: &str) -> String {
    escaped(&one_line(text))
}

fn title(series: &Series) -> String {
    let iterations = series.records.iter().filter(|record| record.iteration > 0).count();
    format!("{} over {}", series.metric, plural(iterations, "iteration"))
}

/// The numbers in words, for who cannot see the drawing: the newest twenty.
fn description(series: &Series, points: &[Point<'_>]) -> String {
    let mut text = String::new();
    if let Some(baseline) = series.baseline() {
        push(&mut text, format_args!("Baseline {}. ", general(baseline)));
    }
    if let Some((iteration, best)) = series.best().filter(|(iteration, _)| *iteration > 0) {
        push(&mut text, format_args!("Best {} in iteration {iteration}. ", general(best)));
    }
    if let Some(target) = series.target {
        push(&mut text, format_args!("Target {}. ", general(target)));
    }
    let newest = points.get(points.len().saturating_sub(20)..).unwrap_or_default();
    for point in newest.iter().filter(|point| point.kind != Kind::Baseline) {
        push(&mut text, format_args!("{}. ", told(point, series)));
    }
    text
}

/// One experiment in words.
fn told(point: &Point<'_>, series: &Series) -> String {
    let record = point.record;
    if point.kind == Kind::Baseline {
        return format!("Baseline {}", point.value.map(general).unwrap_or_default());
    }
    let mut text = format!("Iteration {} {}", record.iteration, outcome(record));
    if let Some(value) = point.value {
        push(&mut text, format_args!(": {}", general(value)));
    }
    if let Some(gain) = Gain::of(record, series.direction) {
        push(&mut text, format_args!(", better by {gain}"));
    }
    push(&mut text, format_args!(", {}", record.step.done()));
    text
}

/// Lines at round values, and numbers below.
fn scale(svg: &mut String, frame: &Frame, points: &[Point<'_>]) {
    let (left, right, _, bottom) = FRAME;
    for tick in frame.axis.ticks(4) {
        let y = frame.y(tick);
        push(svg, format_args!("<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>"));
        let (x, y) = (left - 8.0, y + 4.0);
        push(svg, format_args!("<text class=\"end\" x=\"{x}\" y=\"{y:.1}\">{}</text>\n", general(tick)));
    }
    let every = points.len().div_ceil(NUMBERS).max(1);
    for (at, point) in points.iter().enumerate().step_by(every) {
        let (x, y) = (frame.x(at), bottom + 18.0);
        push(svg, format_args!("<text class=\"mid\" x=\"{x:.1}\" y=\"{y}\">{}</text>\n", point.record.iteration));
    }
}

/// The best value so far: level until a change is kept, then down or up at once.
fn best_line(frame: &Frame, points: &[Point<'_>]) -> String {
    let mut path = String::new();
    for (at, best) in points.iter().enumerate().filter_map(|(at, point)| point.best.map(|best| (at, best))) {
        let (x, y) = (frame.x(at), frame.y(best));
        if path.is_empty() {
            push(&mut path, format_args!("M{x:.1} {y:.1}"));
        } else {
            push(&mut path, format_args!("H{x:.1}V{y:.1}"));
        }
    }
    let (_, right, ..) = FRAME;
    // What holds now holds to the edge. Writing to a String cannot fail.
    write!(path, "H{right}").ok();
    path
}

fn mark(svg: &mut String, frame: &Frame, at: usize, point: &Point<'_>, series: &Series) {
    let (_, _, top, bottom) = FRAME;
    let x = frame.x(at);
    push(svg, format_args!("<g><title>{}</title>", safe(&told(point, series))));
    if let Some((low, high)) = point.interval {
        let (from, to) = (frame.y(high), frame.y(low));
        let (left, right) = (x - 4.0, x + 4.0);
        push(
            svg,
            format_args!(
                "<path class=\"interval\" d=\"M{x:.1} {from:.1}V{to:.1}M{left:.1} {from:.1}H{right:.1}M{left:.1} {to:.1}H{right:.1}\"/>"
            ),
        );
    }
    match point.value {
        Some(value) if frame.axis.holds(value) => shape(svg, point.kind, x, frame.y(value)),
        // An arrow at the edge beyond which it is.
        Some(value) if frame.axis.place(value) > 0.5 => {
            let (tip, foot) = (top, top + 6.0);
            push(
                svg,
                format_args!("<path class=\"off\" d=\"M{:.1} {foot}L{x:.1} {tip}L{:.1} {foot}\"/>", x - 5.0, x + 5.0),
            );
        }
        Some(_) => {
            let (tip, foot) = (bottom, bottom - 6.0);
            push(
                svg,
                format_args!("<path class=\"off\" d=\"M{:.1} {foot}L{x:.1} {tip}L{:.1} {foot}\"/>", x - 5.0, x + 5.0),
            );
        }
        None => shape(svg, point.kind, x, bottom - 6.0),
    }
    svg.push_str("</g>\n");
}

fn shape(svg: &mut String, kind: Kind, x: f64, y: f64) {
    match kind {
        Kind::Baseline => {
            push(svg, format_args!("<path class=\"baseline\" d=\"M{x:.1} {:.1}l6 6l-6 6l-6 -6z\"/>", y - 6.0));
        }
        Kind::Kept => push(svg, format_args!("<circle class=\"kept\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\"/>")),
        Kind::Rejected => push(svg, format_args!("<circle class=\"rejected\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>")),
        Kind::Left => push(svg, format_args!("<path class=\"left\" d=\"M{x:.1} {:.1}l5.5 10h-11z\"/>", y - 6.0)),
        Kind::Invalid => {
            push(svg, format_args!("<path class=\"invalid\" d=\"M{:.1} {:.1}l9 9m0 -9l-9 9\"/>", x - 4.5, y - 4.5));
        }
    }
}

/// What the shapes that occur mean.
fn legend(svg: &mut String, frame: &Frame, points: &[Point<'_>]) {
    let (mut x, y) = (FRAME.0 + 6.0, SIZE.1 - 8.0);
    for (kind, word) in [
        (Kind::Baseline, "baseline"),
        (Kind::Kept, "kept"),
        (Kind::Rejected, "put back"),
        (Kind::Left, "left for a person"),
        (Kind::Invalid, "no valid result"),
    ] {
        if points.iter().any(|point| point.kind == kind) {
            shape(svg, kind, x, y - 4.0);
            push(svg, format_args!("<text x=\"{:.1}\" y=\"{y}\">{word}</text>\n", x + 11.0));
            x += 34.0 + 6.6 * word.len() as f64;
        }
    }
    push(svg, format_args!("<path class=\"best\" d=\"M{:.1} {:.1}h18\"/>", x - 4.0, y - 4.0));
    push(svg, format_args!("<text x=\"{:.1}\" y=\"{y}\">best so far</text>\n", x + 19.0));
    x += 110.0;
    let is_off = |point: &Point<'_>| point.value.is_some_and(|value| !frame.axis.holds(value));
    if points.iter().any(is_off) {
        push(svg, format_args!("<path class=\"off\" d=\"M{:.1} {:.1}l5 -6l5 6\"/>", x - 5.0, y - 1.0));
        push(svg, format_args!("<text x=\"{:.1}\" y=\"{y}\">beyond the scale</text>\n", x + 11.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExperimentRecord, Outcome, Step};
    use crate::view::sample;

    #[test]
    fn every_experiment_has_a_mark_that_says_what_it_is() {
        let svg = svg(&sample::series(), "e0");
        for text in [
            "<title id=\"e0-title\">lat over 4 iterations</title>",
            "aria-labelledby=\"e0-title e0-desc\"",
            "Baseline 100. Best 90 in iteration 2. Target 80. Iteration 1 regressed: 120, better by -20.0 %, reverted.",
            "<title>Iteration 2 improved: 90, better by 10.0 % (5.0..15.0), kept</title>",
            "<title>Iteration 3 invalid, reverted</title>",
            ">target 80</text>",
        ] {
            assert!(svg.contains(text), "{text}\n{svg}");
        }
        assert_eq!(svg.matches("<g>").count(), 5);
        assert_eq!(svg.matches("class=\"kept\"").count(), 2, "one mark and its legend");
        assert_eq!(svg.matches("class=\"interval\"").count(), 2);
    }

    #[test]
    fn a_series_without_a_value_has_no_chart() {
        assert_eq!(svg(&Series::default(), "e0"), "");
    }

    #[test]
    fn nothing_can_break_out_and_every_number_is_one() {
        let mut series = sample::series();
        series.metric = "<script>alert('x')</script>\"&\u{202e}".into();
        series.target = Some(f64::NAN);
        series.records[1].measured = Some(f64::MAX);
        series.records[2].measured = Some(f64::MIN);
        if let Some(comparison) = &mut series.records[4].comparison {
            comparison.interval = (f64::MIN, f64::MAX);
        }
        let svg = svg(&series, "e0");
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script"), "{svg}");
        for path in svg.split(" d=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(path.chars().all(|c| c.is_ascii_digit() || " .-MHVLlhmz".contains(c)), "{path}");
        }
    }

    #[test]
    fn two_hundred_iterations_are_drawn_and_some_of_them_numbered() {
        let mut series = sample::series();
        let last = ExperimentRecord { outcome: Outcome::Unchanged, step: Step::Revert, ..series.records[4].clone() };
        series.records.extend((5..200).map(|iteration| ExperimentRecord { iteration, ..last.clone() }));
        let svg = svg(&series, "e0");
        assert_eq!(svg.matches("<g>").count(), 200);
        assert!(svg.matches("class=\"mid\"").count() <= NUMBERS);
        assert!(svg.len() < 100_000, "{}", svg.len());
    }
}
