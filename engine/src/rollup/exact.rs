//! Exact cells: one set of user ids each.

use std::sync::Arc;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::trailing::{PageSets, check_days, trailing};
use super::user_expr::{UserExpr, evaluate};
use crate::distinct::{ExactSet, QueryIds};
use crate::users::UserSet;
use crate::{Error, Result};

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

    /// Users of the days that end on each day, as [`CountRequest::Trailing`] has them.
    ///
    /// # Errors
    /// When there are too many days.
    pub(super) fn trailing(&self, days: &[Vec<u32>], length: usize) -> Result<Vec<u64>> {
        check_days(days)?;
        let sets: Vec<&UserSet> = days.iter().flatten().filter_map(|cell| self.of(*cell)).collect();
        let pages = sets.iter().map(|set| set.page_count()).max().unwrap_or(0);
        let sum = |mut all: Vec<u64>, more: Vec<u64>| {
            all.iter_mut().zip(more).for_each(|(all, more)| *all += more);
            all
        };
        let of_page = |page| trailing(&SetsOfPage { sets: self, page }, days, length);
        let is_used = |page: &usize| sets.iter().any(|set| set.has_page(*page));
        let pages = (0..pages).into_par_iter().filter(is_used).map(of_page);
        Ok(pages.reduce(|| vec![0; days.len()], sum))
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

/// One page of all sets.
struct SetsOfPage<'a> {
    sets: &'a ExactSets,
    page: usize,
}

impl PageSets for SetsOfPage<'_> {
    #[inline]
    fn each(&self, cells: &[u32], visit: &mut impl FnMut(u16)) {
        for set in cells.iter().filter_map(|cell| self.sets.of(*cell)) {
            set.each_in_page(self.page, visit);
        }
    }
}
