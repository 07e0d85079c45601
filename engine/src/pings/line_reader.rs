//! Reads a file of pings in blocks of whole lines.

use std::error::Error as _;
use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr_iter, memrchr};

use crate::scan::{Compression, EventFile};
use crate::{Error, Kind, Result};

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Longest document, in bytes.
const MAX_DOCUMENT: usize = 512 << 20;

/// Why reading a file ends early.
pub(super) enum Failure {
    /// What follows cannot be decompressed, or is UTF-16.
    Undecodable,
    Error(Error),
}

/// What follows a block of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    More,
    File,
    Undecodable,
}

/// Reads a file in blocks of whole lines.
pub(super) struct LineReader<'a> {
    file: &'a EventFile,
    input: Box<dyn Read + Send>,
    size: usize,
    /// The beginning of a line that has no end yet.
    carry: Vec<u8>,
    /// Number of the next line, from 1.
    line: u64,
}

impl<'a> LineReader<'a> {
    /// `size` is how many bytes a block has, if lines are not longer.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn open(file: &'a EventFile, size: usize) -> Result<Self, Failure> {
        let input = file.open_text().map_err(|error| open_failure(file, error))?;
        Ok(Self { file, input, size, carry: Vec::new(), line: 1 })
    }

    /// Some whole lines, with the number of the first.
    pub(super) fn block(&mut self) -> Result<(u64, Vec<u8>, End), Failure> {
        let mut block = std::mem::take(&mut self.carry);
        let mut last_newline = None;
        let end = loop {
            let before = block.len();
            let end = self.read(&mut block)?;
            if let Some(at) = memrchr(b'\n', &block[before..]) {
                last_newline = Some(before + at);
            }
            if end != End::More || (block.len() >= self.size && last_newline.is_some()) {
                break end;
            }
        };
        if end != End::File {
            // An incomplete line of a broken file is left out.
            self.carry = block.split_off(last_newline.map_or(0, |at| at + 1));
        }
        let line = self.line;
        self.line += memchr_iter(b'\n', &block).count() as u64;
        Ok((line, block, end))
    }

    /// Appends all that follows a block.
    pub(super) fn rest(&mut self, block: &mut Vec<u8>) -> Result<(), Failure> {
        block.append(&mut self.carry);
        loop {
            match self.read(block)? {
                End::More => {}
                End::File => return Ok(()),
                End::Undecodable => return Err(Failure::Undecodable),
            }
        }
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<End, Failure> {
        if buffer.len() > MAX_DOCUMENT {
            let message = format!("a document is longer than {} MiB", MAX_DOCUMENT >> 20);
            return Err(Failure::Error(
                Error::limit(message)
                    .with("file", self.file.path.display())
                    .with("help", "remove the file: this is no ping"),
            ));
        }
        match self.input.by_ref().take(READ_BYTES as u64).read_to_end(buffer) {
            Ok(0) => Ok(End::File),
            Ok(_) => Ok(End::More),
            Err(cause) if is_undecodable(self.file, &cause) => Ok(End::Undecodable),
            Err(cause) => Err(Failure::Error(Error::io(&self.file.path, cause))),
        }
    }
}

/// An error from opening a file, which reads its first bytes.
fn open_failure(file: &EventFile, error: Error) -> Failure {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause {
        Some(cause) if is_undecodable(file, cause) => Failure::Undecodable,
        // UTF-16.
        None if error.kind() == Kind::Input => Failure::Undecodable,
        _ => Failure::Error(error),
    }
}

/// Whether the content of the file is at fault, and not the disk or the network.
fn is_undecodable(file: &EventFile, cause: &io::Error) -> bool {
    let is_of_network = file.object.is_some()
        && cause.get_ref().is_some_and(|inner| {
            inner.is::<object_store::Error>()
                || inner.is::<Error>()
                || cause.kind() == io::ErrorKind::UnexpectedEof
        });
    file.compression != Compression::Plain && cause.raw_os_error().is_none() && !is_of_network
}

/// The first line that is not blank: how many lines come before it, and its place.
pub(super) fn first_line(text: &[u8]) -> Option<(u64, Range<usize>)> {
    let mut start = 0;
    for (number, line) in (0..).zip(lines(text)) {
        let range = start..start + line.len();
        if !is_blank(line) {
            return Some((number, range));
        }
        start = range.end + 1;
    }
    None
}

/// The lines of a text, without their ends.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(b'\n', text).chain([text.len()]).map(move |end| {
        let line = &text[start..end];
        start = end + 1;
        line
    })
}

pub(super) fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}
