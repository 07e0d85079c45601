//! The error type of the engine, with its kinds.
//!
//! A message says what happened; the context says where (file, key, line, column, row) and what to
//! do about it. An error in the input ([`Kind::Input`]) is never reported as a bug of the engine
//! ([`Kind::Internal`]).

use std::error::Error as StdError;
use std::fmt;

/// `Result` with the engine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who has to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The input is wrong: a project, a dictionary, a data file, an argument.
    Input,
    /// The machine refused: a file cannot be opened, a disk is full.
    Io,
    /// A limit was reached: memory, number of values. The message names the limit.
    Limit,
    /// The program broke a promise of its own; worth a bug report.
    Internal,
}

/// An error with its context.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of the given kind; `message` is a lower-case phrase without a final full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), context: Vec::new(), source: None }
    }

    /// The input is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// The machine refused to read or write `path`.
    pub fn io(path: &std::path::Path, cause: std::io::Error) -> Self {
        let message = match cause.kind() {
            std::io::ErrorKind::NotFound => "no such file or folder".to_owned(),
            _ => cause.to_string(),
        };
        Self::new(Kind::Io, message).with("file", path.display()).caused_by(cause)
    }

    /// A limit was reached.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message)
    }

    /// A promise of our own is broken.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Adds where it happened or what to do; the conventional keys are `file`, `line`, `key`,
    /// `column`, `row`, `help`. The first value of a key wins: the place nearest to the mistake.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        if self.context.iter().all(|(k, _)| *k != key) {
            self.context.push((key, value.to_string()));
        }
        self
    }

    /// Keeps the error underneath.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The same error once more, without the error underneath.
    #[must_use]
    pub fn repeated(&self) -> Self {
        Self {
            kind: self.kind,
            message: self.message.clone(),
            context: self.context.clone(),
            source: None,
        }
    }

    /// Who has to act.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The value of a context key.
    pub fn context(&self, key: &str) -> Option<&str> {
        self.context.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str())
    }
}

/// `message (file: a.yml, line: 3, key: stages.plan); help`
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == Kind::Internal {
            f.write_str("internal error: ")?;
        }
        f.write_str(&self.message)?;
        let mut separator = " (";
        for (key, value) in self.context.iter().filter(|(key, _)| *key != "help") {
            write!(f, "{separator}{key}: {value}")?;
            separator = ", ";
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        match self.context("help") {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn an_error_says_what_where_and_what_to_do() {
        let error = Error::input("unknown stage `plna`")
            .with("file", "stages.yml")
            .with("line", 7)
            .with("line", 9)
            .with("help", "did you mean `plan`?");
        assert_eq!(
            error.to_string(),
            "unknown stage `plna` (file: stages.yml, line: 7); did you mean `plan`?"
        );
    }
}
