//! The tables of `pg_catalog`.
//!
//! datafusion-pg-catalog derives tables and columns from the session, and brings the rest as it
//! was found in a PostgreSQL server: its constraints, its indexes, its functions. Here there are no
//! constraints and no indexes, so that such tables have no rows, and the functions are ours.

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
use crate::session::CATALOG;

/// The schema they are in.
pub(super) const SCHEMA: &str = "pg_catalog";

/// Tables about what there is not on a server that only reads.
pub(super) const EMPTY: [&str; 50] = [
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

/// What would be in a column that is never set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unset {
    Id,
    Text,
    Texts,
}

/// Columns that datafusion-pg-catalog leaves out, or has texts in where lists of them belong. Nobody
/// sets them here.
pub(super) const UNSET: [(&str, &str, Unset); 23] = [
    ("pg_attribute", "attacl", Unset::Texts),
    ("pg_attribute", "attoptions", Unset::Texts),
    ("pg_cast", "tableoid", Unset::Id),
    ("pg_class", "relacl", Unset::Texts),
    ("pg_class", "reloptions", Unset::Texts),
    ("pg_class", "tableoid", Unset::Id),
    ("pg_collation", "colliculocale", Unset::Text),
    ("pg_constraint", "tableoid", Unset::Id),
    ("pg_conversion", "tableoid", Unset::Id),
    ("pg_foreign_data_wrapper", "tableoid", Unset::Id),
    ("pg_foreign_server", "tableoid", Unset::Id),
    ("pg_language", "tableoid", Unset::Id),
    ("pg_namespace", "nspacl", Unset::Texts),
    ("pg_opclass", "tableoid", Unset::Id),
    ("pg_opfamily", "tableoid", Unset::Id),
    ("pg_proc", "proacl", Unset::Texts),
    ("pg_rewrite", "tableoid", Unset::Id),
    ("pg_settings", "boot_val", Unset::Text),
    ("pg_tablespace", "spcacl", Unset::Texts),
    ("pg_tablespace", "spcoptions", Unset::Texts),
    ("pg_trigger", "tableoid", Unset::Id),
    ("pg_type", "tableoid", Unset::Id),
    ("pg_type", "typacl", Unset::Texts),
];

/// Tables of the [`EMPTY`] ones that it lacks, with their columns.
const LACKING: [(&str, &[(&str, Unset)]); 2] = [
    ("pg_parameter_acl", &[("oid", Unset::Id), ("parname", Unset::Text), ("paracl", Unset::Texts)]),
    (
        "pg_user_mappings",
        &[
            ("umid", Unset::Id),
            ("srvid", Unset::Id),
            ("srvname", Unset::Text),
            ("umuser", Unset::Id),
            ("usename", Unset::Text),
            ("umoptions", Unset::Texts),
        ],
    ),
];

impl Unset {
    fn data_type(self) -> DataType {
        match self {
            Self::Id => DataType::Int32,
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::new_list(DataType::Utf8, true),
        }
    }
}

/// All of them, for one connection.
pub(super) struct Relations {
    given: Arc<dyn SchemaProvider>,
    settings: Arc<Mutex<Settings>>,
}

impl Relations {
    pub(super) fn new(given: Arc<dyn SchemaProvider>, settings: Arc<Mutex<Settings>>) -> Self {
        Self { given, settings }
    }

    fn settings(&self, given: &dyn TableProvider) -> Result<MemTable> {
        let schema = given.schema();
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
fn databases(given: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let table = TableReference::partial(SCHEMA, "pg_database");
    let plan = LogicalPlanBuilder::scan(table, provider_as_source(given), None)?
        .filter(col("datname").eq(lit(CATALOG)))?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// With the columns that are never set.
fn widened(name: &str, given: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let unset: Vec<_> = UNSET.iter().filter(|(table, ..)| *table == name).collect();
    if unset.is_empty() {
        return Ok(given);
    }
    let schema = given.schema();
    let is_set = |column: &&str| !unset.iter().any(|(_, name, _)| name == column);
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let mut columns: Vec<_> = names.filter(is_set).map(col).collect();
    columns.extend(
        unset.iter().map(|(_, column, unset)| {
            cast(lit(ScalarValue::Null), unset.data_type()).alias(*column)
        }),
    );
    let table = TableReference::partial(SCHEMA, name);
    let plan = LogicalPlanBuilder::scan(table, provider_as_source(given), None)?
        .project(columns)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// A table that is lacking.
fn lacking(name: &str) -> Option<EmptyTable> {
    let (_, columns) = LACKING.iter().find(|(table, _)| *table == name)?;
    let fields = columns.iter().map(|(name, unset)| Field::new(*name, unset.data_type(), true));
    Some(EmptyTable::new(Arc::new(Schema::new(fields.collect::<Vec<_>>()))))
}

impl fmt::Debug for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relations").finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for Relations {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.given.table_names();
        names.extend(LACKING.iter().map(|(name, _)| (*name).to_owned()));
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(lacking) = lacking(name) {
            return Ok(Some(Arc::new(lacking)));
        }
        let Some(given) = self.given.table(name).await? else { return Ok(None) };
        let given = match name {
            "pg_database" => databases(given)?,
            "pg_settings" => Arc::new(self.settings(given.as_ref())?),
            procedures::TABLE => match self.given.table("pg_namespace").await? {
                Some(namespaces) => procedures::table(&given.schema(), namespaces)?,
                None => given,
            },
            _ => given,
        };
        let widened = widened(name, given)?;
        Ok(Some(match EMPTY.contains(&name) {
            true => Arc::new(EmptyTable::new(widened.schema())),
            false => widened,
        }))
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table(name).await?.map(|table| table.table_type()))
    }

    fn table_exist(&self, name: &str) -> bool {
        lacking(name).is_some() || self.given.table_exist(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use datafusion_postgres::datafusion_pg_catalog::pg_catalog::PG_CATALOG_TABLES;

    use super::{EMPTY, LACKING, UNSET};

    #[test]
    fn every_table_is_known_and_named_once() {
        let known: BTreeSet<&str> = PG_CATALOG_TABLES.iter().copied().collect();
        let empty = BTreeSet::from(EMPTY);
        assert_eq!(empty.len(), EMPTY.len());
        let lacking = LACKING.map(|(name, _)| name);
        for name in UNSET.iter().map(|(table, ..)| *table).chain(EMPTY) {
            assert!(known.contains(name) != lacking.contains(&name), "{name}");
        }
        assert!(lacking.iter().all(|name| empty.contains(name)));
    }
}
