//! Casts, and other expressions whose meaning depends on types, after planning.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, not_impl_err, plan_err};
use datafusion::error::Result;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, Cast, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union,
    cast,
};
use datafusion::scalar::ScalarValue;

use super::arithmetic::{
    FINITE, PRECISION, check_float, digits, is_numeric, round_even, subtract_integers,
};
use super::function::Function;
use super::literals::{compared, is_typed, narrow, typed_literal};
use super::matching::{check_comparable, text_of, unify};
use super::numeric::NUMERIC;
use super::numeric_aggregates::{self, rewrite_call};
use super::regex::{REPLACEMENT, boolean, extracting, replacement};
use super::temporal::{self, INTERVAL, TIMESTAMP, is_read};
use super::text::{self, BYTES, SHORT_TEXT, TEXT};

/// Aggregates whose results for whole and exact numbers are exact in PostgreSQL.
const OF_FLOATS: [&str; 6] = ["stddev", "stddev_pop", "stddev_samp", "var", "var_pop", "var_samp"];

/// Rewrites the expressions of a plan.
///
/// # Errors
/// When a constant is invalid, or the meaning would differ from PostgreSQL's.
pub(in crate::server::postgres) fn rewrite(plan: LogicalPlan, zone: &str) -> Result<LogicalPlan> {
    // The types of the rows that a recursive query reads are those before this.
    let is_recursive = plan.exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))?;
    // Catalog queries compare object ids with texts and numbers.
    let is_checked = !reads_catalog(&plan)?;
    let rewriter = Rewriter { zone, is_checked };
    let rewritten = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let mut schema = merge_schema(&node.inputs());
        if let LogicalPlan::TableScan(scan) = &node {
            schema.merge(&scan.projected_schema);
        }
        check_intervals(&node)?;
        if is_checked {
            check_union(&node)?;
        }
        let is_shown = !is_recursive && is_shown(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let narrowed = if is_shown { narrow_literals(expr)? } else { Transformed::no(expr) };
            let changed = narrowed
                .transform_data(|expr| expr.transform_up(|expr| rewriter.rewrite(expr, &schema)))?;
            Ok(changed.update_data(|expr| name.restore(rewrite_call(expr, &schema))))
        })?;
        node.transform_data(|node| {
            let node = match node {
                LogicalPlan::Values(values) => typed_values(values.values, zone)?,
                LogicalPlan::Union(union) if is_checked => {
                    LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)
                }
                node => node.recompute_schema()?,
            };
            Ok(Transformed::yes(signed_results(numeric_aggregates::rewrite(node)?)?))
        })
    });
    rewritten.map(|rewritten| rewritten.data)
}

/// VALUES whose columns have the types of PostgreSQL.
fn typed_values(mut rows: Vec<Vec<Expr>>, zone: &str) -> Result<LogicalPlan> {
    let none = DFSchema::empty();
    for value in rows.iter_mut().flatten() {
        // The planner gave NULL the type of its other constants.
        if matches!(value, Expr::Literal(literal, None) if literal.is_null()) {
            *value = Expr::Literal(ScalarValue::Null, None);
        }
    }
    for at in 0..rows.first().map_or(0, Vec::len) {
        let mut column: Vec<&mut Expr> =
            rows.iter_mut().filter_map(|row| row.get_mut(at)).collect();
        unify("VALUES", &mut column, |expr| expr.get_type(&none).ok(), zone)?;
    }
    LogicalPlanBuilder::values(rows)?.build()
}

