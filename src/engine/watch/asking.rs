//! A plan that no reader understands goes to a model, as `autodev plan -f` does it.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::reading::{Content, body, item};
use crate::engine::desk::Interrupted;
use crate::engine::planning::{self, NoPlan};
use crate::engine::project::Project;
use crate::logic::watch::name;
use crate::plan::source::{Source, SourceKind};
use crate::sys;
use crate::sys::lock::LockError;

/// How soon it is worth to ask again when only another command was in the way.
const BUSY_SECONDS: i64 = 10;

/// Why a plan has no tasks.
pub(super) struct Unanswered {
    /// For people.
    pub(super) reason: String,
    /// When it is worth to ask again by itself.
    pub(super) retry_at: Option<DateTime<Utc>>,
}

/// Asks for the tasks of a plan. `content` is what its front matter says, `path` its absolute path.
///
/// # Errors
/// Only when a signal stops it.
pub(super) async fn ask(
    project: &Project,
    path: &str,
    text: &str,
    content: Content,
    reasons: &[String],
) -> Result<Result<Content, Unanswered>> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let source = Source {
        kind: SourceKind::File,
        label: file.to_owned(),
        name: name::stem(file).to_owned(),
        text: body(text).trim().to_owned(),
        doc: path.to_owned(),
    };
    match planning::ask_for_tasks(project, &source).await {
        Ok(asked) => {
            let tasks = asked.proposal.tasks.into_iter().map(|mut task| {
                put_doc(&mut task, &asked.doc);
                item(task)
            });
            Ok(Ok(Content { items: tasks.collect(), ..content }))
        }
        Err(error) if error.is::<Interrupted>() => Err(error),
        Err(error) => {
            let retry_at = retry_at(project, &error);
            let why = reasons.join("; ");
            let again = retry_at.map(|at| format!("\n\nIt is tried again by itself after {}.", sys::clock::local(at)));
            let reason = format!(
                "It has to be planned by a model ({why}), and that failed:\n\n{error:#}{}",
                again.unwrap_or_default()
            );
            Ok(Err(Unanswered { reason, retry_at }))
        }
    }
}

fn retry_at(project: &Project, error: &anyhow::Error) -> Option<DateTime<Utc>> {
    let now = sys::clock::now();
    if let Some(NoPlan { limit, .. }) = error.downcast_ref::<NoPlan>() {
        let limit = limit.as_ref()?;
        let wait = project.config.circuit_breaker.rate_limit_cooldown.clamp(1, 86_400);
        return Some(limit.until.unwrap_or(now + TimeDelta::seconds(wait as i64)));
    }
    let is_busy = error.chain().any(|cause| matches!(cause.downcast_ref(), Some(LockError::Held { .. })));
    is_busy.then(|| now + TimeDelta::seconds(BUSY_SECONDS))
}

fn put_doc(task: &mut serde_json::Map<String, Value>, doc: &str) {
    let mut docs = match task.get("docs") {
        Some(Value::Array(docs)) => docs.clone(),
        _ => Vec::new(),
    };
    if !doc.is_empty() && !docs.iter().any(|known| known == doc) {
        docs.insert(0, json!(doc));
        task.insert("docs".to_owned(), Value::Array(docs));
    }
}
