//! The roll-up on disk: what is left of events when only "who, what, when" is asked.
//!
//! Four Delta Lake tables in one folder, readable by everything that reads Delta:
//!
//! | table | a row is | columns |
//! |---|---|---|
//! | `activity` | the users of one (day, source, event, dimension values) in one shard | `day, source, event,` one for each dimension`, shard, users, user_count, event_count` |
//! | `users` | a person whose key is not its own number | `scope, kind, key, number` |
//! | `months` | everybody who did anything in a month, in one shard: the union of `activity` | `month, shard, users, user_count` |
//! | `files` | a file of events that was ingested | `source, name, hash, size, modified_ns, events, rejected, first, last, rejects, settings` |
//!
//! `users` is a Roaring bitmap in the portable format. Several rows may be about the same thing,
//! when files came one after the other: their union counts. Different shards hold different
//! people, so counts of shards add.
//!
//! **Exactly once.** A version of the store is a version of `activity`. Its commit notes (as Delta
//! application transactions, `headcount.users` and so on) which versions of the three other tables
//! belong to it. These are committed first; the commit of `activity` then makes all
//! of it visible at once, users, numbers and ledger. What a killed process has committed or
//! written before that is seen by nobody, and the next commit leaves it out. So a file is in the
//! ledger exactly if its events are in `activity`, whenever the power goes.
//!
//! One process writes at a time ([`Lock`]). Where the lock does not reach, as on some network file
//! systems, a commit on a version that is no longer the newest fails, and nothing has happened.
//!
//! **Older versions** stay readable as long as their data files are there: nothing but
//! [`Store::sweep`] deletes one.

mod activity;
mod bitmap;
mod delta;
mod file;
mod hash;
mod ledger;
mod lock;
mod marks;
mod months;
mod people;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::{StructField, StructType};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::{Error, Kind, Result};
use delta::Table;

pub use activity::{About, FIRST_GIVEN, Row, SHARD_BITS, Series, shard_of, users};
pub use bitmap::{Container, containers, encode, numbers};
pub use delta::DataFile;
pub use file::DataReader;
pub use hash::Digest;
pub use ledger::{Entry, Reject, rejects};
pub use lock::Lock;
pub use marks::Marks;
pub use months::{MonthOf, months};
pub use people::{PARTS, People};
pub use verify::{Fault, Verified};

/// Version of the layout that this program writes and reads.
const FORMAT: &str = "1";
const FORMAT_KEY: &str = "headcount.format";
const ACTIVITY: &str = "activity";
const USERS: &str = "users";
const FILES: &str = "files";
const MONTHS: &str = "months";
/// The tables beside `activity`, and the names under which its commits note their versions.
const SIDES: [(&str, &str); 3] =
    [(USERS, "headcount.users"), (FILES, "headcount.files"), (MONTHS, "headcount.months")];
/// Compression of what is written in a hurry, and of what is written to stay.
const FAST: i32 = 3;
const SMALL: i32 = 9;

/// Data files of a table, by name.
type Files = BTreeMap<String, DataFile>;

/// A store at one of its versions.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    dimensions: Vec<String>,
    version: u64,
    activity: Files,
    users: Files,
    files: Files,
    months: Files,
    /// Versions of [`SIDES`].
    notes: [u64; 3],
    ledger: Vec<Entry>,
    /// Data files written so far, to tell them apart.
    written: AtomicU64,
}

/// Data files that were written and belong to no version yet.
#[derive(Clone, Debug, Default)]
pub struct Written {
    activity: Vec<DataFile>,
    months: Vec<DataFile>,
}

impl Written {
    /// Takes in those of another part.
    pub fn append(&mut self, mut other: Self) {
        self.activity.append(&mut other.activity);
        self.months.append(&mut other.months);
    }
}

