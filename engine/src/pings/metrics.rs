//! Key paths of metrics, and what a value at a key path is.

use std::collections::{BTreeSet, HashMap};

use super::collection::Collection;
use crate::calendar::Window;
use crate::metric::{Dictionary, Metric, Status, TimeFrame};
use crate::nearest::did_you_mean;
use crate::store::Content;
use crate::{Error, Result};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An integer from 0 to 2^63 - 1 at the key path of a metric whose value is a number.
    Valid,
    /// An integer from 0 to 2^63 - 1 at the key path of no metric.
    Unknown,
    /// -1
    Timeout,
    /// -2
    Error,
    /// -1000
    Deprecated,
    /// Any other negative integer.
    Negative,
    /// An integer of 2^63 or more.
    TooLarge,
    /// A number with a decimal point or an exponent.
    Fraction,
    /// Text.
    String,
    /// Null.
    Null,
    /// True or false.
    Boolean,
    /// A list; an object where a metric should have a value; an integer where the value of the
    /// metric is not a number.
    NotANumber,
}

impl Kind {
    /// As in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unknown => "unknown",
            Self::Timeout => "timeout",
            Self::Error => "error",
            Self::Deprecated => "deprecated",
            Self::Negative => "negative",
            Self::TooLarge => "too_large",
            Self::Fraction => "fraction",
            Self::String => "string",
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::NotANumber => "not_a_number",
        }
    }
}

/// The window of a `28d` metric at the day of a ping, as GitLab counts it: in its database the 28 days
/// that end two days before, otherwise the last four ISO weeks.
pub(crate) fn month_window(data_source: Option<&str>) -> Window {
    match data_source {
        Some("database") => Window::Lagged28d,
        _ => Window::Iso4w,
    }
}

/// A key path of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricPath {
    /// The path in a ping.
    pub key_path: String,
    /// What its value is counted over.
    pub time_frame: TimeFrame,
    /// Whether its value is a number.
    pub is_number: bool,
    /// Whether the current version no longer has it.
    pub is_removed: bool,
}

impl MetricPath {
    /// The key paths of a metric.
    pub fn of(metric: &Metric) -> Vec<Self> {
        let path = |(key_path, time_frame)| Self {
            key_path,
            time_frame,
            is_number: metric.is_number(),
            is_removed: metric.status == Status::Removed,
        };
        metric.key_paths().into_iter().map(path).collect()
    }

    /// The path that holds the monthly numbers of a metric: that of `28d`, else that of `all`; `None`
    /// if it has neither, or its value is no number.
    pub fn monthly(metric: &Metric) -> Option<Self> {
        let paths = Self::of(metric);
        let of = |frame| paths.iter().find(|path| path.time_frame == frame && path.is_number);
        of(TimeFrame::Month).or_else(|| of(TimeFrame::All)).cloned()
    }

    /// The path that a name means: that of a metric's monthly numbers, or a path in pings.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(dictionary: &Dictionary, name: &str) -> Result<Self> {
        if let Some(metric) = dictionary.metrics.iter().find(|metric| metric.key_path == name) {
            let message = || format!("pings have no monthly numbers of `{name}`");
            let help = "they need `value_type: number`, and a `time_frame` of 28d or all";
            return Self::monthly(metric).ok_or_else(|| Error::input(message()).with("help", help));
        }
        let paths: Vec<Self> = dictionary.metrics.iter().flat_map(Self::of).collect();
        if let Some(path) = paths.iter().find(|path| path.key_path == name) {
            return Ok(path.clone());
        }
        let known = paths.iter().map(|path| path.key_path.as_str());
        let help = did_you_mean(name, known)
            .unwrap_or_else(|| "the SQL table `metrics` lists the key paths".to_owned());
        Err(Error::input(format!("there is no metric `{name}`")).with("help", help))
    }
}

/// The key paths of all metrics, by code and by their own index.
#[derive(Debug)]
pub struct MetricPaths {
    /// The paths, sorted.
    pub list: Vec<MetricPath>,
    /// For the code of each key path, its index in the list.
    by_code: Vec<Option<u32>>,
}

impl MetricPaths {
    /// The key paths of the metrics of a dictionary.
    pub fn key_paths(dictionary: &Dictionary) -> BTreeSet<String> {
        let metrics = dictionary.metrics.iter().flat_map(MetricPath::of);
        metrics.map(|metric| metric.key_path).collect()
    }

    /// Finds the metrics of a dictionary in a collection.
    pub fn new(dictionary: &Dictionary, collection: &Collection) -> Self {
        let mut list: Vec<MetricPath> =
            dictionary.metrics.iter().flat_map(MetricPath::of).collect();
        // Of two metrics with one path the first counts.
        list.sort_by(|a, b| a.key_path.cmp(&b.key_path));
        list.dedup_by(|b, a| a.key_path == b.key_path);
        let places = list.iter().zip(0..);
        let places: HashMap<&str, u32> =
            places.map(|(metric, at)| (metric.key_path.as_str(), at)).collect();
        let by_code = collection.paths.iter().map(|path| places.get(path.as_str()).copied());
        let by_code = by_code.collect();
        Self { list, by_code }
    }

    /// The index of the path that holds the monthly numbers of a metric, if there is one.
    pub fn monthly(&self, metric: &Metric) -> Option<usize> {
        self.place(&MetricPath::monthly(metric)?.key_path)
    }

    /// The index of a path.
    pub fn place(&self, key_path: &str) -> Option<usize> {
        self.list.binary_search_by(|known| known.key_path.as_str().cmp(key_path)).ok()
    }

    /// The index of the metric at a key path.
    pub(super) fn index(&self, code: u32) -> Option<usize> {
        self.by_code.get(code as usize).copied().flatten().map(|index| index as usize)
    }

    /// The metric and value of a valid value.
    pub(super) fn valid(&self, code: u32, content: Content) -> Option<(usize, i64)> {
        let Content::Integer(value) = content else { return None };
        let index = self.index(code)?;
        self.list[index].is_number.then_some((index, value))
    }

    /// What a value is, with its number if that can be used; `None` for an object that holds values.
    pub(super) fn kind(&self, code: u32, content: Content) -> Option<(Kind, Option<i64>)> {
        let metric = self.index(code).map(|index| &self.list[index]);
        Some(match content {
            Content::Integer(value) => match metric {
                Some(metric) if metric.is_number => (Kind::Valid, Some(value)),
                Some(_) => (Kind::NotANumber, None),
                None => (Kind::Unknown, Some(value)),
            },
            Content::Timeout => (Kind::Timeout, None),
            Content::Error => (Kind::Error, None),
            Content::Deprecated => (Kind::Deprecated, None),
            Content::Negative => (Kind::Negative, None),
            Content::TooLarge => (Kind::TooLarge, None),
            Content::Fraction => (Kind::Fraction, None),
            Content::String => (Kind::String, None),
            Content::Null => (Kind::Null, None),
            Content::Boolean => (Kind::Boolean, None),
            Content::Array => (Kind::NotANumber, None),
            Content::Object => {
                metric?;
                (Kind::NotANumber, None)
            }
        })
    }
}
