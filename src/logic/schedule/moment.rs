//! Times and spans as people type them: `until 07:30`, `for 2h30m`.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{first, shown};

/// Until when a person wants to pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish<'a> {
    /// Until a time.
    Until(&'a str),
    /// For a span.
    For(&'a str),
}

/// Returns the moment that somebody means. A time of day without a date is the next one. `zone` is the reader's; without
/// one, times need an offset of their own.
///
/// # Errors
/// When it is no time, or one that has passed, with what to write.
pub fn moment(wish: Wish<'_>, now: DateTime<Utc>, zone: Option<Tz>) -> Result<DateTime<Utc>, String> {
    let at = match wish {
        Wish::For(text) => now.checked_add_signed(span(text)?).ok_or_else(|| format!("{text:?} is too long"))?,
        Wish::Until(text) => match (DateTime::parse_from_rfc3339(text.trim()), zone) {
            (Ok(at), _) => at.to_utc(),
            (Err(_), None) => {
                return Err(
                    "the time zone of this machine has no known name; write 2026-11-20T07:30:00+01:00".to_owned()
                );
            }
            (Err(_), Some(zone)) => until(text.trim(), now, zone).ok_or_else(|| {
                format!("{text:?} is no time; write 07:30, \"2026-11-20 07:30\" or 2026-11-20T07:30:00+01:00")
            })?,
        },
    };
    if at <= now { Err("this time has passed already".to_owned()) } else { Ok(at) }
}

fn until(text: &str, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    let time = |text: &str| ["%H:%M", "%H:%M:%S"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok());
    if let Some(time) = time(text) {
        let today = shown(zone, now).date();
        let at = first(zone, today.and_time(time));
        return if at > now { Some(at) } else { Some(first(zone, (today + Days::new(1)).and_time(time))) };
    }
    let (date, rest) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().filter(|date| is_near(*date))?;
    Some(first(zone, NaiveDateTime::new(date, time(rest)?)))
}

/// Whether calculations with a date cannot leave the calendar.
fn is_near(date: NaiveDate) -> bool {
    use chrono::Datelike as _;
    (1..=9999).contains(&date.year())
}

/// Reads a span: whole numbers with `d`, `h`, `m` or `s`, as `2h30m`.
///
/// # Errors
/// When it is none, or no time at all, or longer than a century.
pub fn span(text: &str) -> Result<TimeDelta, String> {
    let wrong = || format!("{text:?} is no span of time; write 90s, 30m, 2h, 1d or 1h30m");
    let mut seconds: u64 = 0;
    let mut number = String::new();
    for c in text.trim().chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let count: u64 = std::mem::take(&mut number).parse().map_err(|_| wrong())?;
        seconds = count.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
    }
    // A century is as good as for ever.
    if !number.is_empty() || seconds == 0 || seconds > 3_153_600_000 {
        return Err(wrong());
    }
    Ok(TimeDelta::seconds(seconds as i64))
}
