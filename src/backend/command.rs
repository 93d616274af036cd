//! Any program that reads a prompt on standard input: `[backend.command]`.
//!
//! No events are known; its exit code decides, together with the configured patterns.

use regex::Regex;

use super::event;
use super::launch::{self, Launch};
use super::{Abilities, Backend, BackendError, Invocation, Parser, Request, Start};
use crate::logic::classify::PatternResults;
use crate::model::config::{CommandConfig, ProgramConfig};
use crate::model::{BackendName, Said};

/// Replaced in arguments by the path of a file with the prompt.
const PROMPT_FILE: &str = "{prompt_file}";

/// The backend `command`.
pub(super) struct Command;

impl Backend for Command {
    fn name(&self) -> BackendName {
        BackendName::Command
    }

    /// The program is looked up like `[backend.X].program`: a path with `/` is relative to autodev.toml.
    fn invocation(&self, request: &Request<'_>) -> Result<Invocation, BackendError> {
        let config = &request.config.backend.command;
        Patterns::new(config)?;
        let (program, args) = config.argv.split_first().ok_or(BackendError::NoCommand)?;
        if program.trim().is_empty() {
            return Err(BackendError::NoCommand);
        }
        let mut launch = Launch::of(launch::resolved(program, request.config));
        for arg in args {
            let mut parts = arg.split(PROMPT_FILE);
            let mut whole = std::ffi::OsString::from(parts.next().unwrap_or_default());
            for part in parts {
                whole.push(request.prompt_file);
                whole.push(part);
                launch.needs_prompt_file();
            }
            launch.arg(whole);
        }
        let own = ProgramConfig { environment: config.environment.clone(), ..ProgramConfig::default() };
        Ok(launch.finish(&own, Some(request)))
    }

    fn parser_from(&self, _start: Start) -> Box<dyn Parser> {
        Box::new(Plain)
    }

    fn abilities(&self) -> Abilities {
        Abilities { typed_events: false, resume: false, read_only: false, schema: false, usage: false, cost: false }
    }
}

/// Every line is text.
struct Plain;

impl Parser for Plain {
    fn line(&mut self, line: &str) -> Vec<Said> {
        event::stray(line, false)
    }

    fn end(&mut self, _code: i32) -> Vec<Said> {
        vec![]
    }
}

/// Searches a program's output, both streams, line by line for the two patterns of `[backend.command]`.
#[derive(Clone, Debug)]
pub struct Patterns {
    success: Option<Regex>,
    failure: Option<Regex>,
    found: PatternResults,
}

impl Patterns {
    /// Compiles the patterns. Empty ones are none.
    ///
    /// # Errors
    /// When one is no regular expression.
    pub fn new(config: &CommandConfig) -> Result<Self, BackendError> {
        let compile = |key, text: &str| {
            let compiled = (!text.is_empty()).then(|| Regex::new(text)).transpose();
            compiled.map_err(|error| BackendError::Pattern { key, reason: one_line_reason(&error) })
        };
        let success = compile("success_pattern", &config.success_pattern)?;
        let failure = compile("failure_pattern", &config.failure_pattern)?;
        let found =
            PatternResults { success: success.as_ref().map(|_| false), failure: failure.as_ref().map(|_| false) };
        Ok(Self { success, failure, found })
    }

    /// Searches the next line of output.
    pub fn line(&mut self, line: &str) {
        let line = line.trim_end_matches(['\r', '\n']);
        let occurs = |pattern: Option<&Regex>| pattern.is_some_and(|pattern| pattern.is_match(line));
        if self.found.success == Some(false) && occurs(self.success.as_ref()) {
            self.found.success = Some(true);
        }
        if self.found.failure == Some(false) && occurs(self.failure.as_ref()) {
            self.found.failure = Some(true);
        }
    }

    /// Returns what was found so far.
    pub fn results(&self) -> PatternResults {
        self.found
    }
}

/// The regex crate draws its errors over several lines; the last one says what is wrong.
fn one_line_reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Wish, config};
    use super::*;
    use pretty_assertions::assert_eq;

    fn with(argv: &[&str]) -> crate::model::Config {
        let mut config = config();
        config.backend.command.argv = argv.iter().map(ToString::to_string).collect();
        config
    }

    #[test]
    fn the_prompt_file_is_named_where_asked_for() {
        let wish = Wish::new(BackendName::Command).with(with(&["aider", "--message-file={prompt_file}", "$HOME; x"]));
        assert_eq!(wish.line(), "aider --message-file=/tmp/prompt.md $HOME; x");
        assert!(wish.invocation().needs_prompt_file);
        assert_eq!(wish.invocation().stdin.as_deref(), Some("do it".as_bytes()), "and on standard input");
        let wish = Wish::new(BackendName::Command).with(with(&["./agent.sh"]));
        assert_eq!(wish.line(), "/project/./agent.sh");
        assert!(!wish.invocation().needs_prompt_file);
    }

    #[test]
    fn wrong_configuration_is_an_error_before_anything_starts() {
        let error = |config| Wish::new(BackendName::Command).with(config).try_invocation().unwrap_err();
        assert_eq!(error(with(&[])), BackendError::NoCommand);
        assert_eq!(error(with(&[" "])), BackendError::NoCommand);
        let mut config = with(&["x"]);
        config.backend.command.failure_pattern = "a(".into();
        assert_eq!(error(config).to_string(), "read [backend.command].failure_pattern: unclosed group");
    }

    #[test]
    fn patterns_are_searched_line_by_line() {
        let mut config = config().backend.command;
        assert_eq!(Patterns::new(&config).unwrap().results(), PatternResults::default());
        config.success_pattern = "^DONE$".into();
        config.failure_pattern = "(?i)panic".into();
        let mut patterns = Patterns::new(&config).unwrap();
        patterns.line("NOT DONE\n");
        assert_eq!(patterns.results(), PatternResults { success: Some(false), failure: Some(false) });
        patterns.line("DONE\r\n");
        patterns.line("no");
        assert_eq!(patterns.results(), PatternResults { success: Some(true), failure: Some(false) });
        patterns.line("Panicked");
        assert_eq!(patterns.results(), PatternResults { success: Some(true), failure: Some(true) });
    }
}
