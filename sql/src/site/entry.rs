//! What is said about one section, stage, group, metric or event.

use std::fmt;

use engine::calendar::{Day, Window};
use engine::metric_data::Place;

use super::numbers::{Month, Series};
use crate::report::period;

/// Months that a trend has.
pub(super) const TREND: usize = 36;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Metric,
    Event,
    Group,
    Stage,
    Section,
}

impl Kind {
    /// Every kind, in the order of the table.
    pub(super) const ALL: [Self; 5] =
        [Self::Metric, Self::Event, Self::Group, Self::Stage, Self::Section];

    /// The folder of its pages, and the heading of its part of the table.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Metric => "metrics",
            Self::Event => "events",
            Self::Group => "groups",
            Self::Stage => "stages",
            Self::Section => "sections",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Metric => "metric",
            Self::Event => "event",
            Self::Group => "group",
            Self::Stage => "stage",
            Self::Section => "section",
        })
    }
}

/// A month in texts: `2026-07`.
pub(super) fn month(start: Day) -> String {
    period(Window::Month, Window::Month.at(start))
}

/// What the latest value and the trend count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Users in events.
    Events,
    /// Sums over installations.
    Pings,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Events => "events",
            Self::Pings => "pings",
        })
    }
}

/// A node of the tree: its key and the name to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) key: String,
    pub(super) name: String,
}

/// Numbers by month with the statement that gives them.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) origin: Origin,
    pub(super) series: Series,
    /// The key path in pings.
    pub(super) key_path: Option<String>,
    pub(super) sql: Option<String>,
}

/// A value that events carry, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PersonalValue {
    pub(super) name: String,
    /// Empty for identifiers, which need none.
    pub(super) description: String,
    pub(super) is_identifier: bool,
}

/// Everything that is said about one thing. Texts are as in the definition, not escaped.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Key path, action or key.
    pub(super) key: String,
    /// The category of an old event.
    pub(super) category: Option<String>,
    pub(super) title: Option<String>,
    pub(super) description: String,
    pub(super) definition: String,
    pub(super) time_frames: Vec<String>,
    /// Section, stage and group.
    pub(super) owners: [Option<Owner>; 3],
    pub(super) tiers: Vec<String>,
    pub(super) data_category: Option<String>,
    pub(super) value_type: Option<String>,
    pub(super) data_source: Option<String>,
    pub(super) status: String,
    pub(super) indicators: Vec<String>,
    /// Where it has data; nodes of the tree have none of their own.
    pub(super) place: Option<Place>,
    pub(super) milestone: Option<String>,
    pub(super) first_day: Option<Day>,
    pub(super) last_day: Option<Day>,
    /// Numbers from events, then those from pings.
    pub(super) figures: Vec<Figures>,
    pub(super) personal: Vec<PersonalValue>,
    /// Why the personal values are not known, or that there are none.
    pub(super) personal_note: Option<&'static str>,
    /// Other entries that this one is about, by kind and index: of an event the metrics that use it,
    /// of a metric its events, of a node what is in it.
    pub(super) related: Vec<usize>,
    /// All other fields of the definition.
    pub(super) other: Vec<(String, String)>,
    /// The file that defines it, and the line.
    pub(super) place_in_file: Option<String>,
    /// The index of the metric or event in the dictionary.
    pub(super) index: Option<usize>,
    /// The path of its page.
    pub(super) page: String,
}

impl Entry {
    /// The numbers to show first: those with a latest month.
    pub(super) fn main(&self) -> Option<&Figures> {
        let has_months = |figures: &&Figures| !figures.series.months.is_empty();
        self.figures.iter().find(has_months).or(self.figures.first())
    }

    /// The latest number.
    pub(super) fn latest(&self) -> Option<(&Month, Origin)> {
        let figures = self.main()?;
        Some((figures.series.latest()?, figures.origin))
    }

    /// The last complete months, oldest first; of a young series all months.
    pub(super) fn trend(&self) -> &[Month] {
        let Some(figures) = self.main() else { return &[] };
        let months = &figures.series.months;
        let complete = months.iter().rposition(|month| month.complete);
        let end = complete.map_or(months.len(), |last| last + 1);
        &months[end.saturating_sub(TREND)..end]
    }

    /// The names of the values that it carries.
    pub(super) fn personal_text(&self) -> String {
        let names: Vec<&str> = self.personal.iter().map(|value| value.name.as_str()).collect();
        match self.personal_note {
            Some(note) if names.is_empty() => note.to_owned(),
            Some(note) => format!("{}; {note}", names.join(", ")),
            None => names.join(", "),
        }
    }
}

/// The keys of an owner and of those above it.
pub(super) fn owner_keys(entry: &Entry, rank: usize) -> Vec<Option<String>> {
    let keys = entry.owners[..=rank].iter();
    keys.map(|owner| owner.as_ref().map(|owner| owner.key.clone())).collect()
}
