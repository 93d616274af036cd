//! Floor 3: acts on what `logic` decides, and decides nothing itself.
//!
//! [`run`] is one `autodev run`: it takes the lock, settles what a killed run left, and then asks `logic::decide` what
//! comes next until there is nothing more. Each thing it does is journaled before and after. One task at a time, in
//! the project's own directory.

mod ask;
mod attempt;
pub mod backup;
pub mod check;
mod compare;
pub mod demo;
pub mod desk;
pub mod detach;
pub mod doctor;
mod ear;
mod experiment;
pub mod hold;
mod import;
pub mod init;
mod integrate;
mod ledger;
mod live;
pub mod look;
pub mod notices;
mod outbox;
pub mod planning;
mod preview;
pub mod project;
mod propose;
mod pulse;
pub mod queue;
mod recovery;
mod reflect;
pub mod reopen;
mod replan;
pub mod schedule;
pub mod service;
pub mod signals;
pub mod sinks;
pub mod skills;
pub mod store;
pub mod tree;
mod verify;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use crate::backend::{self, Backend, Invocation, Version};
use crate::config;
use crate::git::Git;
use crate::logic::{self, Next, depend};
use crate::model::{
    BackendName, BlockAction, Completion, Digest, Effect, EventKind, Execution, Limits, Queue, ReflectionLimits,
    RunStart, Settings, Task, TaskId,
};
use crate::sys;
use crate::sys::guard;
use crate::sys::lock::{LockNote, RunLock};
use crate::sys::proc::{Spec, Stdin};
use outbox::Outbox;
use project::Project;
use queue::{QueueKeeper, Suspect};
use signals::Stop;
use sinks::{Audience, Sinks};
use store::Store;
use tree::Tree;

/// What the command line adds to the configuration.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Only show what would be done.
    pub dry_run: bool,
}

/// Unknown dependencies that are told at the start of a run.
const TOLD: usize = 10;

/// Who works on a task.
#[derive(Clone, Copy)]
pub(crate) struct Worker {
    backend: &'static dyn Backend,
    version: Option<Version>,
}

/// One run under way: everything that the effects need.
pub(crate) struct Engine {
    project: Project,
    store: Store,
    queue: QueueKeeper,
    tree: Tree,
    git: Option<Git>,
    backend: &'static dyn Backend,
    version: Option<Version>,
    /// What is known about the other backends that tasks ask for: their version, or why they cannot be used.
    others: BTreeMap<&'static str, Result<Option<Version>, String>>,
    is_root: bool,
    stop: Stop,
    recent_commits: Vec<String>,
    /// Bases of this run that are commits of the branch, with no reference of their own.
    clean_bases: BTreeSet<String>,
    /// The tree as it was last known to be nothing but a commit: the commit, and the digest of the snapshot.
    clean: Option<(String, Digest)>,
    /// The digest of the snapshot that was checked last.
    checked: Option<Digest>,
}

/// Runs the queue and returns the exit code: 0 done, 1 a person must act, 2 some task is blocked, 130 stopped.
///
/// # Errors
/// When the run cannot begin (another run, a broken task.json, a missing backend program) or autodev itself cannot go
/// on (the journal cannot be written).
pub async fn run(mut project: Project, options: RunOptions) -> Result<i32> {
    project.prepare()?;
    let note = LockNote::here("run");
    let _lock = RunLock::acquire(&project.run_lock(), &note)?;
    let stop = Stop::listen()?;
    sys::proc::become_subreaper().context("become the parent of orphaned processes")?;
    let queue = QueueKeeper::load(&project)?;
    refuse_unusable(queue.queue())?;
    let name = project.config.backend.default;
    let backend = backend::backend(name);
    let run_id = Store::new_run_id();
    let git = Git::open(&project.config.project.code_dir, &project.temp()).await?;
    let exe = std::env::current_exe().context("find autodev's own program")?;
    let version_text = probe(&project, backend, &stop).await?;
    let sinks = Sinks::new(&project, Audience::Run);
    let mut store = Store::open(&project, sinks, run_id)?;
    if !options.dry_run {
        let (outbox, wrong) = Outbox::start(&project, store.state.seq);
        store.outbox = outbox;
        project.warnings.extend(wrong);
    }
    // Ends every process of this run if this process is killed; it ends by itself when we do.
    let _guard = guard::start(&exe, store.run().as_str()).context("start the guardian process")?;
    let tree = Tree::open(&project)?;
    let mut engine = Engine {
        is_root: nix::unistd::geteuid().is_root(),
        version: version_text.as_deref().and_then(backend::probe::parse_version),
        others: BTreeMap::new(),
        recent_commits: Vec::new(),
        clean_bases: BTreeSet::new(),
        clean: None,
        checked: None,
        project,
        store,
        queue,
        tree,
        git,
        backend,
        stop,
    };
    let result = engine.work(&options, version_text.unwrap_or_default(), note.host).await;
    engine.store.flush();
    let told = engine.finish_notices().await;
    result.and_then(|code| told.map(|()| code))
}

