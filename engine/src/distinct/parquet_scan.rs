//! Reads local Parquet files row group by row group.
//!
//! DataFusion's scan decodes every column of every row. If an aggregation reads plain local files
//! without a filter, much of that can be skipped: texts that are only grouped by are read as
//! dictionary codes, and if the statistics of a row group say that all its timestamps are in one
//! period, the column is not read and its first value is used for all rows. Threads start at
//! different row groups and take over those of slower threads: one large file is enough for many
//! threads, and if files are ordered by time, the threads have few groups in common.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit as ArrowUnit};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::ParquetSource;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use datafusion::scalar::ScalarValue;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use parquet::arrow::arrow_reader::ArrowReaderOptions;

use super::filters::only_column;
use super::periods::Periods;
use super::plan::Aggregates;
use crate::datafusion_error::external;
use crate::scan::{EventFile, ParquetFile, int_bounds};

/// Row groups to be read, by all threads together.
#[derive(Debug)]
pub(super) struct ParquetScan {
    /// Columns of the batches: those of the plan, some of them as codes.
    schema: SchemaRef,
    files: Vec<ParquetFile>,
    row_groups: Vec<RowGroup>,
    /// What each thread still has to read.
    remaining: Mutex<Vec<Range<usize>>>,
    stop: AtomicBool,
}

/// A row group.
#[derive(Debug)]
struct RowGroup {
    file: usize,
    group: usize,
    /// Columns that are not read, each with the value that stands for all of its own.
    constants: ConstantColumns,
}

type ConstantColumns = Vec<(usize, ScalarValue)>;

/// What a column of the input is used for.
enum ColumnUse {
    /// Only as a group column as it is, or in filters that ask for nothing else: codes will do.
    Codes,
    /// Only to compute periods.
    Periods(Vec<Periods>),
    /// Anything.
    Values,
}

impl ParquetScan {
    /// The row groups that a plan reads; `None` if it is anything but a scan of whole local
    /// Parquet files, or if they are not what the plan expects: it can say so better.
    pub(super) fn of(input: &Arc<dyn ExecutionPlan>, aggregates: &Aggregates) -> Option<Self> {
        let scan = input.downcast_ref::<DataSourceExec>()?;
        let (config, _) = scan.downcast_to_file_source::<ParquetSource>()?;
        let plain = config.file_source().filter().is_none()
            && config.limit.is_none()
            && config.table_partition_cols().is_empty()
            && config.object_store_url == ObjectStoreUrl::local_filesystem();
        let schema = input.schema();
        let projection = config.file_source().projection()?;
        if !plain || !are_columns(projection.iter().map(|p| (&p.expr, &p.alias))) {
            return None;
        }
        let mut column_uses = column_uses(aggregates, &schema);
        let fields: Vec<Field> = schema.fields().iter().zip(&column_uses).map(read_as).collect();
        let mut scan = Self {
            schema: Arc::new(Schema::new(fields)),
            files: Vec::new(),
            row_groups: Vec::new(),
            remaining: Mutex::default(),
            stop: AtomicBool::new(false),
        };
        for path in complete_files(config.file_groups.iter().flat_map(|group| group.iter()))? {
            let opened = open(&path, &schema, &scan.schema)?;
            let file = scan.files.len();
            for (group, statistics) in opened.row_groups().iter().enumerate() {
                let mut constants = Vec::new();
                for (column, (field, column_use)) in
                    schema.fields().iter().zip(&mut column_uses).enumerate()
                {
                    let ColumnUse::Periods(periods) = column_use else { continue };
                    let Some(bounds) = int_bounds(statistics, field.name()) else { continue };
                    let one = |p: &mut Periods| p.contains_both(field.data_type(), bounds);
                    if periods.iter_mut().all(one) {
                        constants.push((column, timestamp(field.data_type(), bounds.0)?));
                    }
                }
                scan.row_groups.push(RowGroup { file, group, constants });
            }
            scan.files.push(opened);
        }
        Some(scan)
    }

