//! The effects `Compare` and `Revalidate`: two prepared trees, measured in turns.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Engine;
use crate::gate::{self, GateInput, Invalid, Measured, Unmeasured};
use crate::logic::judge::Reference;
use crate::logic::measure::{self, Guarded, Pair, Revalidation, Side};
use crate::logic::stats;
use crate::model::config::VerificationConfig;
use crate::model::{
    CommandSpec, Compared, Comparison, Completion, EffectId, EventKind, Execution, Numeric, Task, Verdict,
};
use crate::sys::killpoint;

/// What is asked of the numbers.
#[derive(Clone, Copy, Debug)]
enum Question {
    /// Whether an iteration improved, at this probability of error.
    Iteration { alpha: f64 },
    /// Whether the result is better than what the task began with.
    LastWord,
}

enum Answer {
    Measure(usize),
    Known(measure::Comparison),
}

impl Question {
    fn ask(self, settings: &measure::Settings, pairs: &[Pair]) -> Answer {
        match self {
            Self::Iteration { alpha } => match measure::next(settings, pairs, alpha) {
                measure::Step::Measure { more } => Answer::Measure(more),
                measure::Step::Decide(comparison) => Answer::Known(comparison),
            },
            Self::LastWord => match measure::revalidate(settings, pairs) {
                Revalidation::Measure { more } => Answer::Measure(more),
                Revalidation::Confirmed(comparison) | Revalidation::NotConfirmed(comparison) => {
                    Answer::Known(comparison)
                }
            },
        }
    }
}

impl Engine {
    /// Measures the tree with the change of an iteration against the best so far.
    pub(super) async fn compare(&mut self, iteration: u32) -> Result<()> {
        let campaign = self.store.state.active.as_ref().and_then(|active| active.campaign.as_ref());
        let campaign = campaign.context("a comparison without a task")?;
        let (_, champion) = campaign.before.clone().context("a comparison without a base")?;
        let candidate = campaign.candidate.as_ref().and_then(|candidate| candidate.commit.clone());
        let candidate = candidate.context("a comparison without a change")?;
        let (task, is_noisy) = ((*campaign.contract).clone(), campaign.is_noisy);
        let max_iterations = match &task.execution {
            Execution::Iterative(plan) => plan.max_iterations,
            Execution::SinglePass => 1,
        };
        let confidence =
            numeric(&task).and_then(|it| measure::Settings::of(it, is_noisy)).map_or(0.95, |it| it.confidence);
        let alpha = measure::alpha(iteration, max_iterations, confidence);
        self.compare_trees(iteration, &task, is_noisy, (&champion, &candidate), Question::Iteration { alpha }).await
    }

    /// Measures the best tree against the one the task began with.
    pub(super) async fn revalidate(&mut self) -> Result<()> {
        let active = self.store.state.active.as_ref().context("a last word without a task")?;
        let campaign = active.campaign.as_ref().context("a last word without a baseline")?;
        let origin = active.base_commit.clone().context("an iterative task without a base commit")?;
        let (task, is_noisy) = ((*campaign.contract).clone(), campaign.is_noisy);
        let name = format!("{}.last", self.effect_name(&task.id));
        let git = self.git.as_ref().context("an iterative task without git")?;
        let best = git.base_commit(&name, &self.tree.own_paths()).await?;
        let result = self.compare_trees(0, &task, is_noisy, (&origin, &best), Question::LastWord).await;
        if let Some(git) = &self.git {
            git.drop_base(&name).await?;
        }
        result
    }