impl Engine {
    async fn work(&mut self, options: &RunOptions, backend_version: String, host: String) -> Result<i32> {
        self.recover().await?;
        self.store.catch_up_sinks();
        let start = RunStart {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            host,
            backend: self.backend.name().as_str().to_owned(),
            backend_version,
            project: self.project.config.project.name.clone(),
            settings: self.settings(options)?,
        };
        self.store.record(vec![EventKind::RunStarted(Box::new(start))])?;
        if let Err(error) = detach::note_begun(Some(self.store.run())) {
            self.warn(format!("{error:#}; `autodev list` does not show that this session has begun"))?;
        }
        for warning in self.project.warnings.clone() {
            self.warn(warning)?;
        }
        self.root_warning()?;
        if self.project.config.run.reset_tasks_on_start && !options.dry_run {
            self.queue.reset_all(&mut self.store)?;
        }
        self.queue.refresh(&mut self.store, Suspect::Person)?;
        self.dependency_warnings()?;
        loop {
            self.store.catch_up()?;
            self.note_stop()?;
            self.note_complaints()?;
            self.queue.refresh(&mut self.store, Suspect::Person)?;
            match logic::decide(&self.store.state, sys::clock::now()) {
                Next::Record(kinds) => self.record_decision(kinds).await?,
                Next::Perform(Effect::Stop) => break,
                Next::Perform(effect) => self.perform(effect).await?,
            }
        }
        Ok(self.store.state.run.exit_code.unwrap_or(1))
    }

    /// Journals decisions; the base of a task that is left for good is no longer needed.
    async fn record_decision(&mut self, kinds: Vec<EventKind>) -> Result<()> {
        let base = self.store.state.active.as_ref().map(|active| active.base.clone());
        let iteration = self.leaving_iteration(&kinds);
        let is_over = kinds.iter().any(|kind| {
            matches!(
                kind,
                EventKind::TaskCompleted { .. } | EventKind::TaskBlocked { .. } | EventKind::TaskDropped { .. }
            )
        });
        let is_left = kinds.iter().any(|kind| match kind {
            EventKind::TaskCompleted { .. } => true,
            EventKind::TaskBlocked { salvage, .. } => salvage.is_some(),
            _ => false,
        });
        if let Some(iteration) = &iteration {
            self.release(iteration).await?;
        }
        self.store.record(kinds)?;
        if let Some(iteration) = iteration {
            self.leave_iteration(iteration).await?;
        }
        if is_over {
            self.remove_trees()?;
        }
        if let Some(base) = base.filter(|_| is_left) {
            self.tree.forget(&base);
            if !self.clean_bases.remove(&base)
                && let Some(git) = &self.git
            {
                git.drop_base(&base).await?;
            }
        }
        Ok(())
    }

    async fn perform(&mut self, effect: Effect) -> Result<()> {
        match effect {
            Effect::SaveQueue => self.queue.save(&mut self.store),
            Effect::OpenTask { task } => self.open_task(&task).await,
            Effect::RunAttempt { attempt } => self.run_attempt(attempt).await,
            Effect::Verify { attempt } => self.verify(attempt).await,
            Effect::Baseline => self.baseline().await,
            Effect::Propose { iteration } => self.propose(iteration).await,
            Effect::Compare { iteration } => self.compare(iteration).await,
            Effect::Revert { iteration } => self.revert(iteration).await,
            Effect::Revalidate => self.revalidate().await,
            Effect::Reflect { attempt } => self.reflect(attempt).await,
            Effect::Replan { epoch } => self.replan(epoch).await,
            Effect::Commit { attempt } => self.commit(attempt).await,
            Effect::Salvage => self.salvage().await,
            Effect::Wait { until } => self.wait(until).await,
            Effect::Preview { task } => self.preview(&task).await,
            Effect::Stop => Ok(()),
        }
    }

