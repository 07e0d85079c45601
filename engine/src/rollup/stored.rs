//! Cells whose users lie in the store: counted shard by shard, without making sets of them first.
//!
//! A shard is a million numbers, so a set of its users is a bitset of 128 KiB that stays in the
//! cache while everything that is asked of the shard is answered. Trailing windows are told by
//! [another pass](super::days).

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use arrow::array::BinaryViewArray;
use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::cell::NO_CELL;
use super::days::{LONGEST, trailing};
use super::pages::{Sets, each_page};
use super::{Asked, Terms};
use crate::calendar::{Day, Window};
use crate::events::TimeGrain;
use crate::store::{
    DataReader, FIRST_GIVEN, Marks, MonthOf, People, months as month_rows, numbers, users,
};
use crate::users::{Sketch, hash_int};
use crate::{Error, Result};

/// Stored sets of users, by cell.
#[derive(Debug)]
pub struct Stored {
    pub(super) readers: Vec<DataReader>,
    pub(super) groups: Vec<Group>,
    /// For each cell the first day of its bucket.
    pub(super) buckets: Vec<Day>,
    /// Files of everybody by month.
    pub(super) months: Vec<DataReader>,
    /// Granules that are whole months in which every event is counted, with the number of their
    /// cells: who asks for all of these asks for everybody.
    pub(super) whole: BTreeMap<Day, usize>,
    pub(super) grain: TimeGrain,
}

/// A row group that holds users of cells.
#[derive(Debug)]
pub(super) struct Group {
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
const AHEAD: u64 = 64 << 20;

/// What is asked, the place of a count in it, and what is to be counted there.
type Place<'a> = (usize, usize, &'a Terms);

/// Row groups that belong together because they share a shard, with their place in the list.
type Bundle = Vec<usize>;

impl Stored {
    /// Answers all questions; the counts stand in the order of what was asked.
    ///
    /// # Errors
    /// When a set is broken.
    pub fn answer(&self, asked: &[Asked]) -> Result<Vec<Vec<u64>>> {
        let mut counts: Vec<Vec<u64>> = asked.iter().map(|asked| vec![0; asked.len()]).collect();
        // Terms by month, so that what is asked of one month reads it once.
        let mut months: BTreeMap<Day, Vec<Place<'_>>> = BTreeMap::new();
        let (mut trailing, mut everybody) = (Vec::new(), Vec::new());
        for (at, asked) in asked.iter().enumerate() {
            match asked {
                Asked::Terms(list) => {
                    for (place, terms) in list.iter().enumerate() {
                        if let Some(buckets) = self.whole(terms) {
                            everybody.push((at, place, buckets));
                            continue;
                        }
                        let cells = terms.iter().flatten().flatten();
                        let first = cells.map(|cell| self.buckets[*cell as usize]).min();
                        if let Some(first) = first {
                            let month = Window::Month.at(first).start;
                            months.entry(month).or_default().push((at, place, terms));
                        }
                    }
                }
                Asked::Trailing { days, length } => trailing.push((at, days, *length)),
            }
        }
        let months: Vec<Vec<Place<'_>>> = months.into_values().collect();
        let tasks: Vec<(&[Place<'_>], Bundle, Vec<bool>)> = months
            .iter()
            .flat_map(|list| {
                let terms = list.iter().flat_map(|(_, _, terms)| terms.iter().flatten().flatten());
                let needed = self.needed(terms);
                let bundles = self.bundles(&needed);
                bundles.into_iter().map(move |bundle| (list.as_slice(), bundle, needed.clone()))
            })
            .collect();
        let work = |(list, bundle, needed): &(&[Place<'_>], Bundle, Vec<bool>)| {
            let mut marks = [Marks::default(), Marks::default(), Marks::default()];
            let mut found: Vec<(usize, usize, u64)> =
                list.iter().map(|(at, place, _)| (*at, *place, 0)).collect();
            self.each_shard(bundle, needed, |shard| {
                let mut sets = Sets::default();
                shard.iter().for_each(|(cell, set)| sets.push(*cell, *set));
                for ((_, _, terms), found) in list.iter().zip(&mut found) {
                    found.2 += count(terms, &sets, &mut marks)?;
                }
                Ok(())
            })?;
            Ok(found)
        };
        let parts = self.each_bundle(&tasks, |(_, bundle, _)| bundle, work)?;
        for (at, place, users) in parts.into_iter().flatten() {
            counts[at][place] += users;
        }
        if !everybody.is_empty() {
            let rows = month_rows(&self.months)?;
            let whole: Result<Vec<(usize, usize, u64)>> = everybody
                .into_par_iter()
                .map(|(at, place, buckets)| Ok((at, place, self.everybody(&rows, &buckets)?)))
                .collect();
            for (at, place, users) in whole? {
                counts[at][place] += users;
            }
        }
        if !trailing.is_empty() {
            self.trailing(&trailing, &mut counts)?;
        }
        Ok(counts)
    }

    /// The buckets whose cells these terms unite, if they unite all of them and nobody else is
    /// in them.
    fn whole(&self, terms: &Terms) -> Option<Vec<Day>> {
        let [term] = terms.as_slice() else { return None };
        let [cells] = term.as_slice() else { return None };
        let mut counts: BTreeMap<Day, usize> = BTreeMap::new();
        for cell in cells {
            *counts.entry(self.buckets[*cell as usize]).or_default() += 1;
        }
        let is_whole = |(day, count): (&Day, &usize)| self.whole.get(day) == Some(count);
        let all = !counts.is_empty() && counts.iter().all(is_whole);
        all.then(|| counts.into_keys().collect())
    }

    /// Everybody who did anything in these buckets, from the sets by month, which `rows` tells.
    fn everybody(&self, rows: &[Vec<MonthOf>], buckets: &[Day]) -> Result<u64> {
        let bucket = |month: Day| match self.grain {
            TimeGrain::Calendar(window) => window.at(month).start,
            TimeGrain::MonthEnd => month,
        };
        let mut shards: BTreeMap<u32, Vec<(&DataReader, &MonthOf)>> = BTreeMap::new();
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
            let mut marks = Marks::default();
            for (file, row) in rows {
                marks.add(users(file, row.place.0)?.value(row.place.1))?;
            }
            count += marks.len();
        }
        Ok(count)
    }

    fn trailing(
        &self,
        asked: &[(usize, &Vec<Vec<u32>>, usize)],
        counts: &mut [Vec<u64>],
    ) -> Result<()> {
        if asked.iter().any(|(_, days, _)| days.len() > LONGEST) {
            return Err(Error::limit(format!("a trailing window over more than {LONGEST} days"))
                .with("help", "query fewer years at once"));
        }
        let needed = self.needed(asked.iter().flat_map(|(_, days, _)| days.iter().flatten()));
        let work = |bundle: &Bundle| {
            let mut found: Vec<Vec<u64>> =
                asked.iter().map(|(_, days, _)| vec![0; days.len()]).collect();
            self.each_shard(bundle, &needed, |shard| {
                each_page(shard, |sets| {
                    let series: Vec<Vec<u64>> = asked
                        .par_iter()
                        .map(|(_, days, length)| trailing(sets, days, *length))
                        .collect();
                    for (found, more) in found.iter_mut().zip(series) {
                        found.iter_mut().zip(more).for_each(|(found, more)| *found += more);
                    }
                })
            })?;
            Ok(found)
        };
        for part in self.each_bundle(&self.bundles(&needed), |bundle| bundle, work)? {
            for ((at, _, _), more) in asked.iter().zip(part) {
                counts[*at].iter_mut().zip(more).for_each(|(count, more)| *count += more);
            }
        }
        Ok(())
    }

    /// For each cell its sketch, of the hashes of its users' keys.
    ///
    /// # Errors
    /// When a set is broken.
    pub(super) fn sketches(&self, empty: &Sketch, people: &People) -> Result<Vec<Option<Sketch>>> {
        let parts = (0..crate::store::PARTS).into_par_iter();
        let hashes: Vec<Vec<u64>> = parts.map(|part| people.hashes(part)).collect::<Result<_>>()?;
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
                            let hash = if *shard < FIRST_GIVEN {
                                Some(hash_int(i64::from(number)))
                            } else {
                                let (part, place) = People::place(number);
                                hashes[part].get(place as usize).copied()
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
                Some(whole) => whole.merge(&part)?,
                none => *none = Some(part),
            }
        }
        Ok(all)
    }

    /// Marks the cells of a list.
    fn needed<'b>(&self, cells: impl Iterator<Item = &'b u32>) -> Vec<bool> {
        let mut needed = vec![false; self.buckets.len()];
        for cell in cells {
            needed[*cell as usize] = true;
        }
        needed
    }

