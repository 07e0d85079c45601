//! A table of pings, and its scan.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{
    BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use engine::JobContext;
use engine::calendar::Day;

use super::super::active::range::{Starts, of};
use super::columns::Type;
use super::context::{Cached, PingContext};
use super::rows::{Filter, LONG, Rows, SKETCHES, send, send_sketches};
use crate::failure::external;

/// The column that selects values.
const KEY_PATH: &str = "key_path";
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

#[async_trait]
impl TableProvider for PingTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters on key paths and months reduce what is made of large tables, and are still applied above.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let has_key_path = self.schema.column_with_name(KEY_PATH).is_some();
        let has_months = self.name == SKETCHES || LONG.contains(&self.name);
        let is_used = |filter: &Expr| {
            has_key_path && key_paths(filter).is_some() || has_months && months(filter).is_some()
        };
        let supported = |filter: &&Expr| match is_used(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(supported).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let schema = Arc::new(self.schema.project(&columns)?);
        // One filter on key paths is enough: all are applied above.
        let key_paths = filters.iter().find_map(key_paths).map(Arc::new);
        let starts = || filters.iter().filter_map(months);
        let from = starts().filter_map(|starts| starts.from).max().unwrap_or(Day::MIN);
        let to = starts().filter_map(|starts| starts.to).min().unwrap_or(Day::MAX);
        let filter = Filter { key_paths, months: from..=to };
        let is_long = LONG.contains(&self.name);
        let parts = if is_long { state.config().target_partitions() } else { 1 };
        let loaded = Arc::default();
        let scan = |part| PingScan {
            name: self.name,
            columns: columns.clone(),
            schema: Arc::clone(&schema),
            filter: filter.clone(),
            part,
            parts,
            context: self.context.clone(),
            loaded: Arc::clone(&loaded),
        };
        let scans = (0..parts).map(|part| Arc::new(scan(part)) as Arc<dyn PartitionStream>);
        let (scans, schema) = (scans.collect(), Arc::clone(&schema));
        Ok(Arc::new(StreamingTableExec::try_new(schema, scans, None, None, false, limit)?))
    }
}

/// The key paths that a filter selects at most; `None` if it does not constrain them.
fn key_paths(filter: &Expr) -> Option<BTreeSet<String>> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(column) if column.name == KEY_PATH);
    let text = |expr: &Expr| match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_owned),
        _ => None,
    };
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left, right) {
            (column, value) if is_column(column) => text(value).map(|path| BTreeSet::from([path])),
            (value, column) if is_column(column) => text(value).map(|path| BTreeSet::from([path])),
            _ => None,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut either = key_paths(left)?;
            either.append(&mut key_paths(right)?);
            Some(either)
        }
        Expr::InList(InList { expr, list, negated: false }) if is_column(expr) => {
            list.iter().map(text).collect()
        }
        _ => None,
    }
}

/// The months that a filter selects at most; `None` if it does not constrain them.
fn months(filter: &Expr) -> Option<Starts> {
    of(filter, "month")
}

/// The rows of a table, or of a part of it.
#[derive(Debug)]
struct PingScan {
    name: &'static str,
    columns: Vec<usize>,
    schema: SchemaRef,
    filter: Filter,
    part: usize,
    parts: usize,
    context: PingContext,
    /// The tables as the first of the parts has loaded them.
    loaded: Arc<Mutex<Option<Arc<Cached>>>>,
}

impl PingScan {
    fn load(
        context: &PingContext,
        loaded: &Mutex<Option<Arc<Cached>>>,
        wanted: (&str, Option<&BTreeSet<String>>),
        threads: usize,
        memory: MemoryReservation,
        is_wanted: &(dyn Fn() -> bool + Sync),
    ) -> engine::Result<Arc<Cached>> {
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        match &*loaded {
            Some(cached) => Ok(Arc::clone(cached)),
            None => {
                Ok(Arc::clone(loaded.insert(context.load(wanted, threads, memory, is_wanted)?)))
            }
        }
    }
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
        let (name, context, loaded) = (self.name, self.context.clone(), Arc::clone(&self.loaded));
        let out = Rows {
            schema: Arc::clone(&self.schema),
            columns: self.columns.clone(),
            filter: self.filter.clone(),
            part: self.part,
            parts: self.parts,
            sender: builder.tx(),
        };
        builder.spawn_blocking(move || {
            let is_wanted = || !out.sender.is_closed();
            let wanted = (name, out.filter.key_paths.as_deref());
            let cached = Self::load(&context, &loaded, wanted, threads, memory, &is_wanted);
            let cached = cached.map_err(external)?;
            context.report_overflow(name, &cached.tables);
            if name == SKETCHES {
                let collection = &cached.tables.collection;
                let job = JobContext::default().with_cancellation(|| !is_wanted());
                send_sketches(&cached.inputs, collection, &out, &job).map_err(external)?;
                return Ok(());
            }
            // The receiver may have been dropped, which ends the rows.
            let _ = send(name, &cached.tables, &out)?;
            Ok(())
        });
        builder.build()
    }
}
