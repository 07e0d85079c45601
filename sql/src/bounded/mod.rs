//! Values that are as long as a statement says: no pool of memory hears of them.
//!
//! * Functions that make much of little get a guard before them ([`length`] says how long their values
//!   are), and so does the operator `||`. What they may make is a part of a statement's memory.
//! * A literal is written once for each row of a batch by whoever puts it beside a column: the longer
//!   the longest literal is, the smaller are the batches ([`batch_rows`]).
//! * What operators make of the values of a batch is bounded in the plan ([`bound_plan`]).
//!
//! Servers do so for every statement, and the prompt where it has a limit of memory.

mod length;
mod plan;
mod watched;
mod windows;

use std::sync::Arc;

use arrow::compute::kernels::concat_elements::concat_elements_dyn;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Documentation, Expr, LogicalPlan, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::scalar::ScalarValue;

use self::length::{Arguments, LENGTHS, Length};
use self::plan::bound_plan;
use crate::failure::OF_ONE;

/// A value is copied on its way to the client: it may take this part of a statement's memory.
const PART: usize = 4;
/// The operator that joins texts, as a function.
const JOINED: &str = "||";

/// Puts the guards into a session, whose statements may hold `memory` bytes.
///
/// # Errors
/// When a function cannot be put back.
pub(crate) fn bound(session: &SessionContext, memory: usize) -> Result<()> {
    let state = session.state_ref();
    let mut state = state.write();
    let guards = Guards { memory };
    for (name, _) in LENGTHS.iter().filter(|(name, _)| *name != JOINED) {
        let inner = state.udf(name)?;
        if let Some(guarded) = guards.before(&inner) {
            state.register_udf(guarded)?;
        }
    }
    state.register_function_rewrite(Arc::new(guards))
}

/// The plan of a statement, in a session [with guards](bound), that makes no more of anything than
/// `memory` holds, and what it runs in.
///
/// # Errors
/// When there can be no plan.
pub(crate) async fn plan_of(
    statement: DataFrame,
    memory: usize,
) -> Result<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
    let (mut state, plan) = statement.into_parts();
    let plan = share(state.optimize(&plan)?, memory)?;
    let rows = batch_rows(&plan, memory, state.config().batch_size())?;
    *state.config_mut() = state.config().clone().with_batch_size(rows);
    let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
    Ok((bound_plan(plan, memory, rows)?, state.task_ctx()))
}

/// Rows of a batch in which the literals of a plan, written once for each row, take no more than
/// values may; at most `rows`.
///
/// # Errors
/// When the plan cannot be walked.
fn batch_rows(plan: &LogicalPlan, memory: usize, rows: usize) -> Result<usize> {
    let mut longest = 0;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Literal(value, _) = expr {
                    longest = longest.max(value.size());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok((memory / PART / longest.max(1)).clamp(1, rows.max(1)))
}

/// The same plan, in which the guarded functions have parts of a statement's memory that do not
/// come to more than all of it, also if each value is copied by every other expression.
///
/// # Errors
/// When the plan cannot be walked.
fn share(plan: LogicalPlan, memory: usize) -> Result<LogicalPlan> {
    let (mut made, mut is_guarded) = (0, false);
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr {
                    is_guarded |= call.func.inner().is::<Bounded>();
                }
                let is_given = matches!(expr, Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_));
                made += usize::from(!is_given);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if !is_guarded || made <= PART {
        return Ok(plan);
    }
    let less = |mut expr: Expr| {
        if let Expr::ScalarFunction(call) = &mut expr {
            let bounded = call.func.inner().downcast_ref::<Bounded>();
            if let Some(less) = bounded.map(|bounded| bounded.with_part(memory / made)) {
                call.func = less;
                return Ok(Transformed::yes(expr));
            }
        }
        Ok(Transformed::no(expr))
    };
    let shared = plan
        .transform_up_with_subqueries(|node| node.map_expressions(|expr| expr.transform_up(less)));
    shared.map(|shared| shared.data)
}

/// The error for values that are more than the part of a statement's memory that they may take.
fn exhausted(who: &str, bytes: f64, most: usize, memory: usize) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!(
        "{who} needs {bytes:.0} bytes (at most {most} are allowed), {OF_ONE} 0 of its {memory}"
    ))
}

/// Puts guards where nobody called a function by its name: operators, and functions that stand for
/// them.
#[derive(Debug)]
struct Guards {
    memory: usize,
}

impl Guards {
    /// The function with a guard before it, if it needs one and has none.
    fn before(&self, inner: &Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
        let (_, length) = LENGTHS.iter().find(|(name, _)| *name == inner.name())?;
        if inner.inner().is::<Bounded>() {
            return None;
        }
        let (inner, length, memory) = (Arc::clone(inner), *length, self.memory);
        Some(Arc::new(ScalarUDF::new_from_impl(Bounded {
            inner,
            length,
            most: memory / PART,
            memory,
        })))
    }
}

