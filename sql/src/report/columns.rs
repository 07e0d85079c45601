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
use engine::{Error, Kind, Result};

const BEFORE_DIMENSIONS: [(&str, DataType, bool); 9] = [
    ("window", DataType::Utf8, false),
    ("period_start", DataType::Date32, false),
    ("period_end", DataType::Date32, false),
    ("complete", DataType::Boolean, false),
    ("level", DataType::Utf8, false),
    ("section", DataType::Utf8, true),
    ("stage", DataType::Utf8, true),
    ("group", DataType::Utf8, true),
    ("metric", DataType::Utf8, true),
];

const AFTER_DIMENSIONS: [(&str, DataType, bool); 8] = [
    ("method", DataType::Utf8, false),
    ("basis", DataType::Utf8, false),
    ("count", DataType::Utf8, false),
    ("users", DataType::Int64, false),
    ("users_low", DataType::Int64, false),
    ("users_high", DataType::Int64, false),
    ("previous_users", DataType::Int64, true),
    ("change_pct", DataType::Float64, true),
];

/// The columns of a report with these dimensions.
pub fn schema(by: &[String]) -> SchemaRef {
    let fixed = |&(name, ref kind, nullable): &(&str, DataType, bool)| {
        Field::new(name, kind.clone(), nullable)
    };
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
    let window: StringArray = rows.iter().map(|row| Some(row.window.to_string())).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(window),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.period.start.number()))),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.period.end.number()))),
        Arc::new(rows.iter().map(|row| Some(row.complete)).collect::<BooleanArray>()),
        text(rows, |row| Some(row.level.as_str())),
        text(rows, |row| row.section.as_deref()),
        text(rows, |row| row.stage.as_deref()),
        text(rows, |row| row.group.as_deref()),
        text(rows, |row| row.metric.as_deref()),
    ];
    for dimension in 0..report.by.len() {
        columns.push(text(rows, |row| row.by[dimension].as_deref()));
    }
    columns.extend([
        text(rows, |row| Some(row.method.as_str())),
        text(rows, |row| Some(row.basis.as_str())),
        text(rows, |row| Some(row.count.as_str())),
        users(rows, |row| Some(row.users))?,
        users(rows, |row| Some(row.users_low))?,
        users(rows, |row| Some(row.users_high))?,
        users(rows, |row| row.previous_users)?,
        Arc::new(rows.iter().map(|row| row.change_pct).collect::<Float64Array>()),
    ]);
    RecordBatch::try_new(schema(&report.by), columns).map_err(|cause| {
        Error::new(Kind::Internal, "the report's columns are inconsistent").caused_by(cause)
    })
}

fn text(rows: &[ReportRow], value: impl Fn(&ReportRow) -> Option<&str>) -> ArrayRef {
    Arc::new(rows.iter().map(value).collect::<StringArray>())
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
