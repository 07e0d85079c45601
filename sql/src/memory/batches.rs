//! Long values in batches. One operator allocates its output for a batch in one step, which the
//! monitor cannot interrupt, so that has to fit into a part of a statement's memory:
//!
//! | operators | output for a batch | what is done |
//! |---|---|---|
//! | those with expressions | each can make a column as large as the batch | the batch is cut |
//! | `unnest` | repeats the values beside a list | the batch is cut |
//! | joins | repeat the values of both sides | long values are refused |
//! | window functions | repeat values; collect lists | long values are refused |
//!
//! All of it is measured on the batches. Ordinary batches pass unchanged.
//!
//! A `WindowAggExec` keeps all of its input without reporting it, and returns one batch. What it
//! needs is reported here, and its result is cut.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::partition;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, stream};
use tokio::task::yield_now;

use super::sizes::{PART, is_variable, lengths, longest, sizes, too_large, total};

/// Cuts or refuses the batches of a partition of an operator's input.
type Check = Box<dyn FnMut(RecordBatch) -> Result<Vec<RecordBatch>> + Send>;
/// Begins the checks of a partition.
type Limit = Arc<dyn Fn() -> Check + Send + Sync>;

/// Shorter literals are ignored.
const LONG_LITERAL: usize = 1 << 10;

/// A plan whose operators make no more of a batch than `memory` allows.
///
/// # Errors
/// When the plan cannot be rebuilt.
pub(crate) fn limit_batches(
    plan: Arc<dyn ExecutionPlan>,
    pool: &Arc<dyn MemoryPool>,
    memory: usize,
    batch_rows: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let limited = plan.transform_up(|node| {
        let limited = match limits(&node, memory, batch_rows)? {
            Some(limits) => limit_inputs(&node, limits)?,
            None => Arc::clone(&node),
        };
        let Some(window) = node.downcast_ref::<WindowAggExec>() else {
            let is_new = !Arc::ptr_eq(&limited, &node);
            return Ok(Transformed::new_transformed(limited, is_new));
        };
        let (reported, slices) = report_window(window, pool, batch_rows)?;
        let reporting = limit_inputs(&limited, vec![reported])?;
        Ok(Transformed::yes(Arc::new(LimitedExec { input: reporting, limit: slices }) as _))
    });
    limited.map(|limited| limited.data)
}

fn limit_inputs(
    node: &Arc<dyn ExecutionPlan>,
    limits: Vec<Limit>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let inputs = node.children().into_iter().zip(limits).map(|(input, limit)| {
        Arc::new(LimitedExec { input: Arc::clone(input), limit }) as Arc<dyn ExecutionPlan>
    });
    let same = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    Arc::clone(node).replace_children(inputs.collect(), same)
}

/// The limits of the input and of the result of a `WindowAggExec`: what it keeps is reported until
/// the last row of the result is taken.
fn report_window(
    window: &WindowAggExec,
    pool: &Arc<dyn MemoryPool>,
    batch_rows: usize,
) -> Result<(Limit, Limit)> {
    let mut width = 0;
    for result in window.window_expr() {
        // Those of other types are checked by their size.
        width += result.field()?.data_type().primitive_width().unwrap_or(1);
    }
    let reported = Arc::new(MemoryConsumer::new("a window function").register(pool));
    let kept = Arc::clone(&reported);
    let input: Limit = Arc::new(move || {
        let reported = Arc::clone(&reported);
        Box::new(move |batch| {
            // The batches and a copy of all of them in one, and the results.
            let results = (width * batch.num_rows()) as f64;
            reported.try_grow((2.0 * bytes(&batch) + results) as usize)?;
            Ok(vec![batch])
        })
    });
    let result: Limit = Arc::new(move || {
        let kept = Arc::clone(&kept);
        Box::new(move |batch| {
            let _ = &kept;
            let starts = (0..batch.num_rows()).step_by(batch_rows);
            Ok(starts.map(|at| batch.slice(at, batch_rows.min(batch.num_rows() - at))).collect())
        })
    });
    Ok((input, result))
}

