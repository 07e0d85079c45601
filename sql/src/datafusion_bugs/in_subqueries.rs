//! `IN (SELECT ...)` within another condition, such as
//!
//! ```sql
//! WHERE p OR x NOT IN (SELECT k FROM u)
//! ```
//!
//! DataFusion joins such a query and learns for every row whether `x` was found, true or false. Where
//! SQL has NULL (`x` is NULL and there are rows, or `x` was not found and some `k` is NULL) it takes
//! false, and true for `NOT IN`. The same happens to a `NOT IN` that stands alone or between AND, if
//! `x` is more than a column. So the missing NULL is added, from one more query that says whether
//! there are rows (1) and NULLs in them (2):
//!
//! ```text
//! x IN q  ->  x IN q OR ((SELECT ... FROM q) > CASE WHEN x IS NULL THEN 0 ELSE 1 END AND NULL)
//! ```
//!
//! A query that uses columns of the row outside cannot be computed once for all rows. Where a NULL is
//! missing from its answer, it is refused.
//!
//! <https://github.com/apache/datafusion/issues/8241>,
//! <https://github.com/apache/datafusion/issues/25340>,
//! <https://github.com/apache/datafusion/issues/25347>

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue, Spans};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Subquery, col, lit, not, when,
};
use datafusion::optimizer::AnalyzerRule;
use engine::Error;

use super::conditions;
use crate::failure::external;

/// Gives `IN (SELECT ...)` its NULLs.
#[derive(Debug)]
pub(super) struct InSubqueryRule;

impl AnalyzerRule for InSubqueryRule {
    fn name(&self) -> &'static str {
        "null_in_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        if !has_in_subquery(&plan)? {
            return Ok(plan);
        }
        plan.transform_up_with_subqueries(|plan| {
            let schema = merge_schema(&plan.inputs());
            let operand = |expr, below_or| operand(expr, below_or, &schema);
            conditions::rewrite(plan, operand, |expr| value(expr, &schema))
        })
        .map(|plan| plan.data)
    }
}

fn has_in_subquery(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| Ok(matches!(expr, Expr::InSubquery(_))))?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}

/// An operand of a condition, where NULL is as good as false.
fn operand(expr: Expr, below_or: bool, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(mut query) => {
                query.negated = !query.negated;
                operand(Expr::InSubquery(query), below_or, schema)
            }
            inner => value(not(inner), schema),
        },
        // DataFusion takes care of these: it adds no row where SQL has NULL.
        Expr::InSubquery(query)
            if !query.negated
                || !below_or && is_column(&query.expr) && !is_correlated(&query.subquery) =>
        {
            Ok(Transformed::yes(Expr::InSubquery(qualified(query)?)))
        }
        expr => value(expr, schema),
    }
}

/// An expression whose value may be shown or negated.
fn value(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::InSubquery(query) => {
            let may_be_null = may_be_null(&query, schema);
            let query = qualified(query)?;
            Ok(Transformed::yes(if may_be_null {
                with_null(query)?
            } else {
                Expr::InSubquery(query)
            }))
        }
        expr => Ok(Transformed::no(expr)),
    })
}

fn may_be_null(query: &InSubquery, schema: &DFSchema) -> bool {
    query.subquery.subquery.schema().fields().iter().any(|field| field.is_nullable())
        || query.expr.nullable(schema).unwrap_or(true)
}

fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(cast) => is_column(&cast.expr),
        expr => matches!(expr, Expr::Column(_)),
    }
}

fn is_correlated(query: &Subquery) -> bool {
    !query.outer_ref_columns.is_empty()
}

/// With a qualified column: DataFusion takes `max(k)` for two columns and refuses it.
fn qualified(query: InSubquery) -> Result<InSubquery> {
    let InSubquery { expr, mut subquery, negated } = query;
    let (qualifier, _) = subquery.subquery.schema().qualified_field(0);
    if qualifier.is_none() && !is_correlated(&subquery) {
        let rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
        subquery.subquery = Arc::new(rows.alias("subquery")?.build()?);
    }
    Ok(InSubquery::new(expr, subquery, negated))
}

fn with_null(query: InSubquery) -> Result<Expr> {
    let InSubquery { expr, subquery, negated } = query;
    if is_correlated(&subquery) {
        let problem = "`IN (SELECT ...)` may be NULL here, and uses columns of the outer query";
        return Err(external(
            Error::input(problem)
                .with("help", "use EXISTS (SELECT ...) or NOT EXISTS (SELECT ...)"),
        ));
    }
    let rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
    let value = Expr::Column(Column::from(rows.schema().qualified_field(0)));
    let counts = [count(lit(1_i64)).alias("rows"), count(value).alias("values")];
    let contents = when(col("rows").eq(lit(0_i64)), lit(0_i64))
        .when(col("rows").eq(col("values")), lit(1_i64))
        .otherwise(lit(2_i64))?;
    let contents = rows.aggregate(Vec::<Expr>::new(), counts)?.project([contents])?.build()?;
    let contents = Expr::ScalarSubquery(Subquery {
        subquery: Arc::new(contents),
        outer_ref_columns: Vec::new(),
        spans: Spans::new(),
    });
    let least = when(expr.clone().is_null(), lit(0_i64)).otherwise(lit(1_i64))?;
    let null = contents.gt(least).and(lit(ScalarValue::Boolean(None)));
    let found = Expr::InSubquery(InSubquery::new(expr, subquery, false)).or(null);
    Ok(if negated { not(found) } else { found })
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use crate::session::{Options, session};

    #[tokio::test]
    async fn ordinary_filters_stay_as_they_are() {
        let sessions = [session(&Options::default()).unwrap(), SessionContext::new()];
        for session in &sessions {
            for table in ["t(x INT) AS VALUES (1)", "u(k INT) AS VALUES (1), (NULL)"] {
                session.sql(&format!("CREATE TABLE {table}")).await.unwrap();
            }
        }
        for condition in [
            "x IN (SELECT k FROM u)",
            "x NOT IN (SELECT k FROM u)",
            "NOT x IN (SELECT k FROM u WHERE k = 1)",
            "x NOT IN (SELECT k FROM u WHERE k = 5)",
        ] {
            let sql = format!("SELECT x FROM t WHERE {condition}");
            let [ours, plain] = sessions.each_ref().map(|session| session.sql(&sql));
            let (ours, plain) = (ours.await.unwrap(), plain.await.unwrap());
            let ours = ours.into_optimized_plan().unwrap().to_string();
            assert_eq!(ours, plain.into_optimized_plan().unwrap().to_string(), "{condition}");
        }
    }
}
