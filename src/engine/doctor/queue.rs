//! task.json.

use crate::engine::project::Project;
use crate::engine::{queue as keeper, refuse_unusable};
use crate::logic::health::Row;
use crate::logic::health::queue::{self as facts, Epochs};
use crate::plan::{QueueError, QueueFile};

/// Looks at the file as a run would.
pub(super) fn look(project: &Project) -> Vec<Row> {
    let config = &project.config;
    let file = match QueueFile::load(&config.files.task_json, &keeper::caps(project)) {
        Ok(file) => file,
        Err(error) => return facts::unusable(&told(&error), error.hint()),
    };
    let source = file.member_value("planning_source").unwrap_or_default();
    let has_text =
        |key: &str| source.get(key).and_then(serde_json::Value::as_str).is_some_and(|text| !text.trim().is_empty());
    let epochs =
        Epochs { wanted: config.run.max_epochs, has_source: ["planning_text", "input_text"].into_iter().any(has_text) };
    let refusal = refuse_unusable(file.queue()).err().map(|error| error.to_string());
    facts::queue(file.queue(), &config.verification, epochs, refusal.as_deref())
}

/// One text per problem, each with its line.
fn told(error: &QueueError) -> Vec<String> {
    match error {
        QueueError::Invalid { path, problems } => {
            problems.iter().map(|problem| format!("{}:{problem}", path.display())).collect()
        }
        other => vec![other.to_string()],
    }
}
