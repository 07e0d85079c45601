//! An operator whose batches are looked at on their way.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::internal_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, stream};

/// What is done with each batch of a partition: it is handed on, whole or in pieces, or refused.
pub(super) type Watching = Box<dyn FnMut(RecordBatch) -> Result<Vec<RecordBatch>> + Send>;
/// Begins with a partition.
pub(super) type Watch = Arc<dyn Fn(usize, &TaskContext) -> Watching + Send + Sync>;

/// An operator whose batches are looked at. Its rows are the operator's, in their order.
#[derive(Clone)]
pub(super) struct WatchedExec {
    input: Arc<dyn ExecutionPlan>,
    watch: Option<Watch>,
    /// Rows of the batches that it is asked for; those of the session if this says nothing.
    batch_rows: Option<usize>,
}

impl WatchedExec {
    /// Looks at the batches of `input`.
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, watch: Watch) -> Self {
        Self { input, watch: Some(watch), batch_rows: None }
    }

    /// Looks at nothing.
    pub(super) fn unwatched(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input, watch: None, batch_rows: None }
    }

    /// The same, with batches of so many rows from there on.
    pub(super) fn with_batches(self, rows: usize) -> Self {
        Self { batch_rows: Some(rows), ..self }
    }
}

impl fmt::Debug for WatchedExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedExec").field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for WatchedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchedExec")
    }
}

impl ExecutionPlan for WatchedExec {
    fn name(&self) -> &'static str {
        "WatchedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(Self { input, ..Self::clone(&self) })),
            _ => internal_err!("this plan has one child"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let watching = self.watch.as_ref().map(|watch| watch(partition, &context));
        let context = match self.batch_rows {
            Some(rows) => with_batches(&context, rows),
            None => context,
        };
        let batches = self.input.execute(partition, context)?;
        let Some(mut watching) = watching else { return Ok(batches) };
        let watched = batches.flat_map(move |batch| {
            let pieces = match batch.and_then(&mut watching) {
                Ok(pieces) => pieces.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            stream::iter(pieces)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), watched)))
    }
}

/// The same context, with batches of so many rows.
fn with_batches(context: &TaskContext, rows: usize) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone().with_batch_size(rows),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ))
}
