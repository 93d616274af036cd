//! Paired statistics that assume nothing about how a measurement is distributed.
//!
//! Everything rests on one fact: when two sides do not differ, each difference of a pair is as likely to be positive as
//! negative. The signed-rank test (Wilcoxon 1945, zeros as in Pratt 1959) counts exactly how often chance alone would
//! rank the signs as they are, given the sizes of the differences; the estimate and the interval are those that go with it
//! (Hodges and Lehmann 1963; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, section 3.1 to 3.3). A
//! far-off value counts by its rank only, so that heavy tails cost little; for normal noise the test needs 5 % more pairs
//! than a t-test. The price is a floor: `n` pairs never give a p-value below `2^-n`.
//!
//! It decides nothing; `measure` does. Invariants: finite in, finite out; the order of the differences does not matter;
//! no randomness.

/// The longest list that is tested; of a longer one the first are taken. The counting is cubic: 200 take 30 ms.
const LONGEST: usize = 200;

/// How surprising the signs of some differences are when chance alone made them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignedRank {
    /// The probability of differences that are as far or farther above 0. From 0 (never reached) to 1.
    pub above: f64,
    /// The same for below.
    pub below: f64,
}

/// Tests whether differences lie around 0. Exact, also with ties and zeros.
pub fn signed_rank(differences: &[f64]) -> SignedRank {
    let differences = differences.get(..LONGEST).unwrap_or(differences);
    let ranks = doubled_ranks(differences);
    let of_sign = |is_of: fn(f64) -> bool| -> usize {
        differences.iter().zip(&ranks).filter(|(difference, _)| is_of(**difference)).map(|(_, rank)| rank).sum()
    };
    let (above, below) = (of_sign(|difference| difference > 0.0), of_sign(|difference| difference < 0.0));
    let counted: Vec<usize> =
        differences.iter().zip(&ranks).filter(|(difference, _)| **difference != 0.0).map(|(_, rank)| *rank).collect();
    let chances = sums_by_chance(&counted);
    let at_least = |sum: usize| chances.iter().skip(sum).sum::<f64>().min(1.0);
    SignedRank { above: at_least(above), below: at_least(below) }
}

/// Twice the rank of each size, so that the mean rank of equal sizes is a whole number.
fn doubled_ranks(differences: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..differences.len()).collect();
    let size = |at: &usize| differences.get(*at).copied().unwrap_or_default().abs();
    order.sort_by(|one, other| size(one).total_cmp(&size(other)));
    let mut ranks = vec![0; differences.len()];
    let mut before = 0;
    for equal in order.chunk_by(|one, other| size(one).total_cmp(&size(other)).is_eq()) {
        // Ranks before + 1 to before + n have the mean before + (n + 1) / 2.
        let rank = 2 * before + equal.len() + 1;
        before += equal.len();
        for at in equal {
            if let Some(slot) = ranks.get_mut(*at) {
                *slot = rank;
            }
        }
    }
    ranks
}

/// Returns, for each sum from 0 on, the probability that ranks whose signs are thrown like coins add up to it.
fn sums_by_chance(ranks: &[usize]) -> Vec<f64> {
    let mut chances = vec![0.0; ranks.iter().sum::<usize>() + 1];
    if let Some(nothing) = chances.first_mut() {
        *nothing = 1.0;
    }
    let mut most = 0;
    for rank in ranks {
        most += rank;
        for sum in (0..=most).rev() {
            let without = chances.get(sum).copied().unwrap_or_default();
            let with = sum.checked_sub(*rank).and_then(|rest| chances.get(rest)).copied().unwrap_or_default();
            if let Some(chance) = chances.get_mut(sum) {
                *chance = f64::midpoint(without, with);
            }
        }
    }
    chances
}

/// Where differences lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Location {
    /// The middle of the means of all pairs of differences (Hodges and Lehmann).
    pub estimate: f64,
    /// The values around 0 that the signed-rank test would not reject. With too few differences for the confidence, all
    /// that was seen.
    pub interval: (f64, f64),
}

/// Estimates where differences lie; 0 when there are none. `confidence` is that of the interval, both ends together.
pub fn location(differences: &[f64], confidence: f64) -> Location {
    let differences = differences.get(..LONGEST).unwrap_or(differences);
    let mut means = Vec::with_capacity(differences.len() * (differences.len() + 1) / 2);
    for (at, one) in differences.iter().enumerate() {
        means.extend(differences.iter().skip(at).map(|other| f64::midpoint(*one, *other)));
    }
    means.sort_by(f64::total_cmp);
    let outside = ((1.0 - confidence) / 2.0).clamp(0.0, 0.5);
    let ranks: Vec<usize> = (1..=differences.len()).collect();
    let mut reached = 0.0;
    let below = sums_by_chance(&ranks).into_iter().take_while(|chance| {
        reached += chance;
        reached <= outside
    });
    // When the smallest c sums together are rare enough, the means from number c on (from 1) are the interval. The middle
    // is always inside.
    let cut = below.count().saturating_sub(1).min(means.len().saturating_sub(1) / 2);
    let from = means.get(cut).copied().unwrap_or_default();
    let to = means.iter().rev().nth(cut).copied().unwrap_or_default();
    Location { estimate: middle(&means), interval: (from, to) }
}

