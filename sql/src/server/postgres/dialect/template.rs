//! Templates of `to_char`, `to_date` and `to_timestamp` for dates and times, such as
//! `YYYY-MM-DD HH24:MI`.

use datafusion::common::exec_err;
use datafusion::error::Result;

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text that is copied.
    Text(String),
    Field(Field),
}

/// A field and its modifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// In upper case, such as `HH24`.
    pub(super) name: &'static str,
    pub(super) case: Case,
    /// FM: no padding.
    pub(super) is_short: bool,
    /// TH or th.
    pub(super) ordinal: Option<Case>,
}

/// How the template's field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Capitalized,
    Lower,
}

/// The fields; of two with the same beginning the longer one comes first.
const FIELDS: [&str; 50] = [
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "D", "FF1", "FF2",
    "FF3", "FF4", "FF5", "FF6", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I",
    "J", "MI", "MM", "MONTH", "MON", "MS", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS",
    "TZH", "TZM", "TZ", "US", "WW", "W", "Y,YYY", "YYYY",
];
const MORE_FIELDS: [&str; 3] = ["YYY", "YY", "Y"];
/// Fields of names, which can also be written with a capital first letter.
const NAMES: [&str; 4] = ["DAY", "DY", "MONTH", "MON"];

/// Reads a template.
///
/// # Errors
/// For modifiers that are not supported.
pub(super) fn parse(template: &str) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = template;
    let mut is_short = false;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = quoted_text(quoted);
            parts.push(Part::Text(text));
            rest = after;
            continue;
        }
        if let Some(after) = strip(rest, "FM") {
            (is_short, rest) = (true, after);
            continue;
        }
        for modifier in ["FX", "TM"] {
            if strip(rest, modifier).is_some() {
                return exec_err!("the template modifier {modifier} is not supported");
            }
        }
        match field(rest) {
            Some((name, case)) => {
                rest = &rest[name.len()..];
                let ordinal = match rest {
                    _ if rest.starts_with("TH") => Some(Case::Upper),
                    _ if rest.starts_with("th") => Some(Case::Lower),
                    _ if strip(rest, "SP").is_some() => {
                        return exec_err!("the template modifier SP is not supported");
                    }
                    _ => None,
                };
                if ordinal.is_some() {
                    rest = &rest[2..];
                }
                parts.push(Part::Field(Field { name, case, is_short, ordinal }));
                is_short = false;
            }
            None => {
                let escaped = rest.strip_prefix('\\').filter(|after| after.starts_with('"'));
                let rest_from = escaped.unwrap_or(rest);
                let length = rest_from.chars().next().map_or(1, char::len_utf8);
                let (text, after) = rest_from.split_at(length);
                match parts.last_mut() {
                    Some(Part::Text(before)) => before.push_str(text),
                    _ => parts.push(Part::Text(text.to_owned())),
                }
                rest = after;
            }
        }
    }
    Ok(parts)
}

/// A text up to its closing quote, and what follows.
fn quoted_text(quoted: &str) -> (String, &str) {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (text, &quoted[at + 1..]),
            '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
            _ => text.push(letter),
        }
    }
    (text, "")
}

fn strip<'a>(text: &'a str, upper: &str) -> Option<&'a str> {
    text.strip_prefix(upper).or_else(|| text.strip_prefix(upper.to_lowercase().as_str()))
}

fn field(text: &str) -> Option<(&'static str, Case)> {
    FIELDS.into_iter().chain(MORE_FIELDS).find_map(|name| {
        let start = text.get(..name.len())?;
        let capitalized = || {
            let mut lower = name.to_lowercase();
            lower[..1].make_ascii_uppercase();
            lower
        };
        if start == name {
            Some((name, Case::Upper))
        } else if start == name.to_lowercase() {
            Some((name, Case::Lower))
        } else if NAMES.contains(&name) && start == capitalized() {
            Some((name, Case::Capitalized))
        } else {
            None
        }
    })
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(super) const ROMAN: [&str; 12] =
    ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

#[cfg(test)]
mod tests {
    use super::{Case, Part, parse};

    #[test]
    fn templates_are_split_into_fields_and_text() {
        let parts = |template| {
            let parts = parse(template).unwrap().into_iter();
            let shown = parts.map(|part| match part {
                Part::Text(text) => format!("'{text}'"),
                Part::Field(field) => format!(
                    "{}{}{}",
                    if field.is_short { "FM" } else { "" },
                    if field.case == Case::Lower {
                        field.name.to_lowercase()
                    } else {
                        field.name.to_owned()
                    },
                    if field.ordinal.is_some() { "TH" } else { "" },
                ),
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(parts("YYYY-MM-DD HH24:MI"), "YYYY '-' MM '-' DD ' ' HH24 ':' MI");
        assert_eq!(parts("FMDDth \"Q\"Q, yyyy"), "FMDDTH ' ' 'Q' Q ', ' yyyy");
        assert_eq!(parts("SSSSSS"), "SSSSS 'S'");
        assert_eq!(parts("abc xyz"), "'a' bc ' x' y 'z'");
        assert!(parse("TMMonth").is_err() && parse("FXDD").is_err());
    }
}
