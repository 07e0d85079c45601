//! Reads files of pings, in parallel over files and over the lines of a file.
//!
//! A file holds one document, or one on each line. It holds lines if its first line that is not
//! blank is a document of its own, or if it is not JSON as a whole and another line that begins with
//! `{` is. So one broken line does not spoil the others, and one broken document is refused once.

use std::error::Error as _;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use memchr::{memchr, memchr_iter, memrchr};
use rayon::iter::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::flatten::{Flattener, Identity, Unusable};
use super::paths::KeyPaths;
use super::sketches::PingSketches;
use super::upload::{Accepted, Reason, accept, time_of_name};
use super::values::Values;
use crate::scan::{Compression, EventFile};
use crate::{Error, JobContext, Kind, Result};

/// Heap bytes of an upload, about.
const UPLOAD_BYTES: usize = size_of::<Upload>() + 512;
/// Bytes of lines that are read before they are flattened in parallel.
const BLOCK_BYTES: usize = 16 << 20;
/// Bytes of lines that one thread flattens at once.
const TASK_BYTES: usize = 1 << 20;
/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Longest document, in bytes.
const MAX_DOCUMENT: usize = 512 << 20;

/// One document of a file.
#[derive(Debug)]
pub(super) struct Upload {
    /// Line of the document, from 1; `None` if the file holds nothing else.
    pub(super) line: Option<u64>,
    pub(super) result: std::result::Result<Document, Reason>,
}

/// An accepted document, with the place of its values.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) accepted: Accepted,
    pub(super) identity: Identity,
    pub(super) values: Range<usize>,
}

/// Uploads that were read together, with their values.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) uploads: Vec<Upload>,
    pub(super) values: Values,
    /// Sketches of accepted documents with their lines, if they are read.
    sketches: Vec<(Option<u64>, PingSketches)>,
    /// Heap bytes of key paths that were new.
    new_bytes: usize,
}

impl Part {
    fn refused(reason: Reason) -> Self {
        Self { uploads: vec![Upload { line: None, result: Err(reason) }], ..Self::default() }
    }

    fn is_invalid_json(&self) -> bool {
        matches!(self.uploads[..], [Upload { result: Err(Reason::InvalidJson), .. }])
    }
}

/// Reads files; the parts of each are in the order of its lines.
///
/// # Errors
/// When a file cannot be read or changes meanwhile, a document is longer than 512 MiB, or the
/// job is cancelled or has no more memory.
pub(super) fn read(
    files: &[EventFile],
    paths: &KeyPaths,
    job: &JobContext<'_>,
) -> Result<Vec<Vec<Part>>> {
    let flatteners = &Mutex::new(Vec::new());
    let read = |file| FileReader { file, paths, flatteners, sketches: None, job }.read();
    files.par_iter().map(read).collect()
}

/// Takes the sketches of a document, with its file and its line, unless the file holds nothing else.
pub(super) type SketchSink<'a> =
    dyn Fn(&EventFile, Option<u64>, PingSketches) -> Result<()> + Sync + 'a;

/// Reads only the sketches of files, one file after the other or all in parallel.
///
/// # Errors
/// As [`read`], and those of `each`.
pub(super) fn read_sketches(
    files: &[&EventFile],
    in_parallel: bool,
    each: &SketchSink<'_>,
    job: &JobContext<'_>,
) -> Result<()> {
    let (paths, flatteners) = (&KeyPaths::default(), &Mutex::new(Vec::new()));
    let read = |file| {
        let sketches = Some(each);
        FileReader { file, paths, flatteners, sketches, job }.read().map(|_| ())
    };
    match in_parallel {
        true => files.par_iter().copied().try_for_each(read),
        false => files.iter().copied().try_for_each(read),
    }
}

struct FileReader<'a> {
    file: &'a EventFile,
    paths: &'a KeyPaths,
    /// Those that are not in use.
    flatteners: &'a Mutex<Vec<Flattener<'a>>>,
    /// If it is there, the sketches are read and nothing else is kept.
    sketches: Option<&'a SketchSink<'a>>,
    job: &'a JobContext<'a>,
}