    /// Removes the prepared trees: with all that was built in them they can be large.
    pub(super) fn remove_trees(&mut self) -> Result<()> {
        let trees = self.project.trees();
        match std::fs::remove_dir_all(&trees) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                self.warn(format!("{} cannot be removed: {error}", self.project.shown(&trees)))
            }
            _ => Ok(()),
        }
    }

    async fn compare_trees(
        &mut self,
        iteration: u32,
        task: &Task,
        is_noisy: bool,
        commits: (&str, &str),
        question: Question,
    ) -> Result<()> {
        let effect = self.effect();
        self.store.record(vec![EventKind::CompareStarted { effect: effect.clone(), iteration }])?;
        let git = self.git.as_ref().context("an iterative task without git")?;
        // Equally long paths: the length of a path is in the environment of a process and moves its stack.
        let trees = [
            git.prepare_tree(&self.project.trees().join("a"), commits.0).await?,
            git.prepare_tree(&self.project.trees().join("b"), commits.1).await?,
        ];
        killpoint::reach("trees prepared");
        let measured = self.measure_trees(&effect, task, is_noisy, &trees, question).await?;
        killpoint::reach("compared");
        let compared = match measured {
            Ok(comparison) => Compared::Measured(comparison),
            Err(Unmeasured::Invalid(Invalid { reason, verdict })) => Compared::Invalid { reason, verdict },
            Err(Unmeasured::Cancelled(_)) => {
                self.note_stop()?;
                return self.store.record(vec![EventKind::GateCancelled { effect }]);
            }
        };
        self.store.record(vec![EventKind::CompareEnded { effect, iteration, compared }])
    }

    async fn measure_trees(
        &mut self,
        effect: &EffectId,
        task: &Task,
        is_noisy: bool,
        trees: &[PathBuf; 2],
        question: Question,
    ) -> Result<Result<Comparison, Unmeasured>> {
        let settings = numeric(task).and_then(|numeric| measure::Settings::of(numeric, is_noisy));
        let (Some(numeric), Some(settings)) = (numeric(task), settings) else {
            let reason = "the metric does not say which way is better".to_owned();
            return Ok(Err(Invalid { reason, verdict: Verdict::Fail }.into()));
        };
        let mut pairs: Vec<Pair> = Vec::new();
        let mut guards: Vec<Vec<Pair>> = vec![Vec::new(); numeric.guards.len()];
        let mut command = None;
        let known = loop {
            let more = match question.ask(&settings, &pairs) {
                Answer::Known(comparison) => break comparison,
                Answer::Measure(more) => more,
            };
            for _ in 0..more {
                let (mut champion, mut candidate) = (None, None);
                for side in measure::order(pairs.len()) {
                    match self.measure_side(task, trees, side, command, pairs.is_empty()).await {
                        Ok(measured) => {
                            command = Some(measured.command);
                            match side {
                                Side::Champion => champion = Some(measured),
                                Side::Candidate => candidate = Some(measured),
                            }
                        }
                        Err(error) => return Ok(Err(error)),
                    }
                }
                let (Some(champion), Some(candidate)) = (champion, candidate) else { continue };
                let pair = Pair::new(champion.value, candidate.value).context("a number that is not finite")?;
                pairs.push(pair);
                for (at, guard) in guards.iter_mut().enumerate() {
                    let value = |side: &Measured| side.guards.get(at).map(|(_, value)| *value);
                    let both = value(&champion).zip(value(&candidate));
                    guard.extend(both.and_then(|(champion, candidate)| Pair::new(champion, candidate)));
                }
                self.store.record(vec![EventKind::PairMeasured {
                    effect: effect.clone(),
                    pair: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
                    champion: pair.champion(),
                    candidate: pair.candidate(),
                }])?;
            }
        };
        let judged = numeric.guards.iter().zip(&guards).map(|(guard, pairs)| measure::guard(&settings, guard, pairs));
        let broken_guard = judged.into_iter().find(|it: &Guarded| it.is_broken).map(|it| it.reason);
        Ok(Ok(report(&settings, &pairs, known, broken_guard)))
    }

    async fn measure_side(
        &self,
        task: &Task,
        trees: &[PathBuf; 2],
        side: Side,
        command: Option<usize>,
        is_first: bool,
    ) -> Result<Measured, Unmeasured> {
        let [champion, candidate] = trees;
        let (tree, log, who) = match side {
            Side::Champion => (champion, "best", "the best tree so far"),
            Side::Candidate => (candidate, "changed", "the tree with the change"),
        };
        let measured = if is_first {
            self.measure_prepared(task, tree, command, log).await
        } else {
            self.measure_once(task, tree, command, log).await
        };
        measured.map_err(|error| match error {
            Unmeasured::Invalid(Invalid { reason, verdict }) => {
                // The best tree has been measured before: what fails there now is not the change's fault.
                let verdict = if side == Side::Champion { Verdict::Infra } else { verdict };
                Invalid { reason: format!("{who}: {reason}"), verdict }.into()
            }
            cancelled @ Unmeasured::Cancelled(_) => cancelled,
        })
    }

    /// Makes a fresh checkout ready by the commands of `completion.prepare`, then measures.
    pub(super) async fn measure_prepared(
        &self,
        task: &Task,
        tree: &Path,
        command: Option<usize>,
        log: &str,
    ) -> Result<Measured, Unmeasured> {
        if let Some(commands) = numeric(task).map(|numeric| &numeric.prepare).filter(|commands| !commands.is_empty()) {
            self.prepare(task, commands, tree, log).await?;
        }
        self.measure_once(task, tree, command, log).await
    }

    async fn prepare(&self, task: &Task, commands: &[CommandSpec], tree: &Path, log: &str) -> Result<(), Unmeasured> {
        let config = &self.project.config;
        let (mut task, verification) = rebased(task, &config.verification, &config.project.code_dir);
        task.verification.validate_commands = commands.to_vec();
        task.completion = Completion::Boolean;
        let dir = config.files.log_dir.join("checks").join(format!("{}__prepare_{log}", task.id.file_stem()));
        let input = GateInput {
            task: &task,
            changed: &[],
            config: &verification,
            code_dir: tree,
            log_dir: &dir,
            is_baseline: true,
            reference: Reference::default(),
            env: &self.child_env(&task.id, 0),
            redactor: self.store.sinks.redactor(),
        };
        let report = gate::run(&input, self.stop.for_child(), &mut |_| {}).await?;
        if report.verdict.is_pass() {
            return Ok(());
        }
        Err(Invalid { reason: format!("completion.prepare: {}", report.summary()), verdict: report.verdict }.into())
    }
}

