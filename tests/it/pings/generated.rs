//! Generated fleets: the tables have the numbers that the generator wrote beside them, and those that
//! DuckDB computes from the same files. Neither shares code with the engine.
//!
//! `HEADCOUNT_FLEETS` is how many fleets to make (4 unless set), with the seeds from `HEADCOUNT_SEED` (1
//! unless set) on.

use std::path::Path;

use datasets::{FleetSettings, Nonresponse, generate_fleet};
use tempfile::TempDir;

use crate::project::run_in;
use crate::table::Table;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

/// A fleet of 120 installations in six months, or as `change` sets it.
fn made(change: impl FnOnce(&mut FleetSettings)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = FleetSettings::new(folder.path());
    (settings.installations, settings.months, settings.keys) = (120, 6, 250);
    change(&mut settings);
    generate_fleet(&settings, &|_, _| ()).unwrap();
    folder
}

/// The fleet of a seed: the settings differ from seed to seed.
fn of_seed(seed: u64) -> TempDir {
    made(|settings| {
        settings.seed = seed;
        settings.start = (2024, 1 + seed as u32 % 12);
        settings.months = 3 + seed as u32 % 4;
        settings.nonresponse = Nonresponse::ALL[seed as usize % 2];
    })
}

/// The rows of a statement, sorted.
fn rows(folder: &Path, sql: &str) -> Vec<Vec<String>> {
    let ran = run_in(folder, &["sql", "--format", "csv", "-c", sql]);
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.err);
    let mut rows = Table::of_csv(&ran.out).rows;
    rows.sort();
    rows
}

/// Compares all rows of a file of the truth with those of a table.
fn check(folder: &Path, file: &str, from: &str) -> usize {
    let text = std::fs::read_to_string(folder.join("truth").join(file)).unwrap();
    let mut truth = Table::of_csv(&text);
    truth.rows.sort();
    let found = rows(folder, &format!("SELECT {} FROM {from}", truth.header.join(", ")));
    for (expected, found) in truth.rows.iter().zip(&found) {
        assert_eq!(expected, found, "{file} and {from}");
    }
    assert_eq!(truth.rows.len(), found.len(), "{file} and {from}");
    found.len()
}

#[test]
fn the_tables_have_the_numbers_of_the_generator() {
    let (first, fleets) = (number("HEADCOUNT_SEED", 1), number("HEADCOUNT_FLEETS", 4));
    for seed in first..first + fleets {
        let folder = of_seed(seed);
        let folder = folder.path();
        assert!(check(folder, "recorded.csv", "ping_recorded") > 1_000, "seed {seed}");
        assert!(check(folder, "estimates.csv", "ping_estimates") > 2_000, "seed {seed}");
        let uploads = "(SELECT outcome, reason, count(*) AS uploads FROM ping_uploads \
                       GROUP BY outcome, reason)";
        assert!(check(folder, "uploads.csv", uploads) > 5, "seed {seed}");
        // Who sent pings in a month, and how many; of months without any there is no row in `pings`.
        let installations = "(SELECT month, uuid, hostname, count(*) AS pings FROM pings \
                             GROUP BY month, uuid, hostname) ORDER BY month, uuid, hostname";
        let text = std::fs::read_to_string(folder.join("truth/installations.csv")).unwrap();
        let truth = Table::of_csv(&text);
        let mut expected = truth.numbers(&["month", "uuid", "hostname"], "pings");
        expected.retain(|_, pings| *pings > 0);
        let newest = truth.rows.iter().map(|row| &row[0]).max().unwrap();
        let found = rows(folder, &format!("SELECT * FROM {installations}"));
        let found = found.into_iter().filter(|row| row[0] <= *newest);
        let expected: Vec<Vec<String>> = expected
            .into_iter()
            .map(|(mut key, pings)| {
                key.push(pings.to_string());
                key
            })
            .collect();
        assert_eq!(found.collect::<Vec<_>>(), expected, "seed {seed}");
    }
}

#[test]
fn the_tables_have_the_numbers_of_duckdb() {
    let (first, fleets) = (number("HEADCOUNT_SEED", 1), number("HEADCOUNT_FLEETS", 2));
    for seed in first..first + fleets {
        let folder = of_seed(seed);
        let folder = folder.path().to_str().unwrap();
        let printed = crate::python::run("fleet.py", &[env!("CARGO_BIN_EXE_headcount"), folder]);
        let rows: usize = printed.split(' ').next().and_then(|rows| rows.parse().ok()).unwrap();
        assert!(rows > 3_000, "seed {seed}: too little was compared: {printed}");
    }
}

