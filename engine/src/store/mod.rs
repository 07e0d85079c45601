//! The roll-up on disk: which user did which event on which day.
//!
//! Delta Lake tables in one [`Storage`], a folder or a prefix in an object store, readable by
//! everything that reads Delta:
//!
//! | table | a row is | columns |
//! |---|---|---|
//! | `activity` | the users of one (day, source, event, dimension values) in one shard | `day, source, event,` one for each dimension`, shard, users, user_count, event_count` |
//! | `users` | a user whose key needs an id | `scope, kind, key, number` |
//! | `months` | the users of any event in a month, in one shard: the union of `activity` | `month, shard, users, user_count` |
//! | `files` | a file that was ingested | `source, name, hash, size, modified_ns, events, rejected, first, last, rejects, settings` |
//! | `ping_uploads` | a document in a file of pings | see [`StoredUpload`] |
//! | `ping_values` | a value of an upload that was not refused | `key_path, upload, value, kind` |
//!
//! `users` is a Roaring bitmap in the portable format. Several rows may have the same keys, if
//! files were ingested one after the other: their union counts. Shards hold disjoint users, so the
//! counts of shards add.
//!
//! **Exactly once.** A version of the store is a version of `activity`. Its commit contains (as Delta
//! application transactions, `headcount.users` and so on) the versions of the other tables
//! that belong to it. These are committed first; the commit of `activity` then makes all
//! of it visible at once: users, ids, pings and ledger. What a killed process has committed or
//! written before that is never read, and the next commit leaves it out. So a file is in the
//! ledger if and only if its events are in `activity`, also after a crash or power loss. The tables
//! of pings are made by the first ingest of pings; without them a store is as it was before there
//! were any.
//!
//! One process writes at a time ([`Lock`]). Where the lock does not reach, as in object stores and
//! on some network file systems, a commit on a version that is no longer the newest fails, and
//! nothing has happened.
//!
//! **What has changed since it was written is an error**, not another answer. The names of data
//! files have the checksums of their footers, these have [those of the other parts](Checksums), and
//! the newest commit has one of everything that the logs of the version say. Each is checked
//! when the part is read. Versions and data files that earlier programs have made have no such
//! checksums; [`Store::compact`] makes them. [`Store::verify`] also compares the digests of whole
//! files.
//!
//! **Older versions** stay readable as long as their data files are there: nothing but
//! [`Store::vacuum`] deletes one.

mod activity;
mod checksums;
mod delta;
mod file;
mod file_status;
mod ledger;
mod lock;
mod maintenance;
mod months;
mod ping_compaction;
mod ping_schemas;
mod ping_uploads;
mod ping_values;
mod ping_verify;
mod publication;
mod state;
mod stored_ids;
mod table;
mod verify;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelIterator,
};

use crate::storage::Storage;
use crate::{Error, Result};
use delta::Table;

pub use activity::{ActivityRow, RowKeys, Series, users};
pub use checksums::{Checksums, footer_in, footer_length};
pub use delta::DataFile;
pub use file::DataReader;
pub use file_status::{FileStatus, SourceFile, SourceNames, file_names, file_status, missing};
pub use ledger::{Entry, FirstRow, PING_SETTINGS, Reject, rejects};
pub use lock::Lock;
pub use maintenance::VacuumReport;
pub use months::{MonthRow, months};
pub(crate) use ping_uploads::PingKey;
pub use ping_uploads::{PingHeader, StoredUpload};
pub use ping_values::{Content, SortedValues, ValueFiles, ValueGroup, ValueKeys};
pub use publication::{Publication, PublishedRows, TableFormat};
pub use stored_ids::{StoredIds, UserId};
pub use verify::{Fault, Verified};
pub use write::WrittenFiles;

