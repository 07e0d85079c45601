//! Configuration of a source: its files, and which column is what.

use super::Reason;
use crate::calendar::{TimeUnit, Zone};

/// A column, or the same value for every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// The column of this name.
    Column(String),
    /// This text in every row.
    Const(String),
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
    /// Column with the time of the event.
    pub time: String,
    /// Unit of epoch numbers in the time column; numbers without a declared unit are an error.
    pub time_unit: Option<TimeUnit>,
    /// Zone of times that say none themselves; UTC unless declared.
    pub time_zone: Zone,
    /// Column with the user key.
    pub user: String,
    /// Column that the user keys are scoped to: user 42 of two installations are two users.
    pub scope: Option<String>,
    /// Name of the event.
    pub event: Value,
    /// Columns to group by or filter by: plan, component ...
    pub dimensions: Vec<String>,
    /// Deployment of the events: the dimension `deployment`.
    pub deployment: Option<Value>,
}

/// Name of the dimension that [`Source::deployment`] gives.
pub const DEPLOYMENT: &str = "deployment";

impl Source {
    /// Where a dimension's values come from; `None` if the source does not have it.
    pub fn dimension(&self, name: &str) -> Option<Value> {
        if name == DEPLOYMENT && self.deployment.is_some() {
            return self.deployment.clone();
        }
        self.dimensions.iter().any(|d| d == name).then(|| Value::Column(name.to_owned()))
    }

    /// The column that is at fault if a row is rejected for this reason.
    pub(crate) fn column_of(&self, reason: Reason) -> &str {
        match reason {
            Reason::TimeMissing
            | Reason::TimeUnreadable
            | Reason::TimeBefore1970
            | Reason::TimeAfterBound => &self.time,
            Reason::UserMissing => &self.user,
            Reason::ScopeMissing => self.scope.as_deref().unwrap_or_default(),
            Reason::EventMissing => match &self.event {
                Value::Column(name) | Value::Const(name) => name,
            },
        }
    }
}
