//! An aggregate over a repeated `b IS TRUE`, such as
//!
//! ```sql
//! SELECT count(*) FILTER (WHERE b IS TRUE AND n > 1), count(*) FILTER (WHERE b IS TRUE) FROM t
//! ```
//!
//! The repeated part is computed once, as a column below the aggregate. `IS TRUE` is never NULL,
//! according to the logical plan; the physical expression `IS NOT DISTINCT FROM` is declared
//! nullable. Before it plans an aggregate, DataFusion compares the two schemas and ends with an
//! internal error. The same happens to a repeated `CASE`. Nothing depends on the column being
//! declared as never NULL, so the comparison is switched off.
//!
//! <https://github.com/apache/datafusion/issues/24096>,
//! <https://github.com/apache/datafusion/issues/25369>

use datafusion::common::config::ConfigOptions;

pub(super) fn configure(options: &mut ConfigOptions) {
    options.execution.skip_physical_aggregate_schema_check = true;
}
