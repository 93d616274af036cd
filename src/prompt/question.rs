//! The questions: what an agent is asked when it is to answer and not to work.
//!
//! Each input renders the project's template of that name, else the built-in one. Asking, reading the answer and
//! checking it are elsewhere; an answer is never believed because the question was clear.

mod input;

use serde::Serialize;
use serde_json::{Value, json};

use super::fit::end_of;
use super::source::{Name, Origin, Source, source};
use super::{PromptError, jinja};
use crate::logic::plain::{last_line, plain};
use crate::model::config::PromptConfig;
use crate::model::{CommandSpec, Completion, Direction, Execution, Iterative, Numeric, RefinedChecks, Refinement};

pub use input::{PlanInput, ReflectInput, RepairInput, ReplanInput, SpecInput};

/// The form of a plan for programs that can be held to one: fit for OpenAI's strict mode, in which every object names
/// all its properties and optional ones are null. It has no `passes`, `blocked` or environments (an open map cannot be
/// expressed). Reflections have no such form: they leave out what does not change.
pub const PLAN_SCHEMA: &str = include_str!("../../templates/plan.schema.json");

/// The rules for tasks, the same for plans and replans.
const TASK_RULES: &str = include_str!("../../templates/prompts/tasks.md");

/// How many changed files, failed checks and lines of the journal are shown.
const PATHS: usize = 40;
const ERRORS: usize = 20;
const JOURNAL: usize = 12;
/// Characters of one line in a list: one line of reasons; more would be a log.
const LINE: usize = 600;
/// Characters of all output of checks, and of the log: together some 4 000 tokens.
const OUTPUT: usize = 6_000;
const LOG: usize = 10_000;
/// Characters of a first answer: enough to see its form.
const HEAD: usize = 2_000;

impl SpecInput<'_> {
    /// Returns the question for a specification.
    ///
    /// # Errors
    /// When the project's own template cannot be read or is wrong.
    pub fn render(&self, config: &PromptConfig) -> Result<String, PromptError> {
        #[derive(Serialize)]
        struct Values<'a> {
            project_name: &'a str,
            intent: &'a str,
            feature_hint: String,
            hints: Vec<String>,
        }
        let values = Values {
            project_name: self.project_name,
            intent: self.intent,
            feature_hint: line(self.feature_hint),
            hints: lines(self.hints),
        };
        jinja::render(&source(config, Name::Spec)?, values)
    }
}

impl PlanInput<'_> {
    /// Returns the question for a plan.
    ///
    /// # Errors
    /// When the project's own template cannot be read or is wrong.
    pub fn render(&self, config: &PromptConfig) -> Result<String, PromptError> {
        #[derive(Serialize)]
        struct Values<'a> {
            project_name: &'a str,
            text: &'a str,
            is_coca: bool,
            source_doc: Option<&'a str>,
            spec_doc: Option<&'a str>,
            checks_hint: &'a str,
            path_hints: Vec<String>,
            existing: Vec<Value>,
            rules: String,
            example: &'a str,
        }
        let existing = self.existing.iter().map(|(id, title)| json!({"id": line(id), "title": line(title)}));
        let values = Values {
            project_name: self.project_name,
            text: self.text,
            is_coca: self.is_coca,
            source_doc: self.source_doc,
            spec_doc: self.spec_doc,
            checks_hint: self.checks_hint.trim(),
            path_hints: lines(self.path_hints),
            existing: existing.collect(),
            rules: rules(self.checks_hint, self.path_hints)?,
            example: self.example,
        };
        jinja::render(&source(config, Name::Plan)?, values)
    }
}

impl ReplanInput<'_> {
    /// Returns the question for what remains.
    ///
    /// # Errors
    /// When the project's own template cannot be read or is wrong.
    pub fn render(&self, config: &PromptConfig) -> Result<String, PromptError> {
        #[derive(Serialize)]
        struct Values<'a> {
            project_name: &'a str,
            planning_text: &'a str,
            source_doc: Option<&'a str>,
            spec_doc: Option<&'a str>,
            epoch: u32,
            completed: Vec<String>,
            blocked: Vec<Value>,
            pending: Vec<String>,
            journal: Vec<String>,
            repeated: Vec<String>,
            checks_hint: &'a str,
            path_hints: Vec<String>,
            rules: String,
            example: &'a str,
        }
        let blocked = self.blocked.iter().map(|(title, reason)| json!({"title": line(title), "reason": line(reason)}));
        let newest = self.journal.get(self.journal.len().saturating_sub(JOURNAL)..).unwrap_or_default();
        let values = Values {
            project_name: self.project_name,
            planning_text: self.planning_text,
            source_doc: self.source_doc,
            spec_doc: self.spec_doc,
            epoch: self.epoch,
            completed: lines(self.completed),
            blocked: blocked.collect(),
            pending: lines(self.pending),
            journal: lines(newest),
            repeated: lines(self.repeated),
            checks_hint: self.checks_hint.trim(),
            path_hints: lines(self.path_hints),
            rules: rules(self.checks_hint, self.path_hints)?,
            example: self.example,
        };
        jinja::render(&source(config, Name::Replan)?, values)
    }
}

