//! The table `activity`: the store's table of that name at its newest version, with its sets of
//! users tagged with the store's id space.
//!
//! It is a view of the store's Parquet files, so queries read only the days and columns they need.
//! Several rows may have the same key, one per ingestion and shard: take the union of `users` and
//! the sum of `event_count`.
//!
//! DataFusion reads the files through [`ChecksummedStore`], under a URL scheme of its own, so files
//! that have changed since they were written cause an error.

use std::path::PathBuf;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, ScalarUDF, lit};
use datafusion::object_store::ObjectStore;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::scalar::ScalarValue;
use engine::project::Project;
use engine::store::Store;
use engine::{Error, Result};

use super::checksummed::{ChecksummedStore, SCHEME};
use super::parquet::{ParquetFiles, local_url, register_store};
use crate::failure::statement_error;

/// The name of the table.
pub(super) const NAME: &str = "activity";
/// The column of user sets.
const USERS: &str = "users";
/// The column of shards.
const SHARD: &str = "shard";
/// The function that converts a stored set.
const FUNCTION: &str = "bitmap_of_store";

/// Whether a project has a store.
pub(super) fn exists(project: &Project) -> bool {
    Store::exists(&project.store)
}

/// The table.
///
/// # Errors
/// When there is no store, or it cannot be read.
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
    view(state, &store, &function).await.map_err(|error| error.with("file", store.storage()))
}

async fn view(
    state: &SessionState,
    store: &Store,
    function: &ScalarUDF,
) -> Result<Arc<dyn TableProvider>> {
    let refused = |cause| statement_error(cause, None);
    let remote = store.object_store()?;
    let is_remote = remote.is_some();
    let (place, client) = remote.unwrap_or_else(|| {
        (String::from("file://"), Arc::new(LocalFileSystem::new()) as Arc<dyn ObjectStore>)
    });
    let place = format!("{SCHEME}{place}");
    let url = ObjectStoreUrl::parse(&place).map_err(refused)?;
    // A registered store has cached checksums, so it is not replaced.
    if state.runtime_env().object_store(&url).is_err() {
        register_store(state, (place, Arc::new(ChecksummedStore::new(client))))?;
    }
    let files = store.activity_files().into_iter().map(|path| {
        let url = match is_remote {
            true => ListingTableUrl::parse(&path).map_err(refused)?,
            false => local_url(path.as_ref())?,
        };
        let url = ListingTableUrl::parse(format!("{SCHEME}{url}")).map_err(refused)?;
        Ok((path.into(), url))
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
