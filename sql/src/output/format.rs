//! The formats by name and by the endings of files, and which of them a command supports.

use std::fmt;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// A form of output.
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
    /// One page with charts that needs nothing else.
    Html,
    /// A Parquet file.
    Parquet,
}

impl Format {
    /// The formats of query results. Reports and measurements have all formats.
    pub const OF_QUERIES: &'static [Self] = &[
        Self::Table,
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::Ndjson,
        Self::Markdown,
        Self::Parquet,
    ];

    /// The endings of files, without the dot, with their formats.
    pub const ENDINGS: [(&'static str, Self); 11] = [
        ("txt", Self::Table),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("jsonl", Self::Ndjson),
        ("md", Self::Markdown),
        ("markdown", Self::Markdown),
        ("html", Self::Html),
        ("htm", Self::Html),
        ("parquet", Self::Parquet),
    ];

    /// Parses the name of one of these formats, as an argument of a command.
    pub(crate) fn parser(supported: &'static [Self]) -> impl TypedValueParser<Value = Self> {
        PossibleValuesParser::new(supported.iter().filter_map(Self::to_possible_value))
            .try_map(|name| <Self as ValueEnum>::from_str(&name, false))
    }

    /// The names of these formats, separated by commas.
    pub(crate) fn names(formats: &[Self]) -> String {
        formats.iter().map(Self::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Whether it is for reading, and not for programs.
    pub fn is_for_people(self) -> bool {
        matches!(self, Self::Table | Self::Markdown | Self::Html)
    }

    /// Whether the text is for reading on a terminal, so that a long one goes through a pager.
    pub fn is_paged(self) -> bool {
        matches!(self, Self::Table | Self::Markdown)
    }

    /// Whether the bytes are not text, and so do not belong on a terminal.
    pub fn is_binary(self) -> bool {
        self == Self::Parquet
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}
