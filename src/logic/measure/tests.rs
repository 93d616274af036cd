use proptest::prelude::*;

use super::*;
use crate::model::Sampling;

/// What a task gets that says only how often: lower is better.
pub(super) fn settings(samples: Samples) -> Settings {
    let sampling = Sampling { samples: Some(samples), ..Sampling::default() };
    let direction = Some(Direction::LowerIsBetter);
    Settings::of(&Numeric { direction, sampling, ..Numeric::default() }, false).unwrap()
}

fn plain(samples: Samples) -> Settings {
    Settings { warmup: 0, ..settings(samples) }
}

fn pairs(values: &[(f64, f64)]) -> Vec<Pair> {
    values.iter().map(|(champion, candidate)| Pair::new(*champion, *candidate).unwrap()).collect()
}

/// `n` pairs whose candidate has about `ratio` of the champion.
fn about(ratio: f64, n: u32) -> Vec<Pair> {
    let value = |at: u32| 100.0 + f64::from(at * 7 % 5) * 0.1;
    (0..n).map(|at| Pair::new(value(at), ratio * value(at + 2)).unwrap()).collect()
}

fn decided(step: Step) -> Comparison {
    match step {
        Step::Decide(comparison) => comparison,
        Step::Measure { more } => panic!("wants {more} more"),
    }
}

/// A share of the error as a task with twenty iterations has it.
const ALPHA: f64 = 0.045 / 20.0;

#[test]
fn what_is_not_said_has_its_default() {
    let numeric = Numeric { direction: Some(Direction::HigherIsBetter), ..Numeric::default() };
    let once = Settings::of(&numeric, false).unwrap();
    assert_eq!((once.samples, once.warmup, once.max_samples), (Samples::Fixed(1), 0, 30));
    assert_eq!((once.confidence, once.min_effect), (0.95, 0.0));
    assert_eq!(settings(Samples::Auto).warmup, 1);
    assert_eq!(Settings::of(&Numeric::default(), false), None, "no direction");
    let sampling = Sampling { confidence: Some(f64::NAN), min_effect: Some(-1.0), ..Sampling::default() };
    let odd = Settings::of(&Numeric { sampling, ..numeric }, false).unwrap();
    assert_eq!((odd.confidence, odd.min_effect), (0.95, 0.0));
}

#[test]
fn one_sample_follows_the_outcome_table() {
    let picky = Settings { min_improvement: 5.0, unchanged_tolerance: 1.0, ..plain(Samples::Fixed(1)) };
    assert_eq!(next(&picky, &[], ALPHA), Step::Measure { more: 1 });
    for (value, finding) in [
        (95.0, Finding::Improved),
        (95.1, Finding::Unchanged),
        (101.0, Finding::Unchanged),
        (101.5, Finding::Regressed),
    ] {
        let told = decided(next(&picky, &pairs(&[(100.0, value)]), ALPHA));
        assert_eq!((told.finding, told.samples), (finding, 1), "{value}");
        assert!((told.ratio - value / 100.0).abs() < 1e-12 && told.interval == (told.ratio, told.ratio));
    }
}

#[test]
fn the_looks_are_at_their_places() {
    let auto = settings(Samples::Auto);
    assert_eq!(next(&auto, &[], ALPHA), Step::Measure { more: 6 }, "one of warm-up and five");
    assert_eq!(next(&auto, &about(0.9, 4), ALPHA), Step::Measure { more: 2 });
    assert_eq!(next(&auto, &about(0.9, 6), ALPHA), Step::Measure { more: 2 }, "five agree: go on to seven");
    assert_eq!(next(&auto, &about(0.9, 9), ALPHA), Step::Measure { more: 2 });
    let told = decided(next(&auto, &about(0.9, 11), ALPHA));
    assert_eq!((told.finding, told.samples), (Finding::Improved, 10));
    assert!((told.ratio - 0.9).abs() < 0.01 && told.interval.0 <= told.ratio && told.ratio <= told.interval.1);
    assert!(told.p_value <= 1.0 / 1024.0);
    assert!(told.reason.contains(" % better (+") && told.reason.contains("10 pairs, p="), "{}", told.reason);
}

