//! One Delta table: a folder of Parquet files and a log that says which of them belong to which
//! version. The log is `deltalake`'s; the files are our own.
//!
//! The name of a data file ends with the digest of its bytes: a flipped byte is found, and what a
//! killed process left is never mistaken for something else.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, TableReference, TransactionError,
};
use deltalake_core::kernel::{Action, Add, Remove, StructField, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri};
use tokio::runtime::{Handle, Runtime};

use super::hash::Digest;
use crate::{Error, Kind, Result};

/// Ending of data files.
const ENDING: &str = ".parquet";

/// A data file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its name in the table's folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Delta's statistics, as JSON: at least the number of rows.
    pub stats: String,
}

impl DataFile {
    /// Rows in the file, as the log has it.
    pub fn rows(&self) -> u64 {
        let number = self.stats.split_once("\"numRecords\":").map_or("", |(_, rest)| rest);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        number[..end].parse().unwrap_or(0)
    }

    /// What is wrong with its bytes, which should lie at `path`.
    pub(super) fn fault(&self, path: &Path) -> Option<String> {
        match Digest::of_file(path) {
            Err(error) => Some(error.to_string()),
            Ok((_, size)) if size != self.size => {
                Some(format!("it has {size} bytes, but the log says {}", self.size))
            }
            Ok((digest, _)) if Some(digest) != self.digest() => {
                Some("its bytes have changed since it was written".to_owned())
            }
            Ok(_) => None,
        }
    }

    /// The digest that the file's name says.
    pub fn digest(&self) -> Option<Digest> {
        Digest::parse(self.name.strip_suffix(ENDING)?.rsplit_once('-')?.1)
    }
}

/// A table at one of its versions.
#[derive(Debug)]
pub(super) struct Table {
    folder: PathBuf,
    delta: DeltaTable,
}

impl Table {
    /// Makes an empty table in a folder. A table that is there already stays as it is.
    pub(super) fn create(
        folder: &Path,
        columns: Vec<StructField>,
        comment: &str,
        properties: &[(&str, String)],
    ) -> Result<()> {
        let failed = |cause| failed(folder, cause);
        let location = location(folder)?;
        let properties = properties.iter().map(|(key, value)| (*key, Some(value.clone())));
        let create = CreateBuilder::new()
            .with_location(location)
            .with_comment(comment)
            .with_columns(columns)
            .with_configuration(properties)
            .with_raise_if_key_not_exists(false)
            .with_save_mode(SaveMode::Ignore);
        wait(async { create.await })?.map_err(failed)?;
        seal(folder, 0)
    }

    /// Whether there is a table in a folder.
    pub(super) fn exists(folder: &Path) -> bool {
        log_file(folder, 0).is_file()
    }

    /// Reads the log up to a version, or to its end.
    pub(super) fn load(folder: &Path, version: Option<u64>) -> Result<Self> {
        let failed = |cause| failed(folder, cause);
        let url = ensure_table_uri(location(folder)?).map_err(failed)?;
        let mut builder = DeltaTableBuilder::from_url(url).map_err(failed)?;
        if let Some(version) = version {
            builder = builder.with_version(version);
        }
        let delta = wait(builder.load())?.map_err(failed)?;
        Ok(Self { folder: folder.to_owned(), delta })
    }

    /// The version that was read.
    pub(super) fn version(&self) -> u64 {
        self.delta.version().unwrap_or(0)
    }

    /// The data files of the version, by name.
    pub(super) fn files(&self) -> Result<BTreeMap<String, DataFile>> {
        let state = self.delta.snapshot().map_err(|cause| failed(&self.folder, cause))?;
        let log = state.snapshot().try_log_data().map_err(|cause| failed(&self.folder, cause))?;
        let file = |view: deltalake_core::kernel::LogicalFileView| {
            let name = view.path().into_owned();
            let size = u64::try_from(view.size()).unwrap_or(0);
            let stats = view.stats().unwrap_or_default();
            (name.clone(), DataFile { name, size, stats })
        };
        Ok(log.iter().map(file).collect())
    }

