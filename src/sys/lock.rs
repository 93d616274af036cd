//! Locks between processes: one run per project, and short turns on a file that several processes rewrite.
//!
//! The operating system holds the lock, not the file's existence or its content: it ends with the process, however that
//! ends. The note inside is for people and decides nothing. Lock files are never deleted or replaced, because a lock on
//! a file that is no longer there locks nothing. Children do not inherit the lock (close-on-exec).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::sys::clock;
use crate::sys::fs::{Context as _, PathError};

/// How long a lock may be busy before it counts as held: [`holder`] and a note being written take microseconds.
const BUSY: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(5);
/// A note is about 150 bytes.
const NOTE_LIMIT: u64 = 64 * 1024;

/// Who holds a lock, as written into the lock file for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockNote {
    /// Process id on that host.
    pub pid: u32,
    /// When the process took the lock.
    pub started_at: DateTime<Utc>,
    /// Host name; empty when unknown.
    pub host: String,
    /// What it was asked to do, for example `run`.
    pub command: String,
}

impl LockNote {
    /// Describes this process.
    pub fn here(command: impl Into<String>) -> Self {
        let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok()).unwrap_or_default();
        Self { pid: std::process::id(), started_at: clock::now(), host, command: command.into() }
    }
}

/// A lock that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is held by another process{}", path.display(), described(note.as_ref()))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who it is, when the note could be read.
        note: Option<LockNote>,
    },
    /// Others had it in turn for too long.
    #[error("{} was busy for {waited:?}", path.display())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The file cannot be opened or written, or its file system has no locks.
    #[error(transparent)]
    File(#[from] PathError),
}

fn described(note: Option<&LockNote>) -> String {
    match note {
        Some(LockNote { pid, started_at, host, command }) => {
            let host = if host.is_empty() { "an unknown host" } else { host };
            format!(": `{command}`, process {pid} on {host}, since {}", clock::local(*started_at))
        }
        None => String::new(),
    }
}

/// Who holds a lock at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody. A note of a process that died may still be in the file.
    Nobody,
    /// Somebody whose note cannot be read.
    Unknown,
    /// This process.
    Known(LockNote),
}

/// Tells who holds the lock, without taking it. A lock file that does not exist is held by nobody.
///
/// # Errors
/// When the file exists and cannot be read.
pub fn holder(path: &Path) -> Result<Holder, LockError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(error).at("open", path).map_err(LockError::File),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(read_note(&mut file).map_or(Holder::Unknown, Holder::Known)),
        Err(TryLockError::Error(error)) => Err(error).at("lock", path).map_err(LockError::File),
    }
}

/// The right to be the one run of a project; given back when dropped, or when the process dies.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock or says who has it. The note of a process that died is no obstacle. The file is created when
    /// needed, its directory must exist.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process runs, [`LockError::File`] when the file cannot be used.
    pub fn acquire(path: &Path, note: &LockNote) -> Result<Self, LockError> {
        let mut file = open(path)?;
        if !try_for(&file, path, BUSY)? {
            return Err(LockError::Held { path: path.to_path_buf(), note: read_note(&mut file) });
        }
        let mut text = serde_json::to_vec(note).map_err(std::io::Error::other).at("write", path)?;
        text.push(b'\n');
        rewrite(&mut file, &text).at("write", path)?;
        Ok(Self { file })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // A note that stays behind misleads nobody but people, and closing the file releases the lock anyway.
        self.file.set_len(0).ok();
    }
}

/// A short turn on something several processes rewrite; given back when dropped.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the turn, blocking the thread. `path` names a lock file of its own, not the file that is rewritten:
    /// that one is replaced. It is created when needed, its directory must exist.
    ///
    /// # Errors
    /// [`LockError::Busy`] when the time is over, [`LockError::File`] when the file cannot be used.
    pub fn wait(path: &Path, timeout: Duration) -> Result<Self, LockError> {
        let file = open(path)?;
        if try_for(&file, path, timeout)? {
            Ok(Self { _file: file })
        } else {
            Err(LockError::Busy { path: path.to_path_buf(), waited: timeout })
        }
    }
}

