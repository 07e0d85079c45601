//! Codes of key paths, shared by all threads that read pings.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

/// Key paths and their codes, which begin with 1.
#[derive(Debug, Default)]
pub(super) struct KeyPaths<'a> {
    /// The only paths that have codes, if not all.
    selection: Option<&'a BTreeSet<String>>,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    codes: HashMap<Box<str>, u32>,
    paths: Vec<Box<str>>,
}

impl<'a> KeyPaths<'a> {
    pub(super) fn new(selection: Option<&'a BTreeSet<String>>) -> Self {
        Self { selection, inner: RwLock::default() }
    }

    /// The code of a path; a new one if it has none yet, and `None` if it is not selected.
    pub(super) fn code(&self, path: &str) -> Option<u32> {
        if self.selection.is_some_and(|selection| !selection.contains(path)) {
            return None;
        }
        let known = |inner: &Inner| inner.codes.get(path).copied();
        if let Some(code) = known(&self.inner.read().unwrap_or_else(PoisonError::into_inner)) {
            return Some(code);
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        Some(known(&inner).unwrap_or_else(|| {
            inner.paths.push(path.into());
            let code = inner.paths.len() as u32;
            inner.codes.insert(path.into(), code);
            code
        }))
    }

    /// The paths by code; the first is empty.
    pub(super) fn into_list(self) -> Vec<String> {
        let inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(String::new()).chain(inner.paths.into_iter().map(String::from)).collect()
    }
}
