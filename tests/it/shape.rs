//! Dependency rules: names that must not occur in some folders.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files below a file or folder of the repository, with the lines that are code.
fn code(place: &str) -> Vec<(PathBuf, Vec<String>)> {
    let path = root().join(place);
    let files: Vec<PathBuf> = if path.is_dir() {
        let mut files: Vec<PathBuf> = glob(&path);
        files.sort();
        files
    } else {
        vec![path]
    };
    assert!(!files.is_empty(), "{place} has moved");
    let lines = |file: &Path| {
        let text = fs::read_to_string(file).unwrap();
        text.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(str::to_owned)
            .collect()
    };
    files.into_iter().map(|file| (file.clone(), lines(&file))).collect()
}

fn glob(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| {
            let own = path.extension().is_some_and(|ending| ending == "rs");
            if path.is_dir() { glob(&path) } else { Vec::from_iter(own.then_some(path)) }
        })
        .collect()
}

/// No file in `places` contains one of the words.
fn check(places: &[&str], absent: &[&str]) {
    for place in places {
        for (file, lines) in code(place) {
            for (at, line) in lines.iter().enumerate() {
                let found = absent.iter().find(|word| line.contains(**word));
                assert_eq!(found, None, "{}: code line {}: {line}", file.display(), at + 1);
            }
        }
    }
}

const RING_1: &[&str] = &[
    "engine/src/calendar",
    "engine/src/users",
    "engine/src/metric",
    "engine/src/error.rs",
    "engine/src/nearest.rs",
];
const RING_2: &[&str] = &[
    "engine/src/storage",
    "engine/src/scan",
    "engine/src/functions",
    "engine/src/distinct",
    "engine/src/store",
];

#[test]
fn rings_only_use_inner_rings() {
    check(RING_1, &["arrow::", "datafusion::", "parquet::", "crate::scan", "crate::functions"]);
    check(RING_1, &["deltalake", "crate::store", "crate::storage"]);
    let outer = ["crate::rollup", "crate::active", "crate::pings", "crate::project"];
    check(RING_1, &outer);
    check(RING_2, &outer);
}

#[test]
fn the_engine_has_no_terminal_and_no_clock() {
    let outside =
        ["SystemTime", "Instant::now", "Timestamp::now", "Zoned::now", "std::env", "std::net"];
    check(&["engine/src", "sql/counters/src"], &outside);
    check(&["engine/src"], &["stdout()", "stderr()", "clap", "indicatif"]);
}

#[test]
fn output_does_not_know_what_it_writes() {
    check(
        &["sql/src/output"],
        &["crate::report", "crate::accuracy", "crate::cli", "engine::active"],
    );
}

#[test]
fn one_module_applies_time_zones_and_one_creates_sessions() {
    let zones = ["jiff", "chrono"];
    for place in [
        "metric",
        "users",
        "storage",
        "scan",
        "functions",
        "distinct",
        "store",
        "rollup",
        "active",
        "pings",
    ] {
        check(&[&format!("engine/src/{place}")], &zones);
    }
    for (file, lines) in code("sql/src") {
        // The tests of workarounds show what plain DataFusion does.
        let mut program = lines.iter().take_while(|line| !line.starts_with("#[cfg(test)]"));
        let makes = program.any(|line| line.contains("SessionContext::new"));
        let may = file.ends_with("session.rs") || file.ends_with("tests.rs");
        assert!(!makes || may, "{} makes a session", file.display());
    }
}

#[test]
fn the_truth_is_independent_of_the_engine() {
    let manifest = fs::read_to_string(root().join("datasets/Cargo.toml")).unwrap();
    assert!(!manifest.contains("engine"), "datasets must not depend on the engine");
    check(&["datasets/src"], &["engine::", "roaring", "hyperloglogplus"]);
}
