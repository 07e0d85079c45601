//! A flipped byte anywhere in the store is found.

use std::path::{Path, PathBuf};

use engine::storage::Storage;
use engine::store::Store;

use super::ingest_new;
use crate::project::{GOOD, Project};

pub(crate) fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

fn is_sound(root: &Path) -> bool {
    match Store::open(&Storage::folder(root.to_owned()), None) {
        Err(_) | Ok(None) => false,
        Ok(Some(store)) => store.verify(&|_, _| ()).is_ok_and(|found| found.faults.is_empty()),
    }
}

#[test]
fn a_flipped_byte_is_found() {
    let project = Project::good();
    // Numbered people too.
    project.write("headcount.yaml", GOOD[0].1.replace("events.csv", "\"*.csv\""));
    project.write("texts.csv", GOOD[4].1.replace("Z,", "Z,somebody-"));
    ingest_new(project.root());
    project.write("late.csv", GOOD[4].1.replace("Z,", "Z,other-"));
    ingest_new(project.root());
    let root = project.path("store");
    assert!(is_sound(&root));
    let mut all = Vec::new();
    files(&root, &mut all);
    all.retain(|path| path.metadata().unwrap().len() > 0);
    assert!(all.len() > 10, "{all:?}");
    let mut state = 1u64;
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        for _ in 0..6 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut flipped = bytes.clone();
            flipped[(state >> 33) as usize % bytes.len()] ^= 1 << (state >> 20 & 7);
            std::fs::write(&path, &flipped).unwrap();
            assert!(!is_sound(&root), "{}", path.display());
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(is_sound(&root));
    let ran = project.run(&["store", "verify"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.ends_with("no errors\n"), "{}", ran.out);
    // A file that is gone is no smaller fault.
    let data = std::fs::read_dir(root.join("activity")).unwrap().map(|e| e.unwrap().path());
    let data = data.filter(|path| path.is_file()).max().unwrap();
    std::fs::remove_file(data).unwrap();
    let ran = project.run(&["store", "verify"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("error: "), "{}", ran.out);
}

/// Compaction writes new checksums, so it must check the old ones.
#[test]
fn a_flipped_byte_is_not_carried_on() {
    let project = Project::good();
    project.write("headcount.yaml", GOOD[0].1.replace("events.csv", "\"*.csv\""));
    ingest_new(project.root());
    project.write("late.csv", GOOD[4].1.replace("2026-", "2025-"));
    ingest_new(project.root());
    let mut all = Vec::new();
    files(&project.path("store/activity"), &mut all);
    all.retain(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    assert_eq!(all.len(), 2);
    let mut store = super::open(project.root());
    for path in all {
        let bytes = std::fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(37) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, &flipped).unwrap();
            let error = store.compact(&|_, _| ()).unwrap_err().to_string();
            assert!(error.contains("changed since it was written"), "{error}");
            let copy = project.path("copy");
            let error = store.export(&copy).unwrap_err().to_string();
            assert!(error.contains("changed since it was written"), "{error}");
            std::fs::remove_dir_all(copy).unwrap();
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    assert!(store.compact(&|_, _| ()).unwrap());
}
