//! The journal: what happened, append-only, in `.autodev/journal.db` (SQLite, write-ahead log).
//!
//! One process runs tasks at a time (the run lock sees to that); commands such as `task block` may append beside it,
//! which SQLite orders. Nothing is ever changed or removed. The journal does not interpret events: `logic::apply` does.
//!
//! Beside the events it keeps, per projection, the last event that is known to be in its file (`projections`), and a few
//! facts about the project that are no events (`facts`: the text progress.txt had before the first event). Notices are such
//! projections too, two for each channel: what is dealt with, and what is on its way.

mod untouched;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::model::{Event, EventKind, FORMAT_VERSION, RunId};

/// A writer waits this long for another process's transaction; they last milliseconds.
const BUSY: Duration = Duration::from_secs(20);

/// The journal of one project.
#[derive(Debug)]
pub struct Journal {
    db: Connection,
    path: PathBuf,
    is_synced: Cell<bool>,
}

/// Whether an append must survive a power cut (it always survives the death of the process).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk before this returns: before outside effects and after verdicts.
    Synced,
    /// Left to the operating system.
    Cached,
}

/// What can go wrong with the journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite could not do its part.
    #[error("{action} journal {}: {source}{}", path.display(), hint(source))]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// Which journal.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// An event could not be written as JSON, or a stored one is not an event.
    #[error("journal {}: event {seq}: {source}", path.display())]
    Event {
        /// Which journal.
        path: PathBuf,
        /// Which event; 0 when it was not stored yet.
        seq: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A newer autodev wrote it.
    #[error("journal {}: format {found} is newer than this autodev knows ({FORMAT_VERSION}); update autodev", path.display())]
    TooNew {
        /// Which journal.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => " (free some disk space and run again; nothing is lost)",
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            " (move the file away and run again; task.json and git history are untouched)"
        }
        Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen) => " (is the directory writable?)",
        _ => "",
    }
}

