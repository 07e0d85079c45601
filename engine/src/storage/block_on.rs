//! Blocks on asynchronous work: the logs of tables, and object stores.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::{Error, Kind, Result};

/// Waits for work on the two threads that the whole process has for it. The caller may be a thread
/// that must not wait: then others take over its tasks, or another one waits.
pub(crate) fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> Result<T> {
    // Made by one of those who ask at the same time: the others could not even drop their own.
    static THREADS: LazyLock<std::io::Result<Runtime>> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build());
    let failed =
        |cause| Error::new(Kind::Io, format!("cannot start threads for object stores: {cause}"));
    let threads = THREADS.as_ref().map_err(failed)?;
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Err(_) => Ok(threads.block_on(future)),
        Ok(RuntimeFlavor::MultiThread) => Ok(block_in_place(|| threads.block_on(future))),
        Ok(_) => std::thread::scope(|scope| scope.spawn(|| threads.block_on(future)).join())
            .map_err(|_| Error::internal("a waiting thread panicked")),
    }
}