/// The property of tables that holds the version of the store's layout.
const FORMAT_KEY: &str = "headcount.format";
const FORMAT: &str = "1";
/// The layout with tables of pings, which programs that do not know them must not change.
const PING_FORMAT: &str = "3";
/// The layout that had packed sets, which are not read any more.
const PACKED_FORMAT: &str = "2";
const ACTIVITY: &str = "activity";
const USERS: &str = "users";
const FILES: &str = "files";
const MONTHS: &str = "months";
const PING_UPLOADS: &str = "ping_uploads";
const PING_VALUES: &str = "ping_values";
/// The tables beside `activity`, and the names under which its commits note their versions.
const SIDE_TABLES: [(&str, &str); 5] = [
    (USERS, "headcount.users"),
    (FILES, "headcount.files"),
    (MONTHS, "headcount.months"),
    (PING_UPLOADS, "headcount.ping_uploads"),
    (PING_VALUES, "headcount.ping_values"),
];
/// How many of these every store has; the others come with the first pings.
const FIRST_PING_TABLE: usize = 3;
/// Data files of a table, by name.
type Files = BTreeMap<String, DataFile>;

/// A store at one of its versions.
#[derive(Debug)]
pub struct Store {
    storage: Storage,
    dimensions: Vec<String>,
    version: u64,
    activity: Files,
    users: Files,
    files: Files,
    months: Files,
    ping_uploads: Files,
    ping_values: Files,
    /// Versions of [`SIDE_TABLES`]; 0 for tables that do not exist.
    txn_versions: [u64; 5],
    /// Id of the table `users`, which is made with it and stays.
    space: String,
    /// The entries of files of events.
    ledger: Vec<Entry>,
    /// The entries of files of pings.
    ping_ledger: Vec<Entry>,
    /// Data files written so far, for their names.
    written: AtomicU64,
}

impl Store {
    /// Opens the newest version, or an older one; `None` if there is no store yet.
    ///
    /// # Errors
    /// When the store is broken, made by a newer program, or out of reach.
    pub fn open(storage: &Storage, version: Option<u64>) -> Result<Option<Self>> {
        if !Table::exists(&storage.child(ACTIVITY))? {
            storage.check()?;
            return Ok(None);
        }
        // The newest versions of the tables mostly belong together: all are read at once.
        let side_storages = SIDE_TABLES.map(|(name, _)| storage.child(name));
        let newest = || -> Vec<Option<Table>> {
            let load = |storage: &Storage| match version {
                None => Table::load(storage, None).ok(),
                Some(_) => None,
            };
            side_storages.par_iter().map(load).collect()
        };
        let (activity, newest) =
            rayon::join(|| Table::load(&storage.child(ACTIVITY), version), newest);
        let activity = activity?;
        let format = activity.property(FORMAT_KEY)?.unwrap_or_default();
        check_format(&format, storage)?;
        let columns = activity.columns()?;
        let fixed = activity::LEADING_COLUMNS.len() + activity::TRAILING_COLUMNS.len();
        if columns.len() < fixed {
            return Err(
                Error::input("columns of the table `activity` are missing").with("file", storage)
            );
        }
        let last = columns.len() - activity::TRAILING_COLUMNS.len();
        let side = |(at, newest): (usize, Option<Table>)| -> Result<(u64, Files, String)> {
            let (_, note) = SIDE_TABLES[at];
            let recorded = match activity.txn_version(note)? {
                Some(version) => version,
                None if at >= FIRST_PING_TABLE => return Ok(Default::default()),
                None if activity.version() == 0 => 0,
                None => return Err(delta::broken(storage, &format!("no version of {note}"))),
            };
            let newest = newest.filter(|table| table.version() == recorded).map(Ok);
            let table =
                newest.unwrap_or_else(|| Table::load(&side_storages[at], Some(recorded)))?;
            Ok((recorded, table.files()?, table.id()?))
        };
        let sides: Vec<(u64, Files, String)> =
            newest.into_par_iter().enumerate().map(side).collect::<Result<_>>()?;
        let txn_versions = std::array::from_fn(|at| sides[at].0);
        let mut sides = sides.into_iter().map(|(_, files, id)| (files, id));
        let mut side = || sides.next().unwrap_or_default();
        let ((users, space), (files, _), (months, _)) = (side(), side(), side());
        let ((ping_uploads, _), (ping_values, _)) = (side(), side());
        let mut store = Self {
            storage: storage.clone(),
            dimensions: columns[activity::LEADING_COLUMNS.len()..last].to_vec(),
            version: activity.version(),
            activity: activity.files()?,
            users,
            files,
            months,
            ping_uploads,
            ping_values,
            txn_versions,
            space,
            ledger: Vec::new(),
            ping_ledger: Vec::new(),
            written: AtomicU64::new(0),
        };
        store.check_state(&activity)?;
        (store.ping_ledger, store.ledger) =
            store.read_ledger()?.into_iter().partition(Entry::is_of_pings);
        Ok(Some(store))
    }

