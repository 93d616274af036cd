//! When runs may work and which plans are due: pure functions of a time in UTC and the zone tables, which are data.
//!
//! `window` knows when agents may be started, `cron` when a plan comes, `moment` reads the times that people give to
//! `autodev pause`. What clock changes mean is decided here once: a time of day that does not exist is the moment after
//! the gap, a time of day that comes twice is the first, or, for an end, the last. Invariant: for every time and zone there
//! is an answer, and the next change it names lies in the future.

mod cron;
mod moment;
mod window;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

pub use cron::{STALE, due, next, recurrence};
pub use moment::{Wish, moment, span};
pub use window::{Standing, describe, standing, window};

/// Returns a zone by its name in the IANA database.
///
/// # Errors
/// When there is none, with what to write instead.
pub fn zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| format!("unknown time zone {name:?}; names are like \"Europe/Berlin\" or \"UTC\""))
}

/// The zone of something that was checked when it was read. A name that is no longer known (another version wrote the
/// journal) is taken as UTC: an hour that is a little wrong is better than a journal that cannot be read.
fn known_zone(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

/// The first moment at which a clock shows this time or a later one.
fn first(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => at.to_utc(),
        MappedLocalTime::None => after_gap(zone, local),
    }
}

/// The moment from which on a clock never again shows an earlier time than this.
fn last(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(at) => at.to_utc(),
        MappedLocalTime::Ambiguous(at, again) => {
            let before = shown(zone, again.to_utc() - TimeDelta::seconds(1));
            // When the clock is put back to just this time, nothing earlier comes again.
            if before < local { again.to_utc() } else { at.to_utc() }
        }
        MappedLocalTime::None => after_gap(zone, local),
    }
}

/// What a clock shows.
fn shown(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// The end of the gap that a time lies in. Offsets are below 16 hours, so that it is not further away.
fn after_gap(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let from = local.and_utc() - TimeDelta::hours(16);
    // In seconds: changes of the clock happen at whole ones. Before `low` it is not yet, at `high` it is.
    let (mut low, mut high) = (0, 32 * 3600);
    while high - low > 1 {
        let middle = i64::midpoint(low, high);
        if shown(zone, from + TimeDelta::seconds(middle)) >= local {
            high = middle;
        } else {
            low = middle;
        }
    }
    from + TimeDelta::seconds(high)
}

#[cfg(test)]
mod tests;
