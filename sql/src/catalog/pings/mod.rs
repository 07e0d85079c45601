//! The tables of pings, if the project has sources of pings. All of them are computed together, when
//! one of them is first read, and again only after a file or definition has changed, or for key
//! paths whose values were not read from the store yet.

mod columns;
mod context;
mod rows;
mod table;

use std::sync::Arc;

use datafusion::catalog::TableProvider;

use self::columns::TABLES;
use self::table::PingTable;

pub(super) use self::context::PingContext;

/// The names of the tables.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(name, _)| *name)
}

/// The table of that name.
pub(super) fn table(context: &PingContext, name: &str) -> Option<Arc<dyn TableProvider>> {
    let (name, columns) = TABLES.iter().find(|(table, _)| *table == name)?;
    Some(Arc::new(PingTable::new(name, columns, context.clone())))
}
