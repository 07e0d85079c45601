//! User names and passwords, as salted hashes in a file.
//!
//! A line of the file is one user, as [`format_entry`] writes it: `name:iterations:salt:hash`, salt
//! and hash in hexadecimal. The hash is the salted password of SCRAM-SHA-256 (RFC 5802, `Hi`),
//! which can verify both PostgreSQL's SCRAM handshake and a plain password.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use engine::{Error, Result};
use pgwire::api::auth::sasl::scram::gen_salted_password;

/// Hash iterations, the same for all users, because the handshake announces one number.
pub const ITERATIONS: usize = 10_000;
/// Bytes of salt.
const SALT_LENGTH: usize = 16;

/// A salted password hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The salt.
    pub salt: Vec<u8>,
    /// SCRAM's salted password.
    pub hash: Vec<u8>,
}

/// Hides the hash in logs.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The users of a server; without users everybody may connect.
#[derive(Clone, Debug, Default)]
pub struct Access {
    users: Option<BTreeMap<String, Secret>>,
}

impl Access {
    /// Reads a file of users.
    ///
    /// # Errors
    /// When it cannot be read, a line is invalid, or there are no users.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::io(path, cause))?;
        let mut users = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let located = |error: Error| error.with("file", path.display()).with("line", at + 1);
            let (name, secret) = parse_entry(line).map_err(located)?;
            if users.insert(name.clone(), secret).is_some() {
                return Err(located(Error::input(format!("the user `{name}` is listed twice"))));
            }
        }
        if users.is_empty() {
            return Err(Error::input("the file has no users")
                .with("file", path.display())
                .with("help", "add one with `headcount serve --add-user NAME --users FILE`"));
        }
        Ok(Self { users: Some(users) })
    }

    /// Whether clients must log in.
    pub fn requires_login(&self) -> bool {
        self.users.is_some()
    }

    /// The password hash of a user.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.users.as_ref()?.get(name)
    }

    /// Verifies a password. It takes the same time for unknown users.
    pub fn verify(&self, name: &str, password: &str) -> bool {
        let Some(users) = &self.users else { return true };
        let unknown = Secret { salt: vec![0; SALT_LENGTH], hash: Vec::new() };
        let secret = users.get(name).unwrap_or(&unknown);
        let hash = gen_salted_password(password, &secret.salt, ITERATIONS);
        // All bytes are compared, so that the time does not depend on the first difference.
        let differ = hash.iter().zip(&secret.hash).fold(0, |differ, (a, b)| differ | (a ^ b));
        differ == 0 && hash.len() == secret.hash.len()
    }

    /// Refuses network addresses if no login is required.
    ///
    /// # Errors
    /// When the address is not loopback and clients need not log in.
    pub fn check(&self, address: SocketAddr) -> Result<()> {
        if address.ip().is_loopback() || self.requires_login() {
            return Ok(());
        }
        Err(Error::input(format!(
            "{address} is reachable from the network, and no users are \
             configured"
        ))
        .with("help", "add --users FILE, or listen on 127.0.0.1"))
    }
}

/// The line for a user in the file.
///
/// # Errors
/// When the name is invalid or the password is empty.
pub fn format_entry(name: &str, password: &str) -> Result<String> {
    if name.is_empty() || name.starts_with('#') || name.contains([':', '\n', '\r']) {
        return Err(Error::input(format!("`{name}` is not a valid user name"))
            .with("help", "`:` and a leading `#` are not allowed"));
    }
    if password.is_empty() {
        return Err(Error::input("the password is empty"));
    }
    let mut salt = [0; SALT_LENGTH];
    getrandom::fill(&mut salt).map_err(|cause| {
        Error::internal(format!(
            "cannot get random bytes from the system: \
             {cause}"
        ))
    })?;
    let hash = gen_salted_password(password, &salt, ITERATIONS);
    Ok(format!("{name}:{ITERATIONS}:{}:{}", to_hex(&salt), to_hex(&hash)))
}

fn parse_entry(line: &str) -> Result<(String, Secret)> {
    let wrong = || {
        Error::input("this line is not a user")
            .with("help", "add users with `headcount serve --add-user NAME --users FILE`")
    };
    let mut parts = line.split(':');
    let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or_else(wrong);
    let (name, iterations, salt, hash) = (part()?, part()?, part()?, part()?);
    if parts.next().is_some() || iterations != ITERATIONS.to_string() {
        return Err(wrong());
    }
    let bytes = |text| from_hex(text).ok_or_else(wrong);
    Ok((name.to_owned(), Secret { salt: bytes(salt)?, hash: bytes(hash)? }))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{Access, format_entry};

    fn read(text: &str) -> Result<Access, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, text).unwrap();
        Access::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_right_password_is_verified() {
        let text = format!(
            "# analysts\n{}\n\n{}\n",
            format_entry("ada", "correct horse").unwrap(),
            format_entry("bob", "pässword").unwrap()
        );
        assert!(!text.contains("horse"));
        let access = read(&text).unwrap();
        assert!(access.requires_login() && access.secret("ada").is_some());
        for (name, password, expected) in [
            ("ada", "correct horse", true),
            ("bob", "pässword", true),
            ("ada", "pässword", false),
            ("ada", "", false),
            ("eve", "", false),
            ("eve", "correct horse", false),
        ] {
            assert_eq!(access.verify(name, password), expected, "{name} {password}");
        }
        assert!(Access::default().verify("anybody", ""));
    }

    #[test]
    fn invalid_files_of_users_are_refused() {
        let good = format_entry("ada", "secret").unwrap();
        for (text, part) in [
            ("", "no users"),
            ("ada:secret", "line: 1"),
            ("\nada:1:00:00", "line: 2"),
            (&format!("{good}\n{good}"), "twice"),
            (&good.replace(":10000:", ":10000:x"), "not a user"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        for (name, password) in [("", "x"), ("a:b", "x"), ("ada", "")] {
            assert!(format_entry(name, password).is_err());
        }
    }

    #[test]
    fn network_addresses_require_users() {
        let address = |text: &str| text.parse().unwrap();
        let open = Access::default();
        assert!(open.check(address("127.0.0.1:5432")).is_ok());
        assert!(open.check(address("[::1]:5432")).is_ok());
        for outside in ["0.0.0.0:5432", "10.0.0.1:5432", "[::]:5432"] {
            let error = open.check(address(outside)).unwrap_err().to_string();
            assert!(error.contains("--users"), "{error}");
            let closed = read(&format_entry("ada", "secret").unwrap()).unwrap();
            assert!(closed.check(address(outside)).is_ok());
        }
    }
}
