//! What a source says of its CSV files.

/// What a source says of its CSV files; what it does not say is detected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// What separates values.
    pub delimiter: Option<u8>,
    /// What encloses values that contain a delimiter or a line end.
    pub quote: Option<Quote>,
    /// Where the names of the columns come from.
    pub header: Option<Header>,
}

/// How values are protected that contain a delimiter or a line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    /// By this byte around them; doubled inside.
    Byte(u8),
    /// By a backslash before the character, as in the text format of `COPY` in PostgreSQL: `\t`, `\n`,
    /// `\\`, and `\N` for no value.
    Backslash,
    /// They contain none.
    None,
}

/// Where the names of columns come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// The first line.
    Line,
    /// There are none: `column_1`, `column_2` ...
    Absent,
    /// The source says them; the file has no line with names.
    Names(Vec<String>),
}

impl CsvOptions {
    /// These options; what they leave open is as in `other`.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            delimiter: self.delimiter.or(other.delimiter),
            quote: self.quote.or(other.quote),
            header: self.header.clone().or_else(|| other.header.clone()),
        }
    }
}
