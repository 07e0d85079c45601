//! Aggregates events into cells: for every (time bucket, event, dimension values) the set of its
//! users. Every stage, window and dimension of a report is computed from cells by set algebra.
//!
//! [`ingest`](fn@ingest) stores the cells of files by day in the [store](crate::store), and
//! [`Rollup::from_store`] reads cells from there, together with the files that are not in the store
//! yet.
//!
//! Events are grouped and users counted by the [operator](crate::distinct) that also runs SQL
//! aggregations; the users of a cell are a set per group.

mod approx;
mod cell;
mod exact;
mod file_status;
mod from_store;
mod ingest;
mod ingest_sink;
mod load;
mod merge_small_sets;
mod sets_by_cell;
mod source_plan;
mod stored_rows;
mod stored_sets;
mod trailing;
mod user_directory;
mod user_expr;

use std::sync::Arc;

use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use self::cell::{CellSink, SharedBytes, cells};
use crate::distinct::{Aggregates, ExactSet, GroupedUsers, QueryIds};
use crate::scan::{Request, Scan, ScanSummary};
use crate::users::{Estimate, Sketch};
use crate::{Error, Result};

pub use approx::Sketches;
pub use cell::Cell;
pub use exact::ExactSets;
pub use file_status::{changed_files, check_settings, find_files};
pub use from_store::FromStore;
pub use ingest::{DEFAULT_MEMORY, IngestReport, MIN_MEMORY, ingest};
pub use source_plan::{SourcePlan, StoreCoverage, source_plan, store_coverage};
pub use stored_rows::{RowGroupRef, StoredColumn, StoredRows, may_be_empty, row_schema};
pub use stored_sets::StoredSets;
pub use user_directory::{CountedUser, UserDirectory};
pub use user_expr::{CountRequest, UserExpr};

/// How users are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Every user once, exactly.
    Exact,
    /// By a sketch of this precision.
    Approx(u8),
}

/// The users of all cells.
#[derive(Debug)]
pub enum CellUsers {
    /// Exact sets.
    Exact(ExactSets),
    /// Sketches.
    Approx(Sketches),
    /// Exact sets in the store.
    Stored(StoredSets),
}

impl CellUsers {
    /// Computes all counts, in the order of the requests.
    ///
    /// # Errors
    /// When a stored set is broken, there are too many days, or sketches are asked for an
    /// intersection or for trailing windows.
    pub fn answer(&self, requests: Vec<CountRequest>) -> Result<Vec<Vec<Estimate>>> {
        let exact = |counts: Vec<u64>| counts.into_iter().map(Estimate::exact).collect();
        match self {
            Self::Stored(stored) => Ok(stored.answer(&requests)?.into_iter().map(exact).collect()),
            Self::Exact(sets) => {
                let answer = |request| match request {
                    CountRequest::Trailing { days, length } => sets.trailing(&days, length),
                    CountRequest::Exprs(exprs) => {
                        Ok(exprs.iter().map(|expr| sets.count(expr)).collect())
                    }
                };
                requests.into_par_iter().map(|request| answer(request).map(exact)).collect()
            }
            Self::Approx(sketches) => {
                let answer = |request| match request {
                    CountRequest::Exprs(exprs) => {
                        exprs.iter().map(|expr| sketches.count(expr)).collect()
                    }
                    CountRequest::Trailing { .. } => {
                        Err(Error::internal("trailing windows need exact sets"))
                    }
                };
                requests.into_par_iter().map(answer).collect()
            }
        }
    }

    /// Heap bytes in use; sets in the store are read when they are needed, and not kept.
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
    /// The cells that are counted; the number of a cell is its index here.
    pub cells: Vec<Cell>,
    /// Events in each cell.
    pub events: Vec<u64>,
    /// The users of each cell.
    pub users: CellUsers,
    /// What the scan saw besides.
    pub summary: ScanSummary,
}

impl Rollup {
    /// Scans all events into cells.
    ///
    /// # Errors
    /// Errors of the scan.
    pub fn build(scan: &Scan, request: &Request<'_>, counting: Counting) -> Result<Self> {
        let (exact, approximate) = match counting {
            Counting::Exact => (Some(ExactSet::default()), None),
            Counting::Approx(precision) => (None, Some(Sketch::new(precision)?)),
        };
        let empty = approximate.clone();
        let aggregates = Arc::new(Aggregates::of_events(&scan.dimensions, exact, approximate)?);
        let ids = Arc::new(vec![QueryIds::new(scan.has_integer_keys())]);
        let id_size = || ids.iter().map(QueryIds::size).sum();
        let id_bytes = SharedBytes::new(&id_size);
        let sink = || CellSink::new(&aggregates, &ids, &id_bytes, request.job);
        request.job.begin(scan.total_rows());
        let (sinks, summary) = scan.run(request, sink)?;
        let groups = CellSink::merged(sinks)?;
        let (cells, events, exact, sketches) = match groups {
            None => Default::default(),
            Some(GroupedUsers { columns, exact, approximate, events }) => {
                (cells(&columns)?, events, exact, approximate)
            }
        };
        let users = match empty {
            None => {
                let sets = ExactSets::new(exact, Arc::clone(&ids))?;
                // Integers that small sets kept have got ids only now.
                request.job.reserve(id_bytes.growth())?;
                CellUsers::Exact(sets)
            }
            Some(empty) => {
                let sketches = sketches.into_iter().map(Some).collect();
                CellUsers::Approx(Sketches::new(empty, sketches))
            }
        };
        Ok(Self { cells, events, users, summary })
    }

    /// Users of each of some expressions.
    ///
    /// # Errors
    /// As [`CellUsers::answer`].
    pub fn count(&self, exprs: Vec<UserExpr>) -> Result<Vec<Estimate>> {
        let counts = self.users.answer(vec![CountRequest::Exprs(exprs)])?;
        Ok(counts.into_iter().flatten().collect())
    }
}
