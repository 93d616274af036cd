//! The effect `Reflect`: asks why an attempt failed, and reads from the answer what helps the next one.

use std::path::Path;

use anyhow::{Context, Result};

use super::Engine;
use super::ask::{Answer, Asker, Question};
use crate::logic::reflect::{self, Rules};
use crate::logic::{contract, reply};
use crate::model::{AttemptReport, EventKind, GateReport, Inquiry, Phase, Refinement, Reflection, Task};
use crate::plan;
use crate::prompt::question::ReflectInput;
use crate::sys::tail;

/// `logs` may hold lines of any length: this much of the end is looked at.
const LOG_TAIL_BYTES: u64 = 64 << 10;
/// Changed files shown (section 13 of the reference's description).
const CHANGED_FILES: usize = 40;

impl Engine {
    pub(super) async fn reflect(&mut self, attempt: u32) -> Result<()> {
        let active = self.store.state.active.as_ref().context("reflection without a task")?;
        let id = active.task.clone();
        let (report, gate) = match &active.phase {
            Phase::Attempted { report, .. } => (report.clone(), None),
            Phase::Verified { attempted, gate, .. } => (attempted.clone(), Some(gate.clone())),
            _ => return Ok(()),
        };
        let task = active.spec.as_deref().cloned().or_else(|| self.queue.task(&id).cloned());
        let task = task.context("the task has left the queue")?;
        let prompt = self.reflection_prompt(&task, attempt, &report, gate.as_ref())?;
        let config = &self.project.config;
        let limit = super::limit(config.reflection.prompt_timeout_seconds);
        let mut asker = self.asker();
        // Who worked on the task knows best; who cannot be asked, does not.
        if let Ok(worker) = self.worker(&task).await {
            (asker.backend, asker.version) = (worker.backend, worker.version);
        }
        let question = Question {
            inquiry: Inquiry::Reflection { task: id.clone(), attempt },
            prompt: &prompt,
            limit,
            schema: None,
        };
        let answer = asker.ask(&mut self.store, &mut self.tree, &question).await?;
        self.note_stop()?;
        let reflection = self.read_reflection(&task, &answer);
        self.store.record(vec![EventKind::Reflected { task: id, attempt, reflection }])
    }

    /// Who asks in this run.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            project: self.project.clone(),
            backend: self.backend,
            version: self.version,
            is_root: self.is_root,
            in_git: self.git.is_some(),
            stop: self.stop.clone(),
        }
    }

    fn reflection_prompt(
        &self,
        task: &Task,
        attempt: u32,
        report: &AttemptReport,
        gate: Option<&GateReport>,
    ) -> Result<String> {
        let config = &self.project.config;
        let lines = config.reflection.log_tail_lines as usize;
        // A log that is gone teaches nothing, but the checks still do.
        let log = tail::file_tail(Path::new(&self.store.state.run.attempt_log), lines, LOG_TAIL_BYTES);
        let log_tail = tail::strip_ansi(&self.store.sinks.redact(&log.unwrap_or_default())).into_owned();
        let changed: Vec<String> = report.changed.iter().take(CHANGED_FILES).map(ToString::to_string).collect();
        let outputs: Vec<(String, String)> = gate
            .iter()
            .flat_map(|gate| &gate.checks)
            .filter(|check| !check.verdict.is_pass())
            .filter_map(|check| check.evidence.as_ref().map(|evidence| (check.name.clone(), evidence.tail.clone())))
            .collect();
        let task_json = serde_json::to_string_pretty(&self.queue.file().task_value(&task.id)?)?;
        let input = ReflectInput {
            task_json: &task_json,
            attempt,
            max_attempts: config.run.max_retries,
            exit_code: if gate.is_some() { 99 } else { report.end.code() },
            changed_files: &changed,
            gate_errors: gate.map(|gate| gate.errors.as_slice()).unwrap_or_default(),
            check_output_tails: &outputs,
            log_tail: &log_tail,
            contract: &contract::lines(task, &config.verification),
        };
        Ok(input.render(&config.prompt)?)
    }

    fn read_reflection(&self, task: &Task, answer: &Answer) -> Reflection {
        let skipped = |reason: String| Reflection::Skipped { reason: self.store.sinks.redact(&reason) };
        if !answer.report.is_ok {
            return skipped(answer.trouble());
        }
        let refinement = match reply::choose(&answer.reply, |candidate| proposed(&candidate.value)) {
            Ok(refinement) => refinement,
            Err(error) => return skipped(format!("{error} (the answer: {})", answer.log.display())),
        };
        let refined = reflect::refine(task, &refinement, &self.rules());
        if let Err(reason) = self.queue.file().try_refine(&refined.task) {
            return skipped(format!("the refined task would be unsound: {reason}"));
        }
        Reflection::Applied { refinement: Box::new(refinement), applied: refined.applied, refused: refined.refused }
    }

    /// By what rules a refinement is applied.
    pub(super) fn rules(&self) -> Rules<'_> {
        let config = &self.project.config;
        Rules {
            max_notes: config.reflection.max_learning_notes as usize,
            verification: &config.verification,
            cannot_run: plan::audit::cannot_run,
        }
    }
}

/// Reads a refinement; an object that proposes nothing (a log line, say) is none.
fn proposed(value: &serde_json::Value) -> Result<Refinement, String> {
    let refinement = Refinement::read(value)?;
    let is_empty = Refinement { ignored: Vec::new(), ..refinement.clone() } == Refinement::default();
    if is_empty { Err("the JSON in the answer proposes nothing".to_owned()) } else { Ok(refinement) }
}
