//! Events become cells, once: for every (bucket of time, event, dimension values) the set of its
//! users. Everything above, any stage, window or dimension, is set algebra on these.
//!
//! What is scanned today can be kept: [`ingest`](fn@ingest) rolls files up by day into the
//! [store](crate::store), and [`Rollup::covered`] makes cells of what lies there, together with the
//! files that it does not have yet.
//!
//! Users are spread over [`SHARDS`] shards by their key. A shard numbers its own users and keeps
//! its own sets, so threads seldom meet, the data of a shard stays in the cache while it is
//! filled, and the counts of the shards simply add up: no user is in two of them.

mod approx;
mod cell;
mod cover;
mod coverage;
mod days;
mod exact;
mod gather;
mod ingest;
mod load;
mod pages;
mod people;
mod queue;
mod road;
mod rows;
mod stored;
mod unite;

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::events::{Request, Scan, ScanSummary};
use crate::users::{Estimate, UserSet};

pub use approx::Sketches;
pub use cell::{Cell, CellInterner};
pub use cover::Covered;
pub use coverage::{Found, Standing, changed, check_settings, find, gone};
pub use exact::{SHARDS, Sets};
pub use ingest::{DEFAULT_MEMORY, Ingested, LEAST_MEMORY, Watch, ingest};
pub use people::{People, Person};
pub use road::{Kept, Road, kept, road};
pub use rows::{Part, Rows, Unit, may_be_empty, row_schema};
pub use stored::Stored;

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
    /// Exact sets that lie in the store.
    Stored(Stored),
}

/// A series of counts that is asked for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// The users of each of these.
    Terms(Vec<Terms>),
    /// For each of consecutive days, given its cells, the users of `length` days that end on it.
    Trailing {
        /// Cells of each day.
        days: Vec<Vec<u32>>,
        /// Days of a window, at least 1.
        length: usize,
    },
}

impl Asked {
    /// Number of counts asked for.
    pub fn len(&self) -> usize {
        match self {
            Self::Terms(terms) => terms.len(),
            Self::Trailing { days, .. } => days.len(),
        }
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Users {
    /// Heap bytes in use; sets in the store are read when they are asked for, and not kept.
    pub fn size(&self) -> usize {
        match self {
            Self::Exact(sets) => sets.size(),
            Self::Approx(sketches) => sketches.size(),
            Self::Stored(_) => 0,
        }
    }
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
    pub summary: ScanSummary,
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
        let cell_interner = CellInterner::new(Some(counted));
        let (users, tallies, summary) = match counting {
            Counting::Exact => exact::build(scan, request, &cell_interner)?,
            Counting::Approx(precision) => approx::build(scan, request, &cell_interner, precision)?,
        };
        let (cells, events, unmapped) = cell_interner.finish(scan, &tallies);
        Ok(Self { cells, events, unmapped, users, summary })
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
            Users::Stored(stored) => {
                let counts = stored.answer(&[Asked::Terms(vec![terms.clone()])])?;
                let users = counts.into_iter().flatten().sum();
                Ok(Estimate { users, low: users, high: users })
            }
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
