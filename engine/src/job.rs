//! Progress, memory and cancellation of a job.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// A job, such as a report or an ingest: passed down to everything that works for it. By default it
/// shows no progress, has no memory limit and cannot be cancelled.
#[derive(Default)]
pub struct JobContext<'a> {
    done: AtomicU64,
    total: AtomicU64,
    on_progress: Option<Box<dyn Fn(u64, u64) + Sync + 'a>>,
    on_reserve: Option<Box<dyn Fn(usize) -> Result<()> + Sync + 'a>>,
    on_wait: Option<Box<dyn Fn() + Sync + 'a>>,
    is_cancelled: Option<Box<dyn Fn() -> bool + Sync + 'a>>,
}

impl<'a> JobContext<'a> {
    /// Calls `progress` with the rows of events read so far and in total; 0 if the total is unknown.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(u64, u64) + Sync + 'a) -> Self {
        self.on_progress = Some(Box::new(progress));
        self
    }

    /// Calls `reserve` with the number of bytes before more heap memory is allocated; an error ends
    /// the job.
    #[must_use]
    pub fn with_memory(mut self, reserve: impl Fn(usize) -> Result<()> + Sync + 'a) -> Self {
        self.on_reserve = Some(Box::new(reserve));
        self
    }

    /// Calls `wait` once if another process is at work on the store, before waiting for it.
    #[must_use]
    pub fn with_wait(mut self, wait: impl Fn() + Sync + 'a) -> Self {
        self.on_wait = Some(Box::new(wait));
        self
    }

    /// The job ends soon after `is_cancelled` says so.
    #[must_use]
    pub fn with_cancellation(mut self, is_cancelled: impl Fn() -> bool + Sync + 'a) -> Self {
        self.is_cancelled = Some(Box::new(is_cancelled));
        self
    }

    /// Begins to read so many rows; 0 if the number is unknown.
    pub(crate) fn begin(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Adds rows that were read.
    ///
    /// # Errors
    /// When the job was cancelled.
    pub(crate) fn advance(&self, rows: u64) -> Result<()> {
        let done = self.done.fetch_add(rows, Ordering::Relaxed) + rows;
        if let Some(progress) = &self.on_progress {
            progress(done, self.total.load(Ordering::Relaxed));
        }
        match &self.is_cancelled {
            Some(is_cancelled) if is_cancelled() => Err(Error::limit("cancelled")),
            _ => Ok(()),
        }
    }

    /// Reserves heap memory, in bytes, before it is allocated.
    ///
    /// # Errors
    /// When there is not so much.
    pub(crate) fn reserve(&self, more: usize) -> Result<()> {
        self.on_reserve.as_ref().map_or(Ok(()), |reserve| reserve(more))
    }

    /// Says that the job waits for another process.
    pub(crate) fn waiting(&self) {
        if let Some(wait) = &self.on_wait {
            wait();
        }
    }
}

impl fmt::Debug for JobContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, total, .. } = self;
        f.debug_struct("JobContext")
            .field("done", done)
            .field("total", total)
            .finish_non_exhaustive()
    }
}
