//! What both charts of a series are drawn from: its points, and the scale of the metric.
//!
//! Pure arithmetic. Invariants: every place is between 0 and 1, whatever the numbers are; one value far away does not
//! flatten the others: it is drawn at the edge.

use crate::model::{Comparison, ExperimentRecord, Outcome, Series, Step};

/// What a point's shape says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The tree before the first change.
    Baseline,
    /// The change was kept.
    Kept,
    /// It was put back, or there was none.
    Rejected,
    /// It is left in the tree for a person.
    Left,
    /// It gave no valid result.
    Invalid,
}

/// One experiment as a chart shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<'a> {
    pub(super) record: &'a ExperimentRecord,
    pub(super) kind: Kind,
    /// The metric; `None` when the result is invalid.
    pub(super) value: Option<f64>,
    /// Between which values it lies, when it was compared by more than one pair.
    pub(super) interval: Option<(f64, f64)>,
    /// The best value kept, this one included.
    pub(super) best: Option<f64>,
}

/// Returns the points of a series, oldest first.
pub(super) fn points(series: &Series) -> Vec<Point<'_>> {
    let mut best = series.baseline().filter(|value| value.is_finite());
    series
        .records
        .iter()
        .map(|record| {
            let kind = match (record.iteration, record.outcome, record.step) {
                (0, _, _) => Kind::Baseline,
                (_, _, Step::Keep) => Kind::Kept,
                (_, Outcome::Invalid, _) => Kind::Invalid,
                (_, _, Step::Leave) => Kind::Left,
                (_, _, Step::Revert | Step::Nothing) => Kind::Rejected,
            };
            let value = record.measured.filter(|value| value.is_finite() && kind != Kind::Invalid);
            if kind == Kind::Kept {
                best = value.or(best);
            }
            let interval = record.comparison.as_ref().and_then(interval).filter(|_| value.is_some());
            Point { record, kind, value, interval, best }
        })
        .collect()
}

/// Returns the interval of a comparison in the unit of the metric.
fn interval(comparison: &Comparison) -> Option<(f64, f64)> {
    let unit = [comparison.champion, comparison.candidate].into_iter().map(f64::abs).find(|size| *size > 0.0);
    let value = |ratio: f64| comparison.champion + (ratio - 1.0) * unit.unwrap_or(1.0);
    let (low, high) = (value(comparison.interval.0), value(comparison.interval.1));
    (comparison.samples > 1 && low.is_finite() && high.is_finite()).then_some((low.min(high), low.max(high)))
}

/// The scale of the metric, from the bottom of a chart to its top.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// Returns the scale for these points and a target; `None` when no value is known.
    ///
    /// Baseline, best values and target are always inside. What was tried is inside too unless it is further from them
    /// than they are from each other.
    pub(super) fn of(points: &[Point<'_>], target: Option<f64>) -> Option<Self> {
        let finite = |value: &f64| value.is_finite();
        let best = points.iter().filter_map(|point| point.best);
        let best = Self::around(best)?;
        let core = Self::around([best.low, best.high].into_iter().chain(target.filter(finite)))?;
        let span = (core.high - core.low).max(core.low.abs().max(core.high.abs()) * 0.1).max(f64::MIN_POSITIVE);
        let (low, high) = (core.low - span, core.high + span);
        let tried = points.iter().flat_map(|point| {
            let ends = point.interval.map(|(low, high)| [low, high]);
            ends.into_iter().flatten().chain(point.value)
        });
        let near = tried.filter(|value| (low..=high).contains(value));
        let all = Self::around(near.chain([core.low, core.high]))?;
        // Room above and below, so that nothing is drawn on the edge.
        let room = ((all.high - all.low) * 0.06).max(span * 0.02);
        let axis = Self { low: all.low - room, high: all.high + room };
        let is_usable = axis.low.is_finite() && axis.high.is_finite() && axis.low < axis.high;
        Some(if is_usable { axis } else { Self { low: f64::MIN / 4.0, high: f64::MAX / 4.0 } })
    }

    fn around(values: impl Iterator<Item = f64>) -> Option<Self> {
        values.fold(None, |axis, value| {
            Some(axis.map_or(Self { low: value, high: value }, |axis: Self| Self {
                low: axis.low.min(value),
                high: axis.high.max(value),
            }))
        })
    }

    /// Returns where a value is: 0 at the bottom, 1 at the top; values beyond are at the edge.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        if place.is_nan() { 0.5 } else { place.clamp(0.0, 1.0) }
    }

    /// Whether a value is on the scale.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Returns round values on the scale, lowest first, about so many; at most twice as many.
    pub(super) fn ticks(&self, about: usize) -> Vec<f64> {
        let span = self.high - self.low;
        let raw = span / about.max(1) as f64;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= raw).unwrap_or(raw);
        let first = (self.low / step).ceil();
        if !step.is_normal() || !first.is_finite() {
            return Vec::new();
        }
        let tick = |n: usize| (first + n as f64) * step;
        (0..2 * about.max(1)).map(tick).take_while(|value| *value <= self.high).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::view::sample;

    #[test]
    fn points_know_what_became_of_them_and_the_best_so_far() {
        let series = sample::series();
        let points = points(&series);
        let kinds: Vec<Kind> = points.iter().map(|point| point.kind).collect();
        assert_eq!(kinds, [Kind::Baseline, Kind::Rejected, Kind::Kept, Kind::Invalid, Kind::Rejected]);
        let best: Vec<f64> = points.iter().filter_map(|point| point.best).collect();
        assert_eq!(best, [100.0, 100.0, 90.0, 90.0, 90.0]);
        assert_eq!((points[3].value, points[2].interval), (None, Some((85.0, 95.0))));
    }

    #[test]
    fn round_values_are_on_the_scale() {
        let series = sample::series();
        let axis = Axis::of(&points(&series), series.target).unwrap();
        assert_eq!(axis.ticks(5), [80.0, 90.0, 100.0, 110.0, 120.0]);
        assert!(axis.place(80.0) > 0.0 && axis.place(120.0) < 1.0);
    }

    #[test]
    fn a_value_far_away_does_not_flatten_the_others() {
        let mut series = sample::series();
        series.records[1].measured = Some(1e9);
        let axis = Axis::of(&points(&series), series.target).unwrap();
        assert!(!axis.holds(1e9) && axis.place(100.0) - axis.place(90.0) > 0.2);
        assert!((axis.place(1e9) - 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn every_place_is_on_the_chart(values in prop::collection::vec(any::<f64>(), 1..9), target in any::<Option<f64>>()) {
            let mut series = sample::series();
            series.target = target;
            for (record, value) in series.records.iter_mut().zip(values.iter().cycle()) {
                record.measured = Some(*value);
                record.baseline = Some(values[0]);
                if let Some(comparison) = &mut record.comparison {
                    comparison.champion = values[0];
                    comparison.interval = (*value, values[0]);
                }
            }
            let points = points(&series);
            if let Some(axis) = Axis::of(&points, series.target) {
                for value in values.iter().copied().chain(points.iter().filter_map(|point| point.value)) {
                    prop_assert!((0.0..=1.0).contains(&axis.place(value)));
                }
                prop_assert!(axis.ticks(5).len() <= 10 && axis.ticks(5).iter().all(|tick| tick.is_finite()));
            }
        }
    }
}
