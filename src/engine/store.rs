//! The journal and the state that follows from it, always together.

use anyhow::Result;

use super::outbox::Outbox;
use super::project::Project;
use super::sinks::Sinks;
use crate::journal::{Durability, Journal};
use crate::logic;
use crate::model::{EffectId, Event, EventKind, RunId, RunStatus, State, Verdict};
use crate::sys;
use crate::sys::killpoint;

/// The only owner of the state of a running process. What is recorded is journaled first, then folded in, then shown.
pub struct Store {
    journal: Journal,
    /// Read by everyone, written by nobody else.
    pub state: State,
    run: RunId,
    version: i64,
    strangers: u64,
    /// The projections.
    pub sinks: Sinks,
    /// Notices, beside a run.
    pub(super) outbox: Option<Outbox>,
}

impl Store {
    /// Opens the journal and folds it into a state.
    ///
    /// # Errors
    /// When `.autodev/` cannot be written or the journal cannot be read.
    pub fn open(project: &Project, sinks: Sinks, run: RunId) -> Result<Self> {
        project.prepare()?;
        let journal = Journal::open(&project.journal())?;
        let mut store = Self { journal, state: State::default(), run, version: 0, strangers: 0, sinks, outbox: None };
        store.version = store.journal.version()?;
        store.fold_new()?;
        Ok(store)
    }

    /// Starts a run id for this process: UTC start time and four random hexadecimal digits.
    pub fn new_run_id() -> RunId {
        let stamp = sys::clock::now().format("%Y%m%dT%H%M%SZ");
        RunId::new(format!("{stamp}-{:04x}", fastrand::u16(..)))
    }

    /// Returns the run id of this process.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// Returns the id of the next effect of this run.
    pub fn next_effect(&self) -> EffectId {
        EffectId::nth(&self.run, self.state.run.effects.saturating_add(1))
    }

    /// Journals events as one, folds them in and shows them.
    ///
    /// # Errors
    /// When the journal cannot be written; nothing has happened then. Projections that fail are no error.
    pub fn record(&mut self, kinds: Vec<EventKind>) -> Result<()> {
        if kinds.is_empty() {
            return Ok(());
        }
        let durability =
            if kinds.iter().any(must_survive_a_power_cut) { Durability::Synced } else { Durability::Cached };
        killpoint::reach("before journal");
        let events = self.journal.append(&self.run, sys::clock::now(), kinds, durability)?;
        killpoint::reach("after journal");
        // What another process has journaled since the last look comes first: events are folded in the journal's order.
        if let Some(first) = events.first().filter(|first| first.seq > self.state.seq.saturating_add(1)) {
            let mut between = Vec::new();
            self.journal.read_after(self.state.seq, &mut |event| between.push(event))?;
            between.retain(|event| event.seq < first.seq);
            self.fold_strange(&between);
        }
        for event in &events {
            self.fold(event);
        }
        Ok(())
    }

    /// Folds in what other processes (`task block` and the like) have journaled meanwhile.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn catch_up(&mut self) -> Result<()> {
        let version = self.journal.version()?;
        if version == self.version {
            return Ok(());
        }
        self.version = version;
        let mut fresh = Vec::new();
        self.journal.read_after(self.state.seq, &mut |event| fresh.push(event))?;
        self.fold_strange(&fresh);
        Ok(())
    }

    fn fold_strange(&mut self, events: &[Event]) {
        for event in events {
            self.fold(event);
        }
        self.strangers += events.len() as u64;
    }

    /// Returns how many events of other processes were folded in since this one began.
    pub fn strangers(&self) -> u64 {
        self.strangers
    }

    fn fold_new(&mut self) -> Result<()> {
        let state = &mut self.state;
        self.journal.read_after(state.seq, &mut |event| logic::apply(state, &event))?;
        Ok(())
    }

    fn fold(&mut self, event: &Event) {
        logic::apply(&mut self.state, event);
        self.sinks.show(&self.journal, event, &self.state);
        if let Some(outbox) = &self.outbox
            && logic::notify::may_raise(&event.kind)
        {
            outbox.told(event.seq);
        }
    }

    /// Writes every projection that is due, now.
    pub fn flush(&mut self) {
        self.sinks.flush(&self.state);
    }

    /// Brings append-only projections up to the journal after a crash.
    pub fn catch_up_sinks(&mut self) {
        self.sinks.catch_up(&self.journal);
    }

    /// Hands every event to `each`, in order.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn each_event(&self, each: &mut dyn FnMut(Event)) -> Result<()> {
        Ok(self.journal.read_after(0, each)?)
    }

    /// Returns the journal, for facts.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}

impl Store {
    /// Whether `run` is the run that is under way in this project right now.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn is_active_run(project: &Project, run: &str) -> Result<bool> {
        if !project.is_running() {
            return Ok(false);
        }
        let Some(journal) = Journal::open_existing(&project.journal())? else { return Ok(false) };
        let mut state = State::default();
        journal.read_after(0, &mut |event| logic::apply(&mut state, &event))?;
        Ok(state.run.id.as_str() == run)
    }
}

