//! `autodev list`, `attach` and `stop`, and what `--detach` prints.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use super::{exit, screen};
use crate::engine::detach::{self, Here, Launch, Launched, Outcome};
use crate::logic::session::{choose, is_living, state};
use crate::model::{DetachMode, SessionKind, SessionRow, Standing, Stopping};
use crate::view;

const LIST_HELP: &str = "\
Ended sessions are listed for a week, or until the next one of the same name. STATE is what the run does
(see `autodev status`), or `starting`, `ending`, `failed` (it never began, or an error ended it),
`killed`, or `elsewhere` (on another machine with the same home directory).

Example:
  autodev list --json | jq -r '.sessions[] | select(.is_running) | .name'";

const ATTACH_HELP: &str = "\
In tmux, Ctrl-b d leaves the session running, and Ctrl-C stops the run. Without tmux the session's log is
followed, and Ctrl-C ends the following only.

Examples:
  autodev attach                  the session of the project in this directory
  autodev attach autodev-hello    by the name that `autodev list` shows; names are never abbreviated";

const STOP_HELP: &str = "\
The session is asked as with Ctrl-C: it ends its agent, keeps the work and leaves the task pending. What
an agent had finished may still be checked; after --wait seconds the session is asked again and lets that
be, and 10 s later it is killed. Nothing is lost then either: the next run goes on from there.

Examples:
  autodev stop                    the session of the project in this directory
  autodev stop --all              every session of this user, and nothing else";

#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(super) struct ListArguments {
    /// Print JSON: {"sessions": [{"name", "state", "is_running", "exit_code", ...}]}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = ATTACH_HELP)]
pub(super) struct AttachArguments {
    /// Name of the session; not needed where the project has only one
    name: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = STOP_HELP)]
pub(super) struct StopArguments {
    /// Name of the session; not needed where the project has only one
    name: Option<String>,
    /// Stop every session of this user, of all projects
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// Ask again after so many seconds; 0 kills at once
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=86_400))]
    wait: u64,
    /// Print JSON: {"sessions": [{"name", "pid", "outcome", "state", "exit_code", "duration_ms"}]}
    #[arg(long)]
    json: bool,
}

/// `--detach`, with or without a mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detached {
    pub(super) mode: Option<DetachMode>,
}

/// Reads the value of `--detach`; it is empty when none was given.
pub(super) fn detached(text: &str) -> Result<Detached, String> {
    let mode = DetachMode::ALL.into_iter().find(|mode| mode.as_str() == text);
    if mode.is_none() && !text.is_empty() {
        return Err(format!("expected one of {}", DetachMode::ALL.map(DetachMode::as_str).join(", ")));
    }
    Ok(Detached { mode })
}

/// Detaches the command at hand, says what came of it, and returns the exit code.
pub(super) fn launch(what: &Launch<'_>) -> Result<i32> {
    let Launched { session, outcome } = detach::launch(what)?;
    let name = &session.name;
    match outcome {
        Outcome::Begun | Outcome::Slow => {
            let kind = session.kind.as_str();
            let how = if outcome == Outcome::Begun { "has begun" } else { "still gets ready after a minute" };
            let leave = match session.kind {
                SessionKind::Tmux => "look at it; Ctrl-b d leaves it running",
                SessionKind::Process => "follow what it prints; Ctrl-C leaves it running",
            };
            let hints = [
                (format!("autodev attach {name}"), leave),
                ("autodev list".to_owned(), "every session, and how it stands"),
                (format!("autodev stop {name}"), "stop it and keep its work"),
            ];
            let width = hints.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
            let hints = hints.map(|(command, text)| format!("  {command:width$}  {text}\n")).concat();
            screen::print(&format!(
                "Session {name}: {} {how} (process {}, {kind})\n{hints}",
                what.command, session.pid
            ));
            Ok(i32::from(outcome == Outcome::Slow))
        }
        Outcome::Over { code } => {
            let end = code.map_or_else(|| "was killed".to_owned(), |code| format!("has ended with exit code {code}"));
            let log = session.log.display();
            screen::print(&format!(
                "Session {name}: {} has begun and {end} already; its output: {log}\n",
                what.command
            ));
            Ok(0)
        }
        Outcome::Failed { code, text } => {
            screen::note(text.trim_end());
            screen::note(&format!(
                "session {name} has ended before its work began; its log: {}",
                session.log.display()
            ));
            // Like the command itself; a signal is an error of ours.
            Ok(if code > 0 { code } else { 1 })
        }
    }
}

/// Writes down how a session ends; nothing in every other process.
pub(super) fn note_end(result: &Result<i32>) {
    let error = result.as_ref().err().map(exit::text);
    detach::note_ended(exit::number(result), error.as_deref());
}

pub(super) fn list(arguments: &ListArguments) -> Result<i32> {
    let rows = detach::survey()?;
    if arguments.json {
        screen::print_json(&view::sessions::json(&rows));
    } else {
        screen::print(&view::sessions::table(&rows, &screen::style()));
    }
    Ok(0)
}

pub(super) fn attach(config: Option<&Path>, arguments: &AttachArguments) -> Result<i32> {
    let rows = detach::survey()?;
    let row = named(config, &rows, arguments.name.as_deref())?;
    if is_living(&row) && row.session.kind == SessionKind::Process {
        let session = &row.session;
        screen::note(&format!("following {}; Ctrl-C ends this and not {}", session.log.display(), session.name));
    }
    let mut print = |bytes: &[u8]| {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).is_ok()
    };
    let after = detach::attach(&row, &mut print)?;
    if let Standing::Ended { code } = after.standing {
        screen::note(&format!("{} has ended: {}, exit code {code}", after.session.name, state(&after)));
    } else if !is_living(&after) {
        screen::note(&format!("{} was killed", after.session.name));
    }
    Ok(0)
}

pub(super) fn stop(config: Option<&Path>, arguments: &StopArguments) -> Result<i32> {
    let rows = detach::survey()?;
    let wanted: Vec<SessionRow> = if arguments.all {
        rows.into_iter().filter(is_living).collect()
    } else {
        let row = named(config, &rows, arguments.name.as_deref())?;
        let name = &row.session.name;
        match row.standing {
            Standing::Elsewhere => bail!("{name} is on another machine: {}; stop it there", row.session.host),
            Standing::Ended { .. } | Standing::Killed => {
                screen::note(&format!("{name} has ended already: {}", state(&row)));
            }
            Standing::Starting | Standing::Working => {}
        }
        Some(row).filter(is_living).into_iter().collect()
    };
    if wanted.is_empty() && arguments.all {
        screen::note("no session is running");
    }
    let stopped = detach::stop(wanted, Duration::from_secs(arguments.wait), &mut |text| screen::note(text));
    if arguments.json {
        screen::print_json(&view::sessions::stopped_json(&stopped));
    } else {
        screen::print(&stopped.iter().map(view::sessions::stopped).collect::<String>());
    }
    Ok(i32::from(stopped.iter().any(|it| it.how == Stopping::Failed)))
}

fn named(config: Option<&Path>, rows: &[SessionRow], name: Option<&str>) -> Result<SessionRow> {
    let dir = std::env::current_dir().map_err(|e| anyhow::anyhow!("find the current directory: {e}"))?;
    // A name is enough, wherever one is.
    let here = if name.is_some() { Here::default() } else { Here::find(config, &dir)? };
    Ok(choose(rows, here.wanted(name))?.clone())
}
