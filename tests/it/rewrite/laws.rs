//! Random queries over random events, some in the store and some not.

use arrow::datatypes::{DataType, TimeUnit};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, proptest};
use proptest::sample::{select, subsequence};
use tokio::runtime::Runtime;

use super::same;
use crate::project::civil;
use crate::store::ingest_new;
use crate::visits::{DAY, Event, Keys, START, file, project};

const GROUPS: [&str; 12] = [
    "date_trunc('month', at)",
    "date_trunc('week', at)",
    "at::DATE",
    "to_char(date_trunc('day', at), '%Y-%m-%d')",
    "extract(quarter FROM at)",
    "date_part('dow', at)",
    "event",
    "plan",
    "coalesce(plan, 'none')",
    "seats",
    "trial",
    "CASE WHEN event = 'searched' THEN 'search' ELSE upper(plan) END",
];
const COUNTS: [&str; 7] = [
    "count(DISTINCT user_id)",
    "count(DISTINCT user_id) FILTER (WHERE plan = 'paid')",
    "count(DISTINCT user_id) FILTER (WHERE event <> 'searched' AND seats > 0)",
    "count(DISTINCT user_id) FILTER (WHERE at >= '2026-01-05')",
    "count(DISTINCT user_id) FILTER (WHERE plan IS NULL)",
    "count(DISTINCT CASE WHEN event = 'page_viewed' THEN user_id END)",
    "count(DISTINCT CASE WHEN trial THEN NULL ELSE user_id END)",
];
const FILTERS: [&str; 6] = [
    "event IN ('page_viewed', 'searched')",
    "plan IS NOT NULL",
    "(seats BETWEEN -1 AND 1 OR trial)",
    "date_trunc('week', at) >= '2026-01-05'",
    "at IS NOT NULL",
    "extract(dow FROM at) <> 3",
];
const SHAPES: [&str; 4] = ["{}", "ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())"];
const TABLES: [&str; 4] = [
    "visits",
    "visits AS v",
    "(SELECT * FROM visits) AS v",
    "(SELECT at, plan, event, seats, trial, user_id FROM (SELECT plan, seats, trial, user_id, at, \
     note, event FROM visits WHERE seats IS NULL OR seats < 9) WHERE event <> 'nothing') AS v",
];

fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    // Some on the seconds around midnight.
    let second = proptest::prop_oneof![
        3 => 0..40 * DAY,
        1 => (0..40i64, -1..2i64).prop_map(|(day, second)| (day * DAY + second).max(0)),
    ];
    let event = (second, 0u32..60, 0usize..3, 0usize..4, 0u32..4);
    vec(event, 1..most).prop_map(|list| {
        let event = |(second, user, event, plan, seats)| Event {
            second: START + second,
            user,
            event,
            plan,
            seats,
        };
        list.into_iter().map(event).collect()
    })
}

/// A bound in seconds since [`START`], and the index of its operator.
fn bound() -> impl Strategy<Value = (i64, usize)> {
    let second = proptest::prop_oneof![
        (-3i64..43).prop_map(|day| day * DAY),
        (-3i64..43, -2i64..3).prop_map(|(day, second)| day * DAY + second),
        -DAY..41 * DAY,
    ];
    (second, 0usize..2)
}

fn times() -> impl Strategy<Value = DataType> {
    let stamp = |unit, zone: bool| DataType::Timestamp(unit, zone.then(|| "UTC".into()));
    select(vec![
        stamp(TimeUnit::Microsecond, true),
        stamp(TimeUnit::Microsecond, false),
        stamp(TimeUnit::Millisecond, true),
        stamp(TimeUnit::Nanosecond, false),
        DataType::Date32,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 120, failure_persistence: None, max_shrink_iters: 100, ..Default::default()
    })]

    #[test]
    fn the_roll_up_changes_no_answer(
        known in vec(events(300), 1..3),
        new in vec(events(60), 0..3),
        (keys, time) in (select(Keys::ALL.to_vec()), times()),
        groups in subsequence(GROUPS.to_vec(), 0..=3),
        counts in subsequence(COUNTS.to_vec(), 1..=3),
        filters in subsequence(FILTERS.to_vec(), 0..=2),
        bounds in (proptest::option::of(bound()), proptest::option::of(bound())),
        (shape, table) in (select(SHAPES.to_vec()), select(TABLES.to_vec())),
        (having, apart) in (any::<bool>(), any::<bool>()),
    ) {
        let project = project();
        for (at, events) in known.iter().enumerate() {
            project.write(&format!("events/{at}.parquet"), file(events, keys, &time, false));
            if apart {
                ingest_new(project.root());
            }
        }
        ingest_new(project.root());
        for (at, events) in new.iter().enumerate() {
            project.write(&format!("events/new-{at}.parquet"), file(events, keys, &time, false));
        }

        // Instants that pass, of the kind that the column holds: a fraction of a second after each.
        let mut conditions: Vec<String> = filters.iter().map(|text| (*text).to_owned()).collect();
        let (mut first, mut last) = (i64::MIN, i64::MAX);
        if let Some((second, op)) = bounds.0 {
            conditions.push(format!("at {} '{}'", [">=", ">"][op], civil(START + second)));
            // Behind midnight the day is not whole any more.
            first = START + second + op as i64;
        }
        if let Some((second, op)) = bounds.1 {
            conditions.push(format!("'{}' {} at", civil(START + second), [">", ">="][op]));
            last = START + second;
        }
        let columns = [groups.clone(), counts].concat().join(", ");
        let mut sql = format!("SELECT {columns} FROM {table}");
        if !conditions.is_empty() {
            sql += &format!(" WHERE {}", conditions.join(" AND "));
        }
        if !groups.is_empty() {
            sql += &format!(" GROUP BY {}", shape.replace("{}", &groups.join(", ")));
        }
        if having {
            sql += " HAVING count(DISTINCT user_id) <> 1";
        }

        // The roll-up is used if there is a whole day for it to answer.
        let seconds = || known.iter().flatten().map(|event| event.second.div_euclid(DAY));
        let (from, to) = (seconds().min().unwrap(), seconds().max().unwrap());
        let whole = |day: i64| day * DAY >= first && (day + 1) * DAY <= last;
        // Days are what such a column holds: nothing cuts one.
        let expected = time == DataType::Date32 || (from..=to).any(whole);
        let shown = Runtime::new().unwrap().block_on(same(&project, &sql));
        prop_assert_eq!(shown, expected, "{}", sql);
    }
}
