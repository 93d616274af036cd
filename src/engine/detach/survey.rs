//! What is known about every session now: the records, the processes, and the status files of their projects.

use std::path::Path;

use anyhow::Result;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::registry::{Registry, identity};
use crate::journal::Journal;
use crate::logic::session::{is_forgotten, is_living, standing};
use crate::model::{EventKind, Glimpse, RunId, Session, SessionEnd, SessionRow, Standing};
use crate::sys;
use crate::sys::fs::read_capped;
use crate::sys::lock::{self, Holder};

/// A status file has about 400 bytes per task.
const STATUS_LIMIT: u64 = 64 << 20;

/// Returns every session of this user, the living ones first, then the latest ones. Records that are no longer of use are
/// removed; that a session was killed is written down when it is seen.
///
/// # Errors
/// When this user has no place for such records.
pub fn survey() -> Result<Vec<SessionRow>> {
    Ok(look(&Registry::here()?))
}

pub(super) fn look(registry: &Registry) -> Vec<SessionRow> {
    let (host, boot) = (sys::host::name(), sys::host::boot());
    let rows: Vec<SessionRow> = registry
        .all()
        .into_iter()
        .map(|session| {
            let process = identity(&session);
            let is_open = session.ended.is_none() && !process.lives();
            // It may have written down its end since it was read. Now that it is gone it writes no more.
            let session = registry.find(process).filter(|_| is_open).unwrap_or(session);
            let row = row(session.clone(), &host, &boot);
            if row.session != session {
                // Only saves the next look some work.
                registry.write(&row.session).ok();
            }
            row
        })
        .collect();
    let now = sys::clock::now();
    let (mut kept, mut forgotten) = (Vec::new(), Vec::new());
    for row in &rows {
        let is_forgotten = is_forgotten(row, &rows, row.session.home.exists(), now);
        if is_forgotten { &mut forgotten } else { &mut kept }.push(row.clone());
    }
    for row in forgotten {
        registry.remove(&row.session);
    }
    kept.sort_by_key(|row| (!is_living(row), std::cmp::Reverse(row.session.started_at)));
    kept
}

/// Looks at one session again.
pub(super) fn look_at(session: Session) -> SessionRow {
    row(session, &sys::host::name(), &sys::host::boot())
}

fn row(mut session: Session, host: &str, boot: &str) -> SessionRow {
    let lives = identity(&session).lives();
    let run = session.begun.as_ref().and_then(|begun| begun.run.clone());
    let glimpse = run.as_ref().and_then(|run| glimpse(&session.status, run));
    let mut standing = standing(&session, host, boot, lives);
    if standing == Standing::Killed && session.ended.is_none() {
        if holds_the_lock(&session) {
            // A container with our name and a process table of its own: nothing can be said from here.
            standing = Standing::Elsewhere;
        } else {
            let code = glimpse.as_ref().and_then(|it| it.exit_code).or_else(|| journaled(&session.home, run.as_ref()?));
            let last = glimpse.as_ref().and_then(|it| DateTime::parse_from_rfc3339(&it.updated_at).ok());
            let at = last.map_or_else(sys::clock::now, |at: DateTime<_>| at.with_timezone(&Utc));
            session.ended = Some(SessionEnd { at, code, error: None });
            standing = code.map_or(Standing::Killed, |code| Standing::Ended { code });
        }
    }
    SessionRow { session, standing, glimpse }
}

fn holds_the_lock(session: &Session) -> bool {
    matches!(lock::holder(&session.home.join("lock")), Ok(Holder::Known(note)) if note.pid == session.pid)
}

/// The exit code that a run has journaled before it was gone.
fn journaled(home: &Path, run: &RunId) -> Option<i32> {
    let journal = Journal::open_existing(&home.join("journal.db")).ok()??;
    let mut code = None;
    let read = journal.read_after(0, &mut |event| {
        if let (EventKind::RunEnded { exit_code, .. }, true) = (&event.kind, event.run == *run) {
            code = Some(*exit_code);
        }
    });
    read.ok().and(code)
}

