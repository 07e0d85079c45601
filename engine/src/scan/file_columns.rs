//! The values of a source's events, made of the columns of one file.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute::{cast, filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::expression::{Expression, Path};
use super::files::EventFile;
use super::user_keys::present_users;
use super::{Source, Value};
use crate::calendar::TimeFormat;
use crate::{Error, Result};

/// Times of a file by which their format is recognised.
const TIME_SAMPLE: usize = 1_000;

/// How the values of a source's events are made of the columns of a file.
#[derive(Clone, Debug)]
pub(super) struct FileColumns {
    filter: Option<Expression>,
    /// The user, if rows without one are left out.
    required: Option<Value>,
    values: Vec<(Value, Expression)>,
    /// How times are written in this file.
    pub(super) time_format: TimeFormat,
}

impl FileColumns {
    /// Those of some parts of a source, from the columns of a file.
    ///
    /// # Errors
    /// When a column is missing, or an expression is invalid.
    pub(super) fn new(
        source: &Source,
        values: &[&Value],
        file: &EventFile,
        schema: &Schema,
    ) -> Result<Self> {
        let located = |error: Error, key, text: &str| {
            error.with("file", file.path.display()).with(key, text).with("source", &source.name)
        };
        let filter = source.filter.as_ref().map(|text| {
            Expression::condition(text, schema).map_err(|error| located(error, "where", text))
        });
        let values = values.iter().filter(|value| value.is_read()).map(|value| {
            let key = if matches!(value, Value::Sql(_)) { "sql" } else { "column" };
            let expression = Expression::of(value, schema);
            let expression = expression.map_err(|error| located(error, key, value.text()))?;
            Ok(((*value).clone(), expression))
        });
        let (filter, values) = (filter.transpose()?, values.collect::<Result<_>>()?);
        let required = source.ignores_without_user.then(|| source.user.clone());
        Ok(Self { filter, required, values, time_format: source.time_format.clone() })
    }

    fn expression(&self, value: &Value) -> Result<&Expression> {
        let found = self.values.iter().find(|(own, _)| own == value);
        let missing = || Error::internal(format!("a scan that does not read {value}"));
        Ok(&found.ok_or_else(missing)?.1)
    }

    /// The type of a value.
    ///
    /// # Errors
    /// When it is not read.
    pub(super) fn data_type(&self, value: &Value) -> Result<&DataType> {
        Ok(self.expression(value)?.data_type())
    }

    /// Whether some rows may be left out.
    pub(super) fn is_filtered(&self) -> bool {
        self.filter.is_some() || self.required.is_some()
    }

    /// The column that is a value as it stands, if there is one.
    pub(super) fn column(&self, value: &Value) -> Option<&str> {
        self.expression(value).ok()?.as_column()
    }

    /// What has to be read for all values, or all but one.
    pub(super) fn paths(&self, except: Option<&Value>) -> Vec<&Path> {
        let values = self.values.iter().filter(|(value, _)| Some(value) != except);
        let expressions = self.filter.iter().chain(values.map(|(_, expression)| expression));
        expressions.flat_map(Expression::paths).collect()
    }

    /// The columns among those of the file that have to be read, with nothing of columns of objects
    /// but what is needed.
    pub(super) fn read_schema(&self, schema: &Schema) -> SchemaRef {
        let paths: Vec<&[String]> = self.paths(None).into_iter().map(Vec::as_slice).collect();
        Arc::new(Schema::new(pruned(schema.fields(), &paths)))
    }

    /// How times are written, from the first of the file.
    ///
    /// # Errors
    /// When the file is broken, or they can be read in two ways or in none.
    pub(super) fn recognise_times(
        &self,
        source: &Source,
        batches: impl Iterator<Item = Result<RecordBatch>>,
    ) -> Result<TimeFormat> {
        let mut sample: Vec<String> = Vec::new();
        for batch in batches {
            let times = self.rows(&batch?, 0)?.values(&source.time)?;
            let is_number = times.data_type().is_integer() || times.data_type().is_floating();
            let texts = match times.data_type() {
                DataType::Dictionary(..) => cast(&times, &DataType::Utf8)?,
                other if other.is_string() || is_number => cast(&times, &DataType::Utf8)?,
                _ => return Ok(TimeFormat::Standard),
            };
            let texts = texts.as_string::<i32>().iter().flatten();
            let texts = texts.filter(|text| !text.trim().is_empty());
            sample.extend(texts.take(TIME_SAMPLE - sample.len()).map(str::to_owned));
            if sample.len() == TIME_SAMPLE {
                break;
            }
        }
        TimeFormat::recognise(sample.iter().map(String::as_str))
    }

    /// The rows of a batch that fulfil the condition; the file has so many rows `before` it.
    ///
    /// # Errors
    /// When the condition cannot be computed.
    pub(super) fn rows<'a>(&'a self, batch: &RecordBatch, before: u64) -> Result<Rows<'a>> {
        let mut rows = Rows { columns: self, batch: batch.clone(), before, kept: None };
        if let Some(filter) = &self.filter {
            rows.keep(filter.evaluate(batch)?.as_boolean())?;
        }
        if let Some(user) = &self.required {
            let (_, present) = present_users(&rows.values(user)?)?;
            if let Some(present) = present {
                rows.keep(&BooleanArray::new(present.into_inner(), None))?;
            }
        }
        Ok(rows)
    }
}

/// Rows of a batch.
pub(super) struct Rows<'a> {
    columns: &'a FileColumns,
    batch: RecordBatch,
    before: u64,
    /// The rows of the batch that these are; all of them if `None`.
    kept: Option<UInt32Array>,
}

impl Rows<'_> {
    /// Leaves out those for which a condition does not hold.
    fn keep(&mut self, condition: &BooleanArray) -> Result<()> {
        let condition = match condition.null_count() {
            0 => condition.clone(),
            _ => prep_null_mask_filter(condition),
        };
        if condition.true_count() == self.len() {
            return Ok(());
        }
        self.batch = filter_record_batch(&self.batch, &condition)?;
        let places = condition.values().set_indices_u32();
        let places = places.map(|at| self.kept.as_ref().map_or(at, |kept| kept.value(at as usize)));
        self.kept = Some(UInt32Array::from_iter_values(places));
        Ok(())
    }

    /// How times are written in them.
    pub(super) fn time_format(&self) -> &TimeFormat {
        &self.columns.time_format
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// The place of a row in the file, from 0.
    pub(super) fn number(&self, row: usize) -> u64 {
        let row = self.kept.as_ref().map_or(row as u64, |kept| u64::from(kept.value(row)));
        self.before + row
    }

    /// The values of a part of the source.
    ///
    /// # Errors
    /// When they cannot be computed.
    pub(super) fn values(&self, value: &Value) -> Result<ArrayRef> {
        self.columns.expression(value)?.evaluate(&self.batch)
    }
}

/// The fields that some paths lead to.
fn pruned(fields: &arrow::datatypes::Fields, paths: &[&[String]]) -> Vec<Field> {
    let mut found = Vec::new();
    for field in fields {
        let below = paths.iter().filter(|path| path.first() == Some(field.name()));
        let below: Vec<&[String]> = below.map(|path| &path[1..]).collect();
        match field.data_type() {
            _ if below.is_empty() => {}
            DataType::Struct(inner) if below.iter().all(|path| !path.is_empty()) => {
                let inner = DataType::Struct(pruned(inner, &below).into());
                found.push(field.as_ref().clone().with_data_type(inner));
            }
            _ => found.push(field.as_ref().clone()),
        }
    }
    found
}
