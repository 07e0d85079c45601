//! The values of pings of random events.

use std::collections::BTreeMap;

use engine::calendar::Day;

use super::{DAYS, Event, FIRST, IDENTITY, events, ping, project, users};
use crate::project::Project;
use crate::table::Table;

/// Every value of a ping of a day, by plain loops. Weeks are counted from 1970-01-05, a Monday.
fn expected(events: &[Event], day: i32) -> BTreeMap<String, u64> {
    let monday = day - (day - 4).rem_euclid(7);
    let (month, week) = ((monday - 28, monday - 1), (monday - 7, monday - 1));
    let (database_month, database_week) = ((day - 29, day - 2), (day - 8, day - 2));
    let all = (i32::MIN, day);
    let count = |names: &[&str], days| users(events, names, days).len() as u64;
    let both = |days| {
        let close = users(events, &["close"], days);
        users(events, &["open"], days).intersection(&close).count() as u64
    };
    let paid: Vec<Event> = events
        .iter()
        .filter(|event| event.name != "run" || event.plan == "paid")
        .copied()
        .collect();
    let runs = |(first, last): (i32, i32)| {
        let is_run = |event: &&Event| event.name == "run" && (first..=last).contains(&event.day);
        events.iter().filter(is_run).count() as u64
    };
    BTreeMap::from([
        ("usage_activity_by_stage_monthly.plan.boards", count(&["open"], database_month)),
        ("usage_activity_by_stage.plan.boards", count(&["open"], all)),
        ("counts_weekly.boards", count(&["open"], database_week)),
        (
            "usage_activity_by_stage_monthly.verify.paid",
            users(&paid, &["run", "close"], database_month).len() as u64,
        ),
        ("redis_hll_counters.notes.note_open_weekly", count(&["open"], week)),
        ("redis_hll_counters.notes.note_open_monthly", count(&["open"], month)),
        ("redis_hll_counters.notes.note_close_weekly", count(&["close"], week)),
        ("redis_hll_counters.notes.note_close_monthly", count(&["close"], month)),
        (
            "redis_hll_counters.notes.notes_total_unique_counts_weekly",
            count(&["open", "close"], week),
        ),
        (
            "redis_hll_counters.notes.notes_total_unique_counts_monthly",
            count(&["open", "close"], month),
        ),
        ("redis_hll_counters.runs.run_monthly", count(&["run"], month)),
        ("redis_hll_counters.ide.edit_monthly", count(&["open"], month)),
        ("redis_hll_counters.ide.view_monthly", count(&["close"], month)),
        // As the dictionary defines it.
        (
            "redis_hll_counters.ide.ide_total_unique_counts_monthly",
            count(&["open", "close", "run"], month),
        ),
        ("counts.both_weekly", count(&["run", "close"], week)),
        ("counts.both_monthly", count(&["run", "close"], month)),
        ("counts.both", count(&["run", "close"], all)),
        ("plain", count(&["run"], month)),
        ("counts.runs_total_monthly", runs(month)),
        ("counts.runs_total", runs(all)),
        ("counts_monthly.aggregated_metrics.any", count(&["open", "close"], month)),
        ("counts_weekly.aggregated_metrics.any", count(&["open", "close"], week)),
        ("counts.aggregate_any", count(&["open", "close"], all)),
        ("counts_monthly.aggregated_metrics.all", both(database_month)),
        ("counts_weekly.aggregated_metrics.all", both(database_week)),
    ])
    .into_iter()
    .map(|(key_path, users)| (key_path.to_owned(), users))
    .collect()
}

#[test]
fn values_are_those_of_plain_loops_from_events_and_from_the_store() {
    for seed in 1..4 {
        let events = events(seed, 700, 60);
        let project = project(&events, IDENTITY);
        // Every weekday, and days at both ends of the data and beyond.
        let days = (FIRST + 40..FIRST + 47).chain([FIRST + 5, FIRST + DAYS - 1, FIRST + DAYS + 20]);
        let mut pings = Vec::new();
        for day in days {
            let text = Day::new(day).to_string();
            let (ran, document, values) = ping(&project, &["--as-of", &text]);
            assert_eq!(values, expected(&events, day), "seed {seed}, {text}");
            assert_eq!(document["recorded_at"], format!("{text}T23:59:59Z"));
            pings.push((text, ran.out));
        }
        assert_eq!(project.run(&["ingest"]).code, 0);
        for (day, out) in pings {
            let ran = project.run(&["ping", "--as-of", &day]);
            assert_eq!((ran.code, ran.out), (0, out), "{day}: {}", ran.err);
        }
    }
}

