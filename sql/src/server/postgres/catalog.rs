//! What PostgreSQL's clients look for besides tables: `pg_catalog`, and its functions.

use std::sync::{Arc, Mutex};

use datafusion::prelude::SessionContext;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::{
    PgCatalogSchemaProvider, PgCatalogStaticTables,
};
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use engine::{Error, Result};

use super::functions::functions;
use super::listing::Listing;
use super::relations::{Relations, SCHEMA};
use super::settings::Settings;
use crate::failure::of_statement;
use crate::session::CATALOG;

/// The tables that are the same for all sessions.
///
/// # Errors
/// When they cannot be read, which would be a mistake of the crate.
pub(super) fn tables() -> Result<Arc<PgCatalogStaticTables>> {
    PgCatalogStaticTables::try_new().map(Arc::new).map_err(|cause| of_statement(cause, None))
}

/// Adds them to a session of a user.
///
/// # Errors
/// When the session has no catalog.
pub(super) fn add(
    session: &SessionContext,
    tables: &Arc<PgCatalogStaticTables>,
    user: &str,
    settings: &Arc<Mutex<Settings>>,
) -> Result<()> {
    let told = |cause| of_statement(cause, None);
    setup_pg_catalog(session, CATALOG, EmptyContextProvider).map_err(|cause| told(*cause))?;
    let listing = Listing::new(session.state().catalog_list());
    let given = PgCatalogSchemaProvider::try_new(listing, Arc::clone(tables), EmptyContextProvider);
    let relations = Relations::new(Arc::new(given.map_err(told)?), Arc::clone(settings));
    let none = || Error::internal("the session has no catalog");
    let catalog = session.catalog(CATALOG).ok_or_else(none)?;
    catalog.register_schema(SCHEMA, Arc::new(relations)).map_err(told)?;
    for function in functions(user, settings) {
        session.register_udf(function);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{add, tables};
    use crate::session::{Options, session};

    #[test]
    fn a_session_that_ends_leaves_nothing_behind() {
        let session = session(&Options::default()).unwrap();
        add(&session, &tables().unwrap(), "ada", &Arc::default()).unwrap();
        let catalogs = Arc::downgrade(session.state().catalog_list());
        drop(session);
        assert!(catalogs.upgrade().is_none());
    }
}
