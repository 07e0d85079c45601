//! The subscriptions behind estimates, of the fleet that is counted by hand.

use super::fleet::fleet;

#[test]
fn every_subscription_has_a_reason() {
    let fleet = fleet();
    let rows = |condition: &str, rest: &str| {
        fleet.rows(&format!(
            "SELECT subscription_id, seats, counted, versions, why FROM ping_estimate_subscriptions \
             WHERE key_path = 'monthly.users' AND condition = '{condition}' AND {rest} \
             ORDER BY subscription_id"
        ))
    };
    let january = "month = '2026-01-01' AND deployment = 'self_managed'";
    assert_eq!(
        rows("version_check", &format!("{january} AND edition = 'EE'")),
        [
            "A 100 true [14.0.1-ee] 14.0 is in 14.0 to 14.2",
            "B 50 true [14.1.0-ee] 14.1 is in 14.0 to 14.2",
            "C 20 false [13.12.0-ee] 13.12 is not in 14.0 to 14.2",
            "H 25 true [14.1.0-pre] 14.1 is in 14.1 to 14.1 (pre-releases)",
            "K 0 true [14.0.0-ee] 14.0 is in 14.0 to 14.2",
            "L 200 true [14.0.3-ee] 14.0 is in 14.0 to 14.2",
            "M 300 false [13.5.0-ee] 13.5 is not in 14.0 to 14.2",
        ]
    );
    assert_eq!(
        rows("version_check", &format!("{january} AND edition = 'CE'")),
        [
            "A 100 true [14.0.1-ee] 14.0 is in 13.0 to 14.0",
            "B 50 false [14.1.0-ee] 14.1 is not in 13.0 to 14.0",
            "C 20 true [13.12.0-ee] 13.12 is in 13.0 to 14.0",
            "H 25 false [14.1.0-pre] 14.1: no pre-release of CE sent the metric",
            "K 0 true [14.0.0-ee] 14.0 is in 13.0 to 14.0",
            "L 200 true [14.0.3-ee] 14.0 is in 13.0 to 14.0",
            "M 300 true [13.5.0-ee] 13.5 is in 13.0 to 14.0",
        ]
    );
    assert_eq!(
        rows("reported", &format!("{january} AND edition = 'EE'")),
        [
            "A 100 true [14.0.1-ee] sent 10",
            "B 50 true [14.1.0-ee] sent 30",
            "C 20 false [13.12.0-ee] the last ping does not have the key",
            "H 25 true [14.1.0-pre] sent 8",
            "K 0 true [14.0.0-ee] sent 9",
            "L 200 false [14.0.3-ee] no ping in the month",
            "M 300 false [13.5.0-ee] no ping in the month",
        ]
    );
    assert_eq!(
        rows("reported", "month = '2026-02-01' AND deployment = 'self_managed' AND edition = 'EE'"),
        [
            "A 100 true [14.0.1-ee] sent 20",
            "B 60 false [14.1.0-ee] no valid value: timeout",
            "C 20 false [13.12.0-ee] the last ping does not have the key",
        ]
    );
    assert_eq!(
        rows("version_check", "month = '2026-01-01' AND deployment = 'dedicated'"),
        [
            "F 70 true [14.2.0-ee] 14.2 is in 14.0 to 14.2",
            "G 15 false [13.0.0-ee] 13.0 is not in 14.0 to 14.2",
            "O 500 false [] no version is known",
        ]
    );
}

/// They add up to the estimates, however they are selected.
#[test]
fn they_are_the_numerators_and_denominators() {
    let fleet = fleet();
    let sql = |condition: &str| {
        format!(
            "WITH sums AS (SELECT month, key_path, edition, deployment, condition, \
               count(*) FILTER (WHERE counted) AS a, count(*) AS b, \
               coalesce(sum(seats) FILTER (WHERE counted), 0) AS c, sum(seats) AS d \
               FROM ping_estimate_subscriptions WHERE {condition} GROUP BY ALL) \
             SELECT count(*), count(*) FILTER (WHERE numerator = CASE measure WHEN 'seats' THEN c ELSE a END \
               AND denominator = CASE measure WHEN 'seats' THEN d ELSE b END) \
             FROM ping_estimates JOIN sums USING (month, key_path, edition, deployment, condition)"
        )
    };
    for (condition, rows) in [
        ("true", 28),
        ("key_path = 'monthly.users'", 24),
        ("month = DATE '2026-01-01'", 12),
        ("month BETWEEN '2026-02-01' AND '2026-02-28' AND key_path IN ('counts.issues', 'x')", 4),
        ("month > '2026-01-01' AND key_path = 'monthly.users'", 12),
        ("'2026-01-01' >= month", 12),
        ("month = '2026-03-01'", 0),
    ] {
        fleet.check(&sql(condition), &[&format!("{rows} {rows}")]);
    }
}

#[test]
fn the_command_writes_the_estimates_and_their_subscriptions() {
    let fleet = fleet();
    let run = |arguments: &[&str]| {
        let ran = fleet.0.run(&[&["report", "--explain"], arguments].concat());
        assert_eq!(ran.code, 3, "{}", ran.err);
        assert!(ran.err.starts_with("refused 1 upload of pings:"), "{}", ran.err);
        ran.out
    };
    assert_eq!(
        run(&["counts.issues", "--to", "2026-02-15"]),
        "\
month       edition  deployment    condition      measure        numerator  denominator    p  recorded  estimated  total
──────────  ───────  ────────────  ─────────────  ─────────────  ─────────  ───────────  ───  ────────  ─────────  ─────
2026-02-01  EE       self_managed  version_check  subscriptions          3            3  1.0        40          0     40

month       edition  deployment    subscription_id  seats  counted  versions      why
──────────  ───────  ────────────  ───────────────  ─────  ───────  ────────────  ─────────────────────────
2026-02-01  EE       self_managed  A                  100  true     [14.0.1-ee]   14.0 is in 13.12 to 14.1
2026-02-01  EE       self_managed  B                   60  true     [14.1.0-ee]   14.1 is in 13.12 to 14.1
2026-02-01  EE       self_managed  C                   20  true     [13.12.0-ee]  13.12 is in 13.12 to 14.1
"
    );
    let csv =
        run(&["monthly.users", "--from", "2026-02", "--condition", "reported", "--format", "csv"]);
    assert_eq!(
        csv.lines().skip(1).filter(|line| line.contains(",EE,self_managed,")).collect::<Vec<_>>(),
        [
            "2026-02-01,EE,self_managed,A,100,true,[14.0.1-ee],sent 20",
            "2026-02-01,EE,self_managed,B,60,false,[14.1.0-ee],no valid value: timeout",
            "2026-02-01,EE,self_managed,C,20,false,[13.12.0-ee],the last ping does not have the key",
        ]
    );
    for (arguments, message) in [
        (&["monthly.user"][..], "there is no metric `monthly.user`; did you mean `monthly.users`?"),
        (&["settings.name"], "pings have no monthly numbers of `settings.name`"),
        (&["monthly.other"], "there are no estimates of `monthly.other` in these months"),
        (&["monthly.users", "--from", "2026-03"], "there are no estimates of `monthly.users`"),
        (&["monthly.users", "--format", "html"], "an explanation has no format html"),
    ] {
        let ran = fleet.0.run(&[&["report", "--explain"], arguments].concat());
        assert!(ran.code == 1 && ran.err.contains(message), "{message}: {}", ran.err);
    }
    let ran = crate::project::Project::good().run(&["report", "--explain", "monthly.search"]);
    assert!(ran.code == 1 && ran.err.contains("the project has no pings"), "{}", ran.err);
}