    /// A property that the table was made with.
    pub(super) fn property(&self, key: &str) -> Result<Option<String>> {
        let state = self.delta.snapshot().map_err(|cause| failed(&self.folder, cause))?;
        Ok(state.metadata().configuration().get(key).cloned())
    }

    /// Names of the columns.
    pub(super) fn columns(&self) -> Result<Vec<String>> {
        let state = self.delta.snapshot().map_err(|cause| failed(&self.folder, cause))?;
        Ok(state.schema().fields().map(|field| field.name().clone()).collect())
    }

    /// The version that was last noted under a name; 0 if none was.
    pub(super) fn noted(&self, name: &str) -> Result<u64> {
        let failed = |cause| failed(&self.folder, cause);
        let state = self.delta.snapshot().map_err(failed)?;
        let log = self.delta.log_store();
        let noted = wait(state.transaction_version(log.as_ref(), name))?;
        Ok(noted.map_err(failed)?.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
    }

    /// Commits the next version: exactly the files of `wanted`, and `notes`. All of it becomes
    /// visible at once, or nothing does.
    ///
    /// # Errors
    /// When another process has committed since this one read the log, and when the log cannot be
    /// written.
    pub(super) fn commit(
        &mut self,
        wanted: &BTreeMap<String, DataFile>,
        notes: &[(&str, u64)],
        rearranges: bool,
    ) -> Result<u64> {
        let present = self.files()?;
        let mut actions = Vec::new();
        for file in present.values().filter(|file| !wanted.contains_key(&file.name)) {
            actions.push(Action::Remove(self.remove(file, !rearranges)?));
        }
        for file in wanted.values().filter(|file| !present.contains_key(&file.name)) {
            actions.push(Action::Add(self.add(file, !rearranges)?));
        }
        let notes = notes.iter().map(|(name, version)| {
            Transaction::new(name, i64::try_from(*version).unwrap_or(i64::MAX))
        });
        // No retry inside: what was written belongs to the version that was read.
        let properties = CommitProperties::default()
            .with_application_transactions(notes.collect())
            .with_max_retries(0)
            .with_cleanup_expired_logs(Some(false));
        let operation = DeltaOperation::Write {
            mode: if rearranges { SaveMode::Overwrite } else { SaveMode::Append },
            partition_by: None,
            predicate: None,
        };
        let log = self.delta.log_store();
        let state = self.delta.snapshot().map_err(|cause| failed(&self.folder, cause))?;
        let commit = CommitBuilder::from(properties).with_actions(actions);
        let done =
            wait(async { commit.build(Some(state as &dyn TableReference), log, operation).await })?;
        let version = done.map_err(|cause| conflict_or(&self.folder, cause))?.version();
        seal(&self.folder, version)?;
        wait(self.delta.load_version(version))?.map_err(|cause| failed(&self.folder, cause))?;
        Ok(version)
    }

    fn add(&self, file: &DataFile, data_change: bool) -> Result<Add> {
        let path = self.folder.join(&file.name);
        let metadata = std::fs::metadata(&path).map_err(|cause| Error::io(&path, cause))?;
        Ok(Add {
            path: file.name.clone(),
            partition_values: HashMap::new(),
            size: i64::try_from(file.size).unwrap_or(i64::MAX),
            modification_time: millis(&metadata),
            data_change,
            stats: Some(file.stats.clone()),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }

    fn remove(&self, file: &DataFile, data_change: bool) -> Result<Remove> {
        let log = self.folder.join("_delta_log");
        let metadata = std::fs::metadata(&log).map_err(|cause| Error::io(&log, cause))?;
        Ok(Remove {
            path: file.name.clone(),
            data_change,
            // The engine has no clock; the log was last changed by the commit before this one.
            deletion_timestamp: Some(millis(&metadata)),
            extended_file_metadata: Some(true),
            partition_values: Some(HashMap::new()),
            size: i64::try_from(file.size).ok(),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
        })
    }
}

/// Writes a data file, down to the disk. `place` stands before the digest of its content in its
/// name, and puts the files of a table in an order.
///
/// # Errors
/// When the disk refuses; nothing is left behind then.
pub(super) fn write(folder: &Path, bytes: &[u8], stats: String, place: u64) -> Result<DataFile> {
    let digest = Digest::of_bytes(bytes);
    let name = format!("{place:012}-{digest}{ENDING}");
    let path = folder.join(&name);
    let part = folder.join(format!(".{digest}.part"));
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, &path));
    if let Err(cause) = written {
        // The first error is the one to tell; what is left behind is only a part.
        let _ = std::fs::remove_file(&part);
        return Err(Error::io(&path, cause));
    }
    Ok(DataFile { name, size: bytes.len() as u64, stats })
}

/// Brings a commit down to the disk, and writes the digest of its log file beside it.
fn seal(folder: &Path, version: u64) -> Result<()> {
    let path = log_file(folder, version);
    let (digest, _) = Digest::of_file(&path)?;
    File::open(&path).and_then(|file| file.sync_all()).map_err(|cause| Error::io(&path, cause))?;
    let seal = seal_of(&path);
    std::fs::write(&seal, digest.to_string()).map_err(|cause| Error::io(&seal, cause))
}

/// Log files of a table that are not what they were when they were written. A process that was
/// killed right after a commit has left a log file without a digest; that is no fault.
pub(super) fn broken_logs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut broken = Vec::new();
    for version in 0.. {
        let path = log_file(folder, version);
        if !path.is_file() {
            break;
        }
        let seal = seal_of(&path);
        if seal.is_file() {
            let text = std::fs::read(&seal).map_err(|cause| Error::io(&seal, cause))?;
            if text != Digest::of_file(&path)?.0.to_string().as_bytes() {
                broken.push(path);
            }
        }
    }
    Ok(broken)
}

