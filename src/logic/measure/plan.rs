//! At how many pairs is looked, and how much evidence each look asks for.

use super::Settings;
use crate::model::Samples;

/// Steps of about the square root of 2: a large improvement is not measured much longer than it needs, and there are few
/// looks to divide the error among. 5: with fewer pairs not even a lack of trend can be seen.
const LOOKS: [usize; 12] = [5, 7, 10, 14, 20, 30, 42, 60, 84, 120, 168, 200];

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// After how many pairs.
    pub(super) pairs: usize,
    /// The p-value up to which an improvement is believed; 0 when no evidence of that many pairs would do.
    pub(super) level: f64,
    /// The same for a regression.
    pub(super) harm: f64,
    /// The p-value above which there is no hope for an improvement.
    pub(super) hope: f64,
}

/// Returns the looks of a comparison, at least one, in order.
pub(super) fn looks(settings: &Settings, alpha: f64) -> Vec<Look> {
    let most = match settings.samples {
        Samples::Fixed(pairs) => pairs as usize,
        Samples::Auto => settings.max_samples,
    };
    let most = most.clamp(1, 200).max(least_pairs(alpha).unwrap_or_default());
    let earlier = match settings.samples {
        Samples::Fixed(_) => 0,
        Samples::Auto => LOOKS.len(),
    };
    let pairs: Vec<usize> = LOOKS.into_iter().take(earlier).filter(|pairs| *pairs < most).chain([most]).collect();
    let gains = levels(&pairs, alpha);
    let harms = levels(&pairs, 1.0 - settings.confidence);
    let share = |pairs: usize| pairs as f64 / most as f64;
    let looks = pairs.iter().zip(gains).zip(harms);
    looks.map(|((pairs, level), harm)| Look { pairs: *pairs, level, harm, hope: 0.5 * (1.0 - share(*pairs)) }).collect()
}

/// Divides `alpha` among looks; a look at which nothing could be proved gets 0 and leaves its part to the next.
fn levels(pairs: &[usize], alpha: f64) -> Vec<f64> {
    let most = pairs.last().copied().unwrap_or(1);
    let mut charged = 0.0;
    let level = |pairs: &usize| {
        let share = *pairs as f64 / most as f64;
        let spent = if *pairs == most { alpha } else { alpha * (1.0 + (std::f64::consts::E - 1.0) * share).ln() };
        let level = spent - charged;
        if level < floor(*pairs) {
            return 0.0;
        }
        charged = spent;
        level
    };
    pairs.iter().map(level).collect()
}

/// The smallest p-value that so many pairs can have.
fn floor(pairs: usize) -> f64 {
    0.5_f64.powi(i32::try_from(pairs).unwrap_or(i32::MAX))
}

/// Returns how many pairs it takes at least to prove an improvement; `None` when no number does. Fewer are never
/// planned, whatever the settings say: they would be measured for nothing.
pub fn least_pairs(alpha: f64) -> Option<usize> {
    (1..=200).find(|pairs| floor(*pairs) <= alpha)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_looks_never_spend_more_than_there_is() {
        for most in [1, 5, 9, 30, 100, 200] {
            for alpha in [0.0, 1e-9, 0.000_3, 0.002_25, 0.01, 0.05, 0.5] {
                let pairs: Vec<usize> = LOOKS.into_iter().filter(|pairs| *pairs < most).chain([most]).collect();
                let levels = levels(&pairs, alpha);
                assert!(levels.iter().sum::<f64>() <= alpha + 1e-15, "{most} {alpha}");
                assert!(levels.iter().all(|level| *level >= 0.0));
            }
        }
    }

    #[test]
    fn a_look_that_cannot_prove_anything_spends_nothing() {
        let looks = levels(&[5, 7, 10, 14, 20, 30], 0.045 / 20.0);
        assert_eq!(looks[..2], [0.0, 0.0]);
        assert!(looks[2] > 1.0 / 1024.0, "twenty iterations: ten pairs that agree are enough");
        let looks = levels(&[5, 7, 10, 14, 20, 30], 0.05);
        assert!(looks[0] == 0.0 && looks[1] > 1.0 / 128.0);
    }

    #[test]
    fn the_least_number_of_pairs_is_what_can_prove() {
        assert_eq!(least_pairs(0.05), Some(5));
        assert_eq!(least_pairs(0.002_25), Some(9));
        assert_eq!(least_pairs(0.0), None);
        assert_eq!(least_pairs(f64::NAN), None);
    }
}
