//! Sends the rows of `COPY (query) TO STDOUT`.

use std::mem;

use bytes::{BufMut, BytesMut};
use futures::{SinkExt, StreamExt};
use pgwire::api::query::send_execution_response;
use pgwire::api::results::{QueryResponse, Tag};
use pgwire::error::PgWireResult;
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};

use super::socket::Socket;
use crate::server::postgres::errors;
use crate::server::postgres::session::Session;
use crate::server::postgres::values::copy_format::CopyFormat;

/// The signature of the binary format, its flags, and the length of its header extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The end of the binary format: a row with -1 values.
const BINARY_TRAILER: i16 = -1;

/// Sends the rows of a query.
///
/// # Errors
/// Those of the query and of the connection.
pub(in crate::server::postgres) async fn send(
    socket: &mut Socket,
    session: &Session,
    mut rows: QueryResponse,
    format: &CopyFormat,
) -> PgWireResult<()> {
    let fields = rows.row_schema();
    let too_many = |_| errors::error("54011", "too many columns");
    let columns = i16::try_from(fields.len()).map_err(too_many)?;
    let code = i8::from(format.is_binary());
    let formats = vec![i16::from(code); fields.len()];
    socket.feed(Out::CopyOutResponse(CopyOutResponse::new(code, columns, formats))).await?;
    let mut line = BytesMut::new();
    if format.is_binary() {
        // A part of the first message.
        line.extend_from_slice(BINARY_HEADER);
    } else if format.has_header() {
        format.header(fields.iter().map(|field| field.name()), &mut line);
        feed(socket, &mut line).await?;
    }
    let mut sent = 0;
    while let Some(row) = rows.data_rows().next().await {
        let row = row?;
        session.record_activity();
        format.row(row.field_count, row.data, &mut line);
        feed(socket, &mut line).await?;
        sent += 1;
    }
    if format.is_binary() {
        line.put_i16(BINARY_TRAILER);
        feed(socket, &mut line).await?;
    }
    socket.feed(Out::CopyDone(CopyDone::new())).await?;
    send_execution_response(socket, Tag::new("COPY").with_rows(sent)).await
}

async fn feed(socket: &mut Socket, line: &mut BytesMut) -> PgWireResult<()> {
    let data = mem::take(line).freeze();
    Ok(socket.feed(Out::CopyData(CopyData::new(data))).await?)
}