    /// The row groups that hold needed cells, in bundles that have no shard in common.
    fn bundles(&self, needed: &[bool]) -> Vec<Bundle> {
        let is_needed = |group: &Group| group.present.iter().any(|cell| needed[*cell as usize]);
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
        let mut bundles: Vec<Bundle> = Vec::new();
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

    /// Does the work of tasks, each of which reads the sets of a bundle. Where sets lie in an object
    /// store, those of many bundles are fetched at the same time.
    fn each_bundle<T: Sync, R: Send>(
        &self,
        mut tasks: &[T],
        bundle: impl Fn(&T) -> &Bundle,
        work: impl Fn(&T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let group = |at: &usize| (&self.readers[self.groups[*at].reader], self.groups[*at].at);
        let mut results = Vec::with_capacity(tasks.len());
        while !tasks.is_empty() {
            let mut bytes = 0;
            let mut fits = |task: &T| {
                let groups = bundle(task).iter().map(group);
                bytes += groups.map(|(file, at)| file.to_fetch(at, "users")).sum::<u64>();
                bytes <= AHEAD
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
        bundle: &Bundle,
        needed: &[bool],
        mut each: impl FnMut(&[(u32, &[u8])]) -> Result<()>,
    ) -> Result<()> {
        let read: Result<Vec<(&Group, BinaryViewArray)>> = bundle
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

/// Users of some terms in one shard.
fn count(terms: &Terms, sets: &Sets<&[u8]>, marks: &mut [Marks; 3]) -> Result<u64> {
    let [all, both, one] = marks;
    let add = |marks: &mut Marks, cells: &[u32]| -> Result<()> {
        for set in cells.iter().flat_map(|cell| sets.of(*cell)) {
            marks.add(set)?;
        }
        Ok(())
    };
    all.clear();
    for term in terms {
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
            both.keep(one);
        }
        all.unite(both);
    }
    Ok(all.len())
}
