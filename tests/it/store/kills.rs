//! Processes that are killed at random moments, that run at the same time, and a full disk.
//!
//! `HEADCOUNT_KILLS` is the number of kills (default 40).

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use datasets::{Ids, Settings, generate};
use engine::active::{Level, Question};
use engine::calendar::Window;
use tempfile::TempDir;

use super::{assert_same, assert_sound, local, open};
use crate::project::program;

/// Events of 24 files, with keys that get ids, and late events.
fn made() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(folder.path());
    (settings.events, settings.users, settings.months) = (120_000, 8_000, 6);
    (settings.files_per_month, settings.ids, settings.late) = (4, Ids::Uuid, 0.1);
    generate(&settings, &|_| ()).unwrap();
    folder
}

fn start(root: &Path, arguments: &[&str]) -> Child {
    program(root).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

const INGEST: [&str; 3] = ["ingest", "--memory-limit", "16MiB"];

fn question() -> Question {
    let levels = [Level::Total, Level::Stage, Level::Action].into();
    Question { window: Window::Week, levels, ..Question::default() }
}

#[test]
fn a_killed_process_leaves_a_store_that_counts_right() {
    let kills: u32 =
        std::env::var("HEADCOUNT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let folder = made();
    let root = folder.path();
    let begin = Instant::now();
    assert!(start(root, &INGEST).wait().unwrap().success());
    let whole = begin.elapsed();
    let expected = assert_same(root, &question()).report.rows;
    let mut state = 7u64;
    let mut random = |most: Duration| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        most.mul_f64((state >> 40) as f64 / (1u64 << 24) as f64)
    };
    std::fs::remove_dir_all(root.join("store")).unwrap();
    let mut struck = 0;
    for kill in 0..kills {
        // Three ingests are killed, the next may end, then two compactions are killed.
        let round = kill % 5;
        if round == 3 {
            assert!(start(root, &INGEST).wait().unwrap().success(), "kill {kill}");
            assert_eq!(open(root).ledger().len(), 24, "kill {kill}");
        }
        let arguments = if round > 2 { ["store", "compact"].as_slice() } else { &INGEST };
        let mut child = start(root, arguments);
        std::thread::sleep(random(whole));
        struck += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let begun = root.join("store/activity/_delta_log").is_dir();
        if begun && engine::store::Store::open(&local(root), None).unwrap().is_some() {
            assert_sound(root);
            assert_eq!(assert_same(root, &question()).report.rows, expected, "kill {kill}");
        }
        if round == 4 {
            std::fs::remove_dir_all(root.join("store")).unwrap();
        }
    }
    assert!(struck > 0 || kills == 0, "every process had ended before it was killed");
    assert!(start(root, &INGEST).wait().unwrap().success());
    assert!(start(root, &["store", "compact", "--sweep"]).wait().unwrap().success());
    assert_sound(root);
    assert_eq!(open(root).ledger().len(), 24);
    assert_eq!(open(root).ledger().iter().map(|entry| entry.events).sum::<u64>(), 120_000);
    assert_eq!(open(root).unused().unwrap(), []);
    // Without the events, so that nothing but the store can have answered.
    std::fs::remove_dir_all(root.join("events")).unwrap();
    assert_eq!(crate::project::ask_at(root, &question()).unwrap().report.rows, expected);
}

#[test]
fn processes_that_meet_wait_for_each_other() {
    let folder = made();
    let root = folder.path();
    let children: Vec<Child> =
        (0..3).flat_map(|_| [start(root, &INGEST), start(root, &["ingest"])]).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_sound(root);
    assert_eq!(open(root).ledger().len(), 24);
    assert_same(root, &question());
}

/// A limit on the size of files makes writes fail as a full disk does.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_nothing_else() {
    let folder = made();
    let root = folder.path();
    let program = env!("CARGO_BIN_EXE_headcount");
    for blocks in [0, 1, 4, 16, 64, 256] {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec {program} ingest");
        let output =
            std::process::Command::new("sh").args(["-c", &limited]).current_dir(root).output();
        let output = output.unwrap();
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(1), "{blocks} blocks");
            let printed = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(printed.contains("error: "), "{printed}");
        }
        let store = engine::store::Store::open(&local(root), None);
        if store.unwrap().is_some() {
            assert_sound(root);
            assert_same(root, &question());
        }
    }
    assert!(start(root, &INGEST).wait().unwrap().success());
    assert_sound(root);
    assert_eq!(open(root).ledger().len(), 24);
    assert_same(root, &question());
}
