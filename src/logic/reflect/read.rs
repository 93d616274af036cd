//! Reads an answer field by field: what has the wrong type or is too long is left out and named, the rest counts.
//!
//! Invariant: what is read fits into task.json and can be read from there again.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::logic::plain::plain;
use crate::logic::reply::kind;
use crate::model::{CommandSpec, RefinedChecks, Refinement};

/// Characters of one text: a page. Notes of several pages would bury the task.
const TEXT_CHARS: usize = 4_000;
/// Items of one list, and variables of one environment.
const ITEMS: usize = 50;
/// Lines of `ignored`; the last one says how many more there are.
const IGNORED: usize = 30;

/// The keys of an answer that are lists of texts.
const LISTS: [&str; 6] = ["steps", "docs", "output", "implementation_notes", "verification_notes", "learning_notes"];
const CHECKS: [&str; 5] = [
    "path_patterns",
    "validate_commands",
    "validate_timeout_seconds",
    "validate_working_directory",
    "validate_environment",
];
const COMMAND: [&str; 6] = ["run", "shell", "name", "timeout_seconds", "working_directory", "environment"];

impl Refinement {
    /// Reads an answer. Absent and null mean: unchanged.
    ///
    /// # Errors
    /// When it is no JSON object; the text says what it is.
    pub fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(object) = value else {
            return Err(format!("expected a JSON object, found {}", kind(value)));
        };
        let mut reader = Reader::default();
        let summary = reader.text(object, "", "summary").unwrap_or_default();
        let [steps, docs, output, implementation_notes, verification_notes, learning_notes] =
            LISTS.map(|key| reader.texts(object, key));
        let verification = match given(object, "verification") {
            None => RefinedChecks::default(),
            Some(Value::Object(checks)) => reader.checks(checks),
            Some(other) => {
                reader.expected("verification", "an object", other);
                RefinedChecks::default()
            }
        };
        for key in object.keys().filter(|key| !["summary", "verification"].contains(&key.as_str())) {
            if !LISTS.contains(&key.as_str()) {
                reader.ignore(key, "not for a reflection to change");
            }
        }
        let ignored = reader.ignored();
        Ok(Self {
            summary,
            steps,
            docs,
            output,
            implementation_notes,
            verification_notes,
            learning_notes,
            verification,
            ignored,
        })
    }
}

/// Collects what was left out.
#[derive(Default)]
struct Reader {
    ignored: Vec<String>,
}

impl Reader {
    fn ignore(&mut self, key: &str, why: &str) {
        let name: String = plain(key).chars().filter(|c| !c.is_control()).take(80).collect();
        self.ignored.push(format!("{name}: {why}"));
    }

    fn expected(&mut self, key: &str, what: &str, value: &Value) {
        self.ignore(key, &format!("expected {what}, found {}", kind(value)));
    }

    fn ignored(mut self) -> Vec<String> {
        if self.ignored.len() > IGNORED {
            let more = self.ignored.len() - (IGNORED - 1);
            self.ignored.truncate(IGNORED - 1);
            self.ignored.push(format!("{more} more"));
        }
        self.ignored
    }

    /// Reads a text that people read; a long one is cut.
    fn text(&mut self, object: &Map<String, Value>, at: &str, key: &str) -> Option<String> {
        match given(object, key)? {
            Value::String(text) => self.words(&format!("{at}{key}"), text),
            other => {
                self.expected(&format!("{at}{key}"), "a string", other);
                None
            }
        }
    }

    fn words(&mut self, key: &str, text: &str) -> Option<String> {
        let clean = plain(text);
        let clean = clean.trim();
        let short: String = clean.chars().take(TEXT_CHARS).collect();
        if short.len() < clean.len() {
            self.ignore(key, &format!("cut to {TEXT_CHARS} characters"));
        }
        Some(short.trim_end().to_owned()).filter(|text| !text.is_empty())
    }

    fn texts(&mut self, object: &Map<String, Value>, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for (name, item) in self.items(object, "", key) {
            match item {
                Value::String(text) => texts.extend(self.words(&name, text)),
                other => self.expected(&name, "a string", other),
            }
        }
        texts
    }

