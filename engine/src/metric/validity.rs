//! The range of days in which a definition is valid.

use super::yaml::View;
use crate::calendar::Day;

/// A span of days; an open end has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// The first day on which it holds (`valid_from`).
    pub from: Option<Day>,
    /// The first day on which it no longer holds (`valid_to`, exclusive).
    pub to: Option<Day>,
}

impl Validity {
    /// Whether it holds on that day.
    pub fn contains(&self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day < to)
    }

    /// The days on which both hold.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let to = match (self.to, other.to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { from: self.from.max(other.from), to }
    }

    /// Whether there is a day on which both hold.
    pub fn overlaps(&self, other: &Self) -> bool {
        !self.and(other).is_empty()
    }

    /// Whether it holds on no day at all.
    pub fn is_empty(&self) -> bool {
        matches!((self.from, self.to), (Some(from), Some(to)) if to <= from)
    }
}

/// Reads `valid_from` and `valid_to`.
pub(super) fn read(view: &View<'_>) -> Validity {
    let validity = Validity { from: view.day_of("valid_from"), to: view.day_of("valid_to") };
    if validity.is_empty()
        && let Some(to) = view.get("valid_to")
    {
        let help = "`valid_to` is the first day that is no longer included";
        to.error("`valid_to` is not after `valid_from`", Some(help));
        return Validity::default();
    }
    validity
}
