//! What will be checked for a task: its own words over the configured ones.
//!
//! The gate runs it, prompts and views tell it; both read it here, so that nobody is told something else than what is
//! run. Invariant: a command's own setting wins over the task's, the task's over the configured one; environments are
//! merged in that order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::source::{self, Source, Statistic, Tally};
use crate::model::config::VerificationConfig;
use crate::model::{CommandChoice, CommandSpec, Completion, Direction, Execution, Numeric, Task};

/// The longest time limit a command can have: 30 days, far beyond any check and far below any overflow of a clock.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// One validation command with everything decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What people see: its name, else the command line.
    pub label: String,
    /// The command line.
    pub run: String,
    /// Whether `sh -c` runs it.
    pub shell: bool,
    /// From 1 second to 30 days.
    pub timeout: Duration,
    /// As written: relative to the code directory, or absolute; empty means the code directory.
    pub directory: String,
    /// Added to the inherited environment.
    pub environment: BTreeMap<String, String>,
}

/// Returns the commands in the order in which they run: the task's, or the configured ones when it has none.
pub fn commands(task: &Task, config: &VerificationConfig) -> Vec<Planned> {
    let own = &task.verification;
    if own.validate_commands.is_empty() {
        return defaults(config).iter().map(|spec| plan(spec, task, config)).collect();
    }
    own.validate_commands.iter().map(|spec| plan(spec, task, config)).collect()
}

/// Returns the configured commands as a task would name them.
pub fn defaults(config: &VerificationConfig) -> Vec<CommandSpec> {
    config.validate_commands.iter().map(|run| CommandSpec { run: run.clone(), ..CommandSpec::default() }).collect()
}

/// Returns one command of a task with everything decided.
pub fn plan(spec: &CommandSpec, task: &Task, config: &VerificationConfig) -> Planned {
    let own = &task.verification;
    let seconds =
        spec.timeout_seconds.or(own.validate_timeout_seconds).unwrap_or(config.validate_timeout_seconds).max(1);
    let directory = [spec.working_directory.as_ref(), own.validate_working_directory.as_ref()]
        .into_iter()
        .flatten()
        .find(|directory| !directory.trim().is_empty())
        .unwrap_or(&config.validate_working_directory);
    let mut environment = config.validate_environment.clone();
    environment.extend(own.validate_environment.clone());
    environment.extend(spec.environment.clone());
    Planned {
        label: spec.label().to_owned(),
        run: spec.run.clone(),
        shell: spec.shell,
        timeout: Duration::from_secs(seconds).min(LONGEST),
        directory: directory.trim().to_owned(),
        environment,
    }
}

/// Returns the contract in words, one line per check, in the order of the checks. Markdown: patterns, commands and paths
/// are code spans.
pub fn lines(task: &Task, config: &VerificationConfig) -> Vec<String> {
    let mut lines = Vec::new();
    match config.min_changed_files {
        0 => {}
        1 => lines.push("at least 1 file of the project is changed".to_owned()),
        least => lines.push(format!("at least {least} files of the project are changed")),
    }
    let patterns: Vec<String> = task.verification.path_patterns.iter().map(|pattern| code(pattern)).collect();
    if !patterns.is_empty() {
        let patterns = patterns.join(", ");
        lines.push(format!(
            "at least one changed path matches one of {patterns} (`*` also matches `/`; a pattern may also match the end \
             of a path)"
        ));
    }
    lines.extend(commands(task, config).iter().map(command_line));
    if let Completion::Numeric(numeric) = &task.completion {
        lines.push(metric_line(numeric, &task.execution));
    }
    lines
}

fn command_line(planned: &Planned) -> String {
    let mut how = Vec::new();
    if planned.label != planned.run {
        how.push(format!("called {}", code(&planned.label)));
    }
    if planned.shell {
        how.push("run by `sh -c`".to_owned());
    }
    if !planned.directory.is_empty() {
        how.push(format!("in {}", code(&planned.directory)));
    }
    how.push(format!("within {} s", planned.timeout.as_secs()));
    if !planned.environment.is_empty() {
        // Values may be secrets.
        let names: Vec<String> = planned.environment.keys().map(|name| code(name)).collect();
        how.push(format!("with {} set", names.join(", ")));
    }
    format!("{} exits with code 0 ({})", code(&planned.run), how.join(", "))
}

