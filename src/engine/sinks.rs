//! Writes the projections. Nothing here is ever read back as truth, and a sink that fails never stops a run.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::project::Project;
use crate::journal::Journal;
use crate::model::{Event, EventKind, Pause, State};
use crate::sys;
use crate::sys::fs::{Context as _, Durability, PathError, write_atomic};
use crate::sys::killpoint;
use crate::sys::redact::Redactor;
use crate::view::{self, LogLine, Names, Style};

/// Status files may take this share of a run's time: they are rewritten at most every cost x 10.
const THROTTLE: u32 = 10;
/// And never more often than this, unless somebody may be waiting for it: nobody reads faster.
const SHORTEST: Duration = Duration::from_millis(50);
/// Status files of less than so many bytes (some 200 tasks) are always rewritten at once when somebody may be looking:
/// they cost about a millisecond. Judged by size, as a measured cost depends on what else the machine does.
const SMALL: usize = 256 << 10;
/// Agent output copied into autodev.log per attempt; the attempt log has all of it.
const LOG_COPY_LIMIT: u64 = 8 << 20;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A run: log lines on stderr and in autodev.log, agent output on stdout.
    Run,
    /// A command beside a run: only the files.
    Command,
    /// Nobody: a process that lives beside runs, which show what happens themselves.
    Nobody,
}

/// The projections of one project.
pub struct Sinks {
    files: Places,
    audience: Audience,
    style: Style,
    log: Option<File>,
    redactor: Redactor,
    progress: Ledger,
    experiments: Ledger,
    brief: Option<String>,
    is_stale: bool,
    written: Option<Instant>,
    cost: Duration,
    size: usize,
    copied: u64,
    complaints: Vec<String>,
}

/// Where the projections are.
#[derive(Clone, Debug)]
pub struct Places {
    /// progress.txt.
    pub progress: PathBuf,
    /// TASK.md.
    pub brief: PathBuf,
    /// logs/experiments.jsonl.
    pub experiments: PathBuf,
    /// logs/autodev.log.
    pub log: PathBuf,
    /// logs/runtime-status.json.
    pub status: PathBuf,
    /// logs/dashboard.html.
    pub dashboard: PathBuf,
    /// Names shown in TASK.md.
    pub names: Names,
}

impl Places {
    /// Returns the places of a project.
    pub fn of(project: &Project) -> Self {
        let files = &project.config.files;
        let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Self {
            progress: files.progress.clone(),
            brief: files.task_brief.clone(),
            experiments: files.log_dir.join("experiments.jsonl"),
            log: files.log_dir.join("autodev.log"),
            status: files.log_dir.join("runtime-status.json"),
            dashboard: files.log_dir.join("dashboard.html"),
            names: Names {
                project: project.config.project.name.clone(),
                backend: project.config.backend.default.as_str().to_owned(),
                task_file: name(&files.task_json),
                guide: name(&files.execution_guide),
                progress: name(&files.progress),
                dashboard: project.shown(&files.log_dir.join("dashboard.html")),
                changed_files_preview: project.config.verification.changed_files_preview_limit as usize,
            },
        }
    }
}

impl Sinks {
    /// Prepares the sinks; nothing is written yet.
    pub fn new(project: &Project, audience: Audience) -> Self {
        let colour = std::io::stderr().is_terminal() && sys::env::raw("NO_COLOR").is_none_or(|v| v.is_empty());
        let files = Places::of(project);
        let progress = Ledger {
            name: "progress",
            head: "progress_head",
            path: files.progress.clone(),
            entry: view::progress::entry,
        };
        let experiments = Ledger {
            name: "experiments",
            head: "experiments_head",
            path: files.experiments.clone(),
            entry: view::experiment::record::entry,
        };
        Self {
            files,
            progress,
            experiments,
            audience,
            style: Style { is_coloured: colour, columns: None, zone: sys::clock::zone() },
            log: None,
            redactor: project.redactor(),
            brief: None,
            is_stale: false,
            written: None,
            cost: Duration::ZERO,
            size: 0,
            copied: 0,
            complaints: Vec::new(),
        }
    }

    /// Shows one event that has just been folded into `state`.
    pub fn show(&mut self, journal: &Journal, event: &Event, state: &State) {
        if self.audience == Audience::Nobody {
            return;
        }
        if self.audience == Audience::Run {
            for line in view::log::lines(event, state, &self.files.names, &self.style) {
                self.log_line(event, &line);
            }
        }
        let name = if state.project.is_empty() { &self.files.names.project } else { &state.project };
        let header = view::progress::header(name);
        for result in [
            self.progress.append(journal, &self.redactor, event, &header),
            self.experiments.append(journal, &self.redactor, event, ""),
        ] {
            self.complain(result);
        }
        self.write_brief(state);
        self.is_stale = true;
        let watched = match &event.kind {
            EventKind::RunStarted(_)
            | EventKind::AttemptStarted { .. }
            | EventKind::GateStarted { .. }
            | EventKind::RunEnded { .. }
            | EventKind::EnvProblemFound { .. }
            | EventKind::StopRequested { .. }
            | EventKind::Held { .. }
            | EventKind::HoldEnded { .. } => true,
            EventKind::Paused { pause, .. } => {
                matches!(pause, Pause::Limit { .. } | Pause::Window | Pause::Held { .. })
            }
            _ => false,
        };
        let is_last = matches!(event.kind, EventKind::RunEnded { .. });
        let pause = (self.cost * THROTTLE).max(SHORTEST);
        let is_due = self.written.is_none_or(|at| at.elapsed() >= pause);
        if is_last || is_due || (watched && self.size < SMALL) {
            self.flush(state);
        }
    }

