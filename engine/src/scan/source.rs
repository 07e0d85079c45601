//! Configuration of a source: its files, and what is made of their columns.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use super::csv_options::CsvOptions;
use super::files::EventFile;
use super::reason::Reason;
use crate::Result;
use crate::calendar::{TimeFormat, Zone};

/// Where the values of a field come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A column of the files, or a path into a column of objects, `context.traits.plan`.
    Column(String),
    /// An SQL expression over the columns of the files.
    Sql(String),
    /// This text in every row.
    Const(String),
    /// The only column that holds times.
    AnyTime,
}

/// A value by which reports can be split and metrics filtered: plan, component ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// The key of its definition, relative to that of the source: `dimensions[1]`.
    pub key: String,
    /// Its name in reports, metrics and SQL.
    pub name: String,
    /// Where its values come from.
    pub value: Value,
}

/// One set of event files with the same columns.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path of keys to its definition in the project file, `sources[0]`.
    pub key: String,
    /// Name of the source; also its SQL table name.
    pub name: String,
    /// Files, folders or globs; relative ones start at the project.
    pub files: Vec<String>,
    /// How its CSV files are written, as far as that is not to be detected.
    pub csv: CsvOptions,
    /// SQL condition that a row must fulfil; the others are no events of this source.
    pub filter: Option<String>,
    /// Time of the event.
    pub time: Value,
    /// How times are written, if they are texts or numbers.
    pub time_format: TimeFormat,
    /// Zone of times that say none themselves; UTC unless declared.
    pub time_zone: Zone,
    /// The user key.
    pub user: Value,
    /// What the user keys are scoped to: user 42 of two installations are two users.
    pub scope: Option<Value>,
    /// Whether rows without a user are left out, as if they did not fulfil the condition; otherwise they
    /// are rejected.
    pub ignores_without_user: bool,
    /// Name of the event.
    pub event: Value,
    /// Values to group by or filter by.
    pub dimensions: Vec<Dimension>,
    /// Deployment of the events: the dimension `deployment`.
    pub deployment: Option<Value>,
}

/// Name of the dimension that [`Source::deployment`] gives.
pub const DEPLOYMENT: &str = "deployment";

impl Value {
    /// The column, path, expression or text, as it is written in the project file.
    pub fn text(&self) -> &str {
        match self {
            Self::Column(text) | Self::Sql(text) | Self::Const(text) => text,
            Self::AnyTime => "auto",
        }
    }

    /// Whether rows may differ in it.
    pub fn is_read(&self) -> bool {
        !matches!(self, Self::Const(_))
    }
}

/// `column plan`, `SQL upper(plan)`, `always free`
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Column(_) => "column",
            Self::Sql(_) => "SQL",
            Self::Const(_) => "always",
            Self::AnyTime => "time",
        };
        write!(f, "{kind} {}", self.text())
    }
}

impl Source {
    /// The files at its places. If it `needs` them, each place must have one.
    ///
    /// # Errors
    /// When a place has none, or names a file of unknown format, or cannot be read.
    pub fn find_files(&self, base: &Path, needs: bool) -> Result<Vec<EventFile>> {
        let find = if needs { EventFile::find } else { EventFile::present };
        Ok(find(base, &self.files)?.into_iter().map(|file| self.configured(file)).collect())
    }

    /// A file, with what the source says of it.
    pub(crate) fn configured(&self, mut file: EventFile) -> EventFile {
        file.csv = self.csv.or(&file.csv);
        file
    }

    /// Where a dimension's values come from; `None` if the source does not have it.
    pub fn dimension(&self, name: &str) -> Option<&Value> {
        if name == DEPLOYMENT && self.deployment.is_some() {
            return self.deployment.as_ref();
        }
        self.dimensions.iter().find(|own| own.name == name).map(|own| &own.value)
    }

    /// Its parts with the keys under which the project file has them, relative to [`key`](Self::key):
    /// time, user, scope, event, deployment, dimensions.
    pub fn values(&self) -> Vec<(String, &Value)> {
        let mut values = vec![("time".to_owned(), &self.time), ("user".to_owned(), &self.user)];
        values.extend(self.scope.iter().map(|scope| ("user.scope".to_owned(), scope)));
        values.push(("event".to_owned(), &self.event));
        values.extend(self.deployment.iter().map(|value| ("deployment".to_owned(), value)));
        values.extend(self.dimensions.iter().map(|own| (own.key.clone(), &own.value)));
        values
    }

    /// What is at fault if a row is rejected for this reason.
    pub(crate) fn value_of(&self, reason: Reason) -> &Value {
        match reason {
            Reason::TimeMissing
            | Reason::TimeUnreadable
            | Reason::TimeBefore1970
            | Reason::TimeAfterBound => &self.time,
            Reason::UserMissing => &self.user,
            Reason::ScopeMissing => self.scope.as_ref().unwrap_or(&self.user),
            Reason::EventMissing => &self.event,
        }
    }
}

/// The dimensions of all sources, sorted.
pub fn dimensions_of(sources: &[Source]) -> Vec<String> {
    let mut all = BTreeSet::new();
    for source in sources {
        all.extend(source.dimensions.iter().map(|own| own.name.clone()));
        all.extend(source.deployment.as_ref().map(|_| DEPLOYMENT.to_owned()));
    }
    all.into_iter().collect()
}
