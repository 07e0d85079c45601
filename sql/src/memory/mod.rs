//! Memory limits that also hold for what operators do not report.
//!
//! DataFusion's memory pool counts what operators report. It does not count batches, the values of
//! accumulators such as `array_agg`, intermediate results of functions, or planning. So there are
//! four mechanisms:
//!
//! * [`CappedMemoryPool`]: a statement's limit for what its operators report.
//! * [`MemoryMonitor`]: compares the resident memory of the process with the limits and cancels
//!   statements. It cannot interrupt a single call.
//! * [`limit_functions`]: refuses calls of functions whose output can dwarf their input.
//! * [`limit_batches`]: cuts or refuses batches with values so long that an operator could allocate
//!   too much for one batch.

mod batches;
mod functions;
mod monitor;
mod pool;
mod sizes;

use datafusion::error::DataFusionError;

use self::batches::limit_batches;
pub(crate) use self::functions::limit_functions;
pub(crate) use self::monitor::{MemoryMonitor, StatementMemory};
use self::pool::CappedMemoryPool;
use crate::failure::AT_ONCE;

/// One batch of an operator, or of a function's results, may take this part of a statement's
/// memory: a few of them exist at a time.
const PART: usize = 4;

fn too_large(what: &str, bytes: f64, limit: usize) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!("{what} needs {bytes:.0} {AT_ONCE} {limit}"))
}
