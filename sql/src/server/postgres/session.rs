//! One connection: its DataFusion session, its settings, and the statement it is at.

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

use super::cancels::Cancel;
use super::settings::Settings;
use super::{Ground, catalog, errors};
use crate::failure::of_statement;
use crate::server::shared::Connection;
use crate::server::{About, Protocol, Running};

/// How long a client may leave what it is sent lying around.
const STALLED: Duration = Duration::from_secs(60);
/// Time for what is being sent when everything is ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A connection, from its first byte on.
pub(super) struct Session {
    ground: Arc<Ground>,
    from: SocketAddr,
    cancel: Cancel,
    settings: Arc<Mutex<Settings>>,
    begun: Mutex<Instant>,
    inside: OnceLock<Inside>,
}

/// What there is once the client is let in.
struct Inside {
    user: String,
    context: SessionContext,
    _connection: Connection,
}

impl Session {
    pub(super) fn new(ground: Arc<Ground>, from: SocketAddr) -> Self {
        let cancel = Cancel::new(Arc::clone(&ground.cancels));
        Self {
            ground,
            from,
            cancel,
            settings: Arc::default(),
            begun: Mutex::new(Instant::now()),
            inside: OnceLock::new(),
        }
    }

    pub(super) fn ground(&self) -> &Ground {
        &self.ground
    }

    pub(super) fn ground_owned(&self) -> Arc<Ground> {
        Arc::clone(&self.ground)
    }

    /// Lets the time zone hold for what DataFusion reads and computes, from the next statement on.
    ///
    /// # Errors
    /// When a function cannot be made for it.
    pub(super) fn apply(&self) -> Result<()> {
        let zone = Some(self.settings().zone());
        let state = self.context()?.state_ref();
        if state.read().config().options().execution.time_zone == zone {
            return Ok(());
        }
        let mut state = state.write();
        state.config_mut().options_mut().execution.time_zone = zone;
        // now() and others were made for the zone that was.
        let options = state.config().options();
        let functions = state.scalar_functions().values();
        let made = functions.filter_map(|function| function.inner().with_updated_config(options));
        for function in made.collect::<Vec<_>>() {
            let told = |cause| of_statement(cause, None);
            state.register_udf(Arc::new(function)).map_err(told)?;
        }
        Ok(())
    }

    /// The number and the key that cancel this connection's statement.
    pub(super) fn key(&self) -> (i32, SecretKey) {
        (self.cancel.number, self.cancel.key.clone())
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a client in, if there is room.
    ///
    /// # Errors
    /// When all connections are taken.
    pub(super) async fn enter(&self, user: &str) -> PgWireResult<()> {
        let shared = &self.ground.shared;
        let connection = shared.connect(Protocol::Postgres, self.from);
        let connection = connection.map_err(|error| errors::of(&error))?;
        let (making, settings) = (Arc::clone(shared), Arc::clone(&self.settings));
        let tables = Arc::clone(&self.ground.tables);
        let name = user.to_owned();
        let made = shared.work.spawn(async move {
            let context = making.session()?;
            catalog::add(&context, &tables, &name, &settings)?;
            Ok::<_, Error>(context)
        });
        let made = AbortOnDropHandle::new(made).await;
        let context = made.unwrap_or_else(|cause| Err(Error::internal(cause.to_string())));
        let context = context.map_err(|error| errors::of(&error))?;
        let user = if shared.access.asks() { user } else { "" };
        let inside = Inside { user: user.to_owned(), context, _connection: connection };
        let told = |_| errors::error("08P01", "the connection has already started");
        self.inside.set(inside).map_err(told)
    }

    fn inside(&self) -> Result<&Inside> {
        self.inside.get().ok_or_else(|| Error::internal("the connection is not authenticated"))
    }

    pub(super) fn context(&self) -> Result<&SessionContext> {
        Ok(&self.inside()?.context)
    }

    /// Begins a statement.
    ///
    /// # Errors
    /// Before the client was let in.
    pub(super) fn begin(&self, text: &str) -> Result<Running> {
        self.begins();
        self.apply()?;
        let user = self.inside()?.user.clone();
        let about = About { protocol: Protocol::Postgres, user, text: text.to_owned() };
        let running = self.ground.shared.begin(about, self.cancel.next());
        Ok(match self.settings().timeout() {
            Some(time) => running.within(time),
            None => running,
        })
    }

    /// Notes that something was asked.
    pub(super) fn begins(&self) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until a client does not read what it asked for. While a statement runs its own limits
    /// hold; this is for what is ready and not taken.
    pub(super) async fn stuck(&self) {
        let shared = &self.ground.shared;
        let most = shared.limits.time + STALLED;
        let begun = || *self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let stalled = async {
            loop {
                let seen = begun();
                sleep_until(seen + most).await;
                if begun() == seen {
                    return;
                }
            }
        };
        let killed = async {
            shared.killed().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = stalled => {}
            () = killed => {}
        }
    }
}
