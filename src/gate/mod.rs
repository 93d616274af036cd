//! The gate: proves that a task's work is done, or says what is missing.
//!
//! It counts changed files, matches their paths, runs every validation command and reads the metric. It does not ask
//! the agent anything, does not change task.json and does not decide what happens next. [`crate::logic::judge`] turns
//! its findings into the verdict.
//!
//! [`measure`] runs one command and yields its number, as often as an iterative task needs it.
//!
//! Invariant: every check is made, in a fixed order, whatever the ones before it found; each command leaves a log
//! file with all that it printed.

mod command;
mod junit;
mod measure;
mod metric;
mod output;
mod pattern;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::logic::contract::{self, Planned};
use crate::logic::judge::{self, Reference};
use crate::model::config::VerificationConfig;
use crate::model::{Change, CheckResult, GateReport, Task, TaskId, Verdict};
use crate::sys::proc::{StopSignal, Urgency};
use crate::sys::redact::Redactor;

use self::command::Place;
use self::measure::Meter;
pub use self::measure::{Invalid, MeasureInput, Measured, Unmeasured, measure};
pub use self::pattern::matches;

/// What is judged, and by what.
#[derive(Clone, Copy, Debug)]
pub struct GateInput<'a> {
    /// The task.
    pub task: &'a Task,
    /// What it changed since it began.
    pub changed: &'a [Change],
    /// `[verification]`.
    pub config: &'a VerificationConfig,
    /// Where commands run. Absolute.
    pub code_dir: &'a Path,
    /// The directory that gets one log file per command; made when needed. See [`log_dir`].
    pub log_dir: &'a Path,
    /// Whether this measures the tree before an iterative task begins: nothing has to be changed then.
    pub is_baseline: bool,
    /// What a metric is compared with.
    pub reference: Reference,
    /// Set for every command over all other settings; `AUTODEV_RUN_ID` must be among them, for it is how processes
    /// that leave a command's session are found and ended.
    pub env: &'a [(String, String)],
    /// Masks secrets in logs and evidence.
    pub redactor: &'a Redactor,
}

/// What happens while the gate works.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A command begins.
    Started {
        /// `validate:<label>`.
        name: &'a str,
        /// From 1.
        position: usize,
        /// How many commands there are.
        total: usize,
    },
    /// A check is made.
    Ended(&'a CheckResult),
}

/// The gate was asked to stop before it knew the answer. Nothing is left running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("verification was stopped")]
pub struct Cancelled;

/// Returns the directory for the logs of one gate: `<root>/checks/<task>__attempt_<n>_<UTC time>`.
pub fn log_dir(root: &Path, task: &TaskId, attempt: u32, at: DateTime<Utc>) -> PathBuf {
    let name = format!("{}__attempt_{attempt}_{}", task.file_stem(), at.format("%Y%m%dT%H%M%SZ"));
    root.join("checks").join(name)
}

/// Makes every check of a task, tells `on` about it, and returns what was found.
///
/// # Errors
/// Only when `stop` was requested; a command that was running then has been ended.
pub async fn run(
    input: &GateInput<'_>,
    stop: StopSignal,
    on: &mut dyn FnMut(Progress<'_>),
) -> Result<GateReport, Cancelled> {
    let mut checks = Vec::new();
    if !input.is_baseline {
        checks.push(min_changed_files(input));
        checks.extend(path_patterns(input));
        for check in &checks {
            on(Progress::Ended(check));
        }
    }
    let planned = contract::commands(input.task, input.config);
    let mut meter = Meter::new(&input.task.completion, &planned);
    for (position, one) in (1..).zip(&planned) {
        if *stop.borrow() != Urgency::None {
            return Err(Cancelled);
        }
        let name = format!("validate:{}", one.label);
        on(Progress::Started { name: &name, position, total: planned.len() });
        let log = input.log_dir.join(log_name(position, one));
        let measures_memory = meter.wants_memory(position - 1);
        let place =
            Place { code_dir: input.code_dir, env: input.env, log: &log, redactor: input.redactor, measures_memory };
        meter.before(position - 1, one, input.code_dir);
        let ran = command::run(one, &place, &stop).await?;
        meter.after(position - 1, one, input.code_dir, ran.passed.as_ref());
        let check = CheckResult { name, verdict: ran.verdict, details: ran.details, evidence: ran.evidence };
        on(Progress::Ended(&check));
        checks.push(check);
    }
    // What a command prints may be a secret, and reasons quote it.
    let number = meter.number().map_err(|reason| input.redactor.redact(&reason).into_owned());
    let made = checks.len();
    let report = judge::report(input.task, checks, number, input.reference);
    for check in report.checks.iter().skip(made) {
        on(Progress::Ended(check));
    }
    Ok(report)
}

fn min_changed_files(input: &GateInput<'_>) -> CheckResult {
    let (count, least) = (input.changed.len(), input.config.min_changed_files);
    check("min_changed_files", count as u64 >= u64::from(least), format!("{count} files changed (minimum: {least})"))
}

fn path_patterns(input: &GateInput<'_>) -> Option<CheckResult> {
    let patterns = &input.task.verification.path_patterns;
    if patterns.is_empty() {
        return None;
    }
    let is_hit = input.changed.iter().any(|change| patterns.iter().any(|own| matches(own, &change.path)));
    let mut details = format!("Patterns: {}", python_list(patterns));
    if !is_hit && !input.changed.is_empty() {
        // 5: enough to see where the work went instead.
        let names: Vec<String> = input.changed.iter().take(5).map(|change| change.path.to_string()).collect();
        let more = if input.changed.len() > names.len() { ", ..." } else { "" };
        details.extend(["; changed instead: ", &names.join(", "), more]);
    }
    Some(check("path_patterns", is_hit, details))
}

fn check(name: &str, is_good: bool, details: String) -> CheckResult {
    let verdict = if is_good { Verdict::Pass } else { Verdict::Fail };
    CheckResult { name: name.to_owned(), verdict, details, evidence: None }
}

/// Returns `NN-<slug>.log`; the slug is made of the label's first 40 usable characters.
fn log_name(position: usize, planned: &Planned) -> String {
    let mut slug = String::new();
    for c in planned.label.chars().take(200) {
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(40);
    let slug = slug.trim_end_matches('-');
    format!("{position:02}-{}.log", if slug.is_empty() { "command" } else { slug })
}

/// Writes a list the way details have always shown it: `['a', "it's"]`.
fn python_list(items: &[String]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| python_text(item)).collect();
    format!("[{}]", quoted.join(", "))
}

fn python_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if c == quote => shown.extend(['\\', c]),
            c if c.is_control() => {
                let hex = format!("\\x{:02x}", u32::from(c));
                shown.push_str(&hex);
            }
            c => shown.push(c),
        }
    }
    shown.push(quote);
    shown
}

#[cfg(test)]
mod tests;
