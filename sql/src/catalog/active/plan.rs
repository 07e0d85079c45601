//! The part of a physical plan that answers a question.

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
use engine::active::{Question, answer, road_to};
use engine::events::Overseer;
use engine::rollup::{Counting, Road};
use engine::{Error, Kind};
use rayon::ThreadPoolBuilder;
use tokio::sync::mpsc::Sender;

use super::{Ground, Listener};
use crate::cancellation::is_cancelled;
use crate::catalog::dictionary;
use crate::failure::external;
use crate::report::record_batch;

/// Answers one question when it is executed.
#[derive(Debug)]
pub(super) struct ActiveUsersExec {
    question: Question,
    ground: Ground,
    projection: Option<Vec<usize>>,
    properties: Arc<PlanProperties>,
    /// What the answer will come from, once somebody has asked.
    road: OnceLock<String>,
}

impl ActiveUsersExec {
    pub(super) fn new(
        question: Question,
        ground: &Ground,
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
            ground: ground.clone(),
            projection: projection.cloned(),
            properties: Arc::new(properties),
            road: OnceLock::new(),
        })
    }

    /// Whether the range is empty: filters can leave nothing, which is no mistake.
    fn is_empty(&self) -> bool {
        matches!((self.question.from, self.question.to), (Some(from), Some(to)) if from > to)
    }
}

impl ActiveUsersExec {
    /// What the answer will come from. Nobody but a reader of the plan asks for it, so the look at
    /// store and files is taken here: once, although EXPLAIN writes the plan after every rule.
    fn road(&self) -> &str {
        if is_cancelled() {
            return "cancelled";
        }
        self.road.get_or_init(|| self.find_road())
    }

    fn find_road(&self) -> String {
        let project = &self.ground.project;
        let road = dictionary::load(project)
            .and_then(|dictionary| road_to(project, &dictionary, &self.question));
        match road {
            Ok(Road::Store { store, new }) => {
                let version = store.version();
                match new.len() {
                    0 => format!("the store at version {version}"),
                    1 => format!("the store at version {version} and events of 1 new file"),
                    new => format!("the store at version {version} and events of {new} new files"),
                }
            }
            Ok(Road::Events(None)) => "events".to_owned(),
            Ok(Road::Events(Some(why))) => format!("events (the store is not used: {why})"),
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
        let project = &self.ground.project;
        let sources: Vec<&str> =
            project.sources.iter().map(|source| source.name.as_str()).collect();
        write!(f, "{separator}from {} of [{}]", self.road(), sources.join(", "))
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
        let (sender, question, ground) = (builder.tx(), self.question.clone(), self.ground.clone());
        let projection = self.projection.clone();
        let memory = MemoryConsumer::new("ActiveUsersExec").register(context.memory_pool());
        let threads = context.session_config().target_partitions();
        builder.spawn(async move {
            let turn = Arc::clone(&ground.turns).acquire_owned().await;
            let turn = turn.map_err(|cause| DataFusionError::External(cause.into()))?;
            let answered = SpawnedTask::spawn_blocking(move || {
                let _turn = turn;
                send(&ground, &question, projection.as_deref(), threads, memory, &sender)
            });
            answered.join_unwind().await.map_err(|cause| DataFusionError::External(cause.into()))?
        });
        Ok(builder.build())
    }
}

/// Sends the rows that answer a question, if they are still wanted.
fn send(
    ground: &Ground,
    question: &Question,
    projection: Option<&[usize]>,
    threads: usize,
    memory: MemoryReservation,
    sender: &Sender<Result<RecordBatch>>,
) -> Result<()> {
    let dictionary = dictionary::load(&ground.project).map_err(external)?;
    if sender.is_closed() {
        return Ok(());
    }
    // Threads of its own: in a pool that all statements share, one that waits for its parts
    // would take up whole others meanwhile, and be the last to end.
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|_| "answer".to_owned())
        .build()
        .map_err(|cause| {
            external(Error::new(Kind::Io, format!("cannot start threads: {cause}")))
        })?;
    let wanted = || !sender.is_closed();
    let statement = Statement { listener: ground.listener.as_deref(), memory, wanted: &wanted };
    let answered = pool.install(|| answer(&ground.project, &dictionary, question, &statement));
    let answer = answered.map_err(external)?;
    let batch = record_batch(&answer.report).map_err(external)?;
    statement.takes(batch.get_array_memory_size()).map_err(external)?;
    let batch = match projection {
        Some(places) => batch.project(places)?,
        None => batch,
    };
    if let Some(listener) = &ground.listener {
        listener.answered(answer);
    }
    // One batch: several would be dealt out to threads, and the rows would lose their order.
    // A statement that no longer waits wants nothing.
    let _ = sender.blocking_send(Ok(batch));
    Ok(())
}

/// Oversees an answer for the statement that waits for it.
struct Statement<'a> {
    listener: Option<&'a dyn Listener>,
    memory: MemoryReservation,
    /// Whether anybody still waits.
    wanted: &'a (dyn Fn() -> bool + Sync),
}

impl Overseer for Statement<'_> {
    fn progress(&self, done: u64, total: u64) -> engine::Result<()> {
        if let Some(listener) = self.listener {
            listener.progress(done, total);
        }
        if (self.wanted)() { Ok(()) } else { Err(Error::limit("cancelled")) }
    }

    fn takes(&self, more: usize) -> engine::Result<()> {
        self.memory.try_grow(more).map_err(|cause| {
            let cause = cause.strip_backtrace();
            let first = cause.lines().next().unwrap_or_default();
            Error::limit(format!("the report needs more memory than is available: {first}")).with(
                "help",
                "query fewer periods (`from`, `to`, a longer `window`), levels or dimensions, or \
                 only the largest values (`top`); or raise the memory limit of the server or \
                 session",
            )
        })
    }
}
