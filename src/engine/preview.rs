//! The effect `Preview`: what a dry run shows of a task. Nothing is started and task.json is not touched.

use anyhow::{Context, Result};

use super::Engine;
use crate::model::{EventKind, TaskId};

/// Characters of the prompt that are shown.
const HEAD: usize = 500;

impl Engine {
    pub(super) async fn preview(&mut self, id: &TaskId) -> Result<()> {
        let task = self.queue.task(id).cloned().context("the task has left the queue")?;
        let prompt = self.render_prompt(&task, 1, &[]).await?;
        self.store.record(vec![EventKind::Previewed {
            task: id.clone(),
            title: task.label().to_owned(),
            prompt_chars: prompt.chars().count() as u64,
            prompt_head: prompt.chars().take(HEAD).collect(),
        }])
    }
}
