//! A client that says exactly what a test wants it to say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A message of the server: its kind and its body.
pub(super) type Heard = (char, Vec<u8>);

/// A connection, byte by byte.
pub(super) struct Wire(pub(super) TcpStream);

impl Wire {
    /// A connection that has said nothing yet.
    pub(super) fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(stream)
    }

    /// A connection that may ask.
    pub(super) fn open(address: SocketAddr) -> Self {
        let mut wire = Self::silent(address);
        wire.bytes(&startup(&[("user", "ada")]));
        let heard = wire.until_ready();
        assert!(heard.iter().any(|(kind, _)| *kind == 'K'), "{heard:?}");
        wire
    }

    /// Says bytes; whoever is refused may have hung up.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Says a message.
    pub(super) fn say(&mut self, kind: char, body: &[u8]) {
        self.bytes(&message(kind, body));
    }

    /// Hears a message; `None` if the server has hung up.
    pub(super) fn hear(&mut self) -> Option<Heard> {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.0.read_exact(&mut body).ok()?;
        Some((char::from(head[0]), body))
    }

    /// Hears messages up to the one that says that the server is ready, or to the end.
    pub(super) fn until_ready(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        while let Some(heard) = self.hear() {
            all.push(heard);
            if all.last().is_some_and(|(kind, _)| *kind == 'Z') {
                break;
            }
        }
        all
    }

    /// Asks by a text, and gives the kinds of the answers' messages.
    pub(super) fn ask(&mut self, sql: &str) -> String {
        self.say('Q', &[sql.as_bytes(), b"\0"].concat());
        kinds(&self.until_ready())
    }
}

/// The kinds of messages, without what may come at any time.
pub(super) fn kinds(heard: &[Heard]) -> String {
    heard.iter().map(|(kind, _)| *kind).filter(|kind| !matches!(kind, 'S' | 'N')).collect()
}

/// The fields of the first error among messages, as `SFATAL`, `C57P01` ...
#[track_caller]
pub(super) fn error(heard: &[Heard]) -> Vec<String> {
    let Some((_, body)) = heard.iter().find(|(kind, _)| *kind == 'E') else {
        panic!("no error in {heard:?}")
    };
    let fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    fields.map(|field| String::from_utf8_lossy(field).into_owned()).collect()
}

pub(super) fn message(kind: char, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind as u8][..], &length.to_be_bytes(), body].concat()
}

/// A message that begins a connection.
pub(super) fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], &body].concat()
}

/// Asks for the unnamed statement to be made of a text.
pub(super) fn parse(sql: &str) -> Vec<u8> {
    message('P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat())
}

/// Makes a portal of the unnamed statement, without values, and with results as texts.
pub(super) fn bind(portal: &str) -> Vec<u8> {
    message('B', &[portal.as_bytes(), b"\0\0\0\0\0\0\0\0"].concat())
}

/// Asks for at most so many rows of a portal.
pub(super) fn execute(portal: &str, rows: i32) -> Vec<u8> {
    message('E', &[portal.as_bytes(), b"\0", &rows.to_be_bytes()].concat())
}

/// Ends a series of messages.
pub(super) fn sync() -> Vec<u8> {
    message('S', b"")
}
