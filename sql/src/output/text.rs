//! Text for people: without control sequences, measured in the columns that it takes in a terminal,
//! wrapped; and numbers with separators.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Ends a value that was shortened.
const ELLIPSIS: char = '…';

/// Joins emoji into one; at the end of a text it joins nothing.
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// The text with control characters written as escapes, such as `\x1b`: they would move the cursor,
/// change colours or worse. Line ends stay, and a tab becomes four spaces.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut printable = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\n' => printable.push('\n'),
            '\t' => printable.push_str("    "),
            '\r' if characters.peek() == Some(&'\n') => {}
            _ if is_control(character) => escape(character, &mut printable),
            _ => printable.push(character),
        }
    }
    Cow::Owned(printable)
}

/// As [`printable`], on one line.
pub(crate) fn printable_line(text: &str) -> Cow<'_, str> {
    match printable(text) {
        printable if printable.contains('\n') => Cow::Owned(printable.replace('\n', "\\n")),
        printable => printable,
    }
}

/// As [`printable_line`], without spaces at the ends.
pub(crate) fn plain(text: &str) -> String {
    printable_line(text.trim()).into_owned()
}

/// `1,234,567`
pub(crate) fn format_number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Parts on as few lines of `most` columns as possible, with the separator between those of a line;
/// lines after the first begin with `indent`.
pub(super) fn wrapped<'p>(
    parts: impl Iterator<Item = &'p str>,
    separator: &str,
    indent: &str,
    most: usize,
) -> String {
    let mut text = String::new();
    let mut used = width(indent);
    for (at, part) in parts.enumerate() {
        let length = width(part);
        if at > 0 && used + width(separator) + length > most {
            text.push('\n');
            text.push_str(indent);
            used = width(indent);
        } else if at > 0 {
            text.push_str(separator);
            used += width(separator);
        }
        text.push_str(part);
        used += length;
    }
    text.push('\n');
    text
}

/// Columns of a terminal that a line takes: two for most East Asian characters and emoji, none for
/// combining marks.
pub(crate) fn width(line: &str) -> usize {
    line.width()
}

/// The beginning of a line with an ellipsis, in at most `columns` columns.
pub(crate) fn shortened(line: &str, columns: usize) -> String {
    let most = columns.saturating_sub(1);
    let (mut used, mut end) = (0, 0);
    for (at, character) in line.char_indices() {
        used += character.width().unwrap_or(0);
        if used > most {
            break;
        }
        end = at + character.len_utf8();
    }
    // A sequence of characters can be wider than they are one by one.
    while line[..end].width() > most {
        end = line[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    }
    let mut shortened = line[..end].trim_end_matches(ZERO_WIDTH_JOINER).to_owned();
    shortened.push(ELLIPSIS);
    shortened
}

/// A line in parts of at most `columns` columns each; one part, if it is empty.
pub(super) fn split_at_width(line: &str, columns: usize) -> Vec<&str> {
    let (mut parts, mut start, mut used) = (Vec::new(), 0, 0);
    for (at, character) in line.char_indices() {
        let own = character.width().unwrap_or(0);
        if used + own > columns && at > start {
            parts.push(&line[start..at]);
            (start, used) = (at, 0);
        }
        used += own;
    }
    parts.push(&line[start..]);
    parts
}

/// Control characters, and those that reverse the order of the text around them.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(character: char, text: &mut String) {
    let code = u32::from(character);
    // Writing to a string does not fail.
    let _ = match code {
        0xd => write!(text, "\\r"),
        ..0x100 => write!(text, "\\x{code:02x}"),
        _ => write!(text, "\\u{code:04x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::{
        format_number, printable, printable_line, shortened, split_at_width, width, wrapped,
    };

    #[test]
    fn numbers_have_separators() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(format_number(number), expected);
        }
    }

    #[test]
    fn lines_are_wrapped() {
        let words = || "one two 漢字 four".split(' ');
        assert_eq!(wrapped(words(), " ", "", 8), "one two\n漢字\nfour\n");
        assert_eq!(wrapped(words(), " · ", "", 13), "one · two\n漢字 · four\n");
        assert_eq!(wrapped(words(), " ", "  ", 9), "one two\n  漢字\n  four\n");
    }

    #[test]
    fn lines_are_split_in_columns() {
        for (line, columns, parts) in [
            ("", 3, vec![""]),
            ("abcdefg", 3, vec!["abc", "def", "g"]),
            ("漢字漢", 4, vec!["漢字", "漢"]),
            ("漢字", 1, vec!["漢", "字"]),
        ] {
            assert_eq!(split_at_width(line, columns), parts, "{line}");
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        for (text, expected) in [
            ("plain ä 漢", "plain ä 漢"),
            ("\u{1b}[31mred\u{7}", "\\x1b[31mred\\x07"),
            ("a\u{9b}b\u{7f}", "a\\x9bb\\x7f"),
            ("user\u{202e}txt.exe", "user\\u202etxt.exe"),
            ("one\r\ntwo\rthree\tfour", "one\ntwo\\rthree    four"),
        ] {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(printable_line("one\ntwo"), "one\\ntwo");
    }

    #[test]
    fn lines_are_measured_and_shortened_in_columns() {
        for (line, columns) in [("abc", 3), ("漢字", 4), ("🦀", 2), ("e\u{301}", 1), ("👩‍🚀", 2)]
        {
            assert_eq!(width(line), columns, "{line}");
        }
        for (line, columns, expected) in [
            ("abcdef", 4, "abc…"),
            ("漢字漢字", 5, "漢字…"),
            ("漢字漢字", 4, "漢…"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
            ("❤\u{fe0f}❤\u{fe0f}", 3, "❤\u{fe0f}…"),
            ("👩‍🚀👩‍🚀", 1, "…"),
        ] {
            assert_eq!(shortened(line, columns), expected);
            assert!(width(expected) <= columns, "{expected}");
        }
    }
}
