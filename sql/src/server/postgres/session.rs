//! The state of one connection: its DataFusion session, its settings and its cancellation key.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use datafusion::execution::FunctionRegistry;
use datafusion::prelude::SessionContext;
use engine::{Error, Result};
use pgwire::error::PgWireResult;
use pgwire::messages::startup::SecretKey;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::pg_server::{CancelKey, PgServer};
use super::settings::Settings;
use super::{catalog, errors};
use crate::failure::statement_error;
use crate::server::context::ConnectionSlot;
use crate::server::{Protocol, StatementExecution, StatementInfo};

/// Most time for a client to read what is sent to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Time to finish sending after all statements were cancelled.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// A connection, from its first byte.
pub(super) struct Session {
    pg_server: Arc<PgServer>,
    from: SocketAddr,
    cancel: CancelKey,
    settings: Arc<Mutex<Settings>>,
    last_activity: Mutex<Instant>,
    authenticated: OnceLock<Authenticated>,
}

/// The state after authentication.
struct Authenticated {
    user: String,
    context: SessionContext,
    _slot: ConnectionSlot,
}

impl Session {
    pub(super) fn new(pg_server: Arc<PgServer>, from: SocketAddr) -> Self {
        let cancel = CancelKey::new(Arc::clone(&pg_server.cancels));
        Self {
            pg_server,
            from,
            cancel,
            settings: Arc::default(),
            last_activity: Mutex::new(Instant::now()),
            authenticated: OnceLock::new(),
        }
    }

    pub(super) fn pg_server(&self) -> &PgServer {
        &self.pg_server
    }

    pub(super) fn pg_server_arc(&self) -> Arc<PgServer> {
        Arc::clone(&self.pg_server)
    }

    /// Applies the time zone setting to the DataFusion session, before the next statement.
    ///
    /// # Errors
    /// When a function cannot be registered.
    pub(super) fn apply_time_zone(&self) -> Result<()> {
        let zone = Some(self.settings().zone());
        let state = self.context()?.state_ref();
        if state.read().config().options().execution.time_zone == zone {
            return Ok(());
        }
        let mut state = state.write();
        state.config_mut().options_mut().execution.time_zone = zone;
        // now() and other functions hold the previous zone.
        let options = state.config().options();
        let functions = state.scalar_functions().values();
        let updated =
            functions.filter_map(|function| function.inner().with_updated_config(options));
        for function in updated.collect::<Vec<_>>() {
            let to_error = |cause| statement_error(cause, None);
            state.register_udf(Arc::new(function)).map_err(to_error)?;
        }
        Ok(())
    }

    /// The process id and secret key for cancel requests.
    pub(super) fn key(&self) -> (i32, SecretKey) {
        (self.cancel.number, self.cancel.key.clone())
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a connection slot and creates the DataFusion session, whose catalog has the name of
    /// the database.
    ///
    /// # Errors
    /// When all connections are in use, or the session cannot be created.
    pub(super) async fn open(&self, user: &str, database: &str) -> PgWireResult<()> {
        let server = &self.pg_server.server;
        let slot = server.connect(Protocol::Postgres, self.from);
        let slot = slot.map_err(errors::from_error)?;
        let (owned, settings) = (Arc::clone(server), Arc::clone(&self.settings));
        let tables = Arc::clone(&self.pg_server.tables);
        let (name, database) = (user.to_owned(), database.to_owned());
        let created = server.query_runtime.spawn(async move {
            let context = owned.session_with(catalog::session_settings(&database))?;
            catalog::register(&context, &tables, (&name, &database), &settings)?;
            Ok::<_, Error>(context)
        });
        let created = AbortOnDropHandle::new(created).await;
        let context = created.unwrap_or_else(|cause| Err(Error::internal(cause.to_string())));
        let context = context.map_err(errors::from_error)?;
        let user = if server.access.requires_login() { user } else { "" };
        let authenticated = Authenticated { user: user.to_owned(), context, _slot: slot };
        let already_started = |_| errors::error("08P01", "the connection has already started");
        self.authenticated.set(authenticated).map_err(already_started)
    }

    fn authenticated(&self) -> Result<&Authenticated> {
        self.authenticated
            .get()
            .ok_or_else(|| Error::internal("the connection is not authenticated"))
    }

    pub(super) fn context(&self) -> Result<&SessionContext> {
        Ok(&self.authenticated()?.context)
    }

    /// Begins a statement.
    ///
    /// # Errors
    /// Before authentication.
    pub(super) fn begin_statement(&self, text: &str) -> Result<StatementExecution> {
        self.record_activity();
        self.apply_time_zone()?;
        let user = self.authenticated()?.user.clone();
        let info = StatementInfo { protocol: Protocol::Postgres, user, text: text.to_owned() };
        let cancel = self.cancel.next_token();
        let statement = StatementExecution::new(&self.pg_server.server, info, cancel);
        Ok(match self.settings().timeout() {
            Some(time) => statement.with_time_limit(time),
            None => statement,
        })
    }

    /// Restarts the timeout of [`wait_until_stalled`](Self::wait_until_stalled).
    pub(super) fn record_activity(&self) {
        *self.last_activity.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until the client has stopped reading for too long, or all statements were cancelled.
    /// A running statement has limits of its own; this covers rows that are ready and not read.
    pub(super) async fn wait_until_stalled(&self) {
        let server = &self.pg_server.server;
        let timeout = server.limits.time + WRITE_TIMEOUT;
        let last_activity = || *self.last_activity.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled = async {
            loop {
                let seen = last_activity();
                sleep_until(seen + timeout).await;
                if last_activity() == seen {
                    return;
                }
            }
        };
        let killed = async {
            server.killed().await;
            sleep(SHUTDOWN_GRACE).await;
        };
        tokio::select! {
            () = stalled => {}
            () = killed => {}
        }
    }
}
