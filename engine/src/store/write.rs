//! Writes the next version of a store: first the data files, then the commits.

use std::sync::atomic::Ordering;

use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::activity::{ActivityRow, Series, write_rows};
use super::checksums::finish;
use super::delta::{self, DataFile, Table};
use super::ledger::{self, Entry};
use super::state::{STATE_KEY, State};
use super::stored_ids::StoredIds;
use super::{
    ACTIVITY, FILES, FIRST_PING_TABLE, FORMAT_KEY, Files, MONTHS, SIDE_TABLES, SortedValues, Store,
    StoredUpload, USERS, create_table, format, months, side_tables, tables,
};
use crate::{Error, Result};

/// Data files that one process can write for one version.
const MAX_FILES_PER_VERSION: u64 = 1_000_000;
/// Compression of what is written in a hurry, and of what is written to stay.
pub(super) const FAST_LEVEL: i32 = 3;
pub(super) const BEST_LEVEL: i32 = 9;

/// Data files that were written and belong to no version yet.
#[derive(Clone, Debug, Default)]
pub struct WrittenFiles {
    pub(super) activity: Vec<DataFile>,
    pub(super) months: Vec<DataFile>,
    pub(super) ping_uploads: Vec<DataFile>,
    pub(super) ping_values: Vec<DataFile>,
}

impl WrittenFiles {
    /// Takes in those of another part.
    pub fn append(&mut self, mut other: Self) {
        self.activity.append(&mut other.activity);
        self.months.append(&mut other.months);
        self.ping_uploads.append(&mut other.ping_uploads);
        self.ping_values.append(&mut other.ping_values);
    }
}

