//! PostgreSQL's protocol: psql, drivers, BI tools.
//!
//! The messages are pgwire's, PostgreSQL's catalog and its dialect are datafusion-postgres'. What
//! is ours: each connection has a session of its own ([`connection`]), every statement runs under
//! the limits that all protocols share, and who may come in is checked by SCRAM ([`startup`]).
//!
//! ```text
//! startup --> text --> rewritten for DataFusion --> SET, SHOW, BEGIN ...: answered here
//!                                               --> anything else: Running --> Rows --> DataRow
//! ```

mod cancels;
mod connection;
mod errors;
mod parameters;
mod settings;
mod startup;
mod statements;

use std::sync::Arc;

use engine::Result;
use pgwire::api::PgWireServerHandlers;
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::CancelHandler;
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::messages::response::ErrorResponse;
use pgwire::tokio::{TlsAcceptor, process_socket};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::{Protocol, Shared, Tls};
use cancels::Cancels;
use connection::Connection;
use startup::Startup;
use statements::Client;

/// Serves until the server stops and the last answer is given.
///
/// # Errors
/// When nobody can connect.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: Option<Tls>) -> Result<()> {
    let acceptor = tls.map(|tls| {
        let mut config = rustls::ServerConfig::clone(&tls.config);
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    });
    let cancels = Arc::new(Cancels::default());
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopping() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                connections.spawn(speak(shared, stream, acceptor, Arc::clone(&cancels)));
            }
            Err(cause) => {
                tracing::warn!(protocol = "postgres", %cause, "nobody can connect");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

/// Serves one connection to its end.
async fn speak(
    shared: Arc<Shared>,
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    cancels: Arc<Cancels>,
) {
    let Ok(from) = stream.peer_addr() else { return };
    let place = match shared.connect(Protocol::Postgres, from) {
        Ok(place) => place,
        Err(error) => return refuse(stream, &error).await,
    };
    let connection = match Connection::new(&shared, &cancels) {
        Ok(connection) => Arc::new(connection),
        Err(error) => {
            tracing::error!(%error, "no session for a connection");
            return refuse(stream, &error).await;
        }
    };
    let startup = Arc::new(Startup::new(&shared, acceptor.is_some()));
    let handlers = Handlers { connection: Arc::clone(&connection), startup, cancels };
    let served = process_socket(stream, acceptor, handlers);
    let ended = tokio::select! {
        ended = served => ended,
        // A connection that is idle when the server stops has nothing to wait for.
        () = connection.idle_and_stopping() => Ok(()),
    };
    if let Err(cause) = ended {
        tracing::debug!(%from, %cause, "a connection broke off");
    }
    connection.forget();
    drop(place);
}

/// Tells whoever cannot be served why, whatever they were about to say.
async fn refuse(mut stream: TcpStream, error: &engine::Error) {
    let mut bytes = bytes::BytesMut::new();
    let message = ErrorResponse::from(errors::told(error));
    let encoded = pgwire::messages::Message::encode(&message, &mut bytes);
    if encoded.is_ok() {
        // Whoever hangs up first does not hear it.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
    }
}

struct Handlers {
    connection: Arc<Connection>,
    startup: Arc<Startup>,
    cancels: Arc<Cancels>,
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::new(Client(Arc::clone(&self.connection)))
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::new(Client(Arc::clone(&self.connection)))
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        Arc::clone(&self.startup)
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::clone(&self.cancels)
    }
}
