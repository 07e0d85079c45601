//! One Delta table: Parquet files in a [`Storage`], and a log of the files of each version. The log
//! is written by `deltalake`, the [data files](DataFile) by this crate.

use std::collections::HashMap;

use arrow::datatypes::Schema;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, TableReference, TransactionError,
};
use deltalake_core::kernel::{Action, Add, MetadataExt, Remove, StructType, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::data_file::{DataFile, Files, rows};
use crate::storage::{Storage, block_on};
use crate::{Error, Kind, Result};

/// Folder of the log of a table.
const LOG: &str = "_delta_log";

/// A table at one of its versions.
#[derive(Debug)]
pub(super) struct Table {
    storage: Storage,
    delta: DeltaTable,
    version: u64,
}

impl Table {
    /// Makes a table of these data files. A table that is there already stays as it is, also if
    /// another process makes it at this moment.
    pub(super) fn create(
        storage: &Storage,
        schema: &Schema,
        comment: &str,
        properties: &[(&str, String)],
        files: &[DataFile],
    ) -> Result<()> {
        let files = files.iter().map(|file| Ok(Action::Add(add(storage, file, true)?)));
        let files: Vec<Action> = files.collect::<Result<_>>()?;
        let properties = properties.iter().map(|(key, value)| (*key, Some(value.clone())));
        let create = CreateBuilder::new()
            .with_log_store(unloaded(storage)?.log_store())
            .with_comment(comment)
            .with_columns(delta_schema(schema)?.fields().cloned())
            .with_actions(files)
            .with_configuration(properties)
            .with_raise_if_key_not_exists(false)
            // A second try would overwrite the schema of another process.
            .with_commit_properties(CommitProperties::default().with_max_retries(0))
            .with_save_mode(SaveMode::Ignore);
        match block_on(async { create.await })? {
            Ok(_) => {
                seal(storage, 0)?;
                storage.sync(LOG)
            }
            Err(cause) if is_conflict(&cause) => Ok(()),
            Err(cause) => Err(failed(storage, cause)),
        }
    }

    /// Whether there is a table.
    pub(super) fn exists(storage: &Storage) -> Result<bool> {
        storage.child(LOG).exists(&log_file(0))
    }

    /// Reads the log up to a version, or to its end.
    pub(super) fn load(storage: &Storage, version: Option<u64>) -> Result<Self> {
        let mut delta = unloaded(storage)?;
        let loaded = block_on(async {
            match version {
                Some(version) => delta.load_version(version).await,
                None => delta.load().await,
            }
        })?;
        loaded.map_err(|cause| failed(storage, cause))?;
        let version = delta.version().ok_or_else(|| broken(storage, "no version"))?;
        Ok(Self { storage: storage.clone(), delta, version })
    }

    /// The version that was read.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// When a version was committed: milliseconds since 1970.
    pub(super) fn modified(&self, version: u64) -> Result<i64> {
        self.storage.child(LOG).modified(&log_file(version))
    }

    /// The data files of the version, by name.
    pub(super) fn files(&self) -> Result<Files> {
        let state = self.delta.snapshot().map_err(|cause| failed(&self.storage, cause))?;
        let log = state.snapshot().try_log_data().map_err(|cause| failed(&self.storage, cause))?;
        let file = |view: deltalake_core::kernel::LogicalFileView| {
            let name = view.path().into_owned();
            let unreadable =
                |what: &str| broken(&self.storage, &format!("invalid {what} of {name}"));
            let size = u64::try_from(view.size()).map_err(|_| unreadable("size"))?;
            let stats = view.stats().ok_or_else(|| unreadable("statistics"))?;
            let rows = rows(&stats).ok_or_else(|| unreadable("number of rows"))?;
            Ok((name.clone(), DataFile { name, size, rows, stats }))
        };
        log.iter().map(file).collect()
    }

    /// The id that the table was made with.
    pub(super) fn id(&self) -> Result<String> {
        let state = self.delta.snapshot().map_err(|cause| failed(&self.storage, cause))?;
        Ok(state.metadata().id().to_owned())
    }

    /// A property of the table.
    pub(super) fn property(&self, key: &str) -> Result<Option<String>> {
        let state = self.delta.snapshot().map_err(|cause| failed(&self.storage, cause))?;
        Ok(state.metadata().configuration().get(key).cloned())
    }

    /// Whether these are its columns.
    pub(super) fn has_schema(&self, schema: &Schema) -> Result<bool> {
        let state = self.delta.snapshot().map_err(|cause| failed(&self.storage, cause))?;
        Ok(*state.schema() == delta_schema(schema)?)
    }

    /// Names of the columns.
    pub(super) fn columns(&self) -> Result<Vec<String>> {
        let state = self.delta.snapshot().map_err(|cause| failed(&self.storage, cause))?;
        Ok(state.schema().fields().map(|field| field.name().clone()).collect())
    }

    /// The version that was last noted under a name.
    pub(super) fn txn_version(&self, name: &str) -> Result<Option<u64>> {
        let failed = |cause| failed(&self.storage, cause);
        let state = self.delta.snapshot().map_err(failed)?;
        let log = self.delta.log_store();
        let txn_version = block_on(state.transaction_version(log.as_ref(), name))?;
        let unsigned = |version| {
            u64::try_from(version)
                .map_err(|_| broken(&self.storage, &format!("no valid version of {name}")))
        };
        txn_version.map_err(failed)?.map(unsigned).transpose()
    }

    /// Commits the next version: exactly the files of `wanted`, `txn_versions`, and properties and
    /// columns of the table that change. All of it becomes visible at once, or nothing does.
    ///
    /// # Errors
    /// When another process has committed since this one read the log, and when the log cannot be
    /// written.
    pub(super) fn commit(
        &mut self,
        wanted: &Files,
        txn_versions: &[(&str, u64)],
        same_rows: bool,
        properties: &[(&str, String)],
        schema: Option<&Schema>,
    ) -> Result<u64> {
        let present = self.files()?;
        let mut actions = Vec::new();
        if !properties.is_empty() || schema.is_some() {
            let state = self.delta.snapshot().map_err(|cause| failed(&self.storage, cause))?;
            let mut changed = state.metadata().clone();
            if let Some(schema) = schema {
                changed = changed
                    .with_schema(&delta_schema(schema)?)
                    .map_err(|cause| failed(&self.storage, cause.into()))?;
            }
            for (key, value) in properties {
                changed = changed
                    .add_config_key((*key).to_owned(), value.clone())
                    .map_err(|cause| failed(&self.storage, cause.into()))?;
            }
            actions.push(Action::Metadata(changed));
        }
        // The engine has no clock; the time of the last commit is used.
        let now = self.modified(self.version())?;
        let removed = present.values().filter(|file| !wanted.contains_key(&file.name));
        let removed: Vec<&DataFile> = removed.collect();
        let mode = if removed.is_empty() { SaveMode::Append } else { SaveMode::Overwrite };
        for file in removed {
            actions.push(Action::Remove(remove(file, !same_rows, now)));
        }
        for file in wanted.values().filter(|file| !present.contains_key(&file.name)) {
            actions.push(Action::Add(add(&self.storage, file, !same_rows)?));
        }
        let transactions = txn_versions.iter().map(|(name, version)| {
            let version = i64::try_from(*version);
            let version = version.map_err(|_| Error::limit("a version beyond 2^63"))?;
            Ok(Transaction::new(name, version))
        });
        let transactions: Vec<Transaction> = transactions.collect::<Result<_>>()?;
        // No retry inside: what was written belongs to the version that was read.
        let properties = CommitProperties::default()
            .with_application_transactions(transactions)
            .with_max_retries(0)
            .with_cleanup_expired_logs(Some(false));
        let operation = DeltaOperation::Write { mode, partition_by: None, predicate: None };
        let log = self.delta.log_store();
        let state = self.delta.snapshot().map_err(|cause| failed(&self.storage, cause))?;
        let commit = CommitBuilder::from(properties).with_actions(actions);
        let done = block_on(async {
            commit.build(Some(state as &dyn TableReference), log, operation).await
        })?;
        let version = match done {
            Ok(done) => done.version(),
            // The answer can be lost although the commit was taken.
            Err(cause) => match self.is_committed(wanted, txn_versions) {
                Ok(true) => self.version() + 1,
                _ if is_conflict(&cause) => return Err(conflict(&self.storage)),
                _ => return Err(failed(&self.storage, cause)),
            },
        };
        seal(&self.storage, version)?;
        block_on(self.delta.load_version(version))?
            .map_err(|cause| failed(&self.storage, cause))?;
        self.version = version;
        Ok(version)
    }

    /// Whether the version after this one is there and holds exactly this.
    fn is_committed(&self, wanted: &Files, txn_versions: &[(&str, u64)]) -> Result<bool> {
        let next = Self::load(&self.storage, Some(self.version() + 1))?;
        for (name, version) in txn_versions {
            if next.txn_version(name)? != Some(*version) {
                return Ok(false);
            }
        }
        Ok(next.version() == self.version() + 1 && next.files()?.keys().eq(wanted.keys()))
    }
}

fn add(storage: &Storage, file: &DataFile, data_change: bool) -> Result<Add> {
    Ok(Add {
        path: file.name.clone(),
        partition_values: HashMap::new(),
        size: i64::try_from(file.size)
            .map_err(|_| Error::limit("a data file of more than 2^63 bytes"))?,
        modification_time: storage.modified(&file.name)?,
        data_change,
        stats: Some(file.stats.clone()),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    })
}

fn remove(file: &DataFile, data_change: bool, now: i64) -> Remove {
    Remove {
        path: file.name.clone(),
        data_change,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: i64::try_from(file.size).ok(),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
    }
}

fn delta_schema(schema: &Schema) -> Result<StructType> {
    schema.try_into_kernel().map_err(|cause| {
        Error::internal(format!("Delta Lake does not support the schema: {cause}"))
    })
}

/// A table of which nothing was read.
fn unloaded(storage: &Storage) -> Result<DeltaTable> {
    Ok(DeltaTable::new(storage.log()?))
}

/// Makes sure that a commit stays, and writes the digest of its log file beside it.
fn seal(storage: &Storage, version: u64) -> Result<()> {
    let (log, name) = (storage.child(LOG), log_file(version));
    let found = log.digest(&name)?;
    let (digest, _) = found.ok_or_else(|| Error::internal("a commit has no log file"))?;
    log.sync(&name)?;
    log.write_unsynced(&seal_of(&name), digest.to_string().into_bytes())
}

/// Log files of a table that are not what they were when they were written. A process that was
/// killed right after a commit has left a log file without a digest; that is no fault.
pub(super) fn broken_logs(storage: &Storage) -> Result<Vec<String>> {
    let log = storage.child(LOG);
    let items = log.list()?;
    let is_there = |name: &str| items.binary_search_by(|item| item.name.as_str().cmp(name)).is_ok();
    let sealed = items.iter().filter(|item| is_there(&seal_of(&item.name)));
    let sealed: Vec<&str> = sealed.map(|item| item.name.as_str()).collect();
    let broken = |name: &&str| -> Result<Option<String>> {
        let seal = log.read(&seal_of(name))?;
        let digest = log.digest(name)?.map(|(digest, _)| digest.to_string());
        let same = digest.is_some_and(|digest| digest.as_bytes() == seal);
        Ok((!same).then(|| log.address(name)))
    };
    let broken: Result<Vec<Option<String>>> = sealed.par_iter().map(broken).collect();
    Ok(broken?.into_iter().flatten().collect())
}

fn log_file(version: u64) -> String {
    format!("{version:020}.json")
}

/// Hidden, so that readers of Delta logs pass it by.
fn seal_of(log: &str) -> String {
    format!(".{log}.xxh3")
}

fn is_conflict(cause: &DeltaTableError) -> bool {
    matches!(
        cause,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_)
                    | TransactionError::CommitConflict(_)
                    | TransactionError::VersionAlreadyExists(_),
            }
    )
}

/// The error for a version that another process has made first.
pub(super) fn conflict(storage: &Storage) -> Error {
    Error::new(Kind::Io, "another process changed the store at the same time")
        .with("file", storage)
        .with("help", "nothing was lost or counted twice; run the command again")
}

/// The error for a log that has changed since it was written.
pub(super) fn broken(storage: &Storage, what: &str) -> Error {
    Error::input(format!("the log of the store is corrupt: {what}")).with("file", storage).with(
        "help",
        "run `headcount store verify` to list everything that is corrupt, and ingest into a new \
         store",
    )
}

fn failed(storage: &Storage, cause: DeltaTableError) -> Error {
    let error = Error::new(Kind::Io, format!("cannot use the store: {cause}"));
    let error = error.with("file", storage).caused_by(cause);
    match storage.help() {
        Some(help) => error.with("help", help),
        None => error,
    }
}
