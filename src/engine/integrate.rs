//! The effects `OpenTask`, `Commit` and `Salvage`: what connects a task with the project's history.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Engine;
use crate::git::{CommitOutcome, CommitRequest, GitError, LeftOut, SalvageRequest};
use crate::model::{Change, CheckResult, EventKind, Evidence, TaskId, Verdict};
use crate::snapshot::Manifest;
use crate::sys::killpoint;

/// Hooks may run a test suite; the reference gave a commit 60 s, which is too short for that.
pub(super) const COMMIT_LIMIT: Duration = Duration::from_mins(10);

impl Engine {
    /// Makes the base of a task safe, then opens it.
    pub(super) async fn open_task(&mut self, id: &TaskId) -> Result<()> {
        let title = self.queue.task(id).map(|task| task.label().to_owned()).unwrap_or_default();
        if let Some(parked) = self.store.state.parked.get(id).cloned()
            && parked.salvage.is_none()
            && self.tree.kept(&parked.base).is_ok()
        {
            // Its earlier work is in the tree and counts.
            let touched = parked.touched.into_iter().collect();
            let (base, base_commit) = (parked.base, parked.base_commit);
            return self.store.record(vec![EventKind::TaskOpened {
                task: id.clone(),
                title,
                base,
                base_commit,
                touched,
            }]);
        }
        let base = format!("{}.base", self.effect_name(id));
        let manifest = self.tree.scan()?;
        let is_iterative = self.queue.task(id).is_some_and(|task| task.strategy() == "iterative");
        let base_commit = self.base_commit(&base, &manifest, is_iterative).await?;
        self.tree.keep(&base, manifest)?;
        killpoint::reach("base kept");
        self.store.record(vec![EventKind::TaskOpened {
            task: id.clone(),
            title,
            base,
            base_commit,
            touched: Vec::new(),
        }])
    }

    /// Returns a commit whose tree is the tree as it is; without git, or when leftovers are to stay and nothing
    /// is tried and put back, none is needed.
    async fn base_commit(&mut self, base: &str, manifest: &Manifest, is_iterative: bool) -> Result<Option<String>> {
        let is_wanted = self.settings_on_block_salvages() || is_iterative;
        let Some(git) = self.git.as_ref().filter(|_| is_wanted) else { return Ok(None) };
        let head = git.head().await?;
        // Nothing that counts has moved since the last commit took all there was: git need not look again.
        if let Some((commit, digest)) = &self.clean
            && head.as_ref() == Some(commit)
            && *digest == manifest.digest()
        {
            self.clean_bases.insert(base.to_owned());
            return Ok(head);
        }
        let commit = git.base_commit(base, &self.tree.own_paths()).await?;
        if head.as_ref() == Some(&commit) {
            self.clean_bases.insert(base.to_owned());
        }
        Ok(Some(commit))
    }

    fn settings_on_block_salvages(&self) -> bool {
        self.store
            .state
            .run
            .settings
            .as_ref()
            .is_some_and(|settings| settings.on_block == crate::model::BlockAction::Salvage)
    }

    /// A file name for something that belongs to a task and the next effect.
    pub(super) fn effect_name(&self, id: &TaskId) -> String {
        format!("{}-{}", id.file_stem(), self.effect())
    }

    /// Commits exactly the task's files.
    pub(super) async fn commit(&mut self, attempt: u32) -> Result<()> {
        let active = self.store.state.active.as_ref().context("commit without a task")?;
        let crate::model::Phase::Verified { changed, .. } = &active.phase else {
            anyhow::bail!("commit of work that is not verified");
        };
        let (id, title, changed) = (active.task.clone(), active.title.clone(), changed.clone());
        let effect = self.effect();
        self.store.record(vec![EventKind::CommitStarted { effect: effect.clone(), attempt }])?;
        let Some(git) = &self.git else {
            let reason = "not a git work tree".to_owned();
            return self.store.record(vec![EventKind::CommitSkipped { effect, reason }]);
        };
        let message = self
            .experiment_message()
            .unwrap_or_else(|| commit_message(&self.project.config.git.commit_message_template, &id, &title));
        killpoint::reach("before commit");
        let log = self.project.config.files.log_dir.join("hooks").join(format!("{effect}.log"));
        let trailers = [("Autodev-Attempt".to_owned(), format!("{id}/{attempt}"))];
        let outcome = git
            .commit(CommitRequest {
                paths: &changed,
                message: &message,
                trailers: &trailers,
                effect: &effect,
                log: Some(&log),
                limit: COMMIT_LIMIT,
                stop: self.stop.for_child(),
            })
            .await;
        killpoint::reach("after commit");
        let event = match outcome {
            Ok(CommitOutcome::Committed { sha, left_out, is_index_stale, .. }) => {
                let subject = message.lines().next().unwrap_or_default();
                self.recent_commits.insert(0, format!("{} {subject}", sha.get(..7).unwrap_or(&sha)));
                let base = self.store.state.active.as_ref().map(|active| active.base.clone()).unwrap_or_default();
                let is_clean = left_out.is_empty() && !is_index_stale && self.clean_bases.contains(&base);
                self.clean = self.checked.filter(|_| is_clean).map(|digest| (sha.clone(), digest));
                self.tell_left_out(&left_out)?;
                if is_index_stale {
                    self.warn(
                        "another git held the index: `git status` shows the task's files as changed until `git reset`"
                            .to_owned(),
                    )?;
                }
                EventKind::Committed { effect, sha }
            }
            Ok(CommitOutcome::Nothing { reason, left_out }) => {
                self.tell_left_out(&left_out)?;
                EventKind::CommitSkipped { effect, reason }
            }
            Ok(CommitOutcome::Refused { hook, tail, code, is_timed_out }) => {
                let name = hook.unwrap_or_else(|| "a hook".to_owned());
                let how = if is_timed_out { "took too long" } else { "refused the commit" };
                let check = CheckResult {
                    name: "commit".to_owned(),
                    verdict: Verdict::Fail,
                    details: format!("{name} {how}"),
                    evidence: Some(Evidence {
                        log: self.project.shown(&log),
                        tail: self.store.sinks.redact(&tail),
                        exit_code: code,
                        duration_ms: 0,
                    }),
                };
                EventKind::CommitRefused { effect, check }
            }
            Err(GitError::Stopped { .. }) => {
                self.note_stop()?;
                EventKind::GateCancelled { effect }
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let check = CheckResult {
                    name: "commit".to_owned(),
                    verdict: Verdict::Infra,
                    details: self.store.sinks.redact(&format!("{error}{hint}")),
                    evidence: None,
                };
                EventKind::CommitRefused { effect, check }
            }
        };
        self.store.record(vec![event])
    }

