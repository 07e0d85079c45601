//! PostgreSQL's protocol: for psql, drivers and BI tools.
//!
//! ```text
//! bytes --> Guard: whole messages --> Talk: startup, simple and prepared statements --> Running
//!                                       |  SET, SHOW, transactions, cursors: answered by itself
//!                                     Session: one connection's DataFusion session and settings
//! ```
//!
//! What clients ask of `pg_catalog` is answered by a crate for that ([`catalog`]), whose rules also
//! rewrite what DataFusion does not understand ([`rules`]). Its tables are made those of this server
//! ([`relations`]); queries in the place of values are joined ([`single`]), and what is asked of
//! tables without rows is made plain ([`rowless`]). Transactions are accepted and mean nothing: every
//! statement reads the store as it is.

mod binary;
mod cancels;
mod catalog;
mod cursors;
mod errors;
mod functions;
mod guard;
mod listing;
mod parameters;
mod prepare;
mod procedures;
mod relations;
mod rewritten;
mod rowless;
mod rows;
mod rules;
mod session;
mod settings;
mod single;
mod startup;
mod statement;
mod talk;
mod text;
mod words;
mod written;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use datafusion_postgres::datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;
use engine::Result;
use futures::{SinkExt, StreamExt};
use pgwire::api::{ClientInfo, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec, negotiate_tls, process_error};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::{Framed, FramedParts};
use tokio_util::task::TaskTracker;

use super::incoming::PATIENCE;
use super::{Shared, Tls};
use cancels::Cancels;
use guard::Guard;
use rules::Rules;
use session::Session;
use startup::Unknown;
use statement::Prepared;
use talk::Talk;

/// Connections that have not said yet who they are.
const STRANGERS: usize = 64;
/// How often it is looked whether somebody who waits for an answer is still there.
const GLANCE: Duration = Duration::from_millis(250);
/// Time after a failed accept: there are no descriptors left, or something like that.
const AGAIN: Duration = Duration::from_millis(100);

/// What the connections of one address share.
struct Ground {
    shared: Arc<Shared>,
    rules: Rules,
    tables: Arc<PgCatalogStaticTables>,
    cancels: Arc<Cancels>,
    unknown: Unknown,
    /// What connections are encrypted with; then they have to be.
    certificate: Option<Vec<u8>>,
}

/// Serves until the server stops and the last answer is given.
///
/// # Errors
/// When the system gives no random bytes, or the tables of `pg_catalog` cannot be read.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: Option<Tls>) -> Result<()> {
    let certificate = tls.as_ref().map(|tls| tls.certificates.clone());
    let acceptor = tls.map(|tls| {
        let mut config = rustls::ServerConfig::clone(&tls.config);
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    });
    let ground = Arc::new(Ground {
        shared: Arc::clone(&shared),
        rules: Rules::new(),
        tables: catalog::tables()?,
        cancels: Arc::default(),
        unknown: Unknown::new()?,
        certificate,
    });
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shared.stopping() => break,
            accepted = accept(&listener, &strangers) => accepted,
        };
        match accepted {
            Ok((stream, from, stranger)) => {
                let (ground, acceptor) = (Arc::clone(&ground), acceptor.clone());
                connections.spawn(async move {
                    if let Err(cause) = converse(ground, stream, from, acceptor, stranger).await {
                        tracing::debug!(%from, %cause, "connection ended");
                    }
                });
            }
            Err(cause) => {
                tracing::warn!(protocol = "postgres", %cause, "cannot accept connections");
                sleep(AGAIN).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    strangers: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let stranger = Arc::clone(strangers).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, from) = listener.accept().await?;
    Ok((stream, from, stranger))
}

type Codec = PgWireMessageServerCodec<Arc<Prepared>>;
type Socket = Framed<Guard<MaybeTls>, Codec>;

