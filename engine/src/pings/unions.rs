//! Unions of sketches over installations: how many different users there are, where they can be
//! recognised.
//!
//! Only sketches of one salt can be united. A month uses the salt that most of its installations use, and
//! [`PingUnion::without`] counts those with another salt or without a sketch.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::collection::{Collection, Ping};
use super::inputs::Inputs;
use super::last_sketches::each_last;
use super::sketches::PingSketches;
use crate::calendar::Day;
use crate::store::Content;
use crate::users::{DEFAULT_PRECISION, Estimate, Sketch};
use crate::{JobContext, Result};

/// The users of some key paths in the last pings of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingUnion {
    /// The first day of the month.
    pub month: Day,
    /// Whether the month is complete.
    pub complete: bool,
    /// Index of the set of key paths.
    pub set: usize,
    /// Their users, each once, with a 95 % interval.
    pub users: Estimate,
    /// Installations whose sketches are united.
    pub installations: u64,
    /// Installations that have a value above 0 at one of the key paths and no sketch there that can be
    /// united: their users are missing, or some of them.
    pub without: u64,
}

/// The sketches of a ping that can be united with those of the same salt.
struct Contribution {
    salt: String,
    /// Their key paths as indexes in [`Sets::paths`].
    paths: HashSet<u32>,
}

/// For each set of key paths the sketch so far.
type Slots = Vec<Mutex<Option<Sketch>>>;

/// The sets of key paths.
struct Sets<'a> {
    /// Each key path once, with its index.
    paths: HashMap<&'a str, u32>,
    /// For each key path the sets that have it.
    of_path: Vec<Vec<usize>>,
    count: usize,
}

impl<'a> Sets<'a> {
    fn new(sets: &'a [Vec<String>]) -> Self {
        let mut all = Self { paths: HashMap::new(), of_path: Vec::new(), count: sets.len() };
        for (set, key_paths) in sets.iter().enumerate() {
            for key_path in key_paths {
                let next = all.of_path.len() as u32;
                let index = *all.paths.entry(key_path).or_insert(next);
                if index == next {
                    all.of_path.push(Vec::new());
                }
                all.of_path[index as usize].push(set);
            }
        }
        all
    }

    /// The sets of some key paths, each once.
    fn of(&self, paths: impl Iterator<Item = u32>) -> HashSet<usize> {
        paths.flat_map(|path| &self.of_path[path as usize]).copied().collect()
    }
}

/// What the files of the pings have.
#[derive(Default)]
struct Found {
    /// By month and salt.
    slots: BTreeMap<(Day, String), Arc<Slots>>,
    /// By the index of the ping.
    contributions: HashMap<usize, Contribution>,
}

/// Unites the sketches of each of some sets of key paths, for every month. Only the last pings of months
/// that are wanted count; files are read on the threads of the current pool, and `inputs` must be those
/// of the collection. The result has a row for each month and set with any installation,
/// in this order.
///
/// # Errors
/// When a file cannot be read, or the job is cancelled or has no more memory.
pub fn unions(
    inputs: &Inputs,
    collection: &Collection,
    sets: &[Vec<String>],
    is_wanted: &(dyn Fn(&Ping) -> bool + Sync),
    job: &JobContext<'_>,
) -> Result<Vec<PingUnion>> {
    let sets = Sets::new(sets);
    let found = Mutex::new(Found::default());
    let each = |ping: usize, sketches| {
        let month = collection.pings[ping].month;
        let Some(contribution) = unite(month, sketches, &sets, &found, job)? else { return Ok(()) };
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.contributions.insert(ping, contribution);
        Ok(())
    };
    each_last(inputs, collection, is_wanted, true, &each, job)?;
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut months: BTreeMap<Day, Vec<(usize, &Ping)>> = BTreeMap::new();
    for (at, ping) in collection.last_pings().filter(|(_, ping)| is_wanted(ping)) {
        months.entry(ping.month).or_default().push((at, ping));
    }
    let mut unions = Vec::new();
    for (month, pings) in months {
        add_month(month, &pings, &found, &sets, collection, &mut unions)?;
    }
    Ok(unions)
}

