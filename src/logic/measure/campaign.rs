//! What all iterations of a task may err together, and whether what was kept holds at the end.
//!
//! Of the error that the confidence leaves (5 % at 0.95), a tenth is for the last word, the rest is divided evenly among
//! the iterations, used or not. So a task whose changes all do nothing keeps one with at most 4.5 % probability, and
//! ends with a confirmed improvement with at most 0.5 %: the last comparison is made of fresh measurements.

use super::{Comparison, Finding, Pair, Patience, Settings, Step, step};

/// The part of the error that is for [`revalidate`].
const LAST_WORD: f64 = 0.1;

/// Returns the probability with which iteration number `iteration` (from 1) may keep a change without effect. Iterations
/// beyond the last, and a confidence that is none, have nothing to err with.
pub fn alpha(iteration: u32, max_iterations: u32, confidence: f64) -> f64 {
    if iteration == 0 || iteration > max_iterations {
        return 0.0;
    }
    (1.0 - LAST_WORD) * error(confidence) / f64::from(max_iterations)
}

/// Returns the probability with which the last comparison may confirm an improvement that is none.
pub fn revalidation_alpha(confidence: f64) -> f64 {
    LAST_WORD * error(confidence)
}

fn error(confidence: f64) -> f64 {
    if (0.0..=1.0).contains(&confidence) { 1.0 - confidence } else { 0.0 }
}

/// What the last comparison comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Revalidation {
    /// This many more pairs are needed; at least 1.
    Measure {
        /// Pairs.
        more: usize,
    },
    /// The champion is better than what the task began with.
    Confirmed(Comparison),
    /// Nothing proves that it is.
    NotConfirmed(Comparison),
}

/// Compares what the task began with (as champion of each pair) and what it ends with (as candidate), on fresh
/// measurements. Not given up early: this is asked once.
pub fn revalidate(settings: &Settings, pairs: &[Pair]) -> Revalidation {
    match step(settings, pairs, revalidation_alpha(settings.confidence), Patience::ToTheEnd) {
        Step::Measure { more } => Revalidation::Measure { more },
        Step::Decide(comparison) if comparison.finding == Finding::Improved => Revalidation::Confirmed(comparison),
        Step::Decide(comparison) => Revalidation::NotConfirmed(comparison),
    }
}
