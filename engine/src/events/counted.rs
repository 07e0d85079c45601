//! Tells events that are counted from others, which are tallied by name.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::Int32Type;

/// The names of the events that are counted, and tallies of the others.
pub(super) struct CountedEvents<'a> {
    names: HashSet<&'a str>,
    others: HashMap<String, u64>,
    /// The last dictionary, and whether each of its names is counted.
    last: Option<(ArrayRef, Vec<bool>)>,
}

impl<'a> CountedEvents<'a> {
    pub(super) fn new(names: &'a BTreeSet<String>) -> Self {
        let names = names.iter().map(String::as_str).collect();
        Self { names, others: HashMap::new(), last: None }
    }

    /// Tallies the rows of other events, and marks them as rows to `skip`; rows that are marked
    /// already are not tallied.
    pub(super) fn skip_others(&mut self, events: &ArrayRef, buckets: &mut [i32], skip: i32) {
        let Some(codes) = events.as_dictionary_opt::<Int32Type>() else {
            let names = events.as_string::<i32>();
            for (row, bucket) in buckets.iter_mut().enumerate().filter(|(_, b)| **b != skip) {
                if !self.names.contains(names.value(row)) {
                    self.tally(names.value(row), 1);
                    *bucket = skip;
                }
            }
            return;
        };
        let values: &StringArray = codes.values().as_string();
        let known = self.last.take().filter(|last| Arc::ptr_eq(&last.0, codes.values()));
        let (last, counted) = known.unwrap_or_else(|| {
            let counted = values.iter().map(|name| name.is_none_or(|name| self.names.contains(name)));
            (Arc::clone(codes.values()), counted.collect())
        });
        if !counted.iter().all(|counted| *counted) {
            let mut rows = vec![0; values.len()];
            for (code, bucket) in codes.keys().values().iter().zip(&mut *buckets) {
                if *bucket != skip && !counted[*code as usize] {
                    rows[*code as usize] += 1;
                    *bucket = skip;
                }
            }
            for (code, rows) in rows.into_iter().enumerate().filter(|(_, rows)| *rows > 0) {
                self.tally(values.value(code), rows);
            }
        }
        self.last = Some((last, counted));
    }

    fn tally(&mut self, name: &str, rows: u64) {
        match self.others.get_mut(name) {
            Some(known) => *known += rows,
            None => {
                self.others.insert(name.to_owned(), rows);
            }
        }
    }

    /// Rows of other events, by name.
    pub(super) fn finish(self) -> BTreeMap<String, u64> {
        self.others.into_iter().collect()
    }
}
