//! Reads an object as a stream.

use std::io::{Error, ErrorKind, Read, Result};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::{GetResult, GetResultPayload};

use super::block_on::block_on;

/// All of a file or object.
pub(super) fn read(response: GetResult) -> Box<dyn Read + Send> {
    match response.payload {
        GetResultPayload::File(file, _) => Box::new(file),
        GetResultPayload::Stream(_) => Box::new(ObjectReader::new(response)),
    }
}

/// All of an object, from its beginning to its end; with the announced number of bytes, or an error.
struct ObjectReader {
    pieces: BoxStream<'static, object_store::Result<Bytes>>,
    piece: Bytes,
    /// Bytes that are still to come.
    left: u64,
}

impl ObjectReader {
    /// What comes for a request for all of an object.
    fn new(response: GetResult) -> Self {
        let left = response.meta.size;
        Self { pieces: response.into_stream(), piece: Bytes::new(), left }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.piece.is_empty() {
            let next = block_on(self.pieces.next()).map_err(Error::other)?;
            let Some(piece) = next.transpose().map_err(Error::other)? else {
                return match self.left {
                    0 => Ok(0),
                    left => Err(unexpected(&format!("{left} bytes are missing"))),
                };
            };
            let left = self.left.checked_sub(piece.len() as u64);
            self.left = left.ok_or_else(|| unexpected("there were more bytes than announced"))?;
            self.piece = piece;
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

fn unexpected(what: &str) -> Error {
    Error::new(
        ErrorKind::UnexpectedEof,
        format!("the object does not have the size that the object store announced: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use bytes::Bytes;
    use futures::{StreamExt, stream};

    use super::ObjectReader;

    #[test]
    fn an_object_has_the_announced_number_of_bytes() {
        let read = |size: u64, is_broken_off: bool| {
            let pieces = ["ab", "", "cde"].map(|piece| Ok(Bytes::from(piece)));
            let broken = is_broken_off.then_some(Err(object_store::Error::NotImplemented {
                operation: "reading on".to_owned(),
                implementer: "a test".to_owned(),
            }));
            let pieces = stream::iter(pieces.into_iter().chain(broken)).boxed();
            let mut text = String::new();
            let mut reader = ObjectReader { pieces, piece: Bytes::new(), left: size };
            reader.read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(read(5, false).unwrap(), "abcde");
        for (size, message) in [(6, "1 bytes are missing"), (4, "there were more bytes")] {
            let error = read(size, false).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        // What the client says of it can still be told apart.
        let error = read(5, true).unwrap_err();
        assert!(error.downcast::<object_store::Error>().is_ok());
    }
}
