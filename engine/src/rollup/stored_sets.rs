//! Cells whose users are in the store: counted shard by shard, from the stored bytes.
//!
//! A shard has a million ids, so a set of its users is a bitset of 128 KiB that stays in the cache
//! while all requests of the shard are counted. Trailing windows are counted in [another
//! pass](super::trailing).

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use arrow::array::BinaryViewArray;
use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::sets_by_cell::SetsByCell;
use super::trailing::{check_days, trailing};
use super::user_expr::{CountRequest, UserExpr};
use crate::calendar::{Day, Window};
use crate::scan::TimeGrain;
use crate::store::{DataReader, MonthRow, StoredIds, months as month_rows, users};
use crate::users::portable::numbers;
use crate::users::{FIRST_ASSIGNED_SHARD, ID_SHARDS, ShardBitset, Sketch, each_page, hash_int};
use crate::{Error, Result};

/// Stored sets of users, by cell.
#[derive(Debug)]
pub struct StoredSets {
    pub(super) readers: Vec<DataReader>,
    pub(super) groups: Vec<StoredGroup>,
    /// For each cell the first day of its bucket.
    pub(super) buckets: Vec<Day>,
    /// Files of the table `months`.
    pub(super) months: Vec<DataReader>,
    /// Buckets that are whole months in which every event is counted, with the number of their
    /// cells: a union of all of these cells is read from `months`.
    pub(super) complete_buckets: BTreeMap<Day, usize>,
    pub(super) grain: TimeGrain,
}

/// Stands for the cell of a row that is not counted.
pub(super) const NO_CELL: u32 = u32::MAX;

/// A row group that holds users of cells.
#[derive(Debug)]
pub(super) struct StoredGroup {
    pub(super) reader: usize,
    pub(super) at: usize,
    /// Cell of each row, or [`NO_CELL`].
    pub(super) cells: Vec<u32>,
    /// The cells that rows are of.
    pub(super) present: Vec<u32>,
    /// Which rows are of which shard.
    pub(super) shards: Vec<(u32, Range<usize>)>,
}

/// Most bytes of sets that are fetched at the same time, unless a bundle has more.
const MAX_FETCH_AHEAD: u64 = 64 << 20;

/// The index of a request, the index of a count in it, and the users to be counted.
type CountSlot<'a> = (usize, usize, &'a UserExpr);

/// Indexes of row groups that share a shard, and are therefore read together.
type ShardBundle = Vec<usize>;

