//! Correlated scalar subqueries on the catalog, such as `(SELECT typname FROM pg_type t WHERE t.oid
//! = a.atttypid)`.
//!
//! DataFusion supports a correlated scalar subquery only if it is an aggregate, which has at most
//! one row. Here the rows are collected into a list, which must not have more than one element.
//! This is done for catalog queries only; other queries get DataFusion's error.

use std::sync::Arc;

use arrow::array::{AsArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{exec_err, plan_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::array_agg;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};

use super::base::SCHEMA;
use crate::server::postgres::function::{Function, map_rows};

/// Rewrites such subqueries of a plan to aggregates.
///
/// # Errors
/// When a rewritten plan is invalid.
pub(in crate::server::postgres) fn rewrite_scalar_subqueries(
    plan: LogicalPlan,
) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expression| {
            let name = names.save(&expression);
            let changed = expression.transform_up(|expression| match expression {
                Expr::ScalarSubquery(query) if needs_rewrite(&query)? => {
                    Ok(Transformed::yes(single_element(&query)?))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(changed.update_data(|expression| name.restore(expression)))
        })?;
        node.map_data(LogicalPlan::recompute_schema)
    });
    plan.map(|changed| changed.data)
}

/// Whether this is a correlated subquery on the catalog that may return several rows.
fn needs_rewrite(query: &Subquery) -> Result<bool> {
    if query.outer_ref_columns.is_empty() || query.subquery.max_rows() == Some(1) {
        return Ok(false);
    }
    let mut of_catalog = true;
    query.subquery.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            of_catalog &= scan.table_name.schema() == Some(SCHEMA);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(of_catalog)
}

fn single_element(query: &Subquery) -> Result<Expr> {
    let columns = query.subquery.schema().columns();
    let values = columns.into_iter().map(|column| array_agg(Expr::Column(column)));
    let list = LogicalPlanBuilder::from(Arc::clone(&query.subquery))
        .aggregate(Vec::<Expr>::new(), values)?
        .build()?;
    Ok(SINGLE.call(vec![Expr::ScalarSubquery(query.with_plan(Arc::new(list)))]))
}

/// The only element of a list; NULL for an empty list.
const SINGLE: Function = Function {
    name: "single",
    arguments: 1..=1,
    returns: |types| match types.of(0) {
        DataType::List(element) => Ok(element.data_type().clone()),
        other => plan_err!("no list, but {other}"),
    },
    compute: |call| {
        let lists = call.column(0)?;
        let lists = lists.as_list::<i32>();
        let at = map_rows(call.rows(), &[lists], |row| match lists.value_length(row) {
            0 => Ok(None),
            1 => Ok(u64::try_from(lists.value_offsets()[row]).ok()),
            _ => exec_err!("more than one row returned by a subquery used as an expression"),
        })?;
        let at: UInt64Array = at.into_iter().map(Option::flatten).collect();
        Ok(take(lists.values(), &at, None)?)
    },
};