impl FileReader<'_> {
    fn read(&self) -> Result<Vec<Part>> {
        self.job.advance(0)?;
        let mut parts = Vec::new();
        match self.read_parts(&mut parts) {
            Ok(()) => {}
            Err(Failure::Undecodable) => parts.push(Part::refused(Reason::InvalidJson)),
            Err(Failure::Error(error)) => return Err(error),
        }
        self.file.check_unchanged()?;
        if parts.iter().all(|part| part.uploads.is_empty()) {
            parts.push(Part::refused(Reason::Empty));
        }
        let mut uploads = parts.iter_mut().flat_map(|part| &mut part.uploads);
        if let (Some(only), None) = (uploads.next(), uploads.next()) {
            only.line = None;
        }
        Ok(parts)
    }

    fn read_parts(&self, parts: &mut Vec<Part>) -> Result<(), Failure> {
        let input = self.file.open_text().map_err(|error| self.open_failure(error))?;
        let mut lines = LineReader { file: self.file, input, carry: Vec::new(), line: 1 };
        let mut is_first = true;
        loop {
            let (mut line, mut block, end) = lines.block()?;
            let mut from = 0;
            if is_first && let Some((number, range)) = first_line(&block) {
                is_first = false;
                let part = self.document_alone(&block[range.clone()], Some(line + number));
                if part.is_invalid_json() {
                    if end == End::More {
                        lines.rest(&mut block)?;
                    } else if end == End::Undecodable {
                        return Err(Failure::Undecodable);
                    }
                    return self.whole(line, &block, part, range.end, parts);
                }
                self.keep(part, parts)?;
                (line, from) = (line + number, range.end);
            }
            self.lines(line, &block[from..], parts)?;
            match end {
                End::More => {}
                End::File => return Ok(()),
                End::Undecodable => return Err(Failure::Undecodable),
            }
        }
    }

    /// Reads one document that takes several lines, or lines of which the first is broken. The
    /// first ends before `end`, and `first` refuses it.
    fn whole(
        &self,
        line: u64,
        text: &[u8],
        first: Part,
        end: usize,
        parts: &mut Vec<Part>,
    ) -> Result<(), Failure> {
        let rest = &text[end..];
        if is_blank(rest) {
            return self.keep(first, parts);
        }
        let whole = self.document_alone(text, None);
        let mut others = lines(rest).filter(|line| line.starts_with(b"{"));
        let is_json = |line| !self.document_alone(line, None).is_invalid_json();
        if whole.is_invalid_json() && others.any(is_json) {
            return self.lines(line, text, parts);
        }
        self.keep(whole, parts)
    }

    /// Reads lines in parallel; the first has the number `line`.
    fn lines(&self, line: u64, text: &[u8], parts: &mut Vec<Part>) -> Result<(), Failure> {
        let mut tasks = Vec::new();
        let (mut line, mut rest) = (line, text);
        while !rest.is_empty() {
            let from = TASK_BYTES.min(rest.len()) - 1;
            let end = memchr(b'\n', &rest[from..]).map_or(rest.len(), |at| from + at + 1);
            let (task, after) = rest.split_at(end);
            tasks.push((line, task));
            line += memchr_iter(b'\n', task).count() as u64;
            rest = after;
        }
        let read: Vec<Part> = tasks.into_par_iter().map(|task| self.task(task.0, task.1)).collect();
        read.into_iter().try_for_each(|part| self.keep(part, parts))
    }

    fn task(&self, line: u64, text: &[u8]) -> Part {
        self.part(|flattener, part| {
            for (line, text) in (line..).zip(lines(text)) {
                if !is_blank(text) {
                    self.document(text, Some(line), flattener, part);
                }
            }
        })
    }

    fn document_alone(&self, text: &[u8], line: Option<u64>) -> Part {
        self.part(|flattener, part| self.document(text, line, flattener, part))
    }

    fn part(&self, fill: impl FnOnce(&mut Flattener<'_>, &mut Part)) -> Part {
        let flatteners = || self.flatteners.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = flatteners().pop();
        let mut flattener = idle.unwrap_or_else(|| Flattener::new(self.paths));
        let mut part = Part::default();
        fill(&mut flattener, &mut part);
        part.new_bytes = std::mem::take(&mut flattener.new_bytes);
        flatteners().push(flattener);
        part
    }

    fn document(
        &self,
        text: &[u8],
        line: Option<u64>,
        flattener: &mut Flattener<'_>,
        part: &mut Part,
    ) {
        let start = part.values.len();
        let text = std::str::from_utf8(text).map_err(|_| Unusable::InvalidJson);
        let identity = text.and_then(|text| flattener.flatten(text, &mut part.values));
        if let (Some(_), Ok(_), Ok(text)) = (self.sketches, &identity, text) {
            part.sketches.extend(PingSketches::of(text).map(|sketches| (line, sketches)));
        }
        let accepted = identity.map_err(Reason::from).and_then(|identity| {
            let accepted = accept(&identity, time_of_name(&self.file.path))?;
            Ok(Document { accepted, identity, values: start..part.values.len() })
        });
        if accepted.is_err() {
            part.values.truncate(start);
        }
        part.uploads.push(Upload { line, result: accepted });
    }

    /// Adds a part, and accounts for its memory.
    fn keep(&self, mut part: Part, parts: &mut Vec<Part>) -> Result<(), Failure> {
        if let Some(each) = self.sketches {
            let mut sketches = part.sketches.drain(..);
            sketches
                .try_for_each(|(line, own)| each(self.file, line, own))
                .map_err(Failure::Error)?;
            self.job.reserve(part.new_bytes).map_err(Failure::Error)?;
            return self.job.advance(0).map_err(Failure::Error);
        }
        part.values.shrink_to_fit();
        let bytes = Values::bytes(part.values.len()) + part.uploads.len() * UPLOAD_BYTES;
        self.job.reserve(bytes + part.new_bytes).map_err(Failure::Error)?;
        self.job.advance(0).map_err(Failure::Error)?;
        parts.push(part);
        Ok(())
    }

    /// An error from opening the file, which reads its first bytes.
    fn open_failure(&self, error: Error) -> Failure {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause {
            Some(cause) if is_undecodable(self.file, cause) => Failure::Undecodable,
            // UTF-16.
            None if error.kind() == Kind::Input => Failure::Undecodable,
            _ => Failure::Error(error),
        }
    }
}

