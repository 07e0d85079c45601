//! How a CSV file is written: delimiter, quotes, header, escapes; declared, or detected from the
//! beginning of the file.
//!
//! A rule decides, not a score, so that it can be stated and a wrong guess is rare: what the rule does
//! not decide is an error that says what to declare.

use super::split::{Split, split};
use crate::calendar::{Zone, parse_instant};
use crate::scan::csv_options::{Header, Quote};
use crate::scan::files::EventFile;
use crate::{Error, Result};

/// Rows at the beginning of a file from which its dialect is detected.
const SAMPLE_ROWS: usize = 100;
/// Delimiters that are detected.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// How a file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::scan) struct Dialect {
    pub(in crate::scan) delimiter: u8,
    pub(in crate::scan) quote: Quote,
    pub(in crate::scan) header: Header,
}

impl Dialect {
    /// That of a file with this beginning, which ends with the file if it has `ended`.
    ///
    /// # Errors
    /// When two delimiters are possible.
    pub(in crate::scan) fn of(file: &EventFile, sample: &[u8], ended: bool) -> Result<Self> {
        let options = &file.csv;
        let quote = options.quote.unwrap_or_else(|| {
            if options.delimiter == Some(b'\t') && is_without_quotes(sample, ended) {
                return Quote::None;
            }
            let is_single = sample.first() == Some(&b'\'') && !sample.contains(&b'"');
            Quote::Byte(if is_single { b'\'' } else { b'"' })
        });
        let delimiter = match options.delimiter {
            Some(delimiter) => delimiter,
            None => delimiter(sample, quote, ended).map_err(|[one, other]| {
                let [one, other] = [one, other].map(name_of);
                Error::input(format!("the delimiter may be {one} or {other}"))
                    .with("file", file.path.display())
                    .with("help", "declare it in the source, as in `csv: {delimiter: \";\"}`")
            })?,
        };
        let has_nulls = options.quote.is_none() && has_backslash_nulls(sample, delimiter, ended);
        let quote = if has_nulls { Quote::Backslash } else { quote };
        let header = options.header.clone().unwrap_or_else(|| {
            let first = rows(sample, delimiter, quote, ended).next().unwrap_or_default();
            let is_data = first.iter().any(|value| is_value(value));
            if is_data { Header::Absent } else { Header::Line }
        });
        Ok(Self { delimiter, quote, header })
    }

    /// Lines before the first row.
    pub(in crate::scan) fn header_lines(&self) -> u64 {
        u64::from(self.header == Header::Line)
    }
}

/// The delimiter of a file: among those that the first line has, the one that gives all rows the same
/// number of values; if there is but one, that one.
///
/// # Errors
/// Two that are possible.
fn delimiter(sample: &[u8], quote: Quote, ended: bool) -> std::result::Result<u8, [u8; 2]> {
    let lengths = |delimiter: &u8| -> Vec<usize> {
        rows(sample, *delimiter, quote, ended).map(|row| row.len()).collect()
    };
    let found: Vec<(u8, Vec<usize>)> =
        DELIMITERS.iter().map(|delimiter| (*delimiter, lengths(delimiter))).collect();
    let in_first: Vec<&(u8, Vec<usize>)> = found
        .iter()
        .filter(|(_, lengths)| lengths.first().is_some_and(|first| *first > 1))
        .collect();
    let regular =
        in_first.iter().filter(|(_, lengths)| lengths.iter().all(|own| *own == lengths[0]));
    let regular: Vec<u8> = regular.map(|(delimiter, _)| *delimiter).collect();
    match (in_first.as_slice(), regular.as_slice()) {
        // One column; or a broken row, which the reader reports.
        ([], _) => Ok(b','),
        ([(only, _)], _) | (_, [only]) => Ok(*only),
        (_, [one, other, ..]) => Err([*one, *other]),
        ([(one, _), (other, _), ..], []) => Err([*one, *other]),
    }
}

/// The complete rows at the beginning of a file, until the first mistake.
fn rows(
    sample: &[u8],
    delimiter: u8,
    quote: Quote,
    ended: bool,
) -> impl Iterator<Item = Vec<&[u8]>> {
    let mut rest = sample;
    let mut fields = Vec::new();
    std::iter::from_fn(move || {
        loop {
            match split(rest, delimiter, quote, ended, &mut fields) {
                Split::Row { length, .. } => {
                    let row = fields.iter().map(|field| &rest[field.start..field.end]).collect();
                    rest = &rest[length..];
                    return Some(row);
                }
                Split::Empty(length) => rest = &rest[length..],
                Split::Incomplete | Split::Mistake(..) => return None,
            }
        }
    })
    .take(SAMPLE_ROWS)
}

/// Whether quotes are ordinary characters in a file with tabs: read with quotes, it has a mistake; read
/// without, all rows have the same number of values, and none is in quotes.
fn is_without_quotes(sample: &[u8], ended: bool) -> bool {
    let read = |quote| rows(sample, b'\t', quote, ended);
    let length = |row: Vec<&[u8]>| {
        let is_quoted = |value: &&[u8]| matches!(value, [b'"', .., b'"']);
        if row.iter().any(is_quoted) { None } else { Some(row.len()) }
    };
    let lengths: Vec<Option<usize>> = read(Quote::None).map(length).collect();
    matches!(lengths.first(), Some(Some(2..)))
        && lengths.iter().all(|length| *length == lengths[0])
        && read(Quote::Byte(b'"')).count() < lengths.len()
}

/// Whether a file says `\N` for no value and has no quotes.
fn has_backslash_nulls(sample: &[u8], delimiter: u8, ended: bool) -> bool {
    let mut nulls = false;
    for value in rows(sample, delimiter, Quote::None, ended).flatten() {
        if value.first() == Some(&b'"') {
            return false;
        }
        nulls |= value == b"\\N";
    }
    nulls
}

/// Whether a text is a number, a time or a UUID: then it is no name of a column.
fn is_value(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let text = text.trim();
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
        && text.parse::<f64>().is_ok();
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_number || is_uuid || parse_instant(text, &Zone::utc()).is_some()
}

fn name_of(delimiter: u8) -> &'static str {
    match delimiter {
        b',' => "a comma",
        b';' => "a semicolon",
        b'\t' => "a tab",
        _ => "a vertical bar",
    }
}
