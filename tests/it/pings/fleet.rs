//! A fleet of a dozen installations, every number of which is derived here by hand.
//!
//! | | who | in January | in February | in March |
//! |---|---|---|---|---|
//! | a | EEP, 14.0, subscription A | users 10, issues 100 | users 20, issues 130 | - |
//! | b | EEU, 14.1, subscription B | users 30, issues 50 | users -1, issues 60 | - |
//! | c | EEP, licence expired in 2025, 13.12, subscription C | no `users` key, issues 7 | no `users` key, issues 5 | - |
//! | d | CE, 14.0 | users 5 | users 6 | - |
//! | e | CE, 13.0 | users 1.5 | users 0 | - |
//! | f | EEU, dedicated by its host, 14.2, subscription F | users 40 | users 44 | - |
//! | g | EEP, dedicated by its ping, 13.0, subscription G | no `users` key | - | - |
//! | h | EE, 14.1-pre, subscription H | users 8 | - | - |
//! | i | EEP, 14.0, no subscription | users 2 on the 3rd, 3 on the 28th | users 4 | - |
//! | j | refused: its clock is a month ahead | - | - | - |
//! | k | EEP, 14.0, subscription K, two uploads: the newer has users 9 | users 9 | - | - |
//! | saas | EEU, 15.0-pre | users 1000 | users 1100 | users 1200 on 1 March |

use super::{Fleet, ping};

const SUBSCRIPTIONS: &str = "\
subscription_id,month,status,plan,seats,uuid,hostname,version
A,2026-01,Active,premium,100,a,a.example.com,
A,2026-02,Active,premium,100,a,a.example.com,
B,2026-01,Active,ultimate,50,,,
B,2026-02,Cancelled,ultimate,60,,,
C,2026-01,Active,premium,20,,,
C,2026-02,Active,premium,20,,,
F,2026-01,Active,ultimate,70,,,
F,2026-02,Active,ultimate,70,,,
L,2026-01,Active,premium,200,,,14.0.3-ee
M,2026-01,Active,premium,300,,,13.5.0-ee
N,2026-01,Expired,premium,400,,,14.0.0-ee
O,2026-01,Active,ultimate,500,o,o.gitlab-dedicated.com,
";

