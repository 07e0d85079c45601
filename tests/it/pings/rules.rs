//! Rules 4 to 9: months, values, monthly values, identity, version windows.

use super::{Fleet, ping};

#[test]
fn a_ping_belongs_to_the_utc_month_of_its_time() {
    let fleet = Fleet::new("");
    let at = |uuid: &str, time: &str| ping(uuid, time, r#""monthly": {"users": 1}"#);
    fleet.write_all(&[
        &at("a", "2026-01-05T00:00:00Z"),
        &at("a", "2026-01-31T23:59:59.999999Z"),
        // In Berlin this is already February, and this still March.
        &at("a", "2026-02-01T00:30:00+01:00"),
        &at("a", "2026-02-28T22:00:00-02:00"),
        &at("b", "2026-01-05T00:00:00Z"),
        // The same uuid on another host, and without one, are other installations.
        &at("a", "2026-01-05T00:00:00Z").replace("a.example", "b.example"),
        r#"{"uuid": "a", "recorded_at": "2026-01-05T00:00:00Z"}"#,
        r#"{"uuid": "a", "recorded_at": "2026-01-06T00:00:00Z", "hostname": ""}"#,
    ]);
    fleet.check(
        "SELECT uuid, hostname, month, recorded_at, is_last_of_month FROM pings \
         ORDER BY uuid, hostname NULLS FIRST, recorded_at",
        &[
            "a  2026-01-01 2026-01-05T00:00:00Z false",
            "a  2026-01-01 2026-01-06T00:00:00Z true",
            "a a.example.com 2026-01-01 2026-01-05T00:00:00Z false",
            "a a.example.com 2026-01-01 2026-01-31T23:30:00Z false",
            "a a.example.com 2026-01-01 2026-01-31T23:59:59.999999Z true",
            "a a.example.com 2026-03-01 2026-03-01T00:00:00Z true",
            "a b.example.com 2026-01-01 2026-01-05T00:00:00Z true",
            "b b.example.com 2026-01-01 2026-01-05T00:00:00Z true",
        ],
    );
}

#[test]
fn a_month_is_complete_when_the_newest_ping_is_not_before_its_end() {
    for (newest, complete) in [
        ("2026-02-28T23:59:59Z", "false"),
        ("2026-03-01T00:00:00Z", "true"),
        ("2026-03-01T01:00:00+01:00", "true"),
    ] {
        let fleet = Fleet::new("");
        fleet.write_all(&[
            &ping("a", "2026-02-05T00:00:00Z", r#""monthly": {"users": 1}"#),
            &ping("b", newest, ""),
        ]);
        fleet.check(
            "SELECT month, complete FROM ping_recorded",
            &[&format!("2026-02-01 {complete}")],
        );
        let estimates = if complete == "true" { "4" } else { "0" };
        fleet.check("SELECT count(*) FROM ping_estimates", &[estimates]);
    }
}

#[test]
fn values_are_valid_or_counted_by_kind() {
    // The value at `monthly.users`, and what it is.
    let cases = [
        ("0", "valid 0"),
        ("-0", "valid 0"),
        ("7", "valid 7"),
        ("9223372036854775807", "valid 9223372036854775807"),
        ("9223372036854775808", "too_large"),
        ("1e3", "fraction"),
        ("100000000000000000000000000000000", "too_large"),
        ("-1", "timeout"),
        ("-2", "error"),
        ("-1000", "deprecated"),
        ("-3", "negative"),
        ("-1.0", "fraction"),
        ("-9223372036854775809", "negative"),
        ("1.0", "fraction"),
        ("0.5", "fraction"),
        ("\"7\"", "string"),
        ("\"\"", "string"),
        ("null", "null"),
        ("true", "boolean"),
        ("[7]", "not_a_number"),
        ("[]", "not_a_number"),
        ("{}", "not_a_number"),
        ("{\"-1\": -1}", "not_a_number"),
    ];
    let fleet = Fleet::new("");
    let mut expected = Vec::new();
    for (at, (value, kind)) in cases.iter().enumerate() {
        let fields = format!(r#""monthly": {{"users": {value}, "other": 1}}"#);
        fleet.write(
            &format!("{at}.json"),
            ping(&format!("{at:02}"), "2026-01-05T00:00:00Z", &fields),
        );
        expected.push(format!("{at:02} {kind}"));
    }
    // However the key path is selected.
    for condition in [
        "key_path = 'monthly.users'",
        "'monthly.users' = key_path AND key_path LIKE 'm%'",
        "key_path IN ('monthly.users', 'nothing')",
        "key_path IN ('monthly.users', 'a', 'b', 'c', 'd', 'e', 'f')",
        "(key_path = 'monthly.users' OR uuid = 'nobody') AND key_path <> 'uuid'",
        "key_path LIKE '%.users'",
    ] {
        let sql = "SELECT uuid, kind, value FROM ping_values WHERE";
        let rows = fleet.rows(&format!("{sql} {condition} ORDER BY uuid"));
        assert_eq!(rows, expected, "{condition}");
    }
    // An invalid value affects only itself: valid are the first four, whose sum is above 2^63 - 1.
    fleet.check(
        "SELECT key_path, installations, installations_active, recorded FROM ping_recorded \
         ORDER BY key_path",
        &["monthly.other 23 23 23", "monthly.users 4 2"],
    );
}

#[test]
fn values_belong_to_metrics_by_their_key_path() {
    let fleet = Fleet::new("");
    let fields = r#""monthly": {"users": 1, "unknown": 2, "plain": 3, "more": {"users": 4}},
        "settings": {"name": 5}, "weekly": {"users": 6}, "unknown": 7, "list": [{"users": 8}],
        "counts": {"many": 9, "many_weekly": 10, "many_monthly": 11, "issues": 12}"#
        .replace('\n', "");
    fleet.write_all(&[&ping("a", "2026-01-05T00:00:00Z", &fields)]);
    fleet.check(
        "SELECT key_path, kind, value FROM ping_values ORDER BY key_path",
        &[
            "counts.issues valid 12",
            "counts.many valid 9",
            "counts.many_monthly valid 11",
            "counts.many_weekly valid 10",
            "hostname string",
            "list not_a_number",
            "monthly.more.users unknown 4",
            "monthly.plain valid 3",
            "monthly.unknown unknown 2",
            "monthly.users valid 1",
            "recorded_at string",
            // The value of this metric is a text.
            "settings.name not_a_number",
            "unknown unknown 7",
            "uuid string",
            "weekly.users valid 6",
        ],
    );
    // Weekly values are no monthly ones, and the first value of a counter has no month.
    fleet.check(
        "SELECT key_path, time_frame, recorded FROM ping_recorded ORDER BY key_path",
        &["counts.many_monthly 28d 11", "monthly.plain 28d 3", "monthly.users 28d 1"],
    );
}

#[test]
fn counters_become_monthly_values() {
    let fleet = Fleet::new("");
    let at = |uuid: &str, time: &str, issues: &str, users: u64| {
        let fields =
            format!(r#""counts": {{"issues": {issues}}}, "monthly": {{"users": {users}}}"#);
        ping(uuid, &format!("{time}T00:00:00Z"), &fields)
    };
    fleet.write_all(&[
        // Only last pings count: 100, 150, then a month without, 160, invalid, 155 (clamped), 170.
        &at("a", "2026-01-10", "90", 1),
        &at("a", "2026-01-20", "100", 2),
        &at("a", "2026-02-20", "150", 3),
        &at("a", "2026-04-20", "160", 4),
        &at("a", "2026-05-20", "-1", 5),
        &at("a", "2026-06-20", "155", 6),
        &at("a", "2026-07-20", "170", 7),
        &at("b", "2026-02-20", "1000", 8),
        &at("b", "2026-07-20", "1001", 9),
    ]);
    fleet.check(
        "SELECT month, key_path, installations, installations_active, recorded FROM ping_recorded \
         WHERE key_path = 'counts.issues' ORDER BY month",
        &[
            "2026-02-01 counts.issues 1 1 50",
            "2026-04-01 counts.issues 1 1 10",
            "2026-06-01 counts.issues 1 0 0",
            "2026-07-01 counts.issues 2 2 16",
        ],
    );
    fleet.check(
        "SELECT month, recorded FROM ping_recorded WHERE key_path = 'monthly.users' ORDER BY month",
        &[
            "2026-01-01 2",
            "2026-02-01 11",
            "2026-04-01 4",
            "2026-05-01 5",
            "2026-06-01 6",
            "2026-07-01 16",
        ],
    );
}

#[test]
fn the_identity_of_an_installation() {
    let expires = |at: &str| format!(r#""edition": "EEP", "license_expires_at": "{at}""#);
    // All recorded at 2026-03-15T10:00:00Z; raw edition, edition, tier.
    let editions = [
        (r#""edition": "CE""#.to_owned(), "CE CE Free"),
        (r#""edition": "EE Free""#.to_owned(), "EE Free EE Free"),
        (r#""edition": "EE""#.to_owned(), "EE EE Starter"),
        (r#""edition": "EES""#.to_owned(), "EES EE Starter"),
        (r#""edition": "EEP""#.to_owned(), "EEP EE Premium"),
        (r#""edition": "EEU""#.to_owned(), "EEU EE Ultimate"),
        (r#""edition": "eeu""#.to_owned(), "eeu EE Unknown"),
        (r#""edition": 5"#.to_owned(), " EE Unknown"),
        (String::new(), " EE Unknown"),
        // Expired since midnight UTC, or about to expire.
        (expires("2026-03-15"), "EEP EE Free"),
        (expires("2026-03-15T23:00:00.000Z"), "EEP EE Free"),
        (expires("2026-03-16"), "EEP EE Premium"),
        (expires("9999-12-31"), "EEP EE Premium"),
        (expires("22021-01-01"), "EEP EE Premium"),
        (expires("+22021-01-01T00:00:00Z"), "EEP EE Premium"),
        (expires("0999-01-01"), "EEP EE Free"),
        (expires("soon"), "EEP EE Premium"),
        (r#""edition": "CE", "license_expires_at": null"#.to_owned(), "CE CE Free"),
    ];
    let versions = [
        ("13.10.2-ee", "1310 false"),
        ("13.1", "1301 false"),
        ("14.0.0-pre", "1400 true"),
        ("14.0.0-pre-ee", "1400 false"),
        ("14", " false"),
        ("v14.1", " false"),
        ("14.x", " false"),
        ("99999999999.1", " false"),
    ];
    let fleet = Fleet::new("");
    let (mut expected_editions, mut expected_versions) = (Vec::new(), Vec::new());
    for (at, (fields, expected)) in editions.iter().enumerate() {
        let name = format!("e{at:02}");
        fleet.write(&format!("{name}.json"), ping(&name, "2026-03-15T10:00:00Z", fields));
        expected_editions.push(format!("{name} {expected}"));
    }
    for (at, (version, expected)) in versions.iter().enumerate() {
        let (name, fields) = (format!("v{at}"), format!(r#""version": "{version}""#));
        fleet.write(&format!("{name}.json"), ping(&name, "2026-03-15T10:00:00Z", &fields));
        expected_versions.push(format!("{name} {version} {expected}"));
    }
    let sql =
        "SELECT uuid, raw_edition, edition, tier FROM pings WHERE uuid LIKE 'e%' ORDER BY uuid";
    assert_eq!(fleet.rows(sql), expected_editions);
    let sql = "SELECT uuid, version, major_minor, prerelease FROM pings WHERE uuid LIKE 'v%' \
               ORDER BY uuid";
    assert_eq!(fleet.rows(sql), expected_versions);
    // A licence that expires when the ping is recorded has not expired before it.
    let midnight = ping("m", "2026-03-15T00:00:00Z", &expires("2026-03-15"));
    fleet.write("m.json", midnight);
    fleet.check("SELECT tier FROM pings WHERE uuid = 'm'", &["Premium"]);
}

#[test]
fn the_deployment_of_an_installation() {
    const SAAS: &str = "ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f";
    let document = |uuid: &str, hostname: &str, more: &str| {
        format!(
            r#"{{"uuid": "{uuid}", "hostname": {hostname}, "recorded_at": "2026-01-05T00:00:00Z"{more}}}"#
        )
    };
    let own = "saas: {uuid: x, hostname: cloud.org, counted_from: pings}\ndedicated_hosts: ['*.ded.org', one.org]";
    for (settings, uuid, hostname, more, expected) in [
        ("", SAAS, "\"gitlab.com\"", "", "saas"),
        ("", SAAS, "\"GitLab.com\"", "", "saas"),
        ("", SAAS, "\"gitlab.com\"", r#", "gitlab_dedicated": true"#, "saas"),
        ("", SAAS, "\"staging.gitlab.com\"", "", "self_managed"),
        ("", SAAS, "null", "", "self_managed"),
        ("", "y", "\"gitlab.com\"", "", "self_managed"),
        ("", "y", "\"a.org\"", r#", "gitlab_dedicated": true"#, "dedicated"),
        ("", "y", "\"a.org\"", r#", "gitlab_dedicated": false"#, "self_managed"),
        ("", "y", "\"a.org\"", r#", "gitlab_dedicated": "true""#, "self_managed"),
        ("", "y", "\"a.org\"", r#", "settings": {"gitlab_dedicated": true}"#, "self_managed"),
        ("", "y", "\"A.b.GitLab-Dedicated.com\"", "", "dedicated"),
        ("", "y", "\"gitlab-dedicated.com\"", "", "self_managed"),
        ("", "y", "\"a.gitlab-dedicated.com.org\"", "", "self_managed"),
        (own, "x", "\"cloud.org\"", "", "saas"),
        (own, SAAS, "\"gitlab.com\"", "", "self_managed"),
        (own, "y", "\"a.ded.org\"", "", "dedicated"),
        (own, "y", "\"one.org\"", "", "dedicated"),
        (own, "y", "\"a.gitlab-dedicated.com\"", "", "self_managed"),
    ] {
        let fleet = Fleet::new(settings);
        fleet.write_all(&[&document(uuid, hostname, more)]);
        fleet.check("SELECT deployment FROM pings", &[expected]);
    }
}

#[test]
fn version_windows_are_learned_from_all_pings() {
    let fleet = Fleet::new("");
    let at = |uuid: &str, day: u8, version: &str, edition: &str, fields: &str| {
        let fields = format!(r#""version": "{version}", "edition": "{edition}", {fields}"#);
        ping(uuid, &format!("2026-01-{day:02}T00:00:00Z"), &fields)
    };
    let users = r#""monthly": {"users": 1}"#;
    let pings = [
        at("a", 1, "13.9.1-ee", "EEP", users),
        // Any value will do, also in a ping that is not the last of its month.
        at("a", 2, "13.10.0-ee", "EEP", r#""monthly": {"users": -1}"#),
        at("a", 3, "14.2.0-ee", "EEP", r#""monthly": {"users": {"x": 1}}"#),
        at("a", 4, "15.0.0-ee", "EEP", r#""monthly": {"others": 1}"#),
        at("b", 1, "14.5.0-pre", "EEU", users),
        at("c", 1, "13.7.0", "CE", users),
        at("c", 2, "broken", "CE", users),
        // No value of the metric: in a list, or in a superseded upload.
        at("d", 1, "12.0.0", "EE", r#""monthly": [{"users": 1}]"#),
        at("d", 2, "12.1.0", "EE", &format!(r#"{users}, "uploaded_at": "2026-01-02T00:00:00Z""#)),
        at("d", 2, "12.2.0", "EE", r#""uploaded_at": "2026-01-03T00:00:00Z""#),
        at("s", 1, "16.0.0-ee", "EEU", users)
            .replace("\"s\"", "\"ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f\"")
            .replace("s.example.com", "gitlab.com"),
    ];
    fleet.write_all(&pings.each_ref().map(String::as_str));
    let sql = "SELECT edition, prerelease, first_major_minor, last_major_minor FROM ping_windows \
               WHERE key_path = 'monthly.users' ORDER BY edition, prerelease";
    fleet.check(sql, &["CE false 1307 1307", "EE false 1309 1402", "EE true 1405 1405"]);
    // With releases, only these count.
    let fleet = Fleet::new("releases: releases.csv");
    fleet.write_all(&pings.each_ref().map(String::as_str));
    fleet
        .0
        .write("releases.csv", "major_minor,released_on\n13.10,2021-03-22\n1402,\n14.5,\n15.0,\n");
    fleet.check(sql, &["EE false 1310 1402", "EE true 1405 1405"]);
}

#[test]
fn pings_lie_in_buckets_too() {
    let bucket = crate::bucket::Bucket::new();
    let fleet = Fleet::new("");
    let good = |uuid: &str| ping(uuid, "2026-03-15T10:20:30Z", r#""monthly": {"users": 5}"#);
    bucket.write("fleet/20260316T000000Z.json", good("a"));
    bucket.write("fleet/b.ndjson.gz", crate::project::gzip((good("b") + "\n{").as_bytes()));
    bucket.write("fleet/c.json.gz", b"no gzip");
    let yaml = "dictionary: {metrics: dictionary/metrics}\nsources:\n  - {name: fleet, format: service_ping, files: 's3://bucket/fleet'}\n";
    fleet.0.write("headcount.yaml", yaml);
    let mut command = crate::project::program(fleet.0.root());
    bucket.point(&mut command);
    let sql = "SELECT file, outcome, uploaded_at FROM ping_uploads LEFT JOIN pings USING (file) \
               ORDER BY file";
    let ran = command.args(["sql", "--format", "csv", "-c", sql]).output().unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    let lines: Vec<&str> = out.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "s3://bucket/fleet/20260316T000000Z.json,accepted,2026-03-16T00:00:00Z",
            "s3://bucket/fleet/b.ndjson.gz:1,accepted,",
            "s3://bucket/fleet/b.ndjson.gz:2,refused,",
            "s3://bucket/fleet/c.json.gz,refused,",
        ],
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}