/// The limits of a node's inputs, if it needs any.
fn limits(
    node: &Arc<dyn ExecutionPlan>,
    memory: usize,
    batch_rows: usize,
) -> Result<Option<Vec<Limit>>> {
    if let Some(unnest) = node.downcast_ref::<UnnestExec>() {
        let lists = unnest.list_column_indices().iter().map(|list| list.index_in_input_schema);
        let lists: Vec<usize> = lists.collect();
        return Ok(Some(vec![cut(memory, move |batch| unnested(batch, &lists))]));
    }
    if let Some(node) = node.downcast_ref::<WindowAggExec>() {
        return windows(node.window_expr(), memory, f64::INFINITY);
    }
    if let Some(node) = node.downcast_ref::<BoundedWindowAggExec>() {
        return windows(node.window_expr(), memory / PART, batch_rows as f64);
    }
    if node.is::<HashJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
    {
        return Ok(join(node, memory, batch_rows));
    }
    let [input] = node.children()[..] else { return Ok(None) };
    let (columns, literals) = expressions(&**node, &input.schema())?;
    if columns + literals == 0.0 {
        return Ok(None);
    }
    let made =
        move |batch: &RecordBatch| columns * bytes(batch) + literals * batch.num_rows() as f64;
    Ok(Some(vec![cut(memory, made)]))
}

