//! A store, opened at one of its versions.

use std::sync::atomic::AtomicU64;

use rayon::prelude::{
    IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelIterator,
};

use super::activity::{self, ActivityRow, Series};
use super::data_file::{DataFile, Files, each_batch};
use super::delta::{self, Table};
use super::file::DataReader;
use super::layout::{
    ACTIVITY, FILES, FIRST_PING_TABLE, FORMAT_KEY, MONTHS, PING_UPLOADS, PING_VALUES, SIDE_TABLES,
    USERS, check_format, tables,
};
use super::ledger::{self, Entry};
use super::months;
use super::ping_uploads::{self, StoredUpload};
use super::ping_values::ValueFiles;
use super::state::{STATE_KEY, State};
use super::stored_ids::StoredIds;
use crate::storage::Storage;
use crate::{Error, Result};

/// A store at one of its versions.
#[derive(Debug)]
pub struct Store {
    pub(super) storage: Storage,
    pub(super) dimensions: Vec<String>,
    pub(super) version: u64,
    pub(super) activity: Files,
    pub(super) users: Files,
    pub(super) files: Files,
    pub(super) months: Files,
    pub(super) ping_uploads: Files,
    pub(super) ping_values: Files,
    /// Versions of [`SIDE_TABLES`]; 0 for tables that do not exist.
    pub(super) txn_versions: [u64; 5],
    /// Id of the table `users`, which is made with it and stays.
    pub(super) space: String,
    /// The entries of files of events.
    pub(super) ledger: Vec<Entry>,
    /// The entries of files of pings.
    pub(super) ping_ledger: Vec<Entry>,
    /// Data files written so far, for their names.
    pub(super) written: AtomicU64,
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
        if let Some(recorded) = activity.property(STATE_KEY)? {
            store.state().check(&recorded, storage)?;
        }
        (store.ping_ledger, store.ledger) =
            store.read_ledger()?.into_iter().partition(Entry::is_of_pings);
        Ok(Some(store))
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

    fn state(&self) -> State<'_> {
        State {
            version: self.version,
            has_pings: self.has_pings(),
            dimensions: &self.dimensions,
            space: &self.space,
            txn_versions: &self.txn_versions,
            tables: self.tables(),
        }
    }

    /// The tables that there are, and their data files.
    pub(super) fn tables(&self) -> Vec<(&'static str, &Files)> {
        tables(&self.activity, self.sides(), self.has_pings())
    }

    /// The data files of [`SIDE_TABLES`].
    pub(super) fn sides(&self) -> [&Files; 5] {
        [&self.users, &self.files, &self.months, &self.ping_uploads, &self.ping_values]
    }

    /// Whether it has tables of pings.
    pub(super) fn has_pings(&self) -> bool {
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

    /// Rows of the table `ping_uploads`: the number that the next upload gets.
    pub fn ping_uploads(&self) -> u64 {
        self.ping_uploads.values().map(|file| file.rows).sum()
    }

    /// Calls `each` with every row of the table `ping_uploads`, in no order.
    ///
    /// # Errors
    /// When the table is broken, and those of `each`.
    pub fn each_ping_upload(&self, mut each: impl FnMut(StoredUpload) -> Result<()>) -> Result<()> {
        let storage = self.storage.child(PING_UPLOADS);
        for file in self.ping_uploads.values() {
            each_batch(&storage, file, |batch| {
                ping_uploads::read(batch)?.into_iter().try_for_each(&mut each)
            })?;
        }
        Ok(())
    }

    /// Opens all data files of `ping_values`.
    ///
    /// # Errors
    /// When one is missing or broken.
    pub fn ping_values(&self) -> Result<ValueFiles> {
        self.open_all(PING_VALUES, &self.ping_values).map(ValueFiles::new)
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
