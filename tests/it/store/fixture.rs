//! Stores written by earlier versions must stay readable.

use std::path::Path;

use engine::store::Checksums;

use super::{assert_sound, ingest_new};
use crate::project::{Project, copy_folder, run_in};

#[test]
fn the_first_store() {
    is_read("store-1");
}

/// Layouts that are not read any more, and those of newer programs.
#[test]
fn other_layouts_are_refused() {
    for (format, message) in
        [("2", "run `headcount ingest` to rebuild it"), ("4", "unknown store format `4`")]
    {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/store-1");
        let project = Project::empty();
        copy_folder(&fixture, project.root());
        let log = project.path("store/activity/_delta_log/00000000000000000000.json");
        let text = std::fs::read_to_string(&log).unwrap();
        let (now, then) =
            (r#""headcount.format":"1""#, format!(r#""headcount.format":"{format}""#));
        assert!(text.contains(now), "{text}");
        std::fs::write(&log, text.replace(now, &then)).unwrap();
        for command in ["report", "ingest"] {
            let ran = project.run(&[command]);
            assert_eq!(ran.code, 1, "{command}");
            assert!(ran.err.contains(message), "{command}: {}", ran.err);
        }
    }
}

/// A fixture was made by ingesting `january.csv`, then `february.csv`; `expected.csv` is the report
/// on the events. The README of the first says how to make one.
fn is_read(name: &str) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    let project = Project::empty();
    copy_folder(&fixture, project.root());
    let expected = std::fs::read_to_string(fixture.join("expected.csv")).unwrap();
    let report =
        ["report", "--format", "csv", "--by", "plan", "--level", "total,stage,group,action"];
    let ran = run_in(project.root(), &report);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, expected);
    assert_sound(project.root());
    // The events are known by their content ...
    assert_eq!(ingest_new(project.root()).added.len(), 0);
    // ... people keep their numbers, and new ones get others.
    let more = "at,user_id,event,plan\n2026-03-01T00:00:00Z,carol,searched,free\n\
                2026-03-01T00:00:00Z,newcomer,searched,free\n";
    project.write("events/march.csv", more);
    let raw = run_in(project.root(), &[report.as_slice(), &["--no-store"]].concat());
    assert_eq!(run_in(project.root(), &report).out, raw.out);
    assert_eq!(ingest_new(project.root()).new_ids, 1);
    assert_eq!(run_in(project.root(), &report).out, raw.out);
    assert_sound(project.root());
    // Nothing but the store is needed.
    std::fs::remove_dir_all(project.path("events")).unwrap();
    assert_eq!(run_in(project.root(), &report).out, raw.out);
}

/// Unreadable statistics are an error, not a number of rows.
#[test]
fn unreadable_statistics_are_an_error() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/store-1");
    let project = Project::empty();
    copy_folder(&fixture, project.root());
    let log = project.path("store/users/_delta_log/00000000000000000001.json");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace("numRecords", "numRecord5")).unwrap();
    let ran = project.run(&["store", "info"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("number of rows of "), "{}", ran.err);
}

/// Compaction gives checksums to a store that has none, though it is small already.
#[test]
fn compaction_makes_checksums() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/store-1");
    let project = Project::empty();
    copy_folder(&fixture, project.root());
    let has = |has: bool| {
        let store = super::open(project.root());
        let mut files = store.activity();
        assert!(files.all(|file| Checksums::of_footer(&file.name).is_some() == has));
    };
    has(false);
    for done in [true, false] {
        assert_eq!(super::open(project.root()).compact(&|_, _| ()).unwrap(), done);
        has(true);
    }
    assert_sound(project.root());
}
