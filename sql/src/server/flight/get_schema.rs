//! Adds `GetSchema`, which arrow-flight's Flight SQL service does not implement: the schema is that
//! of `GetFlightInfo`. All other calls are forwarded.

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, PollInfo,
    SchemaResult, Ticket,
};
use tonic::{Request, Response, Status, Streaming};

use super::statements::FlightServer;

/// A Flight SQL server with `GetSchema`.
#[derive(Clone, Debug)]
pub(super) struct GetSchemaService(pub(super) FlightServer);

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl FlightService for GetSchemaService {
    type HandshakeStream = <FlightServer as FlightService>::HandshakeStream;
    type ListFlightsStream = <FlightServer as FlightService>::ListFlightsStream;
    type DoGetStream = <FlightServer as FlightService>::DoGetStream;
    type DoPutStream = <FlightServer as FlightService>::DoPutStream;
    type DoActionStream = <FlightServer as FlightService>::DoActionStream;
    type ListActionsStream = <FlightServer as FlightService>::ListActionsStream;
    type DoExchangeStream = <FlightServer as FlightService>::DoExchangeStream;

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Reply<SchemaResult> {
        let info = self.0.get_flight_info(request).await?.into_inner();
        Ok(Response::new(SchemaResult { schema: info.schema }))
    }

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Reply<Self::HandshakeStream> {
        self.0.handshake(request).await
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Reply<Self::ListFlightsStream> {
        self.0.list_flights(request).await
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Reply<FlightInfo> {
        self.0.get_flight_info(request).await
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Reply<PollInfo> {
        self.0.poll_flight_info(request).await
    }

    async fn do_get(&self, request: Request<Ticket>) -> Reply<Self::DoGetStream> {
        self.0.do_get(request).await
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Reply<Self::DoPutStream> {
        self.0.do_put(request).await
    }

    async fn do_action(&self, request: Request<Action>) -> Reply<Self::DoActionStream> {
        self.0.do_action(request).await
    }

    async fn list_actions(&self, request: Request<Empty>) -> Reply<Self::ListActionsStream> {
        self.0.list_actions(request).await
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Reply<Self::DoExchangeStream> {
        self.0.do_exchange(request).await
    }
}