    /// How many there are, and how many of them are read without their timestamps.
    pub(super) fn count(&self) -> (usize, usize) {
        let constants = self.row_groups.iter().filter(|row_group| !row_group.constants.is_empty());
        (self.row_groups.len(), constants.count())
    }

    /// Gives each of some threads its share.
    pub(super) fn divide(&self, threads: usize) {
        let start = |thread: usize| self.row_groups.len() * thread / threads;
        let remaining = (0..threads).map(|thread| start(thread)..start(thread + 1)).collect();
        *self.remaining.lock().unwrap_or_else(PoisonError::into_inner) = remaining;
    }

    /// The next row group of a thread: of its own share, then from the end of the largest.
    fn next(&self, thread: usize) -> Option<&RowGroup> {
        let mut remaining = self.remaining.lock().unwrap_or_else(PoisonError::into_inner);
        let next = remaining.get_mut(thread)?.next();
        let next =
            next.or_else(|| remaining.iter_mut().max_by_key(|range| range.len())?.next_back());
        self.row_groups.get(next?)
    }

    /// Asks all threads to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Reads row groups as one of the threads that got [ranges](Self::divide), until none is left
    /// or someone asked to stop.
    ///
    /// # Errors
    /// When a file cannot be read, and the first error of `take`.
    pub(super) fn read(
        &self,
        thread: usize,
        mut take: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        while let Some(row_group) = self.next(thread) {
            let RowGroup { file, group, constants } = row_group;
            let fields = self.schema.fields().iter().enumerate();
            let wanted: HashSet<&str> = fields
                .filter(|(at, _)| constants.iter().all(|(column, _)| column != at))
                .map(|(_, field)| field.name().as_str())
                .collect();
            let reader = self.files[*file].read(*group, &|path| wanted.contains(path[0].as_str()));
            let reader = reader.map_err(external)?;
            for batch in reader {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                take(&self.complete(&batch.map_err(external)?, constants)?)?;
            }
        }
        Ok(())
    }

    /// Puts the columns in order, with those that were not read.
    fn complete(&self, batch: &RecordBatch, constants: &ConstantColumns) -> Result<RecordBatch> {
        let columns: Result<Vec<ArrayRef>> = self
            .schema
            .fields()
            .iter()
            .enumerate()
            .map(|(at, field)| match constants.iter().find(|(column, _)| *column == at) {
                Some((_, value)) => value.to_array_of_size(batch.num_rows()),
                None => batch.column_by_name(field.name()).cloned().ok_or_else(|| {
                    DataFusionError::Internal(format!("column {} is missing", field.name()))
                }),
            })
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns?, &options)?)
    }
}

/// Whether only different columns are projected, each under its own name.
fn are_columns<'a>(
    projection: impl Iterator<Item = (&'a Arc<dyn PhysicalExpr>, &'a String)>,
) -> bool {
    let mut seen = HashSet::new();
    projection.into_iter().all(|(expr, alias)| {
        expr.downcast_ref::<Column>().is_some_and(|column| column.name() == alias)
            && seen.insert(alias)
    })
}

