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
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Box<dyn Iterator<Item = Row> + 'a>,
}

pub(crate) struct Column {
    pub(crate) name: String,
    /// Numbers are right-aligned.
    pub(crate) is_number: bool,
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

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, role: Role::Plain, repeated: false }
    }
}
