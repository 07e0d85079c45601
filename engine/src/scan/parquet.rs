//! Parquet files: columns, row groups, and their statistics.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit as ArrowUnit};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::expression::Expression;
use super::files::{BATCH_ROWS, EventFile};
use super::{Source, Value};
use crate::Result;
use crate::calendar::{TimeUnit, Zone};
use crate::storage::{column_ranges, footer};

/// An opened Parquet file, which is read row group by row group.
#[derive(Clone, Debug)]
pub(crate) struct ParquetFile {
    pub(super) file: EventFile,
    metadata: ArrowReaderMetadata,
}

impl ParquetFile {
    /// Opens a file; `read_as` makes of its columns those of the types in which they are read. If
    /// the reader cannot read a column in such a type, all are read as they are.
    ///
    /// # Errors
    /// When the file is broken.
    pub(crate) fn open(
        file: &EventFile,
        options: ArrowReaderOptions,
        read_as: impl FnOnce(&Schema) -> SchemaRef,
    ) -> Result<Self> {
        let plain = footer(file.size, &options, |part| file.fetch(part))?
            .map_err(|cause| file.broken(&cause))?;
        let wanted = options.with_schema(read_as(plain.schema()));
        let metadata =
            ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), wanted).unwrap_or(plain);
        Ok(Self { file: file.clone(), metadata })
    }

    /// Opens a file of a source, of which some parts are `labels`.
    ///
    /// # Errors
    /// When the file is broken.
    pub(super) fn of_source(file: &EventFile, source: &Source, labels: &[&Value]) -> Result<Self> {
        let read_as = |schema: &Schema| reading_schema(schema, source, labels);
        Self::open(file, ArrowReaderOptions::new(), read_as)
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// What the footer says of each row group.
    pub(crate) fn row_groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }

    /// Rows of some row groups.
    pub(super) fn rows(&self, groups: Range<usize>) -> u64 {
        self.row_groups()[groups].iter().map(|group| group.num_rows().unsigned_abs()).sum()
    }

    /// Reads one row group: of its values those whose path, from the column down, is `wanted`.
    ///
    /// # Errors
    /// When the file cannot be opened or decoded.
    pub(crate) fn read<'a>(
        &'a self,
        group: usize,
        wanted: &dyn Fn(&[String]) -> bool,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<'a>> {
        // By its parts, not as a text: a dot in a column's name is no step into a struct.
        let leaves = self.metadata.parquet_schema().columns().iter().enumerate();
        let leaves = leaves.filter(|(_, leaf)| wanted(leaf.path().parts())).map(|(place, _)| place);
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), leaves);
        let ranges = column_ranges(&self.row_groups()[group], &mask);
        let input = self.file.fetch(&ranges)?;
        let reader =
            ParquetRecordBatchReaderBuilder::new_with_metadata(input, self.metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_batch_size(BATCH_ROWS)
                .build()
                .map_err(|cause| self.file.broken(&cause))?;
        Ok(reader.map(|batch| batch.map_err(|cause| self.file.broken(&cause))))
    }

    /// The oldest and the newest instant of a row group in microseconds, both inclusive, in a column;
    /// known only if no row is null.
    pub(super) fn times(&self, group: usize, source: &Source, column: &str) -> Option<(i64, i64)> {
        let DataType::Timestamp(unit, zone) =
            self.schema().field_with_name(column).ok()?.data_type()
        else {
            return None;
        };
        if zone.is_none() && source.time_zone.name() != Zone::utc().name() {
            return None;
        }
        let unit = match unit {
            ArrowUnit::Second => TimeUnit::Second,
            ArrowUnit::Millisecond => TimeUnit::Millisecond,
            ArrowUnit::Microsecond => TimeUnit::Microsecond,
            ArrowUnit::Nanosecond => TimeUnit::Nanosecond,
        };
        let (min, max) = int_bounds(&self.row_groups()[group], column)?;
        Some((unit.to_micros(min)?, unit.to_micros(max)?))
    }
}

/// Texts of dimensions are read as dictionary codes, texts of users as views: neither is copied.
/// Expressions get their columns as they are.
fn reading_schema(schema: &Schema, source: &Source, labels: &[&Value]) -> SchemaRef {
    let expressions = source.values().into_iter().filter_map(|(_, value)| {
        let expression = Expression::of(value, schema).ok()?;
        expression.as_column().is_none().then_some(expression)
    });
    let filter = source.filter.iter().filter_map(|text| Expression::condition(text, schema).ok());
    let computed: Vec<Expression> = expressions.chain(filter).collect();
    let is_input = |name: &str| {
        computed
            .iter()
            .flat_map(Expression::paths)
            .any(|path| path.first().is_some_and(|of| of == name))
    };
    let column = |value: &Value| {
        let expression = Expression::of(value, schema).ok()?;
        expression.as_column().map(str::to_owned)
    };
    let labels: Vec<String> = labels.iter().filter_map(|label| column(label)).collect();
    let user = column(&source.user);
    let fields = schema.fields().iter().map(|field| {
        let text = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
            DataType::Dictionary(_, values) => values.is_string(),
            _ => false,
        } && !is_input(field.name());
        let data_type = if text && labels.contains(field.name()) {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        } else if text && user.as_ref() == Some(field.name()) {
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
