//! Collects notes, rejected rows and progress of the reports behind views and table functions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use engine::active::Answer;
use engine::pings::{Overflow, Refused};

use crate::catalog::ReportListener;

/// Collects answers and progress while a statement runs.
#[derive(Debug, Default)]
pub(in crate::cli) struct AnswerCollector {
    answers: Mutex<Vec<Answer>>,
    refused: Mutex<Refused>,
    overflows: Mutex<Vec<Overflow>>,
    done: AtomicU64,
    total: AtomicU64,
}

impl AnswerCollector {
    /// Rows of events that the current report has read, and their total; 0 if it is unknown.
    pub(super) fn rows(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// The answers since the last call.
    pub(super) fn take(&self) -> Vec<Answer> {
        self.progress(0, 0);
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The numbers of pings that are too large, since the last call.
    pub(in crate::cli) fn take_overflows(&self) -> Vec<Overflow> {
        std::mem::take(&mut *self.overflows.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The refused uploads of pings since the last call.
    pub(in crate::cli) fn take_refused(&self) -> Refused {
        std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReportListener for AnswerCollector {
    fn progress(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    fn answered(&self, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }

    fn refused(&self, refused: Refused) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    fn overflowed(&self, overflow: Overflow) {
        let mut overflows = self.overflows.lock().unwrap_or_else(PoisonError::into_inner);
        // A statement may read a table several times.
        if !overflows.contains(&overflow) {
            overflows.push(overflow);
        }
    }
}
