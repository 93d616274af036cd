//! The effects `Baseline`, `Propose` and `Revert` of iterative tasks, and what an iteration begins and ends with.

use anyhow::{Context, Result};

use super::Engine;
use super::compare::rebased;
use super::integrate::COMMIT_LIMIT;
use crate::gate::{self, GateInput, MeasureInput, Unmeasured};
use crate::git::{CommitOutcome, CommitRequest, GitError, SalvageRequest};
use crate::logic::iterate;
use crate::logic::judge::Reference;
use crate::logic::measure;
use crate::model::config::ExperimentHistory;
use crate::model::{
    Active, Campaign, Candidate, Change, CheckResult, Completion, EffectId, EventKind, Execution, ExperimentRecord,
    GateReport, Numeric, Outcome, Phase, RelPath, Series, Step, Task, Verdict,
};
use crate::prompt;
use crate::sys;
use crate::sys::killpoint;
use crate::view;

/// How often a metric is taken again to find out whether it is noisy.
const REPEATS: usize = 2;
/// Experiments that a prompt is given; how many of them it shows, `prompt` says.
const SHOWN: usize = 20;

/// Where an iterative task stands, as prompts tell it.
pub(super) struct Standing {
    iteration: u32,
    baseline: f64,
    best: f64,
    streak: u32,
    recent: Vec<String>,
}

impl Standing {
    pub(super) fn of(campaign: &Campaign, series: Option<&Series>) -> Self {
        let records = series.map_or(&[][..], |series| &series.records);
        let tried: Vec<&ExperimentRecord> = records.iter().filter(|record| record.iteration > 0).collect();
        let recent = tried.get(tried.len().saturating_sub(SHOWN)..).unwrap_or_default();
        let line = |record: &&ExperimentRecord| {
            view::experiment::line(record, campaign.kept > 0 && record.iteration == campaign.best_iteration)
        };
        Self {
            iteration: campaign.iterations.saturating_add(1),
            baseline: campaign.baseline,
            best: campaign.best,
            streak: campaign.streak,
            recent: recent.iter().map(line).collect(),
        }
    }

    pub(super) fn shown(&self) -> prompt::Experiment<'_> {
        prompt::Experiment {
            iteration: self.iteration,
            baseline: Some(self.baseline),
            best: Some(self.best),
            no_improvement_streak: self.streak,
            recent: &self.recent,
        }
    }
}

/// An iteration that is over.
pub(super) struct Iteration {
    before: Option<(String, String)>,
    reference: String,
    is_kept: bool,
}

impl Engine {
    fn campaign(&self) -> Option<(&Active, &Campaign)> {
        let active = self.store.state.active.as_deref()?;
        active.campaign.as_deref().map(|campaign| (active, campaign))
    }

    /// Checks and measures the tree before the first change.
    pub(super) async fn baseline(&mut self) -> Result<()> {
        let id = self.store.state.active.as_ref().context("a baseline without a task")?.task.clone();
        let task = self.queue.task(&id).cloned().context("the task has left the queue")?;
        let effect = self.effect();
        self.store.record(vec![EventKind::BaselineStarted { effect: effect.clone(), task: Box::new(task.clone()) }])?;
        let log_dir = gate::log_dir(&self.project.config.files.log_dir, &id, 0, sys::clock::now());
        let env = self.child_env(&id, 0);
        let input = GateInput {
            task: &task,
            changed: &[],
            config: &self.project.config.verification,
            code_dir: &self.project.config.project.code_dir,
            log_dir: &log_dir,
            is_baseline: true,
            reference: Reference::default(),
            env: &env,
            redactor: self.store.sinks.redactor(),
        };
        let ran = gate::run(&input, self.stop.for_child(), &mut |_| {}).await;
        killpoint::reach("baseline checked");
        let measured = match ran {
            Ok(report) => self.repeat_baseline(&task, report).await?,
            Err(gate::Cancelled) => None,
        };
        let Some((report, repeats)) = measured else {
            self.note_stop()?;
            return self.store.record(vec![EventKind::GateCancelled { effect }]);
        };
        self.store.record(vec![EventKind::BaselineEnded { effect, report, repeats }])
    }

