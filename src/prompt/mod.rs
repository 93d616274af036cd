//! What an agent is told: the prompt of one attempt.
//!
//! The user's own template (`prompt.template_file`, else `prompt.template`) with its `{{name}}` places, else the
//! built-in text, which also tells the contract by which the runner will judge. Does not shorten what the user wrote;
//! what programs printed is cleaned and kept within a budget.
//!
//! Invariant: a value is put in once. Text of a task, of a log or of git that looks like a template stays text.

mod fit;
mod places;
mod values;

use std::io;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};

use crate::model::config::{FilesConfig, PromptConfig, VerificationConfig};
use crate::model::{Change, Failure, JournalNote, Task};
use crate::sys::fs::{self, PathError};

pub use crate::logic::contract::lines as contract_lines;

/// The built-in prompt.
const TASK: &str = include_str!("../../templates/prompts/task.md");

/// 4 MiB: far above any prompt that a model reads.
const TEMPLATE_LIMIT: u64 = 4 * 1024 * 1024;

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
    /// One line per earlier iteration, oldest first; the last three are shown.
    pub recent: &'a [String],
}

/// A prompt that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// `prompt.template_file` is there but cannot be read.
    #[error("prompt.template_file: {0}")]
    TemplateFile(#[from] PathError),
    /// `prompt.template_file` is not text.
    #[error("prompt.template_file: {} is not UTF-8 (byte {at})", path.display())]
    TemplateText {
        /// The file.
        path: PathBuf,
        /// How many bytes are sound.
        at: usize,
    },
    /// The built-in template does not fit the values: a defect of autodev.
    #[error("render the built-in prompt: {0}")]
    BuiltIn(#[from] minijinja::Error),
}

/// Returns the user's template: the text of `template_file` if that file exists, else `template`; `None` when there is
/// neither and the built-in prompt is to be used.
///
/// # Errors
/// When the file exists and cannot be read, is larger than 4 MiB, or is not UTF-8.
pub fn template(config: &PromptConfig) -> Result<Option<String>, PromptError> {
    let path = &config.template_file;
    if !path.as_os_str().is_empty() {
        match fs::read_capped(path, TEMPLATE_LIMIT) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|error| PromptError::TemplateText {
                    path: path.clone(),
                    at: error.utf8_error().valid_up_to(),
                })?;
                return Ok(Some(text));
            }
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(config.template.clone()).filter(|text| !text.trim().is_empty()))
}

/// Returns the prompt of an attempt. `template` is what [`template`] found.
///
/// # Errors
/// Only by a defect of the built-in template.
pub fn render(input: &PromptInput<'_>, template: Option<&str>) -> Result<String, PromptError> {
    if let Some(template) = template {
        return Ok(places::fill(template, &values::places(input)));
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?);
    Ok(environment.render_named_str("task.md", TASK, Serde(values::built_in(input)))?)
}

#[cfg(test)]
mod tests;
