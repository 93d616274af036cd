use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;
use crate::model::{Fires, Recurrence, Window};

/// One shift of an hour on either side of the ocean, one of half an hour, one at midnight, and none.
const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu", "UTC"];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn windows(texts: &[&str]) -> Vec<Window> {
    texts.iter().map(|text| window(text).unwrap()).collect()
}

fn open(until: &str) -> Standing {
    Standing::Open { until: Some(at(until)) }
}

fn closed(until: &str) -> Standing {
    Standing::Closed { until: at(until) }
}

#[test]
fn a_window_is_read_and_told_in_one_form() {
    for (text, told) in [
        ("22:00-07:00", "22:00-07:00"),
        (" Sat,Sun   00:00-24:00 ", "Sat,Sun 00:00-24:00"),
        ("Sat, Sun 0:00-00:00", ""),
        ("mon-friday 9:30-00:00 UTC", "Mon,Tue,Wed,Thu,Fri 09:30-24:00 UTC"),
        ("Fri-Mon 22:00-07:00 Europe/Berlin", "Mon,Fri,Sat,Sun 22:00-07:00 Europe/Berlin"),
        ("Mon-Sun 01:00-02:00", "01:00-02:00"),
    ] {
        assert_eq!(window(text).map(|window| describe(&window)).unwrap_or_default(), told, "{text}");
    }
    for (text, why) in [
        ("", "expected"),
        ("22:00", "expected"),
        ("22-07", "expected"),
        ("22:00-25:00", "\"25:00\" is no time"),
        ("22:0-23:00", "\"22:0\" is no time"),
        ("22:60-23:00", "\"22:60\" is no time"),
        ("-1:00-23:00", "is no time"),
        ("24:00-01:00", "no length"),
        ("08:00-08:00", "no length"),
        ("Mo 08:00-09:00", "unknown day \"Mo\""),
        ("Mon- 08:00-09:00", "unknown day"),
        ("08:00-09:00 Europe/Berln", "unknown time zone \"Europe/Berln\""),
        ("08:00-09:00 Europe/Berlin Mon", "expected"),
        ("08:00 - 09:00", "expected"),
    ] {
        let error = window(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
    // 2026-11-20 is a Friday.
    let nights = windows(&["Mon-Fri 22:00-07:00 Europe/Berlin"]);
    assert_eq!(standing(&nights, at("2026-11-20T20:59:59Z")), closed("2026-11-20T21:00:00Z"));
    assert_eq!(standing(&nights, at("2026-11-20T21:00:00Z")), open("2026-11-21T06:00:00Z"));
    assert_eq!(standing(&nights, at("2026-11-21T05:59:59Z")), open("2026-11-21T06:00:00Z"));
    assert_eq!(standing(&nights, at("2026-11-21T06:00:00Z")), closed("2026-11-23T21:00:00Z"));
}

#[test]
fn windows_that_touch_are_one_and_no_window_is_always() {
    let now = at("2026-11-20T12:00:00Z");
    let week = windows(&["22:00-07:00 UTC", "Sat,Sun 00:00-24:00 UTC"]);
    assert_eq!(standing(&week, now), closed("2026-11-20T22:00:00Z"));
    assert_eq!(standing(&week, at("2026-11-20T23:00:00Z")), open("2026-11-23T07:00:00Z"));
    assert_eq!(standing(&[], now), Standing::Open { until: None });
    assert_eq!(standing(&windows(&["00:00-24:00 Europe/Berlin"]), now), Standing::Open { until: None });
    assert_eq!(standing(&windows(&["00:00-12:00 UTC", "12:00-24:00 UTC"]), now), Standing::Open { until: None });
}

#[test]
fn a_night_with_a_change_of_the_clock_is_an_hour_shorter_or_longer() {
    let nights = windows(&["22:00-07:00 Europe/Berlin"]);
    assert_eq!(standing(&nights, at("2026-03-28T21:00:00Z")), open("2026-03-29T05:00:00Z"));
    assert_eq!(standing(&nights, at("2026-10-24T20:00:00Z")), open("2026-10-25T06:00:00Z"));
}

#[test]
fn an_edge_in_a_gap_is_the_end_of_the_gap() {
    // Berlin, 2026-03-29: 02:00 is 03:00, at 01:00 UTC. New York, 2026-03-08: at 07:00 UTC.
    let starts = windows(&["02:30-05:00 Europe/Berlin"]);
    assert_eq!(standing(&starts, at("2026-03-29T00:30:00Z")), closed("2026-03-29T01:00:00Z"));
    assert_eq!(standing(&starts, at("2026-03-29T01:00:00Z")), open("2026-03-29T03:00:00Z"));
    let ends = windows(&["00:00-02:30 America/New_York"]);
    assert_eq!(standing(&ends, at("2026-03-08T06:00:00Z")), open("2026-03-08T07:00:00Z"));
    // A window that has no time at all does not open; Sunday's is a week away.
    let within = windows(&["Sun 02:10-02:50 Europe/Berlin"]);
    assert_eq!(standing(&within, at("2026-03-29T00:00:00Z")), closed("2026-04-05T00:10:00Z"));
    // Half an hour: Lord Howe, 2026-10-04, 02:00 is 02:30, at 15:30 UTC of the day before.
    let howe = windows(&["02:15-04:00 Australia/Lord_Howe"]);
    assert_eq!(standing(&howe, at("2026-10-03T15:00:00Z")), closed("2026-10-03T15:30:00Z"));
    assert_eq!(standing(&howe, at("2026-10-03T15:30:00Z")), open("2026-10-03T17:00:00Z"));
    // At midnight: Cairo, 2026-04-24, 00:00 is 01:00, at 22:00 UTC of the day before.
    let cairo = windows(&["Fri 00:00-02:00 Africa/Cairo"]);
    assert_eq!(standing(&cairo, at("2026-04-23T21:59:59Z")), closed("2026-04-23T22:00:00Z"));
    assert_eq!(standing(&cairo, at("2026-04-23T22:00:00Z")), open("2026-04-23T23:00:00Z"));
    // A whole day: Apia had no 2011-12-30.
    let apia = windows(&["Fri 08:00-20:00 Pacific/Apia"]);
    assert_eq!(standing(&apia, at("2011-12-30T05:00:00Z")), closed("2012-01-05T18:00:00Z"));
}

#[test]
fn an_edge_that_comes_twice_opens_at_the_first_and_closes_at_the_last() {
    // Berlin, 2026-10-25: 03:00 is 02:00 again, at 01:00 UTC.
    let berlin = windows(&["02:30-04:00 Europe/Berlin"]);
    assert_eq!(standing(&berlin, at("2026-10-25T00:29:59Z")), closed("2026-10-25T00:30:00Z"));
    assert_eq!(standing(&berlin, at("2026-10-25T01:10:00Z")), open("2026-10-25T03:00:00Z"));
    let ends = windows(&["01:00-02:30 Europe/Berlin"]);
    assert_eq!(standing(&ends, at("2026-10-25T00:40:00Z")), open("2026-10-25T01:30:00Z"));
    // The clock is put back to 02:00: before that never comes again.
    let exact = windows(&["01:00-02:00 Europe/Berlin"]);
    assert_eq!(standing(&exact, at("2026-10-24T23:30:00Z")), open("2026-10-25T00:00:00Z"));
    // Lord Howe, 2026-04-05: 02:00 is 01:30 again, at 15:00 UTC of the day before.
    let howe = windows(&["01:45-03:00 Australia/Lord_Howe"]);
    assert_eq!(standing(&howe, at("2026-04-04T14:44:59Z")), closed("2026-04-04T14:45:00Z"));
    assert_eq!(standing(&howe, at("2026-04-04T15:05:00Z")), open("2026-04-04T16:30:00Z"));
    let howe = windows(&["00:30-01:45 Australia/Lord_Howe"]);
    assert_eq!(standing(&howe, at("2026-04-04T14:50:00Z")), open("2026-04-04T15:15:00Z"));
}

#[test]
fn a_name_of_a_zone_that_is_no_longer_known_is_utc() {
    let lost = Window { zone: "Europe/Atlantis".into(), ..window("22:00-23:00").unwrap() };
    assert_eq!(standing(&[lost], at("2026-11-20T22:30:00Z")), open("2026-11-20T23:00:00Z"));
}

fn some_window() -> impl Strategy<Value = Window> {
    (1u8..128, 0u16..1440, 1u16..=1440, 0..ZONES.len()).prop_filter_map("has a length", |(days, start, end, zone)| {
        (start != end).then(|| Window { days, start, end, zone: ZONES[zone].to_owned() })
    })
}

/// Moments from 2000 to 2060, half of them within two days of a change of the clock in one of the zones.
fn some_moment() -> impl Strategy<Value = DateTime<Utc>> {
    let any = 946_684_800_i64..2_840_000_000;
    let changes = [
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-03-08T07:00:00Z",
        "2026-11-01T06:00:00Z",
        "2026-10-03T15:30:00Z",
        "2026-04-04T15:00:00Z",
        "2026-04-23T22:00:00Z",
        "2026-10-29T21:00:00Z",
    ];
    let near = (0..changes.len(), -172_800_i64..172_800)
        .prop_map(move |(at_change, by)| at(changes[at_change]).timestamp() + by);
    prop_oneof![any, near].prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

/// Whether the clock on the wall shows a time of the window, whatever happens to the clock.
fn shows(window: &Window, now: DateTime<Utc>) -> bool {
    let local = now.with_timezone(&window.zone.parse::<Tz>().unwrap());
    let minutes = local.hour() * 60 + local.minute();
    let (start, end) = (u32::from(window.start), u32::from(window.end));
    let opens = |back: u32| window.days & (1 << ((local.weekday().num_days_from_monday() + 7 - back) % 7)) != 0;
    if end > start {
        opens(0) && (start..end).contains(&minutes)
    } else {
        (opens(0) && minutes >= start) || (opens(1) && minutes < end)
    }
}

proptest! {
    #[test]
    fn a_window_is_open_whenever_the_clock_shows_its_time(
        windows in proptest::collection::vec(some_window(), 1..4),
        now in some_moment(),
    ) {
        if windows.iter().any(|window| shows(window, now)) {
            let is_open = matches!(standing(&windows, now), Standing::Open { .. });
            prop_assert!(is_open, "{:?} at {now}", windows.iter().map(describe).collect::<Vec<_>>());
        }
    }

    #[test]
    fn it_is_open_longer_than_the_clock_shows_only_where_the_clock_is_put_back(window in some_window(), now in some_moment()) {
        let is_open = matches!(standing(std::slice::from_ref(&window), now), Standing::Open { .. });
        if is_open && !shows(&window, now) {
            let zone: Tz = window.zone.parse().unwrap();
            let offset = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local() - at.naive_utc();
            // At most an hour before or after the change.
            prop_assert!(offset(now + TimeDelta::hours(1)) < offset(now - TimeDelta::hours(1)), "{} at {now}", describe(&window));
        }
    }

    #[test]
    fn the_next_change_is_in_the_future_and_is_one(windows in proptest::collection::vec(some_window(), 1..4), now in some_moment()) {
        let second = TimeDelta::seconds(1);
        let is_open = |at| matches!(standing(&windows, at), Standing::Open { .. });
        match standing(&windows, now) {
            Standing::Open { until: None } => {}
            Standing::Open { until: Some(until) } => {
                prop_assert!(until > now && !is_open(until) && is_open(until - second));
            }
            Standing::Closed { until } => prop_assert!(until > now && is_open(until) && !is_open(until - second)),
        }
    }

    #[test]
    fn no_text_is_too_odd_to_be_read(text in "\\PC*", zone in "\\PC{0,20}") {
        let _ = window(&text);
        let _ = window(&format!("Mon-Fri 22:00-07:00 {zone}"));
        let _ = recurrence(&text, "plan.md").map(|entry| next(&entry, DateTime::UNIX_EPOCH));
        let _ = span(&text);
        let _ = moment(Wish::Until(&text), at("2026-11-20T12:00:00Z"), Some(Tz::UTC));
    }

    #[test]
    fn fields_of_any_form_are_read_or_refused(text in "[0-9*,/#LW-]{1,6} [0-9*,/-]{1,6} [0-9*,/LW-]{1,4} [0-9*,/-]{1,4} [0-9*,/#L-]{1,4}") {
        let _ = recurrence(&text, "plan.md");
    }

    #[test]
    fn a_window_that_is_told_is_read_back(window in some_window()) {
        prop_assert_eq!(super::window(&describe(&window)), Ok(window));
    }

    #[test]
    fn the_time_that_is_due_is_the_last_that_came(entry in some_entry(), now in some_moment(), back in 1_i64..200_000) {
        let entry = recurrence(entry, "plan.md").unwrap();
        let fires = Fires { since: now - TimeDelta::seconds(back), under_way: None };
        let mut last = None;
        let mut at = fires.since;
        while let Some(next) = next(&entry, at).filter(|next| *next <= now) {
            prop_assert!(next > at);
            (at, last) = (next, Some(next));
        }
        prop_assert_eq!(due(&entry, &fires, now, TimeDelta::days(30)), last);
    }
}

fn some_entry() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "*/20 * * * * Europe/Berlin",
        "30 2 * * * Europe/Berlin",
        "30 2 * * 0 America/New_York",
        "0 0 * * * Africa/Cairo",
        "45 1 * * 1-5 Australia/Lord_Howe",
        "15 2 * * 0,6 Australia/Lord_Howe",
        "0 */3 * * * America/New_York",
        "0 3 1,15 * 5 UTC",
        "@daily Asia/Kathmandu",
    ])
}

