//! Codes of the rows of a batch.

/// One value per row, or one for all rows.
#[derive(Clone, Debug)]
pub(crate) enum Codes<T> {
    /// The same in every row.
    All(T),
    /// One per row.
    Rows(Vec<T>),
}

impl<T: Copy> Codes<T> {
    /// The value of a row.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> T {
        match self {
            Self::All(value) => *value,
            Self::Rows(values) => values[row],
        }
    }
}
