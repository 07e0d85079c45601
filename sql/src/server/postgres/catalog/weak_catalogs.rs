//! Access of `pg_catalog` to the catalogs of its session.
//!
//! `pg_catalog` is a part of the session, so a strong reference would be a cycle and leak every
//! session.

use std::sync::{Arc, Weak};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::CatalogProviderList;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;

/// A weak reference to the catalogs of a session.
#[derive(Clone, Debug)]
pub(super) struct WeakCatalogs(Weak<dyn CatalogProviderList>);

impl WeakCatalogs {
    pub(super) fn new(catalogs: &Arc<dyn CatalogProviderList>) -> Self {
        Self(Arc::downgrade(catalogs))
    }

    /// The catalogs.
    ///
    /// # Errors
    /// When the session is closed.
    pub(super) fn get(&self) -> Result<Arc<dyn CatalogProviderList>> {
        let closed = || DataFusionError::Execution("the session is closed".to_owned());
        self.0.upgrade().ok_or_else(closed)
    }
}

#[async_trait]
impl CatalogInfo for WeakCatalogs {
    async fn catalog_names(&self) -> Result<Vec<String>> {
        CatalogInfo::catalog_names(&self.get()?).await
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>> {
        self.get()?.schema_names(catalog).await
    }

    async fn table_names(&self, catalog: &str, schema: &str) -> Result<Option<Vec<String>>> {
        self.get()?.table_names(catalog, schema).await
    }

    async fn table_schema(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<SchemaRef>> {
        let found = self.get()?.table_schema(catalog, schema, table).await;
        // A source that cannot be read must not hide the others; statements that use it get the error.
        found.or_else(|cause| {
            tracing::warn!(schema, table, %cause, "the catalog lists this table without columns");
            Ok(Some(Arc::new(Schema::empty())))
        })
    }

    async fn table_type(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<TableType>> {
        self.get()?.table_type(catalog, schema, table).await
    }
}
