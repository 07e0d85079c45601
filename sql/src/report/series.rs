//! The report as time series: the rows of each node by period, for charts and for the pivot.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use engine::active::{Basis, Count, Level, OTHER_LABEL, ReportRow};
use engine::calendar::{Day, Period, Window};

use super::figures::{mark, period, value};
use super::view::{ReportView, branch};

/// One period of the report.
pub(super) struct Span {
    /// The name of the period.
    pub(super) name: String,
    /// Its day on the time axis, and the label.
    pub(super) mark: (Day, String),
    pub(super) complete: bool,
}

impl Span {
    /// The short name of the period.
    pub(super) fn label(&self) -> &str {
        &self.mark.1
    }
}

/// A node with its row in each period.
pub(super) struct Series<'a> {
    pub(super) name: String,
    node: Node<'a>,
    pub(super) rows: Vec<Option<&'a ReportRow>>,
}

impl<'a> Series<'a> {
    /// Whether both are of the same node of the tree.
    pub(super) fn is_of_node(&self, other: &Series<'_>) -> bool {
        (self.node.0, self.node.1) == (other.node.0, other.node.1)
    }

    /// The oldest of its rows.
    pub(super) fn first(&self) -> Option<&'a ReportRow> {
        self.rows.iter().flatten().next().copied()
    }
}

/// The number of a series in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) users: u64,
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) is_exact: bool,
    pub(super) complete: bool,
}

impl Point {
    fn of(row: &ReportRow) -> Self {
        Self {
            users: row.users,
            low: row.users_low,
            high: row.users_high,
            is_exact: row.count == Count::Exact,
            complete: row.complete,
        }
    }
}

/// Identifies a series: the level, the keys of the node, and the values of dimensions.
type Node<'a> = (Level, [Option<&'a str>; 4], Basis, &'a [Option<String>]);

/// All series of a report over the same periods.
pub(super) struct TimeSeries<'a> {
    view: &'a ReportView<'a>,
    pub(super) spans: Vec<Span>,
    /// The index of the latest complete period, or of the latest if none is complete.
    pub(super) latest: usize,
    series: BTreeMap<Node<'a>, Vec<Option<&'a ReportRow>>>,
}

impl<'a> TimeSeries<'a> {
    /// `None` for a report without rows.
    pub(super) fn new(view: &'a ReportView<'a>) -> Option<Self> {
        let report = view.report;
        // Of pings and events, the periods that end with a month are one.
        let mut periods: BTreeMap<Day, (Period, bool)> = BTreeMap::new();
        for row in &report.rows {
            let (_, complete) = periods.entry(row.period.end).or_insert((row.period, true));
            *complete &= row.complete;
        }
        let places: BTreeMap<Day, usize> = periods.keys().copied().zip(0..).collect();
        let mut series: BTreeMap<Node<'a>, Vec<Option<&'a ReportRow>>> = BTreeMap::new();
        for row in &report.rows {
            let keys = [&row.section, &row.stage, &row.group, &row.metric];
            let node = (row.level, keys.map(|key| key.as_deref()), row.basis, row.by.as_slice());
            let rows = series.entry(node).or_insert_with(|| vec![None; places.len()]);
            if let Some(cell) = places.get(&row.period.end).and_then(|place| rows.get_mut(*place)) {
                *cell = Some(row);
            }
        }
        let spans: Vec<Span> = periods
            .values()
            .map(|(days, complete)| Span {
                name: period(report.window, *days),
                mark: mark(report.window, *days),
                complete: *complete,
            })
            .collect();
        let latest = spans.iter().rposition(|span| span.complete);
        let latest = latest.or(spans.len().checked_sub(1))?;
        Some(Self { view, spans, latest, series })
    }