/// Verdicts, and everything that must be known before the world is changed by it. A sync covers all that was appended
/// before, so what is always followed by another such event before anything happens outside needs none of its own: the
/// opening of a task by the start of its attempt, a passed gate by the start of the commit or the completion, and a made
/// commit (which its trailer proves anyway) by the completion.
fn must_survive_a_power_cut(kind: &EventKind) -> bool {
    match kind {
        EventKind::GateEnded { report, .. } => report.verdict != Verdict::Pass,
        EventKind::AttemptStarted { .. }
        | EventKind::CommitStarted { .. }
        | EventKind::TaskCompleted { .. }
        | EventKind::TaskBlocked { .. }
        | EventKind::Replanned { .. }
        | EventKind::Planned { .. }
        | EventKind::PlansTaking { .. }
        | EventKind::SalvageStarted { .. }
        | EventKind::RevertStarted { .. }
        | EventKind::ExperimentEnded { .. }
        | EventKind::Salvaged { .. }
        | EventKind::TaskReopened { .. }
        | EventKind::StatusSet { .. }
        | EventKind::Held { .. }
        | EventKind::HoldEnded { .. }
        | EventKind::ScheduleFiring { .. }
        | EventKind::ScheduleFired { .. }
        | EventKind::QueueBroken { .. }
        | EventKind::RunEnded { .. } => true,
        EventKind::RunStarted(_)
        | EventKind::RunLost { .. }
        | EventKind::TaskOpened { .. }
        | EventKind::Committed { .. }
        | EventKind::QueueSeen { .. }
        | EventKind::QueueEditUndone { .. }
        | EventKind::QueueSaving { .. }
        | EventKind::QueueSaved
        | EventKind::AgentSpawned { .. }
        | EventKind::AgentSaid { .. }
        | EventKind::Heartbeat { .. }
        | EventKind::AttemptEnded { .. }
        | EventKind::GateStarted { .. }
        | EventKind::GateCancelled { .. }
        | EventKind::AskStarted { .. }
        | EventKind::BaselineStarted { .. }
        | EventKind::BaselineEnded { .. }
        | EventKind::CampaignReset { .. }
        | EventKind::Proposed { .. }
        | EventKind::CompareStarted { .. }
        | EventKind::PairMeasured { .. }
        | EventKind::CompareEnded { .. }
        | EventKind::ExperimentJudged { .. }
        | EventKind::Reverted { .. }
        | EventKind::AskEnded { .. }
        | EventKind::Reflected { .. }
        | EventKind::EpochEnded { .. }
        | EventKind::ReplanStarted { .. }
        | EventKind::AttemptFailed { .. }
        | EventKind::Paused { .. }
        | EventKind::PauseEnded
        | EventKind::CommitSkipped { .. }
        | EventKind::CommitRefused { .. }
        | EventKind::BlockDecided { .. }
        | EventKind::TaskDropped { .. }
        | EventKind::StopRequested { .. }
        | EventKind::EnvProblemFound { .. }
        | EventKind::Previewed { .. }
        | EventKind::WatchStarted { .. }
        // The queue itself holds what was taken, and a plan that failed is only looked at once more.
        | EventKind::PlanTaken { .. }
        | EventKind::PlanWithdrawn { .. }
        | EventKind::PlanFailed { .. }
        | EventKind::ScheduleSeen { .. }
        | EventKind::Note { .. }
        | EventKind::Unknown => false,
    }
}

/// Says in the state (not in the journal) that a run which claims to be under way is not: nobody holds its lock.
pub fn mark_dead(state: &mut State) {
    if state.run.exit_code.is_none() && state.run.status.is_active() {
        state.run.status = RunStatus::Interrupted;
        "The run was killed; `autodev run` goes on from there".clone_into(&mut state.run.message);
        state.run.finished_at = state.run.updated_at;
    }
}

#[cfg(test)]
mod tests {
    use super::super::sinks::Audience;
    use super::*;

    #[test]
    fn what_another_process_has_journaled_is_folded_in_before_what_comes_after_it() {
        let dir = tempfile::tempdir().unwrap();
        sys::fs::append(&dir.path().join("autodev.toml"), b"").unwrap();
        let project = Project::open(None, dir.path()).unwrap();
        let open = || Store::open(&project, Sinks::new(&project, Audience::Command), Store::new_run_id()).unwrap();
        let (mut run, mut other) = (open(), open());
        let note = || EventKind::Note { level: "info".into(), text: "x".into() };
        run.record(vec![note()]).unwrap();
        other.record(vec![EventKind::Held { reason: String::new(), until: None, interrupts: false }]).unwrap();
        run.record(vec![note()]).unwrap();
        assert!(run.state.hold.is_some() && run.state.seq == 3 && run.strangers() == 1);
        run.catch_up().unwrap();
        assert_eq!(run.strangers(), 1, "nothing is folded in twice");
        other.catch_up().unwrap();
        assert_eq!(other.state, run.state);
    }
}
