//! Which periods a report has, and which instants must be read for them.

use std::ops::Range;

use super::Question;
use crate::calendar::{Day, Period, Window, Zone};

/// A period with the one before it, if the data reaches back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) period: Period,
    pub(super) complete: bool,
    /// Place of the period before in the list of all periods that are counted.
    pub(super) previous: Option<usize>,
    /// Whether the period was asked for, or is only there to be compared with.
    pub(super) asked: bool,
}

/// Instants that can matter to the question, the period before its first included.
pub(super) fn range(question: &Question, zone: &Zone) -> Range<i64> {
    let window = question.window;
    let first = question.from.map_or(i64::MIN, |from| {
        let periods = window.periods(Period::new(from, from));
        let first = periods.first().copied().unwrap_or_else(|| window.at(from));
        zone.start_of(window.previous(first).start.min(from))
    });
    let last = question.to.map_or(i64::MAX, |to| {
        let periods = window.periods(Period::new(to, to));
        let end = periods.last().map_or(to, |period| period.end.max(to));
        zone.start_of(end.plus(1))
    });
    let end = question.as_of.map_or(i64::MAX, |day| zone.start_of(day.plus(1)));
    first..last.min(end)
}

/// The periods of a report over data from `first` to `last` (days that hold an event), whose end
/// is the instant `end`.
///
/// A period stands in the report if it touches the range asked for (calendar windows), or ends on
/// a day of it (rolling windows); the range defaults to the data's own.
pub(super) fn periods(
    question: &Question,
    first: Day,
    last: Day,
    end: i64,
    zone: &Zone,
) -> Vec<Planned> {
    let from = question.from.unwrap_or(first).max(first);
    let to = question.to.unwrap_or(last).min(last);
    if from > to {
        return Vec::new();
    }
    let window: Window = question.window;
    let mut list = window.periods(Period::new(from, to));
    let Some(earliest) = list.first().copied() else { return Vec::new() };
    let before = window.previous(earliest);
    let mut planned = Vec::with_capacity(list.len() + 1);
    if before.end >= first {
        list.insert(0, before);
    }
    for (at, period) in list.iter().enumerate() {
        planned.push(Planned {
            period: *period,
            complete: end >= zone.start_of(period.end.plus(1)),
            previous: at.checked_sub(1).filter(|_| list[at - 1].end >= first),
            asked: *period != before,
        });
    }
    planned
}
