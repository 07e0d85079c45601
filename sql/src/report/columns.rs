//! The columns of a report row: the one place that names, orders and types them.
//!
//! | column | type | null |
//! |---|---|---|
//! | window | Utf8 | never |
//! | period_start, period_end | Date32, both inclusive | never |
//! | complete | Boolean | never |
//! | level | Utf8 | never |
//! | section, stage, group, metric | Utf8 | where the level has none |
//! | one per `--by` dimension | Utf8 | the row of all values |
//! | method, basis, count | Utf8 | never |
//! | users, users_low, users_high | Int64 | never |
//! | previous_users | Int64 | without a period before |
//! | change_pct | Float64, per cent, not rounded | without users before |
//!
//! A dimension whose name is already taken by another column gets the prefix `by_`: `--by stage`
//! is the column `by_stage`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use engine::active::{Report, ReportRow};
use engine::calendar::Day;
use engine::{Error, Kind, Result};

/// A column: its name and type, whether it can be null, and its values.
type Column = (&'static str, DataType, bool, fn(&[ReportRow]) -> Result<ArrayRef>);

const BEFORE_DIMENSIONS: [Column; 9] = [
    ("window", DataType::Utf8, false, |rows| {
        let names = rows.iter().map(|row| Some(row.window.to_string()));
        Ok(Arc::new(names.collect::<StringArray>()))
    }),
    ("period_start", DataType::Date32, false, |rows| days(rows, |row| row.period.start)),
    ("period_end", DataType::Date32, false, |rows| days(rows, |row| row.period.end)),
    ("complete", DataType::Boolean, false, |rows| {
        Ok(Arc::new(rows.iter().map(|row| Some(row.complete)).collect::<BooleanArray>()))
    }),
    ("level", DataType::Utf8, false, |rows| text(rows, |row| Some(row.level.as_str()))),
    ("section", DataType::Utf8, true, |rows| text(rows, |row| row.section.as_deref())),
    ("stage", DataType::Utf8, true, |rows| text(rows, |row| row.stage.as_deref())),
    ("group", DataType::Utf8, true, |rows| text(rows, |row| row.group.as_deref())),
    ("metric", DataType::Utf8, true, |rows| text(rows, |row| row.metric.as_deref())),
];

const AFTER_DIMENSIONS: [Column; 8] = [
    ("method", DataType::Utf8, false, |rows| text(rows, |row| Some(row.method.as_str()))),
    ("basis", DataType::Utf8, false, |rows| text(rows, |row| Some(row.basis.as_str()))),
    ("count", DataType::Utf8, false, |rows| text(rows, |row| Some(row.count.as_str()))),
    ("users", DataType::Int64, false, |rows| users(rows, |row| Some(row.users))),
    ("users_low", DataType::Int64, false, |rows| users(rows, |row| Some(row.users_low))),
    ("users_high", DataType::Int64, false, |rows| users(rows, |row| Some(row.users_high))),
    ("previous_users", DataType::Int64, true, |rows| users(rows, |row| row.previous_users)),
    ("change_pct", DataType::Float64, true, |rows| {
        Ok(Arc::new(rows.iter().map(|row| row.change_pct).collect::<Float64Array>()))
    }),
];

/// The columns of a report with these dimensions.
pub fn schema(by: &[String]) -> SchemaRef {
    let fixed = |&(name, ref kind, nullable, _): &Column| Field::new(name, kind.clone(), nullable);
    let mut fields: Vec<Field> = BEFORE_DIMENSIONS.iter().map(fixed).collect();
    for dimension in by {
        let mut name = dimension.clone();
        while fields.iter().any(|field| *field.name() == name)
            || AFTER_DIMENSIONS.iter().any(|(taken, ..)| *taken == name)
        {
            name.insert_str(0, "by_");
        }
        fields.push(Field::new(name, DataType::Utf8, true));
    }
    fields.extend(AFTER_DIMENSIONS.iter().map(fixed));
    Arc::new(Schema::new(fields))
}

/// The rows of a report as columns, in the report's order.
///
/// # Errors
///
/// [`Kind::Limit`] when a number of users does not fit 63 bits; [`Kind::Internal`] when a row has
/// not one value for each dimension.
pub fn record_batch(report: &Report) -> Result<RecordBatch> {
    let rows = &report.rows;
    if rows.iter().any(|row| row.by.len() != report.by.len()) {
        return Err(Error::internal("a row does not have one value for each dimension"));
    }
    let fixed = |(.., values): &Column| values(rows);
    let before = BEFORE_DIMENSIONS.iter().map(fixed);
    let dimensions = (0..report.by.len()).map(|at| text(rows, |row| row.by[at].as_deref()));
    let after = AFTER_DIMENSIONS.iter().map(fixed);
    let columns = before.chain(dimensions).chain(after).collect::<Result<_>>()?;
    RecordBatch::try_new(schema(&report.by), columns).map_err(|cause| {
        Error::new(Kind::Internal, "the report's columns are inconsistent").caused_by(cause)
    })
}

fn text(rows: &[ReportRow], value: impl Fn(&ReportRow) -> Option<&str>) -> Result<ArrayRef> {
    Ok(Arc::new(rows.iter().map(value).collect::<StringArray>()))
}

fn days(rows: &[ReportRow], value: impl Fn(&ReportRow) -> Day) -> Result<ArrayRef> {
    Ok(Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| value(row).number()))))
}

fn users(rows: &[ReportRow], value: impl Fn(&ReportRow) -> Option<u64>) -> Result<ArrayRef> {
    let signed = |users: u64| {
        i64::try_from(users)
            .map_err(|_| Error::limit(format!("{users} users exceed a 64-bit signed column")))
    };
    let column: Int64Array =
        rows.iter().map(|row| value(row).map(signed).transpose()).collect::<Result<_>>()?;
    Ok(Arc::new(column))
}
