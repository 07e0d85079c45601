//! Our errors as PostgreSQL's: a code of five characters, a message, a hint.

use engine::{Error, Kind};
use pgwire::error::{ErrorInfo, PgWireError};

/// An error on its way to a client.
pub(super) fn wire(error: &Error) -> PgWireError {
    PgWireError::UserError(Box::new(told(error)))
}

/// An error as it is told.
pub(super) fn told(error: &Error) -> ErrorInfo {
    let text = error.to_string();
    let help = error.context("help");
    let message = match help {
        Some(help) => text.strip_suffix(&format!("; {help}")).unwrap_or(&text).to_owned(),
        None => text,
    };
    let severity = if code(error, &message) == SHUTDOWN { "FATAL" } else { "ERROR" };
    let mut info = ErrorInfo::new(severity.to_owned(), code(error, &message).to_owned(), message);
    info.hint = help.map(str::to_owned);
    info
}

const SHUTDOWN: &str = "57P01";

/// Beginnings of messages, and the codes of Appendix A of PostgreSQL's manual that they stand for.
const CODES: [(&str, &str); 12] = [
    ("the statement took longer", "57014"), // query_canceled, as for statement_timeout
    ("cancelled", "57014"),
    ("the server is stopping", SHUTDOWN),  // admin_shutdown
    ("the result has more than", "54000"), // program_limit_exceeded
    ("all ", "53300"),                     // too_many_connections
    ("there is no table", "42P01"),        // undefined_table
    ("sql parser error", "42601"),         // syntax_error
    ("Expected:", "42601"),
    ("No field named", "42703"),   // undefined_column
    ("Invalid function", "42883"), // undefined_function
    ("Unterminated", "42601"),
    ("unrecognized configuration parameter", "42704"), // undefined_object
];

fn code(error: &Error, message: &str) -> &'static str {
    if message.contains("this server only reads") {
        return "25006"; // read_only_sql_transaction
    }
    let known = CODES.iter().find(|(beginning, _)| message.starts_with(beginning));
    match (known, error.kind()) {
        (Some((_, code)), _) => code,
        (None, Kind::Limit) => "53200",    // out_of_memory
        (None, Kind::Io) => "58030",       // io_error
        (None, Kind::Internal) => "XX000", // internal_error
        (None, _) => "42000",              // syntax_error_or_access_rule_violation
    }
}

#[cfg(test)]
mod tests {
    use engine::Error;

    use super::told;

    #[test]
    fn an_error_has_a_code_and_a_hint() {
        for (error, code, hint) in [
            (Error::limit("cancelled"), "57014", None),
            (
                Error::input("there is no table `x`").with("help", "list them"),
                "42P01",
                Some("list them"),
            ),
            (Error::limit("the query needs more memory than 1 GB"), "53200", None),
            (Error::input("COPY is refused: this server only reads"), "25006", None),
            (Error::internal("broken"), "XX000", None),
        ] {
            let info = told(&error);
            assert_eq!((info.code.as_str(), info.hint.as_deref()), (code, hint), "{error}");
            assert!(!info.message.contains("list them"));
        }
    }
}
