//! Lays an answer over a task.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use crate::logic::contract::{self, Planned, code};
use crate::model::config::VerificationConfig;
use crate::model::{CommandSpec, Completion, RefinedChecks, Refinement, Task};

/// New commands per refinement; what needs more than these is another task.
const NEW_COMMANDS: usize = 10;
/// How many times its old value a time limit may get: enough for a slow machine, no way to wait for ever.
const LONGER: u64 = 4;
/// Commands are named in reports with at most so many characters.
const NAME_CHARS: usize = 200;

/// What an answer is measured by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// `[reflection].max_learning_notes`: how many notes of each kind a task keeps.
    pub max_notes: usize,
    /// `[verification]`: the checks of a task that names none.
    pub verification: &'a VerificationConfig,
    /// Says why a command line can never run without a shell, if so. A check that cannot run can never pass.
    pub cannot_run: fn(&str) -> Option<String>,
}

/// A refined task and what became of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Refined {
    /// The task with what was taken over.
    pub task: Task,
    /// The names of the fields that changed, such as `steps` or `verification.validate_commands`.
    pub applied: Vec<String>,
    /// What was not taken over and why, one line each.
    pub refused: Vec<String>,
}

/// Returns the task with the answer laid over it. It counts as a refinement also when nothing was taken over.
pub fn refine(task: &Task, refinement: &Refinement, rules: &Rules<'_>) -> Refined {
    let mut refined = Refined { task: task.clone(), applied: Vec::new(), refused: Vec::new() };
    refined.plan(refinement, rules);
    let checks = &refinement.verification;
    refined.patterns(checks);
    let old_limit = task.verification.validate_timeout_seconds.unwrap_or(rules.verification.validate_timeout_seconds);
    let old_limit = old_limit.max(1);
    refined.limit(checks, old_limit);
    refined.commands(checks, old_limit, rules);
    let new = &mut refined.task;
    new.refinement_count = task.refinement_count.saturating_add(1);
    if !refinement.summary.is_empty() {
        new.last_reflection_summary.clone_from(&refinement.summary);
    }
    refined
}

impl Refined {
    fn plan(&mut self, from: &Refinement, rules: &Rules<'_>) {
        let task = &mut self.task;
        let mut changed = Vec::new();
        if !from.steps.is_empty() && from.steps != task.steps {
            task.steps.clone_from(&from.steps);
            changed.push("steps");
        }
        for (name, list, more, most) in [
            ("docs", &mut task.docs, &from.docs, usize::MAX),
            ("output", &mut task.output, &from.output, usize::MAX),
            ("implementation_notes", &mut task.implementation_notes, &from.implementation_notes, rules.max_notes),
            ("verification_notes", &mut task.verification_notes, &from.verification_notes, rules.max_notes),
            ("learning_notes", &mut task.learning_notes, &from.learning_notes, rules.max_notes),
        ] {
            if merge(list, more, most) {
                changed.push(name);
            }
        }
        self.applied.extend(changed.into_iter().map(str::to_owned));
    }

    /// One matching file is enough, so a further pattern would make the check easier, and a first one makes it harder.
    fn patterns(&mut self, from: &RefinedChecks) {
        let mut wanted: Vec<String> = Vec::new();
        merge(&mut wanted, &from.path_patterns, usize::MAX);
        let own = &mut self.task.verification.path_patterns;
        if own.is_empty() {
            if !wanted.is_empty() {
                *own = wanted;
                self.applied.push("verification.path_patterns".to_owned());
            }
            return;
        }
        wanted.retain(|pattern| !own.contains(pattern));
        for pattern in wanted {
            let why = "another pattern would make the check easier";
            self.refused.push(format!("path pattern {}: {why}", named(&pattern)));
        }
    }

    /// The limit of all commands may only grow: a shorter one would fail what passes today.
    fn limit(&mut self, from: &RefinedChecks, old: u64) {
        let Some(wanted) = from.validate_timeout_seconds else { return };
        let most = old.saturating_mul(LONGER);
        if wanted > most {
            self.refused.push(format!("validate_timeout_seconds {wanted}: at most {LONGER} times the old {old}"));
        }
        if wanted > old {
            self.task.verification.validate_timeout_seconds = Some(wanted.min(most));
            self.applied.push("verification.validate_timeout_seconds".to_owned());
        }
    }

