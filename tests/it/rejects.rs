//! Rows that cannot be counted: they are reported by reason, and do not affect the numbers.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};

use crate::project::{GOOD, Project, Ran, parquet};

/// `(time, user, event, scope)` of a faulty row, and the reported reason.
type Fault = (Option<&'static str>, Option<&'static str>, Option<&'static str>, &'static str);

const GOOD_TIME: Option<&str> = Some("2026-01-07T00:00:00Z");
/// One line for each fault. A row with several has the first, in the order of the table.
const FAULTS: [Fault; 16] = [
    (None, Some("7"), Some("searched"), "no time"),
    (None, None, None, "no time"),
    (Some("last tuesday"), Some("7"), Some("searched"), "unreadable time"),
    (Some("2026-02-30"), Some("7"), Some("searched"), "unreadable time"),
    (Some("1768435200"), Some("7"), Some("searched"), "unreadable time"),
    (Some("2026-01-05T25:00:00Z"), None, Some("searched"), "unreadable time"),
    (Some("1969-12-31T23:59:59Z"), Some("7"), Some("searched"), "time before 1970"),
    (Some("0001-01-01"), Some("7"), Some("searched"), "time before 1970"),
    (Some("2026-04-01T00:00:00Z"), Some("7"), Some("searched"), "time after no_events_after"),
    (Some("2126-01-01"), Some("7"), Some("searched"), "time after no_events_after"),
    (Some("9999-12-31"), None, None, "time after no_events_after"),
    (GOOD_TIME, None, Some("searched"), "no user"),
    (GOOD_TIME, None, None, "no user"),
    (GOOD_TIME, None, Some("never_heard_of"), "no user"),
    (GOOD_TIME, Some("7"), None, "no event name"),
    (GOOD_TIME, Some("8"), None, "no event name"),
];
/// Reason, number of rows, position of the first one, and its message.
type Rejected = (&'static str, u64, u64, &'static str);

const REJECTED: [Rejected; 6] = [
    ("no time", 2, 0, "`at` is empty"),
    ("unreadable time", 4, 4, "`at` is \"last tuesday\""),
    ("time before 1970", 2, 12, "`at` is \"1969-12-31T23:59:59Z\""),
    ("time after no_events_after", 3, 15, "`at` is \"2026-04-01T00:00:00Z\""),
    ("no user", 3, 18, "`user_id` is empty"),
    ("no event name", 2, 21, "`event` is empty"),
];

/// The good rows as `[time, user, event, plan]`.
fn good_rows() -> Vec<[&'static str; 4]> {
    let (_, text) = GOOD.iter().find(|(name, _)| *name == "events.csv").unwrap();
    let row = |line: &'static str| line.split(',').collect::<Vec<_>>().try_into().unwrap();
    text.lines().skip(1).map(row).collect()
}

/// Good and faulty rows, mixed.
fn mixed() -> Vec<[Option<&'static str>; 4]> {
    let mut rows: Vec<[Option<&str>; 4]> = Vec::new();
    let mut good = good_rows().into_iter();
    for (time, user, event, _) in FAULTS {
        rows.push([time, user, event, Some("free")]);
        rows.extend(good.next().map(|row| row.map(Some)));
    }
    rows
}

/// A project over some file, with a bound for times.
fn project(file: &str, bytes: impl AsRef<[u8]>) -> Project {
    let project = Project::good();
    let yaml = GOOD[0].1.replace("events.csv", file);
    project.write("headcount.yaml", format!("no_events_after: 2026-03-31\n{yaml}"));
    project.write(file, bytes);
    project
}

fn report(project: &Project) -> Ran {
    project.run(&["report", "--format", "csv", "--level", "total,combined,action", "--by", "plan"])
}

