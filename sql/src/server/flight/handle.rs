//! Tickets and handles: the serialized statement, which clients pass from one call to the next.
//!
//! A client that forges one only sends a statement that it could send anyway.

use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::sql::server::PeekableFlightDataStream;
use arrow_flight::sql::{ProstMessageExt, TicketStatementQuery};
use arrow_flight::{FlightEndpoint, Ticket};
use datafusion::common::ParamValues;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use engine::{Error, Result};
use futures::TryStreamExt;
use prost::Message;

use crate::failure::statement_error;
use crate::server::StatementExecution;

/// A statement with the values of its parameters.
#[derive(Clone, PartialEq, Message)]
pub(super) struct StatementHandle {
    /// The text.
    #[prost(string, tag = "1")]
    pub(super) sql: String,
    /// One row of values, as an Arrow IPC stream; empty if there are none.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) values: Vec<u8>,
    /// Identifies a ticket for cancellation; random in tickets, empty in handles.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) ticket_id: Vec<u8>,
}

impl StatementHandle {
    /// A statement without values.
    pub(super) fn new(sql: String) -> Self {
        Self { sql, values: Vec::new(), ticket_id: Vec::new() }
    }

    /// The statement of a ticket or a handle.
    ///
    /// # Errors
    /// When the bytes are invalid.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        Self::decode(bytes).map_err(|_| {
            Error::input("unknown statement handle")
                .with("help", "prepare the statement again, and send handles and tickets unchanged")
        })
    }

    /// An endpoint of this server, with a new ticket.
    ///
    /// # Errors
    /// When the system provides no random bytes.
    pub(super) fn endpoint(mut self) -> Result<FlightEndpoint> {
        let mut ticket_id = vec![0; 16];
        getrandom::fill(&mut ticket_id).map_err(|cause| {
            Error::internal(format!("cannot get random bytes from the system: {cause}"))
        })?;
        self.ticket_id = ticket_id;
        let ticket = TicketStatementQuery { statement_handle: self.encode_to_vec().into() };
        let ticket = Ticket::new(ticket.as_any().encode_to_vec());
        Ok(FlightEndpoint::new().with_ticket(ticket))
    }

    /// The read-only plan, with its values.
    ///
    /// # Errors
    /// When the statement cannot be planned, or the values do not fit.
    pub(super) async fn plan(
        &self,
        execution: &mut StatementExecution,
        session: &SessionContext,
    ) -> Result<LogicalPlan> {
        let plan = self.unbound_plan(execution, session).await?;
        let values = self.values.clone();
        execution.run(async move { bind(plan, &values) }).await
    }

    /// The plan with parameters that have no values yet.
    ///
    /// # Errors
    /// When the statement cannot be planned.
    pub(super) async fn unbound_plan(
        &self,
        execution: &mut StatementExecution,
        session: &SessionContext,
    ) -> Result<LogicalPlan> {
        execution.plan(session, &number_placeholders(&self.sql)).await
    }
}

/// Replaces each `?` by `$1`, `$2` ..., because DataFusion supports only numbered placeholders.
fn number_placeholders(sql: &str) -> String {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).with_unescape(false).tokenize();
    let open = |token: &Token| matches!(token, Token::Placeholder(mark) if mark == "?");
    match tokens {
        Ok(mut tokens) if tokens.iter().any(open) => {
            let marks = tokens.iter_mut().filter(|token| open(token));
            for (at, mark) in marks.enumerate() {
                *mark = Token::Placeholder(format!("${}", at + 1));
            }
            tokens.iter().map(ToString::to_string).collect()
        }
        // The parser has better error messages.
        _ => sql.to_owned(),
    }
}

