//! Instants from text: the forms, what is refused, and the fast path against the slow one.

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use crate::calendar::instant::{fast, parse, parse_with_offset, slow};
use crate::calendar::{Day, Zone};

/// 2026-03-15T00:00:00Z
const MIDNIGHT: i64 = 1_773_532_800_000_000;
const SECOND: i64 = 1_000_000;

#[test]
fn the_forms() {
    let zone = Zone::get("Europe/Berlin").unwrap();
    let check = |text: &str, expected: i64| {
        assert_eq!(parse(text, &zone), Some(MIDNIGHT + expected), "{text}");
    };
    let time = (10 * 3600 + 20 * 60 + 30) * SECOND;
    let (hour, micros) = (3600 * SECOND, 123_456);
    check("2026-03-15T10:20:30Z", time);
    check("2026-03-15T10:20:30.123456Z", time + micros);
    check("2026-03-15t10:20:30.123456z", time + micros);
    check("2026-03-15 10:20:30.123456Z", time + micros);
    check("2026-03-15T10:20:30.1Z", time + 100_000);
    check("2026-03-15T10:20:30.123456789Z", time + micros);
    check("2026-03-15T10:20:30,123456Z", time + micros);
    check("2026-03-15T10:20Z", time - 30 * SECOND);
    check("2026-03-15T10:20:30+02:00", time - 2 * hour);
    check("2026-03-15T10:20:30+0200", time - 2 * hour);
    check("2026-03-15 10:20:30.123456+02", time + micros - 2 * hour);
    check("2026-03-15T10:20-03:30", time - 30 * SECOND + 7 * hour / 2);
    check("2026-03-15T10:20:30-00:00", time);
    check("2026-03-15 10:20:30 +0200", time - 2 * hour);
    check("2026-03-15 10:20:30 UTC", time);
    check("2026-03-15 10:20:30", time - hour);
    check("2026-03-15T10:20", time - 30 * SECOND - hour);
    check("2026-03-15", -hour);
    check("20260315T102030Z", time);
    check("2026-03-15T23:59:60Z", 24 * hour - SECOND);
    // The clocks of Berlin jumped from 02:00 to 03:00 on 29 March.
    check("2026-03-29T02:30:00", 14 * 24 * hour + 3 * hour / 2);
}

#[test]
fn an_offset_can_be_required() {
    for text in ["2026-03-15T00:00:00Z", "2026-03-15T01:00+01:00", "20260315T000000Z"] {
        assert_eq!(parse_with_offset(text), Some(MIDNIGHT), "{text}");
    }
    for text in [
        "2026-03-15",
        "2026-03-15T00:00:00",
        "2026-03-15 00:00:00Z",
        "2026-03-15 00:00:00 UTC",
        "2026-03-15Z",
        "2026-02-30T00:00:00Z",
        "2026-03-15T00:00:00Z[UTC]",
        "yesterday",
        "",
        "1773532800",
    ] {
        assert_eq!(parse_with_offset(text), None, "{text}");
    }
}

#[test]
fn the_past_is_cut_towards_the_past() {
    let utc = Zone::utc();
    assert_eq!(parse("1969-12-31T23:59:59.999999999Z", &utc), Some(-1));
    assert_eq!(parse("1969-12-31T23:59:59.000000999Z", &utc), Some(-SECOND));
    assert_eq!(parse("0001-01-01", &utc), Some(i64::from(Day::MIN.number()) * 86_400 * SECOND));
    let end = (i64::from(Day::MAX.number()) + 1) * 86_400 * SECOND;
    assert_eq!(parse("9999-12-31T23:59:59.999999Z", &utc), Some(end - 1));
    assert_eq!(slow("9999-12-31T23:59:59.999999Z", &utc), Some(end - 1));
}

#[test]
fn a_date_starts_with_its_day() {
    for (name, date) in [("America/Sao_Paulo", "2018-11-04"), ("Pacific/Apia", "2011-12-30")] {
        let zone = Zone::get(name).unwrap();
        assert_eq!(parse(date, &zone), Some(zone.start_of(date.parse().unwrap())));
    }
}

