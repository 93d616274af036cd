//! Reads `verification` of a task and refuses what could not be checked as it was meant.
//!
//! A wrong type here is an error and never a guess: a check that silently becomes another check (or none) would
//! let unproved work pass. Absent and null mean: as configured.

use std::collections::BTreeMap;

use super::json::{Json, Object};
use super::place::Step;
use crate::model::{CommandSpec, Verification};

/// Something wrong with a task, with the way to it from the task's object.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) steps: Vec<Step<'a>>,
    pub(super) message: String,
}

/// The keys that one command given as an object may have.
const COMMAND_KEYS: [&str; 6] = ["run", "shell", "name", "timeout_seconds", "working_directory", "environment"];

/// Collects problems below one place.
pub(super) struct Reader<'a, 'f> {
    steps: Vec<Step<'a>>,
    found: &'f mut Vec<Found<'a>>,
}

impl<'a, 'f> Reader<'a, 'f> {
    pub(super) fn new(found: &'f mut Vec<Found<'a>>) -> Self {
        Self { steps: Vec::new(), found }
    }

    pub(super) fn below<T>(&mut self, step: Step<'a>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.steps.push(step);
        let value = read(self);
        self.steps.pop();
        value
    }

    pub(super) fn complain(&mut self, message: impl Into<String>) {
        self.found.push(Found { steps: self.steps.clone(), message: message.into() });
    }

    pub(super) fn expected(&mut self, what: &str, value: &Json) {
        self.complain(format!("expected {what}, found {}", value.kind()));
    }

