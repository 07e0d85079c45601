//! Validates messages before they are decoded: only complete, well-formed messages pass.
//!
//! The decoder trusts lengths and element counts.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes of a message before authentication, as in PostgreSQL.
const MAX_STARTUP_MESSAGE: usize = 10_000;
/// Most bytes of a message after authentication: a statement, or parameter values such as bitmaps.
const MAX_MESSAGE: usize = 64 << 20;
/// Bytes per read.
const CHUNK: usize = 8 << 10;

/// A socket whose reads return only validated messages.
#[derive(Debug)]
pub(super) struct FrameValidator<S> {
    socket: S,
    /// Bytes that were received and not yet read by the decoder.
    buffer: BytesMut,
    /// Bytes at the start of `buffer` that are validated.
    complete: usize,
    /// Whether the startup message is still to come; it has no type byte.
    awaiting_startup: bool,
    max_length: usize,
}

impl<S> FrameValidator<S> {
    /// Wraps a socket of which `buffer` has been read already.
    pub(in crate::server::postgres) fn new(socket: S, buffer: BytesMut) -> Self {
        Self {
            socket,
            buffer,
            complete: 0,
            awaiting_startup: true,
            max_length: MAX_STARTUP_MESSAGE,
        }
    }

    /// Raises the limit of message lengths, after authentication.
    pub(super) fn allow_large_messages(&mut self) {
        self.max_length = MAX_MESSAGE;
    }

    /// Validates the messages that are completely received.
    ///
    /// # Errors
    /// When one is malformed.
    fn validate(&mut self) -> io::Result<()> {
        while let Some(length) = self.next_length()? {
            let message = &self.buffer[self.complete..self.complete + length];
            let valid = match self.awaiting_startup {
                true => is_valid_startup(message),
                false => is_valid_message(message[0], &message[5..]),
            };
            if !valid {
                return Err(invalid_data("malformed message"));
            }
            self.awaiting_startup = false;
            self.complete += length;
        }
        Ok(())
    }

    /// The length of the next message with its header, if it is completely received.
    fn next_length(&self) -> io::Result<Option<usize>> {
        let kind = usize::from(!self.awaiting_startup);
        let rest = &self.buffer[self.complete..];
        let Some(head) = rest.get(kind..kind + 4) else { return Ok(None) };
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length < 4 || length > self.max_length {
            return Err(invalid_data(&format!(
                "a message of {length} bytes exceeds the limit of {}",
                self.max_length
            )));
        }
        Ok((rest.len() >= kind + length).then_some(kind + length))
    }
}

