//! The effect `Replan`: asks what is left to do after an epoch, keeps the old queue and puts a new one in its place.
//!
//! The identity of the effect is written into the new queue's `epoch_history`, so that after a crash the file itself
//! tells whether the old queue had already been replaced.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Engine;
use super::ask::Answer;
use super::project::{Project, free_stem};
use super::propose::{Proposed, Wish, propose};
use super::queue::Suspect;
use crate::detect;
use crate::model::{EffectId, EventKind, Inquiry, LeftBlocked, ProcessEnd, Replan, Task, TaskId};
use crate::plan::QueueFile;
use crate::plan::audit::folded;
use crate::plan::proposal::{self, Proposal};
use crate::prompt::question::{self, ReplanInput};
use crate::sys;
use crate::sys::fs::{Durability, write_atomic};
use crate::sys::killpoint;

/// Journal entries shown (section 17 of the reference's description).
const SUMMARIES: usize = 12;
/// Earlier epochs whose finished titles are remembered.
const EPOCHS: usize = 20;

/// What an epoch left, for the question and for judging its answer.
struct Standing {
    completed: Vec<String>,
    blocked: Vec<(String, String)>,
    summaries: Vec<String>,
    /// Titles of finished tasks of this and earlier epochs, folded for comparison.
    finished: BTreeSet<String>,
}

impl Engine {
    pub(super) async fn replan(&mut self, epoch: u32) -> Result<()> {
        let effect = self.store.next_effect();
        self.store.record(vec![EventKind::ReplanStarted { effect: effect.clone(), epoch }])?;
        let outcome = self.plan_anew(&effect, epoch).await?;
        self.note_stop()?;
        let is_new = matches!(outcome, Replan::New { .. });
        self.store.record(vec![EventKind::Replanned { effect, epoch, outcome }])?;
        if is_new { self.queue.refresh(&mut self.store, Suspect::Person) } else { Ok(()) }
    }

    async fn plan_anew(&mut self, effect: &EffectId, epoch: u32) -> Result<Replan> {
        let Some(source) = Origin::of(self.queue.file()) else { return Ok(Replan::NoSource) };
        let standing = Standing::of(&self.project, self.queue.file(), &self.store.state.left_blocked);
        let config = self.project.config.clone();
        let hint = detect::detect(&config.project.code_dir, sys::env::raw("PATH").as_deref()).hint();
        let prompt = ReplanInput {
            project_name: &config.project.name,
            planning_text: &source.text,
            source_doc: source.doc.as_deref(),
            spec_doc: source.specification.as_deref(),
            epoch,
            completed: &standing.completed,
            blocked: &standing.blocked,
            pending: &[],
            journal: &standing.summaries,
            repeated: &[],
            checks_hint: &hint,
            path_hints: &[],
            example: &proposal::example_text(),
        }
        .render(&config.prompt)?;
        let wish = Wish {
            inquiry: Inquiry::Replan { epoch },
            prompt: &prompt,
            limit: super::limit(config.plan.timeout_seconds),
            schema: Some(question::PLAN_SCHEMA),
            config: &config.prompt,
        };
        let asker = self.asker();
        let judge = |value: &Value, is_last| standing.judge(value, is_last);
        let proposed = propose(&asker, &mut self.store, &mut self.tree, &wish, judge).await?;
        let outcome = match proposed {
            Proposed::Plan(Some((proposal, left_out))) => {
                return self.replace_queue(effect, epoch, &source, &proposal, left_out);
            }
            Proposed::Plan(None) => Replan::Nothing,
            Proposed::NoAnswer(Answer { ref report, .. }) => match &report.end {
                ProcessEnd::Limited(refusal) => Replan::Limited { refusal: refusal.clone() },
                ProcessEnd::Interrupted => Replan::Stopped,
                _ => Replan::Failed { reason: self.store.sinks.redact(&proposed.trouble()) },
            },
            Proposed::Unsound { .. } if self.stop.signal().is_some() => Replan::Stopped,
            Proposed::Unsound { .. } => Replan::Failed { reason: self.store.sinks.redact(&proposed.trouble()) },
        };
        Ok(outcome)
    }

