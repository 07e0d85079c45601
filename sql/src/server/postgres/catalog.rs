//! What PostgreSQL's clients look for besides tables: `pg_catalog`, and its functions.

use std::sync::{Arc, Mutex};

use datafusion::prelude::SessionContext;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use engine::Result;

use super::functions::functions;
use super::settings::Settings;
use crate::failure::of_statement;

/// The catalog that sessions have; clients call it a database.
const CATALOG: &str = "datafusion";

/// Adds them to a session of a user.
///
/// # Errors
/// When the session has no catalog.
pub(super) fn add(
    session: &SessionContext,
    user: &str,
    settings: &Arc<Mutex<Settings>>,
) -> Result<()> {
    setup_pg_catalog(session, CATALOG, EmptyContextProvider)
        .map_err(|cause| of_statement(*cause, None))?;
    for function in functions(user, settings) {
        session.register_udf(function);
    }
    Ok(())
}
