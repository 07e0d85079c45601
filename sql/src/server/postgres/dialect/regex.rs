//! Regular expressions: PostgreSQL's syntax in that of the crate `regex`.
//!
//! PostgreSQL matches the longest text, the crate the first alternative that matches. For whether a
//! text matches this is the same. Functions that return or replace what matches refuse patterns for
//! which it may differ.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::DataType;
use datafusion::common::{exec_err, not_impl_err};
use datafusion::error::Result;

use crate::server::postgres::function::{Function, map_rows};

/// Letters that mean something else after a backslash: to PostgreSQL `\b` is a backspace, to the crate
/// the end of a word.
const OTHER_ESCAPES: &str = "bBmMyYZ<>";

/// A pattern whose `.` also matches line breaks, as PostgreSQL's does.
///
/// # Errors
/// When the pattern has a prefix or an escape that the crate reads differently.
pub(super) fn boolean(pattern: &str) -> Result<String> {
    if pattern.starts_with("***") {
        return not_impl_err!("the prefix *** of a regular expression is not supported");
    }
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\'
            && let Some(escaped) = letters.next().filter(|letter| OTHER_ESCAPES.contains(*letter))
        {
            return not_impl_err!("\\{escaped} in a regular expression is not supported");
        }
    }
    Ok(match pattern.strip_prefix("(?i)") {
        Some(rest) if pattern.contains('.') => format!("(?is){rest}"),
        None if pattern.contains('.') => format!("(?s){pattern}"),
        _ => pattern.to_owned(),
    })
}

/// As [`boolean`], for functions that depend on how much of a text matches.
///
/// # Errors
/// When PostgreSQL may match more.
pub(super) fn extracting(pattern: &str) -> Result<String> {
    match is_ambiguous(pattern) {
        true => not_impl_err!(
            "the regular expression '{pattern}' is not supported: of alternatives that begin alike, or \
             greedy and non-greedy parts, PostgreSQL matches the longest"
        ),
        false => boolean(pattern),
    }
}

/// Whether alternatives may match at the same place, or greedy and non-greedy repetitions are mixed.
fn is_ambiguous(pattern: &str) -> bool {
    let letters: Vec<char> = pattern.chars().collect();
    // The first letters of the alternatives of each open group; `None` if it is not a plain letter.
    let mut groups: Vec<Vec<Option<char>>> = vec![vec![first_letter(&letters)]];
    let (mut greedy, mut lazy) = (false, false);
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        at += 1;
        match letter {
            '\\' => at += 1,
            '[' => at = end_of_set(&letters, at),
            '(' => {
                while letters.get(at).is_some_and(|letter| matches!(letter, '?' | ':')) {
                    at += 1;
                }
                groups.push(vec![first_letter(&letters[at..])]);
            }
            ')' if groups.len() > 1 && groups.pop().is_some_and(|group| begin_alike(&group)) => {
                return true;
            }
            '|' => {
                let first = first_letter(&letters[at..]);
                groups.last_mut().into_iter().for_each(|group| group.push(first));
            }
            '*' | '+' | '?' | '}' => match letters.get(at) {
                Some('?') => {
                    lazy = true;
                    at += 1;
                }
                _ => greedy = true,
            },
            _ => {}
        }
    }
    greedy && lazy || groups.iter().any(|group| begin_alike(group))
}

fn first_letter(letters: &[char]) -> Option<char> {
    let is_plain =
        |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_' | '/');
    let may_be_absent = letters.get(1).is_some_and(|next| matches!(next, '*' | '?' | '{'));
    letters.first().copied().filter(|letter| is_plain(letter) && !may_be_absent)
}

fn begin_alike(firsts: &[Option<char>]) -> bool {
    let mut known = std::collections::HashSet::new();
    firsts.len() > 1
        && !firsts
            .iter()
            .all(|first| first.is_some_and(|first| known.insert(first.to_lowercase().to_string())))
}

