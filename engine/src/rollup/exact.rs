//! Exact cells: one set of user ids each.

use std::sync::Arc;

use super::{UserExpr, evaluate};
use crate::distinct::{ExactSet, QueryIds};
use crate::users::UserSet;
use crate::{Error, Result};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// The exact users of all cells.
#[derive(Debug)]
pub struct ExactSets {
    sets: Vec<UserSet>,
    ids: Arc<Vec<QueryIds>>,
}

impl ExactSets {
    /// The sets of all cells, with ids of the one column that was counted.
    pub(super) fn new(sets: Vec<ExactSet>, ids: Arc<Vec<QueryIds>>) -> Result<Self> {
        let [of_users] = ids.as_slice() else {
            return Err(Error::internal("users are in one column"));
        };
        let sets = sets.into_par_iter().map(|set| set.into_ids(of_users));
        Ok(Self { sets: sets.collect::<Result<_>>()?, ids })
    }

    /// Users of an expression.
    pub fn count(&self, expr: &UserExpr) -> u64 {
        match expr.as_slice() {
            [term] if term.len() == 1 => {
                let sets = term[0].iter().filter_map(|cell| self.of(*cell));
                UserSet::union_len(&sets.collect::<Vec<_>>())
            }
            _ => self.evaluated(expr).len(),
        }
    }

    /// The set of a cell.
    pub fn of(&self, cell: u32) -> Option<&UserSet> {
        self.sets.get(cell as usize)
    }

    /// The set of an expression.
    pub(super) fn evaluated(&self, expr: &UserExpr) -> UserSet {
        evaluate(expr, |cell| self.of(cell))
    }

    /// Ids of the users.
    pub(super) fn ids(&self) -> impl Iterator<Item = &QueryIds> {
        self.ids.iter()
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        self.sets.capacity() * size_of::<UserSet>()
            + self.sets.iter().map(UserSet::size).sum::<usize>()
            + self.ids().map(QueryIds::size).sum::<usize>()
    }
}