impl Store {
    /// Opens the newest version, or an older one; `None` if there is no store yet.
    ///
    /// # Errors
    /// When the store is broken, or made by a newer program.
    pub fn open(root: &Path, version: Option<u64>) -> Result<Option<Self>> {
        local(root)?;
        let at = |table: &str| root.join(table);
        if !Table::exists(&at(ACTIVITY)) {
            return Ok(None);
        }
        let activity = Table::load(&at(ACTIVITY), version)?;
        let format = activity.property(FORMAT_KEY)?.unwrap_or_default();
        if format != FORMAT {
            return Err(Error::input(format!("the store has format `{format}`, not `{FORMAT}`"))
                .with("file", root.display())
                .with("help", "use the version of headcount that made it, or a newer one"));
        }
        let columns = activity.columns()?;
        let around = activity::BEFORE.len() + activity::AFTER.len();
        if columns.len() < around {
            return Err(
                Error::input("the table `activity` lacks columns").with("file", root.display())
            );
        }
        let last = columns.len() - activity::AFTER.len();
        let side = |(name, note): &(&str, &str)| -> Result<(u64, Files)> {
            let noted = activity.noted(note)?;
            Ok((noted, Table::load(&at(name), Some(noted))?.files()?))
        };
        let sides: Vec<(u64, Files)> = SIDES.par_iter().map(side).collect::<Result<_>>()?;
        let sides: [(u64, Files); 3] =
            sides.try_into().map_err(|_| Error::internal("a side table is missing"))?;
        let [(users_at, users), (files_at, files), (months_at, months)] = sides;
        let mut store = Self {
            root: root.to_owned(),
            dimensions: columns[activity::BEFORE.len()..last].to_vec(),
            version: activity.version(),
            activity: activity.files()?,
            users,
            files,
            months,
            notes: [users_at, files_at, months_at],
            ledger: Vec::new(),
            written: AtomicU64::new(0),
        };
        store.ledger = store.read_ledger()?;
        Ok(Some(store))
    }

    /// Makes the folder of a store, if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made, or is none on this machine.
    pub fn make_room(root: &Path) -> Result<()> {
        local(root)?;
        std::fs::create_dir_all(root).map_err(|cause| Error::io(root, cause))
    }

