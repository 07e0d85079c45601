//! The table `activity` against the events themselves: COUNT(DISTINCT) of the same days, events and
//! dimensions, whatever the keys are.

use std::fmt::Write as _;

use crate::project::{Project, Ran};

/// Keys by number: integers that are their own numbers, others, texts, and all of these.
const KINDS: [(&str, fn(u32) -> String); 4] = [
    ("small integers", |n| (n * 7).to_string()),
    ("any integers", |n| (i64::from(n) * 1_500_000_000 - 9_000_000_000).to_string()),
    ("texts", |n| format!("user-{n}")),
    ("mixed", |n| match n % 4 {
        0 => n.to_string(),
        1 => format!("0{n}"),
        2 => format!("00000000-0000-0000-0000-{n:012}"),
        _ => format!("-{n}"),
    }),
];
const EVENTS: [&str; 3] = ["page_viewed", "searched", "post_written"];
const PLANS: [&str; 2] = ["free", "paid"];

/// Events of 40 people over 50 days, as CSV; `seed` makes others.
fn events(key: fn(u32) -> String, seed: u32) -> String {
    let mut text = String::from("at,user_id,event,plan\n");
    let mut state = seed;
    for _ in 0..600 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let pick = |from: u32, count: u32| (state >> from) % count;
        let (day, hour) = (pick(3, 50), pick(5, 24));
        let (month, day) = if day < 31 { (1, day + 1) } else { (2, day - 30) };
        let (user, event) = (key(pick(7, 40)), EVENTS[pick(11, 3) as usize]);
        let plan = PLANS[pick(13, 2) as usize];
        let _ = writeln!(text, "2026-{month:02}-{day:02}T{hour:02}:30:00Z,{user},{event},{plan}");
    }
    text
}

fn project(key: fn(u32) -> String) -> Project {
    let project = Project::good();
    let settings = std::fs::read_to_string(project.path("headcount.yaml")).unwrap();
    project.write("headcount.yaml", settings.replace("events.csv", "events/*.csv"));
    project.write("events/first.csv", events(key, 1));
    project
}

