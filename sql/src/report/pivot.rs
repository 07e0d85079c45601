//! A report with its periods across and its nodes down: the numbers of the newest periods that fit, and
//! the trend of all.

use engine::active::Count;

use super::figures::marked;
use super::series::{Point, TimeSeries};
use super::view::{ReportView, change_cell, is_same_node};
use crate::output::text::{format_number, shortened, width};
use crate::output::{Cell, GAP, Grid, Head, RULE_END, Role, Row, Section};

/// Steps of a trend, from the lowest to the highest.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Most characters of a trend.
const MAX_TREND: usize = 24;

/// On a terminal, names and other texts get at most these parts of its width.
const NAME_SHARE: usize = 3;
const TEXT_SHARE: usize = 6;

/// A trend gets at most this part of the width, so that there is room for numbers.
const TREND_SHARE: usize = 6;

/// A column while it is not known whether there is room for it.
struct PivotColumn {
    head: Head,
    cells: Vec<Cell>,
}

impl PivotColumn {
    fn new(name: impl Into<String>, is_number: bool, cells: Vec<Cell>) -> Self {
        Self { head: Head { name: name.into(), is_number }, cells }
    }

    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| match cell.role {
            Role::Name { depth, .. } => 2 * depth + width(&cell.text),
            _ => width(&cell.text),
        });
        cells.max().unwrap_or(0).max(width(&self.head.name))
    }
}

/// The report, on a terminal of this width; without one, with all periods.
pub(super) fn pivot<'a>(view: &ReportView<'a>, room: Option<usize>) -> Section<'a> {
    let Some(data) = TimeSeries::new(view) else { return Section::default() };
    let series = data.all();
    let points: Vec<Vec<Option<Point>>> = series.iter().map(|one| data.points(one)).collect();

    let mut columns = Vec::new();
    for (at, column) in view.key_columns().into_iter().enumerate() {
        let (head, cell) = column.into_parts();
        let mut above = None;
        let cells = series.iter().filter_map(|one| {
            let row = one.first()?;
            Some(cell(row, above.replace(row)))
        });
        let mut column = PivotColumn { head, cells: cells.collect() };
        let share = if at == 0 { NAME_SHARE } else { TEXT_SHARE };
        if let Some(room) = room {
            shorten(&mut column, room / share);
        }
        columns.push(column);
    }

    let mut notes = Vec::new();
    let complete: Vec<usize> =
        (0..data.spans.len()).filter(|at| data.spans[*at].complete).collect();
    if complete.len() > 1 {
        let most = room.map_or(MAX_TREND, |room| (room / TREND_SHARE).min(MAX_TREND));
        let bars = |points: &Vec<Option<Point>>| {
            let users = complete.iter().map(|at| points[*at].map(|point| point.users));
            Cell::from(trend(&users.collect::<Vec<_>>(), most))
        };
        columns.push(PivotColumn::new("Trend", false, points.iter().map(bars).collect()));
        let periods = match complete.as_slice() {
            [first, .., last] => {
                format!("{} to {}", data.spans[*first].label(), data.spans[*last].label())
            }
            _ => String::new(),
        };
        notes.push(format!("Trend: {periods}, from 0 to the largest number of the row."));
    }

    let changes: Vec<Option<Cell>> = series
        .iter()
        .map(|one| data.now(one).and_then(|row| Some(change_cell(row.change_pct?, row.complete))))
        .collect();
    let change = changes.iter().any(Option::is_some).then(|| {
        notes.push(format!(
            "Change: {} against {}.",
            data.spans[data.latest].label(),
            data.before()
        ));
        let blank = || Cell::from(String::new());
        let cells = changes.into_iter().map(|cell| cell.unwrap_or_else(blank)).collect();
        PivotColumn::new("Change", true, cells)
    });

    let mut used: usize = columns.iter().chain(&change).map(|column| column.width() + GAP).sum();
    let mut periods = Vec::new();
    for (at, span) in data.spans.iter().enumerate().rev() {
        let number = |points: &Vec<Option<Point>>| {
            let users = points[at].map(|point| format_number(point.users)).unwrap_or_default();
            if span.complete { Cell::from(users) } else { Cell::minor(users) }
        };
        let cells = points.iter().map(number).collect();
        let column = PivotColumn::new(marked(span.label().to_owned(), span.complete), true, cells);
        used += column.width() + GAP;
        // The gap of the last column is not written.
        if !periods.is_empty() && room.is_some_and(|room| used + RULE_END > room + GAP) {
            break;
        }
        periods.push(column);
    }
    if periods.len() < data.spans.len() {
        let (shown, all) = (periods.len() as u64, data.spans.len() as u64);
        let (shown, all) = (format_number(shown), format_number(all));
        notes.insert(0, format!("The newest {shown} of {all} periods."));
    }
    if view.counts.contains(&Count::Approx) {
        notes.push("`--pivot=no` shows the intervals.".to_owned());
    }
    columns.extend(periods.into_iter().rev());
    columns.extend(change);

    let has_values = !view.report.by.is_empty();
    let mut above = None;
    let starts_group = series.iter().map(|one| {
        let row = one.first();
        let previous = std::mem::replace(&mut above, row);
        has_values && previous.is_some() && row.is_some_and(|row| !is_same_node(row, previous))
    });
    let starts_group: Vec<bool> = starts_group.collect();
    let (heads, cells): (Vec<Head>, Vec<_>) =
        columns.into_iter().map(|column| (column.head, column.cells.into_iter())).unzip();
    let mut cells = cells;
    let rows = starts_group.into_iter().map(move |starts_group| Row {
        cells: cells.iter_mut().filter_map(Iterator::next).collect(),
        starts_group,
    });
    let grid = Grid { heads, rows: Box::new(rows) };
    Section { text: notes.join(" "), grid: Some(grid), ..Section::default() }
}

