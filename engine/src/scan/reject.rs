//! Counts rejected rows by reason, with the first row of each reason.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::Path;

use super::example::Example;
use super::reason::Reason;
use crate::calendar::Day;

/// The rows of a source that were rejected for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// How many.
    pub rows: u64,
    /// The first of them, by file and row.
    pub first: Example,
}

/// A source of which no row could be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectedSource<'a> {
    /// Its name.
    pub source: &'a str,
    /// Its rows.
    pub rows: u64,
    /// Why most of them were rejected.
    pub reason: Reason,
    /// The first row of that reason.
    pub first: &'a Example,
}

/// Numbers of rejected rows by source and reason, with the first row of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejects {
    counts: BTreeMap<(String, Reason), Rejected>,
    /// Rows of each source, rejected or not.
    rows: BTreeMap<String, u64>,
    /// Of those whose time is good, the days, if the scan kept days apart.
    days: BTreeMap<(Reason, Day), Rejected>,
}

impl Rejects {
    /// Counts `rows` more. `make` gives the first of them, and is called only if it is before
    /// the first one known: `file` and `row` are its position.
    pub fn add(
        &mut self,
        source: &str,
        reason: Reason,
        rows: u64,
        (file, row): (&Path, u64),
        make: impl FnOnce() -> Example,
    ) {
        if rows > 0 {
            add(&mut self.counts, (source.to_owned(), reason), rows, (file, row), make);
        }
    }

    /// Counts rows of a source, whether they were rejected or not.
    pub fn add_rows(&mut self, source: &str, rows: u64) {
        if rows > 0 {
            *self.rows.entry(source.to_owned()).or_default() += rows;
        }
    }

    /// Notes that a rejected row has a good time, on this day. `location` and `make` are as in
    /// [`add`](Self::add).
    pub fn add_day(
        &mut self,
        reason: Reason,
        day: Day,
        location: (&Path, u64),
        make: impl FnOnce() -> Example,
    ) {
        add(&mut self.days, (reason, day), 1, location, make);
    }

    /// `(reason, day, rows)` of the rows added by [`add_day`](Self::add_day).
    pub fn days(&self) -> impl Iterator<Item = (Reason, Day, &Rejected)> {
        self.days.iter().map(|((reason, day), rejected)| (*reason, *day, rejected))
    }

    /// Adds the counts of another part of the scan.
    pub fn merge(&mut self, other: &Self) {
        for ((source, reason), Rejected { rows, first }) in &other.counts {
            let location = (first.file(), first.row());
            self.add(source, *reason, *rows, location, || first.clone());
        }
        for (source, rows) in &other.rows {
            self.add_rows(source, *rows);
        }
        for (key, Rejected { rows, first }) in &other.days {
            let location = (first.file(), first.row());
            add(&mut self.days, *key, *rows, location, || first.clone());
        }
    }

    /// Rejected rows in all.
    pub fn total(&self) -> u64 {
        self.counts.values().map(|rejected| rejected.rows).sum()
    }

    /// `(source, reason, rows)`, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Reason, &Rejected)> {
        self.counts.iter().map(|((s, r), rejected)| (s.as_str(), *r, rejected))
    }

    /// The sources that have rows, all of which were rejected.
    pub fn fully_rejected(&self) -> Vec<RejectedSource<'_>> {
        let lost = |(source, rows): (&'_ String, &u64)| {
            let own = || self.iter().filter(|(name, ..)| name == source);
            if own().map(|(_, _, rejected)| rejected.rows).sum::<u64>() < *rows {
                return None;
            }
            // The first of equally frequent ones.
            let most = own().min_by_key(|(_, _, rejected)| std::cmp::Reverse(rejected.rows));
            most.map(|(source, reason, Rejected { first, .. })| (source, reason, first))
        };
        let sources = self.rows.iter().filter_map(|row| Some((row.1, lost(row)?)));
        sources
            .map(|(rows, (source, reason, first))| RejectedSource {
                source,
                rows: *rows,
                reason,
                first,
            })
            .collect()
    }
}

/// Counts rows of a key, and keeps the first of them.
fn add<K: Ord>(
    counts: &mut BTreeMap<K, Rejected>,
    key: K,
    rows: u64,
    (file, row): (&Path, u64),
    make: impl FnOnce() -> Example,
) {
    match counts.entry(key) {
        Entry::Vacant(new) => {
            new.insert(Rejected { rows, first: make() });
        }
        Entry::Occupied(mut known) => {
            let known = known.get_mut();
            known.rows += rows;
            if (file, row) < (known.first.file(), known.first.row()) {
                known.first = make();
            }
        }
    }
}

/// `nothing could be counted from source `visits`: all of its 7 rows were rejected; unreadable
/// time: 7 rows, the first in events.csv, line 2: `at` is "never"`
impl fmt::Display for RejectedSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, rows, reason, first } = self;
        let all = if *rows == 1 {
            "its only row was".to_owned()
        } else {
            format!("all of its {rows} rows were")
        };
        write!(
            f,
            "no row of source `{source}` was counted: {all} rejected; the first with `{reason}` \
             is in {first}"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Rejects;
    use crate::scan::{Example, Reason};

    fn rejects(of: &[(&str, Reason, &str)]) -> Rejects {
        let mut rejects = Rejects::default();
        for (source, reason, file) in of {
            let location = (Path::new(file), 0);
            rejects.add(source, *reason, 2, location, || Example::of_file(Path::new(file)));
        }
        rejects
    }

    #[test]
    fn the_first_file_of_a_reason_does_not_depend_on_the_order() {
        use Reason::{TimeMissing, UserMissing};
        let one = [("a", UserMissing, "2"), ("a", UserMissing, "1")];
        let other = [("a", UserMissing, "3"), ("a", TimeMissing, "9"), ("b", UserMissing, "0")];
        let mut forth = rejects(&one);
        forth.merge(&rejects(&other));
        let mut back = rejects(&other);
        back.merge(&rejects(&one));
        assert_eq!(forth, back);
        let list: Vec<String> = forth
            .iter()
            .map(|(source, why, all)| format!("{source} {why} {} {}", all.rows, all.first))
            .collect();
        assert_eq!(list, ["a no time 2 9", "a no user 6 1", "b no user 2 0"]);
    }

    #[test]
    fn a_source_is_reported_if_every_row_was_rejected() {
        use Reason::{EventMissing, TimeMissing, UserMissing};
        let of = [("a", TimeMissing, "1"), ("a", UserMissing, "1"), ("b", UserMissing, "1")];
        let mut rejects = rejects(&of);
        rejects.merge(&self::rejects(&[("a", EventMissing, "2"), ("a", UserMissing, "2")]));
        for (source, rows) in [("a", 8), ("b", 3), ("c", 4)] {
            rejects.add_rows(source, rows);
        }
        let lost = rejects.fully_rejected();
        let found: Vec<_> = lost.iter().map(|lost| (lost.source, lost.rows, lost.reason)).collect();
        assert_eq!(found, [("a", 8, UserMissing)]);
    }
}
