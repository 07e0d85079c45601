//! `sum` and `avg` of whole and exact numbers.
//!
//! The sum of `bigint` and of `numeric` is `numeric`, so it cannot overflow; DataFusion's wraps
//! around. An average is the quotient of sum and count, with the digits of PostgreSQL's division;
//! DataFusion's is a float.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Column, DFSchema, TableReference, internal_err, plan_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, Aggregate, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable, LogicalPlan,
    LogicalPlanBuilder, Signature, Volatility, Window, WindowFunctionDefinition, cast,
};
use datafusion::scalar::ScalarValue;

use super::arithmetic::{MAX_SCALE, NUMERIC_DIVIDE, WIDE_PRECISION, digits, is_numeric};

/// The type of a sum of `bigint`.
const BIGINT_SUM: DataType = DataType::Decimal128(30, 0);
/// Most digits of numbers of which 10 billion can be added in 38 digits.
const MAX_NARROW: u8 = 28;

/// `sum` and `avg` while a statement is planned, with the types of their results.
/// [`rewrite`] and [`rewrite_call`] replace them.
pub(super) fn functions() -> [AggregateUDF; 2] {
    let signature = Signature::user_defined(Volatility::Immutable);
    [sum_udaf(), avg_udaf()]
        .map(|inner| AggregateUDF::new_from_impl(Typed { inner, signature: signature.clone() }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Typed {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl AggregateUDFImpl for Typed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [of] if of.is_integer() || is_numeric(of) => Ok(types.to_vec()),
            [DataType::Null] => Ok(vec![DataType::Float64]),
            [of] if of.is_floating() => Ok(vec![DataType::Float64]),
            other => plan_err!("No function matches {}({other:?})", self.name()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [of] if of.is_integer() || is_numeric(of) => Ok(match self.name() {
                "avg" => DataType::Decimal256(WIDE_PRECISION, MAX_SCALE),
                _ => self.inner.return_type(&[widened(of).unwrap_or_else(|| of.clone())])?,
            }),
            _ => self.inner.return_type(types),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        internal_err!("{} was not rewritten", self.name())
    }
}

/// Rewrites the sums and averages of a node.
pub(super) fn rewrite(node: LogicalPlan) -> Result<LogicalPlan> {
    let (input, expressions) = match &node {
        LogicalPlan::Aggregate(node) => (&node.input, &node.aggr_expr),
        LogicalPlan::Window(node) => (&node.input, &node.window_expr),
        _ => return Ok(node),
    };
    let schema = input.schema();
    if !expressions.iter().any(|expr| is_exact(expr, "avg", schema)) {
        return Ok(node);
    }
    // The columns before the results.
    let fields = node.schema().iter();
    let before = node.schema().fields().len() - expressions.len();
    let column = |qualifier: Option<&TableReference>, name: &str| {
        Expr::Column(Column::new(qualifier.cloned(), name))
    };
    let mut columns = Vec::new();
    let mut parts = Vec::new();
    for (at, (qualifier, field)) in fields.enumerate() {
        let name = field.name();
        let Some(expr) = at.checked_sub(before).and_then(|at| expressions.get(at)) else {
            // The id of a grouping set, which only `grouping` uses.
            if name != Aggregate::INTERNAL_GROUPING_ID {
                columns.push(column(qualifier, name));
            }
            continue;
        };
        if !is_exact(expr, "avg", schema) {
            columns.push(column(qualifier, name));
            parts.push(expr.clone());
            continue;
        }
        let sum = sum_of(expr, schema);
        let count = with_function(expr, &count_udaf());
        let names = [format!("sum of {name}"), format!("count of {name}")];
        let [sum_name, count_name] = &names;
        let operands = vec![column(None, sum_name), column(None, count_name)];
        columns.push(NUMERIC_DIVIDE.call(operands).alias_qualified(qualifier.cloned(), name));
        parts.extend([sum.alias(sum_name), count.alias(count_name)]);
    }
    let input = Arc::clone(input);
    let node = match node {
        LogicalPlan::Aggregate(node) => {
            LogicalPlan::Aggregate(Aggregate::try_new(input, node.group_expr, parts)?)
        }
        _ => LogicalPlan::Window(Window::try_new(parts, input)?),
    };
    LogicalPlanBuilder::from(node).project(columns)?.build()
}

/// The type in which numbers are added, if it is not their own.
fn widened(of: &DataType) -> Option<DataType> {
    match of {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            Some(DataType::Int64)
        }
        of if of.is_integer() => Some(DataType::Decimal128(digits(of), 0)),
        DataType::Decimal128(precision, scale) if *precision > MAX_NARROW => {
            Some(DataType::Decimal256(WIDE_PRECISION, *scale))
        }
        _ => None,
    }
}

/// A call of `sum` or `avg`: of numbers that are exact it becomes a sum that has room for the result,
/// but averages are left to [`rewrite`].
pub(super) fn rewrite_call(expr: Expr, schema: &DFSchema) -> Expr {
    match expr {
        Expr::Alias(mut alias) => {
            *alias.expr = rewrite_call(std::mem::take(&mut *alias.expr), schema);
            Expr::Alias(alias)
        }
        expr if is_exact(&expr, "sum", schema) => sum_of(&expr, schema),
        expr if is_call(&expr, "sum") => with_function(&expr, &sum_udaf()),
        expr if is_call(&expr, "avg") && !is_exact(&expr, "avg", schema) => {
            with_function(&expr, &avg_udaf())
        }
        other => other,
    }
}

/// The sum of the argument of a call.
fn sum_of(expr: &Expr, schema: &DFSchema) -> Expr {
    let widen = |argument: &mut Expr| {
        if let Ok(of) = argument.get_type(schema)
            && let Some(wide) = widened(&of)
        {
            *argument = cast(std::mem::take(argument), wide);
        }
    };
    match with_function(expr, &sum_udaf()) {
        Expr::AggregateFunction(mut call) => {
            call.params.args.iter_mut().for_each(widen);
            Expr::AggregateFunction(call)
        }
        Expr::WindowFunction(mut call) => {
            let of = call.params.args.first().map(|argument| argument.get_type(schema));
            match of {
                // A window function keeps its whole argument in memory.
                Some(Ok(DataType::Int64)) => {
                    let sum = Arc::new(AggregateUDF::new_from_impl(BigintSum::new()));
                    call.fun = WindowFunctionDefinition::AggregateUDF(sum);
                }
                _ => call.params.args.iter_mut().for_each(widen),
            }
            Expr::WindowFunction(call)
        }
        other => other,
    }
}

fn is_call(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::AggregateFunction(call) => call.func.name() == name,
        Expr::WindowFunction(call) => call.fun.name() == name,
        _ => false,
    }
}

/// Whether this calls the function with a whole or exact number.
fn is_exact(expr: &Expr, name: &str, schema: &DFSchema) -> bool {
    let (function, arguments) = match expr {
        Expr::Alias(alias) => return is_exact(&alias.expr, name, schema),
        Expr::AggregateFunction(call) => (call.func.name(), &call.params.args),
        Expr::WindowFunction(call) => (call.fun.name(), &call.params.args),
        _ => return false,
    };
    let [argument] = arguments.as_slice() else { return false };
    let of = argument.get_type(schema);
    function == name && of.is_ok_and(|of| of.is_integer() || is_numeric(&of))
}

/// The same call of another aggregate.
fn with_function(expr: &Expr, function: &Arc<AggregateUDF>) -> Expr {
    let mut expr = expr.clone();
    loop {
        expr = match expr {
            Expr::Alias(alias) => *alias.expr,
            Expr::AggregateFunction(mut call) => {
                call.func = Arc::clone(function);
                return Expr::AggregateFunction(call);
            }
            Expr::WindowFunction(mut call) => {
                call.fun = WindowFunctionDefinition::AggregateUDF(Arc::clone(function));
                return Expr::WindowFunction(call);
            }
            other => return other,
        };
    }
}

/// The sum of `bigint` for window functions, as `numeric`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BigintSum {
    signature: Signature,
}

impl BigintSum {
    fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for BigintSum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(BIGINT_SUM)
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match arguments.is_distinct {
            true => internal_err!("window functions have no DISTINCT"),
            false => Ok(Box::new(Total { sum: 0, count: 0 })),
        }
    }
}

#[derive(Debug)]
struct Total {
    sum: i128,
    count: u64,
}

impl Total {
    fn add(&mut self, values: &[ArrayRef], sign: i128) -> u64 {
        let values = values.iter().flat_map(|values| values.as_primitive::<Int64Type>().iter());
        let mut count = 0;
        for value in values.flatten() {
            self.sum += sign * i128::from(value);
            count += 1;
        }
        count
    }
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count += self.add(values, 1);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count -= self.add(values, -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = (self.count > 0).then_some(self.sum);
        Ok(ScalarValue::Decimal128(sum, 30, 0))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("window functions have no partial sums")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("window functions have no partial sums")
    }
}
