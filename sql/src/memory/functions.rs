//! Functions whose output can dwarf their input, such as `repeat`: each call is checked before it
//! is made, because nothing can interrupt it.
//!
//! A call may produce a part of a statement's memory, and no more than the process has room for at
//! that moment. So calls whose results exist at the same time are checked against what the earlier
//! ones have really taken.
//!
//! Concatenation is among them although its output is only the sum of its inputs: constant
//! expressions are evaluated while a statement is planned, outside of all operators, and
//! `a || a || a ...` repeats one value as often as a text of 1 MiB can name it.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::compute::kernels::concat_elements::concat_elements_dyn;
use arrow::datatypes::{
    DataType, FieldRef, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimeUnit,
};
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Documentation, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;

use super::monitor::MemoryMonitor;
use super::sizes::{ELEMENT, PART, lengths, numbers, sizes, too_large};

/// Calls that produce less are not checked against the memory of the process.
const SMALL: f64 = (16 << 20) as f64;
/// Most steps of a call of `levenshtein`, which takes about a second for so many.
const MAX_STEPS: usize = 1 << 30;
/// The operator that joins texts, as a function.
const CONCAT: &str = "||";

/// What a call costs at most.
enum Cost {
    Bytes(f64),
    Steps(f64),
}

/// Computes what a call costs.
type CostOf = fn(&Arguments) -> Cost;

/// The functions, and what a call costs.
const FUNCTIONS: [(&str, CostOf); 22] = [
    ("repeat", |call| call.bytes(|row| row.size(0) * row.number(1))),
    ("lpad", |call| call.bytes(|row| 4.0 * row.number(1))),
    ("rpad", |call| call.bytes(|row| 4.0 * row.number(1))),
    ("replace", |call| {
        call.bytes(|row| row.size(0) + (row.size(0) / row.size(1).max(1.0) + 1.0) * row.size(2))
    }),
    // A replacement can contain the match.
    ("regexp_replace", |call| {
        call.bytes(|row| row.size(0) + (2.0 * row.size(0) + 1.0) * row.size(2))
    }),
    ("encode", |call| call.bytes(|row| 2.0 * row.size(0))),
    // A pattern of two characters can stand for 35.
    ("to_char", |call| call.bytes(|row| 18.0 * row.size(1))),
    ("string_to_array", |call| call.bytes(|row| 17.0 * row.size(0))),
    ("concat", total),
    ("concat_ws", |call| call.bytes(|row| row.total() + row.count() * row.size(0))),
    (CONCAT, total),
    ("make_array", total),
    ("array_append", total),
    ("array_prepend", total),
    ("array_concat", total),
    ("array_repeat", |call| call.bytes(|row| row.size(0).max(ELEMENT) * row.number(1))),
    ("array_resize", |call| call.bytes(|row| row.size(2).max(ELEMENT) * row.number(1))),
    ("array_replace_all", |call| call.bytes(|row| row.size(0) + row.length(0) * row.size(2))),
    ("array_to_string", |call| {
        call.bytes(|row| row.length(0) * (row.size(1) + row.size(2)) + 5.0 * row.size(0))
    }),
    ("range", |call| Cost::Bytes(call.series())),
    ("generate_series", |call| Cost::Bytes(call.series())),
    ("levenshtein", |call| match call.bytes(|row| row.size(0) * row.size(1)) {
        Cost::Bytes(steps) | Cost::Steps(steps) => Cost::Steps(steps),
    }),
];

fn total(call: &Arguments) -> Cost {
    call.bytes(|row| row.total())
}

/// Adds the checks to a session.
///
/// # Errors
/// When a function cannot be registered.
pub(crate) fn limit_functions(
    session: &SessionContext,
    monitor: &Arc<MemoryMonitor>,
) -> Result<()> {
    let state = session.state_ref();
    let mut state = state.write();
    let checks = Checks { monitor: Arc::clone(monitor) };
    for (name, _) in FUNCTIONS.iter().filter(|(name, _)| *name != CONCAT) {
        if let Some(checked) = checks.of(&state.udf(name)?) {
            state.register_udf(checked)?;
        }
    }
    state.register_function_rewrite(Arc::new(checks))
}

/// The arguments of a call.
struct Arguments {
    rows: usize,
    columns: Vec<Column>,
}

