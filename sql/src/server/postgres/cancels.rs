//! Which statement a cancel request means: it comes over a connection of its own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use pgwire::api::cancel::CancelHandler;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::SecretKey;
use tokio_util::sync::CancellationToken;

/// What a connection is known by to those who may cancel its statements.
pub(super) type Known = (i32, SecretKey);

/// The statement of each connection that runs one.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    running: Mutex<HashMap<Known, CancellationToken>>,
}

impl Cancels {
    /// Notes the statement of a connection; it takes the place of the one before.
    pub(super) fn begin(&self, connection: Known) -> CancellationToken {
        let token = CancellationToken::new();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(connection, token.clone());
        token
    }

    /// Forgets a connection.
    pub(super) fn forget(&self, connection: &Known) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(connection);
    }
}

#[async_trait]
impl CancelHandler for Cancels {
    async fn on_cancel_request(&self, request: CancelRequest) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // A wrong key is not told from a statement that has ended: nobody learns which keys exist.
        if let Some(token) = running.get(&(request.pid, request.secret_key)) {
            token.cancel();
        }
    }
}
