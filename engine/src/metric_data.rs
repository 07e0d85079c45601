//! Where each metric has data: in events, in pings, in both or in neither.

use std::fmt;

use crate::active::Survey;
use crate::calendar::Day;
use crate::metric::{DataSpan, Dictionary, Metric, TimeFrame};
use crate::pings::{MetricPath, PingTables};

/// Where something has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Only in events.
    Events,
    /// Only in pings.
    Pings,
    /// In events and in pings.
    Both,
    /// Nowhere.
    Neither,
}

impl Place {
    /// Every place, in order.
    pub const ALL: [Self; 4] = [Self::Events, Self::Pings, Self::Both, Self::Neither];

    fn of(events: bool, pings: bool) -> Self {
        match (events, pings) {
            (true, false) => Self::Events,
            (false, true) => Self::Pings,
            (true, true) => Self::Both,
            (false, false) => Self::Neither,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Events => "events",
            Self::Pings => "pings",
            Self::Both => "both",
            Self::Neither => "neither",
        })
    }
}

/// The data of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricData {
    /// The events that any of its rules selects.
    pub events: Option<DataSpan>,
    /// Its key paths in pings: several if `time_frame` is a list.
    pub paths: Vec<PathData>,
}

/// The data of a key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathData {
    /// The path as it is in pings.
    pub key_path: String,
    /// What its value is counted over.
    pub time_frame: TimeFrame,
    /// Its values in pings.
    pub pings: Option<DataSpan>,
}

impl MetricData {
    /// Where it has data, under any of its key paths.
    pub fn place(&self) -> Place {
        Place::of(self.events.is_some(), self.paths.iter().any(|path| path.pings.is_some()))
    }

    /// Where one of its key paths has data.
    pub fn place_of(&self, path: &PathData) -> Place {
        Place::of(self.events.is_some(), path.pings.is_some())
    }

    /// The oldest data, from events or pings.
    pub fn first(&self) -> Option<Day> {
        let pings = self.paths.iter().filter_map(|path| path.pings);
        self.events.into_iter().chain(pings).map(|span| span.days.start).min()
    }
}

/// The data of every metric of a dictionary, in its order. Without a survey there are no events,
/// without tables no pings.
pub fn metric_data(
    dictionary: &Dictionary,
    survey: Option<&Survey>,
    pings: Option<&PingTables>,
) -> Vec<MetricData> {
    let spans = pings.map(PingTables::spans);
    let in_pings = |path: &str| {
        let index = pings?.metrics.place(path)?;
        spans.as_ref()?[index]
    };
    let paths = |metric: &Metric| {
        let path = |MetricPath { key_path, time_frame, .. }| {
            let pings = in_pings(&key_path);
            PathData { key_path, time_frame, pings }
        };
        MetricPath::of(metric).into_iter().map(path).collect()
    };
    let events = |at: usize| survey.and_then(|survey| survey.metrics[at]);
    let metrics = dictionary.metrics.iter().enumerate();
    metrics.map(|(at, metric)| MetricData { events: events(at), paths: paths(metric) }).collect()
}
