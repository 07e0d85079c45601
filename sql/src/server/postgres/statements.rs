//! Statements as they come: as texts, and prepared with values.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::ParamValues;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::QueryHook;
use datafusion_postgres::arrow_pg::datatypes::{arrow_schema_to_pg_fields, into_pg_type};
use datafusion_postgres::hooks::set_show::SetShowHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use engine::Error;
use futures::Sink;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{FieldInfo, Response};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::types::format::FormatOptions;

use super::connection::Connection;
use super::errors::wire;
use super::parameters;
use super::settings::{Setting, setting};
use crate::failure::of_statement;

/// A statement with its plan. The text and the option are datafusion-postgres' form, whose answers
/// to `SET` and `BEGIN` look into the store of portals.
pub(super) type Prepared = (String, Option<(Statement, LogicalPlan)>);

/// What answers a statement about the connection itself, if it is one.
fn own(statement: &Statement) -> PgWireResult<Option<&'static dyn QueryHook>> {
    match setting(statement).map_err(|error| wire(&error))? {
        Some(Setting::Postgres) => return Ok(Some(&SetShowHook)),
        Some(Setting::Session) => return Ok(None),
        None => {}
    }
    Ok(match statement {
        Statement::ShowVariable { .. } => Some(&SetShowHook),
        _ => Some(&TransactionStatementHook),
    })
}

/// Whoever is at the other end of a connection.
pub(super) struct Client(pub(super) Arc<Connection>);

#[async_trait]
impl SimpleQueryHandler for Client {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let connection = &self.0;
        let _busy = connection.busy();
        let statements = connection.parse(query).map_err(|error| wire(&error))?;
        let mut answers = Vec::new();
        for statement in statements {
            if let Some(hook) = own(&statement)?
                && let Some(answer) =
                    hook.handle_simple_query(&statement, &connection.session, client).await
            {
                answers.push(answer?);
                continue;
            }
            let mut running = connection.begin(client, query);
            let planned = running.work(connection.planned(statement)).await;
            let plan = planned.map_err(|error| wire(&error))?;
            let options = FormatOptions::from_client_metadata(client.metadata());
            answers.push(connection.answer(running, plan, &Format::UnifiedText, options).await?);
        }
        if answers.is_empty() {
            answers.push(Response::EmptyQuery);
        }
        Ok(answers)
    }
}

#[async_trait]
impl QueryParser for Connection {
    type Statement = Prepared;

    async fn parse_sql<C>(
        &self,
        client: &C,
        sql: &str,
        _: &[Option<Type>],
    ) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = self.parse(sql).map_err(|error| wire(&error))?;
        let statement = match statements.len() {
            0 => return Ok(None),
            1 => statements.remove(0),
            _ => {
                let error = Error::input("cannot prepare several statements at once")
                    .with("help", "send them one by one");
                return Err(wire(&error));
            }
        };
        let planned = match own(&statement)? {
            Some(hook) => hook.handle_extended_parse_query(&statement, &self.session, client).await,
            None => None,
        };
        let plan = match planned {
            Some(plan) => plan?,
            None => self.prepared(statement.clone()).await.map_err(|error| wire(&error))?,
        };
        Ok(Some((sql.to_owned(), Some((statement, plan)))))
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<Type>> {
        let Some((_, plan)) = &prepared.1 else { return Ok(Vec::new()) };
        let types = parameters::types(plan).map_err(|error| wire(&error))?;
        let wire_type = |data_type: Option<_>| match data_type {
            Some(data_type) => into_pg_type(&data_type),
            None => Ok(Type::UNKNOWN),
        };
        types.into_iter().map(wire_type).collect()
    }

    fn get_result_schema(
        &self,
        prepared: &Prepared,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        let Some((_, plan)) = &prepared.1 else { return Ok(Vec::new()) };
        let format = format.unwrap_or(&Format::UnifiedText);
        arrow_schema_to_pg_fields(plan.schema().as_arrow(), format, None)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Client {
    type Statement = Prepared;
    type QueryParser = Connection;

    fn query_parser(&self) -> Arc<Connection> {
        Arc::clone(&self.0)
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Prepared>,
        _: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let connection = &self.0;
        let _busy = connection.busy();
        let (text, Some((statement, plan))) = &portal.statement.statement else {
            return Ok(Response::EmptyQuery);
        };
        let none = ParamValues::List(Vec::new());
        if let Some(hook) = own(statement)?
            && let Some(answer) = hook
                .handle_extended_query(statement, plan, &none, &connection.session, client)
                .await
        {
            return answer;
        }
        let types = parameters::types(plan).map_err(|error| wire(&error))?;
        let wire_types = connection.get_parameter_types(&portal.statement.statement)?;
        let values = parameters::values(portal, &types, &wire_types)?;
        let running = connection.begin(client, text);
        let plan = plan.clone().replace_params_with_values(&values);
        let plan = plan.map_err(|cause| wire(&of_statement(cause, None)))?;
        let options = FormatOptions::from_client_metadata(client.metadata());
        connection.answer(running, plan, &portal.result_column_format, options).await
    }
}