impl Store {
    /// Writes rows as data files that no version has yet; hand them to [`commit`](Self::commit).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, series: &[Series], rows: &mut [ActivityRow]) -> Result<WrittenFiles> {
        self.write_at(FAST_LEVEL, series, rows)
    }

    /// Like [`write`](Self::write), at this level of compression.
    pub(super) fn write_at(
        &self,
        level: i32,
        series: &[Series],
        rows: &mut [ActivityRow],
    ) -> Result<WrittenFiles> {
        if rows.is_empty() {
            return Ok(WrittenFiles::default());
        }
        let storage = self.storage.child(ACTIVITY);
        let number = || self.next_number();
        let activity = write_rows(&storage, &self.dimensions, series, rows, level, &number)?;
        let months = self.write_batches(MONTHS, &months::of_rows(rows)?, &number(), level)?;
        Ok(WrittenFiles { activity, months: vec![months], ..WrittenFiles::default() })
    }

    /// Writes uploads and their values as data files that no version has yet; hand them to
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write_pings(
        &self,
        uploads: &[StoredUpload],
        values: &SortedValues,
    ) -> Result<WrittenFiles> {
        if !self.has_pings() {
            for (name, _) in &SIDE_TABLES[FIRST_PING_TABLE..] {
                create_table(&self.storage, name, &self.dimensions)?;
            }
        }
        Ok(WrittenFiles {
            ping_uploads: vec![self.write_uploads(uploads, FAST_LEVEL)?],
            ping_values: self.write_values(values, FAST_LEVEL)?,
            ..WrittenFiles::default()
        })
    }

    /// Makes the next version: these data files more, the ids that were assigned since, and
    /// these entries of the ledger, of which there must be one. All of it is there afterwards, or nothing.
    ///
    /// # Errors
    /// When the disk refuses, or another process has made a version meanwhile.
    pub fn commit(
        &mut self,
        written: WrittenFiles,
        ids: &mut StoredIds,
        entries: Vec<Entry>,
    ) -> Result<u64> {
        let mut activity = self.activity.clone();
        activity.extend(by_name(written.activity));
        let mut months = self.months.clone();
        months.extend(by_name(written.months));
        let mut users = self.users.clone();
        let fresh = ids.unsaved()?;
        if !fresh.is_empty() {
            let file = self.write_batches(
                USERS,
                &fresh,
                &self.users_number(self.assigned_ids()),
                FAST_LEVEL,
            )?;
            users.insert(file.name.clone(), file);
        }
        let mut files = self.files.clone();
        let batch = [ledger::write(&entries)?];
        let file = self.write_batches(FILES, &batch, &self.next_number(), FAST_LEVEL)?;
        files.insert(file.name.clone(), file);
        let mut ping_uploads = self.ping_uploads.clone();
        ping_uploads.extend(by_name(written.ping_uploads));
        let mut ping_values = self.ping_values.clone();
        ping_values.extend(by_name(written.ping_values));
        self.publish(activity, [users, files, months, ping_uploads, ping_values], false)?;
        ids.mark_saved();
        for entry in entries {
            let is_of_pings = entry.is_of_pings();
            if is_of_pings { &mut self.ping_ledger } else { &mut self.ledger }.push(entry);
        }
        Ok(self.version)
    }

    /// The commits, `activity` last: it makes the others visible. `same_rows` if these are the same
    /// rows in other files.
    pub(super) fn publish(
        &mut self,
        activity: Files,
        sides: [Files; 5],
        same_rows: bool,
    ) -> Result<()> {
        let mut txn_versions = self.txn_versions;
        let has_pings = self.has_pings() || !sides[FIRST_PING_TABLE].is_empty();
        for (at, ((name, _), wanted)) in SIDE_TABLES.into_iter().zip(&sides).enumerate() {
            if wanted != self.sides()[at] {
                let mut table = Table::load(&self.storage.child(name), None)?;
                txn_versions[at] = table.commit(wanted, &[], same_rows, &[], None)?;
            }
        }
        let mut table = Table::load(&self.storage.child(ACTIVITY), None)?;
        if table.version() != self.version {
            return Err(delta::conflict(&self.storage));
        }
        let notes = SIDE_TABLES.iter().map(|(_, note)| *note).zip(txn_versions);
        let notes: Vec<(&str, u64)> = notes.take(side_tables(has_pings)).collect();
        let state = State {
            version: self.version + 1,
            format: format(has_pings),
            dimensions: &self.dimensions,
            space: &self.space,
            txn_versions: &txn_versions[..side_tables(has_pings)],
            tables: tables(&activity, sides.each_ref(), has_pings),
        };
        let properties =
            [(FORMAT_KEY, format(has_pings).to_owned()), (STATE_KEY, state.to_string())];
        self.version = table.commit(&activity, &notes, same_rows, &properties, None)?;
        (self.activity, self.txn_versions) = (activity, txn_versions);
        [self.users, self.files, self.months, self.ping_uploads, self.ping_values] = sides;
        Ok(())
    }

    /// A number for a new data file: no other file of any version has it, so two files with the
    /// same content, which count twice, are two files.
    pub(super) fn next_number(&self) -> String {
        let written = self.written.fetch_add(1, Ordering::Relaxed);
        format!("{:012}", self.first_number() + written)
    }

    /// The number of the first data file that this version can be followed by.
    fn first_number(&self) -> u64 {
        (self.version + 1) * MAX_FILES_PER_VERSION
    }

    /// Number of a file of `users`: how many ids come before it, so that the files are read in
    /// their order, and its own.
    pub(super) fn users_number(&self, before: u64) -> String {
        format!("{before:012}-{}", self.next_number())
    }

    /// Skips the numbers of data files that earlier processes have left where no lock keeps
    /// writers apart: another process may be about to [delete](Self::vacuum) them, and must not delete
    /// one that was written again.
    pub(super) fn skip_used_numbers(&self) -> Result<()> {
        if self.storage.local_folder().is_some() {
            return Ok(());
        }
        let own = self.first_number()..self.first_number() + MAX_FILES_PER_VERSION;
        for (table, _) in self.tables() {
            for item in self.storage.child(table).list()? {
                let numbers = item.name.split('-').filter_map(|part| part.parse::<u64>().ok());
                for number in numbers.filter(|number| own.contains(number)) {
                    self.written.fetch_max(number + 1 - own.start, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }

    pub(super) fn write_batches(
        &self,
        table: &str,
        batches: &[RecordBatch],
        number: &str,
        level: i32,
    ) -> Result<DataFile> {
        let broken = |cause: parquet::errors::ParquetError| {
            Error::internal(format!("cannot write a data file: {cause}"))
        };
        let schema = batches.first().map(RecordBatch::schema);
        let schema = schema.ok_or_else(|| Error::internal("an empty data file"))?;
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
        let mut writer =
            ArrowWriter::try_new_with_options(Vec::new(), schema, options).map_err(broken)?;
        for batch in batches {
            writer.write(batch).map_err(broken)?;
            if table == MONTHS {
                // One set is worth a row group: it is read alone.
                writer.flush().map_err(broken)?;
            }
        }
        let bytes = finish(writer).map_err(broken)?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let stats = format!("{{\"numRecords\":{rows}}}");
        delta::write(&self.storage.child(table), bytes, stats, number)
    }
}

pub(super) fn by_name(files: Vec<DataFile>) -> Files {
    files.into_iter().map(|file| (file.name.clone(), file)).collect()
}
