//! The one place that asks what time it is.
//!
//! In debug builds a test may say what time it is, and how fast it goes, so that a night passes in seconds:
//! `AUTODEV_TEST_CLOCK=2026-11-20T21:00:00Z` (the time when a process first asks), `... x3600` (an hour per second; 0 stands
//! still), `... @1763672400.25` (the real Unix time at which it was that time, so that all processes of a test agree).
//! A value that begins with `/` is a file with such a line; it is read at every look, so that a test can make the clock
//! jump. Release builds contain nothing of this.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, Local, SubsecRound, Utc};

use super::env;

/// Returns the current time in UTC, cut to microseconds so that it survives JSON unchanged.
pub fn now() -> DateTime<Utc> {
    test::clock().map_or_else(real, |clock| clock.at(real())).trunc_subsecs(6)
}

/// Returns the time by which the operating system stamps files, cut to microseconds. The same as [`now`] but for tests.
#[expect(clippy::disallowed_methods, reason = "the home of the clock")]
pub fn real() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Returns how long to sleep until so much time has passed by [`now`]: the same span, but for tests.
pub fn nap(span: Duration) -> Duration {
    test::clock().map_or(span, |clock| clock.nap(span))
}

/// Returns this machine's offset from UTC, now.
pub fn zone() -> FixedOffset {
    *now().with_timezone(&Local).offset()
}

/// Returns the name of this machine's time zone, for example `Europe/Berlin`: what `TZ` says, else what the system is
/// set to; `None` when the zone has no name. Whether the name is known anywhere is not looked at.
pub fn zone_name() -> Option<String> {
    let Some(name) = env::text("TZ") else {
        return match iana_time_zone::get_timezone() {
            Ok(name) => Some(name),
            // Without any setting the C library takes UTC.
            Err(_) => (!std::path::Path::new("/etc/localtime").exists()).then(|| "UTC".to_owned()),
        };
    };
    let name = name.strip_prefix(':').unwrap_or(&name);
    let name = name.rsplit_once("/zoneinfo/").map_or(name, |(_, name)| name);
    Some(if name.is_empty() { "UTC" } else { name }.to_owned())
}

/// Returns a time as people on this machine write it: `2026-11-20 12:29:10`.
pub fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(not(debug_assertions))]
mod test {
    pub(super) struct Clock;

    impl Clock {
        pub(super) fn at(&self, real: super::DateTime<super::Utc>) -> super::DateTime<super::Utc> {
            real
        }

        pub(super) fn nap(&self, span: super::Duration) -> super::Duration {
            span
        }
    }

    pub(super) fn clock() -> Option<Clock> {
        None
    }
}

/// The clock of a test.
#[cfg(debug_assertions)]
mod test {
    use std::sync::LazyLock;

    use chrono::TimeDelta;

    use super::{DateTime, Duration, Utc, env, real};

    #[derive(Clone, Debug, PartialEq)]
    pub(super) struct Clock {
        start: DateTime<Utc>,
        speed: f64,
        anchor: DateTime<Utc>,
    }

    impl Clock {
        /// Reads `START [xSPEED] [@UNIX_TIME]`.
        pub(super) fn read(text: &str, first_look: DateTime<Utc>) -> Option<Self> {
            let mut words = text.split_whitespace();
            let start = words.next()?.parse().ok()?;
            let mut clock = Self { start, speed: 1.0, anchor: first_look };
            for word in words {
                if let Some(speed) = word.strip_prefix('x') {
                    clock.speed = speed.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed >= 0.0)?;
                } else {
                    let seconds: f64 = word.strip_prefix('@')?.parse().ok()?;
                    clock.anchor = DateTime::from_timestamp_micros((seconds * 1e6) as i64)?;
                }
            }
            Some(clock)
        }

        pub(super) fn at(&self, real: DateTime<Utc>) -> DateTime<Utc> {
            let passed = (real - self.anchor).num_microseconds().unwrap_or_default() as f64 * self.speed;
            self.start.checked_add_signed(TimeDelta::microseconds(passed as i64)).unwrap_or(self.start)
        }

        pub(super) fn nap(&self, span: Duration) -> Duration {
            Duration::try_from_secs_f64(span.as_secs_f64() / self.speed).unwrap_or(Duration::MAX)
        }
    }

    pub(super) fn clock() -> Option<Clock> {
        static SETTING: LazyLock<Option<String>> = LazyLock::new(|| env::text("AUTODEV_TEST_CLOCK"));
        static FIRST_LOOK: LazyLock<DateTime<Utc>> = LazyLock::new(real);
        let setting = SETTING.as_ref()?;
        if setting.starts_with('/') {
            return Clock::read(&std::fs::read_to_string(setting).ok()?, *FIRST_LOOK);
        }
        Clock::read(setting, *FIRST_LOOK)
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn the_clock_of_a_test_starts_where_it_says_and_goes_as_fast_as_it_says() {
        let anchor = DateTime::from_timestamp(1_763_672_400, 250_000_000).unwrap();
        let start: DateTime<Utc> = "2026-11-20T21:00:00Z".parse().unwrap();
        let fast = test::Clock::read("2026-11-20T21:00:00Z x3600 @1763672400.25\n", real()).unwrap();
        assert_eq!(fast.at(anchor), start);
        assert_eq!(fast.at(anchor + TimeDelta::seconds(2)), start + TimeDelta::hours(2));
        assert_eq!(fast.nap(Duration::from_hours(1)), Duration::from_secs(1));
        let plain = test::Clock::read("2026-11-20T22:00:00+01:00", anchor).unwrap();
        assert_eq!(plain.at(anchor + TimeDelta::seconds(2)), start + TimeDelta::seconds(2));
        let still = test::Clock::read("2026-11-20T21:00:00Z x0", anchor).unwrap();
        assert_eq!((still.at(real()), still.nap(Duration::from_secs(1))), (start, Duration::MAX));
        for wrong in
            ["", "yesterday", "2026-11-20T21:00:00Z fast", "2026-11-20T21:00:00Z xNaN", "2026-11-20T21:00:00Z x-1"]
        {
            assert_eq!(test::Clock::read(wrong, anchor), None, "{wrong}");
        }
    }
}
