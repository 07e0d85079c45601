//! The commands `ingest`, `store` and `report`.

use super::ingest_new;
use crate::project::{GOOD, Project};

fn info(project: &Project) -> String {
    let ran = project.run(&["store", "info"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.out
}

#[test]
fn a_file_is_known_by_its_content() {
    let project = Project::good();
    let expected = project.run(&["report"]).out;
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("events.csv: 7 events\n"), "{}", ran.err);
    assert!(ran.err.contains("7 events of 1 files; the store is at version 1"), "{}", ran.err);
    assert_eq!(ran.out, "");
    assert_eq!(project.run(&["report"]).out, expected);

    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("already ingested, nothing to do:\n  events.csv\n"), "{}", ran.err);
    assert!(ran.err.contains("0 events of 0 files; the store is at version 1"), "{}", ran.err);

    // Another name is no other content.
    std::fs::rename(project.path("events.csv"), project.path("moved.csv")).unwrap();
    let yaml = GOOD[0].1.replace("events.csv", "\"*.csv\"");
    project.write("headcount.yaml", yaml);
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("  moved.csv (as events.csv)\n"), "{}", ran.err);
    assert_eq!(project.run(&["report"]).out, expected);

    // New content under the old name, while the old content is still there: a log that rotates.
    project.write("events.csv", "at,user_id,event,plan\n2026-03-02T00:00:00Z,9,searched,free\n");
    let table = project.report(&["--level", "total"]);
    assert_eq!(table.lines(&["users"]), ["2", "3", "2"]);
    let ran = project.run(&["ingest", "events.csv"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("1 events of 1 files; the store is at version 2"), "{}", ran.err);
    assert_eq!(project.report(&["--level", "total"]).lines(&["users"]), ["2", "3", "2"]);
}

#[test]
fn a_changed_file_is_detected() {
    let project = Project::good();
    project.run(&["ingest"]);
    let text = GOOD[4].1.replace(",3,searched", ",7,searched");
    project.write("events.csv", text);
    // The report is that of the events as they are now.
    let ran = project.run(&["report", "--level", "total", "--format", "csv"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("events.csv has changed since it was ingested"), "{}", ran.err);
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("changed since they were ingested"), "{}", ran.err);
    assert!(info(&project).contains("version:    1\n"));
}

#[test]
fn rejected_rows_are_reported_once_by_ingest_and_always_by_report() {
    let project = Project::good();
    let text = format!("{}2026-02-11T00:00:00Z,,page_viewed,free\nnever,1,searched,\n", GOOD[4].1);
    project.write("events.csv", text);
    let raw = project.run(&["report"]);
    assert_eq!(raw.code, 3);
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("events.csv: 7 events, 2 rejected"), "{}", ran.err);
    assert!(ran.err.contains("visits: no user: 1 row, the first in "), "{}", ran.err);
    assert!(ran.err.contains("events.csv, line 9: `user_id` is empty\n"), "{}", ran.err);
    assert_eq!(project.run(&["ingest"]).code, 0);
    let stored = project.run(&["report"]);
    let rows = [", line 9: `user_id` is empty", ", line 10: `at` is \"never\""];
    assert!(rows.iter().all(|row| raw.err.contains(row)), "{}", raw.err);
    assert_eq!((stored.code, stored.out, stored.err), (raw.code, raw.out, raw.err));
    // Rows that a question has no use for are no fault of its answer.
    let march = ["report", "--from", "2026-03"];
    let with_events = ["report", "--from", "2026-03", "--no-store"];
    let (stored, raw) = (project.run(&march), project.run(&with_events));
    assert_eq!((stored.code, stored.out, stored.err), (raw.code, raw.out, raw.err));
}

#[test]
fn other_settings_are_no_silent_change() {
    let project = Project::good();
    project.run(&["ingest"]);
    let expected = project.run(&["report"]).out;
    project.write("headcount.yaml", GOOD[0].1.replace("UTC", "Asia/Kolkata"));
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("was ingested with other settings"), "{}", ran.err);
    let ran = project.run(&["report"]);
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("note: the store was not used"), "{}", ran.err);
    assert_ne!(ran.out, expected);
    // When the events are gone there is nothing to answer from.
    std::fs::remove_file(project.path("events.csv")).unwrap();
    let ran = project.run(&["report"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("are only in the store"), "{}", ran.err);
    project.write("headcount.yaml", GOOD[0].1);
    assert_eq!(project.run(&["report"]).out, expected);
}

#[test]
fn only_some_dimensions_are_kept() {
    let project = Project::good();
    let yaml = format!("{}store: {{path: rollup, dimensions: []}}\n", GOOD[0].1);
    project.write("headcount.yaml", yaml);
    let (total, by) = (project.run(&["report"]), project.run(&["report", "--by", "plan"]));
    assert_eq!(project.run(&["ingest"]).code, 0);
    assert!(project.path("rollup/activity/_delta_log").is_dir());
    assert!(info(&project).contains("dimensions: none\n"));
    assert_eq!(project.run(&["report"]).out, total.out);
    let ran = project.run(&["report", "--by", "plan"]);
    assert_eq!(ran.out, by.out);
    assert!(ran.err.contains("the store does not have the dimension `plan`"), "{}", ran.err);
    let yaml = format!("{}store: {{dimensions: [colour]}}\n", GOOD[0].1);
    project.write("headcount.yaml", yaml);
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no source has a dimension `colour`"), "{}", ran.err);
}