    /// Keeps the old queue and puts the new one in its place.
    fn replace_queue(
        &mut self,
        effect: &EffectId,
        epoch: u32,
        source: &Origin,
        proposal: &Proposal,
        left_out: Vec<String>,
    ) -> Result<Replan> {
        // Histories and what people did meanwhile belong into the copy too.
        self.queue.refresh(&mut self.store, Suspect::Person)?;
        let archive = self.archive(epoch)?;
        let shown = self.project.shown(&archive);
        let replaces = self.replaced(proposal);
        let entry = json!({
            "epoch": epoch,
            "completed": self.count(|task| task.status.passes),
            "blocked": self.count(|task| task.status.blocked && !task.status.passes),
            "pending": self.count(|task| !task.status.blocked && !task.status.passes),
            "archive": shown,
            "replaces": replaces,
            "left_out": left_out,
            "effect": effect,
        });
        killpoint::reach("queue archived");
        let doc = source.specification.as_deref().or(source.doc.as_deref()).unwrap_or_default();
        let doc = self.project.shown(Path::new(doc));
        if let Err(error) = self.queue.succeed(proposal, &doc, &entry) {
            return Ok(Replan::Failed { reason: format!("{error:#}") });
        }
        killpoint::reach("queue replaced");
        Ok(Replan::New { archive: shown, tasks: ids(proposal), replaces, left_out })
    }

    /// Tasks of the old queue, or left blocked by an earlier epoch, that the new plan says it replaces.
    fn replaced(&self, proposal: &Proposal) -> Vec<TaskId> {
        let named: BTreeSet<TaskId> = proposal
            .tasks
            .iter()
            .filter_map(|task| task.get("replaces")?.as_array())
            .flatten()
            .filter_map(|id| id.as_str().map(TaskId::new))
            .collect();
        let queue = self.queue.queue().tasks.iter().map(|task| &task.id);
        let known: BTreeSet<&TaskId> = queue.chain(self.store.state.left_blocked.iter().map(|left| &left.id)).collect();
        named.into_iter().filter(|id| known.contains(id)).collect()
    }

    fn count(&self, is: impl Fn(&Task) -> bool) -> usize {
        self.queue.queue().tasks.iter().filter(|task| is(task)).count()
    }

    /// `.autodev/archive/epoch-<n>-<stamp>.json`; a second one in the same second gets `-2`.
    fn archive(&self, epoch: u32) -> Result<PathBuf> {
        let dir = self.project.archive();
        std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let stem = format!("epoch-{epoch}-{}", sys::clock::now().format("%Y%m%dT%H%M%SZ"));
        let path = dir.join(free_stem(&dir, &stem, "json") + ".json");
        write_atomic(&path, self.queue.file().render().as_bytes(), Durability::Synced)?;
        Ok(path)
    }

