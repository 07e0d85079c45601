//! Every type of times.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Date64Array, DictionaryArray, Float64Array, Int32Array, Int64Array,
    LargeStringArray, StringArray, StringViewArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt32Array,
    UInt64Array,
};
use arrow::datatypes::Int16Type;
use engine::active::Question;
use engine::scan::Reason;

use super::{FIELDS, columns_with, csv, events, expected, ndjson, project, rows_of};
use crate::project::{Project, civil, parquet, parquet_in_groups};

fn seconds() -> impl Iterator<Item = i64> {
    events().into_iter().map(|event| event.second)
}

/// The fields of the source, with more fields of its time.
fn fields(time: &str) -> String {
    FIELDS.replace("time: at", &format!("time: {{column: at, {time}}}"))
}

#[track_caller]
fn check(name: &str, times: ArrayRef, fields: &str) {
    let columns = columns_with("at", Arc::clone(&times));
    let bytes = parquet(&columns);
    assert_eq!(rows_of("events.parquet", &bytes, fields), expected(), "{name}");
    // Small row groups: some lie in one month as a whole, some do not.
    let bytes = parquet_in_groups(&columns, 7);
    assert_eq!(rows_of("events.parquet", &bytes, fields), expected(), "{name} in row groups");
}

#[test]
fn timestamps() {
    for zone in [None, Some("UTC"), Some("+05:30"), Some("Europe/Berlin")] {
        let name = |unit: &str| format!("{unit} {zone:?}");
        let array = TimestampSecondArray::from_iter_values(seconds());
        check(&name("s"), Arc::new(array.with_timezone_opt(zone)), FIELDS);
        let array = TimestampMillisecondArray::from_iter_values(seconds().map(|s| s * 1_000));
        check(&name("ms"), Arc::new(array.with_timezone_opt(zone)), FIELDS);
        let array = TimestampMicrosecondArray::from_iter_values(seconds().map(|s| s * 1_000_000));
        check(&name("us"), Arc::new(array.with_timezone_opt(zone)), FIELDS);
        let array =
            TimestampNanosecondArray::from_iter_values(seconds().map(|s| s * 1_000_000_000));
        check(&name("ns"), Arc::new(array.with_timezone_opt(zone)), FIELDS);
    }
}

/// Civil times are read in the zone that is declared for them; instants are not moved by it.
#[test]
fn civil_times_of_a_zone() {
    let tokyo = fields("zone: Asia/Tokyo");
    let local = || seconds().map(|second| second + 9 * 3600);
    let array = TimestampMicrosecondArray::from_iter_values(local().map(|s| s * 1_000_000));
    check("civil timestamps", Arc::new(array.clone()), &tokyo);
    let array = TimestampSecondArray::from_iter_values(local());
    check("civil seconds", Arc::new(array), &tokyo);
    let texts: Vec<String> = local().map(|second| civil(second).replace('T', " ")).collect();
    check("civil texts", Arc::new(StringArray::from(texts)), &tokyo);
    let array = TimestampMicrosecondArray::from_iter_values(seconds().map(|s| s * 1_000_000));
    check("instants", Arc::new(array.with_timezone("UTC")), &tokyo);
    let texts: Vec<String> = local().map(|second| civil(second) + "+09:00").collect();
    check("texts with an offset", Arc::new(StringArray::from(texts)), &tokyo);
}

/// A date is a day of the report's zone, so here (UTC) the time of day changes nothing.
#[test]
fn dates() {
    let days: Vec<i32> = seconds().map(|second| (second / 86_400) as i32).collect();
    check("Date32", Arc::new(Date32Array::from(days.clone())), FIELDS);
    let millis = days.iter().map(|day| i64::from(*day) * 86_400_000);
    check("Date64", Arc::new(Date64Array::from_iter_values(millis)), FIELDS);
    let texts = days.iter().map(|day| engine::calendar::Day::new(*day).to_string());
    check("texts", Arc::new(StringArray::from_iter_values(texts)), FIELDS);
}

#[test]
fn texts() {
    let forms: [(&str, fn(i64) -> String); 5] = [
        ("RFC 3339", |second| civil(second) + "Z"),
        ("an offset", |second| civil(second + 3 * 3600) + "+03:00"),
        ("microseconds", |second| civil(second).replace('T', " ") + ".000000+00:00"),
        ("of logs", |second| civil(second - 5 * 3600).replace('T', " ") + " -0500"),
        ("a space before UTC", |second| civil(second).replace('T', " ") + " UTC"),
    ];
    for (name, form) in forms {
        check(name, Arc::new(StringArray::from_iter_values(seconds().map(form))), FIELDS);
    }
    let text = |second| civil(second) + "Z";
    check("large", Arc::new(LargeStringArray::from_iter_values(seconds().map(text))), FIELDS);
    check("view", Arc::new(StringViewArray::from_iter_values(seconds().map(text))), FIELDS);
    let texts: Vec<String> = seconds().map(text).collect();
    let array: DictionaryArray<Int16Type> = texts.iter().map(String::as_str).collect();
    check("dictionary", Arc::new(array), FIELDS);
}