#[test]
fn a_ping_that_is_read_gives_the_numbers_of_the_report() {
    let events = events(7, 2_000, 300);
    let project = project(&events, IDENTITY);
    let receiver = receiver(&project);
    for month in ["2026-02", "2026-03"] {
        let file = receiver.path(&format!("pings/{month}.json"));
        let arguments = ["ping", "--month", month, "-o", file.to_str().unwrap()];
        let ran = project.run(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    }
    let sql = |statement: &str| {
        let ran = receiver.run(&["sql", "--format", "csv", "-c", statement]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        Table::of_csv(&ran.out)
    };
    let identity = "SELECT uuid, hostname, recorded_at, month, is_last_of_month, major_minor, edition, tier, \
                    deployment FROM pings WHERE month = DATE '2026-02-01'";
    let expected =
        "a-1 git.example.com 2026-02-28T23:59:59Z 2026-02-01 true 1705 EE Premium self_managed";
    assert_eq!(sql(identity).rows[0].join(" "), expected);
    // Everything that was sent is a value of a metric, but for the totals that have no definition.
    let kinds = "SELECT kind, count(DISTINCT key_path) AS paths, string_agg(DISTINCT key_path, ' ') AS all \
                 FROM ping_values WHERE kind <> 'valid' AND value IS NOT NULL GROUP BY kind";
    let others = sql(kinds);
    assert_eq!(others.lines(&["kind", "paths"]), ["unknown 3"], "{:?}", others.rows);
    assert!(others.rows[0][2].contains("notes.notes_total_unique_counts_weekly"));

    let recorded = "SELECT month, key_path, recorded FROM ping_recorded WHERE time_frame = '28d'";
    let recorded = sql(recorded).numbers(&["month", "key_path"], "recorded");
    // The windows of the last days of February and March, both with the last Sunday before.
    let mut compared = 0;
    for (month, last, sunday) in
        [("2026-02-01", "2026-02-28", "2026-02-22"), ("2026-03-01", "2026-03-31", "2026-03-29")]
    {
        for (window, day, is_database) in [("lagged_28d", last, true), ("iso_4w", sunday, false)] {
            let arguments = ["--window", window, "--from", day, "--to", day, "--level", "action"];
            for (metric, users) in project.report(&arguments).numbers(&["metric"], "users") {
                let key_path = &metric[0];
                let from_database = key_path.starts_with("usage_activity")
                    || *key_path == "counts_monthly.aggregated_metrics.all";
                if from_database != is_database || UNSENT.contains(&key_path.as_str()) {
                    continue;
                }
                let ending = if key_path == "counts.both" { "_monthly" } else { "" };
                let key = [month.to_owned(), format!("{key_path}{ending}")];
                assert_eq!(recorded.get(&key[..]), Some(&users), "{window} {key:?}");
                compared += 1;
            }
        }
    }
    // Every value of 28 days but that of occurrences, which reports do not count.
    assert_eq!((compared, recorded.len()), (2 * 12, 2 * 13));
    // A counter's month is its increase.
    let all = sql(
        "SELECT recorded FROM ping_recorded WHERE key_path = 'usage_activity_by_stage.plan.boards'",
    );
    let until = |day| users(&events, &["open"], (i32::MIN, day)).len();
    let increase = until(FIRST + 89) - until(FIRST + 58);
    assert_eq!(all.rows, [[increase.to_string()]]);
}

/// Metrics that reports count and pings leave out.
const UNSENT: [&str; 3] = ["plain.below", "hostname", "headcount_sketches.x"];

/// A project that reads the pings of others, with the same dictionary.
fn receiver(sender: &Project) -> Project {
    let receiver = Project::empty();
    crate::project::copy_folder(&sender.path("dictionary"), &receiver.path("dictionary"));
    receiver.write(
        "headcount.yaml",
        "sources:\n  - {name: fleet, format: service_ping, files: pings}\n",
    );
    std::fs::create_dir(receiver.path("pings")).unwrap();
    receiver
}

#[test]
fn small_values_are_left_out() {
    let events = events(3, 400, 40);
    let project = project(&events, IDENTITY);
    let (_, _, full) = ping(&project, &["--month", "2026-03"]);
    for least in [0, 1, 2, 15, 25, 1_000] {
        let text = least.to_string();
        let (ran, _, values) = ping(&project, &["--month", "2026-03", "--min-users", &text]);
        // Occurrences have at least as many events as users.
        let runs = |key_path: &str| match key_path {
            "counts.runs_total_monthly" => full["redis_hll_counters.runs.run_monthly"],
            "counts.runs_total" => users(&events, &["run"], (i32::MIN, FIRST + 89)).len() as u64,
            _ => full[key_path],
        };
        let mut expected = full.clone();
        expected.retain(|key_path, _| runs(key_path) == 0 || runs(key_path) >= least);
        assert_eq!(values, expected, "{least}");
        let suppressed = full.len() - expected.len();
        let message = format!("left out {suppressed} values of fewer than {least} users");
        assert_eq!(ran.err.contains(&message), suppressed > 1, "{least}: {}", ran.err);
        assert_eq!(ran.err.contains("users\n"), suppressed > 0, "{least}: {}", ran.err);
    }
}

#[test]
fn the_default_month_is_the_newest_complete_one() {
    let mut events = events(5, 300, 40);
    let project = project(&events, IDENTITY);
    let (_, document, _) = ping(&project, &[]);
    assert_eq!(document["recorded_at"], "2026-03-31T23:59:59Z");
    // The data end with the last instant of March but one.
    events.retain(|event| event.day < FIRST + 90);
    events.push(Event { day: FIRST + 89, user: 23, name: "open", plan: "free" });
    let project = super::project(&events, IDENTITY);
    let (_, document, _) = ping(&project, &[]);
    assert_eq!(document["recorded_at"], "2026-02-28T23:59:59Z");
}

#[test]
fn days_are_those_of_the_project_and_the_month_is_that_of_the_reader() {
    let project = project(&[], &format!("time_zone: America/Los_Angeles\n{IDENTITY}"));
    // Both on the local Sunday 2026-03-29, the second on Monday in UTC; and a later one.
    project.write(
        "events.csv",
        "at,user,event,plan\n2026-03-29T12:00:00Z,1,run,free\n2026-03-30T06:59:59Z,2,run,free\n\
         2026-03-30T07:00:00Z,3,run,free\n2026-04-01T07:00:00Z,4,run,free\n",
    );
    let (_, document, values) = ping(&project, &[]);
    assert_eq!((&document["recorded_at"], values["plain"]), (&"2026-03-31T23:59:59Z".into(), 2));
    // Until the end of 31 March in Los Angeles.
    assert_eq!(values["counts.runs_total"], 3);
}

#[test]
fn a_payload_has_the_identity_first_and_its_keys_in_order() {
    let (_, document, _) = ping(&project(&events(1, 300, 20), IDENTITY), &["--month", "2026-02"]);
    let keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "uuid",
        "hostname",
        "version",
        "edition",
        "license_user_count",
        "gitlab_dedicated",
        "recorded_at",
        "counts",
        "counts_monthly",
        "counts_weekly",
        "plain",
        "redis_hll_counters",
        "usage_activity_by_stage",
        "usage_activity_by_stage_monthly",
    ];
    assert_eq!(keys, expected);
    assert_eq!(
        (&document["license_user_count"], &document["gitlab_dedicated"]),
        (&12.into(), &false.into())
    );
}

#[test]
fn what_cannot_be_counted_is_listed() {
    let (ran, _, _) = ping(&project(&events(1, 300, 20), IDENTITY), &["--month", "2026-02"]);
    let expected = "\
left out 10 metrics:
  does not count users: counts.projects
  its key path is below another value, or part of the identity: headcount_sketches.x, hostname, plain.below
  its value is not a number: settings.name
  no events: counts.rows
  no time frame: settings.number
  not valid on that day: late
  status `broken`: wrong
  sums a value: counts.minutes
";
    assert!(ran.err.contains(expected), "{}", ran.err);
}
