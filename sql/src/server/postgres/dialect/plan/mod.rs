//! Casts, and other expressions whose meaning depends on types, after planning.
//!
//! Casts themselves are in [`casts`], calls of functions in [`calls`].

mod calls;
mod casts;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, not_impl_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, Cast, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, Union,
    cast,
};
use datafusion::scalar::ScalarValue;

use super::arithmetic::subtract_integers;
use super::literals::{compared, is_typed, narrow};
use super::matching::{check_comparable, text_of, unify};
use super::numeric_aggregates::{self, rewrite_call};
use super::temporal::INTERVAL;
use calls::{check_aggregate, rewrite_scalar};
use casts::convert;

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
                return rewrite_scalar(call, &type_of, zone, self.is_checked);
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
