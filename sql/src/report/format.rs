//! The formats by name and by the endings of files.

use std::fmt;

use clap::ValueEnum;

/// A form in which a report can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for the terminal.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// The same with tabs.
    Tsv,
    /// An array of objects, one per line.
    Json,
    /// A table in GitHub's Markdown.
    Markdown,
    /// One page with pictures that needs nothing else.
    Html,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// The endings of files, without the dot, with their formats.
    pub const ENDINGS: [(&str, Self); 9] = [
        ("txt", Self::Table),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("json", Self::Json),
        ("md", Self::Markdown),
        ("markdown", Self::Markdown),
        ("html", Self::Html),
        ("htm", Self::Html),
        ("parquet", Self::Parquet),
    ];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Parquet => "parquet",
        }
    }

    /// The most rows that a report may have in this format, if there is a limit: longer ones can
    /// be neither read nor drawn, and would be kept in memory as a whole.
    pub fn most_rows(self) -> Option<usize> {
        match self {
            Self::Table | Self::Markdown => Some(1_000_000),
            Self::Html => Some(50_000),
            Self::Csv | Self::Tsv | Self::Json | Self::Parquet => None,
        }
    }

    /// The most series that a report may have in this format, if there is a limit. A series is a
    /// node of the tree with a value of each dimension of `--by`, in all periods: what a picture
    /// shows as one line.
    pub fn most_series(self) -> Option<usize> {
        (self == Self::Html).then_some(5_000)
    }

    /// Whether the bytes are not text, and so do not belong on a terminal.
    pub fn is_binary(self) -> bool {
        self == Self::Parquet
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
