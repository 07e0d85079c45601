//! The columns of the table of entries, as they are in CSV and JSON.
//!
//! Lists are texts separated by `, `; a value that is not known or does not apply is null.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use engine::Result;
use engine::calendar::Day;

use super::entry::Entry;

/// A column: its name, and its values.
type Column = (&'static str, fn(&[Entry]) -> ArrayRef);

const COLUMNS: [Column; 24] = [
    ("kind", |all| text(all, |of| Some(of.kind.to_string()))),
    ("name", |all| text(all, |of| Some(of.key.clone()))),
    ("title", |all| text(all, |of| of.title.clone().or(of.category.clone()))),
    ("description", |all| text(all, |of| filled(&of.description))),
    ("definition", |all| text(all, |of| filled(&of.definition))),
    ("time_frame", |all| text(all, |of| filled(&of.time_frames.join(", ")))),
    ("section", |all| text(all, |of| owner(of, 0))),
    ("stage", |all| text(all, |of| owner(of, 1))),
    ("group", |all| text(all, |of| owner(of, 2))),
    ("tiers", |all| text(all, |of| filled(&of.tiers.join(", ")))),
    ("data_category", |all| text(all, |of| of.data_category.clone())),
    ("value_type", |all| text(all, |of| of.value_type.clone())),
    ("data_source", |all| text(all, |of| of.data_source.clone())),
    ("status", |all| text(all, |of| filled(&of.status))),
    ("indicators", |all| text(all, |of| filled(&of.indicators.join(", ")))),
    ("data", |all| text(all, |of| of.place.map(|place| place.to_string()))),
    ("milestone", |all| text(all, |of| of.milestone.clone())),
    ("first_day", |all| days(all, |of| of.first_day)),
    ("latest", |all| {
        let latest = all.iter().map(|of| i64::try_from(of.latest()?.0.value).ok());
        Arc::new(latest.collect::<Int64Array>())
    }),
    ("latest_month", |all| days(all, |of| Some(of.latest()?.0.start))),
    ("latest_from", |all| text(all, |of| Some(of.latest()?.1.to_string()))),
    ("trend", |all| text(all, |of| filled(&trend(of)))),
    ("personal_data", |all| text(all, |of| filled(&of.personal_text()))),
    ("sql", |all| text(all, |of| of.main()?.sql.clone())),
];

/// The table.
///
/// # Errors
/// None that the columns above could cause.
pub(super) fn record_batch(entries: &[Entry]) -> Result<RecordBatch> {
    let columns = COLUMNS.iter().map(|(name, values)| (*name, values(entries), true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// The numbers of the last months, oldest first.
pub(super) fn trend(entry: &Entry) -> String {
    let values: Vec<String> = entry.trend().iter().map(|month| month.value.to_string()).collect();
    values.join(" ")
}

fn owner(entry: &Entry, rank: usize) -> Option<String> {
    entry.owners[rank].as_ref().map(|owner| owner.key.clone())
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn text(entries: &[Entry], value: impl Fn(&Entry) -> Option<String>) -> ArrayRef {
    Arc::new(entries.iter().map(value).collect::<StringArray>())
}

fn days(entries: &[Entry], value: impl Fn(&Entry) -> Option<Day>) -> ArrayRef {
    Arc::new(entries.iter().map(|of| value(of).map(Day::number)).collect::<Date32Array>())
}
