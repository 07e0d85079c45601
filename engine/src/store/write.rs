//! Writes data files of the next version.

use std::sync::atomic::Ordering;

use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::activity::{self, ActivityRow, Series};
use super::checksums::finish;
use super::data_file::{self, DataFile};
use super::layout::{
    ACTIVITY, FIRST_PING_TABLE, MONTHS, PING_UPLOADS, PING_VALUES, SIDE_TABLES, create_table,
};
use super::months;
use super::ping_uploads::{self, StoredUpload};
use super::ping_values::{self, SortedValues};
use super::snapshot::Store;
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
        let activity =
            activity::write_rows(&storage, &self.dimensions, series, rows, level, &number)?;
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
            ping_uploads: vec![self.write_uploads(FAST_LEVEL, uploads)?],
            ping_values: self.write_values(FAST_LEVEL, values)?,
            ..WrittenFiles::default()
        })
    }

    /// Writes rows of `ping_uploads`, at this level of compression.
    pub(super) fn write_uploads(&self, level: i32, uploads: &[StoredUpload]) -> Result<DataFile> {
        let batches = ping_uploads::write(uploads)?;
        self.write_batches(PING_UPLOADS, &batches, &self.next_number(), level)
    }

    /// Writes rows of `ping_values`, at this level of compression.
    pub(super) fn write_values(&self, level: i32, values: &SortedValues) -> Result<Vec<DataFile>> {
        let storage = self.storage.child(PING_VALUES);
        ping_values::write_rows(&storage, values, level, &|| self.next_number())
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

    /// Writes batches as one data file of a table; its name has `number`.
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
        data_file::write(&self.storage.child(table), bytes, stats, number)
    }
}
