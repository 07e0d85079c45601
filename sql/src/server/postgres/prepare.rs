//! From a text to statements that can be run.
//!
//! Most texts are read as they are. What asks for PostgreSQL's catalog is rewritten by the rules of
//! datafusion-postgres first, and so is what cannot be planned otherwise: they also change what
//! some statements mean.

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

use super::rowless::rowless;
use super::session::Session;
use super::single::single;
use super::statement::{Prepared, Query, tag, word};
use super::{Ground, errors, parameters, rewritten};
use crate::failure::of_statement;
use crate::server::read_only::read_only;
use crate::server::{Running, depth};
use crate::session;

/// Types that are numbers of objects.
const OF_OBJECTS: [&str; 6] =
    ["regclass", "regtype", "regproc", "regprocedure", "regnamespace", "regrole"];
/// Most bytes of a text: what is longer is nested too deeply for a thread, sooner or later.
const LONGEST: usize = 1 << 20;

/// The statements of a text.
///
/// # Errors
/// When it is not SQL.
pub(super) async fn statements(session: &Session, sql: &str) -> PgWireResult<Vec<Statement>> {
    if sql.len() > LONGEST {
        let told = format!("the text is longer than {LONGEST} bytes");
        return Err(errors::error("54000", told));
    }
    let (ground, sql) = (session.ground_owned(), sql.to_owned());
    let parsed = session.ground().shared.within_time(async move {
        depth::check(&sql)?;
        let catalog = asks_catalog(&sql);
        let mut parsed = Parser::parse_sql(&PostgreSqlDialect {}, &sql).map_err(no_sql)?;
        if catalog {
            parsed.iter_mut().for_each(rewritten::functions);
            parsed = parsed.into_iter().map(|statement| ground.rules.apply(statement)).collect();
        }
        for statement in &mut parsed {
            rewritten::words(statement);
            if catalog {
                rewritten::lists(statement);
                rewritten::visible(statement).map_err(no_sql)?;
            }
        }
        Ok(parsed)
    });
    parsed.await.map_err(|error| errors::of(&error))
}

/// Plans a statement that is run later.
///
/// # Errors
/// When it cannot be planned, or does not only read.
pub(super) async fn prepare(session: &Session, statement: Statement) -> PgWireResult<Prepared> {
    if let Some(word) = word(&statement)? {
        return Ok(Prepared::Word(word));
    }
    session.apply().map_err(|error| errors::of(&error))?;
    let context = session.context().map_err(|error| errors::of(&error))?.clone();
    let ground = session.ground_owned();
    let planned = session.ground().shared.within_time(query(ground, context, statement));
    planned.await.map(Prepared::Query).map_err(|error| errors::of(&error))
}

/// As [`prepare`], as a part of a statement that runs.
///
/// # Errors
/// The same.
pub(super) async fn prepare_now(
    session: &Session,
    running: &mut Running,
    statement: Statement,
) -> Result<Query> {
    let context = session.context()?.clone();
    running.work(query(session.ground_owned(), context, statement)).await
}

async fn query(
    ground: Arc<Ground>,
    context: SessionContext,
    statement: Statement,
) -> Result<Query> {
    let (text, tag) = (statement.to_string(), tag(&statement));
    let plain = {
        let state = context.state_ref();
        let state = state.read();
        rowless(&statement, |name| state.aggregate_functions().contains_key(name))
    };
    let plan = match plain {
        Some(plain) => plan(&context, plain).await?,
        None => match plan(&context, statement.clone()).await {
            Err(error) if error.kind() == Kind::Input => {
                let again = plan(&context, ground.rules.apply(statement)).await;
                // The first error speaks of what was written.
                again.map_err(|_| error)?
            }
            planned => planned?,
        },
    };
    read_only(&plan)?;
    let parameters = parameters::of_plan(&plan)?;
    Ok(Query { text, plan, parameters, tag })
}

async fn plan(context: &SessionContext, statement: Statement) -> Result<LogicalPlan> {
    let statement = Parsed::Statement(Box::new(statement));
    let planned = session::plan(&context.state(), statement).await;
    planned.and_then(single).map_err(|cause| of_statement(cause, None))
}

fn no_sql(cause: ParserError) -> Error {
    of_statement(DataFusionError::SQL(Box::new(cause), None), None)
}

/// Whether a text uses names that only PostgreSQL has; what stands in quotes is none.
fn asks_catalog(sql: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize() else { return false };
    tokens.iter().any(|token| match token {
        Token::Word(word) => {
            let name = word.value.to_ascii_lowercase();
            name.starts_with("pg_") || OF_OBJECTS.contains(&name.as_str())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::asks_catalog;

    #[test]
    fn only_what_asks_for_the_catalog_is_rewritten() {
        assert!(asks_catalog("SELECT * FROM PG_CLASS"));
        assert!(asks_catalog("select 'events'::regclass"));
        assert!(!asks_catalog("SELECT region FROM users"));
        assert!(!asks_catalog("SELECT (SELECT users FROM mau) WHERE plan = 'pg_x' -- pg_class"));
    }
}
