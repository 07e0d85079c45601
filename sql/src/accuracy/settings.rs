//! What to measure.

use std::time::Duration;

/// What to measure.
pub struct Settings<'a> {
    /// Precisions of the sketches, ascending; each within
    /// [`PRECISIONS`](engine::users::PRECISIONS).
    pub precisions: Vec<u8>,
    /// Users in a drawn set, ascending; at least 1 each.
    pub sizes: Vec<u64>,
    /// Number of sets of each size; at least 1.
    pub trials: u32,
    /// Seed of the random sets.
    pub seed: u64,
    /// A monotonic clock: the time since any fixed moment.
    pub clock: &'a (dyn Fn() -> Duration + Sync),
    /// Called with the rows or users done so far, and their total (0 if unknown).
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}
