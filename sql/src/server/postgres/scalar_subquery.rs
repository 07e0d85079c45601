//! Correlated scalar subqueries on the catalog, such as `(SELECT typname FROM pg_type t WHERE t.oid
//! = a.atttypid)`.
//!
//! DataFusion supports a correlated scalar subquery only if it is an aggregate, which has at most
//! one row. Here the rows are collected into a list, which must not have more than one element.
//! This is done for catalog queries only; other queries get DataFusion's error.

use std::sync::Arc;

use arrow::array::{Array, AsArray, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions_aggregate::expr_fn::array_agg;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Subquery, Volatility,
};

use super::catalog::names::SCHEMA;

/// Rewrites such subqueries of a plan to aggregates.
///
/// # Errors
/// When a rewritten plan is invalid.
pub(super) fn rewrite_scalar_subqueries(plan: LogicalPlan) -> Result<LogicalPlan> {
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
    let list = Expr::ScalarSubquery(query.with_plan(Arc::new(list)));
    let signature = Signature::any(1, Volatility::Immutable);
    Ok(ScalarUDF::new_from_impl(SingleElement { signature }).call(vec![list]))
}

/// A scalar function that returns the only element of a list; NULL for an empty list.
#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleElement {
    signature: Signature,
}

impl ScalarUDFImpl for SingleElement {
    fn name(&self) -> &str {
        "single"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        match kinds {
            [DataType::List(element)] => Ok(element.data_type().clone()),
            other => Err(DataFusionError::Plan(format!("no list, but {other:?}"))),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let lists = ColumnarValue::values_to_arrays(&arguments.args)?;
        let lists = lists[0].as_list::<i32>();
        let at = (0..lists.len()).map(|row| match lists.is_valid(row) {
            false => Ok(None),
            true => match lists.value_length(row) {
                0 => Ok(None),
                1 => Ok(u64::try_from(lists.value_offsets()[row]).ok()),
                _ => {
                    let message = "more than one row returned by a subquery used as an expression";
                    Err(DataFusionError::Execution(message.to_owned()))
                }
            },
        });
        let at = at.collect::<Result<UInt64Array>>()?;
        Ok(ColumnarValue::Array(take(lists.values(), &at, None)?))
    }
}