    /// Writes the status files if anything has changed since the last time.
    pub fn flush(&mut self, state: &State) {
        if !self.is_stale {
            return;
        }
        self.is_stale = false;
        let begun = Instant::now();
        let status = self.redactor.redact(&view::status::text(state, &self.files.names)).into_owned();
        let page = self.redactor.redact(&view::dashboard::html(state, &self.files.names)).into_owned();
        killpoint::reach("before status files");
        let result = make_parent(&self.files.status)
            .and_then(|()| write_atomic(&self.files.status, status.as_bytes(), Durability::Cached))
            .and_then(|()| write_atomic(&self.files.dashboard, page.as_bytes(), Durability::Cached));
        killpoint::reach("after status files");
        self.complain(result);
        self.cost = begun.elapsed();
        self.size = status.len() + page.len();
        self.written = Some(Instant::now());
    }

    /// Makes the files match the state, whatever they hold now.
    pub fn refresh(&mut self, state: &State) {
        self.is_stale = true;
        self.write_brief(state);
        self.flush(state);
    }

    /// Copies agent output to stdout and autodev.log. `is_start` begins a new attempt.
    pub fn agent_output(&mut self, text: &[u8], is_start: bool) {
        if is_start {
            self.copied = 0;
        }
        if self.audience != Audience::Run || text.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(text);
        let clean = self.redactor.redact(&text);
        let mut out = std::io::stdout().lock();
        // A closed stdout (`autodev run | head`) must not end a run.
        let _ = out.write_all(clean.as_bytes()).and_then(|()| out.flush());
        drop(out);
        let before = self.copied;
        self.copied = self.copied.saturating_add(clean.len() as u64);
        if before < LOG_COPY_LIMIT {
            self.write_log(clean.as_bytes());
            if self.copied >= LOG_COPY_LIMIT {
                self.write_log(b"\n[autodev] more output than is copied here; the attempt log has all of it\n");
            }
        }
    }

    /// Masks secrets in a text that will be journaled or written.
    pub fn redact(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// Returns what masks secrets.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn log_line(&mut self, event: &Event, line: &LogLine) {
        let mut line = line.clone();
        line.text = self.redactor.redact(&line.text).into_owned();
        let mut err = std::io::stderr().lock();
        // Losing a line on a closed stderr is fine: autodev.log has it.
        let _ = writeln!(err, "{}", line.stamped(event.at, &self.style));
        drop(err);
        let plain = Style { is_coloured: false, ..self.style };
        self.write_log(format!("{}\n", line.stamped(event.at, &plain)).as_bytes());
    }

    fn write_log(&mut self, bytes: &[u8]) {
        if self.log.is_none() {
            let opened = make_parent(&self.files.log).and_then(|()| {
                OpenOptions::new().create(true).append(true).open(&self.files.log).at("open", &self.files.log)
            });
            match opened {
                Ok(file) => self.log = Some(file),
                Err(error) => return self.complain(Err(error)),
            }
        }
        if let Some(file) = &mut self.log {
            let result = file.write_all(bytes).at("append to", &self.files.log);
            self.complain(result);
        }
    }

    fn write_brief(&mut self, state: &State) {
        let names = &self.files.names;
        let is_active = state.run.status.is_active();
        let text = if is_active { view::task_md::active(state, names) } else { view::task_md::idle(names) };
        if self.brief.as_ref() == Some(&text) {
            return;
        }
        let on_disk = std::fs::read(&self.files.brief).unwrap_or_default();
        let result = if on_disk == text.as_bytes() {
            Ok(())
        } else {
            write_atomic(&self.files.brief, self.redactor.redact(&text).as_bytes(), Durability::Cached)
        };
        self.complain(result);
        self.brief = Some(text);
    }

    /// Brings the files that only grow up to the journal after a crash.
    pub fn catch_up(&mut self, journal: &Journal) {
        let header = view::progress::header(&self.files.names.project);
        for result in [
            self.progress.catch_up(journal, &self.redactor, &header),
            self.experiments.catch_up(journal, &self.redactor, ""),
        ] {
            self.complain(result);
        }
    }

    /// Writes every projection anew from the journal. Returns the files written; a file that only grows and
    /// differs is kept as a backup first.
    ///
    /// # Errors
    /// When a file cannot be written or the journal cannot be read.
    pub fn rebuild(&mut self, journal: &Journal, state: &State) -> anyhow::Result<Vec<PathBuf>> {
        let header = view::progress::header(&self.files.names.project);
        let mut written = self.progress.rebuild(journal, &self.redactor, &header)?;
        written.extend(self.experiments.rebuild(journal, &self.redactor, "")?);
        self.refresh(state);
        written.extend([self.files.brief.clone(), self.files.status.clone(), self.files.dashboard.clone()]);
        Ok(written)
    }

    fn complain(&mut self, result: Result<(), PathError>) {
        let Err(error) = result else { return };
        let text = error.to_string();
        // Once per kind: a full disk would otherwise fill the terminal as well.
        if !self.complaints.contains(&text) {
            let _ = writeln!(std::io::stderr(), "autodev: {text} (the run goes on)");
            self.complaints.push(text);
        }
    }
}

pub(super) fn make_parent(path: &Path) -> Result<(), PathError> {
    match path.parent() {
        Some(dir) => std::fs::create_dir_all(dir).at("create", dir),
        None => Ok(()),
    }
}
