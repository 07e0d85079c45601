//! Conversion of errors from and to DataFusion.

use std::error::Error as StdError;

use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use engine::{Error, Kind};

use crate::default_schema::{CATALOG, SCHEMA};

/// Part of the message of a statement that exceeds its own memory limit, not that of all.
pub(crate) const OF_ONE: &str = "and the statement already uses";

/// Part of the message of a statement that needs too much memory for one batch.
pub(crate) const AT_ONCE: &str = "bytes for one batch, and the limit is";

/// Converts the error of a statement: to our own error if it is the root cause, else without
/// DataFusion's wrapping. `memory` is the limit in bytes of all statements.
pub fn statement_error(cause: DataFusionError, memory: Option<usize>) -> Error {
    if let Some(own) = own(&cause) {
        return own;
    }
    let root = cause.find_root();
    let (kind, message) = match root {
        DataFusionError::ResourcesExhausted(message) => {
            return exhausted(message, memory).caused_by(cause);
        }
        DataFusionError::SQL(parser, _) => match &**parser {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => {
                (Kind::Input, message.clone())
            }
            ParserError::RecursionLimitExceeded => {
                (Kind::Limit, "the statement is nested too deeply".to_owned())
            }
        },
        DataFusionError::Plan(message)
        | DataFusionError::Execution(message)
        | DataFusionError::Configuration(message) => (Kind::Input, message.clone()),
        DataFusionError::NotImplemented(message) if is_predicate_subquery(message) => {
            let message = "`IN (SELECT ...)` and `EXISTS (SELECT ...)` must stand in WHERE, HAVING or \
                           the ON of an inner join";
            let help = "elsewhere use `(SELECT count(*) ...) > 0`, or join the tables";
            return Error::input(message).with("help", help).caused_by(cause);
        }
        DataFusionError::SchemaError(schema, _) => (Kind::Input, schema.to_string()),
        DataFusionError::Internal(_) => (Kind::Internal, root.strip_backtrace()),
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => {
            (Kind::Io, root.strip_backtrace())
        }
        _ => (Kind::Input, root.strip_backtrace()),
    };
    let message = message.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or_default().trim();
    let error = match unknown_table(message) {
        Some(table) => Error::input(format!("there is no table `{table}`"))
            .with("help", "`\\d` lists the tables; put files, folders and globs in single quotes"),
        None => Error::new(kind, message),
    };
    error.caused_by(cause)
}

/// Whether DataFusion cannot compute a subquery where it stands.
fn is_predicate_subquery(message: &str) -> bool {
    let expression = message.strip_prefix("Physical plan does not support logical expression ");
    expression.is_some_and(|name| name.starts_with("InSubquery") || name.starts_with("Exists"))
}

/// The table that DataFusion did not find, without the default catalog and schema.
fn unknown_table(message: &str) -> Option<&str> {
    let name = message.strip_prefix("table '")?.strip_suffix("' not found")?;
    let implied = format!("{CATALOG}.{SCHEMA}.");
    Some(name.strip_prefix(implied.as_str()).unwrap_or(name))
}

/// Wraps our error for DataFusion, keeping its kind and context.
pub fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Our error among the causes.
fn own(cause: &DataFusionError) -> Option<Error> {
    let mut cause: &(dyn StdError + 'static) = cause;
    loop {
        if let Some(error) = cause.downcast_ref::<Error>() {
            return Some(error.repeated());
        }
        cause = cause.source()?;
    }
}

fn exhausted(message: &str, memory: Option<usize>) -> Error {
    // What follows is a list of the largest consumers, in the engine's names.
    let first = message.lines().next().unwrap_or_default();
    let first = first.split(" with top memory consumers").next().unwrap_or(first);
    let first = first.trim_end_matches([':', ' ']);
    let less = "or query fewer groups or columns at once";
    match memory {
        _ if first.contains(OF_ONE) || first.contains(AT_ONCE) => {
            Error::limit(format!("the query needs more memory than one statement may use: {first}"))
                .with(
                    "help",
                    format!(
                        "raise the limit (`--statement-memory` of a server, `--memory-limit` of \
                         `headcount sql`), {less}"
                    ),
                )
        }
        Some(bytes) => Error::limit(format!(
            "the query needs more memory than the limit of {}: {first}",
            format_bytes(bytes)
        ))
        .with("help", format!("raise it with `--memory-limit`, {less}")),
        None => Error::limit(first).with("help", "use another folder with `--temporary`"),
    }
}

/// `4 GB`, `1.5 MB`, `700 B`: powers of 1000, as `--memory-limit` reads them.
pub(crate) fn format_bytes(bytes: usize) -> String {
    let (mut size, mut unit) = (bytes as f64, "B");
    for larger in ["kB", "MB", "GB", "TB"] {
        if size < 1000.0 {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    let rounded = (size * 10.0).round() / 10.0;
    format!("{rounded} {unit}")
}

#[cfg(test)]
mod tests {
    use datafusion::error::DataFusionError;
    use engine::{Error, Kind};

    use super::{OF_ONE, external, format_bytes, statement_error};

    #[test]
    fn our_errors_pass_through_datafusion() {
        let error = Error::limit("too many").with("file", "a.csv").with("help", "use fewer");
        let text = error.to_string();
        let wrapped = DataFusionError::Context("while".to_owned(), Box::new(external(error)));
        let out = statement_error(wrapped, None);
        assert_eq!((out.to_string(), out.kind()), (text, Kind::Limit));
    }

    #[test]
    fn memory_errors_name_the_limit_and_the_option() {
        let cause = DataFusionError::ResourcesExhausted(
            "No room for x with top memory consumers as:\n  y: 3 MB".to_owned(),
        );
        let out = statement_error(cause, Some(4_000_000_000));
        assert_eq!(out.kind(), Kind::Limit);
        for part in ["limit of 4 GB: No room for x;", "--memory-limit"] {
            assert!(out.to_string().contains(part), "{out}");
        }
        let message = format!("x requested 9 more bytes, {OF_ONE} 3 of its 10");
        let out = statement_error(DataFusionError::ResourcesExhausted(message), Some(40));
        for part in ["may use: x requested 9", "--statement-memory"] {
            assert!(out.to_string().contains(part), "{out}");
        }
    }

    #[test]
    fn bytes_are_formatted_in_the_units_of_the_option() {
        for (bytes, words) in
            [(0, "0 B"), (999, "999 B"), (1_500_000, "1.5 MB"), (64_000_000, "64 MB")]
        {
            assert_eq!(format_bytes(bytes), words);
        }
    }
}
