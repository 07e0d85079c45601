//! Reads files of pings, in parallel over files and over the lines of a file.
//!
//! A file holds one document, or one on each line. It holds lines if its first line that is not
//! blank is a document of its own, or if it is not JSON as a whole and another line that begins with
//! `{` is. So one broken line does not spoil the others, and one broken document is refused once.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use memchr::{memchr, memchr_iter, memrchr};
use rayon::iter::{
    IntoParallelIterator, IntoParallelRefIterator, IntoParallelRefMutIterator, ParallelIterator,
};

use super::flatten::{Flattener, Unusable};
use super::inputs::{Inputs, Origin};
use super::paths::KeyPaths;
use super::sketches::PingSketches;
use super::upload::{Reason, accept, time_of_name};
use super::values::Values;
use crate::scan::{Compression, EventFile};
use crate::store::PingHeader;
use crate::{Error, JobContext, Kind, Result};

/// Heap bytes of an upload, about.
const UPLOAD_BYTES: usize = size_of::<Upload>() + 512;
/// Bytes of lines that are read before they are flattened in parallel.
pub(super) const BLOCK_BYTES: usize = 16 << 20;
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
    /// What an accepted document says of its sender, and the place of its values.
    pub(super) result: std::result::Result<(PingHeader, Range<usize>), Reason>,
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

    /// Heap bytes, about.
    pub(super) fn bytes(&self) -> usize {
        Values::bytes(self.values.len()) + self.uploads.len() * UPLOAD_BYTES + self.new_bytes
    }
}

/// Flatteners of documents, one for each thread.
pub(super) struct Flatteners<'a> {
    paths: &'a KeyPaths<'a>,
    /// Those that are not in use.
    idle: Mutex<Vec<Flattener<'a>>>,
    /// Whether sketches are read, too.
    with_sketches: bool,
}

impl<'a> Flatteners<'a> {
    /// `paths` gives codes to key paths.
    pub(super) fn new(paths: &'a KeyPaths<'a>) -> Self {
        Self { paths, idle: Mutex::default(), with_sketches: false }
    }

    fn part(&self, fill: impl FnOnce(&mut Flattener<'_>, &mut Part)) -> Part {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut flattener = taken.unwrap_or_else(|| Flattener::new(self.paths));
        let mut part = Part::default();
        fill(&mut flattener, &mut part);
        part.new_bytes = std::mem::take(&mut flattener.new_bytes);
        idle().push(flattener);
        part.values.shrink_to_fit();
        part
    }
}

/// Reads the files of inputs whose contents are not in the store; the parts of each are in the order
/// of its lines.
///
/// # Errors
/// As [`Reader::step`], and when the job has no more memory.
pub(super) fn read_all(
    inputs: &Inputs,
    paths: &KeyPaths<'_>,
    job: &JobContext<'_>,
) -> Result<Vec<Vec<Part>>> {
    let files = inputs.pings.iter().filter_map(|file| match &file.origin {
        Origin::File(file) => Some(file),
        Origin::Store(_) => None,
    });
    let files: Vec<&EventFile> = files.collect();
    let mut all: Vec<Vec<Part>> = files.iter().map(|_| Vec::new()).collect();
    let flatteners = Flatteners::new(paths);
    let mut reader = Reader::new(files, BLOCK_BYTES, job);
    while let Some(read) = reader.step(&flatteners)? {
        for FileParts { file, parts, .. } in read {
            job.reserve(parts.iter().map(Part::bytes).sum())?;
            all[file].extend(parts);
        }
    }
    Ok(all)
}

/// Reads files step by step, so that what was read can be stored before more is read.
pub(super) struct Reader<'a> {
    files: Vec<&'a EventFile>,
    job: &'a JobContext<'a>,
    /// Bytes of a block of lines.
    block: usize,
    /// Files that were begun.
    open: Vec<FileReader<'a>>,
    /// The next file to begin.
    next: usize,
}

/// What one step has read of a file.
#[derive(Debug)]
pub(super) struct FileParts {
    /// The index of the file.
    pub(super) file: usize,
    /// Its next uploads, in the order of its lines.
    pub(super) parts: Vec<Part>,
    /// Whether they are its last ones.
    pub(super) is_end: bool,
}

