//! The extended query protocol: statements that are prepared, bound to values and executed in parts.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{SinkExt, StreamExt};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{send_describe_response, send_execution_response};
use pgwire::api::results::{
    DescribePortalResponse, DescribeStatementResponse, FieldInfo, Response, Tag,
};
use pgwire::api::stmt::StoredStatement;
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientPortalStore, DEFAULT_NAME, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage as Out;
use pgwire::messages::data::NoData;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended, TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::EmptyQueryResponse;

use super::connection::Connection;
use super::copy;
use super::socket::Socket;
use crate::server::postgres::errors;
use crate::server::postgres::statements::parameters;
use crate::server::postgres::statements::prepare::{bind, prepare, statements};
use crate::server::postgres::statements::statement::{Prepared, SessionCommand};

/// Most prepared statements, and most portals, of a connection.
const MAX_PREPARED: usize = 1000;

impl Connection {
    pub(in crate::server::postgres) async fn parse(
        &mut self,
        socket: &mut Socket,
        parse: Parse,
    ) -> PgWireResult<()> {
        let name = parse.name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
        if self.prepared_names.len() >= MAX_PREPARED && !self.prepared_names.contains(&name) {
            let message =
                format!("a connection can have at most {MAX_PREPARED} prepared statements");
            return Err(errors::error("53400", message));
        }
        let mut parsed = statements(&self.session, &parse.query).await?;
        let store = socket.portal_store();
        match parsed.len() {
            0 => store.put_empty_statement(&name),
            1 => {
                let mut prepared = prepare(&self.session, parsed.remove(0)).await?;
                let types: Vec<_> =
                    parse.type_oids.iter().map(|oid| Type::from_oid(*oid)).collect();
                if let Prepared::Query(query) = &mut prepared
                    && query.parameters.len() < types.len()
                {
                    // Declared parameters that the query does not use also receive values.
                    query.parameters.resize(types.len(), parameters::Parameter::default());
                }
                let stored = StoredStatement::new(name.clone(), Arc::new(prepared), types);
                store.put_statement(Arc::new(stored));
            }
            _ => {
                let message = "cannot insert multiple commands into a prepared statement";
                return Err(errors::error("42601", message));
            }
        }
        self.prepared_names.insert(name);
        Ok(socket.feed(Out::ParseComplete(ParseComplete::new())).await?)
    }

    pub(in crate::server::postgres) async fn bind(
        &mut self,
        socket: &mut Socket,
        bind: &Bind,
    ) -> PgWireResult<()> {
        let name = bind.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        let portal = bind.portal_name.as_deref().unwrap_or(DEFAULT_NAME);
        if self.portal_names.len() >= MAX_PREPARED && !self.portal_names.contains(portal) {
            let message = format!("a connection can have at most {MAX_PREPARED} portals");
            return Err(errors::error("53400", message));
        }
        let store = socket.portal_store();
        match store.get_statement(name) {
            Some(Entry::Value(statement)) => {
                store.put_portal(Arc::new(Portal::try_new(bind, statement)?));
            }
            Some(Entry::Empty) => store.put_empty_portal(portal),
            None => return Err(PgWireError::StatementNotFound(name.to_owned())),
        }
        self.portal_names.insert(portal.to_owned());
        Ok(socket.feed(Out::BindComplete(BindComplete::new())).await?)
    }

    pub(in crate::server::postgres) async fn describe(
        &mut self,
        socket: &mut Socket,
        describe: &Describe,
    ) -> PgWireResult<()> {
        let name = describe.name.as_deref().unwrap_or(DEFAULT_NAME);
        match describe.target_type {
            TARGET_TYPE_BYTE_STATEMENT => match socket.portal_store().get_statement(name) {
                Some(Entry::Value(statement)) => {
                    let (types, fields) = self.described(&statement)?;
                    let response = DescribeStatementResponse::new(types, fields);
                    send_describe_response(socket, &response).await
                }
                Some(Entry::Empty) => {
                    let response = DescribeStatementResponse::new(Vec::new(), Vec::new());
                    send_describe_response(socket, &response).await
                }
                None => Err(PgWireError::StatementNotFound(name.to_owned())),
            },
            TARGET_TYPE_BYTE_PORTAL => match socket.portal_store().get_portal(name) {
                Some(Entry::Value(portal)) => {
                    let fields = match &*portal.statement.statement {
                        Prepared::Query(query) if query.copy.is_some() => Vec::new(),
                        Prepared::Query(query) => {
                            let plan = bind(&self.session, query, &portal).await?;
                            self.fields(query, &plan, &[], &portal.result_column_format)?
                        }
                        Prepared::Command(command) => {
                            self.command_fields(command, &portal.result_column_format)?
                        }
                    };
                    send_describe_response(socket, &DescribePortalResponse::new(fields)).await
                }
                Some(Entry::Empty) => Ok(socket.feed(Out::NoData(NoData::new())).await?),
                // A cursor is also a portal; psycopg describes it.
                None => match self.cursors.fields(&self.session, name, &Format::UnifiedText) {
                    Ok(fields) => {
                        send_describe_response(socket, &DescribePortalResponse::new(fields)).await
                    }
                    Err(_) => Err(PgWireError::PortalNotFound(name.to_owned())),
                },
            },
            other => Err(PgWireError::InvalidTargetType(other)),
        }
    }

