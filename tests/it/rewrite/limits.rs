//! When the roll-up must not be used because of the files, the store or the types of columns.

use arrow::datatypes::{DataType, TimeUnit};

use super::{open, plan, same};
use crate::answer::sorted;
use crate::project::Project;
use crate::store::ingest_new;
use crate::visits::{DAY, Keys, configure, file, ingested, micros, project, some_events};

const BY_MONTH: &str =
    "SELECT date_trunc('month', at), count(DISTINCT user_id) FROM visits GROUP BY 1";

/// Whether the months come from the roll-up after a change to the project.
async fn after(change: impl FnOnce(&Project)) -> bool {
    let project = ingested(Keys::Dense);
    assert!(same(&project, BY_MONTH).await);
    change(&project);
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
        ingest_new(p.root());
    };
    assert!(!after(zone).await, "another time zone");
    // The events of a file that is gone are in the store only.
    let gone = |p: &Project| {
        p.write("events/1.parquet", other());
        ingest_new(p.root());
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
            ingest_new(p.root());
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
    assert_eq!(ingest_new(rejected.root()).rejects.total(), 1);
    assert!(!same(&rejected, by_plan).await);
    // The empty text is none to the store, and one to SQL.
    let empty = project();
    empty.write("events/0.parquet", file(&some_events(), Keys::Dense, &micros(), true));
    ingest_new(empty.root());
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
    ingest_new(scoped.root());
    assert!(!same(&scoped, BY_MONTH).await);
    // The store keeps some dimensions only.
    let few = project();
    few.write("events/0.parquet", file(&some_events(), Keys::Dense, &micros(), false));
    let text = std::fs::read_to_string(few.path("headcount.yaml")).unwrap();
    few.write("headcount.yaml", format!("{text}store: {{dimensions: [seats]}}\n"));
    ingest_new(few.root());
    assert!(!same(&few, by_plan).await);
    assert!(same(&few, "SELECT seats, count(DISTINCT user_id) FROM visits GROUP BY 1").await);
    // Clocks of another zone.
    let there = project();
    let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("+02:00".into()));
    there.write("events/0.parquet", file(&some_events(), Keys::Dense, &zone, false));
    ingest_new(there.root());
    assert!(!same(&there, BY_MONTH).await);
    // Texts are no times.
    let texts = Project::good();
    ingest_new(texts.root());
    let sql = "SELECT event, count(DISTINCT user_id) FROM visits GROUP BY event";
    assert!(!same(&texts, sql).await);
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