fn invalid_data(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Whether this is a startup message with parameters, or a request such as SSLRequest.
fn is_valid_startup(message: &[u8]) -> bool {
    const CANCEL: u32 = 80_877_102;
    let mut body = Body(&message[4..]);
    match body.u32() {
        // Process id and secret key.
        Some(CANCEL) => (8..=260).contains(&body.0.len()),
        Some(version) if version >> 16 == 3 => loop {
            match body.text() {
                Some([]) => return body.0.is_empty(),
                Some(_) if body.text().is_some() => {}
                _ => return false,
            }
        },
        // Other requests have no body.
        Some(_) => body.0.is_empty(),
        None => false,
    }
}

/// Whether the body fits the message type.
fn is_valid_message(kind: u8, body: &[u8]) -> bool {
    let mut body = Body(body);
    let read = match kind {
        b'Q' => body.text().map(|_| ()),
        b'P' => body.text().and_then(|_| body.text()).and_then(|_| body.repeated(Body::u32)),
        b'B' => body.bind(),
        b'D' | b'C' => body.target(),
        b'E' => body.text().and_then(|_| body.u32()).map(|_| ()),
        b'H' | b'S' | b'X' | b'c' => Some(()),
        b'p' | b'd' => {
            body.0 = &[];
            Some(())
        }
        b'f' => body.text().map(|_| ()),
        _ => None,
    };
    read.is_some() && body.0.is_empty()
}

/// The unparsed rest of a message; reads past its end are `None`.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A text in UTF-8 up to its zero byte.
    fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end + 1)?.split_last()?.1;
        std::str::from_utf8(text).is_ok().then_some(text)
    }

    /// A count and that many elements.
    fn repeated<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<()> {
        (0..self.u16()?).try_for_each(|_| one(self).map(|_| ()))
    }

    /// Bytes after their length; -1 is null.
    fn value(&mut self) -> Option<()> {
        match self.u32()? {
            u32::MAX => Some(()),
            length => self.take(length as usize).map(|_| ()),
        }
    }

    fn bind(&mut self) -> Option<()> {
        self.text().and_then(|_| self.text())?;
        self.repeated(Self::u16)?;
        self.repeated(Self::value)?;
        self.repeated(Self::u16)
    }

    fn target(&mut self) -> Option<()> {
        matches!(self.take(1)?, b"S" | b"P").then_some(())?;
        self.text().map(|_| ())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameValidator<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.validate()?;
            if this.complete > 0 {
                let count = this.complete.min(into.remaining());
                into.put_slice(&this.buffer[..count]);
                this.buffer.advance(count);
                this.complete -= count;
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.socket).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                // End of input; an incomplete message is dropped.
                return Poll::Ready(Ok(()));
            }
            this.buffer.extend_from_slice(read.filled());
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameValidator<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{FrameValidator, is_valid_message, is_valid_startup};

    #[test]
    fn only_well_formed_messages_are_valid() {
        for (kind, body) in [
            (b'Q', &b"SELECT 1\0"[..]),
            (b'P', b"a\0b\0\0\x01\0\0\0\x17"),
            (b'B', b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x01x\0\0"),
            (b'D', b"Ss\0"),
            (b'C', b"P\0"),
            (b'E', b"\0\xff\xff\xff\xff"),
            (b'S', b""),
        ] {
            assert!(is_valid_message(kind, body), "{}", char::from(kind));
        }
        for (kind, body) in [
            (b'Q', &b"SELECT 1"[..]),
            (b'Q', b"SELECT 1\0x"),
            (b'Q', b"\xff\xfe\0"),
            (b'P', b"a\0b\0\0\x02\0\0\0\x17"),
            (b'P', b"a\0"),
            (b'B', b"p\0s\0\xff\xff"),
            (b'B', b"p\0s\0\0\0\0\x01\0\0\0\x05x\0\0"),
            (b'B', b"p\0s\0\0\0\0\x01\xff\xff\xff\x00\0\0"),
            (b'D', b"X\0"),
            (b'D', b""),
            (b'E', b"\0\0\0"),
            (b'S', b"x"),
            (b'F', b""),
            (0, b""),
        ] {
            assert!(!is_valid_message(kind, body), "{kind} {body:?}");
        }
    }

    #[test]
    fn startup_messages_are_validated() {
        for good in [
            &b"\0\0\0\0\0\x03\0\0user\0ada\0\0"[..],
            b"\0\0\0\0\x04\xd2\x16\x2e\0\0\0\x07keyy",
            b"\0\0\0\0\x04\xd2\x16\x2f",
        ] {
            assert!(is_valid_startup(good), "{good:?}");
        }
        for wrong in [
            &b"\0\0\0\0"[..],
            b"\0\0\0\0\0\x03\0",
            b"\0\0\0\0\0\x03\0\0user\0ada",
            b"\0\0\0\0\0\x03\0\0user\0\xff\0\0",
            b"\0\0\0\0\x04\xd2\x16\x2e\0\0\0\x07",
            b"\0\0\0\0GET / HTTP",
        ] {
            assert!(!is_valid_startup(wrong), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn incomplete_messages_wait_and_malformed_ones_fail() {
        let begin = b"\0\0\0\x12\0\x03\0\0user\0ada\0\0";
        let (mut client, server) = tokio::io::duplex(64);
        let mut validator = FrameValidator::new(server, BytesMut::from(&begin[..6]));
        client.write_all(&begin[6..]).await.unwrap();
        let mut first = vec![0; begin.len()];
        validator.read_exact(&mut first).await.unwrap();
        assert_eq!(first, begin);
        client.write_all(b"S\0\0\0\x04Q\0\0\0\x03").await.unwrap();
        let read = validator.read(&mut [0; 64]).await;
        // The valid message before the malformed one is lost with it.
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
}