impl Journal {
    /// Opens the journal, and creates it when there is none.
    ///
    /// # Errors
    /// When the directory is not writable, or the file is not a journal, or a newer autodev wrote it.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let fail = |action| move |source| JournalError::Sqlite { action, path: path.to_path_buf(), source };
        let db = Connection::open(path).map_err(fail("open"))?;
        db.busy_timeout(BUSY).map_err(fail("open"))?;
        // Journal mode is kept in the file: setting it again is a read.
        db.pragma_update(None, "journal_mode", "WAL").map_err(fail("open"))?;
        db.pragma_update(None, "synchronous", "NORMAL").map_err(fail("open"))?;
        let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail("read"))?;
        if found > FORMAT_VERSION {
            return Err(JournalError::TooNew { path: path.to_path_buf(), found });
        }
        if found == 0 {
            db.execute_batch(include_str!("schema.sql")).map_err(fail("create"))?;
            db.pragma_update(None, "user_version", FORMAT_VERSION).map_err(fail("create"))?;
        }
        Ok(Self { db, path: path.to_path_buf(), is_synced: Cell::new(false) })
    }

    /// Opens an existing journal for reading; `None` when there is none.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_existing(path: &Path) -> Result<Option<Self>, JournalError> {
        if !path.exists() {
            return Ok(None);
        }
        // Read-write, as readers of a write-ahead log take part in its locking; fall back for read-only media.
        match Self::open(path) {
            Err(JournalError::Sqlite { source, .. })
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly) =>
            {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let db = Connection::open_with_flags(path, flags).map_err(|source| JournalError::Sqlite {
                    action: "open",
                    path: path.to_path_buf(),
                    source,
                })?;
                Ok(Some(Self { db, path: path.to_path_buf(), is_synced: Cell::new(false) }))
            }
            other => other.map(Some),
        }
    }

    fn fail(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> JournalError + use<> {
        let path = self.path.clone();
        move |source| JournalError::Sqlite { action, path, source }
    }

    /// Appends events as one transaction: all of them or none. Returns them with their places.
    ///
    /// # Errors
    /// When the disk is full or the journal is locked for longer than 20 s; nothing is appended then.
    pub fn append(
        &mut self,
        run: &RunId,
        at: DateTime<Utc>,
        kinds: Vec<EventKind>,
        durability: Durability,
    ) -> Result<Vec<Event>, JournalError> {
        self.make(durability).map_err(self.fail("append to"))?;
        let path = self.path.clone();
        let fail = |source| JournalError::Sqlite { action: "append to", path: path.clone(), source };
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let mut events = Vec::with_capacity(kinds.len());
        {
            let mut insert =
                tx.prepare_cached("INSERT INTO events (at, run, kind, body) VALUES (?1, ?2, ?3, ?4)").map_err(fail)?;
            let stamp = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            for kind in kinds {
                let (name, body) =
                    split(&kind).map_err(|source| JournalError::Event { path: path.clone(), seq: 0, source })?;
                insert.execute(params![stamp, run.as_str(), name, body]).map_err(fail)?;
                let seq = tx.last_insert_rowid().unsigned_abs();
                events.push(Event { seq, at, run: run.clone(), kind });
            }
        }
        tx.commit().map_err(fail)?;
        Ok(events)
    }

    /// Chooses whether the next transaction waits for the disk.
    fn make(&self, durability: Durability) -> rusqlite::Result<()> {
        let wants_sync = durability == Durability::Synced;
        if wants_sync != self.is_synced.get() {
            self.db.pragma_update(None, "synchronous", if wants_sync { "FULL" } else { "NORMAL" })?;
            self.is_synced.set(wants_sync);
        }
        Ok(())
    }

    /// Hands every event after `seq` to `each`, in order.
    ///
    /// # Errors
    /// When the journal cannot be read. An event of a kind that this version does not know is `Unknown`, not an error.
    pub fn read_after(&self, seq: u64, each: &mut dyn FnMut(Event)) -> Result<(), JournalError> {
        let mut query = self
            .db
            .prepare_cached("SELECT seq, at, run, kind, body FROM events WHERE seq > ?1 ORDER BY seq")
            .map_err(self.fail("read"))?;
        let mut rows = query.query(params![seq as i64]).map_err(self.fail("read"))?;
        while let Some(row) = rows.next().map_err(self.fail("read"))? {
            let seq: i64 = row.get(0).map_err(self.fail("read"))?;
            let at: String = row.get(1).map_err(self.fail("read"))?;
            let run: String = row.get(2).map_err(self.fail("read"))?;
            let kind: String = row.get(3).map_err(self.fail("read"))?;
            let body: String = row.get(4).map_err(self.fail("read"))?;
            let seq = seq.unsigned_abs();
            let at = at.parse().unwrap_or(DateTime::UNIX_EPOCH);
            let kind =
                join(&kind, &body).map_err(|source| JournalError::Event { path: self.path.clone(), seq, source })?;
            each(Event { seq, at, run: RunId::new(run), kind });
        }
        Ok(())
    }

    /// Returns a number that changes when another process has appended.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn version(&self) -> Result<i64, JournalError> {
        self.db.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(self.fail("read"))
    }

    /// Returns the last event known to be in a projection's file; 0 when none is.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn projected(&self, name: &str) -> Result<u64, JournalError> {
        let found: Option<i64> = self
            .db
            .query_row("SELECT seq FROM projections WHERE name = ?1", params![name], |row| row.get(0))
            .optional()
            .map_err(self.fail("read"))?;
        Ok(found.unwrap_or(0).unsigned_abs())
    }

    /// Notes that a projection's file now holds everything up to `seq`. Left to the operating system: it can be lost in
    /// a power cut, as can the end of that file.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn set_projected(&self, name: &str, seq: u64) -> Result<(), JournalError> {
        self.mark(name, seq, Durability::Cached)
    }

    /// The same, as durable as is asked for: before something outside follows from it.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn mark(&self, name: &str, seq: u64, durability: Durability) -> Result<(), JournalError> {
        self.make(durability).map_err(self.fail("write to"))?;
        self.db
            .prepare_cached(
                "INSERT INTO projections (name, seq) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq",
            )
            .and_then(|mut statement| statement.execute(params![name, seq as i64]))
            .map_err(self.fail("write to"))?;
        Ok(())
    }

    /// Returns a fact about the project.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn fact(&self, name: &str) -> Result<Option<String>, JournalError> {
        self.db
            .query_row("SELECT value FROM facts WHERE name = ?1", params![name], |row| row.get(0))
            .optional()
            .map_err(self.fail("read"))
    }

    /// Records a fact, once: a fact that is known stays as it is.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn set_fact(&self, name: &str, value: &str) -> Result<(), JournalError> {
        self.db
            .execute(
                "INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
                params![name, value],
            )
            .map_err(self.fail("write to"))?;
        Ok(())
    }
}

