//! Whether a change made a metric better: how often to measure, in which order, and what the numbers prove.
//!
//! Champion (the best tree so far) and candidate are measured in pairs, one right after the other, the order within a
//! pair turned round each time (`A B B A A B B A`): what drifts slowly hits both sides of a pair alike, and what drifts
//! steadily hits them in turn. Pairs are compared by their logarithms, hence by ratio; by difference when a value is
//! zero or negative. The exact signed-rank test of [`super::stats`] judges them.
//!
//! Looking several times costs: `alpha`, the probability of keeping a change that does nothing, is divided among
//! the looks, which are at 5, 7, 10, 14, 20, 30, ... pairs. Up to the look at `n` of `most` pairs,
//! `alpha * ln(1 + (e - 1) * n / most)` may be spent (the Pocock-like function of Lan and DeMets, Biometrika 1983, 70:659),
//! each look gets what the looks before it have left, and the sum bounds the probability whatever the noise is like. Not
//! O'Brien and Fleming's function: it saves nearly all for the last look, and large improvements, the ones worth
//! finding quickly, would be measured to the end. A look that could not reject even if all pairs agreed spends nothing.
//!
//! A candidate that shows no trend is given up early: its p-value must not be above `0.5 * (1 - n / most)`, a line that a
//! change without effect crosses after 10 pairs on average (`docs/measuring.md`). That never keeps anything, so it costs
//! power but no honesty; 0.6 and 0.7 instead of 0.5 were tried, and found at most 2 % more for 12 % and 22 % more runs. A regression is declared at `1 - confidence`, undivided among the iterations: to revert is cheap.
//!
//! It does not measure, and does not keep or revert. Invariants: the answer depends on the numbers alone, not on the
//! order of the pairs after the warm-up; nothing that is returned is NaN or infinite.

mod campaign;
mod guard;
#[cfg(test)]
mod null;
mod plan;

use std::fmt::Write as _;

use super::judge;
use super::stats::{self, Location};
use crate::model::{Direction, Finding, Numeric, Outcome, Samples};

pub use self::campaign::{Revalidation, alpha, revalidate, revalidation_alpha};
pub use self::guard::{Guarded, guard};
pub use self::plan::least_pairs;

use self::plan::Look;

/// How a metric is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How many pairs.
    pub samples: Samples,
    /// The most pairs of [`Samples::Auto`], without the warm-up. From 1 to 200.
    pub max_samples: usize,
    /// How many pairs at the start do not count.
    pub warmup: usize,
    /// Of the interval, of regressions, and of the whole campaign (see [`alpha`]). From 0.5 to below 1.
    pub confidence: f64,
    /// The smallest relative improvement worth keeping. The estimate has to reach it; the test only has to exclude that
    /// there is none: asking it to exclude all below would make 2 % unprovable where 2 % is what there is.
    pub min_effect: f64,
    /// Which way is better.
    pub direction: Direction,
    /// Of a single sample: improvements below this are unchanged.
    pub min_improvement: f64,
    /// Of a single sample: differences up to this are unchanged.
    pub unchanged_tolerance: f64,
}

impl Settings {
    /// Returns the settings of a metric, or `None` when it does not say which way is better. Without a word about samples
    /// and about the least improvement, a metric that `is_noisy` is measured until it is known, and one that is not once.
    pub fn of(numeric: &Numeric, is_noisy: bool) -> Option<Self> {
        let own = &numeric.sampling;
        let has_threshold = numeric.min_improvement > 0.0;
        let default = if is_noisy && !has_threshold { Samples::Auto } else { Samples::Fixed(1) };
        let samples = own.samples.unwrap_or(default);
        let warmup = match (own.warmup, samples) {
            (Some(warmup), _) => warmup,
            (None, Samples::Auto) => 1,
            (None, Samples::Fixed(_)) => 0,
        };
        let confidence = own.confidence.filter(|confidence| (0.5..1.0).contains(confidence));
        let min_effect = own.min_effect.filter(|effect| effect.is_finite());
        Some(Self {
            samples,
            max_samples: own.max_samples.unwrap_or(30).clamp(1, 200) as usize,
            // 1 000: beyond that nothing would ever be measured.
            warmup: warmup.min(1_000) as usize,
            confidence: confidence.unwrap_or(0.95),
            min_effect: min_effect.unwrap_or(0.0).max(0.0),
            direction: numeric.direction?,
            min_improvement: numeric.min_improvement,
            unchanged_tolerance: numeric.unchanged_tolerance,
        })
    }
}

/// Whether it is to be found out if a metric gives the same number twice: nothing is said that depends on it.
pub fn is_open(numeric: &Numeric) -> bool {
    numeric.sampling.samples.is_none() && numeric.min_improvement <= 0.0
}

