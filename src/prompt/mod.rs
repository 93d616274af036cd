//! What an agent is told: the prompt of one attempt, and the questions.
//!
//! The prompt of an attempt is the user's own template (`prompt.template_file`, else `prompt.template`) with its
//! `{{name}}` places, else the project's `task.md`, else the built-in text, which also tells the contract by which the
//! runner will judge. The questions ([`question`]) ask for a specification, a plan, what remains of one, why an attempt
//! failed. Does not shorten what the user wrote; what programs printed is cleaned and kept within a budget.
//!
//! Invariant: a value is put in once. Text of a task, of a log or of git that looks like a template stays text.

mod fit;
mod jinja;
mod places;
pub mod question;
mod source;
mod values;

use std::path::{Path, PathBuf};

use crate::model::config::{FilesConfig, PromptConfig, VerificationConfig};
use crate::model::{Change, Failure, JournalNote, Task};
use crate::sys::fs::PathError;

pub use crate::logic::contract::lines as contract_lines;
pub use source::{Name, Source, source};

/// Everything that goes into a prompt.
#[derive(Clone, Copy, Debug)]
pub struct PromptInput<'a> {
    /// The task.
    pub task: &'a Task,
    /// `[project].name`.
    pub project_name: &'a str,
    /// Where the agent works. Absolute.
    pub code_dir: &'a Path,
    /// `[files]`.
    pub files: &'a FilesConfig,
    /// `[verification]`.
    pub verification: &'a VerificationConfig,
    /// From 1.
    pub attempt: u32,
    /// How many there may be.
    pub max_attempts: u32,
    /// Failed attempts of this run, oldest first.
    pub failures: &'a [Failure],
    /// The project's learning journal, newest last.
    pub journal: &'a [JournalNote],
    /// `[reflection].prompt_learning_limit`: how many journal entries are shown.
    pub learning_limit: u32,
    /// Commits, newest first, one line each; the first five are shown.
    pub git_history: &'a [String],
    /// What the task has changed so far.
    pub changed: &'a [Change],
    /// Of iterative tasks.
    pub experiment: Option<Experiment<'a>>,
}

/// Where an iterative task stands.
#[derive(Clone, Copy, Debug)]
pub struct Experiment<'a> {
    /// From 1.
    pub iteration: u32,
    /// The metric before the first iteration.
    pub baseline: Option<f64>,
    /// The best metric kept.
    pub best: Option<f64>,
    /// Iterations in a row that were no better.
    pub no_improvement_streak: u32,
    /// One line per earlier iteration, oldest first; the last eight are shown, fewer when they are long.
    pub recent: &'a [String],
}

/// A prompt that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A template is there but cannot be read.
    #[error("{key}: {error}")]
    File {
        /// Which setting names it.
        key: &'static str,
        /// Why.
        #[source]
        error: PathError,
    },
    /// A template is not text.
    #[error("{key}: {} is not UTF-8 (byte {at})", path.display())]
    NotText {
        /// Which setting names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// How many bytes are sound.
        at: usize,
    },
    /// `prompt.dir` names nothing.
    #[error("prompt.dir: there is no directory {}", path.display())]
    Dir {
        /// What it names.
        path: PathBuf,
    },
    /// A template of the project is wrong.
    #[error("prompt.dir: {} line {line}: {reason}", path.display())]
    Own {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// One line.
        reason: String,
    },
    /// A built-in template does not fit the values: a defect of autodev.
    #[error("render the built-in prompt: {0}")]
    BuiltIn(minijinja::Error),
}

/// The template of an attempt's prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// The user's text with `{{name}}` places.
    Places(String),
    /// A Jinja template, the project's or the built-in one.
    Jinja(Source),
}

/// Returns the template of attempts: the text of `template_file` if that file exists, else `template` if it is not
/// blank, else `task.md` of `dir`, else the built-in one.
///
/// # Errors
/// When a file exists and cannot be read, is larger than 4 MiB, or is not UTF-8, or `dir` does not exist.
pub fn template(config: &PromptConfig) -> Result<Template, PromptError> {
    let path = &config.template_file;
    if !path.as_os_str().is_empty()
        && let Some(text) = source::text(path, "prompt.template_file")?
    {
        return Ok(Template::Places(text));
    }
    if !config.template.trim().is_empty() {
        return Ok(Template::Places(config.template.clone()));
    }
    Ok(Template::Jinja(source(config, Name::Task)?))
}

/// Returns the prompt of an attempt. `template` is what [`template`] found.
///
/// # Errors
/// When the project's own `task.md` is wrong; the message names file and line.
pub fn render(input: &PromptInput<'_>, template: &Template) -> Result<String, PromptError> {
    match template {
        Template::Places(text) => Ok(places::fill(text, &values::places(input))),
        Template::Jinja(source) => jinja::render(source, values::built_in(input)),
    }
}

#[cfg(test)]
mod tests;
