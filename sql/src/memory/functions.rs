//! Functions whose output can dwarf their input, such as `repeat`: each call is checked before it
//! is made, because nothing can interrupt it.
//!
//! A call may produce a part of a statement's memory, and no more than the process has room for at
//! that moment. So calls whose results exist at the same time are checked against what the earlier
//! ones have really taken.

use std::cell::OnceCell;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, FieldRef, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    TimeUnit,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion::prelude::SessionContext;

use super::sizes::{ELEMENT, lengths, numbers, sizes};
use super::{MemoryMonitor, PART, too_large};

/// Calls that produce less are not checked against the memory of the process.
const SMALL: f64 = (16 << 20) as f64;
/// Most steps of a call of `levenshtein`, which takes about a second for so many.
const MAX_STEPS: usize = 1 << 30;

/// What a call costs at most.
enum Cost {
    Bytes(f64),
    Steps(f64),
}

/// Computes what a call costs.
type CostOf = fn(&Arguments) -> Cost;

/// The functions, and what a call costs.
const FUNCTIONS: [(&str, CostOf); 12] = [
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
    for (name, cost) in FUNCTIONS {
        let (inner, monitor) = (state.udf(name)?, Arc::clone(monitor));
        let checked = CheckedFunction { inner, cost, monitor };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(checked)))?;
    }
    Ok(())
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
        for (small, large) in [("repeat('x', 90)", "repeat('x', n)")] {
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
