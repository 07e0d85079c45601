//! The plan node that computes a report.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::internal_err;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, EmissionType, ReplaceChildrenOptions,
};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use engine::active::{Question, answer, source_plan_for};
use engine::rollup::{Counting, SourcePlan};
use engine::{Error, JobContext, Kind};
use rayon::ThreadPoolBuilder;
use tokio::sync::mpsc::Sender;

use super::context::ReportContext;
use crate::cancellation::is_cancelled;
use crate::catalog::dictionary;
use crate::failure::external;
use crate::report::record_batch;

/// Computes one report when it is executed.
#[derive(Debug)]
pub(super) struct ActiveUsersExec {
    question: Question,
    report_context: ReportContext,
    projection: Option<Vec<usize>>,
    properties: Arc<PlanProperties>,
    /// Describes what the report reads; computed on first use.
    source_description: OnceLock<String>,
}

impl ActiveUsersExec {
    pub(super) fn new(
        question: Question,
        report_context: &ReportContext,
        schema: &SchemaRef,
        projection: Option<&Vec<usize>>,
    ) -> Result<Self> {
        let shown = match projection {
            Some(places) => Arc::new(schema.project(places)?),
            None => Arc::clone(schema),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(shown),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            question,
            report_context: report_context.clone(),
            projection: projection.cloned(),
            properties: Arc::new(properties),
            source_description: OnceLock::new(),
        })
    }

    /// Whether filters have left an empty range, which is no error.
    fn is_empty(&self) -> bool {
        matches!((self.question.from, self.question.to), (Some(from), Some(to)) if from > to)
    }
}

impl ActiveUsersExec {
    /// Describes what the report reads, for EXPLAIN. It inspects the store and the files on first
    /// use only, because EXPLAIN prints the plan after every rule.
    fn source_description(&self) -> &str {
        if is_cancelled() {
            return "cancelled";
        }
        self.source_description.get_or_init(|| self.describe_source())
    }

    fn describe_source(&self) -> String {
        let project = &self.report_context.project;
        let plan = dictionary::load(project)
            .and_then(|dictionary| source_plan_for(project, &dictionary, &self.question));
        match plan {
            Ok(SourcePlan::Store { store, new }) => {
                let version = store.version();
                match new.len() {
                    0 => format!("the store at version {version}"),
                    1 => format!("the store at version {version} and events of 1 new file"),
                    new => format!("the store at version {version} and events of {new} new files"),
                }
            }
            Ok(SourcePlan::Events(None)) => "events".to_owned(),
            Ok(SourcePlan::Events(Some(why))) => format!("events (the store is not used: {why})"),
            Err(error) => format!("unknown ({error})"),
        }
    }
}

impl DisplayAs for ActiveUsersExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let question = &self.question;
        let separator = match format {
            DisplayFormatType::TreeRender => "\n",
            _ => ", ",
        };
        if !matches!(format, DisplayFormatType::TreeRender) {
            f.write_str("ActiveUsersExec: ")?;
        }
        let levels: Vec<&str> = question.levels.iter().map(|level| level.as_str()).collect();
        write!(f, "window={}{separator}level=[{}]", question.window, levels.join(", "))?;
        write!(f, "{separator}method={}", question.method)?;
        if !question.by.is_empty() {
            write!(f, "{separator}by=[{}]", question.by.join(", "))?;
        }
        if let Some(top) = question.top {
            write!(f, "{separator}top={top}")?;
        }
        match question.counting {
            Counting::Exact => write!(f, "{separator}count=exact")?,
            Counting::Approx(precision) => write!(f, "{separator}count=approx({precision})")?,
        }
        let days = [("from", question.from), ("to", question.to), ("as_of", question.as_of)];
        for (name, day) in days {
            if let Some(day) = day {
                write!(f, "{separator}{name}={day}")?;
            }
        }
        let project = &self.report_context.project;
        let sources: Vec<&str> =
            project.sources.iter().map(|source| source.name.as_str()).collect();
        write!(f, "{separator}from {} of [{}]", self.source_description(), sources.join(", "))
    }
}

impl ExecutionPlan for ActiveUsersExec {
    fn name(&self) -> &'static str {
        "ActiveUsersExec"
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

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("this plan has no children") }
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
        if partition != 0 {
            return internal_err!("this plan has one partition, not {partition}");
        }
        let mut builder = RecordBatchReceiverStream::builder(self.schema(), 1);
        if self.is_empty() {
            return Ok(builder.build());
        }
        let (sender, question, report_context) =
            (builder.tx(), self.question.clone(), self.report_context.clone());
        let projection = self.projection.clone();
        let memory = MemoryConsumer::new("ActiveUsersExec").register(context.memory_pool());
        let threads = context.session_config().target_partitions();
        builder.spawn(async move {
            let permit = Arc::clone(&report_context.permits).acquire_owned().await;
            let permit = permit.map_err(|cause| DataFusionError::External(cause.into()))?;
            let answered = SpawnedTask::spawn_blocking(move || {
                let _turn = permit;
                send(&report_context, &question, projection.as_deref(), threads, memory, &sender)
            });
            answered.join_unwind().await.map_err(|cause| DataFusionError::External(cause.into()))?
        });
        Ok(builder.build())
    }
}

/// Computes a report and sends its rows, unless the receiver was dropped.
fn send(
    report_context: &ReportContext,
    question: &Question,
    projection: Option<&[usize]>,
    threads: usize,
    memory: MemoryReservation,
    sender: &Sender<Result<RecordBatch>>,
) -> Result<()> {
    let dictionary = dictionary::load(&report_context.project).map_err(external)?;
    if sender.is_closed() {
        return Ok(());
    }
    // A pool of its own: in a shared pool, a thread that waits for subtasks would execute tasks of
    // other statements meanwhile.
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|_| "answer".to_owned())
        .build()
        .map_err(|cause| {
            external(Error::new(Kind::Io, format!("cannot start threads: {cause}")))
        })?;
    let reserve = |more: usize| memory.try_grow(more).map_err(|cause| too_large(&cause));
    let mut job =
        JobContext::default().with_cancellation(|| sender.is_closed()).with_memory(reserve);
    if let Some(listener) = &report_context.listener {
        job = job.with_progress(|done, total| listener.progress(done, total));
    }
    let answered = pool.install(|| answer(&report_context.project, &dictionary, question, &job));
    let answer = answered.map_err(external)?;
    let batch = record_batch(&answer.report).map_err(external)?;
    reserve(batch.get_array_memory_size()).map_err(external)?;
    let batch = match projection {
        Some(places) => batch.project(places)?,
        None => batch,
    };
    if let Some(listener) = &report_context.listener {
        listener.answered(answer);
    }
    // One batch: several would be distributed to partitions, and the rows would lose their order.
    // The receiver may have been dropped.
    let _ = sender.blocking_send(Ok(batch));
    Ok(())
}

/// An error for a report that exceeds the memory of its statement.
fn too_large(cause: &DataFusionError) -> Error {
    let cause = cause.strip_backtrace();
    let first = cause.lines().next().unwrap_or_default();
    Error::limit(format!("the report needs more memory than is available: {first}")).with(
        "help",
        "query fewer periods (`from`, `to`, a longer `window`), levels or dimensions, or only the \
         largest values (`top`); or raise the memory limit of the server or session",
    )
}