/// Checks that the inputs of a set operation have the same kinds of types.
fn check_union(node: &LogicalPlan) -> Result<()> {
    let LogicalPlan::Union(union) = node else { return Ok(()) };
    let Some((first, others)) = union.inputs.split_first() else { return Ok(()) };
    for other in others {
        let fields = first.schema().fields().iter().zip(other.schema().fields());
        for (left, right) in fields {
            check_comparable("UNION", left.data_type(), right.data_type())?;
        }
    }
    Ok(())
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

/// Window functions and aggregates return `bigint`, and `ntile` `integer`, where DataFusion's return unsigned integers.
fn signed_results(node: LogicalPlan) -> Result<LogicalPlan> {
    let results = match &node {
        LogicalPlan::Window(window) => window.window_expr.len(),
        LogicalPlan::Aggregate(aggregate) => aggregate.aggr_expr.len(),
        _ => return Ok(node),
    };
    let schema = Arc::clone(node.schema());
    let inputs = schema.fields().len() - results;
    let fields = schema.iter().enumerate();
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

/// Whether a plan reads PostgreSQL's catalog.
fn reads_catalog(plan: &LogicalPlan) -> Result<bool> {
    let mut reads = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let schema = scan.table_name.schema();
            reads |=
                schema.is_some_and(|name| ["pg_catalog", "information_schema"].contains(&name));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(reads)
}

/// Rewrites expressions.
struct Rewriter<'a> {
    /// The connection's time zone.
    zone: &'a str,
    /// Whether types must match.
    is_checked: bool,
}

impl Rewriter<'_> {
    fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let zone = self.zone;
        let type_of = |expr: &Expr| expr.get_type(schema).ok();
        Ok(match expr {
            Expr::BinaryExpr(binary) if self.is_checked && is_comparison(binary.op) => {
                if let (Some(left), Some(right)) = (type_of(&binary.left), type_of(&binary.right)) {
                    check_comparable(&binary.op.to_string(), &left, &right)?;
                }
                Transformed::no(Expr::BinaryExpr(binary))
            }
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
                Transformed::yes(Expr::Between(Between {
                    expr,
                    negated: between.negated,
                    low,
                    high,
                }))
            }
            Expr::InList(mut list) => {
                let Some(own) = type_of(&list.expr) else {
                    return Ok(Transformed::no(Expr::InList(list)));
                };
                if !is_typed(&own) {
                    return Ok(Transformed::no(Expr::InList(list)));
                }
                for item in &mut list.list {
                    let of = type_of(item).unwrap_or(DataType::Null);
                    if self.is_checked && text_of(item).is_none() {
                        check_comparable("=", &own, &of)?;
                    }
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
                    name @ ("coalesce" | "nullif" | "greatest" | "least") if self.is_checked => {
                        let name = name.to_uppercase();
                        let mut arguments: Vec<&mut Expr> = call.args.iter_mut().collect();
                        is_changed = unify(&name, &mut arguments, type_of, zone)?;
                    }
                    name @ ("ln" | "log" | "exp" | "power" | "sqrt" | "cbrt") => {
                        check_float(name, &types)?;
                        for (argument, of) in call.args.iter_mut().zip(&types) {
                            if *of != DataType::Float64 {
                                *argument = cast(std::mem::take(argument), DataType::Float64);
                            }
                        }
                        if call.func.name() == "log" && call.args.len() == 1 {
                            call.func = datafusion::functions::math::log10();
                        }
                        let mut arguments = call.args.clone();
                        arguments.insert(0, Expr::ScalarFunction(call));
                        return Ok(Transformed::yes(FINITE.call(arguments)));
                    }
                    "ceil" | "floor" if types.first().is_some_and(is_numeric) => {
                        let whole = DataType::Decimal128(PRECISION, 0);
                        return Ok(Transformed::yes(cast(Expr::ScalarFunction(call), whole)));
                    }
                    "regexp_like" => {
                        is_changed = rewrite_pattern(&mut call.args, |p| Ok(boolean(p)))?
                    }
                    "regexp_match" => is_changed = rewrite_pattern(&mut call.args, extracting)?,
                    "regexp_count" | "regexp_instr" => {
                        rewrite_pattern(&mut call.args, extracting)?;
                        return Ok(Transformed::yes(cast(
                            Expr::ScalarFunction(call),
                            DataType::Int32,
                        )));
                    }
                    "gcd" | "lcm" if types.iter().all(|of| digits(of) <= 10) => {
                        return Ok(Transformed::yes(cast(
                            Expr::ScalarFunction(call),
                            DataType::Int32,
                        )));
                    }
                    // The planner takes constants for `bigint`, whose sums are `numeric`.
                    "numeric_divide" if types.iter().all(DataType::is_integer) => {
                        let (right, left) = (call.args.pop(), call.args.pop());
                        let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
                        return Ok(Transformed::yes(left / right));
                    }
                    "sign" if types.first().is_some_and(is_numeric) => {
                        let whole = DataType::Decimal128(PRECISION, 0);
                        return Ok(Transformed::yes(cast(Expr::ScalarFunction(call), whole)));
                    }
                    // The length of an empty array is NULL.
                    "array_length" => {
                        let length = cast(Expr::ScalarFunction(call), DataType::Int32);
                        let zero = Expr::Literal(ScalarValue::Int32(Some(0)), None);
                        return Ok(Transformed::yes(nullif(length, zero)));
                    }
                    // Nothing is replaced.
                    "replace" if call.args.get(1).is_some_and(|from| text_of(from) == Some("")) => {
                        return Ok(Transformed::yes(call.args.swap_remove(0)));
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
                        if types.get(1) == Some(&DataType::Date32) {
                            is_changed = true;
                            let midnight = cast(std::mem::take(&mut call.args[1]), TIMESTAMP);
                            call.args[1] = cast(midnight, temporal::zoned(zone));
                        }
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
                        rewrite_pattern(&mut call.args, extracting)?;
                        call.args[2] = match &call.args[2] {
                            Expr::Literal(value, _) if value.try_as_str().is_some() => {
                                let text = value.try_as_str().flatten();
                                Expr::Literal(ScalarValue::Utf8(text.map(replacement)), None)
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
            Expr::Case(mut case) if self.is_checked => {
                let results = case.when_then_expr.iter_mut().map(|(_, then)| &mut **then);
                let mut results: Vec<&mut Expr> =
                    results.chain(case.else_expr.as_deref_mut()).collect();
                match unify("CASE", &mut results, type_of, zone)? {
                    true => Transformed::yes(Expr::Case(case)),
                    false => Transformed::no(Expr::Case(case)),
                }
            }
            // The negative of the smallest integer does not exist.
            Expr::Negative(inner) => match type_of(&inner) {
                Some(of) if of.is_integer() => {
                    let zero = Expr::Literal(ScalarValue::new_zero(&of)?, None);
                    Transformed::yes(subtract_integers(zero, *inner))
                }
                _ => Transformed::no(Expr::Negative(inner)),
            },
            Expr::AggregateFunction(call) => {
                let types: Vec<DataType> = call.params.args.iter().filter_map(&type_of).collect();
                check_aggregate(&call, &types)?;
                Transformed::no(Expr::AggregateFunction(call))
            }
            other => Transformed::no(other),
        })
    }
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// Refuses aggregates that PostgreSQL does not have, or computes in another way.
fn check_aggregate(call: &AggregateFunction, types: &[DataType]) -> Result<()> {
    let name = call.func.name();
    let is_exact = |of: &DataType| of.is_integer() || is_numeric(of);
    if OF_FLOATS.contains(&name) && types.iter().all(is_exact) {
        return not_impl_err!(
            "{name} of whole and exact numbers is not supported: cast them to double precision"
        );
    }
    if ["min", "max"].contains(&name) && types.first() == Some(&DataType::Boolean) {
        return plan_err!("No function matches {name}(boolean)");
    }
    if name == "array_agg" && call.params.distinct && !call.params.order_by.is_empty() {
        return not_impl_err!("array_agg(DISTINCT ... ORDER BY ...) is not supported");
    }
    Ok(())
}

/// Rewrites a constant pattern, the second argument.
fn rewrite_pattern(
    arguments: &mut [Expr],
    rewritten: impl Fn(&str) -> Result<String>,
) -> Result<bool> {
    let Some(pattern) = arguments.get_mut(1) else { return Ok(false) };
    let Some(text) = text_of(pattern) else { return Ok(false) };
    *pattern = Expr::Literal(ScalarValue::Utf8(Some(rewritten(text)?)), None);
    Ok(true)
}

/// A cast with PostgreSQL's meaning; `None` if DataFusion's has it.
fn convert(inner: &Expr, from: &DataType, to: &DataType, zone: &str) -> Result<Option<Expr>> {
    let text = match inner {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    };
    let is_text = from.is_string();
    if let Some(text) = text.filter(|_| is_typed(to)) {
        let value = Expr::Literal(typed_literal(text, to, zone, false)?, None);
        return Ok(Some(if is_numeric(to) { cast(value, to.clone()) } else { value }));
    }
    if is_text && is_read(to) {
        return Ok(Some(match text {
            None if *to == DataType::Date32 => READ_DATE.call(vec![inner.clone()]),
            _ => match to {
                DataType::Timestamp(_, None) => READ_TIMESTAMP.call(vec![inner.clone()]),
                DataType::Timestamp(_, Some(_)) => READ_INSTANT.call(vec![inner.clone()]),
                DataType::Time64(_) => READ_TIME.call(vec![inner.clone()]),
                _ => READ_INTERVAL.call(vec![inner.clone()]),
            },
        }));
    }
    // Spaces around numbers are ignored.
    if is_text && (to.is_numeric() || *to == DataType::Boolean) {
        let trimmed = datafusion::functions::string::expr_fn::btrim(vec![inner.clone()]);
        return Ok(Some(cast(trimmed, to.clone())));
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
