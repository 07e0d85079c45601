//! Listings of catalogs, schemas, tables and keys (there are no keys).

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables,
};
use datafusion::catalog::SchemaProvider;
use datafusion::logical_expr::TableType;
use datafusion::prelude::SessionContext;
use engine::{Error, Result};

use super::types::client_schema;
use crate::failure::statement_error;

/// The names of catalogs.
///
/// # Errors
/// When they cannot be encoded.
pub(super) fn catalogs(session: &SessionContext, of: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut catalogs = of.into_builder();
    session.catalog_names().into_iter().for_each(|name| catalogs.append(name));
    catalogs.build().map_err(|cause| metadata_error(&cause))
}

/// The names of schemas.
///
/// # Errors
/// When a pattern is invalid.
pub(super) fn schemas(session: &SessionContext, of: CommandGetDbSchemas) -> Result<RecordBatch> {
    let mut schemas = of.into_builder();
    for (catalog, schema, _) in all_schemas(session) {
        schemas.append(catalog, schema);
    }
    schemas.build().map_err(|cause| metadata_error(&cause))
}

/// The names of tables, with their columns if requested. Only then are files opened, and only those
/// of tables that pass the filters.
///
/// # Errors
/// When a pattern is invalid, or a table whose columns are requested cannot be opened.
pub(super) async fn tables(session: SessionContext, of: CommandGetTables) -> Result<RecordBatch> {
    let to_error = |cause| statement_error(cause, None);
    let mut names = CommandGetTables { include_schema: false, ..of.clone() }.into_builder();
    for (catalog, name, schema) in all_schemas(&session) {
        for table in schema.table_names() {
            let Some(kind) = schema.table_type(&table).await.map_err(to_error)? else { continue };
            names
                .append(&catalog, &name, &table, table_type_name(kind), &Schema::empty())
                .map_err(|e| metadata_error(&e))?;
        }
    }
    let names = names.build().map_err(|cause| metadata_error(&cause))?;
    if !of.include_schema {
        return Ok(names);
    }
    let mut with_columns = of.into_builder();
    let text = |column: usize, row| names.column(column).as_string::<i32>().value(row);
    for row in 0..names.num_rows() {
        let (catalog, schema, table) = (text(0, row), text(1, row), text(2, row));
        let provider = session.catalog(catalog).and_then(|catalog| catalog.schema(schema));
        let Some(provider) = provider else { continue };
        let Some(found) = provider.table(table).await.map_err(to_error)? else { continue };
        let columns = client_schema(&found.schema());
        with_columns
            .append(catalog, schema, table, text(3, row), &columns)
            .map_err(|e| metadata_error(&e))?;
    }
    with_columns.build().map_err(|cause| metadata_error(&cause))
}

/// The types of tables.
///
/// # Errors
/// When they cannot be encoded.
pub(super) fn table_types() -> Result<RecordBatch> {
    let mut kinds = CommandGetTableTypes {}.into_builder();
    [TableType::Base, TableType::View]
        .into_iter()
        .for_each(|kind| kinds.append(table_type_name(kind)));
    kinds.build().map_err(|cause| metadata_error(&cause))
}

/// The name of a table type in JDBC.
fn table_type_name(kind: TableType) -> &'static str {
    match kind {
        TableType::Base => "TABLE",
        TableType::View => "VIEW",
        TableType::Temporary => "LOCAL TEMPORARY",
    }
}

/// All schemas, with their catalogs.
fn all_schemas(session: &SessionContext) -> Vec<(String, String, Arc<dyn SchemaProvider>)> {
    let mut all = Vec::new();
    for catalog in session.catalog_names() {
        let Some(provider) = session.catalog(&catalog) else { continue };
        for schema in provider.schema_names() {
            let tables = provider.schema(&schema);
            all.extend(tables.map(|tables| (catalog.clone(), schema, tables)));
        }
    }
    all
}

fn metadata_error(cause: &FlightError) -> Error {
    Error::input(format!("cannot list the metadata: {cause}"))
}

/// The columns of primary keys.
pub(super) fn primary_keys() -> SchemaRef {
    columns(&[
        ("catalog_name", DataType::Utf8, true),
        ("db_schema_name", DataType::Utf8, true),
        ("table_name", DataType::Utf8, false),
        ("column_name", DataType::Utf8, false),
        ("key_name", DataType::Utf8, true),
        ("key_sequence", DataType::Int32, false),
    ])
}

/// The columns of foreign keys.
pub(super) fn foreign_keys() -> SchemaRef {
    columns(&[
        ("pk_catalog_name", DataType::Utf8, true),
        ("pk_db_schema_name", DataType::Utf8, true),
        ("pk_table_name", DataType::Utf8, false),
        ("pk_column_name", DataType::Utf8, false),
        ("fk_catalog_name", DataType::Utf8, true),
        ("fk_db_schema_name", DataType::Utf8, true),
        ("fk_table_name", DataType::Utf8, false),
        ("fk_column_name", DataType::Utf8, false),
        ("key_sequence", DataType::Int32, false),
        ("fk_key_name", DataType::Utf8, true),
        ("pk_key_name", DataType::Utf8, true),
        ("update_rule", DataType::UInt8, false),
        ("delete_rule", DataType::UInt8, false),
    ])
}

fn columns(columns: &[(&str, DataType, bool)]) -> SchemaRef {
    let field = |(name, kind, nullable): &(&str, DataType, bool)| {
        Field::new(*name, kind.clone(), *nullable)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}
