//! `sum` and `avg` of whole and exact numbers.
//!
//! The sum of `bigint` and of `numeric` is `numeric`, so it cannot overflow; DataFusion's wraps
//! around. An average is the quotient of sum and count, with the digits of PostgreSQL's division;
//! DataFusion's is a float.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Window,
    WindowFunctionDefinition, cast,
};

use super::arithmetic::{NUMERIC_DIVIDE, digits, is_numeric};

/// Most digits of numbers of which 10 billion can be added in 38 digits.
const MAX_NARROW: u8 = 28;

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
    let column = |qualifier: Option<&_>, name: &str| {
        Expr::Column(Column::new(
            Option::<&datafusion::common::TableReference>::cloned(qualifier),
            name,
        ))
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
        let sum = sum_of(with_function(expr, &sum_udaf()), schema);
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

/// A call of `sum`, whose argument gets so many digits that the sum has room.
pub(super) fn sum_of(expr: Expr, schema: &DFSchema) -> Expr {
    if !is_exact(&expr, "sum", schema) {
        return expr;
    }
    let widened = |arguments: &mut Vec<Expr>| {
        let Some(argument) = arguments.first_mut() else { return };
        let wide = match argument.get_type(schema) {
            Ok(of @ (DataType::Int64 | DataType::UInt64 | DataType::UInt32)) => {
                DataType::Decimal128(digits(&of), 0)
            }
            Ok(DataType::Decimal128(precision, scale)) if precision > MAX_NARROW => {
                DataType::Decimal256(super::arithmetic::WIDE_PRECISION, scale)
            }
            _ => return,
        };
        *argument = cast(std::mem::take(argument), wide);
    };
    match expr {
        Expr::Alias(mut alias) => {
            *alias.expr = sum_of(std::mem::take(&mut *alias.expr), schema);
            Expr::Alias(alias)
        }
        Expr::AggregateFunction(mut call) => {
            widened(&mut call.params.args);
            Expr::AggregateFunction(call)
        }
        Expr::WindowFunction(mut call) => {
            widened(&mut call.params.args);
            Expr::WindowFunction(call)
        }
        other => other,
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
