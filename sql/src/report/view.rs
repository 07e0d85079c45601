//! A report for people: display names instead of keys, thousands separators, only informative
//! columns, and the order of the tree.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use engine::active::{Count, Level, Method, OTHER_LABEL, Report, ReportRow};
use engine::calendar::Window;

use super::figures::{change, marked, period, value};
use crate::output::text::{format_number, plain};
use crate::output::{self, Cell, Document, Grid, Role, Row, Section};

/// A column of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    /// The period, marked when incomplete.
    Period,
    /// The name of the level.
    Level,
    /// The display name of the node.
    Name,
    /// The value of the dimension at this index in [`Report::by`].
    By(usize),
    /// The roll-up, when the report has several.
    Method,
    /// Users.
    Users,
    /// The 95 % interval, when anything is approximate.
    Interval,
    /// Users of the period before.
    Previous,
    /// Change against the period before.
    Change,
}

impl Column {
    /// Whether its cells are numbers, which are right-aligned.
    fn is_number(self) -> bool {
        matches!(self, Self::Users | Self::Interval | Self::Previous | Self::Change)
    }
}

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
    counts: BTreeSet<Count>,
}

impl<'a> ReportView<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let mut view = Self {
            report,
            ambiguous: BTreeSet::new(),
            levels: report.rows.iter().map(|row| row.level).collect(),
            methods: BTreeSet::new(),
            counts: report.rows.iter().map(|row| row.count).collect(),
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

    /// The report as a document; an empty `title` is that of the window.
    pub(super) fn document(&self, title: &str) -> Document<'_> {
        let mut sections = Vec::new();
        let rows = self.tree();
        if !rows.is_empty() {
            sections.push(Section { grid: Some(self.grid(rows)), ..Section::default() });
        }
        let note = |text| Section { text, ..Section::default() };
        sections.extend(self.notes().into_iter().map(note));
        Document { title: self.title(title), facts: self.facts(), sections }
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
            Window::Month => "Monthly active users",
            Window::Quarter => "Quarterly active users",
            Window::Year => "Yearly active users",
            _ => "Active users",
        }
    }

    /// How the numbers were computed, as label and text.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let report = self.report;
        let mut facts = vec![
            ("window", format!("{}: {}", report.window, meaning(report.window))),
            ("time zone", plain(&report.time_zone)),
        ];
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
        let basis: BTreeSet<&str> = report.rows.iter().map(|row| row.basis.as_str()).collect();
        if !basis.is_empty() {
            facts.push(("count", joined(counts)));
            facts.push(("basis", joined(basis.into_iter())));
        }
        facts.push((
            "data",
            match (report.first_day, report.last_day) {
                (Some(first), Some(last)) => format!("{first} to {last}"),
                (None, Some(last)) => format!("until {last}"),
                _ => "none".to_owned(),
            },
        ));
        facts.push(("events", format_number(report.events)));
        if let Some(top) = report.top {
            let by = joined(report.by.iter().map(|by| plain(by)));
            let users = "users of all other values, each user once";
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

    /// Some of the rows as a table.
    pub(super) fn grid<'v>(&'v self, rows: Vec<&'v ReportRow>) -> Grid<'v> {
        let columns = self.columns();
        let head = |column: &Column| output::Column {
            name: self.header(*column),
            is_number: column.is_number(),
        };
        let heads = columns.iter().map(head).collect();
        let mut before: Option<&ReportRow> = None;
        let rows = rows.into_iter().map(move |row| {
            let starts_group = before.is_some_and(|before| before.period != row.period);
            let above = before.replace(row).filter(|_| !starts_group);
            let cells = columns.iter().map(|column| self.cell(*column, row, above)).collect();
            Row { cells, starts_group }
        });
        Grid { columns: heads, rows: Box::new(rows) }
    }

    /// The informative columns of this report.
    fn columns(&self) -> Vec<Column> {
        let any = |test: fn(&ReportRow) -> bool| self.report.rows.iter().any(test);
        let mut columns = vec![Column::Period, Column::Level, Column::Name];
        columns.extend((0..self.report.by.len()).map(Column::By));
        if self.methods.len() > 1 {
            columns.push(Column::Method);
        }
        columns.push(Column::Users);
        if self.counts.contains(&Count::Approx) {
            columns.push(Column::Interval);
        }
        if any(|row| row.previous_users.is_some()) {
            columns.extend([Column::Previous, Column::Change]);
        }
        columns
    }

    fn header(&self, column: Column) -> String {
        match column {
            Column::Period => "Period".to_owned(),
            Column::Level => "Level".to_owned(),
            Column::Name => "Name".to_owned(),
            Column::By(at) => self.report.by.get(at).map(|by| plain(by)).unwrap_or_default(),
            Column::Method => "Method".to_owned(),
            Column::Users => "Users".to_owned(),
            Column::Interval => "95 % interval".to_owned(),
            Column::Previous => "Previous".to_owned(),
            Column::Change => "Change".to_owned(),
        }
    }

    /// The cell of a row; `above` is the row above it in the same period.
    fn cell(&self, column: Column, row: &ReportRow, above: Option<&ReportRow>) -> Cell {
        let text = match column {
            Column::Period => marked(period(self.report.window, row.period), row.complete),
            Column::Level => row.level.to_string(),
            Column::Name => self.name(row),
            Column::By(at) => row.by.get(at).map(|by| value(by.as_deref())).unwrap_or_default(),
            Column::Method => row.method.to_string(),
            Column::Users => format_number(row.users),
            Column::Interval if row.count == Count::Exact => String::new(),
            Column::Interval => {
                format!("{}–{}", format_number(row.users_low), format_number(row.users_high))
            }
            Column::Previous => row.previous_users.map(format_number).unwrap_or_default(),
            Column::Change => match row.change_pct {
                Some(pct) => marked(change(pct), row.complete),
                None => String::new(),
            },
        };
        let role = match (column, row.change_pct) {
            (Column::Change, Some(pct)) if row.complete && pct > 0.0 => Role::Up,
            (Column::Change, Some(pct)) if row.complete && pct < 0.0 => Role::Down,
            (Column::Level | Column::Interval | Column::Previous | Column::Change, _) => {
                Role::Minor
            }
            (Column::Name, _) => {
                // The shown name of a metric is its description.
                let key = row.metric.clone().filter(|_| row.level == Level::Action);
                Role::Name { depth: self.depth(row), description: key }
            }
            _ => Role::Plain,
        };
        let repeated = above.is_some_and(|above| match column {
            Column::Period => true,
            Column::Level => above.level == row.level && node(above) == node(row),
            Column::Name => node(above) == node(row),
            _ => false,
        });
        Cell { text, role, repeated }
    }

    /// The display name of the row's node.
    pub(super) fn name(&self, row: &ReportRow) -> String {
        let (level, key) = match row.level {
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
        rows.sort_by(|a, b| a.period.cmp(&b.period).then_with(|| branch(a, b)));
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
        .then_with(|| a.method.cmp(&b.method))
        .then_with(|| a.by.cmp(&b.by))
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
    }
}

fn joined(words: impl Iterator<Item = impl AsRef<str>>) -> String {
    words.map(|word| word.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}
