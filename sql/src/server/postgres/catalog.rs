//! `pg_catalog` and its functions, for a session.

use std::sync::{Arc, Mutex};

use datafusion::prelude::SessionContext;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::{
    PgCatalogSchemaProvider, PgCatalogStaticTables,
};
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use engine::{Error, Result};

use super::dialect;
use super::functions::functions;
use super::relations::{PgCatalogSchema, SCHEMA};
use super::settings::Settings;
use super::weak_catalogs::WeakCatalogs;
use crate::default_schema::CATALOG;
use crate::failure::statement_error;

/// The tables that are the same for all sessions.
///
/// # Errors
/// When the crate's embedded tables cannot be read.
pub(super) fn tables() -> Result<Arc<PgCatalogStaticTables>> {
    PgCatalogStaticTables::try_new().map(Arc::new).map_err(|cause| statement_error(cause, None))
}

/// Registers `pg_catalog` and its functions in a session of a user.
///
/// # Errors
/// When the session has no catalog.
pub(super) fn register(
    session: &SessionContext,
    tables: &Arc<PgCatalogStaticTables>,
    user: &str,
    settings: &Arc<Mutex<Settings>>,
) -> Result<()> {
    let to_error = |cause| statement_error(cause, None);
    setup_pg_catalog(session, CATALOG, EmptyContextProvider).map_err(|cause| to_error(*cause))?;
    let catalogs = WeakCatalogs::new(session.state().catalog_list());
    let base = PgCatalogSchemaProvider::try_new(catalogs, Arc::clone(tables), EmptyContextProvider);
    let schema = PgCatalogSchema::new(Arc::new(base.map_err(to_error)?), Arc::clone(settings));
    let none = || Error::internal("the session has no catalog");
    let catalog = session.catalog(CATALOG).ok_or_else(none)?;
    catalog.register_schema(SCHEMA, Arc::new(schema)).map_err(to_error)?;
    for function in functions(user, settings) {
        session.register_udf(function);
    }
    dialect::register(session, settings)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{register, tables};
    use crate::session::{Options, session};

    #[test]
    fn a_dropped_session_is_freed() {
        let session = session(&Options::default()).unwrap();
        register(&session, &tables().unwrap(), "ada", &Arc::default()).unwrap();
        let catalogs = Arc::downgrade(session.state().catalog_list());
        drop(session);
        assert!(catalogs.upgrade().is_none());
    }
}
