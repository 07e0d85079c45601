//! What is counted: expressions over the sets of cells, and series of them.

use crate::users::UserSet;

/// A set of users as an expression over cells: a union of terms; a term is an intersection of unions
/// of cells. A plain metric is one term of one list of cells.
pub type UserExpr = Vec<Vec<Vec<u32>>>;

/// A series of counts to be computed.
#[derive(Clone, Debug)]
pub enum CountRequest {
    /// The users of each of these.
    Exprs(Vec<UserExpr>),
    /// For each of consecutive days, given its cells, the users of `length` days that end on it.
    Trailing {
        /// Cells of each day.
        days: Vec<Vec<u32>>,
        /// Days of a window, at least 1.
        length: usize,
    },
}

impl CountRequest {
    /// Number of counts.
    pub fn len(&self) -> usize {
        match self {
            Self::Exprs(exprs) => exprs.len(),
            Self::Trailing { days, .. } => days.len(),
        }
    }

    /// Whether there is nothing to count.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The users of an expression, given the set of each cell.
pub(super) fn evaluate<'a>(expr: &UserExpr, set: impl Fn(u32) -> Option<&'a UserSet>) -> UserSet {
    let union = |cells: &[u32]| {
        let mut union = UserSet::default();
        for set in cells.iter().filter_map(|cell| set(*cell)) {
            union.union_with(set);
        }
        union
    };
    let mut users = UserSet::default();
    for term in expr {
        let Some((first_cells, rest)) = term.split_first() else { continue };
        let mut intersection = union(first_cells);
        for cells in rest {
            intersection.intersect_with(&union(cells));
        }
        users.union_with(&intersection);
    }
    users
}
