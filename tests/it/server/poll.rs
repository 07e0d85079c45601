//! Waiting for servers.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Far more than a busy machine needs: only what never happens exceeds it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// Calls `check` until it returns `Ok`, and panics with its last error after [`TIMEOUT`].
#[track_caller]
pub(crate) fn poll<T, E: Debug>(mut check: impl FnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match check() {
            Ok(value) => return value,
            Err(error) => assert!(begun.elapsed() < TIMEOUT, "timeout: {error:#?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