fn numeric(task: &Task) -> Option<&Numeric> {
    match &task.completion {
        Completion::Numeric(numeric) => Some(numeric),
        Completion::Boolean => None,
    }
}

fn report(
    settings: &measure::Settings,
    pairs: &[Pair],
    known: measure::Comparison,
    broken_guard: Option<String>,
) -> Comparison {
    let counted = pairs.get(settings.warmup..).unwrap_or_default();
    let median = |side: fn(Pair) -> f64| {
        let values: Vec<f64> = counted.iter().map(|pair| side(*pair)).collect();
        stats::median(&values)
    };
    Comparison {
        finding: known.finding,
        champion: median(Pair::champion),
        candidate: median(Pair::candidate),
        ratio: known.ratio,
        interval: known.interval,
        p_value: known.p_value,
        samples: u32::try_from(known.samples).unwrap_or(u32::MAX),
        pairs: pairs.iter().map(|pair| (pair.champion(), pair.candidate())).collect(),
        broken_guard,
        reason: known.reason,
    }
}

/// Returns a task and configuration whose commands run in a tree elsewhere: absolute directories inside the project are
/// made relative.
pub(super) fn rebased(task: &Task, config: &VerificationConfig, code_dir: &Path) -> (Task, VerificationConfig) {
    let moved = |directory: &mut String| {
        if let Ok(inside) = Path::new(directory.as_str()).strip_prefix(code_dir) {
            *directory = if inside.as_os_str().is_empty() { ".".to_owned() } else { inside.display().to_string() };
        }
    };
    let (mut task, mut config) = (task.clone(), config.clone());
    moved(&mut config.validate_working_directory);
    task.verification.validate_working_directory.iter_mut().for_each(moved);
    for command in &mut task.verification.validate_commands {
        command.working_directory.iter_mut().for_each(moved);
    }
    (task, config)
}
