//! Measures the project's own sets: every node in every period.

use std::collections::BTreeMap;
use std::time::Duration;

use counters::{Counter, Estimate, Kind};
use engine::Result;
use engine::active::{Count, Level, ReportRow};
use engine::rollup::CountedUser;

use super::measurement::{Measurement, Node, SetKind};
use super::settings::Settings;
use super::trials::{ErrorStats, Trials, median};
use super::user_pool::{Random, UserPool};

/// How often each report is computed; the median time is reported.
pub(super) const REPORTS: u32 = 3;

/// The trials of each level, and the engine's own sketches node by node.
pub(super) struct Levels<'a> {
    settings: &'a Settings<'a>,
    levels: BTreeMap<Level, Vec<Trials>>,
    nodes: BTreeMap<Counter, Vec<Node>>,
    random: Random,
}

impl<'a> Levels<'a> {
    pub(super) fn new(settings: &'a Settings<'a>) -> Self {
        let random = Random::new(settings.seed);
        Self { settings, levels: BTreeMap::new(), nodes: BTreeMap::new(), random }
    }

    /// Measures every counter on the users of a row. A row without users has no relative error
    /// and is left out.
    pub(super) fn add(&mut self, row: &ReportRow, people: &[CountedUser]) -> Result<()> {
        if people.is_empty() {
            return Ok(());
        }
        // In random order: the users are sorted by the engine's hash, which would favour its
        // sketches and sets.
        let sample = UserPool::from_users(people).sample(people.len() as u64, &mut self.random);
        let tried = self.levels.entry(row.level).or_insert_with(|| {
            let counters = Counter::all(&self.settings.precisions, &Kind::ALL);
            let part = SetKind::Level(row.level);
            counters.into_iter().map(|counter| Trials::new(part, counter)).collect()
        });
        for trials in tried {
            let error = trials.fill(&sample, self.settings.clock)?;
            if trials.counter.kind == Kind::Headcount {
                let nodes = self.nodes.entry(trials.counter).or_default();
                nodes.push(Node { users: sample.users(), error });
            }
        }
        Ok(())
    }

    /// The measurements, and the nodes of each of the engine's sketches.
    pub(super) fn finish(self) -> (Vec<Measurement>, Vec<(Counter, Vec<Node>)>) {
        let tried = self.levels.into_values().flatten();
        (tried.filter_map(Trials::line).collect(), self.nodes.into_iter().collect())
    }
}

/// The measurement of a whole report, from its rows and those of the exact report.
pub(super) fn report_line<'r>(
    counter: Counter,
    rows: impl Iterator<Item = (&'r ReportRow, &'r ReportRow)>,
    bytes: usize,
    times: &mut [Duration],
) -> Measurement {
    let mut error_stats = ErrorStats::default();
    let (mut sets, mut users, mut largest) = (0, 0, 0);
    for (exact, row) in rows.filter(|(exact, _)| exact.users > 0) {
        debug_assert_eq!(exact.count, Count::Exact);
        sets += 1;
        users += exact.users;
        largest = largest.max(exact.users);
        let interval = Some((row.users_low, row.users_high));
        error_stats.add(exact.users, Estimate { users: row.users, interval });
    }
    Measurement {
        part: SetKind::Report,
        counter,
        sets,
        users: (users as f64 / sets.max(1) as f64).round() as u64,
        largest,
        errors: error_stats.errors(),
        merged: None,
        memory: bytes as f64,
        stored: None,
        fill: median(times),
        merge: None,
    }
}
