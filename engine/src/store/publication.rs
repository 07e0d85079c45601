//! A publication: a table of rows for other programs, and text files that describe it, in a folder or
//! an object store.
//!
//! | file | content |
//! |---|---|
//! | `publication.txt` | the format of the table; says that the folder is a publication |
//! | `NAME.parquet`, or the Delta table `NAME` | the rows |
//! | others | texts of the caller |
//!
//! Each publication replaces the rows as a whole, by one rename or one commit: readers have the earlier
//! rows or the new ones. Before that everything is on the disk, so that what can fail fails while the
//! earlier rows are there. Rows and texts that are the same as before are not written again.
//!
//! A data file that a commit replaces stays for an hour at least, for readers that have opened the table
//! before. Text files are replaced one by one, right before the rows.

use std::collections::BTreeSet;

use arrow::datatypes::SchemaRef;

use super::checksums::file_name;
use super::data_file::{self, DataFile, by_name};
use super::delta::{self, Table};
use super::lock::Lock;
use crate::storage::{Digest, Staged, Storage};
use crate::words::words;
use crate::{Error, Result};

/// The file that says what the folder is.
const MARK: &str = "publication.txt";
/// Files of a publication that was killed before it wrote [`MARK`].
const BEFORE_MARK: [&str; 2] = ["lock", ".publication.txt.part"];
/// What the names of the table's data files begin with: the same rows have the same name.
const DATA_FILE: &str = "rows";
/// Milliseconds for which replaced data files stay.
const KEPT_FOR: i64 = 60 * 60 * 1000;

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// One Parquet file.
    Parquet,
    /// A Delta Lake table.
    Delta,
}

words!(TableFormat, "format", Parquet = "parquet", Delta = "delta");

/// A table of rows.
#[derive(Debug)]
pub struct PublishedRows {
    /// Name of the table.
    pub name: &'static str,
    /// What the table is, for readers of the Delta log.
    pub comment: &'static str,
    /// Its columns.
    pub schema: SchemaRef,
    /// How many rows there are.
    pub rows: u64,
    /// A Parquet file with all rows.
    pub bytes: Vec<u8>,
}

/// Where rows are published, and how.
#[derive(Debug)]
pub struct Publication {
    storage: Storage,
    format: TableFormat,
}

impl Publication {
    /// A place that is empty or has an earlier publication in the same format. Nothing is written yet.
    ///
    /// # Errors
    /// When it has something else, or is out of reach.
    pub fn new(storage: Storage, format: TableFormat) -> Result<Self> {
        let publication = Self { storage, format };
        publication.check()?;
        Ok(publication)
    }

    /// Path or address of a table.
    pub fn address(&self, name: &str) -> String {
        self.storage.address(&match self.format {
            TableFormat::Parquet => parquet_file(name),
            TableFormat::Delta => name.to_owned(),
        })
    }

    /// Replaces the rows and the text files of an earlier publication; true if any of them changed.
    /// Texts are named by their path, which has at most one folder. If another process is
    /// publishing to the same folder, `waiting` is called, and this one goes on after it.
    ///
    /// # Errors
    /// When the disk or the object store refuses; the rows are the earlier ones then. In an object
    /// store also when another process has published meanwhile.
    pub fn replace(
        &self,
        rows: PublishedRows,
        texts: Vec<(&str, String)>,
        waiting: impl FnOnce(),
    ) -> Result<bool> {
        self.storage.create_folder()?;
        let _lock = Lock::take(&self.storage, waiting)?;
        if !self.check()? {
            self.storage.write(MARK, self.mark().into_bytes())?;
        }
        let mut staged = Vec::new();
        for (name, text) in texts {
            if let Some((folder, _)) = name.split_once('/') {
                self.storage.child(folder).create_folder()?;
            }
            staged.extend(stage_change(&self.storage, name, text.into_bytes())?);
        }
        let new_rows = match self.format {
            TableFormat::Parquet => {
                let name = parquet_file(rows.name);
                stage_change(&self.storage, &name, rows.bytes)?.map(NewRows::File)
            }
            TableFormat::Delta => stage_version(&self.storage, rows)?,
        };
        let changed = !staged.is_empty() || new_rows.is_some();
        staged.into_iter().try_for_each(Staged::commit)?;
        if let Some(rows) = new_rows {
            rows.commit()?;
        }
        Ok(changed)
    }

