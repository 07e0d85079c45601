//! A secret that several installations share, and the hashes of user keys under it.
//!
//! A hash is a pseudonym: whoever knows the salt can compute it for a key and look for it in a sketch;
//! without the salt nobody can. The function is keyed BLAKE3, cut off to 64 bits
//! (<https://github.com/BLAKE3-team/BLAKE3-specs>, section 2.1).

use super::Key;
use crate::{Error, Result};

/// Fewest bytes of a salt; shorter ones could be guessed.
const MIN_BYTES: usize = 16;
/// Keep the hashes apart from all others that somebody might make with the same secret.
const OF_USERS: &str = "headcount 2026 hashes of users in sketches";
const OF_FINGERPRINT: &str = "headcount 2026 fingerprint of a salt";

/// A salt.
#[derive(Clone)]
pub struct Salt {
    key: [u8; 32],
    fingerprint: String,
}

impl Salt {
    /// The salt of a secret text, without white space at its ends.
    ///
    /// # Errors
    /// When it has less than 16 bytes.
    pub fn new(secret: &[u8]) -> Result<Self> {
        let secret = secret.trim_ascii();
        if secret.len() < MIN_BYTES {
            return Err(Error::input(format!(
                "the salt has {} bytes, and short salts can be guessed",
                secret.len()
            ))
            .with("help", "use at least 16 bytes, such as those of `openssl rand -hex 32`"));
        }
        let fingerprint = blake3::derive_key(OF_FINGERPRINT, secret);
        let fingerprint = fingerprint[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { key: blake3::derive_key(OF_USERS, secret), fingerprint })
    }

    /// Sixteen hexadecimal digits that are equal for equal salts and do not say what the salt is.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The hash of a key: equal keys hash equally wherever the salt is the same.
    pub fn hash(&self, key: Key<'_>) -> u64 {
        let mut bytes = Vec::with_capacity(32);
        key.write(&mut bytes);
        let [a, b, c, d, e, f, g, h, ..] = *blake3::keyed_hash(&self.key, &bytes).as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Without the key.
impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Salt").field(&self.fingerprint).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Salt};

    /// Sketches of other installations and years hold these for ever; they are those of the `blake3`
    /// package of Python.
    #[test]
    fn hashes_stay() {
        let salt = Salt::new(b" correct horse battery staple\n").unwrap();
        let hashes = [Key::Int(42), Key::Wide(7 << 70), Key::of_text("ada@example.com")];
        let hashes = hashes.map(|key| salt.hash(key));
        let expected =
            [15_355_584_643_317_036_726, 3_643_350_884_389_815_707, 2_503_589_373_586_587_779];
        assert_eq!((salt.fingerprint(), hashes), ("f1d9af60acea0f55", expected));
    }

    #[test]
    fn salts_differ_and_short_ones_are_refused() {
        let salts = [b"0123456789abcdef", b"0123456789abcdeg"];
        let [a, b] = salts.map(|secret| Salt::new(secret).unwrap());
        assert_ne!(a.fingerprint(), b.fingerprint());
        assert_ne!(a.hash(Key::Int(1)), b.hash(Key::Int(1)));
        assert!(!format!("{a:?}").contains("key"));
        assert!(Salt::new(b" 0123456789abcde\n").is_err());
    }
}
