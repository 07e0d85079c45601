//! Plans, prepares, executes and cancels statements.

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

use super::auth::Caller;
use super::cancels::CancelRegistry;
use super::handle::{self, StatementHandle};
use super::status::status;
use super::tokens::Tokens;
use super::types;
use crate::failure::statement_error;
use crate::server::{Protocol, ServerContext, StatementExecution, StatementInfo};

/// Encoded rows.
pub(super) type FlightStream = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// The Flight SQL server.
#[derive(Clone, Debug)]
pub(super) struct FlightServer {
    server: Arc<ServerContext>,
    /// The issued tokens.
    pub(super) tokens: Arc<Tokens>,
    cancels: Arc<CancelRegistry>,
}

impl FlightServer {
    pub(super) fn new(server: Arc<ServerContext>, tokens: Arc<Tokens>) -> Self {
        Self { server, tokens, cancels: Arc::default() }
    }

    fn begin_statement(
        &self,
        caller: &Caller,
        text: &str,
        cancel: CancellationToken,
    ) -> StatementExecution {
        let (user, text) = (caller.user.clone(), text.to_owned());
        let info = StatementInfo { protocol: Protocol::Flight, user, text };
        StatementExecution::new(&self.server, info, cancel)
    }

    /// The columns of a statement, and a ticket for its rows.
    pub(super) async fn info(
        &self,
        caller: &Caller,
        handle: StatementHandle,
        descriptor: FlightDescriptor,
    ) -> Result<FlightInfo> {
        let session = caller.session(&self.server)?;
        let mut execution = self.begin_statement(caller, &handle.sql, CancellationToken::new());
        let plan = handle.plan(&mut execution, &session).await?;
        execution.finish_planned();
        info(&types::client_schema(plan.schema().as_arrow()), handle.endpoint()?, descriptor)
    }

    /// The rows of a statement. Dropping them cancels it.
    pub(super) async fn rows(
        &self,
        caller: &Caller,
        handle: &StatementHandle,
    ) -> Result<FlightStream> {
        let session = caller.session(&self.server)?;
        let registration = self.cancels.register(&handle.ticket_id);
        let mut execution = self.begin_statement(caller, &handle.sql, registration.cancel.clone());
        let plan = handle.plan(&mut execution, &session).await?;
        // The logical plan's schema, as in the info: the physical one can be more precise, for
        // example in nullability, and drivers compare the two.
        let schema = types::client_schema(plan.schema().as_arrow());
        let rows = execution.execute(&session, plan).await?;
        Ok(encode_stream(rows.inspect(move |_| _ = &registration), schema))
    }

    /// Prepares a statement: a handle, its columns and its parameters.
    pub(super) async fn prepare(
        &self,
        caller: &Caller,
        sql: String,
    ) -> Result<ActionCreatePreparedStatementResult> {
        let session = caller.session(&self.server)?;
        let mut execution = self.begin_statement(caller, &sql, CancellationToken::new());
        let handle = StatementHandle::new(sql);
        let plan = handle.unbound_plan(&mut execution, &session).await?;
        let parameters = execution.run({
            let plan = plan.clone();
            async move { handle::parameters(&plan) }
        });
        let parameters = parameters.await?;
        execution.finish_planned();
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.encode_to_vec().into(),
            dataset_schema: bytes_of(&types::client_schema(plan.schema().as_arrow()))?,
            parameter_schema: bytes_of(&parameters)?,
        })
    }

    /// Runs a statement without rows. On a read-only server these are settings of the connection,
    /// so no rows are changed.
    pub(super) async fn update(&self, caller: &Caller, handle: &StatementHandle) -> Result<i64> {
        let session = caller.session(&self.server)?;
        let mut execution = self.begin_statement(caller, &handle.sql, CancellationToken::new());
        let plan = handle.plan(&mut execution, &session).await?;
        let plan = execution.run(async move {
            match plan {
                LogicalPlan::Statement(_) => Ok(plan),
                _ => Err(Error::input("this statement returns rows and changes nothing")
                    .with("help", "run it as a query")),
            }
        });
        let plan = plan.await?;
        execution.execute(&session, plan).await?.try_collect::<Vec<_>>().await?;
        Ok(0)
    }

    /// Cancels the statements of an info; whether any was running.
    ///
    /// # Errors
    /// When the info is not from this server.
    pub(super) fn cancel(&self, info: &FlightInfo) -> Result<bool> {
        let ticket = info.endpoint.first().and_then(|endpoint| endpoint.ticket.as_ref());
        let ticket_id = ticket.and_then(|ticket| {
            let any = Any::decode(&*ticket.ticket).ok()?;
            let ticket: TicketStatementQuery = any.unpack().ok()??;
            Some(StatementHandle::read(&ticket.statement_handle).ok()?.ticket_id)
        });
        let ticket_id = ticket_id.filter(|ticket_id| !ticket_id.is_empty());
        let ticket_id = ticket_id.ok_or_else(|| Error::input("unknown statement handle"))?;
        Ok(self.cancels.cancel(&ticket_id))
    }

    /// The rows of a metadata listing, under the limits of a statement.
    pub(super) async fn list<L>(
        &self,
        caller: &Caller,
        text: &str,
        listing: impl FnOnce(SessionContext) -> L,
    ) -> Result<FlightStream>
    where
        L: Future<Output = Result<RecordBatch>> + Send + 'static,
    {
        let session = caller.session(&self.server)?;
        let mut execution = self.begin_statement(caller, text, CancellationToken::new());
        let batch = execution.run(listing(session)).await?;
        let schema = batch.schema();
        let rows = MemoryStream::try_new(vec![batch], Arc::clone(&schema), None);
        let rows = rows.map_err(|cause| statement_error(cause, None))?;
        Ok(encode_stream(execution.stream(Box::pin(rows)), schema))
    }
}

/// The info of a metadata listing; its ticket is the command itself.
pub(super) fn listing_info(
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

/// Encodes rows as Flight messages.
fn encode_stream(
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    schema: SchemaRef,
) -> FlightStream {
    let client_schema = Arc::clone(&schema);
    let batches = rows.map(move |batch| {
        let batch = batch.and_then(|batch| types::to_client_batch(&batch, &client_schema));
        batch.map_err(|error| FlightError::Tonic(Box::new(status(&error))))
    });
    Box::pin(FlightDataEncoderBuilder::new().with_schema(schema).build(batches).map_err(Into::into))
}