/// Adds the sketches of a ping to the unions of its month and salt; `None` if it has no salt.
fn unite(
    month: Day,
    PingSketches { salt, list }: PingSketches,
    sets: &Sets<'_>,
    found: &Mutex<Found>,
    job: &JobContext<'_>,
) -> Result<Option<Contribution>> {
    let Some(salt) = salt else { return Ok(None) };
    let slots = {
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new((0..sets.count).map(|_| Mutex::default()).collect());
        Arc::clone(found.slots.entry((month, salt.clone())).or_insert_with(new))
    };
    let mut paths = HashSet::new();
    for (key_path, sketch) in list {
        if let (Some(sketch), Some(path)) = (sketch, sets.paths.get(key_path.as_str())) {
            paths.insert(*path);
            sets.of_path[*path as usize]
                .iter()
                .try_for_each(|set| add(&slots[*set], &sketch, job))?;
        }
    }
    job.reserve(paths.capacity() * (size_of::<u32>() + 1))?;
    Ok(Some(Contribution { salt, paths }))
}

/// Adds the unions of a month, of which these are the last pings with their indexes.
fn add_month(
    month: Day,
    pings: &[(usize, &Ping)],
    found: &Found,
    sets: &Sets<'_>,
    collection: &Collection,
    unions: &mut Vec<PingUnion>,
) -> Result<()> {
    let of_ping = |at: &usize| found.contributions.get(at);
    let salt = most_used(pings.iter().filter_map(|(at, _)| Some(&of_ping(at)?.salt)));
    let mut counts = vec![(0, 0); sets.count];
    for (at, ping) in pings {
        let own = of_ping(at).filter(|own| Some(&own.salt) == salt.as_ref());
        let has_sketch = |path: &u32| own.is_some_and(|own| own.paths.contains(path));
        let missing = collection.values(ping).filter_map(|(code, content)| {
            let path = sets.paths.get(collection.path(code)).copied()?;
            (matches!(content, Content::Integer(1..)) && !has_sketch(&path)).then_some(path)
        });
        sets.of(missing).into_iter().for_each(|set| counts[set].1 += 1);
        let paths = own.iter().flat_map(|own| &own.paths).copied();
        sets.of(paths).into_iter().for_each(|set| counts[set].0 += 1);
    }
    let slots = salt.and_then(|salt| found.slots.get(&(month, salt)));
    let complete = collection.is_complete(month);
    for (set, (installations, without)) in counts.into_iter().enumerate() {
        if installations + without == 0 {
            continue;
        }
        let slot = slots.map(|slots| slots[set].lock().unwrap_or_else(PoisonError::into_inner));
        let users = match slot.as_deref() {
            Some(Some(sketch)) => sketch.estimate()?,
            _ => Estimate::exact(0),
        };
        unions.push(PingUnion { month, complete, set, users, installations, without });
    }
    Ok(())
}

/// Adds a sketch to a union.
fn add(slot: &Mutex<Option<Sketch>>, sketch: &Sketch, job: &JobContext<'_>) -> Result<()> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    let before = slot.as_ref().map_or(0, Sketch::size);
    let union = match &mut *slot {
        Some(union) => union,
        empty => empty.insert(Sketch::new(DEFAULT_PRECISION)?),
    };
    union.merge(sketch)?;
    job.reserve(union.size().saturating_sub(before))
}

/// The text that occurs most often; of several the first in their order.
fn most_used<'a>(texts: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    texts.for_each(|text| *counts.entry(text).or_default() += 1);
    let most = counts.values().max().copied();
    counts.into_iter().find(|(_, count)| Some(*count) == most).map(|(text, _)| text.clone())
}