/// How many columns of variable length a node's expressions make, and the bytes of long literals.
fn expressions(node: &dyn ExecutionPlan, input: &Schema) -> Result<(f64, f64)> {
    let (mut columns, mut literals) = (0.0, 0.0);
    node.apply_expressions(&mut |root| {
        root.apply(|expr: &Arc<dyn PhysicalExpr>| {
            if let Some(literal) = expr.downcast_ref::<Literal>() {
                // It becomes a column where an operator returns it, or a function needs it as one.
                let bytes = literal.value().size();
                literals += if bytes > LONG_LITERAL { bytes as f64 } else { 0.0 };
            } else if !expr.is::<Column>() {
                // An unknown type can be any.
                let is_variable = expr.data_type(input).map_or(true, |of| is_variable(&of));
                columns += f64::from(u8::from(is_variable));
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok((columns, literals))
}

/// Halves batches of which too much is made; `made` says how many bytes at most.
fn cut(memory: usize, made: impl Fn(&RecordBatch) -> f64 + Send + Sync + 'static) -> Limit {
    let made = Arc::new(made);
    Arc::new(move || {
        let made = Arc::clone(&made);
        Box::new(move |batch| {
            let (mut pieces, mut rest) = (Vec::new(), vec![batch]);
            while let Some(batch) = rest.pop() {
                let (bytes, rows) = (made(&batch), batch.num_rows());
                if bytes <= (memory / PART) as f64 || (rows <= 1 && bytes <= memory as f64) {
                    pieces.push(batch);
                } else if rows > 1 {
                    rest.push(batch.slice(rows / 2, rows - rows / 2));
                    rest.push(batch.slice(0, rows / 2));
                } else {
                    return Err(too_large("a row", bytes, memory));
                }
            }
            Ok(pieces)
        })
    })
}

fn bytes(batch: &RecordBatch) -> f64 {
    batch.columns().iter().map(total).sum()
}

/// Bytes of the rows that a batch becomes: each has the values beside the lists of its row.
fn unnested(batch: &RecordBatch, lists: &[usize]) -> f64 {
    let (mut beside, mut repeated) = (vec![0.0; batch.num_rows()], vec![1.0; batch.num_rows()]);
    for (at, column) in batch.columns().iter().enumerate() {
        let is_list = lists.contains(&at);
        let values = if is_list { lengths(column) } else { sizes(column) };
        for (row, value) in values.into_iter().enumerate() {
            if is_list {
                repeated[row] = f64::max(repeated[row], value);
            } else {
                beside[row] += value;
            }
        }
    }
    beside.iter().zip(repeated).map(|(beside, repeated)| beside * repeated).sum()
}

/// The limits of a join's inputs, if it copies values of variable length.
fn join(node: &Arc<dyn ExecutionPlan>, memory: usize, batch_rows: usize) -> Option<Vec<Limit>> {
    // Joins do not copy views, but expressions of a join's filter do.
    let expressions = expressions(&**node, &node.schema()).map_or(1.0, |(columns, _)| columns);
    let is_copied = move |data_type: &DataType| {
        let is_view = matches!(data_type, DataType::Utf8View | DataType::BinaryView);
        is_variable(data_type) && (expressions > 0.0 || !is_view)
    };
    let children = node.children();
    let mut fields = children.iter().flat_map(|input| input.schema().fields().to_vec());
    if !fields.any(|field| is_copied(field.data_type())) {
        return None;
    }
    // The rows of both sides so far, and the bytes of their longest values.
    let sides = Arc::new(Mutex::new([(0.0, 0.0); 2]));
    let limit = |side: usize| -> Limit {
        let sides = Arc::clone(&sides);
        Arc::new(move || {
            let sides = Arc::clone(&sides);
            Box::new(move |batch| {
                let copied = batch.columns().iter().filter(|column| is_copied(column.data_type()));
                let longest: f64 = copied.map(longest).sum();
                let mut sides = sides.lock().unwrap_or_else(PoisonError::into_inner);
                sides[side].0 += batch.num_rows() as f64;
                sides[side].1 = f64::max(sides[side].1, longest);
                let [(left, left_bytes), (right, right_bytes)] = *sides;
                let rows = f64::max(left * right, left + right).min(batch_rows as f64);
                let made = rows * (left_bytes + right_bytes) * f64::max(expressions, 1.0);
                match made <= (memory / PART) as f64 {
                    true => Ok(vec![batch]),
                    false => Err(too_large("a join", made, memory / PART)),
                }
            })
        })
    };
    Some(vec![limit(0), limit(1)])
}

/// The limit of window functions whose results can be as long as a value, or as all values of a
/// partition. They return at most `batch_rows` results at once.
fn windows(
    windows: &[Arc<dyn WindowExpr>],
    memory: usize,
    batch_rows: f64,
) -> Result<Option<Vec<Limit>>> {
    let partition_by = windows.first().map_or(&[][..], |window| window.partition_by()).to_vec();
    let (mut values, mut lists) = (0.0, 0.0);
    for window in windows {
        match window.field()?.data_type() {
            DataType::List(_) | DataType::LargeList(_) | DataType::LargeUtf8 => lists += 1.0,
            data_type if is_variable(data_type) => values += 1.0,
            _ => {}
        }
    }
    if values + lists == 0.0 {
        return Ok(None);
    }
    let limit: Limit = Arc::new(move || {
        let mut last = WindowPartition { by: partition_by.clone(), ..WindowPartition::default() };
        Box::new(move |batch| {
            last.add(&batch, |partition| {
                let result = values * partition.longest + lists * partition.bytes;
                let made = f64::min(partition.rows, batch_rows) * result;
                match made <= memory as f64 {
                    true => Ok(()),
                    false => Err(too_large("a window function", made, memory)),
                }
            })?;
            Ok(vec![batch])
        })
    });
    Ok(Some(vec![limit]))
}

/// The partition of window functions whose rows arrive; partitions come one after the other.
#[derive(Default)]
struct WindowPartition {
    by: Vec<Arc<dyn PhysicalExpr>>,
    key: Vec<ScalarValue>,
    rows: f64,
    bytes: f64,
    longest: f64,
}

impl WindowPartition {
    fn add(&mut self, batch: &RecordBatch, check: impl Fn(&Self) -> Result<()>) -> Result<()> {
        let keys = self.by.iter();
        let keys = keys.map(|key| key.evaluate(batch)?.into_array(batch.num_rows()));
        let keys: Vec<ArrayRef> = keys.collect::<Result<_>>()?;
        let ranges = match keys.is_empty() {
            true => std::iter::once(0..batch.num_rows()).collect(),
            false => partition(&keys)?.ranges(),
        };
        for range in ranges {
            let key = keys.iter().map(|key| ScalarValue::try_from_array(key, range.start));
            let key: Vec<ScalarValue> = key.collect::<Result<_>>()?;
            if self.key != key {
                (self.key, self.rows, self.bytes, self.longest) = (key, 0.0, 0.0, 0.0);
            }
            let rows = batch.slice(range.start, range.len());
            self.rows += rows.num_rows() as f64;
            self.bytes += bytes(&rows);
            self.longest = rows.columns().iter().map(longest).fold(self.longest, f64::max);
            check(self)?;
        }
        Ok(())
    }
}

/// Limits the batches of its input. The rows and their order are the same.
struct LimitedExec {
    input: Arc<dyn ExecutionPlan>,
    limit: Limit,
}

impl fmt::Debug for LimitedExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitedExec").field("input", &self.input).finish_non_exhaustive()
    }
}

impl DisplayAs for LimitedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LimitedExec")
    }
}

impl ExecutionPlan for LimitedExec {
    fn name(&self) -> &'static str {
        "LimitedExec"
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
            (Some(input), true) => Ok(Arc::new(Self { input, limit: Arc::clone(&self.limit) })),
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
        let mut check = (self.limit)();
        let limited = self.input.execute(partition, context)?.flat_map(move |batch| {
            let pieces = match batch.and_then(&mut check) {
                Ok(pieces) => pieces.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            let is_cut = pieces.len() > 1;
            // Much is made of each piece, so other tasks and cancellation come between them.
            stream::iter(pieces).then(move |piece| async move {
                if is_cut {
                    yield_now().await;
                }
                piece
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), limited)))
    }
}

#[cfg(test)]
mod tests;