    /// Reads a member that must be an object; an empty one stands for absent, null and wrong.
    pub(super) fn object(&mut self, object: &'a Object, key: &'a str) -> Option<&'a Object> {
        let value = object.given(key)?;
        if value.as_object().is_none() {
            self.below(Step::Key(key), |reader| reader.expected("an object", value));
        }
        value.as_object()
    }

    pub(super) fn verification(&mut self, object: &'a Object) -> Verification {
        Verification {
            path_patterns: self.patterns(object),
            validate_commands: self.commands(object, "validate_commands"),
            validate_timeout_seconds: self.seconds(object, "validate_timeout_seconds"),
            validate_working_directory: self.text(object, "validate_working_directory"),
            validate_environment: self.environment(object, "validate_environment"),
        }
    }

    fn patterns(&mut self, object: &'a Object) -> Vec<String> {
        let mut patterns = Vec::new();
        self.list(object, "path_patterns", |reader, item| match item {
            Json::String(text) => patterns.extend(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            other => reader.expected("a string", other),
        });
        patterns
    }

    /// Reads a list of commands.
    pub(super) fn commands(&mut self, object: &'a Object, key: &'a str) -> Vec<CommandSpec> {
        let mut commands = Vec::new();
        self.list(object, key, |reader, item| match item {
            Json::String(text) if text.trim().is_empty() => {}
            Json::String(text) => {
                commands.push(CommandSpec { run: text.trim().to_owned(), ..CommandSpec::default() });
            }
            Json::Object(object) => commands.push(reader.command(object)),
            other => reader.expected("a string or an object", other),
        });
        commands
    }

    fn command(&mut self, object: &'a Object) -> CommandSpec {
        for (key, _) in object.iter().filter(|(key, _)| !COMMAND_KEYS.contains(key)) {
            self.below(Step::Key(key), |reader| {
                reader.complain(format!("unknown key; a command has {}", COMMAND_KEYS.join(", ")));
            });
        }
        let run = self.text(object, "run").unwrap_or_default();
        if object.given("run").is_none_or(|value| matches!(value, Json::String(_)) && run.is_empty()) {
            self.below(Step::Key("run"), |reader| reader.complain("a command needs something to run"));
        }
        let shell = match object.given("shell") {
            None => false,
            Some(Json::Bool(flag)) => *flag,
            Some(other) => {
                self.below(Step::Key("shell"), |reader| reader.expected("true or false", other));
                false
            }
        };
        CommandSpec {
            run,
            shell,
            name: self.text(object, "name"),
            timeout_seconds: self.seconds(object, "timeout_seconds"),
            working_directory: self.text(object, "working_directory"),
            environment: self.environment(object, "environment"),
        }
    }

    pub(super) fn list(&mut self, object: &'a Object, key: &'a str, mut each: impl FnMut(&mut Self, &'a Json)) {
        let Some(value) = object.given(key) else { return };
        self.below(Step::Key(key), |reader| match value {
            Json::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    reader.below(Step::Index(at), |reader| each(reader, item));
                }
            }
            other => reader.expected("a list", other),
        });
    }

    /// Reads a trimmed text; blank is the same as absent.
    pub(super) fn text(&mut self, object: &'a Object, key: &'a str) -> Option<String> {
        match object.given(key)? {
            Json::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            other => {
                self.below(Step::Key(key), |reader| reader.expected("a string", other));
                None
            }
        }
    }

    /// Reads a time limit: a whole number above 0, also when written as `60.0` or `"60"`.
    fn seconds(&mut self, object: &'a Object, key: &'a str) -> Option<u64> {
        let value = object.given(key)?;
        let whole = match value {
            Json::Number(_) => value.as_float().filter(|n| n.fract() == 0.0).and_then(|_| value.as_integer()),
            Json::String(_) => value.as_integer(),
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
        };
        let seconds = whole.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
        if seconds.is_none() {
            let found = match value {
                Json::Array(_) | Json::Object(_) => value.kind().to_owned(),
                scalar => {
                    let mut text = String::new();
                    scalar.print(0, &mut text);
                    text
                }
            };
            self.below(Step::Key(key), |reader| {
                reader.complain(format!("expected a whole number of seconds above 0, found {found}"));
            });
        }
        seconds
    }

    fn environment(&mut self, object: &'a Object, key: &'a str) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        let Some(map) = self.object(object, key) else { return variables };
        self.below(Step::Key(key), |reader| {
            for (name, value) in map.iter() {
                reader.below(Step::Key(name), |reader| {
                    if name.is_empty() || name.contains(['=', '\0']) {
                        reader.complain("not the name of an environment variable");
                    }
                    match value {
                        Json::String(text) if text.contains('\0') => reader.complain("holds a null character"),
                        Json::String(text) => _ = variables.insert(name.to_owned(), text.clone()),
                        Json::Number(_) | Json::Bool(_) => _ = variables.insert(name.to_owned(), value.as_text()),
                        other => reader.expected("a string, a number or a boolean", other),
                    }
                });
            }
        });
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::super::scan::parse;
    use super::*;

    fn read(text: &str) -> (Verification, Vec<String>) {
        let json = parse(text).unwrap();
        let mut found = Vec::new();
        let verification = Reader::new(&mut found).verification(json.as_object().unwrap());
        let found = found.iter().map(|f| format!("{}: {}", place::name("", &f.steps), f.message)).collect();
        (verification, found)
    }

    #[test]
    fn each_wrong_type_is_named() {
        for (text, message) in [
            (
                r#"{"validate_timeout_seconds": "soon"}"#,
                r#"validate_timeout_seconds: expected a whole number of seconds above 0, found "soon""#,
            ),
            (
                r#"{"validate_timeout_seconds": -1}"#,
                "validate_timeout_seconds: expected a whole number of seconds above 0, found -1",
            ),
            (
                r#"{"validate_timeout_seconds": 1.5}"#,
                "validate_timeout_seconds: expected a whole number of seconds above 0, found 1.5",
            ),
            (
                r#"{"validate_timeout_seconds": true}"#,
                "validate_timeout_seconds: expected a whole number of seconds above 0, found true",
            ),
            (
                r#"{"validate_timeout_seconds": []}"#,
                "validate_timeout_seconds: expected a whole number of seconds above 0, found a list",
            ),
            (r#"{"validate_commands": "true"}"#, "validate_commands: expected a list, found a string"),
            (r#"{"validate_commands": [1]}"#, "validate_commands[0]: expected a string or an object, found a number"),
            (r#"{"validate_commands": [{}]}"#, "validate_commands[0].run: a command needs something to run"),
            (r#"{"validate_commands": [{"run": " "}]}"#, "validate_commands[0].run: a command needs something to run"),
            (r#"{"validate_commands": [{"run": 1}]}"#, "validate_commands[0].run: expected a string, found a number"),
            (
                r#"{"validate_commands": [{"run": "x", "shell": "yes"}]}"#,
                "validate_commands[0].shell: expected true or false, found a string",
            ),
            (
                r#"{"validate_commands": ["x", {"run": "x", "timeout": 3}]}"#,
                "validate_commands[1].timeout: unknown key; a command has run, shell, name, timeout_seconds, \
                 working_directory, environment",
            ),
            (r#"{"path_patterns": "src/*"}"#, "path_patterns: expected a list, found a string"),
            (r#"{"path_patterns": ["a", null]}"#, "path_patterns[1]: expected a string, found null"),
            (r#"{"validate_working_directory": 1}"#, "validate_working_directory: expected a string, found a number"),
            (r#"{"validate_environment": []}"#, "validate_environment: expected an object, found a list"),
            (
                r#"{"validate_environment": {"A B": null}}"#,
                "validate_environment[\"A B\"]: expected a string, a number or a boolean, found null",
            ),
            (
                r#"{"validate_environment": {"A=": "x"}}"#,
                "validate_environment[\"A=\"]: not the name of an environment variable",
            ),
        ] {
            assert_eq!(read(text).1, [message], "{text}");
        }
    }

    #[test]
    fn commands_are_texts_or_objects() {
        let (verification, found) = read(
            r#"{"path_patterns": [" src/* ", ""], "validate_timeout_seconds": "60", "validate_working_directory": "",
               "validate_environment": {"N": 1.50, "B": true, "S": " s "},
               "validate_commands": [" make test ", "", {"run": "a | b", "shell": true, "name": "pipe",
               "timeout_seconds": 5.0, "working_directory": "sub", "environment": {"X": "1"}}]}"#,
        );
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(verification.path_patterns, ["src/*"]);
        assert_eq!(verification.validate_timeout_seconds, Some(60));
        assert_eq!(verification.validate_working_directory, None);
        assert_eq!(verification.validate_environment["N"], "1.50");
        assert_eq!(verification.validate_environment["S"], " s ");
        assert_eq!(verification.validate_commands.len(), 2);
        assert_eq!(verification.validate_commands[0].run, "make test");
        let pipe = &verification.validate_commands[1];
        assert_eq!((pipe.label(), pipe.shell, pipe.timeout_seconds), ("pipe", true, Some(5)));
        assert_eq!(pipe.environment["X"], "1");
    }
}
