//! Reads out of an error text when the service will answer again.
//!
//! Only for texts that are already known to be about a limit. Times without a date are the next such time, times
//! without a zone are local; a zone that is neither UTC nor `Etc/GMT±n` is taken as local too, because the programs
//! print the zone of the machine they run on. Invariant: never further away than [`FARTHEST_DAYS`], never a panic.

use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, NaiveTime, TimeDelta, Utc};
use regex::{Captures, Regex};

/// Answers further away than this are taken for garbage: monthly windows are the longest that services sell.
pub const FARTHEST_DAYS: i64 = 32;

/// Returns the moment named by a text such as `usage limit reached|1795190000`, `resets 3pm (Europe/Berlin)`,
/// `try again in 1h 20m`, `try again at Nov 21st, 2026 3:05 PM`, `Retry-After: 30` or `"retryDelay":"36s"`.
/// It may lie in the past when the text is old. Returns `None` when nothing is named, or it is absurdly far.
pub fn until(text: &str, now: DateTime<FixedOffset>) -> Option<DateTime<Utc>> {
    // Texts are short; a megabyte of something else is not searched.
    let text = text.get(..text.floor_char_boundary(20_000))?;
    let found = epoch(text).or_else(|| delay(text, now)).or_else(|| moment(text, now))?;
    let farthest = now.to_utc().checked_add_signed(TimeDelta::days(FARTHEST_DAYS))?;
    (found <= farthest).then_some(found)
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the literal compiles, its test runs every one")
}

/// `...|1795190000`, `"resetsAt":1795190000`, `resets_at: 1795190000`; seconds or milliseconds.
static EPOCH: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)(?:\||resets?_?at["']?\s*[:=]\s*)(\d{10})(\d{3})?\b"#));

fn epoch(text: &str) -> Option<DateTime<Utc>> {
    let seconds: i64 = EPOCH.captures(text)?.get(1)?.as_str().parse().ok()?;
    DateTime::from_timestamp(seconds, 0)
}

/// What stands in front of a duration whose unit is written.
static IN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:try again|retry|retrying|reset|resets|available(?: again)?|wait)\s+(?:in |after )?(?:about )?")
});
/// What stands in front of a duration that is in seconds unless a unit is written.
static FIELD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"(?i)(?:retry[-_]after(?:[-_]seconds)?|retrydelay|resets?_in_seconds)["']?\s*[:=]\s*["']?"#)
});

fn delay(text: &str, now: DateTime<FixedOffset>) -> Option<DateTime<Utc>> {
    let after = |prefix: &Regex, unit: &str| {
        prefix.find_iter(text).find_map(|hit| duration(text.get(hit.end()..).unwrap_or_default(), unit))
    };
    let delay = after(&FIELD, "s").or_else(|| after(&IN, ""))?;
    now.to_utc().checked_add_signed(delay)
}

/// Reads `5 days 22 hours 11 minutes`, `1h20m`, `36.5s`, `499ms` or, with a default unit, `30`.
fn duration(text: &str, default_unit: &str) -> Option<TimeDelta> {
    let mut rest = text;
    let mut total_ms: Option<f64> = None;
    loop {
        rest = rest.trim_start_matches([' ', ',', '\n']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let Ok(number) = number.trim_end_matches('.').parse::<f64>() else { break };
        let tail = tail.trim_start_matches([' ', '\n']);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (word, tail) = tail.split_at(letters);
        let unit = if word.is_empty() { default_unit } else { word };
        let Some(unit_ms) = unit_ms(&unit.to_ascii_lowercase()) else { break };
        total_ms = Some(total_ms.unwrap_or(0.0) + number * unit_ms);
        rest = tail;
    }
    let ms = total_ms.filter(|ms| ms.is_finite() && *ms < 1e12)?;
    // Rounded up to whole seconds: a moment too early would only be refused again.
    Some(TimeDelta::seconds((ms / 1000.0).ceil() as i64))
}

fn unit_ms(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
        "m" | "min" | "mins" | "minute" | "minutes" => 60e3,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600e3,
        "d" | "day" | "days" => 86_400e3,
        _ => return None,
    })
}

/// `resets 3pm (Europe/Berlin)`, `reset at 15:30`, `resets Mon 9am`, `try again at Nov 21st, 2026 3:05 PM`.
static AT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(concat!(
        r"(?i)\b(?:resets?|try again|available(?: again)?)\s+(?:at |on )?",
        r"(?:(?P<weekday>mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+(?:at )?)?",
        r"(?:(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?",
        r"(?:,?\s+(?P<year>20\d\d))?,?\s+(?:at )?)?",
        r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>[ap]m)?\b(?:\s*\((?P<zone>[^)\s]{1,40})\))?",
    ))
});

fn moment(text: &str, now: DateTime<FixedOffset>) -> Option<DateTime<Utc>> {
    AT.captures_iter(text).find_map(|found| named_moment(&found, now))
}

