//! Measures random sets of given sizes.

use counters::{Counter, Kind};
use engine::Result;

use super::measurement::{Measurement, SetKind};
use super::settings::Settings;
use super::trials::Trials;
use super::user_pool::{Random, UserPool};

/// Measures every counter on the same sets. All sizes must be at most the number of users.
pub(super) fn measure(
    pool: &mut UserPool,
    sizes: &[u64],
    settings: &Settings<'_>,
) -> Result<Vec<Measurement>> {
    let mut random = Random::new(settings.seed);
    let trials = u64::from(settings.trials);
    // The number of users added to counters, which determines the time.
    let all: u64 = sizes.iter().map(|size| size * trials).sum();
    let mut done = 0;
    let mut lines = Vec::new();
    for size in sizes {
        // The exact set comes first, because it gives the true size of a union.
        let counters = Counter::all(&settings.precisions, &Kind::ALL);
        let mut tried: Vec<Trials> =
            counters.into_iter().map(|counter| Trials::new(SetKind::Size, counter)).collect();
        for _ in 0..settings.trials {
            let sample = pool.sample(*size, &mut random);
            let mut union = None;
            for trials in &mut tried {
                let before = trials.take_last();
                trials.fill(&sample, settings.clock)?;
                if let Some(before) = before {
                    union = Some(trials.merge(&before, union, settings.clock)?);
                }
            }
            done += size;
            (settings.progress)(done, all);
        }
        lines.extend(tried.into_iter().filter_map(Trials::line));
    }
    Ok(lines)
}
