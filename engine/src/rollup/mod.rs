//! Events become cells, once: for every (granule of time, event, dimension values) the set of its
//! users. Everything above, any stage, window or dimension, is set algebra on these.
//!
//! Users are spread over [`SHARDS`] shards by their key. A shard numbers its own users and keeps
//! its own sets, so threads seldom meet, the data of a shard stays in the cache while it is
//! filled, and the counts of the shards simply add up: no user is in two of them.

mod approx;
mod cell;
mod exact;

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::events::{Request, Scan, Seen};
use crate::users::{Estimate, UserSet};

pub use approx::Sketches;
pub use cell::{Cell, CellBook};
pub use exact::{SHARDS, Sets};

/// How users are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Every user once, exactly.
    Exact,
    /// By a sketch of this precision.
    Approx(u8),
}

/// A question to the cells: the users of the union, over all terms, of the intersection, within
/// a term, of the union of a list of cells. A plain metric is one term of one list.
pub type Terms = Vec<Vec<Vec<u32>>>;

/// The users of all cells.
#[derive(Debug)]
pub enum Users {
    /// Exact sets.
    Exact(Sets),
    /// Sketches.
    Approx(Sketches),
}

/// What a scan of all events leaves.
#[derive(Debug)]
pub struct Rollup {
    /// The cells that are counted; a cell's number is its place here.
    pub cells: Vec<Cell>,
    /// Events in each cell.
    pub events: Vec<u64>,
    /// Events by name that are not in the dictionary, and were not counted.
    pub unmapped: BTreeMap<String, u64>,
    /// The users of each cell.
    pub users: Users,
    /// What the scan saw besides.
    pub seen: Seen,
}

impl Rollup {
    /// Scans all events into cells. Only events named in `counted` are; the others are tallied.
    ///
    /// # Errors
    /// Errors of the scan, and more than 2^31 cells.
    pub fn build(
        scan: &Scan,
        request: &Request<'_>,
        counted: &BTreeSet<String>,
        counting: Counting,
    ) -> Result<Self> {
        let book = CellBook::new(counted);
        let (users, tallies, seen) = match counting {
            Counting::Exact => exact::build(scan, request, &book)?,
            Counting::Approx(precision) => approx::build(scan, request, &book, precision)?,
        };
        let (cells, events, unmapped) = book.finish(scan, &tallies);
        Ok(Self { cells, events, unmapped, users, seen })
    }

    /// Counts the users of some terms.
    ///
    /// # Errors
    /// When sketches are asked for an intersection, which they cannot answer.
    pub fn count(&self, terms: &Terms) -> Result<Estimate> {
        match &self.users {
            Users::Exact(sets) => {
                let users = sets.count(terms);
                Ok(Estimate { users, low: users, high: users })
            }
            Users::Approx(sketches) => sketches.count(terms),
        }
    }
}

/// The set that terms stand for, given the set of each cell.
fn evaluate<'a>(terms: &Terms, set: impl Fn(u32) -> Option<&'a UserSet>) -> UserSet {
    let union = |cells: &[u32]| {
        let mut union = UserSet::default();
        for set in cells.iter().filter_map(|cell| set(*cell)) {
            union.union_with(set);
        }
        union
    };
    let mut all = UserSet::default();
    for term in terms {
        let Some((first, rest)) = term.split_first() else { continue };
        let mut both = union(first);
        for cells in rest {
            both.intersect_with(&union(cells));
        }
        all.union_with(&both);
    }
    all
}
