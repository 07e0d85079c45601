//! Random events, metrics and questions: every row equals that of the reference implementation, and
//! methods, levels and approximate counts relate to each other as defined.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use engine::active::{Count, Level, Method, NodeFilter, Question, ReportRow, TotalOf, TreeOf};
use engine::calendar::{Day, Window, Zone};
use engine::rollup::Counting;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest,
};
use proptest::sample::{Index, select, subsequence};

use crate::oracle;
use crate::world::{DAYS, EVENTS, Event, GROUPS, Metric, PLANS, REGIONS, START, World};

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "America/St_Johns",
    "Pacific/Kiritimati",
];
const WINDOWS: [Window; 13] = [
    Window::Day,
    Window::Week,
    Window::Month,
    Window::Quarter,
    Window::Year,
    Window::Last28dOfMonth,
    Window::Trailing(1),
    Window::Trailing(7),
    Window::Trailing(28),
    Window::Trailing(30),
    Window::Trailing(90),
    Window::Iso4w,
    Window::Lagged28d,
];

fn event() -> impl Strategy<Value = Event> {
    let minutes = 0..i64::from(DAYS) * 24 * 60;
    let (events, plans, regions) = (EVENTS.to_vec(), PLANS.to_vec(), REGIONS.to_vec());
    let fields = (minutes, 0..12u8, select(events), select(plans), select(regions));
    fields.prop_map(|(minute, user, event, plan, region)| {
        let micros = (i64::from(START) * 24 * 60 + minute) * 60_000_000;
        Event { micros, user, event, plan, region }
    })
}

fn metric() -> impl Strategy<Value = Metric> {
    let plans = subsequence(vec!["free", "paid", "(none)"], 0..=2);
    let rules = vec((select(EVENTS[..4].to_vec()), plans), 1..=3);
    let valid = option::weighted(0.2, (0..DAYS, 1..DAYS));
    let flags = any::<[bool; 3]>();
    (select(GROUPS.to_vec()), rules, flags, valid).prop_map(|(group, rules, flags, valid)| {
        let [and, smau, gmau] = flags;
        let valid = valid.map_or((None, None), |(from, days)| {
            (Some(START + from), Some(START + from + days).filter(|_| days % 2 == 0))
        });
        Metric { name: String::new(), group, rules, and, smau, gmau, valid }
    })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let order = any::<bool>();
    (select(ZONES.to_vec()), vec(event(), 0..100), vec(metric(), 0..6), order).prop_map(
        |(zone, mut events, mut metrics, sorted)| {
            if sorted {
                events.sort_by_key(|event| event.micros);
            }
            for (at, metric) in metrics.iter_mut().enumerate() {
                metric.name = format!("monthly.m{at}");
            }
            World { zone: Zone::get(zone).unwrap(), events, metrics }
        },
    )
}

pub(crate) fn question() -> impl Strategy<Value = Question> {
    let by = select(vec![
        vec![],
        vec!["plan"],
        vec!["region"],
        vec!["plan", "region"],
        vec!["region", "plan"],
    ]);
    let day = || (-5..DAYS + 5).prop_map(|day| Day::new(START + day));
    let ends = (option::weighted(0.4, day()), option::weighted(0.4, day()));
    let tree = select(vec![TreeOf::Today, TreeOf::Period]);
    let as_of = option::weighted(0.3, day());
    let levels = Just(BTreeSet::from_iter(Level::ALL.iter().copied()));
    let methods = select(Method::ALL.to_vec());
    let top = option::weighted(0.4, 1..4usize);
    (select(WINDOWS.to_vec()), levels, methods, (by, top), ends, as_of, tree).prop_map(
        |(window, levels, method, (by, top), (from, to), as_of, tree)| {
            let top = top.and_then(NonZeroUsize::new).filter(|_| !by.is_empty());
            let (from, to) = match (from, to) {
                (Some(from), Some(to)) => (Some(from.min(to)), Some(from.max(to))),
                open => open,
            };
            let by = by.into_iter().map(str::to_owned).collect();
            let counting = Counting::Exact;
            let total = TotalOf::Everyone;
            let nodes = NodeFilter::default();
            Question {
                window,
                levels,
                nodes,
                method,
                by,
                top,
                from,
                to,
                as_of,
                counting,
                tree,
                total,
            }
        },
    )
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 500, ..Default::default() }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn every_row_equals_the_reference(
        world in world(),
        question in question(),
        group in option::of(1..40usize),
    ) {
        let answer = world.project(group).ask(&question);
        prop_assert_eq!(answer.report.rows, oracle::rows(&world, &question));
        prop_assert_eq!(answer.summary.rejects.total(), 0);
        let unknown = world.events.iter().filter(|event| !World::is_defined(event)).count() as u64;
        if question.from.is_none() && question.to.is_none() && question.as_of.is_none()
            && question.window != Window::Last28dOfMonth
        {
            prop_assert_eq!(answer.summary.unmapped.get("secret").copied().unwrap_or(0), unknown);
        }
    }
}