/// An argument, with one value for each row or one for all rows, and what is computed of it once it
/// is needed.
struct Column {
    array: ArrayRef,
    sizes: OnceCell<Vec<f64>>,
    lengths: OnceCell<Vec<f64>>,
    numbers: OnceCell<Vec<f64>>,
}

impl Arguments {
    fn of(call: &ScalarFunctionArgs) -> Result<Self> {
        let is_scalar = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        // A call with scalars only is made for one row.
        let rows = if call.args.iter().all(is_scalar) { 1 } else { call.number_rows };
        let columns = call.args.iter().map(|value| {
            let array = value.to_array_of_size(if is_scalar(value) { 1 } else { rows })?;
            let (sizes, lengths, numbers) = Default::default();
            Ok::<_, DataFusionError>(Column { array, sizes, lengths, numbers })
        });
        Ok(Self { rows, columns: columns.collect::<Result<_>>()? })
    }

    fn bytes(&self, of_row: impl Fn(Row<'_>) -> f64) -> Cost {
        Cost::Bytes((0..self.rows).map(|row| of_row(Row { call: self, row })).sum())
    }

    /// Bytes of lists from a start to an end by steps: of integers, or of times by an interval.
    fn series(&self) -> f64 {
        let kind = match self.columns.first().map(|first| first.array.data_type()) {
            Some(kind) if kind.is_temporal() => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => DataType::Int64,
        };
        let column = |at: usize| {
            let column = cast(&self.columns.get(at)?.array, &kind).ok()?;
            cast(&column, &DataType::Int64).ok()
        };
        let step = match self.columns.get(2).map(|step| &step.array) {
            Some(step) if matches!(step.data_type(), DataType::Interval(_)) => microseconds(step),
            _ => column(2),
        };
        let columns = [column(0), column(1), step];
        let value = |at: usize, row: usize| {
            let column = columns[at].as_ref()?.as_primitive::<Int64Type>();
            let row = if column.len() == 1 { 0 } else { row };
            column.is_valid(row).then(|| column.value(row) as f64)
        };
        let of_row = |row: usize| match (value(0, row), value(1, row)) {
            (Some(end), None) => end,
            (Some(start), Some(end)) => match value(2, row).unwrap_or(1.0) {
                0.0 => 0.0,
                step => (end - start) / step,
            },
            _ => 0.0,
        };
        (0..self.rows).map(|row| ELEMENT * of_row(row).max(0.0)).sum()
    }
}

fn microseconds(steps: &ArrayRef) -> Option<ArrayRef> {
    const DAY: i64 = 86_400_000_000;
    let steps = cast(steps, &DataType::Interval(IntervalUnit::MonthDayNano)).ok()?;
    let steps = steps.as_primitive::<IntervalMonthDayNanoType>();
    let steps = steps.unary::<_, Int64Type>(|step| {
        let IntervalMonthDayNano { months, days, nanoseconds } = step;
        let days = i64::from(months) * 28 + i64::from(days);
        days.saturating_mul(DAY).saturating_add(nanoseconds / 1000)
    });
    Some(Arc::new(steps))
}

/// The arguments in one row; 0 for NULL and for what is left out.
#[derive(Clone, Copy)]
struct Row<'a> {
    call: &'a Arguments,
    row: usize,
}

impl Row<'_> {
    fn of(self, at: usize, values: impl Fn(&Column) -> &Vec<f64>) -> f64 {
        let Some(column) = self.call.columns.get(at) else { return 0.0 };
        let values = values(column);
        values.get(if values.len() == 1 { 0 } else { self.row }).copied().unwrap_or(0.0)
    }

    fn size(self, at: usize) -> f64 {
        self.of(at, |column| column.sizes.get_or_init(|| sizes(&column.array)))
    }

    fn length(self, at: usize) -> f64 {
        self.of(at, |column| column.lengths.get_or_init(|| lengths(&column.array)))
    }

    fn number(self, at: usize) -> f64 {
        self.of(at, |column| {
            column.numbers.get_or_init(|| numbers(&column.array).unwrap_or_default())
        })
    }

    fn count(self) -> f64 {
        self.call.columns.len() as f64
    }

    fn total(self) -> f64 {
        (0..self.call.columns.len()).map(|at| self.size(at)).sum()
    }
}

/// Adds checks to functions that no statement names: those that stand for operators.
#[derive(Debug)]
struct Checks {
    monitor: Arc<MemoryMonitor>,
}

