//! Passes over the events: recent days apart from all days.

use super::values::PingValue;
use crate::Result;
use crate::active::Spans;
use crate::calendar::{Day, Window};
use crate::metric::Dictionary;
use crate::project::Project;
use crate::scan::TimeGrain;

/// Calls `run` with the values of recent days and with those of all days, each with its grain, and
/// puts the results in the order of the values.
pub(super) fn in_passes<'a, T: Default + Clone>(
    project: &'a Project,
    metrics: &'a Dictionary,
    values: &[&PingValue],
    mut run: impl FnMut(&Spans<'a>) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let is_all = |value: &PingValue| value.span.1.start == Day::MIN;
    let mut results = vec![T::default(); values.len()];
    for (all, window) in [(false, Window::Day), (true, Window::Year)] {
        let places: Vec<usize> =
            (0..values.len()).filter(|at| is_all(values[*at]) == all).collect();
        // Without any values the range of the data is still of interest.
        if places.is_empty() && (all || !values.is_empty()) {
            continue;
        }
        let spans = places.iter().map(|at| values[*at].span.clone()).collect();
        let grain = TimeGrain::Calendar(window);
        let found = run(&Spans { project, dictionary: metrics, spans, grain })?;
        places.into_iter().zip(found).for_each(|(at, result)| results[at] = result);
    }
    Ok(results)
}
