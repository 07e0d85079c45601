//! `SET`: what drivers and tools say before they ask.

use std::time::Duration;

use datafusion::sql::sqlparser::ast::{Set, Statement};
use engine::{Error, Result};
use pgwire::api::ClientInfo;

/// Settings of PostgreSQL that change nothing in what we answer, or only how it is written.
const KNOWN: [&str; 28] = [
    "allow_system_table_mods",
    "application_name",
    "bytea_output",
    "check_function_bodies",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "escape_string_warning",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "quote_all_identifiers",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronize_seqscans",
    "transaction_timeout",
];

/// Under this name datafusion-postgres notes the time limit of a connection.
const TIMEOUT: &str = "statement_timeout_ms";

/// Whom a `SET` is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// The protocol's own.
    Postgres,
    /// One of the session, which is looked at like any other statement.
    Session,
}

/// Tells whom a statement that sets something is for; `None` if it sets nothing.
///
/// # Errors
/// When nobody knows the setting.
pub(super) fn setting(statement: &Statement) -> Result<Option<Setting>> {
    let Statement::Set(set) = statement else { return Ok(None) };
    let Set::SingleAssignment { variable, .. } = set else { return Ok(Some(Setting::Postgres)) };
    let name = variable.to_string().to_lowercase().replace('"', "");
    if KNOWN.contains(&name.as_str()) {
        return Ok(Some(Setting::Postgres));
    }
    if name.starts_with("headcount.") || name.starts_with("datafusion.") {
        return Ok(Some(Setting::Session));
    }
    Err(Error::input(format!("unrecognized configuration parameter \"{name}\""))
        .with("help", "`SHOW ALL` lists those of the session"))
}

/// The time limit that a connection has set for itself.
pub(super) fn timeout<C: ClientInfo + ?Sized>(client: &C) -> Option<Duration> {
    let milliseconds = client.metadata().get(TIMEOUT)?.parse().ok()?;
    Some(Duration::from_millis(milliseconds))
}
