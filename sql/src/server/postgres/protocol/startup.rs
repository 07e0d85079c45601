//! Authentication and the parameters that are reported at startup.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::ScramAuth;
use pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, ServerParameterProvider,
};
use pgwire::api::{ClientInfo, PidSecretKeyGenerator};
use pgwire::error::PgWireResult;
use pgwire::messages::startup::SecretKey;

use crate::server::access::ITERATIONS;
use crate::server::postgres::session::Session;
use crate::server::postgres::settings::VERSION;

/// Settings that are reported to clients, with the names of the protocol.
const REPORTED_SETTINGS: [(&str, &str); 7] = [
    ("application_name", "application_name"),
    ("client_encoding", "client_encoding"),
    ("datestyle", "DateStyle"),
    ("intervalstyle", "IntervalStyle"),
    ("search_path", "search_path"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    ("timezone", "TimeZone"),
];

/// The parameters that are reported at startup.
pub(super) struct ServerParameters(pub(super) Arc<Session>);

impl ServerParameters {
    /// The name under which a setting is reported to clients, if it is.
    pub(super) fn reported_name(setting: &str) -> Option<&'static str> {
        let mut reported = REPORTED_SETTINGS.iter();
        let found = reported.find(|(name, _)| name.eq_ignore_ascii_case(setting));
        found.map(|(_, shown)| *shown)
    }
}

impl ServerParameterProvider for ServerParameters {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let mut provider = DefaultServerParameterProvider::default();
        VERSION.clone_into(&mut provider.server_version);
        provider.is_superuser = false;
        provider.default_transaction_read_only = true;
        provider.scram_iterations = ITERATIONS;
        let mut parameters = provider.server_parameters(client)?;
        let settings = self.0.settings();
        for (name, shown) in REPORTED_SETTINGS {
            if let Ok(value) = settings.show(name) {
                parameters.insert(shown.to_owned(), value);
            }
        }
        Some(parameters)
    }
}

/// SCRAM authentication with user name and password.
pub(super) fn handshake(
    session: &Arc<Session>,
    secure: bool,
) -> SASLAuthStartupHandler<ServerParameters> {
    let mut scram = ScramAuth::new(Arc::new(PasswordSource(Arc::clone(session))));
    scram.set_iterations(ITERATIONS);
    if let Some(certificate) = session.pg_server().certificate.as_ref().filter(|_| secure)
        && let Err(cause) = scram.configure_certificate(certificate)
    {
        // Without channel binding only clients that require it fail.
        tracing::debug!(%cause, "no password can be bound to this kind of certificate");
    }
    SASLAuthStartupHandler::new(Arc::new(ServerParameters(Arc::clone(session))))
        .with_scram(scram)
        .with_pid_secret_key_generator(Arc::new(FixedKey(session.key())))
}

/// Returns the process id and key that the connection already has.
struct FixedKey((i32, SecretKey));

impl PidSecretKeyGenerator for FixedKey {
    fn generate(&self, _: &dyn ClientInfo) -> (i32, SecretKey) {
        self.0.clone()
    }
}

/// Password hashes of the server's users, and fake ones for other names.
struct PasswordSource(Arc<Session>);

impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordSource")
    }
}

#[async_trait]
impl AuthSource for PasswordSource {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let name = login.user().unwrap_or_default();
        let pg_server = self.0.pg_server();
        Ok(match pg_server.server.access.secret(name) {
            Some(secret) => Password::new(Some(secret.salt.clone()), secret.hash.clone()),
            None => pg_server.fake_passwords.password(name),
        })
    }
}
