//! A notice in words: a title, a few lines, and the same as JSON for programs.
//!
//! Plain text without the markup of any service; `notify` adds that. Invariant: the same notice gives the same bytes.

use chrono::{DateTime, FixedOffset, Utc};
use serde_json::{Value, json};

use super::text::{fit, money, one_line, span, stamp};
use crate::model::{Message, Notice, Topic};

/// Longest title, in columns. Phones show about half of it.
const TITLE: usize = 120;
/// Longest single line of the body, in columns.
const LINE: usize = 400;

/// Puts a notice into words. `dashboard` is an address or a path, or empty; times are shown in `zone`.
pub fn message(notice: &Notice, dashboard: &str, zone: FixedOffset) -> Message {
    Message {
        topic: notice.topic,
        id: notice.id.clone(),
        at: notice.at,
        mood: notice.mood,
        title: fit(&one_line(&format!("{}: {}", project(notice), headline(notice, zone))), TITLE),
        body: body(notice),
        dashboard: one_line(dashboard),
        payload: payload(notice, dashboard),
    }
}

fn project(notice: &Notice) -> &str {
    if notice.project.is_empty() { "autodev" } else { &notice.project }
}

fn headline(notice: &Notice, zone: FixedOffset) -> String {
    let task = notice.task.as_ref().map(|task| task.id.to_string()).unwrap_or_default();
    match notice.topic {
        Topic::TaskCompleted => format!("{task} is done"),
        Topic::TaskBlocked => format!("{task} is blocked"),
        Topic::RunFinished => match notice.ended.as_ref().map(|(status, _)| status.as_str()) {
            Some("completed") => "run finished".to_owned(),
            Some("blocked") => format!("run finished, {} blocked", notice.counts.blocked.max(notice.blocked.len())),
            Some("env_error") => "run stopped, a person must act".to_owned(),
            _ => "run stopped".to_owned(),
        },
        Topic::LimitWait => match notice.until {
            Some(until) => format!("waiting for a limit until {}", time(until, zone)),
            None => "waiting for a limit".to_owned(),
        },
        Topic::EnvironmentError => "a person must act".to_owned(),
        Topic::Test => "test notice".to_owned(),
    }
}

fn time(at: DateTime<Utc>, zone: FixedOffset) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M %:z").to_string()
}

fn body(notice: &Notice) -> String {
    let mut lines = Vec::new();
    if let Some(task) = &notice.task {
        let attempts = match task.attempts {
            0 => String::new(),
            1 => " (1 attempt)".to_owned(),
            many => format!(" ({many} attempts)"),
        };
        let commit = task.commit.as_ref().map(|sha| format!(", commit {}", sha.get(..12).unwrap_or(sha)));
        lines.push(format!("{} {}{attempts}{}", task.id, task.title, commit.unwrap_or_default()));
    }
    if !notice.reason.is_empty() {
        lines.push(notice.reason.clone());
    }
    if !notice.failing_check.is_empty() && !notice.reason.contains(&notice.failing_check) {
        lines.push(format!("Failing check: {}", notice.failing_check));
    }
    lines.extend(notice.blocked.iter().map(|(task, reason)| format!("Blocked: {task}: {reason}")));
    let counts = notice.counts;
    let mut queue =
        format!("Queue: {} completed, {} blocked, {} pending", counts.completed, counts.blocked, counts.pending);
    if notice.ended.is_some() {
        let cost = notice.cost_usd.map(|dollars| format!(", {}", money(dollars))).unwrap_or_default();
        queue.extend(["; ", &span(notice.elapsed_seconds), &cost]);
    }
    lines.push(queue);
    lines.iter().map(|line| fit(&one_line(line), LINE)).collect::<Vec<_>>().join("\n")
}

/// What a webhook gets. Keys are only ever added; those that do not apply are null.
fn payload(notice: &Notice, dashboard: &str) -> Value {
    let task = notice
        .task
        .as_ref()
        .map(|task| json!({"id": task.id, "title": task.title, "attempts": task.attempts, "commit": task.commit}));
    let blocked: Vec<Value> =
        notice.blocked.iter().map(|(task, reason)| json!({"id": task, "reason": reason})).collect();
    json!({
        "version": 1,
        "id": notice.id,
        "event": notice.topic.as_str(),
        "at": stamp(Some(notice.at)),
        "project": notice.project,
        "run": notice.run,
        "seq": notice.seq,
        "task": task,
        "reason": notice.reason,
        "failing_check": notice.failing_check,
        "until": notice.until.map(|until| stamp(Some(until))),
        "status": notice.ended.as_ref().map(|(status, _)| status),
        "exit_code": notice.ended.as_ref().map(|(_, code)| code),
        "blocked": blocked,
        "counts": notice.counts,
        "elapsed_seconds": notice.elapsed_seconds,
        "cost_usd": notice.cost_usd,
        "dashboard": dashboard,
    })
}

