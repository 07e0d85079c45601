//! Cancelling from another connection, by the key that each connection was given.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::SecretKey;
use tokio_util::sync::CancellationToken;

/// What each connection is doing, by its number.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    last: AtomicI32,
    running: Mutex<HashMap<i32, (SecretKey, CancellationToken)>>,
}

impl Cancels {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<i32, (SecretKey, CancellationToken)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancels {
    /// Ends what a connection is doing, if the key is right.
    pub(super) fn cancel(&self, request: &CancelRequest) {
        if let Some((key, token)) = self.running().get(&request.pid)
            && key.eq_value(&request.secret_key)
        {
            token.cancel();
        }
    }
}

/// A connection's number and key.
#[derive(Debug)]
pub(super) struct Cancel {
    cancels: Arc<Cancels>,
    pub(super) number: i32,
    pub(super) key: SecretKey,
}

impl Cancel {
    /// A new number, with a key that nobody guesses.
    pub(super) fn new(cancels: Arc<Cancels>) -> Self {
        let number = cancels.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut bytes = [0; 4];
        // Without random bytes nothing can be cancelled: the key is never given out.
        let random = getrandom::fill(&mut bytes).is_ok();
        let key = SecretKey::I32(i32::from_be_bytes(bytes));
        if random {
            cancels.running().insert(number, (key.clone(), CancellationToken::new()));
        }
        Self { cancels, number, key }
    }

    /// The token that ends the next statement.
    pub(super) fn next(&self) -> CancellationToken {
        let token = CancellationToken::new();
        if let Some(running) = self.cancels.running().get_mut(&self.number) {
            running.1 = token.clone();
        }
        token
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.cancels.running().remove(&self.number);
    }
}