impl<'a> Reader<'a> {
    /// `block` is how many bytes of a file are read at once, if its lines are not longer.
    pub(super) fn new(files: Vec<&'a EventFile>, block: usize, job: &'a JobContext<'a>) -> Self {
        Self { files, job, block, open: Vec::new(), next: 0 }
    }

    /// Reads a block of one file or some small files; `None` if all files have been read.
    ///
    /// # Errors
    /// When a file cannot be read or changes meanwhile, a document is longer than 512 MiB, or the
    /// job is cancelled.
    pub(super) fn step(&mut self, flatteners: &Flatteners<'_>) -> Result<Option<Vec<FileParts>>> {
        let mut bytes = self.open.len() * self.block;
        while bytes < self.block * 2 && self.next < self.files.len() {
            let file = self.files[self.next];
            bytes += match file.compression {
                Compression::Plain => self.block.min(file.size as usize),
                _ => self.block,
            };
            self.open.push(FileReader::new(self.next, file, self.block));
            self.next += 1;
        }
        if self.open.is_empty() {
            return Ok(None);
        }
        let job = self.job;
        let read = self.open.par_iter_mut().map(|file| file.step(flatteners, job));
        let read: Vec<FileParts> = read.collect::<Result<_>>()?;
        let mut is_end = read.iter().map(|parts| parts.is_end);
        self.open.retain(|_| is_end.next() == Some(false));
        Ok(Some(read))
    }
}

/// Takes the sketches of a document, with its file and its line, unless the file holds nothing else.
pub(super) type SketchSink<'a> =
    dyn Fn(&EventFile, Option<u64>, PingSketches) -> Result<()> + Sync + 'a;

/// Reads only the sketches of files, one file after the other or all in parallel.
///
/// # Errors
/// As [`Reader::step`], when the job has no more memory, and those of `each`.
pub(super) fn read_sketches(
    files: &[&EventFile],
    in_parallel: bool,
    each: &SketchSink<'_>,
    job: &JobContext<'_>,
) -> Result<()> {
    let no_values = BTreeSet::new();
    let paths = KeyPaths::new(Some(&no_values));
    let flatteners = Flatteners { with_sketches: true, ..Flatteners::new(&paths) };
    let read = |file: &EventFile| {
        let mut reader = Reader::new(vec![file], BLOCK_BYTES, job);
        while let Some(read) = reader.step(&flatteners)? {
            for part in read.into_iter().flat_map(|file| file.parts) {
                job.reserve(part.new_bytes)?;
                let mut sketches = part.sketches.into_iter();
                sketches.try_for_each(|(line, sketches)| each(file, line, sketches))?;
            }
        }
        Ok(())
    };
    match in_parallel {
        true => files.par_iter().copied().try_for_each(read),
        false => files.iter().copied().try_for_each(read),
    }
}

/// Reads the documents of a file, block by block.
struct FileReader<'a> {
    index: usize,
    file: &'a EventFile,
    block: usize,
    /// `None` before it is opened.
    lines: Option<LineReader<'a>>,
    /// Whether a line that is not blank was read.
    is_begun: bool,
    /// Uploads so far.
    uploads: usize,
}

impl<'a> FileReader<'a> {
    fn new(index: usize, file: &'a EventFile, block: usize) -> Self {
        Self { index, file, block, lines: None, is_begun: false, uploads: 0 }
    }

    /// Reads on until there are several uploads or the file ends: the line of an only one does not
    /// matter.
    fn step(&mut self, flatteners: &Flatteners<'_>, job: &JobContext<'_>) -> Result<FileParts> {
        let mut parts = Vec::new();
        loop {
            let before = parts.len();
            let is_end = match self.read_block(flatteners, &mut parts) {
                Ok(is_end) => is_end,
                Err(Failure::Undecodable) => {
                    parts.push(Part::refused(Reason::InvalidJson));
                    true
                }
                Err(Failure::Error(error)) => return Err(error),
            };
            let read: usize = parts[before..].iter().map(|part| part.uploads.len()).sum();
            self.uploads += read;
            job.advance(read as u64)?;
            if is_end {
                self.file.check_unchanged()?;
                match self.uploads {
                    0 => parts.push(Part::refused(Reason::Empty)),
                    1 => {
                        let uploads = parts.iter_mut().flat_map(|part| &mut part.uploads);
                        uploads.for_each(|upload| upload.line = None);
                        let sketches = parts.iter_mut().flat_map(|part| &mut part.sketches);
                        sketches.for_each(|(line, _)| *line = None);
                    }
                    _ => {}
                }
            }
            if is_end || self.uploads > 1 {
                return Ok(FileParts { file: self.index, parts, is_end });
            }
        }
    }

