//! What a client says, before anybody reads it: only whole messages get through, and only those
//! that are what they say.
//!
//! The readers behind this trust lengths and numbers of elements.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most bytes of a message before the client is known, as PostgreSQL has it.
const SMALL: usize = 10_000;
/// Most bytes of a message: a statement, or its values with their bitmaps.
const LARGE: usize = 64 << 20;
/// Bytes that are read at once.
const CHUNK: usize = 8 << 10;

/// A socket that lets only whole messages through.
#[derive(Debug)]
pub(super) struct Guard<S> {
    socket: S,
    /// What was heard and not looked at yet.
    heard: BytesMut,
    /// Bytes of it that may be read.
    whole: usize,
    /// Whether the message that begins a connection is still to come; it has no kind.
    begins: bool,
    most: usize,
}

impl<S> Guard<S> {
    /// Guards a socket of which some bytes have been read already.
    pub(super) fn new(socket: S, heard: BytesMut) -> Self {
        Self { socket, heard, whole: 0, begins: true, most: SMALL }
    }

    /// The client is known: its messages may be large.
    pub(super) fn trust(&mut self) {
        self.most = LARGE;
    }

    /// Looks at what was heard.
    ///
    /// # Errors
    /// When it is no message.
    fn look(&mut self) -> io::Result<()> {
        while let Some(length) = self.next_length()? {
            let message = &self.heard[self.whole..self.whole + length];
            let fine = match self.begins {
                true => begins_well(message),
                false => is_sound(message[0], &message[5..]),
            };
            if !fine {
                return Err(broken("malformed message"));
            }
            self.begins = false;
            self.whole += length;
        }
        Ok(())
    }

    /// The length of the next message with its head, if all of it is there.
    fn next_length(&self) -> io::Result<Option<usize>> {
        let kind = usize::from(!self.begins);
        let rest = &self.heard[self.whole..];
        let Some(head) = rest.get(kind..kind + 4) else { return Ok(None) };
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length < 4 || length > self.most {
            return Err(broken(&format!(
                "a message of {length} bytes exceeds the limit of {}",
                self.most
            )));
        }
        Ok((rest.len() >= kind + length).then_some(kind + length))
    }
}

fn broken(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// A version, or a request, with texts up to an empty one.
fn begins_well(message: &[u8]) -> bool {
    const CANCEL: u32 = 80_877_102;
    let mut body = Body(&message[4..]);
    match body.u32() {
        // The connection's number, and its key.
        Some(CANCEL) => (8..=260).contains(&body.0.len()),
        Some(version) if version >> 16 == 3 => loop {
            match body.text() {
                Some([]) => return body.0.is_empty(),
                Some(_) if body.text().is_some() => {}
                _ => return false,
            }
        },
        // Other requests have nothing behind them.
        Some(_) => body.0.is_empty(),
        None => false,
    }
}

/// Whether a message of this kind can be read as such.
fn is_sound(kind: u8, body: &[u8]) -> bool {
    let mut body = Body(body);
    let read = match kind {
        b'Q' => body.text().map(|_| ()),
        b'P' => body.text().and_then(|_| body.text()).and_then(|_| body.several(Body::u32)),
        b'B' => body.bind(),
        b'D' | b'C' => body.named(),
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

/// What is left of a message; whatever it does not have is `None`.
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

    /// As many as a number says.
    fn several<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<()> {
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
        self.several(Self::u16)?;
        self.several(Self::value)?;
        self.several(Self::u16)
    }

    fn named(&mut self) -> Option<()> {
        matches!(self.take(1)?, b"S" | b"P").then_some(())?;
        self.text().map(|_| ())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.look()?;
            if this.whole > 0 {
                let count = this.whole.min(into.remaining());
                into.put_slice(&this.heard[..count]);
                this.heard.advance(count);
                this.whole -= count;
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.socket).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                // A part of a message is none.
                return Poll::Ready(Ok(()));
            }
            this.heard.extend_from_slice(read.filled());
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
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

    use super::{Guard, begins_well, is_sound};

    #[test]
    fn only_sound_messages_are_sound() {
        for (kind, body) in [
            (b'Q', &b"SELECT 1\0"[..]),
            (b'P', b"a\0b\0\0\x01\0\0\0\x17"),
            (b'B', b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x01x\0\0"),
            (b'D', b"Ss\0"),
            (b'C', b"P\0"),
            (b'E', b"\0\xff\xff\xff\xff"),
            (b'S', b""),
        ] {
            assert!(is_sound(kind, body), "{}", char::from(kind));
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
            assert!(!is_sound(kind, body), "{kind} {body:?}");
        }
    }

    #[test]
    fn a_connection_begins_with_who_it_is() {
        for good in [
            &b"\0\0\0\0\0\x03\0\0user\0ada\0\0"[..],
            b"\0\0\0\0\x04\xd2\x16\x2e\0\0\0\x07keyy",
            b"\0\0\0\0\x04\xd2\x16\x2f",
        ] {
            assert!(begins_well(good), "{good:?}");
        }
        for wrong in [
            &b"\0\0\0\0"[..],
            b"\0\0\0\0\0\x03\0",
            b"\0\0\0\0\0\x03\0\0user\0ada",
            b"\0\0\0\0\0\x03\0\0user\0\xff\0\0",
            b"\0\0\0\0\x04\xd2\x16\x2e\0\0\0\x07",
            b"\0\0\0\0GET / HTTP",
        ] {
            assert!(!begins_well(wrong), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn parts_wait_for_the_rest_and_nonsense_ends_it() {
        let begin = b"\0\0\0\x12\0\x03\0\0user\0ada\0\0";
        let (mut client, server) = tokio::io::duplex(64);
        let mut guard = Guard::new(server, BytesMut::from(&begin[..6]));
        client.write_all(&begin[6..]).await.unwrap();
        let mut first = vec![0; begin.len()];
        guard.read_exact(&mut first).await.unwrap();
        assert_eq!(first, begin);
        client.write_all(b"S\0\0\0\x04Q\0\0\0\x03").await.unwrap();
        let read = guard.read(&mut [0; 64]).await;
        // The sound message before it is lost with the nonsense.
        assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
}
