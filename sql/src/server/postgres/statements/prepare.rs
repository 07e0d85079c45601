//! Parses and plans statements.
//!
//! The rewrite rules of datafusion-postgres can change the meaning of a statement, so they are applied
//! only to statements that use PostgreSQL's catalog and to those that cannot be planned otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use engine::scan::dimensions_of;
use engine::{Error, Kind, Result};
use pgwire::api::portal::Portal;
use pgwire::error::PgWireResult;

use super::grammar::Grammar;
use super::statement::{Prepared, Query, session_command, tag};
use super::{parameters, table_arguments};
use crate::failure::statement_error;
use crate::server::postgres::dialect::{self, ColumnNames};
use crate::server::postgres::pg_server::PgServer;
use crate::server::postgres::session::Session;
use crate::server::postgres::values::copy_format::{self, CopyFormat};
use crate::server::postgres::{catalog, errors};
use crate::server::read_only::read_only;
use crate::server::{StatementExecution, syntax};
use crate::session;

/// Types whose values are object ids.
const OBJECT_ID_TYPES: [&str; 6] =
    ["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"];

/// A parsed statement.
pub(in crate::server::postgres) struct ParsedStatement {
    /// As it is planned.
    pub(in crate::server::postgres) statement: Statement,
    /// As the client wrote it, for the log.
    pub(in crate::server::postgres) text: String,
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
pub(in crate::server::postgres) async fn statements(
    session: &Session,
    sql: &str,
) -> PgWireResult<Vec<ParsedStatement>> {
    let context = session.context().map_err(errors::from_error)?.clone();
    let (pg_server, sql) = (session.pg_server_arc(), sql.to_owned());
    let server = &session.pg_server().server;
    let memory = server.limits.memory;
    let parsed = server.with_limits(async move {
        syntax::check_text(&sql, memory)?;
        let uses_catalog = uses_catalog(&sql);
        let parsed = Parser::parse_sql(&Grammar, &sql).map_err(parse_error)?;
        parsed.iter().try_for_each(syntax::check)?;
        let mut parsed: Vec<_> = parsed.into_iter().map(ParsedStatement::from).collect();
        for ParsedStatement { statement, .. } in &mut parsed {
            if uses_catalog {
                let state = context.state_ref();
                let state = state.read();
                let is_aggregate = |name: &str| state.aggregate_functions().contains_key(name);
                let rewritten = catalog::rewrite(statement, &pg_server.rules, &is_aggregate);
                rewritten.map_err(parse_error)?;
            }
            dialect::rewrite(statement)?;
        }
        Ok(parsed)
    });
    parsed.await.map_err(errors::from_error)
}

/// Prepares a statement to be executed later.
///
/// # Errors
/// When it cannot be planned, or writes.
pub(in crate::server::postgres) async fn prepare(
    session: &Session,
    statement: ParsedStatement,
) -> PgWireResult<Prepared> {
    if let Some(command) = session_command(&statement.statement)? {
        return Ok(Prepared::Command(command));
    }
    session.apply_time_zone().map_err(errors::from_error)?;
    let (statement, copy) = take_query(statement)?;
    let context = session.context().map_err(errors::from_error)?.clone();
    let planned = query(session.pg_server_arc(), context, statement);
    let planned = session.pg_server().server.with_limits(planned).await;
    let query = planned.map_err(errors::from_error)?;
    Ok(Prepared::Query(Box::new(Query { copy, ..query })))
}

/// Plans a statement as a part of its execution.
///
/// # Errors
/// As [`prepare`].
pub(in crate::server::postgres) async fn prepare_in(
    session: &Session,
    execution: &mut StatementExecution,
    statement: ParsedStatement,
) -> PgWireResult<Query> {
    let (statement, copy) = take_query(statement)?;
    let context = session.context().map_err(errors::from_error)?.clone();
    let planned = execution.run(query(session.pg_server_arc(), context, statement)).await;
    let query = planned.map_err(errors::from_error)?;
    Ok(Query { copy, ..query })
}

/// Takes the query out of a COPY statement.
fn take_query(parsed: ParsedStatement) -> PgWireResult<(ParsedStatement, Option<CopyFormat>)> {
    let ParsedStatement { statement, text, names } = parsed;
    let (statement, copy) = copy_format::take_query(statement)?;
    let names = if copy.is_some() { ColumnNames::of(&statement) } else { names };
    Ok((ParsedStatement { statement, text, names }, copy))
}

async fn query(
    pg_server: Arc<PgServer>,
    context: SessionContext,
    parsed: ParsedStatement,
) -> Result<Query> {
    let ParsedStatement { statement, text, names } = parsed;
    let tag = tag(&statement);
    let mut described = statement.clone();
    let project = pg_server.server.project();
    let dimensions = project.map(|project| dimensions_of(&project.sources)).unwrap_or_default();
    let arguments = table_arguments::take(&mut described, &dimensions);
    let plan = plan(&pg_server, &context, described).await?;
    let mut parameters = parameters::of_plan(&plan)?;
    let mut to_bind = None;
    if !arguments.is_empty() {
        let types = plan_statement(&context, table_arguments::select(arguments)?).await?;
        parameters::add(&mut parameters, parameters::of_plan(&types)?);
        to_bind = Some(Box::new(statement));
    }
    let is_described = AtomicBool::new(false);
    Ok(Query { text, plan, parameters, to_bind, is_described, copy: None, tag, names })
}

/// The plan of a query with the values of a portal's parameters.
///
/// # Errors
/// When a value is invalid or the query cannot be planned with it.
pub(in crate::server::postgres) async fn bind(
    session: &Session,
    query: &Query,
    portal: &Portal<Arc<Prepared>>,
) -> PgWireResult<LogicalPlan> {
    let values = parameters::values(portal, &query.parameters, &session.settings().zone())?;
    let Some(statement) = &query.to_bind else {
        return parameters::replace(query.plan.clone(), values);
    };
    let mut statement = Statement::clone(statement);
    let bound = table_arguments::bind(&mut statement, &values);
    bound.map_err(errors::from_error)?;
    let context = session.context().map_err(errors::from_error)?.clone();
    let pg_server = session.pg_server_arc();
    let planned = async move { plan(&pg_server, &context, statement).await };
    let planned = session.pg_server().server.with_limits(planned).await;
    let plan = planned.map_err(errors::from_error)?;
    let is_same = || plan.schema().logically_equivalent_names_and_types(query.plan.schema());
    if query.is_described.load(Ordering::Relaxed) && !is_same() {
        let message = "the columns of the result depend on a parameter, and the statement was described \
                       before its value was known: name the columns instead of *, or write the \
                       parameter as a literal";
        return Err(errors::error("0A000", message));
    }
    parameters::replace(plan, values)
}

/// Plans a statement; one that DataFusion does not support is rewritten first.
async fn plan(
    pg_server: &PgServer,
    context: &SessionContext,
    statement: Statement,
) -> Result<LogicalPlan> {
    let plan = match plan_statement(context, statement.clone()).await {
        Err(error) if error.kind() == Kind::Input => {
            let again = plan_statement(context, pg_server.rules.apply(statement)).await;
            // The first error refers to the statement as written.
            again.map_err(|_| error)?
        }
        planned => planned?,
    };
    read_only(&plan)?;
    Ok(plan)
}

async fn plan_statement(context: &SessionContext, statement: Statement) -> Result<LogicalPlan> {
    let statement = Parsed::Statement(Box::new(statement));
    let state = context.state();
    let zone = state.config_options().execution.time_zone.clone().unwrap_or_default();
    let planned = session::plan(&state, statement).await;
    let planned = planned.and_then(|plan| dialect::rewrite_plan(plan, &zone));
    planned
        .and_then(catalog::rewrite_scalar_subqueries)
        .map_err(|cause| statement_error(cause, None))
}

fn parse_error(cause: ParserError) -> Error {
    statement_error(DataFusionError::SQL(Box::new(cause), None), None)
}

/// Whether a text uses names of PostgreSQL's catalogs, outside of quotes and comments.
fn uses_catalog(sql: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(&Grammar, sql).tokenize() else { return false };
    tokens.iter().any(|token| match token {
        Token::Word(word) => {
            let name = word.value.to_ascii_lowercase();
            let is_schema = name == "information_schema";
            is_schema || name.starts_with("pg_") || OBJECT_ID_TYPES.contains(&name.as_str())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::uses_catalog;

    #[test]
    fn only_catalog_queries_are_rewritten() {
        assert!(uses_catalog("SELECT * FROM PG_CLASS"));
        assert!(uses_catalog("select 'events'::regclass"));
        assert!(uses_catalog("select * from Information_Schema.tables"));
        assert!(!uses_catalog("SELECT region FROM users"));
        assert!(!uses_catalog("SELECT (SELECT users FROM mau) WHERE plan = 'pg_x' -- pg_class"));
    }
}
