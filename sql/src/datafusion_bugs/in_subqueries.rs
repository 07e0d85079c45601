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
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use datafusion::prelude::SessionContext;

    use crate::failure::statement_error;
    use crate::session::{Options, session};

    const TABLES: [&str; 4] = [
        "CREATE TABLE t(x INT, p BOOLEAN) \
         AS VALUES (1, false), (2, true), (9, false), (NULL, false)",
        "CREATE TABLE u(k INT) AS VALUES (1), (NULL)",
        "CREATE TABLE v(n INT NOT NULL)",
        "INSERT INTO v VALUES (1), (2)",
    ];
    /// What is read, and how many rows it has.
    const WRONG: [(&str, i64); 11] = [
        ("t WHERE p OR x NOT IN (SELECT k FROM u)", 1),
        ("t WHERE p OR NOT x IN (SELECT k FROM u)", 1),
        ("t WHERE p OR x NOT IN (SELECT k FROM u WHERE k = 1)", 2),
        ("t WHERE (x IN (SELECT k FROM u)) IS NULL", 3),
        ("t WHERE (x NOT IN (SELECT k FROM u WHERE k = 1)) IS NOT TRUE", 2),
        ("t WHERE NOT (x > 0 AND x IN (SELECT k FROM u))", 0),
        ("t WHERE 5 NOT IN (SELECT k FROM u)", 0),
        ("v WHERE nullif(n, 1) NOT IN (SELECT n FROM v WHERE n = 1)", 1),
        ("v JOIN t ON n = x AND (n = 9 OR n NOT IN (SELECT k FROM u))", 0),
        ("(SELECT x, x IN (SELECT k FROM u) AS found FROM t) WHERE found IS NULL", 3),
        ("t WHERE p OR x NOT IN (SELECT max(k) FROM u)", 2),
    ];
    const RIGHT: [(&str, i64); 10] = [
        ("t WHERE x IN (SELECT k FROM u)", 1),
        ("t WHERE x NOT IN (SELECT k FROM u)", 0),
        ("t WHERE NOT x IN (SELECT k FROM u WHERE k = 1)", 2),
        ("t WHERE x NOT IN (SELECT k FROM u WHERE k = 5)", 4),
        ("t WHERE p OR x NOT IN (SELECT k FROM u WHERE k = 5)", 4),
        ("t WHERE p OR x IN (SELECT k FROM u)", 2),
        ("t WHERE p OR x IN (SELECT count(*) FROM u WHERE k > 0)", 2),
        ("t WHERE p OR x IN (SELECT k FROM u WHERE k = x)", 2),
        (
            "t WHERE CASE WHEN x IN (SELECT k FROM u) THEN false ELSE x NOT IN (SELECT k FROM u) END",
            0,
        ),
        ("v WHERE n = 2 OR n NOT IN (SELECT w.n FROM v w WHERE w.n < v.n)", 2),
    ];

    async fn prepared(session: SessionContext) -> SessionContext {
        for table in TABLES {
            session.sql(table).await.unwrap().collect().await.unwrap();
        }
        session
    }

    async fn answer(session: &SessionContext, from: &str) -> Result<i64, String> {
        let frame = session.sql(&format!("SELECT count(*) FROM {from}")).await;
        let rows = frame.map_err(|error| error.to_string())?.collect().await;
        let rows = rows.map_err(|error| error.to_string())?;
        Ok(rows[0].column(0).as_primitive::<Int64Type>().value(0))
    }

    #[tokio::test]
    async fn queries_within_conditions_are_right() {
        let session = prepared(session(&Options::default()).unwrap()).await;
        for (from, expected) in WRONG.into_iter().chain(RIGHT) {
            assert_eq!(answer(&session, from).await, Ok(expected), "{from}");
        }
    }

    #[tokio::test]
    async fn what_may_be_null_for_each_row_is_refused() {
        let session = prepared(session(&Options::default()).unwrap()).await;
        for condition in [
            "x NOT IN (SELECT k FROM u WHERE k < x)",
            "p OR x NOT IN (SELECT k FROM u WHERE k = x)",
            "(x IN (SELECT k FROM u WHERE k = x)) IS NULL",
        ] {
            let error = answer(&session, &format!("t WHERE {condition}")).await.unwrap_err();
            assert!(error.contains("use EXISTS"), "{condition}: {error}");
        }
    }

    #[tokio::test]
    async fn what_is_no_condition_is_refused() {
        let session = prepared(session(&Options::default()).unwrap()).await;
        for text in ["x NOT IN (SELECT k FROM u)", "p OR EXISTS (SELECT k FROM u WHERE k = x)"] {
            let frame = session.sql(&format!("SELECT {text} FROM t")).await.unwrap();
            let error = statement_error(frame.collect().await.unwrap_err(), None).to_string();
            assert!(error.contains("must stand in WHERE"), "{error}");
        }
    }

    #[tokio::test]
    async fn ordinary_filters_stay_as_they_are() {
        let ours = prepared(session(&Options::default()).unwrap()).await;
        let plain = prepared(SessionContext::new()).await;
        for (from, _) in &RIGHT[..4] {
            let sql = format!("SELECT x FROM {from}");
            let [ours, plain] = [&ours, &plain].map(|session| session.sql(&sql));
            let (ours, plain) = (ours.await.unwrap(), plain.await.unwrap());
            let ours = ours.into_optimized_plan().unwrap().to_string();
            assert_eq!(ours, plain.into_optimized_plan().unwrap().to_string(), "{from}");
        }
    }

    #[tokio::test]
    async fn plain_datafusion_is_wrong() {
        let plain = prepared(SessionContext::new()).await;
        for (from, expected) in WRONG {
            assert_ne!(
                answer(&plain, from).await,
                Ok(expected),
                "DataFusion is right about this now: once it is about all, delete in_subqueries. \
                 {from}"
            );
        }
    }
}
