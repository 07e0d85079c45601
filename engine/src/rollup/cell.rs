//! Assigns numbers to cells; every thread caches those that it has looked up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

use crate::calendar::Day;
use crate::events::{Batch, Codes, SKIP, Scan};
use crate::{Error, Result};

/// Flag in the number of a cell whose event is not in the dictionary: tallied, not counted.
pub(super) const UNCOUNTED: u32 = 1 << 31;
/// Stands for "no cell": the row is skipped.
pub(super) const NO_CELL: u32 = u32::MAX;
/// Maximum length of the lookup table of one bucket.
const MAX_TABLE_LEN: u32 = 1 << 20;

/// One cell of the roll-up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// First day of the bucket.
    pub bucket: Day,
    /// Name of the event.
    pub event: String,
    /// One value for each dimension of the scan; `None` is "no value".
    pub dimensions: Vec<Option<String>>,
}

/// All cells and their numbers, shared by the threads of a scan.
#[derive(Debug)]
pub struct CellInterner<'a> {
    counted: Option<&'a BTreeSet<String>>,
    cells: RwLock<HashMap<Box<[u32]>, u32>>,
}

impl<'a> CellInterner<'a> {
    /// No cells yet; events outside of `counted` get cells that are not counted. `None`
    /// counts every event.
    pub fn new(counted: Option<&'a BTreeSet<String>>) -> Self {
        Self { counted, cells: RwLock::default() }
    }

    /// Number of a cell by its codes: bucket, event, dimensions.
    fn number(&self, key: &[u32], scan: &Scan) -> Result<u32> {
        if let Some(cell) = self.cells.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(*cell);
        }
        let event = scan.events.label(key[1]);
        let event = event.ok_or_else(|| Error::internal("an event without a name"))?;
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        let next = cells.len() as u32;
        if next >= UNCOUNTED - 1 {
            return Err(Error::limit(
                "more than 2,147,483,646 combinations of period, event and dimension values",
            )
            .with("help", "use fewer dimensions, or dimensions with fewer values"));
        }
        let is_counted = self.counted.is_none_or(|counted| counted.contains(&event));
        let flag = if is_counted { 0 } else { UNCOUNTED };
        Ok(*cells.entry(key.into()).or_insert(next | flag))
    }

    /// The cells given so far, by number.
    pub(super) fn cells(&self, scan: &Scan) -> Vec<Option<Cell>> {
        let names = scan.events.labels();
        let labels: Vec<_> = scan.interners.iter().map(|interner| interner.labels()).collect();
        let keys = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        let mut cells = vec![None; keys.len()];
        for (key, number) in keys.iter() {
            let values = key[2..].iter().zip(&labels);
            cells[(number & !UNCOUNTED) as usize] = Some(Cell {
                bucket: Day::new(key[0] as i32),
                event: names[key[1] as usize].clone().unwrap_or_default(),
                dimensions: values.map(|(code, labels)| labels[*code as usize].clone()).collect(),
            });
        }
        cells
    }

    /// Turns codes back into names. Tallies are events by cell number, as each thread has them.
    pub(super) fn finish(
        self,
        scan: &Scan,
        tallies: &[Vec<u64>],
    ) -> (Vec<Cell>, Vec<u64>, BTreeMap<String, u64>) {
        let cells: Vec<Cell> = self.cells(scan).into_iter().flatten().collect();
        let keys = self.cells.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut events = vec![0; keys.len()];
        let mut unmapped = BTreeMap::new();
        for number in keys.into_values() {
            let at = (number & !UNCOUNTED) as usize;
            let tally: u64 = tallies.iter().filter_map(|tally| tally.get(at)).sum();
            if number & UNCOUNTED != 0 {
                *unmapped.entry(cells[at].event.clone()).or_insert(0) += tally;
            } else {
                events[at] = tally;
            }
        }
        (cells, events, unmapped)
    }
}

