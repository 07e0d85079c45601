//! Reads the files of subscriptions and releases: CSV, NDJSON or Parquet.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::identity::major_minor;
use crate::calendar::{Day, first_day};
use crate::scan::{EventFile, Format, read_text, text_schema};
use crate::{Error, Result};

/// A row of the file of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubscriptionRow {
    /// `subscription_id`
    pub(super) id: String,
    /// The first day of its month.
    pub(super) month: Day,
    /// Whether its status is Active or Cancelled.
    pub(super) is_counted: bool,
    /// Its seats; 0 if the file has none.
    pub(super) seats: i64,
    /// The installation that it is used on.
    pub(super) uuid: Option<String>,
    /// The host name of that installation.
    pub(super) hostname: Option<String>,
    /// The version that it is used on.
    pub(super) version: Option<String>,
}

/// Reads subscriptions.
///
/// # Errors
/// When a file cannot be read, lacks a column, or has a value that cannot be used.
pub(super) fn subscriptions(files: &[EventFile]) -> Result<Vec<SubscriptionRow>> {
    let columns = ["subscription_id", "month", "status", "seats", "uuid", "hostname", "version"];
    let mut rows = Vec::new();
    read(files, &columns, 3, |row| {
        let [id, month, status, seats, uuid, hostname, version] = row else { return Ok(()) };
        rows.push(SubscriptionRow {
            id: required(id, columns[0])?.to_owned(),
            month: month_of(required(month, columns[1])?)?,
            is_counted: {
                let status = required(status, columns[2])?;
                ["Active", "Cancelled"].iter().any(|word| status.eq_ignore_ascii_case(word))
            },
            seats: seats.as_deref().map_or(Ok(0), number)?,
            uuid: uuid.clone(),
            hostname: hostname.clone(),
            version: version.clone(),
        });
        Ok(())
    })?;
    Ok(rows)
}

/// Reads releases: their versions as major * 100 + minor, from `13.10` or `1310`.
///
/// # Errors
/// As [`subscriptions`].
pub(super) fn releases(files: &[EventFile]) -> Result<BTreeSet<i64>> {
    let mut releases = BTreeSet::new();
    read(files, &["major_minor"], 1, |row| {
        let text = required(&row[0], "major_minor")?;
        let version = if text.contains('.') { major_minor(text) } else { text.parse().ok() };
        let unreadable = || Error::input(format!("`{text}` is not a version"));
        releases.insert(version.ok_or_else(unreadable)?);
        Ok(())
    })?;
    Ok(releases)
}

/// Passes the rows of files to `take`, with the values of the columns as texts; empty ones are
/// `None`. The first `required` columns must be there.
fn read(
    files: &[EventFile],
    columns: &[&str],
    required: usize,
    mut take: impl FnMut(&[Option<String>]) -> Result<()>,
) -> Result<()> {
    for file in files {
        let mut number = 0_u64;
        let fields = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true));
        let wanted = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut batch = |batch: &RecordBatch| -> Result<()> {
            let values =
                columns.iter().enumerate().map(|(at, name)| match batch.column_by_name(name) {
                    Some(column) => Ok(Some(cast(column, &DataType::Utf8)?)),
                    None if at >= required => Ok(None),
                    None => Err(Error::input(format!("the column `{name}` is missing"))),
                });
            let values = values.collect::<Result<Vec<_>>>()?;
            for row in 0..batch.num_rows() {
                number += 1;
                let text = |column: &Option<_>| {
                    let column: &arrow::array::StringArray = Option::as_ref(column)?;
                    let text = column.is_valid(row).then(|| column.value(row).trim())?;
                    (!text.is_empty()).then(|| text.to_owned())
                };
                let values = values.iter().map(|column| {
                    text(&column.as_ref().map(|column| column.as_string::<i32>().clone()))
                });
                take(&values.collect::<Vec<_>>()).map_err(|error| error.with("row", number))?;
            }
            Ok(())
        };
        let done = match file.format {
            Format::Parquet => parquet_batches(file)?.iter().try_for_each(&mut batch),
            _ => {
                let has = |schema: &Schema, name: &str| schema.field_with_name(name).is_ok();
                let known = text_schema(file, &|schema| columns.iter().all(|c| has(schema, c)))?;
                match columns[..required].iter().find(|column| !has(&known, column)) {
                    Some(name) => Err(Error::input(format!("the column `{name}` is missing"))),
                    None => read_text(file, &wanted)?.try_for_each(|read| batch(&read?)),
                }
            }
        };
        done.map_err(|error| error.with("file", file.path.display()))?;
    }
    Ok(())
}

/// All batches of a Parquet file.
fn parquet_batches(file: &EventFile) -> Result<Vec<RecordBatch>> {
    let broken = |cause: String| {
        Error::input(format!("invalid file: {cause}")).with("file", file.path.display())
    };
    let whole = 0..file.size;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.fetch(&[whole])?)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|cause| broken(cause.to_string()))?;
    reader.map(|batch| batch.map_err(|cause| broken(cause.to_string()))).collect()
}

fn required<'a>(value: &'a Option<String>, column: &str) -> Result<&'a str> {
    value.as_deref().ok_or_else(|| Error::input(format!("`{column}` is empty")))
}

/// `2026-03`, or a date or timestamp in the month.
fn month_of(text: &str) -> Result<Day> {
    let month = text.get(..7).unwrap_or(text);
    let is_month = month.len() == 7 && matches!(text.as_bytes().get(7), None | Some(b'-'));
    let help = "write months as 2026-03 or 2026-03-01";
    let invalid = || Error::input(format!("`{text}` is not a month")).with("help", help);
    if is_month { first_day(month).map_err(|_| invalid()) } else { Err(invalid()) }
}

/// A number of seats; Parquet and spreadsheets may have it as `12.0`.
fn number(text: &str) -> Result<i64> {
    let number = text.strip_suffix(".0").unwrap_or(text).parse().ok().filter(|n| *n >= 0);
    number.ok_or_else(|| Error::input(format!("`{text}` is not a number of seats")))
}
