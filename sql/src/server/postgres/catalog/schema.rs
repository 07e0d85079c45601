//! The tables of `pg_catalog`.
//!
//! datafusion-pg-catalog derives tables and columns from the session; its other tables are a copy
//! of a PostgreSQL server's, with constraints, indexes and functions. This server has no
//! constraints and indexes, so those tables are empty here, and `pg_proc` lists our functions.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{MemTable, TableType, ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{LogicalPlanBuilder, cast, col, lit};
use datafusion::scalar::ScalarValue;

use super::names::{EMPTY_TABLES, MISSING_TABLES, SCHEMA, UNSET_COLUMNS, UnsetType};
use super::weak_catalogs::WeakCatalogs;
use super::{information_schema, procedures};
use crate::server::postgres::settings::Settings;

/// The role that owns everything.
const OWNER: &str = "postgres";

/// The schema `pg_catalog`, for one connection.
pub(super) struct PgCatalogSchema {
    pub(super) base: Arc<dyn SchemaProvider>,
    pub(super) catalogs: WeakCatalogs,
    pub(super) database: String,
    pub(super) settings: Arc<Mutex<Settings>>,
}

impl PgCatalogSchema {
    /// The views of the database with their definitions.
    async fn views(&self, schema: SchemaRef) -> Result<MemTable> {
        let catalogs = self.catalogs.get()?;
        let mut rows: [Vec<String>; 4] = Default::default();
        for (schema_name, schema) in catalogs.catalog(&self.database).iter().flat_map(|catalog| {
            let names = catalog.schema_names().into_iter();
            let own = names.filter(|name| ![SCHEMA, information_schema::SCHEMA].contains(&&**name));
            own.filter_map(|name| Some((name.clone(), catalog.schema(&name)?))).collect::<Vec<_>>()
        }) {
            for name in schema.table_names() {
                if schema.table_type(&name).await? == Some(TableType::View)
                    && let Some(view) = schema.table(&name).await?
                {
                    let definition = view.get_table_definition().unwrap_or_default().to_owned();
                    let row = [schema_name.clone(), name, OWNER.to_owned(), definition];
                    rows.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
                }
            }
        }
        let columns =
            rows.into_iter().map(|column| Arc::new(StringArray::from(column)) as ArrayRef);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect())?;
        MemTable::try_new(schema, vec![vec![batch]])
    }

    fn settings(&self, base: &dyn TableProvider) -> Result<MemTable> {
        let schema = base.schema();
        let shown = self.settings.lock().unwrap_or_else(PoisonError::into_inner).all();
        let column = |values: Vec<String>| Arc::new(StringArray::from(values)) as ArrayRef;
        let (names, values): (Vec<_>, Vec<_>) = shown.into_iter().unzip();
        let rows = names.len();
        let (names, values) = (column(names), column(values));
        let columns = schema.fields().iter().map(|field| match field.name().as_str() {
            "name" => Arc::clone(&names),
            "setting" => Arc::clone(&values),
            _ => new_null_array(field.data_type(), rows),
        });
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect())?;
        MemTable::try_new(schema, vec![vec![batch]])
    }
}

/// The connection's database, without `postgres`, which datafusion-pg-catalog adds.
fn databases(base: Arc<dyn TableProvider>, name: &str) -> Result<Arc<dyn TableProvider>> {
    let table = TableReference::partial(SCHEMA, "pg_database");
    let plan = LogicalPlanBuilder::scan(table, provider_as_source(base), None)?
        .filter(col("datname").eq(lit(name)))?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Adds the unset columns to a table.
fn with_unset_columns(name: &str, base: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let unset: Vec<_> = UNSET_COLUMNS.iter().filter(|(table, ..)| *table == name).collect();
    if unset.is_empty() {
        return Ok(base);
    }
    let schema = base.schema();
    let is_set = |column: &&str| !unset.iter().any(|(_, name, _)| name == column);
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let mut columns: Vec<_> = names.filter(is_set).map(col).collect();
    columns.extend(unset.iter().map(|(_, column, unset)| {
        let value = match unset {
            UnsetType::Zero => lit(0_i32),
            _ => cast(lit(ScalarValue::Null), unset.data_type()),
        };
        value.alias(*column)
    }));
    let table = TableReference::partial(SCHEMA, name);
    let plan = LogicalPlanBuilder::scan(table, provider_as_source(base), None)?
        .project(columns)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// The table of this name among [`MISSING_TABLES`].
fn missing_table(name: &str) -> Option<EmptyTable> {
    let (_, columns) = MISSING_TABLES.iter().find(|(table, _)| *table == name)?;
    let fields = columns.iter().map(|(name, unset)| Field::new(*name, unset.data_type(), true));
    Some(EmptyTable::new(Arc::new(Schema::new(fields.collect::<Vec<_>>()))))
}

impl fmt::Debug for PgCatalogSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgCatalogSchema").finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for PgCatalogSchema {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.base.table_names();
        names.extend(MISSING_TABLES.iter().map(|(name, _)| (*name).to_owned()));
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(missing_table) = missing_table(name) {
            return Ok(Some(Arc::new(missing_table)));
        }
        let Some(base) = self.base.table(name).await? else { return Ok(None) };
        let base = match name {
            "pg_database" => databases(base, &self.database)?,
            "pg_views" => Arc::new(self.views(base.schema()).await?),
            "pg_settings" => Arc::new(self.settings(base.as_ref())?),
            procedures::TABLE => match self.base.table("pg_namespace").await? {
                Some(namespaces) => procedures::table(&base.schema(), namespaces)?,
                None => base,
            },
            _ => base,
        };
        let with_unset_columns = with_unset_columns(name, base)?;
        Ok(Some(match EMPTY_TABLES.contains(&name) {
            true => Arc::new(EmptyTable::new(with_unset_columns.schema())),
            false => with_unset_columns,
        }))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table(name).await?.map(|table| table.table_type()))
    }

    fn table_exist(&self, name: &str) -> bool {
        missing_table(name).is_some() || self.base.table_exist(name)
    }
}
