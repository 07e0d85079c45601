//! `COUNT(DISTINCT user)` from the roll-up: the same rows as from the events, and the plan shows
//! it.

mod laws;
mod limits;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, FixedSizeBinaryArray, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::prelude::SessionContext;
use headcount::catalog::{CatalogOptions, register};
use headcount::session::{Options, session};

use crate::answer::sorted;
use crate::project::{Project, parquet_in_groups};
use crate::store::take;

/// 2026-01-01, midnight, in seconds.
const START: i64 = 1_767_225_600;
const DAY: i64 = 86_400;
const EVENTS: [&str; 3] = ["page_viewed", "searched", "something_else"];
const PLANS: [Option<&str>; 4] = [None, Some("free"), Some("paid"), Some("a plan of many words")];

/// An event, in small numbers.
#[derive(Clone, Copy, Debug)]
struct Event {
    second: i64,
    user: u32,
    event: usize,
    plan: usize,
    seats: u32,
}

/// How users are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Dense,
    /// Far apart, some of them negative or beyond 32 bits.
    Far,
    Unsigned,
    Texts,
    Uuids,
}

impl Keys {
    const ALL: [Self; 5] = [Self::Dense, Self::Far, Self::Unsigned, Self::Texts, Self::Uuids];

    fn column(self, events: &[Event]) -> ArrayRef {
        let scatter = |user: u32| i64::from(user).wrapping_mul(0x5851_f42d_4c95_7f2d);
        let users = events.iter().map(|event| event.user);
        match self {
            Self::Dense => Arc::new(users.map(|user| Some(user as i32)).collect::<Int32Array>()),
            Self::Far => Arc::new(
                users
                    .map(|user| match user % 3 {
                        0 => scatter(user),
                        1 => i64::from(user) << 26,
                        _ => i64::from(user),
                    })
                    .map(Some)
                    .collect::<Int64Array>(),
            ),
            Self::Unsigned => {
                Arc::new(users.map(|user| Some(scatter(user) as u64)).collect::<UInt64Array>())
            }
            Self::Texts => Arc::new(
                users
                    .map(|user| match user % 4 {
                        0 => user.to_string(),
                        1 => format!("0{user}"),
                        2 => format!("00000000-0000-0000-0000-{user:012}"),
                        _ => format!("person {user}"),
                    })
                    .map(Some)
                    .collect::<StringArray>(),
            ),
            Self::Uuids => {
                let bytes = users.map(|user| (scatter(user) as u128).to_be_bytes());
                Arc::new(FixedSizeBinaryArray::try_from_iter(bytes).unwrap())
            }
        }
    }
}

/// A Parquet file of events; an empty plan stands for NULL if `empty`.
fn file(events: &[Event], keys: Keys, time: &DataType, empty: bool) -> Vec<u8> {
    let times: ArrayRef = match time {
        DataType::Date32 => Arc::new(
            events.iter().map(|e| Some((e.second.div_euclid(DAY)) as i32)).collect::<Date32Array>(),
        ),
        _ => {
            let micros = events.iter().map(|event| event.second * 1_000_000 + 999);
            cast(&TimestampMicrosecondArray::from_iter_values(micros), time).unwrap()
        }
    };
    let plan = |event: &Event| PLANS[event.plan].or(empty.then_some(""));
    let seats = |event: &Event| (event.seats > 0).then_some(event.seats as i32 - 2);
    let trial = |event: &Event| (event.seats > 1).then_some(event.seats.is_multiple_of(2));
    let columns: [(&str, ArrayRef); 7] = [
        ("at", times),
        ("user_id", keys.column(events)),
        ("event", Arc::new(events.iter().map(|e| Some(EVENTS[e.event])).collect::<StringArray>())),
        ("plan", Arc::new(events.iter().map(plan).collect::<StringArray>())),
        ("seats", Arc::new(events.iter().map(seats).collect::<Int32Array>())),
        ("trial", Arc::new(events.iter().map(trial).collect::<BooleanArray>())),
        ("note", Arc::new(events.iter().map(|_| Some("no dimension")).collect::<StringArray>())),
    ];
    parquet_in_groups(&columns, 50)
}

const UTC: &str = "UTC";

fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// A project over the files of the folder `events`, none of which is there yet.
fn project() -> Project {
    let project = Project::good();
    std::fs::remove_file(project.path("events.csv")).unwrap();
    configure(&project, "");
    project
}

/// Writes `headcount.yaml` with more fields of the source.
fn configure(project: &Project, more: &str) {
    project.write(
        "headcount.yaml",
        format!(
            "sources:\n  - {{name: visits, files: 'events/*.parquet', time: at, user: user_id, \
             event: event, dimensions: [plan, seats, trial]{more}}}\n"
        ),
    );
}

/// 200 events of 40 users in ten days.
fn some_events() -> Vec<Event> {
    let event = |at: i64| Event {
        second: START + at * 4_321,
        user: (at * at % 41) as u32,
        event: (at % 7 % 3) as usize,
        plan: (at % 5 % 4) as usize,
        seats: (at % 4) as u32,
    };
    (0..200).map(event).collect()
}

/// A project whose only file is in the store.
fn ingested(keys: Keys) -> Project {
    let project = project();
    project.write("events/0.parquet", file(&some_events(), keys, &micros(), false));
    take(project.root());
    project
}

/// A session on a project.
fn open(project: &Project) -> SessionContext {
    let session = session(&Options { threads: Some(2), ..Options::default() }).unwrap();
    let project = engine::project::Project::load(project.root()).unwrap();
    let catalog_options =
        CatalogOptions { project: Some(Arc::new(project)), ..CatalogOptions::default() };
    register(&session, &catalog_options).unwrap();
    session
}

/// The output of `EXPLAIN`.
async fn plan(session: &SessionContext, sql: &str) -> String {
    sorted(session, &format!("EXPLAIN FORMAT INDENT {sql}")).await.join("\n")
}

/// Rows with the roll-up, by the events, and by DataFusion alone are the same. Returns whether the
/// plan shows the roll-up.
async fn same(project: &Project, sql: &str) -> bool {
    let session = open(project);
    let plan = plan(&session, sql).await;
    let shown = plan.contains("RollupExec");
    assert_eq!(shown, plan.contains("(roll-up of "), "{sql}\n{plan}");
    let with = sorted(&session, sql).await;
    for setting in ["headcount.rollup", "headcount.exact_distinct"] {
        session.sql(&format!("SET {setting} = false")).await.unwrap();
        assert_eq!(with, sorted(&session, sql).await, "{setting}: {sql}\n{plan}");
    }
    shown
}
