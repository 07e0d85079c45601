//! Workarounds for bugs of DataFusion 55 that give wrong rows, or an error for a statement that is
//! right. Every session has all of them.
//!
//! Each file says what the bug is and where it is reported. It tests that a session is right, and
//! that plain DataFusion is still wrong: when that second test fails, delete the file.
//!
//! | file | plain DataFusion |
//! |---|---|
//! | `in_lists` | merges `IN` lists as if nothing were NULL and every item a constant |
//! | `nullability` | refuses to plan an aggregate over a repeated `IS TRUE` |

mod in_lists;
mod nullability;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::optimizer::AnalyzerRule;

/// Sets what a session needs, but for what users set themselves.
pub(crate) fn configure(options: &mut ConfigOptions) {
    nullability::configure(options);
}

/// Rules for a session. They come after every other rule that looks at filters, which these change.
pub(crate) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![Arc::new(in_lists::InListRule)]
}
