//! Files, folders, globs, several sources, and scopes of users.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};

use super::{Event, FIELDS, columns, csv, events, expected, ndjson, project, rows, rows_of};
use crate::project::{GOOD, Project, parquet};

/// The events in three files of three formats, and others that are not events.
fn spread(files: &str) -> Project {
    let project = project(files, FIELDS);
    let third = |at: usize| -> Vec<Event> { events().into_iter().skip(at).step_by(3).collect() };
    project.write("data/2026/a.csv", csv(&third(0), ','));
    project.write("data/2026/deep/er/b.ndjson", ndjson(&third(1)));
    project.write("data/c.parquet", parquet(&columns(&third(2))));
    project.write("data/README.md", "not events");
    project.write("data/_SUCCESS", "");
    project.write("data/.hidden.csv", "not,events\n");
    project.write("data/_temporary/half.csv", "not,events\n");
    project
}

#[test]
fn files_folders_and_globs() {
    let expected = expected();
    for files in [
        "data",
        "data/",
        "[data]",
        "[data/2026/a.csv, data/2026/deep, data/*.parquet]",
        "[data/c.parquet, data/2026]",
        "'data/**/[abc].*'",
        "[data/2026/*, data/*.parquet]",
        // Named twice, read once.
        "[data, data/2026/a.csv, 'data/**/*.parquet', data]",
    ] {
        assert_eq!(rows(&spread(files)), expected, "{files}");
    }
    let absolute = spread("data");
    let yaml = std::fs::read_to_string(absolute.path("headcount.yaml")).unwrap();
    let folder = absolute.path("data").display().to_string();
    absolute.write("headcount.yaml", yaml.replace("files: data", &format!("files: {folder}")));
    assert_eq!(rows(&absolute), expected, "an absolute path");
}

/// A file is read once, whichever links and patterns lead to it, and links that lead back to a
/// folder above end the search there.
#[cfg(unix)]
#[test]
fn links() {
    use std::os::unix::fs::symlink;
    let expected = expected();
    for files in [
        "data",
        "again",
        "[data, again]",
        "'data/**'",
        "'[ad][ga]*/**/[abc].*'",
        "'data/**/[abc].*'",
        "[data/c.csv, again/2026, data/2026, data/loop/2026/a.csv]",
        "[data/2026/*.csv, 'data/*/*/*/[ab].*', data/one.csv]",
    ] {
        let project = project(files, FIELDS);
        for (at, name) in ["2026/a", "2026/deep/er/b", "c"].into_iter().enumerate() {
            let part: Vec<Event> = events().into_iter().skip(at).step_by(3).collect();
            project.write(&format!("data/{name}.csv"), csv(&part, ','));
        }
        project.write("data/README.md", "not events");
        symlink("data", project.path("again")).unwrap();
        symlink(".", project.path("data/loop")).unwrap();
        symlink("..", project.path("data/2026/up")).unwrap();
        symlink(project.path("data"), project.path("data/2026/deep/loop")).unwrap();
        symlink("c.csv", project.path("data/one.csv")).unwrap();
        assert_eq!(rows(&project), expected, "{files}");
        let sql = "SELECT count(*) AS rows FROM visits";
        let of_source = project.run(&["sql", "--format", "csv", "-c", sql]);
        assert_eq!(of_source.out, "rows\n120\n", "{files}: {}", of_source.err);
        let check = project.run(&["check"]);
        assert!(check.out.contains("data: 120 events"), "{files}: {} {}", check.out, check.err);
        let report = ["report", "--format", "csv", "--level", "total,action"];
        let before = project.run(&report);
        assert_eq!(project.run(&["ingest"]).code, 0);
        assert_eq!(project.run(&report).out, before.out, "{files}");
    }
}

/// Two links in every folder to the next one are 2^30 paths to the last one, and one folder.
#[cfg(unix)]
#[test]
fn links_that_lead_sideways() {
    for files in ["data/0", "'data/0/**'", "'data/0/**/*.csv'", "'data/[0]/**/../*/*.csv'"] {
        let project = project(files, FIELDS);
        project.write("data/30/events.csv", csv(&events(), ','));
        for at in 0..30 {
            let folder = project.path(&format!("data/{at}"));
            std::fs::create_dir_all(&folder).unwrap();
            for name in ["left", "right"] {
                std::os::unix::fs::symlink(format!("../{}", at + 1), folder.join(name)).unwrap();
            }
        }
        assert_eq!(rows(&project), expected(), "{files}");
    }
}

/// Characters of patterns in a folder's own name are literal.
#[test]
fn a_project_in_a_folder_with_brackets() {
    let outer = Project::good();
    for (name, text) in GOOD {
        outer.write(&format!("a[1]/{name}"), text.replace("events.csv", "'*s.csv'"));
    }
    let ran = outer.run(&["report", "--project", "a[1]", "--format", "csv"]);
    assert_eq!(
        (ran.code, ran.out),
        (0, outer.run(&["report", "--format", "csv"]).out),
        "{}",
        ran.err
    );
}

