//! The tables of `pg_catalog`.
//!
//! datafusion-pg-catalog derives tables and columns from the session; its other tables are a copy
//! of a PostgreSQL server's, with constraints, indexes and functions. This server has no
//! constraints and indexes, so those tables are empty here, and `pg_proc` lists our functions.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{MemTable, TableType, ViewTable};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, cast, col, lit};
use datafusion::scalar::ScalarValue;

use super::base::{SCHEMA, scan};
use super::weak_catalogs::WeakCatalogs;
use super::{information_schema, procedures};
use crate::server::postgres::settings::Settings;

/// The role that owns everything.
const OWNER: &str = "postgres";

/// A table that datafusion-pg-catalog lacks. There are no indexes.
pub(super) const INDEXES: &str = "pg_indexes";
const INDEX_COLUMNS: [&str; 5] = ["schemaname", "tablename", "indexname", "tablespace", "indexdef"];

/// Tables that clients read and that are always empty on this server.
pub(super) const EMPTY_TABLES: [&str; 17] = [
    "pg_attrdef",
    "pg_collation",
    "pg_constraint",
    "pg_depend",
    "pg_enum",
    "pg_extension",
    "pg_index",
    INDEXES,
    "pg_inherits",
    "pg_matviews",
    "pg_policy",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_rewrite",
    "pg_sequence",
    "pg_statistic_ext",
];

/// Columns of privileges, options and keys that clients read. datafusion-pg-catalog lacks them, or has
/// texts; here they are arrays, and NULL.
pub(super) const UNSET_ARRAYS: [(&str, &str, DataType); 9] = [
    ("pg_attribute", "attacl", DataType::Utf8),
    ("pg_class", "relacl", DataType::Utf8),
    ("pg_class", "reloptions", DataType::Utf8),
    ("pg_constraint", "confkey", DataType::Int16),
    ("pg_constraint", "conkey", DataType::Int16),
    ("pg_index", "indkey", DataType::Int16),
    ("pg_index", "indoption", DataType::Int16),
    ("pg_namespace", "nspacl", DataType::Utf8),
    ("pg_proc", "proacl", DataType::Utf8),
];

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
    let plan = scan("pg_database", base)?.filter(col("datname").eq(lit(name)))?.build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// A table with the columns that have the same value in all rows.
fn with_constants(name: &str, base: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let unset = UNSET_ARRAYS.iter().filter(|(table, ..)| *table == name);
    let mut constants: Vec<(&str, Expr)> = unset
        .map(|(_, column, item)| {
            let list = DataType::new_list(item.clone(), true);
            (*column, cast(lit(ScalarValue::Null), list))
        })
        .collect();
    if name == "pg_class" {
        // Tables have no pages that could be read one by one, as DuckDB would.
        constants.push(("relpages", lit(0_i32)));
    }
    if constants.is_empty() {
        return Ok(base);
    }
    let schema = base.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let kept = names.filter(|name| !constants.iter().any(|(column, _)| column == name));
    let mut columns: Vec<Expr> = kept.map(col).collect();
    columns.extend(constants.into_iter().map(|(column, value)| value.alias(column)));
    Ok(Arc::new(ViewTable::new(scan(name, base)?.project(columns)?.build()?, None)))
}

fn indexes() -> EmptyTable {
    let fields = INDEX_COLUMNS.map(|name| Field::new(name, DataType::Utf8, true));
    EmptyTable::new(Arc::new(Schema::new(fields.to_vec())))
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
        names.push(INDEXES.to_owned());
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if name == INDEXES {
            return Ok(Some(Arc::new(indexes())));
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
        let table = with_constants(name, base)?;
        Ok(Some(match EMPTY_TABLES.contains(&name) {
            true => Arc::new(EmptyTable::new(table.schema())),
            false => table,
        }))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table(name).await?.map(|table| table.table_type()))
    }

    fn table_exist(&self, name: &str) -> bool {
        name == INDEXES || self.base.table_exist(name)
    }
}

#[cfg(test)]
mod tests {
    use datafusion_postgres::datafusion_pg_catalog::pg_catalog::PG_CATALOG_TABLES;

    use super::{EMPTY_TABLES, INDEXES, UNSET_ARRAYS};

    #[test]
    fn tables_exist() {
        for name in UNSET_ARRAYS.iter().map(|(table, ..)| *table).chain(EMPTY_TABLES) {
            assert!(PG_CATALOG_TABLES.contains(&name) != (name == INDEXES), "{name}");
        }
    }
}
