//! Detached sessions: what they are called, how they stand, which one is meant, how hard one is pushed to end.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::{Session, SessionRow, Standing};

/// Names are cut to so many characters (the reference's limit).
const NAME_LIMIT: usize = 60;
/// For so long an ended session is listed.
const MEMORY: TimeDelta = TimeDelta::days(7);
/// Records of other machines that share the home directory: only those can tell whether a session lives.
const FOREIGN_MEMORY: TimeDelta = TimeDelta::days(30);
/// Between the second request and the kill: the second one lets nothing finish, so little is left to wait for.
const INSISTING: Duration = Duration::from_secs(10);
/// After the kill: a process that the kernel cannot end for so long is stuck in it.
const DYING: Duration = Duration::from_secs(10);

/// Returns the `nth` choice (from 1) for the name of a session: `<prefix>-<project>`, for other commands than `run` with
/// the command behind it. Only `A-Za-z0-9_-`, at most 60 characters, never empty, never beginning with `-`.
pub fn name(prefix: &str, project: &str, command: &str, nth: u32) -> String {
    let mut ending = if command == "run" { String::new() } else { format!("-{}", plain(command)) };
    if nth > 1 {
        ending.extend(["-", &nth.to_string()]);
    }
    let whole = plain(&format!("{prefix}-{project}"));
    let start = whole.trim_start_matches('-');
    let start = if start.is_empty() { "autodev" } else { start };
    let room = NAME_LIMIT.saturating_sub(ending.len());
    start.chars().take(room).chain(ending.chars()).take(NAME_LIMIT).collect()
}

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' }).collect()
}

/// Returns how a session stands. `lives` says whether its process does; it only counts on the session's own machine since
/// its last start.
pub fn standing(session: &Session, host: &str, boot: &str, lives: bool) -> Standing {
    if let Some(ended) = &session.ended {
        return ended.code.map_or(Standing::Killed, |code| Standing::Ended { code });
    }
    if session.host != host {
        return Standing::Elsewhere;
    }
    match (lives && session.boot == boot, &session.begun) {
        (true, Some(_)) => Standing::Working,
        (true, None) => Standing::Starting,
        (false, _) => Standing::Killed,
    }
}

/// Whether a session has a process that can be looked at and stopped.
pub fn is_living(row: &SessionRow) -> bool {
    match row.standing {
        Standing::Starting | Standing::Working => true,
        Standing::Ended { .. } | Standing::Killed | Standing::Elsewhere => false,
    }
}

/// Whether a record is no longer worth keeping: another session of the same name came after it, its project is gone, or
/// it ended long ago. One that lives is kept.
pub fn is_forgotten(row: &SessionRow, all: &[SessionRow], has_project: bool, now: DateTime<Utc>) -> bool {
    let session = &row.session;
    let age = now - session.ended.as_ref().map_or(session.started_at, |ended| ended.at);
    match row.standing {
        Standing::Starting | Standing::Working => false,
        Standing::Elsewhere => age > FOREIGN_MEMORY,
        Standing::Ended { .. } | Standing::Killed => {
            let is_same = |it: &&SessionRow| it.session.name == session.name && it.session.home == session.home;
            let is_later = |it: &SessionRow| it.session.started_at > session.started_at;
            !has_project || age > MEMORY || all.iter().filter(is_same).any(is_later)
        }
    }
}

/// Returns the word for how a session stands and what its run does: a status of runtime-status.json, or `starting`,
/// `ending`, `failed`, `killed`, `elsewhere`.
pub fn state(row: &SessionRow) -> &str {
    let status = row.glimpse.as_ref().map(|glimpse| glimpse.status.as_str()).filter(|status| !status.is_empty());
    match row.standing {
        Standing::Starting => "starting",
        // The run is over, its process not yet.
        Standing::Working if status.is_some_and(is_end) => "ending",
        Standing::Working => status.unwrap_or("running"),
        Standing::Killed => "killed",
        Standing::Elsewhere => "elsewhere",
        // Whatever the run last said.
        Standing::Ended { code } if code < 0 => "killed",
        Standing::Ended { code } => match (status.filter(|status| is_end(status)), code) {
            (Some(status), _) => status,
            (None, 0) => "completed",
            (None, 2) if row.session.begun.is_some() => "blocked",
            (None, 130) => "interrupted",
            (None, _) => "failed",
        },
    }
}

fn is_end(status: &str) -> bool {
    matches!(status, "completed" | "blocked" | "env_error" | "interrupted")
}

/// Which session a person means.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// The one with exactly this name.
    Named(&'a str),
    /// The only one of the project with this `.autodev/`.
    Of(&'a Path),
    /// No name was given, and this directory is in no project.
    Nothing,
}

/// Why no session is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// None has this name.
    #[error("there is no session {name}; {}", those(names))]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        names: Vec<String>,
    },
    /// The project has none that lives.
    #[error("no session of this project is running; {}", those(names))]
    NoneHere {
        /// The names there are elsewhere.
        names: Vec<String>,
    },
    /// The project has several.
    #[error("this project has {} sessions, say which: {}", names.len(), names.join(", "))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// Neither a name nor a project.
    #[error("say which session; {}", those(names))]
    NoName {
        /// The names there are.
        names: Vec<String>,
    },
}