fn named_moment(found: &Captures<'_>, now: DateTime<FixedOffset>) -> Option<DateTime<Utc>> {
    let part = |name: &str| found.name(name).map(|m| m.as_str().to_ascii_lowercase());
    let number = |name: &str| part(name).and_then(|text| text.parse::<u32>().ok());
    let half = part("half");
    if half.is_none() && part("minute").is_none() {
        return None; // "resets 5 times" names no time of day.
    }
    let hour = number("hour")?;
    let hour = match half.as_deref() {
        Some("am") if (1..=12).contains(&hour) => hour % 12,
        Some("pm") if (1..=12).contains(&hour) => hour % 12 + 12,
        Some(_) => return None,
        None => hour,
    };
    let time = NaiveTime::from_hms_opt(hour, number("minute").unwrap_or(0), 0)?;
    let offset = part("zone").and_then(|zone| fixed_zone(&zone)).unwrap_or(*now.offset());
    let now = now.with_timezone(&offset);
    let at = |date: NaiveDate| date.and_time(time).and_local_timezone(offset).single();
    let today = now.date_naive();

    let found = if let (Some(month), Some(day)) = (part("month").and_then(|m| month_number(&m)), number("day")) {
        let year = number("year").and_then(|y| i32::try_from(y).ok());
        let date = NaiveDate::from_ymd_opt(year.unwrap_or(today.year()), month, day)?;
        match at(date)? {
            // Without a year a day that is long over means the next year.
            past if year.is_none() && past + TimeDelta::days(1) < now => at(date.with_year(today.year() + 1)?)?,
            moment => moment,
        }
    } else {
        let weekday = part("weekday").and_then(|w| w.parse::<chrono::Weekday>().ok());
        (0..=7)
            .filter_map(|days| today.checked_add_days(Days::new(days)))
            .filter(|date| weekday.is_none_or(|wanted| date.weekday() == wanted))
            .filter_map(at)
            .find(|moment| *moment > now)?
    };
    Some(found.to_utc())
}

fn month_number(name: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    MONTHS.iter().position(|month| name.starts_with(month)).and_then(|n| u32::try_from(n + 1).ok())
}

/// Returns the offset of a zone that has only one. The sign of `Etc/GMT+5` is inverted: it lies west.
fn fixed_zone(name: &str) -> Option<FixedOffset> {
    if matches!(name, "utc" | "gmt" | "z" | "etc/utc" | "etc/gmt") {
        return FixedOffset::east_opt(0);
    }
    let hours: i32 = name.strip_prefix("etc/gmt")?.parse().ok()?;
    FixedOffset::west_opt(hours.checked_mul(3_600)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    /// A Friday, one hour east of Greenwich.
    fn now() -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-11-20T12:00:00+01:00").unwrap()
    }

    fn read(text: &str) -> Option<String> {
        until(text, now()).map(|at| at.format("%Y-%m-%dT%H:%M:%S").to_string())
    }

    #[test]
    fn every_wording_seen_in_the_wild_is_read() {
        let table = [
            ("Claude AI usage limit reached|1700000000", "2023-11-14T22:13:20"),
            ("Claude AI usage limit reached|1795190000000", "2026-11-20T15:53:20"),
            (r#"{"type":"usage_limit_reached","resets_at":1795190000,"resets_in_seconds":1}"#, "2026-11-20T15:53:20"),
            (r#"{"resets_in_seconds":13872}"#, "2026-11-20T14:51:12"),
            ("You've hit your session limit · resets 3pm (Europe/Berlin)", "2026-11-20T14:00:00"),
            ("5-hour limit reached ∙ resets 11:30am", "2026-11-21T10:30:00"),
            ("Your limit will reset at 1pm (Etc/GMT+5).", "2026-11-20T18:00:00"),
            ("limit reached, resets 3pm (UTC)", "2026-11-20T15:00:00"),
            ("Weekly limit reached ∙ resets Mon 9am", "2026-11-23T08:00:00"),
            ("Weekly limit reached ∙ resets Nov 24 at 9am (Europe/Berlin)", "2026-11-24T08:00:00"),
            ("resets Dec 1, 12am", "2026-11-30T23:00:00"),
            ("or try again at Nov 21st, 2026 3:05 PM.", "2026-11-21T14:05:00"),
            ("try again at Nov 21, 2026, 7:38 AM", "2026-11-21T06:38:00"),
            ("try again at 15:30", "2026-11-20T14:30:00"),
            ("try again in 5 days 22 hours 11\nminutes.", "2026-11-26T09:11:00"),
            ("Rate limit reached for requests. Please try again in 20s.", "2026-11-20T11:00:20"),
            ("Please try again in 1m30.5s", "2026-11-20T11:01:31"),
            ("Please try again in 499ms", "2026-11-20T11:00:01"),
            ("Please retry in 36.5s", "2026-11-20T11:00:37"),
            ("Suggested retry after 1s.. Retrying after 5336ms...", "2026-11-20T11:00:01"),
            ("Retry-After: 30", "2026-11-20T11:00:30"),
            (r#"headers: {"retry-after":"7"}"#, "2026-11-20T11:00:07"),
            (r#"{"@type":"RetryInfo","retryDelay":"36s"}"#, "2026-11-20T11:00:36"),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn text_that_names_no_time_or_an_absurd_one_gives_none() {
        for text in [
            "",
            "rate limit exceeded",
            "resets 5 times",
            "try again later",
            "try again in a moment",
            "resets 25pm",
            "resets 99:99",
            "reset at 13pm",
            "limit|17000000001234567890",
            "limit|9999999999",
            "try again in 40 days",
            "try again in 999999999999999999999999 days",
            "try again in 1.2.3s",
            "try again at Feb 31, 2026 3:05 PM",
            "try again in 3 fortnights",
            "resets 3pm (Etc/GMT+99) no such zone but local",
        ] {
            let expected = text.contains("no such zone").then(|| "2026-11-20T14:00:00".to_owned());
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_megabyte_of_digits_is_no_problem() {
        assert_eq!(read(&format!("try again in {}", "9".repeat(1 << 20))), None);
        assert_eq!(read(&"ä".repeat(1 << 20)), None);
    }
}
