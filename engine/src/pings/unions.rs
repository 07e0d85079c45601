//! Unions of sketches over installations: how many different users there are, where they can be
//! recognised.
//!
//! Only sketches of one salt can be united. A month uses the salt that most of its installations use;
//! those with another salt, or without a sketch, are counted in [`PingUnion::without`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::collection::{Collection, Ping};
use super::inputs::Inputs;
use super::sketches::{PingSketches, each_last};
use super::values::Content;
use crate::calendar::Day;
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
    /// Installations that have a value above 0 and no sketch that can be united: their users are
    /// missing.
    pub without: u64,
}

/// For each set of key paths the sketch so far.
type Slots = Vec<Mutex<Option<Sketch>>>;

/// The salt of a ping, and the sets that its sketches belong to.
type Contribution = (String, HashSet<usize>);

/// Unites the sketches of each of some sets of key paths, for every month. Only the last pings of months
/// that are wanted count; files are read on the threads of the current pool, and `root` and `inputs`
/// must be those of the collection. The result has a row for each month and set with any installation,
/// in this order.
///
/// # Errors
/// When a file cannot be read, or the job is cancelled or has no more memory.
pub fn unions(
    root: &Path,
    inputs: &Inputs,
    collection: &Collection,
    sets: &[Vec<String>],
    is_wanted: &(dyn Fn(&Ping) -> bool + Sync),
    job: &JobContext<'_>,
) -> Result<Vec<PingUnion>> {
    let mut sets_of_path: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, key_paths) in sets.iter().enumerate() {
        for key_path in key_paths {
            sets_of_path.entry(key_path).or_default().push(at);
        }
    }
    let slots: Mutex<BTreeMap<(Day, String), Arc<Slots>>> = Mutex::default();
    let contributions: Mutex<HashMap<usize, Contribution>> = Mutex::default();
    let each = |at: usize, PingSketches { salt, list }: PingSketches| {
        let Some(salt) = salt else { return Ok(()) };
        let key = (collection.pings[at].month, salt.clone());
        let slots = {
            let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(sets.iter().map(|_| Mutex::default()).collect());
            Arc::clone(slots.entry(key).or_insert_with(new))
        };
        let mut own = HashSet::new();
        for (key_path, sketch) in list {
            let (Some(sketch), Some(sets)) = (sketch, sets_of_path.get(key_path.as_str())) else {
                continue;
            };
            for set in sets {
                add(&slots[*set], &sketch, job)?;
                own.insert(*set);
            }
        }
        let mut contributions = contributions.lock().unwrap_or_else(PoisonError::into_inner);
        contributions.insert(at, (salt, own));
        Ok(())
    };
    each_last(root, inputs, collection, is_wanted, true, &each, job)?;
    let slots = slots.into_inner().unwrap_or_else(PoisonError::into_inner);
    let contributions = contributions.into_inner().unwrap_or_else(PoisonError::into_inner);

    let sets_of_code = collection.paths.iter().map(|path| sets_of_path.get(path.as_str()));
    let sets_of_code: Vec<Option<&Vec<usize>>> = sets_of_code.collect();
    let mut months: BTreeMap<Day, Vec<(usize, &Ping)>> = BTreeMap::new();
    for (at, ping) in collection.last_pings().filter(|(_, ping)| is_wanted(ping)) {
        months.entry(ping.month).or_default().push((at, ping));
    }
    let mut unions = Vec::new();
    for (month, pings) in months {
        let salt = most_used(pings.iter().filter_map(|(at, _)| Some(&contributions.get(at)?.0)));
        let mut counts = vec![(0, 0); sets.len()];
        for (at, ping) in pings {
            let own = contributions.get(&at).filter(|(own, _)| Some(own) == salt.as_ref());
            let has_sketch = |set: &usize| own.is_some_and(|(_, sets)| sets.contains(set));
            let mut active = HashSet::new();
            for (code, content) in collection.values(ping) {
                if matches!(content, Content::Integer(1..)) {
                    active.extend(sets_of_code[code as usize].into_iter().flatten().copied());
                }
            }
            own.iter().flat_map(|(_, sets)| sets).for_each(|set| counts[*set].0 += 1);
            active.iter().filter(|set| !has_sketch(set)).for_each(|set| counts[*set].1 += 1);
        }
        let slots = salt.and_then(|salt| slots.get(&(month, salt)));
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
    }
    Ok(unions)
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
