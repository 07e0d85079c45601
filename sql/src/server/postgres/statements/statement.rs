//! Statements: queries, and commands that the connection handles itself.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::datatypes::{Field, FieldRef, Schema};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    CloseCursor, ContextModifier, Declare, Expr, FetchDirection, ObjectName, Reset, Set, Statement,
    Value, ValueWithSpan,
};
use pgwire::error::PgWireResult;

use super::parameters::Parameter;
use crate::server::postgres::dialect::ColumnNames;
use crate::server::postgres::errors;
use crate::server::postgres::values::copy_format::{self, CopyFormat};

/// Prefixes of settings that belong to the DataFusion session.
const DATAFUSION_PREFIXES: [&str; 2] = ["datafusion.", "headcount."];

/// A statement that can be run.
pub(in crate::server::postgres) enum Prepared {
    /// A planned query.
    Query(Box<Query>),
    /// A command for the connection.
    Command(SessionCommand),
}

/// A plan with what clients can ask about it.
pub(in crate::server::postgres) struct Query {
    /// The text, for the log.
    pub(in crate::server::postgres) text: String,
    pub(in crate::server::postgres) plan: LogicalPlan,
    pub(in crate::server::postgres) parameters: Vec<Parameter>,
    /// The statement, if it has to be planned again with the values of its parameters.
    pub(super) to_bind: Option<Box<Statement>>,
    /// Whether a client knows the columns, so that parameters must not change them.
    pub(in crate::server::postgres) is_described: AtomicBool,
    /// How COPY writes the rows.
    pub(in crate::server::postgres) copy: Option<CopyFormat>,
    /// The command tag.
    pub(in crate::server::postgres) tag: &'static str,
    /// The names of columns without an alias.
    pub(in crate::server::postgres) names: ColumnNames,
}

impl Query {
    /// A schema with the names that clients see.
    pub(in crate::server::postgres) fn named(&self, schema: &Schema) -> Schema {
        let mut fields: Vec<FieldRef> = schema.fields().to_vec();
        self.names.apply(&mut fields, |field, name| {
            *field = Arc::new(Field::clone(field).with_name(name));
        });
        Schema::new(fields)
    }
}

/// A command that the connection handles itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::postgres) enum SessionCommand {
    /// `None` resets to the default.
    Set(String, Option<String>),
    /// As `Set`, until the end of the transaction.
    SetLocal(String, Option<String>),
    ResetAll,
    Show(String),
    Begin,
    Commit,
    Rollback,
    /// Back to a savepoint.
    RollbackTo,
    /// Declares a cursor; with `hold` it outlives its transaction.
    Declare {
        name: String,
        hold: bool,
        statement: Box<Statement>,
    },
    /// The next rows of a cursor; `None` for all remaining rows.
    Fetch {
        name: String,
        max_rows: Option<usize>,
    },
    /// `None` for all.
    CloseCursor(Option<String>),
    /// `None` for all.
    Deallocate(Option<String>),
    /// Accepted, without an effect.
    NoOp(&'static str),
}

/// The session command of a statement; `None` if it must be planned.
///
/// # Errors
/// When it is not supported or would write.
pub(in crate::server::postgres) fn session_command(
    statement: &Statement,
) -> PgWireResult<Option<SessionCommand>> {
    Ok(Some(match statement {
        Statement::StartTransaction { .. } => SessionCommand::Begin,
        Statement::Commit { .. } => SessionCommand::Commit,
        Statement::Rollback { savepoint: None, .. } => SessionCommand::Rollback,
        Statement::Rollback { .. } => SessionCommand::RollbackTo,
        Statement::Savepoint { .. } => SessionCommand::NoOp("SAVEPOINT"),
        Statement::ReleaseSavepoint { .. } => SessionCommand::NoOp("RELEASE"),
        Statement::Discard { .. } => SessionCommand::ResetAll,
        Statement::Deallocate { name, .. } => {
            let all = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all");
            SessionCommand::Deallocate((!all).then(|| name.value.clone()))
        }
        Statement::Declare { stmts } => return declare(stmts).map(Some),
        Statement::Fetch { name, direction, .. } => {
            SessionCommand::Fetch { name: name.value.clone(), max_rows: fetch_count(direction)? }
        }
        Statement::Close { cursor: CloseCursor::All } => SessionCommand::CloseCursor(None),
        Statement::Close { cursor: CloseCursor::Specific { name } } => {
            SessionCommand::CloseCursor(Some(name.value.clone()))
        }
        Statement::Set(set) => return set_command(set),
        Statement::Reset(reset) => match &reset.reset {
            Reset::ALL => SessionCommand::ResetAll,
            Reset::ConfigurationParameter(name) => match normalized(name) {
                name if is_datafusion_setting(&name) => return Ok(None),
                name => SessionCommand::Set(name, None),
            },
        },
        Statement::ShowVariable { variable } => {
            let words: Vec<String> =
                variable.iter().map(|word| word.value.to_ascii_lowercase()).collect();
            let name = words.join(".");
            match name.as_str() {
                "time.zone" => SessionCommand::Show("timezone".to_owned()),
                "transaction.isolation.level" => {
                    SessionCommand::Show("transaction_isolation".to_owned())
                }
                "all" => return Ok(None),
                name => SessionCommand::Show(name.to_owned()),
            }
        }
        Statement::Explain { statement, .. } => match session_command(statement)? {
            None => return Ok(None),
            Some(_) => return Err(errors::error("42601", "EXPLAIN supports only queries")),
        },
        Statement::UNLISTEN { .. } => SessionCommand::NoOp("UNLISTEN"),
        copy if copy_format::only_reads(copy) => return Ok(None),
        Statement::Query(_)
        | Statement::ExplainTable { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowFunctions { .. } => return Ok(None),
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            let message = format!("{} is refused: this server only reads", words.join(" "));
            return Err(errors::error("25006", message));
        }
    }))
}

