//! From what a person wants to a queue: `autodev spec` and `autodev plan`.
//!
//! A text becomes a specification, a specification becomes tasks; a plan that says enough becomes tasks without asking
//! anybody. Invariant: task.json changes only when everything before has succeeded, and what it held is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::ask::{Answer, Asker, Question};
use super::desk::Desk;
use super::project::Project;
use super::queue;
use super::store::Store;
use super::tree::Tree;
use crate::logic::reply;
use crate::model::{EventKind, Inquiry, Placement, TaskId, Usage};
use crate::plan::source::Source;
use crate::plan::{self, Finding, Proposal, QueueFile};
use crate::prompt::question::{self, PlanInput, RepairInput, SpecInput};
use crate::sys;
use crate::sys::fs::{Durability, write_atomic};

/// What `autodev plan` is to do.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// What is wanted.
    pub source: Source,
    /// The file or directory it came from, which may be a plan that needs no model.
    pub path: Option<PathBuf>,
    /// Ask the backend even when the plan says enough.
    pub ask: bool,
    /// Add to the queue and keep what is there.
    pub append: bool,
    /// Where to write instead of task.json.
    pub output: Option<PathBuf>,
}

/// What `autodev plan` did.
#[derive(Clone, Debug)]
pub struct PlanReport {
    /// The specification that was made on the way, as people read its path.
    pub specification: Option<String>,
    /// The format of a plan that was taken as it is.
    pub imported: Option<&'static str>,
    /// Ids and titles of the new tasks.
    pub tasks: Vec<(TaskId, String)>,
    /// What was written.
    pub output: PathBuf,
    /// Where the queue that was replaced is kept.
    pub backup: Option<PathBuf>,
    /// Remarks for people.
    pub remarks: Vec<String>,
    /// Tokens and money of all questions.
    pub usage: Usage,
}

/// What `autodev spec` did.
#[derive(Clone, Debug)]
pub struct SpecReport {
    /// What was written.
    pub output: PathBuf,
    /// Tokens and money.
    pub usage: Usage,
    /// Headings that are missing.
    pub missing: Vec<&'static str>,
}
