//! Compaction, vacuum and export. None of it changes a result.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::activity::{ActivityRow, Series};
use super::checksums::Checksums;
use super::data_file::{by_name, each_batch};
use super::file::DataReader;
use super::layout::{ACTIVITY, FILES, USERS, tables};
use super::ledger::{self, Entry};
use super::row_keys::{RowKeys, user_counts, users};
use super::snapshot::Store;
use super::write::BEST_LEVEL;
use crate::calendar::Day;
use crate::storage::Item;
use crate::users::portable;
use crate::{Error, Result};

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VacuumReport {
    /// Files deleted.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Files that are not needed, but too young to be deleted.
    pub young: u64,
}

impl Store {
    /// Makes a version with the same content in fewer files: the rows of each shard united, at the
    /// best compression. False if there was nothing to do.
    ///
    /// # Errors
    /// When a data file has changed since it was written, the disk refuses, or another process has made a version meanwhile.
    pub fn compact(&mut self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<bool> {
        // Files of earlier versions have no checksums, and get them.
        let checked = self
            .tables()
            .iter()
            .all(|(_, files)| files.keys().all(|name| Checksums::of_footer(name).is_some()));
        let is_small = self.files.len() == 1 && self.ping_uploads.len() <= 1;
        if self.files.is_empty() || is_small && checked {
            return Ok(false);
        }
        self.skip_used_numbers()?;
        let (series, mut rows) = self.merge_rows(progress)?;
        let written = self.write_at(BEST_LEVEL, &series, &mut rows)?;
        let mut users = self.users.clone();
        if users.len() > 1 || !checked && !users.is_empty() {
            let mut batches = Vec::new();
            for file in self.users.values() {
                each_batch(&self.storage.child(USERS), file, |batch| {
                    batches.push(batch.clone());
                    Ok(())
                })?;
            }
            let file = self.write_batches(USERS, &batches, &self.users_number(0), BEST_LEVEL)?;
            users = by_name(vec![file]);
        }
        let entries: Vec<Entry> = self.ledger.iter().chain(&self.ping_ledger).cloned().collect();
        let batch = [ledger::write(&entries)?];
        let file = self.write_batches(FILES, &batch, &self.next_number(), BEST_LEVEL)?;
        let files = by_name(vec![file]);
        let (activity, months) = (by_name(written.activity), by_name(written.months));
        let [ping_uploads, ping_values] = self.merge_pings(BEST_LEVEL)?;
        self.publish(activity, [users, files, months, ping_uploads, ping_values], true)?;
        Ok(true)
    }

    /// Deletes data files that this version does not need: those of older versions, which cannot
    /// be read any more then, and what killed processes left. No lock keeps writers away from an
    /// object store, so there only files written before `before` (milliseconds since 1970) are
    /// deleted: younger ones may belong to an ingest that is at work.
    ///
    /// # Errors
    /// When the storage cannot be read, or the disk or the object store refuses.
    pub fn vacuum(&self, before: i64) -> Result<VacuumReport> {
        let mut report = VacuumReport::default();
        let mut old = Vec::new();
        for (table, item) in self.unused()? {
            let is_young = self.storage.local_folder().is_none() && item.modified >= before;
            if is_young {
                report.young += 1;
            } else {
                report.files += 1;
                report.bytes += item.size;
                old.push((self.storage.child(table), item.name));
            }
        }
        old.par_iter().try_for_each(|(storage, name)| storage.delete(name))?;
        Ok(report)
    }

    /// Data files that this version does not need, with their tables.
    ///
    /// # Errors
    /// When the storage cannot be read.
    pub fn unused(&self) -> Result<Vec<(&'static str, Item)>> {
        let mut unused = Vec::new();
        // Also those of tables that no version has yet.
        for (table, files) in tables(&self.activity, self.sides(), true) {
            let storage = self.storage.child(table);
            if !storage.may_exist() {
                continue;
            }
            let items = storage.list()?.into_iter();
            let items = items.filter(|item| !files.contains_key(&item.name));
            unused.extend(items.map(|item| (table, item)));
        }
        Ok(unused)
    }

    /// Copies this version out of the log's keeping: a folder of plain Parquet files for each
    /// table, each row once. Returns files and bytes.
    ///
    /// # Errors
    /// When the folder exists already, a data file is broken, or the disk or the object store refuses.
    pub fn export(&self, to: &Path) -> Result<(u64, u64)> {
        if to.exists() {
            return Err(Error::input("the output folder already exists")
                .with("file", to.display())
                .with("help", "choose a folder that does not exist"));
        }
        let (mut count, mut bytes) = (0, 0);
        for (table, files) in self.tables() {
            let (from, folder) = (self.storage.child(table), to.join(table));
            std::fs::create_dir_all(&folder).map_err(|cause| Error::io(&folder, cause))?;
            for file in files.values() {
                // What has changed since it was written is not handed on.
                file.verified_bytes(&from)?;
                count += 1;
                bytes += from.copy_out(&file.name, &folder.join(&file.name))?;
            }
        }
        Ok((count, bytes))
    }

    /// All rows, with those that are about the same thing made one.
    fn merge_rows(
        &self,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(Vec<Series>, Vec<ActivityRow>)> {
        let mut series_ids = BTreeMap::new();
        // By shard, day and series: sets, and events.
        type MergedSets = BTreeMap<(u32, Day, u32), (Vec<Vec<u8>>, u64)>;
        let mut merged_sets = MergedSets::new();
        let storage = self.storage.child(ACTIVITY);
        let total: u64 = self.activity.values().map(|file| file.rows).sum();
        let mut done = 0;
        for file in self.activity.values() {
            // A corrupt file would get a new, valid digest.
            file.verified_bytes(&storage)?;
            let reader = DataReader::open(&storage, file)?;
            self.each_row(&reader, &mut series_ids, |row| {
                let entry = merged_sets.entry((row.shard, row.day, row.series)).or_default();
                entry.0.push(row.users);
                entry.1 += row.event_count;
                done += 1;
                Ok(())
            })?;
            progress(done, total);
        }
        let rows: Result<Vec<ActivityRow>> = merged_sets
            .into_iter()
            .map(|((shard, day, series), (sets, event_count))| {
                let ids = portable::union(sets.iter().map(Vec::as_slice))?;
                let (users, user_count) = (portable::encode(&ids)?, ids.len() as u64);
                Ok(ActivityRow { shard, day, series, users, user_count, event_count })
            })
            .collect();
        Ok((series_by_id(series_ids), rows?))
    }

    /// Calls `each` with every row of a data file, with its stored set; `series_ids` gets the
    /// series that it did not have.
    fn each_row(
        &self,
        reader: &DataReader,
        series_ids: &mut BTreeMap<Series, u32>,
        mut each: impl FnMut(ActivityRow) -> Result<()>,
    ) -> Result<()> {
        for group in 0..reader.groups() {
            let keys = RowKeys::read(reader, group, &self.dimensions)?;
            let (sets, counts) = (users(reader, group)?, user_counts(reader, group)?);
            for (at, user_count) in counts.into_iter().enumerate() {
                let next = series_ids.len() as u32;
                each(ActivityRow {
                    shard: keys.shards()[at] as u32,
                    day: Day::new(keys.days()[at]),
                    series: *series_ids.entry(keys.series(at)).or_insert(next),
                    users: sets.value(at).to_vec(),
                    user_count,
                    event_count: keys.events(at),
                })?;
            }
        }
        Ok(())
    }
}

/// Series in the order of their ids.
fn series_by_id(series_ids: BTreeMap<Series, u32>) -> Vec<Series> {
    let mut series: Vec<(Series, u32)> = series_ids.into_iter().collect();
    series.sort_unstable_by_key(|(_, position)| *position);
    series.into_iter().map(|(series, _)| series).collect()
}
