//! A connection's settings under PostgreSQL's names.
//!
//! Settings for the format of values and the statement timeout take effect. Settings without
//! meaning for a read-only server are stored and shown. All others are unknown.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::Duration;

use arrow::array::timezone::Tz;
use engine::calendar::Zone;
use pgwire::error::PgWireResult;
use pgwire::types::format::FormatOptions;

use super::errors;
use crate::server::execution::parse_duration;

/// The PostgreSQL version whose catalogs and grammar clients may expect.
pub(super) const VERSION: &str = concat!("16.6 (Headcount ", env!("CARGO_PKG_VERSION"), ")");

/// Names and default values.
const DEFAULTS: [(&str, &str); 34] = [
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
    ("server_version", VERSION),
    ("server_version_num", "160006"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "on"),
];

/// Settings that cannot be changed.
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
    /// The values when the transaction began.
    at_begin: Option<HashMap<String, String>>,
    /// Settings made with SET LOCAL, with their previous values.
    local: HashMap<String, Option<String>>,
}

impl Settings {
    /// Sets a value; `None` resets it to the default.
    ///
    /// # Errors
    /// As PostgreSQL: 42704 for an unknown setting, 22023 for an invalid value, 55P02 for a fixed
    /// one.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> PgWireResult<()> {
        let name = name.to_ascii_lowercase();
        default_value(&name)?;
        let Some(value) = value else {
            self.values.remove(&name);
            return Ok(());
        };
        let invalid = || {
            errors::error("22023", format!("invalid value for parameter \"{name}\": \"{value}\""))
        };
        match name.as_str() {
            fixed if FIXED.contains(&fixed) => {
                let message = format!("parameter \"{name}\" cannot be changed");
                return Err(errors::error("55P02", message));
            }
            "client_encoding" => {
                // As in PostgreSQL only letters and digits count; asyncpg sends `'utf-8'` with quotes.
                let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
                if !["utf8", "unicode", "sqlascii"].contains(&&*plain.to_ascii_lowercase()) {
                    return Err(invalid());
                }
            }
            "standard_conforming_strings" if !is_on(value) => return Err(invalid()),
            "statement_timeout" => {
                timeout(value).ok_or_else(invalid)?;
            }
            "timezone" => {
                zone(value).ok_or_else(invalid)?;
            }
            "extra_float_digits" => {
                value.parse::<i8>().map_err(|_| invalid())?;
            }
            _ => {}
        }
        let value = match name.as_str() {
            "statement_timeout" => format_duration(timeout(value).flatten()),
            "timezone" => zone(value).ok_or_else(invalid)?,
            "client_encoding" => "UTF8".to_owned(),
            _ => value.to_owned(),
        };
        self.values.insert(name, value);
        Ok(())
    }

    /// Sets a value until the transaction ends; without a transaction it has no effect.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub(super) fn set_local(&mut self, name: &str, value: Option<&str>) -> PgWireResult<()> {
        let name = name.to_ascii_lowercase();
        let previous = self.values.get(&name).cloned();
        self.set(&name, value)?;
        if self.at_begin.is_some() {
            self.local.entry(name).or_insert(previous);
        } else {
            self.restore(name, previous);
        }
        Ok(())
    }

    fn restore(&mut self, name: String, value: Option<String>) {
        match value {
            Some(value) => self.values.insert(name, value),
            None => self.values.remove(&name),
        };
    }

    /// Begins a transaction.
    pub(super) fn begin(&mut self) {
        if self.at_begin.is_none() {
            self.at_begin = Some(self.values.clone());
        }
    }

    /// Ends a transaction; a rollback restores the values from its begin.
    pub(super) fn end(&mut self, committed: bool) {
        let at_begin = self.at_begin.take();
        for (name, previous) in std::mem::take(&mut self.local) {
            self.restore(name, previous);
        }
        if let Some(at_begin) = at_begin.filter(|_| !committed) {
            self.values = at_begin;
        }
    }

    /// Resets all settings to their defaults.
    pub(super) fn reset(&mut self) {
        self.values.clear();
    }

    /// The value of a setting.
    ///
    /// # Errors
    /// 42704 for an unknown setting.
    pub(super) fn show(&self, name: &str) -> PgWireResult<String> {
        let name = name.to_ascii_lowercase();
        let default = default_value(&name)?;
        Ok(self.values.get(&name).map_or(default, String::as_str).to_owned())
    }

    /// All settings, by name.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        let shown = |(name, default): &(&str, &str)| {
            let value = self.values.get(*name).map_or(*default, String::as_str);
            ((*name).to_owned(), value.to_owned())
        };
        DEFAULTS.iter().map(shown).collect()
    }

    /// The client's statement timeout, if it has set one.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.values.get("statement_timeout").and_then(|value| timeout(value)).flatten()
    }

    /// The time zone of timestamps.
    pub(super) fn zone(&self) -> String {
        self.values.get("timezone").map_or("UTC", String::as_str).to_owned()
    }

    /// The format of values.
    pub(super) fn format(&self) -> FormatOptions {
        FormatOptions::from_client_metadata(&self.values)
    }
}

