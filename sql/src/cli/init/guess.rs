//! Guesses what the columns of a file mean, from their names and first values.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use engine::calendar::TimeFormat;
use engine::scan::{Sample, says_time};

/// Names of times, the most likely first; compared without `_` and in lower case, like all below.
const TIMES: [&str; 12] = [
    "timestamp",
    "originaltimestamp",
    "eventtime",
    "derivedtstamp",
    "occurredat",
    "eventtimestamp",
    "time",
    "created",
    "createdat",
    "ts",
    "datetime",
    "date",
];
const USERS: [&str; 9] = [
    "userid",
    "personid",
    "distinctid",
    "user",
    "uid",
    "customer",
    "customerid",
    "accountid",
    "email",
];
/// Names of devices or visitors, for rows without a user.
const VISITORS: [&str; 5] = ["anonymousid", "deviceid", "domainuserid", "visitorid", "clientid"];
const EVENTS: [&str; 7] =
    ["event", "eventname", "eventtype", "eventaction", "action", "type", "name"];
/// Most values of a column that reports are split by.
const MOST_VALUES: usize = 20;
/// Most values of a column of event names.
const MOST_EVENTS: usize = 500;
const MOST_DIMENSIONS: usize = 6;

/// What the columns of a file seem to be.
pub(super) struct Guess {
    /// Column of the time, and how it is written, with the other columns of times.
    pub(super) time: Option<(String, TimeFormat)>,
    pub(super) other_times: Vec<String>,
    pub(super) user: Option<String>,
    /// Who it was in rows without a user.
    pub(super) visitor: Option<String>,
    pub(super) event: Option<String>,
    pub(super) dimensions: Vec<String>,
}

impl Guess {
    pub(super) fn of(columns: &[Sample]) -> Self {
        let used = |column: &&Sample| texts(column).next().is_some();
        let mut times: Vec<(usize, &Sample, TimeFormat)> = columns
            .iter()
            .filter(used)
            .filter_map(|column| Some((column, time_format(column)?)))
            .map(|(column, format)| (rank(column, &TIMES), column, format))
            .collect();
        times.sort_by_key(|(rank, column, _)| (*rank, depth(column)));
        let best = |names: &[&str], fits: &dyn Fn(&Sample) -> bool| {
            let known = columns.iter().filter(|column| rank(column, names) < names.len());
            let known = known.filter(|column| used(column) && fits(column));
            known.min_by_key(|column| (depth(column).min(2), rank(column, names), depth(column)))
        };
        let mut user = best(&USERS, &|_| true);
        let mut visitor = best(&VISITORS, &|_| true);
        if user.is_none() {
            user = visitor.take();
        }
        // A device is of use only where users are missing.
        let is_missing = |user: &Sample| texts(user).count() < user.values.len();
        visitor = visitor.filter(|_| user.is_some_and(is_missing));
        let event = best(&EVENTS, &|column| {
            distinct(column, MOST_EVENTS).is_some() && column.data_type.is_string()
        });
        let mut taken: Vec<&str> =
            times.iter().map(|(_, column, _)| column.path.as_str()).collect();
        taken.extend(
            [user, visitor, event].into_iter().flatten().map(|column| column.path.as_str()),
        );
        let is_dimension = |column: &&Sample| {
            !taken.contains(&column.path.as_str())
                && !is_id(&column.path)
                && distinct(column, MOST_VALUES).is_some_and(|count| count > 1)
        };
        let dimensions = columns.iter().filter(is_dimension).take(MOST_DIMENSIONS);
        let path = |column: &Sample| column.path.clone();
        Self {
            time: times.first().map(|(_, column, format)| (path(column), format.clone())),
            other_times: times.iter().skip(1).map(|(_, column, _)| path(column)).collect(),
            user: user.map(path),
            visitor: visitor.map(path),
            event: event.map(path),
            dimensions: dimensions.map(path).collect(),
        }
    }
}

/// The values that are not empty.
fn texts(column: &Sample) -> impl Iterator<Item = &str> {
    column.values.iter().flatten().map(String::as_str).filter(|text| !text.trim().is_empty())
}

/// How many different values there are; `None` if more than `most`.
fn distinct(column: &Sample, most: usize) -> Option<usize> {
    let mut found = BTreeSet::new();
    for text in texts(column) {
        found.insert(text);
        if found.len() > most {
            return None;
        }
    }
    Some(found.len())
}

/// How a column holds times, if it seems to.
fn time_format(column: &Sample) -> Option<TimeFormat> {
    match column.data_type {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Some(TimeFormat::Standard),
        _ if says_time(last(&column.path)) || rank(column, &TIMES) < TIMES.len() => {
            // Texts that can be read in two ways are times all the same; the user has to decide.
            let format = TimeFormat::recognise(texts(column)).ok();
            format.filter(|format| texts(column).any(|text| format.parse(text, &zone()).is_some()))
        }
        _ => None,
    }
}

fn zone() -> engine::calendar::Zone {
    engine::calendar::Zone::utc()
}

/// The place of a column's name in a list; its length if it is not there.
fn rank(column: &Sample, names: &[&str]) -> usize {
    let name: String = last(&column.path).to_lowercase().replace(['_', '-', '$', ' '], "");
    names.iter().position(|known| *known == name).unwrap_or(names.len())
}

/// How many objects a value is in.
fn depth(column: &Sample) -> usize {
    column.path.matches('.').count()
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Whether a name says that the values identify something.
fn is_id(path: &str) -> bool {
    let name = last(path).to_lowercase();
    name == "id" || name.ends_with("id") || name.ends_with("key") || name.contains("uuid")
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use engine::scan::Sample;

    use super::Guess;

    fn columns(columns: &[(&str, &[&str])]) -> Vec<Sample> {
        let value = |text: &&str| (!text.is_empty()).then(|| (*text).to_owned());
        let sample = |(path, values): &(&str, &[&str])| Sample {
            path: (*path).to_owned(),
            data_type: DataType::Utf8,
            values: values.iter().map(value).collect(),
        };
        columns.iter().map(sample).collect()
    }

    #[test]
    fn columns_of_a_tracker() {
        let guess = Guess::of(&columns(&[
            ("messageId", &["m1", "m2", "m3"]),
            ("sent_at", &["2026-03-15T10:00:00Z", "2026-03-15T10:00:00Z", "2026-03-16T10:00:00Z"]),
            (
                "timestamp",
                &["2026-03-15T09:00:00Z", "2026-03-15T10:00:00Z", "2026-03-16T10:00:00Z"],
            ),
            ("userId", &["7", "", "9"]),
            ("anonymousId", &["a", "b", "c"]),
            ("event", &["Opened", "Opened", "Closed"]),
            ("context.plan", &["free", "paid", "free"]),
            ("context.library", &["js", "js", "js"]),
        ]));
        assert_eq!(guess.time.unwrap().0, "timestamp");
        assert_eq!(guess.other_times, ["sent_at"]);
        assert_eq!(guess.user.as_deref(), Some("userId"));
        assert_eq!(guess.visitor.as_deref(), Some("anonymousId"));
        assert_eq!(guess.event.as_deref(), Some("event"));
        assert_eq!(guess.dimensions, ["context.plan"]);
    }

    #[test]
    fn columns_without_names_are_not_guessed() {
        let guess = Guess::of(&columns(&[("a", &["1"]), ("b", &["x"])]));
        assert!(guess.time.is_none() && guess.user.is_none() && guess.event.is_none());
        assert!(guess.dimensions.is_empty());
    }
}
