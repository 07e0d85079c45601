//! Interns strings: every value of a dimension gets a code, once per scan.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// How a null or empty value of a dimension is printed; a real value of that text is quoted.
pub const NONE_LABEL: &str = "(none)";

/// Values of one dimension and their codes. Code 0 is "no value".
#[derive(Debug, Default)]
pub struct StringInterner {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    codes: HashMap<Box<str>, u32>,
    labels: Vec<Box<str>>,
}

impl StringInterner {
    /// The code of a value; `None` and the empty text are code 0.
    pub fn code(&self, value: Option<&str>) -> u32 {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return 0 };
        let known = |inner: &Inner| inner.codes.get(value).copied();
        if let Some(code) = known(&self.inner.read().unwrap_or_else(PoisonError::into_inner)) {
            return code;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(code) = known(&inner) {
            return code;
        }
        inner.labels.push(value.into());
        let code = inner.labels.len() as u32;
        inner.codes.insert(value.into(), code);
        code
    }

    /// The value of a code; `None` for "no value" and for codes that were not given.
    pub fn label(&self, code: u32) -> Option<String> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let at = (code as usize).checked_sub(1)?;
        inner.labels.get(at).map(|label| label.to_string())
    }

    /// The values by code; the first is "no value".
    pub fn labels(&self) -> Vec<Option<String>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(None).chain(inner.labels.iter().map(|l| Some(l.to_string()))).collect()
    }
}