/// Every window in every zone, since the random questions may miss some.
#[test]
fn every_window_in_every_zone() {
    for (at, zone) in ZONES.iter().enumerate() {
        let world = some_world(at as u64, Zone::get(zone).unwrap());
        let project = world.project(Some(16));
        for window in WINDOWS {
            for (by, from) in
                [(vec![], None), (vec!["plan".to_owned()], Some(Day::new(START + 70)))]
            {
                let levels = BTreeSet::from_iter(Level::ALL.iter().copied());
                let question = Question { window, levels, by, from, ..Question::default() };
                let rows = project.ask(&question).report.rows;
                let expected = oracle::rows(&world, &question);
                assert!(expected.iter().any(|row| row.users > 1), "{window} in {zone}");
                assert_eq!(rows, expected, "{window} in {zone}");
            }
        }
    }
}

/// A world of 300 events and 8 metrics, another for every seed.
pub(crate) fn some_world(seed: u64, zone: Zone) -> World {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut below = |limit: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let mut events: Vec<Event> = (0..300)
        .map(|_| Event {
            micros: (i64::from(START) * 1_440 + below(DAYS as usize * 1_440) as i64) * 60_000_000,
            user: below(20) as u8,
            event: EVENTS[below(5)],
            plan: PLANS[below(5)],
            region: REGIONS[below(3)],
        })
        .collect();
    events.sort_by_key(|event| event.micros);
    let metrics = (0..8)
        .map(|at| Metric {
            name: format!("monthly.m{at}"),
            group: GROUPS[at % GROUPS.len()],
            rules: vec![(EVENTS[at % 4], vec![]), (EVENTS[(at + 1) % 4], vec!["free"])],
            and: at % 3 == 2,
            smau: at % 2 == 0,
            gmau: at % 2 == 1,
            valid: (None, None),
        })
        .collect();
    World { zone, events, metrics }
}

/// Identifies a row of a report.
type Name = (Day, Level, [Option<String>; 4], Vec<Option<String>>);

