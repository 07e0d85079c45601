//! Generated events: the report gives the counts that the generator wrote.

use std::collections::BTreeMap;
use std::path::Path;

use datasets::{Ids, Settings, generate};
use tempfile::TempDir;

use crate::project::run_in;
use crate::table::Table;

/// Period, level, key and plan (empty for all), and the users.
type Counts = BTreeMap<Vec<String>, u64>;

/// 200,000 events of 20,000 users in six months, or as `change` sets it.
fn made(change: impl FnOnce(&mut Settings)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(folder.path());
    (settings.events, settings.users, settings.months) = (200_000, 20_000, 6);
    change(&mut settings);
    generate(&settings, &|_| ()).unwrap();
    folder
}

fn truth(folder: &Path) -> Counts {
    let text = std::fs::read_to_string(folder.join("truth/truth.csv")).unwrap();
    let mut counts =
        Table::of_csv(&text).numbers(&["period_start", "level", "key", "plan"], "users");
    counts.retain(|_, users| *users > 0);
    counts
}

fn report(folder: &Path, more: &[&str]) -> Table {
    let mut all = vec!["report", "--format", "csv", "--by", "plan"];
    all.extend(more);
    if !more.contains(&"--level") {
        all.extend(["--level", "total,section,stage,group,action"]);
    }
    let ran = run_in(folder, &all);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    Table::of_csv(&ran.out)
}

/// A column of the report by the keys of the truth, which has one column for section, stage, group
/// and action.
fn column(table: &Table, number: &str) -> Counts {
    let names = ["period_start", "level", "section", "stage", "group", "metric", "plan"];
    let keyed = table.numbers(&names, number).into_iter().map(|(mut key, users)| {
        let place =
            ["section", "stage", "group", "action"].iter().position(|level| *level == key[1]);
        let own = place.map_or_else(String::new, |at| key[2 + at].clone());
        key.splice(2..6, [own]);
        (key, users)
    });
    let counts: Counts = keyed.collect();
    assert_eq!(counts.len(), table.rows.len(), "two rows of one node");
    counts
}

#[track_caller]
fn check(name: &str, change: impl FnOnce(&mut Settings)) {
    let folder = made(change);
    let table = report(folder.path(), &[]);
    let expected = truth(folder.path());
    assert!(expected.len() > 2_000, "{name}: {} rows of truth", expected.len());
    for number in ["users", "users_low", "users_high"] {
        let mut counts = column(&table, number);
        counts.retain(|_, users| *users > 0);
        assert_eq!(counts.len(), expected.len(), "{name}: {number}");
        for (key, users) in &expected {
            assert_eq!(counts.get(key), Some(users), "{name}: {number} of {key:?}");
        }
    }
    assert!(table.lines(&["count", "basis"]).iter().all(|line| line == "exact recorded"));
}

#[test]
fn dense_ids() {
    check("dense", |_| ());
}

/// The indicator of a stage is the one metric that is flagged so.
#[test]
fn indicators_of_stages() {
    let folder = made(|settings| settings.events = 50_000);
    let table = report(folder.path(), &["--level", "stage", "--method", "indicator"]);
    let is_flagged = |key: &str| key.ends_with(".users_active");
    let stage = |key: &str| key.split('.').nth(1).unwrap().to_owned();
    let truth = truth(folder.path()).into_iter().filter(|(key, _)| is_flagged(&key[2]));
    let expected: Counts = truth
        .map(|(key, users)| {
            (vec![key[0].clone(), "stage".to_owned(), stage(&key[2]), key[3].clone()], users)
        })
        .collect();
    let mut counts = column(&table, "users");
    counts.retain(|_, users| *users > 0);
    assert!(counts.len() > 200, "{} rows", counts.len());
    assert_eq!(counts, expected);
}

#[test]
fn random_ids() {
    check("random64", |settings| settings.ids = Ids::Random64);
}

#[test]
fn uuids() {
    check("uuid", |settings| settings.ids = Ids::Uuid);
}

#[test]
fn scoped_ids() {
    check("scoped", |settings| settings.scoped = true);
    check("scoped uuid", |settings| (settings.scoped, settings.ids) = (true, Ids::Uuid));
}

/// Files that are not in time order, and row groups that hold more than one month.
#[test]
fn late_events_in_small_files() {
    check("late", |settings| {
        (settings.late, settings.files_per_month, settings.rows_per_group) = (0.05, 3, 2_000);
    });
}

/// The truth is of calendar months: another window gives other numbers.
#[test]
fn the_truth_is_of_calendar_months() {
    let folder = made(|settings| settings.events = 20_000);
    let table = report(folder.path(), &["--window", "last_28d_of_month"]);
    assert_ne!(column(&table, "users"), column(&report(folder.path(), &[]), "users"));
}

#[test]
fn approximate_counts_and_their_bounds() {
    for seed in [1, 2, 3] {
        let folder = made(|settings| settings.seed = seed);
        let expected = truth(folder.path());
        for precision in [&["--approx"][..], &["--approx", "10"], &["--approx", "12"]] {
            let table = report(folder.path(), precision);
            assert!(table.lines(&["count"]).iter().all(|count| count == "approx"));
            let low = column(&table, "users_low");
            let high = column(&table, "users_high");
            let users = column(&table, "users");
            let mut inside = 0;
            for (key, truth) in &expected {
                let users = users.get(key).unwrap_or_else(|| panic!("no row of {key:?}"));
                assert!(low[key] <= *users && *users <= high[key], "{key:?}");
                inside += usize::from((low[key]..=high[key]).contains(truth));
            }
            let share = inside as f64 / expected.len() as f64;
            assert!(share >= 0.9, "seed {seed}, {precision:?}: {share:.3} of the rows are inside");
            // It is an estimate indeed, and a narrow one: 1.96 standard errors.
            let largest = expected.iter().max_by_key(|(_, users)| **users).unwrap().0;
            let width = (high[largest] - low[largest]) as f64 / users[largest] as f64;
            let error = match precision {
                [_, "10"] => 1.04 / 32.0,
                [_, "12"] => 1.04 / 64.0,
                _ => 1.04 / 128.0,
            };
            assert!(width > 0.0 && width < 5.0 * error, "{precision:?}: {width:.4} wide");
            let more = expected.keys().filter(|key| users[*key] != expected[*key]).count();
            assert!(more > 0, "{precision:?}: every estimate is exact");
        }
    }
}
