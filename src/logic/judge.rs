//! From checks and a number to a verdict.
//!
//! Does not run anything and does not decide what happens next. Invariants: a report passes only when every check in
//! it passed; a number that is not finite is never a measurement; a check that could not matter any more because
//! another one failed is `NotRun` and adds no error of its own.

use super::source;
use crate::model::{CheckResult, Completion, Direction, Execution, GateReport, Numeric, Outcome, Task, Verdict};

/// What a new number is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reference {
    /// The best value kept so far.
    pub best_before: Option<f64>,
    /// The value before the task began.
    pub baseline: Option<f64>,
}

impl Reference {
    /// Returns the best value, else the baseline; `None` when there is neither.
    pub fn value(self) -> Option<f64> {
        [self.best_before, self.baseline].into_iter().flatten().find(|value| value.is_finite())
    }
}

/// What a number comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The word for it.
    pub outcome: Outcome,
    /// Whether it is good enough.
    pub is_good: bool,
    /// The number; `None` when invalid.
    pub metric: Option<f64>,
    /// One line for people, for example `lat=89.5 (improved; reference 100)`.
    pub details: String,
}

/// Judges a measured number, or the reason why there is none.
///
/// The first that holds: invalid; no reference: `measured`; within the tolerance, or better by less than
/// `min_improvement`: `unchanged`; better: `improved`; else `regressed`. A target that is reached turns all but the
/// first and the last into `target_met`; one that is not reached fails a single-pass task and leaves an iterative one
/// as it is, because each iteration may come nearer.
pub fn judge(
    numeric: &Numeric,
    execution: &Execution,
    measured: Result<f64, String>,
    reference: Reference,
) -> Judgement {
    let (value, direction) = match check(numeric, measured) {
        Ok(sound) => sound,
        Err(reason) => {
            let details = format!("no value: {reason}");
            return Judgement { outcome: Outcome::Invalid, is_good: false, metric: None, details };
        }
    };
    let reference = reference.value();
    let (least, tolerance) = (numeric.min_improvement, numeric.unchanged_tolerance);
    let compared = reference.map_or(Outcome::Measured, |it| compare(direction, least, tolerance, it, value));
    let has_reached = numeric.target.map(|target| match direction {
        Direction::LowerIsBetter => value <= target,
        Direction::HigherIsBetter => value >= target,
    });
    let (outcome, is_good) = match (compared, has_reached, execution) {
        (Outcome::Regressed, _, _) => (Outcome::Regressed, false),
        (_, Some(true), _) => (Outcome::TargetMet, true),
        (compared, Some(false), Execution::SinglePass) => (compared, false),
        (compared, Some(false), Execution::Iterative(_)) | (compared, None, _) => (compared, true),
    };
    let mut remarks = vec![outcome.as_str().to_owned()];
    remarks.extend(reference.map(|reference| format!("reference {reference}")));
    remarks.extend(numeric.target.zip(has_reached).map(|(target, has_reached)| {
        let word = if has_reached { "reached" } else { "not reached" };
        format!("target {target} {word}")
    }));
    let details = format!("{}={value} ({})", numeric.name, remarks.join("; "));
    Judgement { outcome, is_good, metric: Some(value), details }
}

/// Returns the number and the direction when both are sound, else the reason.
fn check(numeric: &Numeric, measured: Result<f64, String>) -> Result<(f64, Direction), String> {
    source::of_metric(numeric).map_err(|error| error.reason)?;
    let direction =
        numeric.direction.ok_or("direction is neither \"lower_is_better\" nor \"higher_is_better\"".to_owned())?;
    let value = measured?;
    if value.is_finite() { Ok((value, direction)) } else { Err(format!("{value} is not a finite number")) }
}

/// Compares one number with another: `unchanged`, `improved` or `regressed`.
pub(super) fn compare(direction: Direction, least: f64, tolerance: f64, reference: f64, value: f64) -> Outcome {
    let improvement = match direction {
        Direction::LowerIsBetter => reference - value,
        Direction::HigherIsBetter => value - reference,
    };
    // `max` also turns NaN into 0.
    let (tolerance, least) = (tolerance.max(0.0), least.max(0.0));
    if improvement.abs() <= tolerance || (improvement > 0.0 && improvement < least) {
        Outcome::Unchanged
    } else if improvement > 0.0 {
        Outcome::Improved
    } else {
        Outcome::Regressed
    }
}

/// Returns the verdict of several checks together: the first of fail, infra, flaky, inherited, not run that occurs;
/// `Pass` when all passed, also when there are none.
pub fn combine(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().min_by_key(|verdict| rank(*verdict)).unwrap_or(Verdict::Pass)
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Fail => 0,
        Verdict::Infra => 1,
        Verdict::Flaky => 2,
        Verdict::Inherited => 3,
        Verdict::NotRun => 4,
        Verdict::Pass => 5,
    }
}

