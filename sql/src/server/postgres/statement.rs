//! Statements: those that are planned, and those about the connection itself.

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    CloseCursor, ContextModifier, Declare, Expr, FetchDirection, ObjectName, Reset, Set, Statement,
    Value, ValueWithSpan,
};
use pgwire::error::PgWireResult;

use super::errors;
use super::parameters::Parameter;

/// Settings with these beginnings belong to the session, as in the command.
const OF_THE_SESSION: [&str; 2] = ["datafusion.", "headcount."];

/// A statement that can be run.
pub(super) enum Prepared {
    /// It has rows.
    Query(Query),
    /// It is about the connection.
    Word(Word),
}

/// A plan with what clients want to know of it.
pub(super) struct Query {
    /// As it came, for the log.
    pub(super) text: String,
    pub(super) plan: LogicalPlan,
    pub(super) parameters: Vec<Parameter>,
    /// What its end is called.
    pub(super) tag: &'static str,
}

/// What is said about the connection, in one of several grammars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `None` is the first value.
    Set(String, Option<String>),
    /// Until the end of the transaction.
    SetLocal(String, Option<String>),
    ResetAll,
    Show(String),
    Begin,
    Commit,
    Rollback,
    /// Back to a point within a transaction.
    RollbackTo,
    /// A cursor; with `hold` it outlives its transaction.
    Declare {
        name: String,
        hold: bool,
        statement: Box<Statement>,
    },
    /// The next rows of a cursor; `None` is all of them.
    Fetch {
        name: String,
        most: Option<usize>,
    },
    /// `None` is all of them.
    CloseCursor(Option<String>),
    /// `None` is all of them.
    Deallocate(Option<String>),
    /// Accepted, without an effect.
    Nothing(&'static str),
}

/// Whether a statement is about the connection; `None` if it has to be planned.
///
/// # Errors
/// When it would change something, with the code for that.
pub(super) fn word(statement: &Statement) -> PgWireResult<Option<Word>> {
    Ok(Some(match statement {
        Statement::StartTransaction { .. } => Word::Begin,
        Statement::Commit { .. } => Word::Commit,
        Statement::Rollback { savepoint: None, .. } => Word::Rollback,
        Statement::Rollback { .. } => Word::RollbackTo,
        Statement::Savepoint { .. } => Word::Nothing("SAVEPOINT"),
        Statement::ReleaseSavepoint { .. } => Word::Nothing("RELEASE"),
        Statement::Discard { .. } => Word::ResetAll,
        Statement::Deallocate { name, .. } => {
            let all = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all");
            Word::Deallocate((!all).then(|| name.value.clone()))
        }
        Statement::Declare { stmts } => return declare(stmts).map(Some),
        Statement::Fetch { name, direction, .. } => {
            Word::Fetch { name: name.value.clone(), most: most(direction)? }
        }
        Statement::Close { cursor: CloseCursor::All } => Word::CloseCursor(None),
        Statement::Close { cursor: CloseCursor::Specific { name } } => {
            Word::CloseCursor(Some(name.value.clone()))
        }
        Statement::Set(set) => return of_set(set),
        Statement::Reset(reset) => match &reset.reset {
            Reset::ALL => Word::ResetAll,
            Reset::ConfigurationParameter(name) => match plain(name) {
                name if is_of_the_session(&name) => return Ok(None),
                name => Word::Set(name, None),
            },
        },
        Statement::ShowVariable { variable } => {
            let words: Vec<String> =
                variable.iter().map(|word| word.value.to_ascii_lowercase()).collect();
            let name = words.join(".");
            match name.as_str() {
                "time.zone" => Word::Show("timezone".to_owned()),
                "transaction.isolation.level" => Word::Show("transaction_isolation".to_owned()),
                "all" => return Ok(None),
                name => Word::Show(name.to_owned()),
            }
        }
        Statement::Explain { statement, .. } => match word(statement)? {
            None => return Ok(None),
            Some(_) => return Err(errors::error("42601", "EXPLAIN supports only queries")),
        },
        Statement::Query(_)
        | Statement::ExplainTable { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowFunctions { .. } => return Ok(None),
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            let told = format!("{} is refused: this server only reads", words.join(" "));
            return Err(errors::error("25006", told));
        }
    }))
}

