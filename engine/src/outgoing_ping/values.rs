//! The values that a ping of a day has: for each key path of the dictionary what is counted there,
//! and over which days.

use std::collections::{BTreeMap, BTreeSet};

use crate::active::Span;
use crate::calendar::{Day, Period, Window};
use crate::metric::{Dictionary, Metric, Status, TimeFrame, USER, Uncounted};
use crate::pings::{OwnInstallation, SKETCHES_KEY, month_window};

/// Where the metrics of single events are, by category, and what the ends of their names mean.
const CATEGORIES: &str = "redis_hll_counters.";
const CATEGORY_FRAMES: [(TimeFrame, &str); 2] =
    [(TimeFrame::Week, "_weekly"), (TimeFrame::Month, "_monthly")];
const CATEGORY_TOTAL: &str = "_total_unique_counts";

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Users,
    /// Occurrences.
    Events,
}

/// The value at a key path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PingValue {
    pub(super) unit: Unit,
    /// Metrics that are united, and the days.
    pub(super) span: Span,
}

/// All values of a ping.
#[derive(Debug, Default)]
pub(super) struct PingValues {
    /// By key path.
    pub(super) values: BTreeMap<String, PingValue>,
    /// The metrics, all of them in a form in which their users are counted.
    pub(super) dictionary: Dictionary,
    /// Key paths by the reason why they have no value.
    pub(super) left_out: BTreeMap<String, Vec<String>>,
}

impl PingValues {
    /// The values of a ping on a day.
    pub(super) fn of(dictionary: &Dictionary, day: Day) -> Self {
        let mut ping = Self::default();
        let mut seen = BTreeSet::new();
        for metric in &dictionary.metrics {
            if metric.status == Status::Removed {
                continue;
            }
            let unit = unit(metric, day);
            let index = ping.dictionary.metrics.len();
            let mut counted = false;
            for (key_path, frame) in metric.key_paths() {
                // Of two metrics with one path the first counts.
                if !seen.insert(key_path.clone()) {
                    continue;
                }
                let days = days(frame, metric.data_source.as_deref(), day);
                let days = days.ok_or_else(|| "no time frame".to_owned());
                match unit.clone().and_then(|unit| Ok((unit, days?))) {
                    Ok((unit, days)) => {
                        counted = true;
                        let span = (vec![index], days);
                        ping.values.insert(key_path, PingValue { unit, span });
                    }
                    Err(reason) => ping.left_out.entry(reason).or_default().push(key_path),
                }
            }
            if counted {
                ping.dictionary.metrics.push(users_of(metric));
            }
        }
        ping.add_category_totals(&seen, day);
        ping.remove_conflicts();
        ping
    }

    /// Adds the users of all events of a category, `<category>_total_unique_counts_weekly` and
    /// `_monthly`, where a category has several metrics and the dictionary does not define its total.
    fn add_category_totals(&mut self, defined: &BTreeSet<String>, day: Day) {
        let mut totals: BTreeMap<String, (BTreeSet<usize>, TimeFrame)> = BTreeMap::new();
        for (key_path, value) in &self.values {
            let Some(name) = key_path.strip_prefix(CATEGORIES) else { continue };
            let Some((category, event)) = name.split_once('.') else { continue };
            let mut frames = CATEGORY_FRAMES.iter();
            let Some((frame, ending)) = frames.find(|(_, ending)| event.ends_with(ending)) else {
                continue;
            };
            if value.unit == Unit::Users && !event.contains(CATEGORY_TOTAL) {
                let total = format!("{CATEGORIES}{category}.{category}{CATEGORY_TOTAL}{ending}");
                let total = totals.entry(total).or_insert_with(|| (BTreeSet::new(), *frame));
                total.0.extend(&value.span.0);
            }
        }
        for (key_path, (metrics, frame)) in totals {
            let Some(days) = days(frame, None, day).filter(|_| metrics.len() > 1) else { continue };
            if !defined.contains(&key_path) {
                let span = (metrics.into_iter().collect(), days);
                self.values.insert(key_path, PingValue { unit: Unit::Users, span });
            }
        }
    }

    /// Takes out values that have no place in an object with the others.
    fn remove_conflicts(&mut self) {
        let above = |path: &str| {
            let dots: Vec<usize> = path.match_indices('.').map(|(at, _)| at).collect();
            dots.into_iter().map(|dot| path[..dot].to_owned()).collect::<Vec<_>>()
        };
        let has_place = |path: &String| {
            let top = path.split('.').next().unwrap_or_default();
            !OwnInstallation::is_identity(top)
                && top != SKETCHES_KEY
                && !above(path).iter().any(|above| self.values.contains_key(above))
        };
        let conflicts: Vec<String> =
            self.values.keys().filter(|path| !has_place(path)).cloned().collect();
        for path in conflicts {
            self.values.remove(&path);
            let reason = "its key path is below another value, or part of the identity".to_owned();
            self.left_out.entry(reason).or_default().push(path);
        }
    }
}

/// What a metric counts, or why it cannot be counted from events.
fn unit(metric: &Metric, day: Day) -> Result<Unit, String> {
    if !metric.is_number() {
        return Err("its value is not a number".to_owned());
    }
    match metric.counted() {
        _ if !metric.valid.contains(day) => Err("not valid on that day".to_owned()),
        Ok(()) | Err(Uncounted::TimeFrame) => Ok(Unit::Users),
        Err(Uncounted::NotUsers) if metric.rules.iter().all(|rule| rule.unique.is_none()) => {
            Ok(Unit::Events)
        }
        Err(reason) => Err(reason.to_string()),
    }
}

/// The metric, changed so that the users of its events are counted.
fn users_of(metric: &Metric) -> Metric {
    let mut metric = metric.clone();
    metric.time_frames.clear();
    metric.rules.iter_mut().for_each(|rule| rule.unique = Some(USER.to_owned()));
    metric
}

/// The days of a time frame in a ping of a day, as GitLab has them; see [`month_window`].
fn days(frame: TimeFrame, data_source: Option<&str>, day: Day) -> Option<Period> {
    let is_database = data_source == Some("database");
    match frame {
        TimeFrame::Month => Some(month_window(data_source).at(day)),
        TimeFrame::Week if is_database => Some(Window::Trailing(7).at(day.plus(-2))),
        TimeFrame::Week => Some(Window::Week.previous(Window::Week.at(day))),
        TimeFrame::All => Some(Period::new(Day::MIN, day)),
        TimeFrame::None => None,
    }
}