    /// Returns the items of a list with their names; of a long list the first.
    fn items<'a>(&mut self, object: &'a Map<String, Value>, at: &str, key: &str) -> Vec<(String, &'a Value)> {
        match given(object, key) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                if items.len() > ITEMS {
                    self.ignore(&format!("{at}{key}"), &format!("the first {ITEMS} of {} items count", items.len()));
                }
                let named = |(n, item)| (format!("{at}{key}[{n}]"), item);
                items.iter().enumerate().take(ITEMS).map(named).collect()
            }
            Some(other) => {
                self.expected(&format!("{at}{key}"), "a list", other);
                Vec::new()
            }
        }
    }

    fn checks(&mut self, object: &Map<String, Value>) -> RefinedChecks {
        let at = "verification.";
        for key in object.keys().filter(|key| !CHECKS.contains(&key.as_str())) {
            self.ignore(&format!("{at}{key}"), "not for a reflection to change");
        }
        let mut patterns = Vec::new();
        for (name, item) in self.items(object, at, "path_patterns") {
            patterns.extend(self.exact(&name, item));
        }
        let mut commands = Vec::new();
        for (name, item) in self.items(object, at, "validate_commands") {
            commands.extend(match item {
                Value::Object(command) => self.command(&name, command),
                other => self.exact(&name, other).map(|run| CommandSpec { run, ..CommandSpec::default() }),
            });
        }
        let before = self.ignored.len();
        let directory = given(object, "validate_working_directory")
            .and_then(|value| self.exact("verification.validate_working_directory", value));
        let environment = self.environment(object, at, "validate_environment").unwrap_or_default();
        if self.ignored.len() > before && !commands.is_empty() {
            self.ignore("verification.validate_commands", "they would run elsewhere than was meant");
            commands.clear();
        }
        RefinedChecks {
            path_patterns: patterns,
            validate_commands: commands,
            validate_timeout_seconds: self.seconds(object, at, "validate_timeout_seconds"),
            validate_working_directory: directory,
            validate_environment: environment,
        }
    }

    /// Reads a text that a program reads: a part of it would mean something else, so it is taken whole or not at all.
    fn exact(&mut self, key: &str, value: &Value) -> Option<String> {
        let Value::String(text) = value else {
            self.expected(key, "a string", value);
            return None;
        };
        let text = text.trim();
        let refusal = if text.chars().count() > TEXT_CHARS {
            format!("longer than {TEXT_CHARS} characters")
        } else if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            "holds control characters".to_owned()
        } else {
            return Some(text.to_owned()).filter(|text| !text.is_empty());
        };
        self.ignore(key, &refusal);
        None
    }

    /// Reads a command in its object form; one with a part that is not understood would run as another command.
    fn command(&mut self, at: &str, object: &Map<String, Value>) -> Option<CommandSpec> {
        let before = self.ignored.len();
        for key in object.keys().filter(|key| !COMMAND.contains(&key.as_str())) {
            self.ignore(&format!("{at}.{key}"), "a command has no such key");
        }
        let field = |reader: &mut Self, key: &str| {
            given(object, key).and_then(|value| reader.exact(&format!("{at}.{key}"), value))
        };
        let run = field(self, "run");
        let name = field(self, "name");
        let working_directory = field(self, "working_directory");
        let shell = match given(object, "shell") {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.expected(&format!("{at}.shell"), "true or false", other);
                false
            }
        };
        let dotted = format!("{at}.");
        let timeout_seconds = self.seconds(object, &dotted, "timeout_seconds");
        let environment = self.environment(object, &dotted, "environment");
        if run.is_none() && self.ignored.len() == before {
            self.ignore(at, "a command needs something to run");
        }
        let is_sound = self.ignored.len() == before;
        let command = CommandSpec {
            run: run?,
            shell,
            name,
            timeout_seconds,
            working_directory,
            environment: environment.unwrap_or_default(),
        };
        Some(command).filter(|_| is_sound)
    }

    fn seconds(&mut self, object: &Map<String, Value>, at: &str, key: &str) -> Option<u64> {
        let value = given(object, key)?;
        let seconds = value.as_u64().filter(|seconds| *seconds > 0);
        if seconds.is_none() {
            self.ignore(&format!("{at}{key}"), "expected a whole number of seconds above 0");
        }
        seconds
    }

    fn environment(&mut self, object: &Map<String, Value>, at: &str, key: &str) -> Option<BTreeMap<String, String>> {
        let map = match given(object, key)? {
            Value::Object(map) => map,
            other => {
                self.expected(&format!("{at}{key}"), "an object", other);
                return None;
            }
        };
        if map.len() > ITEMS {
            self.ignore(&format!("{at}{key}"), &format!("more than {ITEMS} variables"));
            return None;
        }
        let mut variables = BTreeMap::new();
        for (name, value) in map {
            let place = format!("{at}{key}.{name}");
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                other => {
                    self.expected(&place, "a string", other);
                    continue;
                }
            };
            let is_name = !name.is_empty() && !name.contains(['=', '\0']) && name.len() <= TEXT_CHARS;
            if is_name && !text.contains('\0') && text.chars().count() <= TEXT_CHARS {
                variables.insert(name.clone(), text);
            } else {
                self.ignore(&place, "not a name and value for an environment");
            }
        }
        Some(variables)
    }
}

fn given<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).filter(|value| !value.is_null())
}