    /// Opens the store, or makes an empty one. `dimensions` only matter to a new one.
    ///
    /// # Errors
    /// When the folder cannot be written, or a dimension has the name of another column.
    pub fn create(root: &Path, dimensions: &[String]) -> Result<Self> {
        local(root)?;
        let taken = activity::BEFORE.iter().chain(&activity::AFTER);
        if let Some(name) = taken.into_iter().find(|name| dimensions.iter().any(|d| d == *name)) {
            return Err(Error::input(format!("a dimension called `{name}` cannot be stored"))
                .with("help", "that is another column of the store; rename the dimension"));
        }
        // `activity` comes last: a store is there when it is.
        let tables = [
            (USERS, people::schema(), "Numbers of people whose keys are not their own numbers"),
            (FILES, ledger::schema(), "Files of events that were ingested"),
            (MONTHS, months::schema(), "Everybody who did anything, by month"),
            (ACTIVITY, activity::schema(dimensions), "Users by day, event and dimensions"),
        ];
        for (name, schema, comment) in tables {
            let folder = root.join(name);
            std::fs::create_dir_all(&folder).map_err(|cause| Error::io(&folder, cause))?;
            if !Table::exists(&folder) {
                let format = [(FORMAT_KEY, FORMAT.to_owned())];
                Table::create(&folder, fields(&schema)?, comment, &format)?;
            }
        }
        let opened = Self::open(root, None)?;
        opened.ok_or_else(|| Error::internal("the store that was just made is not there"))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
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

    /// Data files of the table `activity`.
    pub fn activity(&self) -> impl Iterator<Item = &DataFile> {
        self.activity.values()
    }

    /// Bytes of the data files of this version, by table.
    pub fn sizes(&self) -> [(&'static str, u64); 4] {
        let size = |files: &Files| files.values().map(|file| file.size).sum();
        self.tables().map(|(name, files)| (name, size(files)))
    }

    /// The tables and their data files.
    fn tables(&self) -> [(&'static str, &Files); 4] {
        [
            (ACTIVITY, &self.activity),
            (USERS, &self.users),
            (FILES, &self.files),
            (MONTHS, &self.months),
        ]
    }

    /// People in the numbering.
    pub fn numbered(&self) -> u64 {
        self.users.values().map(DataFile::rows).sum()
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
        let folder = self.root.join(table);
        let files: Vec<&DataFile> = files.values().collect();
        files.par_iter().map(|file| DataReader::open(&folder.join(&file.name))).collect()
    }

    /// Rows as if they were in files of the store: of `activity` and of `months`.
    ///
    /// # Errors
    /// When a count is beyond 2^63.
    pub fn in_memory(&self, series: &[Series], rows: &mut [Row]) -> Result<[DataReader; 2]> {
        let activity = activity::in_memory(&self.dimensions, series, rows)?;
        Ok([activity, months::in_memory(months::of_rows(rows)?)?])
    }

    /// The numbering.
    ///
    /// # Errors
    /// When it is broken.
    pub fn people(&self) -> Result<People> {
        let mut people = People::default();
        for file in self.users.values() {
            each_batch(&self.root.join(USERS), file, |batch| people.read(batch))?;
        }
        Ok(people)
    }

    /// Writes rows as data files that no version has yet; hand them to [`commit`](Self::commit).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, series: &[Series], rows: &mut [Row]) -> Result<Written> {
        self.write_at(series, rows, FAST)
    }

    fn write_at(&self, series: &[Series], rows: &mut [Row], level: i32) -> Result<Written> {
        if rows.is_empty() {
            return Ok(Written::default());
        }
        let folder = self.root.join(ACTIVITY);
        let place = || self.next_place();
        let activity =
            activity::write_rows(&folder, &self.dimensions, series, rows, level, &place)?;
        let months = self.write_batches(MONTHS, &months::of_rows(rows)?, place(), level)?;
        Ok(Written { activity, months: vec![months] })
    }

    /// Makes the next version: these data files more, the people that have got numbers since, and
    /// these entries of the ledger. All of it is there afterwards, or nothing.
    ///
    /// # Errors
    /// When the disk refuses, or another process has made a version meanwhile.
    pub fn commit(
        &mut self,
        written: Written,
        people: &mut People,
        entries: Vec<Entry>,
    ) -> Result<u64> {
        let mut activity = self.activity.clone();
        activity.extend(by_name(written.activity));
        let mut months = self.months.clone();
        months.extend(by_name(written.months));
        let mut users = self.users.clone();
        let fresh = people.fresh()?;
        if !fresh.is_empty() {
            let file = self.write_batches(USERS, &fresh, self.numbered(), FAST)?;
            users.insert(file.name.clone(), file);
        }
        let mut files = self.files.clone();
        let batch = [ledger::write(&entries)?];
        let file = self.write_batches(FILES, &batch, self.next_place(), FAST)?;
        files.insert(file.name.clone(), file);
        self.publish(activity, [users, files, months], false)?;
        people.saved();
        self.ledger.extend(entries);
        Ok(self.version)
    }

    /// Makes a version with the same content in fewer files: the rows of each shard united, at the
    /// best compression. False if there was nothing to do.
    ///
    /// # Errors
    /// When the disk refuses, or another process has made a version meanwhile.
    pub fn compact(&mut self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<bool> {
        if self.files.len() < 2 {
            return Ok(false);
        }
        let (series, mut rows) = self.united(progress)?;
        let written = self.write_at(&series, &mut rows, SMALL)?;
        let mut users = self.users.clone();
        if users.len() > 1 {
            let mut batches = Vec::new();
            for file in self.users.values() {
                each_batch(&self.root.join(USERS), file, |batch| {
                    batches.push(batch.clone());
                    Ok(())
                })?;
            }
            let file = self.write_batches(USERS, &batches, 0, SMALL)?;
            users = BTreeMap::from([(file.name.clone(), file)]);
        }
        let batch = [ledger::write(&self.ledger)?];
        let file = self.write_batches(FILES, &batch, self.next_place(), SMALL)?;
        let files = BTreeMap::from([(file.name.clone(), file)]);
        let (activity, months) = (by_name(written.activity), by_name(written.months));
        self.publish(activity, [users, files, months], true)?;
        Ok(true)
    }

    /// Deletes data files that this version does not need: those of older versions, which cannot
    /// be read any more then, and what killed processes left. Returns files and bytes.
    ///
    /// # Errors
    /// When the folder cannot be read, or the disk refuses.
    pub fn sweep(&self) -> Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        for (path, size) in self.unused()? {
            std::fs::remove_file(&path).map_err(|cause| Error::io(&path, cause))?;
            count += 1;
            bytes += size;
        }
        Ok((count, bytes))
    }

    /// Data files in the folders that this version does not need, with their sizes.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn unused(&self) -> Result<Vec<(PathBuf, u64)>> {
        let mut unused = Vec::new();
        for (table, files) in self.tables() {
            let folder = self.root.join(table);
            let failed = |cause| Error::io(&folder, cause);
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let metadata = entry.metadata().map_err(failed)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if metadata.is_file() && !files.contains_key(&name) {
                    unused.push((entry.path(), metadata.len()));
                }
            }
        }
        unused.sort();
        Ok(unused)
    }

