//! An agent at work: its output goes to the attempt log, to the terminal, through the backend's parser and into the
//! journal as far as it matters.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use super::store::Store;
use crate::backend::{self, Parser, Patterns};
use crate::logic::classify::{Digestor, PatternResults};
use crate::model::{EffectId, EventKind, Said};
use crate::sys::proc::{Happening, Stream};
use crate::sys::tail::{LineSplitter, Tail};

/// A line of agent output longer than this is not parsed as an event (it is in the log all the same).
const LINE_LIMIT: usize = 2 << 20;
/// Lines kept for the classifier, and their bytes.
const LAST_LINES: (usize, usize) = (40, 16 << 10);
/// Journaled remarks of one attempt; a chatty agent must not fill the journal.
const REMARKS: u32 = 200;

/// One attempt under way.
pub(super) struct Live<'a> {
    store: &'a mut Store,
    effect: EffectId,
    parser: Box<dyn Parser>,
    lines: LineSplitter,
    errors: LineSplitter,
    patterns: Option<Patterns>,
    /// What the events came to.
    pub digestor: Digestor,
    /// The last lines of plain output, of both streams.
    pub tail: Tail,
    log: File,
    log_path: PathBuf,
    begun: Instant,
    is_active: bool,
    is_fresh: bool,
    remarks: u32,
    /// Why the attempt log is not complete.
    pub log_failure: Option<String>,
    /// The first thing that could not be recorded.
    pub failure: Option<anyhow::Error>,
}

impl<'a> Live<'a> {
    pub(super) fn new(
        store: &'a mut Store,
        effect: EffectId,
        parser: Box<dyn Parser>,
        patterns: Option<Patterns>,
        log: File,
        log_path: PathBuf,
    ) -> Self {
        Self {
            store,
            effect,
            parser,
            lines: LineSplitter::new(LINE_LIMIT),
            errors: LineSplitter::new(LINE_LIMIT),
            patterns,
            digestor: Digestor::default(),
            tail: Tail::new(LAST_LINES.0, LAST_LINES.1),
            log,
            log_path,
            begun: Instant::now(),
            is_active: false,
            is_fresh: true,
            remarks: 0,
            log_failure: None,
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
        if let Err(error) = self.log.write_all(bytes)
            && self.log_failure.is_none()
        {
            self.log_failure = Some(format!("write attempt log {}: {error}", self.log_path.display()));
        }
        self.tail.push(bytes);
        let mut texts: Vec<(String, bool)> = Vec::new();
        let mut take = |line: &[u8], is_cut| texts.push((String::from_utf8_lossy(line).into_owned(), is_cut));
        match stream {
            Stream::Err => self.errors.push(bytes, &mut take),
            Stream::Out => self.lines.push(bytes, &mut take),
        }
        for (line, is_cut) in texts {
            self.search(&line);
            if stream == Stream::Out {
                self.line(&line, is_cut);
            }
        }
        if stream == Stream::Err {
            self.show(bytes);
        }
    }

    fn search(&mut self, line: &str) {
        if let Some(patterns) = &mut self.patterns {
            patterns.line(line);
        }
    }

    /// What the patterns of the `command` backend found.
    pub(super) fn pattern_results(&self) -> PatternResults {
        self.patterns.as_ref().map(Patterns::results).unwrap_or_default()
    }

    /// Takes what is left when the process has ended.
    pub(super) fn end(&mut self, code: i32) {
        let mut rest: Vec<(String, bool)> = Vec::new();
        self.lines.finish(&mut |line, is_cut| rest.push((String::from_utf8_lossy(line).into_owned(), is_cut)));
        for (line, is_cut) in rest {
            self.search(&line);
            self.line(&line, is_cut);
        }
        let mut rest: Vec<String> = Vec::new();
        self.errors.finish(&mut |line, _| rest.push(String::from_utf8_lossy(line).into_owned()));
        for line in rest {
            self.search(&line);
        }
        for said in self.parser.end(code) {
            self.said(&said, None);
        }
    }

    fn line(&mut self, line: &str, is_cut: bool) {
        if is_cut {
            self.show(format!("{}... (long line, see the attempt log)\n", head(line)).as_bytes());
            return;
        }
        let said = self.parser.line(line);
        for said in &said {
            self.said(said, Some(line));
        }
    }

    fn said(&mut self, said: &Said, line: Option<&str>) {
        self.digestor.add(said);
        match (said, line) {
            // Plain output is shown as it came.
            (Said::Text { .. }, Some(line)) if !self.digestor.saw_events => {
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

    /// Says that the agent is still at work.
    pub(super) fn beat(&mut self) {
        let is_active = std::mem::take(&mut self.is_active);
        self.record(EventKind::Heartbeat { elapsed_seconds: self.begun.elapsed().as_secs(), is_active });
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

fn head(line: &str) -> &str {
    line.get(..line.floor_char_boundary(200)).unwrap_or_default()
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
