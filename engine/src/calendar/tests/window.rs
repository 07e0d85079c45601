//! Windows: the table of the design, the tiling of calendar periods, lengths, names.

use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{day, period};
use crate::calendar::{Day, Period, Window};

const CALENDAR: [Window; 5] =
    [Window::Day, Window::Week, Window::Month, Window::Quarter, Window::Year];

fn window(name: &str) -> Window {
    name.parse().unwrap()
}

/// Far enough from the ends of the range for every period to have its full length.
fn days() -> impl Strategy<Value = Day> {
    (-700_000..2_900_000).prop_map(Day::new)
}

fn windows() -> impl Strategy<Value = Window> {
    prop_oneof![
        proptest::sample::select(&CALENDAR[..]),
        Just(Window::Last28dOfMonth),
        (1_u16..=3660).prop_map(Window::Trailing),
        Just(Window::Iso4w),
        Just(Window::Lagged28d),
        Just(Window::Ping28d),
    ]
}

#[test]
fn the_documented_table() {
    let check = |name: &str, at: &str, expected: &str| {
        assert_eq!(window(name).at(day(at)), period(expected), "{name} at {at}");
    };
    check("day", "2026-03-15", "2026-03-15..2026-03-15");
    check("week", "2026-03-15", "2026-03-09..2026-03-15");
    check("week", "2026-03-16", "2026-03-16..2026-03-22");
    check("month", "2026-02-11", "2026-02-01..2026-02-28");
    check("quarter", "2026-02-11", "2026-01-01..2026-03-31");
    check("quarter", "2026-12-31", "2026-10-01..2026-12-31");
    check("year", "2024-02-29", "2024-01-01..2024-12-31");
    check("last_28d_of_month", "2026-01-01", "2026-01-04..2026-01-31");
    check("last_28d_of_month", "2026-01-31", "2026-01-04..2026-01-31");
    check("last_28d_of_month", "2026-02-10", "2026-02-01..2026-02-28");
    check("trailing_28d", "2026-03-15", "2026-02-16..2026-03-15");
    check("trailing_7d", "2026-03-15", "2026-03-09..2026-03-15");
    check("trailing_30d", "2026-03-15", "2026-02-14..2026-03-15");
    check("trailing_1d", "2026-03-15", "2026-03-15..2026-03-15");
    check("iso_4w", "2026-03-18", "2026-02-16..2026-03-15");
    check("iso_4w", "2026-03-16", "2026-02-16..2026-03-15");
    check("iso_4w", "2026-03-15", "2026-02-09..2026-03-08");
    check("lagged_28d", "2026-03-15", "2026-02-14..2026-03-13");
}

#[test]
fn twenty_eight_days_are_not_twenty_nine() {
    let today = day("2026-03-15");
    let by_hand = Period::new(today.plus(-28), today); // BETWEEN day - 28 AND day
    assert_eq!(by_hand.days(), 29);
    for name in ["last_28d_of_month", "trailing_28d", "iso_4w", "lagged_28d"] {
        assert_eq!(window(name).at(today).days(), 28, "{name}");
    }
    // Half-open in instants, [now - 30 d, now - 2 d): 30 days back up to, not including, 2 back.
    let lagged = Window::Lagged28d.at(today);
    assert_eq!((lagged.start, lagged.end), (today.plus(-29), today.plus(-2)));
    assert!(!lagged.contains(today.plus(-1)) && !lagged.contains(today.plus(-30)));
}