    /// Reads a block of lines; whether it is the last.
    fn read_block(
        &mut self,
        flatteners: &Flatteners<'_>,
        parts: &mut Vec<Part>,
    ) -> Result<bool, Failure> {
        let documents = Documents { file: self.file, flatteners };
        let lines = match &mut self.lines {
            Some(lines) => lines,
            None => {
                let input = self.file.open_text().map_err(|error| self.open_failure(error))?;
                let (file, size) = (self.file, self.block);
                self.lines.insert(LineReader { file, input, size, carry: Vec::new(), line: 1 })
            }
        };
        let (mut line, mut block, end) = lines.block()?;
        let mut from = 0;
        if !self.is_begun
            && let Some((number, range)) = first_line(&block)
        {
            self.is_begun = true;
            let part = documents.alone(&block[range.clone()], Some(line + number));
            if part.is_invalid_json() {
                if end == End::More {
                    lines.rest(&mut block)?;
                } else if end == End::Undecodable {
                    return Err(Failure::Undecodable);
                }
                documents.whole(line, &block, part, range.end, parts);
                return Ok(true);
            }
            parts.push(part);
            (line, from) = (line + number, range.end);
        }
        documents.lines(line, &block[from..], parts);
        match end {
            End::More => Ok(false),
            End::File => Ok(true),
            End::Undecodable => Err(Failure::Undecodable),
        }
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

/// Flattens the documents of a file.
struct Documents<'a, 'p> {
    file: &'a EventFile,
    flatteners: &'a Flatteners<'p>,
}

impl Documents<'_, '_> {
    /// Reads one document that takes several lines, or lines of which the first is broken. The
    /// first ends before `end`, and `first` refuses it.
    fn whole(&self, line: u64, text: &[u8], first: Part, end: usize, parts: &mut Vec<Part>) {
        let rest = &text[end..];
        if is_blank(rest) {
            parts.push(first);
            return;
        }
        let whole = self.alone(text, None);
        let mut others = lines(rest).filter(|line| line.starts_with(b"{"));
        let is_json = |line| !self.alone(line, None).is_invalid_json();
        if whole.is_invalid_json() && others.any(is_json) {
            self.lines(line, text, parts);
        } else {
            parts.push(whole);
        }
    }

    /// Reads lines in parallel; the first has the number `line`.
    fn lines(&self, line: u64, text: &[u8], parts: &mut Vec<Part>) {
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
        let read = tasks.into_par_iter().map(|(line, text)| {
            self.flatteners.part(|flattener, part| {
                for (line, text) in (line..).zip(lines(text)) {
                    if !is_blank(text) {
                        self.document(text, Some(line), flattener, part);
                    }
                }
            })
        });
        parts.extend(read.collect::<Vec<_>>());
    }

    /// Reads one document.
    fn alone(&self, text: &[u8], line: Option<u64>) -> Part {
        self.flatteners.part(|flattener, part| self.document(text, line, flattener, part))
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
        let header = identity.map_err(Reason::from);
        let header = header.and_then(|identity| accept(&identity, time_of_name(&self.file.path)));
        if header.is_err() {
            part.values.truncate(start);
        }
        if let (true, Ok(_), Ok(text)) = (self.flatteners.with_sketches, &header, text) {
            part.sketches.extend(PingSketches::of(text).map(|sketches| (line, sketches)));
        }
        let result = header.map(|header| (header, start..part.values.len()));
        part.uploads.push(Upload { line, result });
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
    /// Bytes of a block, if lines are not longer.
    size: usize,
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