#[test]
fn the_first_pairs_do_not_count() {
    let auto = settings(Samples::Auto);
    let mut measured = about(0.9, 11);
    measured[0] = Pair::new(1.0, 1e9).unwrap();
    assert_eq!(next(&auto, &measured, ALPHA), next(&auto, &about(0.9, 11), ALPHA));
}

#[test]
fn a_regression_needs_less_evidence_than_an_improvement() {
    let auto = plain(Samples::Auto);
    assert_eq!(decided(next(&auto, &about(1.1, 7), ALPHA)).finding, Finding::Regressed);
    assert_eq!(next(&auto, &about(0.9, 7), ALPHA), Step::Measure { more: 3 });
}

#[test]
fn what_shows_no_trend_is_given_up() {
    let auto = plain(Samples::Auto);
    let flat = pairs(&[(100.0, 101.0), (100.0, 99.5), (100.0, 101.5), (100.0, 99.0), (100.0, 100.2)]);
    let told = decided(next(&auto, &flat, ALPHA));
    assert_eq!((told.finding, told.finding.outcome()), (Finding::Unchanged, Outcome::Unchanged));
    assert!(told.reason.ends_with("no sign of an improvement"), "{}", told.reason);
}

#[test]
fn what_stays_unclear_counts_as_unchanged() {
    let auto = Settings { max_samples: 14, ..plain(Samples::Auto) };
    let mixed: Vec<Pair> =
        (0..14).map(|at| Pair::new(100.0, if at % 4 == 3 { 104.0 } else { 99.0 }).unwrap()).collect();
    let told = decided(next(&auto, &mixed, ALPHA));
    assert_eq!((told.finding, told.finding.outcome()), (Finding::Undecided, Outcome::Unchanged));
    assert!(told.reason.ends_with("too little to tell it from noise"), "{}", told.reason);
}

#[test]
fn an_effect_that_is_real_but_small_is_not_kept() {
    let auto = Settings { min_effect: 0.05, ..plain(Samples::Auto) };
    let told = decided(next(&auto, &about(0.98, 10), ALPHA));
    assert_eq!(told.finding, Finding::Unchanged);
    assert!(told.reason.ends_with("not the 5.0 % that are worth keeping"), "{}", told.reason);
    assert_eq!(decided(next(&auto, &about(0.94, 10), ALPHA)).finding, Finding::Improved);
}

#[test]
fn what_is_clearly_worse_is_a_regression_also_where_small_effects_do_not_count() {
    let strict = Settings { min_effect: 0.1, confidence: 0.99, ..plain(Samples::Auto) };
    let told = decided(next(&strict, &about(1.5, 7), ALPHA));
    assert_eq!(told.finding, Finding::Regressed);
    assert!(told.reason.contains("% worse") && told.reason.ends_with("7 pairs"), "{}", told.reason);
    assert_eq!(decided(next(&strict, &about(0.97, 7), ALPHA)).finding, Finding::Unchanged);
}

#[test]
fn a_fixed_number_is_measured_unless_it_could_prove_nothing() {
    let ten = plain(Samples::Fixed(10));
    assert_eq!(next(&ten, &about(0.9, 5), ALPHA), Step::Measure { more: 5 });
    assert_eq!(decided(next(&ten, &about(0.9, 10), ALPHA)).finding, Finding::Improved);
    assert_eq!(decided(next(&ten, &about(1.1, 10), ALPHA)).finding, Finding::Regressed);
    let five = plain(Samples::Fixed(5));
    assert_eq!(next(&five, &about(0.9, 5), ALPHA), Step::Measure { more: 4 }, "five pairs never reach this level");
    assert_eq!(decided(next(&five, &about(0.9, 9), ALPHA)).finding, Finding::Improved);
    assert_eq!(decided(next(&five, &about(0.9, 5), 0.05)).finding, Finding::Improved);
    assert_eq!(decided(next(&five, &about(0.9, 5), 0.0)).finding, Finding::Undecided, "nothing proves at level 0");
}

