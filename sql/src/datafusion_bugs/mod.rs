//! Workarounds for bugs of DataFusion 55 that give wrong rows, or an error for a statement that is
//! right. Every session has all of them.
//!
//! Each file describes the bug and links its report. Tests beside it or in
//! `tests/slt/datafusion_bugs` show that a session is right, and that plain DataFusion is still
//! wrong: when that second test fails, delete the file.
//!
//! | file | plain DataFusion |
//! |---|---|
//! | `correlated` | computes aggregates and windows of a subquery for all outer rows at once |
//! | `distinct_from` | parses `a IS DISTINCT FROM b AND c` as `a IS DISTINCT FROM (b AND c)` |
//! | `in_lists` | merges `IN` lists as if nothing were NULL and every item a constant |
//! | `in_subqueries` | takes NULL for false in `p OR x NOT IN (SELECT ...)` |
//! | `nullability` | refuses to plan an aggregate over a repeated `IS TRUE` |
//! | `unique_names` | refuses `SELECT 1, 1` and `SELECT a, a::date` |

mod conditions;
mod correlated;
mod distinct_from;
mod in_lists;
mod in_subqueries;
mod nullability;
mod unique_names;
mod visit;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::parser::Statement;

/// Sets what a session needs, but for what users set themselves.
pub(crate) fn configure(options: &mut ConfigOptions) {
    nullability::configure(options);
}

/// Plans a statement. Its names change only if DataFusion refuses them because they are not unique.
pub(crate) async fn plan(state: &SessionState, mut statement: Statement) -> Result<LogicalPlan> {
    visit::visit(&mut statement, &mut distinct_from::Regroup);
    let refused = match state.statement_to_plan(statement.clone()).await {
        Err(error) if unique_names::may_be_for_names(&error) => error,
        planned => return planned,
    };
    let mut unique = statement.clone();
    unique_names::make_unique(&mut unique);
    if unique == statement {
        return Err(refused);
    }
    // The first error refers to the statement as written.
    state.statement_to_plan(unique).await.map_err(|_| refused)
}

/// Rules for a session. They must run after all other rules that inspect filters, which these
/// change.
pub(crate) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![
        Arc::new(correlated::CorrelatedRule),
        Arc::new(in_subqueries::InSubqueryRule),
        Arc::new(in_lists::InListRule),
    ]
}
