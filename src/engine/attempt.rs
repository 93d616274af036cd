//! The effect `RunAttempt`: one agent, from the snapshot before to the snapshot after.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::Local;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::ear::{Ear, create_log};
use super::experiment;
use super::live::Live;
use super::project::free_stem;
use super::pulse::Pulse;
use super::queue::Suspect;
use super::{Engine, Worker};
use crate::backend::{Patterns, Purpose, Request};
use crate::logic::classify::{self, Cause, Conclusion};
use crate::logic::liveness;
use crate::model::{
    AttemptReport, BackendName, Change, EffectId, EnvProblem, EventKind, Execution, ProcessEnd, RelPath, Task, TaskId,
};
use crate::prompt::{self, PromptInput};
use crate::sys;
use crate::sys::fs::{Durability, write_atomic};
use crate::sys::killpoint;
use crate::sys::proc::{self, Happening, Spec};

/// The agent's last message as kept in the journal.
const MESSAGE_LIMIT: usize = 2000;
/// Commits shown in the prompt.
const RECENT_COMMITS: usize = 5;
/// How soon after its start an agent's status is on disk at the latest.
const SETTLED: Duration = Duration::from_millis(100);
/// How often the journal is looked at while an agent works: a pause by hand works within a second.
const LOOK: Duration = Duration::from_millis(500);

/// How the process of an attempt went.
struct Ran {
    end: ProcessEnd,
    is_ok: bool,
    message: String,
    session: String,
    usage: crate::model::Usage,
    duration: Duration,
    strays: u32,
    changed: Vec<RelPath>,
}

impl Engine {
    pub(super) async fn run_attempt(&mut self, attempt: u32) -> Result<()> {
        let id = self.store.state.active.as_ref().context("attempt without a task")?.task.clone();
        let task = self.queue.task(&id).cloned().context("the task has left the queue")?;
        let worker = self.worker(&task).await;
        // An attempt that cannot begin says with whom it was to.
        let name = task.backend.unwrap_or(self.backend.name());
        let effect = self.effect();
        let before = self.tree.scan()?;
        let active = self.store.state.active.as_ref().context("attempt without a task")?;
        let (base, touched) = (active.base.clone(), active.touched.clone());
        let changed = self.tree.changed(&base, &touched, &before)?;
        let is_iterative = self.store.state.active.as_ref().is_some_and(|active| active.campaign.is_some());
        if is_iterative && self.reset_if_changed(&task)? {
            return Ok(());
        }
        // A first attempt nearly always begins from the base itself, which is kept already.
        let before_name = if let Some(name) = self.iteration_base() {
            name
        } else if *self.tree.kept(&base)? == before {
            base.clone()
        } else {
            let name = format!("{}.before", self.effect_name(&id));
            self.tree.keep(&name, before.clone())?;
            name
        };
        let before_commit = if is_iterative { self.iteration_commit(&before_name).await? } else { None };
        let log_path = self.attempt_log(name, &id, attempt);
        let log = create_log(&log_path)?;
        self.queue.trust()?;
        killpoint::reach("snapshot kept");
        self.store.record(vec![EventKind::AttemptStarted {
            effect: effect.clone(),
            task: Box::new(task.clone()),
            attempt,
            before: before_name.clone(),
            log: log_path.display().to_string(),
            backend: name.as_str().to_owned(),
            before_commit,
        }])?;
        let worker = match worker {
            Ok(worker) => worker,
            Err(reason) => return self.end_unstarted(effect, reason),
        };
        let prompt = self.render_prompt(&task, attempt, &changed).await?;
        let prompt_file = self.project.prompts().join(format!("{}-{effect}.md", id.file_stem()));
        write_atomic(&prompt_file, prompt.as_bytes(), Durability::Cached)?;
        let spec = match self.agent_spec(worker, &task.id, attempt, &prompt, &prompt_file) {
            Ok(spec) => spec,
            Err(reason) => return self.end_unstarted(effect, reason),
        };
        killpoint::reach("before agent");
        let ran = self.run_agent(worker, spec, effect.clone(), log, &log_path, &before).await?;
        killpoint::reach("agent ended");
        // What the agent wrote into the runner's fields of task.json is undone before anything is decided.
        self.queue.refresh(&mut self.store, Suspect::Agent)?;
        let report = AttemptReport {
            end: ran.end,
            is_ok: ran.is_ok,
            message: ran.message,
            session: ran.session,
            usage: ran.usage,
            changed: ran.changed,
            duration_ms: u64::try_from(ran.duration.as_millis()).unwrap_or(u64::MAX),
            strays: ran.strays,
        };
        if report.is_ok && !self.project.config.run.keep_attempt_logs {
            // The log of an attempt that ended well is not wanted; one that is gone already is fine.
            let _ = std::fs::remove_file(&log_path);
        }
        self.note_stop()?;
        self.store.record(vec![EventKind::AttemptEnded { effect, report }])?;
        // An iterative task needs it until the change is judged.
        if before_name != base && !is_iterative {
            self.tree.forget(&before_name);
        }
        self.note_stop()
    }

