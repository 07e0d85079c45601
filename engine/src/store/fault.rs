//! Faults of a store.

use std::fmt;

use crate::{Error, Kind, Result};

/// What is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Path or address of the file, if it is one.
    pub file: Option<String>,
    /// What.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{file}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What is wrong with a file that cannot be understood. One that cannot be read is no fault of the
/// store's: the machine or the object store has refused.
pub(super) fn what_is_wrong(error: Error) -> Result<String> {
    match error.kind() {
        Kind::Io => Err(error),
        _ => Ok(error.to_string()),
    }
}
