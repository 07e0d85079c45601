//! Approximate cells: one sketch each.

use super::cell::{Cells, UNCOUNTED};
use super::{CellInterner, Terms, Users};
use crate::events::{Batch, Request, Scan, ScanObserver, ScanSummary, Sink};
use crate::users::{Estimate, Sketch, hash_scope};
use crate::{Error, Result};

/// Batches between two looks at what the sketches take: a look goes through all of them.
const SILENT: usize = 16;

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

    /// Users of some terms.
    ///
    /// # Errors
    /// For an intersection: sketches can only be united.
    pub fn count(&self, terms: &Terms) -> Result<Estimate> {
        let mut union = self.empty.clone();
        for term in terms {
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

pub(super) fn build(
    scan: &Scan,
    request: &Request<'_>,
    cell_interner: &CellInterner<'_>,
    precision: u8,
) -> Result<(Users, Vec<Vec<u64>>, ScanSummary)> {
    let empty = Sketch::new(precision)?;
    let (sketchers, summary) = scan.run(request, || Sketcher {
        cells: Cells::new(cell_interner, scan),
        scan,
        scopes: vec![0],
        empty: &empty,
        sketches: Vec::new(),
        observer: request.observer,
        batches: 0,
        told: 0,
    })?;
    let mut tallies = Vec::new();
    let mut cells: Vec<Option<Sketch>> = Vec::new();
    for sketcher in sketchers {
        tallies.push(sketcher.cells.tally);
        if cells.len() < sketcher.sketches.len() {
            cells.resize(sketcher.sketches.len(), None);
        }
        for (whole, part) in cells.iter_mut().zip(sketcher.sketches) {
            match (whole.as_mut(), part) {
                (Some(whole), Some(part)) => whole.merge(&part)?,
                (None, part) => *whole = part,
                (Some(_), None) => {}
            }
        }
    }
    Ok((Users::Approx(Sketches { empty, cells }), tallies, summary))
}

/// One thread's sink, with sketches of its own.
struct Sketcher<'a> {
    cells: Cells<'a>,
    scan: &'a Scan,
    /// Hash of each scope by its name: codes depend on the order of arrival, names do not.
    scopes: Vec<u64>,
    empty: &'a Sketch,
    sketches: Vec<Option<Sketch>>,
    observer: &'a dyn ScanObserver,
    batches: usize,
    /// Bytes that the overseer was told of.
    told: usize,
}

impl Sketcher<'_> {
    /// Tells what the sketches take more than the last time.
    fn tell(&mut self) -> Result<()> {
        let heap: usize = self.sketches.iter().flatten().map(Sketch::size).sum();
        let size = heap + self.sketches.capacity() * size_of::<Option<Sketch>>();
        let more = size.saturating_sub(self.told);
        self.told += more;
        self.observer.reserve(more)
    }
}

impl Sink for Sketcher<'_> {
    fn take(&mut self, batch: &Batch) -> Result<()> {
        self.cells.find(batch)?;
        let rows = &self.cells.rows;
        let wanted = |row: usize| rows[row] & UNCOUNTED == 0;
        batch.users.for_each(wanted, |row, key| {
            let hash = match batch.scopes.get(row) {
                0 => key.hash(),
                scope => key.hash_in(scope_hash(&mut self.scopes, self.scan, scope)?),
            };
            let at = rows[row] as usize;
            if at >= self.sketches.len() {
                self.sketches.resize(at + 1, None);
            }
            self.sketches[at].get_or_insert_with(|| self.empty.clone()).insert(hash);
            Ok(())
        })?;
        self.batches += 1;
        if self.batches.is_multiple_of(SILENT) { self.tell() } else { Ok(()) }
    }
}

/// The hash of a scope of the scan. `scopes` begins with one entry, for no scope.
pub(super) fn scope_hash(scopes: &mut Vec<u64>, scan: &Scan, scope: u32) -> Result<u64> {
    while scopes.len() <= scope as usize {
        let name = scan.scopes.label(scopes.len() as u32);
        let name = name.ok_or_else(|| Error::internal("a scope without a name"))?;
        scopes.push(hash_scope(&name));
    }
    Ok(scopes[scope as usize])
}
