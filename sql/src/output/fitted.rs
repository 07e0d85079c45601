//! The table of a query's result on a terminal: it fits its width, and no column that varies is
//! left out.
//!
//! Where the table is too wide, it is narrowed step by step until it fits:
//!
//! 1. Columns with the same value in all rows, and copies of other columns, are listed above the
//!    table. Numbers stay, even if all are the same: they are what was asked for.
//! 2. The names of columns are broken after `_` and spaces; then one space separates columns
//!    instead of two; then numbers with decimals are rounded.
//! 3. The longest texts are shortened.
//!
//! If it still does not fit, rows are written as records (see `expanded`).

use arrow::datatypes::{DataType, Schema};
use arrow::record_batch::RecordBatch;
use engine::Result;

use super::batch_writer::{BatchWriter, NULL, Out, numbers, put};
use super::expanded::records;
use super::table::{GAP, line, lines, names, printable_cells, rule, widest};
use super::text::{printable_line, shortened, width, wrapped};
use super::widths::{fit, line_width};

/// Values above the table are not longer than this.
const WIDEST_ABOVE: usize = 40;

/// Significant digits of rounded numbers.
const DIGITS: i32 = 5;

/// Lays out one result, whose rows are kept in memory.
pub(super) struct Fitted<'a> {
    out: Out<'a>,
    names: Vec<String>,
    right: Vec<bool>,
    kinds: Vec<Kind>,
    /// Width of the terminal.
    room: usize,
    rows: Vec<Vec<String>>,
}

/// What may be done to the values of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// They may be cut.
    Text,
    /// They may be rounded.
    Decimal,
    /// Neither: integers, dates, times.
    Fixed,
}

impl Kind {
    fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Decimal,
            other if other.is_numeric() || other.is_temporal() || other.is_null() => Self::Fixed,
            _ => Self::Text,
        }
    }
}

/// How narrow a table is made; each includes the ones before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Density {
    Natural,
    BrokenNames,
    SmallGaps,
    Rounded,
}

impl Density {
    const ALL: [Self; 4] = [Self::Natural, Self::BrokenNames, Self::SmallGaps, Self::Rounded];

    fn gap(self) -> &'static str {
        if self < Self::SmallGaps { GAP } else { " " }
    }
}

/// Columns with the widths that they get.
struct Layout {
    columns: Vec<usize>,
    widths: Vec<usize>,
    density: Density,
}

impl BatchWriter for Fitted<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows.append(&mut printable_cells(batch)?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Option<String>> {
        let (text, note) = self.fitted();
        put(self.out, &text).map(|()| note)
    }
}

impl<'a> Fitted<'a> {
    pub(super) fn new(schema: &Schema, room: usize, out: Out<'a>) -> Self {
        Self {
            out,
            names: names(schema),
            right: numbers(schema),
            kinds: schema.fields().iter().map(|field| Kind::of(field.data_type())).collect(),
            room,
            rows: Vec::new(),
        }
    }

    /// The result, and a note about what is not as it would be in a file.
    fn fitted(&self) -> (String, Option<String>) {
        let all: Vec<usize> = (0..self.names.len()).collect();
        let natural = self.natural(all.clone(), Density::Natural);
        // The long lines of a plan are not cut.
        if natural.width() <= self.room || self.names == ["plan_type", "plan"] {
            return (self.table(&natural), None);
        }
        let mut above = String::new();
        let mut columns = all.clone();
        if self.rows.len() > 1 {
            let facts: Vec<(usize, String)> =
                all.iter().filter_map(|at| Some((*at, self.fact(*at)?))).collect();
            // If nothing varies, the table shows the values.
            if facts.len() < all.len() && !facts.is_empty() {
                columns.retain(|at| facts.iter().all(|(fact, _)| fact != at));
                let facts = facts.iter().map(|(_, fact)| fact.as_str());
                above = wrapped(facts, " · ", "", self.room) + "\n";
            }
        }
        let layouts = Density::ALL.map(|density| self.natural(columns.clone(), density));
        let fitting = layouts.into_iter().find(|layout| layout.width() <= self.room);
        match fitting.or_else(|| self.shortened(columns)) {
            Some(layout) => (above + &self.table(&layout), self.note(&layout)),
            None => {
                let note = "the columns do not fit, so each row is a record".to_owned();
                (records(&self.names, &self.rows, 0, Some(self.room)), Some(note))
            }
        }
    }