/// `place` formats the position of a row.
#[track_caller]
fn check(file: &str, bytes: impl AsRef<[u8]>, expected: &[Rejected], place: fn(u64) -> String) {
    let clean = report(&Project::good());
    assert_eq!((clean.code, clean.err.as_str()), (0, ""));
    let project = project(file, bytes);
    let commands: [&dyn Fn() -> Ran; 4] = [
        &|| report(&project),
        &|| project.run(&["check"]),
        &|| project.run(&["ingest"]),
        // From the store.
        &|| report(&project),
    ];
    for command in commands {
        let ran = command();
        assert_eq!(ran.code, 3, "{file}: {}\n{}", ran.err, ran.out);
        let total: u64 = expected.iter().map(|rejected| rejected.1).sum();
        assert!(ran.err.contains(&format!("rejected {total} rows")), "{file}: {}", ran.err);
        assert!(!ran.err.contains("was counted: "), "{file}: {}", ran.err);
        for (reason, rows, first, message) in expected {
            let rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
            let start = format!("  visits: {reason}: {rows}, the first in ");
            let end = format!("{file}, {}: {message}", place(*first));
            let is_it = |line: &str| line.starts_with(&start) && line.ends_with(&end);
            assert!(ran.err.lines().any(is_it), "{file}: no {start:?} {end:?} in\n{}", ran.err);
        }
    }
    assert_eq!(report(&project).out, clean.out, "{file}: the numbers of the good rows");
}

#[test]
fn faulty_rows_of_csv_are_reported_and_not_counted() {
    let field = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let line = |row: &[Option<&'static str>; 4]| row.map(field).join(",");
    let lines: Vec<String> = mixed().iter().map(line).collect();
    check(
        "faulty.csv",
        format!("at,user_id,event,plan\n{}\n", lines.join("\n")),
        &REJECTED,
        |row| format!("line {}", row + 2),
    );
}

#[test]
fn faulty_rows_of_json_are_reported_and_not_counted() {
    // A fault is a null, or a key that is not there.
    let names = ["at", "user_id", "event", "plan"];
    let line = |(at, row): (usize, &[Option<&'static str>; 4])| {
        let pair = |(name, value): (&str, &Option<&str>)| match value {
            Some(value) => Some(format!("\"{name}\": \"{value}\"")),
            None if at % 2 == 0 => Some(format!("\"{name}\": null")),
            None => None,
        };
        let pairs: Vec<String> = names.into_iter().zip(row).filter_map(pair).collect();
        format!("{{{}}}\n", pairs.join(", "))
    };
    let text: String = mixed().iter().enumerate().map(line).collect();
    check("faulty.ndjson", text, &REJECTED, |row| format!("line {}", row + 1));
}

#[test]
fn faulty_rows_of_parquet_are_reported_and_not_counted() {
    let rows = mixed();
    let column = |at: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| row[at]).collect::<StringArray>())
    };
    let (times, users, events, plans) = (column(0), column(1), column(2), column(3));
    let columns = [("at", times), ("user_id", users), ("event", events), ("plan", plans)];
    check("faulty.parquet", parquet(&columns), &REJECTED, |row| format!("row {}", row + 1));
}

/// Timestamps and integers cannot be unreadable; all other faults occur.
#[test]
fn faulty_rows_of_typed_columns_are_reported_and_not_counted() {
    const HOUR: i64 = 3_600_000_000;
    let utc = engine::calendar::Zone::utc();
    let instant = |text: &str| engine::calendar::parse_instant(text, &utc).unwrap();
    let (mut times, mut users, mut events, mut plans) = (vec![], vec![], vec![], vec![]);
    let mut add = |time: Option<i64>, user: Option<i64>, event: Option<&'static str>, plan| {
        times.push(time);
        users.push(user);
        events.push(event);
        plans.push(plan);
    };
    let january = instant("2026-01-07");
    add(None, Some(7), Some("searched"), "free");
    add(Some(0 - HOUR), Some(7), Some("searched"), "free");
    add(Some(instant("2026-04-01")), Some(7), Some("searched"), "free");
    add(Some(i64::MAX), Some(7), Some("searched"), "free");
    add(Some(i64::MIN), Some(7), Some("searched"), "free");
    add(Some(january), None, Some("searched"), "free");
    add(Some(january), Some(7), None, "free");
    add(Some(january), Some(7), Some(""), "free");
    for [time, user, event, plan] in good_rows() {
        add(Some(instant(time)), user.parse().ok(), Some(event), plan);
    }
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"));
    let users: ArrayRef = Arc::new(Int64Array::from(users));
    let plans: ArrayRef = Arc::new(StringArray::from_iter_values(plans));
    let events: ArrayRef = Arc::new(StringArray::from(events));
    assert_eq!(times.len(), plans.len());
    let columns = [("at", times), ("user_id", users), ("event", events), ("plan", plans)];
    let expected = [
        ("no time", 1, 0, "`at` is empty"),
        ("time before 1970", 2, 1, "`at` is \"1969-12-31T23:00:00Z\""),
        ("time after no_events_after", 2, 2, "`at` is \"2026-04-01T00:00:00Z\""),
        ("no user", 1, 5, "`user_id` is empty"),
        ("no event name", 2, 6, "`event` is empty"),
    ];
    check("typed.parquet", parquet(&columns), &expected, |row| format!("row {}", row + 1));
}

