//! The memory limit of one statement, within that of all statements.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

use crate::failure::OF_ONE;

/// Forwards to the pool of all statements, up to a limit of its own.
#[derive(Debug)]
pub(crate) struct CappedMemoryPool {
    all: Arc<dyn MemoryPool>,
    used: AtomicUsize,
    limit: usize,
}

impl CappedMemoryPool {
    /// At most `limit` bytes of `all`.
    pub(crate) fn new(all: Arc<dyn MemoryPool>, limit: usize) -> Self {
        Self { all, used: AtomicUsize::new(0), limit }
    }
}

impl std::fmt::Display for CappedMemoryPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} of {} bytes used)", self.name(), self.reserved(), self.limit)
    }
}

impl MemoryPool for CappedMemoryPool {
    fn name(&self) -> &'static str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.all.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.all.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.all.grow(reservation, additional);
        self.used.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.all.shrink(reservation, shrink);
        self.used.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let within = |used: usize| used.checked_add(additional).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).map_err(|used| {
            DataFusionError::ResourcesExhausted(format!(
                "{} requested {additional} more bytes, {OF_ONE} {used} of its {}",
                reservation.consumer().name(),
                self.limit
            ))
        })?;
        self.all.try_grow(reservation, additional).inspect_err(|_| {
            self.used.fetch_sub(additional, Ordering::Relaxed);
        })
    }

    fn reserved(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::CappedMemoryPool;

    #[test]
    fn a_statement_has_its_own_limit_within_the_shared_one() {
        let all: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(100));
        let pool =
            |limit| Arc::new(CappedMemoryPool::new(Arc::clone(&all), limit)) as Arc<dyn MemoryPool>;
        let (one, two) = (pool(60), pool(60));
        let first = MemoryConsumer::new("first").register(&one);
        let second = MemoryConsumer::new("second").register(&two);
        first.try_grow(60).unwrap();
        let error = first.try_grow(1).unwrap_err().to_string();
        assert!(error.contains("uses 60 of its 60"), "{error}");
        assert!(second.try_grow(41).is_err());
        assert_eq!((one.reserved(), two.reserved(), all.reserved()), (60, 0, 60));
        second.try_grow(40).unwrap();
        first.free();
        drop(second);
        assert_eq!((one.reserved(), two.reserved(), all.reserved()), (0, 0, 0));
    }
}
