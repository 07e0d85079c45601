//! What window functions keep and make.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::partition;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::window::WindowExpr;

use super::exhausted;
use super::length::{bytes_of, is_long, longest};
use super::watched::Watching;

/// Bytes of a result that is a number.
const RESULT: usize = 8;

/// What window functions keep, by partition.
pub(super) struct Windows {
    /// Results that may be as long as a value of a row.
    values: usize,
    /// Results that may be as long as all values of a partition together.
    gathered: usize,
    partition_by: Vec<Arc<dyn PhysicalExpr>>,
    /// Bytes of the results of a row, if they are numbers.
    results: f64,
    /// How often values are copied at a time.
    copies: f64,
    memory: usize,
    held: Mutex<HashMap<usize, Arc<Held>>>,
}

/// Rows that window functions have taken and not handed on.
struct Held {
    reservation: MemoryReservation,
    rows: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    rows: f64,
    bytes: f64,
    /// Of the longest value of all.
    longest: f64,
    /// The partition that came last, its bytes, and those of the largest.
    partition: Vec<ScalarValue>,
    open: f64,
    largest: f64,
}

impl Windows {
    /// Of the functions of one operator, whose arguments hold `computed` values of any length that
    /// are made of a row.
    ///
    /// # Errors
    /// When one does not know what it gives.
    pub(super) fn new(
        windows: &[Arc<dyn WindowExpr>],
        computed: usize,
        memory: usize,
    ) -> Result<Self> {
        let partition_by = windows.first().map_or_else(Vec::new, |w| w.partition_by().to_vec());
        let held = Mutex::default();
        let results = (RESULT * windows.len()) as f64;
        // Batches are copied into one when all are there, and so are the results of partitions.
        let copies = 2.0 + computed as f64;
        let mut new = Self { values: 0, gathered: 0, partition_by, results, copies, memory, held };
        for window in windows {
            match window.field()?.data_type() {
                DataType::List(_) | DataType::LargeList(_) | DataType::LargeUtf8 => {
                    new.gathered += 1;
                }
                data_type if is_long(data_type) => new.values += 1,
                _ => {}
            }
        }
        Ok(new)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<usize, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the rows that are handed on. Begins before [`input`](Self::input) does.
    pub(super) fn output(self: &Arc<Self>, partition: usize, context: &TaskContext) -> Watching {
        let reservation = MemoryConsumer::new("window").register(context.memory_pool());
        let (windows, held) = (Arc::clone(self), Held { reservation, rows: Mutex::default() });
        let held = Arc::new(held);
        self.held().insert(partition, Arc::clone(&held));
        // Whoever asks for the next batch is done with the last.
        let mut last = 0;
        Box::new(move |batch| {
            windows.give(&held, std::mem::replace(&mut last, batch.num_rows()))?;
            Ok(vec![batch])
        })
    }

    /// Looks at the rows that are taken.
    pub(super) fn input(self: &Arc<Self>, partition: usize, _: &TaskContext) -> Watching {
        let (windows, held) = (Arc::clone(self), self.held().get(&partition).map(Arc::clone));
        Box::new(move |batch| {
            if let Some(held) = &held {
                windows.take(held, &batch)?;
            }
            Ok(vec![batch])
        })
    }

    fn take(&self, held: &Held, batch: &RecordBatch) -> Result<()> {
        let mut kept = held.rows.lock().unwrap_or_else(PoisonError::into_inner);
        kept.rows += batch.num_rows() as f64;
        kept.bytes += bytes_of(batch);
        let long = batch.columns().iter().filter(|column| is_long(column.data_type()));
        kept.longest = long.map(longest).fold(kept.longest, f64::max);
        if self.gathered > 0 {
            self.gather(&mut kept, batch)?;
        }
        let made =
            kept.rows * (self.values as f64 * kept.longest + self.gathered as f64 * kept.largest);
        if made > self.memory as f64 {
            return Err(exhausted("a window", made, self.memory, self.memory));
        }
        self.reserve(held, &kept)
    }

    /// Notes how large partitions are, which come one after the other.
    fn gather(&self, kept: &mut Kept, batch: &RecordBatch) -> Result<()> {
        let keys = self.partition_by.iter();
        let keys = keys.map(|key| key.evaluate(batch)?.into_array(batch.num_rows()));
        let keys: Vec<ArrayRef> = keys.collect::<Result<_>>()?;
        let ranges = match keys.is_empty() {
            true => std::iter::once(0..batch.num_rows()).collect(),
            false => partition(&keys)?.ranges(),
        };
        for range in ranges {
            let key = keys.iter().map(|key| ScalarValue::try_from_array(key, range.start));
            let key: Vec<ScalarValue> = key.collect::<Result<_>>()?;
            if kept.partition != key {
                (kept.partition, kept.open) = (key, 0.0);
            }
            kept.open += bytes_of(&batch.slice(range.start, range.len()));
            kept.largest = kept.largest.max(kept.open);
        }
        Ok(())
    }

    fn give(&self, held: &Held, rows: usize) -> Result<()> {
        let mut kept = held.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let part = if kept.rows > 0.0 { (rows as f64 / kept.rows).min(1.0) } else { 0.0 };
        kept.bytes -= kept.bytes * part;
        kept.rows -= kept.rows * part;
        self.reserve(held, &kept)
    }

    fn reserve(&self, held: &Held, kept: &Kept) -> Result<()> {
        let bytes = self.copies * (kept.bytes + kept.rows * self.results);
        held.reservation.try_resize(bytes as usize)
    }
}