    fn described(
        &self,
        statement: &StoredStatement<Arc<Prepared>>,
    ) -> PgWireResult<(Vec<Type>, Vec<FieldInfo>)> {
        match &*statement.statement {
            Prepared::Query(query) => {
                query.is_described.store(true, Ordering::Relaxed);
                let types = parameters::types(&query.parameters, &statement.parameter_types)?;
                let fields = match query.copy {
                    Some(_) => Vec::new(),
                    None => self.fields(query, &query.plan, &types, &Format::UnifiedText)?,
                };
                Ok((types, fields))
            }
            Prepared::Command(command) => {
                Ok((Vec::new(), self.command_fields(command, &Format::UnifiedText)?))
            }
        }
    }

    pub(super) async fn execute(
        &mut self,
        socket: &mut Socket,
        execute: &Execute,
    ) -> PgWireResult<()> {
        let name = execute.name.as_deref().unwrap_or(DEFAULT_NAME);
        let portal = match socket.portal_store().get_portal(name) {
            Some(Entry::Value(portal)) => portal,
            Some(Entry::Empty) => {
                return Ok(socket.feed(Out::EmptyQueryResponse(EmptyQueryResponse::new())).await?);
            }
            None => return Err(PgWireError::PortalNotFound(name.to_owned())),
        };
        let state = portal.state();
        let mut state = state.lock().await;
        if let Prepared::Command(SessionCommand::Fetch { name, max_rows }) =
            &*portal.statement.statement
        {
            self.check_not_aborted(socket)?;
            let encoding = (&portal.result_column_format, false);
            return self.cursors.fetch(socket, &self.session, (name, *max_rows), encoding).await;
        }
        if matches!(*state, PortalExecutionState::Initial) {
            let copy = match &*portal.statement.statement {
                Prepared::Query(query) => query.copy.as_ref(),
                Prepared::Command(_) => None,
            };
            match (self.start(socket, &portal).await?, copy) {
                (Response::Query(rows), Some(copy)) => {
                    *state = PortalExecutionState::Finished;
                    return copy::send(socket, &self.session, rows, copy).await;
                }
                (Response::Query(rows), None) if !rows.row_schema().is_empty() => {
                    *state = PortalExecutionState::Suspended(rows);
                }
                (other, _) => {
                    *state = PortalExecutionState::Finished;
                    return self.respond(socket, other).await;
                }
            }
        }
        let PortalExecutionState::Suspended(response) = &mut *state else {
            return send_execution_response(socket, Tag::new("SELECT").with_rows(0)).await;
        };
        let max_rows = usize::try_from(execute.max_rows).unwrap_or(0);
        let mut sent = 0;
        while max_rows == 0 || sent < max_rows {
            self.session.record_activity();
            let Some(row) = response.data_rows().next().await else {
                let tag = Tag::new(response.command_tag()).with_rows(sent);
                *state = PortalExecutionState::Finished;
                return send_execution_response(socket, tag).await;
            };
            socket.feed(Out::DataRow(row?)).await?;
            sent += 1;
        }
        Ok(socket.feed(Out::PortalSuspended(PortalSuspended::new())).await?)
    }

    async fn start(
        &mut self,
        socket: &mut Socket,
        portal: &Portal<Arc<Prepared>>,
    ) -> PgWireResult<Response> {
        let query = match &*portal.statement.statement {
            Prepared::Command(command) => {
                return self.run_command(socket, command, &portal.result_column_format).await;
            }
            Prepared::Query(query) => query,
        };
        self.check_not_aborted(socket)?;
        let plan = bind(&self.session, query, portal).await?;
        let execution = self.session.begin_statement(&query.text).map_err(errors::from_error)?;
        self.run(execution, query, plan, &portal.result_column_format).await
    }

    pub(super) async fn close(&mut self, socket: &mut Socket, close: &Close) -> PgWireResult<()> {
        let name = close.name.as_deref().unwrap_or(DEFAULT_NAME);
        match close.target_type {
            TARGET_TYPE_BYTE_STATEMENT => self.deallocate(socket, name),
            TARGET_TYPE_BYTE_PORTAL => {
                self.portal_names.remove(name);
                socket.portal_store().rm_portal(name);
            }
            other => return Err(PgWireError::InvalidTargetType(other)),
        }
        Ok(socket.feed(Out::CloseComplete(CloseComplete::new())).await?)
    }
}
