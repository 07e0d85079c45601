//! Statements: planned, prepared, run, cancelled.

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    ActionCreatePreparedStatementResult, Any, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{
    FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, IpcMessage, SchemaAsIpc, Ticket,
};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::memory::MemoryStream;
use datafusion::prelude::SessionContext;
use engine::{Error, Result};
use futures::{Stream, StreamExt, TryStreamExt};
use prost::Message;
use prost::bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::cancels::Cancels;
use super::gate::Caller;
use super::handle::{self, Handle};
use super::tokens::Tokens;
use super::{status, types};
use crate::failure::of_statement;
use crate::server::{About, Protocol, Running, Shared};

/// Rows on their way.
pub(super) type Data = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// The server, as its calls see it.
#[derive(Clone, Debug)]
pub(super) struct Flights {
    shared: Arc<Shared>,
    /// The tokens that were given out.
    pub(super) tokens: Arc<Tokens>,
    cancels: Arc<Cancels>,
}

impl Flights {
    pub(super) fn new(shared: Arc<Shared>, tokens: Arc<Tokens>) -> Self {
        Self { shared, tokens, cancels: Arc::default() }
    }

    fn begin(&self, caller: &Caller, text: &str, cancel: CancellationToken) -> Running {
        let (user, text) = (caller.user.clone(), text.to_owned());
        self.shared.begin(About { protocol: Protocol::Flight, user, text }, cancel)
    }

    /// The columns of a statement, and a ticket for its rows.
    pub(super) async fn info(
        &self,
        caller: &Caller,
        handle: Handle,
        descriptor: FlightDescriptor,
    ) -> Result<FlightInfo> {
        let session = caller.session(&self.shared)?;
        let mut running = self.begin(caller, &handle.sql, CancellationToken::new());
        let plan = handle.plan(&mut running, &session).await?;
        running.planned();
        info(&types::plain(plan.schema().as_arrow()), handle.endpoint()?, descriptor)
    }

    /// The rows of a statement. Dropping them ends it.
    pub(super) async fn rows(&self, caller: &Caller, handle: &Handle) -> Result<Data> {
        let session = caller.session(&self.shared)?;
        let place = self.cancels.enter(&handle.number);
        let mut running = self.begin(caller, &handle.sql, place.cancel.clone());
        let plan = handle.plan(&mut running, &session).await?;
        // Said by the plan as the info says it: what runs may know more, such as that no value is
        // null, and drivers want to see the same twice.
        let schema = types::plain(plan.schema().as_arrow());
        let rows = running.rows(&session, plan).await?;
        Ok(sent(rows.inspect(move |_| _ = &place), schema))
    }

    /// A statement to be run later, with what is known of its columns and parameters.
    pub(super) async fn prepared(
        &self,
        caller: &Caller,
        sql: String,
    ) -> Result<ActionCreatePreparedStatementResult> {
        let session = caller.session(&self.shared)?;
        let mut running = self.begin(caller, &sql, CancellationToken::new());
        let handle = Handle::new(sql);
        let plan = handle.open_plan(&mut running, &session).await?;
        let parameters = running.work({
            let plan = plan.clone();
            async move { handle::parameters(&plan) }
        });
        let parameters = parameters.await?;
        running.planned();
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.encode_to_vec().into(),
            dataset_schema: bytes_of(&types::plain(plan.schema().as_arrow()))?,
            parameter_schema: bytes_of(&parameters)?,
        })
    }

    /// Runs a statement that has no rows; of those that only read these are the settings of the
    /// connection. None changes a row.
    pub(super) async fn update(&self, caller: &Caller, handle: &Handle) -> Result<i64> {
        let session = caller.session(&self.shared)?;
        let mut running = self.begin(caller, &handle.sql, CancellationToken::new());
        let plan = handle.plan(&mut running, &session).await?;
        let plan = running.work(async move {
            match plan {
                LogicalPlan::Statement(_) => Ok(plan),
                _ => Err(Error::input("this statement returns rows and changes nothing")
                    .with("help", "run it as a query")),
            }
        });
        let plan = plan.await?;
        running.rows(&session, plan).await?.try_collect::<Vec<_>>().await?;
        Ok(0)
    }

    /// Ends the statements of an info; whether any ran.
    ///
    /// # Errors
    /// When it is no info of this server.
    pub(super) fn cancel(&self, info: &FlightInfo) -> Result<bool> {
        let ticket = info.endpoint.first().and_then(|endpoint| endpoint.ticket.as_ref());
        let number = ticket.and_then(|ticket| {
            let any = Any::decode(&*ticket.ticket).ok()?;
            let ticket: TicketStatementQuery = any.unpack().ok()??;
            Some(Handle::read(&ticket.statement_handle).ok()?.number)
        });
        let number = number.filter(|number| !number.is_empty());
        let number = number.ok_or_else(|| Error::input("unknown statement handle"))?;
        Ok(self.cancels.cancel(&number))
    }

    /// What is listed instead of asked for in SQL, under the same limits.
    pub(super) async fn list<L>(
        &self,
        caller: &Caller,
        text: &str,
        listing: impl FnOnce(SessionContext) -> L,
    ) -> Result<Data>
    where
        L: Future<Output = Result<RecordBatch>> + Send + 'static,
    {
        let session = caller.session(&self.shared)?;
        let mut running = self.begin(caller, text, CancellationToken::new());
        let batch = running.work(listing(session)).await?;
        let schema = batch.schema();
        let rows = MemoryStream::try_new(vec![batch], Arc::clone(&schema), None);
        let rows = rows.map_err(|cause| of_statement(cause, None))?;
        Ok(sent(running.send(Box::pin(rows)), schema))
    }
}

/// The info of a listing: its ticket is the command itself.
pub(super) fn listed(
    command: &impl ProstMessageExt,
    schema: &Schema,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo> {
    let ticket = Ticket::new(command.as_any().encode_to_vec());
    info(schema, FlightEndpoint::new().with_ticket(ticket), descriptor)
}

fn info(
    schema: &Schema,
    endpoint: FlightEndpoint,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo> {
    let info = FlightInfo::new().try_with_schema(schema).map_err(Error::from)?;
    Ok(info.with_endpoint(endpoint).with_descriptor(descriptor).with_ordered(true))
}

fn bytes_of(schema: &Schema) -> Result<Bytes> {
    let IpcMessage(bytes) =
        SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into().map_err(Error::from)?;
    Ok(bytes)
}

/// Rows as Flight's messages.
fn sent(rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static, schema: SchemaRef) -> Data {
    let as_seen = Arc::clone(&schema);
    let batches = rows.map(move |batch| {
        let batch = batch.and_then(|batch| types::batch(&batch, &as_seen));
        batch.map_err(|error| FlightError::Tonic(Box::new(status(&error))))
    });
    Box::pin(FlightDataEncoderBuilder::new().with_schema(schema).build(batches).map_err(Into::into))
}
