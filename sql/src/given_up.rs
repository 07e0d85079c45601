//! Whether anybody still waits for what a task does.
//!
//! A task that is dropped ends where it waits. What computes without a wait can ask here instead.

use std::future::Future;

use engine::{Error, Result};
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    static GIVEN_UP: CancellationToken;
}

/// Does something that may ask whether it [is given up](is_given_up): `given_up` says so.
///
/// # Errors
/// Its own, and that it was given up.
pub async fn until<T>(
    given_up: CancellationToken,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let work = GIVEN_UP.scope(given_up.clone(), work);
    tokio::select! {
        done = work => done,
        () = given_up.cancelled() => Err(Error::limit("cancelled")),
    }
}

/// Whether nobody waits any more for what this task does; `false` where nobody could tell.
pub fn is_given_up() -> bool {
    GIVEN_UP.try_with(CancellationToken::is_cancelled).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::{is_given_up, until};

    #[tokio::test]
    async fn work_hears_that_it_is_given_up_and_is_left() {
        assert!(!is_given_up());
        let token = CancellationToken::new();
        let heard = until(token.clone(), async {
            let before = is_given_up();
            token.cancel();
            Ok((before, is_given_up()))
        });
        assert_eq!(heard.await.unwrap(), (false, true));
        let left = until(token, std::future::pending::<engine::Result<()>>()).await;
        assert!(left.unwrap_err().to_string().contains("cancelled"));
    }
}