    /// The recorded series of a level, over all values of every dimension, in the order of the tree.
    pub(super) fn level(&self, level: Level) -> Vec<Series<'a>> {
        self.of_basis(level, Basis::Recorded)
    }

    /// As [`TimeSeries::level`], of another basis.
    pub(super) fn of_basis(&self, level: Level, basis: Basis) -> Vec<Series<'a>> {
        let is_all = |by: &[Option<String>]| by.iter().all(Option::is_none);
        self.pick(|node| node.0 == level && node.2 == basis && is_all(node.3))
    }

    /// As [`TimeSeries::level`], the most users in the latest complete period first.
    pub(super) fn largest(&self, level: Level) -> Vec<Series<'a>> {
        self.by_size(self.level(level))
    }

    /// The whole: its unique users, or where the report has none the sum of stages.
    pub(super) fn whole(&self) -> Option<Series<'a>> {
        let combined = || self.level(Level::Combined).into_iter().next();
        self.level(Level::Total).into_iter().next().or_else(combined)
    }

    /// The whole for each value of one dimension, over all values of the others: largest first, and
    /// last those that are counted together.
    pub(super) fn values(&self, dimension: usize) -> Vec<Series<'a>> {
        let level = self.whole().and_then(|whole| whole.first()).map(|row| row.level);
        let Some(level) = level else { return Vec::new() };
        let only = |by: &[Option<String>]| {
            by.iter().enumerate().all(|(at, value)| value.is_some() == (at == dimension))
        };
        let mut series =
            self.pick(|node| node.0 == level && node.2 == Basis::Recorded && only(node.3));
        let value_of =
            |series: &Series<'a>| series.node.3.get(dimension).and_then(Option::as_deref);
        for one in &mut series {
            one.name = value(value_of(one));
        }
        series = self.by_size(series);
        series.sort_by_key(|one| value_of(one) == Some(OTHER_LABEL));
        series
    }

    /// All series, in the order of the tree.
    pub(super) fn all(&self) -> Vec<Series<'a>> {
        let mut all = self.pick(|_| true);
        all.sort_by(|a, b| match (a.first(), b.first()) {
            (Some(a), Some(b)) => branch(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
        all
    }

    /// The numbers of a series. Of values of dimensions, rows without users are left out of a report
    /// over events: there a value has 0 where its node has a row.
    pub(super) fn points(&self, series: &Series<'a>) -> Vec<Option<Point>> {
        let (level, keys, basis, by) = series.node;
        let all_values = vec![None; by.len()];
        let has_zeros = self.view.report.window != Window::Ping28d && by != all_values.as_slice();
        let node = self.series.get(&(level, keys, basis, all_values.as_slice()));
        let zero = |at: usize| {
            node.filter(|_| has_zeros)?.get(at).copied().flatten()?;
            let complete = self.spans[at].complete;
            Some(Point { users: 0, low: 0, high: 0, is_exact: true, complete })
        };
        let rows = series.rows.iter().enumerate();
        rows.map(|(at, row)| row.map(Point::of).or_else(|| zero(at))).collect()
    }

    /// The row of the latest complete period.
    pub(super) fn now(&self, series: &Series<'a>) -> Option<&'a ReportRow> {
        series.rows.get(self.latest).copied().flatten()
    }

    /// The period before the latest complete one.
    pub(super) fn before(&self) -> String {
        let row = self.series.values().find_map(|rows| rows.get(self.latest).copied().flatten());
        let window = self.view.report.window;
        row.map(|row| period(window, window.previous(row.period))).unwrap_or_default()
    }

    fn pick(&self, test: impl Fn(&Node<'a>) -> bool) -> Vec<Series<'a>> {
        let picked = self.series.iter().filter(|(node, _)| test(node));
        picked
            .map(|(node, rows)| {
                let first = rows.iter().flatten().next();
                let name = first.map(|row| self.view.name(row)).unwrap_or_default();
                Series { name, node: *node, rows: rows.clone() }
            })
            .collect()
    }

    fn by_size(&self, mut series: Vec<Series<'a>>) -> Vec<Series<'a>> {
        series.sort_by_key(|series| Reverse(self.now(series).map(|row| row.users)));
        series
    }
}
