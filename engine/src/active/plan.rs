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
        zone.end_of(end)
    });
    let end = question.as_of.map_or(i64::MAX, |day| zone.end_of(day));
    first..last.min(end)
}

/// The periods of a report over data from `first` to `last` (days that hold an event), whose end
/// is the instant `end`.
///
/// A period stands in the report if it is that of a day asked for, and that of a day of the data:
/// whoever asks for the first of January has January, also where the data begin on the fifth. The
/// range asked for has no end where none is named.
pub(super) fn periods(
    question: &Question,
    first: Day,
    last: Day,
    end: i64,
    zone: &Zone,
) -> Vec<Planned> {
    let window: Window = question.window;
    let (earliest, latest) = (unit(window, first).start, unit(window, last).end);
    let from = question.from.map_or(earliest, |from| from.max(earliest));
    let to = question.to.map_or(latest, |to| to.min(latest));
    if first > last || from > to {
        return Vec::new();
    }
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
            complete: end >= zone.end_of(period.end),
            previous: at.checked_sub(1).filter(|_| list[at - 1].end >= first),
            asked: *period != before,
        });
    }
    planned
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
    fn a_period_needs_a_day_asked_for_and_a_day_of_the_data() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let (first, last) = (day("2026-01-05"), day("2026-03-20"));
        let ask = |window, from: Option<&str>, to: Option<&str>| {
            let (from, to) = (from.map(day), to.map(day));
            let question = Question { window, from, to, ..Question::default() };
            let planned = periods(&question, first, last, i64::MAX, &Zone::utc());
            let asked = planned.iter().filter(|planned| planned.asked);
            asked.map(|planned| planned.period.start.to_string()).collect::<Vec<_>>()
        };
        let month = Window::Month;
        assert_eq!(ask(month, None, None), ["2026-01-01", "2026-02-01", "2026-03-01"]);
        assert_eq!(ask(month, None, Some("2026-01-01")), ["2026-01-01"]);
        assert_eq!(ask(month, Some("2026-03-25"), None), ["2026-03-01"]);
        assert_eq!(ask(month, Some("2025-01-01"), Some("2026-01-02")), ["2026-01-01"]);
        assert_eq!(ask(month, Some("2026-03-25"), Some("2026-05-01")), ["2026-03-01"]);
        assert!(ask(month, Some("2026-04-01"), None).is_empty());
        assert!(ask(month, None, Some("2025-12-31")).is_empty());
        assert_eq!(ask(Window::Last28dOfMonth, None, Some("2026-01-01")), ["2026-01-04"]);
        assert!(ask(Window::Trailing(28), None, Some("2026-01-04")).is_empty());
        assert_eq!(ask(Window::Trailing(28), None, Some("2026-01-05")).len(), 1);
    }
}