/// What the status file says, when it is about this run.
fn glimpse(path: &Path, wanted: &RunId) -> Option<Glimpse> {
    let status: Value = serde_json::from_slice(&read_capped(path, STATUS_LIMIT).ok()?).ok()?;
    let run = status.get("run")?;
    let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| run.get(name).and_then(Value::as_u64).unwrap_or_default();
    (text("run_id") == wanted.as_str()).then(|| Glimpse {
        status: text("status"),
        message: text("message"),
        task: text("current_task_id"),
        title: text("current_task_title"),
        attempt: number("current_attempt"),
        max_attempts: number("max_attempts"),
        waiting_until: text("waiting_until"),
        updated_at: text("updated_at"),
        exit_code: run.get("exit_code").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok()),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::journal::Durability;
    use crate::model::{RunStatus, SessionBegin, SessionKind};
    use crate::sys::session::Identity;

    /// A session that is this process, of a project in `dir`.
    pub(in crate::engine::detach) fn session(dir: &Path) -> Session {
        let me = Identity::mine();
        Session {
            name: "autodev-Demo".into(),
            kind: SessionKind::Process,
            command: "run".into(),
            project: "Demo".into(),
            directory: dir.into(),
            config: dir.join("autodev.toml"),
            home: dir.into(),
            status: dir.join("status.json"),
            log: dir.join("log"),
            socket: "".into(),
            host: sys::host::name(),
            boot: sys::host::boot(),
            pid: me.pid,
            start_ticks: me.start_ticks,
            started_at: sys::clock::now(),
            begun: Some(SessionBegin { at: sys::clock::now(), run: Some(RunId::new("r1")) }),
            ended: None,
        }
    }

    fn gone(dir: &Path) -> Session {
        Session { start_ticks: Identity::mine().start_ticks + 1, ..session(dir) }
    }

    fn write(path: &Path, text: &str) {
        sys::fs::write_atomic(path, text.as_bytes(), sys::fs::Durability::Cached).unwrap();
    }

    #[test]
    fn the_status_file_counts_only_for_its_own_run() {
        let dir = tempfile::tempdir().unwrap();
        let session = session(dir.path());
        assert_eq!(look_at(session.clone()).glimpse, None, "no file");
        for (text, wanted) in [
            ("{}", None),
            ("\u{0}", None),
            (r#"{"run": {"run_id": "r2", "status": "running"}}"#, None),
            (r#"{"run": {"run_id": "r1", "status": "running", "current_attempt": "x"}}"#, Some("running")),
        ] {
            write(&session.status, text);
            let row = look_at(session.clone());
            assert_eq!(row.glimpse.as_ref().map(|it| it.status.as_str()), wanted, "{text}");
            assert_eq!(row.standing, Standing::Working);
        }
    }

    #[test]
    fn a_session_that_is_gone_without_a_word_is_seen_once_and_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().join("sessions"));
        let gone = gone(dir.path());
        registry.write(&gone).unwrap();
        assert_eq!(look(&registry)[0].standing, Standing::Killed);
        assert_eq!(registry.all()[0].ended.as_ref().unwrap().code, None);
        assert_eq!(look(&registry)[0].standing, Standing::Killed);
    }

    #[test]
    fn the_exit_code_of_the_status_file_or_of_the_journal_is_the_sessions() {
        let dir = tempfile::tempdir().unwrap();
        let gone = gone(dir.path());
        let mut journal = Journal::open(&dir.path().join("journal.db")).unwrap();
        let ended = |exit_code| EventKind::RunEnded { status: RunStatus::Blocked, exit_code, message: String::new() };
        for (run, code) in [("r1", 2), ("r2", 0)] {
            journal.append(&RunId::new(run), sys::clock::now(), vec![ended(code)], Durability::Cached).unwrap();
        }
        assert_eq!(look_at(gone.clone()).standing, Standing::Ended { code: 2 });
        write(&gone.status, r#"{"run": {"run_id": "r1", "exit_code": 130, "updated_at": "2026-11-20T23:29:10Z"}}"#);
        let row = look_at(gone);
        assert_eq!(row.standing, Standing::Ended { code: 130 });
        assert_eq!(row.session.ended.unwrap().at.to_rfc3339(), "2026-11-20T23:29:10+00:00");
    }

    #[test]
    fn who_holds_the_lock_is_not_called_dead() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = lock::RunLock::acquire(&dir.path().join("lock"), &lock::LockNote::here("run")).unwrap();
        assert_eq!(look_at(gone(dir.path())).standing, Standing::Elsewhere);
    }

    #[test]
    fn a_record_without_a_project_is_removed_unless_its_session_lives() {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::at(dir.path().join("sessions"));
        let nowhere = dir.path().join("nowhere");
        registry.write(&session(&nowhere)).unwrap();
        registry.write(&gone(&nowhere)).unwrap();
        assert_eq!(look(&registry).len(), 1);
        assert_eq!(registry.all(), [session_of(&registry)]);
    }

    fn session_of(registry: &Registry) -> Session {
        registry.find(Identity::mine()).unwrap()
    }
}
