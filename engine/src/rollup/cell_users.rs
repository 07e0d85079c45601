//! Cells with their users.

use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::approx::Sketches;
use super::cell::Cell;
use super::exact::ExactSets;
use super::stored_sets::StoredSets;
use super::user_expr::{CountRequest, UserExpr};
use crate::scan::ScanSummary;
use crate::users::Estimate;
use crate::{Error, Result};

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

/// The cells of all events, read by a scan or from the store.
#[derive(Debug)]
pub struct Rollup {
    /// The cells that are counted; the number of a cell is its index here.
    pub cells: Vec<Cell>,
    /// Events in each cell.
    pub events: Vec<u64>,
    /// The users of each cell.
    pub users: CellUsers,
    /// The range of the data, and what is not in the cells.
    pub summary: ScanSummary,
}

impl Rollup {
    /// Users of each of some expressions.
    ///
    /// # Errors
    /// As [`CellUsers::answer`].
    pub fn count(&self, exprs: Vec<UserExpr>) -> Result<Vec<Estimate>> {
        let counts = self.users.answer(vec![CountRequest::Exprs(exprs)])?;
        Ok(counts.into_iter().flatten().collect())
    }
}
