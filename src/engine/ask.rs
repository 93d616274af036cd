//! Asks a backend something that is no attempt: one prompt in, one answer out, nothing changed.
//!
//! Every question is journaled, bounded in time, and kept: the prompt, all that the program printed and the answer lie
//! under `logs/plans/`, whatever becomes of the answer. It does not read answers; that is up to who asks.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::Local;

use super::attempt::{beat, cause, heartbeat};
use super::ear::{Ear, create_log};
use super::project::{Project, free_stem};
use super::signals::Stop;
use super::store::Store;
use super::tree::Tree;
use crate::backend::{Backend, Patterns, Purpose, Request, Schema, Version};
use crate::logic::classify::{self, Conclusion};
use crate::model::{AnswerReport, BackendName, EnvProblem, EventKind, Inquiry, ProcessEnd, RelPath, Usage};
use crate::sys;
use crate::sys::fs::{Durability, write_atomic};
use crate::sys::proc::{self, Happening};

/// How much of a failure is kept in the journal.
const MESSAGE_CHARS: usize = 2_000;

/// Who asks: everything that does not change from question to question.
pub(crate) struct Asker {
    /// The project.
    pub project: Project,
    /// Who is asked.
    pub backend: &'static dyn Backend,
    /// What its `--version` said.
    pub version: Option<Version>,
    /// Whether this process is root.
    pub is_root: bool,
    /// Whether the code directory is inside a git work tree.
    pub in_git: bool,
    /// The stop request of this process.
    pub stop: Stop,
}

/// What is asked.
pub(crate) struct Question<'a> {
    /// What it is about.
    pub inquiry: Inquiry,
    /// The prompt, any length.
    pub prompt: &'a str,
    /// How long the program may take; `None`: any time.
    pub limit: Option<Duration>,
    /// JSON Schema of the answer, for programs that can be held to one.
    pub schema: Option<&'a str>,
}

/// How a question ended.
pub(crate) struct Answer {
    /// The answer; empty when there is none.
    pub reply: String,
    /// How it ended; `is_ok` says whether there is an answer.
    pub report: AnswerReport,
    /// Where all that the program printed is kept.
    pub log: PathBuf,
}

/// The files of one question.
struct Files {
    prompt: PathBuf,
    log: PathBuf,
    reply: PathBuf,
    schema: PathBuf,
}

impl Asker {
    /// Asks, and journals the question and how it ended.
    ///
    /// # Errors
    /// When autodev itself cannot go on: the journal or `logs/plans/` cannot be written, the tree cannot be read. What
    /// the program does wrong is in the report.
    pub(crate) async fn ask(&self, store: &mut Store, tree: &mut Tree, question: &Question<'_>) -> Result<Answer> {
        let files = self.files(question.inquiry.word());
        let log = create_log(&files.log)?;
        write_atomic(&files.prompt, question.prompt.as_bytes(), Durability::Cached)?;
        let effect = store.next_effect();
        let before = tree.scan()?;
        store.record(vec![EventKind::AskStarted {
            effect: effect.clone(),
            inquiry: question.inquiry.clone(),
            backend: self.backend.name().as_str().to_owned(),
            log: files.log.display().to_string(),
        }])?;
        sys::killpoint::reach("asking");
        let (reply, mut report) = match self.spec(store, question, &files) {
            Ok(spec) => {
                let patterns = match self.backend.name() {
                    BackendName::Command => Some(Patterns::new(&self.project.config.backend.command)?),
                    _ => None,
                };
                let ear = Ear::new(self.backend.parser(), patterns, log, files.log.clone());
                self.listen(store, spec, ear).await?
            }
            Err(reason) => (String::new(), unstarted(reason)),
        };
        report.message = store.sinks.redact(&report.message).chars().take(MESSAGE_CHARS).collect();
        if report.is_ok {
            write_atomic(&files.reply, reply.as_bytes(), Durability::Synced)?;
        }
        let after = tree.scan()?;
        report.changed = tree.changes(&before, &after);
        let inquiry = question.inquiry.clone();
        store.record(vec![EventKind::AskEnded { effect, inquiry, report: report.clone() }])?;
        if !report.changed.is_empty() {
            store.record(vec![EventKind::Note { level: "warning".to_owned(), text: changed_text(&report.changed) }])?;
        }
        Ok(Answer { reply, report, log: files.log })
    }

    fn spec(&self, store: &Store, question: &Question<'_>, files: &Files) -> Result<proc::Spec, String> {
        let config = &self.project.config;
        let exe = std::env::current_exe().map_err(|error| format!("find autodev's own program: {error}"))?;
        let home = sys::env::raw("HOME");
        let schema = question.schema.map(|text| Schema { text, file: &files.schema });
        let invocation = self
            .backend
            .invocation(&Request {
                purpose: Purpose::Ask { read_only: true },
                prompt: question.prompt,
                config,
                is_root: self.is_root,
                version: self.version,
                in_git: self.in_git,
                resume: None,
                prompt_file: &files.prompt,
                exe: &exe,
                temp_dir: &self.project.temp(),
                home: home.as_deref().map(Path::new),
                schema,
            })
            .map_err(|error| error.to_string())?;
        if let Some(text) = question.schema.filter(|_| invocation.needs_schema_file) {
            write_atomic(&files.schema, text.as_bytes(), Durability::Cached).map_err(|error| error.to_string())?;
        }
        let mut spec = super::spec_of(invocation, &config.project.code_dir)?;
        let own =
            [("AUTODEV_RUN_ID", store.run().to_string()), ("AUTODEV_INQUIRY", question.inquiry.word().to_owned())];
        spec.env.extend(own.map(|(name, value)| (name.into(), value.into())));
        if let Inquiry::Reflection { task, attempt } = &question.inquiry {
            spec.env.push(("AUTODEV_TASK_ID".into(), task.to_string().into()));
            spec.env.push(("AUTODEV_ATTEMPT".into(), attempt.to_string().into()));
        }
        spec.wall = question.limit;
        Ok(spec)
    }

