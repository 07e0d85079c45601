//! What the answers behind views and table functions say besides their rows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use engine::active::Answer;

use crate::catalog::Listener;

/// Collects answers while a statement runs, and how far they are.
#[derive(Debug, Default)]
pub(super) struct Heard {
    answers: Mutex<Vec<Answer>>,
    done: AtomicU64,
    total: AtomicU64,
}

impl Heard {
    /// Rows of events that the answer at work has read, and all of them; 0 if nobody knows.
    pub(super) fn rows(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// What came in since the last time.
    pub(super) fn take(&self) -> Vec<Answer> {
        self.progress(0, 0);
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Listener for Heard {
    fn progress(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    fn answered(&self, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }
}
