//! One protocol message in, its responses out: startup and the simple query protocol.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::logical_expr::LogicalPlan;
use futures::{SinkExt, StreamExt};
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::{
    StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::portal::Format;
use pgwire::api::query::{send_execution_response, send_query_response};
use pgwire::api::results::{FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState, Type};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::response::{EmptyQueryResponse, ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::Startup;
use pgwire::messages::{PgWireBackendMessage as Out, PgWireFrontendMessage as In};

use super::copy;
use super::cursors::Cursors;
use super::socket::Socket;
use super::startup::{ServerParameters, handshake};
use crate::default_schema::CATALOG;
use crate::server::StatementExecution;
use crate::server::postgres::errors;
use crate::server::postgres::session::Session;
use crate::server::postgres::statements::parameters;
use crate::server::postgres::statements::prepare::{prepare_in, statements};
use crate::server::postgres::statements::statement::{Query, SessionCommand, session_command};
use crate::server::postgres::values::copy_format::CopyFormat;
use crate::server::postgres::values::rows;

/// The protocol state of one connection.
pub(super) struct Connection {
    pub(in crate::server::postgres) session: Arc<Session>,
    pub(super) cursors: Cursors,
    handshake: SASLAuthStartupHandler<ServerParameters>,
    password_messages: usize,
    pub(super) prepared_names: BTreeSet<String>,
    pub(super) portal_names: BTreeSet<String>,
}

impl Connection {
    pub(in crate::server::postgres) fn new(session: Arc<Session>, secure: bool) -> Self {
        let handshake = handshake(&session, secure);
        Self {
            session,
            cursors: Cursors::default(),
            handshake,
            password_messages: 0,
            prepared_names: BTreeSet::new(),
            portal_names: BTreeSet::new(),
        }
    }

    /// Handles a message.
    ///
    /// # Errors
    /// The error to send to the client.
    pub(super) async fn handle(&mut self, socket: &mut Socket, message: In) -> PgWireResult<()> {
        use PgWireConnectionState::{
            AuthenticationInProgress, AwaitingSslRequest, AwaitingStartup, AwaitingSync,
        };
        match (socket.state(), message) {
            (AwaitingSslRequest | AwaitingStartup | AuthenticationInProgress, message) => {
                self.startup(socket, message).await
            }
            (_, In::Sync(_)) => self.sync(socket).await,
            // After an error everything up to the next Sync is skipped.
            (AwaitingSync, _) => Ok(()),
            (_, In::Query(query)) => self.simple_query(socket, &query.query).await,
            (_, In::Parse(parse)) => self.parse(socket, parse).await,
            (_, In::Bind(bind)) => self.bind(socket, &bind).await,
            (_, In::Describe(describe)) => self.describe(socket, &describe).await,
            (_, In::Execute(execute)) => self.execute(socket, &execute).await,
            (_, In::Close(close)) => self.close(socket, &close).await,
            (_, In::Flush(_)) => Ok(socket.flush().await?),
            _ => Err(errors::error("08P01", "unexpected message")),
        }
    }

    async fn startup(&mut self, socket: &mut Socket, message: In) -> PgWireResult<()> {
        if let In::Startup(startup) = &message {
            if self.session.pg_server().certificate.is_some() && !socket.is_secure() {
                let message =
                    "only encrypted connections are accepted: connect with sslmode=require";
                return Err(errors::error("28000", message));
            }
            self.apply_startup_parameters(startup)?;
        }
        let named = |socket: &Socket, name| socket.metadata().get(name).cloned();
        let user = |socket: &Socket| named(socket, "user").unwrap_or_default();
        // Any name is accepted for the project.
        let database = |socket: &Socket| {
            let name = named(socket, "database").filter(|name| !name.is_empty());
            name.unwrap_or_else(|| CATALOG.to_owned())
        };
        if self.session.pg_server().server.access.requires_login() {
            if matches!(message, In::PasswordMessageFamily(_)) {
                self.password_messages += 1;
            }
            // The second message has the proof; if it is wrong, the connection ends right after.
            if self.password_messages == 2 {
                self.session.open(&user(socket), &database(socket)).await?;
            }
            let authenticated = self.handshake.on_startup(socket, message).await;
            // The SCRAM message has a user name of its own, which clients leave empty.
            return authenticated.map_err(|error| match error {
                PgWireError::InvalidPassword(_) => {
                    let user = user(socket);
                    let message = format!("password authentication failed for user \"{user}\"");
                    errors::error("28P01", message)
                }
                error => error,
            });
        }
        if let In::Startup(startup) = &message {
            protocol_negotiation(socket, startup).await?;
            save_startup_parameters_to_metadata(socket, startup);
            self.session.open(&user(socket), &database(socket)).await?;
            let (number, key) = self.session.key();
            socket.set_pid_and_secret_key(number, key);
            finish_authentication(socket, &ServerParameters(Arc::clone(&self.session))).await?;
        }
        Ok(())
    }

    /// Applies the settings of a startup message: by name, and as `-c name=value` in `options`.
    fn apply_startup_parameters(&self, startup: &Startup) -> PgWireResult<()> {
        let mut settings = self.session.settings();
        for (name, value) in &startup.parameters {
            match name.as_str() {
                "user" | "database" | "replication" => {}
                // Protocol extensions, which are ignored.
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

    /// Closes all portals outside of transactions; portals end with their transaction.
    fn close_portals(&mut self, socket: &Socket) {
        if matches!(socket.transaction_status(), TransactionStatus::Idle) {
            socket.portal_store().clear_portals();
            self.portal_names.clear();
        }
    }

    async fn ready(&mut self, socket: &mut Socket) -> PgWireResult<()> {
        self.close_portals(socket);
        socket.set_state(PgWireConnectionState::ReadyForQuery);
        let ready = ReadyForQuery::new(socket.transaction_status());
        Ok(socket.send(Out::ReadyForQuery(ready)).await?)
    }

    /// The simple query protocol: runs the statements of a text one after the other.
    async fn simple_query(&mut self, socket: &mut Socket, sql: &str) -> PgWireResult<()> {
        let statements = statements(&self.session, sql).await?;
        if statements.is_empty() {
            socket.feed(Out::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        for statement in statements {
            let response = match session_command(&statement.statement)? {
                Some(SessionCommand::Fetch { name, max_rows }) => {
                    self.check_not_aborted(socket)?;
                    let encoding = (&Format::UnifiedText, true);
                    let cursor = (name.as_str(), max_rows);
                    self.cursors.fetch(socket, &self.session, cursor, encoding).await?;
                    continue;
                }
                Some(command) => self.run_command(socket, &command, &Format::UnifiedText).await?,
                None => {
                    self.check_not_aborted(socket)?;
                    let begun = self.session.begin_statement(&statement.text);
                    let mut execution = begun.map_err(errors::from_error)?;
                    let query = prepare_in(&self.session, &mut execution, statement).await?;
                    let plan = query.plan.clone();
                    let response = self.run(execution, &query, plan, &Format::UnifiedText).await?;
                    match (&query.copy, response) {
                        (Some(copy), Response::Query(rows)) => {
                            copy::send(socket, &self.session, rows, copy).await?;
                            continue;
                        }
                        (_, response) => response,
                    }
                }
            };
            self.respond(socket, response).await?;
        }
        self.ready(socket).await
    }

    pub(super) async fn respond(
        &mut self,
        socket: &mut Socket,
        response: Response,
    ) -> PgWireResult<()> {
        let status = socket.transaction_status();
        match response {
            // A statement without columns, such as SET, has no row description.
            Response::Query(response) if response.row_schema().is_empty() => {
                self.drain(socket, response).await
            }
            Response::Query(response) => send_query_response(socket, response, true).await,
            Response::Execution(tag) => send_execution_response(socket, tag).await,
            Response::TransactionStart(tag) => {
                socket.set_transaction_status(TransactionStatus::Transaction);
                send_execution_response(socket, tag).await
            }
            Response::TransactionEnd(tag) => {
                socket.set_transaction_status(status.to_idle_state());
                self.cursors.end_transaction();
                self.close_portals(socket);
                send_execution_response(socket, tag).await
            }
            _ => Err(errors::error("XX000", "unknown response")),
        }
    }

    async fn drain(&self, socket: &mut Socket, mut response: QueryResponse) -> PgWireResult<()> {
        while let Some(row) = response.data_rows().next().await {
            row?;
        }
        send_execution_response(socket, Tag::new(response.command_tag())).await
    }

    pub(in crate::server::postgres) fn fields(
        &self,
        query: &Query,
        plan: &LogicalPlan,
        types: &[Type],
        format: &Format,
    ) -> PgWireResult<Vec<FieldInfo>> {
        let schema = parameters::coerced_schema(plan, types).map_err(errors::from_error)?;
        let schema = query.named(schema.as_arrow());
        rows::fields(&schema, format, self.session.settings().format())
    }

    pub(in crate::server::postgres) async fn run(
        &self,
        execution: StatementExecution,
        query: &Query,
        plan: LogicalPlan,
        format: &Format,
    ) -> PgWireResult<Response> {
        let of_copy = query.copy.as_ref().map(CopyFormat::values);
        let fields = self.fields(query, &plan, &[], of_copy.as_ref().unwrap_or(format))?;
        let context = self.session.context().map_err(errors::from_error)?;
        let rows = execution.execute(context, plan).await.map_err(errors::from_error)?;
        let zone = self.session.settings().zone();
        rows::response(rows, fields, zone, query.tag)
    }

    pub(super) fn deallocate(&mut self, socket: &Socket, name: &str) {
        self.prepared_names.remove(name);
        socket.portal_store().rm_statement(name);
    }

    pub(super) fn check_not_aborted(&self, socket: &Socket) -> PgWireResult<()> {
        match socket.transaction_status() {
            TransactionStatus::Error => Err(errors::error(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            )),
            _ => Ok(()),
        }
    }
}