pub(super) fn fleet() -> Fleet {
    let fleet = Fleet::new("subscriptions: subscriptions.csv\nreleases: releases.csv");
    fleet.0.write("subscriptions.csv", SUBSCRIPTIONS);
    fleet.0.write("releases.csv", "major_minor\n13.0\n13.12\n14.0\n14.1\n14.2\n");
    let users = |users: &str| format!(r#""monthly": {{"users": {users}}}"#);
    let both =
        |value: &str, issues: u64| format!(r#"{}, "counts": {{"issues": {issues}}}"#, users(value));
    let a = r#""edition": "EEP", "version": "14.0.1-ee", "license_subscription_id": "A", "#;
    let b = r#""edition": "EEU", "version": "14.1.0-ee", "license_subscription_id": "B", "#;
    let c = r#""edition": "EEP", "version": "13.12.0-ee", "license_subscription_id": "C", "license_expires_at": "2025-06-30", "#;
    let d = r#""edition": "CE", "version": "14.0.0", "#;
    let e = r#""edition": "CE", "version": "13.0.0", "#;
    let f = r#""edition": "EEU", "version": "14.2.0-ee", "license_subscription_id": "F", "#;
    let g = r#""edition": "EEP", "version": "13.0.0-ee", "license_subscription_id": "G", "gitlab_dedicated": true, "license_user_count": 15"#;
    let h = r#""edition": "EE", "version": "14.1.0-pre", "license_subscription_id": "H", "license_user_count": 25, "#;
    let i = r#""edition": "EEP", "version": "14.0.0-ee", "#;
    let k = r#""edition": "EEP", "version": "14.0.0-ee", "license_subscription_id": "K", "#;
    let saas = r#""edition": "EEU", "version": "15.0.0-pre", "#;
    let with = |uuid: &str, day: &str, fields: &str, values: &str| {
        ping(uuid, &format!("2026-{day}T12:00:00Z"), &format!("{fields}{values}"))
    };
    let pings = [
        with("a", "01-20", a, &both("10", 100)),
        with("a", "02-20", a, &both("20", 130)),
        with("b", "01-20", b, &both("30", 50)),
        with("b", "02-20", b, &both("-1", 60)),
        with("c", "01-20", c, r#""counts": {"issues": 7}"#),
        with("c", "02-20", c, r#""counts": {"issues": 5}"#),
        with("d", "01-20", d, &users("5")),
        with("d", "02-20", d, &users("6")),
        with("e", "01-20", e, &users("1.5")),
        with("e", "02-20", e, &users("0")),
        with("f", "01-20", f, &users("40")).replace("f.example.com", "f.gitlab-dedicated.com"),
        with("f", "02-20", f, &users("44")).replace("f.example.com", "f.gitlab-dedicated.com"),
        with("g", "01-20", g, ""),
        with("h", "01-20", h, &users("8")),
        with("i", "01-03", i, &users("2")),
        with("i", "01-28", i, &users("3")),
        with("i", "02-20", i, &users("4")),
        with("j", "02-20", r#""uploaded_at": "2026-01-20T00:00:00Z", "#, &users("77")),
        with("k", "01-20", k, &format!(r#"{}, "uploaded_at": "2026-01-22T00:00:00Z""#, users("9"))),
        with(
            "k",
            "01-20",
            k,
            &format!(r#"{}, "uploaded_at": "2026-01-21T00:00:00Z""#, users("99")),
        ),
        with("saas", "01-20", saas, &users("1000")),
        with("saas", "02-20", saas, &users("1100")),
        with("saas", "03-01", saas, &users("1200")),
    ];
    // The uuid of the SaaS installation.
    let pings = pings.map(|ping| {
        ping.replace("\"saas\"", "\"ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f\"")
            .replace("saas.example.com", "gitlab.com")
    });
    fleet.write("all.ndjson", pings.join("\n"));
    fleet
}

#[test]
fn a_fleet_counted_by_hand() {
    let fleet = fleet();
    fleet.check(
        "SELECT outcome, reason, count(*) FROM ping_uploads GROUP BY outcome, reason ORDER BY outcome",
        &["accepted  21", "refused future_clock 1", "superseded  1"],
    );
    fleet.check(
        "SELECT month, key_path, edition, deployment, tier, time_frame, complete, installations, \
         installations_active, recorded FROM ping_recorded \
         ORDER BY month, key_path, edition, deployment, tier",
        &[
            // d; not e, whose value is a fraction
            "2026-01-01 monthly.users CE self_managed Free 28d true 1 1 5",
            // f
            "2026-01-01 monthly.users EE dedicated Ultimate 28d true 1 1 40",
            "2026-01-01 monthly.users EE saas Ultimate 28d true 1 1 1000",
            // a 10, i 3 (the last of the month), k 9 (the newer upload)
            "2026-01-01 monthly.users EE self_managed Premium 28d true 3 3 22",
            // h
            "2026-01-01 monthly.users EE self_managed Starter 28d true 1 1 8",
            // b
            "2026-01-01 monthly.users EE self_managed Ultimate 28d true 1 1 30",
            // c, Free because its licence has expired: 5 - 7, clamped
            "2026-02-01 counts.issues EE self_managed Free all true 1 0 0",
            // a: 130 - 100
            "2026-02-01 counts.issues EE self_managed Premium all true 1 1 30",
            // b: 60 - 50
            "2026-02-01 counts.issues EE self_managed Ultimate all true 1 1 10",
            // d 6, e 0
            "2026-02-01 monthly.users CE self_managed Free 28d true 2 1 6",
            "2026-02-01 monthly.users EE dedicated Ultimate 28d true 1 1 44",
            "2026-02-01 monthly.users EE saas Ultimate 28d true 1 1 1100",
            // a 20, i 4; the value of b is a timeout
            "2026-02-01 monthly.users EE self_managed Premium 28d true 2 2 24",
            // The newest ping is of 1 March.
            "2026-03-01 monthly.users EE saas Ultimate 28d false 1 1 1200",
        ],
    );
    fleet.check(
        "SELECT * FROM ping_windows ORDER BY key_path, edition, prerelease",
        &[
            // c 13.12, a 14.0, b 14.1
            "counts.issues EE false 1312 1401",
            // e 13.0 (a fraction is a value, too), d 14.0
            "monthly.users CE false 1300 1400",
            // a, i, k 14.0; b 14.1; f 14.2; not g 13.0, which has no such key
            "monthly.users EE false 1400 1402",
            // h; the SaaS installation does not count
            "monthly.users EE true 1401 1401",
        ],
    );
    fleet.check(
        "SELECT * FROM ping_population ORDER BY month, subscription_id",
        &[
            "2026-01-01 A self_managed 100 billing [14.0.1-ee]",
            "2026-01-01 B self_managed 50 billing [14.1.0-ee]",
            "2026-01-01 C self_managed 20 billing [13.12.0-ee]",
            "2026-01-01 F dedicated 70 billing [14.2.0-ee]",
            "2026-01-01 G dedicated 15 ping [13.0.0-ee]",
            "2026-01-01 H self_managed 25 ping [14.1.0-pre]",
            "2026-01-01 K self_managed 0 ping [14.0.0-ee]",
            "2026-01-01 L self_managed 200 billing [14.0.3-ee]",
            "2026-01-01 M self_managed 300 billing [13.5.0-ee]",
            "2026-01-01 O dedicated 500 billing []",
            "2026-02-01 A self_managed 100 billing [14.0.1-ee]",
            "2026-02-01 B self_managed 60 billing [14.1.0-ee]",
            "2026-02-01 C self_managed 20 billing [13.12.0-ee]",
            "2026-02-01 F dedicated 70 billing [14.2.0-ee]",
        ],
    );
    fleet.check(
        "SELECT month, key_path, edition, deployment, condition, measure, numerator, denominator, \
         recorded, estimated, total FROM ping_estimates WHERE deployment <> 'saas' \
         ORDER BY month, key_path, edition, deployment, condition, measure",
        &[
            // Self-managed in January: A B C H K L M, 695 seats. Users were reported by A, B, H and K:
            // 175 seats. In the CE window 13.0 to 14.0 are A, C, K, L and M: 620 seats; not B with
            // 14.1, and H is on a pre-release. 5 * 695 / 175 = 19.86; 5 * 7 / 4 = 8.75;
            // 5 * 695 / 620 = 5.6; 5 * 7 / 5 = 7.
            "2026-01-01 monthly.users CE self_managed reported seats 175 695 5 15 20",
            "2026-01-01 monthly.users CE self_managed reported subscriptions 4 7 5 4 9",
            "2026-01-01 monthly.users CE self_managed version_check seats 620 695 5 1 6",
            "2026-01-01 monthly.users CE self_managed version_check subscriptions 5 7 5 2 7",
            // Dedicated: F, G, O with 585 seats; only F reported, and only F is in the window.
            // 40 * 585 / 70 = 334.29; 40 * 3 = 120.
            "2026-01-01 monthly.users EE dedicated reported seats 70 585 40 294 334",
            "2026-01-01 monthly.users EE dedicated reported subscriptions 1 3 40 80 120",
            "2026-01-01 monthly.users EE dedicated version_check seats 70 585 40 294 334",
            "2026-01-01 monthly.users EE dedicated version_check subscriptions 1 3 40 80 120",
            // In the EE windows 14.0 to 14.2, and 14.1 of pre-releases: A, B, H, K, L: 375 seats.
            // 60 users: 60 * 695 / 175 = 238.29; 60 * 7 / 4 = 105; 60 * 695 / 375 = 111.2;
            // 60 * 7 / 5 = 84.
            "2026-01-01 monthly.users EE self_managed reported seats 175 695 60 178 238",
            "2026-01-01 monthly.users EE self_managed reported subscriptions 4 7 60 45 105",
            "2026-01-01 monthly.users EE self_managed version_check seats 375 695 60 51 111",
            "2026-01-01 monthly.users EE self_managed version_check subscriptions 5 7 60 24 84",
            // February: A, B, C, 180 seats; all sent issues and are in the window 13.12 to 14.1.
            "2026-02-01 counts.issues EE self_managed reported seats 180 180 40 0 40",
            "2026-02-01 counts.issues EE self_managed reported subscriptions 3 3 40 0 40",
            "2026-02-01 counts.issues EE self_managed version_check seats 180 180 40 0 40",
            "2026-02-01 counts.issues EE self_managed version_check subscriptions 3 3 40 0 40",
            // Only A sent a valid number of users. In the CE window: A and C.
            // 6 * 180 / 100 = 10.8; 6 * 3 = 18; 6 * 180 / 120 = 9; 6 * 3 / 2 = 9.
            "2026-02-01 monthly.users CE self_managed reported seats 100 180 6 5 11",
            "2026-02-01 monthly.users CE self_managed reported subscriptions 1 3 6 12 18",
            "2026-02-01 monthly.users CE self_managed version_check seats 120 180 6 3 9",
            "2026-02-01 monthly.users CE self_managed version_check subscriptions 2 3 6 3 9",
            "2026-02-01 monthly.users EE dedicated reported seats 70 70 44 0 44",
            "2026-02-01 monthly.users EE dedicated reported subscriptions 1 1 44 0 44",
            "2026-02-01 monthly.users EE dedicated version_check seats 70 70 44 0 44",
            "2026-02-01 monthly.users EE dedicated version_check subscriptions 1 1 44 0 44",
            // In the EE window: A and B. 24 * 180 / 100 = 43.2; 24 * 3 = 72; 24 * 180 / 160 = 27;
            // 24 * 3 / 2 = 36.
            "2026-02-01 monthly.users EE self_managed reported seats 100 180 24 19 43",
            "2026-02-01 monthly.users EE self_managed reported subscriptions 1 3 24 48 72",
            "2026-02-01 monthly.users EE self_managed version_check seats 160 180 24 3 27",
            "2026-02-01 monthly.users EE self_managed version_check subscriptions 2 3 24 12 36",
        ],
    );
    fleet.check(
        "SELECT month, key_path, edition, deployment, scenario, measure, numerator, denominator, \
         recorded, predicted FROM ping_predictions WHERE deployment <> 'saas' \
         ORDER BY month, key_path, edition, deployment, scenario, measure",
        &[
            // Self-managed subscriptions in January: A, B, C, H, K sent pings (195 seats), L and M did
            // not. 5 * 695 / 195 = 17.8; 5 * 7 / 5 = 7.
            "2026-01-01 monthly.users CE self_managed all_reported seats 195 695 5 18",
            "2026-01-01 monthly.users CE self_managed all_reported subscriptions 5 7 5 7",
            // The installations d 14.0 and e 13.0 are both in the CE window.
            "2026-01-01 monthly.users CE self_managed current_version installations 2 2 5 5",
            // F and G sent pings, O did not: 40 * 585 / 85 = 275.3; 40 * 3 / 2 = 60.
            "2026-01-01 monthly.users EE dedicated all_reported seats 85 585 40 275",
            "2026-01-01 monthly.users EE dedicated all_reported subscriptions 2 3 40 60",
            // f 14.2 is in the window, g 13.0 is not.
            "2026-01-01 monthly.users EE dedicated current_version installations 1 2 40 80",
            // 60 * 695 / 195 = 213.8; 60 * 7 / 5 = 84.
            "2026-01-01 monthly.users EE self_managed all_reported seats 195 695 60 214",
            "2026-01-01 monthly.users EE self_managed all_reported subscriptions 5 7 60 84",
            // a, b, i, k and h (in that of pre-releases) are in the window, c 13.12 is not: 60 * 6 / 5.
            "2026-01-01 monthly.users EE self_managed current_version installations 5 6 60 72",
            // February: A, B, C sent pings; there are no others.
            "2026-02-01 counts.issues EE self_managed all_reported seats 180 180 40 40",
            "2026-02-01 counts.issues EE self_managed all_reported subscriptions 3 3 40 40",
            // a, b, c, i are all in the window 13.12 to 14.1.
            "2026-02-01 counts.issues EE self_managed current_version installations 4 4 40 40",
            "2026-02-01 monthly.users CE self_managed all_reported seats 180 180 6 6",
            "2026-02-01 monthly.users CE self_managed all_reported subscriptions 3 3 6 6",
            "2026-02-01 monthly.users CE self_managed current_version installations 2 2 6 6",
            "2026-02-01 monthly.users EE dedicated all_reported seats 70 70 44 44",
            "2026-02-01 monthly.users EE dedicated all_reported subscriptions 1 1 44 44",
            "2026-02-01 monthly.users EE dedicated current_version installations 1 1 44 44",
            "2026-02-01 monthly.users EE self_managed all_reported seats 180 180 24 24",
            "2026-02-01 monthly.users EE self_managed all_reported subscriptions 3 3 24 24",
            // a, b, i of a, b, c, i: 24 * 4 / 3.
            "2026-02-01 monthly.users EE self_managed current_version installations 3 4 24 32",
        ],
    );
    fleet.check(
        "SELECT month, scenario, measure, numerator, denominator, recorded, predicted \
         FROM ping_predictions WHERE deployment = 'saas' AND month = '2026-01-01' \
         ORDER BY scenario, measure",
        &[
            "2026-01-01 all_reported seats   1000 1000",
            "2026-01-01 all_reported subscriptions   1000 1000",
            "2026-01-01 current_version installations   1000 1000",
        ],
    );
    fleet.check(
        "SELECT DISTINCT month, p, recorded, estimated, total FROM ping_estimates \
         WHERE deployment = 'saas' ORDER BY month",
        &["2026-01-01 1.0 1000 0 1000", "2026-02-01 1.0 1100 0 1100"],
    );
}