#[test]
fn wrong_calls_end_with_what_to_do() {
    let project = Project::good();
    let ran = project.run(&["store", "info"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("run `headcount ingest` to create it"), "{}", ran.err);
    project.write("other.csv", GOOD[4].1);
    let ran = project.run(&["ingest", "other.csv"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("this file belongs to no source of the project"), "{}", ran.err);
    let ran = project.run(&["ingest", "nothing.csv"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no such file"), "{}", ran.err);
    let ran = project.run(&["ingest", "--memory-limit", "1KB"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("is too low"), "{}", ran.err);
    assert_eq!(project.run(&["ingest", "--memory-limit", "much"]).code, 2);
    project.write("headcount.yaml", format!("{}store: ftp://host/store\n", GOOD[0].1));
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`ftp` URLs are not supported"), "{}", ran.err);
    assert!(!project.path("ftp:").exists());
}

#[test]
fn compacting_and_exporting_keep_every_answer() {
    let project = Project::good();
    let lines: Vec<&str> = GOOD[4].1.lines().collect();
    project.write("headcount.yaml", GOOD[0].1.replace("events.csv", "\"*.csv\""));
    let expected = project.run(&["report", "--by", "plan"]).out;
    std::fs::remove_file(project.path("events.csv")).unwrap();
    for (at, line) in lines[1..].iter().enumerate() {
        project.write(&format!("{at}.csv"), format!("{}\n{line}\n", lines[0]));
        assert_eq!(project.run(&["ingest"]).code, 0);
    }
    assert!(info(&project).contains("version:    7\n"), "{}", info(&project));
    assert_eq!(project.run(&["report", "--by", "plan"]).out, expected);
    let ran = project.run(&["store", "compact"]);
    assert!(ran.err.contains("the store is at version 8"), "{}", ran.err);
    assert_eq!(project.run(&["report", "--by", "plan"]).out, expected);
    assert_eq!(project.run(&["store", "verify"]).code, 0);
    // Older versions are still there.
    let old = project.run(&["store", "info", "--version", "3"]);
    assert!(old.out.contains("events:     3, and 0 rejected"), "{}", old.out);
    assert_eq!(project.run(&["store", "verify", "--version", "3"]).code, 0);
    let ran = project.run(&["store", "compact", "--sweep"]);
    assert!(ran.err.contains("nothing to compact"), "{}", ran.err);
    assert!(ran.err.contains("deleted 21 files"), "{}", ran.err);
    assert_eq!(project.run(&["report", "--by", "plan"]).out, expected);
    assert_eq!(project.run(&["store", "verify"]).code, 0);
    assert_eq!(project.run(&["store", "info", "--version", "3"]).code, 1);

    assert_eq!(project.run(&["store", "export", "-o", "copy"]).code, 0);
    let files = std::fs::read_dir(project.path("copy/activity")).unwrap().count();
    assert_eq!(files, 1);
    assert_eq!(project.run(&["store", "export", "-o", "copy"]).code, 1);
}

/// Two files with different events that leave the same sets count twice.
#[test]
fn events_that_look_alike_are_counted_apart() {
    let project = Project::good();
    project.write("headcount.yaml", GOOD[0].1.replace("events.csv", "\"*.csv\""));
    let one = |second: u32| {
        format!("at,user_id,event,plan\n2026-03-05T10:00:{second:02}Z,1,page_viewed,free\n")
    };
    for second in 10..13 {
        project.write(&format!("{second}.csv"), one(second));
        assert_eq!(project.run(&["ingest", &format!("{second}.csv")]).code, 0);
    }
    assert_eq!(project.run(&["ingest"]).code, 0);
    let ran = project.run(&["store", "verify"]);
    assert!(ran.out.contains(" 10 events, "), "{}", ran.out);
    assert_eq!(ran.code, 0, "{}", ran.out);
}

/// The working folder does not matter if the project is given.
#[test]
fn a_project_is_named_by_a_relative_path() {
    let project = Project::good();
    let (parent, name) = (project.root().parent().unwrap(), project.root().file_name().unwrap());
    let run = |command: &str| {
        crate::project::run_in(parent, &[command, "--project", name.to_str().unwrap()])
    };
    let expected = run("report").out;
    let ran = run("ingest");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("  events.csv: 7 events"), "{}", ran.err);
    assert_eq!(run("report").out, expected);
    assert!(project.run(&["ingest"]).err.contains("nothing to do:\n  events.csv\n"));
}

/// Reports trust the modification time of a file; commands that read its content do not.
#[test]
fn content_under_the_same_name_size_and_time_is_found_by_reading_it() {
    let project = Project::good();
    ingest_new(project.root());
    let path = project.path("events.csv");
    let modified = path.metadata().unwrap().modified().unwrap();
    let before = project.run(&["report", "--format", "csv"]);
    let text = std::fs::read_to_string(&path).unwrap();
    project.write("events.csv", text.replace(",3,", ",1,"));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    let report = project.run(&["report", "--format", "csv"]);
    assert_eq!((report.code, report.out), (before.code, before.out));
    let plain = project.run(&["store", "verify"]);
    assert_eq!(plain.code, 0, "{}", plain.out);
    let ran = project.run(&["store", "verify", "--events"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    let fault = "error: events.csv: this file has changed since it was ingested";
    assert!(ran.out.contains(fault), "{}", ran.out);
    assert_eq!(project.run(&["ingest"]).code, 1);
}

/// Stores contain this text, so it must never change.
#[test]
fn settings_are_a_code() {
    let project = Project::good();
    ingest_new(project.root());
    let store = super::open(project.root());
    assert_eq!(
        store.ledger()[0].settings,
        "1;zone=UTC;until=none;time=at;unit=none;time_zone=UTC;user=user_id;scope=none;\
         event=column:event;dimension:plan=column:plan"
    );
}
