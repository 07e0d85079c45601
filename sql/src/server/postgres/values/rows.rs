//! Encodes rows as PostgreSQL messages.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{FieldRef, Schema};
use engine::Result;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldInfo, QueryResponse, Response};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use pgwire::types::format::FormatOptions;

use super::types::column_type;
use super::{array_encoding, text_encoding};
use crate::server::RowStream;
use crate::server::postgres::errors;

/// The columns of a result, in the requested formats.
pub(in crate::server::postgres) fn fields(
    schema: &Schema,
    format: &Format,
    options: FormatOptions,
) -> PgWireResult<Vec<FieldInfo>> {
    check(format, schema.fields().len(), "result")?;
    let options = Arc::new(options);
    let field = |(at, field): (usize, &FieldRef)| {
        let kind = column_type(field).map_err(unsupported_type)?;
        let info = FieldInfo::new(field.name().clone(), None, None, kind, format.format_for(at));
        Ok(info.with_format_options(Arc::clone(&options)))
    };
    schema.fields().iter().enumerate().map(field).collect()
}

/// Checks that the number of formats fits the number of columns or parameters.
pub(in crate::server::postgres) fn check(
    format: &Format,
    count: usize,
    what: &str,
) -> PgWireResult<()> {
    match format {
        Format::Individual(codes) if codes.len() != count => Err(errors::error(
            "08P01",
            format!("there are {} {what} formats for {count}", codes.len()),
        )),
        _ => Ok(()),
    }
}

/// The response of a statement, with timestamps in `zone`.
///
/// # Errors
/// When the column types differ from the described ones.
pub(in crate::server::postgres) fn response(
    rows: RowStream,
    fields: Vec<FieldInfo>,
    zone: String,
    tag: &str,
) -> PgWireResult<Response> {
    let schema = rows.schema();
    let types = schema.fields().iter().map(column_type);
    let types = types.collect::<PgWireResult<Vec<_>>>().map_err(unsupported_type)?;
    // The optimizer may drop what the planner knows about a text.
    let is_same = |(kind, field): (&Type, &FieldInfo)| {
        kind.oid() == field.datatype().oid()
            || *kind == Type::TEXT
                && [Type::JSON, Type::VARCHAR, Type::NAME].contains(field.datatype())
    };
    if types.len() != fields.len() || !types.iter().zip(&fields).all(is_same) {
        return Err(errors::error("0A000", "cached plan must not change result type"));
    }
    let fields = Arc::new(fields);
    let columns = Arc::clone(&fields);
    let rows = rows.flat_map(move |batch| -> BoxStream<'static, PgWireResult<DataRow>> {
        match batch.and_then(|batch| encode(&batch, &columns, &zone)) {
            Ok(rows) => stream::iter(rows).boxed(),
            Err(error) => stream::iter([Err(errors::from_error(error))]).boxed(),
        }
    });
    let mut response = QueryResponse::new(fields, rows);
    response.set_command_tag(tag);
    Ok(Response::Query(response))
}

/// Encodes rows as messages, with timestamps in `zone`.
///
/// # Errors
/// When a value cannot be encoded.
pub(in crate::server::postgres) fn encode(
    batch: &RecordBatch,
    fields: &Arc<Vec<FieldInfo>>,
    zone: &str,
) -> Result<impl Iterator<Item = PgWireResult<DataRow>> + use<>> {
    let (batch, fields) = array_encoding::replace(batch, fields, zone)?;
    text_encoding::encode(&batch, &fields, zone)
}

/// The error for a type without an equivalent in PostgreSQL.
fn unsupported_type(error: PgWireError) -> PgWireError {
    let info = ErrorInfo::from(error);
    let mut info = ErrorInfo::new("ERROR".to_owned(), "0A000".to_owned(), info.message);
    info.hint = Some("cast it to text".to_owned());
    PgWireError::UserError(Box::new(info))
}

/// The column of a setting's result.
pub(in crate::server::postgres) fn setting_field(name: &str, format: &Format) -> Vec<FieldInfo> {
    vec![FieldInfo::new(name.to_owned(), None, None, Type::TEXT, format.format_for(0))]
}

/// The result of SHOW.
pub(in crate::server::postgres) fn setting(
    name: &str,
    value: &str,
    format: &Format,
) -> PgWireResult<Response> {
    check(format, 1, "result")?;
    let fields = Arc::new(setting_field(name, format));
    let mut encoder = DataRowEncoder::new(Arc::clone(&fields));
    encoder.encode_field(&Some(value))?;
    let row = encoder.take_row();
    let mut response = QueryResponse::new(fields, stream::iter([Ok(row)]));
    response.set_command_tag("SHOW");
    Ok(Response::Query(response))
}
