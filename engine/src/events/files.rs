//! From the names in a project to the files on disk, their formats and compressions.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

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

/// One file of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it holds.
    pub format: Format,
    /// What it is wrapped in.
    pub compression: Compression,
}

impl EventFile {
    /// Tells format and compression by the file's name; `None` for names that say neither.
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let (stem, compression) = match name.rsplit_once('.') {
            Some((stem, "gz")) => (stem, Compression::Gzip),
            Some((stem, "zst" | "zstd")) => (stem, Compression::Zstd),
            _ => (name.as_str(), Compression::Plain),
        };
        let format = match stem.rsplit_once('.')?.1 {
            "parquet" | "pq" => Format::Parquet,
            "csv" => Format::Csv { delimiter: b',' },
            "tsv" => Format::Csv { delimiter: b'\t' },
            "ndjson" | "jsonl" | "json" => Format::Ndjson,
            _ => return None,
        };
        Some(Self { path: path.to_owned(), format, compression })
    }

    /// Finds the files of a source: `patterns` are files, folders (searched to any depth) or
    /// globs; relative ones start at `base`. Sorted by path, each file once.
    ///
    /// # Errors
    /// When a pattern matches no event file, or names a file of unknown format.
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
            if pattern.contains("://") {
                return Err(Error::input("object-store addresses are not read yet")
                    .with("file", pattern)
                    .with("help", "copy the files to a local folder"));
            }
            let before = files.len();
            let path = base.join(pattern);
            if path.is_dir() {
                in_folder(&path, &mut files)?;
            } else if path.is_file() {
                files.push(Self::of_path(&path).ok_or_else(|| unknown_format(&path))?);
            } else {
                let text = path.to_string_lossy();
                let bad = |cause: glob::PatternError| {
                    Error::input(format!("bad pattern: {cause}")).with("file", &text)
                };
                for found in glob::glob(&text).map_err(bad)? {
                    let found = found.map_err(|cause| {
                        let path = cause.path().to_owned();
                        Error::io(&path, cause.into())
                    })?;
                    if found.is_dir() {
                        in_folder(&found, &mut files)?;
                    } else {
                        files.push(Self::of_path(&found).ok_or_else(|| unknown_format(&found))?);
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

    /// Opens a text file and takes its wrapping off.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open_text(&self) -> Result<Box<dyn Read + Send>> {
        let file = File::open(&self.path).map_err(|cause| Error::io(&self.path, cause))?;
        let file = BufReader::with_capacity(1 << 20, file);
        Ok(match self.compression {
            Compression::Plain => Box::new(file),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Compression::Zstd => Box::new(
                zstd::Decoder::with_buffer(file).map_err(|cause| Error::io(&self.path, cause))?,
            ),
        })
    }
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
        } else if let Some(file) = EventFile::of_path(&path) {
            files.push(file);
        }
    }
    Ok(())
}

fn unknown_format(path: &Path) -> Error {
    Error::input("unknown file format").with("file", path.display()).with(
        "help",
        "event files end in .parquet, .csv, .tsv, .ndjson or .jsonl, text also in .gz or .zst",
    )
}
