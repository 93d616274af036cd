//! Plans that come again and again. The fields and what changes of the clock mean to them are croner's, which follows
//! Vixie cron: a fixed time that is left out comes right after the gap, one that comes twice counts once, and `*` and
//! steps go by what the clock shows.

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::{known_zone, zone};
use crate::model::{Fires, Recurrence};

const FORM: &str = "expected \"MINUTE HOUR DAY MONTH WEEKDAY [ZONE]\", for example \"0 3 * * 1-5 Europe/Berlin\"";
const NICKNAMES: [&str; 6] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"];
/// Longer than anything that makes sense: 60 minutes, listed one by one, take 170 characters.
const LONGEST: usize = 500;
/// A clock that was set back by more than this has been wrong before; an entry that was settled then begins anew. More
/// than a day, so that neither a zone nor a change of the clock is taken for it.
pub const STALE: TimeDelta = TimeDelta::hours(25);
/// A time is met when somebody looks within this.
const PUNCTUAL: TimeDelta = TimeDelta::minutes(1);

/// Reads the time of an entry: the five fields of a cron line or a nickname such as `@daily`, and perhaps a zone.
///
/// # Errors
/// When it is none, with what is wrong.
pub fn recurrence(at: &str, plan: &str) -> Result<Recurrence, String> {
    let words: Vec<&str> = at.split_whitespace().collect();
    let count = if at.trim_start().starts_with('@') { 1 } else { 5 };
    let (fields, rest) = words.split_at_checked(count).ok_or(FORM)?;
    let zone_name = match rest {
        [] => "",
        [name] => *name,
        _ => return Err(FORM.to_owned()),
    };
    if !zone_name.is_empty() {
        zone(zone_name)?;
    }
    let fields = fields.join(" ");
    parse(&fields)?;
    let entry = Recurrence { fields, zone: zone_name.to_owned(), plan: plan.to_owned() };
    // Any time will do: what comes at all comes within some years of it.
    if next(&entry, DateTime::UNIX_EPOCH).is_none() {
        return Err(format!("{:?} never comes", entry.fields));
    }
    Ok(entry)
}

fn parse(fields: &str) -> Result<Cron, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " *,-/#".contains(c);
    let is_nickname = NICKNAMES.contains(&fields.to_ascii_lowercase().as_str());
    if fields.len() > LONGEST || !(is_nickname || fields.chars().all(is_plain)) {
        return Err(FORM.to_owned());
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(fields).map_err(|error| format!("{fields:?}: {error} {FORM}"))
}

/// Returns when an entry comes next after a time; `None` when it never comes (30 February).
pub fn next(entry: &Recurrence, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let cron = parse(&entry.fields).ok()?;
    let after = after.with_timezone(&known_zone(&entry.zone));
    Some(cron.find_next_occurrence(&after, false).ok()?.to_utc())
}

/// Returns the time of an entry that is to be served now: the last that has come since those that are settled. Earlier
/// ones are not made up for, and none that is older than `catch_up` (but a minute is always on time).
pub fn due(entry: &Recurrence, fires: &Fires, now: DateTime<Utc>, catch_up: TimeDelta) -> Option<DateTime<Utc>> {
    let oldest = now.checked_sub_signed(catch_up.max(PUNCTUAL)).unwrap_or(DateTime::UNIX_EPOCH);
    let cron = parse(&entry.fields).ok()?;
    let here = now.with_timezone(&known_zone(&entry.zone));
    let last = cron.find_previous_occurrence(&here, true).ok()?.to_utc();
    (last > fires.since && last >= oldest && last <= now).then_some(last)
}