impl Checks {
    /// The function with a check, if it needs one and has none.
    fn of(&self, inner: &Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
        let (_, cost) = FUNCTIONS.iter().find(|(name, _)| *name == inner.name())?;
        if inner.inner().is::<CheckedFunction>() {
            return None;
        }
        let (inner, cost, monitor) = (Arc::clone(inner), *cost, Arc::clone(&self.monitor));
        Some(Arc::new(ScalarUDF::new_from_impl(CheckedFunction { inner, cost, monitor })))
    }
}

impl FunctionRewrite for Checks {
    fn name(&self) -> &'static str {
        "check_sizes"
    }

    fn rewrite(&self, expr: Expr, _: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (function, args) = match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => match *left
            {
                // A chain is one call, because planning nested calls takes long.
                Expr::ScalarFunction(mut call) if call.func.name() == CONCAT => {
                    call.args.push(*right);
                    return Ok(Transformed::yes(Expr::ScalarFunction(call)));
                }
                left => (Arc::new(ScalarUDF::new_from_impl(Concat::default())), vec![left, *right]),
            },
            Expr::ScalarFunction(ScalarFunction { func, args }) => (func, args),
            other => return Ok(Transformed::no(other)),
        };
        let checked = self.of(&function);
        let is_new = checked.is_some();
        let func = checked.unwrap_or(function);
        let call = Expr::ScalarFunction(ScalarFunction { func, args });
        Ok(Transformed::new_transformed(call, is_new))
    }
}

/// `||` of texts or bytes as a function; NULL if one of them is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concat {
    signature: Signature,
}

impl Default for Concat {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &'static str {
        CONCAT
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

/// A function with a check before each call. It is not simplified, which could remove the check.
#[derive(Debug)]
struct CheckedFunction {
    inner: Arc<ScalarUDF>,
    cost: CostOf,
    monitor: Arc<MemoryMonitor>,
}

// The check changes no value.
impl PartialEq for CheckedFunction {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for CheckedFunction {}

impl std::hash::Hash for CheckedFunction {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl CheckedFunction {
    fn check(&self, cost: Cost) -> Result<()> {
        match cost {
            Cost::Bytes(bytes) => {
                let limit = self.monitor.statement_limit() / PART;
                if bytes > limit as f64 {
                    return Err(too_large(self.name(), bytes, limit));
                }
                if bytes > SMALL && !self.monitor.has_room_for(bytes) {
                    return Err(DataFusionError::ResourcesExhausted(format!(
                        "{} needs {bytes:.0} bytes, which are not left",
                        self.name()
                    )));
                }
            }
            Cost::Steps(steps) if steps > MAX_STEPS as f64 => {
                return Err(DataFusionError::Execution(format!(
                    "{} needs {steps:.0} steps for one batch, and the limit is {MAX_STEPS}: use \
                     shorter texts",
                    self.name()
                )));
            }
            Cost::Steps(_) => {}
        }
        Ok(())
    }
}

impl ScalarUDFImpl for CheckedFunction {
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
        self.check((self.cost)(&Arguments::of(&arguments)?))?;
        self.inner.invoke_with_args(arguments)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::SessionContext;

    use super::limit_functions;
    use crate::memory::MemoryMonitor;
    use crate::session::{Options, session};

    fn checked(room: usize) -> SessionContext {
        let session = session(&Options::default()).unwrap();
        limit_functions(&session, &MemoryMonitor::start(room, 400_000).unwrap()).unwrap();
        session
    }

    async fn ask(session: &SessionContext, sql: &str) -> Result<String, String> {
        let frame = session.sql(sql).await.map_err(|error| error.to_string())?;
        let batches = frame.collect().await.map_err(|error| error.to_string())?;
        Ok(pretty_format_batches(&batches).unwrap().to_string())
    }

    #[tokio::test]
    async fn concatenation_gives_the_same_values_as_without_checks() {
        let (plain, checked) = (session(&Options::default()).unwrap(), checked(usize::MAX));
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
            let sql = format!(
                "SELECT {joined} AS joined FROM (VALUES ('x', 1), (NULL, 2), ('', NULL)) t(a, n)"
            );
            let (plain, checked) = (ask(&plain, &sql).await, ask(&checked, &sql).await);
            assert_eq!(checked.map_err(drop), plain.map_err(drop), "{joined}");
        }
    }

