//! The formats by name and by file extension.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use clap::ValueEnum;
use engine::Error;

/// A form in which a report can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for the terminal.
    Table,
    /// Comma-separated values with a header.
    Csv,
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
    /// Every format, in the order of the help text.
    pub const ALL: [Self; 6] =
        [Self::Table, Self::Csv, Self::Json, Self::Markdown, Self::Html, Self::Parquet];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Parquet => "parquet",
        }
    }

    /// The format that a file's extension asks for, in any case, or `None` if it says nothing.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Table),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" => Some(Self::Html),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The most rows that a report may have in this format, if there is a limit: longer ones can
    /// be neither read nor drawn, and would be kept in memory as a whole.
    pub fn most_rows(self) -> Option<usize> {
        match self {
            Self::Table | Self::Markdown => Some(1_000_000),
            Self::Html => Some(50_000),
            Self::Csv | Self::Json | Self::Parquet => None,
        }
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

impl FromStr for Format {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|format| format.as_str() == word).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(" ");
            Error::input(format!("unknown format `{word}`"))
                .with("help", format!("use one of: {names}"))
        })
    }
}