    fn commands(&mut self, from: &RefinedChecks, old_limit: u64, rules: &Rules<'_>) {
        let mut known = contract::commands(&self.task, rules.verification);
        let mut new = Vec::new();
        for command in &from.validate_commands {
            let spec = placed(command, from, self.task.verification.validate_timeout_seconds, old_limit);
            let planned = contract::plan(&spec, &self.task, rules.verification);
            if known.iter().any(|known| is_same(known, &planned)) {
                continue;
            }
            if let Some(why) = self.objection(&spec, new.len(), rules) {
                self.refused.push(format!("command {}: {why}", named(&spec.run)));
                continue;
            }
            known.push(planned);
            new.push(spec);
        }
        if new.is_empty() {
            return;
        }
        let own = &mut self.task.verification.validate_commands;
        if own.is_empty() {
            // Commands of its own would displace the configured ones.
            *own = contract::defaults(rules.verification);
        }
        own.extend(new);
        self.applied.push("verification.validate_commands".to_owned());
    }

    fn objection(&self, spec: &CommandSpec, accepted: usize, rules: &Rules<'_>) -> Option<String> {
        if matches!(self.task.completion, Completion::Numeric(_)) {
            return Some("the metric is read from the last command, which a further one would displace".to_owned());
        }
        if let Some(directory) = spec.working_directory.as_deref().filter(|directory| !is_inside(directory)) {
            return Some(format!("the working directory {} is not inside the project", named(directory)));
        }
        if !spec.shell
            && let Some(why) = (rules.cannot_run)(&spec.run)
        {
            return Some(why);
        }
        (accepted >= NEW_COMMANDS).then(|| format!("more than {NEW_COMMANDS} new commands"))
    }
}

/// Returns a new command that says itself where and how long it runs: the task's own settings are those of the old
/// commands and stay. `limit` is the task's own.
fn placed(command: &CommandSpec, from: &RefinedChecks, limit: Option<u64>, old_limit: u64) -> CommandSpec {
    let wanted = command.timeout_seconds.or(from.validate_timeout_seconds);
    let wanted = wanted.map(|seconds| seconds.min(old_limit.saturating_mul(LONGER)));
    let mut environment: BTreeMap<String, String> = from.validate_environment.clone();
    environment.extend(command.environment.clone());
    CommandSpec {
        working_directory: command.working_directory.clone().or_else(|| from.validate_working_directory.clone()),
        timeout_seconds: wanted.filter(|seconds| *seconds != limit.unwrap_or(old_limit)),
        environment,
        ..command.clone()
    }
}

/// Whether two commands are the same check. How long it may take and what people call it is not part of that.
fn is_same(a: &Planned, b: &Planned) -> bool {
    let words = |planned: &Planned| {
        // A shell may care about the white space.
        if planned.shell { planned.run.clone() } else { planned.run.split_whitespace().collect::<Vec<_>>().join(" ") }
    };
    let place = |planned: &Planned| {
        let parts = Path::new(&planned.directory).components().filter(|part| *part != Component::CurDir);
        parts.map(|part| part.as_os_str().to_owned()).collect::<Vec<_>>()
    };
    a.shell == b.shell && words(a) == words(b) && place(a) == place(b) && a.environment == b.environment
}

fn is_inside(directory: &str) -> bool {
    Path::new(directory).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Adds what is not there yet and then keeps the last `most`. Returns whether the list changed.
fn merge(list: &mut Vec<String>, more: &[String], most: usize) -> bool {
    let before = list.clone();
    for text in more.iter().map(|text| text.trim()) {
        if !text.is_empty() && !list.iter().any(|known| known == text) {
            list.push(text.to_owned());
        }
    }
    if list.len() > before.len() {
        list.drain(..list.len().saturating_sub(most));
    }
    *list != before
}

fn named(text: &str) -> String {
    let mut short: String = text.chars().take(NAME_CHARS).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    code(&short)
}
