//! From the names in a project to the files of this machine and of object stores, their formats and
//! compressions.

use std::fs::File;
use std::io::{BufReader, Cursor, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use glob::{MatchOptions, Pattern};

use super::parquet::broken;
use crate::place::{Chunks, Digest, Object, Remote, is_address};
use crate::{Error, Result};

/// What programs of Windows put in front of texts, by the encoding of the text.
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const UTF16_MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// Format of an event file, told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.parquet`, `.pq`
    Parquet,
    /// `.csv`, `.tsv`; the first line names the columns.
    Csv {
        /// Comma, or tab for `.tsv`.
        delimiter: u8,
    },
    /// `.ndjson`, `.jsonl`, `.json`: one JSON object per line.
    Ndjson,
}

/// Compression around a text file, told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// None.
    Plain,
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
}

/// One file of events, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFile {
    /// Where it lies: a path, or an address in an object store.
    pub path: PathBuf,
    /// What it holds.
    pub format: Format,
    /// What it is wrapped in.
    pub compression: Compression,
    /// Bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970; of objects as
    /// [they tell it](Object::modified).
    pub modified: i64,
    /// The object, if it lies in an object store.
    pub object: Option<Object>,
}

impl Format {
    /// Tells format and compression by a file's name; `None` for names that say neither.
    pub fn of_path(path: &Path) -> Option<(Self, Compression)> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (stem, compression) = match name.rsplit_once('.') {
            Some((stem, "gz")) => (stem, Compression::Gzip),
            Some((stem, "zst" | "zstd")) => (stem, Compression::Zstd),
            _ => (name.as_str(), Compression::Plain),
        };
        let format = match stem.rsplit_once('.')?.1 {
            "parquet" | "pq" => Self::Parquet,
            "csv" => Self::Csv { delimiter: b',' },
            "tsv" => Self::Csv { delimiter: b'\t' },
            "ndjson" | "jsonl" | "json" => Self::Ndjson,
            _ => return None,
        };
        Some((format, compression))
    }
}

impl EventFile {
    /// The file at a path; `None` if its name says nothing of its format.
    fn of_path(path: &Path) -> Result<Option<Self>> {
        let Some((format, compression)) = Format::of_path(path) else { return Ok(None) };
        let (size, modified) = stamp(path).map_err(|cause| Error::io(path, cause))?;
        let path = path.to_owned();
        Ok(Some(Self { path, format, compression, size, modified, object: None }))
    }

    /// The same of an object.
    fn of_object(object: Object) -> Option<Self> {
        let path = PathBuf::from(object.address());
        let (format, compression) = Format::of_path(&path)?;
        let (size, modified, object) = (object.size(), object.modified(), Some(object));
        Some(Self { path, format, compression, size, modified, object })
    }

    /// Finds the files of a source: `patterns` are files, folders (searched to any depth) or
    /// globs, here or in an object store; relative ones start at `base`. Sorted by path, each file
    /// once.
    ///
    /// # Errors
    /// When a pattern matches no event file, or names a file of unknown format, or an object store
    /// cannot be asked.
    pub fn find(base: &Path, patterns: &[String]) -> Result<Vec<Self>> {
        Self::matching(base, patterns, true)
    }

    /// As [`find`](Self::find), but a pattern may match nothing.
    ///
    /// # Errors
    /// When a pattern names a file of unknown format, or a folder cannot be read.
    pub fn present(base: &Path, patterns: &[String]) -> Result<Vec<Self>> {
        Self::matching(base, patterns, false)
    }

    fn matching(base: &Path, patterns: &[String], needed: bool) -> Result<Vec<Self>> {
        let mut files = Vec::new();
        for pattern in patterns {
            let before = files.len();
            let path = if is_address(pattern) { pattern.into() } else { base.join(pattern) };
            if is_address(pattern) {
                in_object_store(pattern, &mut files)?;
            } else if path.is_dir() {
                in_folder(&path, &mut files)?;
            } else if path.is_file() {
                files.push(Self::of_path(&path)?.ok_or_else(|| unknown_format(&path))?);
            } else {
                let text = path.to_string_lossy();
                for found in glob::glob(&text).map_err(|cause| bad_pattern(&cause, &text))? {
                    let found = found.map_err(|cause| {
                        let path = cause.path().to_owned();
                        Error::io(&path, cause.into())
                    })?;
                    if found.is_dir() {
                        in_folder(&found, &mut files)?;
                    } else {
                        let file = Self::of_path(&found)?;
                        files.push(file.ok_or_else(|| unknown_format(&found))?);
                    }
                }
            }
            if needed && files.len() == before {
                return Err(Error::input("no event files here").with("file", path.display()).with(
                    "help",
                    "name a file, a folder or a glob of .parquet, .csv or .ndjson files",
                ));
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Ok(files)
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(|cause| Error::io(&self.path, cause))
    }

    /// Makes sure that it is still what was found, or gone.
    ///
    /// # Errors
    /// When something else has taken its place, or nobody can tell.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let now = match &self.object {
            Some(object) => object.now()?.map(|now| (now.size(), now.modified())),
            None => match stamp(&self.path) {
                Ok(now) => Some(now),
                Err(cause) if cause.kind() == ErrorKind::NotFound => None,
                Err(cause) => return Err(Error::io(&self.path, cause)),
            },
        };
        match now {
            Some(now) if now != (self.size, self.modified) => {
                Err(Error::input("the file was changed while it was read")
                    .with("file", self.path.display())
                    .with("help", "run the command again when nobody writes to it"))
            }
            _ => Ok(()),
        }
    }

