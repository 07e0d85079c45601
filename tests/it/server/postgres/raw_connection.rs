//! A client that sends raw bytes and messages.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A message of the server: its kind and its body.
pub(super) type Message = (char, Vec<u8>);

/// A raw connection.
pub(super) struct RawConnection(pub(super) TcpStream);

impl RawConnection {
    /// A connection before the startup message.
    pub(super) fn unauthenticated(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(stream)
    }

    /// An authenticated connection.
    pub(super) fn open(address: SocketAddr) -> Self {
        let mut raw_connection = Self::unauthenticated(address);
        raw_connection.bytes(&startup(&[("user", "ada")]));
        let received = raw_connection.until_ready();
        assert!(received.iter().any(|(kind, _)| *kind == 'K'), "{received:?}");
        raw_connection
    }

    /// Sends bytes; errors are ignored, since the server may have closed the connection.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends a message.
    pub(super) fn send(&mut self, kind: char, body: &[u8]) {
        self.bytes(&message(kind, body));
    }

    /// Receives a message; `None` if the server has closed the connection.
    pub(super) fn receive(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.0.read_exact(&mut body).ok()?;
        Some((char::from(head[0]), body))
    }

    /// Receives messages up to ReadyForQuery, or to the end.
    pub(super) fn until_ready(&mut self) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(received) = self.receive() {
            all.push(received);
            if all.last().is_some_and(|(kind, _)| *kind == 'Z') {
                break;
            }
        }
        all
    }

    /// Runs a simple query, and returns the types of the response's messages.
    pub(super) fn ask(&mut self, sql: &str) -> String {
        self.send('Q', &[sql.as_bytes(), b"\0"].concat());
        kinds(&self.until_ready())
    }
}

/// The types of messages, without asynchronous ones.
pub(super) fn kinds(received: &[Message]) -> String {
    received.iter().map(|(kind, _)| *kind).filter(|kind| !matches!(kind, 'S' | 'N')).collect()
}

/// The fields of the first error among messages, as `SFATAL`, `C57P01` ...
#[track_caller]
pub(super) fn error(received: &[Message]) -> Vec<String> {
    let Some((_, body)) = received.iter().find(|(kind, _)| *kind == 'E') else {
        panic!("no error in {received:?}")
    };
    let fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    fields.map(|field| String::from_utf8_lossy(field).into_owned()).collect()
}

pub(super) fn message(kind: char, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind as u8][..], &length.to_be_bytes(), body].concat()
}

/// A startup message.
pub(super) fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

/// Parse: a text as the unnamed statement.
pub(super) fn parse(sql: &str) -> Vec<u8> {
    message('P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat())
}

/// Bind: a portal of the unnamed statement, without values, with text results.
pub(super) fn bind(portal: &str) -> Vec<u8> {
    message('B', &[portal.as_bytes(), b"\0\0\0\0\0\0\0\0"].concat())
}

/// Execute: at most `rows` rows of a portal.
pub(super) fn execute(portal: &str, rows: i32) -> Vec<u8> {
    message('E', &[portal.as_bytes(), b"\0", &rows.to_be_bytes()].concat())
}

/// Sync.
pub(super) fn sync() -> Vec<u8> {
    message('S', b"")
}
