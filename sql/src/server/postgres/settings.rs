//! A connection's settings under PostgreSQL's names.
//!
//! What changes how values are written, or how long statements may take, is obeyed. What cannot
//! matter to a server that only reads is remembered and shown. Everything else is unknown.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use arrow::array::timezone::Tz;
use pgwire::error::PgWireResult;
use pgwire::types::format::FormatOptions;

use super::errors;
use crate::server::running::seconds;

/// Name, and value where none was set.
const KNOWN: [(&str, &str); 34] = [
    ("application_name", ""),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("constraint_exclusion", "partition"),
    ("datestyle", "ISO, YMD"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "on"),
    ("enable_hashjoin", "on"),
    ("enable_mergejoin", "on"),
    ("enable_nestloop", "on"),
    ("enable_seqscan", "on"),
    ("extra_float_digits", "1"),
    ("geqo", "on"),
    ("idle_in_transaction_session_timeout", "0"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_messages", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("row_security", "on"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", super::startup::VERSION),
    ("server_version_num", "160006"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// Those that tell and cannot be told.
const FIXED: [&str; 8] = [
    "integer_datetimes",
    "is_superuser",
    "lc_collate",
    "max_identifier_length",
    "max_index_keys",
    "server_encoding",
    "server_version",
    "server_version_num",
];

/// Settings of one connection.
#[derive(Debug, Default)]
pub(super) struct Settings {
    values: HashMap<String, String>,
}

impl Settings {
    /// Sets one, or gives it its first value again.
    ///
    /// # Errors
    /// As PostgreSQL: 42704 for what nobody knows, 22023 for a wrong value, 55P02 for what is fixed.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> PgWireResult<()> {
        let name = name.to_ascii_lowercase();
        known(&name)?;
        let Some(value) = value else {
            self.values.remove(&name);
            return Ok(());
        };
        let wrong = || {
            errors::error("22023", format!("invalid value for parameter \"{name}\": \"{value}\""))
        };
        match name.as_str() {
            fixed if FIXED.contains(&fixed) => {
                let told = format!("parameter \"{name}\" cannot be changed");
                return Err(errors::error("55P02", told));
            }
            "client_encoding" => {
                let plain = value.replace(['-', '_'], "").to_ascii_lowercase();
                if !["utf8", "unicode", "sqlascii"].contains(&plain.as_str()) {
                    return Err(wrong());
                }
            }
            "standard_conforming_strings" if !is_on(value) => return Err(wrong()),
            "statement_timeout" => {
                timeout(value).ok_or_else(wrong)?;
            }
            "timezone" => {
                Tz::from_str(value).map_err(|_| wrong())?;
            }
            "extra_float_digits" => {
                value.parse::<i8>().map_err(|_| wrong())?;
            }
            _ => {}
        }
        self.values.insert(name, value.to_owned());
        Ok(())
    }

    /// Gives all their first values again.
    pub(super) fn reset(&mut self) {
        self.values.clear();
    }

    /// What is set.
    ///
    /// # Errors
    /// 42704 for what nobody knows.
    pub(super) fn show(&self, name: &str) -> PgWireResult<String> {
        let name = name.to_ascii_lowercase();
        let first = known(&name)?;
        Ok(self.values.get(&name).map_or(first, String::as_str).to_owned())
    }

    /// Time for a statement, if there is a limit of the client's own.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.values.get("statement_timeout").and_then(|value| timeout(value)).flatten()
    }

    /// The time zone, if it was set.
    pub(super) fn zone(&self) -> Option<String> {
        self.values.get("timezone").cloned()
    }

    /// How values are written.
    pub(super) fn format(&self) -> FormatOptions {
        FormatOptions::from_client_metadata(&self.values)
    }
}

fn known(name: &str) -> PgWireResult<&'static str> {
    let found = KNOWN.iter().find(|(known, _)| *known == name);
    found.map(|(_, first)| *first).ok_or_else(|| {
        let told = format!("unrecognized configuration parameter \"{name}\"");
        errors::error("42704", told)
    })
}

fn is_on(value: &str) -> bool {
    ["on", "true", "yes", "1"].contains(&value.to_ascii_lowercase().as_str())
}

/// `None`: it is no time; inside, `None` is no limit. A bare number is milliseconds.
fn timeout(value: &str) -> Option<Option<Duration>> {
    match value.trim().parse::<u64>() {
        Ok(0) => Some(None),
        Ok(milliseconds) => Some(Some(Duration::from_millis(milliseconds))),
        Err(_) => seconds(value.trim()).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pgwire::error::{ErrorInfo, PgWireError};

    use super::{KNOWN, Settings};

    fn code(error: PgWireError) -> String {
        ErrorInfo::from(error).code
    }

    #[test]
    fn settings_are_remembered_and_given_back() {
        let mut settings = Settings::default();
        settings.set("Application_Name", Some("psql")).unwrap();
        assert_eq!(settings.show("application_name").unwrap(), "psql");
        settings.set("application_name", None).unwrap();
        assert_eq!(settings.show("application_name").unwrap(), "");
        settings.set("TimeZone", Some("Europe/Berlin")).unwrap();
        settings.reset();
        assert_eq!(settings.show("timezone").unwrap(), "UTC");
        assert!(KNOWN.is_sorted());
    }

    #[test]
    fn what_is_wrong_is_refused_with_the_code_of_postgresql() {
        let mut settings = Settings::default();
        for (name, value, expected) in [
            ("nonsense", "1", "42704"),
            ("server_version", "1", "55P02"),
            ("timezone", "Mars/Olympus", "22023"),
            ("client_encoding", "LATIN1", "22023"),
            ("statement_timeout", "soon", "22023"),
            ("standard_conforming_strings", "off", "22023"),
        ] {
            assert_eq!(code(settings.set(name, Some(value)).unwrap_err()), expected, "{name}");
        }
        assert_eq!(code(settings.show("nonsense").unwrap_err()), "42704");
    }

    #[test]
    fn a_time_limit_is_in_milliseconds_or_has_a_unit() {
        let mut settings = Settings::default();
        for (value, expected) in [
            ("0", None),
            ("250", Some(Duration::from_millis(250))),
            ("2s", Some(Duration::from_secs(2))),
            ("1min", Some(Duration::from_secs(60))),
        ] {
            settings.set("statement_timeout", Some(value)).unwrap();
            assert_eq!(settings.timeout(), expected, "{value}");
        }
    }
}