    /// Finds out whether the metric is noisy, and whether it can be taken from prepared trees when it has to be.
    /// `None` when the run is to stop.
    async fn repeat_baseline(&mut self, task: &Task, mut report: GateReport) -> Result<Option<(GateReport, Vec<f64>)>> {
        let (Completion::Numeric(numeric), Verdict::Pass, Some(first)) =
            (&task.completion, report.verdict, report.metric)
        else {
            return Ok(Some((report, Vec::new())));
        };
        let mut repeats = Vec::new();
        let mut command = None;
        for _ in 0..if measure::is_open(numeric) && report.outcome != Outcome::TargetMet { REPEATS } else { 0 } {
            let code_dir = self.project.config.project.code_dir.clone();
            match self.measure_once(task, &code_dir, command, "baseline").await {
                Ok(measured) => {
                    command = Some(measured.command);
                    repeats.push(measured.value);
                }
                Err(Unmeasured::Cancelled(_)) => return Ok(None),
                Err(Unmeasured::Invalid(invalid)) => {
                    fail(&mut report, numeric, invalid.verdict, format!("measured again: {}", invalid.reason));
                    return Ok(Some((report, repeats)));
                }
            }
        }
        let is_compared = iterate::needs_comparison(numeric, iterate::is_noisy(first, &repeats));
        if !is_compared || report.outcome == Outcome::TargetMet {
            return Ok(Some((report, repeats)));
        }
        match self.try_tree(task).await? {
            Ok(()) => {}
            Err(Unmeasured::Cancelled(_)) => return Ok(None),
            Err(Unmeasured::Invalid(invalid)) => {
                let details = format!(
                    "it works here, but not in a fresh checkout: {}; say in completion.prepare which commands make a \
                     checkout ready, for example \"npm ci\"",
                    invalid.reason
                );
                fail(&mut report, numeric, invalid.verdict, details);
            }
        }
        Ok(Some((report, repeats)))
    }

    /// Measures once in a prepared tree of the baseline.
    async fn try_tree(&mut self, task: &Task) -> Result<Result<(), Unmeasured>> {
        let base = self.store.state.active.as_ref().and_then(|active| active.base_commit.clone());
        let base = base.context("an iterative task without a base commit")?;
        let git = self.git.as_ref().context("an iterative task without git")?;
        let dir = git.prepare_tree(&self.project.trees().join("a"), &base).await?;
        Ok(self.measure_prepared(task, &dir, None, "baseline").await.map(drop))
    }

    /// Runs the metric's command once in a tree.
    pub(super) async fn measure_once(
        &self,
        task: &Task,
        tree: &std::path::Path,
        command: Option<usize>,
        log: &str,
    ) -> Result<gate::Measured, Unmeasured> {
        let config = &self.project.config;
        let (task, verification) = rebased(task, &config.verification, &config.project.code_dir);
        let attempt = self.campaign().map_or(0, |(_, campaign)| campaign.iterations.saturating_add(1));
        let dir = config.files.log_dir.join("checks").join(format!("{}__measured_{log}", task.id.file_stem()));
        let input = MeasureInput {
            task: &task,
            config: &verification,
            code_dir: tree,
            command,
            log_dir: &dir,
            env: &self.child_env(&task.id, attempt),
            redactor: self.store.sinks.redactor(),
        };
        gate::measure(&input, self.stop.for_child()).await
    }

    /// The contract was changed by a person: begin anew. Returns whether it was.
    pub(super) fn reset_if_changed(&mut self, task: &Task) -> Result<bool> {
        let Some((active, campaign)) = self.campaign() else { return Ok(false) };
        let old = &campaign.contract;
        let is_same = old.completion == task.completion
            && old.execution == task.execution
            && old.verification == task.verification;
        if is_same {
            return Ok(false);
        }
        let reason = "what is checked or measured was changed in task.json".to_owned();
        let event = EventKind::CampaignReset { task: active.task.clone(), reason };
        self.store.record(vec![event])?;
        Ok(true)
    }

    /// The manifest before the iteration under way, when it has begun already.
    pub(super) fn iteration_base(&self) -> Option<String> {
        self.campaign()?.1.before.as_ref().map(|(name, _)| name.clone())
    }

    /// The commit with the tree before the iteration under way.
    pub(super) async fn iteration_commit(&mut self, name: &str) -> Result<Option<String>> {
        if let Some((_, commit)) = self.campaign().and_then(|(_, campaign)| campaign.before.as_ref()) {
            return Ok(Some(commit.clone()));
        }
        if let Some(active) = &self.store.state.active
            && active.base == name
            && active.base_commit.is_some()
        {
            return Ok(active.base_commit.clone());
        }
        let git = self.git.as_ref().context("an iterative task without git")?;
        Ok(Some(git.base_commit(name, &self.tree.own_paths()).await?))
    }

