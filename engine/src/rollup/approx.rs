//! Approximate cells: one sketch each.

use super::user_expr::UserExpr;
use crate::users::{Estimate, Sketch};
use crate::{Error, Result};

/// The sketches of all cells.
#[derive(Debug)]
pub struct Sketches {
    empty: Sketch,
    cells: Vec<Option<Sketch>>,
}

impl Sketches {
    /// Sketches by cell; `empty` is one of their precision.
    pub(super) fn new(empty: Sketch, cells: Vec<Option<Sketch>>) -> Self {
        Self { empty, cells }
    }

    /// Users of an expression.
    ///
    /// # Errors
    /// For an intersection: sketches can only be united.
    pub fn count(&self, expr: &UserExpr) -> Result<Estimate> {
        let mut union = self.empty.clone();
        for term in expr {
            let [cells] = term.as_slice() else {
                return Err(Error::input("sketches cannot be intersected")
                    .with("help", "count this metric exactly, without --approx"));
            };
            let sketches = cells.iter().filter_map(|cell| self.cells.get(*cell as usize));
            for sketch in sketches.flatten() {
                union.merge(sketch)?;
            }
        }
        union.estimate()
    }

    /// Heap bytes in use.
    pub fn size(&self) -> usize {
        self.cells.capacity() * size_of::<Option<Sketch>>()
            + self.cells.iter().flatten().map(Sketch::size).sum::<usize>()
    }
}
