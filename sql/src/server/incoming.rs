//! Connections as they come in, for protocols that are TCP or TLS from their first byte.
//!
//! A connection gets here once it has a place among those that may be open, has said something,
//! and has shaken hands where there is a certificate. Whoever is silent, before or after, is sent
//! away: an open connection that does nothing would keep others out.

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

use super::shared::Connection;
use super::{Protocol, Shared, Tls};

/// How long a client may take to say its first byte, to shake hands, or to send a head.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client may leave what it is sent lying around.
const STALLED: Duration = Duration::from_secs(60);
/// Time after a failed accept: there are no descriptors left, or something like that.
const AGAIN: Duration = Duration::from_millis(100);

/// What a protocol wants of its connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) protocol: Protocol,
    /// The protocol's name in the handshake of TLS.
    pub(super) alpn: &'static [u8],
    /// What is said to those for whom there is no place, where there is no TLS.
    pub(super) full: &'static [u8],
    /// How long a client may say nothing, where the protocol makes it answer now and then.
    pub(super) silence: Option<Duration>,
}

/// The connections of one address.
#[derive(Debug)]
pub(super) struct Incoming {
    receiver: Receiver<Wire>,
    _accepting: AbortOnDropHandle<()>,
}

impl Incoming {
    /// Accepts connections until the server stops.
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: TcpListener,
        tls: Option<Tls>,
        manner: Manner,
    ) -> Self {
        let tls = tls.map(|tls| {
            let mut config = rustls::ServerConfig::clone(&tls.config);
            config.alpn_protocols = vec![manner.alpn.to_vec()];
            TlsAcceptor::from(Arc::new(config))
        });
        let (sender, receiver) = channel(1);
        let accepting = tokio::spawn(async move {
            tokio::select! {
                () = shared.stopping() => {}
                () = accept(&shared, &listener, tls.as_ref(), manner, &sender) => {}
            }
        });
        Self { receiver, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// The next connection; `None` once the server stops.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Wire>> {
        self.receiver.poll_recv(context)
    }

    /// As [`poll`](Self::poll).
    pub(super) async fn next(&mut self) -> Option<Wire> {
        self.receiver.recv().await
    }
}

async fn accept(
    shared: &Arc<Shared>,
    listener: &TcpListener,
    tls: Option<&TlsAcceptor>,
    manner: Manner,
    sender: &Sender<Wire>,
) {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(cause) => {
                tracing::warn!(protocol = manner.protocol.name(), %cause, "cannot accept \
                     connections");
                sleep(AGAIN).await;
                continue;
            }
        };
        let Ok(connection) = shared.connect(manner.protocol, from) else {
            if tls.is_none() && !manner.full.is_empty() {
                tokio::spawn(timeout(PATIENCE / 10, refuse(stream, manner.full)));
            }
            continue;
        };
        let (tls, sender) = (tls.cloned(), sender.clone());
        // Each shakes hands on its own: a slow one keeps nobody waiting.
        tokio::spawn(async move {
            match timeout(PATIENCE, open(stream, tls)).await {
                Ok(Ok(stream)) => {
                    let silence = Patience::new(manner.silence);
                    let stalled = Patience::new(Some(STALLED));
                    let wire = Wire { stream, from, silence, stalled, _connection: connection };
                    // Nobody waits for it once the server stops.
                    let _ = sender.send(wire).await;
                }
                Ok(Err(cause)) => tracing::debug!(%from, %cause, "handshake failed"),
                Err(_) => tracing::debug!(%from, "handshake timed out"),
            }
        });
    }
}

/// Says something, and waits until it was read: whoever hangs up first may not be heard.
async fn refuse(mut stream: TcpStream, words: &[u8]) -> io::Result<()> {
    stream.write_all(words).await?;
    stream.shutdown().await?;
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

async fn open(stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Stream> {
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

/// A connection, counted as long as it lives.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    /// The client's address.
    pub(super) from: SocketAddr,
    silence: Patience,
    stalled: Patience,
    _connection: Connection,
}

/// Ends what makes no progress for so long.
#[derive(Debug)]
struct Patience {
    limit: Option<Duration>,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(limit: Option<Duration>) -> Self {
        Self { limit, waiting: None }
    }

    fn with<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(limit)) = (&progress, self.limit) else {
            self.waiting = None;
            return progress;
        };
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        waiting.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
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
        this.silence.with(context, read)
    }
}

impl AsyncWrite for Wire {
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
        this.stalled.with(context, written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        this.stalled.with(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        };
        this.stalled.with(context, shut)
    }
}
