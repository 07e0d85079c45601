//! Rules 10 and 11: the population of a month, and estimates; with the published worked figures.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, StringArray};

use super::{Fleet, ping};
use crate::project::parquet;

const SUBSCRIPTIONS: &str = "subscriptions: subscriptions.csv";
const POPULATION: &str = "SELECT month, subscription_id, deployment, seats, source, versions \
                          FROM ping_population ORDER BY month, subscription_id";

/// A ping of 15 January of a subscription.
fn subscribed(uuid: &str, subscription: &str, version: &str, fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { ", " };
    let fields = format!(
        r#""edition": "EEP", "license_subscription_id": "{subscription}", "version": "{version}"{comma}{fields}"#
    );
    ping(uuid, "2026-01-15T00:00:00Z", &fields)
}

#[test]
fn the_population_is_billed_or_pings() {
    let fleet = Fleet::new(SUBSCRIPTIONS);
    let header = "subscription_id,month,status,plan,seats,uuid,hostname,version\n";
    let saas = "ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f,gitlab.com";
    let rows = [
        // Several rows are one subscription with the largest number of seats.
        "S1,2026-01,Active,premium,10,,,13.1.0-ee",
        "S1,2026-01,Cancelled,premium,30,,,13.2.0-ee",
        "S1,2026-01,Expired,premium,50,,,13.3.0-ee",
        "S1,2026-02-01,Active,premium,11,,,",
        // Its installation's last ping has the version; without a ping in the month its row has.
        "S2,2026-01,Active,premium,5,i2,i2.example.com,12.0.0-ee",
        "S2,2026-02,active,premium,5,i2,i2.example.com,12.0.0-ee",
        // Not in the population, and because there is a row its ping does not put it there.
        "S3,2026-01,Expired,premium,7,,,",
        // On a dedicated host, which sends no ping.
        "S4,2026-01,Active,ultimate,,d,d.gitlab-dedicated.com,14.0.0-ee",
        // The SaaS installation.
        &format!("S5,2026-01,Active,ultimate,1000,{saas},"),
        // A row of the SaaS installation, and one of another.
        &format!("S6,2026-01,Active,ultimate,1000,{saas},"),
        "S6,2026-01,Active,ultimate,3,x,x.org,",
    ];
    fleet.0.write("subscriptions.csv", format!("{header}{}\n", rows.join("\n")));
    fleet.write_all(&[
        &subscribed("i1", "S1", "13.9.0-ee", ""),
        &subscribed("i1b", "S1", "13.10.0-ee", ""),
        &ping("i2", "2026-01-20T00:00:00Z", r#""version": "13.5.0-ee""#),
        &subscribed("i3", "S3", "13.9.0-ee", ""),
        // Only pings know of these; the largest number of users of theirs is that of seats.
        &subscribed("i7", "S7", "13.9.0-ee", r#""license_user_count": 20"#),
        &subscribed(
            "i7b",
            "S7",
            "13.8.0-ee",
            r#""license_user_count": 21, "gitlab_dedicated": true"#,
        ),
        &subscribed("i8", "S8", "13.9.0-ee", r#""license_user_count": -1"#),
        // A number is a name, too. Not the last ping of its month.
        &subscribed("i9", "S9", "13.9.0-ee", "").replace("\"S9\"", "9"),
        &subscribed("i10", "S10", "13.9.0-ee", ""),
        &ping("i10", "2026-01-20T00:00:00Z", ""),
        &subscribed("saas", "S11", "13.9.0-ee", "")
            .replace("\"saas\"", "\"ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f\"")
            .replace("saas.example.com", "gitlab.com"),
    ]);
    fleet.check(
        POPULATION,
        &[
            "2026-01-01 9 self_managed 0 ping [13.9.0-ee]",
            "2026-01-01 S1 self_managed 30 billing [13.10.0-ee, 13.9.0-ee]",
            "2026-01-01 S2 self_managed 5 billing [13.5.0-ee]",
            "2026-01-01 S4 dedicated 0 billing [14.0.0-ee]",
            "2026-01-01 S6 self_managed 3 billing []",
            "2026-01-01 S7 dedicated 21 ping [13.8.0-ee, 13.9.0-ee]",
            "2026-01-01 S8 self_managed 0 ping [13.9.0-ee]",
            "2026-02-01 S1 self_managed 11 billing []",
            "2026-02-01 S2 self_managed 5 billing [12.0.0-ee]",
        ],
    );
}

#[test]
fn subscriptions_come_as_parquet_too_and_bad_ones_are_errors() {
    let fleet = Fleet::new("subscriptions: [subscriptions.parquet, 'more/*.csv']");
    fleet.write_all(&[&ping("a", "2026-01-15T00:00:00Z", "")]);
    let text = |values: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let columns: [(&str, ArrayRef); 4] = [
        ("status", text(["Active", "Cancelled"])),
        ("subscription_id", text(["P1", "P2"])),
        ("month", Arc::new(Date32Array::from(vec![20_454, 20_484]))),
        ("seats", Arc::new(Float64Array::from(vec![12.0, 3.0]))),
    ];
    fleet.0.write("subscriptions.parquet", parquet(&columns));
    fleet.0.write("more/a.csv", "subscription_id,month,status\nC1,2026-01,Active\n");
    fleet.check(
        POPULATION,
        &[
            "2026-01-01 C1 self_managed 0 billing []",
            "2026-01-01 P1 self_managed 12 billing []",
            "2026-01-01 P2 self_managed 3 billing []",
        ],
    );
    for (text, messages) in [
        ("subscription_id,month\nC1,2026-01\n", ["the column `status` is missing", "more/a.csv"]),
        (
            "subscription_id,month,status\n,2026-01,Active\n",
            ["`subscription_id` is empty", "row: 1"],
        ),
        ("subscription_id,month,status\nC,1/2026,Active\n", ["`1/2026` is not a month", "2026-03"]),
        (
            "subscription_id,month,status\nC,2026-13,Active\n",
            ["`2026-13` is not a month", "row: 1"],
        ),
        (
            "subscription_id,month,status,seats\nC,2026-01,Active,1\nC,2026-01,Active,-1\n",
            ["`-1` is not a number of seats", "row: 2"],
        ),
    ] {
        fleet.0.write("more/a.csv", text);
        let ran = fleet.run("SELECT * FROM ping_population");
        let all = messages.iter().all(|message| ran.err.contains(message));
        assert!(ran.code == 1 && all, "{text}: {}", ran.err);
    }
}

/// 3,000 of 5,000 subscriptions, with 530,000 of 1,000,000 seats, are on 13.3 or later. Of 1.0 M
/// recorded users of self-managed installations this makes 1.7 M (1.9 M by seats), and with 0.8 M of
/// the SaaS installation 2.5 M (2.7 M) in all.
/// The published example: 3,000 of 5,000 subscriptions, and 530,000 of a million seats, use a version
/// that has the metric; these report a million users, and SaaS 800,000.
pub(super) fn worked_example() -> Fleet {
    let fleet = Fleet::new(SUBSCRIPTIONS);
    let mut subscriptions = "subscription_id,month,status,seats,version\n".to_owned();
    for at in 0..5_000 {
        // The first one has the rest of the seats.
        let (seats, version) = match at {
            0 => (530_000 - 2_999 * 176, "13.3.1-ee"),
            1..3_000 => (176, ["13.3.0-ee", "13.12.0-ee"][at % 2]),
            _ => (235, ["13.2.9-ee", "12.10.0-ee"][at % 2]),
        };
        let _ = writeln!(subscriptions, "S{at},2026-01,Active,{seats},{version}");
    }
    fleet.0.write("subscriptions.csv", subscriptions);
    let at = |uuid: &str, time: &str, version: &str, users: u64| {
        let fields =
            format!(r#""edition": "EEU", "version": "{version}", "monthly": {{"users": {users}}}"#);
        ping(uuid, time, &fields)
    };
    fleet.write_all(&[
        &at("a", "2026-01-15T00:00:00Z", "13.3.0-ee", 400_000),
        &at("b", "2026-01-16T00:00:00Z", "13.12.0-ee", 600_000),
        &at("b", "2026-02-01T00:00:00Z", "13.12.0-ee", 600_000),
        &at("saas", "2026-01-17T00:00:00Z", "13.13.0-pre", 800_000)
            .replace("\"saas\"", "\"ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f\"")
            .replace("saas.example.com", "gitlab.com"),
    ]);
    fleet
}

#[test]
fn the_worked_figures() {
    let fleet = worked_example();
    fleet.check(
        "SELECT deployment, measure, numerator, denominator, p, recorded, estimated, total \
         FROM ping_estimates WHERE condition = 'version_check' ORDER BY deployment, measure",
        &[
            "saas seats   1.0 800000 0 800000",
            "saas subscriptions   1.0 800000 0 800000",
            "self_managed seats 530000 1000000 0.53 1000000 886792 1886792",
            "self_managed subscriptions 3000 5000 0.6 1000000 666667 1666667",
        ],
    );
    fleet.check(
        "SELECT measure, sum(total), round(sum(total) / 1e6, 1) FROM ping_estimates \
         WHERE condition = 'version_check' GROUP BY measure ORDER BY measure",
        &["seats 2686792 2.7", "subscriptions 2466667 2.5"],
    );
    // Nobody of the population sent a ping: p is 0, and the total is what was recorded.
    fleet.check(
        "SELECT DISTINCT numerator, denominator, p, estimated, total FROM ping_estimates \
         WHERE condition = 'reported' AND deployment = 'self_managed' ORDER BY denominator",
        &["0 5000 0.0 0 1000000", "0 1000000 0.0 0 1000000"],
    );
}

#[test]
fn totals_are_exact_and_rounded_half_up() {
    // Recorded, how many of how many subscriptions, total.
    for (recorded, numerator, denominator, total) in [
        ("1", 2, 3, "2"), // 1.5
        ("1", 3, 4, "1"), // 1.33
        ("3", 2, 5, "8"), // 7.5
        ("5", 0, 9, "5"),
        ("0", 1, 9, "0"),
        // Above 2^53, where a float has no halves: * 3 / 2 = ...86.5
        ("6004799503160991", 2, 3, "9007199254741487"),
        ("9223372036854775807", 1, 1, "9223372036854775807"),
        // Above the largest number.
        ("9223372036854775807", 1, 2, ""),
    ] {
        let fleet = Fleet::new(SUBSCRIPTIONS);
        let mut rows = "subscription_id,month,status,version\n".to_owned();
        for at in 0..denominator {
            let version = if at < numerator { "14.0.0" } else { "13.0.0" };
            let _ = writeln!(rows, "S{at},2026-01,Active,{version}");
        }
        fleet.0.write("subscriptions.csv", rows);
        let fields = format!(r#""version": "14.0.0", "monthly": {{"users": {recorded}}}"#);
        fleet.write_all(&[
            &ping("a", "2026-01-15T00:00:00Z", &fields),
            &ping("b", "2026-02-01T00:00:00Z", ""),
        ]);
        fleet.check(
            "SELECT total FROM ping_estimates WHERE condition = 'version_check' \
             AND measure = 'subscriptions'",
            &[total],
        );
    }
}

/// A single ping with an absurd value, or with an absurd number of seats, makes NULL of the numbers that
/// contain it, with a note, and changes no other number.
#[test]
fn too_large_numbers_are_null_with_a_note() {
    const LARGEST: u64 = i64::MAX as u64;
    let fleet = Fleet::new("");
    let of = |uuid: &str, edition: &str, time: &str, users: u64, other: u64, seats: u64| {
        ping(
            uuid,
            time,
            &format!(
                r#""edition": "{edition}", "version": "14.0.0", "license_subscription_id": "{uuid}",
                "license_user_count": {seats}, "monthly": {{"users": {users}, "other": {other}}}"#
            )
            .replace('\n', ""),
        )
    };
    fleet.write_all(&[
        &of("a", "EEP", "2026-01-15T00:00:00Z", 5, 1, 10),
        &of("b", "EEU", "2026-01-15T00:00:00Z", LARGEST, 2, 20),
        &of("c", "EEU", "2026-01-15T00:00:00Z", 7, 3, 30),
        // In February the seats are too many, and in March one sum of two tiers.
        &of("a", "EEP", "2026-02-15T00:00:00Z", 5, 1, LARGEST),
        &of("b", "EEU", "2026-02-15T00:00:00Z", 6, 2, 20),
        &of("a", "EEP", "2026-03-15T00:00:00Z", 5, 1, 10),
        &of("b", "EEU", "2026-03-15T00:00:00Z", LARGEST, 2, 20),
        &ping("c", "2026-04-01T00:00:00Z", ""),
    ]);
    let numbers = |table: &str, columns: &str| {
        let keys = match table {
            "ping_recorded" => "month, key_path, tier",
            _ => "month, key_path, measure",
        };
        let condition = match table {
            "ping_estimates" => "WHERE condition = 'reported'",
            "ping_predictions" => "WHERE scenario = 'all_reported'",
            _ => "",
        };
        format!("SELECT {keys}, {columns} FROM {table} {condition} ORDER BY {keys}")
    };
    fleet.check(
        &numbers("ping_recorded", "installations, coalesce(recorded, -1)"),
        &[
            "2026-01-01 monthly.other Premium 1 1",
            "2026-01-01 monthly.other Ultimate 2 5",
            "2026-01-01 monthly.users Premium 1 5",
            "2026-01-01 monthly.users Ultimate 2 -1",
            "2026-02-01 monthly.other Premium 1 1",
            "2026-02-01 monthly.other Ultimate 1 2",
            "2026-02-01 monthly.users Premium 1 5",
            "2026-02-01 monthly.users Ultimate 1 6",
            "2026-03-01 monthly.other Premium 1 1",
            "2026-03-01 monthly.other Ultimate 1 2",
            "2026-03-01 monthly.users Premium 1 5",
            "2026-03-01 monthly.users Ultimate 1 9223372036854775807",
        ],
    );
    let known = "coalesce(numerator, -1), coalesce(denominator, -1), coalesce(recorded, -1)";
    let rows = [
        "2026-01-01 monthly.other seats 60 60 6 6",
        "2026-01-01 monthly.other subscriptions 3 3 6 6",
        "2026-01-01 monthly.users seats 60 60 -1 -1",
        "2026-01-01 monthly.users subscriptions 3 3 -1 -1",
        "2026-02-01 monthly.other seats -1 -1 3 -1",
        "2026-02-01 monthly.other subscriptions 2 2 3 3",
        "2026-02-01 monthly.users seats -1 -1 11 -1",
        "2026-02-01 monthly.users subscriptions 2 2 11 11",
        "2026-03-01 monthly.other seats 30 30 3 3",
        "2026-03-01 monthly.other subscriptions 2 2 3 3",
        "2026-03-01 monthly.users seats 30 30 -1 -1",
        "2026-03-01 monthly.users subscriptions 2 2 -1 -1",
    ];
    fleet.check(&numbers("ping_estimates", &format!("{known}, coalesce(total, -1)")), &rows);
    fleet.check(&numbers("ping_predictions", &format!("{known}, coalesce(predicted, -1)")), &rows);
    for (table, note) in [
        ("ping_recorded", "note: NULL in 1 row of ping_recorded stands for"),
        // All four conditions and measures of January and March, and the seats of two conditions and
        // two metrics in February.
        (
            "ping_estimates",
            "NULL in 12 rows of ping_estimates stands for numbers above 2^63 - 1, the first \
          for monthly.users in 2026-01-01; correct the largest values: SELECT * FROM ping_values \
          WHERE key_path = 'monthly.users' ORDER BY value DESC LIMIT 5",
        ),
    ] {
        let ran = fleet.run(&format!("SELECT * FROM {table}"));
        assert!(ran.code == 0 && ran.err.contains(note), "{note}: {}", ran.err);
    }
    let ran = fleet.run("SELECT * FROM ping_population");
    assert_eq!(ran.err, "");
    let ran = fleet.0.run(&["check"]);
    assert!(
        ran.code == 0 && ran.out.contains("note: NULL in 1 row of ping_recorded"),
        "{}",
        ran.out
    );
}
