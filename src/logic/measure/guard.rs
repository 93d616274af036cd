//! Numbers beside the metric that must not get much worse.
//!
//! A guard is broken when even the kindest value that its measurements allow is too bad: with several pairs the better
//! end of the interval, with one pair the value. Noise alone therefore rarely breaks one.

use super::{Gains, Pair, Settings};
use crate::logic::stats;
use crate::model::Guard;

/// What became of a guarded number.
#[derive(Clone, Debug, PartialEq)]
pub struct Guarded {
    /// Whether it got worse by more than it may; the candidate is then `regressed`.
    pub is_broken: bool,
    /// Candidate by champion, as in [`super::Comparison`].
    pub ratio: f64,
    /// Where the ratio lies; of one pair, the ratio itself.
    pub interval: (f64, f64),
    /// One line for people.
    pub reason: String,
}

/// Judges a guarded number by the pairs that were measured, the warm-up first. Nothing is broken as long as there is
/// nothing but warm-up.
pub fn guard(settings: &Settings, guard: &Guard, pairs: &[Pair]) -> Guarded {
    let counted = pairs.get(settings.warmup..).unwrap_or_default();
    let gains = Gains::of(guard.direction, counted);
    let place = stats::location(&gains.values, settings.confidence);
    let kindest = -gains.relative(place.interval.1);
    // `max` also turns NaN into 0.
    let limit = guard.max_regression.max(0.0);
    let is_broken = !counted.is_empty() && kindest > limit;
    let worse = -100.0 * gains.relative(place.estimate);
    let mut reason = format!("{}: {:.1} % {}", guard.name, worse.abs(), if worse > 0.0 { "worse" } else { "better" });
    if counted.len() > 1 {
        reason = format!("{reason}, at least {:+.1} % worse", 100.0 * kindest);
    }
    let reason = format!("{reason} (limit {:.1} %)", 100.0 * limit);
    Guarded { is_broken, ratio: gains.ratio(place.estimate), interval: gains.interval(place), reason }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;
    use crate::model::{Direction, Samples};

    fn memory(direction: Direction, max_regression: f64) -> Guard {
        let (name, source, json_path) = ("memory".to_owned(), "max_rss".to_owned(), String::new());
        Guard { name, source, json_path, extract: crate::model::Extract::default(), direction, max_regression }
    }

    fn judged(pairs: &[(f64, f64)], guarded: &Guard) -> Guarded {
        let pairs: Vec<Pair> = pairs.iter().map(|(a, b)| Pair::new(*a, *b).unwrap()).collect();
        guard(&Settings { warmup: 0, ..settings(Samples::Auto) }, guarded, &pairs)
    }

    #[test]
    fn one_sample_breaks_by_its_value() {
        let lower = memory(Direction::LowerIsBetter, 0.05);
        assert!(!judged(&[(100.0, 104.9)], &lower).is_broken);
        let broken = judged(&[(100.0, 106.0)], &lower);
        assert!(broken.is_broken);
        assert_eq!(broken.reason, "memory: 6.0 % worse (limit 5.0 %)");
        let higher = memory(Direction::HigherIsBetter, 0.05);
        assert!(judged(&[(100.0, 94.0)], &higher).is_broken);
        assert!(!judged(&[(100.0, 300.0)], &higher).is_broken);
    }

    #[test]
    fn many_samples_break_by_the_kindest_value_they_allow() {
        let lower = memory(Direction::LowerIsBetter, 0.05);
        let noisy: Vec<(f64, f64)> = (0..10).map(|at| (100.0, 96.0 + 3.0 * f64::from(at))).collect();
        let told = judged(&noisy, &lower);
        assert!(!told.is_broken && told.ratio > 1.05, "{told:?}");
        let clear: Vec<(f64, f64)> = (0..10).map(|at| (100.0, 108.0 + 0.1 * f64::from(at))).collect();
        let told = judged(&clear, &lower);
        assert!(told.is_broken, "{told:?}");
        assert_eq!(told.reason, "memory: 8.4 % worse, at least +8.2 % worse (limit 5.0 %)");
    }

    #[test]
    fn a_count_that_was_zero_may_not_appear() {
        let failures = memory(Direction::LowerIsBetter, 0.0);
        assert!(judged(&[(0.0, 1.0)], &failures).is_broken);
        assert!(!judged(&[(0.0, 0.0)], &failures).is_broken);
        assert!(!judged(&[], &failures).is_broken);
    }
}
