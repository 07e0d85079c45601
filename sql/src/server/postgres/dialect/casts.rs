//! Casts, and other expressions whose meaning depends on types, after planning.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Time64MicrosecondArray};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, not_impl_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, Cast, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast,
};
use datafusion::scalar::ScalarValue;

use super::arithmetic::{FINITE, PRECISION, is_numeric};
use super::function::{Function, cast_checked};
use super::operators::compared;
use super::temporal::{
    self, INTERVAL, is_read, read_date, read_instant, read_interval, read_time, read_timestamp,
};
use super::text::{self, BYTES, REPLACEMENT, SHORT_TEXT, TEXT};
use super::zone::LocalZone;

/// Decimal places of an average.
const AVERAGE_DIGITS: i8 = 16;

/// Rewrites the expressions of a plan.
///
/// # Errors
/// When a constant is invalid, or the meaning would differ from PostgreSQL's.
pub(in crate::server::postgres) fn rewrite(plan: LogicalPlan, zone: &str) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = &node {
            schema.merge(&scan.projected_schema);
        }
        check_intervals(&node)?;
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| rewrite_expr(expr, &schema, zone))?;
            Ok(changed.update_data(|expr| name.restore(expr)))
        })?;
        node.transform_data(|node| Ok(Transformed::yes(signed_windows(node.recompute_schema()?)?)))
    });
    rewritten.map(|rewritten| rewritten.data)
}

/// Refuses to sort and group by intervals, whose order is that of their fields in Arrow.
fn check_intervals(node: &LogicalPlan) -> Result<()> {
    let schema = merge_schema(&node.inputs());
    let is_interval = |expr: &Expr| expr.get_type(&schema).is_ok_and(|of| of == INTERVAL);
    let uses = match node {
        LogicalPlan::Sort(sort) => sort.expr.iter().any(|sort| is_interval(&sort.expr)),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.iter().any(is_interval),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            input.schema().fields().iter().any(|field| *field.data_type() == INTERVAL)
        }
        _ => false,
    };
    match uses {
        true => not_impl_err!(
            "ORDER BY, GROUP BY and DISTINCT of intervals are not supported: use extract(epoch from x)"
        ),
        false => Ok(()),
    }
}

/// Window functions return `bigint`, where DataFusion's return unsigned integers.
fn signed_windows(node: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Window(window) = &node else { return Ok(node) };
    let inputs = window.input.schema().fields().len();
    let fields = window.schema.iter().enumerate();
    let mut has_unsigned = false;
    let columns: Vec<Expr> = fields
        .map(|(at, (qualifier, field))| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            if at >= inputs && *field.data_type() == DataType::UInt64 {
                has_unsigned = true;
                return cast(column, DataType::Int64)
                    .alias_qualified(qualifier.cloned(), field.name());
            }
            column
        })
        .collect();
    match has_unsigned {
        true => LogicalPlanBuilder::from(node).project(columns)?.build(),
        false => Ok(node),
    }
}

