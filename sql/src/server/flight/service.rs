//! The calls of Flight SQL.

use std::pin::Pin;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{DoPutError, FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginTransactionRequest, ActionBeginTransactionResult, ActionCancelQueryRequest,
    ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, CommandGetCatalogs,
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables,
    CommandGetXdbcTypeInfo, CommandPreparedStatementQuery, CommandPreparedStatementUpdate,
    CommandStatementIngest, CommandStatementQuery, CommandStatementUpdate,
    DoPutPreparedStatementResult, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus,
    FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse, Ticket,
};
use engine::{Error, Result};
use futures::Stream;
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use super::auth::Caller;
use super::handle::{StatementHandle, read_values};
use super::statements::{FlightServer, FlightStream, listing_info};
use super::status::status;
use super::{metadata, server_info};

/// Flight's action for cancellation; Flight SQL has an older one as well.
const CANCEL: &str = "CancelFlightInfo";

type Info = Result<Response<FlightInfo>, Status>;
type Get = Result<Response<FlightStream>, Status>;

fn respond<T>(result: Result<T>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|error| status(&error))
}

/// Refuses statements in a transaction, because there are none.
fn refuse_transaction(transaction: Option<impl AsRef<[u8]>>) -> Result<(), Status> {
    match transaction {
        Some(number) if !number.as_ref().is_empty() => Err(no_transactions()),
        _ => Ok(()),
    }
}

fn no_transactions() -> Status {
    Status::unimplemented("there are no transactions: this server only reads")
}

impl FlightServer {
    fn cancelled(&self, info: &FlightInfo) -> Result<CancelStatus, Status> {
        match self.cancel(info).map_err(|error| status(&error))? {
            true => Ok(CancelStatus::Cancelled),
            false => Ok(CancelStatus::NotCancellable),
        }
    }
}

#[tonic::async_trait]
impl FlightSqlService for FlightServer {
    type FlightService = Self;