    /// After a crash: if the new queue had taken the old one's place already, says so; else the question is asked again.
    pub(super) fn settle_replan(&mut self) -> Result<()> {
        let Some((effect, epoch)) = self.store.state.replanning.clone() else { return Ok(()) };
        let file = self.queue.file();
        let entries = file.member_value("epoch_history");
        let entry = entries.as_ref().and_then(Value::as_array).and_then(|entries| {
            entries.iter().find(|entry| entry.get("effect").and_then(Value::as_str) == Some(effect.as_str()))
        });
        let Some(entry) = entry else { return Ok(()) };
        let texts = |key: &str| -> Vec<String> {
            let list = entry.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let outcome = Replan::New {
            archive: entry.get("archive").and_then(Value::as_str).unwrap_or_default().to_owned(),
            tasks: file.queue().tasks.iter().map(|task| task.id.clone()).collect(),
            replaces: texts("replaces").iter().map(TaskId::new).collect(),
            left_out: texts("left_out"),
        };
        self.store.record(vec![EventKind::Replanned { effect, epoch, outcome }])
    }
}

/// What the queue was planned from.
struct Origin {
    text: String,
    doc: Option<String>,
    specification: Option<String>,
}

impl Origin {
    fn of(file: &QueueFile) -> Option<Self> {
        let source = file.member_value("planning_source")?;
        let text = |key: &str| {
            let text = source.get(key).and_then(Value::as_str).map(str::trim).unwrap_or_default();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let planned = text("planning_text").or_else(|| text("input_text"))?;
        Some(Self { text: planned, doc: text("source_doc"), specification: text("planning_source_doc") })
    }
}

impl Standing {
    fn of(project: &Project, file: &QueueFile, left: &[LeftBlocked]) -> Self {
        let queue = file.queue();
        let named = |task: &Task| format!("{}: {}", task.id, task.label());
        let done = queue.tasks.iter().filter(|task| task.status.passes);
        let blocked = queue.tasks.iter().filter(|task| task.status.blocked && !task.status.passes);
        let mut finished: BTreeSet<String> = done.clone().map(|task| folded(&task.title)).collect();
        finished.extend(archived(project, file));
        let left = left.iter().map(|task| (format!("{}: {}", task.id, task.title), task.reason.clone()));
        let newest = queue.journal.len().saturating_sub(SUMMARIES);
        let summaries = queue.journal.iter().skip(newest).map(|note| format!("{}: {}", note.task_id, note.summary));
        Self {
            completed: done.map(named).collect(),
            blocked: left.chain(blocked.map(|task| (named(task), task.status.block_reason.clone()))).collect(),
            summaries: summaries.collect(),
            finished,
        }
    }

    /// Returns the new tasks and the titles left out; `None` when there is nothing new. A plan that repeats finished work
    /// is refused; the last answer is taken without what it repeats.
    fn judge(&self, plan: &Value, is_last: bool) -> Result<Option<(Proposal, Vec<String>)>, Vec<String>> {
        let mut plan = plan.clone();
        let mut left_out = Vec::new();
        if let Some(tasks) = plan.get_mut("tasks").and_then(Value::as_array_mut) {
            tasks.retain(|task| match repeated(task, &self.finished) {
                Some(title) => {
                    left_out.push(title);
                    false
                }
                None => true,
            });
            if tasks.is_empty() && (is_last || left_out.is_empty()) {
                return Ok(None);
            }
        }
        let repeats = left_out.iter().filter(|_| !is_last);
        let mut problems: Vec<String> =
            repeats.map(|title| format!("`{title}` is finished already; plan only what remains")).collect();
        match proposal::read(&plan) {
            Ok(proposal) if problems.is_empty() => Ok(Some((proposal, left_out))),
            Ok(_) => Err(problems),
            Err(findings) => {
                problems.extend(findings.iter().map(ToString::to_string));
                Err(problems)
            }
        }
    }
}

fn repeated(task: &Value, finished: &BTreeSet<String>) -> Option<String> {
    let title = task.get("title").or_else(|| task.get("name")).and_then(Value::as_str)?;
    finished.contains(&folded(title)).then(|| title.trim().to_owned())
}

/// Titles of finished tasks of earlier epochs, folded. A copy that is gone or unreadable is not worth a stop.
fn archived(project: &Project, file: &QueueFile) -> Vec<String> {
    let history = file.member_value("epoch_history");
    let entries = history.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names =
        entries.iter().rev().take(EPOCHS).filter_map(|entry| entry.get("archive")?.as_str()?.rsplit('/').next());
    let paths = names.map(|name| project.archive().join(name));
    let caps = super::queue::caps(project);
    let queues = paths.filter_map(|path| QueueFile::load(&path, &caps).ok());
    queues
        .flat_map(|file| {
            let done = file.queue().tasks.iter().filter(|task| task.status.passes);
            done.map(|task| folded(&task.title)).collect::<Vec<_>>()
        })
        .collect()
}

fn ids(proposal: &Proposal) -> Vec<TaskId> {
    proposal.tasks.iter().filter_map(|task| task.get("id")?.as_str().map(TaskId::new)).collect()
}
