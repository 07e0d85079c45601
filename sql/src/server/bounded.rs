//! Functions whose values are as long as their arguments say: they must not take more than a
//! statement may hold, and no pool of memory hears of them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, FieldRef, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, TimeUnit,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};
use datafusion::prelude::SessionContext;

use crate::failure::OF_ONE;

/// A value is copied on its way to the client: it may take this part of a statement's memory.
const PART: usize = 4;
/// Bytes of an element of a list, at least.
const ELEMENT: f64 = 8.0;

/// How many bytes a row makes, from the arguments.
type Length = fn(&[ArrayRef], usize) -> f64;

const FUNCTIONS: [(&str, Length); 7] = [
    ("repeat", |arguments, row| bytes(arguments, row) * number(arguments, 1, row)),
    ("lpad", |arguments, row| number(arguments, 1, row)),
    ("rpad", |arguments, row| number(arguments, 1, row)),
    ("array_repeat", |arguments, row| element(arguments, 0, row) * number(arguments, 1, row)),
    ("array_resize", |arguments, row| element(arguments, 2, row) * number(arguments, 1, row)),
    ("range", span),
    ("generate_series", span),
];

/// Puts guards before those functions of a session, whose statements may hold `memory` bytes.
///
/// # Errors
/// When a function cannot be put back.
pub(super) fn bound(session: &SessionContext, memory: usize) -> Result<()> {
    let state = session.state_ref();
    let mut state = state.write();
    for (name, length) in FUNCTIONS {
        let inner = state.udf(name)?;
        let guarded = Bounded { inner, length, most: memory / PART, memory };
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(guarded)))?;
    }
    Ok(())
}

fn bytes(arguments: &[ArrayRef], row: usize) -> f64 {
    let text = cast(&arguments[0].slice(row, 1), &DataType::Utf8).ok();
    text.map_or(0.0, |text| text.as_string::<i32>().value(0).len() as f64)
}

fn element(arguments: &[ArrayRef], at: usize, row: usize) -> f64 {
    let one = arguments.get(at).map(|values| values.slice(row, 1).to_data());
    let size = one.and_then(|one| one.get_slice_memory_size().ok()).unwrap_or(0);
    let text = if arguments.len() > at { bytes(&arguments[at..], row) } else { 0.0 };
    ELEMENT.max(size as f64).max(text)
}

/// A number, of elements or bytes; 0 for NULL and below it.
fn number(arguments: &[ArrayRef], at: usize, row: usize) -> f64 {
    let Some(argument) = arguments.get(at).filter(|argument| argument.is_valid(row)) else {
        return 0.0;
    };
    let float = cast(&argument.slice(row, 1), &DataType::Float64).ok();
    float.map_or(0.0, |float| float.as_primitive::<Float64Type>().value(0)).max(0.0)
}

/// From a start to an end by steps: of integers, or of instants by an interval.
fn span(arguments: &[ArrayRef], row: usize) -> f64 {
    let [first, rest @ ..] = arguments else { return 0.0 };
    let Some(end) = rest.first() else { return ELEMENT * number(arguments, 0, row) };
    let kind = match first.data_type() {
        kind if kind.is_temporal() => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => DataType::Int64,
    };
    let place = |array: &ArrayRef| {
        let place = cast(&cast(&array.slice(row, 1), &kind).ok()?, &DataType::Int64).ok()?;
        place.is_valid(0).then(|| place.as_primitive::<Int64Type>().value(0) as f64)
    };
    let (Some(from), Some(to)) = (place(first), place(end)) else { return 0.0 };
    let step = match rest.get(1) {
        Some(step) if kind.is_temporal() => microseconds(step, row),
        Some(step) => place(step).unwrap_or(1.0),
        None => 1.0,
    };
    if step == 0.0 { 0.0 } else { ELEMENT * ((to - from) / step).max(0.0) }
}

fn microseconds(step: &ArrayRef, row: usize) -> f64 {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let Ok(step) = cast(&step.slice(row, 1), &interval) else { return 1.0 };
    let IntervalMonthDayNano { months, days, nanoseconds } =
        step.as_primitive::<IntervalMonthDayNanoType>().value(0);
    const DAY: f64 = 86_400e6;
    f64::from(months) * 28.0 * DAY + f64::from(days) * DAY + nanoseconds as f64 / 1e3
}

/// A function with a guard before it.
#[derive(Debug)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    length: Length,
    /// Most bytes that the values of one batch may take.
    most: usize,
    /// Of so many, for the error.
    memory: usize,
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

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn simplify(
        &self,
        arguments: Vec<Expr>,
        context: &SimplifyContext,
    ) -> Result<ExprSimplifyResult> {
        self.inner.simplify(arguments, context)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // Values that are the same in every row are made once.
        let is_one = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let rows = if is_one { 1 } else { arguments.number_rows };
        let one = |argument: &ColumnarValue| argument.to_array_of_size(rows);
        let columns = arguments.args.iter().map(one).collect::<Result<Vec<_>>>()?;
        let length: f64 = (0..rows).map(|row| (self.length)(&columns, row)).sum();
        if length > self.most as f64 {
            let (name, memory) = (self.name(), self.memory);
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{name} asked for {length} bytes more, which may be a quarter of it, {OF_ONE} 0 of \
                 its {memory}"
            )));
        }
        self.inner.invoke_with_args(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::bound;
    use crate::session::{Options, session};

    async fn ask(sql: &str) -> Result<usize, String> {
        let session = session(&Options::default()).unwrap();
        bound(&session, 400_000).unwrap();
        let frame = session.sql(sql).await.map_err(|error| error.to_string())?;
        let batches = frame.collect().await.map_err(|error| error.to_string())?;
        Ok(batches.iter().map(|batch| batch.num_rows()).sum())
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
            let refused = ask(&format!("SELECT {long}")).await.unwrap_err();
            assert!(refused.contains("bytes more"), "{long}: {refused}");
        }
        assert_eq!(ask("SELECT repeat(NULL, 5), repeat('x', NULL), repeat('x', -1)").await, Ok(1));
    }
}
