//! A report for people: display names instead of keys, thousands separators, only informative
//! columns, and the order of the tree.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use engine::active::{Basis, Count, Level, Method, OTHER_LABEL, Report, ReportRow};
use engine::calendar::Window;

use super::figures::{change, mark, marked, period, value};
use crate::output::text::{format_number, plain};
use crate::output::{Cell, Column, Grid, Role};

/// A column of the tree's table.
type TreeColumn<'a> = Column<'a, ReportRow>;

/// A report with the data for naming its rows.
pub(super) struct ReportView<'a> {
    pub(super) report: &'a Report,
    /// Descriptions that several metrics of the report share, so they are ambiguous.
    ambiguous: BTreeSet<&'a str>,
    /// The levels in the report, from the root down.
    levels: BTreeSet<Level>,
    /// The methods of all rows except combined ones, which are always sums.
    methods: BTreeSet<Method>,
    /// Exact, approximate, or both.
    pub(super) counts: BTreeSet<Count>,
    windows: BTreeSet<Window>,
    bases: BTreeSet<Basis>,
    /// How many periods there are; those of pings and events that end on one day are one.
    pub(super) periods: usize,
}

impl<'a> ReportView<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let mut view = Self {
            report,
            ambiguous: BTreeSet::new(),
            levels: report.rows.iter().map(|row| row.level).collect(),
            methods: BTreeSet::new(),
            counts: report.rows.iter().map(|row| row.count).collect(),
            windows: report.rows.iter().map(|row| row.window).collect(),
            bases: report.rows.iter().map(|row| row.basis).collect(),
            periods: report.rows.iter().map(|row| row.period.end).collect::<BTreeSet<_>>().len(),
        };
        let not_combined = report.rows.iter().filter(|row| row.level != Level::Combined);
        view.methods = not_combined.map(|row| row.method).collect();

        let metrics: BTreeSet<&str> =
            report.rows.iter().filter_map(|row| row.metric.as_deref()).collect();
        let descriptions: Vec<&str> =
            metrics.into_iter().filter_map(|key| view.display_name(Level::Action, key)).collect();
        let mut seen = BTreeSet::new();
        view.ambiguous = descriptions.into_iter().filter(|name| !seen.insert(*name)).collect();
        view
    }

    /// The title, or if it is empty that of the window.
    pub(super) fn title(&self, title: &str) -> String {
        if title.is_empty() { self.subject().to_owned() } else { plain(title) }
    }

    /// What is counted, as the start of a sentence.
    pub(super) fn subject(&self) -> &'static str {
        match self.report.window {
            Window::Day => "Daily active users",
            Window::Week => "Weekly active users",
            Window::Month | Window::Ping28d => "Monthly active users",
            Window::Quarter => "Quarterly active users",
            Window::Year => "Yearly active users",
            _ => "Active users",
        }
    }

    /// How the numbers were computed, as label and text.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let report = self.report;
        let mut facts = vec![("window", format!("{}: {}", report.window, meaning(report.window)))];
        if let (Some(first), Some(last)) = (report.rows.first(), report.rows.last()) {
            let [first, last] = [first, last].map(|row| mark(report.window, row.period).1);
            facts.push((
                "periods",
                match self.periods {
                    1 => last,
                    periods => format!("{first} to {last} ({})", format_number(periods as u64)),
                },
            ));
        }
        facts.extend(report.nodes.lists().map(|(level, keys)| {
            let name = |key: &String| plain(self.display_name(level, key).unwrap_or(key));
            let label = if level == Level::Action { "metric" } else { level.as_str() };
            (label, joined(keys.iter().map(name)))
        }));
        if report.pings.is_none() || report.events > 0 {
            facts.push(("events", format_number(report.events)));
        }
        facts.extend(report.pings.map(|pings| ("pings", format_number(pings))));
        let mut method = joined(self.methods.iter().map(|method| method.as_str()));
        if self.levels.contains(&Level::Combined) && !self.methods.contains(&Method::Sum) {
            let and = if method.is_empty() { "" } else { ", combined: " };
            method = format!("{method}{and}sum");
        }
        if !method.is_empty() {
            facts.push(("method", method));
        }
        let counts = self.counts.iter().map(|count| match count {
            Count::Exact => "exact",
            Count::Approx => "approximate, with a 95 % interval",
        });
        if !self.bases.is_empty() {
            facts.push(("count", joined(counts)));
            facts.push(("basis", joined(self.bases.iter().map(|basis| basis.as_str()))));
        }
        facts.push(("time zone", plain(&report.time_zone)));
        facts.push((
            "data",
            match (report.first_day, report.last_day) {
                (Some(first), Some(last)) => format!("{first} to {last}"),
                (None, Some(last)) => format!("until {last}"),
                _ => "none".to_owned(),
            },
        ));
        facts.extend(report.forecast.clone().map(|text| ("forecast", text)));
        if let Some(top) = report.top {
            let by = joined(report.by.iter().map(|by| plain(by)));
            let users = match report.pings {
                None => "users of all other values, each user once",
                Some(_) => "the sum of all other values",
            };
            facts.push(("values", format!("the {top} largest of {by}; {OTHER_LABEL}: {users}")));
        }
        facts
    }

    /// Notes below the numbers.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.report.rows.is_empty() {
            notes.push("There are no rows: no period in the range has data.".to_owned());
        }
        if self.report.rows.iter().any(|row| !row.complete) {
            let end = match self.report.last_day {
                Some(day) => format!("the data ends on {day}"),
                None => "the data ends".to_owned(),
            };
            notes.push(format!(
                "…  The period is incomplete: {end}, before the period ends. Its numbers are \
                 preliminary; do not compare them with a complete period."
            ));
        }
        notes
    }

    /// Some of the rows as a table; each period is a group.
    pub(super) fn grid<'v>(&'v self, rows: Vec<&'v ReportRow>) -> Grid<'v> {
        Grid::new(self.columns(), rows, |above, row| above.period.end == row.period.end)
    }

    /// The informative columns of this report.
    fn columns(&self) -> Vec<TreeColumn<'_>> {
        let mut columns = vec![
            TreeColumn::text("Period", |row, above| {
                let text = marked(period(self.report.window, row.period), row.complete);
                Cell { repeated: above.is_some(), ..Cell::from(text) }
            }),
            TreeColumn::text("Level", move |row, above| Cell {
                repeated: is_same_node(row, above),
                ..Cell::minor(row.level.to_string())
            }),
        ];
        columns.extend(self.key_columns());
        columns.push(TreeColumn::number("Users", |row, _| format_number(row.users).into()));
        if self.counts.contains(&Count::Approx) {
            columns.push(TreeColumn::number("95 % interval", |row, _| match row.count {
                Count::Exact => Cell::minor(String::new()),
                Count::Approx => {
                    let (low, high) = (row.users_low, row.users_high);
                    Cell::minor(format!("{}–{}", format_number(low), format_number(high)))
                }
            }));
        }
        if self.report.rows.iter().any(|row| row.previous_users.is_some()) {
            columns.push(TreeColumn::number("Previous", |row, _| {
                Cell::minor(row.previous_users.map(format_number).unwrap_or_default())
            }));
            columns.push(TreeColumn::number("Change", |row, _| {
                let Some(pct) = row.change_pct else { return Cell::minor(String::new()) };
                change_cell(pct, row.complete)
            }));
        }
        columns
    }

    /// The columns that say what a row is a row of, besides its period.
    pub(super) fn key_columns(&self) -> Vec<TreeColumn<'_>> {
        let mut columns = vec![TreeColumn::text("Name", move |row, above| {
            // The shown name of a metric is its description.
            let key = row.metric.clone().filter(|_| row.level == Level::Action);
            let role = Role::Name { depth: self.depth(row), description: key };
            Cell { text: self.name(row), role, repeated: is_same_node(row, above) }
        })];
        columns.extend(self.report.by.iter().enumerate().map(|(at, by)| {
            TreeColumn::text(plain(by), move |row, _| {
                value(row.by.get(at).and_then(Option::as_deref)).into()
            })
        }));
        if self.methods.len() > 1 {
            columns.push(TreeColumn::text("Method", |row, _| row.method.to_string().into()));
        }
        if self.windows.len() > 1 {
            columns.push(TreeColumn::text("Window", |row, _| Cell::minor(row.window.to_string())));
        }
        if self.bases.len() > 1 {
            columns.push(TreeColumn::text("Basis", |row, _| row.basis.to_string().into()));
        }
        columns
    }

    /// The display name of the row's node.
    pub(super) fn name(&self, row: &ReportRow) -> String {
        let (level, key) = match row.level {
            // Users of several installations are not told apart.
            Level::Total if self.report.window == Window::Ping28d => return "Total".to_owned(),
            Level::Total => return "Unique users".to_owned(),
            Level::Combined => return "Sum of stages".to_owned(),
            Level::Section => (row.level, &row.section),
            Level::Stage => (row.level, &row.stage),
            Level::Group => (row.level, &row.group),
            Level::Action => (row.level, &row.metric),
        };
        let Some(key) = key else { return "(none)".to_owned() };
        match self.display_name(level, key) {
            Some(name) if self.ambiguous.contains(name) => plain(&format!("{name} ({key})")),
            Some(name) => plain(name),
            None => plain(key),
        }
    }

    /// The display name of a section.
    pub(super) fn section(&self, key: &str) -> String {
        plain(self.display_name(Level::Section, key).unwrap_or(key))
    }

    /// The number of levels in the report above the row's level.
    pub(super) fn depth(&self, row: &ReportRow) -> usize {
        self.levels.iter().filter(|level| **level > Level::Combined && **level < row.level).count()
    }

    /// The rows in the order of the tree: in each period the total, the sum, then each section
    /// with its stages, each stage with its groups, each group with its metrics.
    pub(super) fn tree(&self) -> Vec<&'a ReportRow> {
        let mut rows: Vec<&ReportRow> = self.report.rows.iter().collect();
        rows.sort_by(|a, b| a.period.end.cmp(&b.period.end).then_with(|| branch(a, b)));
        rows
    }

    fn display_name(&self, level: Level, key: &str) -> Option<&'a str> {
        let name = self.report.names.get(&(level, key.to_owned()))?;
        Some(name.trim()).filter(|name| !name.is_empty())
    }
}