    /// Puts what the iteration changed into a commit under a reference.
    pub(super) async fn propose(&mut self, iteration: u32) -> Result<()> {
        let (active, campaign) = self.campaign().context("an experiment without a task")?;
        let (name, base) = campaign.before.clone().context("an experiment without a base")?;
        let (attempt, _) = campaign.attempt.clone().context("an experiment without an attempt")?;
        let (task, touched) = (active.task.clone(), active.touched.clone());
        let message = subject(&campaign.contract, active);
        let now = self.tree.scan()?;
        let changes = self.tree.changed(&name, &touched, &now)?;
        let git = self.git.as_ref().context("an iterative task without git")?;
        let mut event = EventKind::Proposed {
            task: task.clone(),
            iteration,
            commit: None,
            reference: String::new(),
            changed: Vec::new(),
            left_out: Vec::new(),
            summary: String::new(),
        };
        if !changes.is_empty() {
            let request = SalvageRequest {
                task: task.as_str(),
                effect: &attempt,
                base: &base,
                changes: &changes,
                message: &message,
            };
            let made = git.experiment(request).await?;
            killpoint::reach("experiment kept");
            let reference = if made.commit.is_some() { made.reference } else { String::new() };
            let left_out = made.left_out.into_iter().map(|left| left.path).collect();
            event = EventKind::Proposed {
                task,
                iteration,
                commit: made.commit,
                reference,
                changed: made.changed,
                left_out,
                summary: made.summary,
            };
        }
        self.store.record(vec![event])
    }

    /// What a gate needs to know of the change of the iteration under way.
    pub(super) fn candidate(&self) -> Option<(Task, Vec<Change>, Reference)> {
        let (_, campaign) = self.campaign()?;
        let candidate = campaign.candidate.as_ref()?;
        let Completion::Numeric(numeric) = &campaign.contract.completion else { return None };
        let reference = if iterate::needs_comparison(numeric, campaign.is_noisy) {
            Reference::default()
        } else {
            Reference { best_before: Some(campaign.best), baseline: Some(campaign.baseline) }
        };
        Some(((*campaign.contract).clone(), candidate.changed.clone(), reference))
    }

    /// The message of the commit of an experiment that is kept.
    pub(super) fn experiment_message(&self) -> Option<String> {
        let (active, campaign) = self.campaign()?;
        let (record, _) = campaign.candidate.as_ref()?.judged.as_ref()?;
        Some(format!("{}\n\n{}", subject(&campaign.contract, active), record.notes))
    }

    /// Puts the tree back to the best so far. Done again after a kill, it comes to the same.
    pub(super) async fn revert(&mut self, iteration: u32) -> Result<()> {
        let (active, campaign) = self.campaign().context("putting back without a task")?;
        let effect = match &active.phase {
            Phase::Reverting { effect } => effect.clone(),
            _ => self.effect(),
        };
        let (_, base) = campaign.before.clone().context("putting back without a base")?;
        let candidate = campaign.candidate.clone().context("putting back without a change")?;
        let message = subject(&campaign.contract, active);
        let id = active.task.clone();
        self.store.record(vec![EventKind::RevertStarted { effect: effect.clone(), iteration }])?;
        let history = self.project.config.git.experiment_history;
        let commit = candidate.commit.clone().unwrap_or_default();
        let git = self.git.as_ref().context("an iterative task without git")?;
        let foreign = git.changed_since(&base, &commit).await?;
        let changes: Vec<Change> =
            candidate.changed.iter().filter(|change| !foreign.contains(&change.path)).cloned().collect();
        let mut shown = None;
        if history == ExperimentHistory::RevertCommits {
            shown = self.history_commit(&effect, "change", &candidate, &changes, &message, iteration).await?;
        }
        let git = self.git.as_ref().context("an iterative task without git")?;
        let report = git.restore_base(&base, &changes).await?;
        killpoint::reach("experiment put back");
        if let Some(sha) = &shown {
            let message = format!("Revert \"{message}\"\n\nThis reverts commit {sha}.");
            self.history_commit(&effect, "revert", &candidate, &changes, &message, iteration).await?;
        }
        let git = self.git.as_ref().context("an iterative task without git")?;
        let head = git.head().await?.unwrap_or_default();
        let left = report.left_alone.iter().map(|left| left.path.clone());
        let left_alone: Vec<RelPath> = foreign.into_iter().chain(left).collect();
        let trouble = trouble(&left_alone, &candidate, id.as_str());
        self.clean = None;
        self.store.record(vec![EventKind::Reverted { effect, head, commit: shown, left_alone, trouble }])
    }