impl StoredSets {
    /// Computes all counts, in the order of the requests.
    ///
    /// # Errors
    /// When a set is broken.
    pub fn answer(&self, requests: &[CountRequest]) -> Result<Vec<Vec<u64>>> {
        let mut counts: Vec<Vec<u64>> =
            requests.iter().map(|requests| vec![0; requests.len()]).collect();
        // Expressions by month, so that the sets of a month are read once for all of them.
        let mut months: BTreeMap<Day, Vec<CountSlot<'_>>> = BTreeMap::new();
        let (mut trailing, mut all_users) = (Vec::new(), Vec::new());
        for (at, requests) in requests.iter().enumerate() {
            match requests {
                CountRequest::Exprs(list) => {
                    for (position, expr) in list.iter().enumerate() {
                        if let Some(buckets) = self.complete_buckets(expr) {
                            all_users.push((at, position, buckets));
                            continue;
                        }
                        let cells = expr.iter().flatten().flatten();
                        let first = cells.map(|cell| self.buckets[*cell as usize]).min();
                        if let Some(first) = first {
                            let month = Window::Month.at(first).start;
                            months.entry(month).or_default().push((at, position, expr));
                        }
                    }
                }
                CountRequest::Trailing { days, length } => trailing.push((at, days, *length)),
            }
        }
        let months: Vec<Vec<CountSlot<'_>>> = months.into_values().collect();
        let tasks: Vec<(&[CountSlot<'_>], ShardBundle, Vec<bool>)> = months
            .iter()
            .flat_map(|list| {
                let expr = list.iter().flat_map(|(_, _, expr)| expr.iter().flatten().flatten());
                let needed = self.needed(expr);
                let bundles = self.bundles(&needed);
                bundles.into_iter().map(move |bundle| (list.as_slice(), bundle, needed.clone()))
            })
            .collect();
        let work = |(list, bundle, needed): &(&[CountSlot<'_>], ShardBundle, Vec<bool>)| {
            let mut bitsets =
                [ShardBitset::default(), ShardBitset::default(), ShardBitset::default()];
            let mut found: Vec<(usize, usize, u64)> =
                list.iter().map(|(at, position, _)| (*at, *position, 0)).collect();
            self.each_shard(bundle, needed, |shard| {
                let sets: SetsByCell<&[u8]> = shard.iter().copied().collect();
                for ((_, _, expr), found) in list.iter().zip(&mut found) {
                    found.2 += count(expr, &sets, &mut bitsets)?;
                }
                Ok(())
            })?;
            Ok(found)
        };
        let parts = self.each_bundle(&tasks, |(_, bundle, _)| bundle, work)?;
        for (at, position, users) in parts.into_iter().flatten() {
            counts[at][position] += users;
        }
        if !all_users.is_empty() {
            let rows = month_rows(&self.months)?;
            let counted: Result<Vec<(usize, usize, u64)>> = all_users
                .into_par_iter()
                .map(|(at, position, buckets)| Ok((at, position, self.all_users(&rows, &buckets)?)))
                .collect();
            for (at, position, users) in counted? {
                counts[at][position] += users;
            }
        }
        if !trailing.is_empty() {
            self.trailing(&trailing, &mut counts)?;
        }
        Ok(counts)
    }

    /// The buckets of an expression that is the union of all cells of these buckets, if every
    /// event of the buckets is counted: their users are those of `months`.
    fn complete_buckets(&self, expr: &UserExpr) -> Option<Vec<Day>> {
        let [term] = expr.as_slice() else { return None };
        let [cells] = term.as_slice() else { return None };
        let mut counts: BTreeMap<Day, usize> = BTreeMap::new();
        for cell in cells {
            *counts.entry(self.buckets[*cell as usize]).or_default() += 1;
        }
        let is_whole = |(day, count): (&Day, &usize)| self.complete_buckets.get(day) == Some(count);
        let all = !counts.is_empty() && counts.iter().all(is_whole);
        all.then(|| counts.into_keys().collect())
    }

    /// Users of any event in these buckets, from the sets by month; `rows` are the rows of `months`.
    fn all_users(&self, rows: &[Vec<MonthRow>], buckets: &[Day]) -> Result<u64> {
        let bucket = |month: Day| match self.grain {
            TimeGrain::Calendar(window) => window.at(month).start,
            TimeGrain::MonthEnd => month,
        };
        let mut shards: BTreeMap<u32, Vec<(&DataReader, &MonthRow)>> = BTreeMap::new();
        for (file, rows) in self.months.iter().zip(rows) {
            for row in rows.iter().filter(|row| buckets.contains(&bucket(row.month))) {
                shards.entry(row.shard).or_default().push((file, row));
            }
        }
        let mut count = 0;
        for rows in shards.into_values() {
            if let [(_, row)] = rows.as_slice() {
                count += row.user_count;
                continue;
            }
            let mut bitset = ShardBitset::default();
            for (file, row) in rows {
                bitset.add(users(file, row.position.0)?.value(row.position.1))?;
            }
            count += bitset.len();
        }
        Ok(count)
    }

    fn trailing(
        &self,
        requests: &[(usize, &Vec<Vec<u32>>, usize)],
        counts: &mut [Vec<u64>],
    ) -> Result<()> {
        requests.iter().try_for_each(|(_, days, _)| check_days(days))?;
        let needed = self.needed(requests.iter().flat_map(|(_, days, _)| days.iter().flatten()));
        let work = |bundle: &ShardBundle| {
            let mut found: Vec<Vec<u64>> =
                requests.iter().map(|(_, days, _)| vec![0; days.len()]).collect();
            self.each_shard(bundle, &needed, |shard| {
                each_page(shard, |containers| {
                    let sets: SetsByCell<_> = containers.iter().copied().collect();
                    let series: Vec<Vec<u64>> = requests
                        .par_iter()
                        .map(|(_, days, length)| trailing(&sets, days, *length))
                        .collect();
                    for (found, more) in found.iter_mut().zip(series) {
                        found.iter_mut().zip(more).for_each(|(found, more)| *found += more);
                    }
                })
            })?;
            Ok(found)
        };
        for part in self.each_bundle(&self.bundles(&needed), |bundle| bundle, work)? {
            for ((at, _, _), more) in requests.iter().zip(part) {
                counts[*at].iter_mut().zip(more).for_each(|(count, more)| *count += more);
            }
        }
        Ok(())
    }

    /// For each cell its sketch, of the hashes of its users' keys.
    ///
    /// # Errors
    /// When a set is broken.
    pub(super) fn sketches(&self, empty: &Sketch, ids: &StoredIds) -> Result<Vec<Option<Sketch>>> {
        let shards = (0..ID_SHARDS).into_par_iter();
        let hashes: Vec<Vec<u64>> =
            shards.map(|shard| ids.keys().hashes(shard)).collect::<Result<_>>()?;
        let parts: Result<Vec<HashMap<u32, Sketch>>> = self
            .groups
            .par_iter()
            .map(|group| {
                let mut sketches: HashMap<u32, Sketch> = HashMap::new();
                let sets = users(&self.readers[group.reader], group.at)?;
                for (shard, rows) in &group.shards {
                    for row in rows.clone().filter(|row| group.cells[*row] != NO_CELL) {
                        let sketch =
                            sketches.entry(group.cells[row]).or_insert_with(|| empty.clone());
                        let mut result = Ok(());
                        numbers(sets.value(row), |number| {
                            let hash = if *shard < FIRST_ASSIGNED_SHARD {
                                Some(hash_int(i64::from(number)))
                            } else {
                                let (shard, index) = StoredIds::locate(number);
                                hashes[shard].get(index as usize).copied()
                            };
                            match hash {
                                Some(hash) => sketch.insert(hash),
                                None => result = Err(Error::input("a stored user has no key")),
                            }
                        })?;
                        result?;
                    }
                }
                Ok(sketches)
            })
            .collect();
        let mut all: Vec<Option<Sketch>> = vec![None; self.buckets.len()];
        for (cell, part) in parts?.into_iter().flatten() {
            match &mut all[cell as usize] {
                Some(total) => total.merge(&part)?,
                none => *none = Some(part),
            }
        }
        Ok(all)
    }

    /// For each cell, whether it is in a list.
    fn needed<'b>(&self, cells: impl Iterator<Item = &'b u32>) -> Vec<bool> {
        let mut needed = vec![false; self.buckets.len()];
        for cell in cells {
            needed[*cell as usize] = true;
        }
        needed
    }

    /// The row groups that hold needed cells, in bundles that have no shard in common.
    fn bundles(&self, needed: &[bool]) -> Vec<ShardBundle> {
        let is_needed =
            |group: &StoredGroup| group.present.iter().any(|cell| needed[*cell as usize]);
        let mut groups: Vec<(u32, u32, usize)> = self
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| is_needed(group))
            .filter_map(|(at, group)| {
                let shards = || group.shards.iter().map(|(shard, _)| *shard);
                Some((shards().min()?, shards().max()?, at))
            })
            .collect();
        groups.sort_unstable();
        let mut bundles: Vec<ShardBundle> = Vec::new();
        let mut end = None;
        for (first, last, at) in groups {
            match bundles.last_mut().filter(|_| end.is_some_and(|end| first <= end)) {
                Some(bundle) => bundle.push(at),
                None => bundles.push(vec![at]),
            }
            end = end.max(Some(last));
        }
        bundles
    }

    /// Runs tasks, each of which reads the sets of a bundle. If the sets are in an object
    /// store, those of many bundles are fetched at the same time.
    fn each_bundle<T: Sync, R: Send>(
        &self,
        mut tasks: &[T],
        bundle: impl Fn(&T) -> &ShardBundle,
        work: impl Fn(&T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let group = |at: &usize| (&self.readers[self.groups[*at].reader], self.groups[*at].at);
        let mut results = Vec::with_capacity(tasks.len());
        while !tasks.is_empty() {
            let mut bytes = 0;
            let mut fits = |task: &T| {
                let groups = bundle(task).iter().map(group);
                bytes += groups.map(|(file, at)| file.to_fetch(at, "users")).sum::<u64>();
                bytes <= MAX_FETCH_AHEAD
            };
            let count = tasks.iter().position(|task| !fits(task)).unwrap_or(tasks.len()).max(1);
            let (now, later) = tasks.split_at(count);
            DataReader::fetch_ahead(now.iter().flat_map(&bundle).map(group), &["users"])?;
            let done: Result<Vec<R>> = now.par_iter().map(&work).collect();
            results.append(&mut done?);
            tasks = later;
        }
        Ok(results)
    }

    /// Reads the sets of a bundle and calls `each` with those of every shard, in the order of
    /// their cells.
    fn each_shard(
        &self,
        bundle: &ShardBundle,
        needed: &[bool],
        mut each: impl FnMut(&[(u32, &[u8])]) -> Result<()>,
    ) -> Result<()> {
        let read: Result<Vec<(&StoredGroup, BinaryViewArray)>> = bundle
            .iter()
            .map(|at| {
                let group = &self.groups[*at];
                Ok((group, users(&self.readers[group.reader], group.at)?))
            })
            .collect();
        let read = read?;
        let mut shards: BTreeMap<u32, Vec<(u32, &[u8])>> = BTreeMap::new();
        for (group, sets) in &read {
            for (shard, rows) in &group.shards {
                let list = shards.entry(*shard).or_default();
                for row in rows.clone() {
                    let cell = group.cells[row];
                    if cell != NO_CELL && needed[cell as usize] {
                        list.push((cell, sets.value(row)));
                    }
                }
            }
        }
        for mut list in shards.into_values() {
            list.sort_by_key(|(cell, _)| *cell);
            each(&list)?;
        }
        Ok(())
    }
}

/// Users of an expression in one shard.
fn count(expr: &UserExpr, sets: &SetsByCell<&[u8]>, bitsets: &mut [ShardBitset; 3]) -> Result<u64> {
    let [all, both, one] = bitsets;
    let add = |bitset: &mut ShardBitset, cells: &[u32]| -> Result<()> {
        for set in cells.iter().flat_map(|cell| sets.of(*cell)) {
            bitset.add(set)?;
        }
        Ok(())
    };
    all.clear();
    for term in expr {
        let Some((first, rest)) = term.split_first() else { continue };
        if rest.is_empty() {
            add(all, first)?;
            continue;
        }
        both.clear();
        add(both, first)?;
        for cells in rest {
            one.clear();
            add(one, cells)?;
            both.intersect_with(one);
        }
        all.union_with(both);
    }
    Ok(all.len())
}
