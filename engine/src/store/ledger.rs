//! The ledger: one entry for every file of events or pings that was ingested.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use url::form_urlencoded::{self, Serializer};

use super::columns::Columns;
use crate::Result;
use crate::calendar::Day;
use crate::scan::{EventFile, Example, Reason, Rejected, Rejects, lines_of};
use crate::storage::Digest;

/// The settings of files of pings: nothing that a project says changes what is stored of them.
pub const PING_SETTINGS: &str = "1;format=service_ping";

/// An ingested file of events or pings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the source it belongs to.
    pub source: String,
    /// What the source said of its columns and times, as a code; another code is another reading.
    pub settings: String,
    /// Path, relative to the project if it is in it.
    pub name: String,
    /// The digest of its content.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970; a file with the same name, size and
    /// time is not read again to see that it is the same.
    pub modified: i64,
    /// Rows that were counted; uploads of pings that were not refused.
    pub events: u64,
    /// Oldest instant of all rows with a good time, in microseconds since 1970; of pings, of those
    /// that were not refused.
    pub first: Option<i64>,
    /// Newest instant of all rows with a good time.
    pub last: Option<i64>,
    /// Rows that were not counted.
    pub rejects: Vec<Reject>,
    /// Uploads of pings that were refused; the table `ping_uploads` has the reasons.
    pub refused: u64,
}

/// Rejected rows of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: Reason,
    /// The day of the rows, if their time is good.
    pub day: Option<Day>,
    /// How many.
    pub rows: u64,
    /// The first of them; ledgers of earlier versions do not have it.
    pub first: Option<FirstRow>,
}

/// The first of some rejected rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstRow {
    /// Its row number in the file, from 0, without the header.
    pub row: u64,
    /// The line of a text file, from 1, in which it begins.
    pub line: Option<u64>,
    /// The beginning of the value at fault; `None` if there is none.
    pub value: Option<String>,
}

impl Entry {
    /// Rejected rows, or refused uploads, in all.
    pub fn rejected(&self) -> u64 {
        self.refused + self.rejects.iter().map(|reject| reject.rows).sum::<u64>()
    }

    /// Whether it is of a file of pings.
    pub fn is_of_pings(&self) -> bool {
        self.settings == PING_SETTINGS
    }
}

/// What a scan by days rejected of one file, for its entry.
///
/// # Errors
/// When a text file cannot be read again for the lines in which the rows begin.
pub fn rejects(file: &EventFile, rejects: &Rejects) -> Result<Vec<Reject>> {
    let first = |row: &Example| {
        Some(FirstRow { row: row.row(), line: None, value: row.value().map(str::to_owned) })
    };
    let days = rejects.days().map(|(reason, day, Rejected { rows, first: row })| Reject {
        reason,
        day: Some(day),
        rows: *rows,
        first: first(row),
    });
    let mut list: Vec<Reject> = days.collect();
    let mut bare = Vec::new();
    for (_, reason, all) in rejects.iter() {
        let dated: u64 = list.iter().filter(|r| r.reason == reason).map(|r| r.rows).sum();
        if all.rows > dated {
            let (rows, first) = (all.rows - dated, first(&all.first));
            bare.push(Reject { reason, day: None, rows, first });
        }
    }
    bare.append(&mut list);
    let mut firsts: Vec<&mut FirstRow> =
        bare.iter_mut().filter_map(|reject| reject.first.as_mut()).collect();
    firsts.sort_by_key(|first| first.row);
    let rows: Vec<u64> = firsts.iter().map(|first| first.row).collect();
    for (first, line) in firsts.into_iter().zip(lines_of(file, &rows)?) {
        first.line = Some(line);
    }
    Ok(bare)
}

/// Columns of the ledger's table.
pub(super) fn schema() -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Schema::new(vec![
        Field::new("source", DataType::Utf8, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("hash", DataType::Utf8, true),
        Field::new("size", DataType::Int64, true),
        Field::new("modified_ns", DataType::Int64, true),
        Field::new("events", DataType::Int64, true),
        Field::new("rejected", DataType::Int64, true),
        Field::new("first", time(), true),
        Field::new("last", time(), true),
        Field::new("rejects", DataType::Utf8, true),
        Field::new("settings", DataType::Utf8, true),
    ])
}

