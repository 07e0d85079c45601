//! The names of the catalog and the schema that tables are in.

/// The catalog of sessions, which PostgreSQL clients see as the database.
pub(crate) const CATALOG: &str = "headcount";
/// The schema of tables that are named without one.
pub(crate) const SCHEMA: &str = "public";
