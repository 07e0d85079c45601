//! A table of pings, and its scan.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::PingContext;
use super::columns::Type;
use super::rows::{Rows, send};
use crate::failure::external;

/// Batches that are computed ahead.
const BUFFERED_BATCHES: usize = 2;

/// One of the tables.
pub(super) struct PingTable {
    name: &'static str,
    schema: SchemaRef,
    context: PingContext,
}

impl PingTable {
    pub(super) fn new(name: &'static str, columns: &[(&str, Type)], context: PingContext) -> Self {
        let fields = columns.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { name, schema, context }
    }
}

impl fmt::Debug for PingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PingTable").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TableProvider for PingTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'a, 's, 'p, 'x, 'f>(
        &'a self,
        _: &'s dyn Session,
        projection: Option<&'p Vec<usize>>,
        _: &'x [Expr],
        limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'f>>
    where
        'a: 'f,
        's: 'f,
        'p: 'f,
        'x: 'f,
    {
        let plan = || -> Result<Arc<dyn ExecutionPlan>> {
            let columns = match projection {
                Some(columns) => columns.clone(),
                None => (0..self.schema.fields().len()).collect(),
            };
            let schema = Arc::new(self.schema.project(&columns)?);
            let context = self.context.clone();
            let scan = PingScan { name: self.name, columns, schema: Arc::clone(&schema), context };
            let partitions: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(scan)];
            let exec = StreamingTableExec::try_new(schema, partitions, None, None, false, limit)?;
            Ok(Arc::new(exec))
        };
        Box::pin(std::future::ready(plan()))
    }
}

/// The rows of a table.
#[derive(Debug)]
struct PingScan {
    name: &'static str,
    columns: Vec<usize>,
    schema: SchemaRef,
    context: PingContext,
}

impl PartitionStream for PingScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, task: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder =
            RecordBatchReceiverStream::builder(Arc::clone(&self.schema), BUFFERED_BATCHES);
        let memory = MemoryConsumer::new("pings").register(task.memory_pool());
        let threads = task.session_config().target_partitions();
        let (name, columns, context) = (self.name, self.columns.clone(), self.context.clone());
        let out = Rows { schema: Arc::clone(&self.schema), columns, sender: builder.tx() };
        builder.spawn_blocking(move || {
            let is_wanted = || !out.sender.is_closed();
            let cached = context.load(threads, memory, &is_wanted).map_err(external)?;
            // The receiver may have been dropped, which ends the rows.
            let _ = send(name, &cached.tables, &out)?;
            Ok(())
        });
        builder.build()
    }
}
