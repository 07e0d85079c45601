//! Parses a question's parameters from text, for SQL and HTTP.
//!
//! The arguments of `active_users(...)` and the parameters of `/api/report` are the same, and those
//! of `headcount report` under their own names.

use std::str::FromStr;

use engine::active::{Question, TreeOf};
use engine::calendar::{first_day, last_day};
use engine::rollup::Counting;
use engine::users::{DEFAULT_PRECISION, PRECISIONS};
use engine::{Error, Result};

/// The parameters in their order, with their descriptions.
pub const PARAMETERS: [(&str, &str); 10] = [
    (
        "window",
        "Named window: day, week, month, quarter, year, last_28d_of_month, trailing_<n>d, iso_4w \
         or lagged_28d; the default is month.",
    ),
    (
        "level",
        "Levels, separated by commas or as an array: total, combined, section, stage, group, \
         action; the default is total and stage.",
    ),
    ("method", "union, indicator, max or sum; the default is union."),
    (
        "by",
        "Dimensions to split the counts by, separated by commas or as an array; each adds a \
         column.",
    ),
    (
        "approx",
        "true, or a precision from 4 to 18: count approximately with sketches; the default is \
         exact.",
    ),
    ("from", "First day, month, quarter, week or year: '2026-01-15', '2026-01', '2026-Q1'."),
    ("to", "Last day, month, quarter, week or year, inclusive."),
    ("as_of", "Ignores events after this day."),
    (
        "tree",
        "Tree of stages: the current one (today, the default), or the one that was valid in each \
         period (period).",
    ),
    (
        "top",
        "The number of values of each dimension of `by` to keep: those with the most users at \
         level total in the newest complete period; all other values are counted together as \
         `(other)`.",
    ),
];

/// Sets a parameter to a value, or to several if it takes a list.
///
/// # Errors
/// When the parameter is unknown or a value is invalid.
pub fn set(question: &mut Question, name: &str, words: &[String]) -> Result<()> {
    match name {
        "window" => question.window = one(words)?,
        "level" => question.levels = many(words).map(str::parse).collect::<Result<_>>()?,
        "method" => question.method = one(words)?,
        "by" => question.by = many(words).map(str::to_owned).collect(),
        "approx" => question.counting = counting(word(words)?)?,
        "from" => question.from = Some(first_day(word(words)?)?),
        "to" => question.to = Some(last_day(word(words)?)?),
        "as_of" => question.as_of = Some(last_day(word(words)?)?),
        "tree" => question.tree = tree(word(words)?)?,
        "top" => {
            let word = word(words)?;
            question.top = Some(word.parse().map_err(|_| {
                Error::input(format!("invalid number of values `{word}`"))
                    .with("help", "use a positive integer")
            })?);
        }
        _ => {
            let known: Vec<&str> = PARAMETERS.iter().map(|(name, _)| *name).collect();
            return Err(Error::input(format!("unknown parameter `{name}`"))
                .with("help", format!("the parameters are: {}", known.join(", "))));
        }
    }
    match (question.from, question.to) {
        (Some(from), Some(to)) if from > to => {
            Err(Error::input(format!("the range ends ({to}) before it starts ({from})")))
        }
        _ => Ok(()),
    }
}

/// The tree of that name.
///
/// # Errors
/// When there is none.
pub fn tree(word: &str) -> Result<TreeOf> {
    match word {
        "today" => Ok(TreeOf::Today),
        "period" => Ok(TreeOf::Period),
        _ => Err(Error::input("use `today` or `period`")),
    }
}

fn word(words: &[String]) -> Result<&str> {
    match words {
        [word] => Ok(word),
        _ => Err(Error::input("expected one value, not a list")),
    }
}

fn one<T: FromStr<Err = Error>>(words: &[String]) -> Result<T> {
    word(words)?.parse()
}

/// The values of a list, or of one text separated by commas.
fn many(words: &[String]) -> impl Iterator<Item = &str> {
    let words = words.iter().flat_map(|word| word.split(',')).map(str::trim);
    words.filter(|word| !word.is_empty())
}

fn counting(word: &str) -> Result<Counting> {
    match word {
        "true" => Ok(Counting::Approx(DEFAULT_PRECISION)),
        "false" => Ok(Counting::Exact),
        _ => {
            let precision = word.parse().ok().filter(|precision| PRECISIONS.contains(precision));
            precision.map(Counting::Approx).ok_or_else(|| {
                Error::input(format!("invalid precision `{word}`")).with(
                    "help",
                    format!("use true, or {} to {}", PRECISIONS.start(), PRECISIONS.end()),
                )
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::active::Question;

    use super::{PARAMETERS, set};

    #[test]
    fn every_parameter_can_be_set_and_no_other() {
        let mut question = Question::default();
        let values =
            ["day", "total,stage", "max", "plan", "12", "2026-01", "2026", "2026", "today", "3"];
        for ((name, _), value) in PARAMETERS.iter().zip(values) {
            set(&mut question, name, &[value.to_owned()]).unwrap();
        }
        assert_eq!(question.by, ["plan"]);
        let error = set(&mut question, "colour", &[]).unwrap_err().to_string();
        assert!(error.contains("`colour`") && error.contains("as_of, tree, top"), "{error}");
        let twice = ["day".to_owned(), "week".to_owned()];
        assert!(
            set(&mut question, "window", &twice).unwrap_err().to_string().contains("one value")
        );
    }
}
