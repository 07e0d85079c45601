//! `headcount reconcile`: every cause, with numbers derived by hand.
//!
//! The ping of January is of Wednesday 28: `iso_4w` is 2025-12-29 to 2026-01-25, `lagged_28d` is
//! 2025-12-30 to 2026-01-26, and the last 28 days of the month are 2026-01-04 to 2026-01-31.

use std::fmt::Write as _;

use super::ping;
use crate::project::{Project, Ran, contributions};

const METRICS: &str = "\
- {key_path: m.equal, data_source: internal_events, events: [{name: equal, unique: user.id}]}
- {key_path: m.iso, data_source: redis_hll, events: [{name: iso, unique: user.id}]}
- {key_path: m.lagged, data_source: database, events: [{name: lagged, unique: user.id}]}
- {key_path: m.sketch, data_source: redis_hll, events: [{name: many, unique: user.id}]}
- {key_path: m.off, data_source: database, events: [{name: many, unique: user.id}]}
- {key_path: m.timeout, events: [{name: iso, unique: user.id}]}
- {key_path: m.newer, events: [{name: iso, unique: user.id}]}
- {key_path: m.absent, events: [{name: iso, unique: user.id}]}
- {key_path: m.unknown}
- {key_path: m.projects, events: [{name: iso, unique: project.id}]}
- {key_path: m.nowhere}
- {key_path: m.frames, time_frame: [7d, 28d], events: [{name: equal, unique: user.id}]}
- {key_path: m.total, time_frame: all, events: [{name: equal, unique: user.id}]}
";

