//! What is wrong with a definition, and where: collected, so that one look shows everything.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Whether a definition can be used in spite of the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It cannot be used, or its meaning would be a guess.
    Error,
    /// The definition is used, but should be checked.
    Warning,
}

/// One problem in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the definition can be used all the same.
    pub severity: Severity,
    /// The file, as it was found.
    pub file: PathBuf,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Path of keys inside the file (`[2].events[0].name`), or empty for all of it.
    pub key: String,
    /// What is wrong: a lower-case phrase.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without help.
    pub fn new(
        severity: Severity,
        file: &Path,
        line: usize,
        key: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (key, message) = (key.into(), message.into());
        Self { severity, file: file.to_owned(), line, key, message, help: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: Option<impl Into<String>>) -> Self {
        self.help = help.map(Into::into);
        self
    }
}

/// `stages.yml:7: error: stages.plan.section: expected text, found a list; write one word`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(match self.severity {
            Severity::Error => ": error: ",
            Severity::Warning => ": warning: ",
        })?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// For callers that stop at the first problem.
impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let mut error = Self::input(problem.message).with("file", problem.file.display());
        if problem.line > 0 {
            error = error.with("line", problem.line);
        }
        if !problem.key.is_empty() {
            error = error.with("key", problem.key);
        }
        match problem.help {
            Some(help) => error.with("help", help),
            None => error,
        }
    }
}

/// Problems in the making: readers share it and add to it.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Adds one.
    pub fn push(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// Whether there is one of severity error.
    pub fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Whether nothing is wrong with that file so far.
    pub(super) fn are_none_in(&self, file: &Path) -> bool {
        self.0.borrow().iter().all(|problem| problem.file != file)
    }

    /// All of them, by file and line; those of one line in the order in which they were found.
    pub fn into_vec(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        problems
    }
}