    /// Copies this version out of the log's keeping: a folder of plain Parquet files for each
    /// table, each row once. Returns files and bytes.
    ///
    /// # Errors
    /// When the folder exists already, or the disk refuses.
    pub fn export(&self, to: &Path) -> Result<(u64, u64)> {
        if to.exists() {
            return Err(Error::input("there is something in this place already")
                .with("file", to.display())
                .with("help", "name a folder that does not exist yet"));
        }
        let (mut count, mut bytes) = (0, 0);
        for (table, files) in self.tables() {
            let folder = to.join(table);
            std::fs::create_dir_all(&folder).map_err(|cause| Error::io(&folder, cause))?;
            for name in files.keys() {
                let (from, to) = (self.root.join(table).join(name), folder.join(name));
                bytes += std::fs::copy(&from, &to).map_err(|cause| Error::io(&from, cause))?;
                count += 1;
            }
        }
        Ok((count, bytes))
    }

    /// The commits, `activity` last: it makes the others visible.
    fn publish(&mut self, activity: Files, sides: [Files; 3], rearranges: bool) -> Result<()> {
        let mut notes = self.notes;
        let before = [&self.users, &self.files, &self.months];
        for (at, ((name, _), wanted)) in SIDES.into_iter().zip(&sides).enumerate() {
            if wanted != before[at] {
                let mut table = Table::load(&self.root.join(name), None)?;
                notes[at] = table.commit(wanted, &[], rearranges)?;
            }
        }
        let mut table = Table::load(&self.root.join(ACTIVITY), None)?;
        if table.version() != self.version {
            return Err(Error::new(Kind::Io, "another process has changed the store meanwhile")
                .with("file", self.root.display())
                .with("help", "nothing was lost or counted twice; run the command again"));
        }
        let noted: Vec<(&str, u64)> =
            SIDES.iter().zip(notes).map(|((_, note), version)| (*note, version)).collect();
        self.version = table.commit(&activity, &noted, rearranges)?;
        (self.activity, self.notes) = (activity, notes);
        [self.users, self.files, self.months] = sides;
        Ok(())
    }

