//! The roll-up of one source as rows with the columns of its events, for queries whose result does
//! not depend on the events within a day.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::statistics::Statistics;

use super::merge_small_sets::merge_small_sets;
use crate::calendar::Day;
use crate::functions::{stored_users, stored_users_type};
use crate::scan::{DEPLOYMENT, Source, Value};
use crate::store::{DataReader, Store};
use crate::{Error, Result};

/// What a column of a source is in the roll-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredColumn {
    /// The day of the events: its first instant, in the type of the column.
    Day,
    /// The users: a column of users instead of keys.
    Users,
    /// The text column of this name.
    Text(String),
}

impl StoredColumn {
    /// What the roll-up has for a part of a source, in a column of this type; `None` if it cannot
    /// give back what the column holds.
    pub fn of(source: &Source, store: &Store, value: &Value, data_type: &DataType) -> Option<Self> {
        if *value == source.time {
            let is_day = *data_type == DataType::Date32 || is_utc_timestamp(data_type);
            return is_day.then_some(Self::Day);
        }
        if *value == source.user {
            return Some(Self::Users);
        }
        let dimension = source.dimensions.iter().find(|own| own.value == *value);
        let stored = if *value == source.event {
            Some("event")
        } else if let Some(dimension) = dimension {
            Some(dimension.name.as_str())
        } else {
            source.deployment.as_ref().filter(|own| *own == value).map(|_| DEPLOYMENT)
        };
        let name = stored.filter(|name| {
            *name == "event" || store.dimensions().iter().any(|kept_name| kept_name == name)
        })?;
        round_trips(data_type).then(|| Self::Text(name.to_owned()))
    }
}

/// Whether timestamps of this type show the clocks of UTC.
fn is_utc_timestamp(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::Timestamp(_, Some(zone)) => ["UTC", "+00:00"].contains(&&**zone),
        _ => false,
    }
}

/// Whether the text of every value of this type is that value again.
fn round_trips(data_type: &DataType) -> bool {
    match data_type {
        // With smaller keys it could hold fewer texts than the store has.
        DataType::Dictionary(keys, values) => {
            values.is_string() && keys.primitive_width().is_some_and(|bytes| bytes >= 4)
        }
        other => other.is_string() || other.is_integer() || *other == DataType::Boolean,
    }
}