    /// Makes the folder of a store, if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create_folder(storage: &Storage) -> Result<()> {
        storage.create_folder()
    }

    /// Opens the store, or makes an empty one. `dimensions` only matter to a new one.
    ///
    /// # Errors
    /// When the storage cannot be written, or a dimension has the name of another column.
    pub fn create(storage: &Storage, dimensions: &[String]) -> Result<Self> {
        let taken = activity::LEADING_COLUMNS.iter().chain(&activity::TRAILING_COLUMNS);
        if let Some(name) = taken.into_iter().find(|name| dimensions.iter().any(|d| d == *name)) {
            return Err(Error::input(format!("the store cannot have a dimension named `{name}`"))
                .with(
                    "help",
                    "the name is that of another column of the store; rename the dimension",
                ));
        }
        // `activity` comes last: a store is there when it is.
        for (name, _) in &SIDE_TABLES[..FIRST_PING_TABLE] {
            create_table(storage, name, dimensions)?;
        }
        create_table(storage, ACTIVITY, dimensions)?;
        let opened = Self::open(storage, None)?
            .ok_or_else(|| Error::internal("the store that was just created is missing"))?;
        opened.skip_used_numbers()?;
        Ok(opened)
    }

    /// Its storage.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Whether this is the same version of the same store.
    pub fn is_same_version(&self, other: &Self) -> bool {
        let key = |store: &Self| (store.storage.clone(), store.space.clone(), store.version);
        key(self) == key(other)
    }

    /// The version, from 0.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The dimensions that it keeps apart.
    pub fn dimensions(&self) -> &[String] {
        &self.dimensions
    }

    /// The files of events that were ingested.
    pub fn ledger(&self) -> &[Entry] {
        &self.ledger
    }

    /// The files of pings that were ingested.
    pub fn ping_ledger(&self) -> &[Entry] {
        &self.ping_ledger
    }

    /// Data files of the table `activity`.
    pub fn activity(&self) -> impl Iterator<Item = &DataFile> {
        self.activity.values()
    }

    /// Bytes of the data files of this version, by table.
    pub fn sizes(&self) -> Vec<(&'static str, u64)> {
        let size = |files: &Files| files.values().map(|file| file.size).sum();
        self.tables().into_iter().map(|(name, files)| (name, size(files))).collect()
    }

    /// The tables that there are, and their data files.
    fn tables(&self) -> Vec<(&'static str, &Files)> {
        tables(&self.activity, self.sides(), self.has_pings())
    }

    /// The data files of [`SIDE_TABLES`].
    fn sides(&self) -> [&Files; 5] {
        [&self.users, &self.files, &self.months, &self.ping_uploads, &self.ping_values]
    }

    /// Whether it has tables of pings.
    fn has_pings(&self) -> bool {
        self.txn_versions[FIRST_PING_TABLE] > 0
    }

    /// Number of assigned ids.
    pub fn assigned_ids(&self) -> u64 {
        self.users.values().map(|file| file.rows).sum()
    }

    /// Opens all data files of `activity`.
    ///
    /// # Errors
    /// When one is missing or broken.
    pub fn readers(&self) -> Result<Vec<DataReader>> {
        self.open_all(ACTIVITY, &self.activity)
    }

    /// Opens all data files of `months`.
    ///
    /// # Errors
    /// When one is missing or broken.
    pub fn month_readers(&self) -> Result<Vec<DataReader>> {
        self.open_all(MONTHS, &self.months)
    }

    fn open_all(&self, table: &str, files: &Files) -> Result<Vec<DataReader>> {
        let storage = self.storage.child(table);
        let files: Vec<&DataFile> = files.values().collect();
        files.par_iter().map(|file| DataReader::open(&storage, file)).collect()
    }

    /// Rows as if they were in files of the store: of `activity` and of `months`.
    ///
    /// # Errors
    /// When a count is beyond 2^63.
    pub fn in_memory(
        &self,
        series: &[Series],
        rows: &mut [ActivityRow],
    ) -> Result<[DataReader; 2]> {
        let activity = activity::in_memory(&self.dimensions, series, rows)?;
        Ok([activity, months::in_memory(months::of_rows(rows)?)?])
    }

    /// The assigned ids.
    ///
    /// # Errors
    /// When it is broken.
    pub fn stored_ids(&self) -> Result<StoredIds> {
        let mut ids = StoredIds::default();
        for file in self.users.values() {
            each_batch(&self.storage.child(USERS), file, |batch| ids.read(batch))?;
        }
        Ok(ids)
    }

    fn read_ledger(&self) -> Result<Vec<Entry>> {
        let storage = self.storage.child(FILES);
        let files: Vec<&DataFile> = self.files.values().collect();
        let read = |file: &&DataFile| {
            let mut entries = Vec::new();
            each_batch(&storage, file, |batch| {
                entries.extend(ledger::read(batch)?);
                Ok(())
            })?;
            Ok(entries)
        };
        let entries: Vec<Vec<Entry>> = files.par_iter().map(read).collect::<Result<_>>()?;
        Ok(entries.into_iter().flatten().collect())
    }
}

