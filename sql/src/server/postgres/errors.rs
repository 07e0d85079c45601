//! Converts errors to PostgreSQL's: SQLSTATE code, message, and our help as the hint.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use engine::{Error, Kind};
use pgwire::error::{ErrorInfo, PgWireError};

/// Codes of errors that have no cause to derive one from, by a part of the message.
const CODE_BY_MESSAGE: &[(&str, &str)] = &[
    ("took longer than the limit", "57014"),
    ("cancelled", "57014"),
    ("the server is stopping", "57P01"),
    ("needs more memory", "53200"),
    ("more than the limit of", "54000"),
    ("connections are in use", "53300"),
    ("nested too deeply", "54001"),
    ("this server only reads", "25006"),
    ("there is no table", "42P01"),
    ("Invalid function", "42883"),
    ("No function matches", "42883"),
    ("No field named", "42703"),
    ("unrecognized configuration parameter", "42704"),
    ("division by zero", "22012"),
    ("date/time field value out of range", "22008"),
    ("timestamp out of range", "22008"),
    ("Unable to parse date from", "22008"),
    ("out of range", "22003"),
    ("is too large to store", "22003"),
    ("is too small to store", "22003"),
    ("Can't cast value", "22003"),
    ("cannot take square root", "2201F"),
    ("cannot take logarithm", "2201E"),
    ("negative count not allowed", "22011"),
    ("field position must not be zero", "22023"),
    ("\" not recognized", "22023"),
    ("arguments for format()", "22023"),
    ("format() type specifier", "22023"),
    ("null values cannot be formatted", "22004"),
    ("invalid input syntax for type date", "22007"),
    ("invalid input syntax for type time", "22007"),
    ("invalid input syntax for type interval", "22007"),
    ("invalid value \"", "22007"),
    ("invalid input syntax", "22P02"),
    ("is not supported", "0A000"),
    ("are not supported", "0A000"),
    ("not supported for type", "0A000"),
    ("operator does not exist", "42883"),
    ("Cannot coerce arithmetic expression", "42883"),
    ("Cannot infer common argument type for comparison", "42883"),
    ("must appear in the GROUP BY clause", "42803"),
    ("cannot be matched", "42804"),
    ("verflow", "22003"),
    ("regex parse error", "2201B"),
    ("table function", "42883"),
    ("returned more than one row", "21000"),
];

/// Converts the error of a statement.
pub(super) fn from_error(error: Error) -> PgWireError {
    let text = error.to_string();
    let (message, hint) = match error.context("help") {
        Some(help) => (text.strip_suffix(&format!("; {help}")).unwrap_or(&text), Some(help)),
        None => (text.as_str(), None),
    };
    let mut info = info(code(&error, message), message);
    info.hint = hint.map(str::to_owned);
    PgWireError::UserError(Box::new(info))
}

/// An error of the protocol itself.
pub(super) fn error(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(info(code, message)))
}

/// The error that closes connections when the server stops.
pub(super) fn stopping() -> ErrorInfo {
    info("57P01", "the server is stopping")
}

fn info(code: &str, message: impl Into<String>) -> ErrorInfo {
    ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message.into())
}

fn code(error: &Error, message: &str) -> &'static str {
    if let Some((_, code)) = CODE_BY_MESSAGE.iter().find(|(part, _)| message.contains(part)) {
        return code;
    }
    if let Some(code) = of_cause(error) {
        return code;
    }
    match error.kind() {
        // Without a cause it is an invalid value, not an invalid statement.
        Kind::Input if error.source().is_none() => "22000",
        Kind::Input => "42000",
        Kind::Limit => "53000",
        Kind::Io => "58030",
        _ => "XX000",
    }
}

fn of_cause(error: &Error) -> Option<&'static str> {
    let cause: &DataFusionError = error.source()?.downcast_ref()?;
    match cause.find_root() {
        DataFusionError::SQL(..) => Some("42601"),
        DataFusionError::SchemaError(schema, _) => Some(match **schema {
            SchemaError::AmbiguousReference { .. } => "42702",
            _ => "42703",
        }),
        DataFusionError::NotImplemented(_) => Some("0A000"),
        DataFusionError::ArrowError(error, _) => Some(match **error {
            ArrowError::DivideByZero => "22012",
            ArrowError::ArithmeticOverflow(_) => "22003",
            ArrowError::CastError(_) | ArrowError::ParseError(_) => "22P02",
            _ => "22000",
        }),
        DataFusionError::Execution(_) => Some("22000"),
        DataFusionError::Configuration(_) => Some("22023"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use engine::Error;
    use pgwire::error::ErrorInfo;

    use super::from_error;

    #[test]
    fn help_is_a_hint_and_the_rest_a_message() {
        let error = Error::limit("the statement took longer than the limit of 3 s")
            .with("help", "query less");
        let info = ErrorInfo::from(from_error(error));
        assert_eq!(info.code, "57014");
        assert_eq!(info.message, "the statement took longer than the limit of 3 s");
        assert_eq!(info.hint.as_deref(), Some("query less"));
        let info = ErrorInfo::from(from_error(Error::input("what").with("line", 3)));
        assert_eq!((info.code.as_str(), info.message.as_str()), ("22000", "what (line: 3)"));
    }
}
