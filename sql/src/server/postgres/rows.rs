//! Rows as PostgreSQL's messages.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion_postgres::arrow_pg::datatypes::{arrow_schema_to_pg_fields, encode_recordbatch};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldInfo, QueryResponse, Response};
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;
use pgwire::types::format::FormatOptions;

use super::errors;
use crate::server::Rows;

/// The columns of a result, in the formats that the client wants.
pub(super) fn fields(
    schema: &Schema,
    format: &Format,
    options: FormatOptions,
) -> PgWireResult<Vec<FieldInfo>> {
    check(format, schema.fields().len(), "result")?;
    arrow_schema_to_pg_fields(schema, format, Some(Arc::new(options)))
}

/// Refuses formats that are not for so many columns or parameters.
pub(super) fn check(format: &Format, of: usize, what: &str) -> PgWireResult<()> {
    match format {
        Format::Individual(codes) if codes.len() != of => Err(errors::error(
            "08P01",
            format!("there are {} {what} formats for {of}", codes.len()),
        )),
        _ => Ok(()),
    }
}

/// The answer of a statement.
pub(super) fn response(rows: Rows, fields: Vec<FieldInfo>, tag: &str) -> Response {
    let fields = Arc::new(fields);
    let columns = Arc::clone(&fields);
    let rows = rows.flat_map(move |batch| -> BoxStream<'static, PgWireResult<DataRow>> {
        match batch {
            Ok(batch) => stream::iter(encode_recordbatch(Arc::clone(&columns), batch)).boxed(),
            Err(error) => stream::iter([Err(errors::of(&error))]).boxed(),
        }
    });
    let mut response = QueryResponse::new(fields, rows);
    response.set_command_tag(tag);
    Response::Query(response)
}

/// The column of a setting's value.
pub(super) fn setting_field(name: &str, format: &Format) -> Vec<FieldInfo> {
    vec![FieldInfo::new(name.to_owned(), None, None, Type::TEXT, format.format_for(0))]
}

/// A setting's value as a result.
pub(super) fn setting(name: &str, value: &str, format: &Format) -> PgWireResult<Response> {
    check(format, 1, "result")?;
    let fields = Arc::new(setting_field(name, format));
    let mut encoder = DataRowEncoder::new(Arc::clone(&fields));
    encoder.encode_field(&Some(value))?;
    let row = encoder.take_row();
    let mut response = QueryResponse::new(fields, stream::iter([Ok(row)]));
    response.set_command_tag("SHOW");
    Ok(Response::Query(response))
}