/// The two sides of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The best tree so far.
    Champion,
    /// The tree with the change.
    Candidate,
}

/// Returns in which order the sides of a pair (from 0, the warm-up counts) are measured.
pub fn order(pair: usize) -> [Side; 2] {
    if pair.is_multiple_of(2) { [Side::Champion, Side::Candidate] } else { [Side::Candidate, Side::Champion] }
}

/// Both sides measured once. Finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    champion: f64,
    candidate: f64,
}

impl Pair {
    /// Returns a pair, or `None` when a value is NaN or infinite.
    pub fn new(champion: f64, candidate: f64) -> Option<Self> {
        (champion.is_finite() && candidate.is_finite()).then_some(Self { champion, candidate })
    }

    /// The value of the best tree so far.
    pub fn champion(self) -> f64 {
        self.champion
    }

    /// The value of the tree with the change.
    pub fn candidate(self) -> f64 {
        self.candidate
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// This many more pairs are needed; at least 1.
    Measure {
        /// Pairs.
        more: usize,
    },
    /// It is known.
    Decide(Comparison),
}

/// Two sides compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was found.
    pub finding: Finding,
    /// Candidate by champion: 0.9 is ten per cent less. When a value is zero or negative, 1 plus the difference in units
    /// of the champion's usual size. Above 1 means larger, not better.
    pub ratio: f64,
    /// Where the ratio lies at the confidence; of one pair, the ratio itself.
    pub interval: (f64, f64),
    /// The probability of such evidence for an improvement when there is none; 1 of a single pair, which is not tested.
    pub p_value: f64,
    /// How many pairs counted.
    pub samples: usize,
    /// One line for people.
    pub reason: String,
}

/// Says whether to measure more, or what the pairs prove. They are in the order of time, the warm-up first; they may be
/// more than were asked for. `alpha` is the probability with which a change without effect may be called an improvement.
pub fn next(settings: &Settings, pairs: &[Pair], alpha: f64) -> Step {
    step(settings, pairs, alpha, Patience::UntilHopeless)
}

/// When a comparison without result ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// When there is no trend.
    UntilHopeless,
    /// When all pairs are measured.
    ToTheEnd,
}

fn step(settings: &Settings, pairs: &[Pair], alpha: f64, patience: Patience) -> Step {
    let counted = pairs.get(settings.warmup..).unwrap_or_default();
    let missing = |wanted: usize| Step::Measure { more: wanted + settings.warmup - pairs.len() };
    if settings.samples == Samples::Fixed(1) {
        return counted.first().map_or_else(|| missing(1), |pair| Step::Decide(single(settings, *pair)));
    }
    let looks = plan::looks(settings, alpha);
    let last = looks.last().map_or(1, |look| look.pairs);
    let due = looks.iter().find(|look| look.pairs >= counted.len().min(last));
    match due {
        Some(look) if look.pairs <= counted.len() => {
            let is_last = look.pairs == last;
            let comparison = Comparison::of(settings, counted, *look, is_last, patience);
            comparison.map_or_else(
                || missing(looks.iter().map(|look| look.pairs).find(|pairs| *pairs > counted.len()).unwrap_or(last)),
                Step::Decide,
            )
        }
        Some(look) => missing(look.pairs),
        None => missing(last),
    }
}

/// The rule for one sample: no statistics.
fn single(settings: &Settings, pair: Pair) -> Comparison {
    let (least, tolerance) = (settings.min_improvement, settings.unchanged_tolerance);
    let outcome = judge::compare(settings.direction, least, tolerance, pair.champion, pair.candidate);
    let finding = match outcome {
        Outcome::Improved => Finding::Improved,
        Outcome::Regressed => Finding::Regressed,
        Outcome::Met
        | Outcome::NotMet
        | Outcome::Measured
        | Outcome::Unchanged
        | Outcome::TargetMet
        | Outcome::Invalid => Finding::Unchanged,
    };
    let gains = Gains::of(settings.direction, &[pair]);
    let ratio = gains.ratio(gains.at(0));
    let reason = format!("{} instead of {}, one sample", pair.candidate, pair.champion);
    Comparison { finding, ratio, interval: (ratio, ratio), p_value: 1.0, samples: 1, reason }
}

