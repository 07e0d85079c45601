//! `pg_catalog` and its functions, and `information_schema`, for a session.
//!
//! The tables come from a crate and are adapted to this server ([`schema`]). Queries of them are
//! rewritten to what DataFusion can plan: by the crate's rules and our own ([`rewrite`]), by
//! simplifying those of empty tables ([`empty_relations`]), and by making correlated scalar subqueries
//! aggregates ([`scalar_subquery`]).

mod base;
mod empty_relations;
mod functions;
mod information_schema;
mod procedures;
mod rewrite;
mod scalar_subquery;
mod schema;
mod weak_catalogs;

use std::sync::{Arc, Mutex};

use datafusion::prelude::SessionContext;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::{
    PgCatalogSchemaProvider, PgCatalogStaticTables,
};
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use engine::{Error, Result};

use functions::functions;
use information_schema::InformationSchema;
use schema::PgCatalogSchema;
use weak_catalogs::WeakCatalogs;

use super::dialect;
use super::settings::Settings;
use crate::failure::statement_error;

pub(super) use rewrite::{Rules, rewrite};
pub(super) use scalar_subquery::rewrite_scalar_subqueries;

/// DataFusion settings of a session whose catalog has the name of the database, and an
/// `information_schema` of ours.
pub(super) fn session_settings(database: &str) -> [(String, String); 2] {
    [("default_catalog", database), ("information_schema", "false")]
        .map(|(name, value)| (format!("datafusion.catalog.{name}"), value.to_owned()))
}

/// The tables that are the same for all sessions.
///
/// # Errors
/// When the crate's embedded tables cannot be read.
pub(super) fn tables() -> Result<Arc<PgCatalogStaticTables>> {
    PgCatalogStaticTables::try_new().map(Arc::new).map_err(|cause| statement_error(cause, None))
}

/// Registers both schemas and the functions in a session of a user, which was created with
/// [`session_settings`].
///
/// # Errors
/// When the session has no catalog of that name.
pub(super) fn register(
    session: &SessionContext,
    tables: &Arc<PgCatalogStaticTables>,
    (user, database): (&str, &str),
    settings: &Arc<Mutex<Settings>>,
) -> Result<()> {
    let to_error = |cause| statement_error(cause, None);
    setup_pg_catalog(session, database, EmptyContextProvider).map_err(|cause| to_error(*cause))?;
    let catalogs = WeakCatalogs::new(session.state().catalog_list());
    let tables = Arc::clone(tables);
    let base = PgCatalogSchemaProvider::try_new(catalogs.clone(), tables, EmptyContextProvider);
    let schema = PgCatalogSchema {
        base: Arc::new(base.map_err(to_error)?),
        catalogs: catalogs.clone(),
        database: database.to_owned(),
        settings: Arc::clone(settings),
    };
    let none = || Error::internal("the session has no catalog");
    let catalog = session.catalog(database).ok_or_else(none)?;
    catalog.register_schema(base::SCHEMA, Arc::new(schema)).map_err(to_error)?;
    let schema = InformationSchema::new(session, catalogs);
    catalog.register_schema(information_schema::SCHEMA, Arc::new(schema)).map_err(to_error)?;
    for function in functions(user, settings) {
        session.register_udf(function);
    }
    dialect::register(session, settings)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{register, session_settings, tables};
    use crate::session::{Options, session};

    #[test]
    fn a_dropped_session_is_freed() {
        let settings = session_settings("sales").into();
        let session = session(&Options { settings, ..Options::default() }).unwrap();
        register(&session, &tables().unwrap(), ("ada", "sales"), &Arc::default()).unwrap();
        let catalogs = Arc::downgrade(session.state().catalog_list());
        drop(session);
        assert!(catalogs.upgrade().is_none());
    }
}
