//! Tokens: what a client shows instead of its password, once it has shown that.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::{Error, Result};

/// Most tokens at a time; beyond that the one that was not used for longest is forgotten.
const MOST: usize = 10_000;
/// How long a token lives after it was last used.
const LIFE: Duration = Duration::from_secs(12 * 3600);

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<String, Given>>);

#[derive(Debug)]
struct Given {
    user: String,
    used: Instant,
}

impl Tokens {
    /// A new token for a user: 32 random bytes.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn give(&self, user: &str, now: Instant) -> Result<String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|cause| {
            Error::internal(format!("cannot get random bytes from the system: {cause}"))
        })?;
        let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut given = self.given();
        if given.len() >= MOST {
            given.retain(|_, given| now.duration_since(given.used) < LIFE);
        }
        if given.len() >= MOST {
            let oldest = given.iter().min_by_key(|(_, given)| given.used);
            if let Some(oldest) = oldest.map(|(token, _)| token.clone()) {
                given.remove(&oldest);
            }
        }
        given.insert(token.clone(), Given { user: user.to_owned(), used: now });
        Ok(token)
    }

    /// Whose token it is.
    pub(super) fn user(&self, token: &str, now: Instant) -> Option<String> {
        let mut given = self.given();
        let found = given.get_mut(token)?;
        if now.duration_since(found.used) >= LIFE {
            given.remove(token);
            return None;
        }
        found.used = now;
        Some(found.user.clone())
    }

    /// Nothing that is done under this lock can leave it half done.
    fn given(&self) -> MutexGuard<'_, HashMap<String, Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LIFE, MOST, Tokens};

    #[test]
    fn a_token_lives_as_long_as_it_is_used() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let token = tokens.give("ada", now).unwrap();
        assert_eq!(token.len(), 64);
        let mut later = now;
        for _ in 0..3 {
            later += LIFE - Duration::from_secs(1);
            assert_eq!(tokens.user(&token, later).as_deref(), Some("ada"));
        }
        assert_eq!(tokens.user("00", later), None);
        assert_eq!(tokens.user(&token, later + LIFE), None);
        assert_eq!(tokens.user(&token, later), None);
    }

    #[test]
    fn there_are_never_too_many() {
        let (tokens, now) = (Tokens::default(), Instant::now());
        let first = tokens.give("ada", now).unwrap();
        let second = tokens.give("bob", now + Duration::from_secs(1)).unwrap();
        for _ in 2..=MOST {
            tokens.give("eve", now + Duration::from_secs(2)).unwrap();
        }
        assert_eq!(tokens.given().len(), MOST);
        assert_eq!(tokens.user(&first, now + Duration::from_secs(3)), None);
        assert!(tokens.user(&second, now + Duration::from_secs(3)).is_some());
    }
}