#[test]
fn more_pairs_than_asked_for_all_count() {
    let told = decided(next(&plain(Samples::Auto), &about(0.9, 40), ALPHA));
    assert_eq!((told.finding, told.samples), (Finding::Improved, 40));
}

#[test]
fn values_around_zero_are_compared_by_difference() {
    let auto = Settings { direction: Direction::HigherIsBetter, ..plain(Samples::Auto) };
    let likelihood: Vec<Pair> = (0..10).map(|at| Pair::new(-200.0, -190.0 + 0.1 * f64::from(at)).unwrap()).collect();
    let told = decided(next(&auto, &likelihood, ALPHA));
    assert_eq!(told.finding, Finding::Improved);
    assert!((told.ratio - 1.052).abs() < 0.001, "{told:?}");
    let failures = pairs(&[(0.0, 0.0); 5]);
    let told = decided(next(&plain(Samples::Auto), &failures, ALPHA));
    assert_eq!((told.finding, told.ratio, told.interval), (Finding::Unchanged, 1.0, (1.0, 1.0)));
}

#[test]
fn what_is_not_finite_is_no_pair() {
    assert!(Pair::new(f64::NAN, 1.0).is_none() && Pair::new(1.0, f64::INFINITY).is_none());
    let pair = Pair::new(1.0, 2.0).unwrap();
    assert_eq!((pair.champion(), pair.candidate()), (1.0, 2.0));
}

#[test]
fn a_steady_drift_is_no_difference() {
    // Each run is 1 % slower than the run before it, and nothing else differs.
    let mut time = 100.0;
    let mut run = || {
        time *= 1.01;
        time
    };
    let drifting: Vec<Pair> = (0..30)
        .map(|pair| {
            let (one, other) = (run(), run());
            let (champion, candidate) = if order(pair)[0] == Side::Champion { (one, other) } else { (other, one) };
            Pair::new(champion, candidate).unwrap()
        })
        .collect();
    for count in [5, 7, 10, 14, 20, 30] {
        match next(&plain(Samples::Auto), &drifting[..count], 0.05) {
            Step::Measure { .. } => {}
            Step::Decide(told) => assert_eq!(told.finding.outcome(), Outcome::Unchanged, "{count}: {told:?}"),
        }
    }
}

#[test]
fn a_campaign_spends_what_its_confidence_leaves() {
    for iterations in [1, 3, 20, 1000] {
        let spent: f64 = (1..=iterations).map(|iteration| alpha(iteration, iterations, 0.95)).sum();
        assert!(spent + revalidation_alpha(0.95) <= 0.05 + 1e-12, "{iterations}: {spent}");
    }
    assert_eq!((alpha(0, 3, 0.95), alpha(4, 3, 0.95), alpha(1, 3, f64::NAN)), (0.0, 0.0, 0.0));
}

#[test]
fn the_last_word_needs_proof_of_its_own() {
    let auto = plain(Samples::Auto);
    assert_eq!(revalidate(&auto, &[]), Revalidation::Measure { more: 5 });
    assert!(matches!(revalidate(&auto, &about(0.9, 10)), Revalidation::Confirmed(_)));
    let flat = pairs(&[(100.0, 101.0), (100.0, 99.5), (100.0, 101.5), (100.0, 99.0), (100.0, 100.2)]);
    assert!(matches!(next(&auto, &flat, ALPHA), Step::Decide(_)));
    assert_eq!(revalidate(&auto, &flat), Revalidation::Measure { more: 2 }, "it is not given up early");
    assert!(matches!(revalidate(&auto, &about(1.0, 30)), Revalidation::NotConfirmed(_)));
    assert!(matches!(revalidate(&auto, &about(1.1, 7)), Revalidation::NotConfirmed(_)));
    let once = plain(Samples::Fixed(1));
    assert!(matches!(revalidate(&once, &pairs(&[(100.0, 90.0)])), Revalidation::Confirmed(_)));
}

fn any_samples() -> impl Strategy<Value = Samples> {
    prop_oneof![Just(Samples::Auto), (1_u32..40).prop_map(Samples::Fixed)]
}

/// Positive values within a factor of some thousand.
fn any_pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.1_f64..100.0, 0.1_f64..100.0), 0..40)
}