    /// Returns who works on a task: the backend that it asks for, or that of the run. Each is looked for once.
    async fn worker(&mut self, task: &Task) -> Result<Worker, String> {
        let name = task.backend.unwrap_or(self.backend.name());
        if name == self.backend.name() {
            return Ok(Worker { backend: self.backend, version: self.version });
        }
        let backend = backend::backend(name);
        if !self.others.contains_key(name.as_str()) {
            let found = probe(&self.project, backend, &self.stop).await.map_err(|error| format!("{error:#}"));
            let version = found.map(|text| text.as_deref().and_then(backend::probe::parse_version));
            self.others.insert(name.as_str(), version);
        }
        match self.others.get(name.as_str()) {
            Some(Ok(version)) => Ok(Worker { backend, version: *version }),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(format!("backend {} was not looked for", name.as_str())),
        }
    }

    /// Tells what is odd about `depends_on` before any work begins.
    fn dependency_warnings(&mut self) -> Result<()> {
        let state = &self.store.state;
        let unknown = depend::unknown(state, TOLD);
        let mut warnings: Vec<String> = unknown
            .into_iter()
            .map(|(task, need)| {
                format!("{task}: depends on {need}, which is not in the queue; it does not wait for it")
            })
            .collect();
        if let Some(circle) = depend::circle(state) {
            let ids: Vec<&str> = circle.iter().map(TaskId::as_str).collect();
            warnings.push(format!("these tasks wait for each other and will never begin: {}", ids.join(", ")));
        }
        for warning in warnings {
            self.warn(warning)?;
        }
        Ok(())
    }

    fn settings(&self, options: &RunOptions) -> Result<Settings> {
        let config = &self.project.config;
        Ok(Settings {
            limits: Limits {
                max_retries: config.run.max_retries,
                max_tasks: config.run.max_tasks,
                max_epochs: if options.dry_run { 1 } else { config.run.max_epochs },
                delay_seconds: config.run.delay_between_tasks,
                no_progress_threshold: config.circuit_breaker.no_progress_threshold,
                repeated_error_threshold: config.circuit_breaker.repeated_error_threshold,
                rate_limit_cooldown: config.circuit_breaker.rate_limit_cooldown,
            },
            commits: config.git.auto_commit && self.git.is_some(),
            in_git: self.git.is_some(),
            on_block: if self.git.is_some() { config.git.on_block } else { BlockAction::Keep },
            dry_run: options.dry_run,
            reflection: ReflectionLimits {
                is_enabled: config.reflection.enabled,
                max_refinements: config.reflection.max_refinements_per_task,
            },
            windows: schedule::windows(config)?,
        })
    }

    /// Journals a signal that has come since the last look.
    fn note_stop(&mut self) -> Result<()> {
        let Some(signal) = self.stop.signal() else { return Ok(()) };
        if self.store.state.run.stop.is_some() {
            return Ok(());
        }
        self.store.record(vec![EventKind::StopRequested { signal: signal.to_owned() }])
    }

    /// Journals what went wrong with notices since the last look.
    fn note_complaints(&mut self) -> Result<()> {
        let all = self.store.outbox.as_mut().map(Outbox::complaints).unwrap_or_default();
        all.into_iter().try_for_each(|text| self.warn(text))
    }

    /// Waits for the last notices, not for long, and journals what is left.
    async fn finish_notices(&mut self) -> Result<()> {
        let Some(outbox) = self.store.outbox.take() else { return Ok(()) };
        let left = outbox.finish(self.store.state.seq, &mut self.stop).await;
        left.into_iter().try_for_each(|text| self.warn(text))
    }

    fn warn(&mut self, text: String) -> Result<()> {
        self.store.record(vec![EventKind::Note { level: "warning".to_owned(), text }])
    }

