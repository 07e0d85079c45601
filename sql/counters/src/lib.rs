//! The counters that `headcount bench accuracy` measures: the engine's exact set and sketch, the
//! sketches of Apache DataSketches, and DataFusion's `approx_distinct`.
//!
//! Everything that runs while the time is taken is here, and not in the package `headcount`, which
//! is compiled with fewer optimisations than the libraries: generic code of DataSketches would be
//! compiled with it, while DataFusion's code would not.
//!
//! What is timed is the same for every sketch: it is made empty, and takes the same batches of
//! 64-bit integers, which it hashes itself ([`Counter::fill`]); or a new one is made from two
//! ([`FilledSet::merge`]). Estimates, sizes and stored bytes are taken outside of the time. An
//! exact set takes the ids that stand for the users; giving out ids is not part of its time.

mod accumulator;
mod counter;
mod filled;
mod sample;

pub use counter::{Counter, Kind};
pub use filled::{Estimate, FilledSet};
pub use sample::Sample;
