//! An agent at work: its output goes to the attempt log, to the terminal, through the backend's parser and into the
//! journal as far as it matters.

use std::time::Instant;

use super::ear::{Ear, Heard};
use super::pulse::Pulse;
use super::store::Store;
use crate::backend;
use crate::model::{EffectId, EventKind, Said, Vital};
use crate::sys::proc::{Happening, Stream};

/// Journaled remarks of one attempt; a chatty agent must not fill the journal.
const REMARKS: u32 = 200;

/// One attempt under way.
pub(super) struct Live<'a> {
    store: &'a mut Store,
    effect: EffectId,
    /// What is heard.
    pub ear: Ear,
    begun: Instant,
    pulse: Pulse,
    is_active: bool,
    is_fresh: bool,
    remarks: u32,
    /// The first thing that could not be recorded.
    pub failure: Option<anyhow::Error>,
}

impl<'a> Live<'a> {
    pub(super) fn new(store: &'a mut Store, effect: EffectId, ear: Ear, pulse: Pulse) -> Self {
        Self {
            store,
            effect,
            ear,
            begun: Instant::now(),
            pulse,
            is_active: false,
            is_fresh: true,
            remarks: 0,
            failure: None,
        }
    }

    /// Takes one happening of the process.
    pub(super) fn happen(&mut self, happening: &Happening<'_>) {
        match happening {
            Happening::Spawned { pid, start_ticks } => {
                let event =
                    EventKind::AgentSpawned { effect: self.effect.clone(), pid: *pid, start_ticks: *start_ticks };
                self.record(event);
            }
            Happening::Output(stream, bytes) => self.output(*stream, bytes),
        }
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) {
        self.is_active = true;
        self.pulse.printed(stream, bytes);
        let heard = self.ear.hear(stream, bytes);
        self.tell(&heard);
        if stream == Stream::Err {
            self.show(bytes);
        }
    }

    /// Takes what is left when the process has ended.
    pub(super) fn end(&mut self, code: i32) {
        let heard = self.ear.end(code);
        self.tell(&heard);
    }

    fn tell(&mut self, heard: &[Heard]) {
        for heard in heard {
            match heard {
                Heard::Said { said, line } => self.said(said, line.as_deref()),
                Heard::LongLine(head) => self.show(format!("{head}... (long line, see the attempt log)\n").as_bytes()),
            }
        }
    }

    fn said(&mut self, said: &Said, line: Option<&str>) {
        self.pulse.said(said);
        match (said, line) {
            // Plain output is shown as it came.
            (Said::Text { .. }, Some(line)) if !self.ear.digestor.saw_events => {
                self.show(format!("{line}\n").as_bytes());
            }
            _ => {
                if let Some(text) = backend::log_text(said) {
                    self.show(format!("{text}\n").as_bytes());
                }
            }
        }
        let matters = match said {
            Said::Session { .. } | Said::Retry { .. } | Said::Error(_) | Said::Final(_) => true,
            Said::Text { .. }
            | Said::Thinking { .. }
            | Said::ToolStarted { .. }
            | Said::ToolEnded { .. }
            | Said::Usage { .. }
            | Said::Notice { .. } => false,
        };
        if matters && self.remarks < REMARKS {
            self.remarks += 1;
            let said = redacted(said, &|text| self.store.sinks.redact(text));
            self.record(EventKind::AgentSaid { effect: self.effect.clone(), said });
        }
    }

    /// Writes the status files if they are behind.
    pub(super) fn show_status(&mut self) {
        self.store.flush();
    }

    /// Takes over what other processes have journaled, and says whether a person wants the agent to be interrupted.
    pub(super) fn is_held_off(&mut self) -> bool {
        if let Err(error) = self.store.catch_up()
            && self.failure.is_none()
        {
            self.failure = Some(error);
        }
        self.store.state.run.is_held_off
    }

    /// Says that the agent is still at work.
    pub(super) fn beat(&mut self) {
        let is_active = std::mem::take(&mut self.is_active);
        // A command or a question may hold a secret.
        let Vital { state, reason } = self.pulse.standing();
        let standing = Some(Vital { state, reason: self.store.sinks.redact(&reason) });
        self.record(EventKind::Heartbeat { elapsed_seconds: self.begun.elapsed().as_secs(), is_active, standing });
        self.store.flush();
    }

    /// Journals that a stop was asked for.
    pub(super) fn stopped(&mut self, signal: &str) {
        if self.store.state.run.stop.is_none() {
            self.record(EventKind::StopRequested { signal: signal.to_owned() });
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        self.store.sinks.agent_output(bytes, is_fresh);
    }

    fn record(&mut self, kind: EventKind) {
        if let Err(error) = self.store.record(vec![kind])
            && self.failure.is_none()
        {
            self.failure = Some(error);
        }
    }
}

fn redacted(said: &Said, redact: &dyn Fn(&str) -> String) -> Said {
    let mut said = said.clone();
    match &mut said {
        Said::Retry { error, .. } | Said::Error(error) => error.message = redact(&error.message),
        Said::Final(last) => {
            last.message = redact(&last.message);
            if let Some(error) = &mut last.error {
                error.message = redact(&error.message);
            }
        }
        Said::Session { .. }
        | Said::Text { .. }
        | Said::Thinking { .. }
        | Said::ToolStarted { .. }
        | Said::ToolEnded { .. }
        | Said::Usage { .. }
        | Said::Notice { .. } => {}
    }
    said
}
