//! Events that are counted, under the name of their class, and others, which are tallied by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::Int32Type;

/// The classes of events that are counted, and tallies of other events.
pub(super) struct CountedEvents<'a> {
    classes: HashMap<&'a str, &'a str>,
    others: HashMap<String, u64>,
    last: Option<Dictionary>,
}

/// A dictionary of names of events.
struct Dictionary {
    names: ArrayRef,
    /// The class of each name; null for events that are not counted.
    classes: ArrayRef,
}

impl<'a> CountedEvents<'a> {
    /// Each event that is counted, with its class.
    pub(super) fn new(classes: &'a BTreeMap<String, String>) -> Self {
        let classes = classes.iter().map(|(event, class)| (event.as_str(), class.as_str()));
        Self { classes: classes.collect(), others: HashMap::new(), last: None }
    }

    /// The classes of events. Rows of other events are tallied, and marked as rows to `skip`; rows
    /// that are marked already are not tallied.
    pub(super) fn classes(
        &mut self,
        events: &ArrayRef,
        buckets: &mut [i32],
        skip: i32,
    ) -> ArrayRef {
        let Some(codes) = events.as_dictionary_opt::<Int32Type>() else {
            let names = events.as_string::<i32>();
            let mut classes = Vec::with_capacity(names.len());
            for (row, bucket) in buckets.iter_mut().enumerate() {
                let class = self.classes.get(names.value(row)).copied();
                if *bucket != skip && class.is_none() {
                    self.tally(names.value(row), 1);
                    *bucket = skip;
                }
                classes.push(class);
            }
            return Arc::new(StringArray::from(classes));
        };
        let names: &StringArray = codes.values().as_string();
        let known = self.last.take().filter(|last| Arc::ptr_eq(&last.names, codes.values()));
        let last = known.unwrap_or_else(|| {
            let class = |name: Option<&str>| self.classes.get(name?).copied();
            let classes: StringArray = names.iter().map(class).collect();
            Dictionary { names: Arc::clone(codes.values()), classes: Arc::new(classes) }
        });
        if last.classes.null_count() > 0 {
            let mut rows = vec![0; names.len()];
            for (code, bucket) in codes.keys().values().iter().zip(&mut *buckets) {
                if *bucket != skip && last.classes.is_null(*code as usize) {
                    rows[*code as usize] += 1;
                    *bucket = skip;
                }
            }
            for (code, rows) in rows.into_iter().enumerate().filter(|(_, rows)| *rows > 0) {
                self.tally(names.value(code), rows);
            }
        }
        let classes = codes.with_values(Arc::clone(&last.classes));
        self.last = Some(last);
        Arc::new(classes)
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
