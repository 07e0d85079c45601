//! Waiting for what runs on threads of its own: the log of a table, and object stores.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, Kind, Result};

/// Waits for work on the two threads that the whole process has for it. The caller may be a thread
/// that must not wait; then another one does.
pub(super) fn wait<T: Send>(future: impl Future<Output = T> + Send) -> Result<T> {
    // Made by one of those who ask at the same time: the others could not even drop their own.
    static THREADS: LazyLock<std::io::Result<Runtime>> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build());
    let failed = |cause| Error::new(Kind::Io, format!("no threads for the store: {cause}"));
    let threads = THREADS.as_ref().map_err(failed)?;
    if Handle::try_current().is_err() {
        return Ok(threads.block_on(future));
    }
    let waited = std::thread::scope(|scope| scope.spawn(|| threads.block_on(future)).join());
    waited.map_err(|_| Error::internal("a thread of the store has failed"))
}