fn declare(declared: &[Declare]) -> PgWireResult<SessionCommand> {
    match declared {
        [Declare { names, hold, for_query: Some(query), .. }] if names.len() == 1 => {
            let statement = Box::new(Statement::Query(query.clone()));
            let hold = hold.unwrap_or(false);
            Ok(SessionCommand::Declare { name: names[0].value.clone(), hold, statement })
        }
        _ => Err(errors::error("42601", "DECLARE CURSOR takes one query")),
    }
}

/// The number of rows to fetch; `None` for all. Cursors only go forward.
fn fetch_count(direction: &FetchDirection) -> PgWireResult<Option<usize>> {
    let number = |limit: &ValueWithSpan| {
        let number = limit.to_string().parse();
        number.map(Some).map_err(|_| errors::error("55000", "cursor can only scan forward"))
    };
    match direction {
        FetchDirection::All | FetchDirection::ForwardAll => Ok(None),
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Ok(Some(1)),
        FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => {
            number(limit)
        }
        _ => Err(errors::error("55000", "cursor can only scan forward")),
    }
}

fn set_command(set: &Set) -> PgWireResult<Option<SessionCommand>> {
    Ok(Some(match set {
        Set::SingleAssignment { scope, variable, values, .. } => match normalized(variable) {
            name if is_datafusion_setting(&name) => return Ok(None),
            name if *scope == Some(ContextModifier::Local) => {
                SessionCommand::SetLocal(name, value(values))
            }
            name => SessionCommand::Set(name, value(values)),
        },
        Set::SetTimeZone { value: zone, .. } => {
            SessionCommand::Set("timezone".to_owned(), value(std::slice::from_ref(zone)))
        }
        Set::SetNames { charset_name, .. } => {
            SessionCommand::Set("client_encoding".to_owned(), Some(charset_name.value.clone()))
        }
        Set::SetTransaction { .. } | Set::SetRole { role_name: None, .. } => {
            SessionCommand::NoOp("SET")
        }
        other => {
            let message = format!("{other} is not supported");
            return Err(errors::error("0A000", message));
        }
    }))
}

pub(in crate::server::postgres) fn is_datafusion_setting(name: &str) -> bool {
    DATAFUSION_PREFIXES.iter().any(|beginning| name.starts_with(beginning))
}

fn normalized(name: &ObjectName) -> String {
    name.to_string().replace('"', "").to_ascii_lowercase()
}

/// The value of a setting as text; `None` for DEFAULT.
fn value(values: &[Expr]) -> Option<String> {
    let one = |value: &Expr| match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(name) => name.value.clone(),
        other => other.to_string(),
    };
    let text = values.iter().map(one).collect::<Vec<_>>().join(", ");
    (!text.eq_ignore_ascii_case("default")).then_some(text)
}

/// The command tag of a planned statement.
pub(in crate::server::postgres) fn tag(statement: &Statement) -> &'static str {
    match statement {
        Statement::Explain { .. } | Statement::ExplainTable { .. } => "EXPLAIN",
        Statement::Set(_) => "SET",
        Statement::Reset(_) => "RESET",
        Statement::Query(_) => "SELECT",
        _ => "SHOW",
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    use pgwire::error::ErrorInfo;

    use super::{SessionCommand, session_command};

    fn of(sql: &str) -> Result<Option<SessionCommand>, String> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        session_command(&statement).map_err(|error| ErrorInfo::from(error).code)
    }

    #[test]
    fn session_commands_are_recognised() {
        let set = |name: &str, value: Option<&str>| {
            Ok(Some(SessionCommand::Set(name.to_owned(), value.map(str::to_owned))))
        };
        assert_eq!(of("SET application_name = 'psql'"), set("application_name", Some("psql")));
        assert_eq!(of("SET statement_timeout TO 250"), set("statement_timeout", Some("250")));
        assert_eq!(of("SET search_path TO public, x"), set("search_path", Some("public, x")));
        assert_eq!(of("SET TIME ZONE 'UTC'"), set("timezone", Some("UTC")));
        assert_eq!(of("SET datestyle TO DEFAULT"), set("datestyle", None));
        assert_eq!(of("RESET datestyle"), set("datestyle", None));
        let local = SessionCommand::SetLocal("jit".to_owned(), Some("off".to_owned()));
        assert_eq!(of("SET LOCAL jit = off"), Ok(Some(local)));
        assert_eq!(of("SHOW TIME ZONE"), Ok(Some(SessionCommand::Show("timezone".to_owned()))));
        assert_eq!(of("BEGIN READ ONLY"), Ok(Some(SessionCommand::Begin)));
        assert_eq!(of("ROLLBACK TO SAVEPOINT a"), Ok(Some(SessionCommand::RollbackTo)));
        assert_eq!(of("DEALLOCATE ALL"), Ok(Some(SessionCommand::Deallocate(None))));
    }

    #[test]
    fn queries_are_planned_and_writes_are_refused() {
        for sql in [
            "SELECT 1",
            "EXPLAIN SELECT 1",
            "SHOW TABLES",
            "SHOW ALL",
            "SET headcount.exact_distinct = false",
            "COPY (SELECT 1) TO STDOUT",
        ] {
            assert_eq!(of(sql), Ok(None), "{sql}");
        }
        for sql in [
            "DROP TABLE a",
            "EXPLAIN DROP TABLE a",
            "INSERT INTO a VALUES (1)",
            "CREATE VIEW v AS SELECT 1",
            "COPY a FROM STDIN",
            "COPY a TO '/tmp/a'",
        ] {
            assert_eq!(of(sql), Err("25006".to_owned()), "{sql}");
        }
    }
}
