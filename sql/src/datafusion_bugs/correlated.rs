//! Subqueries that use columns of the outer query, such as
//!
//! ```sql
//! WHERE EXISTS (SELECT count(*) FROM u WHERE u.g = t.g)
//! ```
//!
//! DataFusion moves the condition `u.g = t.g` out of the subquery and computes the subquery once for
//! all rows. That changes
//!
//! * an aggregate without GROUP BY, which has one row even where the condition holds for none: not in
//!   the example, so EXISTS is false,
//! * grouping sets, which lose their grand total,
//! * OFFSET in EXISTS, which is left out,
//! * window functions, which see the rows of all outer rows together.
//!
//! These are refused. Of the aggregates without GROUP BY only those below IN, EXISTS, ANY and ALL:
//! elsewhere DataFusion adds the row.
//!
//! <https://github.com/apache/datafusion/issues/24960>,
//! <https://github.com/apache/datafusion/issues/25519>,
//! <https://github.com/apache/datafusion/issues/25283>

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use datafusion::optimizer::AnalyzerRule;
use engine::Error;

use crate::failure::external;

/// Refuses subqueries that would be changed by computing them for all rows.
#[derive(Debug)]
pub(super) struct CorrelatedRule;

impl AnalyzerRule for CorrelatedRule {
    fn name(&self) -> &'static str {
        "refuse_correlated_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::Subquery(lateral) = node {
                check(lateral, false)?;
            }
            node.apply_expressions(|expr| {
                expr.apply(|expr| {
                    match expr {
                        Expr::Exists(Exists { subquery, .. })
                        | Expr::InSubquery(InSubquery { subquery, .. })
                        | Expr::SetComparison(SetComparison { subquery, .. }) => {
                            check(subquery, true)?;
                        }
                        Expr::ScalarSubquery(subquery) => check(subquery, false)?,
                        _ => {}
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        Ok(plan)
    }
}

/// `is_condition`: whether only the existence of rows counts.
fn check(subquery: &Subquery, is_condition: bool) -> Result<()> {
    if subquery.outer_ref_columns.is_empty() {
        return Ok(());
    }
    subquery.subquery.apply(|node| {
        let what = match node {
            LogicalPlan::Window(_) => "a window function",
            LogicalPlan::Limit(limit) if is_condition && limit.skip.is_some() => "OFFSET",
            LogicalPlan::Aggregate(aggregate) => match aggregate.group_expr.as_slice() {
                [Expr::GroupingSet(_), ..] => "grouping sets",
                [] if is_condition => "an aggregate without GROUP BY",
                _ => return Ok(TreeNodeRecursion::Continue),
            },
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        if node.all_out_ref_exprs().is_empty() {
            return Ok(TreeNodeRecursion::Continue);
        }
        let problem = format!("{what} in a subquery that uses columns of the outer query");
        let help = "compute it for all rows in a WITH, and join";
        Err(external(Error::input(problem).with("help", help)))
    })?;
    Ok(())
}
