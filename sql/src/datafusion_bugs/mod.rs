//! Workarounds for bugs of DataFusion 55 that give wrong rows, or an error for a statement that is
//! right. Every session has all of them.
//!
//! Each file describes the bug and links its report. It tests that a session is right, and
//! that plain DataFusion is still wrong: when that second test fails, delete the file.
//!
//! | file | plain DataFusion |
//! |---|---|
//! | `in_lists` | merges `IN` lists as if nothing were NULL and every item a constant |
//! | `nullability` | refuses to plan an aggregate over a repeated `IS TRUE` |
//! | `unique_names` | refuses `SELECT 1, 1` and `SELECT a, a::date` |

mod in_lists;
mod nullability;
mod unique_names;

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

/// Plans a statement; as it is, if DataFusion does not refuse it for names that are not unique.
pub(crate) async fn plan(state: &SessionState, statement: Statement) -> Result<LogicalPlan> {
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
    vec![Arc::new(in_lists::InListRule)]
}