    /// What is said of a column above the table, if it need not be in it: its only value, or which
    /// column it repeats.
    fn fact(&self, at: usize) -> Option<String> {
        let name = &self.names[at];
        let value = self.rows.first()?.get(at)?;
        let is_same = self.rows.iter().all(|row| row[at] == *value);
        if is_same && (!self.right[at] || value == NULL) {
            let value = match printable_line(value) {
                value if width(&value) > WIDEST_ABOVE => shortened(&value, WIDEST_ABOVE),
                value => value.into_owned(),
            };
            return Some(format!("{name} = {value}"));
        }
        let is_copy =
            |of: &usize| self.right[*of] && self.rows.iter().all(|row| row[*of] == row[at]);
        let original = (0..at).filter(|_| self.right[at]).find(is_copy)?;
        Some(format!("{name} = {}", self.names[original]))
    }

    /// These columns, as wide as their values and names are.
    fn natural(&self, columns: Vec<usize>, density: Density) -> Layout {
        let cells = match density {
            Density::Rounded => widest(&self.rounded_rows(), self.names.len()),
            _ => widest(&self.rows, self.names.len()),
        };
        let widths = columns.iter().map(|at| cells[*at].max(self.name_width(*at, density)));
        Layout { widths: widths.collect(), columns, density }
    }

    /// The width that the name of a column needs.
    fn name_width(&self, at: usize, density: Density) -> usize {
        let name = &self.names[at];
        match density {
            Density::Natural => width(name),
            _ => pieces(name).map(width).max().unwrap_or(0),
        }
    }

    /// As dense as possible, with the longest texts shortened; `None` if that is not enough.
    fn shortened(&self, columns: Vec<usize>) -> Option<Layout> {
        let natural = self.natural(columns, Density::Rounded);
        let is_text = natural.columns.iter().map(|at| self.kinds[*at] == Kind::Text);
        let is_text: Vec<bool> = is_text.collect();
        let widths = fit(&natural.widths, &is_text, natural.density.gap().len(), self.room)?;
        Some(Layout { widths, ..natural })
    }

    fn rounded_rows(&self) -> Vec<Vec<String>> {
        let cell = |(cell, kind): (&String, &Kind)| match kind {
            Kind::Decimal => rounded(cell),
            Kind::Text | Kind::Fixed => cell.clone(),
        };
        let row = |row: &Vec<String>| row.iter().zip(&self.kinds).map(cell).collect();
        self.rows.iter().map(row).collect()
    }

    fn table(&self, layout: &Layout) -> String {
        let Layout { columns, widths, density } = layout;
        let gap = density.gap();
        let right: Vec<bool> = columns.iter().map(|at| self.right[*at]).collect();
        let mut text = String::new();
        let heads: Vec<Vec<String>> = columns
            .iter()
            .zip(widths)
            .map(|(at, room)| match density {
                Density::Natural => vec![self.names[*at].clone()],
                _ => broken(&self.names[*at], *room).iter().map(|line| cut(line, *room)).collect(),
            })
            .collect();
        let height = heads.iter().map(Vec::len).max().unwrap_or(1);
        for at in 0..height {
            let cells = heads.iter().map(|head| {
                // They stand on the line below the names.
                let own = (at + head.len()).checked_sub(height);
                own.and_then(|own| head.get(own)).map_or("", String::as_str)
            });
            text.push_str(&line(&cells.collect::<Vec<_>>(), widths, &right, gap));
        }
        text.push_str(&rule(widths, gap));
        let rounded_rows;
        let rows = match density {
            Density::Rounded => {
                rounded_rows = self.rounded_rows();
                &rounded_rows
            }
            _ => &self.rows,
        };
        for row in rows {
            let cell = |(at, room): (&usize, &usize)| match density {
                Density::Natural => row[*at].clone(),
                _ => cut(&row[*at], *room),
            };
            let cells: Vec<String> = columns.iter().zip(widths).map(cell).collect();
            text.push_str(&lines(&cells, widths, &right, gap));
        }
        text
    }