fn named(rows: Vec<ReportRow>) -> BTreeMap<Name, ReportRow> {
    let name = |row: &ReportRow| {
        let keys = [&row.section, &row.stage, &row.group, &row.metric].map(Clone::clone);
        (row.period.end, row.level, keys, row.by.clone())
    };
    let count = rows.len();
    let named: BTreeMap<Name, ReportRow> = rows.into_iter().map(|row| (name(&row), row)).collect();
    assert_eq!(named.len(), count, "two rows of one name");
    named
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn largest_is_at_most_union_is_at_most_sum(world in world(), question in question()) {
        let project = world.project(None);
        let ask = |method| named(project.ask(&Question { method, ..question.clone() }).report.rows);
        let (max, union) = (ask(Method::Max), ask(Method::Union));
        let (sum, indicator) = (ask(Method::Sum), ask(Method::Indicator));
        for (name, row) in &union {
            prop_assert!(max[name].users <= row.users, "{:?}", name);
            prop_assert!(row.users <= sum[name].users, "{:?}", name);
            let flagged = indicator.get(name).map_or(0, |row| row.users);
            prop_assert!(flagged <= row.users || row.level == Level::Combined, "{:?}", name);
        }
        prop_assert_eq!(union.len(), sum.len());
        prop_assert_eq!(union.len(), max.len());
    }

    #[test]
    fn combined_is_the_sum_of_the_stages(world in world(), question in question()) {
        let rows = world.project(None).ask(&question).report.rows;
        for row in rows.iter().filter(|row| row.level == Level::Combined) {
            let of_it = |stage: &&ReportRow| {
                stage.level == Level::Stage && stage.period == row.period && stage.by == row.by
            };
            let stages: u64 = rows.iter().filter(of_it).map(|stage| stage.users).sum();
            prop_assert_eq!(row.users, stages);
            prop_assert_eq!(row.method, Method::Sum);
        }
    }

    /// From precision 10 on a sketch of a dozen users is still a list, and exact. Below, bounds
    /// of 95 % may miss; how often they do is counted on larger data in `truth`.
    #[test]
    fn estimates_have_the_same_rows_and_are_exact_while_small(
        mut world in world(),
        question in question(),
        precision in 4..=18u8,
    ) {
        for metric in &mut world.metrics {
            metric.and = false;
        }
        let project = world.project(None);
        // Coarse sketches rank values differently.
        let top = question.top.filter(|_| precision >= 10);
        let question = Question { top, ..question };
        let exact = project.ask(&question).report.rows;
        let counting = Counting::Approx(precision);
        let approx = project.ask(&Question { counting, ..question }).report.rows;
        prop_assert_eq!(exact.len(), approx.len());
        for (exact, approx) in exact.iter().zip(&approx) {
            prop_assert_eq!(approx.count, Count::Approx);
            prop_assert!(approx.users_low <= approx.users && approx.users <= approx.users_high);
            if precision >= 10 {
                prop_assert_eq!(exact.users, approx.users);
                prop_assert_eq!(exact.users_low..=exact.users_high, approx.users_low..=approx.users_high);
            }
            prop_assert_eq!((&exact.stage, exact.period), (&approx.stage, approx.period));
        }
    }

    /// The order of rows and the row groups do not change the report, and neither do duplicates.
    #[test]
    fn the_order_of_events_does_not_matter(
        world in world(),
        question in question(),
        cut in any::<Index>(),
        group in 1..20usize,
    ) {
        let expected = world.project(None).ask(&question).report.rows;
        let mut turned = world.clone();
        if !turned.events.is_empty() {
            let middle = cut.index(turned.events.len());
            turned.events.rotate_left(middle);
            turned.events[..middle].reverse();
        }
        turned.events.extend(world.events.iter().step_by(3).cloned());
        prop_assert_eq!(&turned.project(Some(group)).ask(&question).report.rows, &expected);
        prop_assert_eq!(&turned.project(None).ask(&question).report.rows, &expected);
    }

    /// A part of the tree has the rows that it has in the whole report.
    #[test]
    fn a_part_of_the_tree_has_its_rows_of_the_whole(
        world in world(),
        question in question(),
        picked in vec(any::<Index>(), 1..3),
        level in select(vec![Level::Section, Level::Stage, Level::Group, Level::Action]),
    ) {
        let project = world.project(Some(10));
        let whole = project.ask(&question).report;
        let key = |row: &ReportRow| match level {
            Level::Section => row.section.clone(),
            Level::Stage => row.stage.clone(),
            Level::Group => row.group.clone(),
            _ => row.metric.clone(),
        };
        let known: Vec<String> =
            BTreeSet::from_iter(whole.rows.iter().filter_map(key)).into_iter().collect();
        if known.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = picked.iter().map(|at| at.get(&known).clone()).collect();
        let mut expected = whole.rows;
        expected.retain(|row| key(row).is_some_and(|key| keys.contains(&key)));
        let mut nodes = NodeFilter::default();
        match level {
            Level::Section => nodes.sections = keys,
            Level::Stage => nodes.stages = keys,
            Level::Group => nodes.groups = keys,
            _ => nodes.metrics = keys,
        }
        let part = project.ask(&Question { nodes, ..question }).report;
        prop_assert_eq!(part.rows, expected);
        prop_assert!(part.events <= whole.events);
    }

    /// A range has the rows of the whole report, with the same previous periods.
    #[test]
    fn a_range_is_a_part_of_the_whole(world in world(), question in question()) {
        let project = world.project(Some(10));
        // Which values are the largest depends on the range.
        let question = Question { top: None, ..question };
        let whole = Question { from: None, to: None, ..question.clone() };
        let whole = named(project.ask(&whole).report.rows);
        for (name, row) in named(project.ask(&question).report.rows) {
            prop_assert_eq!(Some(&row), whole.get(&name));
        }
    }
}

/// A group that moved on 5 March: where its users count depends on the tree of the question.
#[test]
fn a_group_that_moved() {
    let day = |days: i64| (i64::from(START) + days) * 86_400_000_000;
    let event =
        |days, user| Event { micros: day(days), user, event: "open", plan: None, region: None };
    // Two users in January, three in February, one in March and in April.
    let events = [(3, 1), (4, 2), (35, 1), (36, 2), (37, 3), (70, 3), (95, 4)];
    let world = World {
        zone: Zone::utc(),
        events: events.iter().map(|(days, user)| event(*days, *user)).collect(),
        metrics: vec![Metric {
            name: "monthly.m0".to_owned(),
            group: Some("beta"),
            rules: vec![("open", vec![])],
            and: false,
            smau: true,
            gmau: true,
            valid: (None, None),
        }],
    };
    let project = world.project(None);
    let ask = |tree, as_of: Option<Day>| {
        let levels = [Level::Stage].into();
        let question = Question { levels, tree, as_of, ..Question::default() };
        let line = |row: ReportRow| {
            let before = row.previous_users.map_or("-".to_owned(), |users| users.to_string());
            let start = row.period.start.to_string();
            format!("{} {} {} {before}", &start[5..7], row.stage.unwrap_or_default(), row.users)
        };
        project.ask(&question).report.rows.into_iter().map(line).collect::<Vec<_>>()
    };
    // The month of March ends in the new tree; it had no such stage in the month before.
    let moved = ["01 one 2 -", "02 one 3 2", "03 two 1 -", "04 two 1 1"];
    assert_eq!(ask(TreeOf::Period, None), moved);
    assert_eq!(ask(TreeOf::Today, None), ["01 two 2 -", "02 two 3 2", "03 two 1 3", "04 two 1 1"]);
    let march = Some(Day::new(START + 62));
    assert_eq!(ask(TreeOf::Today, march), ["01 one 2 -", "02 one 3 2", "03 one 0 3"]);
}
