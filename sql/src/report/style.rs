//! How a report looks.

/// How the formats for people look.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Colours in the terminal table, as ANSI escape sequences.
    pub color: bool,
    /// The heading; when empty, the window's own ("Monthly active users").
    pub title: String,
    /// Width of the terminal, which tables fit into; `None` for files and pipes.
    pub width: Option<usize>,
    /// Periods across instead of one row for each node and period; `None` for what is easier to
    /// read: across on a terminal, if there are more than a few.
    pub pivot: Option<bool>,
}
