//! One number from one command: during a gate, from a command that runs anyway, and by itself, as often as an iterative
//! task needs it.
//!
//! It does not compare numbers. Invariant: the number is of the run that it is said to be of: files from before are
//! removed before each run, and what cannot be removed makes the number invalid.

use std::path::Path;
use std::time::Duration;

use super::command::{self, Passed, Place};
use super::metric::{self, Reading};
use super::{Cancelled, log_name};
use crate::logic::contract::{self, Planned};
use crate::logic::source::{self, Source};
use crate::model::config::VerificationConfig;
use crate::model::{CommandChoice, Completion, Numeric, Task, Verdict};
use crate::sys::proc::{StopSignal, Urgency};
use crate::sys::redact::Redactor;

/// Which command, from 0, gives the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Giver {
    /// This one.
    One(usize),
    /// The last that passes and prints one.
    Last,
}

fn giver(numeric: &Numeric, source: &Source, planned: &[Planned]) -> Result<Giver, String> {
    let count = planned.len();
    match &numeric.command {
        Some(CommandChoice::Index(index)) => {
            let index = usize::try_from(*index).unwrap_or(usize::MAX);
            (index < count)
                .then_some(Giver::One(index))
                .ok_or_else(|| format!("the metric is of command {index} (from 0), but there are {count}"))
        }
        Some(CommandChoice::Name(name)) => {
            let found = planned.iter().rposition(|one| one.label == *name || one.run == *name);
            found.map(Giver::One).ok_or_else(|| format!("the metric is of a command `{name}`, which is not there"))
        }
        None if source.is_printed() => Ok(Giver::Last),
        None => count.checked_sub(1).map(Giver::One).ok_or_else(|| "there is no command".to_owned()),
    }
}

/// Takes the number of a metric while the commands of a gate run.
pub(super) struct Meter {
    /// `None` when no number is wanted.
    wanted: Option<Result<(Source, Giver), String>>,
    /// Why there is no number yet, by command, in their order.
    reasons: Vec<String>,
    /// Why the number of the next command would not count.
    is_in_the_way: Option<String>,
    found: Option<f64>,
}

impl Meter {
    pub(super) fn new(completion: &Completion, planned: &[Planned]) -> Self {
        let wanted = match completion {
            Completion::Boolean => None,
            Completion::Numeric(numeric) => Some(
                source::of_metric(numeric)
                    .map_err(|error| error.reason)
                    .and_then(|source| giver(numeric, &source, planned).map(|giver| (source, giver))),
            ),
        };
        Self { wanted, reasons: Vec::new(), is_in_the_way: None, found: None }
    }

    /// The source, when it may be this command that gives the number.
    fn source(&self, at: usize) -> Option<&Source> {
        let (source, giver) = self.wanted.as_ref()?.as_ref().ok()?;
        match giver {
            Giver::One(one) => (*one == at).then_some(source),
            Giver::Last => Some(source),
        }
    }

    pub(super) fn wants_memory(&self, at: usize) -> bool {
        matches!(self.source(at), Some(Source::MaxRss))
    }

    /// To be called before each command.
    pub(super) fn before(&mut self, at: usize, planned: &Planned, code_dir: &Path) {
        let cleared =
            self.source(at).map(|source| metric::clear(source, &command::directory(planned, code_dir), code_dir));
        self.is_in_the_way = cleared.and_then(Result::err);
    }

    /// To be called after each command.
    pub(super) fn after(&mut self, at: usize, planned: &Planned, code_dir: &Path, passed: Option<&Passed>) {
        let Some(source) = self.source(at) else { return };
        let read = match (self.is_in_the_way.clone(), passed) {
            (Some(reason), _) => Err(reason),
            (None, Some(passed)) => metric::read(source, passed, &command::directory(planned, code_dir), code_dir),
            // It fails the gate by itself; when another one was to give the number nobody misses it.
            (None, None) => return,
        };
        match read {
            Ok(reading) => self.found = Some(reading.value),
            Err(reason) => self.reasons.push(format!("`{}`: {reason}", planned.label)),
        }
    }

    /// Returns the number, or why there is none.
    pub(super) fn number(self) -> Result<f64, String> {
        if let Some(Err(reason)) = self.wanted {
            return Err(reason);
        }
        if self.found.is_none() && self.reasons.is_empty() && matches!(self.wanted, Some(Ok((_, Giver::One(_))))) {
            return Err("its command did not pass".to_owned());
        }
        self.found.ok_or_else(|| joined(self.reasons))
    }
}

fn joined(mut reasons: Vec<String>) -> String {
    if reasons.is_empty() {
        return "no command passed".to_owned();
    }
    // 3: the last commands are the likely ones; the line must stay readable.
    reasons.reverse();
    reasons.truncate(3);
    reasons.join("; ")
}

/// What is measured, and where.
#[derive(Clone, Copy, Debug)]
pub struct MeasureInput<'a> {
    /// The task; its completion must be numeric.
    pub task: &'a Task,
    /// `[verification]`.
    pub config: &'a VerificationConfig,
    /// The tree that is measured. Absolute.
    pub code_dir: &'a Path,
    /// Which command gives the number, when that is known from [`Measured::command`] of a run before; it saves running
    /// others that print none.
    pub command: Option<usize>,
    /// The directory that gets the command's log; made when needed, an older log in it is replaced.
    pub log_dir: &'a Path,
    /// As in [`super::GateInput`].
    pub env: &'a [(String, String)],
    /// Masks secrets in the log and in reasons.
    pub redactor: &'a Redactor,
}

