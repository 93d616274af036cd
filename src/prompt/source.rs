//! Where a prompt's template comes from: the project's own file, else the built-in one.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use super::PromptError;
use crate::model::config::PromptConfig;
use crate::sys::fs;

/// 4 MiB: far above any prompt that a model reads.
const TEMPLATE_LIMIT: u64 = 4 * 1024 * 1024;

/// The prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Work on a task.
    Task,
    /// Write a specification.
    Spec,
    /// Plan tasks.
    Plan,
    /// Plan what remains after an epoch.
    Replan,
    /// Say why an attempt failed.
    Reflect,
    /// Answer again; stands after another prompt.
    Repair,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Task, Self::Spec, Self::Plan, Self::Replan, Self::Reflect, Self::Repair];

    /// Returns the name of its file in `[prompt].dir`.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Task => "task.md",
            Self::Spec => "spec.md",
            Self::Plan => "plan.md",
            Self::Replan => "replan.md",
            Self::Reflect => "reflect.md",
            Self::Repair => "repair.md",
        }
    }

    /// Returns the built-in template, a good start for one of one's own.
    pub fn built_in(self) -> &'static str {
        match self {
            Self::Task => include_str!("../../templates/prompts/task.md"),
            Self::Spec => include_str!("../../templates/prompts/spec.md"),
            Self::Plan => include_str!("../../templates/prompts/plan.md"),
            Self::Replan => include_str!("../../templates/prompts/replan.md"),
            Self::Reflect => include_str!("../../templates/prompts/reflect.md"),
            Self::Repair => include_str!("../../templates/prompts/repair.md"),
        }
    }
}

/// A Jinja template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub(super) name: Name,
    pub(super) text: Cow<'static, str>,
    pub(super) origin: Origin,
}

/// Whose template it is, and so whose mistakes are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    BuiltIn,
    File(PathBuf),
}

impl Source {
    pub(super) fn built_in(name: Name) -> Self {
        Self { name, text: Cow::Borrowed(name.built_in()), origin: Origin::BuiltIn }
    }
}

/// Returns the template of a prompt: the file of `[prompt].dir` if it exists, else the built-in one.
///
/// # Errors
/// When the directory does not exist, or the file exists and cannot be read, is larger than 4 MiB, or is not UTF-8.
pub fn source(config: &PromptConfig, name: Name) -> Result<Source, PromptError> {
    if config.dir.as_os_str().is_empty() {
        return Ok(Source::built_in(name));
    }
    let path = config.dir.join(name.file_name());
    match text(&path, "prompt.dir")? {
        Some(text) => Ok(Source { name, text: Cow::Owned(text), origin: Origin::File(path) }),
        None if config.dir.is_dir() => Ok(Source::built_in(name)),
        None => Err(PromptError::Dir { path: config.dir.clone() }),
    }
}

/// Reads a template; `None` when there is no such file. `key` is named in errors.
pub(super) fn text(path: &Path, key: &'static str) -> Result<Option<String>, PromptError> {
    match fs::read_capped(path, TEMPLATE_LIMIT) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).map_err(|error| PromptError::NotText {
                key,
                path: path.to_path_buf(),
                at: error.utf8_error().valid_up_to(),
            })?;
            Ok(Some(text))
        }
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PromptError::File { key, error }),
    }
}
