//! Flattens the documents of a file, in parallel over its lines.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use memchr::{memchr, memchr_iter};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::flatten::{Flattener, Unusable};
use super::line_reader::{is_blank, lines};
use super::paths::KeyPaths;
use super::sketches::PingSketches;
use super::upload::{Reason, accept, time_of_name};
use super::values::Values;
use crate::scan::EventFile;
use crate::store::PingHeader;

/// Heap bytes of an upload, about.
const UPLOAD_BYTES: usize = size_of::<Upload>() + 512;
/// Bytes of lines that one thread flattens at once.
const TASK_BYTES: usize = 1 << 20;

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
    pub(super) sketches: Vec<(Option<u64>, PingSketches)>,
    /// Heap bytes of key paths that were new.
    pub(super) new_bytes: usize,
}

impl Part {
    pub(super) fn refused(reason: Reason) -> Self {
        Self { uploads: vec![Upload { line: None, result: Err(reason) }], ..Self::default() }
    }

    pub(super) fn is_invalid_json(&self) -> bool {
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

    /// As [`new`](Self::new), but sketches are read, too.
    pub(super) fn with_sketches(paths: &'a KeyPaths<'a>) -> Self {
        Self { with_sketches: true, ..Self::new(paths) }
    }

    fn part(&self, fill: impl FnOnce(&mut Flattener<'_>, &mut Part)) -> Part {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut flattener = taken.unwrap_or_else(|| Flattener::new(self.paths));
        let mut part = Part::default();
        fill(&mut flattener, &mut part);
        part.new_bytes = std::mem::take(&mut flattener.keys.new_bytes);
        idle().push(flattener);
        part.values.shrink_to_fit();
        part
    }
}

/// Flattens the documents of a file.
pub(super) struct Documents<'a, 'p> {
    pub(super) file: &'a EventFile,
    pub(super) flatteners: &'a Flatteners<'p>,
}

impl Documents<'_, '_> {
    /// Reads one document that takes several lines, or lines of which the first is broken. The
    /// first ends before `end`, and `first` refuses it.
    pub(super) fn whole(
        &self,
        line: u64,
        text: &[u8],
        first: Part,
        end: usize,
        parts: &mut Vec<Part>,
    ) {
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
    pub(super) fn lines(&self, line: u64, text: &[u8], parts: &mut Vec<Part>) {
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
    pub(super) fn alone(&self, text: &[u8], line: Option<u64>) -> Part {
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
