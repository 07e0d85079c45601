//! Arrow Flight SQL: results as Arrow, for columnar clients.
//!
//! ```text
//! GetFlightInfo(statement) --> schema and a ticket --> DoGet(ticket) --> rows
//! CreatePreparedStatement --> a handle --> DoPut(row of values) --> a handle with values --> as above
//! ```
//!
//! The server remembers no statements: tickets and handles carry the text and the values
//! ([`handle`]), so nothing is left behind by clients that do not close, and any number of them may
//! be open. What it does remember is bounded: tokens ([`tokens`]), the sessions of open connections
//! ([`gate`]), and running statements that can be cancelled ([`cancels`]).

mod about;
mod cancels;
mod door;
mod gate;
mod handle;
mod metadata;
mod service;
mod statements;
mod tokens;
mod types;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use engine::{Error, Kind, Result};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Code, Status};

use super::incoming::{Incoming, Manner};
use super::{Protocol, Shared, Tls};
use door::Door;
use gate::Gate;
use statements::Flights;
use tokens::Tokens;

/// Most bytes of one message from a client: a statement, or a row of values with its bitmaps.
const MESSAGE: usize = 64 << 20;
/// Most bytes of a request's head.
const HEAD: u32 = 16 << 10;
/// Calls at a time on one connection.
const CALLS: u32 = 64;
/// How often a client is asked whether it is there, and how long it may think about it.
const ALIVE: Duration = Duration::from_secs(20);
/// Time for what is being sent when everything is ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Most bytes of an error's message: it travels in a head, which clients bound.
const WORDS: usize = 2000;

const MANNER: Manner = Manner {
    protocol: Protocol::Flight,
    alpn: b"h2",
    full: b"",
    silence: Some(Duration::from_secs(60)),
};

/// Serves until the server stops and the last answer is given.
///
/// # Errors
/// When nobody can connect.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: Option<Tls>) -> Result<()> {
    let mut incoming = Incoming::new(Arc::clone(&shared), listener, tls, MANNER);
    let connections = futures::stream::poll_fn(move |context| {
        incoming.poll(context).map(|wire| wire.map(Ok::<_, io::Error>))
    });
    let tokens = Arc::new(Tokens::default());
    let flights = Flights::new(Arc::clone(&shared), Arc::clone(&tokens));
    let flights = FlightServiceServer::new(Door(flights))
        .max_decoding_message_size(MESSAGE)
        .max_encoding_message_size(usize::MAX);
    let served = Server::builder()
        .http2_keepalive_interval(Some(ALIVE))
        .http2_keepalive_timeout(Some(ALIVE))
        .http2_max_header_list_size(HEAD)
        .max_concurrent_streams(CALLS)
        .add_service(Gate::new(flights, Arc::clone(&shared), tokens))
        .serve_with_incoming_shutdown(connections, shared.stopping());
    let killed = async {
        shared.killed().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        served = served => served.map_err(|cause| {
            Error::new(Kind::Io, "the Flight SQL server failed").caused_by(cause)
        }),
        // Whoever does not read what it asked for is not waited for any longer.
        () = killed => Ok(()),
    }
}

/// An error in Flight's words.
fn status(error: &Error) -> Status {
    let code = match error.kind() {
        Kind::Input => Code::InvalidArgument,
        Kind::Limit => Code::ResourceExhausted,
        Kind::Io => Code::FailedPrecondition,
        _ => Code::Internal,
    };
    let mut words = error.to_string();
    if words.len() > WORDS {
        words.truncate(words.floor_char_boundary(WORDS));
        words.push_str(" ...");
    }
    Status::new(code, words)
}