/// Answers one client until it leaves, breaks the protocol, or the server stops.
async fn converse(
    ground: Arc<Ground>,
    stream: TcpStream,
    from: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    stranger: OwnedSemaphorePermit,
) -> io::Result<()> {
    let (stream, twin) = twins(stream)?;
    let Some(socket) = timeout(PATIENCE, negotiate_tls(stream, acceptor)).await?? else {
        return Ok(());
    };
    let mut socket = guarded(socket)?;
    let shared = Arc::clone(&ground.shared);
    let cancels = Arc::clone(&ground.cancels);
    let session = Arc::new(Session::new(ground, from));
    let mut talk = Talk::new(Arc::clone(&session), socket.is_secure());
    let mut stranger = Some(stranger);
    let introduced = sleep(PATIENCE);
    tokio::pin!(introduced);
    loop {
        let starting = is_starting(&socket);
        if !starting {
            // Whoever has said who it is has a place of its own.
            drop(stranger.take());
            socket.get_mut().trust();
        }
        let message = tokio::select! {
            message = socket.next() => message,
            () = &mut introduced, if starting => return Err(io::ErrorKind::TimedOut.into()),
            () = shared.stopping() => return farewell(&mut socket, errors::stopping()).await,
        };
        let message = match message {
            None | Some(Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
            Some(Ok(message)) => message,
            Some(Err(PgWireError::IoError(cause))) => {
                return match cause.kind() {
                    io::ErrorKind::InvalidData => {
                        let told = errors::error("08P01", cause.to_string());
                        farewell(&mut socket, told.into()).await
                    }
                    _ => Err(cause),
                };
            }
            Some(Err(error)) => return farewell(&mut socket, error.into()).await,
        };
        if let PgWireFrontendMessage::CancelRequest(request) = &message {
            cancels.cancel(request);
            return socket.close().await;
        }
        let extended = message.is_extended_query();
        session.begins();
        let heard = tokio::select! {
            heard = talk.hear(&mut socket, message) => heard,
            () = session.stuck() => return Err(io::ErrorKind::TimedOut.into()),
            // Nobody works for those who have hung up.
            () = gone(&twin) => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        if let Err(error) = heard {
            if matches!(error, PgWireError::IoError(_)) {
                return Err(io::Error::other(error));
            }
            let info = ErrorInfo::from(error);
            // Nobody gets in by an error.
            if starting || info.is_fatal() {
                return farewell(&mut socket, info).await;
            }
            process_error(&mut socket, PgWireError::UserError(Box::new(info)), extended).await?;
        }
    }
}

/// A second hold on a connection, which only looks at it.
fn twins(stream: TcpStream) -> io::Result<(TcpStream, TcpStream)> {
    let stream = stream.into_std()?;
    let twin = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, TcpStream::from_std(twin)?))
}

/// Waits until a client has hung up, whatever it has said before that nobody has read yet.
async fn gone(twin: &TcpStream) {
    while let Ok(ready) = twin.ready(Interest::READABLE).await {
        if ready.is_read_closed() {
            return;
        }
        sleep(GLANCE).await;
    }
}

/// Puts a guard before the reader of messages.
fn guarded(socket: Framed<MaybeTls, Codec>) -> io::Result<Socket> {
    let secure = socket.is_secure();
    let FramedParts { io, codec, read_buf, write_buf, .. } = socket.into_parts();
    if secure && !read_buf.is_empty() {
        // Somebody in between may have said it.
        let told = "received unencrypted data before the TLS handshake";
        return Err(io::Error::new(io::ErrorKind::InvalidData, told));
    }
    let mut parts = FramedParts::new(Guard::new(io, read_buf), codec);
    parts.write_buf = write_buf;
    Ok(Framed::from_parts(parts))
}

fn is_starting(socket: &Socket) -> bool {
    use PgWireConnectionState::{AuthenticationInProgress, AwaitingSslRequest, AwaitingStartup};
    matches!(socket.state(), AwaitingSslRequest | AwaitingStartup | AuthenticationInProgress)
}

/// Says why, and hangs up.
async fn farewell(socket: &mut Socket, mut info: ErrorInfo) -> io::Result<()> {
    "FATAL".clone_into(&mut info.severity);
    let said = async {
        socket.send(PgWireBackendMessage::ErrorResponse(info.into())).await?;
        socket.close().await
    };
    timeout(PATIENCE / 10, said).await?
}
