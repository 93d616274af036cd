//! What people are told while they are away, and where they are told.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{RunId, TaskId};

/// What a notice is about. The words stand in `events` of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A task is done and proved.
    TaskCompleted,
    /// A task was given up.
    TaskBlocked,
    /// A run ended, however.
    RunFinished,
    /// The run waits for a limit of the model service.
    LimitWait,
    /// Only a person can go on.
    EnvironmentError,
    /// `autodev notify test`. Cannot be chosen: it goes to every channel.
    Test,
}

impl Topic {
    /// Those that a channel can choose, in the order of the documentation.
    pub const CHOICE: [Self; 5] =
        [Self::TaskCompleted, Self::TaskBlocked, Self::RunFinished, Self::LimitWait, Self::EnvironmentError];

    /// Returns the word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TaskCompleted => "task_completed",
            Self::TaskBlocked => "task_blocked",
            Self::RunFinished => "run_finished",
            Self::LimitWait => "limit_wait",
            Self::EnvironmentError => "environment_error",
            Self::Test => "test",
        }
    }
}

/// How good or bad the news is; services show it by colour or urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// All is well.
    Good,
    /// Nothing to do about it.
    Plain,
    /// Worth a look.
    Warning,
    /// Somebody must act.
    Bad,
}

/// The facts of one notice. It is a function of the journal up to one event: made again, it is the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it is about.
    pub topic: Topic,
    /// Names it among all notices of all projects, the same in every try: `<run>-<seq>`.
    pub id: String,
    /// The event; 0 for a test.
    pub seq: u64,
    /// When that was.
    pub at: DateTime<Utc>,
    /// Which run.
    pub run: RunId,
    /// The project's name.
    pub project: String,
    /// How good or bad it is.
    pub mood: Mood,
    /// The task, when it is about one.
    pub task: Option<NoticeTask>,
    /// Why, or how it ended; one line, may be empty.
    pub reason: String,
    /// The check that failed last, with what it found; empty when none did.
    pub failing_check: String,
    /// Until when the run waits.
    pub until: Option<DateTime<Utc>>,
    /// How the run ended: its status word and exit code.
    pub ended: Option<(String, i32)>,
    /// What is blocked, with the reason, at most five; for the end of a run.
    pub blocked: Vec<(TaskId, String)>,
    /// The queue at that moment.
    pub counts: Counts,
    /// Seconds since the run began.
    pub elapsed_seconds: u64,
    /// US dollars of this run so far, when an agent said.
    pub cost_usd: Option<f64>,
}

/// The task of a notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeTask {
    /// Its id.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// How many attempts it took; 0 when unknown.
    pub attempts: u32,
    /// Its commit.
    pub commit: Option<String>,
}

/// How many tasks of the queue are done, blocked and left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Done and proved.
    pub completed: usize,
    /// Blocked.
    pub blocked: usize,
    /// Neither.
    pub pending: usize,
}

/// A notice in words, the same for every service; secrets are masked.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// As in the notice.
    pub topic: Topic,
    /// As in the notice.
    pub id: String,
    /// As in the notice.
    pub at: DateTime<Utc>,
    /// As in the notice.
    pub mood: Mood,
    /// One line.
    pub title: String,
    /// A few lines without markup; the dashboard is not among them.
    pub body: String,
    /// Address or path of the dashboard; empty when there is none.
    pub dashboard: String,
    /// The same for programs.
    pub payload: serde_json::Value,
}

impl Message {
    /// Returns the dashboard when a browser elsewhere can open it.
    pub fn link(&self) -> Option<&str> {
        let is_web = self.dashboard.starts_with("https://") || self.dashboard.starts_with("http://");
        is_web.then_some(self.dashboard.as_str())
    }

    /// Returns the body with the dashboard below it.
    pub fn body_with_dashboard(&self) -> String {
        if self.dashboard.is_empty() {
            return self.body.clone();
        }
        let gap = if self.body.is_empty() { "" } else { "\n" };
        format!("{}{gap}Dashboard: {}", self.body, self.dashboard)
    }
}

/// A service that notices can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// The notification area of this machine.
    Desktop,
    /// JSON to an address of the user's own, signed.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// The bot API of Telegram.
    Telegram,
    /// A topic of ntfy.
    Ntfy,
    /// Mail, through the machine's sendmail.
    Email,
}

impl ChannelKind {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 7] =
        [Self::Desktop, Self::Webhook, Self::Slack, Self::Discord, Self::Telegram, Self::Ntfy, Self::Email];

    /// Returns the word used in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Telegram => "telegram",
            Self::Ntfy => "ntfy",
            Self::Email => "email",
        }
    }
}

/// One `[[notify.channels]]`. What is empty was not given; which of the fields a kind knows and needs is checked when the
/// configuration is loaded.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct ChannelConfig {
    /// Unique; the kind's word when none was given.
    #[serde(default)]
    pub name: String,
    /// Which service.
    pub kind: ChannelKind,
    /// What it is told. Never empty once loaded: left out, it is everything.
    #[serde(default)]
    pub events: Vec<Topic>,
    /// Where to, or the variable that says so.
    #[serde(default)]
    pub url: String,
    /// Name of the variable that holds `url`.
    #[serde(default)]
    pub url_env: String,
    /// The key that signs webhooks.
    #[serde(default)]
    pub secret: String,
    /// Name of the variable that holds `secret`.
    #[serde(default)]
    pub secret_env: String,
    /// The bot's token, or that of an ntfy user.
    #[serde(default)]
    pub token: String,
    /// Name of the variable that holds `token`.
    #[serde(default)]
    pub token_env: String,
    /// Telegram: which chat.
    #[serde(default)]
    pub chat_id: String,
    /// Mail: to whom.
    #[serde(default)]
    pub to: Vec<String>,
    /// Mail: from whom; empty leaves it to sendmail.
    #[serde(default)]
    pub from: String,
    /// Desktop and mail: the program; empty is the usual one. Absolute when it was given as a path.
    #[serde(default)]
    pub program: String,
    /// Certificates to trust instead of the built-in ones, a PEM file. Absolute, or empty.
    #[serde(default)]
    pub ca_file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_files() {
        for topic in Topic::CHOICE {
            assert_eq!(serde_json::to_value(topic).unwrap(), topic.as_str());
        }
        for kind in ChannelKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
