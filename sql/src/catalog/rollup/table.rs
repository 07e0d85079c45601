//! The roll-up of a source as a table, and the plan node that reads it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use engine::calendar::Day;
use engine::rollup::{RowGroupRef, StoreCoverage, StoredColumn, StoredRows, row_schema};

use super::range::Range;
use crate::failure::external;

/// Batches that are read ahead.
const BUFFERED_BATCHES: usize = 2;

/// The roll-up rows of a source, for a range of days.
#[derive(Debug)]
pub(super) struct RollupTable {
    kept: Arc<StoreCoverage>,
    source: String,
    columns: Vec<(StoredColumn, FieldRef)>,
    days: (Day, Day),
    schema: SchemaRef,
}

impl RollupTable {
    pub(super) fn new(
        kept: &Arc<StoreCoverage>,
        source: &str,
        columns: Vec<(StoredColumn, FieldRef)>,
        days: (Day, Day),
    ) -> Self {
        let schema = row_schema(&columns);
        Self { kept: Arc::clone(kept), source: source.to_owned(), columns, days, schema }
    }

    /// The instants that a filter selects, if it only compares the time.
    fn range(&self, filter: &Expr) -> Option<Range> {
        let time = self.columns.iter().find(|(part, _)| *part == StoredColumn::Day)?;
        Range::of(filter, |expr| matches!(expr, Expr::Column(c) if c.name() == time.1.name()))
    }

    fn plan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> engine::Result<RollupExec> {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let places = projection.unwrap_or(&all);
        let columns: Vec<_> = places.iter().map(|place| self.columns[*place].clone()).collect();
        let ranges = filters.iter().filter_map(|filter| self.range(filter));
        let range = ranges.fold(Range::of_days(self.days), Range::and);
        // Whole days that overlap the range; the filter itself is still applied above.
        let (first, last) = match range.around() {
            Some(days) => days,
            None => (self.days.1.plus(1), self.days.1),
        };
        let (schema, parts) = (row_schema(&columns), columns.into_iter().map(|(part, _)| part));
        let store = &self.kept.store;
        let rows = StoredRows::open(store, &self.source, first..=last, parts.collect(), schema)?;
        let threads = state.config().target_partitions();
        Ok(RollupExec::new(Arc::new(rows), &self.source, store.version(), threads))
    }
}

#[async_trait]
impl TableProvider for RollupTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters reduce what is read and are still applied above.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = |filter: &&Expr| match self.range(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(supported).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.plan(state, projection, filters).map_err(external)?))
    }
}

/// Reads rows of the roll-up.
#[derive(Debug)]
struct RollupExec {
    rows: Arc<StoredRows>,
    source: String,
    version: u64,
    /// The row groups of each partition; those of a shard are adjacent.
    partitions: Vec<Vec<RowGroupRef>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RollupExec {
    fn new(rows: Arc<StoredRows>, source: &str, version: u64, threads: usize) -> Self {
        let units = rows.row_groups();
        let per_partition = units.len().div_ceil(threads.max(1)).max(1);
        let mut partitions: Vec<Vec<RowGroupRef>> =
            units.chunks(per_partition).map(<[RowGroupRef]>::to_vec).collect();
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(rows.schema())),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        let properties = Arc::new(properties);
        Self { rows, source: source.to_owned(), version, partitions, properties, metrics }
    }
}

impl DisplayAs for RollupExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = match format {
            DisplayFormatType::TreeRender => "\n",
            _ => ", ",
        };
        if !matches!(format, DisplayFormatType::TreeRender) {
            f.write_str("RollupExec: ")?;
        }
        let names: Vec<&str> =
            self.rows.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let days = self.rows.days();
        let groups: usize = self.partitions.iter().map(Vec::len).sum();
        write!(f, "source={}{separator}projection=[{}]", self.source, names.join(", "))?;
        write!(f, "{separator}store version={}", self.version)?;
        write!(f, "{separator}days={}..{}", days.start(), days.end())?;
        write!(f, "{separator}row_groups={groups}")
    }
}

impl ExecutionPlan for RollupExec {
    fn name(&self) -> &'static str {
        "RollupExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("this plan has no children") }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(units) = self.partitions.get(partition).cloned() else {
            return internal_err!("this plan has {} partitions", self.partitions.len());
        };
        let mut builder = RecordBatchReceiverStream::builder(self.schema(), BUFFERED_BATCHES);
        let (sender, rows) = (builder.tx(), Arc::clone(&self.rows));
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let batch_size = context.session_config().batch_size();
        builder.spawn_blocking(move || {
            for unit in units {
                let batch = rows.read(unit).map_err(external)?;
                baseline.record_output(batch.num_rows());
                for from in (0..batch.num_rows()).step_by(batch_size) {
                    let part = batch.slice(from, batch_size.min(batch.num_rows() - from));
                    // The receiver was dropped.
                    if sender.blocking_send(Ok(part)).is_err() {
                        return Ok(());
                    }
                }
            }
            baseline.done();
            Ok(())
        });
        Ok(builder.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
