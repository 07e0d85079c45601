//! The true counts: how many people did each event in each month.
//!
//! It is counted while the events are made, on the true identities and with no library of sets:
//! one word for every person and plan, in which bit e says that the person did event e.

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;

use crate::calendar::YearMonth;
use crate::error::{Error, Result};
use crate::model::Event;
use crate::product::{EVENTS, Selection};
use crate::tenants::PLANS;

/// The plans, and all of them together.
const SPLITS: usize = PLANS.len() + 1;
/// Bits that hold the position of an event.
const EVENT_BITS: u32 = u64::BITS.ilog2();
/// Events that a thread buffers before it adds them: their words fit into the cache together.
const MAX_PENDING: usize = 2_048;
/// People whose words are read at once by one thread.
const PEOPLE_PER_CHUNK: usize = 1 << 16;

/// What has happened in one month. Memory: 24 bytes for every person.
pub(crate) struct Tally {
    month: usize,
    words: Vec<AtomicU64>,
    events: Vec<AtomicU64>,
}

/// Events of one month that one thread has not yet added to the tally.
pub(crate) struct PendingEvents {
    events: [u64; EVENTS * PLANS.len()],
    /// A person and plan (the position of the word), and below it [`EVENT_BITS`] bits of the event.
    entries: Vec<u64>,
}

/// One row of the truth.
pub(crate) struct TruthRow {
    pub(crate) month: YearMonth,
    pub(crate) level: &'static str,
    pub(crate) key: String,
    /// The plan; `None` is all plans.
    pub(crate) plan: Option<&'static str>,
    pub(crate) users: u64,
    pub(crate) events: u64,
}

impl Tally {
    /// An empty tally for the month at this position.
    pub(crate) fn new(month: usize, users: u64) -> Self {
        let zeros = |n: usize| std::iter::repeat_with(AtomicU64::default).take(n).collect();
        let words = zeros(users as usize * PLANS.len());
        Self { month, words, events: zeros(EVENTS * PLANS.len()) }
    }

    /// The position of the month.
    pub(crate) const fn month(&self) -> usize {
        self.month
    }

    /// Adds the pending events of one thread. Any thread may call it.
    ///
    /// The first loop only reads, so that the processor can wait for many words at the same time,
    /// and drops what is known already: most people repeat themselves.
    pub(crate) fn add(&self, pending: &mut PendingEvents) {
        pending.entries.retain(|entry| {
            let word = self.words[(entry >> EVENT_BITS) as usize].load(Ordering::Relaxed);
            word & bit(*entry) == 0
        });
        for entry in pending.entries.drain(..) {
            self.words[(entry >> EVENT_BITS) as usize].fetch_or(bit(entry), Ordering::Relaxed);
        }
        for (sum, count) in self.events.iter().zip(&mut pending.events) {
            sum.fetch_add(std::mem::take(count), Ordering::Relaxed);
        }
    }

    /// The truth of the month, once all of its events have been seen: each selection for all
    /// plans and for each one.
    pub(crate) fn rows(&self, name: YearMonth, selections: &[Selection]) -> Vec<TruthRow> {
        let users = self.users(selections);
        let mut rows = Vec::with_capacity(users.len());
        for (at, selection) in selections.iter().enumerate() {
            for split in 0..SPLITS {
                let plan = split.checked_sub(1);
                rows.push(TruthRow {
                    month: name,
                    level: selection.level,
                    key: selection.key.clone(),
                    plan: plan.map(|plan| PLANS[plan]),
                    users: users[split * selections.len() + at],
                    events: self.events(selection.events, plan),
                });
            }
        }
        rows
    }

    fn users(&self, selections: &[Selection]) -> Vec<u64> {
        let none = || vec![0; selections.len() * SPLITS];
        let count = |mut sums: Vec<u64>, words: &[AtomicU64]| {
            for person in words.chunks_exact(PLANS.len()) {
                let mut split = [0; SPLITS];
                for (plan, word) in person.iter().enumerate() {
                    split[plan + 1] = word.load(Ordering::Relaxed);
                    split[0] |= split[plan + 1];
                }
                if split[0] == 0 {
                    continue;
                }
                // Most people have one plan, so two of the splits are empty.
                for (at, word) in split.into_iter().enumerate().filter(|(_, word)| *word != 0) {
                    let sums = &mut sums[at * selections.len()..][..selections.len()];
                    for (sum, selection) in sums.iter_mut().zip(selections) {
                        *sum += u64::from(word & selection.events != 0);
                    }
                }
            }
            sums
        };
        let add = |mut sums: Vec<u64>, more: Vec<u64>| {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            sums
        };
        self.words.par_chunks(PEOPLE_PER_CHUNK * PLANS.len()).fold(none, count).reduce(none, add)
    }

    fn events(&self, selected: u64, plan: Option<usize>) -> u64 {
        let mut sum = 0;
        for event in (0..EVENTS).filter(|event| selected & (1 << event) != 0) {
            for at in (0..PLANS.len()).filter(|at| plan.is_none_or(|plan| plan == *at)) {
                sum += self.events[event * PLANS.len() + at].load(Ordering::Relaxed);
            }
        }
        sum
    }
}

impl PendingEvents {
    /// No events yet.
    pub(crate) fn new() -> Self {
        Self { events: [0; EVENTS * PLANS.len()], entries: Vec::with_capacity(MAX_PENDING) }
    }

    /// Adds an event. Returns whether the buffer is full and should be added to the tally.
    pub(crate) fn push(&mut self, event: &Event) -> bool {
        let plan = usize::from(event.tenant.plan);
        self.events[usize::from(event.action) * PLANS.len() + plan] += 1;
        let word = event.person * PLANS.len() as u64 + plan as u64;
        self.entries.push((word << EVENT_BITS) | u64::from(event.action));
        self.entries.len() >= MAX_PENDING
    }
}

/// The bit of an entry in its word.
const fn bit(entry: u64) -> u64 {
    1 << (entry % (1 << EVENT_BITS))
}

/// The truth as CSV.
pub(crate) fn csv(rows: &[TruthRow]) -> String {
    let mut text = "period_start,level,key,plan,users,events\n".to_owned();
    for row in rows {
        let (date, plan) = (row.month.first_date(), row.plan.unwrap_or_default());
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "{date},{},{},{plan},{},{}", row.level, row.key, row.users, row.events);
    }
    text
}

/// Writes the truth as Parquet, in the columns of the CSV; `plan` is null for all plans.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_parquet(rows: &[TruthRow], path: &Path) -> Result<()> {
    let numbers = |number: fn(&TruthRow) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| number(row) as i64)))
    };
    let dates = Date32Array::from_iter_values(rows.iter().map(|row| row.month.first_day()));
    let batch = RecordBatch::try_from_iter([
        ("period_start", Arc::new(dates) as ArrayRef),
        ("level", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.level)))),
        ("key", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.key)))),
        ("plan", Arc::new(rows.iter().map(|row| row.plan).collect::<StringArray>())),
        ("users", numbers(|row| row.users)),
        ("events", numbers(|row| row.events)),
    ])?;
    write_batch(&batch, path)
}

/// Writes a batch as a Parquet file.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_batch(batch: &RecordBatch, path: &Path) -> Result<()> {
    let file = File::create(path).map_err(Error::io("create", path))?;
    let written = ArrowWriter::try_new(file, batch.schema(), None).and_then(|mut writer| {
        writer.write(batch)?;
        writer.close()
    });
    written.map(|_| ()).map_err(Error::parquet(path))
}