/// The position after a set such as `[^]a]`.
fn end_of_set(letters: &[char], mut at: usize) -> usize {
    if letters.get(at) == Some(&'^') {
        at += 1;
    }
    if letters.get(at) == Some(&']') {
        at += 1;
    }
    while let Some(letter) = letters.get(at) {
        at += 1;
        match letter {
            ']' => break,
            '\\' => at += 1,
            '[' if letters.get(at) == Some(&':') => {
                while letters.get(at).is_some_and(|letter| *letter != ']') {
                    at += 1;
                }
                at += 1;
            }
            _ => {}
        }
    }
    at
}

/// A replacement of `regexp_replace` in Rust's syntax: `\&` is the match, `\1` a group, and `$` has
/// no meaning.
pub(super) const REPLACEMENT: Function = Function {
    name: "regexp_replacement",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Utf8),
    compute: |call| {
        let texts = call.texts(0)?;
        let values = map_rows(call.rows(), &[&texts], |row| Ok(replacement(texts.value(row))))?;
        Ok(Arc::new(StringArray::from(values)))
    },
};

pub(super) fn replacement(text: &str) -> String {
    let mut replaced = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '$' => replaced.push_str("$$"),
            '\\' => match letters.next() {
                Some('&') => replaced.push_str("${0}"),
                Some(digit @ '1'..='9') => replaced.push_str(&format!("${{{digit}}}")),
                Some(other) => {
                    // DataFusion changes `\1` itself, and nothing else.
                    replaced.push_str(if other == '\\' { "\\" } else { "" });
                    if other != '\\' {
                        replaced.push(other);
                    }
                }
                None => replaced.push('\\'),
            },
            other => replaced.push(other),
        }
    }
    replaced
}

/// The regular expression for a pattern of SIMILAR TO.
///
/// # Errors
/// When an escape ends the pattern.
pub(super) fn similar_to(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut regex = String::from("^(?:");
    let mut letters = pattern.chars();
    let mut is_in_set = false;
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            match letters.next() {
                Some(next) if next.is_alphanumeric() => regex.push(next),
                Some(next) => regex.extend(['\\', next]),
                None => return exec_err!("a pattern must not end with its escape character"),
            }
            continue;
        }
        match letter {
            ']' if is_in_set => {
                is_in_set = false;
                regex.push(letter);
            }
            _ if is_in_set => regex.push(letter),
            '[' => {
                is_in_set = true;
                regex.push(letter);
            }
            '%' => regex.push_str("(?s:.*)"),
            '_' => regex.push_str("(?s:.)"),
            '.' | '^' | '$' | '\\' => regex.extend(['\\', letter]),
            '(' => regex.push_str("(?:"),
            other => regex.push(other),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::{boolean, extracting, replacement, similar_to};

    #[test]
    fn patterns_become_regular_expressions() {
        assert_eq!(similar_to("a(b|x)%_.", Some('\\')).unwrap(), "^(?:a(?:b|x)(?s:.*)(?s:.)\\.)$");
        assert_eq!(similar_to("[%_]!%", Some('!')).unwrap(), "^(?:[%_]\\%)$");
        assert!(similar_to("a\\", Some('\\')).is_err());
        assert_eq!(
            (boolean("a.b").unwrap(), boolean("ab").unwrap()),
            ("(?s)a.b".into(), "ab".into())
        );
        for pattern in ["\\ba", "a\\M", "***=a"] {
            assert!(boolean(pattern).is_err(), "{pattern}");
        }
        assert!(boolean("\\\\b\\d").is_ok());
        assert_eq!(replacement("\\&-\\1-$1-\\\\"), "${0}-${1}-$$1-\\");
    }

    #[test]
    fn ambiguous_patterns_are_refused() {
        for pattern in ["a|b", "(cat|dog)s?", "a.*?b", "[a|b]+", "\\|x+", "x(a|b)*", "(?:a|c)"] {
            assert!(extracting(pattern).is_ok(), "{pattern}");
        }
        for pattern in ["foo|foobar", "a|.", "(a|ab)c", "a*|b", "a+b*?", "(a|)b", "x|[xy]z"] {
            assert!(extracting(pattern).is_err(), "{pattern}");
        }
    }
}