fn those(names: &[String]) -> String {
    if names.is_empty() { "none is running".to_owned() } else { format!("running: {}", names.join(", ")) }
}

/// Returns the session that is meant. Of several with one name it is the one that lives, else the latest.
///
/// # Errors
/// When it is not clear which one.
pub fn choose<'a>(rows: &'a [SessionRow], wanted: Wanted<'_>) -> Result<&'a SessionRow, Unclear> {
    let names: Vec<String> = rows.iter().filter(|row| is_living(row)).map(|row| row.session.name.clone()).collect();
    match wanted {
        Wanted::Named(name) => rows
            .iter()
            .filter(|row| row.session.name == name)
            .max_by_key(|row| (is_living(row), row.session.started_at))
            .ok_or_else(|| Unclear::Unknown { name: name.to_owned(), names }),
        Wanted::Of(home) => {
            let mut here = rows.iter().filter(|row| is_living(row) && row.session.home == home);
            match (here.next(), here.next()) {
                (Some(only), None) => Ok(only),
                (None, _) => Err(Unclear::NoneHere { names }),
                (Some(_), Some(_)) => {
                    let here = rows.iter().filter(|row| is_living(row) && row.session.home == home);
                    Err(Unclear::Several { names: here.map(|row| row.session.name.clone()).collect() })
                }
            }
        }
        Wanted::Nothing => Err(Unclear::NoName { names }),
    }
}

/// How hard a session is pushed to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Push {
    /// It was asked; it ends its agent and may finish checking what the agent had finished.
    Ask,
    /// It was asked again: nothing is finished.
    Insist,
    /// It is killed.
    Kill,
    /// It cannot be ended.
    GiveUp,
}

