//! Tables and columns of `pg_catalog` that datafusion-pg-catalog has not as this server has them.

use arrow::datatypes::DataType;

/// The schema of the tables.
pub(in crate::server::postgres) const SCHEMA: &str = "pg_catalog";

/// Tables that are always empty on this server.
pub(in crate::server::postgres) const EMPTY_TABLES: [&str; 51] = [
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
    "pg_indexes",
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
pub(in crate::server::postgres) enum UnsetType {
    Id,
    Text,
    Texts,
    Numbers,
    /// 0 instead of NULL.
    Zero,
}

/// Columns that datafusion-pg-catalog lacks, or has as text instead of arrays. They are always
/// NULL.
pub(in crate::server::postgres) const UNSET_COLUMNS: [(&str, &str, UnsetType); 26] = [
    ("pg_attribute", "attacl", UnsetType::Texts),
    ("pg_attribute", "attoptions", UnsetType::Texts),
    ("pg_cast", "tableoid", UnsetType::Id),
    ("pg_class", "relacl", UnsetType::Texts),
    ("pg_class", "reloptions", UnsetType::Texts),
    // Tables have no pages that could be read one by one, as DuckDB would.
    ("pg_class", "relpages", UnsetType::Zero),
    ("pg_class", "tableoid", UnsetType::Id),
    ("pg_collation", "colliculocale", UnsetType::Text),
    ("pg_constraint", "confkey", UnsetType::Numbers),
    ("pg_constraint", "conkey", UnsetType::Numbers),
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
pub(in crate::server::postgres) const MISSING_TABLES: [(&str, &[(&str, UnsetType)]); 3] = [
    (
        "pg_indexes",
        &[
            ("schemaname", UnsetType::Text),
            ("tablename", UnsetType::Text),
            ("indexname", UnsetType::Text),
            ("tablespace", UnsetType::Text),
            ("indexdef", UnsetType::Text),
        ],
    ),
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
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Id | Self::Zero => DataType::Int32,
            Self::Text => DataType::Utf8,
            Self::Texts => DataType::new_list(DataType::Utf8, true),
            Self::Numbers => DataType::new_list(DataType::Int16, true),
        }
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