fn rewrite_expr(expr: Expr, schema: &DFSchema, zone: &str) -> Result<Transformed<Expr>> {
    let type_of = |expr: &Expr| expr.get_type(schema).ok();
    Ok(match expr {
        Expr::Cast(Cast { expr: inner, field }) => {
            let Some(from) = type_of(&inner) else {
                return Ok(Transformed::no(Expr::Cast(Cast { expr: inner, field })));
            };
            match convert(&inner, &from, field.data_type(), zone)? {
                Some(converted) => Transformed::yes(converted),
                None => Transformed::no(Expr::Cast(Cast { expr: inner, field })),
            }
        }
        Expr::Between(between) => {
            let Some(own) = type_of(&between.expr) else {
                return Ok(Transformed::no(Expr::Between(between)));
            };
            let bound = |bound: Box<Expr>| -> Result<Box<Expr>> {
                let of = type_of(&bound).unwrap_or(DataType::Null);
                Ok(Box::new(compared(*bound, &of, &own, zone)?))
            };
            let (low, high) = (bound(between.low)?, bound(between.high)?);
            let other = type_of(&low).unwrap_or(DataType::Null);
            let expr = Box::new(compared(*between.expr, &own, &other, zone)?);
            Transformed::yes(Expr::Between(Between { expr, negated: between.negated, low, high }))
        }
        Expr::InList(mut list) => {
            let Some(own) = type_of(&list.expr) else {
                return Ok(Transformed::no(Expr::InList(list)));
            };
            let is_mixed = is_read(&own) || own.is_floating();
            if !is_mixed {
                return Ok(Transformed::no(Expr::InList(list)));
            }
            for item in &mut list.list {
                let of = type_of(item).unwrap_or(DataType::Null);
                *item = compared(std::mem::take(item), &of, &own, zone)?;
            }
            if own == INTERVAL {
                *list.expr = compared(std::mem::take(&mut *list.expr), &own, &own, zone)?;
            }
            Transformed::yes(Expr::InList(list))
        }
        Expr::ScalarFunction(call) => {
            let types: Vec<DataType> = call
                .args
                .iter()
                .map(|argument| type_of(argument).unwrap_or(DataType::Null))
                .collect();
            let mut call = call;
            let mut is_changed = false;
            match call.func.name() {
                "coalesce" | "nullif" | "greatest" | "least" if is_mixed(&types) => {
                    is_changed = true;
                    for (argument, of) in call.args.iter_mut().zip(&types) {
                        *argument = float(std::mem::take(argument), of);
                    }
                }
                "ln" | "log" | "log2" | "log10" | "exp" | "power" | "sqrt" => {
                    let mut arguments = call.args.clone();
                    arguments.insert(0, Expr::ScalarFunction(call));
                    return Ok(Transformed::yes(FINITE.call(arguments)));
                }
                "ceil" | "floor" if types.first().is_some_and(is_numeric) => {
                    let whole = DataType::Decimal128(PRECISION, 0);
                    return Ok(Transformed::yes(cast(Expr::ScalarFunction(call), whole)));
                }
                "regexp_match" | "regexp_like" | "regexp_count" | "regexp_instr" => {
                    is_changed = dot_matches_all(&mut call.args);
                }
                "concat" | "concat_ws" => {
                    for (argument, of) in call.args.iter_mut().zip(&types) {
                        let is_text = of.is_string() || of.is_integer() || of.is_null();
                        if !is_text {
                            is_changed = true;
                            *argument = SHORT_TEXT.call(vec![std::mem::take(argument)]);
                        }
                    }
                }
                // In the connection's time zone.
                "date_trunc" => {
                    if let Some(DataType::Timestamp(unit, Some(own))) = types.get(1)
                        && &**own != zone
                    {
                        is_changed = true;
                        let zoned = DataType::Timestamp(*unit, Some(zone.into()));
                        call.args[1] = cast(std::mem::take(&mut call.args[1]), zoned);
                    }
                }
                "regexp_replace" if call.args.len() >= 3 => {
                    is_changed = true;
                    dot_matches_all(&mut call.args);
                    call.args[2] = match &call.args[2] {
                        Expr::Literal(value, _) if value.try_as_str().is_some() => {
                            let text = value.try_as_str().flatten();
                            Expr::Literal(ScalarValue::Utf8(text.map(text::replacement)), None)
                        }
                        other => REPLACEMENT.call(vec![other.clone()]),
                    };
                }
                "timezone" if matches!(types.get(1), Some(DataType::Utf8 | DataType::Utf8View)) => {
                }
                _ => {}
            }
            let expr = Expr::ScalarFunction(call);
            match type_of(&expr) {
                Some(DataType::UInt64) => Transformed::yes(cast(expr, DataType::Int64)),
                _ if is_changed => Transformed::yes(expr),
                _ => Transformed::no(expr),
            }
        }
        Expr::Case(mut case) => {
            let results = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            let types: Vec<DataType> = results.filter_map(|result| type_of(result)).collect();
            if !is_mixed(&types) {
                return Ok(Transformed::no(Expr::Case(case)));
            }
            let results = case.when_then_expr.iter_mut().map(|(_, then)| then);
            for result in results.chain(&mut case.else_expr) {
                let of = type_of(result).unwrap_or(DataType::Null);
                **result = float(std::mem::take(&mut **result), &of);
            }
            Transformed::yes(Expr::Case(case))
        }
        Expr::AggregateFunction(mut call) if call.func.name() == "avg" => {
            widen_average(&mut call.params.args, schema);
            Transformed::yes(Expr::AggregateFunction(call))
        }
        Expr::WindowFunction(mut call) if call.fun.name() == "avg" => {
            widen_average(&mut call.params.args, schema);
            Transformed::yes(Expr::WindowFunction(call))
        }
        other => Transformed::no(other),
    })
}