#[cfg(test)]
mod tests {
    use chrono::Offset as _;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::{Counts, Mood, NoticeTask, RunId, TaskId};

    pub(super) fn notice(topic: Topic) -> Notice {
        Notice {
            topic,
            id: "20261120T112910Z-3fa2-42".into(),
            seq: 42,
            at: "2026-11-20T11:29:10Z".parse().unwrap(),
            run: RunId::new("20261120T112910Z-3fa2"),
            project: "Demo".into(),
            mood: Mood::Bad,
            task: Some(NoticeTask {
                id: TaskId::new("T1"),
                title: "First\nline \u{1b}[31m".into(),
                attempts: 3,
                commit: None,
            }),
            reason: "failed after 3 attempts".into(),
            failing_check: "validate:make: exit_code=2".into(),
            until: None,
            ended: None,
            blocked: Vec::new(),
            counts: Counts { completed: 4, blocked: 1, pending: 2 },
            elapsed_seconds: 3700,
            cost_usd: Some(1.5),
        }
    }

    fn utc() -> FixedOffset {
        Utc.fix()
    }

    #[test]
    fn a_blocked_task_is_told_in_a_few_lines() {
        let message = message(&notice(Topic::TaskBlocked), "/p/logs/dashboard.html", utc());
        assert_eq!(message.title, "Demo: T1 is blocked");
        assert_eq!(
            message.body_with_dashboard(),
            "T1 First line \u{fffd}[31m (3 attempts)\nfailed after 3 attempts\nFailing check: validate:make: exit_code=2\n\
             Queue: 4 completed, 1 blocked, 2 pending\nDashboard: /p/logs/dashboard.html"
        );
        assert_eq!(message.link(), None, "no browser elsewhere opens a path");
    }

    #[test]
    fn the_end_of_a_run_says_how_long_and_what_is_left() {
        let end = Notice {
            task: None,
            ended: Some(("blocked".into(), 2)),
            failing_check: String::new(),
            reason: "Finished with blocked tasks: 4 completed, 1 blocked".into(),
            blocked: vec![(TaskId::new("T1"), "failed after 3 attempts".into())],
            ..notice(Topic::RunFinished)
        };
        let message = message(&end, "https://ci.example/d", utc());
        assert_eq!(message.title, "Demo: run finished, 1 blocked");
        assert_eq!(
            message.body,
            "Finished with blocked tasks: 4 completed, 1 blocked\nBlocked: T1: failed after 3 attempts\n\
             Queue: 4 completed, 1 blocked, 2 pending; 1 h 01 m, $1.50"
        );
        assert_eq!(message.link(), Some("https://ci.example/d"));
        assert_eq!(message.payload["exit_code"], 2);
        assert_eq!(message.payload["counts"], json!({"completed": 4, "blocked": 1, "pending": 2}));
    }

    #[test]
    fn a_wait_says_until_when_in_the_readers_zone() {
        let wait = Notice { until: Some("2026-11-21T04:00:00Z".parse().unwrap()), ..notice(Topic::LimitWait) };
        let zone = FixedOffset::east_opt(3600).unwrap();
        assert_eq!(message(&wait, "", zone).title, "Demo: waiting for a limit until 2026-11-21 05:00 +01:00");
        assert_eq!(message(&wait, "", zone).payload["until"], "2026-11-21T04:00:00Z");
    }

    #[test]
    fn nothing_gets_too_long() {
        let long = Notice { project: "p".repeat(5000), reason: "r".repeat(50_000), ..notice(Topic::TaskBlocked) };
        let message = message(&long, "", utc());
        assert!(message.title.chars().count() <= TITLE && message.body.chars().count() < 4 * LINE);
        assert!(!message.title.contains('\n') && message.dashboard.is_empty());
    }
}