fn log_file(folder: &Path, version: u64) -> PathBuf {
    folder.join("_delta_log").join(format!("{version:020}.json"))
}

/// Hidden, so that readers of Delta logs pass it by.
fn seal_of(log: &Path) -> PathBuf {
    let name = log.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    log.with_file_name(format!(".{name}.xxh3"))
}

fn millis(metadata: &std::fs::Metadata) -> i64 {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    modified.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0)
}

/// Waits for what `deltalake` does on threads of its own, of which there are two for the whole
/// process. The caller may be a thread that must not wait; then another one does.
fn wait<T: Send>(future: impl Future<Output = T> + Send) -> Result<T> {
    static THREADS: OnceLock<Runtime> = OnceLock::new();
    let failed = |cause| Error::new(Kind::Io, format!("no threads for the store: {cause}"));
    let threads = match THREADS.get() {
        Some(threads) => threads,
        None => {
            let builder = &mut tokio::runtime::Builder::new_multi_thread();
            let threads = builder.worker_threads(2).enable_all().build().map_err(failed)?;
            THREADS.get_or_init(|| threads)
        }
    };
    if Handle::try_current().is_err() {
        return Ok(threads.block_on(future));
    }
    let waited = std::thread::scope(|scope| scope.spawn(|| threads.block_on(future)).join());
    waited.map_err(|_| Error::internal("a thread of the store has failed"))
}

fn location(folder: &Path) -> Result<&str> {
    folder.to_str().ok_or_else(|| {
        Error::input("the path of the store is not valid UTF-8").with("file", folder.display())
    })
}

fn conflict_or(folder: &Path, cause: DeltaTableError) -> Error {
    match cause {
        DeltaTableError::VersionAlreadyExists(_)
        | DeltaTableError::Transaction {
            source:
                TransactionError::MaxCommitAttempts(_)
                | TransactionError::CommitConflict(_)
                | TransactionError::VersionAlreadyExists(_),
        } => Error::new(Kind::Io, "another process has changed the store meanwhile")
            .with("file", folder.display())
            .with("help", "nothing was lost or counted twice; run the command again"),
        cause => failed(folder, cause),
    }
}

fn failed(folder: &Path, cause: DeltaTableError) -> Error {
    Error::new(Kind::Io, format!("the store cannot be used: {cause}"))
        .with("file", folder.display())
        .caused_by(cause)
}
