//! What people read of a report or of measurements, before it gets the form of a terminal, of
//! Markdown or of HTML.

/// A title, facts below it, and sections.
pub(crate) struct Document<'a> {
    pub(crate) title: String,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) sections: Vec<Section<'a>>,
}

/// A part of a document; every field can be empty.
#[derive(Default)]
pub(crate) struct Section<'a> {
    pub(crate) title: &'static str,
    /// A paragraph, in words of the program: it can use Markdown.
    pub(crate) text: String,
    pub(crate) grid: Option<Grid<'a>>,
    pub(crate) list: Vec<String>,
}

/// A table of texts. Rows are made one by one, while they are written.
pub(crate) struct Grid<'a> {
    pub(crate) heads: Vec<Head>,
    pub(crate) rows: Box<dyn Iterator<Item = Row> + 'a>,
}

/// The name of a column; numbers are right-aligned.
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) is_number: bool,
}

/// A column of a table about things of type `T`.
pub(crate) struct Column<'a, T> {
    head: Head,
    cell: MakeCell<'a, T>,
}

/// Makes the cell of a thing; also gets the thing above it in the same group.
pub(crate) type MakeCell<'a, T> = Box<dyn Fn(&T, Option<&T>) -> Cell + 'a>;

impl<'a, T> Column<'a, T> {
    pub(crate) fn text(
        name: impl Into<String>,
        cell: impl Fn(&T, Option<&T>) -> Cell + 'a,
    ) -> Self {
        Self { head: Head { name: name.into(), is_number: false }, cell: Box::new(cell) }
    }

    pub(crate) fn number(
        name: impl Into<String>,
        cell: impl Fn(&T, Option<&T>) -> Cell + 'a,
    ) -> Self {
        Self { head: Head { name: name.into(), is_number: true }, cell: Box::new(cell) }
    }
}

impl<'a, T> Column<'a, T> {
    /// The name of the column, and what makes its cells.
    pub(crate) fn into_parts(self) -> (Head, MakeCell<'a, T>) {
        (self.head, self.cell)
    }
}

impl<'a> Grid<'a> {
    /// A row for each thing; neighbours of which `together` is true are a group.
    pub(crate) fn new<T>(
        columns: Vec<Column<'a, T>>,
        things: Vec<&'a T>,
        together: fn(&T, &T) -> bool,
    ) -> Self {
        let (heads, cells): (_, Vec<MakeCell<'a, T>>) =
            columns.into_iter().map(Column::into_parts).unzip();
        let mut before = None;
        let rows = things.into_iter().map(move |thing| {
            let previous = before.replace(thing);
            let above = previous.filter(|above| together(above, thing));
            let starts_group = previous.is_some() && above.is_none();
            Row { cells: cells.iter().map(|cell| cell(thing, above)).collect(), starts_group }
        });
        Self { heads, rows: Box::new(rows) }
    }
}

pub(crate) struct Row {
    /// One for each column.
    pub(crate) cells: Vec<Cell>,
    /// Whether it is set off from the row above.
    pub(crate) starts_group: bool,
}

pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) role: Role,
    /// Whether it says the same as the row above; a terminal leaves it out.
    pub(crate) repeated: bool,
}

/// What a cell is, for indentation and colours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    /// Less important than the others.
    Minor,
    /// An increase.
    Up,
    /// A decrease.
    Down,
    /// The name of the row, this deep in a tree; with a longer description, if there is one.
    Name {
        depth: usize,
        description: Option<String>,
    },
}

impl Cell {
    pub(crate) fn minor(text: String) -> Self {
        Self { role: Role::Minor, ..Self::from(text) }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, role: Role::Plain, repeated: false }
    }
}