    /// Everything the process of an attempt needs.
    fn agent_spec(
        &self,
        worker: Worker,
        id: &TaskId,
        attempt: u32,
        prompt: &str,
        prompt_file: &Path,
    ) -> Result<Spec, String> {
        let config = &self.project.config;
        let exe = std::env::current_exe().map_err(|error| format!("find autodev's own program: {error}"))?;
        let home = sys::env::raw("HOME");
        let invocation = worker
            .backend
            .invocation(&Request {
                purpose: Purpose::Attempt,
                prompt,
                config,
                is_root: self.is_root,
                version: worker.version,
                in_git: self.git.is_some(),
                resume: None,
                prompt_file,
                exe: &exe,
                temp_dir: &self.project.temp(),
                home: home.as_deref().map(Path::new),
                schema: None,
            })
            .map_err(|error| error.to_string())?;
        let mut spec = super::spec_of(invocation, &config.project.code_dir)?;
        spec.env.extend(self.child_env(id, attempt).into_iter().map(|(name, value)| (name.into(), value.into())));
        // Set when this run was itself begun by something that was asked.
        spec.env_remove.push("AUTODEV_INQUIRY".into());
        spec.wall = super::limit(config.run.attempt_timeout_seconds);
        Ok(spec)
    }

    async fn run_agent(
        &mut self,
        worker: Worker,
        mut spec: Spec,
        effect: EffectId,
        log: File,
        log_path: &Path,
        before: &crate::snapshot::Manifest,
    ) -> Result<Ran> {
        // The clock of the file system, which may be some milliseconds behind ours.
        let log_made = log.metadata().map_or(i64::MAX, |made| made.ctime() * 1_000_000_000 + made.ctime_nsec());
        let parser = worker.backend.parser();
        let patterns = self.patterns(worker)?;
        let ear = Ear::new(parser, patterns, log, log_path.to_path_buf());
        let run = &self.project.config.run;
        let (silence, beats) = (super::limit(run.idle_timeout_seconds), super::limit(run.heartbeat_interval));
        let pulse = Pulse::new(silence);
        spec.watch = Some(pulse.watch(liveness::pause(silence, beats), self.tree.activity_probe()));
        let live = RefCell::new(Live::new(&mut self.store, effect, ear, pulse));
        let mut on = |happening: Happening<'_>| live.borrow_mut().happen(&happening);
        let beat_every = self.project.config.run.heartbeat_interval;
        let begun = std::time::Instant::now();
        let result = {
            let (interrupter, stop_child) = self.stop.for_child_or_else();
            let child = proc::run(spec, stop_child, &mut on);
            // A long queue's status is not written with every event; whoever looks while the agent works sees it.
            let settled = tokio::time::sleep(SETTLED);
            tokio::pin!(child, settled);
            let mut is_shown = false;
            let mut beats = heartbeat(beat_every);
            let mut stop = self.stop.clone();
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                // Each branch may be dropped and asked again: nothing is lost by that.
                tokio::select! {
                    ended = &mut child => break ended,
                    () = beat(beats.as_mut()) => live.borrow_mut().beat(),
                    _ = looks.tick() => if live.borrow_mut().is_held_off() {
                        interrupter.interrupt();
                    },
                    () = &mut settled, if !is_shown => {
                        is_shown = true;
                        live.borrow_mut().show_status();
                    }
                    () = stop.requested() => {
                        if let Some(signal) = stop.signal() {
                            live.borrow_mut().stopped(signal);
                        }
                    }
                }
            }
        };
        let mut live = live.into_inner();
        let ended = match result {
            Ok(ended) => ended,
            Err(error) => {
                let mut ran = Ran::not_started(error.to_string());
                ran.duration = begun.elapsed();
                return Ok(ran);
            }
        };
        if ended.cause == proc::Cause::Idle {
            // Why it was ended.
            live.beat();
        }
        live.end(ended.code);
        let Live { ear, failure, .. } = live;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let now = self.tree.scan()?;
        let changed = self.tree.changes(before, &now);
        let failed = ended.code != 0;
        let is_touched = !changed.is_empty() || (failed && self.tree.is_touched_since(log_made)?);
        let config = &self.project.config;
        let (last_lines, patterns) = (ear.last_lines(), ear.pattern_results());
        let Ear { digestor, log_failure, .. } = ear;
        let (end, is_ok) = classify::conclude(&Conclusion {
            code: ended.code,
            cause: cause(ended.cause),
            digest: &digestor,
            last_lines: &last_lines,
            changed_files: is_touched,
            rate_limit_patterns: &config.circuit_breaker.rate_limit_patterns,
            halt_patterns: &config.env_errors.halt_patterns,
            patterns,
            now: sys::clock::now().with_timezone(&Local).fixed_offset(),
        });
        // Work whose record is cut off is not charged and not judged: the disk is full, and a person must act.
        let (end, is_ok) = match log_failure {
            Some(reason) => (ProcessEnd::EnvError(EnvProblem { code: ended.code, reason }), false),
            None => (end, is_ok),
        };
        let message =
            if digestor.saw_events { digestor.message() } else { last_lines.last().cloned().unwrap_or_default() };
        let message: String = self.store.sinks.redact(&message).chars().take(MESSAGE_LIMIT).collect();
        let session = digestor.session.clone();
        let usage = digestor.usage;
        Ok(Ran { end, is_ok, message, session, usage, duration: ended.duration, strays: ended.strays, changed })
    }

    /// The patterns of the `command` backend.
    fn patterns(&self, worker: Worker) -> Result<Option<Patterns>> {
        if worker.backend.name() != BackendName::Command {
            return Ok(None);
        }
        Ok(Some(Patterns::new(&self.project.config.backend.command)?))
    }

    fn end_unstarted(&mut self, effect: EffectId, reason: String) -> Result<()> {
        let ran = Ran::not_started(reason);
        let report = AttemptReport {
            end: ran.end,
            is_ok: false,
            message: String::new(),
            session: String::new(),
            usage: ran.usage,
            changed: Vec::new(),
            duration_ms: 0,
            strays: 0,
        };
        self.store.record(vec![EventKind::AttemptEnded { effect, report }])
    }

    pub(super) async fn render_prompt(&mut self, task: &Task, attempt: u32, changed: &[Change]) -> Result<String> {
        if self.recent_commits.is_empty()
            && let Some(git) = &self.git
        {
            // A history that cannot be read (an unborn branch) is none.
            let commits = git.recent_log(RECENT_COMMITS).await.unwrap_or_default();
            self.recent_commits = commits.into_iter().map(|(sha, subject)| format!("{sha} {subject}")).collect();
        }
        self.recent_commits.truncate(RECENT_COMMITS);
        let active = self.store.state.active.as_ref().filter(|active| active.task == task.id);
        let failures = active.map(|active| active.failures.clone()).unwrap_or_default();
        let series = self.store.state.experiments.of.get(&task.id);
        let campaign = active.and_then(|active| active.campaign.as_deref());
        let standing = campaign.map(|campaign| experiment::Standing::of(campaign, series));
        let max_attempts = match &task.execution {
            Execution::Iterative(plan) => plan.max_iterations,
            Execution::SinglePass => self.project.config.run.max_retries,
        };
        let config = &self.project.config;
        let queue = self.queue.queue();
        let input = PromptInput {
            task,
            project_name: if queue.project.is_empty() { &config.project.name } else { &queue.project },
            code_dir: &config.project.code_dir,
            files: &config.files,
            verification: &config.verification,
            attempt,
            max_attempts,
            failures: &failures,
            journal: &queue.journal,
            learning_limit: config.reflection.prompt_learning_limit,
            git_history: &self.recent_commits,
            changed,
            experiment: standing.as_ref().map(experiment::Standing::shown),
        };
        let template = prompt::template(&config.prompt)?;
        Ok(prompt::render(&input, &template)?)
    }

    /// `logs/attempts/<backend>/task_<ID>__attempt_<N>_<stamp>.log`; a second one in the same second gets `-2`.
    fn attempt_log(&self, backend: BackendName, id: &TaskId, attempt: u32) -> PathBuf {
        let dir = self.project.config.files.attempt_log_subdir.join(backend.as_str());
        let stamp = sys::clock::now().format("%Y%m%dT%H%M%SZ");
        let stem = format!("task_{}__attempt_{attempt}_{stamp}", id.file_stem());
        dir.join(free_stem(&dir, &stem, "log") + ".log")
    }
}

