//! `information_schema` as in PostgreSQL: views over `pg_catalog`, with PostgreSQL's names of types.
//!
//! DataFusion's own tables `df_settings`, `routines` and `parameters` are kept, because `SHOW` uses
//! them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::information_schema::InformationSchemaProvider;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::datasource::{TableType, ViewTable};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;

use super::weak_catalogs::WeakCatalogs;
use crate::session;

/// The schema of the tables.
pub(super) const SCHEMA: &str = "information_schema";

/// Views: their columns, in PostgreSQL's order, and what they are read from. A column that is only a
/// name is NULL, as a text.
const VIEWS: [(&str, &str, &str); 8] = [
    (
        "schemata",
        "current_database() AS catalog_name, nspname AS schema_name, \
         pg_get_userbyid(nspowner) AS schema_owner, default_character_set_catalog, \
         default_character_set_schema, default_character_set_name, sql_path",
        "FROM pg_catalog.pg_namespace",
    ),
    (
        "tables",
        "current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, \
         CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type, \
         self_referencing_column_name, reference_generation, user_defined_type_catalog, \
         user_defined_type_schema, user_defined_type_name, 'NO' AS is_insertable_into, \
         'NO' AS is_typed, commit_action",
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
    ),
    (
        "views",
        "current_database() AS table_catalog, schemaname AS table_schema, viewname AS table_name, \
         definition AS view_definition, 'NONE' AS check_option, 'NO' AS is_updatable, \
         'NO' AS is_insertable_into, 'NO' AS is_trigger_updatable, 'NO' AS is_trigger_deletable, \
         'NO' AS is_trigger_insertable_into",
        "FROM pg_catalog.pg_views",
    ),
    (
        "columns",
        "current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, \
         a.attname AS column_name, a.attnum::INT AS ordinal_position, column_default, \
         CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, \
         CASE WHEN t.typcategory = 'A' THEN 'ARRAY' \
         ELSE format_type(a.atttypid, NULL::INT) END AS data_type, \
         NULL::INT AS character_maximum_length, \
         CASE WHEN t.typname = 'text' THEN 1073741824 END AS character_octet_length, \
         CASE t.typname WHEN 'int2' THEN 16 WHEN 'int4' THEN 32 WHEN 'int8' THEN 64 \
         WHEN 'float4' THEN 24 WHEN 'float8' THEN 53 END AS numeric_precision, \
         CASE WHEN t.typname IN ('int2', 'int4', 'int8', 'float4', 'float8') THEN 2 \
         WHEN t.typname = 'numeric' THEN 10 END AS numeric_precision_radix, \
         CASE WHEN t.typname IN ('int2', 'int4', 'int8') THEN 0 END AS numeric_scale, \
         CASE WHEN t.typname = 'date' THEN 0 \
         WHEN t.typname IN ('time', 'timestamp', 'timestamptz', 'interval') THEN 6 END \
         AS datetime_precision, interval_type, NULL::INT AS interval_precision, \
         character_set_catalog, character_set_schema, character_set_name, collation_catalog, \
         collation_schema, collation_name, domain_catalog, domain_schema, domain_name, \
         current_database() AS udt_catalog, 'pg_catalog' AS udt_schema, t.typname AS udt_name, \
         scope_catalog, scope_schema, scope_name, NULL::INT AS maximum_cardinality, \
         a.attnum::TEXT AS dtd_identifier, 'NO' AS is_self_referencing, 'NO' AS is_identity, \
         identity_generation, identity_start, identity_increment, identity_maximum, \
         identity_minimum, 'NO' AS identity_cycle, 'NEVER' AS is_generated, \
         generation_expression, 'NO' AS is_updatable",
        "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid",
    ),
    // There are no constraints.
    (
        "table_constraints",
        "constraint_catalog, constraint_schema, constraint_name, table_catalog, table_schema, \
         table_name, constraint_type, is_deferrable, initially_deferred, enforced, nulls_distinct",
        "WHERE false",
    ),
    (
        "key_column_usage",
        "constraint_catalog, constraint_schema, constraint_name, table_catalog, table_schema, \
         table_name, column_name, NULL::INT AS ordinal_position, \
         NULL::INT AS position_in_unique_constraint",
        "WHERE false",
    ),
    (
        "referential_constraints",
        "constraint_catalog, constraint_schema, constraint_name, unique_constraint_catalog, \
         unique_constraint_schema, unique_constraint_name, match_option, update_rule, delete_rule",
        "WHERE false",
    ),
    (
        "constraint_column_usage",
        "table_catalog, table_schema, table_name, column_name, constraint_catalog, \
         constraint_schema, constraint_name",
        "WHERE false",
    ),
];

/// DataFusion's tables.
const OF_DATAFUSION: [&str; 3] = ["df_settings", "routines", "parameters"];

/// The state of the schema's session, while it exists.
type WeakState = Box<dyn Fn() -> Option<SessionState> + Send + Sync>;

/// The schema `information_schema` of one connection.
pub(super) struct InformationSchema {
    catalogs: WeakCatalogs,
    state: WeakState,
}

impl InformationSchema {
    pub(super) fn new(session: &SessionContext, catalogs: WeakCatalogs) -> Self {
        // A weak reference, because the session owns this schema.
        let weak = session.state_weak_ref();
        let state = Box::new(move || weak.upgrade().map(|state| state.read().clone()));
        Self { catalogs, state }
    }
}

impl fmt::Debug for InformationSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InformationSchema").finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        let views = VIEWS.iter().map(|(name, ..)| *name);
        views.chain(OF_DATAFUSION).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some((_, columns, source)) = VIEWS.iter().find(|(view, ..)| *view == name) {
            let closed = || DataFusionError::Execution("the session is closed".to_owned());
            let state = (self.state)().ok_or_else(closed)?;
            let sql = format!("SELECT {} {source}", with_nulls(columns));
            let plan = session::plan(&state, session::parse(&state, &sql)?).await?;
            return Ok(Some(Arc::new(ViewTable::new(plan, Some(sql)))));
        }
        if OF_DATAFUSION.contains(&name) {
            return InformationSchemaProvider::new(self.catalogs.get()?).table(name).await;
        }
        Ok(None)
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        Ok(self.table_exist(name).then_some(TableType::View))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

/// Columns, of which those that are only a name are NULL.
fn with_nulls(columns: &str) -> String {
    let is_name =
        |column: &str| column.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
    let columns = columns.split(", ").map(|column| match is_name(column) {
        true => format!("NULL::TEXT AS {column}"),
        false => column.to_owned(),
    });
    columns.collect::<Vec<_>>().join(", ")
}
