//! One pass over all files of a scan, in parallel.
//!
//! The unit of work is a row group of a Parquet file, or a whole text file. If the statistics of a
//! row group say that all of its rows are in one bucket, its time column is not read; if they say
//! that none is in the range, the row group is skipped.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::files::EventFile;
use super::worker::{WorkUnit, Worker};
use super::{Request, Scan, ScanSummary, Sink};
use crate::Result;

impl Scan {
    /// Reads everything once, with one sink for each thread of the current rayon pool.
    ///
    /// # Errors
    /// The first error of a file or a sink, and the other threads stop soon after; or that a file
    /// was changed meanwhile.
    pub fn run<S: Sink>(
        &self,
        request: &Request<'_>,
        make: impl Fn() -> Result<S> + Sync,
    ) -> Result<(Vec<S>, ScanSummary)> {
        let mut units: Vec<WorkUnit<'_>> = Vec::new();
        for open in &self.parquet {
            let groups = 0..open.file.row_groups().len();
            units.extend(groups.map(|group| WorkUnit::Group(open, group)));
        }
        units.extend(self.text.iter().map(WorkUnit::Text));
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let outcome: Mutex<Vec<Result<(S, ScanSummary)>>> = Mutex::new(Vec::new());
        rayon::scope(|scope| {
            for _ in 0..rayon::current_num_threads().min(units.len().max(1)) {
                scope.spawn(|_| {
                    let mut worker = match make() {
                        Ok(sink) => Worker::new(self, request, sink),
                        Err(error) => {
                            stop.store(true, Ordering::Relaxed);
                            let mut outcome =
                                outcome.lock().unwrap_or_else(PoisonError::into_inner);
                            return outcome.push(Err(error));
                        }
                    };
                    let result = loop {
                        if stop.load(Ordering::Relaxed) {
                            break Ok(());
                        }
                        let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) else {
                            break Ok(());
                        };
                        let mut advance = |rows: u64| {
                            request.job.advance(rows)?;
                            Ok(!stop.load(Ordering::Relaxed))
                        };
                        if let Err(error) = worker.run_unit(unit, &mut advance) {
                            stop.store(true, Ordering::Relaxed);
                            break Err(error);
                        }
                    };
                    let result = result.map(|()| worker.finish());
                    outcome.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                });
            }
        });
        let mut sinks = Vec::new();
        let mut summary = ScanSummary::default();
        for result in outcome.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let (sink, part) = result?;
            sinks.push(sink);
            summary.widen(part.first, part.last);
            summary.rejects.merge(&part.rejects);
            for (event, rows) in part.unmapped {
                *summary.unmapped.entry(event).or_default() += rows;
            }
        }
        self.files().try_for_each(EventFile::check_unchanged)?;
        Ok((sinks, summary))
    }
}
