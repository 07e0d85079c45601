//! The same events in every file format, compression and column type give the same rows.

mod detected;
mod expressions;
mod forms;
mod places;
mod remote;
mod texts;
mod times;
mod users;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use engine::active::{Level, Question, ReportRow};

use crate::project::{Project, civil};

/// One event.
#[derive(Clone, Copy, Debug)]
struct Event {
    /// Whole seconds since the epoch.
    second: i64,
    user: u8,
    event: &'static str,
    plan: Option<&'static str>,
}

const EVENTS: [&str; 3] = ["page_viewed", "searched", "post_written"];
/// 2026-01-01T00:00:00Z
const JANUARY: i64 = 1_767_225_600;

/// Three months of events in time order: 120 of 23 users, some without a plan.
fn events() -> Vec<Event> {
    let event = |at: i64| Event {
        // 17 hours and some: other days, hours, minutes and seconds every time.
        second: JANUARY + at * 61_234,
        user: (at * at % 23) as u8,
        event: EVENTS[(at % 7 % 3) as usize],
        plan: [None, Some("free"), Some("paid"), Some("")][(at % 11 % 4) as usize],
    };
    (0..120).map(event).collect()
}

/// The report for every form of the events: all levels, by plan.
fn question() -> Question {
    Question {
        levels: BTreeSet::from_iter(Level::ALL.iter().copied()),
        by: vec!["plan".to_owned()],
        ..Question::default()
    }
}

/// The fields of the source in `headcount.yaml`.
const FIELDS: &str = "time: at, user: user_id, event: event, dimensions: [plan]";

/// A project over `files` with these fields of its source.
fn project(files: &str, fields: &str) -> Project {
    let project = Project::good();
    let source = format!("sources:\n  - {{name: visits, files: {files}, {fields}}}\n");
    project.write("headcount.yaml", source);
    std::fs::remove_file(project.path("events.csv")).unwrap();
    project
}

/// The rows of a project whose only file is this one.
fn rows_of(file: &str, content: &[u8], fields: &str) -> Vec<ReportRow> {
    let project = project(&format!("'{file}'"), fields);
    project.write(file, content);
    rows(&project)
}

fn rows(project: &Project) -> Vec<ReportRow> {
    let answer = project.ask(&question());
    assert_eq!(answer.summary.rejects.total(), 0, "{:?}", answer.summary.rejects);
    answer.report.rows
}

/// The rows that every form must give: those of CSV, whose totals are counted here again.
fn expected() -> Vec<ReportRow> {
    let rows = rows_of("events.csv", csv(&events(), ',').as_bytes(), FIELDS);
    for (start, end) in [("2026-01", "2026-02"), ("2026-02", "2026-03"), ("2026-03", "2026-04")] {
        for plan in [None, Some("(none)"), Some("free"), Some("paid")] {
            let day = |text: &str| engine::calendar::first_day(text).unwrap().number();
            let (from, to) = (i64::from(day(start)) * 86_400, i64::from(day(end)) * 86_400);
            let all = events();
            let in_it = all.iter().filter(|event| (from..to).contains(&event.second));
            let named = |plan: Option<&'static str>| match plan {
                None | Some("") => "(none)",
                Some(plan) => plan,
            };
            let of_plan = in_it.filter(|event| plan.is_none_or(|plan| named(event.plan) == plan));
            let users: BTreeSet<u8> = of_plan.map(|event| event.user).collect();
            let is_it = |row: &&ReportRow| {
                row.level == Level::Total
                    && i64::from(row.period.start.number()) * 86_400 == from
                    && row.by[0].as_deref() == plan
            };
            let found: Vec<u64> = rows.iter().filter(is_it).map(|row| row.users).collect();
            assert_eq!(found, [users.len() as u64], "{start} {plan:?}");
        }
    }
    rows
}

fn csv(events: &[Event], delimiter: char) -> String {
    let mut text = ["at", "user_id", "event", "plan"].join(&delimiter.to_string()) + "\n";
    for Event { second, user, event, plan } in events {
        let fields = [civil(*second) + "Z", user.to_string(), (*event).to_owned()];
        let plan = plan.unwrap_or_default();
        text += &format!("{}{delimiter}{plan}\n", fields.join(&delimiter.to_string()));
    }
    text
}

fn ndjson(events: &[Event]) -> String {
    let mut text = String::new();
    for Event { second, user, event, plan } in events {
        let plan = plan.map_or("null".to_owned(), |plan| format!("\"{plan}\""));
        let at = civil(*second);
        let row = format!("\"at\": \"{at}Z\", \"user_id\": {user}, \"event\": \"{event}\"");
        text += &format!("{{{row}, \"plan\": {plan}}}\n");
    }
    text
}

/// The columns of a Parquet file; some may be replaced.
fn columns(events: &[Event]) -> Vec<(&'static str, ArrayRef)> {
    let times = events.iter().map(|event| event.second * 1_000_000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let users = arrow::array::Int64Array::from_iter_values(events.iter().map(|e| e.user.into()));
    vec![
        ("at", Arc::new(times)),
        ("user_id", Arc::new(users)),
        ("event", Arc::new(StringArray::from_iter_values(events.iter().map(|e| e.event)))),
        ("plan", Arc::new(events.iter().map(|event| event.plan).collect::<StringArray>())),
    ]
}

/// The columns with one of them in another form.
fn columns_with(name: &'static str, array: ArrayRef) -> Vec<(&'static str, ArrayRef)> {
    let mut columns = columns(&events());
    let place = columns.iter_mut().find(|(column, _)| *column == name);
    place.unwrap().1 = array;
    columns
}

#[test]
fn the_base_is_not_empty() {
    let rows = expected();
    assert!(rows.len() > 60, "{} rows", rows.len());
    assert!(rows.iter().filter(|row| row.users > 0).count() > 50);
}