/// Maps rows to cell numbers, for one thread.
///
/// The codes of a row are packed into one index, so many bits for each column; per bucket a
/// table (or a map, if the table would be large) gives the cell of an index.
pub(super) struct CellFinder<'a> {
    interner: &'a CellInterner<'a>,
    scan: &'a Scan,
    /// Bits that each column's codes take in the packed index.
    bits: Vec<u32>,
    /// By bucket.
    known: HashMap<i32, CellLookup>,
    /// Events by cell.
    pub(super) tally: Vec<u64>,
    /// The cell of every row of the last batch; [`NO_CELL`] for rows to skip.
    pub(super) rows: Vec<u32>,
    packed: Vec<u64>,
}

enum CellLookup {
    Table(Vec<u32>),
    Map(HashMap<u64, u32>),
}

impl<'a> CellFinder<'a> {
    pub(super) fn new(interner: &'a CellInterner<'a>, scan: &'a Scan) -> Self {
        let columns = 1 + scan.interners.len();
        Self {
            interner,
            scan,
            bits: vec![0; columns],
            known: HashMap::new(),
            tally: Vec::new(),
            rows: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// Finds the cell of every row of a batch.
    pub(super) fn find(&mut self, batch: &Batch) -> Result<()> {
        self.pack(batch)?;
        self.rows.clear();
        self.rows.resize(batch.len, NO_CELL);
        let mut row = 0;
        while row < batch.len {
            let bucket = batch.buckets.get(row);
            let end = match &batch.buckets {
                Codes::All(_) => batch.len,
                Codes::Rows(buckets) => {
                    let same = buckets[row..].iter().take_while(|other| **other == bucket);
                    row + same.count()
                }
            };
            if bucket != SKIP {
                self.run(batch, bucket, row..end)?;
            }
            row = end;
        }
        Ok(())
    }

    /// Packs the codes of every row into one index.
    fn pack(&mut self, batch: &Batch) -> Result<()> {
        let columns = || std::iter::once(&batch.events).chain(&batch.dimensions);
        let mut wider = false;
        for (codes, bits) in columns().zip(&mut self.bits) {
            let largest = match codes {
                Codes::All(code) => *code,
                Codes::Rows(codes) => codes.iter().copied().max().unwrap_or(0),
            };
            let needed = u32::BITS - largest.leading_zeros();
            if needed > *bits {
                // Some room to grow, or every new value would empty the tables again.
                *bits = needed + 1;
                wider = true;
            }
        }
        if wider {
            self.known.clear();
            if self.bits.iter().sum::<u32>() > u64::BITS {
                return Err(Error::limit("the dimensions have too many combinations of values")
                    .with("help", "use fewer dimensions at once"));
            }
        }
        self.packed.clear();
        self.packed.resize(batch.len, 0);
        for (codes, bits) in columns().zip(&self.bits) {
            match codes {
                Codes::All(code) => {
                    for index in &mut self.packed {
                        *index = (*index << bits) | u64::from(*code);
                    }
                }
                Codes::Rows(codes) => {
                    for (index, code) in self.packed.iter_mut().zip(codes) {
                        *index = (*index << bits) | u64::from(*code);
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds the cells of a run of rows in one bucket.
    fn run(&mut self, batch: &Batch, bucket: i32, rows: std::ops::Range<usize>) -> Result<()> {
        let table_len = 1u64.checked_shl(self.bits.iter().sum()).unwrap_or(u64::MAX);
        let known = self.known.entry(bucket).or_insert_with(|| {
            if table_len <= u64::from(MAX_TABLE_LEN) {
                CellLookup::Table(vec![NO_CELL; table_len as usize])
            } else {
                CellLookup::Map(HashMap::new())
            }
        });
        for row in rows {
            let index = self.packed[row];
            let cell = match known {
                CellLookup::Table(table) => &mut table[index as usize],
                CellLookup::Map(map) => map.entry(index).or_insert(NO_CELL),
            };
            if *cell == NO_CELL {
                let codes = std::iter::once(&batch.events).chain(&batch.dimensions);
                let key: Vec<u32> =
                    std::iter::once(bucket as u32).chain(codes.map(|c| c.get(row))).collect();
                *cell = self.interner.number(&key, self.scan)?;
                let at = (*cell & !UNCOUNTED) as usize;
                if at >= self.tally.len() {
                    self.tally.resize(at + 1, 0);
                }
            }
            self.tally[(*cell & !UNCOUNTED) as usize] += 1;
            self.rows[row] = *cell;
        }
        Ok(())
    }
}
