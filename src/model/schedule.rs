//! When runs may work, which plans come when, and a person's wish to pause.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A time of the week in which agents may be started; one of `[schedule].windows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days on which it opens: bit 0 is Monday, bit 6 Sunday.
    pub days: u8,
    /// Minutes after midnight at which it opens, below 1440.
    pub start: u16,
    /// Minutes after midnight at which it closes, 1 to 1440; not after `start`: on the day after.
    pub end: u16,
    /// Name of its time zone; empty: that of the machine.
    pub zone: String,
}

/// A plan that comes again and again; one of `[schedule].cron`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// The five fields of a cron line, or a nickname such as `@daily`.
    pub fields: String,
    /// Name of its time zone; empty: that of the machine.
    pub zone: String,
    /// The plan, as written.
    pub plan: String,
}

impl Recurrence {
    /// Returns the name by which the journal knows it. The same times for the same plan are the same entry.
    pub fn name(&self) -> String {
        let zone = if self.zone.is_empty() { String::new() } else { format!(" {}", self.zone) };
        format!("{}{zone}: {}", self.fields, self.plan)
    }
}

/// What is known of an entry of `[schedule].cron`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fires {
    /// Up to when its times are settled: those until then have had their turn.
    pub since: DateTime<Utc>,
    /// The time whose plan is being queued.
    pub under_way: Option<DateTime<Utc>>,
}

/// A person paused the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why, for people; may be empty.
    pub reason: String,
    /// When.
    pub since: DateTime<Utc>,
    /// When it ends by itself; `None`: with `autodev resume`.
    pub until: Option<DateTime<Utc>>,
}

impl Hold {
    /// Whether its time has come.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// What became of a plan whose time had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Firing {
    /// Its tasks are in the queue.
    Queued {
        /// Their ids.
        tasks: Vec<super::TaskId>,
    },
    /// It could not be queued.
    Failed {
        /// Why.
        reason: String,
    },
}