fn metric_line(numeric: &Numeric, execution: &Execution) -> String {
    let direction = match numeric.direction {
        Some(Direction::LowerIsBetter) => "lower is better",
        Some(Direction::HigherIsBetter) => "higher is better",
        None => "direction not stated",
    };
    let target = match (numeric.target, execution) {
        (None, Execution::SinglePass) => String::new(),
        (None, Execution::Iterative(_)) => "; only a better value than the best so far is kept".to_owned(),
        (Some(target), Execution::SinglePass) => format!("; it must reach {target}"),
        (Some(target), Execution::Iterative(_)) => {
            format!("; only a better value than the best so far is kept, the target is {target}")
        }
    };
    format!("the metric {} is {} ({direction}{target})", code(&numeric.name), number(numeric))
}

/// Says where the number of a metric comes from.
fn number(numeric: &Numeric) -> String {
    let command = match (&numeric.command, numeric.source.as_str()) {
        (Some(CommandChoice::Index(index)), _) => format!("command {}", u64::from(*index) + 1),
        (Some(CommandChoice::Name(name)), _) => code(name),
        (None, "json_stdout") => {
            "the last command that passes and prints nothing but JSON on its standard output".to_owned()
        }
        (None, "regex") => "the last command that passes and prints a match".to_owned(),
        (None, _) => "the last command".to_owned(),
    };
    let path = code(&numeric.json_path);
    match source::of_metric(numeric) {
        Ok(Source::JsonStdout { .. }) => format!("the number at {path} in the output of {command}"),
        Ok(Source::JsonFile { file, .. }) => format!("the number at {path} in {} after {command}", code(&file)),
        Ok(Source::Regex(pattern)) => {
            format!("the group `value` of the last match of {} in the output of {command}", code(pattern.as_str()))
        }
        Ok(Source::Junit { file, tally }) => {
            let what = match tally {
                Tally::Time => "the seconds",
                Tally::Failures => "the number of failed tests",
                Tally::Tests => "the number of tests",
            };
            format!("{what} in the JUnit report {} after {command}", code(&file))
        }
        Ok(Source::Hyperfine { file, statistic }) => {
            let what = match statistic {
                Statistic::Mean => "mean",
                Statistic::Median => "median",
                Statistic::Min => "least",
            };
            format!("the {what} time in hyperfine's report {} after {command}", code(&file))
        }
        Ok(Source::WallTime) => format!("the seconds that {command} takes"),
        Ok(Source::MaxRss) => format!("the most memory in bytes that a process of {command} has at a time"),
        Err(error) => format!("not obtainable: {error}"),
    }
}