impl Ran {
    fn not_started(reason: String) -> Self {
        Self {
            end: ProcessEnd::NotStarted { reason },
            is_ok: false,
            message: String::new(),
            session: String::new(),
            usage: crate::model::Usage::default(),
            duration: Duration::ZERO,
            strays: 0,
            changed: Vec::new(),
        }
    }
}

/// Returns what beats every so many seconds; 0 is never.
pub(super) fn heartbeat(every_seconds: u64) -> Option<Interval> {
    let every = Duration::from_secs(every_seconds);
    let first = Instant::now().checked_add(every).filter(|_| every_seconds > 0)?;
    let mut beats = tokio::time::interval_at(first, every);
    // After a suspend one beat is enough.
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(beats)
}

/// Waits until the next heartbeat; for ever when there is none.
pub(super) async fn beat(beats: Option<&mut Interval>) {
    match beats {
        Some(beats) => drop(beats.tick().await),
        None => std::future::pending().await,
    }
}

/// Why a process is over, in the words of the classifier.
pub(super) fn cause(cause: proc::Cause) -> Cause {
    match cause {
        proc::Cause::Itself => Cause::Itself,
        proc::Cause::Wall => Cause::Wall,
        proc::Cause::Idle => Cause::Idle,
        proc::Cause::Stopped => Cause::Stopped,
    }
}