/// Cuts texts that are wider than this, but none below the width of the column's name.
fn shorten(column: &mut PivotColumn, most: usize) {
    let most = most.max(width(&column.head.name));
    for cell in &mut column.cells {
        let indentation = match cell.role {
            Role::Name { depth, .. } => 2 * depth,
            _ => 0,
        };
        let room = most.saturating_sub(indentation);
        if width(&cell.text) > room {
            cell.text = shortened(&cell.text, room);
        }
    }
}

/// Numbers as a line of at most `most` bars, from 0 to the largest of them. A bar of several numbers is as
/// high as their mean; where there are none is a space.
fn trend(users: &[Option<u64>], most: usize) -> String {
    let bars = users.len().min(most).max(1);
    let mean = |bar: usize| {
        let of_it = &users[bar * users.len() / bars..(bar + 1) * users.len() / bars];
        let known: Vec<f64> = of_it.iter().flatten().map(|users| *users as f64).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    };
    let means: Vec<Option<f64>> = (0..bars).map(mean).collect();
    let highest = means.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |mean: &Option<f64>| match mean {
        None => ' ',
        Some(_) if highest == 0.0 => STEPS[0],
        Some(mean) => STEPS[(mean / highest * (STEPS.len() - 1) as f64).round() as usize],
    };
    means.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::trend;

    #[test]
    fn a_trend_goes_from_zero_to_the_largest_number() {
        let some =
            |users: &[u64]| -> Vec<Option<u64>> { users.iter().copied().map(Some).collect() };
        for (users, most, expected) in [
            (some(&[0, 1, 2, 3, 4, 5, 6, 7]), 8, "▁▂▃▄▅▆▇█"),
            (some(&[0, 0]), 8, "▁▁"),
            (some(&[100, 50]), 8, "█▅"),
            // Means of pairs: 2, 4, 8.
            (some(&[1, 3, 4, 4, 8, 8]), 3, "▃▅█"),
            (vec![None, Some(3), None, Some(3)], 8, " █ █"),
            (vec![None, Some(3), None, None], 2, "█ "),
            (vec![], 8, " "),
        ] {
            assert_eq!(trend(&users, most), expected, "{users:?}");
        }
    }
}
