//! The formats by name and by file extension.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;

/// A form in which the result of a query can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for the terminal.
    Table,
    /// Comma-separated values with a header; null is an empty field, an empty text is `""`.
    Csv,
    /// The same with tabs.
    Tsv,
    /// An array of objects, one per line.
    Json,
    /// One object per line.
    Ndjson,
    /// A table in GitHub's Markdown.
    Markdown,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Markdown => "markdown",
            Self::Parquet => "parquet",
        }
    }

    /// The format that a file's extension asks for, in any case, or `None` if it says nothing.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Table),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "json" => Some(Self::Json),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            "md" | "markdown" => Some(Self::Markdown),
            "parquet" => Some(Self::Parquet),
            _ => None,
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
