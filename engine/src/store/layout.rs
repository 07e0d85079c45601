//! The layout of a store: the names of its tables, and its version.

use super::data_file::Files;
use super::delta::Table;
use super::{activity, ledger, months, ping_uploads, ping_values, stored_ids};
use crate::storage::Storage;
use crate::{Error, Result};

/// The property of tables that holds the version of the store's layout.
pub(super) const FORMAT_KEY: &str = "headcount.format";
const FORMAT: &str = "1";
/// The layout with tables of pings, which programs that do not know them must not change.
const PING_FORMAT: &str = "3";
/// The layout that had packed sets, which are not read any more.
const PACKED_FORMAT: &str = "2";
pub(super) const ACTIVITY: &str = "activity";
pub(super) const USERS: &str = "users";
pub(super) const FILES: &str = "files";
pub(super) const MONTHS: &str = "months";
pub(super) const PING_UPLOADS: &str = "ping_uploads";
pub(super) const PING_VALUES: &str = "ping_values";
/// The tables beside `activity`, and the names under which its commits note their versions.
pub(super) const SIDE_TABLES: [(&str, &str); 5] = [
    (USERS, "headcount.users"),
    (FILES, "headcount.files"),
    (MONTHS, "headcount.months"),
    (PING_UPLOADS, "headcount.ping_uploads"),
    (PING_VALUES, "headcount.ping_values"),
];
/// How many of these every store has; the others come with the first pings.
pub(super) const FIRST_PING_TABLE: usize = 3;

/// How many of [`SIDE_TABLES`] a store has.
pub(super) fn side_tables(has_pings: bool) -> usize {
    if has_pings { SIDE_TABLES.len() } else { FIRST_PING_TABLE }
}

/// The tables of a store and their data files, `activity` first.
pub(super) fn tables<'a>(
    activity: &'a Files,
    sides: [&'a Files; 5],
    has_pings: bool,
) -> Vec<(&'static str, &'a Files)> {
    let sides = SIDE_TABLES.iter().map(|(name, _)| *name).zip(sides);
    std::iter::once((ACTIVITY, activity)).chain(sides.take(side_tables(has_pings))).collect()
}

/// The layout of a store.
pub(super) fn format(has_pings: bool) -> &'static str {
    if has_pings { PING_FORMAT } else { FORMAT }
}

/// Makes an empty table, unless it is there.
pub(super) fn create_table(storage: &Storage, name: &str, dimensions: &[String]) -> Result<()> {
    let (schema, comment) = match name {
        USERS => (stored_ids::schema(), "Ids of users whose keys are not stored as they are"),
        FILES => (ledger::schema(), "Ingested files"),
        MONTHS => (months::schema(), "Users by month"),
        PING_UPLOADS => (ping_uploads::schema(), "Documents in files of pings"),
        PING_VALUES => (ping_values::schema(), "Values of pings by key path"),
        _ => (activity::schema(dimensions), "Users by day, event and dimensions"),
    };
    let storage = storage.child(name);
    if Table::exists(&storage)? {
        return Ok(());
    }
    storage.create_folder()?;
    let properties = [(FORMAT_KEY, FORMAT.to_owned())];
    Table::create(&storage, &schema, comment, &properties, &[])
}

/// Refuses layouts that this program does not know or does not read any more.
pub(super) fn check_format(format: &str, storage: &Storage) -> Result<()> {
    let error = match format {
        FORMAT | PING_FORMAT => return Ok(()),
        PACKED_FORMAT => {
            Error::input("the sets of this store are packed, which is no longer supported")
                .with("file", storage)
                .with(
                    "help",
                    "move the store away and run `headcount ingest` to rebuild it from the events",
                )
        }
        _ => Error::input(format!("unknown store format `{format}`"))
            .with("file", storage)
            .with("help", "use the version of headcount that created the store, or a newer one"),
    };
    Err(error)
}
