//! Where the roll-up is used, with what beside it, and where it must not be.

use arrow::datatypes::{DataType, TimeUnit};

use super::{
    DAY, Event, Keys, START, configure, file, ingested, micros, open, plan, project, same,
    some_events,
};
use crate::answer::sorted;
use crate::project::{GOOD, Project};
use crate::store::take;

const BY_MONTH: &str =
    "SELECT date_trunc('month', at), count(DISTINCT user_id) FROM visits GROUP BY 1";

#[tokio::test]
async fn the_plan_shows_what_it_reads() {
    let project = ingested(Keys::Texts);
    let session = open(&project);
    let plan_text = plan(&session, BY_MONTH).await;
    for part in [
        "TableScan: visits (roll-up of 10 days, store version 1)",
        "RollupExec: source=visits, projection=[at, user_id], store version=1, \
         days=2026-01-01..2026-01-10, row_groups=",
        "rollup_distinct(visits.user_id)",
    ] {
        assert!(plan_text.contains(part), "{part}\n{plan_text}");
    }
    assert!(!plan_text.contains("parquet"), "{plan_text}");

    // A filter on days reads these days.
    let filtered = "SELECT count(DISTINCT user_id) FROM visits WHERE at >= '2026-01-03' AND \
                    at < '2026-01-05' AND plan = 'paid'";
    let plan_text = plan(&session, filtered).await;
    assert!(plan_text.contains("roll-up of 2 days"), "{plan_text}");
    assert!(plan_text.contains("days=2026-01-03..2026-01-04"), "{plan_text}");
    assert!(!plan_text.contains("events of"), "{plan_text}");

    // What cuts a day is read from events, and new files are.
    let late = Event { second: START + 3 * DAY, user: 999, event: 0, plan: 1, seats: 1 };
    project.write("events/late.parquet", file(&[late], Keys::Texts, &micros(), false));
    let cut = "SELECT count(DISTINCT user_id) FROM visits WHERE at BETWEEN '2026-01-02T12:00:00' \
               AND '2026-01-05'";
    let plan_text = plan(&open(&project), cut).await;
    for part in [
        "visits (roll-up of 2 days, store version 1)",
        "visits (events of cut days)",
        "visits (events of 1 new files)",
        "store_number(",
    ] {
        assert!(plan_text.contains(part), "{part}\n{plan_text}");
    }
    assert!(same(&project, cut).await);

    let off = open(&project);
    off.sql("SET headcount.rollup = false").await.unwrap();
    assert!(!plan(&off, BY_MONTH).await.contains("roll-up"));
}

#[tokio::test]
async fn queries_that_the_roll_up_answers() {
    let project = ingested(Keys::Far);
    for sql in [
        "SELECT count(DISTINCT user_id) FROM visits",
        "SELECT count(DISTINCT v.user_id) AS n, v.plan FROM visits v GROUP BY v.plan",
        "WITH v AS (SELECT event AS what, user_id AS who, at AS t FROM visits) \
         SELECT what, date_trunc('week', t), count(DISTINCT who) FROM v WHERE t > '2026-01-02' \
         GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5",
        "SELECT plan FROM visits GROUP BY plan HAVING count(DISTINCT user_id) > 3",
        "SELECT grouping(plan), plan, event, count(DISTINCT user_id) FROM visits \
         GROUP BY CUBE (plan, event)",
        "SELECT count(DISTINCT who) FROM (SELECT CASE WHEN event = 'searched' THEN user_id END \
         AS who FROM visits)",
        "SELECT * FROM (SELECT event, count(DISTINCT user_id) n FROM visits GROUP BY event) a \
         JOIN (SELECT event, count(DISTINCT user_id) m FROM visits WHERE plan = 'paid' \
         GROUP BY event) b USING (event)",
        "SELECT count(DISTINCT user_id) FROM visits WHERE at::TIMESTAMP >= TIMESTAMP \
         '2026-01-04 00:00:00'",
        "SELECT count(DISTINCT user_id) FROM visits WHERE at::DATE = DATE '2026-01-04'",
        "SELECT count(DISTINCT user_id) FROM visits WHERE NOT at < '2026-01-04'",
        "SELECT (SELECT count(DISTINCT user_id) FROM visits) + 1",
        "SELECT count(DISTINCT user_id), count(DISTINCT user_id) FILTER (WHERE trial) FROM visits \
         WHERE event = 'nothing of the kind'",
    ] {
        assert!(same(&project, sql).await, "{sql}");
    }
    // The same under a view.
    let session = open(&project);
    session.sql("CREATE VIEW w AS SELECT * FROM visits WHERE seats > 0").await.unwrap();
    let plan_text =
        plan(&session, "SELECT plan, count(DISTINCT user_id) FROM w GROUP BY plan").await;
    assert!(plan_text.contains("roll-up of"), "{plan_text}");
}

