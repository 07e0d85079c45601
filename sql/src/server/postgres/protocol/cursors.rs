//! Cursors: named results that a client fetches in parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::Statement;
use futures::{SinkExt, StreamExt};
use pgwire::api::portal::Format;
use pgwire::api::query::send_execution_response;
use pgwire::api::results::{FieldInfo, Tag};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::data::RowDescription;
use pgwire::messages::response::TransactionStatus;

use super::socket::Socket;
use crate::server::RowStream;
use crate::server::postgres::errors;
use crate::server::postgres::session::Session;
use crate::server::postgres::statements::parameters;
use crate::server::postgres::statements::prepare::{ParsedStatement, prepare_in};
use crate::server::postgres::values::rows;

/// Most open cursors of a connection; each holds a running statement.
const MAX_CURSORS: usize = 16;

/// A result that is not fully fetched.
struct Cursor {
    /// Whether it outlives its transaction (WITH HOLD).
    hold: bool,
    schema: Schema,
    rows: RowStream,
    /// The unsent rows of the last batch.
    remainder: Option<RecordBatch>,
}

/// The cursors of a connection.
#[derive(Default)]
pub(in crate::server::postgres) struct Cursors {
    open: BTreeMap<String, Cursor>,
}

impl Cursors {
    /// Declares a cursor and starts its statement.
    ///
    /// # Errors
    /// When the name is in use, there are too many cursors, or one without HOLD is declared outside
    /// of a transaction.
    pub(in crate::server::postgres) async fn declare(
        &mut self,
        session: &Session,
        status: TransactionStatus,
        (name, hold): (&str, bool),
        statement: Statement,
    ) -> PgWireResult<()> {
        if !hold && matches!(status, TransactionStatus::Idle) {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(errors::error("25P01", message));
        }
        if self.open.contains_key(name) {
            return Err(errors::error("42P03", format!("cursor \"{name}\" already exists")));
        }
        if self.open.len() >= MAX_CURSORS {
            let message = format!("a connection can have at most {MAX_CURSORS} cursors");
            return Err(errors::error("53400", message));
        }
        let statement = ParsedStatement::from(statement);
        let mut execution = session.begin_statement(&statement.text).map_err(errors::from_error)?;
        let query = prepare_in(session, &mut execution, statement).await?;
        let schema = parameters::coerced_schema(&query.plan, &[]).map_err(errors::from_error)?;
        let schema = query.named(schema.as_arrow());
        let context = session.context().map_err(errors::from_error)?;
        let rows = execution.execute(context, query.plan).await.map_err(errors::from_error)?;
        self.open.insert(name.to_owned(), Cursor { hold, schema, rows, remainder: None });
        Ok(())
    }

    /// Sends the next rows; all remaining ones if `max_rows` is `None`.
    ///
    /// # Errors
    /// Those of the statement, and when the cursor does not exist.
    pub(in crate::server::postgres) async fn fetch(
        &mut self,
        socket: &mut Socket,
        session: &Session,
        (name, max_rows): (&str, Option<usize>),
        (format, describe): (&Format, bool),
    ) -> PgWireResult<()> {
        let fields = Arc::new(self.fields(session, name, format)?);
        let zone = session.settings().zone();
        let cursor = self.open.get_mut(name).ok_or_else(|| unknown(name))?;
        if describe {
            let row = RowDescription::new(fields.iter().map(Into::into).collect());
            socket.feed(Out::RowDescription(row)).await?;
        }
        let mut sent = 0;
        loop {
            let left = max_rows.map_or(usize::MAX, |max_rows| max_rows - sent);
            if left == 0 {
                break;
            }
            session.record_activity();
            let batch = match cursor.remainder.take() {
                Some(remainder) => remainder,
                None => match cursor.rows.next().await.transpose() {
                    Ok(Some(batch)) => batch,
                    Ok(None) => break,
                    Err(error) => return Err(errors::from_error(error)),
                },
            };
            let now = left.min(batch.num_rows());
            if now < batch.num_rows() {
                cursor.remainder = Some(batch.slice(now, batch.num_rows() - now));
            }
            let rows = rows::encode(&batch.slice(0, now), &fields, &zone);
            for row in rows.map_err(errors::from_error)? {
                socket.feed(Out::DataRow(row?)).await?;
            }
            sent += now;
        }
        send_execution_response(socket, Tag::new("FETCH").with_rows(sent)).await
    }

    /// The columns of a cursor.
    ///
    /// # Errors
    /// When the cursor does not exist.
    pub(in crate::server::postgres) fn fields(
        &self,
        session: &Session,
        name: &str,
        format: &Format,
    ) -> PgWireResult<Vec<FieldInfo>> {
        let cursor = self.open.get(name).ok_or_else(|| unknown(name))?;
        rows::fields(&cursor.schema, format, session.settings().format())
    }

    /// Closes a cursor; all of them if `name` is `None`.
    ///
    /// # Errors
    /// When the cursor does not exist.
    pub(super) fn close(&mut self, name: Option<&str>) -> PgWireResult<()> {
        match name {
            None => self.open.clear(),
            Some(name) => {
                self.open.remove(name).ok_or_else(|| unknown(name))?;
            }
        }
        Ok(())
    }

    /// Closes the cursors without HOLD.
    pub(super) fn end_transaction(&mut self) {
        self.open.retain(|_, cursor| cursor.hold);
    }
}

fn unknown(name: &str) -> PgWireError {
    errors::error("34000", format!("cursor \"{name}\" does not exist"))
}
