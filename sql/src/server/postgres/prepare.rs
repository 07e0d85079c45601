//! Parses and plans statements.
//!
//! Most statements are planned as written. The rewrite rules of datafusion-postgres can change the
//! meaning of a statement, so they are applied only to statements that use PostgreSQL's catalog and
//! to those that cannot be planned otherwise.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use engine::{Error, Kind, Result};
use pgwire::error::PgWireResult;

use super::dialect::{self, ColumnNames};
use super::empty_relations::simplify_empty;
use super::scalar_subquery::rewrite_scalar_subqueries;
use super::session::Session;
use super::statement::{Prepared, Query, session_command, tag};
use super::{PgServer, ast_rewrite, errors, parameters};
use crate::failure::statement_error;
use crate::server::read_only::read_only;
use crate::server::{StatementExecution, syntax};
use crate::session;

/// Types whose values are object ids.
const OBJECT_ID_TYPES: [&str; 6] =
    ["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"];

/// A parsed statement.
pub(super) struct ParsedStatement {
    /// As it is planned.
    pub(super) statement: Statement,
    /// As the client wrote it, for the log.
    pub(super) text: String,
    names: ColumnNames,
}

impl From<Statement> for ParsedStatement {
    fn from(statement: Statement) -> Self {
        let (text, names) = (statement.to_string(), ColumnNames::of(&statement));
        Self { statement, text, names }
    }
}

/// The statements of a text.
///
/// # Errors
/// When it is not SQL.
pub(super) async fn statements(session: &Session, sql: &str) -> PgWireResult<Vec<ParsedStatement>> {
    let (pg_server, sql) = (session.pg_server_arc(), sql.to_owned());
    let server = &session.pg_server().server;
    let memory = server.limits.memory;
    let parsed = server.with_time_limit(async move {
        syntax::check_text(&sql, memory)?;
        let catalog = uses_pg_catalog(&sql);
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &sql).map_err(parse_error)?;
        parsed.iter().try_for_each(syntax::check)?;
        let mut parsed: Vec<_> = parsed.into_iter().map(ParsedStatement::from).collect();
        for ParsedStatement { statement, .. } in &mut parsed {
            if catalog {
                ast_rewrite::rewrite_regproc(statement);
                *statement = pg_server.rules.apply(statement.clone());
            }
            ast_rewrite::rewrite_like_and_arrays(statement);
            if catalog {
                ast_rewrite::rewrite_array_subqueries(statement);
                ast_rewrite::rewrite_table_visibility(statement).map_err(parse_error)?;
            }
            dialect::rewrite(statement)?;
        }
        Ok(parsed)
    });
    parsed.await.map_err(|error| errors::from_error(&error))
}

/// Prepares a statement to be executed later.
///
/// # Errors
/// When it cannot be planned, or writes.
pub(super) async fn prepare(
    session: &Session,
    statement: ParsedStatement,
) -> PgWireResult<Prepared> {
    if let Some(command) = session_command(&statement.statement)? {
        return Ok(Prepared::Command(command));
    }
    session.apply_time_zone().map_err(|error| errors::from_error(&error))?;
    let context = session.context().map_err(|error| errors::from_error(&error))?.clone();
    let pg_server = session.pg_server_arc();
    let planned = session.pg_server().server.with_time_limit(query(pg_server, context, statement));
    planned
        .await
        .map(|query| Prepared::Query(Box::new(query)))
        .map_err(|error| errors::from_error(&error))
}

/// Plans a statement as a part of its execution.
///
/// # Errors
/// As [`prepare`].
pub(super) async fn prepare_in(
    session: &Session,
    execution: &mut StatementExecution,
    statement: ParsedStatement,
) -> Result<Query> {
    let context = session.context()?.clone();
    execution.run(query(session.pg_server_arc(), context, statement)).await
}

async fn query(
    pg_server: Arc<PgServer>,
    context: SessionContext,
    parsed: ParsedStatement,
) -> Result<Query> {
    let ParsedStatement { statement, text, names } = parsed;
    let tag = tag(&statement);
    let simplified = {
        let state = context.state_ref();
        let state = state.read();
        simplify_empty(&statement, |name| state.aggregate_functions().contains_key(name))
    };
    let plan = match simplified {
        Some(simplified) => plan(&context, simplified).await?,
        None => match plan(&context, statement.clone()).await {
            Err(error) if error.kind() == Kind::Input => {
                let again = plan(&context, pg_server.rules.apply(statement)).await;
                // The first error refers to the statement as written.
                again.map_err(|_| error)?
            }
            planned => planned?,
        },
    };
    read_only(&plan)?;
    let parameters = parameters::of_plan(&plan)?;
    Ok(Query { text, plan, parameters, tag, names })
}

async fn plan(context: &SessionContext, statement: Statement) -> Result<LogicalPlan> {
    let statement = Parsed::Statement(Box::new(statement));
    let state = context.state();
    let zone = state.config_options().execution.time_zone.clone().unwrap_or_default();
    let planned = session::plan(&state, statement).await;
    let planned = planned.and_then(|plan| dialect::rewrite_plan(plan, &zone));
    planned.and_then(rewrite_scalar_subqueries).map_err(|cause| statement_error(cause, None))
}

fn parse_error(cause: ParserError) -> Error {
    statement_error(DataFusionError::SQL(Box::new(cause), None), None)
}

/// Whether a text uses names of PostgreSQL's catalog, outside of quotes and comments.
fn uses_pg_catalog(sql: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize() else { return false };
    tokens.iter().any(|token| match token {
        Token::Word(word) => {
            let name = word.value.to_ascii_lowercase();
            name.starts_with("pg_") || OBJECT_ID_TYPES.contains(&name.as_str())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::uses_pg_catalog;

    #[test]
    fn only_catalog_queries_are_rewritten() {
        assert!(uses_pg_catalog("SELECT * FROM PG_CLASS"));
        assert!(uses_pg_catalog("select 'events'::regclass"));
        assert!(!uses_pg_catalog("SELECT region FROM users"));
        assert!(!uses_pg_catalog("SELECT (SELECT users FROM mau) WHERE plan = 'pg_x' -- pg_class"));
    }
}
