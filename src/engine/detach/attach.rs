//! Looking at a session: the terminal that tmux keeps for it, or the file that it prints to.

use std::ffi::OsString;

use anyhow::{Context as _, Result, bail};

use super::enter::socket;
use super::follow::follow;
use super::registry::identity;
use super::survey::look_at;
use super::tmux::Tmux;
use crate::logic::session::is_living;
use crate::model::{Session, SessionKind, SessionRow, Standing};
use crate::sys;
use crate::sys::session::{Place, my_umask, replace};

/// Shows a session. For one in tmux this process becomes the tmux client; for another one its log goes to `print` until it
/// ends or `print` returns false, and then it is returned as it stands.
///
/// # Errors
/// When the session has ended, is on another machine, or cannot be shown.
pub fn attach(row: &SessionRow, print: &mut dyn FnMut(&[u8]) -> bool) -> Result<SessionRow> {
    let session = &row.session;
    if !is_living(row) {
        match row.standing {
            Standing::Elsewhere => bail!("{} is on another machine: {}", session.name, session.host),
            Standing::Ended { code } => {
                bail!(
                    "{} has ended with exit code {code}; what it printed is in {}",
                    session.name,
                    session.log.display()
                )
            }
            Standing::Starting | Standing::Working | Standing::Killed => {
                bail!("{} was killed; what it printed is in {}", session.name, session.log.display())
            }
        }
    }
    match session.kind {
        SessionKind::Tmux => Err(to_tmux(session)),
        SessionKind::Process => {
            let process = identity(session);
            follow(&session.log, &mut || process.lives(), print)?;
            Ok(look_at(super::registry::Registry::here()?.find(process).unwrap_or_else(|| session.clone())))
        }
    }
}

/// Becomes the tmux client; returns only why that failed.
fn to_tmux(session: &Session) -> anyhow::Error {
    match client(session) {
        Ok(error) => error.into(),
        Err(error) => error,
    }
}

fn client(session: &Session) -> Result<std::io::Error> {
    let cwd = std::env::current_dir().context("find the current directory")?;
    let Some(tmux) = Tmux::find(&cwd) else { bail!("tmux is not on PATH; {}", in_file(session)) };
    // By its process: somebody may have given it another name, and another one its name.
    let name = tmux
        .session_of(&session.socket, session.pid)?
        .with_context(|| format!("tmux does not have {} any more; {}", session.name, in_file(session)))?;
    let mut env = sys::env::all();
    let is_inside = sys::env::raw("TMUX").is_some_and(|tmux| socket(&tmux) == session.socket);
    let verb = if is_inside {
        "switch-client"
    } else {
        // A session of another server inside of one is fine: it is the person's wish.
        env.retain(|(variable, _)| variable != "TMUX");
        "attach-session"
    };
    let args: [OsString; 5] =
        ["-S".into(), session.socket.clone().into(), verb.into(), "-t".into(), format!("={name}").into()];
    let place = Place { env: &env, cwd: cwd.as_os_str(), umask: my_umask() };
    let error = replace(&tmux.program, &args, &place);
    Ok(std::io::Error::new(error.kind(), format!("start {}: {error}", tmux.program.display())))
}

fn in_file(session: &Session) -> String {
    format!("what it prints is in {}", session.log.display())
}