/// Entries as a batch of [`schema`].
pub(super) fn write(entries: &[Entry]) -> Result<RecordBatch> {
    let texts = |of: &dyn Fn(&Entry) -> String| -> ArrayRef {
        Arc::new(entries.iter().map(|entry| Some(of(entry))).collect::<StringArray>())
    };
    let numbers = |of: &dyn Fn(&Entry) -> i64| -> ArrayRef {
        Arc::new(entries.iter().map(|entry| Some(of(entry))).collect::<Int64Array>())
    };
    let times = |of: &dyn Fn(&Entry) -> Option<i64>| -> ArrayRef {
        let times = entries.iter().map(of).collect::<TimestampMicrosecondArray>();
        Arc::new(times.with_timezone("UTC"))
    };
    let columns = vec![
        texts(&|entry| entry.source.clone()),
        texts(&|entry| entry.name.clone()),
        texts(&|entry| entry.digest.to_string()),
        numbers(&|entry| entry.size as i64),
        numbers(&|entry| entry.modified),
        numbers(&|entry| entry.events as i64),
        numbers(&|entry| entry.rejected() as i64),
        times(&|entry| entry.first),
        times(&|entry| entry.last),
        texts(&|entry| write_rejects(&entry.rejects)),
        texts(&|entry| entry.settings.clone()),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema()), columns)?)
}

/// Entries of a batch.
pub(super) fn read(batch: &RecordBatch) -> Result<Vec<Entry>> {
    let columns = Columns::new(batch, "the ledger");
    let broken = || columns.broken();
    let text = |name| columns.get::<StringArray>(name);
    let number = |name| columns.get::<Int64Array>(name);
    let time = |name| columns.get::<TimestampMicrosecondArray>(name);
    for name in schema().fields().iter().map(|field| field.name()) {
        let may_be_null = matches!(name.as_str(), "first" | "last" | "rejected");
        let has_nulls = batch.column_by_name(name).is_some_and(|column| column.null_count() > 0);
        if !may_be_null && has_nulls {
            return Err(broken());
        }
    }
    let (source, name, hash) = (text("source")?, text("name")?, text("hash")?);
    let (rejects, settings) = (text("rejects")?, text("settings")?);
    let (size, modified) = (number("size")?, number("modified_ns")?);
    let (events, rejected) = (number("events")?, number("rejected")?);
    let (first, last) = (time("first")?, time("last")?);
    (0..batch.num_rows())
        .map(|row| {
            let rejects = read_rejects(rejects.value(row)).ok_or_else(broken)?;
            let settings = settings.value(row).to_owned();
            // Rejected rows of events are those of `rejects`.
            let refused = if settings == PING_SETTINGS { rejected.value(row) } else { 0 };
            Ok(Entry {
                source: source.value(row).to_owned(),
                settings,
                name: name.value(row).to_owned(),
                digest: Digest::parse(hash.value(row)).ok_or_else(broken)?,
                size: u64::try_from(size.value(row)).map_err(|_| broken())?,
                modified: modified.value(row),
                events: u64::try_from(events.value(row)).map_err(|_| broken())?,
                first: first.is_valid(row).then(|| first.value(row)),
                last: last.is_valid(row).then(|| last.value(row)),
                rejects,
                refused: u64::try_from(refused).map_err(|_| broken())?,
            })
        })
        .collect()
}

/// What stands in the table for a reason; never to be changed.
fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::TimeMissing => "time_missing",
        Reason::TimeUnreadable => "time_unreadable",
        Reason::TimeBefore1970 => "time_before_1970",
        Reason::TimeAfterBound => "time_after_bound",
        Reason::UserMissing => "user_missing",
        Reason::ScopeMissing => "scope_missing",
        Reason::EventMissing => "event_missing",
    }
}

/// What stood there before there were codes, in the order of [`Reason::ALL`]; never to be changed.
const OLD_REASONS: [&str; 7] = [
    "no time",
    "unreadable time",
    "time before 1970",
    "time after no_events_after",
    "no user",
    "no scope for the user",
    "no event name",
];

fn reason(text: &str) -> Option<Reason> {
    let old = OLD_REASONS.into_iter().zip(Reason::ALL);
    let codes = Reason::ALL.into_iter().map(|reason| (code(reason), reason));
    codes.chain(old).find(|(known, _)| *known == text).map(|(_, reason)| reason)
}

