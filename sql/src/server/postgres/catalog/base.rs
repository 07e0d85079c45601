//! The tables of `pg_catalog` as they are read by others.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlanBuilder;

/// The name of the schema.
pub(super) const SCHEMA: &str = "pg_catalog";

/// The rows of a table of this schema.
pub(super) fn scan(name: &str, table: Arc<dyn TableProvider>) -> Result<LogicalPlanBuilder> {
    let name = TableReference::partial(SCHEMA, name);
    LogicalPlanBuilder::scan(name, provider_as_source(table), None)
}