#[tokio::test]
async fn queries_that_it_does_not_answer() {
    let project = ingested(Keys::Dense);
    for sql in [
        // An hour is less than a day.
        "SELECT date_trunc('hour', at), count(DISTINCT user_id) FROM visits GROUP BY 1",
        "SELECT at, count(DISTINCT user_id) FROM visits GROUP BY 1",
        "SELECT extract(hour FROM at), count(DISTINCT user_id) FROM visits GROUP BY 1",
        "SELECT count(DISTINCT user_id) FILTER (WHERE at >= '2026-01-04T10:00:00') FROM visits",
        "SELECT count(DISTINCT user_id) FILTER (WHERE at > '2026-01-04') FROM visits",
        "SELECT count(DISTINCT user_id) FROM visits WHERE at < '2026-01-03' OR at > '2026-01-05'",
        // No whole day of it.
        "SELECT count(DISTINCT user_id) FROM visits WHERE at BETWEEN '2026-01-04T10:00:00' AND \
         '2026-01-05T10:00:00'",
        "SELECT count(DISTINCT user_id) FROM visits WHERE at < '2025-12-31'",
        // Other aggregates, other columns, other uses of users.
        "SELECT count(DISTINCT user_id), count(*) FROM visits",
        "SELECT count(user_id) FROM visits",
        "SELECT count(DISTINCT plan) FROM visits",
        "SELECT count(DISTINCT user_id % 10) FROM visits",
        "SELECT count(DISTINCT user_id) FROM visits WHERE user_id > 5",
        "SELECT user_id % 2, count(DISTINCT user_id) FROM visits GROUP BY 1",
        "SELECT note, count(DISTINCT user_id) FROM visits GROUP BY note",
        "SELECT count(DISTINCT user_id) FROM visits WHERE note <> 'x'",
        "SELECT count(DISTINCT user_id) FROM (SELECT * FROM visits ORDER BY at LIMIT 50)",
        "SELECT count(DISTINCT user_id) FROM (SELECT DISTINCT user_id, note FROM visits)",
        "SELECT count(DISTINCT a.user_id) FROM visits a JOIN visits b ON a.at = b.at",
        "SELECT count(DISTINCT user_id) FROM visits WHERE plan IN (SELECT plan FROM visits)",
        "SELECT plan FROM visits GROUP BY plan",
    ] {
        assert!(!same(&project, sql).await, "{sql}");
    }
    // A filter that rows do not share.
    let plan_text =
        plan(&open(&project), "SELECT count(DISTINCT user_id) FROM visits WHERE random() < 2")
            .await;
    assert!(!plan_text.contains("roll-up"), "{plan_text}");
}

/// Whether the months come from the roll-up, after something was done to the project.
async fn after(done: impl FnOnce(&Project)) -> bool {
    let project = ingested(Keys::Dense);
    assert!(same(&project, BY_MONTH).await);
    done(&project);
    same(&project, BY_MONTH).await
}

#[tokio::test]
async fn a_store_with_other_definitions_is_not_used() {
    let other = || file(&some_events()[..50], Keys::Dense, &micros(), false);
    assert!(!after(|p| std::fs::remove_dir_all(p.path("store")).unwrap()).await);
    assert!(!after(|p| p.write("events/0.parquet", other())).await, "changed");
    assert!(after(|p| configure(p, ", deployment: saas")).await, "a constant that no row has");
    let set = |p: &Project, line: &str| {
        let text = std::fs::read_to_string(p.path("headcount.yaml")).unwrap();
        p.write("headcount.yaml", format!("{line}\n{text}"));
    };
    assert!(!after(|p| set(p, "no_events_after: 2027-01-01")).await, "other settings");
    let zone = |p: &Project| {
        set(p, "time_zone: Asia/Kolkata");
        std::fs::remove_dir_all(p.path("store")).unwrap();
        take(p.root());
    };
    assert!(!after(zone).await, "another time zone");
    // The events of a file that is gone are in the store only.
    let gone = |p: &Project| {
        p.write("events/1.parquet", other());
        take(p.root());
        std::fs::remove_file(p.path("events/0.parquet")).unwrap();
    };
    assert!(!after(gone).await, "gone");
    // A new name is no new content, and twice is once.
    let moved = |p: &Project| {
        std::fs::copy(p.path("events/0.parquet"), p.path("events/copy.parquet")).unwrap();
        std::fs::rename(p.path("events/0.parquet"), p.path("events/moved.parquet")).unwrap();
    };
    assert!(after(moved).await, "moved");
    let grown = |p: &Project| {
        for at in 1..4 {
            let events = &some_events()[at * 20..at * 40];
            p.write(&format!("events/{at}.parquet"), file(events, Keys::Dense, &micros(), false));
            take(p.root());
        }
    };
    assert!(after(grown).await, "grown");
}

