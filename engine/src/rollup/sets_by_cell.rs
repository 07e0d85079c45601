//! Stored sets grouped by cell.

/// Sets by cell: as they are stored, or parts of them.
#[derive(Debug)]
pub(super) struct SetsByCell<T> {
    /// For each cell up to the last one that has a set, where its sets start.
    starts: Vec<u32>,
    sets: Vec<T>,
}

/// Of sets with their cells, in the order of these.
impl<T> FromIterator<(u32, T)> for SetsByCell<T> {
    fn from_iter<I: IntoIterator<Item = (u32, T)>>(sets_of_cells: I) -> Self {
        let (mut starts, mut sets) = (Vec::new(), Vec::new());
        for (cell, set) in sets_of_cells {
            if starts.len() <= cell as usize {
                starts.resize(cell as usize + 1, sets.len() as u32);
            }
            sets.push(set);
        }
        Self { starts, sets }
    }
}

impl<T> SetsByCell<T> {
    /// The sets of a cell.
    #[inline]
    pub(super) fn of(&self, cell: u32) -> &[T] {
        let start = |cell: usize| self.starts.get(cell).map_or(self.sets.len(), |at| *at as usize);
        &self.sets[start(cell as usize)..start(cell as usize + 1)]
    }
}