/// The parameters with their types, ordered by number; Null for unknown types.
///
/// # Errors
/// When a parameter has conflicting types.
pub(super) fn parameters(plan: &LogicalPlan) -> Result<Schema> {
    let types = plan.get_parameter_types().map_err(|cause| statement_error(cause, None))?;
    let mut types: Vec<(String, Option<DataType>)> = types.into_iter().collect();
    types.sort_by_key(|(name, _)| (parameter_number(name).unwrap_or(usize::MAX), name.clone()));
    let field = |(name, kind): (String, Option<DataType>)| {
        Field::new(name, kind.unwrap_or(DataType::Null), true)
    };
    Ok(Schema::new(types.into_iter().map(field).collect::<Vec<_>>()))
}

/// The number of `$1`, from 1; `None` for a name.
fn parameter_number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok()
}

/// Replaces the parameters of a plan by values.
fn bind(plan: LogicalPlan, values: &[u8]) -> Result<LogicalPlan> {
    let to_error = |cause| statement_error(cause, None);
    let names = plan.get_parameter_names().map_err(to_error)?;
    let row = match values {
        [] => None,
        bytes => Some(row(bytes)?),
    };
    let given = row.as_ref().map_or(0, RecordBatch::num_columns);
    // `$3` alone needs three values; names need one each.
    let numbers: Option<Vec<usize>> = names.iter().map(|name| parameter_number(name)).collect();
    let needed = numbers.as_ref().map_or(names.len(), |all| all.iter().copied().max().unwrap_or(0));
    if given != needed {
        return Err(Error::input(format!(
            "the statement has {needed} parameters, but {given} values were supplied"
        )));
    }
    let Some(row) = row else { return Ok(plan) };
    let values: Vec<ScalarValue> = row
        .columns()
        .iter()
        .map(|column| ScalarValue::try_from_array(column, 0).map_err(to_error))
        .collect::<Result<_>>()?;
    let values = match numbers {
        Some(_) => ParamValues::from(values),
        None => {
            let schema = row.schema();
            let names = schema.fields().iter().map(|field| field.name().trim_start_matches('$'));
            ParamValues::from(names.map(str::to_owned).zip(values).collect::<Vec<_>>())
        }
    };
    plan.with_param_values(values).map_err(to_error)
}

fn row(bytes: &[u8]) -> Result<RecordBatch> {
    let unreadable = |cause| Error::input("the values cannot be read").caused_by(cause);
    let mut batches = StreamReader::try_new(Cursor::new(bytes), None).map_err(unreadable)?;
    match batches.next() {
        Some(batch) => batch.map_err(unreadable).and_then(single_row),
        None => Err(wrong_row_count(0)),
    }
}

fn single_row(batch: RecordBatch) -> Result<RecordBatch> {
    if batch.num_rows() == 1 { Ok(batch) } else { Err(wrong_row_count(batch.num_rows())) }
}

fn wrong_row_count(rows: usize) -> Error {
    Error::input(format!("{rows} rows of values were supplied"))
        .with("help", "a query takes one row of values")
}

/// Reads the row of values that a client sends, serialized for a handle; empty if it sends none.
///
/// # Errors
/// When the client sends several rows.
pub(super) async fn read_values(stream: PeekableFlightDataStream) -> Result<Vec<u8>> {
    let unreadable = |cause| Error::input(format!("the values cannot be read: {cause}"));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(stream.map_err(Into::into));
    let mut found: Option<RecordBatch> = None;
    while let Some(batch) = batches.try_next().await.map_err(unreadable)? {
        if batch.num_rows() == 0 {
            continue;
        }
        if let Some(before) = &found {
            return Err(wrong_row_count(before.num_rows() + batch.num_rows()));
        }
        found = Some(single_row(batch)?);
    }
    let Some(batch) = found else { return Ok(Vec::new()) };
    let broken = |cause| Error::internal("the values cannot be encoded").caused_by(cause);
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).map_err(broken)?;
    writer.write(&batch).and_then(|()| writer.finish()).map_err(broken)?;
    drop(writer);
    Ok(bytes)
}
