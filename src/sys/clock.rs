//! The one place that asks what time it is.

use chrono::{DateTime, FixedOffset, Local, SubsecRound, Utc};

/// Returns the current time in UTC, cut to microseconds so that it survives JSON unchanged.
#[expect(clippy::disallowed_methods, reason = "the home of the clock")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Returns this machine's offset from UTC, now.
#[expect(clippy::disallowed_methods, reason = "the home of the clock")]
pub fn zone() -> FixedOffset {
    *Local::now().offset()
}

/// Returns a time as people on this machine write it: `2026-11-20 12:29:10`.
pub fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}
