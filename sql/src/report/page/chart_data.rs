//! The report as time series: the rows of each node by period.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use engine::active::{Basis, Level, ReportRow};
use engine::calendar::{Day, Period, Window};

use crate::report::figures::{period, value};
use crate::report::view::ReportView;

/// One period of the report.
pub(super) struct Span {
    /// The name of the period.
    pub(super) name: String,
    /// Its day on the time axis, and the label.
    pub(super) mark: (Day, String),
    pub(super) complete: bool,
}

/// A node with its row in each period.
pub(super) struct Series<'a> {
    pub(super) name: String,
    pub(super) rows: Vec<Option<&'a ReportRow>>,
}

impl Series<'_> {
    /// What the series is of.
    pub(super) fn node(&self) -> Option<[&Option<String>; 4]> {
        let row = self.rows.iter().flatten().next()?;
        Some([&row.section, &row.stage, &row.group, &row.metric])
    }
}

/// Identifies a series.
type Node<'a> = (Level, [Option<&'a str>; 4], Basis, &'a [Option<String>]);

/// All series of a report over the same periods.
pub(super) struct ChartData<'a> {
    view: &'a ReportView<'a>,
    pub(super) spans: Vec<Span>,
    /// The index of the latest complete period, or of the latest if none is complete.
    pub(super) latest: usize,
    series: BTreeMap<Node<'a>, Vec<Option<&'a ReportRow>>>,
}

impl<'a> ChartData<'a> {
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

    /// As [`ChartData::level`], of another basis.
    pub(super) fn of_basis(&self, level: Level, basis: Basis) -> Vec<Series<'a>> {
        let is_all = |by: &[Option<String>]| by.iter().all(Option::is_none);
        self.pick(|node| node.0 == level && node.2 == basis && is_all(node.3))
    }

    /// As [`ChartData::level`], the most users in the latest complete period first.
    pub(super) fn largest(&self, level: Level) -> Vec<Series<'a>> {
        self.by_size(self.level(level))
    }

    /// The whole: its unique users, or where the report has none the sum of stages.
    pub(super) fn whole(&self) -> Option<Series<'a>> {
        let combined = || self.level(Level::Combined).into_iter().next();
        self.level(Level::Total).into_iter().next().or_else(combined)
    }

    /// The whole for each value of one dimension, over all values of the others, largest first.
    pub(super) fn values(&self, dimension: usize) -> Vec<Series<'a>> {
        let level = self.whole().and_then(|whole| whole.rows.into_iter().flatten().next());
        let Some(level) = level.map(|row| row.level) else { return Vec::new() };
        let only = |by: &[Option<String>]| {
            by.iter().enumerate().all(|(at, value)| value.is_some() == (at == dimension))
        };
        let mut series =
            self.pick(|node| node.0 == level && node.2 == Basis::Recorded && only(node.3));
        for one in &mut series {
            if let Some(row) = one.rows.iter().flatten().next() {
                one.name = value(row.by.get(dimension).and_then(Option::as_deref));
            }
        }
        self.by_size(series)
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
            .map(|(_, rows)| {
                let first = rows.iter().flatten().next();
                let name = first.map(|row| self.view.name(row)).unwrap_or_default();
                Series { name, rows: rows.clone() }
            })
            .collect()
    }

    fn by_size(&self, mut series: Vec<Series<'a>>) -> Vec<Series<'a>> {
        series.sort_by_key(|series| Reverse(self.now(series).map(|row| row.users)));
        series
    }
}

/// Calendar periods are placed at their first day, trailing windows at their last.
fn mark(window: Window, days: Period) -> (Day, String) {
    match window {
        Window::Day | Window::Week | Window::Month | Window::Quarter | Window::Year => {
            (days.start, period(window, days))
        }
        Window::Ping28d => (window.at(days.end).start, period(window, days)),
        _ => (days.end, days.end.to_string()),
    }
}
