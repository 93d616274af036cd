//! How long to wait when a model service refuses.

use chrono::{DateTime, TimeDelta, Utc};

use crate::model::Limit;

/// Longest wait for a reset that the service itself named: a weekly window and a day.
const LONGEST_STATED: TimeDelta = TimeDelta::days(8);
/// Longest time without a named reset before a person is asked.
const LONGEST_UNSTATED: TimeDelta = TimeDelta::hours(24);
/// A named reset is waited for a little longer, as clocks differ.
const SLACK: TimeDelta = TimeDelta::seconds(2);

/// What to do about a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Try again at this time; whether the service named it.
    Until(DateTime<Utc>, bool),
    /// It has gone on for too long: a person must look.
    GiveUp(String),
}

/// Decides how long to wait after refusal number `count` (from 0) in a row, the first of which came at `since`.
///
/// A time named by the service is believed when it is in the future and at most 8 days away. Otherwise the configured
/// cooldown grows by half each time up to eightfold, spread by up to a tenth with `spread` (0 to 99) so that several
/// runners on one account do not knock together.
pub fn wait(limit: &Limit, count: u32, since: DateTime<Utc>, now: DateTime<Utc>, cooldown: u64, spread: u64) -> Wait {
    if let Some(until) = limit.until
        && until > now
    {
        if until - now > LONGEST_STATED {
            return Wait::GiveUp(format!("the backend's limit resets only at {until}: {}", limit.reason));
        }
        return Wait::Until(until + SLACK, true);
    }
    if now - since > LONGEST_UNSTATED {
        return Wait::GiveUp(format!("the backend has refused for 24 hours: {}", limit.reason));
    }
    // At least a second, so that a cooldown of 0 is no busy loop; whole milliseconds, saturating.
    let base = cooldown.clamp(1, 86_400).saturating_mul(1000);
    let grown = (0..count.min(6)).fold(base, |ms, _| ms + ms / 2).min(base.saturating_mul(8));
    let spread_ms = grown / 1000 * spread.min(99);
    Wait::Until(now + TimeDelta::milliseconds((grown + spread_ms) as i64), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn limit(until: Option<DateTime<Utc>>) -> Limit {
        Limit { code: 1, reason: "429".into(), until }
    }

    #[test]
    fn a_named_reset_is_waited_for_exactly() {
        assert_eq!(wait(&limit(Some(at(100))), 5, at(0), at(0), 300, 7), Wait::Until(at(102), true));
    }

    #[test]
    fn a_reset_in_the_past_is_no_reset() {
        assert_eq!(wait(&limit(Some(at(-5))), 0, at(0), at(0), 300, 0), Wait::Until(at(300), false));
    }

    #[test]
    fn the_cooldown_grows_to_eightfold_and_never_to_zero() {
        let seconds = |count, cooldown| match wait(&limit(None), count, at(0), at(0), cooldown, 0) {
            Wait::Until(until, false) => (until - at(0)).num_milliseconds(),
            other => panic!("{other:?}"),
        };
        assert_eq!(seconds(0, 300), 300_000);
        assert_eq!(seconds(1, 300), 450_000);
        assert_eq!(seconds(60, 300), 2_400_000);
        assert_eq!(seconds(0, 0), 1000);
        assert_eq!(seconds(u32::MAX, u64::MAX), 8 * 86_400_000);
    }

    #[test]
    fn a_day_of_refusals_asks_a_person() {
        assert!(matches!(wait(&limit(None), 90, at(0), at(86_401), 300, 0), Wait::GiveUp(_)));
        assert!(matches!(wait(&limit(Some(at(9 * 86_400))), 0, at(0), at(0), 300, 0), Wait::GiveUp(_)));
    }
}