/// Makes the report of a gate from its finished checks, in their order, and, for a numeric completion, from what the
/// commands measured. The metric's own check is added at the end; it is `NotRun` when there is no number because a
/// command before it did not pass.
pub fn report(
    task: &Task,
    mut checks: Vec<CheckResult>,
    measured: Result<f64, String>,
    reference: Reference,
) -> GateReport {
    let so_far = combine(checks.iter().map(|check| check.verdict));
    let (mut outcome, mut metric) = (None, None);
    if let Completion::Numeric(numeric) = &task.completion {
        let has_number = measured.is_ok();
        let judgement = judge(numeric, &task.execution, measured, reference);
        let verdict = match (judgement.is_good, has_number || so_far == Verdict::Pass) {
            (true, _) => Verdict::Pass,
            (false, true) => Verdict::Fail,
            (false, false) => Verdict::NotRun,
        };
        outcome = Some(judgement.outcome);
        metric = judgement.metric;
        let name = format!("metric:{}", numeric.name);
        checks.push(CheckResult { name, verdict, details: judgement.details, evidence: None });
    }
    let verdict = combine(checks.iter().map(|check| check.verdict));
    let is_met = if verdict.is_pass() { Outcome::Met } else { Outcome::NotMet };
    let errors = checks
        .iter()
        .filter(|check| !matches!(check.verdict, Verdict::Pass | Verdict::NotRun))
        .map(|check| format!("{}: {}", check.name, check.details))
        .collect();
    GateReport { verdict, checks, outcome: outcome.unwrap_or(is_met), metric, errors }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Iterative;

    fn numeric(direction: Direction) -> Numeric {
        Numeric {
            name: "lat".to_owned(),
            source: "json_stdout".to_owned(),
            direction: Some(direction),
            json_path: "$".to_owned(),
            min_improvement: 0.0,
            unchanged_tolerance: 0.0,
            target: None,
            ..Numeric::default()
        }
    }

    fn lower() -> Numeric {
        numeric(Direction::LowerIsBetter)
    }

    fn best(value: f64) -> Reference {
        Reference { best_before: Some(value), baseline: Some(1000.0) }
    }

    fn single(numeric: &Numeric, value: f64, reference: Reference) -> (Outcome, bool) {
        let judged = judge(numeric, &Execution::SinglePass, Ok(value), reference);
        (judged.outcome, judged.is_good)
    }

    fn iterative(numeric: &Numeric, value: f64, reference: Reference) -> (Outcome, bool) {
        let judged = judge(numeric, &Execution::Iterative(Iterative::default()), Ok(value), reference);
        (judged.outcome, judged.is_good)
    }

    #[test]
    fn the_outcome_table_holds() {
        let picky = Numeric { min_improvement: 5.0, unchanged_tolerance: 1.0, ..lower() };
        for (numeric, value, reference, expected) in [
            (&lower(), 7.0, Reference::default(), (Outcome::Measured, true)),
            (&lower(), 100.0, best(100.0), (Outcome::Unchanged, true)),
            (&lower(), 99.0, best(100.0), (Outcome::Improved, true)),
            (&lower(), 101.0, best(100.0), (Outcome::Regressed, false)),
            (&numeric(Direction::HigherIsBetter), 101.0, best(100.0), (Outcome::Improved, true)),
            (&numeric(Direction::HigherIsBetter), 99.0, best(100.0), (Outcome::Regressed, false)),
            (&picky, 101.0, best(100.0), (Outcome::Unchanged, true)),
            (&picky, 101.5, best(100.0), (Outcome::Regressed, false)),
            (&picky, 95.1, best(100.0), (Outcome::Unchanged, true)),
            (&picky, 95.0, best(100.0), (Outcome::Improved, true)),
            (&lower(), 50.0, Reference { best_before: None, baseline: Some(60.0) }, (Outcome::Improved, true)),
            (&lower(), 50.0, Reference { best_before: Some(f64::NAN), baseline: None }, (Outcome::Measured, true)),
            (&lower(), f64::NAN, best(100.0), (Outcome::Invalid, false)),
            (&lower(), f64::NEG_INFINITY, best(100.0), (Outcome::Invalid, false)),
            (&Numeric { direction: None, ..lower() }, 1.0, best(100.0), (Outcome::Invalid, false)),
            (&Numeric { source: "log".to_owned(), ..lower() }, 1.0, best(100.0), (Outcome::Invalid, false)),
        ] {
            assert_eq!(single(numeric, value, reference), expected, "{numeric:?} {value} {reference:?}");
            assert_eq!(iterative(numeric, value, reference), expected, "{numeric:?} {value} {reference:?}");
        }
    }

    #[test]
    fn a_target_binds_a_single_pass_and_only_guides_iterations() {
        let aimed = Numeric { target: Some(50.0), ..lower() };
        assert_eq!(single(&aimed, 50.0, Reference::default()), (Outcome::TargetMet, true));
        assert_eq!(single(&aimed, 51.0, Reference::default()), (Outcome::Measured, false));
        assert_eq!(single(&aimed, 51.0, best(100.0)), (Outcome::Improved, false));
        assert_eq!(iterative(&aimed, 51.0, Reference::default()), (Outcome::Measured, true));
        assert_eq!(iterative(&aimed, 51.0, best(100.0)), (Outcome::Improved, true));
        assert_eq!(iterative(&aimed, 50.0, best(100.0)), (Outcome::TargetMet, true));
        assert_eq!(iterative(&aimed, 45.0, best(40.0)), (Outcome::Regressed, false));
        let high = Numeric { target: Some(50.0), ..numeric(Direction::HigherIsBetter) };
        assert_eq!(single(&high, 50.0, Reference::default()), (Outcome::TargetMet, true));
        assert_eq!(single(&high, 49.0, Reference::default()), (Outcome::Measured, false));
    }

    #[test]
    fn details_say_what_was_compared() {
        let aimed = Numeric { target: Some(50.0), ..lower() };
        let judged = judge(&aimed, &Execution::SinglePass, Ok(89.5), best(100.0));
        assert_eq!(judged.details, "lat=89.5 (improved; reference 100; target 50 not reached)");
        let judged = judge(&aimed, &Execution::SinglePass, Err("why".to_owned()), best(100.0));
        assert_eq!(judged.details, "no value: why");
    }

    fn made(name: &str, verdict: Verdict) -> CheckResult {
        CheckResult { name: name.to_owned(), verdict, details: "exit_code=1".to_owned(), evidence: None }
    }

    #[test]
    fn one_failure_fails_and_infra_does_not_hide_it() {
        use Verdict::{Fail, Flaky, Infra, Inherited, NotRun, Pass};
        assert_eq!(combine([]), Pass);
        assert_eq!(combine([Pass, Pass]), Pass);
        assert_eq!(combine([Pass, Infra, Fail]), Fail);
        assert_eq!(combine([Pass, NotRun, Infra]), Infra);
        assert_eq!(combine([Pass, NotRun]), NotRun);
        assert_eq!(combine([Inherited, Pass, Flaky]), Flaky);
    }

    #[test]
    fn an_error_is_told_once() {
        let checks = vec![made("min_changed_files", Verdict::Pass), made("validate:x", Verdict::Fail)];
        let told = report(&Task::default(), checks.clone(), Err("unused".to_owned()), Reference::default());
        assert_eq!((told.verdict, told.outcome), (Verdict::Fail, Outcome::NotMet));
        assert_eq!(told.errors, ["validate:x: exit_code=1"]);
        let task = Task { completion: Completion::Numeric(lower()), ..Task::default() };
        let told = report(&task, checks, Err("no command passed".to_owned()), Reference::default());
        assert_eq!((told.verdict, told.outcome, told.metric), (Verdict::Fail, Outcome::Invalid, None));
        assert_eq!(told.errors, ["validate:x: exit_code=1"], "the metric only repeats it");
        assert_eq!(told.checks.last().map(|c| (c.name.as_str(), c.verdict)), Some(("metric:lat", Verdict::NotRun)));
    }

    #[test]
    fn a_missing_number_after_good_commands_is_a_failure() {
        let task = Task { completion: Completion::Numeric(lower()), ..Task::default() };
        let told = report(&task, vec![made("validate:x", Verdict::Pass)], Err("why".to_owned()), Reference::default());
        assert_eq!(told.verdict, Verdict::Fail);
        assert_eq!(told.errors, ["metric:lat: no value: why"]);
        let infra = report(&task, vec![made("validate:x", Verdict::Infra)], Err("x".to_owned()), Reference::default());
        assert_eq!(infra.verdict, Verdict::Infra, "not charged to the attempt");
    }

    #[test]
    fn a_better_number_does_not_outweigh_a_failed_check() {
        let task = Task { completion: Completion::Numeric(lower()), ..Task::default() };
        let told = report(&task, vec![made("validate:x", Verdict::Fail)], Ok(1.0), best(2.0));
        assert_eq!((told.verdict, told.outcome, told.metric), (Verdict::Fail, Outcome::Improved, Some(1.0)));
    }

    proptest! {
        #[test]
        fn no_float_makes_an_unsound_judgement(
            value in any::<f64>(), reference in any::<f64>(), tolerance in any::<f64>(), least in any::<f64>(),
            target in proptest::option::of(any::<f64>()), is_higher in any::<bool>(), is_iterative in any::<bool>(),
        ) {
            let direction = if is_higher { Direction::HigherIsBetter } else { Direction::LowerIsBetter };
            let spec = Numeric { unchanged_tolerance: tolerance, min_improvement: least, target, ..numeric(direction) };
            let execution =
                if is_iterative { Execution::Iterative(Iterative::default()) } else { Execution::SinglePass };
            let judged = judge(&spec, &execution, Ok(value), best(reference));
            prop_assert_eq!(judged.metric.is_some(), value.is_finite());
            prop_assert_eq!(judged.outcome == Outcome::Invalid, !value.is_finite());
            if judged.is_good {
                prop_assert!(!matches!(judged.outcome, Outcome::Invalid | Outcome::Regressed));
            }
            if judged.outcome == Outcome::TargetMet {
                prop_assert!(judged.is_good && target.is_some());
            }
        }
    }
}
