//! `information_schema` as in PostgreSQL: views over `pg_catalog`, with PostgreSQL's names of types.
//!
//! DataFusion's own tables `df_settings`, `routines` and `parameters` are kept, because `SHOW` uses
//! them. Kinds of objects that this server does not have are empty tables.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use async_trait::async_trait;
use datafusion::catalog::information_schema::InformationSchemaProvider;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::{TableType, ViewTable};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::prelude::SessionContext;

use super::weak_catalogs::WeakCatalogs;
use crate::session;

/// The schema of the tables.
pub(super) const SCHEMA: &str = "information_schema";

/// Views and their definitions; columns are in PostgreSQL's order.
const VIEWS: [(&str, &str); 4] = [
    (
        "schemata",
        "SELECT current_database() AS catalog_name, nspname AS schema_name, \
         pg_get_userbyid(nspowner) AS schema_owner, \
         CAST(NULL AS TEXT) AS default_character_set_catalog, \
         CAST(NULL AS TEXT) AS default_character_set_schema, \
         CAST(NULL AS TEXT) AS default_character_set_name, CAST(NULL AS TEXT) AS sql_path \
         FROM pg_catalog.pg_namespace",
    ),
    (
        "tables",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, \
         c.relname AS table_name, \
         CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type, \
         CAST(NULL AS TEXT) AS self_referencing_column_name, \
         CAST(NULL AS TEXT) AS reference_generation, \
         CAST(NULL AS TEXT) AS user_defined_type_catalog, \
         CAST(NULL AS TEXT) AS user_defined_type_schema, \
         CAST(NULL AS TEXT) AS user_defined_type_name, 'NO' AS is_insertable_into, \
         'NO' AS is_typed, CAST(NULL AS TEXT) AS commit_action \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
    ),
    (
        "views",
        "SELECT current_database() AS table_catalog, schemaname AS table_schema, \
         viewname AS table_name, definition AS view_definition, 'NONE' AS check_option, \
         'NO' AS is_updatable, 'NO' AS is_insertable_into, 'NO' AS is_trigger_updatable, \
         'NO' AS is_trigger_deletable, 'NO' AS is_trigger_insertable_into \
         FROM pg_catalog.pg_views",
    ),
    (
        "columns",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, \
         c.relname AS table_name, a.attname AS column_name, \
         CAST(a.attnum AS INT) AS ordinal_position, CAST(NULL AS TEXT) AS column_default, \
         CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable, \
         CASE WHEN t.typcategory = 'A' THEN 'ARRAY' \
         ELSE format_type(a.atttypid, CAST(NULL AS INT)) END AS data_type, \
         CAST(NULL AS INT) AS character_maximum_length, \
         CASE WHEN t.typname = 'text' THEN 1073741824 END AS character_octet_length, \
         CASE t.typname WHEN 'int2' THEN 16 WHEN 'int4' THEN 32 WHEN 'int8' THEN 64 \
         WHEN 'float4' THEN 24 WHEN 'float8' THEN 53 END AS numeric_precision, \
         CASE WHEN t.typname IN ('int2', 'int4', 'int8', 'float4', 'float8') THEN 2 \
         WHEN t.typname = 'numeric' THEN 10 END AS numeric_precision_radix, \
         CASE WHEN t.typname IN ('int2', 'int4', 'int8') THEN 0 END AS numeric_scale, \
         CASE WHEN t.typname = 'date' THEN 0 \
         WHEN t.typname IN ('time', 'timestamp', 'timestamptz', 'interval') THEN 6 END \
         AS datetime_precision, \
         CAST(NULL AS TEXT) AS interval_type, CAST(NULL AS INT) AS interval_precision, \
         CAST(NULL AS TEXT) AS character_set_catalog, \
         CAST(NULL AS TEXT) AS character_set_schema, CAST(NULL AS TEXT) AS character_set_name, \
         CAST(NULL AS TEXT) AS collation_catalog, CAST(NULL AS TEXT) AS collation_schema, \
         CAST(NULL AS TEXT) AS collation_name, CAST(NULL AS TEXT) AS domain_catalog, \
         CAST(NULL AS TEXT) AS domain_schema, CAST(NULL AS TEXT) AS domain_name, \
         current_database() AS udt_catalog, 'pg_catalog' AS udt_schema, t.typname AS udt_name, \
         CAST(NULL AS TEXT) AS scope_catalog, CAST(NULL AS TEXT) AS scope_schema, \
         CAST(NULL AS TEXT) AS scope_name, CAST(NULL AS INT) AS maximum_cardinality, \
         CAST(a.attnum AS TEXT) AS dtd_identifier, 'NO' AS is_self_referencing, \
         'NO' AS is_identity, CAST(NULL AS TEXT) AS identity_generation, \
         CAST(NULL AS TEXT) AS identity_start, CAST(NULL AS TEXT) AS identity_increment, \
         CAST(NULL AS TEXT) AS identity_maximum, CAST(NULL AS TEXT) AS identity_minimum, \
         'NO' AS identity_cycle, 'NEVER' AS is_generated, \
         CAST(NULL AS TEXT) AS generation_expression, 'NO' AS is_updatable \
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid",
    ),
];

/// Empty tables with their columns, all of which are texts here.
const EMPTY: [(&str, &[&str]); 6] = [
    (
        "table_constraints",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "table_catalog",
            "table_schema",
            "table_name",
            "constraint_type",
            "is_deferrable",
            "initially_deferred",
            "enforced",
            "nulls_distinct",
        ],
    ),
    (
        "key_column_usage",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "ordinal_position",
            "position_in_unique_constraint",
        ],
    ),
    (
        "referential_constraints",
        &[
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
            "unique_constraint_catalog",
            "unique_constraint_schema",
            "unique_constraint_name",
            "match_option",
            "update_rule",
            "delete_rule",
        ],
    ),
    (
        "constraint_column_usage",
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "constraint_catalog",
            "constraint_schema",
            "constraint_name",
        ],
    ),
    (
        "sequences",
        &[
            "sequence_catalog",
            "sequence_schema",
            "sequence_name",
            "data_type",
            "start_value",
            "minimum_value",
            "maximum_value",
            "increment",
            "cycle_option",
        ],
    ),
    (
        "triggers",
        &[
            "trigger_catalog",
            "trigger_schema",
            "trigger_name",
            "event_manipulation",
            "event_object_catalog",
            "event_object_schema",
            "event_object_table",
            "action_statement",
            "action_orientation",
            "action_timing",
        ],
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
        let views = VIEWS.iter().map(|(name, _)| *name);
        let all = views.chain(EMPTY.iter().map(|(name, _)| *name)).chain(OF_DATAFUSION);
        all.map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some((_, sql)) = VIEWS.iter().find(|(view, _)| *view == name) {
            let closed = || DataFusionError::Execution("the session is closed".to_owned());
            let state = (self.state)().ok_or_else(closed)?;
            let plan = session::plan(&state, session::parse(&state, sql)?).await?;
            return Ok(Some(Arc::new(ViewTable::new(plan, Some((*sql).to_owned())))));
        }
        if let Some((_, columns)) = EMPTY.iter().find(|(table, _)| *table == name) {
            let fields = columns.iter().map(|column| Field::new(*column, DataType::Utf8, true));
            let schema = Schema::new(fields.collect::<Vec<_>>());
            return Ok(Some(Arc::new(EmptyTable::new(Arc::new(schema)))));
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