    /// One of the two commits that show a change which was put back. A hook that refuses one is no reason to keep the
    /// change: there is no commit then.
    async fn history_commit(
        &mut self,
        effect: &EffectId,
        what: &str,
        candidate: &Candidate,
        changes: &[Change],
        message: &str,
        iteration: u32,
    ) -> Result<Option<String>> {
        let git = self.git.as_ref().context("an iterative task without git")?;
        let effect = EffectId::new(format!("{effect}.{what}"));
        if let Some(sha) = git.find_effect(&effect, None).await? {
            return Ok(Some(sha));
        }
        let trailers = [("Autodev-Iteration".to_owned(), iteration.to_string())];
        let outcome = git
            .commit(CommitRequest {
                paths: changes,
                message,
                trailers: &trailers,
                effect: &effect,
                log: None,
                limit: COMMIT_LIMIT,
                stop: self.stop.for_child(),
            })
            .await;
        killpoint::reach("history commit");
        match outcome {
            Ok(CommitOutcome::Committed { sha, .. }) => Ok(Some(sha)),
            Ok(CommitOutcome::Nothing { .. } | CommitOutcome::Refused { .. }) | Err(GitError::Stopped { .. }) => {
                let text = format!("the {what} is not in the history; it is kept as {}", candidate.reference);
                self.warn(text)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What is to be forgotten after these decisions.
    pub(super) fn leaving_iteration(&self, kinds: &[EventKind]) -> Option<Iteration> {
        let (active, campaign) = self.campaign()?;
        let candidate = campaign.candidate.as_ref();
        kinds.iter().find_map(|kind| match kind {
            EventKind::ExperimentEnded { record, .. } if record.iteration > 0 => Some(Iteration {
                before: campaign.before.clone().filter(|(name, _)| *name != active.base),
                reference: candidate.map(|candidate| candidate.reference.clone()).unwrap_or_default(),
                is_kept: record.step == Step::Keep,
            }),
            _ => None,
        })
    }

    /// Forgets the reference of a change that is in the branch by now; before its end is recorded, so that a kill in
    /// between leaves nothing. The reference of a change that was put back stays: nothing else holds it.
    pub(super) async fn release(&self, iteration: &Iteration) -> Result<()> {
        if let Some(git) = self.git.as_ref().filter(|_| iteration.is_kept) {
            git.drop_experiment(&iteration.reference).await?;
        }
        Ok(())
    }

    /// Forgets what an iteration began with. After a kill, the next start does it.
    pub(super) async fn leave_iteration(&mut self, iteration: Iteration) -> Result<()> {
        if let (Some(git), Some((name, _))) = (&self.git, iteration.before) {
            git.drop_base(&name).await?;
            self.tree.forget(&name);
        }
        Ok(())
    }
}

/// `<commit_prefix>(<id>): <title>`.
fn subject(contract: &Task, active: &Active) -> String {
    let prefix = match &contract.execution {
        Execution::Iterative(plan) => plan.commit_prefix.as_str(),
        Execution::SinglePass => "experiment",
    };
    let title = active.title.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{prefix}({}): {title}", active.task)
}

fn trouble(left_alone: &[RelPath], candidate: &Candidate, id: &str) -> String {
    let Some(first) = left_alone.first() else { return String::new() };
    let more = if left_alone.len() > 1 { format!(" and {} more", left_alone.len() - 1) } else { String::new() };
    format!(
        "{first}{more} was changed by somebody else meanwhile and is left as it is, with the change in it; the change \
         alone is {}; put the files in order, then `autodev task retry --ids {id}`",
        candidate.reference
    )
}

fn fail(report: &mut GateReport, numeric: &Numeric, verdict: Verdict, details: String) {
    let name = format!("metric:{}", numeric.name);
    report.errors.push(format!("{name}: {details}"));
    report.verdict = if verdict == Verdict::Infra { Verdict::Infra } else { Verdict::Fail };
    report.checks.push(CheckResult { name, verdict: report.verdict, details, evidence: None });
}
