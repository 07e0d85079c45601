//! The tables of a session. Names are resolved when a statement uses them, so new files are visible
//! at once, and an invalid source fails only statements that use it.
//!
//! | name | is |
//! |---|---|
//! | each source of the project | the rows of its files, with the [columns](derived) that it defines |
//! | `metrics`, `stages`, `events` | the dictionary; always there as `dictionary.metrics` |
//! | `activity` | the roll-up, as soon as the project has a store |
//! | `mau`, `smau`, `gmau`, `amau`, `xmau` | monthly active users per level, and of all levels |
//! | `pings`, `ping_uploads` ... | the [tables of pings](pings), if the project has sources of pings |
//! | `'file'`, `'folder'`, `'glob'` | these files, relative to the working folder |
//! | created by statements | tables and views of this session |
//!
//! Parquet columns have the types of the files; CSV and NDJSON columns are texts, since types are
//! never inferred.

mod active;
mod activity;
mod checksummed;
mod derived;
mod dictionary;
mod files;
mod merged_columns;
mod parquet;
mod pings;
mod rollup;
mod schema;
mod source;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::logical_expr::{DocSection, Documentation};
use datafusion::prelude::SessionContext;
use engine::active::Question;
use engine::project::Project;
use engine::{Error, Result};

use crate::failure::statement_error;
use active::{ActiveUsers, NamedArguments, ReportContext};
use schema::{DictionarySchema, PublicSchema};

pub(crate) use active::NAME as ACTIVE_USERS;
pub use active::ReportListener;
pub(crate) use checksummed::SCHEME;
pub use rollup::RollupRule;

/// The schema of the dictionary's tables.
const DICTIONARY: &str = "dictionary";

/// The tables of a session.
#[derive(Clone, Debug, Default)]
pub struct CatalogOptions {
    /// The project whose sources are tables.
    pub project: Option<Arc<Project>>,
    /// The base of relative paths in statements; `None` if statements may not name files.
    pub paths: Option<PathBuf>,
    /// Receives progress and answers of reports behind views and table functions.
    pub listener: Option<Arc<dyn ReportListener>>,
}

impl CatalogOptions {
    fn report_context(&self) -> Option<ReportContext> {
        let project = Arc::clone(self.project.as_ref()?);
        Some(ReportContext::new(project, self.listener.clone()))
    }

    /// The table that answers a question; `None` without a project.
    pub fn report_table(&self, question: Question) -> Option<Arc<dyn TableProvider>> {
        Some(active::report_table(question, &self.report_context()?))
    }
}

/// Registers the tables in a session.
///
/// # Errors
/// When the session has no default catalog.
pub fn register(session: &SessionContext, catalog_options: &CatalogOptions) -> Result<()> {
    let (catalog, schema) = {
        let state = session.state();
        let names = &state.config_options().catalog;
        (names.default_catalog.clone(), names.default_schema.clone())
    };
    let catalog = session
        .catalog(&catalog)
        .ok_or_else(|| Error::internal("the session has no catalog of its own"))?;
    let report_context = catalog_options.report_context();
    let refused = |cause| statement_error(cause, None);
    if let Some(report_context) = &report_context {
        let definitions = DictionarySchema::new(&report_context.project);
        catalog.register_schema(DICTIONARY, Arc::new(definitions)).map_err(refused)?;
        session.register_udtf(active::NAME, Arc::new(ActiveUsers(report_context.clone())));
        session.register_relation_planner(Arc::new(NamedArguments)).map_err(refused)?;
    }
    let public = PublicSchema::new(session, report_context, catalog_options.paths.clone());
    catalog.register_schema(&schema, Arc::new(public)).map_err(refused)?;
    Ok(())
}

/// Documentation of table functions by name: ours, and those of DataFusion without documentation of
/// their own.
pub fn table_functions() -> Vec<(String, Documentation)> {
    let numbers = |name: &str, last: &str| {
        let documentation = Documentation::builder(
            DocSection { include: true, label: "Rows", description: None },
            format!("Numbers or times from start to end, {last}, in the column `value`."),
            format!("{name}([start, ]end[, step])"),
        )
        .with_argument("start", "The first value; the default is 0.")
        .with_argument("end", format!("The last value, {last}."))
        .with_argument("step", "The increment; the default is 1.")
        .with_sql_example(format!("SELECT sum(value) FROM {name}(1, 10);"));
        (name.to_owned(), documentation.build())
    };
    vec![
        (active::NAME.to_owned(), active::DOCUMENTATION.clone()),
        numbers("generate_series", "which is included"),
        numbers("range", "which is excluded"),
    ]
}

#[cfg(test)]
mod tests;
