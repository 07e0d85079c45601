//! Codes of key paths, shared by all threads that read pings.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Key paths and their codes, which begin with 1.
#[derive(Debug, Default)]
pub(super) struct KeyPaths(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    codes: HashMap<Box<str>, u32>,
    paths: Vec<Box<str>>,
}

impl KeyPaths {
    /// The code of a path; a new one if it has none yet.
    pub(super) fn code(&self, path: &str) -> u32 {
        let known = |inner: &Inner| inner.codes.get(path).copied();
        if let Some(code) = known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return code;
        }
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = known(&inner) {
            return code;
        }
        inner.paths.push(path.into());
        let code = inner.paths.len() as u32;
        inner.codes.insert(path.into(), code);
        code
    }

    /// The paths by code; the first is empty.
    pub(super) fn into_list(self) -> Vec<String> {
        let inner = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(String::new()).chain(inner.paths.into_iter().map(String::from)).collect()
    }
}
