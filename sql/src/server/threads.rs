//! The threads of servers.

use engine::{Error, Kind, Result};
use tokio::runtime::{Builder, Runtime};

/// Bytes of the stack of a thread: the deepest syntax tree must fit. Only what is used takes memory.
const STACK: usize = 256 << 20;

/// Threads that parse, plan and run statements.
///
/// # Errors
/// When the system gives none.
pub fn threads(name: &str, count: usize) -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).thread_name(name).thread_stack_size(STACK).enable_all();
    builder.build().map_err(|cause| Error::new(Kind::Io, format!("cannot start threads: {cause}")))
}
