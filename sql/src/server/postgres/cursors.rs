//! Cursors: results that a client takes a part at a time, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::DFSchemaRef;
use datafusion::sql::sqlparser::ast::Statement;
use futures::{SinkExt, StreamExt};
use pgwire::api::portal::Format;
use pgwire::api::query::send_execution_response;
use pgwire::api::results::{FieldInfo, Tag};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::data::RowDescription;
use pgwire::messages::response::TransactionStatus;

use super::prepare::prepare_now;
use super::session::Session;
use super::{Socket, errors, parameters, rows};
use crate::server::Rows;

/// Most cursors of a connection: each holds a statement.
const MOST: usize = 16;

/// A result that is not taken yet.
struct Cursor {
    /// Whether it outlives its transaction.
    hold: bool,
    schema: DFSchemaRef,
    rows: Rows,
    /// What was not taken of the last batch.
    rest: Option<RecordBatch>,
}

/// The cursors of a connection.
#[derive(Default)]
pub(super) struct Cursors {
    open: BTreeMap<String, Cursor>,
}

impl Cursors {
    /// Begins a statement under a name.
    ///
    /// # Errors
    /// When the name is taken, there are too many, or it would end at once.
    pub(super) async fn declare(
        &mut self,
        session: &Session,
        status: TransactionStatus,
        (name, hold): (&str, bool),
        statement: Statement,
    ) -> PgWireResult<()> {
        if !hold && matches!(status, TransactionStatus::Idle) {
            let told = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(errors::error("25P01", told));
        }
        if self.open.contains_key(name) {
            return Err(errors::error("42P03", format!("cursor \"{name}\" already exists")));
        }
        if self.open.len() >= MOST {
            let told = format!("a connection can have at most {MOST} cursors");
            return Err(errors::error("53400", told));
        }
        let told = |error| errors::of(&error);
        let mut running = session.begin(&statement.to_string()).map_err(told)?;
        let query = prepare_now(session, &mut running, statement).await.map_err(told)?;
        let schema = parameters::typed(&query.plan, &[]).map_err(told)?;
        let context = session.context().map_err(told)?;
        let rows = running.rows(context, query.plan).await.map_err(told)?;
        self.open.insert(name.to_owned(), Cursor { hold, schema, rows, rest: None });
        Ok(())
    }

    /// Sends the next rows, all of them without a number.
    ///
    /// # Errors
    /// Those of the statement, and when there is no such cursor.
    pub(super) async fn fetch(
        &mut self,
        socket: &mut Socket,
        session: &Session,
        (name, most): (&str, Option<usize>),
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
            let left = most.map_or(usize::MAX, |most| most - sent);
            if left == 0 {
                break;
            }
            session.begins();
            let batch = match cursor.rest.take() {
                Some(rest) => rest,
                None => match cursor.rows.next().await.transpose() {
                    Ok(Some(batch)) => batch,
                    Ok(None) => break,
                    Err(error) => return Err(errors::of(&error)),
                },
            };
            let now = left.min(batch.num_rows());
            if now < batch.num_rows() {
                cursor.rest = Some(batch.slice(now, batch.num_rows() - now));
            }
            let rows = rows::encoded(&batch.slice(0, now), &fields, &zone);
            for row in rows.map_err(|error| errors::of(&error))? {
                socket.feed(Out::DataRow(row?)).await?;
            }
            sent += now;
        }
        send_execution_response(socket, Tag::new("FETCH").with_rows(sent)).await
    }

    /// The columns of a cursor.
    ///
    /// # Errors
    /// When there is none of this name.
    pub(super) fn fields(
        &self,
        session: &Session,
        name: &str,
        format: &Format,
    ) -> PgWireResult<Vec<FieldInfo>> {
        let cursor = self.open.get(name).ok_or_else(|| unknown(name))?;
        rows::fields(cursor.schema.as_arrow(), format, session.settings().format())
    }

    /// Ends one, or all.
    ///
    /// # Errors
    /// When there is none of this name.
    pub(super) fn close(&mut self, name: Option<&str>) -> PgWireResult<()> {
        match name {
            None => self.open.clear(),
            Some(name) => {
                self.open.remove(name).ok_or_else(|| unknown(name))?;
            }
        }
        Ok(())
    }

    /// Ends those that do not outlive a transaction.
    pub(super) fn transaction_ended(&mut self) {
        self.open.retain(|_, cursor| cursor.hold);
    }
}

fn unknown(name: &str) -> PgWireError {
    errors::error("34000", format!("cursor \"{name}\" does not exist"))
}