/// What each column of the input is used for.
fn column_uses(aggregates: &Aggregates, schema: &Schema) -> Vec<ColumnUse> {
    let group_by = &aggregates.group_by;
    let mut column_uses: Vec<Option<ColumnUse>> = schema.fields().iter().map(|_| None).collect();
    let mut values: Vec<&Arc<dyn PhysicalExpr>> = aggregates.arguments().collect();
    let can_use_codes = |column_use: &mut Option<ColumnUse>| {
        *column_use = Some(match column_use {
            None | Some(ColumnUse::Codes) => ColumnUse::Codes,
            Some(_) => ColumnUse::Values,
        });
    };
    for filter in aggregates.filters() {
        match only_column(filter) {
            Some(column) => can_use_codes(&mut column_uses[column.index()]),
            None => values.push(filter),
        }
    }
    for (expr, _) in group_by.expr() {
        if let Some(column) = expr.downcast_ref::<Column>() {
            can_use_codes(&mut column_uses[column.index()]);
        } else if let Some((column, periods)) = expr
            .data_type(schema)
            .ok()
            .and_then(|data_type| Periods::of(expr, &data_type))
            .and_then(|periods| Some((periods.column()?, periods)))
        {
            match &mut column_uses[column] {
                column_use @ None => *column_use = Some(ColumnUse::Periods(vec![periods])),
                Some(ColumnUse::Periods(all)) => all.push(periods),
                Some(column_use) => *column_use = ColumnUse::Values,
            }
        } else {
            values.push(expr);
        }
    }
    for column in values.into_iter().flat_map(collect_columns) {
        column_uses[column.index()] = Some(ColumnUse::Values);
    }
    column_uses.into_iter().map(|column_use| column_use.unwrap_or(ColumnUse::Values)).collect()
}

/// Texts that are only grouped by, or are the only column of filters, are read as codes.
fn read_as((field, column_use): (&Arc<Field>, &ColumnUse)) -> Field {
    let field = field.as_ref().clone();
    if matches!(column_use, ColumnUse::Codes) && field.data_type().is_string() {
        let codes = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        return field.with_data_type(codes);
    }
    field
}

/// The paths of files that are read from their beginning to their end, in parts or at once.
fn complete_files<'a>(parts: impl Iterator<Item = &'a PartitionedFile>) -> Option<Vec<PathBuf>> {
    let files = LocalFileSystem::new();
    let mut ranges: Vec<(&Location, i64, i64, i64)> = Vec::new();
    for part in parts {
        let size = i64::try_from(part.object_meta.size).ok()?;
        let (start, end) = part.range.as_ref().map_or((0, size), |range| (range.start, range.end));
        ranges.push((&part.object_meta.location, start, end, size));
    }
    ranges.sort_unstable();
    let mut paths = Vec::new();
    for file in ranges.chunk_by(|a, b| a.0 == b.0) {
        let mut reached = 0;
        for (_, start, end, _) in file {
            if *start != reached {
                return None;
            }
            reached = *end;
        }
        let (name, .., size) = file[0];
        if reached != size {
            return None;
        }
        paths.push(files.path_to_filesystem(name).ok()?);
    }
    Some(paths)
}

/// Opens a file to be read with the wanted types, if it has all columns in the types that the
/// plan expects.
fn open(path: &Path, expected: &Schema, wanted: &Schema) -> Option<ParquetFile> {
    let mut fits = true;
    let read_as = |plain: &Schema| {
        fits = expected.fields().iter().all(|expected| {
            let Ok(found) = plain.field_with_name(expected.name()) else { return false };
            let (expected, found) = (expected.data_type(), found.data_type());
            found == expected || (found.is_string() && expected.is_string())
        });
        let fields = plain.fields().iter().map(|field| {
            let wanted = wanted.fields().iter().find(|wanted| wanted.name() == field.name());
            let data_type = wanted.map_or(field.data_type(), |wanted| wanted.data_type());
            Field::new(field.name(), data_type.clone(), field.is_nullable())
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    let file = EventFile::parquet(path).ok()?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ParquetFile::open(&file, options, read_as).ok().filter(|_| fits)
}

/// A timestamp of a column's type.
fn timestamp(data_type: &DataType, value: i64) -> Option<ScalarValue> {
    let DataType::Timestamp(unit, zone) = data_type else { return None };
    let zone = zone.clone();
    Some(match unit {
        ArrowUnit::Second => return None,
        ArrowUnit::Millisecond => ScalarValue::TimestampMillisecond(Some(value), zone),
        ArrowUnit::Microsecond => ScalarValue::TimestampMicrosecond(Some(value), zone),
        ArrowUnit::Nanosecond => ScalarValue::TimestampNanosecond(Some(value), zone),
    })
}
