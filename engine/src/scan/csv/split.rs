//! Splits the first row off some bytes.

use std::borrow::Cow;

use memchr::{memchr, memchr3};

use crate::scan::csv_options::Quote;

/// One field of a row, by its bytes in the row and without the quotes around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether quotes are doubled in it.
    doubled: bool,
}

/// What stands at the start of some bytes.
#[derive(Debug)]
pub(super) enum Split {
    /// A row of so many bytes, its line end included, that takes up so many lines.
    Row { length: usize, lines: u64 },
    /// An empty line of so many bytes.
    Empty(usize),
    /// The beginning of something, or nothing.
    Incomplete,
    /// A mistake at this position.
    Mistake(usize, Mistake),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Mistake {
    NotClosed,
    TextAfterQuote,
}

impl Field {
    /// Its value, in the text of its row; empty if there is none.
    pub(super) fn of<'r>(self, row: &'r str, quote: Quote) -> Cow<'r, str> {
        // Quotes, delimiters and line ends are no part of other characters.
        let text = row.get(self.start..self.end).unwrap_or_default();
        match quote {
            Quote::Byte(quote) if self.doubled => {
                let quote = char::from(quote);
                Cow::Owned(text.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            Quote::Backslash if text == "\\N" => Cow::Borrowed(""),
            Quote::Backslash if text.contains('\\') => Cow::Owned(without_backslashes(text)),
            _ => Cow::Borrowed(text),
        }
    }
}

/// Splits the first row off. `ended` is whether nothing comes after these bytes.
pub(super) fn split(
    bytes: &[u8],
    delimiter: u8,
    quote: Quote,
    ended: bool,
    fields: &mut Vec<Field>,
) -> Split {
    let quote = match quote {
        Quote::Byte(quote) => Some(quote),
        Quote::Backslash | Quote::None => None,
    };
    fields.clear();
    match bytes.first() {
        None => return Split::Incomplete,
        Some(first) if is_line_end(*first) => {
            return line_end(bytes, 0, ended).map_or(Split::Incomplete, Split::Empty);
        }
        Some(_) => {}
    }
    let (mut at, mut lines) = (0, 1);
    loop {
        if let Some(quote) = quote.filter(|quote| bytes.get(at) == Some(quote)) {
            let start = at + 1;
            let (mut from, mut doubled) = (start, false);
            let end = loop {
                let Some(found) = memchr(quote, &bytes[from..]).map(|found| from + found) else {
                    return match ended {
                        true => Split::Mistake(at, Mistake::NotClosed),
                        false => Split::Incomplete,
                    };
                };
                match bytes.get(found + 1) {
                    Some(next) if *next == quote => (from, doubled) = (found + 2, true),
                    None if !ended => return Split::Incomplete,
                    _ => break found,
                }
            };
            lines += line_ends(&bytes[start..end]);
            fields.push(Field { start, end, doubled });
            at = end + 1;
        } else {
            let end = memchr3(delimiter, b'\n', b'\r', &bytes[at..]);
            let end = end.map_or(bytes.len(), |length| at + length);
            fields.push(Field { start: at, end, doubled: false });
            at = end;
        }
        match bytes.get(at) {
            None if ended => return Split::Row { length: at, lines },
            None => return Split::Incomplete,
            Some(byte) if *byte == delimiter => at += 1,
            Some(byte) if is_line_end(*byte) => {
                return match line_end(bytes, at, ended) {
                    Some(length) => Split::Row { length: at + length, lines },
                    None => Split::Incomplete,
                };
            }
            // Fields without quotes end nowhere else.
            Some(_) => return Split::Mistake(at, Mistake::TextAfterQuote),
        }
    }
}

pub(super) fn is_line_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// Length of the line end at a position, or `None` if the next byte has to be known.
fn line_end(bytes: &[u8], at: usize, ended: bool) -> Option<usize> {
    match bytes.get(at..) {
        Some([b'\r', b'\n', ..]) => Some(2),
        Some([b'\r']) if !ended => None,
        _ => Some(1),
    }
}

/// Number of line ends: `\n`, `\r\n` and `\r` are one each.
pub(super) fn line_ends(bytes: &[u8]) -> u64 {
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    let alone = bytes.windows(2).filter(|pair| pair[0] == b'\r' && pair[1] != b'\n').count();
    (feeds + alone + usize::from(bytes.last() == Some(&b'\r'))) as u64
}

/// A value in the text format of PostgreSQL's `COPY`.
fn without_backslashes(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        value.push(match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('v') => '\u{b}',
                Some(other) => other,
                None => '\\',
            },
            letter => letter,
        });
    }
    value
}
