//! Sets of users from the table `activity`: those of one store combine, those of two do not.
//!
//! The counts of the table are in `tests/slt/visits/activity.slt`.

use crate::project::{Project, Ran};
use crate::store::ingest_new;
use crate::visits::{Keys, ingested, project, write_half};

const SET: &str = "SELECT encode(bitmap_union(users), 'hex') AS users FROM activity";

fn sql(project: &Project, sql: &str) -> Ran {
    project.run(&["sql", "-c", sql, "--format", "csv"])
}

/// The only cell of a result.
#[track_caller]
fn cell(project: &Project, text: &str) -> String {
    let ran = sql(project, text);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{text}");
    ran.out.lines().nth(1).unwrap().to_owned()
}

/// The query that counts the users of `activity` and of another set.
fn count_with(set: &str) -> String {
    format!("SELECT bitmap_or_count(bitmap_union(users), X'{set}') AS n FROM activity")
}

#[test]
fn sets_of_two_stores_do_not_combine() {
    let (project, other) = (ingested(Keys::Texts), ingested(Keys::Texts));
    let ran = sql(&project, &count_with(&cell(&other, SET)));
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("ids of two different stores"), "{}", ran.err);
}

#[test]
fn ids_stay_the_same_when_the_store_grows() {
    let project = project();
    write_half(&project, Keys::Texts, 0);
    ingest_new(project.root());
    let before = cell(&project, SET);
    write_half(&project, Keys::Texts, 1);
    ingest_new(project.root());
    let users = cell(&project, "SELECT count(DISTINCT user_id) AS n FROM visits");
    assert_eq!(cell(&project, &count_with(&before)), users);
    assert_ne!(cell(&project, SET), before);
}
