//! Ending sessions: asked, asked again, killed.
//!
//! A run that is asked ends its agent, keeps its work and writes everything down. One that had to be killed could not: what
//! is left of it is ended here, and its status files are made true.

use std::thread;
use std::time::{Duration, Instant};

use super::registry::{Registry, identity};
use super::survey::look_at;
use crate::engine::look;
use crate::engine::project::Project;
use crate::engine::sinks::{Audience, Sinks};
use crate::logic::session::{Push, push};
use crate::model::{Session, SessionEnd, SessionRow, Standing, Stopped, Stopping};
use crate::sys;
use crate::sys::guard;

const PAUSE: Duration = Duration::from_millis(20);
/// How often somebody who waits is told.
const NEWS: Duration = Duration::from_secs(5);
/// The signal that cannot be ignored, as an exit code.
const BY_SIGKILL: i32 = -9;

/// A session that is being ended.
struct Target {
    session: Session,
    pushed: Option<Push>,
}

/// Ends these sessions, which must live, all at once: each is asked; asked again after `patience`; and killed in the end.
/// `tell` hears what happens meanwhile. Returns what each of them took, in the order of their ends.
pub fn stop(rows: Vec<SessionRow>, patience: Duration, tell: &mut dyn FnMut(&str)) -> Vec<Stopped> {
    let begun = Instant::now();
    let mut targets: Vec<Target> = rows.into_iter().map(|row| Target { session: row.session, pushed: None }).collect();
    let mut stopped = Vec::new();
    let mut told = begun;
    loop {
        let elapsed = begun.elapsed();
        let wanted = push(elapsed, patience);
        let (over, rest): (Vec<Target>, Vec<Target>) =
            targets.into_iter().partition(|it| wanted == Push::GiveUp || !identity(&it.session).lives());
        stopped.extend(over.into_iter().map(|it| finish(it, elapsed)));
        targets = rest;
        if targets.is_empty() {
            return stopped;
        }
        for target in &mut targets {
            raise(target, wanted, patience, tell);
        }
        if told.elapsed() >= NEWS {
            told = Instant::now();
            let names: Vec<&str> = targets.iter().map(|it| it.session.name.as_str()).collect();
            tell(&format!("waiting for {} to end: {} s", names.join(", "), elapsed.as_secs()));
        }
        thread::sleep(PAUSE);
    }
}

/// Pushes harder, if it is time to.
fn raise(target: &mut Target, wanted: Push, patience: Duration, tell: &mut dyn FnMut(&str)) {
    if target.pushed >= Some(wanted) {
        return;
    }
    target.pushed = Some(wanted);
    let (name, process) = (&target.session.name, identity(&target.session));
    match wanted {
        Push::Ask => {
            process.interrupt();
            tell(&format!("asked {name} to stop (process {}); waiting up to {} s", process.pid, patience.as_secs()));
        }
        Push::Insist => {
            process.interrupt();
            tell(&format!("{name} is still there after {} s; asked again", patience.as_secs()));
        }
        Push::Kill => {
            process.kill();
            tell(&format!("{name} is killed"));
        }
        Push::GiveUp => {}
    }
}

fn finish(target: Target, elapsed: Duration) -> Stopped {
    let process = identity(&target.session);
    let registry = Registry::here().ok();
    let mut session = registry.as_ref().and_then(|it| it.find(process)).unwrap_or(target.session);
    let how = match target.pushed {
        _ if process.lives() => Stopping::Failed,
        // It was gone before it was asked.
        None | Some(Push::Ask) => Stopping::Asked,
        Some(Push::Insist) => Stopping::Insisted,
        Some(Push::Kill | Push::GiveUp) => Stopping::Killed,
    };
    if how == Stopping::Killed {
        if let Some(run) = session.begun.as_ref().and_then(|begun| begun.run.as_ref()) {
            // Its guard does the same; here it is waited for.
            guard::sweep(run.as_str());
        }
        if session.ended.is_none() {
            session.ended = Some(SessionEnd { at: sys::clock::now(), code: Some(BY_SIGKILL), error: None });
        }
    }
    let row = look_at(session);
    if let Some(registry) = registry {
        // Else the next look finds out once more.
        registry.write(&row.session).ok();
    }
    let is_lost = matches!(row.standing, Standing::Killed) || how == Stopping::Killed;
    if is_lost {
        make_status_true(&row.session);
    }
    Stopped { row, how, took_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX) }
}

/// The status files of a run that was killed still say that it is under way. When they cannot be written, `autodev status`
/// says the truth and writes them.
fn make_status_true(session: &Session) {
    let Ok(project) = Project::open(Some(&session.config), &session.directory) else { return };
    if let Ok(state) = look::state(&project) {
        Sinks::new(&project, Audience::Command).refresh(&state);
    }
}