/// Returns how hard to push a session that was asked to end so long ago, by somebody with so much patience.
pub fn push(elapsed: Duration, patience: Duration) -> Push {
    let insisting = INSISTING.min(patience);
    if elapsed < patience {
        Push::Ask
    } else if elapsed < patience + insisting {
        Push::Insist
    } else if elapsed < patience + insisting + DYING {
        Push::Kill
    } else {
        Push::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Glimpse, SessionBegin, SessionEnd, SessionKind};

    fn at(day: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(day * 86_400, 0).unwrap()
    }

    fn row(name: &str, home: &str, standing: Standing) -> SessionRow {
        let ended = match standing {
            Standing::Ended { code } => Some(SessionEnd { at: at(10), code: Some(code), error: None }),
            _ => None,
        };
        let session = Session {
            name: name.into(),
            kind: SessionKind::Tmux,
            command: "run".into(),
            project: "p".into(),
            directory: "/p".into(),
            config: "/p/autodev.toml".into(),
            home: home.into(),
            status: "/s".into(),
            log: "/l".into(),
            socket: "/t".into(),
            host: "here".into(),
            boot: "b".into(),
            pid: 7,
            start_ticks: 8,
            started_at: at(10),
            begun: Some(SessionBegin { at: at(10), run: None }),
            ended,
        };
        SessionRow { session, standing, glimpse: None }
    }

    #[test]
    fn names_follow_the_rule_of_the_reference() {
        assert_eq!(name("autodev", "Demo", "run", 1), "autodev-Demo");
        assert_eq!(name("autodev", "a.b:c d/é_1-2", "run", 1), "autodev-a-b-c-d--_1-2");
        assert_eq!(name("", "Demo", "run", 1), "Demo");
        assert_eq!(name("", "日本", "run", 1), "autodev");
        assert_eq!(name("night", "Demo", "watch", 3), "night-Demo-watch-3");
        assert_eq!(name("autodev", &"x".repeat(99), "run", 1).len(), 60);
        assert!(name("autodev", &"x".repeat(99), "watch", 12).ends_with("x-watch-12"));
    }

    proptest! {
        #[test]
        fn any_name_is_safe(prefix in any::<String>(), project in any::<String>(), command in any::<String>(), nth in any::<u32>()) {
            let name = name(&prefix, &project, &command, nth);
            prop_assert!(!name.is_empty() && name.len() <= NAME_LIMIT && !name.starts_with('-'));
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        }
    }

    #[test]
    fn only_a_process_of_this_start_of_this_machine_lives() {
        let mut session = row("a", "/h", Standing::Working).session;
        assert_eq!(standing(&session, "here", "b", true), Standing::Working);
        assert_eq!(standing(&session, "here", "b", false), Standing::Killed);
        assert_eq!(
            standing(&session, "here", "c", true),
            Standing::Killed,
            "the id is somebody else's after a restart"
        );
        assert_eq!(standing(&session, "there", "b", true), Standing::Elsewhere);
        session.begun = None;
        assert_eq!(standing(&session, "here", "b", true), Standing::Starting);
        session.ended = Some(SessionEnd { at: at(10), code: Some(2), error: None });
        assert_eq!(standing(&session, "there", "b", true), Standing::Ended { code: 2 });
        session.ended = Some(SessionEnd { at: at(10), code: None, error: None });
        assert_eq!(standing(&session, "here", "b", false), Standing::Killed);
    }

    #[test]
    fn the_state_is_the_runs_while_it_can_be_true() {
        let with = |standing: Standing, status: &str| {
            let mut row = row("a", "/h", standing);
            row.glimpse = Some(Glimpse { status: status.into(), ..Glimpse::default() });
            state(&row).to_owned()
        };
        assert_eq!(with(Standing::Working, "validating"), "validating");
        assert_eq!(with(Standing::Working, "completed"), "ending");
        assert_eq!(with(Standing::Starting, "completed"), "starting");
        assert_eq!(with(Standing::Ended { code: -9 }, "interrupted"), "killed");
        assert_eq!(with(Standing::Killed, "running"), "killed");
        assert_eq!(with(Standing::Elsewhere, "running"), "elsewhere");
        assert_eq!(with(Standing::Ended { code: 1 }, "env_error"), "env_error");
        assert_eq!(with(Standing::Ended { code: 1 }, "running"), "failed");
        for (code, word) in [(0, "completed"), (2, "blocked"), (130, "interrupted"), (1, "failed"), (-9, "killed")] {
            assert_eq!(state(&row("a", "/h", Standing::Ended { code })), word);
        }
        let mut wrong = row("a", "/h", Standing::Ended { code: 2 });
        wrong.session.begun = None;
        assert_eq!(state(&wrong), "failed", "2 before the beginning means wrong arguments");
    }

    #[test]
    fn what_lives_is_never_forgotten_and_the_rest_in_time() {
        let living = row("a", "/h", Standing::Working);
        let ended = row("a", "/h", Standing::Ended { code: 0 });
        let mut later = living.clone();
        later.session.started_at = at(11);
        let all = [living.clone(), ended.clone()];
        assert!(!is_forgotten(&living, &[later.clone()], false, at(999)));
        assert!(!is_forgotten(&ended, &all, true, at(16)));
        assert!(is_forgotten(&ended, &all, true, at(18)));
        assert!(is_forgotten(&ended, &all, false, at(10)), "its project is gone");
        assert!(is_forgotten(&ended, &[later.clone()], true, at(11)));
        later.session.home = "/other".into();
        assert!(!is_forgotten(&ended, &[later], true, at(11)));
        let foreign = row("a", "/h", Standing::Elsewhere);
        assert!(!is_forgotten(&foreign, &all, false, at(18)) && is_forgotten(&foreign, &all, true, at(41)));
    }

    #[test]
    fn a_name_means_exactly_that_session() {
        let rows = [
            row("app-two", "/two", Standing::Working),
            row("app", "/old", Standing::Killed),
            row("app", "/new", Standing::Working),
            row("app-x", "/new", Standing::Ended { code: 0 }),
        ];
        assert_eq!(choose(&rows, Wanted::Named("app")).unwrap().session.home, Path::new("/new"));
        assert_eq!(choose(&rows, Wanted::Of(Path::new("/two"))).unwrap().session.name, "app-two");
        let unknown = choose(&rows, Wanted::Named("app-t")).unwrap_err().to_string();
        assert_eq!(unknown, "there is no session app-t; running: app-two, app");
        let none = choose(&rows, Wanted::Of(Path::new("/old"))).unwrap_err().to_string();
        assert!(none.contains("no session of this project"), "{none}");
        let mut rows = rows.to_vec();
        rows.push(row("app-watch", "/two", Standing::Starting));
        let several = choose(&rows, Wanted::Of(Path::new("/two"))).unwrap_err().to_string();
        assert!(several.contains("2 sessions") && several.contains("app-two, app-watch"), "{several}");
        assert_eq!(choose(&[], Wanted::Nothing).unwrap_err().to_string(), "say which session; none is running");
    }

    #[test]
    fn the_push_gets_harder_and_ends() {
        let (patience, s) = (Duration::from_secs(30), Duration::from_secs);
        let steps = [(0, Push::Ask), (29, Push::Ask), (30, Push::Insist), (40, Push::Kill), (50, Push::GiveUp)];
        for (elapsed, wanted) in steps {
            assert_eq!(push(s(elapsed), patience), wanted, "{elapsed}");
        }
        assert_eq!(push(s(0), s(0)), Push::Kill, "without patience there is no asking");
        assert_eq!(push(s(2), s(1)), Push::Kill);
    }
}
