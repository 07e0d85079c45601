//! The roll-up as a table: `activity`, the store's table of that name at its newest version, whose
//! sets of users say whose numbers they hold.
//!
//! It is a view of the store's Parquet files, so that a question about some days and columns reads
//! no others. Several rows may be about the same thing, when files of events came one after the
//! other, and people are spread over shards: the union of `users` counts, and `event_count` adds.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ScalarUDF, lit};
use datafusion::scalar::ScalarValue;
use engine::project::Project;
use engine::store::Store;
use engine::{Error, Result};

use super::parquet::{ParquetFiles, local, reach};
use crate::failure::of_statement;

/// The name of the table.
pub(super) const NAME: &str = "activity";
/// The column of sets.
const USERS: &str = "users";
/// Says whose numbers the sets of a row hold.
const SHARD: &str = "shard";
/// Makes a set of what the store has.
const FUNCTION: &str = "bitmap_of_store";

/// Whether a project has such a table.
pub(super) fn is_there(project: &Project) -> bool {
    Store::exists(&project.store)
}

/// The table.
///
/// # Errors
/// When there is no store, or it is broken.
pub(super) async fn table(
    state: &SessionState,
    project: &Project,
) -> Result<Arc<dyn TableProvider>> {
    let store = Store::open(&project.store, None)?.ok_or_else(|| {
        Error::input("there is no table `activity`: this project has no store yet")
            .with("file", &project.store)
            .with("help", "run `headcount ingest` to create it")
    })?;
    let function = state.scalar_functions().get(FUNCTION).cloned();
    let function = function.ok_or_else(|| Error::internal("a session without our functions"))?;
    view(state, &store, &function).await.map_err(|error| error.with("file", store.place()))
}

async fn view(
    state: &SessionState,
    store: &Store,
    function: &ScalarUDF,
) -> Result<Arc<dyn TableProvider>> {
    let refused = |cause| of_statement(cause, None);
    let is_remote = match store.object_store()? {
        None => false,
        Some(client) => reach(state, client).map(|()| true)?,
    };
    let files = store.activity_files().into_iter().map(|path| {
        let address = match is_remote {
            true => ListingTableUrl::parse(&path).map_err(refused)?,
            false => local(path.as_ref())?,
        };
        Ok((path.into(), address))
    });
    let files: Vec<(PathBuf, ListingTableUrl)> = files.collect::<Result<_>>()?;
    let table: Arc<dyn TableProvider> = if files.is_empty() {
        Arc::new(EmptyTable::new(Arc::new(store.activity_schema())))
    } else {
        Arc::new(ParquetFiles::open(state, files).await?.table(|_| true)?)
    };
    let plan = LogicalPlanBuilder::scan(NAME, provider_as_source(table), None).map_err(refused)?;
    let column = |name: &str| Expr::Column(Column::from_name(name));
    let space = lit(ScalarValue::Binary(Some(store.space()?.0.to_vec())));
    let columns: Vec<Expr> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            USERS => function.call(vec![column(USERS), column(SHARD), space.clone()]).alias(USERS),
            other => column(other),
        })
        .collect();
    let plan = plan.project(columns).and_then(LogicalPlanBuilder::build).map_err(refused)?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}