#[test]
fn what_is_refused() {
    let refused = [
        "",
        " ",
        "garbage",
        "2026",
        "2026-03",
        "2026-02-30",
        "2026-02-30T10:00:00Z",
        "2026-13-01",
        "2026-00-01T00:00Z",
        "0000-01-01T00:00:00Z",
        "-000001-01-01T00:00:00Z",
        "2026-03-15T24:00:00Z",
        "2026-03-15T10:60:00Z",
        "2026-03-15T10:20:61Z",
        "2026-03-15T",
        "2026-03-15T10:20:30Zx",
        "2026-03-15T10:20:30Z ",
        " 2026-03-15T10:20:30Z",
        "2026-03-15T10:20:30.",
        "2026-03-15T10:20:30.Z",
        "2026-03-15T10:20:30.1234567890Z",
        "2026-03-15T10:20:30+2:00",
        "2026-03-15T10:20:30+02:60",
        "2026-03-15T10:20:30+25:00",
        "2026-03-15T10:20:30 Z Z",
        "2026-03-15 10:20:30 CET",
        "2026-03-15_10:20:30",
        "2026-03-15 10:20:30 ",
        "2026-03-15T10:20:30  UTC",
        "2026-03-15T10:20:30Z[UTC]",
        "2026-03-15T10:20:30+01:00[Europe/Berlin]",
        "2026-03-15T10:20:3é",
        "２０２６-03-15",
        "2026-03-15é10:20:30",
        "1773532800",
    ];
    for text in refused {
        assert_eq!(parse(text, &Zone::utc()), None, "{text}");
    }
}

/// The fast path must take the layouts it is there for; what it refuses is only slower.
#[test]
fn common_layouts_take_the_fast_path() {
    for text in
        ["2026-03-15T10:20:30.123456Z", "2026-03-15 10:20:30", "2026-03-15T10:20:30.1+02:00"]
    {
        assert!(fast(text.as_bytes(), &Zone::utc()).is_some(), "{text}");
    }
}

/// Texts in the fixed layout; about half of them are impossible in some field.
fn layouts() -> impl Strategy<Value = String> {
    let date = (0_u32..10_000, 0_u32..14, 0_u32..33);
    let time = (0_u32..26, 0_u32..62, proptest::option::of("(:[0-6][0-9](\\.[0-9]{1,10})?)"));
    let zone = "(|Z|z|[+-][0-2][0-9]:?[0-6][0-9]|[+-][0-2][0-9]|x)";
    (date, proptest::option::of(("[Tt ]", time, zone))).prop_map(|((year, month, day), time)| {
        let mut text = format!("{year:04}-{month:02}-{day:02}");
        if let Some((separator, (hour, minute, rest), zone)) = time {
            text += &format!("{separator}{hour:02}:{minute:02}{}{zone}", rest.unwrap_or_default());
        }
        text
    })
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4000))]

    #[test]
    fn the_fast_path_agrees_with_the_slow_one(
        text in layouts(),
        name in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/Sao_Paulo"]),
    ) {
        let zone = Zone::get(name).unwrap();
        let slow = slow(&text, &zone);
        prop_assert_eq!(parse(&text, &zone), slow, "{}", text);
        if let Some(fast) = fast(text.as_bytes(), &zone) {
            prop_assert_eq!(Some(fast), slow, "{}", text);
        }
    }

    #[test]
    fn an_instant_survives_its_text(micros in -62_000_000_000 * SECOND..253_000_000_000 * SECOND) {
        let text = jiff::Timestamp::from_microsecond(micros).unwrap().to_string();
        prop_assert_eq!(parse(&text, &Zone::utc()), Some(micros));
        prop_assert_eq!(fast(text.as_bytes(), &Zone::utc()), Some(micros));
    }

    #[test]
    fn no_text_is_a_reason_to_stop(text in any::<String>(), tail in "[0-9TZ:+. -]{0,24}") {
        let zone = Zone::utc();
        prop_assert!(parse(&text, &zone).is_none() || text.is_ascii());
        let _ = parse(&tail, &zone);
        let _ = parse(&format!("2026-03-15{tail}"), &zone);
        let _ = parse(&format!("2026-03-15T10:20:30{tail}"), &zone);
    }
}
