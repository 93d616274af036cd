//! What a reflection on a failed attempt answered, as far as it is understood: plain data for the journal.
//!
//! [`crate::logic::reflect`] reads it and says what of it a task takes over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::CommandSpec;

/// A bounded answer. Empty and `None` mean: unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Refinement {
    /// Why the attempt failed, and what the next one does differently.
    pub summary: String,
    /// Replace the task's steps.
    pub steps: Vec<String>,
    /// Further documents to read.
    pub docs: Vec<String>,
    /// Further files that should come out.
    pub output: Vec<String>,
    /// Further notes for whoever implements.
    pub implementation_notes: Vec<String>,
    /// Further notes about the checks.
    pub verification_notes: Vec<String>,
    /// What was learnt.
    pub learning_notes: Vec<String>,
    /// Further checks.
    pub verification: RefinedChecks,
    /// What of the answer was not understood or too long, one line each. Not part of an answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// Checks as an answer names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefinedChecks {
    /// Globs, of which one must match a changed file.
    pub path_patterns: Vec<String>,
    /// Commands to add.
    pub validate_commands: Vec<CommandSpec>,
    /// Above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_timeout_seconds: Option<u64>,
    /// Where the added commands run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_working_directory: Option<String>,
    /// Set for the added commands.
    pub validate_environment: BTreeMap<String, String>,
}
