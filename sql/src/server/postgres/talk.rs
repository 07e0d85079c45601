//! Answers to messages, one after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::{
    StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{send_describe_response, send_execution_response, send_query_response};
use pgwire::api::results::{
    DescribePortalResponse, DescribeStatementResponse, FieldInfo, Response, Tag,
};
use pgwire::api::stmt::StoredStatement;
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::data::NoData;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended, TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{EmptyQueryResponse, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::Startup;
use pgwire::messages::{PgWireBackendMessage as Out, PgWireFrontendMessage as In};

use super::cursors::Cursors;
use super::prepare::{prepare, prepare_now, statements};
use super::session::Session;
use super::startup::{Told, handshake};
use super::statement::{Prepared, Query, Word, word};
use super::{Socket, errors, parameters, rows};

/// Prepared statements and portals that a connection may keep.
const KEPT: usize = 1000;

/// One side of the conversation: ours.
pub(super) struct Talk {
    pub(super) session: Arc<Session>,
    pub(super) cursors: Cursors,
    handshake: SASLAuthStartupHandler<Told>,
    passwords: usize,
    pub(super) names: BTreeSet<String>,
    portals: BTreeSet<String>,
}

impl Talk {
    pub(super) fn new(session: Arc<Session>, secure: bool) -> Self {
        let handshake = handshake(&session, secure);
        Self {
            session,
            cursors: Cursors::default(),
            handshake,
            passwords: 0,
            names: BTreeSet::new(),
            portals: BTreeSet::new(),
        }
    }

    /// Answers a message.
    ///
    /// # Errors
    /// What the client has to be told.
    pub(super) async fn hear(&mut self, socket: &mut Socket, message: In) -> PgWireResult<()> {
        use PgWireConnectionState::{
            AuthenticationInProgress, AwaitingSslRequest, AwaitingStartup, AwaitingSync,
        };
        match (socket.state(), message) {
            (AwaitingSslRequest | AwaitingStartup | AuthenticationInProgress, message) => {
                self.introduce(socket, message).await
            }
            (_, In::Sync(_)) => self.sync(socket).await,
            // After an error everything up to the next Sync is skipped.
            (AwaitingSync, _) => Ok(()),
            (_, In::Query(query)) => self.query(socket, &query.query).await,
            (_, In::Parse(parse)) => self.parse(socket, parse).await,
            (_, In::Bind(bind)) => self.bind(socket, &bind).await,
            (_, In::Describe(describe)) => self.describe(socket, &describe).await,
            (_, In::Execute(execute)) => self.execute(socket, &execute).await,
            (_, In::Close(close)) => self.close(socket, &close).await,
            (_, In::Flush(_)) => Ok(socket.flush().await?),
            _ => Err(errors::error("08P01", "unexpected message")),
        }
    }

    async fn introduce(&mut self, socket: &mut Socket, message: In) -> PgWireResult<()> {
        if let In::Startup(startup) = &message {
            if self.session.ground().certificate.is_some() && !socket.is_secure() {
                let told = "only encrypted connections are accepted: connect with sslmode=require";
                return Err(errors::error("28000", told));
            }
            self.wishes(startup)?;
        }
        let user = |socket: &Socket| socket.metadata().get("user").cloned().unwrap_or_default();
        if self.session.ground().shared.access.asks() {
            if matches!(message, In::PasswordMessageFamily(_)) {
                self.passwords += 1;
            }
            // The second one has the proof: whoever has none is sent away in the same moment.
            if self.passwords == 2 {
                self.session.enter(&user(socket)).await?;
            }
            let shaken = self.handshake.on_startup(socket, message).await;
            // The handshake knows another name, which clients leave empty.
            return shaken.map_err(|error| match error {
                PgWireError::InvalidPassword(_) => {
                    let user = user(socket);
                    let told = format!("password authentication failed for user \"{user}\"");
                    errors::error("28P01", told)
                }
                error => error,
            });
        }
        if let In::Startup(startup) = &message {
            protocol_negotiation(socket, startup).await?;
            save_startup_parameters_to_metadata(socket, startup);
            self.session.enter(&user(socket)).await?;
            let (number, key) = self.session.key();
            socket.set_pid_and_secret_key(number, key);
            finish_authentication(socket, &Told(Arc::clone(&self.session))).await?;
        }
        Ok(())
    }

    /// Settings that a client brings with it: by name, and as `-c name=value`.
    fn wishes(&self, startup: &Startup) -> PgWireResult<()> {
        let mut settings = self.session.settings();
        for (name, value) in &startup.parameters {
            match name.as_str() {
                "user" | "database" | "replication" => {}
                // Extensions of the protocol; unknown ones are none of ours.
                name if name.starts_with("_pq_.") => {}
                "options" => {
                    let words = value.replace("--", "-c ");
                    for setting in words.split_whitespace().filter(|word| *word != "-c") {
                        let setting = setting.strip_prefix("-c").unwrap_or(setting);
                        let (name, value) = setting.split_once('=').ok_or_else(|| {
                            errors::error("22023", format!("`{setting}` has no value"))
                        })?;
                        settings.set(name, Some(value))?;
                    }
                }
                name => settings.set(name, Some(value))?,
            }
        }
        Ok(())
    }

    async fn sync(&mut self, socket: &mut Socket) -> PgWireResult<()> {
        self.ready(socket).await
    }

    /// Portals end with their transaction; outside of one, that is now.
    fn clear_portals(&mut self, socket: &Socket) {
        if matches!(socket.transaction_status(), TransactionStatus::Idle) {
            socket.portal_store().clear_portals();
            self.portals.clear();
        }
    }

    async fn ready(&mut self, socket: &mut Socket) -> PgWireResult<()> {
        self.clear_portals(socket);
        socket.set_state(PgWireConnectionState::ReadyForQuery);
        let ready = ReadyForQuery::new(socket.transaction_status());
        Ok(socket.send(Out::ReadyForQuery(ready)).await?)
    }

    /// Statements as text: each is answered before the next is looked at.
    async fn query(&mut self, socket: &mut Socket, sql: &str) -> PgWireResult<()> {
        let statements = statements(&self.session, sql).await?;
        if statements.is_empty() {
            socket.feed(Out::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        for statement in statements {
            let response = match word(&statement)? {
                Some(Word::Fetch { name, most }) => {
                    self.refuse_in_failed(socket)?;
                    let manner = (&Format::UnifiedText, true);
                    let wanted = (name.as_str(), most);
                    self.cursors.fetch(socket, &self.session, wanted, manner).await?;
                    continue;
                }
                Some(word) => self.word(socket, &word, &Format::UnifiedText).await?,
                None => {
                    self.refuse_in_failed(socket)?;
                    let begun = self.session.begin(&statement.to_string());
                    let mut running = begun.map_err(|error| errors::of(&error))?;
                    let planned = prepare_now(&self.session, &mut running, statement).await;
                    let query = planned.map_err(|error| errors::of(&error))?;
                    self.run(running, &query, query.plan.clone(), &Format::UnifiedText).await?
                }
            };
            self.answer(socket, response).await?;
        }
        self.ready(socket).await
    }

    async fn answer(&mut self, socket: &mut Socket, response: Response) -> PgWireResult<()> {
        let status = socket.transaction_status();
        match response {
            // Nothing comes, and nothing is described: a setting was made.
            Response::Query(response) if response.row_schema().is_empty() => {
                self.execution(socket, response).await
            }
            Response::Query(response) => send_query_response(socket, response, true).await,
            Response::Execution(tag) => send_execution_response(socket, tag).await,
            Response::TransactionStart(tag) => {
                socket.set_transaction_status(TransactionStatus::Transaction);
                send_execution_response(socket, tag).await
            }
            Response::TransactionEnd(tag) => {
                socket.set_transaction_status(status.to_idle_state());
                self.cursors.transaction_ended();
                self.clear_portals(socket);
                send_execution_response(socket, tag).await
            }
            _ => Err(errors::error("XX000", "unknown response")),
        }
    }

    async fn execution(
        &self,
        socket: &mut Socket,
        mut response: pgwire::api::results::QueryResponse,
    ) -> PgWireResult<()> {
        while let Some(row) = response.data_rows().next().await {
            row?;
        }
        send_execution_response(socket, Tag::new(response.command_tag())).await
    }

    async fn parse(&mut self, socket: &mut Socket, parse: Parse) -> PgWireResult<()> {
        let name = parse.name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
        if self.names.len() >= KEPT && !self.names.contains(&name) {
            let told = format!("a connection can have at most {KEPT} prepared statements");
            return Err(errors::error("53400", told));
        }
        let mut found = statements(&self.session, &parse.query).await?;
        let store = socket.portal_store();
        match found.len() {
            0 => store.put_empty_statement(&name),
            1 => {
                let mut prepared = prepare(&self.session, found.remove(0)).await?;
                let types: Vec<_> =
                    parse.type_oids.iter().map(|oid| Type::from_oid(*oid)).collect();
                if let Prepared::Query(query) = &mut prepared
                    && query.parameters.len() < types.len()
                {
                    // Those that are named and not used have values as well.
                    query.parameters.resize(types.len(), parameters::Parameter::default());
                }
                let stored = StoredStatement::new(name.clone(), Arc::new(prepared), types);
                store.put_statement(Arc::new(stored));
            }
            _ => {
                let told = "cannot insert multiple commands into a prepared statement";
                return Err(errors::error("42601", told));
            }
        }
        self.names.insert(name);
        Ok(socket.feed(Out::ParseComplete(ParseComplete::new())).await?)
    }

    async fn bind(&mut self, socket: &mut Socket, bind: &Bind) -> PgWireResult<()> {
        let name = bind.statement_name.as_deref().unwrap_or(DEFAULT_NAME);
        let portal = bind.portal_name.as_deref().unwrap_or(DEFAULT_NAME);
        if self.portals.len() >= KEPT && !self.portals.contains(portal) {
            let told = format!("a connection can have at most {KEPT} portals");
            return Err(errors::error("53400", told));
        }
        let store = socket.portal_store();
        match store.get_statement(name) {
            Some(Entry::Value(statement)) => {
                store.put_portal(Arc::new(Portal::try_new(bind, statement)?));
            }
            Some(Entry::Empty) => store.put_empty_portal(portal),
            None => return Err(PgWireError::StatementNotFound(name.to_owned())),
        }
        self.portals.insert(portal.to_owned());
        Ok(socket.feed(Out::BindComplete(BindComplete::new())).await?)
    }

    async fn describe(&mut self, socket: &mut Socket, describe: &Describe) -> PgWireResult<()> {
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
                        Prepared::Query(query) => {
                            let plan = bound(query, &portal)?;
                            self.fields(&plan, &[], &portal.result_column_format)?
                        }
                        Prepared::Word(word) => {
                            self.word_fields(word, &portal.result_column_format)?
                        }
                    };
                    send_describe_response(socket, &DescribePortalResponse::new(fields)).await
                }
                Some(Entry::Empty) => Ok(socket.feed(Out::NoData(NoData::new())).await?),
                // A cursor is a portal too; psycopg asks what it will give.
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
                let types = parameters::types(&query.parameters, &statement.parameter_types)?;
                let fields = self.fields(&query.plan, &types, &Format::UnifiedText)?;
                Ok((types, fields))
            }
            Prepared::Word(word) => Ok((Vec::new(), self.word_fields(word, &Format::UnifiedText)?)),
        }
    }

    fn fields(
        &self,
        plan: &datafusion::logical_expr::LogicalPlan,
        types: &[Type],
        format: &Format,
    ) -> PgWireResult<Vec<FieldInfo>> {
        let schema = parameters::typed(plan, types).map_err(|error| errors::of(&error))?;
        rows::fields(schema.as_arrow(), format, self.session.settings().format())
    }

    async fn execute(&mut self, socket: &mut Socket, execute: &Execute) -> PgWireResult<()> {
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
        if let Prepared::Word(Word::Fetch { name, most }) = &*portal.statement.statement {
            self.refuse_in_failed(socket)?;
            let manner = (&portal.result_column_format, false);
            return self.cursors.fetch(socket, &self.session, (name, *most), manner).await;
        }
        if matches!(*state, PortalExecutionState::Initial) {
            match self.start(socket, &portal).await? {
                Response::Query(rows) if !rows.row_schema().is_empty() => {
                    *state = PortalExecutionState::Suspended(rows);
                }
                other => {
                    *state = PortalExecutionState::Finished;
                    return self.answer(socket, other).await;
                }
            }
        }
        let PortalExecutionState::Suspended(response) = &mut *state else {
            return send_execution_response(socket, Tag::new("SELECT").with_rows(0)).await;
        };
        let most = usize::try_from(execute.max_rows).unwrap_or(0);
        let mut sent = 0;
        while most == 0 || sent < most {
            self.session.begins();
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
            Prepared::Word(word) => {
                return self.word(socket, word, &portal.result_column_format).await;
            }
            Prepared::Query(query) => query,
        };
        self.refuse_in_failed(socket)?;
        let plan = bound(query, portal)?;
        let running = self.session.begin(&query.text).map_err(|error| errors::of(&error))?;
        self.run(running, query, plan, &portal.result_column_format).await
    }

    async fn run(
        &self,
        running: crate::server::Running,
        query: &Query,
        plan: datafusion::logical_expr::LogicalPlan,
        format: &Format,
    ) -> PgWireResult<Response> {
        let fields = self.fields(&plan, &[], format)?;
        let context = self.session.context().map_err(|error| errors::of(&error))?;
        let rows = running.rows(context, plan).await.map_err(|error| errors::of(&error))?;
        let zone = self.session.settings().zone();
        rows::response(rows, fields, zone, query.tag)
    }

    async fn close(&mut self, socket: &mut Socket, close: &Close) -> PgWireResult<()> {
        let name = close.name.as_deref().unwrap_or(DEFAULT_NAME);
        match close.target_type {
            TARGET_TYPE_BYTE_STATEMENT => self.forget(socket, name),
            TARGET_TYPE_BYTE_PORTAL => {
                self.portals.remove(name);
                socket.portal_store().rm_portal(name);
            }
            other => return Err(PgWireError::InvalidTargetType(other)),
        }
        Ok(socket.feed(Out::CloseComplete(CloseComplete::new())).await?)
    }

    pub(super) fn forget(&mut self, socket: &Socket, name: &str) {
        self.names.remove(name);
        socket.portal_store().rm_statement(name);
    }

    pub(super) fn refuse_in_failed(&self, socket: &Socket) -> PgWireResult<()> {
        match socket.transaction_status() {
            TransactionStatus::Error => Err(errors::error(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            )),
            _ => Ok(()),
        }
    }
}

/// A query with its values in their places.
fn bound(
    query: &Query,
    portal: &Portal<Arc<Prepared>>,
) -> PgWireResult<datafusion::logical_expr::LogicalPlan> {
    let values = parameters::values(portal, &query.parameters)?;
    let plan = query.plan.clone();
    if query.parameters.is_empty() {
        return Ok(plan);
    }
    let plan = plan.replace_params_with_values(&values);
    plan.map_err(|cause| errors::of(&crate::failure::of_statement(cause, None)))
}
