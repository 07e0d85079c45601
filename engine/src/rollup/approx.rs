//! Approximate cells: one sketch each.

use super::cell::{CellFinder, UNCOUNTED};
use super::{CellInterner, CellUsers, UserExpr};
use crate::events::{Batch, Request, Scan, ScanObserver, ScanSummary, Sink};
use crate::users::{Estimate, Sketch, hash_scope};
use crate::{Error, Result};

/// Batches between two reports of memory: a report adds up all sketches.
const BATCHES_PER_REPORT: usize = 16;

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

pub(super) fn build(
    scan: &Scan,
    request: &Request<'_>,
    interner: &CellInterner<'_>,
    precision: u8,
) -> Result<(CellUsers, Vec<Vec<u64>>, ScanSummary)> {
    let empty = Sketch::new(precision)?;
    let (sinks, summary) = scan.run(request, || SketchSink {
        cells: CellFinder::new(interner, scan),
        scan,
        scopes: vec![0],
        empty: &empty,
        sketches: Vec::new(),
        observer: request.observer,
        batches: 0,
        reported: 0,
    })?;
    let mut tallies = Vec::new();
    let mut cells: Vec<Option<Sketch>> = Vec::new();
    for sink in sinks {
        tallies.push(sink.cells.tally);
        if cells.len() < sink.sketches.len() {
            cells.resize(sink.sketches.len(), None);
        }
        for (total, more) in cells.iter_mut().zip(sink.sketches) {
            match (total.as_mut(), more) {
                (Some(total), Some(more)) => total.merge(&more)?,
                (None, more) => *total = more,
                (Some(_), None) => {}
            }
        }
    }
    Ok((CellUsers::Approx(Sketches { empty, cells }), tallies, summary))
}

/// One thread's sink, with sketches of its own.
struct SketchSink<'a> {
    cells: CellFinder<'a>,
    scan: &'a Scan,
    /// Hash of each scope by its name: codes depend on the order of arrival, names do not.
    scopes: Vec<u64>,
    empty: &'a Sketch,
    sketches: Vec<Option<Sketch>>,
    observer: &'a dyn ScanObserver,
    batches: usize,
    /// Bytes reported to the observer.
    reported: usize,
}

impl SketchSink<'_> {
    /// Reports the growth of the sketches since the last report.
    fn report_memory(&mut self) -> Result<()> {
        let heap: usize = self.sketches.iter().flatten().map(Sketch::size).sum();
        let size = heap + self.sketches.capacity() * size_of::<Option<Sketch>>();
        let more = size.saturating_sub(self.reported);
        self.reported += more;
        self.observer.reserve(more)
    }
}

impl Sink for SketchSink<'_> {
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
        if self.batches.is_multiple_of(BATCHES_PER_REPORT) { self.report_memory() } else { Ok(()) }
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
