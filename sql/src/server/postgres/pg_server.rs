//! The state that all PostgreSQL connections share, with the running statements that can be cancelled: a
//! client cancels a connection's statement from another connection, with the key that the server sent at
//! startup.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion_postgres::datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;
use engine::Result;
use pgwire::messages::cancel::CancelRequest;
use pgwire::messages::startup::SecretKey;
use tokio_util::sync::CancellationToken;

use super::catalog::{self, Rules};
use crate::server::ServerContext;
use crate::server::postgres::protocol::fake_passwords::FakePasswords;

/// The state that all PostgreSQL connections share.
pub(super) struct PgServer {
    pub(super) server: Arc<ServerContext>,
    pub(super) rules: Rules,
    pub(super) tables: Arc<PgCatalogStaticTables>,
    pub(super) cancels: Arc<CancelRegistry>,
    pub(super) fake_passwords: FakePasswords,
    /// The TLS certificate; if there is one, connections must be encrypted.
    pub(super) certificate: Option<Vec<u8>>,
}

impl PgServer {
    /// The state of a server.
    ///
    /// # Errors
    /// When the system provides no random bytes, or the tables of `pg_catalog` cannot be read.
    pub(super) fn new(
        server: Arc<ServerContext>,
        certificate: Option<Vec<u8>>,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            server,
            rules: Rules::new(),
            tables: catalog::tables()?,
            cancels: Arc::default(),
            fake_passwords: FakePasswords::new()?,
            certificate,
        }))
    }
}

/// The cancellation tokens of running statements, by the connections' process ids.
#[derive(Debug, Default)]
pub(super) struct CancelRegistry {
    last: AtomicI32,
    running: Mutex<HashMap<i32, (SecretKey, CancellationToken)>>,
}

impl CancelRegistry {
    fn running(&self) -> MutexGuard<'_, HashMap<i32, (SecretKey, CancellationToken)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancels a connection's statement, if the key is right.
    pub(super) fn cancel(&self, request: &CancelRequest) {
        if let Some((key, token)) = self.running().get(&request.pid)
            && key.eq_value(&request.secret_key)
        {
            token.cancel();
        }
    }
}

/// A connection's process id and secret key.
#[derive(Debug)]
pub(super) struct CancelKey {
    registry: Arc<CancelRegistry>,
    pub(super) number: i32,
    pub(super) key: SecretKey,
}

impl CancelKey {
    /// A new process id with a random key.
    pub(super) fn new(registry: Arc<CancelRegistry>) -> Self {
        let number = registry.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut bytes = [0; 4];
        // Without random bytes the key could be guessed, so nothing is registered.
        let random = getrandom::fill(&mut bytes).is_ok();
        let key = SecretKey::I32(i32::from_be_bytes(bytes));
        if random {
            registry.running().insert(number, (key.clone(), CancellationToken::new()));
        }
        Self { registry, number, key }
    }

    /// Registers and returns the token of the next statement.
    pub(super) fn next_token(&self) -> CancellationToken {
        let token = CancellationToken::new();
        if let Some(running) = self.registry.running().get_mut(&self.number) {
            running.1 = token.clone();
        }
        token
    }
}

impl Drop for CancelKey {
    fn drop(&mut self) {
        self.registry.running().remove(&self.number);
    }
}