/// Makes `.` in a constant pattern match line breaks, too.
fn dot_matches_all(arguments: &mut [Expr]) -> bool {
    if let Some(Expr::Literal(pattern, _)) = arguments.get(1)
        && let Some(regex) = pattern.try_as_str().flatten().and_then(text::regex)
    {
        arguments[1] = Expr::Literal(ScalarValue::Utf8(Some(regex)), None);
        return true;
    }
    false
}

/// Whether exact numbers and floats are mixed.
fn is_mixed(types: &[DataType]) -> bool {
    types.iter().any(is_numeric) && types.iter().any(DataType::is_floating)
}

fn float(expr: Expr, of: &DataType) -> Expr {
    if is_numeric(of) { cast(expr, DataType::Float64) } else { expr }
}

/// DataFusion's average of exact numbers has four more decimal places than they.
fn widen_average(arguments: &mut [Expr], schema: &DFSchema) {
    for argument in arguments {
        if let Ok(DataType::Decimal128(_, scale)) = argument.get_type(schema)
            && scale < AVERAGE_DIGITS - 4
        {
            let wide = DataType::Decimal128(PRECISION, AVERAGE_DIGITS - 4);
            *argument = cast(std::mem::take(argument), wide);
        }
    }
}

/// A cast with PostgreSQL's meaning; `None` if DataFusion's has it.
fn convert(inner: &Expr, from: &DataType, to: &DataType, zone: &str) -> Result<Option<Expr>> {
    let text = match inner {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    };
    let is_text = from.is_string();
    if is_text && is_read(to) {
        return Ok(Some(match text {
            Some(text) => Expr::Literal(typed_literal(text, to, zone, false)?, None),
            None if *to == DataType::Date32 => READ_DATE.call(vec![inner.clone()]),
            None => match to {
                DataType::Timestamp(_, None) => READ_TIMESTAMP.call(vec![inner.clone()]),
                DataType::Timestamp(_, Some(_)) => READ_INSTANT.call(vec![inner.clone()]),
                DataType::Time64(_) => READ_TIME.call(vec![inner.clone()]),
                _ => READ_INTERVAL.call(vec![inner.clone()]),
            },
        }));
    }
    if is_text && matches!(to, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) {
        return Ok(Some(match text {
            Some(text) => Expr::Literal(ScalarValue::Binary(Some(text::bytes(text)?)), None),
            None => BYTES.call(vec![inner.clone()]),
        }));
    }
    if to.is_string() {
        let is_same = is_text
            || from.is_integer()
            || from.is_null()
            || matches!(from, DataType::Boolean | DataType::Dictionary(..));
        return Ok((!is_same).then(|| TEXT.call(vec![inner.clone()])));
    }
    if to.is_integer() && (from.is_floating() || is_numeric(from)) {
        return Ok(Some(cast(ROUND_FOR_CAST.call(vec![inner.clone()]), to.clone())));
    }
    // A time zone is given or taken in the connection's zone.
    if let (DataType::Timestamp(_, own), DataType::Timestamp(unit, other)) = (from, to) {
        return Ok(match (own, other) {
            (Some(_), None) => {
                let local = cast(inner.clone(), DataType::Timestamp(*unit, Some(zone.into())));
                Some(datafusion::functions::datetime::expr_fn::to_local_time(vec![local]))
            }
            _ => None,
        });
    }
    if let (DataType::Timestamp(unit, Some(_)), DataType::Date32) = (from, to) {
        let local = cast(inner.clone(), DataType::Timestamp(*unit, Some(zone.into())));
        let local = datafusion::functions::datetime::expr_fn::to_local_time(vec![local]);
        return Ok(match zone {
            "UTC" => None,
            _ => Some(cast(local, DataType::Date32)),
        });
    }
    Ok(None)
}