fn fires(entry: &Recurrence, after: &str, count: usize) -> Vec<String> {
    let times = std::iter::successors(Some(at(after)), |after| next(entry, *after)).skip(1).take(count);
    times.map(|at| at.format("%m-%dT%H:%M").to_string()).collect()
}

#[test]
fn a_plan_comes_at_its_times_also_when_the_clock_changes() {
    let entry = |text| recurrence(text, "plan.md").unwrap();
    // A time of day that is left out comes right after the gap, one that comes twice counts once.
    let berlin = entry("30 2 * * * Europe/Berlin");
    assert_eq!(fires(&berlin, "2026-03-28T00:00:00Z", 3), ["03-28T01:30", "03-29T01:00", "03-30T00:30"]);
    assert_eq!(fires(&berlin, "2026-10-24T00:00:00Z", 3), ["10-24T00:30", "10-25T00:30", "10-26T01:30"]);
    let howe = entry("15 2 * * * Australia/Lord_Howe");
    assert_eq!(fires(&howe, "2026-10-03T00:00:00Z", 2), ["10-03T15:30", "10-04T15:15"]);
    let cairo = entry("0 0 * * * Africa/Cairo");
    assert_eq!(fires(&cairo, "2026-04-22T23:00:00Z", 2), ["04-23T22:00", "04-24T21:00"]);
    // What goes by the clock goes on.
    let steps = entry("*/30 * * * * Europe/Berlin");
    assert_eq!(fires(&steps, "2026-10-25T00:15:00Z", 4), ["10-25T00:30", "10-25T01:00", "10-25T01:30", "10-25T02:00"]);
}