#[test]
fn the_periods_of_a_range() {
    let check = |name: &str, range: &str, expected: &[&str]| {
        let found = window(name).periods(period(range));
        let expected: Vec<Period> = expected.iter().map(|text| period(text)).collect();
        assert_eq!(found, expected, "{name} over {range}");
    };
    check("day", "2026-02-28..2026-03-01", &["2026-02-28..2026-02-28", "2026-03-01..2026-03-01"]);
    check("week", "2026-03-15..2026-03-16", &["2026-03-09..2026-03-15", "2026-03-16..2026-03-22"]);
    check("month", "2025-12-31..2026-01-01", &["2025-12-01..2025-12-31", "2026-01-01..2026-01-31"]);
    check("month", "2026-02-03..2026-02-04", &["2026-02-01..2026-02-28"]);
    check(
        "quarter",
        "2026-03-31..2026-04-01",
        &["2026-01-01..2026-03-31", "2026-04-01..2026-06-30"],
    );
    check("year", "2026-01-01..2026-12-31", &["2026-01-01..2026-12-31"]);
    // A day of the range is enough for its month, though it is not one of the last 28.
    check(
        "last_28d_of_month",
        "2026-01-31..2026-03-01",
        &["2026-01-04..2026-01-31", "2026-02-01..2026-02-28", "2026-03-04..2026-03-31"],
    );
    check(
        "trailing_2d",
        "2026-03-01..2026-03-02",
        &["2026-02-28..2026-03-01", "2026-03-01..2026-03-02"],
    );
    check(
        "lagged_28d",
        "2026-03-15..2026-03-16",
        &["2026-02-14..2026-03-13", "2026-02-15..2026-03-14"],
    );
    check(
        "iso_4w",
        "2026-03-08..2026-03-15",
        &["2026-02-09..2026-03-08", "2026-02-16..2026-03-15"],
    );
    check("iso_4w", "2026-03-16..2026-03-21", &[]);
    for name in ["day", "week", "last_28d_of_month", "trailing_28d", "iso_4w", "lagged_28d"] {
        check(name, "2026-03-15..2026-03-14", &[]);
    }
}

#[test]
fn the_period_before() {
    let check = |name: &str, given: &str, expected: &str| {
        assert_eq!(window(name).previous(period(given)), period(expected), "{name}");
    };
    check("day", "2026-03-01..2026-03-01", "2026-02-28..2026-02-28");
    check("week", "2026-03-16..2026-03-22", "2026-03-09..2026-03-15");
    check("month", "2026-03-01..2026-03-31", "2026-02-01..2026-02-28");
    check("quarter", "2026-01-01..2026-03-31", "2025-10-01..2025-12-31");
    check("year", "2025-01-01..2025-12-31", "2024-01-01..2024-12-31");
    check("last_28d_of_month", "2026-03-04..2026-03-31", "2026-02-01..2026-02-28");
    check("last_28d_of_month", "2026-02-01..2026-02-28", "2026-01-04..2026-01-31");
    check("trailing_28d", "2026-02-16..2026-03-15", "2026-02-15..2026-03-14");
    check("lagged_28d", "2026-02-14..2026-03-13", "2026-02-13..2026-03-12");
    check("iso_4w", "2026-02-16..2026-03-15", "2026-02-09..2026-03-08");
}

#[test]
fn the_ends_of_the_range_cut_periods_off() {
    let all = Period::new(Day::MIN, Day::MAX);
    assert_eq!(all.days(), 3_652_059);
    let check = |name: &str, count: usize| {
        let periods = window(name).periods(all);
        assert_eq!(periods.len(), count, "{name}");
        assert!(periods.iter().all(|period| period.start <= period.end), "{name}");
    };
    check("year", 9_999);
    check("month", 9_999 * 12);
    check("last_28d_of_month", 9_999 * 12);
    check("week", 521_723);
    check("iso_4w", 521_722);
    check("day", 3_652_059);
    check("trailing_7d", 3_652_059);
    assert_eq!(Window::Week.at(Day::MAX), period("9999-12-27..9999-12-31"));
    assert_eq!(
        Window::Year.previous(period("0001-01-01..0001-12-31")),
        period("0001-01-01..0001-12-31")
    );
}

