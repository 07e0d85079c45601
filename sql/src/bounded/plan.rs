//! What operators make of the values of a batch: no pool of memory hears of that either.
//!
//! | operators | what they make | what is done |
//! |---|---|---|
//! | those with expressions | each expression makes a column of its own | batches come in pieces, of which all columns fit |
//! | joins | rows repeat the values of either side | they make small batches, and long values are refused that these would not hold |
//! | `unnest` | rows repeat the values beside a list | batches come in pieces, as above |
//! | windows | all rows of a partition are kept, and copied once | rows are reserved until they are handed on; values that rows repeat must fit |
//!
//! Texts and bytes as views are not copied by joins, so these only count where they are made.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use super::length::{bytes, bytes_of, elements, is_long, longest};
use super::watched::{Watch, WatchedExec, Watching};
use super::windows::Windows;
use super::{PART, exhausted};

/// Rows of the batches of a join that copies texts, bytes or lists.
const SMALL: usize = 1024;

/// A plan whose operators make no more of a batch than a statement's `memory` holds. Batches have
/// `rows` rows.
///
/// # Errors
/// When the plan cannot be put together again.
pub(super) fn bound_plan(
    plan: Arc<dyn ExecutionPlan>,
    memory: usize,
    rows: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let bounded = plan.transform_up(|node| {
        let bounded = if is_join(&*node) {
            join(&node, memory, rows)?
        } else if let Some(windows) = windows(&*node) {
            let values = values_made(&*node, &node.children()[0].schema())?;
            let windows = Arc::new(Windows::new(windows, values, memory)?);
            let input = watched(node.children()[0], &windows, Windows::input);
            let node = over(&node, vec![Arc::new(input)])?;
            Some(Arc::new(watched(&node, &windows, Windows::output)) as _)
        } else {
            match pieces(&*node, memory)? {
                None => None,
                Some(pieces) => {
                    let input = watched(node.children()[0], &Arc::new(pieces), Pieces::input);
                    Some(over(&node, vec![Arc::new(input)])?)
                }
            }
        };
        Ok(bounded.map_or_else(|| Transformed::no(node), Transformed::yes))
    });
    bounded.map(|bounded| bounded.data)
}

fn watched<T: Send + Sync + 'static>(
    input: &Arc<dyn ExecutionPlan>,
    shared: &Arc<T>,
    begin: fn(&Arc<T>, usize, &TaskContext) -> Watching,
) -> WatchedExec {
    let shared = Arc::clone(shared);
    let watch: Watch = Arc::new(move |partition, context| begin(&shared, partition, context));
    WatchedExec::new(Arc::clone(input), watch)
}

/// An operator over others that differ from its own in nothing that it can see.
fn over(
    node: &Arc<dyn ExecutionPlan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let same = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    Arc::clone(node).replace_children(inputs, same)
}

fn is_join(node: &dyn ExecutionPlan) -> bool {
    node.is::<HashJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
}

fn windows(node: &dyn ExecutionPlan) -> Option<&[Arc<dyn WindowExpr>]> {
    let bounded = node.downcast_ref::<BoundedWindowAggExec>().map(|node| node.window_expr());
    bounded.or_else(|| Some(node.downcast_ref::<WindowAggExec>()?.window_expr()))
}

/// Whether values of a type may be of any length, and are copied with their row.
fn is_copied(data_type: &DataType) -> bool {
    is_long(data_type) && !matches!(data_type, DataType::Utf8View | DataType::BinaryView)
}

