//! Memory limits that also hold for what operators do not report.
//!
//! DataFusion's memory pool counts what operators report. It does not count batches, the values of
//! accumulators such as `array_agg`, intermediate results of functions, or planning. So there are
//! four mechanisms:
//!
//! * [`CappedMemoryPool`](pool::CappedMemoryPool): a statement's limit for what its operators report.
//! * [`MemoryMonitor`]: compares the resident memory of the process with the limits and cancels
//!   statements. It cannot interrupt a single call.
//! * [`limit_functions`]: refuses calls of functions whose output can dwarf their input.
//! * [`limit_batches`](batches::limit_batches): cuts or refuses batches with values so long that an
//!   operator could allocate too much for one batch.

mod activity;
mod batches;
mod functions;
mod monitor;
mod pool;
mod sizes;

pub(crate) use self::functions::limit_functions;
pub(crate) use self::monitor::{MemoryMonitor, StatementMemory};
