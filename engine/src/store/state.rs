//! A checksum over the logs of a version, so that a log that has changed since it was written is an
//! error.
//!
//! Every commit of `activity` stores it as a property of the table, together with the version it
//! belongs to. Versions made by earlier programs have no checksum and are read unchecked.

use std::fmt;

use super::data_file::Files;
use super::delta::broken;
use super::layout::{format, side_tables};
use crate::Result;
use crate::storage::Storage;
use crate::users::hash_bytes;

/// The property of `activity`.
pub(super) const STATE_KEY: &str = "headcount.state";

/// Everything that a store takes from its logs.
pub(super) struct State<'a> {
    pub(super) version: u64,
    pub(super) has_pings: bool,
    pub(super) dimensions: &'a [String],
    pub(super) space: &'a str,
    /// Of all side tables, also of those that do not exist.
    pub(super) txn_versions: &'a [u64],
    /// Those that there are.
    pub(super) tables: Vec<(&'static str, &'a Files)>,
}

impl State<'_> {
    /// Checks that the logs say what they said when this version was made; `recorded` is the
    /// [property](STATE_KEY) of `activity`.
    pub(super) fn check(&self, recorded: &str, storage: &Storage) -> Result<()> {
        let unreadable = || broken(storage, &format!("invalid checksum `{recorded}`"));
        let (version, _) = recorded.split_once(':').ok_or_else(unreadable)?;
        let version: u64 = version.parse().map_err(|_| unreadable())?;
        // A program that knows no checksums has made this version.
        if version < self.version || self.to_string() == recorded {
            return Ok(());
        }
        Err(broken(storage, "its content has changed since it was written"))
    }

    fn checksum(&self) -> u64 {
        let Self { version, has_pings, dimensions, space, txn_versions, tables } = self;
        let format = format(*has_pings);
        let txn_versions = &txn_versions[..side_tables(*has_pings)];
        // The names of files have the checksums of what is in them. Lengths come first, so that no
        // two states print alike.
        let mut text = format!("{version} {format} {space} {txn_versions:?} {dimensions:?}");
        for (_, files) in tables {
            text.push_str(&format!("; {}", files.len()));
            for file in files.values() {
                text.push_str(&format!(" {:?} {} {}", file.name, file.size, file.rows));
            }
        }
        hash_bytes(text.as_bytes())
    }
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.version, self.checksum())
    }
}