fn open(path: &Path) -> Result<File, PathError> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).at("open", path)
}

/// Whether the lock could be had in time.
fn try_for(file: &File, path: &Path, time: Duration) -> Result<bool, PathError> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= time => return Ok(false),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE.min(time)),
            Err(TryLockError::Error(error)) => return Err(error).at("lock", path),
        }
    }
}

fn read_note(file: &mut File) -> Option<LockNote> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(NOTE_LIMIT).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// In place: replacing the file would leave the lock on the old one.
fn rewrite(file: &mut File, text: &[u8]) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "test files and a second process")]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_second_holder_is_refused_by_name_and_the_end_of_the_first_frees_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);
        let note = LockNote::here("run");
        let first = RunLock::acquire(&path, &note).unwrap();
        assert_eq!(holder(&path).unwrap(), Holder::Known(note.clone()));
        let error = RunLock::acquire(&path, &LockNote::here("plan")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("`run`") && text.contains(&format!("process {}", note.pid)), "{text}");
        assert!(text.contains(&note.host) && text.contains(&clock::local(note.started_at)), "{text}");
        assert!(matches!(error, LockError::Held { note: Some(held), .. } if held == note));
        drop(first);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        RunLock::acquire(&path, &note).unwrap();
    }

    #[test]
    fn a_note_of_a_dead_process_or_garbage_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        for content in
            [&b"{\"pid\":1,\"started_at\":\"2026-01-01T00:00:00Z\",\"host\":\"h\",\"command\":\"run\"}"[..], b"\xff{"]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(holder(&path).unwrap(), Holder::Nobody);
            let lock = RunLock::acquire(&path, &LockNote::here("run")).unwrap();
            assert!(matches!(holder(&path).unwrap(), Holder::Known(note) if note.pid == std::process::id()));
            drop(lock);
        }
    }

    #[test]
    fn a_lock_of_another_process_without_a_note_is_respected_until_that_process_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let script = "import fcntl,sys,time\nf=open(sys.argv[1],'w')\nfcntl.flock(f,fcntl.LOCK_EX)\nprint('held',flush=True)\ntime.sleep(600)";
        let mut other = Command::new("python3").args(["-c", script]).arg(&path).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(other.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        assert_eq!(holder(&path).unwrap(), Holder::Unknown);
        let error = RunLock::acquire(&path, &LockNote::here("run")).unwrap_err();
        assert!(matches!(error, LockError::Held { note: None, .. }), "{error}");
        let error = FileLock::wait(&path, Duration::from_millis(20)).unwrap_err();
        assert!(matches!(error, LockError::Busy { .. }), "{error}");
        other.kill().unwrap();
        other.wait().unwrap();
        RunLock::acquire(&path, &LockNote::here("run")).unwrap();
    }

    #[test]
    fn a_child_does_not_inherit_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = RunLock::acquire(&path, &LockNote::here("run")).unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        drop(lock);
        let again = RunLock::acquire(&path, &LockNote::here("run"));
        child.kill().unwrap();
        child.wait().unwrap();
        again.unwrap();
    }

    #[test]
    fn turns_are_exclusive() {
        let dir = tempfile::tempdir().unwrap();
        let (lock, counter) = (dir.path().join("lock"), dir.path().join("counter"));
        std::fs::write(&counter, "0").unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _turn = FileLock::wait(&lock, Duration::from_mins(1)).unwrap();
                        let count: u32 = std::fs::read_to_string(&counter).unwrap().parse().unwrap();
                        std::fs::write(&counter, (count + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&counter).unwrap(), "160");
    }

    #[test]
    fn a_missing_directory_is_an_error_with_its_path() {
        let path = Path::new("/nonexistent/autodev/lock");
        let text = RunLock::acquire(path, &LockNote::here("run")).unwrap_err().to_string();
        assert!(text.contains("/nonexistent/autodev/lock"), "{text}");
        assert_eq!(holder(path).unwrap(), Holder::Nobody);
    }
}
