//! Settles what an earlier run left half done. Runs before anything else, under the run lock.

use anyhow::Result;

use super::Engine;
use crate::logic::{self, Recovery};
use crate::model::{AttemptReport, EffectId, EventKind, ProcessEnd, Usage};
use crate::sys;
use crate::sys::killpoint;

impl Engine {
    pub(super) async fn recover(&mut self) -> Result<()> {
        let run = &self.store.state.run;
        let was_lost = run.exit_code.is_none() && !run.id.is_empty();
        if was_lost {
            let lost = run.id.clone();
            let killed = sys::guard::sweep(lost.as_str());
            self.store.record(vec![EventKind::RunLost { lost, killed }])?;
        }
        self.settle_queue_write()?;
        self.settle_replan()?;
        self.forget_lost_bases().await?;
        let recovery = logic::recover(&self.store.state);
        match &recovery {
            // An agent may have been at work on task.json too.
            Some(Recovery::EndAttempt { .. } | Recovery::RepeatGate { .. }) => {
                self.queue.refresh_after_kill(&mut self.store)?;
            }
            Some(Recovery::FindCommit { .. }) | None => {}
        }
        killpoint::reach("recovery");
        match recovery {
            None => Ok(()),
            Some(Recovery::EndAttempt { effect, before }) => self.end_lost_attempt(effect, &before),
            Some(Recovery::RepeatGate { effect }) => self.store.record(vec![EventKind::GateCancelled { effect }]),
            Some(Recovery::FindCommit { effect }) => self.find_commit(effect).await,
        }
    }

    /// Removes snapshots and bases that nothing refers to: those of attempts and tasks whose end was journaled, but not
    /// cleaned up.
    async fn forget_lost_bases(&mut self) -> Result<()> {
        let state = &self.store.state;
        // What is salvaged needs its base no longer.
        let parked = state.parked.values().filter(|parked| parked.salvage.is_none());
        let mut wanted: Vec<String> = parked.map(|parked| parked.base.clone()).collect();
        if let Some(active) = &state.active {
            wanted.push(active.base.clone());
            if let Some((before, _)) = active.campaign.as_ref().and_then(|campaign| campaign.before.as_ref()) {
                wanted.push(before.clone());
            }
            if let crate::model::Phase::Attempting { before, .. } = &active.phase {
                wanted.push(before.clone());
            }
        }
        self.tree.forget_all_but(&wanted);
        match &self.git {
            Some(git) => Ok(git.drop_bases_but(&wanted).await?),
            None => Ok(()),
        }
    }

    /// Whether task.json already holds what was being written when the run was killed.
    fn settle_queue_write(&mut self) -> Result<()> {
        let Some(digest) = self.store.state.saving.clone() else { return Ok(()) };
        if self.queue.holds(&digest) {
            self.store.record(vec![EventKind::QueueSaved])?;
        }
        Ok(())
    }

    /// What the killed attempt did to the tree stays and counts.
    fn end_lost_attempt(&mut self, effect: EffectId, before: &str) -> Result<()> {
        let now = self.tree.scan()?;
        let changed = match self.tree.kept(before) {
            Ok(manifest) => self.tree.changes(&manifest, &now),
            Err(error) => {
                self.warn(format!("the snapshot before the killed attempt is unreadable: {error:#}"))?;
                Vec::new()
            }
        };
        if self.store.state.active.as_ref().is_none_or(|active| active.base != before && active.campaign.is_none()) {
            self.tree.forget(before);
        }
        let report = AttemptReport {
            end: ProcessEnd::Lost,
            is_ok: false,
            message: String::new(),
            session: String::new(),
            usage: Usage::default(),
            changed,
            duration_ms: 0,
            strays: 0,
        };
        self.store.record(vec![EventKind::AttemptEnded { effect, report }])
    }

    async fn find_commit(&mut self, effect: EffectId) -> Result<()> {
        let found = match &self.git {
            Some(git) => git.find_effect(&effect, None).await?,
            None => None,
        };
        let event = match found {
            Some(sha) => EventKind::Committed { effect, sha },
            None => EventKind::GateCancelled { effect },
        };
        self.store.record(vec![event])
    }
}
