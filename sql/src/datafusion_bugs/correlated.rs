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

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use crate::session::{Options, session};

    const TABLES: &str = "WITH t AS (SELECT * FROM (VALUES (1, 1), (2, 2), (3, 3)) t(x, g)), \
                          u AS (SELECT * FROM (VALUES (1, 1), (2, 1), (3, 2)) u(k, g))";
    /// What is read, and how many rows it has.
    const WRONG: [(&str, usize); 8] = [
        ("t WHERE EXISTS (SELECT count(*) FROM u WHERE u.g = t.g)", 3),
        ("t WHERE NOT EXISTS (SELECT max(k) FROM u WHERE u.g = t.g)", 0),
        ("t WHERE x = 1 OR 0 IN (SELECT count(*) FROM u WHERE u.g = t.g)", 2),
        ("t WHERE 0 = ANY (SELECT count(*) FROM u WHERE u.g = t.g)", 1),
        ("t WHERE EXISTS (SELECT 1 FROM u WHERE u.g = t.g GROUP BY ROLLUP (u.g))", 3),
        ("t WHERE EXISTS (SELECT k FROM u WHERE u.g = t.g OFFSET 1)", 1),
        ("t WHERE 3 IN (SELECT row_number() OVER (ORDER BY k) FROM u WHERE u.g = t.g)", 0),
        (
            "t, LATERAL (SELECT row_number() OVER (ORDER BY k) r FROM u WHERE u.g = t.g) v \
             WHERE r = 3",
            0,
        ),
    ];
    const RIGHT: [(&str, usize); 6] = [
        ("t WHERE EXISTS (SELECT k FROM u WHERE u.g = t.g LIMIT 1)", 2),
        ("t WHERE x IN (SELECT max(k) FROM u WHERE u.g = t.g GROUP BY u.g)", 0),
        ("t WHERE x IN (SELECT count(*) FROM u)", 1),
        ("t WHERE (SELECT count(*) FROM u WHERE u.g = t.g) = 0", 1),
        ("t, LATERAL (SELECT count(*) n FROM u WHERE u.g = t.g) v WHERE n = 0", 1),
        (
            "t WHERE EXISTS (SELECT 1 FROM (SELECT g, row_number() OVER (ORDER BY k) r FROM u) v \
             WHERE r = 3 AND v.g = t.g)",
            1,
        ),
    ];

    async fn rows(session: &SessionContext, from: &str) -> Result<usize, String> {
        let frame = session.sql(&format!("{TABLES} SELECT x FROM {from}")).await;
        let rows = frame.map_err(|error| error.to_string())?.collect().await;
        let rows = rows.map_err(|error| error.to_string())?;
        Ok(rows.iter().map(|batch| batch.num_rows()).sum())
    }

    #[tokio::test]
    async fn subqueries_are_right_or_refused() {
        let session = session(&Options::default()).unwrap();
        for (from, expected) in RIGHT {
            assert_eq!(rows(&session, from).await, Ok(expected), "{from}");
        }
        for (from, _) in WRONG {
            let error = rows(&session, from).await.expect_err(from);
            assert!(error.contains("uses columns of the outer query"), "{from}: {error}");
        }
    }

    #[tokio::test]
    async fn plain_datafusion_is_wrong() {
        let plain = SessionContext::new();
        for (from, expected) in WRONG {
            assert_ne!(
                rows(&plain, from).await,
                Ok(expected),
                "DataFusion is right about this now: once it is about all, delete correlated. {from}"
            );
        }
    }
}