    /// A note about values that are not whole.
    fn note(&self, layout: &Layout) -> Option<String> {
        let cells = widest(&self.rows, self.names.len());
        let is_cut = |kind: Kind| {
            let mut columns = layout.columns.iter().zip(&layout.widths);
            columns.any(|(at, width)| self.kinds[*at] == kind && cells[*at] > *width)
        };
        let mut parts = Vec::new();
        if is_cut(Kind::Text) {
            parts.push("long values are shortened");
        }
        let columns = || layout.columns.iter().filter(|at| self.kinds[**at] == Kind::Decimal);
        let is_rounded = |row: &Vec<String>| columns().any(|at| rounded(&row[*at]) != row[*at]);
        if layout.density == Density::Rounded && self.rows.iter().any(is_rounded) {
            parts.push("decimals are rounded");
        }
        (!parts.is_empty())
            .then(|| format!("{}; a file or a pipe gets everything", parts.join(", ")))
    }
}

impl Layout {
    /// Width of a line.
    fn width(&self) -> usize {
        line_width(&self.widths, self.density.gap().len())
    }
}

/// The parts of a name that stay on one line.
fn pieces(name: &str) -> impl Iterator<Item = &str> {
    name.split_inclusive(['_', ' ']).map(|piece| piece.trim_end_matches(' '))
}

/// A name on as few lines as it needs, if the longest piece fits on one.
fn broken(name: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in name.split_inclusive(['_', ' ']) {
        match lines.last_mut() {
            Some(last) if width(last) + width(piece.trim_end_matches(' ')) <= room => {
                last.push_str(piece);
            }
            _ => lines.push(piece.to_owned()),
        }
    }
    lines.into_iter().map(|line| line.trim_end_matches(' ').to_owned()).collect()
}

/// Every line of a cell in at most this width.
fn cut(cell: &str, room: usize) -> String {
    let line = |line: &str| match width(line) > room {
        true => shortened(line, room),
        false => line.to_owned(),
    };
    cell.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// A number with a few significant digits, in decimals; the text as it is if that is no shorter.
fn rounded(cell: &str) -> String {
    let Ok(number) = cell.parse::<f64>() else { return cell.to_owned() };
    if !number.is_finite() || number == 0.0 {
        return cell.to_owned();
    }
    let before_point = number.abs().log10().floor() as i32 + 1;
    let decimals = usize::try_from(DIGITS - before_point).unwrap_or(0);
    let text = format!("{number:.decimals$}");
    if text.len() < cell.len() { text } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{broken, rounded};

    #[test]
    fn names_are_broken_where_words_end() {
        for (name, room, lines) in [
            ("previous_users", 9, vec!["previous_", "users"]),
            ("previous_users", 14, vec!["previous_users"]),
            ("a_b_c", 4, vec!["a_b_", "c"]),
            ("count(*) FILTER (x)", 8, vec!["count(*)", "FILTER", "(x)"]),
            ("", 3, vec![]),
        ] {
            assert_eq!(broken(name, room), lines, "{name}");
        }
    }

    #[test]
    fn numbers_are_rounded_to_five_digits() {
        for (cell, expected) in [
            ("-38.46153846153847", "-38.462"),
            ("0.0042105263", "0.0042105"),
            ("123456.789", "123457"),
            ("999999.96", "1000000"),
            ("12.0", "12.0"),
            ("0.0", "0.0"),
            ("NaN", "NaN"),
            ("NULL", "NULL"),
            ("1e21", "1e21"),
        ] {
            assert_eq!(rounded(cell), expected, "{cell}");
        }
    }
}
