//! What can go wrong while a data set is made.

use std::fmt;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why no data set was made. The folder is left as it was before.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside its range.
    Setting {
        /// The field of [`Settings`](crate::Settings).
        name: &'static str,
        /// The value that was given.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// The output folder cannot be used.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        help: &'static str,
    },
    /// The operating system refused something.
    Io {
        /// What was being done, as in "cannot ...".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The answer of the operating system.
        source: std::io::Error,
    },
    /// Parquet could not be written.
    Parquet {
        /// The file, empty when the bytes were still in memory.
        path: PathBuf,
        /// The answer of the Parquet library.
        source: ParquetError,
    },
}

impl Error {
    /// For `map_err`: says what was being done, and where.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// For `map_err`: says which file was being written.
    pub(crate) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        move |source| Self::Parquet { path: path.to_owned(), source }
    }
}

impl From<ParquetError> for Error {
    fn from(source: ParquetError) -> Self {
        Self::Parquet { path: PathBuf::new(), source }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(source: arrow::error::ArrowError) -> Self {
        Self::from(ParquetError::from(source))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { name, value, expected } => {
                write!(f, "{name} is {value}, expected {expected}")
            }
            Self::Folder { path, problem, help } => {
                write!(f, "{} {problem}: {help}", path.display())
            }
            Self::Io { doing, path, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
            Self::Parquet { path, source } if path.as_os_str().is_empty() => {
                write!(f, "cannot encode events: {source}")
            }
            Self::Parquet { path, source } => {
                write!(f, "cannot write {}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Parquet { source, .. } => Some(source),
            Self::Setting { .. } | Self::Folder { .. } => None,
        }
    }
}