    /// Returns a token to an authenticated user.
    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<
        Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>,
        Status,
    > {
        let caller = Caller::of(&request)?;
        let token = self.tokens.issue(&caller.user, Instant::now()).map_err(|e| status(&e))?;
        let header = format!("Bearer {token}")
            .parse()
            .map_err(|_| Status::internal("a token cannot be sent in a header"))?;
        let respond = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let answers: Pin<Box<dyn Stream<Item = _> + Send>> =
            Box::pin(futures::stream::iter([Ok(respond)]));
        let mut response = Response::new(answers);
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        refuse_transaction(query.transaction_id)?;
        let caller = Caller::of(&request)?;
        respond(self.info(&caller, StatementHandle::new(query.query), request.into_inner()).await)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Get {
        let handle = StatementHandle::read(&ticket.statement_handle).map_err(|e| status(&e))?;
        respond(self.rows(&Caller::of(&request)?, &handle).await)
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        refuse_transaction(query.transaction_id)?;
        let prepared = self.prepare(&Caller::of(&request)?, query.query).await;
        prepared.map_err(|error| status(&error))
    }

    /// Does nothing: handles hold no server state.
    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        let handle = StatementHandle::read(&query.prepared_statement_handle);
        handle.map(|_| ()).map_err(|error| status(&error))
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let to_status = |error| status(&error);
        let handle = StatementHandle::read(&query.prepared_statement_handle).map_err(to_status)?;
        let values = read_values(request.into_inner()).await.map_err(to_status)?;
        let handle = StatementHandle { values, ..handle }.encode_to_vec();
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle.into()) })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let handle =
            StatementHandle::read(&query.prepared_statement_handle).map_err(|e| status(&e))?;
        let caller = Caller::of(&request)?;
        respond(self.info(&caller, handle, request.into_inner()).await)
    }

    /// For clients that use the command as a ticket.
    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Get {
        let handle =
            StatementHandle::read(&query.prepared_statement_handle).map_err(|e| status(&e))?;
        respond(self.rows(&Caller::of(&request)?, &handle).await)
    }

    async fn do_put_statement_update(
        &self,
        update: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        refuse_transaction(update.transaction_id)?;
        let done = self.update(&Caller::of(&request)?, &StatementHandle::new(update.query)).await;
        done.map_err(|error| status(&error))
    }

    async fn do_put_prepared_statement_update(
        &self,
        update: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let handle =
            StatementHandle::read(&update.prepared_statement_handle).map_err(|e| status(&e))?;
        let done = self.update(&Caller::of(&request)?, &handle).await;
        done.map_err(|error| status(&error))
    }

    async fn do_put_statement_ingest(
        &self,
        _ingest: CommandStatementIngest,
        _request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let error = Error::input("ingesting is refused: this server only reads")
            .with("help", "run `headcount ingest` on the server's machine");
        Err(status(&error))
    }

    async fn do_put_error_callback(
        &self,
        _request: Request<PeekableFlightDataStream>,
        error: DoPutError,
    ) -> Result<Response<<Self as FlightService>::DoPutStream>, Status> {
        Err(Status::invalid_argument(error.to_string()))
    }

    async fn do_action_begin_transaction(
        &self,
        _query: ActionBeginTransactionRequest,
        _request: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        Err(no_transactions())
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        _request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        let info = FlightInfo::decode(query.info)
            .map_err(|_| Status::invalid_argument("not a valid FlightInfo"))?;
        // Both actions use the same numbers.
        let result = self.cancelled(&info)?.into();
        Ok(ActionCancelQueryResult { result })
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let action = request.into_inner();
        if action.r#type != CANCEL {
            return Err(Status::unimplemented(format!("unknown action {:?}", action.r#type)));
        }
        let request = CancelFlightInfoRequest::decode(action.body).ok();
        let info = request.and_then(|request| request.info);
        let info = info.ok_or_else(|| Status::invalid_argument("no query to cancel"))?;
        let body = CancelFlightInfoResult::new(self.cancelled(&info)?).encode_to_vec();
        let answers = futures::stream::iter([Ok(arrow_flight::Result::new(body))]);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn list_custom_actions(&self) -> Option<Vec<Result<ActionType, Status>>> {
        let description = "Cancels a query by its FlightInfo.\n\
                           Request Message: CancelFlightInfoRequest\n\
                           Response Message: CancelFlightInfoResult";
        let action = ActionType { r#type: CANCEL.to_owned(), description: description.to_owned() };
        Some(vec![Ok(action)])
    }

    async fn get_flight_info_catalogs(
        &self,
        of: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Info {
        respond(listing_info(&of, &of.into_builder().schema(), request.into_inner()))
    }

    async fn do_get_catalogs(&self, of: CommandGetCatalogs, request: Request<Ticket>) -> Get {
        let list = |session| async move { metadata::catalogs(&session, of) };
        respond(self.list(&Caller::of(&request)?, "GetCatalogs", list).await)
    }

    async fn get_flight_info_schemas(
        &self,
        of: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Info {
        respond(listing_info(&of, &of.clone().into_builder().schema(), request.into_inner()))
    }

    async fn do_get_schemas(&self, of: CommandGetDbSchemas, request: Request<Ticket>) -> Get {
        let list = |session| async move { metadata::schemas(&session, of) };
        respond(self.list(&Caller::of(&request)?, "GetDbSchemas", list).await)
    }

    async fn get_flight_info_tables(
        &self,
        of: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Info {
        respond(listing_info(&of, &of.clone().into_builder().schema(), request.into_inner()))
    }

    async fn do_get_tables(&self, of: CommandGetTables, request: Request<Ticket>) -> Get {
        let list = |session| metadata::tables(session, of);
        respond(self.list(&Caller::of(&request)?, "GetTables", list).await)
    }

    async fn get_flight_info_table_types(
        &self,
        of: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Info {
        respond(listing_info(&of, &of.into_builder().schema(), request.into_inner()))
    }

    async fn do_get_table_types(&self, _: CommandGetTableTypes, request: Request<Ticket>) -> Get {
        let list = |_| async { metadata::table_types() };
        respond(self.list(&Caller::of(&request)?, "GetTableTypes", list).await)
    }

    async fn get_flight_info_sql_info(
        &self,
        of: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let sql_info = server_info::sql_info(of.clone()).map_err(|error| status(&error))?;
        respond(listing_info(&of, &sql_info.schema(), request.into_inner()))
    }

    async fn do_get_sql_info(&self, of: CommandGetSqlInfo, request: Request<Ticket>) -> Get {
        let list = |_| async { server_info::sql_info(of) };
        respond(self.list(&Caller::of(&request)?, "GetSqlInfo", list).await)
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        of: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let types = server_info::type_info(of).map_err(|error| status(&error))?;
        respond(listing_info(&of, &types.schema(), request.into_inner()))
    }

    async fn do_get_xdbc_type_info(
        &self,
        of: CommandGetXdbcTypeInfo,
        request: Request<Ticket>,
    ) -> Get {
        let list = |_| async move { server_info::type_info(of) };
        respond(self.list(&Caller::of(&request)?, "GetXdbcTypeInfo", list).await)
    }

    async fn get_flight_info_primary_keys(
        &self,
        of: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        respond(listing_info(&of, &metadata::primary_keys(), request.into_inner()))
    }

    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, request: Request<Ticket>) -> Get {
        let list = |_| async { Ok(RecordBatch::new_empty(metadata::primary_keys())) };
        respond(self.list(&Caller::of(&request)?, "GetPrimaryKeys", list).await)
    }

    async fn get_flight_info_exported_keys(
        &self,
        of: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        respond(listing_info(&of, &metadata::foreign_keys(), request.into_inner()))
    }

    async fn do_get_exported_keys(
        &self,
        _: CommandGetExportedKeys,
        request: Request<Ticket>,
    ) -> Get {
        let list = |_| async { Ok(RecordBatch::new_empty(metadata::foreign_keys())) };
        respond(self.list(&Caller::of(&request)?, "GetExportedKeys", list).await)
    }

    async fn get_flight_info_imported_keys(
        &self,
        of: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        respond(listing_info(&of, &metadata::foreign_keys(), request.into_inner()))
    }

    async fn do_get_imported_keys(
        &self,
        _: CommandGetImportedKeys,
        request: Request<Ticket>,
    ) -> Get {
        let list = |_| async { Ok(RecordBatch::new_empty(metadata::foreign_keys())) };
        respond(self.list(&Caller::of(&request)?, "GetImportedKeys", list).await)
    }

    async fn get_flight_info_cross_reference(
        &self,
        of: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Info {
        respond(listing_info(&of, &metadata::foreign_keys(), request.into_inner()))
    }

    async fn do_get_cross_reference(
        &self,
        _: CommandGetCrossReference,
        request: Request<Ticket>,
    ) -> Get {
        let list = |_| async { Ok(RecordBatch::new_empty(metadata::foreign_keys())) };
        respond(self.list(&Caller::of(&request)?, "GetCrossReference", list).await)
    }

    /// Server metadata is fixed.
    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
