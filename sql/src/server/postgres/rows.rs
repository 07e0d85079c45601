//! Rows as PostgreSQL's messages.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion_postgres::arrow_pg::datatypes::{
    arrow_schema_to_pg_fields, encode_recordbatch, field_into_pg_type,
};
use engine::Result;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use pgwire::types::format::FormatOptions;

use super::errors;
use super::written::written;
use crate::server::Rows;

/// The columns of a result, in the formats that the client wants.
pub(super) fn fields(
    schema: &Schema,
    format: &Format,
    options: FormatOptions,
) -> PgWireResult<Vec<FieldInfo>> {
    check(format, schema.fields().len(), "result")?;
    arrow_schema_to_pg_fields(schema, format, Some(Arc::new(options))).map_err(unsendable)
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

/// The answer of a statement, with instants in `zone`.
///
/// # Errors
/// When the columns are not of the types that were told.
pub(super) fn response(
    rows: Rows,
    fields: Vec<FieldInfo>,
    zone: String,
    tag: &str,
) -> PgWireResult<Response> {
    let schema = rows.schema();
    let come = schema.fields().iter().map(field_into_pg_type);
    let come = come.collect::<PgWireResult<Vec<_>>>().map_err(unsendable)?;
    if come.len() != fields.len()
        || come.iter().zip(&fields).any(|(kind, told)| kind.oid() != told.datatype().oid())
    {
        return Err(errors::error("0A000", "cached plan must not change result type"));
    }
    let fields = Arc::new(fields);
    let columns = Arc::clone(&fields);
    let rows = rows.flat_map(move |batch| -> BoxStream<'static, PgWireResult<DataRow>> {
        match batch.and_then(|batch| encoded(&batch, &columns, &zone)) {
            Ok(rows) => stream::iter(rows).boxed(),
            Err(error) => stream::iter([Err(errors::of(&error))]).boxed(),
        }
    });
    let mut response = QueryResponse::new(fields, rows);
    response.set_command_tag(tag);
    Ok(Response::Query(response))
}

/// Rows as messages, with instants in `zone`.
///
/// # Errors
/// When a value cannot be written.
pub(super) fn encoded(
    batch: &RecordBatch,
    fields: &Arc<Vec<FieldInfo>>,
    zone: &str,
) -> Result<impl Iterator<Item = PgWireResult<DataRow>> + use<>> {
    let is_text =
        |at: usize| fields.get(at).is_some_and(|field| field.format() == FieldFormat::Text);
    Ok(encode_recordbatch(Arc::clone(fields), written(batch, is_text, zone)?))
}

/// A type that PostgreSQL has nothing for.
fn unsendable(error: PgWireError) -> PgWireError {
    let told = ErrorInfo::from(error);
    let mut told = ErrorInfo::new("ERROR".to_owned(), "0A000".to_owned(), told.message);
    told.hint = Some("cast it to text".to_owned());
    PgWireError::UserError(Box::new(told))
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