/// Whether a text column of some Parquet files may hold the empty text: the store keeps no
/// difference between that and no text.
///
/// # Errors
/// When a file cannot be read.
pub fn may_be_empty(files: &[impl AsRef<Path>], column: &str) -> Result<bool> {
    for path in files.iter().map(AsRef::as_ref) {
        let file = File::open(path).map_err(|cause| Error::io(path, cause))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        let metadata = metadata.map_err(|cause| {
            Error::input(format!("invalid file: {cause}")).with("file", path.display())
        })?;
        for group in metadata.metadata().row_groups() {
            let chunk = group.columns().iter().find(|c| c.column_path().parts() == [column]);
            let has_text = |statistics: &Statistics| match statistics {
                Statistics::ByteArray(texts) => match texts.min_opt() {
                    Some(least) => !least.data().is_empty(),
                    None => texts.null_count_opt() == u64::try_from(group.num_rows()).ok(),
                },
                _ => false,
            };
            if !chunk.and_then(|chunk| chunk.statistics()).is_some_and(has_text) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Rows of the roll-up of one source, row group by row group.
#[derive(Debug)]
pub struct StoredRows {
    source: String,
    readers: Vec<DataReader>,
    days: RangeInclusive<i32>,
    columns_wanted: Vec<StoredColumn>,
    schema: SchemaRef,
}

/// A row group: the indexes of its data file, and of the row group there.
pub type RowGroupRef = (usize, usize);

impl StoredRows {
    /// The rows of some days, with these columns. The types are those of the source's columns,
    /// and [users](stored_users_type) instead of user keys.
    ///
    /// # Errors
    /// When a data file is missing or broken.
    pub fn open(
        store: &Store,
        source: &str,
        days: RangeInclusive<Day>,
        columns_wanted: Vec<StoredColumn>,
        schema: SchemaRef,
    ) -> Result<Self> {
        let days = days.start().number()..=days.end().number();
        Ok(Self {
            source: source.to_owned(),
            readers: store.readers()?,
            days,
            columns_wanted,
            schema,
        })
    }

    /// The row groups that may hold such rows, in the order of their shards: these hold different
    /// people.
    pub fn row_groups(&self) -> Vec<RowGroupRef> {
        let all = self.readers.iter().enumerate();
        let all = all.flat_map(|(file, reader)| (0..reader.groups()).map(move |at| (file, at)));
        let mut row_groups: Vec<RowGroupRef> =
            all.filter(|row_group| self.overlaps(*row_group)).collect();
        row_groups.sort_by_key(|(file, at)| self.readers[*file].bounds(*at, "shard"));
        row_groups
    }

    fn overlaps(&self, (file, at): RowGroupRef) -> bool {
        let (first, last) = self.readers[file].bounds(at, "day");
        first <= *self.days.end() && last >= *self.days.start()
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The days.
    pub fn days(&self) -> RangeInclusive<Day> {
        Day::new(*self.days.start())..=Day::new(*self.days.end())
    }

    /// The rows of a row group, small ones that have the same values united.
    ///
    /// # Errors
    /// When its file is broken.
    pub fn read(&self, (file, at): RowGroupRef) -> Result<RecordBatch> {
        let reader = &self.readers[file];
        let mut wanted = BTreeSet::from(["day", "source", "shard", "users"]);
        wanted.extend(self.columns_wanted.iter().filter_map(|column_wanted| match column_wanted {
            StoredColumn::Text(name) => Some(name.as_str()),
            StoredColumn::Day | StoredColumn::Users => None,
        }));
        let batch = reader.read(at, &Vec::from_iter(wanted))?;
        let broken = || reader.broken("a row lacks a value");
        let column = |name: &str| batch.column_by_name(name).ok_or_else(broken);
        let days = column("day")?.as_primitive_opt::<Date32Type>().ok_or_else(broken)?;
        let sources = column("source")?.as_dictionary_opt::<Int32Type>().ok_or_else(broken)?;
        if days.null_count() + sources.null_count() > 0 {
            return Err(broken());
        }
        let names = sources.values().as_string_opt::<i32>().ok_or_else(broken)?;
        let source_codes: Vec<bool> =
            names.iter().map(|name| name == Some(self.source.as_str())).collect();
        let is_selected = |row: &u32| {
            let (source, day) = (sources.keys().value(*row as usize), days.value(*row as usize));
            source_codes[source as usize] && self.days.contains(&day)
        };
        let rows: Vec<u32> = (0..batch.num_rows() as u32).filter(is_selected).collect();
        let users = column("users")?.as_binary_view_opt().ok_or_else(broken)?;
        let shards = column("shard")?.as_primitive_opt::<Int32Type>().ok_or_else(broken)?;
        if users.null_count() + shards.null_count() > 0 {
            return Err(broken());
        }
        // The columns of the query, and the shard: shards hold disjoint users.
        let mut keys = vec![shards.values().to_vec()];
        for column_wanted in &self.columns_wanted {
            match column_wanted {
                StoredColumn::Users => {}
                StoredColumn::Day => keys.push(days.values().to_vec()),
                StoredColumn::Text(name) => {
                    let texts = column(name)?.as_dictionary_opt::<Int32Type>();
                    let codes = texts.ok_or_else(broken)?.keys().iter();
                    keys.push(codes.map(|code| code.unwrap_or(-1)).collect());
                }
            }
        }
        let (positions, sets) = merge_small_sets(&rows, &keys, users)?;
        let columns =
            self.columns_wanted.iter().zip(self.schema.fields()).map(|(column_wanted, field)| {
                let taken =
                    |name: &str| -> Result<ArrayRef> { Ok(take(column(name)?, &positions, None)?) };
                match column_wanted {
                    StoredColumn::Day => first_instants(&taken("day")?, field.data_type()),
                    StoredColumn::Text(name) => Ok(cast(&taken(name)?, field.data_type())?),
                    StoredColumn::Users => stored_users(taken("shard")?.as_primitive(), &sets),
                }
            });
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_>>()?)?)
    }
}

/// Days in the type of a time column.
fn first_instants(days: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    match data_type {
        DataType::Timestamp(row_group, zone) => {
            let instants = cast(days, &DataType::Timestamp(*row_group, None))?;
            // The clocks show UTC, with a zone or without.
            Ok(if zone.is_some() { cast(&instants, data_type)? } else { instants })
        }
        _ => Ok(Arc::clone(days)),
    }
}

/// The columns that [`StoredRows`] have: those of the source, with users instead of keys.
pub fn row_schema(columns: &[(StoredColumn, arrow::datatypes::FieldRef)]) -> SchemaRef {
    let fields = columns.iter().map(|(column_wanted, field)| match column_wanted {
        StoredColumn::Users => Arc::new(field.as_ref().clone().with_data_type(stored_users_type())),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