/// Why reading a file ends early.
enum Failure {
    /// What follows cannot be decompressed, or is UTF-16.
    Undecodable,
    Error(Error),
}

/// What follows a block of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    More,
    File,
    Undecodable,
}

/// Reads a file in blocks of whole lines.
struct LineReader<'a> {
    file: &'a EventFile,
    input: Box<dyn Read + Send>,
    /// The beginning of a line that has no end yet.
    carry: Vec<u8>,
    /// Number of the next line, from 1.
    line: u64,
}

impl LineReader<'_> {
    /// Some whole lines, with the number of the first.
    fn block(&mut self) -> Result<(u64, Vec<u8>, End), Failure> {
        let mut block = std::mem::take(&mut self.carry);
        let mut last_newline = None;
        let end = loop {
            let before = block.len();
            let end = self.read(&mut block)?;
            if let Some(at) = memrchr(b'\n', &block[before..]) {
                last_newline = Some(before + at);
            }
            if end != End::More || (block.len() >= BLOCK_BYTES && last_newline.is_some()) {
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
    fn rest(&mut self, block: &mut Vec<u8>) -> Result<(), Failure> {
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
fn first_line(text: &[u8]) -> Option<(u64, Range<usize>)> {
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
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(b'\n', text).chain([text.len()]).map(move |end| {
        let line = &text[start..end];
        start = end + 1;
        line
    })
}

fn is_blank(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_whitespace)
}
