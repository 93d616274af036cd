//! Windows: the times of the week in which agents may be started.

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};

use super::{first, known_zone, last, shown, zone};
use crate::model::Window;

/// The form of a window, for people.
const FORM: &str = "expected \"[DAYS] HH:MM-HH:MM [ZONE]\", for example \"Mon-Fri 22:00-07:00 Europe/Berlin\"";
const DAY: u16 = 24 * 60;
const EVERY_DAY: u8 = 0b0111_1111;
/// How far ahead windows are looked for. Every window opens within a week, but for one whose time of day a change of the
/// clock leaves out; that one opens in the week after.
const AHEAD: Days = Days::new(16);
/// A window that has begun so long ago is over: it lasts at most a day, and no change of the clock adds another.
const BACK: Days = Days::new(3);

/// Whether agents may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They may.
    Open {
        /// Until when; `None` when no end is in sight.
        until: Option<DateTime<Utc>>,
    },
    /// They may not.
    Closed {
        /// Until when; always in the future.
        until: DateTime<Utc>,
    },
}

/// Says whether some window is open. Without any window it always is.
pub fn standing(windows: &[Window], now: DateTime<Utc>) -> Standing {
    if windows.is_empty() {
        return Standing::Open { until: None };
    }
    let mut spans: Vec<(DateTime<Utc>, DateTime<Utc>)> = windows.iter().flat_map(|window| spans(window, now)).collect();
    spans.sort_unstable();
    let horizon = now + AHEAD - Days::new(2);
    let mut open_until = None;
    for (start, end) in spans {
        // Windows that touch are one.
        if start <= open_until.unwrap_or(now) {
            if end > now {
                open_until = open_until.max(Some(end));
            }
        } else if open_until.is_none() {
            return Standing::Closed { until: start };
        } else {
            break;
        }
    }
    match open_until {
        Some(until) => Standing::Open { until: Some(until).filter(|until| *until < horizon) },
        // Out of reach for windows that were checked; asked again then.
        None => Standing::Closed { until: now + AHEAD },
    }
}

/// The times around now at which a window is open, oldest first.
fn spans(window: &Window, now: DateTime<Utc>) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> + use<> {
    let zone = known_zone(&window.zone);
    let today = shown(zone, now).date();
    let (days, start, end) = (window.days, window.start, window.end);
    let from = today - BACK;
    from.iter_days().take_while(move |date| *date <= today + AHEAD).filter_map(move |date| {
        let opens_on = days & (1 << date.weekday().num_days_from_monday()) != 0;
        let last_date = if end > start { date } else { date + Days::new(1) };
        let span = (first(zone, clock_time(date, start)), last(zone, clock_time(last_date, end)));
        // A window that lies wholly in a gap of the clock does not open.
        (opens_on && span.0 < span.1).then_some(span)
    })
}

fn clock_time(date: NaiveDate, minutes: u16) -> chrono::NaiveDateTime {
    date.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(minutes))
}

/// Reads a window: `22:00-07:00`, `Sat,Sun 00:00-24:00`, `Mon-Fri 22:00-07:00 Europe/Berlin`.
///
/// # Errors
/// When it is none, with what is wrong.
pub fn window(text: &str) -> Result<Window, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| word.contains(':')).ok_or(FORM)?;
    let (days, rest) = words.split_at_checked(at).ok_or(FORM)?;
    let days = if days.is_empty() { EVERY_DAY } else { read_days(&days.concat())? };
    let (times, zone_name) = match rest {
        [times] => (*times, ""),
        [times, zone] => (*times, *zone),
        _ => return Err(FORM.to_owned()),
    };
    if !zone_name.is_empty() {
        zone(zone_name)?;
    }
    let (start, end) = times.split_once('-').ok_or(FORM)?;
    let (start, end) = (read_time(start)?, read_time(end)?);
    if start == end || start == DAY {
        return Err(format!("{times} has no length; the whole day is 00:00-24:00"));
    }
    let end = if end == 0 { DAY } else { end };
    Ok(Window { days, start, end, zone: zone_name.to_owned() })
}

fn read_days(text: &str) -> Result<u8, String> {
    let mut days = 0;
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (mut day, to) = (read_day(from)?, read_day(to)?);
        days |= 1 << day.num_days_from_monday();
        while day != to {
            day = day.succ();
            days |= 1 << day.num_days_from_monday();
        }
    }
    Ok(days)
}

fn read_day(text: &str) -> Result<Weekday, String> {
    text.parse().map_err(|_| format!("unknown day {text:?}; days are Mon, Tue, Wed, Thu, Fri, Sat, Sun, ranges of them (Mon-Fri), and lists (Sat,Sun)"))
}

fn read_time(text: &str) -> Result<u16, String> {
    let wrong = || format!("{text:?} is no time of day from 00:00 to 24:00");
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let is_number = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(hours, 2) || !is_number(minutes, 2) || minutes.len() != 2 {
        return Err(wrong());
    }
    let (hours, minutes): (u16, u16) = hours.parse().ok().zip(minutes.parse().ok()).ok_or_else(wrong)?;
    let time = hours * 60 + minutes;
    if minutes < 60 && time <= DAY { Ok(time) } else { Err(wrong()) }
}

/// Returns a window as it is written, its days in one form.
pub fn describe(window: &Window) -> String {
    let names: Vec<String> = (0..7_u8)
        .filter(|day| window.days & (1 << day) != 0)
        .filter_map(|day| Weekday::try_from(day).ok())
        .map(|day| day.to_string())
        .collect();
    let days = if window.days & EVERY_DAY == EVERY_DAY { String::new() } else { names.join(",") + " " };
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let zone = if window.zone.is_empty() { String::new() } else { format!(" {}", window.zone) };
    format!("{days}{}-{}{zone}", time(window.start), time(window.end))
}
