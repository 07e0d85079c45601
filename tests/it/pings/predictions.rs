//! Predicted numbers at the edges of their definition; the tables of `fleet` and `random` have the others.

use super::{Fleet, ping};

#[test]
fn there_is_no_prediction_without_a_share_or_a_current_version() {
    let fleet = Fleet::new("subscriptions: subscriptions.csv\nreleases: releases.csv");
    fleet.0.write(
        "dictionary/metrics/all.yml",
        "- {key_path: monthly.users}\n- {key_path: monthly.gone, status: removed}\n",
    );
    fleet.0.write("releases.csv", "major_minor\n14.0\n");
    fleet.0.write("subscriptions.csv", "subscription_id,month,status,seats\nS,2026-01,Active,9\n");
    let at = |uuid: &str, version: &str| {
        let fields = format!(r#""version": "{version}", "monthly": {{"users": 7, "gone": 7}}"#);
        ping(uuid, "2026-01-15T00:00:00Z", &fields)
    };
    // Neither is a released version, so there is no window; and no ping names a subscription.
    fleet.write_all(&[
        &at("a", "13.0.0"),
        &at("b", "nightly"),
        &ping("c", "2026-02-01T00:00:00Z", ""),
    ]);
    let sql = "SELECT key_path, scenario, measure, numerator, denominator, recorded, predicted \
               FROM ping_predictions ORDER BY key_path, scenario, measure";
    fleet.check(
        sql,
        &[
            "monthly.gone all_reported seats 0 9 14",
            "monthly.gone all_reported subscriptions 0 1 14",
            "monthly.users all_reported seats 0 9 14",
            "monthly.users all_reported subscriptions 0 1 14",
            "monthly.users current_version installations 0 2 14",
        ],
    );
    // A share of 0 is no number that is too large.
    assert_eq!(fleet.run(sql).err, "");
    // Now one of two, and then of three, is in the window.
    fleet.write("001.json", at("b", "14.0.2"));
    for (more, predicted) in [("", "1 2 14 28"), ("d", "1 3 14 42")] {
        if !more.is_empty() {
            fleet.write("d.json", ping(more, "2026-01-20T00:00:00Z", ""));
        }
        fleet.check(
            "SELECT numerator, denominator, recorded, predicted FROM ping_predictions \
             WHERE scenario = 'current_version'",
            &[predicted],
        );
    }
}
