//! A checksum over the logs of a version, so that a log that has changed since it was written is an
//! error.
//!
//! Every commit of `activity` stores it as a property of the table, together with the version it
//! belongs to. Versions made by earlier programs have no checksum and are read unchecked.

use std::fmt;

use super::delta::{Table, broken};
use super::{Files, Store, format, side_tables};
use crate::Result;
use crate::users::hash_bytes;

/// The property of `activity`.
pub(super) const STATE_KEY: &str = "headcount.state";

/// Everything that a store takes from its logs.
pub(super) struct State<'a> {
    pub(super) version: u64,
    pub(super) format: &'static str,
    pub(super) dimensions: &'a [String],
    pub(super) space: &'a str,
    /// Of the tables that there are.
    pub(super) txn_versions: &'a [u64],
    pub(super) tables: Vec<(&'static str, &'a Files)>,
}

impl State<'_> {
    fn checksum(&self) -> u64 {
        let Self { version, format, dimensions, space, txn_versions, tables } = self;
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

impl Store {
    /// Checks that the logs say what they said when this version was made, given the table
    /// `activity`.
    pub(super) fn check_state(&self, activity: &Table) -> Result<()> {
        let Some(recorded) = activity.property(STATE_KEY)? else { return Ok(()) };
        let unreadable = || broken(&self.storage, &format!("invalid checksum `{recorded}`"));
        let (version, _) = recorded.split_once(':').ok_or_else(unreadable)?;
        let version: u64 = version.parse().map_err(|_| unreadable())?;
        if version < self.version {
            return Ok(());
        }
        let state = State {
            version: self.version,
            format: format(self.has_pings()),
            dimensions: &self.dimensions,
            space: &self.space,
            txn_versions: &self.txn_versions[..side_tables(self.has_pings())],
            tables: self.tables(),
        };
        match state.to_string() == recorded {
            true => Ok(()),
            false => Err(broken(&self.storage, "its content has changed since it was written")),
        }
    }
}
