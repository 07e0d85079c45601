//! What reports need besides their questions, and who receives their notes.

use std::fmt;
use std::sync::Arc;

use engine::active::Answer;
use engine::pings::{Overflow, Refused};
use engine::project::Project;
use tokio::sync::Semaphore;

/// Receives progress and results of reports, from the threads that compute them.
pub trait ReportListener: fmt::Debug + Send + Sync {
    /// Rows of events read so far, and in total; 0 if the total is unknown.
    fn progress(&self, done: u64, total: u64);

    /// A report is complete, with its notes and rejected rows.
    fn answered(&self, answer: Answer);

    /// A statement reads pings of which some uploads were refused.
    fn refused(&self, _: Refused) {}

    /// A statement reads numbers of pings that are unknown because they are too large.
    fn overflowed(&self, _: Overflow) {}
}

/// Most reports that a session computes concurrently. Each uses all threads of a statement; with
/// two, one can load its definitions while the other counts.
const CONCURRENT_ANSWERS: usize = 2;

/// What a report needs besides its question.
#[derive(Clone, Debug)]
pub(in crate::catalog) struct ReportContext {
    pub(in crate::catalog) project: Arc<Project>,
    pub(in crate::catalog) listener: Option<Arc<dyn ReportListener>>,
    /// Limits concurrent reports: a join of dozens of views would otherwise compute all of them at
    /// once, with the memory of all of them.
    pub(super) permits: Arc<Semaphore>,
}

impl ReportContext {
    pub(in crate::catalog) fn new(
        project: Arc<Project>,
        listener: Option<Arc<dyn ReportListener>>,
    ) -> Self {
        Self { project, listener, permits: Arc::new(Semaphore::new(CONCURRENT_ANSWERS)) }
    }
}
