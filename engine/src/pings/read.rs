//! Reads files of pings, in parallel over files and over the lines of a file.
//!
//! A file holds one document, or one on each line. It holds lines if its first line that is not
//! blank is a document of its own, or if it is not JSON as a whole and another line that begins with
//! `{` is. So one broken line does not spoil the others, and one broken document is refused once.

use std::collections::BTreeSet;

use rayon::iter::{IntoParallelRefIterator, IntoParallelRefMutIterator, ParallelIterator};

use super::documents::{Documents, Flatteners, Part};
use super::inputs::{Inputs, Origin};
use super::line_reader::{End, Failure, LineReader, first_line};
use super::paths::KeyPaths;
use super::sketches::PingSketches;
use super::upload::Reason;
use crate::scan::{Compression, EventFile};
use crate::{JobContext, Result};

/// Bytes of lines that are read before they are flattened in parallel.
pub(super) const BLOCK_BYTES: usize = 16 << 20;
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
    let flatteners = Flatteners::with_sketches(&paths);
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
            None => self.lines.insert(LineReader::open(self.file, self.block)?),
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
}