#[test]
fn an_entry_is_read_or_refused_with_what_is_wrong() {
    let name = |text: &str| recurrence(text, "ai-docs/x.md").map(|entry| entry.name());
    assert_eq!(name(" 0  3 * * 1-5 Europe/Berlin").unwrap(), "0 3 * * 1-5 Europe/Berlin: ai-docs/x.md");
    assert_eq!(name("@daily").unwrap(), "@daily: ai-docs/x.md");
    assert_eq!(name("0 3 * * MON-FRI").unwrap(), "0 3 * * MON-FRI: ai-docs/x.md");
    for (text, why) in [
        ("", "expected"),
        ("0 3 * *", "expected"),
        ("0 0 3 * * 1", "unknown time zone \"1\""),
        ("0 3 * * 1 Europe/Berlin x", "expected"),
        ("@reboot", "expected"),
        ("61 3 * * 1", "61 3 * * 1"),
        ("0 0 30 2 *", "never comes"),
        ("0 3 * * ä", "expected"),
        ("0 3 * * 1 Mars/Olympus", "unknown time zone"),
    ] {
        let error = name(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn what_was_missed_is_made_up_for_once_and_not_for_ever() {
    let nightly = recurrence("0 3 * * * UTC", "plan.md").unwrap();
    let since = |since| Fires { since: at(since), under_way: None };
    let day = TimeDelta::days(1);
    let seen = since("2026-11-17T03:00:00Z");
    assert_eq!(
        due(&nightly, &seen, at("2026-11-20T02:59:00Z"), day),
        Some(at("2026-11-19T03:00:00Z")),
        "three missed, one comes"
    );
    assert_eq!(due(&nightly, &seen, at("2026-11-20T03:00:00Z"), day), Some(at("2026-11-20T03:00:00Z")));
    assert_eq!(due(&nightly, &seen, at("2026-11-20T02:59:00Z"), TimeDelta::hours(12)), None, "too old");
    assert_eq!(due(&nightly, &seen, at("2026-11-20T03:00:59Z"), TimeDelta::zero()), Some(at("2026-11-20T03:00:00Z")));
    assert_eq!(due(&nightly, &seen, at("2026-11-20T03:01:01Z"), TimeDelta::zero()), None, "not on time");
    // Settled, whether the clock goes on or is put back.
    let settled = since("2026-11-20T03:00:00Z");
    for now in ["2026-11-20T03:00:00Z", "2026-11-20T23:00:00Z", "2026-11-20T02:00:00Z", "2026-11-19T03:30:00Z"] {
        assert_eq!(due(&nightly, &settled, at(now), day), None, "{now}");
    }
}

#[test]
fn people_say_until_when_in_their_own_words() {
    let now = at("2026-11-20T12:00:00Z");
    let berlin = Some(Tz::Europe__Berlin);
    for (text, want) in [
        ("14:30", "2026-11-20T13:30:00Z"),
        ("13:00", "2026-11-21T12:00:00Z"),
        ("7:05", "2026-11-21T06:05:00Z"),
        ("2026-12-01", "2026-11-30T23:00:00Z"),
        ("2026-12-01 08:00", "2026-12-01T07:00:00Z"),
        ("2026-12-01T08:00:30", "2026-12-01T07:00:30Z"),
        ("2026-12-01T08:00:00-05:00", "2026-12-01T13:00:00Z"),
    ] {
        assert_eq!(moment(Wish::Until(text), now, berlin), Ok(at(want)), "{text}");
    }
    assert!(moment(Wish::Until("14:30"), now, None).unwrap_err().contains("no known name"));
    assert_eq!(moment(Wish::Until("2026-12-01T08:00:00-05:00"), now, None), Ok(at("2026-12-01T13:00:00Z")));
    for wrong in ["", "soon", "25:00", "2026-13-01", "2026-11-20T12:00:00Z", "2025-01-01", "-1-01-01", "99999-01-01"] {
        assert!(moment(Wish::Until(wrong), now, berlin).is_err(), "{wrong}");
    }
    for (text, seconds) in [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1d", 86_400), (" 1h30m ", 5_400), ("0d5s", 5)]
    {
        assert_eq!(span(text), Ok(TimeDelta::seconds(seconds)), "{text}");
        assert_eq!(moment(Wish::For(text), now, berlin), Ok(now + TimeDelta::seconds(seconds)), "{text}");
    }
    for wrong in ["", "5", "h", "0s", "1w", "1.5h", "-5m", "5 m", "99999999999999999999s", "9999999d"] {
        assert!(span(wrong).is_err(), "{wrong}");
    }
}
