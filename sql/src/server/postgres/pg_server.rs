//! The state that all PostgreSQL connections share.

use std::sync::Arc;

use datafusion_postgres::datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;
use engine::Result;

use super::cancels::CancelRegistry;
use super::catalog;
use super::fake_passwords::FakePasswords;
use super::rules::Rules;
use crate::server::ServerContext;

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
