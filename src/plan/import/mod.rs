//! Turns a plan that a person or another tool wrote into tasks, without a model.
//!
//! [`detect`] says what a text is, [`read`] makes tasks of it in the shape of task.json. Pure over text: the caller
//! reads the files and names them; nothing is executed here and no path in a text is followed. A reader only takes what
//! the text says: where it says too little to run, [`Import::gaps`] tells what is missing and the text is for planning.
//!
//! Every format is one file. The markdown ones share the outline (`markdown`), the rules for list items (`item`) and
//! for sections (`section`); `finish` gives ids, titles, order and checks and is the same for all.
//!
//! Invariant: when an import [is complete](Import::is_complete), each of its tasks has an id and a title of its own, a
//! description, a step and a check, and comes after the tasks it depends on; whatever the text holds, nothing panics and
//! the time stays proportional to its length.

mod check;
mod checklist;
mod command;
mod detect;
mod draft;
mod error;
mod finish;
mod heading;
mod ids;
mod inline;
mod item;
mod line;
mod markdown;
mod matter;
mod openspec;
mod order;
mod paths;
mod plan;
mod ralphex;
mod section;
mod spec_kit;
mod task_master;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

pub use detect::{detect, detect_folder};
pub use error::ImportError;
pub use matter::Matter;

/// The most tasks that one import may have. Thousands of times what a run works through; a file with more is none.
pub const MAX_TASKS: usize = 10_000;

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A markdown checklist: `- [ ] ...`, nested items are steps, headings are groups.
    Checklist,
    /// `tasks.md` of spec-kit: `- [ ] T001 [P] [US1] ... in src/a.py`.
    SpecKit,
    /// A change of OpenSpec: `tasks.md` with `## 1. Group` and `- [ ] 1.1 ...`, beside `proposal.md` and `specs/`.
    OpenSpec,
    /// `tasks.json` of claude-task-master, with tags or without.
    TaskMaster,
    /// A plan of ralphex: `### Task 1: ...` with checkboxes, and `## Validation Commands`.
    Ralphex,
    /// Any other plan in markdown, with or without front matter; tasks stand below `## Tasks` or in checklists.
    Plan,
}

impl Format {
    /// Returns the name used in messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checklist => "checklist",
            Self::SpecKit => "spec-kit",
            Self::OpenSpec => "openspec",
            Self::TaskMaster => "task-master",
            Self::Ralphex => "ralphex",
            Self::Plan => "plan",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One file, read by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Document<'a> {
    /// As tasks shall name it; with `/` between its parts.
    pub path: &'a str,
    /// Its whole text.
    pub text: &'a str,
}

/// What is read: one file, or the files of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    documents: Vec<Document<'a>>,
}

impl<'a> Source<'a> {
    /// A single file.
    pub fn file(path: &'a str, text: &'a str) -> Self {
        Self { documents: vec![Document { path, text }] }
    }

    /// The files of a folder; only `*.md` and `tasks.json` matter. Sorted by path; paths that are absolute or have `..`
    /// are left out.
    pub fn folder(documents: impl IntoIterator<Item = Document<'a>>) -> Self {
        let is_inside =
            |path: &str| !path.starts_with(['/', '\\']) && !path.split(['/', '\\']).any(|part| part == "..");
        let mut documents: Vec<_> = documents.into_iter().filter(|document| is_inside(document.path)).collect();
        documents.sort_by_key(|document| document.path);
        Self { documents }
    }
}

/// What the plan does not say itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The project's test commands: the checks of tasks for which the plan states none.
    pub validate_commands: Vec<String>,
    /// Take finished items too, as open tasks.
    pub with_done: bool,
    /// Which tag of a task list to read; `None` is `master`, else the first.
    pub tag: Option<String>,
}

/// A plan as tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// How it was written.
    pub format: Format,
    /// Never empty: the front matter's title, the first heading, or the file's name.
    pub title: String,
    /// The front matter of a markdown file that has some.
    pub matter: Option<Matter>,
    /// Entries for `tasks` of task.json, in order of work. Each has, beside the usual members, `source` with `file` and
    /// `line`, and `depends_on` when it depends on others of the list.
    pub tasks: Vec<Map<String, Value>>,
    /// How many items are finished. They are no tasks unless [`Defaults::with_done`] says so.
    pub done: usize,
    /// What is missing to work without planning; empty when nothing is.
    pub gaps: Vec<Gap>,
    /// What a person should know and that is no gap: items left out, ids changed.
    pub notes: Vec<String>,
}

impl Import {
    /// Whether the tasks can be worked on as they are. Otherwise the text is for planning, unless nothing is left to do
    /// ([`Gap::AllDone`]).
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty() && !self.tasks.is_empty()
    }
}

/// Something that a plan lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// There is no item that could be a task.
    NoItem,
    /// Every item is finished.
    AllDone {
        /// How many.
        done: usize,
    },
    /// Neither a command nor a file proves a task done.
    NoCheck {
        /// The task's id.
        id: String,
        /// Its line.
        line: usize,
    },
    /// A task depends on one that the plan does not have.
    UnknownDependency {
        /// The task's id.
        id: String,
        /// What it names.
        needs: String,
        /// Its line.
        line: usize,
    },
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoItem => f.write_str("it has no list of tasks"),
            Self::AllDone { done } => write!(f, "every one of its {done} items is finished"),
            Self::NoCheck { id, line } => write!(f, "line {line}: nothing proves task {id} done"),
            Self::UnknownDependency { id, needs, line } => {
                write!(f, "line {line}: task {id} depends on {needs}, which the plan does not have")
            }
        }
    }
}

/// Reads a plan.
///
/// # Errors
/// When a JSON text is broken or has wrong types, the front matter is broken, tasks depend on each other in a circle, a
/// folder has no file or several files of this format, or there are more than [`MAX_TASKS`] items.
pub fn read(format: Format, source: &Source, defaults: &Defaults) -> Result<Import, ImportError> {
    let document = detect::main_document(format, source)?;
    let plan = match format {
        Format::TaskMaster => task_master::read(document, defaults)?,
        Format::Checklist => draft::markdown(document, checklist::read)?,
        Format::SpecKit => draft::markdown(document, spec_kit::read)?,
        Format::OpenSpec => openspec::beside(source, document, draft::markdown(document, openspec::read)?),
        Format::Ralphex => draft::markdown(document, ralphex::read)?,
        Format::Plan => draft::markdown(document, plan::read)?,
    };
    let plan = if format == Format::SpecKit { spec_kit::beside(source, document, plan) } else { plan };
    finish::finish(format, document, plan, defaults)
}
