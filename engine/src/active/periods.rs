//! Which periods a report has, and which instants must be read for them.

use std::ops::Range;

use super::question::Question;
use crate::calendar::{Day, Period, Window, Zone};

/// The periods of a report in their order. A span of thousands of years has millions of them, so
/// nothing is kept of a period besides its days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReportPeriods {
    /// The requested periods, and before them the one that the first of these is compared
    /// with, if the data reach back to it.
    pub(super) periods: Vec<Period>,
    /// Index of the first requested period.
    first_requested: usize,
    /// So many periods from the start are complete.
    complete: usize,
    /// So many periods from the start end before the data begin.
    before_data: usize,
}

impl ReportPeriods {
    /// The indexes of the requested periods.
    pub(super) fn requested(&self) -> Range<usize> {
        self.first_requested..self.periods.len()
    }

    /// Whether the data reach past the end of a period.
    pub(super) fn is_complete(&self, at: usize) -> bool {
        at < self.complete
    }

    /// Place of the period before, if the data reach back to it.
    pub(super) fn previous(&self, at: usize) -> Option<usize> {
        at.checked_sub(1).filter(|before| *before >= self.before_data)
    }

    /// The newest complete requested period; the newest one if none is complete.
    pub(super) fn newest(&self) -> Option<Period> {
        let requested = &self.periods[self.requested()];
        let complete = self.complete.saturating_sub(self.first_requested);
        complete.checked_sub(1).and_then(|at| requested.get(at)).or(requested.last()).copied()
    }
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
        zone.end_of(end)
    });
    let end = question.as_of.map_or(i64::MAX, |day| zone.end_of(day));
    first..last.min(end)
}

/// The periods of a report over data from `first` to `last` (days that hold an event), whose end
/// is the instant `end`.
///
/// The report has a period if it contains a requested day and a day of the data: a request for the
/// first of January includes January, also if the data start on the fifth. A requested range
/// without a bound is open at that end.
pub(super) fn periods(
    question: &Question,
    first: Day,
    last: Day,
    end: i64,
    zone: &Zone,
) -> ReportPeriods {
    let window: Window = question.window;
    let (earliest, latest) = (unit(window, first).start, unit(window, last).end);
    let from = question.from.map_or(earliest, |from| from.max(earliest));
    let to = question.to.map_or(latest, |to| to.min(latest));
    if first > last || from > to {
        return ReportPeriods::default();
    }
    let mut periods = window.periods(Period::new(from, to));
    let Some(earliest) = periods.first().copied() else { return ReportPeriods::default() };
    let before = window.previous(earliest);
    let first_requested = usize::from(before.end >= first);
    if first_requested > 0 {
        periods.insert(0, before);
    }
    let complete = periods.partition_point(|period| end >= zone.end_of(period.end));
    let before_data = periods.partition_point(|period| period.end < first);
    ReportPeriods { periods, first_requested, complete, before_data }
}

/// The days whose period is that of `day`.
fn unit(window: Window, day: Day) -> Period {
    match window {
        Window::Last28dOfMonth => Window::Month.at(day),
        _ => window.partition(day).unwrap_or(Period::new(day, day)),
    }
}

#[cfg(test)]
mod tests {
    use super::periods;
    use crate::active::Question;
    use crate::calendar::{Day, Window, Zone};

    #[test]
    fn a_period_needs_a_requested_day_and_a_day_of_the_data() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let (first, last) = (day("2026-01-05"), day("2026-03-20"));
        let starts = |window, from: Option<&str>, to: Option<&str>| {
            let (from, to) = (from.map(day), to.map(day));
            let question = Question { window, from, to, ..Question::default() };
            let periods = periods(&question, first, last, i64::MAX, &Zone::utc());
            let requested = periods.periods[periods.requested()].iter();
            requested.map(|period| period.start.to_string()).collect::<Vec<_>>()
        };
        let month = Window::Month;
        assert_eq!(starts(month, None, None), ["2026-01-01", "2026-02-01", "2026-03-01"]);
        assert_eq!(starts(month, None, Some("2026-01-01")), ["2026-01-01"]);
        assert_eq!(starts(month, Some("2026-03-25"), None), ["2026-03-01"]);
        assert_eq!(starts(month, Some("2025-01-01"), Some("2026-01-02")), ["2026-01-01"]);
        assert_eq!(starts(month, Some("2026-03-25"), Some("2026-05-01")), ["2026-03-01"]);
        assert!(starts(month, Some("2026-04-01"), None).is_empty());
        assert!(starts(month, None, Some("2025-12-31")).is_empty());
        assert_eq!(starts(Window::Last28dOfMonth, None, Some("2026-01-01")), ["2026-01-04"]);
        assert!(starts(Window::Trailing(28), None, Some("2026-01-04")).is_empty());
        assert_eq!(starts(Window::Trailing(28), None, Some("2026-01-05")).len(), 1);
    }
}
