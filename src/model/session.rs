//! Detached sessions: commands that go on without the terminal they were started from.
//!
//! A [`Session`] is what is written down about one, by the session itself. Who it *is* is its process (id, start time,
//! start of the machine, machine); the name is for people.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::RunId;

/// A detached command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Unique among those that live.
    pub name: String,
    /// What keeps it going.
    pub kind: SessionKind,
    /// The sub-command, for example `run`.
    pub command: String,
    /// Display name of its project.
    pub project: String,
    /// Where its agents work.
    #[serde(with = "path")]
    pub directory: PathBuf,
    /// Its autodev.toml.
    #[serde(with = "path")]
    pub config: PathBuf,
    /// Its `.autodev/`: what a project is known by.
    #[serde(with = "path")]
    pub home: PathBuf,
    /// Its runtime-status.json.
    #[serde(with = "path")]
    pub status: PathBuf,
    /// The file that keeps what it prints.
    #[serde(with = "path")]
    pub log: PathBuf,
    /// The socket of the tmux server; empty for a process.
    #[serde(with = "path")]
    pub socket: PathBuf,
    /// The machine; empty when it has no name.
    pub host: String,
    /// Which start of the machine; empty when unknown.
    pub boot: String,
    /// Process id.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot; 0 when unknown.
    pub start_ticks: u64,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// That its work has begun; absent while it gets ready.
    #[serde(default)]
    pub begun: Option<SessionBegin>,
    /// How it ended; absent while it lives, and until somebody has noticed that it was killed.
    #[serde(default)]
    pub ended: Option<SessionEnd>,
}

/// What keeps a session going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// A tmux server.
    Tmux,
    /// Nobody: it is a process of its own.
    Process,
}

impl SessionKind {
    /// Returns the word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tmux => "tmux",
            Self::Process => "process",
        }
    }
}

/// The work of a session has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionBegin {
    /// When.
    pub at: DateTime<Utc>,
    /// The run, when the work is one.
    pub run: Option<RunId>,
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// When.
    pub at: DateTime<Utc>,
    /// Exit code; minus the number of the signal that ended it; absent when it was gone without a word.
    pub code: Option<i32>,
    /// What it said when it could not do its part.
    pub error: Option<String>,
}

/// How a session stands, by what its process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It gets ready.
    Starting,
    /// It works.
    Working,
    /// It has ended by itself.
    Ended {
        /// Exit code, or minus the number of the signal.
        code: i32,
    },
    /// Its process is gone and has not said how it ended.
    Killed,
    /// It is, or was, on another machine.
    Elsewhere,
}

/// What the status file of a project says about the run of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    /// `run.status`.
    pub status: String,
    /// One line for people.
    pub message: String,
    /// The task at hand; empty when there is none.
    pub task: String,
    /// Its title.
    pub title: String,
    /// The attempt at hand; 0 before the first.
    pub attempt: u64,
    /// How many there may be.
    pub max_attempts: u64,
    /// Until when it waits; empty when it does not.
    pub waiting_until: String,
    /// Time of the last event; empty when unknown.
    pub updated_at: String,
    /// Exit code, once ended.
    pub exit_code: Option<i32>,
}

/// A session with all that is known about it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// What was written down.
    pub session: Session,
    /// How it stands.
    pub standing: Standing,
    /// What its run does or did; `None` when the project tells nothing about this run.
    pub glimpse: Option<Glimpse>,
}

/// How a session was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// It ended when it was asked.
    Asked,
    /// It ended when it was asked a second time.
    Insisted,
    /// It had to be killed.
    Killed,
    /// It lives still.
    Failed,
}

impl Stopping {
    /// Returns the word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "stopped",
            Self::Insisted => "insisted",
            Self::Killed => "killed",
            Self::Failed => "still_running",
        }
    }
}

/// A session that was to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// It, as it stands afterwards.
    pub row: SessionRow,
    /// What it took.
    pub how: Stopping,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Paths as text where they are text, else as their bytes: any path is read back unchanged.
mod path {
    use std::ffi::OsString;
    use std::fmt;
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    use std::path::{Path, PathBuf};

    use serde::de::{SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_seq(path.as_os_str().as_bytes()),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        deserializer.deserialize_any(Bytes)
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = PathBuf;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path, as text or as bytes")
        }

        fn visit_str<E>(self, text: &str) -> Result<PathBuf, E> {
            Ok(text.into())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<PathBuf, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = items.next_element::<u8>()? {
                bytes.push(byte);
            }
            Ok(OsString::from_vec(bytes).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_session_is_read_back_as_it_was_written() {
        let at = DateTime::parse_from_rfc3339("2026-11-20T23:29:10Z").unwrap().to_utc();
        let session = Session {
            name: "autodev-Demo".into(),
            kind: SessionKind::Process,
            command: "run".into(),
            project: "Demo".into(),
            directory: OsStr::from_bytes(b"/p/\xff\"x").into(),
            config: "/p/autodev.toml".into(),
            home: "/p/.autodev".into(),
            status: "/p/logs/runtime-status.json".into(),
            log: "/p/logs/sessions/x.log".into(),
            socket: PathBuf::new(),
            host: "here".into(),
            boot: "b".into(),
            pid: 7,
            start_ticks: 8,
            started_at: at,
            begun: Some(SessionBegin { at, run: Some(RunId::new("r")) }),
            ended: Some(SessionEnd { at, code: Some(-9), error: None }),
        };
        let text = serde_json::to_string(&session).unwrap();
        assert!(text.contains(r#""config":"/p/autodev.toml""#), "{text}");
        assert_eq!(serde_json::from_str::<Session>(&text).unwrap(), session);
        for broken in ["7", "[300]", "null", "{}"] {
            let text = text.replace(r#""/p/autodev.toml""#, broken);
            assert!(serde_json::from_str::<Session>(&text).is_err(), "{broken}");
        }
    }
}