fn declare(declared: &[Declare]) -> PgWireResult<Word> {
    match declared {
        [Declare { names, hold, for_query: Some(query), .. }] if names.len() == 1 => {
            let statement = Box::new(Statement::Query(query.clone()));
            let hold = hold.unwrap_or(false);
            Ok(Word::Declare { name: names[0].value.clone(), hold, statement })
        }
        _ => Err(errors::error("42601", "DECLARE CURSOR takes one query")),
    }
}

/// How many rows; a cursor only goes forward.
fn most(direction: &FetchDirection) -> PgWireResult<Option<usize>> {
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

fn of_set(set: &Set) -> PgWireResult<Option<Word>> {
    Ok(Some(match set {
        Set::SingleAssignment { scope, variable, values, .. } => match plain(variable) {
            name if is_of_the_session(&name) => return Ok(None),
            name if *scope == Some(ContextModifier::Local) => Word::SetLocal(name, value(values)),
            name => Word::Set(name, value(values)),
        },
        Set::SetTimeZone { value: zone, .. } => {
            Word::Set("timezone".to_owned(), value(std::slice::from_ref(zone)))
        }
        Set::SetNames { charset_name, .. } => {
            Word::Set("client_encoding".to_owned(), Some(charset_name.value.clone()))
        }
        Set::SetTransaction { .. } => Word::Nothing("SET"),
        other => {
            let told = format!("{other} is not supported");
            return Err(errors::error("0A000", told));
        }
    }))
}

pub(super) fn is_of_the_session(name: &str) -> bool {
    OF_THE_SESSION.iter().any(|beginning| name.starts_with(beginning))
}

fn plain(name: &ObjectName) -> String {
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

/// What the end of a planned statement is called.
pub(super) fn tag(statement: &Statement) -> &'static str {
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

    use super::{Word, word};

    fn of(sql: &str) -> Result<Option<Word>, String> {
        let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        word(&statement).map_err(|error| ErrorInfo::from(error).code)
    }

    #[test]
    fn words_about_the_connection_are_known() {
        let set = |name: &str, value: Option<&str>| {
            Ok(Some(Word::Set(name.to_owned(), value.map(str::to_owned))))
        };
        assert_eq!(of("SET application_name = 'psql'"), set("application_name", Some("psql")));
        assert_eq!(of("SET statement_timeout TO 250"), set("statement_timeout", Some("250")));
        assert_eq!(of("SET search_path TO public, x"), set("search_path", Some("public, x")));
        assert_eq!(of("SET TIME ZONE 'UTC'"), set("timezone", Some("UTC")));
        assert_eq!(of("SET datestyle TO DEFAULT"), set("datestyle", None));
        assert_eq!(of("RESET datestyle"), set("datestyle", None));
        let local = Word::SetLocal("jit".to_owned(), Some("off".to_owned()));
        assert_eq!(of("SET LOCAL jit = off"), Ok(Some(local)));
        assert_eq!(of("SHOW TIME ZONE"), Ok(Some(Word::Show("timezone".to_owned()))));
        assert_eq!(of("BEGIN READ ONLY"), Ok(Some(Word::Begin)));
        assert_eq!(of("ROLLBACK TO SAVEPOINT a"), Ok(Some(Word::RollbackTo)));
        assert_eq!(of("DEALLOCATE ALL"), Ok(Some(Word::Deallocate(None))));
    }

    #[test]
    fn what_reads_is_planned_and_what_changes_is_refused() {
        for sql in [
            "SELECT 1",
            "EXPLAIN SELECT 1",
            "SHOW TABLES",
            "SHOW ALL",
            "SET headcount.exact_distinct = false",
        ] {
            assert_eq!(of(sql), Ok(None), "{sql}");
        }
        for sql in [
            "DROP TABLE a",
            "EXPLAIN DROP TABLE a",
            "INSERT INTO a VALUES (1)",
            "CREATE VIEW v AS SELECT 1",
        ] {
            assert_eq!(of(sql), Err("25006".to_owned()), "{sql}");
        }
    }
}
