//! Counts users: for every combination of dimension values, every set of metrics and every period
//! with events. Periods without users take no memory.

use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::cell_index::{CellIndex, CellsByDay};
use super::metric_sets::MetricSet;
use crate::calendar::{Day, Period, Window};
use crate::rollup::{CellUsers, CountRequest, UserExpr};
use crate::users::Estimate;
use crate::{JobContext, Result};

/// No users.
const NO_USERS: Estimate = Estimate { users: 0, low: 0, high: 0 };

/// Users of one metric set and combo, by the index of the period; periods without users are left out.
type Series = Vec<(u32, Estimate)>;

/// The users of every metric set for every combo.
pub(super) struct Values {
    /// By combo, then by the index of the metric set; those without users are left out.
    combos: Vec<Vec<(u32, Series)>>,
    /// (period, combo) where there are any users, in order, without the combo of all values.
    active: Vec<(u32, u32)>,
}

impl Values {
    /// Users of a metric set and combo, by their indexes, in a period.
    pub(super) fn get(&self, combo: usize, metric_set: usize, period: usize) -> Estimate {
        let series = &self.combos[combo];
        let found =
            series.binary_search_by_key(&metric_set, |(metric_set, _)| *metric_set as usize);
        let found = found.ok().and_then(|at| {
            let series = &series[at].1;
            let at = series.binary_search_by_key(&period, |(period, _)| *period as usize);
            at.ok().map(|at| series[at].1)
        });
        found.unwrap_or(NO_USERS)
    }

    /// The combos that have users in a period, besides that of all values.
    pub(super) fn active(&self, period: usize) -> impl Iterator<Item = usize> {
        let start = self.active.partition_point(|(at, _)| (*at as usize) < period);
        let own = self.active[start..].iter().take_while(move |(at, _)| *at as usize == period);
        own.map(|(_, combo)| *combo as usize)
    }
}

/// A series that is to be counted.
struct SeriesTask {
    combo: u32,
    metric_set: u32,
    targets: SeriesTarget,
}

/// What the counts of a series are of.
enum SeriesTarget {
    /// Indexes of periods.
    Periods(Vec<u32>),
    /// Runs of days: the first day, and how many; periods end on some of these.
    Days(Vec<(Day, u32)>),
}

/// Counts every metric set in every period for every combo.
pub(super) fn values(
    index: &CellIndex<'_>,
    window: Window,
    periods: &[Period],
    metric_sets: &[MetricSet],
    job: &JobContext<'_>,
) -> Result<Values> {
    let combos = 0..index.combos.len();
    let parts: Vec<Vec<(SeriesTask, CountRequest)>> = combos
        .into_par_iter()
        .map(|combo| {
            let mut tasks = Vec::new();
            for (metric_set, metrics) in metric_sets.iter().enumerate() {
                let days = &index.combos[combo].1;
                let Some((targets, request)) =
                    series_request(index, window, periods, days, metrics)
                else {
                    continue;
                };
                job.reserve(size_of::<(SeriesTask, CountRequest)>() + size(&request, &targets))?;
                tasks.push((
                    SeriesTask { combo: combo as u32, metric_set: metric_set as u32, targets },
                    request,
                ));
            }
            Ok(tasks)
        })
        .collect::<Result<_>>()?;
    let (tasks, requests): (Vec<SeriesTask>, Vec<CountRequest>) =
        parts.into_iter().flatten().unzip();
    let counts = index.rollup.users.answer(requests)?;
    let mut combos: Vec<Vec<(u32, Series)>> = Vec::new();
    combos.resize_with(index.combos.len(), Vec::new);
    let mut active = Vec::new();
    for (task, counts) in tasks.into_iter().zip(counts) {
        let series = to_series(&task.targets, &counts, periods);
        if series.is_empty() {
            continue;
        }
        let own = series.capacity() * size_of::<(u32, Estimate)>() + size_of::<(u32, Series)>();
        job.reserve(own + series.len() * size_of::<(u32, u32)>())?;
        if task.combo > 0 {
            active.extend(series.iter().map(|(period, _)| (*period, task.combo)));
        }
        combos[task.combo as usize].push((task.metric_set, series));
    }
    active.sort_unstable();
    active.dedup();
    Ok(Values { combos, active })
}

/// The request for a metric set; `None` if it has no cells in any period.
fn series_request(
    index: &CellIndex<'_>,
    window: Window,
    periods: &[Period],
    days: &CellsByDay,
    metric_set: &MetricSet,
) -> Option<(SeriesTarget, CountRequest)> {
    let length = match window {
        Window::Trailing(length) => Some(usize::from(length)),
        Window::Lagged28d => Some(28),
        _ => None,
    };
    let has_days = matches!(index.rollup.users, CellUsers::Exact(_) | CellUsers::Stored(_));
    if let (Some(length), true) = (length, has_days && index.is_plain(metric_set)) {
        let range = periods.first()?.start..=periods.last()?.end;
        let active = days.range(range.clone()).filter_map(|(day, _)| {
            let cells = index.plain(days, Period::new(*day, *day), metric_set);
            (!cells.is_empty()).then_some((*day, cells))
        });
        let (runs, days) = runs(active, length, *range.end());
        return (!runs.is_empty())
            .then_some((SeriesTarget::Days(runs), CountRequest::Trailing { days, length }));
    }
    let (mut targets, mut list) = (Vec::new(), Vec::new());
    for place in touched_periods(days.keys().copied(), periods) {
        let expr = index.expr_of(days, periods[place], metric_set);
        // An intersection with an empty union is empty.
        if expr.iter().any(|term| !term.is_empty() && term.iter().all(|cells| !cells.is_empty())) {
            targets.push(place as u32);
            list.push(expr);
        }
    }
    (!targets.is_empty()).then_some((SeriesTarget::Periods(targets), CountRequest::Exprs(list)))
}

