//! Accepts connections, for protocols that are TCP or TLS from their first byte.
//!
//! A connection is passed on once it has a slot, has sent a first byte, and has completed the TLS
//! handshake if there is a certificate. Connections that send nothing are closed, before or after,
//! because an idle connection would keep a slot.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::AbortOnDropHandle;

use super::context::ConnectionSlot;
use super::{Protocol, ServerContext, Tls};

/// Most time for a client's first byte, for its TLS handshake, and for the head of a request.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most time for a client to read what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after a failed accept, for example when no file descriptors are left.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// How a protocol accepts connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct TransportConfig {
    pub(super) protocol: Protocol,
    /// The protocol's name in the TLS handshake.
    pub(super) alpn: &'static [u8],
    /// What is sent without TLS when all connections are in use.
    pub(super) full_response: &'static [u8],
    /// Most time between two reads; `None` where clients may be silent while they wait.
    pub(super) read_timeout: Option<Duration>,
}

/// The accepted connections of one address.
#[derive(Debug)]
pub(super) struct Incoming {
    receiver: Receiver<ClientStream>,
    _accepting: AbortOnDropHandle<()>,
}

impl Incoming {
    /// Accepts connections until the server stops.
    pub(super) fn new(
        server: Arc<ServerContext>,
        listener: TcpListener,
        tls: Option<Tls>,
        transport: TransportConfig,
    ) -> Self {
        let tls = tls.map(|tls| {
            let mut config = rustls::ServerConfig::clone(&tls.config);
            config.alpn_protocols = vec![transport.alpn.to_vec()];
            TlsAcceptor::from(Arc::new(config))
        });
        let (sender, receiver) = channel(1);
        let accepting = tokio::spawn(async move {
            tokio::select! {
                () = server.stopping() => {}
                () = accept(&server, &listener, tls.as_ref(), transport, &sender) => {}
            }
        });
        Self { receiver, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// The next connection; `None` once the server stops.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<ClientStream>> {
        self.receiver.poll_recv(context)
    }

    /// As [`poll`](Self::poll).
    pub(super) async fn next(&mut self) -> Option<ClientStream> {
        self.receiver.recv().await
    }
}

async fn accept(
    server: &Arc<ServerContext>,
    listener: &TcpListener,
    tls: Option<&TlsAcceptor>,
    transport: TransportConfig,
    sender: &Sender<ClientStream>,
) {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(cause) => {
                tracing::warn!(protocol = transport.protocol.name(), %cause, "cannot accept \
                     connections");
                sleep(ACCEPT_BACKOFF).await;
                continue;
            }
        };
        let Ok(slot) = server.connect(transport.protocol, from) else {
            if tls.is_none() && !transport.full_response.is_empty() {
                tokio::spawn(timeout(
                    HANDSHAKE_TIMEOUT / 10,
                    refuse(stream, transport.full_response),
                ));
            }
            continue;
        };
        let (tls, sender) = (tls.cloned(), sender.clone());
        // In a task of its own, so that a slow handshake does not delay others.
        tokio::spawn(async move {
            match timeout(HANDSHAKE_TIMEOUT, handshake(stream, tls)).await {
                Ok(Ok(stream)) => {
                    let read_timeout = StallTimeout::new(transport.read_timeout);
                    let write_timeout = StallTimeout::new(Some(WRITE_TIMEOUT));
                    let stream =
                        ClientStream { stream, from, read_timeout, write_timeout, _slot: slot };
                    // The receiver is gone once the server stops.
                    let _ = sender.send(stream).await;
                }
                Ok(Err(cause)) => tracing::debug!(%from, %cause, "handshake failed"),
                Err(_) => tracing::debug!(%from, "handshake timed out"),
            }
        });
    }
}

/// Sends a response and waits until the client closes; closing first could discard the response.
async fn refuse(mut stream: TcpStream, response: &[u8]) -> io::Result<()> {
    stream.write_all(response).await?;
    stream.shutdown().await?;
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

async fn handshake(stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    if stream.peek(&mut [0]).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match tls {
        None => Ok(Stream::Plain(stream)),
        Some(acceptor) => Ok(Stream::Tls(Box::new(acceptor.accept(stream).await?))),
    }
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// An accepted connection; it holds its slot until it is dropped.
#[derive(Debug)]
pub(super) struct ClientStream {
    stream: Stream,
    /// The client's address.
    pub(super) from: SocketAddr,
    read_timeout: StallTimeout,
    write_timeout: StallTimeout,
    _slot: ConnectionSlot,
}

/// Fails reads or writes that make no progress for `limit`.
#[derive(Debug)]
struct StallTimeout {
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl StallTimeout {
    fn new(limit: Option<Duration>) -> Self {
        Self { limit, timer: None }
    }

    fn check<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(limit)) = (&progress, self.limit) else {
            self.timer = None;
            return progress;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, into),
        };
        this.read_timeout.check(context, read)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        this.write_timeout.check(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        this.write_timeout.check(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        };
        this.write_timeout.check(context, shut)
    }
}