/// A measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The metric. Finite.
    pub value: f64,
    /// What the value was made of: the single runs of a hyperfine report, else the value. They were made one after the
    /// other in one process tree, so they do not stand for as many independent measurements.
    pub samples: Vec<f64>,
    /// The guards' names and values, in the order of the task. Finite.
    pub guards: Vec<(String, f64)>,
    /// How long the command took.
    pub wall: Duration,
    /// Which command it was, from 0.
    pub command: usize,
}

/// Why there is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Invalid {
    /// One sentence for people.
    pub reason: String,
    /// `Infra` when the machine is to blame and the change proves nothing; else `Fail`.
    pub verdict: Verdict,
}

/// A measurement that was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmeasured {
    /// It was asked to stop. Nothing is left running.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There is no number.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

fn numeric(task: &Task) -> Option<&Numeric> {
    match &task.completion {
        Completion::Boolean => None,
        Completion::Numeric(numeric) => Some(numeric),
    }
}

fn invalid(reason: impl Into<String>) -> Invalid {
    Invalid { reason: reason.into(), verdict: Verdict::Fail }
}

/// Runs the command of the metric once and returns the metric and the guards. Without a word about the command, and
/// with a source that is printed, it tries from the last command on until one prints a number.
///
/// # Errors
/// When there is no number, and when `stop` was requested.
pub async fn measure(input: &MeasureInput<'_>, stop: StopSignal) -> Result<Measured, Unmeasured> {
    let Some(numeric) = numeric(input.task) else { return Err(invalid("the task has no metric").into()) };
    let mut sources = vec![source::of_metric(numeric).map_err(|error| invalid(error.reason))?];
    for guard in &numeric.guards {
        sources.push(source::of_guard(guard).map_err(|error| invalid(format!("guard {}: {error}", guard.name)))?);
    }
    let planned = contract::commands(input.task, input.config);
    let Some(metric) = sources.first() else { return Err(invalid("the task has no metric").into()) };
    let tries: Vec<usize> = match (giver(numeric, metric, &planned).map_err(invalid)?, input.command) {
        (Giver::One(one), _) => vec![one],
        (Giver::Last, Some(known)) if known < planned.len() => vec![known],
        (Giver::Last, _) => (0..planned.len()).rev().collect(),
    };
    let mut reasons = Vec::new();
    for at in tries {
        let Some(one) = planned.get(at) else { continue };
        if *stop.borrow() != Urgency::None {
            return Err(Cancelled.into());
        }
        match measure_one(input, at, one, &sources, &stop).await {
            Ok((metric, guards, wall)) => {
                let guards = numeric.guards.iter().map(|guard| guard.name.clone()).zip(guards).collect();
                return Ok(Measured { value: metric.value, samples: metric.samples, guards, wall, command: at });
            }
            Err(Unmeasured::Invalid(Invalid { reason, verdict: Verdict::Fail })) => reasons.insert(0, reason),
            Err(other) => return Err(other),
        }
    }
    Err(invalid(joined(reasons)).into())
}

async fn measure_one(
    input: &MeasureInput<'_>,
    at: usize,
    planned: &Planned,
    sources: &[Source],
    stop: &StopSignal,
) -> Result<(Reading, Vec<f64>, Duration), Unmeasured> {
    let directory = command::directory(planned, input.code_dir);
    let because = |reason: String| invalid(format!("`{}`: {reason}", planned.label));
    for source in sources {
        metric::clear(source, &directory, input.code_dir).map_err(because)?;
    }
    let log = input.log_dir.join(log_name(at + 1, planned));
    let place = Place {
        code_dir: input.code_dir,
        env: input.env,
        log: &log,
        redactor: input.redactor,
        measures_memory: sources.iter().any(|source| matches!(source, Source::MaxRss)),
    };
    let ran = command::run(planned, &place, stop).await?;
    let Some(passed) = ran.passed else {
        let reason = format!("`{}`: {}", planned.label, ran.details);
        return Err(Invalid {
            reason,
            verdict: if ran.verdict == Verdict::Infra { Verdict::Infra } else { Verdict::Fail },
        }
        .into());
    };
    let read = |source: &Source| metric::read(source, &passed, &directory, input.code_dir);
    // What a command prints may be a secret, and reasons quote it.
    let because = |reason: String| because(input.redactor.redact(&reason).into_owned());
    let [metric, guards @ ..] = sources else { return Err(because("no source".to_owned()).into()) };
    let metric = read(metric).map_err(because)?;
    let names = numeric(input.task).into_iter().flat_map(|numeric| &numeric.guards).map(|guard| &guard.name);
    let mut values = Vec::new();
    for (guard, name) in guards.iter().zip(names) {
        let reading = read(guard).map_err(|reason| because(format!("guard {name}: {reason}")))?;
        values.push(reading.value);
    }
    Ok((metric, values, passed.lifetime))
}

#[cfg(test)]
mod tests;