fn finding(step: &Step) -> Option<Finding> {
    match step {
        Step::Decide(comparison) => Some(comparison.finding),
        Step::Measure { .. } => None,
    }
}

proptest! {
    #[test]
    fn nothing_that_is_told_is_unsound(
        values in prop::collection::vec((any::<f64>(), any::<f64>()), 0..40), samples in any_samples(),
        alpha in any::<f64>(), effect in 0.0_f64..10.0, is_higher in any::<bool>(),
    ) {
        let direction = if is_higher { Direction::HigherIsBetter } else { Direction::LowerIsBetter };
        let settings = Settings { direction, min_effect: effect, ..settings(samples) };
        let pairs: Vec<Pair> = values.iter().filter_map(|(a, b)| Pair::new(*a, *b)).collect();
        match next(&settings, &pairs, alpha) {
            Step::Measure { more } => prop_assert!(more > 0 && pairs.len() + more <= 201),
            Step::Decide(told) => {
                let (from, to) = told.interval;
                prop_assert!([told.ratio, told.p_value, from, to].iter().all(|value| value.is_finite()), "{:?}", told);
                prop_assert!(from <= told.ratio && told.ratio <= to && (0.0..=1.0).contains(&told.p_value));
                prop_assert!(told.samples <= pairs.len() && told.reason.lines().count() == 1);
            }
        }
    }

    #[test]
    fn the_unit_and_the_order_do_not_matter(values in any_pairs(), samples in any_samples(), unit in -60_i32..60) {
        let settings = plain(samples);
        // One sample is compared by its value as the outcome table says, and is not what is meant here.
        prop_assume!(samples != Samples::Fixed(1));
        let told = next(&settings, &pairs(&values), ALPHA);
        let turned: Vec<(f64, f64)> = values.iter().rev().copied().collect();
        prop_assert_eq!(&next(&settings, &pairs(&turned), ALPHA), &told);
        let scaled: Vec<(f64, f64)> = values.iter().map(|(a, b)| (a * 2.0_f64.powi(unit), b * 2.0_f64.powi(unit))).collect();
        prop_assert_eq!(finding(&next(&settings, &pairs(&scaled), ALPHA)), finding(&told));
        prop_assert_eq!(next(&settings, &pairs(&values), ALPHA), told, "the same numbers, the same answer");
    }

    #[test]
    fn the_directions_mirror_each_other(values in any_pairs(), samples in any_samples()) {
        let lower = plain(samples);
        let higher = Settings { direction: Direction::HigherIsBetter, ..lower };
        // Frequencies instead of times.
        let turned: Vec<(f64, f64)> = values.iter().map(|(a, b)| (1.0 / a, 1.0 / b)).collect();
        let (one, other) = (next(&lower, &pairs(&values), ALPHA), next(&higher, &pairs(&turned), ALPHA));
        prop_assert_eq!(finding(&one), finding(&other));
        if let (Step::Decide(one), Step::Decide(other)) = (one, other) {
            prop_assert!((one.ratio * other.ratio - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_better_candidate_is_not_judged_worse(values in any_pairs(), samples in any_samples(), factor in 0.01_f64..1.0) {
        let settings = plain(samples);
        let better: Vec<(f64, f64)> = values.iter().map(|(a, b)| (*a, b * factor)).collect();
        let rank = |finding| match finding {
            Some(Finding::Improved) => 3,
            None => 2,
            Some(Finding::Unchanged | Finding::Undecided) => 1,
            Some(Finding::Regressed) => 0,
        };
        let (one, other) = (next(&settings, &pairs(&values), ALPHA), next(&settings, &pairs(&better), ALPHA));
        let (one, other) = (finding(&one), finding(&other));
        if one == Some(Finding::Improved) {
            prop_assert_eq!(other, Some(Finding::Improved));
        }
        if other == Some(Finding::Regressed) {
            prop_assert_eq!(one, Some(Finding::Regressed));
        }
        if one == Some(Finding::Regressed) || other == Some(Finding::Improved) {
            prop_assert!(rank(one) <= rank(other));
        }
    }
}