/// The value of a constant text. With `clamp` a timestamp beyond those of its type becomes the last
/// one, for comparisons.
pub(super) fn typed_literal(
    text: &str,
    to: &DataType,
    zone: &str,
    clamp: bool,
) -> Result<ScalarValue> {
    let local_zone = LocalZone::of_session(zone)?;
    let micros = match to {
        DataType::Date32 => return Ok(ScalarValue::Date32(Some(read_date(text)?))),
        DataType::Time64(_) => {
            let value: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![read_time(text)?]));
            return ScalarValue::try_from_array(&cast_checked(&value, to)?, 0);
        }
        DataType::Timestamp(_, None) => read_timestamp(text)?,
        DataType::Timestamp(_, Some(_)) => read_instant(text, &local_zone)?,
        _ => return Ok(ScalarValue::IntervalMonthDayNano(Some(read_interval(text)?))),
    };
    let DataType::Timestamp(unit, zone) = to else { return ScalarValue::try_new_null(to) };
    Ok(match unit {
        TimeUnit::Nanosecond => {
            let nanos = match micros.checked_mul(1000) {
                Some(nanos) => nanos,
                None if clamp && micros > 0 => i64::MAX,
                None if clamp => i64::MIN + 1,
                None => return datafusion::common::exec_err!("timestamp out of range: \"{text}\""),
            };
            ScalarValue::TimestampNanosecond(Some(nanos), zone.clone())
        }
        TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()),
        // A part of a unit decides comparisons, so the finer type is kept.
        _ => ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()),
    })
}

const READ_DATE: Function = Function {
    name: "read_date",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Date32),
    compute: temporal::read,
};

const READ_TIMESTAMP: Function = Function {
    name: "read_timestamp",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
    compute: temporal::read,
};

const READ_INSTANT: Function = Function {
    name: "read_timestamptz",
    arguments: 1..=1,
    returns: |_| Ok(temporal::zoned("UTC")),
    compute: temporal::read,
};

const READ_TIME: Function = Function {
    name: "read_time",
    arguments: 1..=1,
    returns: |_| Ok(DataType::Time64(TimeUnit::Microsecond)),
    compute: temporal::read,
};

const READ_INTERVAL: Function = Function {
    name: "read_interval",
    arguments: 1..=1,
    returns: |_| Ok(INTERVAL),
    compute: temporal::read,
};

/// A number rounded to a whole one, before it is cast: floats half to even, exact numbers half away
/// from zero.
const ROUND_FOR_CAST: Function = Function {
    name: "rounded",
    arguments: 1..=1,
    returns: |types| {
        Ok(match types.of(0) {
            DataType::Decimal128(..) => DataType::Decimal128(PRECISION, 0),
            _ => DataType::Float64,
        })
    },
    compute: |call| {
        let values = call.column(0)?;
        match values.data_type() {
            DataType::Decimal128(..) => super::numeric::round(&values, 0),
            _ => round_even(&call.cast(0, &DataType::Float64)?),
        }
    },
};

pub(super) fn round_even(values: &ArrayRef) -> Result<ArrayRef> {
    let floats = values.as_primitive::<Float64Type>();
    Ok(Arc::new(floats.unary::<_, Float64Type>(f64::round_ties_even) as Float64Array))
}