    fn root_warning(&mut self) -> Result<()> {
        let run = self.project.config.run.clone();
        if self.is_root && self.backend.name() == BackendName::Claude && run.root_mode.disable_skip_permissions {
            let mode = run.root_mode.fallback_permission_mode.clone();
            self.warn(format!(
                "running as root: claude gets permission mode {mode} and may be refused every edit; run as another user, \
                 or in a container set IS_SANDBOX=1 and [run.root_mode].disable_skip_permissions = false"
            ))?;
        }
        Ok(())
    }

    /// Sleeps; a stop request ends the sleep at once, an edit of task.json is noticed within a second.
    async fn wait(&mut self, until: chrono::DateTime<chrono::Utc>) -> Result<()> {
        self.store.flush();
        let left = sys::clock::nap((until - sys::clock::now()).to_std().unwrap_or_default());
        // The wall clock may jump (suspend, NTP): look again at least every second.
        let nap = left.min(std::time::Duration::from_secs(1));
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = self.stop.requested() => {}
        }
        Ok(())
    }
}

/// A queue that could be read but cannot be worked on.
fn refuse_unusable(queue: &Queue) -> Result<()> {
    for (at, task) in queue.tasks.iter().enumerate() {
        if task.id.is_empty() {
            bail!("task.json: tasks[{at}] has no id; give it one");
        }
        if task.status.passes || task.status.blocked {
            continue;
        }
        if let (Completion::Numeric(numeric), Execution::SinglePass) = (&task.completion, &task.execution)
            && !(numeric.sampling.is_default() && numeric.guards.is_empty())
        {
            bail!(
                "task.json: task {}: samples and guards compare iterations, and its execution.strategy is single_pass; \
                 leave them out, a target decides there",
                task.id
            );
        }
    }
    Ok(())
}

/// Makes sure that the backend's program is there, and asks for its version once.
async fn probe(project: &Project, backend: &'static dyn Backend, stop: &Stop) -> Result<Option<String>> {
    if let Some(problem) = config::backend_problem(&project.config, backend.name()) {
        bail!("{problem}");
    }
    let Some(invocation) = backend::probe::invocation(backend.name(), &project.config) else { return Ok(None) };
    // Not in the project: a program that does not know `--version` may start to work.
    let mut spec = spec_of(invocation, &project.temp()).map_err(anyhow::Error::msg)?;
    let path = sys::env::raw("PATH");
    if sys::which::find(&spec.program, path.as_deref(), &spec.cwd).is_none() {
        bail!(
            "backend {}: the program {} is not on PATH; install it, or set [backend.{}].program",
            backend.name().as_str(),
            spec.program.display(),
            backend.name().as_str()
        );
    }
    spec.wall = Some(backend::probe::LIMIT);
    let mut output = Vec::new();
    let mut keep = |happening: sys::proc::Happening<'_>| {
        if let sys::proc::Happening::Output(sys::proc::Stream::Out, bytes) = happening
            && output.len() < 4096
        {
            output.extend_from_slice(bytes);
        }
    };
    // A program that does not answer is taken as of unknown version.
    match sys::proc::run(spec, stop.for_child(), &mut keep).await {
        Ok(ended) if ended.code == 0 => {
            let text = String::from_utf8_lossy(&output);
            Ok(text.lines().map(str::trim).find(|line| !line.is_empty()).map(|line| line.chars().take(200).collect()))
        }
        Ok(_) | Err(_) => Ok(None),
    }
}

/// A time limit of the configuration; 0 is none.
fn limit(seconds: u64) -> Option<std::time::Duration> {
    (seconds > 0).then(|| std::time::Duration::from_secs(seconds))
}

/// Turns what a backend asks for into a process.
pub(crate) fn spec_of(invocation: Invocation, cwd: &std::path::Path) -> Result<Spec, String> {
    for dir in &invocation.make_dirs {
        std::fs::create_dir_all(dir).map_err(|error| format!("create {}: {error}", dir.display()))?;
    }
    let mut spec = Spec::new(invocation.program, cwd);
    spec.args = invocation.args;
    spec.env = invocation.env;
    spec.env_remove = invocation.env_remove;
    spec.stdin = invocation.stdin.map_or(Stdin::Null, Stdin::Bytes);
    Ok(spec)
}
