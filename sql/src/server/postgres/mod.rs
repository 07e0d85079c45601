//! PostgreSQL's protocol: for psql, drivers and BI tools.
//!
//! ```text
//! bytes --> pgwire's messages --> Talk: startup, simple and prepared statements --> Running
//!                                   |  SET, SHOW, transactions: answered by the connection itself
//!                                 Session: one connection's DataFusion session, settings, cancelling
//! ```
//!
//! What clients ask of `pg_catalog` is answered by a crate for that ([`catalog`]); its parser also
//! rewrites what DataFusion does not understand. Transactions are accepted and mean nothing: every
//! statement reads the store as it is.

mod cancels;
mod catalog;
mod errors;
mod parameters;
mod prepare;
mod rows;
mod session;
mod settings;
mod startup;
mod statement;
mod talk;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use engine::Result;
use futures::{SinkExt, StreamExt};
use pgwire::api::{ClientInfo, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec, negotiate_tls, process_error};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::Framed;
use tokio_util::task::TaskTracker;

use super::incoming::PATIENCE;
use super::{Shared, Tls};
use cancels::Cancels;
use session::Session;
use startup::Unknown;
use statement::Prepared;
use talk::Talk;

/// Connections that have not said yet who they are.
const STRANGERS: usize = 64;
/// Time after a failed accept: there are no descriptors left, or something like that.
const AGAIN: Duration = Duration::from_millis(100);

/// What the connections of one address share.
struct Ground {
    shared: Arc<Shared>,
    parser: PostgresCompatibilityParser,
    cancels: Arc<Cancels>,
    unknown: Unknown,
    /// Whether there is a certificate; then nobody is served in the clear.
    encrypts: bool,
}

/// Serves until the server stops and the last answer is given.
///
/// # Errors
/// When the system gives no random bytes.
pub async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: Option<Tls>) -> Result<()> {
    let encrypts = tls.is_some();
    let acceptor = tls.map(|tls| {
        let mut config = rustls::ServerConfig::clone(&tls.config);
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    });
    let ground = Arc::new(Ground {
        shared: Arc::clone(&shared),
        parser: PostgresCompatibilityParser::new(),
        cancels: Arc::default(),
        unknown: Unknown::new()?,
        encrypts,
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
                tracing::warn!(protocol = "postgres", %cause, "nobody can connect");
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

type Socket = Framed<MaybeTls, PgWireMessageServerCodec<Arc<Prepared>>>;

/// Answers one client until it leaves, breaks the protocol, or the server stops.
async fn converse(
    ground: Arc<Ground>,
    stream: TcpStream,
    from: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    stranger: OwnedSemaphorePermit,
) -> io::Result<()> {
    let Some(mut socket) = timeout(PATIENCE, negotiate_tls(stream, acceptor)).await?? else {
        return Ok(());
    };
    let shared = Arc::clone(&ground.shared);
    let cancels = Arc::clone(&ground.cancels);
    let session = Arc::new(Session::new(ground, from));
    let mut talk = Talk::new(Arc::clone(&session));
    let mut stranger = Some(stranger);
    let introduced = sleep(PATIENCE);
    tokio::pin!(introduced);
    loop {
        let starting = is_starting(&socket);
        if !starting {
            // Whoever has said who it is has a place of its own.
            drop(stranger.take());
        }
        let message = tokio::select! {
            message = socket.next() => message,
            () = &mut introduced, if starting => return Err(io::ErrorKind::TimedOut.into()),
            () = shared.stopping() => return farewell(&mut socket, errors::stopping()).await,
        };
        let message = match message {
            None | Some(Ok(PgWireFrontendMessage::Terminate(_))) => return Ok(()),
            Some(Ok(message)) => message,
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