impl Comparison {
    /// Judges the pairs at a look; `None` when more are needed.
    fn of(settings: &Settings, pairs: &[Pair], look: Look, is_last: bool, patience: Patience) -> Option<Self> {
        let gains = Gains::of(settings.direction, pairs);
        let test = stats::signed_rank(&gains.values);
        let place = stats::location(&gains.values, settings.confidence);
        let has_effect = test.above <= look.level && gains.relative(place.estimate) >= settings.min_effect;
        // Six pairs are the least whose interval is one; see `stats::location`.
        let is_too_small = pairs.len() >= 6 && gains.relative(place.interval.1) < settings.min_effect;
        let has_trend = test.above <= look.hope || test.below <= 0.1;
        let finding = if has_effect {
            Finding::Improved
        } else if test.below <= look.harm {
            Finding::Regressed
        } else if is_too_small && settings.min_effect > 0.0 {
            // The whole interval is on the wrong side: that is more than not good enough.
            if gains.relative(place.interval.1) < 0.0 { Finding::Regressed } else { Finding::Unchanged }
        } else if is_last {
            Finding::Undecided
        } else if patience == Patience::UntilHopeless && !has_trend {
            Finding::Unchanged
        } else {
            return None;
        };
        Some(Self {
            finding,
            ratio: gains.ratio(place.estimate),
            interval: gains.interval(place),
            p_value: test.above,
            samples: pairs.len(),
            reason: reason(finding, &gains, place, test.above, settings),
        })
    }
}

fn reason(finding: Finding, gains: &Gains, place: Location, p_value: f64, settings: &Settings) -> String {
    let percent = |gain: f64| 100.0 * gains.relative(gain);
    let (from, to) = (percent(place.interval.0), percent(place.interval.1));
    let estimate = percent(place.estimate);
    let word = if estimate < 0.0 { "worse" } else { "better" };
    let mut line = format!("{:.1} % {word} ({from:+.1} to {to:+.1} %), {} pairs", estimate.abs(), gains.values.len());
    let more = match finding {
        Finding::Improved => write!(line, ", p={p_value:.1e}"),
        Finding::Regressed => Ok(()),
        Finding::Unchanged if settings.min_effect > 0.0 => {
            write!(line, "; not the {:.1} % that are worth keeping", 100.0 * settings.min_effect)
        }
        Finding::Unchanged => write!(line, "; no sign of an improvement"),
        Finding::Undecided => write!(line, "; too little to tell it from noise"),
    };
    // Writing to a String cannot fail.
    more.ok();
    line
}

/// Differences turned so that above 0 is better, and how to get ratios back.
struct Gains {
    values: Vec<f64>,
    scale: Scale,
    direction: Direction,
}

enum Scale {
    /// They are logarithms of ratios.
    Log,
    /// They are differences; the unit is the champion's usual size.
    Linear { unit: f64 },
}

impl Gains {
    fn of(direction: Direction, pairs: &[Pair]) -> Self {
        let sign = match direction {
            Direction::LowerIsBetter => -1.0,
            Direction::HigherIsBetter => 1.0,
        };
        let is_positive = pairs.iter().all(|pair| pair.champion > 0.0 && pair.candidate > 0.0);
        let difference = |pair: &Pair| {
            let difference =
                if is_positive { pair.candidate.ln() - pair.champion.ln() } else { pair.candidate - pair.champion };
            sign * difference.clamp(f64::MIN, f64::MAX)
        };
        let values = pairs.iter().map(difference).collect();
        let scale = if is_positive { Scale::Log } else { Scale::Linear { unit: unit(pairs) } };
        Self { values, scale, direction }
    }

    fn at(&self, index: usize) -> f64 {
        self.values.get(index).copied().unwrap_or_default()
    }

    /// Turns a gain into a ratio.
    fn ratio(&self, gain: f64) -> f64 {
        let change = match self.direction {
            Direction::LowerIsBetter => -gain,
            Direction::HigherIsBetter => gain,
        };
        let ratio = match self.scale {
            Scale::Log => change.exp(),
            Scale::Linear { unit } => 1.0 + change / unit,
        };
        ratio.clamp(f64::MIN, f64::MAX)
    }

    /// Turns a gain into a share of the champion: 0.1 is ten per cent better.
    fn relative(&self, gain: f64) -> f64 {
        match self.direction {
            Direction::LowerIsBetter => 1.0 - self.ratio(gain),
            Direction::HigherIsBetter => self.ratio(gain) - 1.0,
        }
    }

    fn interval(&self, place: Location) -> (f64, f64) {
        let (one, other) = (self.ratio(place.interval.0), self.ratio(place.interval.1));
        (one.min(other), one.max(other))
    }
}

/// The champion's usual size; the candidate's when that is 0; 1 when that is 0 too.
fn unit(pairs: &[Pair]) -> f64 {
    let usual = |value: fn(&Pair) -> f64| {
        let sizes: Vec<f64> = pairs.iter().map(|pair| value(pair).abs()).collect();
        stats::median(&sizes)
    };
    [usual(|pair| pair.champion), usual(|pair| pair.candidate)].into_iter().find(|size| *size > 0.0).unwrap_or(1.0)
}

#[cfg(test)]
mod tests;
