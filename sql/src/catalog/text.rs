//! CSV and NDJSON files, compressed or not, as a table of texts, read by the engine's own readers.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use engine::Error;
use engine::scan::{EventFile, read_text, text_schema};

use super::merged_columns::MergedColumns;
use crate::failure::external;

/// Batches that are read ahead.
const BUFFERED_BATCHES: usize = 2;

/// Text files with the union of their columns.
#[derive(Debug)]
pub(super) struct TextFiles {
    schema: SchemaRef,
    /// Every file with its columns.
    files: Vec<(EventFile, SchemaRef)>,
}

impl TextFiles {
    /// Determines the columns of the files. All lines of NDJSON files are searched if those of the
    /// first lines do not `suffice`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn open(
        files: Vec<EventFile>,
        suffice: &dyn Fn(&EventFile, &Schema) -> bool,
    ) -> engine::Result<Self> {
        let mut columns = MergedColumns::default();
        let mut opened = Vec::with_capacity(files.len());
        for file in files {
            let schema = text_schema(&file, &|schema| suffice(&file, schema))?;
            if schema.fields().is_empty() {
                return Err(Error::input("the file has no columns")
                    .with("file", file.path.display())
                    .with("help", "write one JSON object per line, or remove the file"));
            }
            columns.add(&file.path, &schema)?;
            opened.push((file, schema));
        }
        Ok(Self { schema: columns.schema(), files: opened })
    }
}

#[async_trait]
impl TableProvider for TextFiles {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(places) => Arc::new(self.schema.project(places)?),
            None => Arc::clone(&self.schema),
        };
        let count = state.config().target_partitions().clamp(1, self.files.len());
        let mut partitions = vec![Vec::new(); count];
        for (at, file) in self.files.iter().enumerate() {
            partitions[at % count].push(file.clone());
        }
        let partition = |files| FilePartition { schema: Arc::clone(&schema), files };
        let partitions =
            partitions.into_iter().map(|files| Arc::new(partition(files)) as _).collect();
        Ok(Arc::new(StreamingTableExec::try_new(
            Arc::clone(&schema),
            partitions,
            None,
            None,
            false,
            limit,
        )?))
    }
}

/// The files of one partition, which are read one after the other.
#[derive(Debug)]
struct FilePartition {
    schema: SchemaRef,
    files: Vec<(EventFile, SchemaRef)>,
}

impl PartitionStream for FilePartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder =
            RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BUFFERED_BATCHES);
        let (sender, schema, files) = (builder.tx(), Arc::clone(&self.schema), self.files.clone());
        builder.spawn_blocking(move || {
            for (file, own) in &files {
                for batch in read_text(file, &columns_to_read(&schema, own)?).map_err(external)? {
                    let batch = align_columns(&schema, &batch.map_err(external)?)?;
                    // The receiver was dropped.
                    if sender.blocking_send(Ok(batch)).is_err() {
                        return Ok(());
                    }
                }
            }
            Ok(())
        });
        builder.build()
    }
}

/// The columns to read of a file that has its `own`, in the types of the table; at least one, for the
/// number of rows.
fn columns_to_read(schema: &SchemaRef, own: &SchemaRef) -> Result<SchemaRef> {
    let fields = schema.fields().iter().filter(|field| own.field_with_name(field.name()).is_ok());
    let fields: Vec<Arc<Field>> = fields.cloned().collect();
    match fields.is_empty() {
        true => Ok(Arc::new(own.project(&[0])?)),
        false => Ok(Arc::new(Schema::new(fields))),
    }
}

/// The columns in the order of the schema; NULL where the file has no such column.
fn align_columns(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let column = |field: &Arc<Field>| -> ArrayRef {
        let found = batch.column_by_name(field.name()).cloned();
        found.unwrap_or_else(|| new_null_array(field.data_type(), rows))
    };
    let columns = schema.fields().iter().map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