impl FunctionRewrite for Guards {
    fn name(&self) -> &'static str {
        "bounded"
    }

    fn rewrite(&self, expr: Expr, _: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (function, args) = match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => match *left
            {
                // A chain is one call: planning calls within calls takes far more than its share.
                Expr::ScalarFunction(mut call) if call.func.name() == JOINED => {
                    call.args.push(*right);
                    return Ok(Transformed::yes(Expr::ScalarFunction(call)));
                }
                left => (Arc::new(ScalarUDF::new_from_impl(Joined::default())), vec![left, *right]),
            },
            Expr::ScalarFunction(ScalarFunction { func, args }) => (func, args),
            other => return Ok(Transformed::no(other)),
        };
        let guarded = self.before(&function);
        let is_guarded = guarded.is_some();
        let func = guarded.unwrap_or(function);
        let call = Expr::ScalarFunction(ScalarFunction { func, args });
        Ok(Transformed::new_transformed(call, is_guarded))
    }
}

/// `||` of texts or bytes as a function; NULL if one of them is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    signature: Signature,
}

impl Default for Joined {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &'static str {
        JOINED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let [first, rest @ ..] = arguments else { return Ok(DataType::Null) };
        rest.iter().try_fold(first.clone(), |left, right| {
            BinaryTypeCoercer::new(&left, &Operator::StringConcat, right).get_result_type()
        })
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        Ok(match self.return_type(arguments)? {
            // The sum of theirs.
            DataType::FixedSizeBinary(_) => arguments.to_vec(),
            whole => vec![whole; arguments.len()],
        })
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_one = call.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let rows = if is_one { 1 } else { call.number_rows };
        let mut columns = call.args.iter().map(|argument| argument.to_array_of_size(rows));
        let Some(first) = columns.next() else { return Ok(ScalarValue::Null.into()) };
        let joined = columns.try_fold(first?, |left, right| {
            Ok::<_, DataFusionError>(concat_elements_dyn(&left, &right?)?)
        })?;
        Ok(match is_one {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&joined, 0)?),
            false => ColumnarValue::Array(joined),
        })
    }
}

/// A function with a guard before it. It is not simplified, which would join texts without the guard.
#[derive(Debug)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    length: Length,
    /// Most bytes that the values of one batch may take.
    most: usize,
    /// Of so many, for the error.
    memory: usize,
}

impl Bounded {
    fn with_part(&self, most: usize) -> Arc<ScalarUDF> {
        let Self { inner, length, memory, .. } = self;
        let (inner, length, memory) = (Arc::clone(inner), *length, *memory);
        Arc::new(ScalarUDF::new_from_impl(Self { inner, length, most, memory }))
    }
}

// The guard changes no value.
impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner && self.most == other.most
    }
}

impl Eq for Bounded {}

impl std::hash::Hash for Bounded {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let length = (self.length)(&Arguments::of(&arguments)?);
        if length > self.most as f64 {
            return Err(exhausted(self.name(), length, self.most, self.memory));
        }
        self.inner.invoke_with_args(arguments)
    }
}

#[cfg(test)]
mod tests {
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::SessionContext;

    use super::{batch_rows, bound};
    use crate::session::{Options, session};

    async fn ask(sql: &str) -> Result<usize, String> {
        let session = session(&Options::default()).unwrap();
        bound(&session, 400_000).unwrap();
        let frame = session.sql(sql).await.map_err(|error| error.to_string())?;
        let batches = frame.collect().await.map_err(|error| error.to_string())?;
        Ok(batches.iter().map(|batch| batch.num_rows()).sum())
    }

    #[tokio::test]
    async fn texts_are_joined_as_without_guards() {
        let texts =
            "(SELECT column1 AS a, column2 AS n FROM (VALUES ('x', 1), (NULL, 2), ('', NULL)))";
        for joined in [
            "a || n",
            "n || a || n",
            "a || (n || a) || 'z' || a",
            "arrow_cast(a, 'Utf8View') || n || arrow_cast('y', 'LargeUtf8')",
            "arrow_cast('ab', 'FixedSizeBinary(2)') || arrow_cast('c', 'FixedSizeBinary(1)')",
            "X'00' || X'ff' || arrow_cast('ab', 'FixedSizeBinary(2)')",
            "NULL || a",
            "a || NULL || NULL",
            "n || n || a",
            "NOT (a || 'y' = 'xy') || a",
        ] {
            let sql = format!("SELECT {joined} AS joined FROM {texts}");
            let (plain, guarded) = (session(&Options::default()), session(&Options::default()));
            let (plain, guarded) = (plain.unwrap(), guarded.unwrap());
            bound(&guarded, 400_000).unwrap();
            let rows = async |session: SessionContext| {
                let frame = session.sql(&sql).await.map_err(|_| ())?;
                let batches = frame.collect().await.map_err(|_| ())?;
                Ok::<_, ()>(pretty_format_batches(&batches).unwrap().to_string())
            };
            assert_eq!(rows(guarded).await, rows(plain).await, "{joined}");
        }
    }

