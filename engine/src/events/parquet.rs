//! Parquet files: columns, row groups, and their statistics.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit as ArrowUnit};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::Source;
use super::files::EventFile;
use crate::calendar::{TimeUnit, Zone};
use crate::storage::{column_ranges, footer};
use crate::{Error, Result};

/// Rows per batch: large enough that the work per batch vanishes, small enough for the cache.
pub(crate) const BATCH_ROWS: usize = 32 * 1024;

/// An opened Parquet file.
#[derive(Clone, Debug)]
pub(super) struct ParquetFile {
    pub(super) file: EventFile,
    metadata: ArrowReaderMetadata,
    pub(super) groups: Vec<RowGroup>,
}

/// What is known of a row group without reading it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowGroup {
    pub(super) rows: u64,
    /// Oldest and newest instant in microseconds, both inclusive; known only if no row is null.
    pub(super) times: Option<(i64, i64)>,
}

impl ParquetFile {
    /// Opens a file and decides the type in which each column is read.
    ///
    /// # Errors
    /// When the file is broken.
    pub(super) fn open(file: &EventFile, source: &Source, coded: &[&str]) -> Result<Self> {
        let broken = |cause: parquet::errors::ParquetError| broken(file, &cause);
        let options = ArrowReaderOptions::new();
        let plain = footer(file.size, &options, |part| file.fetch(part))?.map_err(broken)?;
        let schema = reading_schema(plain.schema(), source, coded);
        // A schema that the reader refuses is no fault of the file: read it as it is then.
        let wanted = options.with_schema(schema);
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), wanted)
            .unwrap_or_else(|_| plain.clone());
        let groups = plain
            .metadata()
            .row_groups()
            .iter()
            .map(|group| row_group(group, plain.schema(), source))
            .collect();
        Ok(Self { file: file.clone(), metadata, groups })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Reads some columns of one row group.
    ///
    /// # Errors
    /// When the file cannot be opened or decoded.
    pub(super) fn read(
        &self,
        group: usize,
        columns: &[String],
    ) -> Result<ParquetRecordBatchReader> {
        // By place, not by path: a dot in a column's name is no step into a struct.
        let fields = self.schema().fields().iter().enumerate();
        let wanted = fields.filter(|(_, f)| columns.contains(f.name())).map(|(place, _)| place);
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), wanted);
        let ranges = column_ranges(self.metadata.metadata().row_group(group), &mask);
        let input = self.file.fetch(&ranges)?;
        ParquetRecordBatchReaderBuilder::new_with_metadata(input, self.metadata.clone())
            .with_projection(mask)
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|cause| broken(&self.file, &cause))
    }
}

/// The error for a file that cannot be read to its end.
pub(super) fn broken(file: &EventFile, cause: &dyn std::fmt::Display) -> Error {
    let help = match file.object {
        None => "no row of it was counted; replace or remove the file",
        Some(_) => {
            "no row of it was counted; if the connection was lost, run the command again, \
             otherwise replace or remove the object"
        }
    };
    Error::input(format!("invalid file: {cause}"))
        .with("file", file.path.display())
        .with("help", help)
}

/// Texts of dimensions are read as dictionary codes, texts of users as views: neither is copied.
fn reading_schema(schema: &Schema, source: &Source, coded: &[&str]) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let text = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
            DataType::Dictionary(_, values) => values.is_string(),
            _ => false,
        };
        let data_type = if text && coded.contains(&field.name().as_str()) {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        } else if text && *field.name() == source.user {
            DataType::Utf8View
        } else {
            field.data_type().clone()
        };
        Field::new(field.name(), data_type, field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The smallest and largest value of a column of integers in a row group, as they are stored;
/// `None` if its statistics do not say, or say that there are nulls.
pub(crate) fn int_bounds(group: &RowGroupMetaData, column: &str) -> Option<(i64, i64)> {
    let column = group.columns().iter().find(|c| c.column_path().parts() == [column])?;
    match column.statistics()? {
        Statistics::Int64(s) if s.null_count_opt() == Some(0) => {
            Some((*s.min_opt()?, *s.max_opt()?))
        }
        Statistics::Int32(s) if s.null_count_opt() == Some(0) => {
            Some((i64::from(*s.min_opt()?), i64::from(*s.max_opt()?)))
        }
        _ => None,
    }
}

fn row_group(group: &RowGroupMetaData, schema: &Schema, source: &Source) -> RowGroup {
    let bounds = |column: &str| int_bounds(group, column);
    let type_of = |column: &str| schema.field_with_name(column).ok().map(Field::data_type);
    let times = match type_of(&source.time) {
        Some(DataType::Timestamp(unit, zone))
            if zone.is_some() || source.time_zone.name() == Zone::utc().name() =>
        {
            let unit = match unit {
                ArrowUnit::Second => TimeUnit::Second,
                ArrowUnit::Millisecond => TimeUnit::Millisecond,
                ArrowUnit::Microsecond => TimeUnit::Microsecond,
                ArrowUnit::Nanosecond => TimeUnit::Nanosecond,
            };
            bounds(&source.time)
                .and_then(|(min, max)| Some((unit.to_micros(min)?, unit.to_micros(max)?)))
        }
        _ => None,
    };
    RowGroup { rows: u64::try_from(group.num_rows()).unwrap_or(0), times }
}

/// Batches of a reader, with the file named in every error.
pub(super) fn batches(
    reader: ParquetRecordBatchReader,
    file: &EventFile,
) -> impl Iterator<Item = Result<RecordBatch>> {
    reader.map(move |batch| batch.map_err(|cause| broken(file, &cause)))
}
