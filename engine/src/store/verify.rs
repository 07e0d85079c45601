//! Reads everything that a version is made of, and trusts nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use roaring::RoaringBitmap;

use super::activity::{About, FIRST_GIVEN, SHARD_BITS, users};
use super::delta::{DataFile, broken_logs};
use super::{ACTIVITY, DataReader, MONTHS, PARTS, People, Store, months};
use crate::Result;
use crate::calendar::{Day, Window};

/// What is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which file, if it is one.
    pub file: Option<PathBuf>,
    /// What.
    pub what: String,
}

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
    /// People in the numbering.
    pub numbered: u64,
    /// Everything that is wrong; empty for a sound store.
    pub faults: Vec<Fault>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Store {
    /// Reads every data file and every set: digests, bitmaps, counts, shards, the numbering, and
    /// the ledger against what was counted.
    ///
    /// # Errors
    /// When the machine refuses; what is wrong with the store is a [`Fault`].
    pub fn verify(&self, progress: &(dyn Fn(u64, u64) + Sync)) -> Result<Verified> {
        let mut verified = Verified::default();
        let mut broken = BTreeSet::new();
        for (table, files) in self.tables() {
            let folder = self.root.join(table);
            verified.faults.extend(broken_logs(&folder)?.into_iter().map(|file| Fault {
                file: Some(file),
                what: "this part of the log has changed since it was written".to_owned(),
            }));
            for file in files.values() {
                verified.files += 1;
                verified.bytes += file.size;
                let path = folder.join(&file.name);
                if let Some(what) = file.fault(&path) {
                    // What is in it does not matter any more.
                    broken.insert(file.name.clone());
                    verified.faults.push(Fault { file: Some(path), what });
                }
            }
        }
        // Who has a number; without a sound numbering nobody does.
        let known: Vec<u32> = match self.people() {
            Ok(people) => (0..PARTS).map(|part| people.part(part).len()).collect(),
            Err(error) => {
                verified.faults.push(Fault { file: None, what: error.to_string() });
                vec![0; PARTS]
            }
        };
        verified.numbered = known.iter().map(|count| u64::from(*count)).sum();
        let total: u64 = self.activity.values().map(DataFile::rows).sum();
        let done = std::sync::atomic::AtomicU64::new(0);
        let sound = |file: &&DataFile| !broken.contains(&file.name);
        let files: Vec<&DataFile> = self.activity.values().filter(sound).collect();
        let parts: Vec<Part> = files
            .into_par_iter()
            .map(|file| {
                let path = self.root.join(ACTIVITY).join(&file.name);
                let part = self.read_sets(&path, file, &known);
                let rows = done.fetch_add(file.rows(), std::sync::atomic::Ordering::Relaxed);
                progress(rows + file.rows(), total);
                part
            })
            .collect();
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        let mut united = Months::new();
        for part in parts {
            for (month, users) in part.months {
                *united.entry(month).or_default() |= users;
            }
            verified.sets += part.sets;
            for (source, events) in part.events {
                *counted.entry(source).or_default() += events;
            }
            verified.faults.extend(part.faults);
        }
        verified.events = counted.values().sum();
        if broken.is_empty() {
            self.check_ledger(&counted, &mut verified.faults);
            self.check_months(united, &mut verified.faults);
        }
        Ok(verified)
    }

    /// The table `months` must be the union of the others, no more and no less.
    fn check_months(&self, united: Months, faults: &mut Vec<Fault>) {
        let folder = self.root.join(MONTHS);
        let mut told = Months::new();
        for name in self.months.keys() {
            let path = folder.join(name);
            if let Err(error) = read_months(&path, &mut told) {
                faults.push(Fault { file: Some(path), what: error.to_string() });
            }
        }
        if told != united {
            let what = "the table `months` is not the union of `activity`".to_owned();
            faults.push(Fault { file: None, what });
        }
    }

    fn check_ledger(&self, counted: &BTreeMap<String, u64>, faults: &mut Vec<Fault>) {
        let mut fault = |what: String| faults.push(Fault { file: None, what });
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for entry in &self.ledger {
            *told.entry(entry.source.clone()).or_default() += entry.events;
            if !seen.insert((&entry.source, entry.digest)) {
                fault(format!("{} of {} is in the ledger twice", entry.name, entry.source));
            }
        }
        told.retain(|_, events| *events > 0);
        let sources: BTreeSet<&String> = told.keys().chain(counted.keys()).collect();
        for source in sources {
            let events = |of: &BTreeMap<String, u64>| of.get(source).copied().unwrap_or(0);
            let (told, counted) = (events(&told), events(counted));
            if told != counted {
                fault(format!("{source}: the ledger says {told} events, the sets {counted}"));
            }
        }
    }

    fn read_sets(&self, path: &Path, file: &DataFile, known: &[u32]) -> Part {
        let mut part = Part::default();
        if let Err(error) = self.read_file(path, file, known, &mut part) {
            part.fault(path, error.to_string());
        }
        part
    }

    fn read_file(
        &self,
        path: &Path,
        file: &DataFile,
        known: &[u32],
        part: &mut Part,
    ) -> Result<()> {
        let reader = DataReader::open(path)?;
        let mut rows = 0;
        for group in 0..reader.groups() {
            let about = About::read(&reader, group, &self.dimensions)?;
            let sets = users(&reader, group)?;
            rows += about.len() as u64;
            for row in 0..about.len() {
                part.sets += 1;
                let count = u64::try_from(about.users()[row]).unwrap_or(0);
                let events = u64::try_from(about.events()[row]).unwrap_or(0);
                let shard = about.shards()[row] as u32;
                *part.events.entry(about.series(row).source).or_default() += events;
                let bitmap = match RoaringBitmap::deserialize_from(sets.value(row)) {
                    Ok(bitmap) => bitmap,
                    Err(cause) => {
                        part.fault(path, format!("row {rows}: not a bitmap: {cause}"));
                        continue;
                    }
                };
                if let Some(what) = unsound(&bitmap, shard, count, events, known) {
                    part.fault(path, format!("a set of row group {group}, row {row}: {what}"));
                }
                let month = Window::Month.at(Day::new(about.days()[row])).start;
                *part.months.entry((month, shard)).or_default() |= bitmap;
            }
        }
        if rows != file.rows() {
            part.fault(path, format!("{rows} rows, but the log says {}", file.rows()));
        }
        Ok(())
    }
}

