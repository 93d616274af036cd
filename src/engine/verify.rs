//! The effect `Verify`: every check, on everything the task has changed since it began.

use anyhow::{Context, Result};

use super::Engine;
use super::queue::Suspect;
use crate::gate::{self, GateInput};
use crate::logic::judge::Reference;
use crate::model::{EffectId, EventKind};
use crate::sys;
use crate::sys::killpoint;

impl Engine {
    pub(super) async fn verify(&mut self, attempt: u32) -> Result<()> {
        let active = self.store.state.active.as_ref().context("verify without a task")?;
        let (base, touched, id) = (active.base.clone(), active.touched.clone(), active.task.clone());
        // The contract is the one the attempt began with, whatever the file says by now.
        let spec = active.spec.clone();
        let task = match spec {
            Some(task) => *task,
            None => self.queue.task(&id).cloned().context("the task has left the queue")?,
        };
        let now = self.tree.scan()?;
        let (task, changed, reference) = match self.candidate() {
            Some((contract, changed, reference)) => (contract, changed, reference),
            None => (task, self.tree.changed(&base, &touched, &now)?, Reference::default()),
        };
        self.checked = Some(now.digest());
        let effect = self.store.next_effect();
        self.store.record(vec![EventKind::GateStarted { effect: effect.clone(), attempt }])?;
        let log_dir = gate::log_dir(&self.project.config.files.log_dir, &task.id, attempt, sys::clock::now());
        let input = GateInput {
            task: &task,
            changed: &changed,
            config: &self.project.config.verification,
            code_dir: &self.project.config.project.code_dir,
            log_dir: &log_dir,
            is_baseline: false,
            reference,
            env: &self.child_env(&task.id, attempt),
            redactor: self.store.sinks.redactor(),
        };
        let result = gate::run(&input, self.stop.for_child(), &mut |_| {}).await;
        killpoint::reach("checks ended");
        // A check may be a script the agent wrote.
        self.queue.refresh(&mut self.store, Suspect::Agent)?;
        if let Ok(report) = result {
            return self.store.record(vec![EventKind::GateEnded { effect, report, changed }]);
        }
        self.note_stop()?;
        self.store.record(vec![EventKind::GateCancelled { effect }])
    }

    /// Variables for every agent and check of this run.
    pub(super) fn child_env(&self, task: &crate::model::TaskId, attempt: u32) -> Vec<(String, String)> {
        vec![
            ("AUTODEV_RUN_ID".to_owned(), self.store.run().to_string()),
            ("AUTODEV_TASK_ID".to_owned(), task.to_string()),
            ("AUTODEV_ATTEMPT".to_owned(), attempt.to_string()),
        ]
    }

    /// Returns the effect id of whatever comes next.
    pub(super) fn effect(&self) -> EffectId {
        self.store.next_effect()
    }
}