    /// Moves the leftovers of the task being blocked to a ref, then out of the tree.
    pub(super) async fn salvage(&mut self) -> Result<()> {
        let active = self.store.state.active.as_ref().context("salvage without a task")?;
        let (id, title, base, touched) =
            (active.task.clone(), active.title.clone(), active.base.clone(), active.touched.clone());
        let begun = match &active.phase {
            crate::model::Phase::Blocking { effect, .. } => effect.clone(),
            _ => None,
        };
        let base_commit = active.base_commit.clone();
        let effect = begun.unwrap_or_else(|| self.effect());
        self.store.record(vec![EventKind::SalvageStarted { effect: effect.clone() }])?;
        let none = |effect, reason: &str| EventKind::Salvaged {
            effect,
            reference: None,
            left_alone: touched.iter().cloned().collect(),
            reason: reason.to_owned(),
        };
        let (Some(git), Some(base_commit)) = (&self.git, base_commit) else {
            return self.store.record(vec![none(effect, "the base of the task is not in git")]);
        };
        let now = self.tree.scan()?;
        let changes: Vec<Change> = self.tree.changed(&base, &touched, &now)?;
        let message = format!("autodev: leftovers of {id} - {title}");
        let request = SalvageRequest {
            task: id.as_str(),
            effect: &effect,
            base: &base_commit,
            changes: &changes,
            message: &message,
        };
        // Asked again after a kill, the salvage that exists is the answer.
        let saved = git.salvage(request).await;
        killpoint::reach("salvage saved");
        let event = match saved {
            Err(error) => {
                let reason = format!("the leftovers stay in the tree: {error}");
                self.warn(reason.clone())?;
                none(effect, &reason)
            }
            Ok(saved) if saved.reference.is_none() => none(effect, "nothing was left that git keeps"),
            Ok(saved) => {
                let report = git.restore_base(&base_commit, &saved.saved).await?;
                killpoint::reach("base restored");
                let left = saved.left_out.iter().chain(&report.left_alone);
                let left_alone = left.map(|left| left.path.clone()).collect();
                EventKind::Salvaged { effect, reference: saved.reference, left_alone, reason: String::new() }
            }
        };
        self.store.record(vec![event])
    }

    fn tell_left_out(&mut self, left_out: &[LeftOut]) -> Result<()> {
        let Some(first) = left_out.first() else { return Ok(()) };
        let more = if left_out.len() > 1 { format!(" and {} more", left_out.len() - 1) } else { String::new() };
        let text = format!("not in the commit: {} ({}){more}", first.path, first.reason);
        self.store.record(vec![EventKind::Note { level: "info".to_owned(), text }])
    }
}

/// Fills the template in one pass: text of a task is never expanded again.
fn commit_message(template: &str, id: &TaskId, title: &str) -> String {
    let one_line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut message = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        message.push_str(before);
        if let Some(after) = from.strip_prefix("{task_id}") {
            message.push_str(id.as_str());
            rest = after;
        } else if let Some(after) = from.strip_prefix("{task_name}") {
            message.push_str(&one_line);
            rest = after;
        } else {
            message.push('{');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    message.push_str(rest);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_message_never_expands_text_of_a_task() {
        let text = commit_message("autodev: {task_id} - {task_name} {x}", &TaskId::new("P0-1"), "use {task_id}\n now");
        assert_eq!(text, "autodev: P0-1 - use {task_id} now {x}");
    }
}
