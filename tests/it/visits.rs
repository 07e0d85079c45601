//! The project `visits`: events in Parquet files, with times and dimensions of several types, and
//! users written in several ways.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, FixedSizeBinaryArray, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};

use crate::project::{Project, parquet_in_groups};
use crate::store::ingest_new;

/// 2026-01-01, midnight, in seconds.
pub(crate) const START: i64 = 1_767_225_600;
pub(crate) const DAY: i64 = 86_400;
const EVENTS: [&str; 3] = ["page_viewed", "searched", "something_else"];
const PLANS: [Option<&str>; 4] = [None, Some("free"), Some("paid"), Some("a plan of many words")];

/// An event; names are indices into the constants above.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) second: i64,
    pub(crate) user: u32,
    pub(crate) event: usize,
    pub(crate) plan: usize,
    pub(crate) seats: u32,
}

/// How users are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Dense,
    /// Far apart, some of them negative or beyond 32 bits.
    Far,
    Unsigned,
    Texts,
    Uuids,
}

impl Keys {
    pub(crate) const ALL: [Self; 5] =
        [Self::Dense, Self::Far, Self::Unsigned, Self::Texts, Self::Uuids];

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
pub(crate) fn file(events: &[Event], keys: Keys, time: &DataType, empty: bool) -> Vec<u8> {
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

/// The usual type of the column `at`.
pub(crate) fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A project over the files of the folder `events`, none of which is there yet.
pub(crate) fn project() -> Project {
    let project = Project::good();
    std::fs::remove_file(project.path("events.csv")).unwrap();
    configure(&project, "");
    project
}

/// Writes `headcount.yaml` with more fields of the source.
pub(crate) fn configure(project: &Project, more: &str) {
    project.write(
        "headcount.yaml",
        format!(
            "sources:\n  - {{name: visits, files: 'events/*.parquet', time: at, user: user_id, \
             event: event, dimensions: [plan, seats, trial]{more}}}\n"
        ),
    );
}

/// 200 events of 79 users in ten days.
pub(crate) fn some_events() -> Vec<Event> {
    let event = |at: i64| Event {
        second: START + at * 4_321,
        user: ((at * at + at / 3) % 89) as u32,
        event: (at % 7 % 3) as usize,
        plan: (at % 5 % 4) as usize,
        seats: (at % 4) as u32,
    };
    (0..200).map(event).collect()
}

/// A project whose only file is in the store.
pub(crate) fn ingested(keys: Keys) -> Project {
    let project = project();
    project.write("events/0.parquet", file(&some_events(), keys, &micros(), false));
    ingest_new(project.root());
    project
}

/// Writes every second one of [`some_events`], from the first or second on.
pub(crate) fn write_half(project: &Project, keys: Keys, half: usize) {
    let events: Vec<Event> = some_events().into_iter().skip(half).step_by(2).collect();
    project.write(&format!("events/{half}.parquet"), file(&events, keys, &micros(), false));
}