    /// All rows, with those that are about the same thing made one.
    fn united(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<(Vec<Series>, Vec<Row>)> {
        let mut places: BTreeMap<Series, u32> = BTreeMap::new();
        // By shard, day and series: sets, and events.
        type Parts = BTreeMap<(u32, i32, u32), (Vec<Vec<u8>>, u64)>;
        let mut parts = Parts::new();
        let readers = self.readers()?;
        let total: u64 = self.activity.values().map(DataFile::rows).sum();
        let mut done = 0;
        for reader in &readers {
            for group in 0..reader.groups() {
                let about = About::read(reader, group, &self.dimensions)?;
                let users = users(reader, group)?;
                for row in 0..about.len() {
                    let next = places.len() as u32;
                    let place = *places.entry(about.series(row)).or_insert(next);
                    let key = (about.shards()[row] as u32, about.days()[row], place);
                    let part = parts.entry(key).or_default();
                    part.0.push(users.value(row).to_vec());
                    part.1 += u64::try_from(about.events()[row]).unwrap_or(0);
                }
                done += about.len() as u64;
                progress(done, total);
            }
        }
        let mut series: Vec<(Series, u32)> = places.into_iter().collect();
        series.sort_unstable_by_key(|(_, place)| *place);
        let rows: Result<Vec<Row>> = parts
            .into_iter()
            .map(|((shard, day, series), (sets, event_count))| {
                let mut all = Vec::new();
                for set in &sets {
                    numbers(set, |number| all.push(number))?;
                }
                if sets.len() > 1 {
                    all.sort_unstable();
                    all.dedup();
                }
                let user_count = all.len() as u64;
                let day = crate::calendar::Day::new(day);
                Ok(Row { shard, day, series, users: encode(&all)?, user_count, event_count })
            })
            .collect();
        Ok((series.into_iter().map(|(series, _)| series).collect(), rows?))
    }

    /// A number for a new data file: no other file of any version has it, so two files with the
    /// same content, which count twice, are two files.
    fn next_place(&self) -> u64 {
        let written = self.written.fetch_add(1, Ordering::Relaxed);
        (self.version + 1) * 1_000_000 + written
    }

    fn read_ledger(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in self.files.values() {
            each_batch(&self.root.join(FILES), file, |batch| {
                entries.extend(ledger::read(batch)?);
                Ok(())
            })?;
        }
        Ok(entries)
    }

    fn write_batches(
        &self,
        table: &str,
        batches: &[RecordBatch],
        place: u64,
        level: i32,
    ) -> Result<DataFile> {
        let broken = |cause: parquet::errors::ParquetError| {
            Error::internal(format!("a data file cannot be written: {cause}"))
        };
        let schema = batches.first().map(RecordBatch::schema);
        let schema = schema.ok_or_else(|| Error::internal("a data file of nothing"))?;
        let level = ZstdLevel::try_new(level).map_err(broken)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            // Columns in which hardly a value comes twice.
            .set_column_dictionary_enabled("users".into(), false)
            .set_column_dictionary_enabled("key".into(), false)
            .set_column_dictionary_enabled("number".into(), false)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let options =
            ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new_with_options(&mut bytes, schema, options).map_err(broken)?;
        for batch in batches {
            writer.write(batch).map_err(broken)?;
            if table == MONTHS {
                // One set is worth a row group: it is read alone.
                writer.flush().map_err(broken)?;
            }
        }
        writer.close().map_err(broken)?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let stats = format!("{{\"numRecords\":{rows}}}");
        delta::write(&self.root.join(table), &bytes, stats, place)
    }
}

/// The dimensions of all sources, sorted.
pub fn dimensions_of(sources: &[crate::events::Source]) -> Vec<String> {
    let mut all = BTreeSet::new();
    for source in sources {
        all.extend(source.dimensions.iter().cloned());
        all.extend(source.deployment.as_ref().map(|_| crate::events::DEPLOYMENT.to_owned()));
    }
    all.into_iter().collect()
}

fn by_name(files: Vec<DataFile>) -> Files {
    files.into_iter().map(|file| (file.name.clone(), file)).collect()
}

/// Object stores need parts of the libraries that this program is built without.
fn local(root: &Path) -> Result<()> {
    let text = root.to_string_lossy();
    let scheme = text.split_once(":/").map(|(scheme, _)| scheme.rsplit('/').next().unwrap_or(""));
    match scheme {
        Some(scheme) if scheme.len() > 1 => {
            Err(Error::input(format!("this program is built without `{scheme}` stores"))
                .with("file", &text)
                .with("help", "name a local folder under `store:`"))
        }
        _ => Ok(()),
    }
}

fn fields(schema: &Schema) -> Result<Vec<StructField>> {
    let schema: StructType = schema
        .try_into_kernel()
        .map_err(|cause| Error::internal(format!("a schema that Delta does not know: {cause}")))?;
    Ok(schema.fields().cloned().collect())
}

/// Reads a small data file, after looking whether its bytes are what they were.
fn each_batch(
    folder: &Path,
    file: &DataFile,
    mut each: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let path = &folder.join(&file.name);
    if let Some(what) = file.fault(path) {
        return Err(Error::input(format!("broken data file: {what}")).with("file", path.display()));
    }
    let broken = |cause: &dyn std::fmt::Display| {
        Error::input(format!("broken data file: {cause}")).with("file", path.display())
    };
    let file = std::fs::File::open(path).map_err(|cause| Error::io(path, cause))?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .and_then(|builder| builder.with_batch_size(1 << 16).build())
        .map_err(|cause| broken(&cause))?;
    for batch in reader {
        each(&batch.map_err(|cause| broken(&cause))?)
            .map_err(|error| error.with("file", path.display()))?;
    }
    Ok(())
}