/// How many of [`SIDE_TABLES`] a store has.
fn side_tables(has_pings: bool) -> usize {
    if has_pings { SIDE_TABLES.len() } else { FIRST_PING_TABLE }
}

/// The tables of a store and their data files, `activity` first.
fn tables<'a>(
    activity: &'a Files,
    sides: [&'a Files; 5],
    has_pings: bool,
) -> Vec<(&'static str, &'a Files)> {
    let sides = SIDE_TABLES.iter().map(|(name, _)| *name).zip(sides);
    std::iter::once((ACTIVITY, activity)).chain(sides.take(side_tables(has_pings))).collect()
}

/// The layout of a store.
fn format(has_pings: bool) -> &'static str {
    if has_pings { PING_FORMAT } else { FORMAT }
}

/// Makes an empty table, unless it is there.
fn create_table(storage: &Storage, name: &str, dimensions: &[String]) -> Result<()> {
    let (schema, comment) = match name {
        USERS => (stored_ids::schema(), "Ids of users whose keys are not stored as they are"),
        FILES => (ledger::schema(), "Ingested files"),
        MONTHS => (months::schema(), "Users by month"),
        PING_UPLOADS => (ping_schemas::uploads(), "Documents in files of pings"),
        PING_VALUES => (ping_schemas::values(), "Values of pings by key path"),
        _ => (activity::schema(dimensions), "Users by day, event and dimensions"),
    };
    let storage = storage.child(name);
    if Table::exists(&storage)? {
        return Ok(());
    }
    storage.create_folder()?;
    let properties = [(FORMAT_KEY, FORMAT.to_owned())];
    Table::create(&storage, &delta_schema(&schema)?, comment, &properties, &[])
}

fn check_format(format: &str, storage: &Storage) -> Result<()> {
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

fn delta_schema(schema: &Schema) -> Result<StructType> {
    schema.try_into_kernel().map_err(|cause| {
        Error::internal(format!("Delta Lake does not support the schema: {cause}"))
    })
}

/// Reads a small data file, after looking whether its bytes are what they were.
fn each_batch(
    storage: &Storage,
    file: &DataFile,
    mut each: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let address = storage.address(&file.name);
    let broken = |cause: &dyn std::fmt::Display| {
        Error::input(format!("corrupt data file: {cause}")).with("file", &address)
    };
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(
        file.verified_bytes(storage)?,
        options,
    )
    .and_then(|builder| builder.with_batch_size(1 << 16).build())
    .map_err(|cause| broken(&cause))?;
    for batch in reader {
        each(&batch.map_err(|cause| broken(&cause))?)
            .map_err(|error| error.with("file", &address))?;
    }
    Ok(())
}
