//! The first messages of a connection: who it is, and whether it may come in.

use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use async_trait::async_trait;
use futures::Sink;
use pgwire::api::ClientInfo;
use pgwire::api::auth::noop::NoopStartupHandler;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::ScramAuth;
use pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::Shared;
use crate::server::access::ITERATIONS;

/// The version of PostgreSQL whose catalog we look like.
const VERSION: &str = concat!("16.6 (Headcount ", env!("CARGO_PKG_VERSION"), ")");

/// Lets clients in.
pub(super) struct Startup {
    scram: Option<SASLAuthStartupHandler<DefaultServerParameterProvider>>,
    /// Whether only encrypted connections are served.
    secure: bool,
}

impl Startup {
    pub(super) fn new(shared: &Arc<Shared>, secure: bool) -> Self {
        let scram = shared.access.asks().then(|| {
            let mut parameters = DefaultServerParameterProvider::default();
            parameters.server_version = VERSION.to_owned();
            parameters.scram_iterations = ITERATIONS;
            let users = Users { shared: Arc::clone(shared), random: RandomState::new() };
            let mut scram = ScramAuth::new(Arc::new(users));
            scram.set_iterations(ITERATIONS);
            SASLAuthStartupHandler::new(Arc::new(parameters)).with_scram(scram)
        });
        Self { scram, secure }
    }
}

/// Nobody is asked for a password.
struct Open;

impl NoopStartupHandler for Open {}

#[async_trait]
impl StartupHandler for Startup {
    async fn on_startup<C>(
        &self,
        client: &mut C,
        message: PgWireFrontendMessage,
    ) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if self.secure && !client.is_secure() {
            let mut info = ErrorInfo::new(
                "FATAL".to_owned(),
                "28000".to_owned(), // invalid_authorization_specification
                "this server serves encrypted connections only".to_owned(),
            );
            info.hint = Some("connect with sslmode=require".to_owned());
            return Err(PgWireError::UserError(Box::new(info)));
        }
        match &self.scram {
            Some(scram) => scram.on_startup(client, message).await,
            None => Open.on_startup(client, message).await,
        }
    }
}

struct Users {
    shared: Arc<Shared>,
    random: RandomState,
}

/// Nobody reads a secret in a log.
impl Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Users")
    }
}

#[async_trait]
impl AuthSource for Users {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let name = login.user().unwrap_or_default();
        if let Some(secret) = self.shared.access.secret(name) {
            return Ok(Password::new(Some(secret.salt.clone()), secret.hash.clone()));
        }
        // Who is not there has a salt too, always the same one, and no password that fits.
        let part = |number: u8| self.random.hash_one((name, number)).to_le_bytes();
        let salt = [part(0), part(1)].concat();
        let hash = [part(2), part(3), part(4), part(5)].concat();
        Ok(Password::new(Some(salt), hash))
    }
}
