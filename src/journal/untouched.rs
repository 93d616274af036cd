//! Opens a journal without changing a byte in its directory, and looks for damage.
//!
//! Opening a write-ahead log the usual way makes files beside it, and closing it folds the log in. Here the file is
//! opened as immutable when it has no log, and copied away together with its log when it has one. While a run has it
//! open, the usual way adds nothing that is not there.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{BUSY, Journal, JournalError};
use crate::model::FORMAT_VERSION;

impl Journal {
    /// Opens an existing journal to look at; `None` when there is none. `is_held` says whether a run has it open;
    /// `scratch` is a directory that the caller removes afterwards.
    ///
    /// # Errors
    /// When it cannot be read or copied, is not a journal, or a newer autodev wrote it.
    pub fn open_untouched(path: &Path, is_held: bool, scratch: &Path) -> Result<Option<Self>, JournalError> {
        if !path.exists() {
            return Ok(None);
        }
        if is_held {
            return Self::open_existing(path);
        }
        let fail = |action| move |source| JournalError::Sqlite { action, path: path.to_path_buf(), source };
        let db = connect(path, scratch).map_err(fail("open"))?;
        db.busy_timeout(BUSY).map_err(fail("open"))?;
        let journal = Self { db, path: path.to_path_buf(), is_synced: std::cell::Cell::new(false) };
        let found = journal.format()?;
        if found > FORMAT_VERSION {
            return Err(JournalError::TooNew { path: path.to_path_buf(), found });
        }
        Ok(Some(journal))
    }

    /// Returns the format it was written in; 0 for a file that is no journal yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn format(&self) -> Result<u32, JournalError> {
        self.db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(self.fail("read"))
    }

    /// Returns what SQLite's quick check finds wrong; empty when all is well. Reads the whole file.
    ///
    /// # Errors
    /// When the file is too damaged to be checked.
    pub fn quick_check(&self) -> Result<Vec<String>, JournalError> {
        let mut query = self.db.prepare("PRAGMA quick_check(10)").map_err(self.fail("check"))?;
        let found = query.query_map([], |row| row.get::<_, String>(0)).map_err(self.fail("check"))?;
        let lines = found.collect::<Result<Vec<_>, _>>().map_err(self.fail("check"))?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}

fn connect(path: &Path, scratch: &Path) -> rusqlite::Result<Connection> {
    let log = beside(path, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        let copy = scratch.join("journal.db");
        let copied = fs::copy(path, &copy).and_then(|_| fs::copy(&log, beside(&copy, "-wal")));
        copied.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        return Connection::open(&copy);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{}?immutable=1", encoded(path)), flags)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Percent-encodes what means something else in a URI.
fn encoded(path: &Path) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte);
    path.as_os_str().as_bytes().iter().fold(String::new(), |uri, byte| match byte {
        plain if is_plain(plain) => uri + &char::from(*plain).to_string(),
        other => uri + &format!("%{other:02X}"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pretty_assertions::assert_eq;

    use super::super::Durability;
    use super::*;
    use crate::model::{EventKind, RunId};

    fn append(journal: &mut Journal, text: &str) {
        let note = EventKind::Note { level: "info".into(), text: text.into() };
        journal.append(&RunId::new("r"), chrono::DateTime::UNIX_EPOCH, vec![note], Durability::Cached).unwrap();
    }

    fn files(dir: &Path) -> BTreeMap<OsString, Vec<u8>> {
        let entries = fs::read_dir(dir).unwrap().flatten();
        entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect()
    }

    fn count(journal: &Journal) -> u32 {
        let mut count = 0;
        journal.read_after(0, &mut |_| count += 1).unwrap();
        count
    }

    #[test]
    fn a_journal_is_read_without_leaving_a_trace() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("odd ?name#%41");
        let scratch = root.path().join("scratch");
        fs::create_dir_all(&dir).unwrap();
        fs::create_dir_all(&scratch).unwrap();
        let path = dir.join("journal.db");
        assert!(Journal::open_untouched(&path, false, &scratch).unwrap().is_none());
        append(&mut Journal::open(&path).unwrap(), "a");
        let before = files(&dir);
        assert_eq!(before.len(), 1, "{:?}", before.keys());
        let journal = Journal::open_untouched(&path, false, &scratch).unwrap().unwrap();
        assert_eq!((count(&journal), journal.format().unwrap()), (1, FORMAT_VERSION));
        assert_eq!(journal.quick_check().unwrap(), [] as [String; 0]);
        drop(journal);
        assert_eq!(files(&dir), before);
    }

    #[test]
    fn the_log_of_a_killed_run_is_read_and_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let (dir, kept, scratch) = (root.path().join("a"), root.path().join("b"), root.path().join("c"));
        for dir in [&dir, &kept, &scratch] {
            fs::create_dir(dir).unwrap();
        }
        let mut writer = Journal::open(&dir.join("journal.db")).unwrap();
        append(&mut writer, "a");
        append(&mut writer, "b");
        // What is on the disk while the writer lives is what a killed one leaves.
        for (name, content) in files(&dir) {
            if name != "journal.db-shm" {
                crate::sys::fs::write_atomic(&kept.join(name), &content, crate::sys::fs::Durability::Cached).unwrap();
            }
        }
        let before = files(&kept);
        assert_eq!(before.len(), 2, "{:?}", before.keys());
        let journal = Journal::open_untouched(&kept.join("journal.db"), false, &scratch).unwrap().unwrap();
        assert_eq!(count(&journal), 2);
        drop(journal);
        assert_eq!(files(&kept), before);
        assert_eq!(count(&Journal::open_untouched(&dir.join("journal.db"), true, &scratch).unwrap().unwrap()), 2);
    }

    #[test]
    fn damage_is_found() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("journal.db");
        let mut journal = Journal::open(&path).unwrap();
        for n in 0..300 {
            append(&mut journal, &format!("{n} {}", "x".repeat(200)));
        }
        drop(journal);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8192].fill(0xa5);
        crate::sys::fs::write_atomic(&path, &bytes, crate::sys::fs::Durability::Cached).unwrap();
        let journal = Journal::open_untouched(&path, false, root.path()).unwrap().unwrap();
        assert!(!journal.quick_check().unwrap().is_empty());
        crate::sys::fs::write_atomic(&path, &[b'x'; 4096], crate::sys::fs::Durability::Cached).unwrap();
        let error = Journal::open_untouched(&path, false, root.path()).unwrap_err().to_string();
        assert!(error.contains("move the file away"), "{error}");
    }
}
