//! The socket of a connection: messages, decoded after they were validated.

use std::io;
use std::sync::Arc;

use futures::SinkExt;
use pgwire::api::{ClientInfo, PgWireConnectionState};
use pgwire::error::ErrorInfo;
use pgwire::messages::PgWireBackendMessage;
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec};
use tokio::time::timeout;
use tokio_util::codec::{Framed, FramedParts};

use super::frame_validator::FrameValidator;
use crate::server::incoming::HANDSHAKE_TIMEOUT;
use crate::server::postgres::statements::statement::Prepared;

type Codec = PgWireMessageServerCodec<Arc<Prepared>>;

/// A connection's socket.
pub(super) type Socket = Framed<FrameValidator<MaybeTls>, Codec>;

/// Adds a [`FrameValidator`] in front of the decoder.
pub(super) fn validated(socket: Framed<MaybeTls, Codec>) -> io::Result<Socket> {
    let secure = socket.is_secure();
    let FramedParts { io, codec, read_buf, write_buf, .. } = socket.into_parts();
    if secure && !read_buf.is_empty() {
        // A man in the middle may have injected it.
        let message = "received unencrypted data before the TLS handshake";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut parts = FramedParts::new(FrameValidator::new(io, read_buf), codec);
    parts.write_buf = write_buf;
    Ok(Framed::from_parts(parts))
}

pub(super) fn is_starting(socket: &Socket) -> bool {
    use PgWireConnectionState::{AuthenticationInProgress, AwaitingSslRequest, AwaitingStartup};
    matches!(socket.state(), AwaitingSslRequest | AwaitingStartup | AuthenticationInProgress)
}

/// Sends a fatal error and closes the connection.
pub(super) async fn send_fatal(socket: &mut Socket, mut info: ErrorInfo) -> io::Result<()> {
    "FATAL".clone_into(&mut info.severity);
    let sent = async {
        socket.send(PgWireBackendMessage::ErrorResponse(info.into())).await?;
        socket.close().await
    };
    timeout(HANDSHAKE_TIMEOUT / 10, sent).await?
}