fn default_value(name: &str) -> PgWireResult<&'static str> {
    let found = DEFAULTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, default)| *default).ok_or_else(|| {
        let message = format!("unrecognized configuration parameter \"{name}\"");
        errors::error("42704", message)
    })
}

/// The canonical name of a time zone, or an offset; `None` if it is unknown.
fn zone(value: &str) -> Option<String> {
    let name = Zone::get(value).map_or_else(|_| value.to_owned(), |zone| zone.name().to_owned());
    Tz::from_str(&name).is_ok().then_some(name)
}

fn is_on(value: &str) -> bool {
    ["on", "true", "yes", "1"].contains(&value.to_ascii_lowercase().as_str())
}

/// A duration in the largest unit of which it is a multiple, as PostgreSQL shows it.
fn format_duration(time: Option<Duration>) -> String {
    let Some(time) = time else { return "0".to_owned() };
    let milliseconds = time.as_millis();
    for (unit, factor) in [("h", 3_600_000), ("min", 60_000), ("s", 1000)] {
        if milliseconds >= factor && milliseconds.is_multiple_of(factor) {
            return format!("{}{unit}", milliseconds / factor);
        }
    }
    format!("{milliseconds}ms")
}

/// Parses a timeout: `None` if it is invalid, `Some(None)` for no limit. A bare number is
/// milliseconds.
fn timeout(value: &str) -> Option<Option<Duration>> {
    match value.trim().parse::<u64>() {
        Ok(0) => Some(None),
        Ok(milliseconds) => Some(Some(Duration::from_millis(milliseconds))),
        Err(_) => parse_duration(value.trim()).ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pgwire::error::{ErrorInfo, PgWireError};

    use super::{DEFAULTS, Settings};

    fn code(error: PgWireError) -> String {
        ErrorInfo::from(error).code
    }

    #[test]
    fn settings_are_stored_and_reset() {
        let mut settings = Settings::default();
        settings.set("Application_Name", Some("psql")).unwrap();
        assert_eq!(settings.show("application_name").unwrap(), "psql");
        settings.set("application_name", None).unwrap();
        assert_eq!(settings.show("application_name").unwrap(), "");
        settings.set("TimeZone", Some("Europe/Berlin")).unwrap();
        settings.set("timezone", Some("europe/berlin")).unwrap();
        assert_eq!(settings.show("timezone").unwrap(), "Europe/Berlin");
        settings.set("client_encoding", Some("'utf-8'")).unwrap();
        assert_eq!(settings.show("client_encoding").unwrap(), "UTF8");
        settings.reset();
        assert_eq!(settings.show("timezone").unwrap(), "UTC");
        assert!(DEFAULTS.is_sorted());
    }

    #[test]
    fn invalid_settings_have_postgresqls_codes() {
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
        for (value, expected, shown) in [
            ("0", None, "0"),
            ("250", Some(Duration::from_millis(250)), "250ms"),
            ("2s", Some(Duration::from_secs(2)), "2s"),
            ("60000", Some(Duration::from_secs(60)), "1min"),
        ] {
            settings.set("statement_timeout", Some(value)).unwrap();
            assert_eq!(settings.timeout(), expected, "{value}");
            assert_eq!(settings.show("statement_timeout").unwrap(), shown, "{value}");
        }
    }

    #[test]
    fn rollback_restores_settings() {
        let mut settings = Settings::default();
        let name = "application_name";
        let shown = |settings: &Settings| settings.show(name).unwrap();
        settings.set(name, Some("first")).unwrap();
        settings.begin();
        settings.set(name, Some("second")).unwrap();
        settings.end(false);
        assert_eq!(shown(&settings), "first");
        settings.begin();
        settings.set(name, Some("second")).unwrap();
        settings.set_local(name, Some("local")).unwrap();
        assert_eq!(shown(&settings), "local");
        settings.end(true);
        assert_eq!(shown(&settings), "second");
        settings.set_local(name, Some("nowhere")).unwrap();
        assert_eq!(shown(&settings), "second");
    }
}