#[test]
fn numbers_with_a_unit() {
    let int64 = |factor: i64| Arc::new(Int64Array::from_iter_values(seconds().map(|s| s * factor)));
    check("s", int64(1), &fields("unit: s"));
    check("ms", int64(1_000), &fields("unit: ms"));
    check("us", int64(1_000_000), &fields("unit: us"));
    check("ns", int64(1_000_000_000), &fields("unit: ns"));
    check("in words", int64(1_000), &fields("unit: milliseconds"));
    let array = Int32Array::from_iter_values(seconds().map(|second| second as i32));
    check("Int32", Arc::new(array), &fields("unit: s"));
    let array = UInt32Array::from_iter_values(seconds().map(|second| second as u32));
    check("UInt32", Arc::new(array), &fields("unit: s"));
    let array = UInt64Array::from_iter_values(seconds().map(|second| second as u64 * 1_000));
    check("UInt64", Arc::new(array), &fields("unit: ms"));
    let array = Float64Array::from_iter_values(seconds().map(|second| second as f64 + 0.25));
    check("Float64", Arc::new(array), &fields("unit: s"));
}

#[test]
fn numbers_in_text_files() {
    let texts = |factor: i64| {
        let mut texts = (csv(&events(), ','), ndjson(&events()));
        for second in seconds() {
            let (iso, number) = (civil(second) + "Z", (second * factor).to_string());
            texts.0 = texts.0.replace(&iso, &number);
            texts.1 = texts.1.replace(&format!("\"{iso}\""), &number);
        }
        texts
    };
    for (unit, factor) in [("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)] {
        let (csv, ndjson) = texts(factor);
        let fields = fields(&format!("unit: {unit}"));
        assert_eq!(rows_of("events.csv", csv.as_bytes(), &fields), expected(), "{unit}");
        assert_eq!(rows_of("events.ndjson", ndjson.as_bytes(), &fields), expected(), "{unit}");
    }
}

#[test]
fn the_last_day_of_the_calendar() {
    for zone in ["UTC", "America/New_York"] {
        let project = project("events.csv", FIELDS);
        let yaml = std::fs::read_to_string(project.path("headcount.yaml")).unwrap();
        project.write("headcount.yaml", format!("time_zone: {zone}\n{yaml}"));
        let days =
            ["9999-12-30T12:00:00Z,1", "9999-12-31T22:59:59.999999Z,2", "9999-12-31T12:00Z,3"];
        let rows = days.map(|day| format!("{day},searched,free\n")).concat();
        project.write("events.csv", format!("at,user_id,event,plan\n{rows}"));
        let report = |window: &str, project: &Project| {
            let arguments = ["--level", "total", "--window", window, "--as-of", "9999-12-31"];
            project.report(&arguments).lines(&["period_start", "period_end", "users", "complete"])
        };
        let windows = [
            ("day", "9999-12-31 9999-12-31 2 true"),
            ("week", "9999-12-27 9999-12-31 3 true"),
            ("month", "9999-12-01 9999-12-31 3 true"),
            ("quarter", "9999-10-01 9999-12-31 3 true"),
            ("year", "9999-01-01 9999-12-31 3 true"),
            ("last_28d_of_month", "9999-12-04 9999-12-31 3 true"),
            ("trailing_1d", "9999-12-31 9999-12-31 2 true"),
            ("trailing_28d", "9999-12-04 9999-12-31 3 true"),
        ];
        let found = windows.map(|(window, _)| report(window, &project).pop().unwrap());
        assert_eq!(found, windows.map(|(_, row)| row), "{zone}");
        for window in ["iso_4w", "lagged_28d"] {
            report(window, &project);
        }
        assert_eq!(project.run(&["ingest"]).code, 0);
        let stored = windows.map(|(window, _)| report(window, &project).pop().unwrap());
        assert_eq!(stored, found, "{zone}: from the store");
    }
}

/// Times after the calendar are unreadable, without a configured limit.
#[test]
fn times_after_the_calendar() {
    let times = TimestampMicrosecondArray::from_iter_values([i64::MAX; 120]);
    let project = project("events.parquet", FIELDS);
    let columns = columns_with("at", Arc::new(times.with_timezone("UTC")));
    project.write("events.parquet", parquet(&columns));
    let seen = project.ask(&Question::default()).summary;
    let reasons: Vec<(Reason, u64)> =
        seen.rejects.iter().map(|(_, reason, all)| (reason, all.rows)).collect();
    assert_eq!(reasons, [(Reason::TimeUnreadable, 120)]);
}