/// Returns the median; 0 when there are no values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    middle(&sorted)
}

fn middle(sorted: &[f64]) -> f64 {
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn the_p_values_are_those_of_the_tables() {
        // R 4.3: psignrank and wilcox.test(x, exact = TRUE, alternative = "greater").
        let five = signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(near(five.above, 1.0 / 32.0) && near(five.below, 1.0));
        // W = 40 of 45 and 9 pairs: P(W >= 40) = P(W <= 5) = 10 / 512.
        let nine = signed_rank(&[1.0, 2.0, 3.0, 4.0, -5.0, 6.0, 7.0, 8.0, 9.0]);
        assert!(near(nine.above, 10.0 / 512.0), "{nine:?}");
        // Darwin's plants: W = 96 of 120, P(W >= 96) = 676 / 32768.
        let darwin: [f64; 15] = [49., -67., 8., 16., 6., 23., 28., 41., 14., 29., 56., 24., 75., 60., -48.];
        assert!(near(signed_rank(&darwin).above, 676.0 / 32768.0));
    }

    #[test]
    fn equal_sizes_and_zeros_are_counted_as_they_are() {
        // Three equal sizes: all eight signs are as likely, one of them is at the top.
        assert!(near(signed_rank(&[2.0, 2.0, 2.0]).above, 0.125));
        // Two up and one down: 1 + 3 of 8.
        assert!(near(signed_rank(&[2.0, 2.0, -2.0]).above, 0.5));
        assert_eq!(signed_rank(&[0.0, -0.0, 0.0]), SignedRank { above: 1.0, below: 1.0 });
        assert!(near(signed_rank(&[0.0, 0.0, 1.0]).above, 0.5), "zeros prove nothing");
        assert_eq!(signed_rank(&[]), SignedRank { above: 1.0, below: 1.0 });
    }

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // 10 differences, 95 %: the table gives sum 8, so means 9 from each end are the ends.
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let mut means = Vec::new();
        for (at, one) in values.iter().enumerate() {
            means.extend(values.iter().skip(at).map(|other| f64::midpoint(*one, *other)));
        }
        means.sort_by(f64::total_cmp);
        let found = location(&values, 0.95);
        assert_eq!(found, Location { estimate: 5.5, interval: (means[8], means[55 - 9]) });
        assert_eq!(location(&[1.0, 4.0], 0.95).interval, (1.0, 4.0), "too few: all that was seen");
        assert_eq!(location(&[3.0], 0.95), Location { estimate: 3.0, interval: (3.0, 3.0) });
        assert_eq!(location(&[], 0.95), Location { estimate: 0.0, interval: (0.0, 0.0) });
    }

    #[test]
    fn the_interval_covers_as_often_as_it_says() {
        // Every pattern of signs of ten sizes is equally likely around 0: count the intervals that miss 0.
        let sizes = [0.3, 0.7, 1.1, 1.6, 2.3, 2.9, 4.2, 5.8, 9.5, 40.0];
        let mut misses = 0;
        for signs in 0_u32..1024 {
            let values: Vec<f64> =
                (0..10).zip(sizes).map(|(at, size)| if signs >> at & 1 == 1 { size } else { -size }).collect();
            let (from, to) = location(&values, 0.95).interval;
            misses += u32::from(from > 0.0 || to < 0.0);
        }
        // 2 * 25 / 1024 (sums up to 8) = 4.9 %.
        assert!((40..=51).contains(&misses), "{misses} of 1024");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!(near(median(&[3.0, 1.0, 2.0]), 2.0) && near(median(&[4.0, 1.0, 2.0, 3.0]), 2.5));
        assert!(near(median(&[]), 0.0));
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_the_sign_mirrors(values in prop::collection::vec(-1e9_f64..1e9, 0..25)) {
            let (test, place) = (signed_rank(&values), location(&values, 0.9));
            let turned: Vec<f64> = values.iter().rev().copied().collect();
            prop_assert_eq!(signed_rank(&turned), test);
            prop_assert_eq!(location(&turned, 0.9), place);
            let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
            prop_assert_eq!(signed_rank(&mirrored), SignedRank { above: test.below, below: test.above });
            let (from, to) = place.interval;
            let turned = Location { estimate: -place.estimate, interval: (-to, -from) };
            prop_assert_eq!(location(&mirrored, 0.9), turned);
            prop_assert!(place.interval.0 <= place.estimate && place.estimate <= place.interval.1);
        }

        #[test]
        fn a_probability_is_one(values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 0..40)) {
            let test = signed_rank(&values);
            for p in [test.above, test.below] {
                prop_assert!((0.0..=1.0).contains(&p), "{}", p);
            }
            let place = location(&values, 0.95);
            prop_assert!(place.estimate.is_finite() && place.interval.0.is_finite() && place.interval.1.is_finite());
        }
    }
}
