//! Plans that are watched: what the journal knows about each plan file, and how a plan changes the queue.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::TaskId;

/// What became of the content of a plan file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStanding {
    /// Its tasks are in the queue.
    #[default]
    Taken,
    /// Its front matter says that it is a draft.
    Draft,
    /// Another plan file with the same content was taken.
    Twin,
    /// The file is gone; what had not begun is out of the queue.
    Withdrawn,
    /// It could not become tasks.
    Failed,
}

/// What is known about one plan file. The key in [`State::plans`](super::State::plans) is its path as people see it,
/// relative to the code directory when inside, with `/` between its parts; behind it `#` and the occasion for a plan
/// that is queued again and again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanRecord {
    /// SHA-256 of the content that this is about, hexadecimal.
    pub digest: String,
    /// What became of it.
    pub standing: PlanStanding,
    /// Its title.
    pub title: String,
    /// The tasks that it put into the queue and that were not withdrawn.
    pub tasks: Vec<PlanTask>,
    /// Keys of the plans that come before it.
    pub needs: Vec<String>,
    /// What its tasks may cost together, in US dollars.
    pub budget: Option<f64>,
    /// What its tasks have cost so far, in US dollars, as far as agents say.
    pub spent: f64,
    /// The branch of its own on which its tasks are worked on, elsewhere than in this queue.
    pub branch: Option<String>,
    /// Why it failed.
    pub reason: String,
    /// Names of plans that it waits for: nobody knows them, or they wait for this one.
    pub waits_for: Vec<String>,
    /// When it is worth to try again without a change.
    pub retry_at: Option<DateTime<Utc>>,
}

/// One task of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTask {
    /// Its id in the queue.
    pub id: TaskId,
    /// Its id in the plan.
    pub own: String,
    /// Its title in the plan.
    pub title: String,
    /// SHA-256 of what the plan says about it, hexadecimal.
    pub digest: String,
}

/// What one plan changes in the queue. All of it is done in one write, together with other plans.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlanChange {
    /// The key of the plan.
    pub plan: String,
    /// SHA-256 of its content; that of the content before for a plan that is gone.
    pub digest: String,
    /// What it is from now on.
    pub standing: PlanStanding,
    /// Its title.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// All its tasks from now on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<PlanTask>,
    /// Those that are new in the queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<TaskId>,
    /// Those whose text or checks change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updated: Vec<PlanUpdate>,
    /// Those that leave the queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<TaskId>,
    /// Those that the plan no longer has, or has otherwise, and that stay as they are because they had begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<TaskId>,
    /// Keys of the plans that come before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
    /// See [`PlanRecord::branch`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The key under which this content was known before the file was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_from: Option<String>,
    /// The key of the plan that has the same content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin_of: Option<String>,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A task whose text or checks a plan changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanUpdate {
    /// Which.
    pub id: TaskId,
    /// SHA-256 of its contract afterwards, hexadecimal: an agent's own change of it is still undone.
    pub contract: String,
}
