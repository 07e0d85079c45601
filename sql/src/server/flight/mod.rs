//! Arrow Flight SQL: results as Arrow, for columnar clients.
//!
//! ```text
//! GetFlightInfo(statement) --> schema and a ticket --> DoGet(ticket) --> rows
//! CreatePreparedStatement --> a handle --> DoPut(row of values) --> a handle with values --> as above
//! ```
//!
//! The server stores no statements: tickets and handles contain the text and the values
//! ([`handle`]), so clients need not close them. Its state is bounded: tokens ([`tokens`]), the
//! sessions of open connections ([`auth`]), and running statements ([`cancels`]).

mod auth;
mod cancels;
mod get_schema;
mod handle;
mod metadata;
mod server_info;
mod service;
mod statements;
mod status;
mod tokens;
mod types;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use engine::{Error, Kind, Result};
use tokio::net::TcpListener;
use tonic::transport::Server;

use super::incoming::{Incoming, TransportConfig};
use super::{Protocol, ServerContext, Tls};
use auth::AuthService;
use get_schema::GetSchemaService;
use statements::FlightServer;
use tokens::Tokens;

/// Most bytes of a client's message: a statement, or a row of values such as bitmaps.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Most bytes of a request's header list.
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// Most concurrent calls on one connection.
const MAX_CALLS: u32 = 64;
/// Interval and timeout of keepalive pings.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Time to finish sending after all statements were cancelled.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

const TRANSPORT: TransportConfig = TransportConfig {
    protocol: Protocol::Flight,
    alpn: b"h2",
    full_response: b"",
    read_timeout: Some(Duration::from_secs(60)),
};

/// Serves until the server stops and all connections are closed.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    server: Arc<ServerContext>,
    listener: TcpListener,
    tls: Option<Tls>,
) -> Result<()> {
    let mut incoming = Incoming::new(Arc::clone(&server), listener, tls, TRANSPORT);
    let connections = futures::stream::poll_fn(move |context| {
        incoming.poll(context).map(|stream| stream.map(Ok::<_, io::Error>))
    });
    let tokens = Arc::new(Tokens::default());
    let flights = FlightServer::new(Arc::clone(&server), Arc::clone(&tokens));
    let flights = FlightServiceServer::new(GetSchemaService(flights))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(usize::MAX);
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(MAX_CALLS)
        .add_service(AuthService::new(flights, Arc::clone(&server), tokens))
        .serve_with_incoming_shutdown(connections, server.stopping());
    let killed = async {
        server.killed().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        served = served => served.map_err(|cause| {
            Error::new(Kind::Io, "the Flight SQL server failed").caused_by(cause)
        }),
        // Connections of clients that do not read are dropped.
        () = killed => Ok(()),
    }
}
