//! How a connection begins: who it is, whether there is room, what it wants set.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Error, Result};
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::{ScramAuth, gen_salted_password};
use pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, ServerParameterProvider,
};
use pgwire::api::{ClientInfo, PidSecretKeyGenerator};
use pgwire::error::PgWireResult;
use pgwire::messages::startup::SecretKey;

use super::session::Session;
use crate::server::access::ITERATIONS;

/// The PostgreSQL whose catalogs and grammar clients may expect.
pub(super) const VERSION: &str = concat!("16.6 (Headcount ", env!("CARGO_PKG_VERSION"), ")");
/// Bytes of salt, as in the file of users.
const SALT: usize = 16;

/// Settings that clients are told of, as they spell them.
const TOLD: [(&str, &str); 7] = [
    ("application_name", "application_name"),
    ("client_encoding", "client_encoding"),
    ("datestyle", "DateStyle"),
    ("intervalstyle", "IntervalStyle"),
    ("search_path", "search_path"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    ("timezone", "TimeZone"),
];

/// What clients are told at the beginning.
pub(super) struct Told(pub(super) Arc<Session>);

impl Told {
    /// The name under which clients are told of a setting, if they are.
    pub(super) fn name(setting: &str) -> Option<&'static str> {
        TOLD.iter().find(|(name, _)| name.eq_ignore_ascii_case(setting)).map(|(_, told)| *told)
    }
}

impl ServerParameterProvider for Told {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let mut told = DefaultServerParameterProvider::default();
        VERSION.clone_into(&mut told.server_version);
        told.is_superuser = false;
        told.default_transaction_read_only = true;
        told.scram_iterations = ITERATIONS;
        let mut told = told.server_parameters(client)?;
        let settings = self.0.settings();
        for (name, shown) in TOLD {
            if let Ok(value) = settings.show(name) {
                told.insert(shown.to_owned(), value);
            }
        }
        Some(told)
    }
}

/// PostgreSQL's handshake with name and password.
pub(super) fn handshake(session: &Arc<Session>, secure: bool) -> SASLAuthStartupHandler<Told> {
    let mut scram = ScramAuth::new(Arc::new(Users(Arc::clone(session))));
    scram.set_iterations(ITERATIONS);
    if let Some(certificate) = session.ground().certificate.as_ref().filter(|_| secure)
        && let Err(cause) = scram.configure_certificate(certificate)
    {
        // Then the password is not bound to it, which only those notice who insist.
        tracing::debug!(%cause, "no password can be bound to this kind of certificate");
    }
    SASLAuthStartupHandler::new(Arc::new(Told(Arc::clone(session))))
        .with_scram(scram)
        .with_pid_secret_key_generator(Arc::new(Key(session.key())))
}

/// Gives a connection the number and key that it has already.
struct Key((i32, SecretKey));

impl PidSecretKeyGenerator for Key {
    fn generate(&self, _: &dyn ClientInfo) -> (i32, SecretKey) {
        self.0.clone()
    }
}

/// The users of the server, and everybody else.
struct Users(Arc<Session>);

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Users")
    }
}

#[async_trait]
impl AuthSource for Users {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let name = login.user().unwrap_or_default();
        let ground = self.0.ground();
        Ok(match ground.shared.access.secret(name) {
            Some(secret) => Password::new(Some(secret.salt.clone()), secret.hash.clone()),
            None => ground.unknown.password(name),
        })
    }
}

/// Makes up passwords for users that are not there, the same each time: nobody learns from the
/// handshake who is.
pub(super) struct Unknown {
    salt: [u8; SALT],
    hash: [u8; SALT],
}

impl Unknown {
    pub(super) fn new() -> Result<Self> {
        let mut random = Self { salt: [0; SALT], hash: [0; SALT] };
        for bytes in [&mut random.salt, &mut random.hash] {
            getrandom::fill(bytes).map_err(|cause| {
                Error::internal(format!("cannot get random bytes from the system: {cause}"))
            })?;
        }
        Ok(random)
    }

    fn password(&self, name: &str) -> Password {
        let mut salt = gen_salted_password(name, &self.salt, 1);
        salt.truncate(SALT);
        Password::new(Some(salt), gen_salted_password(name, &self.hash, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::Unknown;

    #[test]
    fn users_that_are_not_there_look_as_if_they_were() {
        let (one, other) = (Unknown::new().unwrap(), Unknown::new().unwrap());
        let first = one.password("eve");
        assert_eq!(first.salt(), one.password("eve").salt());
        assert_eq!(first.salt().map(<[u8]>::len), Some(16));
        assert_ne!(first.salt(), one.password("bob").salt());
        assert_ne!(first.salt(), other.password("eve").salt());
        assert_ne!(first.password(), [0; 32]);
    }
}
