//! The tables that SQL sees: names become tables when a statement first says them, so that new
//! files are seen at once and a broken source only fails who asks for it.
//!
//! | name | is |
//! |---|---|
//! | each source of the project | its files |
//! | `metrics`, `stages`, `events` | the dictionary; always there as `dictionary.metrics` |
//! | `activity` | the roll-up, as soon as the project has a store |
//! | `mau`, `smau`, `gmau`, `amau`, `xmau` | monthly active users per level, and of all levels |
//! | `'file'`, `'folder'`, `'glob'` | these files, relative to the working folder |
//! | what statements made | tables and views of this session |
//!
//! The types of Parquet columns are those of the files; CSV and NDJSON columns are texts, as
//! everywhere here: nothing is guessed.

mod active;
mod activity;
mod checked;
mod dictionary;
mod files;
mod parquet;
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

use crate::failure::of_statement;
use active::{ActiveUsers, Ground, NamedArguments};
use schema::{Definitions, Public};

pub use active::Listener;
pub(crate) use checked::SCHEME;
pub use rollup::RollupRule;

/// The schema in which the dictionary's tables are always found.
const DICTIONARY: &str = "dictionary";

/// What a session may see.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The project whose sources are tables.
    pub project: Option<Arc<Project>>,
    /// The folder in which relative paths start, where statements may name files; `None` where
    /// they may not.
    pub paths: Option<PathBuf>,
    /// Who hears of the answers behind views and table functions.
    pub listener: Option<Arc<dyn Listener>>,
}

impl Contents {
    fn ground(&self) -> Option<Ground> {
        let project = Arc::clone(self.project.as_ref()?);
        Some(Ground::new(project, self.listener.clone()))
    }

    /// The table that answers a question; `None` without a project.
    pub fn answering(&self, question: Question) -> Option<Arc<dyn TableProvider>> {
        Some(active::asked(question, &self.ground()?))
    }
}

/// Puts tables into a session.
///
/// # Errors
/// When the session has no schema to put them into.
pub fn register(session: &SessionContext, contents: &Contents) -> Result<()> {
    let (catalog, schema) = {
        let state = session.state();
        let names = &state.config_options().catalog;
        (names.default_catalog.clone(), names.default_schema.clone())
    };
    let catalog = session
        .catalog(&catalog)
        .ok_or_else(|| Error::internal("the session has no catalog of its own"))?;
    let ground = contents.ground();
    let refused = |cause| of_statement(cause, None);
    if let Some(ground) = &ground {
        let definitions = Definitions::new(&ground.project);
        catalog.register_schema(DICTIONARY, Arc::new(definitions)).map_err(refused)?;
        session.register_udtf(active::NAME, Arc::new(ActiveUsers(ground.clone())));
        session.register_relation_planner(Arc::new(NamedArguments)).map_err(refused)?;
    }
    let public = Public::new(session, ground, contents.paths.clone());
    catalog.register_schema(&schema, Arc::new(public)).map_err(refused)?;
    Ok(())
}

/// What table functions say about themselves, by name: ours, and those of DataFusion that say
/// nothing.
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
