//! The physical operator [`DistinctAggregateExec`].

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{assert_eq_or_internal_err, internal_datafusion_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, Gauge, MetricBuilder, MetricsSet,
};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr,
    PlanProperties,
};
use futures::StreamExt;

use super::parquet_scan::ParquetScan;
use super::plan::Aggregates;
use super::query_ids::QueryIds;
use super::worker::Worker;
use crate::scan::is_int;

/// Groups rows and counts different values, exactly or by sketches, with other aggregates beside.
///
/// Each partition of the input is aggregated by a thread of its own, all with the same ids
/// for the values that are counted; at the end the threads' sets are united. It has one partition
/// of output, in no order. Its memory grows with users and groups, not with rows; it does not
/// spill.
#[derive(Debug)]
pub struct DistinctAggregateExec {
    aggregates: Arc<Aggregates>,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DistinctAggregateExec {
    pub(super) fn new(aggregates: Arc<Aggregates>, input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&aggregates.schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Self { aggregates, input, properties: Arc::new(properties), metrics }
    }
}

/// One thread at work.
struct WorkerTask {
    worker: Worker,
    ids: Arc<Vec<QueryIds>>,
    /// Number of threads: each accounts for its part of the shared ids.
    threads: usize,
    reservation: MemoryReservation,
    peak: Gauge,
}

impl WorkerTask {
    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        self.worker.take(batch)?;
        let shared = self.ids.iter().map(QueryIds::size).sum::<usize>() / self.threads;
        let size = self.worker.size() + shared;
        self.peak.set_max(size);
        self.reservation.try_resize(size).map_err(|cause| {
            cause.context(
                "exact distinct counts keep the sets of all groups in memory; `SET \
                 headcount.exact_distinct = false` uses a slower plan that can spill to disk",
            )
        })
    }

    fn finish(mut self) -> Worker {
        self.worker.keep_reservation(self.reservation);
        self.worker
    }
}

/// Stops the threads of a query whose stream was dropped.
struct StopOnDrop(Arc<ParquetScan>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl DisplayAs for DistinctAggregateExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| items.join(", ");
        let Aggregates { group_by, exact, approximate, passthrough, .. } = &*self.aggregates;
        let groups = group_by.expr().iter().map(|(expr, name)| match expr.to_string() {
            text if text == *name => text,
            text => format!("{text} as {name}"),
        });
        let filtered = |text: String, filter: &Option<Arc<dyn PhysicalExpr>>| match filter {
            Some(filter) => format!("{text} filter ({filter})"),
            None => text,
        };
        let count = |expr: &Arc<dyn PhysicalExpr>, filter| filtered(expr.to_string(), filter);
        let exact = exact.counts.iter().map(|c| count(&exact.arguments[c.argument], &c.filter));
        let approximate =
            approximate.counts.iter().map(|c| count(&approximate.arguments[c.argument], &c.filter));
        let passthrough = passthrough.iter().map(|o| match o.function.human_display() {
            Some(text) => text.to_owned(),
            None => filtered(o.function.name().to_owned(), &o.filter),
        });
        write!(
            f,
            "DistinctAggregateExec: gby=[{}], distinct=[{}], approximate=[{}], aggr=[{}]",
            list(groups.collect()),
            list(exact.collect()),
            list(approximate.collect()),
            list(passthrough.collect()),
        )
    }
}

impl ExecutionPlan for DistinctAggregateExec {
    fn name(&self) -> &'static str {
        "DistinctAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        assert_eq_or_internal_err!(children.len(), 1, "an aggregate has one input");
        Ok(Arc::new(Self::new(Arc::clone(&self.aggregates), children.swap_remove(0))))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let groups = self.aggregates.group_by.expr().iter().map(|(expr, _)| expr);
        let (arguments, filters) = (self.aggregates.arguments(), self.aggregates.filters());
        let mut recursion = TreeNodeRecursion::Continue;
        for expr in groups.chain(arguments).chain(filters) {
            recursion = recursion.visit_sibling(|| f(expr))?;
        }
        Ok(recursion)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        assert_eq_or_internal_err!(partition, 0, "the operator has one partition");
        let counted = self.aggregates.exact.arguments.iter();
        let ids = counted.map(|c| Ok(QueryIds::new(is_int(&c.data_type(&self.aggregates.input)?))));
        let ids: Arc<Vec<QueryIds>> = Arc::new(ids.collect::<Result<_>>()?);
        let task = |partition: usize, threads: usize| {
            let name = format!("DistinctAggregateExec[{partition}]");
            Ok::<_, DataFusionError>(WorkerTask {
                worker: Worker::new(&self.aggregates, &ids)?,
                ids: Arc::clone(&ids),
                threads,
                reservation: MemoryConsumer::new(name).register(context.memory_pool()),
                peak: MetricBuilder::new(&self.metrics).gauge("peak_mem_used", partition),
            })
        };
        let mut workers = JoinSet::new();
        let mut guard = None;
        if let Some(scan) = ParquetScan::of(&self.input, &self.aggregates) {
            let (all, known) = scan.count();
            let counter = |name| MetricBuilder::new(&self.metrics).global_counter(name);
            counter("row_groups").add(all);
            counter("row_groups_without_time").add(known);
            let scan = Arc::new(scan);
            let threads = context.session_config().target_partitions().min(all.max(1));
            scan.divide(threads);
            for thread in 0..threads {
                let (scan, mut task) = (Arc::clone(&scan), task(thread, threads)?);
                workers.spawn_blocking(move || {
                    scan.read(thread, |batch| task.take(batch))?;
                    Ok(task.finish())
                });
            }
            guard = Some(StopOnDrop(scan));
        } else {
            let partitions = self.input.output_partitioning().partition_count();
            for partition in 0..partitions {
                let mut task = task(partition, partitions)?;
                let mut input = self.input.execute(partition, Arc::clone(&context))?;
                workers.spawn(async move {
                    while let Some(batch) = input.next().await {
                        task.take(&batch?)?;
                    }
                    Ok::<_, DataFusionError>(task.finish())
                });
            }
        }
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let rows = context.session_config().batch_size();
        let mut builder = RecordBatchReceiverStream::builder(self.schema(), 2);
        let out = builder.tx();
        builder.spawn(async move {
            let _guard = guard;
            let mut merged: Option<Worker> = None;
            while let Some(joined) = workers.join_next().await {
                let worker = joined.map_err(|cause| DataFusionError::External(cause.into()))??;
                let before = merged.take();
                let merging = SpawnedTask::spawn_blocking(move || match before {
                    Some(mut before) => before.merge(worker).map(|()| before),
                    None => Ok(worker),
                });
                merged = Some(merging.join_unwind().await.map_err(failed)??);
            }
            let merged =
                merged.ok_or_else(|| internal_datafusion_err!("an input without partitions"))?;
            let answer = SpawnedTask::spawn_blocking(move || merged.finish());
            let answer = answer.join_unwind().await.map_err(failed)??;
            baseline.record_output(answer.num_rows());
            for from in (0..answer.num_rows()).step_by(rows) {
                let part = answer.slice(from, rows.min(answer.num_rows() - from));
                if out.send(Ok(part)).await.is_err() {
                    break; // the receiver was dropped
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

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.aggregates.schema)
    }
}

fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(cause))
}
