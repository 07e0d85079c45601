//! `headcount publish`: the rows are those of the report, dbt and MetricFlow read them, and readers have the
//! earlier publication or the new one.

mod dbt;
mod replace;

use std::path::Path;

use crate::project::{Project, Ran};
use crate::python;

const LEVELS: &str = "total,combined,section,stage,group,action";

/// Publishes to `out` of the project, which must succeed.
#[track_caller]
fn publish(project: &Project, more: &[&str]) -> Ran {
    let ran = project.run(&[&["publish", "-o", "out"][..], more].concat());
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    ran
}

/// What other programs find in a table of `out`.
#[track_caller]
fn read(project: &Project, table: &str) -> String {
    let path = project.path("out").join(table);
    python::run("published.py", &[path.to_str().unwrap()]).trim().to_owned()
}

/// Names and contents of all files of a folder, but for the lock and temporary files.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if name != "lock" {
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The lines of a report in some windows, in their order, without the header.
fn reported(project: &Project, windows: &[&str], more: &[&str]) -> Vec<String> {
    let report = |window: &&str| {
        let fixed = ["report", "--format", "csv", "--level", LEVELS, "--window", window];
        let ran = project.run(&[&fixed[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    windows.iter().flat_map(report).collect()
}

#[test]
fn the_rows_are_those_of_the_reports() {
    let project = Project::good();
    for more in [
        &["--by", "plan"][..],
        &["--method", "max", "--from", "2026-02"],
        &["--approx", "--as-of", "2026-02-20"],
        &["--by", "plan", "--top", "1", "--no-store"],
    ] {
        let folder = Project::empty();
        let windows = ["month", "trailing_7d", "month"];
        let out = folder.path("out");
        let fixed = ["publish", "-o", out.to_str().unwrap(), "--window", &windows.join(",")];
        let ran = project.run(&[&fixed[..], more].concat());
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
        let sql = format!("SELECT * FROM '{}/active_users.parquet'", out.display());
        let ran = folder.run(&["sql", "--format", "csv", "-c", &sql]);
        let found: Vec<&str> = ran.out.lines().skip(1).collect();
        assert_eq!(found, reported(&project, &windows[..2], more), "{more:?}");
        assert!(found.len() > 20, "{more:?}");
    }
}

#[test]
fn the_default_windows_are_those_of_the_data() {
    let project = dbt::events_and_pings();
    let windows = |more: &[&str]| {
        publish(&project, more);
        let sql = "SELECT DISTINCT \"window\" FROM 'out/active_users.parquet' ORDER BY 1";
        let ran = project.run(&["sql", "--format", "csv", "-c", sql]);
        ran.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(windows(&[]), ["month", "ping_28d"]);
    // Rows of events alone say so.
    assert_eq!(windows(&["--by", "deployment"]), ["last_28d_of_month", "month", "ping_28d"]);
    assert_eq!(windows(&["--window", "week"]), ["week"]);
    let ran = project.run(&["publish", "-o", "out", "--window", "ping_28d,last_28d_of_month"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("cannot be published together"), "{}", ran.err);
    // A dimension of neither.
    let ran = project.run(&["publish", "-o", "out", "--by", "deployment,colour"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`colour`"), "{}", ran.err);
    assert_eq!(windows(&["--window", "ping_28d"]), ["ping_28d"]);
}

#[test]
fn rejected_rows_are_reported_once_and_the_others_published() {
    let project = Project::good();
    let events = std::fs::read_to_string(project.path("events.csv")).unwrap();
    project.write("events.csv", events + "never,4,page_viewed,free\n");
    let ran = project.run(&["publish", "-o", "out", "--window", "month,week"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!(ran.err.matches("rejected 1 row").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("published ") && project.path("out/active_users.parquet").exists());
}