#[tokio::test]
async fn columns_that_do_not_come_back_as_they_were() {
    let by_plan = "SELECT plan, count(DISTINCT user_id) FROM visits GROUP BY plan";
    // Rejected rows are rows to SQL.
    let rejected = project();
    let mut events = some_events();
    events[7].second = -DAY;
    rejected.write("events/0.parquet", file(&events, Keys::Dense, &micros(), false));
    assert_eq!(take(rejected.root()).rejects.total(), 1);
    assert!(!same(&rejected, by_plan).await);
    // The empty text is none to the store, and one to SQL.
    let empty = project();
    empty.write("events/0.parquet", file(&some_events(), Keys::Dense, &micros(), true));
    take(empty.root());
    assert!(!same(&empty, by_plan).await);
    assert!(same(&empty, BY_MONTH).await);
    // Other people under the same key.
    let scoped = project();
    scoped.write("events/0.parquet", file(&some_events(), Keys::Dense, &micros(), false));
    let text = std::fs::read_to_string(scoped.path("headcount.yaml")).unwrap();
    scoped.write(
        "headcount.yaml",
        text.replace("user: user_id", "user: {column: user_id, scope: event}"),
    );
    take(scoped.root());
    assert!(!same(&scoped, BY_MONTH).await);
    // The store keeps some dimensions only.
    let few = project();
    few.write("events/0.parquet", file(&some_events(), Keys::Dense, &micros(), false));
    let text = std::fs::read_to_string(few.path("headcount.yaml")).unwrap();
    few.write("headcount.yaml", format!("{text}store: {{dimensions: [seats]}}\n"));
    take(few.root());
    assert!(!same(&few, by_plan).await);
    assert!(same(&few, "SELECT seats, count(DISTINCT user_id) FROM visits GROUP BY 1").await);
    // Clocks of another zone.
    let there = project();
    let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("+02:00".into()));
    there.write("events/0.parquet", file(&some_events(), Keys::Dense, &zone, false));
    take(there.root());
    assert!(!same(&there, BY_MONTH).await);
    // Texts are no times.
    let texts = Project::good();
    take(texts.root());
    let sql = "SELECT event, count(DISTINCT user_id) FROM visits GROUP BY event";
    assert!(!same(&texts, sql).await);
    assert_eq!(GOOD[4].1.lines().count(), 8);
}

#[tokio::test]
async fn a_broken_store_is_an_error_with_help() {
    let project = ingested(Keys::Dense);
    let folder = project.path("store/files");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(path, "nothing").unwrap();
        }
    }
    let session = open(&project);
    let error = session.sql(BY_MONTH).await.unwrap().collect().await.unwrap_err().to_string();
    assert!(error.contains("SET headcount.rollup = false"), "{error}");
    session.sql("SET headcount.rollup = false").await.unwrap();
    assert!(!sorted(&session, BY_MONTH).await.is_empty());
}

#[tokio::test]
async fn views_show_what_they_read() {
    let project = ingested(Keys::Dense);
    let sql = "SELECT * FROM mau";
    let plan_text = plan(&open(&project), sql).await;
    assert!(plan_text.contains("from the store at version 1 of [visits]"), "{plan_text}");
    let late = || file(&some_events()[..9], Keys::Dense, &micros(), false);
    project.write("events/late.parquet", late());
    let plan_text = plan(&open(&project), sql).await;
    assert!(
        plan_text.contains("from the store at version 1 and events of 1 new file of"),
        "{plan_text}"
    );
    let with = sorted(&open(&project), sql).await;
    project.write("events/0.parquet", file(&some_events(), Keys::Dense, &micros(), true));
    let plan_text = plan(&open(&project), sql).await;
    assert!(
        plan_text.contains("events/0.parquet has changed since it was ingested"),
        "{plan_text}"
    );
    assert_eq!(sorted(&open(&project), sql).await, with);
    std::fs::remove_dir_all(project.path("store")).unwrap();
    let plan_text = plan(&open(&project), sql).await;
    assert!(plan_text.contains("from events of [visits]"), "{plan_text}");
    assert_eq!(sorted(&open(&project), sql).await, with);
}
