//! The calls of Flight SQL, one by one.

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

use super::gate::Caller;
use super::handle::{Handle, received};
use super::statements::{Data, Flights, listed};
use super::{about, metadata, status};

/// The action that cancels, which Flight knows and Flight SQL only under its older name.
const CANCEL: &str = "CancelFlightInfo";

type Info = Result<Response<FlightInfo>, Status>;
type Get = Result<Response<Data>, Status>;

fn answer<T>(result: Result<T>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|error| status(&error))
}

/// A transaction would promise what nobody keeps.
fn alone(transaction: Option<impl AsRef<[u8]>>) -> Result<(), Status> {
    match transaction {
        Some(number) if !number.as_ref().is_empty() => Err(no_transactions()),
        _ => Ok(()),
    }
}

fn no_transactions() -> Status {
    Status::unimplemented("there are no transactions: this server only reads")
}

impl Flights {
    fn cancelled(&self, info: &FlightInfo) -> Result<CancelStatus, Status> {
        match self.cancel(info).map_err(|error| status(&error))? {
            true => Ok(CancelStatus::Cancelled),
            false => Ok(CancelStatus::NotCancellable),
        }
    }
}

#[tonic::async_trait]
impl FlightSqlService for Flights {
    type FlightService = Self;

    /// Whoever passed the gate by name and password gets a token.
    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<
        Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>,
        Status,
    > {
        let caller = Caller::of(&request)?;
        let token = self.tokens.give(&caller.user, Instant::now()).map_err(|e| status(&e))?;
        let header = format!("Bearer {token}")
            .parse()
            .map_err(|_| Status::internal("a token cannot be sent in a header"))?;
        let answer = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let answers: Pin<Box<dyn Stream<Item = _> + Send>> =
            Box::pin(futures::stream::iter([Ok(answer)]));
        let mut response = Response::new(answers);
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        alone(query.transaction_id)?;
        let caller = Caller::of(&request)?;
        answer(self.info(&caller, Handle::new(query.query), request.into_inner()).await)
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Get {
        let handle = Handle::read(&ticket.statement_handle).map_err(|e| status(&e))?;
        answer(self.rows(&Caller::of(&request)?, &handle).await)
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        alone(query.transaction_id)?;
        let prepared = self.prepared(&Caller::of(&request)?, query.query).await;
        prepared.map_err(|error| status(&error))
    }

    /// There is nothing to be closed.
    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        _request: Request<Action>,
    ) -> Result<(), Status> {
        let handle = Handle::read(&query.prepared_statement_handle);
        handle.map(|_| ()).map_err(|error| status(&error))
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let told = |error| status(&error);
        let handle = Handle::read(&query.prepared_statement_handle).map_err(told)?;
        let values = received(request.into_inner()).await.map_err(told)?;
        let handle = Handle { values, ..handle }.encode_to_vec();
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle.into()) })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let handle = Handle::read(&query.prepared_statement_handle).map_err(|e| status(&e))?;
        let caller = Caller::of(&request)?;
        answer(self.info(&caller, handle, request.into_inner()).await)
    }

    /// For clients that take their command for a ticket.
    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Get {
        let handle = Handle::read(&query.prepared_statement_handle).map_err(|e| status(&e))?;
        answer(self.rows(&Caller::of(&request)?, &handle).await)
    }

    async fn do_put_statement_update(
        &self,
        update: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        alone(update.transaction_id)?;
        let done = self.update(&Caller::of(&request)?, &Handle::new(update.query)).await;
        done.map_err(|error| status(&error))
    }

    async fn do_put_prepared_statement_update(
        &self,
        update: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let handle = Handle::read(&update.prepared_statement_handle).map_err(|e| status(&e))?;
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
        // The numbers are those of the newer action.
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
        let asked = CancelFlightInfoRequest::decode(action.body).ok().and_then(|asked| asked.info);
        let info = asked.ok_or_else(|| Status::invalid_argument("no query to cancel"))?;
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
        answer(listed(&of, &of.into_builder().schema(), request.into_inner()))
    }

    async fn do_get_catalogs(&self, of: CommandGetCatalogs, request: Request<Ticket>) -> Get {
        let list = |session| async move { metadata::catalogs(&session, of) };
        answer(self.list(&Caller::of(&request)?, "GetCatalogs", list).await)
    }

    async fn get_flight_info_schemas(
        &self,
        of: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Info {
        answer(listed(&of, &of.clone().into_builder().schema(), request.into_inner()))
    }

    async fn do_get_schemas(&self, of: CommandGetDbSchemas, request: Request<Ticket>) -> Get {
        let list = |session| async move { metadata::schemas(&session, of) };
        answer(self.list(&Caller::of(&request)?, "GetDbSchemas", list).await)
    }

    async fn get_flight_info_tables(
        &self,
        of: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Info {
        answer(listed(&of, &of.clone().into_builder().schema(), request.into_inner()))
    }

    async fn do_get_tables(&self, of: CommandGetTables, request: Request<Ticket>) -> Get {
        let list = |session| metadata::tables(session, of);
        answer(self.list(&Caller::of(&request)?, "GetTables", list).await)
    }

    async fn get_flight_info_table_types(
        &self,
        of: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Info {
        answer(listed(&of, &of.into_builder().schema(), request.into_inner()))
    }

    async fn do_get_table_types(&self, _: CommandGetTableTypes, request: Request<Ticket>) -> Get {
        let list = |_| async { metadata::table_types() };
        answer(self.list(&Caller::of(&request)?, "GetTableTypes", list).await)
    }

    async fn get_flight_info_sql_info(
        &self,
        of: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let infos = about::infos(of.clone()).map_err(|error| status(&error))?;
        answer(listed(&of, &infos.schema(), request.into_inner()))
    }

    async fn do_get_sql_info(&self, of: CommandGetSqlInfo, request: Request<Ticket>) -> Get {
        let list = |_| async { about::infos(of) };
        answer(self.list(&Caller::of(&request)?, "GetSqlInfo", list).await)
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        of: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Info {
        let types = about::types(of).map_err(|error| status(&error))?;
        answer(listed(&of, &types.schema(), request.into_inner()))
    }

    async fn do_get_xdbc_type_info(
        &self,
        of: CommandGetXdbcTypeInfo,
        request: Request<Ticket>,
    ) -> Get {
        let list = |_| async move { about::types(of) };
        answer(self.list(&Caller::of(&request)?, "GetXdbcTypeInfo", list).await)
    }

    async fn get_flight_info_primary_keys(
        &self,
        of: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        answer(listed(&of, &metadata::primary_keys(), request.into_inner()))
    }

    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, request: Request<Ticket>) -> Get {
        let list = |_| async { Ok(RecordBatch::new_empty(metadata::primary_keys())) };
        answer(self.list(&Caller::of(&request)?, "GetPrimaryKeys", list).await)
    }

    async fn get_flight_info_exported_keys(
        &self,
        of: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        answer(listed(&of, &metadata::foreign_keys(), request.into_inner()))
    }

    async fn do_get_exported_keys(
        &self,
        _: CommandGetExportedKeys,
        request: Request<Ticket>,
    ) -> Get {
        let list = |_| async { Ok(RecordBatch::new_empty(metadata::foreign_keys())) };
        answer(self.list(&Caller::of(&request)?, "GetExportedKeys", list).await)
    }

    async fn get_flight_info_imported_keys(
        &self,
        of: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Info {
        answer(listed(&of, &metadata::foreign_keys(), request.into_inner()))
    }

    async fn do_get_imported_keys(
        &self,
        _: CommandGetImportedKeys,
        request: Request<Ticket>,
    ) -> Get {
        let list = |_| async { Ok(RecordBatch::new_empty(metadata::foreign_keys())) };
        answer(self.list(&Caller::of(&request)?, "GetImportedKeys", list).await)
    }

    async fn get_flight_info_cross_reference(
        &self,
        of: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Info {
        answer(listed(&of, &metadata::foreign_keys(), request.into_inner()))
    }

    async fn do_get_cross_reference(
        &self,
        _: CommandGetCrossReference,
        request: Request<Ticket>,
    ) -> Get {
        let list = |_| async { Ok(RecordBatch::new_empty(metadata::foreign_keys())) };
        answer(self.list(&Caller::of(&request)?, "GetCrossReference", list).await)
    }

    /// What the server tells of itself is fixed.
    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
