//! What `autodev schedule` prints.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::text::{one_line, plural, push, stamp};
use super::{Style, phrase};
use crate::logic::schedule::{self, Standing};
use crate::model::{Firing, Hold, Window};

/// How the schedule of a project stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule<'a> {
    /// Its windows, each with its zone.
    pub windows: &'a [Window],
    /// Whether one is open.
    pub standing: Standing,
    /// A pause by hand.
    pub hold: Option<&'a Hold>,
    /// Its recurring plans.
    pub plans: &'a [Plan],
}

/// A recurring plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its entry.
    pub entry: String,
    /// Up to when its times have had their turn.
    pub since: Option<DateTime<Utc>>,
    /// The time whose turn has come.
    pub due: Option<DateTime<Utc>>,
    /// When it comes next.
    pub next: Option<DateTime<Utc>>,
}

/// Returns the page for people. Times are the reader's.
pub fn human(schedule: &Schedule<'_>, style: &Style) -> String {
    let mut page = String::new();
    if schedule.windows.is_empty() {
        page.push_str("Windows: none, agents may be started at any time\n");
    } else {
        page.push_str("Windows:\n");
        for window in schedule.windows {
            push(&mut page, format_args!("  {}\n", one_line(&schedule::describe(window))));
        }
        let now = match schedule.standing {
            Standing::Open { until: Some(until) } => format!("open until {}", style.time(until)),
            Standing::Open { until: None } => "open".to_owned(),
            Standing::Closed { until } => format!("closed until {}", style.time(until)),
        };
        push(&mut page, format_args!("Now: {now}\n"));
    }
    if let Some(hold) = schedule.hold {
        let until = hold.until.map_or_else(|| phrase::RESUME.to_owned(), |until| style.time(until));
        push(&mut page, format_args!("Paused by hand until {until}\n"));
    }
    page.push_str(if schedule.plans.is_empty() { "Plans: none\n" } else { "Plans:\n" });
    for plan in schedule.plans {
        let turn = match (plan.since, plan.due, plan.next) {
            (_, Some(due), _) => format!("due since {}", style.time(due)),
            (None, None, _) => "nobody has looked yet; its times count from the first look".to_owned(),
            (Some(_), None, Some(next)) => format!("next {}", style.time(next)),
            (Some(_), None, None) => "never comes".to_owned(),
        };
        push(&mut page, format_args!("  {}\n      {turn}\n", one_line(&plan.entry)));
    }
    page
}

/// Returns the same for programs.
pub fn json(schedule: &Schedule<'_>) -> Value {
    let windows: Vec<String> = schedule.windows.iter().map(schedule::describe).collect();
    let (is_open, until) = match schedule.standing {
        Standing::Open { until } => (true, until),
        Standing::Closed { until } => (false, Some(until)),
    };
    let time = |at: Option<DateTime<Utc>>| at.map(|at| stamp(Some(at)));
    let plans: Vec<Value> = schedule
        .plans
        .iter()
        .map(|plan| {
            json!({"entry": plan.entry, "since": time(plan.since), "due": time(plan.due), "next": time(plan.next)})
        })
        .collect();
    json!({"windows": windows, "open": is_open, "until": time(until), "paused": schedule.hold.is_some(), "plans": plans})
}

/// Returns what has become of a turn, with its line break.
pub fn turn(entry: &str, due: DateTime<Utc>, outcome: &Firing, style: &Style) -> String {
    let (entry, due) = (one_line(entry), style.time(due));
    match outcome {
        Firing::Queued { tasks } => {
            let ids: Vec<String> = tasks.iter().map(|id| one_line(id.as_str())).collect();
            format!("{} of {entry} (due {due}): {}\n", plural(tasks.len(), "task"), ids.join(", "))
        }
        Firing::Failed { reason } => format!("Not queued: {entry} (due {due}): {}\n", one_line(reason)),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::model::TaskId;
    use crate::view::sample::at;

    #[test]
    fn the_page_says_what_is_open_and_what_comes() {
        let windows = [schedule::window("Mon-Fri 22:00-07:00 UTC").unwrap()];
        let hold = Hold { reason: String::new(), since: at("2026-11-20T11:00:00Z"), until: None };
        let plan = |entry: &str, since, due, next| Plan { entry: entry.into(), since, due, next };
        let (past, future) = (Some(at("2026-11-20T03:00:00Z")), Some(at("2026-11-21T03:00:00Z")));
        let plans = [
            plan("@daily: a.md", past, None, future),
            plan("@weekly: b\x1b.md", past, past, future),
            plan("@hourly: c.md", None, None, future),
        ];
        let standing = Standing::Closed { until: at("2026-11-20T22:00:00Z") };
        let schedule = Schedule { windows: &windows, standing, hold: Some(&hold), plans: &plans };
        let wanted = "\
Windows:
  Mon,Tue,Wed,Thu,Fri 22:00-07:00 UTC
Now: closed until 2026-11-20 22:00:00
Paused by hand until `autodev resume`
Plans:
  @daily: a.md
      next 2026-11-21 03:00:00
  @weekly: b\u{fffd}.md
      due since 2026-11-20 03:00:00
  @hourly: c.md
      nobody has looked yet; its times count from the first look
";
        assert_eq!(human(&schedule, &Style::plain()), wanted);
        let value = json(&schedule);
        assert_eq!((&value["open"], &value["until"]), (&false.into(), &"2026-11-20T22:00:00Z".into()));
        assert_eq!(value["plans"][0]["next"], "2026-11-21T03:00:00Z");
        assert_eq!(value["plans"][2]["since"], Value::Null);
        let none = Schedule { windows: &[], standing: Standing::Open { until: None }, hold: None, plans: &[] };
        assert_eq!(human(&none, &Style::plain()), "Windows: none, agents may be started at any time\nPlans: none\n");
    }

    #[test]
    fn a_turn_says_what_came_of_it() {
        let due = at("2026-11-20T03:00:00Z");
        let queued = Firing::Queued { tasks: vec![TaskId::new("P0-1"), TaskId::new("P0-2")] };
        let text = turn("@daily: a.md", due, &queued, &Style::plain());
        assert_eq!(text, "2 tasks of @daily: a.md (due 2026-11-20 03:00:00): P0-1, P0-2\n");
        let text = turn("@daily: a.md", due, &Firing::Failed { reason: "gone\n".into() }, &Style::plain());
        assert_eq!(text, "Not queued: @daily: a.md (due 2026-11-20 03:00:00): gone\n");
    }
}
