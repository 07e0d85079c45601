//! A statement on its way from one call to the next, as the bytes of a ticket or of a handle.
//!
//! A client could make one itself: then it asks what it could have asked anyway.

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

use crate::failure::of_statement;
use crate::server::Running;

/// A statement with the values of its parameters.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Handle {
    /// The text.
    #[prost(string, tag = "1")]
    pub(super) sql: String,
    /// One row of values, as a stream of Arrow's; empty if none are given.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) values: Vec<u8>,
    /// By which it can be cancelled; empty in handles, random in tickets.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) number: Vec<u8>,
}

impl Handle {
    /// A statement without values.
    pub(super) fn new(sql: String) -> Self {
        Self { sql, values: Vec::new(), number: Vec::new() }
    }

    /// The statement of a ticket or a handle.
    ///
    /// # Errors
    /// When it is none of ours.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        Self::decode(bytes).map_err(|_| {
            Error::input("unknown statement handle")
                .with("help", "prepare the statement again, and send handles and tickets unchanged")
        })
    }

    /// Where the rows are to be had: here, for a ticket.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(super) fn endpoint(mut self) -> Result<FlightEndpoint> {
        let mut number = vec![0; 16];
        getrandom::fill(&mut number).map_err(|cause| {
            Error::internal(format!("cannot get random bytes from the system: {cause}"))
        })?;
        self.number = number;
        let ticket = TicketStatementQuery { statement_handle: self.encode_to_vec().into() };
        let ticket = Ticket::new(ticket.as_any().encode_to_vec());
        Ok(FlightEndpoint::new().with_ticket(ticket))
    }

    /// The plan, with its values; it only reads.
    ///
    /// # Errors
    /// When the statement is none, or the values do not fit.
    pub(super) async fn plan(
        &self,
        running: &mut Running,
        session: &SessionContext,
    ) -> Result<LogicalPlan> {
        let plan = self.open_plan(running, session).await?;
        let values = self.values.clone();
        running.work(async move { bound(plan, &values) }).await
    }

    /// The plan as it is prepared: its parameters have no values yet.
    ///
    /// # Errors
    /// When the statement is none.
    pub(super) async fn open_plan(
        &self,
        running: &mut Running,
        session: &SessionContext,
    ) -> Result<LogicalPlan> {
        running.plan(session, &numbered(&self.sql)).await
    }
}

/// The text with a number for each `?`, from the left: DataFusion knows only `$1`.
fn numbered(sql: &str) -> String {
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
        // The parser tells better what is wrong.
        _ => sql.to_owned(),
    }
}

/// The parameters with their types as far as they are known, in the order of their numbers.
///
/// # Errors
/// When one has two types.
pub(super) fn parameters(plan: &LogicalPlan) -> Result<Schema> {
    let types = plan.get_parameter_types().map_err(|cause| of_statement(cause, None))?;
    let mut types: Vec<(String, Option<DataType>)> = types.into_iter().collect();
    types.sort_by_key(|(name, _)| (place(name).unwrap_or(usize::MAX), name.clone()));
    let field = |(name, kind): (String, Option<DataType>)| {
        Field::new(name, kind.unwrap_or(DataType::Null), true)
    };
    Ok(Schema::new(types.into_iter().map(field).collect::<Vec<_>>()))
}

/// The number of `$1`, from 1; `None` for a name.
fn place(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok()
}

/// Puts values into a plan.
fn bound(plan: LogicalPlan, values: &[u8]) -> Result<LogicalPlan> {
    let told = |cause| of_statement(cause, None);
    let names = plan.get_parameter_names().map_err(told)?;
    let row = match values {
        [] => None,
        bytes => Some(row(bytes)?),
    };
    let given = row.as_ref().map_or(0, RecordBatch::num_columns);
    // `$3` alone needs three values; names need one each.
    let places: Option<Vec<usize>> = names.iter().map(|name| place(name)).collect();
    let needed = places.as_ref().map_or(names.len(), |all| all.iter().copied().max().unwrap_or(0));
    if given != needed {
        return Err(Error::input(format!(
            "the statement has {needed} parameters, but {given} values were supplied"
        )));
    }
    let Some(row) = row else { return Ok(plan) };
    let values: Vec<ScalarValue> = row
        .columns()
        .iter()
        .map(|column| ScalarValue::try_from_array(column, 0).map_err(told))
        .collect::<Result<_>>()?;
    let values = match places {
        Some(_) => ParamValues::from(values),
        None => {
            let schema = row.schema();
            let names = schema.fields().iter().map(|field| field.name().trim_start_matches('$'));
            ParamValues::from(names.map(str::to_owned).zip(values).collect::<Vec<_>>())
        }
    };
    plan.with_param_values(values).map_err(told)
}

fn row(bytes: &[u8]) -> Result<RecordBatch> {
    let unreadable = |cause| Error::input("the values cannot be read").caused_by(cause);
    let mut batches = StreamReader::try_new(Cursor::new(bytes), None).map_err(unreadable)?;
    match batches.next() {
        Some(batch) => batch.map_err(unreadable).and_then(one),
        None => Err(rows_of_values(0)),
    }
}

fn one(batch: RecordBatch) -> Result<RecordBatch> {
    if batch.num_rows() == 1 { Ok(batch) } else { Err(rows_of_values(batch.num_rows())) }
}

fn rows_of_values(rows: usize) -> Error {
    Error::input(format!("{rows} rows of values were supplied"))
        .with("help", "a query takes one row of values")
}

/// Reads the one row of values that a client sends, and writes it down for a handle.
///
/// # Errors
/// When it is not one row, or no row at all.
pub(super) async fn received(stream: PeekableFlightDataStream) -> Result<Vec<u8>> {
    let unreadable = |cause| Error::input(format!("the values cannot be read: {cause}"));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(stream.map_err(Into::into));
    let mut found: Option<RecordBatch> = None;
    while let Some(batch) = batches.try_next().await.map_err(unreadable)? {
        if batch.num_rows() == 0 {
            continue;
        }
        if let Some(before) = &found {
            return Err(rows_of_values(before.num_rows() + batch.num_rows()));
        }
        found = Some(one(batch)?);
    }
    let Some(batch) = found else { return Ok(Vec::new()) };
    let broken = |cause| Error::internal("the values cannot be encoded").caused_by(cause);
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).map_err(broken)?;
    writer.write(&batch).and_then(|()| writer.finish()).map_err(broken)?;
    drop(writer);
    Ok(bytes)
}