/// Users by first day of the month, and shard.
type Months = BTreeMap<(Day, u32), RoaringBitmap>;

fn read_months(path: &Path, told: &mut Months) -> Result<()> {
    let reader = DataReader::open(path)?;
    for row in months(&reader)? {
        let (group, at) = row.place;
        let sets = users(&reader, group)?;
        let bitmap = RoaringBitmap::deserialize_from(sets.value(at));
        let bitmap = bitmap.map_err(|cause| reader.broken(&format!("not a bitmap: {cause}")))?;
        if bitmap.len() != row.user_count {
            return Err(reader.broken("a set has not as many users as its row says"));
        }
        *told.entry((row.month, row.shard)).or_default() |= bitmap;
    }
    Ok(())
}

#[derive(Default)]
struct Part {
    months: Months,
    sets: u64,
    events: BTreeMap<String, u64>,
    faults: Vec<Fault>,
}

impl Part {
    fn fault(&mut self, path: &Path, what: String) {
        self.faults.push(Fault { file: Some(path.to_owned()), what });
    }
}

fn unsound(
    bitmap: &RoaringBitmap,
    shard: u32,
    count: u64,
    events: u64,
    known: &[u32],
) -> Option<String> {
    let (Some(least), Some(largest)) = (bitmap.min(), bitmap.max()) else {
        return Some("it is empty".to_owned());
    };
    if bitmap.len() != count {
        return Some(format!("it has {} users, but the row says {count}", bitmap.len()));
    }
    if events < count {
        return Some(format!("{count} users did {events} events"));
    }
    let given = shard >= FIRST_GIVEN;
    let own = shard & (FIRST_GIVEN - 1);
    if least >> SHARD_BITS != own || largest >> SHARD_BITS != own {
        return Some(format!("users from {least} to {largest} do not belong to shard {shard}"));
    }
    let stranger = |number: &u32| {
        let (part, place) = People::place(*number);
        place >= known[part]
    };
    let number = bitmap.iter().find(stranger).filter(|_| given)?;
    Some(format!("nobody has the number {number}"))
}
