//! Detached sessions: the table and the JSON of `autodev list`, and what `autodev stop` did.

use serde_json::{Value, json};

use super::Style;
use super::table::{self, Cell};
use super::text::stamp;
use crate::logic::session::{is_living, state};
use crate::model::{SessionRow, Standing, Stopped, Stopping};

/// Returns the table of sessions, or a sentence when there are none.
pub fn table(rows: &[SessionRow], style: &Style) -> String {
    if rows.is_empty() {
        return "No sessions. `autodev run --detach` starts one.\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = rows.iter().map(|row| line(row, style)).collect();
    table::render(&["SESSION", "STATE", "EXIT", "STARTED", "TASK", "PROJECT"], &rows, style)
}

fn line(row: &SessionRow, style: &Style) -> Vec<Cell> {
    let session = &row.session;
    let task = row.glimpse.as_ref().filter(|it| is_living(row) && !it.task.is_empty()).map(|it| {
        if it.attempt > 0 { format!("{} {}/{}", it.task, it.attempt, it.max_attempts) } else { it.task.clone() }
    });
    let place = match row.standing {
        Standing::Elsewhere => format!("{}:{}", session.host, session.directory.display()),
        Standing::Starting | Standing::Working | Standing::Ended { .. } | Standing::Killed => {
            session.directory.display().to_string()
        }
    };
    vec![
        session.name.as_str().into(),
        Cell::badge(state(row)),
        exit_code(row).map_or_else(|| "-".to_owned(), |code| code.to_string()).into(),
        // The year is known, the seconds do not matter: a row has to fit into 80 columns.
        session.started_at.with_timezone(&style.zone).format("%m-%d %H:%M").to_string().into(),
        task.unwrap_or_else(|| "-".to_owned()).into(),
        place.into(),
    ]
}

fn exit_code(row: &SessionRow) -> Option<i32> {
    match row.standing {
        Standing::Ended { code } => Some(code),
        Standing::Starting | Standing::Working | Standing::Killed | Standing::Elsewhere => None,
    }
}

/// Returns the sessions as JSON.
pub fn json(rows: &[SessionRow]) -> Value {
    json!({"sessions": rows.iter().map(object).collect::<Vec<_>>()})
}

fn object(row: &SessionRow) -> Value {
    let session = &row.session;
    let task = row.glimpse.as_ref().filter(|it| !it.task.is_empty());
    json!({
        "name": session.name,
        "state": state(row),
        "is_running": is_living(row),
        "exit_code": exit_code(row),
        "kind": session.kind.as_str(),
        "command": session.command,
        "project": session.project,
        "directory": session.directory.to_string_lossy(),
        "config": session.config.to_string_lossy(),
        "pid": session.pid,
        "host": session.host,
        "started_at": stamp(Some(session.started_at)),
        "begun_at": session.begun.as_ref().map(|begun| stamp(Some(begun.at))),
        "ended_at": session.ended.as_ref().map(|ended| stamp(Some(ended.at))),
        "run_id": session.begun.as_ref().and_then(|begun| begun.run.as_ref()),
        "task": task.map(|it| json!({
            "id": it.task, "title": it.title, "attempt": it.attempt, "max_attempts": it.max_attempts,
        })),
        "message": row.glimpse.as_ref().map(|glimpse| glimpse.message.as_str()),
        "waiting_until": row.glimpse.as_ref().map(|it| it.waiting_until.as_str()).filter(|until| !until.is_empty()),
        "error": session.ended.as_ref().and_then(|ended| ended.error.as_deref()),
        "log": session.log.to_string_lossy(),
        "tmux_socket": Some(session.socket.to_string_lossy()).filter(|socket| !socket.is_empty()),
    })
}

/// Returns what stopping a session came to, one line.
pub fn stopped(stopped: &Stopped) -> String {
    let name = &stopped.row.session.name;
    let seconds = stopped.took_ms as f64 / 1e3;
    let code = exit_code(&stopped.row).map(|code| format!(", exit code {code}")).unwrap_or_default();
    match stopped.how {
        Stopping::Asked => format!("{name} has stopped after {seconds:.1} s{code}\n"),
        Stopping::Insisted => format!("{name} has stopped after {seconds:.1} s, when asked again{code}\n"),
        Stopping::Killed => format!("{name} did not stop and was killed after {seconds:.1} s; its work stays\n"),
        Stopping::Failed => {
            format!("{name} cannot be ended: process {} is still there after {seconds:.1} s\n", stopped.row.session.pid)
        }
    }
}

/// Returns the same as JSON.
pub fn stopped_json(all: &[Stopped]) -> Value {
    let object = |it: &Stopped| {
        json!({
            "name": it.row.session.name,
            "pid": it.row.session.pid,
            "outcome": it.how.as_str(),
            "state": state(&it.row),
            "exit_code": exit_code(&it.row),
            "duration_ms": it.took_ms,
        })
    };
    json!({"sessions": all.iter().map(object).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::{Glimpse, RunId, Session, SessionBegin, SessionEnd, SessionKind};
    use crate::view::text::width;

    fn rows() -> Vec<SessionRow> {
        let at = DateTime::parse_from_rfc3339("2026-11-20T23:29:10Z").unwrap().to_utc();
        let session = Session {
            name: "autodev-Demo".into(),
            kind: SessionKind::Tmux,
            command: "run".into(),
            project: "Demo".into(),
            directory: "/home/dev/projects/demo".into(),
            config: "/home/dev/projects/demo/autodev.toml".into(),
            home: "/home/dev/projects/demo/.autodev".into(),
            status: "/s".into(),
            log: "/l".into(),
            socket: "/tmp/tmux-0/default".into(),
            host: "there".into(),
            boot: "b".into(),
            pid: 7,
            start_ticks: 8,
            started_at: at,
            begun: Some(SessionBegin { at, run: Some(RunId::new("r")) }),
            ended: None,
        };
        let glimpse = Glimpse {
            status: "retry_wait".into(),
            message: "waits".into(),
            task: "P0-1".into(),
            title: "Greet".into(),
            attempt: 2,
            max_attempts: 3,
            ..Glimpse::default()
        };
        let mut ended = session.clone();
        ended.ended = Some(SessionEnd { at, code: Some(2), error: Some("no\u{1b}[31m".into()) });
        ended.name = "autodev-a-rather-long-name-of-a-project-that-has-sixty-letter".into();
        vec![
            SessionRow { session: session.clone(), standing: Standing::Working, glimpse: Some(glimpse.clone()) },
            SessionRow { session: ended, standing: Standing::Ended { code: 2 }, glimpse: Some(glimpse) },
            SessionRow { session: session.clone(), standing: Standing::Killed, glimpse: None },
            SessionRow { session, standing: Standing::Elsewhere, glimpse: None },
        ]
    }

    #[test]
    fn a_row_says_what_a_session_does() {
        let table = table(&rows()[..1], &Style::plain());
        let wanted = "SESSION       STATE         EXIT  STARTED      TASK      PROJECT\n\
             --------------------------------------------------------------------------------\n\
             autodev-Demo  [RETRY WAIT]  -     11-20 23:29  P0-1 2/3  /home/dev/projects/demo\n";
        assert_eq!(table, wanted);
        assert!(super::table(&[], &Style::plain()).contains("run --detach"));
    }

    #[test]
    fn rows_fit_into_80_columns() {
        let table = table(&rows(), &Style { columns: Some(80), ..Style::plain() });
        assert!(table.lines().all(|line| width(line) <= 80), "{table}");
        assert!(table.contains("[KILLED]") && table.contains("[ELSEWHERE]") && table.contains("[BLOCKED]"), "{table}");
    }

    #[test]
    fn json_says_null_for_what_is_not_known() {
        let json = json(&rows());
        let of = |at: usize| &json["sessions"][at];
        assert_eq!((&of(0)["exit_code"], &of(0)["is_running"]), (&Value::Null, &Value::Bool(true)));
        assert_eq!(of(0)["task"]["id"], "P0-1");
        assert_eq!((of(1)["exit_code"].as_i64(), of(1)["state"].as_str()), (Some(2), Some("blocked")));
        assert_eq!((&of(2)["task"], of(2)["state"].as_str()), (&Value::Null, Some("killed")));
    }

    #[test]
    fn stopping_says_what_it_took() {
        let row = rows().remove(1);
        let of = |how| stopped(&Stopped { row: row.clone(), how, took_ms: 1234 });
        assert!(of(Stopping::Asked).ends_with("has stopped after 1.2 s, exit code 2\n"));
        assert!(of(Stopping::Killed).contains("was killed after 1.2 s"));
        assert!(of(Stopping::Failed).contains("process 7"));
        let json = stopped_json(&[Stopped { row, how: Stopping::Insisted, took_ms: 5 }]);
        assert_eq!(json["sessions"][0]["outcome"], "insisted");
    }
}
