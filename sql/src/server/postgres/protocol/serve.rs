//! Accepts connections and reads their messages.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::Result;
use futures::{SinkExt, StreamExt};
use pgwire::api::ClientInfo;
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::PgWireFrontendMessage;
use pgwire::tokio::server::{negotiate_tls, process_error};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::socket::{is_starting, send_fatal, validated};
use crate::server::incoming::HANDSHAKE_TIMEOUT;
use crate::server::postgres::errors;
use crate::server::postgres::pg_server::PgServer;
use crate::server::postgres::session::Session;
use crate::server::{ServerContext, Tls};

/// Most connections that are not authenticated yet.
const MAX_UNAUTHENTICATED: usize = 64;
/// How often a waiting client's connection is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Pause after a failed accept, for example when no file descriptors are left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Serves until the server stops and all connections are closed.
///
/// # Errors
/// When the system provides no random bytes, or the tables of `pg_catalog` cannot be read.
pub async fn serve(
    server: Arc<ServerContext>,
    listener: TcpListener,
    tls: Option<Tls>,
) -> Result<()> {
    let certificate = tls.as_ref().map(|tls| tls.certificates.clone());
    let acceptor = tls.map(|tls| {
        let mut config = rustls::ServerConfig::clone(&tls.config);
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    });
    let pg_server = PgServer::new(Arc::clone(&server), certificate)?;
    let unauthenticated = Arc::new(Semaphore::new(MAX_UNAUTHENTICATED));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = server.stopping() => break,
            accepted = accept(&listener, &unauthenticated) => accepted,
        };
        match accepted {
            Ok((stream, from, permit)) => {
                let (pg_server, acceptor) = (Arc::clone(&pg_server), acceptor.clone());
                connections.spawn(async move {
                    if let Err(cause) =
                        serve_connection(pg_server, stream, from, acceptor, permit).await
                    {
                        tracing::debug!(%from, %cause, "connection ended");
                    }
                });
            }
            Err(cause) => {
                tracing::warn!(protocol = "postgres", %cause, "cannot accept connections");
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    unauthenticated: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(unauthenticated).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, from) = listener.accept().await?;
    Ok((stream, from, permit))
}

/// Serves one connection until it closes, violates the protocol, or the server stops.
async fn serve_connection(
    pg_server: Arc<PgServer>,
    stream: TcpStream,
    from: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    permit: OwnedSemaphorePermit,
) -> io::Result<()> {
    let (stream, probe) = with_probe(stream)?;
    let Some(socket) = timeout(HANDSHAKE_TIMEOUT, negotiate_tls(stream, acceptor)).await?? else {
        return Ok(());
    };
    let mut socket = validated(socket)?;
    let server = Arc::clone(&pg_server.server);
    let cancels = Arc::clone(&pg_server.cancels);
    let session = Arc::new(Session::new(pg_server, from));
    let mut connection = Connection::new(Arc::clone(&session), socket.is_secure());
    let mut permit = Some(permit);
    let startup_timeout = sleep(HANDSHAKE_TIMEOUT);
    tokio::pin!(startup_timeout);
    loop {
        let starting = is_starting(&socket);
        if !starting {
            // An authenticated connection has a connection slot instead.
            drop(permit.take());
            socket.get_mut().allow_large_messages();
        }
        let message = tokio::select! {
            message = socket.next() => message,
            () = &mut startup_timeout, if starting => return Err(io::ErrorKind::TimedOut.into()),
            () = server.stopping() => return send_fatal(&mut socket, errors::stopping()).await,
        };
        let message = match message {
            None | Some(Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
            Some(Ok(message)) => message,
            Some(Err(PgWireError::IoError(cause))) => {
                return match cause.kind() {
                    io::ErrorKind::InvalidData => {
                        let error = errors::error("08P01", cause.to_string());
                        send_fatal(&mut socket, error.into()).await
                    }
                    _ => Err(cause),
                };
            }
            Some(Err(error)) => return send_fatal(&mut socket, error.into()).await,
        };
        if let PgWireFrontendMessage::CancelRequest(request) = &message {
            cancels.cancel(request);
            return socket.close().await;
        }
        let extended = message.is_extended_query();
        session.record_activity();
        let handled = tokio::select! {
            handled = connection.handle(&mut socket, message) => handled,
            () = session.wait_until_stalled() => return Err(io::ErrorKind::TimedOut.into()),
            // A disconnected client's statement is cancelled.
            () = wait_for_disconnect(&probe) => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        if let Err(error) = handled {
            if matches!(error, PgWireError::IoError(_)) {
                return Err(io::Error::other(error));
            }
            let info = ErrorInfo::from(error);
            // An error during startup closes the connection.
            if starting || info.is_fatal() {
                return send_fatal(&mut socket, info).await;
            }
            process_error(&mut socket, PgWireError::UserError(Box::new(info)), extended).await?;
        }
    }
}

/// The stream, and a second handle to its socket that is only polled for readiness.
fn with_probe(stream: TcpStream) -> io::Result<(TcpStream, TcpStream)> {
    let stream = stream.into_std()?;
    let probe = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, TcpStream::from_std(probe)?))
}

/// Waits until the client has closed the connection, even if there is unread input.
async fn wait_for_disconnect(probe: &TcpStream) {
    while let Ok(ready) = probe.ready(Interest::READABLE).await {
        if ready.is_read_closed() {
            return;
        }
        sleep(POLL_INTERVAL).await;
    }
}