    async fn listen(&self, store: &mut Store, spec: proc::Spec, ear: Ear) -> Result<(String, AnswerReport)> {
        let heard = RefCell::new((ear, false));
        let mut on = |happening: Happening<'_>| {
            if let Happening::Output(stream, bytes) = happening {
                let mut heard = heard.borrow_mut();
                heard.1 = true;
                heard.0.hear(stream, bytes);
            }
        };
        let begun = Instant::now();
        let result = {
            let child = proc::run(spec, self.stop.for_child(), &mut on);
            tokio::pin!(child);
            let mut beats = heartbeat(self.project.config.run.heartbeat_interval);
            loop {
                // Each branch may be dropped and asked again: nothing is lost by that.
                tokio::select! {
                    ended = &mut child => break ended,
                    () = beat(beats.as_mut()) => {
                        let is_active = std::mem::take(&mut heard.borrow_mut().1);
                        let elapsed_seconds = begun.elapsed().as_secs();
                        store.record(vec![EventKind::Heartbeat { elapsed_seconds, is_active, standing: None }])?;
                        store.flush();
                    }
                }
            }
        };
        let (mut ear, _) = heard.into_inner();
        let ended = match result {
            Ok(ended) => ended,
            Err(error) => return Ok((String::new(), unstarted(error.to_string()))),
        };
        ear.end(ended.code);
        let (last_lines, patterns) = (ear.last_lines(), ear.pattern_results());
        let config = &self.project.config;
        let (end, is_ok) = classify::conclude(&Conclusion {
            code: ended.code,
            cause: cause(ended.cause),
            digest: &ear.digestor,
            last_lines: &last_lines,
            changed_files: false,
            rate_limit_patterns: &config.circuit_breaker.rate_limit_patterns,
            halt_patterns: &config.env_errors.halt_patterns,
            patterns,
            now: sys::clock::now().with_timezone(&Local).fixed_offset(),
        });
        let end = match &ear.log_failure {
            Some(reason) => ProcessEnd::EnvError(EnvProblem { code: ended.code, reason: reason.clone() }),
            None => end,
        };
        let reply = if is_ok { ear.digestor.reply().to_owned() } else { String::new() };
        let said = if ear.digestor.saw_events { ear.digestor.message() } else { last_lines.join("\n") };
        let report = AnswerReport {
            end,
            is_ok: is_ok && ear.log_failure.is_none() && !reply.trim().is_empty(),
            message: if is_ok { String::new() } else { said },
            usage: ear.digestor.usage,
            changed: Vec::new(),
            duration_ms: u64::try_from(ended.duration.as_millis()).unwrap_or(u64::MAX),
        };
        Ok((reply, report))
    }

    /// `logs/plans/<stamp>-<word>.*`; a second question in the same second gets `-2`.
    fn files(&self, word: &str) -> Files {
        let dir = self.project.config.files.log_dir.join("plans");
        let stamp = sys::clock::now().format("%Y%m%dT%H%M%SZ");
        let stem = free_stem(&dir, &format!("{stamp}-{word}"), "log");
        let file = |ending: &str| dir.join(format!("{stem}.{ending}"));
        Files { prompt: file("prompt.md"), log: file("log"), reply: file("reply.md"), schema: file("schema.json") }
    }
}

impl Answer {
    /// Why there is no answer, for people, with the place of the log.
    pub(crate) fn trouble(&self) -> String {
        let how = match &self.report.end {
            ProcessEnd::Exited { code: 0 } => "the backend gave no answer".to_owned(),
            ProcessEnd::Exited { code } => format!("the backend failed with exit code {code}"),
            ProcessEnd::Signalled { signal } => format!("the backend was killed by signal {signal}"),
            ProcessEnd::TimedOut | ProcessEnd::Idle => "the backend ran into the time limit".to_owned(),
            ProcessEnd::Interrupted => "stopped".to_owned(),
            ProcessEnd::Limited(limit) => format!("the model service refused: {}", limit.reason),
            ProcessEnd::EnvError(problem) => problem.reason.clone(),
            ProcessEnd::NotStarted { reason } => return format!("the backend could not be started: {reason}"),
            ProcessEnd::Lost => "the backend was lost".to_owned(),
        };
        let said = self.report.message.trim();
        // The reason of a refusal is often all that the program said.
        let said = if how.contains(said) { String::new() } else { format!(":\n{said}\n") };
        format!("{how}{said} (all it printed: {})", self.log.display())
    }
}

fn unstarted(reason: String) -> AnswerReport {
    AnswerReport {
        end: ProcessEnd::NotStarted { reason },
        is_ok: false,
        message: String::new(),
        usage: Usage::default(),
        changed: Vec::new(),
        duration_ms: 0,
    }
}

fn changed_text(changed: &[RelPath]) -> String {
    let names: Vec<String> = changed.iter().take(5).map(ToString::to_string).collect();
    let more = changed.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "files changed while the agent was only asked to answer: {}{more}; look whether that was you (git diff)",
        names.join(", ")
    )
}
