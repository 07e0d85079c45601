//! Days, spans of days on the command line, units.

use jiff::ToSpan;
use jiff::civil::Date;
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::{day, period};
use crate::calendar::{Day, TimeUnit, first_day, last_day};

fn jiff_date(day: Day) -> Date {
    let (year, month, number) = day.ymd();
    Date::new(year as i16, month as i8, number as i8).unwrap()
}

#[test]
fn the_ends_of_the_range() {
    assert_eq!((Day::MIN, Day::MAX), (day("0001-01-01"), day("9999-12-31")));
    assert_eq!(Day::MIN.ymd(), (1, 1, 1));
    assert_eq!(Day::MAX.ymd(), (9999, 12, 31));
    assert_eq!(Day::new(0), day("1970-01-01"));
    assert_eq!((Day::new(i32::MIN), Day::new(i32::MAX)), (Day::MIN, Day::MAX));
    assert_eq!((Day::MIN.plus(-1), Day::MAX.plus(i32::MAX)), (Day::MIN, Day::MAX));
}

#[test]
fn every_day_of_the_range_follows_the_one_before_as_in_jiff() {
    let mut date = Date::constant(1, 1, 1);
    for number in Day::MIN.number()..=Day::MAX.number() {
        let day = Day::new(number);
        let ymd = (i32::from(date.year()), date.month() as u8, date.day() as u8);
        assert_eq!((day.number(), day.ymd()), (number, ymd));
        assert_eq!(Day::from_ymd(ymd.0, ymd.1, ymd.2).unwrap(), day);
        assert_eq!(day.weekday(), i32::from(date.weekday().to_monday_zero_offset()));
        date = date.tomorrow().unwrap_or(date);
    }
}

#[test]
fn a_day_that_does_not_exist_is_an_error_that_says_why() {
    let check = |text: &str, expected: &str| {
        assert_eq!(text.parse::<Day>().unwrap_err().to_string(), expected);
    };
    check("2026-02-29", "invalid date 2026-02-29; the days of 2026-02 are 01 to 28");
    check("2024-02-30", "invalid date 2024-02-30; the days of 2024-02 are 01 to 29");
    check("1900-02-29", "invalid date 1900-02-29; the days of 1900-02 are 01 to 28");
    check("2026-13-01", "invalid date 2026-13-01; the month must be from 01 to 12");
    check("2026-00-01", "invalid date 2026-00-01; the month must be from 01 to 12");
    check("2026-01-00", "invalid date 2026-01-00; the days of 2026-01 are 01 to 31");
    check("0000-01-01", "invalid date 0000-01-01; the year must be from 0001 to 9999");
    for text in [
        "",
        "2026-1-01",
        "2026-01-1",
        "2026/01/01",
        "2026-01-01 ",
        "+026-01-01",
        "20260101",
        "2026-01-0é",
    ] {
        let expected =
            format!("`{text}` is not a date; write dates as YYYY-MM-DD, such as 2026-03-15");
        check(text, &expected);
    }
}

#[test]
fn spans_on_the_command_line() {
    let check = |text: &str, expected: &str| {
        let expected = period(expected);
        assert_eq!(
            (first_day(text).unwrap(), last_day(text).unwrap()),
            (expected.start, expected.end)
        );
    };
    check("2026", "2026-01-01..2026-12-31");
    check("2026-Q1", "2026-01-01..2026-03-31");
    check("2026-q4", "2026-10-01..2026-12-31");
    check("2026-01", "2026-01-01..2026-01-31");
    check("2024-02", "2024-02-01..2024-02-29");
    check("2026-W12", "2026-03-16..2026-03-22");
    check("2026-w01", "2025-12-29..2026-01-04");
    check("2026-W53", "2026-12-28..2027-01-03");
    check("2026-03-15", "2026-03-15..2026-03-15");
    check("0001", "0001-01-01..0001-12-31");
    check("9999-W52", "9999-12-27..9999-12-31");

    for text in [
        "",
        "26",
        "2026-",
        "2026-Q0",
        "2026-Q5",
        "2026-13",
        "2026-00",
        "2026-1",
        "2026-W00",
        "2025-W53",
        "2026-W54",
        "2026-W1",
        "0000",
        "2026-001",
        "March",
        "20é6",
        "２０２６",
    ] {
        let error = first_day(text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`{text}` is not a date; write a year (2026),")),
            "{error}"
        );
        assert_eq!(last_day(text).unwrap_err().to_string(), error);
    }
    let error = first_day("2026-02-30").unwrap_err().to_string();
    assert_eq!(error, "invalid date 2026-02-30; the days of 2026-02 are 01 to 28");
}

#[test]
fn units() {
    let check = |unit: &str, value: i64, expected: Option<i64>| {
        assert_eq!(unit.parse::<TimeUnit>().unwrap().to_micros(value), expected, "{value} {unit}");
    };
    check("s", -3, Some(-3_000_000));
    check("seconds", i64::MAX, None);
    check("ms", 1_700_000_000_123, Some(1_700_000_000_123_000));
    check("millisecond", i64::MIN, None);
    check("us", i64::MIN, Some(i64::MIN));
    check("ns", 1_999, Some(1));
    check("nanoseconds", -1, Some(-1));
    check("ns", -1_000, Some(-1));
    check("ns", i64::MIN, Some(-9_223_372_036_854_776));
    for unit in ["s", "ms", "us", "ns"] {
        assert_eq!(unit.parse::<TimeUnit>().unwrap().to_string(), unit);
    }
    let error = "minutes".parse::<TimeUnit>().unwrap_err().to_string();
    assert!(error.starts_with("unknown time unit `minutes`; use one of: s ms us ns"), "{error}");
}

proptest! {
    #[test]
    fn plus_agrees_with_jiff(number in -700_000..2_900_000, days in -19_000..19_000_i32) {
        let start = Day::new(number);
        let expected = jiff_date(start).checked_add(days.days()).unwrap();
        prop_assert_eq!(start.plus(days).to_string(), expected.to_string());
        prop_assert_eq!(start.plus(days).plus(-days), start);
    }

    #[test]
    fn a_day_survives_its_text(number in any::<i32>()) {
        let start = Day::new(number);
        prop_assert_eq!(day(&start.to_string()), start);
        prop_assert_eq!(first_day(&start.to_string()).unwrap(), start);
    }
}