/// Values of any length that the expressions of an operator make of one row.
fn values_made(node: &dyn ExecutionPlan, input: &Schema) -> Result<usize> {
    let mut made = 0;
    node.apply_expressions(&mut |root| {
        root.apply(|expr: &Arc<dyn PhysicalExpr>| {
            let is_given = expr.is::<Column>() || expr.is::<Literal>();
            // What does not know its type may be anything.
            if !is_given && expr.data_type(input).map_or(true, |data_type| is_long(&data_type)) {
                made += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(made)
}

/// Cuts batches into pieces of which an operator does not make too much.
struct Pieces {
    /// Bytes that are made of a batch of so many bytes.
    made: Box<dyn Fn(&RecordBatch) -> f64 + Send + Sync>,
    memory: usize,
}

/// The pieces that an operator's batches have to come in, if it makes anything long of them.
fn pieces(node: &dyn ExecutionPlan, memory: usize) -> Result<Option<Pieces>> {
    let made: Box<dyn Fn(&RecordBatch) -> f64 + Send + Sync> = if let Some(unnest) =
        node.downcast_ref::<UnnestExec>()
    {
        let lists: Vec<usize> =
            unnest.list_column_indices().iter().map(|list| list.index_in_input_schema).collect();
        Box::new(move |batch| {
            let most = unnested_at_most(batch, &lists);
            if most <= (memory / PART) as f64 { most } else { unnested(batch, &lists) }
        })
    } else if let [input] = node.children()[..] {
        let values = values_made(node, &input.schema())?;
        if values == 0 {
            return Ok(None);
        }
        Box::new(move |batch| bytes_of(batch) * values as f64)
    } else {
        return Ok(None);
    };
    Ok(Some(Pieces { made, memory }))
}

/// Bytes of the rows that a batch becomes if every list is beside the longest values.
fn unnested_at_most(batch: &RecordBatch, lists: &[usize]) -> f64 {
    let columns = batch.columns().iter().enumerate();
    let of_columns = columns.map(|(at, column)| match lists.contains(&at) {
        true => (elements(column), 0.0),
        false => (0.0, longest(column)),
    });
    let (repeated, beside) = of_columns.fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    (repeated + batch.num_rows() as f64) * beside + bytes_of(batch)
}

/// Bytes of the rows that a batch becomes: each has what is beside the lists of its row.
fn unnested(batch: &RecordBatch, lists: &[usize]) -> f64 {
    let beside = |row: &RecordBatch| -> f64 {
        let columns = row.columns().iter().enumerate();
        columns.filter(|(at, _)| !lists.contains(at)).map(|(_, column)| bytes(column)).sum()
    };
    let rows = (0..batch.num_rows()).map(|row| batch.slice(row, 1));
    let of_row = |row: RecordBatch| {
        let repeated = lists.iter().map(|at| elements(row.column(*at)));
        beside(&row) * repeated.fold(1.0, f64::max)
    };
    rows.map(of_row).sum::<f64>() + bytes_of(batch)
}

impl Pieces {
    fn input(self: &Arc<Self>, _: usize, _: &TaskContext) -> Watching {
        let pieces = Arc::clone(self);
        Box::new(move |batch| {
            let mut cut = Vec::new();
            pieces.cut(batch, &mut cut)?;
            Ok(cut)
        })
    }

    /// Halves what is too much, down to a row.
    fn cut(&self, batch: RecordBatch, cut: &mut Vec<RecordBatch>) -> Result<()> {
        let (made, rows) = ((self.made)(&batch), batch.num_rows());
        if made <= (self.memory / PART) as f64 {
            cut.push(batch);
        } else if rows > 1 {
            self.cut(batch.slice(0, rows / 2), cut)?;
            self.cut(batch.slice(rows / 2, rows - rows / 2), cut)?;
        } else if made <= self.memory as f64 {
            cut.push(batch);
        } else {
            return Err(exhausted("a row", made, self.memory, self.memory));
        }
        Ok(())
    }
}

/// The join with small batches and sides that are looked at, if it copies anything long.
fn join(
    node: &Arc<dyn ExecutionPlan>,
    memory: usize,
    rows: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let children = node.children();
    let values = values_made(&**node, &node.schema())?;
    // Expressions copy views, too.
    let copies = if values > 0 { is_long } else { is_copied };
    let side = |side: &&Arc<dyn ExecutionPlan>| {
        side.schema().fields().iter().any(|field| copies(field.data_type()))
    };
    if !children.iter().any(side) {
        return Ok(None);
    }
    let small = SMALL.min(rows);
    let (rows_made, times) = (small as f64, values.max(1) as f64);
    let sides = Mutex::default();
    let repeats = Arc::new(Repeats { memory, copies, rows: rows_made, times, sides });
    // What lies below makes its batches as before.
    let left = watched(children[0], &repeats, |repeats, _, _| repeats.side(0)).with_batches(rows);
    let right = watched(children[1], &repeats, |repeats, _, _| repeats.side(1)).with_batches(rows);
    let join = over(node, vec![Arc::new(left), Arc::new(right)])?;
    Ok(Some(Arc::new(WatchedExec::unwatched(join).with_batches(small))))
}

/// What both sides of a join have shown so far.
struct Repeats {
    memory: usize,
    /// Whether values of a type are copied.
    copies: fn(&DataType) -> bool,
    /// Rows of its batches, and how often it copies them.
    rows: f64,
    times: f64,
    /// Rows of either side, and the longest of all.
    sides: Mutex<[(f64, f64); 2]>,
}

impl Repeats {
    fn side(self: &Arc<Self>, at: usize) -> Watching {
        let repeats = Arc::clone(self);
        Box::new(move |batch| {
            repeats.see(at, &batch)?;
            Ok(vec![batch])
        })
    }

    fn see(&self, at: usize, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().filter(|column| (self.copies)(column.data_type()));
        let row: f64 = columns.map(longest).sum();
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        sides[at].0 += batch.num_rows() as f64;
        sides[at].1 = sides[at].1.max(row);
        let [(left, left_row), (right, right_row)] = *sides;
        let rows = (left * right + left + right).min(self.rows);
        let made = rows * (left_row + right_row) * self.times;
        if made > (self.memory / PART) as f64 {
            return Err(exhausted("a join", made, self.memory / PART, self.memory));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::RecordBatch;
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::error::Result;
    use datafusion::physical_plan::{ExecutionPlan, collect};
    use datafusion::prelude::SessionContext;

    use super::bound_plan;
    use crate::bounded::{bound, share};
    use crate::session::{Options, session};

    const MEMORY: usize = 4 << 20;

    async fn plan(
        session: &SessionContext,
        sql: &str,
        memory: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let state = session.state();
        let plan = state.optimize(&state.create_logical_plan(sql).await?)?;
        let Some(memory) = memory else {
            return state.query_planner().create_physical_plan(&plan, &state).await;
        };
        let plan = share(plan, memory)?;
        let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
        bound_plan(plan, memory, state.config().batch_size())
    }

    /// The rows, sorted; those of a session without bounds if there is no `memory`.
    async fn ask(sql: &str, memory: Option<usize>) -> Result<(String, Vec<RecordBatch>)> {
        let options = Options { memory_limit: memory, ..Options::default() };
        let session = session(&options).unwrap();
        if let Some(memory) = memory {
            bound(&session, memory)?;
        }
        let plan = plan(&session, sql, memory).await?;
        let batches = collect(plan, session.task_ctx()).await?;
        let text = pretty_format_batches(&batches)?.to_string();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        Ok((lines.join("\n"), batches))
    }

    /// Texts of 0 to 99 letters, which are copied, and their lengths.
    fn texts(rows: usize) -> String {
        format!(
            "(SELECT value AS n, value % 100 AS l, \
             arrow_cast(repeat('x', CAST(value % 100 AS INT)), 'Utf8') AS t \
             FROM generate_series(1, {rows}))"
        )
    }

    #[tokio::test]
    async fn bounded_plans_give_the_rows_of_others() {
        let (many, few) = (texts(20_000), texts(300));
        for sql in [
            format!("SELECT upper(t), t || 'a', CASE WHEN n > 9 THEN t END, n FROM {many}"),
            format!("SELECT upper(t) AS u, count(*), sum(n) FROM {many} GROUP BY u"),
            format!("SELECT l, count(DISTINCT upper(t)), max(lower(t)) FROM {many} GROUP BY l"),
            format!("SELECT n FROM {many} WHERE reverse(upper(t)) = repeat('X', 7)"),
            format!("SELECT t, n FROM {many} ORDER BY upper(t) DESC, n LIMIT 50"),
            format!("SELECT a.t, b.n FROM {few} a JOIN {few} b ON a.l = b.l"),
            format!("SELECT a.t, b.t FROM {few} a LEFT JOIN {few} b ON a.n = b.n + 150"),
            format!("SELECT a.t, b.t FROM {few} a FULL JOIN {few} b ON a.n = b.n + 150"),
            format!("SELECT a.n, b.t FROM {few} a JOIN {few} b ON a.n < b.n AND a.t > b.t"),
            format!("SELECT a.t, b.n FROM {few} a CROSS JOIN {few} b"),
            format!("SELECT n FROM {few} a WHERE EXISTS (SELECT 1 FROM {few} b WHERE b.t = a.t)"),
            format!("SELECT t, unnest(range(0, n % 5)) FROM {many}"),
            format!("SELECT n, unnest(string_to_array(t, 'xx')) FROM {few}"),
            format!("SELECT n, sum(n) OVER (), max(t) OVER (PARTITION BY l) FROM {few}"),
            format!(
                "SELECT n, lag(t) OVER (ORDER BY n), row_number() OVER (ORDER BY n) FROM {few}"
            ),
            format!("SELECT n, array_agg(n) OVER (PARTITION BY l ORDER BY n) FROM {few}"),
            format!("SELECT n, array_agg(n) OVER (PARTITION BY n % 5000 ORDER BY n) FROM {many}"),
        ] {
            let (expected, _) = ask(&sql, None).await.unwrap();
            let (found, _) = ask(&sql, Some(16 * MEMORY)).await.expect(&sql);
            assert_eq!(found, expected, "{sql}");
        }
    }

    #[tokio::test]
    async fn batches_come_in_pieces_that_fit() {
        let sql = format!("SELECT upper(t), lower(t), n FROM {}", texts(8_000));
        let (expected, _) = ask(&sql, None).await.unwrap();
        let (found, batches) = ask(&sql, Some(MEMORY)).await.unwrap();
        assert_eq!(found, expected);
        assert!(batches.iter().all(|batch| batch.get_array_memory_size() <= MEMORY / 2));
    }

    #[tokio::test]
    async fn what_a_statement_may_not_hold_is_refused() {
        let (many, letter) = ("FROM generate_series(1, 8000)", "CAST(value AS VARCHAR)");
        let long = |bytes: usize| format!("(SELECT arrow_cast(repeat('x', {bytes}), 'Utf8') AS t)");
        let calls = |count: usize| {
            let call = |at| format!("length(repeat('x', value % {at} + 90))");
            let calls: Vec<String> = (1..=count).map(call).collect();
            format!("SELECT {} {many}", calls.join(" + "))
        };
        let joined = |bytes: usize, on: &str| {
            let long = long(bytes);
            format!("SELECT max(t || {letter}) FROM {long} a {on}")
        };
        let filtered = |bytes: usize| {
            format!(
                "SELECT count(*) FROM (SELECT arrow_cast(repeat('x', CAST(value * {bytes} AS INT)), \
                 'Utf8View') AS t FROM generate_series(1, 1)) a \
                 JOIN generate_series(1, 9000) b ON upper(CASE WHEN b.value > 5 THEN t END) < 'a'"
            )
        };
        let row = |bytes: usize, rows: usize| {
            format!(
                "SELECT max(length(t || {letter})) FROM (SELECT t, unnest(range(0, {rows})) AS \
                 value FROM {})",
                long(bytes)
            )
        };
        let first = |bytes: usize| {
            format!(
                "SELECT max(length(f)) FROM (SELECT first_value(t) OVER () AS f FROM (SELECT \
                 repeat('x', CASE WHEN value = 1 THEN {bytes} ELSE 0 END) AS t {many}))"
            )
        };
        let encoded = |times: usize| {
            let call = (0..times).fold("t".to_owned(), |call, _| format!("encode({call}, 'hex')"));
            format!("SELECT length({call}) FROM {}", long(1_000))
        };
        let counted = |times: usize| {
            let count = |at| format!("count(DISTINCT reverse(substr(t, {at})))");
            let counts: Vec<String> = (1..=times).map(count).collect();
            let text = "string_agg(repeat('x', 1000), '') AS t FROM generate_series(1, 100)";
            format!("SELECT {} FROM (SELECT {text})", counts.join(", "))
        };
        let lists = |rows: usize| {
            format!(
                "SELECT max(cardinality(a)) FROM (SELECT array_agg(value) OVER (ORDER BY value) \
                 AS a FROM generate_series(1, {rows}))"
            )
        };
        let sums = |over: &str, rows: usize| {
            format!(
                "SELECT max(s) FROM (SELECT sum(value) OVER ({over}) AS s FROM \
                 generate_series(1, {rows}))"
            )
        };
        for (small, large, who) in [
            (calls(2), calls(40), "repeat"),
            (
                joined(1_000, "CROSS JOIN generate_series(1, 9000)"),
                joined(50_000, "CROSS JOIN generate_series(1, 9000)"),
                "a join",
            ),
            (
                joined(1_000, "JOIN generate_series(1, 9000) ON value > length(t)"),
                joined(50_000, "JOIN generate_series(1, 90000) ON value > length(t)"),
                "a join",
            ),
            (filtered(100), filtered(50_000), "a join"),
            (row(1_000, 1_000), row(100_000, 1_000), "a row"),
            (first(100), first(100_000), "a window"),
            (encoded(3), encoded(12), "encode"),
            (counted(2), counted(60), "a row"),
            (lists(300), lists(20_000), "a window"),
            (sums("", 100_000), sums("", 1_000_000), "window"),
            (
                sums("ORDER BY value ROWS 9 PRECEDING", 1_000_000),
                sums("ORDER BY value ROWS BETWEEN 9 PRECEDING AND 900000 FOLLOWING", 1_000_000),
                "window",
            ),
        ] {
            ask(&small, Some(MEMORY)).await.expect(&small);
            let refused = ask(&large, Some(MEMORY)).await.expect_err(&large).to_string();
            assert!(refused.contains(who), "{large}: {refused}");
        }
    }
}
