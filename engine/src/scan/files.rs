//! Event files: their formats and compressions, and how they are opened.

use std::fs::File;
use std::io::{BufReader, Cursor, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::csv_options::CsvOptions;
use crate::storage::{Chunks, Digest, Object};
use crate::{Error, Result};

/// What programs of Windows put in front of texts, by the encoding of the text.
const UTF8_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const UTF16_MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// Rows per batch of a file: large enough that the work per batch vanishes, small enough for the cache.
pub(super) const BATCH_ROWS: usize = 32 * 1024;

/// Format of an event file, from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.parquet`, `.pq`
    Parquet,
    /// `.csv`, `.tsv`
    Csv,
    /// `.ndjson`, `.jsonl`, `.json`: one JSON object per line.
    Ndjson,
}

/// Compression of a text file, from its name.
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
    /// A path, or an address in an object store.
    pub path: PathBuf,
    /// What it holds.
    pub format: Format,
    /// What it is wrapped in.
    pub compression: Compression,
    /// What is known of it beforehand, if it is CSV.
    pub csv: CsvOptions,
    /// Bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970; of objects as
    /// [they tell it](Object::modified).
    pub modified: i64,
    /// The object, if it is in an object store.
    pub object: Option<Object>,
}

impl Format {
    /// Format and compression from a file's name; `None` for other names.
    pub fn of_path(path: &Path) -> Option<(Self, Compression)> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (stem, compression) = match name.rsplit_once('.') {
            Some((stem, "gz")) => (stem, Compression::Gzip),
            Some((stem, "zst" | "zstd")) => (stem, Compression::Zstd),
            _ => (name.as_str(), Compression::Plain),
        };
        let format = match stem.rsplit_once('.')?.1 {
            "parquet" | "pq" => Self::Parquet,
            "csv" | "tsv" => Self::Csv,
            "ndjson" | "jsonl" | "json" => Self::Ndjson,
            _ => return None,
        };
        Some((format, compression))
    }
}

impl EventFile {
    /// The file at a path; `None` if its name says nothing of its format.
    pub(super) fn of_path(path: &Path) -> Result<Option<Self>> {
        let Some((format, compression)) = Format::of_path(path) else { return Ok(None) };
        let (size, modified) = stamp(path).map_err(|cause| Error::io(path, cause))?;
        let (path, csv) = (path.to_owned(), csv_options(path));
        Ok(Some(Self { path, format, compression, csv, size, modified, object: None }))
    }

    /// The Parquet file at a path of this machine, whatever its name.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn parquet(path: &Path) -> Result<Self> {
        let (size, modified) = stamp(path).map_err(|cause| Error::io(path, cause))?;
        let (format, compression) = (Format::Parquet, Compression::Plain);
        let (path, csv) = (path.to_owned(), CsvOptions::default());
        Ok(Self { path, format, compression, csv, size, modified, object: None })
    }

    /// The same of an object.
    pub(super) fn of_object(object: Object) -> Option<Self> {
        let path = PathBuf::from(object.address());
        let (format, compression) = Format::of_path(&path)?;
        let (size, modified, object) = (object.size(), object.modified(), Some(object));
        let csv = csv_options(&path);
        Some(Self { path, format, compression, csv, size, modified, object })
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(|cause| Error::io(&self.path, cause))
    }

    /// The error for a file that cannot be read to its end.
    pub(super) fn broken(&self, cause: &dyn std::fmt::Display) -> Error {
        let help = match self.object {
            None => "no row of it was counted; replace or remove the file",
            Some(_) => {
                "no row of it was counted; if the connection was lost, run the command again, \
                 otherwise replace or remove the object"
            }
        };
        Error::input(format!("invalid file: {cause}"))
            .with("file", self.path.display())
            .with("help", help)
    }

    /// Makes sure that it is still what was found, or gone.
    ///
    /// # Errors
    /// When it was replaced, or cannot be checked.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let now = match &self.object {
            Some(object) => object.current()?.map(|now| (now.size(), now.modified())),
            None => match stamp(&self.path) {
                Ok(now) => Some(now),
                Err(cause) if cause.kind() == ErrorKind::NotFound => None,
                Err(cause) => return Err(Error::io(&self.path, cause)),
            },
        };
        match now {
            Some(now) if now != (self.size, self.modified) => {
                Err(Error::input("the file changed while it was being read")
                    .with("file", self.path.display())
                    .with("help", "run the command again when the file is not being written"))
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
    /// When it cannot be opened, or an object cannot be read.
    pub(crate) fn fetch(&self, ranges: &[Range<u64>]) -> Result<Chunks> {
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
            .map_err(|cause| self.broken(&cause).caused_by(cause))?;
        if UTF16_MARKS.iter().any(|mark| start.starts_with(mark)) {
            return Err(Error::input("the file is encoded in UTF-16; only UTF-8 is supported")
                .with("file", self.path.display())
                .with("help", "convert it with `iconv -f UTF-16 -t UTF-8`"));
        }
        if start == UTF8_MARK {
            return Ok(text);
        }
        Ok(Box::new(Cursor::new(start).chain(text)))
    }
}

/// What the name of a file says of CSV: in `.tsv` values are separated by tabs.
fn csv_options(path: &Path) -> CsvOptions {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_tsv = name.split('.').any(|part| part == "tsv");
    CsvOptions { delimiter: is_tsv.then_some(b'\t'), ..CsvOptions::default() }
}

/// Size in bytes and time of the last change, in nanoseconds since 1970, of a file of this machine.
fn stamp(path: &Path) -> std::io::Result<(u64, i64)> {
    let metadata = std::fs::metadata(path)?;
    let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
}
