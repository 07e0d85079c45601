//! Casts, and other expressions whose meaning depends on types, after planning.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, not_impl_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, Cast, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast,
};
use datafusion::scalar::ScalarValue;

use super::arithmetic::{FINITE, PRECISION, is_numeric, round_even, subtract_integers};
use super::function::Function;
use super::literals::{compared, narrow, typed_literal};
use super::numeric::NUMERIC;
use super::numeric_aggregates::{self, sum_of};
use super::temporal::{self, INTERVAL, is_read};
use super::text::{self, BYTES, REPLACEMENT, SHORT_TEXT, TEXT};

/// Aggregates whose results for whole and exact numbers are exact in PostgreSQL.
const OF_FLOATS: [&str; 6] = ["stddev", "stddev_pop", "stddev_samp", "var", "var_pop", "var_samp"];

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
        let is_shown = is_shown(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let narrowed = if is_shown { narrow_literals(expr)? } else { Transformed::no(expr) };
            let changed = narrowed.transform_data(|expr| {
                expr.transform_up(|expr| rewrite_expr(expr, &schema, zone))
            })?;
            Ok(changed.update_data(|expr| name.restore(sum_of(expr, &schema))))
        })?;
        node.transform_data(|node| {
            let node = match node {
                LogicalPlan::Values(values) => {
                    LogicalPlanBuilder::values(values.values)?.build()?
                }
                node => node.recompute_schema()?,
            };
            Ok(Transformed::yes(signed_windows(numeric_aggregates::rewrite(node)?)?))
        })
    });
    rewritten.map(|rewritten| rewritten.data)
}

/// Whether the types of a node's expressions are those of its columns.
fn is_shown(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Projection(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Values(_)
    )
}

/// Gives whole constants PostgreSQL's types.
fn narrow_literals(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        Ok(match narrow(&expr) {
            Some(narrow) => Transformed::yes(narrow),
            None => Transformed::no(expr),
        })
    })
}

/// Refuses to sort and group by intervals, whose order is that of their fields in Arrow.
fn check_intervals(node: &LogicalPlan) -> Result<()> {
    let schema = merge_schema(&node.inputs());
    let is_interval = |expr: &Expr| expr.get_type(&schema).is_ok_and(|of| of == INTERVAL);
    let uses = match node {
        LogicalPlan::Sort(sort) => sort.expr.iter().any(|sort| is_interval(&sort.expr)),
        LogicalPlan::Aggregate(aggregate) => {
            let arguments = aggregate.aggr_expr.iter().flat_map(|expr| match expr {
                Expr::AggregateFunction(call) if call.func.name() != "count" => {
                    call.params.args.as_slice()
                }
                _ => &[],
            });
            aggregate.group_expr.iter().chain(arguments).any(is_interval)
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            input.schema().fields().iter().any(|field| *field.data_type() == INTERVAL)
        }
        _ => false,
    };
    match uses {
        true => not_impl_err!(
            "ORDER BY, GROUP BY, DISTINCT and aggregates of intervals are not supported: use extract(epoch from x)"
        ),
        false => Ok(()),
    }
}

/// Window functions return `bigint`, and `ntile` `integer`, where DataFusion's return unsigned integers.
fn signed_windows(node: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Window(window) = &node else { return Ok(node) };
    let inputs = window.input.schema().fields().len();
    let fields = window.schema.iter().enumerate();
    let mut has_unsigned = false;
    let columns: Vec<Expr> = fields
        .map(|(at, (qualifier, field))| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            if at < inputs || *field.data_type() != DataType::UInt64 {
                return column;
            }
            has_unsigned = true;
            let is_integer = field.name().starts_with("ntile");
            let signed = if is_integer { DataType::Int32 } else { DataType::Int64 };
            cast(column, signed).alias_qualified(qualifier.cloned(), field.name())
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
                name @ ("ln" | "log" | "exp" | "power" | "sqrt" | "cbrt") => {
                    check_float(name, &types)?;
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
                _ => {}
            }
            let expr = Expr::ScalarFunction(call);
            match type_of(&expr) {
                Some(DataType::UInt64) => Transformed::yes(cast(expr, DataType::Int32)),
                Some(DataType::List(item)) if *item.data_type() == DataType::UInt64 => {
                    let signed = DataType::new_list(DataType::Int32, true);
                    Transformed::yes(cast(expr, signed))
                }
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
        // The negative of the smallest integer does not exist.
        Expr::Negative(inner) => match type_of(&inner) {
            Some(of) if of.is_integer() => {
                let zero = Expr::Literal(ScalarValue::new_zero(&of)?, None);
                Transformed::yes(subtract_integers(zero, *inner))
            }
            _ => Transformed::no(Expr::Negative(inner)),
        },
        Expr::AggregateFunction(mut call) => {
            let name = call.func.name().to_owned();
            let arguments = &mut call.params.args;
            if OF_FLOATS.contains(&name.as_str()) {
                let types: Vec<DataType> = arguments.iter().filter_map(&type_of).collect();
                let is_exact = |of: &DataType| of.is_integer() || is_numeric(of);
                if types.iter().all(is_exact) {
                    return not_impl_err!(
                        "{name} of whole and exact numbers is not supported: cast them to double precision"
                    );
                }
            }
            let Some(fraction) = arguments.last_mut().filter(|_| name.starts_with("percentile"))
            else {
                return Ok(Transformed::no(Expr::AggregateFunction(call)));
            };
            if let Expr::Literal(value, _) = &*fraction {
                *fraction = Expr::Literal(value.cast_to(&DataType::Float64)?, None);
            }
            Transformed::yes(Expr::AggregateFunction(call))
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

/// `sqrt` and others of exact numbers are exact in PostgreSQL.
fn check_float(name: &str, types: &[DataType]) -> Result<()> {
    match types.iter().any(is_numeric) && !types.iter().any(DataType::is_floating) {
        true => not_impl_err!("{name} of numeric is not supported: cast it to double precision"),
        false => Ok(()),
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
    if is_numeric(to) && from.is_floating() {
        return Ok(Some(cast(NUMERIC.call(vec![inner.clone()]), to.clone())));
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
            of if is_numeric(of) => DataType::Decimal128(PRECISION, 0),
            _ => DataType::Float64,
        })
    },
    compute: |call| {
        let values = call.column(0)?;
        match values.data_type() {
            of if is_numeric(of) => super::numeric::round(&values),
            _ => round_even(&call.cast(0, &DataType::Float64)?),
        }
    },
};
