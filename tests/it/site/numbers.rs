//! Every statement of a site runs, and gives the numbers of the site and of the report.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};

use super::{site, table};
use crate::metric_data;
use crate::project::{Project, contributions, copy_contributions, parquet, run_in};
use crate::table::Table;

/// The numbers of a statement by month; months without users are left out.
type Months = BTreeMap<String, u64>;

/// Runs all statements of a table at once.
fn run_statements(root: &Path, statements: &[&str]) -> Vec<Months> {
    let folder = Project::empty();
    folder.write("all.sql", statements.join("\n"));
    let file = folder.path("all.sql").display().to_string();
    let ran = run_in(root, &["sql", "--format", "csv", "-f", &file]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let results: Vec<Months> = ran
        .out
        .split("\n\n")
        .map(|result| {
            let table = Table::of_csv(&format!("{}\n", result.trim_end()));
            let months =
                table.rows.into_iter().map(|row| (row[0].clone(), row[1].parse::<u64>().unwrap()));
            months.filter(|(_, value)| *value > 0).collect()
        })
        .collect();
    assert_eq!(results.len(), statements.len());
    results
}

/// Checks every statement of a site against the site's numbers and the report; returns the statements.
fn check(root: &Path) -> Vec<(String, String)> {
    let files = site(root, &Project::empty(), &[]);
    let table = table(&files);
    let value = |row: &[String], name: &str| row[table.column(name)].clone();
    let rows: Vec<&Vec<String>> =
        table.rows.iter().filter(|row| !value(row, "sql").is_empty()).collect();
    let statements: Vec<String> = rows.iter().map(|row| value(row, "sql")).collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let results = run_statements(root, &statements);
    let report = report(root);
    for (row, months) in rows.iter().zip(&results) {
        let latest = value(row, "latest");
        let (name, kind) = (value(row, "name"), value(row, "kind"));
        if latest.is_empty() {
            assert!(months.is_empty(), "{name}: {months:?}");
            continue;
        }
        let month = value(row, "latest_month");
        let found = months.get(&month).copied().unwrap_or(0);
        assert_eq!(found.to_string(), latest, "{name} in {month}");
        // The trend ends with the latest month.
        let trend = value(row, "trend");
        let trend: Vec<u64> = trend.split(' ').map(|number| number.parse().unwrap()).collect();
        let before: Vec<u64> = months.range(..=month).map(|(_, users)| *users).collect();
        let filled: Vec<u64> = trend.iter().copied().filter(|users| *users > 0).collect();
        assert!(before.ends_with(&filled), "{name}: {before:?} {filled:?}");
        if kind == "event" || value(row, "latest_from") == "pings" {
            continue;
        }
        let keys = ["section", "stage", "group"].map(|column| value(row, column));
        let is_own = |key: &[String]| match kind.as_str() {
            // Its node on the last day may be none.
            "metric" => key[0] == "action" && key[4] == name,
            kind => key[0] == kind && key[1..4] == keys,
        };
        let reported: Months = report
            .iter()
            .filter(|(key, users)| is_own(key) && **users > 0)
            .map(|(key, users)| (key[5].clone(), *users))
            .collect();
        assert_eq!(*months, reported, "{name}");
    }
    statements_by_name(&rows, &table)
}

/// The report's users by level, section, stage, group, metric and month; none without events.
fn report(root: &Path) -> BTreeMap<Vec<String>, u64> {
    let settings = std::fs::read_to_string(root.join("headcount.yaml")).unwrap();
    if !settings.contains("user:") {
        return BTreeMap::new();
    }
    let levels = "section,stage,group,action";
    let arguments = ["report", "--format", "csv", "--window", "month", "--level", levels];
    let ran = run_in(root, &arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let keys = ["level", "section", "stage", "group", "metric", "period_start"];
    Table::of_csv(&ran.out).numbers(&keys, "users")
}

fn statements_by_name(rows: &[&Vec<String>], table: &Table) -> Vec<(String, String)> {
    let [name, sql] = ["name", "sql"].map(|column| table.column(column));
    rows.iter().map(|row| (row[name].clone(), row[sql].clone())).collect()
}

#[test]
fn those_of_the_demo_count_its_events() {
    let statements = check(&contributions());
    assert_eq!(statements.len(), 29 + 4 + 22 + 9 + 3);
    let metrics = &statements[..29];
    let is_plain =
        |sql: &str| sql.contains("FROM contributions") && sql.contains("count(DISTINCT author)");
    assert!(metrics.iter().all(|(_, sql)| is_plain(sql)), "{metrics:?}");
}

#[test]
fn from_a_store_they_are_the_same() {
    let folder = Project::empty();
    let root = folder.path("project");
    copy_contributions(&root);
    let before = site(&root, &Project::empty(), &[]);
    assert_eq!(run_in(&root, &["ingest"]).code, 0);
    let after = site(&root, &Project::empty(), &[]);
    assert_eq!(before, after);
}

#[test]
fn those_of_text_files_and_pings_ask_the_report() {
    let statements = check(metric_data::project().root());
    let statement = |name: &str| &statements.iter().find(|(own, _)| own == name).unwrap().1;
    assert!(statement("monthly.view_pages").contains("FROM active_users('month'"));
    check(Project::good().root());
    let fleet = metric_data::project();
    let settings = "sources: [{name: fleet, format: service_ping, files: pings.ndjson}]\n";
    fleet.write("headcount.yaml", settings);
    let statements = check(fleet.root());
    let view_pages = &statements.iter().find(|(own, _)| own == "monthly.view_pages").unwrap().1;
    assert!(view_pages.contains("FROM ping_recorded"), "{view_pages}");
}

/// Intersections, filters by constants and by dimensions that no source has, names that need quotes.
#[test]
fn those_of_unusual_definitions_count_the_same() {
    let project = Project::good();
    let hour = 3_600_000_000_i64;
    let at: Vec<i64> = (0..600).map(|event| 1_767_225_600_000_000 + event * 7 * hour).collect();
    let users: Vec<i64> = (0..600).map(|event| event * event % 37).collect();
    let actions: Vec<&str> = (0..600).map(|event| ["it's", "b", "c"][event / 2 % 3]).collect();
    let plans: Vec<Option<&str>> =
        (0..600).map(|event| [None, Some("pro"), Some("x'")][event % 3]).collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("At", Arc::new(TimestampMicrosecondArray::from(at).with_timezone("UTC"))),
        ("user", Arc::new(Int64Array::from(users))),
        ("event", Arc::new(StringArray::from(actions))),
        ("Plan", Arc::new(StringArray::from(plans))),
    ];
    project.write("events.parquet", parquet(&columns));
    project.write(
        "headcount.yaml",
        "sources:\n  - {name: visits, files: events.parquet, time: At, user: user, event: event, \
         dimensions: [Plan], deployment: saas}\n",
    );
    project.write(
        "dictionary/metrics/all.yml",
        "
- {key_path: both, operator: AND, product_group: pages, events: [{name: b, unique: user.id}, {name: \"it's\", unique: user.id, filter: {Plan: [pro, \"x'\"]}}]}
- {key_path: quoted, product_group: pages, events: [{name: \"it's\", unique: user.id, filter: {Plan: \"x'\"}}, {name: c, unique: user.id}]}
- {key_path: saas, product_group: search, events: [{name: c, unique: user.id, filter: {deployment: saas}}]}
- {key_path: dedicated, product_group: search, events: [{name: c, unique: user.id, filter: {deployment: dedicated}}]}
- {key_path: \"it's (none)\", product_group: posts, events: [{name: b, unique: user.id, filter: {Plan: (none)}}]}
- {key_path: ended, product_group: posts, valid_to: 2026-02-01, events: [{name: b, unique: user.id}]}
",
    );
    project.write("dictionary/events/all.yml", "[{action: b}, {action: \"it's\"}, {action: c}]");
    let statements = check(project.root());
    let statement = |name: &str| &statements.iter().find(|(own, _)| own == name).unwrap().1;
    assert!(statement("both").contains("HAVING"), "{}", statement("both"));
    assert!(statement("quoted").contains("count(DISTINCT \"user\")"), "{}", statement("quoted"));
    assert!(statement("ended").contains("active_users"), "{}", statement("ended"));
}
