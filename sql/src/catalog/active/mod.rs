//! Reports of active users as tables: the views, and the function `active_users`.
//!
//! Such a table has the columns and rows of `headcount report`. A filter on `period_start` reduces
//! what is read.

mod arguments;
mod context;
mod function;
mod plan;
pub(super) mod range;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use engine::active::{Level, Question};

pub(super) use arguments::NamedArguments;
pub(super) use context::ReportContext;
pub use context::ReportListener;
pub(crate) use function::NAME;
pub(super) use function::{ActiveUsers, DOCUMENTATION};
use table::ReportTable;

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
    let names: Vec<String> = levels.iter().map(ToString::to_string).collect();
    let definition = format!("SELECT * FROM {NAME}(level => '{}')", names.join(","));
    let levels = BTreeSet::from_iter(levels.iter().copied());
    let question = Question { levels, ..Question::default() };
    Some(Arc::new(ReportTable::new(question, report_context).with_definition(definition)))
}

/// The table that answers a question.
pub(super) fn report_table(
    question: Question,
    report_context: &ReportContext,
) -> Arc<dyn TableProvider> {
    Arc::new(ReportTable::new(question, report_context))
}