/// The order of the tree among the rows of one period.
pub(super) fn branch(a: &ReportRow, b: &ReportRow) -> Ordering {
    let whole = |row: &ReportRow| row.level.min(Level::Section);
    whole(a)
        .cmp(&whole(b))
        .then_with(|| node(a).cmp(&node(b)))
        .then_with(|| a.by.cmp(&b.by))
        .then_with(|| a.basis.cmp(&b.basis))
}

/// A change in per cent; grey if it compares with an incomplete period.
pub(super) fn change_cell(pct: f64, complete: bool) -> Cell {
    let role = match complete {
        true if pct > 0.0 => Role::Up,
        true if pct < 0.0 => Role::Down,
        _ => Role::Minor,
    };
    Cell { role, ..Cell::from(marked(change(pct), complete)) }
}

/// Whether a row is of the node of the row above.
pub(super) fn is_same_node(row: &ReportRow, above: Option<&ReportRow>) -> bool {
    above.is_some_and(|above| node(above) == node(row))
}

fn node(row: &ReportRow) -> ([Option<&str>; 4], Level) {
    let keys = [&row.section, &row.stage, &row.group, &row.metric];
    (keys.map(Option::as_deref), row.level)
}

/// A description of the window's days.
fn meaning(window: Window) -> String {
    match window {
        Window::Day => "single days".to_owned(),
        Window::Week => "ISO weeks, Monday to Sunday".to_owned(),
        Window::Month => "calendar months".to_owned(),
        Window::Quarter => "calendar quarters".to_owned(),
        Window::Year => "calendar years".to_owned(),
        Window::Last28dOfMonth => "the last 28 days of each calendar month".to_owned(),
        Window::Trailing(1) => "single days".to_owned(),
        Window::Trailing(days) => format!("the {days} days that end on each day"),
        Window::Iso4w => "four complete ISO weeks".to_owned(),
        Window::Lagged28d => "the 28 days that end two days before each day".to_owned(),
        Window::Ping28d => {
            "what each installation counted for its last ping of the month, with the \
                            events of last_28d_of_month"
                .to_owned()
        }
    }
}

fn joined(words: impl Iterator<Item = impl AsRef<str>>) -> String {
    words.map(|word| word.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}