#[test]
fn names() {
    let names = [
        "day",
        "week",
        "month",
        "quarter",
        "year",
        "last_28d_of_month",
        "trailing_1d",
        "trailing_28d",
        "trailing_3660d",
        "iso_4w",
        "lagged_28d",
    ];
    for name in names {
        assert_eq!(window(name).to_string(), name);
    }
    let suggested = |wrong: &str, expected: &str| {
        let error = wrong.parse::<Window>().unwrap_err().to_string();
        let start = format!(
            "unknown window `{wrong}`; did you mean `{expected}`? The windows are: day week month"
        );
        assert!(error.starts_with(&start), "{error}");
    };
    suggested("28d", "trailing_28d");
    suggested("7d", "trailing_7d");
    suggested("30 days", "trailing_30d");
    suggested("trailing_28", "trailing_28d");
    suggested("trailing28d", "trailing_28d");
    suggested("Trailing_28d", "trailing_28d");
    suggested("monthly", "month");
    suggested("daily", "day");
    suggested("yearly", "year");
    suggested("Month", "month");
    suggested("quater", "quarter");
    suggested("iso4w", "iso_4w");
    suggested("last_28d_of_mont", "last_28d_of_month");
    for wrong in ["", "fortnight", "trailing_0d", "trailing_3661d", "trailing_+7d", "trailing_d"] {
        let error = wrong.parse::<Window>().unwrap_err().to_string();
        let expected = format!(
            "unknown window `{wrong}`; use one of: day week month quarter year last_28d_of_month \
             trailing_<n>d iso_4w lagged_28d ping_28d, with n from 1 to 3660"
        );
        assert_eq!(error, expected);
    }
    assert!("trailing_028d".parse::<Window>().is_err());
}

proptest! {
    /// Every day is in exactly one calendar period: periods tile.
    #[test]
    fn calendar_periods_tile(
        window in proptest::sample::select(&CALENDAR[..]), start in days(), length in 0..1_500,
    ) {
        let range = Period::new(start, start.plus(length));
        let periods = window.periods(range);
        prop_assert!(periods[0].contains(range.start));
        prop_assert!(periods[periods.len() - 1].contains(range.end));
        for pair in periods.windows(2) {
            prop_assert_eq!(pair[0].end.plus(1), pair[1].start);
        }
        for number in range.start.number()..=range.end.number() {
            let holders: Vec<_> =
                periods.iter().filter(|period| period.contains(Day::new(number))).collect();
            prop_assert_eq!(&holders, &[&window.partition(Day::new(number)).unwrap()]);
        }
    }

    #[test]
    fn periods_have_their_lengths(window in windows(), day in days()) {
        let period = window.at(day);
        let allowed = match window {
            Window::Day => 1..=1,
            Window::Week => 7..=7,
            Window::Month | Window::Ping28d => 28..=31,
            Window::Quarter => 90..=92,
            Window::Year => 365..=366,
            Window::Trailing(n) => u32::from(n)..=u32::from(n),
            Window::Last28dOfMonth | Window::Iso4w | Window::Lagged28d => 28..=28,
        };
        prop_assert!(allowed.contains(&period.days()), "{} {}", window, period);
        prop_assert_eq!(window.partition(day).is_some(), CALENDAR.contains(&window) || window == Window::Ping28d);
    }

    /// The period before each row's is the row before it.
    #[test]
    fn previous_goes_back_through_the_periods(
        window in windows(), start in days(), length in 0..400,
    ) {
        let periods = window.periods(Period::new(start, start.plus(length)));
        for pair in periods.windows(2) {
            prop_assert_eq!(window.previous(pair[1]), pair[0]);
        }
    }

    /// Where a period is meant on a day, the report over that day has it; `iso_4w` on the Sunday
    /// that ends it.
    #[test]
    fn at_agrees_with_periods(window in windows(), day in days()) {
        let period = window.at(day);
        let reported = if window == Window::Iso4w { period.end } else { day };
        prop_assert_eq!(window.periods(Period::new(reported, reported)), vec![period]);
    }

    #[test]
    fn a_window_survives_its_name(window in windows()) {
        prop_assert_eq!(window.to_string().parse::<Window>().unwrap(), window);
    }
}
