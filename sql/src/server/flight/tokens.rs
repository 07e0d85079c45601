//! Tokens that clients send instead of a password, after they have authenticated once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::{Error, Result};

/// Most tokens; beyond that the least recently used one is removed.
const MAX_TOKENS: usize = 10_000;
/// How long a token is valid after its last use.
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The issued tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Token>>);

#[derive(Debug)]
struct Token {
    user: String,
    used: Instant,
}

impl Tokens {
    /// Issues a token for a user: 32 random bytes.
    ///
    /// # Errors
    /// When the system provides no random bytes.
    pub(super) fn issue(&self, user: &str, now: Instant) -> Result<String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|cause| {
            Error::internal(format!("cannot get random bytes from the system: {cause}"))
        })?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut tokens = self.lock();
        if tokens.len() >= MAX_TOKENS {
            tokens.retain(|_, token| now.duration_since(token.used) < TOKEN_LIFETIME);
        }
        if tokens.len() >= MAX_TOKENS {
            let oldest = tokens.iter().min_by_key(|(_, token)| token.used);
            if let Some(oldest) = oldest.map(|(token, _)| token.clone()) {
                tokens.remove(&oldest);
            }
        }
        tokens.insert(token.clone(), Token { user: user.to_owned(), used: now });
        Ok(token)
    }

    /// The user of a token.
    pub(super) fn user(&self, token: &str, now: Instant) -> Option<String> {
        let mut tokens = self.lock();
        let found = tokens.get_mut(token)?;
        if now.duration_since(found.used) >= TOKEN_LIFETIME {
            tokens.remove(token);
            return None;
        }
        found.used = now;
        Some(found.user.clone())
    }

    /// Poisoning is ignored: no code under this lock leaves an inconsistent state.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{MAX_TOKENS, TOKEN_LIFETIME, Tokens};

    #[test]
    fn unused_tokens_expire() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let token = tokens.issue("ada", now).unwrap();
        assert_eq!(token.len(), 64);
        let mut later = now;
        for _ in 0..3 {
            later += TOKEN_LIFETIME - Duration::from_secs(1);
            assert_eq!(tokens.user(&token, later).as_deref(), Some("ada"));
        }
        assert_eq!(tokens.user("00", later), None);
        assert_eq!(tokens.user(&token, later + TOKEN_LIFETIME), None);
        assert_eq!(tokens.user(&token, later), None);
    }

    #[test]
    fn the_number_of_tokens_is_limited() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let first = tokens.issue("ada", now).unwrap();
        let second = tokens.issue("bob", now + Duration::from_secs(1)).unwrap();
        for _ in 2..=MAX_TOKENS {
            tokens.issue("eve", now + Duration::from_secs(2)).unwrap();
        }
        assert_eq!(tokens.lock().len(), MAX_TOKENS);
        assert_eq!(tokens.user(&first, now + Duration::from_secs(3)), None);
        assert!(tokens.user(&second, now + Duration::from_secs(3)).is_some());
    }
}