#[test]
fn scoped_users_need_a_scope() {
    let project = Project::good();
    let yaml = GOOD[0].1.replace("user: user_id", "user: {column: user_id, scope: plan}");
    project.write("headcount.yaml", yaml.replace("[plan]", "[]"));
    project.write(
        "events.csv",
        "at,user_id,event,plan\n\
         2026-01-05,1,searched,free\n\
         2026-01-05,1,searched,paid\n\
         2026-01-05,1,searched,\n\
         2026-01-05,2,searched,\n",
    );
    let ran = project.run(&["report", "--format", "csv", "--level", "total"]);
    assert_eq!(ran.code, 3);
    let line = "visits: no scope for the user: 2 rows, the first in ";
    assert!(ran.err.contains(line), "{}", ran.err);
    assert!(ran.err.contains("events.csv, line 4: `plan` is empty\n"), "{}", ran.err);
    assert!(ran.out.contains(",exact,2,2,2,"), "{}", ran.out);
}

/// Only rejected rows, or no rows: a report without rows.
#[test]
fn a_report_of_nothing_is_empty() {
    for (text, code) in
        [("at,user_id,event,plan\n", 0), ("at,user_id,event,plan\nnever,1,searched,free\n", 3)]
    {
        let project = Project::good();
        project.write("events.csv", text);
        for format in ["csv", "json", "table", "markdown", "html", "parquet"] {
            let ran = project.run(&["report", "--format", format]);
            assert_eq!(ran.code, code, "{format}: {}", ran.err);
            assert!(!ran.err.contains("panicked"), "{}", ran.err);
        }
        let ran = project.run(&["report", "--format", "csv"]);
        assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
        let lost = ran.err.contains("error: no row of source `visits` was counted");
        assert_eq!(lost, code == 3, "{}", ran.err);
        let check = project.run(&["check"]);
        assert_eq!(check.code, i32::from(code == 3), "{}", check.out);
    }
}

/// All rows are rejected for one column: a mistake in the project, not in some rows.
#[test]
fn a_source_without_any_good_row_is_an_error_of_the_project() {
    let project = Project::good();
    let yaml = GOOD[0].1.replace("time: at", "time: user_id");
    let second = "  - {name: other, files: other.csv, time: at, user: user_id, event: event}\n";
    project.write("headcount.yaml", format!("{yaml}{second}"));
    project.write("other.csv", "at,user_id,event\n2026-01-05,1,searched\n2026-01-05,,searched\n");
    let check = project.run(&["check"]);
    assert_eq!(check.code, 1, "{}{}", check.out, check.err);
    for part in [
        "headcount.yaml:5: error: sources[0].time: no row of source `visits` was counted: all of \
         its 7 rows were rejected; the first with `unreadable time` is in ",
        "events.csv, line 2: `user_id` is \"1\"; under `time:` of the source, name a column with \
         times",
        "1 error\n",
    ] {
        assert!(check.out.contains(part), "no {part:?} in\n{}", check.out);
    }
    assert!(!check.out.contains("no errors") && !check.out.contains("`other`"), "{}", check.out);
    assert!(check.err.contains("  visits: unreadable time: 7 rows"), "{}", check.err);
    let lost = "error: no row of source `visits` was counted: all of its 7 rows";
    // From the events, by the ingest, and from the store.
    for command in [["report", "--no-store"].as_slice(), &["ingest"], &["report"]] {
        let ran = project.run(command);
        assert_eq!(ran.code, 3, "{command:?}: {}", ran.err);
        assert!(ran.err.contains(lost), "{command:?}: {}", ran.err);
        assert!(ran.err.contains("name a column with times"), "{command:?}: {}", ran.err);
        assert!(!ran.err.contains("source `other`"), "{command:?}: {}", ran.err);
    }
}

