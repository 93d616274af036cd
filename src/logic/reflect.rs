//! Reflection on a failed attempt: when it is worth a question, what an answer says, what a task takes over of it.
//!
//! Asks nobody and writes nothing. Invariants: whatever the answer, every check that the task had is still there,
//! means the same and decides the same; the task's goal (id, title, description, completion, execution, status) is
//! as it was. An answer can therefore make a task harder, but never easier.

mod read;
mod refine;

use crate::model::{GateReport, ProcessEnd};

pub use crate::model::{RefinedChecks, Refinement};
pub use refine::{Refined, Rules, refine};

/// A failed attempt, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// `[reflection].enabled`.
    pub is_enabled: bool,
    /// `[reflection].max_refinements_per_task`.
    pub max_refinements: u32,
    /// How often the task was refined before.
    pub refinement_count: u32,
    /// How the agent's process ended.
    pub end: &'a ProcessEnd,
    /// What the gate found, when it got that far.
    pub gate: Option<&'a GateReport>,
    /// Whether the attempt changed a file of the project.
    pub has_changes: bool,
    /// Whether another attempt at the task follows if nothing else happens.
    pub has_successor: bool,
}

/// Whether to ask why the attempt failed: there is something to learn from, and an attempt that can use it.
pub fn is_due(occasion: &Occasion<'_>) -> bool {
    let is_wanted = occasion.is_enabled && occasion.refinement_count < occasion.max_refinements;
    let is_blameless = match occasion.end {
        // Says nothing about the work; the service, the machine or the user ended it.
        ProcessEnd::Limited(_) | ProcessEnd::EnvError(_) | ProcessEnd::Interrupted | ProcessEnd::Lost => true,
        ProcessEnd::Exited { .. }
        | ProcessEnd::Signalled { .. }
        | ProcessEnd::TimedOut
        | ProcessEnd::Idle
        | ProcessEnd::NotStarted { .. } => false,
    };
    let has_evidence = occasion.has_changes || occasion.gate.is_some_and(|gate| !gate.verdict.is_pass());
    is_wanted && occasion.has_successor && !is_blameless && has_evidence
}

#[cfg(test)]
mod tests;