/// Two sources with other names for the same things give one report.
#[test]
fn several_sources() {
    let project = Project::good();
    project.write(
        "headcount.yaml",
        "\
sources:
  - {name: old, files: old.csv, time: at, user: user_id, event: event, dimensions: [plan]}
  - name: new
    files: new.parquet
    time: when
    user: who
    event: what
    dimensions: [plan]
",
    );
    let (first, second) = (events()[..50].to_vec(), events()[50..].to_vec());
    project.write("old.csv", csv(&first, ','));
    let names = ["when", "who", "what", "plan"];
    let renamed: Vec<(&str, ArrayRef)> =
        names.into_iter().zip(columns(&second)).map(|(name, (_, array))| (name, array)).collect();
    project.write("new.parquet", parquet(&renamed));
    assert_eq!(rows(&project), expected());
}

/// A dot in the name of a column is literal.
#[test]
fn columns_with_a_dot_in_their_name() {
    let fields = FIELDS.replace("user_id", "user.id").replace("time: at", "time: event.at");
    let text = csv(&events(), ',').replacen("at,user_id", "event.at,user.id", 1);
    assert_eq!(rows_of("events.csv", text.as_bytes(), &fields), expected());
    let mut columns = columns(&events());
    (columns[0].0, columns[1].0) = ("event.at", "user.id");
    assert_eq!(rows_of("events.parquet", &parquet(&columns), &fields), expected());
}

/// User 42 of two installations counts twice with a scope, and once without.
#[test]
fn scopes() {
    let text = "\
at,user_id,event,installation
2026-01-05,42,searched,1
2026-01-06,42,searched,2
2026-01-07,42,page_viewed,1
2026-01-08,7,searched,2
";
    let count = |fields: &str, files: &[(&str, Vec<u8>)]| {
        let project = project("data", fields);
        for (name, bytes) in files {
            project.write(&format!("data/{name}"), bytes);
        }
        let question = engine::active::Question::default();
        project.ask(&question).report.rows[0].users
    };
    let plain = "time: at, user: user_id, event: event";
    let scoped = "time: at, user: {column: user_id, scope: installation}, event: event";
    let csv = || vec![("a.csv", text.as_bytes().to_vec())];
    assert_eq!(count(plain, &csv()), 2);
    assert_eq!(count(scoped, &csv()), 3);
    // The same installations as integers: the users are the same.
    let installations: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 1, 2]));
    let users: ArrayRef = Arc::new(Int32Array::from(vec![42, 42, 42, 7]));
    let mut columns = columns(&events()[..4]);
    columns[1].1 = users;
    columns[3] = ("installation", installations);
    let both = [csv(), vec![("b.parquet", parquet(&columns))]].concat();
    assert_eq!(count(scoped, &both), 3);
    assert_eq!(count(plain, &both), 2);
}

/// A source with scopes and one without have no users in common.
#[test]
fn scoped_and_unscoped_sources() {
    let project = Project::good();
    project.write(
        "headcount.yaml",
        "\
sources:
  - {name: a, files: a.csv, time: at, user: user_id, event: event}
  - name: b
    files: b.csv
    time: at
    user: {column: user_id, scope: installation}
    event: event
",
    );
    project.write("a.csv", "at,user_id,event\n2026-01-05,42,searched\n");
    project.write("b.csv", "at,user_id,event,installation\n2026-01-05,42,searched,1\n");
    let answer = project.ask(&engine::active::Question::default());
    assert_eq!(answer.report.rows[0].users, 2);
}

/// A file that changes while it is read is an error.
#[test]
fn files_that_change_while_they_are_read() {
    for (name, content) in [
        ("events.csv", csv(&events(), ',').into_bytes()),
        ("events.ndjson", ndjson(&events()).into_bytes()),
        ("events.parquet", parquet(&columns(&events()))),
    ] {
        let files = project(name, FIELDS);
        files.write(name, &content);
        let project = engine::project::Project::load(files.root()).unwrap();
        let dictionary =
            engine::metric::Dictionary::load(project.dictionary.as_ref().unwrap()).unwrap();
        let question = engine::active::Question::default();
        let ask = |during: &(dyn Fn() + Sync)| {
            engine::active::answer(
                &project,
                &dictionary,
                &question,
                &engine::JobContext::default().with_progress(|_, _| during()),
            )
        };
        let expected = ask(&|| ()).unwrap().report.rows;
        let error = ask(&|| files.write(name, [content.as_slice(), b"\n"].concat())).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("changed while it was being read") && error.contains(name),
            "{error}"
        );
        // What is gone was read before.
        files.write(name, &content);
        let answer = ask(&|| _ = std::fs::remove_file(files.path(name))).unwrap();
        assert_eq!(answer.report.rows, expected, "{name}");
    }
}
