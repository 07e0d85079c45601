//! Access of `pg_catalog` to the catalogs of its session.
//!
//! `pg_catalog` is a part of the session, so a strong reference would be a cycle and leak every
//! session.

use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
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

    fn catalogs(&self) -> Result<Arc<dyn CatalogProviderList>> {
        let closed = || DataFusionError::Execution("the session is closed".to_owned());
        self.0.upgrade().ok_or_else(closed)
    }
}

#[async_trait]
impl CatalogInfo for WeakCatalogs {
    async fn catalog_names(&self) -> Result<Vec<String>> {
        CatalogInfo::catalog_names(&self.catalogs()?).await
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>> {
        self.catalogs()?.schema_names(catalog).await
    }

    async fn table_names(&self, catalog: &str, schema: &str) -> Result<Option<Vec<String>>> {
        self.catalogs()?.table_names(catalog, schema).await
    }

    async fn table_schema(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<SchemaRef>> {
        self.catalogs()?.table_schema(catalog, schema, table).await
    }

    async fn table_type(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<TableType>> {
        self.catalogs()?.table_type(catalog, schema, table).await
    }
}