    #[tokio::test]
    async fn calls_that_produce_too_much_are_refused() {
        let session = checked(usize::MAX);
        let many = "FROM generate_series(1, 1000) AS many(n)";
        for (small, large, function) in [
            ("repeat('ab', 40000)", "repeat('ab', 60000)", "repeat"),
            ("lpad('x', 20000)", "lpad('x', 110000)", "lpad"),
            ("rpad('x', 20000, 'yz')", "rpad('x', 2000000000, 'yz')", "rpad"),
            ("array_repeat(1, 12000)", "list_repeat(1, 13000)", "array_repeat"),
            (
                "array_repeat(array_repeat(1, 90), 90)",
                "array_repeat(array_repeat(1, 1000), 1000)",
                "array_repeat",
            ),
            (
                "array_repeat(arrow_cast(repeat('x', 90), 'Utf8View'), 900)",
                "array_repeat(arrow_cast(repeat('x', 900), 'Utf8View'), 900)",
                "array_repeat",
            ),
            ("repeat('x', 40000) || 'y'", "repeat('x', 60000) || repeat('y', 60000)", "||"),
            (
                "array_repeat(1, 6000) || array_repeat(2, 6000)",
                "array_repeat(1, 12000) || array_repeat(2, 12000)",
                "array_concat",
            ),
            ("range(0, 12000) || 1", "range(0, 12500) || 1", "array_append"),
            (
                "concat_ws(repeat('-', 9000), 'a', 'b', 'c')",
                "concat_ws(repeat('-', 90000), 'a', 'b', 'c')",
                "concat_ws",
            ),
            (
                "replace(repeat('xyz', 10000), 'xyz', 'xyz')",
                "replace(repeat('x', 1000), 'x', repeat('y', 1000))",
                "replace",
            ),
            (
                "regexp_replace('xx', '(.*)', repeat('\\1', 400))",
                "regexp_replace(repeat('x', 400), '(.*)', repeat('\\1', 400))",
                "regexp_replace",
            ),
            (
                "array_to_string(range(0, 900), repeat('-', 20))",
                "array_to_string(range(0, 900), repeat('-', 2000))",
                "array_to_string",
            ),
            (
                "array_replace_all(array_repeat([1], 90), [1], range(0, 90))",
                "array_replace_all(array_repeat([1], 900), [1], range(0, 900))",
                "array_replace_all",
            ),
            (
                "make_array(range(0, 3000), range(0, 3000))",
                "make_array(range(0, 9000), range(0, 9000))",
                "make_array",
            ),
            ("array_resize([1], 12000, 0)", "list_resize([1], 13000, 0)", "array_resize"),
            ("range(0, 12000)", "range(13000)", "range"),
            ("range(0, 50000, 5)", "range(0, -50000, -1)", "range"),
            (
                "generate_series(DATE '2000-01-01', DATE '2026-01-01', INTERVAL '1 day')",
                "generate_series(DATE '2000-01-01', DATE '2026-01-01', INTERVAL '1 minute')",
                "generate_series",
            ),
            (
                "levenshtein(repeat('a', 30000), repeat('b', 30000))",
                "levenshtein(repeat('a', 40000), repeat('b', 40000))",
                "levenshtein",
            ),
        ] {
            ask(&session, &format!("SELECT {small}")).await.expect(small);
            let refused = ask(&session, &format!("SELECT {large}")).await.expect_err(large);
            assert!(refused.contains(&format!("{function} needs ")), "{large}: {refused}");
        }
        for (small, large) in [
            ("repeat('x', 90)", "repeat('x', n)"),
            ("n || repeat('x', 50)", "n || repeat('x', 500)"),
        ] {
            ask(&session, &format!("SELECT {small} {many}")).await.expect(small);
            ask(&session, &format!("SELECT {large} {many}")).await.expect_err(large);
        }
        let nothing = "SELECT repeat(NULL, 5), repeat('x', NULL), repeat('x', -1)";
        ask(&session, nothing).await.unwrap();
    }

    #[tokio::test]
    async fn calls_are_refused_when_the_process_has_no_room() {
        let options = session(&Options::default()).unwrap();
        let monitor = MemoryMonitor::start(0, 1 << 30).unwrap();
        limit_functions(&options, &Arc::clone(&monitor)).unwrap();
        ask(&options, "SELECT length(repeat('x', 1000))").await.unwrap();
        let refused = ask(&options, "SELECT length(repeat('x', 100000000))").await.unwrap_err();
        assert!(refused.contains("repeat needs 100000000 bytes"), "{refused}");
    }
}