    #[tokio::test]
    async fn long_literals_make_small_batches_wherever_they_stand() {
        let session = session(&Options::default()).unwrap();
        let text = |length: usize| format!("'{}'", "x".repeat(length));
        let long = text(1_000);
        for (sql, (from, to)) in [
            ("SELECT 1, 'x'".to_owned(), (8192, 8192)),
            (format!("SELECT {long}"), (1_900, 2_100)),
            (format!("SELECT n FROM (VALUES (1)) t(n) WHERE {long} = n"), (1_900, 2_100)),
            (format!("SELECT (SELECT max({long} || n) FROM (VALUES (1)) t(n))"), (1_900, 2_100)),
            (format!("SELECT {}", text(1_000_000)), (2, 2)),
            (format!("SELECT {}", text(3_000_000)), (1, 1)),
        ] {
            let plan = session.state().create_logical_plan(&sql).await.unwrap();
            let rows = batch_rows(&plan, 8 << 20, 8192).unwrap();
            assert!((from..=to).contains(&rows), "{rows} rows for {:.60}", sql);
        }
    }

    #[tokio::test]
    async fn values_are_as_long_as_a_statement_may_hold_and_no_longer() {
        let many = "FROM generate_series(1, 1000) AS many(n)";
        for (short, long) in [
            ("repeat('ab', 40000)".to_owned(), "repeat('ab', 60000)".to_owned()),
            (format!("repeat('x', 90) {many}"), format!("repeat('x', n) {many}")),
            ("lpad('x', 90000)".to_owned(), "lpad('x', 110000)".to_owned()),
            ("rpad('x', 90000, 'yz')".to_owned(), "rpad('x', 2000000000, 'yz')".to_owned()),
            ("array_repeat(1, 12000)".to_owned(), "list_repeat(1, 13000)".to_owned()),
            (
                "array_repeat(array_repeat(1, 90), 90)".to_owned(),
                "array_repeat(array_repeat(1, 1000), 1000)".to_owned(),
            ),
            (
                "array_repeat(arrow_cast(repeat('x', 90), 'Utf8View'), 900)".to_owned(),
                "array_repeat(arrow_cast(repeat('x', 900), 'Utf8View'), 900)".to_owned(),
            ),
            (
                "repeat('x', 40000) || 'y'".to_owned(),
                "repeat('x', 60000) || repeat('y', 60000)".to_owned(),
            ),
            (
                format!("CAST(n AS VARCHAR) || repeat('x', 50) {many}"),
                format!("CAST(n AS VARCHAR) || repeat('x', 500) {many}"),
            ),
            (
                "array_repeat(1, 6000) || array_repeat(2, 6000)".to_owned(),
                "array_repeat(1, 12000) || array_repeat(2, 12000)".to_owned(),
            ),
            ("range(0, 12000) || 1".to_owned(), "1 || range(0, 12499)".to_owned()),
            (
                "concat_ws(repeat('-', 9000), 'a', 'b', 'c')".to_owned(),
                "concat_ws(repeat('-', 90000), 'a', 'b', 'c')".to_owned(),
            ),
            (
                "replace(repeat('x', 1000), 'x', repeat('y', 90))".to_owned(),
                "replace(repeat('x', 1000), 'x', repeat('y', 1000))".to_owned(),
            ),
            (
                "replace(repeat('xyz', 10000), 'xyz', 'xyz')".to_owned(),
                "regexp_replace(repeat('x', 400), '(.*)', repeat('\\1', 400))".to_owned(),
            ),
            (
                "array_to_string(range(0, 900), repeat('-', 20))".to_owned(),
                "array_to_string(range(0, 900), repeat('-', 2000))".to_owned(),
            ),
            (
                "array_replace_all(array_repeat([1], 90), [1], range(0, 90))".to_owned(),
                "array_replace_all(array_repeat([1], 900), [1], range(0, 900))".to_owned(),
            ),
            (
                "make_array(range(0, 3000), range(0, 3000))".to_owned(),
                "make_array(range(0, 9000), range(0, 9000))".to_owned(),
            ),
            ("array_resize([1], 12000, 0)".to_owned(), "list_resize([1], 13000, 0)".to_owned()),
            ("range(0, 12000)".to_owned(), "range(13000)".to_owned()),
            ("range(0, 50000, 5)".to_owned(), "range(0, -50000, -1)".to_owned()),
            (
                "generate_series(DATE '2000-01-01', DATE '2026-01-01', INTERVAL '1 day')"
                    .to_owned(),
                "generate_series(DATE '2000-01-01', DATE '2026-01-01', INTERVAL '1 minute')"
                    .to_owned(),
            ),
        ] {
            assert!(ask(&format!("SELECT {short}")).await.is_ok(), "{short}");
            let refused = ask(&format!("SELECT {long}")).await.expect_err(&long);
            assert!(refused.contains("bytes"), "{long}: {refused}");
        }
        assert_eq!(ask("SELECT repeat(NULL, 5), repeat('x', NULL), repeat('x', -1)").await, Ok(1));
    }
}