/// The special cases of the rules occur in a fleet of moderate size.
#[test]
fn a_fleet_has_every_special_case() {
    let folder = made(|settings| settings.installations = 600);
    let folder = folder.path();
    let one = |sql: &str, expected: &[&str]| {
        let found: Vec<String> = rows(folder, sql).into_iter().map(|row| row.join(" ")).collect();
        assert_eq!(found, expected, "{sql}");
    };
    one(
        "SELECT DISTINCT outcome, reason FROM ping_uploads",
        &[
            "accepted ",
            "refused bad_recorded_at",
            "refused empty",
            "refused future_clock",
            "refused invalid_json",
            "refused missing_recorded_at",
            "refused missing_uuid",
            "refused not_an_object",
            "refused placeholder_version",
            "superseded ",
        ],
    );
    let metric = "usage_activity_by_stage_monthly.manage.users_active";
    one(
        &format!("SELECT DISTINCT kind FROM ping_values WHERE key_path LIKE '{metric}%'"),
        &[
            "boolean",
            "error",
            "fraction",
            "negative",
            "not_a_number",
            "null",
            "string",
            "timeout",
            "too_large",
            "valid",
        ],
    );
    one(
        "SELECT DISTINCT deployment, edition, prerelease FROM pings WHERE deployment <> 'self_managed'",
        &["dedicated EE false", "dedicated EE true", "saas EE true"],
    );
    one(
        "SELECT DISTINCT edition, tier FROM pings WHERE deployment = 'self_managed'",
        &["CE Free", "EE Free", "EE Premium", "EE Starter", "EE Ultimate", "EE Unknown"],
    );
    // What must occur at least once.
    for condition in [
        "FROM pings WHERE raw_edition IS NULL",
        "FROM pings WHERE major_minor IS NULL",
        "FROM pings WHERE hostname IS NULL",
        "FROM pings WHERE raw_edition = 'EEP' AND tier = 'Free'",
        "FROM pings WHERE file LIKE '%/by-hand/%'",
        "FROM pings WHERE uploaded_at > recorded_at + INTERVAL '8 days'",
        // Two installations with one uuid, and with one subscription.
        "FROM pings a JOIN pings b ON a.uuid = b.uuid AND a.hostname < b.hostname",
        "FROM pings a JOIN pings b ON a.subscription_id = b.subscription_id AND a.uuid < b.uuid",
        // An installation that was CE.
        "FROM pings a JOIN pings b ON a.uuid = b.uuid AND a.edition < b.edition",
        "FROM ping_values WHERE kind = 'deprecated'",
        "FROM ping_recorded WHERE time_frame = 'all' AND installations_active < installations",
        "FROM ping_recorded WHERE NOT complete",
        "FROM ping_population WHERE source = 'ping'",
        "FROM ping_population WHERE cardinality(versions) = 0",
        "FROM ping_population WHERE cardinality(versions) > 1",
        "FROM ping_windows WHERE first_major_minor > 1500 AND NOT prerelease",
        "FROM ping_windows WHERE last_major_minor < 1610 AND NOT prerelease AND edition = 'EE'",
        "FROM 'subscriptions.csv' WHERE status = 'Cancelled'",
        "FROM 'subscriptions.csv' WHERE status = 'Expired'",
        "FROM 'subscriptions.csv' WHERE status = 'active' AND uuid IS NOT NULL AND seats IS NULL",
        // A subscription that is known to billing, and never named by a ping.
        "FROM 'subscriptions.csv' WHERE subscription_id NOT IN (SELECT subscription_id FROM pings \
         WHERE subscription_id IS NOT NULL)",
        // Those that send some of their pings.
        "FROM (SELECT month, count(*) AS n FROM pings GROUP BY month, uuid) WHERE n = 1",
        "FROM ping_estimates WHERE total > recorded AND numerator < denominator",
    ] {
        let found = rows(folder, &format!("SELECT count(*) {condition}"));
        assert_ne!(found, [["0"]], "{condition}");
    }
    // The counter of an installation starts again.
    let resets = "SELECT count(*) FROM (SELECT value, lag(value) OVER (PARTITION BY uuid, hostname \
                  ORDER BY recorded_at) AS before FROM ping_values WHERE key_path = 'counts.code_pushed' \
                  AND kind = 'valid') WHERE value < before";
    assert_ne!(rows(folder, resets), [["0"]]);
}

/// Non-response that is biased loses more users than non-response that is not.
#[test]
fn biased_fleets_report_fewer_of_their_users() {
    let share = |nonresponse| {
        let (mut reported, mut all) = (0, 0);
        for seed in 1..=5 {
            let folder = made(|settings| {
                (settings.installations, settings.months) = (300, 1);
                (settings.seed, settings.nonresponse) = (seed, nonresponse);
            });
            let text = std::fs::read_to_string(folder.path().join("truth/installations.csv"));
            let truth = Table::of_csv(&text.unwrap());
            let (deployment, pings, users) =
                (truth.column("deployment"), truth.column("pings"), truth.column("users"));
            for row in truth.rows.iter().filter(|row| row[deployment] != "saas") {
                let users: u64 = row[users].parse().unwrap();
                all += users;
                reported += if row[pings] == "0" { 0 } else { users };
            }
        }
        reported as f64 / all as f64
    };
    let (random, biased) = (share(Nonresponse::Random), share(Nonresponse::Biased));
    assert!(biased < random - 0.1 && (0.5..0.9).contains(&random), "{random} {biased}");
}
