//! Codes of the scopes that user keys belong to.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Names of scopes and their codes. Code 0 is "no scope".
#[derive(Debug, Default)]
pub(super) struct ScopeInterner {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    codes: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl ScopeInterner {
    /// The code of a scope, the next one if it is new.
    pub(super) fn code(&self, scope: &str) -> u32 {
        let known = |inner: &Inner| inner.codes.get(scope).copied();
        if let Some(code) = known(&self.inner.read().unwrap_or_else(PoisonError::into_inner)) {
            return code;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = known(&inner) {
            return code;
        }
        inner.names.push(scope.into());
        let code = inner.names.len() as u32;
        inner.codes.insert(scope.into(), code);
        code
    }

    /// The scopes by code; the first is "no scope".
    pub(super) fn names(&self) -> Vec<Option<String>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(None).chain(inner.names.iter().map(|n| Some(n.to_string()))).collect()
    }
}
