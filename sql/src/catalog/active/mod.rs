//! Reports of active users as tables: the views, and the function `active_users`.
//!
//! Such a table has the columns and rows of `headcount report`. A filter on `period_start` reduces
//! what is read.

mod arguments;
mod context;
mod function;
mod plan;
pub(super) mod range;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use engine::active::{Level, Question};

use crate::report::schema;

pub(super) use arguments::NamedArguments;
pub(super) use context::ReportContext;
pub use context::ReportListener;
pub(super) use function::{ActiveUsers, DOCUMENTATION, NAME};
use plan::ActiveUsersExec;

/// The views with their levels; all use calendar months, exact counts and the union method.
const VIEWS: [(&str, &[Level]); 5] = [
    ("mau", &[Level::Total]),
    ("smau", &[Level::Stage]),
    ("gmau", &[Level::Group]),
    ("amau", &[Level::Action]),
    ("xmau", Level::ALL),
];

/// The names of the views.
pub(super) fn views() -> impl Iterator<Item = &'static str> {
    VIEWS.iter().map(|(name, _)| *name)
}

/// The view of that name.
pub(super) fn view(name: &str, report_context: &ReportContext) -> Option<Arc<dyn TableProvider>> {
    let (_, levels) = VIEWS.iter().find(|(view, _)| *view == name)?;
    let levels = BTreeSet::from_iter(levels.iter().copied());
    Some(report_table(Question { levels, ..Question::default() }, report_context))
}

/// The table that answers a question.
pub(super) fn report_table(
    question: Question,
    report_context: &ReportContext,
) -> Arc<dyn TableProvider> {
    Arc::new(ReportTable::new(question, report_context))
}

/// The table of one report.
#[derive(Debug)]
struct ReportTable {
    question: Question,
    report_context: ReportContext,
    schema: SchemaRef,
}

impl ReportTable {
    fn new(question: Question, report_context: &ReportContext) -> Self {
        let schema = schema(&question.by);
        Self { question, report_context: report_context.clone(), schema }
    }

    /// The periods that a filter selects, if it constrains them. `None` for ranked values, because
    /// the ranking uses the newest period, whether or not a filter selects it.
    fn bound(&self, filter: &Expr) -> Option<range::Starts> {
        range::of(filter, "period_start").filter(|_| self.question.top.is_none())
    }
}

impl TableProvider for ReportTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
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

    fn scan<'a, 's, 'p, 'x, 'f>(
        &'a self,
        _state: &'s dyn Session,
        projection: Option<&'p Vec<usize>>,
        filters: &'x [Expr],
        _limit: Option<usize>,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<dyn ExecutionPlan>>> + Send + 'f>>
    where
        'a: 'f,
        's: 'f,
        'p: 'f,
        'x: 'f,
    {
        let mut question = self.question.clone();
        for starts in filters.iter().filter_map(|filter| self.bound(filter)) {
            range::narrow(&mut question, starts);
        }
        let plan = ActiveUsersExec::new(question, &self.report_context, &self.schema, projection);
        Box::pin(std::future::ready(plan.map(|plan| Arc::new(plan) as _)))
    }
}
