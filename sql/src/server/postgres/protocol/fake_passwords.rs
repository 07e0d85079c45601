//! Fake password hashes for unknown users.

use engine::{Error, Result};
use pgwire::api::auth::Password;
use pgwire::api::auth::sasl::scram::gen_salted_password;

/// Bytes of salt, as in the users file.
const SALT: usize = 16;

/// Derives a fixed fake password hash for every unknown user, so that the handshake does not reveal
/// which users exist.
pub(in crate::server::postgres) struct FakePasswords {
    salt: [u8; SALT],
    hash: [u8; SALT],
}

impl FakePasswords {
    pub(in crate::server::postgres) fn new() -> Result<Self> {
        let mut random = Self { salt: [0; SALT], hash: [0; SALT] };
        for bytes in [&mut random.salt, &mut random.hash] {
            getrandom::fill(bytes).map_err(|cause| {
                Error::internal(format!("cannot get random bytes from the system: {cause}"))
            })?;
        }
        Ok(random)
    }

    /// The fake hash of a user name.
    pub(super) fn password(&self, name: &str) -> Password {
        let mut salt = gen_salted_password(name, &self.salt, 1);
        salt.truncate(SALT);
        Password::new(Some(salt), gen_salted_password(name, &self.hash, 1))
    }
}

#[cfg(test)]
mod tests {
    use super::FakePasswords;

    #[test]
    fn unknown_users_cannot_be_recognised() {
        let (one, other) = (FakePasswords::new().unwrap(), FakePasswords::new().unwrap());
        let first = one.password("eve");
        assert_eq!(first.salt(), one.password("eve").salt());
        assert_eq!(first.salt().map(<[u8]>::len), Some(16));
        assert_ne!(first.salt(), one.password("bob").salt());
        assert_ne!(first.salt(), other.password("eve").salt());
        assert_ne!(first.password(), [0; 32]);
    }
}