/// The project, with a dimension `deployment` or without.
fn project(deployment: &str) -> Project {
    let project = Project::empty();
    project.write(
        "headcount.yaml",
        format!(
            "dictionary: {{metrics: metrics.yml}}\nsources:\n  - {{name: pings, format: service_ping, files: \
             pings}}\n  - {{name: events, files: events.csv, time: at, user: who, event: what{deployment}}}\n"
        ),
    );
    project.write("metrics.yml", METRICS);
    let mut events = "at,who,what,of\n".to_owned();
    let mut add = |day: &str, who: &str, what: &str, of: &str| {
        let _ = writeln!(events, "{day}T12:00:00Z,{who},{what},{of}");
    };
    // 2 in the days of the month, and 2 in those of the ping.
    add("2026-01-05", "a", "equal", "saas");
    add("2026-01-06", "b", "equal", "saas");
    add("2026-01-07", "b", "equal", "saas");
    add("2026-01-08", "c", "equal", "self_managed");
    // In the month: 2 (b, c); in iso_4w: 3 (a, b, d).
    add("2025-12-29", "a", "iso", "saas");
    add("2026-01-10", "b", "iso", "saas");
    add("2026-01-26", "c", "iso", "saas");
    add("2026-01-02", "d", "iso", "saas");
    add("2026-01-31", "b", "iso", "saas");
    // In the month: 2 (b, d); in lagged_28d: 3 (a, b, e); in iso_4w: 4 (a, b, c, e).
    add("2025-12-30", "a", "lagged", "saas");
    add("2026-01-26", "b", "lagged", "saas");
    add("2026-01-15", "b", "lagged", "saas");
    add("2025-12-29", "c", "lagged", "saas");
    add("2026-01-27", "d", "lagged", "saas");
    add("2026-01-03", "e", "lagged", "saas");
    for who in 0..200 {
        add("2026-01-20", &format!("u{who}"), "many", "saas");
    }
    // The data end in February.
    add("2026-02-20", "a", "equal", "saas");
    project.write("events.csv", events);
    let saas = |at: &str, values: &str| {
        ping("x", at, &format!(r#""version": "16.7.0-pre", "edition": "EEU", "m": {{{values}}}"#))
            .replace("\"x\"", "\"ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f\"")
            .replace("x.example.com", "GitLab.com")
    };
    let january = r#""equal": 2, "iso": 3, "lagged": 3, "sketch": 203, "off": 203, "timeout": -1,
        "unknown": 7, "projects": 9, "frames_weekly": 1, "frames_monthly": 3, "total": 1000"#;
    let pings = [
        saas("2026-01-14T08:00:00Z", r#""equal": 1"#),
        saas("2026-01-28T23:59:59Z", &january.replace('\n', "")),
        saas("2026-02-11T08:00:00Z", r#""equal": 4, "iso": 2"#),
        saas("2025-11-26T08:00:00Z", r#""equal": 5"#),
        // Others, which tell since when the metrics exist.
        ping("y", "2026-01-20T08:00:00Z", r#""version": "16.8.0-ee", "m": {"newer": 4}"#),
        ping("z", "2026-01-20T08:00:00Z", r#""version": "16.6.0-ee", "m": {"absent": 4}"#),
    ];
    project.write("pings/all.ndjson", pings.join("\n"));
    project
}

#[track_caller]
fn rows(ran: &Ran, columns: &[&str]) -> Vec<String> {
    assert_eq!(ran.code, 0, "{}", ran.err);
    let table = crate::table::Table::of_csv(&ran.out);
    let places: Vec<usize> = columns.iter().map(|name| table.column(name)).collect();
    let row = |row: Vec<String>| {
        places.iter().map(|at| row[*at].as_str()).collect::<Vec<_>>().join(" | ")
    };
    table.rows.into_iter().map(row).collect()
}

#[test]
fn differences_have_likely_causes() {
    let project = project(", deployment: of");
    let command = ["reconcile", "--format", "csv", "--from", "2026-01", "--to", "2026-01"];
    let ran = project.run(&command);
    let columns = ["metric", "events", "pings", "difference", "cause", "explanation"];
    let iso = "the ping counts 2025-12-29..2026-01-25 (iso_4w), in which the events have";
    let lagged = "the ping counts 2025-12-30..2026-01-26 (lagged_28d), in which the events have";
    let expected = [
        "m.absent | 2 |  |  | not_sent | the ping of version 16.7 does not have it".to_owned(),
        "m.equal | 2 | 2 | 0 | equal | ".to_owned(),
        format!("m.frames_monthly | 2 | 3 | 1 | unexplained | {iso} 2"),
        format!("m.iso | 2 | 3 | 1 | window | {iso} 3"),
        format!("m.lagged | 2 | 3 | 1 | window | {lagged} 3"),
        "m.newer | 2 |  |  | missing_in_version | version 16.7 does not have the metric; the first known \
         to have it is 16.8"
            .to_owned(),
        format!("m.off | 200 | 203 | 3 | unexplained | {lagged} 200"),
        "m.projects |  | 9 |  | not_counted | not counted from events: does not count users".to_owned(),
        format!(
            "m.sketch | 200 | 203 | 3 | sketch_error | {iso} 200; counters of Redis may be off by 1.6 %"
        ),
        "m.timeout | 2 |  |  | not_measured | the value of the ping is no number: timeout".to_owned(),
        "m.unknown |  | 7 |  | not_counted | not counted from events: no events".to_owned(),
    ];
    assert_eq!(rows(&ran, &columns), expected);
    let summary = "compared 11: 1 equal, 2 window, 1 sketch_error, 2 not_counted, 1 missing_in_version, \
                   1 not_sent, 1 not_measured, 2 unexplained\n";
    assert_eq!(ran.err, summary);
    let details = [
        "month",
        "events_start",
        "events_end",
        "complete",
        "ping_recorded_at",
        "ping_version",
        "difference_pct",
        "ping_window",
        "ping_start",
        "ping_end",
        "events_in_ping_days",
    ];
    let ran = project.run(&[&command[..], &["--metric", "m.lagged,m.frames"]].concat());
    assert_eq!(
        rows(&ran, &details),
        [
            "2026-01-01 | 2026-01-04 | 2026-01-31 | true | 2026-01-28T23:59:59Z | 16.7.0-pre | 50.0 | \
             iso_4w | 2025-12-29 | 2026-01-25 | 2",
            "2026-01-01 | 2026-01-04 | 2026-01-31 | true | 2026-01-28T23:59:59Z | 16.7.0-pre | 50.0 | \
             lagged_28d | 2025-12-30 | 2026-01-26 | 3",
        ]
    );
    // The same from the store.
    let before = project.run(&command).out;
    assert_eq!(project.run(&["ingest"]).code, 0);
    std::fs::remove_file(project.path("events.csv")).unwrap();
    assert_eq!(project.run(&command).out, before);
}

#[test]
fn incomplete_months_and_those_without_pings_or_events_are_not_compared() {
    let project = project(", deployment: of");
    let ran = project.run(&["reconcile", "--format", "csv", "--metric", "m.equal,m.iso"]);
    assert_eq!(
        rows(&ran, &["month", "metric", "complete", "events", "pings", "cause", "explanation"])
            [2..],
        [
            "2026-02-01 | m.equal | false | 1 | 4 | incomplete | the events end on 2026-02-20; the ping \
             counts 2026-01-12..2026-02-08 (iso_4w), in which the events have 0",
            "2026-02-01 | m.iso | false | 0 | 2 | window | the ping counts 2026-01-12..2026-02-08 \
             (iso_4w), in which the events have 2",
        ]
    );
    assert_eq!(
        ran.err,
        "note: not compared, because there are no events: 2025-11\n\
         note: not compared, because there is no ping: 2025-12\n\
         compared 4: 1 equal, 2 window, 1 incomplete\n"
    );
    let table = project.run(&["reconcile", "--metric", "m.iso", "--to", "2026-01-10"]).out;
    assert_eq!(
        table.lines().collect::<Vec<_>>()[..1],
        ["month       metric  events  pings  difference  difference_pct  cause   explanation"]
    );
    assert!(
        table.contains(
            "2026-01-01  m.iso        2      3           1            50.0  window  the ping"
        ),
        "{table}"
    );
}

/// Without deployments all events are of the SaaS installation.
#[test]
fn without_deployments_all_events_count() {
    let project = project("");
    let ran =
        project.run(&["reconcile", "--format", "csv", "--metric", "m.equal", "--to", "2026-01"]);
    let explanation = "the ping counts 2025-12-29..2026-01-25 (iso_4w), in which the events have 3";
    assert_eq!(
        rows(&ran, &["metric", "events", "pings", "cause", "explanation"]),
        [format!("m.equal | 3 | 2 | unexplained | {explanation}")]
    );
    let yaml = std::fs::read_to_string(project.path("headcount.yaml")).unwrap();
    project.write("headcount.yaml", format!("time_zone: Europe/Berlin\n{yaml}"));
    let ran = project.run(&["reconcile", "--to", "2026-01"]);
    let note = "note: pings count days in UTC, and events days in Europe/Berlin\n";
    assert!(ran.code == 0 && ran.err.contains(note), "{}", ran.err);
}

#[test]
fn what_cannot_be_compared_is_explained() {
    let check = |project: &Project, arguments: &[&str], message: &str| {
        let ran = project.run(&[&["reconcile"], arguments].concat());
        assert!(ran.code == 1 && ran.err.contains(message), "{message}: {}", ran.err);
        assert_eq!(ran.out, "");
    };
    check(&Project::good(), &[], "the project has no pings, so there is nothing to compare");
    let one = project(", deployment: of");
    check(&one, &["--metric", "m.isos"], "there is no metric `m.isos`; did you mean `m.iso`?");
    check(&one, &["--metric", "m.total"], "no metric counts users of 28 days");
    check(
        &one,
        &["--from", "2026-03"],
        "has no ping in these months; it has pings in 2025-11, 2026-01 to 2026-02",
    );
    let months = "no month has both events and a ping of the SaaS installation; the events are of 2025-12-29 to \
                  2026-02-20; the pings are of 2025-11, 2026-01 to 2026-02";
    check(&one, &["--to", "2025-11"], months);
    check(
        &one,
        &["--memory-limit", "100"],
        "or compare fewer metrics (`--metric`); or raise `--memory-limit`",
    );
    check(&one, &["--metric", "m.nowhere"], "no metric is in the pings or counted from events");
    check(
        &project(", deployment: self_managed"),
        &[],
        "no source has events of the deployment `saas`",
    );
    let yaml = std::fs::read_to_string(one.path("headcount.yaml")).unwrap();
    one.write("headcount.yaml", format!("{yaml}pings: {{saas: {{uuid: y}}}}\n"));
    check(
        &one,
        &[],
        "no ping is of the SaaS installation, uuid y and hostname gitlab.com; set `pings.saas`",
    );
    one.write("headcount.yaml", yaml.lines().take(3).collect::<Vec<_>>().join("\n"));
    check(&one, &[], "the project has no events, so there is nothing to compare");
}

/// Pings that Headcount builds from the same events, by other code, have the users of their own days.
#[test]
fn pings_that_are_built_from_the_events_are_explained() {
    let (project, real) = (Project::empty(), contributions());
    let real = real.display();
    project.write(
        "headcount.yaml",
        format!(
            "dictionary: {real}/dictionary\n\
             installation: {{uuid: ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f, hostname: gitlab.com}}\n\
             sources:\n  - {{name: sent, format: service_ping, files: sent}}\n  - {{name: contributions, \
             files: {real}/data/*.parquet, time: occurred_at, user: author, event: event, dimensions: \
             [repository, component, plan], deployment: saas}}\n"
        ),
    );
    std::fs::create_dir(project.path("sent")).unwrap();
    for day in ["2020-05-31", "2020-06-18", "2020-07-05"] {
        let ran = project.run(&["ping", "--as-of", day, "-o", &format!("sent/{day}.json")]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let ran =
        project.run(&["reconcile", "--format", "csv", "--from", "2020-05", "--to", "2020-07"]);
    let rows = rows(&ran, &["pings", "events_in_ping_days", "cause"]);
    assert!(rows.len() > 30, "{rows:?}");
    let mut by_window = 0;
    for row in &rows {
        let values: Vec<&str> = row.split(" | ").collect();
        // A ping has no key for a metric without users.
        let pings = if values[2] == "not_sent" { "0" } else { values[0] };
        assert_eq!(pings, values[1], "{row}");
        assert!(["equal", "window", "not_sent"].contains(&values[2]), "{row}");
        by_window += usize::from(values[2] == "window");
    }
    assert!(by_window > 10, "{by_window} of {}", rows.len());
}