/// Splits an event into the column `kind` and the JSON of its fields.
fn split(kind: &EventKind) -> Result<(String, String), serde_json::Error> {
    let mut value = serde_json::to_value(kind)?;
    let name = value
        .as_object_mut()
        .and_then(|fields| fields.shift_remove("kind"))
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default();
    Ok((name, serde_json::to_string(&value)?))
}

fn join(name: &str, body: &str) -> Result<EventKind, serde_json::Error> {
    let mut value: serde_json::Value = serde_json::from_str(body)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("kind".to_owned(), name.into());
    }
    match serde_json::from_value(value) {
        Ok(kind) => Ok(kind),
        // A later version may have added a variant inside a known kind; an unreadable event is an unknown one.
        Err(_) => Ok(EventKind::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> EventKind {
        EventKind::Note { level: "info".into(), text: text.into() }
    }

    fn texts(journal: &Journal, after: u64) -> Vec<String> {
        let mut found = Vec::new();
        journal
            .read_after(after, &mut |event| match event.kind {
                EventKind::Note { text, .. } => found.push(format!("{}:{text}", event.seq)),
                other => found.push(format!("{}:{other:?}", event.seq)),
            })
            .unwrap();
        found
    }

    #[test]
    fn events_come_back_in_order_with_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let run = RunId::new("r1");
        let at = DateTime::from_timestamp(1_700_000_000, 5_000).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        let written = journal.append(&run, at, vec![note("a"), note("ü\n")], Durability::Synced).unwrap();
        assert_eq!(written.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
        let mut back = Vec::new();
        Journal::open(&path).unwrap().read_after(0, &mut |event| back.push(event)).unwrap();
        assert_eq!(back, written);
        assert_eq!(texts(&journal, 1), ["2:ü\n"]);
    }

    #[test]
    fn two_processes_append_side_by_side() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let mut one = Journal::open(&path).unwrap();
        let mut two = Journal::open(&path).unwrap();
        let at = DateTime::UNIX_EPOCH;
        let before = one.version().unwrap();
        one.append(&RunId::new("1"), at, vec![note("a")], Durability::Cached).unwrap();
        assert_eq!(one.version().unwrap(), before, "its own appends are no news");
        two.append(&RunId::new("2"), at, vec![note("b")], Durability::Cached).unwrap();
        assert_ne!(one.version().unwrap(), before);
        assert_eq!(texts(&one, 0), ["1:a", "2:b"]);
    }

    #[test]
    fn an_unknown_kind_is_kept_and_read_as_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let journal = Journal::open(&path).unwrap();
        journal
            .db
            .execute("INSERT INTO events (at, run, kind, body) VALUES ('', 'r', 'from_the_future', '{\"x\": 1}')", [])
            .unwrap();
        assert_eq!(texts(&journal, 0), ["1:Unknown"]);
    }

    #[test]
    fn a_newer_format_and_a_foreign_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        Journal::open(&path).unwrap().db.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::TooNew { found: 99, .. })));
        let foreign = dir.path().join("foreign.db");
        crate::sys::fs::write_atomic(&foreign, &[b'x'; 4096], crate::sys::fs::Durability::Cached).unwrap();
        let error = Journal::open(&foreign).unwrap_err().to_string();
        assert!(error.contains("move the file away"), "{error}");
    }
}
