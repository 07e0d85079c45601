//! The fleet as others see it: read back from the files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::form::Form;
use super::paths::metric_paths;
use super::{FleetSettings, FleetSummary, Nonresponse, generate_fleet};
use crate::Error;
use crate::tests::bytes;

fn make(out: &Path, change: impl Fn(&mut FleetSettings)) -> FleetSummary {
    let mut settings = FleetSettings::new(out);
    (settings.installations, settings.months, settings.keys) = (60, 3, 250);
    change(&mut settings);
    generate_fleet(&settings, &|_, _| ()).unwrap()
}

/// Rows of a CSV file without quotes, each by the names of its columns.
fn csv(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), names.len(), "{line}");
        names
            .iter()
            .zip(fields)
            .map(|(name, field)| ((*name).to_owned(), field.to_owned()))
            .collect()
    };
    lines.map(row).collect()
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let mut made = Vec::new();
    for threads in [1, 3] {
        let home = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| make(home.path(), |_| ()));
        made.push(bytes(home.path()));
    }
    assert_eq!(made[0].keys().collect::<Vec<_>>(), made[1].keys().collect::<Vec<_>>());
    assert!(made[0] == made[1], "same names, other bytes");
}

#[test]
fn another_seed_is_another_fleet() {
    let truth = |seed| {
        let home = tempfile::tempdir().unwrap();
        make(home.path(), |settings| settings.seed = seed);
        fs::read_to_string(home.path().join("truth/truth.csv")).unwrap()
    };
    assert_ne!(truth(1), truth(2));
}

/// Options change only what they name.
#[test]
fn neither_keys_nor_nonresponse_change_the_true_numbers() {
    let truth = |change: fn(&mut FleetSettings)| {
        let home = tempfile::tempdir().unwrap();
        make(home.path(), change);
        fs::read_to_string(home.path().join("truth/truth.csv")).unwrap()
    };
    let plain = truth(|_| ());
    assert_eq!(plain, truth(|settings| settings.keys = 900));
    assert_eq!(plain, truth(|settings| settings.nonresponse = Nonresponse::Biased));
}

#[test]
fn the_summary_is_what_the_files_hold() {
    let home = tempfile::tempdir().unwrap();
    let summary = make(home.path(), |_| ());
    let files: Vec<(String, Vec<u8>)> = bytes(&home.path().join("pings"))
        .into_iter()
        .map(|(name, bytes)| (name.to_str().unwrap().to_owned(), bytes))
        .collect();
    assert_eq!(files.len(), summary.files);
    assert_eq!(files.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>(), summary.bytes);
    let uploads = files.iter().map(|(name, bytes)| match name.ends_with(".ndjson") {
        true => bytes.iter().filter(|byte| **byte == b'\n').count() as u64,
        false => 1,
    });
    assert_eq!(uploads.sum::<u64>(), summary.uploads);
    let rows = csv(&home.path().join("truth/installations.csv"));
    for month in &summary.months {
        let own = rows.iter().filter(|row| row["month"] == month.period_start);
        let sum = own.clone().map(|row| row["users"].parse::<u64>().unwrap()).sum::<u64>();
        let reporting = own.clone().filter(|row| row["pings"] != "0").count() as u64;
        assert_eq!((own.count() as u64, reporting), (month.installations, month.reporting));
        assert_eq!(sum, month.users);
    }
    assert_eq!(summary.months.len(), 3);
}

/// The users of all installations are the true number of the metric that stands for the product.
#[test]
fn the_truth_is_the_sum_of_the_installations() {
    let home = tempfile::tempdir().unwrap();
    make(home.path(), |_| ());
    let truth = |name: &str| csv(&home.path().join(name));
    let mut sums: BTreeMap<[String; 3], u64> = BTreeMap::new();
    for row in truth("truth/installations.csv") {
        let key = ["month", "edition", "deployment"].map(|name| row[name].clone());
        *sums.entry(key).or_default() += row["users"].parse::<u64>().unwrap();
    }
    let mut rows = truth("truth/truth.csv");
    rows.retain(|row| row["key_path"] == "usage_activity_by_stage_monthly.manage.users_active");
    let expected: BTreeMap<[String; 3], u64> = rows
        .into_iter()
        .map(|row| {
            let key = ["month", "edition", "deployment"].map(|name| row[name].clone());
            (key, row["true_total"].parse().unwrap())
        })
        .collect();
    assert!(expected.len() >= 9);
    assert_eq!(sums, expected);
}

#[test]
fn key_paths_are_all_different_and_none_is_inside_another() {
    let metrics = metric_paths(30);
    for keys in [200, 1_300, 20_000] {
        let form = Form::new(&metrics, keys);
        let paths = form.key_paths();
        assert_eq!(paths.len(), keys as usize);
        let all: BTreeSet<&String> = paths.iter().collect();
        assert_eq!(all.len(), paths.len());
        for path in &paths {
            for (dot, _) in path.match_indices('.') {
                assert!(!all.contains(&path[..dot].to_owned()), "{path}");
            }
        }
    }
}

#[test]
fn progress_adds_up() {
    let home = tempfile::tempdir().unwrap();
    let (sum, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut settings = FleetSettings::new(home.path());
    (settings.installations, settings.months, settings.keys) = (10, 1, 200);
    let add = |done, all| {
        sum.fetch_add(done, Ordering::Relaxed);
        total.store(all, Ordering::Relaxed);
    };
    generate_fleet(&settings, &add).unwrap();
    assert!(sum.load(Ordering::Relaxed) >= 60);
    assert_eq!(sum.into_inner(), total.into_inner());
}

#[test]
fn settings_out_of_range_are_refused() {
    let check = |change: fn(&mut FleetSettings), expected: &str| {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("out");
        let mut settings = FleetSettings::new(&out);
        change(&mut settings);
        let error = generate_fleet(&settings, &|_, _| ()).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }));
        assert_eq!(error.to_string(), expected);
        assert!(!out.exists());
    };
    check(|s| s.installations = 0, "installations is 0, expected 1 to 100,000");
    check(|s| s.months = 121, "months is 121, expected 1 to 120");
    check(|s| s.keys = 199, "keys is 199, expected 200 to 20,000");
    check(|s| s.start = (2025, 0), "start month is 0, expected 1 to 12");
    let error = "none".parse::<Nonresponse>().unwrap_err();
    assert_eq!(error.to_string(), "nonresponse is none, expected random or biased");
}

/// A fleet replaces a data set of events, and the other way round.
#[test]
fn an_earlier_data_set_of_another_kind_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let names = || -> Vec<String> {
        let entries = fs::read_dir(home.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    make(home.path(), |_| ());
    let shared = ["README.md", "dictionary", "headcount.yaml", "truth"];
    let of_fleets = ["pings", "releases.csv", "subscriptions.csv"];
    assert!(names().iter().eq(BTreeSet::from_iter(shared.iter().chain(&of_fleets))));
    let mut settings = crate::Settings::new(home.path());
    (settings.events, settings.users, settings.months, settings.overwrite) = (10, 10, 1, true);
    crate::generate(&settings, &|_| ()).unwrap();
    assert!(names().iter().eq(BTreeSet::from_iter(shared.iter().chain(&["events"]))));
    make(home.path(), |settings| settings.overwrite = true);
    assert!(names().iter().eq(BTreeSet::from_iter(shared.iter().chain(&of_fleets))));
}
