//! The table of a report.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use engine::active::Question;

use super::context::ReportContext;
use super::plan::ActiveUsersExec;
use super::range;
use crate::report::schema;

/// The table of one report.
#[derive(Debug)]
pub(super) struct ReportTable {
    question: Question,
    report_context: ReportContext,
    schema: SchemaRef,
    /// The query of a view.
    definition: Option<String>,
}

impl ReportTable {
    pub(super) fn new(question: Question, report_context: &ReportContext) -> Self {
        let schema = schema(&question.by);
        Self { question, report_context: report_context.clone(), schema, definition: None }
    }

    /// A view with this query.
    pub(super) fn with_definition(mut self, definition: String) -> Self {
        self.definition = Some(definition);
        self
    }

    /// The periods that a filter selects, if it constrains them. `None` for ranked values, because
    /// the ranking uses the newest period, whether or not a filter selects it.
    fn bound(&self, filter: &Expr) -> Option<range::Starts> {
        range::of(filter, "period_start").filter(|_| self.question.top.is_none())
    }
}

#[async_trait]
impl TableProvider for ReportTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.definition.as_deref()
    }

    /// Filters reduce what is read and are still applied above.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = |filter: &&Expr| match self.bound(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(supported).collect())
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut question = self.question.clone();
        for starts in filters.iter().filter_map(|filter| self.bound(filter)) {
            range::narrow(&mut question, starts);
        }
        let plan = ActiveUsersExec::new(question, &self.report_context, &self.schema, projection)?;
        Ok(Arc::new(plan))
    }
}
