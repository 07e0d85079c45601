//! Cancellation of CPU-bound code.
//!
//! A dropped task ends at its next await point. Code that computes without awaiting checks
//! [`is_cancelled`] instead, which reads a task-local token.

use std::future::Future;

use engine::{Error, Result};
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static TOKEN: CancellationToken;
}

/// Runs a future in which [`is_cancelled`] reads `token`.
///
/// # Errors
/// Those of the future, and `cancelled` once the token is cancelled.
pub async fn scope<T>(
    token: CancellationToken,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let work = TOKEN.scope(token.clone(), work);
    tokio::select! {
        done = work => done,
        () = token.cancelled() => Err(Error::limit("cancelled")),
    }
}

/// Whether the current task is cancelled; `false` outside of a [`scope`].
pub fn is_cancelled() -> bool {
    TOKEN.try_with(CancellationToken::is_cancelled).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::{is_cancelled, scope};

    #[tokio::test]
    async fn a_task_sees_its_cancellation_and_is_dropped() {
        assert!(!is_cancelled());
        let token = CancellationToken::new();
        let seen = scope(token.clone(), async {
            let before = is_cancelled();
            token.cancel();
            Ok((before, is_cancelled()))
        });
        assert_eq!(seen.await.unwrap(), (false, true));
        let dropped = scope(token, std::future::pending::<engine::Result<()>>()).await;
        assert!(dropped.unwrap_err().to_string().contains("cancelled"));
    }
}