    /// What its content is known by.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn digest(&self) -> Result<Digest> {
        match &self.object {
            Some(object) => object.digest(),
            None => Ok(Digest::of_file(&self.path)?.0),
        }
    }

    /// A Parquet file of which these bytes will be read.
    ///
    /// # Errors
    /// When it cannot be opened, or an object's bytes cannot be had.
    pub(super) fn fetch(&self, ranges: &[Range<u64>]) -> Result<Chunks> {
        match &self.object {
            Some(object) => object.fetch(ranges),
            None => Ok(Chunks::File(self.open()?)),
        }
    }

    /// Opens a text file and takes its compression and its byte order mark off.
    ///
    /// # Errors
    /// When the file cannot be opened, or its mark says that it is not UTF-8.
    pub fn open_text(&self) -> Result<Box<dyn Read + Send>> {
        let file: Box<dyn Read + Send> = match &self.object {
            Some(object) => Box::new(object.open()?),
            None => Box::new(self.open()?),
        };
        let buffered = |file| BufReader::with_capacity(1 << 20, file);
        self.without_mark(match self.compression {
            Compression::Plain => file,
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(file))),
            Compression::Zstd => Box::new(
                zstd::Decoder::with_buffer(buffered(file))
                    .map_err(|cause| Error::io(&self.path, cause))?,
            ),
        })
    }

    /// Text without the byte order mark that some programs put in front of it.
    fn without_mark(&self, mut text: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
        let mut start = Vec::new();
        text.by_ref()
            .take(UTF8_MARK.len() as u64)
            .read_to_end(&mut start)
            .map_err(|cause| broken(self, &cause))?;
        if UTF16_MARKS.iter().any(|mark| start.starts_with(mark)) {
            return Err(Error::input("the file is in UTF-16, not in UTF-8")
                .with("file", self.path.display())
                .with("help", "convert it, as by `iconv -f UTF-16 -t UTF-8`"));
        }
        if start == UTF8_MARK {
            return Ok(text);
        }
        Ok(Box::new(Cursor::new(start).chain(text)))
    }
}

/// Size in bytes and time of the last change, in nanoseconds since 1970, of a file of this machine.
fn stamp(path: &Path) -> std::io::Result<(u64, i64)> {
    let metadata = std::fs::metadata(path)?;
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
}

fn in_folder(folder: &Path, files: &mut Vec<EventFile>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|cause| Error::io(folder, cause))?;
    for entry in entries {
        let path = entry.map_err(|cause| Error::io(folder, cause))?.path();
        let hidden =
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
        if hidden {
            continue;
        }
        if path.is_dir() {
            in_folder(&path, files)?;
        } else if let Some(file) = EventFile::of_path(&path)? {
            files.push(file);
        }
    }
    Ok(())
}

/// Finds objects by the rules for paths: the whole name of an object may match, or that of a folder
/// around it.
fn in_object_store(address: &str, files: &mut Vec<EventFile>) -> Result<()> {
    let (bucket, name) = Remote::bucket_of(address)?;
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    let is_fixed = |part: &&&str| !part.contains(['*', '?', '[']);
    let fixed = parts.iter().take_while(is_fixed).count();
    let unknown = |object: &Object| unknown_format(object.address().as_ref());
    if fixed == parts.len() && !parts.is_empty() {
        // Names are chosen freely: this may be an object and a folder of others.
        if let Some(object) = bucket.object(&parts.join("/"))? {
            let error = unknown(&object);
            files.push(EventFile::of_object(object).ok_or(error)?);
            return Ok(());
        }
    }
    let pattern = Pattern::new(&parts.join("/")).map_err(|cause| bad_pattern(&cause, address))?;
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    for object in bucket.objects(&parts[..fixed].join("/"))? {
        let name = object.name();
        let whole_bucket = parts.is_empty().then_some(0).into_iter();
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        let ends = whole_bucket.chain(ends);
        let mut folders = ends.filter(|end| pattern.matches_with(&name[..*end], options));
        let Some(end) = folders.next() else { continue };
        let is_whole = end == name.len() && object.size() > 0;
        let is_hidden =
            name[end..].split('/').any(|part| part.starts_with('.') || part.starts_with('_'));
        match EventFile::of_object(object.clone()) {
            Some(file) if !is_hidden => files.push(file),
            None if is_whole => return Err(unknown(&object)),
            _ => {}
        }
    }
    Ok(())
}

fn bad_pattern(cause: &glob::PatternError, pattern: &str) -> Error {
    Error::input(format!("bad pattern: {cause}")).with("file", pattern)
}

fn unknown_format(path: &Path) -> Error {
    Error::input("unknown file format").with("file", path.display()).with(
        "help",
        "event files end in .parquet, .csv, .tsv, .ndjson or .jsonl, text also in .gz or .zst",
    )
}