fn ingest(project: &Project) {
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

fn ask(project: &Project, sql: &str) -> Ran {
    project.run(&["sql", "-c", sql, "--format", "csv"])
}

#[track_caller]
fn answer(project: &Project, sql: &str) -> String {
    let ran = ask(project, sql);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{sql}");
    ran.out
}

#[track_caller]
fn same(project: &Project, of_activity: &str, of_events: &str) {
    assert_eq!(answer(project, of_activity), answer(project, of_events), "{of_activity}");
}

#[test]
fn it_counts_what_the_events_count() {
    for (kind, key) in KINDS {
        let project = project(key);
        ingest(&project);
        // A late file with some of the same people, on the same days: rows that unite.
        project.write("events/second.csv", events(key, 2));
        ingest(&project);
        println!("{kind}");
        for (by, order) in [("event", "1"), ("plan", "1"), ("event, plan", "1, 2")] {
            same(
                &project,
                &format!(
                    "SELECT {by}, bitmap_union_count(users) AS n, sum(event_count) AS e \
                     FROM activity GROUP BY {by} ORDER BY {order}"
                ),
                &format!(
                    "SELECT {by}, count(DISTINCT user_id) AS n, count(*) AS e \
                     FROM visits GROUP BY {by} ORDER BY {order}"
                ),
            );
        }
        same(
            &project,
            "SELECT bitmap_union_count(users) AS n, bitmap_count(bitmap_union(users)) AS m, \
             bitmap_union_count(users) FILTER (WHERE event = 'searched') AS o FROM activity \
             WHERE day BETWEEN DATE '2026-01-20' AND DATE '2026-02-03'",
            "SELECT count(DISTINCT user_id) AS n, count(DISTINCT user_id) AS m, \
             count(DISTINCT user_id) FILTER (WHERE event = 'searched') AS o FROM visits \
             WHERE \"at\" >= '2026-01-20' AND \"at\" < '2026-02-04'",
        );
        same(
            &project,
            "SELECT intersect_count(users, event, 'searched', 'post_written') AS n FROM activity \
             WHERE plan = 'paid'",
            "SELECT count(*) AS n FROM (SELECT user_id FROM visits \
             WHERE event = 'searched' AND plan = 'paid' INTERSECT SELECT user_id FROM visits \
             WHERE event = 'post_written' AND plan = 'paid')",
        );
        same(
            &project,
            "SELECT bitmap_andnot_count(bitmap_union(users) FILTER (WHERE day < DATE \
             '2026-02-01'), \
             bitmap_union(users) FILTER (WHERE day >= DATE '2026-02-01' AND plan = 'free')) AS n \
             FROM activity",
            "SELECT count(*) AS n FROM (SELECT user_id FROM visits WHERE \"at\" < '2026-02-01' \
             EXCEPT SELECT user_id FROM visits WHERE \"at\" >= '2026-02-01' AND plan = 'free')",
        );
        same(
            &project,
            "SELECT sum(user_count - bitmap_count(users)) AS n FROM activity",
            "SELECT 0 AS n",
        );
    }
}

#[test]
fn keys_that_are_their_own_ids_combine_with_other_sets() {
    let project = project(KINDS[0].1);
    ingest(&project);
    same(
        &project,
        "SELECT bitmap_to_array(bitmap_union(users))[1] AS least, \
         bitmap_contains(bitmap_union(users), '7') AS seven FROM activity",
        "SELECT min(CAST(user_id AS BIGINT)) AS least, bool_or(user_id = '7') AS seven FROM visits",
    );
    same(
        &project,
        "SELECT bitmap_and_count(bitmap_union(users), bitmap_from_array(range(100))) AS n \
         FROM activity",
        "SELECT count(DISTINCT user_id) AS n FROM visits WHERE CAST(user_id AS BIGINT) < 100",
    );
}

#[test]
fn ids_of_a_store_do_not_combine_with_others() {
    let (here, there) = (project(KINDS[2].1), project(KINDS[2].1));
    ingest(&here);
    ingest(&there);
    let fails = |sql: &str, part: &str| {
        let ran = ask(&here, sql);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{sql}");
        assert!(ran.err.contains(part), "{sql}: {}", ran.err);
    };
    fails("SELECT bitmap_to_array(bitmap_union(users)) FROM activity", "assigned by a store");
    fails(
        "SELECT bitmap_contains(users, 'user-1') FROM activity",
        "the table `users` of the store",
    );
    let sql = "SELECT encode(bitmap_union(users), 'hex') AS b FROM activity";
    let other = answer(&there, sql).lines().nth(1).unwrap().to_owned();
    fails(
        &format!("SELECT bitmap_or_count(bitmap_union(users), X'{other}') FROM activity"),
        "ids of two different stores",
    );
    // The same store at another time is the same numbering.
    let before = answer(&here, sql).lines().nth(1).unwrap().to_owned();
    here.write("events/second.csv", events(KINDS[2].1, 9));
    ingest(&here);
    same(
        &here,
        &format!("SELECT bitmap_or_count(bitmap_union(users), X'{before}') AS n FROM activity"),
        "SELECT count(DISTINCT user_id) AS n FROM visits",
    );
}

#[test]
fn the_table_exists_once_there_is_a_store() {
    let project = project(KINDS[3].1);
    let tables =
        "SELECT count(*) AS n FROM information_schema.tables WHERE table_name = 'activity'";
    assert_eq!(answer(&project, tables), "n\n0\n");
    let ran = ask(&project, "SELECT * FROM activity");
    assert_eq!(ran.code, 1);
    for part in ["this project has no store yet", "run `headcount ingest` to create it"] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    ingest(&project);
    assert_eq!(answer(&project, tables), "n\n1\n");
    let columns = "SELECT column_name AS name FROM information_schema.columns \
                   WHERE table_name = 'activity' ORDER BY ordinal_position";
    let names = "name\nday\nsource\nevent\nplan\nshard\nusers\nuser_count\nevent_count\n";
    assert_eq!(answer(&project, columns), names);
}

#[test]
fn only_requested_data_is_read() {
    let project = project(KINDS[1].1);
    ingest(&project);
    let plan = answer(
        &project,
        "EXPLAIN SELECT event, sum(event_count) FROM activity WHERE day = DATE '2026-01-05' \
         GROUP BY event",
    );
    let scan = plan.lines().find(|line| line.contains("DataSourceExec")).unwrap_or(&plan);
    assert!(scan.contains("day") && scan.contains("pruning_predicate"), "{plan}");
    assert!(!scan.contains("users") && !plan.contains("bitmap_of_store"), "{plan}");
}
