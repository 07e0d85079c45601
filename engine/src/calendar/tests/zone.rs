//! Zones: against `jiff`'s own zoned arithmetic, on the days on which clocks change.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::{Strategy, prop_assert_eq, prop_oneof, proptest};

use super::day;
use crate::calendar::{Day, Zone};

const ZONES: [&str; 12] = [
    "UTC",
    "Etc/GMT-14",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Africa/Casablanca",
    "America/St_Johns",
    "America/Havana",
    "America/Toronto",
];
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

fn zone(name: &str) -> Zone {
    Zone::get(name).unwrap()
}

fn rules(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn micros(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

/// What a clock on the wall shows, by `jiff`.
fn shown(rules: &TimeZone, micros: i64) -> DateTime {
    rules.to_datetime(Timestamp::from_microsecond(micros).unwrap())
}

fn shown_day(rules: &TimeZone, micros: i64) -> Day {
    day(&shown(rules, micros).date().to_string())
}

/// The first second at which a clock shows `day` or later, by looking at it: first every quarter
/// of an hour, then every second.
fn slow_start(rules: &TimeZone, day: Day) -> i64 {
    let midnight = i64::from(day.number()) * DAY;
    let reached = |micros: &i64| shown_day(rules, *micros) >= day;
    let steps =
        |from: i64, to: i64, step: i64| (0..=(to - from) / step).map(move |i| from + i * step);
    let rough = steps(midnight - 26 * 3600 * SECOND, midnight + 52 * 3600 * SECOND, 900 * SECOND)
        .find(reached)
        .unwrap();
    steps(rough - 900 * SECOND, rough, SECOND).find(reached).unwrap()
}

#[test]
fn names_and_mistakes() {
    assert_eq!(Zone::utc().name(), "UTC");
    assert_eq!(Zone::utc(), zone("UTC"));
    assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
    let check = |name: &str, expected: &str| {
        let error = Zone::get(name).unwrap_err().to_string();
        assert_eq!(error, format!("unknown time zone `{name}`; {expected}"));
    };
    check("Europe/Berln", "did you mean `Europe/Berlin`?");
    check("America/NewYork", "did you mean `America/New_York`?");
    check("Etc/Unknown", "use an IANA name such as UTC or Europe/Berlin");
    check("the moon", "use an IANA name such as UTC or Europe/Berlin");
}

#[test]
fn starts_of_days() {
    let check = |name: &str, date: &str, expected: &str| {
        assert_eq!(zone(name).start_of(day(date)), micros(expected), "{name} {date}");
    };
    check("UTC", "2026-03-15", "2026-03-15T00:00Z");
    check("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z");
    check("Europe/Berlin", "2026-03-30", "2026-03-29T22:00Z");
    check("Asia/Kathmandu", "2026-01-01", "2025-12-31T18:15Z");
    // Midnight does not exist: the day begins at 01:00.
    check("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00Z");
    // The jump began half an hour before midnight: the day begins at 00:30.
    check("America/Toronto", "1919-03-31", "1919-03-31T04:30Z");
    // Midnight comes twice: 01:00 became 00:00.
    check("America/Havana", "2025-11-02", "2025-11-02T04:00Z");
    check("America/Havana", "2025-11-03", "2025-11-03T05:00Z");
    // The day was left out.
    check("Pacific/Apia", "2011-12-29", "2011-12-29T10:00Z");
    check("Pacific/Apia", "2011-12-30", "2011-12-30T10:00Z");
    check("Pacific/Apia", "2011-12-31", "2011-12-30T10:00Z");
}

#[test]
fn an_hour_that_is_repeated_across_midnight_belongs_to_the_new_day() {
    let zone = zone("America/St_Johns");
    let change = micros("2010-11-07T02:31Z"); // 00:01 became 23:01
    assert_eq!(zone.start_of(day("2010-11-07")), change - 60 * SECOND);
    assert_eq!(zone.day_of(change - 61 * SECOND), day("2010-11-06"));
    assert_eq!(zone.day_of(change - 1), day("2010-11-07"));
    assert_eq!(shown_day(&rules("America/St_Johns"), change), day("2010-11-06"));
    assert_eq!(zone.day_of(change), day("2010-11-07"));
    assert_eq!(zone.day_of(change + 59 * 60 * SECOND), day("2010-11-07"));
}

/// Around every change of offset since 1900 in the tested zones.
#[test]
fn starts_agree_with_looking_at_the_clock() {
    for name in ZONES {
        let (zone, rules) = (zone(name), rules(name));
        let since: Timestamp = "1900-01-01T00:00Z".parse().unwrap();
        for change in rules.following(since).take(400) {
            let near = zone.day_of(change.timestamp().as_microsecond());
            for date in [near.plus(-1), near, near.plus(1)] {
                assert_eq!(zone.start_of(date), slow_start(&rules, date), "{name} {date}");
            }
        }
    }
}

/// In every zone that there is: days never go back, and a day that exists contains its start.
#[test]
fn days_follow_each_other_in_every_zone() {
    let database = TimeZoneDatabase::bundled();
    for name in database.available() {
        let Ok(zone) = Zone::get(name.as_str()) else { continue };
        let rules = database.get(name.as_str()).unwrap();
        for change in rules.following(Timestamp::MIN).take(300) {
            let near = zone.day_of(change.timestamp().as_microsecond());
            for date in (-3..3).map(|days| near.plus(days)) {
                let (start, next) = (zone.start_of(date), zone.start_of(date.plus(1)));
                assert!(start <= next, "{} {date}", zone.name());
                if start < next {
                    assert_eq!(zone.day_of(start), date, "{}", zone.name());
                    assert_eq!(zone.day_of(next - 1), date, "{}", zone.name());
                }
                assert!(zone.day_of(start - 1) < date, "{} {date}", zone.name());
            }
        }
    }
}

#[test]
fn the_ends_of_time() {
    for name in ZONES {
        let zone = zone(name);
        for (instant, expected) in [(i64::MIN, Day::MIN), (i64::MAX, Day::MAX)] {
            assert_eq!(zone.day_of(instant), expected, "{name}");
        }
        for date in [Day::MIN, Day::MIN.plus(1), Day::MAX.plus(-1), Day::MAX] {
            assert_eq!(zone.day_of(zone.start_of(date)), date, "{name}");
        }
        let last = zone.start_of(Day::MAX);
        assert_eq!(last - zone.start_of(Day::MAX.plus(-1)), DAY, "{name}");
        assert_eq!(zone.end_of(Day::MAX.plus(-1)), last, "{name}");
        assert_eq!(zone.end_of(Day::MAX) - last, DAY, "{name}");
        assert_eq!(zone.day_of(zone.end_of(Day::MAX) - 1), Day::MAX, "{name}");
    }
}

#[test]
fn local_times() {
    let check = |name: &str, local: &str, expected: &str| {
        let local = micros(&format!("{local}Z"));
        assert_eq!(zone(name).instant_of_local(local), micros(expected), "{name} {local}");
    };
    check("UTC", "2026-03-29T02:30", "2026-03-29T02:30Z");
    check("Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59Z");
    check("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30Z"); // skipped: is 03:30
    check("Europe/Berlin", "2026-03-29T03:30", "2026-03-29T01:30Z");
    check("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30Z"); // twice: the first
    check("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T22:00Z"); // skipped: is the 31st
    for end in [i64::MIN, i64::MAX] {
        assert_eq!(Zone::utc().instant_of_local(end), end);
    }
}

/// Instants within the time line of `jiff`: anywhere, or from 1900 to 2100.
fn instants() -> impl Strategy<Value = i64> {
    prop_oneof![
        -62_000_000_000 * SECOND..253_000_000_000 * SECOND,
        -2_200_000_000 * SECOND..4_100_000_000 * SECOND,
    ]
}

proptest! {
    #[test]
    fn days_agree_with_jiff(name in proptest::sample::select(&ZONES[..]), micros in instants()) {
        let (zone, rules) = (zone(name), rules(name));
        let civil = shown_day(&rules, micros);
        // The clocks may have shown a later date before: at the latest just before they were set.
        let changes = rules.preceding(Timestamp::from_microsecond(micros + 1).unwrap());
        let before = changes.map(|change| change.timestamp().as_microsecond() - 1);
        let latest = before
            .take_while(|before| micros - before < 2 * DAY)
            .map(|before| shown_day(&rules, before))
            .fold(civil, Day::max);
        prop_assert_eq!(zone.day_of(micros), latest);
        let start = civil.to_string().parse::<DateTime>().unwrap();
        let start = rules.to_ambiguous_timestamp(start);
        if !start.is_ambiguous() {
            prop_assert_eq!(zone.start_of(civil), start.compatible().unwrap().as_microsecond());
        }
    }

    #[test]
    fn local_times_agree_with_jiff(
        name in proptest::sample::select(&ZONES[..]), micros in instants(),
    ) {
        let local = shown(&TimeZone::UTC, micros);
        let expected = rules(name).to_ambiguous_timestamp(local).compatible().unwrap();
        prop_assert_eq!(zone(name).instant_of_local(micros), expected.as_microsecond());
    }
}