/// Returns a text as a Markdown code span on one line, whatever backticks and control characters it holds.
pub fn code(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    let fence = "`".repeat(longest_run(&line, '`') + 1);
    let pad = if line.is_empty() || line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// Returns the length of the longest run of a character.
pub fn longest_run(text: &str, of: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::{Iterative, Verification};

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn config() -> VerificationConfig {
        VerificationConfig {
            min_changed_files: 1,
            changed_files_preview_limit: 20,
            validate_commands: vec!["make check".to_owned()],
            validate_timeout_seconds: 1800,
            validate_working_directory: "conf".to_owned(),
            validate_environment: map(&[("A", "config"), ("B", "config"), ("C", "config")]),
        }
    }

    #[test]
    fn a_task_without_commands_has_the_configured_ones() {
        let planned = commands(&Task::default(), &config());
        assert_eq!(planned.len(), 1);
        assert_eq!((planned[0].label.as_str(), planned[0].directory.as_str()), ("make check", "conf"));
        assert_eq!(planned[0].timeout, Duration::from_mins(30));
        assert_eq!(planned[0].environment, config().validate_environment);
    }

    #[test]
    fn the_nearest_setting_wins() {
        let spec = CommandSpec {
            run: "b".to_owned(),
            name: Some("named".to_owned()),
            timeout_seconds: Some(0),
            working_directory: Some("cmd".to_owned()),
            environment: map(&[("B", "cmd")]),
            shell: true,
        };
        let plain = CommandSpec { run: "a".to_owned(), ..CommandSpec::default() };
        let verification = Verification {
            validate_commands: vec![plain, spec],
            validate_timeout_seconds: Some(u64::MAX),
            validate_working_directory: Some(" task ".to_owned()),
            validate_environment: map(&[("A", "task"), ("B", "task")]),
            ..Verification::default()
        };
        let planned = commands(&Task { verification, ..Task::default() }, &config());
        let [a, b] = planned.as_slice() else { panic!("{planned:?}") };
        assert_eq!((a.timeout, a.directory.as_str(), a.shell), (LONGEST, "task", false));
        assert_eq!(a.environment, map(&[("A", "task"), ("B", "task"), ("C", "config")]));
        assert_eq!((b.timeout, b.directory.as_str(), b.shell), (Duration::from_secs(1), "cmd", true));
        assert_eq!((b.label.as_str(), b.run.as_str()), ("named", "b"));
        assert_eq!(b.environment, map(&[("A", "task"), ("B", "cmd"), ("C", "config")]));
    }

    #[test]
    fn an_empty_directory_means_the_next_outer_one() {
        let spec =
            CommandSpec { run: "a".to_owned(), working_directory: Some(String::new()), ..CommandSpec::default() };
        let verification = Verification { validate_commands: vec![spec], ..Verification::default() };
        assert_eq!(commands(&Task { verification, ..Task::default() }, &config())[0].directory, "conf");
    }

    #[test]
    fn the_contract_is_told_exactly() {
        let spec = CommandSpec {
            run: "echo `date`\n&& make".to_owned(),
            shell: true,
            name: Some("build".to_owned()),
            timeout_seconds: Some(5),
            working_directory: Some("sub".to_owned()),
            environment: map(&[("TOKEN", "secret")]),
        };
        let verification = Verification {
            path_patterns: vec!["src/*".to_owned(), "a`b".to_owned()],
            validate_commands: vec![CommandSpec { run: "cargo test".to_owned(), ..CommandSpec::default() }, spec],
            ..Verification::default()
        };
        let numeric = Numeric {
            name: "lat".to_owned(),
            source: "json_stdout".to_owned(),
            direction: Some(Direction::LowerIsBetter),
            json_path: "$.p95".to_owned(),
            min_improvement: 0.0,
            unchanged_tolerance: 0.0,
            target: Some(50.0),
            ..Numeric::default()
        };
        let mut task = Task { verification, completion: Completion::Numeric(numeric), ..Task::default() };
        let plain = VerificationConfig {
            validate_working_directory: String::new(),
            validate_environment: BTreeMap::new(),
            ..config()
        };
        assert_eq!(
            lines(&task, &plain),
            [
                "at least 1 file of the project is changed",
                "at least one changed path matches one of `src/*`, ``a`b`` (`*` also matches `/`; a pattern may also match \
                 the end of a path)",
                "`cargo test` exits with code 0 (within 1800 s)",
                "``echo `date`\\n&& make`` exits with code 0 (called `build`, run by `sh -c`, in `sub`, within 5 s, with \
                 `TOKEN` set)",
                "the metric `lat` is the number at `$.p95` in the output of the last command that passes and prints \
                 nothing but JSON on its standard output (lower is better; it must reach 50)",
            ]
        );
        task.execution = Execution::Iterative(Iterative::default());
        let told = lines(&task, &VerificationConfig { min_changed_files: 0, ..plain });
        assert_eq!(told.len(), 4);
        assert!(told[3].ends_with("only a better value than the best so far is kept, the target is 50)"), "{told:?}");
    }

    #[test]
    fn a_code_span_holds_any_text() {
        for (text, expected) in
            [("a", "`a`"), ("`", "`` ` ``"), ("a``b", "```a``b```"), ("", "`  `"), ("a\tb", "`a\\tb`")]
        {
            assert_eq!(code(text), expected);
        }
    }
}
