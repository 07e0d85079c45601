//! Who may come in: names and passwords, as salted hashes in a file.
//!
//! A line of the file is one user, as [`entry`] makes it: `name:iterations:salt:hash`, salt and
//! hash in hexadecimal. The hash is the salted password of SCRAM-SHA-256 (RFC 5802, `Hi`), which
//! both PostgreSQL's handshake and a password in the clear can be checked against.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use engine::{Error, Result};
use pgwire::api::auth::sasl::scram::gen_salted_password;

/// Rounds of hashing, for all users: the handshake has one number.
pub const ITERATIONS: usize = 10_000;
/// Bytes of salt.
const SALT: usize = 16;

/// A password as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// What was put to the password before it was hashed.
    pub salt: Vec<u8>,
    /// SCRAM's salted password.
    pub hash: Vec<u8>,
}

/// Nobody reads a secret in a log.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// The users of a server; everybody where none are named.
#[derive(Clone, Debug, Default)]
pub struct Access {
    users: Option<BTreeMap<String, Secret>>,
}

impl Access {
    /// Reads a file of users.
    ///
    /// # Errors
    /// When it cannot be read, a line is no user, or there is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::io(path, cause))?;
        let mut users = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let told = |error: Error| error.with("file", path.display()).with("line", at + 1);
            let (name, secret) = user(line).map_err(told)?;
            if users.insert(name.clone(), secret).is_some() {
                return Err(told(Error::input(format!("the user `{name}` is listed twice"))));
            }
        }
        if users.is_empty() {
            return Err(Error::input("the file has no users")
                .with("file", path.display())
                .with("help", "add one with `headcount serve --add-user NAME --users FILE`"));
        }
        Ok(Self { users: Some(users) })
    }

    /// Whether a name and a password are asked for.
    pub fn asks(&self) -> bool {
        self.users.is_some()
    }

    /// What is kept of a user's password.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.users.as_ref()?.get(name)
    }

    /// Whether this is the user's password; it takes as long for users that are not there.
    pub fn admits(&self, name: &str, password: &str) -> bool {
        let Some(users) = &self.users else { return true };
        let nobody = Secret { salt: vec![0; SALT], hash: Vec::new() };
        let secret = users.get(name).unwrap_or(&nobody);
        let hash = gen_salted_password(password, &secret.salt, ITERATIONS);
        // Every byte is looked at, whichever is the first wrong one.
        let differ = hash.iter().zip(&secret.hash).fold(0, |differ, (a, b)| differ | (a ^ b));
        differ == 0 && hash.len() == secret.hash.len()
    }

    /// Refuses to open an address of a network to everybody.
    ///
    /// # Errors
    /// When the address is not loopback and nobody is asked for a password.
    pub fn check(&self, address: SocketAddr) -> Result<()> {
        if address.ip().is_loopback() || self.asks() {
            return Ok(());
        }
        Err(Error::input(format!(
            "{address} is reachable from the network, and no users are \
             configured"
        ))
        .with("help", "add --users FILE, or listen on 127.0.0.1"))
    }
}

/// The line of a user for the file.
///
/// # Errors
/// When the name cannot stand there, or the password is empty.
pub fn entry(name: &str, password: &str) -> Result<String> {
    if name.is_empty() || name.starts_with('#') || name.contains([':', '\n', '\r']) {
        return Err(Error::input(format!("`{name}` is not a valid user name"))
            .with("help", "`:` and a leading `#` are not allowed"));
    }
    if password.is_empty() {
        return Err(Error::input("the password is empty"));
    }
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|cause| {
        Error::internal(format!(
            "cannot get random bytes from the system: \
             {cause}"
        ))
    })?;
    let hash = gen_salted_password(password, &salt, ITERATIONS);
    Ok(format!("{name}:{ITERATIONS}:{}:{}", hexadecimal(&salt), hexadecimal(&hash)))
}

fn user(line: &str) -> Result<(String, Secret)> {
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
    let bytes = |text| bytes(text).ok_or_else(wrong);
    Ok((name.to_owned(), Secret { salt: bytes(salt)?, hash: bytes(hash)? }))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(pair).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{Access, entry};

    fn read(text: &str) -> Result<Access, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, text).unwrap();
        Access::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let text = format!(
            "# analysts\n{}\n\n{}\n",
            entry("ada", "correct horse").unwrap(),
            entry("bob", "pässword").unwrap()
        );
        assert!(!text.contains("horse"));
        let access = read(&text).unwrap();
        assert!(access.asks() && access.secret("ada").is_some());
        for (name, password, expected) in [
            ("ada", "correct horse", true),
            ("bob", "pässword", true),
            ("ada", "pässword", false),
            ("ada", "", false),
            ("eve", "", false),
            ("eve", "correct horse", false),
        ] {
            assert_eq!(access.admits(name, password), expected, "{name} {password}");
        }
        assert!(Access::default().admits("anybody", ""));
    }

    #[test]
    fn a_file_that_is_not_of_users_is_refused() {
        let good = entry("ada", "secret").unwrap();
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
            assert!(entry(name, password).is_err());
        }
    }

    #[test]
    fn the_network_is_not_served_without_passwords() {
        let address = |text: &str| text.parse().unwrap();
        let open = Access::default();
        assert!(open.check(address("127.0.0.1:5432")).is_ok());
        assert!(open.check(address("[::1]:5432")).is_ok());
        for outside in ["0.0.0.0:5432", "10.0.0.1:5432", "[::]:5432"] {
            let error = open.check(address(outside)).unwrap_err().to_string();
            assert!(error.contains("--users"), "{error}");
            let closed = read(&entry("ada", "secret").unwrap()).unwrap();
            assert!(closed.check(address(outside)).is_ok());
        }
    }
}
