//! The tables of `pg_catalog`.
//!
//! datafusion-pg-catalog derives tables and columns from the session; its other tables are a copy
//! of a PostgreSQL server's, with constraints, indexes and functions. This server has no
//! constraints and indexes, so those tables are empty here, and `pg_proc` lists our functions.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{MemTable, TableType, ViewTable, provider_as_source};
use datafusion::error::Result;
use datafusion::logical_expr::{LogicalPlanBuilder, cast, col, lit};
use datafusion::scalar::ScalarValue;

use super::procedures;
use super::settings::Settings;
use crate::default_schema::CATALOG;

/// The schema of the tables.
pub(super) const SCHEMA: &str = "pg_catalog";

/// Tables that are always empty on this server.
pub(super) const EMPTY_TABLES: [&str; 50] = [
    "pg_aggregate",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_depend",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_inherits",
    "pg_init_privs",
    "pg_language",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_matviews",
    "pg_opclass",
    "pg_opfamily",
    "pg_parameter_acl",
    "pg_partitioned_table",
    "pg_policy",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_replication_origin",
    "pg_replication_slots",
    "pg_rewrite",
    "pg_seclabel",
    "pg_sequence",
    "pg_shdepend",
    "pg_shseclabel",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_subscription_rel",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_user_mapping",
    "pg_user_mappings",
];

/// The type of a column that is always NULL.
#[derive(Clone, Copy, Debug)]
pub(super) enum UnsetType {
    Id,
    Text,
    Texts,
}

/// Columns that datafusion-pg-catalog lacks, or has as text instead of arrays. They are always
/// NULL.
pub(super) const UNSET_COLUMNS: [(&str, &str, UnsetType); 23] = [
    ("pg_attribute", "attacl", UnsetType::Texts),
    ("pg_attribute", "attoptions", UnsetType::Texts),
    ("pg_cast", "tableoid", UnsetType::Id),
    ("pg_class", "relacl", UnsetType::Texts),
    ("pg_class", "reloptions", UnsetType::Texts),
    ("pg_class", "tableoid", UnsetType::Id),
    ("pg_collation", "colliculocale", UnsetType::Text),
    ("pg_constraint", "tableoid", UnsetType::Id),
    ("pg_conversion", "tableoid", UnsetType::Id),
    ("pg_foreign_data_wrapper", "tableoid", UnsetType::Id),
    ("pg_foreign_server", "tableoid", UnsetType::Id),
    ("pg_language", "tableoid", UnsetType::Id),
    ("pg_namespace", "nspacl", UnsetType::Texts),
    ("pg_opclass", "tableoid", UnsetType::Id),
    ("pg_opfamily", "tableoid", UnsetType::Id),
    ("pg_proc", "proacl", UnsetType::Texts),
    ("pg_rewrite", "tableoid", UnsetType::Id),
    ("pg_settings", "boot_val", UnsetType::Text),
    ("pg_tablespace", "spcacl", UnsetType::Texts),
    ("pg_tablespace", "spcoptions", UnsetType::Texts),
    ("pg_trigger", "tableoid", UnsetType::Id),
    ("pg_type", "tableoid", UnsetType::Id),
    ("pg_type", "typacl", UnsetType::Texts),
];

/// Empty tables that datafusion-pg-catalog lacks, with their columns.
const MISSING_TABLES: [(&str, &[(&str, UnsetType)]); 2] = [
    (
        "pg_parameter_acl",
        &[("oid", UnsetType::Id), ("parname", UnsetType::Text), ("paracl", UnsetType::Texts)],
    ),
    (
        "pg_user_mappings",
        &[
            ("umid", UnsetType::Id),
            ("srvid", UnsetType::Id),
            ("srvname", UnsetType::Text),
            ("umuser", UnsetType::Id),
            ("usename", UnsetType::Text),
            ("umoptions", UnsetType::Texts),
        ],
    ),
];

impl UnsetType {
    fn data_type(self) -> DataType {
        match self {
            Self::Id => DataType::Int32,
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::new_list(DataType::Utf8, true),
        }
    }
}

/// The schema `pg_catalog`, for one connection.
pub(super) struct PgCatalogSchema {
    base: Arc<dyn SchemaProvider>,
    settings: Arc<Mutex<Settings>>,
}

impl PgCatalogSchema {
    pub(super) fn new(base: Arc<dyn SchemaProvider>, settings: Arc<Mutex<Settings>>) -> Self {
        Self { base, settings }
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

/// The databases: without `postgres`, which datafusion-pg-catalog adds.
fn databases(base: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let table = TableReference::partial(SCHEMA, "pg_database");
    let plan = LogicalPlanBuilder::scan(table, provider_as_source(base), None)?
        .filter(col("datname").eq(lit(CATALOG)))?
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
    columns.extend(
        unset.iter().map(|(_, column, unset)| {
            cast(lit(ScalarValue::Null), unset.data_type()).alias(*column)
        }),
    );
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
            "pg_database" => databases(base)?,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use datafusion_postgres::datafusion_pg_catalog::pg_catalog::PG_CATALOG_TABLES;

    use super::{EMPTY_TABLES, MISSING_TABLES, UNSET_COLUMNS};

    #[test]
    fn table_names_are_valid_and_unique() {
        let known: BTreeSet<&str> = PG_CATALOG_TABLES.iter().copied().collect();
        let empty = BTreeSet::from(EMPTY_TABLES);
        assert_eq!(empty.len(), EMPTY_TABLES.len());
        let missing_table = MISSING_TABLES.map(|(name, _)| name);
        for name in UNSET_COLUMNS.iter().map(|(table, ..)| *table).chain(EMPTY_TABLES) {
            assert!(known.contains(name) != missing_table.contains(&name), "{name}");
        }
        assert!(missing_table.iter().all(|name| empty.contains(name)));
    }
}
