//! Checks all data files, sets, ids and logs of a version.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use roaring::RoaringBitmap;

use super::data_file::DataFile;
use super::delta::broken_logs;
use super::fault::{Fault, what_is_wrong};
use super::file::DataReader;
use super::layout::{ACTIVITY, MONTHS};
use super::months::months;
use super::row_keys::{RowKeys, user_counts, users};
use super::snapshot::Store;
use super::stored_ids::StoredIds;
use crate::Result;
use crate::calendar::{Day, Window};
use crate::storage::Storage;
use crate::users::{FIRST_ASSIGNED_SHARD, ID_SHARDS, portable, shard_ids};

/// What a version of a store holds, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// Data files read.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Sets of users.
    pub sets: u64,
    /// Events counted.
    pub events: u64,
    /// Users with an assigned id.
    pub assigned_ids: u64,
    /// Uploads of pings, refused ones too.
    pub uploads: u64,
    /// Values of pings.
    pub values: u64,
    /// Everything that is wrong; empty for a sound store.
    pub faults: Vec<Fault>,
}

impl Store {
    /// Reads every data file, every set and every value: digests, bitmaps, counts, shards, the ids,
    /// and the ledger against what was counted.
    ///
    /// # Errors
    /// When the machine refuses; what is wrong with the store is a [`Fault`].
    pub fn verify(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Verified> {
        let mut verified = Verified::default();
        let mut broken = BTreeSet::new();
        for (table, files) in self.tables() {
            let storage = self.storage.child(table);
            verified.faults.extend(broken_logs(&storage)?.into_iter().map(|file| Fault {
                file: Some(file),
                what: "this log file has changed since it was written".to_owned(),
            }));
            for file in files.values() {
                verified.files += 1;
                verified.bytes += file.size;
                if let Some(what) = file.fault(&storage)? {
                    // What is in it does not matter any more.
                    broken.insert(file.name.clone());
                    let file = Some(storage.address(&file.name));
                    verified.faults.push(Fault { file, what });
                }
            }
        }
        // The number of assigned ids of each shard; none if the table is corrupt.
        let known: Vec<u32> = match self.stored_ids() {
            Ok(ids) => (0..ID_SHARDS).map(|shard| ids.keys().shard(shard).len()).collect(),
            Err(error) => {
                verified.faults.push(Fault { file: None, what: what_is_wrong(error)? });
                vec![0; ID_SHARDS]
            }
        };
        verified.assigned_ids = known.iter().map(|count| u64::from(*count)).sum();
        let total: u64 = self.activity.values().map(|file| file.rows).sum();
        let done = std::sync::atomic::AtomicU64::new(0);
        let sound = |file: &&DataFile| !broken.contains(&file.name);
        let files: Vec<&DataFile> = self.activity.values().filter(sound).collect();
        let storage = self.storage.child(ACTIVITY);
        let parts: Vec<FileCheck> = files
            .into_par_iter()
            .map(|file| {
                let check = self.read_sets(&storage, file, &known);
                let rows = done.fetch_add(file.rows, std::sync::atomic::Ordering::Relaxed);
                progress(rows + file.rows, total);
                check
            })
            .collect::<Result<_>>()?;
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        let mut merged = Months::new();
        for check in parts {
            for (month, users) in check.months {
                *merged.entry(month).or_default() |= users;
            }
            verified.sets += check.sets;
            for (source, events) in check.events {
                *counted.entry(source).or_default() += events;
            }
            verified.faults.extend(check.faults);
        }
        verified.events = counted.values().sum();
        if broken.is_empty() {
            self.check_ledger(&counted, &mut verified.faults);
            self.check_months(merged, &mut verified.faults)?;
            self.check_pings(&mut verified.faults)?;
            verified.uploads = self.ping_uploads();
            verified.values = self.ping_values.values().map(|file| file.rows).sum();
        }
        Ok(verified)
    }

    /// The table `months` must be the union of the others, no more and no less.
    fn check_months(&self, merged: Months, faults: &mut Vec<Fault>) -> Result<()> {
        let storage = self.storage.child(MONTHS);
        let mut recorded = Months::new();
        for file in self.months.values() {
            if let Err(error) = read_months(&storage, file, &mut recorded) {
                let file = Some(storage.address(&file.name));
                faults.push(Fault { file, what: what_is_wrong(error)? });
            }
        }
        if recorded != merged {
            let what = "the table `months` is not the union of `activity`".to_owned();
            faults.push(Fault { file: None, what });
        }
        Ok(())
    }

    fn check_ledger(&self, counted: &BTreeMap<String, u64>, faults: &mut Vec<Fault>) {
        let mut fault = |what: String| faults.push(Fault { file: None, what });
        let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for entry in &self.ledger {
            *recorded.entry(entry.source.clone()).or_default() += entry.events;
            if !seen.insert((&entry.source, entry.digest)) {
                fault(format!("{} of {} is in the ledger twice", entry.name, entry.source));
            }
        }
        recorded.retain(|_, events| *events > 0);
        let sources: BTreeSet<&String> = recorded.keys().chain(counted.keys()).collect();
        for source in sources {
            let events = |of: &BTreeMap<String, u64>| of.get(source).copied().unwrap_or(0);
            let (recorded, counted) = (events(&recorded), events(counted));
            if recorded != counted {
                fault(format!(
                    "{source}: {recorded} events in the ledger, but {counted} in `activity`"
                ));
            }
        }
    }

    fn read_sets(&self, storage: &Storage, file: &DataFile, known: &[u32]) -> Result<FileCheck> {
        let mut check = FileCheck { address: storage.address(&file.name), ..FileCheck::default() };
        if let Err(error) = self.read_file(storage, file, known, &mut check) {
            check.fault(what_is_wrong(error)?);
        }
        Ok(check)
    }

    fn read_file(
        &self,
        storage: &Storage,
        file: &DataFile,
        known: &[u32],
        check: &mut FileCheck,
    ) -> Result<()> {
        let reader = DataReader::open(storage, file)?;
        let mut rows = 0;
        for group in 0..reader.groups() {
            let keys = RowKeys::read(&reader, group, &self.dimensions)?;
            let (sets, counts) = (users(&reader, group)?, user_counts(&reader, group)?);
            rows += keys.len() as u64;
            for (row, count) in counts.into_iter().enumerate() {
                check.sets += 1;
                let events = keys.events(row);
                let shard = keys.shards()[row] as u32;
                *check.events.entry(keys.series(row).source).or_default() += events;
                let Ok(bitmap) = portable::decode(sets.value(row)) else {
                    check.fault(format!("row group {group}, row {row}: not a set of users"));
                    continue;
                };
                if let Some(what) = set_fault(&bitmap, shard, count, events, known) {
                    check.fault(format!("row group {group}, row {row}: {what}"));
                }
                let month = Window::Month.at(Day::new(keys.days()[row])).start;
                *check.months.entry((month, shard)).or_default() |= bitmap;
            }
        }
        if rows != file.rows {
            check.fault(format!("{rows} rows, but {} in the log", file.rows));
        }
        Ok(())
    }
}

/// Users by first day of the month, and shard.
type Months = BTreeMap<(Day, u32), RoaringBitmap>;

fn read_months(storage: &Storage, file: &DataFile, recorded: &mut Months) -> Result<()> {
    let reader = DataReader::open(storage, file)?;
    for row in months(std::slice::from_ref(&reader))?.into_iter().flatten() {
        let (group, at) = row.position;
        let sets = users(&reader, group)?;
        let bitmap = portable::decode(sets.value(at)).map_err(|_| {
            reader.broken(&format!("row group {group}, row {at}: not a set of users"))
        })?;
        if bitmap.len() != row.user_count {
            return Err(reader.broken("a set does not have `user_count` users"));
        }
        *recorded.entry((row.month, row.shard)).or_default() |= bitmap;
    }
    Ok(())
}

#[derive(Default)]
struct FileCheck {
    address: String,
    months: Months,
    sets: u64,
    events: BTreeMap<String, u64>,
    faults: Vec<Fault>,
}

impl FileCheck {
    fn fault(&mut self, what: String) {
        self.faults.push(Fault { file: Some(self.address.clone()), what });
    }
}

fn set_fault(
    bitmap: &RoaringBitmap,
    shard: u32,
    count: u64,
    events: u64,
    known: &[u32],
) -> Option<String> {
    let (Some(least), Some(largest)) = (bitmap.min(), bitmap.max()) else {
        return Some("the set is empty".to_owned());
    };
    if bitmap.len() != count {
        return Some(format!("the set has {} users, but `user_count` is {count}", bitmap.len()));
    }
    if events < count {
        return Some(format!("{count} users, but only {events} events"));
    }
    let assigned = shard >= FIRST_ASSIGNED_SHARD;
    let own = shard_ids(shard);
    if !own.contains(&least) || !own.contains(&largest) {
        return Some(format!("the users {least} to {largest} do not belong to shard {shard}"));
    }
    let is_unknown = |number: &u32| {
        let (check, index) = StoredIds::locate(*number);
        index >= known[check]
    };
    let number = bitmap.iter().find(is_unknown).filter(|_| assigned)?;
    Some(format!("the id {number} is not in the table `users`"))
}