/// The same row is reported for any order of the reading threads.
#[test]
fn the_first_rejected_row_is_that_of_the_first_file() {
    let project = Project::good();
    project.write("headcount.yaml", GOOD[0].1.replace("events.csv", "data"));
    let rows = 5_000_u32;
    let text = |faulty: u32| -> ArrayRef {
        let time = |row| if row == faulty || row == 4_990 { "never" } else { "2026-01-05" };
        Arc::new(StringArray::from_iter_values((0..rows).map(time)))
    };
    let same = |value: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(|_| value)))
    };
    for (name, faulty) in [("a.parquet", 9_999), ("b.parquet", 3_210), ("z/a.parquet", 7)] {
        let columns = [
            ("at", text(faulty)),
            ("user_id", same("1")),
            ("event", same("searched")),
            ("plan", same("free")),
        ];
        project.write(&format!("data/{name}"), crate::project::parquet_in_groups(&columns, 100));
    }
    let cells = "at,user_id,event,plan\n\r\n2026-01-05,1,\"sear\nched\",free\n\nnever,1,x,\n";
    project.write("data/0.csv.gz", crate::project::gzip(cells.as_bytes()));
    let report_with = |threads: &str| {
        let mut report = crate::project::program(project.root());
        Ran::of(report.arg("report").env("RAYON_NUM_THREADS", threads).output().unwrap())
    };
    for threads in ["1", "2", "7"] {
        let ran = report_with(threads);
        let line = "visits: unreadable time: 6 rows, the first in ";
        assert!(ran.err.contains(line), "{}", ran.err);
        assert!(ran.err.contains("0.csv.gz, line 6: `at` is \"never\""), "{}", ran.err);
    }
    std::fs::remove_file(project.path("data/0.csv.gz")).unwrap();
    for threads in ["1", "2", "7"] {
        let ran = report_with(threads);
        assert!(ran.err.contains("a.parquet, row 4991: `at` is \"never\""), "{}", ran.err);
    }
}

/// The store reports the same first row as the report.
#[test]
fn the_first_rejected_row_is_that_of_the_requested_days() {
    let project = Project::good();
    let more = "2026-01-07,,searched,free\n2026-03-01,,searched,free\nnever; 1,1,searched,free\n";
    project.write("events.csv", format!("{}{more}", GOOD[4].1));
    let report = |more: &[&str]| {
        let ran = project.run(&[&["report", "--from", "2026-03"], more].concat());
        assert_eq!(ran.code, 3, "{}", ran.err);
        ran.err
    };
    let of_events = report(&[]);
    for part in ["no user: 1 row", "line 10: `user_id` is empty", "line 11: `at` is \"never; 1\""] {
        assert!(of_events.contains(part), "no {part:?} in {of_events}");
    }
    assert_eq!(project.run(&["ingest"]).code, 3);
    assert_eq!(report(&[]), of_events);
    assert_eq!(report(&["--no-store"]), of_events);
}

/// Values in messages are cut, and without control characters.
#[test]
fn the_value_of_a_rejected_row_is_harmless() {
    let project = Project::good();
    let value = format!("\u{1b}]0;owned\u{7}\u{202e}{}", "x".repeat(100_000));
    project.write("events.csv", format!("{}{value},1,searched,free\n", GOOD[4].1));
    for command in ["report", "check", "ingest", "report"] {
        let ran = project.run(&[command]);
        assert_eq!(ran.code, 3, "{}", ran.err);
        let shown = format!(
            "line 9: `at` is \"\\u{{1b}}]0;owned\\u{{7}}\\u{{202e}}{}…\"\n",
            "x".repeat(49)
        );
        assert!(ran.err.contains(&shown), "{command}: {}", ran.err);
        assert!(!ran.err.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{command}");
    }
}

/// Events that are not in the dictionary are no fault, but are reported.
#[test]
fn unknown_events_are_reported() {
    let project = Project::good();
    let more = "2026-01-07T00:00:00Z,9,logged_in,free\n2026-01-08T00:00:00Z,9,logged_in,free\n";
    project.write("events.csv", format!("{}{more}", GOOD[4].1));
    let (clean, ran) = (report(&Project::good()), report(&project));
    assert_eq!((ran.code, &ran.out), (0, &clean.out));
    for part in ["2 events", "logged_in", "not in the dictionary", "headcount check"] {
        assert!(ran.err.contains(part), "no {part:?} in {}", ran.err);
    }
    let check = project.run(&["check"]);
    assert_eq!(check.code, 0, "{}", check.err);
    assert!(check.out.contains("logged_in"), "{}", check.out);
}