/// The indexes of the periods that hold any of some days, which are in order.
fn touched_periods(days: impl Iterator<Item = Day>, periods: &[Period]) -> Vec<usize> {
    let mut targets: Vec<usize> = Vec::new();
    for day in days {
        let next = targets.last().map_or(0, |last| last + 1);
        let first = periods.partition_point(|period| period.end < day);
        let end = periods.partition_point(|period| period.start <= day);
        targets.extend(first.max(next)..end);
    }
    targets
}

/// Days of a trailing window without the long gaps between them, as runs and with their cells.
///
/// A day counts in the `length` days that begin with it, so a run goes on for so long after its
/// last day with events. Where the next run follows, all who came before have left: pushing the runs
/// together changes no count.
fn runs(
    active: impl Iterator<Item = (Day, Vec<u32>)>,
    length: usize,
    last: Day,
) -> (Vec<(Day, u32)>, Vec<Vec<u32>>) {
    let mut runs: Vec<(Day, u32)> = Vec::new();
    let mut days: Vec<Vec<u32>> = Vec::new();
    for (day, cells) in active {
        let offset = match runs.last() {
            Some((first, count)) if day.number() - first.number() <= *count as i32 => {
                (day.number() - first.number()) as usize
            }
            _ => {
                runs.push((day, 0));
                0
            }
        };
        let Some((_, count)) = runs.last_mut() else { continue };
        let start = days.len() - *count as usize;
        let left = (last.number() - day.number()) as usize + 1;
        let needed = offset + length.min(left);
        if needed > *count as usize {
            *count = needed as u32;
            days.resize_with(start + needed, Vec::new);
        }
        days[start + offset] = cells;
    }
    (runs, days)
}

/// Counts above zero, with the indexes of their periods.
fn to_series(targets: &SeriesTarget, counts: &[Estimate], periods: &[Period]) -> Series {
    let has_users = |(_, users): &(u32, Estimate)| users.high > 0;
    match targets {
        SeriesTarget::Periods(targets) => {
            targets.iter().copied().zip(counts.iter().copied()).filter(has_users).collect()
        }
        SeriesTarget::Days(runs) => {
            let days = runs.iter().flat_map(|(first, count)| {
                (0..*count).map(|more| first.plus(i32::try_from(more).unwrap_or(i32::MAX)))
            });
            let mut series = Series::new();
            for (day, users) in days.zip(counts).filter(|(_, users)| users.high > 0) {
                let start = periods.partition_point(|period| period.end < day);
                let ending = periods[start..].iter().take_while(|period| period.end == day);
                series.extend((start..).zip(ending).map(|(place, _)| (place as u32, *users)));
            }
            series
        }
    }
}

/// Heap bytes of a request and of its counts.
fn size(request: &CountRequest, targets: &SeriesTarget) -> usize {
    let list = |cells: &Vec<u32>| size_of_val(cells) + cells.capacity() * size_of::<u32>();
    let request_bytes = match request {
        CountRequest::Exprs(exprs) => {
            let term =
                |term: &Vec<Vec<u32>>| size_of_val(term) + term.iter().map(list).sum::<usize>();
            let one = |expr: &UserExpr| size_of_val(expr) + expr.iter().map(term).sum::<usize>();
            exprs.iter().map(one).sum::<usize>() + exprs.len() * size_of::<Estimate>()
        }
        CountRequest::Trailing { days, .. } => {
            days.iter().map(list).sum::<usize>() + days.len() * size_of::<Estimate>()
        }
    };
    request_bytes
        + match targets {
            SeriesTarget::Periods(targets) => targets.capacity() * size_of::<u32>(),
            SeriesTarget::Days(runs) => runs.capacity() * size_of::<(Day, u32)>(),
        }
}

#[cfg(test)]
mod tests {
    use super::{runs, touched_periods};
    use crate::calendar::{Day, Period, Window};

    #[test]
    fn gaps_take_no_days() {
        let (first, last) = (Day::new(0), Day::new(2_900_000));
        let active = [0, 2, 9, 2_899_999].map(|day| (Day::new(day), vec![day as u32]));
        let (runs, days) = runs(active.into_iter(), 3, last);
        assert_eq!(runs, [(first, 5), (Day::new(9), 3), (Day::new(2_899_999), 2)]);
        let cells: Vec<_> = days.iter().map(|cells| cells.first().copied()).collect();
        let (one, none) = (Some, None);
        assert_eq!(
            cells,
            [one(0), none, one(2), none, none, one(9), none, none, one(2_899_999), none]
        );
    }

    #[test]
    fn only_periods_with_events_are_touched() {
        let range = Period::new(Day::new(0), Day::new(20_000));
        let days = [3, 4, 15_000].map(Day::new);
        let periods = Window::Day.periods(range);
        assert_eq!(touched_periods(days.into_iter(), &periods), [3, 4, 15_000]);
        let periods = Window::Trailing(3).periods(range);
        assert_eq!(
            touched_periods(days.into_iter(), &periods),
            [3, 4, 5, 6, 15_000, 15_001, 15_002]
        );
    }
}