impl ReflectInput<'_> {
    /// Returns the question why an attempt failed.
    ///
    /// # Errors
    /// When the project's own template cannot be read or is wrong.
    pub fn render(&self, config: &PromptConfig) -> Result<String, PromptError> {
        #[derive(Serialize)]
        struct Values<'a> {
            task_json: &'a str,
            attempt: u32,
            max_attempts: u32,
            exit_code: i32,
            contract: &'a [String],
            changed_files: Vec<String>,
            gate_errors: Vec<String>,
            check_output_tails: Vec<Value>,
            log_tail: String,
            example: String,
        }
        let values = Values {
            task_json: self.task_json,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            exit_code: self.exit_code,
            contract: self.contract,
            changed_files: counted(self.changed_files, PATHS),
            gate_errors: counted(self.gate_errors, ERRORS),
            check_output_tails: tails(self.check_output_tails),
            log_tail: shown_end(self.log_tail, LOG),
            example: reflection_example(),
        };
        jinja::render(&source(config, Name::Reflect)?, values)
    }
}

impl RepairInput<'_> {
    /// Returns the question once more, with what was wrong with the first answer.
    ///
    /// # Errors
    /// When the project's own template cannot be read or is wrong.
    pub fn append_to(&self, question: &str, config: &PromptConfig) -> Result<String, PromptError> {
        #[derive(Serialize)]
        struct Values {
            problems: Vec<String>,
            first_reply_head: String,
        }
        let head = plain(self.first_reply_head);
        let values = Values {
            problems: counted(self.problems, PATHS),
            first_reply_head: head.trim().chars().take(HEAD).collect(),
        };
        let repair = jinja::render(&source(config, Name::Repair)?, values)?;
        Ok(format!("{}\n\n{}", question.trim_end(), repair.trim_start()))
    }
}

/// Returns the answer to a reflection as the question shows it: JSON.
pub fn reflection_example() -> String {
    let list = |text: &str| vec![text.to_owned()];
    let example = Refinement {
        summary: "Why the attempt failed, and what the next one does differently.".to_owned(),
        steps: list("All steps of the task, the changed and the unchanged ones."),
        docs: list("docs/more-to-read.md"),
        output: list("src/new_file.rs"),
        implementation_notes: list("What whoever implements must know."),
        verification_notes: list("What must be known about the checks."),
        learning_notes: list("What other tasks can learn from this."),
        verification: RefinedChecks {
            path_patterns: list("src/*"),
            validate_commands: vec![CommandSpec {
                run: "cargo test --test new_file".to_owned(),
                timeout_seconds: Some(600),
                ..CommandSpec::default()
            }],
            validate_timeout_seconds: Some(3600),
            validate_working_directory: Some("crates/core".to_owned()),
            validate_environment: [("RUST_BACKTRACE".to_owned(), "1".to_owned())].into(),
        },
        ignored: Vec::new(),
    };
    pretty(&json!(example))
}

/// Returns the rules for tasks.
fn rules(checks_hint: &str, path_hints: &[String]) -> Result<String, PromptError> {
    let numeric = Completion::Numeric(Numeric {
        name: "p95_latency_ms".to_owned(),
        source: "json_stdout".to_owned(),
        direction: Some(Direction::LowerIsBetter),
        json_path: "$.latency.p95".to_owned(),
        min_improvement: 0.5,
        unchanged_tolerance: 0.1,
        target: Some(50.0),
        ..Numeric::default()
    });
    let values = json!({
        "checks_hint": checks_hint.trim(),
        "path_hints": lines(path_hints),
        "boolean_example": r#"{"kind": "boolean", "source": "gate", "success_when": "all_checks_pass"}"#,
        "numeric_example": pretty(&json!(numeric)),
        "iterative_example": pretty(&json!(Execution::Iterative(Iterative::default()))),
    });
    let source = Source { name: Name::Plan, text: TASK_RULES.into(), origin: Origin::BuiltIn };
    Ok(jinja::render(&source, values)?.trim_end().to_owned())
}

/// Prints JSON without what says nothing: null, false and empty members.
fn pretty(value: &Value) -> String {
    format!("{:#}", telling(value))
}

fn telling(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let says_nothing = |value: &Value| {
                *value == Value::Null
                    || value.as_str() == Some("")
                    || value.as_array().is_some_and(Vec::is_empty)
                    || value.as_object().is_some_and(serde_json::Map::is_empty)
            };
            // `false` is the default of a command's `shell`; elsewhere it is a setting.
            let is_default = |key: &str, value: &Value| key == "shell" && *value == Value::Bool(false);
            let kept = members.iter().filter(|(key, value)| !says_nothing(value) && !is_default(key, value));
            Value::Object(kept.map(|(key, value)| (key.clone(), telling(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(telling).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn line(text: &str) -> String {
    last_line(&plain(text).replace('\n', " "), LINE)
}

fn lines(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| line(text)).filter(|text| !text.is_empty()).collect()
}

/// Returns the first lines, and one that says how many more there are.
fn counted(texts: &[String], most: usize) -> Vec<String> {
    let mut shown = lines(texts.get(..most).unwrap_or(texts));
    if texts.len() > most {
        shown.push(format!("... {} more", texts.len() - most));
    }
    shown
}

/// Returns the ends of outputs, each with its fair share of the whole.
fn tails(outputs: &[(String, String)]) -> Vec<Value> {
    let mut left = OUTPUT;
    let mut shown = Vec::new();
    for (at, (name, output)) in outputs.iter().enumerate() {
        let tail = shown_end(output, left / (outputs.len() - at));
        left = left.saturating_sub(tail.chars().count());
        if !tail.is_empty() {
            shown.push(json!({"name": name, "tail": tail}));
        }
    }
    shown
}

fn shown_end(text: &str, room: usize) -> String {
    let clean = plain(text);
    end_of(clean.trim_matches('\n').trim_end(), room).0
}

#[cfg(test)]
mod tests;