/// `user_missing, 2026-01-05: 3 row=7; time_unreadable: 1 row=0&line=2&value=last+tuesday`
fn write_rejects(rejects: &[Reject]) -> String {
    let texts = rejects.iter().map(|Reject { reason, day, rows, first }| {
        let day = day.map(|day| format!(", {day}")).unwrap_or_default();
        let first = first.as_ref().map(|first| {
            let mut pairs = Serializer::for_suffix(String::from(" "), 1);
            pairs.append_pair("row", &first.row.to_string());
            pairs.extend_pairs(first.line.map(|line| ("line", line.to_string())));
            pairs.extend_pairs(first.value.iter().map(|value| ("value", value)));
            pairs.finish()
        });
        format!("{}{day}: {rows}{}", code(*reason), first.unwrap_or_default())
    });
    texts.collect::<Vec<_>>().join("; ")
}

fn read_rejects(text: &str) -> Option<Vec<Reject>> {
    let parts = text.split("; ").filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (what, rows) = part.split_once(": ")?;
            let (text, day) = match what.split_once(", ") {
                Some((text, day)) => (text, Some(day.parse().ok()?)),
                None => (what, None),
            };
            let (rows, first) = match rows.split_once(' ') {
                Some((rows, first)) => (rows, Some(read_first(first)?)),
                None => (rows, None),
            };
            Some(Reject { reason: reason(text)?, day, rows: rows.parse().ok()?, first })
        })
        .collect()
}

fn read_first(text: &str) -> Option<FirstRow> {
    let pair = |name: &str| {
        let mut pairs = form_urlencoded::parse(text.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    };
    let line = match pair("line") {
        Some(line) => Some(line.parse().ok()?),
        None => None,
    };
    Some(FirstRow { row: pair("row")?.parse().ok()?, line, value: pair("value") })
}

#[cfg(test)]
mod tests {
    use super::{Entry, FirstRow, PING_SETTINGS, Reject, read, read_rejects, write, write_rejects};
    use crate::calendar::Day;
    use crate::scan::Reason;
    use crate::storage::Digest;

    /// Stores for ever hold these texts, however people are told of the reasons.
    #[test]
    fn reasons_are_codes_and_old_texts_are_read() {
        let codes = "time_missing: 1; time_unreadable: 1; time_before_1970: 1; \
                     time_after_bound: 1; user_missing: 1; scope_missing: 1; event_missing: 1";
        let old = "no time: 1; unreadable time: 1; time before 1970: 1; \
                   time after no_events_after: 1; no user: 1; no scope for the user: 1; \
                   no event name: 1";
        let rejects = Reason::ALL.map(|reason| Reject { reason, day: None, rows: 1, first: None });
        assert_eq!(write_rejects(&rejects), codes);
        for text in [codes, old] {
            assert_eq!(read_rejects(text).as_deref(), Some(rejects.as_slice()));
        }
        for broken in [
            "no reason: 1",
            "user_missing: 1 row=x",
            "no time: 1 row=1&line=",
            "user_missing: 1 value=x",
        ] {
            assert_eq!(read_rejects(broken), None, "{broken}");
        }
    }

    #[test]
    fn entries_survive_a_round_trip_through_a_batch() {
        let reject = |reason, day: Option<i32>, value: Option<&str>| {
            let first =
                Some(FirstRow { row: 9, line: value.map(|_| 11), value: value.map(str::to_owned) });
            Reject { reason, day: day.map(Day::new), rows: 7, first }
        };
        let entry = Entry {
            source: "visits".to_owned(),
            settings: "time: at".to_owned(),
            name: "a; b, c: d.csv".to_owned(),
            digest: Digest::of_bytes(b"abc"),
            size: 12,
            modified: -1,
            events: 3,
            first: Some(5),
            last: None,
            rejects: vec![
                reject(Reason::TimeMissing, None, None),
                reject(Reason::TimeUnreadable, None, Some("; user_missing: 3 row=1&value=\n…+%20")),
                reject(Reason::UserMissing, Some(20_000), Some("")),
            ],
            refused: 0,
        };
        let none = Entry { rejects: Vec::new(), ..entry.clone() };
        let pings = Entry { settings: PING_SETTINGS.to_owned(), refused: 5, ..none.clone() };
        let entries = vec![entry, none, pings];
        assert_eq!(read(&write(&entries).unwrap()).unwrap(), entries);
    }
}