    /// Whether there is an earlier publication.
    fn check(&self) -> Result<bool> {
        let Self { storage, .. } = self;
        let not_usable = |what: &str, help: &str| {
            Err(Error::input(what).with("file", storage).with("help", help))
        };
        if storage.exists(MARK)? {
            return match *storage.read(MARK)? == *self.mark().as_bytes() {
                true => Ok(true),
                false => not_usable(
                    "the earlier publication in this folder has another format",
                    "use its format (`publication.txt` names it), or publish to another folder",
                ),
            };
        }
        match storage.may_exist() && storage.names()?.iter().any(|name| !is_before_mark(name)) {
            false => Ok(false),
            true => not_usable(
                "the output folder has other files than those of a publication",
                "publish to a folder that is new or empty",
            ),
        }
    }

    fn mark(&self) -> String {
        format!("A publication of headcount. format: {}\n", self.format)
    }
}

/// Rows that are written, and visible after [`commit`](Self::commit).
enum NewRows {
    File(Staged),
    /// The first version of a Delta table.
    Table {
        storage: Storage,
        rows: PublishedRows,
        file: DataFile,
    },
    /// The next version, with its columns if they are others than before.
    Version {
        storage: Storage,
        table: Table,
        rows: PublishedRows,
        file: DataFile,
    },
}

impl NewRows {
    fn commit(self) -> Result<()> {
        match self {
            Self::File(file) => file.commit(),
            Self::Table { storage, rows, file } => {
                let files = [file];
                Table::create(&storage, &rows.schema, rows.comment, &[], &files)?;
                let [file] = files;
                match Table::load(&storage, None)?.files()?.contains_key(&file.name) {
                    true => Ok(()),
                    false => Err(delta::conflict(&storage)),
                }
            }
            Self::Version { storage, mut table, rows, file } => {
                let new_schema = (!table.has_schema(&rows.schema)?).then_some(&*rows.schema);
                table.commit(&by_name(vec![file]), &[], false, &[], new_schema)?;
                delete_replaced(&storage, &table)
            }
        }
    }
}

/// Writes a file that is not visible yet; `None` if it is there already with these bytes.
fn stage_change(storage: &Storage, name: &str, bytes: Vec<u8>) -> Result<Option<Staged>> {
    let found = if storage.may_exist() { storage.digest(name)? } else { None };
    match found.is_some_and(|(digest, _)| digest == Digest::of_bytes(&bytes)) {
        true => Ok(None),
        false => storage.stage(name, bytes).map(Some),
    }
}

/// Writes a data file that no version has; `None` if the newest version has it.
fn stage_version(storage: &Storage, mut rows: PublishedRows) -> Result<Option<NewRows>> {
    let storage = storage.child(rows.name);
    storage.create_folder()?;
    let table = Table::exists(&storage)?.then(|| Table::load(&storage, None)).transpose()?;
    // The bytes have the names of the columns, too.
    if let Some(table) = &table
        && table.files()?.keys().eq(&file_name(DATA_FILE, &rows.bytes))
    {
        return Ok(None);
    }
    let stats = format!("{{\"numRecords\":{}}}", rows.rows);
    let file = data_file::write(&storage, std::mem::take(&mut rows.bytes), stats, DATA_FILE)?;
    Ok(Some(match table {
        None => NewRows::Table { storage, rows, file },
        Some(table) => NewRows::Version { storage, table, rows, file },
    }))
}

/// Deletes data files that were replaced an hour before the newest version or earlier.
fn delete_replaced(storage: &Storage, newest: &Table) -> Result<()> {
    let mut version = newest.version();
    let mut kept: BTreeSet<String> = newest.files()?.into_keys().collect();
    let oldest = newest.modified(version)? - KEPT_FOR;
    // A version replaces the files of the one before it.
    while version > 0 && newest.modified(version)? > oldest {
        version -= 1;
        kept.extend(Table::load(storage, Some(version))?.files()?.into_keys());
    }
    let items = storage.list()?;
    // Younger ones may belong to a publication that is not committed yet.
    let mut old = items.iter().filter(|item| item.modified <= oldest && !kept.contains(&item.name));
    old.try_for_each(|item| storage.delete(&item.name))
}

fn is_before_mark(name: &str) -> bool {
    BEFORE_MARK.contains(&name)
}

fn parquet_file(name: &str) -> String {
    format!("{name}.parquet")
}
