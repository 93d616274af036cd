//! The first moments of a session: from a ticket to the command itself.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::MARK;
use super::registry::Registry;
use crate::model::{Session, SessionEnd, SessionKind};
use crate::sys;
use crate::sys::fs::{Context as _, read_capped};
use crate::sys::session::{Identity, Place, replace};

/// The hidden sub-command that a session starts as.
pub const COMMAND: &str = "__session";
/// More than the kernel takes for arguments and environment by default.
const TICKET_LIMIT: u64 = 64 << 20;
/// What a terminal tells its programs; in tmux these are tmux's and not the caller's.
const OF_THE_TERMINAL: [&str; 7] =
    ["TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE", "COLUMNS", "LINES"];

/// What a session is to become. It holds the whole environment, secrets too: it is a file for its owner only that is gone
/// once read, because arguments are seen by everybody and a tmux server passes on whatever it was given.
#[derive(Serialize, Deserialize)]
pub(super) struct Ticket {
    /// What is to be registered; process, start and socket are filled in.
    pub(super) session: Session,
    /// Where it is to be registered.
    pub(super) registry: OsString,
    pub(super) program: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) cwd: OsString,
    pub(super) umask: u32,
}

impl Ticket {
    /// Writes the ticket into a directory and returns its path.
    pub(super) fn write(&self, dir: &Path) -> Result<PathBuf> {
        // Readable for the owner only: that is what `tempfile` makes.
        let mut file = tempfile::Builder::new().suffix(".ticket").tempfile_in(dir).at("create a ticket in", dir)?;
        let text = serde_json::to_vec(self)?;
        file.write_all(&text).at("write", file.path())?;
        let (_, path) = file.keep().context("keep the ticket")?;
        Ok(path)
    }

    fn take(path: &Path) -> Result<Self> {
        let bytes = read_capped(path, TICKET_LIMIT)?;
        std::fs::remove_file(path).at("remove", path)?;
        serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))
    }
}

/// Becomes the session that a ticket describes. Returns only when that fails.
///
/// # Errors
/// When the ticket cannot be read, the session cannot be registered or its program cannot be started.
pub fn enter(ticket: &Path) -> Result<Infallible> {
    let ticket = Ticket::take(ticket)?;
    let mut session = ticket.session;
    let me = Identity::mine();
    (session.pid, session.start_ticks) = (me.pid, me.start_ticks);
    session.started_at = sys::clock::now();
    if session.kind == SessionKind::Tmux {
        session.socket = socket(&sys::env::raw("TMUX").unwrap_or_default());
    }
    let env = environment(ticket.env, session.kind, me.pid);
    let registry = Registry::at(ticket.registry.into());
    registry.write(&session)?;
    let place = Place { env: &env, cwd: &ticket.cwd, umask: ticket.umask };
    let error = replace(Path::new(&ticket.program), &ticket.args, &place);
    let text = format!("start {} in {}: {error}", ticket.program.display(), ticket.cwd.display());
    session.ended = Some(SessionEnd { at: sys::clock::now(), code: Some(1), error: Some(text.clone()) });
    registry.write(&session)?;
    anyhow::bail!(text)
}

/// The caller's environment, with the terminal that the session has.
fn environment(mut env: Vec<(OsString, OsString)>, kind: SessionKind, pid: u32) -> Vec<(OsString, OsString)> {
    env.retain(|(name, _)| name != MARK);
    if kind == SessionKind::Tmux {
        env.retain(|(name, _)| !OF_THE_TERMINAL.iter().any(|own| name == own));
        let own = OF_THE_TERMINAL.iter().filter_map(|name| Some((OsString::from(name), sys::env::raw(name)?)));
        env.extend(own);
    }
    env.push((MARK.into(), pid.to_string().into()));
    env
}

/// `TMUX` is `socket,server's pid,session`; a path may hold commas.
pub(super) fn socket(tmux: &std::ffi::OsStr) -> PathBuf {
    let mut parts = tmux.as_bytes().rsplitn(3, |byte| *byte == b',');
    let (_, _, socket) = (parts.next(), parts.next(), parts.next());
    std::ffi::OsStr::from_bytes(socket.unwrap_or_default()).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::survey::tests::session;
    use super::*;

    #[test]
    fn a_ticket_is_for_its_owner_and_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"\xff=\n'\"").to_owned();
        let ticket = Ticket {
            session: session(dir.path()),
            registry: odd.clone(),
            program: odd.clone(),
            args: vec![odd.clone()],
            env: vec![("A".into(), odd.clone())],
            cwd: odd.clone(),
            umask: 0o27,
        };
        let path = ticket.write(dir.path()).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let taken = Ticket::take(&path).unwrap();
        assert_eq!((taken.session, taken.args, taken.umask), (ticket.session, vec![odd.clone()], 0o27));
        assert_eq!((taken.program, taken.cwd, taken.env), (odd.clone(), odd.clone(), vec![("A".into(), odd)]));
        assert!(!path.exists() && Ticket::take(&path).is_err());
    }

    #[test]
    fn the_socket_is_what_stands_before_the_last_two_commas() {
        assert_eq!(socket("/tmp/a,b/default,123,0".as_ref()), Path::new("/tmp/a,b/default"));
        for broken in ["", "x", "x,1"] {
            assert_eq!(socket(broken.as_ref()), Path::new(""), "{broken}");
        }
    }

    #[test]
    fn the_terminal_is_the_sessions_and_everything_else_the_callers() {
        let given = vec![("TMUX".into(), "old".into()), ("FOO".into(), "new".into()), (MARK.into(), "1".into())];
        let of = |kind| environment(given.clone(), kind, 7);
        let value = |env: &[(OsString, OsString)], name: &str| {
            env.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone())
        };
        let process = of(SessionKind::Process);
        assert_eq!(value(&process, "TMUX"), Some("old".into()));
        assert_eq!(value(&process, MARK), Some("7".into()));
        let tmux = of(SessionKind::Tmux);
        assert_eq!(value(&tmux, "TMUX"), sys::env::raw("TMUX"));
        assert_eq!(value(&tmux, "FOO"), Some("new".into()));
    }
}
